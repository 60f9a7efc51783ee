"""Parameters: ``${NAME}`` in the texts of a document, and the tree with values in their places. Pure."""

import re
from collections.abc import Mapping as Values

from ovstool.document.tree import Mapping, Node, Place, Problems, Scalar
from ovstool.errors import UsageError, quote

_MOST = 20 * 10**6  # characters of the texts with values in them
_SIGNS = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{[^}]*\}?")


def as_text(text: str) -> str:
    """A text as it is written where it has no parameters."""
    return text.replace("${", "$${")


class Parameters:
    """Where a tree has parameters. ``names`` has the places of each, by name."""

    def __init__(self, root: Node):
        self.names: dict[str, set[Place]] = {}
        self._malformed: dict[Place, str] = {}
        self._root = root
        self._found: dict[int, bool] = {}  # whether anything is to be replaced in a mapping or a list, by its id: aliases share them
        self._look(root)

    def has_none(self, node: Node) -> bool:
        """Whether nothing was to be replaced in a mapping or a list, so that all hosts have the same."""
        return not self._found.get(id(node), True)

    def filled(self, values: Values[str, str], problems: Problems) -> Node:
        """The tree with values, which stay texts whatever they are. Raises UsageError when it gets too large.

        A text of which a value is missing stays as it is: its place is excused, as whoever knows the host says why there is none. What looks
        like a parameter and is none is a problem.
        """
        for place, text in self._malformed.items():
            problems.add(
                place, f"{quote(text)}: the name of a parameter has only letters, digits and _", "${NAME}, or $${ for a literal ${"
            )
        problems.excused.update(self._malformed, *(places for name, places in self.names.items() if name not in values))
        return _Filling(self._found, values, problems).fill(self._root)

    def _look(self, node: Node) -> bool:
        if isinstance(node, Scalar):
            return "${" in node.text and self._take(node)
        if id(node) not in self._found:
            inner = [part for pair in node.pairs for part in pair] if isinstance(node, Mapping) else node.items
            self._found[id(node)] = sum(map(self._look, inner)) > 0  # looks at all of them
        return self._found[id(node)]

    def _take(self, text: Scalar) -> bool:
        for sign in _SIGNS.finditer(text.text):
            if sign[1]:
                self.names.setdefault(sign[1], set()).add(text.place)
            elif sign[0] != "$${":
                self._malformed[text.place] = sign[0]
        return True


class _Filling:
    """Makes a tree with values; what has no parameters is shared with the tree that it is made of."""

    def __init__(self, found: dict[int, bool], values: Values[str, str], problems: Problems):
        self._found = found
        self._problems = problems
        self._values = values
        self._done: dict[int, Node] = {}
        self._size = 0

    def fill(self, node: Node) -> Node:
        if isinstance(node, Scalar):
            return self._text(node)
        if not self._found[id(node)]:
            return node
        if id(node) not in self._done:
            if isinstance(node, Mapping):
                made: Node = node._replace(pairs=[(self._text(key), self.fill(value)) for key, value in node.pairs])
            else:
                made = node._replace(items=[self.fill(item) for item in node.items])
            self._done[id(node)] = made
        return self._done[id(node)]

    def _text(self, node: Scalar) -> Scalar:
        """A text with its values. It counts as quoted: an empty value is not the same as nothing, and ``null`` removes nothing."""
        if "${" not in node.text:
            return node
        signs = [sign[1] for sign in _SIGNS.finditer(node.text)]
        if any(name and name not in self._values for name in signs):
            return node
        self._size += len(node.text) + sum(len(self._values[name]) for name in signs if name)
        if self._size > _MOST:
            raise UsageError(self._problems.at(*node.place), f"larger than {_MOST // 10**6} MB with the values of its parameters")
        text = _SIGNS.sub(lambda sign: self._values[sign[1]] if sign[1] else "${" if sign[0] == "$${" else sign[0], node.text)
        return Scalar(text, node.place, True)
