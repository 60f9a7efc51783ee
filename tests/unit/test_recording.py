"""Recordings: reading returns what was written, whatever else is in the file."""

import csv
import errno
import os
import resource
import sqlite3
import subprocess
import sys

import pytest

from ovstool import recording
from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError
from ovstool.rates import COUNTERS, Reading
from ovstool.recording import files

FULL = {counter: 10**6 * number for number, counter in enumerate(COUNTERS)}
HEADER = "time,host,bridge,port,duration_s,rx_packets,rx_bytes,rx_dropped,rx_errors,tx_packets,tx_bytes,tx_dropped,tx_errors"
LINE = "1795190400.300000,,br0,eth1,12.500000,0,1,2,3,4,5,6,7"
BOTH = pytest.mark.parametrize("name", ["rec.csv", "rec.db"])


def reading(moment: float = 1795190400.3, port: str = "eth1", **changes) -> Reading:
    return Reading(moment, "br0", port, 12.5, FULL)._replace(**changes)


def append(path, *beats) -> list[str]:
    notes: list[str] = []
    with recording.append(str(path), notes.append) as recorder:
        for beat in beats:
            recorder.add(beat)
    return notes


def read(path) -> tuple[list[Reading], list[str]]:
    notes: list[str] = []
    return [found for _, found in recording.read(str(path), notes.append)], notes


@BOTH
def test_what_is_written_is_read(tmp_path, name):
    beats = [
        [reading(), reading(port='a,"b"'), reading(port="größe")],
        [],
        [reading(1795190401.3, duration_s=None), reading(1795190401.3, port="br0", counters={"tx_bytes": 2**63 - 1})],
    ]
    path = tmp_path / name
    assert append(path, *beats[:2]) == append(path, *beats[2:]) == []
    assert read(path) == ([found for beat in beats for found in beat], [])


@BOTH
def test_a_name_that_would_break_a_line_is_escaped(tmp_path, name):
    append(tmp_path / name, [reading(port="a\nb"), reading(port="\ud800"), reading()])
    assert [found.port for found in read(tmp_path / name)[0]] == ["a\\nb", "\\ud800", "eth1"]


