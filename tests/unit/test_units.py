"""Rates and sizes, as specified in the table of ovstool-units(7)."""

import random

import pytest

from ovstool import units
from ovstool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "bps"),
    [
        ("1", 1),
        ("64000", 64_000),
        ("1bit", 1),
        ("200mbit", 200_000_000),
        ("200Mbit", 200_000_000),
        ("200MBIT/S", 200_000_000),
        ("200 Mbit/s", 200_000_000),
        (" 200mbit ", 200_000_000),
        ("+5k", 5_000),
        ("1.5gbit", 1_500_000_000),
        ("2.5k", 2_500),
        (".5k", 500),
        ("5.k", 5_000),
        ("0.001kbit", 1),
        ("10m", 10_000_000),
        ("1G", 1_000_000_000),
        ("2t", 2_000_000_000_000),
        ("3tbit", 3_000_000_000_000),
        ("1kibit", 1024),
        ("1Mibit/s", 1024**2),
        ("1gibit", 1024**3),
        ("0.5tibit", 1024**4 // 2),
        ("9223372036854775807", 2**63 - 1),
        ("9.223372036854775807e", None),
    ],
)
def test_a_rate_is_bits_per_second(text, bps):
    if bps is None:
        with pytest.raises(UsageError, match="unknown unit of a rate: e"):
            units.parse_rate(text)
    else:
        assert units.parse_rate(text) == bps


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("1", 1),
        ("80kbit", 80_000),
        ("80KBIT", 80_000),
        ("1.5Mibit", 1536 * 1024),
        ("3B", 24),
        ("10kB", 80_000),
        ("1MB", 8_000_000),
        ("64KiB", 64 * 1024 * 8),
        ("1MiB", 8 * 1024**2),
        ("0.5kB", 4_000),
    ],
)
def test_a_size_is_bits(text, bits):
    assert units.parse_size(text) == bits


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "not a {}") for text in ("", " ", "-", "+", ".", "nan", "inf", "-inf", "infinity", "mbit", "9" * 10000, "9" * 41)),
        *((text, "not a {}") for text in ("\u0661\u0660", "\uff11", "\u00bd")),
        *((text, "a {} must be more than zero") for text in ("0", "0.0", "+0", "-1", "-5mbit", "0x10", "0mbit")),
        ("1e9", "unknown unit of a {}: e9"),
        ("1e400", "unknown unit of a {}: e400"),
        ("1_000", "unknown unit of a {}: _000"),
        ("1,000", "unknown unit of a {}: ,000"),
        ("10 0", "unknown unit of a {}: 0"),
        ("10mbits", "unknown unit of a {}: mbits"),
        ("10xbit", "unknown unit of a {}: xbit"),
        ("10 m bit", 'unknown unit of a {}: "m bit"'),
        ("10m\n20", 'unknown unit of a {}: "m\\n20"'),
        ("1\x00", 'unknown unit of a {}: "\\x00"'),
        ("1/3", "unknown unit of a {}: /3"),
        ("10mbit/", "unknown unit of a {}: mbit/"),
        ("10mbit/s/s", "unknown unit of a {}: mbit/s/s"),
        ("10tbit" + "\x1b[31m", 'unknown unit of a {}: "tbit\\x1b[31m"'),
        ("9223372036854775808", "a {} is at most 9223372036854775807 (2^63-1) "),
        ("9223372036854775807.5", "a {} is at most 9223372036854775807 (2^63-1) "),
        ("9" * 40, "a {} is at most 9223372036854775807 (2^63-1) "),
        *((text, "not a whole number of {}") for text in ("1.5", "0.0001kbit", "0.5bit")),
    ],
)
@pytest.mark.parametrize(("parse", "what"), [(units.parse_rate, "rate"), (units.parse_size, "size")])
def test_anything_else_is_refused_in_one_printable_line(parse, what, text, why):
    with pytest.raises(UsageError) as failure:
        parse(text)
    unit = "bit/s" if what == "rate" else "bits"
    assert failure.value.why == why.format(unit if why.startswith("not a whole") else what) + (unit if why.endswith(" ") else "")
    if failure.value.why in (f"not a {what}", f"a {what} must be more than zero"):
        assert failure.value.hint == {"rate": "200mbit", "size": "80kbit or 10kB"}[what]
    assert str(failure.value).isprintable()
    assert len(str(failure.value)) < 400


@pytest.mark.parametrize(
    ("text", "near"), [("1.5", "1bit or 2bit"), ("0.5bit", "1bit"), ("0.0001kbit", "1bit"), ("1234.5678kbit", "1234567bit or 1234568bit")]
)
@pytest.mark.parametrize("parse", [units.parse_rate, units.parse_size])
def test_fractions_of_a_bit_are_refused_with_the_nearest_values(parse, text, near):
    with pytest.raises(UsageError) as failure:
        parse(text)
    assert failure.value.hint == near


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1), ("7", 7), ("07", 7), ("10", 10), ("0", None), ("11", None), ("", None), (" 7", None), ("7 ", None), ("+7", None), ("-7", None),
        ("7.0", None), ("1_0", None), ("0x7", None), ("seven", None), ("\u0663", None), ("\u00b2", None), ("\uff17", None), ("7" * 5000, None),
    ],
)  # fmt: skip
def test_a_whole_number_is_plain_digits(text, number):
    assert units.whole_number(text, 1, 10) == number


