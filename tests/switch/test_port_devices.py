"""Ports as real devices and tunnels on the userspace datapath: what is typed takes effect in ovs-vswitchd exactly, or is refused."""

import json
import re

import pytest

from ovstool.errors import UsageError
from ovstool.switch.accepts import port_types

CONFLICT, REFUSED, USAGE = 4, 6, 2
ADDRESSES = (
    "192.0.2.1",
    "2001:db8::1",
    "flow",
    "192.0.2.300",
    "192.0.2.01",
    "1.2.3",
    "224.0.0.1",
    "ff02::1",
    "::",
    "fe80::1%lo",
    "host",
    "",
)
NUMBERS = (
    "0", "1", "4", "64", "252", "253", "255", "256", "1023", "1024", "65535", "65536", "16777215", "16777216", "4294967295", "4294967296",
    "-1", "1.5", "010", "0x10", "a", "٣", "inherit", "flow",
)  # fmt: skip
WORDS = ("true", "false", "True", "yes", "1", "")
TYPED = {
    "remote_ip": ADDRESSES, "local_ip": ADDRESSES, "ttl": NUMBERS, "tos": NUMBERS, "dst_port": NUMBERS, "egress_pkt_mark": NUMBERS,
    "in_key": NUMBERS, "out_key": NUMBERS, "csum": WORDS, "df_default": WORDS, "seq": WORDS, "nosuch": ("1",), "peer": ("eth1",),
    "packet_type": ("legacy_l2", "legacy_l3", "ptap", "l2", ""), "erspan_ver": ("1", "3", "x"), "erspan_idx": ("0", "1f", "0xfffff", "100000", "g"),
}  # fmt: skip
USUAL = {
    "ttl": "64",
    "tos": "0",
    "csum": "false",
    "df_default": "true",
    "seq": "false",
    "packet_type": "legacy_l2",
}  # dpif/show omits it
# The bits of a key in each header (ovs-vswitchd.conf.db(5), and ERSPAN's session ID); dpif/show does not show truncation on sending.
BITS = {"vxlan": 24, "gre": 32, "erspan": 10}


@pytest.fixture(scope="module", autouse=True)
def silent(forwarding):
    """Flood no packets: ovs-vswitchd would resolve the route to each of hundreds of tunnels on br0, and flood these requests too."""
    forwarding.tool("ovs-ofctl", "del-flows", "br0")


def installed(switch, ports: dict[str, tuple[str, dict[str, str]]]) -> dict[str, dict[str, str] | None]:
    """The options of ports, each a type and options, as ``dpif/show`` prints them; None where ovs-vswitchd refuses them."""
    operations = []
    for number, (name, (kind, options)) in enumerate(ports.items()):
        row = {"name": name, "type": kind, "options": ["map", list(map(list, options.items()))]}
        operations.append({"op": "insert", "table": "Interface", "uuid-name": f"i{number}", "row": row})
        port = {"name": name, "interfaces": ["named-uuid", f"i{number}"]}
        operations.append({"op": "insert", "table": "Port", "uuid-name": f"p{number}", "row": port})
    uuids = ["set", [["named-uuid", f"p{number}"] for number in range(len(ports))]]
    operations.append({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [["ports", "insert", uuids]]})
    switch.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", *operations]))
    switch.vsctl("set Open_vSwitch . external_ids:looked=at")  # waits until ovs-vswitchd has applied everything
    shown = {}
    for line in switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "dpif/show").splitlines():
        if match := re.fullmatch(r"\s+(\S+) \d+/\S+ \((\w+)(?:: (.*))?\)", line):
            shown[match[1]] = dict(pair.split("=", 1) for pair in match[3].split(", ")) if match[3] else {}
    switch.vsctl(" -- ".join(f"del-port {name}" for name in ports))
    return {name: shown.get(name) for name in ports}


def is_taken(name: str, kind: str, options: dict[str, str]) -> bool:
    try:
        port_types.check_values(name, kind, options)
        port_types.check_together(name, kind, options)
    except UsageError:
        return False
    return True


def meant(key: str, value: str | None) -> str | int | None:
    try:
        return int(value or "", 16 if key == "erspan_idx" else 0)
    except ValueError:
        return value


@pytest.mark.parametrize("kind", BITS)
def test_accepted_options_take_effect_as_typed(forwarding, kind):
    needed = {"erspan_ver": "1"} if kind == "erspan" else {}
    asked = {}
    for key, values in TYPED.items():
        for value in values:
            name = f"t{len(asked)}"  # each to another host, so that no two tunnels conflict
            asked[name] = (key, value, {"remote_ip": f"198.51.{len(asked) // 250}.{len(asked) % 250 + 1}"} | needed | {key: value})
    shown = installed(forwarding, {name: (kind, options) for name, (_, _, options) in asked.items()})
    for name, (key, value, options) in asked.items():
        there = shown[name]
        usual = "0" if key.endswith("_key") and there and "key" not in there else USUAL.get(key)
        is_typed = there is not None and meant(key, there.get(key, usual)) == meant(key, value)
        too_long = key.endswith("_key") and value.isdecimal() and int(value) >= 2 ** BITS[kind]
        not_read = key not in port_types.OPTIONS[kind]
        assert is_taken(name, kind, options) == (is_typed and not too_long and not not_read), (kind, key, value, there)


