"""Rows by the names that people use, while other programs create and delete them."""

from ovstool.switch import lookup


class Reader:
    """A database in which a bridge appears only after the first query."""

    def __init__(self, row):
        self._answers = iter([[], [row]])

    def read(self, query):
        return []

    def read_all(self, queries):
        return [next(self._answers) for _ in queries]


def test_a_bridge_that_is_created_between_two_questions():
    row = {"_uuid": ["uuid", "0d6a8b1c-6a1f-4c1e-9d0e-0a3a3a3a3a3a"], "name": "br1"}
    assert lookup.bridges_and_vlans(Reader(row), ["br1"], ()) == [(row, None)]
