"""Changes of a switch as they happen: of what is configured, and of what ovs-vswitchd says of it."""

import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from ovstool import conditions
from ovstool.conditions import Condition
from ovstool.document import kinds
from ovstool.errors import OvstoolError, TimedOut, quote
from ovstool.monitor import feed
from ovstool.monitor.authors import Authors, Cell, configured
from ovstool.monitor.objects import STATES, Fields, Objects
from ovstool.monitor.rows import COLUMNS, Place, Rows
from ovstool.ovsdb.updates import Changes, Updates
from ovstool.switch import Switch
from ovstool.switch.changes import comment

_COMPARED = 2000  # names that a name is compared with, which takes some 20 ms

Named = dict[tuple[str, str], Fields]  # the fields of objects, by table and name


class FieldChange(NamedTuple):
    """A field of a bridge or a port that changed: ``before`` and ``after`` are None for no value. ``time`` is when ovstool learnt it.

    ``who`` is the comment of the transaction, None where it is not known.
    """

    time: float
    object: str
    field: str
    before: Any
    after: Any
    who: str | None = None


class MonitorSpec(NamedTuple):
    """Which nouns to follow, and the condition with which it ends, within ``within_s`` seconds.

    ``is_one_of_many``: others are followed at the same time, so a failure has to be told at once.
    """

    nouns: Collection[str]
    until: Condition | None = None
    within_s: float = 0
    is_one_of_many: bool = False


def follow(switch: Switch, spec: MonitorSpec) -> Iterator[list[FieldChange]]:
    """The changes from now on, as they happen; those of one moment together, and none every second and after a note.

    Ends when the condition holds, also when it holds at once. Raises TimedOut when it does not in time; Unreachable, Refused.
    """
    end = time.monotonic() + spec.within_s if spec.until else float("inf")
    following, authors = _Following(spec), Authors(switch)
    try:
        for received in feed.follow(switch, COLUMNS, end, authors.begin):
            taken = [following.take(update, received.is_whole) for update in received.updates]
            comments = authors.of([cells for _, cells in taken])
            switch.notes += following.advice()
            yield [
                change._replace(who=who) if who and change.field not in STATES else change
                for (changes, _), who in zip(taken, comments, strict=True)
                for change in changes
            ]
            if following.is_over:
                return
            if time.monotonic() >= end:
                break
    except OvstoolError as error:
        if spec.is_one_of_many:
            switch.notes.append(str(error))
            yield []
        raise
    raise TimedOut("--until", following.why_not(), "a longer --timeout")


class _Following:
    """The rows so far, and whether the condition has held."""

    def __init__(self, spec: MonitorSpec):
        self.rows = Rows()
        self.is_over = False
        self._spec = spec
        self._begun = self._is_advised = False
        self._fields: dict[str, Fields] = {}  # of the condition's object, by table

    def take(self, update: Updates, is_whole: bool) -> tuple[list[FieldChange], set[Cell]]:
        """Apply an update; returns the fields that it changed, none for the first rows, and the cells of the configuration."""
        changes = self.rows.changed_to(update) if is_whole else self.rows.changed_by(update)
        cells = configured(self.rows, changes) if self._begun and not is_whole else set()
        return self._apply(changes), cells

    def _apply(self, changes: Changes) -> list[FieldChange]:
        if not self._begun:
            self._begun = True
            self.rows.apply(changes)
            self._compare(self._of(Objects(self.rows, self._spec.nouns).all()) if self._spec.until else {})
            return []
        places = self.rows.concerned(changes)
        before = self._of(places)
        self.rows.apply(changes)
        after = self._of(places)
        if self._spec.until:
            self._compare({key: {} for key in before} | after)
        return list(_differences(before, after))

    def advice(self) -> list[str]:
        """A note, once, if what the condition is about is not there, which may be a slip of the pen: it is waited for."""
        subject = self._spec.until.subject if self._spec.until else None
        if self._is_advised or not self._begun or self.is_over or subject is None:
            return []
        self._is_advised = True
        if self._is_there(subject):
            return []
        names = [row["name"] for table in _ORDER for row in self.rows.tables[table].values()]
        near = kinds.near(subject, names[:_COMPARED])
        return [f"{quote(subject)}: no such bridge or port yet; waiting for it{f', and not for {quote(near)}' if near else ''}"]

    def why_not(self) -> str:
        """Why the condition does not hold, after its time."""
        condition = self._spec.until
        assert condition
        text = f"{condition} did not hold within {self._spec.within_s:g} s"
        if condition.subject is None:
            return text
        if not self._is_there(condition.subject):
            return f"{text}: there is no {quote(condition.subject)}"
        values = [_shown(condition.field, value) for value in condition.values(self._all_fields())]
        return f"{text}: {condition.field} is {', '.join(map(str, values)) or conditions.NULL}"

    def _is_there(self, name: str) -> bool:
        """Whether the switch has a bridge, a port or an interface of this name, which may have no field of the nouns."""
        return any(
            row["name"] == name and self.rows.bridge_of(table, u) is not None
            for table in _ORDER
            for u, row in self.rows.tables[table].items()
        )

    def _compare(self, known: Named) -> None:
        """Look whether the condition holds, now that these objects are as they are."""
        condition = self._spec.until
        if condition is None or self.is_over:
            return
        if condition.subject is None:
            self.is_over = any(map(condition.holds, known.values()))
        else:
            self._fields |= {table: fields for (table, name), fields in known.items() if name == condition.subject}
            self.is_over = condition.holds(self._all_fields())

    def _all_fields(self) -> Fields:
        return {field: value for fields in self._fields.values() for field, value in fields.items()}

    def _of(self, places: Iterable[Place]) -> Named:
        objects = Objects(self.rows, self._spec.nouns)
        return {(place[0], name): objects.fields(place) for place in places if (name := objects.name(place)) is not None}


def _differences(before: Named, after: Named) -> Iterator[FieldChange]:
    """The fields that differ: those of bridges first, then of ports, then of interfaces."""
    now = time.time()
    for key in sorted(before | after, key=_in_order):
        old, new = before.get(key, {}), after.get(key, {})
        if old != new:
            for field in old | new:
                if old.get(field) != new.get(field):
                    yield FieldChange(now, key[1], field, _shown(field, old.get(field)), _shown(field, new.get(field)))


def _shown(field: str, value: Any) -> Any:
    """A value as it is printed: what may be kept for years in a file or a log collector has no secrets, such as options.psk of a tunnel."""
    return comment.without_secret(f"{field}={value}")[len(field) + 1 :] if type(value) is str else value


def _in_order(key: tuple[str, str]) -> tuple[int, str]:
    return _ORDER.index(key[0]), key[1]


_ORDER = ("Bridge", "Port", "Interface")
