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
    assert ovstool(f"diff {tmp_path}/all.yaml").code == 1
    assert ovstool(f"apply {tmp_path}/all.yaml").code == 0
    assert ovstool("export").stdout == exported

    page.write_text("bridges: {br1: {}}")
    assert ovstool(f"apply {page} --prune").stdout == "br1: unchanged\nbond0: deleted\npat1: deleted\n"
    assert switch.vsctl("list-ports br1") == ""


def test_flows_are_not_lost_as_a_side_effect(switch, refused, ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {fail_mode: secure, ports: {eth1: {tag: 5}}}}")
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=7,arp,actions=drop")
    said = refused(f"apply {page}", 4)
    assert said == ("bridge br0: ovs-vswitchd deletes its 1 flow with this change; try: ovstool bridge set br0 --force with that fail_mode")
    ovstool("flow del br0 arp")
    assert ovstool(f"apply {page}").code == 0


def test_a_port_that_cannot_be_opened_stays(forwarding, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br5: {datapath_type: netdev, ports: {nosuch1: {}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert (done.code, done.stdout) == (6, "") and "nosuch1: could not open network device" in done.stderr, done
    assert forwarding.vsctl("list-ports br5") == "nosuch1"
    many = ", ".join(f"in{n}: {{type: internal}}" for n in range(25))
    page.write_text(f"bridges: {{br5: {{ports: {{{many}, nosuch2: {{}}}}}}}}")
    done = forwarding.ovstool(f"apply {page}")
    assert done.code == 6 and "nosuch2" in done.stderr and "nosuch1" not in done.stderr  # which was not changed now
    page.write_text("bridges: {br5: {ports: {v1: {type: vxlan, remote_ip: 192.0.2.9}, v2: {type: vxlan, remote_ip: 192.0.2.9}}}}")
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
    page.write_text("bridges: {br0: {ports: {eth1: {}}}}")
    assert ovstool(f"apply {page} --prune").stdout == "br0: unchanged\neth1: unchanged\neth2: deleted\n"
    assert "set_queue" not in switch.tool("ovs-ofctl", "dump-flows", "br0") and switch.orphans() == []
