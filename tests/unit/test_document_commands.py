"""``export``, ``diff`` and ``apply`` around what they do to a switch: options, hosts, output, notes and exit codes."""

import json

import pytest
from test_switch_command import Screen, name_of, run

from ovstool.commands.document import Apply, Diff, Export, Schema
from ovstool.document import applying, comparison, export, schema
from ovstool.document.applying.applied import Applied
from ovstool.document.comparison import Difference
from ovstool.document.ownership.claims import Terms
from ovstool.document.state.selectors import ABSENT
from ovstool.errors import Refused, UsageError
from ovstool.switch import Change
from ovstool.switch.checks import policing, shaping_rules


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("OVSTOOL_DB", "OVSTOOL_HOST", "OVS_CTL_TIMEOUT", "CLIFF_MAX_TERM_WIDTH", "CLIFF_FIT_WIDTH", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "rack.yaml"
    file.write_text("bridges: {br0: {}}\n")
    return file


def test_exports(monkeypatch):
    def exported(switch, bridges, with_flows):
        flows = {"flows": ["priority=1 drop", "actions=drop"]} if with_flows else {}
        return {"bridges": {name: {"external_ids": {"a": "${x}"}} | flows for name in bridges}}

    monkeypatch.setattr(export, "export", exported)
    page = 'bridges:\n  {}:\n    external_ids: {{a: "$${{x}}"}}\n'
    assert run(Export, "br0") == (0, page.format("br0"), "")
    flows = '    flows:\n      - "priority=1 drop"\n      - "actions=drop"\n'
    assert run(Export, "br0 --flows -H a") == (0, page.format("br0") + flows, "")
    assert run(Export) == (0, "bridges: {}\n", "")
    assert run(Export, "b -H a,b") == (0, "".join(f"---\n# host {host}\n{page.format('b')}" for host in "ab"), "")
    assert json.loads(run(Export, "b -f json")[1]) == {"bridges": {"b": {"external_ids": {"a": "$${x}"}}}}
    assert json.loads(run(Export, "b -f json -H a,b")[1])[1] == {"host": "b", "bridges": {"b": {"external_ids": {"a": "$${x}"}}}}
    assert run(Export, "b -f yaml -c nosuch")[0] == 2  # columns are those of the formats of others


def test_the_schema():
    code, out, said = run(Schema)
    assert (code, json.loads(out), said) == (0, schema.schema(), "") and out.startswith('{\n  "$schema"') and out.endswith("}\n")


@pytest.mark.parametrize("errors", [1, 2, 50, 51, 80])
def test_many_errors(page, errors):
    page.write_text("bridges:\n" + "".join(f"  b{n:02}: {{x: 1}}\n" for n in range(errors)))
    code, out, said = run(Diff, f"{page}")
    each = [f"ovstool: {page}:{n + 2}:9: unknown field x" for n in range(errors)]
    more = [] if errors <= 50 else [f"ovstool: {page}: {errors - 49} more errors; try: after the ones above are corrected"]
    assert (code, out) == (2, "")
    assert [line.partition(";")[0] if ": unknown" in line else line for line in said.splitlines()] == each[: 49 if more else 50] + more


DIFFERENCES = {
    "a": [Difference("eth1", "tag", 5, 6), Difference("eth1", "qos.queues.1", None, "{}"), Difference("br0", "fail_mode", "secure", None)],
    "c": [Difference("br0", "external_ids.a", "012", "on")],
}


def test_differences(monkeypatch, page):
    monkeypatch.setattr(comparison, "diff", lambda switch, document, terms: DIFFERENCES.get(name_of(switch), []))
    assert run(Diff, f"{page}") == (0, "", "ovstool: note: no difference\n")
    assert run(Diff, f"{page} -H b -f json") == (0, "[]\n", "")
    assert run(Diff, f"{page} -H c -f csv")[1].splitlines() == ['"object","field","from","to"', '"br0","external_ids.a","012","on"']
    code, out, _ = run(Diff, f"{page} -H a,b,c -f value")
    assert (code, len(out.splitlines())) == (1, 4)
    code, out, _ = run(Diff, f"{page} -H a,b,c", Screen())
    assert code == 1
    assert out.splitlines() == [
        "host a", "  eth1:", *("\x1b[31m-   tag: 5\x1b[0m", "\x1b[32m+   tag: 6\x1b[0m", "\x1b[32m+   qos.queues.1: {}\x1b[0m"),
        "  br0:", "\x1b[31m-   fail_mode: secure\x1b[0m",
        "host c", "  br0:", '\x1b[31m-   external_ids.a: "012"\x1b[0m', '\x1b[32m+   external_ids.a: "on"\x1b[0m',
    ]  # fmt: skip


def test_what_may_be_changed(monkeypatch, page):
    asked = []
    monkeypatch.setattr(comparison, "diff", lambda switch, document, terms: asked.append(terms) or [])
    for options in ("", "--prune", "--take-over"):
        run(Diff, f"{page} {options}")
    assert run(Diff, f"{page} -c nosuch")[0] == 2  # before the switch is asked
    assert asked == [Terms("rack", False, False), Terms("rack", True, False), Terms("rack", False, True)]


def applied(notes=(), lines=()):
    """What takes the place of ``applying.apply``; ``notes`` are those of a host."""

    def apply(switch, document, terms, meanwhile):
        switch.notes += notes(name_of(switch)) if notes else []
        if name_of(switch) == "bad":
            raise Refused("x", "refused")
        return Applied([Change("br0", "updated")], [], [], [], list(lines))

    return apply


@pytest.mark.parametrize(
    ("batch", "hosts", "not_started"),
    [
        ("2", "a,bad,c,d,e,f", "c, d, e, f"), ("3", "a,b,c,bad,e,f,g", "g"), ("34%", "a,bad,c,d,e,f", "c, d, e, f"), ("100%", "a,b,bad", None),
        ("1%", "bad,b", "b"), ("50%", "a,bad,c,d,e", "c, d, e"), ("50%", "bad,b,c,d", "c, d"), ("100", "bad,b", None),
    ],
)  # fmt: skip
def test_batches(monkeypatch, page, batch, hosts, not_started):
    monkeypatch.setattr(applying, "apply", applied())
    code, _, said = run(Apply, f"{page} -H {hosts} --batch {batch}")
    note = f"ovstool: note: not started because a host failed: {not_started}\n" if not_started else ""
    assert (code, said.replace("ovstool: bad: x: refused\n", "")) == (8, note)


@pytest.mark.parametrize("batch", ["0", "0%", "101%", "x", "%", "-1", "1.5%"])
def test_sizes_of_batches_that_are_refused(page, batch):
    with pytest.raises(UsageError, match=f"--batch: {batch}: neither a percentage nor a number of hosts; try: --batch 10%"):
        run(Apply, f"{page} --batch={batch}")


def test_the_flows_of_a_dry_run(monkeypatch, page):
    monkeypatch.setattr(applying, "apply", applied(lines=[" br0:", "-a\x1b", "+b"]))
    would = "ovstool: note: {}br0: would be updated\n"
    assert run(Apply, f"{page} -n") == (0, '["Open_vSwitch"]\n br0:\n-a\\x1b\n+b\n', would.format(""))
    _, out, said = run(Apply, f"{page} -n -H a,b")
    assert out.splitlines()[1:4] == ["a:  br0:", "a: -a\\x1b", "a: +b"] and said == would.format("a ") + would.format("b ")
    assert "\x1b[31m-a" in run(Apply, f"{page} -n", Screen())[1]


def test_a_selector_that_fits_no_port_of_any_switch(monkeypatch, page):
    monkeypatch.setattr(applying, "apply", applied(lambda host: [f"iface-id:{name}{ABSENT}" for name in ("x", host)] + ["other"]))
    none = "ovstool: note: iface-id:x: not on any of these switches\n"
    assert run(Apply, f"{page} -H a,b")[2] == f"{none}ovstool: note: a: other\novstool: note: b: other\n"
    alone = "".join(f"ovstool: note: {note}\n" for note in ("iface-id:x: not on this switch", "iface-id:a: not on this switch", "other"))
    assert run(Apply, f"{page} -H a")[2] == alone


@pytest.mark.parametrize(
    ("change", "shaped", "policed", "seen"),
    [
        ("updated", ["eth1"], [], ["qos of eth1", "look", "applied", "tell"]),
        ("created", ["eth1"], ["eth2"], ["qos of eth1", "applied", "tell", "police of eth2"]),  # ovs-vswitchd has yet to open a new port
        ("updated", [], ["eth2", "eth3"], ["applied", "police of eth2 eth3"]),
        ("updated", [], [], ["applied"]),
    ],
)
def test_when_problems_are_looked_for(monkeypatch, page, change, shaped, policed, seen):
    found = []

    class Advice:
        def __init__(self, switch, ports):
            found.append(f"qos of {' '.join(ports)}")

        def look(self):
            found.append("look")

        def tell(self):
            found.append("tell")

    def apply(switch, document, terms, meanwhile):
        done = Applied([Change("br0", "unchanged"), Change("eth1", change)], [], shaped, policed)
        meanwhile(done)
        found.append("applied")
        return done

    monkeypatch.setattr(shaping_rules, "advice", Advice)
    monkeypatch.setattr(policing, "note", lambda switch, ports: found.append(f"police of {' '.join(ports)}"))
    monkeypatch.setattr(applying, "apply", apply)
    assert run(Apply, f"{page}")[0] == 0 and found == seen
