"""Tracking agents by their sequence numbers: lost, late and duplicate datagrams, and restarts."""

import itertools
import random
import struct

import pytest

from ovstool.sflow.collector import Arrival
from ovstool.sflow.reception import Reception, _percent
from ovstool.sflow.sources import Loss, Sources

WRAP = 2**32


def heard(*datagrams, most=4096):
    """Sources that received datagrams: a sequence number, or that and the uptime in ms; the payload depends on both."""
    sources = Sources(most)
    taken = []
    for datagram in datagrams:
        sequence, uptime_ms = datagram if isinstance(datagram, tuple) else (datagram, datagram * 10)
        taken.append(sources.take("10.0.0.1", 0, "192.0.2.1", sequence, uptime_ms, f"{sequence} {uptime_ms}".encode()))
    return sources, taken


def loss(*datagrams) -> tuple[int, int, int, int]:
    """The numbers of datagrams, lost datagrams, duplicates and restarts."""
    (found,) = heard(*datagrams)[0].losses()
    return found[1:5]


def unexpected(*datagrams) -> int:
    (found,) = heard(*datagrams)[0].losses()
    return found.unexpected


@pytest.mark.parametrize(
    ("datagrams", "expected"),
    [
        ([1], (1, 0, 0, 0)),
        ([77, 78, 79], (3, 0, 0, 0)),  # what was sent before listening does not count
        ([1, 2, 5], (3, 2, 0, 0)),
        ([1, 2, 2, 3], (4, 0, 1, 0)),
        ([1, 3, 2, 4], (4, 0, 0, 0)),  # reordered
        ([1, 4, 2], (3, 1, 0, 0)),
        ([5, 4, 6], (3, 0, 0, 0)),  # the first one was late itself
        ([WRAP - 2, WRAP - 1, 0, 1], (4, 0, 0, 0)),
        ([WRAP - 2, 1], (2, 2, 0, 0)),
        ([(900, 90_000), (1, 100), (2, 200)], (3, 0, 0, 1)),
        ([(3, 90_000), (1, 100), (2, 200)], (3, 0, 0, 1)),  # so early that the numbers alone look like reordering
        ([(900, 90_000), (100, 91_000)], (2, 0, 0, 1)),  # with an uptime that continues
        ([(5, WRAP - 10), (6, 90)], (2, 0, 0, 0)),  # the uptime wraps after 49.7 days
        ([1, 65, 1 + 64, 2], (4, 62, 1, 0)),  # just within the window
        ([(1, 10), (66, 20), (2, 20)], (3, 64, 0, 1)),  # just outside
        ([(1, 10), (1, 11), (1, 12)], (3, 0, 0, 0)),  # an agent that does not count datagrams
        ([(1, 90_000), (2, 50_000), (3, 90_100), (5, 50_100), (6, 90_200)], (5, 1, 0, 0)),  # line cards, each with its own uptime
        ([(5, 0), (6, 0), (7, 0)], (3, 0, 0, 0)),  # an agent that does not report its uptime
    ],
)
def test_sequence_numbers(datagrams, expected):
    assert loss(*datagrams) == expected


def test_a_copy_is_distinguished_from_another_datagram_with_its_number():
    assert heard((1, 10), (1, 10), (1, 11))[1] == [True, False, True]


def up(*sequences: int) -> list[tuple[int, int]]:
    """Datagrams that an agent sends every 100 ms."""
    return [(sequence % WRAP, sequence * 100) for sequence in sequences]


STRAY = (2**27 + 7, 4100)


