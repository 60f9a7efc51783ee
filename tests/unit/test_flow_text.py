"""ovs-ofctl's text, captured from Open vSwitch 3.1, and its parsing, compared with ovs.flow."""

import json
import re

import pytest

from ovstool.errors import Refused
from ovstool.openflow.syntax import datapath_actions, objects, text, trace
from ovstool.openflow.syntax.names import with_names, with_numbers, with_outputs

DUMP = """\
OFPST_FLOW reply (OF1.5) (xid=0x2): flags=[more]
 cookie=0x0, duration=0.038s, table=0, n_packets=0, n_bytes=0, idle_age=0, priority=0 actions=NORMAL
 cookie=0x5, duration=12s, table=3, n_packets=7, n_bytes=420, idle_timeout=10, hard_timeout=9, send_flow_rem importance=5, idle_age=0, \
hard_age=4, dl_vlan=5 actions=output:2
NXST_FLOW reply (xid=0x4):
 cookie=0x0, duration=0.004s, table=1, n_packets=0, n_bytes=0, reset_counts check_overlap idle_age=0, priority=5,ip,in_port=2 actions=output:1
 cookie=0x0, duration=0.004s, table=2, n_packets=0, n_bytes=0, actions=drop
 cookie=0x0, duration=0.004s, table=2, n_packets=0, n_bytes=0, something_new=5, tcp actions=drop
 cookie=0xffffffffffffffff, duration=0.004s, table=uplink, actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])
"""
ROWS = [
    (0, 0, "0x0", 0, 0, 0.038, "", "NORMAL"),
    (3, 32768, "0x5", 7, 420, 12.0, "dl_vlan=5", "output:2"),
    (1, 5, "0x0", 0, 0, 0.004, "ip,in_port=2", "output:1"),
    (2, 32768, "0x0", 0, 0, 0.004, "", "drop"),
    (2, 32768, "0x0", 0, 0, 0.004, "tcp", "drop"),
    ("uplink", 32768, "0xffffffffffffffff", None, None, 0.004, "", "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])"),
]
DUMPED = list(text.flows(text.lines([DUMP.encode()])))


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_dumped_flows_in_chunks_of_any_size(size):
    data = DUMP.encode()
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    assert list(text.flows(text.lines(chunks))) == ROWS


def test_a_text_without_an_end_of_line():
    assert list(text.lines([b"a\nb", b"c"])) == ["a", "bc"]
    assert list(text.lines([])) == [] and list(text.lines([b"a\n", b"b\n"])) == ["a", "b"]


def test_undecodable_bytes_are_shown_escaped():
    assert list(text.lines([b"a\xff\nb\xfe"])) == ["a\ufffd", "b\ufffd"]


def test_lines_that_are_not_flows_are_not_skipped():
    """Only headers and empty lines are skipped."""
    for line in (
        " cookie=0x0, nonsense",
        " cookie=0x0, duration=1, table=0, actions=drop",
        " OFPST_FLOW reply",
        "garbage",
        " ",
    ):
        with pytest.raises(Refused) as failure:
            list(text.flows(["OFPST_FLOW reply (OF1.5) (xid=0x2):", "", line]))
        assert failure.value.what == "ovs-ofctl"
        assert failure.value.why.startswith("not a flow in a format that this version of ovstool supports: ")


def test_tables_and_ports_that_have_names():
    """A number too long for a table is a name, and names may contain all characters that separate the parts of a flow."""
    line = ' cookie=0x0, duration=1s, table={}, n_packets=0, n_bytes=0, priority=1,in_port="a, b" actions=output:"x actions=y"'
    (row,) = text.flows([line.format('"my table, 2"')])
    assert (row.table, row.match, row.actions) == ('"my table, 2"', 'in_port="a, b"', 'output:"x actions=y"')
    assert [row.table for row in text.flows([line.format(table) for table in ("0", "254", "999", "1000", "t1", "uplink")])] == [
        0, 254, 999, "1000", "t1", "uplink",
    ]  # fmt: skip


def test_an_endless_line_is_refused():
    with pytest.raises(Refused, match=r"^ovs-ofctl: a line is longer than 1048576 bytes$"):
        list(text.lines([b"x" * 2**18] * 10_000))
    assert list(map(len, text.lines([b"x" * 2**18] * 4))) == [2**20]
    with pytest.raises(Refused, match="longer than"):
        list(text.lines([b"x" * 2**20, b"x"]))


