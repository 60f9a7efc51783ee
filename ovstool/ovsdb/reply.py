"""JSON-RPC messages from a stream that arrives in pieces, parsed and checked as they arrive. Pure.

A peer's data takes no more memory than a valid reply: the rows of a ``select`` or a ``monitor_cond`` are checked against the
requested columns before more is read, and a single value is limited in size. Larger structures are parsed here, single values by json.
"""

import codecs
import json
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from ovstool.ovsdb import columns
from ovstool.ovsdb.values import Json, malformed

_LARGEST = 16 * 2**20  # bytes in memory of the text of one value; a bridge's set of 100,000 ports is 5 MB
_FULLEST = 400_000  # brackets and commas of one value, a brace counted four times, for the Python object it becomes; that set has 300,000
_MANY = 2**20  # characters from which on these are counted
_CUT = 16  # characters before the end of the text in which a truncated value looks invalid: \u00e, tru, 1.5e
_SPACE = re.compile(r"[ \t\n\r]*")
_CLOSES = {"{": "}", "[": "]", '"': '"'}
_RESULT_BEGINS = ('},{"rows":', '},{"uuid":', '},{"count":', "},{}")
OF_MESSAGE = ("id", "method", "params", "result", "error")
_OF_RESULT = ("rows", "error", "details")
Reading = Generator[None, None, Any]  # yields when it needs more text


class Broken(Exception):
    """The data is not JSON-RPC; the text says what it is."""


