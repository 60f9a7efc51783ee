"""The socket below an SSH connection, and the channels within one; the other end is in this process."""

import socket
import threading
import time
import tracemalloc
from contextlib import suppress

import pytest
from test_ssh_login import Door, hop, reached

from ovstool.host.deadline import Deadline
from ovstool.host.ssh import login
from ovstool.host.ssh.transport.channel import LONGEST_PACKET, PACKET, WINDOW
from ovstool.host.ssh.transport.wire import Wire

# isort: split
import paramiko

S = 30  # limits what hangs


@pytest.fixture
def wire():
    """A wire, and its other end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(S)
    theirs.settimeout(S)
    with ours, theirs:
        yield Wire(ours), theirs


def test_received_data_is_returned_in_pieces(wire):
    near, far = wire
    far.sendall(b"abcdefg")
    assert [near.recv(3), near.recv(2), near.recv(LONGEST_PACKET)] == [b"abc", b"de", b"fg"]
    far.sendall(b"h")
    far.shutdown(socket.SHUT_WR)
    assert [near.recv(5), near.recv(5)] == [b"h", b""]
    with pytest.raises(paramiko.SSHException, match="it sent a packet of an invalid size"):
        near.recv(LONGEST_PACKET + 1)


def test_receiving_takes_no_more_memory_than_what_is_received(wire):
    """Large blocks that are freed at once, between small ones that stay, would let the memory of a long-running process grow."""
    near, far = wire
    far.sendall(b"abc")
    tracemalloc.start()
    assert near.recv(16) == b"abc"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**15  # of other threads, too


def test_the_limit_of_data_before_the_login(wire):
    near, far = wire
    near.allowance = 10
    far.sendall(b"x" * 10)
    assert near.recv(20) == b"x" * 10 and near.allowance == 0
    far.sendall(b"x")
    with pytest.raises(paramiko.SSHException, match="it sent too much before the login"):
        near.recv(20)
    near.allowance = None
    assert near.recv(20) == b"x"
    far.sendall(b"x" * 20)
    assert near.recv(20) == b"x" * 20 and near.allowance is None


def test_before_the_login_it_is_a_mebibyte(wire):
    assert wire[0].allowance == 2**20


def test_sent_and_closed(wire):
    near, far = wire
    assert near.send(b"hello") == 5 and far.recv(9) == b"hello"
    near.close()
    assert far.recv(9) == b"" and near._stream.fileno() == -1
    with pytest.raises(paramiko.SSHException, match="closed"):
        near.send(b"more")


def test_closing_wakes_who_reads():
    ours, theirs = socket.socketpair()
    found = []

    def read() -> None:
        reading.set()
        with suppress(OSError):  # it was closed before reading began
            found.append(near.recv(9))

    with theirs:
        near, reading = Wire(ours), threading.Event()
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reading.wait(S)
        near.close()
        reader.join(S)
        assert not reader.is_alive() and found in ([b""], [])


def test_who_takes_nothing_any_more(wire):
    near, _ = wire
    near.settimeout(0.05)  # as paramiko sets one, and then checks whether the peer is still there
    begin = time.monotonic()
    with pytest.raises(paramiko.SSHException, match="it stopped reading"):
        while True:
            near.send(b"x" * 2**16)
    assert time.monotonic() - begin > 0.2
    with pytest.raises(paramiko.SSHException, match="it stopped reading"):
        near.send(b"x")  # at once, even if it could take some now


def test_the_timeout_is_never_shortened(wire):
    near, _ = wire
    assert 0 < near.until - time.monotonic() <= 0.2
    near.extend(1000)
    near.extend(1)
    assert 900 < near.until - time.monotonic() <= 1000
    near.settimeout(7)
    assert near._stream.gettimeout() == 7


def test_tcp_sends_small_packets_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            near = Wire(ours)
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            theirs.sendall(b"x")
            assert near.recv(5) == b"x"


class Shell(Door):
    """Accepts everybody, and runs ``program`` with the channel of each command."""

    def __init__(self, program):
        super().__init__("none")
        self.program, self.commands = program, []

    def check_channel_exec_request(self, channel, command):
        self.commands.append(command)
        threading.Thread(target=self._run, args=[channel], daemon=True).start()
        return True

    def _run(self, channel) -> None:
        with suppress(EOFError, OSError):  # the test may have ended by now
            self.program(channel)


class session:
    """A channel on which a command was started."""

    def __init__(self, program):
        self.shell = Shell(program)
        self.reached = reached(self.shell)

    def __enter__(self):
        transport = self.reached.__enter__()
        login.Login(transport, hop()).run()
        channel, _ = transport.open("session", Deadline(S))
        channel.settimeout(S)
        channel.execute(b"ls -l")
        return channel

    def __exit__(self, *error):
        return self.reached.__exit__(*error)


def read(channel) -> bytes:
    data = b""
    while more := channel.recv(2**16):
        data += more
    return data


def until(condition) -> None:
    end = time.monotonic() + S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def request(channel, kind: str, *texts: str) -> None:
    """Make a server's channel send a request that paramiko's servers do not send."""
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(kind)
    message.add_boolean(False)
    for text in texts:
        message.add_string(text)
    channel.transport._send_user_message(message)


def test_a_command_that_ends():
    def program(channel):
        channel.sendall(b"out")
        channel.sendall_stderr(b"err")
        channel.send_exit_status(3)
        channel.close()

    with (started := session(program)) as channel:
        assert read(channel) == b"out"
        until(lambda: channel.closed_there)
        assert (bytes(channel.stderr), channel.exit_status, channel.ended, channel.killed, channel.cut_off) == (
            b"err",
            3,
            True,
            False,
            False,
        )
        assert started.shell.commands == [b"ls -l"]


def test_a_command_that_is_killed():
    def program(channel):
        request(channel, "keepalive@openssh.com")
        request(channel, "exit-signal", "KILL", "", "")
        request(channel, "eow@openssh.com")
        channel.shutdown_write()

    with session(program) as channel:
        assert read(channel) == b""
        assert (channel.killed, channel.ended, channel.exit_status, channel.cut_off, channel.closed_there) == (True, True, -1, False, False)


def test_a_command_whose_connection_is_cut():
    with session(lambda channel: (channel.sendall(b"half"), channel.transport.close())) as channel:
        assert read(channel) == b"half"
        assert channel.cut_off and not channel.ended
        with pytest.raises(OSError, match="closed"):
            channel.sendall(b"x")
        channel.signal("TERM")  # nothing receives it, which is not an error
        channel.close()


def test_the_beginning_of_stderr_is_kept():
    def program(channel):
        channel.sendall_stderr(b"a" * 100 + b"b" * 2**18)
        channel.send_exit_status(0)
        channel.shutdown_write()

    with session(program) as channel:
        assert read(channel) == b""
        assert channel.stderr == b"a" * 100 + b"b" * (2**18 - 100)


def test_all_of_a_long_input_is_sent():
    given = bytes(range(256)) * 500
    assert len(given) > 3 * PACKET
    taken = []

    def program(channel):
        taken.append(read(channel))
        channel.close()

    with session(program) as channel:
        channel.sendall(given)
        channel.shutdown_write()
        assert read(channel) == b""
    assert taken == [given]


def test_a_program_may_write_much_to_stderr():
    """The window grows by what was read, whether kept or not."""
    ends = []

    def program(channel):
        ends.append(channel)
        channel.sendall_stderr(bytes(2**21))
        channel.shutdown_write()

    with session(program) as channel:
        assert read(channel) == b"" and len(channel.stderr) == 2**18
        until(lambda: ends[0].out_window_size > WINDOW - 2**21)


def test_an_input_that_is_not_read():
    with session(lambda channel: None) as channel:
        channel.settimeout(0.2)
        with pytest.raises(TimeoutError):
            channel.sendall(bytes(2**22))
        channel.settimeout(None)
        assert channel.transport.sock.until - time.monotonic() > 10**6


def test_the_largest_packet():
    assert (LONGEST_PACKET, PACKET, WINDOW) == (263168, 32768, 16777216)  # of OpenSSH, PACKET_MAX_SIZE of packet.h, and a margin
