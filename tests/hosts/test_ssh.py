"""Hosts behind SSH: a real OpenSSH server on loopback, servers that misbehave, and the lab's hosts."""

import errno
import json
import logging
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable, UsageError
from ovstool.host import Tls
from ovstool.host.ssh import Ssh
from ovstool.host.ssh import config as ssh_config
from ovstool.openflow.client import Client as OpenFlow
from ovstool.ovsdb.client import Client as Ovsdb

S = 30  # for everything that should succeed
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not SSHD, reason="needs root and sshd")


def keygen(path, *options):
    subprocess.run(
        ["ssh-keygen", "-q", "-C", "a test's", "-f", path, *(options or ("-t", "ed25519")), *(() if "-N" in options else ("-N", ""))],
        check=True,
    )
    return path


def public(path) -> str:
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


class Server:
    """An sshd on loopback with its own directory, host key and log."""

    def __init__(self, home: Path, name: str, lines: str):
        self.folder = home / name
        self.folder.mkdir()
        self.host_key = keygen(self.folder / "host_key")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.target = f"root@127.0.0.1:{self.port}"
        self.name = f"[127.0.0.1]:{self.port}"
        self.log = self.folder / "log"
        config = f"""{lines}
ListenAddress 127.0.0.1
Port {self.port}
HostKey {self.host_key}
AuthorizedKeysFile {home}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel VERBOSE
"""
        (self.folder / "config").write_text(config)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # its chroot directory, which Debian's service creates
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.folder / "config"], stderr=log, start_new_session=True)
        deadline = time.monotonic() + S
        while "Server listening" not in self.log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def stop(self):
        """Stop the listener and all that it started."""
        with_children = [self.process.pid]
        for pid in with_children:
            with_children += map(int, subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split())
        for pid in with_children:
            with_suppressed(os.kill, pid, signal.SIGKILL)
        self.process.wait(timeout=S)

    @property
    def logins(self) -> int:
        return self.log.read_text().count("Accepted publickey")


def with_suppressed(function, *args):
    try:
        function(*args)
    except ProcessLookupError:
        pass


class Home:
    """A user's home with a key that all servers accept, and no other keys."""

    def __init__(self, folder: Path, stack: ExitStack):
        self.folder = folder
        self.ssh = folder / ".ssh"
        self.ssh.mkdir(mode=0o700)
        self.key = keygen(self.ssh / "id_ed25519")
        self.known_hosts = self.ssh / "known_hosts"
        self.config = self.ssh / "config"
        self.authorise(self.key)
        self._stack = stack
        self._servers = 0

    def authorise(self, *keys):
        (self.folder / "authorized_keys").write_text("".join(f"{public(key)}\n" for key in keys))

    def server(self, lines: str = "", known: bool = True) -> Server:
        self._servers += 1
        server = Server(self.folder, f"server{self._servers}", lines)
        self._stack.callback(server.stop)
        if known:
            self.know(server)
        return server

    def know(self, server: Server, key=None):
        with self.known_hosts.open("a") as file:
            file.write(f"{server.name} {public(key or server.host_key)}\n")

    def host(self, target, **options) -> Ssh:
        host = Ssh(target if isinstance(target, str) else target.target, **options)
        self._stack.callback(host.close)
        return host


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system"))
    with ExitStack() as stack:
        yield Home(tmp_path, stack)


def bridges(stream):
    client = Ovsdb(stream, "far", time.monotonic() + S)
    (answer,) = client.transact([{"op": "select", "table": "Bridge", "where": [], "columns": ["name"]}])
    client.close()
    return [row["name"] for row in answer["rows"]]


# --- sockets and programs


def test_a_remote_switch(home, switch):
    server = home.server()
    host = home.host(server)
    assert bridges(host.open(switch.box.db, S)) == ["br0"]
    openflow = OpenFlow(host.open(f"unix:{switch.box.directory}/br0.mgmt", S, Tls(), "ovs-vswitchd"), "br0", time.monotonic() + S)
    assert sorted(port.port for port in openflow.port_stats()) == [1, 2, 65534]
    openflow.close()
    shown = host.run(["ovs-vsctl", f"--db={switch.box.db}", "list-ports", "br0"], S)
    assert shown == (0, "eth1\neth2\n", "")
    assert server.logins == 1
    host.close()
    # A closed host behaves like one that was never connected to.
    assert bridges(host.open(switch.box.db, S)) == ["br0"]


def test_threads_share_one_connection(home, switch):
    server = home.server("MaxSessions 100")
    host = home.host(server)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append((bridges(host.open(switch.box.db, S)), host.run(["echo", "x"], S).stdout)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=2 * S)
    assert found == [(["br0"], "x\n")] * 8
    assert server.logins == 1


def test_a_connection_does_not_remember_all_its_channels(home, monkeypatch):
    """paramiko does, which would be a leak in ``metrics --listen``."""
    monkeypatch.setattr("ovstool.host.ssh.transport._SEEN", 3)
    host = home.host(home.server())
    for _ in range(8):
        assert host.run(["echo", "x"], S).stdout == "x\n"
    (connection,) = host._hops
    assert len(connection._transport.channels_seen) == 3


