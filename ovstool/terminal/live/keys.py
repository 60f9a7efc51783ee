"""The keys of a terminal, by name: ``up``, ``page down``, ``esc``; one that types a character is that character."""

import codecs
import re

# What xterm and its like send (ctlseqs), with and without keypad mode, and what the Linux console and rxvt send for Home and End.
_SEQUENCES = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page up", "6~": "page down",
}  # fmt: skip
_CHARACTERS = {"\r": "enter", "\n": "enter", "\x1b": "esc", "\x7f": "backspace", "\b": "backspace", "\x15": "ctrl-u"}
# The Linux console sends Esc [ [ and a letter for F1 to F5.
_KEY = re.compile(r"\x1b(?:\[\[|[\[O][0-9;]*).|.", re.DOTALL)
_UNFINISHED = re.compile(r"\x1b(?:\[\[|[\[O][0-9;]*)?\Z")


class Keys:
    """Keys from what a terminal sends, which may come in parts; ``unfinished`` is the beginning of one."""

    def __init__(self, encoding: str):
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.unfinished = ""

    def pressed(self, data: bytes) -> list[str]:
        """The keys that have come in full."""
        text = self.unfinished + self._decoder.decode(data)
        begun = _UNFINISHED.search(text)
        self.unfinished = begun[0] if begun else ""
        return self._named(text.removesuffix(self.unfinished))

    def ended(self) -> list[str]:
        """The key that has begun, when nothing more comes: the Esc key by itself."""
        text, self.unfinished = self.unfinished[:1], ""
        return self._named(text)

    def _named(self, text: str) -> list[str]:
        """Names of keys; of a sequence that means nothing here the empty one."""
        return [_SEQUENCES.get(key[2:], "") if len(key) > 1 else _CHARACTERS.get(key, key) for key in _KEY.findall(text)]
