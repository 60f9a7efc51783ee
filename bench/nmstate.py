"""nmstate, which needs a NetworkManager of its own: in namespaces, with files of its own, so that the machine's network stays as it is.

Measured where root has nmstatectl, NetworkManager with its plugin for Open vSwitch, and dbus-daemon. Installing them would give
NetworkManager the network of the machine, so that is left to whoever has them already, as Fedora and RHEL do.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pairs

from ovstool import sandbox

_PROGRAMS = ("nmstatectl", "NetworkManager", "nmcli", "dbus-daemon", "unshare")
_PRIVATE = ("/run", "/var/lib/NetworkManager", "/etc/NetworkManager")
_NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child")
_MOUNTS = "/proc/self/ns/mnt"
_ROUNDS = 5
_START_S = 60
_STATE = "interfaces: [{name: nmbr0, type: ovs-bridge, state: up, bridge: {port: [{name: nm0}]}}]\n"


def beside_nmstate() -> None:
    """(v) A port that is there already, asked for again."""
    lacking = [program for program in _PROGRAMS if pairs.find(program) is None]
    if lacking or os.geteuid():
        print(f"  nmstate: not compared, needs {', '.join(lacking) or 'root'}")
        return
    subprocess.run(["unshare", *_NAMESPACES, sys.executable, __file__, os.readlink(_MOUNTS)], check=True, timeout=pairs.LIMIT_S)


def _in_the_namespaces() -> None:
    for path in _PRIVATE:
        _run("mount", "-t", "tmpfs", "tmpfs", path)
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys")  # read-only: NetworkManager does not wait for udev then
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "nm0", "type", "veth", "peer", "name", "nm1")
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        box, _ = sandbox.start(Path(name) / "box", "dummy")
        try:
            _start_networkmanager(box.db.removeprefix("unix:"))
            state = Path(name) / "state.yml"
            state.write_text(_STATE)
            theirs = ["sh", "-c", 'exec nmstatectl apply "$0" 2>/dev/null', str(state)]  # some releases log each step there
            _run(*theirs)
            ours = [*pairs.OVSTOOL, f"--db={box.db}", "port", "add", "nmbr0", "nm0"]
            pairs.head("(v) ovstool port add nmbr0 nm0 / nmstatectl apply; the port is there")
            runs = pairs.alternate({"ours": ours, "theirs": theirs}, _ROUNDS, pairs.ENVIRON)
            print(pairs.line("one port", runs["ours"], runs["theirs"], None), flush=True)
        finally:
            sandbox.stop(box.directory)


def _start_networkmanager(socket: str) -> None:
    """NetworkManager on a system bus of its own; it finds the database where it always looks."""
    for path in ("/run/dbus", "/run/openvswitch"):
        Path(path).mkdir()
    Path("/run/openvswitch/db.sock").symlink_to(socket)
    Path("/etc/NetworkManager/NetworkManager.conf").write_text("[main]\nplugins=keyfile\nno-auto-default=*\n")
    _run("dbus-daemon", "--system", "--fork")
    _run("NetworkManager")
    until = time.monotonic() + _START_S
    while subprocess.run(["nmcli", "device", "set", "nm0", "managed", "yes"], capture_output=True, check=False).returncode:
        if time.monotonic() > until:
            raise pairs.Failed("NetworkManager does not start")
        time.sleep(0.2)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=_START_S * 2)


if __name__ == "__main__":
    if sys.argv[1:] in ([], [os.readlink(_MOUNTS)]):
        sys.exit("bench: it would hide the machine's own /run; try: make bench")
    _in_the_namespaces()
