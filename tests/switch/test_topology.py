"""The topology of one switch, and Graphviz when it is missing, fails or hangs."""

import json
import os
import shlex
import shutil
import signal
import time
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from between import Between

LINKED = (
    "set bridge br0 fail_mode=secure -- set-controller br0 tcp:127.0.0.1:1 -- add-bond br0 bond0 eth8 eth9 lacp=active"
    " -- add-br br-tun -- set bridge br-tun datapath_type=dummy -- set-controller br-tun ptcp:0:127.0.0.1"
    " -- add-port br0 to-tun -- set interface to-tun type=patch options:peer=to-br0"
    " -- add-port br-tun to-br0 -- set interface to-br0 type=patch options:peer=to-tun"
    " -- add-port br0 odd -- set interface odd type=patch options:peer=gone"
    " -- add-port br-tun vx02 -- set interface vx02 type=vxlan options:remote_ip=192.0.2.2 options:local_ip=192.0.2.1 options:key=100"
    " -- add-port br-tun gen -- set interface gen type=geneve options:remote_ip=flow options:key=flow"
)
TREE = """\
bridge br-tun  dummy
├─ controller ptcp:0:127.0.0.1  passive
├─ geneve gen ── where flows send it  key flow
├─ patch to-br0 ── br0/to-tun
└─ vxlan vx02 ── 192.0.2.2  key 100
bridge br0  dummy fail_mode secure
├─ controller tcp:127.0.0.1:1  NOT CONNECTED
├─ bond bond0: eth8, eth9  lacp active
├─ patch odd ── gone  NO PEER
│  └─ ERROR: No usable peer 'gone' exists in 'dummy' datapath.
├─ patch to-tun ── br-tun/to-br0
└─ ports eth1, eth2
"""


@pytest.fixture(scope="module")
def linked(running_switch):
    with running_switch("dummy") as switch:
        switch.vsctl(LINKED)
        yield switch


def test_the_tree_of_a_switch(linked):
    done = linked.ovstool("topology", LC_ALL="C.UTF-8")
    assert (done.stdout, done.stderr, done.code) == (TREE, "", 0)
    assert linked.ovstool("topology br-tun -f text", LC_ALL="C.UTF-8").stdout == TREE[: TREE.index("bridge br0")]
    folded = linked.ovstool("topology br-tun --max-width 40", LC_ALL="C.UTF-8").stdout
    assert "├─ geneve gen ── where flows send it\n│    key flow\n" in folded


def test_the_tree_in_another_locale(linked):
    plain = TREE.replace("├─", "|-").replace("└─", "`-").replace("│", "|").replace("──", "--")
    assert linked.ovstool("topology", LC_ALL="C").stdout == plain


def test_all_ports(linked):
    lines = linked.ovstool("topology br0 --all-ports", LC_ALL="C.UTF-8").stdout.splitlines()
    assert [line for line in lines if "port" in line] == ["├─ port eth1", "├─ port eth2"]
    every = linked.ovstool("topology --all-ports -f json").json["ports"]
    assert {each["port"] for each in every} == {
        port for bridge in ("br0", "br-tun") for port in linked.vsctl(f"list-ports {bridge}").split()
    }


def test_all_of_it_in_json(linked):
    shown = linked.ovstool("topology -f json").json
    assert list(shown) == ["hosts", "bridges", "controllers", "ports", "links"]
    assert shown["hosts"] == [{"host": None, "reached": True, "addresses": ["192.0.2.1"]}]
    assert shown["bridges"][1] == {
        "host": None, "bridge": "br0", "datapath_type": "dummy", "fail_mode": "secure", "ports": 6, "other_ports": 2,
    }  # fmt: skip
    assert [bridge["ports"] for bridge in shown["bridges"]] == [bridge["ports"] for bridge in linked.ovstool("bridge list -f json").json]
    assert shown["controllers"] == [
        {"host": None, "bridge": "br-tun", "target": "ptcp:0:127.0.0.1", "connected": None},
        {"host": None, "bridge": "br0", "target": "tcp:127.0.0.1:1", "connected": False},
    ]
    bond = next(port for port in shown["ports"] if port["type"] == "bond")
    members = [{"name": name, "link_state": "up", "error": None} for name in ("eth8", "eth9")]
    assert bond == {
        "host": None, "bridge": "br0", "port": "bond0", "type": "bond", "tag": None, "bond_mode": None, "lacp": "active", "interfaces": members,
    }  # fmt: skip
    here = {"host": None, "address": None}
    assert [link for link in shown["links"] if link["type"] == "patch"] == [
        {
            "type": "patch", "key": None, "dst_port": None, "joined": True,
            "ends": [here | {"bridge": "br-tun", "port": "to-br0"}, here | {"bridge": "br0", "port": "to-tun"}],
        },
        {"type": "patch", "key": None, "dst_port": None, "joined": False, "ends": [here | {"bridge": "br0", "port": "odd"}, here | {"bridge": None, "port": "gone"}]},
    ]  # fmt: skip
    (tunnel,) = [link for link in shown["links"] if link["type"] == "vxlan"]
    assert tunnel["joined"] is None and tunnel["key"] == "100"
    assert [(end["port"], end["address"]) for end in tunnel["ends"]] == [("vx02", "192.0.2.1"), (None, "192.0.2.2")]
    assert linked.ovstool("topology -f json -c links").json == {"links": shown["links"]}


def test_its_forms(linked):
    dot = linked.ovstool("topology -f dot").stdout
    assert dot.startswith("graph topology {\n") and dot.endswith("}\n") and '[label="bridge br-tun\\ndummy"];' in dot
    flowchart = linked.ovstool("topology -f mermaid").stdout
    assert flowchart.startswith('flowchart LR\n  n1["bridge br-tun<br/>dummy"]\n')
    assert '---|"patch<br/>to-br0 - to-tun"|' in flowchart


