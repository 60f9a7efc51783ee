"""Variables of hosts and groups in inventories. The meaning of Ansible's files was checked with ansible-inventory."""

import os
import textwrap
import threading

import pytest

from ovstool.errors import OvstoolError, UsageError
from ovstool.host.address import Target
from ovstool.host.deadline import Deadline
from ovstool.host.inventory import Source, ini_format
from ovstool.host.inventory.values import NoValue


@pytest.fixture
def values(tmp_path):
    """``values(text, host, wanted)``: the values of a host, or why there is none, with FILE for the path; the error if there is one."""

    def values(text: str, host: str, wanted: str) -> list[str] | str:
        path = tmp_path / "hosts"
        path.write_text(textwrap.dedent(text))
        try:
            found = Source(str(path), Deadline(60), wanted.split()).values(host)
        except OvstoolError as error:
            return str(error).replace(str(path), "FILE")
        return [found[name] if isinstance(found[name], str) else found[name].why.replace(str(path), "FILE") for name in wanted.split()]

    return values


OWN = """\
    groups:
      rack1: ["leaf[01-03]", "admin@leaf04:2222", "[2001:db8::5]:22"]
      rack2: [leaf03, 10.0.0.5:2222, 10.0.0.5:2223]
      pod: ["@rack1"]
      all: ["@pod", "@rack2"]
    vars:
      "@all": {where: all, a: all, b: all}
      "@pod": {where: pod, a: pod}
      "@rack1": {where: rack1}
      "@rack2": {where: rack2}
      leaf01: {own: 1, a: own}
      "leaf[02-04]": {own: 234}
      leaf04: {four: "4"}
      admin@leaf04:2222: {own: exact}
      "[2001:db8::5]": {own: v6}
      10.0.0.5:2222: {own: nat}
      alone: {own: alone}
    """


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("leaf01", "rack1 own all 1"),
        ("root@leaf01:22", "rack1 own all 1"),
        ("leaf02", "rack1 pod all 234"),
        ("leaf03", "rack1 pod all 234"),  # rack1 is deeper than rack2
        ("admin@leaf04:2222", "rack1 pod all exact"),
        ("leaf04", "rack1 pod all 234"),  # the only one of this name
        ("[2001:db8::5]:22", "rack1 pod all v6"),
        ("10.0.0.5:2222", "rack2 all all nat"),
        ("alone", "- - - alone"),
    ],
)
def test_the_nearest_value_wins_in_our_own_format(values, host, expected):
    none = "no such variable in FILE (read as ovstool's own YAML)"
    assert values(OWN, host, "where a b own") == [none if word == "-" else word for word in expected.split()]


@pytest.mark.parametrize("host", ["leaf09", "10.0.0.5", "10.0.0.5:2224", "rack1", "vm"])
def test_an_unknown_or_ambiguous_host_has_no_values(values, host):
    assert values(OWN, host, "where") == ["no such host in FILE (read as ovstool's own YAML)"]


def test_variables_are_not_read_unless_they_are_wanted(values, tmp_path):
    assert values("groups: {a: [h1]}\nvars: {h1: [x]}\n", "h1", "x") == (
        "FILE:2 (read as ovstool's own YAML): expected a mapping (KEY: VALUE)"
    )
    (tmp_path / "hosts").write_text("groups: {a: [h1]}\nvars: {h1: [x]}\n")
    assert Source(str(tmp_path / "hosts"), Deadline(60)).hosts(["@a"]) == [Target("h1", "h1")]
    assert Source(str(tmp_path / "absent"), Deadline(60)).values("h1") == {}


def test_a_file_with_variables_only_and_a_group_that_does_not_exist(values):
    assert values("vars: {h1: {x: 010}}", "h1", "x") == ["010"]
    assert values("groups: {rack1: []}\nvars: {'@rack': {x: 1}}", "h1", "x") == (
        "FILE:2 (read as ovstool's own YAML): @rack: no such group; try: @rack1"
    )
    assert values("groups: {a: ['@b', h1], b: ['@a']}\nvars: {'@b': {x: 1}}", "h1", "x") == ["1"]  # in a circle: an error when a is named


