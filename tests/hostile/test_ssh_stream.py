"""An SSH connection that is cut, changed or stalled at any byte: connection lost, in one line, and in time."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import peak
import pytest
from ssh_servers import SSHD, Home, listening, wire

from ovstool.errors import TimedOut, Unreachable
from ovstool.host.ssh import Ssh, connection, transport
from ovstool.host.ssh import config as ssh_config

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not SSHD, reason="needs root and sshd")
S = 30


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "system"))
    return Home(tmp_path)


def sizes(home, port, command):
    """The bytes received after each message of a successful command."""
    seen = []

    def note(data, place):
        seen.append(place + len(data))
        return data

    with listening(wire(port, note)) as through:
        home.know(through)
        command(through)
    return seen


def run(port, timeout_s=S):
    host = Ssh(f"root@127.0.0.1:{port}")
    try:
        return host.run(["sh", "-c", "echo out; cat"], timeout_s, b"in")
    finally:
        host.close()


def stream(port, timeout_s=S):
    host = Ssh(f"root@127.0.0.1:{port}")
    try:
        return b"".join(host.stream(["sh", "-c", "echo one; echo two"], timeout_s))
    finally:
        host.close()


@pytest.mark.parametrize("command", [run, stream])
@pytest.mark.parametrize("kind", ["cut", "changed"])
def test_broken_at_any_byte(home, command, kind, monkeypatch):
    thrown = []
    monkeypatch.setattr(threading, "excepthook", thrown.append)
    with home.sshd() as port:
        ends = sizes(home, port, command)
        whole = ends[-1]
        # After each of the server's messages, and inside them.
        places = sorted({place for end in ends for place in (end - 1, end) if place < whole} | set(range(21, whole, whole // 12)))

        def at(place):
            def cut(data, begin):
                return data[: max(place - begin, 0)]

            def change(data, begin):
                if begin <= place < begin + len(data):
                    data = bytearray(data)
                    data[place - begin] ^= 0x55
                return bytes(data)

            return cut if kind == "cut" else change

        def try_it(place):
            with listening(wire(port, at(place))) as through:
                home.know(through)
                try:
                    command(through, S if kind == "cut" else 2)
                except Unreachable as error:
                    assert str(error).isprintable(), place
                except TimedOut:
                    assert kind == "changed", place  # the changed byte may be a length, so that more data is waited for

        with ThreadPoolExecutor(6) as pool:  # sshd limits unauthenticated connections
            list(pool.map(try_it, places))
    assert not thrown


def test_a_command_without_an_exit_status(home):
    """The program has finished, and the connection ends before its exit status arrives, which is not the program's fault."""

    def handler(channel):
        channel.sendall(b"one\n")
        channel.shutdown_write()
        channel.get_transport().sock.close()

    with paramiko_server(home, handler) as port, pytest.raises(Unreachable, match="connection lost"):
        stream(port)


def paramiko_server(home, handler, talk=lambda transport: None):
    """A server that accepts everybody, sends the word that a command waits for, and then does as the test wants."""
    import paramiko

    class Interface(paramiko.ServerInterface):
        def check_auth_publickey(self, username, key):
            return paramiko.AUTH_SUCCESSFUL

        def get_allowed_auths(self, username):
            return "publickey"

        def check_channel_request(self, kind, number):
            return paramiko.OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel, command):
            threading.Thread(target=self.serve, args=(channel, command.decode()), daemon=True).start()
            return True

        def serve(self, channel, command):
            token = command[command.index("ovstool-") :][:24].encode()
            with suppress(OSError, EOFError):
                channel.sendall(token + b"\n")
                channel.sendall_stderr(token + b"\n")
                handler(channel)

    key = paramiko.Ed25519Key.from_private_key_file(str(home.host_key))

    def serve(peer):
        transport = paramiko.Transport(peer)
        transport.add_server_key(key)
        transport.start_server(server=Interface())
        talk(transport)
        while transport.is_active():
            time.sleep(0.02)

    class Running:
        def __enter__(self):
            self._listening = listening(serve)
            port = self._listening.__enter__()
            home.know(port)
            return port

        def __exit__(self, *error):
            self._listening.__exit__(*error)

    return Running()


