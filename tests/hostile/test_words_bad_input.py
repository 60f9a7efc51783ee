"""Invalid input, or names of missing objects: one line on stderr, the documented exit code, and nothing changed."""

from collections.abc import Iterable

import pytest

USAGE, NOT_FOUND, CONFLICT, REFUSED = 2, 3, 4, 6
ESC = "\x1b[31mred\x1b[0m"
HOSTILE = [
    "",
    " ",
    "two words",
    "it's",
    'a"b',
    "a\nb",
    "a\r\nb",
    "a\tb",
    ESC,
    "\x7f",
    "x" * 10_000,
    "\n" * 10_000,
    "../../etc/passwd",
    "$(id)",
    "\u202ename",
    "%s",
    "{0}",
    "\\",
    "é",
]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        # missing objects
        ("bridge show nosuch", NOT_FOUND),
        ("bridge set nosuch --fail-mode secure", NOT_FOUND),
        ("bridge del br0 nosuch", NOT_FOUND),
        ("port show nosuch", NOT_FOUND),
        ("port list nosuch", NOT_FOUND),
        ("port list br0 nosuch", NOT_FOUND),
        ("port set nosuch --tag 5", NOT_FOUND),
        ("port del eth1 nosuch", NOT_FOUND),
        ("port add nosuch eth9", NOT_FOUND),
        ("show nosuch", NOT_FOUND),
        ("stats nosuch", NOT_FOUND),
        ("stats eth1 nosuch", NOT_FOUND),
        ("stats --bridge nosuch", NOT_FOUND),
        ("police set eth1 nosuch --rate 1mbit", NOT_FOUND),
        ("police clear nosuch", NOT_FOUND),
        ("qos set eth1 nosuch --max-rate 1mbit", NOT_FOUND),
        ("qos clear nosuch", NOT_FOUND),
        ("qos show nosuch", NOT_FOUND),
        ("sflow enable nosuch --collector 127.0.0.1 --force", NOT_FOUND),
        ("sflow disable nosuch", NOT_FOUND),
        # selectors
        ("port show iface-id:nosuch", NOT_FOUND),
        ("port show mac:02:00:00:00:00:99", NOT_FOUND),
        ("port show ofport:br0/999", NOT_FOUND),
        ("port show ofport:nosuch/1", NOT_FOUND),
        ("port show iface-id:", USAGE),
        ("port show mac:02:00", USAGE),
        ("port show mac:", USAGE),
        ("port show ofport:br0", USAGE),
        ("port show ofport:br0/", USAGE),
        ("port show ofport:br0/x", USAGE),
        ("port show ofport:br0/-1", USAGE),
        ("port show ofport:br0/99999", USAGE),
        # objects that exist and differ, or belong to something else
        ("bridge add br0 --fail-mode secure", CONFLICT),
        ("bridge add br0 --datapath-type netdev", CONFLICT),
        ("bridge add br0 --external-id a=b", CONFLICT),
        ("bridge add eth1", CONFLICT),
        ("port add br0 eth1 --tag 5", CONFLICT),
        ("port add br0 eth1 --type internal", CONFLICT),
        ("port add br0 bond0 --bond eth1,eth9", CONFLICT),
        ("port del br0", USAGE),
        ("port del eth1 br0", USAGE),
        # rates and sizes
        ("police set eth1", USAGE),
        ("police set eth1 --rate 10mbps", USAGE),
        ("police set eth1 --rate 10MB", USAGE),
        ("police set eth1 --rate 0", USAGE),
        ("police set eth1 --rate -1", USAGE),
        ("police set eth1 --rate=-1mbit", USAGE),
        ("police set eth1 --rate nan", USAGE),
        ("police set eth1 --rate inf", USAGE),
        ("police set eth1 --rate ''", USAGE),
        ("police set eth1 --rate 9999999tbit", USAGE),
        ("police set eth1 --rate 1500bit", USAGE),
        ("police set eth1 --rate 5tbit", USAGE),
        ("police set eth1 --rate 1mbit --burst 10k", USAGE),
        ("police set eth1 --rate 1mbit --burst 10kb", USAGE),
        ("police set eth1 --rate 1mbit --burst 0", USAGE),
        ("police set eth1 --rate 1mbit --burst 1234bit", USAGE),
        ("police set eth1 --burst 10kbit", USAGE),
        ("police set eth1 --packet-rate 1500", USAGE),
        ("police set eth1 --packet-rate 1kpps", USAGE),
        ("police set eth1 --packet-burst 1000", USAGE),
        ("police set eth1 --packet-rate 1000 --packet-burst -1", USAGE),
        ("police set --rate 1mbit", USAGE),
        ("police clear", USAGE),
        # QoS
        ("qos set eth1", USAGE),
        ("qos set eth1 --merge", USAGE),
        ("qos set --max-rate 1mbit", USAGE),
        ("qos set eth1 --max-rate 1mbps", USAGE),
        ("qos set eth1 --type ''", USAGE),
        ("qos set eth1 --max-rate 1mbit --other-config max-rate=5", USAGE),
        ("qos set eth1 --other-config novalue", USAGE),
        ("qos set eth1 --other-config a=1 --other-config a=2", USAGE),
        *((f"qos set eth1 --queue {queue}", USAGE) for queue in (
            "x", "-1", "4294967295", "1.5", "1:", "1:min", "1:min=", "1:min=10mbps", "1:min=2mbit,max=1mbit", "1:mim=1mbit", "1:min=1mbit,min=2mbit",
            "1:dscp=64", "1:dscp=-1", "1:dscp=x", "1:priority=-1", "1:priority=x", "1:burst=10k", "1:min-rate=5", "1:min=1mbit,", "0x1", "''", ":",
        )),
        ("qos set eth1 --queue 1:min=1mbit --queue 1:max=2mbit", USAGE),
        # bridges and ports
        ("bridge set br0 --fail-mode maybe", USAGE),
        ("bridge set br0 --protocols OpenFlow9", USAGE),
        ("bridge set br0 --protocols ''", USAGE),
        ("bridge set br0 --controller nosuch", USAGE),
        ("bridge set br0 --external-id novalue", USAGE),
        ("bridge set br0 --unset name", USAGE),
        ("bridge set br0 --unset fail_mode:x", USAGE),
        ("bridge add br1 --datapath-type ''", USAGE),
        ("bridge add br1 --protocols OpenFlow17", REFUSED),
        ("bridge del", USAGE),
        ("port add br0 p1 --tag 4096", USAGE),
        ("port add br0 p1 --tag -1", USAGE),
        ("port add br0 p1 --tag x", USAGE),
        ("port add br0 p1 --trunk 1,,2", USAGE),
        ("port add br0 p1 --trunk 1,4096", USAGE),
        ("port add br0 p1 --trunk 4000-4096", USAGE),
        ("port add br0 p1 --trunk 20-10", USAGE),
        ("port add br0 p1 --trunk=-10", USAGE),
        ("port add br0 p1 --trunk 10-", USAGE),
        ("port add br0 p1 --trunk 1-2-3", USAGE),
        ("port add br0 p1 --peer p2 --type vxlan", USAGE),
        ("port add br0 p1 --remote-ip 192.0.2.1", USAGE),
        ("port add br0 p1 --bond p2", USAGE),
        ("port add br0 p1 --bond p2,p2", USAGE),
        ("port add br0 p1 --bond p2,p3 --bond-mode nosuch", USAGE),
        ("port add br0 p1 --bond-mode active-backup", USAGE),
        ("port add br0 p1 --bond p2,p3 --type internal", USAGE),
        ("port set eth1 --unset nosuch", USAGE),
        ("port set eth1 --unset tag:5", USAGE),
        ("port set eth1 --option key", USAGE),
        ("port set eth1", USAGE),
        ("port set eth1 --bond-mode active-backup", USAGE),
        ("port set eth1 --tag 4 --unset tag", USAGE),
        ("port set eth1 --tag 4 --trunk 10,20", USAGE),
        ("port add br0 in1 --type internal --remote-ip 192.0.2.1", USAGE),
        (f"port show ofport:br0/{'9' * 5000}", USAGE),
        ("bridge set br0", USAGE),
        ("bridge set br0 --controller tcp:", USAGE),
        ("--db= bridge del br0", USAGE),
        ("qos set eth1 --type nosuch", USAGE),
        ("qos set eth1 --max-rate 5mbit --other-config max-rate=5mbit", USAGE),
        ("qos set eth1 --other-config max-rate=5mbit", USAGE),
        ("qos set eth1 --queue 61440:max=1mbit", USAGE),
        ("qos set eth1 --queue max=1mbit", USAGE),
        ("stats --source wind", USAGE),
        # sFlow
        ("sflow enable br0", USAGE),
        *((f"sflow enable br0 --force --collector {collector}", USAGE) for collector in (
            "''", "10.0.0.5:0", "10.0.0.5:65536", "10.0.0.5:x", "10.0.0.5:", "10.0.0", "10.0.0.256", "[::1", "[::1]6343", "[10.0.0.5]", "1:2:3", "::1", "2001:db8::5:6343", f"10.0.0.5:{'9' * 5000}", "a_b!", "'a b'", "udp:10.0.0.5",
        )),
        *((f"sflow enable br0 --force --collector 127.0.0.1 {option}", USAGE) for option in (
            "--sampling 0", "--sampling -1", "--sampling 1.5", "--polling -1", "--polling x", "--header 0", "--header 99999999999999999999", "--agent ''",
        )),
        ("sflow enable br0 --collector 127.0.0.1 --agent nosuch", REFUSED),
        ("sflow enable br0 --collector 127.0.0.1 --agent br0", REFUSED),
        ("sflow enable br0 --collector nosuch.invalid", NOT_FOUND),
    ],
)  # fmt: skip
def test_invalid_input(refused, command, code):
    refused(command, code)


