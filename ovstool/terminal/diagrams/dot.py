"""A graph in DOT, the language of Graphviz. It is ASCII, so that no locale changes it."""

from collections.abc import Iterator, Sequence

from ovstool.terminal.diagrams.graph import Box, Graph, Line

_STYLE = """graph [{layout}, outputorder=edgesfirst, fontname="sans-serif"];
node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11];
edge [color="#555555", fontname="sans-serif", fontsize=9];"""
_IN_RANKS = "layout=dot, rankdir=LR, nodesep=0.4, ranksep=1.2, newrank=true"
# Of a full mesh dot takes minutes, or gives up ("trouble in init_rank"), and the texts at the lines hide each other.
_MOST_IN_RANKS = 40  # lines
_AS_A_MESH = "layout=fdp, K=1.5"
_FAULT = ', color="#c00000", fontcolor="#c00000"'


def lines(graph: Graph) -> Iterator[str]:
    """The lines of the file. Where there are many links, those that are joined have their text where the mouse is."""
    is_mesh = len(graph.lines) > _MOST_IN_RANKS
    yield "graph topology {"
    yield from (f"  {line}" for line in _STYLE.format(layout=_AS_A_MESH if is_mesh else _IN_RANKS).splitlines())
    for number, group in enumerate(graph.groups, 1):
        boxes = [f"  {_box(box)}" for box in group.boxes]
        if group.label is not None:
            boxes = [f"  subgraph cluster_{number} {{", f"    label={_label([group.label])};", *(f"  {box}" for box in boxes), "  }"]
        yield from boxes
    yield from (f"  {_box(box)}" for box in graph.boxes)
    yield from (f"  {_line(line, is_mesh and line.is_joined)}" for line in graph.lines)
    yield "}"


def _box(box: Box) -> str:
    style = "" if box.is_known else ', style="rounded,filled,dashed"'
    return f"{box.id} [label={_label(box.lines)}{style}];"


def _line(line: Line, is_hidden: bool) -> str:
    style = "" if line.is_joined else ", style=dashed"
    text = f"{'tooltip' if is_hidden else 'label'}={_label(line.lines)}"
    return f"{line.begin} -- {line.end} [{text}{style}{_FAULT if line.fault else ''}];"


def _label(texts: Sequence[str]) -> str:
    r"""A quoted string of type escString: in it backslashes escape, ``\n`` ends a line, and entities of HTML are read."""
    return '"' + r"\n".join(map(_escaped, texts)) + '"'


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    # Of an entity above U+FFFF Graphviz 2.43 makes text that is not UTF-8.
    text = "".join(character if ord(character) < 0x10000 else f"\\\\U{ord(character):08x}" for character in text)
    return text.encode("ascii", "xmlcharrefreplace").decode()
