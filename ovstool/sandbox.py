"""A private switch to try things on: an ovsdb-server and an ovs-vswitchd in a directory of their own.

The machine's own switch is never touched: database, sockets, pid files and logs are all in that directory, and what has
to be real (devices, routes) is in network namespaces of the sandbox's own.

    DIR/sandbox.json                    the settings; it also marks the directory as one that may be cleared
    DIR/conf.db  DIR/db.sock            the database and its socket
    DIR/ovs-vswitchd.{pid,log,PID.ctl}  and the same for ovsdb-server

With the datapath ``dummy`` nothing is forwarded and no privilege is needed. With ``netdev`` (root) ovs-vswitchd
forwards in userspace between veth pairs, each of which ends in a namespace that stands for a host; with ``system``
(root, and the kernel's module openvswitch) the kernel does, which keeps a datapath for each namespace.
"""

import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ovstool.errors import Conflict, Refused, TimedOut, Unreachable, UsageError, quote

DATAPATHS = ("dummy", "netdev", "system")

_DAEMONS = ("ovs-vswitchd", "ovsdb-server")  # in the order in which they are ended
_PROGRAMS = (*_DAEMONS, "ovsdb-tool", "ovs-vsctl", "ovs-appctl")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons are, and often not in the PATH of a user
_SCHEMA_FOLDERS = ("/usr/share/openvswitch", "/usr/local/share/openvswitch")
_MARKER = "sandbox.json"
_CALL_S = 15  # for each program that sets something up; they take some 10 ms each
_END_S = 5  # for a daemon to end when asked, before the next harder way
_SOCKET_BYTES = 107  # sun_path in unix(7), less its final NUL
_LONGEST_SOCKET = "/ovs-vswitchd.4194304.ctl"  # 2^22 is the largest pid, proc(5)
_SUBNET = "10.0.0"  # hosts are .1, .2 and so on; the bridge is .254
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_SIOCETHTOOL = 0x8946  # <linux/sockios.h>
_ETHTOOL_STXCSUM = 0x17  # <linux/ethtool.h>


