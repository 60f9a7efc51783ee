"""argparse as we want it: how words are read, the options that all commands share, and the types of their values.

A type turns the text of one word into a value, or raises what argparse reports as the user's mistake.
"""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.terminal.formats import Formatters
from ovstool.terminal.window import width_of, window_width

_COMMON = "common options (before or after the command words)"
_OUTPUT = "output options"
_LONGEST_S = 10**6
_PARALLEL = 16
_STAND_IN = "\0"  # which no word has
# What other tools call our options.
_OF_OTHERS = {
    "--vlan": "--tag", "--vlans": "--trunk", "--trunks": "--trunk", "--json": "-f json", "--csv": "-f csv", "--yaml": "-f yaml", "-o": "-f",
    "--output": "-f", "--columns": "-c", "--fields": "-c", "--bandwidth": "--max-rate", "--limit": "--rate", "--follow": "--watch",
    "--remote": "--host", "--target": "--collector", "--seconds": "--interval", "--iface-id": "--external-id iface-id=ID",
}  # fmt: skip
_LONGEST_MESSAGE = 400  # characters; argparse repeats what it was given, however long


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's, with a usage line that leaves out the options that every command has."""

    def __init__(self, prog: str):
        super().__init__(prog, width=window_width() - 2)

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        own = [
            action for action in actions if getattr(action, "container", None) is None or action.container.title not in (_OUTPUT, _COMMON)
        ]
        super().add_usage(usage, own, [], prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap paragraphs to the terminal; indented lines, which are examples or a table, stay as they are."""
        paragraphs = [re.split(r"\n(?= )", paragraph, maxsplit=1) for paragraph in text.split("\n\n")]
        return "\n\n".join(
            "\n".join([super(_HelpFormatter, self)._fill_text(prose, width, indent), *lines]) for prose, *lines in paragraphs
        )


class Parser(argparse.ArgumentParser):
    """argparse that abbreviates nothing, raises instead of exiting, takes positionals between options, and ``--`` for what it is."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_HelpFormatter, **kwargs)
        self.color = False  # which newer ones have, and no other text of ovstool

    def parse_words(self, words: Sequence[str], defaults: argparse.Namespace) -> argparse.Namespace:
        """Parse options and positionals in any order. What follows ``--`` is positional, whatever it looks like."""
        head = before_double_dash(words)
        behind = [f"{_STAND_IN}{word}" for word in words[len(head) + 1 :]]
        args, rest = self.parse_known_intermixed_args([*head, *behind], defaults)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(map(_meant, rest))}")
        return args

    # argparse has read "--" differently in almost every release, and takes one away that is the value of an option. So it is not
    # shown any: words with a mark in front take the places of those behind "--", until their values are made.

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and any(word.startswith(_STAND_IN) for word in arg_strings):
            raise argparse.ArgumentError(action, "a value is missing before --")
        return super()._get_values(action, [f"{_STAND_IN}--" if word == "--" else word for word in arg_strings])

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        return super()._get_value(action, _meant(arg_string))

    def format_help(self) -> str:
        """Usage, description, then the command's own options; those that every command has come last."""
        last = [_OUTPUT, _COMMON]
        self._action_groups.sort(key=lambda group: last.index(group.title) + 1 if group.title in last else 0)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
        words = self.prog.removeprefix("ovstool").strip()
        help_command = f"ovstool help {words}".strip()
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            from difflib import get_close_matches

            word = unknown.partition(" ")[0].partition("=")[0]
            ours = _OF_OTHERS.get(word, "")
            if ours.partition(" ")[0] in self._option_string_actions:
                near = [ours]
            else:  # a letter may be meant for anything
                near = get_close_matches(word, self._option_string_actions, 1, 0.5) if word.startswith("--") else []
            help_command = " or ".join([*near, help_command])
        # What is wrong with a value often comes with something to try already.
        raise UsageError(words or "command line", message.removeprefix("argument "), None if "; try: " in message else help_command)


