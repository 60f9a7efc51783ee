"""Which sampling rate suits the links and the traffic of a bridge."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ovstool import units
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import mapping, ofport, one
from ovstool.switch import Switch, lookup
from ovstool.switch.sflow.sampling_rate import BPS, BUSY, FAR, FAR_VIRTUAL, FEW, LEAST, MANY, UNKNOWN, VIRTUAL

_COLUMNS = ("name", "type", "ofport", "link_speed", "status")
_USUAL = 100  # samples/s


class Link(NamedTuple):
    """An interface and its speed in bit/s as its driver tells it; ``is_virtual``: which is made up."""

    name: str
    bps: int
    is_virtual: bool


def by_speed(bps: int) -> int:
    """N for a link, of which one packet in N is sampled."""
    return max(bps // BPS, LEAST)


def automatic(switch: Switch, bridge: str) -> int:
    """N for the fastest link of a bridge, and a note of how it was chosen."""
    link = _fastest(lookup.interface_rows(switch, (), bridge, _COLUMNS))
    chosen = by_speed(link.bps) if link else UNKNOWN
    why = f"fastest link: {link.name}, {units.human_rate(link.bps)}" if link else "no port tells its speed"
    switch.notes.append(f"{bridge}: auto chose 1 in {chosen} ({why})")
    return chosen


def advice(switch: Switch, bridge: str, n: int, rates: Mapping[int, float]) -> list[str]:
    """What to say of one packet in ``n``: of the packets/s of each port, by OpenFlow port number, else of the links; nothing where it suits."""
    rows = lookup.interface_rows(switch, (), bridge, _COLUMNS)
    text = _of_traffic(n, rates, rows) or _of_links(n, rows)
    return [f"{bridge}: {text}"] if text else []


def _of_traffic(n: int, rates: Mapping[int, float], rows: Iterable[Row]) -> str | None:
    # What comes from another bridge by a patch port has been sampled, or not, where it came into the switch.
    patched = {ofport(row["ofport"]) for row in rows if row["type"] == "patch"}
    rate = sum(pps for port, pps in rates.items() if port not in patched)
    if rate / n > MANY:
        why = "which may be more than a collector takes"
    elif rate >= BUSY and rate / n < FEW:
        why = "which is too few to tell what is there"
    else:
        return None
    suggested = max(int(float(f"{rate / _USUAL:.2g}")), 1)
    return f"1 packet in {n} of {rate:.0f} packets/s at the moment is {_roughly(rate / n)} samples/s, {why}; try: --sampling {suggested}"


def _roughly(number: float) -> str:
    """A number with two digits that count: 0.062, 5.1, 5100."""
    return f"{number:.2g}" if number < 10 else f"{float(f'{number:.2g}'):.0f}"


def _of_links(n: int, rows: Iterable[Row]) -> str | None:
    link = _fastest(rows)
    if link is None:
        return None
    usual, far = by_speed(link.bps), FAR_VIRTUAL if link.is_virtual else FAR
    sampled = f"1 packet in {n} of {link.name} at {units.human_rate(link.bps)}"
    if n * BPS * far < link.bps:
        return f"{sampled} may be more samples than a collector takes; try: --sampling {usual}, or auto"
    if n > usual * far:
        return f"{sampled} is too few samples to tell what is there; try: --sampling {usual}, or auto"
    return None


def _fastest(rows: Iterable[Row]) -> Link | None:
    """The fastest link, a virtual one only where there is no other."""
    links = [
        Link(str(row["name"]), int(speed), mapping(row["status"]).get("driver_name") in VIRTUAL)
        for row in rows
        if (speed := one(row["link_speed"]))
    ]
    return max(links, key=lambda link: (not link.is_virtual, link.bps), default=None)
