"""Any two writing commands at once, whatever their nouns: the result is that of one of the two orders.

The second, which may be ovs-vsctl, runs in each gap between two requests of the first. Output, exit codes and database are compared with
those of the same commands run one after the other. ovs-vswitchd does not run, so nothing else writes; ovstool runs in this process, so
that some thousand commands take seconds.
OVSTOOL_RACE=all runs more commands, and OVSTOOL_RACE=N that many seeds of three writers instead of a few.
"""

import itertools
import os
import random
import shlex
import subprocess
from collections.abc import Sequence

import pytest
from between import Between
from database import Database

_ASKED = os.environ.get("OVSTOOL_RACE", "")
# The initial state: eth1 has everything, eth2 nothing, and the second bridge has a port with its own QoS.
_SHAPED = {"op": "insert", "table": "QoS", "row": {"type": "linux-htb", "other_config": ["map", [["max-rate", "5"]]]}}
_QUEUE = {"op": "insert", "table": "Queue", "uuid-name": "queue", "row": {"other_config": ["map", [["min-rate", "1"]]]}}
_SFLOW = {"op": "insert", "table": "sFlow", "uuid-name": "sflow", "row": {"targets": "127.0.0.1:1", "agent": "lo"}}
_CONTROLLER = {"op": "insert", "table": "Controller", "uuid-name": "controller", "row": {"target": "ptcp:1"}}
_PORTS = {
    "br0": {},
    "eth1": {"tag": 5, "qos": ["named-uuid", "qos1"]},
    "eth2": {},
    "br1": {},
    "eth5": {"qos": ["named-uuid", "qos5"]},
}
_INTERFACES = {"eth1": {"external_ids": ["map", [["a", "b"]]], "ingress_policing_rate": 10, "ingress_policing_burst": 128}}
_BRIDGES = {
    "br0": {
        "ports": ["br0", "eth1", "eth2"],
        "row": {"external_ids": ["map", [["a", "b"]]], "sflow": ["named-uuid", "sflow"], "controller": ["named-uuid", "controller"]},
    },
    "br1": {"ports": ["br1", "eth5"], "row": {}},
}
_ROOT_TABLES = ("QoS", "Queue")
_TABLES = ("Bridge", "Port", "Interface", "QoS", "Queue", "sFlow", "Controller")

# Each guard of each noun decides at least one of these pairs; a noun has several where they could mix into an unwanted result.
_COMMANDS = [
    "ovstool port add br0 eth9 --tag 7",
    "ovstool port add br1 eth2",
    "ovstool port add br0 bond0 --bond eth8,eth9",
    "ovstool port del eth2 eth5",
    "ovstool port set eth1 --external-id c=d --tag 6",
    "ovstool port set eth1 --external-id e=f --unset tag --trunk 1,2",
    "ovstool bridge add br9 --datapath-type dummy",
    "ovstool bridge add eth9",
    "ovstool bridge set br0 --external-id c=d --controller tcp:127.0.0.1:1 --fail-mode secure",
    "ovstool bridge set br0 --external-id e=f --controller tcp:127.0.0.1:2 --controller ptcp:1",
    "ovstool bridge del br0 br1 br9 --if-exists",
    "ovstool police set eth1 eth2 --rate 1mbit",
    "ovstool police clear eth1 eth2",
    "ovstool sflow enable br0 --agent lo --force --collector 127.0.0.1",
    "ovstool sflow disable br0",
    "ovstool qos set eth1 eth2 --max-rate 8000 --queue 1:min=2000",
    "ovstool qos clear eth1 eth2",
]
_MORE = [
    "ovstool port add br1 eth9",
    "ovstool port del eth1",
    "ovstool port del eth9 --if-exists",
    "ovstool port set eth2 --type internal --option x=y",
    "ovstool bridge add br0 --fail-mode secure",
    "ovstool bridge del br0",
    "ovstool police set eth1 --packet-rate 5000",
    "ovstool sflow enable br0 br1 --agent lo --force --collector 127.0.0.2",
    "ovstool qos set eth1 --merge --queue 1:min=3000",
]
_THIRD = [  # each does much at once, so a few are enough
    "ovs-vsctl add-br br9 -- set bridge br9 datapath_type=dummy -- add-port br0 eth9 tag=9",
    "ovs-vsctl del-port eth1 -- del-port eth2 -- add-port br1 eth2",
    "ovs-vsctl del-br br0",
    "ovs-vsctl set port eth1 tag=9 -- set interface eth1 external_ids:g=h ingress_policing_rate=7 -- set interface eth2 ingress_policing_rate=7"
    " -- set bridge br0 fail_mode=standalone external_ids:g=h -- set-controller br0 ptcp:3 -- clear bridge br0 sflow",
    "ovs-vsctl set controller br0 'target=\"tcp:127.0.0.1:9\"'",
    "ovs-vsctl clear port eth1 qos -- clear port eth5 qos -- --all destroy qos -- --all destroy queue",
    "ovs-vsctl --id=@p get port eth5 -- remove bridge br1 ports @p -- add bridge br0 ports @p",
]
if _ASKED == "all":
    _COMMANDS += _MORE


