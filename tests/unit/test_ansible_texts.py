"""Texts that the Ansible collection writes and reads: a mapping of a playbook as a document, differences as Ansible shows them."""

import datetime
import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as some

import ovstool
from ovstool.document.tree import Mapping, Problems, Scalar, composed

COLLECTION = Path(ovstool.__file__).parents[1] / "ansible"
inline = SimpleNamespace(**runpy.run_path(str(COLLECTION / "plugins/plugin_utils/inline.py")))
task = SimpleNamespace(**runpy.run_path(str(COLLECTION / "plugins/module_utils/task.py")))

TEXTS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SCALARS = some.one_of(TEXTS, some.integers(), some.booleans(), some.none(), some.floats(allow_nan=False, allow_infinity=False))
TREES = some.recursive(
    SCALARS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS | some.integers().map(str), inner, max_size=3),
    max_leaves=12,
)


def as_texts(value):
    """What ovstool reads of a value: the texts, lists and mappings."""
    if isinstance(value, dict):
        return {key: as_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_texts(inner) for inner in value]
    return value if isinstance(value, str) else json.dumps(value)


def read(node):
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Mapping):
        return {key.text: read(value) for key, value in node.pairs}
    return [read(item) for item in node.items]


def places(node, path=()):
    """The line of each value, from 0, and its path."""
    if isinstance(node, Scalar):
        yield node.place.line, path
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            yield from places(value, (*path, key.text))
    else:
        for number, item in enumerate(node.items):
            yield from places(item, (*path, str(number)))


@example({"<<": {"a": [[], {}]}, "b": {"<<": "*x", "!!int": "null", "": [{"": None}]}})
@given(some.dictionaries(TEXTS, TREES, min_size=1, max_size=4))
def test_a_mapping_is_read_as_it_was(document):
    text, paths = inline.written(document)
    node = composed(text, Problems("the document"))
    assert read(node) == as_texts(document)
    shown = {line: inline._shown(path) for line, path in places(node)}
    assert {line: paths[line] for line in shown} == shown


def test_errors_name_the_value():
    _, paths = inline.written({"bridges": {"br0": {"ports": {"a b": {"trunks": [1, "x"]}}, "fail_mode": "y"}}})
    said = "ovstool: the document:7:9: x: no\novstool: leaf01: the document:8:5: y: neither: the document:1:1: "
    assert inline.with_paths(said, paths) == (
        'ovstool: bridges.br0.ports."a b".trunks.1: x: no\novstool: leaf01: bridges.br0.fail_mode: y: neither: bridges: '
    )


class Vaulted:
    """A text in a playbook that is encrypted by ``!vault``, as ansible-core has it until 2.18."""

    __ENCRYPTED__ = True

    def __str__(self):
        return "decrypted: x"


def test_an_encrypted_text():
    assert inline.written({"a": [Vaulted()]})[0] == '"a":\n  - "decrypted: x"\n'


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"a": {True: 1}}, "a.true: the name is a truth value, as Ansible reads on, off, yes and no; try: quotes"),
        ({"a": {1.5: 1}}, 'a."1.5": the name is a fraction; try: quotes'),
        ({None: 1}, "null: the name is null; try: quotes"),
        ({"a": [datetime.date(2026, 1, 2)]}, "a.0: the value is a date; try: quotes"),
        ({"a": b"x"}, "a: the value is a bytes; try: quotes"),
    ],
)
def test_what_no_document_can_have(document, says):
    with pytest.raises(inline.Unusable) as caught:
        inline.written(document)
    assert str(caught.value) == says


def test_differences_as_ansible_shows_them():
    rows = [
        {"object": "br0", "field": "flows", "from": None, "to": "priority=1,ip actions=drop"},
        {"object": "p\n1", "field": "tag", "from": 1, "to": 2},
        {"object": "p\n1", "field": "trunks", "from": [1], "to": None},
    ]
    found = task._diff(rows, "leaf01", "leaf.yaml")
    assert found["before"] == 'br0:\n"p\\n1":\n  tag: 1\n  trunks: [1]\n'
    assert found["after"] == 'br0:\n  flows: "priority=1,ip actions=drop"\n"p\\n1":\n  tag: 2\n'


