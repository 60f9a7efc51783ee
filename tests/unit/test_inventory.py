"""The hosts that -H selects: lists, ranges, and groups of inventories. The meaning of Ansible's files was checked with ansible-inventory."""

import os
import subprocess
import sys
import textwrap

import pytest

from ovstool.errors import Exit, NotFound, OvstoolError, UsageError
from ovstool.host import address, inventory
from ovstool.host.deadline import Deadline


@pytest.fixture
def write(tmp_path):
    def write(text, name="hosts"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return str(path)

    return write


def names(words, file=None):
    return [target.name for target in inventory.hosts(words.split(), file, Deadline(60))]


def addresses(words, file=None):
    return {target.name: target.address for target in inventory.hosts(words.split(), file, Deadline(60))}


def refused(words, file=None, error=UsageError):
    with pytest.raises(OvstoolError) as caught:
        inventory.hosts(words if isinstance(words, list) else words.split(), file, Deadline(60))
    assert type(caught.value) is error, caught.value
    return str(caught.value)


# Words as typed.


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("leaf01", "leaf01"),
        ("b,a c", "b a c"),
        ("a,b a b,c", "a b c"),
        ("admin@leaf01:2222", "admin@leaf01:2222"),
        ("leaf[08-11]", "leaf08 leaf09 leaf10 leaf11"),
        ("leaf[8-11]", "leaf8 leaf9 leaf10 leaf11"),
        ("leaf[01-03,07],spine1", "leaf01 leaf02 leaf03 leaf07 spine1"),
        ("leaf[02-03,02]", "leaf02 leaf03"),
        ("pod[a-c]", "poda podb podc"),
        ("pod[a,x]", "poda podx"),
        ("r[1-2]s[a-b].example", "r1sa.example r1sb.example r2sa.example r2sb.example"),
        ("root@r[1-2]:2222", "root@r1:2222 root@r2:2222"),
        ("leaf[01:03]", "leaf01 leaf02 leaf03"),
        ("leaf[1:10:4]", "leaf1 leaf5 leaf9"),
        ("leaf[0-0]", "leaf0"),
        ("10.0.0.[9-11]", "10.0.0.9 10.0.0.10 10.0.0.11"),
        ("[2001:db8::1]:22,u@[::1],[fe80::1%br-ex]", "[2001:db8::1]:22 u@[::1] [fe80::1%br-ex]"),
    ],
)
def test_words(words, expected):
    assert names(words) == expected.split()
    assert all(target.name == target.address for target in inventory.hosts(words.split(), None, Deadline(60)))


NOT_HOSTS = """
    u@-h -u@h u@ u@@h u@v@h -oProxyCommand=x h: h:0 h:022 h:65536 h:ssh h:1:2 h;id $(id) h/1 h\\1 h\xf6 h\u200b \xe9@h
    2001:db8::1 [2001:db8::1 [::1]x [::g] [10.0.0.1] [] [::1%] [::1%-x] ::1]:22
    a[3-1] a[] a[1-] a[-1] a[1-2 a1-2] a[[1-2]] a[1-3,] a[,1] a[1-b] a[a-C] a[1--2] a[1:2:0] a[1-3:2x] a[aa-ac] a[\u0661-\u0663]
    a[01-100] a[1-032] us[1-2]er@h [1-2]@h
    , h1, ,h1 h1,,h2 @ h1,@
    """


@pytest.mark.parametrize("word", [*NOT_HOSTS.split(), "", " ", "h 1", "h\n", "\th", "h\0", "[::1%a b]", "a" * 254])
def test_invalid_words(word):
    message = refused([word])
    assert "\n" not in message and message.isprintable()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("2001:db8::1", "[2001:db8::1]"),
        ("leaf[32-01]", "[01-32]"),
        ("leaf[01-100]", "[001-100]"),
        ("leaf[x..y]", "leaf[01-32]"),
    ],
)
def test_the_hint_is_a_similar_name(word, hint):
    assert f"try: {hint}" in refused(word)


