"""ovstool shell"""

import argparse
import os
import sys
from functools import partial
from typing import BinaryIO

from ovstool.command import Command
from ovstool.errors import UsageError, quote
from ovstool.session.session import Session
from ovstool.switch.connections import Connections

_STDIN = "-"


class Shell(Command):
    """Run commands one after the other, typed at a prompt or from a script

    Commands need no 'ovstool' in front. A connection to each switch stays open, so that the second command takes milliseconds. Tab
    completes commands, options and the names of bridges, ports and queues. Lines are kept in $XDG_STATE_HOME/ovstool/history (by default
    in ~/.local/state), unless they begin with a space. Ctrl-C ends a command; exit, quit or Ctrl-D leaves the shell.

    Common options given to 'ovstool shell' apply to every command in it; a command can be given others. A line of common options alone
    changes them: after '-H leaf02' commands go to leaf02, with the other options of that line, and after '-H' alone to this machine. The
    prompt names the switch.

    Words are quoted as in sh, and # begins a comment; variables, ~ and * are not expanded. The output of a command can go to a program
    or to a file: '| less', '| grep eth1', '> FILE', '>> FILE'. What follows the first unquoted | or > is run by /bin/sh.

    With FILE, or where standard input or output is not a terminal, the lines are a script, in which a backslash at the end of a line
    continues it. It stops at the first command that fails, with its exit code, and the message names the line: 'stdin:4: ...'. A check
    that finds a problem (exit code 1) stops it too. With --keep-going all commands are run; the exit code is then that of the commands
    that failed, or 8 if they failed with different ones. If the output goes to a program, and the command succeeds, the exit code is
    that of the program. In a script on standard input, commands cannot read standard input.

    Examples:
      ovstool shell
      ovstool shell -H leaf01 --sudo
      ovstool shell changes.txt
      ovstool shell --keep-going < checks.txt
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", help="script to run; - for standard input")
        parser.add_argument("--keep-going", action="store_true", help="run the rest of the script after a command that fails")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if self.app.connections:
            raise UsageError("shell", "this is one already", "'-H HOST' on a line of its own to go to another switch")
        stderr, self.app.connections = self.app.stderr, Connections()
        session = Session(self.app, parsed_args, partial(self.note, parsed_args=parsed_args))
        try:
            if parsed_args.file is None and sys.stdin.isatty() and self.app.stdout.isatty():
                return session.typed()
            file, name = _script(parsed_args.file or _STDIN)
            with file:
                return session.script(file, name, parsed_args.keep_going)
        finally:
            self.app.connections.close()
            self.app.stderr, self.app.connections = stderr, None


def _script(path: str) -> tuple[BinaryIO, str]:
    """A script that has been opened, and what it is called in messages. Raises UsageError."""
    if path == _STDIN:
        return _stdin_taken(), "stdin"
    try:
        return open(path, "rb"), quote(path)
    except (OSError, ValueError) as error:
        raise UsageError(quote(path), getattr(error, "strerror", None) or str(error)) from error


def _stdin_taken() -> BinaryIO:
    """Standard input. For what is run from now on there is none: reading it is an error, and not the rest of the script."""
    os.set_blocking(0, True)  # or the script would end, as if it were complete, where the next line is not there yet
    file = open(os.dup(0), "rb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return file
