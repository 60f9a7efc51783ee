"""The fields of ovs-fields(7), and the values that each of them accepts (pure).

The file is long because a quarter of it is the table of all fields.

ovs-ofctl accepts many values that do not fit and silently changes them: it keeps the low bits of a number
(``dl_vlan=5000`` becomes 904), of an address (``10.0.0.300`` becomes 10.0.0.44) and of a prefix, and ignores what follows the first
digits. So values are parsed here exactly as typed, and compared with what the field accepts. A message about a value begins with the
value as typed: ``dl_vlan=5000`` "does not fit: 0 to 4095".

A field that is not in the table may belong to a newer Open vSwitch, and is left to ovs-ofctl.
"""

import re
import socket
from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from typing import NamedTuple

from ovstool.openflow.syntax.lexer import FLAGS, Word

Check = Callable[[str], str | None]  # what is wrong with a value; None if it is valid

# Words of a flow that are not fields.
COUNTERS = (
    "duration",
    "n_packets",
    "n_bytes",
    "idle_age",
    "hard_age",
)  # ovs-ofctl ignores these, so that it can read dumped flows
IGNORED = ("no_readonly_table", "allow_hidden_fields")
# Protocol keywords, which take no value (ofp_parse_protocol of ofp-parse.c): Ethernet type and IP protocol.
PROTOCOLS: dict[str, tuple[int | None, int | None]] = {
    "ip": (0x800, None), "ipv4": (0x800, None), "ip4": (0x800, None), "arp": (0x806, None), "rarp": (0x8035, None), "ipv6": (0x86DD, None),
    "ip6": (0x86DD, None), "icmp": (0x800, 1), "tcp": (0x800, 6), "udp": (0x800, 17), "sctp": (0x800, 132), "icmp6": (0x86DD, 58),
    "tcp6": (0x86DD, 6), "udp6": (0x86DD, 17), "sctp6": (0x86DD, 132), "mpls": (0x8847, None), "mplsm": (0x8848, None), "eth": (None, None),
}  # fmt: skip

