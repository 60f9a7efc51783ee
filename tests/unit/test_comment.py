"""The comment of a change: what is left out of it, and what comments of others say."""

import os
import pwd

import pytest

from ovstool.switch.changes import said
from ovstool.switch.changes.comment import Comment
from ovstool.switch.changes.said import Said


@pytest.fixture(autouse=True)
def _user(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)


def test_who_and_what():
    who = f"{pwd.getpwuid(os.getuid()).pw_name}@{os.uname().nodename}"
    text = str(Comment("0123abcd", ("port", "add", "br0", "p 1", "--external-id", "a='")))
    assert text == f"ovstool[0123abcd] {who}: ovstool port add br0 'p 1' --external-id 'a='\"'\"''"
    assert said.parse(text) == Said("0123abcd", who, text.partition(": ")[2])


def test_what_a_change_is_about():
    assert str(Comment("1", ("apply", "x y"))._replace(about="put back")).endswith(": ovstool apply 'x y' (put back)")


def test_each_command_has_an_id_of_its_own():
    assert len({Comment.of(()).id for _ in range(100)}) == 100


def test_behind_sudo(monkeypatch):
    for name, shown in (("alice and\nbob", "alice_and_bob"), ("a\x1b[2J\udcff", "a_[2J_"), ("a" * 1000, "a" * 64)):
        monkeypatch.setenv("SUDO_USER", name)
        assert said.parse(str(Comment("0123abcd", ("show",)))).who == f"{shown}@{os.uname().nodename}"


def test_a_user_or_a_host_with_a_space_in_its_name(monkeypatch):
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(("CORP\\jane doe", "", 7, 7, "", "", "")))
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "a b\n", "", "", "")))
    assert said.parse(str(Comment("0123abcd", ("show",)))) == Said("0123abcd", "CORP\\jane_doe@a_b_", "ovstool show")


def test_a_user_without_a_name(monkeypatch):
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert said.parse(str(Comment("0123abcd", ()))).who == f"{os.getuid()}@{os.uname().nodename}"


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("psk=hunter2", "psk=***"),
        ("--option=psk=hunter2", "--option=psk=***"),
        ("remote_psk=a b\nc", "remote_psk=***"),
        ("PASSWORD=x", "PASSWORD=***"),
        ("my-secret-key=x", "my-secret-key=***"),
        ("api_token=x", "api_token=***"),
        ("userpass=x", "userpass=***"),
        ("dbpassword=x", "dbpassword=***"),
        ("authtoken=x", "authtoken=***"),
        ("clientSecret=x", "clientSecret=***"),
        ("ipsecpsk = x", "ipsecpsk =***"),
        ("token=x", "token=***"),
        ("bearer=x", "bearer=***"),
        ("shared_key=x", "shared_key=***"),
        ("access-key=x", "access-key=***"),
        ("api-key=x", "api-key=***"),
        ("authkey=x", "authkey=***"),
        ("private_key=x", "private_key=***"),
        ("root_pwd=x", "root_pwd=***"),
        ("credentials=x", "credentials=***"),
        ("url=https://me:hunter2@host:80/a@b", "url=https://me:***@host:80/a@b"),
        ("url=https://host:80/a@b", "url=https://host:80/a@b"),
        ("vlan_mode=access", "vlan_mode=access"),
        ("key=7", "key=7"),
        ("upskill=7", "upskill=7"),
        ("psk=", "psk="),
    ],
)
def test_secrets(word, left):
    told = said.parse(str(Comment("0123abcd", ("port", "set", "p1", word)))).command
    assert told.replace("'", "") == f"ovstool port set p1 {left}"


def test_a_long_command_is_cut():
    told = said.parse(str(Comment("0123abcd", ["x" * 5000]))).command
    assert told == f"ovstool {'x' * 1992}..."
    assert said.parse(str(Comment("0123abcd", ["x" * 1992]))).command == f"ovstool {'x' * 1992}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", Said()),
        ("ovs-vsctl (invoked by /usr/bin/python3): ovs-vsctl add-br br0", Said(command="ovs-vsctl add-br br0")),
        ("ovs-vsctl: ovs-vsctl set port p tag=1", Said(command="ovs-vsctl set port p tag=1")),
        ("compacting database online", Said(command="compacting database online")),
        ("ovstool[xyz] a@b: c", Said(command="ovstool[xyz] a@b: c")),
        ("ovstool[0123abcd] a@b: line\nline", Said("0123abcd", "a@b", "line\nline")),
    ],
)
def test_what_a_comment_says(text, told):
    assert said.parse(text) == told
