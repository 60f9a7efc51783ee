"""Playbooks: 1,000 ports by the collection in ansible/, in one document, and by openvswitch.openvswitch, in one task for each port."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

import pairs

from ovstool import sandbox

ROOT = Path(__file__).resolve().parent.parent
_PORTS = 1_000
_FEW, _MORE = 10, 60  # ports of the other collection that are measured: its tasks are all alike, so each port takes the same time
_ROUNDS = 3
_SHARE = 1 / 20  # of its time


def report(playbook: str, directory: Path, environ: Mapping[str, str]) -> None:
    """``playbook`` is the program; ``directory`` is the parent of ``ansible_collections``, in which openvswitch.openvswitch is."""
    collection = directory / "ansible_collections/ovstool/ovs"
    collection.parent.mkdir()
    collection.symlink_to(ROOT / "ansible")
    pairs.head(f"(v) {_PORTS:,} ports: one task of ovstool.ovs.document / openvswitch.openvswitch, {_MORE} tasks measured and scaled")
    box, _ = sandbox.start(directory / "ports", "dummy", [])
    try:
        plays = _Plays(playbook, directory, dict(environ) | dict(box.environ), box.db)
        for what, clears in (("new ports, a type, a VLAN and an ID each", True), ("the same once more, unchanged", False)):
            ours = [plays.took(plays.ours(_PORTS), clears) for _ in range(_ROUNDS)]
            few_s, more_s = (plays.took(plays.theirs(count), clears) for count in (_FEW, _MORE))
            theirs_s = few_s + (more_s - few_s) / (_MORE - _FEW) * (_PORTS - _FEW)
            ratios = [ours_s / theirs_s for ours_s in ours]
            reached = pairs.verdict(statistics.median(ratios) <= _SHARE, f"<= {_SHARE:.3g}")
            print(
                f"  {what:<44}{pairs.spread(ratios)}   {'':20}   {statistics.median(ours):.1f} s / {theirs_s:.0f} s    {reached}",
                flush=True,
            )
    finally:
        sandbox.stop(box.directory)


class _Plays:
    """Plays for ports p0, p1 and so on of bridge br0, which are there after the play."""

    def __init__(self, playbook: str, directory: Path, environ: Mapping[str, str], db: str):
        self._playbook = playbook
        self._directory = directory
        self._environ = environ
        self._db = db

    def ours(self, count: int) -> list[dict]:
        ports = {f"p{number}": {"type": "internal", "tag": 10, "external_ids": {"iface-id": f"vm{number}"}} for number in range(count)}
        document = {"name": "bench", "bridges": {"br0": {"ports": ports}}}
        return [{"ovstool.ovs.document": {"executable": pairs.OVSTOOL[0], "db": self._db, "timeout": 120, "document": document}}]

    def theirs(self, count: int) -> list[dict]:
        port = {"bridge": "br0", "port": "p{{ item }}", "tag": 10, "external_ids": {"iface-id": "vm{{ item }}"}}
        module = {"openvswitch.openvswitch.openvswitch_port": port | {"set": "Interface p{{ item }} type=internal"}}
        return [module | {"loop": list(range(count))}]

    def took(self, tasks: list[dict], clears: bool) -> float:
        """The seconds of a play; ``clears``: the bridge is empty before it."""
        file = self._directory / "play.yaml"
        file.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        if clears:
            pairs.run([pairs.find("ovs-vsctl") or "ovs-vsctl", f"--db={self._db}", "--if-exists", "del-br", "br0"], self._environ)
            pairs.run([pairs.find("ovs-vsctl") or "ovs-vsctl", f"--db={self._db}", "add-br", "br0"], self._environ)
        argv = [self._playbook, "-e", f"ansible_python_interpreter={self._playbook.rpartition('/')[0]}/python", str(file)]
        return pairs.run(argv, self._environ).wall_s
