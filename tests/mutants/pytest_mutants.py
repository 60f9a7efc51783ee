"""A pytest plugin that records which test a process works for and how long tests take, and sets the order of a mutant's tests."""

import json
import os
from pathlib import Path


def pytest_collection_modifyitems(items: list) -> None:
    if "MUTANTS_CHOSEN" in os.environ:
        order = {test: number for number, test in enumerate(json.loads(Path(os.environ["MUTANTS_CHOSEN"]).read_text()))}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


def pytest_runtest_protocol(item) -> None:
    os.environ["MUTANTS_TEST"] = item.nodeid  # the coverage of each program that the test starts uses this as its context
    if "COVERAGE_PROCESS_START" in os.environ:
        import coverage

        coverage.Coverage.current().switch_context(item.nodeid)


def pytest_runtest_logreport(report) -> None:
    if "MUTANTS_TIMES" in os.environ:
        with open(os.environ["MUTANTS_TIMES"], "a") as file:
            file.write(json.dumps([report.nodeid, report.when, report.outcome, report.duration]) + "\n")