RANGES = {
    "stats --rate --count": (1, 10**9),
    "stats record /nonexistent/x.csv --count": (1, 10**9),
    "flow list br0 --table": (0, 254),
    "flow top br0 --table": (0, 254),
    "flow top br0 --limit": (1, 10**6),
    "sflow listen --port": (0, 65535),
    "sflow listen --count": (1, 10**9),
    "sflow listen --limit": (1, 10**4),
    "police set eth1 --packet-rate": (1, 2**63 - 1),
    "police set eth1 --rate 1mbit --packet-burst": (1, 2**63 - 1),
    "qos set eth1 --queue": (0, 2**32 - 2),
    "qos set eth1 --queue 1:priority=": (0, 2**32 - 1),
    "qos set eth1 --queue 1:dscp=": (0, 63),
    "qos steer eth1 --match ip --queue": (0, 2**32 - 2),
    "qos unsteer eth1 --queue": (0, 2**32 - 2),
    "port add br0 p1 --tag": (0, 4095),
    "port add br0 p1 --trunk": (0, 4095),
    "port set eth1 --tag": (0, 4095),
    "sflow enable --force --collector 127.0.0.1 --sampling": (1, 2**32 - 1),
    "sflow enable --force --collector 127.0.0.1 --polling": (0, 2**31 - 1),
    "sflow enable --force --collector 127.0.0.1 --header": (1, 65535),
    "--parallel": (1, 1000),
    "port list --max-width": (0, 2**63 - 1),
}


