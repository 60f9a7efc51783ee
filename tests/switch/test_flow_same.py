"""Flows that already exist are recognized, whatever their matches and actions, however they are spelled, and whoever added them."""

import re
import subprocess

import pytest
from flow_generator import flows, numbered, read
from ovs_version import OVS

from ovstool.openflow.syntax import lexer

VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
# ovs-ofctl takes a mask of a tunnel option's lowest bytes for an option of that length.
CUT = re.compile(r"tun_metadata1=0xef")
# ovs-ofctl 2.13 ignores these masks when it compares, and cannot read this keyword, which it prints.
MISREAD = re.compile(r"nw_frag=(?:yes|not_later)|ip_frag=(?:yes|not_later)|nw_proto=2|ip_proto=2|igmp")
# ovs-ofctl replace-flows turns this into "any value" (minimatch_expand of match.c).
UNREPLACED = re.compile(r"tun_metadata\d=0 ")
# Supported by every version of OpenFlow.
PLAIN = [
    "priority=1,ip,nw_src=10.0.0.0/8,actions=mod_dl_dst:02:00:00:00:00:01,output:1",
    "priority=2,tcp,tp_dst=80,actions=mod_nw_src:1.2.3.4,mod_tp_dst:81,enqueue:1:3",
    "priority=3,dl_vlan=5,actions=strip_vlan,mod_vlan_vid:7,NORMAL",
    "priority=4,cookie=0x5,table=3,in_port=eth1,actions=load:5->NXM_NX_REG0[0..3],resubmit(,5)",
    "priority=5,ip,nw_frag=not_later,actions=set_field:5->reg0,goto_table:6",
    "priority=6,ip,actions=ct(commit,table=5,nat(src=1.2.3.4))",
]
# Not supported by the versions without bundles.
BEYOND = {"OpenFlow10": "goto_table", "OpenFlow11": "nw_frag|reg0", "OpenFlow12": None}
LENGTHS = (4, 8, 16, 4, 124, 4, 4, 60)  # tunnel options


