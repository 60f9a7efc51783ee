"""Random combinations of settings, compared with ssh's own reading."""

import random
import shutil
import subprocess

import pytest

from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config as ssh_config

HOSTS = ["leaf01", "Leaf01", "LEAF02", "h1", "10.0.0.1"]
PATTERNS = ["leaf*", "Leaf*", "*", "h1", "!leaf01", '!"leaf01"', '"leaf01"', "LEAF0?", "10.*", "*.example", "leaf01", "real"]
MATCHES = ["all", "final", "canonical", "!final", "!canonical", "exec true", "exec false", "user u*", "user root"]
MATCHES += [
    f"{words} {pattern}" for words in ("host", "originalhost", "final host", "!host", "canonical originalhost") for pattern in PATTERNS
]
OPTIONS = """HostName %h.example|HostName Real|HostName other.example|User u1|User u2|Port 1|Port 2|ConnectTimeout none|ConnectTimeout 5
ConnectTimeout 1m|IdentityFile /a|IdentityFile /a|IdentityFile /b|IdentityFile none|ProxyCommand none|ProxyCommand nc %h|ProxyJump none
ProxyJump g1|ProxyJump u@g2:5|HostKeyAlias al|BatchMode yes|BatchMode no|UserKnownHostsFile /k1 /k2|UserKnownHostsFile /k3"""


def lines(choose):
    for _ in range(choose.randint(2, 9)):
        kind = choose.random()
        if kind < 0.2:
            yield "Host " + " ".join(choose.choice(PATTERNS) for _ in range(choose.randint(1, 3)))
        elif kind < 0.4:
            yield "Match " + choose.choice(MATCHES).replace('"', "")
        else:
            yield choose.choice(OPTIONS.replace("\n", "|").split("|"))


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
def test_settings_are_those_of_ssh(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system"))
    config = tmp_path / ".ssh/config"
    config.parent.mkdir()
    choose = random.Random(1)
    for _ in range(200):
        text, host = "\n".join(lines(choose)) + "\n", choose.choice(HOSTS)
        config.write_text(text)
        done = subprocess.run(["ssh", "-G", "-F", config, host], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        theirs: dict[str, list[str]] = {}
        for line in done.stdout.splitlines():
            key, _, value = line.partition(" ")
            theirs.setdefault(key, []).append(value)
        found = ssh_config.lookup(host, None, None, Deadline(60))
        ours = {
            "hostname": found.hostname,
            "user": found.user,
            "port": str(found.port),
            "proxyjump": found.proxy_jump or "none",
            "proxycommand": found.proxy_command or "none",
            "connecttimeout": str(int(found.connect_timeout_s or 0) or "none"),
            "batchmode": "yes" if found.batch else "no",
            "hostkeyalias": found.host_key_alias or "none",
        }
        assert ours == {key: theirs.get(key, ["none"])[0].replace("%h", found.hostname) for key in ours}, (text, host)
        if not found.identities_are_default:
            assert found.identity_files == [path for path in theirs.get("identityfile", []) if path != "none"], (text, host)


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
def test_the_hash_of_a_connection(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("User u1\nHostName real\nPort 2222\nControlPath /x/%C\nIdentityFile /x/%C\n")
    argv = ["ssh", "-G", "-F", tmp_path / ".ssh/config", "h1"]
    said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    (path,) = [line.split()[1] for line in said.splitlines() if line.startswith("controlpath ")]
    assert ssh_config.lookup("h1", None, None, Deadline(60)).identity_files == [path]
