"""What was meant by words that are no command: those of Open vSwitch's own tools, other verbs, misspellings (pure).

A hint is a whole command with the words that were typed in their places, quoted for a shell. It is shown, never run.
"""

import shlex
from collections.abc import Iterator, Sequence

from ovstool.commands import COMMANDS, NOUNS

_PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "ovs-appctl", "ovs-dpctl")
# The words of ovs-vsctl(8), ovs-ofctl(8) and ovs-appctl(8). Capitals stand for the words that follow, in their order; those in brackets
# may be missing, and "IFACE,..." is all that are left.
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
# What ovs-vsctl sets of a port or a bridge, and our options for it; other keys of options are --option K=V.
_SETTINGS = {
    "type": "--type", "tag": "--tag", "trunks": "--trunk", "vlan_mode": "--vlan-mode", "lacp": "--lacp", "bond_mode": "--bond-mode",
    "options:remote_ip": "--remote-ip", "options:key": "--key", "options:peer": "--peer", "fail_mode": "--fail-mode",
    "protocols": "--protocols", "datapath_type": "--datapath-type",
}  # fmt: skip
# Verbs that are taken for each other, those of our nouns among them.
_ALIKE = (
    ("list", "ls", "dump", "print"),
    ("show", "get", "info", "describe", "status", "display", "cat", "view"),
    ("add", "create", "new", "insert", "make", "set", "enable"),
    ("set", "edit", "modify", "mod", "update", "change", "configure", "add", "enable"),
    ("del", "delete", "rm", "remove", "destroy", "drop", "clear", "disable", "reset", "stop"),
    ("check", "verify", "test", "validate", "doctor"),
    ("top", "watch", "monitor"),
    ("start", "create", "new", "up"),
    ("stop", "delete", "down"),
    ("run", "exec"),
)
_NOUNS_ALIKE = {
    "br": "bridge", "bridges": "bridge", "ports": "port", "interface": "port", "interfaces": "port", "iface": "port", "flows": "flow",
    "rule": "flow", "rules": "flow", "queue": "qos", "queues": "qos", "shaping": "qos", "policing": "police", "policer": "police",
    "counters": "stats", "counter": "stats", "statistics": "stats", "stat": "stats",
}  # fmt: skip


def commands(words: Sequence[str]) -> list[str]:
    """The commands that may have been meant, the likeliest first; none where nobody could tell."""
    if words[0] in _PROGRAMS and len(words) > 1:
        words = words[1:]
    if meant := _of_ovs(words) or _in_other_words(words):
        return [meant]
    from difflib import get_close_matches

    prefixed = [name for name in COMMANDS if all(full.startswith(word) for full, word in zip(name.split(), words, strict=False))]
    nouns = get_close_matches(words[0].lower(), [*NOUNS, *_NOUNS_ALIKE], 1, 0.6)
    if not prefixed and nouns and (meant := _in_other_words([*nouns, *words[1:]])):
        return [meant]
    near = prefixed or get_close_matches(" ".join(words[:2]), COMMANDS, 3, 0.6)
    return [f"ovstool {name}" for name in (near[:3] or nouns)]


def _of_ovs(words: Sequence[str]) -> str | None:
    """A command of Open vSwitch's tools in our words; what is missing of it is left in capitals."""
    name, *rest = words
    until = rest.index("--") if "--" in rest else len(rest)
    given = [word for word in rest[:until] if not word.startswith("-")]
    settings = [word for word in rest if "=" in word]
    if name in ("set", "clear", "get") and len(given) > 1:
        return _of_tables(name, given)
    if name not in _OF_OVS:
        return None
    if name == "del-port":
        given = given[-1:]  # the bridge may be in front
    if name in ("add-port", "add-bond"):
        given = [word for word in given if "=" not in word]
    return _command([*_filled(_OF_OVS[name], given), *(_options(settings) if name in ("add-port", "add-br") else ())])


def _of_tables(verb: str, given: Sequence[str]) -> str | None:
    """What ovs-vsctl calls set, get or clear, with a table, a row and columns."""
    table, row, *columns = given
    noun = _NOUNS_ALIKE.get(table.lower(), table.lower())
    if verb == "clear":
        return _command(["qos", "clear", row]) if noun == "port" and columns[:1] == ["qos"] else None
    if verb == "get" and noun == "port":
        return _command(["stats", row] if columns[:1] == ["statistics"] else ["port", "show", row])
    options = list(_options(columns))
    return _command([noun, verb, row, *options]) if verb == "set" and noun in ("port", "bridge") and options else None


def _options(settings: Sequence[str]) -> Iterator[str]:
    for setting in settings:
        column, _, value = setting.partition("=")
        if column in _SETTINGS:
            yield from (_SETTINGS[column], value)
        elif column.startswith("options:"):
            yield from ("--option", f"{column.removeprefix('options:')}={value}")
        elif column.startswith("external_ids:"):
            yield from ("--external-id", f"{column.removeprefix('external_ids:')}={value}")


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
    """Noun and verb in either order, by other names or misspelt."""
    if len(words) == 1:
        own = _NOUNS_ALIKE.get(words[0].lower())
        return own and _command([own] if own in COMMANDS else [own, "list"])
    first, second, *rest = words
    for noun, verb in ((first, second), (second, first)):
        own = _NOUNS_ALIKE.get(noun.lower(), noun.lower())
        if own not in NOUNS:
            continue
        is_verb = any(verb.lower() in group for group in _ALIKE)
        if own in COMMANDS and (is_verb or noun == first):
            return _command([own, *([] if is_verb else [verb]), *rest])
        if found := _verb(own, verb.lower()):
            is_one = (own, found) == ("port", "list") and rest and noun != first  # 'list port eth1': of a table that one row
            return _command([own, "show" if is_one else found, *rest])
        if noun == first and noun.lower() in _NOUNS_ALIKE:  # 'flows br0'
            return _command([own, "list", verb, *rest])
    return None


def _verb(noun: str, word: str) -> str | None:
    """The verb of a noun that a word stands for: one that is taken for it, or that is spelt much like it."""
    from difflib import get_close_matches

    verbs = [name.split()[1] for name in COMMANDS if name.startswith(f"{noun} ")]
    if word in verbs:
        return word
    alike = [own for group in _ALIKE if word in group for own in group if own in verbs]
    begun = [own for own in verbs if own.startswith(word) or word.startswith(own)]
    near = alike or begun or get_close_matches(word, verbs, 1, 0.6)
    return near[0] if near else None


def _command(words: Sequence[str]) -> str:
    return shlex.join(["ovstool", *words])