@dataclass(frozen=True)
class Sandbox:
    """A private switch: where it is and what it was made of."""

    directory: Path
    datapath: str  # one of DATAPATHS
    namespace: str | None  # the network namespace of ovs-vswitchd; None with the dummy datapath
    bridge: str
    ports: tuple[str, ...]
    made_directory: bool  # else it was there, empty, and is left so

    @property
    def db(self) -> str:
        return f"unix:{self.directory}/db.sock"

    @property
    def hosts(self) -> dict[str, str]:
        """The namespace that stands for the host on each port, and its IPv4 address, in the order of the ports."""
        if self.namespace is None:
            return {}
        return {f"{self.namespace}-h{i}": f"{_SUBNET}.{i}" for i in range(1, len(self.ports) + 1)}

    @property
    def environ(self) -> dict[str, str]:
        """What ovstool and Open vSwitch's own programs need to find this switch and no other."""
        found = {"OVSTOOL_DB": self.db}
        found.update({name: str(self.directory) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")})
        found.update({f"OVSTOOL_H{i}": host for i, host in enumerate(self.hosts, 1)})
        return found


def default_directory() -> Path:
    """The user's one sandbox that needs no name: in $XDG_RUNTIME_DIR when that is the user's own, else in /tmp."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # sudo may hand on another user's; what root puts there, that user could replace.
    if os.path.isabs(runtime) and os.access(runtime, os.W_OK) and os.stat(runtime).st_uid == os.geteuid():
        return Path(runtime) / "ovstool-sandbox"
    return Path(f"/tmp/ovstool-sandbox-{os.geteuid()}")


def find(directory: Path) -> Sandbox | None:
    """The sandbox that is running in the directory, with both its daemons; None when there is none.

    Raises Refused for a directory that is a link or another user's.
    """
    directory = _checked(directory)
    sandbox = _load(directory)
    return sandbox if sandbox and _is_running(sandbox) else None


def start(
    directory: Path,
    datapath: str | None = None,
    ports: Sequence[str] = ("eth1", "eth2"),
    bridge: str = "br0",
) -> tuple[Sandbox, bool]:
    """Start a sandbox with a bridge and ports; return it and whether it was started now.

    One that is running already is left as it is (Conflict when another datapath is asked for). What a sandbox that died
    left behind is cleared first. When anything fails, all of it is undone. No datapath: netdev where it works, else dummy.
    """
    directory = _checked(directory)
    _require_programs()
    _require_datapath(datapath)
    with _handled(_unwind, signal.SIGTERM, signal.SIGHUP), _locked(directory, create=True) as made:
        old = _load(directory)
        if old and _is_running(old):
            _require_same(old, datapath)
            return old, False
        if old:
            _clear(old)
        elif any(directory.iterdir()):
            raise Refused(quote(str(directory)), "the directory is in use for something else", "another --dir")
        datapath = datapath or ("dummy" if _netdev_problem() else "netdev")
        namespace = f"ovstool-{secrets.token_hex(3)}" if datapath != "dummy" else None
        made = old.made_directory if old else made
        sandbox = Sandbox(directory, datapath, namespace, bridge, tuple(ports), made)
        directory.chmod(0o700)
        try:
            _launch(sandbox)
        except BaseException:
            _remove(sandbox)
            raise
    return sandbox, True


def stop(directory: Path) -> bool:
    """End the daemons and remove what the sandbox made; False when there was nothing to do."""
    directory = _checked(directory)
    if not directory.exists():
        return False
    with _locked(directory):
        sandbox = _load(directory)
        if sandbox:
            _remove(sandbox)
        elif directory.exists() and any(directory.iterdir()):
            raise Refused(quote(str(directory)), "not a sandbox: it has no sandbox.json", "another --dir")
        return sandbox is not None


@contextmanager
def borrowed(directory: Path, datapath: str | None = None) -> Iterator[Sandbox]:
    """The sandbox running in the directory, else a temporary one that ends with the block, whatever ends the block."""
    with _handled(_unwind, signal.SIGTERM, signal.SIGHUP):
        running = find(directory)
        if running:
            _require_same(running, datapath)
            yield running
            return
        # Directly in /tmp: the socket's path has to stay short, and $TMPDIR may be long.
        with _undisturbed() as mask, tempfile.TemporaryDirectory(prefix="ovstool-", dir="/tmp") as name:
            try:
                # Only here can a signal raise, so none can between the block's end and the stop.
                with _signal_mask(mask):
                    yield start(Path(name), datapath)[0]
            finally:
                stop(Path(name))


def run(sandbox: Sandbox, argv: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
    """Run a command against the sandbox, in its namespace if it has one; return the exit code as a shell would.

    That is 128 + N after signal N, 127 for a command that is not there, 126 for one that cannot be executed. ``extra``
    is added to the environment.
    """
    env = {**_child_environ(sandbox), **(extra or {})}
    program = shutil.which(argv[0], path=env["PATH"])
    if program is None:
        there = os.path.exists(argv[0]) and os.sep in argv[0]
        why = "cannot be executed" if there else "command not found"
        print(f"ovstool: {quote(argv[0])}: {why}", file=sys.stderr)
        return 126 if there else 127
    command = [*_in_namespace(sandbox), program, *argv[1:]]
    sys.stdout.flush()
    with _handled(_leave_to_the_child, signal.SIGINT, signal.SIGQUIT):
        try:
            child = subprocess.Popen(command, env=env)
        except OSError as e:
            print(f"ovstool: {quote(argv[0])}: {e.strerror}", file=sys.stderr)
            return 126
        try:
            code = child.wait()
        except BaseException:
            _end_child(child)
            raise
    return code if code >= 0 else 128 - code


# --- directory


def _checked(directory: Path) -> Path:
    """The directory as one absolute path (a daemon is known by it), once it is safe to use."""
    path = Path(os.path.abspath(directory))
    path = path.parent.resolve() / path.name
    what = quote(str(path))
    longest = _SOCKET_BYTES - len(_LONGEST_SOCKET)
    if len(os.fsencode(path)) > longest:
        why = f"the path is too long for a Unix socket in it ({len(os.fsencode(path))} bytes, at most {longest})"
        raise UsageError(what, why, "a shorter --dir")
    try:
        found = path.lstat()
    except FileNotFoundError:
        return path
    except OSError as e:
        raise Refused(what, e.strerror or str(e), "another --dir") from e
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(what, "not a directory (links are not followed)", "another --dir")
    if found.st_uid != os.geteuid():
        raise Refused(what, "the directory belongs to another user", "another --dir")
    return path


@contextmanager
def _locked(directory: Path, create: bool = False) -> Iterator[bool]:
    """Keep other ovstools from starting or stopping here; yields whether the directory was made just now."""
    made = False
    while True:
        try:
            if create and not directory.exists():
                directory.mkdir(mode=0o700)
                made = True
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileExistsError:
            continue  # another one made it first: wait for its lock
        except FileNotFoundError as e:
            if create and directory.parent.is_dir():
                continue  # another one removed it in between
            if create:
                raise Refused(quote(str(directory)), "the folder above it does not exist", "another --dir") from e
            yield False
            return
        except OSError as e:
            raise Refused(quote(str(directory)), e.strerror or str(e), "another --dir") from e
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if directory.exists() and os.path.samestat(os.fstat(fd), directory.lstat()):
                yield made
                return
            if not create:
                yield False
                return
        finally:
            os.close(fd)
        made = False  # removed while we waited: the lock was on nothing


def _load(directory: Path) -> Sandbox | None:
    """The settings of the sandbox that is or was here; None for a directory without the marker."""
    try:
        settings = json.loads((directory / _MARKER).read_text())
        return Sandbox(directory=directory, ports=tuple(settings.pop("ports")), **settings)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        why = f"{_MARKER} cannot be read ({e})"
        raise Refused(quote(str(directory)), why, "another --dir, or look into this one and remove it") from e


def _save(sandbox: Sandbox) -> None:
    settings = {k: v for k, v in asdict(sandbox).items() if k != "directory"}
    new = sandbox.directory / f"{_MARKER}.new"
    new.write_text(json.dumps(settings, indent=2) + "\n")
    new.rename(sandbox.directory / _MARKER)


# --- starting


def _require_programs() -> None:
    for program in _PROGRAMS:
        if shutil.which(program, path=_path()) is None:
            hint = "sudo apt-get install openvswitch-switch (Debian, Ubuntu) or dnf install openvswitch (Fedora)"
            raise Unreachable("sandbox", f"{program} is not installed", hint)


def _require_datapath(datapath: str | None) -> None:
    if datapath not in (None, *DATAPATHS):
        raise UsageError(quote(datapath or ""), "no such datapath", f"one of {', '.join(DATAPATHS)}")
    problem = _netdev_problem() if datapath == "netdev" else _system_problem() if datapath == "system" else None
    if problem:
        raise Refused("sandbox", f"the {datapath} datapath {problem}", "--datapath dummy")


def _netdev_problem() -> str | None:
    """Why the userspace datapath cannot be used here; None when it can."""
    if problem := _hosts_problem():
        return problem
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        return f"needs /dev/net/tun ({e.strerror})"
    return None


def _system_problem() -> str | None:
    """Why the kernel's datapath cannot be used here; None when it can. Loads its module, as ovs-ctl does."""
    if problem := _hosts_problem():
        return problem
    module = "needs the kernel module openvswitch"
    if os.path.exists("/sys/module/openvswitch"):
        return None
    try:
        done = subprocess.run(["modprobe", "openvswitch"], check=False, capture_output=True, text=True, env={**os.environ, "PATH": _path()})
    except OSError as e:
        return f"{module} (modprobe: {e.strerror})"
    return f"{module} ({_last_line(done.stderr)})" if done.returncode else None


def _hosts_problem() -> str | None:
    """Why there can be no namespaces with veth pairs here; None when there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip", path=_path()) is None or shutil.which("unshare", path=_path()) is None:
        return "needs the programs ip (iproute2) and unshare (util-linux)"
    # Root in a container is often not allowed to; the namespace and its veth pair vanish with this process.
    trial = ["unshare", "--net", "--mount", "ip", "link", "add", "type", "veth"]
    done = subprocess.run(trial, check=False, capture_output=True, text=True, env={**os.environ, "PATH": _path()})
    return f"needs network namespaces and veth pairs ({_last_line(done.stderr)})" if done.returncode else None


def _require_same(running: Sandbox, datapath: str | None) -> None:
    if datapath not in (None, running.datapath):
        why = f"a sandbox with datapath {running.datapath} is running there"
        raise Conflict(quote(str(running.directory)), why, f"ovstool sandbox stop --dir {running.directory}")


def _schema() -> str:
    folders = [os.environ.get("OVS_PKGDATADIR"), *_SCHEMA_FOLDERS]
    for folder in folders:
        if folder and os.path.exists(f"{folder}/vswitch.ovsschema"):
            return f"{folder}/vswitch.ovsschema"
    why = "vswitch.ovsschema is in none of " + ", ".join(f for f in folders if f)
    raise Unreachable("sandbox", why, "OVS_PKGDATADIR=FOLDER, the folder where it is")


def _launch(sandbox: Sandbox) -> None:
    directory = sandbox.directory
    schema = _schema()
    _save(sandbox)
    _call(sandbox, "ovsdb-tool", "create", f"{directory}/conf.db", schema)
    server = ["ovsdb-server", f"{directory}/conf.db", f"--remote=p{sandbox.db}"]
    _call(sandbox, *server, *_daemon_options(sandbox, "ovsdb-server"))
    _call(sandbox, "ovs-vsctl", f"--db={sandbox.db}", "--no-wait", "init")
    if sandbox.namespace:
        _make_hosts(sandbox)
    # Without the kernel's datapath its module is not even asked for.
    kinds = {"dummy": ["--enable-dummy=override", "--disable-system"], "netdev": ["--disable-system"], "system": []}
    switch = ["ovs-vswitchd", sandbox.db, *kinds[sandbox.datapath], *_daemon_options(sandbox, "ovs-vswitchd")]
    _call(sandbox, *_in_namespace(sandbox), *switch, daemon="ovs-vswitchd")
    words = ["add-br", sandbox.bridge, "--", "set", "bridge", sandbox.bridge, f"datapath_type={sandbox.datapath}"]
    for port in sandbox.ports:
        words += ["--", "add-port", sandbox.bridge, port]
    # It waits for ovs-vswitchd, and tells of a device that cannot be opened with exit code 0.
    said = _call(sandbox, "ovs-vsctl", f"--db={sandbox.db}", f"--timeout={_CALL_S}", *words, daemon="ovs-vswitchd")
    if "Error detected" in said:
        raise Refused("sandbox", _last_line(said), "--datapath dummy")
    if sandbox.namespace:
        _give_the_bridge_an_address(sandbox)


def _daemon_options(sandbox: Sandbox, daemon: str) -> list[str]:
    base = f"{sandbox.directory}/{daemon}"
    return [f"--pidfile={base}.pid", f"--log-file={base}.log", "-vsyslog:off", "--no-chdir", "--detach"]


def _make_hosts(sandbox: Sandbox) -> None:
    """Make the switch's namespace, and for each port a namespace with the other end of its veth pair."""
    switch = ["link set lo up"]
    for namespace in (sandbox.namespace, *sandbox.hosts):
        _call(sandbox, "ip", "netns", "add", namespace)
    for port, host in zip(sandbox.ports, sandbox.hosts, strict=True):
        switch += [f"link add {port} type veth peer name eth0 netns {host}", f"link set {port} up"]
    _ip(sandbox, sandbox.namespace, *switch)
    for host, address in sandbox.hosts.items():
        gateway = f"{_SUBNET}.254"
        lines = [f"address add {address}/24 dev eth0", "link set eth0 up", f"route add default via {gateway}"]
        _ip(sandbox, host, "link set lo up", *lines)
    if sandbox.datapath == "netdev":
        for host in sandbox.hosts:
            _send_whole_checksums(host, "eth0")
        for port in sandbox.ports:
            _send_whole_checksums(sandbox.namespace, port)


def _give_the_bridge_an_address(sandbox: Sandbox) -> None:
    """Let the switch itself be reached, and have routes (sFlow and tunnels ask for one)."""
    lines = [f"address add {_SUBNET}.254/24 dev {sandbox.bridge}", f"link set {sandbox.bridge} up"]
    if sandbox.hosts:
        lines.append(f"route add default via {_SUBNET}.1")
    _ip(sandbox, sandbox.namespace, *lines)


def _ip(sandbox: Sandbox, namespace: str | None, *lines: str) -> None:
    _call(sandbox, "ip", "-n", str(namespace), "-batch", "-", stdin="\n".join(lines) + "\n")


def _send_whole_checksums(namespace: str | None, interface: str) -> None:
    """Turn transmit checksum offload off, as ``ethtool -K IFACE tx off`` (which is often not installed).

    A veth end hands its packets on with the checksum left for hardware to fill in; the userspace datapath would carry
    them to the far end unfilled, where TCP drops them.
    """

    def in_namespace() -> None:
        libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
        with open(f"/run/netns/{namespace}") as target:
            if libc.setns(target.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))  # struct ethtool_value
        request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))  # struct ifreq
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)

    # A namespace belongs to a thread, so one that ends straight away.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            thread.submit(in_namespace).result()
        except OSError as e:
            raise Refused("sandbox", f"checksum offload of {interface}: {e.strerror}", "--datapath dummy") from e


