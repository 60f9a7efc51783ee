"""Documents: what they declare, and every error of one at once, with its line and column."""

import io
import json
import os
import re

import pytest
import yaml

from ovstool.document import fields, kinds, reading, rules, schema
from ovstool.errors import TimedOut, UsageError

WHOLE = """\
bridges:
  br0:
    datapath_type: netdev
    fail_mode: secure
    protocols: [OpenFlow13]
    controllers: ["tcp:10.0.0.1:6653"]
    external_ids: {k: v}
    sflow: {collectors: ["10.0.0.5:6343"], agent: eth0, sampling: 400, polling: 30, header: 128}
    mirrors: {m0: {select_all: true, output_port: eth2}}
    ports:
      eth1:
        trunks: [5-7, 1]
        qos: {type: htb, max_rate: 200mbit, queues: {0: {min: 100mbit}, 1: {}, 2: null}}
        police: {rate: 10mbit}
      eth2: {tag: null, external_ids: {a: null, b: "null", c: ""}}
      vx1: {type: vxlan, remote_ip: 192.0.2.7, key: 42}
      br0:
"""


def read(text):
    return reading.read("page.yaml", text.encode() if isinstance(text, str) else text)


def errors(text):
    return [str(error).removeprefix("page.yaml:") for error in read(text).errors]


def port(text, name="p"):
    """The settings of a port given by what is written for it."""
    found = read(f"bridges: {{br0: {{ports: {{{name}: {text}}}}}}}")
    assert found.errors == []
    return next(iter(found.document.bridges["br0"].ports.values())).settings


def test_a_whole_document():
    document, found = read(WHOLE)
    assert found == []
    bridge = document.bridges["br0"]
    assert bridge.entry.settings[("controllers",)] == ("tcp:10.0.0.1:6653",)
    assert bridge.entry.settings[("mirrors", "m0", "select_all")] is True
    assert bridge.ports["eth1"].settings == {
        ("trunks",): (1, 5, 6, 7), ("qos", "type"): "linux-htb", ("qos", "max_rate"): 200_000_000, ("qos", "queues", "0"): True,
        ("qos", "queues", "0", "min"): 100_000_000, ("qos", "queues", "1"): True, ("qos", "queues", "2"): None, ("police", "rate"): 10_000_000,
    }  # fmt: skip
    assert bridge.ports["eth2"].settings == {
        ("tag",): None, ("external_ids", "a"): None, ("external_ids", "b"): "null", ("external_ids", "c"): ""
    }  # fmt: skip
    assert bridge.ports["vx1"].settings == {("type",): "vxlan", ("options", "remote_ip"): "192.0.2.7", ("options", "key"): "42"}
    assert bridge.ports["br0"].settings == {}


def test_json_is_yaml():
    assert read(json.dumps(yaml.safe_load(WHOLE))).document.bridges["br0"].ports["eth1"].settings[("trunks",)] == (1, 5, 6, 7)