MATCHES = [
    "", "ip", "in_port=1", "in_port=eth1", 'in_port="eth-1"', "tcp,in_port=LOCAL,nw_src=10.0.0.0/8,nw_dst=10.0.0.1,tp_dst=80",
    "tcp6,ipv6_src=fe80::1,ipv6_dst=2001:db8::/32,tp_src=0x50/0xfff0", "dl_src=02:00:00:00:00:01,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
    "dl_vlan=5,dl_vlan_pcp=3", "vlan_tci=0x1000/0x1000", "vlan_tci=0x0000/0x1fff", "ct_state=+trk-new,ct_zone=5,ip", "ct_mark=0x1/0xf,ip",
    "ct_label=0x1/0xff,ip", "reg0=0x5,reg1=0x1/0xffff,xreg2=0x7", "metadata=0x5/0xff", "tun_id=0x5,tun_src=10.0.0.1", "arp,arp_tpa=10.0.0.1,arp_op=1",
    "icmp,icmp_type=8", "icmp6,icmp_type=135,nd_target=fe80::1", "mpls,mpls_label=5", "conj_id=3,ip", "tcp,tcp_flags=+syn-ack",
    "udp,nw_tos=16,nw_ttl=64,nw_frag=later", "dl_type=0x88cc", "pkt_mark=0x5,recirc_id=0x1", "tun_metadata0=0x5", "sctp,tp_dst=5", "rarp",
]  # fmt: skip
ACTIONS = [
    "drop", "NORMAL", "LOCAL", "IN_PORT", "output:1", "output:eth1", 'output:"eth-1"', "output:NXM_NX_REG0[0..15]", "output:1,output:2,eth1",
    "output(port=2,max_len=100)", "CONTROLLER:65535", "CONTROLLER:128", "controller(reason=action,max_len=128,id=5)",
    "controller(userdata=00.01.02,pause)", "enqueue:eth1:3", "enqueue:1:3", "set_queue:3,output:1,pop_queue", "group:5", "meter:3,output:1",
    "resubmit:1", "resubmit(,5)", "resubmit(eth1,5),resubmit(,6)", "resubmit(1,5,ct)", "goto_table:5", "write_metadata:0x5/0xff,goto_table:3",
    "mod_dl_dst:02:00:00:00:00:01,mod_dl_src:02:00:00:00:00:02", "mod_nw_src:10.0.0.1,mod_nw_dst:10.0.0.2,mod_nw_tos:16,mod_nw_ttl:5",
    "mod_tp_src:80,mod_tp_dst:81", "mod_vlan_vid:5,mod_vlan_pcp:3,strip_vlan", "push_vlan:0x8100,set_field:4101->vlan_vid,pop_vlan",
    "push_mpls:0x8847,set_mpls_label:5,pop_mpls:0x0800", "set_field:02:00:00:00:00:01->eth_dst", "set_field:10.0.0.1->ip_dst",
    "set_field:0x5/0xff->reg0", "set_field:fe80::1->ipv6_dst", "load:0x5->NXM_NX_REG0[]", "load:0x1->NXM_NX_REG1[0..15]",
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31]", "dec_ttl", "dec_ttl(1,2)", "set_tunnel:0x5",
    "note:01.02.00.00.00.00", "push:NXM_NX_REG2[],pop:NXM_NX_REG3[]", "ct", "ct(commit)", "ct(table=5,zone=NXM_NX_REG0[0..15])",
    "ct(commit,zone=5,nat(src=10.0.0.1-10.0.0.9:1000-2000,random),exec(load:0x1->NXM_NX_CT_MARK[]))", "ct(commit,force,alg=ftp,exec(set_field:0x1->ct_mark))",
    "ct_clear", "learn(table=1,hard_timeout=300,priority=5,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "learn(table=2,idle_timeout=10,eth_type=0x800,nw_proto=6,load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]),resubmit(,2)",
    "multipath(eth_src,50,modulo_n,2,0,NXM_NX_REG0[])", "bundle(eth_src,0,hrw,ofport,members:1,2)", "conjunction(1,1/2),conjunction(2,2/2)",
    "write_actions(output:1,set_field:0x5->reg0)", "clone(set_field:02:00:00:00:00:01->eth_dst,output:1),output:2", "clear_actions",
    "sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3)", "check_pkt_larger(1500)->NXM_NX_REG0[1],output:1",
    "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))", "decap()", "fin_timeout(idle_timeout=5,hard_timeout=6)", "exit", "delete_field:tun_metadata0",
]  # fmt: skip


def theirs(match: str, actions: str) -> tuple[dict, list]:
    """How OFPFlow parses a flow, through its own JSON encoder."""
    from ovs.flow.decoders import FlowEncoder
    from ovs.flow.ofp import OFPFlow

    flow = OFPFlow(f"cookie=0x0, duration=1s, table=0, n_packets=0, n_bytes=0, idle_age=0, {match or 'priority=32768'} actions={actions}")
    written = json.dumps([flow.match, flow.actions], cls=FlowEncoder)
    # It omits leading zeros of MAC addresses.
    written = re.sub(r"\b(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}\b", lambda mac: ":".join(x.zfill(2) for x in mac[0].split(":")), written)
    parsed = json.loads(written)
    parsed[0].pop("priority", None)
    return tuple(parsed)


