"""Flows from the user, on the command line or in a file, with the checks that ovs-ofctl does not make (pure)."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ovstool.errors import UsageError, quote
from ovstool.openflow.syntax import lexer
from ovstool.openflow.syntax.names import are_safe, escaped, unescaped

_COMMANDS = ("add", "modify", "modify_strict", "delete", "delete_strict")
_FIRST_WORD = r"[^, \t\r\n]*"
_NOT_THE_MATCH = (*lexer.FLAGS, "cookie", "idle_timeout", "hard_timeout", "importance")


class GivenFlows(NamedTuple):
    """Flows for ovs-ofctl, one per line; ``file`` names their source in messages, None for the command line.

    ``is_as_given``: ovs-ofctl would read the same from the file itself, in each of its commands. ``places``: the line and the column of
    each flow in the file, from 0, where it has more than flows.
    """

    lines: Sequence[str]
    file: str | None = None
    is_as_given: bool = False
    places: Sequence[tuple[int, int]] = ()

    @classmethod
    def checked(cls, lines: Sequence[str], file: str | None = None) -> "GivenFlows":
        """Flows to add, without the command ``add`` that each may begin with. Raises UsageError, also without any flow.

        The other commands that ``ovs-ofctl add-flows`` accepts at the start of a line would not add flows, and are refused.
        """
        given, misfit = cls(lines, file), _misfit_finder(file)
        kept = [given._without_command(number, misfit) for number in range(1, len(lines) + 1)]
        if not any(map(lexer.without_comment, kept)):
            raise UsageError(quote(file or "flow"), "contains no flows")
        return cls(kept, file, kept == lines and all(map(are_safe, lines)))

    def _without_command(self, number: int, misfit: Callable[[str], str | None]) -> str:
        line = self.lines[number - 1]
        flow = lexer.without_comment(line)
        if self.file is None and (not flow or len(line.splitlines()) > 1):
            raise UsageError(self.place(number), "not exactly one flow")
        command = re.match(_FIRST_WORD, flow)[0]  # type: ignore[index]  # it also matches the empty string
        if command and command != "add" and any(known.startswith(command) for known in _COMMANDS):  # ovs-ofctl accepts any prefix of one
            raise UsageError(self.place(number), f"{quote(command)} is not a flow to add", "ovstool flow del, or ovs-ofctl add-flows")
        bare = flow[3:].lstrip(", \t") if command == "add" else flow
        if wrong := misfit(bare):
            raise UsageError(self.place(number), unescaped(wrong))
        return bare if command == "add" else line

    @property
    def text(self) -> str:
        """All flows as one text for ovs-ofctl."""
        text = "\n".join([*self.lines, ""])
        return "".join(f"{escaped(line)}\n" for line in self.lines) if '"' in text else text

    def place(self, number: int) -> str:
        """Where a line is, for a message."""
        if self.file is None:
            return f"flow {quote(self.lines[number - 1]) if 0 < number <= len(self.lines) else number}"
        if self.places and 0 < number <= len(self.places):
            line, column = self.places[number - 1]
            return f"{self.file}:{line + 1}:{column + 1}"
        return f"{self.file}:{number}"

    def require_different(self) -> None:
        """Raise UsageError when two flows have the same match: the later one would replace the earlier, surely by mistake."""
        seen: dict[frozenset[str], str] = {}
        for line in self.lines:
            match = table_priority_and_match(line)
            if match in seen:
                raise UsageError(f"flow {quote(line)}", f"has the same match as another flow, {quote(seen[match])}", "only one of them")
            seen[match] = line


def table_priority_and_match(line: str) -> frozenset[str]:
    """The words of a flow that tell it from others, as they are written."""
    before = lexer.before_actions(line)
    if re.search(r'[("\t\r\n]', before):
        return frozenset(word.text for word in lexer.words(before) if word.name not in _NOT_THE_MATCH)
    said = before.replace(" ", ",").split(",")  # for most flows, in a tenth of the time
    return frozenset(word for word in said if word and word.partition("=")[0].partition(":")[0] not in _NOT_THE_MATCH)


def checker() -> Callable[[str], str]:
    """A function that checks flows one by one, and returns each without the command ``add``. It raises UsageError."""
    misfit = _misfit_finder("")
    return lambda line: GivenFlows([line])._without_command(1, misfit)


def _misfit_finder(file: str | None) -> Callable[[str], str | None]:
    """The function that finds the first value of a flow that ovs-ofctl would misread; a file may have very many flows."""
    if file is None:
        from ovstool.openflow.accepts import actions  # not imported for flows that are already checked

        return actions.misfit_of_flow
    from ovstool.openflow.accepts.bulk_check import BulkCheck

    return BulkCheck().misfit
