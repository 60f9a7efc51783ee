"""Metrics as text, read again by prometheus_client's parsers."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client import parser as old_format
from prometheus_client.openmetrics import parser as openmetrics

from ovstool.metrics import exposition
from ovstool.metrics.families import FAMILIES, FIRST, GROUPS
from ovstool.metrics.reading import Reading

PARSERS = {exposition.OPENMETRICS: openmetrics, exposition.PROMETHEUS: old_format}
INTERFACE = ("br0", "eth1", "eth1", "system", "7b1c")


def reading(**samples) -> Reading:
    return Reading({"ovstool_up": {(): 1}} | samples)


def text(form: str, *readings) -> str:
    return "".join(exposition.write(readings, form))


def parsed(form: str, *readings) -> dict[tuple, float]:
    """Each sample by its name and labels."""
    families = list(PARSERS[form].text_string_to_metric_families(text(form, *readings)))
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def full() -> Reading:
    """One sample of each family."""
    return Reading(
        {name: {tuple("abcdefgh"[: len(family.labels)]): 1.5 if family.kind == "gauge" else 1} for name, family in FAMILIES.items()}
    )


@pytest.mark.parametrize("form", exposition.FORMS)
def test_every_family_can_be_read(form):
    found = parsed(form, (None, full()))
    assert {name for name, *_ in found} == FAMILIES.keys()
    assert next(iter(exposition.write([(None, full())], form))).startswith(f"# HELP {FIRST} ")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_has_no_complaint_about_any_family():
    written = text("prometheus", (None, full()), ("h1", full()))
    done = subprocess.run(["promtool", "check", "metrics"], input=written, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_openmetrics():
    counted = reading(
        ovs_queue_tx_bytes_total={("br0", "eth1", "eth1", "", "0"): 12},
        ovs_build_info={("3.1.0", "none", "8.3.1"): 1},
        ovs_interface_rx_bytes={INTERFACE: 2**64 - 2},
    )
    assert text("openmetrics", (None, counted)).splitlines()[3:] == [
        "# HELP ovs_interface_rx_bytes Bytes received.",
        "# TYPE ovs_interface_rx_bytes unknown",
        "# UNIT ovs_interface_rx_bytes bytes",
        'ovs_interface_rx_bytes{bridge="br0",port="eth1",interface="eth1",type="system",iface_id="7b1c"} 18446744073709551614',
        "# HELP ovs_queue_tx_bytes Bytes sent through the queue.",
        "# TYPE ovs_queue_tx_bytes counter",
        "# UNIT ovs_queue_tx_bytes bytes",
        'ovs_queue_tx_bytes_total{bridge="br0",port="eth1",interface="eth1",iface_id="",queue="0"} 12',
        "# HELP ovs_build Versions of Open vSwitch, of DPDK and of the database schema.",
        "# TYPE ovs_build info",
        'ovs_build_info{ovs_version="3.1.0",dpdk_version="none",db_version="8.3.1"} 1',
        "# EOF",
    ]


def test_the_older_format():
    counted = reading(ovs_queue_tx_bytes_total={("br0", "eth1", "eth1", "", "0"): 12}, ovs_build_info={("3.1.0", "", ""): 1})
    kinds = re.findall(r"^# TYPE (.*)", text("prometheus", (None, counted)), re.MULTILINE)
    assert kinds == ["ovstool_up gauge", "ovs_queue_tx_bytes_total counter", "ovs_build_info gauge"]
    assert "# UNIT" not in text("prometheus", (None, counted)) and "# EOF" not in text("prometheus", (None, counted))


@pytest.mark.parametrize("form", exposition.FORMS)
def test_several_hosts_are_in_one_exposition(form):
    here = reading(ovs_interface_rx_bytes={INTERFACE: 1})
    found = parsed(form, ("h1", here), ('h"2', here), ("h3", Reading.of_unreachable()))
    assert [found["ovstool_up", ("host", host)] for host in ("h1", 'h"2', "h3")] == [1, 1, 0]
    assert sum(name == "ovs_interface_rx_bytes" for name, *_ in found) == 2
    heads = re.findall(r"^# TYPE (\S+)", text(form, ("h1", here), ("h2", here)), re.MULTILINE)
    assert len(heads) == len(set(heads)) == 2


@given(some.text(), some.sampled_from(exposition.FORMS))
def test_any_label_value_is_read_as_it_is(value, form):
    found = parsed(form, (None, reading(ovs_interface_rx_bytes={(value, "p", "p", "system", ""): 1})))
    assert ("bridge", value) in next(key for key in found if key[0] == "ovs_interface_rx_bytes")


@pytest.mark.parametrize("form", exposition.FORMS)
@pytest.mark.parametrize(
    "value", ["\\", '"', "\n", r"\n", '\\"', "a,b} 1", "#", "\u2028", "\x85", "\r", "\x1b[31m", "é" * 10_000, "{}%s%%"], ids=ascii
)
def test_values_that_break_labels(form, value):
    found = parsed(form, (value, reading(ovs_interface_rx_bytes={(value,) * 5: 1})))
    assert (
        "ovs_interface_rx_bytes",
        *sorted((name, value) for name in ("bridge", "host", "iface_id", "interface", "port", "type")),
    ) in found


@pytest.mark.parametrize("form", exposition.FORMS)
@pytest.mark.parametrize("host", [None, "h%s"])
def test_columns_are_written_like_single_samples(form, host):
    ports = [("br0", f"p%{number}", "p", "system", "") for number in range(12_000)]
    one, many = Reading({}), Reading({})
    many.extend("ovs_interface_rx_bytes", ports, list(range(12_000)))
    many.extend("ovs_interface_rx_bytes", [("br1", "p", "p", "", "")], [5])
    many.extend("ovs_interface_statistic", ports, list(range(12_000)), ('a%"}',))
    many.extend("ovs_interface_statistic", ports[:3], [1, 2, 3], ("b",))
    many.extend("ovs_interface_statistic", [("br1", "p", "p", "")], [6], ('i"d', "c"))
    many.extend("ovs_interface_tx_bytes", [], [])
    for name, labels, value in many.rows():
        one.add(name, tuple(labels.values()), value)
    assert "".join(exposition.write([(host, many)], form)) == "".join(exposition.write([(host, one)], form))
    assert len(list(many.rows())) == 24_005 and many.samples.keys() == one.samples.keys()
    assert max(map(len, exposition.write([(host, many)], form))) < 2**20  # so that no part is large


def test_half_a_surrogate_pair_is_replaced():
    written = text("openmetrics", (None, reading(ovs_interface_rx_bytes={("\ud800", "p", "p", "system", ""): 1})))
    assert 'bridge="?"' in written
    written.encode()


def test_names_and_help():
    """Prometheus's rules, for all names that openstack-network-exporter does not have."""
    for family in (family for families in GROUPS.values() for family in families):
        assert re.fullmatch(r"(ovs|ovstool)_[a-z0-9_]+", family.name)
        assert re.fullmatch(r'[^"\\\n]+\.', family.help)  # nothing that the formats escape
        assert "host" not in family.labels and len(set(family.labels)) == len(family.labels)
        assert (family.kind == "counter") <= family.name.endswith("_total")
        assert (family.kind == "info") == family.name.endswith("_info")
        assert family.kind == "unknown" or not family.name.endswith(("_count", "_sum", "_bucket"))


