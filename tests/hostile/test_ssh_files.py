"""SSH settings, keys and host keys in files that others may have written: ovstool treats them as ssh does."""

import base64
import fcntl
import grp
import os
import pwd
import subprocess
import sys
import time

import pytest
from ssh_servers import SSHD, Home, S, listening

from ovstool.errors import NotFound, TimedOut, UsageError
from ovstool.host import inventory
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config as ssh_config
from ovstool.host.ssh import host_keys, known_hosts
from ovstool.host.ssh.host_keys import Verdict

UNREACHABLE, TIMEOUT = 5, 7
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
KEY = base64.b64decode(ED25519)
# Characters that end a line in Python but not in ssh.
BREAKS = ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system"))
    return Home(tmp_path)


def looked_up(host, timeout_s=S):
    return ssh_config.lookup(host, None, None, Deadline(timeout_s))


def theirs(home, host):
    """ssh's own reading of the configuration; empty if it refuses it."""
    done = subprocess.run(["ssh", "-G", "-F", home.config, host], env=home.environ, capture_output=True, timeout=S, check=False)
    return {} if done.returncode else dict(line.split(" ", 1) for line in done.stdout.decode(errors="replace").splitlines() if " " in line)


def ours(host):
    """ovstool's reading of the configuration."""
    try:
        found = looked_up(host)
    except UsageError:
        return {}
    return {"hostname": found.hostname, "user": found.user, "port": str(found.port), "proxycommand": found.proxy_command or "none"}


LINES = [
    *(f"# a comment{char}ProxyCommand touch planted" for char in BREAKS),
    *(f"User one{char}ProxyCommand touch planted" for char in BREAKS),
    *(f"User{char}one\n" for char in ("\u00a0", "\u2003", "\v", "\x1f")),
    "User one\0\nPort 2222",
    "# \0\nPort 2222",
    "User one\u2028\nPort 22\u2028",
    'User "one two\nPort 2222',
    'User "one"two\nPort "2222" # a port',
    "User 'one'\nPort 2222 \f",
    'ProxyCommand nc "a b" %h # no comment',
    "ProxyCommand = = nc %h",
    "\ufeffUser one",
    "\r\n\t User one\r\nPort\t=\t2222\r\n",
    'Host x* !"h1"\nUser one\nHost h1\nUser two',
    "User one#two\nPort 2222#",
    'User "#one"',
    "User\n",
]


@pytest.mark.parametrize("text", LINES, ids=[repr(line)[1:50] for line in LINES])
def test_lines_are_those_of_ssh(home, text):
    home.config.write_bytes(text.encode())
    found, expected = ours("h1"), theirs(home, "h1")
    if not expected:  # it refuses more than ovstool does
        assert found.get("proxycommand", "none") == "none"
        return
    assert {key: value.replace("h1", "%h") for key, value in found.items()} == {
        key: (expected.get(key, "none")).replace("h1", "%h") for key in found
    }


@pytest.mark.parametrize("char", BREAKS)
def test_lines_of_known_hosts_are_those_of_ssh(home, char):
    home.known_hosts.write_text(f"# a comment{char}h1 ssh-ed25519 {OTHER}\nh2{char}h1 ssh-ed25519 {OTHER}\nh1 ssh-ed25519 {ED25519}\n")
    found = known_hosts.find([str(home.known_hosts)], "h1", Deadline(S))
    assert [(entry.key, entry.place) for entry in found] == [(KEY, f"{home.known_hosts}:3")]
    said = subprocess.run(["ssh-keygen", "-F", "h1", "-f", home.known_hosts], capture_output=True, text=True, timeout=S, check=True).stdout
    assert said.count("ssh-ed25519") == 1