class Races(Database):
    """A database that can be reset to the initial state."""

    def __init__(self, switch):
        super().__init__(switch)
        self.serial: dict[tuple[str, ...], tuple] = {}

    def reset(self) -> None:
        inserts = [
            {"op": "insert", "table": "Interface", "uuid-name": f"i_{name}", "row": {"name": name} | _INTERFACES.get(name, {})}
            for name in _PORTS
        ]
        for name, row in _PORTS.items():
            inserts.append(
                {"op": "insert", "table": "Port", "uuid-name": name, "row": {"name": name, "interfaces": ["named-uuid", f"i_{name}"]} | row}
            )
        for name, bridge in _BRIDGES.items():
            ports = ["set", [["named-uuid", port] for port in bridge["ports"]]]
            inserts.append(
                {"op": "insert", "table": "Bridge", "uuid-name": f"b_{name}", "row": {"name": name, "ports": ports} | bridge["row"]}
            )
        qos1 = _SHAPED | {"uuid-name": "qos1", "row": _SHAPED["row"] | {"queues": ["map", [[1, ["named-uuid", "queue"]]]]}}
        self.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}})
        self.transact(
            *({"op": "delete", "table": table, "where": []} for table in _ROOT_TABLES),
            *inserts, qos1, _SHAPED | {"uuid-name": "qos5"}, _QUEUE, _SFLOW, _CONTROLLER,
            {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", [["named-uuid", f"b_{name}"] for name in _BRIDGES]]}},
        )  # fmt: skip

    def contents(self) -> str:
        """The whole configuration as one text with numbers for UUIDs, in which each row appears where it is first referred to."""
        answers = self.transact(*({"op": "select", "table": table, "where": []} for table in ("Open_vSwitch", *_TABLES)))
        rows = {row["_uuid"][1]: row for answer in answers for row in answer["rows"]}
        numbers: dict[str, int] = {}

        def named(value) -> str:
            row = rows[value[1]] if _is_reference(value) else {}
            return str(row.get("name") or row.get("target") or value)

        def written(value) -> str:
            if _is_reference(value):
                if value[1] in numbers:
                    return f"row {numbers[value[1]]}"
                number = numbers[value[1]] = len(numbers)
                row = {key: written(of) for key, of in sorted(rows[value[1]].items()) if not key.startswith("_")}
                return f"row {number} " + str({key: of for key, of in row.items() if of not in ("", "0", "[]", "False")})
            if isinstance(value, list) and value[0] in ("set", "map"):
                members = (
                    [written(item) for item in sorted(value[1], key=named)]
                    if value[0] == "set"
                    else [f"{key}={written(item)}" for key, item in sorted(value[1], key=lambda pair: str(pair[0]))]
                )
                return str(members)
            return str(value)

        bridges = written(answers[0]["rows"][0]["bridges"])
        rest = [row["_uuid"] for answer in answers[1:] for row in answer["rows"] if row["_uuid"][1] not in numbers]
        return "\n".join([bridges, *sorted(written(left) for left in rest)])

    def came_of(self, command: str, path: str | None = None) -> tuple[int, str]:
        """The exit code and the output of a command, over the socket at ``path`` if given."""
        program, _, words = command.partition(" ")
        if program == "ovstool":
            code, out, err = self.run(words, path)
            said = [line for line in err.splitlines() if not line.startswith("ovstool: note: ")]  # about flows, as no bridge answers
            return code, "\n".join([out, *said])
        argv = [program, "--no-wait", *shlex.split(words)]
        done = subprocess.run(argv, env=self.switch.environ, capture_output=True, text=True, check=False)
        return done.returncode, ""

    def one_after_the_other(self, commands: Sequence[str], order: Sequence[int]) -> tuple:
        """The result of each of the commands and the database, when they run in this order."""
        key = tuple(commands[index] for index in order)
        if key not in self.serial:
            self.reset()
            came = {command: self.came_of(command) for command in key}
            self.serial[key] = came, self.contents()
        return self.serial[key]

    def at_once(self, commands: Sequence[str], gaps: Sequence[int]) -> tuple[tuple, int]:
        """The results when each of the other commands runs in a gap of the first; and the number of the first's requests."""
        self.reset()
        came = {}

        def at(index: int, request: bytes) -> bytes:
            for command, gap in zip(commands[1:], gaps, strict=True):
                if gap == index:
                    came[command] = self.came_of(command)
            return request

        between = Between(self.switch, "between", at)
        try:
            came[commands[0]] = self.came_of(commands[0], between.path)
        finally:
            between.close()
        return (came, self.contents()), between.requests

    def require_an_order(self, commands: Sequence[str], gaps: Sequence[int]) -> None:
        """Fail unless the result is that of one order."""
        got, requests = self.at_once(commands, gaps)
        orders = [self.one_after_the_other(commands, order) for order in itertools.permutations(range(len(commands)))]
        texts = ["\n".join(map(str, outcome)) for outcome in (got, *orders)]
        assert got in orders, "\n--\n".join([f"in the gaps {gaps} of {requests}:", texts[0], "is the result of no order:", *texts[1:]])


def _is_reference(value) -> bool:
    return isinstance(value, list) and len(value) == 2 and value[0] == "uuid"


@pytest.fixture(scope="module")
def races(database):
    return Races(database.switch)


@pytest.mark.parametrize("first", _COMMANDS)
def test_two_writers_at_once_are_as_one_after_the_other(races, first):
    _, requests = races.at_once([first], [])
    for second in [*_COMMANDS, *_THIRD]:
        for gap in range(2, requests + 1):
            if second != first:
                races.require_an_order([first, second], [gap])


@pytest.mark.parametrize("seed", range(int(_ASKED) if _ASKED.isdigit() else 3))
def test_three_writers_at_once_are_as_one_after_the_other(races, seed):
    rng = random.Random(seed)
    print(f"seed {seed}")
    for _ in range(20):
        commands = [*rng.sample(_COMMANDS, 2), rng.choice(_THIRD)]
        _, requests = races.at_once(commands[:1], [])
        if requests > 1:
            races.require_an_order(commands, sorted(rng.randrange(2, requests + 1) for _ in commands[1:]))
