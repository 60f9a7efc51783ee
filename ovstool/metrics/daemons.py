"""What the host of a switch tells: its processes (proc(5)), by one shell script, and what ovs-vswitchd answers (ovs-appctl(8))."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from ovstool.errors import OvstoolError, Refused, Unreachable, one_line, quote
from ovstool.host import Tls
from ovstool.metrics import unixctl
from ovstool.metrics.counters import PATIENCE_S
from ovstool.metrics.reading import Reading
from ovstool.switch import Switch

DAEMONS = ("ovs-vswitchd", "ovsdb-server")
_TICKS = 100  # a second: USER_HZ, which is the same on every Linux
_USER_TIME, _START_TIME = 11, 19  # in /proc/PID/stat, the fields after the name of the program; the system time follows the user time
_MARK = "\x1e"
_VSWITCHD = re.compile(r"process ovs-vswitchd ([0-9]{1,10})")
# Argument: the run directory. A service that may only read can run it.
_SCRIPT = r"""
for daemon in ovs-vswitchd ovsdb-server; do
    pid=; [ -r "$1/$daemon.pid" ] && read -r pid <"$1/$daemon.pid"
    printf '\036process %s %s\n' "$daemon" "$pid"
    [ -n "$pid" ] && cat "/proc/$pid/stat" "/proc/$pid/status" 2>/dev/null
    [ "$daemon" = ovs-vswitchd ] && for thread in /proc/"$pid"/task/*; do
        name=; [ -n "$pid" ] && read -r name <"$thread/comm"
        case $name in pmd-c*) printf '\036thread %s\n' "$name"; cat "$thread/status";; esac
    done 2>/dev/null
done
printf '\036boot\n'; grep btime /proc/stat
exit 0
"""


class Asked(NamedTuple):
    """What the host said, by its heading, and by question what ovs-vswitchd answered, or the error."""

    parts: Mapping[str, str]
    answers: Mapping[str, str | OvstoolError]

    def answer(self, question: str) -> str:
        """What ovs-vswitchd answered. Raises Refused, Unreachable, TimedOut, the same for all questions once there is no answer."""
        found = self.answers[question]
        if isinstance(found, OvstoolError):
            raise found
        return found


def ask(switch: Switch, questions: Sequence[str]) -> Asked:
    """Run the script, and ask ovs-vswitchd. Raises OvstoolError where no program can be run."""
    done = switch.run(["sh", "-c", _SCRIPT, "sh", switch.rundir])
    if done.status:
        raise Refused("sh", one_line(done.stderr.strip())[:200] or f"ended with status {done.status}")
    parts = parsed(done.stdout)
    return Asked(parts, _answers(switch, parts, questions))


def parsed(text: str) -> dict[str, str]:
    """Take the output of the script apart: what it says, by its heading."""
    parts = (part.partition("\n") for part in text.split(_MARK)[1:])
    return {heading: said for heading, _, said in parts}


def _answers(switch: Switch, parts: Mapping[str, str], questions: Sequence[str]) -> dict[str, str | OvstoolError]:
    found: dict[str, str | OvstoolError] = {}
    try:
        with closing(_control_socket(switch, _pid(switch, parts))) as client:
            for question, answer in zip(questions, client.answers(questions), strict=True):
                found[question] = answer
    except OvstoolError as error:
        return dict.fromkeys(questions, error) | found
    return found


def _control_socket(switch: Switch, pid: int) -> unixctl.Client:
    stream = switch.host.open(f"unix:{switch.rundir}/ovs-vswitchd.{pid}.ctl", min(switch.remaining_s(), PATIENCE_S), Tls(), "ovs-vswitchd")
    return unixctl.Client(stream, "ovs-vswitchd", min(switch.deadline, time.monotonic() + PATIENCE_S))


def _pid(switch: Switch, parts: Mapping[str, str]) -> int:
    """That of ovs-vswitchd, which is part of the name of its socket."""
    for heading in parts:
        if found := _VSWITCHD.fullmatch(heading):
            return int(found[1])
    raise Unreachable("ovs-vswitchd", f"its pid file in {quote(switch.rundir)} is missing or cannot be read")


def add_processes(parts: Mapping[str, str], reading: Reading) -> None:
    """Add the state, the age, the memory and the CPU time of the daemons."""
    boot = re.search(r"btime ([0-9]{1,12})", parts.get("boot", ""))
    for heading, said in parts.items():
        kind, _, what = heading.partition(" ")
        daemon = what.partition(" ")[0]
        if kind != "process" or daemon not in DAEMONS:
            continue
        # The name of the program, in parentheses, may contain anything; the fields follow the last one.
        head, _, rest = said.partition("\n")[0].rpartition(")")
        fields = rest.split()
        if not fields or fields[0] in "ZX":
            reading.add("ovs_daemon_up", (daemon,), 0)
        elif head.endswith(f"({daemon}") and len(fields) > _START_TIME:
            reading.add("ovs_daemon_up", (daemon,), 1)
            _add_process(daemon, [_number(field) for field in fields], said, boot, reading)


def _add_process(daemon: str, fields: Sequence[int | None], said: str, boot: re.Match | None, reading: Reading) -> None:
    user, system, start = fields[_USER_TIME], fields[_USER_TIME + 1], fields[_START_TIME]
    if user is not None and system is not None:
        reading.add("ovs_daemon_cpu_seconds_total", (daemon,), (user + system) / _TICKS)
    if boot and start is not None:
        reading.add("ovs_daemon_start_time_seconds", (daemon,), int(boot[1]) + start / _TICKS)
    if resident := re.search(r"^VmRSS:\s+([0-9]{1,15}) kB$", said, re.MULTILINE):
        reading.add("ovs_daemon_resident_memory_bytes", (daemon,), int(resident[1]) * 1024)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,20}", text) else None
