"""The ovsdb-server and the ovs-vswitchd of a sandbox."""

import os
import shutil
import signal
import time

from ovstool.errors import Refused, TimedOut, Unreachable
from ovstool.sandbox import directories, namespaces, programs
from ovstool.sandbox.directories import Place
from ovstool.sandbox.programs import Site
from ovstool.sandbox.settings import Sandbox

_DAEMONS = ("ovs-vswitchd", "ovsdb-server")  # in the order in which they are stopped
_PROGRAMS = (*_DAEMONS, "ovsdb-tool", "ovs-vsctl", "ovs-appctl")
_SCHEMA_FOLDERS = ("/usr/share/openvswitch", "/usr/local/share/openvswitch")
# As in ovs-ctl(8), on stderr, the only output of a program that is read.
_ASK_VERSIONS = 'ovs-vswitchd --version >&2 && ovsdb-tool schema-version "$0" >&2'
_END_S = 5  # for a daemon to exit when asked, before the next harsher way
_LEAST_S = 0.1  # the same with almost no time left
_HASTE_S = 0.6
_BEAT_S = 0.005


def require_programs() -> None:
    for program in _PROGRAMS:
        if shutil.which(program, path=programs.path()) is None:
            hint = "sudo apt-get install openvswitch-switch (Debian, Ubuntu) or dnf install openvswitch (Fedora)"
            raise Unreachable("sandbox", f"{program} is not installed", hint)


def schema() -> str:
    """The schema file that belongs to the first ovs-vswitchd on PATH, which exits if the database lacks a column that it uses."""
    server = shutil.which("ovs-vswitchd", path=programs.path())
    beside = server and f"{os.path.dirname(os.path.dirname(server))}/share/openvswitch"
    folders = [os.environ.get("OVS_PKGDATADIR"), beside, *_SCHEMA_FOLDERS]
    for folder in folders:
        if folder and os.path.exists(f"{folder}/vswitch.ovsschema"):
            return f"{folder}/vswitch.ovsschema"
    why = "vswitch.ovsschema is not in " + " or ".join(f for f in folders if f)
    raise Unreachable("sandbox", why, "OVS_PKGDATADIR=FOLDER, the folder that contains it")


def launch(site: Site) -> None:
    """Create the database, start both daemons, and add the bridge with its ports."""
    sandbox, base = site.sandbox, site.sandbox.directory
    programs.call(site, "ovsdb-tool", "create", f"{base}/conf.db", schema(), hold=True)
    server = ["ovsdb-server", f"{base}/conf.db", f"--remote=p{sandbox.db}"]
    programs.call(site, *server, *_options(sandbox, "ovsdb-server"))
    _vsctl(site, "--no-wait", "init")
    if sandbox.namespace:
        namespaces.make_hosts(site)
    # Without the kernel's datapath its module is not even requested.
    kinds = {"dummy": ["--enable-dummy=override", "--disable-system"], "netdev": ["--disable-system"], "system": []}
    switch = ["ovs-vswitchd", sandbox.db, *kinds[sandbox.datapath], *_options(sandbox, "ovs-vswitchd")]
    programs.call(site, *namespaces.in_namespace(sandbox), *switch, daemon="ovs-vswitchd")
    words = ["add-br", sandbox.bridge, "--", "set", "bridge", sandbox.bridge, f"datapath_type={sandbox.datapath}"]
    for port in sandbox.ports:
        words += ["--", "add-port", sandbox.bridge, port]
    if versions := _versions(site):
        words += ["--", "set", "Open_vSwitch", ".", *versions]
    # It waits for ovs-vswitchd, and reports a device that cannot be opened with exit code 0, or 65 since Open vSwitch 3.6.
    said = _vsctl(site, *words, daemon="ovs-vswitchd")
    if "Error detected" in said:
        raise Refused("sandbox", programs.last_line(said), "--datapath dummy")
    if sandbox.namespace:
        namespaces.give_the_bridge_an_address(site)


