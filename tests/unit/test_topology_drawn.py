"""The topologies of several switches joined: the matching ends of tunnels and patch ports, and the drawings."""

import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from ovstool.errors import quote
from ovstool.switch.topology import Bridge, Controller, Interface, Port, Topology, joined
from ovstool.switch.topology.links import End, Link
from ovstool.terminal.diagrams import dot, graph, mermaid, tree

HOSTILE = [
    'a"b', "a\\", "a\\nb", "a\nb", "-->", "<script>alert(1)</script>", "]]>", "&lt;", "&#34;", "#quot;", "#34;", "%%{init: {}}%%", "`x`", "{a|b}",
    "\x1b[31m", "\N{GRINNING FACE}", "\x00", "\u202eevil", "\u200b", "\N{CJK UNIFIED IDEOGRAPH-4EA4}", "end", "", " ", "x" * 10_000, "n1 -- n2; }", "*/ //", "style a:b",
]  # fmt: skip


def interface(name: str, kind: str = "system", link: str = "up", error: str | None = None, **options: str) -> Interface:
    return Interface(name, kind, options, link, error)


def port(*interfaces: Interface, name: str | None = None, **columns) -> Port:
    usual = {"tag": None, "bond_mode": None, "lacp": None}
    return Port(name or interfaces[0].name, interfaces=list(interfaces), **usual | columns)


def vxlan(name: str, remote: str, **options: str) -> Port:
    return port(interface(name, "vxlan", remote_ip=remote, **options))


def patch(name: str, peer: str) -> Port:
    return port(interface(name, "patch", peer=peer))


def bridge(name: str, *ports: Port, controllers=(), others=(), fail_mode=None) -> Bridge:
    return Bridge(name, "system", fail_mode, list(controllers), list(ports), list(others), 1 + len(ports) + len(others))


def host(*bridges: Bridge, endpoints=(), addresses=(), shown=None) -> Topology:
    return Topology(list(bridges), frozenset(shown or [each.name for each in bridges]), list(endpoints), list(addresses))


def join(unreached=(), names=(), **hosts: Topology) -> joined.Joined:
    return joined.join(list(hosts.items()), unreached, dict(names).get)


def short(found: joined.Joined) -> list[str]:
    def end(of: End) -> str:
        return "/".join(word for word in of[:3] if word is not None) or str(of.address)

    return [f"{end(link.ends[0])} {end(link.ends[1])} {link.joined}" for link in found.links]


# --- tunnels


def pair(left: dict, right: dict, kinds=("vxlan", "vxlan")) -> list[str]:
    """A tunnel on host a, whose address is 10.0.0.1, and one on b, whose address is 10.0.0.2."""
    one, other = (
        host(bridge("br0", port(interface("t", kind, **options))), addresses=[address])
        for kind, options, address in zip(kinds, (left, right), ("10.0.0.1", "10.0.0.2"), strict=True)
    )
    return short(join(a=one, b=other))


JOINED = ["a/br0/t b/br0/t True"]
APART = ["a/br0/t b False", "b/br0/t a False"]
A, B = {"remote_ip": "10.0.0.2"}, {"remote_ip": "10.0.0.1"}


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ({}, {}, JOINED),
        ({"key": "100"}, {"key": "0x64"}, JOINED),
        ({"key": "100"}, {"key": "101"}, APART),
        ({"key": "0"}, {}, JOINED),
        ({"key": "100"}, {}, APART),
        ({"key": "flow"}, {"key": "flow"}, JOINED),
        ({"key": "1"}, {"key": "flow"}, JOINED),
        ({"in_key": "flow", "out_key": "1"}, {"key": "1"}, ["b/br0/t a/br0/t True"]),
        ({"key": "1", "dst_port": "4789"}, {"key": "1"}, JOINED),
        ({"dst_port": "8472"}, {"dst_port": "8472"}, JOINED),
        ({"dst_port": "8472"}, {}, APART),
        ({}, {"remote_ip": "flow"}, ["a/br0/t b/br0/t None", "b/br0/t flow None"]),
        ({"key": "1"}, {"remote_ip": "flow", "key": "flow"}, ["a/br0/t b/br0/t None", "b/br0/t flow None"]),
        ({"key": "1"}, {"remote_ip": "flow", "key": "2"}, ["a/br0/t b False", "b/br0/t flow None"]),
        ({}, {"remote_ip": "flow", "local_ip": "10.0.0.9"}, ["a/br0/t b False", "b/br0/t flow None"]),
        ({"in_key": "5", "out_key": "6"}, {"in_key": "6", "out_key": "5"}, JOINED),
        ({"in_key": "5", "out_key": "6"}, {"in_key": "5", "out_key": "6"}, APART),
        ({"key": "5", "out_key": "6"}, {"key": "5", "in_key": "6"}, JOINED),
        ({"local_ip": "10.0.0.1"}, {}, JOINED),
        ({"local_ip": "10.0.0.9"}, {}, APART),
        ({"local_ip": "flow"}, {"local_ip": "10.0.0.2"}, JOINED),
        ({}, {"local_ip": "10.0.0.9"}, APART),
    ],
)
def test_two_ends_of_a_tunnel(left, right, found):
    """Of one type and UDP port, each with the key that the other one sends, and the address that the other one sends to, or any of both."""
    assert pair(A | left, B | right) == found