# The fields of all versions up to 3.7 (the comments of meta-flow.h, from which ovs-fields(7) is generated): names, form, bits (with a
# slash if maskable), and their OXM and NXM names.
_TABLE = """
dp_hash number 32/ NXM_NX_DP_HASH NXOXM_ET_DP_HASH
recirc_id number 32 NXM_NX_RECIRC_ID
packet_type packet_type 32 OXM_OF_PACKET_TYPE
conj_id number 32 NXM_NX_CONJ_ID
tun_id|tunnel_id number 64/ NXM_NX_TUN_ID OXM_OF_TUNNEL_ID
tun_src ipv4 32/ NXM_NX_TUN_IPV4_SRC
tun_dst ipv4 32/ NXM_NX_TUN_IPV4_DST
tun_ipv6_src ipv6 128/ NXM_NX_TUN_IPV6_SRC
tun_ipv6_dst ipv6 128/ NXM_NX_TUN_IPV6_DST
tun_flags flags 1/ NXM_NX_TUN_FLAGS
tun_ttl number 8
tun_tos number 8
tun_gbp_id number 16/ NXM_NX_TUN_GBP_ID
tun_gbp_flags number 8/ NXM_NX_TUN_GBP_FLAGS
tun_erspan_idx number 20/ NXOXM_ET_ERSPAN_IDX
tun_erspan_ver number 4/ NXOXM_ET_ERSPAN_VER
tun_erspan_dir number 1/ NXOXM_ET_ERSPAN_DIR
tun_erspan_hwid number 6/ NXOXM_ET_ERSPAN_HWID
tun_gtpu_flags number 8/ NXOXM_ET_GTPU_FLAGS
tun_gtpu_msgtype number 8/ NXOXM_ET_GTPU_MSGTYPE
tun_metadata[0..63] number 992/ NXM_NX_TUN_METADATA[0..63]
metadata number 64/ OXM_OF_METADATA
in_port port 16 NXM_OF_IN_PORT
in_port_oxm port 32 OXM_OF_IN_PORT
actset_output port 32 ONFOXM_ET_ACTSET_OUTPUT
skb_priority number 32
pkt_mark number 32/ NXM_NX_PKT_MARK
ct_state flags 32/ NXM_NX_CT_STATE
ct_zone number 16 NXM_NX_CT_ZONE
ct_mark number 32/ NXM_NX_CT_MARK
ct_label number 128/ NXM_NX_CT_LABEL
ct_nw_proto number 8 NXM_NX_CT_NW_PROTO
ct_nw_src ipv4 32/ NXM_NX_CT_NW_SRC
ct_nw_dst ipv4 32/ NXM_NX_CT_NW_DST
ct_ipv6_src ipv6 128/ NXM_NX_CT_IPV6_SRC
ct_ipv6_dst ipv6 128/ NXM_NX_CT_IPV6_DST
ct_tp_src number 16/ NXM_NX_CT_TP_SRC
ct_tp_dst number 16/ NXM_NX_CT_TP_DST
reg[0..15] number 32/ NXM_NX_REG[0..15]
xreg[0..15] number 64/ OXM_OF_PKT_REG[0..15]
xxreg[0..3] number 128/ NXM_NX_XXREG[0..3]
eth_src|dl_src mac 48/ NXM_OF_ETH_SRC OXM_OF_ETH_SRC
eth_dst|dl_dst mac 48/ NXM_OF_ETH_DST OXM_OF_ETH_DST
eth_type|dl_type number 16 NXM_OF_ETH_TYPE OXM_OF_ETH_TYPE
vlan_tci number 16/ NXM_OF_VLAN_TCI
dl_vlan number 12
vlan_vid number 12/ OXM_OF_VLAN_VID
dl_vlan_pcp number 3
vlan_pcp number 3 OXM_OF_VLAN_PCP
mpls_label number 20 OXM_OF_MPLS_LABEL
mpls_tc number 3 OXM_OF_MPLS_TC
mpls_bos number 1 OXM_OF_MPLS_BOS
mpls_ttl number 8 NXM_NX_MPLS_TTL
ip_src|nw_src ipv4 32/ NXM_OF_IP_SRC OXM_OF_IPV4_SRC
ip_dst|nw_dst ipv4 32/ NXM_OF_IP_DST OXM_OF_IPV4_DST
ipv6_src ipv6 128/ NXM_NX_IPV6_SRC OXM_OF_IPV6_SRC
ipv6_dst ipv6 128/ NXM_NX_IPV6_DST OXM_OF_IPV6_DST
ipv6_label number 20/ NXM_NX_IPV6_LABEL OXM_OF_IPV6_FLABEL
nw_proto|ip_proto number 8 NXM_OF_IP_PROTO OXM_OF_IP_PROTO
nw_tos number 8 NXM_OF_IP_TOS
ip_dscp number 6 OXM_OF_IP_DSCP
nw_ecn|ip_ecn number 2 NXM_NX_IP_ECN OXM_OF_IP_ECN
nw_ttl number 8 NXM_NX_IP_TTL
ip_frag|nw_frag frag 2/ NXM_NX_IP_FRAG
arp_op number 16 NXM_OF_ARP_OP OXM_OF_ARP_OP
arp_spa ipv4 32/ NXM_OF_ARP_SPA OXM_OF_ARP_SPA
arp_tpa ipv4 32/ NXM_OF_ARP_TPA OXM_OF_ARP_TPA
arp_sha mac 48/ NXM_NX_ARP_SHA OXM_OF_ARP_SHA
arp_tha mac 48/ NXM_NX_ARP_THA OXM_OF_ARP_THA
tcp_src|tp_src number 16/ NXM_OF_TCP_SRC OXM_OF_TCP_SRC
tcp_dst|tp_dst number 16/ NXM_OF_TCP_DST OXM_OF_TCP_DST
tcp_flags flags 12/ NXM_NX_TCP_FLAGS ONFOXM_ET_TCP_FLAGS
udp_src number 16/ NXM_OF_UDP_SRC OXM_OF_UDP_SRC
udp_dst number 16/ NXM_OF_UDP_DST OXM_OF_UDP_DST
sctp_src number 16/ OXM_OF_SCTP_SRC
sctp_dst number 16/ OXM_OF_SCTP_DST
icmp_type number 8 NXM_OF_ICMP_TYPE OXM_OF_ICMPV4_TYPE
icmp_code number 8 NXM_OF_ICMP_CODE OXM_OF_ICMPV4_CODE
icmpv6_type number 8 NXM_NX_ICMPV6_TYPE OXM_OF_ICMPV6_TYPE
icmpv6_code number 8 NXM_NX_ICMPV6_CODE OXM_OF_ICMPV6_CODE
nd_target ipv6 128/ NXM_NX_ND_TARGET OXM_OF_IPV6_ND_TARGET
nd_sll mac 48/ NXM_NX_ND_SLL OXM_OF_IPV6_ND_SLL
nd_tll mac 48/ NXM_NX_ND_TLL OXM_OF_IPV6_ND_TLL
nd_reserved number 32 ERICOXM_OF_ICMPV6_ND_RESERVED
nd_options_type number 8 ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE
nsh_flags number 8/ NXOXM_NSH_FLAGS
nsh_mdtype number 8 NXOXM_NSH_MDTYPE
nsh_np number 8 NXOXM_NSH_NP
nsh_spi|nsp number 24 NXOXM_NSH_SPI
nsh_si|nsi number 8 NXOXM_NSH_SI
nsh_c[1..4]|nshc[1..4] number 32/ NXOXM_NSH_C[1..4]
nsh_ttl number 8 NXOXM_NSH_TTL
reg[16..31] number 32/ NXOXM_ET_REG[16..31]
xxreg[4..7] number 128/ NXOXM_ET_XXREG[4..7]
"""
_SIZES = (8, 16, 32, 64, 128, 992)  # widths in bits of the integers in which ovs-ofctl stores numbers
_FLAGS = {"ct_state": 0xFF, "tcp_flags": 0xFFF, "tun_flags": 1}  # their numeric maximum
_FRAGMENTS = ("no", "yes", "first", "later", "not_later")

