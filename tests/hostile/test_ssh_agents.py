"""Agents, proxies, name servers and addresses that do not answer on the way to a host: the command ends in time, and reports why."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from ssh_servers import SSHD, Home, listening

UNREACHABLE, REFUSED, TIMEOUT = 5, 6, 7
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not SSHD, reason="needs root and sshd")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@contextmanager
def agent(path, handler):
    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    def handle(peer):
        with peer, suppress(OSError):
            peer.recv(1000)
            handler(peer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=serve, daemon=True).start()
        yield str(path)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def silent(peer):
    time.sleep(60)


def gigabytes(peer):
    peer.sendall(struct.pack(">I", 2**32 - 1))
    while True:
        peer.sendall(b"\x0c" * 2**16)


def trickle(peer):
    peer.sendall(struct.pack(">I", 2**17))
    while True:
        peer.sendall(b"\x0c")
        time.sleep(0.05)


def garbage(peer):
    peer.sendall(struct.pack(">IBI", 200, 12, 3) + os.urandom(195))


def nothing(peer):
    peer.sendall(struct.pack(">I", 0))


def one_bad_key(peer):
    blob = struct.pack(">I", 7) + b"ssh-rsa"
    peer.sendall(struct.pack(">IBI", 5 + 8 + len(blob), 12, 1) + struct.pack(">I", len(blob)) + blob + struct.pack(">I", 0))


@pytest.mark.parametrize("handler", [silent, trickle])
def test_an_agent_that_never_finishes(home, tmp_path, handler):
    with home.sshd() as port, agent(tmp_path / "agent", handler) as path:
        home.know(port)
        code, stderr, took_s = home.ovstool("-H", f"root@127.0.0.1:{port}", "-t", "8", "show", SSH_AUTH_SOCK=path, timeout_s=30)
    # A key file given by IdentityFile is tried before the agent's keys, the usual files after them.
    assert (code, "agent" in stderr) == (TIMEOUT, True), stderr
    assert took_s < 14


@pytest.mark.parametrize("handler", [gigabytes, garbage, nothing, one_bad_key])
def test_an_agent_that_sends_nonsense_is_skipped(home, tmp_path, handler):
    with home.sshd() as port, agent(tmp_path / "agent", handler) as path:
        home.know(port)
        words = ("-H", f"root@127.0.0.1:{port}", "-t", "10", "--db", "unix:/none/db.sock", "show")
        code, stderr, took_s = home.ovstool(*words, SSH_AUTH_SOCK=path, timeout_s=20)
    assert (code, "no such socket" in stderr) == (UNREACHABLE, True), stderr  # logged in with the key file
    assert took_s < 10


@pytest.mark.parametrize(
    "command",
    [
        "sleep 60",
        "sh -c 'sleep 60 & sleep 60'",  # its child keeps stderr open
        "sh -c 'while :; do echo words >&2; done'",
        "yes",
        "printf SSH-2.0-x; sleep 60",
    ],
)
def test_a_proxy_command_that_leads_nowhere(home, command):
    home.config.write_text(f"ProxyCommand {command}\n")
    code, stderr, took_s = home.ovstool("-H", "root@h1", "-t", "1", "show", timeout_s=15)
    assert code in (UNREACHABLE, TIMEOUT)
    assert (stderr.count("\n"), "a bug" in stderr) == (1, False)
    assert took_s < 8


def test_a_proxy_command_with_much_output(home):
    """It prints more than a pipe holds, which once blocked it and the connection because nothing read it."""
    with home.sshd() as port:
        home.know(port)
        home.config.write_text(f"ProxyCommand sh -c 'head -c 300000 /dev/zero >&2; exec nc 127.0.0.1 {port}'\n")
        code, stderr, _ = home.ovstool("-H", f"root@127.0.0.1:{port}", "-t", "10", "--db", "unix:/none/db.sock", "show")
    assert (code, "no such socket" in stderr) == (UNREACHABLE, True)


def test_all_hops_share_one_timeout(home):
    with listening(lambda peer: time.sleep(60)) as dead, home.sshd() as port:
        home.know(port)
        home.config.write_text(f"Host last\nHostName 127.0.0.1\nPort {dead}\nProxyJump root@127.0.0.1:{port},root@127.0.0.1:{port}\n")
        code, stderr, took_s = home.ovstool("-H", "root@last", "-t", "1.5", "show", timeout_s=15)
    assert code == TIMEOUT
    assert stderr.count("\n") == 1
    assert took_s < 8


def test_few_descriptors(home):
    """An error in one line, whichever descriptor is one too many, as soon as Python itself has enough to start."""
    with home.sshd() as port:
        home.know(port)
        words = [sys.executable, "-m", "ovstool", "-H", f"root@127.0.0.1:{port}", "--db", "unix:/none/db.sock", "-t", "10", "show"]
        for count in (5, 6, 7, 8, 9, 12):
            argv = ["sh", "-c", f'ulimit -n {count}; exec "$@"', "sh", *words]
            done = subprocess.run(argv, env=home.environ, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode in (UNREACHABLE, REFUSED), (count, done.stderr)
            assert done.stderr.count("\n") == 1, (count, done.stderr)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (0, "it sent an answer of an invalid size"),
        (1, "it sent no list of keys"),
        (2**18, "it sent no list of keys"),
        (2**18 + 1, "it sent an answer of an invalid size"),
    ],
)
def test_the_size_of_an_answer(tmp_path, size, why):
    from paramiko.ssh_exception import SSHException

    from ovstool.host.deadline import Deadline
    from ovstool.host.ssh.transport.agent import Agent

    with agent(tmp_path / "agent", lambda peer: peer.sendall(struct.pack(">I", size) + b"\x05" * size)) as path:
        with pytest.raises(SSHException) as error:
            Agent(path, Deadline(60))
        assert str(error.value) == why


@pytest.mark.parametrize(("announced", "kept"), [(1, 1), (1000, 1000), (1001, 1000)])
def test_the_number_of_keys_is_limited(tmp_path, announced, kept):
    from ovstool.host.deadline import Deadline
    from ovstool.host.ssh.transport.agent import Agent

    blob = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + b"k" * 32
    keys = (struct.pack(">I", len(blob)) + blob + struct.pack(">I", 0)) * announced
    message = b"\x0c" + struct.pack(">I", announced) + keys
    with agent(tmp_path / "agent", lambda peer: peer.sendall(struct.pack(">I", len(message)) + message)) as path:
        assert len(Agent(path, Deadline(60)).get_keys()) == kept
