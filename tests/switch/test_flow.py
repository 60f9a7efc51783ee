"""Flows, compared with what ovs-ofctl reads and writes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from forked import FORKS
from kill import kill
from ovs_version import OVS

FRAME = "ffffffffffff0200000000010800" + "00" * 46
VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
NORMAL = "priority=0 actions=NORMAL"

# Spelled differently than the switch prints them, and with ports by name.
SPELLED = """\
# a comment

table=0,priority=0 actions=normal
add table=1, priority=10, in_port=eth1, dl_type=0x800, nw_proto=6, tp_dst=80, actions=mod_dl_dst:02:00:00:00:00:01,mod_nw_tos:16,eth2
table=1,priority=9,udp,cookie=0x5,idle_timeout=600,hard_timeout=900,importance=7 actions=load:5->NXM_NX_REG0[],set_tunnel:7,resubmit(eth2,2)
table=1,priority=8,dl_vlan=0xffff actions=note:01.02,output:"eth1"   # and another
table=1,priority=7,ipv6 actions=push_vlan:0x8100,set_field:4101->vlan_vid,bundle(eth_src,0,hrw,ofport,members:eth1,eth2)
table=2 actions=learn(table=3,hard_timeout=300,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),local
""".replace("members:", "members:" if OVS >= (2, 15) else "slaves:")  # lib/bundle.c


def ofctl(switch, *words: str, bridge: str = "br0") -> list[str]:
    """The flows that ovs-ofctl dumps, one per line, without counters and ages."""
    out = switch.tool("ovs-ofctl", "-O", VERSIONS, "--no-stats", *words, "dump-flows", f"unix:{switch.box.directory}/{bridge}.mgmt")
    return sorted(line.strip() for line in out.splitlines() if "reply" not in line)


def file(switch, text: str | bytes) -> str:
    path = switch.box.directory / "given.flows"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.fixture
def unmoved(switch, refused):
    """``refused`` for commands that must not change flows either."""

    def run(command: str | list, code: int) -> str:
        before = ofctl(switch)
        message = refused(command, code)
        assert ofctl(switch) == before
        return message

    return run


def pipe(switch, words: list[str], text: str) -> subprocess.CompletedProcess[str]:
    return FORKS.run_text(words, switch.environ, text)


def test_list_is_what_ovs_ofctl_dumps(switch, ovstool):
    assert ovstool(["flow", "add", "br0", "--file", file(switch, SPELLED)]).code == 0
    for words, options in (("", "--no-names"), ("--no-names", "--no-names"), ("--names", "--names")):
        rows = ovstool(f"flow list br0 -f json {words}").json
        lines = []
        for row in rows:
            head = [f"cookie={row['cookie']}, "] if row["cookie"] != "0x0" else []
            head += [f"table={row['table']}, "] if row["table"] else []
            match = ",".join(filter(None, ([f"priority={row['priority']}"] if row["priority"] != 32768 else []) + [row["match"]]))
            lines.append(f"{''.join(head)}{match}{' ' if match else ''}actions={row['actions']}")
        expected = ofctl(switch, options)
        assert sorted(lines) == sorted(line.replace("idle_timeout=600, hard_timeout=900, importance=7, ", "") for line in expected)
        assert all(row["packets"] == row["bytes"] == 0 and isinstance(row["duration_s"], float) for row in rows)
    assert [row["table"] for row in ovstool("flow list br0 --table 1 -f json").json] == [1] * 4
    assert [row["priority"] for row in ovstool("flow list br0 tcp,in_port=eth1 --table 1 -f json").json] == [10]
    assert ovstool("flow list br0 cookie=0x5/-1 -f value -c match --names").stdout == "udp\n"
    assert ovstool("flow list br0 --table 99 -f json").json == []


def test_the_content_of_a_file_of_flows(switch, ovstool):
    """All that is needed to add a flow again, without options that applied only when it was added, and without counters."""
    ovstool(["flow", "add", "br0", "-q", "table=1,priority=3,cookie=7,idle_timeout=600,hard_timeout=900,importance=5,send_flow_rem,"
             "no_byte_counts,check_overlap,reset_counts,ip,in_port=eth1 actions=eth2"])  # fmt: skip
    said = "table=1,priority=3,cookie=0x7,idle_timeout=600,hard_timeout=900,send_flow_rem,no_byte_counts,importance=5"
    result = ovstool("flow list br0 -f flows --table 1")
    assert (result.stdout, result.stderr) == (f"{said},ip,in_port=eth1 actions=output:eth2\n", "")
    eth1, eth2 = (switch.vsctl(f"get interface {port} ofport") for port in ("eth1", "eth2"))
    assert ovstool("flow list br0 in_port=eth1 -f flows --no-names").stdout == f"{said},ip,in_port={eth1} actions=output:{eth2}\n"
    assert ovstool("flow list br0 --table 0 -f flows").stdout == "table=0,priority=0 actions=NORMAL\n"
    result = ovstool("flow list br0 --table 254 -f flows")
    assert (result.stdout, result.code) == ("", 0)
    assert result.stderr == "ovstool: note: left out: the flows of table 254, which are Open vSwitch's own\n"
    listed = ovstool("flow list br0 -f flows").stdout
    assert ovstool("flow del br0").code == 0
    done = pipe(switch, ["flow", "add", "br0", "--file", "-"], listed)
    assert (done.returncode, ovstool("flow list br0 -f flows").stdout) == (0, listed)


def test_what_a_file_of_flows_leaves_out(refused):
    for option in ("-c match", "--sort-column priority", "--parsed"):
        assert refused(f"flow list br0 -f flows {option}", 2).startswith("-f flows: prints whole flows")
    assert refused("-H a,b flow list br0 -f flows", 2).startswith("-f flows: prints the flows of one bridge, not of several hosts")
    for command in ("flow diff br0 --file -", "flow top br0", "port list", "show"):
        assert "flows: unknown format" in refused(f"{command} -f flows", 2)
    assert refused("flow list nosuch -f flows", 3).startswith("bridge nosuch: ")
    assert refused("flow list br0 nw_dst=1.1.1.1 -f flows", 2)


def test_parsed_flows_are_objects(switch, ovstool):
    ovstool(["flow", "add", "br0", "table=1,priority=10,tcp,in_port=eth1,nw_dst=10.0.0.0/8 actions=set_field:5->reg0,output:eth2"])
    row = ovstool("flow list br0 --table 1 --parsed --names -f json").json[0]
    assert row["match"] == {"tcp": True, "in_port": "eth1", "nw_dst": "10.0.0.0/8"}
    assert row["actions"] == [
        {"set_field": {"value": {"reg0": {"value": 5, "mask": 2**32 - 1}}, "dst": {"field": "reg0"}}},
        {"output": {"port": "eth2"}},
    ]
    assert "nw_dst=10.0.0.0/8" in ovstool("flow list br0 --table 1 --parsed").stdout


def test_thousands_of_flows(switch, ovstool):
    lines = [f"table=1,priority={1 + i % 9},ip,nw_dst=10.0.{i >> 8}.{i & 255} actions=output:{1 + i % 2}" for i in range(5_000)]
    name = file(switch, "\n".join(lines))
    result = ovstool(["flow", "add", "br0", "--file", name])
    assert (result.stdout, result.code) == ("br0: created\n", 0) and "5000 new" in result.stderr
    dumped = switch.tool("ovs-ofctl", "dump-flows", f"unix:{switch.box.directory}/br0.mgmt")
    assert dumped.count("flags=[more]") > 1
    rows = ovstool("flow list br0 --table 1 -f json").json
    assert {row["match"] for row in rows} == {f"ip,nw_dst=10.0.{i >> 8}.{i & 255}" for i in range(5_000)}
    assert ovstool(["flow", "add", "br0", "--file", name]).stdout == "br0: unchanged\n"
    assert ovstool("flow del br0 table=1").stdout == "table=1: deleted\n"


def test_adding_twice_changes_nothing_however_it_is_written(switch, ovstool):
    name = file(switch, SPELLED)
    assert ovstool(["flow", "add", "br0", "--file", name]).stdout == "br0: created\n"
    time.sleep(1.1)
    result = ovstool(["flow", "add", "br0", "--file", name])
    assert result.stdout == "br0: unchanged\n" and result.stderr == ""
    assert all(row["duration_s"] > 1 for row in ovstool("flow list br0 -f json").json)
    assert ovstool(["flow", "replace", "br0", "--file", name]).stdout == "br0: unchanged\n"
    result = ovstool(["flow", "diff", "br0", "--file", name])
    assert (result.stdout, result.code) == ("", 0)
    for line in SPELLED.splitlines():
        if "actions" in line:
            flow = line.partition("#")[0].strip()
            assert ovstool(["flow", "add", "br0", flow]).stdout.endswith(": unchanged\n"), flow


@pytest.mark.parametrize("protocols", ["OpenFlow13", "OpenFlow14", "OpenFlow10,OpenFlow13", "OpenFlow15"])
def test_any_protocols_with_bundles(switch, ovstool, protocols):
    switch.vsctl(f"set bridge br0 protocols={protocols}")
    spelled = SPELLED.replace("importance=7", "") if "15" not in protocols and "14" not in protocols else SPELLED
    name = file(switch, spelled)
    assert ovstool(["flow", "replace", "br0", "--file", name]).stdout == "br0: updated\n"
    assert ovstool(["flow", "replace", "br0", "--file", name]).stdout == "br0: unchanged\n"
    assert len(ovstool("flow list br0 -f json").json) == 6


@pytest.mark.parametrize("protocols", ["OpenFlow10", "OpenFlow11", "OpenFlow12"])
def test_protocols_without_bundles(switch, ovstool, unmoved, protocols):
    switch.vsctl(f"set bridge br0 protocols={protocols}")
    message = unmoved(["flow", "add", "br0", "ip actions=drop"], 6)
    assert protocols in message and f"try: ovstool bridge set br0 --protocols {protocols},OpenFlow14" in message
    assert unmoved(["flow", "replace", "br0", "--file", file(switch, NORMAL)], 6) == message
    switch.tool(
        "ovs-ofctl", "-O", VERSIONS, "add-flow", f"unix:{switch.box.directory}/br0.mgmt", "priority=3,ip actions=mod_nw_src:1.2.3.4"
    )
    result = ovstool(["flow", "diff", "br0", "--file", file(switch, "priority=3,ip actions=mod_nw_src:1.2.3.4")])
    assert (result.stdout, result.code) == ("- priority=0 actions=NORMAL\n", 1)
    assert len(ovstool("flow list br0 -f json").json) == 2
    note = f"ovstool: note: left out: flags of flows, such as send_flow_rem, which {protocols} does not report\n"
    assert ovstool("flow list br0 -f flows").stderr == note
    assert ovstool("flow del br0 ip").stdout == "ip: deleted\n"


def test_the_change_of_each_flow(switch, ovstool):
    first, second = "table=1,priority=5,ip actions=drop", "table=1,priority=6,ip actions=drop"
    assert ovstool(["flow", "add", "br0", first]).stdout == f"{first}: created\n"
    changed = first.replace("drop", "output:eth1")
    rows = ovstool(["flow", "add", "br0", "-f", "json", changed, second]).json
    assert rows == [{"object": changed, "change": "updated"}, {"object": second, "change": "created"}]
    assert ovstool(["flow", "add", "br0", changed, second]).stdout == f"{changed}: unchanged\n{second}: unchanged\n"
    assert ovstool(["flow", "add", "br0", f"cookie=7,{second}"]).stdout.endswith(": updated\n")
    assert ovstool(["flow", "add", "br0", f"hard_timeout=7,cookie=7,{second}"]).stdout.endswith(": updated\n")
    assert "table=1, priority=5,ip actions=output:eth1" in ofctl(switch, "--names")


def test_the_flows_that_a_file_adds_are_listed(switch, ovstool):
    both = "ovstool: note: flows: 1 new, 1 with other actions, cookie or timeouts\n"
    ovstool(["flow", "add", "br0", "table=9 actions=drop"])
    given = "table=1,priority=5,ip actions=drop\ntable=1,priority=6,ip actions=drop\n"
    name = file(switch, given)
    for stdout, said in (("br0: created\n", "ovstool: note: flows: 2 new\n"), ("br0: unchanged\n", "")):
        result = ovstool(["flow", "add", "br0", "--file", name])
        assert (result.stdout, result.stderr) == (stdout, said)
    file(switch, given.replace("=5,ip actions=drop", "=5,ip actions=eth1") + "table=1,priority=7,ip actions=drop\n")
    result = ovstool(["flow", "add", "br0", "-n", "--file", name])
    changed = ["-table=1 priority=5,ip actions=drop", "+table=1 priority=5,ip actions=output:eth1", "+table=1 priority=7,ip actions=drop"]
    assert result.stdout.splitlines() == changed
    assert sorted(result.stderr.splitlines(keepends=True)) == sorted([both, "ovstool: note: br0: would be updated\n"])
    result = ovstool(["flow", "replace", "br0", "-n", "--file", name])
    assert set(result.stdout.splitlines()) - set(changed) == {f"-{NORMAL}", "-table=9 actions=drop"}
    assert both[:-1] + ", 2 deleted" in result.stderr.splitlines()
    assert ovstool(["flow", "add", "br0", "--file", name]).stdout == "br0: updated\n"
    file(switch, "table=1,priority=6,ip,send_flow_rem actions=drop\n")
    for stdout in ("br0: updated\n", "br0: unchanged\n"):
        result = ovstool(["flow", "add", "br0", "--file", name])
        assert (result.stdout, result.stderr) == (stdout, "")
    result = ovstool("flow del br0 table=1 --dry-run")
    assert len(result.stdout.splitlines()) == 3 and "ovstool: note: 3 flows\n" in result.stderr
    assert ovstool("flow del br0 table=1").stderr == "ovstool: note: 3 flows deleted\n"
    assert ovstool("flow del br0 table=1").stderr == "ovstool: note: 0 flows deleted\n"


def test_flags(switch, ovstool):
    flow = "table=1,send_flow_rem,ip,in_port=eth1 actions=drop"
    assert ovstool(["flow", "add", "br0", flow]).stdout == f"{flow}: created\n"
    assert ovstool(["flow", "add", "br0", flow]).stdout == f"{flow}: unchanged\n"
    more = flow.replace("ip,", "ip,no_byte_counts,")
    assert ovstool(["flow", "add", "br0", more]).stdout == f"{more}: updated\n"
    assert "send_flow_rem no_byte_counts" in "".join(ofctl(switch))
    reset = flow.replace("ip,", "ip,reset_counts,")
    assert ovstool(["flow", "add", "br0", reset]).stdout == f"{reset}: updated\n"


def test_delete(switch, ovstool):
    ovstool(
        ["flow", "add", "br0", *(f"table=1,priority={i},tcp,in_port=eth1 actions=drop" for i in (1, 2)), "table=1,cookie=5,ip actions=drop"]
    )
    exact = "table=1,priority=2,tcp,in_port=eth1"
    result = ovstool(f"flow del br0 {exact} --strict")
    assert (result.stdout, result.stderr) == (f"{exact}: deleted\n", "ovstool: note: 1 flow deleted\n")
    assert ovstool(f"flow del br0 {exact} --strict").stdout == f"{exact}: unchanged\n"
    assert ovstool("flow del br0 table=1,priority=1,tcp --strict").stdout == "table=1,priority=1,tcp: unchanged\n"
    assert len(ofctl(switch)) == 3
    assert ovstool("flow del br0 cookie=5/-1").stdout == "cookie=5/-1: deleted\n"
    assert ovstool("flow del br0 table=1,udp").stdout == "table=1,udp: unchanged\n"
    assert ovstool("flow del br0 out_port=eth2").stdout == "out_port=eth2: unchanged\n"
    assert ovstool("flow del br0 tcp,in_port=eth1 -n").stderr.startswith("ovstool: note: tcp,in_port=eth1: would be deleted\n")
    assert ovstool("flow del br0 tcp,in_port=eth1 -f json").json == [{"object": "tcp,in_port=eth1", "change": "deleted"}]
    assert ofctl(switch) == [NORMAL]
    result = ovstool("flow del br0")
    drops = (
        "ovstool: note: br0 has no flows and drops everything; to forward as a learning switch again: "
        "ovstool flow add br0 priority=0,actions=NORMAL\n"
    )
    assert (result.stdout, result.stderr) == ("all flows of br0: deleted\n", f"ovstool: note: 1 flow deleted\n{drops}")
    assert ovstool("flow del br0 -f json").json == [{"object": "all flows of br0", "change": "unchanged"}]
    assert ovstool("flow del br0").stdout == "all flows of br0: unchanged\n"


def test_replace_and_diff(switch, ovstool):
    ovstool(["flow", "add", "br0", "table=1,priority=5,ip actions=drop", "table=1,priority=6,ip actions=drop"])
    name = file(switch, f"{NORMAL}\ntable=1,priority=5,ip actions=eth1\ntable=1,priority=7,ip actions=drop\n")
    result = ovstool(["flow", "diff", "br0", "--file", name])
    assert sorted(result.stdout.splitlines()) == [
        "+ table=1 priority=5,ip actions=output:eth1", "+ table=1 priority=7,ip actions=drop",
        "- table=1 priority=5,ip actions=drop", "- table=1 priority=6,ip actions=drop",
    ]  # fmt: skip
    assert result.code == 1
    assert {row["diff"] for row in ovstool(["flow", "diff", "br0", "--file", name, "-f", "json"]).json} == {"+", "-"}
    result = ovstool(["flow", "replace", "br0", "--file", name])
    assert result.stdout == "br0: updated\n" and "1 new, 1 with other actions, cookie or timeouts, 1 deleted" in result.stderr
    expected = [NORMAL, "table=1, priority=5,ip actions=output:eth1", "table=1, priority=7,ip actions=drop"]
    assert ofctl(switch, "--names") == expected


def test_standard_input(switch, ovstool):
    done = pipe(switch, ["flow", "add", "br0", "--file", "-"], "table=1 actions=drop\r\n")
    assert done.stdout == "br0: created\n" and "table=1, actions=drop" in ofctl(switch)
    done = pipe(switch, ["flow", "diff", "br0", "--file", "-"], "table=1 actions=drop\nnonsense\n")
    assert (done.returncode, done.stderr) == (2, "ovstool: -:2: must specify an action\n")


def test_dry_run(switch, ovstool):
    ovstool(["flow", "add", "br0", "table=1,ip actions=drop"])
    before = ofctl(switch)
    result = ovstool(["flow", "add", "br0", "-n", "table=1,ip actions=mod_dl_dst:02:00:00:00:00:01,eth1", "table=2,ip actions=drop"])
    lines = ["+table=1 ip actions=set_field:02:00:00:00:00:01->eth_dst,output:eth1", "+table=2 ip actions=drop", "-table=1 ip actions=drop"]
    assert sorted(result.stdout.splitlines()) == lines and "would be updated" in result.stderr and result.code == 0
    result = ovstool(["flow", "replace", "br0", "-n", "--file", file(switch, NORMAL)])
    assert result.stdout == "-table=1 ip actions=drop\n"
    assert ovstool("flow del br0 ip -n").stdout == "-table=1 ip actions=drop\n"
    assert sorted(ovstool("flow del br0 -n").stdout.splitlines()) == [f"-{NORMAL}", "-table=1 ip actions=drop"]
    assert ofctl(switch) == before


def test_an_error_in_a_file_installs_nothing(switch, unmoved):
    lines = [f"table=9,priority={i},ip actions=drop" for i in range(1, 1203)] + ["table=9,foo=3,actions=drop", "table=9 actions=drop"]
    name = file(switch, "\n".join(lines))
    for verb in ("add", "replace", "diff"):
        assert unmoved(["flow", verb, "br0", "--file", name], 2) == f"{name}:1203: unknown keyword foo"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "contains no flows"),
        (b"\n# nothing\n\n", "contains no flows"),
        (b"actions=drop\nip actions=\xff\n", ":2: not UTF-8"),
        (b"actions=drop\nip actions=\0\n", ":2: contains a NUL"),
        (b"table=1 actions=drop\ndelete table=2\n", ":2: delete is not a flow to add"),
        (b"modify_strict table=2 actions=drop\n", ":1: modify_strict is not a flow to add"),
        (b"ip\n", ":1: must specify an action"),
        (b"actions=output:eth99\n", ":1: eth99: output to unknown port"),
        (b"in_port=eth99 actions=drop\n", ":1: eth99: invalid or unknown port for in_port"),
        (b"actions=\x1b[31m\n", ":1: "),
    ],
)
def test_bad_files(switch, unmoved, data, words):
    for verb in ("add", "replace", "diff"):
        assert words in unmoved(["flow", verb, "br0", "--file", file(switch, data)], 2)


def test_bad_usage(switch, unmoved):
    assert "No such file" in unmoved("flow add br0 --file nosuch", 2)
    assert "Is a directory" in unmoved("flow add br0 --file /", 2)
    assert "either flows or a file" in unmoved("flow add br0", 2)
    assert "either flows or a file" in unmoved("flow add br0 ip,actions=drop --file x", 2)
    assert "delete is not a flow" in unmoved(["flow", "add", "br0", "delete ip"], 2)
    assert "not exactly one flow" in unmoved(["flow", "add", "br0", "ip actions=drop\nip actions=normal"], 2)
    assert "not exactly one flow" in unmoved(["flow", "add", "br0", ""], 2)
    assert "flow nonsense: must specify an action" in unmoved(["flow", "add", "br0", "ip actions=drop", "nonsense"], 2)
    assert "foo" in unmoved("flow list br0 foo=1", 2)
    assert "unknown port" in unmoved("flow list br0 in_port=eth99", 2)
    assert "unknown keyword actions" in unmoved("flow del br0 ip,actions=drop", 2)
    assert "needs a match" in unmoved("flow del br0 --strict", 2)
    for match in ("", " ", ",", "-"):
        assert "does not match on anything" in unmoved(["flow", "del", "br0", "--", match], 2)
    assert "-x" in unmoved(["flow", "del", "br0", "--", "-x"], 2)
    assert "names a table too" in unmoved("flow list br0 table=3 --table 4", 2)
    assert "from 0 to 254" in unmoved("flow list br0 --table 255", 2)
    assert "longer than the time allowed" in unmoved("flow top br0 --interval 40", 2)


@pytest.mark.parametrize("words", ["list", "add -- actions=drop", "del", "replace --file FILE", "diff --file FILE", "trace ip", "top"])
def test_no_such_bridge(switch, refused, words):
    verb, *rest = words.replace("FILE", file(switch, NORMAL)).split()
    rest = [word for word in rest if word != "--"]
    assert (
        refused(["flow", verb, "br00", *rest], 3)
        == f"bridge br00: no such bridge; try: {'ovstool bridge list' if verb == 'del' else 'br0'}"
    )
    assert "needs access to the host" in refused(["--db", "tcp:127.0.0.1:9", "flow", verb, "br0", *rest], 5)


def test_what_the_switch_refuses(switch, unmoved):
    message = unmoved(["flow", "add", "br0", "table=1,ip actions=drop", "table=1,priority=5,tcp actions=group:77"], 6)
    assert message == "flow table:1 priority=5,tcp actions=group:77: there is no such group (OFPBAC_BAD_OUT_GROUP); nothing was changed"
    name = file(switch, "table=1,ip actions=drop\nip actions=meter:5\n")
    assert "there is no such meter" in unmoved(["flow", "replace", "br0", "--file", name], 6)
    message = unmoved(["flow", "add", "br0", "actions=mod_nw_src:1.2.3.4"], 6)
    assert "can express all of this" in message and "such as ip" in message
    switch.vsctl("set bridge br0 flow_tables:0=@a -- --id=@a create flow_table flow_limit=3 overflow_policy=refuse")
    flows = [f"table=0,priority={i},ip actions=drop" for i in range(1, 9)]
    assert "the table is full" in unmoved(["flow", "add", "br0", *flows], 6)


def test_a_match_that_would_be_dropped_is_refused(switch, unmoved):
    message = unmoved(["flow", "add", "br0", "table=1,tcp_dst=80 actions=drop"], 2)
    assert 'tp_dst=80 would be taken as ""' in message and message.endswith("try: tcp,tcp_dst=80")


def test_no_ovs_vswitchd(switch, ovstool, refused):
    (switch.box.directory / "br0.mgmt").rename(switch.box.directory / "elsewhere")
    name = file(switch, NORMAL)
    for words in ("list br0", "add br0 actions=drop", "del br0", f"replace br0 --file {name}", f"diff br0 --file {name}", "top br0"):
        assert "does not answer (No such file or directory)" in refused(f"flow {words}", 5)
    (switch.box.directory / "elsewhere").rename(switch.box.directory / "br0.mgmt")
    kill(int((switch.box.directory / "ovs-vswitchd.pid").read_text()))
    for words in ("list br0", "trace br0 ip"):
        assert "is ovs-vswitchd running" in refused(f"flow {words}", 5) or "is it running" in refused(f"flow {words}", 5)


TRACED = """\
priority=0 actions=NORMAL
priority=10,ip,nw_dst=10.0.0.2 actions=resubmit(,1)
priority=10,ip,nw_dst=10.0.0.3 actions=resubmit(,2)
priority=10,ip,nw_dst=10.0.0.4 actions=resubmit(,3)
priority=10,ip,nw_dst=10.0.0.5 actions=controller
priority=10,ip,nw_dst=10.0.0.6 actions=eth1
priority=10,ip,nw_dst=10.0.0.7 actions=ct(table=1,zone=5)
priority=10,ip,nw_dst=10.0.0.8 actions=set_queue:3,eth2
priority=10,ip,nw_dst=10.0.0.9 actions=flood
priority=10,ip,nw_dst=10.0.0.10 actions=resubmit(,0)
priority=10,ip,nw_dst=10.0.0.11 actions=output:77
table=1,priority=5,cookie=0x7 actions=mod_dl_dst:00:00:00:00:00:09,output:eth2
table=3,priority=5,ip actions=drop
"""


@pytest.mark.parametrize(
    ("packet", "verdict", "outputs"),
    [
        ("ip,nw_dst=10.0.0.2", "forwarded out of eth2", ["eth2"]),
        ("ip,nw_dst=10.0.0.3", "dropped: no flow in table 2 matches", []),
        ("ip,nw_dst=10.0.0.4", "dropped by table 3, priority 5: ip", []),
        ("ip,nw_dst=10.0.0.5", "sent to the controller", []),
        ("ip,nw_dst=10.0.0.6", "dropped by table 0, priority 10: skipping output to input port", []),
        ("ip,nw_dst=10.0.0.7", "forwarded out of eth2, after connection tracking in zone 5", ["eth2"]),
        ("ip,nw_dst=10.0.0.8", "forwarded out of eth2 (queue 3)", ["eth2"]),
        ("ip,nw_dst=10.0.0.10", "dropped: over max translation depth 64", []),
        ("ip,nw_dst=10.0.0.11", "dropped by table 0, priority 10: Nonexistent output port", []),
        ("dl_dst=01:80:c2:00:00:00", "dropped by table 0, priority 0: packet has reserved destination MAC, dropping", []),
    ],
)
def test_trace(switch, ovstool, packet, verdict, outputs):
    ovstool(["flow", "replace", "br0", "--file", file(switch, TRACED)])
    found = ovstool(f"flow trace br0 in_port=eth1,{packet} -f json").json
    assert (found["verdict"], found["outputs"]) == (verdict, outputs)
    lines = ovstool(f"flow trace br0 in_port=eth1,{packet}").stdout.splitlines()
    assert lines[0] == verdict and lines[-1].startswith("datapath actions: ")


def test_trace_of_steps(switch, ovstool):
    ovstool(["flow", "replace", "br0", "--file", file(switch, TRACED)])
    found = ovstool("flow trace br0 in_port=eth1,ip,nw_dst=10.0.0.2 -f json").json
    assert list(found) == ["bridge", "flow", "verdict", "outputs", "steps", "final_flow", "megaflow", "datapath_actions"]
    steps = [(step["table"], step["priority"], step["match"], step["cookie"], step["actions"]) for step in found["steps"]]
    assert steps == [
        (0, 10, "ip,nw_dst=10.0.0.2", "0x0", ["resubmit(,1)"]),
        (1, 5, "", "0x7", ["set_field:00:00:00:00:00:09->eth_dst", "output:eth2"]),
    ]
    flooded = ovstool("flow trace br0 in_port=eth1,ip,nw_dst=10.0.0.9 -f json").json
    assert flooded["verdict"].startswith("flooded to ") and sorted(flooded["outputs"]) == ["br0", "eth2"]


ACROSS = """\
priority=0 actions=NORMAL
priority=9,in_port=eth1,udp,tp_dst=1 actions=output:p0,output:"eth-3",resubmit(,1),enqueue:eth2:7,vx0
priority=9,in_port=eth1,udp,tp_dst=2 actions=p0
priority=9,in_port=eth1,udp,tp_dst=3 actions=ct(table=2,zone=5)
priority=9,in_port=eth1,udp,tp_dst=4 actions=set_tunnel:0x7,vx0,vx1
priority=9,in_port=eth1,udp,tp_dst=5 actions=meter:1,sample(probability=65535,collector_set_id=1,sampling_port=eth2),controller,clone(push_vlan:0x8100,eth2)
table=1,in_port=eth1 actions=set_field:eth2->in_port,resubmit(p0,3),move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_NX_REG0[],LOCAL
table=2,in_port=eth1,ct_state=+trk actions=p0,eth2
table=3,in_port=p0 actions=bundle(eth_src,0,hrw,ofport,slaves:eth1,eth2),IN_PORT
"""


@pytest.fixture
def across(switch, ovstool):
    """Two bridges connected by patch ports, and tunnels."""
    switch.vsctl(
        "add-port br0 eth-3 -- add-br br1 -- set bridge br1 datapath_type=dummy other_config:hwaddr=00:00:00:00:00:09"
        " -- add-port br0 p0 -- set interface p0 type=patch options:peer=p1 -- add-port br1 p1 -- set interface p1 type=patch options:peer=p0"
        " -- add-port br1 a.b-1 -- add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=10.9.9.9 options:key=flow"
        " -- add-port br0 vx1 -- set interface vx1 type=vxlan options:remote_ip=10.9.9.8"
    )
    switch.tool("ovs-ofctl", "-O", "OpenFlow13", "add-meter", "br0", "meter=1,kbps,band=type=drop,rate=10000")
    assert ovstool(["flow", "replace", "br0", "--file", file(switch, ACROSS)]).code == 0
    return switch


def test_a_trace_of_an_older_open_vswitch_has_names_too(across, ovstool):
    """ofproto/trace has --names from 3.1 on. Output without them gets the same names as output with them."""
    folder = across.box.directory / "bin"
    folder.mkdir()
    (folder / "ovs-appctl").write_text(
        # The error of 2.13 and 2.17.
        '#!/bin/sh\ncase " $* " in *" --names "*)\n  echo "--names: unknown option" >&2\n'
        f'  echo "ovs-appctl: ovs-vswitchd: server returned an error" >&2; exit 2;;\nesac\nexec {shutil.which("ovs-appctl")} "$@"\n'
    )
    (folder / "ovs-appctl").chmod(0o755)

    def traced(packet: str, **environ: str) -> dict:
        result = ovstool(f"flow trace br0 {packet} -f json", **environ)
        assert (result.code, result.stderr) == (0, "")
        return json.loads(re.sub(r"\b(recirc\(|recirc_id=)\w+", r"\1N", result.stdout))  # each trace has another one

    for packet in [f"in_port=eth1,udp,udp_dst={n}" for n in range(1, 7)] + ["in_port=LOCAL,ip", "in_port=vx0,tun_src=10.9.9.9", "arp"]:
        ours = traced(packet, PATH=f"{folder}:{os.environ['PATH']}")
        assert ours == traced(packet), packet
        assert not re.search(r"(output:|in_port=)\d", str(ours["steps"])) and not any(map(str.isdecimal, ours["outputs"]))
    bad = ovstool("flow trace br0 in_port=nosuch", PATH=f"{folder}:{os.environ['PATH']}")
    assert bad.code == 2 and "nosuch" in bad.stderr


def test_a_trace_across_patch_ports_names_the_bridge_of_each_step(across, ovstool):
    found = ovstool("flow trace br0 in_port=eth1,udp,udp_dst=1 -f json").json
    steps = [(step["bridge"], step["table"], step["actions"][0]) for step in found["steps"]]
    assert steps == [("br0", 0, "output:p0"), ("br1", 0, "NORMAL"), ("br0", 1, steps[2][2]), ("br0", 3, steps[3][2])]
    actions = ["output:p0", 'output:"eth-3"', "resubmit(,1)", "set_queue:7", "output:eth2", "pop_queue", "output:vx0"]
    assert found["steps"][0]["actions"] == actions
    assert "p0" not in found["outputs"], "a patch port is not an output"
    lines = ovstool("flow trace br0 in_port=eth1,udp,udp_dst=1").stdout.splitlines()
    assert lines.index("bridge br0") < lines.index("    bridge br1") < lines.index('    output:"eth-3"')


def test_trace_on_a_secure_bridge(switch, ovstool, refused):
    switch.vsctl("set-fail-mode br0 secure")
    ovstool("flow del br0")
    assert ovstool("flow trace br0 in_port=eth1,ip -f value -c verdict").stdout == "dropped: no flow in table 0 matches\n"
    assert ovstool("flow trace br0 ip -f value -c verdict").stdout == "dropped: no flow in table 0 matches\n"
    assert "tcp_dst=x does not fit: 0 to 65535" in refused("flow trace br0 tcp,tcp_dst=x", 2)
    assert "unknown field foo" in refused("flow trace br0 foo", 2)
    assert "not a flow" in refused("flow trace br0 -- -generate", 2)
    assert "not a flow" in refused(["flow", "trace", "br0", ""], 2)


def test_top(switch, ovstool):
    control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
    ovstool(["flow", "add", "br0", "priority=9,ip,in_port=eth1 actions=output:eth2", "priority=8,arp actions=drop"])
    for _ in range(40):  # packets counted before do not belong to an interval
        switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", "eth1", FRAME)
    while "n_packets=40," not in switch.tool("ovs-ofctl", "dump-flows", "br0"):
        time.sleep(0.1)
    assert ovstool("flow top br0 --interval 0.2 -f json").json == []
    argv = [sys.executable, "-m", "ovstool", "flow", "top", "br0", "ip", "--interval", "4", "-f", "json"]
    with subprocess.Popen(argv, env=switch.environ, stdout=subprocess.PIPE, text=True) as running:
        for _ in range(10):
            switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", "eth1", FRAME)
            time.sleep(0.2)
        rows = json.loads(running.communicate(timeout=60)[0])
    row = rows[0]
    assert len(rows) == 1 and (row["table"], row["priority"], row["cookie"]) == (0, 9, "0x0")
    assert (row["match"], row["actions"]) == ("ip,in_port=eth1", "output:eth2")
    packets = row["pps"] * row["interval_s"]
    assert 1 <= round(packets, 1) <= 10 and abs(row["bps"] - row["pps"] * 60 * 8) < 1
    assert list(row) == ["table", "priority", "cookie", "match", "actions", "bps", "pps", "interval_s"]
    assert all(round(row[name], 3) == row[name] for name in ("bps", "pps", "interval_s"))


def test_reading_flows_writes_nothing(switch, ovstool):
    before = (switch.dump(), ofctl(switch))
    for words in ("list br0", "list br0 --parsed", "trace br0 in_port=eth1", "top br0 --interval 0.1"):
        assert ovstool(f"flow {words}").code == 0
    assert (switch.dump(), ofctl(switch)) == before


@pytest.mark.parametrize(
    ("flow", "what", "since"),
    [
        ("ip,actions=delete_field:tun_metadata0", "delete_field", (2, 14)),
        ("tun_gtpu_flags=1,actions=drop", "tun_gtpu_flags", (2, 14)),
        ("ip,actions=encap(mpls)", "encap(mpls)", (2, 17)),
    ],
)
def test_features_of_a_later_open_vswitch(ovstool, refused, flow, what, since):
    if OVS >= since:
        assert ovstool(["flow", "add", "br0", flow, "--dry-run"]).code == 0
        refused(["flow", "add", "br0", "ip,actions=encap(nosuch)"], 2)
        return
    said = refused(["flow", "add", "br0", flow], 6)
    needs = f"{what} needs Open vSwitch {'.'.join(map(str, since))} or newer, and this is {'.'.join(map(str, OVS))}."
    assert said.startswith(f"flow {flow}: {needs}")
    if what.startswith("tun"):
        assert refused(["flow", "del", "br0", "tun_gtpu_flags=1"], 6).startswith(f"match tun_gtpu_flags=1: {needs}")


def test_two_flows_of_one_match_are_not_one_command(refused):
    one, other = "priority=1,ip actions=drop", "ip,priority=1,cookie=0x5 actions=output:1"
    assert "has the same match as another flow" in refused(["flow", "add", "br0", one, other], 2)


def test_a_trace_with_ports_named_like_actions(switch, ovstool):
    for port in ("10", "recirc"):
        switch.vsctl(f"add-port br0 {port}")
        assert ovstool(["flow", "add", "br0", f'in_port=eth1 actions="{port}"']).code == 0
        assert ovstool("flow trace br0 in_port=eth1 -f value -c verdict").stdout == f"forwarded out of {port}\n"


def test_a_trace_that_ends_at_a_hash_says_so(switch, ovstool):
    switch.tool("ovs-ofctl", "-O", "OpenFlow15", "add-group", "br0", "group_id=1,type=select,bucket=output:1,bucket=output:2")
    assert ovstool(["flow", "add", "br0", "in_port=LOCAL,actions=group:1"]).code == 0
    verdict = ovstool("flow trace br0 in_port=LOCAL,ip -f value -c verdict").stdout
    assert "dropped" not in verdict


def test_a_file_without_an_end_is_refused(refused):
    assert "larger than 256 MiB" in refused("flow diff br0 --file /dev/zero", 2)
