"""The options of each interface type with the limits of each value, from ovs-vswitchd.conf.db(5) and lib/netdev-vport.c."""

import pytest
from test_schema import OURS

from ovstool.errors import Conflict, UsageError
from ovstool.switch import ERROR, WARNING
from ovstool.switch.accepts import port_modes, port_types

COMMON = {"remote_ip", "local_ip", "tos", "ttl", "df_default", "egress_pkt_mark", "psk", "remote_cert", "remote_name", "packet_type"}
KEYS = {"key", "in_key", "out_key"}
ERSPAN = {"erspan_ver", "erspan_idx", "erspan_dir", "erspan_hwid"}
TAKEN = {
    "vxlan": COMMON | KEYS | {"dst_port", "csum", "exts"},
    "geneve": COMMON | KEYS | {"dst_port", "csum"},
    "gre": COMMON | KEYS | {"csum", "seq"},
    "ip6gre": COMMON | KEYS | {"csum", "seq"},
    "erspan": COMMON | KEYS | ERSPAN,
    "ip6erspan": COMMON | KEYS | ERSPAN,
    "lisp": COMMON | KEYS | {"dst_port"},
    "stt": COMMON | KEYS | {"dst_port", "csum"},
    "gtpu": COMMON | KEYS | {"dst_port"},
    "bareudp": COMMON | {"dst_port", "payload_type"},
    "srv6": COMMON | {"srv6_segs", "srv6_flowlabel"},
    "patch": {"peer"},
}
BITS = {"vxlan": 24, "geneve": 24, "gre": 32, "ip6gre": 32, "erspan": 10, "ip6erspan": 10, "lisp": 24, "stt": 64, "gtpu": 32}
LAYERS = {
    "vxlan": "legacy_l2 legacy_l3 ptap", "geneve": "legacy_l2 ptap", "gre": "legacy_l2 legacy_l3 ptap", "ip6gre": "legacy_l2 ptap",
    "erspan": "legacy_l2 ptap", "ip6erspan": "legacy_l2 ptap", "lisp": "legacy_l3 ptap", "stt": "legacy_l2 ptap", "gtpu": "legacy_l3 ptap",
    "bareudp": "legacy_l3 ptap", "srv6": "legacy_l3 ptap",
}  # fmt: skip
# A type and an option, valid values, invalid ones, and the description in the error.
VALUES = [
    ("gre", "remote_ip", "flow 192.0.2.1 223.255.255.255 240.0.0.1 0.0.0.1 255.255.255.254 2001:db8::1 fe80::1",
     "Flow 0.0.0.0 224.0.0.0 239.255.255.255 255.255.255.255 :: ff02::1 host 192.0.2 192.0.2.256 1:2", "a unicast address or flow"),
    ("gre", "local_ip", "flow 0.0.0.0 224.0.0.1 ::", "flows 192.0.2 1:2", "an address or flow"),
    ("gre", "tos", "inherit 0 4 252 0x4 0xfc", "1 2 3 253 255 256 0xfe 04 inherited -4", "a multiple of 4 from 0 to 252 (two bits are ECN's) or inherit"),
    ("gre", "ttl", "inherit 1 255", "0 256 0x1 01 flow", "1 to 255 or inherit"),
    ("gre", "df_default", "true false", "True 1 yes", "true or false"),
    ("gre", "csum", "true false", "0", "true or false"),
    ("gre", "seq", "true false", "0", "true or false"),
    ("gre", "egress_pkt_mark", "0 4294967295", "4294967296 0x1 -1", "0 to 4294967295"),
    ("vxlan", "dst_port", "1 65535", "0 65536 0x1 flow", "1 to 65535"),
    ("vxlan", "exts", "gbp gpe gbp,gpe", "vxlan gbp,x", "gbp, gpe or both"),
    ("erspan", "erspan_ver", "1 2 flow", "0 3", "1, 2 or flow"),
    ("erspan", "erspan_idx", "0 fffff 0xfffff 0XFFFFF 00001 flow", "100000 0x100000 g -1 000000001", "0 to 0xfffff or flow"),
    ("erspan", "erspan_dir", "0 1 flow", "2", "0, 1 or flow"),
    ("erspan", "erspan_hwid", "0 3f 0x3f flow", "40 0x40", "0 to 0x3f or flow"),
    ("bareudp", "payload_type", "mpls ip 1 0x8847 65535", "0 65536 ipv4", "mpls, ip or an Ethernet type"),
    ("srv6", "srv6_segs", "fc00::1 fc00::1,fc00::2 1::,2::,3::,4::,5::,6::", "1::,2::,3::,4::,5::,6::,7:: 192.0.2.1 fc00::1,", "up to 6 IPv6 addresses"),
    ("srv6", "srv6_flowlabel", "copy zero compute", "copied", "copy, zero or compute"),
    ("gre", "psk", "x", "", "text"),
    ("patch", "peer", "p0", "", "text"),
]  # fmt: skip


