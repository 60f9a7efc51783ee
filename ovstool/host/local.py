"""This machine as a host: its sockets and its programs."""

import os
import socket
import stat
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable, UsageError, quote
from ovstool.host import Finished, Tls

if TYPE_CHECKING:
    import ssl
    import subprocess

_UNIX_PATH_MAX = 107  # sun_path is 108 bytes with its NUL (unix(7))
_CHUNK = 2**18  # bytes
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # ip and tc live there, and a plain user's PATH often lacks it


def open(address: str, timeout_s: float, tls: Tls = Tls(), server: str = "ovsdb-server") -> socket.socket:
    """Connect to ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` and return the stream; ``server`` should be listening there.

    Raises UsageError for an address of another form, Unreachable when nobody answers there, TimedOut.
    """
    kind, _, where = address.partition(":")
    try:
        if kind == "unix" and where:
            return _open_unix(where, timeout_s, server)
        if kind in ("tcp", "ssl"):
            host, port = _host_and_port(address, where)
            context = _tls_context(address, tls) if kind == "ssl" else None
            stream = socket.create_connection((host, port), timeout_s)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _secure(stream, address, host, context) if context else stream
    except TimeoutError as error:
        raise TimedOut(address, f"no connection within {timeout_s:.3g} s") from error
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA cannot encode
        raise Unreachable(address, getattr(error, "strerror", None) or str(error)) from error
    raise UsageError(quote(address), "not an address of an OVSDB server", "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")


def run(argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Finished:
    """Run a program without a shell and return what it wrote. Raises NotFound, TimedOut."""
    import subprocess

    with _start(argv, subprocess.PIPE) as program:
        try:
            stdout, stderr = program.communicate(stdin, timeout_s)
        except subprocess.TimeoutExpired as error:
            program.kill()
            raise TimedOut(argv[0], f"did not end within {timeout_s:.3g} s") from error
        except BaseException:
            program.kill()
            raise
    return Finished(program.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def stream(argv: Sequence[str], timeout_s: float) -> Generator[bytes, None, Finished]:
    """Run a program and yield what it writes to stdout as it comes; the generator returns how it ended. Raises NotFound, TimedOut.

    The program is ended when the caller stops asking.
    """
    import selectors
    import subprocess
    import tempfile

    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryFile() as words, _start(argv, subprocess.DEVNULL, words) as program, selectors.DefaultSelector() as selector:
        assert program.stdout
        selector.register(program.stdout, selectors.EVENT_READ)
        try:
            while chunk := os.read(program.stdout.fileno(), _CHUNK) if selector.select(max(deadline - time.monotonic(), 0)) else None:
                yield chunk
            if chunk is None:
                raise TimedOut(argv[0], f"did not end within {timeout_s:.3g} s")
            program.wait(max(deadline - time.monotonic(), 1))
        finally:
            program.kill()
        words.seek(0)
        return Finished(program.returncode, "", words.read(_CHUNK).decode(errors="replace"))


def close() -> None:
    """Nothing is kept open for this machine."""


def _start(argv: Sequence[str], stdin: int, stderr: Any = -1) -> "subprocess.Popen[bytes]":
    import subprocess

    environ = os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:{_SBIN}", "LC_ALL": "C"}
    try:
        return subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=environ)
    except FileNotFoundError as error:
        raise NotFound(argv[0], "not installed") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in a word
        raise Refused(argv[0], f"cannot be run: {error}") from error


def _open_unix(path: str, timeout_s: float, server: str) -> socket.socket:
    if len(os.fsencode(path)) > _UNIX_PATH_MAX:
        raise UsageError(f"unix:{quote(path)}", f"the path of a socket has at most {_UNIX_PATH_MAX} bytes")
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.settimeout(timeout_s)
        stream.connect(path)
    except BaseException as error:
        stream.close()
        what = f"unix:{quote(path)}"
        if isinstance(error, FileNotFoundError):
            raise Unreachable(
                what,
                f"no such socket; is {server} running?",
                "--db TARGET, or 'ovstool sandbox start' for a switch to try things on",
            ) from error
        if isinstance(error, PermissionError):
            raise Unreachable(what, "permission denied", "sudo ovstool, or a user who may open the socket") from error
        if isinstance(error, ConnectionRefusedError):
            listening = (
                f"the socket is there, but {server} does not listen on it" if stat.S_ISSOCK(os.stat(path).st_mode) else "not a socket"
            )
            raise Unreachable(what, f"connection refused: {listening}") from error
        raise
    return stream


def _host_and_port(address: str, where: str) -> tuple[str, int]:
    from ovstool import units  # a unix socket, which is the rule, does without

    host, _, port = where.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    number = units.whole_number(port, 1, 65535)
    if not host or number is None:
        raise UsageError(quote(address), "needs a host and a port from 1 to 65535", "tcp:192.0.2.1:6640 or tcp:[2001:db8::1]:6640")
    return host, number


def _tls_context(address: str, tls: Tls) -> "ssl.SSLContext":
    """Like Open vSwitch, trust ``ca_cert`` alone and compare no host name: switches are known by their CA."""
    import ssl

    if not (tls.private_key and tls.certificate and tls.ca_cert):
        raise UsageError(
            address, "ssl needs a private key, a certificate and a CA certificate", "--private-key FILE --certificate FILE --ca-cert FILE"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.load_verify_locations(tls.ca_cert)
        context.load_cert_chain(tls.certificate, tls.private_key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise UsageError(f"{tls.private_key}, {tls.certificate}, {tls.ca_cert}", f"cannot be used for TLS: {error}") from error
    return context


def _secure(stream: socket.socket, address: str, host: str, context: "ssl.SSLContext") -> socket.socket:
    """Speak TLS on the stream."""
    import ssl

    try:
        return context.wrap_socket(stream, server_hostname=host)
    except ssl.SSLError as error:
        stream.close()
        raise Unreachable(address, f"TLS: {getattr(error, 'verify_message', None) or error.reason or error}") from error


def _no_passphrase() -> str:
    raise ValueError("the private key has a passphrase")
