"""Text for ovs-ofctl and from it: quoted names, typed flows, the normal form of a flow, and its errors reworded."""

import pytest

from ovstool.errors import OvstoolError, Refused, Unreachable, UsageError
from ovstool.openflow.syntax import lexer, names, objects, ofctl_errors, spelling, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.openflow.syntax.lexer import Word

MEANINGS = {  # the errors of ofp-errors.h that flows can cause
    "OFPBAC_BAD_OUT_GROUP": "there is no such group", "OFPBAC_BAD_OUT_PORT": "there is no such port", "OFPBAC_BAD_QUEUE": "there is no such queue",
    "OFPBAC_MATCH_INCONSISTENT": "an action does not fit the match", "OFPBAC_TOO_MANY": "it has too many actions",
    "OFPBIC_BAD_TABLE_ID": "it goes to a table that does not exist or comes before its own",
    "OFPBMC_BAD_PREREQ": "a field needs another field that the match does not have", "OFPBRC_BAD_TABLE_ID": "there is no such table",
    "OFPBRC_EPERM": "the switch does not permit it", "OFPFMFC_BAD_COMMAND": "the switch does not support the command",
    "OFPFMFC_EPERM": "the switch does not permit it", "OFPFMFC_BAD_TABLE_ID": "there is no such table",
    "OFPFMFC_OVERLAP": "it overlaps another flow of the same priority", "OFPFMFC_TABLE_FULL": "the table is full",
    "OFPMMFC_INVALID_METER": "there is no such meter", "OFPMMFC_UNKNOWN_METER": "there is no such meter",
}  # fmt: skip
REFUSED = "the switch would refuse it"


def request(flows=None, match="", protocols=(), version="3.1.0") -> ofctl_errors.Request:
    return ofctl_errors.Request("br0", protocols, flows, match, lambda: f"ovs-ofctl (Open vSwitch) {version}\n", "sudo ovstool")


@pytest.mark.parametrize("name", [*MEANINGS, "OFPBAC_BAD_LEN"])
def test_the_errors_of_a_switch(name):
    said = f"Error {name} for: OFPT_FLOW_MOD (OF1.5) (xid=0x5): ADD ip actions=drop\n"
    error = ofctl_errors.explained(said, request())
    why = MEANINGS.get(name, "the switch refused it")
    assert (type(error), str(error)) == (Refused, f"flow ip actions=drop: {why} ({name}); nothing was changed")
    assert (
        str(ofctl_errors.explained(f"OFPT_ERROR (OF1.5) (xid=0x5): {name}\n", request()))
        == f"bridge br0: {why} ({name}); nothing was changed"
    )
    assert ofctl_errors.decode_error(f"decode error: {name}") == f"{MEANINGS.get(name, REFUSED)} ({name})"
    assert ofctl_errors.decode_error("OFPT_FLOW_MOD") is None


