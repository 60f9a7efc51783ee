"""The lines of a file of ssh_config(5), which nobody else may have written, and the patterns in it."""

import functools
import grp
import os
import pwd
import re
from collections.abc import Sequence
from typing import NamedTuple

from ovstool.errors import UsageError, quote
from ovstool.host import files

_MAX_FILE = 2**22  # bytes
# What ends a word and a line for ssh, which is less than for Python.
_LINE = re.compile(r"([A-Za-z0-9]+)(?:[ \t\r]*=[ \t\r]*|[ \t\r]+)(.+)", re.DOTALL)


class Line(NamedTuple):
    """A line that says something."""

    place: str  # FILE:LINE
    keyword: str  # in lower case
    rest: str  # after the keyword, as it is written
    words: list[str]


def lines(path: str, own: bool) -> Sequence[Line]:
    """The lines of a file; none when it is not there, or not for us to read. Raises UsageError when it cannot be understood.

    With ``own`` it is also raised for a file that anybody but the user and root may have written.
    """
    try:
        with files.opened(path) as file:
            found = os.fstat(file.fileno())
            if own and not _is_own(found) and not os.path.samestat(found, os.stat(os.devnull)):
                raise UsageError(path, "another user owns it or may write to it, so it is not used", f"chmod go-w {quote(path)}")
            return _parse(path, files.content(file, path, _MAX_FILE))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror}") from error


def _is_own(found: os.stat_result) -> bool:
    """Whether nobody but us, and root, has written what is in a file.

    A group that is ours alone may write to it, as Debian's ssh has it, where each user has such a group and files are made for it.
    """
    if found.st_uid not in (0, os.getuid()) or found.st_mode & 0o002:
        return False
    if not found.st_mode & 0o020:
        return True
    try:
        listed = set(grp.getgrgid(found.st_gid).gr_mem)
    except KeyError:
        return False
    users = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == found.st_gid}
    return bool(users or listed) and users <= {os.getuid()} and listed <= {files.own_name()}


@functools.lru_cache  # 32 hosts read the same file
def _parse(path: str, data: bytes) -> Sequence[Line]:
    found = []
    for number, text in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        line = text.partition("\0")[0].strip(" \t\r").rstrip(" \t\r\f")  # in C a text ends with a NUL
        if not line or line.startswith("#"):
            continue
        place = f"{path}:{number}"
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(place, f"{quote(line)} cannot be understood")
        words = _words(match[2])
        if words is None:
            raise UsageError(place, f"{quote(line)} has an unclosed quote")
        found.append(Line(place, match[1].lower(), match[2].lstrip("= \t\r"), words))
    return found


def _words(text: str) -> list[str] | None:
    """The words up to a comment, without their quotes; None when one of those has no end."""
    words: list[str] = []
    place = 0
    while place < len(text) and text[place] != "#":
        if text[place] in " \t":
            place += 1
            continue
        word, place = _word(text, place)
        if word is None:
            return None
        words.append(word)
    return words


def _word(text: str, place: int) -> tuple[str | None, int]:
    """The word that begins there, and where it ends."""
    letters = []
    quoted = ""
    while place < len(text) and (quoted or text[place] not in " \t"):
        letter, after = text[place], text[place + 1 : place + 2]
        if letter == "\\" and after and (after in "\\'\"" or (after == " " and not quoted)):
            letters.append(after)
            place += 1
        elif letter == quoted:
            quoted = ""
        elif not quoted and letter in "'\"":
            quoted = letter
        else:
            letters.append(letter)
        place += 1
    return None if quoted else "".join(letters), place


def chosen(patterns: Sequence[str], text: str) -> bool:
    """Whether one of the patterns fits, and none of those after a ``!`` does."""
    if any(matches(pattern[1:], text) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(matches(pattern, text) for pattern in patterns if not pattern.startswith("!"))


def matches(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern with ``*`` and ``?`` (ssh_config(5), PATTERNS); brackets are just brackets."""
    if "*" not in pattern:
        return len(pattern) == len(text) and _is_at(pattern, text, 0)
    first, *middle, last = pattern.split("*")
    place, end = len(first), len(text) - len(last)
    if place > end or not _is_at(first, text, 0) or not _is_at(last, text, end):
        return False
    # Each piece as early as it can be leaves the most for the next: nothing is ever tried again.
    for piece in filter(None, middle):
        while not _is_at(piece, text, place):
            place += 1
            if place + len(piece) > end:
                return False
        place += len(piece)
    return place <= end


def _is_at(piece: str, text: str, place: int) -> bool:
    """Whether a piece without ``*`` is in the text at this place."""
    if "?" not in piece:
        return text.startswith(piece, place)
    return place + len(piece) <= len(text) and all(a in (b, "?") for a, b in zip(piece, text[place:], strict=False))
