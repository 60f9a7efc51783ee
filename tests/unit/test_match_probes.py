"""The matches that ovs-ofctl need not check, and how its output is used for the others."""

import pytest
from flow_values import EXTRACT, PROTOCOL_WORDS

from ovstool.openflow.accepts import match_probes, prerequisites
from ovstool.openflow.syntax.lexer import words

V4, V6, MPLS = ({word for word, (kind, _) in PROTOCOL_WORDS.items() if kind in kinds} for kinds in ((0x800,), (0x86DD,), (0x8847, 0x8848)))
OF_IP = {number: {word for word, (_, of_ip) in PROTOCOL_WORDS.items() if of_ip == number} for number in (1, 6, 17, 58, 132)}
NEEDS = {  # the prerequisites of ovs-fields(7), and the keywords for them
    "ARP": {"arp"}, "IPv4": V4, "IPv6": V6, "IPv4/IPv6": V4 | V6, "MPLS": MPLS, "TCP": OF_IP[6], "UDP": OF_IP[17], "SCTP": OF_IP[132],
    "ICMPv4": OF_IP[1], "ICMPv6": OF_IP[58], "ND": {"icmp_type=135", "icmp_type=136"}, "ND solicit": {"icmp_type=135"},
    "ND advert": {"icmp_type=136"},
}  # fmt: skip
ALSO = {  # names that ovs-ofctl uses for fields of several protocols
    "nw_src": {"arp"}, "nw_dst": {"arp"}, "tp_src": OF_IP[17] | OF_IP[132], "tp_dst": OF_IP[17] | OF_IP[132], "icmp_type": OF_IP[58],
    "icmp_code": OF_IP[58], "nw_proto": {"arp"},
}  # fmt: skip
ASKED = {"ip_proto", "nd_reserved", "nd_options_type"}  # ovs-ofctl is always asked about these, and about names of NXM
WITHOUT_A_NEED = {
    "in_port", "dl_src", "eth_src", "dl_dst", "eth_dst", "dl_vlan", "dl_vlan_pcp", "vlan_tci", "dl_type", "eth_type", "reg0", "xreg15", "xxreg3",
    "metadata", "tun_id", "tun_src", "tun_dst", "tun_metadata63", "ct_state", "ct_zone", "ct_mark", "ct_label", "pkt_mark", "conj_id", "recirc_id",
}  # fmt: skip


def needed() -> dict[str, set[str]]:
    """For each field the keywords of which it needs one, from the extract of meta-flow.h."""
    found = {}
    for line in EXTRACT.read_text().splitlines():
        name, also, *_, needs, _own = line.split("\t") if line[0] != "#" else ["", "", "none", ""]
        for one in {name, also} - {"-", ""} - ASKED if needs in NEEDS else ():
            found[one] = NEEDS[needs] | ALSO.get(one, set())
    found["nw_proto"] -= {word for word, (_, of_ip) in PROTOCOL_WORDS.items() if of_ip}
    return found


def test_a_field_with_its_protocol_needs_no_check():
    fields = needed()
    assert len(fields) == 40
    for name, wanted in fields.items():
        assert not prerequisites.are_plainly_met(words(f"{name}=1")), name
        for word in PROTOCOL_WORDS.keys() - {"eth"}:
            assert prerequisites.are_plainly_met(words(f"{word},{name}=1")) == (word in wanted), (word, name)
        for number in (133, 134, 135, 136, 137) if not name.startswith("icmp") else ():
            is_met = "icmp6" in wanted or f"icmp_type={number}" in wanted
            assert prerequisites.are_plainly_met(words(f"icmp6,icmp_type={number},{name}=1")) == is_met, (number, name)


def test_a_field_of_every_packet_needs_no_check():
    for name in WITHOUT_A_NEED:
        assert prerequisites.are_plainly_met(words(f"{name}=1")), name
    for name in (*ASKED, "nsh_si", "NXM_NX_REG0[]", "reg0[0..3]", "moon_phase", "dp_hash", "xxxreg0", "tun_metadata"):
        assert not prerequisites.are_plainly_met(words(f"{name}=1")), name