class Answers:
    """Stands for the program: the answers to its calls, each an exit code and the texts of stdout and stderr."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    def __call__(self, argv):
        self.asked.append(" ".join(argv))
        return self._answers.pop(0)


JOB = {"kind": "document", "host": "h1", "title": "x", "words": ["x.yaml"], "words_of_apply": []}
ROWS = '[{"object": "eth1", "field": "tag", "from": null, "to": 1}]'


def test_a_change_that_fails_after_it_was_written():
    """ovs-vswitchd cannot open a device: the port is in the database, so something has changed although the task fails."""
    error, version = (6, "", "ovstool: note: look\novstool: eth1: could not open\n"), (0, "ovstool 99.0.0\n", "")
    for after, changed in (((0, "[]", ""), True), ((1, ROWS, ""), False), ((5, "", "ovstool: gone\n"), False)):
        with pytest.raises(task.Failed) as caught:
            task.perform(JOB, task.Ovstool(Answers((1, ROWS, ""), error, after, version), ["ovstool"]), False, False)
        said = {"failed": True, "changed": changed, "msg": "ovstool: eth1: could not open", "warnings": ["look"], "rc": 6}
        assert caught.value.result() == said
    assert task.Failed(["no"]).result() == {"failed": True, "changed": False, "msg": "no"}


def test_notes_become_warnings():
    notes = "ovstool: note: eth1: no effect\novstool: note: undone in 60 s unless confirmed; try: ovstool -H op@h1 confirm 3f9c01d2\n"
    answers = Answers((1, ROWS, "ovstool: note: of the comparison\n"), (0, '[{"object": "eth1", "change": "updated"}]', notes))
    found = task.perform(JOB | {"words_of_apply": ["--confirm-within", "60"]}, task.Ovstool(answers, ["ovstool"]), False, False)
    assert (found["warnings"], found["confirm_id"], found["changed"]) == (["eth1: no effect"], "3f9c01d2", True)
    assert answers.asked == ["ovstool diff x.yaml -f json", "ovstool apply x.yaml --confirm-within 60 -f json"]


def test_check_mode_asks_what_applying_would_say():
    """A difference can be one that apply refuses, as with a mirror to a port that is not there."""
    differs = (1, ROWS, "ovstool: note: of the comparison\n")
    answers = Answers(differs, (0, "", "ovstool: note: eth1: would be updated\n"))
    found = task.perform(JOB, task.Ovstool(answers, ["ovstool"]), True, False)
    assert (found["changed"], found["warnings"], "objects" in found) == (True, ["of the comparison"], False)
    assert answers.asked == ["ovstool diff x.yaml -f json", "ovstool apply x.yaml --dry-run"]
    refused = Answers(differs, (3, "", "ovstool: mirror m: bridge br0 has no port nosuch\n"), (0, "ovstool 99.0.0\n", ""))
    with pytest.raises(task.Failed) as caught:
        task.perform(JOB, task.Ovstool(refused, ["ovstool"]), True, False)
    assert (caught.value.rc, caught.value.changed) == (3, False)


def test_a_program_that_says_nothing():
    with pytest.raises(task.Failed) as caught:
        task.perform(JOB, task.Ovstool(Answers((-9, "", ""), (-9, "", "")), ["ovstool"]), False, False)
    assert str(caught.value) == "ovstool: exit code -9 without a word"


def test_facts_of_a_switch():
    port = {"port": "eth1", "error": None}
    answers = Answers(
        (0, '{"bridges": {}}', "ovstool: note: of the export\n"), (0, json.dumps([port]), ""), (0, '{"ovs_version": "3.7.1"}', ""),
        (0, "ovstool version 99.0.0\n", ""),
    )  # fmt: skip
    found = task.perform({"kind": "facts", "bridges": ["br0"], "flows": True}, task.Ovstool(answers, ["ovstool"]), False, False)
    facts = {"version": "3.7.1", "ovstool_version": "99.0.0", "document": {"bridges": {}}, "ports": {"eth1": port}}
    assert found == {"changed": False, "ansible_facts": {"ovs": facts}, "warnings": ["of the export"]}
    words = ["export br0 --flows -f json", "port list br0 -f json", "show br0 -f json", "version"]
    assert answers.asked == [f"ovstool {text}" for text in words]


def test_a_confirmation_changes_nothing_more():
    answers = Answers((0, "", ""))
    assert task.perform({"kind": "confirm", "id": "3f9c01d2"}, task.Ovstool(answers, ["ovstool"]), False, False) == {"changed": False}
    assert answers.asked == ["ovstool confirm 3f9c01d2"]


def test_the_difference_names_the_host_and_the_document():
    answers = Answers((1, ROWS, ""), (0, "", ""))
    found = task.perform(JOB | {"title": "leaf.yaml"}, task.Ovstool(answers, ["ovstool"]), True, True)["diff"]
    assert (found["before_header"], found["after_header"], found["after"]) == ("h1", "leaf.yaml", "eth1:\n  tag: 1\n")


def test_another_program_of_that_name():
    with pytest.raises(task.Failed) as caught:
        task.perform(JOB, task.Ovstool(Answers((0, "usage: " + "x" * 90, "")), ["/bin/x"]), False, False)
    assert str(caught.value) == f"/bin/x: not ovstool, or another version of it: it prints 'usage: {'x' * 73}'"


@pytest.mark.parametrize(("module", "options"), [("document", "DOCUMENT_OPTIONS"), ("facts", "FACTS_OPTIONS")])
def test_options_are_as_documented(module, options):
    texts = [(COLLECTION / f"plugins/{path}.py").read_text() for path in (f"modules/{module}", "doc_fragments/reaching")]
    documented = {}
    for text in texts:
        documented |= yaml.safe_load(text.partition('DOCUMENTATION = r"""')[2].partition('"""')[0])["options"]
    assert getattr(task, options) == {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in documented.items()
    }


def test_an_old_program():
    answers = Answers((5, "", "ovstool: h1: Connection refused\n"), (0, "ovstool 0.9.12\n", ""))
    with pytest.raises(task.Failed) as caught:
        task.perform(JOB, task.Ovstool(answers, ["ovstool"]), False, False)
    assert caught.value.lines == [
        "ovstool: h1: Connection refused",
        f"ovstool: version 0.9.12 is too old for this collection; try: {'.'.join(map(str, task.OLDEST))} or newer",
    ]


ON_HOST = """
import json, sys
from ansible.module_utils import basic
basic.AnsibleModule._log_to_syslog = lambda self, *said: print("logged:", said, file=sys.stderr)
basic.has_journal = False
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.ovstool.ovs.plugins.module_utils.on_host import main
for arguments in json.loads(sys.argv[1]):
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    try:
        main({})
    except SystemExit as ended:
        print(ended.code)
