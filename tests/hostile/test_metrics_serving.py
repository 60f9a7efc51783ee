"""``ovstool metrics --listen`` and clients that are slow, many or hostile; web configuration files that are wrong, or become so."""

import base64
import os
import re
import signal
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest
from metrics_server import served, to_the_end

from ovstool.metrics.serving.scrapes import _MOST_AT_ONCE

# A switch that is not there: what matters here comes before it is asked.
NONE = {**{key: value for key, value in os.environ.items() if not key.startswith("OVS")}, "OVSTOOL_DB": "unix:/nonexistent/db.sock"}
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
HASHES = {cost: bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)).decode() for cost in (4, 5)}


@pytest.fixture(scope="module")
def server():
    with served(NONE) as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A CA, and keys with certificates that it signed, for a server and a client; "other" is a CA of its own."""
    folder = tmp_path_factory.mktemp("keys")
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj".split()
    for name in ("ca", "other", "server", "client"):
        argv = [*new, f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        if name in ("server", "client"):
            argv += ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-addext", "basicConstraints=critical,CA:false"]
            argv += ["-addext", f"subjectAltName=DNS:{'localhost' if name == 'server' else 'prom.example'},IP:::1"]
        subprocess.run(argv, check=True, capture_output=True)
    return folder


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def trusting(keys: Path, client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    if client:
        context.load_cert_chain(keys / f"{client}.pem", keys / f"{client}.key")
    return context


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"TRACE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000, 431),
        (b"G" * 20_000, 431),
        (b"GET /metrics?" + b"a&" * 200 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
        (b"GET /metrics?target=a&target=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
        (b"GET /metrics?target=localhost HTTP/1.0\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET //metrics HTTP/1.0\r\n\r\n", 404),
        (b"GET /%6detrics HTTP/1.0\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.0\r\n\r\n", 404),
        (b"GET http://other/metrics HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\r\nAccept: ;;q=,\xff/\xfe;q=9,*\r\nX-Prometheus-Scrape-Timeout-Seconds: -inf\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\r\nAuthorization: Basic \xff\r\nX-Prometheus-Scrape-Timeout-Seconds: nan\r\n\r\n", 200),
    ],
)
def test_a_request_that_is_not_one(server, request_, status):
    with server.connect() as client:
        client.sendall(request_)
        assert to_the_end(client).startswith(b"HTTP/1.1 %d " % status)
    assert server.get("/-/healthy").status == 200


def test_headers_without_an_end(server):
    with server.connect() as client, pytest.raises(OSError):
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        for _ in range(100):
            client.sendall(b"A" * 2**20)
    assert server.memory_kib < 100_000


def test_several_requests_at_once(server):
    with server.connect() as client:
        client.sendall(SCRAPE * 3 + b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /-/healthy HTTP/1.0\r\n\r\n")
        received = to_the_end(client)
    assert (received.count(b"HTTP/1.1 200 OK"), received.count(b"\novstool_up 0")) == (5, 3)
    assert received.endswith(b"ovstool is running.\n")


def test_a_thousand_that_say_nothing(server):
    """The ones that have been waiting the longest make room for those that come."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(1000)]
        for client in clients[-100:]:
            client.sendall(SCRAPE[:20])
        assert "ovstool_up 0" in server.text()
        assert server.threads <= 3
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 300


def test_a_thousand_scrapes_at_once(server):
    """They share what is being read, and each has an answer."""
    with ExitStack() as stack:
        clients = []
        for _ in range(1000):
            clients.append(stack.enter_context(server.connect()))
            clients[-1].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert all(b"ovstool_up 0" in to_the_end(client) for client in clients)
    assert server.threads <= 3


def test_clients_that_never_read(server):
    with ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(server.connect())
            client.settimeout(0.01)
            with pytest.raises(TimeoutError):
                while True:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        assert server.get("/-/healthy").status == 200
        assert server.memory_kib < 100_000


