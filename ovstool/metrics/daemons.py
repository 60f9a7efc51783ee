"""What the host of a switch tells, by one shell script: answers of ovs-vswitchd (ovs-appctl(8)), and its processes (proc(5))."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ovstool.errors import Refused, one_line
from ovstool.metrics.counters import PATIENCE_S
from ovstool.metrics.reading import Reading
from ovstool.switch import Switch

DAEMONS = ("ovs-vswitchd", "ovsdb-server")
_KILLED = 128  # the shell adds the number of the signal, here that of the alarm which ends ovs-appctl
_TICKS = 100  # a second: USER_HZ, which is the same on every Linux
_USER_TIME, _START_TIME = 11, 19  # in /proc/PID/stat, the fields after the name of the program; the system time follows the user time
_MARK = "\x1e"
# Arguments: the run directory, and the questions. The status of one that fails follows; it is 2 if ovs-vswitchd does not know the question,
# and with any other it would not answer the next one either. It is asked by its socket: by its name, ovs-appctl opens the pid file for
# writing too, which a service that may only read cannot do.
_SCRIPT = r"""
dir=$1; shift
export OVS_RUNDIR="$dir"
target=ovs-vswitchd
for daemon in ovs-vswitchd ovsdb-server; do
    pid=; [ -r "$dir/$daemon.pid" ] && read -r pid <"$dir/$daemon.pid"
    printf '\036process %s %s\n' "$daemon" "$pid"
    [ -n "$pid" ] && cat "/proc/$pid/stat" "/proc/$pid/status" 2>/dev/null
    [ "$daemon" = ovs-vswitchd ] && [ -S "$dir/$daemon.$pid.ctl" ] && target=$dir/$daemon.$pid.ctl
    [ "$daemon" = ovs-vswitchd ] && for thread in /proc/"$pid"/task/*; do
        name=; [ -n "$pid" ] && read -r name <"$thread/comm"
        case $name in pmd-c*) printf '\036thread %s\n' "$name"; cat "$thread/status";; esac
    done 2>/dev/null
done
printf '\036boot\n'; grep btime /proc/stat
for question; do
    printf '\036answer %s\n' "$question"
    ovs-appctl -t "$target" -T PATIENCE $question 2>&1 || { status=$?; printf '\036failed %s %s\n' "$status" "$question"; }
    [ "${status:-2}" = 2 ] || break
done
exit 0
""".replace("PATIENCE", str(PATIENCE_S))


class Asked(NamedTuple):
    """What the host said: by question the answers of ovs-vswitchd, and why there is none; the rest by its heading.

    Nothing is asked after the last failure, unless ovs-vswitchd only does not know the question.
    """

    answers: dict[str, str]
    failures: dict[str, str]
    parts: dict[str, str]

    def answer(self, question: str) -> str:
        """What ovs-vswitchd answered. Raises Refused, which is the same for all questions that were not asked any more."""
        if question in self.answers:
            return self.answers[question]
        if not self.failures:
            raise Refused("ovs-appctl", "no answer")
        failed = question if question in self.failures else list(self.failures)[-1]
        raise Refused(f"ovs-appctl {failed}", self.failures[failed])


def ask(switch: Switch, questions: Sequence[str]) -> Asked:
    """Run the script. Raises OvstoolError where no program can be run."""
    done = switch.run(["sh", "-c", _SCRIPT, "sh", switch.rundir, *questions])
    if done.status:
        raise Refused("sh", one_line(done.stderr.strip())[:200] or f"ended with status {done.status}")
    return parsed(done.stdout)


def parsed(text: str) -> Asked:
    """Take the output of the script apart."""
    asked = Asked({}, {}, {})
    for part in text.split(_MARK)[1:]:
        heading, _, said = part.partition("\n")
        kind, _, what = heading.partition(" ")
        if kind == "answer":
            asked.answers[what] = said
        elif kind == "failed":
            status, _, question = what.partition(" ")
            words = _reason(asked.answers.pop(question, ""))
            is_late = (_number(status) or 0) > _KILLED
            asked.failures[question] = f"no answer within {PATIENCE_S} s" if is_late else words or f"failed with status {status[:9]}"
        else:
            asked.parts[heading] = said
    return asked


def _reason(said: str) -> str:
    """The line of ovs-appctl's messages that says why."""
    lines = [line for line in said.splitlines() if line and "|WARN|" not in line and "server returned an error" not in line]
    return one_line(lines[-1].removeprefix("ovs-appctl: "))[:200] if lines else ""


def add_processes(asked: Asked, reading: Reading) -> None:
    """Add the state, the age, the memory and the CPU time of the daemons."""
    boot = re.search(r"btime ([0-9]{1,12})", asked.parts.get("boot", ""))
    for heading, said in asked.parts.items():
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
