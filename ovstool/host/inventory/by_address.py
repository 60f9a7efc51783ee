"""The hosts of an inventory by their IP addresses, to show names in place of addresses."""

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from ovstool.errors import OvstoolError
from ovstool.host import address, inventory
from ovstool.host.address import Target
from ovstool.host.deadline import Deadline

_MOST = 1000  # hosts to look up
_READ_S = 5.0  # for the file
_LOOKED_UP_S = 1.0  # that somebody waits for names, from when they are asked for


class HostNames:
    """Host names by address. Hosts that the inventory has by name are resolved by a thread, and found once it is done.

    ``named`` are the hosts that the user named: their names take precedence over those of the inventory, and a pipe that they may have come
    from is not read again. Without a default inventory no other address has a name. Raises as ``inventory.every`` does for a named inventory.
    """

    def __init__(self, path: str | None, named: Sequence[Target] = ()):
        self._names: dict[str, str] = {}
        self._hosts: dict[str, str] = {}  # where each is, by name
        self._thread: threading.Thread | None = None
        self._until = time.monotonic() + _LOOKED_UP_S
        is_pipe = bool(named) and path is not None and not os.path.isfile(path)
        for target in (*named, *([] if is_pipe else _of_inventory(path))):
            self._hosts.setdefault(target.name, address.parse(target.address).host)
        by_name = [name for name, host in self._hosts.items() if not self._add(name, host)]
        if by_name:
            self._thread = threading.Thread(target=self._look_up, args=(by_name[:_MOST],), name="names of hosts", daemon=True)
            self._thread.start()

    def find(self, text: str) -> str | None:
        """The name of the host with this IP address."""
        return self._names.get(text)

    def find_in_time(self, text: str) -> str | None:
        """The name of the host with this IP address, once all are looked up, or that has taken as long as anybody waits for it."""
        if self._thread:
            self._thread.join(max(0.0, self._until - time.monotonic()))
        return self.find(text)

    def addresses(self, name: str) -> list[str]:
        """The addresses of a host, from the inventory or not; none when it does not resolve."""
        return list(_addresses(self._hosts.get(name, name)))

    def _add(self, name: str, text: str) -> bool:
        try:
            self._names.setdefault(str(ipaddress.ip_address(text)), name)
        except ValueError:
            return False
        return True

    def _look_up(self, names: Iterable[str]) -> None:
        for name in names:
            for found in _addresses(self._hosts[name]):
                self._add(name, found)


def _of_inventory(path: str | None) -> list[Target]:
    try:
        return inventory.every(path, Deadline(_READ_S))
    except OvstoolError:
        if path is not None:
            raise
        return []


def _addresses(host: str) -> Iterator[str]:
    with suppress(OSError, UnicodeError):
        for *_, (found, *_) in socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM):
            yield str(found)
