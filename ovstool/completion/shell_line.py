"""The line that is being typed in a shell, and how a word is quoted for that shell. Pure.

The shells pass the text unchanged, including quotes, so that one reader serves bash, zsh and fish.
"""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

SHELLS = ("bash", "zsh", "fish")
BREAKS = " \t\n\"'@><=;|&(:"  # where readline starts a new word, unless COMP_WORDBREAKS is different

_PLAIN = re.compile(r"[\w%+,./:=@-]*")  # without special meaning in any shell, anywhere in a word
_NAME = r"\{(\w+)\}|(\w+)"  # of a variable; compiled when there is one
_ENDS_COMMAND = ";|&()\n"
_REDIRECTS = "<>"
_IN_DOUBLE = '"\\$`'  # with special meaning between double quotes


class Word(NamedTuple):
    """A word as the shell will understand it.

    ``quote`` is the quote that is still open at its end. ``kept`` is how many characters of the text precede the part that readline treats
    as the word. ``known`` is False if only the shell can expand it, such as ``$(date)``.
    """

    text: str = ""
    quote: str = ""
    kept: int = 0
    known: bool = True
    is_file: bool = False  # what follows < or >


class Line(NamedTuple):
    """The words before the cursor, the current word up to the cursor, and the words after it; the first is the program.

    ``environ`` has the variables that are set for the program in front of it.
    """

    environ: dict[str, str]
    before: list[Word]
    current: Word
    after: list[Word]


def read(shell: str, before: str, after: str, breaks: str = BREAKS) -> Line:
    """The command that the cursor is in; ``before`` and ``after`` are the text on either side of the cursor."""
    commands = list(_commands(_Reader(shell, before, breaks)))
    *words, current = commands[-1] if commands else [Word()]
    rest = next(_commands(_Reader(shell, after, breaks)), [])
    if not after[:1].isspace():
        rest = rest[1:]  # the end of the word that the cursor is in
    words = [word for word in words if not word.is_file]
    assigned = list(takewhile(_is_assignment, words))
    environ = {name: value for name, _, value in (word.text.partition("=") for word in assigned)}
    return Line(environ, words[len(assigned) :], current, [word for word in rest if not word.is_file and word.text])


def _is_assignment(word: Word) -> bool:
    name, equals, _ = word.text.partition("=")
    return bool(equals) and name.isascii() and name.isidentifier()


def written(shell: str, texts: Sequence[str], word: Word) -> Sequence[str | None]:
    """Candidates for the word in the form that the shell inserts; None for one that cannot be written there, or should not be shown."""
    if _PLAIN.fullmatch("".join(texts)):  # the usual case; there may be 10,000 of them
        return [text[word.kept :] for text in texts] if shell == "bash" and word.kept else texts
    return [_written(shell, text, word) for text in texts]


def _written(shell: str, text: str, word: Word) -> str | None:
    if not text.isprintable():  # a control character, or one that changes the writing direction, can make a name look like another
        return None
    if shell != "bash":  # the others quote what they insert themselves
        return text
    rest = text[word.kept :]
    if word.quote == "'":
        return None if "'" in rest else rest
    if word.quote == '"':
        return None if "!" in rest else re.sub(r'(["\\$`])', r"\\\1", rest)
    return rest if _PLAIN.fullmatch(rest) else re.sub(r"([^\w%+,./:=@-])", r"\\\1", rest)


def _commands(reader: "_Reader") -> Iterator[list[Word]]:
    """The words of each command of a line. The last word of the last command is the one at the end of the text, possibly empty."""
    words: list[Word] = []
    for word in reader.words():
        if word is None:
            yield words
            words = []
        else:
            words.append(word)
    yield words


class _Reader:
    """A text, read from beginning to end."""

    def __init__(self, shell: str, text: str, breaks: str):
        self._fish = shell == "fish"
        self._text = text
        self._breaks = breaks
        self._at = 0
        self._is_file = False
        self._clear()

    def _clear(self) -> None:
        self._word, self._begun = "", False
        self._kept, self._known = 0, True

    def words(self) -> Iterator[Word | None]:
        """Each word, None between two commands; the last is the one at the end of the text."""
        while self._at < len(self._text):
            char = self._take()
            if char in " \t":
                yield from self._ended()
            elif char == "#" and not self._begun:
                self._at = len(self._text)
                self._known = False
            elif char in _ENDS_COMMAND and not (self._fish and char == "&" and self._begun):
                yield from self._ended()
                self._is_file = False
                yield None
            elif char in _REDIRECTS:
                self._word = "" if self._word.isdigit() else self._word
                self._begun = bool(self._word)
                yield from self._ended()
                self._at += self._next in (">", "&")
                self._is_file = True
            elif char in "'\"":
                if not self._quoted(char):
                    yield self._made(char)
                    return
            else:
                self._plain(char)
        yield self._made("")

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._next
        self._at += 1
        return char

    def _made(self, quote: str) -> Word:
        return Word(self._word, quote, self._kept, self._known, self._is_file)

    def _ended(self) -> Iterator[Word]:
        if self._begun:
            yield self._made("")
            self._is_file = False
        self._clear()

    def _add(self, text: str) -> None:
        self._word += text
        self._begun = True

    def _plain(self, char: str) -> None:
        """A character outside quotes."""
        if char == "\\":
            self._add("" if self._next == "\n" else self._next)
            self._at += 1
        elif char == "~" and not self._begun and self._next in ("/", ""):
            self._add(os.path.expanduser("~") if self._next else char)
        elif char == "$" and self._next == "'" and not self._fish:
            self._known = False
            self._add("")
        elif char in "$`":
            self._variable(char)
        else:
            self._add(char)
            if char in self._breaks:
                self._kept = len(self._word)

    def _variable(self, char: str) -> None:
        """A substitution by the shell; only environment variables are known here."""
        if closing := {"`": "`", "$(": ")"}.get(char if char == "`" else char + self._next):
            self._at = (self._text.find(closing, self._at) + 1) or len(self._text)
        found = re.compile(_NAME).match(self._text, self._at) if char == "$" else None
        value = os.environ.get(found[1] or found[2]) if found else None
        self._known = self._known and value is not None
        self._at = found.end() if found else self._at
        self._add(value or "")

    def _quoted(self, quote: str) -> bool:
        """The text between quotes; False if they are not closed."""
        self._add("")
        self._kept = len(self._word)
        while self._at < len(self._text):
            char = self._take()
            if char == quote:
                self._kept = len(self._word)
                return True
            if char == "\\" and self._next and self._next in (("'\\" if self._fish else "") if quote == "'" else _IN_DOUBLE):
                self._add(self._take())
            elif quote == '"' and char in "$`":
                self._variable(char)
            else:
                self._add(char)
        return False
