"""Parts of ``ovstool metrics --listen`` without clients: what they accept, the web configuration file, scrapes that are shared, the unit."""

import asyncio
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from simulated_time import Clock

from ovstool.errors import Refused, Unreachable, UsageError
from ovstool.metrics.exposition import END, OPENMETRICS, PROMETHEUS
from ovstool.metrics.reading import Reading
from ovstool.metrics.serving import itself, listening, web_config
from ovstool.metrics.serving.http.negotiation import accepts_gzip, accepts_openmetrics
from ovstool.metrics.serving.http.requests import parse
from ovstool.metrics.serving.scrapes import Fleet, Wanted, Watched
from ovstool.metrics.serving.threads import in_thread

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
UNIT = Path(__file__).resolve().parents[2] / "packaging/systemd/ovstool-metrics.service"
HASH = "$2y$04$" + "a" * 53
TLS = "tls_server_config: {cert_file: c, key_file: k, "


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.5", True),
        ("application/openmetrics-text,text/plain", True),
        ("application/openmetrics-text;q=0.5,text/*", False),
        ("application/openmetrics-text;q=0.5,*/*", False),
        ("Application/OpenMetrics-Text ; version=1.0.0 ; q=0.5 , text/plain;q=0.4", True),
        ('application/openmetrics-text;version="1.0.0"', True),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.4", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;q=nan,*/*;q=1e400", False),
        ("text/html,*/*;q=0.8", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_the_form(accept, is_openmetrics):
    assert accepts_openmetrics(accept) is is_openmetrics


@pytest.mark.parametrize(
    ("accept", "is_compressed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.1", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("br", False),
        ("", False),
        ("gzip;q=0.000", False),
    ],
)
def test_the_compression(accept, is_compressed):
    assert accepts_gzip(accept) is is_compressed


def test_a_request():
    request = parse(b"GET http://x:1/metrics?target=a%20b HTTP/1.1\r\nHOST: x\r\nAccept: a\r\nAccept:\t b \t\r\n\r\n")
    assert (request.path, request.query, request.keeps) == ("/metrics", "target=a%20b", True)
    assert request.headers == {"host": "x", "accept": "a, b"}
    assert not parse(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n").keeps
    assert not parse(b"GET / HTTP/1.0\r\n\r\n").keeps
    assert parse(b"HEAD https://x HTTP/1.1\r\nHost: x\r\n\r\n").path == "/"


@pytest.mark.parametrize(
    ("text", "address"),
    [(":9", ("", 9)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:65535", ("::1", 65535)), ("a.example:1", ("a.example", 1)), ("[fe80::1%lo]:1", ("fe80::1%lo", 1)), ("[1::]:1", ("1::", 1))],
)  # fmt: skip
def test_an_address(text, address):
    assert listening.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "10066", "::1:10066", "1.2.3.4", "[::g]:1", "[1.2.3.4]:1", "[]:1", ":65536", ":-1", "a:b", "[::1:1", "::1]:1"]
)
def test_no_address(text):
    with pytest.raises(UsageError, match="not of the form"):
        listening.parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls_server_config: [\n", "FILE:2:1: "),
        ("a: b\n", 'FILE:1:1: a is not a key here; try: ovstool-metrics(1), WEB CONFIGURATION'),
        ("basic_auth_user:\n", "FILE:1:1: basic_auth_user is not a key here; try: basic_auth_users"),
        ("- a\n", "FILE:1:1: keys are expected here (KEY: VALUE)"),
        ("basic_auth_users: {}\nbasic_auth_users: {}\n", "FILE:2:1: basic_auth_users is here twice; the first is in line 1; try: one of them"),
        ("basic_auth_users: {prom: secret}", "FILE:1:26: not a bcrypt hash; try: htpasswd -nBC 10 USER"),
        (f"basic_auth_users: {{prom: {HASH}, a:b: {HASH}}}", "FILE:1:"),
        (f"basic_auth_users: {{'a:b': {HASH}}}", "FILE:1:20: a user's name has no colon (RFC 7617)"),
        (f"basic_auth_users: {{prom: {HASH.replace('04', '31')}}}", "FILE:1:26: the cost of a bcrypt hash is from 4 to 18 here; try: "),
        ("basic_auth_users: [prom]", "FILE:1:19: keys are expected here (KEY: VALUE)"),
        ("rate_limit: {interval: 1s}", "FILE:1:1: rate_limit is not supported by ovstool; try: "),
        ("http_server_config: {headers: {X-A: b}}", "FILE:1:32: X-A is not a key here; try: "),
        ("http_server_config: {headers: {X-Frame-Options: all}}", "FILE:1:49: all is not supported; try: deny, sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb"}}', "FILE:1:50: a header has only printable ASCII characters"),
        ("http_server_config: {http2: maybe}", "FILE:1:29: maybe is not supported; try: true, false"),
        ("tls_server_config: {cert_file: a}", "FILE:1:20: key_file is missing; try: key_file: FILE"),
        ("tls_server_config: {cert_file: [a], key_file: b}", "FILE:1:32: a text is expected here"),
        (f"{TLS}min_version: TLS10}}", "FILE:1:61: TLS10 is not supported; try: TLS1"),
        (f"{TLS}min_version: TLS13, max_version: TLS12}}", "FILE:1:20: min_version is above max_version"),
        (f"{TLS}cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}", "FILE:1:64: TLS_RSA_WITH_RC4_128_SHA is not supported; try: TLS_"),
        (f"{TLS}client_auth_type: RequireAnyClientCert}}", "FILE:1:66: RequireAnyClientCert is not supported; try: RequireAndVerifyClientCert"),
        (f"{TLS}client_ca_file: a}}", "FILE:1:20: client_ca_file and client_auth_type belong together; try: "),
        (f"{TLS}client_allowed_sans: [a]}}", "FILE:1:20: client_allowed_sans checks nobody without a certificate; try: "),
        (f"{TLS}key: a}}", "FILE:1:48: key is not supported by ovstool; try: key_file"),
        ("a: &a [*a]", "FILE:1:8: alias *a contains itself"),
        ("a: !!python/object:os.system b", "FILE:1:4: a tag, which has no meaning here"),
        ("\xff", "FILE: not UTF-8: byte 1"),
        ("#" * (2**20 + 1), "FILE: larger than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_web_configuration(tmp_path, text, problem):
    file = tmp_path / "web.yml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as raised:
        web_config.read(str(file))
    assert str(raised.value).replace(str(file), "FILE").startswith(problem)


def test_a_web_configuration(tmp_path):
    file = tmp_path / "web.yml"
    file.write_text(
        "tls_server_config:\n  cert_file: c.pem\n  key_file: /k.pem\n  client_ca_file: ca.pem\n  client_auth_type: VerifyClientCertIfGiven\n"
        "  min_version: TLS13\n  prefer_server_cipher_suites: false\n  cipher_suites:\n  - TLS_AES_128_GCM_SHA256\n"
        "http_server_config: {http2: false, headers: {X-Frame-Options: '', X-Content-Type-Options: nosniff}}\n"
        f"basic_auth_users:\n  0x10: {HASH}\n"
    )
    config = web_config.read(str(file))
    assert config.users == {"0x10": HASH} and config.headers == {"X-Content-Type-Options": "nosniff"}
    assert config.tls == web_config.TlsSettings(
        str(tmp_path / "c.pem"), "/k.pem", str(tmp_path / "ca.pem"), "VerifyClientCertIfGiven",
        min_version="TLS13", prefer_server_cipher_suites=False, cipher_suites=("TLS_AES_128_GCM_SHA256",),
    )  # fmt: skip
    file.write_text(f"{TLS}client_auth_type: NoClientCert, prefer_server_cipher_suites: true, max_version: null}}\n")
    assert web_config.read(str(file)).tls == web_config.TlsSettings(str(tmp_path / "c"), str(tmp_path / "k"))
    for empty in ("", "# nothing\n", "tls_server_config:\nbasic_auth_users: {}\nhttp_server_config: ~\n"):
        file.write_text(empty)
        assert web_config.read(str(file)) == web_config.WebConfig()


def test_cipher_suites(tmp_path):
    """All that Go has by default, whose names are those of the standard, and what OpenSSL calls them."""
    said = subprocess.run(["openssl", "ciphers", "-stdname", "ALL"], capture_output=True, text=True, check=True).stdout
    names = dict(line.split()[:3:2] for line in said.splitlines())
    usual = {name for name in names if re.fullmatch("TLS_(ECDHE_(ECDSA|RSA)_WITH_)?(AES_(128|256)_GCM|CHACHA20_POLY1305)_SHA...", name)}
    usual |= {f"TLS_ECDHE_{key}_WITH_AES_{bits}_CBC_SHA" for key in ("ECDSA", "RSA") for bits in (128, 256)}
    file = tmp_path / "web.yml"
    file.write_text(f"{TLS}cipher_suites: [{', '.join(sorted(usual))}]}}\n")
    assert web_config.read(str(file)).tls.cipher_suites == tuple(sorted(usual))
    assert {name: own or name for name, own in web_config.CIPHERS.items()} == {name: names[name] for name in usual}


class Switches:
    """Switches that answer when they are let, and what is told of them."""

    def __init__(self):
        self.let = threading.Event()
        self.asked: list[str] = []
        self.told: list[tuple] = []
        self.notes: list[str] = []
        self.failure: Exception | None = None

    def read(self, name: str):
        def read(within_s: float):
            self.asked.append(name)
            if name == "slow":
                self.let.wait(20)
            if self.failure:
                raise self.failure
            return Reading({"ovstool_up": {(): 1}}), [f"sh: did not end within 0.{len(self.asked)} s"]

        return read

    def watched(self, name: str, is_far: bool = True) -> Watched:
        return Watched(name, self.read(name), lambda *told: self.told.append(told), self.notes.append, is_far)


def wanted(host=None, within_s=10.0):
    return Wanted(host, "prometheus", False, within_s)


def test_what_runs_is_shared_and_the_slow_does_not_hold_the_others():
    async def scrape():
        fleet = Fleet({name: switches.watched(name) for name in ("fast", "slow")})
        short = await asyncio.gather(*[fleet.text(wanted(within_s=0.5)) for _ in range(100)])
        assert {text.count(b"ovstool_up{host=") for text in short} == {2}
        assert b'ovstool_up{host="fast"} 1\n' in short[0] and b'ovstool_up{host="slow"} 0\n' in short[0]
        assert switches.asked == ["fast", "slow"]
        assert b'"slow"} 0\n' in await fleet.text(wanted("slow", 0.5))  # still being read, so it is not asked again
        waiting = asyncio.ensure_future(fleet.text(wanted("slow")))
        await asyncio.sleep(0)
        switches.let.set()
        assert b'ovstool_up{host="slow"} 1\n' in await waiting
        assert switches.asked == ["fast", "slow"]
        assert b'ovstool_up{host="slow"} 1\n' in await fleet.text(wanted("slow"))
        assert switches.asked == ["fast", "slow", "slow"]

    switches = Switches()
    asyncio.run(scrape())
    # Once, although it came twice with another time.
    assert sorted(note.split(":")[0] for note in switches.notes) == ["fast", "slow"]
    assert switches.told == []


@pytest.mark.parametrize(("is_far", "asked"), [(True, 1), (False, 3)])
def test_after_a_failure_a_host_is_left_alone_for_a_while(monkeypatch, is_far, asked):
    async def scrape():
        watched = switches.watched("fast", is_far)
        for _ in range(3):
            assert (await watched.reading(10)).samples == {"ovstool_up": {(): 0}, "ovstool_scrape_duration_seconds": {(): 0}}
        assert (len(switches.asked), switches.told) == (asked, [("fast", switches.failure)])
        for pause_s in (1, 2, 4, 8, 16, 32, 60, 60) if is_far else ():
            assert watched._not_before - clock() == pause_s
            now[0] += pause_s
            await watched.reading(10)
        switches.failure = None
        now[0] += 60
        assert (await watched.reading(10)).samples["ovstool_up"] == {(): 1}
        assert switches.told[1:] == [("fast", None)]

    now = [1000.0]
    clock = lambda: now[0]  # noqa: E731
    monkeypatch.setattr("ovstool.metrics.serving.scrapes.time.monotonic", clock)
    switches = Switches()
    switches.failure = Unreachable("fast", "no route")
    loop = asyncio.new_event_loop()
    loop.time = __import__("time").perf_counter
    loop.run_until_complete(scrape())
    loop.close()


def test_metrics_of_the_process_are_with_those_of_all_switches():
    async def scrape(host: str | None, *of_itself) -> list[str]:
        text = await Fleet({"fast": Switches().watched("fast")}, *of_itself).text(wanted(host))
        return [line for line in text.decode().splitlines() if not re.match("# (HELP|TYPE) |ovstool_[a-z_]+{", line)]

    assert asyncio.run(scrape(None, lambda form: f"own {form}\n")) == ["own prometheus"]
    assert asyncio.run(scrape("fast", lambda form: f"own {form}\n")) == asyncio.run(scrape(None)) == []


def test_metrics_of_the_process(monkeypatch):
    """In both forms; none where prometheus_client is not installed."""
    notes: list[str] = []
    read = itself.reader(notes.append)
    assert "\nprocess_open_fds " in read(PROMETHEUS) and "# TYPE process_cpu_seconds_total counter\n" in read(PROMETHEUS)
    assert "# TYPE process_cpu_seconds counter\n" in read(OPENMETRICS) and END not in read(OPENMETRICS)
    for module in ("prometheus_client", "prometheus_client.openmetrics"):
        monkeypatch.setitem(sys.modules, module, None)
    read = itself.reader(notes.append)
    assert (read(PROMETHEUS), read(OPENMETRICS), notes) == ("", "", [])


def test_each_cause_is_told_once():
    async def scrape():
        watched = switches.watched("fast", is_far=False)
        for switches.failure in failures:
            await watched.reading(10)

    switches = Switches()
    failures = [
        Refused("a", "x"),
        Refused("a", "y"),
        Refused("b", "x"),
        Unreachable("b", "x"),
        Unreachable("b", "x"),
        ValueError(),
        ValueError(),
    ]
    asyncio.run(scrape())
    assert switches.told == [("fast", failures[number]) for number in (0, 2, 3, 5)]


@pytest.mark.parametrize(("timeout_s", "at_most_s"), [(10, 10.2), (0.5, 0.7)])
def test_a_switch_that_does_not_answer_does_not_take_longer_than_prometheus_waits(monkeypatch, timeout_s, at_most_s):
    """Half a second of its time is for all else."""

    async def scrape() -> None:
        assert (await Switches().watched("slow").reading(timeout_s)).samples["ovstool_up"] == {(): 0}

    clock = Clock()
    begin = clock.now
    monkeypatch.setattr("ovstool.metrics.serving.scrapes.in_thread", lambda *_: asyncio.get_running_loop().create_future())
    clock.run(scrape())
    assert timeout_s < clock.now - begin < at_most_s


def test_no_room_in_the_system_for_a_thread(monkeypatch):
    """The switch counts as down, and the cause is told."""

    def fail(thread):
        raise failure

    async def scrape():
        monkeypatch.setattr(threading.Thread, "start", fail)
        return await switches.watched("fast").reading(10)

    switches, failure = Switches(), RuntimeError("can't start new thread")
    assert asyncio.run(scrape()).samples["ovstool_up"] == {(): 0}
    assert (switches.asked, switches.told) == ([], [("fast", failure)])


def test_a_reading_that_still_runs_does_not_keep_the_program():
    async def ask() -> bool:
        return await in_thread(lambda: threading.current_thread().daemon)

    assert asyncio.run(ask())


def test_the_unit(tmp_path):
    """systemd accepts it, and it exposes little."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("ExecStart=ovstool ", f"ExecStart={sys.executable} "))  # it has to be there
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    argv = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
