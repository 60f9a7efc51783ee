"""The web configuration file of Prometheus's exporters: who may connect, and how.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from ovstool.document.kinds import near
from ovstool.document.tree import Mapping as Pairs
from ovstool.document.tree import Node, Problems, Scalar, Sequence, composed, pairs
from ovstool.errors import UsageError, quote
from ovstool.host import files
from ovstool.metrics.serving.web_config.passwords import HASH, MOST_COST

_MAX_BYTES = 2**20
_NULLS = ("", "~", "null")
_MANUAL = "ovstool-metrics(1), WEB CONFIGURATION"
# Go's names of cipher suites, with OpenSSL's; those of TLS 1.3 are always on, in Go too.
CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
# The values that a response header may have; any if there are none.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


class TlsSettings(NamedTuple):
    """What ``tls_server_config`` says; paths are complete."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True


class WebConfig(NamedTuple):
    """A web configuration file: no TLS, no users and no headers if it does not name them. ``users`` have bcrypt hashes."""

    tls: TlsSettings | None = None
    headers: Mapping[str, str] = {}
    users: Mapping[str, str] = {}


def read(path: str) -> WebConfig:
    """Read the file. Raises UsageError with the line and column of the first mistake."""
    try:
        text = files.read(path, _MAX_BYTES).decode()
    except OSError as error:
        raise UsageError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(path, f"not UTF-8: byte {error.start + 1}") from error
    problems = Problems(path)
    root = composed(text, problems)
    config = _Reader(problems, os.path.dirname(path)).read(root) if root else WebConfig()
    for mistake in problems.sorted():
        raise mistake
    return config


class _Undone(NamedTuple):
    """A documented key that ovstool does not take, and what to try."""

    hint: str


class _Reader:
    def __init__(self, problems: Problems, folder: str):
        self._problems = problems
        self._folder = folder

    def read(self, root: Node) -> WebConfig:
        known = {
            "tls_server_config": self._tls,
            "http_server_config": self._http,
            "basic_auth_users": self._users,
            "rate_limit": _Undone("a proxy in front, or the firewall"),
        }
        found = self._mapping(root, known)
        names = {"tls_server_config": "tls", "http_server_config": "headers", "basic_auth_users": "users"}
        return WebConfig(**{names[key]: value for key, value in found.items() if value is not None})

    def _tls(self, node: Node) -> TlsSettings | None:
        path, one_of = self._path, self._one_of
        known: dict[str, Any] = {
            "cert_file": path,
            "key_file": path,
            "client_ca_file": path,
            "client_auth_type": partial(one_of, ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")),
            "client_allowed_sans": partial(self._list, self._text),
            "min_version": partial(one_of, ("TLS12", "TLS13")),
            "max_version": partial(one_of, ("TLS12", "TLS13")),
            "cipher_suites": partial(self._list, partial(one_of, tuple(CIPHERS))),
            "prefer_server_cipher_suites": self._boolean,
            "curve_preferences": _Undone("the order of OpenSSL, without this key"),
            "cert": _Undone("cert_file"),
            "key": _Undone("key_file"),
            "client_ca": _Undone("client_ca_file"),
        }
        found = self._mapping(node, known)
        if not found:
            return None
        for key in ("cert_file", "key_file"):
            if key not in found:
                raise self._wrong(node, f"{key} is missing", f"{key}: FILE")
        tls = TlsSettings(**found)
        if (tls.client_auth_type == "NoClientCert") != (tls.client_ca_file is None):
            raise self._wrong(
                node, "client_ca_file and client_auth_type belong together", "both, such as client_auth_type: RequireAndVerifyClientCert"
            )
        if tls.client_allowed_sans and tls.client_auth_type != "RequireAndVerifyClientCert":
            raise self._wrong(
                node, "client_allowed_sans checks nobody without a certificate", "client_auth_type: RequireAndVerifyClientCert"
            )
        if tls.min_version > tls.max_version:
            raise self._wrong(node, "min_version is above max_version")
        return tls

    def _http(self, node: Node) -> Mapping[str, str]:
        headers = {name: partial(self._header, values) for name, values in _HEADERS.items()}
        found = self._mapping(node, {"headers": partial(self._mapping, known=headers), "http2": self._boolean})
        return {name: value for name, value in (found.get("headers") or {}).items() if value}

    def _header(self, values: tuple[str, ...], node: Node) -> str:
        text = self._text(node)
        if not text.isascii() or not text.isprintable():
            raise self._wrong(node, "a header has only printable ASCII characters")
        return self._one_of(values, node) if values and text else text

    def _users(self, node: Node) -> Mapping[str, str]:
        users = {}
        for key, value in self._pairs(node):
            if ":" in key.text:
                raise self._wrong(key, "a user's name has no colon (RFC 7617)")
            users[key.text] = self._hash(value)
        return users

    def _hash(self, node: Node) -> str:
        text = self._text(node)
        match = HASH.fullmatch(text)
        if not match:
            raise self._wrong(node, "not a bcrypt hash", "htpasswd -nBC 10 USER")  # never the text: it may be a password
        if not 4 <= int(match[1]) <= MOST_COST:
            raise self._wrong(node, f"the cost of a bcrypt hash is from 4 to {MOST_COST} here", "htpasswd -nBC 10 USER")
        return text

    def _mapping(self, node: Node, known: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the keys of a mapping, which are all ``known`` with a function that reads the value; a null is left out."""
        found = {}
        for key, value in self._pairs(node):
            take = known.get(key.text)
            if take is None:
                hint = near(key.text, [name for name, kind in known.items() if not isinstance(kind, _Undone)])
                raise self._wrong(key, f"{quote(key.text)} is not a key here", hint or _MANUAL)
            if isinstance(take, _Undone):
                raise self._wrong(key, f"{key.text} is not supported by ovstool", take.hint)
            if not _is_null(value):
                found[key.text] = take(value)
        return found

    def _pairs(self, node: Node) -> Iterator[tuple[Scalar, Node]]:
        if _is_null(node):
            return
        if not isinstance(node, Pairs):
            raise self._wrong(node, "keys are expected here (KEY: VALUE)")
        yield from pairs(self._problems, node)

    def _list(self, take: Callable[[Node], str], node: Node) -> tuple[str, ...]:
        if not isinstance(node, Sequence):
            raise self._wrong(node, "a list is expected here", "- VALUE")
        return tuple(map(take, node.items))

    def _text(self, node: Node) -> str:
        if not isinstance(node, Scalar):
            raise self._wrong(node, "a text is expected here")
        return node.text

    def _path(self, node: Node) -> str:
        text = self._text(node)
        if not text:
            raise self._wrong(node, "the name of a file is missing")
        return os.path.join(self._folder, text)

    def _one_of(self, choices: tuple[str, ...], node: Node) -> str:
        text = self._text(node)
        if text not in choices:
            raise self._wrong(node, f"{quote(text)} is not supported", near(text, choices) or ", ".join(choices))
        return text

    def _boolean(self, node: Node) -> bool:
        return self._one_of(("true", "false"), node) == "true"

    def _wrong(self, node: Node, why: str, hint: str | None = None) -> UsageError:
        return UsageError(self._problems.at(*node.place), why, hint)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.is_quoted and node.text.lower() in _NULLS
