"""Sockets of this machine: names and addresses, TLS with a peer that the test controls, and the socket below SSH."""

import errno
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from paramiko.ssh_exception import SSHException

from ovstool.errors import OvstoolError, TimedOut, Unreachable, UsageError
from ovstool.host import Tls, local, tcp
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import shell
from ovstool.host.ssh.transport.channel import SshChannel
from ovstool.host.ssh.transport.wire import Wire
from ovstool.host.tls import TlsStream, context


def said(call, *words, error=OvstoolError) -> str:
    with pytest.raises(error) as failure:
        call(*words)
    return str(failure.value)


# --- addresses


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("tcp:192.0.2.1:6640", ("192.0.2.1", 6640)),
        ("ssl:[2001:db8::1]:1", ("2001:db8::1", 1)),
        ("tcp:2001:db8::1:65535", ("2001:db8::1", 65535)),
        ("tcp:[h:1", ("[h", 1)),
        *((wrong, None) for wrong in ("tcp:h", "tcp:h:", "tcp::1", "tcp:h:0", "tcp:h:65536", "tcp:h:x", "tcp:[]:1", "tcp:", "tcp")),
    ],
)
def test_a_host_and_a_port(address, parts):
    if parts:
        assert tcp.host_and_port(address) == parts
    else:
        hint = "tcp:192.0.2.1:6640 or tcp:[2001:db8::1]:6640"
        assert said(tcp.host_and_port, address) == f"{address}: needs a host and a port from 1 to 65535; try: {hint}"


