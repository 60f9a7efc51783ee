"""Mirrors of ports, as far as they refer to ports that go: the database then takes those out of the mirror without a word (weak references)."""

from collections.abc import Sequence

from ovstool.errors import quote
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, one

ALL = Query("Mirror", [], ("name", "select_all", "select_src_port", "select_dst_port", "output_port", "output_vlan"))


def lost(rows: Sequence[Row], ports: dict[str, str]) -> list[str]:
    """What to note of mirrors when these ports go, which have names by UUID.

    Without an output port it takes the output VLAN, without that either it has no mirror; one without ports to select mirrors nothing
    (mirror_configure of vswitchd/bridge.c).
    """
    notes = []
    for row in sorted(rows, key=lambda row: str(row["name"])):
        mirror = f"mirror {quote(str(row['name']))}"
        selected = {*many(row["select_src_port"]), *many(row["select_dst_port"])}
        gone = sorted(quote(ports[u]) for u in selected if u in ports)
        if one(row["output_port"]) in ports:
            vlan = one(row["output_vlan"])
            now = "mirrors nothing" if vlan is None else f"sends to VLAN {vlan}"
            notes.append(f"{mirror} {now} from now on: {quote(ports[one(row['output_port'])])} was its output port")
        elif gone and not row["select_all"]:
            left = "" if selected - ports.keys() else ", and mirrors nothing: no port is left"
            notes.append(f"{mirror} does not select {', '.join(gone)} any more{left}")
    return notes
