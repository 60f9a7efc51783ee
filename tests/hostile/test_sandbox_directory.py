"""A sandbox in a directory that others prepared or change meanwhile, and in impossible directories."""

import json
import os
import socket
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from kill import kill
from sandbox_attacks import (
    GUARD_S,
    NOBODY,
    as_nobody,
    assert_refused,
    guarded,
    namespaces,
    needs_netdev,
    needs_root,
    ovstool,
    place,
    processes_of,
    stand_in,
)  # fmt: skip

from ovstool import sandbox
from ovstool.errors import Refused

PROGRAMS = ("unshare", "ovsdb-tool", "ovsdb-server", "ovs-vsctl", "ovs-vswitchd", "ip")
SETTINGS = {"datapath": "dummy", "namespace": None, "bridge": "br0", "ports": ["eth1"], "made_directory": False, "complete": True}

__all__ = ["place"]


@pytest.fixture
def namespace():
    """A network namespace of another owner, with a name like ovstool's."""
    name = f"ovstool-{os.urandom(6).hex()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def settings(place, former=False, **others):
    """The settings of a sandbox that was not started here, in the present format or that of ovstool 0.4."""
    text = SETTINGS | {"directory": str(place)} | others
    return json.dumps({key: value for key, value in text.items() if not (former and key in ("directory", "complete"))})


# --- another user, while root is starting


@needs_root
@needs_netdev
def test_another_user_who_gets_in_between_gets_nothing(place, tmp_path):
    """Before each program that runs, another user tries to take over the directory and to redirect root's logs."""
    target = tmp_path / "written-by-root"
    lead = "; ".join(f"ln -s {target} {place}/{daemon}.log" for daemon in ("ovs-vswitchd", "ovsdb-server"))
    attack = f"mv {place} {place}-away; mkdir -m 777 {place} || {{ {lead}; }}"
    tried = tmp_path / "tried"
    for program in PROGRAMS:
        stand_in(tmp_path, program, f"echo {program} >> {tried}\nsetpriv --reuid {NOBODY} --clear-groups sh -c '{attack}' 2>/dev/null")
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "netdev", path=tmp_path)
    assert set(tried.read_text().split()) == set(PROGRAMS)
    assert not target.exists()
    assert (done.returncode, done.stdout) == (0, f"{place}: created\n")
    assert (place.stat().st_uid, stat.S_IMODE(place.stat().st_mode)) == (0, 0o700)
    assert ovstool("sandbox", "stop", "--dir", place, path=tmp_path).stdout == f"{place}: deleted\n"
    assert not place.exists()


def prepared(place, kind):
    """A path to a sandbox's directory on which another user could change something."""
    if kind == "another user's folder":
        as_nobody(f"mkdir -m 755 {place}")
        return place / "box"
    if kind == "a folder that all may write to":
        place.mkdir()
        place.chmod(0o777)
        return place / "box"
    if kind == "a folder that a group may write to":
        place.mkdir()
        os.chown(place, 0, NOBODY)
        place.chmod(0o775)
        return place / "box"
    if kind == "a folder further up":
        place.mkdir()
        (place / "own").mkdir()
        place.chmod(0o777)
        return place / "own" / "box"
    # A link of another user, to a directory that is safe itself.
    Path(f"{place}-real").mkdir()
    as_nobody(f"ln -s {place}-real {place}")
    return place / "box"


@needs_root
@pytest.mark.parametrize(
    "kind",
    [
        "another user's folder",
        "a folder that all may write to",
        "a folder that a group may write to",
        "a folder further up",
        "another user's link",
    ],
)
def test_a_path_that_others_can_change_is_refused(place, kind):
    directory = prepared(place, kind)
    done = ovstool("sandbox", "start", "--dir", directory, "--datapath", "dummy")
    assert_refused(done, 6, str(directory), ", on the path to it", "; try: another --dir")
    for verb in (sandbox.stop, sandbox.find):
        with pytest.raises(Refused, match=", on the path to it"):
            verb(directory)
    assert not directory.exists()


