"""``ovstool metrics``, compared with what Open vSwitch's own tools say; read by prometheus_client, and checked by promtool."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import ofctl
import pytest
from ovs_version import OVS
from prometheus_client import parser as old_format
from prometheus_client.openmetrics import parser as openmetrics

from ovstool import metrics
from ovstool.metrics import bridges
from ovstool.metrics.families import FAMILIES
from ovstool.switch import Switch

NOT_FOUND, USAGE, UNREACHABLE, REFUSED = 3, 2, 5, 6
FRAME = "ffffffffffff0200000000010800" + "00" * 46
FURNISHED = (
    "set interface eth1 external_ids:iface-id=vif1 ingress_policing_rate=1000 ingress_policing_burst=800"
    " -- add-bond br0 bond0 eth8 eth9 bond_mode=active-backup -- set interface eth8 type=dummy -- set interface eth9 type=dummy"
    " -- set port eth1 qos=@q -- --id=@q create QoS type=linux-htb other_config:max-rate=8000000 queues:1=@one queues:2=@two"
    " -- --id=@one create Queue other_config:min-rate=1000000 -- --id=@two create Queue other_config:max-rate=9"
    " -- --id=@out get port eth2 -- set bridge br0 mirrors=@m -- --id=@m create Mirror name=m0 select_all=true output_port=@out"
    ' -- set bridge br0 sflow=@s -- --id=@s create sFlow agent=lo targets=\\"127.0.0.1:6343\\" sampling=64'
    " -- add-br br1 -- set bridge br1 datapath_type=dummy fail_mode=secure -- set-controller br1 tcp:127.0.0.1:1 ptcp:0:127.0.0.1"
    " -- add-port br1 broken -- set interface broken type=nosuch -- set-manager ptcp:0:127.0.0.1 tcp:127.0.0.1:1"
)
PACKET_RATE = " -- set interface eth2 ingress_policing_kpkts_rate=5"


@pytest.fixture(scope="module")
def furnished(running_switch):
    with running_switch("dummy") as switch:
        switch.vsctl(FURNISHED + (PACKET_RATE if OVS >= (2, 16) else ""))
        for arguments in ("add-group br0 group_id=7,type=all,bucket=output:eth2", "add-meter br0 meter=3,pktps,band=type=drop,rate=1000"):
            switch.tool("ovs-ofctl", "-O", "OpenFlow13", *arguments.split())
        switch.tool("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br0", "priority=5,in_port=eth1,actions=meter:3,group:7,goto_table:9")
        switch.tool("ovs-ofctl", "add-flow", "br0", "table=9,actions=drop")
        control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
        for _ in range(3):
            switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", "eth1", FRAME)
        switch.tool("ovs-appctl", "-t", control, "revalidator/purge")  # counts what the datapath has not yet told
        switch.vsctl("wait-until Interface eth1 statistics:rx_packets=3")  # ovs-vswitchd writes its counters every 5 s
        yield switch


def test_a_bug_in_one_collector_leaves_the_others(unchanged, monkeypatch):
    monkeypatch.setattr(bridges, "collect", lambda *_: {}["nosuch"])
    with closing(Switch(unchanged.environ["OVSTOOL_DB"])) as switch:
        reading = metrics.read(switch)
        assert switch.notes == ["bridges: a bug in ovstool: KeyError: 'nosuch'"]
    assert [name for (name,), value in reading.samples["ovstool_collector_success"].items() if not value] == ["bridges"]
    assert reading.samples["ovs_interface_rx_packets"]


def samples(text: str) -> dict[tuple, float]:
    """The value of each sample by name and label values; labels are those of its family."""
    parse = openmetrics if text.endswith("# EOF\n") else old_format
    found = {}
    for family in parse.text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            assert tuple(labels) == FAMILIES[name].labels
            key = (name, *labels.values())
            assert key not in found
            found[key] = value
    return found


def measured(switch, words: str = "") -> dict[tuple, float]:
    done = switch.ovstool(f"metrics {words}")
    assert (done.code, done.stderr) == (0, "")
    return samples(done.stdout)


@pytest.fixture(scope="module")
def now(furnished):
    """All samples; nothing changes on the switch."""
    return measured(furnished)


def family(found: dict[tuple, float], name: str) -> dict:
    """The samples of a family by the values of their labels, or by the value of the only one."""
    return {key[1] if len(key) == 2 else key[1:]: value for key, value in found.items() if key[0] == name}


# --- the text


def test_both_forms_say_the_same_and_promtool_has_no_complaint(furnished, now):
    other = furnished.ovstool("metrics -f prometheus").stdout
    changing = re.compile("_seconds|^ovs_daemon|^ovs_memory|^ovs_mirror|^ovs_upcall|^ovs_datapath|tx_|rx_")
    assert {key: value for key, value in samples(other).items() if not changing.search(key[0])} == {
        key: value for key, value in now.items() if not changing.search(key[0])
    }
    assert samples(other).keys() == now.keys()
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=other, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rows(furnished, now):
    rows = furnished.ovstool("metrics -f json").json
    assert {(row["metric"], *row["labels"].values()) for row in rows} == now.keys()
    assert {
        "metric": "ovs_interface_admin_state",
        "labels": dict(zip(FAMILIES["ovs_interface_admin_state"].labels, ("br0", "eth1", "eth1", "system", "vif1"), strict=True)),
        "value": 1,
    } in rows
    assert furnished.ovstool("metrics -f value -c metric -c value").stdout.startswith("ovstool_up 1\n")


# --- what it says


def test_interfaces(furnished, now):
    rows = {
        row["name"]: row for row in furnished.rows("Interface", "name", "admin_state", "link_state", "mtu", "link_resets", "type", "ofport")
    }
    states = {"up": 1, "down": 0}
    for name, column in (("admin_state", "admin_state"), ("link_state", "link_state")):
        found = {labels[2]: value for labels, value in family(now, f"ovs_interface_{name}").items()}
        assert found == {row["name"]: states.get(row[column], -1) if isinstance(row[column], str) else -1 for row in rows.values()}
    assert {labels[2]: value for labels, value in family(now, "ovs_interface_mtu_bytes").items()} == {
        name: row["mtu"] for name, row in rows.items() if isinstance(row["mtu"], int)
    }
    assert family(now, "ovs_interface_open_error") == {("br1", "broken", "broken", "nosuch", ""): 1}
    at = {labels[2]: labels for labels in family(now, "ovs_interface_admin_state")}
    assert at["eth1"] == ("br0", "eth1", "eth1", "system", "vif1")
    assert at["eth8"] == ("br0", "bond0", "eth8", "dummy", "")
    assert at["br0"] == ("br0", "br0", "br0", "internal", "")


def test_counters_are_those_of_openflow(furnished):
    version = "OpenFlow15"
    furnished.vsctl("set bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15")
    found = measured(furnished)
    theirs = ofctl.port_stats(furnished.tool("ovs-ofctl", "-O", version, "dump-ports", "br0"))
    [eth1] = [row["ofport"] for row in furnished.rows("Interface", "name", "ofport") if row["name"] == "eth1"]
    labels = ("br0", "eth1", "eth1", "system", "vif1")
    assert found[("ovs_interface_rx_packets", *labels)] == theirs[eth1]["rx_packets"] == 3
    assert found[("ovs_interface_rx_bytes", *labels)] == theirs[eth1]["rx_bytes"] == 180
    custom = {name: value for name, value in ofctl.known(theirs[eth1]).items() if name.startswith(("rx_q", "tx_q", "rx_custom"))}
    assert {key[-1]: value for key, value in found.items() if key[:-1] == ("ovs_interface_statistic", *labels)} == custom
    assert family(found, "ovstool_counters_live") == {"br0": 1, "br1": 1}
    assert "ovs_interface_rx_dropped" not in {name for name, *_ in found}  # a dummy port counts none


def test_packets_that_a_device_missed(switch, ovstool):
    """OpenFlow does not tell them; alert rules of openstack-network-exporter expect them in rx_dropped."""
    switch.vsctl("set Open_vSwitch . other_config:stats-update-interval=3600000")
    switch.vsctl("set interface eth1 statistics:rx_missed_errors=7 -- set interface eth2 statistics:rx_missed_errors=0")
    found = samples(ovstool("metrics").stdout)
    labels = {port: ("br0", port, port, "system", "") for port in ("eth1", "eth2")}
    missed = {key[1:-1]: value for key, value in found.items() if key[0] == "ovs_interface_statistic" and key[-1] == "rx_missed_errors"}
    assert missed == {labels["eth1"]: 7}
    assert found["ovs_interface_rx_packets", "br0", "eth1", "eth1", "system", ""] == 0


def test_flows_groups_and_meters(furnished, now):
    assert family(now, "ovs_bridge_port_count") == {("br0", "dummy"): 4, ("br1", "dummy"): 2}
    for bridge, count in family(now, "ovs_bridge_flow_count").items():
        assert f"flow_count={count:.0f}" in furnished.tool("ovs-ofctl", "dump-aggregate", bridge[0])
    assert family(now, "ovs_openflow_table_flows") == {("br0", "0"): 2, ("br0", "9"): 1}
    assert family(now, "ovs_openflow_table_matches_total")["br0", "9"] == family(now, "ovs_openflow_table_lookups_total")["br0", "9"] == 3
    assert family(now, "ovs_openflow_groups") == {"br0": 1, "br1": 0}
    assert family(now, "ovs_openflow_group_packets_total") == {("br0", "7"): 3}
    assert family(now, "ovs_openflow_group_bytes_total") == {("br0", "7"): 180}
    assert family(now, "ovs_openflow_meters") == {"br0": 1, "br1": 0}
    said = furnished.tool("ovs-ofctl", "-O", "OpenFlow13", "meter-stats", "br0")
    packets, octets, above, octets_above = map(
        int, re.search(r"packet_in_count:(\d+) byte_in_count:(\d+) .*\n0: packet_count:(\d+) byte_count:(\d+)", said).groups()
    )
    assert family(now, "ovs_openflow_meter_packets_total") == {("br0", "3"): packets}
    assert family(now, "ovs_openflow_meter_bytes_total") == {("br0", "3"): octets}
    assert family(now, "ovs_openflow_meter_band_packets_total") == {("br0", "3", "0"): above}
    assert family(now, "ovs_openflow_meter_band_bytes_total") == {("br0", "3", "0"): octets_above}


def test_a_bridge_that_speaks_only_openflow_10(switch, ovstool):
    switch.vsctl("set bridge br0 protocols=OpenFlow10")
    found = samples(ovstool("metrics").stdout)
    assert family(found, "ovs_bridge_flow_count") == {("br0", "dummy"): 1}
    assert family(found, "ovs_interface_rx_packets")["br0", "eth1", "eth1", "system", ""] == 0
    assert not [name for name, *_ in found if name.startswith(("ovs_openflow_group", "ovs_openflow_meter"))]  # it has no way to ask


def test_rates(now):
    """In bytes, as Prometheus's rules have it."""
    eth1, eth2 = ("br0", "eth1", "eth1", "vif1"), ("br0", "eth2", "eth2", "")
    assert family(now, "ovs_policing_rate_bytes_per_second") == {eth1: 125_000}
    assert family(now, "ovs_policing_burst_bytes") == {eth1: 100_000}
    assert family(now, "ovs_policing_rate_packets_per_second") == ({eth2: 5000} if OVS >= (2, 16) else {})
    assert family(now, "ovs_policing_burst_packets") == ({eth2: 16_000} if OVS >= (2, 16) else {})
    assert family(now, "ovs_qos_max_rate_bytes_per_second") == {(*eth1, "linux-htb"): 1_000_000}
    assert family(now, "ovs_queue_min_rate_bytes_per_second") == {(*eth1, "1"): 125_000}
    assert family(now, "ovs_queue_max_rate_bytes_per_second") == {(*eth1, "2"): 1.125}


