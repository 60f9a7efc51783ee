"""Inventory files: how their format is recognized, their limits, and whose variables win."""

import os
import subprocess
import sys
import textwrap

import pytest

from ovstool.errors import NotFound, OvstoolError, TimedOut, UsageError
from ovstool.host import inventory
from ovstool.host.deadline import Deadline
from ovstool.host.inventory.groups import Inventory


@pytest.fixture
def hosts(tmp_path):
    """``hosts(text, words)``: the addresses by name, or the error, with FILE for the path."""

    def hosts(text: str, words: str) -> dict[str, str] | str:
        path = tmp_path / "hosts"
        path.write_text(textwrap.dedent(text))
        try:
            return {target.name: target.address for target in inventory.hosts(words.split(), str(path), Deadline(60))}
        except OvstoolError as error:
            return str(error).replace(str(path), "FILE")

    return hosts


# --- which kind of file


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("---\n[a]\n", "YAML"), ("%YAML 1.1\n---\nx: {}\n", "Ansible YAML"), ("- h1\n", "YAML"), ("[a]\nh1\n", "Ansible INI"),
        ("{groups: {b: [h1]}}", "ovstool's own YAML"), ('"all": {}\n', "Ansible YAML"), ("'all': {}\n", "Ansible YAML"), ("!x [a]\n", "YAML"),
        ("&x {all: {}}\n", "Ansible YAML"), ("all:\n", "Ansible YAML"), ("all : {}\n", "Ansible YAML"), ("h1 x=y: z\n", "Ansible INI"),
        ("h1\n", "Ansible INI"), ("h1:22\n", "Ansible INI"), ("leaf[01:03]: x\n", "Ansible INI"), ("", "YAML"), ("  \n# [a]\n# [b]\n all:\n", "Ansible YAML"),
        ("# all:\n; all:\n[b]\nh1\n", "Ansible INI"), ("-h1\n", "Ansible INI"),
    ],
)  # fmt: skip
def test_a_format_is_recognized_by_the_first_line(hosts, text, kind):
    assert f"(read as {kind})" in hosts(text, "@nosuch")


def test_where_the_default_file_is(tmp_path, monkeypatch):
    def told() -> str:
        with pytest.raises(NotFound) as absent:
            inventory.hosts(["@a"], None, Deadline(60))
        return str(absent.value)

    why = "no such inventory, so groups cannot be looked up; try: --inventory FILE"
    monkeypatch.setenv("HOME", "/home/of")
    for configuration, path in (("", "/home/of/.config"), ("relative", "/home/of/.config"), ("/etc/of", "/etc/of")):
        monkeypatch.setenv("XDG_CONFIG_HOME", configuration)
        assert told() == f"{path}/ovstool/inventory.yaml: {why}"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert told() == f"/home/of/.config/ovstool/inventory.yaml: {why}"
    (tmp_path / "ovstool/inventory.yaml").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"inventory.*/ovstool/inventory.yaml: not a regular file|Is a directory"):
        inventory.hosts(["@a"], None, Deadline(60))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
