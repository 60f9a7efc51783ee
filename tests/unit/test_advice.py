"""Advice: findings about a change are collected while it is applied, reported after it, and never delay it."""

import time

import pytest

from ovstool.errors import TimedOut
from ovstool.switch import ERROR, Finding, Switch
from ovstool.switch.checks import Advice, note

LASTING = Finding("eth1", ERROR, "wrong", "so it is")
PASSING = Finding("eth1", ERROR, "not open", "not yet", may_pass=True)


class Look:
    """Returns one set of findings after the other; an error is raised."""

    def __init__(self, *found):
        self.found = list(found)
        self.left_s: list[float] = []
        self.done: list[tuple] = []
        self.switch = Switch(timeout_s=100)

    def __call__(self, *done):
        self.done.append(done)
        self.left_s.append(self.switch.remaining_s())
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def told(self, early: bool = True) -> list[Finding]:
        advice = Advice(self.switch, self)
        if early:
            advice.look("done")
            assert self.switch.found == []
        advice.tell()
        return self.switch.found


def test_findings_made_meanwhile_are_reported_without_another_look():
    look = Look([LASTING])
    assert look.told() == [LASTING]
    assert look.left_s == [pytest.approx(50, abs=2)]


@pytest.mark.parametrize(("later", "told"), [([], []), ([PASSING], [PASSING]), ([LASTING], [LASTING]), (TimedOut("x", "late"), [])])
def test_findings_that_may_be_outdated_are_checked_again(later, told):
    look = Look([LASTING, PASSING], later)
    assert look.told() == told
    assert look.left_s == [pytest.approx(50, abs=2), pytest.approx(100, abs=2)]
    assert look.done == [("done",), ()]


def test_a_failed_look_is_not_reported_and_leaves_the_timeout_alone():
    look = Look(TimedOut("x", "late"))
    end = look.switch.deadline
    assert look.told() == [] and look.switch.deadline == end > time.monotonic() + 90


@pytest.mark.parametrize("early", [True, False])
def test_without_waiting_findings_that_may_pass_are_left_out(early):
    look = Look([LASTING, PASSING])
    look.switch.wait = False
    assert look.told(early) == [LASTING]
    assert look.done == ([("done",)] if early else [()])


def test_a_dry_run_is_not_advised():
    look = Look()
    look.switch.dry_run = True
    note(look.switch, look)
    assert look.switch.found == []