def sends(what, pause_s=0.0):
    def handler(channel):
        while True:
            channel.sendall(what)
            time.sleep(pause_s)

    return handler


@pytest.mark.parametrize(
    "handler",
    [
        sends(b"x", 0.05),  # byte by byte, each in time
        lambda channel: time.sleep(S),
        lambda channel: (channel.shutdown_write(), time.sleep(S)),  # it closes its output and continues
    ],
    ids=["trickle", "silence", "no output and no end"],
)
@pytest.mark.parametrize("how", ["run", "stream"])
def test_in_time(home, handler, how):
    with paramiko_server(home, handler) as port:
        host = Ssh(f"root@127.0.0.1:{port}")
        begin = time.monotonic()
        with pytest.raises(TimedOut):
            if how == "run":
                host.run(["x"], 1)
            else:
                list(host.stream(["x"], 1))
        host.close()
        assert time.monotonic() - begin < 5


def test_a_server_that_stops_reading(home):
    """Sent data fills all buffers on the way; waiting for that is limited by the timeout."""

    def stop_reading(channel):
        channel.get_transport().packetizer.read_message = lambda: time.sleep(S)

    def widen(transport):
        transport.default_window_size = 2**30

    with paramiko_server(home, stop_reading, widen) as port:
        host = Ssh(f"root@127.0.0.1:{port}")
        begin = time.monotonic()
        with pytest.raises((TimedOut, Unreachable)):
            host.run(["x"], 1, b"x" * 2**25)
        host.close()
        assert time.monotonic() - begin < 5


def test_output_without_end_is_not_kept(home):
    """The program is named, and less than a tenth of what a lying server sends is kept."""
    script = (
        "import resource, sys\nfrom ovstool.host.ssh import Ssh\nfrom ovstool.errors import Refused\n"
        "host = Ssh(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    host.run(['endless'], 60)\nexcept Refused as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)\n"
    )

    with paramiko_server(home, sends(b"x" * 2**20)) as port:
        argv = [sys.executable, "-c", script, f"root@127.0.0.1:{port}"]
        done = peak.run(argv, home.environ, 120)
    said, grown_mib = done.stdout.splitlines()
    assert "endless: wrote more than 32 MiB" in said
    assert int(grown_mib) < 100  # some 30 for paramiko itself, and what is kept


def test_an_answer_counts_however_early_it_arrives(home, monkeypatch):
    """The thread that sends a probe may stand still until after the answer has arrived."""
    monkeypatch.setattr(connection.SshConnection, "silent_s", 0.05)
    ask = transport.SshTransport.ask_whether_alive
    asked = []

    def ask_and_stand_still(self):
        heard_at = self.heard_at
        ask(self)
        asked.append(self)
        end = time.monotonic() + S
        while self.heard_at == heard_at and time.monotonic() < end:
            time.sleep(0.001)

    monkeypatch.setattr(transport.SshTransport, "ask_whether_alive", ask_and_stand_still)
    with home.sshd() as port:
        home.know(port)
        host = Ssh(f"root@127.0.0.1:{port}")
        for _ in host.stream(["sleep", "600"], 10**6, 0.01):
            if len(asked) == 5:
                break
        host.close()
    assert len(asked) == 5


def test_a_silent_program_continues_and_a_silent_connection_ends(home, monkeypatch):
    """A host that crashes does not close connections, so it is probed, and either answers each probe or none."""
    monkeypatch.setattr(connection.SshConnection, "silent_s", 0.4)
    answers, is_cut = threading.Semaphore(0), threading.Event()

    def cut(data, place):
        answers.release()
        return data if not is_cut.is_set() else time.sleep(S) or b""

    with home.sshd() as port, listening(wire(port, cut)) as through:
        home.know(through)
        host = Ssh(f"root@127.0.0.1:{through}")
        chunks = host.stream(["sh", "-c", "echo one; exec sleep 600"], 10**6)
        assert next(chunks) == b"one\n"
        while answers.acquire(blocking=False):
            pass
        rest = ThreadPoolExecutor(1).submit(list, chunks)
        for _ in range(8):
            assert answers.acquire(timeout=S) and not rest.done()
        is_cut.set()
        with pytest.raises(Unreachable, match="connection lost: no answer for "):
            rest.result(S)
        host.close()
