"""Sandboxes whose ovstool was killed at any step, started twice at once, or run by a user with an unusual environment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox_attacks import (
    GUARD_S,
    NOBODY,
    guarded,
    namespaces,
    needs_netdev,
    needs_root,
    ovstool,
    place,
    processes_of,
    stand_in,
    wait_until,
)

from ovstool import sandbox

__all__ = ["place"]


def kill_at(place, folder, program, words, late):
    """Start a sandbox and kill ovstool when it runs the program with these words, which continues, after the kill or at once."""
    goes_on = f'sleep 2; "$real" "$@"; touch {folder}/ended; exit 0' if late else ""
    stand_in(folder, program, f'case "$*" in {words}) kill -9 $PPID; touch {folder}/killed; {goes_on} ;; esac')
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", str(place), "--datapath", "netdev", "-q"]
    environ = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environ, timeout=GUARD_S, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == -9
    wait_until((folder / "killed").exists)


def left(place):
    """What is left of a sandbox here: processes, namespaces, the directory."""
    own = {name for name in namespaces("ovstool-") if sandbox.settings.namespace_name(place, name[8:14]) == name[:20]}
    return processes_of(f"{place}/"), own, place.exists()


STEPS = [
    ("ovsdb-tool", "*create*", True),
    ("ip", "netns\\ add*", True),
    ("ip", "*-batch*", False),
    ("ovs-vswitchd", "*--detach*", False),
    ("ovs-vsctl", "*add-br*", False),
]


@needs_netdev
@pytest.mark.parametrize("program, words, late", STEPS)
def test_what_a_killed_start_left_is_cleared_by_stop(place, tmp_path, program, words, late):
    """Including what a program creates that was started before the kill and ends after it."""
    kill_at(place, tmp_path, program, words, late)
    done = ovstool("sandbox", "stop", "--dir", place)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{place}: deleted\n", "")
    if late:
        wait_until((tmp_path / "ended").exists)
    assert left(place) == ([], set(), False)


@needs_netdev
@pytest.mark.parametrize("program, words, late", STEPS[1::3])
def test_after_a_killed_start_another_start_is_whole(place, tmp_path, program, words, late):
    """Both daemons may be running, but without a bridge."""
    kill_at(place, tmp_path, program, words, late)
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "netdev")
    assert (done.returncode, done.stdout) == (0, f"{place}: created\n")
    environ = os.environ | sandbox.find(place).environ
    assert subprocess.run(["ovs-vsctl", "list-ports", "br0"], env=environ, capture_output=True, check=True).stdout == b"eth1\neth2\n"
    assert len(left(place)[1]) == 3
    assert sandbox.stop(place) is True
    assert left(place) == ([], set(), False)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_temporary_sandbox_is_stopped_by_any_signal(place, tmp_path, signum):
    """Even by Ctrl-\\ during its start."""
    stand_in(
        tmp_path, "ovs-vsctl", f'case "$*" in *add-br*) echo "$OVS_RUNDIR" > {tmp_path}/there; kill -{int(signum)} $PPID; sleep 1;; esac'
    )
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", "dummy", "--", "true", path=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signum, "", "")
    directory = Path((tmp_path / "there").read_text().strip())
    assert left(directory)[0] == [] and not directory.exists()


@pytest.mark.parametrize("text", ["", '{"datapath": "dum'])
@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_start_that_was_killed_while_writing_its_settings(place, verb, text):
    place.mkdir(mode=0o700)
    (place / "sandbox.json.new").write_text(text)
    if verb == "start":
        assert sandbox.start(place, "dummy")[1] is True
    assert sandbox.stop(place) is True
    assert os.listdir(place) == []


def test_a_directory_that_is_removed_while_it_starts(place, tmp_path):
    stand_in(tmp_path, "ovs-vswitchd", f"rm -rf {place}")
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy", "-t", "3", path=tmp_path)
    assert done.returncode in (6, 7)
    assert done.stderr.startswith("ovstool: sandbox: ov") and done.stderr.count("\n") == 1
    assert "try: ovstool sandbox stop" not in done.stderr
    assert left(place) == ([], set(), False)


def test_two_that_start_the_same_at_once(place, tmp_path):
    """The second waits for the first; -t applies to both."""
    stand_in(tmp_path, "ovs-vswitchd", "sleep 0.5")
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", str(place), "--datapath", "dummy", "-q"]
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    both = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(one.communicate(timeout=GUARD_S)[0] for one in both) == [f"{place}: created\n", f"{place}: unchanged\n"]


# --- temporary ones, and users


@needs_root
def test_sandboxes_of_root_are_not_in_a_world_writable_directory(place):
    """Whatever the environment says; and two temporary ones at the same time are separate."""
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    hostile = {"TMPDIR": str(place), "XDG_RUNTIME_DIR": str(place), "HOME": str(place), "OVS_RUNDIR": str(place), "OVS_DBDIR": str(place)}
    hostile |= {"OVS_LOGDIR": str(place), "OVSTOOL_DB": f"unix:{place}/db.sock"}
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")} | hostile
    command = [
        sys.executable,
        "-m",
        "ovstool",
        "sandbox",
        "run",
        "--datapath",
        "dummy",
        "--",
        "sh",
        "-c",
        "cat $OVS_RUNDIR/sandbox.json; pwd",
    ]
    both = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=GUARD_S)[0] for one in both]
    directories = {json.loads(text.rpartition("}")[0] + "}").get("directory", "") for text in said}
    assert {str(Path(directory).parent) for directory in directories} == {"/run"}
    assert len(directories) == 2 and not any(map(os.path.exists, directories))
    assert os.listdir(place) == []


@needs_root
@pytest.mark.parametrize(
    "runtime", ["another user's", "a link of another user's", "all may write", "a loop", "a file", "gone", "relative", "in another user's"]
)
def test_a_runtime_folder_of_another_user_is_not_used(place, monkeypatch, runtime):
    link = Path(f"{place}-link")
    if runtime == "all may write":
        place.mkdir()
        place.chmod(0o777)
    elif runtime == "a link of another user's":
        place.mkdir(mode=0o700)
        link.symlink_to(place)
        os.lchown(link, NOBODY, NOBODY)
    elif runtime == "a loop":
        place.symlink_to(place)
    elif runtime == "a file":
        place.write_text("")
    elif runtime in ("another user's", "in another user's"):
        place.mkdir(mode=0o755)
        (place / "own").mkdir(mode=0o700)
        os.chown(place, NOBODY, NOBODY)
    paths = {"a link of another user's": link, "relative": Path("."), "in another user's": place / "own"}
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(paths.get(runtime, place)))
    assert sandbox.default_directory() == Path("/run/ovstool-sandbox")
    if not place.is_dir() and (place.exists() or place.is_symlink()):
        place.unlink()


@needs_root
@pytest.mark.parametrize("umask", [0o777, 0o277, 0])
def test_a_user_without_a_name_or_home_whatever_the_umask(place, umask):
    """In its own process, which drops root's privileges."""
    said, says = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(says, "w") as out:
            try:
                os.setgroups([])
                os.setgid(54321)
                os.setuid(54321)
                os.umask(umask)
                for name in ("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR"):
                    os.environ.pop(name, None)
                os.environ["TMPDIR"] = "/nonexistent"
                with guarded(), sandbox.borrowed(place) as box:
                    modes = sorted({oct(entry.stat().st_mode & 0o077) for entry in [box.directory, *box.directory.iterdir()]})
                    print(box.directory.parent, box.datapath, *modes, os.umask(0) == umask, file=out)
                print(box.directory.exists(), sandbox.default_directory(), file=out)
            except BaseException as error:
                print(repr(error), file=out)
            finally:
                out.flush()
                os._exit(0)
    os.close(says)
    with os.fdopen(said) as answer:
        assert answer.read() == "/tmp dummy 0o0 True\nFalse /tmp/ovstool-sandbox-54321\n"
    os.waitpid(child, 0)
