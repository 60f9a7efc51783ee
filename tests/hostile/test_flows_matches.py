"""Matches that Open vSwitch takes for others: only what was asked for is deleted, listed or compared."""

import io

import pytest

from ovstool.shell import App

VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
FLOWS = [
    "table=0,priority=0,actions=NORMAL",
    "table=0,priority=5,ip,nw_dst=1.1.1.1,actions=drop",
    "table=0,priority=5,tcp,tp_dst=1,actions=drop",
    "table=1,priority=5,udp,tp_dst=1,actions=drop",
    "table=1,priority=5,dl_vlan=904,actions=drop",
    "table=1,priority=5,dl_dst=02:00:00:00:00:02,actions=drop",
    "table=2,cookie=0x5,priority=5,arp,arp_spa=1.1.1.1,actions=LOCAL",
    "table=2,priority=5,icmp6,icmp_type=135,nd_target=fe80::1,actions=drop",
    "table=2,priority=5,reg0=1,actions=drop",
]


def dump(switch) -> list[str]:
    out = switch.tool("ovs-ofctl", "-O", VERSIONS, "--no-stats", "dump-flows", f"unix:{switch.box.directory}/br0.mgmt")
    return sorted(line.strip() for line in out.splitlines() if "reply" not in line)


def here(switch, words: list[str]) -> tuple[int, str, str]:
    """Run ovstool in this process, because there are many of these; returns the exit code and the output."""
    out, err = io.StringIO(), io.StringIO()
    code = App(out, err).run(["--db", f"unix:{switch.box.directory}/db.sock", *words])
    return code, out.getvalue(), err.getvalue()


def refuses(switch, words: list[str], said: str) -> None:
    """Assert exit code 2 and one error line, and that no flow changes."""
    before = dump(switch)
    code, out, err = here(switch, words)
    assert (code, out) == (2, ""), (out, err)
    assert err.startswith("ovstool: ") and said in err and err.count("\n") == 1, err
    assert dump(switch) == before


@pytest.fixture(scope="module")
def filled(running_switch):
    """A bridge with flows that no test of this module may lose, because every command here must be refused."""
    with running_switch("dummy") as switch:
        socket = f"unix:{switch.box.directory}/br0.mgmt"
        switch.tool("ovs-ofctl", "del-flows", socket)
        for flow in FLOWS:
            switch.tool("ovs-ofctl", "-O", VERSIONS, "add-flow", socket, flow)
        yield switch


