"""Who owns which settings of a bridge or a port when a document is applied. Pure.

A document owns what it has changed. What it owns and no longer names is removed, and what another document owns it may not change.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ovstool.document.fields import Path, Settings
from ovstool.document.kinds import Object
from ovstool.document.ownership import records
from ovstool.document.ownership.records import EXISTENCE, OBJECTS, Owned, is_inside
from ovstool.errors import Conflict, quote
from ovstool.switch.accepts import qos_types

_NOTHING: Owned = frozenset()
_TAKE = "--take-over"
_TYPE = ("qos", "type")
_BURSTS = {("police", "rate"): ("police", "burst"), ("police", "packet_rate"): ("police", "packet_burst")}  # which depend on a rate


class Terms(NamedTuple):
    """Which document is applied, None for one without a name, and how.

    ``prune``: the ports that it does not have are removed from its bridges. ``take_over``: it may change what other documents own.
    """

    document: str | None = None
    prune: bool = False
    take_over: bool = False


class Claim(NamedTuple):
    """What a document declares of a bridge or a port, and what each document owns of it so far; ``what`` names it in messages."""

    what: str
    kind: Object
    declared: Settings
    owned: dict[str, Owned]
    terms: Terms

    @property
    def own(self) -> Owned:
        return self.owned.get(self.terms.document, _NOTHING) if self.terms.document else _NOTHING

    def of_others(self) -> dict[str, Owned]:
        return {name: paths for name, paths in self.owned.items() if name != self.terms.document}


def wanted(claim: Claim, present: Settings) -> Settings:
    """The settings that are declared, and those to remove because the document owns them and has dropped them: None for these.

    What another document owns stays, and a QoS, a queue or the like in which another owns something.
    """
    dropped = [path for path in claim.own - _named(claim.declared) - claim.declared.keys() if path and path in present]
    if not dropped:
        return claim.declared
    others = frozenset().union(*claim.of_others().values())
    found = dict(claim.declared)
    for path in sorted(dropped, key=len):
        if any(found.get(path[:size], True) is None for size in range(1, len(path))):
            continue  # it goes with what it is part of
        if path == _TYPE:
            found |= {} if any(is_inside(other, ("qos",)) for other in others) else {path: qos_types.DEFAULT}
        elif not any(other == path or is_inside(other, path) for other in others) and _is_removable(claim.kind, path):
            found[path] = None
    return found


def _named(declared: Settings) -> set[Path]:
    """What is declared to be there: settings with values, and what they are part of."""
    return {path[:size] for path, value in declared.items() if value is not None for size in range(len(path) + 1)}


def _is_removable(kind: Object, path: Path) -> bool:
    field = records.setting(kind, path)
    return records.is_object(path) or (field is not None and field.removable)


def settled(claim: Claim, present: Settings | None, changes: Settings, is_named: bool) -> dict[str, Owned]:
    """What each document owns after the changes; ``is_named``: the document has the bridge or the port.

    Raises Conflict for what another document owns, unless it is taken over.
    """
    after = dict(claim.owned)
    named = _named(claim.declared) | {EXISTENCE} if is_named and claim.owned else set()
    taken: set[Path] = set()
    for other, paths in claim.of_others().items():
        disputed = _disputed(claim, paths, changes)
        if disputed and not claim.terms.take_over:
            raise _conflict(claim, other, disputed)
        if claim.terms.take_over:
            disputed |= _emptied(paths - disputed, named if claim.terms.document else set())
        after[other] = paths - disputed
        taken |= disputed
    if claim.terms.document is not None:
        own = frozenset(path for path in claim.own | taken if path in named) | _made(claim, present, changes)
        _pass_on(claim, after, [path for path in claim.own - own if path not in changes])
        after[claim.terms.document] = own
    return {name: paths for name, paths in after.items() if paths}


def _emptied(paths: Owned, named: set[Path]) -> Owned:
    """The objects among these, such as a queue, that are named too and in which nothing else is left."""
    left = set(paths)
    for path in sorted(paths, reverse=True):  # what is inside comes first
        if path in named and (path == EXISTENCE or records.is_object(path)) and not any(is_inside(inner, path) for inner in left):
            left.discard(path)
    return paths - left


def _disputed(claim: Claim, paths: Owned, changes: Settings) -> Owned:
    """What another document owns of that which is declared or changes; a document without a name may say the same as another."""
    lost = {*changes, *(burst for rate, burst in _BURSTS.items() if rate in changes and burst not in claim.declared)}
    if claim.terms.document is not None:
        lost |= {path for path, value in claim.declared.items() if value is not None and not records.is_object(path)}
    return paths & lost


def _made(claim: Claim, present: Settings | None, changes: Settings) -> Owned:
    """What the document now owns: what it changes and what it creates."""
    found = {path for path, value in changes.items() if value is not None and claim.declared.get(path) is not None}
    first = {path[:1] for path in found}
    found |= {path for path in OBJECTS if path in first and path not in (present or {})}
    return frozenset(found | ({EXISTENCE} if present is None else set()))


def _pass_on(claim: Claim, after: dict[str, Owned], dropped: list[Path]) -> None:
    """Give what the document created and dropped to another document that owns something in it."""
    for path in dropped:
        heirs = sorted(name for name in claim.of_others() if any(is_inside(inner, path) for inner in after[name]))
        if heirs and (path == EXISTENCE or records.is_object(path)):
            after[heirs[0]] |= {path}


def _conflict(claim: Claim, other: str, disputed: Owned) -> Conflict:
    verb = "belongs" if len(disputed) == 1 else "belong"
    mine = "and this one has no name" if claim.terms.document is None else f"not {quote(claim.terms.document)}"
    why = f"{records.shown(disputed)} {verb} to document {quote(other)}, {mine}"
    return Conflict(claim.what, why, f"{_TAKE}, or one of the two without {'it' if len(disputed) == 1 else 'them'}")


def require_free(what: str, owned: Mapping[str, Owned], terms: Terms) -> None:
    """Raise Conflict for a port that is to be removed although another document owns something of it."""
    if others := sorted(owned.keys() - {terms.document}):
        if not terms.take_over:
            raise Conflict(what, f"document {quote(others[0])} owns {records.shown(owned[others[0]] - {EXISTENCE}) or 'it'}", _TAKE)
