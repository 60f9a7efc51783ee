"""Inventories in YAML, ovstool's own and Ansible's.

YAML is read as nodes and not converted to objects, so that a name is exactly what was written, and errors have line numbers.
"""

from collections.abc import Collection, Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from ovstool import yaml_events
from ovstool.errors import UsageError, quote
from ovstool.host import address
from ovstool.host.address import HostWord, located
from ovstool.host.deadline import Deadline
from ovstool.host.inventory.groups import KNOWN, VARIABLES, Inventory
from ovstool.host.inventory.values import NoValue, Value, Values

_TAG = "tag:yaml.org,2002:"


def parse(path: str, text: str, deadline: Deadline, wanted: Collection[str] = ()) -> Inventory:
    """Parse an inventory, with the ``wanted`` variables. Raises UsageError, TimedOut."""
    inventory = Inventory(path, "YAML", deadline, wanted)
    root = _composed(inventory, text)
    if root is None:  # nothing but comments
        return inventory
    try:
        keys = [key.text for key, _ in _pairs(inventory, root)]
        if "groups" in keys or keys == ["vars"]:
            _read_own(inventory, root)
        else:
            _read_ansible(inventory, root)
    except RecursionError as error:
        raise UsageError(str(inventory), "an alias contains itself") from error
    return inventory


def _read_own(inventory: Inventory, root: Any) -> None:
    inventory.kind = "ovstool's own YAML"
    variables: Any = None
    for key, node in _pairs(inventory, root):
        if key.text == "groups":
            for group, items in _pairs(inventory, node):
                inventory.groups[group.text] = list(_items(inventory, items))
        elif key.text == "vars":
            variables = node
        else:
            raise UsageError(str(key), "only 'groups' and 'vars' are allowed at the top level")
    if inventory.wanted != KNOWN:
        for word, values in _pairs(inventory, variables) if variables else ():
            inventory.define(word, _variables(inventory, values))
        inventory.index()


def _read_ansible(inventory: Inventory, root: Any) -> None:
    inventory.kind = "Ansible YAML"
    for key, node in _pairs(inventory, root):
        if key.text == "plugin":
            hint = "ansible-inventory -i FILE --list --yaml"
            raise UsageError(str(key), "settings of a plugin, which only Ansible can run", hint)
        _read_ansible_group(inventory, key, node)
    inventory.finish()


def _composed(inventory: Inventory, text: str) -> Any:
    """The tree of nodes in a text, None for an empty one. Raises UsageError, also if it is too large or too deep."""

    def place(line: int | None, _: int) -> str:
        return str(inventory) if line is None else inventory.at(line + 1)

    source = yaml_events.Source(text, place, 'quotes around a value with @, [, ] or {, as in "@rack1"')
    for _ in yaml_events.events(source):
        inventory.count(0)
    with yaml_events.checked(source):
        return yaml.compose(text, yaml_events.loader())


def _items(inventory: Inventory, node: Any) -> Iterator[HostWord]:
    """The words of a group in ovstool's own YAML."""
    if node.tag == f"{_TAG}null":
        return
    if node.id != "sequence":
        raise UsageError(inventory.at(node.start_mark.line + 1), "expected a list of hosts", '[leaf01, "leaf[02-32]", "@rack2"]')
    for item in node.value:
        word = _text(inventory, item)
        with located(word):
            words = address.split(word.text)
        inventory.count(len(words))
        yield from (word._replace(text=text) for text in words)


def _read_ansible_group(inventory: Inventory, group: HostWord, node: Any) -> None:
    """Read the content of an Ansible group, and of its children."""
    words = inventory.groups.setdefault(group.text, [])
    for section, content in _pairs(inventory, node):
        if section.text not in ("hosts", "children", "vars"):
            raise UsageError(str(section), f"not valid in group {quote(group.text)}", "hosts, children or vars")
        if section.text == "vars":
            inventory.variables.setdefault(group.text, {}).update(_variables(inventory, content))
            continue
        for word, inner in _pairs(inventory, content):
            if section.text == "hosts":
                inventory.add(group.text, word, _variables(inventory, inner))
            else:
                words.append(word._replace(text=f"@{word.text}"))
                _read_ansible_group(inventory, word, inner)


def _variables(inventory: Inventory, node: Any) -> Values:
    return {key.text: _value(inventory, key.text, value) for key, value in _pairs(inventory, node, inventory.wanted)}


def _value(inventory: Inventory, name: str, node: Any) -> Value:
    """The value of a variable as typed, whatever YAML makes of it."""
    if name in VARIABLES:
        return _text(inventory, node, f"{_TAG}int" if name.endswith("port") else "").text
    place = inventory.at(node.start_mark.line + 1)
    if node.id != "scalar":
        return NoValue(f"a {'list' if node.id == 'sequence' else 'mapping'} at {place}", "a single value")
    if node.tag == f"{_TAG}null":
        return NoValue(f"null at {place}", "a value")
    if not node.tag.startswith(_TAG):
        return NoValue(f"a value with the tag {quote(node.tag)} at {place}", "the value without it")
    return str(node.value)


def _pairs(inventory: Inventory, node: Any, only: Collection[str] = ()) -> list[tuple[HostWord, Any]]:
    """The keys of a mapping with the nodes of their values, all or ``only`` some; a null is an empty mapping.

    Its own keys override those merged with ``<<``.
    """
    if node.tag == f"{_TAG}null":
        return []
    if node.id != "mapping":
        raise UsageError(inventory.at(node.start_mark.line + 1), "expected a mapping (KEY: VALUE)")
    inventory.count(len(node.value))
    own: dict[str, tuple[HostWord, Any]] = {}
    merged: dict[str, tuple[HostWord, Any]] = {}
    sources: list[Any] = []
    for key, value in node.value:
        if key.tag == f"{_TAG}merge":
            sources += value.value if value.id == "sequence" else [value]
        elif not only or key.value in only:
            word = _text(inventory, key)
            if word.text in own:
                raise UsageError(str(word), "named twice")
            own[word.text] = word, value
    for source in reversed(sources):  # the first has precedence
        inventory.count(1)
        merged |= {word.text: (word, inner) for word, inner in _pairs(inventory, source, only)}
    return list((merged | own).values())


def _text(inventory: Inventory, node: Any, also: str = "") -> HostWord:
    """A node as text. Anything that YAML reads as another type (10, on, 1:30) is refused: other tools would not see a name there."""
    place = inventory.at(node.start_mark.line + 1)
    if node.id != "scalar":
        raise UsageError(place, f"expected a name, found a {node.id}")
    if node.tag not in (f"{_TAG}str", also):
        kind = node.tag.removeprefix(_TAG)
        raise UsageError(f"{place}: {quote(node.value)}", f"YAML reads this as {quote(kind)}, not as text", f'quotes: "{node.value}"')
    return HostWord(node.value, place)
