"""From the values of ``-H`` to hosts, through the groups of an inventory, and the variables of hosts."""

import errno
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING

from ovstool.errors import NotFound, OvstoolError, TimedOut, UsageError, quote
from ovstool.host import address, files
from ovstool.host.address import HostWord, Target
from ovstool.host.deadline import Deadline
from ovstool.host.inventory.values import NoValue, Value, Values

if TYPE_CHECKING:
    from ovstool.host.inventory.groups import Inventory

_MAX_BYTES = 10 * 10**6
_HINT_S = 1.0  # to read it for no more than a hint
_YAML_BEGINS = re.compile(r"---|%YAML|- |[{!&\"']|[^\s\[]+\s*:(?:\s|$)")


class Source:
    """An inventory that is read when it is needed, and once, because it may be a pipe; it keeps the ``wanted`` variables.

    ``path`` is None for the default file.
    """

    def __init__(self, path: str | None, deadline: Deadline, wanted: Collection[str] = ()):
        self._path = path
        self._deadline = deadline
        self._wanted = wanted

    @cached_property
    def _file(self) -> "Inventory":
        return _read(self._path, self._deadline, self._wanted)

    def hosts(self, words: Sequence[str]) -> list[Target]:
        """The hosts that the values of ``-H`` name, in that order, each once.

        The inventory is read only when a group is named. Raises UsageError, NotFound for a group that does not exist or has no hosts (so
        the list is empty only if ``words`` is), TimedOut for a pipe that does not end.
        """
        found: dict[str, Target] = {}
        addresses: dict[str, str] = {}
        for word in [HostWord(word) for text in words for word in address.split(text)]:
            targets: Iterator[Target]
            targets = self._file.members(word) if word.text.startswith("@") else iter(address.targets(word))
            target = None
            for target in targets:
                if (other := addresses.setdefault(target.name, target.address)) != target.address:
                    raise UsageError(quote(target.name), f"named twice, once as {other} and once as {target.address}")
                found.setdefault(target.address, target)
                if len(found) > address.MAX_HOSTS:
                    raise UsageError(quote(word.text), f"more than {address.MAX_HOSTS} hosts in total")
            if target is None:
                raise NotFound(quote(word.text), f"this group of {self._file} has no hosts")
        return list(found.values())

    def values(self, host: str) -> Values:
        """The wanted variables of a host, by its name; why not for those without a value. Raises as ``hosts`` does."""
        if not self._wanted:
            return {}
        if self._path is None and not os.path.exists(_default()):
            return dict.fromkeys(self._wanted, NoValue(f"there is no inventory {_default()}", "--inventory FILE"))
        found = self._file.variables_of(host)
        if found is None:
            return dict.fromkeys(self._wanted, NoValue(f"no such host in {self._file}", "add it there, or another --inventory FILE"))
        return {name: _usable(name, found.get(name), self._file) for name in self._wanted}


def _usable(name: str, value: Value | None, file: "Inventory") -> Value:
    if value is None:
        return NoValue(f"no such variable in {file}", f"{name} for the host or one of its groups")
    if isinstance(value, str) and "{{" in value:
        return NoValue(f"a template, which only Ansible can fill in: {quote(value)}", "the value itself")
    if isinstance(value, str) and "\0" in value:  # ovsdb-server closes the connection
        return NoValue(f"contains a NUL character, so it is not text: {quote(value)}", "the value without it")
    return value


def hosts(words: Sequence[str], inventory: str | None, deadline: Deadline) -> list[Target]:
    """The hosts that the values of ``-H`` name, in that order, each once. ``inventory`` is a path, or None for the default file. Raises as
    ``Source.hosts`` does."""
    return Source(inventory, deadline).hosts(words)


def names(inventory: str | None, deadline: Deadline) -> list[str]:
    """All groups (as ``@GROUP``) and hosts of an inventory, for completing ``-H``. Raises as ``hosts`` does.

    A pipe is not read: its content can be read once, and a command needs it.
    """
    if not os.path.isfile(_default() if inventory is None else inventory):
        return []
    file = _read(inventory, deadline)
    return [*(f"@{group}" for group in file.groups), *file.names()]


@cache
def group_names(inventory: str | None) -> frozenset[str]:
    """The names of the groups, for a hint: none if the inventory is a pipe or cannot be read. It is read once, as many hosts may need it."""
    with suppress(OvstoolError):
        if os.path.isfile(_default() if inventory is None else inventory):
            return frozenset(_read(inventory, Deadline(_HINT_S)).groups)
    return frozenset()


def every(inventory: str | None, deadline: Deadline) -> list[Target]:
    """All hosts of an inventory, each once, without those that have no valid address. Raises as ``hosts`` does."""
    if inventory is None and not os.path.isfile(_default()):
        return []
    return list(dict.fromkeys(_read(inventory, deadline).every()))


def _read(inventory: str | None, deadline: Deadline, wanted: Collection[str] = ()) -> "Inventory":
    """Read an inventory file. Raises NotFound when the default file does not exist, UsageError, TimedOut."""
    path = _default() if inventory is None else inventory
    try:
        return _parse(path, files.read_pipe(path, _MAX_BYTES, deadline), deadline, wanted)
    except TimeoutError as error:
        raise TimedOut(f"inventory {quote(path)}", str(error.strerror)) from error
    except OSError as error:
        if inventory is None and isinstance(error, FileNotFoundError):
            raise NotFound(path, "no such inventory, so groups cannot be looked up", "--inventory FILE") from error
        if error.errno == errno.EFBIG:
            raise UsageError(path, f"larger than {_MAX_BYTES // 10**6} MB, too large for an inventory") from error
        raise UsageError(f"inventory {quote(path)}", error.strerror or str(error)) from error


def _parse(path: str, data: bytes, deadline: Deadline, wanted: Collection[str] = ()) -> "Inventory":
    """Parse an inventory; its first line, not the file's name, decides the format. Raises UsageError, TimedOut."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}:{data.count(10, 0, error.start) + 1}", "not UTF-8") from error
    first = next((line for line in map(str.strip, text.split("\n")) if line and line[0] not in "#;"), "---")
    if _YAML_BEGINS.match(first):
        from ovstool.host.inventory import yaml_format

        return yaml_format.parse(path, text, deadline, wanted)
    from ovstool.host.inventory import ini_format

    return ini_format.parse(path, text, deadline, wanted)


def _default() -> str:
    """The path of the default inventory. Raises NotFound without a home directory."""
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    if configuration.startswith("/"):  # relative paths must be ignored (XDG Base Directory Specification)
        return os.path.join(configuration, "ovstool", "inventory.yaml")
    if home := files.home():
        return os.path.join(home, ".config/ovstool/inventory.yaml")
    raise NotFound("the default inventory", "no home directory to look for it in", "--inventory FILE")
