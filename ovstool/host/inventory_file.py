"""What the files of inventories say: ovstool's own YAML, and Ansible's INI and YAML.

YAML is read as text and structure, and no objects are made of it, so that a name is what was written, and an error can tell its line.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ovstool.errors import UsageError, quote
from ovstool.host import address
from ovstool.host.deadline import Deadline
from ovstool.host.inventory import Inventory, Word, located

_MAX_DEPTH = 100  # libyaml composes by recursion in C, which crashes on much more
_MAX_EVENTS = 1_000_000  # of YAML; each becomes an object
_MAX_QUOTED = 2**12  # characters of a line with quotes, which shlex reads ever more slowly

_YAML_BEGINS = re.compile(r"---|%YAML|- |[{!&\"']|[^\s\[]+\s*:(?:\s|$)")
_SECTION = re.compile(r"\[([^\s:\[\]]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_VARIABLES = {f"ansible_{old}{name}" for old in ("", "ssh_") for name in ("host", "user", "port")}
_TAG = "tag:yaml.org,2002:"


def read(path: str, data: bytes, deadline: Deadline) -> Inventory:
    """The inventory that the content of a file is, whatever the file's name. Raises UsageError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}:{data.count(10, 0, error.start) + 1}", "not UTF-8") from error
    lines = text.split("\n")
    first = next((line for line in map(str.strip, lines) if line and line[0] not in "#;"), "---")
    return _read_yaml(path, text, deadline) if _YAML_BEGINS.match(first) else _read_ini(path, lines, deadline)


def _read_ini(path: str, lines: Sequence[str], deadline: Deadline) -> Inventory:
    inventory = Inventory(path, "Ansible INI", deadline)
    group, kind = "ungrouped", "hosts"
    variables_at: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line[0] in "#;":
            continue
        inventory.count(1)
        where = inventory.at(number)
        if section := _SECTION.fullmatch(line):
            group, kind = section[1], section[2] or "hosts"
            if kind == "vars":
                variables_at.setdefault(group, where)
            elif kind in ("hosts", "children"):
                inventory.groups.setdefault(group, [])
            else:
                raise UsageError(where, f"no such kind of section: {quote(kind)}", f"[{group}], [{group}:children] or [{group}:vars]")
            continue
        variable, equals, value = (part.strip() for part in line.partition("="))
        if kind == "vars" and equals and variable not in _VARIABLES:
            continue  # its value may be anything
        try:
            first, *rest = _ini_words(value if kind == "vars" else line) or [""]
        except ValueError as error:
            raise UsageError(where, str(error)) from error
        if kind == "vars" and equals:
            inventory.variables.setdefault(group, {})[variable] = " ".join((first, *rest))
        elif kind == "children" and not rest:
            inventory.groups[group].append(Word(f"@{first}", where))
        elif kind == "hosts" and all("=" in word for word in rest):
            variables = dict(word.split("=", 1) for word in rest)
            inventory.add(group, Word(first, where), {key: variables[key].strip("'\"") for key in _VARIABLES & variables.keys()})
        else:
            form = {"hosts": "HOST VARIABLE=VALUE...", "children": "the name of a group", "vars": "VARIABLE=VALUE"}[kind]
            raise UsageError(where, f"{quote(line)}: not of the form of [{group}{'' if kind == 'hosts' else ':' + kind}]", form)
    for group, where in variables_at.items():
        if group not in inventory.groups and group not in ("all", "ungrouped"):
            raise UsageError(where, f"variables of a group that there is not: {quote(group)}")
    inventory.finish()
    return inventory


def _ini_words(text: str) -> list[str]:
    """As Ansible splits a line. Raises ValueError."""
    import shlex

    if not re.search(r"""['"\\#]""", text):
        return [word for word in re.split(r"[ \t\r\n]+", text) if word]
    if len(text) > _MAX_QUOTED:
        raise ValueError(f"a line with quotes of more than {_MAX_QUOTED:,} characters")
    return shlex.split(text, comments=True)


