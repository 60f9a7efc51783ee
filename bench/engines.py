"""Other people's ways to drive Open vSwitch from Python: ovsdbapp, OpenStack's library, and Ansible's collection openvswitch.openvswitch."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pairs
import plays

from ovstool import sandbox

_OVSDBAPP = """
import sys
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.open_vswitch import impl_idl
idl = connection.OvsdbIdl.from_server(sys.argv[1], "Open_vSwitch")
api = impl_idl.OvsdbIdl(connection.Connection(idl, timeout=60))
print(api.db_get("Interface", sys.argv[2], "statistics").execute(check_error=True))
"""
# The last release of the community package that includes the collection, and an ansible-core that runs it.
_COLLECTION, _CORE = "ansible==10.7.0", "ansible-core<2.18"
_TIMEOUT_S = 300
_ROUNDS = 3  # ovsdbapp takes up to half a minute for a large switch
_QUIET = {"ANSIBLE_INVENTORY_UNPARSED_WARNING": "false", "ANSIBLE_LOCALHOST_WARNING": "false"}


def beside_ovsdbapp(databases: Mapping[int, str]) -> None:
    """(v) The counters of one port by ovsdbapp, which first copies the tables into memory; its users do that once for many queries."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        python = pairs.installed(Path(name), "ovsdbapp", "python")
        if python is None:
            print("  pip cannot install ovsdbapp: not compared")
            return
        pairs.head("(v) ovstool stats PORT --source ovsdb -f value / ovsdbapp, db_get(Interface, PORT, statistics)")
        for size, db in databases.items():
            port = f"p{size // 2}"
            commands = {
                "ours": [*pairs.OVSTOOL, f"--db={db}", "stats", port, "--source", "ovsdb", "-f", "value"],
                "theirs": [python, "-c", _OVSDBAPP, db, port],
            }
            runs = pairs.alternate(commands, _ROUNDS, pairs.ENVIRON)
            print(pairs.line(f"{size:,} ports", runs["ours"], runs["theirs"], None), flush=True)


def beside_ansible() -> None:
    """(v) Adding a port that exists already: the cost per port of a play that finds nothing to change. Then 1,000 ports."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        directory = Path(name)
        ansible = pairs.installed(directory, _CORE, "ansible")
        if ansible is None or not _collection(directory):
            print("  pip cannot install Ansible and its collection: not compared")
            return
        box, _ = sandbox.start(directory / "box", "dummy")
        try:
            environ = pairs.ENVIRON | dict(box.environ) | _QUIET | {"LC_ALL": "C.UTF-8"}
            environ |= {"ANSIBLE_COLLECTIONS_PATH": name, "ANSIBLE_HOME": name}
            module = ["openvswitch.openvswitch.openvswitch_port", "-a", "bridge=br0 port=eth1 state=present"]
            theirs = [ansible, "localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-m", *module]
            pairs.head("(v) ovstool port add br0 eth1 / ansible -m openvswitch.openvswitch.openvswitch_port; the port is there")
            commands = {"ours": [*pairs.OVSTOOL, f"--db={box.db}", "port", "add", "br0", "eth1"], "theirs": theirs}
            runs = pairs.alternate(commands, _ROUNDS, environ)
            print(pairs.line("one port", runs["ours"], runs["theirs"], None), flush=True)
        finally:
            sandbox.stop(box.directory)
        pairs.guarded(plays.report, f"{ansible}-playbook", directory, environ)


def _collection(directory: Path) -> bool:
    """Whether pip could install the collection, which is then below the directory."""
    pip = [directory / "venv/bin/pip", "download", "-q", "--no-deps", "-d", directory, _COLLECTION]
    try:
        subprocess.run(pip, check=True, capture_output=True, timeout=_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError):
        return False
    (wheel,) = directory.glob("ansible-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory, [name for name in archive.namelist() if name.startswith("ansible_collections/openvswitch/")])
    return True
