"""Recordings of a real switch: the content of the file however the recorder ends, and plots of it."""

import csv
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

FRAME = "ffffffffffff0200000000010800" + "00" * 46
HEADER = ["time", "host", "bridge", "port", "duration_s"]
HEADER += [f"{way}_{what}" for way in ("rx", "tx") for what in ("packets", "bytes", "dropped", "errors")]
BOTH = pytest.mark.parametrize("name", ["rec.csv", "rec.db"])
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
_PATIENCE_S = 30


@contextmanager
def recorder(switch, *words, **options):
    """``stats record`` in the background, with SIGINT enabled as on a terminal."""
    argv = [sys.executable, "-m", "ovstool", "stats", "record", *map(str, words)]
    with subprocess.Popen(
        argv, env=switch.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **options,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def lines(path) -> list[list[str]]:
    """The rows of a recording as other programs read them; fails on an incomplete line."""
    if path.suffix == ".csv":
        content = path.read_bytes()
        assert content.endswith(b"\n")
        header, *rows = csv.reader(content.decode().splitlines(), strict=True)
        assert header == HEADER
    else:
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows = [["" if value is None else str(value) for value in row] for row in db.execute("SELECT * FROM readings")]
    assert all(len(row) == len(HEADER) and row[0] and row[3] and row[5].isdigit() for row in rows)
    return rows


def receive(switch, port: str, count: int) -> None:
    """Let a port receive frames, and wait until ovs-vswitchd has counted them."""
    control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
    for _ in range(count):
        switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", port, FRAME)
    deadline = time.monotonic() + _PATIENCE_S
    while f"rx pkts={count}," not in switch.tool("ovs-ofctl", "dump-ports", "br0", port):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for(path, count: int) -> None:
    """Wait until the recording has this many readings; it is read while it is written, as others would."""

    def readings() -> int:
        if not path.exists():
            return 0
        if path.suffix == ".csv":
            return path.read_bytes().count(b"\n") - 1
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                return db.execute("SELECT count(*) FROM readings").fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # just being created

    deadline = time.monotonic() + _PATIENCE_S
    while readings() < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@BOTH
def test_the_counters_that_ovs_ofctl_tells(switch, ovstool, tmp_path, name):
    receive(switch, "eth1", 7)
    path = tmp_path / name
    done = ovstool(["stats", "record", str(path), "eth1", "br0", "--count", "3", "--interval", "0.02"])
    assert (done.code, done.stdout) == (0, "")
    assert re.fullmatch(rf"ovstool: note: 6 readings of eth1, br0 over 0\.\d+ s in {re.escape(str(path))}\n", done.stderr)
    rows = lines(path)
    assert [row[3] for row in rows] == ["eth1", "br0"] * 3
    theirs = switch.tool("ovs-ofctl", "dump-ports", "br0", "eth1")
    last = dict(zip(HEADER, rows[-2], strict=True))
    assert f"rx pkts={last['rx_packets']}, bytes={last['rx_bytes']}," in theirs and last["rx_packets"] == "7"
    assert last["bridge"] == "br0" and last["host"] == "" and float(last["duration_s"]) > 0
    times = [float(row[0]) for row in rows[::2]]
    assert times == sorted(set(times)) and abs(times[-1] - time.time()) < 3600


def test_for_some_time_and_again(switch, ovstool, tmp_path):
    path = tmp_path / "rec.csv"
    for _ in range(2):
        assert ovstool(f"stats record {path} eth1 --for 0.1 --interval 0.05 -q").stderr == ""
    assert 4 <= len(lines(path)) <= 6  # a reading for which the machine had no time is left out


@BOTH
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)])
def test_whole_however_it_ends(switch, ovstool, tmp_path, name, how, code):
    path = tmp_path / name
    before = 0
    for attempt in range(3):
        with recorder(switch, path, "--interval", 0.005) as process:
            wait_for(path, before + 50 + 17 * attempt)
            process.send_signal(how)
            out, err = process.communicate(timeout=_PATIENCE_S)
        assert (process.returncode, out) == (code, ""), err
        after = len(lines(path))
        assert after > before and after % 3 == 0
        assert err.count("\n") == (1 if how == signal.SIGINT else 0) and "Traceback" not in err
        if how == signal.SIGINT:
            assert err.startswith(f"ovstool: note: {after - before} readings of br0, eth1, eth2 over ")
        before = after
    assert ovstool(f"stats plot {path}").code == 0


