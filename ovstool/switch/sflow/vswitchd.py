"""What ovs-vswitchd itself shows of sFlow: whether it runs, its sockets, its log. It has no command that tells (ovs-appctl(8))."""

import calendar
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ovstool.switch import Switch
from ovstool.switch.sflow import targets

# Of another program that has the number by now, or of none, what is looked at are the sockets where we are. Only its user and root see which
# network namespace a process has, but who has the same one sees the same file of sockets.
_LOOK = r"""
echo order $(printf '\1\0' | od -An -tu2)
pid=$(cat "$1/ovs-vswitchd.pid") || [ ! -e "$1/ovs-vswitchd.pid" ] || echo hidden
p=/proc/$pid
if [ "$(cat "$p/comm")" = ovs-vswitchd ]; then [ -e "$p/ns/net" ] || [ ! -e "$p/net/udp" ] || [ "$p/net/udp" -ef /proc/self/net/udp ] || echo hidden; sed "s/.*) \(.\) .*/state \1 $pid/" "$p/stat"; else p=/proc/self; fi
cat "$p/net/udp" "$p/net/udp6" | sed 's/^/udp /'
sed -n 's/^Icmp: /icmp /p' "$p/net/snmp"
sed -n 's/^Icmp6InDestUnreachs/icmp6/p' "$p/net/snmp6"
ls -l "$p/fd" | sed -n 's/.*socket:\[\([0-9]*\)\]$/own \1/p'
log=$(tr '\0' '\n' <"$p/cmdline" | sed -n 's/^--log-file=//p')
tail -c 262144 "${log:-/var/log/openvswitch/ovs-vswitchd.log}" | grep -aE '\|(sflow|collectors)(\([^|]*\))?\||\|bridge\|ERR\|' | tail -n 50 | sed 's/^/log /'
date -u '+now %Y-%m-%dT%H:%M:%S'
"""
_LOGGED = r"log ([0-9T:-]{19})\S*Z\|[0-9]+\|(?:sflow|collectors|bridge)[^|]*\|(?:WARN|ERR)\|(.*)"
_BEGUN = r"log ([0-9T:-]{19})\S*Z\|[0-9]+\|sflow[^|]*\|INFO\|creating sFlow agent .*"  # which follows what it says of the collectors
_PRECISION_S = 1  # of the times above
_ENDED = ("Z", "X")  # states of proc(5): a process that its parent has not asked about yet
_TIME = "%Y-%m-%dT%H:%M:%S"  # UTC, as the log has it
_ORDERS = {"1": "little", "256": "big"}  # what the bytes 1, 0 are as a number of 16 bits
_INODE = 10  # the column of /proc/net/udp (proc(5)), behind our word


class UdpSocket(NamedTuple):
    """A UDP socket; where it is not connected, ``remote`` is 0.0.0.0 or ::, and ``remote_port`` 0."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    inode: int

    @property
    def local_target(self) -> str:
        return targets.target(self.local, self.local_port)


class Logged(NamedTuple):
    """A warning or an error in its log; ``age_s`` in seconds."""

    age_s: float
    text: str


class Vswitchd(NamedTuple):
    """ovs-vswitchd as /proc has it.

    ``state`` is the letter of proc(5), None where no such process is seen. ``sockets`` are those of its network namespace, ``own`` the
    inodes of its own ones, empty where this user may not know them. ``log`` has the last warnings about sFlow, where it may be read, and
    ``begun_s`` is how long ago it began to export anew, as far as the log tells. ``unreachable`` counts the ICMP messages "destination
    unreachable" that its network namespace has received, None where that is not known. ``is_hidden``: this user may not know in which
    network it is, and that is not ours, or may not be.
    """

    pid: int | None
    state: str | None
    sockets: list[UdpSocket]
    own: frozenset[int]
    log: list[Logged]
    is_hidden: bool = False
    begun_s: float | None = None
    unreachable: int | None = None

    def to(self, host: str, port: int) -> list[UdpSocket]:
        """Its sockets that are connected to a collector, whose address may have a scope, and is IPv4 where it is mapped into IPv6."""
        address = host.partition("%")[0]
        its = (socket for socket in self.sockets if not self.own or socket.inode in self.own)
        return [socket for socket in its if socket.remote_port == port and targets.plain_ip(socket.remote) == address]

    def logged(self, *words: str) -> Logged | None:
        """The last warning that has all these words in it."""
        return next((line for line in reversed(self.log) if all(word in line.text for word in words)), None)

    def logged_since(self, *words: str) -> Logged | None:
        """The last warning that has all these words in it, and is about the configuration of now: older ones are about another."""
        found = self.logged(*words)
        return found if found and (self.begun_s is None or found.age_s <= self.begun_s + _PRECISION_S) else None


def look(switch: Switch) -> Vswitchd:
    """Look at the process that the pid file names. Raises as ``Switch.run`` does."""
    return shown(switch.run(["sh", "-c", f"exec 2>/dev/null{_LOOK}", "sh", switch.rundir]).stdout)


def shown(output: str) -> Vswitchd:
    """Read what ``_LOOK`` prints, as far as it is that (pure)."""
    pid, state, now, begun, sockets, own, log = None, None, None, None, [], set(), []
    order: str = sys.byteorder
    icmp: list[list[str]] = []
    icmp6 = 0
    for line in output.splitlines():
        with suppress(ValueError):
            match line.split():
                case ["udp", _, local, remote, *_] as words if len(words) > _INODE:
                    sockets.append(UdpSocket(*_endpoint(local, order), *_endpoint(remote, order), int(words[_INODE])))
                case ["order", number] if number in _ORDERS:
                    order = _ORDERS[number]
                case ["own", inode]:
                    own.add(int(inode))
                case ["state", letter, number] if letter not in _ENDED:
                    pid, state = int(number), letter
                case ["now", text]:
                    now = _seconds(text)
                case ["icmp", *words]:
                    icmp.append(words)
                case ["icmp6", count]:
                    icmp6 = int(count)
                case ["log", *_] if found := re.fullmatch(_BEGUN, line):
                    begun = _seconds(found[1])
                case ["log", *_] if found := re.fullmatch(_LOGGED, line):
                    log.append((_seconds(found[1]), found[2]))
    logged = [Logged(now - at, said) for at, said in log] if now is not None else []
    begun_s = now - begun if now is not None and begun is not None else None
    is_hidden = "hidden" in output.splitlines()
    return Vswitchd(pid, state, sockets, frozenset(own if state else ()), logged, is_hidden, begun_s, _unreachable(icmp, icmp6))


def _unreachable(icmp: Sequence[Sequence[str]], icmp6: int) -> int | None:
    """What /proc/net/snmp counts, which has a line of names and one of values (proc(5)), and with it that of IPv6; None where it does not."""
    if len(icmp) != 2:
        return None
    count = dict(zip(*icmp, strict=False)).get("InDestUnreachs", "")
    return int(count) + icmp6 if count.isascii() and count.isdecimal() else None


def _seconds(text: str) -> float:
    return calendar.timegm(time.strptime(text, _TIME))


def _endpoint(text: str, order: str) -> tuple[str, int]:
    """An address and port of /proc/net/udp, whose words of 32 bits are in the byte order of the host. Raises ValueError."""
    address, port = text.split(":")
    words = [bytes.fromhex(address[at : at + 8]) for at in range(0, len(address), 8)]
    octets = b"".join(word[::-1] if order == "little" else word for word in words)
    return targets.written_ip(octets), int(port, 16)
