"""One topology of several hosts over SSH, whose tunnels lead to each other."""

import os
import re
import shutil

import pytest

SOME_FAILED = 8


@pytest.fixture(scope="module")
def fabric(lab):
    """leaf1 and leaf2 with a tunnel between them and others that lead elsewhere; dead has no Open vSwitch, and leaf2 an ip(8) that cannot be run."""
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
    """leaf1 tells its addresses; of leaf2, which cannot, the name that it was reached by does, and that of dead, which failed."""
    done = fabric.ovstool("-H leaf1,leaf2,dead topology", LC_ALL="C.UTF-8")
    addresses = [fabric[name].address for name in ("leaf1", "leaf2", "dead")]
    assert done.stdout == TREE.format("", *addresses)
    note, failed = done.stderr.splitlines()
    assert re.fullmatch(r"ovstool: note: leaf2: ip: .*denied; where tunnels to this host end is not known", note)
    assert failed.startswith("ovstool: dead: ") and done.code == SOME_FAILED


def test_a_local_ip_goes_before_all_else(fabric):
    """And nothing is asked of the host then."""
    fabric.vsctl("leaf2", "set interface vx1 options:local_ip=192.0.2.2 -- set interface vx3 options:local_ip=192.0.2.2")
    fabric.vsctl("leaf1", "set interface vx2 options:remote_ip=192.0.2.2")
    try:
        done = fabric.ovstool("-H leaf1,leaf2 topology -f json")
        assert (done.code, done.stderr) == (0, "")
        (link, *_) = done.json["links"]
        assert link == {
            "type": "vxlan", "key": "100", "joined": True,
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


def test_a_bridge_that_no_host_has(fabric):
    done = fabric.ovstool("-H leaf1,leaf2 topology nosuch")
    assert (done.code, done.stdout) == (3, "") and done.stderr.count("\n") == 2