# Fields with fewer or more valid values than their width implies (mf_is_value_valid of meta-flow.c).
_HIGHEST = {"vlan_vid": 0x1FFF, "arp_op": 0xFF, "nsh_ttl": 63, "nsh_mdtype": 2}
_LOWEST = {"nsh_mdtype": 1}
_NO_VLAN = 0xFFFF  # dl_vlan=0xffff is for packets without a VLAN
# For these Open vSwitch uses the value as the mask (match_set_tun_erspan_dir_masked of match.c).
_NOT_ZERO = ("tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid")

# Patterns are strings, so that re compiles them only when the first value needs them.
_NUMBER = r"[ \t]*([+-]?)(?:0[xX]([0-9a-fA-F]{1,1024})|([0-9]{1,400}))"
_DECIMAL = r"[ \t]*\+?([0-9]{1,400})"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
MAC = r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}"
_PORT = r"[ \t]*[+-]?[0-9]+"
_PACKET_TYPE = r"\(([^,()]*),([^,()]*)\)"
_FLAG = r"[a-z_]+"
_BITS = r"\A\[([0-9a-fA-F]{1,16})\]\Z"  # flags without a name, as ovs-ofctl writes them (packet_format_tcp_flags of packets.c)
_SUBFIELD = r"(\w+)(?:\[(?:([0-9]{1,4})(?:\.\.([0-9]{1,4}))?)?\])?"
_OWN_PORTS = 0xFFFFFF00  # where the reserved ports of OpenFlow 1.1 and later begin (OFPP_MAX)