class ReplyReader:
    """An incremental parser: ``feed`` it data, then ``take`` messages until None.

    ``operations`` are those of the transaction whose result is awaited, ``tables`` the tables and their columns of the ``monitor_cond``.
    ``kinds`` are the types of columns that ``columns.KINDS`` does not have.
    """

    def __init__(self) -> None:
        self.operations: Sequence[dict] = ()
        self.tables: Mapping[str, Sequence[str]] = {}
        self.kinds: columns.Kinds = {}
        self.fed = 0  # bytes since the last message was complete
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        self._at = 0
        self._has_plain_rows = self._has_plain_results = True
        self._message = self._read_message()

    def feed(self, data: bytes) -> None:
        """Add data. Raises Broken when a value is larger than any valid one."""
        self.fed += len(data)
        try:
            self._text = self._text[self._at :] + self._decode(data)
        except UnicodeDecodeError as error:
            raise Broken("data that is not UTF-8") from error
        self._at = 0
        self._has_plain_rows = self._has_plain_results = True
        if sys.getsizeof(self._text) > _LARGEST or (len(self._text) > _MANY and self._fullness() > _FULLEST):
            raise Broken("JSON that is too large or nested too deeply")

    def take(self) -> dict | None:
        """The next message, None while it is incomplete. Raises Broken, and Unreachable for rows that were not requested."""
        try:
            next(self._message)
        except StopIteration as done:
            self._message = self._read_message()
            self.fed = 0
            return done.value
        return None

    def _fullness(self) -> int:
        return self._text.count(",") + self._text.count("[") + 4 * self._text.count("{")

    def _read_message(self) -> Reading:
        if (yield from self._peek()) != "{":
            raise Broken("JSON that is not JSON-RPC" if self._text[self._at] in '["-0123456789' else "data that is not JSON")
        return (yield from self._object(OF_MESSAGE, lambda key: self._results() if key == "result" else self._value()))

    def _results(self) -> Reading:
        """The result of a message: for a transaction a list of results, for a ``monitor_cond`` an object of tables."""
        if self.tables and (yield from self._peek()) == "{":
            return (yield from self._object(tuple(self.tables), self._table))
        if not self.operations or (yield from self._peek()) != "[":
            return (yield from self._value())
        results: list[Json] = []
        while (yield from self._more("[" if not results else ",", "]")):
            results += self._plain_results(len(results)) or [(yield from self._result(len(results)))]
            if len(results) > len(self.operations) + 1:  # the last may be that of the commit
                raise malformed("more results than operations")
        return results

    def _plain_results(self, index: int) -> list[Json]:
        """All complete results in the text but the last, checked; none when they are not formatted as ovsdb-server does."""
        end = max(self._text.rfind(begin, self._at) for begin in _RESULT_BEGINS) + 1 if self._has_plain_results else 0
        results = self._plain("[]", end)
        self._has_plain_results = bool(results)  # else the rest of this text is read result by result
        alike: dict[tuple[str, ...], list[Json]] = {}  # checking many rows takes little longer than checking one
        for operation, result in zip(self.operations[index:], results, strict=False):
            rows = result.get("rows") if type(result) is dict else None
            if operation.get("op") != "select" or "columns" not in operation or type(rows) is not list:
                continue
            if len(rows) == 1:
                alike.setdefault((operation["table"], *operation["columns"]), []).append(rows[0])
            else:
                self._check(operation, rows, rows, set())
        for (table, *names), rows in alike.items():
            columns.check(table, names, rows, None, self.kinds)
        return results

    def _check(self, select: dict, new: list[Json], rows: list[Json], seen: set[str]) -> None:
        """Check the new rows of a select, and the total number, against the request."""
        if new and "columns" in select:
            columns.check(select["table"], select["columns"], new, seen, self.kinds)
        if len(rows) > 1 and any(condition[0] in ("_uuid", "name") for condition in select.get("where", ())):
            raise malformed("several rows where at most one is possible")

    def _result(self, index: int) -> Reading:
        if (yield from self._peek()) != "{":
            return (yield from self._value())
        operation = self.operations[index] if index < len(self.operations) else {}
        rows = self._rows if operation.get("op") == "select" else lambda _: self._value()
        return (yield from self._object(_OF_RESULT, lambda key: rows(operation) if key == "rows" else self._value()))

    def _rows(self, select: dict) -> Reading:
        """The rows of a select, each chunk checked before the next is read."""
        if (yield from self._peek()) != "[":
            return (yield from self._value())
        rows: list[Json] = []
        seen: set[str] = set()
        while (yield from self._more("[" if not rows else ",", "]")):
            new = self._plain_rows("[]", "}]", "},{") or [(yield from self._value())]
            rows += new
            self._check(select, new, rows, seen)
        return rows

    def _table(self, name: str) -> Reading:
        """A table, defaults filled in; each chunk is checked before the next is read."""
        if name not in self.tables or (yield from self._peek()) != "{":
            raise malformed("a table that was not requested")
        table = columns.Table(name, [], {column: [] for column in self.tables[name]})
        seen: set[str] = set()
        while (yield from self._more("," if seen else "{", "}")):
            new = self._plain_rows("{}", "}}}", '}},"') or dict([(yield from self._member())])
            if not seen.isdisjoint(new):
                raise malformed("a duplicate row")
            seen |= new.keys()
            if set(map(type, new.values())) != {dict} or set(map(len, new.values())) != {1} or {*chain(*new.values())} != {"initial"}:
                raise malformed("a row update other than the initial one")
            table.extend(dict(zip(new, map(itemgetter("initial"), new.values()), strict=True)))
        return table

    def _plain_rows(self, brackets: str, last: str, between: str) -> Any:
        """All complete rows of a table in the text; none when they are not formatted as ovsdb-server does.

        ``last`` is the end of the last row and the table's closing bracket, ``between`` the end of a row and the start of the next.
        """
        if not self._has_plain_rows:
            return []
        end = self._text.find(last, self._at)
        rows = self._plain(brackets, (end if end >= 0 else self._text.rfind(between, self._at)) + len(last) - 1)
        self._has_plain_rows = bool(rows)  # else the rest of this text is read row by row
        return rows

    def _plain(self, brackets: str, end: int) -> Any:
        """The text up to ``end``, parsed between brackets; empty when that is not JSON."""
        try:
            found = json.loads(f"{brackets[0]}{self._text[self._at : end]}{brackets[1]}") if end > self._at else []
        except (ValueError, RecursionError):  # the end was within a string
            found = []
        self._at = end if found else self._at
        return found

    def _object(self, keys: Sequence[str], read: Callable[[str], Reading]) -> Reading:
        """An object, with only these keys kept."""
        found: dict[str, Json] = {}
        opening = "{"
        while (yield from self._more(opening, "}")):
            opening = ","
            key, value = yield from self._member(read)
            if key in keys:
                found[key] = value
        return found

    def _member(self, read: Callable[[str], Reading] | None = None) -> Reading:
        """A key of an object and its value, which ``read`` reads."""
        key = yield from self._value()
        if type(key) is not str or (yield from self._peek()) != ":":
            raise Broken("data that is not JSON")
        self._at += 1
        return key, (yield from read(key) if read else self._value())

    def _more(self, opening: str, closing: str) -> Reading:
        """Whether an array or object has another item: reads its opening bracket or the next comma, or its closing bracket."""
        if (char := (yield from self._peek())) not in (opening, closing):
            raise Broken("data that is not JSON")
        self._at += 1
        if opening == "," or char == closing:
            return char != closing
        if (yield from self._peek()) != closing:
            return True
        self._at += 1
        return False

    def _peek(self) -> Reading:
        """The next character that is not white space."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            yield

    def _value(self) -> Reading:
        """A value of any kind. It is complete once another character follows, as in every message."""
        closing = _CLOSES.get((yield from self._peek()), "")
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - error.pos > _CUT and not error.msg.startswith("Unterminated string"):
                    raise Broken("data that is not JSON") from error
                known = len(self._text) - self._at
                yield
                while self._text.find(closing, known) < 0:
                    yield
            except (RecursionError, ValueError) as error:  # ValueError: an integer of thousands of digits
                raise Broken("JSON that is too large or nested too deeply") from error
            else:
                if end < len(self._text):
                    self._at = end
                    return value
                yield


_DECODER = json.JSONDecoder()