def _versions(site: Site) -> list[str]:
    """The columns for the versions of Open vSwitch and of the schema, which ovs-ctl(8) sets with ovs-vsctl; the daemons do not."""
    said = programs.call(site, "sh", "-c", _ASK_VERSIONS, schema(), daemon="ovs-vswitchd")
    first, *others = said.splitlines() or [""]
    version = first.rpartition("(Open vSwitch) ")[2]
    return [f"ovs-version={version}", f"db-version={others[-1]}"] if version != first and others else []


def are_running(place: Place, sandbox: Sandbox) -> bool:
    """Whether both daemons run, with the pids in their pid files."""
    for daemon in _DAEMONS:
        try:
            pid = int(directories.read(place, f"{daemon}.pid", 32) or b"")
        except (Refused, ValueError):
            return False
        if pid not in _pids(sandbox, daemon):
            return False
    return sandbox.namespace is None or os.path.exists(f"/run/netns/{sandbox.namespace}")


def end(site: Site) -> None:
    """Stop both: ask, then SIGTERM, then SIGKILL; SIGKILL at once if no time is left. Raises TimedOut if nothing helps."""
    for daemon in _DAEMONS:
        in_haste = site.deadline - time.monotonic() < _HASTE_S
        if not in_haste and all(_ask_to_exit(site, daemon, pid) for pid in _pids(site.sandbox, daemon)) and _is_gone(site, daemon):
            continue
        for signum in (signal.SIGKILL,) if in_haste else (signal.SIGTERM, signal.SIGKILL):
            for pid in _pids(site.sandbox, daemon):
                try:
                    os.kill(pid, signum)
                except ProcessLookupError:
                    pass  # just ended
            if _is_gone(site, daemon):
                break
        else:
            raise TimedOut("sandbox", f"{daemon} cannot be stopped, even with SIGKILL")


def _vsctl(site: Site, *words: str, daemon: str | None = None) -> str:
    options = [f"--db={site.sandbox.db}", f"--timeout={programs.whole_seconds(site.deadline)}"]
    return programs.call(site, "ovs-vsctl", *options, *words, daemon=daemon, fine=(0, os.EX_DATAERR))


def _options(sandbox: Sandbox, daemon: str) -> list[str]:
    base = f"{sandbox.directory}/{daemon}"
    return [f"--pidfile={base}.pid", f"--log-file={base}.log", "-vsyslog:off", "--no-chdir", "--detach"]


def _pids(sandbox: Sandbox, daemon: str) -> list[int]:
    """The processes that are this daemon of this directory and user.

    Searches all processes, because a pid file may be missing (killed while starting) or contain a pid that was reused.
    """
    ours = os.fsencode(f"--pidfile={sandbox.directory}/{daemon}.pid")
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as cmdline:
                if ours in cmdline.read().split(b"\0") and os.stat(f"/proc/{name}").st_uid == os.geteuid():
                    found.append(int(name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


def _ask_to_exit(site: Site, daemon: str, pid: int) -> bool:
    # --cleanup removes the tap devices, which SIGTERM leaves behind.
    how = ["exit", "--cleanup"] if daemon == "ovs-vswitchd" else ["exit"]
    until = time.monotonic() + _way_s(site)
    ask = ["ovs-appctl", f"--timeout={programs.whole_seconds(until)}", "-t", f"{site.sandbox.directory}/{daemon}.{pid}.ctl", *how]
    try:
        return programs.run(ask, until, programs.environ(site.sandbox))[0] == 0
    except (OSError, TimedOut):
        return False  # ovs-appctl is gone, or hangs: the signals remain


def _is_gone(site: Site, daemon: str) -> bool:
    """Wait for the daemon to exit; False if it has not within its share of the time."""
    until = time.monotonic() + _way_s(site)
    while _pids(site.sandbox, daemon):
        if time.monotonic() > until:
            return False
        time.sleep(_BEAT_S)
    return True


def _way_s(site: Site) -> float:
    """The time for one way to stop a daemon: there are three for each of two daemons, and some time must remain afterwards."""
    return max(_LEAST_S, min(_END_S, (site.deadline - time.monotonic()) / 4))
