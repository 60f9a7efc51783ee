"""Errors as one line."""

import io
import logging
import os
import subprocess
import sys

import pytest

from ovstool import errors
from ovstool.errors import Exit, NotFound, OvstoolError, one_line, quote

HOSTILE = [
    "",
    " ",
    "a b",
    "a\nb",
    "a\r\nb",
    "\x1b[31mred",
    "a'b",
    'a"b',
    "a\\b",
    "\0",
    "\u202e",
    "\ud800",
    "x" * 10_000,
    "\n" * 10_000,
    "\u2028",
]


@pytest.mark.parametrize("name", ["br0", "eth1.100", "iface-id:a-b", "nätzwerk", "vif\u4e2d"])
def test_a_plain_name_is_shown_as_it_is(name):
    assert quote(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_makes_one_short_printable_line(name):
    line = str(NotFound(f"port {quote(name)}", "no such port", quote(name)))
    assert line.isprintable() and len(line) < 2000
    line.encode()


@pytest.mark.parametrize("one, other", [("a b", "a  b"), ("a\nb", "a\\nb"), ('"', "\\"), ("", " ")])
def test_two_names_never_look_the_same(one, other):
    assert quote(one) != quote(other)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_peer_stays_on_one_line(text):
    assert one_line(text).isprintable()


def test_the_exit_codes_of_the_contract():
    assert {name: int(code) for name, code in Exit.__members__.items()} == {
        "OK": 0, "NO": 1, "USAGE": 2, "NOT_FOUND": 3, "CONFLICT": 4, "UNREACHABLE": 5, "REFUSED": 6, "TIMEOUT": 7, "SOME_FAILED": 8,
        "BUG": 70, "INTERRUPTED": 130, "BROKEN_PIPE": 141,
    }  # fmt: skip


def test_every_error_has_a_code_of_its_own():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, OvstoolError) and c is not OvstoolError]
    assert sorted(c.exit_code for c in classes) == [2, 3, 4, 5, 6, 7]


FAILING = """
import os, sys, types
from ovstool import commands, errors, shell
from ovstool.command import Command

class Failing(Command):
    "Fail"

    def take_action(self, args):
        self.app.stdout.write("printed\\n")
        raise errors.Refused("it", "fails")

sys.modules["ovstool.commands.failing"] = types.SimpleNamespace(Failing=Failing)
commands.COMMANDS["fail"] = "failing:Failing"
os._exit(shell.main(["fail"]))
"""


@pytest.mark.parametrize(("target", "printed"), [(None, "printed\n"), ("/dev/full", None), ("/dev/null", None)])
def test_what_a_command_prints_before_it_fails(target, printed):
    with open(target or os.devnull, "w") as file:
        done = subprocess.run(
            [sys.executable, "-c", FAILING],
            stdout=file if target else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr, done.stdout) == (Exit.REFUSED, "ovstool: it: fails\n", printed)


def test_what_is_logged():
    from ovstool import shell

    loggers = logging.getLogger("ovstool")
    before = loggers.level
    try:
        for verbose_level, level in ((0, logging.WARNING), (1, logging.WARNING), (2, logging.INFO), (3, logging.INFO)):
            shell._log(verbose_level, io.StringIO())
            assert loggers.level == level
    finally:
        loggers.setLevel(before)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "a\nb", None, None)
    assert shell._OneLine("ovstool: %(message)s").format(record) == "ovstool: a\\nb"