def test_tunnels_of_two_types_do_not_match():
    assert pair(A, B, kinds=("vxlan", "geneve")) == APART
    assert pair(A, B, kinds=("gre", "gre")) == JOINED


def test_an_address_is_the_same_however_it_is_written():
    one = host(bridge("br0", vxlan("t", "2001:DB8:0::2", local_ip="2001:db8::0:1")), endpoints=["2001:db8::1"])
    other = host(bridge("br0", vxlan("t", "2001:db8::1")), addresses=["2001:db8::2"])
    assert short(join(a=one, b=other)) == JOINED


def test_how_the_ends_of_a_tunnel_are_identified():
    """Addresses in the database come before the host's own ones, which several hosts may share, and these before names."""
    tunnel = host(bridge("br0", vxlan("t", "10.0.0.2")), endpoints=["10.0.0.1"])
    back = bridge("br0", vxlan("t", "10.0.0.1"))
    by_endpoint, by_address, nameless = host(back, endpoints=["10.0.0.2"]), host(back, addresses=["10.0.0.2"]), host(back)
    assert short(join(a=tunnel, b=by_address, c=by_endpoint)) == ["a/br0/t c/br0/t True", "b/br0/t a False"]
    assert short(join(a=tunnel, b=by_address, names={"10.0.0.2": "c"}, c=nameless)) == ["a/br0/t b/br0/t True", "c/br0/t a False"]
    assert short(join(a=tunnel, b=nameless, names={"10.0.0.2": "b"})) == JOINED


def test_a_local_ip_that_is_the_address_of_another_host():
    """Ends that lead to each other are told by the addresses that the hosts have."""
    wrong = vxlan("wrong", "10.0.0.9", local_ip="10.0.0.2")
    one = host(bridge("br0", vxlan("t", "10.0.0.2"), wrong), endpoints=["10.0.0.2"], addresses=["10.0.0.1"])
    other = host(bridge("br0", vxlan("t", "10.0.0.1")), addresses=["10.0.0.2"])
    assert short(join(a=one, b=other)) == ["a/br0/t b/br0/t True", "a/br0/wrong 10.0.0.9 None"]


def test_an_address_that_several_hosts_have():
    """The host with a tunnel back is chosen; without one it is undecided."""
    tunnel = host(bridge("br0", vxlan("t", "10.0.0.2")), endpoints=["10.0.0.1"])
    shared = host(bridge("br0"), endpoints=["10.0.0.2"])
    back = host(bridge("br0", vxlan("t", "10.0.0.1")), endpoints=["10.0.0.2"])
    assert short(join(a=tunnel, b=shared, c=back)) == ["a/br0/t c/br0/t True"]
    assert short(join(a=tunnel, b=shared, c=shared)) == ["a/br0/t 10.0.0.2 False"]
    of_containers = host(bridge("br0", vxlan("t", "172.17.0.1")), addresses=["172.17.0.1"])
    assert short(join(a=of_containers, b=of_containers)) == ["a/br0/t a False", "b/br0/t b False"]