def holds(kind: str, option: str, value: str) -> bool:
    return port_types.OPTIONS[kind][option].holds(value)


@pytest.mark.parametrize("kind", TAKEN)
def test_the_options_of_a_type(kind):
    assert port_types.OPTIONS[kind].keys() == TAKEN[kind]
    for option in TAKEN[kind] - {"key", "in_key", "out_key", "packet_type"}:
        assert option in {of for _, of, *_ in VALUES} | {"remote_cert", "remote_name"}
    if kind in LAYERS:
        taken = [layer for layer in ("legacy_l2", "legacy_l3", "ptap", "") if holds(kind, "packet_type", layer)]
        assert taken == LAYERS[kind].split()


def test_no_other_type_is_known():
    assert port_types.OPTIONS.keys() == TAKEN.keys() and port_types.TUNNELS == TAKEN.keys() - {"patch"}


@pytest.mark.parametrize("kind", BITS)
def test_a_key_has_as_many_bits_as_the_header(kind):
    most = 2 ** BITS[kind] - 1
    for option in ("key", "in_key", "out_key"):
        assert all(holds(kind, option, value) for value in ("0", "0x1", "flow", str(most), hex(most)))
        assert not any(holds(kind, option, value) for value in (str(most + 1), hex(most + 1), "01", "-1", "x", "Flow", ""))
        assert port_types.OPTIONS[kind][option].words == f"a {BITS[kind]}-bit number or flow"


@pytest.mark.parametrize(("kind", "option", "good", "bad", "words"), VALUES, ids=[f"{kind} {option}" for kind, option, *_ in VALUES])
def test_the_values_of_an_option(kind, option, good, bad, words):
    assert [value for value in good.split() if not holds(kind, option, value)] == []
    assert [value for value in bad.split(" ") if holds(kind, option, value)] == []
    assert port_types.OPTIONS[kind][option].words == words


def refusal(call, *args, **named) -> str:
    with pytest.raises(UsageError) as raised:
        call(*args, **named)
    return str(raised.value)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("gre", {"ttl": "0"}, "option ttl must be 1 to 255 or inherit, not 0"),
        ("gre", {"key": "010"}, "option key must be a 32-bit number or flow, not 010; try: no leading zero, which would mean octal"),
        ("gre", {"ttl": "x01"}, "option ttl must be 1 to 255 or inherit, not x01"),
        ("patch", {"per": "p1"}, "patch has no option per; it has peer; try: --option peer=..."),
        ("patch", {"ipsec_x": "1"}, "patch has no option ipsec_x; it has peer"),
        ("srv6", {"srv6_seg": "1::"}, f"srv6 has no option srv6_seg; it has {', '.join(sorted(TAKEN['srv6']))}; try: --option srv6_segs=..."),
        ("system", {"peer": "p1"}, "option peer is only for patch ports; try: --type patch"),
        ("internal", {"seq": "true"}, "option seq is only for tunnels; try: --type gre or ip6gre"),
        ("tap", {"key": "5"}, "option key is only for tunnels; try: --type vxlan or geneve or gre"),
    ],
)  # fmt: skip
def test_an_option_that_is_refused(kind, options, said):
    assert refusal(port_types.check_values, "p0", kind, options) == f"port p0: {said}"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("gre", {"ipsec_esp": "1", "psk": "x"}),  # ovs-monitor-ipsec reads these
        ("system", {"a": "b"}),  # noted, because other programs may read it
        ("dpdk", {"dpdk-devargs": "0000:01:00.0", "key": "5"}),  # the options of other types are not known
    ],
)
def test_options_that_are_not(kind, options):
    port_types.check_values("p0", kind, options)


