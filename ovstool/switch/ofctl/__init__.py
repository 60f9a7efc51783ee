"""A bridge as ovs-ofctl(8) on the switch's host reaches it: its flows dumped and changed.

The syntax of flows belongs to Open vSwitch, so ovs-ofctl decides what a match or a flow means: ``matches`` and ``comparison`` ask it,
and code that only dumps flows does not import them.
"""

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ovstool.errors import OvstoolError, Refused, quote
from ovstool.host import Finished, local
from ovstool.openflow.syntax import text
from ovstool.ovsdb.values import many
from ovstool.switch import Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.syntax.given_flows import GivenFlows

VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
_WITH_BUNDLES = {"OpenFlow13", "OpenFlow14", "OpenFlow15"}  # in 1.3 as an extension (ONF extension 230)
_WITH_METERS = _WITH_BUNDLES  # OpenFlow 1.3.0, section 5.7
_WITH_FLAGS = _WITH_BUNDLES  # versions that report the flags of flows
_LONG = 2**15  # bytes of flows; fewer are in the pipe at once
# Shell script: run a program on its standard input only if that has $1 bytes without newlines at the end. ovs-ofctl takes whatever it has
# got when the input ends, so if ovstool were killed or the connection lost meanwhile, a part of the flows would replace all others.
_WHOLE = """LC_ALL=C; all=$(cat); [ ${#all} -eq "$1" ] || { echo 'the flows did not arrive completely' >&2; exit 1; }
shift; printf '%s\\n' "$all" | "$@" """
NEEDS_PROTOCOL = "a field needs its protocol, such as tcp (ovs-fields(7))"
_MOST_NOTED = 10  # matches that Open vSwitch changed


def have_bundles(protocols: Collection[str]) -> bool:
    """Whether a bridge that allows these versions of OpenFlow can change all flows or none; without any, the default ones."""
    return not protocols or not _WITH_BUNDLES.isdisjoint(protocols)