@needs_root
def test_a_folder_with_the_sticky_bit_is_accepted(place):
    """Such as /tmp itself; root's links, and a group with the user as its only member, are trusted too."""
    place.mkdir()
    place.chmod(0o1777)
    (place / "a").mkdir()
    (place / "a").chmod(0o775)  # group root
    (place / "b").symlink_to("a")
    done = ovstool("sandbox", "start", "--dir", place / "b" / "box", "--datapath", "dummy")
    assert (done.returncode, done.stdout) == (0, f"{place}/b/box: created\n")
    assert sandbox.find(place / "a" / "box")
    assert sandbox.find(place / "a" / "box") == sandbox.find(place / "b" / "box")
    assert sandbox.stop(place / "a" / "box") is True
    assert sorted(os.listdir(place / "a")) == []


@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_planted_files_are_not_trusted(place, namespace, mode):
    place.mkdir()
    os.chown(place, 0, NOBODY)
    place.chmod(mode)
    planted = settings(place, datapath="netdev", namespace=namespace)
    as_nobody(f"cat > {place}/sandbox.json <<'END'\n{planted}\nEND\ntouch {place}/theirs")
    (place / "thesis.txt").write_text("years of work")
    for words in (["stop"], ["start", "--datapath", "dummy"]):
        assert_refused(ovstool("sandbox", *words, "--dir", place), 6, "other users may write to the directory")
    assert sorted(os.listdir(place)) == ["sandbox.json", "theirs", "thesis.txt"]
    assert namespace in namespaces()
    assert stat.S_IMODE(place.stat().st_mode) == mode


def hostile_marker(place, kind, namespace, former):
    """A marker file that ovstool did not write for this directory."""
    marker = place / "sandbox.json"
    marker.unlink(missing_ok=True)
    if kind == "another user's":
        marker.write_text(settings(place, former))
        os.chown(marker, NOBODY, NOBODY)
    elif kind == "a link":
        marker.write_text(settings(place, former))
        marker.rename(place / "elsewhere")
        marker.symlink_to("elsewhere")
    elif kind == "a second name":
        marker.write_text(settings(place, former))
        (place / "first").unlink(missing_ok=True)
        os.link(marker, place / "first")
    elif kind == "a FIFO":
        os.mkfifo(marker)
    elif kind == "too long":
        marker.write_text(settings(place, former, bridge="b" * 2**21))
    elif kind == "too deep":
        marker.write_text("[" * 200_000)
    elif kind == "a copy":
        marker.write_text(settings(f"{place}-other", former))
    elif kind == "of a namespace that is somebody else's":
        marker.write_text(settings(place, former, datapath="netdev", namespace=namespace))
    elif kind == "of any file":
        marker.write_text(settings(place, former, datapath="netdev", namespace=f"../netns/{namespace}"))
    elif kind == "of no datapath":
        marker.write_text(settings(place, former, datapath="none"))
    elif kind == "of numbers":
        marker.write_text(settings(place, former, ports=[1, 2], bridge=3))


@needs_root
@pytest.mark.parametrize(
    "kind",
    [
        "another user's",
        "a link",
        "a second name",
        "a FIFO",
        "too long",
        "too deep",
        "a copy",
        "of a namespace that is somebody else's",
        "of any file",
        "of no datapath",
        "of numbers",
    ],
)
def test_a_foreign_marker_does_not_allow_clearing(place, namespace, kind):
    place.mkdir(mode=0o700)
    (place / "conf.db").write_text("a database of somebody's")
    for former in (False, True):
        hostile_marker(place, kind, namespace, former)
        before = sorted(os.listdir(place))
        for verb in (sandbox.stop, sandbox.find, sandbox.start):
            with guarded(), pytest.raises(Refused, match=r"sandbox\.json.*; try: "):
                verb(place)
        assert sorted(os.listdir(place)) == before
        assert namespace in namespaces()