def test_other_tools_read_the_csv(tmp_path):
    append(tmp_path / "rec.csv", [reading(), reading(port='a,"b"', counters={"rx_bytes": 2**64 - 1})])
    with open(tmp_path / "rec.csv", newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first == {"time": "1795190400.300000", "host": "", "bridge": "br0", "port": "eth1", "duration_s": "12.500000"} | {
        counter: str(value) for counter, value in FULL.items()
    }
    assert (second["port"], second["rx_bytes"], second["tx_bytes"]) == ('a,"b"', str(2**64 - 1), "")


def test_a_name_is_quoted_where_rfc_4180_asks_for_it(tmp_path):
    names = ["a,b", 'a"b', '"', ",", "a b", "'a'"]
    append(tmp_path / "rec.csv", [reading(port=name, counters={}) for name in names])
    fields = [line.split(",12.500000,")[0] for line in (tmp_path / "rec.csv").read_text().splitlines()[1:]]
    quoted = ['"a,b"', '"a""b"', '""""', '","', "a b", "'a'"]
    assert fields == [f"1795190400.300000,,br0,{name}" for name in quoted]
    assert [(found.port, found.counters) for found in read(tmp_path / "rec.csv")[0]] == [(name, {}) for name in names]


@pytest.mark.parametrize("names", [("=h", "b", "p"), ("h", "=b", "p"), ("h", "b", "=p"), ("+h", "-b", "@p")])
def test_a_name_that_looks_like_a_formula_is_read_in_its_place(tmp_path, names):
    with recording.append(str(tmp_path / "rec.csv"), print) as recorder:
        recorder.add([reading(port=names[2], bridge=names[1])], names[0])
    ((host, found),) = recording.read(str(tmp_path / "rec.csv"), print)
    assert (host, found.bridge, found.port) == names


def test_other_tools_read_the_database_while_it_is_written(tmp_path):
    with recording.append(str(tmp_path / "rec.sqlite3"), print) as recorder:
        recorder.add([reading(counters={"rx_bytes": 5})])
        assert (tmp_path / "rec.sqlite3").read_bytes()[18:20] == b"\2\2"  # with a log file next to it (SQLite's file format, 1.3.3)
        with sqlite3.connect(tmp_path / "rec.sqlite3") as db:
            assert db.execute("SELECT host, port, rx_bytes, tx_bytes FROM readings").fetchall() == [(None, "eth1", 5, None)]
        db.close()
    assert os.listdir(tmp_path) == ["rec.sqlite3"]  # without a log file
    assert (tmp_path / "rec.sqlite3").read_bytes()[
        18:20
    ] == b"\1\1"  # and in a mode that needs none, so it can be read in a directory without write permission


@BOTH
def test_a_sample_that_cannot_be_written_leaves_nothing(tmp_path, name):
    path = tmp_path / name
    with recording.append(str(path), print) as recorder:
        recorder.add([reading()])
        with pytest.raises((OverflowError, ValueError)):
            recorder.add([reading(), reading(duration_s=2**63 if name == "rec.db" else "x")])
        assert recorder.readings == 1
    assert read(path) == ([reading()], [])


def test_notes_about_a_recording_are_printed_once(tmp_path):
    path = tmp_path / "rec.csv"
    path.write_text(f"{HEADER}\n{LINE}\n{LINE[:9]}")
    notes: list[str] = []
    again = recording.Recording(str(path), notes.append)
    assert [len(list(again)), len(list(again))] == [1, 1]
    assert notes == [f"{path}: the last line is incomplete and was ignored"]


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        append(tmp_path / "rec.csv", [reading()])
    finally:
        os.umask(before)
    assert (tmp_path / "rec.csv").stat().st_mode & 0o777 == 0o640


@BOTH
def test_a_new_recording_without_readings_leaves_no_file(tmp_path, name):
    append(tmp_path / name)
    assert os.listdir(tmp_path) == []
    (tmp_path / name).touch()
    append(tmp_path / name)
    assert (tmp_path / name).exists() and read(tmp_path / name) == ([], [])


def test_a_torn_last_line(tmp_path):
    path = tmp_path / "rec.csv"
    for end in range(len(HEADER) + 1, len(HEADER) + len(LINE) + 1):
        whole = f"{HEADER}\n{LINE}\n"
        path.write_text(whole + whole[len(HEADER) + 1 : end])
        found, notes = read(path)
        assert len(found) == 1
        torn = end > len(HEADER) + 1
        assert ["torn" in note for note in notes] == ["torn" in note for note in append(path, [reading()])] == [True] * torn
        assert path.read_text().splitlines()[:2] == [HEADER, LINE] and len(read(path)[0]) == 2
    for end in range(len(HEADER) + 1):
        path.write_text(HEADER[:end])
        assert read(path)[0] == []
        append(path, [reading()])
        assert len(read(path)[0]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        LINE[:40],
        f"{LINE},8",
        LINE.replace("1795190400.300000", ""),
        LINE.replace("1795190400.300000", "nan"),
        LINE.replace("1795190400.300000", "inf"),
        LINE.replace("1795190400.300000", "-1"),
        LINE.replace("1795190400.300000", "1e9"),
        LINE.replace("1795190400.300000", "9" * 400),
        LINE.replace("12.500000", "nan"),
        LINE.replace(",7", ",7.5"),
        LINE.replace(",7", ",-7"),
        LINE.replace(",7", ",1_0"),
        LINE.replace(",7", f",{2**64}"),
        LINE.replace(",7", "," + "9" * 5000),
        LINE.replace(",7", ",\u0667"),
        LINE.replace("eth1", '"eth1'),
        LINE.replace("eth1", "et\0h1") + ",",
        LINE.replace("eth1", "\udcff"),
        "9" * 200_000,
    ],
)
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "rec.csv"
    path.write_bytes(f"{HEADER}\n{LINE}\n{line}\n{LINE}\n".encode(errors="surrogateescape"))
    with pytest.raises(Conflict, match="line 3"):
        read(path)


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"\x7fELF" * 100, HEADER.upper().encode() + b"\n", b"\0" * 5000, HEADER.encode() + b"x"]
)
@BOTH
def test_another_kind_of_file_is_not_changed(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    for use in (append, read):
        with pytest.raises(Conflict, match="not a recording of ovstool"):
            use(path)
    assert path.read_bytes() == content and os.listdir(tmp_path) == [name]


def test_a_database_of_another_program_is_not_changed(tmp_path):
    path = tmp_path / "rec.db"
    for table in ("readings (time, value)", "other (a)"):
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.execute(f"CREATE TABLE {table}")
        db.close()
        before = path.read_bytes()
        for use in (append, read):
            with pytest.raises(Conflict, match="not a recording of ovstool"):
                use(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("column", "value"),
    [("time", "'x'"), ("time", "9e999"), ("time", "-1"), ("port", "x'ff'"), ("rx_bytes", "1.5"), ("tx_bytes", "-1"), ("duration_s", "'x'")],
)
def test_a_damaged_row_is_named(tmp_path, column, value):
    path = tmp_path / "rec.db"
    append(path, [reading(), reading()])
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE readings SET {column} = {value} WHERE rowid = 2")
    db.close()
    with pytest.raises(Conflict, match="row 2"):
        read(path)


def test_a_damaged_database_is_an_error(tmp_path):
    path = tmp_path / "rec.db"
    append(path, *[[reading()]] * 2000)
    content = bytearray(path.read_bytes())
    content[5000:60000] = b"\xa5" * 55000
    path.write_bytes(content)
    with pytest.raises((Conflict, Refused)):
        read(path)


@pytest.mark.parametrize("name", ["rec", "rec.txt", "rec.csv.gz", "", ".csv"])
def test_an_unknown_extension(name):
    for use in (append, read):
        with pytest.raises(UsageError, match="must end in"):
            use(name)


@BOTH
def test_paths_that_are_not_files(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / name).symlink_to("/dev/full")
    for path, error, why in (
        (tmp_path / name, UsageError, "not a regular file"),
        (tmp_path / "folder" / name, UsageError, "a directory"),
        (tmp_path / "link" / name, UsageError, "not a regular file"),
        (tmp_path / "nosuch" / name, NotFound, "no such file or folder"),
        (tmp_path / name / name, NotFound, "no such file or folder"),
    ):
        for use in (append, read):
            with pytest.raises(error) as caught:
                use(path)
            assert (caught.value.what, caught.value.why) == (str(path), why)
    with pytest.raises(Refused, match=r"^/sys/rec\.\w+: [a-z ]+$"):  # a kernel file system where even root cannot create files
        append(f"/sys/{name}")


@BOTH
def test_one_recorder_at_a_time(tmp_path, name):
    with recording.append(str(tmp_path / name), print) as recorder:
        with pytest.raises(Conflict, match="another"):
            append(tmp_path / name, [reading()])
        recorder.add([reading()])
    append(tmp_path / name, [reading()])
    assert len(read(tmp_path / name)[0]) == 2


def test_a_file_that_others_truncate_or_remove(tmp_path):
    path = tmp_path / "rec.csv"
    with recording.append(str(path), print) as recorder:
        recorder.add([reading()])
        os.truncate(path, 0)  # logrotate's copytruncate
        recorder.add([reading()])
        assert len(read(path)[0]) == 1
        path.unlink()
        with pytest.raises(Refused, match="removed"):
            recorder.add([reading()])


def test_no_part_of_a_sample_when_the_file_cannot_grow(tmp_path):
    """In another process, which may write 10,000 bytes to a file (RLIMIT_FSIZE)."""
    path = tmp_path / "rec.csv"
    code = (
        "import sys; from ovstool import recording; from ovstool.rates import Reading\n"
        "with recording.append(sys.argv[1], print) as recorder:\n"
        "    for i in range(1000): recorder.add([Reading(float(i), 'br0', f'eth{n}', None, {'rx_bytes': i}) for n in range(7)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Refused" in done.stderr and "too large" in done.stderr
    found, notes = read(path)
    assert notes == [] and len(found) % 7 == 0 and 9_000 < path.stat().st_size <= 10_000
    assert append(path, [reading()]) == []


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Refused, "the disk is full"),
        (OSError(errno.EACCES, "Permission denied"), Refused, "permission denied"),
        (OSError(errno.ENOENT, "No such file or directory"), NotFound, "no such file or folder"),
        (OSError(errno.ENOTDIR, "Not a directory"), NotFound, "no such file or folder"),
        (OSError(errno.EISDIR, "Is a directory"), UsageError, "a directory"),
        (OSError("something Odd"), Refused, "something odd"),
    ],
)
def test_what_a_failure_of_the_operating_system_means(error, kind, why):
    failure = files.failed("rec.csv", error)
    assert (type(failure), str(failure)) == (kind, f"rec.csv: {why}")


