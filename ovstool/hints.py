"""Suggestions for unknown commands: words of Open vSwitch's own tools, other verbs, misspellings (pure).

A suggestion is a complete command that includes the words typed, quoted for a shell. It is shown, never run.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

from ovstool.commands import COMMANDS, NOUNS

_PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "ovs-appctl", "ovs-dpctl")
# Commands of ovs-vsctl(8), ovs-ofctl(8) and ovs-appctl(8). Words in capitals stand for the arguments, in order; those in brackets are
# optional, and "IFACE,..." is all that remain.
_OF_OVS = {
    "add-br": "bridge add BRIDGE",
    "del-br": "bridge del BRIDGE",
    "list-br": "bridge list",
    "br-exists": "bridge show BRIDGE",
    "add-port": "port add BRIDGE PORT",
    "add-bond": "port add BRIDGE BOND --bond IFACE,...",
    "del-port": "port del PORT",
    "list-ports": "port list [BRIDGE]",
    "list-ifaces": "port list [BRIDGE]",
    "port-to-br": "port show PORT",
    "iface-to-br": "port show PORT",
    "set-controller": "bridge set BRIDGE --controller TARGET",
    "get-controller": "bridge show BRIDGE",
    "del-controller": "bridge set BRIDGE --unset controller",
    "set-fail-mode": "bridge set BRIDGE --fail-mode MODE",
    "get-fail-mode": "bridge show BRIDGE",
    "del-fail-mode": "bridge set BRIDGE --unset fail_mode",
    "dump-flows": "flow list BRIDGE [MATCH]",
    "dump-aggregate": "flow list BRIDGE [MATCH]",
    "add-flow": "flow add BRIDGE FLOW",
    "add-flows": "flow add BRIDGE --file FILE",
    "mod-flows": "flow add BRIDGE FLOW",
    "del-flows": "flow del BRIDGE [MATCH]",
    "replace-flows": "flow replace BRIDGE --file FILE",
    "diff-flows": "flow diff BRIDGE --file FILE",
    "dump-ports": "stats --bridge BRIDGE [PORT]",
    "dump-ports-desc": "port list BRIDGE",
    "queue-stats": "stats --bridge BRIDGE --queues [PORT]",
    "queue-get-config": "qos list",
    "snoop": "flow top BRIDGE",
    "ofproto/trace": "flow trace BRIDGE FLOW",
    "ofproto/list": "bridge list",
    "qos/show": "qos explain PORT",
    "bond/show": "port show PORT",
    "bond/list": "port list",
    "dpif/show": "show",
    "dpctl/show": "show",
}
_ONLY_OVS = {
    "add-group": "ovs-ofctl", "add-groups": "ovs-ofctl", "mod-group": "ovs-ofctl", "del-groups": "ovs-ofctl", "dump-groups": "ovs-ofctl",
    "add-meter": "ovs-ofctl", "mod-meter": "ovs-ofctl", "del-meters": "ovs-ofctl", "dump-meters": "ovs-ofctl", "meter-stats": "ovs-ofctl",
    "dump-tables": "ovs-ofctl", "mod-port": "ovs-ofctl", "packet-out": "ovs-ofctl", "ct-flush": "ovs-ofctl",
    "find": "ovs-vsctl", "wait-until": "ovs-vsctl", "emer-reset": "ovs-vsctl",
}  # fmt: skip
_OF_APPCTL = r"[a-z-]+/[a-z0-9-]+"
# Columns of a port or a bridge that ovs-vsctl sets, and our options for them.
_SETTINGS = {
    "port": {
        "type": "--type", "tag": "--tag", "vlan": "--tag", "trunks": "--trunk", "vlan_mode": "--vlan-mode", "lacp": "--lacp",
        "bond_mode": "--bond-mode", "mtu_request": "--mtu", "mtu": "--mtu", "options:remote_ip": "--remote-ip", "options:key": "--key",
        "options:peer": "--peer",
    },
    "bridge": {"fail_mode": "--fail-mode", "protocols": "--protocols", "datapath_type": "--datapath-type"},
}  # fmt: skip
_MAPS = {
    "port": {"options": "--option", "external_ids": "--external-id"},
    "bridge": {"other_config": "--other-config", "external_ids": "--external-id"},
}
_CLEARED_BY = {("port", "qos"): ("qos", "clear"), ("bridge", "sflow"): ("sflow", "disable")}
_NO_OPTION = "(ovstool has no option for it)"
_NO_COMMAND = "(ovstool has no command for it)"
# Synonyms of each verb. A verb that deletes is never suggested for a word that merely resembles it.
_DELETE = ("delete", "rm", "remove", "destroy")
_CREATE = ("create", "new", "insert", "make", "enable")
_ALIKE = {
    "list": ("ls", "dump", "print"),
    "show": ("get", "info", "describe", "status", "display", "cat", "view"),
    "add": (*_CREATE, "set"),
    "set": (*_CREATE, "add", "edit", "modify", "mod", "update", "change", "configure"),
    "enable": (*_CREATE, "add", "set"),
    "del": _DELETE,
    "clear": (*_DELETE, "del", "disable", "reset", "stop"),
    "disable": (*_DELETE, "del", "clear", "stop"),
    "listen": ("collect", "receive", "capture", "top", "watch", "monitor"),
    "check": ("verify", "test", "validate", "doctor"),
    "top": ("watch", "monitor"),
    "start": ("create", "new", "up"),
    "stop": (*_DELETE, "del", "down"),
    "run": ("exec",),
}
_DESTROYING = ("del", "clear", "disable", "unsteer", "gc", "stop")
_NOUNS_ALIKE = {
    "br": "bridge", "bridges": "bridge", "ports": "port", "interface": "port", "interfaces": "port", "iface": "port", "flows": "flow",
    "rule": "flow", "rules": "flow", "queue": "qos", "queues": "qos", "shaping": "qos", "policing": "police", "policer": "police",
    "counters": "stats", "counter": "stats", "statistics": "stats", "stat": "stats",
}  # fmt: skip


def commands(words: Sequence[str]) -> list[str]:
    """The commands that may have been meant, likeliest first; an empty list if there is no good guess."""
    if len(words) > 1 and (words[0] in _PROGRAMS or (words[0] in NOUNS and words[1] in _OF_OVS)):
        words = words[1:]
    if meant := _of_ovs(words) or _in_other_words(words):
        return [meant]
    from difflib import get_close_matches

    prefixed = [name for name in COMMANDS if _begins(name, words) and (len(words) == 1 or name.split()[-1] not in _DESTROYING)]
    nouns = get_close_matches(words[0].lower(), [*NOUNS, *_NOUNS_ALIKE], 1, 0.7)
    if not prefixed and nouns and (meant := _in_other_words([*nouns, *words[1:]])):
        return [meant]
    close = get_close_matches(" ".join(words[:2]), COMMANDS, 3, 0.6)
    near = prefixed or ([] if any(name.split()[-1] in _DESTROYING for name in close) else close)
    return [f"ovstool {name}" for name in (near[:3] or [_NOUNS_ALIKE.get(noun, noun) for noun in nouns if noun != words[0]])]


def _begins(name: str, words: Sequence[str]) -> bool:
    return all(full.startswith(word) for full, word in zip(name.split(), words, strict=False))


def _of_ovs(words: Sequence[str]) -> str | None:
    """Our command for one of Open vSwitch's tools; missing arguments are left in capitals."""
    name, *rest = words
    until = rest.index("--") if "--" in rest else len(rest)
    given = [word for word in rest[:until] if not word.startswith("-")]
    settings = [word for word in rest if "=" in word]
    if name in ("set", "clear", "remove", "get") and len(given) > 1:
        return _of_tables(name, given)
    if name not in _OF_OVS:
        program = _ONLY_OVS.get(name) or ("ovs-appctl" if re.fullmatch(_OF_APPCTL, name) else None)
        return f"{shlex.join([program, *words])} {_NO_COMMAND}" if program else None
    if name == "del-port":
        given = given[-1:]  # a bridge may precede the port
    if name in ("add-port", "add-bond"):
        given = [word for word in given if "=" not in word]
    noun = {"add-port": "port", "add-br": "bridge"}.get(name)
    return _command([*_filled(_OF_OVS[name], given), *(word for setting in settings if noun for word in _option(noun, setting))])