def test_bonds_mirrors_controllers_and_sflow(furnished, now):
    said = furnished.tool("ovs-appctl", "-t", str(next(furnished.box.directory.glob("ovs-vswitchd.*.ctl"))), "bond/show")
    enabled = {
        ("br0", "bond0", name): int(state == "enabled")
        for name, state in re.findall(r"^(?:member|slave) (\w+): (\w+)$", said, re.MULTILINE)
    }
    assert family(now, "ovs_bond_member_enabled") == enabled and len(enabled) == 2
    assert family(now, "ovs_bond_members") == {("br0", "bond0"): 2}
    assert family(now, "ovs_bond_members_enabled") == {("br0", "bond0"): sum(enabled.values())}
    active = re.search(r"active (?:member|slave) mac: [0-9a-f:]+\((\w+)\)", said)[1]
    assert {labels[2] for labels, value in family(now, "ovs_bond_member_active").items() if value} == {active} - {"none"}
    [mirror] = furnished.rows("Mirror", "statistics")
    for counter, value in mirror["statistics"][1]:
        assert 0 < family(now, f"ovs_mirror_{counter}_total")["br0", "m0"] <= value
    assert family(now, "ovs_controller_connected") == {("br1", "tcp:127.0.0.1:1"): 0}  # not the one that waits for controllers
    assert family(now, "ovs_manager_connected") == {"tcp:127.0.0.1:1": 0}
    assert family(now, "ovs_sflow_sampling_packets") == {("br0", "lo"): 64}
    assert family(now, "ovs_sflow_polling_interval_seconds") == {("br0", "lo"): 30}
    assert family(now, "ovs_sflow_header_bytes") == {("br0", "lo"): 128}
    assert family(now, "ovs_sflow_collectors") == {("br0", "lo"): 1}