def test_a_switch_that_does_not_answer(tmp_path):
    """It is asked once, and counts as down when Prometheus's time is over; others get their pages meanwhile."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/db.sock")
        silent.listen()
        with served({**NONE, "OVSTOOL_DB": f"unix:{tmp_path}/db.sock"}) as server, ThreadPoolExecutor(8) as pool:
            scrapes = [pool.submit(server.text, X_Prometheus_Scrape_Timeout_Seconds="1.6") for _ in range(8)]
            assert server.get("/-/healthy").status == 200
            accepted, _ = silent.accept()
            assert all("\novstool_up 0\n" in scrape.result() for scrape in scrapes)
            accepted.close()
            silent.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.accept()
            assert "db.sock" in server.hear("ovstool: ")


def test_many_different_scrapes(tmp_path):
    """Scrapes with deadlines of their own cannot be shared; there is a limit to them."""
    with socket.socket(socket.AF_UNIX) as silent, ExitStack() as stack:
        silent.bind(f"{tmp_path}/db.sock")
        silent.listen()
        server = stack.enter_context(served({**NONE, "OVSTOOL_DB": f"unix:{tmp_path}/db.sock"}))
        for number in range(_MOST_AT_ONCE):
            client = stack.enter_context(server.connect())
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 20.%02d\r\n\r\n" % number)
        answer = server.get()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert server.threads <= 3


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, -signal.SIGHUP)])
def test_it_ends_while_a_switch_and_clients_keep_it_waiting(tmp_path, signum, code):
    with socket.socket(socket.AF_UNIX) as silent, served({**NONE, "OVSTOOL_DB": f"unix:{tmp_path}/db.sock"}) as server:
        silent.bind(f"{tmp_path}/db.sock")
        silent.listen()
        with server.connect() as client, server.connect():
            client.sendall(SCRAPE)
            with silent.accept()[0]:
                assert server.stop(signum) == code
        assert server.process.stderr.read() == ""


def test_systemd_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0ovstool-test-" + tmp_path.name + str(os.getpid()))
        systemd.settimeout(20)
        with served({**NONE, "NOTIFY_SOCKET": systemd.getsockname().decode().replace("\0", "@")}) as server:
            assert systemd.recv(1000).decode() == f"READY=1\nSTATUS=serving http://127.0.0.1:{server.port}/metrics"
            server.text()
            assert systemd.recv(1000) == b"STATUS=0 of 1 answered"
            assert server.stop() == 0
        assert systemd.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        ("--listen 10066", 2, "10066: not of the form [ADDR]:PORT; try: :10066"),
        ("--listen ::1:10066", 2, "::1:10066: not of the form [ADDR]:PORT; try: "),
        ("--listen [::g]:10066", 2, "[::g]:10066: not of the form [ADDR]:PORT; try: "),
        ("--listen :65536", 2, ":65536: not of the form [ADDR]:PORT; try: "),
        ("--listen 192.0.2.1:10066", 2, "--listen 192.0.2.1:10066: not an address of this machine; try: "),
        ("--listen a..b:10066", 2, "--listen a..b:10066: not an address of this machine; try: "),
        ("--listen :10066 --textfile x.prom", 2, "--listen: does not go with --textfile; try: "),
        ("--web-config web.yml", 2, "--web-config: is only for --listen; try: --listen :PORT"),
        ("--listen :10066 --web-config /nonexistent", 2, "/nonexistent: No such file or directory"),
        ("--listen :10066 --web-config /dev/zero", 2, "/dev/zero: not a regular file"),
    ],
)
def test_wrong_options(refused, options, code, why):
    assert refused(f"metrics {options}", code).startswith(why)


def test_a_port_in_use(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(f"metrics --listen 127.0.0.1:{port}", 4) == (
            f"--listen 127.0.0.1:{port}: the port is already in use by another program; try: another PORT, or: ss -ltnp sport = :{port}"
        )


def test_passwords(tmp_path):
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users:\n  prom: {HASHES[4]}\n  other: {HASHES[5]}\n")
    config.chmod(0o600)
    with served(NONE, "--web-config", str(config)) as server:
        for wrong in (
            "",
            "Basic",
            "Basic !",
            "Bearer x",
            basic("prom", "wrong"),
            basic("nobody", "secret"),
            basic("prom", "a\0b"),
            basic("", ""),
        ):
            answer = server.get(Authorization=wrong)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic"), wrong
        assert server.get("/-/healthy").status == 401
        assert server.get(Authorization=basic("prom", "x" * 5000)).status == 401
        assert server.get(Authorization=basic("prom", "secret")).status == 200
        assert server.get(Authorization=basic("other", "secret")).status == 200
        with ThreadPoolExecutor(50) as pool:
            attempts = [pool.submit(server.get, Authorization=basic("prom", f"guess{number}")) for number in range(200)]
            assert server.get(Authorization=basic("prom", "secret")).status == 200  # remembered, so it does not wait
            assert {attempt.result().status for attempt in attempts} <= {401, 503}
        assert server.threads <= 3


def test_the_file_changes_while_it_is_served(tmp_path):
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users:\n  prom: {HASHES[4]}\n")
    with served(NONE, "--web-config", str(config)) as server:
        assert re.search(f"{config} has secrets, and all users can read it; try: chmod o-r", "".join(server.said))
        known = basic("prom", "secret")
        assert server.get(Authorization=known).status == 200
        config.write_text("basic_auth_users:\n  prom: secret\n")
        answer = server.get(Authorization=known)
        assert (answer.status, answer.body) == (500, b"The web configuration file is wrong.\n")
        said = server.hear("web.yml:2")
        assert said == f"ovstool: {config}:2:9: not a bcrypt hash; try: htpasswd -nBC 10 USER\n"
        config.unlink()
        assert server.get(Authorization=known).status == 500
        config.write_text(f"basic_auth_users:\n  next: {HASHES[5]}\n")
        assert server.get(Authorization=known).status == 401
        assert server.get(Authorization=basic("next", "secret")).status == 200
        config.write_text("http_server_config:\n  headers:\n    X-Frame-Options: deny\n")
        answer = server.get()
        assert (answer.status, answer.headers["X-Frame-Options"]) == (200, "deny")


def test_tls(tmp_path, keys):
    config = tmp_path / "web.yml"
    tls = f"tls_server_config:\n  cert_file: {keys}/server.pem\n  key_file: {keys}/server.key\n"
    by_client = f"{tls}  client_ca_file: {keys}/ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
    config.write_text(tls)
    with served(NONE, "--web-config", str(config)) as server:
        assert server.is_tls
        assert server.get(context=trusting(keys)).status == 200
        with server.connect() as client:  # nothing that is not TLS
            client.sendall(SCRAPE)
            assert b"HTTP" not in to_the_end(client)
        config.write_text(by_client)
        for wrong in (None, "other"):
            with pytest.raises(OSError):  # ssl.SSLError is one, and the connection may be closed first
                server.get(context=trusting(keys, wrong))
        assert server.get(context=trusting(keys, "client")).status == 200
        config.write_text(f"{by_client}  client_allowed_sans: [other.example]\n")
        assert server.get(context=trusting(keys, "client")).status == 403
        config.write_text(f"{by_client}  client_allowed_sans: [other.example, '0::1']\n  min_version: TLS13\n")
        context = trusting(keys, "client")
        assert server.get(context=context).status == 200
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            server.get(context=context)


def test_a_certificate_is_renewed(tmp_path, keys):
    """Between the certificate and its key the pair does not fit; connections keep the old one."""
    names = {name: tmp_path / name for name in ("cert", "key")}
    config = tmp_path / "web.yml"
    config.write_text("tls_server_config: {cert_file: cert, key_file: key}\n")

    def install(name: str, *what: str) -> None:
        for each in what:
            names[each].write_bytes((keys / f"{name}.{'pem' if each == 'cert' else 'key'}").read_bytes())

    def subject() -> str:
        context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
        context.check_hostname = False
        with server.connect(context) as client:
            return client.getpeercert()["subject"][0][0][1]

    install("server", "cert", "key")
    with served(NONE, "--web-config", str(config)) as server:
        assert subject() == "server"
        install("client", "cert")
        assert (server.get(context=trusting(keys)).status, subject()) == (500, "server")
        install("client", "key")
        assert subject() == "client"


def test_a_thousand_tls_handshakes_without_an_end(tmp_path, keys):
    config = tmp_path / "web.yml"
    config.write_text(f"tls_server_config:\n  cert_file: {keys}/server.pem\n  key_file: {keys}/server.key\n")
    with served(NONE, "--web-config", str(config)) as server, ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(server.connect()).sendall(b"\x16\x03\x01\x02\x00")
        assert server.get(context=trusting(keys)).status == 200
        assert server.threads <= 3 and server.memory_kib < 200_000
