"""YAML as a tree of texts, each with its place: nothing is converted, so that a name is what was typed (``on``, ``012``, ``1e3``)."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from ovstool import yaml_events
from ovstool.errors import UsageError, quote

_MAX_NODES = 2_000_000  # after aliases are expanded: a small file can expand to an endless list
_MERGE = "<<"
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")  # RFC 8259, section 7
_PLAIN = (None, "")  # the style of a text without quotes, with and without libyaml


class Place(NamedTuple):
    """A line and a column, from 0."""

    line: int
    column: int


class Scalar(NamedTuple):
    """A text; ``is_quoted``: it was in quotes, so that ``null`` and nothing are texts too."""

    text: str
    place: Place
    is_quoted: bool


class Mapping(NamedTuple):
    """Keys with their values, as they come; a key may be there twice."""

    pairs: list[tuple[Scalar, Any]]
    place: Place


class Sequence(NamedTuple):
    """The items of a list."""

    items: list[Any]
    place: Place


Node = Scalar | Mapping | Sequence


class Problems:
    """What is wrong with a document: all of it, in the order of its lines."""

    def __init__(self, path: str):
        self._path = path
        self._found: dict[tuple[Place, str], UsageError] = {}
        self._nodes = 0
        self.excused: set[Place] = set()  # where nothing is wrong that is not known already

    def at(self, line: int | None, column: int = 0) -> str:
        """A place as compilers write it, from 1."""
        return self._path if line is None else f"{self._path}:{line + 1}:{column + 1}"

    def add(self, place: Place, why: str, hint: str | None = None) -> None:
        """Something wrong at a place, reported once however often an alias repeats it."""
        if place not in self.excused:
            self._found.setdefault((place, why), UsageError(self.at(*place), why, hint))

    def size(self) -> int:
        """How many there are."""
        return len(self._found)

    def count(self, place: Place, nodes: int) -> None:
        """Add to the number of nodes read. Raises UsageError above the limit."""
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            raise UsageError(self.at(*place), f"more than {_MAX_NODES} entries after aliases are expanded")

    def found(self) -> list[tuple[Place, UsageError]]:
        """The errors with their places, the first line first."""
        return [(key[0], self._found[key]) for key in sorted(self._found)]

    def sorted(self) -> list[UsageError]:
        """The errors, the first line first."""
        return [error for _, error in self.found()]


class _Composer:
    """Makes a tree of events; each item of the stack is a list or a mapping that is not finished, or a key without its value."""

    def __init__(self, problems: Problems):
        self.root: Node | None = None
        self._problems = problems
        self._stack: list[Any] = []
        self._anchors: dict[str, Node] = {}
        self._open: dict[str, int] = {}  # anchors of collections that are not finished, with their depth

    def take(self, event: Any) -> None:
        mark = event.start_mark
        place = Place(mark.line, mark.column)
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._require_untagged(event, place)
            if "\0" in event.value:  # ovsdb-server closes the connection (RFC 7047, section 3.1)
                raise UsageError(self._problems.at(*place), f"{quote(event.value)}: contains a NUL character, so it is not text")
            self._put(Scalar(event.value, place, event.style not in _PLAIN), event.anchor)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._begin(event, Mapping([], place) if kind is yaml.MappingStartEvent else Sequence([], place))
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            if self._open:
                self._open = {anchor: depth for anchor, depth in self._open.items() if depth < len(self._stack)}
            self._stack.pop()
        elif kind is yaml.AliasEvent:
            self._put(self._aliased(event.anchor, place), None)
        elif kind is yaml.DocumentStartEvent and self.root is not None:
            raise UsageError(self._problems.at(*place), "a second document in the same file", "a file for each")

    def _begin(self, event: Any, node: Node) -> None:
        self._require_untagged(event, node.place)
        self._put(node, event.anchor)
        self._stack.append(node)
        if event.anchor:
            self._open[event.anchor] = len(self._stack)

    def _aliased(self, anchor: str, place: Place) -> Node:
        if anchor in self._open:
            raise UsageError(self._problems.at(*place), f"alias *{anchor} contains itself")
        if anchor not in self._anchors:
            raise UsageError(self._problems.at(*place), f"there is no anchor &{anchor} before this alias")
        return self._anchors[anchor]

    def _require_untagged(self, event: Any, place: Place) -> None:
        if event.tag is not None and event.tag != "!":
            raise UsageError(self._problems.at(*place), "a tag, which has no meaning here", "the value without it")

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if type(top) is Sequence:
            top.items.append(node)
        elif type(top) is Scalar:  # a key
            self._stack.pop()
            self._stack[-1].pairs.append((top, node))
        elif type(node) is Scalar:
            self._stack.append(node)
        else:
            raise UsageError(self._problems.at(*node.place), "a key must be a text", "KEY: VALUE")


def composed(text: str, problems: Problems) -> Node | None:
    """The tree of a text, None for an empty one. Raises UsageError for what is not YAML, too large or too deep.

    JSON is YAML but for the pairs of escapes that it has for characters above U+FFFF.
    """
    composer = _Composer(problems)
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(lambda pair: pair[1] + json.loads(f'"{pair[2]}"'), text)
    for event in yaml_events.events(yaml_events.Source(text, problems.at, "quotes around a text with any of : # { } [ ] , & * ! | > @ %")):
        composer.take(event)
    return composer.root


def pairs(problems: Problems, node: Mapping) -> Iterator[tuple[Scalar, Node]]:
    """The keys of a mapping with their values, each once; its own come before those that ``<<`` merges."""
    problems.count(node.place, len(node.pairs) + 1)
    seen: dict[str, Place] = {}
    for key, value in node.pairs:
        if key.text == _MERGE and not key.is_quoted:
            continue
        if key.text in seen:
            problems.add(key.place, f"{quote(key.text)} is here twice; the first is in line {seen[key.text].line + 1}", "one of them")
            continue
        seen[key.text] = key.place
        yield key, value
    for key, value in node.pairs:
        if key.text == _MERGE and not key.is_quoted:
            yield from _merged(problems, value, seen)


def _merged(problems: Problems, value: Node, seen: dict[str, Place]) -> Iterator[tuple[Scalar, Node]]:
    """The pairs of one mapping, or of several of which the first has precedence, that are not ``seen`` yet."""
    for source in value.items if type(value) is Sequence else [value]:
        if type(source) is not Mapping:
            problems.add(source.place, "<< merges mappings, and this is none", "<<: *ANCHOR")
            continue
        for key, inner in pairs(problems, source):
            if key.text not in seen:
                seen[key.text] = key.place
                yield key, inner
