"""The keys of a terminal, by name: ``up``, ``page down``, ``esc``; a key that types a character is named by it."""

import codecs
import re

# Sequences of xterm and compatible terminals (ctlseqs), with and without keypad mode, and those of the Linux console and rxvt for Home and End.
_SEQUENCES = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page up", "6~": "page down",
}  # fmt: skip
_CHARACTERS = {"\r": "enter", "\n": "enter", "\x1b": "esc", "\x7f": "backspace", "\b": "backspace", "\x15": "ctrl-u"}
# The Linux console sends Esc [ [ and a letter for F1 to F5.
_KEY = re.compile(r"\x1b(?:\[\[|[\[O][0-9;]*).|.", re.DOTALL)
_UNFINISHED = re.compile(r"\x1b(?:\[\[|[\[O][0-9;]*)?\Z")


class Keys:
    """Decodes keys from a terminal's input, which may arrive in parts; ``unfinished`` is an incomplete key."""

    def __init__(self, encoding: str):
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.unfinished = ""

    def pressed(self, data: bytes) -> list[str]:
        """The keys that have arrived in full."""
        text = self.unfinished + self._decoder.decode(data)
        begun = _UNFINISHED.search(text)
        self.unfinished = begun[0] if begun else ""
        return self._named(text.removesuffix(self.unfinished))

    def ended(self) -> list[str]:
        """The incomplete key when nothing more arrives: the Esc key itself."""
        text, self.unfinished = self.unfinished[:1], ""
        return self._named(text)

    def _named(self, text: str) -> list[str]:
        """The names of keys; an unknown sequence gives an empty name."""
        return [_SEQUENCES.get(key[2:], "") if len(key) > 1 else _CHARACTERS.get(key, key) for key in _KEY.findall(text)]
