"""The address that metrics are served on, as exporters' --web.listen-address has it: ``[ADDR]:PORT``."""

import errno
import os
import socket
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, OvstoolError, Refused, UsageError, quote
from ovstool.host import address

_BACKLOG = 1024  # connections that wait to be accepted
EXAMPLES = ":10066, 127.0.0.1:10066 or [::1]:10066"


class Address(NamedTuple):
    """An address of this machine, all of them if ``host`` is empty, and a port; the kernel chooses one for 0."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{address.bracketed(self.host)}:{self.port}"


def parse(text: str) -> Address:
    """Read ``[ADDR]:PORT``. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    number = units.whole_number(port, 0, 65535)
    has_brackets = host.startswith("[") and host.endswith("]")
    if number is None or not colon or (":" in host and not has_brackets) or (has_brackets and not address.is_ipv6(host[1:-1])):
        hint = f":{port}" if number is not None and not colon else EXAMPLES
        raise UsageError(quote(text), "not of the form [ADDR]:PORT", hint)
    return Address(address.unbracketed(host), number)


def opened(at: Address) -> socket.socket:
    """A socket that listens there. Raises Conflict if the port is in use, Refused, UsageError if the address is not one of this machine."""
    try:
        if not at.host and socket.has_dualstack_ipv6():
            listener = socket.create_server(("::", at.port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        else:
            found = socket.getaddrinfo(at.host or "0.0.0.0", at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, where = found[0]
            listener = socket.create_server(where, family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        raise _refusal(at, error) from error
    listener.setblocking(False)
    return listener


def _refusal(at: Address, error: OSError | UnicodeError) -> OvstoolError:
    is_unresolved = isinstance(error, socket.gaierror | UnicodeError)
    number = error.errno if isinstance(error, OSError) and not is_unresolved else None
    what = f"--listen {quote(str(at))}"
    if number == errno.EADDRINUSE:
        return Conflict(what, "the port is already in use by another program", f"another PORT, or: ss -ltnp sport = :{at.port}")
    if number in (errno.EACCES, errno.EPERM):
        return Refused(what, "ports below 1024 need root", EXAMPLES)
    if number == errno.EADDRNOTAVAIL or is_unresolved:
        return UsageError(what, "not an address of this machine", EXAMPLES)
    return Refused(what, os.strerror(number) if number else str(error))  # Python adds the address to strerror