@pytest.mark.parametrize(
    "word", ["a[1-10001]", "a[1-99999999999999999]", "a[1-101]b[1-100]", "a[0-9]b[0-9]c[0-9]d[0-9]e[0-9]", "a[1-9999] b[1-9]"]
)
def test_too_many_hosts(word):
    assert "more than 10000 hosts" in refused(word)


def test_ten_thousand_hosts():
    assert len(names("a[1-100]b[1-100]")) == len(names("a[0000-9999] a[0000-9999]")) == 10_000


def test_parts_of_an_address():
    assert address.parse("leaf01") == (None, "leaf01", None)
    assert address.parse("admin@[2001:db8::1%eth0]:22") == ("admin", "2001:db8::1%eth0", 22)


# ovstool's own format.

OWN = """\
    groups:
      rack1: [leaf01, "leaf[02-03]"]
      rack2:
        - admin@10.0.0.2:2222
        - '[2001:db8::1]:22'
        - leaf[05-06,09]
      all: ["@rack1", '@rack2', spine1, leaf01]
      none: []
      nothing:
      "10": [h10]
    """


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("@rack1", "leaf01 leaf02 leaf03"),
        ("@rack2", "admin@10.0.0.2:2222 [2001:db8::1]:22 leaf05 leaf06 leaf09"),
        ("@all", "leaf01 leaf02 leaf03 admin@10.0.0.2:2222 [2001:db8::1]:22 leaf05 leaf06 leaf09 spine1"),
        ("leaf03,@rack1", "leaf03 leaf01 leaf02"),
        ("@10 @rack1,@rack1", "h10 leaf01 leaf02 leaf03"),
    ],
)
def test_groups(write, words, expected):
    assert names(words, write(OWN)) == expected.split()


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: "---\n" + t + "...\n"])
def test_groups_in_files_of_other_editors(write, change):
    assert names("@rack1", write(change(textwrap.dedent(OWN)).encode())) == ["leaf01", "leaf02", "leaf03"]


def offered(file):
    return inventory.names(file, Deadline(60))


def test_all_names_that_completion_offers(write, tmp_path):
    own = write('groups: {rack1: ["leaf[01-02]", h3], rack2: ["@rack1", "op@h4:22"]}\n')
    assert offered(own) == ["@rack1", "@rack2", "leaf01", "leaf02", "h3", "op@h4:22"]
    assert set(offered(write("[a]\nh1\nh[2:3]\n[b:children]\na\n"))) == {"@ungrouped", "@a", "@all", "@b", "h1", "h2", "h3"}
    assert offered(write("groups: {a: [h1, 'h[3-1]', '{{x}}']}\n")) == ["@a", "h1"]  # invalid names are left out
    assert offered(str(tmp_path / "nosuch")) == offered(str(tmp_path)) == []
    os.mkfifo(tmp_path / "pipe")
    assert offered(str(tmp_path / "pipe")) == []  # a pipe can be read only once, so it is left to the command


def test_json_is_yaml(write):
    assert names("@a", write('{"groups": {"a": ["h1", "@b"], "b": ["h2"]}}')) == ["h1", "h2"]


@pytest.mark.parametrize("group", ["none", "nothing"])
def test_an_empty_group_never_means_this_machine(write, group):
    assert "has no hosts" in refused(f"@{group}", write(OWN), NotFound)
    assert "has no hosts" in refused(f"h1 @{group}", write(OWN), NotFound)


def test_no_such_group(write):
    file = write(OWN)
    message = refused("@rak1", file, NotFound)
    assert message.startswith(f"@rak1: no such group in {file} (read as ovstool's own YAML); try: @rack1")
    assert NotFound.exit_code is Exit.NOT_FOUND
    assert refused("@x", write("groups:\n a:\n - h1\n - '@b'\n"), NotFound).endswith("try: @a")
    message = refused("@a", write("groups:\n a:\n - h1\n - '@b'\n"), NotFound)
    assert message.startswith(f"{file}:4 (read as ovstool's own YAML): @b: no such group")
    refused("@a", write(""), NotFound)
    refused("@a", write("# nothing\n---\n"), NotFound)
    refused("@\x1b[31m", write(OWN), NotFound)