# Where more than a number is accepted.
WORDED = {"sflow enable --force --collector 127.0.0.1 --sampling": "neither auto nor a whole number from 1 to 42949672"}


def refusals(switch, commands: Iterable[str]) -> dict[str, str]:
    """The errors of these commands without the hint at the help; each must be refused, and together they must change nothing."""
    before, said = switch.dump(), {}
    for command in commands:
        result = switch.ovstool(command)
        assert (result.code, result.stdout, result.stderr.count("\n")) == (USAGE, "", 1), (command, result)
        said[command] = result.stderr.removeprefix("ovstool: ").strip().partition("; try: ovstool help")[0]
    assert switch.dump() == before
    return said


def test_the_ranges_of_numbers(unchanged):
    expected = {}
    for words, (low, high) in RANGES.items():
        for value in (low - 1, high + 1) if low else (high + 1,):
            command = f"{words}{value}" if words.endswith("=") else f"{words} {value}{' port list' if words == '--parallel' else ''}"
            expected[command] = f"{value}: {WORDED.get(words, f'not a whole number from {low} to {high}')}"
    for command, said in refusals(unchanged, expected).items():
        assert said.endswith(expected[command]), command


# In range, but refused for the resulting configuration; where only the argument counts, the value at the limit is accepted.
BEYOND = {
    "police set eth1 --packet-rate 1": "1: policing is in thousands of packets a second, so this value cannot be set exactly; try: 1000",
    "police set eth1 --packet-rate 1000 --packet-burst 1": "1: policing is in thousands of packets, so this value cannot be set exactly; try: 1000",
    "police set eth1 --packet-rate 9223372036854775807": "policing is in thousands of packets a second, at most 4294967000",
    "police set eth1 --rate 4294967296kbit": "4294967.296mbit: policing is in kbit/s, at most 4294967.295mbit",
    "police set eth1 --rate 1mbit --burst 4294967296kbit": "a burst is in kbit, at most 4294967.295mbit",
    "police set eth1 --rate 1mbit --burst 267579kbit": "is more than the rate allows in 274 s, the most that tc can hold; try: 267.578mbit",
    "police set eth1 --packet-rate 1000 --packet-burst 275000": "is more than the packet rate allows in 274 s, the most that tc can hold; try: 274000",
    "police set eth1 --burst 1mbit --packet-rate 1000": "--burst: needs a rate; try: --rate RATE --burst SIZE",
    "police set eth1 --packet-burst 1000": "police set: a limit is missing; try: --rate 10mbit or --packet-rate 1000",
    "police set eth1 --rate 1mbit --packet-burst 1000": "--packet-burst: needs a packet rate; try: --packet-rate PPS --packet-burst N",
    "sflow enable --force --collector 127.0.0.1 --sampling 4294967295": "would sample at a different rate; up to 42949672 it is accurate to 1%",
    "sflow enable --force --collector 127.0.0.1 --sampling 42949673": "would sample at a different rate; up to 42949672 it is accurate to 1%",
    "sflow enable --force --collector 127.0.0.1 --header 65535": "would drop the sample of every packet longer than 612 bytes; 612 is the most",
    "sflow enable --force --collector 127.0.0.1 --header 613": "would drop the sample of every packet longer than 612 bytes; 612 is the most",
    "sflow enable": "sflow enable: a collector is missing; try: --collector 10.0.0.5",
    "qos set eth1": "qos set: nothing to set; try: --max-rate 200mbit, or 'ovstool qos clear PORT' to remove the QoS",
    "qos set eth1 --merge": "qos set: nothing to set; try: --max-rate 200mbit, or 'ovstool qos clear PORT' to remove the QoS",
    "qos set eth1 --max-rate 1mbit --merge --force": "--force: does not work with --merge; try: --force with the whole QoS of the port",
    "qos set eth1 --max-rate 1mbit --force --no-wait": "--force: does not work with --no-wait: ovs-vswitchd must first see the port with another type",
    "qos set eth1 --queue 1 --queue 1": "queue 1: named twice",
    "qos set eth1 --queue max=1mbit": "max=1mbit: no queue ID: it comes first; try: 0:max=1mbit",
    "qos set eth1 --queue 1:rate=1mbit": "1:rate=1mbit: rate: no such key; try: min, max, burst, priority or dscp",
    "qos set eth1 --queue 1:min=1mbit,min=2mbit": "1:min=1mbit,min=2mbit: min: given twice",
    "qos set eth1 --queue 1:min": "1:min: min: not of the form K=V",
    "port add br0 p1 --bond p2": "--bond: a bond needs at least two members; try: --bond eth2,eth3",
    "port add br0 p1 --bond p2,p3,p2": "--bond: a member is named twice",
    "port add br0 p1 --bond p1,p2": "--bond: p1 is the name of the bond itself",
    "port add br0 p1 --bond-mode balance-slb": "--bond-mode: needs --bond; try: --bond eth2,eth3",
    **{f"port add br0 p1 --bond p2,p3 {option}": "--bond: members of a bond are devices, without a type or options"
       for option in ("--type internal", "--peer p4", "--remote-ip 192.0.2.1", "--key 5", "--option a=b")},
    "port add br0 p1 --peer p2 --type vxlan": "--peer: is only for patch ports, not for --type vxlan",
    "port add br0 p1 --peer p2 --option peer=p3": "--peer: contradicts --option peer",
    "port add br0 p1 --type gre --remote-ip 192.0.2.1 --option remote_ip=192.0.2.2": "--remote-ip: contradicts --option remote_ip",
    "port add br0 p1 --type gre --key 5 --option key=6": "--key: contradicts --option key",
    "port set eth1": "port set: nothing to change; try: --tag 20, or see 'ovstool help port set'",
    **{f"port set eth1 {option} --unset {column}": f"--unset {column}: contradicts the option that sets it"
       for option, column in (("--tag 5", "tag"), ("--trunk 5", "trunks"), ("--vlan-mode trunk", "vlan_mode"), ("--type gre", "type"),
                              ("--bond-mode balance-slb", "bond_mode"), ("--lacp off", "lacp"), ("--peer p1", "type"))},
    **{f"port set eth1 --unset {column}:k": f"--unset {column}:k: this column has no keys; try: --unset {column}"
       for column in ("tag", "trunks", "vlan_mode", "bond_mode", "lacp", "type")},
    "port set eth1 --unset name": "name: not one of tag, trunks, vlan_mode, bond_mode, lacp, type, options, external_ids, mtu_request",
    "bridge set br0": "bridge set: nothing to change; try: --fail-mode secure, or see 'ovstool help bridge set'",
    "bridge set br0 --unset name": "name: not one of datapath_type, fail_mode, protocols, controller, external_ids, other_config",
    "bridge set br0 --protocols OpenFlow20": "OpenFlow20: not an OpenFlow version such as OpenFlow13",
    "bridge add abcdefghijklmnop": "its local port is a device, and the name of one has at most 15 bytes; try: a shorter name",
    "bridge set br0 --external-id a=1 --external-id a=2": "--external-id a: given twice with different values",
    "bridge set br0 --other-config =5": "=5: not of the form K=V",
    "port set eth1 --option a": "a: not of the form K=V",
    "stats --bridge ''": "empty",
    "flow add br0": "flow add: needs either flows or a file; try: FLOW..., or --file F",
    "flow add br0 actions=drop --file /dev/null": "flow add: needs either flows or a file; try: FLOW..., or --file F",
    "sandbox run --dir /nonexistent/x": "sandbox run: no command given; try: ovstool sandbox run -- ovs-vsctl show",
    "sandbox start --dir ''": "empty",
    **{f"{option} sandbox {command} --dir /nonexistent/x": said
       for command in ("start", "stop", "run true", "shell")
       for option, said in (("--dry-run", "--dry-run: sandbox commands have no dry run"),
                            ("-H nosuch", "--host: a sandbox always runs on this machine; try: ssh HOST ovstool sandbox"))},
}  # fmt: skip


