"""The whole switch, or some of its bridges, in a database without ovs-vswitchd: everything shown of each row."""

import pytest
from ovs_version import OVS

PACKET_RATE = {"ingress_policing_kpkts_rate": 6} if OVS >= (2, 16) else {}

SHAPED = {"type": "linux-htb", "other_config": {"max-rate": "5000000"}, "queues": {0: {"dscp": 1}, 3: {"dscp": 2}}}
BR0 = {
    "datapath_type": "netdev",
    "datapath_version": "<built-in>",
    "fail_mode": "secure",
    "controller": [{"target": "tcp:127.0.0.2:1", "is_connected": True}, {"target": "tcp:127.0.0.1:1"}, {"target": "ptcp:6653"}],
    "sflow": {"agent": "lo", "targets": ["10.0.0.5:1", "10.0.0.6:1"]},
    "ports": {
        "eth1": {
            "tag": 5,
            "trunks": [7, 6],
            "qos": SHAPED,
            "interfaces": {
                "eth1": {
                    "type": "vxlan", "options": {"remote_ip": "192.0.2.1"}, "ofport": 3, "admin_state": "up", "link_state": "down", "error": "broken",
                    "ingress_policing_rate": 4, **PACKET_RATE,
                },
            },
        },
        "bond0": {"bond_mode": "balance-tcp", "lacp": "active", "interfaces": {"m2": {}, "m1": {}}, "qos": {"type": "linux-noop"}},
        "fake0": {"tag": 9, "fake_bridge": True},
    },
}  # fmt: skip
PORT = {"fake_bridge": False, "tag": None, "trunks": [], "bond_mode": None, "lacp": None, "qos": None}
INTERFACE = {
    "type": "system", "ofport": None, "admin_state": None, "link_state": None, "options": {}, "police_rate": None, "police_packet_rate": None, "error": None,
}  # fmt: skip


def interfaces(*names: str) -> list[dict]:
    return [{"name": name} | INTERFACE for name in names]


def local(name: str) -> dict:
    return {"port": name} | PORT | {"interfaces": [{"name": name} | INTERFACE | {"type": "internal"}]}


SHOWN = {
    "bridge": "br0",
    "datapath_type": "netdev",
    "datapath_version": "<built-in>",
    "fail_mode": "secure",
    "controllers": [{"target": "ptcp:6653", "connected": None}, {"target": "tcp:127.0.0.1:1", "connected": False}, {"target": "tcp:127.0.0.2:1", "connected": True}],
    "sflow": {"agent": "lo", "targets": ["10.0.0.5:1", "10.0.0.6:1"]},
    "ports": [
        {"port": "bond0"}
        | PORT
        | {"bond_mode": "balance-tcp", "lacp": "active", "interfaces": interfaces("m1", "m2")}
        | {"qos": {"type": "linux-noop", "max_rate": None, "queues": 0}},
        local("br0"),
        {"port": "eth1", "fake_bridge": False, "tag": 5, "trunks": [6, 7], "bond_mode": None, "lacp": None}
        | {"qos": {"type": "linux-htb", "max_rate": 5_000_000, "queues": 2}}
        | {
            "interfaces": [
                {
                    "name": "eth1", "type": "vxlan", "ofport": 3, "admin_state": "up", "link_state": "down", "options": {"remote_ip": "192.0.2.1"},
                    "police_rate": 4_000, "police_packet_rate": 6_000 if PACKET_RATE else None, "error": "broken",
                }
            ],
        },
        {"port": "fake0"} | PORT | {"fake_bridge": True, "tag": 9, "interfaces": interfaces("fake0")},
    ],
}  # fmt: skip
PLAIN = {"datapath_type": "system", "datapath_version": None, "fail_mode": None, "controllers": [], "sflow": None}


@pytest.mark.parametrize("names", ["", "br0 br1 br2", "br2 br0", "br1"])
def test_all_of_it(database, names):
    database.put({"br2": {}, "br0": BR0, "br1": {"ports": {"eth7": {}}, "datapath_version": "<unknown>"}})
    eth7 = {"port": "eth7"} | PORT | {"interfaces": interfaces("eth7")}
    bridges = {
        "br0": SHOWN,
        "br1": {"bridge": "br1"} | PLAIN | {"ports": [local("br1"), eth7]},
        "br2": {"bridge": "br2"} | PLAIN | {"ports": [local("br2")]},
    }
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"ovs_version": "3.1.4"}})
    assert database.ask(f"show {names}") == {
        "ovs_version": "3.1.4",
        "pending": [],
        "bridges": [bridges[name] for name in names.split() or sorted(bridges)],
    }


def pend(database, **values: str) -> None:
    """Give the switch these keys of pending changes, in place of others, and one of another program."""
    pairs = [["hostname", "h"], *([f"ovstool-confirm-{key.replace('_', '-')}", value] for key, value in values.items())]
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"external_ids": ["map", pairs]}})


def test_changes_that_wait_to_be_confirmed(database):
    """Each command once, the one to be undone first coming first; not those that are not committed yet."""
    database.put({"br0": {}})
    later = "2100-01-01T00:00:09Z op@h: ovstool port set p --tag 5"
    pend(
        database, bb="2100-01-01T00:00:05Z op@h: ovstool police set p", aa=later, bb_2="2100-01-01T00:00:04Z op@h: ovstool police set p",
        cc=f"not committed yet: {later}", dd="soon", ee="2001-02-03T04:05:06Z op@h: ovstool qos gc",
    )  # fmt: skip
    who = {"who": "op@h"}
    in_2100 = 4102444800
    for names in ("", "br0"):
        assert database.ask(f"show {names}")["pending"] == [
            {"id": "ee", "until": 981173106, **who, "command": "ovstool qos gc"},
            {"id": "bb", "until": in_2100 + 4, **who, "command": "ovstool police set p"},
            {"id": "aa", "until": in_2100 + 9, **who, "command": "ovstool port set p --tag 5"},
            {"id": "dd", "until": None, "who": None, "command": None},
        ]
    assert database.run("show")[1].replace(f" --db {database.switch.box.db}", "").splitlines()[1:-2] == [
        "pending ee  was to be undone at 2001-02-03T04:05:06Z, but is not  op@h: ovstool qos gc",
        "  try: ovstool confirm ee",
        "pending bb  to be undone at 2100-01-01T00:00:04Z unless confirmed  op@h: ovstool police set p",
        "  try: ovstool confirm bb",
        "pending aa  to be undone at 2100-01-01T00:00:09Z unless confirmed  op@h: ovstool port set p --tag 5",
        "  try: ovstool confirm aa",
        "pending dd  waits to be confirmed",
        "  try: ovstool confirm dd",
    ]
    pend(database)
    assert database.ask("show")["pending"] == []