def test_a_group_within_itself(write):
    file = write("groups: {x: ['@a'], a: [h1, '@b'], b: ['@c'], c: ['@a'], d: ['@d'], ok: [h1]}")
    assert "@a -> @b -> @c -> @a" in refused("@x", file)
    assert "@d -> @d" in refused("@d", file)
    assert names("@ok", file) == ["h1"]


def test_a_group_reached_in_two_ways_is_not_a_loop(write):
    assert names("@a", write("groups: {a: ['@b', '@c'], b: ['@d'], c: ['@d'], d: [h1]}")) == ["h1"]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("10", 'int, not as text; try: quotes: "10"'),
        ("on", "bool"),
        ("1e+3", "hosts:3"),
        ("017", "int"),
        ("1:30", "int"),
        ("2026-11-20", "timestamp"),
        ("1.5", "float"),
        ("~", "null"),
        ("", "null"),
        ("!vault x", "!vault"),
        ("[h2]", "sequence"),
        ("{h2: h3}", "mapping"),
        ("'h2,'", "a host name is missing"),
        ("'@'", "a group name is missing"),
        ("''", "a host name is missing"),
        ("-oProxyCommand=x", "not of the form"),
        ("'h2; id'", "not of the form"),
        ("leaf[3-1]", "ends before it begins"),
        ('"h\\x1b[2J"', "not of the form"),
        ("'{{ h2 }}'", "only Ansible"),
    ],
)
def test_invalid_lines(write, item, says):
    message = refused("@a", write(f"groups:\n  a:\n  - {item}\n"))
    assert "hosts:3 (read as ovstool's own YAML): " in message and says in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("groups:\n  a: [@b]\n", 2, 'quotes around a value with @, [, ] or {, as in "@rack1"'),
        ("groups:\n  a: [leaf[1-2]]\n", 2, "quotes"),
        ("groups:\n\ta: [h1]\n", 2, "spaces instead of tabs"),
        ("groups:\n  a: [h1\n", 3, "expected"),
        ("groups:\n  a: [h1]\n---\ngroups:\n", 3, "document"),
        ("groups:\n  a: [*b]\n", 2, "alias"),
        ("groups:\n  a: [h1]\n  a: [h2]\n", 3, "named twice"),
        ("groups:\n  a: h1\n", 2, "expected a list of hosts"),
        ("groups:\n  a: {hosts: [h1]}\n", 2, "expected a list of hosts"),
        ("groups:\n  - a\n", 2, "a mapping"),
        ("groups: {a: [h1]}\nall:\n  hosts:\n", 2, "only 'groups' and 'vars' are allowed"),
        ("groups:\n  10: [h1]\n", 2, "int"),
        ("- h1\n", 1, "a mapping"),
        ("---\nh1\n", 2, "a mapping"),
        ("plugin: aws_ec2\n", 1, "only Ansible can run"),
    ],
)
def test_a_file_that_cannot_be_read(write, text, line, says):
    message = refused("@a", write(text))
    assert f"hosts:{line} (read as " in message and says in message


def test_an_inventory_that_is_not_a_file(write, tmp_path):
    assert "No such file" in refused("@a", str(tmp_path / "absent"))
    assert "directory" in refused("@a", str(tmp_path))
    assert "No such file" in refused("@a", "")
    assert "null" in refused("@a", "a\0b")
    assert "hosts:2: not UTF-8" in refused("@a", write(b"groups:\n  a: [\xff]\n"))
    assert "hosts:1: not UTF-8" in refused("@a", write("groups: {a: [h1]}".encode("utf-16")))
    assert "control characters" in refused("@a", write(b"groups:\n  a: [\0]\n"))
    assert "larger than 10 MB" in refused("@a", write(b"#" * 10_000_001))
    if os.geteuid():
        os.chmod(write(OWN), 0)
        assert "Permission denied" in refused("@a", str(tmp_path / "hosts"))