@pytest.mark.parametrize(
    ("datagrams", "expected", "strange"),
    [
        (up(*range(1, 40), 5, *range(40, 45)), (45, 0, 1, 0), 0),
        (up(*range(1, 65), 1, 65), (66, 0, 1, 0), 0),  # each number of the window
        (up(*range(1, 201), 5, *range(201, 205)), (205, 0, 0, 0), 1),  # an older copy
        ([(1, 10), (1, 11), (1, 12)], (3, 0, 0, 0), 2),
        (up(1, 2, 5, 4), (4, 1, 0, 0), 0),
        (up(5, 4, 4, 6), (4, 0, 1, 0), 0),
        ([*up(*range(1, 41)), STRAY, *up(41, 42)], (43, 0, 0, 0), 1),
        ([*up(*range(1, 41)), STRAY, STRAY, *up(41, 43)], (44, 1, 1, 0), 1),
        ([*up(*range(1, 41)), STRAY, *up(40, 41)], (43, 0, 1, 0), 1),
        ([*up(*range(1, 41)), STRAY, (STRAY[0] * 3, 4100), *up(41, 42)], (44, 0, 0, 0), 2),
        ([*up(*range(1, 41)), (STRAY[0], 4100), (STRAY[0] + 1, 4200)], (42, 0, 0, 1), 0),
        ([*up(*range(1, 41)), STRAY], (41, 0, 0, 1), 0),  # not decided yet
        ([*up(*range(1, 41)), STRAY, (40, 4001)], (42, 0, 0, 2), 0),  # nor when its last number returns with another content
        ([*up(1, 3, 2), (2, 201)], (4, 0, 0, 0), 1),  # the number of a late one
        ([(1, 1002), (65, 1)], (2, 63, 0, 0), 0),  # numbers continue, whatever the uptime
        ([(1, 1001), (66, 1)], (2, 64, 0, 0), 0),  # up to a second older is reordering
        ([(1, 1002), (66, 1)], (2, 0, 0, 1), 0),  # more is a restart
        ([(1, 2**31), (66, 1)], (2, 0, 0, 1), 0),
        ([(1, 2**31 + 1), (66, 1)], (2, 64, 0, 0), 0),  # so much older that the uptime has wrapped
        ([(1, 1002), (2, 1)], (2, 0, 0, 0), 0),  # consecutive, whatever the uptime
        ([(2, 1001), (1, 1)], (2, 0, 0, 0), 0),  # reordered: up to a second older
        ([(2, 1002), (1, 1)], (2, 0, 0, 1), 0),  # older than that
        ([(2, 2**31), (1, 1)], (2, 0, 0, 1), 0),
        ([(2, 2**31 + 1), (1, 1)], (2, 0, 0, 0), 0),  # the uptime has wrapped
        ([(1, 10), (2**16 + 1, 20)], (2, 2**16 - 1, 0, 0), 0),
        ([(1, 10), (2**16 + 2, 20)], (2, 0, 0, 1), 0),
        (up(900, 1, 901, 2, 3), (5, 0, 0, 1), 1),  # late, from before the restart
        (up(*range(1, 41), *range(1, 10)), (49, 0, 9, 0), 0),  # the same datagrams again
        (up(*range(1, 201), 5, 6, *range(201, 205)), (206, 0, 0, 0), 2),  # older copies in a row
        (up(*range(1, 201), *range(5, 60), *range(203, 210)), (262, 2, 0, 0), 55),
        (up(*range(1, 201), *range(100, 199), *range(203, 210)), (306, 2, 62, 0), 37),
        (up(*range(1, 201), 9, 5, 70, 203, 204), (205, 2, 0, 0), 3),
        (up(*range(1, 201), 5, 6, 201, 7, 8, 202), (206, 0, 0, 0), 4),
        (up(*range(1, 201), 5, 201, 201, 202), (204, 0, 1, 0), 1),
    ],
)
def test_old_copies_and_strays(datagrams, expected, strange):
    assert (loss(*datagrams), unexpected(*datagrams)) == (expected, strange)


def again(*sequences: int) -> list[tuple[int, int]]:
    """The datagrams of an agent that has restarted."""
    return [(sequence, sequence * 100 + 3) for sequence in sequences]


@pytest.mark.parametrize("before", [1, 20, 40, 64, 65, 100, 500])
@pytest.mark.parametrize("after", [2, 20, 63, 64, 65, 130, 600])
def test_a_restart_counts_once_however_long_the_agent_runs(before, after):
    """Even when it reaches numbers that it used before."""
    assert loss(*up(*range(1, before + 21)), *again(*range(1, after + 1))) == (before + 20 + after, 0, 0, 1)
    assert loss(*up(*range(1, before + 21)), *again(*range(1, after, 2)))[3] == 1, "with losses"