def test_the_switch_and_its_daemons(furnished, now):
    [root] = furnished.rows("Open_vSwitch", "ovs_version", "db_version")
    [build] = family(now, "ovs_build_info")
    assert (build[0], build[2]) == (root["ovs_version"], root["db_version"])
    control = str(next(furnished.box.directory.glob("ovs-vswitchd.*.ctl")))
    said = furnished.tool("ovs-appctl", "-t", control, "memory/show")
    for what in ("ports", "rules", "handlers", "revalidators"):
        assert f"{what}:{now[f'ovs_memory_{what}_total',]:.0f}" in said
    labels = ("dummy", "ovs-dummy")
    assert family(now, "ovs_datapath_lookup_missed_total")[labels] >= 1
    assert family(now, "ovs_datapath_lookup_lost_total") == {labels: 0}
    assert {"ovs_datapath_flows_total", "ovs_upcall_flow_limit", "ovs_upcall_dump_duration_seconds"} <= {name for name, *_ in now}
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        pid = (furnished.box.directory / f"{daemon}.pid").read_text().strip()
        assert now["ovs_daemon_up", daemon] == 1
        begun = subprocess.run(["stat", "-c", "%Y", f"/proc/{pid}"], capture_output=True, text=True, check=True).stdout
        assert abs(now["ovs_daemon_start_time_seconds", daemon] - int(begun)) < 60
        resident = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024
        assert resident / 4 < now["ovs_daemon_resident_memory_bytes", daemon] < resident * 4


