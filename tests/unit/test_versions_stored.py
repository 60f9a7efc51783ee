"""The version of Open vSwitch, as stored in the database."""

import pytest

from ovstool.switch import versions


def rows(version: object) -> list[dict]:
    return [{"ovs_version": version}]


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("3.1.0", (3, 1)),
        ("2.17", (2, 17)),
        ("2.13.8-dev", (2, 13)),
        ("999.999", (999, 999)),
        ("3.1234", None),
        ("1000.1", None),
        ("3", None),
        ("v3.1", None),
        ("", None),
        (["set", []], None),
        (None, None),
    ],
)
def test_what_is_stored(version, read):
    assert versions.stored(rows(version)) == read


def test_a_database_without_a_row():
    assert versions.stored([]) is None and not versions.is_unknown([])


@pytest.mark.parametrize(
    ("version", "is_unknown"), [("4.0.9", False), ("4.1.0", True), ("5.0.0", True), ("3.99", False), (["set", []], False)]
)
def test_a_later_one_than_is_known(version, is_unknown):
    assert versions.is_unknown(rows(version)) is is_unknown


@pytest.mark.parametrize(("version", "is_older"), [((2, 15), True), ((1, 99), True), ((2, 16), False), ((3, 0), False), (None, False)])
def test_an_older_one(version, is_older):
    assert versions.is_older(version, 2, 16) is is_older


def test_the_text_of_a_version():
    assert versions.spelt((2, 16)) == "2.16"
