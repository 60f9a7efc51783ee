"""The flows of a document on a switch with ovs-vswitchd: compared, made, and put back with the database when something fails."""

import os
import shutil
import signal
import socket

import pytest
from forked import FORKS
from on_terminal import shown

PAGE = """
bridges:
  br0:
    flows:
      - priority=10,ip,in_port=eth1 actions=output:eth2
      - "priority=20,send_flow_rem,tcp,in_port:new1 actions=mod_dl_dst:02:00:00:00:00:01,new1"
      - priority=0 actions=NORMAL
    ports: {new1: {type: internal}}
  br1:
    fail_mode: secure
    flows: ["table=3,no_packet_counts,actions=drop", "cookie=0x7,actions=output:p1"]
    ports: {p1: {type: internal, tag: 3}}
  br2: {}
"""
EXPORTED = """\
bridges:
  br0:
    datapath_type: dummy
    flows:
      - "table=0,priority=20,send_flow_rem,tcp,in_port=new1 actions=set_field:02:00:00:00:00:01->eth_dst,output:new1"
      - "table=0,priority=10,ip,in_port=eth1 actions=output:eth2"
      - "table=0,priority=0 actions=NORMAL"
    ports:
      eth1: {}
      eth2: {}
      new1:
        type: internal
  br1:
    fail_mode: secure
    flows:
      - "table=0,priority=32768,cookie=0x7 actions=output:p1"
      - "table=3,priority=32768,no_packet_counts actions=drop"
    ports:
      p1:
        type: internal
        tag: 3
  br2:
    flows:
      - "table=0,priority=0 actions=NORMAL"
"""
# The second bridge's flows are refused by the switch alone, after those of the first are made and the database has changed.
REFUSED = """
bridges:
  br0: {{fail_mode: secure, flows: ["priority=9,arp actions=drop"], ports: {{eth1: {{tag: 9}}}}}}
  br1: {{external_ids: {{a: b}}, flows: ["priority=8,arp actions=drop", "{}"]}}
"""


def flows(switch) -> dict[str, list[str]]:
    """The flows of each bridge, with their flags, as ovs-ofctl prints them."""
    dump = ("ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows")
    return {bridge: sorted(map(str.strip, switch.tool(*dump, bridge).splitlines())) for bridge in switch.vsctl("list-br").split()}


@pytest.fixture
def two(switch):
    """The switch with two bridges, each with a flow of its own."""
    switch.vsctl("-- add-br br1 -- set bridge br1 datapath_type=dummy")
    for bridge, flow in (("br0", "priority=6,udp,send_flow_rem,actions=output:eth2"), ("br1", "priority=5,ip,cookie=5,actions=drop")):
        switch.tool("ovs-ofctl", "-O", "OpenFlow13", "add-flow", bridge, flow)
    return switch


def with_ofctl(folder, script: str) -> str:
    """A PATH with an ovs-ofctl that runs a shell script first; ``$*`` are its arguments."""
    (folder / "bin").mkdir()
    (folder / "bin/ovs-ofctl").write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("ovs-ofctl")} "$@"\n')
    (folder / "bin/ovs-ofctl").chmod(0o755)
    return f"{folder}/bin:{os.environ['PATH']}"


