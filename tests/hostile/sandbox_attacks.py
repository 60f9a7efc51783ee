"""Shared by the tests of hostile surroundings of a sandbox: a place, a second user, and programs that first do something else."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from forked import FORKS

from ovstool import sandbox

NOBODY = 65534
PROBLEM = sandbox._netdev_problem()
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
needs_netdev = pytest.mark.skipif(bool(PROBLEM), reason=f"the netdev datapath {PROBLEM}")
GUARD_S = 25  # longer than anything here may take on a busy machine; what hangs never ends


def ovstool(*argv, path=None, env=None, timeout=GUARD_S):
    """Run ovstool as a user does; ``path`` is a directory of programs that come first."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")} | (env or {})
    if path:
        environ["PATH"] = f"{path}:{environ['PATH']}"
    return FORKS.run_text([*map(str, argv)], environ, timeout_s=timeout)


def assert_refused(done, code, *words):
    """Assert one line on stderr, this exit code, and nothing on stdout."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("ovstool: "), done.stderr
    assert done.stderr[:-1].isprintable()
    for word in words:
        assert word in done.stderr


def stand_in(folder, name, script, then_real=True):
    """A program of this name that first does something else; ``$real`` is the real program."""
    real = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    file = folder / name
    last = 'exec "$real" "$@"\n' if then_real else ""
    file.write_text(f"#!/bin/sh\nreal={real}\n{script}\n{last}")
    file.chmod(0o755)


@contextmanager
def guarded():
    """Fail if the block hangs."""

    def fail(signum, frame):
        raise AssertionError(f"it did not end in {GUARD_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(GUARD_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def as_nobody(script):
    """Run a shell script as a user without privileges."""
    return subprocess.run(["sh", "-c", script], check=True, user=NOBODY, group=NOBODY, extra_groups=[], timeout=GUARD_S)


def processes_of(text):
    """The processes whose command line contains this text, except this one."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):  # not Path.glob, which fails when a process ends meanwhile
        try:
            if str(text).encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


def namespaces(start=""):
    return {name for name in os.listdir("/run/netns") if name.startswith(start)} if os.path.isdir("/run/netns") else set()


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the condition did not become true within 10 s")


def clean_up(*directories):
    """Stop what a failed test left there, without using ovstool."""
    for directory in directories:
        for pid in processes_of(f"--pidfile={directory}/"):
            os.kill(pid, signal.SIGKILL)
        try:
            settings = json.loads((directory / "sandbox.json").read_text() if (directory / "sandbox.json").is_file() else "{}")
        except (OSError, ValueError, RecursionError):
            settings = {}
        name = settings.get("namespace") if isinstance(settings, dict) else None
        if isinstance(name, str) and f"{name}-h1" in namespaces():  # otherwise the test invented the name
            for namespace in namespaces(name):
                subprocess.run(["ip", "netns", "delete", namespace], check=False)
        if directory.is_symlink():
            directory.unlink()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def place():
    """A short name for a sandbox's directory, in a directory that everyone may write to."""
    path = Path(f"/tmp/ovstool-test-{secrets.token_hex(4)}")
    yield path
    clean_up(*path.parent.glob(f"{path.name}*"))