@needs_netdev
def test_the_namespaces_of_another_sandbox_are_not_deleted(place):
    """A copy of a sandbox's directory, and settings with the name of another sandbox's namespace."""
    first, second = Path(f"{place}-1"), Path(f"{place}-2")
    box, _ = sandbox.start(first, "netdev")
    subprocess.run(["cp", "-a", first, second], check=True)
    for text in ((first / "sandbox.json").read_text(), json.dumps(asdict(box) | {"directory": str(second)})):
        (second / "sandbox.json").write_text(text)
        with pytest.raises(Refused, match="not that of a sandbox created on this machine"):
            sandbox.stop(second)
    assert (second / "conf.db").exists()
    assert namespaces() >= {box.namespace, *box.hosts}
    assert sandbox.stop(first) is True
    assert namespaces().isdisjoint({box.namespace, *box.hosts})


# --- files of the user


def own_files(directory):
    (directory / "thesis.txt").write_text("years of work")
    (directory / "notes.mgmt").write_text("not a socket")
    (directory / "conf.db.backup").write_text("a copy")
    (directory / "captures").mkdir()
    (directory / "captures" / "conf.db").write_text("another copy")
    (directory / "ovs-vswitchd.pid.old").symlink_to("thesis.txt")
    (directory / "x\x1b[2J").write_text("hostile")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "mine.sock"))
    return {"thesis.txt", "notes.mgmt", "conf.db.backup", "captures", "ovs-vswitchd.pid.old", "x\x1b[2J", "mine.sock"}


@pytest.mark.parametrize("end", ["stop", "killed", "start again"])
def test_what_a_user_put_there_stays(place, end):
    box, _ = sandbox.start(place, "dummy")
    put = own_files(place)
    if end != "stop":
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            kill(int((place / f"{daemon}.pid").read_text()))
    if end == "start again":
        assert sandbox.start(place, "dummy") == (box, True)
    done = ovstool("sandbox", "stop", "--dir", place)
    assert (done.returncode, done.stdout) == (0, f"{place}: deleted\n")
    assert done.stderr.startswith(
        f"ovstool: note: {place} was not removed, because it contains files that the sandbox did not create: captures, conf.db.backup, "
    )
    assert done.stderr.endswith(" and 2 more\n") and done.stderr[:-1].isprintable()
    assert set(os.listdir(place)) == put
    assert (place / "captures" / "conf.db").read_text() == "another copy"
    assert processes_of(f"--pidfile={place}/") == []


def test_a_second_stop_is_nothing_to_do_whatever_stays_there(place):
    sandbox.start(place, "dummy")
    put = own_files(place)
    assert ovstool("sandbox", "stop", "--dir", place).stdout == f"{place}: deleted\n"
    for _ in range(2):
        done = ovstool("sandbox", "stop", "--dir", place)
        assert (done.returncode, done.stdout) == (0, f"{place}: unchanged\n")
        assert done.stderr.startswith(
            f"ovstool: note: {place}: no sandbox is running there; other files were kept: captures, conf.db.backup, "
        )
        assert done.stderr.count("\n") == 1 and done.stderr[:-1].isprintable()
    assert set(os.listdir(place)) == put
    with pytest.raises(Refused, match=r"used for something else \(captures, "):
        sandbox.start(place, "dummy")


@pytest.mark.parametrize("name", ["conf.db", "ovs-vswitchd.pid"])
def test_a_stop_without_a_marker_is_refused(place, name):
    """A database or a pid file without the marker may mean that daemons run."""
    place.mkdir(mode=0o700)
    (place / name).write_text("1")
    with pytest.raises(Refused, match="not a sandbox"):
        sandbox.stop(place)
    assert os.listdir(place) == [name]


