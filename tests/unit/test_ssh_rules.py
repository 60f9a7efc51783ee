"""What is decided before anything is sent to a host: its name, its settings, its key, and the text of a command."""

import base64
import os
import shutil
import socket
import stat
import subprocess
import threading

import pytest

from ovstool.errors import UsageError
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import Ssh, host_keys, known_hosts
from ovstool.host.ssh import config as ssh_config
from ovstool.host.ssh import shell as ssh_shell
from ovstool.host.ssh.host_keys import Verdict

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
KEY = base64.b64decode(ED25519)
S = 60


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system_config"))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def looked_up(host, user=None, port=None):
    return ssh_config.lookup(host, user, port, Deadline(S))


# --- names


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("h1", (None, "h1", None)),
        ("root@h1", ("root", "h1", None)),
        ("h1.example.com:2222", (None, "h1.example.com", 2222)),
        ("a.b-c@192.0.2.1:22", ("a.b-c", "192.0.2.1", 22)),
        ("root@[2001:db8::1]:2222", ("root", "2001:db8::1", 2222)),
        ("[fe80::1%eth0]:22", (None, "fe80::1%eth0", 22)),
    ],
)
def test_target(target, parts):
    host = Ssh(target)
    assert (host._user, host._host, host._port) == parts
    assert host.name == target


@pytest.mark.parametrize(
    "target",
    [
        *(
            "",
            " ",
            "-oProxyCommand=touch /tmp/x",
            "root@-oProxyCommand=x",
            "-h",
            "-l@h1",
            "h1 h2",
            "h1;id",
            "h1|id",
            "h1&",
            "$(id)",
            "`id`",
            "h1\n",
            "h1\nh2",
        ),
        *(
            "\x1b[2J",
            "h1\x00",
            "h\x7f",
            "a'b",
            'a"b',
            "h1>x",
            "h1<x",
            "h1\\x",
            "../h1",
            "/h1",
            "~h1",
            "*",
            "h?",
            "{h1}",
            "h1:0",
            "h1:65536",
            "h1:-1",
        ),
        *(
            "h1:",
            ":22",
            "h1:22:22",
            "@h1",
            "[::1",
            "[h1]:22",
            "a@b@h1",
            "ö",
            "h1:²",
            "%h",
            "h1%x",
            "h" * 300,
            "root;id@h1",
            "${HOME}@h1",
            "!h1",
            "#",
        ),
    ],
)
def test_invalid_hosts(target):
    with pytest.raises(UsageError):
        Ssh(target)


# --- settings


