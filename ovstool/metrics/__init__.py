"""What Prometheus is told about one switch: its state and its counters, read at once.

``families`` says what there is, ``exposition`` makes it text. Each other module reads a part of the switch, which may fail alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import ovstool
from ovstool.errors import OvstoolError, of_a_bug, of_the_machine, quote
from ovstool.metrics import answers, bridges, counters, daemons, database, interfaces, problems, shaping
from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading
from ovstool.ovsdb.transaction import Query, Row
from ovstool.switch import Switch, lookup

Part = tuple[str, Callable[[], object]]

_BEFORE = (Query("Bridge", [], ("name", "datapath_type")), lookup.ports_with_qos(("interfaces",)))


def read(switch: Switch, ports: Sequence[str] | None = None, with_checks: bool = False) -> Reading:
    """The metrics of a switch, of these ports or of all (None); what belongs to no port is always among them.

    A part that cannot be read is left out, noted, and has ``ovstool_collector_success`` 0. ``with_checks``: with the number of problems
    that checks find. Raises NotFound, and if the database cannot be read Unreachable, TimedOut or Refused.
    """
    reading = Reading({})
    reading.add("ovstool_up", (), 1)
    reading.add("ovstool_build_info", (ovstool.__version__,), 1)
    rows, shaped = switch.read_all(_BEFORE)
    questions = _questions(rows)
    wanted = counters.everything(switch, rows, shaped) if ports is None else {}
    pool = ThreadPoolExecutor(2)  # ovsdb-server, ovs-vswitchd and programs work at the same time
    try:
        # About few ports it is asked when their numbers are known.
        every = pool.submit(counters.ask, switch, wanted) if ports is None else None
        asked = pool.submit(daemons.ask, switch, questions)
        stored = _timed(reading, "database", lambda: database.read(switch, ports))
        parts = [*_of_database(stored, reading), *_of_switch(switch, stored, every, reading), *_of_host(stored, questions, asked, reading)]
        for name, collect in parts:
            _attempt(switch, reading, name, collect)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if with_checks and ports != []:
        _attempt(switch, reading, "checks", lambda: problems.collect(switch, ports or (), reading))
    return reading


def read_present(switch: Switch, ports: Sequence[str], with_checks: bool = False) -> Reading:
    """The metrics of those of these ports that are there, with a note about each of the others. Raises as ``read`` does."""
    absent = set(lookup.absent(switch, ports))
    switch.notes += [f"port {quote(port)}: no such port, so it has no metrics" for port in lookup.unique(ports) if port in absent]
    return read(switch, [port for port in ports if port not in absent], with_checks)


def _questions(bridges: Sequence[Row]) -> list[str]:
    """What ovs-vswitchd is asked; only the userspace datapath has PMD threads."""
    has_pmds = any(lookup.datapath_type(row) != "system" for row in bridges)
    return [answers.DATAPATHS, answers.UPCALLS, answers.MEMORY, answers.BONDS, *[answers.PMDS] * has_pmds]


def _of_database(stored: Database, reading: Reading) -> Iterator[Part]:
    yield "interfaces", lambda: interfaces.collect(stored, reading)
    yield "bridges", lambda: bridges.collect(stored, reading)
    yield "qos", lambda: shaping.collect_qos(stored, reading)


def _of_switch(switch: Switch, stored: Database, every: "Future[dict[str, counters.Told]] | None", reading: Reading) -> Iterator[Part]:
    def collect() -> None:
        told = every.result() if every else counters.ask_about(switch, stored)
        counters.collect(switch, stored, told, reading)

    yield "openflow", collect
    yield "policing", lambda: shaping.collect_policing(switch, stored, reading)


def _of_host(stored: Database, questions: Sequence[str], asked: "Future[daemons.Asked]", reading: Reading) -> Iterator[Part]:
    """What takes access to the host of the switch."""
    yield "daemons", lambda: daemons.add_processes(asked.result().parts, reading)
    add: dict[str, tuple[str, Callable[[str], None]]] = {
        answers.DATAPATHS: ("datapath", partial(answers.add_datapaths, reading=reading)),
        answers.UPCALLS: ("upcalls", partial(answers.add_upcalls, reading=reading)),
        answers.MEMORY: ("memory", partial(answers.add_memory, reading=reading)),
        answers.BONDS: ("bonds", partial(answers.add_bonds, database=stored, reading=reading)),
        answers.PMDS: ("pmd", lambda text: answers.add_pmds(text, asked.result().parts, reading)),
    }
    for question in questions:
        name, take = add[question]
        yield name, partial(_take, asked, question, take)


def _take(asked: "Future[daemons.Asked]", question: str, take: Callable[[str], None]) -> None:
    take(asked.result().answer(question))


def _attempt(switch: Switch, reading: Reading, name: str, collect: Callable) -> None:
    try:
        _timed(reading, name, collect)
    except Exception as error:
        reading.add("ovstool_collector_success", (name,), 0)
        note = f"{error.what}: {error.why}" if isinstance(error, OvstoolError) else f"{name}: {of_the_machine(error) or of_a_bug(error)}"
        if not any(said.startswith(note) for said in switch.notes):
            switch.notes.append(note)


def _timed(reading: Reading, name: str, collect: Callable):
    begin = time.monotonic()
    try:
        found = collect()
    finally:
        reading.add("ovstool_collector_duration_seconds", (name,), round(time.monotonic() - begin, 6))
    reading.add("ovstool_collector_success", (name,), 1)
    return found
