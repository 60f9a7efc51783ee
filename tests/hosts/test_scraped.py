"""``ovstool metrics --listen`` scraped by a real Prometheus: one switch with traffic, a fleet over SSH, and a file for node_exporter.

The scrape configurations are those of docs/prometheus.md.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt
import pytest
import yaml
from measuring import measured
from prometheus_server import Prometheus

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs" / "prometheus"
SETUP = """
ovs-vsctl --no-wait set-manager tcp:127.0.0.1:1
ovs-vsctl add-br br1 -- set bridge br1 datapath_type=netdev -- set-controller br1 tcp:127.0.0.1:1
ovs-vsctl -- --id=@p get port br1 -- --id=@m create mirror name=m0 select-all=true output-port=@p -- set bridge br1 mirrors=@m
ovs-vsctl add-bond br0 bond0 b1 b2
ovs-ofctl -O OpenFlow13 add-meter br0 meter=1,kbps,band=type=drop,rate=1000
ovs-ofctl -O OpenFlow13 add-group br0 group_id=5,type=all,bucket=normal
"""


@pytest.fixture(scope="module")
def one(forwarding):
    """A switch with something of everything that has metrics: b2 has no link, and neither the controller nor the manager is there."""
    for command in (
        "link add b1 type veth peer name p1",
        "link add b2 type veth peer name p2",
        "link set b1 up",
        "link set p1 up",
        "link set b2 up",
    ):
        forwarding.tool("ip", "-n", forwarding.box.namespace, *command.split())
    for line in SETUP.strip().splitlines():
        forwarding.tool(*shlex.split(line))
    for command in ("qos set eth2 --max-rate 100mbit --queue 0:min=1mbit --queue 7:min=1mbit,max=20mbit", "police set eth1 --rate 200mbit"):
        assert forwarding.ovstool(command).code == 0
    return forwarding


@pytest.fixture(scope="module")
def prometheus(one, lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    lab.start(["switch1", "switch2"])
    (folder / "ovstool.rules.yml").write_text((SHIPPED / "ovstool.rules.yml").read_text())
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_config()))
    _write_secrets(folder)
    assert one.ovstool(f"metrics --checks --textfile {folder}/ovs.prom").code == 0
    with Prometheus(lab, folder) as started:
        ovstool = [sys.executable, "-m", "ovstool"]
        environ = {name: value for name, value in one.environ.items() if name.startswith("OVS")} | {"PYTHONPATH": str(ROOT)}
        started.start([*ovstool, "metrics", "--listen", "127.0.0.1:10066", "--web-config", f"{folder}/web.yml"], "one", environ)
        started.start([*ovstool, "-H", "switch1,switch2", "metrics", "--listen", "127.0.0.1:10067"], "fleet", {"PYTHONPATH": str(ROOT)})
        options = ("--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}")
        started.start(["prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100", *options], "node_exporter")
        started.until(lambda: started.query("count(up == 1)") == {(): 5})
        yield started


def _write_secrets(folder):
    """A key with its certificate, a password, and the web configuration file for them."""
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=switch",
    ]
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "ca.crt"]
    subprocess.run([*argv, *options], check=True, capture_output=True)
    (folder / "password").write_text("secret\n")
    users = {"prometheus": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
    web = {"tls_server_config": {"cert_file": "ca.crt", "key_file": "key"}, "basic_auth_users": users}
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    (folder / "web.yml").chmod(0o600)


def _config():
    """The configurations of the documentation in one, with the addresses of this test; the switch with traffic needs a password."""
    text = (ROOT / "docs" / "prometheus.md").read_text()
    several, whole, by_target, textfile, secret = (
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
    jobs = [config["scrape_configs"][0] for config in (secret, whole, by_target, textfile)]
    for name, job in zip(("ovstool", "ovstool-fleet", "ovstool-hosts", "node"), jobs, strict=True):
        job |= {
            "job_name": name,
            "scrape_interval": "1s" if name == "ovstool" else "2s",
            "scrape_timeout": "1s" if name == "ovstool" else "2s",
        }
    for job, target in ((jobs[0], "127.0.0.1:10066"), (jobs[1], "127.0.0.1:10067"), (jobs[3], "127.0.0.1:9100")):
        job["static_configs"][0]["targets"] = [target]
    jobs[2]["relabel_configs"][-1]["replacement"] = "127.0.0.1:10067"
    return {"global": {"evaluation_interval": "1s"}, "rule_files": several["rule_files"], "scrape_configs": jobs}


def test_everything_is_scraped(prometheus):
    targets = prometheus.get("targets")["activeTargets"]
    assert {target["lastError"] for target in targets} == {""}
    up = prometheus.query("ovstool_up", by=("job", "instance", "host"))
    assert up == dict.fromkeys(
        [
            ("ovstool", "127.0.0.1:10066", ""),
            ("ovstool-fleet", "127.0.0.1:10067", "switch1"),
            ("ovstool-fleet", "127.0.0.1:10067", "switch2"),
            ("ovstool-hosts", "switch1", "switch1"),
            ("ovstool-hosts", "switch2", "switch2"),
            ("node", "127.0.0.1:9100", ""),
        ],
        1,
    )
    assert prometheus.query("node_textfile_scrape_error", by=()) == {(): 0}
    prometheus.until(lambda: not prometheus.query("ovstool_collector_success == 0"))


@contextmanager
def traffic(switch, rate):
    """iperf3 from the first host to the second during the block."""
    client, server = switch.box.hosts
    with ExitStack() as stack:
        for argv in (["iperf3", "-s", "-1"], ["iperf3", "-c", "10.0.0.2", "-u", "-b", rate, "-l", "1400", "-t", "60"]):
            where = server if "-s" in argv else client
            process = subprocess.Popen(["ip", "netns", "exec", where, *argv], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            listening = ["ip", "netns", "exec", where, "ss", "-Hltn", "sport = :5201"]
            while "-s" in argv and not subprocess.run(listening, capture_output=True, text=True, check=True).stdout:
                time.sleep(0.02)
        yield


def bits_until(rows, moment):
    """What 'stats --rate' has counted from its first reading to a moment."""
    return sum(row["tx_bps"] * min(row["interval_s"], max(0, moment - row["time"] + row["interval_s"])) for row in rows)


@measured
def test_rates_are_those_of_stats(prometheus, one):
    """Over exactly the time between two scrapes, so that it does not matter how steady the traffic is."""
    tx, queue = 'ovs_interface_tx_bytes{job="ovstool",interface="eth2"}', 'ovs_queue_tx_bytes_total{job="ovstool",queue="0"}'
    with traffic(one, "20M"):
        prometheus.until(lambda: prometheus.query(f"rate({tx}[3s]) * 8 > 18e6"))
        rows = [json.loads(line) for line in one.ovstool("stats eth2 --rate --interval 0.2 --count 40 -f json").stdout.splitlines()]
        end = rows[-1]["time"]
        prometheus.until(lambda: prometheus.query(f"timestamp({tx}) > {end}"))
    [samples] = prometheus.get("query", query=f"{tx}[7s]", time=end)["result"]
    (first, _), *_, (last, _) = samples["values"]
    assert last - first > 4, samples
    ours = (bits_until(rows, last) - bits_until(rows, first)) / (last - first)
    window = f"[{round((last - first) * 1000)}ms]"
    assert ours > 10e6, "no traffic"
    assert prometheus.query(f"8 * rate({tx}{window})", by=(), time=last) == {(): pytest.approx(ours, rel=0.01)}
    assert prometheus.query(f"8 * rate({queue}{window})", by=(), time=last) == {(): pytest.approx(ours, rel=0.01)}


DASHBOARD = json.loads((SHIPPED / "ovstool-dashboard.json").read_text())
MAY_BE_EMPTY = ("ovs_pmd_", "ovs_policing_dropped_packets_total", "ovstool_collector_success")  # needs DPDK; act_police; nothing has failed


def chosen(query, **variables):
    """A query as Grafana sends it, with everything selected unless a variable is given."""
    values = {"__rate_interval": "10s", **dict.fromkeys(("instance", "host", "bridge", "port"), ".*"), **variables}
    return re.sub(r"\$([a-z_]+)", lambda found: values[found[1]], query)


def test_every_query_of_the_dashboard_finds_something(prometheus):
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert len(targets) > 40

    def empty():
        found = {query: prometheus.query(query) for query in (chosen(target["expr"]) for target in targets)}
        return [query for query, values in found.items() if not values and not any(name in query for name in MAY_BE_EMPTY)]

    prometheus.until(lambda: not empty())


def test_the_variables_of_the_dashboard_select(prometheus):
    found = {}
    for variable in DASHBOARD["templating"]["list"][1:]:
        query, label = re.fullmatch(r"label_values\((.*), (\w+)\)", chosen(variable["query"]["query"])).groups()
        found[variable["name"]] = set(prometheus.get(f"label/{label}/values", **{"match[]": query}))
    assert found["instance"] == {"127.0.0.1:10066", "127.0.0.1:10067", "127.0.0.1:9100", "switch1", "switch2"}
    assert found["host"] == {"switch1", "switch2"}
    assert found["bridge"] == {"br0", "br1"}
    assert found["port"] == {"br0", "br1", "bond0", "eth1", "eth2"}
    links = next(panel["targets"][0]["expr"] for panel in DASHBOARD["panels"] if panel["title"] == "Links")
    selected = prometheus.query(chosen(links, host="switch2", port="(eth1|br0)", instance="switch2"), by=("host", "interface"))
    assert selected.keys() == {("switch2", "eth1"), ("switch2", "br0")}
    switches = {switch for (switch,) in prometheus.query(chosen(links), by=("switch",))}
    assert switches == {"127.0.0.1:10066", "127.0.0.1:9100", "switch1", "switch2"}, "the instance where there is no host"


def active(prometheus):
    """The alerts that are pending or firing, with the labels that tell them apart."""
    alerts = prometheus.get("alerts")["alerts"]
    assert not [each for each in alerts if "error" in str(each["annotations"])]
    return {(each["labels"]["alertname"], each["labels"].get("interface") or each["labels"].get("host", "")) for each in alerts}


def test_alerts(prometheus):
    bad = {
        ("OvsLinkDown", "b2"),
        ("OvsBondDegraded", ""),
        ("OvsControllerDisconnected", ""),
        ("OvsManagerDisconnected", ""),
        ("OvsProblemFound", ""),
    }
    prometheus.until(lambda: active(prometheus) >= bad)
    assert active(prometheus) == bad
    assert {rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]} == {"ok"}


def test_drops_are_what_rules_for_openstack_network_exporter_expect(prometheus, one):
    """Its rules compare increase() with 100 packets and print the labels interface and bridge."""
    client = next(iter(one.box.hosts))
    dropped = 'ovs_interface_rx_dropped{job="ovstool"}'
    before = prometheus.query(dropped, by=("interface",))[("eth1",)]
    one.tool("ip", "-n", one.box.namespace, "link", "set", "eth1", "mtu", "1000")
    send = "import socket; s = socket.socket(2, 2); [s.sendto(bytes(1400), ('10.0.0.2', 9)) for _ in range(200)]"
    one.tool("ip", "netns", "exec", client, "python3", "-c", send)
    one.tool("ip", "-n", one.box.namespace, "link", "set", "eth1", "mtu", "1500")
    kernel = int(one.tool("ip", "netns", "exec", one.box.namespace, "cat", "/sys/class/net/eth1/statistics/rx_dropped"))
    assert kernel >= before + 150
    prometheus.until(lambda: prometheus.query(dropped, by=("interface",))[("eth1",)] == kernel)
    [labels] = prometheus.labels(f"increase({dropped}[5m]) > 100")
    assert labels.pop("instance") and labels.pop("job")
    assert labels == {"bridge": "br0", "port": "eth1", "interface": "eth1", "type": "system"}


def test_a_host_that_goes_away_is_down_and_the_other_goes_on(prometheus, lab):
    lab["switch1"].stop()
    down = {
        ("ovstool-fleet", "switch1"): 0,
        ("ovstool-hosts", "switch1"): 0,
        ("ovstool-fleet", "switch2"): 1,
        ("ovstool-hosts", "switch2"): 1,
    }
    prometheus.until(lambda: prometheus.query('ovstool_up{job!="ovstool",host!=""}', by=("job", "host")) == down)
    then = time.time()
    fresh = 'timestamp(ovs_interface_admin_state{job="ovstool-fleet",host="switch2",interface="eth1"})'
    prometheus.until(lambda: max(prometheus.query(fresh).values(), default=0) > then)
    assert prometheus.query("up == 0") == {}, "ovstool itself answers all scrapes"
    prometheus.until(lambda: ("OvsUnreachable", "switch1") in active(prometheus))
    assert not prometheus.query('ovs_interface_admin_state{host="switch1"}'), "nothing old"
