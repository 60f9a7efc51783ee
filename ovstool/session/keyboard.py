"""Lines that are typed at a terminal, with their history, and Tab."""

import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ovstool import signals
from ovstool.completion import shell_line
from ovstool.completion.candidates import FILES, candidates, is_open
from ovstool.completion.command_line import COMMANDS
from ovstool.completion.grammar import place
from ovstool.errors import UsageError
from ovstool.session import history

if TYPE_CHECKING:
    from types import ModuleType

    from ovstool.switch.connections import Connections

Given = dict[str, list[str]]  # the values of options, by their long names
_PROGRAM = "ovstool "  # in front of the line as another shell has it
_MORE = "> "  # the prompt for the rest of a line that ends with a backslash


class Keyboard:
    """Asks for lines. ``given`` tells the options that hold for all commands."""

    def __init__(self, given: Callable[[], Given], connections: "Connections", note: Callable[[str], None]):
        self._given = given
        self._connections = connections
        self._note = note
        self._matches: list[str] = []
        self._last = ""
        self._modes: list[Any] = []  # of the terminal, while a line is typed
        self._folder = history.folder()
        self._readline = _readline()
        if self._readline:
            self._readline.set_completer(self._match)
            self._readline.set_completer_delims(" \t\n")
            self._readline.parse_and_bind("tab: complete")
            self._readline.set_auto_history(False)
            self._readline.set_pre_input_hook(self._note_modes)
            self._load()

    def ask(self, prompt: str) -> str:
        """The line that is typed. Raises UsageError, EOFError, KeyboardInterrupt."""
        try:
            with signals.handled(lambda *_: self._show_again(prompt), signal.SIGCONT):
                text = input(prompt)
        except UnicodeDecodeError as error:
            raise UsageError("the line", f"not valid {error.encoding.upper()}") from error
        if self._readline and text.strip() and not text.startswith(" ") and text != self._last:
            self._recall(text)
            self._save(text)
        return text

    def _note_modes(self) -> None:
        self._modes = termios.tcgetattr(0)

    def _show_again(self, prompt: str) -> None:
        """After Ctrl-Z and fg: the shell that this one was started from has set the modes of the terminal for itself."""
        if self._readline and self._modes:
            with suppress(termios.error):  # it is gone
                termios.tcsetattr(0, termios.TCSANOW, self._modes)
            sys.stdout.write(f"{prompt}{self._readline.get_line_buffer()}")
            sys.stdout.flush()

    def more(self) -> Iterator[str]:
        """The lines that are typed for the rest of one."""
        while True:
            yield self.ask(_MORE)

    def _load(self) -> None:
        try:
            for line in history.load(self._folder) if self._folder else ():
                self._recall(line)
        except OSError as error:
            self._leave_history(error)

    def _recall(self, line: str) -> None:
        """Let the arrow keys bring the line back, unless it has a NUL or a character that the terminal's encoding lacks."""
        self._last = line
        with suppress(ValueError):
            self._readline.add_history(line)  # type: ignore[union-attr]

    def _save(self, text: str) -> None:
        try:
            if self._folder:
                history.add(self._folder, text)
        except OSError as error:
            self._leave_history(error)

    def _leave_history(self, error: OSError) -> None:
        self._note(f"{self._folder}/history: {error.strerror or error}; what is typed here is not kept")
        self._folder = None

    def _match(self, typed: str, number: int) -> str | None:
        """What readline asks for: the match of this number for what is typed since the last space."""
        if not number:
            try:
                line, end = self._readline.get_line_buffer(), self._readline.get_endidx()  # type: ignore[union-attr]
                self._matches = [f"{typed}{rest}" for rest in rests(line[:end], line[end:], self._given(), self._connections)]
            except (Exception, KeyboardInterrupt):  # a Tab that fails offers nothing
                self._matches = []
        return self._matches[number] if number < len(self._matches) else None


def rests(before: str, after: str, usual: Given, connections: "Connections") -> list[str]:
    """What may come at the cursor, with the space behind a word that is complete; ``usual`` holds where the line gives no such option."""
    line = shell_line.read("bash", _PROGRAM + before, after)
    words = [word.text for word in line.before]
    current = line.current
    if current.is_file or not line.before:
        return _files(current.text)  # of another program, or to write to
    while words[1:2] == ["ovstool"]:
        words = words[1:]
    at = place(COMMANDS, words[1:], current.text, [word.text for word in line.after])
    if at.values == FILES:
        return _files(at.typed)

    def ask(kind: str, *of: str) -> Sequence[str]:
        from ovstool.completion import live

        return live.ask(usual | at.given, kind, *of, connections=connections)

    found = list(candidates(COMMANDS, at, ask))
    written = shell_line.written("bash", found, current._replace(kept=len(current.text)))
    return [rest + ("" if is_open(text) else f"{current.quote} ") for text, rest in zip(found, written, strict=True) if rest is not None]


def _files(begin: str) -> list[str]:
    """The ends of the names of files that begin so."""
    folder, slash, name = os.path.expanduser(begin).rpartition("/")
    try:
        with os.scandir(f"{folder}{slash}" or ".") as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name))
    except OSError:
        return []
    plain = [(other, is_dir) for other, is_dir in found if other.isprintable() and (name or not other.startswith("."))]
    rests = shell_line.written("bash", [other for other, _ in plain], shell_line.Word(name, kept=len(name)))
    return [f"{rest}{'/' if is_dir else ' '}" for rest, (_, is_dir) in zip(rests, plain, strict=True) if rest is not None]


def _readline() -> "ModuleType | None":
    try:
        import readline
    except ImportError:  # a Python that was built without it
        return None
    return readline