def _call(sandbox: Sandbox, *argv: str | None, stdin: str = "", daemon: str | None = None) -> str:
    """Run a program that sets something up and return what it said on stderr.

    When it fails, the error tells its last line, or that of the log of ``daemon``, which it starts or waits for.
    """
    program = daemon or str(argv[0])
    try:
        done = subprocess.run(
            [str(a) for a in argv],
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CALL_S + 1,  # ovs-vsctl is told _CALL_S and should be the one to speak
            env=_child_environ(sandbox),
        )
    except subprocess.TimeoutExpired as e:
        why = f"{program} did not answer in {_CALL_S} s ({_last_log_line(sandbox, program)})"
        raise TimedOut("sandbox", why) from e
    except OSError as e:
        raise Unreachable("sandbox", f"{program}: {e.strerror}") from e
    if done.returncode:
        why = _last_line(done.stderr) or _last_log_line(sandbox, program) or f"exit code {done.returncode}"
        raise Refused("sandbox", f"{program}: {why.removeprefix(program + ': ')}")
    return done.stderr


def _path() -> str:
    path = os.environ.get("PATH", "")
    return f"{path}:{_SBIN}" if path else _SBIN


def _child_environ(sandbox: Sandbox) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "OVSTOOL_HOST"}  # it would lead to another machine
    return {**env, "PATH": _path(), **sandbox.environ}


