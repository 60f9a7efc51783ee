"""The directory of a sandbox and its content, and the programs that set one up; no daemon runs here."""

import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.sandbox import daemons, directories, namespaces, programs, settings
from ovstool.sandbox.directories import Place
from ovstool.sandbox.programs import Site
from ovstool.sandbox.settings import Sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    """A short path, because it must hold a socket."""
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def place(folder):
    with directories.opened(folder) as found:
        yield found


def said(call, *words, error=OvstoolError, **more) -> str:
    with pytest.raises(error) as failure:
        call(*words, **more)
    return str(failure.value)


def enter(path: Path, **how) -> Place | None:
    with directories.locked(path, time.monotonic() + 60, **how) as found:
        return found


# --- the folder


def test_a_folder_is_made_found_and_removed(folder):
    path = folder / "box"
    assert enter(path) is None and not path.exists()
    with directories.opened(path) as found:
        assert found is None
    with directories.locked(path, time.monotonic() + 60, create=True) as place:
        assert place.made and place.path == path and stat.S_IMODE(path.stat().st_mode) == 0o700
        assert os.path.samestat(os.fstat(place.fd), path.stat()) and os.path.samestat(os.fstat(place.folder), folder.stat())
    assert path.exists() and enter(path, create=True).made is False
    with pytest.raises(KeyError), directories.locked(path, time.monotonic() + 60, create=True):
        raise KeyError
    assert path.exists()  # it existed before
    with directories.opened(path) as place:
        (path / "x").touch()
        directories.remove(place)
        assert path.exists()
        (path / "x").unlink()
        directories.remove(place)
        assert not path.exists()
        directories.remove(place)
    for left in (False, True):
        with pytest.raises(KeyError), directories.locked(path, time.monotonic() + 60, create=True):
            if left:
                (path / "x").touch()
            raise KeyError
        assert path.exists() == left


def test_a_folder_that_cannot_be_one(folder):
    (folder / "plain").touch()
    (folder / "link").symlink_to(folder)
    (folder / "loop").symlink_to("loop")
    links = "not a directory (links are not followed); try: another --dir"
    locked = f"{folder}: locked by another process, perhaps an ovstool that is starting or stopping it; try: a longer --timeout, or another --dir"
    for path, error in (
        (folder / "plain", f"{folder}/plain: {links}"), (folder / "link", f"{folder}/link: {links}"),
        (folder / "plain/x", f"{folder}/plain/x: {folder}/plain: Not a directory; try: another --dir"),
        (folder / "loop/x", f"{folder}/loop/x: {folder}/loop: Too many levels of symbolic links; try: another --dir"),
        (folder / ("x" * (82 - len(str(folder)))), None),
        (folder / ("x" * 300), None),
    ):  # fmt: skip
        told = said(enter, path)
        assert told == error or (error is None and "the path is too long" in told), told
    assert enter(folder / "link/box", create=True).path == folder / "box"  # directories on the way may be
    assert enter(folder / ("x" * (81 - len(str(folder)))), create=True).made
    assert said(enter, folder / "no/box", create=True) == f"{folder}/no/box: its parent folder does not exist; try: another --dir"
    assert enter(folder / "no/box") is None
    with directories.locked(folder, time.monotonic() + 60):
        assert said(directories.locked(folder, time.monotonic() + 0.03).__enter__, error=TimedOut) == locked


@needs_root
@pytest.mark.parametrize(
    ("mode", "group", "firm"),
    [
        (0o700, 0, True),
        (0o755, 0, True),
        (0o777, 0, False),
        (0o702, 0, False),
        (0o720, 0, True),
        (0o720, 43210, False),
        (0o770, 12, False),
        (0o750, 43210, True),
    ],
)
def test_who_may_write_to_it_and_above_it(folder, mode, group, firm):
    box = folder / "box"
    box.mkdir()
    os.chown(box, 0, group)
    box.chmod(mode)
    assert directories.is_own(box) == firm
    if firm:
        assert enter(box) and enter(box / "x", create=True)
        return
    assert said(enter, box, error=Refused) == f"{box}: other users may write to the directory; try: another --dir"
    assert said(enter, box / "x", error=Refused) == f"{box}/x: other users may write to {box}, on the path to it; try: another --dir"
    box.chmod(mode | stat.S_ISVTX)
    assert enter(box / "x", create=True) and not directories.is_own(box)


@needs_root
def test_whose_it_is(folder):
    box = folder / "box"
    box.mkdir(0o700)
    os.chown(box, 43210, 0)
    assert not directories.is_own(box) and not directories.is_own(folder / "no")
    assert said(enter, box) == f"{box}: the directory belongs to another user; try: another --dir"
    assert said(enter, box / "x") == f"{box}/x: {box}, on the path to it, belongs to another user; try: another --dir"


