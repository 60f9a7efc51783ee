"""YAML from somebody else as PyYAML's events, with limits on its size and depth, and its errors as ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from ovstool.errors import UsageError

MAX_DEPTH = 100  # libyaml recurses in C, and crashes when nested much deeper
MAX_EVENTS = 1_000_000  # each becomes an object


class Source(NamedTuple):
    """A text, how a place in it is called in errors (line and column from 0, None: unknown), and what to try when it is not YAML."""

    text: str
    place: Callable[[int | None, int], str]
    hint: str


def loader() -> Any:
    """The class that reads YAML: that of libyaml if PyYAML was built with it."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def events(source: Source) -> Iterator[Any]:
    """The events of a text (yaml.org/spec/1.1, section 3.1). Raises UsageError for what is not YAML, too long or too deep."""
    depth = 0
    with checked(source):
        for number, event in enumerate(yaml.parse(source.text, loader())):
            if number > MAX_EVENTS:
                raise UsageError(source.place(event.start_mark.line, event.start_mark.column), "too many entries")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise UsageError(source.place(event.start_mark.line, event.start_mark.column), f"nested more than {MAX_DEPTH} deep")
            yield event


@contextmanager
def checked(source: Source) -> Iterator[None]:
    """A block that reads YAML: what PyYAML raises becomes a UsageError."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        tab = any("\t" in text for text in source.text.split("\n")[line : line + 1])  # the error may be past the last line
        hint = "spaces instead of tabs" if tab else source.hint
        raise UsageError(source.place(line, column), error.problem or error.context or "not YAML", hint) from error
    except yaml.YAMLError as error:
        raise UsageError(source.place(None, 0), str(error).partition("\n")[0]) from error
