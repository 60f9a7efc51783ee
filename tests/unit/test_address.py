"""Errors about hosts as typed, and the limits of ranges."""

import tracemalloc

import pytest

from ovstool.errors import UsageError, quote
from ovstool.host import address
from ovstool.host.address import HostWord, Target

FORM = "not of the form [USER@]HOST[:PORT]; try: admin@leaf01, leaf01:2222, [2001:db8::1]:22 or leaf[01-32]"


def said(call, *words) -> str:
    with pytest.raises(UsageError) as refused:
        call(*words)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("h1;id", FORM),
        ("-h", FORM),
        ("a" * 254, FORM),
        ("h{{x}}", "a template, which only Ansible can fill in"),
        ("::1", "an IPv6 address needs brackets; try: [::1]"),
        ("fe80::1%eth0", "an IPv6 address needs brackets; try: [fe80::1%eth0]"),
        ("[::g1]", FORM),
        ("[1::2::3]:22", "not an IPv6 address; try: [2001:db8::1]:22"),
        ("h1:65536", "a port is at most 65535"),
        ("h1:99999", "a port is at most 65535"),
    ],
)
def test_what_is_wrong_with_an_address(text, why):
    assert said(address.parse, text) == f"{quote(text)}: {why}"


def test_the_ends_of_what_an_address_may_be():
    assert address.parse("h:65535") == (None, "h", 65535)
    assert address.parse("a" * 253 + ":1") == (None, "a" * 253, 1)
    assert address.parse("_u.-@_h.-") == ("_u.-", "_h.-", None)


def test_brackets_belong_to_ipv6():
    assert [address.bracketed(host) for host in ("::1", "fe80::1%eth0", "h1", "192.0.2.1")] == [
        "[::1]",
        "[fe80::1%eth0]",
        "h1",
        "192.0.2.1",
    ]
    assert [address.unbracketed(host) for host in ("[::1]", "[fe80::1%eth0]", "h1", "[h1]", "::1")] == [
        "::1",
        "fe80::1%eth0",
        "h1",
        "[h1]",
        "::1",
    ]
    assert not address.is_ipv6("::\0") and not address.is_ipv6("")


@pytest.mark.parametrize(
    ("at", "sudo", "line"),
    [
        ("h1", False, "ssh h1 'ovs-vsctl show'"),
        ("h1", True, "ssh h1 'sudo -n ovs-vsctl show'"),
        ("admin@h1:2222", False, "ssh -p 2222 admin@h1 'ovs-vsctl show'"),
        ("admin@[2001:db8::1]:22", True, "ssh -p 22 admin@2001:db8::1 'sudo -n ovs-vsctl show'"),
    ],
)
def test_a_line_for_a_shell_that_runs_it_there(at, sudo, line):
    assert Target("name", at).shell_command("ovs-vsctl show", sudo) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a, b ,c", ["a", "b", "c"]),
        ("a[1,2],b", ["a[1,2]", "b"]),
        ("a[1,2]b[3,4],c[5,6]", ["a[1,2]b[3,4]", "c[5,6]"]),
        ("a,b]", ["a,b]"]),
        ("a[1,b", ["a[1", "b"]),
    ],
)
def test_a_list_is_split_at_commas_outside_of_brackets(text, words):
    assert address.split(text) == words


def test_a_list_with_a_word_missing():
    assert said(address.split, "") == '"": a host name is missing'
    assert said(address.split, "a, ,b") == '"a, ,b": a host name is missing'
    assert said(address.split, "a,@") == "a,@: a group name is missing"


@pytest.mark.parametrize(
    ("word", "hosts"),
    [
        ("[::1]", ["[::1]"]),
        ("u@[::1]:22", ["u@[::1]:22"]),
        ("[a-b]x", ["ax", "bx"]),
        ("h[1-2]", ["h1", "h2"]),
        ("h[9-10]", ["h9", "h10"]),
        ("h[0-1]", ["h0", "h1"]),
        ("h[00-01]", ["h00", "h01"]),
        ("h[1-9:4]", ["h1", "h5", "h9"]),
        ("h[01-09:08]x", None),
        ("h[a-e:2]", ["ha", "hc", "he"]),
        ("h[X-Z]", ["hX", "hY", "hZ"]),
        ("h[a-a,aa,07,7]", ["ha", "haa", "h07", "h7"]),
        ("h[ö]", None),
        ("h[a-1]", None),
        ("h[Z-a]", None),
        ("h[1-2-3]", None),
    ],
)
def test_what_a_range_stands_for(word, hosts):
    if hosts is None:
        assert "is not a range; try: leaf[01-32], leaf[01-03,07] or pod[a-d]" in said(address.expand, word)
    else:
        assert address.expand(word) == hosts


def test_what_is_wrong_with_a_range():
    assert said(address.expand, "h[9-10,x-]") == "h[9-10,x-]: [9-10,x-] is not a range; try: leaf[01-32], leaf[01-03,07] or pod[a-d]"
    assert said(address.expand, "h[01-100]") == "h[01-100]: [01-100] is zero-padded to different widths; try: [001-100]"
    assert said(address.expand, "h[1-010]") == "h[1-010]: [1-010] is zero-padded to different widths; try: [001-010]"
    assert said(address.expand, "h[b-a]") == "h[b-a]: [b-a] ends before it begins; try: [a-b]"
    assert said(address.expand, "h[2-1:3]") == "h[2-1:3]: [2-1:3] ends before it begins; try: [1-2]"
    assert f"[{'-' * 1000}] is not a range" in said(address.expand, f"h[{'-' * 1000}]")
    assert f"[{'-' * 1000}...] is not a range" in said(address.expand, f"h[{'-' * 1001}]")


def test_the_longest_expanded_name():
    assert address.expand("u" * 5 + "@" + "h" * 992 + "[1-2]x[1]") == [f"uuuuu@{'h' * 992}{n}x1" for n in (1, 2)]
    assert said(address.expand, "u" * 5 + "@" + "h" * 993 + "[1-2]x[1]").endswith("longer than any host name can be")


@pytest.mark.parametrize("word", ["h[1-10001]", "h[1-101]x[1-100]", "h[0-9999,a]", "h[1-5000,1-5001]"])
def test_more_hosts_than_there_may_be(word):
    assert said(address.expand, word) == f"{word}: more than 10000 hosts"


@pytest.mark.parametrize("word", ["h[1-10000]", "h[1-100]x[1-100]", "h[1-9999,a]", "h[1-5000,1-5000]"])
def test_as_many_hosts_as_there_may_be(word):
    assert len(address.expand(word)) == 10_000


def test_too_many_hosts_are_refused_before_expansion():
    tracemalloc.start()
    said(address.expand, f"h[{','.join(f'1-{10_000 * 2**n}' for n in range(5))}]")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * 2**20


def test_a_word_of_a_file_is_reported_with_its_place():
    assert str(HostWord("a b")) == '"a b"' and str(HostWord("h1", "hosts:3")) == "hosts:3: h1"
    assert address.targets(HostWord("u@h[1-2]:22")) == [Target(name, name) for name in ("u@h1:22", "u@h2:22")]
    assert said(address.targets, HostWord("::1")) == "::1: an IPv6 address needs brackets; try: [::1]"
    assert said(address.targets, HostWord("::1", "hosts:3")) == "hosts:3: ::1: an IPv6 address needs brackets; try: [::1]"