def test_tunnels_between_the_same_hosts_are_told_apart_by_their_keys():
    def side(own: str, remote: str, *keys: str) -> Topology:
        return host(bridge("br0", *(vxlan(f"t{key}", remote, key=key) for key in keys)), endpoints=[own])

    found = join(a=side("10.0.0.1", "10.0.0.2", "1", "2"), b=side("10.0.0.2", "10.0.0.1", "2", "1", "3"))
    assert short(found) == ["a/br0/t1 b/br0/t1 True", "a/br0/t2 b/br0/t2 True", "b/br0/t3 a False"]


def test_one_tunnel_of_any_key_is_the_other_end_of_several():
    """Each has a line of its own at both ends."""
    keys = bridge("br0", *(vxlan(f"t{key}", "10.0.0.2", key=str(key)) for key in (1, 2)))
    found = join(a=host(keys, endpoints=["10.0.0.1"]), b=host(bridge("br0", vxlan("any", "10.0.0.1", key="flow")), endpoints=["10.0.0.2"]))
    assert short(found) == ["a/br0/t1 b/br0/any True", "a/br0/t2 b/br0/any True"]
    assert drawn(found)[-2:] == [
        "   ├─ vxlan any ── a/br0/t1  key 1  10.0.0.2 to 10.0.0.1",
        "   └─ vxlan any ── a/br0/t2  key 2  10.0.0.2 to 10.0.0.1",
    ]


def test_thousands_of_tunnels_between_two_hosts():
    """Looked at each with each they would take minutes."""
    numbers = range(3000)
    one, other = (bridge("br0", *(vxlan(f"t{n}", remote, key=str(n)) for n in numbers)) for remote in ("10.0.0.2", "10.0.0.1"))
    found = join(a=host(one, endpoints=["10.0.0.1"]), b=host(other, endpoints=["10.0.0.2"]))
    assert short(found) == [f"a/br0/t{n} b/br0/t{n} True" for n in numbers]


def test_each_end_has_the_keys_of_its_own_direction():
    left, right = vxlan("t", "10.0.0.2", out_key="6", in_key="5"), vxlan("t", "10.0.0.1", out_key="5", in_key="6")
    found = join(a=host(bridge("br0", left), endpoints=["10.0.0.1"]), b=host(bridge("br0", right), endpoints=["10.0.0.2"]))
    assert ["key 6 out, 5 in" in line for line in drawn(found) if "vxlan" in line] == [True, False]
    assert ["key 5 out, 6 in" in line for line in drawn(found) if "vxlan" in line] == [False, True]


def test_a_port_that_is_not_the_usual_one_is_shown():
    """By which one sees why two tunnels do not belong together."""
    left, right = vxlan("t", "10.0.0.2", dst_port="4789"), vxlan("t", "10.0.0.1", dst_port="8472")
    found = join(a=host(bridge("br0", left), endpoints=["10.0.0.1"]), b=host(bridge("br0", right), endpoints=["10.0.0.2"]))
    assert [line for line in drawn(found) if "vxlan" in line] == [
        "   └─ vxlan t ── b 10.0.0.2  NO TUNNEL BACK",
        "   └─ vxlan t ── a 10.0.0.1  dst_port 8472  NO TUNNEL BACK",
    ]


def test_tunnels_that_lead_out():
    """To a host that did not answer, one that was not asked, an unknown one, and one that flows select."""
    tunnels = [vxlan(f"t{number}", remote) for number, remote in enumerate(["10.0.0.2", "10.0.0.3", "10.0.0.4", "flow", "no address"])]
    found = join(["gone"], {"10.0.0.2": "gone", "10.0.0.3": "other"}, a=host(bridge("br0", *tunnels, port(interface("t5", "gre")))))
    assert [link.ends[1] for link in found.links] == [
        End("gone", None, None, "10.0.0.2"),
        End("other", None, None, "10.0.0.3"),
        End(None, None, None, "10.0.0.4"),
        End(None, None, None, "flow"),
        End(None, None, None, "no address"),
        End(None, None, None, None),
    ]
    assert {link.joined for link in found.links} == {None}
    assert [(of.host, of.reached) for of in found.hosts] == [("a", True), ("gone", False)]


def test_a_tunnel_to_another_bridge_of_the_host():
    one = bridge("br0", vxlan("t", "10.0.0.2", local_ip="10.0.0.1"), vxlan("alone", "10.0.0.1", local_ip="10.0.0.1"))
    other = bridge("br1", vxlan("u", "10.0.0.1", local_ip="10.0.0.2"))
    found = joined.join([(None, host(one, other, endpoints=["10.0.0.1", "10.0.0.2"]))], [], lambda address: None)
    assert [(link.ends[0].port, link.ends[1].port, link.joined) for link in found.links] == [("t", "u", True), ("alone", None, False)]