def test_the_same_export_again(switch, ovstool, page):
    done = ovstool(f"apply --as-ovs {page(PAGE)}")
    assert (done.code, done.stdout) == (0, "br0: updated\nnew1: created\nbr1: created\np1: created\nbr2: created\n"), done
    assert "br0: flows: 2 new\n" in done.stderr and "--bundle replace-flows br1 -" in done.stderr
    assert "no_packet_counts" in flows(switch)["br1"][1] and "send_flow_rem" in "".join(flows(switch)["br0"])
    again = ovstool(f"apply --as-ovs {page(PAGE)}")
    assert {line.split(": ")[1] for line in again.stdout.splitlines()} == {"unchanged"} and again.stderr == ""  # nothing was sent
    assert ovstool(f"diff {page(PAGE)}").code == 0
    exported = ovstool("export --flows")
    assert (exported.stdout, exported.stderr) == (EXPORTED, "")
    assert ovstool("export -f json --flows br2").json == {"bridges": {"br2": {"flows": ["table=0,priority=0 actions=NORMAL"]}}}

    switch.vsctl("-- del-br br0 -- del-br br1 -- del-br br2")
    assert ovstool(f"apply {page(EXPORTED)}").code == 0
    assert ovstool("export --flows").stdout == EXPORTED
    assert {line.split(": ")[1] for line in ovstool(f"apply {page(EXPORTED)}").stdout.splitlines()} == {"unchanged"}
    switch.tool("ovs-ofctl", "add-flow", "br2", "actions=drop")
    assert ovstool("export").stdout == "".join(line for line in EXPORTED.splitlines(True) if "flows" not in line and '- "' not in line).replace(
        "br2:", "br2: {}"
    )  # fmt: skip


def test_differences(two, ovstool, page):
    text = """
bridges:
  br0: {flows: ["priority=6,udp,actions=output:eth9", "in_port=b1,actions=drop", "priority=0,actions=NORMAL"], ports: {eth9: {type: internal}, bond0: {bond: {interfaces: [b1, b2]}}}}
  br1: {flows: ["no_byte_counts,priority=5,cookie=5,ip,actions=drop"]}
  br9: {flows: ["arp,actions=drop"]}
"""
    done = ovstool(f"diff {page(text)} -f json")
    changed = [(row["object"], row["from"], row["to"]) for row in done.json if row["field"] == "flows"]
    assert (done.code, done.stderr) == (1, "") and changed == [
        ("br0", "priority=6,udp actions=output:eth2", "priority=6,udp actions=output:eth9"),
        ("br0", None, "in_port=b1 actions=drop"),
        ("br1", "priority=0 actions=NORMAL", None),
        ("br1", "priority=5,cookie=5,ip,actions=drop", "no_byte_counts,priority=5,cookie=5,ip,actions=drop"),
        ("br9", None, "arp,actions=drop"),
    ]  # fmt: skip
    before = two.dump(), flows(two)
    plan = ovstool(f"-n apply {page(text)}").stdout
    lines = plan[plan.index("\n") + 1 :].splitlines()
    assert (
        lines[:3] == [" br0:", "-priority=6,udp actions=output:eth2", "+priority=6,udp actions=output:eth9"]
        and lines[-1] == "+arp,actions=drop"
    )
    assert "ovs-ofctl -O OpenFlow14 --bundle replace-flows br9 -\n" in ovstool(f"-n --as-ovs apply {page(text)}").stdout + "\n"
    assert (two.dump(), flows(two)) == before
    assert ovstool(f"apply {page(text)}").code == 0 and ovstool(f"diff {page(text)}").code == 0
    only = shown(["diff", page('{name: only, bridges: {br9: {flows: ["tcp,actions=drop"]}}}')], two.environ, 80).splitlines()
    assert only == ["  br9:", '\x1b[31m-   flows: "arp actions=drop"\x1b[0m', '\x1b[32m+   flows: "tcp actions=drop"\x1b[0m']


def test_no_flows_at_all(two, ovstool, page):
    text = "bridges: {br0: {flows: []}, br1: {}}"
    assert ovstool(f"apply {page(text)}").stdout == "br0: updated\nbr1: unchanged\n"
    assert flows(two)["br0"] == [] and len(flows(two)["br1"]) == 2  # what is not named stays
    assert ovstool(f"apply {page(text)}").stdout == "br0: unchanged\nbr1: unchanged\n"


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        ("priority=3,ip actions=group:99", "flow priority=3,ip actions=group:99: there is no such group "),
        ("table=254,actions=drop", "flow table:254 actions=drop: the switch does not permit it "),
    ],
)
def test_a_flow_that_the_switch_refuses(two, refused, page, flow, why):
    before = flows(two)
    said = refused(f"apply {page(REFUSED.format(flow))} --as-ovs", 6)
    assert said.startswith(f"bridge br1: {why}") and said.endswith("; the switch was put back as it was")
    assert flows(two) == before
    only = page(f'bridges: {{br1: {{flows: ["{flow}"]}}}}')
    assert refused(f"apply {only}", 6).endswith("; nothing was changed")