def test_errors_have_suggestions(unchanged):
    for command, said in refusals(unchanged, BEYOND).items():
        assert said.endswith(BEYOND[command]), command


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_not_found(refused, name):
    for words in (["port", "show", name], ["bridge", "show", name], ["police", "clear", "eth1", name]):
        assert len(refused(words, NOT_FOUND)) < 500


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("it's", 'a"b', "$(id)", "%s", "{0}", "\\", "é")])
def test_a_hostile_name_is_not_created(refused, name):
    for words in (["port", "add", "br0", name], ["bridge", "add", name]):
        assert len(refused(words, USAGE)) < 500


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_is_refused(refused, name):
    for option in ("--rate", "--burst", "--packet-rate", "--format", "--nosuch"):
        assert len(refused(["police", "set", "eth1", f"{option}={name}"], USAGE)) < 3000
    refused(["port", "show", f"ofport:{name}/1"], USAGE if not name else NOT_FOUND)


@pytest.mark.parametrize(
    "words",
    [
        [b"\xff"],
        [b"port", b"show", b"\xff\xfe"],
        [b"port", b"show", b"iface-id:\xc3"],
        [b"port", b"list", b"-f\xff"],
        [b"port", b"list", b"-h", b"\xff"],
        [b"qos", b"set", b"eth1", b"--other-config", b"a=\xff"],
    ],
)
def test_arguments_that_are_not_utf_8(refused, words):
    refused(words, USAGE)


