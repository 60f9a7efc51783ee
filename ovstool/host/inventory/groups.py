"""Groups of hosts: their members, nested groups, and the variables of hosts and groups."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress

from ovstool.errors import NotFound, TimedOut, UsageError, quote
from ovstool.host import address
from ovstool.host.address import HostWord, Target, located
from ovstool.host.deadline import Deadline
from ovstool.host.inventory.values import Values

_MAX_ENTRIES = 300_000  # after aliases and ranges are expanded: a small file can expand to an endless list
_MAX_DEPTH = 100  # of nested groups

VARIABLES = {f"ansible_{old}{name}" for old in ("", "ssh_") for name in ("host", "user", "port")}  # what Ansible connects to
_KEYS = ("ansible_ssh_private_key_file", "ansible_private_key_file")  # Ansible prefers the first
KNOWN = VARIABLES.union(_KEYS, ("ansible_connection",))
_PORT = re.compile(r"(.*[^:]):([0-9]+)")


class Inventory:
    """The content of a file: the hosts and ``@GROUP`` in each group, and those variables of both that Ansible connects to or are ``wanted``."""

    def __init__(self, path: str, kind: str, deadline: Deadline, wanted: Collection[str] = ()):
        self.path = path
        self.kind = kind
        self._deadline = deadline
        self.groups: dict[str, list[HostWord]] = {}
        self.wanted = KNOWN.union(wanted)
        self.hosts: dict[str, Values] = {}  # with their own variables; all hosts of Ansible's inventories, those with variables of ours
        self.variables: dict[str, Values] = {}  # of groups
        self._is_ansible = False
        self._owners: dict[str, set[str]] = {}  # the groups that contain a host or ``@GROUP``
        self._depths: dict[str, int] = {}  # of groups
        self._inherited: dict[frozenset[str], Values] = {}
        self._by_host: dict[str, set[str]] = {}  # the names in ovstool's own format by their hosts, without user and port
        self._entries = 0

    def __str__(self) -> str:
        return f"{self.path} (read as {self.kind})"

    def at(self, line: int) -> str:
        """The place of a line, for errors."""
        return f"{self.path}:{line} (read as {self.kind})"

    def count(self, entries: int) -> None:
        """Add to the number of entries. Raises UsageError above the limit, TimedOut after the deadline."""
        if not self._deadline.remaining_s():
            raise TimedOut(str(self), "not read in time")
        self._entries += entries
        if self._entries > _MAX_ENTRIES:
            raise UsageError(str(self), f"more than {_MAX_ENTRIES} entries after aliases and ranges are expanded")

    def members(self, group: HostWord) -> Iterator[Target]:
        """The hosts of ``@GROUP`` and its nested groups, possibly with duplicates. Raises NotFound, UsageError."""
        for word in self._words_in(group, (), set()):
            yield from self._targets(word)

    def _targets(self, word: HostWord) -> list[Target]:
        targets = [self._ansible_target(word)] if self._is_ansible else address.targets(word)
        self.count(len(targets))
        return targets

    def names(self) -> list[str]:
        """The names of the hosts of all groups; invalid names are left out."""
        found = dict.fromkeys(self.hosts)
        for words in self.groups.values():
            for word in words:
                with suppress(UsageError):
                    targets = [] if word.text.startswith("@") else address.targets(word)
                    self.count(len(targets))
                    found.update(dict.fromkeys(target.name for target in targets))
        return list(found)

    def every(self) -> Iterator[Target]:
        """The hosts of all groups; those without a valid address are left out."""
        words = {word.text: word for words in self.groups.values() for word in words if not word.text.startswith("@")}
        for word in words.values():
            with suppress(UsageError):
                yield from self._targets(word)

    def _words_in(self, group: HostWord, path: tuple[str, ...], seen: set[str]) -> Iterator[HostWord]:
        """The hosts of a group as written. ``path`` holds the groups that contain it, ``seen`` those already expanded."""
        name = group.text[1:]
        if name in path:
            circle = " -> ".join(quote(f"@{name}") for name in (*path[path.index(name) :], name))
            raise UsageError(str(group), f"the group contains itself: {circle}")
        if len(path) > _MAX_DEPTH:
            raise UsageError(str(group), f"more than {_MAX_DEPTH} nested groups")
        if name not in self.groups:
            raise self._no_such(group)
        if name in seen:
            return
        seen.add(name)
        for word in self.groups[name]:
            if word.text.startswith("@"):
                yield from self._words_in(word, (*path, name), seen)
            else:
                yield word

    def _no_such(self, group: HostWord) -> NotFound:
        from difflib import get_close_matches

        near = get_close_matches(group.text[1:64], list(self.groups)[:2000], 3, 0.6) or list(self.groups)[:5]
        why = "no such group" if group.place else f"no such group in {self}"
        return NotFound(str(group), why, " or ".join(quote(f"@{name}") for name in near) or None)

    def variables_of(self, name: str) -> Values | None:
        """The variables of a host and of its groups, by its name as given or else without user and port; None for an unknown host."""
        host = _host_of(name)
        alike = self._by_host.get(host, set())
        known = next((word for word in (name, host) if word in self._owners), None) or (next(iter(alike)) if len(alike) == 1 else None)
        own = self.hosts.get(host, {}) | self.hosts.get(name, {})
        if not own and known is None:
            return None
        return self._of_groups(frozenset(self._owners.get(known or "", ()))) | own

    def define(self, word: HostWord, variables: Values) -> None:
        """Set the variables of hosts or of an ``@GROUP`` in ovstool's own format."""
        if word.text.startswith("@"):
            if word.text[1:] not in self.groups:
                raise self._no_such(word)
            self.variables[word.text[1:]] = variables
            return
        targets = address.targets(word)
        self.count(len(targets) * (1 + len(variables)))
        for target in targets:
            found = address.parse(target.name)
            name = target.name if found.user or found.port else found.host
            self.hosts[name] = self.hosts.get(name, {}) | variables

    def add(self, group: str, word: HostWord, variables: Values) -> None:
        """Add the hosts of a word in an Ansible inventory. To Ansible a port is a variable, not part of the name."""
        with located(word):
            names = address.expand(word.text)
        self.count(len(names) * (1 + len(variables.keys() - KNOWN)))
        for name in names:
            port = None if address.is_ipv6(name) else _PORT.fullmatch(name)
            host = word._replace(text=address.unbracketed(port[1] if port else name))
            new = host.text not in self.hosts
            for known in {group, "all"} if new else {group} - {"all"}:
                self.groups.setdefault(known, []).append(host)
            known_port: Values = (
                {"ansible_port": port[2]} if port and new else {}
            )  # Ansible ignores the port when it has seen the host before
            self.hosts.setdefault(host.text, {}).update(known_port | variables)

    def finish(self) -> None:
        """After reading an Ansible inventory: fill the groups all and ungrouped, and compute how deep each group is nested."""
        self._is_ansible = True
        everything = self.groups.setdefault("all", [])
        for group in self.groups.keys() - {"all"}:
            for word in self.groups[group]:
                self._owners.setdefault(word.text, set()).add(group)
        for host in self.hosts:
            self._owners[host] = self._owners.get(host, set()) - {"ungrouped"} or {"ungrouped"}
        self.groups["ungrouped"] = [word for word in everything if self._owners.get(word.text) == {"ungrouped"}]
        self._depths = self._found_depths()

    def index(self) -> None:
        """After reading an inventory in ovstool's own format: note the groups of each host, and compute how deep each group is nested."""
        for group, words in self.groups.items():
            for word in words:
                names = [word.text] if word.text.startswith("@") else self._valid_names(word)
                self.count(len(names))
                for name in names:
                    self._owners.setdefault(name, set()).add(group)
        for name in self._owners:
            self._by_host.setdefault(_host_of(name), set()).add(name)
        self._depths = self._found_depths()

    def _valid_names(self, word: HostWord) -> list[str]:
        with suppress(UsageError):  # which is raised when its group is asked for
            return [target.name for target in address.targets(word)]
        return []

    def _found_depths(self) -> dict[str, int]:
        """The greatest nesting depth of each group: the variables of the deeper group win."""
        depths = dict.fromkeys(self.groups, 1) | dict.fromkeys(self._outermost(), 0)
        missing = {group: len(self._owners.get(f"@{group}", ())) for group in self.groups if group not in self._outermost()}
        ready = [group for group, count in missing.items() if not count]
        for group in ready:  # it grows; a group that contains itself is never added, which is an error only when it is named
            for inner in {word.text[1:] for word in self.groups[group] if word.text.startswith("@")} & missing.keys():
                depths[inner] = max(depths[inner], depths[group] + 1)
                missing[inner] -= 1
                if not missing[inner]:
                    ready.append(inner)
        return depths

    def _outermost(self) -> set[str]:
        """The group that contains every host without saying so."""
        return {"all"} if self._is_ansible else set()

    def _of_groups(self, owners: frozenset[str]) -> Values:
        """The variables that a host inherits from its groups; computed once, because many hosts are in the same groups."""
        if owners not in self._inherited:
            groups, todo = self._outermost() | owners, [f"@{group}" for group in owners]
            while todo:
                new = self._owners.get(todo.pop(), set()) - groups
                groups |= new
                todo += [f"@{group}" for group in new]
            self.count(len(groups))
            values: Values = {}
            for group in sorted(groups, key=lambda group: (self._depths.get(group, 1), group)):
                values |= self.variables.get(group, {})
            self._inherited[owners] = values
        return self._inherited[owners]

    def _ansible_target(self, word: HostWord) -> Target:
        values = self._of_groups(frozenset(self._owners.get(word.text, ()))) | self.hosts[word.text]
        # Ansible still reads the old names, and prefers them.
        host, user, port = (values.get(f"ansible_ssh_{what}", values.get(f"ansible_{what}")) for what in ("host", "user", "port"))
        name, host = map(address.bracketed, (word.text, word.text if host is None else str(host)))
        text = ("" if user is None else f"{user}@") + host + ("" if port is None else f":{port}")
        with located(word):
            address.parse(name)
            address.parse(text)
        key = next((value for value in map(values.get, _KEYS) if isinstance(value, str) and value and "{{" not in value), None)
        path = os.path.abspath(os.path.expanduser(key)) if key else None
        return Target(word.text, text, path, values.get("ansible_connection") == "local")


def _host_of(name: str) -> str:
    """The host of ``[USER@]HOST[:PORT]``; anything else unchanged."""
    with suppress(UsageError):
        return address.parse(name).host
    return name