def test_a_restart_is_seen_at_once():
    before = up(*range(1, 41))
    assert [loss(*before, *after) for after in ([(1, 50)], [(1, 50), (2, 150)])] == [(41, 0, 0, 1), (42, 0, 0, 1)]


def test_counts_stay_consistent_for_any_numbers():
    for seed in range(30):
        chance = random.Random(seed)
        came = [(chance.choice([0, 5, 70, 2**16, WRAP - 3]) + chance.randrange(3), chance.randrange(5000)) for _ in range(300)]
        datagrams, lost, duplicates, restarts = loss(*((number % WRAP, uptime) for number, uptime in came))
        assert datagrams == 300 and lost >= 0 and restarts >= 0 and duplicates + restarts + unexpected(*came) <= 300, seed


def test_lost_percent():
    assert Loss("a", 10, 5, 5, 0).lost_percent == 50.0
    assert Loss("a", 5, 0, 5, 0).lost_percent == 0.0


def test_sub_agents_and_senders_are_tracked_apart_and_reported_together():
    sources = Sources()
    for sub_agent, sender, sequence in ((0, "a", 1), (1, "a", 100), (0, "b", 500), (0, "a", 3), (1, "a", 101), (0, "b", 502)):
        sources.take("10.0.0.1", sub_agent, sender, sequence, 5, f"{sub_agent} {sender} {sequence}".encode())
    sources.take("10.0.0.0", 0, "a", 9, 5, b"")
    assert list(sources.losses()) == [Loss("10.0.0.0", 1, 0, 0, 0), Loss("10.0.0.1", 6, 2, 0, 0)]


def test_the_number_of_agents_is_limited_and_silent_ones_are_dropped():
    sources = Sources(3)
    for number, agent in enumerate("abcadb"):
        sources.take(agent, 0, "s", number, number, b"%d" % number)
    assert [found.agent for found in sources.losses()] == ["a", "b", "d"] and sources.forgotten == 2


def test_the_limit_of_tracked_agents():
    sources = Sources()
    for number in range(4097):
        assert sources.forgotten == 0
        sources.take(str(number), 0, "s", 1, 1, b"")
    assert sources.forgotten == 1


def test_losses_are_found_in_any_order_of_datagrams():
    """Compared with the definition: the numbers between the first and the highest that never arrived."""
    for seed in range(50):
        chance = random.Random(seed)
        sent = range(start := chance.randrange(WRAP), start + 300)
        kept = [number for number in sent if number == start or chance.random() > 0.1]
        order = sorted(kept[1:], key=lambda number: number + chance.randrange(20))
        came = [kept[0], *itertools.chain.from_iterable([number] * (1 + (chance.random() < 0.1)) for number in order)]
        # Duplicates: the same number and the same content.
        found = loss(*((number % WRAP, 1000) for number in came))
        assert found == (len(came), max(came) + 1 - start - len(kept), len(came) - len(kept), 0), seed


def arrival(sequence: int, uptime_ms: int = 1000, agent: int = 1, samples: bytes = b"", count: int = 0) -> Arrival:
    head = struct.pack("!II4s4I", 5, 1, bytes([10, 0, 0, agent]), 0, sequence, uptime_ms, count)
    return Arrival(0.0, head + samples, "192.0.2.1")


def test_the_summary_of_received_and_lost_datagrams():
    said: list[str] = []
    reception = Reception(lambda agent: agent != "10.0.0.9", said.append)
    unknown = struct.pack("!II", 99, 0)
    drop = struct.pack("!II8I", 5, 32, 1, 0, 7, 0, 7, 8, 258, 0)
    came = [
        arrival(1),
        arrival(4),
        arrival(4),
        arrival(1, 1, samples=drop, count=1),
        arrival(1, agent=2, samples=unknown, count=1),
        arrival(1, agent=9),
    ]
    assert [decoded.samples[0].kind for _, decoded in reception.take([*came, Arrival(0.0, b"x", "192.0.2.7")])] == ["drop"]
    assert said == ["malformed datagram from 192.0.2.7: 1 byte: too short for an sFlow datagram"]
    assert list(reception.summary()) == [
        "5 datagrams, 1 drop sample",
        "ignored 1 datagram from other agents: 10.0.0.9",
        "1 datagram malformed",
        "skipped 1 sample or record of unknown format",
        "agent 10.0.0.1: 2 datagrams lost (40%), 1 duplicate, 1 unexpected sequence number",
    ]