def _of_tables(verb: str, given: Sequence[str]) -> str | None:
    """Our command for ovs-vsctl's set, clear, remove or get with a table, a row and columns."""
    table, row, *columns = given
    noun = _NOUNS_ALIKE.get(table.lower(), table.lower())
    if noun not in _SETTINGS or not columns:
        return None
    if verb == "get":
        return _command(["stats", row] if columns[:1] == ["statistics"] else ["port", "show", row]) if noun == "port" else None
    if verb == "set":
        options = [_option(noun, setting) for setting in columns]
        words = [noun, verb, row, *(word for option in options for word in option)] if all(options) else []
        is_of_ovs = all("=" in setting for setting in columns)
    else:
        words, is_of_ovs = _unsetting(verb, noun, row, columns), True
    of_ovs = f"{shlex.join(['ovs-vsctl', verb, *given])} {_NO_OPTION}" if is_of_ovs else None
    return _command(words) if words else of_ovs


def _unsetting(verb: str, noun: str, row: str, columns: Sequence[str]) -> list[str]:
    """The words that reset columns (``clear``), or remove values from one (``remove``); empty if we have no option for it."""
    from ovstool.switch import bridge, port

    column, *values = columns
    if by := _CLEARED_BY.get((noun, column)):
        return [*by, row]
    if verb == "remove" and column == "trunks" and values:
        return ["help", noun, "set"]  # --unset would take all of them
    if verb == "remove" and values:
        columns = [f"{column}:{value.partition('=')[0]}" for value in values] if column in _MAPS[noun] else [column]
    known = {"port": port.UNSETTABLE, "bridge": bridge.UNSETTABLE}[noun]
    is_known = all(name.partition(":")[0] in known for name in columns)
    return [noun, "set", row, *(word for name in columns for word in ("--unset", name))] if is_known else []