def test_the_next_address_is_tried_when_one_does_not_answer():
    """localhost has two addresses, one with a listener; and the family of a name can be selected."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for host, family in (("localhost", socket.AF_UNSPEC), ("127.0.0.1", socket.AF_UNSPEC), ("localhost", socket.AF_INET)):
            with tcp.connect(host, port, Deadline(60), family) as stream:
                assert stream.getpeername() == ("127.0.0.1", port)
                assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        with pytest.raises(OSError, match=r"."):
            tcp.connect("127.0.0.1", port, Deadline(60), socket.AF_INET6)
        with pytest.raises(TimeoutError) as late:
            tcp.connect("127.0.0.1", port, Deadline(0))
        assert (late.value.errno, late.value.strerror) == (errno.ETIMEDOUT, "no address answers")
    with pytest.raises(ConnectionRefusedError):
        tcp.connect("127.0.0.1", port, Deadline(60))
    with pytest.raises(socket.gaierror):
        tcp.connect("nosuch.invalid", port, Deadline(60))
    with pytest.raises(UnicodeError):
        tcp.connect("x" * 70, port, Deadline(60))


def test_invalid_server_addresses(tmp_path):
    for address in ("", "unix", "unix:", "udp:h:1", "UNIX:/x"):
        assert said(local.open, address, 60).endswith("not an address of an OVSDB server; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
    (tmp_path / "plain").touch()
    hint = "--db TARGET, or 'ovstool sandbox start' for a switch to try things on"
    assert (
        said(local.open, "unix:/nosuch/db.sock", 60, Tls(), "ovs-vswitchd")
        == f"unix:/nosuch/db.sock: no such socket; is ovs-vswitchd running?; try: {hint}"
    )
    assert said(local.open, f"unix:{tmp_path}/plain", 60).endswith(": connection refused: not a socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/s")
    assert said(local.open, f"unix:{tmp_path}/s", 60, Tls(), "x").endswith(
        "connection refused: the socket is there, but x does not listen on it"
    )
    assert said(local.open, "unix:/" + "x" * 107, 60).endswith("a socket path can have at most 107 bytes")
    assert "no such socket" in said(local.open, "unix:/" + "x" * 106, 60)
    assert said(local.open, "tcp:127.0.0.1:1", 60) == "tcp:127.0.0.1:1: Connection refused"


def test_the_last_line_of_a_program():
    assert local.last_line("one\n two\x1b \n\n \n") == "two\\x1b" and local.last_line(" \n\n") == local.last_line("") == ""
    assert local.last_line("x" * 300) == "x" * 300 == local.last_line("x" * 301)


# --- TLS


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Tls:
    """A key and a self-signed certificate, which is also its CA."""
    folder = tmp_path_factory.mktemp("keys")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x"]
    subprocess.run([*new, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    return Tls(str(folder / "key"), str(folder / "cert"), str(folder / "cert"))


@contextmanager
def encrypted(keys: Tls, answer, seconds: float = 60):
    """Our end of a TLS stream; the other end completes the handshake and runs ``answer``."""
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(keys.certificate, keys.private_key)

    def serve() -> None:
        with theirs, suppress(OSError):
            answer(server.wrap_socket(theirs, server_side=True))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield TlsStream(ours, context("ssl:h:1", keys), "h", "ssl:h:1", Deadline(seconds))
    finally:
        ours.close()
        thread.join(60)


def test_bytes_come_through_tls_in_both_directions(keys):
    much = bytes(range(256)) * 3000  # more than one TLS record
    got = bytearray()

    def answer(stream: ssl.SSLSocket) -> None:
        while len(got) < len(much):
            got.extend(stream.recv(2**16))
        stream.sendall(much)
        stream.unwrap()

    with encrypted(keys, answer) as stream:
        stream.settimeout(60)
        stream.sendall(much)
        stream.settimeout(None)
        back = bytearray()
        while data := stream.recv(2**16):
            back += data
    assert got == much == back


def test_a_peer_behind_tls_that_is_silent_or_hangs_up(keys):
    with encrypted(keys, lambda stream: stream.recv(1)) as stream:
        stream.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stream.recv(1)
        stream.settimeout(0)
        with pytest.raises(TimeoutError):
            stream.recv(1)
    with encrypted(keys, lambda stream: stream.shutdown(socket.SHUT_RDWR)) as stream, suppress(ConnectionError):
        stream.settimeout(60)
        assert stream.recv(1) == b""


def test_a_peer_that_is_not_trusted_or_has_no_tls(keys, tmp_path):
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x"]
    subprocess.run([*new, "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True)
    told = []

    def serve(peer: socket.socket) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(keys.certificate, keys.private_key)
        try:
            server.wrap_socket(peer, server_side=True).recv(1)
        except ssl.SSLError as error:
            told.append(error.reason)

    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=[theirs], daemon=True)
    thread.start()
    other = keys._replace(ca_cert=str(tmp_path / "cert"))
    with theirs:
        assert said(TlsStream, ours, context("x", other), "h", "ssl:h:1", Deadline(60), error=Unreachable).startswith("ssl:h:1: TLS: self")
        thread.join(60)
    assert told == ["TLSV1_ALERT_UNKNOWN_CA"] and ours.fileno() == -1  # it is told why, and the stream is closed
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert said(TlsStream, ours, context("x", keys), "h", "ssl:h:1", Deadline(60)) == "ssl:h:1: TLS: WRONG_VERSION_NUMBER"
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(TimeoutError):
        TlsStream(ours, context("x", keys), "h", "ssl:h:1", Deadline(0.05))
    assert ours.fileno() == -1


def test_files_that_cannot_be_used_for_tls(keys, tmp_path):
    asks = "ssl needs a private key, a certificate and a CA certificate; try: --private-key FILE --certificate FILE --ca-cert FILE"
    for missing in (keys._replace(ca_cert=None), keys._replace(private_key=""), Tls()):
        assert said(context, "ssl:h:1", missing, error=UsageError) == f"ssl:h:1: {asks}"
    locked = tmp_path / "locked"
    subprocess.run(
        ["openssl", "ec", "-in", keys.private_key, "-aes128", "-passout", "pass:x", "-out", locked], check=True, capture_output=True
    )
    for wrong, why in (
        (keys._replace(ca_cert="/nosuch"), "No such file"),
        (keys._replace(private_key=str(locked)), "the private key has a passphrase"),
    ):
        assert said(context, "ssl:h:1", wrong).startswith(f"{', '.join(map(str, wrong))}: cannot be used for TLS: ") and why in said(
            context, "x", wrong
        )
    made = context("ssl:h:1", keys)
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, False)


# --- below SSH


@pytest.mark.parametrize("allowed", [True, False])
def test_data_before_the_login_is_limited(allowed):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)
        if allowed:
            wire.allowance = None
        for _ in range(32):
            theirs.sendall(b"x" * 2**15)
            assert len(wire.recv(2**15)) == 2**15
        theirs.sendall(b"x")
        if allowed:
            assert wire.recv(1) == b"x"
        else:
            assert said(wire.recv, 1, error=SSHException) == "it sent too much before the login"


def test_bytes_are_read_at_once_and_returned_in_pieces():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)
        theirs.sendall(b"abcdef")
        assert [wire.recv(size) for size in (2, 3)] == [b"ab", b"cde"]
        theirs.sendall(b"gh")
        assert [wire.recv(size) for size in (9, 9)] == [b"f", b"gh"]
        theirs.close()
        assert wire.recv(2**18 + 2**10) == b""
        assert said(wire.recv, 2**18 + 2**10 + 1, error=SSHException) == "it sent a packet of an invalid size"


def test_sending_waits_up_to_the_timeout():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)
        assert 0 < wire.until - time.monotonic() <= 0.2
        wire.extend(1000)
        wire.extend(5)
        assert 900 < wire.until - time.monotonic() <= 1000
        assert wire.send(b"abc") == 3 and theirs.recv(9) == b"abc"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)

        def fills() -> None:
            while True:
                wire.send(b"x" * 2**16)

        assert said(fills, error=SSHException) == "it stopped reading"
        assert said(wire.send, b"x", error=SSHException) == "it stopped reading"
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours)
        wire.close()
        assert theirs.recv(1) == b"" and ours.fileno() == -1
        assert said(wire.send, b"x", error=SSHException) == "closed"


def test_tcp_nodelay_is_set():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            wire = Wire(ours)
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            theirs.sendall(b"x")
            assert wire.recv(1) == b"x" and ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
            wire.settimeout(7)
            assert ours.gettimeout() == 7


def test_a_channel_accepts_no_more_than_its_window():
    channel = SshChannel(1)
    channel._feed(b"x" * (2**24 + 2**18 + 2**10))
    with pytest.raises(SSHException, match="it sent more data than allowed"):
        channel._feed(b"x")


def test_how_a_channel_has_ended():
    channel = SshChannel(1)
    assert channel.cut_off and not channel.ended
    channel.eof_received = True
    channel.exit_status = 0
    assert not channel.cut_off and channel.ended


@pytest.mark.parametrize(
    ("stderr", "status", "why"),
    [
        ("x\nsudo: a password is required\n", 1, "sudo wants a password"),
        ("sudo: a terminal is required to read the password; y\nsudo: no\n", 1, "sudo wants a password"),
        ("sh: 1: exec: sudo: not found\n", 127, "sudo is not installed"),
        ("x\nsudo: you may not\n", 1, "sudo refused: you may not"),
        ("", 126, "sudo refused (exit status 126)"),
        ("\n", None, "sudo refused (exit status None)"),
    ],
)
def test_why_sudo_ran_nothing(stderr, status, why):
    assert shell.sudo_failure(stderr, status) == why


def test_conversations_end_with_what_goes_wrong():
    from ovstool.ovsdb.client import Client

    ours, theirs = socket.socketpair()
    with theirs:
        late = Client(ours, "unix:x", time.monotonic() - 1)
        assert (
            said(late.get_schema, error=TimedOut) == "unix:x: no answer in time; try: a longer --timeout, or see what ovsdb-server is doing"
        )
        assert ours.fileno() == -1 and said(late.get_schema) == "unix:x: the connection is closed"
    for data, why in (
        (b"", "connection lost: closed by the server before its answer was complete"),
        (b"x", "this is not an OVSDB server: it sent data that is not JSON"),
    ):
        ours, theirs = socket.socketpair()
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        hint = "; try: the command again (every command is safe to repeat)" if not data else ""
        with theirs:
            assert said(Client(ours, "unix:x", time.monotonic() + 60).get_schema, error=Unreachable) == f"unix:x: {why}{hint}"
    ours, theirs = socket.socketpair()
    theirs.close()
    lost = "unix:x: connection lost: Broken pipe; try: the command again (every command is safe to repeat)"
    assert said(Client(ours, "unix:x", time.monotonic() + 60).get_schema, error=Unreachable) == lost


@pytest.mark.parametrize("verb", ["sendall", "recv"])
@pytest.mark.parametrize(
    ("error", "why"),
    [(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset by peer"), (OSError("gone"), "gone")],
)
def test_a_conversation_that_breaks_off(verb, error, why):
    """An OSError has a message of the system, or, behind SSH, of its own."""
    from ovstool.ovsdb.client import Client

    class Broken:
        def settimeout(self, seconds):
            pass

        sendall = recv = lambda self, data: None

        def close(self):
            pass

    def fail(self, data):
        raise error

    setattr(Broken, verb, fail)
    lost = said(Client(Broken(), "unix:x", time.monotonic() + 60).get_schema, error=Unreachable)
    assert lost == f"unix:x: connection lost: {why}; try: the command again (every command is safe to repeat)"