GIVEN = GivenFlows(["ip,actions=drop", "tcp,actions=drop"])
OF_FILE = GivenFlows(["ip,actions=drop"], "my.flows")
SAID = [
    # ovs-ofctl's error, its input, and the resulting message
    ("ovs-ofctl: br0: version negotiation failed", request(protocols=("OpenFlow10", "OpenFlow15")), Refused,
     "bridge br0: no OpenFlow version in common; its protocols are OpenFlow10, OpenFlow15; try: ovstool bridge set br0 --protocols OpenFlow13"),
    ("ovs-ofctl: br0: version negotiation failed", request(), Refused,
     "bridge br0: no OpenFlow version in common; try: ovstool bridge set br0 --protocols OpenFlow13"),
    ("ovs-ofctl: -:2: bad thing", request(GIVEN), UsageError, 'flow tcp,actions=drop: bad thing'),
    ("ovs-ofctl: -:1: bad thing", request(GIVEN), UsageError, 'flow ip,actions=drop: bad thing'),
    ("ovs-ofctl: -:3: bad thing", request(GIVEN), UsageError, "flow 3: bad thing"),
    ("ovs-ofctl: -:0: bad thing", request(GIVEN), UsageError, "flow 0: bad thing"),
    ("ovs-ofctl: <stdin>:1: bad thing", request(OF_FILE), UsageError, "my.flows:1: bad thing"),
    ("ovs-ofctl: /dev/stdin:1: bad thing", request(OF_FILE, "ip"), UsageError, "my.flows:1: bad thing"),
    ("ovs-ofctl: -:1: bad thing", request(GIVEN, "ip"), UsageError, "match ip: bad thing"),
    ("ovs-ofctl: -:1: bad thing", request(match="ip"), UsageError, "match ip: bad thing"),
    ("ovs-ofctl: -:1: bad thing", request(), UsageError, "bridge br0: bad thing"),
    ("ovs-ofctl: bad match", request(match='in_port="\\u0061"'), UsageError, 'match "in_port=\\"a\\"": bad match'),
    ("ovs-ofctl: bad match", request(), Refused, "ovs-ofctl: bad match"),
    ("", request(), Refused, "ovs-ofctl: failed without an error message"),
    ("", request(match="ip"), Refused, "ovs-ofctl: failed without an error message"),
    ("ovs-ofctl: none of the usable flow formats (x) is among the allowed flow formats (y)", request(GIVEN), Refused,
     "flows: no version of OpenFlow from 1.3 on can express all of this; nothing was changed; try: a match on the protocol whose fields an action "
     "changes, such as ip"),
    ("ovs-ofctl: none of the usable flow formats (x)", request(OF_FILE, protocols=("OpenFlow13",)), Refused,
     "my.flows: no version of OpenFlow from 1.3 on, of those that the bridge allows (OpenFlow13) can express all of this; nothing was changed; "
     "try: a match on the protocol whose fields an action changes, such as ip"),
    ("ovs-ofctl: none of the usable flow formats (x)", request(match="ip"), Refused,
     "match ip: no version of OpenFlow from 1.3 on can express all of this; nothing was changed"),
    ("ovs-ofctl: br0: failed to connect to socket (Connection refused)", request(), Unreachable,
     "bridge br0: its management socket does not answer (Connection refused); try: is ovs-vswitchd running?"),
    ("ovs-ofctl: br0 is not a bridge or a socket", request(), Unreachable,
     "bridge br0: its management socket does not answer; try: is ovs-vswitchd running?"),
    *((f"ovs-ofctl: {word}", request(), Unreachable, "bridge br0: its management socket does not answer; try: is ovs-vswitchd running?")
      for word in ("Connection reset", "Broken pipe", "End of file")),
    ("ovs-ofctl: failed to connect to socket (Permission denied)", request(), Unreachable,
     "bridge br0: permission denied; try: sudo ovstool, or a user who may open the socket"),
    ("ovs-ofctl: -:1: unknown action delete_field", request(GIVEN, version="2.13.8"), Refused,
     'flow ip,actions=drop: delete_field needs Open vSwitch 2.14 or newer, and this is 2.13.8'),
    ("ovs-ofctl: -:1: unknown action delete_field", request(GIVEN, version="2.14.0"), UsageError, 'flow ip,actions=drop: unknown action delete_field'),
    ("ovs-ofctl: -:1: tun_gtpu_flags?", request(GIVEN, version="2.13.0"), Refused,
     'flow ip,actions=drop: tun_gtpu_flags needs Open vSwitch 2.14 or newer, and this is 2.13.0'),
    ("ovs-ofctl: -:1: tun_gtpu_msgtype?", request(GIVEN, version="2.13.0"), Refused,
     'flow ip,actions=drop: tun_gtpu_msgtype needs Open vSwitch 2.14 or newer, and this is 2.13.0'),
    ("ovs-ofctl: -:1: Encap hdr not supported", request(GIVEN, version="2.16.1"), Refused,
     'flow ip,actions=drop: encap(mpls) needs Open vSwitch 2.17 or newer, and this is 2.16.1'),
    ("ovs-ofctl: -:1: Encap hdr not supported", request(GIVEN, version="3.0.1"), UsageError, 'flow ip,actions=drop: Encap hdr not supported'),
    ("ovs-ofctl: -:1: Encap hdr not supported", request(GIVEN, version="?"), UsageError, 'flow ip,actions=drop: Encap hdr not supported'),
    (f"Error OFPBAC_TOO_MANY for: OFPT_FLOW_MOD (OF1.5) (xid=0x5): ADD {'x' * 200}", request(), Refused,
     f"flow {'x' * 200}: it has too many actions (OFPBAC_TOO_MANY); nothing was changed"),
    (f"Error OFPBAC_TOO_MANY for: OFPT_FLOW_MOD (OF1.5) (xid=0x5): ADD {'x' * 201}", request(), Refused,
     f"flow {'x' * 200}...: it has too many actions (OFPBAC_TOO_MANY); nothing was changed"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "to", "kind", "made"), SAID, ids=range(len(SAID)))
