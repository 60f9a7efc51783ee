"""The program that takes a change back on the host of the switch: a shell script that needs sleep, cat and ovsdb-client (1).

It is started before the change is sent, and announces itself in the database: a key of Open_vSwitch.external_ids says that it is armed. The
change is committed only if that key is there, and replaces its value. From then on two transactions want the key, of which the server lets
one win: that of ``ovstool confirm``, which deletes it, and that of the watchdog, which deletes it and restores the rows. When the time is
over and the change has never come, the watchdog deletes the key, and so the change can never be committed without it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ovstool.errors import Refused, one_line
from ovstool.host import Finished
from ovstool.ovsdb.transaction import Stale

# ovsdb-client takes the transaction as one argument, which Linux limits to 128 KiB with its NUL (MAX_ARG_STRLEN).
LONGEST = 2**17 - 1
_ARMED = "armed"
_END = "\n."  # ends the undo, which is one line of JSON; without it ovstool was killed while it wrote, and there will be no change
_SHOWN = 300  # characters of a program's own message to repeat

# Starts the watchdog in a session of its own, where there is setsid (1), so that it survives the end of this one. sshd closes the
# standard input of all once this shell ends, so it is read here.
_START = """
command -v ovsdb-client >/dev/null || { echo "ovsdb-client is not installed"; exit; }
trap '' HUP
undo=$(cat)
printf %s "$undo" | $(command -v setsid) sh -c "$@" &
"""
# ovstool may be killed at any time: then nobody reads what the watchdog prints, which must not end it (SIGPIPE).
# With "[{}" begins the reply to a transaction whose first operation, a wait for the key, has succeeded. Within a string quotes have a
# backslash in front, so no name in the database looks like these patterns.
# It tries again while the server does not answer or another change is pending, for a day at most, and a minute without such a reason.
# A device gets its addresses back only if it has none.
_WATCH = r"""
END="
."
db=$1 seconds=$2 pause=$3 key=$4 arm=$5 look=$6 abandon=$7 give_up=$8 about=$9
shift 9
set -f
trap '' PIPE
undo=$(cat)
case $undo in *"$END") undo=${undo%"$END"};; *) exit;; esac
run_directory=${db#unix:} run_directory=${run_directory%/*}
ask() { ovsdb-client --timeout=10 transact "$db" "$1" 2>/dev/null; }
say() { command -v logger >/dev/null && logger -t ovstool "$1"; }
is_served() { case $db in unix:*/*) [ -d "$run_directory" ];; esac; }
is_there() { keys=$(ask "$look"); case $keys in *"$key"*) ;; '') is_served;; *) false;; esac; }
is_alone() { rest=${keys#*'["ovstool-confirm-'}; case $rest in *'["ovstool-confirm-'*|'') false;; esac; }
has_address() { [ -n "$(ip -o address show dev "$1" scope global)" ]; }
settings_of() {
    ip -o address show dev "$1" scope global | while read -r _ _ _ address _; do echo "address replace $address dev $1"; done
    for family in -4 -6; do ip "$family" route show dev "$1" | while read -r route; do echo "$family route replace $route dev $1"; done; done
}
bring_back() {
    settings=$(printf '%s\n' "$saved" | while read -r line; do case $line in *" dev $1") printf '%s\n' "$line";; esac; done)
    [ -n "$settings" ] || return
    for try in 1 2 3 4 5 6 7 8 9 10; do ! ip link set "$1" up || break; sleep 1; done
    has_address "$1" || printf '%s\n' "$settings" | while read -r line; do ip $line; done
}
said=$(ovsdb-client --timeout=10 transact "$db" "$arm" 2>&1)
case $said in *'"error":'*) echo "$said"; exit;; '[{'*) ;; *) echo "$said"; exit;; esac
saved=$(for device; do settings_of "$device"; done 2>/dev/null)
echo armed
exec </dev/null >/dev/null 2>&1
case $db in unix:[!/]*) ;; *) cd /;; esac
while [ "$seconds" -gt "$pause" ]; do
    sleep "$pause"
    seconds=$((seconds - pause))
    is_there || exit 0
done
sleep "$seconds"
tries=0 alone=0
while [ "$tries" -lt 86400 ] && [ "$alone" -lt 60 ]; do
    said=$(ask "$undo")
    case $said in
        '[{}'*'"error":'*) ;;
        '[{}'*)
            say "undone, as it was not confirmed: $about"
            [ -z "$saved" ] || sleep 1
            for device; do bring_back "$device"; done
            exit 0;;
        '[{'*) case $(ask "$abandon") in *'"error":'*) ;; '[{'*) exit 0;; esac;;
    esac
    is_there || exit 0
    if is_alone; then alone=$((alone + 1)); fi
    tries=$((tries + 1))
    sleep 1
done
ask "$give_up"
say "not confirmed, and not undone either, as others have changed the same since: $about"
"""


class Transactions(NamedTuple):
    """The transactions of a watchdog, as arguments of ``ovsdb-client transact``."""

    arm: str
    look: str
    abandon: str
    give_up: str
    undo: str


class Task(NamedTuple):
    """What a watchdog does after ``within_s`` seconds unless the ``key`` is gone; ``about`` describes it in the system's log.

    ``devices`` are network devices that Open vSwitch creates and deletes with their rows. When the undo has created them again, they get
    back the addresses and routes that they had.
    """

    within_s: int
    key: str
    about: str
    transactions: Transactions
    devices: Sequence[str]


def start(run: Callable[[Sequence[str], bytes], Finished], db: str, task: Task) -> None:
    """Start a watchdog on the host where ``run`` runs programs; when this returns it is armed, and nobody has to wait for it.

    The undo goes to it through its standard input: a command line can be read by all users of the host. Raises Refused, Stale if
    there is such a key already, and as ``run``.
    """
    pause_s = max(5, task.within_s // 20)  # a look takes some 10 ms; a watchdog stays no longer than this after a confirmation
    words = [db, str(task.within_s), str(pause_s), f'["{task.key}",', *task.transactions[:-1], task.about, *task.devices]
    done = run(["sh", "-c", _START, "sh", _WATCH, "ovstool-watchdog", *words], f"{task.transactions.undo}{_END}".encode())
    if done.stdout.split() != [_ARMED]:
        if '"timed out"' in done.stdout:
            raise Stale  # the key exists already
        said = one_line(" ".join((done.stdout or done.stderr).split()))[:_SHOWN]
        raise Refused("--confirm-within", f"what would undo the change does not start, so nothing was changed: {said or done.status}")
