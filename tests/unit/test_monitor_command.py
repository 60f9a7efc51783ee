"""``monitor`` as a command: what it prints of a server's updates in each format, when it ends, and what it refuses."""

import io
import json
import re
import socket
import threading
import time
from contextlib import suppress

import pytest
from test_monitor_rows import WHOLE, u

from ovstool.answers import Answer
from ovstool.commands.monitor import Monitor
from ovstool.monitor import FieldChange
from ovstool.monitor.rows import COLUMNS
from ovstool.shell import App
from ovstool.stream import Sample

SCHEMA = {"tables": {table: {"columns": {name: {"type": "string"} for name in names}} for table, names in COLUMNS.items()}}
TAG = {"Port": {u(4): {"modify": {"tag": 6}}}}
RATE = {"QoS": {u(13): {"modify": {"other_config": ["map", [["max-rate", "9000000"]]]}}}}
MOMENT = r"\d\d:\d\d:\d\d(\.\d+)?"
UNKNOWN = "ovstool: note: the database's log: the process of ovsdb-server is not known"


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("OVSTOOL_DB", "OVSTOOL_HOST", "OVS_CTL_TIMEOUT", "TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(tmp_path):
    """The path of a server with all rows, one of which then changes its tag, and another its rate."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/db.sock")
        listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    for number, result in enumerate((SCHEMA, [False, u(1), WHOLE]), 1):
                        connection.sendall(json.dumps({"id": number, "result": result, "error": None}).encode())
                    for update in (TAG, RATE):
                        connection.sendall(json.dumps({"id": None, "method": "update3", "params": ["", u(2), update]}).encode())
                    while connection.recv(2**16):
                        pass
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"unix:{tmp_path}/db.sock"


def ran(line: str, db: str = "unix:/nosuch", stdout: io.StringIO | None = None) -> tuple[int, str, str]:
    app = App(stdout=stdout or io.StringIO(), stderr=io.StringIO())
    code = app.run(["--db", db, *line.split(), *(["--until", "eth1 qos.max_rate=9mbit"] if db != "unix:/nosuch" else [])])
    return int(code), app.stdout.getvalue(), app.stderr.getvalue()


def test_json_lines(server):
    code, out, said = ran("monitor -f json", server)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and all(abs(row.pop("time") - time.time()) < 60 for row in rows)
    assert rows == [
        {"object": "eth1", "field": "tag", "from": 5, "to": 6, "who": None},
        {"object": "eth1", "field": "qos.max_rate", "from": 8_000_000, "to": 9_000_000, "who": None},
    ]
    assert said.startswith(UNKNOWN) and said.count("\n") == 1


def test_a_table_and_lines_are_for_people_and_csv_is_not(server):
    _, table, _ = ran("monitor -f table", server)
    header, tag, rate = [line.replace("|", " ").split() for line in table.splitlines() if re.search(r"\w", line)]
    assert header == ["time", "object", "field", "from", "to", "who"]
    assert tag[1:5] == ["eth1", "tag", "5", "6"] and rate[1:7] == ["eth1", "qos.max_rate", "8", "Mbit/s", "9", "Mbit/s"]
    _, csv, _ = ran("monitor -f csv", server)
    assert csv.splitlines()[0].replace('"', "") == "time,object,field,from,to,who"
    assert csv.splitlines()[2].replace('"', "").split(",")[1:5] == ["eth1", "qos.max_rate", "8000000", "9000000"]


def test_lines_on_a_terminal(server):
    code, out, _ = ran("monitor", server, Screen())
    assert code == 0
    assert re.fullmatch(f"{MOMENT} eth1: tag 5 -> 6\n{MOMENT} eth1: qos.max_rate 8 Mbit/s -> 9 Mbit/s\n", out)
    _, chosen, _ = ran("monitor -c field -f table", server, Screen())
    assert "tag" in chosen and "->" not in chosen and "object" not in chosen


def test_changes_of_some_nouns(server):
    _, out, _ = ran("monitor qos police -f json", server)
    assert [json.loads(line)["field"] for line in out.splitlines()] == ["qos.max_rate"]


def test_a_line_with_the_date_when_that_changes(monkeypatch):
    """It may run for days."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    app = App(stdout=Screen(), stderr=io.StringIO())
    now = time.time()
    changes = [FieldChange(at, "p", "tag", None, 7) for at in (now, now, 1e9, 1e9 + 1, 1e9 + 86400)]
    answers = [
        Answer.awaited(None, host)._replace(result=Sample([change])) for host, change in zip(["h1", *[None] * 4], changes, strict=True)
    ]
    command = Monitor(app, app.options)
    command._print_samples(iter(answers), command.get_parser("ovstool monitor").parse_words([], app.options))
    lines = [re.sub(f"^{MOMENT}", "TIME", line) for line in app.stdout.getvalue().splitlines()]
    one = "TIME p: + tag 7"
    assert lines == ["TIME h1 p: + tag 7", one, "2001-09-09", one, one, "2001-09-10", one]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("monitor --sort-column time", "--sort-column: changes are printed as they happen"),
        ("monitor -f yaml", "yaml"),
        ("monitor prt", "prt"),
        ("monitor -c colour", "colour"),
        ("monitor --until tag==", "--until"),
        ("monitor qos --until tag=7", "tag"),
    ],
)
def test_wrong_usage(line, why):
    code, out, said = ran(line)
    assert (code, out) == (2, "") and why in said


def test_no_server():
    code, out, said = ran("monitor")
    assert (code, out) == (5, "") and "no such socket" in said
