"""Flows over all fields of Open vSwitch: each with valid values and masks, and with actions that set, load, move and learn it."""

import ipaddress
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent
# Fields whose values may be keywords, or that do not accept every value.
_VALUES = {
    "packet_type": ["(0,0)", "(1,0x800)", "(1,0x86dd)", "(1,0x894f)"],
    "in_port": ["1", "LOCAL", "CONTROLLER", "eth1", "10"],
    "in_port_oxm": ["1", "LOCAL", "10"],
    "actset_output": ["1", "UNSET"],
    "ct_state": ["+trk", "-trk", "+trk+new", "+trk-new+est", "trk", "0x20/0x20", "+trk+est+rpl-inv", "+snat", "+trk+rel", "0x3f/0xff"],
    "ip_frag": ["no", "yes", "first", "later", "not_later"],
    "tcp_flags": ["+syn", "-syn", "+syn-ack", "0x2", "0x2/0x3", "syn|ack", "0", "0xfff", "+fin+syn+rst+psh+ack+urg+ece+cwr+ns"],
    "eth_type": ["0x800", "0x86dd", "0x806", "0x8847", "0x88cc", "0x05ff", "0x0600", "0x1234", "0x8035"],
    "vlan_tci": ["0", "0/0x1000", "0x1000/0x1000", "0x1005", "0x1005/0x1fff", "0xe000/0xe000", "0xffff", "0x1123/0x1fff", "0/0x1fff"],
    "tun_flags": ["oam", "+oam", "-oam"],
    "recirc_id": ["0"],
    "ct_nw_proto": ["6"],
    "nsh_mdtype": ["1", "2"],
    "arp_op": ["1", "2", "255"],
    "nd_target": ["fe80::1", "fe80::/10"],
}
_READ_ONLY_AS_TARGET = ("in_port", "in_port_oxm", "tun_flags")
# match_set_tun_erspan_dir_masked of match.c confuses the value with the mask, so 0 means any.
_NEVER_0 = ("tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid")
_CONNECTION = ("ct_mark", "ct_label")  # can be set only within ct()


class Field(NamedTuple):
    names: list[str]
    bits: int
    form: str
    masks: bool
    needs: list[str]
    extended: list[str]
    sets: bool


def fields() -> list[Field]:
    rows = [line.split("|") for line in (_HERE / "flow_fields.txt").read_text().splitlines() if not line.startswith("#")]
    return [
        Field(names.split(), int(bits), form, masks == "masks", needs.replace("-", "").split(";"), extended.replace("-", "").split(), sets == "sets")
        for names, bits, form, masks, needs, extended, sets in rows
    ]  # fmt: skip


def matches(chance: random.Random) -> Iterator[str]:
    """Each field with its values and masks, under each of its names, with its prerequisites."""
    for field in fields():
        for needed in field.needs:
            for value in _VALUES.get(field.names[0]) or list(_values(field, chance)):
                name = chance.choice(field.names)
                if (
                    name == "ct_nw_proto"
                    or (name.startswith("ct_ipv6") and "tcp6" not in needed)
                    or (name.startswith("ct_nw") and "tcp6" in needed)
                ):
                    continue
                yield f"{needed},{name}={value}".lstrip(",")
        if field.form == "number" and field.needs == [""] and field.names[0] not in _VALUES and field.bits <= 64:
            for name in field.extended:
                yield f"{name}[]={chance.getrandbits(field.bits):#x}"


def _values(field: Field, chance: random.Random) -> Iterator[str]:
    whole = (1 << field.bits) - 1
    least = [0] if field.form != "ipv6" and field.names[0] not in _NEVER_0 else []
    for value in dict.fromkeys((1, whole, chance.randrange(1, whole + 1), *least)):
        yield _shown(field, value)
    if field.masks:
        some = (whole ^ whole >> field.bits // 2, whole >> 1, 1 << field.bits - 1, chance.getrandbits(field.bits) | 1 << field.bits - 1)
        for mask in {mask: 0 for mask in some if field.form != "ipv6" or hex(mask >> 112)[2:3] in "abcdef" or mask == some[0]}:
            value = mask if field.names[0] in _NEVER_0 else chance.getrandbits(field.bits) & mask
            yield f"{_shown(field, value)}/{_shown(field, mask)}"


def _shown(field: Field, value: int) -> str:
    if field.form == "ipv4":
        return str(ipaddress.IPv4Address(value))
    if field.form == "ipv6":
        return str(ipaddress.IPv6Address(value))
    if field.form == "mac":
        return ":".join(f"{value >> shift & 255:02x}" for shift in range(40, -1, -8))
    return hex(value)


def actions(chance: random.Random) -> Iterator[str]:
    """Each field set, and part of it loaded, moved, popped and learned."""
    for field in fields():
        name = field.names[0]
        if not field.sets or name in _CONNECTION or name in _READ_ONLY_AS_TARGET:
            continue
        needed = chance.choice(field.needs)
        for value in chance.sample(list(_values(field, chance)), 3) if name not in _VALUES else _VALUES[name][:2]:
            yield f"{needed},actions=set_field:{value}->{chance.choice(field.names)}".lstrip(",")
        for target in [*field.names, *field.extended]:
            low = chance.randrange(field.bits)
            high = min(field.bits - 1, low + chance.randrange(64))
            part, beside = f"{target}[{low}..{high}]", f"xxreg1[0..{high - low}]"
            yield f"{needed},actions=load:{chance.getrandbits(high - low + 1):#x}->{part},move:{beside}->{part},pop:{part}".lstrip(",")
            if field.bits <= 128:
                yield f"{needed},actions=load:{chance.getrandbits(field.bits):#x}->{target}[]".lstrip(",")
        if needed == "" and "erspan" not in name:  # learn() does not know the names of these (learn_parse_spec of learn.c)
            yield f"actions=learn(table=5,{part}={beside},load:{beside}->{part})"


def flows(seed: int) -> Iterator[str]:
    """All generated flows and the forms in ``flow_forms.txt``, each with its own priority."""
    chance = random.Random(seed)
    found = [f"{match},actions={chance.choice(('drop', 'output:1', 'NORMAL'))}" for match in matches(chance)]
    return numbered([*found, *actions(chance), *read("flow_forms.txt")])


def read(name: str) -> list[str]:
    return [line for line in (_HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def numbered(given: Iterable[str]) -> Iterator[str]:
    for number, flow in enumerate(given, 1):
        yield f"add priority={number},{flow.removeprefix('add ')}" if flow.startswith("add ") else f"priority={number},{flow}"
