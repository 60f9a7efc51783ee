"""Conditions of ``--until``: ``[OBJECT] FIELD [OPERATOR VALUE]``, one comparison of a field. Pure."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ovstool.errors import UsageError, quote

NULL = "null"
# A word as in a shell: what is between quotes belongs to it, and there neither a space nor an operator ends it.
_WORD = re.compile(r"""\s*((?:[^\s"'=<>!]|"[^"]*"|'[^']*')+)""")
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")
_TEST = re.compile(r"==|!=|<=|>=|=|<|>")
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Condition(NamedTuple):
    """A comparison of ``field`` of the object ``subject``, or of any object if that is None; ``test`` None: the field has a value."""

    text: str
    subject: str | None
    field: str
    test: str | None = None
    value: Any = None

    def __str__(self) -> str:
        return quote(self.text)

    def values(self, fields: Mapping[str, Any]) -> list[Any]:
        """The values of the field, or of fields whose names end in its name after a dot."""
        if self.field in fields:
            return [fields[self.field]]
        return [value for name, value in fields.items() if name.endswith(f".{self.field}")]

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether these fields of its subject meet it. A field that is not there is null, which meets no condition of any object."""
        values = self.values(fields) or ([None] if self.subject else [])
        return any(map(self._is_met, values))

    def _is_met(self, value: Any) -> bool:
        if self.test is None:
            return value is not None and value is not False and value != []  # 0 is a value, such as that of a tag
        if self.test in ("=", "!="):
            return _TESTS[self.test](value, self.value)
        return value is not None and _TESTS[self.test](value, self.value)


def parse(text: str, reader: Callable[[str], Callable[[str], Any]], example: str) -> Condition:
    """Read a condition. ``reader`` returns what reads values of a field. Raises UsageError, as does ``reader`` for an unknown field."""
    words, rest = _words(text)
    found = _TEST.match(rest)
    if len(words) not in (1, 2) or (rest and not found):
        is_name = len(words) > 2 or rest[:1] in ("'", '"')
        hint = f"{quote(example)}, or with a space in the name '\"my port\" tag=7'" if is_name else quote(example)
        raise UsageError(quote(text), "not a condition, which is [OBJECT] FIELD or [OBJECT] FIELD=VALUE", hint)
    subject, field = words if len(words) == 2 else (None, words[0])
    read = reader(field)
    if not found:
        return Condition(text, subject, field)
    test = "=" if found[0] == "==" else found[0]
    typed = rest[found.end() :].strip()
    value = None if typed == NULL else read(_plain(typed) if _QUOTED.fullmatch(typed) else typed)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if test not in ("=", "!=") and not is_number:
        raise UsageError(quote(text), f"{test} compares numbers only", f"{field}={typed or NULL}")
    if value is None and test == "=" and subject is None:
        raise UsageError(quote(text), "some object never has a value there", f"a condition of one object: {quote(example)}")
    return Condition(text, subject, field, test, value)


def written(name: str) -> str:
    """The name of an object as a word of a condition, in quotes where it needs them."""
    found = _WORD.fullmatch(name)
    if found and found[1] == name == _plain(name):
        return name
    return f"'{name}'" if '"' in name else f'"{name}"'  # a name with both kinds cannot be written


def object_of(text: str) -> str:
    """The beginning of a condition up to its field, as typed: an object and a space; empty if there is none yet."""
    found = _WORD.match(text)
    return text[: found.end() + 1] if found and text[found.end() : found.end() + 1].isspace() else ""


def is_comparison(text: str) -> bool:
    """Whether a text may be part of a condition."""
    return bool(_TEST.search(text))


def _words(text: str) -> tuple[list[str], str]:
    """The words in front of the operator, without their quotes, and the rest."""
    words, end = [], 0
    while found := _WORD.match(text, end):
        words.append(_plain(found[1]))
        end = found.end()
    return words, text[end:].strip()


def _plain(word: str) -> str:
    """A word without its quotes."""
    return _QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", word)