class OfctlBridge(NamedTuple):
    """A bridge, the socket through which ovs-ofctl reaches it, and the OpenFlow versions that it allows; ``of`` makes one.

    Empty ``protocols``: the default versions of its Open vSwitch.
    """

    switch: Switch
    name: str
    socket: str
    protocols: tuple[str, ...]

    @classmethod
    def of(cls, switch: Switch, bridge: str) -> "OfctlBridge":
        """Raises NotFound, and Unreachable when programs cannot be run where the switch is."""
        switch.require_host("OpenFlow")
        row = lookup.bridges(switch, [bridge], ("protocols",))[0]
        return cls(switch, bridge, switch.management_socket(bridge), tuple(many(row["protocols"])))

    @property
    def tells_flags(self) -> bool:
        """Whether a dump has the flags of flows."""
        return not self.protocols or not _WITH_FLAGS.isdisjoint(self.protocols)

    def flows(self, match: str, with_names: bool | None) -> Iterator[text.FlowRow]:
        """Dump flows, each parsed as it arrives. ``with_names`` None: the match has no names either, which saves a request for them."""
        return text.flows(self.dumped_lines(match, with_names))

    def flows_noting(self, expiring: set[str]) -> Iterator[text.FlowRow]:
        """All flows, with ports by number; ``expiring`` collects the ``text.key_of`` of those with a timeout."""
        for line in self.dumped_lines("", with_names=False):
            rows = list(text.flows([line]))
            if text.expires(line):
                expiring.update(map(text.key_of, rows))
            yield from rows

    def dumped_lines(self, match: str, with_names: bool | None, versions: str = VERSIONS) -> Iterator[str]:
        """Dump flows as lines, as they arrive; parameters as for ``flows``."""
        return text.lines(self._dumped(match, with_names, versions))

    def dumped_lines_for_many(self) -> Iterator[str]:
        """Dump all flows as lines, without names, in the fastest OpenFlow version."""
        # A switch takes half as long again to dump all flows in OpenFlow 1.5 as in 1.4.
        versions = VERSIONS if self.protocols == ("OpenFlow15",) else VERSIONS.removesuffix(",OpenFlow15")
        return self.dumped_lines("", None, versions)

    def _dumped(self, match: str, with_names: bool | None, versions: str) -> Iterator[bytes]:
        options = ["--no-names"] if with_names is None else ["--names"] if with_names else []  # --no-names allows none in the match either
        words = [*options, "dump-flows", "--", self.socket, *([match] if match else [])]
        done = yield from self.switch.stream(["ovs-ofctl", "-O", versions, *words])
        self.check(done, match=match)

    @property
    def bundle(self) -> tuple[str, ...]:
        """The option that makes ovs-ofctl change all or nothing; none when the bridge allows only versions without bundles."""
        return ("--bundle",) if have_bundles(self.protocols) else ()

    @property
    def has_meters(self) -> bool:
        """Whether it allows a version of OpenFlow that has meters."""
        return not self.protocols or not _WITH_METERS.isdisjoint(self.protocols)

    def groups(self) -> str:
        """The output of ``ovs-ofctl dump-groups``. Raises Refused where the bridge's OpenFlow has no groups."""
        return self.run("dump-groups", "--", self.socket).stdout

    def port_names(self) -> dict[str, str]:
        """The name of each port by its number, both as ovs-ofctl prints them."""
        return text.port_names(self.shown())

    def shown(self) -> str:
        return self.run("show", "--", self.socket).stdout

    def require_bundles(self) -> None:
        """Raises Refused when the bridge allows only versions that cannot change flows as a whole."""
        if not self.bundle:
            raise Refused(
                f"bridge {quote(self.name)}",
                f"changing all flows or none needs OpenFlow 1.3 or newer, and its protocols are {', '.join(self.protocols)}",
                f"ovstool bridge set {quote(self.name)} --protocols {','.join([*self.protocols, 'OpenFlow14'])}",
            )

    def change(self, *command: str, flows: "GivenFlows | None" = None, match: str = "") -> None:
        """Let ovs-ofctl change flows: those given, or those that match; not in a dry run. Raises the error that its message means."""
        if self.switch.confirm_within_s:
            raise Refused(f"bridge {quote(self.name)}", "--confirm-within cannot undo a change of flows")
        if not self.switch.dry_run:
            self.run(*command, "--", self.socket, *(["-"] if flows else [match] if match else []), flows=flows, match=match)
        if self.switch.as_ovs:
            from ovstool.openflow import ofctl_line  # most commands need none

            self.switch.same_lines.append(ofctl_line.line(self._place(), self.protocols, command, flows, match))

    def _place(self) -> str:
        """How a person would name the bridge to ovs-ofctl: by its name, where that works."""
        db, here = self.switch.db or "", self.switch.host is local
        is_found = not db.startswith("unix:") or (here and local.is_default(db))
        return self.name if is_found and ":" not in self.name else self.socket  # a colon ends the kind of a socket

    def run(self, *argv: str, flows: "GivenFlows | None" = None, match: str = "") -> Finished:
        """Run ovs-ofctl, with flows on its standard input. Raises the error that its message means."""
        done = self.run_reading(*argv, flows=flows.text if flows else "", whole=True)
        self.check(done, flows, match)
        return done

    def run_reading(self, *argv: str, flows: str, whole: bool = False) -> Finished:
        """Run ovs-ofctl with flows on its standard input; rewrites them and retries if it cannot read words that it writes itself.

        ``whole``: it is not to see a part of them, whatever ends ovstool or the connection.
        """
        command = ["ovs-ofctl", "-O", VERSIONS, *argv]
        done = self._fed(command, flows, whole)
        if done.status:
            from ovstool.openflow.syntax import spelling

            if spelling.is_unreadable(done.stderr):
                return self._fed(command, spelling.readable(flows), whole)
        return done

    def _fed(self, command: list[str], flows: str, whole: bool) -> Finished:
        data = flows.encode()
        if not whole or len(data) <= _LONG:
            return self.switch.run(command, data)
        try:
            return self.switch.run(["sh", "-c", _WHOLE, "sh", str(len(data.rstrip(b"\n"))), *command], data)
        except OvstoolError as error:
            error.what = re.sub(r"\bsh$", "ovs-ofctl", error.what)
            raise

    def check(self, done: Finished, flows: "GivenFlows | None" = None, match: str = "") -> None:
        """Raises the error of ovs-ofctl, if it failed; notes the matches that it changed."""
        if done.status:
            raise self.failure(done, flows, match)
        self.note_reduced(done.stderr)

    def failure(self, done: Finished, flows: "GivenFlows | None" = None, match: str = "") -> OvstoolError:
        """The error that ovs-ofctl reported for these flows or this match."""
        from ovstool.openflow.syntax import ofctl_errors  # rarely needed

        permission = local.as_root(self.switch.address) if self.switch.host is local else "--sudo"
        request = ofctl_errors.Request(self.name, self.protocols, flows, match, self._program, permission)
        return ofctl_errors.explained(done.stderr, request)

    def _program(self) -> str:
        return self.switch.run(["ovs-ofctl", "--version"]).stdout

    def note_reduced(self, stderr: str) -> None:
        """Note fields that Open vSwitch dropped for want of their protocol; it only logs that, at most ten times at once."""
        if not stderr:
            return
        from ovstool.openflow.syntax import ofctl_errors

        for was, now in islice(ofctl_errors.reduced_matches(stderr), _MOST_NOTED):
            note = f"{quote(was)} was taken as {quote(now)}: {NEEDS_PROTOCOL}"
            if note not in self.switch.notes:
                self.switch.notes.append(note)
