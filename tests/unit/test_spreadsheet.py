"""Cells that a spreadsheet would take for formulas, and reading the original text back."""

import pytest

from ovstool import spreadsheet

FORMULAS = ["=1+1", "+1", "-1", "@SUM", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A", " =1", "  -1", "'=1", "''=1", "' =1", "="]
WORDS = ["", "eth1", "1", "a=b", "x-1", "'", "''", "'eth1", " eth1", "#1", "eth1.100", "e@h"]


@pytest.mark.parametrize("words", FORMULAS)
def test_text_like_a_formula_gets_an_apostrophe(words):
    assert spreadsheet.text(words) == f"'{words}"
    assert spreadsheet.meant(f"'{words}") == words


@pytest.mark.parametrize("words", WORDS)
def test_other_text_is_unchanged(words):
    assert spreadsheet.text(words) == words
    assert spreadsheet.meant(words) == words


def test_a_formula_of_another_program_is_unchanged():
    assert spreadsheet.meant("=1+1") == "=1+1" and spreadsheet.meant("-1") == "-1"
