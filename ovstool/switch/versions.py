"""The version of Open vSwitch on a switch, for rules that depend on it."""

import re

from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import one
from ovstool.switch import Switch

Version = tuple[int, int]

NEWEST = (4, 0)  # the newest whose port options and QoS keys ovstool knows; a later one may read more

QUERY = Query("Open_vSwitch", [], ("ovs_version", "other_config"))


def stored(rows: list[Row]) -> Version | None:
    """The version in the database, if ovs-ctl has written one (``ovs-ctl(8)``); None for nothing, or for anything but a version."""
    found = re.match(r"([0-9]{1,3})\.([0-9]{1,3})(?![0-9])", str(one(rows[0]["ovs_version"]) or "")) if rows else None
    return (int(found[1]), int(found[2])) if found else None


def is_unknown(rows: list[Row]) -> bool:
    """Whether the database has a later version than ovstool knows."""
    return (stored(rows) or NEWEST) > NEWEST


def is_older(version: Version | None, major: int, minor: int) -> bool:
    """Whether a version is older than another; False if unknown."""
    return version is not None and version < (major, minor)


def running(switch: Switch) -> Version | None:
    """The version that ovs-vswitchd itself reports, through ovs-appctl; None when it cannot be asked."""
    try:
        shown = switch.appctl("version").stdout
    except OvstoolError:
        return None
    found = re.search(r"\(Open vSwitch\) ([0-9]{1,3})\.([0-9]{1,3})", shown)
    return (int(found[1]), int(found[2])) if found else None


def spelt(version: Version) -> str:
    return ".".join(map(str, version))
