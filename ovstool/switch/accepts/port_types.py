"""What each interface type accepts in Interface.options, as ovs-vswitchd reads it. Pure.

The keys and values are those of ovs-vswitchd.conf.db(5), and of lib/netdev-vport.c, set_tunnel_config and set_patch_config, which are the
same from Open vSwitch 2.13 to 4.0 except for types that came and went. There most invalid values are truncated (``key``, to as many bits
as the header has), read as zero (strtoull and atoi, of text) or ignored with a line in the log.
"""

import re
from collections.abc import Callable, Collection, Mapping
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from ovstool.errors import Conflict, UsageError, quote

DEVICES = ("system", "internal", "tap")  # have no options: lib/netdev-linux.c sets none
_LONGEST = 15  # bytes in the name of a network device of Linux (IFNAMSIZ), and of a port in OpenFlow
# The names of the kernel's devices for tunnel types; netdev_is_reserved_name in lib/netdev.c
_RESERVED = r"(?s)(genev|gre|vxlan|lisp|stt|erspan|ip6erspan|ip6gre|gtpu|udp|srv6)_sys.*|ovs-(system|netdev|dummy)"

# Whole numbers that C and people read alike (in C a leading zero means octal): with base 0, and with base 16.
_ANY = r"0|[1-9][0-9]{0,19}|0[xX][0-9a-fA-F]{1,16}"
_HEX = r"(?:0[xX])?[0-9a-fA-F]{1,8}"
_DECIMAL = r"0|[1-9][0-9]{0,9}"


class Value(NamedTuple):
    """The values that an option accepts: in words, and as a test of a text."""

    words: str
    holds: Callable[[str], bool]


def _one_of(*words: str) -> Value:
    return Value(" or ".join(filter(None, (", ".join(words[:-1]), words[-1]))), words.__contains__)


def _number(low: int, high: int, word: str | None = None, form: str = _DECIMAL) -> Value:
    """A whole number, or the word; ``form`` is how it may be written."""
    base = 16 if form == _HEX else 0

    def holds(text: str) -> bool:
        return text == word or (bool(re.fullmatch(form, text)) and low <= int(text, base) <= high)

    shown = f"{low} to {high:#x}" if base else f"{low} to {high}"
    return Value(f"{shown}{f' or {word}' if word else ''}", holds)


def _address(text: str) -> bytes | None:
    """An address as inet_pton parses it, which ovs-vswitchd uses; None for anything else."""
    try:
        return inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return None


def _is_unicast(address: bytes) -> bool:
    if len(address) == 4:
        return any(address) and not 224 <= address[0] < 240 and address != b"\xff" * 4
    return any(address) and address[0] != 255


def _is_remote(text: str) -> bool:
    address = _address(text)
    return text == "flow" or (address is not None and _is_unicast(address))


def _are_segments(text: str) -> bool:
    segments = text.split(",")
    return len(segments) <= 6 and all(":" in segment and _address(segment) for segment in segments)


def _is_tos(text: str) -> bool:
    return text == "inherit" or (_number(0, 252, form=_ANY).holds(text) and int(text, 0) % 4 == 0)


_SWITCH = _one_of("true", "false")
_TEXT = Value("text", bool)
_TUNNEL = {
    "remote_ip": Value("a unicast address or flow", _is_remote),
    "local_ip": Value("an address or flow", lambda text: text == "flow" or _address(text) is not None),
    "tos": Value("a multiple of 4 from 0 to 252 (two bits are ECN's) or inherit", _is_tos),
    "ttl": _number(1, 255, "inherit"),
    "df_default": _SWITCH,
    "egress_pkt_mark": _number(0, 2**32 - 1),
    **dict.fromkeys(("psk", "remote_cert", "remote_name"), _TEXT),  # for ovs-monitor-ipsec, as is ipsec_*
}
_L2, _L3, _L2_L3 = (
    {"packet_type": _one_of(*types)} for types in (("legacy_l2", "ptap"), ("legacy_l3", "ptap"), ("legacy_l2", "legacy_l3", "ptap"))
)  # tunnel_supported_layers
_DST_PORT = {"dst_port": _number(1, 65535)}
_CSUM = {"csum": _SWITCH}
_ERSPAN = {
    "erspan_ver": _one_of("1", "2", "flow"),
    "erspan_idx": _number(0, 2**20 - 1, "flow", _HEX),
    "erspan_dir": _one_of("0", "1", "flow"),
    "erspan_hwid": _number(0, 2**6 - 1, "flow", _HEX),
}