def test_missing_sockets(home, switch, tmp_path):
    host = home.host(home.server())
    with pytest.raises(Unreachable) as failure:
        host.open("unix:/none/db.sock", S)
    assert str(failure.value).startswith(f"{host.name}: unix:/none/db.sock: no such socket; is ovsdb-server running?; try: --db unix:PATH")
    with pytest.raises(Unreachable, match="is ovs-vswitchd running"):
        host.open("unix:/none/br0.mgmt", S, Tls(), "ovs-vswitchd")
    with pytest.raises(Unreachable, match="not a socket"):
        host.open("unix:/etc/passwd", S)
    dead = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dead))
    with pytest.raises(Unreachable, match="the socket is there, but nothing listens on it"):
        bridges(host.open(f"unix:{dead}", S))
    with pytest.raises(Unreachable, match="Connection refused"):
        host.open("tcp:127.0.0.1:1", S)
    assert bridges(host.open(switch.box.db, S)) == ["br0"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:",
        "unix:relative",
        "unix:/a\0b",
        f"unix:/{'x' * 107}",
        "tcp:",
        "tcp:h",
        "tcp:h:0",
        "tcp:h:x",
        "ptcp:6640",
        "http://x",
        "ssl:h:1",
    ],
)
def test_invalid_addresses(home, address):
    host = home.host(home.server())
    with pytest.raises(UsageError):
        host.open(address, S)


def test_tcp_from_there(home):
    host = home.host(home.server())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = host.open(f"tcp:127.0.0.1:{listener.getsockname()[1]}", S)
        peer, _ = listener.accept()
        with peer:
            stream.sendall(b"question")
            assert peer.recv(100) == b"question"
            peer.sendall(b"answer")
            stream.settimeout(S)
            assert stream.recv(100) == b"answer"
            stream.settimeout(0.05)
            with pytest.raises(TimeoutError):
                stream.recv(100)
        stream.settimeout(S)
        assert stream.recv(100) == b""
        stream.close()


