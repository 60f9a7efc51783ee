"""Dumped flows as a flow file that adds them again, readable by ovstool and ovs-ofctl (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping

from ovstool.openflow.syntax import names, spelling, text

_SETTINGS = ("idle_timeout", "hard_timeout", "importance", *text.KEPT_FLAGS)
# The flow's history: its age, and flags of the request that added it, which would take effect or be refused again.
_OF_THE_PAST = ("idle_age", "hard_age", "check_overlap", "reset_counts")
_HIDDEN_TABLE = "254"  # with Open vSwitch's own flows, which cannot be added


def lines(dumped: Iterable[str], port_names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    """Flows that ovs-ofctl has dumped with numbers, as lines; ports by the names given, the others by number.

    Descriptions of what the lines cannot express are added to ``lost``. Raises Refused for a line that is not a flow.
    """
    parse = re.compile(text.FLOW).fullmatch
    for line in dumped:
        before, equals, actions = line.partition("actions=")
        found = parse(before) if equals else None
        if not found:
            text.require_header(line)
        elif found[3] == _HIDDEN_TABLE:
            lost.add(f"the flows of table {_HIDDEN_TABLE}, which are Open vSwitch's own")
        else:
            yield names.with_names(_line(found, actions, lost), port_names, names.as_ofctl_reads)


def _line(found: re.Match[str], actions: str, lost: set[str]) -> str:
    cookie, _, table, _, _, beside, priority, match = found.groups()
    words = [f"table={table}", f"priority={priority or text.PRIORITY}"]
    if cookie != "0x0":
        words.append(f"cookie={cookie}")
    if beside:
        words += _settings(beside, lost)
    if match := match.rstrip():
        words.append(match)
    line = f"{','.join(words)} actions={actions}"
    return spelling.readable(line) if "set_field:" in actions or "gtpu_" in match else line


def _settings(beside: str, lost: set[str]) -> list[str]:
    """The words beside a match that are settings of the flow."""
    said = {word: word.partition("=")[0] for word in beside.replace(",", "").split()}
    lost.update(
        f"{word} of flows, which ovstool does not support" for word, name in said.items() if name not in (*_SETTINGS, *_OF_THE_PAST)
    )
    return [word for word, name in said.items() if name in _SETTINGS]
