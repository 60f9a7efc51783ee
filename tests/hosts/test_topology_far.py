"""The joined topology of several hosts over SSH, with tunnels between them."""

import os
import re
import shutil

import pytest

SOME_FAILED = 8


@pytest.fixture(scope="module")
def fabric(lab):
    """leaf1 and leaf2 with a tunnel between them and others to elsewhere; dead has no Open vSwitch, and ip(8) fails on leaf2."""
    lab.start(["leaf1", "leaf2"])
    assert lab["leaf2"].run(["mount", "--bind", "/dev/null", os.path.realpath(shutil.which("ip"))]).code == 0
    lab.host("dead", no_ovs=True)
    tunnels = {
        "leaf1": {"vx2": (lab["leaf2"].address, 100), "vxd": (lab["dead"].address, 100), "vxo": ("192.0.2.77", 100)},
        "leaf2": {"vx1": (lab["leaf1"].address, 100), "vx3": (lab["leaf1"].address, 300)},
    }
    for host, ports in tunnels.items():
        for port, (remote, key) in ports.items():
            options = f"options:remote_ip={remote} options:key={key}"
            lab.vsctl(host, f"add-port br0 {port} -- set interface {port} type=vxlan {options}")
    return lab


TREE = """\
leaf1
└─ bridge br0  dummy
   ├─ vxlan vx2 ── leaf2/br0/vx1  key 100  {1} to {2}
   ├─ vxlan vxd ── dead {3}  key 100  NOT REACHED
   ├─ vxlan vxo ── 192.0.2.77  key 100
   └─ ports eth1, eth2
leaf2
└─ bridge br0  dummy
   ├─ vxlan vx1 ── leaf1/br0/vx2  key 100  {2} to {1}
   ├─ vxlan vx3 ── leaf1 {1}  key 300  NO TUNNEL BACK
   └─ ports eth1, eth2
dead  NOT REACHED
"""


def test_one_tree_of_all_hosts(fabric):
    """leaf1 reports its addresses; leaf2, which cannot, and dead, which failed, are known by the names they were reached by."""
    done = fabric.ovstool("-H leaf1,leaf2,dead topology", LC_ALL="C.UTF-8")
    addresses = [fabric[name].address for name in ("leaf1", "leaf2", "dead")]
    assert done.stdout == TREE.format("", *addresses)
    note, failed = done.stderr.splitlines()
    assert re.fullmatch(r"ovstool: note: leaf2: ip: .*denied; where tunnels to this host end is not known", note)
    assert failed.startswith("ovstool: dead: ") and done.code == SOME_FAILED


def test_a_local_ip_goes_before_all_else(fabric):
    """The host is then not asked for addresses."""
    fabric.vsctl("leaf2", "set interface vx1 options:local_ip=192.0.2.2 -- set interface vx3 options:local_ip=192.0.2.2")
    fabric.vsctl("leaf1", "set interface vx2 options:remote_ip=192.0.2.2")
    try:
        done = fabric.ovstool("-H leaf1,leaf2 topology -f json")
        assert (done.code, done.stderr) == (0, "")
        (link, *_) = done.json["links"]
        assert link == {
            "type": "vxlan", "key": "100", "dst_port": None, "joined": True,
            "ends": [
                {"host": "leaf1", "bridge": "br0", "port": "vx2", "address": fabric["leaf1"].address},
                {"host": "leaf2", "bridge": "br0", "port": "vx1", "address": "192.0.2.2"},
            ],
        }  # fmt: skip
        assert [(host["host"], host["reached"], host["addresses"]) for host in done.json["hosts"]] == [
            ("leaf1", True, [fabric["leaf1"].address]),
            ("leaf2", True, ["192.0.2.2"]),
        ]
    finally:
        fabric.vsctl("leaf2", "remove interface vx1 options local_ip -- remove interface vx3 options local_ip")
        fabric.vsctl("leaf1", f"set interface vx2 options:remote_ip={fabric['leaf2'].address}")


def test_a_tunnel_to_a_host_that_has_none(fabric):
    """Also one to an address that the host is not reached at: hosts without a tunnel are asked for theirs."""
    bare = fabric.host("bare")
    assert bare.run(["ip", "address", "add", "192.0.2.5/24", "dev", "mgmt0"]).code == 0
    fabric.vsctl("leaf2", "add-port br0 vx5 -- set interface vx5 type=vxlan options:remote_ip=192.0.2.5")
    try:
        done = fabric.ovstool("-q -H leaf2,bare topology", LC_ALL="C.UTF-8")
        assert "vxlan vx5 ── bare 192.0.2.5  NO TUNNEL BACK\n" in done.stdout and done.code == 0
    finally:
        fabric.vsctl("leaf2", "del-port vx5")


def test_ovn_tells_where_its_tunnels_end(fabric):
    fabric.vsctl("leaf2", "set open_vswitch . external_ids:ovn-encap-ip=192.0.2.2")
    try:
        done = fabric.ovstool("-H leaf1,leaf2 topology -f json")
        assert done.stderr == "" and done.json["hosts"][1]["addresses"] == ["192.0.2.2"]
    finally:
        fabric.vsctl("leaf2", "remove open_vswitch . external_ids ovn-encap-ip")


def test_other_hosts_have_their_names_of_the_inventory(fabric, tmp_path):
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[rack]\nleaf1\n[others]\nspine7 ansible_host=192.0.2.77\n")
    done = fabric.ovstool(f"-H @rack --inventory {inventory} topology", LC_ALL="C.UTF-8")
    assert "vxlan vxo ── spine7 192.0.2.77  key 100\n" in done.stdout and (done.code, done.stderr) == (0, "")


def test_a_graph_of_all_hosts(fabric):
    done = fabric.ovstool("-q -H leaf1,leaf2,dead topology -f mermaid")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith("subgraph")] == ['subgraph h1["leaf1"]', 'subgraph h2["leaf2"]']
    assert 'n3["dead<br/>NOT REACHED"]' in lines and any(line.endswith("| n3") for line in lines) and done.code == SOME_FAILED


def test_a_bridge_that_one_host_has(fabric):
    """The others were reached all the same, and tunnels of the bridge lead to theirs."""
    fabric.vsctl(
        "leaf1",
        "add-br br-x -- add-port br-x vx9 -- set interface vx9 type=vxlan options:key=9 options:remote_ip=" + fabric["leaf2"].address,
    )
    fabric.vsctl("leaf2", "add-port br0 vx9 -- set interface vx9 type=vxlan options:key=9 options:remote_ip=" + fabric["leaf1"].address)
    try:
        done = fabric.ovstool("-H leaf1,leaf2 topology br-x", LC_ALL="C.UTF-8")
        assert "vxlan vx9 ── leaf2/br0/vx9  key 9" in done.stdout and done.stdout.endswith("\nleaf2  no such bridge\n")
        assert "ovstool: leaf2: bridge br-x: no such bridge" in done.stderr and done.code == SOME_FAILED
        shown = fabric.ovstool("-q -H leaf1,leaf2 topology br-x -f json").json
        assert [host["reached"] for host in shown["hosts"]] == [True, True]
    finally:
        fabric.vsctl("leaf1", "del-br br-x")
        fabric.vsctl("leaf2", "del-port vx9")


def test_a_bridge_that_no_host_has(fabric):
    done = fabric.ovstool("-H leaf1,leaf2 topology nosuch")
    assert (done.code, done.stdout) == (3, "") and done.stderr.count("\n") == 2
