"""Rates and sizes: text to a whole number of bits and back.

A rate is in bit/s, a size (a burst) in bits. Nothing is rounded: a value that is not a whole number of bits, or does not fit
its column, is refused with the nearest values that do.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from ovstool.errors import UsageError, quote

MAX = 2**63 - 1  # the largest OVSDB integer (RFC 7047, section 3.1)
_DIGITS = len(str(MAX))

# Not compiled here: every command imports this module, and few need the patterns.
_NUMBER = r"(?s)([+-]?[0-9]*(?:\.[0-9]*)?) ?(.*)"
_PLAIN_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}"
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_PREFIXES = _DECIMAL | _BINARY
_BIT_UNITS = {f"{prefix}bit": factor for prefix, factor in _PREFIXES.items()}
_RATE_UNITS = _DECIMAL | _BIT_UNITS | {f"{unit}/s": factor for unit, factor in _BIT_UNITS.items()}
_SIZE_UNITS = {"": 1} | _BIT_UNITS
_BYTE_UNITS = {"B": 8, "kB": 8 * 10**3, "MB": 8 * 10**6, "KiB": 8 * 2**10, "MiB": 8 * 2**20}
_BYTE_LIKE = r"(?i)([kmgt]i?)?(?:bps|b|b/s|byte|bytes|byte/s|bytes/s|)"
_SPOKEN = {"": "", "k": "kilo", "m": "mega", "g": "giga", "t": "tera", "ki": "kibi", "mi": "mebi", "gi": "gibi", "ti": "tebi"}
_WRITTEN = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"), (1, ""))


class _Number(NamedTuple):
    """An exact decimal number: ``digits`` times 10 to the power of minus ``decimals``."""

    digits: int
    decimals: int


def whole_number(text: str, low: int, high: int) -> int | None:
    """A whole number from ``low`` to ``high`` in ASCII digits, else None; the text may have any length and script."""
    number = int(text) if len(text) <= _DIGITS and text.isascii() and text.isdigit() else None
    return number if number is not None and low <= number <= high else None


def decimal_number(text: str) -> float | None:
    """A number in ASCII digits with or without a decimal point, else None: no sign, exponent or space, no nan or inf."""
    return float(text) if re.fullmatch(_PLAIN_NUMBER, text) else None


def parse_rate(text: str) -> int:
    """Read a RATE, such as ``200mbit``, ``1.5Gbit/s``, ``10m`` or ``64000``, as bit/s.

    Raises UsageError for anything else; for ``mbps`` and the byte units the message gives both readings.
    """
    number, unit = _split(text, "rate", "200mbit")
    factor = _RATE_UNITS.get(unit.lower())
    if factor is None:
        raise _wrong_unit(text, number, unit, "rate", "bit, kbit, mbit, gbit or tbit (1000s), kibit, mibit, gibit or tibit (1024s)")
    return _whole(text, number, factor, "rate")


def parse_size(text: str) -> int:
    """Read a SIZE, such as ``80kbit`` or ``64KiB``, as bits.

    Byte units count only in the exact case ``B``, ``kB``, ``MB``, ``KiB``, ``MiB``. Raises UsageError for anything else.
    """
    number, unit = _split(text, "size", "80kbit or 10kB")
    factor = _BYTE_UNITS.get(unit) or _SIZE_UNITS.get(unit.lower())
    if factor is None:
        raise _wrong_unit(
            text, number, unit, "size", "bit, kbit, mbit, gbit, kibit, mibit, or bytes as B, kB, MB, KiB, MiB in exactly that case"
        )
    return _whole(text, number, factor, "size")


def in_units_of(bits: int, unit: int, maximum: int, *, what: str, spell: Callable[[int], str]) -> int:
    """Express ``bits`` in a column's own unit (1000 for kbit/s), at most ``maximum`` of them.

    ``what`` names the column and its unit for the message, ``spell`` writes a value as the user would.
    Raises UsageError naming the nearest values that the column can hold.
    """
    count, rest = divmod(bits, unit)
    if count > maximum or (rest and count == maximum):
        raise UsageError(spell(bits), f"{what}, at most {spell(maximum * unit)}")
    if rest:
        near = " or ".join(spell(n * unit) for n in (count, count + 1) if n > 0)
        raise UsageError(spell(bits), f"{what}, so this value cannot be set exactly", near)
    return count


def spell(bits: int) -> str:
    """Write bits, or bit/s, as a user would type them: ``200mbit``, ``1.5gbit``, ``1234.567kbit``."""
    number, prefix = _exactly(bits)
    return f"{number}{prefix.lower()}bit"


def human_rate(bps: int | float) -> str:
    """Write a rate for people: ``200 Mbit/s``. A whole number is exact; a measured one has four digits."""
    return f"{human_size(bps)}/s"


def human_size(bits: int | float) -> str:
    """Write a size for people: ``80 kbit``. A whole number is exact; a measured one has four digits."""
    if isinstance(bits, int):
        number, prefix = _exactly(bits)
        return f"{number} {prefix}bit"
    return human(bits, "bit")


def counted(count: int, noun: str) -> str:
    """A count with its noun in singular or plural: ``1 flow``, ``2 flows``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def human_duration(seconds: float) -> str:
    """Write seconds for people, in the two largest units: ``3d 4h``, ``11m 10s``, ``1.5s``."""
    for size, unit, rest_size, rest_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} {int(seconds % size // rest_size)}{rest_unit}"
    return f"{seconds:.3g}s"


def human(value: float, unit: str) -> str:
    """Write a measured value in some unit for people, with four digits: ``1.235 Mbit/s``, ``12 kpackets/s``."""
    factor, prefix = scale(value)
    return f"{value / factor:.4g} {prefix}{unit}"


def scale(value: float) -> tuple[int, str]:
    """The largest power of 1000 that a value reaches, and its unit prefix."""
    return next((pair for pair in _WRITTEN if abs(value) >= pair[0]), _WRITTEN[-1])


def _exactly(bits: int) -> tuple[str, str]:
    """The number in the largest unit in which it has at most three decimals, so that no digit is lost, and the prefix of that unit."""
    for factor, prefix in _WRITTEN:
        if bits >= factor and bits * 1000 % factor == 0:
            return _plain(_Number(bits * 1000 // factor, 3)), prefix
    return str(bits), ""


def _split(text: str, what: str, example: str) -> tuple[_Number, str]:
    match = re.fullmatch(_NUMBER, text.strip(" ")) if text.isascii() else None  # lower() turns the Kelvin sign into a k
    digits = match[1] if match else ""
    if not any(c.isdigit() for c in digits) or len(digits) > 40:
        raise UsageError(quote(text), f"not a {what}", example)
    if digits[0] == "-" or not digits.strip("+0."):
        raise UsageError(quote(text), f"a {what} must be more than zero", example)
    assert match
    whole, _, rest = digits.lstrip("+").partition(".")
    return _Number(int(whole + rest), len(rest)), match[2]


def _whole(text: str, number: _Number, factor: int, what: str) -> int:
    bits, rest = divmod(number.digits * factor, 10**number.decimals)
    if bits > MAX or (rest and bits == MAX):
        raise UsageError(quote(text), f"a {what} is at most {MAX} (2^63-1) {'bit/s' if what == 'rate' else 'bits'}")
    if rest:
        near = " or ".join(f"{n}bit" for n in (bits, bits + 1) if n > 0)
        raise UsageError(quote(text), f"not a whole number of {'bit/s' if what == 'rate' else 'bits'}", near)
    return bits


def _wrong_unit(text: str, number: _Number, unit: str, what: str, hint: str) -> UsageError:
    byte_like = re.fullmatch(_BYTE_LIKE, unit)
    if not byte_like:
        return UsageError(quote(text), f"unknown unit of a {what}: {quote(unit)}", hint)
    prefix = (byte_like[1] or "").lower()
    spoken, plain = _SPOKEN[prefix], _plain(number)
    as_tc = ", as tc reads it," if unit.lower().endswith("bps") else ""
    return UsageError(
        quote(text),
        f"{plain} {spoken}bits is {plain}{prefix}bit; {plain} {spoken}bytes{as_tc} is {_plain(number._replace(digits=number.digits * 8))}{prefix}bit",
    )


def _plain(number: _Number) -> str:
    """Written without an exponent or trailing zeros."""
    whole, rest = divmod(number.digits, 10**number.decimals)
    decimals = str(rest).zfill(number.decimals).rstrip("0") if rest else ""
    return f"{whole}.{decimals}" if decimals else str(whole)