@pytest.mark.parametrize("match", MATCHES)
def test_matches_are_parsed_like_ovs_flow(match):
    ours = objects.of_match(match)
    assert json.loads(json.dumps(ours)) == ours == theirs(match, "drop")[0]
    assert match == "" or ours


@pytest.mark.parametrize("actions", ACTIONS)
def test_actions_are_parsed_like_ovs_flow(actions):
    ours = objects.of_actions(actions)
    assert json.loads(json.dumps(ours)) == ours == theirs("ip", actions)[1]
    assert ours


@pytest.mark.parametrize(
    ("match", "parsed"),
    [
        ("new_field=5", {"new_field": "5"}),
        ("ip,gtpu_flags=0x30,in_port=1", {"ip": True, "gtpu_flags": "0x30", "in_port": 1}),
        ('new_field=(1,2),in_port="a, b"', {"new_field": "(1,2)", "in_port": '"a, b"'}),
    ],
)
def test_a_match_that_ovs_flow_cannot_parse_is_text(match, parsed):
    assert objects.of_match(match) == parsed


@pytest.mark.parametrize(
    ("actions", "parsed"),
    [
        ("ct(commit", [{"ct": "commit"}]),
        ("set_field:5/0x3f->mpls_label,output:1", [{"set_field": "5/0x3f->mpls_label"}, {"output": {"port": 1}}]),
        ('output:"a, b",output:"c(d"', [{"output": '"a, b"'}, {"output": {"port": "c(d"}}]),
        ("clone(clone(output:1),output:2)", [{"clone": "clone(output:1),output:2"}]),
    ],
)
def test_actions_that_ovs_flow_cannot_parse_are_text(actions, parsed):
    assert objects.of_actions(actions) == parsed


def test_a_difference():
    found = text.difference(
        "-priority=0 actions=NORMAL\n-table=5 priority=1,ip actions=drop\n+table=5 priority=1,ip cookie=0x3 actions=output:eth1\n"
    )
    assert found.minus == ["priority=0 actions=NORMAL", "table=5 priority=1,ip actions=drop"]
    assert found.plus == ["table=5 priority=1,ip cookie=0x3 actions=output:eth1"] and found.updated == 1
    assert text.difference("-table=2  actions=drop\n").minus == ["table=2 actions=drop"]
    assert not text.difference("")
    for one_side in ("-ip actions=drop\n", "+ip actions=drop\n"):
        assert text.difference(one_side) and text.difference(one_side).updated == 0
    named = text.difference('-in_port="a b" actions=output:"c action"\n+ip actions=drop\n')
    assert named.minus == ['in_port="a\\u0020b" actions=output:"c\\u0020\\u0061ction"'] and named.plus == ["ip actions=drop"]


@pytest.mark.parametrize(
    ("flow", "head"),
    [
        ("actions=drop", "table=0"),
        ("priority=5,ip actions=drop", "table=0 priority=5,ip"),
        ("table=2 actions=drop", "table=2"),
        ("table=2 tcp cookie=0x1 idle_timeout=5 hard_timeout=6 importance=7 actions=drop", "table=2 tcp"),
        *((f"table=2 tcp {word}=7 actions=drop", "table=2 tcp") for word in ("cookie", "idle_timeout", "hard_timeout", "importance")),
        ("cookie=0x1 actions=drop", "table=0"),
        ("priority=5,ip actions=learn(table=1, cookie=0x5 )", "table=0 priority=5,ip"),
    ],
)
def test_the_key_of_a_flow(flow, head):
    assert text.key(flow) == head


