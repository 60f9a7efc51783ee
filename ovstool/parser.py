"""argparse as ovstool needs it: parsing, the options that all commands share, and the types of their values.

A type turns the text of one argument into a value, or raises what argparse reports as a usage error.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.terminal.formats import Formatters
from ovstool.terminal.window import width_of

# The groups of the options that all commands share.
COMMON = (
    "common options (the switch)",
    "common options (many hosts)",
    "common options (changes)",
    "common options (messages and help)",
)
OUTPUT = "output options"
_LONGEST_S = 10**6
_TIMES = {"s": 1, "ms": 0.001}
_PARALLEL = 16
_STAND_IN = "\0"  # no argument can contain it
# Names that other tools use for our options.
_OF_OTHERS = {
    "--vlan": "--tag", "--vlans": "--trunk", "--trunks": "--trunk", "--json": "-f json", "--csv": "-f csv", "--yaml": "-f yaml", "-o": "-f",
    "--output": "-f", "--columns": "-c", "--fields": "-c", "--bandwidth": "--max-rate", "--limit": "--rate", "--follow": "--watch",
    "--remote": "--host", "--target": "--collector", "--seconds": "--interval", "--iface-id": "--external-id iface-id=ID",
    "--mtu-request": "--mtu", "--rate": "--max-rate", "--max-rate": "--rate",
}  # fmt: skip
_OF_MAPS = {"options": "--option", "external_ids": "--external-id", "other_config": "--other-config"}  # for their columns
_NOT_NEEDED = {
    "--may-exist": "an existing object with the same settings stays unchanged",
    "-O": "the OpenFlow version is negotiated with the bridge",
}
_REQUIRED = "the following arguments are required: "
_LONGEST_MESSAGE = 400  # characters; argparse repeats what it was given, however long


def _formatter(prog: str) -> argparse.HelpFormatter:
    """The formatter that argparse checks metavars with; with a width it does not import shutil to find the terminal's."""
    return argparse.HelpFormatter(prog, width=80)


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations that raises instead of exiting, takes positionals between options, and treats ``--`` correctly."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_formatter, **kwargs)

    def parse_words(self, words: Sequence[str], defaults: argparse.Namespace) -> argparse.Namespace:
        """Parse options and positionals in any order. Everything after ``--`` is positional, whatever it looks like."""
        head = before_double_dash(words)
        behind = [f"{_STAND_IN}{word}" for word in words[len(head) + 1 :]]
        args, rest = self.parse_known_intermixed_args([*head, *behind], defaults)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(map(_meant, rest))}")
        return args

    def format_usage(self) -> str:
        """Empty: argparse builds the usage before parsing, for its own error messages; ours have none."""
        return ""

    # argparse has treated "--" differently in almost every release, and drops one that is the value of an option. So it never sees
    # one: the arguments after "--" carry a mark in front until their values are converted.

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and any(word.startswith(_STAND_IN) for word in arg_strings):
            raise argparse.ArgumentError(action, "value missing before --")
        return super()._get_values(action, [f"{_STAND_IN}--" if word == "--" else word for word in arg_strings])

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        return super()._get_value(action, _meant(arg_string))

    def groups(self) -> dict[str, list[argparse.Action]]:
        """The arguments and options by the title of their group."""
        return {group.title or "": group._group_actions for group in self._action_groups}

    def own_actions(self) -> list[argparse.Action]:
        """The arguments and options of this command alone."""
        return [action for title, actions in self.groups().items() if title not in (*COMMON, OUTPUT) for action in actions]

    def error(self, message: str) -> NoReturn:
        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
        words = self.prog.removeprefix("ovstool").strip()
        missing = message.removeprefix(_REQUIRED)
        if missing != message:  # argparse also names missing arguments that are optional
            optional = {action.metavar for action in self._actions if action.nargs in ("*", "?")}
            message = _REQUIRED + ", ".join(name for name in missing.split(", ") if name not in optional)
        help_command = f"ovstool help {words}".strip()
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            name = unknown.partition(" ")[0].partition("=")[0]
            if why := _NOT_NEEDED.get(name if name.startswith("--") else name[:2]):
                raise UsageError(words or "command line", f"{name} is not needed: {why}", "the same command without it")
            help_command = " or ".join([*self._meant_by(unknown.split(" ")), help_command])
        # An error about a value often has its own hint.
        raise UsageError(words or "command line", message.removeprefix("argument "), None if "; try: " in message else help_command)

    def _meant_by(self, words: Sequence[str]) -> list[str]:
        """Our options for unknown words: for all of them if they are ``COLUMN=VALUE``, else for the first."""
        if settings := [option for word in words if (option := self._for_column(word))]:
            return [" ".join(settings)]
        name = words[0].partition("=")[0]
        ours = _OF_OTHERS.get(name, "")
        if ours.partition(" ")[0] in self._option_string_actions:
            return [ours]
        from difflib import get_close_matches

        if not name.startswith("--"):  # a single letter could mean anything
            return []
        known = [option[2:] for option in self._option_string_actions if option.startswith("--")]
        return [f"--{near}" for near in get_close_matches(name[2:], known, 1, 0.7)]

    def _for_column(self, word: str) -> str | None:
        """Our option for a column setting in ovs-vsctl's syntax."""
        name, equals, value = word.partition("=")
        column, _, key = name.partition(":")
        dashed = f"--{name.replace('_', '-')}"
        option = _OF_MAPS.get(column, "") if key else _OF_OTHERS.get(dashed, dashed)
        action = self._option_string_actions.get(option)
        if not equals or word.startswith("-") or action is None or action.nargs == 0:
            return None
        import shlex  # rarely needed

        return shlex.join([option, f"{key}={value}" if key else value])


