"""Whether a match clearly has the prerequisites of its fields, judging by its text; if not, ovs-ofctl decides (pure).

If the match lacks a field's protocol, Open vSwitch drops the field (ofputil_normalize_match of ofp-match.c) or does not even send it
(nx_put_raw of nx-match.c), so that the flow matches other packets. The prerequisites are those of meta-flow.h.
"""

import re
from collections.abc import Iterable, Sequence

from ovstool.openflow.accepts import fields
from ovstool.openflow.syntax.lexer import Word
from ovstool.openflow.syntax.names import escaped

_IPV4 = {"ip", "ipv4", "ip4", "icmp", "tcp", "udp", "sctp"}
_IPV6 = {"ipv6", "ip6", "icmp6", "tcp6", "udp6", "sctp6"}
_MPLS = {"mpls", "mplsm"}
_WITHOUT_PORTS = {"ip", "ipv4", "ip4", "ipv6", "ip6", "arp"}
_PROTOCOLS = _IPV4 | _IPV6 | _MPLS | {"arp", "rarp"}
# For each field the words of which a match needs one; fields that need more than one word are not listed.
_NEEDED = {
    name: needed
    for names, needed in (
        ("nw_src nw_dst", _IPV4 | {"arp"}),
        ("ip_src ip_dst", _IPV4),
        ("nw_tos ip_dscp nw_ecn ip_ecn nw_ttl nw_frag ip_frag", _IPV4 | _IPV6),
        ("ipv6_src ipv6_dst ipv6_label", _IPV6),
        ("nw_proto", _WITHOUT_PORTS),
        ("tp_src tp_dst", {"tcp", "udp", "sctp", "tcp6", "udp6", "sctp6"}),
        ("tcp_src tcp_dst tcp_flags", {"tcp", "tcp6"}),
        ("udp_src udp_dst", {"udp", "udp6"}),
        ("sctp_src sctp_dst", {"sctp", "sctp6"}),
        ("icmp_type icmp_code", {"icmp", "icmp6"}),
        ("icmpv6_type icmpv6_code", {"icmp6"}),
        ("arp_op arp_spa arp_tpa arp_sha arp_tha", {"arp"}),
        ("mpls_label mpls_tc mpls_bos mpls_ttl", _MPLS),
        ("nd_target", {"icmp_type=135", "icmp_type=136"}),
        ("nd_sll", {"icmp_type=135"}),
        ("nd_tll", {"icmp_type=136"}),
    )
    for name in names.split()
}
# Fields without prerequisites, each under one of its names.
_FREE = (
    r"in_port|(?:dl|eth)_(?:src|dst)|dl_vlan|dl_vlan_pcp|vlan_tci|dl_type|eth_type|x{0,2}reg[0-9]+|metadata|tun_(?:id|src|dst|metadata[0-9]+)"
    r"|ct_(?:state|zone|mark|label)|pkt_mark|conj_id|recirc_id"
)
_SHARED = (
    ("dl_vlan", "vlan_tci"), ("dl_vlan_pcp", "vlan_tci"), ("dl_src", "eth_src"), ("dl_dst", "eth_dst"), ("nw_src", "arp_spa"), ("nw_dst", "arp_tpa"),
    ("nw_src", "ip_src"), ("nw_dst", "ip_dst"), ("nw_proto", "arp_op"), ("nw_tos", "ip_dscp"), ("nw_ecn", "ip_ecn"), ("nw_frag", "ip_frag"),
    ("icmp_type", "icmpv6_type"), ("icmp_code", "icmpv6_code"), ("tp_src", "tcp_src"), ("tp_dst", "tcp_dst"), ("tp_src", "udp_src"),
    ("tp_dst", "udp_dst"), ("tp_src", "sctp_src"), ("tp_dst", "sctp_dst"),
)  # fmt: skip
# Words that are not part of a flow's match, and those that ovs-ofctl ignores; out_port is only for dumps.
_BESIDE = {*fields.BESIDE_MATCH, *fields.COUNTERS, *fields.IGNORED, *fields.FLAGS} - {"out_port"}
# A value, except where prerequisites may depend on it.
_VALUE = r"(?<!_type)(?<!_proto)(?<!ct_state)[=:][^, \t\r]*"
_TELLING = ("_type", "_proto", "ct_state", "tun_metadata")  # in a field whose value matters, or whose name contains a number
_OF_VALUES = b"012345789.:/abcdefABCDEF"  # without the 6 that tells tcp6 from tcp


def one_of_each_kind(lines: Iterable[str]) -> list[tuple[int, str]]:
    """One flow for each set of fields: its line number and the text before its actions."""
    roughly: dict[bytes, tuple[int, str]] = {}  # a fast first pass, because most flows differ only in numbers
    found: dict[str, tuple[int, str]] = {}
    without_values = re.compile(_VALUE).sub
    for number, line in enumerate(lines, 1):
        head = (escaped(line) if '"' in line else line).partition("#")[0].partition("action")[0]
        if any(part in head for part in _TELLING) or head.count("reg") > 1:
            found.setdefault(without_values("", head), (number, head))
        else:
            roughly.setdefault(head.encode().translate(None, _OF_VALUES), (number, head))
    for number, head in roughly.values():
        found.setdefault(without_values("", head), (number, head))
    return sorted(found.values())


def match_words(said: Iterable[Word]) -> list[Word]:
    """The words of a flow that belong to its match."""
    return [word for word in said if word.name not in _BESIDE]


def are_plainly_met(said: Sequence[Word]) -> bool:
    """Whether each word of a match is for a different field, and its prerequisite is present as a separate word."""
    names = {word.name for word in said}
    if len(names) < len(said) or any(one in names and other in names for one, other in _SHARED):
        return False
    if len(names & (_PROTOCOLS | {"dl_type", "eth_type"})) > 1 or len({name.partition("reg")[0] for name in names if "reg" in name}) > 1:
        return False
    texts = {word.text for word in said}
    return all(not word.value if word.name in _PROTOCOLS else _is_met(word.name, texts) for word in said)


def _is_met(name: str, texts: set[str]) -> bool:
    return not texts.isdisjoint(_NEEDED.get(name, ())) or bool(re.fullmatch(_FREE, name))
