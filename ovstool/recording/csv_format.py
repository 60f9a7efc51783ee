"""Recordings as CSV: a header line, then one line for each port and sample."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from ovstool import spreadsheet, units
from ovstool.errors import Conflict
from ovstool.rates import COUNTERS, Reading
from ovstool.recording.files import BLOCK, COLUMNS, DAMAGED, FOREIGN, LATEST, failed, os_errors, shown
from ovstool.recording.recorder import Recorder, printable

HEADER = (",".join(COLUMNS) + "\n").encode()
_LONGEST_LINE = 2**16  # ours have some 200 bytes; longer ones were written by something else


class CsvRecorder(Recorder):
    """Appends lines, and removes a partial write if the disk is full."""

    def __init__(self, path: str, fd: int, note: Callable[[str], None]):
        super().__init__(path, fd)
        self._names: dict[tuple[str, str, str], str] = {}
        with os_errors(path):
            self._put_right(note)

    def _put_right(self, note: Callable[[str], None]) -> None:
        """Refuse a file that is not ours, and cut off an incomplete last line that a killed process or a full disk left."""
        fd, path = self._fd, self.path
        size = os.fstat(fd).st_size
        head = os.pread(fd, len(HEADER), 0)
        if head != HEADER and (size > len(head) or not HEADER.startswith(head)):
            raise Conflict(shown(path), FOREIGN, "another file")
        tail = os.pread(fd, _LONGEST_LINE, max(size - _LONGEST_LINE, 0))
        torn = len(tail) - 1 - tail.rfind(b"\n")
        if torn == _LONGEST_LINE:
            raise Conflict(shown(path), f"{FOREIGN}, or damaged: its last line has no end", "another file")
        if torn:
            os.ftruncate(fd, size - torn)
            note(f"{shown(path)}: cut off {units.counted(torn, 'byte')} of an incomplete last line")

    def _write(self, sample: Sequence[Reading], host: str | None) -> None:
        state = os.fstat(self._fd)
        # The header again if something else has emptied the file, as logrotate does.
        data = (b"" if state.st_size else HEADER) + "".join([self._line(reading, host) for reading in sample]).encode()
        done = 0
        try:
            while done < len(data):  # a second time only on a full disk, to learn the reason
                done += os.write(self._fd, data[done:])
        except OSError as error:
            raise failed(self.path, error) from error
        finally:
            if done < len(data):
                os.ftruncate(self._fd, state.st_size)

    def _line(self, reading: Reading, host: str | None) -> str:
        # csv.writer takes twice as long.
        key = host or "", reading.bridge, reading.port
        names = self._names.get(key)
        if names is None:
            names = self._names[key] = ",".join(map(_field, key))
        age = "" if reading.duration_s is None else f"{reading.duration_s:.6f}"
        counter = reading.counters.get
        return f"{reading.time:.6f},{names},{age},{','.join([str(counter(name, '')) for name in COUNTERS])}\n"


def read(path: str, file: BinaryIO, note: Callable[[str], None]) -> Iterator[tuple[str, Reading]]:
    """The host and the reading of each line. Raises Conflict, naming the damaged line."""
    head = file.read(len(HEADER))
    if head != HEADER:
        if not HEADER.startswith(head):
            raise Conflict(shown(path), FOREIGN)
        return
    number, rest = 1, b""
    while block := file.read(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for number, line in enumerate(lines, number + 1):  # noqa: B020 - goes on counting in the next block
            try:
                yield _parse(line)
            except (ValueError, csv.Error) as error:
                raise Conflict(f"{shown(path)}, line {number}", DAMAGED) from error
        if len(rest) > _LONGEST_LINE:
            raise Conflict(f"{shown(path)}, line {number + 1}", "damaged: it has no end")
    if rest:
        note(f"{shown(path)}: the last line is incomplete and was ignored")


def _parse(line: bytes) -> tuple[str, Reading]:
    """A line of a CSV recording. Raises ValueError or csv.Error."""
    fields: list[Any] = line.split(b",")
    if len(fields) != len(COLUMNS) or b'"' in line:
        if len(line) > _LONGEST_LINE:
            raise ValueError(line)
        (quoted,) = csv.reader([line.decode()], strict=True)
        fields = [field.encode() for field in quoted]
    time, host, bridge, port, age, *values = fields
    # float() and int() would take signs, exponents, "nan" and underscores too.
    if len(values) != len(COUNTERS) or b"".join([time, age, *values]).translate(None, b"0123456789."):
        raise ValueError(line)
    seconds = float(time)
    counters = (
        dict(zip(COUNTERS, map(int, values), strict=True))
        if all(values)
        else {c: int(v) for c, v in zip(COUNTERS, values, strict=True) if v}
    )
    if seconds >= LATEST or max(counters.values(), default=0) >= 2**64:
        raise ValueError(line)
    names = host.decode(), bridge.decode(), port.decode()
    if b"'" in line:
        names = spreadsheet.meant(names[0]), spreadsheet.meant(names[1]), spreadsheet.meant(names[2])
    return names[0], Reading(seconds, names[1], names[2], float(age) if age else None, counters)


def _field(name: str) -> str:
    """A field of CSV: quoted where RFC 4180 requires it, and never a formula."""
    name = spreadsheet.text(printable(name))
    return '"' + name.replace('"', '""') + '"' if '"' in name or "," in name else name