def test_what_a_command_left_in_a_temporary_one_stays(place):
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", "dummy", "--", "sh", "-c", "echo $OVS_RUNDIR; date > $OVS_RUNDIR/result")
    directory = Path(done.stdout.strip())
    try:
        assert os.listdir(directory) == ["result"]
        assert (
            done.stderr
            == f"ovstool: note: {directory} was not removed, because it contains files that the sandbox did not create: result\n"
        )
        assert processes_of(f"--pidfile={directory}/") == []
    finally:
        (directory / "result").unlink()
        directory.rmdir()


# --- impossible directories


def impossible(place, kind):
    """The path of a directory that cannot be created or opened, with the exit code and the error."""
    if kind == "in /proc":
        return "/proc/x", 6, "No such file or directory"
    if kind == "in a process":
        return "/proc/self/x", 6, "No such file or directory"
    if kind == "below a loop of links":
        place.symlink_to(place)
        return place / "box", 6, "Too many levels of symbolic links"
    if kind == "below two links in a circle":
        Path(f"{place}-2").symlink_to(place)
        place.symlink_to(f"{place}-2")
        return place / "a" / "box", 6, "Too many levels of symbolic links"
    if kind == "unprintable":
        return f"{place}\x1b[2J", 2, "the path contains unprintable characters"
    return f"{place}\n", 2, "the path contains unprintable characters"


@pytest.mark.parametrize(
    "kind", ["in /proc", "in a process", "below a loop of links", "below two links in a circle", "unprintable", "two lines"]
)
def test_an_impossible_directory_is_one_error_line(place, kind):
    directory, code, words = impossible(place, kind)
    assert_refused(ovstool("sandbox", "start", "--dir", directory, "--datapath", "dummy"), code, words, "; try: another --dir")


def test_a_working_directory_that_is_gone(place):
    """Relative paths lead nowhere then."""
    place.mkdir()
    script = f'cd {place} && rmdir {place} && exec "$@"'
    for words in (["start", "--datapath", "dummy"], ["stop"]):
        command = ["sh", "-c", script, "sh", sys.executable, "-P", "-m", "ovstool", "sandbox", *words, "--dir", "box"]
        if sys.version_info < (3, 11):
            command.remove("-P")
        environ = os.environ | {"PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=GUARD_S, check=False)
        assert_refused(done, 6, "ovstool: box: No such file or directory")
        place.mkdir()


@needs_root
def test_a_full_file_system(place):
    """Everything that was started is undone; the mount is in a namespace of the test's own."""
    place.mkdir()
    script = f'mount -t tmpfs -o nr_inodes=2 none {place} && "$@"; code=$?; ls -A {place}; exit $code'
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", f"{place}/box", "--datapath", "dummy"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command], capture_output=True, text=True, timeout=GUARD_S, check=False
    )
    assert_refused(done, 6, "No space left on device")


@needs_root
def test_a_file_system_that_became_read_only(place):
    place.mkdir()
    start, stop = (f"{sys.executable} -m ovstool -q sandbox {words} --dir {place}/box" for words in ("start --datapath dummy", "stop"))
    script = f"""
        mount -t tmpfs none {place} && {start} >&2 || exit 99
        exec 3< {place}/box
        kill -9 $(cat {place}/box/*.pid)
        until mount -o remount,ro {place} 2>/dev/null; do sleep 0.05; done
        {stop}; code=$?; mount -o remount,rw {place}; {stop} >&2 || exit 98; exit $code"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=GUARD_S, check=False)
    assert done.returncode == 6, done.stderr
    assert ": Read-only file system; try: another --dir" in done.stderr
    assert done.stderr.count("\n") == 3


def test_a_fifo_where_a_pid_file_was(place):
    """Nothing opens it and waits for a writer."""
    sandbox.start(place, "dummy")
    (place / "ovs-vswitchd.pid").unlink()
    os.mkfifo(place / "ovs-vswitchd.pid")
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy")
    assert (done.returncode, done.stdout) == (0, f"{place}: created\n")
    assert len(processes_of(f"--pidfile={place}/")) == 2