class Bridge:
    """br0 of a switch with the groups, meters and tunnel options that the flows use."""

    def __init__(self, switch):
        self.switch = switch
        self.socket = f"unix:{switch.box.directory}/br0.mgmt"
        options = ",".join(f"{{class=0xffff,type={at},len={length}}}->tun_metadata{at}" for at, length in enumerate(LENGTHS))
        self.ofctl("add-tlv-map", self.socket, options)
        groups = "".join(f"group_id={group},type=all,bucket=output:1\n" for group in (*range(1, 11), 123, 1234, 1235))
        self.ofctl("add-groups", self.socket, "-", stdin=groups)
        for meter in range(1, 7):
            self.ofctl("add-meter", self.socket, f"meter={meter},kbps,band=type=drop,rate=1000")

    def ofctl(self, *argv, stdin="", code=0):
        argv = ("ovs-ofctl", "-O", VERSIONS, *argv)
        done = subprocess.run(argv, env=self.switch.environ, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert code is None or done.returncode == code, done.stderr
        return done

    def known(self, given):
        """The flows that this version's ovs-ofctl reads correctly; versions after 2.13 know them all."""
        if OVS >= (2, 17):
            return list(given)
        given = [flow for flow in given if not MISREAD.search(flow)]
        plain = [re.sub(r"\beth(\d)", r"\1", flow) for flow in given]  # parse-flows does not know ports by name
        while (done := self.ofctl("parse-flows", "-", stdin="".join(f"{flow}\n" for flow in plain), code=None)).returncode:
            at = int(re.search(r"-:(\d+): ", done.stderr)[1])
            del plain[at - 1], given[at - 1]
        return given

    def fill(self, given):
        """Replace the flows of the bridge with these; Open vSwitch accepts all that its ovs-ofctl knows."""
        self.ofctl("del-flows", self.socket)
        self.ofctl("--bundle", "add-flows", self.socket, "-", stdin="".join(f"{flow}\n" for flow in given))

    def file(self, given):
        path = self.switch.box.directory / "br0.flows"
        path.write_text("".join(f"{flow}\n" for flow in given))
        return str(path)

    def says_importance(self):
        return "OpenFlow14" in (protocols := self.switch.vsctl("get bridge br0 protocols")) or "OpenFlow15" in protocols

    def dump(self, *options):
        return [line for line in self.ofctl(*options, "dump-flows", self.socket).stdout.splitlines() if " reply" not in line]

    def differ(self, given):
        """The lines of ``flow diff``."""
        result = self.switch.ovstool(["flow", "diff", "br0", "--file", self.file(given)])
        assert result.code == (1 if result.stdout else 0), result.stderr
        return result.stdout.splitlines()


@pytest.fixture(scope="module")
def bridge(running_switch):
    with running_switch("dummy") as switch:
        yield Bridge(switch)


@pytest.fixture(params=[VERSIONS, "OpenFlow13", "OpenFlow14", "OpenFlow15"], ids=["all", "1.3", "1.4", "1.5"])
def versioned(bridge, request):
    bridge.switch.vsctl(f"set bridge br0 protocols={request.param}")
    return bridge


def of_ovs():
    """The flows of Open vSwitch's own tests, each with its own priority, and with timeouts too long to expire."""
    found = []
    for flow in read("flows_of_ovs.txt"):
        head = lexer.before_actions(flow)
        kept = [re.sub("(_timeout=)", r"\g<1>60", word.text) for word in lexer.words(head) if word.name not in ("priority", "pri")]
        found.append(f"{','.join(kept)} {flow[len(head) :]}")
    return numbered(found)


@pytest.mark.parametrize("given", [lambda: flows(11), of_ovs], ids=["generated", "of_ovs"])
def test_flows_that_are_there_are_the_same(versioned, given):
    given = versioned.known(flow for flow in given() if "importance" not in flow or versioned.says_importance())
    assert len(given) > (1200 if OVS >= (3, 1) else 900)
    versioned.fill(given)
    name = versioned.file(given)
    for verb in "add", "replace":
        result = versioned.switch.ovstool(["flow", verb, "br0", "--file", name])
        assert (result.stdout, result.code) == ("br0: unchanged\n", 0), result.stderr
    assert versioned.differ(given) == []
    for option in "--no-stats", "--names":
        dumped = [line for line in versioned.dump(option) if not CUT.search(line)]
        assert [line for line in versioned.differ(dumped) if not CUT.search(line)] == []
    assert len(versioned.switch.ovstool("flow list br0 --parsed -f json").json) == len(given)


def lasting(bridge):
    """The flows without options that mattered only when they were added."""
    return sorted(re.sub("(?:check_overlap|reset_counts) ", "", line) for line in bridge.dump("--no-stats", "--no-names"))


@pytest.mark.parametrize("given", [lambda: flows(13), of_ovs], ids=["generated", "of_ovs"])
def test_listed_flows_can_be_added_again(versioned, given):
    """By ovstool, and by ovs-ofctl, which cannot read all that it prints."""
    versioned.fill(versioned.known(flow for flow in given() if "importance" not in flow or versioned.says_importance()))
    there = lasting(versioned)
    result = versioned.switch.ovstool("flow list br0 -f flows")
    assert (result.stderr, result.code) == ("", 0)
    listed = result.stdout.splitlines()
    assert len(listed) == len(there)
    assert versioned.differ(listed) == []
    versioned.fill(listed)
    assert lasting(versioned) == there
    versioned.ofctl("del-flows", versioned.socket)
    name = versioned.file(flow for flow in listed if not UNREPLACED.search(flow))
    result = versioned.switch.ovstool(["flow", "replace", "br0", "--file", name])
    assert result.stdout == "br0: updated\n" and ("ignores no_byte_counts" in result.stderr) == ("no_byte_counts" in str(listed))
    assert versioned.switch.ovstool(["flow", "add", "br0", "--file", versioned.file(listed)]).code == 0
    assert lasting(versioned) == there
    assert sorted(versioned.switch.ovstool("flow list br0 -f flows").stdout.splitlines()) == sorted(listed)

    page = versioned.switch.box.directory / "page.yaml"
    exported = versioned.switch.ovstool("export br0 --flows").stdout
    page.write_text("".join(line for line in exported.splitlines(keepends=True) if not UNREPLACED.search(line)))
    versioned.ofctl("del-flows", versioned.socket)
    result = versioned.switch.ovstool(f"apply {page}")
    assert result.stdout.startswith("br0: updated\n"), result.stderr
    assert versioned.switch.ovstool("export br0 --flows").stdout == page.read_text()
    assert versioned.switch.ovstool(f"apply {page}").stdout.startswith("br0: unchanged\n")


def test_a_tunnel_option_of_zero_is_not_widened(bridge):
    """An existing one stays, and its mask is kept."""
    bridge.switch.vsctl(f"set bridge br0 protocols={VERSIONS}")
    bridge.fill(["actions=drop"])
    for zero in ("tun_metadata0=0", "ip,tun_metadata0=0x00"):
        file = bridge.file(["arp actions=drop", f"{zero} actions=drop"])
        for command in ("flow replace", "flow replace -n"):
            result = bridge.switch.ovstool(f"{command} br0 --file {file}")
            assert (
                result.code == 2 and f"{file}:2: ovs-ofctl replace-flows would match any value in place of tun_metadata0=0" in result.stderr
            )
    for flow in ("tun_metadata0", "tun_metadata0=0/0xffffffff", "actions=set_field:0->tun_metadata0"):
        file = bridge.file([flow if "actions" in flow else f"{flow} actions=drop"])
        assert bridge.switch.ovstool(f"flow replace br0 --file {file}").stdout == "br0: updated\n"
    bridge.fill(["tun_metadata0=0 actions=drop"])
    assert bridge.switch.ovstool(f"flow replace br0 --file {bridge.file(['tun_metadata0=0 actions=drop', 'arp actions=drop'])}").code == 0
    there = bridge.switch.tool("ovs-appctl", "bridge/dump-flows", "br0")
    assert "tun_metadata0=0," in there and "arp" in there


@pytest.mark.parametrize("beside", ["cookie=0x123", "idle_timeout=4000", "hard_timeout=4000", "priority=65000", "table=77", ""])
def test_flows_with_something_else_differ(bridge, beside):
    given = bridge.known([flow for flow in flows(12) if "goto_table" not in flow and "resubmit" not in flow][::4])
    bridge.switch.vsctl(f"set bridge br0 protocols={VERSIONS}")
    bridge.fill(given)
    changed = []
    for flow in given:
        head, action, actions = flow.partition("action")
        head = re.sub(rf"\b{beside.partition('=')[0]}=[^, ]*", "", head) if beside else head
        changed.append(f"{head},{beside},{action}{actions}" if beside else f"{head}actions=output:99")
    if beside == "priority=65000":  # all with the same match are one flow then
        changed = changed[:1]
    lines = bridge.differ(changed)
    assert sum(line.startswith("+") for line in lines) == len(changed)
    assert sum(line.startswith("-") for line in lines) == len(given)


NEARLY = [
    ("reg0=1/3,actions=drop", "reg0=1/7,actions=drop"), ("ip,nw_src=10.0.0.0/8,actions=drop", "ip,nw_src=10.0.0.0/9,actions=drop"),
    ("ip,nw_frag=not_later,actions=drop", "ip,nw_frag=no,actions=drop"), ("tun_metadata1=1,actions=drop", "tun_metadata1=2,actions=drop"),
    ("actions=set_field:5->reg0", "actions=set_field:5/0xff->reg0"), ("actions=load:5->reg0[0..3]", "actions=load:5->reg0[0..4]"),
    ("actions=output:1,output:2", "actions=output:2,output:1"), ("actions=set_field:1->tun_metadata1", "actions=load:1->tun_metadata1[0..31]"),
    ("actions=set_field:1->tun_metadata1", "actions=set_field:2->tun_metadata1"), ("actions=set_field:0/0->reg0", "actions=set_field:0/1->reg0"),
    ("ip,actions=dec_ttl(1)", "ip,actions=dec_ttl(2)"), ("ip,actions=ct(commit)", "ip,actions=ct(commit,force)"), ("actions=note:01", "actions=note:02"),
    ("actions=enqueue:1:3", "actions=set_queue:3,output:1"), ("mpls,actions=load:5->mpls_label[0..3]", "mpls,actions=load:5->mpls_label[0..4]"),
    ("actions=load:5->xxreg1[0..63],load:6->xxreg1[64..127]", "actions=load:6->xxreg1[0..63],load:5->xxreg1[64..127]"),
    ("actions=load:1->xxreg1[0..63]", "actions=load:1->xxreg1[]"), ("actions=set_field:oam->tun_flags", "actions=set_field:0->tun_flags"),
    ("actions=learn(table=1,dl_src=dl_dst)", "actions=learn(table=1,dl_dst=dl_src)"), ("actions=mod_dl_src:1:2:3:4:5:6", "actions=mod_dl_dst:1:2:3:4:5:6"),
    ("actions=write_actions(output:1)", "actions=output:1"), ("actions=controller(max_len=5)", "actions=controller(max_len=6)"),
    ("actions=clone(output:1),output:2", "actions=clone(output:1,output:2)"), ("actions=resubmit(,5)", "actions=resubmit(1,5)"),
]  # fmt: skip


def test_flows_that_are_nearly_the_same_differ(versioned):
    ours, theirs = (list(numbered(flows)) for flows in zip(*NEARLY, strict=True))
    versioned.fill(theirs)
    lines = versioned.differ(ours)
    for at, pair in enumerate(NEARLY, 1):
        assert sorted(line[0] for line in lines if re.search(rf"priority={at}\b", line)) == ["+", "-"], pair
    assert versioned.differ(theirs) == []


def test_versions_without_bundles_compare_too(bridge):
    for version in BEYOND:
        bridge.switch.vsctl(f"set bridge br0 protocols={version}")
        bridge.ofctl("del-flows", bridge.socket)
        given = [flow for flow in bridge.known(PLAIN) if BEYOND[version] is None or not re.search(BEYOND[version], flow)]
        bridge.ofctl("add-flows", bridge.socket, "-", stdin="".join(f"{flow}\n" for flow in given))
        assert bridge.differ(given) == bridge.differ(bridge.dump("--no-stats")) == [], version