def test_dumped_flows_and_those_of_a_difference_have_the_same_keys():
    lines = [text.line_of(row) for row in DUMPED]
    assert lines[:3] == [
        "priority=0 actions=NORMAL",
        "table=3 dl_vlan=5 cookie=0x5 actions=output:2",
        "table=1 priority=5,ip,in_port=2 actions=output:1",
    ]
    assert [text.key(line) for line in lines] == [text.key_of(row) for row in DUMPED]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ("in_port=eth1,ip actions=output:eth2", "in_port=1,ip actions=output:2"),
        ("ip actions=resubmit(eth1,5),resubmit:eth2,resubmit(,6)", "ip actions=resubmit(1,5),resubmit:2,resubmit(,6)"),
        ("actions=enqueue:eth1:3,output(port=eth2,max_len=5)", "actions=enqueue:1:3,output(port=2,max_len=5)"),
        ("actions=bundle(eth_src,0,hrw,ofport,members:eth1,eth2)", "actions=bundle(eth_src,0,hrw,ofport,members:1,2)"),
        ("actions=set_field:eth1->in_port,output:LOCAL", "actions=set_field:1->in_port,output:LOCAL"),
        ("group_id=1,type=ff,bucket=watch_port:eth1,actions=output:eth2", "group_id=1,type=ff,bucket=watch_port:1,actions=output:2"),
        ('in_port="a b" actions=output:"x-y"', "in_port=3 actions=output:4"),
        ("reg0=0x1,ip actions=set_field:1->reg0,output:NXM_NX_REG0[]", "reg0=0x1,ip actions=set_field:1->reg0,output:NXM_NX_REG0[]"),
    ],
)
def test_ports_by_number_and_by_name(names, numbers):
    ports = text.port_numbers(" 1(eth1): addr:aa:55:aa:55:00:0f\n     config:     0\n 2(eth2): addr:x\n 3(a b): addr:x\n 4(x-y): addr:y\n")
    assert with_numbers(names, ports) == numbers
    assert with_names(numbers, {number: name for name, number in ports.items()}) == names


def test_other_spellings_of_ports_by_name():
    numbers = {"eth1": "1", "a b": "3", "7": "4", "p#1": "5", "a=b": "6"}
    spelt = "in_port:eth1,actset_output:eth1 actions=output=eth1,output(eth1),enqueue(eth1,3),enqueue=eth1:3"
    assert with_numbers(spelt, numbers) == "in_port:1,actset_output:1 actions=output=1,output(1),enqueue(1,3),enqueue=1:3"
    assert with_outputs("ip,eth1 actions=eth1", numbers) == "ip,eth1 actions=output:1"
    alone = 'action=set_queue:3,"a\\u0020b",write_actions(drop, eth1),resubmit(,eth1),goto_table:eth1,ct(table=eth1),7,eth12,a=b,p#1'
    done = "action=set_queue:3,output:3,write_actions(drop, output:1),resubmit(,eth1),goto_table:eth1,ct(table=eth1),7,eth12,a=b,p#1"
    assert with_outputs(alone, numbers) == done
    assert with_outputs("in_port=eth1", numbers) == "in_port=eth1"


def test_flows_as_they_are_sent():
    printed = (
        "usable protocols: any\nchosen protocol: OXM-OpenFlow15\n"
        "OFPT_FLOW_MOD (OF1.5) (xid=0x1): ADD table:5 priority=1,ipv6,ipv6_src=fe80::1 cookie:0x3 idle:7 hard:100 importance:5 send_flow_rem "
        "actions=set_field:02:00:00:00:00:01->eth_dst\nOFPT_FLOW_MOD (OF1.5) (xid=0x5): ADD actions=drop\n"
        "OFPT_FLOW_MOD (xid=0x6): ADD table:1 pri:7 ip cookie:0x0 actions=load:0x1->NXM_NX_REG0[]\n"
    )
    assert text.sent_flows(printed) == [
        "table=5 priority=1,ipv6,ipv6_src=fe80::1 cookie=0x3 idle_timeout=7 hard_timeout=100 importance=5 send_flow_rem "
        "actions=set_field:02:00:00:00:00:01->eth_dst",
        " actions=drop",
        "table=1 priority=7 ip cookie=0x0 actions=load:0x1->NXM_NX_REG0[]",
    ]
    assert text.KEPT_FLAGS == {"send_flow_rem", "no_packet_counts", "no_byte_counts"}  # enum ofputil_flow_mod_flags, OFPUTIL_FF_STATE


def traced(steps: str, datapath: str, rest: str = "") -> trace.Trace:
    return trace.parse(
        'Flow: ip,in_port=eth1\n\nbridge("br0")\n-------------\n'
        f"{steps}\nFinal flow: unchanged\nMegaflow: recirc_id=0,eth,ip,in_port=eth1,nw_frag=no\nDatapath actions: {datapath}\n{rest}"
    )