def test_the_incomplete_line_of_a_killed_recorder(switch, ovstool, tmp_path):
    path = tmp_path / "rec.csv"
    ovstool(f"stats record {path} eth1 --count 2 --interval 0.01")
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:30])
    plotted = ovstool(f"stats plot {path}")
    assert plotted.code == 0 and plotted.stderr == f"ovstool: note: {path}: the last line is incomplete and was ignored\n"
    done = ovstool(f"stats record {path} eth1 --count 1")
    assert done.code == 0 and "cut off 30 bytes of an incomplete last line" in done.stderr
    assert len(lines(path)) == 3 and path.read_bytes().startswith(whole)


@as_root
@BOTH
def test_a_full_disk(switch, tmp_path, name):
    """A file system of 256 kB in its own mount namespace, which ends with the recorder."""
    script = (
        'mount -t tmpfs -o size=256k none "$1" || exit 99; "$3" -m ovstool stats record "$1/$2" --interval 0.005; code=$?\n'
        'rm -f "$1/filler"; cp "$1"/* "$4"; exit $code'
    )
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    saved.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", disk, name, sys.executable, saved],
        env=switch.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (6, ""), done.stderr
    assert done.stderr == f"ovstool: {disk / name}: the disk is full\n"
    rows = lines(saved / name)
    assert len(rows) > 100 and len(rows) % 3 == 0


def test_a_file_that_may_not_grow(switch, tmp_path):
    path = tmp_path / "rec.csv"
    limit = 5000
    done = subprocess.run(
        [sys.executable, "-m", "ovstool", "stats", "record", path, "--interval", "0.005"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        env=switch.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (6, "", f"ovstool: {path}: file too large\n")
    assert len(lines(path)) % 3 == 0 and limit - 400 < path.stat().st_size <= limit


@BOTH
def test_two_recorders(switch, ovstool, tmp_path, name):
    path = tmp_path / name
    with recorder(switch, path, "eth1", "--interval", 0.01) as process:
        wait_for(path, 20)
        second = ovstool(f"stats record {path} eth2 --count 1")
        assert second.code == 4 and second.stderr.startswith(f"ovstool: {path}: another ovstool is recording to this file")
        assert ovstool(f"stats plot {path}").code == 0  # meanwhile
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENCE_S) == 130
    assert {row[3] for row in lines(path)} == {"eth1"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("record rec.txt", 2, ".csv, .db, .sqlite or .sqlite3"),
        ("record ''", 2, "must end in"),
        ("record {tmp}", 2, "must end in"),
        ("record {tmp}/folder.csv", 2, "a directory"),
        ("record /sys/rec.csv", 6, "permission denied"),
        ("record /sys/rec.db", 6, "permission denied"),
        ("record {tmp}/nosuch/rec.csv", 3, "no such file or folder"),
        ("record {tmp}/other.csv", 4, "not a recording of ovstool"),
        ("record {tmp}/other.db", 4, "not a recording of ovstool"),
        ("record {tmp}/rec.csv nosuch", 3, "nosuch"),
        ("record {tmp}/rec.csv --bridge nosuch", 3, "nosuch"),
        ("record {tmp}/rec.csv --interval 0.00099", 2, "0.001"),
        ("record {tmp}/rec.csv --interval 1 --source ovsdb", 2, "--interval"),
        ("record {tmp}/rec.csv --count 0", 2, "--count"),
        ("record {tmp}/rec.csv --count 1 --for 1", 2, "--for"),
        ("record {tmp}/rec.csv --count 1 --db unix:/nosuch", 5, "/nosuch"),
        ("plot {tmp}/nosuch.csv", 3, "no such file or folder"),
        ("plot {tmp}/empty.csv", 3, "no readings"),
        ("plot {tmp}/empty.db", 3, "no readings"),
        ("plot {tmp}/other.csv", 4, "not a recording of ovstool"),
        ("plot {tmp}/other.db", 4, "not a recording of ovstool"),
        ("plot {tmp}/damaged.csv", 4, "damaged.csv, line 2: damaged"),
        ("plot {tmp}/good.csv nosuch", 3, "port nosuch: not in {tmp}/good.csv; try: eth1"),
        ("plot {tmp}/good.csv -o {tmp}/out.pdf", 2, ".svg or .png"),
        ("plot {tmp}/good.csv -o ''", 2, ".svg or .png"),
        ("plot {tmp}/good.csv -o {tmp}/nosuch/out.svg", 3, "no such file or folder"),
        ("plot {tmp}/good.csv -o /sys/out.svg", 6, "permission denied"),
        ("plot {tmp}/good.csv --style line", 2, "-o NAME.svg"),
        ("plot {tmp}/good.csv --style curve -o {tmp}/out.svg", 2, "--style"),
    ],
)  # fmt: skip
def test_bad_input(refused, tmp_path, words, code, said):
    (tmp_path / "folder.csv").mkdir()
    for name in ("empty.csv", "empty.db"):
        (tmp_path / name).touch()
    for name in ("other.csv", "other.db"):
        (tmp_path / name).write_text("a,b\n1,2\n" * 100)
    header = ",".join(HEADER)
    (tmp_path / "damaged.csv").write_text(f"{header}\nx\n{header}\n")
    (tmp_path / "good.csv").write_text(f"{header}\n" + "".join(f"{n}.0,,br0,eth1,,{n},{n},,,,,,\n" for n in range(5)))
    before = sorted(os.listdir(tmp_path))
    assert said.format(tmp=tmp_path) in refused(f"stats {words.format(tmp=tmp_path)}", code)
    assert sorted(os.listdir(tmp_path)) == before


