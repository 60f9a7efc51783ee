"""TLS as a web configuration file has it, and the file read again when it changes."""

import os
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from ovstool.errors import UsageError
from ovstool.metrics.serving.web_config import TlsSettings, WebConfig, tls
from ovstool.metrics.serving.web_config.rereading import Configured

HASH = "$2y$04$" + "a" * 53


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A key with its certificate, another key, and one with a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=x".split()
    for name, more in (("a", ["-nodes"]), ("b", ["-nodes"]), ("locked", ["-passout", "pass:secret"])):
        subprocess.run([*new, *more, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"], check=True, capture_output=True)
    return folder


def settings(keys: Path, name: str = "a", **more) -> TlsSettings:
    return TlsSettings(f"{keys}/{name}.pem", f"{keys}/{name}.key")._replace(**more)


def test_what_is_usual(keys):
    context = tls.context(settings(keys))
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert (
        context.verify_mode == ssl.CERT_NONE
        and context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
        and context.options & ssl.OP_NO_RENEGOTIATION
    )


@pytest.mark.parametrize(
    ("kind", "mode"), [("VerifyClientCertIfGiven", ssl.CERT_OPTIONAL), ("RequireAndVerifyClientCert", ssl.CERT_REQUIRED)]
)
def test_what_clients_have_to_show(keys, kind, mode):
    context = tls.context(settings(keys, client_auth_type=kind, client_ca_file=f"{keys}/b.pem"))
    assert context.verify_mode == mode and len(context.get_ca_certs()) == 1


def test_versions_and_ciphers(keys):
    suites = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
    context = tls.context(settings(keys, min_version="TLS12", max_version="TLS12", cipher_suites=suites, prefer_server_cipher_suites=False))
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    names = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"}
    assert names == {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"}
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert tls.context(settings(keys, min_version="TLS13")).minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_client_that_can_speak_http_2(keys):
    """It is told that only HTTP/1.1 is spoken here."""
    client = ssl.create_default_context(cafile=f"{keys}/a.pem")
    client.check_hostname = False
    client.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [tls.context(settings(keys)).wrap_bio(to_server, to_client, server_side=True), client.wrap_bio(to_client, to_server)]
    for end in ends[::-1] * 2 + ends[:1]:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert [end.selected_alpn_protocol() for end in ends] == ["http/1.1"] * 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cert_file": "/nonexistent"}, "/nonexistent: cannot be used for TLS: No such file or directory"),
        ({"key_file": "b.key"}, "a.pem, .*b.key: cannot be used for TLS: .*(?i:mismatch)"),
        ({"cert_file": "a.key"}, "a.key, .*a.key: cannot be used for TLS: "),
        ({"cert_file": "locked.pem", "key_file": "locked.key"}, "locked.key: cannot be used for TLS: the private key has a passphrase"),
        ({"client_ca_file": "a.key"}, "a.key: cannot be used for TLS: "),
        ({"client_ca_file": "/dev/zero"}, "/dev/zero: .*not a regular file"),
    ],
)
def test_files_that_cannot_be_used(keys, change, why):
    with pytest.raises(UsageError, match=why):
        tls.context(settings(keys, **{key: os.path.join(keys, name) for key, name in change.items()}))


class Said:
    def __init__(self, path: str | None):
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.configured = Configured(path, self.notes.append, lambda error: self.errors.append(str(error)))


def test_no_file():
    said = Said(None)
    assert said.configured.now() == WebConfig() and said.configured.context is None and (said.notes, said.errors) == ([], [])


def test_a_file_that_is_wrong_at_the_beginning(tmp_path):
    with pytest.raises(UsageError):
        Said(str(tmp_path / "nosuch"))


def test_a_file_that_changes(tmp_path):
    """Every way of changing it is noticed, and what is wrong is told once."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    said = Said(str(file))
    assert [said.configured.now().headers for _ in range(2)] == [{"X-Frame-Options": "deny"}] * 2 and said.notes == []
    file.write_text("a: b\n")
    assert [said.configured.now() for _ in range(2)] == [None, None] and len(said.errors) == 1 and ":1:1: a is not" in said.errors[0]
    file.unlink()
    assert [said.configured.now() for _ in range(2)] == [None, None] and len(said.errors) == 2
    other = tmp_path / "other"
    other.write_text(f"basic_auth_users: {{prom: {HASH}}}\n")
    other.chmod(0o640)
    other.rename(file)
    assert said.configured.now().users == {"prom": HASH} and said.notes == [f"{file} has changed, and is in force"]
    file.chmod(0o644)
    stat = file.stat()
    file.write_text(f"basic_auth_users: {{abcd: {HASH}}}\n")  # as long as before
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert list(said.configured.now().users) == ["abcd"]
    assert said.notes[1] == f"{file} has secrets, and all users can read it; try: chmod o-r {file}" and len(said.notes) == 3


def test_a_certificate_that_changes(tmp_path, keys):
    """While it does not fit its key, the last TLS that worked stays, but nobody gets an answer."""

    def install(name: str, *what: str) -> None:
        for each in what:
            (tmp_path / each).write_bytes((keys / f"{name}.{each}").read_bytes())

    install("a", "pem", "key")
    (tmp_path / "key").chmod(0o644)
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: pem, key_file: key}\n")
    said = Said(str(file))
    first = said.configured.context
    assert said.configured.now().tls.cert_file == f"{tmp_path}/pem" and said.configured.context is first
    assert said.notes == [f"{tmp_path}/key has secrets, and all users can read it; try: chmod o-r {tmp_path}/key"]
    (tmp_path / "key").chmod(0o600)
    install("b", "pem")
    assert said.configured.now() is None and said.configured.context is first and len(said.errors) == 1
    install("b", "key")
    assert said.configured.now() and said.configured.context is not first and said.notes[1:] == [f"{file} has changed, and is in force"]
    file.write_text("")
    assert said.configured.now() == WebConfig() and said.configured.context is None


def test_a_key_that_goes_while_it_is_read(tmp_path, keys, monkeypatch):
    """As when it is renewed by deleting it first: that is no error of ovstool, and the next request sees it."""

    def read_and_gone(read: TlsSettings) -> ssl.SSLContext:
        context = of_files(read)
        os.unlink(read.key_file)
        return context

    of_files = tls.context
    for end in ("pem", "key"):
        (tmp_path / end).write_bytes((keys / f"a.{end}").read_bytes())
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: pem, key_file: key}\n")
    monkeypatch.setattr(tls, "context", read_and_gone)
    said = Said(str(tmp_path / "web.yml"))
    assert said.configured.context and said.notes == []
    assert said.configured.now() is None and len(said.errors) == 1