def test_the_addresses_and_the_key_of_a_link():
    found = join(a=host(bridge("br0", vxlan("t", "10.0.0.2", key="5")), addresses=["10.0.0.1"]),
                 b=host(bridge("br0", vxlan("t", "10.0.0.1", key="5")), addresses=["10.0.0.2"]))  # fmt: skip
    assert found.links == [Link("vxlan", ("5", "5"), (End("a", "br0", "t", "10.0.0.1"), End("b", "br0", "t", "10.0.0.2")), True)]
    for options, key in (({}, None), ({"out_key": "6"}, "6 out, 0 in"), ({"key": "7", "in_key": "8"}, "7 out, 8 in")):
        assert join(a=host(bridge("br0", vxlan("t", "10.0.0.2", **options)))).links[0].key == key


# --- patch ports


def test_patch_ports():
    there = host(
        bridge("br0", patch("p", "q"), patch("lost", "nosuch"), patch("r", "q"), port(interface("bare", "patch"))),
        bridge("br1", patch("q", "p")),
    )
    assert short(join(a=there)) == [
        "a/br0/p a/br1/q True",
        "a/br0/lost a/nosuch False",
        "a/br0/r a/br1/q False",
        "a/br0/bare a False",
    ]


def test_what_is_wrong_with_a_patch_port():
    """Open vSwitch refuses one that is its own peer, and uses none whose peer does not lead back."""
    found = join(a=host(bridge("br0", patch("own", "own"), patch("p", "q"), patch("lost", "nosuch")), bridge("br1", patch("q", "own"))))
    assert short(found)[0] == "a/br0/own a/br0/own False"
    assert [line[6:] for line in drawn(found) if "patch" in line] == [
        "patch own ── br0/own  PEER IS ITSELF",
        "patch p ── br1/q  PEER LEADS ELSEWHERE",
        "patch lost ── nosuch  NO PEER",
        "patch q ── br0/own  PEER LEADS ELSEWHERE",
    ]


def test_ports_of_the_same_name_on_two_hosts_are_two():
    both = host(bridge("br0", patch("p", "q")), bridge("br1", patch("q", "p")))
    assert short(join(a=both, b=both)) == ["a/br0/p a/br1/q True", "b/br0/p b/br1/q True"]


def test_selected_bridges_keep_all_their_links():
    parts = bridge("br0", patch("p", "q")), bridge("br1", patch("q", "p"), patch("x", "y")), bridge("br2", patch("y", "x"))
    found = join(a=host(*parts, shown=["br0"]))
    assert short(found) == ["a/br0/p a/br1/q True"] and [each.name for each in found.hosts[0].bridges] == ["br0"]
    assert drawn(found) == ["a", "└─ bridge br0  system", "   └─ patch p ── br1/q"]
    assert [box.lines for box in graph.graph(found).boxes] == [["a/br1"]]


def test_a_port_of_two_bridges():
    """ovs-vsctl refuses to create one, but a database may contain it."""
    shared = patch("p", "p"), vxlan("t", "10.0.0.2")
    for shown in (["br0"], ["br1"], None):
        found = join(a=host(bridge("br0", *shared), bridge("br1", *shared), shown=shown))
        for text in ("vxlan t ── 10.0.0.2", "patch p ──"):
            assert sum(text in line for line in drawn(found)) == len(found.hosts[0].bridges)
        assert graph.graph(found).lines


# --- drawings


def drawn(found: joined.Joined, room: int = 0, encoding: str = "utf-8") -> list[str]:
    return list(tree.lines(found, tree.Strokes.of(encoding), room))