def _in_namespace(sandbox: Sandbox) -> list[str]:
    # Not nsenter: ip gives the command a /sys of that namespace too.
    return [shutil.which("ip", path=_path()) or "ip", "netns", "exec", sandbox.namespace] if sandbox.namespace else []


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # An OVS log line is time|number|module|level|message.
    return lines[-1].split("|", 4)[-1] if lines else ""


def _last_log_line(sandbox: Sandbox, daemon: str) -> str:
    try:
        return _last_line((sandbox.directory / f"{daemon}.log").read_text(errors="replace"))
    except OSError:
        return "it wrote no log"


# --- daemons


def _pids(directory: Path, daemon: str) -> list[int]:
    """The processes that are this daemon of this directory and of this user.

    Looked for among all, as a pid file may be missing (killed while starting) or name a pid that someone else has now.
    """
    ours = os.fsencode(f"--pidfile={directory}/{daemon}.pid")
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


def _is_running(sandbox: Sandbox) -> bool:
    for daemon in _DAEMONS:
        try:
            pid = int((sandbox.directory / f"{daemon}.pid").read_text())
        except (OSError, ValueError):
            return False
        if pid not in _pids(sandbox.directory, daemon):
            return False
    return sandbox.namespace is None or os.path.exists(f"/run/netns/{sandbox.namespace}")