def test_keys_that_agree_are_accepted(ours):
    """The third one is ignored and agrees with the others, as in complete configurations in use."""
    assert ours("port add br0 vx --type vxlan --remote-ip flow --key flow --option in_key=flow --option out_key=flow").code == 0
    assert ours("port set vx --key 5").code == USAGE


def test_the_mtu_that_a_device_takes(forwarding, ours):
    """A Linux tap accepts less than ovs-vswitchd may request."""

    def mtu(name: str) -> tuple[str, str]:
        return tuple(forwarding.vsctl(f"get interface {name} {column}") for column in ("mtu", "mtu_request"))

    assert ours("port add br0 in0 --type internal --mtu 1280").stdout == "in0: created\n"
    assert mtu("in0") == ("1280", "1280")
    result = ours("port set in0 --mtu 65530")
    said = "in0 stays at MTU 1280 (65530 was requested); see the log of ovs-vswitchd"
    assert (result.code, result.stdout, result.stderr) == (REFUSED, "", f"ovstool: ovs-vswitchd: {said}\n")
    assert "failed to set MTU for network device in0" in (forwarding.box.directory / "ovs-vswitchd.log").read_text()
    assert ours("port set in0 --mtu 65530 --no-wait").stdout == "in0: unchanged\n"
    assert ours("port set in0 --unset mtu_request").stdout == "in0: updated\n"
    for change in ("updated", "unchanged"):
        assert ours("port set eth1 --mtu 1400").stdout == f"eth1: {change}\n"
    assert mtu("eth1") == ("1400", "1400")
    ours("port set eth1 --mtu 1500")
    assert ours("port set eth1 --unset mtu_request").stdout == "eth1: updated\n"
    assert mtu("eth1") == ("1500", "[]")


def test_options_of_a_later_open_vswitch_are_noted(forwarding, ours):
    tunnel = "port add br0 vx --type vxlan --remote-ip 192.0.2.7 --option nosuch=1"
    forwarding.vsctl("set Open_vSwitch . ovs_version=4.0.3")
    assert ours(tunnel).code == USAGE
    forwarding.vsctl("set Open_vSwitch . ovs_version=4.1.0")
    result = ours(tunnel)
    assert result.stdout == "vx: created\n"
    assert "note: vx: not checked, as this Open vSwitch is newer than ovstool knows: nosuch; " in result.stderr
    assert (ours(tunnel).stdout, ours("port set vx --option ttl=9").stderr) == ("vx: unchanged\n", "")
    assert ours("port set vx --option nosuch=2").stdout == "vx: updated\n"
    assert ours("port set vx --option csum=1").code == USAGE
    forwarding.vsctl("clear Open_vSwitch . ovs_version")


def test_every_option_of_the_table_is_read(forwarding):
    """ovs-vswitchd logs those that it does not know."""
    log = forwarding.box.directory / "ovs-vswitchd.log"
    before = len(log.read_text())
    types = forwarding.vsctl("get Open_vSwitch . iface_types")
    ports = {}
    for number, kind in enumerate(sorted(port_types.TUNNELS)):
        if kind in re.findall(r"[\w-]+", types):
            ports[f"t{number}"] = kind, dict.fromkeys(port_types.OPTIONS[kind], "1") | {"remote_ip": f"198.51.100.{number + 1}"}
    ports["foil"] = "vxlan", {"remote_ip": "198.51.100.99", "seq": "true"}
    installed(forwarding, ports)
    assert re.findall(r"unknown \S+ argument '(\S+)'", log.read_text()[before:]) == ["seq"]


@pytest.fixture
def ours(forwarding):
    """Run a command on the module's switch; what it added is removed."""
    before = set(forwarding.vsctl("list-ports br0").split())
    yield forwarding.ovstool
    for name in set(forwarding.vsctl("list-ports br0").split()) - before:
        forwarding.vsctl(f"del-port {name}")


