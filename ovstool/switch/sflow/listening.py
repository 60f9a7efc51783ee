"""Where datagrams come from: a socket here, one on the far host, or a capture in a file; in batches, empty ones while nothing comes."""

import io
import os
import queue
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, NamedTuple

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, Unreachable, UsageError, one_line, quote
from ovstool.host import Finished, local
from ovstool.sflow import capture, far_collector
from ovstool.sflow.capture.fragments import Fragments
from ovstool.sflow.collector import Arrival, Collector, cannot_listen
from ovstool.sflow.xdr import Malformed
from ovstool.switch import Switch
from ovstool.switch.sflow.targets import PORT
from ovstool.units import counted

STDIN = "-"
_PAUSE_S = 0.2  # after which an empty batch says that time goes by
_AT_ONCE = 64  # datagrams in a batch
_WAITING = 4096  # datagrams that are kept while the ones before are worked on; then whoever sends them waits
_CHUNK = 2**18  # bytes
_VERSION_5 = b"\0\0\0\5"
_FOR_EVER_S = 10**6  # what poll(2) and SSH can wait for
Batches = Generator[Sequence[Arrival], None, None]


class Origin(NamedTuple):
    """Where datagrams come from: a UDP port, at one address or at all, on the switch's host; or the capture in a file.

    Without a port it is sFlow's; in a file also any other.
    """

    port: int | None = None
    bind: str | None = None
    file: str | None = None


class _Ended(Unreachable):
    """The program that listens on the far host has ended."""


def batches(switch: Switch, origin: Origin) -> Batches:
    """What comes, until a file ends or nobody asks any more. Raises Conflict, Refused, NotFound, Unreachable, UsageError."""
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
                    f"{counted(dropped, 'datagram')} found no room in the socket's buffer; a larger net.core.rmem_max lets more of them wait"
                )


def _far(switch: Switch, origin: Origin) -> Batches:
    switch.give_until(time.monotonic() + _FOR_EVER_S)
    where = switch.host.name
    output = io.BufferedReader(capture.Chunks(_unending(where, switch.stream(far_collector.argv(origin.bind, _port(origin))))), _CHUNK)
    answer = _answer(where, output)
    match answer.word:
        case far_collector.NOTHING:
            raise NotFound(where, "has neither python3 nor tcpdump, of which one is needed to listen there", "one of them installed")
        case far_collector.ERRNO:
            raise cannot_listen(answer.number, origin.bind, _port(origin), where)
        case far_collector.CAPTURING:
            switch.notes.append(f"no python3 there, so tcpdump captures what comes for UDP port {_port(origin)}, whoever listens")
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
    """What a program writes that does not end by itself. Raises _Ended when it does, Unreachable when the connection is lost."""
    finished = yield from output
    said = local.last_line(finished.stderr)
    raise _Ended(where, said or "the program that listens there has ended")


def _answer(where: str, output: BinaryIO) -> far_collector.Answer:
    line = output.readline(far_collector.LONGEST_ANSWER)
    answer = far_collector.answer(line)
    if answer is None:
        raise Unreachable(where, f"the program that is to listen there says {quote(line.decode(errors='replace').strip())}")
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
    """The datagrams in a capture, to this port; without one those to sFlow's, and all others that are sFlow's by their first bytes.

    A note at the end says how many came without some of their fragments. Raises Conflict where it is no capture or is cut short, behind
    what is whole.
    """
    fragments = Fragments()
    try:
        for received in capture.read(file, fragments):
            if received.port == port or (port is None and (received.port == PORT or received.payload[:4] == _VERSION_5)):
                yield Arrival(received.time, received.payload, received.address.removeprefix("::ffff:"))
    except capture.Compressed as error:
        raise Conflict(what, f"not a capture: {error}", "zcat FILE | ovstool sflow listen --read -") from error
    except Malformed as error:
        raise Conflict(what, f"not a capture, or damaged: {error}") from error
    except OSError as error:
        raise Refused(what, (error.strerror or str(error)).lower()) from error
    finally:
        if fragments.incomplete:
            note(
                f"{counted(fragments.incomplete, 'UDP datagram')} without some of {'its' if fragments.incomplete == 1 else 'their'} fragments"
            )


def _batched(source: Iterable[Arrival]) -> Batches:
    """Batches of what is there at once; the last one comes before the error that there may be at the end."""
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
    """Batches of what a thread reads, so that its waiting is not ours."""
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
    """What waits, after a pause in which there may come something."""
    try:
        yield waiting.get(timeout=_PAUSE_S)
        for _ in range(_AT_ONCE):
            yield waiting.get_nowait()
    except queue.Empty:
        pass
