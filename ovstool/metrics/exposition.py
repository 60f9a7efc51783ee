"""Readings as text that Prometheus scrapes: OpenMetrics 1.0, or the older Prometheus text format 0.0.4. Pure.

openmetrics.io's specification, and https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from ovstool.metrics.families import COUNTER, FAMILIES, INFO, UNKNOWN, Family
from ovstool.metrics.reading import Columns, Labels, Reading, Value

OPENMETRICS, PROMETHEUS = "openmetrics", "prometheus"
FORMS = (OPENMETRICS, PROMETHEUS)
CONTENT_TYPES = {
    OPENMETRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    PROMETHEUS: "text/plain; version=0.0.4; charset=utf-8",
}
END = "# EOF\n"  # of OpenMetrics
_AT_ONCE = 5000  # samples
_UNITS = ("bytes", "seconds")
_IN_VALUE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_OPENMETRICS_SUFFIX = {COUNTER: "_total", INFO: "_info"}
_IN_PROMETHEUS = {UNKNOWN: "untyped", INFO: "gauge"}


def write(readings: Iterable[tuple[str | None, Reading]], form: str, more: str = "") -> Iterator[str]:
    """The text of the readings, each with its ``host`` or None, in parts of whole lines: one family after the other, that of all hosts together.

    A family without samples is left out. ``more`` is the text of other families.
    """
    of_hosts = [(reading, _Texts(host)) for host, reading in readings]
    for family in FAMILIES.values():
        found = [(samples, texts) for reading, texts in of_hosts if (samples := reading.samples.get(family.name))]
        if found:
            yield _header(family, form)
        for samples, texts in found:
            yield from _lines(family, samples, texts)
    if more:
        yield more
    if form == OPENMETRICS:
        yield END


def _header(family: Family, form: str) -> str:
    if form == PROMETHEUS:
        kind = _IN_PROMETHEUS.get(family.kind, family.kind)
        return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {kind}\n"
    name = family.name.removesuffix(_OPENMETRICS_SUFFIX.get(family.kind, ""))
    unit = next((f"# UNIT {name} {unit}\n" for unit in _UNITS if name.endswith(f"_{unit}")), "")
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{unit}"


class _Texts:
    """Labels of one host as text, without the brace that ends them: most occur in many families."""

    def __init__(self, host: str | None):
        self._host = host
        self._known: dict[Labels, dict[Labels, str]] = {}  # by the names of the labels, and by their values
        self._of_lists: dict[tuple[int, Labels], list[str]] = {}  # of the lists that a reading holds

    def of(self, names: Labels, many: Iterable[Labels]) -> list[str]:
        known = self._known.setdefault(names, {})
        return [known.get(values) or known.setdefault(values, _labels(names, values, self._host)) for values in many]

    def of_list(self, names: Labels, labels: Sequence[Labels]) -> list[str]:
        key = (id(labels), names)
        if key not in self._of_lists:
            self._of_lists[key] = self.of(names, labels)
        return self._of_lists[key]


def _lines(family: Family, samples: dict[Labels, Value] | Columns, texts: _Texts) -> Iterator[str]:
    if not isinstance(samples, Columns):
        yield from _joined(family.name, texts.of(family.labels, samples), "", samples.values())
        return
    for labels, more, values in samples.blocks:
        shared = len(family.labels) - len(more)
        further = "".join([f',{name}="{_escaped(value)}"' for name, value in zip(family.labels[shared:], more, strict=True)])
        yield from _joined(family.name, texts.of_list(family.labels[:shared], labels), further, values)


def _joined(name: str, texts: Sequence[str], further: str, values: Iterable[Value]) -> Iterator[str]:
    """Lines with these labels, and further ones, which are the same in all."""
    end = "}" if texts[0] else ""
    line = f"{name}%s{further.replace('%', '%%')}{end} %s\n".__mod__
    pairs = zip(texts, values, strict=True)
    while part := "".join(map(line, islice(pairs, _AT_ONCE))):
        yield part


def _labels(names: Labels, values: Labels, host: str | None) -> str:
    """Labels and the brace before them; nothing without labels."""
    if host is not None:
        names, values = ("host", *names), (host, *values)
    if not names:
        return ""
    together = "".join(values)
    if not together.isascii() or '"' in together or "\\" in together or "\n" in together:
        values = tuple(map(_escaped, values))
    return _template(names) % values


@lru_cache
def _template(names: Labels) -> str:
    return "{" + ",".join([name + '="%s"' for name in names])


def _escaped(value: str) -> str:
    """A label's value as text in UTF-8, which cannot hold half a surrogate pair."""
    return value.encode("utf-8", "replace").decode().translate(_IN_VALUE)
