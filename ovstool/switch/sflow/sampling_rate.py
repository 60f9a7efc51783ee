"""How many packets are sampled, held against the speed of links and the traffic of the moment.

The rule is that of Host sFlow (lookupPacketSamplingRate of hsflowconfig.c): one packet in N, with N the speed of the link in Mbit/s, but not
less than 100. A flow of a tenth of any link then has about ten samples a second, and no link more than 1500.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ovstool.errors import OvstoolError, TimedOut
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import many
from ovstool.switch import Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.client import Client

UNKNOWN = 400  # N where no link tells its speed: ovs-vswitchd's default, and Host sFlow's
BPS, LEAST = 1_000_000, 100  # bit/s of a link for each 1 of N, and the least N
FAR, FAR_VIRTUAL = 10, 1000  # times N by the rule, or less than it by that factor: from here on it is worth a word
VIRTUAL = ("tun", "veth")  # the drivers of devices that are no links: the speed that they tell is a constant, whatever they carry
MANY, FEW = 5_000, 0.1  # samples/s: more than a collector may take, and too few to tell anything
BUSY = 1_000  # packets/s: less of them need not be seen
_MOST = 2_000_000  # packets/s that a bridge forwards, at most
_TOLD = 30  # packets that tell a rate
_MOST_PORTS = 100
_PATIENCE_S = 1
_LINKS = [["status", "excludes", ["map", [["driver_name", driver]]]] for driver in VIRTUAL]


class Traffic:
    """The packets that bridges receive, counted over OpenFlow from its making to ``rates``.

    A bridge that does not answer is left out, and one with so many ports that reading them takes longer than all else.
    """

    def __init__(self, switch: Switch, bridges: Sequence[str]):
        self._switch = switch
        self._clients: dict[str, Client] = {}
        self._before: dict[str, tuple[float, dict[int, int]]] = {}
        rows = lookup.by_name(switch, "Bridge", bridges, ("ports",)) if switch.host_is_known and switch.wait else {}
        for bridge in [name for name, row in rows.items() if len(many(row["ports"])) <= _MOST_PORTS]:
            try:
                self._clients[bridge] = switch.openflow(bridge, _PATIENCE_S)
                self._before[bridge] = self._received(bridge)
            except TimedOut:
                break  # one ovs-vswitchd has all bridges
            except OvstoolError:
                continue

    def rates(self, bridge: str) -> dict[int, float]:
        """Packets/s that each port has received since, by OpenFlow port number; nothing where there are too few to tell."""
        if bridge not in self._before:
            return {}
        with suppress(OvstoolError):
            (began, before), (ended, after) = self._before[bridge], self._received(bridge)
            counts = {port: after[port] - before.get(port, after[port]) for port in after}
            if sum(counts.values()) >= _TOLD and min(counts.values()) >= 0 and ended > began:
                return {port: count / (ended - began) for port, count in counts.items()}
        return {}

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def _received(self, bridge: str) -> tuple[float, dict[int, int]]:
        client = self._clients[bridge]
        client.deadline = min(self._switch.deadline, time.monotonic() + _PATIENCE_S)
        stats = client.port_stats()
        return time.monotonic(), {each.port: each.counters.get("rx_packets", 0) for each in stats}


def depends_on_traffic(n: int | None) -> bool:
    """Whether one packet in ``n`` can be too many or too few of what a bridge may forward; None: the default."""
    n = UNKNOWN if n is None else n
    return n * MANY < _MOST or n * FEW > BUSY


def doubtful(switch: Switch, sampling: Mapping[str, int | None], traffic: Traffic) -> Iterator[tuple[str, int, dict[int, float]]]:
    """Where one packet in N, by bridge, may be far from what suits its traffic or its links: the bridge, N, and packets/s by port.

    None stands for the default. It takes one question for each bridge.
    """
    for bridge, given in sampling.items():
        n = UNKNOWN if given is None else given
        rates = traffic.rates(bridge)
        samples = sum(rates.values()) / n
        if samples > MANY or (rates and samples < FEW) or _is_far_from_a_link(switch, n):
            yield bridge, n, rates


def _is_far_from_a_link(switch: Switch, n: int) -> bool:
    """Whether it is far from what suits any link of the switch."""
    wheres: list[list[list]] = [[["link_speed", ">", n * BPS * FAR], *_LINKS], [["link_speed", ">", n * BPS * FAR_VIRTUAL]]]
    if n > LEAST * FAR:
        wheres += [[["link_speed", "<", n * BPS // FAR], *_LINKS], [["link_speed", "<", n * BPS // FAR_VIRTUAL]]]
    return any(switch.read_all([Query("Interface", where) for where in wheres]))
