"""From what ``-H`` names to hosts, through the groups of an inventory."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ovstool.errors import NotFound, UsageError, quote
from ovstool.host import address

_MAX_BYTES = 10 * 10**6
_MAX_ENTRIES = 300_000  # counted as often as aliases and ranges repeat them: a small file can stand for an endless list
_MAX_DEPTH = 100  # of groups, one within the other

_PORT = re.compile(r"(.*[^:]):([0-9]+)")


class Target(NamedTuple):
    """A host: ``name`` as the user or the inventory calls it, ``address`` the ``[USER@]HOST[:PORT]`` to connect to."""

    name: str
    address: str

    def shell_command(self, command: str, sudo: bool) -> str:
        """The line for a shell here that runs a line of shell there."""
        user, host, port = address.parse(self.address)
        words = ["ssh", *(["-p", str(port)] if port else []), f"{user}@{host}" if user else host]
        return shlex.join([*words, f"sudo -n {command}" if sudo else command])


class Word(NamedTuple):
    """A host or ``@GROUP`` as written, and where in a file; the command line needs no telling."""

    text: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {quote(self.text)}" if self.where else quote(self.text)


def hosts(words: Sequence[str], inventory: str | None) -> list[Target]:
    """The hosts that the values of ``-H`` name, in that order, each once.

    ``inventory`` is a path, or None for the default file. It is read only when a group is named. Raises UsageError, and NotFound for a
    group that does not exist or has no hosts; so the list is empty only when there are no words.
    """
    file: Inventory | None = None
    found: dict[str, Target] = {}
    addresses: dict[str, str] = {}
    for word in [Word(word) for text in words for word in address.split(text)]:
        targets: Iterator[Target]
        if word.text.startswith("@"):
            file = file or _read(inventory)
            targets = file.members(word)
        else:
            targets = iter(_plain_targets(word))
        target = None
        for target in targets:
            if (other := addresses.setdefault(target.name, target.address)) != target.address:
                raise UsageError(quote(target.name), f"named twice, and means {other} once and {target.address} once")
            found.setdefault(target.address, target)
            if len(found) > address.MAX_HOSTS:
                raise UsageError(quote(word.text), f"more than {address.MAX_HOSTS} hosts in all")
        if target is None:
            raise NotFound(quote(word.text), f"this group of {file} has no hosts")
    return list(found.values())


def _plain_targets(word: Word) -> list[Target]:
    """The hosts of a word that says by itself how they are reached."""
    with located(word):
        names = address.expand(word.text)
        for name in names:
            address.parse(name)
    return [Target(name, name) for name in names]


@contextmanager
def located(word: Word) -> Iterator[None]:
    """Tell with an error where the word was written."""
    try:
        yield
    except UsageError as error:
        if not word.where:
            raise
        raise UsageError(f"{word.where}: {error.what}", error.why, error.hint) from error


class Inventory:
    """What a file says: the words of each group, which are hosts and ``@GROUP``; for Ansible the variables of hosts and groups too."""

    def __init__(self, path: str, kind: str):
        self.path = path
        self.kind = kind
        self.groups: dict[str, list[Word]] = {}
        self.hosts: dict[str, dict[str, str]] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self._owners: dict[str, set[str]] = {}
        self._depths: dict[str, int] = {}
        self._entries = 0

    def __str__(self) -> str:
        return f"{self.path} (read as {self.kind})"

    def at(self, line: int) -> str:
        return f"{self.path}:{line} (read as {self.kind})"

    def count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > _MAX_ENTRIES:
            raise UsageError(str(self), f"more than {_MAX_ENTRIES} entries, with what aliases and ranges repeat")

    def members(self, group: Word) -> Iterator[Target]:
        """The hosts of ``@GROUP`` and of the groups within; one may come several times. Raises NotFound, UsageError."""
        for word in self._words(group, (), set()):
            targets = [self._ansible_target(word)] if word.text in self.hosts else _plain_targets(word)
            self.count(len(targets))
            yield from targets

    def _words(self, group: Word, path: tuple[str, ...], seen: set[str]) -> Iterator[Word]:
        name = group.text[1:]
        if name in path:
            circle = " -> ".join(quote(f"@{name}") for name in (*path[path.index(name) :], name))
            raise UsageError(str(group), f"the group contains itself: {circle}")
        if len(path) > _MAX_DEPTH:
            raise UsageError(str(group), f"more than {_MAX_DEPTH} groups, one within the other")
        if name not in self.groups:
            raise self._no_such(group)
        if name in seen:
            return
        seen.add(name)
        for word in self.groups[name]:
            if word.text.startswith("@"):
                yield from self._words(word, (*path, name), seen)
            else:
                yield word

    def _no_such(self, group: Word) -> NotFound:
        from difflib import get_close_matches

        near = get_close_matches(group.text[1:64], list(self.groups)[:2000], 3, 0.6) or list(self.groups)[:5]
        why = "no such group" if group.where else f"no such group in {self}"
        return NotFound(str(group), why, " or ".join(quote(f"@{name}") for name in near) or None)

    # For Ansible alone.

    def add(self, group: str, word: Word, variables: dict[str, str]) -> None:
        """Add the hosts that a word stands for. To Ansible a port is a variable, not a part of the name."""
        with located(word):
            names = address.expand(word.text)
        self.count(len(names))
        for name in names:
            port = None if address.is_ipv6(name) else _PORT.fullmatch(name)
            host = word._replace(text=address.unbracketed(port[1] if port else name))
            new = host.text not in self.hosts
            for known in {group, "all"} if new else {group} - {"all"}:
                self.groups.setdefault(known, []).append(host)
            known_port = {"ansible_port": port[2]} if port and new else {}  # Ansible passes over the port of a host that it knows
            self.hosts.setdefault(host.text, {}).update(known_port | variables)

    def finish(self) -> None:
        """Fill the groups that every inventory has, and find how deep each lies: the variables of the deeper one win."""
        everything = self.groups.setdefault("all", [])
        for group in self.groups.keys() - {"all"}:
            for word in self.groups[group]:
                self._owners.setdefault(word.text, set()).add(group)
        for host in self.hosts:
            self._owners[host] = self._owners.get(host, set()) - {"ungrouped"} or {"ungrouped"}
        self.groups["ungrouped"] = [word for word in everything if self._owners.get(word.text) == {"ungrouped"}]
        before: dict[str, int] = {}
        self._depths = dict.fromkeys(self.groups, 1) | {"all": 0}
        for _ in range(_MAX_DEPTH):  # not for ever: a group may contain itself, which is an error only when it is named
            if before == self._depths:
                break
            before = dict(self._depths)
            for group in self.groups.keys() - {"all"}:
                self._depths[group] = max([before[group], *(before[owner] + 1 for owner in self._owners.get(f"@{group}", ()))])

    def _ansible_target(self, word: Word) -> Target:
        groups, todo = {"all"}, [word.text]
        while todo:
            new = self._owners.get(todo.pop(), set()) - groups
            groups |= new
            todo += [f"@{group}" for group in new]
        values: dict[str, str] = {}
        for group in sorted(groups, key=lambda group: (self._depths.get(group, 1), group)):
            values |= self.variables.get(group, {})
        values |= self.hosts[word.text]
        # The old names are still read by Ansible, and preferred.
        host, user, port = (values.get(f"ansible_ssh_{what}", values.get(f"ansible_{what}")) for what in ("host", "user", "port"))
        name, host = map(address.bracketed, (word.text, word.text if host is None else host))
        text = ("" if user is None else f"{user}@") + host + ("" if port is None else f":{port}")
        with located(word):
            address.parse(name)
            address.parse(text)
        return Target(word.text, text)


def _read(inventory: str | None) -> Inventory:
    """The inventory in a file. Raises NotFound when there is none at the default place, UsageError."""
    from ovstool.host import inventory_file

    path = inventory
    if path is None:
        configuration = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        path = os.path.join(configuration, "ovstool", "inventory.yaml")
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if inventory is None and isinstance(error, FileNotFoundError):
            raise NotFound(path, "there is no inventory to look for groups in", "--inventory FILE") from error
        raise UsageError(f"inventory {quote(path)}", getattr(error, "strerror", None) or str(error)) from error
    if len(data) > _MAX_BYTES:
        raise UsageError(path, f"larger than {_MAX_BYTES // 10**6} MB, which no inventory is")
    return inventory_file.read(path, data)