VERDICTS = [
    (" 0. No match.\n    drop\n", "drop", "dropped: no flow in table 0 matches"),
    (' 0. No match, and a "packet-in" is called for.\n', "drop", 'dropped: No match, and a "packet-in" is called for'),
    (" 0. ip, priority 10\n    resubmit(,2)\n 2. No match.\n    drop\n", "drop", "dropped: no flow in table 2 matches"),
    (" 3. ip,in_port=eth1, priority 10, cookie 0x7\n    drop\n", "drop", "dropped by table 3, priority 10: ip,in_port=eth1"),
    (" 3. priority 5\n    drop\n", "drop", "dropped by table 3, priority 5"),
    (" 0. priority 5\n    set_field:0x1->reg0\n", "drop", "dropped by table 0, priority 5: none of its actions sends it anywhere"),
    (
        " 0. ip, priority 10\n    output:eth1\n     >> skipping output to input port\n",
        "drop",
        "dropped by table 0, priority 10: skipping output to input port",
    ),
    (
        " 0. priority 10\n    output:77\n     >> Nonexistent output port\n",
        "drop",
        "dropped by table 0, priority 10: Nonexistent output port",
    ),
    (
        " 0. priority 0\n    NORMAL\n     >> no input bundle, dropping\n",
        "drop",
        "dropped by table 0, priority 0: NORMAL needs to know the input port (in_port=PORT)",
    ),
    (" 0. priority 0\n    output:eth2\n", "eth2", "forwarded out of eth2"),
    (" 0. priority 0\n    NORMAL\n     -> forwarding to learned port\n", "push_vlan(vid=5,pcp=0),eth2", "forwarded out of eth2"),
    (" 0. priority 0\n    NORMAL\n     -> no learned MAC for destination, flooding\n", "br0,eth2", "flooded to br0 and eth2"),
    (" 0. priority 0\n    FLOOD\n", "br0,eth2,eth3", "flooded to br0, eth2 and eth3"),
    (
        " 0. priority 0\n    set_queue:3\n    output:eth2\n    pop_queue\n    output:eth3\n",
        "set(skb_priority(0x3)),eth2,set(skb_priority(0)),eth3",
        "forwarded out of eth2 (queue 3) and eth3",
    ),
    (
        " 0. priority 0\n    output:vx1\n     -> output to kernel tunnel\n",
        "set(tunnel(tun_id=0x5,dst=10.9.9.9,ttl=64,tp_dst=4789,flags(df|key))),vxlan_sys_4789",
        "forwarded out of vx1 (tunnel to 10.9.9.9)",
    ),
    (
        " 0. priority 0\n    NORMAL\n     -> forwarding to learned port\n     -> output to kernel tunnel\n",
        "set(tunnel(tun_id=0x5,ipv6_dst=2001:db8::9,ttl=64,tp_dst=4789,flags(df|key))),vxlan_sys_4789",
        "forwarded out of vxlan_sys_4789 (tunnel to 2001:db8::9)",  # output by a flow that names no port
    ),
    (
        " 0. priority 0\n    output:vx1\n     -> output to kernel tunnel\n    output:vx2\n     -> output to kernel tunnel\n",
        "set(tunnel(dst=10.9.9.9,ttl=64)),vxlan_sys_4789,set(tunnel(dst=10.9.9.8,ttl=64)),vxlan_sys_4789",
        "forwarded out of vx1 (tunnel) and vx2 (tunnel)",
    ),
    (
        ' 0. priority 0\n    output:p1\n\n    bridge("br1")\n    -----\n         0. priority 0\n            NORMAL\n'
        "             -> forwarding to learned port\n             -> output to native tunnel\n    output:NXM_NX_REG0[]\n     -> output port is 0\n",
        "clone(tnl_push(tnl_port(vxlan_sys_4789),header(size=50,type=4,eth(dst=02:00:00:00:00:01,src=02:00:00:00:00:02,dl_type=0x0800),"
        "ipv4(src=10.9.9.1,dst=10.9.9.9,proto=17),udp(src=0,dst=4789,csum=0x0),vxlan(flags=0x8000000,vni=0x5)),out_port(br0)),eth2)",
        "forwarded out of eth2 and vxlan_sys_4789 (tunnel to 10.9.9.9)",  # not the patch port or the tunnel's local port
    ),
    (
        " 0. priority 0\n    CONTROLLER:65535\n",
        "userspace(pid=0,controller(reason=1,dont_send=1,continuation=0,recirc_id=1,rule_cookie=0,controller_id=0,max_len=65535))",
        "sent to the controller",
    ),
    (
        " 0. priority 0\n    output:eth2\n",
        "sample(sample=1.6%,actions(userspace(pid=1,sFlow(vid=0,pcp=0,output=1),actions))),eth2",
        "forwarded out of eth2",
    ),
    (" 0. priority 0\n    clone(output:eth2)\n", "clone(set(eth(dst=02:00:00:00:00:01)),eth2),br0", "forwarded out of eth2 and br0"),
    (" 0. priority 0\n    check\n", "check_pkt_len(size=1500,gt(eth3),le(eth2))", "forwarded out of eth3 and eth2"),
    (' 0. priority 0\n    output:"a,b"\n', '"a,b"', "forwarded out of a,b"),
]


@pytest.mark.parametrize(("steps", "datapath", "verdict"), VERDICTS)
def test_a_verdict(steps, datapath, verdict):
    found = traced(steps, datapath)
    assert found.verdict == verdict
    assert (found.final_flow, found.datapath_actions) == ("unchanged", datapath)
    assert bool(found.outputs) == verdict.startswith(("forwarded", "flooded"))


