"""The switch that tests use: private daemons, reset for each test, and judged by Open vSwitch's own tools.

``make test`` runs them in parallel with pytest-xdist, in more processes than there are cores, because most of their time is waiting.
Tests that share a lab or a switch run one after the other in one process.
"""

import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from forked import FORKS
from ovs_version import POLICING
from renewed import Renewed

from ovstool import sandbox

_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_S = 60
_NICE = -10
_OF_ITS_BRIDGES = ("ovs-vsctl", "ovs-ofctl")  # tools that change only the database, or only what is deleted with a bridge
_WORKERS = 8  # enough for two cores: a test spends three quarters of its time waiting


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    stdout: str
    stderr: str
    code: int

    @property
    def json(self):
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Switch:
    """A running sandbox with bridge br0 and ports eth1 and eth2, and other tools to inspect it."""

    box: sandbox.Sandbox
    others: list[str] = field(default_factory=list, compare=False)  # programs that may have changed more than the database and the flows

    @property
    def environ(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith(("OVS", "CLIFF"))} | self.box.environ

    def ovstool(self, command: str | list[str], **environ: str) -> Result:
        """Run ovstool as a user does, in a separate process."""
        words = shlex.split(command) if isinstance(command, str) else command
        done = FORKS.run_text(words, self.environ | environ, timeout_s=_TIMEOUT_S)
        return Result(done.stdout, done.stderr, done.returncode)

    @contextmanager
    def streaming(self, command: str) -> Iterator[subprocess.Popen]:
        """An ovstool that prints until it is stopped, as a process with pipes."""
        argv = [sys.executable, "-m", "ovstool", *shlex.split(command)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(argv, env=self.environ, **pipes) as process:
            try:
                yield process
            finally:
                process.kill()

    def tool(self, *argv: str) -> str:
        """Run one of Open vSwitch's own tools on this switch and return what it prints."""
        if argv[0] not in _OF_ITS_BRIDGES and argv[:2] != ("ovsdb-client", "transact"):
            self.others.append(argv[0])
        done = subprocess.run(argv, env=self.environ, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def vsctl(self, command: str) -> str:
        return self.tool("ovs-vsctl", "--timeout=20", *shlex.split(command))

    def wait_for_bridge(self, name: str) -> None:
        """Wait until the bridge is in the database; ovs-vswitchd may not have created it yet."""
        wait = {"op": "wait", "timeout": 20_000, "table": "Bridge", "where": [["name", "==", name]]}
        wait |= {"columns": ["name"], "until": "==", "rows": [{"name": name}]}
        assert self.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", wait])) == "[{}]"

    def rows(self, table: str, *columns: str) -> list[dict]:
        """Rows of a table as ovs-vsctl prints them, in OVSDB's JSON."""
        out = json.loads(self.vsctl(f"--format=json {'--columns=' + ','.join(columns) if columns else ''} list {table}"))
        return [dict(zip(out["headings"], row, strict=True)) for row in out["data"]]

    def dump(self) -> str:
        """The configuration as text, without the values that ovs-vswitchd writes; equal before and after means that nothing changed."""
        tables = {
            "Bridge": ("name", "ports", "controller", "fail_mode", "protocols", "other_config", "external_ids", "sflow", "datapath_type"),
            "Port": ("name", "interfaces", "tag", "trunks", "qos", "bond_mode", "lacp", "external_ids"),
            "Interface": ("name", "type", "options", "external_ids", *POLICING),
            "QoS": ("_uuid", "type", "other_config", "queues", "external_ids"),
            "Queue": ("_uuid", "other_config", "dscp", "external_ids"),
            "sFlow": ("agent", "targets", "sampling", "polling", "header"),
            "Controller": ("target",),
        }
        lists = " -- ".join(f"--columns={','.join(columns)} list {table}" for table, columns in tables.items())
        answers = zip(tables, self.vsctl(f"--format=json -- {lists}").splitlines(), strict=True)
        return "\n".join(sorted(f"{table} {json.dumps(row)}" for table, answer in answers for row in json.loads(answer)["data"]))

    def orphans(self) -> list[str]:
        """The QoS and Queue rows that nothing refers to."""
        attached = {json.dumps(row["qos"]) for row in self.rows("Port", "qos")}
        qos = self.rows("QoS", "_uuid", "queues")
        queued = {json.dumps(queue) for row in qos for _, queue in row["queues"][1]}
        orphans = [f"QoS {row['_uuid'][1]}" for row in qos if json.dumps(row["_uuid"]) not in attached]
        return orphans + [f"Queue {row['_uuid'][1]}" for row in self.rows("Queue", "_uuid") if json.dumps(row["_uuid"]) not in queued]


@contextmanager
def _running(datapath: str, ports: Sequence[str] = ("eth1", "eth2")) -> Iterator[Switch]:
    """A sandbox that runs during the block; pytest's own tmp_path may be too long for a socket path."""
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as directory, _going_first(datapath != "dummy"):
        box, _ = sandbox.start(Path(directory), datapath, ports)
        try:
            yield Switch(box)
        finally:
            sandbox.stop(Path(directory))


@contextmanager
def _going_first(is_measured: bool) -> Iterator[None]:
    """Give programs started in the block a higher priority, if permitted, because waiting for a core would distort the measurement."""
    if not is_measured:
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture(scope="session")
def running_switch():
    """``with running_switch("system", ["eth1"]) as switch:`` for fixtures with other needs than the ones below."""
    return _running


@pytest.fixture(scope="session")
def _spare() -> Iterator[list[tuple[ExitStack, Renewed]]]:
    """The switch of the previous test, reset."""
    spare: list[tuple[ExitStack, Renewed]] = []
    yield spare
    for stack, _ in spare:
        stack.close()


@pytest.fixture
def switch(_spare) -> Iterator[Switch]:
    """A switch for this test alone on the dummy datapath, as if just started; restarted if an earlier test may have changed the daemons."""
    if not _spare:
        stack = ExitStack()
        _spare.append((stack, Renewed(stack.enter_context(_running("dummy")).box)))
    stack, renewed = _spare[0]
    switch = Switch(renewed.box)
    yield switch
    if switch.others or not renewed.renew():
        _spare.clear()
        stack.close()


@pytest.fixture(scope="module")
def forwarding() -> Iterator[Switch]:
    """A switch that forwards between two hosts, each in a network namespace; the tests of a module share it and clean up after themselves."""
    if problem := sandbox._netdev_problem():
        pytest.skip(f"the netdev datapath {problem}")
    with _running("netdev") as switch:
        yield switch


@pytest.fixture(scope="session")
def unchanged(running_switch):
    """A switch shared by all tests whose commands do not change it."""
    with running_switch("dummy") as switch:
        yield switch


@pytest.fixture(scope="session")
def database(running_switch):
    """A database shared by the tests that fill it themselves; no ovs-vswitchd writes to it."""
    from database import Database  # importing it here because it imports much of ovstool

    with running_switch("dummy", []) as switch:
        switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")
        yield Database(switch)


@functools.cache
def _dump_at_first(unchanged: Switch) -> str:
    return unchanged.dump()


@pytest.fixture
def refused(request):
    """``refused("port del nosuch", 3)``: run a command that must fail, change nothing and print nothing; returns its error line.

    It runs on the test's own switch if it has one.
    """
    has_its_own = "switch" in request.fixturenames
    switch = request.getfixturevalue("switch" if has_its_own else "unchanged")

    def run(command: str | list, code: int, **environ: str) -> str:
        before = switch.dump() if has_its_own else _dump_at_first(switch)
        result = switch.ovstool(command, **environ)
        assert (result.code, result.stdout) == (code, ""), result
        assert result.stderr.startswith("ovstool: "), result.stderr
        assert result.stderr.endswith("\n") and result.stderr[:-1].isprintable(), result.stderr
        assert "a bug in ovstool" not in result.stderr
        assert switch.dump() == before
        return result.stderr.removeprefix("ovstool: ").removesuffix("\n")

    return run


@pytest.fixture
def ovstool(switch: Switch):
    """``ovstool("qos clear eth1")``: run a command on the test's switch."""
    return switch.ovstool


@pytest.fixture
def page(tmp_path):
    """``page(text)``: the path of a document."""

    def write(text: str) -> str:
        path = tmp_path / "page.yaml"
        path.write_text(text)
        return str(path)

    return write


def pytest_configure(config: pytest.Config) -> None:
    # A shell ignores some of these signals for background jobs, nohup(1) ignores another, and programs started by the tests inherit that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The workers for ``-n auto``: none when tests are named one by one, as these take less time than starting workers."""
    return 0 if any("::" in word for word in config.args) else _WORKERS


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        """Gives an idle worker the next group of tests that must stay together, in the order of collection."""

        _split_scope = staticmethod(_kept_together)

    config.option.loadscopereorder = False
    return Scheduler(config, log)


def _kept_together(nodeid: str) -> str:
    """The key shared by all tests that must run in one process."""
    module, _, test = nodeid.partition("::")
    if module.startswith("tests/kernel/") and (datapath := re.search(r"\b(kernel|userspace)\]$", test)):
        return datapath[1]
    return nodeid if _each_has_its_own(module) else module


@functools.cache
def _each_has_its_own(module: str) -> bool:
    """Whether the tests of the module are independent of each other and long enough to be scheduled separately."""
    shared = r'scope="module"|def .*\b(?:forwarding|lab|database)\b'
    return not module.startswith(("tests/unit/", "tests/test_house.py")) and not re.search(shared, (_ROOT / module).read_text())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return _never_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _never_skipped((yield))


def _never_skipped(report):
    """In CI, fail a test that would be skipped, as its requirements must be installed there."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, which nothing may be in CI: {report.longrepr}"
    return report
