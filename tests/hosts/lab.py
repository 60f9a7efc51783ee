"""A lab of hosts to reach over SSH, each with its own Open vSwitch; the machine's own is not used.

    with Lab() as lab:
        lab.host("h01")
        lab.host("slow", answers_after_s=20)
        lab.ovstool("-H h01 bridge list")
        lab.vsctl("h01", "list-br")

A host is a set of namespaces (network, mounts, processes, host name) in which OpenSSH's sshd, ovsdb-server and ovs-vswitchd run, on the
dummy datapath: bridge br0 with eth1 and eth2. It has its own host key, users, sudoers file, /run, /tmp and /var/log; the rest of the file
system is the machine's, read-only. The operator, who runs the commands, is in namespaces of the lab too: a home with SSH settings, the
names of the hosts, and no route to another network or to the machine's own switch.

Everything ends with the process that created it, even if that is killed: the first process of each set of namespaces ends when the pipe
from the lab closes, and the kernel then ends and unmounts the rest. A killed lab leaves only its directory, which the next one removes.

It needs root; ``Lab.problem`` says what is missing.
"""

import fcntl
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from forked import Forks

from ovstool.sandbox import _schema

_ROOT = Path(__file__).resolve().parents[2]
_PREFIX = "ovstool-lab-"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OVS = ("ovs-vsctl", "ovs-ofctl", "ovs-appctl", "ovs-dpctl", "ovsdb-client", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd")
_PROGRAMS = (*_OVS, "sshd", "ssh", "ssh-keygen", "sudo", "socat", "nc", "ip", "unshare", "nsenter")
_OPERATOR = "10.99.255.254"  # the operator's address; a host's is 10.99.0.N, and 10.99.1.N behind a jump host
_STARTED_S = 60  # for a host to start, even when 32 of them start on two cores
_ENDED_S = 20
_CALL_S = 60
_HIDDEN_PORT = 2222  # where sshd listens when a proxy is in front of it

# Both scripts end when their stdin closes. Their shell is the first process of its namespace, so it adopts and reaps the daemons.
_OPERATOR_SCRIPT = """
read -r pid rest </proc/self/stat
mount -t tmpfs -o mode=755 operator /run
for rundir in /usr/local/var/run/openvswitch; do [ ! -d "$rundir" ] || mount -t tmpfs -o mode=755 operator "$rundir"; done
mount --bind "$LAB/passwd" /etc/passwd
mount --bind "$LAB/names" /etc/hosts
ip link set lo up
ip address add $OPERATOR/32 dev lo
echo "ready $pid"
exec >&-
cat >/dev/null
"""

# Files that a host replaces are put into $FILES first; /run comes first, because later ones are put there.
_HOST_SCRIPT = """
read -r pid rest </proc/self/stat
echo "made $pid"
read -r go
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys 2>/dev/null || true
mount -t tmpfs -o mode=755,size=16m run /run
cp -r "$FILES" /run/lab
if [ -n "$CODE" ]; then
    mkdir /run/code /run/python
    mount --bind "$CODE" /run/code
    mount --bind "$PYTHON" /run/python
    mount -t overlay -o lowerdir=/run/lab/bin:/usr/local/bin overlay /usr/local/bin
fi
chmod 600 /run/lab/host_key
chown 0:0 /run/lab/sudoers /run/lab/shadow
chmod 440 /run/lab/sudoers
chmod 600 /run/lab/shadow
mkdir -p /run/sshd /run/home/root /run/home/op /run/openvswitch
chown 1000:1000 /run/home/op
for file in passwd shadow group sudoers hosts; do mount --bind "/run/lab/$file" "/etc/$file"; done
mount -t tmpfs -o mode=755,size=4m log /var/log
mount -t tmpfs -o mode=1777,size=4m tmp /tmp
cd /
echo "$NAME" >/proc/sys/kernel/hostname
while read -r folder names; do
    [ -n "$names" ] || continue
    over=/run/lab/over$folder
    mkdir -p "$over/upper" "$over/work"
    for name in $names; do mknod "$over/upper/$name" c 0 0; done
    mount -t overlay -o "lowerdir=$folder,upperdir=$over/upper,workdir=$over/work" overlay "$folder"
done </run/lab/hidden
mount -o remount,bind,ro /
ip link set lo up
ip address add "$ADDRESS/32" dev mgmt0
ip link set mgmt0 up
ip route add "$GATEWAY" dev mgmt0
ip route add default via "$GATEWAY"
if [ -n "$OVS" ]; then
    mkdir /run/lab/db
    mount -t tmpfs -o "mode=700,size=${FULL:-512m}" db /run/lab/db
    export OVS_RUNDIR=/var/run/openvswitch
    ovsdb-tool create /run/lab/db/conf.db "$SCHEMA"
    ovsdb-tool transact /run/lab/db/conf.db "$(cat /run/lab/content)" >/run/lab/content.log
    daemon="-vconsole:off -vsyslog:off --pidfile --detach --no-chdir"
    ovsdb-server $daemon /run/lab/db/conf.db --remote=punix:$OVS_RUNDIR/db.sock --log-file=/run/lab/ovsdb-server.log
    ovs-vswitchd $daemon unix:$OVS_RUNDIR/db.sock --enable-dummy=override --disable-system --log-file=/run/lab/ovs-vswitchd.log
fi
if [ -n "$FULL" ]; then
    for folder in /run/lab/db /tmp; do cat /dev/zero >"$folder/full" 2>/dev/null || true; done
    # The last page of the database's file has room still: the smallest of writes fill it.
    for value in $(seq 200); do
        write='{"op":"update","table":"Open_vSwitch","where":[],"row":{"db_version":"'$value'"}}'
        [ -z "$OVS" ] || ! ovsdb-client --timeout=10 transact '["Open_vSwitch",'"$write]" | grep -q error || break
    done
fi
failed() { cat /run/lab/sshd.log >&2; exit 1; }
# From OpenSSH 9.8 on it punishes addresses that fail often, and all tests come from one; an older one does not know the word.
lenient="-o PerSourcePenalties=no"
"$SSHD" -t -f /run/lab/sshd_config $lenient 2>/dev/null || lenient=
env -i PATH=$PATH "$SSHD" -f /run/lab/sshd_config $lenient -E /run/lab/sshd.log || failed
for attempt in $(seq 500); do [ ! -s /run/lab/sshd.pid ] || break; sleep 0.02; done
[ -s /run/lab/sshd.pid ] || failed
echo ready
exec >&-
cat >/dev/null
"""

_SSHD_CONFIG = """
AddressFamily inet
HostKey /run/lab/host_key
PidFile /run/lab/sshd.pid
AuthorizedKeysFile /run/lab/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 100
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""


class Failed(Exception):
    """The lab itself does not work."""


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    stdout: str
    stderr: str
    code: int

    @property
    def json(self):
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Traits:
    """The properties of a host.

    ``user`` is who logs in: root, or op, who may not open db.sock. (Both can, with USER@HOST.)
    ``sudo``: ``works`` without a password, asks for a ``password`` that nobody has, or is ``absent``.
    ``without``: programs that it does not have; ``nc`` means ``nc.openbsd`` too, ``python3`` any ``python3.N``.
    ``no_ovs``: neither daemons nor programs of Open vSwitch.
    ``has_ovstool``: ovstool, as it is here, is installed there in /usr/local/bin.
    ``answers_after_s``: it accepts a connection and is silent for this long.
    ``drops_after``, ``hangs_after``: bytes of a connection, both directions together, after which it is reset or goes silent. The start of
    an SSH connection takes some 5,000.
    ``full_disk``: nothing more can be written to the database, nor to /tmp.
    ``behind``: the jump host that it can only be reached through.
    ``forwarding``: whether sshd opens sockets for its clients.
    ``banner``: what the login shell prints before every command. ``shell``: the login shell.
    ``port``: sshd's. ``authorised``: whether the operator's key opens it. ``known``: what known_hosts has for it: the ``right`` key, ``no``
    key, or another (``changed``).
    ``sshd``: further lines of sshd_config.
    """

    user: str = "root"
    sudo: str = "works"
    without: tuple[str, ...] = ()
    no_ovs: bool = False
    has_ovstool: bool = False
    answers_after_s: float = -1
    drops_after: int = -1
    hangs_after: int = -1
    full_disk: bool = False
    behind: str | None = None
    forwarding: bool = True
    banner: str = ""
    shell: str = "/bin/sh"
    port: int = 22
    authorised: bool = True
    known: str = "right"
    sshd: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for value, values in (
            (self.user, ("root", "op")),
            (self.sudo, ("works", "password", "absent")),
            (self.known, ("right", "no", "changed")),
        ):
            if value not in values:
                raise ValueError(f"{value!r}: one of {', '.join(values)}")

    @property
    def needs_proxy(self) -> bool:
        return max(self.answers_after_s, self.drops_after, self.hangs_after) >= 0


class _Namespaces:
    """Processes in their own namespaces, which end with ``stop`` or with this process, however it ends."""

    def __init__(self, kinds: Sequence[str], script: str, environ: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._deadline = time.monotonic() + _STARTED_S
        self._said = b""
        file = log.with_suffix(".sh")
        file.write_text(script)
        unshare = ["unshare", "--fork", "--kill-child", *(f"--{kind}" for kind in kinds), "/bin/sh", "-eu", str(file)]
        with log.open("wb") as stderr:
            # Its own session, because Ctrl-C is for the tests, which then stop hosts in their own order.
            self._first = subprocess.Popen(
                unshare,
                env={"PATH": _PATH, **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                bufsize=0,
            )
        self.pid = 0  # the first process in the namespaces, as seen from outside

    def expect(self, word: str) -> list[str]:
        """Wait for a line that starts with this word, and return its other words."""
        stdout = self._first.stdout
        while b"\n" not in self._said:
            ready, _, _ = select.select([stdout], [], [], max(0, self._deadline - time.monotonic()))
            data = os.read(stdout.fileno(), 4096) if ready else b""
            if not data:
                self.stop()
                why = self._log.read_text(errors="replace").strip() or ("no word of it" if ready else f"not up after {_STARTED_S} s")
                raise Failed(f"{self._log.stem}: {why}")
            self._said += data
        line, _, self._said = self._said.partition(b"\n")
        first, *rest = line.decode().split()
        assert first == word, line
        return rest

    def go(self) -> None:
        self._first.stdin.write(b"go\n")

    def enter(self, *kinds: str) -> list[str]:
        """The prefix that runs a command in these namespaces, from their root directory."""
        return ["nsenter", f"--target={self.pid}", *(f"--{kind}" for kind in kinds), "--"]

    @property
    def is_running(self) -> bool:
        return self._first.poll() is None

    def stop(self) -> None:
        """End every process in it, and return once they have ended; a second call does nothing."""
        with suppress(OSError):
            self._first.stdin.close()
        try:
            self._first.wait(timeout=_ENDED_S)
        except subprocess.TimeoutExpired:
            os.kill(self.pid or self._first.pid, signal.SIGKILL)  # all other processes of a pid namespace end with its first one
            self._first.wait(timeout=_ENDED_S)
        self._first.stdout.close()


@dataclass
class Host:
    """A host of the lab. It stops with the lab, or with ``stop``, after which nothing answers at its address."""

    name: str
    address: str
    traits: Traits
    namespaces: _Namespaces
    proxy: subprocess.Popen | None = None

    def run(self, argv: Sequence[str] | str, stdin: str = "") -> Done:
        """Run a program as root on the host itself, without SSH."""
        words = shlex.split(argv) if isinstance(argv, str) else list(argv)
        environ = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/run/home/root"}
        return _run([*self.namespaces.enter("mount", "net", "uts", "ipc", "pid"), *words], environ, stdin, _CALL_S)

    def vsctl(self, command: Sequence[str] | str) -> str:
        """The output of ovs-vsctl, run as root on the host, which must succeed."""
        words = shlex.split(command) if isinstance(command, str) else command
        done = self.run(["ovs-vsctl", "--timeout=20", *words])
        assert done.code == 0, done
        return done.stdout.strip()

    def stop(self) -> None:
        self.namespaces.stop()
        if self.proxy:
            self.proxy.wait(timeout=_ENDED_S)  # it was in the namespaces
            self.proxy.stdout.close()


class Lab:
    """The hosts, and the operator who works on them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._count = 0
        self.hosts: dict[str, Host] = {}

    @staticmethod
    def problem() -> str | None:
        """Why a lab cannot run here; None when it can."""
        if os.geteuid() != 0:
            return "needs root"
        missing = [program for program in _PROGRAMS if shutil.which(program, path=_PATH) is None]
        if missing:
            return f"needs {', '.join(missing)}"
        trial = [
            "unshare",
            "--fork",
            "--pid",
            "--net",
            "--mount",
            "--uts",
            "--ipc",
            "sh",
            "-ec",
            "mount -t proc proc /proc; ip link add type veth",
        ]
        done = subprocess.run(trial, check=False, capture_output=True, text=True, timeout=_CALL_S, env={"PATH": _PATH})
        return f"needs namespaces and veth pairs ({done.stderr.strip()})" if done.returncode else None

    def __enter__(self) -> "Lab":
        _sweep()
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir="/tmp")))
            stack.enter_context(_claim(self.directory))
            self.home = self.directory / "home"
            (self.home / ".ssh").mkdir(parents=True, mode=0o700)
            self._keygen(self.home / ".ssh/id_ed25519")
            self._keygen(self.directory / "another_key")
            self._sshd = shutil.which("sshd", path=_PATH) or "sshd"
            self._write(self.directory / "passwd", _passwd_with_home(self.home))
            self._write(self.directory / "names", "127.0.0.1 localhost\n")
            self._write_client_files()
            environ = {"LAB": str(self.directory), "OPERATOR": _OPERATOR}
            self._operator = _Namespaces(("mount", "net", "pid"), _OPERATOR_SCRIPT, environ, self.directory / "operator.log")
            stack.callback(self._operator.stop)
            self._operator.pid = int(self._operator.expect("ready")[0])
            stack.callback(self._stop_hosts)
            self._forks = Forks(self.command([]), self.environ)
            stack.callback(self._forks.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *args) -> None:
        self._stack.close()

    # --- hosts

    def host(self, name: str, **traits) -> Host:
        """Start a host; ``Traits`` lists its possible properties."""
        wish = Traits(**traits)
        with self._lock:
            if name in self.hosts:
                raise ValueError(f"{name}: there is one already")
            self._count += 1
            number = self._count
        jump = self.hosts[wish.behind] if wish.behind else None
        subnet = 1 if jump else 0
        address = f"10.99.{subnet}.{number}"
        files = self.directory / name
        self._write_host_files(files, name, address, wish)
        environ = {
            "NAME": name,
            "FILES": str(files),
            "ADDRESS": address,
            "GATEWAY": jump.address if jump else _OPERATOR,
            "SSHD": self._sshd,
            "SCHEMA": _schema(),
            "OVS": "" if wish.no_ovs else "yes",
            "FULL": "8m" if wish.full_disk else "",
            "CODE": str(_ROOT) if wish.has_ovstool else "",
            "PYTHON": sys.prefix,
        }
        namespaces = _Namespaces(("mount", "net", "uts", "ipc", "pid"), _HOST_SCRIPT, environ, self.directory / f"{name}.log")
        try:
            namespaces.pid = int(namespaces.expect("made")[0])
            near = jump.namespaces if jump else self._operator
            source = jump.address if jump else _OPERATOR
            self._ip(
                near,
                f"link add v{number} type veth peer name mgmt0 netns {namespaces.pid}",
                f"link set v{number} up",
                f"route add {address}/32 dev v{number} src {source}",
            )
            namespaces.go()
            namespaces.expect("ready")
            host = Host(name, address, wish, namespaces)
            if wish.needs_proxy:
                host.proxy = self._proxy(namespaces, wish)
        except BaseException:
            namespaces.stop()
            raise
        with self._lock:
            self.hosts[name] = host
            self._write_client_files()
        return host

    def start(self, names: Sequence[str], **traits) -> list[Host]:
        """Start several hosts of one kind in parallel."""
        with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda name: self.host(name, **traits), names))

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def vsctl(self, name: str, command: Sequence[str] | str) -> str:
        """The output of ovs-vsctl on that host, without SSH, to check results."""
        return self.hosts[name].vsctl(command)

    # --- the operator

    @property
    def environ(self) -> dict[str, str]:
        """The operator's environment, in which nothing refers to other switches, hosts, keys or settings."""
        foreign = ("OVS", "CLIFF", "SSH", "XDG_", "ANSIBLE")
        return {key: value for key, value in os.environ.items() if not key.startswith(foreign)} | {"HOME": str(self.home)}

    def command(self, argv: Sequence[str | os.PathLike]) -> list[str]:
        """The command as the operator runs it, from the same directory, with ``environ``; its process keeps its pid."""
        words = [os.fspath(word) for word in argv]
        return [*self._operator.enter("mount", "net"), "env", f"--chdir={os.getcwd()}", *words]

    def run(
        self, argv: Sequence[str | os.PathLike], stdin: str = "", timeout_s: float = _CALL_S, environ: Mapping[str, str] | None = None
    ) -> Done:
        """Run a command as the operator; raises subprocess.TimeoutExpired."""
        return _run(self.command(argv), {**self.environ, **(environ or {})}, stdin, timeout_s)

    def ovstool(self, command: Sequence[str] | str, stdin: str = "", timeout_s: float = _CALL_S, **environ: str) -> Done:
        """``ovstool("-H h01 bridge list")``: run ovstool as the operator, in its own process."""
        words = shlex.split(command) if isinstance(command, str) else command
        done = self._forks.run(words, {**self.environ, **environ}, stdin.encode(), timeout_s, new_session=True)
        return _done(done)

    def ssh(self, destination: str, command: str = "", *options: str, timeout_s: float = _CALL_S) -> Done:
        """OpenSSH's client without prompts; options come before the destination."""
        return self.run(["ssh", "-o", "BatchMode=yes", *options, destination, *([command] if command else [])], timeout_s=timeout_s)

    # --- files

    def _write_host_files(self, files: Path, name: str, address: str, wish: Traits) -> None:
        (files / "bin").mkdir(mode=0o755, parents=True)
        self._keygen(files / "host_key")
        shell = "/run/lab/shell" if wish.banner else wish.shell
        users = f"root:x:0:0:root:/run/home/root:{shell}\nop:x:1000:1000:operator:/run/home/op:{shell}\n"
        users += "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
        users += "tcpdump:x:106:65534::/nonexistent:/usr/sbin/nologin\n"  # tcpdump switches to this user
        sudoers = f"Defaults lecture=never, !syslog, secure_path={_PATH}\n"
        sudoers += f"root ALL=(ALL:ALL) NOPASSWD: ALL\nop ALL=(ALL:ALL) {'NOPASSWD: ' if wish.sudo == 'works' else ''}ALL\n"
        port = f"ListenAddress 127.0.0.1\nPort {_HIDDEN_PORT}" if wish.needs_proxy else f"Port {wish.port}"
        forwarding = "" if wish.forwarding else "AllowStreamLocalForwarding no\nAllowTcpForwarding no\n"
        key = (self.directory / "another_key.pub") if not wish.authorised else self.home / ".ssh/id_ed25519.pub"
        texts = {
            "passwd": users,
            "shadow": "".join(f"{user}:*:19000:0:99999:7:::\n" for user in ("root", "op", "sshd", "nobody")),
            "group": "root:x:0:\ntty:x:5:\nop:x:1000:\nnogroup:x:65534:\n",
            "sudoers": sudoers,
            "hosts": f"127.0.0.1 localhost\n{address} {name}\n",
            # The first value counts, so the lines of a test come first.
            "sshd_config": "\n".join(wish.sshd) + "\n" + forwarding + port + _SSHD_CONFIG,
            "authorized_keys": key.read_text(),
            "content": json.dumps(_content(name)),
            "hidden": "".join(f"{folder} {' '.join(names)}\n" for folder, names in _hidden(wish).items()),
            "bin/ovstool": '#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/run/code exec /run/python/bin/python -m ovstool "$@"\n',
            "shell": f'#!/bin/sh\nprintf %s {shlex.quote(wish.banner)}\nexec {wish.shell} "$@"\n',
        }
        for file, text in texts.items():
            self._write(files / file, text)
        for program in ("shell", "bin/ovstool"):
            (files / program).chmod(0o755)

    def _write_client_files(self) -> None:
        """Write the operator's files about the hosts: SSH settings, host keys, names."""
        ssh = self.home / ".ssh"
        config, known, names = "", "", "127.0.0.1 localhost\n"
        another = (self.directory / "another_key.pub").read_text()
        for host in self.hosts.values():
            traits = host.traits
            config += f"Host {host.name}\n    HostName {host.address}\n    Port {traits.port}\n    User {traits.user}\n"
            config += f"    ProxyJump {traits.behind}\n" if traits.behind else ""
            key = another if traits.known == "changed" else (self.directory / host.name / "host_key.pub").read_text()
            both = (host.name, host.address)
            marked = both if traits.port == 22 else [f"[{name}]:{traits.port}" for name in both]
            known += f"{','.join(marked)} {key}" if traits.known != "no" else ""
            names += "" if traits.behind else f"{host.address} {host.name}\n"
        self._write(ssh / "config", config)
        self._write(ssh / "known_hosts", known)
        # It is mounted over /etc/hosts, so the same file must be rewritten in place.
        (self.directory / "names").write_text(names)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        new = path.with_name(f"{path.name}.new")
        new.write_text(text)
        new.rename(path)

    # --- setting up

    def _stop_hosts(self) -> None:
        with ThreadPoolExecutor(max_workers=16) as pool:
            # Hosts behind a jump host end first, because their cable is in its namespace.
            for behind in (True, False):
                list(pool.map(Host.stop, [host for host in self.hosts.values() if bool(host.traits.behind) is behind]))

    def _keygen(self, path: Path) -> None:
        _check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)])

    def _ip(self, namespaces: _Namespaces, *lines: str) -> None:
        _check([*namespaces.enter("net"), "ip", "-batch", "-"], "\n".join(lines) + "\n")

    def _proxy(self, namespaces: _Namespaces, wish: Traits) -> subprocess.Popen:
        script = Path(__file__).with_name("proxy.py")
        numbers = (wish.port, _HIDDEN_PORT, wish.answers_after_s, wish.drops_after, wish.hangs_after)
        # Not in the mount namespace, which may lack this Python.
        argv = [*namespaces.enter("net", "pid"), sys.executable, "-I", str(script), *map(str, numbers)]
        proxy = subprocess.Popen(argv, env={"PATH": _PATH}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        if not select.select([proxy.stdout], [], [], _STARTED_S)[0] or proxy.stdout.readline() != b"listening\n":
            raise Failed("the proxy does not start")
        return proxy


def _content(name: str) -> list:
    """The transaction that fills a new database: br0 with eth1 and eth2."""
    operations: list = []
    ports = ("br0", "eth1", "eth2")
    for index, port in enumerate(ports):
        interface = {"name": port, "type": "internal" if port == "br0" else ""}
        operations.append({"op": "insert", "table": "Interface", "uuid-name": f"i{index}", "row": interface})
        row = {"name": port, "interfaces": ["named-uuid", f"i{index}"]}
        operations.append({"op": "insert", "table": "Port", "uuid-name": f"p{index}", "row": row})
    bridge = {"name": "br0", "datapath_type": "dummy", "ports": ["set", [["named-uuid", f"p{index}"] for index in range(len(ports))]]}
    operations.append({"op": "insert", "table": "Bridge", "uuid-name": "b", "row": bridge})
    ids = [["hostname", name], ["system-id", str(uuid.uuid4())]]
    switch = {"bridges": ["named-uuid", "b"], "external_ids": ["map", ids]}
    operations.append({"op": "insert", "table": "Open_vSwitch", "row": switch})
    return ["Open_vSwitch", *operations]


def _hidden(wish: Traits) -> dict[str, list[str]]:
    """The names of programs that the host must lack, in the directories where the machine has them."""
    names = [*wish.without, *(_OVS if wish.no_ovs else ()), *(("sudo",) if wish.sudo == "absent" else ())]
    found: dict[str, list[str]] = {}
    for folder in sorted({os.path.realpath(folder) for folder in _PATH.split(":")}):
        entries = os.listdir(folder) if os.path.isdir(folder) else []
        hidden = [entry for entry in entries if any(entry == name or entry.startswith(f"{name}.") for name in names)]
        if hidden:
            found[folder] = sorted(hidden)
    return found


def _passwd_with_home(home: Path) -> str:
    """The machine's users, with root's home in the lab: OpenSSH looks for its files there, whatever $HOME says."""
    lines = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines() if line.count(":") == 6]
    return "".join(":".join([*fields[:5], str(home) if fields[2] == "0" else fields[5], fields[6]]) + "\n" for fields in lines)


def _claim(directory: Path):
    """Mark the directory as that of a living lab: anyone who can lock the file knows that the lab is dead."""
    lock = (directory / "lock.new").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (directory / "lock.new").rename(directory / "lock")
    return lock


def _sweep() -> None:
    """Remove the directories of labs that were killed; their processes, namespaces and mounts ended with them."""
    for directory in Path("/tmp").glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            with (directory / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)


def _run(argv: Sequence[str], environ: Mapping[str, str], stdin: str, timeout_s: float) -> Done:
    # No terminal, so that a program fails instead of asking for a password.
    done = subprocess.run(
        argv, check=False, env=environ, input=stdin.encode(), capture_output=True, timeout=timeout_s, start_new_session=True
    )
    return _done(done)


def _done(done: subprocess.CompletedProcess[bytes]) -> Done:
    return Done(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode)


def _check(argv: Sequence[str], stdin: str = "") -> None:
    done = _run(argv, {"PATH": _PATH}, stdin, _CALL_S)
    if done.code:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip() or done.code}")
