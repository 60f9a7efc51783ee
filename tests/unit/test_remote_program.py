"""A program behind SSH, through its channel: output before it starts, its own output, how it ends, and what is sent (RFC 4254)."""

import re
import socket
import struct
import subprocess
import sys
import time

import pytest
from paramiko.message import Message

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import streams
from ovstool.host.ssh.connection import SshConnection
from ovstool.host.ssh.shell import RemoteProgram, RemoteShell
from ovstool.host.ssh.streams import ChannelStream, RelayStream
from ovstool.host.ssh.transport import Refusal, SshTransport
from ovstool.host.ssh.transport.channel import PACKET, WINDOW, SshChannel
from ovstool.host.ssh.transport.wire import Wire

TOKEN = "ovstool-0123456789abcdef"


class Transport(SshTransport):
    """A transport that was never started; it records what a channel sends."""

    def __init__(self, wire: Wire):
        super().__init__(wire, [])
        self.sent: list[bytes] = []
        self.clear_to_send.set()

    def _send_user_message(self, data: Message) -> None:
        self.sent.append(data.asbytes())

    _send_message = _send_user_message


class Connection:
    """A connection that is lost."""

    name, user, alive, silent_s = "h1", "me", True, 15.0
    ssh = "ssh -p 2222 me@h1"

    def check_alive(self) -> None:
        pass

    def lost(self, error: BaseException | None = None) -> Unreachable:
        return Unreachable("h1", "connection lost: gone")


@pytest.fixture
def channel():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = SshChannel(1)
        made._set_transport(Transport(Wire(ours)))
        made._set_window(WINDOW, PACKET)
        made._set_remote_channel(7, 2**20, PACKET)
        yield made


@pytest.fixture
def program(channel):
    return RemoteProgram(Connection(), channel, TOKEN)


def message(*fields: int | bytes) -> Message:
    packed = Message()
    for field in fields:
        (packed.add_int if isinstance(field, int) else packed.add_string)(field)
    packed.rewind()
    return packed


def string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def ended(channel, status: int) -> None:
    channel.exit_status = status
    channel.status_event.set()
    channel._handle_eof(message())


# --- what is sent


def test_what_a_program_is_asked(channel, program):
    channel.execute(b"ls \xff")
    program.terminate()
    to = bytes([98]) + struct.pack(">I", 7)
    assert channel.transport.sent == [to + string(b"exec") + b"\1" + string(b"ls \xff"), to + string(b"signal") + b"\0" + string(b"TERM")]


def test_input_is_sent_and_closed(channel, program):
    program.send_all(b"x" * 5, Deadline(60))
    assert channel.transport.sent == [bytes([94]) + struct.pack(">I", 7) + string(b"xxxxx"), bytes([96]) + struct.pack(">I", 7)]
    assert 0 < channel.transport.sock.until - time.monotonic() <= 60
    channel.settimeout(None)
    assert channel.transport.sock.until - time.monotonic() > 10**6


def test_the_errors_of_a_program_are_kept_to_a_length(channel):
    channel._feed_extended(message(1, b"a" * (2**18 - 1)))
    channel._feed_extended(message(1, b"bc"))
    channel._feed_extended(message(1, b"d"))
    assert channel.stderr == b"a" * (2**18 - 1) + b"b" and channel.transport.sent == []
    # The server may continue once a tenth of its window has been read, but not while keys are exchanged.
    channel.transport.clear_to_send.clear()
    channel._feed_extended(message(1, b"x" * (2**21 - 2**18 - 2)))
    assert channel.transport.sent == []
    channel.transport.clear_to_send.set()
    channel._feed_extended(message(1, b"y" * 8))
    assert channel.transport.sent == [bytes([93]) + struct.pack(">II", 7, 2**21 + 8)]


# --- the start


@pytest.mark.parametrize(
    ("said", "word", "rest"),
    [
        (f"{TOKEN}\n", "", b""), (f"{TOKEN} open\ndata", "open", b"data"), (f"Hello\n{TOKEN}\r\nx\n", "", b"x\n"), (f"{TOKEN} {TOKEN}\ny", "", b"y"),
        (f"{TOKEN}!\n{TOKEN} none\n", "none", b""),
    ],
)  # fmt: skip
def test_output_before_the_program_is_skipped(channel, program, said, word, rest):
    for letter in said.encode()[:40], said.encode()[40:]:
        channel._feed(letter)
    ended(channel, 0)
    assert program.begin(Deadline(60)) == word
    assert program.receive(2, Deadline(60)) + program.receive(99, Deadline(60)) + program.receive(99, Deadline(60)) == rest
    assert (program.noise, program.noisy) == (b"", False)


def test_a_command_that_ends_before_it_starts(channel, program):
    channel._feed(b"No such user\n")
    ended(channel, 1)
    assert program.begin(Deadline(60)) is None and program.noise == b"No such user\n" and not program.noisy


