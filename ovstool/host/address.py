"""Hosts as users and inventories write them: ``[USER@]HOST[:PORT]``, comma lists, ``@GROUP``, and ranges such as ``leaf[01-32]``.

The results are passed to SSH, so anything that is not plainly a host name is refused.
"""

import itertools
import math
import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ovstool.errors import UsageError, quote

MAX_HOSTS = 10_000

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"  # never begins with "-", which a program would take for an option
_ADDRESS = re.compile(rf"(?:({_NAME})@)?({_NAME}|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9][A-Za-z0-9._-]*)?\])(?::([1-9][0-9]{{0,4}}))?")
_LONGEST = 1000  # characters that may be expanded into one host; a name has at most 253
_BRACKET = re.compile(r"[\[\]]")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_SPAN = re.compile(r"([0-9]{1,18}|[a-z]|[A-Z])[-:]([0-9]{1,18}|[a-z]|[A-Z])(?::([1-9][0-9]{0,17}))?")


class Address(NamedTuple):
    """The parts of an address; ``host`` is without IPv6 brackets."""

    user: str | None
    host: str
    port: int | None


class Target(NamedTuple):
    """A host: ``name`` as the user or the inventory calls it, ``address`` the ``[USER@]HOST[:PORT]`` to connect to.

    ``key`` is the file of a private key to log in with; ``is_here``: it is this machine, whatever its name.
    """

    name: str
    address: str
    key: str | None = None
    is_here: bool = False

    def shell_command(self, command: str, sudo: bool) -> str:
        """The local shell command that runs a shell command there."""
        user, host, port = parse(self.address)
        options = [*(["-i", self.key] if self.key else []), *(["-p", str(port)] if port else [])]
        words = ["ssh", *options, f"{user}@{host}" if user else host]
        return shlex.join([*words, f"sudo -n {command}" if sudo else command])


class HostWord(NamedTuple):
    """A host or ``@GROUP`` as written, and its place in a file, empty for the command line."""

    text: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {quote(self.text)}" if self.place else quote(self.text)


@contextmanager
def located(word: HostWord) -> Iterator[None]:
    """Add the place of the word to a UsageError."""
    try:
        yield
    except UsageError as error:
        if not word.place:
            raise
        raise UsageError(f"{word.place}: {error.what}", error.why, error.hint) from error


def targets(word: HostWord) -> list[Target]:
    """The hosts of a word that contains their addresses itself. Raises UsageError."""
    with located(word):
        names = expand(word.text)
        for name in names:
            parse(name)
    return [Target(name, name) for name in names]


def parse(text: str) -> Address:
    """Read ``[USER@]HOST[:PORT]``. Raises UsageError for anything that is not plainly that."""
    match = _ADDRESS.fullmatch(text)
    if not match:
        if "{{" in text:
            raise UsageError(quote(text), "a template, which only Ansible can fill in")
        if is_ipv6(text):
            raise UsageError(quote(text), "an IPv6 address needs brackets", f"[{text}]")
        raise UsageError(quote(text), "not of the form [USER@]HOST[:PORT]", "admin@leaf01, leaf01:2222, [2001:db8::1]:22 or leaf[01-32]")
    user, host, port = match.groups()
    if host.startswith("[") and not is_ipv6(host[1:-1]):
        raise UsageError(quote(text), "not an IPv6 address", "[2001:db8::1]:22")
    if port and int(port) > 65535:
        raise UsageError(quote(text), "a port is at most 65535")
    return Address(user, unbracketed(host), int(port) if port else None)


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address without brackets, perhaps with a scope."""
    try:
        return bool(socket.inet_pton(socket.AF_INET6, text.partition("%")[0]))
    except (OSError, ValueError):
        return False


def bracketed(host: str) -> str:
    """A host as written in an address: IPv6 in brackets."""
    return f"[{host}]" if is_ipv6(host) else host


def unbracketed(host: str) -> str:
    """IPv6 without its brackets, anything else unchanged."""
    return host[1:-1] if host.startswith("[") and is_ipv6(host[1:-1]) else host


def split(text: str) -> list[str]:
    """The words of a comma list. Raises UsageError for an empty one: a script's unset variable must not mean other hosts."""
    words = [word.strip(" ") for word in _at_commas(text)]
    if "" in words or "@" in words:
        raise UsageError(quote(text), "a host name is missing" if "" in words else "a group name is missing")
    return words


def _at_commas(text: str) -> list[str]:
    """Split at commas, except those within brackets: the next bracket after such a comma is a closing one."""
    words: list[list[str]] = []
    within = False
    for piece in reversed(text.split(",")):
        if within:
            words[-1].append(piece)
        else:
            words.append([piece])
        if bracket := _BRACKET.search(piece):
            within = bracket[0] == "]"
    return [",".join(reversed(pieces)) for pieces in reversed(words)]


def expand(word: str) -> list[str]:
    """Expand ``[01-32]``, ``[a-d]``, ``[1,3,5-7]``, and Ansible's ``[01:32]`` and ``[1:10:2]`` in a word.

    Raises UsageError for what is not a range, and for more than ``MAX_HOSTS``.
    """
    user, at, rest = word.rpartition("@")
    first = _BRACKETS.match(rest)
    if "[" not in rest or (first and is_ipv6(first[1])):
        return [word]
    choices = [_choices(text, word) if index % 2 else [text] for index, text in enumerate(_BRACKETS.split(rest))]
    if len(user) + sum(max(map(len, texts)) for texts in choices) > _LONGEST:
        raise UsageError(quote(word), "longer than any host name can be")
    if math.prod(map(len, choices)) > MAX_HOSTS:
        raise _too_many(word)
    return [user + at + "".join(parts) for parts in itertools.product(*choices)]


def _choices(text: str, word: str) -> list[str]:
    """Expand the text between two brackets."""
    result: list[str] = []
    for item in text.split(","):
        span = _SPAN.fullmatch(item)
        if span and _kind(span[1]) == _kind(span[2]):
            result += _spanned(span, word, MAX_HOSTS - len(result))
        elif not span and item.isascii() and item.isalnum():
            result.append(item)
        else:
            shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
            raise UsageError(quote(word), f"[{shown}] is not a range", "leaf[01-32], leaf[01-03,07] or pod[a-d]")
    return result


def _kind(end: str) -> tuple[bool, bool]:
    return end.isdigit(), end.isupper()


def _spanned(span: re.Match, word: str, most: int) -> list[str]:
    """All from one number or letter to another."""
    begin, end, step = span[1], span[2], int(span[3] or 1)
    width = max(len(begin), len(end)) if any(len(part) > 1 and part[0] == "0" for part in (begin, end)) else 0
    if width and len(begin) != len(end):
        hint = f"[{begin.zfill(width)}-{end.zfill(width)}]"
        raise UsageError(quote(word), f"[{span[0]}] is zero-padded to different widths", hint)
    number, name = (int, str) if begin.isdigit() else (ord, chr)
    numbers = range(number(begin), number(end) + 1, step)
    if not numbers:
        raise UsageError(quote(word), f"[{span[0]}] ends before it begins", f"[{end}-{begin}]")
    if len(numbers) > most:
        raise _too_many(word)
    return [name(n).zfill(width) for n in numbers]


def _too_many(word: str) -> UsageError:
    return UsageError(quote(word), f"more than {MAX_HOSTS} hosts")