def _option(noun: str, setting: str) -> tuple[str, ...]:
    """Our option for an ovs-vsctl setting, with its value; empty if we have none."""
    column, _, value = setting.partition("=")
    name, _, key = column.partition(":")
    if option := _SETTINGS[noun].get(column):
        return option, value
    return (_MAPS[noun][name], f"{key}={value}") if key and name in _MAPS[noun] else ()


def _filled(template: str, given: Sequence[str]) -> Iterator[str]:
    left = list(given)
    for word in template.split():
        if word.endswith(",..."):
            yield ",".join(left) or word
        elif word.startswith("["):
            yield from left[:1]
            del left[:1]
        elif word.isupper():
            yield left.pop(0) if left else word
        else:
            yield word


def _in_other_words(words: Sequence[str]) -> str | None:
    """Our command for a noun and a verb in either order, synonyms or misspelt."""
    if len(words) == 1:
        own = _NOUNS_ALIKE.get(words[0].lower())
        return own and _command([own] if own in COMMANDS else [own, "list"])
    first, second, *rest = words
    for noun, verb in ((first, second), (second, first)):
        own = _NOUNS_ALIKE.get(noun.lower(), noun.lower())
        if own not in NOUNS:
            continue
        is_verb = any(verb.lower() in (name, *words) for name, words in _ALIKE.items())
        if own in COMMANDS and (is_verb or noun == first):
            return _command([own, *([] if is_verb else [verb]), *rest])
        if found := _verb(own, verb.lower()):
            is_one = (own, found) == ("port", "list") and rest and noun != first  # 'list port eth1': of a table that one row
            return _command([own, "show" if is_one else found, *rest])
        if noun == first and noun.lower() in _NOUNS_ALIKE:  # 'flows br0'
            return _command([own, "list", verb, *rest])
    return None


def _verb(noun: str, word: str) -> str | None:
    """The verb of a noun that a word stands for: a synonym of it, or spelt similarly."""
    from difflib import get_close_matches

    verbs = [name.split()[1] for name in COMMANDS if name.startswith(f"{noun} ")]
    if word in verbs:
        return word
    alike = [own for own in verbs if word in _ALIKE.get(own, ())]
    begun = [own for own in verbs if own not in _DESTROYING and (own.startswith(word) or word.startswith(own))]
    if near := alike or begun or _misspelt(word, verbs):
        return near[0]
    return next((own for own in get_close_matches(word, verbs, 1, 0.6) if own not in _DESTROYING), None)


def _misspelt(word: str, verbs: Sequence[str]) -> list[str]:
    """The verbs that a mistyped word may stand for, likeliest first; verbs that delete only for a mistyped word for deleting."""
    itself = [own for own in verbs if own not in _DESTROYING and _is_slip(word, own)]
    by_others = [own for own in verbs if own not in _DESTROYING and any(_is_slip(word, name) for name in _ALIKE.get(own, ()))]
    deleting = any(_is_slip(word, name) for name in ("del", *_DELETE))
    return [*itself, *by_others, *(own for own in verbs if deleting and own in _DESTROYING and "delete" in _ALIKE.get(own, ()))]


def _is_slip(word: str, meant: str) -> bool:
    """Whether a word is another one with one letter wrong, extra or missing, or two swapped."""
    same = next((at for at, pair in enumerate(zip(word, meant, strict=False)) if pair[0] != pair[1]), min(len(word), len(meant)))
    rest, right = word[same:], meant[same:]
    is_swapped = rest[:2] == right[1::-1] and rest[2:] == right[2:]
    return len(meant) > 2 and (is_swapped or rest[1:] in (right, right[1:]) or rest == right[1:])


def _command(words: Sequence[str]) -> str:
    return shlex.join(["ovstool", *words])
