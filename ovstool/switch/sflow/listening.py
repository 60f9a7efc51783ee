"""Where datagrams come from: a local socket, a remote one, or a capture file; and where the switch sends them when none arrive."""

import io
import os
import queue
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import BinaryIO, NamedTuple

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, Unreachable, UsageError, one_line, quote
from ovstool.host import Finished, local
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.values import many
from ovstool.sflow import capture, far_collector
from ovstool.sflow.capture.fragments import Fragments
from ovstool.sflow.collector import BUFFER, Arrival, Collector, cannot_listen
from ovstool.sflow.xdr import Malformed
from ovstool.switch import WARNING, Finding, Switch, iproute
from ovstool.switch.sflow.targets import PORT, is_ip, parse_collector, plain_ip
from ovstool.switch.sflow.targets import Collector as Target
from ovstool.units import counted

STDIN = "-"
_PAUSE_S = 0.2  # after which an empty batch is yielded, so that the caller can check the time
_AT_ONCE = 64  # datagrams in a batch
_WAITING = 4096  # datagrams in the queue; when it is full, the reader blocks
_CHUNK = 2**18  # bytes
_VERSION_5 = b"\0\0\0\5"
_FOR_EVER_S = 10**6  # what poll(2) and SSH can wait for
_HINT_S = 1.0  # to find a hint, at the end of a command that may have been interrupted
_SHOWN = 3  # targets in a hint
_ANY = ("0.0.0.0", "::")
Batches = Generator[Sequence[Arrival], None, None]


class Origin(NamedTuple):
    """The source of datagrams: a UDP port of the switch's host, on one address or all, or a capture file.

    Without ``port`` it is 6343; in a file, sFlow datagrams to any port.
    """

    port: int | None = None
    bind: str | None = None
    file: str | None = None


class _Ended(Unreachable):
    """The remote listener has exited."""


def batches(switch: Switch, origin: Origin) -> Batches:
    """The datagrams, until the file ends or the caller stops. Raises Conflict, Refused, NotFound, Unreachable, UsageError."""
    if origin.file is not None:
        return _of_file(origin.file, origin.port, switch.notes.append)
    return _here(switch, origin) if switch.host is local else _far(switch, origin)


def _port(origin: Origin) -> int:
    return PORT if origin.port is None else origin.port


def _here(switch: Switch, origin: Origin) -> Batches:
    with closing(Collector(origin.bind, _port(origin))) as collector:
        switch.notes.append(f"listening on UDP port {collector.port}")
        yield ()
        try:
            yield from collector.batches(_PAUSE_S)
        finally:
            if dropped := collector.dropped:
                switch.notes.append(
                    f"{counted(dropped, 'datagram')} dropped because the socket buffer was full; try: sysctl -w net.core.rmem_max={BUFFER}"
                )


def _far(switch: Switch, origin: Origin) -> Batches:
    switch.give_until(time.monotonic() + _FOR_EVER_S)
    where = switch.host.name
    output = io.BufferedReader(capture.Chunks(_unending(where, switch.stream(far_collector.argv(origin.bind, _port(origin))))), _CHUNK)
    answer = _answer(where, output)
    match answer.word:
        case far_collector.NOTHING:
            raise NotFound(where, "has neither python3 nor tcpdump; listening there needs one of them", "install python3")
        case far_collector.ERRNO:
            raise cannot_listen(answer.number, origin.bind, _port(origin), where)
        case far_collector.CAPTURING:
            switch.notes.append(f"no python3 on {where}; capturing UDP port {_port(origin)} with tcpdump instead")
        case _:
            switch.notes.append(f"listening on UDP port {answer.number}")
    yield ()
    try:
        yield from _as_it_comes(_captured(output, where, answer.number or _port(origin), switch.notes.append))
    except _Ended as error:
        if answer.word == far_collector.CAPTURING:
            raise Refused(f"{where}: tcpdump", error.why, "--sudo") from error
        raise


def _unending(where: str, output: Generator[bytes, None, Finished]) -> Iterator[bytes]:
    """The output of a program that does not exit by itself. Raises _Ended if it does, Unreachable if the connection is lost."""
    finished = yield from output
    said = local.last_line(finished.stderr)
    raise _Ended(where, said or "the remote listener has exited")


def _answer(where: str, output: BinaryIO) -> far_collector.Answer:
    line = output.readline(far_collector.LONGEST_ANSWER)
    answer = far_collector.answer(line)
    if answer is None:
        raise Unreachable(where, f"unexpected answer from the remote listener: {quote(line.decode(errors='replace').strip())}")
    return answer


def _of_file(path: str, port: int | None, note: Callable[[str], object]) -> Batches:
    what = "standard input" if path == STDIN else one_line(path)
    with _opened(path) as file:
        arrivals = _captured(file, what, port, note)
        yield from _batched(arrivals) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else _as_it_comes(arrivals)


def _opened(path: str) -> BinaryIO:
    try:
        return open(sys.stdin.fileno() if path == STDIN else path, "rb", closefd=path != STDIN)
    except FileNotFoundError as error:
        raise NotFound(one_line(path), "no such file") from error
    except IsADirectoryError as error:
        raise UsageError(one_line(path), "a directory") from error
    except OSError as error:
        raise Refused(one_line(path), (error.strerror or str(error)).lower()) from error


