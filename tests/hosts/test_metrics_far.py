"""``ovstool -H metrics --listen``: a fleet that is scraped over connections that stay open."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from metrics_server import served

_TIMEOUT = {"X_Prometheus_Scrape_Timeout_Seconds": "5"}


@pytest.fixture(scope="module")
def fleet(lab):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: lab.host(name, answers_after_s=600 if name == "silent" else -1), ("m1", "m2", "silent")))
    return lab


@pytest.fixture
def server(fleet):
    with served(fleet.environ, "-H", "m1,m2,silent", prefix=fleet.command([])) as running:
        yield running


def up(text: str) -> dict[str, str]:
    """The values of ovstool_up by host."""
    return dict(re.findall(r'^ovstool_up\{host="(.*)"\} (.)$', text, re.MULTILINE))


def logins(host) -> int:
    return host.run("cat /run/lab/sshd.log").stdout.count("Accepted publickey")


def test_a_fleet(fleet, server):
    before = logins(fleet["m1"])
    for _ in range(3):
        text = server.text(**_TIMEOUT)
        assert up(text) == {"m1": "1", "m2": "1", "silent": "0"}
    assert text.count("# HELP ovstool_up") == 1
    assert re.search(r'^ovs_interface_admin_state\{host="m2",bridge="br0",port="eth1",', text, re.MULTILINE)
    durations = dict(re.findall(r'^ovstool_scrape_duration_seconds\{host="(.*)"\} (.*)$', text, re.MULTILINE))
    assert durations.keys() == {"m1", "m2", "silent"} and float(durations["m1"]) > 0
    assert "\nprocess_open_fds " in text  # of the server, not of a host
    assert logins(fleet["m1"]) == before + 1
    assert server.hear("silent").startswith("ovstool: silent: ")


def test_one_host(fleet, server):
    before = logins(fleet["m2"])
    text = server.text("/metrics?target=m1", Accept="application/openmetrics-text")
    assert up(text) == {"m1": "1"} and "m2" not in text and text.endswith("# EOF\n")
    assert "process_open_fds" not in text
    assert server.get("/metrics?target=root@m1").status == server.get("/metrics?target=m3").status == 404
    assert logins(fleet["m2"]) == before
    assert 'href="/metrics?target=m1"' in server.text("/")


def test_a_host_is_lost_and_its_key_has_changed(fleet):
    """A new connection is made; with another key than the known one it is refused, for this host alone."""
    with served(fleet.environ, "-H", "m1,m2", prefix=fleet.command([])) as server:
        _lose_and_change(fleet, server)


def _lose_and_change(fleet, server):
    known = Path(fleet.home / ".ssh/known_hosts")
    right = known.read_text()
    assert up(server.text("/metrics?target=m1")) == {"m1": "1"}
    _disconnect(fleet["m1"])
    assert up(server.text("/metrics?target=m1")) == {"m1": "1"}
    keys = {line.split(",")[0]: line.split(" ", 1)[1] for line in right.splitlines()}
    known.write_text(right.replace(keys["m1"], keys["m2"]))
    try:
        _disconnect(fleet["m1"])
        assert up(server.text()) == {"m1": "0", "m2": "1"}
        assert "host key" in server.hear("ovstool: m1: ")
        begin = time.monotonic()
        while up(server.text("/metrics?target=m1")) == {"m1": "0"}:
            known.write_text(right)
            assert time.monotonic() - begin < 60
        assert "m1: answers again" in server.hear("m1")
    finally:
        known.write_text(right)


def _disconnect(host) -> None:
    """End the processes that sshd has started for connections."""
    host.run(["sh", "-c", 'main=$(cat /run/lab/sshd.pid); for pid in $(pgrep -x sshd); do [ "$pid" = "$main" ] || kill "$pid"; done'])
