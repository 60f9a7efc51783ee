"""Switches whose traffic is measured: on the kernel datapath, and on the userspace datapath where that can do the same.

A machine that has the kernel datapath runs its tests like any others. Elsewhere they run in a guest (uml.py): the first of them boots it,
one pytest inside runs them all and writes each report to a file, and the reports are replayed here under the tests' own names as they
arrive.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator

import pytest
import uml

from ovstool import sandbox

_DATAPATHS = {"kernel": "system", "userspace": "netdev"}
_PORTS = [f"eth{number}" for number in range(1, 9)]  # so that several pairs of hosts can be measured at once
_REPORTS = "OVSTOOL_LAB_REPORTS"  # in the guest: the file for the reports
_MORE_S = 5 * int(os.environ.get("SETUPS") or 0)  # additional time for the setups of $SETUPS (setups.py)
_ALL_S = 600 + 2 * _MORE_S  # for all tests in the guest
_ONE_S = 90 + _MORE_S  # for booting it, or for one test
_GUEST = pytest.StashKey["_Guest"]()


@pytest.fixture(scope="session", params=_DATAPATHS)
def datapath(request) -> str:
    """Both datapaths in turn; a test that needs the kernel's sets this parameter itself."""
    if request.param == "kernel" and (problem := sandbox._system_problem()):
        pytest.skip(f"the system datapath {problem}, and a guest that has it {uml.problem()}")
    if request.param == "userspace" and (problem := sandbox._netdev_problem()):
        pytest.skip(f"the netdev datapath {problem}")
    return request.param


@pytest.fixture(scope="session")
def _shared(datapath, running_switch):
    with running_switch(_DATAPATHS[datapath], _PORTS) as switch:
        yield switch


@pytest.fixture
def switch(_shared):
    """A switch with hosts on eth1 to eth8, shared by all tests; its configuration is removed after each."""
    yield _shared
    clear = []
    for port in _PORTS:
        columns = [f"ingress_policing_{name}=0" for name in ("rate", "burst", "kpkts_rate", "kpkts_burst")]
        clear += ["--", "clear", "port", port, "qos", "--", "set", "interface", port, *columns]
    everything = ["--", "--all", "destroy", "qos", "--", "--all", "destroy", "queue", "--", "clear", "bridge", "br0", "sflow"]
    _shared.tool("ovs-vsctl", "--timeout=20", *clear, *everything)
    _shared.tool("ovs-ofctl", "del-flows", "br0")
    _shared.tool("ovs-ofctl", "add-flow", "br0", "priority=0,actions=normal")


def _is_for_guest(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("datapath") == "kernel"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests for the guest first, because they take longest and run one after the other."""
    items.sort(key=lambda item: not _is_for_guest(item))


# --- outside the guest


class _Guest:
    """The guest that runs all tests of this session that are for it, and their reports."""

    def __init__(self, items: list[pytest.Item], config: pytest.Config):
        self.config = config
        root = config.rootpath
        environ = {name: value for name, value in os.environ.items() if name in ("CI", "PYTHONPATH", "PYTHONHOME", "SETUPS", "SEED")}
        options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--color=no", "-c", str(config.inipath), "--rootdir", str(root)]
        pytest_words = [sys.executable, "-m", "pytest", *options, *(str(root / item.nodeid) for item in items)]
        assignments = " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())
        script = f'cd {shlex.quote(str(root))} && {_REPORTS}="$lab/reports" {assignments} exec {shlex.join(pytest_words)}'
        self.guest = uml.Guest(script, _ALL_S)
        self.guest.__enter__()
        config.add_cleanup(lambda: self.guest.__exit__())
        reports = self.guest.directory / "reports"
        reports.touch()
        self.reports = reports.open()
        config.add_cleanup(self.reports.close)
        self.end = time.monotonic() + _ALL_S

    def run(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """The guest that runs all of this session's tests that need it, and their reports."""
        while line := self._next_line():
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            if isinstance(report.longrepr, list):  # the place and reason of a skipped test, a tuple that JSON turned into a list
                report.longrepr = tuple(report.longrepr)
            yield report
            if report.when == "teardown":
                return
        what = "hangs" if self.guest.is_running() else "has ended"
        self.guest.kill()
        why = f"the lab {what}; what it printed:\n\n{self.guest.console()}"
        yield pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")

    def _next_line(self) -> str:
        line, end = "", min(self.end, time.monotonic() + _ONE_S)
        while not line.endswith("\n"):
            was_running = self.guest.is_running()
            part = self.reports.readline()
            line += part
            if not part:
                if not was_running or time.monotonic() > end:
                    return ""
                time.sleep(0.05)
        return line


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if not _is_for_guest(item) or _REPORTS in os.environ or not sandbox._system_problem() or uml.problem():
        return None
    stash = item.config.stash
    if _GUEST not in stash:
        stash[_GUEST] = _Guest([other for other in item.session.items if _is_for_guest(other)], item.config)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in stash[_GUEST].run(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


# --- in the guest


class _Reporter:
    def __init__(self, config: pytest.Config, path: str):
        self.config, self.file = config, open(path, "a")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        print(json.dumps(data), file=self.file, flush=True)


def pytest_configure(config: pytest.Config) -> None:
    if path := os.environ.get(_REPORTS):
        config.pluginmanager.register(_Reporter(config, path))
