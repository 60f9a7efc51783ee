"""A private switch for experiments: an ovsdb-server and an ovs-vswitchd in a directory of their own.

The machine's own switch is never touched: database, sockets, pid files and logs are all in that directory, and real devices
and routes are in the sandbox's own network namespaces.

    DIR/sandbox.json                    the settings; it also marks the directory as one that may be cleared
    DIR/conf.db  DIR/db.sock            the database and its socket
    DIR/ovs-vswitchd.{pid,log,PID.ctl}  and the same for ovsdb-server
    DIR/BRIDGE.{mgmt,snoop}             sockets of ovs-vswitchd for each bridge

With the datapath ``dummy`` nothing is forwarded and no privileges are needed. With ``netdev`` (root) ovs-vswitchd forwards
in userspace between veth pairs, each with its other end in a namespace that acts as a host; with ``system`` (root, and the
kernel module openvswitch) the kernel forwards, with a separate datapath for each namespace.
"""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from ovstool import signals
from ovstool.errors import Conflict, OvstoolError, Refused, UsageError, quote, quote_some
from ovstool.sandbox import daemons, directories, namespaces, programs, settings
from ovstool.sandbox.directories import Place
from ovstool.sandbox.namespaces import netdev_problem as _netdev_problem
from ovstool.sandbox.namespaces import system_problem as _system_problem
from ovstool.sandbox.programs import Site
from ovstool.sandbox.settings import DATAPATHS, Sandbox

TIMEOUT_S = 30.0

_UNDO_S = 1.0  # of the time for a start, kept back to undo it
_LEAST_UNDO_S = 0.2
_NAMED = 5  # files of the user that are listed by name
_schema = daemons.schema  # for tests and bench

__all__ = ["DATAPATHS", "TIMEOUT_S", "Sandbox", "borrowed", "default_directory", "find", "run", "start", "stop"]


