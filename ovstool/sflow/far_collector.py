"""A collector on a remote host, without anything installed there: a Python program passed on the command line, or tcpdump (pure).

The first line of its output is ``listening PORT``, ``errno N`` if the socket cannot be bound, ``capturing`` if it is tcpdump, or
``nothing`` if the host has neither Python nor tcpdump. After that comes a pcap file with the datagrams as they arrive.
"""

import re
from typing import NamedTuple

LISTENING, ERRNO, CAPTURING, NOTHING = "listening", "errno", "capturing", "nothing"
LONGEST_ANSWER = 64  # bytes of the first line

_CHOICE = (
    'if command -v python3 >/dev/null; then exec python3 -c "$1" "$2" "$3"; '
    f'elif command -v tcpdump >/dev/null; then echo {CAPTURING}; shift 3; exec tcpdump -i any -Q in -n -p -U -s 0 -w - "$@"; '
    f"else echo {NOTHING}; fi"
)
# A pcap file of link type 101 (LINKTYPE_RAW) holds IP packets (tcpdump.org/linktypes.html), so IP and UDP headers are put in front of each
# datagram. The program polls its stdout too: it exits when the reader is gone, even if there is nothing to write.
_PROGRAM = """import select, socket, struct, sys, time
bind, port, out = sys.argv[1], int(sys.argv[2]), sys.stdout.buffer
def opened(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
    s.bind(address)
    return s
try:
    if bind:
        family, _, _, _, address = socket.getaddrinfo(bind, port, 0, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0]
        s = opened(family, address)
    else:
        try:
            s = opened(socket.AF_INET6, ("::", port))
        except OSError as error:
            if error.errno not in (97, 99):
                raise
            s = opened(socket.AF_INET, ("0.0.0.0", port))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    s.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)
except PermissionError as error:
    if "s" not in globals():
        sys.exit(print("errno", error.errno))
except OSError as error:
    sys.exit(print("errno", max(error.errno or 0, 0) or 22))
here = s.getsockname()
print("listening", here[1], flush=True)
out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65575, 101))
out.flush()
to = socket.inet_pton(s.family, here[0].partition("%")[0])
def packet(data, peer):
    came = socket.inet_pton(s.family, peer[0].partition("%")[0])
    udp = struct.pack(">HHHH", peer[1], here[1], 8 + len(data) & 65535, 0)
    if s.family == socket.AF_INET:
        return struct.pack(">BBHIBBH4s4s", 69, 0, 28 + len(data) & 65535, 0, 64, 17, 0, came, to) + udp + data
    return struct.pack(">IHBB16s16s", 6 << 28, 8 + len(data) & 65535, 17, 64, came, to) + udp + data
def record(data, peer):
    now, whole = time.time(), packet(data, peer)
    out.write(struct.pack("=IIII", int(now), int(now % 1 * 1000000), len(whole), len(whole)) + whole)
waiting = select.poll()
waiting.register(s, select.POLLIN)
waiting.register(out, 0)
while not any(number == out.fileno() for number, _ in waiting.poll()):
    try:
        while True:
            record(*s.recvfrom(65535, socket.MSG_DONTWAIT))
    except BlockingIOError:
        out.flush()
"""


class Answer(NamedTuple):
    """The first line of the output: one of the words above, and the port or errno, 0 if there is none."""

    word: str
    number: int


def argv(bind: str | None, port: int) -> list[str]:
    """The command that listens on this address, or on all; with port 0 on any free port, which tcpdump cannot do."""
    captured = f"udp dst port {port}" + (f" and dst host {bind.partition('%')[0]}" if bind else "")
    return ["sh", "-c", _CHOICE, "sh", _PROGRAM, bind or "", str(port), captured]


def answer(line: bytes) -> Answer | None:
    """Parse the first line of the output; None if it is anything else."""
    said = re.fullmatch(rf"(?:({LISTENING}|{ERRNO}) ([0-9]{{1,9}})|({CAPTURING}|{NOTHING}))\n", line.decode("ascii", "replace"))
    return Answer(said[1] or said[3], int(said[2] or 0)) if said else None
