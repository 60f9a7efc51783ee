"""From what ``-H`` names to hosts, through the groups of an inventory."""

import errno
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ovstool.errors import NotFound, TimedOut, UsageError, quote
from ovstool.host import address, files
from ovstool.host.deadline import Deadline

_MAX_BYTES = 10 * 10**6
_READ_S = 30  # for an inventory that comes by a pipe, outside of any command's time
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


def hosts(words: Sequence[str], inventory: str | None, deadline: Deadline | None = None) -> list[Target]:
    """The hosts that the values of ``-H`` name, in that order, each once.

    ``inventory`` is a path, or None for the default file. It is read only when a group is named. Raises UsageError, and NotFound for a
    group that does not exist or has no hosts; so the list is empty only when there are no words. TimedOut when it is a pipe that does
    not end.
    """
    file: Inventory | None = None
    found: dict[str, Target] = {}
    addresses: dict[str, str] = {}
    for word in [Word(word) for text in words for word in address.split(text)]:
        targets: Iterator[Target]
        if word.text.startswith("@"):
            file = file or _read(inventory, deadline or Deadline(_READ_S))
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

    def __init__(self, path: str, kind: str, deadline: Deadline):
        self.path = path
        self.kind = kind
        self._deadline = deadline
        self.groups: dict[str, list[Word]] = {}
        self.hosts: dict[str, dict[str, str]] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self._owners: dict[str, set[str]] = {}
        self._depths: dict[str, int] = {}
        self._inherited: dict[frozenset[str], dict[str, str]] = {}
        self._entries = 0

    def __str__(self) -> str:
        return f"{self.path} (read as {self.kind})"

    def at(self, line: int) -> str:
        return f"{self.path}:{line} (read as {self.kind})"

    def count(self, entries: int) -> None:
        """Raise UsageError when there are too many, TimedOut when they take too long."""
        if not self._deadline.remaining_s():
            raise TimedOut(str(self), "not read in time")
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
        self._depths = dict.fromkeys(self.groups, 1) | {"all": 0}
        missing = {group: len(self._owners.get(f"@{group}", ())) for group in self.groups if group != "all"}
        ready = [group for group, count in missing.items() if not count]
        for group in ready:  # it grows; a group that contains itself never gets there, which is an error only when it is named
            for inner in {word.text[1:] for word in self.groups[group] if word.text.startswith("@")} & missing.keys():
                self._depths[inner] = max(self._depths[inner], self._depths[group] + 1)
                missing[inner] -= 1
                if not missing[inner]:
                    ready.append(inner)

    def _of_groups(self, owners: frozenset[str]) -> dict[str, str]:
        """The variables that a host has from its groups and theirs; as many hosts are in the same ones, they are found once."""
        if owners not in self._inherited:
            groups, todo = {"all", *owners}, [f"@{group}" for group in owners]
            while todo:
                new = self._owners.get(todo.pop(), set()) - groups
                groups |= new
                todo += [f"@{group}" for group in new]
            self.count(len(groups))
            values: dict[str, str] = {}
            for group in sorted(groups, key=lambda group: (self._depths.get(group, 1), group)):
                values |= self.variables.get(group, {})
            self._inherited[owners] = values
        return self._inherited[owners]

    def _ansible_target(self, word: Word) -> Target:
        values = self._of_groups(frozenset(self._owners.get(word.text, ()))) | self.hosts[word.text]
        # The old names are still read by Ansible, and preferred.
        host, user, port = (values.get(f"ansible_ssh_{what}", values.get(f"ansible_{what}")) for what in ("host", "user", "port"))
        name, host = map(address.bracketed, (word.text, word.text if host is None else host))
        text = ("" if user is None else f"{user}@") + host + ("" if port is None else f":{port}")
        with located(word):
            address.parse(name)
            address.parse(text)
        return Target(word.text, text)


def _read(inventory: str | None, deadline: Deadline) -> Inventory:
    """The inventory in a file. Raises NotFound when there is none at the default place, UsageError, TimedOut."""
    from ovstool.host import inventory_file

    path = _default() if inventory is None else inventory
    try:
        return inventory_file.read(path, files.read_pipe(path, _MAX_BYTES, deadline), deadline)
    except TimeoutError as error:
        raise TimedOut(f"inventory {quote(path)}", str(error.strerror)) from error
    except OSError as error:
        if inventory is None and isinstance(error, FileNotFoundError):
            raise NotFound(path, "there is no inventory to look for groups in", "--inventory FILE") from error
        if error.errno == errno.EFBIG:
            raise UsageError(path, f"larger than {_MAX_BYTES // 10**6} MB, which no inventory is") from error
        raise UsageError(f"inventory {quote(path)}", error.strerror or str(error)) from error


def _default() -> str:
    """Where an inventory is when none is named. Raises NotFound when there is no such place."""
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    if configuration.startswith("/"):  # others are to be ignored (XDG Base Directory Specification)
        return os.path.join(configuration, "ovstool", "inventory.yaml")
    if home := files.home():
        return os.path.join(home, ".config/ovstool/inventory.yaml")
    raise NotFound("the default inventory", "there is no home directory to look for it in", "--inventory FILE")
