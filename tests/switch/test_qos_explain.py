"""qos explain: the configuration of a port, what is in effect, and the flows that select its queues, as an object and as a page."""


def test_explain_without_qos(ovstool):
    shown = ovstool("qos explain eth1 -f json").json
    assert (shown["port"], shown["bridge"], shown["type"], shown["queues"], shown["problems"]) == ("eth1", "br0", None, [], [])
    assert "the port has no QoS" in ovstool("qos explain eth1").stdout


def test_explain_escapes_control_characters(switch, ovstool):
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos 'type=\"linux-\\u001b[31mred\\nX\"' 'other_config:max-rate=\"1\\u001b[31m\"'")
    shown = ovstool("qos explain eth1")
    assert shown.code == 0 and all(line.isprintable() for line in shown.stdout.split("\n")) and "\nX" not in shown.stdout
    assert "asked         linux-\\x1b[31mred\\nX" in shown.stdout


def test_explain_tells_of_flows(switch, ovstool):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1 --queue 2")
    ours, others = switch.vsctl("get interface eth1 ofport -- get interface eth2 ofport").split()
    for flow in (
        f"7,ip,actions=set_queue:1,output:{ours}",
        f"8,arp,actions=enqueue:{ours}:2",
        f"9,tcp,actions=set_queue:1,output:{others}",
    ):
        switch.tool("ovs-ofctl", "add-flow", "br0", f"priority={flow}")
    queues = ovstool("qos explain eth1 -f json").json["queues"]
    assert [[(flow["priority"], flow["match"], flow["certain"]) for flow in queue["flows"]] for queue in queues] == [
        [], [(7, "ip", True)], [(8, "arp", True)],
    ]  # fmt: skip
    page = ovstool("qos explain eth1").stdout
    assert f"priority=7,ip actions=set_queue:1,output:{ours} (0 packets)" in page and "tcp" not in page


def test_explain_tells_of_policing(switch, ovstool):
    ovstool("police set eth1 --rate 10mbit --burst 8kbit")
    shown = ovstool("qos explain eth1 -f json").json
    assert (shown["police_rate"], shown["police_in_effect"]) == (10_000_000, False)  # as on the dummy datapath
    assert [(row["problem"], row["severity"]) for row in shown["problems"]] == [("burst under the MTU", "error")]
    assert "policed to 10 Mbit/s, but that is not in effect" in ovstool("qos explain eth1").stdout
