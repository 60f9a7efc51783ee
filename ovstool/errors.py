"""All errors of ovstool, each with its exit code.

An error is raised once, where the cause is known, and reported once, by ``command.py``. Its text is one line:
``WHAT: WHY``, followed by ``; try: HINT`` if there is something to try.
"""

import os
from collections.abc import Sequence
from enum import IntEnum
from errno import EMFILE, ENFILE

_MORE_FILES = "; try: a higher 'ulimit -n'"
_SHOWN = 64  # characters of a hostile name that are worth showing


class Exit(IntEnum):
    """Exit codes; scripts rely on these numbers."""

    OK = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    REFUSED = 6
    TIMEOUT = 7
    SOME_FAILED = 8
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class OvstoolError(Exception):
    """Base of all expected errors.

    ``what`` names the thing that failed, ``why`` the reason, ``hint`` something the reader can type or do next.
    """

    exit_code = Exit.BUG

    def __init__(self, what: str, why: str, hint: str | None = None):
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.what}: {self.why}"
        if self.hint:
            text += f"; try: {self.hint}"
        return one_line(text)


class UsageError(OvstoolError):
    """An unknown command or option, or an invalid value."""

    exit_code = Exit.USAGE


class NotFound(OvstoolError):
    """No such bridge, port, queue or group."""

    exit_code = Exit.NOT_FOUND


class Conflict(OvstoolError):
    """The object exists already and differs, the name is ambiguous, or someone else kept changing the object."""

    exit_code = Exit.CONFLICT


class Unreachable(OvstoolError):
    """No peer that speaks the protocol could be reached at that address."""

    exit_code = Exit.UNREACHABLE


class Refused(OvstoolError):
    """The switch refused the change or could not apply it."""

    exit_code = Exit.REFUSED


class TimedOut(OvstoolError):
    """No answer arrived within the time limit."""

    exit_code = Exit.TIMEOUT


def of_the_machine(error: BaseException) -> str | None:
    """What this machine lacks or does not allow, with the file concerned; None for any other error."""
    match error:
        case OSError():
            what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
            return f"{what or 'this machine'}: {error.strerror or error}" + (_MORE_FILES if error.errno in (EMFILE, ENFILE) else "")
        case MemoryError() | SystemError():  # Python raises SystemError when it has no memory for a MemoryError
            return "this machine: out of memory"
        case RecursionError():
            return "the input is nested too deeply"
        case ImportError():
            while isinstance(error.__cause__, ImportError):  # numpy's own message is a page long
                error = error.__cause__
            return f"a Python module cannot be imported: {error}"
        case RuntimeError() if "can't start new thread" in str(error):
            return "this machine: no more threads can be started"
        case _:
            return None


def of_a_bug(error: BaseException) -> str:
    """What an error tells that nothing expected."""
    return f"a bug in ovstool: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def quote(name: str) -> str:
    """Show a name in a message: unchanged if plain, else quoted, escaped and cut to a readable length."""
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
    if not name or any(not c.isprintable() or c.isspace() or c in "'\"\\" for c in shown):
        shown = '"' + escape(shown).replace('"', '\\"') + '"'
    return shown if len(name) <= _SHOWN else f"{shown} ({len(name)} characters)"


def quote_some(names: Sequence[str], most: int = 5) -> str:
    """Show several names in a message: the first ``most`` of them and the number of others, ``a, b and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join([quote(name) for name in names[:most]]) + more


def one_line(text: str) -> str:
    """Escape characters that would end the line or control the terminal; text from a peer may contain anything."""
    return text if text.isprintable() else escape(text, keep="\\")


def escape(text: str, keep: str = "") -> str:
    """Write unprintable characters as ``\\n``, ``\\x1b`` and so on, and double each backslash unless kept."""
    out = []
    for c in text:
        if c in keep or (c.isprintable() and c != "\\"):
            out.append(c)
        else:
            out.append(c.encode("unicode_escape").decode("ascii"))
    return "".join(out)