@pytest.mark.parametrize(
    ("match", "is_plain"),
    [
        ("", True), ("ip", True), ("ip=1", False), ("eth", False), ("tcp,tp_src=1,tp_dst=2", True), ("reg0=1,reg1=2", True), ("reg0=1,xreg1=2", False),
        ("xreg0=1,xxreg1=2", False), ("reg0=1,reg0=1", False), ("ip,tcp", False), ("dl_type=0x800,tcp", False), ("eth_type=0x800,ip", False),
        ("dl_type=0x800", True), ("dl_type=0x800,eth_type=0x800", False), ("tcp,udp_dst=1", False), ("nw_proto=6,ip", True), ("nw_proto=6,tcp", False),
        ("dl_vlan=1,vlan_tci=1", False), ("dl_vlan_pcp=1,vlan_tci=1", False), ("dl_src=2:0:0:0:0:1,eth_src=2:0:0:0:0:1", False),
        ("dl_dst=2:0:0:0:0:1,eth_dst=2:0:0:0:0:1", False), ("arp,nw_src=1.1.1.1,arp_spa=1.1.1.1", False), ("arp,nw_dst=1.1.1.1,arp_tpa=1.1.1.1", False),
        ("ip,nw_src=1.1.1.1,ip_src=1.1.1.1", False), ("ip,nw_dst=1.1.1.1,ip_dst=1.1.1.1", False), ("arp,nw_proto=1,arp_op=1", False),
        ("ip,nw_tos=4,ip_dscp=1", False), ("ip,nw_ecn=1,ip_ecn=1", False), ("ip,nw_frag=no,ip_frag=no", False),
        ("icmp6,icmp_type=1,icmpv6_type=1", False), ("icmp6,icmp_code=1,icmpv6_code=1", False), ("tcp,tp_src=1,tcp_src=1", False),
        ("tcp,tp_dst=1,tcp_dst=1", False), ("udp,tp_src=1,udp_src=1", False), ("udp,tp_dst=1,udp_dst=1", False), ("sctp,tp_src=1,sctp_src=1", False),
        ("sctp,tp_dst=1,sctp_dst=1", False), ("ip,nw_src=1.1.1.1,nw_dst=1.1.1.1", True), ("arp,arp_spa=1.1.1.1,arp_tpa=1.1.1.1", True),
    ],
)  # fmt: skip
def test_fields_with_shared_storage_need_a_check(match, is_plain):
    assert prerequisites.are_plainly_met(words(match)) is is_plain


def test_one_flow_of_each_kind_is_checked():
    flows = [
        "tcp,tp_dst=1,actions=drop", "tcp,tp_dst=2,actions=output:5", "tcp6,tp_dst=2,actions=drop", "tcp,tp_src=2,actions=drop",
        "dl_type=0x800,actions=drop", "dl_type=0x806,actions=drop", "ip,nw_proto=6,actions=drop", "ip,nw_proto=17,actions=drop",
        "ct_state=+trk,ip,actions=drop", "ct_state=-trk,ip,actions=drop", "reg0=1,reg1=2,actions=drop", "reg2=1,reg1=2,actions=drop",
        "reg1=1,actions=drop", "reg2=1,actions=drop", "tun_metadata1=1,actions=drop", "tun_metadata2=1,actions=drop", "", "# tcp,tp_dst=1",
        "icmp_type=1,icmp,actions=drop", "icmp_type=2,icmp,actions=drop", 'in_port="a,b",ip,actions=drop', "in_port=5,ip # actions=x",
    ]  # fmt: skip
    looked_at = [number for number, _ in prerequisites.one_of_each_kind(flows)]
    assert looked_at == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 20, 21, 22]
    assert prerequisites.one_of_each_kind(flows[:1]) == [(1, "tcp,tp_dst=1,")]


def test_the_words_of_a_match():
    said = words("table=1,priority=5,cookie=1,idle_timeout=5,n_packets=0,send_flow_rem,tcp,out_port=1,tp_dst=1")
    assert [word.name for word in prerequisites.match_words(said)] == ["tcp", "out_port", "tp_dst"]
    beside = "table=1,cookie=5/-1,out_port=1,out_group=2,priority=3"
    assert match_probes.beside_fields(f"{beside},ip,in_port=1") == dict(word.split("=") for word in beside.split(","))
    found = match_probes.field_words(f'{beside},ip,in_port="a",actset_output="b",in_port_oxm="a",in_port=7')
    assert [word.text for word in found] == ["ip", "in_port=60000", "actset_output=60001", "in_port_oxm=60000", "in_port=7"]


