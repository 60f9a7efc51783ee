"""Random setups of QoS and policing that Open vSwitch puts fully into effect, so that no check may report a problem.

Each has its own bridge, so one switch can hold very many, and one ``qos check`` checks all of them. The same seed generates the
same setups. ``SETUPS=200 SEED=2`` in the environment sets their number and the seed.
"""

import itertools
import json
import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from forked import FORKS
from ovs_version import OVS

QDISCS = ("htb", "hfsc", "sfq", "codel", "fq_codel", "netem")  # those that Open vSwitch can install
SEED = int(os.environ.get("SEED") or 1)
_RATES = (2_000_000, 5_000_000, 9_999_992, 10_000_000, 25_000_000, 100_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 7_777_777_776)
_VETH_BPS = 10**10  # the link speed that a veth reports
_HFSC_BPS = 2**32 - 1  # from this rate on, an HFSC queue without a max-rate gets another rate than the port (hfsc_parse_class_details__)
_VETHS = ("veth", "bond of veth", "veth of 4 queues", "vlan device")
_OTHERS = {
    "sfq": {"perturb": "10", "quantum": "3000"},
    "codel": {"target": "5000", "limit": "900", "interval": "100000"},
    "fq_codel": {"target": "5000", "flows": "1024", "limit": "9000"},
    "netem": {"latency": "2000", "limit": "2000", "loss": "1"},
}
_LEAST_BPS = 800_000  # of a port, then of a queue: HTB gives each class at least the bytes of one frame per second
_LEAST_QUEUE_BPS = 96_000
_PROTOCOLS = ("", "", "OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15", "OpenFlow10,OpenFlow13")
_MATCHES = ("ip", "tcp", "udp", "arp", "ip,nw_tos={tos}", "tcp,tp_dst={n}", "udp,tp_src={n}", "ip,nw_dst=10.9.{n}.0/24", "ipv6")
_LONGEST_KBIT = 4_194_303  # maximum burst before 3.2 (tc_add_policer)
_CHECK_S = 500
_VSCTL = ("ovs-vsctl", "--timeout=50")


def wanted(few: int) -> int:
    """The number of setups to try: SETUPS in the environment, otherwise ``few``."""
    return int(os.environ.get("SETUPS") or few)


@dataclass(frozen=True)
class Leading:
    """Flows (OpenFlow 1.3) that send packets to a port through a queue.

    ``{q}`` is the queue, ``{p}`` the port, ``{t}`` and ``{u}`` are two tables, ``{g}`` and ``{h}`` two groups, ``{o}`` is another port,
    ``{m}`` a match. ``before`` are flows of a bridge in front of this one: patch port ``{x}`` there is connected to
    ``{y}`` here. ``openflow10``: the form exists in OpenFlow 1.0 too.
    """

    flows: Sequence[str]
    groups: Sequence[str] = ()
    before: Sequence[str] = ()
    openflow10: bool = False


