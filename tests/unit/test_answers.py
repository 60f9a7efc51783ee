"""The answers of several switches: each alone, one table of all, and values as JSON."""

from collections.abc import Iterator
from typing import NamedTuple

from ovstool import answers
from ovstool.answers import Answer, Table
from ovstool.host.address import Target
from ovstool.switch import Finding


class Queue(NamedTuple):
    number: int
    rates: tuple[int, ...]


class Port(NamedTuple):
    name: str
    queues: list[Queue]


def test_a_value_as_json_has_it():
    port = Port("eth1", [Queue(0, (1, 2)), Queue(1, ())])
    assert answers.plain(port) == {"name": "eth1", "queues": [{"number": 0, "rates": [1, 2]}, {"number": 1, "rates": []}]}
    assert list(answers.plain(port)) == ["name", "queues"]
    assert answers.plain((1, [port._replace(queues=[])])) == [1, [{"name": "eth1", "queues": []}]]
    assert [answers.plain(value) for value in (None, 5, "x", {"a": (1,)})] == [None, 5, "x", {"a": (1,)}]


def test_an_answer_before_anything_is_asked():
    target = Target("h1", "op@h1")
    assert Answer.awaited(target, "h1") == (target, "h1", None, [], [], [], [])
    assert Answer.awaited(None) == (None, None, None, [], [], [], [])
    first, second = Answer.awaited(None), Answer.awaited(None)
    first.notes.append("said")
    assert second.notes == []


def test_an_answer_is_kept_when_it_is_complete():
    coming = Answer.awaited(None)._replace(result=iter([1, 2]))
    assert coming.held().result == [1, 2]
    there = coming._replace(result=(1, 2))
    assert there.held() is there


def test_each_sample_has_the_notes_since_the_previous_one():
    awaited = Answer.awaited(None)
    found = Finding(None, "warning", "it is so", "one can tell")

    def results() -> Iterator[int]:
        awaited.notes.append("first")
        yield 1
        yield 2
        awaited.notes.extend(["second", "third"])
        awaited.found.append(found)
        yield 3

    said = [(each.result, each.notes, each.found) for each in awaited._replace(result=results()).samples()]
    assert said == [(1, ["first"], []), (2, [], []), (3, ["second", "third"], [found])]
    assert awaited.notes == awaited.found == []


def test_the_table_of_the_only_switch_stays_as_it_is():
    table = Table(("a", "b"), iter([(1, 2)]))
    assert answers.one_table([(None, table)]) is table


def test_the_tables_of_several_hosts_are_one():
    first, second = Table(("a", "b"), iter([(1, 2), (3, 4)])), Table(("c", "a"), [("x", 5)])
    assert answers.one_table([("h1", first), ("h2", second), ("h3", Table(("a",), []))]) == (
        ["host", "a", "b", "c"],
        [["h1", 1, 2, None], ["h1", 3, 4, None], ["h2", 5, None, "x"]],
    )


def test_the_table_of_one_host_that_was_named_has_its_name():
    assert answers.one_table([("h1", Table(("a",), [(1,)]))]) == (["host", "a"], [["h1", 1]])


def test_of_many_findings_of_one_problem_only_the_first_are_noted():
    problems = ["no effect", *["wrong direction"] * 7, "no effect"]
    found = [Finding(f"eth{at}", "warning", problem, "", ()) for at, problem in enumerate(problems)]
    first, more = Answer.awaited(None)._replace(found=found).noted()
    assert first == [*found[:6], found[8]]
    assert more == ["2 more with this problem: wrong direction"]
    assert Answer.awaited(None).noted() == ([], [])
