"""What has been read of a switch, before it becomes text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ovstool.metrics.families import FAMILIES

Value = int | float
Labels = tuple[str, ...]  # the values of a family's labels, in its order


class Block(NamedTuple):
    """Samples of many ports: labels, in a list that families share, the same further labels for all, and as many values."""

    labels: Sequence[Labels]
    more: Labels
    values: Sequence[Value]


class Columns(NamedTuple):
    """The samples of very many ports. No labels occur twice."""

    blocks: list[Block]

    def items(self) -> Iterator[tuple[Labels, Value]]:
        """Each sample."""
        for labels, more, values in self.blocks:
            yield from zip([(*each, *more) for each in labels], values, strict=True)


class Reading(NamedTuple):
    """The samples of one switch by the name of their family: for each combination of labels a value."""

    samples: dict[str, dict[Labels, Value] | Columns]

    @classmethod
    def of_unreachable(cls) -> "Reading":
        """That of a switch that did not answer."""
        return cls({"ovstool_up": {(): 0}})

    def add(self, family: str, labels: Labels, value: Value | None) -> None:
        """Add a sample, unless its value is not known. It replaces one with the same labels."""
        if value is not None:
            samples = self.samples.setdefault(family, {})
            assert isinstance(samples, dict)
            samples[labels] = value

    def extend(self, family: str, labels: Sequence[Labels], values: Sequence[Value], more: Labels = ()) -> None:
        """Add the samples of many ports, all with ``more`` labels, to a family that has no others."""
        if labels:
            columns = self.samples.setdefault(family, Columns([]))
            assert isinstance(columns, Columns)
            columns.blocks.append(Block(labels, more, values))

    def rows(self) -> Iterator[tuple[str, dict[str, str], Value]]:
        """Each sample as name, labels and value."""
        for name, family in FAMILIES.items():
            for labels, value in self.samples.get(name, {}).items():
                yield name, dict(zip(family.labels, labels, strict=True)), value