def test_options_that_a_new_type_does_not_take():
    unset = "--unset options:dst_port --unset options:exts"
    assert (
        refusal(port_types.check_kept, "p0", "gre", {"exts": "gbp", "dst_port": "1", "key": "5"})
        == f"port p0: gre has no option dst_port, exts, which the port has; try: {unset}"
    )
    assert refusal(port_types.check_kept, "p0", "tap", {"it's": "x"}).endswith("""; try: --unset 'options:it'"'"'s'""")
    assert "option ttl must be 1 to 255" in refusal(port_types.check_kept, "p0", "gre", {"ttl": "0"})
    port_types.check_kept("p0", "dpdk", {"anything": "5"})
    port_types.check_kept("p0", "gre", {"ttl": "64"})


IP = {"remote_ip": "192.0.2.1"}
TOGETHER = [
    ("patch", {}, "patch needs the option peer; try: --peer PORT"),
    ("vxlan", {}, "vxlan needs the option remote_ip; try: --remote-ip IP"),
    ("erspan", IP, "erspan needs the option erspan_ver; try: --option erspan_ver=1"),
    ("ip6erspan", IP, "ip6erspan needs the option erspan_ver; try: --option erspan_ver=1"),
    ("patch", {"peer": "p0"}, "is its own peer; try: --peer with the patch port at the other end"),
    ("gre", IP | {"local_ip": "flow"}, "local_ip=flow works only with remote_ip=flow; try: --remote-ip flow"),
    ("gre", IP | {"local_ip": "::1"}, "remote_ip and local_ip are of different address families"),
    ("gre", {"remote_ip": "2001:db8::1", "local_ip": "192.0.2.2"}, "remote_ip and local_ip are of different address families"),
    ("gre", IP | {"key": "1", "in_key": "1", "out_key": "2"}, "in_key and out_key take precedence over key, which is ignored; try: --unset options:key"),
    ("vxlan", IP | {"packet_type": "legacy_l3"}, "packet_type=legacy_l3 needs the extension gpe; try: --option exts=gpe"),
    ("vxlan", IP | {"packet_type": "legacy_l3", "exts": "gbp"}, "packet_type=legacy_l3 needs the extension gpe; try: --option exts=gpe"),
    *(("erspan", IP | {"erspan_ver": version, key: value}, f"{key} belongs to ERSPAN version {of}, so it is ignored; try: --option erspan_ver={of}")
      for version, key, value, of in (("2", "erspan_idx", "1", 1), ("1", "erspan_dir", "1", 2), ("1", "erspan_hwid", "1", 2),
                                      ("flow", "erspan_dir", "1", 2), ("2", "erspan_idx", "flow", 1))),
]  # fmt: skip
FIT = [
    ("patch", {"peer": "p1"}),
    ("dpdk", {"peer": "p0"}),
    ("gre", {"remote_ip": "flow", "local_ip": "flow"}),
    ("gre", {"remote_ip": "flow", "local_ip": "::1"}),
    ("gre", {"remote_ip": "flow", "local_ip": "192.0.2.1"}),
    ("gre", IP | {"local_ip": "192.0.2.2"}),
    ("gre", {"remote_ip": "::1", "local_ip": "::2"}),
    ("gre", {"remote_ip": "::1"}),
    ("gre", IP | {"key": "1", "in_key": "1", "out_key": "1"}),
    ("gre", IP | {"key": "1", "in_key": "2"}),
    ("vxlan", IP | {"packet_type": "legacy_l3", "exts": "gbp,gpe"}),
    ("vxlan", IP | {"packet_type": "ptap"}),
    ("gre", IP | {"packet_type": "legacy_l3"}),
    ("erspan", IP | {"erspan_ver": "1", "erspan_idx": "1"}),
    ("erspan", IP | {"erspan_ver": "2", "erspan_dir": "1", "erspan_hwid": "1"}),
    ("erspan", IP | {"erspan_ver": "flow", "erspan_dir": "flow", "erspan_idx": "flow", "erspan_hwid": "flow"}),
]


