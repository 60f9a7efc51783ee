"""What docs/prometheus has for Prometheus and Grafana: promtool accepts it, and it names only metrics and labels that there are."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ovstool.metrics.families import FAMILIES

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs" / "prometheus"
PAGE = (ROOT / "docs" / "prometheus.md").read_text()
RULES = [rule for group in yaml.safe_load((SHIPPED / "ovstool.rules.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((SHIPPED / "ovstool-dashboard.json").read_text())
OF_PROMETHEUS = {"instance", "job", "host"}  # labels that Prometheus and several hosts add
FOREIGN = {"up": set(), "node_textfile_mtime_seconds": {"file"}}
# What the rules of openstack-network-exporter use, with the labels that they print.
OF_OPENSTACK = {
    "ovs_interface_rx_dropped": {"bridge", "interface"},
    "ovs_interface_rx_errors": {"bridge", "interface"},
    "ovs_interface_tx_errors": {"bridge", "interface"},
    "ovs_pmd_lost_upcalls": {"numa", "cpu"},
    "ovs_pmd_nonvol_context_switches": {"numa", "cpu"},
}


def promtool(*words, **options):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def labels_of(expression):
    """The labels that all series of a query have: those of the metrics in it, together."""
    text = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\b(?:ovs_|ovstool_|node_|up\b)\w*", text))
    assert names <= FAMILIES.keys() | FOREIGN.keys(), names
    return set().union(*({*FAMILIES[name].labels} if name in FAMILIES else FOREIGN[name] for name in names))


def matched(expression):
    """The labels that a query selects or groups by."""
    selected = re.findall(r"(\w+)=~?\"", expression)
    listed = re.findall(r"\b(?:by|on|ignoring) \(([^)]*)\)", expression)
    return {*selected, *(label.strip() for labels in listed for label in labels.split(","))}


def test_rules():
    promtool("test", "rules", "rules_test.yml", cwd=Path(__file__).parent)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_names_what_there_is(rule):
    there = labels_of(rule["expr"]) | OF_PROMETHEUS
    assert matched(rule["expr"]) <= there
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= there
    assert rule["annotations"].keys() == {"summary", "description"} and rule["labels"]["severity"] in ("critical", "warning", "info")
    tests = yaml.safe_load((Path(__file__).parent / "rules_test.yml").read_text())["tests"]
    assert f'alertname="{rule["alert"]}"' in str(tests)


@pytest.mark.parametrize("name", OF_OPENSTACK)
def test_metrics_are_those_that_rules_for_openstack_network_exporter_use(name):
    assert set(FAMILIES[name].labels) >= OF_OPENSTACK[name]
    assert FAMILIES[name].kind == "unknown", "a counter would have _total in its name"


def test_configurations(tmp_path):
    (tmp_path / "ovstool.rules.yml").write_text((SHIPPED / "ovstool.rules.yml").read_text())
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yml").write_text(block)
    assert len(blocks) == 5
    for secret in ("password", "ca.crt"):
        (tmp_path / secret).touch()
    promtool("check", "config", *[f"{number}.yml" for number in range(len(blocks))], cwd=tmp_path)


def test_the_dashboard_is_fresh(tmp_path):
    subprocess.run([sys.executable, SHIPPED / "dashboard.py", tmp_path / "fresh"], check=True)
    assert (SHIPPED / "ovstool-dashboard.json").read_text() == (tmp_path / "fresh").read_text(), "run 'make generated'"


def test_the_dashboard_names_what_there_is():
    numbers, places = [], []
    for panel in DASHBOARD["panels"]:
        numbers.append(panel["id"])
        at = panel["gridPos"]
        places += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        for target in panel.get("targets", []):
            there = labels_of(target["expr"]) | OF_PROMETHEUS
            assert matched(target["expr"]) <= there, target
            named = re.findall(r"{{(\w+)}}", target["legendFormat"])
            assert set(named) <= there | {"switch"}, target
            assert named[:1] == ["switch"] * (panel["type"] in ("timeseries", "state-timeline")), "switches have ports of the same name"
    assert len(set(numbers)) == len(numbers) and len(set(places)) == len(places), "panels overlap"
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "instance", "host", "bridge", "port"}
