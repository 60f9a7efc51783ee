"""Recordings that others change: the file is removed, the process is ended, and the content is malicious."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from ovstool import recording
from ovstool.errors import Conflict, OvstoolError, Refused, UsageError
from ovstool.rates import COUNTERS, Reading
from ovstool.recording import csv_format, files, sqlite_format

BOTH = pytest.mark.parametrize("name", ["rec.csv", "rec.db"])
_PATIENCE_S = 30
COLUMNS = ", ".join(files.COLUMNS)
RECORDER = (
    "import sys, time; from ovstool import recording; from ovstool.rates import Reading\n"
    "with recording.append(sys.argv[1], print) as recorder:\n"
    "    for i in range(10**6):\n"
    "        recorder.add([Reading(float(i), 'br0', 'eth1', None, {'rx_bytes': i})])\n"
    "        if i == 50: print('under way', flush=True)\n"
    "        time.sleep(0.001)"
)


def reading(moment: float = 1.0, port: str = "eth1") -> Reading:
    return Reading(moment, "br0", port, None, dict.fromkeys(COUNTERS, 1))


def read(path) -> list[Reading]:
    return [found for _, found in recording.read(str(path), print)]


def count_in_the_file_alone(path, tmp_path) -> int:
    """The readings in the file alone, without files next to it, as in a copy."""
    copy = tmp_path / f"copy{path.suffix}"
    copy.write_bytes(path.read_bytes())
    return len(read(copy))


def removed(path):
    path.unlink()


def moved(path):
    path.rename(path.with_name("moved" + path.suffix))


def replaced(path):
    path.with_name("new").write_text("somebody else's")
    path.with_name("new").rename(path)


def folder_removed(path):
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()


def folder_moved(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


TAKEN = pytest.mark.parametrize("take", [removed, moved, replaced, folder_removed, folder_moved])


@BOTH
@TAKEN
@pytest.mark.parametrize("when", ["before the next readings", "before the end"])
def test_a_file_that_is_removed_or_replaced(tmp_path, name, take, when):
    path = tmp_path / "folder" / name
    path.parent.mkdir()
    with pytest.raises(Refused, match="was removed or replaced by another file"), recording.append(str(path), print) as recorder:
        recorder.add([reading()])
        take(path)
        if when == "before the end":
            recorder.summary()
        else:
            recorder.add([reading(2.0)])
    if take is replaced:
        assert path.read_text() == "somebody else's"
    if take is moved:
        assert len(read(path.with_name("moved" + path.suffix))) == 1  # nothing written is lost


@BOTH
def test_a_file_of_another_program_is_not_removed_with_an_empty_recording(tmp_path, name):
    path = tmp_path / name
    with recording.append(str(path), print):
        replaced(path)
    assert path.read_text() == "somebody else's"


@BOTH
def test_the_command_says_that_the_file_is_gone(switch, tmp_path, name):
    path = tmp_path / name
    argv = [sys.executable, "-m", "ovstool", "stats", "record", path, "--interval", "0.01", "--for", "20"]
    with subprocess.Popen(argv, env=switch.environ, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while not (path.exists() and path.stat().st_size):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            path.unlink()
            _, stderr = process.communicate(timeout=_PATIENCE_S)
        finally:
            process.kill()
    assert (process.returncode, stderr) == (6, f"ovstool: {path}: was removed or replaced by another file while recording\n")


@BOTH
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_the_file_has_all_that_was_written_when_a_signal_ends_it(tmp_path, name, how):
    path = tmp_path / name
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == b"under way\n"
            process.send_signal(how)
            process.wait(_PATIENCE_S)
        finally:
            process.kill()
    if how != signal.SIGINT:  # an exception there, not the default action of the signal
        assert process.returncode == -how
    if how != signal.SIGKILL:
        assert os.listdir(tmp_path) == [name]
        assert count_in_the_file_alone(path, tmp_path) > 50
    assert [found.time for found in read(path)] == [float(i) for i in range(len(read(path)))] and len(read(path)) > 50


@BOTH
def test_a_signal_that_is_ignored_stays_ignored(tmp_path, name):
    path = tmp_path / name
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER.replace("10**6", "200"), path], stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == b"under way\n"
            process.send_signal(signal.SIGHUP)
            assert process.wait(_PATIENCE_S) == 0
        finally:
            process.kill()
    assert len(read(path)) == 200


NAMES = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''=1", "'eth1", "eth1'", " =1", "\uff1d1", "-", "'", "a,=b", '"=1"', "=cmd|' /C calc'!A0"]


@BOTH
@pytest.mark.parametrize("port", NAMES)
def test_names_that_look_like_formulas_are_read_as_they_were_written(tmp_path, name, port):
    path = tmp_path / name
    with recording.append(str(path), print) as recorder:
        recorder.add([reading(port=port)._replace(bridge=port)], host=port)
    [(host, found)] = recording.read(str(path), print)
    assert (host, found.bridge, found.port) == (port, port, port)


def test_no_cell_of_a_recording_is_a_formula(tmp_path):
    import csv

    path = tmp_path / "rec.csv"
    with recording.append(str(path), print) as recorder:
        recorder.add([reading(port=name) for name in NAMES])
    with open(path, newline="", encoding="utf-8") as file:
        cells = [row["port"] for row in csv.DictReader(file)]
    assert len(cells) == len(NAMES) and not [cell for cell in cells if cell.lstrip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r"))]


VALUES = f"1, '', 'br0', 'eth1', 1, {', '.join('1' * len(COUNTERS))}"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
SCHEMAS = {
    "a view without an end": f"CREATE VIEW readings ({COLUMNS}) AS {ENDLESS}, '', 'br0', 'eth1', 1{', 1' * len(COUNTERS)} FROM n",
    "a view in capitals": f"CREATE VIEW READINGS ({COLUMNS}) AS SELECT {VALUES}",
    "a generated column": sqlite_format.TABLE.replace("host TEXT", "host TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))) VIRTUAL"),
    "a stored generated column": sqlite_format.TABLE.replace("host TEXT", "host TEXT AS ('x') STORED"),
    "a virtual table": f"CREATE VIRTUAL TABLE readings USING fts5({COLUMNS})",
    "a column too many": sqlite_format.TABLE.replace("host TEXT", "host TEXT, more TEXT"),
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_database_with_another_schema(tmp_path, schema):
    path = tmp_path / "rec.db"
    with closing(sqlite3.connect(path)) as db, db:
        try:
            db.execute(schema)
        except sqlite3.OperationalError as error:
            assert "no such module" in str(error)  # then no other SQLite here could create it either
            return
    before = path.read_bytes()
    with pytest.raises(Conflict, match="not a recording of ovstool"):
        read(path)
    with pytest.raises(Conflict, match="not a recording of ovstool"), recording.append(str(path), print):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "was, now", [(b"(time REAL", b"\xee\xfftime RE"), (b"CREATE TABLE", b"CREAT\xee TABLE"), (b"bridge TEXT", b"br\xeedge TEXT")]
)
def test_a_schema_that_is_not_text(tmp_path, was, now):
    """SQLite repeats it in an error message that Python cannot decode."""
    path = tmp_path / "rec.db"
    with recording.append(str(path), print) as recorder:
        recorder.add([reading()])
    path.write_bytes(path.read_bytes().replace(was, now))
    for use in (lambda: read(path), lambda: recording.append(str(path), print).__enter__()):
        with pytest.raises((Conflict, Refused)):
            use()


@pytest.mark.parametrize(
    "extra",
    [
        "CREATE TRIGGER t AFTER INSERT ON readings BEGIN DELETE FROM readings; END",
        "CREATE TRIGGER readings BEFORE INSERT ON readings BEGIN SELECT RAISE(IGNORE); END",
    ],
)
def test_nothing_is_appended_to_a_database_with_a_trigger(tmp_path, extra):
    path = tmp_path / "rec.db"
    with recording.append(str(path), print) as recorder:
        recorder.add([reading()])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(extra)
    with pytest.raises(Conflict, match="not a recording of ovstool"), recording.append(str(path), print) as recorder:
        recorder.add([reading(2.0)])


@pytest.mark.parametrize("port, rows", [("eth1", 2000), ("x" * 3000, 100)], ids=["many rows in a page", "one row in a page"])
def test_a_database_whose_pages_go_in_a_circle(tmp_path, port, rows):
    """All children of the root are its first child: each row is repeated, and in deeper trees endlessly."""
    path = tmp_path / "rec.db"
    with recording.append(str(path), print) as recorder:
        recorder.add([reading(float(i), port) for i in range(rows)])
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    root = size  # the table's root page, which is the second
    assert content[root] == 5  # an interior page
    cells = int.from_bytes(content[root + 3 : root + 5], "big")
    first = int.from_bytes(content[root + 12 : root + 14], "big")
    for i in range(cells):
        cell = root + int.from_bytes(content[root + 12 + 2 * i : root + 14 + 2 * i], "big")
        content[cell : cell + 4] = content[root + first : root + first + 4]
    path.write_bytes(content)
    with pytest.raises((Conflict, Refused)):
        read(path)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="SQLite's limits cannot be set")
def test_a_huge_value(tmp_path):
    path = tmp_path / "rec.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sqlite_format.TABLE)
        db.execute(f"INSERT INTO readings VALUES ({VALUES.replace(chr(39) + 'eth1' + chr(39), 'hex(zeroblob(50000000))')})")
    with pytest.raises(OvstoolError):
        read(path)


@BOTH
@pytest.mark.parametrize("kind", ["fifo", "a link to a fifo", "a folder", "a link to nothing", "a link to itself", "a device"])
def test_paths_that_are_not_files_are_refused_at_once(tmp_path, name, kind):
    path = tmp_path / name
    if kind == "a folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        target = {"a link to a fifo": tmp_path / "fifo", "a link to itself": path, "a device": "/dev/zero"}.get(kind, tmp_path / "nosuch")
        if "fifo" in kind:
            os.mkfifo(target)
        path.symlink_to(target)
    with pytest.raises(OvstoolError) as caught:
        read(path)
    assert str(caught.value).isprintable() and (kind not in ("fifo", "a device") or isinstance(caught.value, UsageError))


def test_an_endless_line_is_not_kept(tmp_path):
    """In another process, with 64 MiB more than it needs otherwise."""
    path = tmp_path / "rec.csv"
    with open(path, "wb") as file:
        file.write(csv_format.HEADER)
        file.truncate(2**30)
    code = "import sys; from ovstool import recording\nfor _ in recording.read(sys.argv[1], print): pass"
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Conflict" in done.stderr and "MemoryError" not in done.stderr