def some_of_all() -> joined.Joined:
    controllers = [Controller("tcp:192.0.2.250:6653", True), Controller("tcp:127.0.0.1:6653", False), Controller("ptcp:6653", None)]
    bond = port(interface("eth0"), interface("eth1", link="down"), name="bond0", bond_mode="balance-slb", lacp="active", tag=7)
    local = bridge("br-int", bond, patch("patch-tun", "patch-int"), controllers=controllers, others=["tap1", "tap2"], fail_mode="secure")
    wrong = port(interface("gre9", "gre", remote_ip="10.0.0.9", error="no such\nroute"))
    tunnels = [vxlan("vx02", "10.0.0.2", key="100"), vxlan("vx03", "10.0.0.3", key="100"), wrong, vxlan("any", "flow", key="flow")]
    tun = bridge("br-tun", patch("patch-int", "patch-tun"), *tunnels, vxlan("vx04", "10.0.0.4"), patch("odd", "gone"))
    far = bridge("br-tun", vxlan("vx01", "10.0.0.1", key="100"), controllers=controllers[:1], others=[f"tap{n}" for n in range(1950)])
    one, other = host(local, tun, addresses=["10.0.0.1"]), host(far, addresses=["10.0.0.2", "10.0.0.3"])
    return join(["leaf04"], {"10.0.0.4": "leaf04"}, leaf01=one, leaf02=other, leaf03=host())


TREE = """\
leaf01
├─ bridge br-int  system fail_mode secure
│  ├─ controller tcp:192.0.2.250:6653  connected
│  ├─ controller tcp:127.0.0.1:6653  NOT CONNECTED
│  ├─ controller ptcp:6653  passive
│  ├─ bond bond0: eth0, eth1 link down  balance-slb
│  │    lacp active  tag 7
│  ├─ patch patch-tun ── br-tun/patch-int
│  └─ ports tap1, tap2
└─ bridge br-tun  system
   ├─ patch patch-int ── br-int/patch-tun
   ├─ vxlan vx02 ── leaf02/br-tun/vx01  key 100
   │    10.0.0.1 to 10.0.0.2
   ├─ vxlan vx03 ── leaf02 10.0.0.3  key 100
   │    NO TUNNEL BACK
   ├─ gre gre9 ── 10.0.0.9
   │  └─ ERROR: no such\\nroute
   ├─ vxlan any ── where flows send it  key flow
   ├─ vxlan vx04 ── leaf04 10.0.0.4  NOT REACHED
   └─ patch odd ── gone  NO PEER
leaf02
└─ bridge br-tun  system
   ├─ controller tcp:192.0.2.250:6653  connected
   ├─ vxlan vx01 ── leaf01/br-tun/vx02  key 100
   │    10.0.0.2 to 10.0.0.1
   └─ + 1,950 ports
leaf03  no bridges
leaf04  NOT REACHED
"""


def test_the_tree():
    assert drawn(some_of_all(), 52) == TREE.splitlines()
    assert "   ├─ vxlan vx02 ── leaf02/br-tun/vx01  key 100  10.0.0.1 to 10.0.0.2" in drawn(some_of_all())


def test_the_tree_without_utf_8():
    plain = {"├─ ": "|- ", "└─ ": "`- ", "│  ": "|  ", "│ ": "| ", "──": "--"}
    text = TREE
    for character, ascii_only in plain.items():
        text = text.replace(character, ascii_only)
    for encoding in ("ascii", "latin-1", "ANSI_X3.4-1968", "nosuch"):
        assert drawn(some_of_all(), 52, encoding) == text.splitlines()


@pytest.mark.parametrize("room", [20, 40, 60, 80])
def test_the_tree_fits_the_window(room):
    for encoding in ("utf-8", "ascii"):
        assert max(map(len, drawn(some_of_all(), room, encoding))) <= room


def test_names_are_measured_by_their_width_on_the_terminal():
    found = join(a=host(bridge("ä" * 30)))
    assert [line.encode("ascii", "strict") for line in drawn(found, 40, "ascii")] and max(map(len, drawn(found, 40, "ascii"))) <= 40


def test_all_ports_one_by_one():
    ports = [port(interface("eth0")), port(interface("in1", "internal", link="down", error="gone"), tag=5)]
    found = join(a=host(bridge("br0", *ports)))
    assert drawn(found)[2:] == ["   ├─ port eth0", "   └─ port in1  internal  tag 5  link down", "      └─ ERROR: gone"]


@pytest.mark.parametrize(("count", "text"), [(0, []), (1, ["port p0"]), (8, ["ports p0, p1, p2, p3, p4, p5, p6, p7"]), (9, ["+ 9 ports"])])
def test_other_ports_are_named_where_they_are_few(count, text):
    found = join(a=host(bridge("br0", others=[f"p{number}" for number in range(count)])))
    assert [line.removeprefix("   └─ ") for line in drawn(found)[2:]] == text
    assert joined.as_object(found)["bridges"][0]["other_ports"] == count


