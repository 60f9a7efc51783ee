"""Values of fields and action arguments as users may type them, with their meanings; one test checks them with ovs-ofctl, another without.

The widths of fields come from the extract of meta-flow.h, those of arguments from ovs-actions(7).
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXTRACT = Path(__file__).parent / "unit" / "ovs_fields.tsv"
OCTETS = {"u8": 1, "be16": 2, "be32": 4, "be64": 8, "be128": 16, "tunnelMD": 124}
NEEDS = {
    "none": "", "Ethernet": "", "VLAN VID": "vlan_vid=0x1000/0x1000", "ARP": "arp", "IPv4": "ip", "IPv6": "ipv6", "IPv4/IPv6": "ip", "MPLS": "mpls",
    "TCP": "tcp", "UDP": "udp", "SCTP": "sctp", "ICMPv4": "icmp", "ICMPv6": "icmp6", "ND solicit": "icmp6,icmp_type=135",
    "ND advert": "icmp6,icmp_type=136", "ND": "icmp6,icmp_type=135", "NSH": "dl_type=0x894f", "CT": "ct_state=+trk+est,ip",
}  # fmt: skip
FURTHER = {  # other matches they need, without which Open vSwitch drops them
    "tun_erspan_idx": "tun_erspan_ver=1", "tun_erspan_dir": "tun_erspan_ver=2", "tun_erspan_hwid": "tun_erspan_ver=2",
    "ct_tp_src": "ct_state=+trk+est,tcp,ct_nw_proto=6", "ct_tp_dst": "ct_state=+trk+est,tcp,ct_nw_proto=6", "ct_ipv6_src": "ct_state=+trk+est,ipv6",
    "ct_ipv6_dst": "ct_state=+trk+est,ipv6", "nsh_c<N>": "dl_type=0x894f,nsh_mdtype=1",
}  # fmt: skip
LEAST = {"nsh_mdtype": 1, "tun_erspan_ver": 1, "tun_erspan_dir": 1, "tun_erspan_hwid": 1}  # in the last three, 0 means any value
MOST = {"vlan_vid": 0x1FFF, "arp_op": 255, "nsh_ttl": 63, "nsh_mdtype": 2, "nw_tos": 252}  # mf_is_value_valid of meta-flow.c


class Case(NamedTuple):
    """A value as it is typed, and an unambiguous way to write the same; None if it must be refused."""

    flow: str  # with {} in place of the value
    typed: str
    meant: str | None


class Field(NamedTuple):
    name: str
    octets: int
    bits: int
    masked: bool
    form: str
    writable: bool
    needs: str
    own: str  # its name in NXM or OXM syntax


def fields() -> Iterator[Field]:
    for line in EXTRACT.read_text().splitlines():
        name, _, numbers, kind, maskable, form, access, needs, own = line.split("\t") if line[0] != "#" else [""] * 9
        if own in ("", "-") or "NXOXM_ET_XXREG" in own or "NXOXM_ET_REG" in own:
            continue  # version 3.7 added these, so older versions do not know them
        last = numbers.rpartition("-")[2].replace("15", "7" if name == "xreg<N>" else "15")
        octets = OCTETS.get(kind.partition(" ")[0], 0)
        low = re.search(r"low (\d+) bits", kind)
        bits = int(low[1]) if low else octets * 8
        yield Field(
            name.replace("<N>", last), octets, bits, maskable == "bitwise", form, access == "read/write", FURTHER.get(name, NEEDS[needs]),
            own.split(",")[0].replace("<N>", last),
        )  # fmt: skip


def spelled(low: int, high: int, octets: int = 8) -> Iterator[tuple[str, int | None]]:
    """Numbers in the spellings that may be typed, with their values; None where the spelling is invalid."""
    edges = {
        low,
        low + 1,
        4,
        5,
        8,
        high - 1,
        high,
        high + 1,
        high + 4,
        2 * high + 5,
        2**8,
        2**16,
        2**16 + 4,
        2**32 + 4,
        2**64 - 1,
        2**64,
        2**64 + 4,
    }
    edges |= {-1, -2, -(2**31), -(2**32) + 4, -(2**63), 2 ** (octets * 8) - 1, 2 ** (octets * 8), 2 ** (octets * 8) + 4, 2**1024 + 4}
    for edge in sorted(edges):
        yield str(edge), edge if low <= edge <= high else None
        yield hex(edge), edge if low <= edge <= high else None
    yield f"0X{low + 4:X}", low + 4 if low + 4 <= high else None
    for text, number in (("+4", 4), ("004", 4), ("010", 10), ("0010", 10), ("0x00004", 4)):
        yield text, number if low <= number <= high else None
    for text in ("4.5", "4.0", "1e3", "0x", "0x4g", "4junk", "4x", "0b100", "4_0", "--4", "08", "0x-4", "٤", "4/4/4", "4;5"):
        yield text, None


def in_matches() -> Iterator[Case]:
    for field in fields():
        flow = ",".join(filter(None, [field.needs, f"{field.name}={{}}", "actions=drop"]))
        yield from (Case(flow, typed, meant) for typed, meant in values(field, field.masked))


def in_set_field() -> Iterator[Case]:
    for field in fields():
        if field.writable and field.name not in ("nd_reserved", "nd_options_type"):
            needs = "vlan_vid=0x1000/0x1000" if field.name in ("vlan_vid", "dl_vlan", "vlan_pcp", "dl_vlan_pcp") else field.needs
            action = f"set_field:{{}}->{field.name}"
            action = f"ct(commit,exec({action}))" if field.name in ("ct_mark", "ct_label") else action
            flow = ",".join(filter(None, ["ip" if "ct(" in action else needs, f"actions={action}"]))
            yield from (Case(flow, typed, meant) for typed, meant in values(field, masked=False, sets=True) if typed != "*")


def values(field: Field, masked: bool, sets: bool = False) -> Iterator[tuple[str, str | None]]:
    match field.form:
        case "decimal" | "hexadecimal":
            yield from numbers(field, masked, sets)
        case "IPv4":
            yield from ipv4_addresses(masked)
        case "IPv6":
            yield from ipv6_addresses(masked)
        case "Ethernet":
            yield from macs(masked)
        case "OpenFlow 1.0 port" | "OpenFlow 1.1+ port":
            yield from ports()
        case "packet type":
            for number in ("0x800", "2048", "65535", "65536", "-1", "0x10800", "2048junk", ""):
                yield f"(1,{number})", f"(1,{int(number, 0):#x})" if number in ("0x800", "2048", "65535") else None
            yield "(1,0x800)junk", None
            yield "(65537,0x800)", None
        case "frag":
            yield from ((word, word) for word in ("no", "yes", "first", "later", "not_later"))
            yield from ((word, None) for word in ("1", "maybe", "-1"))
        case _:
            yield from flags(field)


def numbers(field: Field, masked: bool, sets: bool) -> Iterator[tuple[str, str | None]]:
    low = LEAST.get(field.name, 0) if not (sets and field.name.startswith("tun_erspan")) else 0
    high = MOST.get(field.name, 2**field.bits - 1)
    full = 2 ** (field.octets * 8) - 1
    for typed, number in spelled(low, high, field.octets):
        fits = number is not None and not (field.name == "nw_tos" and number % 4)
        yield typed, f"{number:#x}" if fits else None
    if field.name == "dl_vlan" and not sets:
        yield "0xffff", "65535"
    yield f"{low}/0", ("0/0" if low == 0 else None) if sets else "*"  # such an action sets nothing, and a warning may say so
    if sets:
        yield f"{low + 1}/0", None
    if field.name.startswith("tun_erspan") and field.name != "tun_erspan_idx":
        return  # Open vSwitch applies another mask than the one typed
    if masked:
        for text, mask in (
            (str(high), high),
            (hex(high), high),
            ("1", 1),
            (hex(full), full),
            (str(high + 1), high + 1),
            (hex(2**130), 2**130),
        ):
            fits = mask <= high or mask == full
            yield f"1/{text}", f"{1 & mask:#x}/{mask & high:#x}" if fits else None
        yield "1/-1", f"1/{full:#x}" if field.octets == 8 else None
        yield from ((f"1/{text}", None) for text in ("0x", "", "1junk", "-0x10000000000000001", str(full + 2)))


def ipv4_addresses(masked: bool) -> Iterator[tuple[str, str | None]]:
    for text in ("10.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.0.010"):
        yield text, str(ipaddress.IPv4Address(int.from_bytes(map(int, text.split(".")), "big")))
    for text in (
        "10.0.0.256",
        "10.0.0.300",
        "300.0.0.1",
        "10.0.0",
        "10.0.0.-1",
        "10.0.0.1.5",
        "10.0.0.1junk",
        "10.0.0.4294967297",
        "0xa.0.0.1",
    ):
        yield text, None
    for text in ("/24", "/0", "/32", "/255.255.0.0", "/255.0.255.0") if masked else ():
        yield (
            f"10.2.3.4{text}",
            f"{ipaddress.IPv4Address(0x0A020304)}/{text[1:] if '.' in text else ipaddress.IPv4Network(f'0.0.0.0{text}').netmask}",
        )
    for text in ("/33", "/-1", "/4294967320", "/24.5", "/255.255.255.256", "/0xffffff00", "/", "/24junk"):
        yield f"10.2.3.4{text}", None


def ipv6_addresses(masked: bool) -> Iterator[tuple[str, str | None]]:
    for text in ("fe80::1", "::", "::ffff:10.0.0.1", "FE80:0:0:0:0:0:0:1", "1:2:3:4:5:6:7:8"):
        yield text, ipaddress.IPv6Address(text).exploded
    for text in (
        "fe80::10000",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "::ffff:10.0.0.256",
        "fe80::1%eth1",
        "fe80::1junk",
        "10.0.0.1",
        "1::2::3",
    ):
        yield text, None
    for text in ("/64", "/0", "/128", "/ffff::") if masked else ():
        yield f"fe80::1{text}", f"fe80::1/{text[1:] if ':' in text else ipaddress.IPv6Network(f'::{text}').netmask}"
    for text in ("/129", "/-1", "/4294967360", "/64junk", "/", "/ffff::10000", "/12::"):
        yield f"fe80::1{text}", None if text != "/12::" or not masked else "fe80::1/0012::"


def macs(masked: bool) -> Iterator[tuple[str, str | None]]:
    for text in ("02:00:00:00:00:01", "2:0:0:0:0:1", "FF:ff:FF:ff:FF:ff"):
        yield text, ":".join(f"{int(pair, 16):02x}" for pair in text.split(":"))
    for text in (
        "02:00:00:00:00:102",
        "02:00:00:00:00",
        "02:00:00:00:00:01:02",
        "02:00:00:00:00:-1",
        "02:00:00:00:00:01junk",
        "020000000001",
    ):
        yield text, None
    yield "02:00:00:00:00:01/ff:ff:ff:00:00:00", "02:00:00:00:00:00/ff:ff:ff:00:00:00" if masked else None
    for text in ("/24", "/ff:ff:ff:00:00:100", "/", "/ff:ff:ff:00:00:00:00"):
        yield f"02:00:00:00:00:01{text}", None


def ports() -> Iterator[tuple[str, str | None]]:
    for text, meant in (
        ("0", "0"),
        ("5", "5"),
        ("010", "10"),
        ("65279", "65279"),
        ("4294967294", "LOCAL"),
        ("local", "LOCAL"),
        ("LOCAL", "LOCAL"),
    ):
        yield text, meant
    for text in (
        "65536",
        "65537",
        "70000",
        "4294967039",
        "4294967296",
        "4294967297",
        "-1",
        "-4294967295",
        "5.5",
        "5junk",
        "5/1",
        "18446744073709551621",
    ):
        yield text, None


def flags(field: Field) -> Iterator[tuple[str, str | None]]:
    name, high = {"TCP flags": ("syn", 0xFFF), "ct state": ("est", 0xFF), "tunnel flags": ("oam", 1)}[field.form]
    for number in (0, 1, high, high + 1, 2**32 + 1, 2**64 + 1, -1):
        yield str(number), hex(number) if 0 <= number <= high else None
        yield f"{number:#x}/0x1", f"{number & 1}/0x1" if 0 <= number <= high else None
        yield f"1/{number:#x}", f"{number & 1}/{number}" if 0 <= number <= high else None
    yield name, name
    for text in (f"1{name}", "1/1junk", "1/1/1", f"{name}junk", f"{name}|1junk", f"1|{2**64}", "1+1", "1;2"):
        yield text, None


ARGUMENTS = {  # {} is a number in this range
    "group:{}": (0, 0xFFFFFF00), "set_queue:{}": (0, 2**32 - 1), "enqueue:1:{}": (0, 2**32 - 1), "enqueue(1,{})": (0, 2**32 - 1),
    "meter:{}": (1, 0xFFFF0000), "controller(max_len={},id=5)": (0, 65535), "controller(id={},max_len=5)": (0, 65535),
    "controller(meter_id={},id=5)": (1, 2**32 - 1), "output(port=1,max_len={})": (14, 2**32 - 1), "mod_vlan_vid:{}": (0, 4095),
    "set_vlan_vid:{}": (0, 4095), "mod_vlan_pcp:{}": (0, 7), "set_vlan_pcp:{}": (0, 7), "mod_nw_ecn:{}": (0, 3), "mod_nw_ttl:{}": (0, 255),
    "mod_tp_src:{}": (0, 65535), "mod_tp_dst:{}": (0, 65535), "set_tunnel:{}": (0, 2**64 - 1), "set_tunnel64:{}": (0, 2**64 - 1),
    "write_metadata:{}": (0, 2**64 - 1), "fin_timeout(idle_timeout={})": (0, 65535),
    "fin_timeout(hard_timeout={})": (0, 65535), "learn(cookie={})": (0, 2**64 - 1), "learn(NXM_OF_VLAN_TCI[0..11]={})": (0, 4095),
    "learn(NXM_OF_VLAN_TCI[]={})": (0, 65535), "learn(load:{}->NXM_NX_REG0[0..3])": (0, 15), "learn(reg0={})": (0, 2**32 - 1),
    "load:{}->NXM_NX_REG0[]": (0, 2**32 - 1), "load:{}->NXM_NX_REG0[3..5]": (0, 7), "load:{}->reg0[3]": (0, 1),
    "load:{}->NXM_OF_VLAN_TCI[]": (0, 65535), "load:{}->NXM_NX_TUN_ID[]": (0, 2**64 - 1),
    "load:{}->NXM_OF_IP_SRC[]": (0, 2**32 - 1), "ct(zone={})": (0, 65535), "ct(commit,zone={},exec(set_field:5->ct_mark))": (0, 65535),
    "sample(probability={},collector_set_id=5)": (1, 65535), "sample(probability=5,collector_set_id={})": (0, 2**32 - 1),
    "sample(probability=5,obs_domain_id={})": (0, 2**32 - 1), "sample(probability=5,obs_point_id={})": (0, 2**32 - 1),
    "check_pkt_larger({})->NXM_NX_REG0[0]": (0, 65535), "conjunction({},1/2)": (0, 2**32 - 1), "clone(set_queue:{})": (0, 2**32 - 1),
    "write_actions(set_queue:{})": (0, 2**32 - 1), "pop_mpls:{}": (0, 65535), "encap(nsh(md_type={}))": (1, 2),
    "decap(packet_type(ns=1,type={}))": (0, 65535), "decap(packet_type(ns={},type=0))": (0, 65535), "set_mpls_label:{}": (0, 2**20 - 1),
    "set_mpls_tc:{}": (0, 7), "set_mpls_ttl:{}": (0, 255), "set_nw_ttl:{}": (0, 255), "ct(commit,exec(load:{}->NXM_NX_CT_MARK[0..3]))": (0, 15),
    "load:{}->NXM_NX_REG0[0..31]": (0, 2**32 - 1), "learn(load:{}->NXM_NX_REG0[])": (0, 2**32 - 1), "learn(NXM_NX_REG0[3]={})": (0, 1),
    "learn(metadata={})": (0, 2**64 - 1), "write_metadata:{}/0xffffffffffffffff": (0, 2**64 - 1),
}  # fmt: skip
DECIMAL = {  # {} is a number in this range, in decimal digits only
    "learn(priority={})": (0, 65535), "learn(idle_timeout={})": (0, 65535), "learn(hard_timeout={})": (0, 65535), "learn(limit={})": (0, 2**32 - 1),
    "learn(fin_idle_timeout={},hard_timeout=5)": (0, 65535), "learn(fin_hard_timeout={},hard_timeout=5)": (0, 65535), "learn(table={})": (0, 254),
    "dec_ttl({})": (0, 65535), "dec_ttl(5,{})": (0, 65535), "resubmit(,{})": (0, 254), "resubmit(1,{})": (0, 254), "goto_table:{}": (1, 254),
    "ct(table={})": (0, 254), "multipath(eth_src,{},modulo_n,5,0,NXM_NX_REG0[])": (0, 65535), "conjunction(5,1/{})": (2, 64),
    "multipath(eth_src,50,modulo_n,{},0,NXM_NX_REG0[])": (1, 65536), "multipath(eth_src,50,iter_hash,5,{},NXM_NX_REG0[])": (0, 2**32 - 1),
    "bundle(eth_src,{},active_backup,ofport,members:1,2)": (0, 65535), "bundle_load(eth_src,{},hrw,ofport,NXM_NX_REG0[],members:1,2)": (0, 65535),
    "controller:{}": (0, 65535), "conjunction(5,{}/64)": (1, 64), "ct(commit,nat(src=10.0.0.1:{}))": (0, 65535), "ct(commit,nat(src=10.0.0.1:1-{}))": (1, 65535),
    "ct(commit,nat(dst=[fe80::1]:{}))": (0, 65535),
}  # fmt: skip
OTHERS = {  # arguments that are not plain numbers
    "mod_dl_src:{}": macs, "mod_dl_dst:{}": macs, "mod_nw_src:{}": ipv4_addresses, "mod_nw_dst:{}": ipv4_addresses, "output:{}": ports,
    "enqueue:{}:5": ports, "resubmit({},5)": ports, "resubmit:{}": ports, "{}": ports, "output(port={},max_len=100)": ports,
    "bundle(eth_src,0,hrw,ofport,members:1,{})": ports, "sample(probability=5,sampling_port={})": ports, "learn(eth_type=0x800,nw_dst={})": ipv4_addresses,
    "learn(eth_dst={})": macs, "ct(commit,nat(src={}))": ipv4_addresses, "ct(commit,nat(src=10.0.0.0-{}))": ipv4_addresses,
    "learn(in_port={})": ports,
}  # fmt: skip
BITS = ("push:NXM_NX_REG0[{}]", "pop:NXM_NX_REG0[{}]", "output:NXM_NX_REG0[{}]", "load:1->NXM_NX_REG0[{}]", "move:NXM_NX_REG0[0..{0}]->NXM_NX_REG1[0..{0}]",
        "learn(NXM_NX_REG0[{}]=1)", "learn(load:NXM_NX_REG1[{}]->NXM_NX_REG0[0])",
        "learn(output:NXM_NX_REG0[{}])", "sample(probability=5,obs_point_id=NXM_NX_REG0[{}..31])", "check_pkt_larger(5)->NXM_NX_REG0[{}]",
        "multipath(eth_src,50,modulo_n,2,0,NXM_NX_REG0[{}])")  # fmt: skip
BESIDE = {
    "priority": (0, 65535),
    "idle_timeout": (0, 65535),
    "hard_timeout": (0, 65535),
    "importance": (0, 65535),
    "cookie": (0, 2**64 - 2),
}
SAID = {  # in a flow to add, and what the error says
    "dl_vlan=5000,actions=drop": "dl_vlan=5000 does not fit: 0 to 4095, or 0xffff for packets without a VLAN",
    "ip,nw_dst=10.0.0.300,actions=drop": "nw_dst=10.0.0.300 does not fit: 10.0.0.300 is not an address",
    "actions=mod_vlan_vid:5000": "mod_vlan_vid:5000 does not fit: 0 to 4095",
    "actions=set_queue:-1": "set_queue:-1 does not fit: 0 to 4294967295",
    "actions=output:70000": "output:70000 does not fit: 0 to 65535, or a port's name",
    "actions=resubmit(,300)": "resubmit(,300) does not fit: 0 to 254",
    "actions=load:0x1ffff->NXM_OF_VLAN_TCI[]": "does not fit: 0 to 65535",
    "ip,actions=set_field:0x1ff->ip_dscp": "set_field:0x1ff->ip_dscp does not fit: 0 to 63",
    "ip,actions=ct(zone=70000)": "zone=70000 does not fit: 0 to 65535",
    "ip,actions=mod_nw_tos:3": "mod_nw_tos:3 does not fit: 0 to 252 in steps of 4",
    "tcp,actions=mod_tp_dst:70000": "mod_tp_dst:70000 does not fit: 0 to 65535",
    "actions=meter:0": "meter:0 does not fit: 1 to 4294901760",
    "actions=learn(table=1,priority=70000)": "priority=70000 does not fit: 0 to 65535",
    "actions=push_vlan:0x1234": "push_vlan:0x1234 does not fit: 0x8100 or 0x88a8",
    "ip,actions=clone(mod_nw_ttl:300)": "mod_nw_ttl:300 does not fit: 0 to 255",
    "actions=sample(probability=70000)": "probability=70000 does not fit: 1 to 65535",
    "idle_timeout=70000,actions=drop": "idle_timeout=70000 does not fit: 0 to 65535",
    "cookie=-1,actions=drop": "cookie=-1 does not fit: 0 to 0xfffffffffffffffe",
    "table=256,actions=drop": "table=256 does not fit: 0 to 254",
    "tp_dst=010,tcp,actions=drop": "tp_dst=010 begins with 0, so ovs-ofctl would read it as octal: 8",
    "send_flow_rem=no,actions=drop": "takes no value, and ovs-ofctl would ignore no",
    "actions=ct_clear(zone=5)": "ct_clear(zone=5) takes no value",
    "ipv6,tcp,tp_dst=80,actions=drop": "tcp contradicts ipv6, and ovs-ofctl would use the last",
    'in_port="eth 1",dl_vlan=5000,actions=drop': "dl_vlan=5000 does not fit",
}
TOO_MUCH = [  # arguments that no action takes, and text that ovs-ofctl reads only in part
    "actions=drop:5", "actions=5:7", "actions=NORMAL:5", "actions=LOCAL(5)", "actions=FLOOD:1", "actions=pop_vlan:3", "actions=strip_vlan:5",
    "actions=ct_clear(zone=5)", "ip,actions=ct(commit=no)", "ip,actions=ct(commit,force=no)", "ip,actions=ct(commit,nat(src=10.0.0.1,random=no))",
    "actions=pop_queue:3", "actions=exit(5)", "ip,actions=resubmit(1,2,ct,4)", "actions=resubmit(1,255)", "actions=goto_table:255",
    "actions=clear_actions(5)", "dl_type=0x8847,actions=dec_mpls_ttl(5)", "actions=controller(id=5,pause=no)", "actions=learn(send_flow_rem=no)",
    "actions=learn(delete_learned=no)", "actions=sample(probability=5,ingress=no)", "tcp=80,actions=drop", "ip:10.0.0.1,actions=drop",
    "send_flow_rem=no,actions=drop", "check_overlap=0,actions=drop", "reset_counts=0,actions=drop", "table=255,actions=drop", "dl_vlan=,actions=drop",
    "nw_tos=3,ip,actions=drop", "nw_src,actions=drop", "actions:output:5,set_field=drop", "actions junk=drop", "priority=5,priority=6,actions=drop",
    "cookie=5,cookie=6,actions=drop", "table=5,table=6,actions=drop", "dl_vlan=5,dl_vlan=6,actions=drop", "dl_src=2:0:0:0:0:1,eth_src=2:0:0:0:0:2,actions=drop",
    "ipv6,tcp,actions=drop", "tcp,udp,actions=drop", "tcp,nw_proto=17,actions=drop", "dl_type=0x86dd,tcp,actions=drop", "in_port=1,in_port=2,actions=drop",
    "actions=multipath(eth_src,50,modulo_n,5,0,NXM_NX_REG0[],NXM_NX_REG1[])", "actions=move:NXM_NX_REG0[0..4294967299]->NXM_NX_REG1[0..3]",
    "actions=push:NXM_NX_REG0[4294967296]", "actions=output:NXM_NX_REG0[0..4294967311]", "ip,actions=ct(zone=NXM_NX_REG0[0..4294967311])",
    "reg0[0..4294967299]=5,actions=drop", "reg0[ 0..3]=5,actions=drop", "NXM_NX_REG0[-4294967295]=1,actions=drop", "tun_id[]=-1,actions=drop",
    "ip,actions=encap(nsh(md_type=2,tlv(0x11000,10,0x12345678)))", "ip,actions=encap(nsh(md_type=2,tlv(0x1000,300,0x12345678)))",
    "ip,actions=encap(nsh(md_type=2,tlv(0x1000,10,0x12345678zz)))", "ip,actions=encap(nsh(md_type=1),5)", "tun_erspan_ver=2,tun_erspan_dir=0,actions=drop",
    "actions=load:10.0.0.1->NXM_OF_IP_SRC[]", "actions=set_field:5/0->reg0", "actions=set_field:*->reg0", "tcp,actions=fin_timeout(idle_timeout=5,idle_timeout=6)",
]  # fmt: skip


PARTS = {
    "reg0[0..3]": 15,
    "NXM_NX_REG0[3]": 1,
    "reg0[]": 2**32 - 1,
    "tun_id[0..31]": 2**32 - 1,
}  # parts of fields in a match, with their highest values
MASKS = {
    "-1": "0xffffffffffffffff",
    "0xffffffffffffffff": "0xffffffffffffffff",
    "0xff": "255",
    f"{2**64}": None,
    f"{2**65 - 1:#x}": None,
    "0x": None,
}


def in_actions() -> Iterator[Case]:
    for part, high in PARTS.items():
        for typed, number in spelled(0, high):
            yield Case(f"{part}={{}},actions=drop", typed, None if number is None else f"{number:#x}")
    for typed, meant in MASKS.items():
        yield Case("actions=write_metadata:5/{}", typed, meant)
    for action, (low, high) in ARGUMENTS.items():
        for typed, number in spelled(low, high):
            yield Case(f"{needed(action)},actions={action}", typed, None if number is None else f"{number:#x}")
    for action, (low, high) in DECIMAL.items():
        for typed, number in spelled(low, high):
            if high != 254 or "0x" not in typed or number == 4:  # ovs-ofctl takes the others for names of tables and stops at each
                yield Case(f"{needed(action)},actions={action}", typed, in_digits(typed, number, low, high))
    for action, made in OTHERS.items():
        made_ = made(False) if made is not ports else made()
        yield from (Case(f"{needed(action)},actions={action}", typed, meant) for typed, meant in made_)
    for action in BITS:
        for bit in (0, 1, 15, 16, 30, 31, 32, 33, 2**32, 2**32 + 31):
            yield Case(f"ip,actions={action}", str(bit), str(bit) if bit <= 31 else None)
    for number in range(260):
        yield Case("ip,actions=mod_nw_tos:{}", str(number), hex(number) if number <= 252 and number % 4 == 0 else None)
    for kind in ("0x8100", "0x88a8", "33024", "0x8847", "0x18100"):
        yield Case("actions=push_vlan:{}", kind, kind if kind in ("0x8100", "0x88a8", "33024") else None)
        yield Case("actions=push_mpls:{}", kind, kind if kind == "0x8847" else None)
    for name, (low, high) in BESIDE.items():
        for typed, number in spelled(low, high):
            yield Case(f"{name}={{}},actions=drop", typed, None if number is None else hex(number))
    for typed, number in spelled(0, 254):
        yield Case("table={},actions=drop", typed, in_digits(typed, number, 0, 254))
    yield from (Case(flow.replace("{", "{{"), "", None) for flow in TOO_MUCH)


PROTOCOL_WORDS: dict[str, tuple[int | None, int | None]] = {  # ofp_parse_protocol of ofp-parse.c
    "ip": (0x0800, None), "ipv4": (0x0800, None), "ip4": (0x0800, None), "icmp": (0x0800, 1), "tcp": (0x0800, 6), "udp": (0x0800, 17),
    "sctp": (0x0800, 132), "ipv6": (0x86DD, None), "ip6": (0x86DD, None), "icmp6": (0x86DD, 58), "tcp6": (0x86DD, 6), "udp6": (0x86DD, 17),
    "sctp6": (0x86DD, 132), "arp": (0x0806, None), "rarp": (0x8035, None), "mpls": (0x8847, None), "mplsm": (0x8848, None), "eth": (None, None),
}  # fmt: skip


def of_protocols() -> Iterator[Case]:
    """A protocol keyword combined with protocol numbers; the meaning is written with numbers alone."""
    for word, (of_ethernet, of_ip) in PROTOCOL_WORDS.items():
        for kind in (0x0800, 0x86DD, 0x0806, 0x8035, 0x8847, 0x8848, 0x0801):
            same = of_ethernet in (None, kind)
            said = f"nw_proto={of_ip}," if of_ip else f"dl_type={kind:#x},"
            yield Case(f"{{}}dl_type={kind:#x},actions=drop", f"{word},", said if same else None)
        for number in (1, 6, 17, 58, 132, 2, 7, 18, 59, 133) if of_ip else ():
            yield Case(f"{{}}nw_proto={number},actions=drop", f"{word},", f"dl_type={of_ethernet:#x}," if number == of_ip else None)
        yield Case("{},actions=drop", f"{word}=5", None)


def in_digits(typed: str, number: int | None, low: int, high: int) -> str | None:
    """The meaning where only decimal digits are read, even after a leading 0."""
    number = 8 if typed == "08" and low <= 8 <= high else number
    return str(number) if number is not None and re.fullmatch(r"\+?[0-9]+", typed) else None


def needed(action: str) -> str:
    return (
        "mpls"
        if "mpls" in action
        else "tcp"
        if "mod_tp" in action or "fin_timeout" in action
        else "ipv6"
        if "fe80" in action
        else "ip,dl_vlan=5"
    )
