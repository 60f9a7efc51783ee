"""Checks large numbers of flows, most of which differ from earlier valid ones only in their values (pure).

A full check of each flow takes ten times as long as reading it. So flows are grouped by their text without values, and for frequent
groups a regular expression is made from a valid flow, with a subexpression for each value: every flow that matches it is valid too.
"""

import re
from collections import Counter

from ovstool.openflow.accepts import actions, fields

_OF_VALUES = b"0123456789.:/abcdefABCDEFx"
_OFTEN = 128  # flows; their checks take as long as making a pattern
_MOST_PATTERNS, _MOST_OF_ONE, _LONGEST = 128, 8, 1000
_VALUE = 0xE000  # the first of the placeholder characters for values: flows are ASCII here
_PIECE = re.compile(r"(?<![^, ])([^, =]{1,40})=([^, =]{1,100})")
_BESIDE = {
    "table": r"[1-9]?[0-9]", "priority": fields.NUMBER_16, "cookie": r"0x[0-9a-f]{1,15}|[1-9][0-9]{0,15}|0", "idle_timeout": fields.NUMBER_16,
    "hard_timeout": fields.NUMBER_16, "duration": r"[0-9]{1,20}(?:\.[0-9]{1,9})?s", "n_packets": r"[0-9]{1,20}", "n_bytes": r"[0-9]{1,20}",
    "in_port": r"[1-9][0-9]{0,3}|0", "dl_vlan": r"[1-9][0-9]{0,2}|[1-3][0-9]{3}|0", "idle_age": r"[0-9]{1,9}", "hard_age": r"[0-9]{1,9}",
}  # fmt: skip
# Values in actions: the text before one, its pattern, and the text after it.
_IN_ACTIONS = [
    (re.compile(rf"((?:\As=|[,( ]){before}){value}(?={after}(?:[,)]|\Z))"), value)
    for before, value, after in (
        ("mod_dl_(?:src|dst):", fields.MAC, ""),
        ("set_field:", fields.MAC, "->(?:eth|dl)_(?:src|dst)"),
        ("mod_nw_(?:src|dst):", fields.IPV4, ""),
        ("set_field:", fields.IPV4, "->(?:ip|nw)_(?:src|dst)"),
        ("(?:load|set_field):", fields.NUMBER, f"->{actions.REGISTER}"),
        ("(?:output|group|set_tunnel):", "[1-9][0-9]{0,3}", ""),
        (r"resubmit\(,", "[1-9]?[0-9]", ""),
        (r"ct\((?:commit,)?zone=", fields.NUMBER_16, ""),
    )
]


class BulkCheck:
    """Checks the flows of one file, one after the other."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self._patterns: dict[bytes, list[re.Pattern[str]]] = {}
        self._left = _MOST_PATTERNS

    def misfit(self, flow: str) -> str | None:
        """The first value that ovs-ofctl would misread, and what is wrong with it; names in the flow are escaped."""
        kind = flow.encode(errors="replace").translate(None, _OF_VALUES)
        patterns = self._patterns.get(kind, ())
        for pattern in patterns:
            if pattern.fullmatch(flow):
                return None
        wrong = actions.misfit_of_flow(flow)
        if self._left and not wrong and len(patterns) < _MOST_OF_ONE:
            self._seen[kind] += 1
            if self._seen[kind] % _OFTEN == 0 and (made := _pattern(flow)):
                self._patterns.setdefault(kind, []).append(made)
                self._left -= 1
        return wrong


def _pattern(flow: str) -> re.Pattern[str] | None:
    """A pattern for flows that are valid because this one is; None where that is uncertain."""
    before, action, after = flow.partition("action")
    zones = max(part.count("zone=") for part in after.split("ct("))  # two of one action must be the same
    if len(flow) > _LONGEST or not flow.isascii() or not actions.are_about_different(before) or zones > 1:
        return None
    values: list[str] = []
    for place, value in _IN_ACTIONS:
        after = place.sub(rf"\1{chr(_VALUE + len(values))}", after)
        values.append(value)
    before = _PIECE.sub(lambda found: _with_value(found, values), before)
    pattern = re.escape(before + action + after)
    return re.compile("".join(f"(?:{values[ord(char) - _VALUE]})" if ord(char) >= _VALUE else char for char in pattern))


def _with_value(found: re.Match[str], values: list[str]) -> str:
    plain = fields.plain_patterns().get(found[1])
    value = plain.pattern if plain else _BESIDE.get(found[1])
    if value is None or not re.fullmatch(value, found[2]):
        return found[0]
    values.append(value)
    return f"{found[1]}={chr(_VALUE + len(values) - 1)}"
