"""Healthy setups, each broken in one way, with the problem that ``qos check`` or ``police check`` must then report.

Each problem has at least one case. ``{b}`` is the bridge, ``{p}`` the port in question and ``{n}`` its OpenFlow port, ``{o}`` another
port of the bridge, ``{h}`` the other end of ``{p}``; steps are lines for sh.
"""

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import setups
from severity import severity_of

ALL, REAL, MARKED, KERNEL, USERSPACE, DUMMY = ("dummy netdev system", "netdev system", "dummy system", "system", "netdev", "dummy")
_MADE = "ovs-vsctl --timeout=30 set port {p} qos=@q -- --id=@q create qos type="
HTB = _MADE + "linux-htb other_config:max-rate=10000000 queues:0=@0 -- --id=@0 create queue external_ids:of=somebody"
TWO = (
    _MADE + "linux-htb other_config:max-rate=10000000 queues:0=@0 queues:1=@1 -- --id=@0 create queue external_ids:a=b "
    "-- --id=@1 create queue other_config:max-rate=5000000 && ovs-ofctl add-flow {b} ip,actions=set_queue:1,NORMAL"
)
POLICED = "ovs-vsctl --timeout=30 set interface {p} ingress_policing_rate=10000 ingress_policing_burst=2600"
_PATCHED = "ovs-vsctl --timeout=30 add-br {b}i -- set bridge {b}i datapath_type={datapath} "
_PATCHED += "-- add-port {b} {b}x -- set interface {b}x type=patch options:peer={b}y -- add-port {b}i {b}y -- set interface {b}y type=patch options:peer={b}x"
_INTERNAL = "ovs-vsctl --timeout=30 add-port {b} {b}v -- set interface {b}v type=internal"
_QUEUE_0 = "ovs-vsctl --timeout=30 set queue $(ovs-vsctl get qos {p} queues:0) other_config:"


@dataclass(frozen=True)
class Broken:
    """A healthy setup, the step that breaks it, and the datapaths where it applies.

    ``stays``: the remedy only inspects, so the problem stays. ``also``: other problems that may be reported too.
    """

    command: str
    problem: str
    where: str
    healthy: str
    breaks: str
    stays: bool = False
    also: Sequence[str] = ()
    at: str = "{p}"


