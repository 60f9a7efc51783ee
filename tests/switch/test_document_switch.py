"""Documents on a switch with ovs-vswitchd, checked with its own tools."""

from on_terminal import shown

PAGE = """
bridges:
  br0:
    mirrors: {m0: {select_src_ports: [eth1], output_port: eth2}}
    ports:
      eth1: {tag: 10, qos: {max_rate: 200mbit, queues: {0: {min: 100mbit}, 1: {min: 50mbit, max: 50mbit}}}}
      pat0: {peer: pat1}
  br1:
    datapath_type: dummy
    fail_mode: secure
    ports:
      pat1: {peer: pat0}
      bond0: {bond: {interfaces: [b1, b2], mode: balance-slb}, police: {rate: 10mbit}}
"""


def test_a_document_takes_effect(switch, ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text(PAGE)
    done = ovstool(f"apply {page}")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "br0: updated\neth1: updated\npat0: created\nbr1: created\npat1: created\nbond0: created\n"
    assert switch.vsctl("get port eth1 tag -- get interface pat1 type options:peer -- get interface b2 ingress_policing_rate") == (
        '10\npatch\npat0\n10000'
    )  # fmt: skip
    assert "pat1" in switch.tool("ovs-ofctl", "show", "br1") and "b1" in switch.tool("ovs-ofctl", "show", "br1")
    assert switch.orphans() == []
    before = switch.dump()
    again = ovstool(f"apply {page}")
    assert {line.split(": ")[1] for line in again.stdout.splitlines()} == {"unchanged"} and switch.dump() == before
    assert ovstool(f"diff {page}").code == 0

    exported = ovstool("export").stdout
    (tmp_path / "all.yaml").write_text(exported)
    ovstool("bridge del br1")
    ovstool("qos clear eth1")
    assert ovstool(f"diff {tmp_path}/all.yaml --take-over").code == 1
    assert ovstool(f"apply {tmp_path}/all.yaml --take-over").code == 0
    assert ovstool("export").stdout == exported

    page.write_text("name: new\nbridges: {br1: {}}")
    assert ovstool(f"apply {page} --prune").code == 4  # the ports are the other document's
    assert ovstool(f"apply {page} --prune --take-over").stdout == "br1: unchanged\nbond0: deleted\npat1: deleted\n"
    assert switch.vsctl("list-ports br1") == ""


def test_flows_are_not_lost_as_a_side_effect(switch, refused, ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {fail_mode: secure, ports: {eth1: {tag: 5}}}}")
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=7,arp,actions=drop")
    said = refused(f"apply {page}", 4)
    assert said == ("bridge br0: ovs-vswitchd deletes its 1 flow with this change; try: ovstool bridge set br0 --fail-mode secure --force")
    ovstool("flow del br0 arp")
    assert ovstool(f"apply {page}").code == 0
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=7,arp,actions=drop")
    page.write_text("bridges: {br0: {controllers: ['tcp:192.0.2.1:6653', 'tcp:192.0.2.2:6653']}}")
    for command in (
        "--unset fail_mode --controller tcp:192.0.2.1:6653 --controller tcp:192.0.2.2:6653 --force",
        "--unset controller --force",
    ):
        hint = refused(f"apply {page}", 4).partition("try: ovstool ")[2]
        assert hint == f"bridge set br0 {command}" and ovstool(hint).code == 0
        assert ovstool(f"apply {page}").code == 0
        switch.tool("ovs-ofctl", "add-flow", "br0", "priority=7,arp,actions=drop")
        page.write_text("bridges: {br0: {controllers: null}}")


def test_a_port_that_cannot_be_opened_stays(forwarding, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br5: {datapath_type: netdev, flows: ['in_port=nosuch1 actions=drop'], ports: {nosuch1: {}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert (done.code, done.stdout) == (2, "") and "could not open network device" in done.stderr, done
    assert f"{page}:1:48: nosuch1: invalid or unknown port for in_port; the switch was put back as it was\n" in done.stderr
    assert "br5" not in forwarding.vsctl("list-br")
    page.write_text("bridges: {br5: {datapath_type: netdev, flows: [arp actions=drop], ports: {nosuch1: {}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert (done.code, done.stdout) == (6, "") and "nosuch1: could not open network device" in done.stderr, done
    assert forwarding.vsctl("list-ports br5") == "nosuch1"
    assert forwarding.tool("ovs-ofctl", "--no-stats", "dump-flows", "br5") == "arp actions=drop"
    many = ", ".join(f"in{n}: {{type: internal}}" for n in range(25))
    page.write_text(f"bridges: {{br5: {{datapath_type: netdev, ports: {{{many}, nosuch2: {{}}}}}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert done.code == 6 and "nosuch2" in done.stderr and "nosuch1" not in done.stderr  # which was not changed now
    page.write_text("bridges: {br5: {datapath_type: netdev, ports: {nosuch2: {mtu: 1400}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert done.code == 6 and "nosuch2: could not open network device" in done.stderr
    page.write_text(
        "bridges: {br5: {datapath_type: netdev, ports: {v1: {type: vxlan, remote_ip: 192.0.2.9}, v2: {type: vxlan, remote_ip: 192.0.2.9}}}}"
    )
    done = forwarding.ovstool(f"apply {page}")
    assert done.code == 4 and "same addresses, key and port" in done.stderr
    forwarding.vsctl("del-br br5")


def test_a_difference_on_a_terminal(switch, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {tag: 10, trunks: null, qos: {queues: {1: {}}}}}}}")
    switch.vsctl("set port eth1 tag=5")
    shown_lines = shown(["diff", str(page)], switch.environ, 80).splitlines()
    assert shown_lines == ["  eth1:", "\x1b[31m-   tag: 5\x1b[0m", "\x1b[32m+   tag: 10\x1b[0m", "\x1b[32m+   qos.queues.1: {}\x1b[0m"]
    assert shown(["diff", str(page), "-f", "csv"], switch.environ, 80).splitlines()[1] == '"eth1","tag",5,10'


def test_flows_of_pruned_ports_go_unless_something_is_refused(switch, ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    ovstool("-q qos set eth2 --max-rate 10mbit --queue 1:min=1mbit")
    ovstool("qos steer eth2 --queue 1 --match ip")
    switch.vsctl("add-br br1")
    flows = switch.tool("ovs-ofctl", "--no-stats", "dump-flows", "br0")
    page.write_text("bridges: {br0: {ports: {eth1: {}}}, br1: {mirrors: {m: {output_port: nosuch}}}}")
    assert ovstool(f"apply {page} --prune").code == 3
    assert switch.tool("ovs-ofctl", "--no-stats", "dump-flows", "br0") == flows
    page.write_text("bridges: {br0: {flows: ['actions=group:9'], ports: {eth1: {}}}}")
    assert ovstool(f"apply {page} --prune").code == 6
    assert switch.tool("ovs-ofctl", "--no-stats", "dump-flows", "br0") == flows
    page.write_text("bridges: {br0: {ports: {eth1: {}}}}")
    assert ovstool(f"apply {page} --prune").stdout == "br0: unchanged\neth1: unchanged\neth2: deleted\n"
    assert "set_queue" not in switch.tool("ovs-ofctl", "dump-flows", "br0") and switch.orphans() == []


def test_what_a_document_drops_goes_from_the_switch(switch, ovstool, tmp_path):
    page = tmp_path / "rack.yaml"
    page.write_text(
        "bridges: {br1: {datapath_type: dummy, ports: {p1: {tag: 5, qos: {queues: {1: {}}}}, p2: {}}}, br0: {ports: {eth1: {tag: 6}}}}"
    )
    assert ovstool(f"apply {page}").code == 0
    before = switch.dump()
    page.write_text("bridges: {br1: {datapath_type: dummy, ports: {bond1: {bond: {interfaces: [p1, p2]}}}}}")
    assert ovstool(f"apply {page}").stdout == "br1: unchanged\nbond1: created\np1: deleted\np2: deleted\neth1: updated\n"
    assert switch.vsctl("list-ports br1 -- get port eth1 tag") == "bond1\n[]" and switch.orphans() == []
    assert {"p1", "p2"} <= set(switch.tool("ovs-ofctl", "show", "br1").replace("(", " ").replace(")", " ").split())
    done = ovstool("undo")
    assert done.code == 0 and switch.vsctl("list-ports br1") == "p1\np2", done
    assert [line for line in switch.dump().splitlines() if "_uuid" not in line] == [
        line for line in before.splitlines() if "_uuid" not in line
    ]

    switch.tool("ovs-ofctl", "add-flow", "br1", "priority=7,arp,actions=drop")
    page.write_text("bridges: {}")
    tried = ovstool(f"-n apply {page}")
    assert tried.stdout.startswith('["Open_vSwitch"') and "br1: ovs-vswitchd deletes its 1 flow with it" in tried.stderr
    assert ovstool(f"--confirm-within 60 apply {page}").stdout == "eth1: updated\nbr1: deleted\np1: deleted\np2: deleted\n"
    assert ovstool("undo").code == 0 and switch.vsctl("list-br") == "br0\nbr1"
    assert ovstool(f"apply {page}").code == 0
    assert switch.vsctl("list-br") == "br0" and switch.orphans() == []


def test_problems_are_noted_as_by_the_commands_for_one_port(ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text(
        "bridges: {br0: {ports: {eth1: {qos: {max_rate: 10mbit, queues: {0: {min: 20mbit}}}, police: {rate: 10mbit, burst: 10kbit}}}}}"
    )
    assert "max rate" not in ovstool(f"-n apply {page}").stderr
    done = ovstool(f"apply {page}")
    alone = (
        ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=20mbit").stderr
        + ovstool("police set eth1 --rate 10mbit --burst 10kbit").stderr
    )
    assert done.code == 0 and done.stderr == alone and "sum of min rates above the max rate" in alone and "burst under the MTU" in alone
    assert ovstool(f"apply {page}").stderr == ""
    ovstool("qos clear eth1")
    page.write_text(page.read_text().replace("{br0: {", "{br0: {flows: [arp actions=drop], "))
    assert "sum of min rates above the max rate" in ovstool(f"apply {page}").stderr