REFUSED = {
    # the protocol is missing, or belongs to another field
    "nw_dst=1.1.1.1": "try: ip,nw_dst=1.1.1.1",
    "nw_dst:1.1.1.1": "try: ip,nw_dst:1.1.1.1",
    " ,nw_src(1.1.1.1)": "try: ip,nw_src",
    "table=1,tcp_dst=80": "try: tcp,table=1,tcp_dst=80",
    "tp_dst=80": 'tp_dst=80 would be taken as ""',
    "ip,tcp_dst=80": "ip,tp_dst=80 would be taken as ip",
    "ipv6_dst=fe80::1": "try: ipv6,ipv6_dst=fe80::1",
    "ipv6_src=fe80::1,tcp_dst=80": "try: tcp6,",
    "arp_tpa=1.1.1.1": "try: arp,arp_tpa=1.1.1.1",
    "nw_proto=6": "would be taken as",
    "ip_dscp=5": "would be taken as",
    "icmp_type=8": "try: icmp,icmp_type=8",
    "ipv6,nd_target=fe80::1": "would be taken as",
    "mpls_label=5": "try: mpls,mpls_label=5",
    "tcp,udp_dst=1": "would be taken as tcp,tp_dst=1",
    "ip,arp_spa=1.1.1.1": "would be taken as ip,nw_src=1.1.1.1",
    "ip,ipv6_src=fe80::1": "would be taken as ip",
    "tcp,icmp_type=1": "would be taken as tcp,tp_src=1",
    "NXM_OF_IP_DST[]=0x01010101": "would be taken as",
    # the same field twice
    "table=0,table=1": "has table twice",
    "cookie=1/-1,cookie=5/-1": "has cookie twice",
    "out_port=1,out_port=LOCAL": "has out_port twice",
    "dl_dst=02:00:00:00:00:01,eth_dst=02:00:00:00:00:02": "sets one field twice",
    "in_port=1,in_port=2": "sets one field twice",
    "in_port=eth1,in_port=eth2": "sets one field twice",
    "ip,ipv6": "sets one field twice",
    "tcp,udp": "sets one field twice",
    "tcp,nw_proto=17": "sets one field twice",
    "vlan_tci=0x1065,dl_vlan=904": "sets one field twice",
    "reg0=1,xreg0=5": "sets one field twice",
    "ip,nw_dst=1.1.1.1,nw_dst=1.1.1.2": "sets one field twice",
    # keywords without effect
    "n_packets=0": "does not match on anything",
    "ip,duration=5s": "does not match on anything",
    "reg0": "would be taken as",
    "eth": "matches all flows",
    "dl_dst=00:00:00:00:00:00/00:00:00:00:00:00": "matches all flows",
    "nw_dst=0.0.0.0/0": "matches all flows",
    "cookie=5/0": "does not match on anything",
    "cookie=5/0x00": "does not match on anything",
    "out_port=ANY": "does not match on anything",
    "out_group=any": "does not match on anything",
    "out_port=065535": "does not match on anything",
    "out_group=+4294967295": "does not match on anything",
    "#ip": "starts a comment",
    # values that ovs-ofctl reads differently
    "table=255": "reads it as all tables",
    "table=+255": "reads it as all tables",
    "dl_vlan=5000": "dl_vlan=5000 does not fit: 0 to 4095, or 0xffff",
    "dl_vlan_pcp=9": "does not fit",
    "ip,nw_dst=1.1.1.257": "not an address",
    "ip,nw_dst=1.1.1.-255": "not an address",
    "nw_dst(1.1. 1.1),ip": "not an address",
    "dl_dst=02:00:00:00:00:102": "02:00:00:00:00:102 is not an address",
    "dl_dst=02:00:00:00:00:02/ff:ff:ff:ff:ff:1ff": "ff:ff:ff:ff:ff:1ff is not an address",
    "dl_vlan=0x1388": "does not fit: 0 to 4095",
    "dl_vlan=011610": "does not fit: 0 to 4095",
    "dl_vlan=010": "read it as octal: 8",
    "vlan_vid=0x3388": "does not fit",
    "dl_vlan_pcp=0x9": "does not fit",
    "ip,nw_ecn=0x4": "does not fit",
    "ip,ip_dscp=0x40": "does not fit",
    "mpls,mpls_label=0x200005": "does not fit",
    "ipv6,ipv6_label=0x100005": "does not fit",
    "arp,arp_op=256": "does not fit",
    "ip=1.1.1.1": "ip takes no value",
    "ipv6:fe80::1": "ipv6 takes no value",
    "udp(1)": "udp takes no value",
    # fields that require other fields, not protocols
    "ct_state=+trk+est,ip,ct_tp_dst=80": "would be taken as ct_state=+est+trk,ip",
    "ct_state=+trk,ip,ct_nw_src=1.1.1.1": "needs another field that the match does not have",
    "packet_type=(1,0x800),ip": "needs another field that the match does not have",
    "icmp6,icmp_type=128,nd_target=fe80::1": "would be taken as icmp6,icmp_type=128",
    # not a match at all
    "table=all": "unknown table",
    "cookie=5": "cookie=5/-1",
    "priority=5,ip": "unknown keyword priority",
    "ip,actions=drop": "unknown keyword actions",
    ",": "does not match on anything",
    "\n": "does not match on anything",
    "": "does not match on anything",
    ",".join(f"reg{i % 16}={i}" for i in range(300)): "more than 256 words",
    "x" * 100_000: "32768 characters",
}


@pytest.mark.parametrize("match", REFUSED, ids=lambda match: match[:40])
def test_a_match_that_would_be_reduced_deletes_nothing(filled, match):
    refuses(filled, ["flow", "del", "br0", "--", match], REFUSED[match])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flow", "del", "br0", "--strict", "--", "table=0,priority=0,nw_dst=1.1.1.1"], "would be taken as"),
        (["flow", "del", "br0", "--strict", "--", "priority=5,priority=0"], "has priority twice"),
        (["flow", "del", "br0", "--strict", "--", "table=0,priority=5,tcp,udp_dst=1"], "would be taken as"),
        (["flow", "del", "br0", "--strict", "--", "table=0,priority=0,dl_vlan=5000"], "does not fit: 0 to 4095"),
        (["flow", "list", "br0", "nw_dst=1.1.1.1"], "try: ip,nw_dst=1.1.1.1"),
        (["flow", "list", "br0", "table=0,table=1"], "has table twice"),
        (["flow", "list", "br0", "table:1", "--table", "0"], "names a table too"),
        (["flow", "list", "br0", "table(1)", "--table", "0"], "names a table too"),
        (["flow", "top", "br0", "tcp,udp_dst=1", "--interval", "0.1"], "would be taken as"),
        (["qos", "unsteer", "eth1", "--match", "tcp,udp_dst=1"], "would be taken as"),
        (["qos", "unsteer", "eth1", "--match", "in_port=1,in_port=2"], "sets one field twice"),
        (["qos", "unsteer", "eth1", "--match", "table(1)"], "not a match field"),
        (["flow", "add", "br0", "--", "del,table=0"], "del is not a flow to add"),
        (["flow", "add", "br0", "--", "d actions=drop"], "d is not a flow to add"),
    ],
)
def test_other_commands_refuse_it_too(filled, words, said):
    refuses(filled, words, said)


MEANT_AS_FIELDS = [match for match in REFUSED if match not in ("reg0", "ip,nw_dst=1.1.1.257") and not match.startswith(("table=0,t", "out_port"))
                   and ("taken as" in REFUSED[match] or "sets one field" in REFUSED[match] or "needs another" in REFUSED[match])]  # fmt: skip


