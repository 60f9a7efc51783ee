"""A graph in DOT, the language of Graphviz. It is ASCII, so that no locale changes it."""

from collections.abc import Iterator, Sequence

from ovstool.terminal.diagrams.graph import Box, Graph, Line

_HEAD = """graph topology {
  graph [rankdir=LR, fontname="sans-serif", nodesep=0.4, ranksep=1.2];
  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];
  edge [fontname="sans-serif", fontsize=9];"""
_FAULT = ', color="#c00000", fontcolor="#c00000"'


def lines(graph: Graph) -> Iterator[str]:
    yield from _HEAD.splitlines()
    for number, group in enumerate(graph.groups, 1):
        yield f"  subgraph cluster_{number} {{"
        yield f"    {'peripheries=0;' if group.label is None else f'label={_label([group.label])};'}"
        yield from (f"    {_box(box)}" for box in group.boxes)
        yield "  }"
    yield from (f"  {_box(box)}" for box in graph.boxes)
    yield from (f"  {_line(line)}" for line in graph.lines)
    yield "}"


def _box(box: Box) -> str:
    return f"{box.id} [label={_label(box.lines)}{'' if box.is_known else ', style=dashed'}];"


def _line(line: Line) -> str:
    style = "" if line.is_joined else ", style=dashed"
    return f"{line.begin} -- {line.end} [label={_label(line.lines)}{style}{_FAULT if line.fault else ''}];"


def _label(texts: Sequence[str]) -> str:
    r"""A quoted string of type escString: in it backslashes escape, ``\n`` ends a line, and entities of HTML are read."""
    return '"' + r"\n".join(map(_escaped, texts)) + '"'


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return text.encode("ascii", "xmlcharrefreplace").decode()