def test_errors_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a\nb.csv").write_text("x")
    with pytest.raises(OvstoolError) as caught:
        append("a\nb.csv")
    assert str(caught.value) == '"a\\nb.csv": not a recording of ovstool; try: another file'


@BOTH
def test_times_and_counters_at_their_limits(tmp_path, name):
    path = tmp_path / name
    exact = [1795190400.1234567, 0.0, 10.0**11 - 1]
    for moment in exact:
        append(path, [reading(moment, counters={"rx_bytes": 2**63 - 1, "tx_bytes": 2**63})])
    found, _ = read(path)
    assert [each.time for each in found] == [1795190400.123457, 0.0, 10.0**11 - 1]
    kept = {"rx_bytes": 2**63 - 1} | ({"tx_bytes": 2**63} if name == "rec.csv" else {})  # SQLite's integers are signed
    assert all(each.counters == kept for each in found)
    append(path, [reading(10.0**11)])
    with pytest.raises(Conflict, match=r"line 5|row 4"):
        read(path)


def test_a_line_of_64_kib_without_an_end(tmp_path):
    path = tmp_path / "rec.csv"
    for length, is_ours in ((2**16 - 1, True), (2**16, False)):
        path.write_text(f"{HEADER}\n{LINE}\n{'x' * length}")
        if is_ours:
            assert append(path, [reading()]) == [f"{path}: cut off {length} bytes of an incomplete last line"]
        else:
            with pytest.raises(Conflict, match="its last line has no end"):
                append(path, [reading()])