def default_directory() -> Path:
    """The user's default sandbox: in $XDG_RUNTIME_DIR if that belongs to the user, else in /run for root, in /tmp for others."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # sudo may pass on another user's; that user could replace what root puts there.
    if os.path.isabs(runtime) and directories.is_own(Path(runtime)):
        return Path(runtime) / "ovstool-sandbox"
    return _shelf() / ("ovstool-sandbox" if os.geteuid() == 0 else f"ovstool-sandbox-{os.geteuid()}")


def find(directory: Path) -> Sandbox | None:
    """The sandbox that is running in the directory, with both its daemons; None if there is none.

    Raises Refused for a directory that is a link, another user's, or open to other users.
    """
    with directories.opened(directory) as place:
        sandbox = settings.load(place) if place else None
        return sandbox if place and sandbox and _is_running(place, sandbox) else None


def start(
    directory: Path,
    datapath: str | None = None,
    ports: Sequence[str] = ("eth1", "eth2"),
    bridge: str = "br0",
    timeout_s: float = TIMEOUT_S,
) -> tuple[Sandbox, bool]:
    """Start a sandbox with a bridge and ports; return it and whether it was started now.

    A running one is left unchanged (Conflict if another datapath is requested). Leftovers of a dead sandbox are removed first.
    If anything fails, everything is undone. Without a datapath: netdev if it works here, else dummy.
    """
    deadline = time.monotonic() + timeout_s
    until = deadline - min(_UNDO_S, timeout_s / 4)
    daemons.require_programs()
    with _unwound(), _private_files(), directories.locked(directory, until, create=True) as place:
        assert place
        _require_datapath(datapath, until)
        old = settings.load(place)
        if old and _is_running(place, old):
            _require_same(old, datapath)
            return old, False
        if old:
            _clear(Site(old, place, until))
        elif _others_files(place):
            raise Refused(
                quote(str(place.path)), f"the directory is used for something else ({_some(os.listdir(place.fd))})", "another --dir"
            )
        datapath = datapath or ("dummy" if _netdev_problem(until) else "netdev")
        namespace = settings.namespace_name(place.path, secrets.token_hex(3)) if datapath != "dummy" else None
        made = old.made_directory if old else place.made
        sandbox = Sandbox(place.path, datapath, namespace, bridge, tuple(ports), made)
        os.fchmod(place.fd, 0o700)
        try:
            settings.save(place, sandbox)
            daemons.launch(Site(sandbox, place, until))
            sandbox = replace(sandbox, complete=True)
            settings.save(place, sandbox)
        except BaseException as error:
            _undo(Site(sandbox, place, max(deadline, time.monotonic() + _LEAST_UNDO_S)), error)
            raise
    return sandbox, True


def stop(directory: Path, timeout_s: float = TIMEOUT_S, note: Callable[[str], None] | None = None) -> bool:
    """Stop the daemons and remove everything the sandbox created; False if there was nothing to do.

    Other files in the directory stay, with a call of ``note``.
    """
    deadline = time.monotonic() + timeout_s
    with directories.locked(directory, deadline) as place:
        if place is None:
            return False
        sandbox = settings.load(place)
        if sandbox is None:
            return _forget(place, note)
        _remove(Site(sandbox, place, deadline))
        left = os.listdir(place.fd)
    if left and note:
        note(f"{quote(str(place.path))} was not removed, because it contains files that the sandbox did not create: {_some(left)}")
    return True


@contextmanager
def borrowed(
    directory: Path,
    datapath: str | None = None,
    timeout_s: float = TIMEOUT_S,
    note: Callable[[str], None] | None = None,
) -> Iterator[Sandbox]:
    """The sandbox running in the directory, else a temporary one that is always stopped at the end of the block.

    Starting and stopping it may take ``timeout_s`` each.
    """
    with _unwound():
        running = find(directory)
        if running:
            _require_same(running, datapath)
            yield running
            return
        # Not in $TMPDIR, which may be long: the socket's path has to be short.
        temporary = _shelf() / f"ovstool-{secrets.token_hex(4)}"
        with signals.undisturbed() as mask:
            try:
                # Signals raise only here, so none can interrupt between the end of the block and the stop.
                with signals.signal_mask(mask):
                    yield start(temporary, datapath, timeout_s=timeout_s)[0]
            finally:
                stop(temporary, timeout_s, note)


def run(sandbox: Sandbox, argv: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
    """Run a command against the sandbox, in its namespace if it has one; return the exit code as a shell would.

    That is 128 + N after signal N, 127 for a command that is not found, 126 for one that cannot be executed. ``extra`` is
    added to the environment.
    """
    env = {**programs.environ(sandbox), **(extra or {})}
    program = shutil.which(argv[0], path=env["PATH"])
    if program is None:
        there = os.path.exists(argv[0]) and os.sep in argv[0]
        why = "cannot be executed" if there else "command not found"
        print(f"ovstool: {quote(argv[0])}: {why}", file=sys.stderr)
        return 126 if there else 127
    command = [*namespaces.in_namespace(sandbox), program, *argv[1:]]
    sys.stdout.flush()
    with signals.handled(signals.leave_to_the_child, signal.SIGINT, signal.SIGQUIT):
        child = None
        try:
            with signals.deferred():  # a signal while it is being started would leave it behind
                child = subprocess.Popen(command, env=env)
            code = child.wait()
        except OSError as e:
            print(f"ovstool: {quote(argv[0])}: {e.strerror}", file=sys.stderr)
            return 126
        except BaseException:
            if child:
                _end_child(child)
            raise
    return code if code >= 0 else 128 - code


def _shelf() -> Path:
    """The folder for unnamed sandboxes; root avoids the world-writable one."""
    return Path("/run" if os.geteuid() == 0 else "/tmp")


# --- the steps of start and stop


def _require_datapath(datapath: str | None, deadline: float) -> None:
    if datapath not in (None, *DATAPATHS):
        raise UsageError(quote(datapath or ""), "no such datapath", f"one of {', '.join(DATAPATHS)}")
    problem = _netdev_problem(deadline) if datapath == "netdev" else _system_problem(deadline) if datapath == "system" else None
    if problem:
        raise Refused("sandbox", f"the {datapath} datapath {problem}", "--datapath dummy")


def _require_same(running: Sandbox, datapath: str | None) -> None:
    if datapath not in (None, running.datapath):
        why = f"a sandbox with datapath {running.datapath} is running there"
        raise Conflict(quote(str(running.directory)), why, f"ovstool sandbox stop --dir {shlex.quote(str(running.directory))}")


def _is_running(place: Place, sandbox: Sandbox) -> bool:
    return sandbox.complete and daemons.are_running(place, sandbox)


def _forget(place: Place, note: Callable[[str], None] | None) -> bool:
    """Remove the leftovers of a start that was killed before it wrote the marker; False if there are none.

    A directory with other files may belong to a stopped sandbox, and then there is nothing to do; if it cannot, raises Refused.
    """
    found = os.listdir(place.fd)
    if not _others_files(place):
        directories.clear(place)
        return bool(found)
    if not directories.may_be_left(place):
        raise Refused(quote(str(place.path)), f"not a sandbox: it has no {directories.MARKER}", "another --dir")
    if note:
        note(f"{quote(str(place.path))}: no sandbox is running there; other files were kept: {_some(found)}")
    return False


def _others_files(place: Place) -> bool:
    """Whether a directory without a marker contains anything but an unfinished marker of a killed start."""
    return any(name != directories.UNFINISHED for name in os.listdir(place.fd))


def _clear(site: Site) -> None:
    """Stop the daemons, delete the namespaces and everything else; missing parts are no error."""
    with signals.undisturbed():
        daemons.end(site)
        namespaces.delete(site)
        directories.clear(site.place)


def _remove(site: Site) -> None:
    with signals.undisturbed():
        _clear(site)
        if site.sandbox.made_directory:
            directories.remove(site.place)


def _undo(site: Site, error: BaseException) -> None:
    """Remove what a start that failed with ``error`` created; if something cannot be removed, the hint of ``error`` says so."""
    try:
        _remove(site)
    except (OvstoolError, OSError):
        if isinstance(error, OvstoolError):
            error.hint = f"ovstool sandbox stop --dir {shlex.quote(str(site.place.path))} (to finish the cleanup)"


def _some(names: Sequence[str]) -> str:
    return quote_some(sorted(names), _NAMED)


# --- ovstool's own process


def _unwound() -> AbstractContextManager[None]:
    return signals.handled(signals.unwind, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def _private_files() -> Iterator[None]:
    """Make files created here and by the daemons accessible only to the user, whatever the umask is."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _end_child(child: subprocess.Popen) -> None:
    """Stop a command whose ovstool was told to stop; an interactive shell ignores SIGTERM, so SIGHUP follows."""
    with signals.undisturbed():
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            child.send_signal(signum)
            try:
                child.wait(timeout=1)
                return
            except subprocess.TimeoutExpired:
                continue