@pytest.mark.parametrize(
    ("actions", "datapath", "verdict"),
    [
        ("set_queue:3 NORMAL", "eth2,br0", "forwarded out of eth2 (queue 3) and br0 (queue 3)"),
        ("set_queue:3 FLOOD", "eth2,br0", "flooded to eth2 (queue 3) and br0 (queue 3)"),
        ("set_queue:3 ALL", "eth2", "flooded to eth2 (queue 3)"),
        ("set_queue:3 pop_queue NORMAL", "eth2", "forwarded out of eth2"),
        ("enqueue:eth2:5 output:br0", "eth2,br0", "forwarded out of eth2 (queue 5) and br0"),
        ('set_queue:3 enqueue:"a:b":5 output:eth2', '"a:b",eth2', "forwarded out of a:b (queue 5) and eth2 (queue 3)"),
        # The last of several counts.
        ("set_queue:3 output:eth2 set_queue:4 NORMAL", "eth2,br0", "forwarded out of eth2 (queue 4) and br0 (queue 4)"),
        ("set_queue:3 NORMAL set_queue:4 output:eth2", "br0,eth2", "forwarded out of br0 (queue 3) and eth2 (queue 4)"),
        ("set_queue:3 NORMAL enqueue:eth2:10 set_queue:5", "br0,eth2", "forwarded out of br0 (queue 3) and eth2 (queue 10)"),
        ("set_queue:3 dec_ttl pop_queue output:eth2", "eth2", "forwarded out of eth2"),
        ("set_field:0x1->reg0 drop", "drop", "dropped by table 0, priority 5: ip"),
    ],
)
def test_the_queue_of_each_output(actions, datapath, verdict):
    steps = "".join(f"    {action}\n" for action in actions.split())
    assert traced(f" 0. ip, priority 5\n{steps}", datapath).verdict == verdict


DPIF_SHOW = """\
netdev@ovs-netdev: hit:5 missed:2
  br1:
    br1 65534/4: (tap)
system@ovs-system: hit:0 missed:0
  a b:
    a b 65534/1: (internal)
    vx 1 9/none: (vxlan: remote_ip=10.0.0.1)
  br0:
    br0 65534/2: (internal)
    eth1 1/3: (system)
"""
DPCTL_SHOW = """\
system@ovs-system:
  lookups: hit:0 missed:0 lost:0
  port 0: ovs-system (internal)
  port 1: a b (internal)
  port 3: eth1
  port 7: vxlan_sys_4789 (vxlan: packet_type=ptap)
"""


def test_the_names_of_ports_of_an_older_open_vswitch():
    """From dpif/show and dpctl/show (dpif_show_backer of ofproto-dpif.c, show_dpif of dpctl.c)."""
    assert [trace.datapath_of(bridge, DPIF_SHOW) for bridge in ("br1", "a b", "br0")] == [
        "netdev@ovs-netdev", "system@ovs-system", "system@ovs-system",
    ]  # fmt: skip
    for bridge, said in (("nosuch", DPIF_SHOW), ("br0", "  br0:\n"), ("br0", "")):
        with pytest.raises(Refused) as failure:
            trace.datapath_of(bridge, said)
        assert str(failure.value) == f"dpif/show: does not list bridge {bridge}"
    assert trace.port_names("br0", DPIF_SHOW, DPCTL_SHOW) == (
        "br0",
        {"br1": {"65534": "br1"}, "a b": {"65534": "a b", "9": "vx 1"}, "br0": {"65534": "br0", "1": "eth1"}},
        {"0": "ovs-system", "1": "a b", "3": "eth1", "7": "vxlan_sys_4789"},
    )


def test_a_trace_with_numbers_gets_the_names():
    found = trace.parse(
        'Flow: ip,in_port=1\n\nbridge("br0")\n-------------\n    odd\n 0. in_port=1, priority 5\n    output:1\n     >> skipping output:1\n'
        "\nFinal flow: in_port=1\nMegaflow: in_port=1,ip\nDatapath actions: 3,1\n",
        trace.port_names("br0", DPIF_SHOW, DPCTL_SHOW),
    )
    assert (found.flow, found.final_flow, found.megaflow) == ("ip,in_port=eth1", "in_port=eth1", "in_port=eth1,ip")
    assert (found.datapath_actions, found.outputs) == ('eth1,"a b"', ["eth1", "a b"])
    assert found.lines == ["bridge br0", "    odd", "  table 0, priority 5: in_port=eth1", "    output:eth1", "      -> skipping output:1"]
    assert found.steps == [trace.Step("br0", 0, 0, 5, "in_port=eth1", "0x0", ["output:eth1"], ["skipping output:1"])]


