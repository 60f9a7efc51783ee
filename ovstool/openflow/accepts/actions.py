"""The actions of ovs-actions(7) and their arguments; finds values in flows that ovs-ofctl would truncate (pure).

The file is long because its table has every action, and actions contain others, so the checks cannot be split up.

ovs-ofctl keeps the low bits of values that do not fit (``set_queue:-1``, ``learn(priority=70000)``), reads a number up to the first
other character (``load:10.0.0.1->NXM_OF_IP_SRC[]`` is 10), and ignores arguments that an action does not take (``ct_clear(zone=5)``).
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from ovstool.openflow.accepts import fields
from ovstool.openflow.accepts.fields import Check, decimal, number
from ovstool.openflow.syntax.lexer import Word, words

_U8, _U16, _U32, _U64 = (number(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
_D16, _D32 = decimal(0, 2**16 - 1), decimal(0, 2**32 - 1)

# Patterns are strings, so that re compiles them only when the first action needs them.
_PIECES = r"[^, \t\r\n]+"
_PIECE = r"(?s)([^:=(]*)[:=(]?(.*)"
_CLAUSE = r"([^,]*),[ \t]*\+?([0-9]+)[ \t]*/[ \t]*\+?([0-9]+)[ \t]*"
_QUEUE = r"(?s)[:q,]*([^:q,]*)[:q,](.*)"
_NAT_IPV4 = r"(?s)([0-9.]+)(?:-([0-9.+-]*))?(?::(.*))?"
_NAT_PORTS = r"\+?([0-9]+)(?:-\+?([0-9]+))?"
_TLV = r"0x([0-9a-fA-F]+),([0-9]+),0x((?:[0-9a-fA-F]{2}){1,125})"
_LENGTH = r"(?s)([^)]*)\)?->(.*)"
_NO_BITS = r"/(?:0x)?[0.:]+\Z"
_ZERO = r"(?:0x)?[0.:]+/"  # with such a value a mask of 0 is all there is to install
_MOST_MEMBERS = 2048  # BUNDLE_MAX_MEMBERS of ofp-actions.h: ovs-ofctl ignores any further ones
_DEEPEST = 100  # MAX_OFPACT_PARSE_DEPTH of ofp-actions.c
_FEW = 16  # actions, too few for compiling a pattern to pay off
_KEPT, _LONGEST_KEPT = 2**15, 200  # words known to be valid, and the length of one in characters


class Misfit(Exception):
    """What is wrong with a word, as a sentence."""


class _Judged(dict[str, str]):
    """A cache of valid words and what each is about. Raises Misfit for an invalid one."""

    def __init__(self, judge: Callable[[str], str]):
        self._judge = judge

    def __missing__(self, text: str) -> str:
        about = self._judge(text)
        if len(self) >= _KEPT:
            self.clear()
        if len(text) <= _LONGEST_KEPT:
            self[text] = about
        return about


def misfit_of_flow(flow: str) -> str | None:
    """The first value of a flow that ovs-ofctl would misread, and what is wrong with it; names in the flow are escaped."""
    before, action, after = flow.partition("action")
    said, _, actions = after.partition("=")
    if action and said != "s" and said.strip() not in ("", "s"):
        return f"{action}{said}= is not actions=, and ovs-ofctl would ignore {said.strip()}"
    if actions.count("(") > _DEEPEST and max(accumulate((letter == "(") - (letter == ")") for letter in actions)) > _DEEPEST:
        return f"its actions are nested more than {_DEEPEST} deep"
    return _misfit_of(_judge_before, before) or _misfit_of(_judge_actions, actions)


def misfit_of_packet(text: str) -> str | None:
    """The first value of a packet for ``ofproto/trace`` that would be misread, and what is wrong with it."""
    return _misfit_of(_judge_before, text)


def _judge_before(text: str) -> None:
    """Check the text before the actions of a flow. Raises Misfit."""
    if not are_about_different(text) and (wrong := _twice(words(text))):
        raise Misfit(wrong)


def are_about_different(before: str) -> bool:
    """Whether the text before the actions of a flow sets nothing twice. Raises Misfit for an invalid word."""
    if "(" in before or '"' in before or "\t" in before or "\r" in before:
        about = [_about(word) for word in words(before)]
    else:
        about = [_BEFORE[piece] for piece in before.strip(_SPACE).replace(", ", ",").replace(" ", ",").split(",")]
    return len(about) == len(set(about))


def _about(word: Word) -> str:
    """What a word is about: a field, by its main name. Raises Misfit."""
    field = fields.by_name().get(word.name)
    wrong = fields.misfit(word)
    if field and not word.value and not field.name.startswith("tun_metadata"):  # without a value these match on the option's presence
        wrong = "has no value, and ovs-ofctl would accept any"
    if wrong:
        raise Misfit(f"{word.text} {wrong}")
    return _OF_PROTOCOL if word.name in _SAYING_PROTOCOL else field.name if field else word.name


def _about_text(text: str) -> str:
    name, _, value = text.partition("=")
    form = fields.plain_patterns().get(name)
    if form and form.fullmatch(value):
        return _OF_PROTOCOL if name in _SAYING_PROTOCOL else fields.by_name()[name].name
    name, value = re.fullmatch(_PIECE, text).groups()  # type: ignore[union-attr]  # it matches anything
    return _about(Word(name, value, text))


_SPACE = ", \t\r\n"
_OF_PROTOCOL = "protocol"
_SAYING_PROTOCOL = {*fields.PROTOCOLS, "dl_type", "eth_type", "nw_proto", "ip_proto"}
_BEFORE = _Judged(_about_text)


def _twice(said: Iterable[Word]) -> str | None:
    """Two contradictory words, of which ovs-ofctl uses the last."""
    seen: dict[str, tuple[object, str]] = {}
    for word in said:
        for name, value in _facts(word):
            before = seen.setdefault(name, (value, word.text))
            if before[0] != value and not (before[1] == "ip" and word.name.endswith("6")):  # as some write ip,udp6
                return f"{word.text} contradicts {before[1]}, and ovs-ofctl would use the last"
    return None


def _facts(word: Word) -> Iterator[tuple[str, object]]:
    """The field values that a word sets, as a field or as a protocol."""
    field = fields.by_name().get(word.name)
    name = field.name if field else word.name
    if word.name in fields.PROTOCOLS:
        yield from ((what, value) for what, value in zip(("eth_type", "nw_proto"), fields.PROTOCOLS[word.name], strict=True) if value)
    elif name not in fields.COUNTERS and word.value:
        number_ = fields.integer(word.value)
        yield name, word.value if number_ is None else number_


def _misfit_of(judge: Callable[[str], None], text: str) -> str | None:
    try:
        judge(text)
    except Misfit as misfit:
        return str(misfit)
    return None


def _judge_actions(text: str) -> None:
    """Check actions. Raises Misfit."""
    pieces = text.split(",") if "(" not in text else re.findall(_NESTED, text)
    if '"' in text or len(",".join(pieces)) != len(text):
        pieces = [text]
    for piece in pieces:
        _ACTIONS[piece]


def _judge_text(text: str) -> str:
    if len(_ACTIONS) > _FEW and _plain().fullmatch(text):
        return ""
    for action in words(text):
        _judge_action(action)
    return ""


_ACTIONS = _Judged(_judge_text)
_NESTED = r'([^,() \t\r\n"]+(?:\((?:[^()"]|\([^()"]*\))*\))?)(?:[, \t\r\n]|\Z)'
REGISTER = r"(?:reg(?:1[0-5]|[0-9])|metadata|tun_id|pkt_mark|ct_mark|NXM_NX_(?:REG[0-9]|CT_MARK)\[\])"


@functools.cache
def _plain() -> re.Pattern[str]:
    """The forms of nearly all actions in large files of flows."""
    return re.compile(
        rf"mod_dl_(?:src|dst):{fields.MAC}|mod_nw_(?:src|dst):{fields.IPV4}|set_field:{fields.MAC}->(?:eth|dl)_(?:src|dst)"
        rf"|set_field:{fields.IPV4}->(?:ip|nw)_(?:src|dst)|(?:load|set_field):{fields.NUMBER}->{REGISTER}"
        r"|(?:output|group|set_tunnel):[1-9][0-9]{0,3}|resubmit\(,[1-9]?[0-9]\)"
        rf"|ct\((?:commit,?)?(?:zone={fields.NUMBER_16},?)?(?:table=[1-9]?[0-9],?)?(?:exec\((?:load|set_field):{fields.NUMBER}->{REGISTER}\))?\)"
    )


def _judge_action(action: Word) -> None:
    """Check an action. An unknown one is a port, or an action of a newer Open vSwitch. Raises Misfit."""
    judge = ACTIONS.get(action.name.lower())
    wrong = judge(action) if judge else _to_port(action) if action.name.isdecimal() else None
    if wrong:
        raise Misfit(wrong)


def _to_port(action: Word) -> str | None:
    wrong = fields.port(action.name)
    return f"{action.text} {wrong}" if wrong else _flag(action)


Judge = Callable[[Word], str | None]  # what is wrong with a word, as a sentence; None if it is valid


def _of(check: Check) -> Judge:
    """The check of a word with one argument."""

    def judge(word: Word) -> str | None:
        wrong = check(word.value)
        return wrong and f"{word.text} {wrong}"

    return judge


def _options(known: Mapping[str, Judge], other: Judge | None = None) -> Judge:
    """The check of a word whose argument is a list of words; an unknown one is left to ovs-ofctl, or to ``other``."""

    def judge(word: Word) -> str | None:
        said = words(word.value)
        wrong = (known.get(one.name, other or _any)(one) for one in said)
        return next(filter(None, wrong), None) or _twice(one for one in said if one.name in known and one.name != "tlv")

    return judge


def _any(word: Word) -> str | None:
    return None


def _nested(word: Word) -> str | None:
    return _misfit_of(_judge_actions, word.value)


@_of
def _flag(text: str) -> str | None:
    return "takes no value" if text else None


def _one_of(*values: int) -> Judge:
    """The check of a word whose value is one of some Ethernet types."""

    @_of
    def judge(text: str) -> str | None:
        return fields.octal(text) if fields.integer(text) in values else f"does not fit: {' or '.join(map(hex, values))}"

    return judge


@_of
def _bits(text: str) -> str | None:
    return fields.subfield(text)


def _number_or_bits(check: Check) -> Judge:
    return _of(lambda text: fields.subfield(text) if text[:1].isalpha() else check(text))


@_of
def _move(text: str) -> str | None:
    source, _, target = text.partition("->")
    return fields.subfield(source) or fields.subfield(target)


@_of
def _load(text: str) -> str | None:
    number_, arrow, target = text.partition("->")
    return (fields.subfield(target) or _number_for(target)(number_)) if arrow else None


def _number_for(target: str) -> Check:
    """The check of a number for some bits of a field, which may be an unknown field."""
    return number(0, (1 << (fields.bits_of(target) or 992)) - 1)


@_of
def _set_field(text: str) -> str | None:
    value, arrow, name = text.partition("->")
    field = fields.by_name().get(name)
    if not arrow or not field:
        return None
    if value == "ANY":  # which ovs-ofctl writes for a mask of 0 (spelling.readable)
        return None
    return (
        "sets nothing: its mask is 0"
        if re.search(_NO_BITS, value) and not re.match(_ZERO, value)
        else fields.value(field, value, sets=True)
    )


def _output(word: Word) -> str | None:
    if "port" in word.value and "max_len" in word.value:
        return _options({"port": _PORT, "max_len": _of(number(14, 2**32 - 1))})(word)
    return _PORT_OR_BITS(word)


@_of
def _enqueue(text: str) -> str | None:
    found = re.fullmatch(_QUEUE, text)
    return (fields.port(found[1]) or _U32(found[2])) if found else None


@_of
def _resubmit(text: str) -> str | None:
    port, table, _with_ct, *more = [*text.split(","), "", "", ""][: max(3, text.count(",") + 1)]
    if more:
        return "has too many arguments: (PORT,TABLE,ct)"
    return (fields.port(port) if port else None) or (fields.table_number(table) if table else None)


@_of
def _controller(text: str) -> str | None:
    return _U16(text) if text.isdecimal() else None


def _to_controller(word: Word) -> str | None:
    return _controller(word) or _CONTROLLER(word)


@_of
def _conjunction(text: str) -> str | None:
    found = re.fullmatch(_CLAUSE, text)
    if not found or not 2 <= int(found[3][:9]) <= 64 or not 1 <= int(found[2][:9]) <= int(found[3]):
        return "does not fit: (ID,CLAUSE/CLAUSES), of 2 to 64 clauses"
    return _U32(found[1].rstrip())


@_of
def _decrements(text: str) -> str | None:
    return next(filter(None, map(_D16, re.findall(_PIECES, text))), None)


@_of
def _multipath(text: str) -> str | None:
    said = re.findall(_PIECES, text)
    if len(said) > 6:
        return "has too many arguments: (FIELDS,BASIS,ALGORITHM,N_LINKS,ARG,DST)"
    checks: tuple[Check, ...] = (_whatever, _D16, _whatever, decimal(1, 65536), _D32, fields.subfield)
    return next(filter(None, (check(one) for check, one in zip(checks, said, strict=False))), None)


def _whatever(text: str) -> None:
    return None


@_of
def _bundle(text: str) -> str | None:
    before, _, members = text.partition("members:") if "members:" in text else text.partition("slaves:")
    said, ports = re.findall(_PIECES, before), re.findall(_PIECES, members)
    if len(ports) > _MOST_MEMBERS:
        return f"does not fit: up to {_MOST_MEMBERS} members"
    return (_D16(said[1]) if len(said) > 1 else None) or next(filter(None, map(fields.port, ports)), None)


@_of
def _length(text: str) -> str | None:
    found = re.fullmatch(_LENGTH, text)
    return (_U16(found[1]) or fields.subfield(found[2])) if found else None


@_of
def _metadata(text: str) -> str | None:
    value, slash, mask = text.partition("/")
    return _U64(value) or (fields.mask(mask, 2**64 - 1, 64) if slash else None)


@_of
def _nat_range(text: str) -> str | None:
    """ADDRESS-ADDRESS:PORT-PORT (str_to_nat_range of ofp-actions.c); inet_pton(3) reads the addresses of IPv6."""
    found = re.fullmatch(_NAT_IPV4, text)
    if found:
        wrong = fields.ipv4(found[1]) or (fields.ipv4(found[2]) if found[2] is not None else None)
        return wrong or (_nat_ports(found[3]) if found[3] is not None else None)
    _, colon, ports = text.rpartition("]")[2].rpartition(":") if "[" in text else ("", "", "")
    return _nat_ports(ports) if colon else None


def _nat_ports(text: str) -> str | None:
    found = re.fullmatch(_NAT_PORTS, text)
    return None if found and not _D16(found[1]) and not _D16(found[2] or "0") else "has a port that does not fit: 0 to 65535"


@_of
def _tlv(text: str) -> str | None:
    found = re.fullmatch(_TLV, text)
    if found and int(found[1], 16) <= 0xFFFF and not decimal(0, 255)(found[2]):
        return None
    return "does not fit: (0xCLASS,TYPE,0xVALUE), of 16 bits, 8 bits and up to 125 bytes"


def _alone(judge: Judge) -> Judge:
    """The check of a word whose argument is one word; ovs-ofctl ignores the rest."""

    def judged(word: Word) -> str | None:
        first, *more = words(word.value) or [Word("", "", "")]
        return f"{word.text} has too many arguments: ovs-ofctl would ignore {more[0].text}" if more else judge(first)

    return judged


def _learned(word: Word) -> str | None:
    """Check a match of a learned flow: a field, part of one, a value for it, or a source for that (learn_parse_spec of learn.c)."""
    wrong = fields.subfield(word.name)
    field = fields.by_name().get(word.name.partition("[")[0])
    if wrong or not field or not word.value:
        return wrong and f"{word.text} {wrong}"
    if fields.by_name().get(word.value.partition("[")[0]) or re.match(r"\w+\[", word.value):
        return _bits(word)
    if fields.bits_of(word.name) == field.bits:
        return _of(lambda text: fields.value(field, text, sets=True))(word)
    return _of(_number_for(word.name))(word)


@_of
def _load_learned(text: str) -> str | None:
    number_, arrow, target = text.partition("->")
    if number_[:1].isalpha():
        return fields.subfield(number_) or fields.subfield(target)
    return (fields.subfield(target) or _number_for(target)(number_)) if arrow else None


_PORT, _TABLE = _of(fields.port), _of(fields.table_number)
_PORT_OR_BITS = _of(lambda text: fields.subfield(text) or fields.port(text))
_CONTROLLER = _options({
    "max_len": _of(_U16), "id": _of(_U16), "pause": _flag, "meter_id": _of(number(1, 2**32 - 1)), "reason": _any, "userdata": _any,
})  # fmt: skip
_NAT = _options({"src": _nat_range, "dst": _nat_range, "persistent": _flag, "hash": _flag, "random": _flag})
_LEARN = _options(
    {
        "table": _TABLE, "priority": _of(_D16), "idle_timeout": _of(_D16), "hard_timeout": _of(_D16), "fin_idle_timeout": _of(_D16),
        "fin_hard_timeout": _of(_D16), "cookie": _of(_U64), "send_flow_rem": _flag, "delete_learned": _flag, "limit": _of(_D32),
        "result_dst": _bits,
    },
    lambda word: {"load": _load_learned, "output": _bits}.get(word.name, _learned)(word),
)  # fmt: skip
_TYPE = _options({"ns": _of(_U16), "type": _of(_U16)})

# By name: the actions of ovs-actions(7), in its order, and ports with a reserved name.
ACTIONS: dict[str, Judge] = {
    "output": _output, "output_reg": _output, "in_port": _flag, "normal": _flag, "flood": _flag, "all": _flag, "local": _flag, "drop": _flag,
    "table": _flag, "controller": _to_controller, "enqueue": _enqueue, "bundle": _bundle, "bundle_load": _bundle,
    "group": _of(number(0, 0xFFFFFF00)),
    "strip_vlan": _flag, "pop_vlan": _flag, "push_vlan": _one_of(0x8100, 0x88A8), "push_mpls": _one_of(0x8847, 0x8848),
    "pop_mpls": _of(_U16),
    "encap": _alone(_options({"md_type": _of(number(1, 2)), "tlv": _tlv})),
    "decap": _alone(_TYPE),
    "set_field": _set_field, "load": _load, "move": _move,
    "mod_dl_src": _of(fields.mac), "mod_dl_dst": _of(fields.mac), "mod_nw_src": _of(fields.ipv4), "mod_nw_dst": _of(fields.ipv4),
    "mod_nw_tos": _of(number(0, 0xFC, step=4)), "mod_nw_ecn": _of(number(0, 3)), "mod_tp_src": _of(_U16), "mod_tp_dst": _of(_U16),
    "mod_nw_ttl": _of(_U8), "set_nw_ttl": _of(_U8), "mod_vlan_vid": _of(number(0, 4095)), "set_vlan_vid": _of(number(0, 4095)),
    "mod_vlan_pcp": _of(number(0, 7)), "set_vlan_pcp": _of(number(0, 7)),
    "dec_ttl": _decrements, "set_mpls_label": _of(number(0, 2**20 - 1)), "set_mpls_tc": _of(number(0, 7)), "set_mpls_ttl": _of(_U8),
    "dec_mpls_ttl": _flag, "dec_nsh_ttl": _flag, "check_pkt_larger": _length, "delete_field": _any,
    "set_tunnel": _of(_U64), "set_tunnel64": _of(_U64), "set_queue": _of(_U32), "pop_queue": _flag,
    "ct": _options({
        "commit": _flag, "force": _flag, "table": _TABLE, "zone": _number_or_bits(_U16), "alg": _any, "nat": _NAT, "exec": _nested,
    }),
    "ct_clear": _flag, "nat": _NAT, "learn": _LEARN, "fin_timeout": _options({"idle_timeout": _of(_U16), "hard_timeout": _of(_U16)}),
    "resubmit": _resubmit, "clone": _nested, "push": _bits, "pop": _bits, "exit": _flag, "unroll_xlate": _flag,
    "multipath": _multipath, "conjunction": _conjunction, "note": _any,
    "sample": _options({
        "probability": _of(number(1, 0xFFFF)), "collector_set_id": _of(_U32), "obs_domain_id": _number_or_bits(_U32),
        "obs_point_id": _number_or_bits(_U32), "sampling_port": _PORT, "ingress": _flag, "egress": _flag,
    }),
    "meter": _of(number(1, 0xFFFF0000)), "clear_actions": _flag, "write_actions": _nested, "write_metadata": _metadata,
    "goto_table": _TABLE,
}  # fmt: skip