"""
STAND_IN = """#!/bin/sh
echo "$*" >> ../asked; cp leaf.yaml ..; pwd > ../folder
echo '[{"object": "eth1", "field": "tag", "from": null, "to": 1, "change": "updated"}]'
[ "$2" = apply ] || { echo 'ovstool: note: look' >&2; exit 1; }
"""


@pytest.fixture
def on_host(tmp_path):
    """Runs the part of a module that is on the host, once for each of its arguments; gives the results with their exit codes, and stderr."""
    pytest.importorskip("ansible")
    (tmp_path / "ansible_collections/ovstool").mkdir(parents=True)
    (tmp_path / "ansible_collections/ovstool/ovs").symlink_to(COLLECTION)

    def run(*arguments):
        given = json.dumps([one | {"_ansible_tmpdir": str(tmp_path)} for one in arguments])
        done = subprocess.run([sys.executable, "-c", ON_HOST, given], cwd=tmp_path, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line]
        return list(zip(lines[::2], lines[1::2], strict=True)), done.stderr

    return run


def test_the_host_neither_logs_a_job_nor_sends_it_back(on_host):
    """It has the values of variables, which may be secret, and a document may be large."""
    job = {"kind": "document", "files": {"hostvars": "key: hunter2"}, "argv": ["nosuch"], "words": []}
    ((result, code),), errors = on_host({"_job": job})
    assert (result["failed"], code) == (True, 1) and "nosuch: not found on the host" in result["msg"], errors
    assert "hunter2" not in str(result) + errors


def test_a_job_on_the_host(on_host, tmp_path):
    """Its files are in a directory of its own, which goes with it."""
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    job = JOB | {"words": ["leaf.yaml"], "files": {"leaf.yaml": "bridges: {}"}, "argv": [str(program), "-v"]}
    results, errors = on_host({"_job": job}, {"_job": job, "_ansible_check_mode": True}, {})
    (applied, _), (checked, _), (refused, _) = results
    assert [code for _, code in results] == [0, 0, 1], errors
    assert (checked["changed"], checked["changes"][0]["to"], "objects" in checked) == (True, 1, False)
    assert "'look'" in str(checked["warnings"])
    assert (applied["changed"], applied["objects"][0]["change"], "warnings" in applied) == (True, "updated", False)
    asked = [
        f"-v {words}\n"
        for words in ("diff leaf.yaml -f json", "apply leaf.yaml -f json", "diff leaf.yaml -f json", "apply leaf.yaml --dry-run")
    ]
    assert (tmp_path / "asked").read_text() == "".join(asked)
    assert (tmp_path / "leaf.yaml").read_text() == "bridges: {}" and not Path((tmp_path / "folder").read_text().strip()).exists()
    assert refused["msg"].partition(";")[0] == "this module works through its action plugin only"


def test_its_version_is_that_of_ovstool():
    assert yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"] == ovstool.__version__
