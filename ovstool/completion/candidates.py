"""The candidates at the cursor. Pure: names from a switch, an inventory or this machine are requested through ``Ask``."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence

from ovstool import conditions
from ovstool.completion.grammar import Command, Commands, Option, Place

FILES = "files"  # the kind of value that the shell completes by itself

_OPEN = frozenset("=:/,@")
_SELECTORS = ("iface-id:", "mac:", "ofport:")
_QUEUE_KEYS = ("min=", "max=", "burst=", "priority=", "dscp=")
_PROTOCOLS = tuple(f"OpenFlow1{minor}" for minor in range(6))
_DATABASES = ("unix:", "tcp:", "ssl:")


Ask = Callable[..., Sequence[str]]  # ask("queues", "eth1"): the existing names of a kind; empty if they cannot be found out
# Candidates and their descriptions. There may be 10,000 of them: what takes a step of Python for each is avoided where most need none.
Candidates = dict[str, str]


def candidates(commands: Commands, place: Place, ask: Ask) -> Candidates:
    """All candidates, each starting with the text typed so far."""
    found = _options(commands, place) if place.is_option else _words(commands, place) | _of_values(place, ask)
    if not found and not place.typed and _is_complete(place):
        found = _options(commands, place, common=False)
    begin = place.head + place.typed
    fit = {text: about for text, about in found.items() if text.startswith(begin)} if begin else found
    if place.values and not (place.head or place.scan.literal) and "\n-" in _lines(fit):  # a name that would be read as an option
        fit = {text: about for text, about in fit.items() if text[:1] != "-"}
    if is_open(begin):
        fit.pop(begin, None)  # already typed in full
    return fit


def is_open(text: str) -> bool:
    """Whether the same word continues after this text."""
    return text[-1:] in _OPEN


def any_is_open(found: Candidates) -> bool:
    lines = _lines(found)
    return any(f"{end}\n" in lines for end in _OPEN) and any(map(is_open, found))


def _lines(found: Candidates) -> str:
    """One text, which is searched faster: a line feed, and the candidates with one after each."""
    return "\n".join(["", *found, ""])


def _is_complete(place: Place) -> bool:
    """Whether there is a command, and nothing but options can follow."""
    return place.scan.command is not None and place.values is None and not place.scan.literal


def _options(commands: Commands, place: Place, common: bool = True) -> Candidates:
    command = place.scan.command
    options = commands.options_of(command) if common or not command else command.options
    free = [option for option in options if _may_come(option, place)]
    return {name: option.about for option in free for name in _spelt(option, place.typed)}


def _may_come(option: Option, place: Place) -> bool:
    return (option.repeats or option.names[0] not in place.given) and place.given.keys().isdisjoint(option.excludes)


def _spelt(option: Option, typed: str) -> Sequence[str]:
    """The names of an option; its letter only if that is typed, or is its only name."""
    return [name for name in option.names if name.startswith("--") or name == typed] or option.names


def _words(commands: Commands, place: Place) -> Candidates:
    """Nouns, or the verbs of a noun."""
    scan = place.scan
    if scan.pending or place.head:
        return {}
    words = scan.arguments if scan.name == ["help"] else scan.name
    if not words and not scan.literal:
        return commands.nouns
    verbs = commands.verbs(words[0]) if scan.name == ["help"] and len(words) == 1 else scan.verbs
    return {verb: commands.commands[f"{words[0]} {verb}"].about for verb in verbs}


def _of_values(place: Place, ask: Ask) -> Candidates:
    if not place.values:
        return {}
    if isinstance(place.values, tuple):
        return _fitting(place, place.values) or _fitting(place, place.rare)
    kind = place.values.removesuffix(",")
    if kind != place.values:  # a list
        earlier, comma, last = place.typed.rpartition(",")
        place = place._replace(head=f"{place.head}{earlier}{comma}", typed=last, own=[*place.own, *earlier.split(",")])
    find = _KINDS.get(kind)
    return _fitting(place, find(place, ask) if find else ask(kind))


def _fitting(place: Place, words: Iterable[str]) -> Candidates:
    """The words that start with the text typed so far and have not been given yet."""
    if place.typed:
        words = [word for word in words if word.startswith(place.typed)]
    if place.own:
        own = frozenset(place.own)
        words = [word for word in words if word not in own]
    return dict.fromkeys([f"{place.head}{word}" for word in words] if place.head else words, "")


def _ports(place: Place, ask: Ask) -> Iterable[str]:
    typed = place.typed
    kind = next((selector for selector in _SELECTORS if typed.startswith(selector)), "")
    if not kind:
        begun = [selector for selector in _SELECTORS if typed and selector.startswith(typed)]
        return [*ask("ports", typed), *begun]
    if kind != "ofport:":
        return [f"{kind}{name}" for name in ask(kind.removesuffix(":"))]
    bridge, slash, _ = typed.removeprefix(kind).rpartition("/")
    if not slash:
        return [f"{kind}{name}/" for name in ask("bridges")]
    return [f"{kind}{bridge}/{number}" for number in ask("ofports", bridge)]


def _queues(place: Place, ask: Ask) -> Iterable[str]:
    return ask("queues", *place.scan.arguments)


def _queue_keys(place: Place, ask: Ask) -> Iterator[str]:
    """``ID:KEY=VALUE,...``: the existing IDs with --merge, and the keys that have not been given."""
    ident, colon, rest = place.typed.partition(":")
    if not colon:
        there = _queues(place, ask) if "--merge" in place.given else ()
        yield from (f"{queue}:" for queue in dict.fromkeys([*there, *([ident] if ident.isdecimal() else [])]))
        return
    earlier, comma, _ = rest.rpartition(",")
    given = {item.partition("=")[0] for item in earlier.split(",")}
    yield from (f"{ident}:{earlier}{comma}{key}" for key in _QUEUE_KEYS if key.removesuffix("=") not in given)


def _hosts(place: Place, ask: Ask) -> list[str]:
    user, at, _ = place.typed.rpartition("@")
    names = ask("hosts")
    return [f"{user}@{name}" for name in names if not name.startswith("@")] if user and at else list(names)


def _databases(place: Place, ask: Ask) -> Iterator[str]:
    if not place.typed.startswith("unix:"):
        yield from _DATABASES
    elif "--host" not in place.given and not os.environ.get("OVSTOOL_HOST"):
        yield from (f"unix:{path}" for path in _sockets(place.typed.removeprefix("unix:")))


def _sockets(begin: str) -> Iterator[str]:
    """The sockets and folders whose paths start with ``begin``."""
    folder, slash, name = begin.rpartition("/")
    try:
        with os.scandir(f"{folder}{slash}" or ".") as entries:
            for entry in entries:
                if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
                    if entry.is_dir():
                        yield f"{folder}{slash}{entry.name}/"
                    elif stat.S_ISSOCK(entry.stat().st_mode):
                        yield f"{folder}{slash}{entry.name}"
    except OSError:
        return


def _conditions(place: Place, ask: Ask) -> list[str]:
    """``OBJECT FIELD=VALUE``: objects, and fields, with their values where those are words.

    Never a single one that goes on: bash would close the quotes after it.
    """
    typed = place.typed
    if head := conditions.object_of(typed):
        found = [f"{head}{field}" for field in place.rare]
    else:
        names = [name for name in map(conditions.written, ask("ports", typed.lstrip("'\""))) if name.startswith(typed)]
        found = [*(names if len(names) > 1 else [f"{name} {field}" for name in names for field in place.rare]), *place.rare]
    found = [text for text in found if text.startswith(typed)]
    is_field = len(found) == 1 and found[0][-1] not in ".<>" and "=" not in found[0]
    return [*found, f"{found[0]}="] if is_field else found


def _columns(place: Place, ask: Ask) -> Sequence[str]:
    command: Command | None = place.scan.command
    known = command.columns if command else ()
    return next((columns.names for columns in known if place.given.keys() >= set(columns.options)), ())


def _tables(place: Place, ask: Ask) -> Sequence[str]:
    return ask("tables", *place.scan.arguments[:1])


_KINDS: dict[str, Callable[[Place, Ask], Iterable[str]]] = {
    "ports": _ports,
    "queues": _queues,
    "queue keys": _queue_keys,
    "hosts": _hosts,
    "protocols": lambda place, ask: _PROTOCOLS,
    "databases": _databases,
    "columns": _columns,
    "conditions": _conditions,
    "tables": _tables,
}
