"""The lines of an ssh_config(5) file, which other users must not be able to write to, and its patterns."""

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
# The characters that end a word or a line for ssh, fewer than for Python.
_LINE = re.compile(r"([A-Za-z0-9]+)(?:[ \t\r]*=[ \t\r]*|[ \t\r]+)(.+)", re.DOTALL)


class Line(NamedTuple):
    """A line that is neither empty nor a comment."""

    place: str  # FILE:LINE
    keyword: str  # in lower case
    rest: str  # after the keyword, as it is written
    words: list[str]


def lines(path: str, own: bool) -> Sequence[Line]:
    """The lines of a file; none when it does not exist or may not be read. Raises UsageError when it cannot be parsed.

    With ``own`` also raises it for a file that anybody but the user and root can write to.
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
    """Whether only the user and root can write to a file.

    It may be writable by a group with the user as its only member, as in Debian's ssh: there each user has such a private group.
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


@functools.lru_cache  # many hosts read the same file
def _parse(path: str, data: bytes) -> Sequence[Line]:
    found = []
    for number, text in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        line = text.partition("\0")[0].strip(" \t\r").rstrip(" \t\r\f")  # a NUL ends a string in C
        if not line or line.startswith("#"):
            continue
        place = f"{path}:{number}"
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(place, f"{quote(line)} is not a KEYWORD VALUE line")
        words = _words(match[2])
        if words is None:
            raise UsageError(place, f"{quote(line)} has an unclosed quote")
        found.append(Line(place, match[1].lower(), match[2].lstrip("= \t\r"), words))
    return found


def _words(text: str) -> list[str] | None:
    """The words up to a comment, without their quotes; None for an unclosed quote."""
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
    """The word that starts at ``place``, and where it ends."""
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
    """Whether one of the patterns matches, and none of those negated with ``!``."""
    if any(matches(pattern[1:], text) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(matches(pattern, text) for pattern in patterns if not pattern.startswith("!"))


def matches(pattern: str, text: str) -> bool:
    """Whether the text matches a pattern with ``*`` and ``?`` (ssh_config(5), PATTERNS); brackets are literal."""
    if "*" not in pattern:
        return len(pattern) == len(text) and _is_at(pattern, text, 0)
    first, *middle, last = pattern.split("*")
    place, end = len(first), len(text) - len(last)
    if place > end or not _is_at(first, text, 0) or not _is_at(last, text, end):
        return False
    # Matching each piece as early as possible leaves the most for the next, so there is no backtracking.
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
