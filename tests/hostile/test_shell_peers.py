"""A shell whose server disappears, answers late or never; interrupted commands; and invalid scripts."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ovsdb_proxy import proxy
from typed_shell import typed_shell

_LIMIT_S = 60
BRIDGES, PORTS = "bridge list -f value -c bridge", "port list -f value -c port"


@pytest.fixture
def shell(switch, tmp_path):
    with typed_shell(["-t", "20"], switch.environ, tmp_path) as shell:
        yield shell


@pytest.fixture
def server(switch) -> int:
    """The process of ovsdb-server, which the test may stop or kill."""
    switch.others.append("kill")
    return int((switch.box.directory / "ovsdb-server.pid").read_text())


def restart(pid: int, folder: Path) -> None:
    """Start ovsdb-server again with the same arguments."""
    argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    environ = dict(item.split("=", 1) for item in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item)
    os.kill(pid, signal.SIGTERM)
    while os.path.exists(f"/proc/{pid}") and ") Z " not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.01)
    subprocess.run([*argv, *([] if "--detach" in argv else ["--detach"])], env=environ, cwd=folder, check=True, capture_output=True)


def test_the_server_is_restarted_between_two_commands(switch, shell, server):
    assert shell.type(BRIDGES) == "br0\n"
    restart(server, switch.box.directory)
    assert shell.type(BRIDGES) == "br0\n"


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_late_reply_is_not_taken_for_the_next_one(shell, server, is_connected):
    if is_connected:
        assert shell.type(BRIDGES) == "br0\n"
    os.kill(server, signal.SIGSTOP)
    try:
        shell.press(f"{BRIDGES}\r")
        time.sleep(1)  # so that it has usually sent its request
        shell.interrupt()
    finally:
        os.kill(server, signal.SIGCONT)
    for _ in range(2):
        assert shell.type(PORTS) == "br0\neth1\neth2\n"


def test_a_server_that_hangs_is_an_error_in_time(switch, server, tmp_path):
    with typed_shell(["-t", "3"], switch.environ, tmp_path) as shell:
        assert shell.type(BRIDGES) == "br0\n"
        os.kill(server, signal.SIGSTOP)
        try:
            assert "no answer in time" in shell.type(BRIDGES)
        finally:
            os.kill(server, signal.SIGCONT)
        assert shell.type(BRIDGES) == "br0\n"


@pytest.mark.parametrize("behind", range(3))
def test_a_connection_that_stalls(switch, tmp_path, behind):
    """When the echo stalls, another connection is opened; after that point the command fails, and the next one succeeds."""
    options = ["-t", "4", "--db"]
    with (
        proxy(switch.box.directory, 10**6) as between,
        typed_shell([*options, f"unix:{between.address}"], switch.environ, tmp_path) as shell,
    ):
        shell.type(BRIDGES)
        asked = len(between.messages)
    with proxy(switch.box.directory, asked + behind) as between:
        with typed_shell([*options, f"unix:{between.address}"], switch.environ, tmp_path) as shell:
            assert shell.type(BRIDGES) == "br0\n"
            said = shell.type(BRIDGES)
            assert said == "br0\n" or (behind and said.count("\n") == 1 and "no answer in time" in said)
            assert between.stopped.is_set() and shell.type(BRIDGES) == "br0\n"


def test_ctrl_c_while_hosts_are_connected_to(shell):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        shell.press(f"show -H {host}\r")
        silent.accept()
        shell.interrupt()
        shell.press(f"show -H {host},localhost:1,root@{host}\r")
        silent.accept()
        shell.press("\x03")
        assert f"unknown: {host}" in shell.until("(?s)interrupted; .*> $")
    assert shell.type(BRIDGES) == "br0\n"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("yes '# a comment' | head -c 2000000; echo; echo version", 0),
        ("head -c 300000000 /dev/zero; echo; echo version", 2),
        ("yes '' | head -c 5000000 | tr '\\n' ' '; echo; echo version", 2),
    ],
)
def test_a_script_without_end_takes_little_memory(unchanged, source, code):
    argv = f"({source}) | (ulimit -v 400000; exec {sys.executable} -m ovstool shell --keep-going)"
    done = subprocess.run(["bash", "-c", argv], env=unchanged.environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (code, code > 0) and done.stdout.startswith("ovstool "), done.stderr[:500]


def test_a_script_that_is_slow_to_come_is_run_to_its_end(unchanged):
    """Also where another program has set the pipe not to wait."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    argv = [sys.executable, "-m", "ovstool", "shell"]
    with open(ours) as script, subprocess.Popen(argv, env=unchanged.environ, stdin=script, stdout=subprocess.PIPE, text=True) as process:
        for part in ("port show et", "h1 -f value -c port\n"):
            os.write(theirs, part.encode())
            while select.select([script], [], [], 0)[0] and process.poll() is None:  # until it is read
                pass
        os.close(theirs)
        assert (process.stdout.read(), process.wait(_LIMIT_S)) == ("eth1\n", 0)


def test_a_script_of_noise(unchanged, tmp_path):
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 100)
    argv = [sys.executable, "-m", "ovstool", "shell", "noise"]
    environ = unchanged.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("ovstool: noise:1: the line: contains a NUL"), done.stderr