def test_a_loop():
    loop = " 0. priority 0\n    resubmit(,0)\n" * 3 + "     >>>> over max translation depth 64 <<<<\n"
    assert (
        traced(loop, "drop", "Translation failed (Recursion too deep), packet is dropped.\n").verdict
        == "dropped: over max translation depth 64"
    )


def test_nested_steps_keep_their_actions():
    found = traced(
        " 0. ip, priority 10\n    resubmit(,1)\n     1. priority 5, cookie 0x7\n            output:eth2\n    resubmit(,4)\n"
        "     4. ip, priority 6\n            goto_table:5\n         5. priority 6\n            write_actions(LOCAL)\n             -> action set is: LOCAL\n"
        "--. Executing action set:\n    LOCAL\n",
        "eth2,br0",
    )
    assert [(step.table, step.priority, step.match, step.cookie, step.depth) for step in found.steps] == [
        (0, 10, "ip", "0x0", 0), (1, 5, "", "0x7", 1), (4, 6, "ip", "0x0", 1), (5, 6, "", "0x0", 2),
    ]  # fmt: skip
    assert [step.actions for step in found.steps] == [
        ["resubmit(,1)", "resubmit(,4)", "LOCAL"],
        ["output:eth2"],
        ["goto_table:5"],
        ["write_actions(LOCAL)"],
    ]
    assert found.steps[3].notes == ["action set is: LOCAL"]


def test_steps_on_no_bridge_keep_their_actions_too():
    steps = " 0. priority 1\n    resubmit(,1)\n     1. priority 5\n            output:eth2\n    output:eth3\n"
    found = trace.parse(f"{steps}Datapath actions: eth2,eth3\n")
    assert [(step.bridge, step.actions) for step in found.steps] == [("", ["resubmit(,1)", "output:eth3"]), ("", ["output:eth2"])]


def test_connection_tracking_is_followed():
    rest = (
        '\n====\nrecirc(0x2) - resume conntrack with default ct_state=trk|new (use --ct-next to customize)\n====\n\nFlow: recirc_id=0x2\n\nbridge("br0")\n'
        "-------------\n    thaw\n        Resuming from table 1\n 1. priority 5\n    output:eth2\n\nFinal flow: unchanged\nMegaflow: x\nDatapath actions: eth2\n"
    )
    found = traced(" 0. priority 1\n    ct(table=1,zone=5)\n    drop\n", "ct(zone=5),recirc(0x2)", rest)
    assert found.verdict == "forwarded out of eth2, after connection tracking in zone 5"
    assert found.datapath_actions == "ct(zone=5),recirc(0x2)\neth2" and [step.table for step in found.steps] == [0, 1]
    assert [step.actions for step in found.steps] == [["ct(table=1,zone=5)", "drop"], ["output:eth2"]]  # resumed actions have no step
    assert found.lines[5:] == ["bridge br0", "    thaw", "    Resuming from table 1", "  table 1, priority 5", "    output:eth2"]


def test_lines_of_a_trace_outside_its_steps():
    """Only the lines for people have it, and a table without a matching flow."""
    found = traced(" 0. No match.\n    drop\n--. Executing action set:\n    LOCAL\n", "br0")
    assert found.lines == ["bridge br0", "  table 0: no flow matches", "    drop", "--. Executing action set:", "    LOCAL"]


def test_a_step_with_less_indentation_is_on_the_outer_bridge():
    found = traced(' 0. priority 1\n    bridge("br1")\n         0. priority 2\n 1. priority 3\n    output:eth2\n', "eth2")
    assert [(step.bridge, step.depth) for step in found.steps] == [("br0", 0), ("br1", 2), ("br0", 0)]
    assert found.steps[2].actions == ["output:eth2"]


def test_what_is_not_a_trace():
    with pytest.raises(Refused):
        trace.parse("hello\x1b[31m")


def test_a_recirculation_that_is_followed():
    rest = "\n====\nrecirc(0x2) - resume mpls\n====\n\n 1. priority 5\n    output:eth2\nDatapath actions: eth2\n"
    found = traced(" 0. priority 1\n    pop_mpls:0x0800\n", "pop_mpls(eth_type=0x800),recirc(0x2)", rest)
    assert found.verdict == "forwarded out of eth2, after a recirculation (mpls)"
    assert found.lines == [
        "bridge br0", "  table 0, priority 1", "    pop_mpls:0x0800", "recirc(0x2) - resume mpls", "  table 1, priority 5", "    output:eth2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("datapath", "verdict"),
    [
        ("recirc(0x3)", "not followed to its end: it is processed again (recirc(0x3))"),
        ("hash(l4(0)),recirc(0x3)", "not followed to its end: the hash of a select group decides (hash(l4(0)),recirc(0x3))"),
        ("eth2,userspace(pid=0,controller(reason=1))", "forwarded out of eth2 and sent to the controller"),
        ("sample(sample=1.6%,actions(eth3,userspace(pid=1,sFlow(x),actions))),eth2", "forwarded out of eth2"),
        ("eth1,sample(sample=1.6%,actions(clone(eth3),userspace(pid=1),eth4)),eth2", "forwarded out of eth1 and eth2"),
        ("clone(sample(sample=1.6%,actions(userspace(pid=1),eth4)),eth5),eth2", "forwarded out of eth5 and eth2"),
        ("sample(sample=50.0%,actions(eth3)),eth2", "forwarded out of eth3 and eth2"),
    ],
)
def test_a_verdict_from_the_datapath_actions(datapath, verdict):
    step = " 0. priority 0\n    set_field:1->reg0\n"
    assert traced(step, datapath).verdict == verdict


