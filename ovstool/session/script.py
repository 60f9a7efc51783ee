"""A script of commands, line by line, however long it is."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO

from ovstool.errors import UsageError
from ovstool.session import line
from ovstool.session.line import Line, Unfinished

_LONGEST = 2**20  # bytes of a line
_MOST_LINES = 100  # that backslashes join into one


def numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number; of one that is too long the beginning, which is longer than ``text_of`` takes."""
    number = 0
    while data := file.readline(_LONGEST + 2):
        number += 1
        yield number, data if number > 1 else data.removeprefix(BOM_UTF8)
        while data and not data.endswith(b"\n"):  # the rest of it
            data = file.readline(_LONGEST)


def text_of(data: bytes) -> str:
    """A line as text, without its end, which may be that of Windows. Raises UsageError."""
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    if len(data) > _LONGEST:
        raise UsageError("the line", f"longer than {_LONGEST >> 20} MiB")
    if b"\0" in data:
        raise UsageError("the line", "contains a NUL character, so it is not text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the line", "not valid UTF-8") from error


def command_of_bytes(first: bytes, following: Iterator[tuple[int, bytes]]) -> Line:
    """The command that begins with this line of a script. Raises UsageError."""
    return command(text_of(first), (text_of(data) for _, data in following))


def command(first: str, following: Iterator[str]) -> Line:
    """The command that begins with this line and takes further ones where a backslash says so. Raises UsageError, EOFError, KeyboardInterrupt."""
    text = first
    for _ in range(_MOST_LINES):
        try:
            return line.read(text)
        except Unfinished:
            rest = next(following, None)
            if rest is None:
                raise UsageError("the line", "ends with a backslash, and no line follows") from None
            text = text[:-1] + rest
            if len(text) > _LONGEST:
                break
    raise UsageError("the line", f"continued over more than {_MOST_LINES} lines, or {_LONGEST >> 20} MiB")