def test_the_longest_line_that_is_read(tmp_path):
    """64 KiB if it has quotes, or for a last line without an end."""
    path = tmp_path / "rec.csv"
    port = "x" * (2**16 - len(LINE) + 2)
    for more in ("", "x"):
        longest = LINE.replace("eth1", f'"{port}{more}"')
        path.write_text(f"{HEADER}\n{LINE}\n{longest}\n")
        if not more:
            assert len(longest) == 2**16 and [found.port for found in read(path)[0]] == ["eth1", port]
        else:
            with pytest.raises(Conflict) as caught:
                read(path)
            assert str(caught.value) == f"{path}, line 3: damaged, or not written by ovstool"
        path.write_text(f"{HEADER}\n{LINE}\n{'x' * 2**16}{more}")
        if not more:
            assert read(path) == (
                [reading(counters=dict(zip(COUNTERS, range(8), strict=True)))],
                [f"{path}: the last line is incomplete and was ignored"],
            )
        else:
            with pytest.raises(Conflict) as caught:
                read(path)
            assert str(caught.value) == f"{path}, line 3: damaged: it has no end"


@BOTH
def test_what_was_written_in_words(tmp_path, name):
    path = tmp_path / name
    with recording.append(str(path), print) as recorder:
        assert recorder.summary() == f"0 readings in {path}"
        recorder.add([reading()])
        assert recorder.summary() == f"1 reading of eth1 over 0 s in {path}"
        recorder.add([])
        recorder.add([reading(1795190402.8, f"eth{n}") for n in range(1, 5)], "h1")
        assert recorder.summary() == f'5 readings of eth1, "h1 eth1", "h1 eth2", "h1 eth3", "h1 eth4" over 2.5 s in {path}'
        assert (recorder.begin, recorder.end, recorder.readings) == (1795190400.3, 1795190402.8, 5)
        recorder.add([reading(1795190403.3, f"eth{n}") for n in range(2, 4)])
        assert recorder.summary().startswith('7 readings of eth1, "h1 eth1", "h1 eth2", "h1 eth3", "h1 eth4", eth2 and 1 more over 3 s in ')
    assert [host for host, _ in recording.read(str(path), print)] == ["", "h1", "h1", "h1", "h1", "", ""]


def test_errors_about_file_extensions(tmp_path):
    for name in ("a.csv", "a.CSV", "a.db", "a.sqlite", "a.Sqlite3"):
        append(tmp_path / name, [reading()])
        assert (tmp_path / name).read_bytes().startswith(b"SQLite" if "sq" in name.lower() or "db" in name else b"time,")
    with pytest.raises(UsageError) as error:
        append("a.txt")
    assert str(error.value) == "a.txt: the name of a recording must end in .csv, .db, .sqlite or .sqlite3"
