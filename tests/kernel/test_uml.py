"""A guest of the lab runs its script, leaves the machine unchanged, and ends."""

import os
import subprocess
import time

import pytest
import uml

pytestmark = pytest.mark.skipif(bool(uml.problem()), reason=f"a guest {uml.problem()}")


def processes(guest: uml.Guest) -> list[str]:
    """The processes left of a guest, without those that have ended but have not been reaped."""
    lines = subprocess.run(["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line.split()[0] == str(guest._process.pid) and not line.split()[1].startswith("Z")]


def test_a_guest_changes_nothing_but_what_it_shares():
    script = 'echo told; echo kept >"$lab/file"; touch /etc/lab-was-here && ls /etc/lab-was-here; ls -d /sys/module/openvswitch; exit 3'
    with uml.Guest(script, limit_s=60) as guest:
        assert processes(guest) != []
        while guest.is_running():
            time.sleep(0.1)
        assert guest.code() == 3
        assert (guest.directory / "file").read_text() == "kept\n"
        assert all(text in guest.console() for text in ("told\n", "/etc/lab-was-here\n", "/sys/module/openvswitch\n"))
    assert not os.path.exists("/etc/lab-was-here") and not guest.directory.exists()


def test_a_guest_that_hangs_ends_by_itself():
    with uml.Guest("sleep 1000", limit_s=1) as guest:
        begin = time.monotonic()
        while guest.is_running() and time.monotonic() < begin + 30:
            time.sleep(0.1)
        assert not guest.is_running() and guest.code() is None
        assert "the lab ends after 1 s" in guest.console()


def test_leaving_ends_a_guest_with_all_its_processes():
    with uml.Guest("sleep 1000", limit_s=60) as guest:
        time.sleep(2)
    end = time.monotonic() + 10
    while processes(guest) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(guest) == []