def test_without_a_home_there_is_no_default_file():
    code = (
        "import os; from ovstool.host import inventory; from ovstool.host.deadline import Deadline; os.setuid(54321)\n"
        "try: inventory.hosts(['@a'], None, Deadline(60))\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    said = "the default inventory: no home directory to look for it in; try: --inventory FILE"
    assert done.stdout == f"NotFound {said}\n"


def test_a_pipe_that_does_not_end_ends_with_the_time(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    both = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(TimedOut, match=r"^inventory .*: the program writing to it did not finish$"):
        inventory.hosts(["@a"], str(tmp_path / "pipe"), Deadline(0.05))
    os.close(both)


def test_a_file_of_another_size_or_coding(tmp_path):
    def told(data: bytes) -> str:
        (tmp_path / "hosts").write_bytes(data)
        with pytest.raises(OvstoolError) as refused:
            inventory.hosts(["@a"], str(tmp_path / "hosts"), Deadline(60))
        return str(refused.value).replace(str(tmp_path), "")

    assert told(b"#" * 10_000_001) == "/hosts: larger than 10 MB, too large for an inventory"
    assert told(b"\xff") == "/hosts:1: not UTF-8" and told(b"a:\n\n \xe9\n\n") == "/hosts:3: not UTF-8"


# --- limits


def test_the_limit_of_entries():
    made = Inventory("FILE", "YAML", Deadline(60))
    made.count(299_999)
    made.count(1)
    made.count(0)
    with pytest.raises(UsageError) as refused:
        made.count(1)
    assert str(refused.value) == "FILE (read as YAML): more than 300000 entries after aliases and ranges are expanded"
    with pytest.raises(TimedOut) as late:
        Inventory("FILE", "YAML", Deadline(0)).count(0)
    assert str(late.value) == "FILE (read as YAML): not read in time"


def test_merged_mappings_count_even_if_they_are_empty(hosts):
    levels = [f"{name}: &{name} {{<<: [{', '.join([f'*{inner}'] * 600)}]}}" for inner, name in ("xa", "ab")]
    text = "x: &x {}\n" + "\n".join(levels)
    assert hosts(text, "@b") == "FILE (read as Ansible YAML): more than 300000 entries after aliases and ranges are expanded"


def test_the_limit_of_nested_groups(hosts):
    def chain(length: int) -> str:
        return "groups:\n" + "".join(f" g{n}: ['@g{n + 1}']\n" for n in range(length)) + f" g{length}: [h1]\n"

    assert hosts(chain(100), "@g0") == {"h1": "h1"}
    assert hosts(chain(101), "@g0") == "FILE:102 (read as ovstool's own YAML): @g101: more than 100 nested groups"


def test_the_limit_of_nested_yaml(hosts):
    def nested(depth: int) -> str:
        return hosts("\ngroups:\n  a: [h1]\nx: " + "[" * depth + "]" * depth, "@a")

    assert nested(99) == "FILE:4 (read as ovstool's own YAML): x: only 'groups' and 'vars' are allowed at the top level"
    assert nested(100) == "FILE:4 (read as YAML): nested more than 100 deep"
    # Side by side, each ends before the next begins, so the depth stays small.
    assert hosts("groups:\n  a: [h1]\n" + "".join(f"  g{n}: []\n" for n in range(150)), "@a") == {"h1": "h1"}


def test_the_limit_of_hosts_is_that_of_one_word(hosts):
    assert hosts("[a]\nh1\nh2\nh3\n", "x[1-9998] x1 @a") == "@a: more than 10000 hosts in total"


# --- words and errors


@pytest.mark.parametrize(
    ("groups", "word", "hint"),
    [
        ("rack1 rack2 rack3 rack4", "rack", "@rack4 or @rack3 or @rack2"),
        ("a b c d e f", "xyz", "@a or @b or @c or @d or @e"),
        ("spine leaf", "leav", "@leaf"),
        ("abcde xyzzy", "abxyz", "@xyzzy"),  # two thirds of the letters are the same in one, fewer in the other
    ],
)
def test_groups_that_may_have_been_meant(hosts, groups, word, hint):
    text = "groups: {" + ", ".join(f"{group}: [h1]" for group in groups.split()) + "}"
    assert hosts(text, f"@{word}") == f"@{word}: no such group in FILE (read as ovstool's own YAML); try: {hint}"


def test_errors_with_their_whole_words(hosts):
    own, ansible, ini = "(read as ovstool's own YAML)", "(read as Ansible YAML)", "(read as Ansible INI)"
    items = 'expected a list of hosts; try: [leaf01, "leaf[02-32]", "@rack2"]'
    for text, said in (
        ("groups:\n a: [*b]\n", "FILE:2 (read as YAML): found undefined alias; try: quotes around a value with @, [, ] or {, as in \"@rack1\""),
        ("groups:\n\ta: [h1]\n", "FILE:2 (read as YAML): found character that cannot start any token; try: spaces instead of tabs"),
        ("plugin: x\n", f"FILE:1 {ansible}: plugin: settings of a plugin, which only Ansible can run; try: ansible-inventory -i FILE --list --yaml"),
        ("groups: {a: &a [*a]}", f"FILE:1 {own}: expected a name, found a sequence"),
        ("groups: {a: &a {<<: *a}}", f"FILE:1 {own}: {items}"),
        ("a: &a {children: {b: *a}}", f"FILE {ansible}: an alias contains itself"),
        ("groups:\n a:\n  b: c\n", f"FILE:3 {own}: {items}"),
        ("groups:\n a:\n - 10\n", f'FILE:3 {own}: 10: YAML reads this as int, not as text; try: quotes: "10"'),
        ("groups:\n - a\n", f"FILE:2 {own}: expected a mapping (KEY: VALUE)"),
        ("a:\n b: {h1: }\n", f"FILE:2 {ansible}: b: not valid in group a; try: hosts, children or vars"),
        ("[a]\nh1 'x\n", f"FILE:2 {ini}: No closing quotation"),
        ("[a:x]\n", f"FILE:1 {ini}: unknown kind of section: x; try: [a], [a:children] or [a:vars]"),
        ("[a]\nh1 x\n", f'FILE:2 {ini}: "h1 x": not a valid line in [a]; try: HOST VARIABLE=VALUE...'),
        ("[a:children]\nb x\n", f'FILE:2 {ini}: "b x": not a valid line in [a:children]; try: the name of a group'),
        ("[a:vars]\nx\n", f"FILE:2 {ini}: x: not a valid line in [a:vars]; try: VARIABLE=VALUE"),
        ("[a:vars]\n\nansible_user=x\n", f"FILE:1 {ini}: variables for a group that does not exist: a"),
        ("[a]\nh1 x='" + "y" * 4089 + "'\n", {"h1": "h1"}),
        ("[a]\nh1 x='" + "y" * 4090 + "'\n", f"FILE:2 {ini}: a line with quotes is longer than 4,096 characters"),
        ("[a]\nh1 x=" + "y" * 5000 + "\n", {"h1": "h1"}),
    ):  # fmt: skip
        assert hosts(text, "@a") == said, text


# --- Ansible's variables


def test_a_line_of_ini_is_read_as_by_ansible(hosts):
    text = """\
        ; comment
        alone ansible_user='it' x="y # z" # comment
        [a]  # comment
        h1\tansible_host=192.0.2.1   ansible_port="2222"
        h2 ansible_user="'quoted'"
        h1:7777
        new:7777
        [a:vars]
        ansible_user = ops  # comment
        [ungrouped:vars]
        ansible_port=9
        [b:children]
        a
        """
    expected = {"h1": "ops@192.0.2.1:2222", "h2": "quoted@h2", "new": "ops@new:7777"}
    assert hosts(text, "@a") == hosts(text, "@b") == expected
    assert hosts(text, "@ungrouped") == {"alone": "it@alone:9"}
    assert list(hosts(text, "@all")) == ["alone", "h1", "h2", "new"]
    assert hosts("h1\n[a]\nh1:2222\n", "@a") == {"h1": "h1"}  # the port of a host that is already known
    assert hosts("h1\n[a]\nh1\n", "@ungrouped") == "@ungrouped: this group of FILE (read as Ansible INI) has no hosts"
    assert hosts("[all:vars]\nansible_user=x\n[a]\nh1\n", "@a") == {"h1": "x@h1"}


def test_the_variables_of_the_deeper_group_win(hosts):
    text = """\
        all:
          vars: {ansible_user: all, ansible_port: 1}
          children:
            a: {children: {b: {children: {c: {hosts: {h1: , h2: }, vars: {ansible_user: c}}}}}}
            b: {}
            c: {}
            z: {children: {y: {hosts: {h1: }, vars: {ansible_user: y, ansible_port: 2}}}}
            A: {hosts: {h2: , h3: }, vars: {ansible_user: A}}
        """
    # c is three levels deep through a and b, y two; any group is deeper than all.
    assert hosts(text, "@all") == {"h1": "c@h1:2", "h2": "c@h2:1", "h3": "A@h3:1"}
    equals = "[b]\nh1\n[a]\nh1\n[a:vars]\nansible_user=a\n[b:vars]\nansible_user=b\n"
    assert hosts(equals, "@a") == {"h1": "b@h1"}


def test_merged_values_yield_to_explicit_ones(hosts):
    text = """\
        x: {vars: &one {ansible_user: one, ansible_port: 1}}
        y: {vars: &two {ansible_user: two, ansible_host: two}}
        a:
          hosts:
            h1: {<<: *one, ansible_user: own}
            h2: {<<: [*one, *two]}
            h3: {<<: [*two, *one], ansible_host: h3, other: [1]}
        """
    assert hosts(text, "@a") == {"h1": "own@h1:1", "h2": "one@two:1", "h3": "two@h3:1"}
    assert hosts(text.replace("<<: *one, ", ""), "@a")["h1"] == "own@h1"
