"""The JSON Schema of documents: what it accepts is what a document may say."""

import json
import re

import pytest
import yaml
from test_document_reading import WHOLE, read

from ovstool.document import schema

KINDS = {
    int: ("integer", "number"),
    float: ("number",),
    str: ("string",),
    bool: ("boolean",),
    type(None): ("null",),
    list: ("array",),
    dict: ("object",),
}


def accepts(found, value) -> bool:
    """Whether a JSON Schema of draft 7 accepts a value; only what ours has."""
    if isinstance(found, bool):
        return found
    if "anyOf" in found:
        return any(accepts(one, value) for one in found["anyOf"])
    if "enum" in found:
        return value in found["enum"]
    if "type" in found and not {*KINDS[type(value)]} & {*([found["type"]] if isinstance(found["type"], str) else found["type"])}:
        return False
    if isinstance(value, dict):
        known, others = found.get("properties", {}), found.get("additionalProperties", True)
        names = found.get("propertyNames", {})
        return all(accepts(names, name) and accepts(known.get(name, others), inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(accepts(found.get("items", True), item) for item in value)
    if isinstance(value, str):
        return re.search(found.get("pattern", ""), value) is not None
    return value is None or found.get("minimum", value) <= value <= found.get("maximum", value)


def accepted(text: str) -> bool:
    """Whether the schema accepts a document in YAML; JSON has no keys but texts."""
    return accepts(schema.schema(), json.loads(json.dumps(yaml.safe_load(text))))


def test_what_an_editor_reads_first():
    found = schema.schema()
    assert (found["$schema"], found["title"]) == ("http://json-schema.org/draft-07/schema#", "ovstool: bridges and ports of Open vSwitch")
    bridges = found["properties"]["bridges"]
    assert (bridges["description"], bridges["additionalProperties"]["description"]) == ("bridges by name", "a bridge")


@pytest.mark.parametrize(
    "text",
    [
        WHOLE, "bridges: {}", "name: null", "name: edge-1", "bridges: {br0: }", "bridges: {br0: {fail_mode: null}}",
        "bridges: {br0: {external_ids: {a: true, b: null, c: 5, d: x}}}", "bridges: {br0: {other_config: null, sflow: null, protocols: null}}",
        "bridges: {br0: {flows: ['actions=drop']}}", "bridges: {br0: {ports: {p: {qos: null, police: null, vlan_mode: access, tag: 4095}}}}",
    ],
)  # fmt: skip
def test_what_a_document_may_say(text):
    assert accepted(text) and read(text).errors == []


@pytest.mark.parametrize(
    "of_bridge",
    [
        "unknown: 5", "fail_mode: x", "external_ids: {a: {b: c}}", "external_ids: {a: [b]}", "external_ids: [a]", "external_ids: x",
        "protocols: OpenFlow13", "protocols: [{}]", "flows: null", "mirrors: null", "ports: null", "mirrors: [m0]",
        "mirrors: {m0: {select_all: maybe}}", "sflow: x", "sflow: {collectors: null}", "sflow: {unknown: 5}", "ports: {p: {tag: 4096}}",
        "ports: {p: {tag: -1}}", "ports: {p: {tag: x}}", "ports: {p: []}", "ports: {p: {unknown: 5}}", "ports: {p: {trunks: [x]}}",
        "ports: {p: {vlan_mode: x}}", "ports: {p: {qos: {queues: {x: }}}}", "ports: {p: {qos: {queues: null}}}", "ports: {p: {qos: {type: null}}}",
        "ports: {p: {bond: {interfaces: null}}}", "ports: {p: {mtu: true}}",
    ],
)  # fmt: skip
def test_what_no_document_may_say(of_bridge):
    text = f"bridges: {{br0: {{{of_bridge}}}}}"
    assert not accepted(text) and read(text).errors != []


@pytest.mark.parametrize(
    ("of_port", "wrong"),
    [
        ("tag: '${v}'", "tag: '$v'"), ("vlan_mode: 'native-${v}'", "vlan_mode: native-"), ("vlan_mode: '${v}'", "vlan_mode: 5"),
        ("trunks: [5, '${v}']", "trunks: [5, v]"), ("mtu: '${v}'", "mtu: '1500'"), ("peer: 'x${v}'", "peer: [x]"),
        ("qos: {queues: {'${q}': {min: '${v}'}}}", "qos: {queues: {q: {}}}"), ("options: {a: '${v}'}", "options: '${v}'"),
    ],
)  # fmt: skip
def test_a_parameter_in_place_of_a_value(of_port, wrong):
    assert accepted(f"bridges: {{br0: {{ports: {{p: {{{of_port}}}}}}}}}")
    assert not accepted(f"bridges: {{br0: {{ports: {{p: {{{wrong}}}}}}}}}")


def test_a_parameter_in_a_name_and_a_switch():
    assert accepted("name: 'edge-${host}'") and not accepted("name: 'a b'") and not accepted("name: []")
    assert accepted("bridges: {br0: {mirrors: {m0: {select_all: '${v}'}}}}")
