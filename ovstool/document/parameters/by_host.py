"""The documents of several hosts: what differs between them is the values of parameters."""

import socket
from collections.abc import Iterator, Mapping, Sequence

from ovstool.document.declared import Document
from ovstool.document.reading import Template
from ovstool.document.tree import Place
from ovstool.errors import UsageError, quote_some
from ovstool.host.address import Target
from ovstool.host.inventory import Source
from ovstool.host.inventory.values import NoValue, Values

_HOST = "host"  # the parameter that is the name of the host
_SHOWN = 3  # names of hosts in an error
_ENOUGH = 1000  # errors, after which no further host's document is read

_Errors = dict[tuple[Place, str, str, str | None], list[str]]  # an error, and the hosts that have it


def variables(template: Template) -> set[str]:
    """The variables of hosts that a document uses."""
    return template.parameters.names.keys() - {_HOST}


def values(template: Template, source: Source | None, targets: Sequence[Target], db: str | None) -> dict[str, Values]:
    """The values of a document's parameters for each host by its name, or for this machine. Raises as the inventory does."""
    if not targets and db and db.startswith(("tcp:", "ssl:")):
        return {db: dict.fromkeys(template.parameters.names, NoValue("it is not known which host this database is on", "-H HOST"))}
    names = [target.name for target in targets] or [socket.gethostname()]
    return {name: {**(source.values(name) if source else {}), _HOST: name} for name in names}


def documents(template: Template, hosts: Mapping[str, Values]) -> tuple[list[Document], list[UsageError]]:
    """The document of each host by its name, in that order, and everything that is wrong with any. It is read once for the same values."""
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for host, found in hosts.items():
        alike.setdefault(_texts(template, found), []).append(host)
    by_host: dict[str, Document] = {}
    errors: _Errors = {}
    for key, names in alike.items():
        document, wrong = template.read(dict(key))
        by_host |= dict.fromkeys(names, document)
        for place, error in wrong:
            errors.setdefault((place, error.what, error.why, error.hint), []).extend(names)
        if len(errors) > _ENOUGH:
            break
    placed = sorted([*_named(errors, len(by_host)), *_lacking(template, hosts)], key=lambda item: item[0])
    return [by_host[host] for host in hosts if host in by_host], [error for _, error in placed]


def _texts(template: Template, found: Values) -> tuple[tuple[str, str], ...]:
    """The values that there are."""
    return tuple((name, value) for name in template.parameters.names if isinstance(value := found[name], str))


def _named(errors: _Errors, count: int) -> Iterator[tuple[Place, UsageError]]:
    """Errors with the hosts that have them, unless all have."""
    for (place, what, why, hint), names in errors.items():
        yield place, UsageError(what, why if len(names) == count else f"{quote_some(names, _SHOWN)}: {why}", hint)


def _lacking(template: Template, hosts: Mapping[str, Values]) -> Iterator[tuple[Place, UsageError]]:
    """An error for each place whose parameter has no value, with the hosts."""
    for parameter, places in template.parameters.names.items():
        without: dict[NoValue, list[str]] = {}
        for host, found in hosts.items():
            if isinstance(value := found[parameter], NoValue):
                without.setdefault(value, []).append(host)
        for value, names in without.items():
            why = f"${{{parameter}}} has no value for {quote_some(names, _SHOWN)}: {value.why}"
            yield from ((place, UsageError(template.at(place), why, value.hint)) for place in places)
