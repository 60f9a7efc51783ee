"""User Mode Linux as a lab: a Linux kernel with Open vSwitch's datapath that runs as an ordinary program on this machine's own files.

It needs no KVM, image or root, and leaves the machine's network and files alone (see init.sh). To run any
shell script inside, as root and with the openvswitch module loaded:

    python tests/kernel/uml.py 'ovs-vsctl --version; uname -r'
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_MODULES = Path("/usr/lib/uml/modules")
_MEMORY_MB = 1024
_NICE = -15
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def problem() -> str | None:
    """Why a guest cannot run here, with what to install; None when it can."""
    if shutil.which("linux.uml") is None or not any(_MODULES.glob("*/kernel/net/openvswitch/openvswitch.ko")):
        return "needs User Mode Linux (apt-get install user-mode-linux)"
    if shutil.which("cc") is None or not os.path.exists("/usr/include/elf.h"):
        return "needs a C compiler (apt-get install gcc libc6-dev)"
    return None


class Guest:
    """A kernel that runs one shell script and ends; it starts with the block, and is killed at its end if still running.

    Files written to ``directory`` are shared with the machine; everything else that the script writes is lost.
    """

    def __init__(self, script: str, limit_s: float):
        self.script, self.limit_s = script, limit_s

    def __enter__(self) -> "Guest":
        # Directly in /tmp because sockets are created in it, whose paths must be short.
        self._place = tempfile.TemporaryDirectory(prefix="ovstool-uml-", dir="/tmp")
        self.directory = Path(self._place.name)
        (self.directory / "command").write_text(self.script)
        self._console = (self.directory / "console").open("wb")
        try:
            self._process = self._boot()
        except BaseException:
            self._console.close()
            self._place.cleanup()
            raise
        return self

    def _boot(self) -> subprocess.Popen:
        shim = self.directory / "xstate.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", shim, _HERE / "xstate.c"], check=True)
        kernel = ["linux.uml", "rootfstype=hostfs", "ro", f"mem={_MEMORY_MB}M", "quiet", "con=null", "con0=null,fd:1"]
        ours = [f"init={_HERE}/init.sh", f"lab={self.directory}", f"limit={self.limit_s:.0f}", f"uml_dir={self.directory}/"]
        return subprocess.Popen(
            [*kernel, *ours],
            env={"PATH": os.defpath, "LD_PRELOAD": str(shim), "TMPDIR": _memory()},
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the guest's processes are processes here too, all in this process group
            preexec_fn=_prepare,
        )

    def __exit__(self, *_) -> None:
        self.kill()
        self._console.close()
        self._place.cleanup()

    def kill(self) -> None:
        """End the guest now; its output stays readable."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def console(self) -> str:
        """What the guest's kernel and the script have printed so far."""
        return (self.directory / "console").read_text(errors="replace")

    def code(self) -> int | None:
        """The exit code of the script; None until it ends."""
        try:
            return int((self.directory / "code").read_text())
        except (FileNotFoundError, ValueError):
            return None


def _prepare() -> None:
    """Send linux.uml SIGTERM, on which it ends its processes, when this process is killed; and give it a higher priority.

    Its clock is the machine's, so waiting for a core would distort what it measures.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    with suppress(OSError):  # not root
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        Path("/proc/self/autogroup").write_text(str(_NICE))  # for autogroup scheduling, sched(7)
    # On one core, because its kernel and programs take turns, and waking each other on another core takes time.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _memory() -> str:
    """The directory of the file that holds the guest's memory; on a disk the file would be written there page by page."""
    shm = "/dev/shm"
    return shm if os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > _MEMORY_MB << 20 else "/tmp"


def main(script: str, limit_s: float = 3600) -> int:
    """Run a script in a guest and print its output."""
    if why := problem():
        sys.exit(f"uml.py {why}")
    with Guest(script, limit_s) as guest, (guest.directory / "console").open(errors="replace") as console:
        running = True
        while running:
            running = guest.is_running()
            print(console.read(), end="", flush=True)
            time.sleep(0.1)
        return 1 if (code := guest.code()) is None else code


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