def test_checks(furnished):
    found = samples(furnished.ovstool("metrics --checks").stdout)
    problems = [
        (check, row["severity"], row["problem"]) for check in ("qos", "police") for row in furnished.ovstool(f"{check} check -f json").json
    ]
    counted = family(found, "ovstool_check_problems")
    assert counted.keys() == {*problems}
    assert sum(counted.values()) == len(problems) > 0


def test_ports(furnished, now):
    found = measured(furnished, "iface-id:vif1 bond0")
    of_ports = {name for name, *_ in now if {"port", "interface"} & {*FAMILIES[name].labels}}
    assert {key for key in found if key[0] in of_ports} == {key for key in now if key[0] in of_ports and key[2] in ("eth1", "bond0")}
    assert {key for key in found if key[0] not in of_ports} == {key for key in now if key[0] not in of_ports}


def test_pmd_threads(switch, ovstool):
    """A thread polls, and keeps a core busy, so its port is soon gone again."""
    switch.vsctl("add-port br0 busy -- set interface busy type=dummy-pmd")
    done = ovstool("metrics")
    said = switch.tool("ovs-appctl", "-t", str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl"))), "dpif-netdev/pmd-perf-show", "-nh")
    switch.vsctl("del-port busy")
    threads = re.findall(r"pmd thread numa_id (\d+) core_id (\d+):", said)
    found = samples(done.stdout)
    assert (done.code, done.stderr) == (0, "") and threads
    assert list(family(found, "ovs_pmd_total_iterations")) == threads
    assert list(family(found, "ovs_pmd_nonvol_context_switches")) == threads


# --- what goes wrong


def test_the_run_directory_is_the_working_directory(unchanged):
    """Without a slash in the path of the database, its directory has an empty name, which means another one to Open vSwitch's programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(unchanged.box.directory)
        done = unchanged.ovstool("--db unix:db.sock metrics")
        assert (done.code, done.stderr) == (0, "") and "\novs_datapath_lookup_hits_total{" in done.stdout
        assert [row["port"] for row in unchanged.ovstool("--db unix:db.sock stats eth1 -f json").json] == ["eth1"]


def test_no_such_port(furnished, tmp_path):
    done = furnished.ovstool(["metrics", "nosuch", "--textfile", str(tmp_path / "a.prom")])
    assert (done.code, done.stdout) == (NOT_FOUND, "") and "no such port" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["-f openmetrics --textfile x.prom", "-f json --textfile x.prom", "-c value", "-f table -c nosuch"])
def test_wrong_usage(furnished, words):
    done = furnished.ovstool(f"metrics {words}")
    assert (done.code, done.stdout, done.stderr.count("\n")) == (USAGE, "", 1)


def test_a_file_for_node_exporter(furnished, tmp_path):
    file = tmp_path / "ovs.prom"
    for _ in range(2):
        done = furnished.ovstool(["metrics", "--textfile", str(file)])
        assert (done.code, done.stdout, done.stderr) == (0, "", "")
        assert stat.S_IMODE(file.stat().st_mode) == 0o644  # node_exporter is another user
        assert samples(file.read_text())["ovstool_up",] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["ovs.prom"]
    done = furnished.ovstool(["--db", "unix:/nosuch", "metrics", "--textfile", str(file)])
    assert done.code == UNREACHABLE and samples(file.read_text()) == {("ovstool_up",): 0}
    other = tmp_path / "notes"
    other.write_text("mine")
    done = furnished.ovstool(["metrics", "--textfile", str(other)])
    assert (done.code, other.read_text()) == (USAGE, "mine") and "end in .prom" in done.stderr
    assert furnished.ovstool(["metrics", "--textfile", "/nosuch/a.prom"]).code == REFUSED
    assert furnished.ovstool(["metrics", "--textfile", str(tmp_path)]).code == REFUSED
    assert furnished.ovstool("metrics --textfile -").stdout.startswith("# HELP ovstool_up ")


def test_without_a_database(furnished):
    done = furnished.ovstool("--db unix:/nosuch metrics")
    assert done.code == UNREACHABLE and samples(done.stdout) == {("ovstool_up",): 0}
    assert furnished.ovstool("--db unix:/nosuch metrics -f json").stdout == ""


def test_only_the_database_can_be_reached(furnished):
    """Then the counters are those that ovs-vswitchd has written there."""
    control = str(next(furnished.box.directory.glob("ovsdb-server.*.ctl")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    furnished.tool("ovs-appctl", "-t", control, "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
    target = f"tcp:127.0.0.1:{port}"
    done = furnished.ovstool(f"--db {target} metrics")
    found = samples(done.stdout)
    assert done.code == 0 and "from the database, up to 5 s old" in done.stderr
    assert family(found, "ovstool_counters_live") == {"br0": 0, "br1": 0}
    failed = {part for part, value in family(found, "ovstool_collector_success").items() if not value}
    assert failed == {"openflow", "policing", "daemons", "datapath", "upcalls", "memory", "bonds", "pmd"}
    assert found["ovs_interface_rx_packets", "br0", "eth1", "eth1", "system", "vif1"] == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_where_nothing_can_be_written(furnished, now):
    """As in a service for which the file system is read-only: all is there."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", script, furnished.box.directory, sys.executable, "-m", "ovstool", "metrics"]
    done = subprocess.run(argv, env=furnished.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert samples(done.stdout).keys() == now.keys()


def test_without_ovs_vswitchd(switch, ovstool):
    """What the database says is still there, and no counters: old ones would look like a restart."""
    switch.tool("ovs-appctl", "-t", str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl"))), "exit")
    done = ovstool("metrics")
    found = samples(done.stdout)
    assert done.code == 0 and "no counters" in done.stderr and "Traceback" not in done.stderr
    success = family(found, "ovstool_collector_success")
    assert {part for part, value in success.items() if not value} == {"openflow", "datapath", "upcalls", "memory", "bonds", "pmd"}
    assert family(found, "ovs_daemon_up") == {"ovs-vswitchd": 0, "ovsdb-server": 1} or family(found, "ovs_daemon_up") == {"ovsdb-server": 1}
    assert ("ovs_interface_admin_state", "br0", "eth1", "eth1", "system", "") in found
    assert "ovs_interface_rx_packets" not in {name for name, *_ in found}


NAMES = ['a"b', "a\\b", "a\nb", "a{b}", "a,b=c", "é\u2028\r", "x" * 10_000, "\\"]


def test_names_that_break_labels(database):
    database.put(
        {
            "br0": {
                "ports": {
                    f"p{number}": {"interfaces": {f"p{number}": {"external_ids": {"iface-id": name}}}} for number, name in enumerate(NAMES)
                }
            }
        }
    )
    code, out, _ = database.run("metrics")
    found = family(samples(out), "ovs_interface_admin_state")
    assert code == 0 and {labels[4] for labels in found} >= set(NAMES)
