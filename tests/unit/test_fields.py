"""The tables of fields and actions compared with the manual: the same names, widths and forms."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_values import SAID, in_actions, in_matches, in_set_field, of_protocols, values
from flow_values import fields as extracted

from ovstool.openflow.accepts import actions, fields
from ovstool.openflow.accepts.bulk_check import BulkCheck

EXTRACT = Path(__file__).parent / "ovs_fields.tsv"
OCTETS = {"u8": 1, "be16": 2, "be32": 4, "be64": 8, "be128": 16, "tunnelMD": 124, "MAC": 6}
FORMS = {
    "decimal": "number", "hexadecimal": "number", "Ethernet": "mac", "IPv4": "ipv4", "IPv6": "ipv6", "OpenFlow 1.0 port": "port",
    "OpenFlow 1.1+ port": "port", "ct state": "flags", "TCP flags": "flags", "tunnel flags": "flags", "frag": "frag", "packet type": "packet_type",
}  # fmt: skip
# The actions and instructions of Open vSwitch 2.13.0, 3.1.0 and 3.7.1: OFPACTS of include/openvswitch/ofp-actions.h and ofpacts_parse__ of
# lib/ofp-actions.c, but for those that only its own tests use.
NAMES = """
output group controller enqueue output_reg bundle set_field set_vlan_vid set_vlan_pcp strip_vlan push_vlan mod_dl_src mod_dl_dst mod_nw_src
mod_nw_dst mod_nw_tos mod_nw_ecn mod_nw_ttl mod_tp_src mod_tp_dst move push pop dec_ttl set_mpls_label set_mpls_tc set_mpls_ttl dec_mpls_ttl
push_mpls pop_mpls dec_nsh_ttl delete_field encap decap set_tunnel set_queue pop_queue fin_timeout resubmit learn conjunction multipath note
exit sample unroll_xlate ct ct_clear nat clone check_pkt_larger meter clear_actions write_actions write_metadata goto_table mod_vlan_vid
mod_vlan_pcp set_nw_ttl pop_vlan set_tunnel64 load bundle_load drop
"""


def extract() -> Iterator[tuple[list[str], fields.Field]]:
    """Each field of the extract, with its names."""
    for line in EXTRACT.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, also, numbers, kind, maskable, form, _, _, own = line.split("\t")
        low = re.search(r"low (\d+) bits", kind)
        bits = int(low[1]) if low else OCTETS[kind] * 8 if kind in OCTETS else 0
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last) + 1) if numbers != "-" else [0]:
            names = [one.replace("<N>", str(number)) for one in (name, also, *own.split(",")) if one != "-"]
            yield names, fields.Field(names[0], FORMS[form], bits, maskable == "bitwise")


def test_the_table_is_what_open_vswitch_has():
    found = {name: field for names, field in extract() for name in names}
    assert found == fields.by_name() and len(found) > 300


def manual(page: str) -> str:
    """The source of a page, empty where this machine has none."""
    path = Path("/usr/share/man/man7") / page
    return gzip.decompress(path.read_bytes()).decode() if path.exists() else ""


def test_the_manual_has_no_other_fields():
    text = re.sub(r"\\f[A-Z]", "", manual("ovs-fields.7.gz")).replace("\\-", "-")
    told = re.findall(
        r"^Name:;(\w+)(?: \(aka (\w+)\))?\nWidth:;(\d+) bits(?: \(only the least-significant (\d+) bits?)?.*\nFormat:;(.*)\nMasking:;(.*)",
        text,
        re.M,
    )
    assert len(told) > 60 or not text
    for name, also, width, low, form, masking in told:
        field = fields.by_name()[name]
        assert field.bits == int(low or width) or name.startswith("tun_metadata"), name
        assert (field.form, field.maskable) == (FORMS[form], masking == "arbitrary bitwise masks"), name
        assert not also or fields.by_name()[also] is field


def test_all_actions_are_known():
    assert set(NAMES.split()) - set(actions.ACTIONS) == set()
    assert set(actions.ACTIONS) - set(NAMES.split()) == {"in_port", "normal", "flood", "all", "local", "table"}  # ports


def test_the_manual_has_no_other_actions():
    text = manual("ovs-actions.7.gz")
    told = {name for heading in re.findall(r"^\.SS The .*", text, re.MULTILINE) for name in re.findall(r"\\fB(\w+)\\f", heading)}
    assert told - set(actions.ACTIONS) == set() and (len(told) > 40 or not text)


def test_unknown_fields_and_actions_are_left_to_ovs_ofctl():
    for flow in (
        "moon_phase=5000,actions=drop",
        "actions=fly_to(moon=-1)",
        "actions=set_field:70000->moon_phase",
        "actions=load:5->NXM_NX_MOON[]",
    ):
        assert actions.misfit_of_flow(flow) is None


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("dl_vlan=5000,actions=drop", "dl_vlan=5000 does not fit: 0 to 4095, or 0xffff for packets without a VLAN"),
        ("dl_vlan=5000/0xffff,actions=drop", "dl_vlan=5000/0xffff does not fit: 0 to 4095, or 0xffff for packets without a VLAN"),
        ("reg0=1,reg16=-1,actions=drop", "reg16=-1 does not fit: 0 to 4294967295"),
        ("reg0=2,reg0=2,actions=drop", None),
        ("reg0=2,reg0=0x2,actions=drop", None),
        ("reg0=2,reg0=3,actions=drop", "reg0=3 contradicts reg0=2, and ovs-ofctl would use the last"),
        ("n_packets=5,n_packets=6,actions=drop", None),
        ("ip,tcp,actions=drop", None),
        ("tcp,dl_type=0x800,nw_proto=6,actions=drop", None),
        ("ip,udp6,actions=drop", None),
        ("udp6,ip,actions=drop", "ip contradicts udp6, and ovs-ofctl would use the last"),
        ("actions=encap(nsh(md_type=2,tlv(0x1000,10,0x12),tlv(0x2000,20,0x34)))", None),
        ("actions=ct(zone=5,zone=6)", "zone=6 contradicts zone=5, and ovs-ofctl would use the last"),
        ("cookie=0x5/-1,actions=drop", None),
        ("cookie=5/0xffffffffffffffff,actions=drop", None),
        ("ip,nw_src=10.0.0.1/255.255.0,actions=drop", "nw_src=10.0.0.1/255.255.0 has a mask that does not fit: 255.255.0 is not an address"),
        ("ipv6,ipv6_src=fe80::1/ffff:,actions=drop", "ipv6_src=fe80::1/ffff: has a mask that does not fit: ffff: is not an address"),
        ("cookie=5/0x10000000000000000,actions=drop", "cookie=5/0x10000000000000000 has a mask that does not fit"),
        (f"actions=load:{2**992 - 1:#x}->NXM_NX_MOON[]", None),
        (f"actions=load:{2**992:#x}->NXM_NX_MOON[]", "->NXM_NX_MOON[] does not fit: 0 to 2^992-1"),
        ("in_port=4294967040,actions=drop", None),
        ("in_port=4294967039,actions=drop", "in_port=4294967039 does not fit: 0 to 65535, or a port's name"),
        ("tcp,tcp_flags=fin|syn|ns|[200]|[800],actions=drop", None),
        ("tcp,tcp_flags=fin|[1000],actions=drop", "tcp_flags=fin|[1000] does not fit: 0 to 4095"),
        ("tun_erspan_hwid=0xf/0x1,actions=drop", "tun_erspan_hwid=0xf/0x1 has a mask that Open vSwitch replaces with the value: 0xf/0xf"),
        ("tun_erspan_ver=2,tun_erspan_dir=0/0,tun_erspan_hwid=5/0x3f,actions=drop", None),
        ("actions=set_field:ANY->reg0,set_field:0/0->reg0", None),
        ("actions=set_field:5/0->reg0", "set_field:5/0->reg0 sets nothing: its mask is 0"),
        ("metadata=5/-1,actions=drop", None),
        ("ct_label=5/-1,actions=drop", "ct_label=5/-1 has a mask that does not fit: 0 to 0xffffffffffffffffffffffffffffffff"),
        ("actions=clone(ct(commit,exec(set_field:0x100000000->ct_mark)))", "set_field:0x100000000->ct_mark does not fit: 0 to 4294967295"),
        ("actions=bundle(eth_src,0,hrw,ofport,members:" + ",".join(["1"] * 2049) + ")", "does not fit: up to 2048 members"),
        ('in_port="a, b=c(",dl_vlan=5000,actions=drop', "dl_vlan=5000 does not fit"),
        ("actions=" + "(" * 5000, "its actions are nested more than 100 deep"),
        ("actions=" + "clone(" * 3000 + "drop" + ")" * 3000, "its actions are nested more than 100 deep"),
    ],
)  # fmt: skip
def test_errors_of_matches_and_actions(flow, said):
    found = actions.misfit_of_flow(flow)
    assert found == said or (said and found and said in found), found


@pytest.mark.parametrize("flow", SAID)
def test_errors_of_flows_to_add(flow):
    assert SAID[flow] in str(actions.misfit_of_flow(flow))


# Where a name is allowed, ovs-ofctl looks it up and refuses unknown ones; it also checks by itself what it reads to the end.
LEFT_TO_OVS_OFCTL = [
    (
        r"(in_port|in_port_oxm|actset_output)(=\{\}|\)|,actions)|->in_port|output:\{|enqueue:\{|resubmit[:(]\{|port=\{|members:1,\{",
        r"(?![+-]?[0-9]+\Z).*",
    ),
    (r"actions=\{\}", r"-.*|(?!\+?[0-9]+\Z).*"),
    (r"table[=:]\{|resubmit\(1?,\{", r"(?!\+?[0-9]+\Z|-[0-9]+\Z).*"),
    (r"(tun_flags|ct_state|tcp_flags)=\{|->(tun_flags)", r"-1|[a-z]+junk"),
    (r"set_field|learn\(eth_dst", r"fe80::1/12::|02:00:00:00:00:01/ff:ff:ff:00:00:00"),
    (r"nat\((src|dst)=(10.0.0.0-)?\{", r".*[a-z/].*"),
    (r"controller:\{", r"(?![0-9]+\Z|٤).*"),
]


def is_left_to_ovs_ofctl(case) -> bool:
    return any(re.search(flow, case.flow) and re.fullmatch(typed, case.typed) for flow, typed in LEFT_TO_OVS_OFCTL)


@pytest.mark.parametrize("made", [in_matches, in_set_field, in_actions, of_protocols])
def test_only_values_that_fit_are_accepted(made):
    """The values are those that tests/hostile/test_flows_misfits.py checks with ovs-ofctl."""
    taken, refused = [], []
    for case in dict.fromkeys(made()):
        is_refused = actions.misfit_of_flow(case.flow.format(case.typed)) is not None
        is_octal = case.typed in ("010", "0010", "08") and (case.meant == "0xa" or "controller:{" in case.flow)
        sets_nothing = "set_field" in case.flow and case.typed == "1/0x0"
        fits = case.meant is not None and not is_octal and not sets_nothing
        if is_refused and (fits or is_left_to_ovs_ofctl(case)):
            refused.append(case)
        if not is_refused and not fits and not is_left_to_ovs_ofctl(case):
            taken.append(case)
    assert (taken, refused) == ([], [])


def test_the_pattern_of_a_field_accepts_only_valid_values():
    """Fields whose values are nearly always plain have a pattern, which must accept nothing invalid."""
    odd = {"vlan_vid", "arp_op", "nsh_ttl", "nsh_mdtype", "tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid", "nw_tos"}
    sized = {("number", bits) for bits in (8, 16, 32, 64)}
    patterns = fields.plain_patterns()
    plain = {name for names, field in extract() for name in names if field.form in ("mac", "ipv4") or (field.form, field.bits) in sized}
    assert set(patterns) == plain - {name for names, _ in extract() if odd & set(names) for name in names}
    for field in extracted():
        for typed, meant in values(field, field.masked) if field.name in patterns else ():
            assert not patterns[field.name].fullmatch(typed) or meant is not None, (field.name, typed)
    assert all(
        patterns[name].fullmatch("1") and patterns[name].fullmatch("5/0xf") for name in ("reg0", "metadata", "nw_proto", "ct_tp_dst")
    )
    assert patterns["eth_dst"].fullmatch("02:00:00:00:00:01") and patterns["nw_dst"].fullmatch("10.0.0.0/8")


SOME = [
    "table=0,priority=100,cookie=0x0,ip,in_port=1,nw_src=10.0.0.1,nw_dst=192.168.0.0/24 actions=mod_dl_dst:02:00:00:00:00:01,output:1",
    "priority=5,tcp,tp_dst=80 actions=set_field:02:00:00:00:00:01->eth_dst,set_field:5->reg0,resubmit(,2)",
    "idle_timeout=5,dl_vlan=7,reg1=0x5/0xff,actions=ct(commit,zone=5,exec(load:5->NXM_NX_CT_MARK[])),group:5",
    "cookie=0x5, duration=1.5s, table=3, n_packets=0, n_bytes=0, arp,arp_tpa=10.0.0.1 actions=mod_nw_src:10.0.0.1,output:1",
    "table=7,priority=9,dl_vlan=5 actions=output:1",
    "actions=ct(zone=5,zone=5)", "reg0=5,reg0=5,actions=drop", "tcp,nw_proto=6,actions=drop", "nw_tos=4,ip,actions=drop",
    "dl_src=02:00:00:00:00:01/ff:00:00:00:00:00,actions=learn(table=5,priority=5,load:5->reg0,output:5)", 'in_port="a,b",actions=set_queue:5',
]  # fmt: skip
OTHERS = (
    "0", "6", "255", "256", "300", "4095", "4096", "65535", "65536", "9999999999", "99999999999999999999",
    "010", "-1", "0x", "0x1ffff", "5x", "",
)  # fmt: skip


def test_many_similar_flows_get_the_same_errors_as_each_alone():
    """After very many valid flows, each number in one is changed."""
    bulk_check = BulkCheck()
    for flow in SOME * 300:
        assert bulk_check.misfit(flow) is None
    found = {}
    for flow in SOME:
        for number in re.finditer(r"(?<![a-zA-Z_])[0-9]+(?![a-zA-Z_])", flow):
            for other in OTHERS:
                changed = f"{flow[: number.start()]}{other}{flow[number.end() :]}"
                found[changed] = bulk_check.misfit(changed)
                assert found[changed] == actions.misfit_of_flow(changed), changed
    assert sum(map(bool, found.values())) > 300 < sum(not wrong for wrong in found.values())


def test_the_number_of_patterns_is_limited():
    bulk_check = BulkCheck()
    for number in range(40_000):
        assert bulk_check.misfit(f"reg{number % 7}={number},{'x' * (number % 300)}z=1,actions=drop") is None
