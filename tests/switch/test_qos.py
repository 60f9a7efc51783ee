def test_clear_leaves_another_ports_queues_alone(switch, ovstool):
    switch.vsctl(
        "set port eth1 qos=@q -- set port eth2 qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue other-config:min-rate=5"
    )
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    assert switch.vsctl("get port eth2 qos") != "[]"
    assert switch.orphans() == []
