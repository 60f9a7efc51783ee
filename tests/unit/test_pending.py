"""The keys by which changes wait to be confirmed."""

import pytest

from ovstool.switch.confirm import _when, keys
from ovstool.switch.confirm.keys import Pending


def test_pending_changes_by_the_time_of_their_undo():
    first, second, third = "ovstool-confirm-0123abcd", "ovstool-confirm-0123abcd-2", "ovstool-confirm-89abcdef"
    found = {
        first: "2026-01-02T03:04:05Z me@h: ovstool bridge add br1",
        third: "2026-01-02T03:04:03Z you@h: ovstool undo",
        second: "2026-01-02T03:04:04Z me@h: ovstool bridge add br1",
        "ovstool-confirm-ffffffff": "not committed yet: 2026-01-02T03:04:05Z me@h: ovstool port del x",
        "system-id": "2026-01-02T03:04:05Z",
    }
    assert keys.pending(["map", [list(pair) for pair in found.items()]]) == [
        Pending("89abcdef", "2026-01-02T03:04:03Z", "you@h: ovstool undo", third),
        Pending("0123abcd", "2026-01-02T03:04:04Z", "me@h: ovstool bridge add br1", second),
        Pending("0123abcd", "2026-01-02T03:04:05Z", "me@h: ovstool bridge add br1", first),
    ]


def test_when_a_change_is_undone():
    assert keys.seconds("2026-01-02T03:04:05Z") == 1767323045
    assert keys.seconds("1970-01-01T00:00:00Z") == 0
    assert keys.seconds("soon") is None


@pytest.mark.parametrize(
    ("now", "dry_run", "said"),
    [
        ("2026-01-02T03:04:04Z", False, "would have been undone at 2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05Z", False, "would have been undone at 2026-01-02T03:04:05Z"),  # it may be this very second
        ("2026-01-02T03:04:05Z", True, "is undone at 2026-01-02T03:04:05Z unless confirmed"),
        ("2026-01-02T03:04:06Z", True, "was to be undone at 2026-01-02T03:04:05Z, but others have changed the same since, or the host was restarted"),
    ],
)  # fmt: skip
def test_what_a_confirmation_says_of_the_undo(now, dry_run, said):
    assert _when(Pending("0123abcd", "2026-01-02T03:04:05Z", "", ""), now, dry_run) == said