def test_a_message_has_the_names_of_ports():
    match = 'in_port="a\\u0023b",actset_output=eth1,tp_dst=80'
    reduced = ("in_port=60000,actset_output=60001,tp_dst=80", "in_port=60000,actset_output=60001")
    assert match_probes.as_given(match, reduced) == ('in_port="a#b",actset_output=eth1,tp_dst=80', 'in_port="a#b",actset_output=eth1')
    assert match_probes.as_given(match, ("ip", "ip")) == ('in_port="a#b",actset_output=eth1,tp_dst=80', "ip")


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (",".join(["ip"] * 256), None), (",".join(["ip"] * 257), "has more than 256 words or 32768 characters"),
        (f'in_port="{"x" * 32758}"', None), (f'in_port="{"x" * 32759}"', "has more than 256 words or 32768 characters"),
        ("ip,ip", None), ("out_group=1,out_group=2", "has out_group twice, and ovs-ofctl uses the last one"), ("action=drop", "unknown keyword action"),
        ("actions=drop", "unknown keyword actions"), ("n_bytes=5", "n_bytes=5 does not match on anything, and ovs-ofctl ignores it"),
        ("no_readonly_table", "no_readonly_table does not match on anything, and ovs-ofctl ignores it"),
        ("allow_hidden_fields", "allow_hidden_fields does not match on anything, and ovs-ofctl ignores it"), ("out_port=1", None), ("out_group=5", None),
        ("out_port=none", "out_port=none does not match on anything, and ovs-ofctl ignores it"), ("out_group=4294967294", None), ("out_port=65534", None),
        ("out_port=4294967295", "out_port=4294967295 does not match on anything, and ovs-ofctl ignores it"), ("cookie=5/1", None),
        ("out_group=04294967295", "out_group=04294967295 does not match on anything, and ovs-ofctl ignores it"), ("cookie=5", None),
        ("cookie=5/-0", "cookie=5/-0 does not match on anything, and ovs-ofctl ignores it"), ("table=254", None), ("reg0=255", None),
        ("table=0255", "table=0255 is not a table, and ovs-ofctl reads it as all tables"), ('in_port="#"', None), ("ip,x#=5", "# starts a comment"),
        ("dl_vlan=4096", "dl_vlan=4096 does not fit: 0 to 4095, or 0xffff for packets without a VLAN"), ("dl_vlan=4095", None),
    ],
)  # fmt: skip
def test_contradictory_matches(match, why):
    assert match_probes.why_refused(match) == why


def test_what_ovs_ofctl_is_to_parse():
    said = match_probes.field_words("tcp,table=1,reg0=1,NXM_NX_REG1[]=2,tp_dst=80")
    assert match_probes.probes(said) == [
        "tcp,reg0=1,NXM_NX_REG1[]=2,tp_dst=80,actions=drop",
        "tp_dst=80,NXM_NX_REG1[]=2,reg0=1,tcp,actions=drop",
        "reg0=1,NXM_NX_REG1[]=2,tp_dst=80,actions=drop",
        "tcp,NXM_NX_REG1[]=2,tp_dst=80,actions=drop",
        "tcp,reg0=1,tp_dst=80,actions=drop",
        "tcp,reg0=1,NXM_NX_REG1[]=2,actions=drop",
        "tcp,reg0=1,NXM_NX_REG1[]=2,tp_dst=80,actions=output:reg0[]",
        "tcp,reg0=1,NXM_NX_REG1[]=2,tp_dst=80,actions=output:NXM_NX_REG1[]",
    ]
    shared = "nw_src nw_dst nw_proto tp_src tp_dst icmp_type icmp_code ct_tp_src ct_tp_dst".split()
    assert match_probes.unshared([*words(",".join([*PROTOCOL_WORDS, *shared])), *words("arp_op=1")]) == words("arp_op=1")