@pytest.mark.parametrize(("kind", "options", "said"), TOGETHER)
def test_options_that_do_not_go_together(kind, options, said):
    assert refusal(port_types.check_together, "p0", kind, options) == f"port p0: {said}"


@pytest.mark.parametrize(("kind", "options"), FIT)
def test_options_that_do(kind, options):
    port_types.check_together("p0", kind, options)


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "same"),
    [
        ("gre", {}, {}, True),
        ("gre", {"key": "0"}, {}, True),
        ("gre", {"key": "0x0a"}, {"key": "10"}, True),
        ("gre", {"key": "1"}, {}, False),
        ("gre", {"key": "5", "in_key": "7"}, {"key": "7"}, True),
        ("gre", {"key": "flow"}, {"in_key": "flow"}, True),
        ("gre", {"out_key": "5"}, {}, True),
        ("gre", {"local_ip": "192.0.2.2"}, {}, False),
        ("gre", {"remote_ip": "2001:db8::1"}, {"remote_ip": "2001:DB8:0::1"}, True),
        ("gre", {"remote_ip": "flow"}, {"remote_ip": "flow"}, True),
        ("gre", {"remote_ip": "192.0.2.2"}, {}, False),
        ("gre", {"ttl": "5"}, {"ttl": "6"}, True),
        ("gre", {"packet_type": "legacy_l2"}, {}, True),
        ("gre", {"packet_type": "ptap"}, {}, False),
        ("lisp", {"packet_type": "legacy_l3"}, {}, True),
        *((kind, {"dst_port": port}, {}, True) for kind, port in
          (("vxlan", "4789"), ("geneve", "6081"), ("lisp", "4341"), ("stt", "7471"), ("gtpu", "2152"))),
        ("vxlan", {"dst_port": "4790"}, {}, False),
        ("bareudp", {"dst_port": "1"}, {}, False),
    ],
)  # fmt: skip
def test_which_tunnels_conflict(kind, ours, theirs, same):
    def check() -> None:
        port_types.check_distinct("p0", kind, IP | ours, {"p0": IP | ours, "p1": IP | theirs})

    if not same:
        return check()
    with pytest.raises(Conflict) as raised:
        check()
    another = "another --key or --remote-ip" if kind != "bareudp" else "another --remote-ip"
    assert str(raised.value) == f"port p0: p1 is already a {kind} tunnel with the same addresses, key and port; try: {another}"


def test_tunnels_without_keys_differ_by_their_addresses():
    with pytest.raises(Conflict, match=r"p1 is already a srv6 tunnel .*; try: another --remote-ip$"):
        port_types.check_distinct("p0", "srv6", IP, {"p1": IP})


def test_options_of_later_versions_and_of_devices():
    assert port_types.unknown_options("gre", ["zz", "ttl", "aa", "ipsec_x"]) == ["aa", "zz"]
    assert port_types.unknown_options("patch", ["zz"]) == port_types.unknown_options("system", ["zz"]) == []
    assert [port_types.ignored_options(kind, ["b", "a"]) for kind in ("system", "internal", "tap")] == [["a", "b"]] * 3
    assert port_types.ignored_options("dpdk", ["a"]) == port_types.ignored_options("gre", ["a"]) == []


@pytest.mark.parametrize(
    "name",
    [
        "genev_sys_6081", "gre_sys", "vxlan_sys_4789", "lisp_sys", "stt_sys_7471", "erspan_sys", "ip6erspan_sys", "ip6gre_sys", "gtpu_sys_2152",
        "udp_sys_1", "srv6_sys", "ovs-system", "ovs-netdev", "ovs-dummy",
    ],
)  # fmt: skip
def test_names_reserved_by_open_vswitch(name):
    reserved = "Open vSwitch reserves this name for its own devices; try: another name"
    assert refusal(port_types.check_name, name, "gre", are_dummies=True) == f"port {name}: {reserved}"
    port_types.check_name(f"x{name}", "gre", are_dummies=True)