def _read_yaml(path: str, text: str, deadline: Deadline) -> Inventory:
    import yaml  # type: ignore[import-untyped]

    inventory = Inventory(path, "YAML", deadline)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text, loader)):
            inventory.count(0)
            if number > _MAX_EVENTS:
                raise UsageError(inventory.at(event.start_mark.line + 1), "more than anybody has hosts")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise UsageError(inventory.at(event.start_mark.line + 1), f"nested more than {_MAX_DEPTH} deep")
        root = yaml.compose(text, loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        tab = "\t" in text.split("\n")[line]
        hint = "spaces instead of tabs" if tab else 'quotes around what has @, [, ] or {, as in "@rack1"'
        raise UsageError(inventory.at(line + 1), error.problem or error.context or "not YAML", hint) from error
    except yaml.YAMLError as error:
        raise UsageError(str(inventory), str(error).partition("\n")[0]) from error
    if root is None:  # nothing but comments
        return inventory
    try:
        top = _pairs(inventory, root)
        own = any(key.text == "groups" for key, _ in top)
        inventory.kind = "ovstool's own YAML" if own else "Ansible YAML"
        for key, node in _pairs(inventory, root):
            if key.text == "plugin":
                hint = "ansible-inventory -i FILE --list --yaml"
                raise UsageError(str(key), "settings of a plugin, which only Ansible can run", hint)
            if not own:
                _read_ansible_group(inventory, key, node)
            elif key.text != "groups":
                raise UsageError(str(key), "there is only 'groups' at the top")
            else:
                for group, items in _pairs(inventory, node):
                    inventory.groups[group.text] = list(_items(inventory, items))
    except RecursionError as error:
        raise UsageError(str(inventory), "an alias stands within what it stands for") from error
    if not own:
        inventory.finish()
    return inventory


def _items(inventory: Inventory, node: Any) -> Iterator[Word]:
    """The words of a list of ovstool's own inventory."""
    if node.tag == f"{_TAG}null":
        return
    if node.id != "sequence":
        raise UsageError(inventory.at(node.start_mark.line + 1), "a list of hosts is needed", '[leaf01, "leaf[02-32]", "@rack2"]')
    inventory.count(len(node.value))
    for item in node.value:
        word = _text(inventory, item)
        with located(word):
            words = address.split(word.text)
        inventory.count(len(words))
        yield from (word._replace(text=text) for text in words)


def _read_ansible_group(inventory: Inventory, group: Word, node: Any) -> None:
    words = inventory.groups.setdefault(group.text, [])
    for section, content in _pairs(inventory, node):
        if section.text not in ("hosts", "children", "vars"):
            raise UsageError(str(section), f"not a part of group {quote(group.text)}", "hosts, children or vars")
        if section.text == "vars":
            inventory.variables.setdefault(group.text, {}).update(_variables(inventory, content))
            continue
        for word, inner in _pairs(inventory, content):
            if section.text == "hosts":
                inventory.add(group.text, word, _variables(inventory, inner))
            else:
                words.append(word._replace(text=f"@{word.text}"))
                _read_ansible_group(inventory, word, inner)


def _variables(inventory: Inventory, node: Any) -> dict[str, str]:
    return {
        key.text: _text(inventory, value, f"{_TAG}int" if key.text.endswith("port") else "").text
        for key, value in _pairs(inventory, node, _VARIABLES)
    }


def _pairs(inventory: Inventory, node: Any, only: Collection[str] = ()) -> list[tuple[Word, Any]]:
    """The keys of a mapping with the nodes of their values, all of them or ``only`` some; nothing at all is an empty mapping.

    What ``<<`` merges into it counts less than what it says itself.
    """
    if node.tag == f"{_TAG}null":
        return []
    if node.id != "mapping":
        raise UsageError(inventory.at(node.start_mark.line + 1), "a mapping (KEY: VALUE) is needed here")
    inventory.count(len(node.value))
    own: dict[str, tuple[Word, Any]] = {}
    merged: dict[str, tuple[Word, Any]] = {}
    sources: list[Any] = []
    for key, value in node.value:
        if key.tag == f"{_TAG}merge":
            sources += value.value if value.id == "sequence" else [value]
        elif not only or key.value in only:
            word = _text(inventory, key)
            if word.text in own:
                raise UsageError(str(word), "named twice")
            own[word.text] = word, value
    for source in reversed(sources):  # the first counts most
        inventory.count(1)
        merged |= {word.text: (word, inner) for word, inner in _pairs(inventory, source, only)}
    return list((merged | own).values())


def _text(inventory: Inventory, node: Any, also: str = "") -> Word:
    """A node as text. What YAML takes for something else (10, on, 1:30) is refused: others who read the file would see no name there."""
    where = inventory.at(node.start_mark.line + 1)
    if node.id != "scalar":
        raise UsageError(where, f"a name is needed, and this is a {node.id}")
    if node.tag not in (f"{_TAG}str", also):
        kind = node.tag.removeprefix(_TAG)
        raise UsageError(f"{where}: {quote(node.value)}", f"to YAML this is no text but {quote(kind)}", f'quotes: "{node.value}"')
    return Word(node.value, where)