def before_double_dash(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _meant(word: str) -> str:
    return word.removeprefix(_STAND_IN)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes, before and after its name; options not given keep an earlier value."""
    switch, hosts, changes, messages = map(parser.add_argument_group, COMMON)

    def add(group: Any, *names: str, **kwargs: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **kwargs)

    add(
        switch,
        "--db",
        metavar="TARGET",
        type=_address,
        help="the switch's database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT (default: $OVSTOOL_DB, else db.sock in $OVS_RUNDIR)",
    )
    add(
        switch,
        "-H",
        "--host",
        metavar="HOST",
        dest="hosts",
        action="append",
        help="reach the switch over SSH: [USER@]HOST[:PORT], leaf[01-32], @GROUP, or a comma-separated list of these; repeatable "
        "(default: $OVSTOOL_HOST, else this machine)",
    )
    add(switch, "--sudo", action="store_true", help="run as root on the remote host, through 'sudo -n'")
    add(switch, "--accept-new-host-key", action="store_true", help="trust the key of a host that is not in known_hosts, and save it there")
    add(switch, "--private-key", metavar="FILE", help="PEM file of the private key for ssl:")
    add(switch, "--certificate", metavar="FILE", help="PEM file of the certificate for that private key")
    add(switch, "--ca-cert", metavar="FILE", help="PEM file of the CA that signed the switch's certificate")
    add(
        switch, "-t", "--timeout", metavar="S", type=seconds,
        help="time limit on each host, in seconds; stats and sflow listen measure longer if asked to (default: $OVS_CTL_TIMEOUT, else 30)",
    )  # fmt: skip
    add(
        hosts, "--inventory", metavar="FILE",
        help="file with groups and variables of hosts: YAML, or Ansible's INI or YAML (default: ovstool/inventory.yaml in $XDG_CONFIG_HOME, else in ~/.config)",
    )  # fmt: skip
    add(hosts, "--parallel", metavar="N", type=number(1, 1000), help=f"number of hosts to work on in parallel (default: {_PARALLEL})")
    add(hosts, "--fail-fast", action="store_true", help="start on no further hosts after one has failed")
    _add_options_of_changes(changes)
    add(messages, "-v", "--verbose", dest="verbose_level", action="count", help="log requests to the switch on stderr")
    add(messages, "-q", "--quiet", dest="verbose_level", action="store_const", const=0, help="print no notes on stderr")
    add(messages, "--debug", action="store_true", help="show a traceback when something fails")
    add(messages, "-h", "--help", action="store_true", dest="help", help="show help for a command and exit")


def _add_options_of_changes(group: Any) -> None:
    def add(*names: str, **kwargs: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **kwargs)

    add("-n", "--dry-run", action="store_true", help="change nothing; print the transaction for 'ovsdb-client transact'")
    add(
        "--as-ovs", action="store_true",
        help="also print the ovs-vsctl or ovs-ofctl line that makes the same change; with -n, print it instead of the transaction",
    )  # fmt: skip
    add("--read-only", action="store_true", help="refuse every command that changes a switch (default: $OVSTOOL_READ_ONLY)")
    add(
        "--confirm-within", metavar="S", type=number(1, _LONGEST_S),
        help="undo the change after S seconds unless 'ovstool confirm' comes before, even if the connection to the switch is lost",
    )  # fmt: skip
    add("--no-wait", action="store_true", help="do not wait for ovs-vswitchd to apply a change")


def common_defaults() -> argparse.Namespace:
    """The defaults of the common options."""
    return argparse.Namespace(
        db=os.environ.get("OVSTOOL_DB") or None,
        hosts=None,
        usual_hosts=[os.environ["OVSTOOL_HOST"]] if os.environ.get("OVSTOOL_HOST") else [],
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
        confirm_within=None,
        read_only=os.environ.get("OVSTOOL_READ_ONLY", "") not in ("", "0"),
        verbose_level=1,
        debug=False,
        help=False,
    )


def add_output_options(parser: argparse.ArgumentParser, formatter: str, of_rows: bool, own_formats: Sequence[str] = ()) -> None:
    """Options for printing results, by default in the format ``formatter``; ``of_rows``: with the options for sorting rows.

    ``own_formats`` are additional formats that only this command has.
    """
    group = parser.add_argument_group(OUTPUT)
    group.add_argument(
        "-f", "--format", dest="formatter", metavar="FORMAT", type=_format(own_formats), default=formatter,
        help="table, json, csv, yaml, value, shell, lines, or one of tabulate's table styles such as github (default: table; "
        "lines for a command that changes something)",
    )  # fmt: skip
    group.add_argument("-c", "--column", action="append", default=[], dest="columns", metavar="COLUMN", help="show this column; repeatable")
    group.add_argument("--all-columns", action="store_true", help="on a terminal, show even the columns that are empty in every row")
    group.add_argument("--noindent", action="store_true", help="print json on one line")
    group.add_argument(
        "--max-width", metavar="N", type=number(0, units.MAX), default=width_of("CLIFF_MAX_TERM_WIDTH"),
        help="wrap a table at N characters (default: $CLIFF_MAX_TERM_WIDTH)",
    )  # fmt: skip
    group.add_argument(
        "--fit-width", action="store_true", default=os.environ.get("CLIFF_FIT_WIDTH") == "1", help="wrap a table at the terminal's width"
    )
    group.add_argument("--print-empty", action="store_true", help="print the header even if a table has no rows")
    group.add_argument(
        "--quote", choices=("all", "minimal", "none", "nonnumeric"), dest="quote_mode", default="nonnumeric",
        help="which csv fields to quote (default: nonnumeric)",
    )  # fmt: skip
    group.add_argument("--prefix", default="", type=_prefix, help="prefix of the variable names that shell assigns")
    if of_rows:
        group.add_argument(
            "--sort-column", action="append", default=[], dest="sort_columns", metavar="COLUMN", help="sort by this column; repeatable"
        )
        order = group.add_mutually_exclusive_group()
        order.add_argument(
            "--sort-ascending", action="store_const", dest="sort_direction", const="asc", help="smallest first, null last (default)"
        )
        order.add_argument("--sort-descending", action="store_const", dest="sort_direction", const="desc", help="largest first, after null")


def _address(text: str) -> str:
    """argparse type: any text but an empty one, from a script's unset variable, which must not mean the default switch."""
    if not text:
        raise argparse.ArgumentTypeError("empty; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
    return text


def seconds(text: str) -> float:
    """argparse type: a positive number of seconds."""
    value = units.decimal_number(text)
    if not value or value > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{quote(text)}: not a number of seconds above 0{_without_unit(text)}")
    return value


def _without_unit(text: str) -> str:
    """What to try instead of a time with a unit: the same in seconds."""
    number = text.rstrip("ms")
    value, factor = units.decimal_number(number), _TIMES.get(text[len(number) :])
    return f"; try: {value * factor:.6f}".rstrip("0").rstrip(".") if value and factor else ""


def number(low: int, high: int) -> Callable[[str], int]:
    """argparse type: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = units.whole_number(text, low, high)
        if value is None:
            raise argparse.ArgumentTypeError(f"{quote(text)}: not a whole number from {low} to {high}")
        return value

    return parse


def _format(own_formats: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in Formatters() and text not in own_formats:
            raise argparse.ArgumentTypeError(f"{quote(text)}: unknown format; the formats are {', '.join([*own_formats, *Formatters()])}")
        return text

    return parse


def _prefix(text: str) -> str:
    if not (text + "x").isidentifier() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{quote(text)}: cannot begin the name of a shell variable")
    return text


def time_for(args: argparse.Namespace) -> float:
    """The time limit of a command on each host, in seconds."""
    return args.timeout or _environment_timeout()


def _environment_timeout() -> float:
    text = os.environ.get("OVS_CTL_TIMEOUT")
    if not text:
        return 30
    if text == "0":  # with which Open vSwitch's own tools wait forever
        return _LONGEST_S
    try:
        return seconds(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError("OVS_CTL_TIMEOUT", str(error)) from error