def test_a_new_bridge_goes_again(two, refused, ovstool, page):
    before = flows(two)
    text = 'bridges: {br0: {flows: []}, br3: {ports: {p9: {qos: {queues: {1: {}}}}}, flows: ["actions=output:nosuch"]}}'
    path = page(text)
    assert refused(f"apply {path}", 2) == f"{path}:1:82: nosuch: output to unknown port; the switch was put back as it was"
    assert flows(two) == before and two.orphans() == []
    assert "(put back)" in ovstool("history").stdout
    ovstool("bridge set br1 --other-config a=b")
    refused(f"apply {path}", 2)
    assert ovstool("undo").code == 0 and two.vsctl("get bridge br1 other_config") == "{}"  # not what was put back already


def test_what_is_known_before_anything_is_written(two, refused, ovstool, page):
    path = page('bridges: {br0: {flows: ["arp,actions=output:nosuch"], ports: {new1: {}}}}')
    assert refused(f"apply {path}", 2) == f"{path}:1:25: nosuch: output to unknown port"
    assert "new1" not in ovstool("history").stdout
    path = page('bridges: {br0: {flows: ["nw_dst=10.0.0.1,actions=drop"]}}')
    assert refused(f"diff {path}", 2).startswith(f'{path}:1:25: nw_dst=10.0.0.1 would be taken as ""')
    two.vsctl("add-port br0 old1 -- add-bond br0 bond0 b1 b2")
    for flow, port in (("actions=old1", "old1"), ("in_port=b2,actions=drop", "b2")):
        text = f"{{bridges: {{br0: {{flows: ['arp,actions=b1', '{flow}'], ports: {{eth1: {{}}, eth2: {{}}, bond0: {{bond: {{interfaces: [b1, b3]}}}}}}}}}}}}"
        for command in ("diff", "apply"):
            said = refused(f"{command} {page(text)} --prune", 2)
            assert said == f"{path}:1:44: names port {port}, which this change removes; try: port {port} in the document"
    moved = page("{bridges: {br1: {flows: ['in_port=old1,actions=drop'], ports: {old1: {}}}}}")
    for command in ("diff", "apply"):
        assert refused(f"{command} {moved}", 4).startswith("port old1: is on another bridge, br0; try: ")
    two.vsctl("set bridge br0 protocols=OpenFlow10")
    assert "needs OpenFlow 1.3 or newer" in refused(f"apply {page('bridges: {br0: {flows: [arp actions=drop]}}')}", 6)
    assert ovstool(f"apply {page('bridges: {br0: {protocols: [OpenFlow13], flows: [arp actions=drop]}}')}").code == 0