def _keys(bits: int) -> dict[str, Value]:
    number = _number(0, 2**bits - 1, "flow", _ANY)
    return dict.fromkeys(("key", "in_key", "out_key"), number._replace(words=f"a {bits}-bit number or flow"))


_EXTS = {"exts": Value("gbp, gpe or both", lambda text: all(word in ("gbp", "gpe") for word in text.split(",")))}
_ETHER_TYPE = _number(1, 65535, form=_ANY)
_PAYLOAD = {"payload_type": Value("mpls, ip or an Ethernet type", lambda text: text in ("mpls", "ip") or _ETHER_TYPE.holds(text))}
_SRV6 = {"srv6_segs": Value("up to 6 IPv6 addresses", _are_segments), "srv6_flowlabel": _one_of("copy", "zero", "compute")}
_GRE = _TUNNEL | _keys(32) | _CSUM | {"seq": _SWITCH}
OPTIONS: Mapping[str, Mapping[str, Value]] = {
    "vxlan": _TUNNEL | _keys(24) | _DST_PORT | _CSUM | _L2_L3 | _EXTS,
    "geneve": _TUNNEL | _keys(24) | _DST_PORT | _CSUM | _L2,
    "gre": _GRE | _L2_L3,
    "ip6gre": _GRE | _L2,
    "erspan": _TUNNEL | _keys(10) | _ERSPAN | _L2,
    "ip6erspan": _TUNNEL | _keys(10) | _ERSPAN | _L2,
    "lisp": _TUNNEL | _keys(24) | _DST_PORT | _L3,
    "stt": _TUNNEL | _keys(64) | _DST_PORT | _CSUM | _L2,
    "gtpu": _TUNNEL | _keys(32) | _DST_PORT | _L3,
    "bareudp": _TUNNEL | _DST_PORT | _L3 | _PAYLOAD,
    "srv6": _TUNNEL | _L3 | _SRV6,
    "patch": {"peer": _TEXT},
}
TUNNELS = OPTIONS.keys() - {"patch"}
DST_PORTS = {"vxlan": "4789", "geneve": "6081", "lisp": "4341", "stt": "7471", "gtpu": "2152"}
# Required to send anything: without them ovs-vswitchd refuses the port, or (erspan_ver: netdev_erspan_build_header) each packet.
_REQUIRED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OPTIONS, ("remote_ip",)),
    **dict.fromkeys(("erspan", "ip6erspan"), ("remote_ip", "erspan_ver")),
    "patch": ("peer",),
}
_SHORT = {"remote_ip": "--remote-ip IP", "peer": "--peer PORT", "erspan_ver": "--option erspan_ver=1"}
_OF_TUNNELS = frozenset(key for options in OPTIONS.values() for key in options)


def check_values(name: str, kind: str, options: Mapping[str, str]) -> None:
    """Raise UsageError for options that a port of this type does not read, or misreads."""
    known = OPTIONS.get(kind, {})
    for key, value in options.items():
        if key in known:
            if not known[key].holds(value):
                hint = "no leading zero, which would mean octal" if re.fullmatch("0[0-9]+", value) else None
                raise UsageError(f"port {quote(name)}", f"option {key} must be {known[key].words}, not {quote(value)}", hint)
        elif kind in OPTIONS and not (key.startswith("ipsec_") and "psk" in known):
            raise UsageError(
                f"port {quote(name)}",
                f"{kind} has no option {quote(key)}; it has {', '.join(sorted(known))}",
                near("--option {}=...", key, known),
            )
        elif kind in DEVICES and key in _OF_TUNNELS:
            hint = "--type " + " or ".join([other for other in OPTIONS if key in OPTIONS[other]][:3])
            raise UsageError(f"port {quote(name)}", f"option {key} is only for {'patch ports' if key == 'peer' else 'tunnels'}", hint)


def check_kept(name: str, kind: str, options: Mapping[str, str]) -> None:
    """Raise UsageError for options that a port has and that its new type does not accept."""
    what = f"port {quote(name)}"
    if unread := sorted(options.keys() - OPTIONS.get(kind, options).keys()) or ignored_options(kind, options):
        import shlex  # rarely needed

        why = f"{kind} has no option {', '.join(map(quote, unread))}, which the port has"
        raise UsageError(what, why, " ".join(shlex.join(["--unset", f"options:{key}"]) for key in unread))
    check_values(name, kind, options)


