"""Types of the option values that several nouns share; the options of all commands are in ``parser``."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ovstool.errors import UsageError, quote

PORT_NAME = "NAME, iface-id:ID, mac:ADDRESS or ofport:BRIDGE/N"  # forms of a PORT, for help texts
PORT = f"port: {PORT_NAME}"
POLICED_PORT = f"{PORT}; a bond's name means all its members"
MAX_QUEUE = 2**32 - 1  # an OpenFlow queue ID has 32 bits; OFPQ_ALL is the last (OpenFlow 1.3.5, 7.2.2), so it is left out

Value = TypeVar("Value")


def key_value(text: str) -> tuple[str, str]:
    """argparse type: ``K=V``; the value may contain equal signs."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{quote(text)}: not of the form K=V")
    return key, value


def as_dict(pairs: Iterable[tuple[str, str]] | None, option: str) -> dict[str, str]:
    """Pairs as a dict. Raises UsageError when a key is given twice with different values."""
    result: dict[str, str] = {}
    for key, value in pairs or ():
        if result.setdefault(key, value) != value:
            raise UsageError(f"{option} {quote(key)}", "given twice with different values")
    return result


def comma_list(item: Callable[[str], Value]) -> Callable[[str], list[Value]]:
    """argparse type: items separated by commas."""

    def parse(text: str) -> list[Value]:
        return [item(word) for word in text.split(",")]

    return parse


def word(text: str) -> str:
    """argparse type: text that is not empty."""
    if not text:
        raise argparse.ArgumentTypeError("empty")
    return text


def parsed_by(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """argparse type for a parser that raises UsageError, such as those of rates and sizes in ``units``."""

    def checked(text: str) -> Value:
        try:
            return parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def column_and_key(columns: Iterable[str], also: Mapping[str, str] | None = None) -> Callable[[str], tuple[str, str | None]]:
    """argparse type: ``COLUMN`` or ``COLUMN:KEY``, of the columns given; dashes count as underscores, and ``also`` has more names for columns."""
    known = tuple(columns)

    def parse(text: str) -> tuple[str, str | None]:
        column, colon, key = text.partition(":")
        column = column.replace("-", "_")
        column = (also or {}).get(column, column)
        if column not in known:
            raise argparse.ArgumentTypeError(f"{quote(text)}: not one of {', '.join(known)}")
        return column, key if colon else None

    return parse


def flatten(lists: Iterable[list[Value]] | None) -> tuple[Value, ...]:
    """The items of a repeatable option that takes a list, without duplicates."""
    return tuple(dict.fromkeys(item for items in lists or () for item in items))
