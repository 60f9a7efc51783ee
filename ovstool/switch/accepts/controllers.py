"""What a bridge accepts of OpenFlow: its versions, and the addresses of controllers. Pure."""

import re

from ovstool import units
from ovstool.errors import UsageError, quote

_DEFAULT_PORT = "6653"  # OFP_PORT


def parse_protocol(text: str) -> str:
    """Read the name of an OpenFlow version. Raises UsageError."""
    if not re.fullmatch(r"OpenFlow1[0-9]", text):
        raise UsageError(quote(text), "not an OpenFlow version such as OpenFlow13")
    return text


def parse_target(text: str) -> str:
    """Read a controller's address, as in ovs-vswitchd.conf.db(5), table Controller. Raises UsageError."""
    kind, _, rest = text.partition(":")
    active = kind in ("tcp", "ssl") and _is_place(*_host_and_port(rest), least=1)
    passive = kind in ("ptcp", "pssl") and _is_place(*_own_host_and_port(rest), least=0)
    if not (active or passive or (kind in ("unix", "punix") and rest)) or not text.isprintable() or any(map(str.isspace, text)):
        raise UsageError(quote(text), "not a controller address such as tcp:192.0.2.1:6653")
    return text


def _host_and_port(text: str) -> tuple[str, str]:
    """``HOST[:PORT]``; an IPv6 address with a port is in brackets (inet_parse_active of lib/socket-util.c)."""
    if found := re.fullmatch(r"\[([^]]*)\](?::(.*))?", text):
        return found[1], _DEFAULT_PORT if found[2] is None else found[2]
    host, colon, port = text.partition(":")
    return (text, _DEFAULT_PORT) if ":" in port else (host, port if colon else _DEFAULT_PORT)


def _own_host_and_port(text: str) -> tuple[str, str]:
    """``[PORT][:HOST]``, an IPv6 address always in brackets (inet_parse_passive)."""
    found = re.fullmatch(r"([^:]*)(?::(?:([^:[]+)|\[([^]]+)\]))?", text)
    return (found[2] or found[3] or "0.0.0.0", found[1] or _DEFAULT_PORT) if found else ("", "")


def _is_place(host: str, port: str, least: int) -> bool:
    if units.whole_number(port, least, 65535) is None:
        return False
    from ipaddress import ip_address  # needed for controllers only

    try:
        return bool(ip_address(host.partition("%")[0]))
    except ValueError:  # a name of digits and dots is a mistyped address
        return bool(re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,252}", host, re.IGNORECASE)) and not host.replace(".", "").isdigit()