# What openstack-network-exporter calls it (collectors/*/metrics.go), with its labels; rules/*.yaml uses some of these.
_INTERFACE = ("bridge", "port", "interface", "type")
_BRIDGE, _DATAPATH, _PMD = ("bridge", "datapath_type"), ("type", "name"), ("numa", "cpu")
EXPORTER = {
    _INTERFACE: "admin_state link_state mtu_bytes link_speed_bps link_resets rx_packets rx_bytes rx_errors rx_dropped tx_packets tx_bytes tx_errors tx_retries",
    (
        *_INTERFACE,
        "queue",
    ): "rx_guest_notifications tx_guest_notifications rx_good_packets tx_good_packets rx_multicast_packets tx_multicast_packets",
    _BRIDGE: "port_count flow_count",
    _DATAPATH: "flows_total lookup_hits_total lookup_missed_total lookup_lost_total",
    _PMD: "lost_upcalls nonvol_context_switches rx_packets total_upcalls total_iterations emc_hits megaflow_hits tx_batches",
    (): "handlers_total ports_total revalidators_total rules_total keys_total",
    ("ovs_version", "dpdk_version", "db_version"): "info",
}
PREFIX = dict(zip(EXPORTER, ("interface", "interface", "bridge", "datapath", "pmd", "memory", "build"), strict=True))


@pytest.mark.parametrize("labels, name", [(labels, name) for labels, names in EXPORTER.items() for name in names.split()])
def test_names_and_labels_of_openstack_network_exporter(labels, name):
    assert [label for label in FAMILIES[f"ovs_{PREFIX[labels]}_{name}"].labels if label != "iface_id"] == list(labels)
