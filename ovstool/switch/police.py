"""Ingress policing: how much a port may receive before packets are dropped, and the default burst of a limit.

The columns are those of table Interface (ovs-vswitchd.conf.db(5)). Why the default burst is 210 ms of the rate: ``default_burst_kbit``.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.errors import UsageError
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import one
from ovstool.switch import Change, Switch, lookup

COLUMNS = ("ingress_policing_rate", "ingress_policing_burst", "ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst")
_MAX = 2**32 - 1  # ovs-vswitchd silently truncates the integer in the database to 32 bits
_MAX_KPKTS = _MAX // 1000  # which it multiplies by 1000, in 32 bits (tc_add_matchall_policer, up to 3.6)
_LONGEST_S = 274  # tc stores a burst as the time to send it at the rate, in 32 bits of 64 ns; longer ones wrap around
# What ovs-vswitchd uses for a burst of 0: its defaults, not those of ovstool.
BURST_OF_ZERO_KBIT, BURST_OF_ZERO_KPKTS = 8000, 16
_RETRANSMISSION_MS = 210  # when TCP retransmits after losing a whole window: 200 ms in Linux, plus one clock tick
_FRAME_KBIT = 12  # a full-size one
_SMALLEST_BURST_KBIT = 128  # ten full-size frames, which the slow start of a TCP flow needs at any rate


class PoliceSpec(NamedTuple):
    """Limits in the units of the columns: kbit/s and kbit, 1000 packets/s and 1000 packets. A rate of None stays as it is."""

    rate_kbps: int | None = None
    burst_kbit: int | None = None
    packet_rate_kpps: int | None = None
    packet_burst_kpkts: int | None = None

    def with_bursts(self) -> "PoliceSpec":
        """These limits, with the default burst for a rate without one."""
        kbit, kpkts = self.burst_kbit, self.packet_burst_kpkts
        if self.rate_kbps and kbit is None:
            kbit = default_burst_kbit(self.rate_kbps)
        if self.packet_rate_kpps and kpkts is None:
            kpkts = default_burst_kpkts(self.packet_rate_kpps)
        return self._replace(burst_kbit=kbit, packet_burst_kpkts=kpkts)


class ListedPolicing(NamedTuple):
    """A row of ``police list``: bit/s, bits, packets/s, packets; None where there is no limit. A burst is the one in effect."""

    port: str
    rate: int | None
    burst: int | None
    packet_rate: int | None
    packet_burst: int | None


def spec(rate: int | None, burst: int | None, packet_rate: int | None, packet_burst: int | None) -> PoliceSpec:
    """Bit/s, bits, packets/s and packets in the units of the columns.

    Raises UsageError, with the nearest values, for what the columns cannot hold exactly.
    """
    if rate is None and packet_rate is None:
        raise UsageError("police set", "a limit is missing", "--rate 10mbit or --packet-rate 1000")
    if burst is not None and rate is None:
        raise UsageError("--burst", "needs a rate", "--rate RATE --burst SIZE")
    if packet_burst is not None and packet_rate is None:
        raise UsageError("--packet-burst", "needs a packet rate", "--packet-rate PPS --packet-burst N")
    rate_kbps = _thousands(rate, "policing is in kbit/s", units.spell)
    burst_kbit = _thousands(burst, "a burst is in kbit", units.spell)
    packets = "policing is in thousands of packets"
    rate_kpps = _thousands(packet_rate, f"{packets} a second", str, _MAX_KPKTS)
    burst_kpkts = _thousands(packet_burst, packets, str, _MAX_KPKTS)
    asked = PoliceSpec(rate_kbps, burst_kbit, rate_kpps, burst_kpkts)
    _require_short_bursts(asked)
    return asked.with_bursts()


def default_burst_kbit(rate_kbps: int) -> int:
    """A burst with which one TCP flow reaches the rate without exceeding it: 210 ms of traffic at the rate, plus one frame.

    That is how long Linux's TCP waits after losing a whole window. A bucket that fills up sooner wastes rate: with 180 ms 82
    to 86% of it gets through, with 100 ms half. A larger one only raises the average: the common 800 ms lets 104 to 107% through.
    With 210 ms it is 97 to 101%, at 1 Mbit/s to 1 Gbit/s, measured by bench/bursts.py on the kernel datapath.
    """
    return min(max(-(-rate_kbps * _RETRANSMISSION_MS // 1000) + _FRAME_KBIT, _SMALLEST_BURST_KBIT), _MAX)


def default_burst_kpkts(rate_kpps: int) -> int:
    """210 ms of packets at the rate, in whole thousands; 0 would mean ovs-vswitchd's 16,000 packets, many seconds of a low rate."""
    return -(-rate_kpps * _RETRANSMISSION_MS // 1000)


def list_all(switch: Switch) -> list[ListedPolicing]:
    """The interfaces that are policed, by name."""
    queries = [
        Query("Interface", [[column, ">", 0]], ("name", *COLUMNS)) for column in ("ingress_policing_rate", "ingress_policing_kpkts_rate")
    ]
    rows = {row["name"]: row for answer in switch.read_all(queries) for row in answer}
    return [_listed(rows[name]) for name in sorted(rows)]


def rates(row: Row) -> dict[str, int | None]:
    """The limits of an Interface row in bit/s and packets/s, as the nouns that show interfaces name them; None where there is none."""
    rate, packet_rate = one(row["ingress_policing_rate"]), one(row["ingress_policing_kpkts_rate"])
    return {"police_rate": rate * 1000 if rate else None, "police_packet_rate": packet_rate * 1000 if packet_rate else None}


def set(switch: Switch, ports: Sequence[str], spec: PoliceSpec) -> list[Change]:
    """Police each port, all members of a bond; all ports in one transaction. Raises NotFound, Refused."""
    columns: dict[str, int] = {}
    if spec.rate_kbps is not None:
        columns |= {"ingress_policing_rate": spec.rate_kbps, "ingress_policing_burst": spec.burst_kbit or 0}
    if spec.packet_rate_kpps is not None:
        columns |= {"ingress_policing_kpkts_rate": spec.packet_rate_kpps, "ingress_policing_kpkts_burst": spec.packet_burst_kpkts or 0}
    return switch.write(lambda txn: _write(txn, ports, columns, "updated"))


def clear(switch: Switch, ports: Sequence[str]) -> list[Change]:
    """Remove the limits. Raises NotFound."""
    return switch.write(lambda txn: _write(txn, ports, dict.fromkeys(COLUMNS, 0), "deleted"))


def _write(txn: Transaction, ports: Sequence[str], columns: dict[str, int], verb: str) -> list[Change]:
    changes = []
    written: dict[str, None] = {}  # a port that is named in two ways is written once
    for name, rows in lookup.interfaces(txn, ports, COLUMNS):
        limited = any(row[column] for row in rows for column in COLUMNS)
        differing = [row for row in rows if any((row[column] or 0) != value for column, value in columns.items())]
        for row in rows:
            txn.hold(Query("Interface", [["_uuid", "==", row["_uuid"]]], COLUMNS), [row])
        for row in differing:
            if row["name"] not in written:
                written[row["name"]] = None
                # A column that this OVS lacks is left out if it would be 0 anyway; otherwise the schema check reports it.
                txn.update("Interface", one(row["_uuid"]), {c: v for c, v in columns.items() if v or row[c] is not None})
        changes.append(Change(name, "unchanged" if not differing else verb if limited else "created"))
    return changes


def _listed(row: Row) -> ListedPolicing:
    rate, burst, packet_rate, packet_burst = (one(row[column]) or 0 for column in COLUMNS)
    return ListedPolicing(
        port=row["name"],
        rate=rate * 1000 or None,
        burst=(burst or BURST_OF_ZERO_KBIT) * 1000 if rate else None,
        packet_rate=packet_rate * 1000 or None,
        packet_burst=(packet_burst or BURST_OF_ZERO_KPKTS) * 1000 if packet_rate else None,
    )


def _require_short_bursts(asked: PoliceSpec) -> None:
    """Raise UsageError, with the longest, for bursts that tc cannot hold."""
    kbps, kbit, kpps, kpkts = asked.rate_kbps, asked.burst_kbit, asked.packet_rate_kpps, asked.packet_burst_kpkts
    if kbps and kbit and kbit > (longest := kbps * _LONGEST_S * 1000 // 1024):  # tc gets kbit of 1024 bits
        raise UsageError(
            "--burst", f"is more than the rate allows in {_LONGEST_S} s, the most that tc can hold", units.spell(longest * 1000)
        )
    if kpps and kpkts and kpkts > kpps * _LONGEST_S:
        why = f"is more than the packet rate allows in {_LONGEST_S} s, the most that tc can hold"
        raise UsageError("--packet-burst", why, str(kpps * _LONGEST_S * 1000))


def _thousands(value: int | None, what: str, spell: Callable[[int], str], maximum: int = _MAX) -> int | None:
    return None if value is None else units.in_units_of(value, 1000, maximum, what=what, spell=spell)
