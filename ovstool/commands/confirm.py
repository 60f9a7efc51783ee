"""ovstool confirm"""

import argparse
from typing import Any

from ovstool.commands.options import word
from ovstool.errors import UsageError
from ovstool.switch import Switch, confirm
from ovstool.switch_command import SwitchWriter


class Confirm(SwitchWriter):
    """Keep changes that were made with --confirm-within

    Every command that changes the database of a switch takes --confirm-within S: S seconds later its change is undone, unless
    'ovstool confirm' comes before. So a change that cuts off the way to the switch takes itself back. The undo waits on the
    host of the switch, as a shell script that needs nothing but ovsdb-client, and so it outlives the command, the connection and
    the login, but not a restart of the host.

    Without ID this confirms all changes that are pending, whoever made them. An ID, from the note of the command, is for all
    changes of that command on all hosts; if none of them is pending because the confirmation comes too late, that is an error.

    The undo restores what the change did to the database, and leaves alone what others have changed since. If they have changed
    the same columns, it waits until their own undo has taken that back, or gives up after a minute; the log of the host and the
    log of the database tell. Flows are in no database: those of a bridge that was deleted do not come back, nor its groups and meters.

    Examples:
      ovstool port set eth1 --tag 20 --confirm-within 60
      ovstool confirm
      ovstool confirm 3f9c01d2
      ovstool confirm --dry-run
    """

    nothing = "no change is pending: all were confirmed, or their time was over and they are undone"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "ids", metavar="ID", nargs="*", type=word, help="ID of a command, as in its note (default: all pending changes)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.confirm_within:
            raise UsageError("--confirm-within", "a confirmation cannot be undone", "the same command without it")
        return super().take_action(parsed_args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return confirm.confirm(switch, args.ids)
