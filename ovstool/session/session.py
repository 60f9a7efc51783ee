"""Commands one after the other, typed or from a script, each with the options that hold for all and over the connections that are open."""

import argparse
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from ovstool import signals
from ovstool.command import report
from ovstool.errors import Exit, OvstoolError, one_line
from ovstool.parser import common_defaults
from ovstool.session import script
from ovstool.session.line import Line
from ovstool.session.reader import require_writable, run_into

if TYPE_CHECKING:
    from ovstool.session.keyboard import Keyboard

_LEAVE = (Line(["exit"], ""), Line(["quit"], ""))
_HERE = (["-H"], ["--host"])
_WHERE = ("db", "hosts", "usual_hosts", "sudo", "accept_new_host_key", "private_key", "certificate", "ca_cert")  # of the common options
_LONGEST_NAME = 40  # of a switch in the prompt, in characters
_PROGRAM = "ovstool: "
_OVER, _NOTHING = None, -1  # in place of an exit code: the session is to end; the line has no command


class Session:
    """Runs commands by an App; ``note`` tells the user something. Nothing of a command is left for the next but its connection."""

    def __init__(self, app: Any, options: argparse.Namespace, note: Callable[[str], None]):
        self._app = app
        self._note = note
        common = vars(common_defaults())
        self._options = argparse.Namespace(**{name: value for name, value in vars(options).items() if name in common})
        self._send_to(options.hosts or options.usual_hosts)

    def typed(self) -> int:
        """Run what is typed at the terminal. Returns the exit code of the last command."""
        from ovstool.session.keyboard import Keyboard  # a script does without

        keyboard = Keyboard(self._given, self._app.connections, self._note)
        self._note("help lists the commands, Tab completes, exit leaves")
        last: int = Exit.OK
        interrupt = signal.getsignal(signal.SIGINT)
        with signals.handled(signals.leave_to_the_child, signal.SIGINT):  # except while a line is typed or run
            while (code := self._typed_line(keyboard, interrupt)) is not _OVER:
                last = last if code is _NOTHING else code
        return last

    def _typed_line(self, keyboard: "Keyboard", interrupt: Any) -> int | None:
        """Run one line that is typed. Returns its exit code, _NOTHING or _OVER."""
        code: int | None
        try:
            with signals.handled(interrupt, signal.SIGINT):
                code = self._run(lambda: script.command(keyboard.ask(self._prompt()), keyboard.more()))
        except EOFError:
            code = _OVER
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        if code == Exit.INTERRUPTED:
            self._app.connections.end_commands()
        if code in (_OVER, Exit.INTERRUPTED):
            self._app.stdout.write("\n")
        return code

    def script(self, file: BinaryIO, name: str, keep_going: bool) -> int:
        """Run a script, of which ``name`` is said in messages. Returns the exit code of what failed."""
        placed = self._app.stderr = Placed(self._app.stderr)
        codes: set[int] = set()
        lines = script.numbered(file)
        for number, data in lines:
            placed.begin(f"{name}:{number}")
            code = self._run(partial(script.command_of_bytes, data, lines))
            if code is _OVER:
                break
            if code in (Exit.OK, _NOTHING):
                continue
            is_ended = code in (Exit.INTERRUPTED, Exit.BROKEN_PIPE)  # the script too, and quietly
            if not (is_ended or placed.has_said):
                self._note(f"exit code {int(code)}")
            if is_ended or not keep_going:
                return code
            codes.add(code)
        return Exit.SOME_FAILED if len(codes) > 1 else next(iter(codes), Exit.OK)

    def _run(self, read: Callable[[], Line]) -> int | None:
        """Run the line that is read. Returns its exit code, _NOTHING or _OVER."""
        try:
            line = read()
            if line in _LEAVE:
                return _OVER
            words = line.words[1:] if line.words[:1] == ["ovstool"] else line.words  # as a hint or an example has it
            if not words:
                return _NOTHING
            if self._changes_options(words):
                return Exit.OK
            if line.file:
                require_writable(line.file)
            self._app.options = argparse.Namespace(**vars(self._options))
            run = partial(self._app.run, words)
            return run_into(self._app, run, line.reader) if line.reader else run()
        except OvstoolError as error:
            return report(error, self._options.debug, self._app.stderr)

    def _changes_options(self, words: list[str]) -> bool:
        """Whether the line is nothing but common options, which then hold for the commands that follow. Raises UsageError."""
        if words in _HERE:
            self._go_elsewhere()
            return True
        if not words[0].startswith("-") or self._app.count_options(words) < len(words):
            return False
        given = self._app.parser.parse_words(words, argparse.Namespace(verbose_level=self._options.verbose_level))
        if given.version or "help" in given:
            return False
        if "hosts" in given or "db" in given:
            self._go_elsewhere()
        self._options = argparse.Namespace(**vars(self._options) | vars(given))
        self._send_to(self._options.hosts or self._options.usual_hosts)
        return True

    def _go_elsewhere(self) -> None:
        """Forget which switch it was, and how it was reached."""
        usual = vars(common_defaults()) | {"usual_hosts": []}
        self._options = argparse.Namespace(**vars(self._options) | {name: usual[name] for name in _WHERE})

    def _send_to(self, hosts: list[str]) -> None:
        """Let commands that name no host go to these."""
        self._options.usual_hosts, self._options.hosts = hosts, None

    def _given(self) -> dict[str, list[str]]:
        """The options that say which switch it is, as completion knows them."""
        options = self._options
        values = {"--sudo": options.sudo and [""]}
        paths = {"--db": options.db, "--inventory": options.inventory, "--private-key": options.private_key}
        paths |= {"--certificate": options.certificate, "--ca-cert": options.ca_cert}
        given = {name: value for name, value in (values | {name: path and [path] for name, path in paths.items()}).items() if value}
        return given | {"--host": options.usual_hosts}  # none: this machine, whatever $OVSTOOL_HOST says

    def _prompt(self) -> str:
        name = one_line(",".join(self._options.usual_hosts) or self._name_here())
        name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
        return f"ovstool {name}> " if name else "ovstool> "

    def _name_here(self) -> str:
        """What the switch is called that no host is named for: nothing when it is this machine's own."""
        from ovstool.sandbox.directories import MARKER

        rundir = os.environ.get("OVS_RUNDIR", "")
        db = self._options.db or (f"unix:{rundir}/db.sock" if rundir else "")
        folder = os.path.dirname(db.removeprefix("unix:"))
        if db.startswith("unix:") and os.path.exists(f"{folder}/{MARKER}"):
            name = os.path.basename(folder).removeprefix("ovstool-")
            return name if "sandbox" in name else f"sandbox {name}"
        return self._options.db or ""


class Placed:
    """Standard error with the place in a script in what is said of a command there: ``ovstool: stdin:4: ...``."""

    def __init__(self, stderr: Any):
        self._stderr = stderr
        self.begin("")

    def begin(self, place: str) -> None:
        """What is said from now on is said of this place."""
        self._place = place
        self.has_said = False

    def write(self, text: str) -> int:
        self.has_said = True
        program, found, said = text.partition(_PROGRAM)
        return self._stderr.write(f"{_PROGRAM}{self._place}: {said}" if found and not program else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stderr, name)