CONFIGS = {
    "patterns": "Host h1 h2\n User one\n Port 2201\nHost h* !h3\n User two\n IdentityFile ~/a\nHost *\n User three\n IdentityFile ~/b\n Port 2203\n",
    "hostname": "Host h1\n HostName %h.example.com\nHost *\n HostName %h.other\n",
    "equals": 'Host="h1"\nUser = "someone"\nPort=2222\n\tHostName\t192.0.2.1\n',
    "case": "HOST h1\nhostname X.Example.com\nUSER Root\n",
    "comment": "# Host *\nHost h1 # the first\n User me # and only\n",
    "before any host": "User all\nHost h1\nUser one\n",
    "tokens": "Host h1\n HostName real\n User me\n Port 2200\n IdentityFile ~/%n/%h/%p/%r/%%\n ProxyCommand nc %h %p as %r of %n %%\n",
    "variables": "IdentityFile ${HOME}/x/${OVSTOOL_TEST}\n",
    "jump": "Host h1\n ProxyJump me@gate:2222,gate2\nHost h2\n ProxyJump none\nHost *\n ProxyJump other\n",
    "jump before command": "ProxyJump a\nProxyCommand b\n",
    "command before jump": "ProxyCommand b\nProxyJump a\n",
    "no command": "Host h1\n ProxyCommand none\nHost *\n ProxyCommand b %h\n",
    "match": "Match host real\n User no\nHost h1\n HostName real\nMatch host real\n User yes\nMatch originalhost h1 user yes\n Port 2222\n",
    "match negated": "Match originalhost !h2,h* !user nobody\n Port 2222\n",
    "match all": "Host h2\n User two\nMatch all\n User all\n",
    "match exec": 'Match exec "test %h = h1"\n User yes\nMatch exec false\n Port 1\nMatch originalhost h9 exec "touch $HOME/wrong"\n Port 2\n',
    "match final": "Match final host real\n User late\nHost h1\n HostName real\n",
    "match final after all": "Match final\n User late\nHost h1\n User early\n",
    "match all but final": "Match !final\n User first\nMatch final\n User second\n",
    "include": "Include more*\nHost *\n User last\n",
    "include inside": "Host h2\n Include more1\nHost h1\n Include more2\n Port 2209\n",
    "known hosts": 'UserKnownHostsFile ~/one "%d/two words"\nGlobalKnownHostsFile /etc/%h\nHostKeyAlias alias\nHashKnownHosts yes\n',
    "timeout": "ConnectTimeout 7\nBatchMode yes\nIdentitiesOnly yes\nAddressFamily inet6\n",
    "agent": "IdentityAgent ~/agent.sock\nAddressFamily inet\n",
    "agent of a variable": "IdentityAgent $OVSTOOL_TEST\n",
    "no agent": "IdentityAgent none\nAddressFamily any\n",
    "long timeout": "ConnectTimeout 1m30s\n",
    "a timeout in all units": "ConnectTimeout 1w2d3h4m5s\n",
    "a timeout in seconds": "ConnectTimeout 90S\n",
    "no timeout": "ConnectTimeout none\nHost *\n ConnectTimeout 5\n",
    "flags in other words": "BatchMode true\nIdentitiesOnly no\nHashKnownHosts false\n",
    "known hosts in several files": "UserKnownHostsFile /c /d\nGlobalKnownHostsFile /a /b\n",
    "match of a user": "Match localuser nobody\n Port 1\nMatch user me,root\n Port 2222\nMatch user !me,root\n Port 3\n",
    "match of several": "Host h1\n HostName real\nMatch host other,real\n User yes\nMatch originalhost x,h2\n Port 2222\n",
    "backslashes": 'IdentityFile /one\\ two\nIdentityFile "/a\\"b"\nIdentityFile "/c\\\\d"\nIdentityFile /e\\f\nIdentityFile "/g\\ h"\n',
    "the lowest port": "Port 1\n",
    "the highest port": "Port 65535\n",
}
MORE = {
    "more1": "User one\nHost h1\n User nested\n Port 2210\n",
    "more2": "User two\nHost x\n Port 1\nHost h1\n HostName included\n",
}


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
@pytest.mark.parametrize("host", ["h1", "h2", "h3"])
@pytest.mark.parametrize("name", CONFIGS)
def test_settings_are_those_of_ssh(home, monkeypatch, name, host):
    monkeypatch.setenv("OVSTOOL_TEST", "/value")
    (home / ".ssh/config").write_text(CONFIGS[name])
    for file, text in MORE.items():
        (home / ".ssh" / file).write_text(text)
    # ssh takes the home from /etc/passwd, even for a file given with -F; so the test's home is put into the text.
    text = CONFIGS[name].replace("Include more", f"Include {home}/.ssh/more").replace("~/", f"{home}/").replace("%d", str(home))
    (home / "for_ssh").write_text(text)
    said = subprocess.run(["ssh", "-G", "-F", home / "for_ssh", host], check=True, capture_output=True, text=True).stdout
    theirs: dict[str, list[str]] = {}
    for line in said.splitlines():
        key, _, value = line.partition(" ")
        theirs.setdefault(key, []).append(value)
    ours = looked_up(host)
    assert not (home / "wrong").exists()
    assert ours.hostname.lower() == theirs["hostname"][0].lower()
    assert [ours.user] == theirs["user"]
    assert [str(ours.port)] == theirs["port"]
    jump = theirs.get("proxyjump", ["none"])[0]
    assert (ours.proxy_jump or "none") == jump
    tokens = {"%%": "%", "%h": ours.hostname, "%p": str(ours.port), "%r": ours.user, "%n": host}
    command = theirs.get("proxycommand", ["none"])[0]
    for token, value in tokens.items():
        command = command.replace(token, value)
    assert (ours.proxy_command or "none") == command
    if not ours.identities_are_default:
        expected = [value.replace("${HOME}", str(home)).replace("${OVSTOOL_TEST}", "/value") for value in theirs["identityfile"]]
        for token, value in tokens.items():
            expected = [text.replace(token, value) for text in expected]
        assert ours.identity_files == expected
    assert ours.identities_only == (theirs["identitiesonly"] == ["yes"])
    assert ours.batch == (theirs["batchmode"] == ["yes"])
    assert ours.hash_known_hosts == (theirs["hashknownhosts"] == ["yes"])
    assert str(int(ours.connect_timeout_s or 0) or "none") == theirs["connecttimeout"][0]
    assert ours.host_key_alias == theirs.get("hostkeyalias", [None])[0]
    assert ours.family == {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}[theirs["addressfamily"][0]]
    for mine, key in ((ours.user_known_hosts, "userknownhostsfile"), (ours.global_known_hosts, "globalknownhostsfile")):
        expected = theirs[key][0]
        for token, value in tokens.items():
            expected = expected.replace(token, value)
        if key in CONFIGS[name].lower():  # default paths are below the home that ssh uses
            assert " ".join(mine) == expected
    agent = theirs.get("identityagent", [None])[0]
    assert ours.identity_agent == {"none": None, None: os.environ.get("SSH_AUTH_SOCK"), "$OVSTOOL_TEST": "/value"}.get(agent, agent)


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
@pytest.mark.parametrize("more", ["", "HostKeyAlias alias\n", "User me\nPort 2222\nHostName %h.example\nHostKeyAlias alias\n"])
def test_tokens_are_those_of_ssh(home, more):
    """ssh passes them to a command, which it runs with -G too."""
    config, said = home / ".ssh/config", home / "said"
    config.write_text(f'{more}Match exec "echo %C %h %i %k %L %l %n %p %r %u %% >> {said}"\n ConnectTimeout 5\n')
    looked_up("h1")
    ours = said.read_text()
    said.unlink()
    subprocess.run(["ssh", "-G", "-F", config, "h1"], check=True, capture_output=True)
    assert ours == said.read_text() and len(ours.split()) == 11


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1x", ""])
def test_a_port_that_cannot_be(home, port):
    (home / ".ssh/config").write_text(f'Port "{port}"\n')
    if port:
        with pytest.raises(UsageError, match=r"Port \S+ is not between 1 and 65535"):
            looked_up("h1")
    else:
        assert looked_up("h1").port == 22