# For flows, of which there may be very many, the words are checked first.
SAID_OF_FLOWS = {
    "dl_dst=02:00:00:00:00:01,eth_dst=02:00:00:00:00:02": "eth_dst=02:00:00:00:00:02 contradicts dl_dst=02:00:00:00:00:01",
    "in_port=1,in_port=2": "in_port=2 contradicts in_port=1",
    "in_port=eth1,in_port=eth2": "in_port=eth2 contradicts in_port=eth1",
    "tcp,udp": "udp contradicts tcp",
    "tcp,nw_proto=17": "nw_proto=17 contradicts tcp",
    "ip,nw_dst=1.1.1.1,nw_dst=1.1.1.2": "nw_dst=1.1.1.2 contradicts nw_dst=1.1.1.1",
}


@pytest.mark.parametrize("match", MEANT_AS_FIELDS)
def test_a_flow_whose_match_would_be_reduced_is_not_added(filled, match):
    said = SAID_OF_FLOWS.get(match) or ("taken as" if "try:" in REFUSED[match] else REFUSED[match])
    refuses(filled, ["flow", "add", "br0", "--", f"table=9,{match},actions=drop"], said)


@pytest.mark.parametrize("verb", ["add", "replace", "diff"])
def test_a_file_whose_match_would_be_widened_is_refused(filled, verb):
    path = filled.box.directory / f"{verb}.flows"
    path.write_text("".join(f"table=9,priority={i},ip,actions=drop\n" for i in range(20)) + "table=9,nw_dst=1.1.1.1,actions=drop\n")
    refuses(filled, ["flow", verb, "br0", "--file", str(path)], 'nw_dst=1.1.1.1 would be taken as ""')


# As ovs-ofctl reads them.
TAKEN = [
    "ip", "ip,", "ip\ntable=0", "tcp,ip", "table=1", "table=2,arp,nw_src=1.1.1.1", "udp,tp_dst=1", "udp,udp_dst=1", "tcp,tcp_dst=1",
    "icmp6,icmp_type=135,nd_target=fe80::1", "dl_type=0x800,nw_proto=6,tp_dst=1", "cookie=5/-1", "out_port=LOCAL", "reg0=1/1",
    "NXM_NX_REG0[]=1", "reg0[0..3]=1", "eth_dst=02:00:00:00:00:02", "dl_vlan=904", "ip,nw_dst=0.0.0.0/0", "nw_dst=1.1.1.1,ip",
    "in_port=eth1,ip", "eth_type=0x0806", "tcp,nw_frag=no", "ct_state=+trk", "tun_id=5", "metadata=1/1", "dl_vlan=0xffff", "vlan_vid=0x1388",
    "tcp,tcp_flags=+syn", "mpls,mpls_label=5", "ipv6,ipv6_label=5", "in_port=LOCAL", 'in_port="eth1"', "packet_type=(1,0x800),nw_dst=1.1.1.1",
    "tcp,nw_proto=6,tp_dst=1", "dl_vlan=0xffff", "vlan_vid=0x1388/0x1fff", "reg0[0..3]=1,reg0[4..7]=0", "dl_dst=2:0:0:0:0:2", "out_group=65535",
    "ct_state=+trk+est,tcp,ct_nw_proto=6,ct_tp_dst=80", "ct_state=+trk-inv,ip,ct_nw_src=1.1.1.1", "dl_type=0x894f,nsh_flags=1", "tun_src=1.1.1.1",
    "ipv6,ipv6_dst=::ffff:1.1.1.1", "ipv6,ipv6_src=1:2:3:4:5:6:7:8", "cookie=0x5/0xff", "arp,arp_op=1", "dl_vlan=007", "xreg0=5,reg1=5",
]  # fmt: skip


def test_complete_matches_are_accepted(filled):
    for match in TAKEN:
        argv = ("ovs-ofctl", "-O", VERSIONS, "dump-flows", f"unix:{filled.box.directory}/br0.mgmt", match)
        there = sum(" cookie=" in line for line in filled.tool(*argv).replace("cookie=", " cookie=").splitlines())
        code, out, err = here(filled, ["flow", "del", "br0", "--dry-run", "--", match])
        assert code == 0 and len(out.splitlines()) == there, (match, out, err)
        assert ("nw_dst=0.0.0.0/0 does not change the match" in err) == ("0.0.0.0" in match), err


def test_open_vswitchs_own_flows_are_not_among_those_deleted(switch, ovstool):
    """A switch lists the flows of its hidden table for a match on the full cookie; they stay."""
    for change in ("deleted", "unchanged"):
        shown = ovstool("flow del br0 cookie=0/-1 --dry-run").stdout
        assert "table=254" not in shown and len(shown.splitlines()) == len(dump(switch)), shown
        assert ovstool("flow del br0 cookie=0/-1").stdout == f"cookie=0/-1: {change}\n"
    assert ovstool("flow list br0 table=254 -f json").json
    assert ovstool("flow del br0 table=254").code == 6
