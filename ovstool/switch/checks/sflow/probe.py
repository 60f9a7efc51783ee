"""What ovs-vswitchd sends: for some seconds each sFlow row has a second target on the switch's own host, where this listens.

The row is changed by a guarded transaction and put back whatever happens in between; what a killed check leaves, the next command takes away
(``second_target``). ovs-vswitchd begins anew with each change, so collectors see its agents restart twice.
"""

import io
import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, NamedTuple

from ovstool import signals
from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, quote, quote_some
from ovstool.host import Finished, local
from ovstool.sflow import capture, datagram, far_collector
from ovstool.sflow.datagram import Datagram
from ovstool.sflow.xdr import Malformed
from ovstool.switch import WARNING, Finding, Switch, lookup
from ovstool.switch.checks.sflow import datagrams, delivery, state
from ovstool.switch.checks.sflow.datagrams import Counters, Heard
from ovstool.switch.checks.sflow.state import Export, Host
from ovstool.switch.sflow import second_target, targets

_LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 32768)  # below those that Linux gives to who asks for none (ip_local_port_range)
_TRIES = 5  # ports, of which another program may have one
_AT_ONCE = 8  # rows, with a program that listens for each
_PAUSE_S = 0.1
_BEGUN_S = 10  # for a program to listen, and the rows to be changed
_LATE_S = 7  # longer than asked for what has to come: on a host under load ovs-vswitchd may be late
_LEAST_S = 1  # of the time allowed that is left for the end
_PUT_BACK_S = 5  # also when no time is left
_COUNTING_S = 3  # for the counters of all bridges
_OFTEN = 250  # interfaces whose counters may be sent every second
_MOST = 2000  # datagrams without counters that are looked at