def test_the_name_of_a_device_is_not_cut(forwarding, ours):
    """ovs-vswitchd would create the tap abcdefghijklmno without any message."""
    for words in ("--type internal", "", "--bond eth1,abcdefghijklmnop", "--type tap"):
        name = "abcdefghijklmnop" if "bond" not in words else "bond0"
        result = ours(f"port add br0 {name} {words}")
        assert (result.code, result.stdout) == (USAGE if "bond" not in words else CONFLICT, ""), words
    result = ours("port add br0 bond0 --bond eth7,abcdefghijklmnop")
    assert result.code == USAGE and "so this would become abcdefghijklmno" in result.stderr
    assert ours("port add br0 abcdefghijklmno --type internal").stderr == ""
    result = ours("port add br0 abcdefghijklmnop --type vxlan --remote-ip 192.0.2.7")
    assert result.stdout == "abcdefghijklmnop: created\n" and "call it abcdefghijklmno, its first 15 bytes" in result.stderr
    assert "(abcdefghijklmno)" in forwarding.tool("ovs-ofctl", "show", "br0")


@pytest.mark.parametrize("name", ["vxlan_sys_4789", "gre_sys", "genev_sysx", "ovs-netdev"])
def test_reserved_names(forwarding, ours, name):
    assert ours(f"port add br0 {name} --type internal").code == USAGE
    forwarding.tool("ovs-vsctl", "--no-wait", "add-port", "br0", name)
    assert ours(f"port add br0 {name}").code == REFUSED  # reserved by ovs-vswitchd, which is asked here


def test_a_missing_device(forwarding, ours):
    result = ours("port add br0 nosuch0 --tag 5")
    assert (result.code, result.stdout) == (REFUSED, "")
    assert result.stderr.startswith("ovstool: ovs-vswitchd: nosuch0: could not open network device nosuch0 (No such device)")
    assert result.stderr.endswith(" (the database has the change)\n")
    assert forwarding.vsctl("get port nosuch0 tag") == "5"
    assert ours("port add br0 nosuch0 --tag 5").code == REFUSED


def test_options_of_a_device_are_noted(ours):
    result = ours("port add br0 in1 --type internal --option a=b")
    remedy = "ovstool port set in1 --unset options:a"
    said = "ovstool: note: in1: Open vSwitch ignores its options: a port of type internal has no options: a; try: "
    assert (result.stdout, result.stderr) == ("in1: created\n", f"{said}{remedy}\n")
    assert ours(remedy.removeprefix("ovstool ")).stderr == ""
    assert ours("port set in1 --external-id a=b").stderr == ""
    assert "is only for tunnels; try: --type vxlan or geneve or gre" in ours("port set in1 --remote-ip 192.0.2.1").stderr


def test_two_tunnels_that_conflict(forwarding, ours):
    tunnel = "--type vxlan --remote-ip 192.0.2.7"
    assert ours(f"port add br0 vx1 {tunnel} --key 5").code == 0
    for same in ({"key": "5"}, {"in_key": "0x5"}, {"key": "5", "dst_port": "4789"}, {"key": "5", "ttl": "9"}):
        options = [word for key, value in same.items() for word in ("--option", f"{key}={value}")]
        result = ours(["port", "add", "br0", "vx2", *tunnel.split(), *options])
        assert (result.code, result.stdout) == (CONFLICT, ""), same
        assert "vx1 is already a vxlan tunnel with the same addresses, key and port" in result.stderr
        assert installed(forwarding, {"vx2": ("vxlan", {"remote_ip": "192.0.2.7"} | same)}) == {"vx2": None}  # ovs-vswitchd agrees
    for number, other in enumerate(("", "--key 6", "--key flow", "--key 5 --option dst_port=4790", "--key 5 --option local_ip=192.0.2.1")):
        assert ours(f"port add br0 vx{number + 3} {tunnel} {other}").code == 0, other
    # For a change, ovs-vswitchd would report it only in its log.
    assert ours("port set vx4 --key 5").code == CONFLICT
    assert ours("port set vx1 --option ttl=9").stdout == "vx1: updated\n"


def test_unknown_types(forwarding, ours):
    result = ours("port add br0 g1 --type gree --remote-ip 192.0.2.7")
    assert (result.code, result.stdout) == (REFUSED, "")
    assert result.stderr.startswith(
        "ovstool: port g1: this Open vSwitch does not support type gree; it supports "
    ) and result.stderr.endswith("; try: --type gre\n")
    types = re.findall(r"[\w-]+", forwarding.vsctl("get Open_vSwitch . iface_types"))
    assert ", ".join(sorted(types)) in result.stderr
    assert ours("port set eth1 --type dpdkk").code == REFUSED
    assert "g1" not in forwarding.vsctl("list-ports br0").split() and forwarding.vsctl("get interface eth1 type") == '""'


def test_an_error_of_two_lines_is_told_in_one(forwarding, ours):
    forwarding.tool(
        "ovs-vsctl", "--no-wait", "add-port", "br0", "v1", "--", "set", "interface", "v1", "type=vxlan", "options:remote_ip=host1"
    )
    result = ours("port set v1 --external-id a=b")
    said = "ovstool: ovs-vswitchd: v1: bad vxlan 'remote_ip'; vxlan type requires valid 'remote_ip' argument"
    assert (result.code, result.stderr) == (REFUSED, f"{said} (the database has the change)\n")