def test_the_boxes_and_lines_of_a_graph():
    found = graph.graph(some_of_all())
    assert [(group.label, [list(box.lines) for box in group.boxes]) for group in found.groups] == [
        ("leaf01", [
            ["bridge br-int", "system fail_mode secure", "bond bond0: eth0, eth1 link down, balance-slb, lacp active, tag 7", "ports tap1, tap2"],
            ["bridge br-tun", "system", "gre9: ERROR: no such\\nroute"],
        ]),
        ("leaf02", [["bridge br-tun", "system", "+ 1,950 ports"]]),
        ("leaf03", [["no bridges"]]),
    ]  # fmt: skip
    texts = {box.id: box.lines[0] for box in (*(box for group in found.groups for box in group.boxes), *found.boxes)}
    assert [(texts[line.begin], texts[line.end], " ".join(line.lines), line.is_joined, line.fault) for line in found.lines] == [
        ("bridge br-int", "controller tcp:192.0.2.250:6653", "", True, False),
        ("bridge br-int", "controller tcp:127.0.0.1:6653", "NOT CONNECTED", False, True),
        ("bridge br-int", "controller ptcp:6653", "passive", False, False),
        ("bridge br-tun", "controller tcp:192.0.2.250:6653", "", True, False),
        ("bridge br-int", "bridge br-tun", "patch patch-tun - patch-int", True, False),
        ("bridge br-tun", "gone", "patch odd - gone NO PEER", False, True),
        ("bridge br-tun", "bridge br-tun", "vxlan key 100 vx02 - vx01 10.0.0.1 to 10.0.0.2", True, False),
        ("bridge br-tun", "leaf02 10.0.0.3", "vxlan key 100 vx03 NO TUNNEL BACK", False, True),
        ("bridge br-tun", "10.0.0.9", "gre gre9", False, False),
        ("bridge br-tun", "where flows send it", "vxlan key flow any", False, False),
        ("bridge br-tun", "leaf04", "vxlan vx04 NOT REACHED", False, True),
    ]
    assert [list(box.lines) for box in found.boxes if box.lines[0] == "leaf04"] == [["leaf04", "NOT REACHED"]]
    assert found.lines[0].end == found.lines[3].end, "the hosts share a controller"


def test_a_local_controller_is_a_separate_one_on_each_host():
    one = host(bridge("br0", controllers=[Controller("ssl:127.0.0.1:6653", True), Controller("ssl:[2001:db8::1]", True)]))
    found = graph.graph(join(a=one, b=one))
    assert [box.lines[0] for box in found.boxes] == [
        "controller ssl:127.0.0.1:6653",
        "controller ssl:[2001:db8::1]",
        "controller ssl:127.0.0.1:6653",
    ]


def test_the_only_host_has_no_frame():
    found = graph.graph(joined.join([(None, host(bridge("br0")))], [], lambda address: None))
    assert "subgraph" not in "".join([*dot.lines(found), *mermaid.lines(found)])


# --- what comes from a switch


def hostile(*names: str) -> joined.Joined:
    """For each name a host that has it wherever a name is possible."""
    hosts = [(name, host(*bridges_called(name), endpoints=[name])) for name in names]
    return joined.join(hosts, [f"{name}'" for name in names], {name: f"{name}'" for name in names}.get)


