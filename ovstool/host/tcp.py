"""TCP connections, with a time limit."""

import errno
import queue
import socket
import threading
from typing import Any

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.host.deadline import Deadline


def host_and_port(address: str) -> tuple[str, int]:
    """The host and port of ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``, without IPv6 brackets. Raises UsageError."""
    host, _, text = address.partition(":")[2].rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    port = units.whole_number(text, 1, 65535)
    if not host or port is None:
        raise UsageError(quote(address), "needs a host and a port from 1 to 65535", "tcp:192.0.2.1:6640 or tcp:[2001:db8::1]:6640")
    return host, port


def connect(host: str, port: int, deadline: Deadline, family: int = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that accepts; the remaining time is shared evenly among the addresses.

    Raises OSError (TimeoutError is one), and UnicodeError for an invalid host name.
    """
    problem: OSError = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    found = _addresses(host, port, deadline, family)
    for number, (kind, where) in enumerate(found):
        if not deadline.remaining_s():
            raise TimeoutError(errno.ETIMEDOUT, "no address answers")
        try:
            stream = socket.socket(kind, socket.SOCK_STREAM)
        except OSError as error:
            problem = error
            continue
        try:
            stream.settimeout(deadline.remaining_s() / (len(found) - number) or 0.001)
            stream.connect(where)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return stream
        except OSError as error:
            stream.close()
            problem = error
        except BaseException:
            stream.close()
            raise
    raise problem


def _addresses(host: str, port: int, deadline: Deadline, family: int) -> list[tuple[int, Any]]:
    try:
        return _looked_up(host, port, family, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    # getaddrinfo(3) cannot be interrupted while it waits for a silent DNS server: it runs in a thread that can be abandoned.
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_looked_up(host, port, family))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    try:
        threading.Thread(target=ask, daemon=True).start()
        answer = answers.get(timeout=deadline.remaining_s())
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "no thread left to look up its address") from error
    except queue.Empty:
        raise TimeoutError(errno.ETIMEDOUT, "no name server answers") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _looked_up(host: str, port: int, family: int, flags: int = 0) -> list[tuple[int, Any]]:
    return [(kind, where) for kind, *_, where in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)]
