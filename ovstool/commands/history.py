"""ovstool history, ovstool undo"""

import argparse
import re
from typing import Any

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.parser import number
from ovstool.switch import Switch
from ovstool.switch.changes import history, undo
from ovstool.switch_command import SwitchLister, SwitchWriter


class History(SwitchLister):
    """List who changed the switch, when, and with which command

    The newest change comes first. ID is what 'ovstool undo' takes; only changes by ovstool have one. Other programs may leave a
    comment (ovs-vsctl its command line) or none; for these, the tables that they changed say what it was about.

    The list comes from the log that ovsdb-server keeps in the database file, which usually only root can read. It begins where
    ovsdb-server last compacted that file. Flows are not in the database, so changes of flows are not listed.

    Examples:
      ovstool history
      ovstool history --count 10 -f json
      ovstool -H leaf01,leaf02 --sudo history --count 3
    """

    columns = history.Entry._fields
    nothing = "no change in the log of the database"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--count", metavar="N", type=number(1, units.MAX), help="only the last N changes")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return history.entries(switch, args.count)


class Undo(SwitchWriter):
    """Undo the last change by ovstool, or the one with an ID

    What the change did to the database is undone in one transaction: bridges, ports, QoS and so on become what they were, with
    their OpenFlow port numbers. What others have changed elsewhere since stays. If they have changed the same, nothing is undone,
    and the error says who did. An undo can be undone by its own ID.

    What the switch was like before is read from the log of the database (see 'ovstool help history'), so a change that was made
    before ovsdb-server last compacted it cannot be undone. Flows are not in the database: neither is a change of flows undone, nor
    do the flows of a deleted bridge come back.

    Examples:
      ovstool undo
      ovstool undo 1f2e3d4c
      ovstool undo -n
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", nargs="?", help="change to undo, from 'ovstool history'")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        if args.id is not None and not re.fullmatch("[0-9a-f]{8}", args.id):
            raise UsageError("ID", f"{quote(args.id)} is not the ID of a change, which has eight hexadecimal digits", "ovstool history")
        if args.as_ovs:
            raise UsageError("--as-ovs", "deleted rows get back the UUIDs that they had, which ovs-vsctl cannot do", "-n")

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return undo.undo(switch, args.id)
