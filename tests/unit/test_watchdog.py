"""The watchdog of --confirm-within: its real script, with programs of the test, so that no time passes and every answer is known."""

import errno
import shutil
import subprocess
import time

import pytest

from ovstool.errors import Refused
from ovstool.host import Finished
from ovstool.ovsdb.transaction import Stale
from ovstool.switch.confirm import watchdog
from ovstool.switch.confirm.watchdog import Task, Transactions

TEXTS = Transactions("ARM", "LOOK", "ABANDON", "GIVE_UP", "UNDO")
THERE = '[{"rows":[{"external_ids":["map",[["ovstool-confirm-a","x"]]]}]}]'
TWO = THERE.replace("]]]", '],["ovstool-confirm-b","x"]]]')
GONE = '[{"rows":[{"external_ids":["map",[]]}]}]'
DONE, LATE, CHANGED = "[{},{}]", '[{"error":"timed out"},null]', '[{},{"error":"timed out"},null]'
ANSWERS = {"ARM": "[{},{},{}]", "LOOK": THERE, "UNDO": DONE, "ABANDON": DONE, "GIVE_UP": DONE}
# A file has how often an answer is given, that answer, and the one from then on.
CLIENT = """#!/bin/sh
name=${4%%-*}
echo "$name" >>LOG
{ read -r times; read -r first; read -r then; } <"ANSWERS/$name"
[ "$times" -gt 0 ] || { echo "$then"; exit; }
printf '%s\\n' "$((times - 1))" "$first" "$then" >"ANSWERS/$name"
echo "$first"
"""


class Host:
    """Runs a watchdog with the programs of a directory; ``log`` is what they were asked for."""

    def __init__(self, folder):
        self._folder = folder
        (folder / "answers").mkdir()
        (folder / "bin").mkdir()
        for name in ("sh", "cat"):
            (folder / "bin" / name).symlink_to(shutil.which(name))
        self.has("ovsdb-client", CLIENT)
        self.has("setsid", '#!/bin/sh\necho "as $4" >>LOG\n"$@"\necho ended >>LOG\n')
        self.has("sleep", '#!/bin/sh\necho "sleep $1" >>LOG\n')
        self.has("logger", '#!/bin/sh\necho "logger $3" >>LOG\n')
        for name, text in ANSWERS.items():
            self.answer(name, text)

    def has(self, name, script):
        script = script.replace("LOG", f"{self._folder}/log").replace("ANSWERS", f"{self._folder}/answers")
        (self._folder / "bin" / name).write_text(script)
        (self._folder / "bin" / name).chmod(0o755)

    def answer(self, name, text, first="", times=0):
        """What the server answers, after another answer that it gives some times."""
        (self._folder / "answers" / name).write_text(f"{times}\n{first}\n{text}\n")

    def run(self, argv, stdin):
        done = subprocess.run(argv, input=stdin, capture_output=True, env={"PATH": f"{self._folder}/bin"}, check=False, timeout=60)
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, within_s=3, run=None, undo=TEXTS.undo):
        task = Task(within_s, "ovstool-confirm-a", "about it", TEXTS._replace(undo=undo), [])
        watchdog.start(run or self.run, f"unix:{self._folder}/db.sock", task)

    def log(self):
        """What was asked for, once the watchdog has ended."""
        deadline = time.monotonic() + 60
        while not (found := (self._folder / "log").read_text().splitlines()) or found[-1] != "ended":
            assert time.monotonic() < deadline, found
            time.sleep(0.005)
        assert found[:2] == ["as ovstool-watchdog", "ARM"]
        return found[2:-1]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


UNDONE = "logger undone, as it was not confirmed: about it"


@pytest.mark.parametrize(
    ("within_s", "sleeps"), [(3, [3]), (5, [5]), (12, [5, 5, 2]), (104, [5] * 20 + [4]), (120, [6] * 20), (200, [10] * 20)]
)
def test_it_looks_now_and_then_until_the_time_is_over(host, within_s, sleeps):
    host.start(within_s)
    looks = [line for pause in sleeps[:-1] for line in (f"sleep {pause}", "LOOK")]
    assert host.log() == [*looks, f"sleep {sleeps[-1]}", "UNDO", UNDONE]


def test_a_confirmation(host):
    host.answer("LOOK", GONE, THERE, 1)
    host.start(20)
    assert host.log() == ["sleep 5", "LOOK", "sleep 5", "LOOK"]


def test_a_confirmation_at_the_last_moment(host):
    for name, text in (("LOOK", GONE), ("UNDO", LATE), ("ABANDON", LATE)):
        host.answer(name, text)
    host.start()
    assert host.log() == ["sleep 3", "UNDO", "ABANDON", "LOOK"]


def test_a_change_that_never_came(host):
    host.answer("UNDO", LATE)
    host.start()
    assert host.log() == ["sleep 3", "UNDO", "ABANDON"]


def test_another_pending_change_is_waited_for(host):
    host.answer("LOOK", TWO)
    host.answer("UNDO", DONE, CHANGED, 70)
    host.start()
    assert host.log() == ["sleep 3", *["UNDO", "LOOK", "sleep 1"] * 70, "UNDO", UNDONE]


def test_a_server_that_does_not_answer_is_waited_for(host):
    host.answer("LOOK", "")
    host.answer("UNDO", DONE, "", 70)
    host.start()
    assert host.log() == ["sleep 3", *["UNDO", "LOOK", "sleep 1"] * 70, "UNDO", UNDONE]


def test_what_others_have_changed_is_left_to_them_after_a_minute(host):
    host.answer("UNDO", CHANGED)
    host.start()
    about = "logger not confirmed, and not undone either, as others have changed the same since: about it"
    assert host.log() == ["sleep 3", *["UNDO", "LOOK", "sleep 1"] * 60, "GIVE_UP", about]


def test_an_undo_that_did_not_arrive_whole(host):
    def run(argv, stdin):
        return host.run(argv, stdin[:-1])

    with pytest.raises(Refused):
        host.start(run=run)


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (Finished(0, "ovsdb-client is not\n installed\n", "x"), "ovsdb-client is not installed"),
        (Finished(1, "", "sh: not\tfound\x1b\n"), "sh: not found\\x1b"),
        (Finished(0, "armed twice\n", ""), "armed twice"),
        (Finished(127, "", ""), "127"),
        (Finished(1, "x" * 1000, ""), "x" * 300),
    ],
)
def test_it_does_not_start(host, done, why):
    with pytest.raises(Refused) as refused:
        host.start(run=lambda argv, stdin: done)
    expected = f"--confirm-within: what would undo the change does not start, so nothing was changed: {why}"
    assert str(refused.value) == expected


def test_a_key_that_is_there_already(host):
    host.answer("ARM", LATE)
    with pytest.raises(Stale):
        host.start()


def test_the_longest_undo_fits_into_one_argument(host):
    undo = "UNDO-" + "x" * (watchdog.LONGEST - 5)
    host.start(undo=undo)
    assert host.log() == ["sleep 3", "UNDO", UNDONE]
    with pytest.raises(OSError) as refused:
        subprocess.run(["true", f"{undo}x"], check=True)
    assert refused.value.errno == errno.E2BIG
