"""SSH servers for tests of connections that fail: OpenSSH's own on loopback, and a proxy that damages the data."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from forked import FORKS

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
S = 60  # limits what hangs


def keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path


class Home:
    """A user's home with a key, and an sshd that accepts it; ``known_hosts`` contains only that server."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ssh = folder / ".ssh"
        self.ssh.mkdir(mode=0o700)
        self.config = self.ssh / "config"
        self.known_hosts = self.ssh / "known_hosts"
        self.key = keygen(self.ssh / "id_ed25519")
        self.host_key = keygen(folder / "host_key")
        self.public = " ".join((folder / "host_key.pub").read_text().split()[:2])

    @property
    def environ(self):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OVS", "SSH", "XDG_", "CLIFF"))}
        return kept | {"HOME": str(self.folder)}

    def know(self, port):
        with self.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{port} {self.public}\n")

    def ovstool(self, *words, timeout_s=S, **environ):
        """Run ovstool as this user; returns the exit code, stderr, and the seconds."""
        begin = time.monotonic()
        done = FORKS.run(words, self.environ | environ, timeout_s=timeout_s)
        return done.returncode, done.stderr.decode(), time.monotonic() - begin

    @contextmanager
    def sshd(self):
        """An sshd that runs during the block; yields its port."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        keys = self.folder / "authorized_keys"
        keys.write_text(Path(f"{self.key}.pub").read_text())
        options = f"ListenAddress 127.0.0.1:{port}|HostKey {self.host_key}|AuthorizedKeysFile {keys}|PidFile none|StrictModes no|UsePAM no"
        argv = [SSHD, "-D", "-e", "-f", "/dev/null", *(word for option in options.split("|") for word in ("-o", option))]
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        log = self.folder / "sshd.log"
        with log.open("wb") as file:
            process = subprocess.Popen(argv, stderr=file, start_new_session=True)
        try:
            end = time.monotonic() + S
            while "listening" not in log.read_text():
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.01)
            yield port
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=S)


@contextmanager
def listening(handler):
    """A TCP server on loopback that runs ``handler`` for each connection; yields its port."""

    def handle(peer):
        with peer, suppress(OSError):
            handler(peer)

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def wire(port, harm):
    """A handler that forwards to ``port``; replies pass through ``harm(data, place)``, which may change them, or cut the connection there."""

    def back(server, peer):
        place = 0
        with suppress(OSError):
            while data := server.recv(65536):
                changed = harm(data, place)
                place += len(data)
                peer.sendall(changed)
                if len(changed) < len(data):
                    break
        for end in (peer, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def handler(peer):
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=back, args=(server, peer), daemon=True).start()
            while data := peer.recv(65536):
                server.sendall(data)

    return handler