class Probes:
    """The second targets of one command, which works on each host in a thread of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._underway = 0
        self.are_ending = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """The block in which rows have a second target. In the main thread a signal ends it in good order, and is handled behind it."""
        with self._changed:
            if self.are_ending:
                raise KeyboardInterrupt
            self._underway += 1
        try:
            with signals.deferred(self._end_soon):
                yield
        finally:
            with self._changed:
                self._underway -= 1
                self._changed.notify()

    def _end_soon(self) -> None:
        self.are_ending = True

    def end(self) -> None:
        """Have all rows put back, where the command is told to end meanwhile."""
        with self._changed:
            self.are_ending = True
            self._changed.wait_for(lambda: not self._underway, _PUT_BACK_S)


class _Row(NamedTuple):
    """An sFlow row, the bridges that refer to it, and the second target that it gets, with what the program there writes.

    ``is_refused``: nothing is bound there, as tcpdump captures without that, so what is sent is refused by ICMP.
    """

    exports: list[Export]
    target: str
    output: Iterator[bytes]
    is_refused: bool

    @property
    def uuid(self) -> str:
        return self.exports[0].row


def findings(switch: Switch, exports: Sequence[Export], host: Host, probes: Probes, listen_s: float) -> list[Finding]:
    """What is wrong with the datagrams of these bridges; what could not be seen, and is no fault, is noted."""
    switch.give_until(switch.deadline + listen_s)
    rows = [[export for export in exports if export.row == row] for row in lookup.unique(export.row for export in exports)]
    found: list[Finding] = []
    heard: list[Heard] = []
    for first in range(0, len(rows), _AT_ONCE):
        for each in _probe_some(switch, rows[first : first + _AT_ONCE], host, probes, listen_s):
            found += datagrams.findings(each) if isinstance(each, Heard) else [each]
            heard += [each] if isinstance(each, Heard) else []
    switch.notes += datagrams.notes(heard)
    switch.notes += datagrams.proofs(heard)
    return found


def _probe_some(switch: Switch, shared: list[list[Export]], host: Host, probes: Probes, listen_s: float) -> Iterator[Heard | Finding]:
    """What came of each bridge, or that its row was changed meanwhile, and what is heard of the way to its collectors."""
    with ExitStack() as listening:
        rows = [_row(switch, exports, host, listen_s, listening) for exports in shared]
        exports = [export for row in rows for export in row.exports]
        before = _counters(switch, [export.bridge for export in exports])
        with probes.one(), second_target.unasked(switch), _second_targets(switch, rows):
            begun = time.monotonic()
            came = [_datagrams(switch, row, probes, begun, listen_s) for row in rows]
            seconds, after = time.monotonic() - begun, _counters(switch, before)
            tells = not any(row.is_refused for row in rows)
            sent = None if probes.are_ending else delivery.while_sending(switch, host, exports, tells)
    again = {export.bridge: export for export in state.configured(switch)}
    unexplained: list[str] = []
    for row, of_row in zip(rows, came, strict=True):
        for heard in _heard(row, of_row, host, seconds):
            bridge = heard.export.bridge
            changed = _changed(heard.export, again.get(bridge))
            yield changed or heard._replace(before=before.get(bridge), after=after.get(bridge))
            if sent and not changed:
                wrong = list(delivery.findings(heard.export, host, sent))
                yield from wrong
                unexplained += [bridge] if sent.is_refused and not wrong else []
    if unexplained:
        switch.notes.append(delivery.unexplained(unexplained))


def _row(switch: Switch, exports: list[Export], host: Host, listen_s: float, listening: ExitStack) -> _Row:
    """The second target of a row, with a program that listens there. Raises OvstoolError where none can.

    Where the agent's address depends on the targets it is that address, which another target could change (sflow_choose_agent_address).
    """
    is_asked = host.agents_asked_of(exports[0])
    address = _LOOPBACK if is_asked else min(host.agents_of(exports[0]), default=_LOOPBACK)
    for _ in range(_TRIES):
        port = random.choice(_PORTS)
        program = [*switch.in_its_network, *far_collector.argv(address, port)]
        output = switch.host.stream(program, _BEGUN_S + listen_s + _LATE_S, _PAUSE_S)
        listening.enter_context(closing(output))
        answer, rest = _first_line(output)
        if answer.word in (far_collector.LISTENING, far_collector.CAPTURING):
            return _Row(exports, targets.target(address, port), _resumed(rest, output), answer.word == far_collector.CAPTURING)
        if answer.word == far_collector.NOTHING:
            raise NotFound("python3", "neither it nor tcpdump is installed on the switch's host")
    raise Refused(f"address {address}", f"no UDP port there can be listened at (error {answer.number})")


def _first_line(output: Generator[bytes, None, Finished]) -> tuple[far_collector.Answer, bytes]:
    """What the program says first, and what came behind it. Raises Refused when it says nothing."""
    begun = b""
    while b"\n" not in begun and len(begun) < far_collector.LONGEST_ANSWER:
        try:
            begun += next(output)
        except StopIteration as end:
            raise _ended(end.value) from None
    line, end_of_line, rest = begun.partition(b"\n")
    if not (answer := far_collector.answer(line + end_of_line)):
        raise Refused("the program that listens", f"says {quote(line.decode(errors='replace'))}")
    return answer, rest


def _resumed(rest: bytes, output: Generator[bytes, None, Finished]) -> Iterator[bytes]:
    if rest:
        yield rest
    finished = yield from output
    raise _ended(finished)


def _ended(finished: Finished) -> Refused:
    return Refused("the program that listens", local.last_line(finished.stderr) or "ended")


@contextmanager
def _second_targets(switch: Switch, rows: Sequence[_Row]) -> Iterator[None]:
    """Add the second targets for the length of the block; all rows in one transaction."""

    def add(txn: Any) -> None:
        for row in rows:
            every = sum(len(export.interfaces) for export in row.exports)
            second_target.add(txn, row.uuid, row.target, 1 + every // _OFTEN)

    try:
        switch.write(add)
        yield
    except BaseException:
        switch.close()  # an answer may still come to what was asked
        raise
    finally:
        _put_back(switch, [row.target for row in rows])


def _put_back(switch: Switch, added: Sequence[str]) -> None:
    """Take the second targets away, over a new connection where the old one is lost."""
    switch.give_until(max(switch.deadline, time.monotonic() + _PUT_BACK_S))
    try:
        switch.write(lambda txn: second_target.remove(txn, added))
    except (Unreachable, TimedOut):
        switch.close()
        try:
            switch.write(lambda txn: second_target.remove(txn, added))
        except OvstoolError:
            evidence = f"{quote_some(added)} of an sFlow row could not be removed"
            switch.found.append(Finding(None, WARNING, "a target of this check is left", evidence, (("ovstool", "sflow", "list"),)))
            raise


def _datagrams(switch: Switch, row: _Row, probes: Probes, begun: float, listen_s: float) -> list[Datagram]:
    """The datagrams that come to the second target of a row, until all that can be looked at has come. Raises TimedOut."""
    found: list[Datagram] = []

    def is_over() -> bool:
        of_bridges = datagrams.by_bridge(row.exports, found)
        heard = [Heard(export, of_bridges[export.bridge], 0, set()) for export in row.exports]
        passed = time.monotonic() - begun
        has_come = all(each.datagrams or not each.must_send for each in heard)
        if switch.remaining_s() < _LEAST_S and not has_come:
            raise TimedOut("ovs-vswitchd", "sent no datagram in the time that was left to wait for one", "a longer --timeout")
        if has_come and all(each.flows and (each.counters or not each.must_send) for each in heard):
            return True
        is_late = passed > listen_s and (has_come or passed > listen_s + _LATE_S or not second_target.is_in(switch, row.uuid, row.target))
        return probes.are_ending or switch.remaining_s() < _LEAST_S or is_late

    with suppress(Malformed):  # it may end in the middle
        for received in capture.read(io.BufferedReader(capture.Chunks(_until(is_over, row.output)))):
            decoded = datagram.decode(received.payload)
            if len(found) < _MOST or any(sample.kind == "counter" for sample in decoded.samples):
                found.append(decoded)
    return found


def _until(is_over: Callable[[], bool], output: Iterator[bytes]) -> Iterator[bytes]:
    """What a program writes, until it is enough; nothing is said of a program that ends."""
    for chunk in output:
        if chunk:
            yield chunk
        if is_over():
            return


def _heard(row: _Row, came: Sequence[Datagram], host: Host, seconds: float) -> Iterator[Heard]:
    numbers, of_bridges = datagrams.sub_agents(row.exports, came), datagrams.by_bridge(row.exports, came)
    for export in row.exports:
        same = [bridge for bridge, others in numbers.items() if bridge != export.bridge and others & numbers[export.bridge]]
        yield Heard(export, of_bridges[export.bridge], seconds, host.agents_asked_of(export), shared_with=same)


def _counters(switch: Switch, bridges: Iterable[str]) -> dict[str, Counters]:
    """The counters of the ports of each bridge by now; left out is what does not answer, or would take longer than all else."""
    found, begun = {}, time.monotonic()
    for bridge in bridges:
        if time.monotonic() > begun + _COUNTING_S:
            break
        if (counters := switch.attempt(f"what the ports of {bridge} count", _port_counters, switch, bridge)) is not None:
            found[bridge] = counters
    return found


def _port_counters(switch: Switch, bridge: str) -> Counters:
    with closing(switch.openflow(bridge, _COUNTING_S)) as client:
        return {each.port: each.counters for each in client.port_stats()}


def _changed(export: Export, again: Export | None) -> Finding | None:
    """What another program has done to the row meanwhile."""
    if again is None:
        evidence = "it had sFlow when the check began, and has none now"
    elif differing := [name for name in _ASKED if getattr(export, name) != getattr(again, name)]:
        said = ", ".join(f"{name} was {getattr(export, name)} and is {getattr(again, name)}" for name in differing if name != "row")
        evidence = said or "it refers to another row with the same content"
    else:
        return None
    remedy = (("ovstool", "sflow", "list"),)
    return Finding(export.bridge, WARNING, "another program changes sFlow", f"within seconds: {evidence}", remedy)


_ASKED = ("row", "agent", "targets", "sampling", "polling_s", "header")