_TO_PORT = "table={t},actions=output:{p}"
_LEARN = "learn(table={t},hard_timeout=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])"
LEADINGS = {
    "output": Leading(["{m},actions=set_queue:{q},output:{p}"], openflow10=True),
    "NORMAL": Leading(["{m},actions=set_queue:{q},NORMAL"], openflow10=True),
    "flood": Leading(["{m},actions=set_queue:{q},FLOOD"], openflow10=True),
    "all": Leading(["{m},actions=set_queue:{q},ALL"], openflow10=True),
    "enqueue": Leading(["{m},actions=enqueue:{p}:{q}"], openflow10=True),
    "resubmit": Leading(["{m},actions=set_queue:{q},resubmit(,{t})", _TO_PORT], openflow10=True),
    "goto": Leading(["{m},actions=set_queue:{q},goto_table:{t}", _TO_PORT]),
    "classified, then output": Leading(["{m},actions=resubmit(,{t}),output:{p}", "table={t},{m},actions=set_queue:{q}"], openflow10=True),
    "classified, then NORMAL": Leading(["{m},actions=resubmit(,{t}),NORMAL", "table={t},{m},actions=set_queue:{q}"], openflow10=True),
    "classified, marked, then NORMAL": Leading(
        ["{m},actions=resubmit(,{t}),NORMAL", "table={t},{m},actions=set_queue:{q},load:0x1->NXM_NX_REG1[]"], openflow10=True
    ),
    "classified twice": Leading(
        ["{m},actions=resubmit(,{t}),resubmit(,{u})", "table={t},actions=set_queue:{q}", "table={u},actions=output:{p}"], openflow10=True
    ),
    "written": Leading(["{m},actions=write_actions(set_queue:{q},output:{p})"]),
    "written before": Leading(["{m},actions=write_actions(set_queue:{q}),goto_table:{t}", "table={t},actions=write_actions(output:{p})"]),
    "written after": Leading(["{m},actions=write_actions(output:{p}),goto_table:{t}", "table={t},actions=write_actions(set_queue:{q})"]),
    "written, output first": Leading(["{m},actions=write_actions(output:{p},set_queue:{q})"]),
    "set, output written": Leading(["{m},actions=set_queue:{q},write_actions(output:{p})"]),
    "output written, then set": Leading(["{m},actions=write_actions(output:{p}),goto_table:{t}", "table={t},actions=set_queue:{q}"]),
    "group": Leading(["{m},actions=group:{g}"], ["group_id={g},type=ff,bucket=watch_port:{p},set_queue:{q},output:{p}"]),
    "group that selects": Leading(["{m},actions=group:{g}"], ["group_id={g},type=select,bucket=weight:3,set_queue:{q},output:{p}"]),
    "group of all": Leading(["{m},actions=set_queue:{q},group:{g}"], ["group_id={g},type=all,bucket=output:{p},bucket=output:{o}"]),
    "group that is written": Leading(["{m},actions=write_actions(group:{g})"], ["group_id={g},type=indirect,bucket=set_queue:{q},output:{p}"]),
    "group of groups": Leading(
        ["{m},actions=group:{g}"], ["group_id={h},type=indirect,bucket=set_queue:{q},output:{p}", "group_id={g},type=all,bucket=group:{h}"]
    ),
    "group, queue written": Leading(["{m},actions=write_actions(set_queue:{q},group:{g})"], ["group_id={g},type=all,bucket=output:{p}"]),
    "learn": Leading(
        ["{m},actions=set_queue:{q}," + _LEARN + ",resubmit(,{t})", "table={t},priority=0,actions=output:{p}"], openflow10=True
    ),
    "register": Leading(["{m},actions=set_queue:{q},load:{p}->NXM_NX_REG0[0..15],output:NXM_NX_REG0[0..15]"], openflow10=True),
    "bundle": Leading(["{m},actions=set_queue:{q},bundle(eth_src,0,active_backup,ofport,slaves:{p})"], openflow10=True),
    "clone": Leading(["{m},actions=clone(set_queue:{q},output:{p}),output:{o}"]),
    "cut": Leading(["{m},actions=set_queue:{q},output(port={p},max_len=100)"], openflow10=True),
    "back": Leading(["in_port={p},{m},actions=set_queue:{q},IN_PORT"], openflow10=True),
    "both ports": Leading(["{m},actions=output:{o},set_queue:{q},output:{p},pop_queue,output:{o}"], openflow10=True),
    "two queues": Leading(["{m},actions=set_queue:0,output:{o},set_queue:{q},output:{p}"], openflow10=True),
    "tagged": Leading(["{m},actions=push_vlan:0x8100,set_field:4101->vlan_vid,set_queue:{q},output:{p}"]),
    "noted": Leading(["{m},actions=set_queue:{q},note:00.01,NORMAL"], openflow10=True),
    "tracked": Leading(["tcp,tp_dst={q},actions=set_queue:{q},ct(table={t})", _TO_PORT]),
    "patch": Leading(["in_port={y},actions=NORMAL"], before=["{m},actions=set_queue:{q},output:{x}"], openflow10=True),
    "patch by NORMAL": Leading(["in_port={y},actions=output:{p}"], before=["{m},actions=set_queue:{q},NORMAL"], openflow10=True),
    "patch by a table": Leading(["in_port={y},actions=NORMAL"], before=["{m},actions=resubmit(,{t}),output:{x}", "table={t},{m},actions=set_queue:{q}"], openflow10=True),
}  # fmt: skip
# Forms that send nothing through the queue.
MISLEADINGS = {
    "taken back": Leading(["{m},actions=set_queue:{q},pop_queue,output:{p}"]),
    "another one": Leading(["{m},actions=set_queue:{q},set_queue:0,output:{p}"]),
    "sent before": Leading(["{m},actions=output:{p},set_queue:{q}"]),
    "in a clone alone": Leading(["{m},actions=clone(set_queue:{q}),output:{p}"]),
    "in a bucket alone": Leading(["{m},actions=group:{g},output:{p}"], ["group_id={g},type=all,bucket=set_queue:{q},note:00"]),
    "another one written": Leading(["{m},actions=write_actions(set_queue:0,output:{p})"]),
    "to another port": Leading(["{m},actions=set_queue:{q},output:{o}"]),
    "in no group that is used": Leading(["{m},actions=output:{p}"], ["group_id={g},type=all,bucket=set_queue:{q},output:{p}"]),
}


