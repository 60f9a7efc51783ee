"""The queues that actions select, and the ports they lead to: ovs-actions(7), interpreted as ovs-vswitchd does."""

import pytest

from ovstool.errors import Refused
from ovstool.openflow.syntax import queue_selection
from ovstool.openflow.syntax.queue_selection import groups, may_select, of_actions, of_groups


def selected(actions: str, goes_on: bool = False) -> list[tuple]:
    return [(queue, sorted(ports), others) for queue, ports, others in of_actions(actions, goes_on)]


@pytest.mark.parametrize(
    ("actions", "queues"),
    [
        ("drop", []), ("NORMAL", []), ("output:1", []), ("pop_queue,output:1", []),
        ("set_queue:1", [(1, [], False)]), ("set_queue:4294967294,output:1", [(4294967294, ["1"], False)]),
        ("set_queue:1,output:2,LOCAL,output:2", [(1, ["2", "LOCAL"], False)]),
        ("output:9,set_queue:1,output:2,pop_queue,output:3,NORMAL", [(1, ["2"], False)]),
        ("set_queue:1,output:2,set_queue:2,output:3,set_queue:1,output:4", [(1, ["2", "4"], False), (2, ["3"], False)]),
        ("enqueue:3:7", [(7, ["3"], False)]), ("enqueue(3,7),output:4", [(7, ["3"], False)]), ("enqueue:LOCAL:7", [(7, ["LOCAL"], False)]),
        ("set_queue:1,enqueue:3:7,output:2", [(1, ["2"], False), (7, ["3"], False)]),
        # The packet may leave through any port.
        *(
            (f"set_queue:1,{action}", [(1, [], True)])
            for action in (
                "NORMAL", "FLOOD", "ALL", "IN_PORT", "output:NXM_NX_REG0[0..15]", "output(port=2,max_len=5)", "resubmit(,5)", "goto_table:5",
                "group:7", "bundle(eth_src,0,hrw,ofport,members:1,2)", "ct(table=3)", "learn(table=1)", "multipath(eth_src,50,hrw,1,0,reg0)",
            )
        ),
        ("set_queue:1,output:2,NORMAL,set_queue:2,output:3", [(1, ["2"], True), (2, ["3"], False)]),
        # The queue set in a clone applies only there.
        ("clone(set_queue:1,output:2),output:3", [(1, ["2"], False)]),
        ("set_queue:1,clone(set_queue:2,output:3),output:4", [(1, ["4"], False), (2, ["3"], False)]),
        ("set_queue:1,clone(pop_queue,output:3),output:4", [(1, ["4"], False)]),
        ("clone(clone(set_queue:1,output:2),output:3),set_queue:4,output:5", [(1, ["2"], False), (4, ["5"], False)]),
        ("set_queue:1,clone(ct(table=3,nat(src=10.0.0.1)),set_queue:2),output:4", [(1, ["4"], True), (2, [], False)]),
        ("set_queue:1,clone(encap(nsh(md_type=2,tlv(0x1000,10,0x12))),output:2),output:4", [(1, ["2", "4"], False)]),
        ("set_queue:1," + "clone(" * 20 + "set_queue:2" + ")" * 20 + ",output:4", [(1, ["4"], False), (2, [], False)]),
        ("set_queue:1,output:2),output:4", [(1, ["2", "4"], False)]),
        # In an action set, the last set_queue applies before any output.
        ("write_actions(output:2,set_queue:1)", [(1, ["2"], False)]),
        ("set_queue:3,output:4,write_actions(set_queue:1,output:2,set_queue:5)", [(3, ["4"], False), (5, ["2"], False)]),
        ("set_queue:3,write_actions(output:2)", [(3, ["2"], False)]),
    ],
)  # fmt: skip
def test_the_queues_that_actions_select(actions, queues):
    assert sorted(selected(actions)) == queues


@pytest.mark.parametrize(
    ("actions", "queues"),
    [
        ("set_queue:1", [(1, [], True)]), ("set_queue:1,output:2", [(1, ["2"], False)]), ("set_queue:1,pop_queue", [(1, [], False)]),
        ("enqueue:3:7", [(7, ["3"], False)]), ("set_queue:1,set_queue:2", [(1, [], False), (2, [], True)]), ("output:2", []),
    ],
)  # fmt: skip
def test_the_queue_that_stays_selected(actions, queues):
    assert selected(actions, goes_on=True) == queues


@pytest.mark.parametrize("line", ["actions=set_queue:1,NORMAL", "actions=enqueue:1:2", "actions=enqueue(1,2)", "actions=group:3"])
def test_flows_that_may_select_a_queue(line):
    assert may_select(line) and not may_select("in_port=1 actions=output:1,NORMAL")


def test_groups_that_actions_go_to():
    assert groups("group:3,output:1,group:12,group:3,clone(group:4)") == ["3", "12", "4"]
    assert groups("output:1") == groups("set_field:1->reg0,xgroup:5") == []


def test_the_queues_of_groups():
    """The queues of their buckets, and of the groups that these refer to, even in a loop."""
    found = of_groups(
        "OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):\n"
        " group_id=1,type=select,bucket=bucket_id:0,actions=set_queue:1,output:2,bucket=bucket_id:1,actions=output:3,set_queue:4,output:5\n"
        " group_id=2,type=all,bucket=bucket_id:0,actions=group:1\n"
        " group_id=3,type=all,bucket=bucket_id:0,actions=output:1\n"
        " group_id=4,type=all,bucket=bucket_id:0,actions=set_queue:9,group:5\n"
        " group_id=5,type=all,bucket=bucket_id:0,actions=group:4,bucket=bucket_id:1,actions=group:99\n"
    )
    of_1 = [(1, frozenset("2"), False), (4, frozenset("5"), False)]
    of_4 = [(9, frozenset(), True)]
    assert found == {"1": of_1, "2": of_1, "4": of_4, "5": of_4}
    assert of_groups("OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):\n") == {}


def test_the_search_through_groups_is_limited(monkeypatch):
    monkeypatch.setattr(queue_selection, "_MOST_STEPS", 6)
    chain = "".join(f" group_id={n},type=all,bucket=actions=group:{n + 1}\n" for n in (1, 2)) + " group_id=3,type=all,bucket=actions=drop\n"
    assert of_groups(chain) == {}  # 3 + 2 + 1
    monkeypatch.setattr(queue_selection, "_MOST_STEPS", 5)
    with pytest.raises(Refused, match=r"^ovs-ofctl: more than 5 links between groups$"):
        of_groups(chain)