@pytest.mark.parametrize("value", [None, "", ".", "relative", "~"])
def test_without_a_home_the_working_directory_is_not_used(home, tmp_path, value):
    """No passwd entry, and an invalid $HOME: nothing in the working directory is read or run."""
    there = tmp_path / "there"
    planted = f"ProxyCommand touch {tmp_path}/planted\nIdentityFile planted\n"
    for folder in ("", "~", "relative", "~/.config/ovstool", ".config/ovstool", "relative/.config/ovstool", "xdg/ovstool"):
        (there / folder / ".ssh").mkdir(parents=True, exist_ok=True)
        (there / folder / ".ssh/config").write_text(planted)
        (there / folder / "inventory.yaml").write_text("groups: {planted: [h1]}\n")
    script = (
        "import os\nfrom ovstool.host import inventory\nfrom ovstool.host.deadline import Deadline\n"
        "from ovstool.host.inventory import yaml_format\nfrom ovstool.host.ssh import config\n"
        "from ovstool.errors import NotFound\nos.setuid(43210)\n"
        f"config.SYSTEM_FILE = {str(tmp_path / 'none')!r}\n"
        "found = config.lookup('h1', None, None, Deadline(60))\n"
        "print(found.proxy_command, found.identity_files, found.user_known_hosts, found.identity_agent)\n"
        "try:\n    print(inventory.hosts(['@planted'], None, Deadline(60)))\nexcept NotFound:\n    print('none')\n"
    )
    if os.geteuid() != 0:
        script = script.replace("os.setuid(43210)", "import pwd; pwd.getpwuid = dict().__getitem__")
    environ = home.environ | {"PYTHONPATH": os.getcwd(), "XDG_CONFIG_HOME": "xdg", "SSH_AUTH_SOCK": "agent"}
    environ.pop("HOME")
    environ |= {} if value is None else {"HOME": value}
    done = subprocess.run([sys.executable, "-c", script], cwd=there, env=environ, capture_output=True, text=True, timeout=S, check=False)
    assert done.stdout == "None [] [] None\nnone\n", done.stderr
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("last", "refusal"),
    [("nothing", "config:1: not read in time"), ("empty*", "(config:1|empty): (not read in time|Include leads to more than)")],
)
def test_an_include_that_matches_a_whole_machine(home, last, refusal):
    """20 links to the folder that they are in are 64 million paths at the sixth level; what a real machine has is not known."""
    for number in range(20):
        (home.ssh / f"folder{number}").symlink_to(".")
    (home.ssh / "empty").write_text("")
    home.config.write_text(f"Include f*/f*/f*/f*/f*/f*/{last}\nUser one\n")
    with pytest.raises((TimedOut, UsageError), match=refusal):
        looked_up("h1", 0.2)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("how", ["group", "others", "owner"])
@pytest.mark.parametrize("which", ["config", "included"])
def test_settings_that_others_may_write(home, how, which):
    home.config.write_text("Include included\nUser one\n")
    (home.ssh / "included").write_text("Port 2222\n")
    assert (looked_up("h1").user, looked_up("h1").port) == ("one", 2222)
    if how == "owner":
        os.chown(home.ssh / which, 43210, -1)
    else:
        os.chown(home.ssh / which, -1, 43210)
        (home.ssh / which).chmod(0o664 if how == "group" else 0o646)
    with pytest.raises(UsageError, match="another user owns it or may write to it"):
        looked_up("h1")


@pytest.mark.parametrize(
    ("primary", "listed", "taken"),
    [
        (["us"], [], True),  # as Debian creates a user
        (["us"], ["us"], True),
        ([], ["us"], True),
        (["us", "us"], [], True),
        ([], [], False),
        (["us", "them"], [], False),
        (["us"], ["them"], False),
        (["us"], ["us", "them"], False),
        (["them"], ["us"], False),
    ],
)
def test_settings_that_a_group_may_write(home, monkeypatch, primary, listed, taken):
    """Debian's ssh accepts them when we are the group's only member, and so does ovstool."""
    us = pwd.getpwuid(os.getuid())
    them = pwd.struct_passwd(("them", "x", us.pw_uid + 1, us.pw_gid, "", "/", "/bin/sh"))
    home.config.write_text("User one\n")
    home.config.chmod(0o664)
    gid = home.config.stat().st_gid
    users = [pwd.struct_passwd((*(us if name == "us" else them)[:3], gid, "", "/", "/bin/sh")) for name in primary]
    names = [us.pw_name if name == "us" else name for name in listed]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(grp, "getgrgid", lambda number: grp.struct_group(("g", "x", number, names)))
    if taken:
        assert looked_up("h1").user == "one"
    else:
        with pytest.raises(UsageError, match="another user owns it or may write to it"):
            looked_up("h1")


# --- not regular files


def fifo(path):
    os.mkfifo(path, 0o600)


def loop(path):
    path.symlink_to(path.name)


def folder(path):
    path.mkdir()


def endless(path):
    path.symlink_to("/dev/zero")


KINDS = [fifo, loop, folder, endless]


@pytest.mark.skipif(os.geteuid() != 0 or not SSHD, reason="needs root and sshd")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["id_ed25519", "id_ed25519.pub", "id_ed25519-cert.pub", "config", "known_hosts", "included"])
def test_something_else_instead_of_a_file(home, kind, which):
    """It neither hangs nor uses memory, and is an error in one line, or not needed."""
    with home.sshd() as port:
        home.know(port)
        if which == "included":
            home.config.write_text("Include included\n")
        (home.ssh / which).unlink(missing_ok=True)
        kind(home.ssh / which)
        code, stderr, took_s = home.ovstool(
            "-H", f"root@127.0.0.1:{port}", "-t", "5", "--db", "unix:/none", "--accept-new-host-key", "show"
        )
    assert code in (2, UNREACHABLE)
    assert stderr.count("\n") == 1
    assert "a bug" not in stderr
    assert took_s < 10
    if which == "known_hosts":
        assert "no host key is known" in stderr  # no file says that the key has changed