def test_what_ovs_ofctl_says(said, to, kind, made):
    error = ofctl_errors.explained(said, to)
    assert isinstance(error, OvstoolError) and (type(error), str(error)) == (kind, made)


LOG = "2026-11-20T16:00:00Z|00001|ofp_match|INFO|"


def test_log_lines_are_not_part_of_ovs_ofctls_errors():
    stderr = f"{LOG}hello\novs-ofctl: one \novs-appctl: br0: server returned an error\n ovs-appctl: two\n"
    assert ofctl_errors.message(stderr) == "one ovs-appctl: two"
    assert ofctl_errors.message("ovs-appctl: two\n") == "two"
    assert ofctl_errors.at_line("ovs-ofctl: -:12: a: b") == (12, "a: b") and ofctl_errors.at_line("ovs-ofctl: x:12: a") is None
    changed = f"{LOG}normalization changed ofp_match, details:\n{LOG} pre: nw_dst=1.1.1.1: x\n{LOG}post: y\n"
    assert list(ofctl_errors.reduced_matches(f"hello\n{changed}{changed}")) == [("nw_dst=1.1.1.1: x", "y")] * 2
    assert list(ofctl_errors.reduced_matches(changed.replace(f"{LOG}post", "post"))) == []


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("eth1", '"eth1"'), ("a b", '"a\\u0020b"'), ("action", '"\\u0061ction"'), ("myactions", '"my\\u0061ctions"'), ("é", '"\\u00e9"'),
        ("\uffff", '"\\uffff"'), ("\U00010000", '"\\ud800\\udc00"'), ("\U0001f600", '"\\ud83d\\ude00"'), ('"\\', '"\\u0022\\u005c"'),
    ],
)  # fmt: skip
def test_a_name_in_quotes_holds_letters_and_digits_alone(name, quoted):
    assert names.safely_quoted(name) == quoted
    written = f"in_port={quoted},ip"
    assert names.escaped(names.unescaped(written)) == written
    assert names.with_numbers(written, {name: "7"}) == "in_port=7,ip"
    assert names.with_names("in_port=7", {"7": "eth1"}) == "in_port=eth1"


def test_text_that_is_not_a_name_is_unchanged():
    for odd in ('in_port="\\x"', 'in_port="\\ud800"', 'in_port="a', "in_port=eth1"):
        assert names.escaped(odd) == names.unescaped(odd) == odd
    assert names.with_numbers('in_port="\\x" actions=output:"b"', {"b": "2"}) == 'in_port="\\x" actions=output:2'
    assert names.escaped('in_port="a\tb"') == 'in_port="a\\u0009b"'


@pytest.mark.parametrize("word", ["in_port", "table", "normal", "flood", "all", "controller", "local", "any", "none", "unset"])
def test_reserved_ports_come_before_ports_of_that_name(word):
    assert names.with_numbers(f"actions=output:{word.upper()}", {"eth1": "1"}) == f"actions=output:{word.upper()}"
    assert names.with_names("in_port=1", {"1": word}) == f'in_port="{word}"'
    assert names.with_numbers(f'actions=output:"{word}"', {word: "1"}) == "actions=output:1"
    with pytest.raises(names.AmbiguousName):
        names.with_numbers(f"actions=output:{word.upper()}", {word: "1"})
    assert names.with_numbers("actions=output:7,enqueue:7:3", {"7": "9", word: "1"}) == "actions=output:7,enqueue:7:3"