@pytest.mark.parametrize(
    ("match", "taken", "lost"),
    [
        # ovs-ofctl's output for the match, and for the match without each of its words
        ("tcp,tp_dst=1", ["tcp,tp_dst=1", "", "tcp"], None),
        ("nw_dst=1.1.1.1", ["", ""], "nw_dst=1.1.1.1"),
        ("ip,tcp_dst=80", ["ip", "", "ip"], None),  # protocols do not share it, so a refused read shows that it is missing
        ("tcp,nw_proto=6", ["tcp", "", "tcp"], None),
        ("tcp,nw_proto=6,tp_dst=1", ["tcp,tp_dst=1", "", "tcp,tp_dst=1", "tcp"], None),
        ("ip,nw_proto=6", ["ip", "", "ip"], "nw_proto=6"),
        *((f"{word},nw_proto=6", [word, "", word], None) for word in "icmp tcp udp sctp icmp6 tcp6 udp6 sctp6".split()),
        ("tcp,icmp_type=1", ["tcp,tp_src=1", "icmp_type=1", "tcp"], "icmp_type=1"),
        ("ip,nw_dst=0.0.0.0/0", ["ip", "", "ip"], None),
        ("tp_dst=0/0x0,tcp", ["tcp", "tcp", ""], None),
        ("ip,nw_dst=1.1.1.1", ["ip", "", "ip"], "nw_dst=1.1.1.1"),
        ("reg0", ["", ""], "reg0"),
        ("ip", ["", ""], None),
        ("arp,nw_src=1.1.1.1", ["arp,arp_spa=1.1.1.1", "", "arp"], None),
        ("ip,nw_src=1.1.1.1", ["ip,nw_src=1.1.1.1", "", "ip"], None),
        ("ip,nw_dst=1.1.1.1", ["ip,arp_tpa=1.1.1.1", "", "ip"], None),
        ("ip,nw_dst=1.1.1.1", ["ip,nw_src=1.1.1.1", "", "ip"], "nw_dst=1.1.1.1"),
        ("arp,nw_proto=1", ["arp,arp_op=1", "", "arp"], None),
        ("icmp,tp_src=1", ["icmp,icmp_type=1", "", "icmp"], None),
        ("icmp,tp_dst=1", ["icmp,icmp_code=1", "", "icmp"], None),
        ("icmp,icmp_code=1", ["icmp,icmp_code=1", "", "icmp"], None),
        ("udp,icmp_code=1", ["udp,tp_dst=1", "", "udp"], "icmp_code=1"),
        ("ct_tp_src=1,ct_tp_dst=2", ["ct_tp_src=1,ct_tp_dst=2", "ct_tp_dst=2", "ct_tp_src=1"], None),
        ("ct_tp_src=1,ct_tp_dst=2", ["ct_state=1", "a", "b"], "ct_tp_src=1"),
    ],
)
def test_the_first_word_that_is_lost(match, taken, lost):
    said = match_probes.field_words(match)
    found = match_probes.first_lost(said, [taken[0], "the other order", *taken[1:]])
    assert (found and found.text) == lost


def test_words_without_effect():
    said = match_probes.field_words("ip,nw_dst=0.0.0.0/0,reg0=1")
    assert [word.text for word in match_probes.without_effect(said, ["a", "", "a", "a", "b"])] == ["nw_dst=0.0.0.0/0"]


@pytest.mark.parametrize(
    ("match", "hint"),
    [
        ("nw_dst=1.1.1.1", "ip,nw_dst=1.1.1.1"), ("tcp_dst=1", "tcp,tcp_dst=1"), ("udp_src=1", "udp,udp_src=1"), ("sctp_src=1", "sctp,sctp_src=1"),
        ("tp_src=1", "tcp,tp_src=1"), ("tp_src=1,ipv6_src=::1", "tcp6,tp_src=1,ipv6_src=::1"), ("udp_src=1,ipv6_dst=::1", "udp6,udp_src=1,ipv6_dst=::1"),
        ("sctp_src=1,ipv6_dst=::1", "sctp6,sctp_src=1,ipv6_dst=::1"), ("icmpv6_type=1,ipv6_dst=::1", "icmp6,icmpv6_type=1,ipv6_dst=::1"),
        ("icmp_type=1", "icmp,icmp_type=1"), ("nd_target=::1", "icmp6,icmp_type=135,nd_target=::1"), ("icmp_type=1,nd_target=::1", None),
        ("ipv6_src=::1", "ipv6,ipv6_src=::1"), ("arp_op=1", "arp,arp_op=1"), ("mpls_label=1", "mpls,mpls_label=1"), ("ip_dscp=1", "ip,ip_dscp=1"),
        ("ipv6,nw_tos=4,tcp", "ip,nw_tos=4"), ("tcp,tcp_dst=1", None), ("reg0=1", None), ("ip", None),
    ],
)  # fmt: skip
def test_the_protocol_that_is_missing(match, hint):
    assert match_probes.with_protocol(match) == hint
