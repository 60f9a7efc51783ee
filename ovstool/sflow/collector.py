"""The UDP socket of a collector."""

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

BUFFER = 2**23  # bytes of receive buffer; without CAP_NET_ADMIN the kernel limits it to net.core.rmem_max
_LONGEST = 65535  # bytes of a datagram
_AT_ONCE = 256  # datagrams in a batch
_GATHERED_S = 0.005  # of sleep, to receive datagrams in batches: waking up for each one costs half as much again as decoding it
_SO_MEMINFO, _MEMINFO, _DROPS = 55, struct.Struct("9I"), 8  # asm-generic/socket.h; SK_MEMINFO_DROPS of linux/sock_diag.h
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Arrival(NamedTuple):
    """A UDP payload with its arrival time (Unix time) and source address."""

    time: float
    payload: bytes
    sender: str


class Collector:
    """A local UDP socket for sFlow: dual-stack, unless it is bound to one address.

    With port 0 the kernel chooses a free one, which is then in ``port``. Raises Conflict when the port is in use, Refused without
    permission, NotFound for an address that is not local.
    """

    def __init__(self, bind: str | None, port: int):
        self._socket = _bound(bind, port)
        self.port: int = self._socket.getsockname()[1]
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), BUFFER)

    def batches(self, pause_s: float) -> Iterator[Sequence[Arrival]]:
        """Yield batches of datagrams without end; an empty one when nothing has arrived for ``pause_s`` seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            batch = list(self._waiting()) if poll.poll(pause_s * 1000) else []
            yield batch
            if 0 < len(batch) < _AT_ONCE:
                time.sleep(_GATHERED_S)

    def _waiting(self) -> Iterator[Arrival]:
        """The datagrams in the receive buffer, up to ``_AT_ONCE``."""
        receive, now = self._socket.recvfrom, time.time
        with suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                payload, (host, *_) = receive(_LONGEST)
                yield Arrival(now(), payload, host.removeprefix("::ffff:"))

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel dropped because the receive buffer was full."""
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
    """The error for an errno of bind(2); ``host`` is the remote host, empty for this one."""
    where = f"{host}: " if host else ""
    what = f"{where}UDP port {port}"
    if number == errno.EADDRINUSE:
        return Conflict(
            what, "already in use by another program", f"--port N, or tcpdump -U -w - udp port {port} | ovstool sflow listen --read -"
        )
    if number == errno.EACCES:
        return Refused(what, "permission denied", "--port 1024 or higher" + (", or --sudo" if host else ""))
    if number == errno.EADDRNOTAVAIL:
        return NotFound(f"{where}address {quote(bind or '')}", "not assigned to any interface", "omit --bind to listen on all addresses")
    return Refused(what, os.strerror(number))
