"""ovstool monitor"""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ovstool.answers import Answer
from ovstool.commands.options import parsed_by
from ovstool.errors import UsageError, one_line
from ovstool.monitor import FieldChange, MonitorSpec, follow, words
from ovstool.monitor.objects import NOUNS
from ovstool.parser import time_for
from ovstool.stream import Sample, SwitchStream
from ovstool.switch import Switch
from ovstool.terminal import colour, formats
from ovstool.terminal.output import canvas

_COLUMNS = ("time", "object", "field", "from", "to", "who")
_DATE = "%Y-%m-%d"
_UNITS = {"min": "min_rate", "max": "max_rate"}  # fields of queues


class Monitor(SwitchStream):
    """Print changes of the switch as they happen, or wait for one

    Prints a line for each field of a bridge or a port that changes in the database: the configuration, whoever changes it, and what
    ovs-vswitchd reports, such as link states and errors. It runs until Ctrl-C. NOUN selects what is followed: port (ports and
    bridges added and deleted, link states, errors, VLANs, options), qos, police, bridge, controller (also its connection), sflow.
    Counters and flows are not followed.

    Fields are named as in documents ('ovstool help document'), for example tag, qos.max_rate and sflow.collectors. The field
    'bridge' is the bridge that a port belongs to; it changes when a port is added or deleted. With -f json each line is an object:
    time, object, field, from, to, who; null means no value. 'who' is the comment of the transaction that made the change. It comes
    from the log of the database, which usually only root can read.

    If the connection is lost, it is made again, and the differences are printed after a note. A change that was made and undone
    meanwhile is not seen.

    --until CONDITION exits with 0 as soon as the condition holds, which may be at the start, or with 7 if it does not hold within
    --timeout (default 30 seconds). A condition is 'OBJECT FIELD', which holds when the field has a value, or 'OBJECT FIELD=VALUE',
    also with !=, and for numbers with <, <=, > and >=. VALUE is null for no value. Without OBJECT any bridge or port can meet it. A
    name with spaces goes in quotes: '"my port" tag=7'. With several hosts the condition must hold once on every host.

    Examples:
      ovstool monitor
      ovstool monitor port qos
      ovstool monitor -f json | jq -c 'select(.object == "eth1")'
      ovstool monitor --until 'eth1 link_state=up' -t 60
      ovstool -H leaf01,leaf02 monitor port
    """

    columns = _COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "nouns", metavar="NOUN", nargs="*", type=parsed_by(words.noun), help=f"follow only {', '.join(NOUNS)} (default: all)"
        )
        parser.add_argument("--until", metavar="CONDITION", help="end as soon as this holds, such as 'eth1 link_state=up'")
        return parser

    def row_columns(self, args: argparse.Namespace) -> Sequence[str]:
        return _COLUMNS

    def streams(self, args: argparse.Namespace) -> bool:
        return True

    def is_live(self, args: argparse.Namespace) -> bool:
        return False

    def prepare(self, args: argparse.Namespace) -> None:
        args.nouns = args.nouns or list(NOUNS)
        args.condition = None if args.until is None else words.condition(args.until, args.nouns)
        if args.sort_columns:
            raise UsageError("--sort-column", "changes are printed as they happen")
        formats.row_by_row(args.formatter)
        super().prepare(args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Iterator[Sample]:
        spec = MonitorSpec(args.nouns, args.condition, time_for(args), len(args.targets) > 1)
        return map(Sample, follow(switch, spec))

    def _print_samples(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        if self.is_for_people(args):
            self._print_lines(answers, args)
            return
        if args.formatter == "table":
            answers = (answer._replace(result=Sample([*map(_in_words, answer.result.rows)])) for answer in answers)
        super()._print_samples(answers, args)

    def _print_lines(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        """Print a line for each change, and one with the date when that changes."""
        draw, day = canvas(self.app.stdout).write, time.strftime(_DATE)
        painted, painted_diff = colour.paint_for(self.app.stdout), colour.paint_for_diff(self.app.stdout)
        for answer in answers:
            self.print_notes([answer], args)
            for change in map(_in_words, answer.result.rows):
                today = time.strftime(_DATE, time.localtime(change.time))
                if today != day:
                    draw(f"{today}\n")
                    day = today
                draw(f"{_line(change, answer.host, painted, painted_diff)}\n")
            self.app.stdout.flush()


def _in_words(change: FieldChange) -> FieldChange:
    """A change with its values as people read them."""
    name = change.field.rpartition(".")[2]
    before, after = (formats.human(_UNITS.get(name, name), value) for value in (change.before, change.after))
    return change._replace(before=before, after=after)


def _line(change: FieldChange, host: str | None, painted: Any, painted_diff: Any) -> str:
    """A change as a line: ``-`` for a value that is gone, ``+`` for a new one."""
    moment = formats.human("time", change.time)
    field, before, after = map(one_line, (change.field, change.before, change.after))
    name = change.field.rpartition(".")[2]
    if before == "-":
        said = painted_diff("+", f"+ {field} {after}") if name != "error" else f"+ {field} {painted(name, after) if painted else after}"
    elif after == "-":
        said = painted_diff("-", f"- {field} {before}")
    else:
        said = f"{field} {before} -> {painted(name, after) if painted else after}"
    who = f"  ({one_line(change.who)})" if change.who else ""
    return f"{moment} {one_line(' '.join(filter(None, (host, change.object))))}: {said}{who}"
