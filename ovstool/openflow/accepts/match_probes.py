"""Whether ovs-ofctl uses everything in a match (pure).

It uses the last of two words for one field, ignores a field without its protocol, which it only logs, and a tcp field in a udp match,
and confuses fields that share their storage. So its reading of a match is compared with its reading of the words in reverse order, and
without each of them; and an action that reads a field is valid only if the match has the field's prerequisites
(mf_are_prereqs_ok of meta-flow.c).
"""

import re
from collections.abc import Sequence

from ovstool.openflow.accepts import fields
from ovstool.openflow.syntax import names
from ovstool.openflow.syntax.lexer import PORT_WORDS, Word, words

MOST = 256  # words; Open vSwitch has fewer fields
LONGEST = 2**15  # characters

# Words that are not fields (ovs-ofctl(8)).
_BESIDE = ("table", "cookie", "out_port", "out_group", "priority")
_OF_NUMBERS = ("icmp", "tcp", "udp", "sctp", "icmp6", "tcp6", "udp6", "sctp6")  # words that imply nw_proto
# Fields that several protocols share, and how ovs-ofctl then writes them.
_SHARED = {
    "nw_src": ("nw_src", "arp_spa"), "nw_dst": ("nw_dst", "arp_tpa"), "nw_proto": ("nw_proto", "arp_op", *_OF_NUMBERS),
    "tp_src": ("tp_src", "icmp_type"), "tp_dst": ("tp_dst", "icmp_code"), "icmp_type": ("icmp_type",), "icmp_code": ("icmp_code",),
    "ct_tp_src": ("ct_tp_src",), "ct_tp_dst": ("ct_tp_dst",),
}  # fmt: skip
_SOME_PORT = 60000  # stands in for a port name; only whether two names differ matters
# Prefixes of the fields of a protocol, those with the most prerequisites first.
_FIELDS = {
    "tcp_": "tcp", "udp_": "udp", "sctp_": "sctp", "tp_": "tcp", "icmpv6_": "icmp6", "icmp_": "icmp", "nd_": "icmp6,icmp_type=135",
    "ipv6_": "ipv6", "arp_": "arp", "mpls_": "mpls", "nw_": "ip", "ip_": "ip",
}  # fmt: skip
_OPEN = r"/(?:0x)?[0.:]+\Z"  # a mask of no bits
_ANY_PORT = r"(?i)any|none|0*(?:65535|4294967295)"
_ANY_GROUP = r"(?i)any|\+?0*4294967295"
_NO_BITS = r"(?i)[+-]?0+|0x0+"


def beside_fields(match: str) -> dict[str, str]:
    """The words of a match that are not fields, such as its table."""
    return {word.name: word.value for word in words(match) if word.name in _BESIDE}


def why_refused(match: str) -> str | None:
    """Why a match is not allowed, however ovs-ofctl reads its fields; None if it is allowed."""
    said = words(match)
    if len(said) > MOST or len(match) > LONGEST:
        return f"has more than {MOST} words or {LONGEST} characters"
    keywords = [word.name for word in said]
    for word in said:
        if word.name in _BESIDE and keywords.count(word.name) > 1:
            return f"has {word.name} twice, and ovs-ofctl uses the last one"
        if word.name in ("action", "actions"):
            return f"unknown keyword {word.name}"
        if word.name in (*fields.COUNTERS, *fields.IGNORED) or _says_nothing(word):
            return f"{word.text} does not match on anything, and ovs-ofctl ignores it"
        if word.name == "table" and re.fullmatch(r"\+?0*255", word.value):
            return f"{word.text} is not a table, and ovs-ofctl reads it as all tables"
        if "#" in word.text and word.name not in PORT_WORDS:
            return "# starts a comment"
        if wrong := fields.misfit(word):
            return f"{word.text} {wrong}"
    return None