@pytest.mark.parametrize("kind", KINDS)
def test_something_else_instead_of_an_inventory(home, kind):
    kind(home.folder / "inventory")
    code, stderr, took_s = home.ovstool("-H", "@a", "-t", "1", "--inventory", str(home.folder / "inventory"), "show")
    assert code == (TIMEOUT if kind is fifo else 2)  # another program may still write to it
    assert (stderr.count("\n"), "a bug" in stderr) == (1, False)
    assert took_s < 8


def test_an_inventory_from_a_pipe(home):
    reader, writer = os.pipe()
    try:
        os.write(writer, b"groups: {a: [h1, h2]}\n")
        with pytest.raises(TimedOut):  # while more may follow
            inventory.hosts(["@a"], f"/dev/fd/{reader}", Deadline(0.2))
        os.write(writer, b"groups: {a: [h1, h2]}\n")
        os.close(writer)
        assert [target.name for target in inventory.hosts(["@a"], f"/dev/fd/{reader}", Deadline(S))] == ["h1", "h2"]
    finally:
        os.close(reader)
    with pytest.raises(NotFound):
        inventory.hosts(["@a"], None, Deadline(S))


# --- large files, patterns


def test_a_key_at_the_end_of_a_large_known_hosts(home):
    line = b"h2 ssh-ed25519 " + OTHER.encode() + b" " + b"x" * 900 + b"\n"
    with home.known_hosts.open("wb") as file:
        for _ in range(70):
            file.write(line * (2**20 // len(line)))
        file.write(f"h1 ssh-ed25519 {OTHER}\n".encode())
    found = known_hosts.find([str(home.known_hosts)], "h1", Deadline(S))
    assert host_keys.judge(found, KEY)[0] is Verdict.CHANGED


def test_a_line_that_has_no_end(home):
    home.known_hosts.write_bytes(b"h2 " + b"x" * 2**21 + f"\nh1 ssh-ed25519 {OTHER}\n".encode())
    with pytest.raises(OSError, match="line 1 is longer than 1 MiB"):
        known_hosts.find([str(home.known_hosts)], "h1", Deadline(S))


@pytest.mark.parametrize("pattern", ["*a" * 500 + "b", "*" * 5000 + "b", "*?" * 200 + "b", "?*" * 100 + "*b", "a*" * 250 + "*" * 250 + "b"])
def test_patterns_take_no_time(home, pattern):
    name = "a" * 253
    home.known_hosts.write_text(f"{pattern} ssh-ed25519 {ED25519}\n" * 50)
    home.config.write_text(f"Host {pattern}\nUser one\nMatch originalhost {pattern}\nUser two\n" * 50)
    script = (
        "import sys\nfrom ovstool.host.deadline import Deadline\nfrom ovstool.host.ssh import config, known_hosts\n"
        "name, known, config.SYSTEM_FILE = sys.argv[1:]\n"
        "assert not known_hosts.find([known], name, Deadline(60))\n"
        "assert config.lookup(name, None, None, Deadline(60)).user not in ('one', 'two')\n"
    )
    argv = [sys.executable, "-c", script, name, str(home.known_hosts), str(home.folder / "none")]
    subprocess.run(argv, env=home.environ, timeout=20, check=True)


def test_a_lock_that_is_kept(home):
    home.known_hosts.touch()
    with home.known_hosts.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if SSHD and os.geteuid() == 0:
            with home.sshd() as port:
                words = ("-H", f"root@127.0.0.1:{port}", "-t", "4", "--accept-new-host-key", "show")
                code, stderr, took_s = home.ovstool(*words, timeout_s=30)
            assert (code, "another program has it locked" in stderr) == (TIMEOUT, True)
            assert took_s < 12
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            known_hosts.remember(str(home.known_hosts), "h1", "ssh-ed25519", KEY, False, Deadline(0.2))
        assert time.monotonic() - begin < 5


def test_a_match_that_does_not_end(home):
    home.config.write_text('Match exec "sleep 60 & sleep 60"\nUser one\n' * 5)
    with listening(lambda peer: peer.recv(100)) as port:
        code, stderr, took_s = home.ovstool("-H", f"127.0.0.1:{port}", "-t", "2", "show", timeout_s=15)
    assert code == TIMEOUT
    assert "Match exec" in stderr
    assert took_s < 7
