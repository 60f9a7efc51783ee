"""Parameters of documents: values are texts and nothing else, hosts that have the same are read once, and errors name the hosts."""

import json

import pytest

from ovstool.document import reading, writing
from ovstool.document.parameters import by_host
from ovstool.host.address import Target
from ovstool.host.deadline import Deadline
from ovstool.host.inventory import Source
from ovstool.host.inventory.values import NoValue


def documents(text, **hosts):
    """The documents of hosts by name, and the errors."""
    template = reading.Template("page.yaml", text.encode())
    values = {host: {"host": host, **found} for host, found in hosts.items()}
    found, errors = by_host.documents(template, values)
    return dict(zip(hosts, found, strict=False)), [str(error).removeprefix("page.yaml:") for error in errors]


def port(text, **values):
    """The settings of a port given by what is written for it, or what is wrong with it."""
    found, errors = documents(f"bridges:\n  br0:\n    ports:\n      p: {text}\n", h1=values)
    return errors or found["h1"].bridges["br0"].ports["p"].settings


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ('{tag: "${v}"}', {"v": "10"}, {("tag",): 10}),
        ('{trunks: ["${v}", 7]}', {"v": "10-12"}, {("trunks",): (7, 10, 11, 12)}),
        ('{police: {rate: "${r}mbit"}}', {"r": "10"}, {("police", "rate"): 10_000_000}),
        ('{external_ids: {"${k}": "${host}-${k}"}}', {"k": "x"}, {("external_ids", "x"): "h1-x"}),
        ('{external_ids: {a: "$${host} $ $5 $$", b: "$$${k}"}}', {}, {("external_ids", "a"): "${host} $ $5 $$", ("external_ids", "b"): "$${k}"}),
        ('{external_ids: {a: "${v}"}}', {"v": "${host}"}, {("external_ids", "a"): "${host}"}),  # a value is not searched again
        ('{external_ids: {a: "${v}"}}', {"v": "{b: c}"}, {("external_ids", "a"): "{b: c}"}),
        ('{external_ids: {a: "${v}", b: "${n}"}}', {"v": "", "n": "null"}, {("external_ids", "a"): "", ("external_ids", "b"): "null"}),
        ('{external_ids: {"${m}": x}}', {"m": "<<"}, {("external_ids", "<<"): "x"}),
        ('{tag: "${v}"}', {"v": "null"}, ["4:16: null: not a whole number from 0 to 4095"]),
        ('{tag: "${v}"}', {"v": ""}, ['4:16: "": not a whole number from 0 to 4095']),
        ('{qos: "${v}"}', {"v": "null"}, ["4:16: null where fields (FIELD: VALUE) should be"]),
        ('{trunks: "${v}"}', {"v": "[1, 2]"}, ['4:19: "[1, 2]" where a list should be']),
    ],
)  # fmt: skip
def test_a_value_is_a_text(text, values, expected):
    assert port(text, **values) == expected


def test_without_quotes_outside_of_braces():
    found, errors = documents("bridges:\n  br0:\n    ports:\n      eth${n}:\n        tag: ${v}\n", h1={"n": "1", "v": "5"})
    assert errors == [] and found["h1"].bridges["br0"].ports["eth1"].settings == {("tag",): 5}
    [error] = documents("bridges: {br0: {ports: {p: {tag: ${v}}}}}", h1={"v": "5"})[1]
    assert error.startswith("1:35: ") and "quotes around" in error


@pytest.mark.parametrize("text", ["${", "${a", "${}", "${a-b}", "${a.b}", "${ a }", "${1}", "x${a b}y", "${é}"])
def test_what_looks_like_a_parameter_and_is_none(text):
    [error] = port(f'{{tag: "{text}"}}')
    assert error.startswith("4:16: ") and error.endswith(
        ": the name of a parameter has only letters, digits and _; try: ${NAME}, or $${ for a literal ${"
    )


PAGE = """\
bridges:
  br0:
    ports:
      p-${a}: {tag: "${vlan}"}
      p-${b}: {tga: 5, mtu: "${mtu}"}
"""


def test_errors_name_their_hosts_unless_all_have_them():
    mtu = {"mtu": "1500"}
    same = {"a": "x", "b": "x", "vlan": "5", **mtu}
    other = {"a": "x", "b": "y", "vlan": "9999", **mtu}
    assert documents(PAGE, h1=same, h2=other, h3=other)[1] == [
        "4:21: h2, h3: 9999: not a whole number from 0 to 4095",
        "5:7: h1: p-x is here twice; the first is in line 4; try: one of them",
        "5:16: h2, h3: unknown field tga; try: tag",  # h1 has this port once only
    ]
    assert documents(PAGE.replace("tga: 5, ", ""), h1=same)[1] == ["5:7: p-x is here twice; the first is in line 4; try: one of them"]


def test_hosts_without_a_value_and_everything_else_at_once():
    none, null = NoValue("no such variable in FILE", "x"), NoValue("null at FILE:1", "a value")
    hosts = {f"h{n}": {"a": "x", "b": "y", "vlan": none, "mtu": "5"} for n in range(5)} | {
        "h9": {"a": "x", "b": "y", "vlan": "1", "mtu": null}
    }
    assert documents(PAGE, **hosts)[1] == [
        "4:21: ${vlan} has no value for h0, h1, h2 and 2 more: no such variable in FILE; try: x",
        "5:16: unknown field tga; try: tag",
        "5:29: h0, h1, h2 and 2 more: 5: not a whole number from 68 to 65535",
        "5:29: ${mtu} has no value for h9: null at FILE:1; try: a value",
    ]


