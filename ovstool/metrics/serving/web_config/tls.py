"""TLS as a web configuration file asks for it."""

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from ovstool.errors import UsageError
from ovstool.host import files
from ovstool.metrics.serving.web_config import CIPHERS, TlsSettings
from ovstool.switch.sflow.targets import packed_ip

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def context(settings: TlsSettings) -> ssl.SSLContext:
    """What connections are encrypted with. Raises UsageError for files that are missing or unusable."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = _VERSIONS[settings.min_version], _VERSIONS[settings.max_version]
    made.options |= ssl.OP_NO_RENEGOTIATION
    if not settings.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if ciphers := ":".join(filter(None, map(CIPHERS.__getitem__, settings.cipher_suites))):
        made.set_ciphers(ciphers)
    made.set_alpn_protocols(["http/1.1"])
    made.verify_mode = _VERIFY[settings.client_auth_type]
    _load(f"{settings.cert_file}, {settings.key_file}", made.load_cert_chain, settings.cert_file, settings.key_file)
    if settings.client_ca_file:
        _load(settings.client_ca_file, made.load_verify_locations, settings.client_ca_file)
    return made


def _load(what: str, load: Any, *paths: str) -> None:
    try:
        with ExitStack() as stack:
            # OpenSSL opens them by path, and would block on a pipe.
            opened = [f"/proc/self/fd/{stack.enter_context(files.opened(path)).fileno()}" for path in paths]
            if load.__name__ == "load_cert_chain":
                load(*opened, password=_no_passphrase)
            else:
                load(*opened)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        name = error.filename if isinstance(error, OSError) and isinstance(error.filename, str) else what
        raise UsageError(name, f"cannot be used for TLS: {getattr(error, 'strerror', None) or error}") from error


def _no_passphrase() -> str:
    raise ValueError("the private key has a passphrase")


def is_allowed(certificate: Mapping[str, Any] | None, sans: tuple[str, ...]) -> bool:
    """Whether a client's certificate has one of these alternative names: of a host, an address, an e-mail address or a URI."""
    if not sans:
        return True
    names = {value for _, value in (certificate or {}).get("subjectAltName", ())}
    return not names.isdisjoint(sans) or not _addresses(names).isdisjoint(_addresses(sans))


def _addresses(names: Any) -> set[bytes]:
    """The IP addresses among the names: OpenSSL does not shorten IPv6."""
    return {packed for name in names if (packed := packed_ip(name))}
