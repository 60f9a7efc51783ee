"""A collector's UDP socket, and the datagrams that come to it."""

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError, quote

_BUFFER = 2**23  # bytes that may wait for us; without CAP_NET_ADMIN the kernel gives net.core.rmem_max of them
_LONGEST = 65535  # bytes of a datagram
_AT_ONCE = 256  # datagrams in a batch
_GATHERED_S = 0.005  # for what comes next: to wake up for each datagram would take half as much again as to decode it
_SO_MEMINFO, _MEMINFO, _DROPS = 55, struct.Struct("9I"), 8  # asm-generic/socket.h; SK_MEMINFO_DROPS of linux/sock_diag.h
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Arrival(NamedTuple):
    """A UDP payload, when it came (Unix time), and the address that it came from."""

    time: float
    payload: bytes
    sender: str


class Collector:
    """A UDP socket for sFlow on this machine: for IPv4 and IPv6 at once, unless it is bound to one address.

    Port 0 stands for any that is free; ``port`` is the one that it became. Raises Conflict when the port is in use, Refused when it may
    not be had, NotFound for an address that this machine has not got.
    """

    def __init__(self, bind: str | None, port: int):
        self._socket = _bound(bind, port)
        self.port: int = self._socket.getsockname()[1]
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _BUFFER)

    def batches(self, pause_s: float) -> Iterator[Sequence[Arrival]]:
        """What has come, again and again for as long as it is asked; an empty batch where nothing came for so long."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            batch = list(self._waiting()) if poll.poll(pause_s * 1000) else []
            yield batch
            if 0 < len(batch) < _AT_ONCE:
                time.sleep(_GATHERED_S)

    def _waiting(self) -> Iterator[Arrival]:
        """What waits to be read, up to ``_AT_ONCE``."""
        receive, now = self._socket.recvfrom, time.time
        with suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                payload, (host, *_) = receive(_LONGEST)
                yield Arrival(now(), payload, host.removeprefix("::ffff:"))

    @property
    def dropped(self) -> int:
        """Datagrams that reached this machine and found no room in the socket's buffer."""
        with suppress(OSError, struct.error):
            return _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_DROPS]
        return 0

    def close(self) -> None:
        self._socket.close()


def _bound(bind: str | None, port: int) -> socket.socket:
    try:
        if bind is None:
            return _bound_to_all(port)
        family, _, _, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        return _opened(family, address)
    except socket.gaierror as error:
        raise UsageError(f"--bind {quote(bind or '')}", "not an IP address", "--bind 10.0.0.5") from error
    except OSError as error:
        raise cannot_listen(error.errno or 0, bind, port) from error


def _bound_to_all(port: int) -> socket.socket:
    try:
        return _opened(socket.AF_INET6, ("::", port))
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
        return _opened(socket.AF_INET, ("0.0.0.0", port))


def _opened(family: int, address: tuple) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        opened.setblocking(False)
        opened.bind(address)
    except BaseException:
        opened.close()
        raise
    return opened


def cannot_listen(number: int, bind: str | None, port: int, host: str = "") -> OvstoolError:
    """What it means when a collector's socket cannot be bound, for this error number; ``host`` is the far one."""
    where = f"{host}: " if host else ""
    what = f"{where}UDP port {port}"
    if number == errno.EADDRINUSE:
        return Conflict(
            what, "another program listens there", f"--port N, or tcpdump -U -w - udp port {port} | ovstool sflow listen --read -"
        )
    if number == errno.EACCES:
        return Refused(what, "permission denied", "a --port above 1023" + (", or --sudo" if host else ""))
    if number == errno.EADDRNOTAVAIL:
        return NotFound(f"{where}address {quote(bind or '')}", "no interface has it", "no --bind, to listen on all addresses")
    return Refused(what, os.strerror(number))