def test_names_that_a_device_can_have():
    longest, longer = "x" * 15, "x" * 16
    for kind in ("system", "internal", "tap", "afxdp", "afxdp-nonpmd"):
        port_types.check_name(longest, kind, are_dummies=False)
        port_types.check_name(longer, kind, are_dummies=True)
        said = f"a device name has at most 15 bytes, so this would become {longest}; try: a shorter name"
        assert refusal(port_types.check_name, longer, kind, are_dummies=False) == f"port {longer}: {said}"
    for kind in ("gre", "patch", "dpdk"):
        port_types.check_name(longer, kind, are_dummies=False)
    assert port_types.is_cut("é" * 8) and not port_types.is_cut("é" * 7)
    assert port_types.cut("é" * 8) == "é" * 7


def test_suggestions():
    assert port_types.near("--type {}", "vxlam", ["gre", "vxlan"]) == "--type vxlan"
    assert port_types.near("--type {}", "nosuch", ["gre", "vxlan"]) is None
    assert port_types.near("--type {}", "vxlam", ["vxlan", "vxlan6"]) == "--type vxlan"
    assert port_types.near("{}", "x" * 64 + "y", ["x" * 64, "x" * 64 + "y"]) == "x" * 64  # only the beginning of a long word is compared
    assert port_types.near("--type {}", "vxlan" + "x" * 59, ["vxlan" + "x" * 59, "vxlan"]) == "--type vxlan" + "x" * 59


# --- port_modes


def test_a_bond_without_lacp():
    columns = {"bond_mode": "balance-tcp", "lacp": ["set", []]}
    (found,) = port_modes.of_bond("b0", columns, 2)
    assert (found.severity, found.problem, found.evidence) == (
        ERROR, "the bond forwards nothing", "balance-tcp needs LACP, which is off",
    )  # fmt: skip
    assert found.remedy == (("ovstool", "port", "set", "b0", "--lacp", "active"),)
    assert port_modes.of_bond("b0", columns | {"lacp": "off"}, 3) == [found]
    assert port_modes.of_bond("b0", columns, 1) == []
    assert port_modes.of_bond("b0", columns | {"bond_mode": "balance-slb"}, 2) == []
    assert port_modes.of_bond("b0", columns | {"lacp": "active"}, 2) == port_modes.of_bond("b0", columns | {"lacp": "passive"}, 2) == []


def test_notes_about_a_port():
    assert port_modes.of_name("x" * 15) == port_modes.of_options("p0", "tap", []) == port_modes.of_later("p0", "gre", []) == []
    (found,) = port_modes.of_name("x" * 16)
    assert (found.severity, found.problem) == (WARNING, "the name is longer than OpenFlow's")
    assert found.evidence == f"flows and ovs-ofctl call it {'x' * 15}, its first 15 bytes"
    (found,) = port_modes.of_options("p0", "tap", ["a", "b"])
    assert (found.severity, found.problem, found.evidence) == (
        WARNING, "Open vSwitch ignores its options", "a port of type tap has no options: a, b",
    )  # fmt: skip
    assert found.remedy == (("ovstool", "port", "set", "p0", "--unset", "options:a", "--unset", "options:b"),)
    (found,) = port_modes.of_later("p0", "gre", ["a", "b"])
    assert (found.severity, found.problem) == (WARNING, "not checked, as this Open vSwitch is newer than ovstool knows")
    assert found.evidence == "a, b; Open vSwitch 4.0 had no such option for a port of type gre"


ADD = ("ovstool", "port", "add")
PEER = {"type": "patch", "options": ["map", [["peer", "p0"]]]}


@pytest.mark.parametrize(
    ("there", "other", "datapaths", "evidence", "remedy"),
    [
        (None, "", {"br0": "system", "br1": "system"}, "there is no port p1", ((*ADD, "br1", "p1", "--peer", "p0"),)),
        (None, "", {"br0": "system", "br1": "netdev"}, "there is no port p1", ((*ADD, "BRIDGE", "p1", "--peer", "p0"),)),
        (None, "", {"br0": "system", "br1": "system", "br2": "system"}, "there is no port p1", ((*ADD, "BRIDGE", "p1", "--peer", "p0"),)),
        (PEER | {"type": "gre"}, "br1", {"br0": "system", "br1": "system"}, "p1 is not a patch port", ()),
        (PEER | {"options": ["map", []]}, "br1", {"br0": "system", "br1": "system"}, 'the peer of p1 is ""', (("ovstool", "port", "set", "p1", "--peer", "p0"),)),
        (PEER | {"options": ["map", [["peer", "p2"]]]}, "br1", {"br0": "system", "br1": "system"}, "the peer of p1 is p2", (("ovstool", "port", "set", "p1", "--peer", "p0"),)),
        (PEER, "br1", {"br0": "system", "br1": "netdev"}, "br0 has a datapath of type system, br1 of type netdev", ()),
    ],
)  # fmt: skip
def test_a_patch_port_that_leads_nowhere(there, other, datapaths, evidence, remedy):
    (found,) = port_modes.of_peer("p0", "br0", "p1", there, other, datapaths)
    assert (found.severity, found.problem) == (ERROR, "the patch port leads nowhere")
    assert (found.evidence, found.remedy) == (evidence, remedy)