_HEX = "0x[0-9a-fA-F]"
NUMBER_16 = rf"(?:[1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|0|{_HEX}{{1,4}})"
NUMBER = rf"(?:[1-9][0-9]{{0,8}}|0|{_HEX}{{1,8}})"  # numbers of 16 and 32 bits in plain notation
_PLAIN_IPV4 = rf"{IPV4}(?:/(?:[12]?[0-9]|3[0-2]))?"
_PLAIN_8 = rf"[1-9]?[0-9](?:/{_HEX}{{1,2}})?"
_PLAIN_16 = rf"{NUMBER_16}(?:/{_HEX}{{1,4}})?"
_PLAIN_32 = rf"{NUMBER}(?:/{_HEX}{{1,8}})?"


class Field(NamedTuple):
    """A field: its form is one of ``_FORMS``."""

    name: str
    form: str
    bits: int
    maskable: bool


@lru_cache(1)
def by_name() -> dict[str, Field]:
    """The fields by all of their names."""
    found = {}
    for line in _TABLE.split("\n"):
        for one in _lines(line):
            names, form, bits, *own = one.split()
            names, *aliases = names.split("|")
            field = Field(names, form, int(bits.rstrip("/")), bits.endswith("/"))
            found.update(dict.fromkeys((names, *aliases, *own), field))
    return found


def _lines(line: str) -> Iterator[str]:
    """A line of the table, repeated for each number in a range."""
    span = re.search(r"\[(\d+)\.\.(\d+)\]", line)
    if span:
        yield from (line.replace(span[0], str(number)) for number in range(int(span[1]), int(span[2]) + 1))
    elif line:
        yield line


@lru_cache(1)
def plain_patterns() -> dict[str, re.Pattern[str]]:
    """Patterns for the usual notation of most fields, by all of their names: values that match need no further check."""
    texts = {"mac": MAC, "ipv4": _PLAIN_IPV4, "number8": _PLAIN_8, "number16": _PLAIN_16, "number32": _PLAIN_32, "number64": _PLAIN_32}
    forms = {form: re.compile(text) for form, text in texts.items()}
    odd = (*_HIGHEST, *_NOT_ZERO, "nw_tos")
    return {
        name: forms[form]
        for name, field in by_name().items()
        if (form := f"{field.form}{field.bits}" if field.form == "number" else field.form) in forms and field.name not in odd
    }


def misfit(word: Word) -> str | None:
    """What is wrong with a word of a match, or before a flow's actions. A field without a value is not checked."""
    if word.name in BESIDE_MATCH:
        return BESIDE_MATCH[word.name](word.value) if word.value else None
    if word.name in PROTOCOLS or word.name in FLAGS or word.name in IGNORED:
        return f"is wrong: {word.name} takes no value, and ovs-ofctl would ignore {word.value}" if word.value else None
    if "[" in word.name:
        return subfield(word.name) or (_part(word.name)(word.value) if word.value else None)
    field = by_name().get(word.name)
    return value(field, word.value) if field and word.value else None


def value(field: Field, text: str, sets: bool = False) -> str | None:
    """What is wrong with the value of a field in a match, or in an action that ``sets`` it."""
    return None if text == "*" and not sets else _FORMS[field.form](field, text, sets)


def subfield(text: str) -> str | None:
    """What is wrong with a field, or some of its bits, such as ``reg0[0..7]``."""
    found = re.fullmatch(_SUBFIELD, text)
    if not found:
        return "has no such bits: [], [BIT] or [FIRST..LAST]" if re.match(r"\w+\[", text) else None
    field = by_name().get(found[1])
    if field and found[2] and not int(found[2]) <= int(found[3] or found[2]) < field.bits:
        return f"has no such bits: 0 to {field.bits - 1}"
    return None