def test_a_trace_of_a_packet_that_matches_no_flow():
    empty = trace.parse("Datapath actions: drop\n")
    assert (empty.verdict, empty.outputs, empty.steps, empty.tunnels) == ("dropped", [], [], [])
    assert (empty.flow, empty.final_flow, empty.megaflow, empty.datapath_actions, empty.lines) == ("", "", "", "drop", [])
    with pytest.raises(Refused) as error:
        trace.parse("hello")
    assert str(error.value) == "ofproto/trace: its output is not a trace: hello"


def test_the_tunnel_is_the_port_of_the_output_before_its_line():
    steps = " 0. priority 0\n    output:eth2\n     -> skipping output to input port\n    output:vx1\n     -> output to kernel tunnel\n"
    assert traced(steps, "set(tunnel(dst=10.9.9.9,ttl=64)),vxlan_sys_4789").tunnels == ["vx1"]


def test_a_tunnel_that_no_flow_names():
    steps = " 0. priority 0\n    output:NXM_NX_REG0[]\n     -> output to kernel tunnel\n"
    datapath = "set(tunnel(dst=10.9.9.9,ttl=64)),vxlan_sys_4789"
    assert traced(steps, datapath).tunnels == [""]
    assert traced(steps, datapath).verdict == "forwarded out of vxlan_sys_4789 (tunnel to 10.9.9.9)"
    assert traced(steps, datapath.replace("vxlan_sys_4789", "5")).verdict == "forwarded out of 5 and a tunnel (tunnel to 10.9.9.9)"


def test_lines_of_nested_bridges():
    found = traced(
        ' 0. priority 0\n    output:p1\n\n    bridge("br1")\n    -----\n         3. ip, priority 7, cookie 0x9\n            drop\n             >> why\n',
        "drop",
    )
    assert found.lines == [
        "bridge br0", "  table 0, priority 0", "    output:p1", "    bridge br1", "          table 3, priority 7, cookie 0x9: ip", "            drop", "              -> why",
    ]  # fmt: skip


NAMES = {"1": "eth1", "2": "eth 2", "3": "drop"}


@pytest.mark.parametrize(
    ("actions", "named"),
    [
        ("1,2,3", 'eth1,"eth 2","drop"'), ("clone(1),4", "clone(eth1),4"), ("set(tunnel(1))", "set(tunnel(1))"), ("1\n2", 'eth1\n"eth 2"'),
        *((f"{word}(1)", f"{word}(eth1)") for word in ("check_pkt_len", "gt", "le", "actions", "sample", "tnl_port", "out_port", "tnl_pop")),
        ("tnl_push(tnl_port(1),header(1),out_port(1)),1", "tnl_push(tnl_port(eth1),header(1),out_port(eth1)),eth1"), ("),1", "),eth1"), ("(1)", "(1)"),
    ],
)  # fmt: skip
def test_names_for_the_numbers_of_the_datapath(actions, named):
    assert datapath_actions.with_port_names(actions, NAMES) == named


def test_numbers_that_are_no_datapath_port():
    assert datapath_actions.ports("drop,pop_vlan,pop_eth,pop_nsh,ct_clear,dec_ttl,push_vlan(vid=5),vid=5,eth1") == ["eth1"]
    assert datapath_actions.ports('"a,b","vid=5",eth1') == ["a,b", "vid=5", "eth1"]
    sampled = "sample(sample=25.0%,actions(userspace(pid=1,sFlow(vid=0,pcp=0,output=2),actions),eth9))"
    assert datapath_actions.ports(f"eth1,{sampled},eth2,{sampled},eth3") == ["eth1", "eth2", "eth3"]
    assert datapath_actions.ports("gt(a),le(b),check_pkt_len(c),actions(d),sample(e),set(f),clone(set(g))") == ["a", "b", "c", "d", "e"]
    assert datapath_actions.unquoted('"a') == '"a' and datapath_actions.unquoted("a") == "a" and datapath_actions.unquoted('"a"') == "a"
