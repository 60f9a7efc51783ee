"""A graph as a flowchart of Mermaid, which GitHub and GitLab draw in Markdown. It is ASCII, so that no locale changes it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ovstool.terminal.diagrams.graph import Box, Graph, Line

# Of a larger diagram Mermaid draws nothing, where its configuration does not say otherwise.
_MOST = {"links": ("maxEdges", 500), "characters": ("maxTextSize", 50_000)}
# All else is written as the code of its character, so that it is no quote, tag, entity, comment (%%), line break (\n) or Markdown. Behind two
# words and a colon Mermaid takes the semicolon of a code for one that ends a line (encodeEntities of its utils.ts).
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ,.:/()+_-]|style|classDef")


def lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for number, group in enumerate(graph.groups, 1):
        boxes = [f"  {_box(box)}" for box in group.boxes]
        if group.label is not None:
            boxes = [f"  subgraph h{number}[{_label([group.label])}]", *(f"  {box}" for box in boxes), "  end"]
        yield from boxes
    yield from (f"  {_box(box)}" for box in graph.boxes)
    yield from (f"  {_line(line)}" for line in graph.lines)
    unknown = [box.id for box in graph.boxes if not box.is_known]
    yield from ["  classDef unknown stroke-dasharray: 4", f"  class {','.join(unknown)} unknown"] if unknown else []
    faults = [str(place) for place, line in enumerate(graph.lines) if line.fault]
    yield from [f"  linkStyle {','.join(faults)} stroke:red,color:red"] if faults else []


def excess(graph: Graph, text: Iterable[str]) -> Iterator[str]:
    """What is larger than Mermaid draws, in words."""
    for what, count in (("links", len(graph.lines)), ("characters", sum(len(line) + 1 for line in text))):
        setting, most = _MOST[what]
        if count > most:
            yield f"{count:,} {what}: Mermaid draws nothing over {most:,} unless {setting} is set; try: -f svg"


def _box(box: Box) -> str:
    return f"{box.id}[{_label(box.lines)}]"


def _line(line: Line) -> str:
    text = f"|{_label(line.lines)}|" if line.lines else ""
    return f"{line.begin} {'---' if line.is_joined else '-.-'}{text} {line.end}"


def _label(texts: Sequence[str]) -> str:
    return '"' + "<br/>".join(_NOT_PLAIN.sub(_code, text) for text in texts) + '"'


def _code(found: re.Match[str]) -> str:
    return "".join(f"#{ord(character)};" for character in found[0])
