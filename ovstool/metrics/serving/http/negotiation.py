"""What a client accepts: the form of the text and its compression, with the weights of RFC 9110, section 12.4.2 (pure)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_PARAMETER = re.compile(r"""\s*([^\s=;,]+)\s*=\s*("[^"]*"|[^\s;,]*)\s*""")
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
_OPENMETRICS = "application/openmetrics-text"
_VERSIONS = ("", "1.0.0")
_PLAIN = ("text/plain", "text/*", "*/*")


class _Choice(NamedTuple):
    name: str
    weight: float
    version: str


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics 1.0.0 to the text format 0.0.4, which is for all that do not name the other."""
    choices = list(_choices(accept))
    first = max((choice.weight for choice in choices if choice.name == _OPENMETRICS and choice.version in _VERSIONS), default=0.0)
    second = max((choice.weight for choice in choices if choice.name in _PLAIN), default=0.0)
    return first > 0 and first >= second


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    weights = {choice.name: choice.weight for choice in _choices(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _choices(header: str) -> Iterator[_Choice]:
    for item in header.split(","):
        name, *parameters = item.split(";")
        said = {match[1]: match[2] for parameter in parameters if (match := _PARAMETER.fullmatch(parameter))}
        weight = said.get("q", "1")
        yield _Choice(name.strip().lower(), float(weight) if _WEIGHT.fullmatch(weight) else 0.0, said.get("version", "").strip('"'))