def test_nested_files_and_many_keys(home):
    for depth in range(17):
        (home / f".ssh/c{depth}").write_text(f"Include c{depth + 1}\n" if depth < 16 else "Port 2222\n")
    (home / ".ssh/config").write_text("Include c1\n")
    assert looked_up("h1").port == 2222
    (home / ".ssh/config").write_text("Include c0\n")
    with pytest.raises(UsageError, match="Include nested too deeply"):
        looked_up("h1")
    (home / ".ssh/config").write_text("".join(f"IdentityFile /k{number}\n" for number in range(100)))
    assert len(looked_up("h1").identity_files) == 100
    (home / ".ssh/config").write_text("".join(f"IdentityFile /k{number}\n" for number in range(101)))
    with pytest.raises(UsageError, match="identityfile is given more than 100 times"):
        looked_up("h1")


def test_settings_of_the_system_come_after_the_users(home):
    (home / ".ssh/config").write_text("Host h1\n User mine\n")
    (home / "system_config").write_text("Host *\n User system\n Port 2222\n")
    found = looked_up("h1")
    assert (found.user, found.port) == ("mine", 2222)
    assert looked_up("h1", "given", 22)[:4] == ("h1", "h1", 22, "given")


def test_settings_without_files(home):
    found = looked_up("h1")
    assert (found.hostname, found.port, found.proxy_jump, found.proxy_command) == ("h1", 22, None, None)
    assert f"{home}/.ssh/id_ed25519" in found.identity_files
    assert found.user_known_hosts[0] == f"{home}/.ssh/known_hosts"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Host h1\n???\n", "config:2"),
        ("Port 0\n", "Port"),
        ("Port x\n", "Port"),
        ("HostName %q\n", "%q"),
        ('User me\nUser "one\n', "has an unclosed quote"),
        ("Match wrong x\n", "wrong"),
        ("Match host\n", "config:1"),
    ],
)
def test_invalid_settings(home, text, place):
    (home / ".ssh/config").write_text(text)
    with pytest.raises(UsageError) as failure:
        looked_up("h1")
    assert place in str(failure.value)


