"""The network namespaces of a sandbox: one for its switch, and one for a host on each of its ports."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ovstool.errors import Refused
from ovstool.sandbox import programs
from ovstool.sandbox.programs import Site
from ovstool.sandbox.settings import SUBNET, Sandbox

_TRIAL_S = 15  # by default; a trial takes about 10 ms
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_SIOCETHTOOL = 0x8946  # <linux/sockios.h>
_ETHTOOL_STXCSUM = 0x17  # <linux/ethtool.h>


def netdev_problem(deadline: float | None = None) -> str | None:
    """Why the userspace datapath cannot be used here; None if it can. Raises TimedOut."""
    if problem := _hosts_problem(deadline):
        return problem
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        return f"needs /dev/net/tun ({e.strerror})"
    return None


def system_problem(deadline: float | None = None) -> str | None:
    """Why the kernel's datapath cannot be used here; None if it can. Loads its module, as ovs-ctl does. Raises TimedOut."""
    if problem := _hosts_problem(deadline):
        return problem
    if os.path.exists("/sys/module/openvswitch"):
        return None
    problem = _trial(["modprobe", "openvswitch"], deadline)
    return f"needs the kernel module openvswitch ({problem})" if problem else None


def _hosts_problem(deadline: float | None) -> str | None:
    """Why namespaces with veth pairs cannot be created here; None if they can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip", path=programs.path()) is None or shutil.which("unshare", path=programs.path()) is None:
        return "needs the programs ip (iproute2) and unshare (util-linux)"
    # Root in a container is often not allowed to; the namespace and its veth pair vanish with this process.
    problem = _trial(["unshare", "--net", "--mount", "ip", "link", "add", "type", "veth"], deadline)
    return f"needs network namespaces and veth pairs ({problem})" if problem else None


def _trial(argv: Sequence[str], deadline: float | None) -> str | None:
    """The error message of a program that failed; None if it succeeded."""
    try:
        code, said = programs.run(argv, deadline or time.monotonic() + _TRIAL_S, {**os.environ, "PATH": programs.path()})
    except OSError as e:
        return f"{argv[0]}: {e.strerror}"
    return (programs.last_line(said) or f"{argv[0]}: exit code {code}") if code else None


def make_hosts(site: Site) -> None:
    """Create the switch's namespace, and for each port a namespace with the other end of its veth pair."""
    sandbox = site.sandbox
    switch = ["link set lo up"]
    for namespace in (sandbox.namespace, *sandbox.hosts):
        programs.call(site, "ip", "netns", "add", namespace, hold=True)
    for port, host in zip(sandbox.ports, sandbox.hosts, strict=True):
        switch += [f"link add {port} type veth peer name eth0 netns {host}", f"link set {port} up"]
    _ip(site, sandbox.namespace, *switch)
    for host, address in sandbox.hosts.items():
        gateway = f"{SUBNET}.254"
        lines = [f"address add {address}/24 dev eth0", "link set eth0 up", f"route add default via {gateway}"]
        _ip(site, host, "link set lo up", *lines)
    if sandbox.datapath == "netdev":
        for host in sandbox.hosts:
            _send_whole_checksums(host, "eth0")
        for port in sandbox.ports:
            _send_whole_checksums(sandbox.namespace, port)


def give_the_bridge_an_address(site: Site) -> None:
    """Give the switch itself an address and a default route, which sFlow and tunnels need."""
    lines = [f"address add {SUBNET}.254/24 dev {site.sandbox.bridge}", f"link set {site.sandbox.bridge} up"]
    if site.sandbox.hosts:
        lines.append(f"route add default via {SUBNET}.1")
    _ip(site, site.sandbox.namespace, *lines)


def delete(site: Site) -> None:
    """Delete the namespaces; missing ones are no error."""
    for namespace in (site.sandbox.namespace, *site.sandbox.hosts):
        if namespace and os.path.lexists(f"/run/netns/{namespace}"):
            programs.call(site, "ip", "netns", "delete", namespace, hold=True)


def in_namespace(sandbox: Sandbox) -> list[str]:
    """The prefix of a command line that runs in the namespace of ovs-vswitchd."""
    # Not nsenter: ip also mounts that namespace's /sys for the command.
    return [shutil.which("ip", path=programs.path()) or "ip", "netns", "exec", sandbox.namespace] if sandbox.namespace else []


def _ip(site: Site, namespace: str | None, *lines: str) -> None:
    programs.call(site, "ip", "-n", str(namespace), "-batch", "-", stdin="\n".join(lines) + "\n", hold=True)


def _send_whole_checksums(namespace: str | None, interface: str) -> None:
    """Turn transmit checksum offload off, as ``ethtool -K IFACE tx off`` (which is often not installed).

    A veth device passes packets on with the checksum left to the hardware; the userspace datapath would deliver them to the
    other end without one, where TCP drops them.
    """

    def in_namespace() -> None:
        libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
        with open(f"/run/netns/{namespace}") as target:
            if libc.setns(target.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))  # struct ethtool_value
        request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))  # struct ifreq
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)

    # A thread that changes its namespace keeps it, so this one exits right away.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            thread.submit(in_namespace).result()
        except OSError as e:
            raise Refused("sandbox", f"checksum offload of {interface}: {e.strerror}", "--datapath dummy") from e