def test_hosts_with_the_same_values_have_one_document_and_ports_without_parameters_are_shared():
    text = 'bridges:\n  br0:\n    external_ids: {a: "${v}"}\n    ports: {p: {tag: 1}, q: {tag: "${v}"}, r: {tag: 2}}\n'
    found, errors = documents(text, h1={"v": "1"}, h2={"v": "2"}, h3={"v": "1"})
    one, other = found["h1"].bridges["br0"], found["h2"].bridges["br0"]
    assert errors == [] and found["h3"] is found["h1"]
    assert [one.ports[name] is other.ports[name] for name in "pqr"] == [True, False, True]
    assert [other.entry.settings[("external_ids", "a")], other.ports["q"].settings[("tag",)]] == ["2", 2]


def test_a_shared_port_that_is_wrong_is_wrong_for_all():
    text = 'bridges: {br0: {external_ids: {a: "${host}"}, ports: {p: {tag: 1, trunks: [2]}, q: {tag: x}}}}'
    found = documents(text, h1={}, h2={})[1]
    assert len(found) == 2 and not any("h1" in error or "h2" in error for error in found)


def test_a_host_without_a_value_does_not_make_the_ports_of_others_right():
    text = 'bridges: {br0: {external_ids: {a: "${v}"}, ports: {p: {tag: 1, trunks: [2]}}}}'
    lacking, wrong = documents(text, h1={"v": NoValue("null", "a value")}, h2={"v": "x"})[1]
    assert lacking.startswith("1:35: ${v} has no value for h1: null; ") and wrong.startswith("1:61: h2: port p: has a tag, so")


def test_whose_values_they_are(tmp_path, monkeypatch):
    template = reading.Template("page.yaml", b'bridges: {br0: {external_ids: {a: "${host}", b: "${v}"}}}')
    (tmp_path / "inventory.yaml").write_text("vars: {h1: {v: 1, host: 2}, here: {v: 3}}")
    source = Source(str(tmp_path / "inventory.yaml"), Deadline(60), by_host.variables(template))
    assert by_host.variables(template) == {"v"}
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    h1 = Target("h1", "192.0.2.1")
    for targets, db, expected in (
        ([h1], None, {"h1": {"host": "h1", "v": "1"}}),
        ([h1], "tcp:192.0.2.9:6640", {"h1": {"host": "h1", "v": "1"}}),
        ([], None, {"here": {"host": "here", "v": "3"}}),
        ([], "unix:/run/db.sock", {"here": {"host": "here", "v": "3"}}),
    ):
        assert by_host.values(template, source, targets, db) == expected
    for db in ("tcp:192.0.2.9:6640", "ssl:192.0.2.9:6640"):
        found = by_host.values(template, source, [], db)
        assert list(found) == [db] and {type(value) for value in found[db].values()} == {NoValue}
    named = reading.Template("page.yaml", b'bridges: {"${host}": {}}')
    assert by_host.values(named, None, [], None) == {"here": {"host": "here"}}


def test_no_more_documents_are_read_once_there_are_errors_enough():
    ports = "".join(f'      p{n}:\n        tag: "${{v}}"\n' for n in range(600))
    found = documents(f"bridges:\n  br0:\n    ports:\n{ports}", **{f"h{n}": {"v": f"x{n}"} for n in range(5)})[1]
    assert len(found) == 1200 and found[0].startswith("5:14: h0: x0: not a whole number")


def test_aliases_share_parameters_and_a_bomb_of_them_is_refused():
    found, errors = documents('bridges: {br0: {ports: {p: &a {tag: "${v}"}, q: *a, r: {<<: *a, mtu: 1500}}}}', h1={"v": "7"})
    assert errors == [] and [entry.settings[("tag",)] for entry in found["h1"].bridges["br0"].ports.values()] == [7, 7, 7]
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60))
    assert documents(f'a0: &a0 ["${{v}}"]\n{levels}', h1={"v": "7"})[1][0].startswith("1:1: unknown field a0")
    [error] = documents(f'bridges: {{br0: {{external_ids: {{a: "{"${v}" * 300}"}}}}}}', h1={"v": "x" * 100_000})[1]
    assert error.endswith("larger than 20 MB with the values of its parameters")


# Also behind backslashes, and as it is escaped.
_FOUR_BYTES = ["\U0001f600", "\U000e0001\U0010ffff", "a\\\U0001f600", "\\\\\U0001f600", "\\ud83d\\ude00", "\\\\ud83d\\ude00"]


@pytest.mark.parametrize("text", ["${host}", "$${", "${", "$", "a$${b}$${", "$$$", "\x1b\x85", "\u200b", "\u00e9", *_FOUR_BYTES])
def test_what_is_exported_is_read_as_the_same_text(text):
    for written in ("\n".join(writing.lines({text: [text]})), json.dumps(writing.escaped({text: [text]}))):
        problems = reading.Problems("page.yaml")
        root = reading.Template("page.yaml", written.encode()).parameters.filled({}, problems)
        [(key, value)] = root.pairs
        assert (key.text, value.items[0].text, problems.sorted()) == (text, text, [])


@pytest.mark.parametrize("text", ["\U000e0001", "\U0001f600"])
def test_characters_of_four_bytes(text):
    assert port(writing.inline({"external_ids": {"a": text}})) == {("external_ids", "a"): text}
