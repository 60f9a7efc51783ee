"""TCP connections, in bounded time."""

import errno
import queue
import socket
import threading
from typing import Any

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.host.deadline import Deadline


def host_and_port(address: str) -> tuple[str, int]:
    """The two in ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``, the host without the brackets of IPv6. Raises UsageError."""
    host, _, text = address.partition(":")[2].rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    port = units.whole_number(text, 1, 65535)
    if not host or port is None:
        raise UsageError(quote(address), "needs a host and a port from 1 to 65535", "tcp:192.0.2.1:6640 or tcp:[2001:db8::1]:6640")
    return host, port


def connect(host: str, port: int, deadline: Deadline, family: int = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that answers; each gets an even share of the time that is left.

    Raises OSError (TimeoutError is one), and UnicodeError for a name that cannot be one.
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
    # A silent DNS server is waited for in C, which nothing can interrupt: in a thread that nobody waits for.
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