def test_settings_that_include_themselves(home):
    (home / ".ssh/config").write_text("Include config\n")
    with pytest.raises(UsageError, match="nested"):
        looked_up("h1")


@pytest.mark.parametrize("hostname", ["a;touch x", "$(x)", "-oProxyCommand=x", "a b", "a\x1bb"])
def test_a_proxy_command_is_given_plain_words_only(home, hostname):
    (home / ".ssh/config").write_text(f'HostName "{hostname}"\nProxyCommand nc %h %p\n')
    with pytest.raises(UsageError):
        looked_up("h1")


# --- host keys


def judge(home, text, host="h1", port=22, key=KEY):
    path = home / "known_hosts"
    path.write_text(text)
    return host_keys.judge(known_hosts.find([str(path)], known_hosts.name_of(host, port), Deadline(S)), key)[0]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", Verdict.UNKNOWN),
        (f"h1 ssh-ed25519 {ED25519}\n", Verdict.KNOWN),
        (f"  h2,H1\tssh-ed25519   {ED25519} comment\r\n", Verdict.KNOWN),
        (f"h* ssh-ed25519 {ED25519}", Verdict.KNOWN),
        (f"h? ssh-ed25519 {ED25519}", Verdict.KNOWN),
        (f"h*,!h1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"!h1,h* ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"[h]1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"h11,xh1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"h2 ssh-ed25519 {OTHER}", Verdict.UNKNOWN),
        (f"[h1]:2222 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"h1 ssh-ed25519 {OTHER}", Verdict.CHANGED),
        (f"h1 ssh-ed25519 {OTHER}\nh1 ssh-ed25519 {ED25519}", Verdict.KNOWN),
        # An impostor has keys of every type.
        ("h1 ssh-rsa AAAAB3NzaC1yc2E=", Verdict.CHANGED),
        (f"#h1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"@revoked h1 ssh-ed25519 {ED25519}", Verdict.REVOKED),
        (f"h1 ssh-ed25519 {ED25519}\n@revoked * ssh-ed25519 {ED25519}", Verdict.REVOKED),
        (f"@revoked h1 ssh-ed25519 {OTHER}", Verdict.UNKNOWN),
        (f"@cert-authority h1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        (f"@cert-authority * ssh-ed25519 {ED25519}\nh1 ssh-ed25519 {OTHER}", Verdict.CHANGED),
        (f"@wrong h1 ssh-ed25519 {ED25519}", Verdict.UNKNOWN),
        ("h1 ssh-ed25519\nh1\n\n@revoked\nh1 ssh-ed25519 !!!\n|1|x|y ssh-ed25519 AAAA\n|1|\n\x00\xff\n", Verdict.UNKNOWN),
    ],
)
def test_host_key(tmp_path, text, verdict):
    assert judge(tmp_path, text) is verdict


def test_host_key_at_another_port(tmp_path):
    assert judge(tmp_path, f"[h1]:2222 ssh-ed25519 {ED25519}", port=2222) is Verdict.KNOWN
    assert judge(tmp_path, f"[2001:db8::1]:2222 ssh-ed25519 {ED25519}", "2001:DB8::1", 2222) is Verdict.KNOWN


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
@pytest.mark.parametrize("name", ["h1", "[h1]:2222"])
def test_hashed_names_are_those_of_ssh_keygen(tmp_path, name):
    path = tmp_path / "known_hosts"
    path.write_text(f"{name} ssh-ed25519 {ED25519}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert path.read_text().startswith("|1|")
    assert [entry.key for entry in known_hosts.find([str(path)], name, Deadline(S))] == [KEY]
    assert known_hosts.find([str(path)], "h2", Deadline(S)) == []
    ours = tmp_path / "ours"
    known_hosts.remember(str(ours), name, "ssh-ed25519", KEY, hashed=True, deadline=Deadline(S))
    assert ours.read_text().startswith("|1|")
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", ours], check=True, capture_output=True, text=True).stdout
    assert ED25519 in found
    shown = subprocess.run(["ssh-keygen", "-lf", ours], check=True, capture_output=True, text=True).stdout
    assert host_keys.fingerprint(KEY) in shown


def test_a_new_host_key_is_written_down(tmp_path):
    path = tmp_path / "new/.ssh/known_hosts"
    os.makedirs(tmp_path / "new")
    lines = [(str(path), f"h{n}", "ssh-ed25519", KEY, False, Deadline(S)) for n in range(32)]
    threads = [threading.Thread(target=known_hosts.remember, args=line) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(path.read_text().splitlines()) == sorted(f"h{n} ssh-ed25519 {ED25519}" for n in range(32))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_host_key_after_an_unterminated_line(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text(f"h1 ssh-ed25519 {OTHER}")
    known_hosts.remember(str(path), "h2", "ssh-ed25519", KEY, False, Deadline(S))
    assert path.read_text() == f"h1 ssh-ed25519 {OTHER}\nh2 ssh-ed25519 {ED25519}\n"


# --- commands


WORDS = [
    *(
        "plain",
        "",
        " ",
        "two words",
        "it's",
        '"',
        "a'b\"c'd",
        "\\",
        "\\\\",
        "\\'",
        "'\\''",
        "\\n",
        "!",
        "!!",
        "a!b",
        "\\!",
        "$HOME",
        "${x}",
        "$(id)",
        "`id`",
        "$?",
    ),
    *(
        "*",
        "?",
        "[a]",
        "{a,b}",
        "~",
        "~root",
        "#",
        "a#b",
        ";",
        "|",
        "&",
        "<",
        ">",
        "(",
        ")",
        "%1",
        "^x^y",
        "=ls",
        "a=b",
        "-n",
        "--",
        "@",
        "line\nbreak",
        "\n",
        "\n\n'\n",
    ),
    *("tab\there", "\r", "\x01\x7f", "\x1b[2J", "ö€😀", "\udcff", "%s%n", "$n", '"$n"', "TOKEN"),
]


@pytest.mark.parametrize("shell", [name for name in ("sh", "dash", "bash", "ksh", "zsh", "csh", "fish", "busybox") if shutil.which(name)])
def test_arguments_pass_every_login_shell_unchanged(tmp_path, shell):
    argv = ["python3", "-c", "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))", *WORDS]
    command = ssh_shell.for_any_shell(f"exec {ssh_shell.words(argv)}")
    # Like sshd: the login shell, with the command as one argument.
    login = [shell, "sh"] if shell == "busybox" else [shell]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run([*login, "-c", os.fsencode(command)], env=environ, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")] == WORDS
