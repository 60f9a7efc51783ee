"""ovstool snapshot"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from ovstool import whole_file
from ovstool.answers import Answer
from ovstool.commands.options import word
from ovstool.errors import Exit, UsageError
from ovstool.switch import Change, Switch, snapshot
from ovstool.switch.snapshot import contents, file_format
from ovstool.switch_command import SwitchLister, SwitchWriter

_HOST = "{host}"


class SnapshotSave(SwitchLister):
    """Save a whole switch to a file

    The file holds the configuration in the database (every table, also what ovstool has no command for) and the flows, groups
    and meters of every bridge. It is JSON, a line for each row and each flow, with a checksum. Counters, states and learned
    addresses are not part of it. The database is read at one moment, the flows right after it.

    An older snapshot of this name is replaced in one step; any other file is not. Only you can read the file: external_ids and
    options may hold keys and passwords. With several hosts the name must contain {host}.

    Examples:
      ovstool snapshot save before.json
      ovstool snapshot save - | gzip > before.json.gz
      ovstool -H leaf01,leaf02 snapshot save '{host}.json'
    """

    columns = Change._fields
    formatter_default = "lines"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file", metavar="FILE", type=word, help=f"file to write; {_HOST} stands for the host's name, - for standard output"
        )
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        _require_file_for_each(args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        text = file_format.text(snapshot.take(switch))
        if args.file == "-":
            return text
        name = args.files[switch.host.name]
        if args.dry_run:
            switch.notes.append(f"{name}: would be written ({len(text)} bytes)")
            return []
        is_new = whole_file.replace(name, text.encode(), file_format.BEGINNING)
        return [Change(name, "created" if is_new else "updated")]

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if args.file != "-":
            return super().emit_answers(args, answers)
        self.app.stdout.write(answers[0].result)
        return Exit.OK


class SnapshotRestore(SwitchWriter):
    """Make a switch what a snapshot says

    First the database is changed, in one transaction: rows that are the same stay, new rows get the UUIDs that they had, all
    others are deleted, also bridges and managers that the snapshot does not have. Once ovs-vswitchd has applied it, each bridge
    gets its meters, groups and flows. If that fails, the switch is put back as it was. Restoring twice says 'unchanged'.

    Ports keep their OpenFlow numbers. Where ovs-vswitchd gives a port another one, the flows and groups follow it. A snapshot of
    another switch (with another system-id) is restored except for system-id, hostname and rundir. --dry-run prints the
    transaction.

    With several hosts the name of the file must contain {host}: each gets its own.

    Examples:
      ovstool snapshot restore before.json
      ovstool snapshot restore before.json --dry-run
      ovstool -H leaf01,leaf02 snapshot restore '{host}.json'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=word, help=f"snapshot; {_HOST} stands for the host's name, - for standard input")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        if args.as_ovs:
            raise UsageError("--as-ovs", "no line of ovs-vsctl restores rows with their UUIDs", "--dry-run, for 'ovsdb-client transact'")
        if args.no_wait:
            raise UsageError("--no-wait", "flows can be restored only after ovs-vswitchd has applied the database")
        _require_file_for_each(args)
        args.snapshots = {host: file_format.parse(*whole_file.read(file, contents.MAX_SIZE)) for host, file in args.files.items()}

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return snapshot.restore(switch, args.snapshots[switch.host.name])


def _require_file_for_each(args: argparse.Namespace) -> None:
    """Set ``args.files``: the file of each host, by its address, which is empty for this machine. Raises UsageError."""
    if len(args.targets) > 1 and _HOST not in args.file:
        ending = os.path.splitext(args.file)[1] if args.file != "-" else ""
        raise UsageError(whole_file.shown(args.file), "one file for several hosts; each needs its own", f"'{_HOST}{ending or '.json'}'")
    names = {target.address: target.name for target in args.targets} or {"": os.uname().nodename}
    args.files = {address: args.file.replace(_HOST, name) for address, name in names.items()}