@pytest.mark.parametrize("name", ["on", "012x", "1e3", "yes", "2024-01-01", "1:30", "0x1g", "Null", "~"])
def test_a_name_is_the_text_as_typed(name):
    assert list(read(f"bridges:\n  br0:\n    ports:\n      {name}: {{tag: 5}}\n").document.bridges["br0"].ports) == [name]
    assert port(f"{{external_ids: {{k: {name}}}}}")[("external_ids", "k")] in (name, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{tag: 012}", "012: not a whole number from 0 to 4095; try: 12"),
        ("{tag: 0x10}", "0x10: not a whole number from 0 to 4095"),
        ("{tag: 1_0}", "1_0: not a whole number from 0 to 4095"),
        ("{tga: 5}", "unknown field tga; try: tag"),
        ("{vlan-mode: trunk}", "unknown field vlan-mode; try: vlan_mode"),
        ("{tag: }", "tag has no value; try: a value, null to remove it, or a document without this line"),
        ("{tag: [5]}", "a list where a single value should be"),
        ("{trunks: 5}", "5 where a list should be"),
        ("{trunks: [9-5]}", "9-5: a range starts with the lower VLAN; try: 5-9"),
        ("{external_ids: [a]}", "a list where keys (KEY: VALUE) should be"),
        ("{external_ids: {a: }}", 'a has no value; try: a value, "" for an empty one, or null to remove the key'),
        ("{qos: {max_rate: 10mbps}}", "10mbps: 10 megabits is 10mbit; 10 megabytes, as tc reads it, is 80mbit"),
        ("{qos: {type: htbb}}", "htbb: not one of htb, hfsc, sfq, codel, fq_codel, netem, noop, egress-policer, trtcm-policer; try: htb"),
        ("{qos: {type: null}}", "type has no value; try: a value"),
        ("{qos: {type: sfq, max_rate: 1mbit}}", "max_rate: linux-sfq does not support it: it shares the link among flows; "
                                                "try: type: linux-htb or other_config: perturb=N"),
        ("{qos: {queues: {0: {min: 2mbit, max: 1mbit}}}}", "queue 0: its min is above its max"),
        ("{qos: {queues: {x: {}}}}", "x: not a whole number from 0 to 4294967294"),
        ("{police: {rate: 1500}}", "1.5kbit: policing is in kbit/s, so this value cannot be set exactly; try: 1kbit or 2kbit"),
        ("{police: {burst: 2mbit}}", "police: a limit is missing; try: rate: 10mbit or packet_rate: 1000"),
        ("{tag: 5, trunks: [6]}", "port p: has a tag, so Open vSwitch ignores its trunks; "
                                  "try: no tag, no trunks, or both with vlan_mode: native-untagged"),
        ("{vlan_mode: native-tagged}", "port p: VLAN mode native-tagged needs a native VLAN; try: tag: N"),
        ("{type: vxlan}", "port p: vxlan needs the option remote_ip; try: remote_ip: IP"),
        ("{type: gre, remote_ip: 1.2.3.4, options: {tsl: 4}}", "port p: gre has no option tsl; "),
        ("{peer: p}", "port p: is its own peer; "),
        ('{remote_ip: ""}', '"": empty; try: 192.0.2.7'),
        ("{police: {packet_rate: 0}}", "0: not a whole number from 1 to "),
        ("{type: vxlan, remote_ip: 1.2.3.4, mtu: 1400}", "port p: a tunnel has no MTU of its own (vxlan): that of the device that carries it counts"),
        ("{bond: {interfaces: [a, b], mode: slb}}", "slb: not one of active-backup, balance-slb, balance-tcp"),
        (r'{external_ids: {a: "b\0c"}}', r'"b\x00c": contains a NUL character, so it is not text'),
        ("{tag: !!int 5}", "a tag, which has no meaning here; try: the value without it"),
        ("null", "null where fields (FIELD: VALUE) should be; try: {}"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_port(text, said):
    [error] = errors(f"bridges:\n  br0:\n    ports:\n      p: {text}\n")
    assert error.startswith("4:") and error.split(": ", 1)[1].startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: empty; try: ovstool export, which writes such a document"),
        ("# nothing\n", "1:1: empty; try: ovstool export, which writes such a document"),
        ("bridges: [br0]\n", "1:10: a list where names (NAME: ...) should be"),
        ("br0: {}\n", "1:1: unknown field br0; try: name, bridges"),
        ("bridges:\n\tbr0: {}\n", "2:1: found character that cannot start any token; try: spaces instead of tabs"),
        ("bridges:\n  br0: {}\n  br0: {}\n", "3:3: br0 is here twice; the first is in line 2; try: one of them"),
        ("bridges: {br0: {ports: {a: {}}}, br1: {ports: {a: {}}}}", "1:48: a is here twice; the first is in line 1; try: one of them"),
        ("bridges: {br0: {ports: {b: {bond: {interfaces: [x, y]}}, x: {}}}}", "1:58: x is here twice; the first is in line 1; try: one of them"),
        ("bridges: {br0: {ports: {br1: {}}}, br1: {}}", "1:25: port br1: is the local port of another bridge; try: peer: PORT, a pair of patch ports"),
        ("bridges: {a-name-that-is-too-long: {}}", "1:11: bridge a-name-that-is-too-long: its local port is a device, and the name of one has "
                                                   "at most 15 bytes; try: a shorter name"),
        ("bridges: &a {br0: *a}\n", "1:19: alias *a contains itself"),
        ("bridges: *a\n", "1:10: there is no anchor &a before this alias"),
        ("bridges: {}\n---\nbridges: {}\n", "2:1: a second document in the same file; try: a file for each"),
        ("bridges: {br0: {other_config: {mac-aging-time: 1}}}", "1:32: other_config mac-aging-time=1: mac-aging-time must be a whole number from 15 to 3600"),
        ("bridges: {br0: {controllers: [10.0.0.1]}}", "1:31: 10.0.0.1: not a controller address such as tcp:192.0.2.1:6653"),
        ("bridges: {br0: {sflow: {collectors: [nosuch.example]}}}", "1:38: nosuch.example: ovs-vswitchd resolves names too late or not at all; "
                                                                   "try: an IP address"),
        ("bridges: {br0: {flows: }}", "1:24: flows has no value; try: [], which deletes all flows, or a document without this line"),
        ("bridges: {br0: {flows: null}}", "1:24: flows has no value; try: [], which deletes all flows, or a document without this line"),
        ("bridges: {br0: {flows: drop}}", "1:24: drop where a list should be"),
        ("bridges: {br0: {flows: [[a]]}}", "1:25: a list where a single value should be"),
        ('bridges: {br0: {flows: ["dl_vlan=5000 actions=drop"]}}', '1:25: flow "dl_vlan=5000 actions=drop": dl_vlan=5000 does not fit: '
                                                                   "0 to 4095, or 0xffff for packets without a VLAN"),
        ("bridges: {br0: {flows: [arp]}}", "1:25: flow arp: has no actions; try: actions=drop, or actions=output:PORT"),
        ('bridges: {br0: {flows: ["arp # actions=drop"]}}', '1:25: flow "arp # actions=drop": has no actions; try: actions=drop, or actions=output:PORT'),
        ("bridges: {br0: {flows: [# all\n delete]}}", "2:2: flow delete: delete is not a flow to add; try: ovstool flow del, or ovs-ofctl add-flows"),
        ("bridges: {br0: {flows: [reset_counts arp actions=drop]}}", '1:25: flow "reset_counts arp actions=drop": reset_counts is a request and '
                                                                     "nothing that a flow has; try: the flow without it"),
        ('bridges: {br0: {flows: ["ip actions=drop\\0"]}}', '1:25: "ip actions=drop\\x00": contains a NUL character, so it is not text'),
        ('bridges: {br0: {flows: ["ip actions=drop\\nip actions=drop"]}}', '1:25: flow "ip actions=drop\\nip actions=drop": not exactly one flow'),
        ('bridges: {br0: {flows: ["ip,tcp_src=1 actions=drop", "cookie=1 tcp_src=1 ip actions=NORMAL"]}}',
         "1:54: the flow in line 1 has the same match; try: only one of them"),
        ("bridges: {br0: {protocols: [OpenFlow10], flows: [arp actions=drop]}}", "1:28: changing all flows or none needs OpenFlow 1.3 or newer; "
                                                                              "try: OpenFlow14 among them"),
        ("name: a b\nbridges: {}", '1:7: "a b": not 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen; try: name: edge-1'),
        ("bridges: {br0: {external_ids: {ovstool-document-a: tag}}}",
         "1:32: ovstool-document-a: such a key has what a document owns; try: ovstool apply, which writes it"),
        ("bridges: {br0: {ports: {iface-id:x: {tag: 5, peer: y}}}}",
         "1:52: port iface-id:x: a port named by its iface-id cannot have peer; try: the name of the port"),
        ("bridges: {br0: {ports: {iface-id:x: {external_ids: {iface-id: y}}}}}",
         "1:53: port iface-id:x: a port named by its iface-id cannot have external_ids.iface-id; try: the name of the port"),
        ("bridges: {br0: {ports: {'iface-id:x': {external_ids: null}}}}",
         "1:54: port iface-id:x: null for all external_ids would remove its iface-id too; try: null for each of the keys"),
        ('bridges: {br0: {ports: {"iface-id:": {}}}}', "1:25: port iface-id:: an iface-id is missing; try: iface-id:ID"),
        ('bridges: {br0: {ports: {"mac:52:54:00:12:34:56": {}}}}', "1:25: port mac:52:54:00:12:34:56: a document names ports by name or "
                                                                   "iface-id, as addresses and OpenFlow port numbers change; try: iface-id:ID"),
        ("bridges: {br0: {ports: {iface-id:x: {}}}, br1: {ports: {iface-id:x: {}}}}",
         "1:57: iface-id:x is here twice; the first is in line 1; try: one of them"),
        ("bridges: {? [a] : {}}", "1:13: a key must be a text; try: KEY: VALUE"),
        ("bridges: {br0: {mirrors: {m: {output_port: a, output_vlan: 5}}}}",
         "1:44: mirror m: has an output_port, so its output_vlan is ignored; try: one of them"),
        ("bridges: {br0: {ports: {p: {type: gre, remote_ip: 1.2.3.4, options: {seq: true, ttl: x}}}}}",
         "1:81: port p: option ttl must be 1 to 255 or inherit, not x"),
        ("bridges: {br0: {ports: {p: {bond: {interfaces: null}}}}}", "1:48: interfaces has no value; try: a value"),
        ("bridges: {br0: {ports: {br0: {remote_ip: 1.2.3.4}}}}",
         "1:42: port br0: option remote_ip is only for tunnels; try: type: vxlan or geneve or gre"),
        ('bridges: {br0: {mirrors: {m: {select_src_ports: [""]}}}}', '1:50: "": empty; try: eth1'),
        (b"\n\xff", "2:1: not UTF-8"),
        ("[" * 200, "1:101: nested more than 100 deep"),
        (b"bridges: {br0: {external_ids: {a: \xff}}}", "1:35: not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_document(text, said):
    assert errors(text)[-1] == said


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("trunk", "trunks"), ("option", "options"), ("controller", "controllers"), ("external-id", "external_ids"), ("queue", "queues"),
        ("max-rate", "max_rate"), ("vlan-mode", "vlan_mode"),
    ],
)  # fmt: skip
def test_errors_about_options_name_fields(option, field):
    error = UsageError("port p set", f"needs --{option}, or --{option} x", f"--{option} x")
    assert rules.in_document(error) == (f"port p: needs {field}, or {field} x", f"{field}: x")
    assert rules.in_document(UsageError("p", "no", f"--take-over or --{option}=x")) == ("p: no", f"--take-over or {field}: x")
    with (
        pytest.raises(UsageError, match=f"^bridge br0: needs {field}; try: ovstool bridge set br0 --{option} x$"),
        rules.worded_for_documents(),
    ):
        raise UsageError("bridge br0", f"needs --{option}", f"ovstool bridge set br0 --{option} x")


def test_all_errors_at_once_in_the_order_of_lines():
    text = "bridges:\n  br0:\n    fail_mode: x\n    ports:\n      e: {tag: 9999, qos: {max_rate: 5}}\n      f: {lacp: 1}\n  br1: {mtu: 5}\n"
    assert [error.split(":")[:2] for error in errors(text)] == [["3", "16"], ["5", "16"], ["5", "38"], ["6", "11"], ["7", "9"]]


def test_flows_keep_their_order_and_their_places():
    text = "bridges:\n  br0:\n    flows:\n    - udp actions=drop # not with a port\n\n    - add arp actions=drop\n    - |\n      ip actions=2\n  br1: {flows: []}\n"
    flows = read(text).document.flows
    assert flows["br0"].lines == ["udp actions=drop", "arp actions=drop", "ip actions=2"] and flows["br1"].lines == []
    assert [flows["br0"].place(number) for number in (1, 2, 3)] == ["page.yaml:4:7", "page.yaml:6:7", "page.yaml:7:7"]


def test_a_tag_that_means_a_text():
    assert port("{external_ids: {k: ! v, l: ! null}}") == {("external_ids", "k"): "v", ("external_ids", "l"): None}


def test_no_flows_need_no_version_of_openflow():
    assert errors("bridges: {br0: {protocols: [OpenFlow10], flows: []}}") == []


def test_a_document_from_standard_input(monkeypatch):
    def given(data: bytes):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return reading.read_file("-", 0)

    document, found = given(b"bridges: {br0: {}}").read({})
    assert (list(document.bridges), document.name, found) == (["br0"], None, [])
    assert str(given(b"br0: {}").read({})[1][0][1]).startswith("standard input:1:1: unknown field br0")
    with pytest.raises(UsageError, match="standard input: larger than 20 MB"):
        given(b"#" * 20_000_001)


def test_a_pipe_that_does_not_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(TimedOut, match="/pipe: "):
            reading.read_file(str(tmp_path / "pipe"), 0.01)
    finally:
        os.close(writer)


def test_a_peer_makes_a_patch_port():
    assert port("{peer: q}") == {("options", "peer"): "q", ("type",): "patch"}
    assert port("{peer: null}") == {("options", "peer"): None}


def test_aliases_and_merges_share_settings():
    text = (
        "bridges:\n  br0:\n    ports:\n      a: &a {tag: 5, mtu: 1400}\n      b: *a\n      c: {<<: *a, tag: 6}\n"
        "      d: {<<: [{tag: 7}, *a]}\n"
    )
    assert [p.settings for p in read(text).document.bridges["br0"].ports.values()] == [
        {("tag",): tag, ("mtu",): 1400} for tag in (5, 5, 6, 7)
    ]


def test_a_bomb_is_refused():
    levels = [f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}" for n in range(1, 12)]
    bomb = "a0: &a0 {x: y}\n" + "\n".join(levels) + "\nbridges: {br0: {external_ids: *a11}}\n"
    merges = "bridges:\n  br0:\n    ports:\n      p0: &p0 {tag: 1}\n" + "".join(
        f"      p{n}: &p{n} {{<<: [{', '.join([f'*p{n - 1}'] * 9)}]}}\n" for n in range(1, 60)
    )
    assert errors(bomb) and "entries after aliases are expanded" in errors(merges)[-1]


def test_a_million_entries_are_refused():
    assert errors("[" + "a," * 1_000_001 + "]")[-1].endswith("too many entries")


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("ports: {p: {tag: $}}", 0, 4095),
        ("ports: {p: {mtu: $}}", 68, 65535),
        ("ports: {p: {qos: {queues: {$: {}}}}}", 0, None),
        ("ports: {p: {qos: {queues: {0: {priority: $}}}}}", 0, None),
        ("ports: {p: {qos: {queues: {0: {dscp: $}}}}}", 0, 63),
        ("sflow: {collectors: [10.0.0.5], sampling: $}", 1, None),
        ("sflow: {collectors: [10.0.0.5], polling: $}", 0, None),
        ("sflow: {collectors: [10.0.0.5], header: $}", 1, None),
        ("mirrors: {m: {output_vlan: $}}", 1, 4095),
        ("mirrors: {m: {snaplen: $}}", 14, 65535),
    ],
)
def test_the_range_of_a_number(field, low, high):
    for number in (low, high or low + 1):
        assert errors(f"bridges: {{br0: {{{field.replace('$', str(number))}}}}}") == []
    for number in {low - 1, (high or low) + 1} - {-1, low + 1}:
        [error] = errors(f"bridges: {{br0: {{{field.replace('$', str(number))}}}}}")
        assert f"{number}: not a whole number from {low} to {high or ''}" in error