def test_a_whole_number_has_as_many_digits_as_the_largest_of_ovsdb():
    assert units.whole_number(str(2**63 - 1), 1, 2**63 - 1) == 2**63 - 1
    assert units.whole_number("1" + "0" * 19, 1, 10**20) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0), ("5", 5.0), ("2.5", 2.5), ("2.", 2.0), (".5", 0.5), ("007", 7.0), ("9" * 20, 1e20), ("1" * 21, None), ("", None), (".", None), ("-1", None), ("+1", None),
        ("1e3", None), ("1 ", None), (" 1", None), ("1,5", None), ("1.2.3", None), ("nan", None), ("inf", None), ("\u0663", None), ("1\n", None),
    ],
)  # fmt: skip
def test_a_decimal_number_is_digits_with_a_point_or_without(text, number):
    assert units.decimal_number(text) == number


@pytest.mark.parametrize(
    "unit", ["bps", "kbps", "mbps", "gbps", "Mbps", "b", "B", "kb", "kB", "KB", "mb", "MB", "MiB", "kbyte", "MB/s", "gb/s"]
)
def test_byte_like_units_of_a_rate_are_refused_with_both_readings(unit):
    with pytest.raises(UsageError, match=r"bits is 10[kmg]?i?bit; 10 .*bytes.* is 80[kmg]?i?bit"):
        units.parse_rate(f"10{unit}")


@pytest.mark.parametrize(
    ("unit", "spoken", "prefix"),
    [
        *((unit, "kilo", "k") for unit in ("k", "K", "kb", "Kb", "KB")),
        *((unit, "mega", "m") for unit in ("m", "mb", "Mb")),
        *((unit, "giga", "g") for unit in ("g", "GB")),
        *((unit, "mebi", "mi") for unit in ("mib", "MIB")),
        ("kib", "kibi", "ki"), ("gib", "gibi", "gi"), ("tb", "tera", "t"), ("tib", "tebi", "ti"), ("b", "", ""),
    ],
)  # fmt: skip
def test_ambiguous_units_of_a_size_are_refused_with_both_readings(unit, spoken, prefix):
    with pytest.raises(UsageError) as failure:
        units.parse_size(f"10{unit}")
    assert str(failure.value) == f"10{unit}: 10 {spoken}bits is 10{prefix}bit; 10 {spoken}bytes is 80{prefix}bit"


def test_ambiguous_units_as_tc_writes_them():
    with pytest.raises(UsageError, match=r"^10kbps: 10 kilobits is 10kbit; 10 kilobytes, as tc reads it, is 80kbit$"):
        units.parse_size("10kbps")


@pytest.mark.parametrize("unit", ["kbit/s", "mbit/s", "bit/s"])
def test_a_size_is_not_per_second(unit):
    with pytest.raises(UsageError, match=f"unknown unit of a size: {unit}"):
        units.parse_size(f"10{unit}")


def test_the_message_about_mbps():
    with pytest.raises(UsageError) as failure:
        units.parse_rate("10mbps")
    assert str(failure.value) == "10mbps: 10 megabits is 10mbit; 10 megabytes, as tc reads it, is 80mbit"


def test_formatted_numbers_parse_to_the_same_number():
    source = random.Random(1)
    numbers = [1, 999, 1000, 1001, 1234567, 2**63 - 1, *(source.randrange(1, 10 ** source.randint(1, 18)) for _ in range(500))]
    for number in numbers:
        assert units.parse_rate(units.spell(number)) == number
        assert units.parse_rate(units.human_rate(number)) == number
        assert units.parse_size(units.human_size(number)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(200_000_000, "200 Mbit/s"), (1, "1 bit/s"), (1234, "1.234 kbit/s"), (0, "0 bit/s"), (1234.5, "1.234 kbit/s"), (0.0, "0 bit/s"),
     (1000.0, "1 kbit/s"), (999.0, "999 bit/s"), (0.5, "0.5 bit/s"), (1e12, "1 Tbit/s"), (1000, "1 kbit/s"), (2_500_000_000, "2.5 Gbit/s"), (1_234_567, "1234.567 kbit/s"), (10**13, "10 Tbit/s"), (9.87654e9, "9.877 Gbit/s")],
)  # fmt: skip
def test_rates_for_people(value, text):
    assert units.human_rate(value) == text


HELD = "policing is in kbit/s"


@pytest.mark.parametrize(
    ("bits", "kbit", "why", "hint"),
    [
        (1000, 1, None, None),
        (10_000, 10, None, None),
        (1500, None, f"{HELD}, so this value cannot be set exactly", "1kbit or 2kbit"),
        (1, None, f"{HELD}, so this value cannot be set exactly", "1kbit"),
        (9_999, None, f"{HELD}, so this value cannot be set exactly", "9kbit or 10kbit"),
        (10_001, None, f"{HELD}, at most 10kbit", None),
        (11_000, None, f"{HELD}, at most 10kbit", None),
    ],
)
def test_values_that_a_column_cannot_hold_are_refused_with_the_nearest(bits, kbit, why, hint):
    def held() -> int:
        return units.in_units_of(bits, 1000, 10, what=HELD, spell=units.spell)

    if kbit is not None:
        assert held() == kbit
        return
    with pytest.raises(UsageError) as failure:
        held()
    assert (failure.value.what, failure.value.why, failure.value.hint) == (units.spell(bits), why, hint)


@pytest.mark.parametrize(("count", "words"), [(0, "0 flows"), (1, "1 flow"), (2, "2 flows"), (10**9, "1000000000 flows")])
def test_a_count_has_a_noun_in_singular_or_plural(count, words):
    assert units.counted(count, "flow") == words