def test_tls_from_there(home, tmp_path):
    import ssl

    for name in ("server", "client"):
        subject = ["-subj", f"/CN={name}", "-days", "2", "-nodes", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        argv = ["openssl", "req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    data = os.urandom(300_000)

    def serve(listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(peer, server_side=True) as stream:
                    got = b""
                    while len(got) < len(data):
                        got += stream.recv(65536)
                    stream.sendall(got)
            except OSError:
                pass

    files = [str(tmp_path / name) for name in ("client.key", "client.pem", "server.pem")]
    host = home.host(home.server())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        address = f"ssl:127.0.0.1:{listener.getsockname()[1]}"
        stream = host.open(address, S, Tls(*files))
        stream.settimeout(S)
        stream.sendall(data)
        got = b""
        while chunk := stream.recv(65536):
            got += chunk
        assert got == data
        with pytest.raises(Unreachable, match=r"TLS: .*certificate"):
            host.open(address, S, Tls(*files[:2], files[1]))
        listener.shutdown(socket.SHUT_RDWR)


def test_programs(home):
    host = home.host(home.server())
    assert host.run(["sh", "-c", "echo out; echo words >&2; exit 7"], S) == (7, "out\n", "words\n")
    assert host.run(["cat"], S, b"some bytes") == (0, "some bytes", "")
    assert host.run(["printf", r"\377\n"], S).stdout == "\ufffd\n"
    assert host.run(["env", "printf", "%s", "a'b\"c\\d!e\nf $HOME `id` ~ *"], S).stdout == "a'b\"c\\d!e\nf $HOME `id` ~ *"
    there = dict(line.split("=", 1) for line in host.run(["env"], S).stdout.splitlines() if "=" in line)
    assert there["LC_ALL"] == "C"
    assert there["PATH"].endswith(":/usr/local/sbin:/usr/sbin:/sbin")
    with pytest.raises(NotFound) as missing:
        host.run(["no-such-program", "x"], S)
    assert str(missing.value) == f"{host.name}: no-such-program: not installed"
    with pytest.raises(Refused, match=r"cannot be run: .*denied"):
        host.run(["/etc/passwd"], S)
    with pytest.raises(Refused, match="null byte"):
        host.run(["echo", "a\0b"], S)
    with pytest.raises(Refused, match="too long"):
        host.run(["echo", "x" * 200_000], S)
    assert len(host.run(["echo", "x" * 100_000], S).stdout) == 100_001


def test_programs_that_write_and_read_much(home):
    host = home.host(home.server())
    data = os.urandom(2**20).hex().encode() * 4  # 8 MiB in both directions at once
    assert host.run(["cat"], S, data).stdout == data.decode()
    assert len(host.run(["head", "-c", "30000000", "/dev/zero"], S).stdout) == 30_000_000
    # Unread input is not an error, and neither is any amount of stderr.
    assert host.run(["true"], S, data) == (0, "", "")
    done = host.run(["sh", "-c", "head -c 40000000 /dev/zero >&2; echo done"], S)
    assert (done.status, done.stdout) == (0, "done\n")
    assert len(done.stderr) < 2**19


def test_a_program_that_does_not_end(home):
    host = home.host(home.server())
    with pytest.raises(TimedOut) as late:
        host.run(["sleep", "60"], 3)
    assert str(late.value) == f"{host.name}: sleep: did not end within 3 s"
    assert host.run(["echo", "still"], S).stdout == "still\n"


def test_output_as_it_comes(home, tmp_path):
    host = home.host(home.server())
    script = f'echo $$ >{tmp_path}/pid; echo one; read x; echo "$x"; while :; do sleep 0.05; done'
    output = host.stream(["sh", "-c", script], S)
    text = b""
    while b"one\n\n" not in text:  # it has no stdin
        text += next(output)
    pid = int((tmp_path / "pid").read_text())
    output.close()
    deadline = time.monotonic() + S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it was not killed"
        time.sleep(0.02)
    output = host.stream(["sh", "-c", "echo a; echo words >&2; exit 3"], S)
    assert next(output) == b"a\n"
    with pytest.raises(StopIteration) as end:
        next(output)
    assert end.value.value == (3, "", "words\n")
    with pytest.raises(NotFound):
        next(host.stream(["no-such-program"], S))
    with pytest.raises(TimedOut):
        list(host.stream(["sleep", "60"], 0.5))


# --- host keys


def test_an_unknown_host(home):
    server = home.server(known=False)
    shown = subprocess.run(["ssh-keygen", "-lf", server.host_key], check=True, capture_output=True, text=True).stdout.split()[1]
    with pytest.raises(Unreachable) as failure:
        home.host(server).run(["true"], S)
    text = str(failure.value)
    assert text.startswith(f"{server.target}: its host key is unknown: ssh-ed25519 {shown}; try: ")
    assert "--accept-new-host-key" in text
    assert not home.known_hosts.exists()
    home.known_hosts.write_text("other ssh-ed25519 AAAA")
    home.host(server, accept_new_key=True).run(["true"], S)
    assert home.known_hosts.read_text() == f"other ssh-ed25519 AAAA\n{server.name} {public(server.host_key)}\n"
    home.host(server).run(["true"], S)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_host_whose_key_changed(home, kind):
    server = home.server(known=False)
    home.know(server, keygen(home.folder / "another", "-t", kind))
    for accept_new_key in (False, True):
        with pytest.raises(Unreachable) as failure:
            home.host(server, accept_new_key=accept_new_key).run(["true"], S)
        assert f"its host key is not the one in {home.known_hosts}:1; it is now ssh-ed25519 SHA256:" in str(failure.value)
        assert f"ssh-keygen -R '{server.name}'" in str(failure.value)
    assert len(home.known_hosts.read_text().splitlines()) == 1
    assert "Accepted" not in server.log.read_text()


@pytest.mark.parametrize(("marker", "words"), [("@revoked", "is revoked in"), ("@cert-authority", "is unknown")])
def test_a_key_with_a_marker_is_not_trusted(home, marker, words):
    server = home.server(known=False)
    home.known_hosts.write_text(f"{marker} {server.name} {public(server.host_key)}\n")
    with pytest.raises(Unreachable, match=words):
        home.host(server).run(["true"], S)
    with pytest.raises(Unreachable, match="revoked") if marker == "@revoked" else ExitStack():
        home.host(server, accept_new_key=True).run(["true"], S)


def test_the_known_host_key_type_is_requested(home):
    rsa = keygen(home.folder / "rsa", "-t", "rsa")
    server = home.server(f"HostKey {rsa}", known=False)
    home.know(server, rsa)
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"


def test_names_in_known_hosts(home):
    server = home.server(known=False)
    for name, lines in (("127.0.0.1", ""), ("gate", "HostKeyAlias gate\n"), ("GATE", "HostKeyAlias gate\n")):
        home.known_hosts.write_text(f"{name} {public(server.host_key)}\n")
        home.config.write_text(lines)
        assert home.host(server).run(["true"], S).status == 0
    home.config.write_text(f"UserKnownHostsFile ~/mine\nGlobalKnownHostsFile {home.folder}/all\n")
    with pytest.raises(Unreachable, match="is unknown"):
        home.host(server).run(["true"], S)
    (home.folder / "all").write_text(f"{server.name} {public(server.host_key)}\n")
    assert home.host(server).run(["true"], S).status == 0
    (home.folder / "all").unlink()
    assert home.host(server, accept_new_key=True).run(["true"], S).status == 0
    assert (home.folder / "mine").read_text().startswith(server.name)


# --- the route to the host


def test_settings(home):
    server = home.server()
    home.key.rename(home.folder / "elsewhere")
    home.config.write_text(f"Host short\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile ~/elsewhere\n")
    assert home.host("short").run(["echo", "x"], S).stdout == "x\n"
    with pytest.raises(Unreachable, match="login as nobody refused"):
        home.host("nobody@short").run(["true"], S)


def test_two_jumps(home):
    one, two, last = home.server(), home.server(), home.server()
    text = ""
    for name, server in (("one", one), ("two", two), ("last", last)):
        text += f"Host {name}\n HostName 127.0.0.1\n Port {server.port}\n User root\n"
    home.config.write_text(f"{text}Host last\n ProxyJump one,two\n")
    host = home.host("last")
    assert host.run(["echo", "x"], S).stdout == "x\n"
    assert [server.logins for server in (one, two, last)] == [1, 1, 1]
    # Each host has its own route; a pattern that matches the jump host itself must not redirect it.
    home.config.write_text(f"{text}Host last\n ProxyJump root@two\nHost two\n ProxyJump one\nHost *\n ProxyJump one\n")
    assert home.host("last").run(["echo", "y"], S).stdout == "y\n"
    assert [server.logins for server in (one, two, last)] == [2, 2, 2]
    home.known_hosts.write_text(f"{one.name} {public(one.host_key)}\n{last.name} {public(last.host_key)}\n")
    with pytest.raises(Unreachable, match=r"^last: jump host two: its host key is unknown"):
        home.host("last").run(["true"], S)
    home.config.write_text(f"Host last\n ProxyJump one\n Port 1\n{text}")
    with pytest.raises(Unreachable, match=r"jump host one: cannot connect to 127[.]0[.]0[.]1 port 1"):
        home.host("last").run(["true"], S)
    home.config.write_text("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(UsageError, match="ProxyJump is a loop"):
        home.host("a").run(["true"], S)
    home.config.write_text("Host a\n ProxyJump -oProxyCommand=x\n")
    with pytest.raises(UsageError):
        home.host("a").run(["true"], S)


def test_a_proxy_command(home):
    server = home.server()
    home.config.write_text("ProxyCommand nc %h %p\n")
    host = home.host(server)
    assert host.run(["echo", "x"], S).stdout == "x\n"
    proxy = host._proxy.pid
    host.close()
    assert not Path(f"/proc/{proxy}").exists()
    home.config.write_text("ProxyCommand echo it does not work >&2; exit 1\n")
    with pytest.raises(Unreachable, match="ProxyCommand: it does not work"):
        home.host(server).run(["true"], S)
    home.config.write_text("ProxyCommand sleep 60\n")
    with pytest.raises(TimedOut):
        home.host(server).run(["true"], 0.5)


# --- our keys


@pytest.mark.parametrize(
    "options", [("-t", "rsa"), ("-t", "ecdsa"), ("-t", "rsa", "-m", "PEM"), ("-t", "ecdsa", "-b", "521")], ids=" ".join
)
def test_keys_of_other_kinds(home, options):
    other = keygen(home.ssh / f"id_{options[1]}", *options)
    home.authorise(other)
    assert home.host(home.server()).run(["echo", "x"], S).stdout == "x\n"


def test_a_certificate(home):
    authority = keygen(home.folder / "authority")
    home.authorise()
    server = home.server(f"TrustedUserCAKeys {authority}.pub")
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "root", f"{home.key}.pub"], check=True)
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"


def test_no_key_that_fits(home):
    home.authorise()
    host = home.host(home.server())
    with pytest.raises(Unreachable) as failure:
        host.run(["true"], S)
    assert str(failure.value) == f"{host.name}: login as root refused (id_ed25519); try: ssh-copy-id -p {host._port} root@127.0.0.1"
    home.key.unlink()
    with pytest.raises(Unreachable, match="no key was found"):
        host.run(["true"], S)
    home.key.write_text("no key at all\n")
    home.key.chmod(0o600)
    with pytest.raises(Unreachable, match="login as root refused"):
        host.run(["true"], S)


def test_a_key_that_others_may_read(home):
    home.key.chmod(0o644)
    with pytest.raises(Unreachable, match="id_ed25519 is readable by other users"):
        home.host(home.server()).run(["true"], S)


def test_a_locked_key_and_no_terminal(home):
    home.key.unlink()
    keygen(home.key, "-t", "ed25519", "-N", "a secret")
    home.authorise(home.key)
    done = subprocess.run(
        [sys.executable, "-c", RUN, home.server().target],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=S,
        start_new_session=True,
        check=False,
    )
    assert "id_ed25519 has a passphrase" in done.stderr
    assert "ssh-add" in done.stderr


RUN = f"""
import logging, sys
sys.path.insert(0, {str(ROOT)!r})
logging.basicConfig(level=logging.DEBUG)
from ovstool.errors import OvstoolError
from ovstool.host.ssh import Ssh
hosts = [Ssh(target) for target in sys.argv[1:]]
from concurrent.futures import ThreadPoolExecutor
def run(host):
    try:
        return host.run(["echo", "hello from", "there"], 30).stdout
    except OvstoolError as error:
        return str(error)
with ThreadPoolExecutor() as pool:
    for said in pool.map(run, hosts):
        print(said, file=sys.stderr)
"""


def on_terminal(argv, answers, timeout_s=S):
    """Run a program on its own terminal, answer its prompts, and return everything it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    seen = b""
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    data = os.read(terminal, 65536)
                except OSError as error:
                    assert error.errno == errno.EIO
                    return seen.decode()
                if not data:
                    return seen.decode()
                seen += data
            if answers and seen.count(answers[0][0].encode()) >= answers[0][2]:
                time.sleep(0.1)  # until it has turned off the echo
                os.write(terminal, answers.pop(0)[1].encode() + b"\n")
        raise AssertionError(f"it did not end: {seen!r}")
    finally:
        os.close(terminal)
        with_suppressed(os.kill, pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_locked_key_and_a_terminal(home):
    home.key.unlink()
    keygen(home.key, "-t", "ed25519", "-N", "a secret")
    home.authorise(home.key)
    targets = [home.server().target for _ in range(3)]
    question = "Enter passphrase for key"
    seen = on_terminal([sys.executable, "-c", RUN, *targets], [(question, "wrong", 1), (question, "a secret", 2)])
    assert seen.count("hello from there") == 3
    assert seen.count(question) == 2
    assert "secret" not in seen


def test_aborting_at_the_prompt(home):
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a secret", "-f", home.key], check=True)
    targets = [home.server().target for _ in range(3)]
    seen = on_terminal([sys.executable, "-c", RUN, *targets], [("Enter passphrase for key", "\x03", 1)])
    assert "KeyboardInterrupt" in seen
    assert seen.count("Enter passphrase for key '/") == 1


@pytest.fixture
def agent(home, monkeypatch):
    path = home.folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.kill()
    process.wait(timeout=S)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_an_agent(home, agent, kind):
    key = keygen(home.folder / "key", "-t", kind)
    subprocess.run(["ssh-add", "-q", key], check=True)
    home.authorise(key)
    server = home.server()
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"
    # Only IdentityFile: the agent's key by its public half, as the private one is not here.
    home.config.write_text("IdentitiesOnly yes\n")
    with pytest.raises(Unreachable, match="refused"):
        home.host(server).run(["true"], S)
    home.config.write_text(f"IdentitiesOnly yes\nIdentityFile {key}\n")
    key.unlink()
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"
    home.config.write_text("IdentityAgent none\n")
    with pytest.raises(Unreachable, match="refused"):
        home.host(server).run(["true"], S)


def test_a_locked_key_in_an_agent(home, agent):
    subprocess.run(["ssh-add", "-q", home.key], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a secret", "-f", home.key], check=True)
    server = home.server()
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"
    home.config.write_text(f"IdentityFile {home.key}\n")
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"


def test_an_agent_with_too_many_keys(home, agent):
    for number in range(7):
        subprocess.run(["ssh-add", "-q", keygen(home.folder / f"key{number}")], check=True)
    server = home.server()
    with pytest.raises(Unreachable, match=r"[Tt]oo many authentication failures.*IdentitiesOnly"):
        home.host(server).run(["true"], S)
    # The key of IdentityFile comes first.
    home.config.write_text(f"IdentityFile {home.key}\n")
    assert home.host(server).run(["echo", "x"], S).stdout == "x\n"


def test_sockets_that_are_not_an_agent(home, monkeypatch, tmp_path):
    home.authorise()
    server = home.server()
    for path in (tmp_path / "missing", home.config):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        with pytest.raises(Unreachable, match="login as root refused"):
            home.host(server).run(["true"], S)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "garbage"))
        listener.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "garbage"))

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(100)
                peer.sendall(b"\0\0\0\x05\x0c\xff\xff\xff\xff")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(Unreachable, match="login as root refused"):
            home.host(server).run(["true"], S)


# --- servers that do not speak SSH, or are hostile


@contextmanager
def misbehaving(handler):
    """A TCP server that runs this for each connection."""

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(peer,), daemon=True).start()

    def handle(peer):
        with peer:
            try:
                handler(peer)
            except (OSError, EOFError):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"root@127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def forever(data):
    def send(peer):
        while True:
            peer.sendall(data)

    return send


def hold(peer):
    while peer.recv(65536):
        pass


@pytest.mark.parametrize(
    ("handler", "error", "words"),
    [
        (hold, TimedOut, "does not answer"),
        (lambda peer: None, Unreachable, "."),
        (forever(b"x" * 65536), (Unreachable, TimedOut), "."),
        (forever(b"line\n" * 1000), (Unreachable, TimedOut), "."),
        (forever(os.urandom(65536)), (Unreachable, TimedOut), "."),
        (lambda peer: (peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), hold(peer)), (Unreachable, TimedOut), "."),
        (lambda peer: (peer.sendall(b"SSH-1.5-old\r\n"), hold(peer)), Unreachable, "1.5"),
        (lambda peer: (peer.sendall(b"SSH-2.0-x\r\n"), hold(peer)), TimedOut, "does not answer"),
        (lambda peer: (peer.sendall(b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00"), forever(b"x" * 65536)(peer)), Unreachable, "."),
        (lambda peer: (peer.sendall(b"SSH-2.0-x\r\n"), forever(os.urandom(65536))(peer)), Unreachable, "."),
        (lambda peer: (peer.sendall(b"SSH-2.0-\x1b[2Jx\xff\r\n\0\0\0\x0c\x0a\x01" + b"\0" * 20), hold(peer)), (Unreachable, TimedOut), "."),
    ],
)
def test_no_ssh_server(home, handler, error, words):
    with misbehaving(handler) as target, pytest.raises(error, match=words) as failure:
        home.host(target).run(["true"], 1.5)
    assert str(failure.value).startswith(target)
    assert str(failure.value).isprintable()
    assert len(str(failure.value)) < 500


def test_nobody_there(home):
    with pytest.raises(Unreachable, match="Connection refused"):
        home.host("127.0.0.1:1").run(["true"], S)
    with pytest.raises(Unreachable, match=r"^no-such-host[.]invalid: "):
        home.host("no-such-host.invalid").run(["true"], S)


class Hostile:
    """A paramiko server that accepts everybody and then does what a test wants."""

    def __init__(self, home, handler, opens=True, executes=True, methods="none", secret=""):
        import paramiko

        class Interface(paramiko.ServerInterface):
            def get_allowed_auths(self, username):
                return methods

            def check_auth_none(self, username):
                return paramiko.AUTH_SUCCESSFUL if methods == "none" else paramiko.AUTH_FAILED

            def check_auth_password(self, username, password):
                return paramiko.AUTH_SUCCESSFUL if password == secret else paramiko.AUTH_FAILED

            def check_auth_interactive(self, username, submethods):
                return paramiko.InteractiveQuery("", "", ("\x1b[2JCode: ", False))

            def check_auth_interactive_response(self, responses):
                return paramiko.AUTH_SUCCESSFUL if responses == [secret] else paramiko.AUTH_FAILED

            def check_channel_request(self, kind, number):
                if opens == "never":
                    time.sleep(3)
                return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_CONNECT_FAILED

            def check_channel_exec_request(self, channel, command):
                if executes == "never":
                    time.sleep(3)
                if executes:
                    threading.Thread(target=self.serve, args=(channel, command.decode()), daemon=True).start()
                return bool(executes)

            def serve(self, channel, command):
                token = command[command.index("ovstool-") :][:24]  # known only to a server that receives the command
                try:
                    handler(channel, token)
                except (OSError, EOFError):
                    pass

        self._key = paramiko.Ed25519Key.from_private_key_file(str(keygen(home.folder / "hostile")))
        self._interface = Interface
        self._paramiko = paramiko
        self._transports = []
        self._home = home

    @contextmanager
    def running(self):
        def handler(peer):
            transport = self._paramiko.Transport(peer)
            transport.add_server_key(self._key)
            self._transports.append(transport)
            transport.start_server(server=self._interface())
            while transport.is_active():
                time.sleep(0.05)

        with misbehaving(handler) as target:
            port = target.rpartition(":")[2]
            self._home.known_hosts.write_text(f"[127.0.0.1]:{port} {self._key.get_name()} {self._key.get_base64()}\n")
            self._home.key.unlink(missing_ok=True)
            yield target
            for transport in self._transports:
                transport.close()

    def drop(self):
        for transport in self._transports:
            transport.sock.shutdown(socket.SHUT_RDWR)


def send_forever(what):
    def handler(channel, token):
        while True:
            getattr(channel, what)(b"x" * 30000)

    return handler


def answer(*parts, status=0):
    def handler(channel, token):
        for part in parts:
            channel.sendall(part.replace(b"TOKEN", token.encode()))
        channel.send_exit_status(status)
        channel.close()

    return handler


@pytest.mark.parametrize(
    ("handler", "error", "words"),
    [
        (send_forever("sendall"), Unreachable, "prints more than 64 KiB"),
        (send_forever("sendall_stderr"), TimedOut, "true"),
        (lambda channel, token: None, TimedOut, "did not end within 1.5 s"),
        (answer(), Unreachable, "does not run programs"),
        (
            answer(b"This account is \x1b[2Jnot available.\n", status=1),
            Unreachable,
            r"does not run programs: This account is .*not available",
        ),
        (answer(b"TOKEN"), Unreachable, "does not run programs"),
        (lambda channel, token: (channel.sendall(f"{token}\n".encode()), time.sleep(9)), TimedOut, "did not end"),
    ],
)
def test_hostile_programs(home, handler, error, words):
    with Hostile(home, handler).running() as target:
        host = home.host(target)
        with pytest.raises(error, match=words) as failure:
            host.run(["true"], 1.5)
        assert str(failure.value).isprintable()
        host.close()


def test_a_login_shell_with_output(home):
    noise = b"Welcome!\n\xff\x00" + b"x" * 60000
    handler = answer(noise, b"TOKEN\nda", b"ta\nTOKEN\nmore", status=5)
    with Hostile(home, handler).running() as target:
        host = home.host(target)
        done = host.run(["true"], S)
        assert done.status == 5
        assert done.stdout.startswith("data\novstool-")
        host.close()


@pytest.mark.parametrize(
    ("options", "error"), [({"opens": "never"}, TimedOut), ({"executes": "never"}, TimedOut), ({"executes": False}, Unreachable)]
)
def test_servers_that_do_not_serve(home, options, error):
    with Hostile(home, answer(), **options).running() as target:
        host = home.host(target)
        with pytest.raises(error):
            host.run(["true"], 1)
        with pytest.raises((Unreachable, TimedOut)):
            host.open("unix:/run/x", 1)
        host.close()


def test_a_connection_that_is_lost(home):
    started = threading.Event()

    def handler(channel, token):
        channel.sendall(f"{token}\nhalf of ".encode())
        started.set()

    hostile = Hostile(home, handler)
    with hostile.running() as target:
        host = home.host(target)
        threading.Thread(target=lambda: (started.wait(S), time.sleep(0.2), hostile.drop()), daemon=True).start()
        with pytest.raises(Unreachable, match="connection lost"):
            host.run(["true"], S)
        host.close()


def test_more_than_there_is_room_for(home):
    """A server ignores the window; what exceeds it is not kept."""

    def handler(channel, token):
        channel.sendall(f"{token}\n".encode())
        channel.out_window_size = 2**40
        while True:
            channel.sendall(b"x" * 30000)

    with Hostile(home, handler).running() as target:
        host = home.host(target)
        output = host.stream(["x"], S)
        next(output)
        deadline = time.monotonic() + S
        while host._hops[0].alive:
            assert time.monotonic() < deadline, "the connection was not closed"
            time.sleep(0.05)
        output.close()
        host.close()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_a_password(home, method):
    hostile = Hostile(home, answer(b"TOKEN\nhello from there\n"), methods=method, secret="a secret")
    question = "'s password: " if method == "password" else "Code: "
    with hostile.running() as target:
        seen = on_terminal([sys.executable, "-c", RUN, target], [(question, "wrong", 1), (question, "a secret", 2)])
        assert "hello from there" in seen
        assert "secret" not in seen
        assert "\x1b[2J" not in seen
        with pytest.raises(Unreachable, match=f"the server accepts {method}"):
            home.host(target).run(["true"], S)


# --- the process


def test_a_process_ends_quietly(home):
    """Whatever is left open, and whatever failed."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import ovstool.host.ssh
assert "paramiko" not in sys.modules
from ovstool.host.ssh import Ssh
good, bad, silent = (Ssh(target) for target in sys.argv[1:])
output = good.stream(["sh", "-c", "echo x; sleep 60"], 30)
assert next(output) == b"x\\n"
assert "invoke" not in sys.modules
for host in bad, silent:
    try:
        host.run(["true"], 1)
    except Exception as error:
        print(type(error).__name__)
"""
    server = home.server()
    with misbehaving(lambda peer: peer.sendall(b"SSH-2.0-x\r\n" + b"\0" * 40)) as bad, misbehaving(hold) as silent:
        done = subprocess.run(
            [sys.executable, "-c", script, server.target, bad, silent], capture_output=True, text=True, timeout=10, check=False
        )
    assert (done.stdout, done.stderr, done.returncode) == ("Unreachable\nTimedOut\n", "", 0)


def test_nothing_secret_is_logged(home, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "ovstool")  # a command in this process may have set another level
    host = home.host(home.server())
    host.run(["echo", "x"], S)
    assert "logged in as root with the key id_ed25519" in caplog.text
    assert all(record.name.startswith("ovstool") for record in caplog.records)
    assert not any(line in caplog.text for line in home.key.read_text().splitlines())


# --- the lab's hosts: users without privilege, sudo, shells, bad lines

FAR = f"""
import json, sys, time
sys.path.insert(0, {str(ROOT)!r})
from ovstool.errors import OvstoolError
from ovstool.host.ssh import Ssh
from ovstool.ovsdb.client import Client
target, options, what, seconds = json.loads(sys.argv[1])
host = Ssh(target, **options)
try:
    if what[0] == "open":
        client = Client(host.open(what[1], seconds), "far", time.monotonic() + seconds)
        answers = [client.transact([dict(op="select", table="Bridge", where=[], columns=["name"])])[0]["rows"] for _ in range(2)]
        client.close()
        print(json.dumps(answers[1]))
    else:
        print(json.dumps(host.run(what, seconds, b"stdin")))
except OvstoolError as error:
    print(json.dumps([type(error).__name__, str(error)]))
host.close()
"""
SOCKET = "unix:/var/run/openvswitch/db.sock"
FOUND = [{"name": "br0"}]


@pytest.fixture(scope="module")
def on_host(lab):
    def on_host(target, *what, seconds=S, **options):
        done = lab.run([sys.executable, "-c", FAR, json.dumps([target, options, what, seconds])])
        assert options.get("accept_new_key") or done.stderr == "", done.stderr
        return done.json

    return on_host


def test_users_without_privilege(lab, on_host):
    lab.host("op", user="op")
    assert on_host("op", "open", SOCKET, sudo=True) == FOUND
    assert on_host("op", "id", "-un", sudo=True) == [0, "root\n", ""]
    assert on_host("op", "id", "-un") == [0, "op\n", ""]
    assert on_host("op", "cat", sudo=True) == [0, "stdin", ""]
    assert on_host("op", "printf", "%s", "it's a\nb\\c!", sudo=True) == [0, "it's a\nb\\c!", ""]
    assert on_host("op", "no-such-program", sudo=True) == ["NotFound", "op: no-such-program: not installed"]
    # A socket that the user may not open is opened through sudo, even if not requested.
    assert on_host("op", "open", SOCKET) == FOUND
    assert on_host("root@op", "open", SOCKET, sudo=True) == FOUND
    for sudo in (True, False):
        name, text = on_host("op", "open", "unix:/run/none", sudo=sudo)
        assert (name, "no such socket; is ovsdb-server running?" in text) == ("Unreachable", True)


def test_a_sudo_that_wants_a_password(lab, on_host):
    lab.host("asks", user="op", sudo="password")
    for what in (["open", SOCKET], ["id"]):
        name, text = on_host("asks", *what, sudo=True)
        assert name == "Unreachable"
        assert "sudo wants a password; try: NOPASSWD" in text
    name, text = on_host("asks", "open", SOCKET)
    assert name == "Unreachable"
    assert text.startswith(f"asks: {SOCKET}: permission denied, and sudo wants a password; try: ")
    assert on_host("asks", "id", "-un") == [0, "op\n", ""]


def test_no_sudo(lab, on_host):
    lab.host("bare", user="op", sudo="absent")
    for what in (["open", SOCKET], ["id"]):
        name, text = on_host("bare", *what, sudo=True)
        assert (name, "sudo is not installed" in text) == ("Unreachable", True)
    assert "permission denied, and sudo is not installed" in on_host("bare", "open", SOCKET)[1]


@pytest.mark.parametrize("without", [("socat",), ("socat", "nc"), ("socat", "python3"), ("nc", "python3")], ids=" ".join)
def test_relays(lab, on_host, without):
    name = "without-" + "-".join(without)
    lab.host(name, user="op", without=without)
    assert on_host(name, "open", SOCKET, sudo=True) == FOUND


def test_no_relay(lab, on_host):
    lab.host("norelay", user="op", without=("socat", "nc", "python3"))
    assert "the remote host needs socat, nc with -U, or python3" in on_host("norelay", "open", SOCKET, sudo=True)[1]


def test_no_forwarding(lab, on_host):
    lab.host("closed", forwarding=False)
    # A program replaces it; if there is none, the error names the cause.
    assert on_host("closed", "open", SOCKET) == FOUND
    assert "the SSH server does not forward connections; try: AllowTcpForwarding" in on_host("closed", "open", "tcp:127.0.0.1:22")[1]
    lab.host("nothing", forwarding=False, sshd=("ForceCommand echo go away",))
    name, text = on_host("nothing", "open", SOCKET)
    assert (name, "go away" in text, "AllowStreamLocalForwarding yes" in text) == ("Unreachable", True, True)


@pytest.mark.parametrize("shell", [path for path in ("/bin/bash", "/bin/csh", "/usr/bin/fish") if os.path.exists(path)])
def test_login_shells(lab, on_host, shell):
    name = f"shell-{os.path.basename(shell)}"
    lab.host(name, user="op", shell=shell)
    assert on_host(name, "open", SOCKET, sudo=True) == FOUND
    assert on_host(name, "open", SOCKET) == FOUND
    words = 'it\'s a\nb\\c!d $HOME `id` "x" *'
    assert on_host(name, "printf", "%s", words) == [0, words, ""]
    assert on_host(name, "printf", "%s", words, sudo=True) == [0, words, ""]


def test_a_login_shell_with_a_banner(lab, on_host):
    lab.host("banner", user="op", banner="*** Authorised users only ***\nmore")
    assert on_host("banner", "open", SOCKET, sudo=True) == FOUND
    assert on_host("banner", "echo", "x") == [0, "x\n", ""]
    assert on_host("banner", "echo", "x", sudo=True) == [0, "x\n", ""]


def test_bad_lines(lab, on_host):
    lab.host("slow", answers_after_s=20)
    lab.host("drops", drops_after=1500)
    lab.host("dropslater", drops_after=9000)
    lab.host("hangs", hangs_after=1500)
    assert on_host("slow", "id", seconds=1)[0] == "TimedOut"
    assert on_host("drops", "id")[0] == "Unreachable"
    assert on_host("hangs", "id", seconds=1)[0] == "TimedOut"
    name, text = on_host("dropslater", "sh", "-c", "yes | head -c 100000")
    assert (name, "connection lost" in text) == ("Unreachable", True)


def test_hosts_that_changed(lab, on_host):
    lab.host("unknown", known="no")
    lab.host("changed", known="changed")
    lab.host("locked", authorised=False)
    assert "its host key is unknown" in on_host("unknown", "id")[1]
    assert on_host("unknown", "echo", "x", accept_new_key=True) == [0, "x\n", ""]
    assert on_host("unknown", "echo", "x") == [0, "x\n", ""]
    assert "its host key is not the one in" in on_host("changed", "id", accept_new_key=True)[1]
    assert "login as root refused" in on_host("locked", "id")[1]


def test_behind_a_jump_host(lab, on_host):
    lab.host("gate")
    lab.host("inside", behind="gate", user="op", port=2222)
    assert on_host("inside", "open", SOCKET, sudo=True) == FOUND
    assert on_host("inside", "id", "-un") == [0, "op\n", ""]
