"""A collector that receives datagrams and discards them, so that no ICMP error refuses them."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_BIND = """
import socket, sys
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.bind((sys.argv[1], 6343))
print(flush=True)
sys.stdin.read()
taken.settimeout(0.1)
try:
    print(len(taken.recv(65535)))
except TimeoutError:
    print(0)
"""


@contextmanager
def collecting(enter: Sequence[str], address: str) -> Iterator[list[int]]:
    """Keep UDP port 6343 of an address open during the block; ``enter`` is a prefix such as ``ip netns exec`` for the collector's program.

    After the block the list has the length of the first datagram, 0 if none arrived.
    """
    with subprocess.Popen([*enter, sys.executable, "-I", "-c", _BIND, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as taking:
        lengths: list[int] = []
        try:
            assert taking.stdout.readline() == b"\n"
            yield lengths
        except BaseException:
            taking.kill()
            raise
        lengths.append(int(taking.communicate(timeout=30)[0]))
