"""Draw the picture in README: a real session on a private switch, in a terminal of 110 columns: ``picture.py IMAGE.svg``.

It needs root, to forward packets between network namespaces, and iperf3. The picture shows real output, so no two are the same.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ovstool import sandbox

COLUMNS, LINES = 110, 40
SESSION = (
    "ovstool stats --rate -c port -c rx_bps -c tx_bps",
    "ovstool qos set eth2 --max-rate 10mbps",
    "ovstool qos set eth2 --max-rate 10mbit",
    "ovstool stats --rate -c port -c rx_bps -c tx_bps",
    "ovstool qos set eth2 --max-rate 10mbit",
    "ovstool flow trace br0 in_port=eth1,tcp,nw_dst=10.0.0.2 -f value -c verdict",
    "ovstool qos clear eth2",
)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ovstool-picture-", dir="/tmp")))
        box, _ = sandbox.start(folder / "box", "netdev")
        stack.callback(sandbox.stop, box.directory)
        stack.enter_context(traffic(box))
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
        for command in SESSION:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            console.print(Text.from_ansi(typed(box, command)))
        svg = console.export_svg(title="ovstool")
        Path(sys.argv[1]).write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))  # fonts are loaded from another site


@contextmanager
def traffic(box: sandbox.Sandbox) -> Iterator[None]:
    """TCP traffic from the first host of a sandbox to the second during the block."""
    script = "ip netns exec $OVSTOOL_H2 iperf3 -s -1 & sleep 1; ip netns exec $OVSTOOL_H1 iperf3 -c 10.0.0.2 -t 60; wait"
    with subprocess.Popen(
        [*inside(box), "sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    ) as iperf3:
        time.sleep(3)
        try:
            yield
        finally:
            os.killpg(iperf3.pid, 15)


def typed(box: sandbox.Sandbox, command: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = os.environ | {"TERM": "xterm-256color", "PAGER": "cat"}
    with subprocess.Popen([*inside(box), "sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        shown = b""
        while chunk := read(ours):
            shown += chunk
    os.close(ours)
    return shown.decode().replace("\r\n", "\n").rstrip("\n")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


def inside(box: sandbox.Sandbox) -> list[str]:
    return ["ovstool", "sandbox", "run", "--dir", str(box.directory), "--"]


if __name__ == "__main__":
    main()