def test_the_exact_messages(refused):
    assert "10mbps: 10 megabits is 10mbit; 10 megabytes, as tc reads it, is 80mbit" in refused("police set eth1 --rate 10mbps", USAGE)
    line = refused("police set eth1 --rate 10500500bit", USAGE)
    assert "10.5mbit" in line and "10.501mbit" in line
    assert "ovstool bridge del br0" in refused("port del br0", USAGE)
    assert "tag" in refused("port add br0 eth1 --tag 5", CONFLICT)
    assert "eth1" in refused("port show eht1", NOT_FOUND).partition("; try: ")[2]


@pytest.mark.parametrize("selector", ["iface-id:vif", "mac:02:00:00:00:00:07"])
def test_a_selector_that_fits_several_names_them(switch, refused, selector):
    for port in ("eth1", "eth2"):
        switch.vsctl(f"set interface {port} external_ids:iface-id=vif external_ids:attached-mac='\"02:00:00:00:00:07\"'")
    for command in (
        f"port show {selector}",
        f"police set {selector} --rate 1mbit",
        f"port del {selector}",
        f"qos set eth1 {selector} --max-rate 1mbit",
    ):
        line = refused(command, CONFLICT)
        assert "eth1" in line and "eth2" in line


def test_several_bridges_need_a_name(switch, refused):
    switch.vsctl("--no-wait add-br br1")
    for command in ("sflow enable --collector 127.0.0.1 --force", "sflow disable"):
        line = refused(command, USAGE)
        assert "br0" in line and "br1" in line


