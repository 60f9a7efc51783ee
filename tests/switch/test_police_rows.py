"""Policing in a database without ovs-vswitchd: each row that is written, and everything printed."""

import pytest
from ovs_version import OVS

from ovstool.switch import Switch, police

COUNTS_PACKETS = OVS >= (2, 16)
RATE, BURST, KPPS, KPKTS = (f"ingress_policing_{name}" for name in ("rate", "burst", "kpkts_rate", "kpkts_burst"))


def put(database, **interfaces: dict) -> None:
    """br0 with a port for each interface, and a bond of m1 and m2."""
    ports = {name: {"interfaces": {name: columns}} for name, columns in interfaces.items() if name not in ("m1", "m2")}
    members = {name: interfaces.get(name, {}) for name in ("m1", "m2")}
    database.put({"br0": {"ports": ports | {"bond0": {"interfaces": members}}}})


def interfaces(database) -> dict[str, dict]:
    rows = {name: row for port in database.tree()["br0"]["ports"].values() for name, row in port.get("interfaces", {}).items()}
    return {name: row for name, row in rows.items() if row}


def test_list(database):
    put(database, eth2={RATE: 5}, eth1={RATE: 5, BURST: 6}, eth3={}, eth4={BURST: 9})
    none = {"packet_rate": None, "packet_burst": None}
    assert database.ask("police list") == [
        {"port": "eth1", "rate": 5_000, "burst": 6_000} | none,
        {"port": "eth2", "rate": 5_000, "burst": 8_000_000} | none,
    ]
    if COUNTS_PACKETS:
        put(database, eth2={KPPS: 7}, eth1={RATE: 5, BURST: 6, KPPS: 7, KPKTS: 8}, eth3={}, eth4={BURST: 9, KPKTS: 9})
        assert database.ask("police list") == [
            {"port": "eth1", "rate": 5_000, "burst": 6_000, "packet_rate": 7_000, "packet_burst": 8_000},
            {"port": "eth2", "rate": None, "burst": None, "packet_rate": 7_000, "packet_burst": 16_000},
        ]


CASES = [
    ({}, "set eth1 --rate 1mbit", "created", {RATE: 1_000, BURST: 222}),
    ({}, "set eth1 --packet-rate 1000", "created", {KPPS: 1, KPKTS: 1}),
    ({}, "set eth1 --packet-rate 1000 --packet-burst 3000", "created", {KPPS: 1, KPKTS: 3}),
    ({}, "clear eth1", "unchanged", {}),
    ({RATE: 1_000, BURST: 222}, "set eth1 --rate 1mbit", "unchanged", {RATE: 1_000, BURST: 222}),
    ({RATE: 1_000, BURST: 223}, "set eth1 --rate 1mbit", "updated", {RATE: 1_000, BURST: 222}),
    ({RATE: 999, BURST: 222}, "set eth1 --rate 1mbit", "updated", {RATE: 1_000, BURST: 222}),
    ({KPPS: 2}, "set eth1 --rate 1mbit", "updated", {RATE: 1_000, BURST: 222, KPPS: 2}),
    ({KPKTS: 2}, "set eth1 --rate 1mbit", "updated", {RATE: 1_000, BURST: 222, KPKTS: 2}),
    ({BURST: 2}, "set eth1 --packet-rate 1000", "updated", {BURST: 2, KPPS: 1, KPKTS: 1}),
    ({RATE: 1, BURST: 2, KPPS: 3, KPKTS: 4}, "clear eth1", "deleted", {}),
    *(({column: 1}, "clear eth1", "deleted", {}) for column in (RATE, BURST, KPPS, KPKTS)),
]


@pytest.mark.parametrize(("before", "command", "said", "after"), [case for case in CASES if COUNTS_PACKETS or "kpkts" not in str(case)])
def test_what_is_written(database, before, command, said, after):
    put(database, eth1=before, eth2={RATE: 1})
    assert database.run(f"police {command}")[:2] == (0, f"eth1: {said}\n")
    assert interfaces(database) == {"eth2": {RATE: 1}} | ({"eth1": after} if after else {})


def test_no_limit_has_no_burst(database):
    packets = {KPPS: 3, KPKTS: 4} if COUNTS_PACKETS else {}
    put(database, eth1={RATE: 1, BURST: 2} | packets)
    switch = Switch(database.switch.box.db, wait=False)
    try:
        police.set(switch, ["eth1"], police.PoliceSpec(rate_kbps=0))
        assert interfaces(database) == ({"eth1": packets} if packets else {})
        police.set(switch, ["eth1"], police.PoliceSpec(packet_rate_kpps=0))
        assert interfaces(database) == {}
    finally:
        switch.close()


def test_a_bond_whose_members_differ(database):
    limit = {RATE: 1_000, BURST: 222}
    put(database, eth1={}, m2=limit)
    assert database.run("police set bond0 eth1 m2 m1 --rate 1mbit")[:2] == (
        0,
        "bond0: updated\neth1: created\nm2: unchanged\nm1: created\n",
    )
    assert interfaces(database) == {"eth1": limit, "m1": limit, "m2": limit}
    assert database.run("police clear m1 bond0")[:2] == (0, "m1: deleted\nbond0: deleted\n")
    assert interfaces(database) == {"eth1": limit}