# --- files in it


def test_a_file_is_written_whole_and_read_as_it_is(folder, place):
    (folder / directories.UNFINISHED).write_text("of one that was killed")
    directories.write(place, "file", "0123456789")
    assert os.listdir(folder) == ["file"] and stat.S_IMODE((folder / "file").stat().st_mode) == 0o600
    assert directories.read(place, "file", 10) == directories.read(place, "file", 99, end=True) == b"0123456789"
    assert directories.read(place, "file", 4, end=True) == b"6789"
    assert directories.read(place, "absent", 10) is None
    hint = "; try: inspect the directory and remove it"
    assert said(directories.read, place, "file", 9) == f"{folder}: file is too large (10 bytes){hint}"
    (folder / "link").symlink_to("file")
    assert said(directories.read, place, "link", 99) == f"{folder}: link: is a link{hint}"
    (folder / "sub").mkdir()
    assert said(directories.read, place, "sub", 99) == f"{folder}: sub is not a regular file{hint}"
    os.link(folder / "file", folder / "other")
    assert said(directories.read, place, "file", 99) == f"{folder}: file belongs to another user, or has several hard links{hint}"
    os.unlink(folder / "other")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{folder}/s")
    assert said(directories.read, place, "s", 99) == f"{folder}: s: No such device or address{hint}"


OURS = (
    "sandbox.json", "sandbox.json.new", "conf.db", ".conf.db.~lock~", "conf.db.~lock~", "conf.db.tmp", ".conf.db.tmp.~lock~", "ovs-vswitchd.log", "ovsdb-server.log",
    "ovs-vswitchd.pid", "ovsdb-server.pid.tmp123",
)  # fmt: skip
OUR_SOCKETS = ("db.sock", "ovs-vswitchd.1.ctl", "ovsdb-server.4194304.ctl", "br0.mgmt", "a b.snoop", "x\ny.mgmt")
NOT_OURS = (
    "sandbox.json.old",
    "conf.db.bak",
    "xconf.db",
    "ovs-vswitchd.pid.tmp",
    "ovs-vswitchd.txt",
    "ovs-vsctl.log",
    "x.mgmt",
    "db.sock",
    "ovs-vswitchd.1.ctl",
)
NOT_OUR_SOCKETS = ("db.sock2", "ovs-vswitchd..ctl", "ovs-vswitchd.x.ctl", "ovs-vsctl.1.ctl", ".mgmt", "conf.db", "br0.mgmt2")


def test_what_a_sandbox_makes_is_cleared_and_nothing_else(folder, place):
    def bind(name: str) -> None:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"{folder}/{name}")

    for name in OURS:
        (folder / name).touch()
    for name in OUR_SOCKETS:
        bind(name)
    directories.clear(place)
    assert os.listdir(folder) == []
    for name in NOT_OURS:
        (folder / name).touch()
    for name in set(NOT_OUR_SOCKETS) - set(NOT_OURS):
        bind(name)
    (folder / "ovs-vswitchd.log").mkdir()
    (folder / "ovs-vswitchd.pid").symlink_to("x")
    before = sorted(os.listdir(folder))
    assert directories.may_be_left(place)
    directories.clear(place)
    assert sorted(os.listdir(folder)) == before


def test_what_a_stopped_sandbox_leaves_behind(folder, place):
    assert directories.may_be_left(place)
    (folder / "sandbox.json.new").touch()
    assert directories.may_be_left(place)
    for mode, alone in ((0o750, False), (0o705, False), (0o710, False), (0o701, False), (0o700, True)):
        folder.chmod(mode)
        assert directories.may_be_left(place) == alone
    (folder / "conf.db").touch()
    assert not directories.may_be_left(place)


# --- its settings


def box(folder: Path, **other) -> Sandbox:
    return Sandbox(
        **{"directory": folder, "datapath": "dummy", "namespace": None, "bridge": "br0", "ports": ("eth1",), "made_directory": True} | other
    )


def test_settings_read_back_as_they_were(folder, place):
    assert settings.load(place) is None
    for saved in (
        box(folder),
        box(folder, datapath="netdev", namespace=settings.namespace_name(folder, "0a1b2c"), ports=(), complete=True),
    ):
        settings.save(place, saved)
        assert settings.load(place) == saved
    text = (folder / "sandbox.json").read_text()
    assert json.loads(text)["directory"] == str(folder) and text.endswith("\n}\n") and '\n  "bridge": "br0",\n' in text
    assert box(folder).hosts == {} and not box(folder).complete and box(folder).db == f"unix:{folder}/db.sock"


