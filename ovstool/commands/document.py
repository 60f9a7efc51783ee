"""ovstool schema, export, diff, apply: the declared state"""

import argparse
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ovstool import units
from ovstool.answers import Answer, Table
from ovstool.command import Command, report
from ovstool.commands.options import parsed_by, word
from ovstool.document import applying, comparison, export, reading, writing
from ovstool.document.ownership.claims import Terms
from ovstool.document.parameters import by_host
from ovstool.document.state import selectors
from ovstool.document.writing import inline, lines
from ovstool.errors import Exit, UsageError, quote
from ovstool.parser import time_for
from ovstool.switch import Switch
from ovstool.switch_command import SwitchCommand, SwitchLister, SwitchShow, SwitchWriter

if TYPE_CHECKING:
    from ovstool.switch.checks import Advice

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
    in it; flows are with --flows. A note says what else a document cannot hold. ovstool-document(7) describes its fields.
    With several hosts each has a document of its own. -f json prints an object, which is a document too.

    Examples:
      ovstool export > switch.yaml
      ovstool export br0
      ovstool export br0 --flows > br0.yaml
    """

    formatter_default = "yaml"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="export only this bridge")
        parser.add_argument("--flows", action="store_true", help="write the OpenFlow flows of each bridge too")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return export.export(switch, args.bridges, args.flows)

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        escaped: dict[str, Any] = writing.escaped(shown)
        return escaped

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if args.formatter != "yaml" or args.columns:
            return super().emit_answers(args, answers)
        for answer in answers:
            if answer.host:
                self.print_lines(["---", f"# host {answer.host}"])
            self.app.stdout.write("\n".join(lines(answer.result)) + "\n" if answer.result["bridges"] else "bridges: {}\n")
        return Exit.OK


class DocumentCommand(SwitchCommand):
    """A command that reads a document: ``args.document`` is that of the switch"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=word, help="document in YAML or JSON; - for standard input")
        parser.add_argument("--prune", action="store_true", help="remove the ports of its bridges that the document does not have")
        parser.add_argument("--take-over", action="store_true", help="change fields that another document owns, and own them from now on")
        return parser

    def variables(self, args: argparse.Namespace) -> Collection[str]:
        args.template = reading.read_file(args.file, time_for(args))
        return by_host.variables(args.template)

    def prepare(self, args: argparse.Namespace) -> None:
        """Read the document of each host, and print all errors before the last, which is raised."""
        super().prepare(args)
        documents, errors = by_host.documents(args.template, by_host.values(args.template, args.found_in, args.targets, args.db))
        if not errors:
            args.documents = dict(zip(args.targets or [None], documents, strict=True))
            return
        for error in errors[: min(_MOST_ERRORS, len(errors)) - 1]:
            report(error, args.debug, self.app.stderr)
        if len(errors) > _MOST_ERRORS:
            raise UsageError(args.file, f"{len(errors) - _MOST_ERRORS + 1} more errors", "after the ones above are corrected")
        raise errors[-1]

    @contextmanager
    def answer(self, asked: Answer, args: argparse.Namespace) -> Iterator[Answer]:
        with super().answer(asked, argparse.Namespace(**vars(args) | {"document": args.documents[asked.target]})) as answer:
            yield answer

    def print_notes(self, answers: Iterable[Answer], args: argparse.Namespace) -> None:
        """Print the notes of the answers; that a selector fits no port only if that is so on each of the switches."""
        answers = list(answers)
        absent = [[note for note in answer.notes if note.endswith(selectors.ABSENT)] for answer in answers]
        if len(answers) > 1:
            for answer in answers:
                answer.notes[:] = [note for note in answer.notes if not note.endswith(selectors.ABSENT)]
            for note in absent[0]:
                if all(note in of_host for of_host in absent):
                    self.note(f"{note.removesuffix(selectors.ABSENT)}: not on any of these switches", args)
        super().print_notes(answers, args)


def _terms(args: argparse.Namespace) -> Terms:
    return Terms(args.document.name, args.prune, args.take_over)


class Diff(DocumentCommand, SwitchLister):
    """Compare a switch with a document: what 'ovstool apply' would change

    Only what the document names is compared, and what it has changed before and no longer names. There is a row for each
    field of a bridge or a port that differs, and for each flow, with its value on the switch and the one in the document. On
    a terminal it is a coloured view. The exit code is 1 if anything differs.

    ${host} in the document is the name of the host, and any other ${NAME} its variable in the inventory.

    Examples:
      ovstool diff switch.yaml
      ovstool export | ovstool -H leaf01 diff -
    """

    columns = ("object", "field", "from", "to")
    nothing = "no difference"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return comparison.diff(switch, args.document, _terms(args))

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        found = any(answer.result for answer in answers)
        if found and self.is_for_people(args):
            self.print_diff(line for answer in answers for line in _diff_lines(answer))
        else:
            super().emit_answers(args, answers)
        return Exit.NO if found else Exit.OK


class Apply(DocumentCommand, SwitchWriter):
    """Make a switch what a document says

    Everything changes in one transaction or nothing does. Only what the document names is changed, and what it has changed
    before and no longer names is removed; doing it again changes nothing. --prune also removes all other ports of its bridges.

    The switch remembers what each document changed, under the document's name: that of its file, or its field 'name'. What
    another document owns is refused (exit code 4), and with --take-over changed all the same. A document on standard input
    has no name and owns nothing; ovstool-document(7) says more.

    Problems with its QoS and policing that are visible in the database are reported at once, as by 'ovstool qos set'.

    Flows of the document follow, in one bundle for each bridge. If the switch refuses them, the database is put back as it was.

    ${host} in the document is the name of the host, and any other ${NAME} its variable in the inventory.

    With several hosts, --batch 10% works on a tenth of them after the other, and begins no further batch once a host has
    failed.

    'ovstool diff FILE' shows the changes first, and -n the transaction and the flows. A change that makes ovs-vswitchd delete
    groups, meters or flows that are not in the document is refused (exit code 4), as with 'ovstool bridge set'. If ovs-vswitchd cannot open the device of a port, the
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
        advice = _Advice(switch)
        done = applying.apply(switch, args.document, _terms(args), advice.look)
        advice.tell(done)
        return done

    def table(self, result: applying.Applied) -> Table:
        return super().table(result.changes)

    def print_plan(self, answer: Answer) -> None:
        super().print_plan(answer)
        host = answer.host
        self.print_diff((line[0], f"{host}: {line}" if host else line) for line in answer.result.lines)


class _Advice:
    """What the database shows to be wrong with the QoS and the policing that a document gives to ports, as ``qos set`` notes it."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._of_qos: Advice | None = None

    def look(self, done: applying.Applied) -> None:
        """Look at the QoS while ovs-vswitchd applies the change; not at new ports, which it has yet to open."""
        if done.shaped:
            from ovstool.switch.checks import shaping_rules  # a document may have neither, or only one of the two

            self._of_qos = shaping_rules.advice(self._switch, done.shaped)
            if not any(change.change == "created" for change in done.changes):
                self._of_qos.look()

    def tell(self, done: applying.Applied) -> None:
        if self._of_qos:
            self._of_qos.tell()
        if done.policed:
            from ovstool.switch.checks import policing

            policing.note(self._switch, done.policed)


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