@pytest.mark.parametrize(
    "place",
    ["in_port={}", "actset_output={}", "actions=sample(probability=1,sampling_port={})", "actions=output:{}", "actions=output(port={},max_len=5)",
     "actions=enqueue:{}:5", "actions=resubmit:{}", "actions=resubmit({},5)", "actions=bundle(x,members:{},{})", "actions=bundle(x,slaves:{},{})",
     "actions=set_field:{}->in_port"],
)  # fmt: skip
def test_where_a_port_may_be_named(place):
    assert names.with_names(place.replace("{}", "5"), {"5": "eth-5"}) == place.replace("{}", '"eth-5"')
    assert names.with_numbers(place.replace("{}", "eth5"), {"eth5": "5"}) == place.replace("{}", "5")


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("", []), (" , \t", []), ("ip", [("ip", "", "ip")]), ("a=1,b:2 c(3)d", [("a", "1", "a=1"), ("b", "2", "b:2"), ("c", "3", "c(3)"), ("d", "", "d")]),
        ("a(b,(c),d)->e=(f,g),h", [("a", "b,(c),d)->e=(f,g)", "a(b,(c),d)->e=(f,g)"), ("h", "", "h")]), ("a=(1,2),b", [("a", "(1,2)", "a=(1,2)"), ("b", "", "b")]),
        ("a(b", [("a", "b", "a(b")]), ("a=b)c,d", [("a", "b)c", "a=b)c"), ("d", "", "d")]), ("a=)(b,c),d", [("a", ")(b,c)", "a=)(b,c)"), ("d", "", "d")]),
        ('in_port="a,b=(c",ip', [("in_port", '"a\\u002cb\\u003d\\u0028c"', 'in_port="a\\u002cb\\u003d\\u0028c"'), ("ip", "", "ip")]),
        ("a\rb\nc", [("a", "", "a"), ("b", "", "b"), ("c", "", "c")]),
    ],
)  # fmt: skip
def test_words(match, found):
    assert lexer.words(match) == [Word(*each) for each in found]


def test_what_stands_before_the_actions():
    assert lexer.before_actions('in_port="action#",ip,actions=drop # x') == 'in_port="\\u0061ction\\u0023",ip,'
    assert lexer.before_actions("ip # action") == "ip "
    assert lexer.without_comment("  ip,actions=drop # x ") == "ip,actions=drop"
    assert (
        lexer.probe("table=1,send_flow_rem,cookie=5,reset_counts,ip,priority=7,actions=output:1", 9)
        == "table=1,ip,priority=7,cookie=9,actions=drop"
    )
    flags = ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"]
    assert lexer.flags(f"{','.join(flags)},ip,actions=drop") == set(flags)
    assert lexer.flags("ip,actions=learn(send_flow_rem)") == set() == lexer.flags("ip")


@pytest.mark.parametrize("word", ["in_port", "in_port_oxm", "actset_output", "out_port"])
def test_names_with_odd_signs_are_put_in_quotes(word):
    assert lexer.with_names_quoted(f"{word}=eth-1.5,ip") == f"{word}=eth-1.5,ip"
    assert lexer.with_names_quoted(f"{word}=a#b,ip") == f'{word}="a\\u0023b",ip'
    assert lexer.with_names_quoted(f"{word}=myaction") == f'{word}="my\\u0061ction"'
    assert lexer.with_names_quoted(f'{word}="a#b"') == f'{word}="a\\u0023b"'
    assert lexer.with_names_quoted(f"{word}=,reg0=a#b") == f"{word}=,reg0=a#b"


@pytest.mark.parametrize(
    ("lines", "file", "kept"),
    [
        (["ip,actions=drop"], None, ["ip,actions=drop"]),
        (["add ip,actions=drop"], None, ["ip,actions=drop"]),
        (["add,\tip,actions=drop # x"], None, ["ip,actions=drop"]),
        (["addip,actions=drop"], None, ["addip,actions=drop"]),
        (["# none", "", "ip,actions=drop # x"], "f", ["# none", "", "ip,actions=drop # x"]),
    ],
)
def test_flows_that_were_given(lines, file, kept):
    given = GivenFlows.checked(lines, file)
    assert (list(given.lines), given.file, given.text) == (kept, file, "".join(f"{line}\n" for line in kept))


