"""TLS over any stream."""

import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from ovstool.errors import Unreachable, UsageError
from ovstool.host import ByteStream, Tls, files
from ovstool.host.deadline import Deadline

_CHUNK = 2**18  # bytes


class TlsStream:
    """A byte stream encrypted with TLS. A timeout limits a whole call, however slowly the peer sends."""

    def __init__(self, stream: ByteStream, context: ssl.SSLContext, host: str, what: str, deadline: Deadline):
        """Do the TLS handshake; ``what`` names the peer in errors. Raises Unreachable, OSError."""
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._timeout_s: float | None = deadline.remaining_s()
        self.close = stream.close
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            self._exchange(self._end(), self._tls.do_handshake)
        except ssl.SSLError as error:
            self.close()
            raise Unreachable(what, f"TLS: {getattr(error, 'verify_message', None) or error.reason or error}") from error
        except BaseException:
            self.close()
            raise

    def settimeout(self, seconds: float | None) -> None:
        self._timeout_s = seconds

    def sendall(self, data: bytes) -> None:
        end = self._end()
        for start in range(0, len(data), _CHUNK):  # or everything would be encrypted and held in memory before any is sent
            self._exchange(end, self._tls.write, data[start : start + _CHUNK])

    def recv(self, size: int) -> bytes:
        try:
            return self._exchange(self._end(), self._tls.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _end(self) -> float | None:
        return None if self._timeout_s is None else time.monotonic() + self._timeout_s

    def _exchange(self, end: float | None, step: Callable, *args: Any) -> Any:
        """Run a TLS operation, exchanging as many messages as it needs. Raises OSError (ssl.SSLError is one)."""
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self._flush(end)
                self._limit(end)
                data = self._stream.recv(_CHUNK)
                self._incoming.write(data) if data else self._incoming.write_eof()
                continue
            except BaseException:
                with suppress(OSError):
                    self._flush(end)  # tell the peer why
                raise
            self._flush(end)
            return result

    def _flush(self, end: float | None) -> None:
        if self._outgoing.pending:
            self._limit(end)
            self._stream.sendall(self._outgoing.read())

    def _limit(self, end: float | None) -> None:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("timed out")
        self._stream.settimeout(left)


def context(address: str, tls: Tls) -> ssl.SSLContext:
    """A context that trusts only ``ca_cert`` and does not check host names, as in Open vSwitch: switches are identified by their CA.

    Raises UsageError when a file is missing or unusable.
    """
    paths = [path for path in tls if path]
    if len(paths) < len(tls):
        raise UsageError(
            address, "ssl needs a private key, a certificate and a CA certificate", "--private-key FILE --certificate FILE --ca-cert FILE"
        )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    try:
        with ExitStack() as stack:
            # OpenSSL opens them by path, and would block on a pipe.
            key, certificate, ca_cert = (f"/proc/self/fd/{stack.enter_context(files.opened(path)).fileno()}" for path in paths)
            made.load_verify_locations(ca_cert)
            made.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise UsageError(f"{tls.private_key}, {tls.certificate}, {tls.ca_cert}", f"cannot be used for TLS: {error}") from error
    return made


def _no_passphrase() -> str:
    raise ValueError("the private key has a passphrase")
