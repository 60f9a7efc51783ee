"""A TCP proxy that answers late or loses connections: ``python proxy.py PORT TARGET_PORT ANSWERS_AFTER_S DROPS_AFTER HANGS_AFTER``.

It listens on PORT of every address and forwards to TARGET_PORT on loopback. A connection is accepted at once, but nothing is forwarded for
the first ANSWERS_AFTER_S. After DROPS_AFTER bytes, both directions together, it is reset; after HANGS_AFTER bytes it stays open and
forwards nothing more. Negative numbers disable this. The proxy prints a line once it listens.
"""

import select
import socket
import struct
import sys
import threading
import time
from contextlib import ExitStack

_CHUNK = 65536


def main() -> None:
    port, target = map(int, sys.argv[1:3])
    answers_after_s = float(sys.argv[3])
    drops_after, hangs_after = map(int, sys.argv[4:6])
    with socket.create_server(("", port), backlog=128) as listener:
        print("listening", flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, target, answers_after_s, drops_after, hangs_after), daemon=True).start()


def serve(client: socket.socket, target: int, answers_after_s: float, drops_after: int, hangs_after: int) -> None:
    with ExitStack() as stack:
        stack.enter_context(client)
        time.sleep(max(answers_after_s, 0))
        try:
            server = stack.enter_context(socket.create_connection(("127.0.0.1", target)))
            forward(client, server, drops_after, hangs_after)
        except OSError:
            pass  # one side is closed, and so is the connection


def forward(client: socket.socket, server: socket.socket, drops_after: int, hangs_after: int) -> None:
    left = min((limit for limit in (drops_after, hangs_after) if limit >= 0), default=None)
    other = {client: server, server: client}
    for sock in other:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while other:
        for sock in select.select(list(other), [], [])[0]:
            data = sock.recv(_CHUNK if left is None else min(_CHUNK, left))
            if not data:
                end(sock, other)
                continue
            (server if sock is client else client).sendall(data)
            left = None if left is None else left - len(data)
            if left == 0 and hangs_after >= 0:
                threading.Event().wait()
            if left == 0:
                reset(client)
                reset(server)
                return


def end(sock: socket.socket, other: dict[socket.socket, socket.socket]) -> None:
    """One direction has ended: tell the other side, and continue with the other direction."""
    other.pop(sock).shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


if __name__ == "__main__":
    main()