def check_together(name: str, kind: str, options: Mapping[str, str]) -> None:
    """Raise UsageError for options that contradict each other: with them ovs-vswitchd refuses the port, or ignores some."""
    what = f"port {quote(name)}"
    for key in _REQUIRED.get(kind, ()):
        if key not in options:
            raise UsageError(what, f"{kind} needs the option {key}", _SHORT[key])
    if options.get("peer") == name and kind == "patch":
        raise UsageError(what, "is its own peer", "--peer with the patch port at the other end")
    if kind not in TUNNELS:
        return
    remote, local = options["remote_ip"], options.get("local_ip", "flow")
    if options.get("local_ip") == "flow" and remote != "flow":
        raise UsageError(what, "local_ip=flow works only with remote_ip=flow", "--remote-ip flow")
    if "flow" not in (remote, local) and (":" in remote) != (":" in local):
        raise UsageError(what, "remote_ip and local_ip are of different address families")
    if options.keys() >= {"key", "in_key", "out_key"} and len({options[key] for key in ("key", "in_key", "out_key")}) > 1:
        raise UsageError(what, "in_key and out_key take precedence over key, which is ignored", "--unset options:key")
    if kind == "vxlan" and options.get("packet_type") == "legacy_l3" and "gpe" not in options.get("exts", "").split(","):
        raise UsageError(what, "packet_type=legacy_l3 needs the extension gpe", "--option exts=gpe")
    _check_erspan(what, options)


def _check_erspan(what: str, options: Mapping[str, str]) -> None:
    """Raise UsageError for options of the other version of ERSPAN: version 1 has an index, version 2 a direction and a hardware ID."""
    asked = options.get("erspan_ver")
    for key, version in (("erspan_idx", "1"), ("erspan_dir", "2"), ("erspan_hwid", "2")):
        if key in options and asked != version and not asked == options[key] == "flow":
            raise UsageError(what, f"{key} belongs to ERSPAN version {version}, so it is ignored", f"--option erspan_ver={version}")


def check_distinct(name: str, kind: str, options: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> None:
    """Raise Conflict for a tunnel that is the same as another of its type: ovs-vswitchd uses only one (ofproto/tunnel.c, tnl_port_add__),
    and reports that for a new port, but for a changed one only in its log."""
    for other, theirs in others.items():
        if other != name and _match(kind, theirs) == _match(kind, options):
            why = f"{quote(other)} is already a {kind} tunnel with the same addresses, key and port"
            raise Conflict(f"port {quote(name)}", why, "another --key or --remote-ip" if "key" in OPTIONS[kind] else "another --remote-ip")


def _match(kind: str, options: Mapping[str, str]) -> tuple:
    """The values by which ovs-vswitchd distinguishes tunnels of a type (ofproto/tunnel.c, struct tnl_match)."""
    key = options.get("in_key", options.get("key", "0"))
    addresses = [_address(options[side]) or options[side] if side in options else None for side in ("remote_ip", "local_ip")]
    usual = "legacy_l2" if OPTIONS[kind]["packet_type"].holds("legacy_l2") else "legacy_l3"
    number = int(key, 0) if re.fullmatch(_ANY, key) else key
    return *addresses, number, options.get("dst_port", DST_PORTS.get(kind)), options.get("packet_type", usual)


def unknown_options(kind: str, options: Collection[str]) -> list[str]:
    """The options that a newer Open vSwitch may support; a patch port has only its peer."""
    return sorted(key for key in options if key not in OPTIONS[kind] and not key.startswith("ipsec_")) if kind in TUNNELS else []


def ignored_options(kind: str, options: Collection[str]) -> list[str]:
    """The options that a device ignores."""
    return sorted(options) if kind in DEVICES else []


def check_name(name: str, kind: str, are_dummies: bool) -> None:
    """Raise UsageError for a name that ovs-vswitchd reserves, or that Linux would silently cut to that of another device.

    ``are_dummies``: devices are dummies, which ovs-vswitchd has for tests, and may have any name.
    """
    what = f"port {quote(name)}"
    if re.fullmatch(_RESERVED, name):
        raise UsageError(what, "Open vSwitch reserves this name for its own devices", "another name")
    if kind in (*DEVICES, "afxdp", "afxdp-nonpmd") and not are_dummies and is_cut(name):
        raise UsageError(what, f"a device name has at most {_LONGEST} bytes, so this would become {quote(cut(name))}", "a shorter name")


def is_cut(name: str) -> bool:
    return len(name.encode()) > _LONGEST


def cut(name: str) -> str:
    """The name as OpenFlow and Linux store it."""
    return name.encode()[:_LONGEST].decode(errors="ignore")


def near(form: str, word: str, known: Collection[str]) -> str | None:
    """A similar known word, in the form to type; None without one."""
    from difflib import get_close_matches

    return " or ".join(map(form.format, get_close_matches(word[:64], known, 1))) or None
