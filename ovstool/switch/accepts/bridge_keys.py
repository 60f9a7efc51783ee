"""The keys of other_config that ovs-vswitchd reads, each with the values that it accepts unchanged; pure.

It clamps other values to a range or ignores them, and reports that at most in its log. Ranges are those of ovs-vswitchd.conf.db(5)
where the code has them too: lib/mac-learning.c, lib/mcast-snooping.c, lib/stp.c, lib/rstp.c and vswitchd/bridge.c, 2.13 to 3.7.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ovstool.errors import UsageError, quote

Check = Callable[[str], str | None]  # what the value should be, None if it is valid

_MAC = r"(?i)[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}"
_NUMBER = r"[0-9]{1,19}"
_ID = r"(?i)(?:0x[0-9a-f]{1,16}|[0-9a-f]{16})"


class Keys(NamedTuple):
    """The keys of one table; ``meant`` maps words that look like keys to what to type instead."""

    table: str
    checks: Mapping[str, Check]
    meant: Mapping[str, str] = {}


def check(known: Keys, name: str, config: Mapping[str, str]) -> list[str]:
    """Notes about keys that ovs-vswitchd does not read, which may belong to other programs; ``name`` is that of the object.

    Raises UsageError for a value that it would not accept unchanged, and for the name of a column.
    """
    notes = []
    for key, value in config.items():
        what = f"--other-config {quote(f'{key}={value}')}"
        if key in known.checks:
            if wanted := known.checks[key](value):
                raise UsageError(what, f"{key} must be {wanted}")
            notes += _surprises(key, value)
        elif (spelt := key.replace("_", "-").lower()) in known.checks:
            raise UsageError(what, "ovs-vswitchd has no such key", f"--other-config {spelt}={quote(value)}")
        elif hint := known.meant.get(spelt):
            raise UsageError(what, "that is a column, not a key of other_config", hint.format(object=quote(name), value=quote(value)))
        else:
            notes.append(f"ovs-vswitchd does not read key {quote(key)} of {known.table}.other_config{_similar(key, known.checks)}")
    return notes


def require_agreement(asked: Mapping[str, str], config: Mapping[str, str]) -> None:
    """Raises UsageError when requested timers contradict others that the bridge will have, so that they would not take effect.

    Old information must expire before a port forwards, 2 * (forward delay - 1) >= max age, but only after some hellos were missed,
    max age >= 2 * (hello time + 1). For STP ovs-vswitchd raises values that are too low (stp_update_bridge_timers of lib/stp.c), for RSTP
    it keeps the old ones (rstp_set_bridge_max_age__ and rstp_set_bridge_forward_delay__ of lib/rstp.c).
    """
    for protocol in ("stp", "rstp"):
        age, delay, hello = f"{protocol}-max-age", f"{protocol}-forward-delay", f"{protocol}-hello-time"
        if not {age, delay, hello} & asked.keys():
            continue
        age_s, delay_s, hello_s = _seconds(config, age, 20), _seconds(config, delay, 15), max(_seconds(config, hello, 2000) // 1000, 1)
        if 2 * (delay_s - 1) < age_s:
            why = f"{delay} must be at least {age} / 2 + 1, and they are {delay_s} s and {age_s} s"
            raise UsageError("--other-config", why, f"{delay}={-(-age_s // 2) + 1}")
        if age_s < 2 * (hello_s + 1):
            why = f"{age} must be at least 2 * (hello time + 1), and they are {age_s} s and {hello_s} s"
            raise UsageError("--other-config", why, f"{age}={2 * (hello_s + 1)}")


def _seconds(config: Mapping[str, str], key: str, default: int) -> int:
    value = config.get(key, "")
    return int(value) if re.fullmatch(_NUMBER, value) else default


def _similar(key: str, known: Mapping[str, Check]) -> str:
    from difflib import get_close_matches  # rarely needed

    near = get_close_matches(key, known, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _surprises(key: str, value: str) -> list[str]:
    if key == "stp-hello-time" and 1 < int(value) <= 10:
        return [f"stp-hello-time: ovs-vswitchd reads milliseconds where its manual says seconds, so {value} is 1 s; try: {value}000"]
    return []


def _whole(low: int, high: int) -> Check:
    def wrong(value: str) -> str | None:
        return None if re.fullmatch(_NUMBER, value) and low <= int(value) <= high else f"a whole number from {low} to {high}"

    return wrong


def _one_of(*values: str) -> Check:
    return lambda value: None if value.lower() in values else " or ".join(values)


def _at_most(length: int) -> Check:
    return lambda value: None if len(value.encode(errors="replace")) <= length else f"at most {length} bytes long"


def _mac(value: str) -> str | None:
    return None if re.fullmatch(_MAC, value) else "a MAC address such as 02:00:00:00:00:01"


def _unicast(value: str) -> str | None:
    if not re.fullmatch(_MAC, value):
        return _mac(value)
    octets = [int(octet, 16) for octet in value.split(":")]
    return "a unicast MAC address, and not all zeros" if octets[0] & 1 or not any(octets) else None


def _datapath_id(value: str) -> str | None:
    return None if re.fullmatch(_ID, value) and int(value, 16) else "16 hex digits, or 0x and up to 16, and not 0"


def _priority_in_steps(value: str) -> str | None:
    wanted = _whole(0, 61440)(value)
    if wanted or not int(value) % 4096:
        return wanted and f"{wanted}, in steps of 4096"
    below = int(value) // 4096 * 4096
    return f"a multiple of 4096, such as {below} or {below + 4096}"


def _hello_time(value: str) -> str | None:
    """Seconds in the manual, milliseconds in bridge_configure_stp of vswitchd/bridge.c (2.13 to 3.7), where 1000 is the minimum."""
    if re.fullmatch(_NUMBER, value) and (1 <= int(value) <= 10 or 1000 <= int(value) <= 10000):
        return None
    return "a whole number from 1000 to 10000 (milliseconds)"


_BOOLEAN = _one_of("true", "false")  # smap_get_bool treats every other word as the default
_AGING, _SIZE = _whole(15, 3600), _whole(10, 1_000_000)

BRIDGE = Keys(
    "Bridge",
    {
        "controller-queue-size": _whole(1, 512),
        "datapath-id": _datapath_id,
        "disable-in-band": _BOOLEAN,
        "dp-desc": _at_most(255),
        "dp-sn": _at_most(31),
        "forward-bpdu": _BOOLEAN,
        "hwaddr": _unicast,
        "in-band-queue": _whole(0, 2**31 - 1),  # 32 bits in the manual, but smap_get_int has one less
        "mac-aging-time": _AGING,
        "mac-table-size": _SIZE,
        "mcast-snooping-aging-time": _AGING,
        "mcast-snooping-disable-flood-unregistered": _BOOLEAN,
        "mcast-snooping-table-size": _SIZE,
        "rstp-address": _mac,
        "rstp-ageing-time": _whole(10, 1_000_000),
        "rstp-force-protocol-version": _one_of("0", "2"),
        "rstp-forward-delay": _whole(4, 30),
        "rstp-max-age": _whole(6, 40),
        "rstp-priority": _priority_in_steps,
        "rstp-transmit-hold-count": _whole(1, 10),
        "stp-forward-delay": _whole(4, 30),
        "stp-hello-time": _hello_time,
        "stp-max-age": _whole(6, 40),
        "stp-priority": _whole(0, 65535),
        "stp-system-id": _mac,
    },
    {
        **dict.fromkeys(("stp", "stp-enable", "stp-enabled"), "ovs-vsctl set bridge {object} stp_enable={value}"),
        **dict.fromkeys(("rstp", "rstp-enable", "rstp-enabled"), "ovs-vsctl set bridge {object} rstp_enable={value}"),
        **dict.fromkeys(
            ("mcast-snooping", "mcast-snooping-enable", "mcast-snooping-enabled"),
            "ovs-vsctl set bridge {object} mcast_snooping_enable={value}",
        ),
        **{name: f"--{name} {{value}}" for name in ("fail-mode", "protocols", "controller", "datapath-type")},
        "external-ids": "--external-id K=V",
        "sflow": "ovstool sflow enable",
        **{
            column: f"ovs-vsctl set bridge {{object}} {column.replace('-', '_')}={{value}}"
            for column in ("flood-vlans", "netflow", "ipfix", "mirrors", "flow-tables", "auto-attach")
        },
    },
)