def _says_nothing(word: Word) -> bool:
    match word.name:
        case "out_port":
            return bool(re.fullmatch(_ANY_PORT, word.value))
        case "out_group":
            return bool(re.fullmatch(_ANY_GROUP, word.value))
        case "cookie":
            return bool(re.fullmatch(_NO_BITS, word.value.partition("/")[2]))
    return False


def field_words(match: str) -> list[Word]:
    """The words of a match that are fields, with numbers in place of port names."""
    found = []
    numbers = {name: number for number, name in stand_ins(match).items()}
    for word in words(match):
        if word.name in PORT_WORDS and (value := numbers.get(word.value)):
            word = Word(word.name, value, f"{word.name}={value}")
        if word.name not in _BESIDE:
            found.append(word)
    return found


def stand_ins(match: str) -> dict[str, str]:
    """The port names in a match, as written there, by the number that stands in for each in the probes."""
    ports = dict.fromkeys(word.value for word in words(match) if word.name in PORT_WORDS and word.value and not word.value.isdecimal())
    return {str(_SOME_PORT + place): name for place, name in enumerate(ports)}


def as_given(match: str, reduced: tuple[str, str]) -> tuple[str, str]:
    """The probe of a match and how it was read, with port names in place of their numbers."""
    ports = stand_ins(match)
    was, now = (names.unescaped(names.with_names(text, ports, str)) for text in reduced)
    return names.unescaped(match) if was == now else was, now


def probes(said: Sequence[Word]) -> list[str]:
    """Flows for ovs-ofctl to parse: the match; its words reversed; without each word; and for each of ``unshared`` one that reads its field."""
    texts = [word.text for word in said]
    matches = [texts, texts[::-1], *(texts[:i] + texts[i + 1 :] for i in range(len(texts)))]
    reading = [(texts, f"output:{word.name}{'' if '[' in word.name else '[]'}") for word in unshared(said)]
    return [",".join([*match, f"actions={action}"]) for match, action in [*((match, "drop") for match in matches), *reading]]


def unshared(said: Sequence[Word]) -> list[Word]:
    """The words for fields that belong to a single protocol, or to every packet."""
    return [word for word in said if word.name not in (*fields.PROTOCOLS, *_SHARED)]


def first_lost(said: Sequence[Word], taken: Sequence[str]) -> Word | None:
    """The first word that ovs-ofctl ignores or takes for another field; ``taken`` is its reading of the probes that do not read a field."""
    there = {word.name for word in words(taken[0])}
    for word, without in zip(said, taken[2:], strict=True):
        if word.name in fields.PROTOCOLS and not word.value:
            continue
        if without == taken[0]:
            is_said = word.name == "nw_proto" and not there.isdisjoint(_OF_NUMBERS)  # also by a protocol word
            if not word.value or (word.name in _SHARED and not is_said and not re.search(_OPEN, word.value)):
                return word
        elif (shown := _SHARED.get(word.name)) and there.isdisjoint(shown):
            return word
    return None


def without_effect(said: Sequence[Word], taken: Sequence[str]) -> list[Word]:
    """The words, other than protocols, that do not change the match, such as one with a mask of 0."""
    return [word for word, without in zip(said, taken[2:], strict=True) if without == taken[0] and word.name not in fields.PROTOCOLS]


def with_protocol(match: str) -> str | None:
    """The match with the protocol that its fields need, judging by their names."""
    said = words(match)
    keywords = {word.name for word in said}
    if "icmp_type" in keywords and any(name.startswith("nd_") for name in keywords):
        return None  # it is icmp_type that is wrong
    for prefix, protocol in _FIELDS.items():
        if any(word.name.startswith(prefix) for word in said):
            six = protocol in ("tcp", "udp", "sctp") and any(word.name.startswith("ipv6_") for word in said)
            kept = [word.text for word in said if word.name not in fields.PROTOCOLS]
            hint = ",".join([f"{protocol}6" if six else protocol, *kept])
            return None if hint == match else hint
    return None