def test_svg(linked):
    if not shutil.which("dot"):
        pytest.skip("needs Graphviz")
    done = linked.ovstool("topology -f svg", LC_ALL="C")
    assert (done.stderr, done.code) == ("", 0)
    texts = [each.text for each in ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")]
    assert {"NO PEER", "bond bond0: eth8, eth9, lacp active", "vxlan key 100"} <= set(texts)


def test_a_switch_without_bridges(database):
    database.put({})
    assert database.run("topology") == (0, "", "ovstool: note: no bridges\n")
    assert database.ask("topology")["bridges"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("eth1", 3, "bridge eth1: is a port, not a bridge; try: ovstool port show eth1"),
        ("-f dot -c links", 2, "-c: cannot be used with -f dot, which is a drawing; try: -f json"),
        ("-f json -c nosuch", 2, "column nosuch: no such column; try: hosts, bridges, controllers, ports, links"),
    ],
)
def test_what_it_refuses(refused, words, code, said):
    assert refused(f"topology {words}", code) == said


def test_of_thousands_of_ports_only_links_are_read(database):
    """Of ports that are not links, only names are requested from the database."""
    ports = {f"tap{number}": {} for number in range(2000)}
    ports |= {"bond0": {"interfaces": {"m1": {}, "m2": {}}}, "p": {"interfaces": {"p": {"type": "patch", "options": {"peer": "q"}}}}}
    database.put({"br0": {"ports": ports | {"in1": {"interfaces": {"in1": {"type": "internal"}}}}}})
    asked: list[dict] = []
    between = Between(database.switch, "counted", lambda index, request: asked.append(json.loads(request)) or request)
    try:
        code, out, err = database.run("topology", between.path)
    finally:
        between.close()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "bridge br0  system",
        "|- bond bond0: m1, m2",
        "|- patch p -- q  NO PEER",
        "`- + 2,001 ports",
    ]
    assert [request["method"] for request in asked] == ["monitor_cond", "monitor_cancel", "transact"]
    assert "Interface" not in asked[0]["params"][2]
    selects = [operation for operation in asked[2]["params"][1:] if operation["table"] == "Interface"]
    assert len(selects) == 3 and all(select["where"] for select in selects)


NAMES = ['a"b]', "a\\", "a\nb", "-->", "<script>", "]]>", "\x1b[31m", "\u202eb", "x" * 10_000]


def test_hostile_names_in_a_database(database):
    """In no format do they bring control characters to the output, or start a line."""
    ports = {
        f"{name}{number}": {
            "interfaces": {f"{name}{number}": {"type": kind, "options": dict.fromkeys(("peer", "remote_ip", "local_ip", "key"), name)}}
        }
        for name in NAMES
        for number, kind in enumerate(("patch", "vxlan", ""))
    }
    database.put({name: {"ports": ports if name == NAMES[0] else {}, "controller": [{"target": name}]} for name in NAMES})
    for form in ("text", "dot", "mermaid", "json", "csv", "value", "yaml", "github", "shell", "lines"):
        code, out, err = database.run(f"topology -f {form}")
        assert (code, err) == (0, ""), form
        assert form == "json" or out.replace("\n", "").isprintable(), form
    assert max(map(len, database.run("topology")[1].splitlines())) < 1000


# --- Graphviz


@pytest.fixture
def fake_dot(tmp_path):
    """Puts a program with this text first on PATH, as ``dot``."""

    def make(script: str) -> dict[str, str]:
        (tmp_path / "dot").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "dot").chmod(0o755)
        return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    return make


def test_without_graphviz(refused, tmp_path):
    said = refused("topology -f svg", 3, PATH=str(tmp_path))
    assert said == "dot: draws SVG, and is not installed; try: 'apt install graphviz' or 'dnf install graphviz', or -f mermaid"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("cat >/dev/null; echo 'syntax error in line 1' >&2; exit 1", "did not draw the SVG: syntax error in line 1"),
        ("exit 3", "did not draw the SVG: ended with status 3, and no message"),
        ("kill -9 $$", "did not draw the SVG: ended with status -9, and no message"),
        ("cat >/dev/null; echo '<svg>half'", "did not draw the SVG: ended with status 0, and no message"),
        (r"printf '\033[31mred\n' >&2; exit 1", r"did not draw the SVG: \x1b[31mred"),
        ("cat /dev/zero", "wrote more than 32 MiB and was killed"),
    ],
)
def test_a_graphviz_that_fails(refused, fake_dot, script, said):
    hint = "" if "32 MiB" in said else "; try: -f dot, and draw it elsewhere"
    assert refused("topology -f svg", 6, **fake_dot(script)) == f"dot: {said}{hint}"


def test_a_graphviz_that_hangs_is_ended(refused, fake_dot, tmp_path):
    environ = fake_dot(f"echo $$ >{shlex.quote(str(tmp_path))}/pid; exec sleep 600")
    said = refused("topology -f svg --timeout 3", 7, **environ)
    assert said == "dot: did not draw the SVG within 3 s; try: a longer --timeout, or -f dot, and draw it elsewhere"
    pid = int((tmp_path / "pid").read_text())
    with suppress(ProcessLookupError):
        for _ in range(500):  # until it is reaped
            os.kill(pid, signal.SIG_DFL)
            time.sleep(0.02)
        pytest.fail("it is still running")


def test_what_graphviz_draws_steers_no_terminal(unchanged, fake_dot):
    environ = fake_dot(r"cat >/dev/null; printf '<svg>\033[31m\303\244</svg>\n'")
    assert unchanged.ovstool("topology -f svg", **environ).stdout == "<svg>\\x1b[31m&#228;</svg>\n"