def before_double_dash(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _meant(word: str) -> str:
    return word.removeprefix(_STAND_IN)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes, before and after its words; unset ones leave what was set before alone."""
    group = parser.add_argument_group(_COMMON)

    def add(*names: str, **kwargs: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **kwargs)

    add(
        "--db",
        metavar="TARGET",
        type=_address,
        help="the switch's database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT (default: $OVSTOOL_DB, else db.sock in $OVS_RUNDIR)",
    )
    add(
        "-H",
        "--host",
        metavar="HOST",
        dest="hosts",
        action="append",
        help="reach the switch over SSH: [USER@]HOST[:PORT], leaf[01-32], @GROUP, and lists of those with commas; repeatable "
        "(default: $OVSTOOL_HOST, else this machine)",
    )
    add("--inventory", metavar="FILE", help="where groups of hosts are: YAML, or Ansible's INI or YAML (default: see ovstool(1))")
    add("--sudo", action="store_true", help="on the far host, run as root through 'sudo -n'")
    add("--parallel", metavar="N", type=number(1, 1000), help=f"hosts worked on at once (default: {_PARALLEL})")
    add("--fail-fast", action="store_true", help="begin no further host once one has failed")
    add("--accept-new-host-key", action="store_true", help="trust a host that known_hosts does not have, and write its key down")
    add("--private-key", metavar="FILE", help="PEM file of the private key for ssl:")
    add("--certificate", metavar="FILE", help="PEM file of the certificate that goes with it")
    add("--ca-cert", metavar="FILE", help="PEM file of the CA that signed the switch's certificate")
    add("-t", "--timeout", metavar="S", type=seconds, help="seconds for the whole command (default: $OVS_CTL_TIMEOUT, else 30)")
    add("--no-wait", action="store_true", help="do not wait for ovs-vswitchd to apply a change")
    add("-n", "--dry-run", action="store_true", help="change nothing; print the transaction for 'ovsdb-client transact'")
    add(
        "--as-ovs",
        action="store_true",
        help="print the ovs-vsctl or ovs-ofctl line that does the same as a change; with -n instead of the transaction",
    )
    add("--read-only", action="store_true", help="refuse every command that changes a switch (default: $OVSTOOL_READ_ONLY)")
    add("-v", "--verbose", dest="verbose_level", action="count", help="say on stderr what is asked of the switch")
    add("-q", "--quiet", dest="verbose_level", action="store_const", const=0, help="print no notes on stderr")
    add("--debug", action="store_true", help="show a traceback when something fails")
    add("-h", "--help", action="store_true", dest="help", help="show this help and exit")


def common_defaults() -> argparse.Namespace:
    """What the common options are when nobody sets them."""
    return argparse.Namespace(
        db=os.environ.get("OVSTOOL_DB") or None,
        hosts=None,
        inventory=None,
        sudo=False,
        parallel=_PARALLEL,
        fail_fast=False,
        accept_new_host_key=False,
        private_key=None,
        certificate=None,
        ca_cert=None,
        timeout=None,
        no_wait=False,
        dry_run=False,
        as_ovs=False,
        read_only=os.environ.get("OVSTOOL_READ_ONLY", "") not in ("", "0"),
        verbose_level=1,
        debug=False,
        help=False,
    )


def add_output_options(parser: argparse.ArgumentParser, formatter: str, of_rows: bool) -> None:
    """How what a command found is printed, by default in the format ``formatter``; ``of_rows``: with the options that sort them."""
    group = parser.add_argument_group(_OUTPUT)
    group.add_argument(
        "-f", "--format", dest="formatter", metavar="FORMAT", type=_format, default=formatter,
        help=f"table, json, csv, yaml, value, shell, lines, or a style of tabulate such as github (default: {formatter})",
    )  # fmt: skip
    group.add_argument("-c", "--column", action="append", default=[], dest="columns", metavar="COLUMN", help="show this column; repeatable")
    group.add_argument("--all-columns", action="store_true", help="show on a terminal the columns too that have no value in any row")
    group.add_argument("--noindent", action="store_true", help="json on one line")
    group.add_argument(
        "--max-width", metavar="N", type=number(0, units.MAX), default=width_of("CLIFF_MAX_TERM_WIDTH"),
        help="wrap a table at N characters (default: $CLIFF_MAX_TERM_WIDTH)",
    )  # fmt: skip
    group.add_argument(
        "--fit-width", action="store_true", default=os.environ.get("CLIFF_FIT_WIDTH") == "1", help="wrap a table at the terminal's width"
    )
    group.add_argument("--print-empty", action="store_true", help="print the head of an empty table")
    group.add_argument(
        "--quote", choices=("all", "minimal", "none", "nonnumeric"), dest="quote_mode", default="nonnumeric", help="what csv quotes"
    )
    group.add_argument("--prefix", default="", type=_prefix, help="what the variable names of shell begin with")
    if of_rows:
        group.add_argument(
            "--sort-column", action="append", default=[], dest="sort_columns", metavar="COLUMN", help="sort by this column; repeatable"
        )
        order = group.add_mutually_exclusive_group()
        order.add_argument("--sort-ascending", action="store_const", dest="sort_direction", const="asc", help="smallest first (default)")
        order.add_argument("--sort-descending", action="store_const", dest="sort_direction", const="desc", help="largest first")


def _address(text: str) -> str:
    """argparse type: anything but nothing, which is what a script's unset variable gives; it must not mean the default switch."""
    if not text:
        raise argparse.ArgumentTypeError("empty; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
    return text


def seconds(text: str) -> float:
    """argparse type: a positive number of seconds."""
    value = units.decimal_number(text)
    if not value or value > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{quote(text)}: not a number of seconds above 0")
    return value


def number(low: int, high: int) -> Callable[[str], int]:
    """argparse type: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = units.whole_number(text, low, high)
        if value is None:
            raise argparse.ArgumentTypeError(f"{quote(text)}: not a whole number from {low} to {high}")
        return value

    return parse


def _format(text: str) -> str:
    if text not in Formatters():
        raise argparse.ArgumentTypeError(f"{quote(text)}: no such format; one of {', '.join(Formatters())}")
    return text


def _prefix(text: str) -> str:
    if not (text + "x").isidentifier() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{quote(text)}: cannot begin the name of a shell variable")
    return text


def time_for(args: argparse.Namespace) -> float:
    """Seconds that a command has, on each host."""
    return args.timeout or _environment_timeout()


def _environment_timeout() -> float:
    text = os.environ.get("OVS_CTL_TIMEOUT")
    if not text:
        return 30
    if text == "0":  # Open vSwitch's own tools wait without end then
        return _LONGEST_S
    try:
        return seconds(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError("OVS_CTL_TIMEOUT", str(error)) from error
