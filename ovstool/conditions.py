"""Conditions of ``--until``: ``[OBJECT] FIELD [OPERATOR VALUE]``, one comparison of a field. Pure."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ovstool.errors import UsageError, quote

NULL = "null"
_FIRST_TEST = r"==|!=|<=|>=|=|<|>"
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
    found = re.search(_FIRST_TEST, text)
    words = (text[: found.start()] if found else text).split()
    if len(words) not in (1, 2) or any("!" in word for word in words):
        raise UsageError(quote(text), "not a condition, which is [OBJECT] FIELD or [OBJECT] FIELD=VALUE", quote(example))
    subject, field = words if len(words) == 2 else (None, words[0])
    read = reader(field)
    if not found:
        return Condition(text, subject, field)
    test = "=" if found[0] == "==" else found[0]
    typed = text[found.end() :].strip()
    value = None if typed == NULL else read(typed)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if test not in ("=", "!=") and not is_number:
        raise UsageError(quote(text), f"{test} compares numbers only", f"{field}={typed or NULL}")
    if value is None and test == "=" and subject is None:
        raise UsageError(quote(text), "some object never has a value there", f"a condition of one object: {quote(example)}")
    return Condition(text, subject, field, test, value)