@dataclass(frozen=True)
class Queue:
    """A queue that a setup configures, in bit/s; None where a value is not set."""

    min_rate: int | None = None
    max_rate: int | None = None
    burst: int | None = None
    priority: int | None = None
    dscp: int | None = None


class Said(NamedTuple):
    """The flows of a form for the queue of a port; ``number`` keeps its tables and groups apart from those of other flows."""

    leading: Leading
    queue: int
    port: int
    other: int
    match: str
    number: int
    patch: int
    peer: int

    def of(self, lines: Sequence[str]) -> list[str]:
        n = 2 * self.number
        where = {"q": self.queue, "p": self.port, "o": self.other, "m": self.match, "x": self.patch, "y": self.peer}
        return [line.format(**where, t=10 + n, u=11 + n, g=n + 1, h=n + 2) for line in lines]


@dataclass
class Port:
    """A port of a setup, its interfaces, and the QoS and policing it configures (kbit/s, kbit; thousands of packets/s)."""

    name: str
    ofport: int
    devices: list[str]
    kind: str
    type: str | None = None
    max_rate: int | None = None
    queues: dict[int, Queue] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    police: dict[str, int] = field(default_factory=dict)


@dataclass
class Setup:
    """A bridge with its ports, and the steps that create it.

    The steps, in this order: lines for ip(8), arguments of ovs-vsctl, groups and flows by bridge, and arguments of ovstool.
    """

    bridge: str
    protocols: str
    secure: bool
    ports: list[Port] = field(default_factory=list)
    made_of: list[str] = field(default_factory=list)
    ip: list[str] = field(default_factory=list)
    vsctl: list[str] = field(default_factory=list)
    flows: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    ovstool: list[list[str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.bridge}: {'; '.join(self.made_of)}"


class Maker:
    """Makes random healthy setups for a datapath (``system``, ``netdev`` or ``dummy``) with the qdiscs that its kernel has."""

    def __init__(self, datapath: str, qdiscs: Sequence[str] = QDISCS, seed: int = SEED):
        self.datapath, self.qdiscs = datapath, qdiscs
        self.dice = random.Random(f"{datapath} {seed}")
        self.forms: list[str] = []

    def setups(self, count: int) -> list[Setup]:
        return [self._setup(number) for number in range(count)]

    def _maybe(self, chance: float, *words: str) -> list[str]:
        return list(words) if self.dice.random() < chance else []

    def _setup(self, number: int) -> Setup:
        setup = Setup(f"b{number}", self.dice.choice(_PROTOCOLS), self.dice.random() < 0.2)
        setup.vsctl += ["--", "add-br", setup.bridge, "--", "set", "bridge", setup.bridge, f"datapath_type={self.datapath}"]
        setup.vsctl += [f"protocols={setup.protocols}"] if setup.protocols else []
        setup.vsctl += ["fail_mode=secure"] if setup.secure else []
        setup.vsctl += self._maybe(0.2, f"external_ids:bridge-id={setup.bridge}", "other_config:mac-table-size=4096")
        first = self.dice.choice((1, 10, 200))
        for index in range(self.dice.choice((2, 2, 3))):
            setup.ports.append(self._port(setup, index, first + 3 * index))
        for port in setup.ports:
            self._shape(setup, port)
            self._police(setup, port)
        self._lead(setup)
        return setup

    # --- ports

    def _port(self, setup: Setup, index: int, ofport: int) -> Port:
        kinds = {
            "dummy": ["dummy", "dummy", "dummy", "bond of dummy"],
            "netdev": ["veth", "veth", "veth", "tap", "internal", "bond of veth"],
            "system": ["veth", "veth", "veth", "tap", "internal", "bond of veth", "vlan device", "dummy device", "veth of 4 queues"],
        }
        kind = self.dice.choice(kinds[self.datapath])
        name = f"{setup.bridge}p{index}"
        port = Port(name, ofport, [f"{name}m{n}" for n in (1, 2)] if kind.startswith("bond") else [name], kind)
        modes = ("active-backup", "balance-slb")
        bond = ["add-bond", setup.bridge, name, *port.devices, f"bond_mode={self.dice.choice(modes)}"]
        setup.vsctl += ["--", *(bond if len(port.devices) > 1 else ["add-port", setup.bridge, name])]
        setup.vsctl += self.dice.choice(([], [], [], [f"tag={self.dice.randrange(1, 4095)}"], ["trunks=5,6,7"]))
        setup.vsctl += self._maybe(0.2, "external_ids:neutron-marker=yes", "other_config:rstp-port-priority=32")
        for offset, device in enumerate(port.devices):
            self._device(setup, kind, device)
            setup.vsctl += ["--", "set", "interface", device, f"ofport_request={ofport + offset}"]
            setup.vsctl += [f"type={kind}"] if kind in ("tap", "internal") else []
            setup.vsctl += self._maybe(0.3, f"external_ids:iface-id=vif-{device}", "external_ids:vm-uuid=4711")
            setup.vsctl += self._maybe(0.15, f"mtu_request={self.dice.choice((576, 1400, 1500))}") if self.datapath != "dummy" else []
        setup.made_of.append(f"{name} {kind}")
        return port

    def _device(self, setup: Setup, kind: str, device: str) -> None:
        beside = f"{device}h"
        if kind == "vlan device":
            setup.ip += [f"link add {beside} type veth peer name {device}x", f"link set {beside} up", f"link set {device}x up"]
            setup.ip += [f"link add link {beside} name {device} type vlan id {self.dice.randrange(1, 4095)}"]
        elif kind in _VETHS:
            queues = "numtxqueues 4 numrxqueues 4 " if "queues" in kind else ""
            setup.ip += [f"link add {device} {queues}type veth peer name {beside}", f"link set {beside} up"]
        elif kind == "dummy device":
            setup.ip += [f"link add {device} type dummy"]
        else:
            return
        setup.ip += self._maybe(0.15, f"link set {device} mtu {self.dice.choice((1280, 9000))}") if kind in ("veth", "dummy device") else []
        setup.ip += self._maybe(0.9, f"link set {device} up")

    # --- QoS

    def _shape(self, setup: Setup, port: Port) -> None:
        # On an internal port, QoS would limit the other direction.
        port.type = None if port.kind == "internal" else self.dice.choice((None, "noop", "htb", "htb", *self.qdiscs))
        if port.type in ("htb", "hfsc"):
            self._rates(port)
        port.others = {key: value for key, value in _OTHERS.get(port.type or "", {}).items() if self.dice.random() < 0.5}
        if port.type:
            self._install(setup, port)

    def _rates(self, port: Port) -> None:
        dice = self.dice
        highest = _HFSC_BPS if port.type == "hfsc" else _VETH_BPS
        # Without a max-rate, the link's speed applies if the device reports one; a tap does not.
        if port.kind not in _VETHS or port.type == "hfsc" or dice.random() < 0.75:
            port.max_rate = min(highest, dice.choice((*_RATES, dice.randrange(_LEAST_BPS, highest))))
        limit = (port.max_rate or highest) // 1000 * 1000
        numbers = [0] if dice.random() < 0.7 else []
        if numbers and self.datapath != "netdev":
            numbers += sorted(dice.sample((1, 2, 3, 7, 8, 15, 99, 123, 4095, 61439), dice.randrange(4)))
        left = limit
        for number in numbers:
            least = dice.randrange(_LEAST_QUEUE_BPS, max(_LEAST_QUEUE_BPS, left // len(numbers)) + 1) // 1000 * 1000
            least = least if dice.random() < 0.6 else 0
            left -= least
            port.queues[number] = Queue(
                min_rate=least or None,
                max_rate=dice.choice((None, limit, max(least, limit // 2 // 8 * 8, _LEAST_QUEUE_BPS))),
                burst=dice.choice((None, None, 9100 * 8, 16384 * 8, 10**6)) if port.type == "htb" else None,
                priority=dice.choice((None, None, dice.randrange(8))) if port.type == "htb" else None,
                dscp=dice.choice((None, None, None, dice.randrange(64))) if number else None,
            )

    def _install(self, setup: Setup, port: Port) -> None:
        """Configure the QoS with ovstool, or with ovs-vsctl and external_ids of another owner."""
        setup.made_of.append(f"{port.name} {port.type} {port.max_rate or ''} {len(port.queues)} queues")
        if self.dice.random() < 0.3:
            words = ["qos", "set", port.name, "--type", port.type, *(["--max-rate", str(port.max_rate)] if port.max_rate else [])]
            for number, queue in port.queues.items():
                said = ",".join(f"{key.removesuffix('_rate')}={value}" for key, value in vars(queue).items() if value is not None)
                words += ["--queue", f"{number}:{said}" if said else f"{number}"]
            setup.ovstool.append(words + [word for key, value in port.others.items() for word in ("--other-config", f"{key}={value}")])
            return
        marks = self._maybe(0.4, "external_ids:owner=somebody", "external_ids:id=neutron")
        none = {"max-rate": "0"} if port.type == "htb" and self.dice.random() < 0.3 else {}
        config = {"max-rate": str(port.max_rate)} if port.max_rate else none
        config |= port.others | ({"comment": "of the third floor"} if self.dice.random() < 0.2 else {})
        setup.vsctl += ["--", "set", "port", port.name, f"qos=@{port.name}"]
        setup.vsctl += ["--", f"--id=@{port.name}", "create", "qos", f"type=linux-{port.type}", *marks]
        setup.vsctl += [f'other_config:{key}="{value}"' for key, value in config.items()]
        setup.vsctl += [f"queues:{number}=@{port.name}q{number}" for number in port.queues]
        for number, queue in port.queues.items():
            values = {key.replace("_", "-"): value for key, value in vars(queue).items() if value is not None}
            said = [f"{'' if key == 'dscp' else 'other_config:'}{key}={value}" for key, value in values.items()]
            setup.vsctl += ["--", f"--id=@{port.name}q{number}", "create", "queue", *(said or marks or ["external_ids:a=b"])]

    # --- policing

    def _police(self, setup: Setup, port: Port) -> None:
        if self.datapath == "netdev" or port.kind == "internal" or self.dice.random() < 0.5:
            return
        dice = self.dice
        if OVS < (2, 16) or dice.random() < 0.7:  # earlier versions do not police packets
            rate = dice.choice((64, 100, 1000, 2048, 9999, 10_000, 33_333, 100_000, 1_000_000, 10_000_000, dice.randrange(64, 10**6)))
            least = max(128, round(0.21 * rate) + 13)  # the bits that pass in 210 ms, plus one frame
            burst = dice.choice((least, round(least + (max(rate, least) - least) * dice.random()), max(rate, least)))
            burst = min(burst, _LONGEST_KBIT)
            port.police = {"rate": rate, "burst": burst}
            words = ["--rate", f"{rate}kbit", *self._maybe(0.5, "--burst", f"{burst}kbit")]
        else:
            rate = dice.randrange(1, 500)
            port.police = {"kpkts_rate": rate, "kpkts_burst": dice.randrange(max(1, rate // 4), rate + 1)}
            words = ["--packet-rate", str(rate * 1000), "--packet-burst", str(port.police["kpkts_burst"] * 1000)]
        setup.made_of.append(f"{port.name} policed {port.police}")
        if dice.random() < 0.3:
            setup.ovstool.append(["police", "set", port.name, *words])
            return
        for device in port.devices:
            setup.vsctl += ["--", "set", "interface", device, *(f"ingress_policing_{key}={value}" for key, value in port.police.items())]

    # --- flows

    def _lead(self, setup: Setup) -> None:
        """Add flows to each queue except queue 0, in different forms; or steer with ovstool where only NORMAL forwards."""
        asked = [(port, number) for port in setup.ports for number in port.queues if number]
        if asked and not setup.secure and setup.protocols in ("", "OpenFlow14", "OpenFlow15") and self.dice.random() < 0.3:
            for n, (port, number) in enumerate(asked):
                setup.ovstool.append(["qos", "steer", port.name, "--queue", str(number), "--match", f"tcp,tp_dst={3000 + n}"])
            setup.made_of.append("steered")
            return
        flows, groups, before = ["priority=0,actions=NORMAL"], [], []
        for n, (port, number) in enumerate(asked):
            form = self._form(setup.protocols == "OpenFlow10")
            setup.made_of.append(f"{port.name} queue {number} by {form}")
            other = next(other for other in setup.ports if other is not port)
            match = self.dice.choice(_MATCHES).format(tos=4 * (n + 1), n=n + 1)
            said = Said(LEADINGS[form], number, port.ofport, other.ofport, match, n, 1, 300)
            head = f"priority={100 + n},cookie={self.dice.choice((0, 7, self.dice.getrandbits(60))):#x},"
            flows += [head + flow for flow in said.of(said.leading.flows)]
            groups += said.of(said.leading.groups)
            before += [head + flow for flow in said.of(said.leading.before)]
        setup.flows[setup.bridge], setup.groups[setup.bridge] = flows, groups
        if before:
            self._before(setup, before)

    def _form(self, is_10: bool) -> str:
        """The next form, in random order; all are used before one repeats."""
        if not any(LEADINGS[form].openflow10 or not is_10 for form in self.forms):
            self.forms = self.dice.sample(list(LEADINGS), len(LEADINGS))
        form = next(form for form in self.forms if LEADINGS[form].openflow10 or not is_10)
        self.forms.remove(form)
        return form

    def _before(self, setup: Setup, flows: list[str]) -> None:
        """Put one bridge, or two, in front of this one, connected by patch ports."""
        chain = [f"{setup.bridge}i", *self._maybe(0.4, f"{setup.bridge}j"), setup.bridge]
        for bridge in chain[:-1]:
            setup.vsctl += ["--", "add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={self.datapath}"]
        for n, (here, there) in enumerate(itertools.pairwise(chain)):
            setup.vsctl += patched(here, f"{setup.bridge}x{n}", 1, there, f"{setup.bridge}y{n}", 300)
        setup.flows[chain[0]] = flows
        setup.made_of.append(f"{len(chain) - 1} patches")


def patched(here: str, port: str, number: int, there: str, peer: str, peers_number: int) -> list[str]:
    """Arguments of ovs-vsctl that add two patch ports."""
    words = []
    for bridge, end, other, ofport in ((here, port, peer, number), (there, peer, port, peers_number)):
        words += ["--", "add-port", bridge, end, "--", "set", "interface", end]
        words += ["type=patch", f"options:peer={other}", f"ofport_request={ofport}"]
    return words


# --- on a switch


def build(switch, setups: Sequence[Setup]) -> None:
    """Create setups on a running switch (conftest.py), with ovstool only for the steps that name it."""
    if switch.box.namespace:
        lines = "\n".join(line for setup in setups for line in setup.ip)
        subprocess.run(["ip", "-n", switch.box.namespace, "-batch", "-"], input=lines, text=True, check=True, capture_output=True)
    for setup in setups:
        switch.tool(*_VSCTL, "--no-wait", *setup.vsctl)
    switch.tool(*_VSCTL, "set", "open_vswitch", ".", "external_ids:built=yes")
    for setup in setups:
        for kind, given in (("groups", setup.groups), ("flows", setup.flows)):
            for bridge, lines in given.items():
                add(switch, kind, bridge, lines)
        for words in setup.ovstool:
            done = switch.ovstool(words)
            assert done.code == 0, (words, done.stderr, str(setup))


def found(switch, command: str) -> list[dict]:
    """The rows of ``qos check`` or ``police check``, which takes long with very many setups."""
    done = FORKS.run([*command.split(), "-t", str(_CHECK_S), "-f", "json"], switch.environ, timeout_s=_CHECK_S)
    rows = json.loads(done.stdout)
    assert done.returncode == bool(rows), done.stderr
    assert b"not known" not in done.stderr, done.stderr
    return rows


def qdiscs(switch) -> list[str]:
    """The qdiscs that the kernel of a switch supports."""
    tc = ["ip", "netns", "exec", switch.box.namespace, "tc", "qdisc"]

    def has(kind: str) -> bool:
        words = [*tc, "replace", "dev", "lo", "root", kind]
        return not subprocess.run(words, capture_output=True, timeout=60, check=False).returncode

    found = [kind for kind in QDISCS if has(kind)]
    subprocess.run([*tc, "del", "dev", "lo", "root"], capture_output=True, timeout=60, check=False)
    return found


def add(switch, kind: str, bridge: str, lines: Sequence[str]) -> None:
    """Add flows or groups (``kind``) to a bridge; OpenFlow 1.0 has no groups."""
    versions = f"{'OpenFlow10,' * (kind == 'flows')}OpenFlow13,OpenFlow14,OpenFlow15"
    argv = ["ovs-ofctl", "-O", versions, f"add-{kind}", bridge, "-"]
    if lines:
        done = subprocess.run(argv, input="\n".join(lines), env=switch.environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (bridge, lines, done.stderr)


def remove(switch, setup: Setup) -> None:
    """Remove a setup."""
    for port in setup.ports:
        switch.ovstool(["qos", "clear", port.name])
    bridges = [setup.bridge, *(bridge for bridge in setup.flows if bridge != setup.bridge)]
    switch.tool(*_VSCTL, *(word for bridge in bridges for word in ("--", "--if-exists", "del-br", bridge)))
    devices = [line.split()[2] for line in setup.ip if line.startswith("link add ") and "add link" not in line]
    lines = "\n".join(f"link del {device}" for device in devices)
    subprocess.run(["ip", "-n", switch.box.namespace, "-batch", "-"], input=lines, text=True, check=True)