def test_the_name_of_a_namespace_identifies_its_sandbox():
    # printf 0a1b2c/tmp/x | sha256sum
    assert (
        settings.namespace_name(Path("/tmp/x"), "0a1b2c")
        == "ovstool-0a1b2c" + subprocess.run(["sha256sum"], input=b"0a1b2c/tmp/x", capture_output=True, check=True).stdout.decode()[:6]
    )


def test_settings_that_ovstool_did_not_write_for_this_folder(folder, place):
    netdev = {"datapath": "netdev", "namespace": settings.namespace_name(folder, "0a1b2c")}
    not_here = f"{folder}: sandbox.json is not that of a sandbox created on this machine; try: inspect the directory and remove it"
    for wrong in (
        {"directory": folder / "x"}, {"namespace": "ovstool-0a1b2c000000"}, {"datapath": "other"}, {"bridge": 7}, {"ports": ("eth1", 7)}, {"made_directory": 1},
        {"complete": None}, netdev | {"namespace": None}, netdev | {"namespace": 7}, netdev | {"namespace": netdev["namespace"] + "0"},
        netdev | {"namespace": settings.namespace_name(folder / "x", "0a1b2c")}, netdev | {"namespace": "ovstool-0A1B2C" + netdev["namespace"][14:]},
        netdev | {"datapath": "dummy"}, netdev | {"datapath": "other"},
    ):  # fmt: skip
        settings.save(place, box(folder, **wrong))
        assert said(settings.load, place, error=Refused) == not_here, wrong
    for text in ("", "[]", "{}", "7", '{"directory": 7, "ports": []}', '{"directory": "/", "ports": [], "more": 1}', "[" * 99_999):
        (folder / "sandbox.json").write_text(text)
        told = said(settings.load, place, error=Refused)
        assert told.startswith(f"{folder}: sandbox.json cannot be read (") and told.endswith(
            "); try: another --dir, or look into this one and remove it"
        )
    (folder / "sandbox.json").write_text(" " * (2**20 + 1))
    assert "sandbox.json is too large (1048577 bytes)" in said(settings.load, place)
    settings.save(place, box(folder))
    with (folder / "sandbox.json").open("a") as file:
        file.write(" " * (2**20 - file.tell()))
    assert settings.load(place) == box(folder)


# --- programs


def run(script: str, seconds: float = 60, stdin: bytes = b"", keep: tuple[int, ...] = ()) -> tuple[int, str]:
    return programs.run(["sh", "-c", script], time.monotonic() + seconds, os.environ, stdin, keep)


def test_the_output_of_a_program_is_read_to_its_end(folder):
    assert run("cat >&2; exit 3", stdin=b"said\n") == (3, "said\n")
    assert run("echo lost; exit 0") == (0, "")
    assert run("printf '\\377' >&2") == (0, "\ufffd")
    assert run("head -c 70000 /dev/zero | tr '\\0' x >&2; echo y >&2") == (0, "x" * (2**16 - 2) + "y\n")
    reader, writer = os.pipe()
    assert run(f"echo kept >/proc/self/fd/{writer}", keep=(writer,))[0] == 0 and os.read(reader, 9) == b"kept\n"
    assert run(f"echo kept >/proc/self/fd/{writer}")[0] != 0
    for end in (reader, writer):
        os.close(end)
    assert run(f"sleep 60 & echo $! >{folder}/pid; echo said >&2") == (0, "said\n")
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


def test_a_program_that_does_not_end_is_killed_with_what_it_started(folder):
    assert said(run, f"echo $$ >{folder}/pid; sleep 60", 0.5, error=TimedOut) == "sandbox: sh did not finish in time"
    pid = (folder / "pid").read_text().strip()
    assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(FileNotFoundError):
        programs.run(["/nosuch/program"], time.monotonic() + 60, {})