def test_the_worst_losses_are_shown_and_the_others_counted():
    reception = Reception(lambda agent: True, lambda text: None)
    for agent in range(1, 9):
        list(reception.take([arrival(1, agent=agent), arrival(agent + 1, agent=agent), arrival(1, agent=agent, uptime_ms=2000)]))
    lines = list(reception.summary())
    assert lines[1] == "agent 10.0.0.8: 7 datagrams lost (70%), 1 unexpected sequence number" and lines[5].startswith("agent 10.0.0.4: ")
    assert lines[6:] == ["3 more agents with losses, duplicates or restarts; --top --by agent lists them all"]


@pytest.mark.parametrize(
    ("sequence", "said"), [(3001, "2999 datagrams lost (100%)"), (12, "10 datagrams lost (83%)"), (3, "1 datagram lost (33%)")]
)
def test_a_loss_in_percent(sequence, said):
    reception = Reception(lambda agent: True, lambda text: None)
    list(reception.take([arrival(1), arrival(sequence)]))
    assert list(reception.summary())[1:] == [f"agent 10.0.0.1: {said}"]


@pytest.mark.parametrize(("percent", "text"), [(99.97, "100%"), (9.96, "10%"), (3.14159, "3.1%"), (0.01, "0.01%"), (0.00001, "<0.01%")])
def test_a_percentage_has_no_exponent(percent, text):
    assert _percent(percent) == text


def test_unknown_formats_are_counted():
    reception = Reception(lambda agent: True, lambda text: None)
    list(reception.take([arrival(1, samples=2 * struct.pack("!II", 99, 0), count=2)]))
    assert list(reception.summary())[1:] == ["skipped 2 samples or records of unknown format"]


def test_silence_is_reported_only_if_nothing_arrived():
    reception = Reception(lambda agent: agent != "10.0.0.9", lambda text: None)
    assert reception.is_silent and list(reception.summary()) == ["0 datagrams, no samples"]
    list(reception.take([arrival(1, agent=9)]))
    assert not reception.is_silent
    list(reception.take([arrival(1)]))
    assert next(reception.summary()) == "1 datagram, no samples"


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ([1, 2, 2, 3], "4 datagrams from other agents: 10.0.0.1, 10.0.0.2, 10.0.0.3"),
        ([9, 1, 2, 3, 4], "5 datagrams from other agents: 10.0.0.9, 10.0.0.1, 10.0.0.2 and others"),
    ],
)
def test_unexpected_agents_are_named(others, named):
    reception = Reception(lambda agent: False, lambda text: None)
    list(reception.take([arrival(number, agent=agent) for number, agent in enumerate(others)]))
    assert list(reception.summary())[1:] == [f"ignored {named}"]


def test_an_agent_that_sends_everything_twice_is_reported():
    """As from Open vSwitch with two targets that are the same collector."""
    reception = Reception(lambda agent: True, lambda text: None)
    list(reception.take([arrival(number) for number in range(9) for _ in range(2)]))
    assert list(reception.summary())[1:] == ["agent 10.0.0.1: 9 duplicates (identical datagrams; is this collector configured twice?)"]


def test_no_more_samples_are_taken_or_counted_than_were_asked_for():
    reception = Reception(lambda agent: True, lambda text: None, most=3)
    drops = 2 * struct.pack("!II8I", 5, 32, 1, 0, 7, 0, 7, 8, 258, 0)
    taken = list(reception.take([arrival(number, samples=drops, count=2) for number in range(1, 5)]))
    assert [len(decoded.samples) for _, decoded in taken] == [2, 1] and reception.is_complete
    assert list(reception.summary()) == ["2 datagrams, 3 drop samples"]
