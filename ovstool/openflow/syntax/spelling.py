"""Different notations of the same flow: as typed, as ovs-ofctl prints it, as the switch stores it (pure).

ovs-ofctl prints some flows in a form that it cannot read (format_SET_FIELD of ofp-actions.c, format_flow_tunnel of match.c),
and a switch stores some flows in another form than it was sent.
"""

import re
from collections.abc import Mapping

from ovstool.openflow.syntax import text

# Patterns that few flows need are strings, so that re compiles them only when needed.
# A load of more than 64 bits, which ovs-ofctl prints as several.
_LONG_LOAD = r"load:(?:0x[0-9a-f]+|0)->(\w+)\[\d+\.\.\d+\](?:,load:(?:0x[0-9a-f]+|0)->\1\[\d+(?:\.\.\d+)?\])+"
_LOADED = r"load:(\w+)->\w+\[(\d+)(?:\.\.(\d+))?\]"
_UNREADABLE = r"invalid mask for field|ANY: bad syntax|unknown keyword gtpu_|: invalid IPv6 address"
_GTPU = r"(?<!\w)(?=gtpu_(?:flags|msgtype)=)"
_NOTHING = r"set_field:ANY->(?!in_port)"  # with a mask of 0; for in_port ANY is a port
_NUMBER = r"(0x[0-9a-f]{1,256}|[0-9]{1,19}|[0-9a-f:]{0,39}::?[0-9a-f.:]{0,39})"
_MASKED = rf"set_field:{_NUMBER}/{_NUMBER}->(?!vlan_vid)(\w+)"  # a load covers one bit less of it
_TUN_METADATA = r"set_field:(0x[0-9a-f]{1,256}|0)(?:/(0x[0-9a-f]{1,256}))?->tun_metadata(\d{1,2})\b"
_TUN_FLAGS = r"load:(?:0x1|(0))->NXM_NX_TUN_FLAGS\[\]"
_TLV = r"(?m)^\s*\w+\s+\w+\s+(\d+)\s+tun_metadata(\d+)"


def is_unreadable(said: str) -> bool:
    """Whether ovs-ofctl has rejected its own notation."""
    return bool(re.search(_UNREADABLE, said))


def readable(flows: str) -> str:
    """Flows printed by ovs-ofctl, in a form that it can read.

    A load of part of a field is printed with a mask even if the field is not maskable; and an IPv6 mask that begins with a digit
    is read as a prefix length (ipv6_parse_masked__ of packets.c).
    """
    flows = re.sub(_NOTHING, "set_field:0/0->", re.sub(_GTPU, "tun_", flows))
    return re.sub(_MASKED, _as_load, flows)


def _as_load(found: re.Match[str]) -> str:
    if ":" in found[1] and ":" not in found[2]:  # the length of a prefix
        return found[0]
    try:
        value, mask = _integer(found[1]), _integer(found[2])
    except ValueError:  # a MAC address, which ovs-ofctl reads
        return found[0]
    low = (mask & -mask).bit_length() - 1
    high = mask.bit_length() - 1
    if not mask or value & ~mask or (mask >> low) + 1 != 1 << (high - low + 1):
        return found[0]
    return f"load:{value >> low:#x}->{found[3]}[{low}..{high}]"


def _integer(number: str) -> int:
    if ":" not in number:
        return int(number, 0)
    from ipaddress import IPv6Address

    return int(IPv6Address(number))


def with_joined_loads(flow: str) -> str:
    """A flow with the parts of each long load joined."""
    return re.sub(_LONG_LOAD, _one_load, flow) if flow.count("load:") > 1 else flow


def _one_load(found: re.Match[str]) -> str:
    parts = [(int(number, 0), int(low), int(high or low)) for number, low, high in re.findall(_LOADED, found[0])]
    start, end = parts[0][1], parts[-1][2]
    if [low for _, low, _ in parts] != list(range(start, end + 1, 64)) or any(high - low != 63 for _, low, high in parts[:-1]):
        return found[0]
    value = sum(number << low - start for number, low, _ in parts)
    return f"load:{value:#x}->{found[1]}[{start}..{end}]"


def option_lengths(dumped: str) -> dict[str, int]:
    """The length in bytes of each tunnel option that is mapped to a field, from ``ovs-ofctl dump-tlv-map``."""
    return {number: int(length) for length, number in re.findall(_TLV, dumped)}


def canonical(flow: str, lengths: Mapping[str, int]) -> tuple[str, str, str]:
    """A flow, with ports by number, in a form that is equal for flows that Open vSwitch treats as the same.

    ``lengths`` are those of tunnel options; the switch truncates longer values.
    """
    before, _, actions = flow.partition("actions=")
    key = text.key(flow)
    beside = " ".join(sorted(word for word in before.split() if word.partition("=")[0] in text.AFTER_MATCH))
    if "TUN_FLAGS" in actions:  # its form depends on whether it has been sent before (encode_SET_FIELD)
        actions = re.sub(_TUN_FLAGS, lambda found: f"set_field:{found[1] or 'oam'}->tun_flags", actions)
    if "tun_metadata" in actions:
        actions = re.sub(_TUN_METADATA, lambda found: _cut(found, lengths), actions)
    return key, beside, actions.strip()


def _cut(found: re.Match[str], lengths: Mapping[str, int]) -> str:
    if found[3] not in lengths:
        return found[0]
    whole = (1 << 8 * lengths[found[3]]) - 1
    value, mask = int(found[1], 0) & whole, int(found[2], 0) & whole if found[2] else whole
    return f"set_field:{value:#x}{'' if mask == whole else f'/{mask:#x}'}->tun_metadata{found[3]}"
