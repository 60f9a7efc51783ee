"""Other programs that write or clear sFlow, detected on the switch's host and in the database."""

import os
import shutil
import subprocess
import sys

import pytest

ENABLE = "sflow enable br0 br1 --agent lo --collector 127.0.0.1"
HSFLOWD = (
    "ovstool: note: hsflowd runs here with 'ovs' in /etc/hsflowd.conf: it sets the sFlow of all bridges as that file says, looks after it each "
    "minute, and clears it when it ends; set collectors and sampling there, or remove 'ovs'\n"
)
RELOADED = (
    "ovstool: note: {}: ifreload clears the sFlow of a bridge in /etc/network/interfaces, {}; --as-ovs prints the words for ovs_extra\n"
)
INTERFACES = """
auto br0
iface br0 inet static
    address 10.0.0.1/24
\tovs_type OVSBridge
    ovs_ports eth1
iface eth1 inet manual
    ovs_type OVSPort
    ovs_bridge br0
# iface br1 inet manual
"""
EXTRA = """
iface br1 inet manual
    ovs-type OVSBridge
    ovs_extra set bridge ${IFACE} sflow=@s -- --id=@s create sFlow targets=["10.0.0.5"]
"""


@pytest.fixture
def machine(database, tmp_path):
    """``machine(command)`` runs a command where /etc is the content of ``machine.etc``, and programs of ``machine.bin`` come first."""
    if os.geteuid():
        pytest.skip("needs a mount namespace")
    database.put({"br0": {}, "br1": {}})
    (tmp_path / "etc" / "network" / "interfaces.d").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    there = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" /etc && exec "$@"',
        str(tmp_path / "etc"),
        sys.executable,
        "-m",
        "ovstool",
    ]
    environ = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "OVSTOOL_DB": database.switch.box.db}

    def run(command: str) -> str:
        done = subprocess.run([*there, "--no-wait", *command.split()], env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stderr

    run.etc, run.bin = tmp_path / "etc", tmp_path / "bin"
    return run


def test_hsflowd(machine):
    configuration = machine.etc / "hsflowd.conf"
    configuration.write_text("sflow {\n  collector { ip=10.0.0.5 }\n  ovs { }\n}\n")
    assert machine(ENABLE) == "", "it is not running"
    shutil.copy(shutil.which("sleep"), machine.bin / "hsflowd")
    daemon = subprocess.Popen([machine.bin / "hsflowd", "600"])
    try:
        assert machine(ENABLE) == HSFLOWD
        configuration.write_text("sflow {\n  ovs\n  {\n  }\n}\n")
        assert machine(f"--dry-run {ENABLE} --sampling 7").endswith(f"br1: would be updated\n{HSFLOWD}")
        configuration.write_text("sflow {\n  # ovs { }\n  pcap { dev=ovs1 }\n}\n")
        assert machine(ENABLE) == ""
    finally:
        daemon.kill()
        daemon.wait()


def test_ifupdown2(machine):
    (machine.etc / "network" / "interfaces").write_text(INTERFACES)
    (machine.etc / "network" / "interfaces.d" / "br1").write_text(EXTRA)
    assert machine(ENABLE) == "", "other implementations of ifupdown do not touch it"
    (machine.bin / "ifreload").write_text("#!/bin/sh\n")
    (machine.bin / "ifreload").chmod(0o755)
    br0, br1 = RELOADED.format("br0", "as no ovs_extra sets it"), RELOADED.format("br1", "and sets what ovs_extra says")
    assert machine(ENABLE) == br0 + br1
    assert machine(ENABLE.replace("br1", "")) == br0


def test_external_ids_of_others(database):
    marked = {"targets": "127.0.0.1:1", "external_ids": {"owner": "hsflowd", "rack": "7\x1b[2J"}}
    database.put({"br0": {"sflow": marked}, "br1": {"sflow": {"targets": "127.0.0.1:1"}}})
    said = 'br0: its sFlow has the external_ids owner=hsflowd, "rack=7\\x1b[2J"; whoever set these may set the rest again'
    assert database.run(ENABLE) == (0, "br0: updated\nbr1: updated\n", f"ovstool: note: {said}\n")
    assert database.run(ENABLE) == (0, "br0: unchanged\nbr1: unchanged\n", "")
