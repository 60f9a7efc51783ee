"""A page of text in place of a live view: help, or details of one row."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ovstool.errors import one_line
from ovstool.terminal.layout import hanging
from ovstool.terminal.live.cells import DIM, PLAIN, REVERSE, Cell, Characters, joined

_STEPS = {"up": -1, "k": -1, "down": 1, "j": 1}
_SCREENS = {"page up": -1, "page down": 1}
_ENDS = {"home", "g", "end", "G"}


class Key(NamedTuple):
    """A key of a view, with all its names and its function."""

    names: Sequence[str]
    what: str
    act: Callable[[], object]


class Scroll:
    """The visible part of something longer than the screen."""

    def __init__(self) -> None:
        self.top = self.room = self.length = 0

    def fit(self, length: int, room: int) -> range:
        """The range of visible lines, of ``length`` lines on a screen with ``room`` lines."""
        self.length, self.room = length, room
        self.top = max(min(self.top, length - room), 0)
        return range(self.top, min(self.top + room, length))

    def press(self, key: str) -> bool:
        """Scroll if the key is one that scrolls; returns whether it is."""
        if key in _ENDS:
            self.top = 0 if key in ("home", "g") else self.length
        elif step := _STEPS.get(key) or _SCREENS.get(key, 0) * max(self.room - 1, 1):
            self.top = max(self.top + step, 0)
        else:
            return False
        return True

    def position(self) -> str:
        """The position, ``1-19 of 206``; empty if everything is visible."""
        last = min(self.top + self.room, self.length)
        return "" if self.length <= self.room or not self.room else f"{self.top + 1}-{last} of {self.length}"


class Page:
    """A page with scroll keys, closed with any other key (``any_key_leaves``) or with Esc and Enter."""

    def __init__(self, title: str, text: Iterable[str], characters: Characters, any_key_leaves: bool = False):
        self.title = title
        self.text = list(text)
        self.failure = ""  # why there is no page after all
        self.any_key_leaves = any_key_leaves
        self._characters = characters
        self._scroll = Scroll()

    def press(self, key: str) -> bool:
        """Handle a key; False if it closes the page."""
        if self._scroll.length > self._scroll.room and self._scroll.press(key):
            return True
        return not self.any_key_leaves and key not in ("esc", "enter")

    def lines(self, width: int, height: int) -> list[list[Cell]]:
        characters = self._characters
        text = [part for line in self.text for part in hanging(characters.printable(one_line(line)), width)]
        seen = self._scroll.fit(len(text), max(height - 2, 0))
        body = [[(characters.clip(text[place], width), PLAIN)] for place in seen]
        head = joined((characters.printable(one_line(self.title)), self._scroll.position()), width)
        keys = ["any key closes this page"] if self.any_key_leaves else ["esc back", "q quit"]
        keys += ["up/down scroll"] if self._scroll.position() else []
        blank: list[list[Cell]] = [[] for _ in range(max(height - 2, 0) - len(body))]
        return [[(characters.clip(head, width), REVERSE)], *body, *blank, [(characters.clip(joined(keys, width), width), DIM)]][:height]


def help_page(keys: Iterable[Key], more: Iterable[str], characters: Characters) -> Page:
    """The page that lists the keys, with further explanations."""
    named = [(", ".join("space" if name == " " else name for name in key.names), key.what) for key in keys]
    widest = max(len(names) for names, _ in named)
    lines = [f"  {names:{widest}}  {what}" for names, what in named]
    return Page("Keys", [*lines, *(["", *more] if more else [])], characters, any_key_leaves=True)
