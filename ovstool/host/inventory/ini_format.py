"""Ansible inventories in INI format."""

import re
import shlex
from collections.abc import Collection
from typing import NamedTuple

from ovstool.errors import UsageError, quote
from ovstool.host.address import HostWord, is_ipv6
from ovstool.host.deadline import Deadline
from ovstool.host.inventory.groups import VARIABLES, Inventory
from ovstool.host.inventory.values import NoValue, Value

_MAX_QUOTED = 2**12  # characters of a line with quotes; shlex gets slower with length
_COLLECTIONS = {"[]": "a list", "()": "a list", "{}": "a mapping"}
_SECTION = re.compile(r"\[([^\s:\[\]]+)(?::(\w+))?\]\s*(?:[#;].*)?")


class _Section(NamedTuple):
    group: str
    kind: str  # hosts, children or vars


def parse(path: str, text: str, deadline: Deadline, wanted: Collection[str] = ()) -> Inventory:
    """Parse an inventory, with the ``wanted`` variables. Raises UsageError, TimedOut."""
    inventory = Inventory(path, "Ansible INI", deadline, wanted)
    section = _Section("ungrouped", "hosts")
    variables_at: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line or line[0] in "#;":
            continue
        inventory.count(1)
        place = inventory.at(number)
        if match := _SECTION.fullmatch(line):
            section = _Section(match[1], match[2] or "hosts")
            if section.kind == "vars":
                variables_at.setdefault(section.group, place)
            elif section.kind in ("hosts", "children"):
                inventory.groups.setdefault(section.group, [])
            else:
                hint = f"[{section.group}], [{section.group}:children] or [{section.group}:vars]"
                raise UsageError(place, f"unknown kind of section: {quote(section.kind)}", hint)
        else:
            _take(inventory, section, line, place)
    for group, place in variables_at.items():
        if group not in inventory.groups and group not in ("all", "ungrouped"):
            raise UsageError(place, f"variables for a group that does not exist: {quote(group)}")
    inventory.finish()
    return inventory


def _take(inventory: Inventory, section: _Section, line: str, place: str) -> None:
    """Process a line within a section."""
    group, kind = section
    variable, equals, value = (part.strip() for part in line.partition("="))
    if kind == "vars" and equals and variable not in VARIABLES:
        if variable in inventory.wanted:
            inventory.variables.setdefault(group, {})[variable] = _value(_without_comment(value), place)
        return  # its value may be anything
    try:
        first, *rest = _words(value if kind == "vars" else line) or [""]
    except ValueError as error:
        raise UsageError(place, str(error)) from error
    if kind == "vars" and equals:
        inventory.variables.setdefault(group, {})[variable] = " ".join((first, *rest))
    elif kind == "children" and not rest:
        inventory.groups[group].append(HostWord(f"@{first}", place))
    elif kind == "hosts" and all("=" in word for word in rest):
        words = dict(word.split("=", 1) for word in rest)
        kept = {key: words[key].strip("'\"") for key in inventory.wanted & words.keys()}
        inventory.add(group, HostWord(first, place), {key: text if key in VARIABLES else _value(text, place) for key, text in kept.items()})
    else:
        form = {"hosts": "HOST VARIABLE=VALUE...", "children": "the name of a group", "vars": "VARIABLE=VALUE"}[kind]
        raise UsageError(place, f"{quote(line)}: not a valid line in [{group}{'' if kind == 'hosts' else ':' + kind}]", form)


def _without_comment(text: str) -> str:
    """A value in a section of variables, without its quotes if it is in quotes, and without a comment."""
    if match := re.fullmatch(r"""(?:"([^"]*)"|'([^']*)')(?:\s*#.*)?""", text):
        return match[1] or match[2] or ""
    return re.sub(r"\s#.*", "", text).rstrip()


def _value(text: str, place: str) -> Value:
    """A value; Ansible reads Python's lists, mappings and None as such."""
    if text == "None":
        return NoValue(f"None at {place}", "a value")
    kind = _COLLECTIONS.get(text[:1] + text[-1:])
    if kind is None or is_ipv6(text[1:-1]) or text.startswith("{{"):  # a template is told from a mapping when it is used
        return text
    return NoValue(f"{kind} at {place}", "a single value")


def _words(text: str) -> list[str]:
    """Split a line as Ansible does. Raises ValueError."""
    if not re.search(r"""['"\\#]""", text):
        return [word for word in re.split(r"[ \t\r\n]+", text) if word]
    if len(text) > _MAX_QUOTED:
        raise ValueError(f"a line with quotes is longer than {_MAX_QUOTED:,} characters")
    return shlex.split(text, comments=True)