def _end(sandbox: Sandbox, daemon: str) -> None:
    """End a daemon: ask it, then SIGTERM, then SIGKILL."""
    asked = [_ask_to_exit(sandbox, daemon, pid) for pid in _pids(sandbox.directory, daemon)]
    if all(asked) and _is_gone(sandbox, daemon):
        return
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for pid in _pids(sandbox.directory, daemon):
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                pass  # just ended
        if _is_gone(sandbox, daemon):
            return
    raise TimedOut("sandbox", f"{daemon} does not end even when killed")


def _ask_to_exit(sandbox: Sandbox, daemon: str, pid: int) -> bool:
    # --cleanup takes the taps away, which SIGTERM leaves behind.
    how = ["exit", "--cleanup"] if daemon == "ovs-vswitchd" else ["exit"]
    env = _child_environ(sandbox)
    ask = ["ovs-appctl", f"--timeout={_END_S}", "-t", f"{sandbox.directory}/{daemon}.{pid}.ctl", *how]
    try:
        done = subprocess.run(ask, check=False, capture_output=True, timeout=_END_S + 1, env=env)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False  # ovs-appctl is gone, or hangs: the signals remain


def _is_gone(sandbox: Sandbox, daemon: str) -> bool:
    """Wait for the daemon to end; False when it has not after _END_S."""
    deadline = time.monotonic() + _END_S
    while _pids(sandbox.directory, daemon):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _clear(sandbox: Sandbox) -> None:
    """End the daemons, remove the namespaces, empty the directory; what is gone already is no error."""
    with _undisturbed():
        for daemon in _DAEMONS:
            _end(sandbox, daemon)
        for namespace in (sandbox.namespace, *sandbox.hosts):
            if namespace and os.path.exists(f"/run/netns/{namespace}"):
                _call(sandbox, "ip", "netns", "delete", namespace)
        # The marker goes last: without it nobody may clear what is left.
        for entry in sorted(sandbox.directory.iterdir(), key=lambda e: e.name == _MARKER):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _remove(sandbox: Sandbox) -> None:
    with _undisturbed():
        _clear(sandbox)
        if sandbox.made_directory:
            sandbox.directory.rmdir()


# --- signals


@contextmanager
def _undisturbed() -> Iterator[set[int]]:
    """Put off Ctrl-C and the like until what must not be left half-done is done; yields the signal mask as it was."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signal_mask(mask: set[int]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled(handler: Callable[[int, object], None], *signums: signal.Signals) -> Iterator[None]:
    """Handle signals so for the length of the block, except those that we were told to ignore (nohup)."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
        before = {s: signal.getsignal(s) for s in signums if signal.getsignal(s) not in (signal.SIG_IGN, None)}
    for signum in before:
        signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


def _unwind(signum: int, frame: object) -> None:
    """End by way of all the ``finally`` blocks, as Ctrl-C does, so that what was started is stopped."""
    raise SystemExit(128 + signum)


def _leave_to_the_child(signum: int, frame: object) -> None:
    """Go on waiting, as system(3) does: a shell lives on after Ctrl-C. Unlike SIG_IGN it is not inherited."""


def _end_child(child: subprocess.Popen) -> None:
    """End a command whose ovstool was told to end; an interactive shell ignores SIGTERM, so SIGHUP too."""
    with _undisturbed():
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            child.send_signal(signum)
            try:
                child.wait(timeout=1)
                return
            except subprocess.TimeoutExpired:
                continue