BOMB = "a: &a [h1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True))
MERGES = "a: &a {hosts: {h1: }}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "groups: {a: " + "[" * 200_000,
        "groups:\n  a: " + "- " * 200_000,
        "groups: {a: " + "{a: " * 5_000 + "}" * 5_001,
        "x" * 3_000_000 + ":",
        "groups:\n" + textwrap.indent(BOMB, "  "),
        "groups: &g {a: *g}",
        "groups: {a: &a [h1, *a]}",
        BOMB,
        MERGES,
        "a: &a {children: {b: *a}}",
        "a: &a {<<: *a}",
        "groups:\n  x0: &x [" + "h1, " * 5_000 + "]\n" + "".join(f"  x{n}: *x\n" for n in range(1, 5_000)),
        "groups:\n  a:\n" + "".join(f"  - x[0-9999,{n}]\n" for n in range(200)),
        "groups: {" + ", ".join(f"g{n}: ['@g{n + 1}']" for n in range(5_000)) + "}",
        "[a]\n" + "".join(f"x[0:9999]y{n}\n" for n in range(200)),
        "[g0]\n" + "".join(f"[g{n}:children]\ng{n + 1}\n" for n in range(5_000)),
    ],
    ids=lambda text: text[:20],
)
def test_a_malicious_file(write, text):
    """In its own process, because libyaml can be made to crash, and within a time limit."""
    code = (
        "import sys; from ovstool.host import inventory; from ovstool.host.deadline import Deadline\n"
        "for group in 'agj': inventory.hosts(['@' + group + '0' * (group == 'g')], sys.argv[1], Deadline(30))"
    )
    done = subprocess.run([sys.executable, "-c", code, write(text)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(("ovstool.errors.UsageError", "ovstool.errors.NotFound"))


# The default file, and not reading files needlessly.


def test_the_default_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert names("h1") == ["h1"]
    assert (
        refused("@a", None, NotFound)
        == f"{tmp_path}/ovstool/inventory.yaml: no such inventory, so groups cannot be looked up; try: --inventory FILE"
    )
    (tmp_path / "ovstool").mkdir()
    (tmp_path / "ovstool" / "inventory.yaml").write_text("groups: {a: [h1]}")
    assert names("@a") == ["h1"]
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".config").mkdir(parents=True)
    (tmp_path / "ovstool").rename(tmp_path / "home" / ".config" / "ovstool")
    assert names("@a") == ["h1"]


def test_a_file_is_not_read_without_need(tmp_path):
    assert names("h1", str(tmp_path / "absent")) == ["h1"]
    code = (
        "import sys; from ovstool.host import inventory; from ovstool.host.deadline import Deadline\n"
        "inventory.hosts(['leaf[01-32]'], None, Deadline(30)); print('yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_libyaml(write, monkeypatch):
    yaml = pytest.importorskip("yaml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert names("@rack1", write(OWN)) == ["leaf01", "leaf02", "leaf03"]
    assert ":2 (read as YAML)" in refused("@a", write("groups:\n  a: [@b]\n"))


# Ansible.

INI = """\
    # a comment
    ; another
    jump ansible_host=192.0.2.1   # ungrouped
    [leafs]
    leaf[01:03] ansible_port=2222
    leaf07:2200  some_var="a b # no comment" ansible_user="'root'"
    2001:db8::1
    [2001:db8::2]:2201

    [spines]
    spine[a:b]
    spine[1:5:2].example ansible_host=10.0.0.9
    [fabric:children]
    leafs # the lower row
    spines
    [fabric:vars]
    ansible_user = netops   # for all
    json = {"a": "it's
    [leafs:vars]
    ansible_user=leafer
    [all:vars]
    ansible_port=22022
    """

YAML = """\
    all:
      vars: {ansible_port: 22022}
      hosts:
        jump: {ansible_host: 192.0.2.1}
      children:
        fabric:
          vars:
            ansible_user: netops
            anything: {a: [1, on, {{x: y}: z}]}
          children:
            leafs:
              hosts:
                leaf[01:03]: {ansible_port: 2222}
                leaf07:2200: {ansible_user: root, 10: 20}
                2001:db8::1:
                '[2001:db8::2]:2201': {}
              vars: &leafer {ansible_user: leafer}
            spines:
    spines:
      hosts:
        spine[a:b]:
        spine[1:5:2].example:
          ansible_host: 10.0.0.9
          ansible_port: 24
        vm1: {<<: *leafer, ansible_host: vm}
    """

LEAFS = {
    "leaf01": "leafer@leaf01:2222",
    "leaf02": "leafer@leaf02:2222",
    "leaf03": "leafer@leaf03:2222",
    "leaf07": "root@leaf07:2200",
    "2001:db8::1": "leafer@[2001:db8::1]:22022",
    "2001:db8::2": "leafer@[2001:db8::2]:2201",
}


@pytest.mark.parametrize("text", [INI, YAML])
def test_ansible(write, text):
    file = write(text)
    assert addresses("@leafs", file) == LEAFS
    assert list(addresses("@leafs", file)) == list(LEAFS)
    assert addresses("@ungrouped", file) == {"jump": "192.0.2.1:22022"}
    assert addresses("@fabric", file).items() >= (LEAFS | {"spinea": "netops@spinea:22022", "spineb": "netops@spineb:22022"}).items()
    assert names("@all", file)[:3] == ["jump", "leaf01", "leaf02"]
    assert set(names("@all", file)) == {*names("@ungrouped", file), *names("@fabric", file)}
    assert addresses("leaf01", file) == {"leaf01": "leaf01"}


def test_hosts_at_one_address_are_one_host(write):
    assert addresses("@spines", write(INI)) == {
        "spinea": "netops@spinea:22022",
        "spineb": "netops@spineb:22022",
        "spine1.example": "netops@10.0.0.9:22022",
    }
    assert addresses("@spines", write(YAML))["vm1"] == "leafer@vm:22022"


def test_a_name_with_two_meanings(write):
    message = refused("leaf01 @leafs", write(INI))
    assert message == "leaf01: named twice, once as leaf01 and once as leafer@leaf01:2222"
    assert names("spine1 @leafs", write(INI))[0] == "spine1"


def test_a_key_and_this_machine(write, monkeypatch):
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.chdir("/")
    ini = """\
        [a]
        h1 ansible_private_key_file=of/it
        h2 ansible_private_key_file=/old ansible_ssh_private_key_file='~/new one'
        h3 ansible_connection=local
        h4 ansible_private_key_file={{x}} ansible_connection={{x}}
        h5 ansible_private_key_file= ansible_connection=ssh
        [all:vars]
        ansible_private_key_file=/all
        """
    yaml = """\
        all:
          vars: {ansible_private_key_file: /all}
          hosts:
            h1: {ansible_private_key_file: of/it}
            h2: {ansible_private_key_file: /old, ansible_ssh_private_key_file: ~/new one}
            h3: {ansible_connection: local}
            h4: {ansible_private_key_file: "{{x}}", ansible_connection: [1]}
            h5: {ansible_private_key_file: , ansible_connection: ssh}
        """
    for text in (ini, yaml):
        found = inventory.hosts(["@all"], write(text), Deadline(60))
        assert [target.key for target in found] == ["/of/it", "/h/new one", "/all", None, None]
        assert [target.is_here for target in found] == [False, False, True, False, False]
    command = found[1]._replace(address="op@h2:22").shell_command("true", False)
    assert command == "ssh -i '/h/new one' -p 22 op@h2 true"


def test_ansibles_order_of_variables(write):
    """A host's own variables win, then those of the deepest group, then of the last by name; the old names come before all."""
    file = write("""\
        [a]
        h1
        h2 ansible_user=own
        h3 ansible_ssh_user=old
        [b]
        h1
        [deep]
        h4
        [b:children]
        deep
        [a:vars]
        ansible_user=a
        [b:vars]
        ansible_user=b
        [deep:vars]
        ansible_user=deep
        ansible_port=1
        [all:vars]
        ansible_user=all
        """)
    assert addresses("@all", file) == {"h1": "b@h1", "h2": "own@h2", "h3": "old@h3", "h4": "deep@h4:1"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[a]\nh1 user\n", 2, "not a valid line in [a]; try: HOST VARIABLE=VALUE"),
        ("[a]\nh1 ansible_user='x\n", 2, "No closing quotation"),
        ("[a:vars]\nansible_user\n", 2, "VARIABLE=VALUE"),
        ("[a]\n[b:vars]\nansible_user=x\n", 2, "variables for a group that does not exist: b"),
        ("[a:host]\nh1\n", 1, "unknown kind of section: host"),
        ("[b:children]\nh1 h2\n", 2, "the name of a group"),
        ("[a b]\nh1\n", 1, "not a valid line"),
        ("[a]\nleaf[3:1]\n", 2, "ends before it begins"),
        ("[a]\nh1 ansible_host=-oProxyCommand=x\n", 2, "not of the form"),
        ("[a]\nh1 ansible_user={{x}}\n", 2, "a template, which only Ansible can fill in"),
        ("[a]\nh1 ansible_port=022\n", 2, "h1:022: not of the form"),
        ("[a]\nh1 ansible_user=\n", 2, "@h1: not of the form"),
        ("[a]\nh1 ansible_user=-l\n", 2, "not of the form"),
        ("[a]\nh;1 ansible_host=h1\n", 2, "h;1: not of the form"),
        ("#!/bin/sh\nimport json\n", 2, "json"),
        ("[a]\nh]\n", 2, "not of the form"),
    ],
)
def test_invalid_ini_lines(write, text, line, says):
    message = refused("@a", write(text))
    assert f"hosts:{line} (read as Ansible INI)" in message and says in message


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a:\n  host: {h1: }\n", 2, "host: not valid in group a; try: hosts, children or vars"),
        ("a:\n  hosts: [h1]\n", 2, "a mapping"),
        ("a:\n  hosts: h1\n", 2, "a mapping"),
        ("a:\n  hosts:\n    10:\n", 3, "int"),
        ("a:\n  hosts:\n    h1: {ansible_user: on}\n", 3, "bool"),
        ("a:\n  hosts:\n    h1: {ansible_port: 0x16}\n", 3, "h1:0x16: not of the form"),
        ("a:\n  hosts:\n    h1: {ansible_host: }\n", 3, "null"),
        ("a:\n  hosts:\n    h1: {ansible_host: '{{ x }}'}\n", 3, "only Ansible"),
        ("a:\n  hosts:\n    h1:\n    h1:\n", 4, "named twice"),
    ],
)
def test_invalid_ansible_yaml_lines(write, text, line, says):
    message = refused("@a", write(text))
    assert f"hosts:{line} (read as Ansible YAML)" in message and says in message


def test_ansible_groups_that_are_wrong(write):
    assert ":3 (read as Ansible INI): @b: no such group" in refused("@a", write("[a]\n[a:children]\nb\n"), NotFound)
    assert "@a -> @b -> @a" in refused("@a", write("[a:children]\nb\n[b:children]\na\n"))
    assert "try: @leafs" in refused("@leaf", write(INI), NotFound)
    assert "has no hosts" in refused("@ungrouped", write("[a]\nh1\n"), NotFound)
