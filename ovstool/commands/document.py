"""ovstool schema, export, diff, apply: the declared state"""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ovstool import units
from ovstool.answers import Answer
from ovstool.command import Command, report
from ovstool.commands.options import parsed_by, word
from ovstool.document import applying, comparison, export, reading
from ovstool.document.writing import inline, lines
from ovstool.errors import Exit, UsageError, quote
from ovstool.parser import time_for
from ovstool.switch import Switch
from ovstool.switch_command import SwitchCommand, SwitchLister, SwitchShow, SwitchWriter

_MOST_ERRORS = 50  # of a document that are worth printing


class Schema(Command):
    """Print the JSON Schema of documents, with which an editor completes and checks them

    A document is what 'ovstool export' writes and 'ovstool apply' reads; ovstool-document(7) describes its fields. An editor
    with the YAML language server (VS Code, Neovim, Emacs and others) uses the schema for a file that begins with:
      # yaml-language-server: $schema=ovstool.schema.json

    Example:
      ovstool schema > ovstool.schema.json
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from ovstool.document import schema

        self.app.stdout.write(json.dumps(schema.schema(), indent=2) + "\n")


class Export(SwitchShow):
    """Write a document of what bridges and ports are configured to be

    The text is YAML, and the same whenever the configuration is. What ovs-vswitchd writes itself, such as statistics, is not
    in it, and neither are flows; a note says what else a document cannot hold. ovstool-document(7) describes its fields.
    With several hosts each has a document of its own. -f json prints an object, which is a document too.

    Examples:
      ovstool export > switch.yaml
      ovstool export br0
    """

    formatter_default = "yaml"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="export only this bridge")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return export.export(switch, args.bridges)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if args.formatter != "yaml" or args.columns:
            return super().emit_answers(args, answers)
        for answer in answers:
            if answer.host:
                self.print_lines(["---", f"# host {answer.host}"])
            self.app.stdout.write("\n".join(lines(answer.result)) + "\n" if answer.result["bridges"] else "bridges: {}\n")
        return Exit.OK


class DocumentCommand(SwitchCommand):
    """A command that reads a document: ``args.document``"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=word, help="document in YAML or JSON; - for standard input")
        parser.add_argument("--prune", action="store_true", help="remove the ports of its bridges that the document does not have")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        """Read the document, and print all its errors before the last, which is raised."""
        super().prepare(args)
        args.document, errors = reading.read_file(args.file, time_for(args))
        if not errors:
            return
        for error in errors[: min(_MOST_ERRORS, len(errors)) - 1]:
            report(error, args.debug, self.app.stderr)
        if len(errors) > _MOST_ERRORS:
            raise UsageError(args.file, f"{len(errors) - _MOST_ERRORS + 1} more errors", "after the ones above are corrected")
        raise errors[-1]


class Diff(DocumentCommand, SwitchLister):
    """Compare a switch with a document: what 'ovstool apply' would change

    Only what the document names is compared. There is a row for each field of a bridge or a port that differs, with its value
    on the switch and the one in the document. On a terminal it is a coloured view. The exit code is 1 if anything differs.

    Examples:
      ovstool diff switch.yaml
      ovstool export | ovstool -H leaf01 diff -
    """

    columns = ("object", "field", "from", "to")
    nothing = "no difference"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return comparison.diff(switch, args.document, args.prune)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        found = any(answer.result for answer in answers)
        if found and self.is_for_people(args):
            self.print_diff(line for answer in answers for line in _diff_lines(answer))
        else:
            super().emit_answers(args, answers)
        return Exit.NO if found else Exit.OK


class Apply(DocumentCommand, SwitchWriter):
    """Make a switch what a document says

    Everything changes in one transaction or nothing does. Only what the document names is changed; doing it again changes
    nothing. --prune also removes the ports of its bridges that it does not have; bridges that it does not name are never
    touched.

    With several hosts, --batch 10% works on a tenth of them after the other, and begins no further batch once a host has
    failed.

    'ovstool diff FILE' shows the changes first, and -n the transaction. A change that makes ovs-vswitchd delete flows, groups
    or meters is refused (exit code 4), as with 'ovstool bridge set'. If ovs-vswitchd cannot open the device of a port, the
    port stays configured; the exit code is 6.

    Examples:
      ovstool apply switch.yaml
      ovstool apply switch.yaml --prune
      ovstool -H @rack1 apply switch.yaml --batch 10%
    """

    nothing = "the document names no bridge"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--batch",
            metavar="N%",
            type=parsed_by(_batch),
            help="hosts to change before the next, in percent or as a number (default: all)",
        )
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        if args.batch:
            number, is_percentage = args.batch
            args.batch_size = max(1, len(args.targets) * number // 100) if is_percentage else number

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return applying.apply(switch, args.document, args.prune)


def _batch(text: str) -> tuple[int, bool]:
    """A number of hosts, and whether it is a percentage of them."""
    is_percentage = text.endswith("%")
    number = units.whole_number(text.removesuffix("%"), 1, 100 if is_percentage else units.MAX)
    if number is None:
        raise UsageError(quote(text), "neither a percentage nor a number of hosts", "--batch 10%")
    return number, is_percentage


def _diff_lines(answer: Answer) -> Iterator[tuple[str, str]]:
    """Differences below the bridge or port that they are of, each line with its sign."""
    if answer.host and answer.result:
        yield " ", f"host {answer.host}"
    for name, rows in groupby(answer.result, key=lambda row: row.object):
        yield " ", f"  {name}:"
        for row in rows:
            for sign, found in (("-", row.present), ("+", row.wanted)):
                if found is not None:
                    yield sign, f"{sign}   {row.field}: {found if found == '{}' else inline(found)}"
