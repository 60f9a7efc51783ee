"""``ovstool metrics --listen`` for one switch: what it serves, judged by prometheus_client, and a switch that goes away and comes back."""

import gzip
import os
import re
import shutil
import subprocess
import time

import pytest
from metrics_server import Server, served
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from ovstool.metrics.families import FAMILIES

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture(scope="module")
def server(unchanged):
    with served(unchanged.environ) as running:
        yield running


def samples(families) -> dict[str, float]:
    return {f"{sample.name}{sample.labels}": sample.value for family in families for sample in family.samples}


def test_both_forms_have_the_same_samples(server):
    texts = {accept: server.get(Accept=accept) for accept in (OPENMETRICS, "*/*")}
    assert texts[OPENMETRICS].headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert texts["*/*"].headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    first, second = samples(openmetrics(texts[OPENMETRICS].body.decode())), samples(prometheus(texts["*/*"].body.decode()))
    assert first.keys() == second.keys()
    assert first["ovstool_up{}"] == 1 and first["ovstool_scrape_duration_seconds{}"] > 0
    assert not [name for name in first if "'host'" in name]


def test_it_serves_what_the_command_prints(unchanged, server):
    def names(text: str) -> set[str]:
        return set(re.findall("^# TYPE ([^ ]+)", text, re.MULTILINE))

    of_itself = {name for name in names(server.text()) if name.startswith(("process_", "python_"))}
    of_switch = names(server.text()) - of_itself
    assert of_switch == names(unchanged.ovstool("metrics -f prometheus").stdout) | {"ovstool_scrape_duration_seconds"}
    assert of_switch <= FAMILIES.keys() and of_itself.isdisjoint(FAMILIES)


def test_it_tells_of_its_own_process(server):
    """Judged by proc(5); once in each form."""
    for text, parse in ((server.text(Accept=OPENMETRICS), openmetrics), (server.text(), prometheus)):
        assert text.count("# EOF\n") == (parse is openmetrics)
        found = samples(parse(text))
        resident = found["process_resident_memory_bytes{}"] / 1024
        assert resident == pytest.approx(server.memory_kib, rel=0.2)
        with open(f"/proc/{server.process.pid}/stat") as stat:
            began = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        assert found["process_start_time_seconds{}"] == pytest.approx(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + began, abs=2)
        assert found["process_open_fds{}"] < 100 and any(name.startswith("python_info") for name in found)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="without promtool")
def test_promtool_has_nothing_to_say(server):
    done = subprocess.run(["promtool", "check", "metrics"], input=server.text(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ('raise ModuleNotFoundError("not installed", name="prometheus_client")', ""),
        ("REGISTRY = None", "prometheus_client: ImportError: cannot import name 'exposition'"),
        ('raise RuntimeError("broken\\nhere")', r"prometheus_client: RuntimeError: broken\nhere, so there are no metrics of this process"),
    ],
    ids=["absent", "another", "broken"],
)
def test_without_prometheus_client(unchanged, tmp_path, module, said):
    (tmp_path / "prometheus_client.py").write_text(module)
    with served(unchanged.environ | {"PYTHONPATH": str(tmp_path)}) as server:
        notes = "".join(server.said[:-1])
        assert notes.startswith(f"ovstool: note: {said}") if said else not notes
        for text in (server.text(Accept=OPENMETRICS), server.text()):
            assert "\novstool_up 1\n" in text and not re.search("^(process|python)_", text, re.MULTILINE)
        assert list(openmetrics(server.text(Accept=OPENMETRICS)))


def test_compressed(server):
    answer = server.get(Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept, Accept-Encoding")
    assert b"\novstool_up 1\n" in gzip.decompress(answer.body)


def test_only_the_head(server):
    answer = server.get(method="HEAD", Accept=OPENMETRICS)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "Content-Length" not in answer.headers


def test_pages(server):
    page = server.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'href="/metrics"' in page.body and b"target" not in page.body
    assert server.text("/-/healthy") == "ovstool is running.\n"
    assert server.get("/metrics?target=eth1").status == 404


@pytest.mark.parametrize("checks", [[], ["--checks"]])
def test_a_port_that_is_not_there_is_left_out(unchanged, checks):
    with served(unchanged.environ, "eth1", "nosuch", "mac:00:00:00:00:00:01", *checks) as server:
        text = server.text()
        assert "\novstool_up 1\n" in text and 'port="eth1"' in text and 'port="eth2"' not in text
        assert server.hear("nosuch") == "ovstool: note: port nosuch: no such port, so it has no metrics\n"
        assert server.hear("mac:").startswith("ovstool: note: port mac:00:00:00:00:00:01: no such port")
    with served(unchanged.environ, "nosuch", *checks) as server:
        assert "\novstool_up 1\n" in (text := server.text()) and "port=" not in text


def test_a_switch_that_comes_and_goes(switch):
    """It is asked anew by each scrape, and a line is printed when it fails and when it answers again."""
    with served(switch.environ) as server:
        _up(server, 1)
        switch.vsctl("add-port br0 eth9")
        assert 'port="eth9"' in server.text()
        switch.tool("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/remove-remote", f"p{switch.environ['OVSTOOL_DB']}")
        _up(server, 0)
        assert server.hear("ovstool: (?!note)").startswith(f"ovstool: {switch.environ['OVSTOOL_DB']}: ")
        switch.tool("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/add-remote", f"p{switch.environ['OVSTOOL_DB']}")
        _up(server, 1)
        assert server.hear("again") == "ovstool: note: the switch answers again\n"


def _up(server: Server, value: int) -> None:
    assert f"\novstool_up {value}\n" in server.text()