@pytest.mark.parametrize(("length", "noisy"), [(2**16, False), (2**16 + 1, True)])
def test_the_limit_of_output_before_the_program(channel, program, length, noisy):
    channel._feed(b"x" * length)
    ended(channel, 0)
    assert program.begin(Deadline(60)) is None and program.noisy == noisy


def test_output_without_an_end_ends_with_the_time(channel, program):
    channel._feed(b"x")
    with pytest.raises(TimeoutError):
        program.receive(1, Deadline(0))
    assert program.receive(1, Deadline(60)) == b"x"
    with pytest.raises(TimeoutError):
        program.receive(1, Deadline(0.02))
    channel.in_buffer.close()  # as when the connection ends without a message for the channel
    with pytest.raises(Unreachable, match="connection lost: gone"):
        program.receive(1, Deadline(60))


# --- the end


def test_stderr_without_the_output_of_the_login_shell(channel, program):
    channel.stderr += b"chatter\n"
    assert program.stderr() == "chatter\n" and not program.got_to_sudo
    channel.stderr += f"{TOKEN}\nof sudo\n{TOKEN}\nits own\xff\nwords".encode("latin-1")
    assert program.stderr() == "its own\ufffd\nwords" and program.got_to_sudo


def test_how_it_ended(channel, program):
    with pytest.raises(TimeoutError):
        program.status(Deadline(0))
    channel.status_event.set()
    assert program.status(Deadline(60)) is None
    channel._handle_request(message(7, b"exit-signal", 0))
    assert channel.killed and program.status(Deadline(0)) == -1
    channel.exit_status = 5
    assert program.status(Deadline(0)) == 5


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (127, NotFound, "h1: tc: not installed"),
        (126, Refused, "h1: tc: cannot be run: Permission denied"),
        (None, Unreachable, "h1: tc: connection lost before the program ended"),
    ],
)
def test_ends_that_are_errors(channel, status, error, said):
    shell = RemoteShell(Connection(), False)
    shell._token = TOKEN
    channel.execute = lambda command: None
    shell.connection.execute = lambda command, deadline: channel
    channel._feed(f"{TOKEN}\nout".encode())
    channel.stderr += f"{TOKEN}\none\nPermission denied\n".encode()
    ended(channel, -1 if status is None else status)
    output = shell.output(["tc"], b"", Deadline(60), 60)
    assert next(output) == b"out"
    with pytest.raises(error) as failure:
        next(output)
    assert str(failure.value) == said


@pytest.mark.parametrize(
    ("user", "sudo", "out", "err", "status", "said"),
    [
        ("me", False, b"x" * (2**16 + 1), "", 0, "its login shell prints more than 64 KiB before it runs anything"),
        (
            "me",
            False,
            b"one\nNo shell\n",
            "no\n",
            1,
            "its login shell does not run programs: No shell; try: ssh -p 2222 me@h1 true, which must work",
        ),
        ("me", True, b"", "no\n", 1, "its login shell does not run programs: no; try: ssh -p 2222 me@h1 true, which must work"),
        ("me", False, b"", "", 1, "its login shell does not run programs (exit status 1); try: ssh -p 2222 me@h1 true, which must work"),
        ("me", False, b"", "", -1, "its login shell does not run programs; try: ssh -p 2222 me@h1 true, which must work"),
        ("me", True, b"", f"{TOKEN}\nsudo: no\n", 1, "sudo refused: no; try: NOPASSWD in sudoers there, or -H root@HOST"),
        (
            "root",
            True,
            b"",
            f"{TOKEN}\nsudo: no\n",
            1,
            "its login shell does not run programs: sudo: no; try: ssh -p 2222 me@h1 true, which must work",
        ),
    ],
)
def test_why_a_command_ran_nothing(channel, user, sudo, out, err, status, said):
    connection = Connection()
    connection.user = user
    shell, program = RemoteShell(connection, sudo), RemoteProgram(connection, channel, TOKEN)
    assert shell.as_root == (sudo and user != "root")
    channel._feed(out)
    channel.stderr += err.encode()
    ended(channel, status)
    assert program.begin(Deadline(60)) is None
    assert str(shell.not_begun(program, Deadline(60))) == f"h1: {said}"
    if status == -1:
        connection.alive = False
        assert str(shell.not_begun(program, Deadline(60))) == "h1: connection lost: gone"


# --- streams to a socket


