"""What systemd is told of a service (sd_notify(3)): a datagram to the socket that it names."""

import os
import socket
from contextlib import suppress


def notify(*lines: str) -> None:
    """Send lines such as ``READY=1`` to $NOTIFY_SOCKET; without it, or if nobody reads there, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(1)
        sender.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
