"""What documents own, as a text and back."""

import pytest

from ovstool.document import fields, reading
from ovstool.document.ownership import records


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("port", {()}), ("tag", {("tag",)}), ("port, tag", {(), ("tag",)}), ("qos, qos.queues.0.min", {("qos",), ("qos", "queues", "0", "min")}),
        ('external_ids."a.b", external_ids."c, \\"\\\\"', {("external_ids", "a.b"), ("external_ids", 'c, "\\')}),
        ('external_ids."\\u00fc\\n"', {("external_ids", "ü\n")}), ('external_ids.""', {("external_ids", "")}), ("options.peer", {("options", "peer")}),
    ],
)  # fmt: skip
def test_a_record(text, paths):
    assert records.parsed(text, True) == paths
    assert records.written(frozenset(paths), True) == text


@pytest.mark.parametrize(
    "text", ["", " ", "tag,mtu", "tag, ", "tag.", ".tag", "tag mtu", '"tag', 'external_ids."\\q"', "tag\n", "tag, \0", 'x"y"']
)
def test_no_record(text):
    assert records.parsed(text, True) == frozenset()


def test_what_is_no_setting_is_left_out():
    assert records.parsed("tag, nosuch, qos.nosuch, qos.queues, bond, bridges, tag.x, external_ids, external_ids.a.b, bridge", True) == {
        ("tag",)
    }
    assert records.parsed("bridge, mirrors.m, mirrors.m.nosuch, tag, sflow", False) == {(), ("mirrors", "m"), ("sflow",)}


def test_only_what_a_row_has_counts():
    ids = {
        "ovstool-document-a": "tag",
        "ovstool-document-": "tag",
        "ovstool-document-x y": "tag",
        "other": "tag",
        "ovstool-document-b": "?",
    }
    assert records.of_row(ids, fields.PORT) == {"a": {("tag",)}}


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("rack1.yaml", "", "rack1"), ("rack1.v2.yml", "", "rack1.v2"), ("a.json", "", "a"), ("plain", "", "plain"), ("a b.yaml", "", None), (".yaml", "", None),
        ("x" * 70, "", None), ("rack1.yaml", "name: other\n", "other"), ("rack1.yaml", "name: 012\n", "012"), ("rack1.yaml", "name: null\n", None),
    ],
)  # fmt: skip
def test_the_name_of_a_document(tmp_path, file, text, name):
    (tmp_path / file).write_text(f"{text}bridges: {{}}\n")
    assert reading.read_file(str(tmp_path / file), 5).read({}) == (reading.Document({}, {}, name), [])


def test_what_is_no_file_has_no_name(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("bridges: {}")
    with open(tmp_path / "a.yaml") as file:
        assert reading.read_file(f"/dev/fd/{file.fileno()}", 5).read({})[0].name is None
        assert reading.read_file(f"/proc/self/fd/{file.fileno()}", 5).read({})[0].name is None
