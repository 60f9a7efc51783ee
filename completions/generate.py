"""Write the description of the command line that completion uses, from the parsers: ``generate.py FILE``.

FILE is ovstool/completion/command_line.py. The metavar tells the kind of a value; exceptions are in _VALUES_OF. The file depends only on
the parsers and on what Open vSwitch accepts, so the same source gives the same file.
"""

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ovstool.command import docstring
from ovstool.commands import COMMANDS, NOUNS
from ovstool.completion.grammar import Argument, Columns, Option, Values
from ovstool.completion.shell_line import SHELLS
from ovstool.document import kinds
from ovstool.monitor import objects, words
from ovstool.parser import Parser, add_common_options, add_output_options
from ovstool.rates import COUNTERS, Burst, QueueRate, Rate
from ovstool.shell import App
from ovstool.switch import bridge, port
from ovstool.switch.accepts import bridge_keys, port_types, qos_types
from ovstool.switch.checks.explain import Explained
from ovstool.switch.qos import ShownQos
from ovstool.switch.sflow.heard import ListedSample
from ovstool.switch.sflow.top_talkers import TopTalker
from ovstool.switch.topology import joined
from ovstool.terminal.formats import Formatters

_NOTHING = (
    "[ADDR]:PORT",
    "BYTES",
    "FLOW",
    "HOST[:PORT]",
    "IP",
    "K",
    "K=V",
    "MATCH",
    "N",
    "N%",
    "N,...",
    "PPS",
    "RATE",
    "S",
    "SIZE",
    "WORD",
    None,
)  # free text
_BY_METAVAR: dict[Any, Values] = {
    "B": "bridges",
    "BRIDGE": "bridges",
    "COLUMN": "columns",
    "COLUMN[:KEY]": bridge.UNSETTABLE,
    "COMMAND": "files",
    "F": "files",
    "FILE": "files",
    "FORMAT": ("table", "json", "csv", "yaml", "value", "shell", "lines", "plain", "github"),
    "HOST": "hosts,",
    "ID": "queues",
    "ID[:KEY=VALUE,...]": "queue keys",
    "IFACE": "ports",
    "IFACE,...": "devices,",
    "P,...": "protocols,",
    "PORT": "ports",
    "SHELL": SHELLS,
    "T": "interface types",
    "TARGET": "databases",
} | dict.fromkeys(_NOTHING, "")
_CONTROLLERS = ("tcp:", "ssl:", "unix:", "ptcp:", "pssl:", "punix:")
_RATES = {"max-rate", "cir", "cbs", "eir", "ebs"}  # QoS keys that have their own options


