"""Counters and rates compared with those of ovs-vsctl and ovs-ofctl; packets are injected into the dummy devices."""

import csv
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from between import Between

FRAME = "ffffffffffff0200000000010800" + "00" * 46
COUNTERS = ["rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "tx_packets", "tx_bytes", "tx_dropped", "tx_errors"]


def inject(switch, port: str, count: int) -> None:
    """Make a port receive frames of 60 bytes."""
    control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
    for _ in range(count):
        switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", port, FRAME)


def receive(switch, port: str, count: int) -> None:
    """Make a port receive frames, and wait until ovs-vswitchd has written the counters to the database."""
    inject(switch, port, count)
    condition = {"op": "wait", "timeout": 20000, "table": "Interface", "where": [["name", "==", port]], "columns": ["statistics"],
                 "until": "!=", "rows": [{"statistics": statistics(switch, port)}]}  # fmt: skip
    switch.vsctl("set open_vswitch . other_config:stats-update-interval=5000")
    assert switch.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", condition])) == "[{}]"


def statistics(switch, port: str) -> list:
    return next(row["statistics"] for row in switch.rows("Interface", "name", "statistics") if row["name"] == port)


def test_the_same_numbers_as_ovs_vsctl(switch, ovstool):
    receive(switch, "eth1", 3)
    theirs = dict(statistics(switch, "eth1")[1])
    for source in ("", "--source ovsdb", "--source auto"):
        ours = ovstool(f"stats eth1 -f json {source}").json[0]
        assert ours == {"port": "eth1"} | {counter: theirs.get(counter) for counter in COUNTERS}
        assert (ours["rx_packets"], ours["rx_bytes"]) == (3, 180)
        long = ovstool(f"stats eth1 --long -f json {source}").json[0]
        assert {name: value for name, value in long.items() if value is not None and name != "port"} == theirs


def test_get_interface_br0_statistics(switch, ovstool):
    text = switch.vsctl("get Interface br0 statistics")
    theirs = {name: int(value) for name, value in (pair.split("=") for pair in text.strip("{}").split(", "))}
    ours = ovstool("stats br0 --long -f json").json[0]
    assert {name: value for name, value in ours.items() if value is not None and name != "port"} == theirs


def test_which_ports(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-bond br1 bond0 eth8 eth9")

    def ports(words: str) -> list[str]:
        return [row["port"] for row in ovstool(f"stats {words} -f json").json]

    assert ports("") == ["br0", "br1", "eth1", "eth2", "eth8", "eth9"]
    assert ports("--bridge br1") == ["br1", "eth8", "eth9"]
    assert ports("eth2 eth1 eth2") == ["eth2", "eth1"]
    assert ports("bond0") == ports("eth8 eth9") == ["eth8", "eth9"]
    assert ports("bond0 --bridge br1 eth8") == ["eth8", "eth9"]


def test_what_a_device_does_not_count_is_null(switch, ovstool):
    row = ovstool("stats eth1 -f json").json[0]
    theirs = dict(statistics(switch, "eth1")[1])
    assert [name for name in COUNTERS if row[name] is None] == [name for name in COUNTERS if name not in theirs] != []
    assert "-" in ovstool("stats eth1").stdout.split()


def rows_until(process, wanted) -> list[dict]:
    """Rows as they arrive, up to and including the first that is wanted."""
    rows = []
    deadline = time.monotonic() + 60
    for line in process.stdout:
        rows.append(json.loads(line))
        if wanted(rows[-1]):
            return rows
        assert time.monotonic() < deadline, f"it never came: {rows[-3:]}"
    raise AssertionError(f"it ended: {rows[-3:]} {process.stderr.read()}")


def stop_vswitchd(switch) -> None:
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while (switch.box.directory / "ovs-vswitchd.pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_vswitchd(switch) -> None:
    folder = switch.box.directory
    options = [f"--pidfile={folder}/ovs-vswitchd.pid", "--detach", "--enable-dummy=override", "--disable-system", "-vconsole:off"]
    switch.tool("ovs-vswitchd", switch.box.db, *options, f"--log-file={folder}/ovs-vswitchd.log")


def test_live_counters_are_not_five_seconds_old(switch, ovstool):
    inject(switch, "eth1", 5)
    assert ovstool("stats eth1 -f json --source openflow").json[0]["rx_packets"] == 5
    assert ovstool("stats eth1 -f json").json[0]["rx_packets"] == 5
    assert "rx pkts=5," in switch.tool("ovs-ofctl", "dump-ports", "br0", "eth1")


def test_rates_add_up_to_what_was_received(switch, ovstool):
    with switch.streaming("stats eth1 --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: True)
        inject(switch, "eth1", 7)
        rows = rows_until(process, lambda row: row["rx_pps"] > 0)
        while sum(row["rx_pps"] * row["interval_s"] for row in rows) < 6.9:
            rows += rows_until(process, lambda row: True)
        assert sum(row["rx_bps"] * row["interval_s"] for row in rows) == pytest.approx(7 * 60 * 8, rel=1e-3)
        assert not any(row["reset"] for row in rows)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == ""


def test_a_rate_is_one_row_for_each_port(switch, ovstool):
    rows = ovstool("stats --rate --interval 0.05 -f json").json
    assert [row["port"] for row in rows] == ["br0", "eth1", "eth2"]
    assert list(rows[0]) == (
        "time port interval_s rx_bps tx_bps rx_pps tx_pps rx_dropped_ps tx_dropped_ps rx_errors_ps tx_errors_ps reset".split()
    )
    assert all(0.02 < row["interval_s"] < 5 and row["rx_bps"] == 0 and row["rx_errors_ps"] is None for row in rows)
    assert abs(rows[0]["time"] - time.time()) < 60


def test_streams(switch, ovstool):
    words = "stats eth1 eth2 --rate --interval 0.02 --count 3"
    lines = [json.loads(line) for line in ovstool(f"{words} -f json").stdout.splitlines()]
    assert [row["port"] for row in lines] == ["eth1", "eth2"] * 3
    assert sorted({row["time"] for row in lines}) == [row["time"] for row in lines[::2]], "both are read at once"
    header, *rest = csv.reader(ovstool(f"{words} -f csv -c time -c port -c rx_bps").stdout.splitlines())
    assert header == ["time", "port", "rx_bps"] and len(rest) == 6
    assert ovstool(f"{words} -f value -c port -c tx_bps").stdout == "eth1 0.0\neth2 0.0\n" * 3
    assert ovstool(f"{words} -f value -c port --sort-column port --sort-descending").stdout == "eth2\neth1\n" * 3
    head, *table = ovstool(f"{words} -c port -c rx_bps").stdout.splitlines()
    assert head.split() == ["port", "rx_bps"] and [line.split() for line in table] == [["eth1", "0", "bit/s"], ["eth2", "0", "bit/s"]] * 3
    assert ovstool(f"{words} -f lines -c port -c reset").stdout == "eth1: reset=false\neth2: reset=false\n" * 3
    assert ovstool(f"{words} -f yaml").code == 2


def test_a_reader_that_goes_away_ends_it(switch):
    command = f"{sys.executable} -m ovstool stats --rate --watch --interval 0.01 -f json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=switch.environ, capture_output=True, text=True, timeout=60, check=True)
    row, code = done.stdout.splitlines()
    assert (json.loads(row)["port"], code, done.stderr) == ("br0", "141", "")


def test_a_recreated_port_is_marked(switch):
    with switch.streaming("stats eth1 eth2 --rate --interval 0.05 --watch -f json") as process:
        rows_until(process, lambda row: row["port"] == "eth2")
        switch.vsctl("del-port eth1")
        inject(switch, "eth2", 3)
        rows_until(process, lambda row: row["port"] == "eth2" and row["rx_pps"] > 0)
        switch.vsctl("add-port br0 eth1")
        rows = rows_until(process, lambda row: row["port"] == "eth1" and row["reset"])
        assert rows[-1]["rx_bps"] is None and rows[-1]["interval_s"] > 0.05
        after = rows_until(process, lambda row: row["port"] == "eth1")
        assert after[-1]["rx_bps"] == 0 and not after[-1]["reset"]
        assert not any(row["reset"] for row in rows if row["port"] == "eth2")
        process.send_signal(signal.SIGINT)
        process.wait(20)
        notes = process.stderr.read().splitlines()
    assert notes == ["ovstool: note: eth1: gone or not open; waiting for it", "ovstool: note: eth1: back"]


def test_a_restart_of_ovs_vswitchd_is_marked(switch):
    with switch.streaming("stats eth1 --rate --interval 0.05 --watch -f json") as process:
        rows_until(process, lambda row: True)
        stop_vswitchd(switch)
        start_vswitchd(switch)
        rows = rows_until(process, lambda row: row["reset"])
        assert rows[-1]["rx_bps"] is None
        assert not rows_until(process, lambda row: True)[-1]["reset"]
        process.send_signal(signal.SIGINT)
        process.wait(20)
        notes = process.stderr.read()
    assert "bridge br0: connection lost" in notes and "eth1: back" in notes


def test_new_ports_appear_when_none_is_named(switch):
    with switch.streaming("stats --rate --interval 0.05 --watch -f json") as process:
        rows_until(process, lambda row: True)
        switch.vsctl("add-port br0 eth7")
        rows_until(process, lambda row: row["port"] == "eth7")
        switch.vsctl("add-br br7 -- set bridge br7 datapath_type=dummy")
        switch.vsctl("del-port eth7")
        inject(switch, "eth1", 1)
        rows_until(process, lambda row: row["port"] == "eth1" and row["rx_pps"] > 0)


def test_without_ovs_vswitchd_the_database_is_used(switch, ovstool):
    theirs = dict(statistics(switch, "eth1")[1])
    stop_vswitchd(switch)
    fallen = ovstool("stats eth1 -f json")
    assert fallen.json[0]["rx_packets"] == theirs["rx_packets"]
    assert fallen.stderr.startswith("ovstool: note: ") and "from the database, up to 5 s old" in fallen.stderr
    assert ovstool("stats eth1 -f json -q").stderr == ""
    live = ovstool("stats eth1 --source openflow")
    assert (live.code, live.stdout) == (5, "") and "is ovs-vswitchd running?" in live.stderr
    rate = ovstool("stats eth1 --rate --interval 1")
    assert (rate.code, rate.stdout) == (5, "") and "--source ovsdb --interval 10" in rate.stderr
    assert ovstool("stats eth1 --queues").code == 5


def test_rates_of_the_database(switch, ovstool):
    inject(switch, "eth1", 4)
    result = ovstool("stats eth1 --rate --source ovsdb --interval 6 -f json")
    assert result.json[0]["rx_pps"] == pytest.approx(4 / result.json[0]["interval_s"], abs=0.001)


def test_another_update_interval_is_respected(switch, ovstool):
    switch.vsctl("set open_vswitch . other_config:stats-update-interval=20000")
    assert "change every 20 s" in ovstool("stats --rate --source ovsdb --interval 6").stderr


def test_counters_of_a_device_that_is_not_open_are_null(switch, ovstool):
    switch.vsctl("--no-wait -- add-port br0 nodev -- set interface nodev type=nosuchtype")
    for source in ("openflow", "auto", "ovsdb"):
        row = ovstool(f"stats nodev -f json --source {source}").json[0]
        assert row == {"port": "nodev"} | dict.fromkeys(COUNTERS)


def test_several_bridges_and_a_bond(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-bond br1 bond0 eth8 eth9")
    inject(switch, "eth9", 2)
    assert [(row["port"], row["rx_packets"]) for row in ovstool("stats bond0 eth1 -f json").json] == [("eth8", 0), ("eth9", 2), ("eth1", 0)]
    rows = [json.loads(line) for line in ovstool("stats bond0 eth1 --rate --count 2 --interval 0.05 -f json").stdout.splitlines()]
    assert sorted(row["port"] for row in rows) == ["eth1", "eth1", "eth8", "eth8", "eth9", "eth9"]


def test_the_shortest_interval(switch, ovstool):
    rows = [json.loads(line) for line in ovstool("stats eth1 --rate --interval 0.001 --count 50 -f json").stdout.splitlines()]
    assert len(rows) == 50 and not any(row["reset"] for row in rows)
    assert all(row["interval_s"] > 0 and row["rx_bps"] == 0 for row in rows)
    times = [row["time"] for row in rows]
    assert times == sorted(times) and times[-1] - times[0] >= 0.045
    received = ovstool("stats eth1 --bursts --interval 0.001 --for 0.2 -f json").json[0]
    assert 1 <= received["windows"] <= 200 and received["interval_s"] >= 0.0009


def test_a_switch_without_bridges(switch, ovstool):
    switch.vsctl("del-br br0")
    assert ovstool("stats -f json").json == []
    assert ovstool("stats --rate --interval 0.01 -f json").json == []
    assert ovstool("stats").stderr == "ovstool: note: no ports\n"
    assert ovstool("stats --queues").stderr == "ovstool: note: no queues; 'ovstool qos set' makes some\n"


BAD = {
    "--count 3": "--count: needs --rate; try: --rate --count 3",
    "--bursts --watch": "--watch: shows rates, not bursts",
    "--interval 1": "--interval: without --rate counters are read only once; try: --rate --interval 1",
    "--interval 0.25 --queues": "--interval: without --rate counters are read only once; try: --rate --interval 0.25",
    "--for 3": "--for: needs --bursts; try: --bursts --for 3",
    "--for 3 --rate": "--for: needs --bursts; try: --bursts --for 3",
    "--rate --interval 0.00099": "0.00099: shorter than 0.001 s, the shortest time between two readings",
    "--rate --interval 0": "not a number of seconds",
    "--rate --interval 100ms": "not a number of seconds above 0; try: 0.1",
    "--rate --interval nan": "not a number of seconds",
    "--rate --interval 1e9": "not a number of seconds",
    "--rate --count 0": "not a whole number",
    "--rate --count 2 --watch": "not allowed with",
    "--rate --bursts": "not allowed with",
    "--bursts --for 0.001": "--for 0.001: shorter than one window; try: --for 0.1",
    "--bursts --for 0.2 --interval 0.5": "--for 0.2: shorter than one window; try: --for 5",
    "--queues --bursts": "does not work with --bursts",
    "--queues --long": "does not work with --long",
    "--queues --source ovsdb": "--queues: the database has no queue counters; try: --source openflow",
    "--long --rate": "--long: shows counters, not rates",
    "--long --bursts": "--long: shows counters, not rates",
    "--rate --source ovsdb": "--interval 1: the counters in the database change every 5 s; try: --interval 10, or --source openflow",
    "--rate --source ovsdb --interval 4.99": "--interval 4.99: the counters in the database change every 5 s; try: --interval 10, or --source openflow",
    "--rate --count 2 -c nosuch": "no such column",
    "--rate --count 2 --sort-column nosuch": "no such column",
    "--source sflow": "invalid choice",
}


@pytest.mark.parametrize("words", BAD)
def test_invalid_usage(refused, words):
    assert BAD[words] in refused(f"stats {words}", 2)


def test_no_such_port_or_bridge(refused):
    assert "no such port" in refused("stats nosuch --rate", 3)
    assert "no such bridge" in refused("stats --bridge nosuch --rate --watch", 3)
    refused("stats eth1 --bursts --bridge nosuch", 3)


def test_counters_over_tcp_come_from_the_database(switch, ovstool):
    with socket.create_server(("127.0.0.1", 0)) as free:
        remote = f"tcp:127.0.0.1:{free.getsockname()[1]}"
    control = str(next(switch.box.directory.glob("ovsdb-server.*.ctl")))
    host, port = remote.split(":")[1:]
    switch.tool("ovs-appctl", "-t", control, "ovsdb-server/add-remote", f"ptcp:{port}:{host}")
    result = ovstool(f"--db {remote} stats eth1 -f json")
    assert (result.code, result.json[0]["port"]) == (0, "eth1") and "reaches only its database" in result.stderr
    live = ovstool(f"--db {remote} stats eth1 --source openflow")
    assert live.code == 5 and "needs access to the host" in live.stderr


@pytest.mark.parametrize("protocols", ["[]", "OpenFlow10"])
def test_another_port_with_the_same_number_is_another_port(switch, protocols):
    switch.vsctl(f"set bridge br0 protocols={protocols} -- add-port br0 pa -- set interface pa ofport_request=50")
    with switch.streaming("stats pa eth1 --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: row["port"] == "pa")
        switch.vsctl("del-port pa")
        switch.vsctl("add-port br0 pb -- set interface pb ofport_request=50")
        assert switch.vsctl("get interface pb ofport") == "50"
        inject(switch, "pb", 3)
        inject(switch, "eth1", 1)
        rows = rows_until(process, lambda row: row["port"] == "eth1" and row["rx_pps"] > 0)
        assert not any(row["rx_bps"] for row in rows if row["port"] == "pa")
        assert rows_until(process, lambda row: True)[-1]["port"] == "eth1"
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert "pa: gone" in process.stderr.read()


@pytest.mark.parametrize("protocols", ["[]", "OpenFlow10"])
def test_ports_that_swap_their_numbers_keep_their_names(switch, protocols):
    switch.vsctl(f"set bridge br0 protocols={protocols}")
    switch.vsctl("set interface eth1 ofport_request=12 -- set interface eth2 ofport_request=11")
    with switch.streaming("stats eth1 eth2 --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: row["port"] == "eth2")
        switch.vsctl("set interface eth1 ofport_request=13")
        switch.vsctl("set interface eth2 ofport_request=12 -- set interface eth1 ofport_request=11")
        assert switch.vsctl("get interface eth2 ofport") == "12"
        rows_until(process, lambda row: row["port"] == "eth2" and not row["reset"])
        inject(switch, "eth2", 4)
        rows = rows_until(process, lambda row: row["port"] == "eth2" and bool(row["rx_pps"]))
        assert not any(row["rx_bps"] for row in rows if row["port"] == "eth1")


def test_queues_of_a_port_that_comes_back_with_another_number(switch):
    switch.vsctl("add-port br0 qa -- set interface qa ofport_request=60")
    with switch.streaming("stats qa --queues --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: True)
        switch.vsctl("del-port qa")
        switch.vsctl("add-port br0 qa -- set interface qa ofport_request=61")
        assert rows_until(process, lambda row: row["reset"])[-1]["port"] == "qa"
        assert not rows_until(process, lambda row: True)[-1]["reset"]


def test_a_stalled_ovs_vswitchd_is_a_longer_interval_and_not_a_reset(switch):
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    with switch.streaming("stats eth1 --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: True)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(pid, signal.SIGCONT)
        rows = rows_until(process, lambda row: row["interval_s"] > 2.4)
        rows += [rows_until(process, lambda row: True)[-1] for _ in range(5)]
        assert not any(row["reset"] for row in rows)
        assert sum(row["interval_s"] for row in rows[1:]) == pytest.approx(rows[-1]["time"] - rows[0]["time"], abs=1e-3)
        after = [row["interval_s"] for row in rows if row["time"] > rows[-6]["time"]]
        assert max(after) < 1, "the stall belongs to a single interval"


def test_a_deleted_port_is_an_error(switch):
    with switch.streaming("stats eth1 --rate --interval 0.2 --count 15 -f json") as process:
        rows_until(process, lambda row: True)
        switch.vsctl("del-port eth1")
        assert process.wait(30) == 5
        assert "eth1: could no longer be read at the end" in process.stderr.read()


def test_ovsdb_server_may_be_restarted_too(switch):
    folder = switch.box.directory
    with switch.streaming("stats eth1 --rate --interval 0.1 --watch -f json") as process:
        rows_until(process, lambda row: True)
        switch.tool("ovs-appctl", "-t", str(next(folder.glob("ovsdb-server.*.ctl"))), "exit")
        options = [f"--pidfile={folder}/ovsdb-server.pid", "--detach", "-vconsole:off", f"--remote=punix:{folder}/db.sock"]
        switch.tool("ovsdb-server", f"{folder}/conf.db", *options)
        rows_until(process, lambda row: True)
        switch.vsctl("del-port eth1")
        switch.vsctl("add-port br0 eth1")
        rows_until(process, lambda row: row["reset"])
        assert not rows_until(process, lambda row: True)[-1]["reset"]


def test_a_hung_ovs_vswitchd_is_waited_for_only_once(switch, ovstool):
    switch.vsctl(" -- ".join(f"add-br br{n} -- set bridge br{n} datapath_type=dummy" for n in range(1, 6)))
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        result = ovstool("stats -t 6 -f json")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert result.code == 0 and len(result.json) == 8
    assert result.stderr.count("from the database, up to 5 s old") == 1


@pytest.fixture
def patched(switch):
    """A bridge with a port whose packets ovs-vswitchd's revalidators count, as for tunnels."""
    switch.vsctl(
        "add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p1 -- set interface p1 type=patch options:peer=p0"
        " -- add-port br0 p0 -- set interface p0 type=patch options:peer=p1"
    )
    return switch


REVALIDATED = {
    "": 0.5,
    "max-revalidator=99": 0.5,  # ofproto_set_max_revalidator ignores values under 100
    "max-revalidator=soon": 0.5,
    "max-revalidator=100": 0.1,
    "max-revalidator=5000 other_config:max-idle=300": 0.3,  # udpif_revalidator waits for the smaller of both
}


def test_counters_updated_every_half_second_need_intervals_as_long(patched, ovstool):
    for settings, shortest_s in REVALIDATED.items():
        if settings:
            patched.vsctl(f"set open_vswitch . other_config:{settings}")
        for words in (
            f"--rate --interval {shortest_s - 0.01:g}",
            f"--rate --watch --interval {shortest_s - 0.01:g}",
            "--bursts --interval 2",
        ):
            refused = ovstool(f"stats eth1 p0 {words}")
            assert (refused.code, refused.stdout) == (2, ""), words
            why = f"ovs-vswitchd updates the counters of tunnels and patch ports only every {shortest_s:g} s"
            instead = "--rate " if "--bursts" in words else ""
            assert refused.stderr == f"ovstool: p0: {why}; try: {instead}--interval {2 * shortest_s:g}\n"
        known = ovstool(f"stats eth1 p0 --rate --interval {shortest_s} -f json")
        assert [row["rx_bps"] for row in known.json] == [0, 0]
        assert known.stderr.count("\n") == 1 and f"p0: {why}, so these rates may be off by 100%" in known.stderr
    patched.vsctl("remove open_vswitch . other_config max-idle")  # then it is 10 s
    patched.vsctl("set open_vswitch . other_config:max-revalidator=20000")
    refused = ovstool("stats p0 --rate --interval 9.99")
    assert refused.stderr.endswith("only every 10 s; try: --interval 20\n")


def test_without_port_names_such_ports_are_null(patched, ovstool):
    result = ovstool("stats --rate --interval 0.1 -f json")
    assert [row["port"] for row in result.json if row["rx_bps"] is None] == ["p0", "p1"] and not any(row["reset"] for row in result.json)
    assert [row["port"] for row in result.json if row["rx_bps"] == 0] == ["br0", "eth1", "eth2", "br1"]
    assert result.stderr.count("\n") == 1 and result.stderr.startswith(
        "ovstool: note: p0, p1: null, because ovs-vswitchd updates the counters"
    )
    bursts = ovstool("stats --bridge br1 --bursts --for 0.6 --interval 0.6 -f json")
    assert {row["port"]: row["windows"] for row in bursts.json} == {"br1": 1, "p1": 0} and "p1: null" in bursts.stderr
    recording = patched.box.directory / "r.csv"
    assert ovstool(f"stats record {recording} --interval 0.1 --count 2").code == 0
    with open(recording) as lines:
        assert {row["port"]: row["rx_bytes"] for row in csv.DictReader(lines)} | {"br0": "0"} == {
            "br0": "0", "br1": "0", "eth1": "0", "eth2": "0", "p0": "", "p1": "",
        }  # fmt: skip
    assert ovstool(f"stats record {recording} p0 --interval 0.1 --count 2").code == 2
    assert ovstool("stats p0 eth1").stderr == "", "current counters are shown at once"
    with patched.streaming("stats --rate --interval 0.1 --watch -f json") as process:  # also a port that is added later
        patched.vsctl(
            "add-port br0 p2 -- set interface p2 type=patch options:peer=p3 -- add-port br1 p3 -- set interface p3 type=patch options:peer=p2"
        )
        rows = rows_until(process, lambda row: row["port"] == "p2") + rows_until(process, lambda row: row["port"] == "p2")
        assert {row["rx_bps"] for row in rows if row["port"] == "p2"} == {None}


def test_a_port_that_comes_later_counts_too_seldom_all_the_same(switch):
    """If the first reading has no such port, the default update time applies to those added later."""
    with switch.streaming("stats --rate --interval 0.4998 --watch -f json") as process:
        rows_until(process, lambda row: True)
        switch.vsctl("add-port br0 p0 -- set interface p0 type=patch options:peer=p1")
        assert rows_until(process, lambda row: row["port"] == "p0")[-1]["rx_bps"] is None


def test_queues_and_the_database_are_read_as_often_as_is_asked(patched, ovstool):
    """Revalidators count neither of them."""
    queues = ovstool("stats p0 --queues --rate --interval 0.1 -f json")
    assert (queues.code, queues.json, queues.stderr) == (0, [], "")
    result = ovstool("stats p0 --rate --source ovsdb --interval 5 -f json")
    said = "ovstool: note: the counters in the database change every 5 s, so these rates may be off by 100%\n"
    assert (result.json[0]["rx_bps"], result.stderr) == (0, said)


def requests_of(switch, words: str) -> list[bytes]:
    """The requests of a command to the database."""
    asked: list[bytes] = []
    between = Between(switch, "between", lambda index, request: asked.append(request) or request)
    try:
        result = switch.ovstool(f"{words} --db unix:{between.path}")
    finally:
        between.close()
    assert result.code == 0, result
    return [request for request in asked if b'"Interface"' in request]


def test_changes_are_monitored_before_the_interfaces_are_read(switch):
    first, second, *_ = requests_of(switch, "stats eth1 --rate --interval 0.02 --count 2 -f json")
    assert b'"monitor"' in first and b'"select"' in second
    (only,) = requests_of(switch, "stats eth1")
    assert b'"select"' in only


def test_counters_that_openflow_may_lack_are_read_with_the_names(switch):
    """When only the database can be reached, it takes no more requests than with ``--source ovsdb``."""
    stop_vswitchd(switch)
    for words in ("stats eth1", "stats eth1 --source ovsdb"):
        (only,) = requests_of(switch, words)
        assert b'"statistics"' in only
    counts = requests_of(switch, "stats")  # of all interfaces, once they turn out to be needed
    assert len(counts) == 2 and b'"statistics"' not in counts[0] and b'"statistics"' in counts[1]


@pytest.mark.parametrize(("interval", "for_s", "count"), [(0.1, 0.3, 4), (0.1, 0.29, 3)])
def test_as_many_readings_as_fit_into_the_time(switch, ovstool, interval, for_s, count):
    """Including the one at the very end, although three times 0.1 is more than 0.3. A busy machine misses some, so it is retried."""

    def readings() -> int:
        recording = switch.box.directory / "r.csv"
        recording.unlink(missing_ok=True)
        assert ovstool(f"stats record {recording} eth1 --interval {interval} --for {for_s}").code == 0
        return len(recording.read_text().splitlines()) - 1

    tries = itertools.takewhile(lambda read: read < count, (readings() for _ in range(20)))
    assert len(list(tries)) < 20 and readings() <= count


def test_an_unknown_column_is_reported_before_anything_is_measured(refused):
    refused("stats --bursts --for 600 -c nosuch", 2)
    refused("stats --rate --interval 600 --sort-column nosuch", 2)
    assert "--bridge" in refused(["stats", "--bridge", ""], 2)
    assert "row by row" in refused("stats --rate --count 2 -f github", 2)
