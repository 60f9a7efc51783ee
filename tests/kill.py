"""Ending a process that is not a child of this one."""

import os
import select
import signal

_LIMIT_S = 60


def kill(pid: int) -> None:
    """Send SIGKILL and wait until the process has ended: on a busy machine it may run for a while yet."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        assert select.select([fd], [], [], _LIMIT_S)[0], f"process {pid} did not end"
    finally:
        os.close(fd)