def test_without_matplotlib(switch, ovstool, tmp_path):
    ovstool(f"stats record {tmp_path}/rec.csv eth1 --count 2 --interval 0.01")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "matplotlib.py").write_text("raise ImportError('not installed')")
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "none"), os.environ.get("PYTHONPATH", os.getcwd())])}
    done = ovstool(f"stats plot {tmp_path}/rec.csv -o {tmp_path}/out.svg", **environ)
    assert (done.code, done.stdout) == (3, "") and done.stderr.count("\n") == 1
    assert "-m pip install matplotlib" in done.stderr
    assert "eth1 rx" in ovstool(f"stats plot {tmp_path}/rec.csv", **environ).stdout


@BOTH
def test_a_recreated_port_is_marked(switch, ovstool, tmp_path, name):
    path = tmp_path / name
    receive(switch, "eth1", 3)
    with recorder(switch, path, "eth1", "--interval", 0.01) as process:
        wait_for(path, 20)
        switch.vsctl("del-port eth1")
        switch.vsctl("add-port br0 eth1")
        wait_for(path, 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENCE_S) == 130
    text = ovstool(f"stats plot {path} eth1").stdout
    assert "R the counters were reset" in text and "─R─" in text.replace(" ", "")
    done = ovstool(f"stats plot {path} -o {tmp_path}/out.svg")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    svg = (tmp_path / "out.svg").read_text()
    assert "<!-- reset -->" in svg and "<!-- eth1 rx: mean " in svg


def test_a_plot_for_an_old_terminal(switch, ovstool, tmp_path):
    ovstool(f"stats record {tmp_path}/rec.csv eth1 --count 3 --interval 0.01")
    plain = ovstool(f"stats plot {tmp_path}/rec.csv", PYTHONIOENCODING="ascii")
    assert plain.code == 0 and plain.stdout.isascii() and "\\u" not in plain.stdout
    assert max(map(len, plain.stdout.splitlines()[2:])) == 80