def test_options_that_do_not_go_with_flows(two, refused, page):
    path = page("bridges: {br0: {flows: [arp actions=drop]}}")
    assert "need ovs-vswitchd to have made" in refused(f"--no-wait apply {path}", 2)
    assert "cannot be undone" in refused(f"--confirm-within 60 apply {path}", 2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    control = str(next(two.box.directory.glob("ovsdb-server.*.ctl")))
    two.tool("ovs-appctl", "-t", control, "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
    for command in ("apply", "diff"):
        assert "reaches only its database; try: --host HOST" in refused(f"--db tcp:127.0.0.1:{port} {command} {path}", 5)


def test_flows_that_a_setting_deletes(two, refused, ovstool, page):
    text = 'bridges: {br0: {fail_mode: secure, flows: ["priority=6,udp,actions=output:eth2"]}}'
    two.tool("ovs-ofctl", "-O", "OpenFlow13", "add-group", "br0", "group_id=1,type=all")
    assert "deletes its 1 group with this change" in refused(f"apply {page(text)}", 4)
    two.tool("ovs-ofctl", "-O", "OpenFlow13", "del-groups", "br0")
    assert ovstool(f"apply {page(text)}").stdout == "br0: updated\n"
    assert flows(two)["br0"] in (["priority=6,udp actions=output:1"], ["priority=6,udp actions=output:2"])


def test_undo_restores_the_database_alone(two, ovstool, page):
    path = page("bridges: {br0: {flows: [arp actions=drop], ports: {eth1: {tag: 3}}}}")
    assert ovstool(f"apply {path}").code == 0
    done = ovstool("undo")
    assert "the flows that it changed are not restored, as flows are in no database" in done.stderr
    assert (two.vsctl("get port eth1 tag"), flows(two)["br0"]) == ("[]", ["arp actions=drop"])


def test_killed_between_the_database_and_the_flows(two, ovstool, page, tmp_path):
    path = page(REFUSED.format("actions=drop"))
    killer = with_ofctl(tmp_path, 'case "$*" in *replace-flows*br1*) kill -9 $PPID; exit 1;; esac')
    assert FORKS.start(["apply", path], two.environ | {"PATH": killer}).wait() == -signal.SIGKILL
    assert two.vsctl("get port eth1 tag") == "9" and len(flows(two)["br0"]) == 1 and len(flows(two)["br1"]) == 2
    assert ovstool(f"apply {path}").stdout == "br0: unchanged\neth1: unchanged\nbr1: updated\n"
    assert ovstool(f"diff {path}").code == 0


def test_others_change_the_same_before_it_is_put_back(two, ovstool, page, tmp_path):
    path = page(REFUSED.format("actions=group:9"))
    script = 'case "$*" in *replace-flows*br1*) ovs-vsctl set port eth1 tag=77;; esac'
    done = ovstool(f"apply {path}", PATH=with_ofctl(tmp_path, script))
    assert (done.code, done.stdout) == (6, "")
    assert two.vsctl("get port eth1 tag -- get bridge br0 fail_mode") == "77\nsecure"
    said = "the database has the change, flows of br0 are made, flows of br1 are not made, and this could not be put back"
    assert said in done.stderr and "others have changed the same since" in done.stderr
    assert done.stderr.endswith("try: 'ovstool apply' again, after a look at 'ovstool history'\n") and ovstool("undo").code == 4


def test_ovs_vswitchd_stops_in_between(two, ovstool, page, tmp_path):
    """It reads the flows, and then neither the database nor flows."""
    path = page(REFUSED.format("actions=drop"))
    before = two.dump(), flows(two)
    pid = int((two.box.directory / "ovs-vswitchd.pid").read_text())
    script = f'case "$*" in *dump-groups*br1*) {shutil.which("ovs-ofctl")} "$@"; kill -STOP {pid}; exit;; esac'
    try:
        done = ovstool(f"-t 3 apply {path}", PATH=with_ofctl(tmp_path, script))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (done.code, done.stdout) == (7, "") and "the switch was put back as it was" in done.stderr, done
    assert (two.dump(), flows(two)) == before


def test_ovs_vswitchd_ends_in_between(two, ovstool, page, tmp_path):
    path = page(REFUSED.format("actions=drop"))
    before = two.dump()
    pid = int((two.box.directory / "ovs-vswitchd.pid").read_text())
    done = ovstool(f"-t 3 apply {path}", PATH=with_ofctl(tmp_path, f'case "$*" in *replace-flows*br0*) kill -9 {pid};; esac'))
    two.others.append("kill")
    assert done.code == 5 and "the database is as it was, flows of br0 are perhaps made, flows of br1 are not made" in done.stderr
    assert two.dump() == before
    assert ovstool(f"-t 3 apply {path}").code == 5  # nothing is written
    assert two.dump() == before
