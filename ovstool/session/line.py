"""One line of the shell: the words of a command, quoted as in sh, and what its output goes to (pure).

Quotation marks, backslashes and comments are those of POSIX (Shell Command Language, sections 2.2 and 2.3). Nothing is expanded: ``$``, ``~``,
``*`` and parentheses are characters like any other.
"""

import re
from typing import NamedTuple

from ovstool.errors import UsageError, quote

_PIECE = re.compile(
    r"""(?P<space>[ \t\r]+)|'(?P<single>[^']*)'|"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"|\\(?P<escaped>.)"""
    r"""|(?P<operator>[|>;&<])|(?P<plain>[^ \t\r'"\\|>;&<]+)""",
    re.DOTALL,
)
_IN_DOUBLE = re.compile(r'\\(["\\$`])')  # elsewhere between double quotes a backslash is itself
_EXPANDED = re.compile(r"[$`~*?[(]")  # by sh


class Line(NamedTuple):
    """The words of a command, and a command line for sh that reads what it prints; empty when nothing does.

    ``file`` is what sh will write to; empty when it will not, or when only sh can tell.
    """

    words: list[str]
    reader: str
    file: str = ""


class Unfinished(Exception):
    """The line ends with a backslash, so that the next one continues it."""


def read(text: str) -> Line:
    """What a line says. Raises UsageError, Unfinished."""
    words: list[str] = []
    pieces: list[str] | None = None  # of the word that has begun
    at = 0
    while at < len(text) and not (pieces is None and text[at] == "#"):
        match = _PIECE.match(text, at)
        if match is None:
            raise Unfinished if text[at] == "\\" else UsageError(quote(text[at:]), "no closing quotation mark")
        kind, piece = str(match.lastgroup), match[str(match.lastgroup)]
        if kind in ("space", "operator") and pieces is not None:
            words.append("".join(pieces))
            pieces = None
        if kind == "operator":
            return Line(words, _reader(words, text, at), _file(text[at:]) if piece == ">" else "")
        if kind != "space":
            pieces = [] if pieces is None else pieces
            pieces.append(_IN_DOUBLE.sub(r"\1", piece) if kind == "double" else piece)
        at = match.end()
    return Line(words if pieces is None else [*words, "".join(pieces)], "")


def _file(text: str) -> str:
    """The file of the ``> FILE`` at the beginning of the text; empty when sh would expand something in it."""
    name, at = "", len(text) - len(text.lstrip("> \t"))
    while (match := _PIECE.match(text, at)) and match.lastgroup not in ("space", "operator"):
        piece = match[str(match.lastgroup)]
        if match.lastgroup in ("plain", "double") and _EXPANDED.search(piece):
            return ""
        name += _IN_DOUBLE.sub(r"\1", piece) if match.lastgroup == "double" else piece
        at = match.end()
    return name


def _is_continued(text: str) -> bool:
    """Whether the backslash at the end of what sh is given is neither escaped nor part of a comment."""
    at, is_in_word = 0, False
    while (is_in_word or text[at : at + 1] != "#") and (match := _PIECE.match(text, at)):
        at, is_in_word = match.end(), match.lastgroup not in ("space", "operator")
    return text[at:] == "\\"


def _reader(words: list[str], text: str, at: int) -> str:
    """What sh is given of a line from the operator on: behind ``|`` a command, with ``>`` a file to write to."""
    operator, rest = text[at], text[at + 1 :].lstrip()
    if operator not in "|>" or rest[:1] in ("|", "&") or not rest:
        raise UsageError(
            quote(text[at : at + 2].strip()), "not understood here: only '| COMMAND', '> FILE' and '>> FILE' are", "quotes around it"
        )
    if not words:
        raise UsageError(quote(operator), "no command in front of it")
    if operator == ">" and text[at - 1].isdigit() and words[-1].isdigit():
        raise UsageError(f"{words[-1]}>", "only standard output can be redirected, with > alone")
    if _is_continued(rest):
        raise Unfinished
    return rest if operator == "|" else f"cat {text[at:]}"