def examples(kind):
    """The fields of a kind whose schemas have examples."""
    if isinstance(kind, kinds.Object):
        for field in kind.fields.values():
            yield from examples(field.kind)
    elif isinstance(kind, kinds.List | kinds.Keyed):
        yield from examples(kind.item)
    elif isinstance(kind, kinds.Value):
        yield from ((kind, example) for example in kind.schema.get("examples", ()))


def test_the_examples_of_the_schema_are_right():
    found = [(str(example), kind.parse(str(example))) for kind, example in examples(fields.DOCUMENT)]
    assert {"200mbit", "10.0.0.5:6343", "OpenFlow13", "linux-htb"} <= {example for example, _ in found} and len(found) > 20


def test_the_schema_has_every_field():
    found = schema.schema()
    ports = found["properties"]["bridges"]["additionalProperties"]["properties"]["ports"]
    assert ports["additionalProperties"]["properties"].keys() == fields.PORT.fields.keys()
    assert ports["additionalProperties"]["properties"]["tag"] == {
        "description": "VLAN of an access or dot1q-tunnel port, or the native VLAN", "type": ["integer", "null", "string"],
        "minimum": 0, "maximum": 4095, "pattern": "\\$\\{",
    }  # fmt: skip
    flows = found["properties"]["bridges"]["additionalProperties"]["properties"]["flows"]
    assert (flows["type"], flows["items"]["type"]) == ("array", "string")
    assert re.match(found["properties"]["name"]["pattern"], "edge-1") and not re.match(found["properties"]["name"]["pattern"], "a b")
    assert json.loads(json.dumps(found)) == found