def _keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys of ``K=V``, up to the equals sign."""
    return tuple(f"{key}=" for key in sorted(set(keys)))


def _comparisons(name: str, kind: kinds.Kind) -> Sequence[str]:
    """A field compared with each of its values, if these are words; else the field."""
    schema = kind.schema if isinstance(kind, kinds.Value) else {}
    values = ("true", "false") if schema.get("type") == "boolean" else schema.get("enum", ())
    return [f"{name}={value}" for value in values] or [name]


_BRIDGE_KEYS = _keys(bridge_keys.BRIDGE.checks)
_PORT_OPTIONS = _keys(key for options in port_types.OPTIONS.values() for key in options)
_PORT_IDS = _keys(["iface-id", "attached-mac"])
_VALUES_OF: dict[tuple[str, str], Values] = {
    ("bridge add", "bridge"): "",
    ("bridge add", "--controller"): _CONTROLLERS,
    ("flow list", "--format"): (*_BY_METAVAR["FORMAT"], "flows"),
    ("topology", "--format"): ("text", "dot", "mermaid", "svg", *_BY_METAVAR["FORMAT"]),
    ("bridge set", "--controller"): _CONTROLLERS,
    ("bridge add", "--datapath-type"): "datapath types",
    ("bridge set", "--datapath-type"): "datapath types",
    ("bridge add", "--other-config"): _BRIDGE_KEYS,
    ("bridge set", "--other-config"): _BRIDGE_KEYS,
    ("flow list", "--table"): "tables",
    ("flow top", "--table"): "tables",
    ("port add", "port"): "devices",
    ("port add", "--option"): _PORT_OPTIONS,
    ("port set", "--option"): _PORT_OPTIONS,
    ("port add", "--external-id"): _PORT_IDS,
    ("port set", "--external-id"): _PORT_IDS,
    ("port set", "--unset"): port.UNSETTABLE,
    ("qos set", "--type"): (*qos_types.NAMES, *(name.removeprefix("linux-") for name in qos_types.NAMES if name.startswith("linux-"))),
    ("qos set", "--other-config"): _keys(qos_types.KEYS - _RATES),
    ("sflow enable", "--sampling"): ("auto",),
    ("stats plot", "ports"): "",  # ports in a recording
    ("sflow listen", "--agent"): "hosts",
    ("monitor", "nouns"): objects.NOUNS,
    ("monitor", "--until"): "conditions",
    ("stats", "--until"): "conditions",
    ("undo", "id"): "",  # of a change, not of a queue
    ("confirm", "ids"): "",
} | {(name, "--dir"): "files" for name in COMMANDS if name.startswith("sandbox ")}
_RATE_FIELDS = [name for name in Rate._fields if name not in ("port", "time", "reset")]
_CONDITIONS = {
    "monitor": tuple(text for name, kind in words.FIELDS.items() for text in _comparisons(name, kind)),
    "stats": (*(f"{name}{test}" for name in _RATE_FIELDS for test in "<>"), "reset=true"),
}
_SHOWN = {  # the columns of commands that show one object
    "show": ("ovs_version", "pending", "bridges"),
    "bridge show": tuple(
        "bridge parent vlan datapath_type datapath_id fail_mode protocols ports controllers sflow stp rstp mcast_snooping external_ids"
        " other_config".split()
    ),
    "port show": (*port.ListedPort._fields, "vlan_mode", "bond_mode", "bond_active", "lacp", "qos", "interfaces", "other_config"),
    "qos show": ShownQos._fields,
    "qos explain": Explained._fields,
    "topology": joined.KEYS,
    "export": ("bridges",),
    "flow trace": ("bridge", "flow", "verdict", "outputs", "steps", "final_flow", "megaflow", "datapath_actions"),
}
_STATS = (
    Columns(("--queues", "--rate"), QueueRate._fields),
    Columns(("--queues", "--watch"), QueueRate._fields),
    Columns(("--queues",), ("port", "queue", "tx_packets", "tx_bytes", "tx_errors")),
    Columns(("--bursts",), Burst._fields),
    Columns(("--queues", "--until"), QueueRate._fields),
    Columns(("--rate",), Rate._fields),
    Columns(("--until",), Rate._fields),
    Columns(("--watch",), Rate._fields),
    Columns((), ("port", *COUNTERS)),
)
_LISTEN = (Columns(("--top",), TopTalker._fields), Columns((), ListedSample._fields))
_ROOM = 72  # characters of a help text
_HEAD = '''"""The command line of ovstool, generated by ``completions/generate.py`` from the parsers: long, and not to be edited."""

# fmt: off
from ovstool.completion.grammar import Argument, Columns, Command, Commands, Option

'''


def main() -> None:
    Path(sys.argv[1]).write_text(_HEAD + "\n".join(_module()) + "\n")


def _module() -> Iterator[str]:
    app = App()
    common, rows, shown = (Parser(prog="ovstool") for _ in range(3))
    add_common_options(common)
    add_output_options(rows, "table", of_rows=True)
    add_output_options(shown, "table", of_rows=False)
    known = {option for parser in (common, rows) for option in parser._option_string_actions}
    yield "COMMANDS = Commands("
    yield f"    {dict(NOUNS)!r},"
    yield "    {"
    for name in COMMANDS:
        command_class: Any = app.command_manager.find_command(name.split())[0]
        yield from _command(name, command_class(app, None, name), known)
    yield "    },"
    yield from _options("", common, common._actions, "    (", "    ),")
    yield "    {"
    for output, parser in (("rows", rows), ("object", shown)):
        yield from _options("", parser, parser._actions, f"        {output!r}: (", "        ),")
    yield "    },"
    yield ")"


def _command(name: str, command: Any, known: Collection[str]) -> Iterator[str]:
    """A command; ``known`` are the common options, left out unless this command has its own values for one."""
    parser = command.get_parser("ovstool")
    has_values = {option for of, option in _VALUES_OF if of == name}
    own = [
        action for action in parser._actions if known.isdisjoint(action.option_strings) or has_values.intersection(action.option_strings)
    ]
    about = docstring(type(command)).partition("\n")[0]
    arguments = tuple(Argument(_values(name, action), action.nargs in ("*", "+")) for action in own if not action.option_strings)
    yield f"        {name!r}: Command({about!r}, {arguments!r},"
    yield from _options(name, parser, [action for action in own if action.option_strings], "            (", "            ),")
    output = ("rows" if command.prints_rows else "object") if hasattr(command, "prints_rows") else ""
    yield f"            {output!r}, {_columns(name, command)!r}),"


def _columns(name: str, command: Any) -> tuple[Columns, ...]:
    if name == "stats":
        return _STATS
    if name == "sflow listen":
        return _LISTEN
    columns = tuple(getattr(command, "columns", ())) or _SHOWN.get(name, ())
    return (Columns((), columns),) if columns else ()


def _options(name: str, parser: argparse.ArgumentParser, actions: Sequence[argparse.Action], begin: str, end: str) -> Iterator[str]:
    yield begin
    for action in actions:
        yield f"{' ' * (len(end) - len(end.lstrip()) + 4)}{_as_written(_option(name, parser, action))},"
    yield end


def _option(name: str, parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    values = None if action.nargs == 0 else _values(name, action)
    repeats = isinstance(action, argparse._AppendAction | argparse._CountAction)
    groups = [group._group_actions for group in parser._mutually_exclusive_groups if action in group._group_actions]
    excludes = tuple(_names(other)[0] for group in groups for other in group if other is not action)
    rare = _rare(name, action, values)
    return Option(_names(action), values, _about(str(action.help)), repeats, excludes, rare)


def _rare(name: str, action: argparse.Action, values: Values | None) -> tuple[str, ...]:
    if values == "conditions":
        return _CONDITIONS[name]
    return tuple(style for style in Formatters() if style not in (values or ())) if action.metavar == "FORMAT" else ()


def _as_written(option: Option) -> str:
    """The call that creates the option, without default values, because each Tab reads all of these."""
    fields = [f"{name}={value!r}" for name, value in option._asdict().items() if value != option._field_defaults.get(name, ...)]
    return f"Option({', '.join(fields)})"


def _names(action: argparse.Action) -> tuple[str, ...]:
    """The names of an option, longest first."""
    return tuple(sorted(action.option_strings, reverse=True, key=len))


def _about(text: str) -> str:
    """A help text, shortened to fit beside an option."""
    text = text.partition("; ")[0]
    text = text if text.count("(") == text.count(")") else text.rpartition(" (")[0]
    return text if len(text) <= _ROOM else text[:_ROOM].rpartition(" ")[0].rstrip(" ,:(") + " ..."


def _values(name: str, action: argparse.Action) -> Values:
    option = _names(action)[0] if action.option_strings else action.dest
    if (name, option) in _VALUES_OF:
        return _VALUES_OF[name, option]
    if action.choices:
        return tuple(map(str, action.choices))
    if action.metavar not in _BY_METAVAR:
        sys.exit(f"generate.py: {name} {option}: add what Tab offers for {action.metavar} to _BY_METAVAR or _VALUES_OF")
    return _BY_METAVAR[action.metavar]


if __name__ == "__main__":
    main()