@pytest.mark.parametrize(
    ("lines", "file", "why"),
    [
        ([], None, "flow: contains no flows"), (["#", ""], "f", "f: contains no flows"), ([""], None, 'flow "": not exactly one flow'),
        (["ip,actions=drop\nip,actions=drop"], None, 'flow "ip,actions=drop\\nip,actions=drop": not exactly one flow'), (["# x"], None, 'flow "# x": not exactly one flow'),
        *(([f"{word} ip"], "f", f"f:1: {word} is not a flow to add; try: ovstool flow del, or ovs-ofctl add-flows")
          for word in ("a", "ad", "modify", "modify_strict", "delete", "delete_strict", "d", "mod", "delete_s")),
        (["ip", 'in_port="a#",dl_vlan=5000,actions=drop'], "f", "f:2: dl_vlan=5000 does not fit: 0 to 4095, or 0xffff for packets without a VLAN"),
    ],
)  # fmt: skip
def test_invalid_flows_to_add(lines, file, why):
    with pytest.raises(UsageError) as error:
        GivenFlows.checked(lines, file)
    assert str(error.value) == why


def test_flows_with_names_are_escaped_line_by_line():
    given = GivenFlows(['in_port="a#b",actions=drop', "ip,actions=drop"], "f")
    assert given.text == 'in_port="a\\u0023b",actions=drop\nip,actions=drop\n'


def test_two_flows_with_one_match():
    different = ["ip,actions=drop", "ip,priority=5,actions=drop", "ip,table=1,actions=drop", "tcp,actions=drop"]
    GivenFlows(different).require_different()
    for word in ("cookie=5", "idle_timeout=5", "hard_timeout=5", "importance=5", "send_flow_rem", "no_byte_counts"):
        with pytest.raises(UsageError) as error:
            GivenFlows([*different, f"{word},tcp,actions=NORMAL"]).require_different()
        shown = f"flow {word},tcp,actions=NORMAL: has the same match as another flow, tcp,actions=drop; try: only one of them"
        assert str(error.value) == shown


@pytest.mark.parametrize(
    ("printed", "readable"),
    [
        ("set_field:0x5/0xf->reg0", "load:0x5->reg0[0..3]"), ("set_field:0x50/0xf0->reg0", "load:0x5->reg0[4..7]"), ("set_field:0x1/0x1->reg0", "load:0x1->reg0[0..0]"),
        ("set_field:0x5/0x5->reg0", "set_field:0x5/0x5->reg0"), ("set_field:0x10/0xf->reg0", "set_field:0x10/0xf->reg0"), ("set_field:5/0->reg0", "set_field:5/0->reg0"),
        ("set_field:0x5/0xf->vlan_vid", "set_field:0x5/0xf->vlan_vid"), ("set_field:ANY->reg0", "set_field:0/0->reg0"), ("set_field:ANY->in_port", "set_field:ANY->in_port"),
        ("set_field:::1/64->ipv6_src", "set_field:::1/64->ipv6_src"), ("set_field:::1/::f->ipv6_src", "load:0x1->ipv6_src[0..3]"),
        ("set_field:1:2:3/4:5:6->eth_src", "set_field:1:2:3/4:5:6->eth_src"), ("gtpu_flags=5,gtpu_msgtype=6", "tun_gtpu_flags=5,tun_gtpu_msgtype=6"),
        ("tun_gtpu_flags=5", "tun_gtpu_flags=5"), ("ip actions=drop", "ip actions=drop"),
    ],
)  # fmt: skip
def test_output_that_ovs_ofctl_cannot_read(printed, readable):
    assert spelling.readable(printed) == readable


def test_errors_about_its_own_output():
    for said in ("invalid mask for field", "ANY: bad syntax", "unknown keyword gtpu_flags", "x: invalid IPv6 address"):
        assert spelling.is_unreadable(f"ovs-ofctl: -:1: {said}")
    assert not spelling.is_unreadable("ovs-ofctl: -:1: unknown keyword x")


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ("load:0x1->xxreg0[0..63],load:0x2->xxreg0[64..127]", "load:0x20000000000000001->xxreg0[0..127]"),
        ("load:0x1->xxreg0[8..71],load:0->xxreg0[72..79],output:1", "load:0x1->xxreg0[8..79],output:1"),
        ("load:0x1->xxreg0[0..63],load:0x1->xxreg0[64]", "load:0x10000000000000001->xxreg0[0..64]"),
        ("load:0x1->xxreg0[0..63],load:0x2->xxreg1[64..127]", "load:0x1->xxreg0[0..63],load:0x2->xxreg1[64..127]"),
        ("load:0x1->xxreg0[0..62],load:0x2->xxreg0[63..127]", "load:0x1->xxreg0[0..62],load:0x2->xxreg0[63..127]"),
        ("load:0x1->xxreg0[0..61],load:0x2->xxreg0[64..127]", "load:0x1->xxreg0[0..61],load:0x2->xxreg0[64..127]"),
        ("load:0x1->reg0[0..3]", "load:0x1->reg0[0..3]"),
    ],
)  # fmt: skip
def test_parts_of_a_long_load(parts, joined):
    assert spelling.with_joined_loads(parts) == joined