_UNSUPPORTED = "QoS type not supported by this interface"
_UNKNOWN_SPEED = "link speed unknown and no max-rate"
_UNINSTALLED = "the qdisc is not installed"
_TOO_FAST, _ABOVE = "rate above what this Open vSwitch can hold", "max-rate above the link's speed"
CASES = (
    Broken("qos", "QoS type not known", ALL, HTB, "ovs-vsctl --timeout=30 set qos {p} type=my-qos"),
    Broken("qos", _UNSUPPORTED, ALL, HTB, "ovs-vsctl --timeout=30 set qos {p} type=egress-policer"),
    Broken("qos", _UNSUPPORTED, ALL, _PATCHED, HTB.replace("{p}", "{b}x"), at="{b}x"),
    Broken("qos", "QoS on an internal port limits the other direction", REAL, _INTERNAL, HTB.replace("{p}", "{b}v"), at="{b}v"),
    Broken(
        "qos", "queues cannot be selected on the userspace datapath", USERSPACE, HTB,
        "ovs-vsctl --timeout=30 set qos {p} queues:1=@1 -- --id=@1 create queue other_config:max-rate=5000000",
    ),
    Broken(
        "qos", "the interface is not open", ALL, HTB, "ovs-vsctl --no-wait set interface {p} type=nosuch", stays=True, also=[_UNSUPPORTED],
    ),
    Broken("qos", "the interface is not open", KERNEL, HTB, "ip link del {p}; ovs-vsctl --timeout=30 set port {p} external_ids:a=b", stays=True),
    Broken("qos", "the qdisc is not installed", REAL, HTB, "tc qdisc del dev {p} root"),
    Broken("qos", "the qdisc is not installed", REAL, HTB, "ip link set {p} down; tc qdisc del dev {p} root"),
    Broken("qos", "a foreign qdisc is in the way", REAL, HTB, "tc qdisc replace dev {p} root handle 7: htb"),
    Broken("qos", "a foreign qdisc is in the way", REAL, HTB, "tc qdisc del dev {p} root; tc qdisc add dev {p} root handle 1: htb default 30"),
    Broken("qos", "value not an integer", ALL, HTB, "ovs-vsctl --timeout=30 set qos {p} other_config:max-rate=10mbit", also=[_UNKNOWN_SPEED]),
    Broken("qos", "value not an integer", ALL, HTB, _QUEUE_0 + "min-rate=1e6"),
    Broken(
        "qos", "a key that is spelt wrong", ALL, HTB,
        "ovs-vsctl --timeout=30 remove qos {p} other_config max-rate -- set qos {p} other_config:max_rate=10000000", also=[_UNKNOWN_SPEED],
    ),
    Broken(
        "qos", "number of a queue too high", MARKED, HTB,
        "ovs-vsctl --timeout=30 set qos {p} queues:70000=@1 -- --id=@1 create queue other_config:max-rate=5000000",
    ),
    Broken("qos", "min above max", ALL, HTB, _QUEUE_0 + "min-rate=5000000 other_config:max-rate=4000000"),
    Broken("qos", "sum of min rates above the max rate", ALL, HTB, _QUEUE_0 + "min-rate=12000000"),
    Broken("qos", "queue's max above the port's", ALL, HTB, _QUEUE_0 + "max-rate=12000000"),
    Broken("qos", "burst under the MTU", ALL, HTB, _QUEUE_0 + "burst=8000"),
    Broken("qos", "no flow leads to a queue", MARKED, TWO, "ovs-ofctl del-flows {b}; ovs-ofctl add-flow {b} actions=NORMAL"),
    Broken(
        "qos", "no flow leads to a queue", MARKED, TWO, stays=True,
        breaks="ovs-ofctl del-flows {b}; ovs-ofctl add-flow {b} ip,actions=set_queue:1,pop_queue,NORMAL; ovs-ofctl add-flow {b} priority=1,actions=NORMAL",
    ),
    Broken("qos", "a flow leads to a queue that is not there", MARKED, HTB, "ovs-ofctl add-flow {b} udp,actions=set_queue:4,output:{n}"),
    Broken(
        "qos", "no queue 0 for unclassified traffic", MARKED, TWO,
        "ovs-vsctl --timeout=30 remove qos {p} queues 0 -- destroy queue $(ovs-vsctl get qos {p} queues:0)",
    ),
    Broken("qos", _UNKNOWN_SPEED, DUMMY, HTB, "ovs-vsctl --timeout=30 remove qos {p} other_config max-rate"),
    Broken(
        "qos", _UNKNOWN_SPEED, KERNEL, "ip link add {b}d type dummy; ovs-vsctl --timeout=30 add-port {b} {b}d",
        HTB.replace("{p}", "{b}d").replace("other_config:max-rate=10000000 ", ""), at="{b}d",
    ),
    Broken("qos", "QoS row shared by several ports", ALL, HTB, "ovs-vsctl --timeout=30 set port {o} qos=$(ovs-vsctl get port {p} qos)"),
    Broken("qos", _TOO_FAST, ALL, HTB, "ovs-vsctl --timeout=30 set qos {p} other_config:max-rate=40000000000", also=[_ABOVE]),
    Broken("qos", "a rate that is none", MARKED, HTB, _QUEUE_0 + "max-rate=7"),
    Broken("qos", "rate of a queue under the least", ALL, HTB, _QUEUE_0 + "max-rate=5000"),
    Broken("qos", "priority of a queue too high", ALL, HTB, _QUEUE_0 + "priority=9"),
    Broken("qos", "burst longer than tc can hold", ALL, HTB, _QUEUE_0 + "min-rate=20000 other_config:burst=10000000"),
    Broken(
        "qos", "sum of min rates above the max rate", MARKED, TWO, "ovs-vsctl set qos {p} other_config:max-rate=20000",
        also=["queue's max above the port's"],
    ),
    Broken("qos", "dscp of queue 0 marks nothing by itself", MARKED, HTB, "ovs-vsctl set queue $(ovs-vsctl get qos {p} queues:0) dscp=10"),
    Broken("qos", "a key that this Open vSwitch does not read", ALL, "true", _MADE + "linux-netem other_config:jitter=5", also=[_UNINSTALLED]),
    Broken("qos", "value out of range", ALL, "true", _MADE + "linux-netem other_config:loss=101", also=[_UNINSTALLED]),
    Broken(
        "qos", "queues of linux-hfsc without a max on a fast port", MARKED, HTB,
        "ovs-vsctl set qos {p} type=linux-hfsc other_config:max-rate=5000000000",
    ),
    Broken(
        "qos", "link speed of a tap and no max-rate", KERNEL, "ovs-vsctl --timeout=30 add-port {b} {b}t -- set interface {b}t type=tap",
        HTB.replace("{p}", "{b}t").replace("other_config:max-rate=10000000 ", ""), at="{b}t",
    ),
    Broken("police", "packet burst much larger than the rate", MARKED, "true", "ovs-vsctl set interface {p} ingress_policing_kpkts_rate=1"),
    Broken(
        "police", "burst above what this Open vSwitch can hold", MARKED, POLICED,
        "ovs-vsctl set interface {p} ingress_policing_rate=30000000 ingress_policing_burst=20000000",
    ),
    Broken("qos", "traffic goes in the other direction than the limit", USERSPACE, HTB, "send {h}", stays=True),
    Broken("qos", "traffic goes in the other direction than the limit", KERNEL, HTB, "send {h}"),
    Broken("police", "a burst without a rate", MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_rate=0"),
    Broken("police", "policing not supported by this interface", ALL, _PATCHED, POLICED.replace("{p}", "{b}x"), at="{b}x"),
    Broken("police", "policing has no effect on the userspace datapath", USERSPACE, "true", POLICED),
    Broken(
        "police", "policing of an internal port limits the other direction", REAL, _INTERNAL, POLICED.replace("{p}", "{b}v"), at="{b}v",
        also=["policing is not installed"],  # where the kernel lacks act_police
    ),
    Broken(
        "police", "the interface is not open", MARKED, POLICED, "ovs-vsctl --no-wait set interface {p} type=nosuch", stays=True,
        also=["policing not supported by this interface"],
    ),
    Broken(
        "police", "a rate and a packet rate together", KERNEL, POLICED,
        "ovs-vsctl --timeout=30 set interface {p} ingress_policing_kpkts_rate=2 ingress_policing_kpkts_burst=1",
    ),
    Broken("police", "policing is not installed", KERNEL, POLICED, "tc qdisc del dev {p} ingress"),
    Broken("police", "policing is not installed", KERNEL, POLICED, "tc filter del dev {p} parent ffff:"),
    Broken("police", "a foreign qdisc is in the way", KERNEL, "true", "tc qdisc add dev {p} clsact; " + POLICED),
    Broken("police", "burst under the MTU", MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_burst=8"),
    Broken("police", "burst too small for TCP", MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_burst=100"),
    Broken("police", "burst much larger than the rate", MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_burst=20000"),
    Broken("police", "burst much larger than the rate", MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_rate=1000 ingress_policing_burst=0"),
    Broken("police", "traffic goes in the other direction than the limit", KERNEL, POLICED, "send {o}h"),
    Broken(
        "police", _TOO_FAST, MARKED, POLICED, "ovs-vsctl --timeout=30 set interface {p} ingress_policing_rate=50000000 ingress_policing_burst=12500000",
        also=["burst above what this Open vSwitch can hold"],
    ),
)  # fmt: skip
# Tested in test_check_rules.py and test_steer.py; the row of a queue is only missing while another client writes.
ELSEWHERE = frozenset(
    [
        "no packet matches this",
        "a packet rate on a port of DPDK",
        "max-rate above the link's speed",
        "policing has no effect on ports of AF_XDP",
        "QoS has no effect on ports of AF_XDP",
        "the row of a queue is gone",
    ]
)
# Problems of the whole switch, reported once and for no port.
WIDE = (
    Broken(
        "qos",
        "rows that nothing refers to",
        ALL,
        "true",
        "ovs-vsctl -- create qos type=linux-htb queues:0=@0 -- --id=@0 create queue dscp=1",
    ),
    Broken("qos", "stats-update-interval is unusual", ALL, "true", "ovs-vsctl set open_vswitch . other_config:stats-update-interval=60000"),
)
OF_THE_KERNEL = tuple(case for case in CASES if case.problem == "link speed of a tap and no max-rate")
_SEND = """import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind((sys.argv[1], 0))
    for _ in range(1000):
        raw.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1\\x88\\xb5" + bytes(1400))"""


class Bed:
    """The cases of one datapath on one switch, each on its own bridge."""

    def __init__(self, switch, datapath: str, cases: Sequence[Broken]):
        self.switch, self.datapath = switch, datapath
        self.cases = [(case, self._names(number)) for number, case in enumerate(cases) if datapath in case.where.split()]
        lines = [line for _, names in self.cases for port in (names["p"], names["o"]) for line in _veth(port)]
        if switch.box.namespace:
            subprocess.run(["ip", "-n", switch.box.namespace, "-batch", "-"], input="\n".join(lines), text=True, check=True)
        for _, names in self.cases:
            made = f"add-br {{b}} -- set bridge {{b}} datapath_type={datapath} -- add-port {{b}} {{p}} -- set interface {{p}} ofport_request={{n}}"
            self.run(f"ovs-vsctl --no-wait {made} -- add-port {{b}} {{o}}", names)
        self.run("ovs-vsctl --timeout=30 set open_vswitch . external_ids:made=yes", {})
        for case, names in self.cases:
            self.run(case.healthy, names)

    def _names(self, number: int) -> dict[str, str]:
        port = f"c{number}p"
        return {"b": f"c{number}", "p": port, "o": f"c{number}o", "h": f"{port}h", "n": "7", "datapath": self.datapath}

    def run(self, step: str, names: dict[str, str]) -> None:
        """Run a line of sh where the switch's interfaces are."""
        script = step.format(**names)
        argv = ["sh", "-ec", script]
        if script.startswith("send "):
            argv = ["python3", "-c", _SEND, script.split()[1]]
        inside = ["ip", "netns", "exec", self.switch.box.namespace] if self.switch.box.namespace else []
        done = subprocess.run([*inside, *argv], env=self.switch.environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (script, done.stderr)

    def judge(self) -> None:
        """Assert that the checks report nothing while all is healthy, each problem once it is broken, and nothing more after its remedy."""
        assert self._found() == {}
        for case, names in self.cases:
            self.run(case.breaks, names)
        found = self._found()
        for case, names in self.cases:
            rows = found.get((case.command, case.at.format(**names)), [])
            problems = {row["problem"] for row in rows}
            assert case.problem in problems and problems <= {case.problem, *case.also}, (case, rows)
            assert all(row["severity"] in (severity_of(row["problem"]), "warning") for row in rows), (case, rows)
            for remedy in {row["remedy"] for row in rows if row["problem"] == case.problem}:
                self._paste(remedy)
        left = self._found()
        for case, names in self.cases:
            problems = {row["problem"] for row in left.get((case.command, case.at.format(**names)), [])}
            assert (case.problem in problems) == case.stays, (case, problems)
        if self.datapath == "dummy":  # these depend on the database alone
            self._judge_wide()

    def _judge_wide(self) -> None:
        for case in WIDE:
            self.run(case.breaks, {})
            rows = self._found()[case.command, None]
            assert {row["problem"] for row in rows} == {case.problem}
            self._paste(rows[0]["remedy"])
            assert (case.command, None) not in self._found()

    def remove(self) -> None:
        """Remove all cases."""
        bridges = [bridge for _, names in self.cases for bridge in (names["b"], f"{names['b']}i")]
        ports = [port for _, names in self.cases for port in (names["p"], names["o"])]
        self.switch.ovstool(["qos", "clear", *ports])
        self.switch.tool("ovs-vsctl", "--timeout=30", *(word for bridge in bridges for word in ("--", "--if-exists", "del-br", bridge)))
        for port in ports:
            subprocess.run(["ip", "-n", self.switch.box.namespace, "link", "del", port], capture_output=True, check=False)

    def _paste(self, remedy: str) -> None:
        for step in remedy.split(" && "):
            if step.startswith("ovstool "):
                done = self.switch.ovstool(shlex.split(step)[1:])
                assert done.code == 0, (step, done.stderr)
            else:
                self.run(step, {})

    def _found(self) -> dict[tuple[str, str | None], list[dict]]:
        """The rows of both checks by command and port."""
        found: dict[tuple[str, str | None], list[dict]] = {}
        for command in ("qos", "police"):
            for row in setups.found(self.switch, f"{command} check"):
                found.setdefault((command, row["port"]), []).append(row)
        return found


def _veth(port: str) -> list[str]:
    return [f"link add {port} type veth peer name {port}h", f"link set {port} up", f"link set {port}h up"]
