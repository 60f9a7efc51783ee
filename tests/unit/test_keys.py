"""The keys of Bridge.other_config compared with the manual of the installed Open vSwitch."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

from ovstool.errors import UsageError
from ovstool.switch.accepts import bridge_keys

_MANUAL = Path("/usr/share/man/man5/ovs-vswitchd.conf.db.5.gz")
# What ovs-vswitchd.conf.db(5) of 3.1 says about each key: the range that a value must have or is clamped to, otherwise the type.
SAID: dict[str, tuple[int, int] | str] = {
    "controller-queue-size": (1, 512), "datapath-id": "string", "disable-in-band": "boolean", "dp-desc": "string", "dp-sn": "string",
    "forward-bpdu": "boolean", "hwaddr": "string", "in-band-queue": (0, 2**32 - 1), "mac-aging-time": (15, 3600), "mac-table-size": (10, 10**6),
    "mcast-snooping-aging-time": (15, 3600), "mcast-snooping-disable-flood-unregistered": "boolean", "mcast-snooping-table-size": (10, 10**6),
    "rstp-address": "string", "rstp-ageing-time": (10, 10**6), "rstp-force-protocol-version": "integer", "rstp-forward-delay": (4, 30),
    "rstp-max-age": (6, 40), "rstp-priority": (0, 61440), "rstp-transmit-hold-count": (1, 10), "stp-forward-delay": (4, 30),
    "stp-hello-time": (1, 10), "stp-max-age": (6, 40), "stp-priority": (0, 65535), "stp-system-id": "string",
}  # fmt: skip
_NARROWER = {"in-band-queue": (0, 2**31 - 1)}  # bridge_configure_remotes reads it with smap_get_int


def described() -> dict[str, tuple[int, int] | str]:
    """The ranges and types of the keys in the installed manual."""
    text = gzip.decompress(_MANUAL.read_bytes()).decode()
    table = text.partition('.SH "Bridge TABLE"')[2].partition('.SH "Port TABLE"')[0]
    found: dict[str, tuple[int, int] | str] = {}
    for entry in re.split(r'^\.IP "', table, flags=re.MULTILINE)[1:]:
        if of_key := re.match(r"\\fBother_config : ([\w-]+)\\fR: (.*)", entry, re.DOTALL):
            said = " ".join(of_key[2].split())
            limits = re.search(r"currently ([\d,]+) to ([\d,]+)", said) or re.search(r"in range ([\d,]+) to ([\d,]+)", said)
            kind = "boolean" if "either" in said[:30] else "integer" if "integer" in said[:50] else "string"
            found[of_key[1]] = (int(limits[1].replace(",", "")), int(limits[2].replace(",", ""))) if limits else kind
    return found


def fits(key: str, value: object) -> bool:
    return bridge_keys.BRIDGE.checks[key](str(value)) is None


def test_the_keys_are_those_of_the_manual():
    assert SAID.keys() == bridge_keys.BRIDGE.checks.keys()
    if _MANUAL.exists():  # container images lack manuals
        assert described() == SAID


def test_ovs_vswitchd_reads_them():
    program = Path(shutil.which("ovs-vswitchd") or "/usr/sbin/ovs-vswitchd").read_bytes()
    assert [
        key for key in bridge_keys.BRIDGE.checks if f"{key}\0".encode() not in program
    ] == []  # the linker keeps only one of several strings with the same end


@pytest.mark.parametrize("key", SAID)
def test_only_values_of_the_manual_fit(key):
    match _NARROWER.get(key, SAID[key]):
        case (low, high):
            assert fits(key, low) and fits(key, high) and not fits(key, low - 1) and not fits(key, high + 1) and not fits(key, "x")
        case "boolean":
            assert fits(key, "true") and fits(key, "FALSE") and not any(fits(key, word) for word in ("yes", "1", "on", ""))
        case "integer":
            assert not fits(key, "x")


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        (
            "datapath-id",
            ["00000000000000Ab", "0x1", "0xffffffffffffffff"],
            ["0" * 16, "1", "0x", "0x0", "0x1ffffffffffffffff", "000000000000000g"],
        ),
        (
            "hwaddr",
            ["02:00:00:00:00:01", "2:0:0:0:0:1", "12:00:00:00:00:01"],
            ["01:00:00:00:00:00", "11:00:00:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00", "02-00-00-00-00-01", ""],
        ),
        ("stp-system-id", ["02:00:00:00:00:01"], ["x", "02:00:00:00:00:01:02"]),
        ("rstp-priority", [0, 4096, 61440], [1, 4095, 32769, 65536, "-4096"]),
        ("rstp-force-protocol-version", [0, 2], [1, 3]),
        ("dp-desc", ["", "x" * 255, "ü" * 127, "\ud800"], ["x" * 256, "ü" * 128, "\ud800" * 256]),
        ("dp-sn", ["x" * 31], ["x" * 32]),
        ("mac-table-size", [10, "0010"], ["10 ", "+10", "1e3", "٣٣", "0x10", "10.0", 2**70]),
        ("stp-hello-time", [1, 2, 1000, 5000], [0, 11, 999, 10001]),
    ],
)
def test_values(key, good, bad):
    assert all(fits(key, value) for value in good)
    assert not any(fits(key, value) for value in bad)


@pytest.mark.parametrize(
    "config", [{"stp": "true"}, {"stp_enable": "x"}, {"fail_mode": "secure"}, {"mac_table_size": "9999"}, {"sflow": "x"}]
)
def test_synonyms_are_refused_with_the_right_key(config):
    with pytest.raises(UsageError) as refused:
        bridge_keys.check(bridge_keys.BRIDGE, "br0", config)
    assert refused.value.hint and "_" not in refused.value.hint.partition("ovs-vsctl")[0]


def test_columns_are_no_keys():
    """Each column of Bridge that can be set, in any spelling."""
    for column in ("datapath_type", "stp_enable", "rstp_enable", "mcast_snooping_enable", "mirrors", "netflow", "ipfix", "controller", "protocols",
                   "fail_mode", "external_ids", "flood_vlans", "flow_tables", "auto_attach", "sflow"):  # fmt: skip
        for written in (column, column.replace("_", "-"), column.upper()):
            with pytest.raises(UsageError):
                bridge_keys.check(bridge_keys.BRIDGE, "br0", {written: "true"})


def test_keys_of_others_are_noted():
    assert bridge_keys.check(bridge_keys.BRIDGE, "br0", {"mac-table-size": "4096", "disable-in-band": "true"}) == []
    assert bridge_keys.check(bridge_keys.BRIDGE, "br0", {"theirs": "x"}) == ["ovs-vswitchd does not read key theirs of Bridge.other_config"]
    assert bridge_keys.check(bridge_keys.BRIDGE, "br0", {"hw-addr": "x"})[0].endswith("; did you mean hwaddr?")


@pytest.mark.parametrize(
    ("asked", "there", "agree"),
    [
        ({"stp-forward-delay": "4"}, {}, False), ({"stp-forward-delay": "11"}, {}, True), ({"stp-forward-delay": "4"}, {"stp-max-age": "6"}, True),
        ({"rstp-max-age": "40"}, {}, False), ({"rstp-max-age": "40"}, {"rstp-forward-delay": "21"}, True), ({"rstp-max-age": "28"}, {}, True),
        ({"stp-hello-time": "10000"}, {}, False), ({"stp-hello-time": "9000"}, {}, True), ({"stp-hello-time": "10"}, {}, True),
        ({"stp-priority": "5"}, {"stp-forward-delay": "4"}, True), ({"stp-max-age": "20"}, {"stp-forward-delay": "x"}, True),
    ],
)  # fmt: skip
def test_timers_that_contradict_each_other(asked, there, agree):
    """ovs-vswitchd replaces timers that contradict each other (``ovs-appctl stp/show``)."""
    if agree:
        bridge_keys.require_agreement(asked, there | asked)
    else:
        with pytest.raises(UsageError):
            bridge_keys.require_agreement(asked, there | asked)


WHOLE = "a whole number from {} to {}"
MAC = "a MAC address such as 02:00:00:00:00:01"
SAID_OF = {
    "controller-queue-size=0": WHOLE.format(1, 512),
    "datapath-id=0": "16 hex digits, or 0x and up to 16, and not 0",
    "disable-in-band=1": "true or false",
    "dp-desc=" + "x" * 256: "at most 255 bytes long",
    "dp-sn=" + "x" * 32: "at most 31 bytes long",
    "forward-bpdu=on": "true or false",
    "hwaddr=x": MAC,
    "hwaddr=01:00:00:00:00:00": "a unicast MAC address, and not all zeros",
    "in-band-queue=x": WHOLE.format(0, 2**31 - 1),
    "mac-aging-time=5": WHOLE.format(15, 3600),
    "mac-table-size=5": WHOLE.format(10, 1_000_000),
    "mcast-snooping-aging-time=5": WHOLE.format(15, 3600),
    "mcast-snooping-disable-flood-unregistered=x": "true or false",
    "mcast-snooping-table-size=5": WHOLE.format(10, 1_000_000),
    "rstp-address=x": MAC,
    "rstp-ageing-time=5": WHOLE.format(10, 1_000_000),
    "rstp-force-protocol-version=1": "0 or 2",
    "rstp-forward-delay=3": WHOLE.format(4, 30),
    "rstp-max-age=5": WHOLE.format(6, 40),
    "rstp-priority=x": WHOLE.format(0, 61440) + ", in steps of 4096",
    "rstp-priority=5000": "a multiple of 4096, such as 4096 or 8192",
    "rstp-priority=40961": "a multiple of 4096, such as 40960 or 45056",
    "rstp-transmit-hold-count=0": WHOLE.format(1, 10),
    "stp-forward-delay=31": WHOLE.format(4, 30),
    "stp-hello-time=11": "a whole number from 1000 to 10000 (milliseconds)",
    "stp-max-age=41": WHOLE.format(6, 40),
    "stp-priority=65536": WHOLE.format(0, 65535),
    "stp-system-id=x": MAC,
}


@pytest.mark.parametrize("pair", SAID_OF)
def test_errors_describe_the_valid_values(pair):
    key, _, value = pair.partition("=")
    with pytest.raises(UsageError) as refused:
        bridge_keys.check(bridge_keys.BRIDGE, "br0", {key: value})
    assert (refused.value.why, refused.value.hint) == (f"{key} must be {SAID_OF[pair]}", None)


def test_each_key_has_a_value_that_is_refused():
    assert {pair.partition("=")[0] for pair in SAID_OF} == bridge_keys.BRIDGE.checks.keys()


COLUMN = "that is a column, not a key of other_config"
VSCTL = "ovs-vsctl set bridge br0 "


@pytest.mark.parametrize(
    ("key", "why", "hint"),
    [
        ("MAC_table_size", "ovs-vswitchd has no such key", "--other-config mac-table-size=5"),
        *((key, COLUMN, f"{VSCTL}stp_enable=5") for key in ("stp", "stp_enable", "stp-enabled")),
        *((key, COLUMN, f"{VSCTL}rstp_enable=5") for key in ("rstp", "rstp_enable", "RSTP-enabled")),
        *(
            (key, COLUMN, f"{VSCTL}mcast_snooping_enable=5")
            for key in ("mcast-snooping", "mcast_snooping_enable", "mcast-snooping-enabled")
        ),
        *((key, COLUMN, f"--{key.replace('_', '-')} 5") for key in ("fail_mode", "protocols", "controller", "datapath-type")),
        ("external_ids", COLUMN, "--external-id K=V"),
        ("sflow", COLUMN, "ovstool sflow enable"),
        *((key, COLUMN, f"{VSCTL}{key}=5") for key in ("flood_vlans", "netflow", "ipfix", "mirrors", "flow_tables", "auto_attach")),
    ],
)
def test_suggestions_for_unknown_keys(key, why, hint):
    with pytest.raises(UsageError) as refused:
        bridge_keys.check(bridge_keys.BRIDGE, "br0", {key: "5"})
    assert (refused.value.what, refused.value.why, refused.value.hint) == (f"--other-config {key}=5", why, hint)


def test_a_hello_time_in_seconds_is_noted():
    def notes(value: str) -> list[str]:
        return bridge_keys.check(bridge_keys.BRIDGE, "br0", {"stp-hello-time": value})

    said = "stp-hello-time: ovs-vswitchd reads milliseconds where its manual says seconds, so {0} is 1 s; try: {0}000"
    assert notes("2") == [said.format(2)] and notes("10") == [said.format(10)]
    assert notes("1") == notes("1000") == notes("10000") == []


def test_which_keys_are_similar():
    told = "ovs-vswitchd does not read key {} of Bridge.other_config{}"
    for key, near in (("hw-addr", "; did you mean hwaddr?"), ("mac", ""), ("mac-aging-tim", "; did you mean mac-aging-time?")):
        assert bridge_keys.check(bridge_keys.BRIDGE, "br0", {key: "x"}) == [told.format(key, near)]


@pytest.mark.parametrize(
    ("protocol", "config", "why", "hint"),
    [
        ("stp", {"forward-delay": "10"}, "{0}-forward-delay must be at least {0}-max-age / 2 + 1, and they are 10 s and 20 s", "{0}-forward-delay=11"),
        ("rstp", {"max-age": "29"}, "{0}-forward-delay must be at least {0}-max-age / 2 + 1, and they are 15 s and 29 s", "{0}-forward-delay=16"),
        ("stp", {"hello-time": "10000"}, "{0}-max-age must be at least 2 * (hello time + 1), and they are 20 s and 10 s", "{0}-max-age=22"),
        ("stp", {"hello-time": "2999", "max-age": "5"}, "{0}-max-age must be at least 2 * (hello time + 1), and they are 5 s and 2 s", "{0}-max-age=6"),
        ("stp", {"hello-time": "1", "max-age": "3"}, "{0}-max-age must be at least 2 * (hello time + 1), and they are 3 s and 1 s", "{0}-max-age=4"),
    ],
)  # fmt: skip
def test_errors_of_timers_give_valid_values(protocol, config, why, hint):
    asked = {f"{protocol}-{key}": value for key, value in config.items()}
    with pytest.raises(UsageError) as refused:
        bridge_keys.require_agreement(asked, asked)
    assert (refused.value.what, refused.value.why, refused.value.hint) == ("--other-config", why.format(protocol), hint.format(protocol))
    bridge_keys.require_agreement({}, asked)