INI = """\
    [rack1]
    leaf01 a=10 b=010 c="x y" d='"q"' e=[1,2] f="{'k': 1}" g=True i= l=a=b m='{{ x }}' n=(1,2) o=None ansible_port=2222
    leaf02:2201
    [rack1:vars]
    va = 10  # a comment
    vc = "q # x"  # another
    vd = it's
    ve = [2001:db8::5]
    vf = [1, 2]
    vg =
    vk = x#y
    vl = "a" b
    vm = 'm # x'
    [pod:children]
    rack1
    [pod:vars]
    a=pod
    ansible_user=ops
    [all:vars]
    a=all
    z=all
    """
LINE = "FILE:2 (read as Ansible INI)"


@pytest.mark.parametrize(
    ("host", "wanted", "expected"),
    [
        ("leaf01", "a b c d g i l z ansible_port ansible_user", ["10", "010", "x y", "q", "True", "", "a=b", "all", "2222", "ops"]),
        ("leaf01", "e f n", [f"a list at {LINE}", f"a mapping at {LINE}", f"a list at {LINE}"]),
        ("leaf01", "m o", ['a template, which only Ansible can fill in: "{{ x }}"', f"None at {LINE}"]),
        ("leaf02", "a ansible_port ansible_host", ["pod", "2201", "no such variable in FILE (read as Ansible INI)"]),
        ("admin@leaf02:22", "va vc vd ve vf vg vk vl vm",
         ["10", "q # x", "it's", "[2001:db8::5]", "a list at FILE:9 (read as Ansible INI)", "", "x#y", '"a" b', "m # x"]),
    ],
)  # fmt: skip
def test_variables_of_an_ini_file(values, host, wanted, expected):
    assert values(INI, host, wanted) == expected


def test_variables_of_an_ansible_yaml_file(values):
    text = """\
        all:
          vars: {a: all, z: 2024-01-01, list: [1], none: , tilde: ~, empty: "", secret: !vault x, nul: "a\\0"}
          children:
            pod: {vars: {a: pod, list: ok}, children: {rack1: {hosts: {"leaf[01:02]": {v: 1e3}, leaf03: {list: {b: c}}}}}}
        """
    assert values(text, "leaf02", "a z list empty v") == ["pod", "2024-01-01", "ok", "", "1e3"]
    at = "at FILE:2 (read as Ansible YAML)"
    assert values(text, "leaf01", "nul") == [r'contains a NUL character, so it is not text: "a\x00"']
    assert values(text, "leaf01", "none tilde secret") == [f"null {at}", f"null {at}", f"a value with the tag !vault {at}"]
    assert values(text, "leaf03", "list") == ["a mapping at FILE:4 (read as Ansible YAML)"]


def test_a_pipe_is_read_once(tmp_path):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("groups: {a: [h1, h2]}\nvars: {h1: {x: 1}, h2: {x: 2}}\n"))
    thread.start()
    source = Source(path, Deadline(60), ["x"])
    assert [source.values(target.name) for target in source.hosts(["@a"])] == [{"x": "1"}, {"x": "2"}]
    thread.join()


def test_without_a_default_file_there_are_no_values(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    why = f"there is no inventory {tmp_path}/ovstool/inventory.yaml"
    assert Source(None, Deadline(60), ["x"]).values("h1") == {"x": NoValue(why, "--inventory FILE")}
    with pytest.raises(UsageError):
        Source(str(tmp_path / "absent"), Deadline(60), ["x"]).values("h1")


def test_wanted_variables_count_as_entries():
    """Each host of a range has its own copy, so a small file could fill the memory."""
    names = [f"v{n}" for n in range(40)]
    text = "h[1-9999] " + " ".join(f"{name}=1" for name in names)
    assert len(ini_format.parse("FILE", text, Deadline(60), names[:29]).hosts) == 9999
    with pytest.raises(UsageError, match="more than 300000 entries"):
        ini_format.parse("FILE", text, Deadline(60), names[:30])