def test_one_that_leads_back():
    assert port_modes.of_peer("p0", "br0", "p1", PEER, "br1", {"br0": "system", "br1": "system"}) == []
    assert port_modes.of_peer("p0", "br0", "p1", PEER, "br0", {"br0": "system"}) == []


def test_the_modes_are_those_of_the_schema():
    columns = OURS["tables"]["Port"]["columns"]
    for column, modes in (("vlan_mode", port_modes.VLAN_MODES), ("bond_mode", port_modes.BOND_MODES)):
        assert sorted(modes) == sorted(columns[column]["type"]["key"]["enum"][1])
    assert columns.keys() >= set(port_modes.VLAN_COLUMNS)


TAG, MODE = "its VLAN mode is {}, in which Open vSwitch ignores trunks", "VLAN mode {} needs a {} VLAN; try: --tag N"


@pytest.mark.parametrize(
    ("mode", "tag", "trunks", "said"),
    [
        (None, 5, [6], "has a tag, so Open vSwitch ignores its trunks; try: {0}tag, {0}trunk{1}, or both with --vlan-mode native-untagged"),
        (None, 0, [6], "has a tag, so Open vSwitch ignores its trunks; try: {0}tag, {0}trunk{1}, or both with --vlan-mode native-untagged"),
        ("trunk", 5, [], "is a trunk port, on which Open vSwitch ignores a tag; try: {0}tag, or --vlan-mode access or native-untagged"),
        ("access", 5, [6], TAG.format("access") + "; try: {0}trunk{1}, or --vlan-mode trunk or native-untagged"),
        ("dot1q-tunnel", 5, [6], TAG.format("dot1q-tunnel") + "; try: {0}trunk{1}, or --vlan-mode trunk or native-untagged"),
        ("dot1q-tunnel", None, [], MODE.format("dot1q-tunnel", "service")),
        ("native-tagged", None, [6], MODE.format("native-tagged", "native")),
        ("native-untagged", None, [], MODE.format("native-untagged", "native")),
        ("native-tagged", 5, [0, 6], "packets without a VLAN are in VLAN 5, so Open vSwitch ignores 0 in its trunks; try: --trunk without 0"),
        ("native-untagged", 5, [0], "packets without a VLAN are in VLAN 5, so Open vSwitch ignores 0 in its trunks; try: --trunk without 0"),
    ],
)  # fmt: skip
def test_vlans_that_the_mode_ignores_or_lacks(mode, tag, trunks, said):
    port = {"tag": ["set", []] if tag is None else tag, "trunks": ["set", trunks], "vlan_mode": mode or ["set", []]}
    for is_new, no, of in (((True,), "no --", ""), ((False,), "--unset ", "s"), ((), "--unset ", "s")):
        assert refusal(port_modes.check_vlans, "p0", port, *is_new) == f"port p0: {said.format(no, of)}"


@pytest.mark.parametrize(
    ("mode", "tag", "trunks"),
    [
        (None, None, []), (None, 5, []), (None, None, [0, 5]), ("trunk", None, [5]), ("access", 5, []), ("access", None, []), ("dot1q-tunnel", 5, []),
        ("dot1q-tunnel", 0, []), ("native-tagged", 0, [0, 5]), ("native-tagged", 5, [6]), ("native-untagged", 0, []),
    ],
)  # fmt: skip
def test_vlans_that_it_takes(mode, tag, trunks):
    port_modes.check_vlans("p0", {"tag": ["set", []] if tag is None else tag, "trunks": ["set", trunks], "vlan_mode": mode or ["set", []]})