def test_no_bridge_at_all(switch, refused):
    switch.vsctl("del-br br0")
    refused("sflow disable", NOT_FOUND)


def test_a_port_of_another_bridge(switch, refused):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy")
    refused("port add br1 eth1", CONFLICT)
    refused("stats eth1 --bridge br1", NOT_FOUND)
    assert "a port of this name exists" in refused("bridge add eth2", CONFLICT)


def test_a_member_of_a_bond_is_not_deleted_alone(switch, refused):
    switch.vsctl("add-bond br0 bond0 eth8 eth9")
    assert "bond0" in refused("port del eth8", USAGE)
    refused("port add br0 eth8", CONFLICT)
    assert "an interface of this name exists" in refused("bridge add eth8", CONFLICT)
    refused("port set bond0 --type internal", USAGE)
    refused("port add br0 bond0 --bond eth8,eth7", CONFLICT)


@pytest.mark.parametrize(
    "command",
    [
        "port list",
        "show",
        "topology --all-ports",
        "bridge show br0",
        "port show eth1",
        "qos show eth1",
        "sflow list",
        "qos list",
        "stats --source ovsdb",
        "police list",
    ],
)
def test_text_of_others_sends_no_control_characters(switch, ovstool, command):
    evil = '\\033[31mred\\nline\\"'
    switch.tool("ovsdb-client", "transact", (
        '["Open_vSwitch",'
        '{"op":"update","table":"Interface","where":[["name","==","eth1"]],"row":{"external_ids":["map",[["iface-id","%s"],["%s","x"]]]}},'
        '{"op":"update","table":"Bridge","where":[],"row":{"external_ids":["map",[["%s","%s"]]],"sflow":["named-uuid","s"]}},'
        '{"op":"insert","table":"sFlow","uuid-name":"s","row":{"agent":"%s","targets":"%s"}},'
        '{"op":"insert","table":"QoS","uuid-name":"q","row":{"type":"%s","other_config":["map",[["max-rate","%s"]]]}},'
        '{"op":"update","table":"Port","where":[["name","==","eth1"]],"row":{"qos":["named-uuid","q"]}},'
        '{"op":"insert","table":"Interface","uuid-name":"i","row":{"name":"%s","ingress_policing_rate":7}},'
        '{"op":"insert","table":"Port","uuid-name":"p","row":{"name":"%s","interfaces":["named-uuid","i"]}},'
        '{"op":"mutate","table":"Bridge","where":[],"mutations":[["ports","insert",["named-uuid","p"]]]}]'
    ).replace("%s", evil.replace("\\033", "\\u001b")))  # fmt: skip
    for style in ("table", "value", "csv", "lines", "shell", "github"):
        result = ovstool(f"{command} -f {style}")
        assert result.code == 0, result
        assert "\x1b" not in result.stdout
        assert "\nline" not in result.stdout
        assert "[31mred" in result.stdout  # shown, but harmless
