"""What a document owns of a bridge or a port, as a text in external_ids: ``tag, qos, qos.max_rate, external_ids."a.b"``. Pure.

The key names the document. A bridge or a port that the document created has the word ``bridge`` or ``port`` first.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from ovstool.document import fields
from ovstool.document.fields import Path
from ovstool.document.kinds import Field, Keyed, Kind, List, Object, Pairs, Value

PREFIX = "ovstool-document-"
EXISTENCE: Path = ()  # of the bridge or the port itself
OBJECTS = (("qos",), ("police",), ("sflow",))  # which are there with anything inside
Owned = frozenset[Path]

_WORD = r'[A-Za-z0-9_:-]+|"(?:[^"\\]|\\.)*"'
_PART = re.compile(rf"({_WORD})(\.|, |\Z)")
_NOTHING: Owned = frozenset()


def key(document: str) -> str:
    """The key in external_ids that has what a document owns."""
    return PREFIX + document


def of_row(ids: Mapping[str, str], kind: Object) -> dict[str, Owned]:
    """What each document owns of a bridge or a port, by the document's name; others may have written anything there."""
    found = {name[len(PREFIX) :]: parsed(text, kind is fields.PORT) for name, text in ids.items() if name.startswith(PREFIX)}
    return {name: owned for name, owned in found.items() if owned and re.fullmatch(fields.NAME, name)}


def texts(ids: Mapping[str, str]) -> dict[str, str]:
    """The records among external_ids."""
    return {name: text for name, text in ids.items() if name.startswith(PREFIX)}


@lru_cache(1024)  # most ports have the record of others
def written(owned: Owned, is_port: bool) -> str:
    """What a document owns as a text."""
    return ", ".join(".".join(map(_word, path)) or _existence(is_port) for path in sorted(owned))


@lru_cache(1024)
def parsed(text: str, is_port: bool) -> Owned:
    """What a text says; nothing if it is none that ``written`` writes, and without paths that are no settings."""
    paths: list[list[str]] = [[]]
    place, end = 0, ", "
    while place < len(text) or end:
        part = _PART.match(text, place)
        if not part:
            return _NOTHING
        word, end = part.groups()
        try:
            paths[-1].append(json.loads(word) if word[0] == '"' else word)
        except ValueError:
            return _NOTHING
        place = part.end()
        paths += [[]] if end == ", " else []
    kind = fields.PORT if is_port else fields.BRIDGE
    found = [EXISTENCE if path == [_existence(is_port)] else tuple(path) for path in paths]
    return frozenset(path for path in found if path == EXISTENCE or setting(kind, path))


def setting(kind: Kind, path: Path) -> Field | None:
    """The field that a setting is a value of, or an item of; None for a path that is no setting of the kind."""
    field = None
    for place, word in enumerate(path):
        if isinstance(kind, Object):
            field = kind.fields.get(word)
            if field is None:
                return None
            kind = field.kind
        elif isinstance(kind, Keyed):
            kind = kind.item
        else:
            return field if isinstance(kind, Pairs) and place == len(path) - 1 else None
    return field if isinstance(kind, Value | List) or is_object(path) else None


def is_object(path: Path) -> bool:
    """Whether a setting says only that something is there: a QoS, a queue, a mirror."""
    return path in OBJECTS or (len(path) == 2 and path[0] == "mirrors") or (len(path) == 3 and path[:2] == ("qos", "queues"))


def is_inside(path: Path, above: Path) -> bool:
    """Whether a setting is part of another."""
    return len(path) > len(above) and path[: len(above)] == above


def shown(paths: Iterable[Path], most: int = 5) -> str:
    """Some settings in a message."""
    texts = [".".join(map(_word, path)) for path in sorted(paths)]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _existence(is_port: bool) -> str:
    return "port" if is_port else "bridge"


def _word(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_:-]+", word) else json.dumps(word)