@pytest.mark.parametrize(
    ("word", "as_root", "err", "said"),
    [
        ("absent", False, "", "x: no such socket; is ovsdb-server running?; try: --db unix:PATH with the path on that host"),
        ("other", False, "", "x: connection refused: not a socket"),
        ("none", False, "", "x: the remote host needs socat, nc with -U, or python3; try: installing one of them, or AllowStreamLocalForwarding in its sshd_config"),
        (None, True, "", "h1: its login shell does not run programs (exit status 1); try: ssh -p 2222 me@h1 true, which must work"),
        (None, False, "", "h1: its login shell does not run programs (exit status 1), and its SSH server does not forward Unix sockets; "
                          "try: AllowStreamLocalForwarding yes in its sshd_config"),
        (None, False, f"{TOKEN}\nsudo: a password is required\n",
         "x: permission denied, and sudo wants a password; try: a user who may open the socket, or NOPASSWD in sudoers there"),
    ],
)  # fmt: skip
def test_why_a_socket_is_not_opened(channel, program, word, as_root, err, said):
    channel.stderr += err.encode()
    ended(channel, 1)
    shell = RemoteShell(Connection(), as_root)
    assert str(streams._not_opened(shell, word, program, "x", "ovsdb-server", Deadline(60))) == said


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("", "the relay ended"),
        ("nc: /run/ovs/x.ctl: Connection refused\n", "the socket is there, but nothing listens on it"),
        ('2026/11/23 08:42:20 socat[95] E connect(, AF=1 "/run/ovs/x.ctl", 42): Connection refused\n', "the socket is there, but nothing listens on it"),
        ('2026/11/23 08:42:20.123456 socat[95] E connect(, AF=1 "x", 4): Permission denied\n', 'connect(, AF=1 "x", 4): Permission denied'),
    ],
    ids=["silent", "nc", "socat", "another-reason"],
)  # fmt: skip
def test_a_relay_that_ends_before_its_first_byte(channel, program, last, said):
    stream = RelayStream(program)
    stream.settimeout(60)
    channel.stderr += f"{TOKEN}\n{last}".encode()
    channel._handle_eof(message())
    with pytest.raises(ConnectionRefusedError, match=f"^{re.escape(said)}$"):
        stream.recv(9)


def test_the_relay_in_python_ends_with_its_stdin(tmp_path):
    """Although the peer, such as a daemon that hangs, neither reads nor answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        argv = [sys.executable, "-c", streams._PYTHON, str(tmp_path / "s")]
        assert subprocess.run(argv, input=b"question", capture_output=True, timeout=60, check=True).stdout == b""


def test_a_relay_that_ends_after_some_bytes(channel, program):
    stream = RelayStream(program)
    channel._feed(b"abc")
    assert stream.recv(2) == b"ab"
    channel._handle_eof(message())
    assert stream.recv(9) == b"c" and stream.recv(9) == b""
    stream.settimeout(0)
    with pytest.raises(TimeoutError):
        stream.recv(9)


def test_a_socket_whose_connection_is_cut(channel):
    stream = ChannelStream(Connection(), channel)
    stream.settimeout(60)
    channel._feed(b"x")
    channel.in_buffer.close()
    assert stream.recv(9) == b"x"
    with pytest.raises(OSError, match=r"^gone$"):
        stream.recv(9)
    channel.closed_there = True
    assert stream.recv(9) == b""


def test_words_that_are_too_long_or_cannot_be_sent(channel):
    shell = RemoteShell(Connection(), False)
    shell.connection.execute = lambda command, deadline: channel
    for argv, why in ((["tc", "x" * 120_000], "too many or too long arguments"), (["tc", "a\0b"], "embedded null byte")):
        with pytest.raises(Refused) as refused:
            shell.start("x", argv, Deadline(60))
        assert str(refused.value) == f"h1: tc: cannot be run: {why}"
    shell.start("x", ["tc", "x" * 119_000], Deadline(60))


def test_output_of_a_host_that_no_longer_answers(channel, monkeypatch):
    def check_alive(connection):
        raise Unreachable("h1", "connection lost: no answer for 60 s")

    monkeypatch.setattr(Connection, "silent_s", 0.01)
    monkeypatch.setattr(Connection, "check_alive", check_alive)
    for pause_s in (None, 0.01):
        with pytest.raises(Unreachable, match="no answer for 60 s"):
            next(RemoteProgram(Connection(), channel, TOKEN).chunks(Deadline(60), pause_s))


@pytest.mark.parametrize(("refusal", "words"), [(Refusal(1, "no more sessions"), "no more sessions"), (None, "")])
def test_a_server_that_opens_no_session(refusal, words):
    class Refusing(Connection):
        def open(self, kind, deadline):
            return None, refusal

    with pytest.raises(Unreachable) as caught:
        SshConnection.execute(Refusing(), b"true", Deadline(60))
    why = f"the SSH server refused to open a session ({words})"
    assert (caught.value.what, caught.value.why, caught.value.hint) == ("h1", why, "MaxSessions in its sshd_config")


def test_a_program_that_does_not_end_gets_a_signal(channel):
    shell = RemoteShell(Connection(), False)
    shell._token = TOKEN
    shell.connection.execute = lambda command, deadline: channel
    channel._feed(f"{TOKEN}\n".encode())
    with pytest.raises(TimedOut) as late:
        next(shell.output(["sleep", "60"], None, Deadline(0.05), 0.05))
    assert str(late.value) == "h1: sleep: did not end within 0.05 s"
    assert [sent for sent in channel.transport.sent if string(b"TERM") in sent]