def _captured(file: BinaryIO, what: str, port: int | None, note: Callable[[str], object]) -> Iterator[Arrival]:
    """The datagrams in a capture to this port; without one those to port 6343, and others that start like sFlow version 5.

    Notes at the end count datagrams with missing fragments, and those truncated by the snaplen. Raises Conflict for a file that is no
    capture, and after the last complete packet of a truncated one.
    """
    fragments, cut = Fragments(), 0
    try:
        for received in capture.read(file, fragments):
            if received.port == port or (port is None and (received.port == PORT or received.payload[:4] == _VERSION_5)):
                cut += received.is_cut
                yield Arrival(received.time, received.payload, received.address.removeprefix("::ffff:"))
    except capture.Compressed as error:
        raise Conflict(what, f"not a capture: {error}", "zcat FILE | ovstool sflow listen --read -") from error
    except Malformed as error:
        raise Conflict(what, f"not a capture, or damaged: {error}") from error
    except OSError as error:
        raise Refused(what, (error.strerror or str(error)).lower()) from error
    finally:
        if fragments.incomplete:
            note(f"{counted(fragments.incomplete, 'UDP datagram')} with missing fragments")
        if cut:
            note(f"{counted(cut, 'datagram')} truncated by the capture's snaplen; try: tcpdump -s 0 when capturing")


def _batched(source: Iterable[Arrival]) -> Batches:
    """Group datagrams into batches; the last one is yielded before an error is raised."""
    batch: list[Arrival] = []
    try:
        for arrival in source:
            batch.append(arrival)
            if len(batch) >= _AT_ONCE:
                yield batch
                batch = []
    except OvstoolError:
        if batch:
            yield batch
        raise
    yield batch


def _as_it_comes(source: Iterable[Arrival]) -> Batches:
    """Batches of datagrams that a thread reads, so that the caller never blocks for long."""
    waiting: queue.Queue[Arrival | BaseException | None] = queue.Queue(_WAITING)

    def read() -> None:
        try:
            for arrival in source:
                waiting.put(arrival)
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    threading.Thread(target=read, name="reader of datagrams", daemon=True).start()
    while True:
        batch = list(_taken(waiting))
        is_over = bool(batch) and not isinstance(batch[-1], Arrival)
        arrivals = [arrival for arrival in batch if isinstance(arrival, Arrival)]
        if arrivals or not is_over:
            yield arrivals
        if is_over:
            break
    if isinstance(batch[-1], BaseException):
        raise batch[-1]


def _taken(waiting: queue.Queue) -> Iterator[Arrival | BaseException | None]:
    """The items in the queue, after waiting a moment for the first."""
    try:
        yield waiting.get(timeout=_PAUSE_S)
        for _ in range(_AT_ONCE):
            yield waiting.get_nowait()
    except queue.Empty:
        pass


class _Export(NamedTuple):
    """A target of a bridge's sFlow, as text and parsed; None where its host is not an IP address."""

    bridge: str
    target: str
    collector: Target | None


def silence(switch: Switch, origin: Origin) -> Finding:
    """The note about a listener at ``origin`` that received nothing: where the bridges export to, and why that is not here."""
    switch.close()
    switch.give_until(time.monotonic() + min(switch.timeout_s, _HINT_S))
    port = _port(origin)
    note = partial(Finding, None, WARNING, "no datagrams")
    try:
        exports = list(_exports(switch))
        addresses = _local_addresses(switch, origin.bind) if exports else None
    except OvstoolError:  # a collector need not be on a switch
        expression = ("udp", "port", str(port)) if port else ("udp",)
        return note("", (("tcpdump", "-n", "-i", "any", *expression),))
    finally:
        switch.close()
    if not exports:
        return note("no bridge of this switch exports sFlow", (("ovstool", "help", "sflow", "enable"),))
    here = f"not {origin.bind}" if origin.bind else f"not an address of {'this host' if switch.host is local else switch.host.name}"
    shown = [_described(export, port, addresses, here) for export in exports[:_SHOWN]]
    return note("; ".join(shown), (("ovstool", "sflow", "check"),))


def _exports(switch: Switch) -> Iterator[_Export]:
    tables = by_row(switch.tables({"Bridge": ("name", "sflow"), "sFlow": ("targets",)}))
    for bridge in sorted(tables["Bridge"].values(), key=lambda row: row["name"]):
        for uuid in set(many(bridge["sflow"])) & tables["sFlow"].keys():
            for target in sorted(many(tables["sFlow"][uuid]["targets"])):
                yield _Export(bridge["name"], target, _target(target))


def _target(target: str) -> Target | None:
    try:
        collector = parse_collector(target)
    except UsageError:
        return None
    return collector if is_ip(collector.host) else None


def _local_addresses(switch: Switch, bind: str | None) -> set[str | None] | None:
    """The addresses that the listener can be reached at; None where ovs-vswitchd is on another host or in another network."""
    if not switch.host_is_known or switch.in_its_network:
        return None
    return {plain_ip(bind)} if bind and bind not in _ANY else {plain_ip(address) for address in iproute.addresses(switch)}


def _described(export: _Export, port: int, addresses: set[str | None] | None, here: str) -> str:
    """Where a bridge exports to, and what of that is not the listener's; port 0 is any."""
    text = f"{quote(export.bridge)} exports to {quote(export.target)}"
    if export.collector and addresses and plain_ip(export.collector.host) not in addresses:
        return f"{text}, which is {here}"
    if export.collector and port and export.collector.port != port:
        return f"{text}, not to port {port}"
    return text