def bits_of(text: str) -> int | None:
    """The width of a field, or of a part of it, in bits."""
    found = re.fullmatch(_SUBFIELD, text)
    field = by_name().get(found[1]) if found else None
    if not found or not field:
        return None
    return int(found[3] or found[2]) - int(found[2]) + 1 if found[2] else field.bits


def _part(name: str) -> Check:
    bits = bits_of(name)
    return number(0, (1 << (bits or 992)) - 1)


def number(low: int, high: int, also: Container[int] = (), step: int = 1, but: str = "") -> Check:
    """The check of a number as C reads it, in a range; ``also`` are other valid values, which ``but`` describes."""
    said = f"does not fit: {_span(low, high)}{f' in steps of {step}' if step > 1 else ''}{but}"

    def check(text: str) -> str | None:
        found = integer(text)
        if found is None or not ((low <= found <= high and found % step == 0) or found in also):
            return said
        return octal(text)

    return check


def decimal(low: int, high: int) -> Check:
    """The check of a number that ovs-ofctl reads only in decimal."""

    def check(text: str) -> str | None:
        found = re.fullmatch(_DECIMAL, text)
        return None if found and low <= int(found[1]) <= high else f"does not fit: {_span(low, high)}, in decimal digits"

    return check


def _span(low: int, high: int) -> str:
    return f"{low} to {high if high < 2**32 else hex(high) if high < 2**128 else f'2^{high.bit_length()}-1'}"


def integer(text: str) -> int | None:
    """A number as strtoull(3) reads it, but without wrapping around; None if it is not a number."""
    found = re.fullmatch(_NUMBER, text)
    if not found:
        return None
    sign, hexadecimal, digits = found.groups()
    try:
        size = int(hexadecimal, 16) if hexadecimal else int(digits, 8 if digits[0] == "0" else 10)
    except ValueError:  # 08
        return None
    return -size if sign == "-" else size


def octal(text: str) -> str | None:
    """What is wrong with a number that would be read as octal: ovs-fields(7) documents only decimal and hexadecimal."""
    found = re.fullmatch(_NUMBER, text)
    if found and found[3] and found[3][0] == "0" and int(found[3]) != integer(found[3]):
        return f"begins with 0, so ovs-ofctl would read it as octal: {integer(text)}"
    return None


def mask(text: str, high: int, size: int) -> str | None:
    """What is wrong with a mask. All ones in ovs-ofctl's width means the whole field, and so does -1 in 64 bits."""
    found = integer(text)
    if found is None or not (0 <= found <= high or found == (1 << size) - 1 or (size == 64 and -(1 << 63) <= found < 0)):
        return f"has a mask that does not fit: 0 to {high:#x}"
    return octal(text)


def _number(field: Field, text: str, sets: bool) -> str | None:
    first, slash, second = text.partition("/")
    high = _HIGHEST.get(field.name, (1 << field.bits) - 1)
    size = next(size for size in _SIZES if size >= field.bits)
    is_value = bool(slash) and field.name in _NOT_ZERO and not sets
    wrong = _number_of(field.name, high, sets or is_value)(first) or (mask(second, high, size) if slash else None)
    if is_value and not wrong and integer(second) not in (0, integer(first), *((high, (1 << size) - 1) if integer(first) else ())):
        return f"has a mask that Open vSwitch replaces with the value: {first}/{first}"
    return wrong


@lru_cache(512)
def _number_of(name: str, high: int, sets: bool) -> Check:
    if name == "dl_vlan" and not sets:
        return number(0, high, (_NO_VLAN,), but=f", or {_NO_VLAN:#x} for packets without a VLAN")
    if name in _NOT_ZERO and not sets:
        return number(1, high, but="; Open vSwitch treats 0 as any")
    return number(_LOWEST.get(name, 0), 0xFC if name == "nw_tos" else high, step=4 if name == "nw_tos" else 1)


def _mac(field: Field, text: str, sets: bool) -> str | None:
    first, slash, second = text.partition("/")
    return mac(first) or (mac(second) if slash else None)