def bridges_called(name: str) -> tuple[Bridge, Bridge]:
    other = f"{name}'"
    bond = port(interface(name, error=name), interface(other), name=name, bond_mode=name, lacp=name)
    first = bridge(
        name, bond, patch(name, other), vxlan(name, name, key=name), controllers=[Controller(name, False)], others=[name], fail_mode=name
    )
    odd = [port(interface(f"{name}2", "gre", remote_ip=name, in_key=name)), vxlan(f"{name}3", "flow"), port(interface(name, name))]
    return first, bridge(other, patch(other, name), *odd, others=[name] * 9)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_a_tree(name):
    for room, encoding in ((0, "utf-8"), (60, "utf-8"), (60, "ascii")):
        lines = drawn(hostile(name), room, encoding)
        assert all(line.isprintable() for line in lines)
        assert not room or max(map(len, lines)) <= room
    branches = r"(?:[│├└ ][─ ] )*"
    known = r"(?:bridge|controller|bond|patch|vxlan|gre|ports?|ERROR:|\+ 9 ports|\S.* {0,2}NOT REACHED|[^├└│]*ERROR:)"
    whole = [line for line in drawn(hostile(name))[1:] if not re.match(branches + known, line)]
    assert whole == [], "a name begins a line of its own"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_mermaid(name):
    """Each line has one of the expected forms, and text contains only plain characters, tags that end a line, and character codes."""
    text = r'"(?:[A-Za-z0-9 ,.:/()+_-]|<br/>|#\d+;)*"'
    forms = [rf"flowchart LR|  end|  subgraph h\d+\[{text}\]| +n\d+\[{text}\]", rf"  n\d+ (?:---|-\.-)(?:\|{text}\|)? n\d+"]
    forms += [r"  classDef unknown stroke-dasharray: 4|  class n\d+(?:,n\d+)* unknown|  linkStyle \d+(?:,\d+)* stroke:red,color:red"]
    lines = list(mermaid.lines(graph.graph(hostile(name))))
    assert [line for line in lines if not re.fullmatch("|".join(forms), line)] == []
    shown = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), "\n".join(lines).replace("<br/>", "\n"))
    assert f"bridge {quote(name)}\n" in shown and max(map(len, lines)) < 5_000


def test_a_diagram_that_mermaid_does_not_draw():
    def excess(count: int, length: int) -> list[str]:
        tunnels = bridge("br0", *(vxlan(f"{number:0{length}}", "10.0.0.9") for number in range(count)))
        found = graph.graph(join(a=host(tunnels)))
        return list(mermaid.excess(found, mermaid.lines(found)))

    assert excess(500, 1) == []
    assert excess(501, 1) == ["501 links: Mermaid draws nothing over 500 unless maxEdges is set; try: -f svg"]
    (text,) = excess(500, 80)
    assert re.fullmatch(r"\d\d,\d{3} characters: Mermaid draws nothing over 50,000 unless maxTextSize is set; try: -f svg", text)


@pytest.fixture
def graphviz():
    """Run dot on a text; it must print no warnings."""
    if not shutil.which("dot"):
        pytest.skip("needs Graphviz")

    def run(form: str, text: str) -> str:
        done = subprocess.run(["dot", f"-T{form}"], input=text, capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr == ""
        return done.stdout

    return run


def test_hostile_names_in_dot_and_svg(graphviz):
    """One graph of all of them: dot reads the boxes and lines that were written, and the SVG contains only text, as the tree does."""
    found = graph.graph(hostile(*HOSTILE))
    text = "\n".join(dot.lines(found))
    assert text.isascii()
    canonical = graphviz("canon", text)
    assert len(re.findall(r"^\s*n\d+ -- n\d+\t", canonical, re.MULTILINE)) == len(found.lines)
    boxes = {box.id for group in found.groups for box in group.boxes} | {box.id for box in found.boxes}
    assert set(re.findall(r"^\s*(\w+)\t ?\[label", canonical, re.MULTILINE)) == boxes
    root = ElementTree.fromstring(graphviz("svg", text))
    kinds = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert kinds <= {"svg", "g", "a", "title", "polygon", "path", "text", "polyline", "ellipse"}, kinds
    texts = {str(each.text).replace("\xa0", " ") for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"bridge {quote(name)}".replace("\N{GRINNING FACE}", "\\U0001f600") for name in HOSTILE} <= texts


def test_a_mesh_is_drawn_without_ranks(graphviz):
    """dot fails to rank a full mesh of 12 hosts; labels of lines are tooltips, except for faults."""
    numbers = range(1, 13)
    hosts = {
        f"leaf{a:02}": host(
            bridge("br0", *(vxlan(f"t{b}", f"10.0.0.{b}") for b in numbers if a != b), patch("odd", "gone")), endpoints=[f"10.0.0.{a}"]
        )
        for a in numbers
    }
    found = graph.graph(join(**hosts))
    assert len(found.lines) == 12 * 11 / 2 + 12
    svg = graphviz("svg", "\n".join(dot.lines(found)))
    assert svg.count('xlink:title="vxlan') == 66 and svg.count(">NO PEER<") == 12 and ">vxlan" not in svg
