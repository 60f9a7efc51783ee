"""TCP connections, in bounded time."""

import errno
import queue
import socket
import threading
from typing import Any

from ovstool.host.deadline import Deadline


def connect(host: str, port: int, deadline: Deadline, family: int = socket.AF_UNSPEC) -> socket.socket:
    """Connect to the first address of a name that answers; each has an even share of what time is left.

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
        raise OSError(errno.EAGAIN, "no thread to ask for its address in") from error
    except queue.Empty:
        raise TimeoutError(errno.ETIMEDOUT, "nobody tells its address") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _looked_up(host: str, port: int, family: int, flags: int = 0) -> list[tuple[int, Any]]:
    return [(kind, where) for kind, *_, where in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)]