def test_the_normal_form_of_a_flow():
    lengths = spelling.option_lengths(" class  type  length  match field\n 0xffff  0x1  4  tun_metadata0\n 0xffff 0x2 1 tun_metadata12\n")
    assert lengths == {"0": 4, "12": 1}
    for given, kept in (
        ("set_field:0x1122334455->tun_metadata0", "set_field:0x22334455->tun_metadata0"),
        ("set_field:0x1ff/0xf0f->tun_metadata12", "set_field:0xff/0xf->tun_metadata12"),
        ("set_field:0x1/0xffff->tun_metadata12", "set_field:0x1->tun_metadata12"),
        ("set_field:0x1122->tun_metadata3", "set_field:0x1122->tun_metadata3"),
        ("load:0x1->NXM_NX_TUN_FLAGS[]", "set_field:oam->tun_flags"),
        ("load:0->NXM_NX_TUN_FLAGS[]", "set_field:0->tun_flags"),
        ("output:1", "output:1"),
    ):
        assert spelling.canonical(f"table=1 ip idle_timeout=5 cookie=0x3 actions={given} ", lengths) == (
            "table=1 ip",
            "cookie=0x3 idle_timeout=5",
            kept,
        )


def test_the_cache_of_flows_is_limited():
    row = text.FlowRow(0, 1, "0x0", 0, 0, 0.0, "x" * 2**20, "y" * (2**20 - 64))
    assert len(list(text.bounded([row] * 64))) == 64
    with pytest.raises(Refused, match="too many flows: more than 128 MiB of them"):
        list(text.bounded([row] * 65))
    small = row._replace(match="x", actions="")
    assert list(text.bounded([small])) == [small]


def test_parts_of_a_flow_of_a_difference():
    assert text.table_and_priority("table=5 priority=1,ip actions=drop") == "table=5 priority=1"
    assert text.table_and_priority("priority=1,ip actions=drop") == "priority=1"
    assert text.table_and_priority("ip actions=drop") == ""
    assert text.match_of("table=5 priority=1,ip cookie=0x3 actions=drop") == "ip" and text.match_of("priority=1 actions=drop") == ""
    assert text.expires("ip idle_timeout=5 actions=drop") and not text.expires("ip actions=learn(idle_timeout=5)")
    assert (
        text.openflow_version("OFPST_FLOW reply (OF1.5) (xid=0x2):") == "1.5"
        and text.openflow_version("NXST_FLOW reply (xid=0x4):") == "1.0"
    )
    assert text.port_numbers(" LOCAL(br0): addr:x\n 1(a (b)): addr:y\n     config: 0\n") == {"br0": "LOCAL", "a (b)": "1"}


def test_a_match_with_names_as_objects():
    assert objects.of_match('in_port="a,b",ip') == {"in_port": '"a,b"', "ip": True}
    assert objects.of_match("") == {} and objects.of_match("ip") == {"ip": True}
    assert objects.of_actions("drop") == [{"drop": True}]


def test_commas_in_parentheses_do_not_separate_actions():
    several = objects.of_actions("ct(commit,nat(src=10.0.0.1),zone=5),resubmit(,3),output:2")
    assert [list(action) for action in several] == [["ct"], ["resubmit"], ["output"]]
    assert (several[0]["ct"]["zone"], several[1]["resubmit"], several[2]["output"]) == (5, {"port": "", "table": 3}, {"port": 2})
    assert [list(action) for action in objects.of_actions('output:"a,b(",output:1')] == [["output"], ["output"]]


def test_fields_of_a_match_as_objects():
    match = objects.of_match("ipv6,ipv6_src=2001:db8::1:2:3,dl_src=0a:01:02:03:04:05,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00")
    assert match == {
        "ipv6": True, "ipv6_src": "2001:db8::1:2:3/128", "dl_src": "0a:01:02:03:04:05", "dl_dst": "01:00:00:00:00:00/01:00:00:00:00:00",
    }  # fmt: skip