def mac(text: str) -> str | None:
    """What is wrong with an Ethernet address."""
    return None if re.fullmatch(MAC, text) else f"does not fit: {text} is not an address"


def _ipv4(field: Field, text: str, sets: bool) -> str | None:
    first, slash, second = text.partition("/")
    return ipv4(first) or (_prefix(second, 32) if slash and not re.fullmatch(IPV4, second) else None)


def ipv4(text: str) -> str | None:
    """What is wrong with an IPv4 address."""
    return None if re.fullmatch(IPV4, text) else f"does not fit: {text} is not an address"


def _ipv6(field: Field, text: str, sets: bool) -> str | None:
    first, slash, second = text.partition("/")
    return ipv6(first) or (_prefix(second, 128) if slash and ipv6(second) else None)


def ipv6(text: str) -> str | None:
    """What is wrong with an IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6, text.strip(" \t"))
    except (OSError, ValueError):
        return f"does not fit: {text} is not an address"
    return None


def _prefix(text: str, bits: int) -> str | None:
    if "." in text or ":" in text:
        return f"has a mask that does not fit: {text} is not an address"
    return decimal(0, bits)(text) and f"has a prefix that does not fit: 0 to {bits}"


def port(text: str) -> str | None:
    """What is wrong with a port: a number, or else a name for ovs-ofctl to look up (ofputil_port_from_string of ofp-port.c)."""
    if not re.fullmatch(_PORT, text) or decimal(0, 0xFFFF)(text) is None or decimal(_OWN_PORTS, 2**32 - 1)(text) is None:
        return None
    return "does not fit: 0 to 65535, or a port's name"


def _port(field: Field, text: str, sets: bool) -> str | None:
    return port(text)


def table_number(text: str) -> str | None:
    """What is wrong with a table: a number, or else a name."""
    return decimal(0, 254)(text) and "does not fit: 0 to 254" if re.fullmatch(_PORT, text) else None


def _flags(field: Field, text: str, sets: bool) -> str | None:
    high = _FLAGS[field.name]
    first, slash, second = text.partition("/")
    if slash:
        return number(0, high)(first) or mask(second, high, 0)
    if text[0] in "+-":
        return None  # ovs-ofctl checks each of these flags itself
    wrong = (number(0, high)(re.sub(_BITS, r"0x\1", one)) for one in text.split("|") if not re.fullmatch(_FLAG, one))
    return next(filter(None, wrong), None)


def _fragments(field: Field, text: str, sets: bool) -> str | None:
    return None if text.lower() in _FRAGMENTS else f"does not fit: {', '.join(_FRAGMENTS[:-1])} or {_FRAGMENTS[-1]}"


def _packet_type(field: Field, text: str, sets: bool) -> str | None:
    found = re.fullmatch(_PACKET_TYPE, text)
    return (number(0, 0xFFFF)(found[1]) or number(0, 0xFFFF)(found[2])) if found else "does not fit: (NAMESPACE,TYPE), each 0 to 65535"


_FORMS: dict[str, Callable[[Field, str, bool], str | None]] = {
    "number": _number, "mac": _mac, "ipv4": _ipv4, "ipv6": _ipv6, "port": _port, "flags": _flags, "frag": _fragments,
    "packet_type": _packet_type,
}  # fmt: skip


def _cookie(text: str) -> str | None:
    first, slash, second = text.partition("/")
    if slash:
        return number(0, 2**64 - 1)(first) or mask(second, 2**64 - 1, 64)
    return number(0, 2**64 - 2)(first)  # all ones means "keep the cookie", which a new flow does not have


BESIDE_MATCH: dict[str, Check] = {
    "table": table_number, "cookie": _cookie, "out_port": port, "priority": number(0, 0xFFFF), "idle_timeout": number(0, 0xFFFF),
    "hard_timeout": number(0, 0xFFFF), "importance": number(0, 0xFFFF),
}  # fmt: skip