def test_a_failed_program_is_reported_with_its_error_or_its_log(folder, place):
    site = Site(box(folder), place, time.monotonic() + 60)

    def call(script: str, daemon: str | None = "daemon", **more) -> str:
        return programs.call(site, "sh", "-c", script, daemon=daemon, **more)

    assert call("cat >&2; echo $OVSTOOL_DB >&2", stdin="x\n") == f"x\nunix:{folder}/db.sock\n"
    assert call("echo fine >&2; exit 65", fine=(0, 65)) == "fine\n"
    assert said(call, "exit 65", fine=(0, 64)) == "sandbox: daemon: it wrote no log"
    assert said(call, "echo one >&2; echo daemon: two >&2; exit 1") == "sandbox: daemon: two"
    assert said(call, "echo sh: two >&2; exit 1", daemon=None, error=Refused) == "sandbox: sh: two"
    (folder / "daemon.log").write_text("")
    assert said(call, "exit 7") == "sandbox: daemon: exit code 7"
    (folder / "daemon.log").write_text("2026-11-22T03:04:05Z|00001|bridge|ERR|went wrong|so\n")
    assert said(call, "exit 7") == "sandbox: daemon: went wrong|so"
    (folder / "sh.log").mkdir()
    assert said(call, "exit 7", daemon=None) == "sandbox: sh: sh.log is not a regular file"
    late = Site(site.sandbox, place, time.monotonic())
    assert (
        said(programs.call, late, "sleep", "60", daemon="daemon")
        == "sandbox: daemon did not answer in time (went wrong|so); try: a longer --timeout"
    )
    (folder / "daemon.log").write_text("\n")
    assert said(programs.call, late, "sleep", "60", daemon="daemon").endswith("(its log is empty); try: a longer --timeout")
    assert said(programs.call, site, "/nosuch/x", error=Unreachable) == "sandbox: /nosuch/x: No such file or directory"
    for hold in (True, False):
        assert call(f"[ -e /proc/self/fd/{place.fd} ] && echo held >&2; true", hold=hold) == ("held\n" if hold else "")


def test_whole_seconds_that_are_left():
    now = time.monotonic()
    assert programs.whole_seconds(now + 1000.5) == 1001 and programs.whole_seconds(now + 0.5) == 1 == programs.whole_seconds(now - 5)


# --- daemons and namespaces


def test_where_the_schema_is_looked_for(folder, monkeypatch):
    monkeypatch.setattr(daemons, "_SCHEMA_FOLDERS", (f"{folder}/one", f"{folder}/two"))
    monkeypatch.setenv("PATH", f"{folder}/sbin")
    monkeypatch.setattr(programs, "_SBIN", "/nosuch")
    monkeypatch.setenv("OVS_PKGDATADIR", f"{folder}/named")
    hint = "OVS_PKGDATADIR=FOLDER, the folder that contains it"
    assert (
        said(daemons.schema, error=Unreachable)
        == f"sandbox: vswitch.ovsschema is not in {folder}/named or {folder}/one or {folder}/two; try: {hint}"
    )
    for name in ("two", "one", "named"):
        (folder / name).mkdir()
        (folder / name / "vswitch.ovsschema").touch()
        assert daemons.schema() == f"{folder}/{name}/vswitch.ovsschema"


def test_programs_that_are_not_installed(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "_SBIN", "/nosuch")
    hint = "sudo apt-get install openvswitch-switch (Debian, Ubuntu) or dnf install openvswitch (Fedora)"
    for name in ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-appctl"):
        assert said(daemons.require_programs, error=Unreachable) == f"sandbox: {name} is not installed; try: {hint}"
        (folder / name).touch(0o755)
    daemons.require_programs()


@needs_root
def test_what_namespaces_need(folder, monkeypatch):
    def program(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "_SBIN", "/nosuch")
    assert namespaces.netdev_problem() == namespaces.system_problem() == "needs the programs ip (iproute2) and unshare (util-linux)"
    program("ip", "exit 0")
    assert namespaces.netdev_problem() == "needs the programs ip (iproute2) and unshare (util-linux)"
    program("unshare", f'echo "$@" >{folder}/asked; exit 1')
    assert namespaces.netdev_problem() == "needs network namespaces and veth pairs (unshare: exit code 1)" == namespaces.system_problem()
    assert (folder / "asked").read_text() == "--net --mount ip link add type veth\n"
    program("unshare", "echo one >&2; echo no veth >&2; exit 2")
    assert namespaces.netdev_problem(time.monotonic() + 60) == "needs network namespaces and veth pairs (no veth)"
    program("unshare", "exit 0")
    assert namespaces.netdev_problem() is None or "needs /dev/net/tun (" in namespaces.netdev_problem()
    if not os.path.exists("/sys/module/openvswitch"):
        assert namespaces.system_problem() == "needs the kernel module openvswitch (modprobe: No such file or directory)"
        program("modprobe", f'echo "$@" >{folder}/asked; echo no module >&2; exit 1')
        assert (
            namespaces.system_problem() == "needs the kernel module openvswitch (no module)"
            and (folder / "asked").read_text() == "openvswitch\n"
        )
        program("modprobe", "exit 0")
        assert namespaces.system_problem() is None
    assert (
        namespaces.in_namespace(box(folder, namespace="n")) == [f"{folder}/ip", "netns", "exec", "n"]
        and namespaces.in_namespace(box(folder)) == []
    )
