"""ovstool metrics"""

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ovstool import metrics, whole_file
from ovstool.answers import Answer, Table
from ovstool.command import report
from ovstool.commands.options import PORT, word
from ovstool.errors import Exit, Refused, TimedOut, Unreachable, UsageError
from ovstool.metrics import exposition
from ovstool.metrics.families import FIRST
from ovstool.metrics.reading import Reading
from ovstool.parser import time_for
from ovstool.switch import Switch
from ovstool.switch_command import SwitchLister, reach_by
from ovstool.terminal.output import canvas

if TYPE_CHECKING:
    from ovstool.metrics.serving.scrapes import Read
    from ovstool.reach import Reach

_READ_BY_NODE_EXPORTER = ".prom"
_STDOUT = "-"
_MOST_SERVED = 500  # hosts, each with a connection and threads of its own


class Metrics(SwitchLister):
    """Print metrics for Prometheus

    The state and the counters of ports, queues, policing, bonds, mirrors, meters, groups, flow tables, controllers, the datapath and the
    daemons, as OpenMetrics text. ovstool-metrics(1) lists every metric. Those that openstack-network-exporter has too have its names,
    labels and values, so its alert rules work unchanged.

    PORT limits what is printed of ports; the metrics of bridges and of the switch are always there. With several hosts each sample has
    the label host, and ovstool_up is 0 for a host that did not answer. What cannot be read, such as the counters of a bridge whose
    ovs-vswitchd is not running, is left out: a note says so, and ovstool_collector_success is 0.

    -f prometheus prints the older text format 0.0.4, which promtool and node_exporter read; -f json and other formats a row for each
    sample.

    --textfile writes a file for the textfile collector of node_exporter, which reads files that end in .prom. It is replaced in one step,
    so that node_exporter never reads half of it.

    --listen serves them over HTTP until SIGTERM or Ctrl-C: /metrics is read anew for each scrape, from all hosts together or with
    ?target=HOST from one of them. A host that does not answer in time has ovstool_up 0, and does not hold the others. Connections to hosts
    stay open between scrapes. --web-config is the file for TLS and passwords that all exporters of Prometheus take.

    Examples:
      ovstool metrics
      ovstool metrics eth1 iface-id:5c1e7f3a --checks
      ovstool -H @rack1 metrics > rack1.txt
      ovstool metrics --textfile /var/lib/prometheus/node-exporter/ovs.prom
      ovstool metrics -f prometheus | promtool check metrics
      ovstool metrics eth1 -f json | jq -r '.[] | "\\(.metric) \\(.value)"'
      ovstool metrics --listen :10066
      ovstool -H @rack1 metrics --listen 127.0.0.1:10066 --web-config web.yml
    """

    columns = ("metric", "labels", "value")
    formatter_default: Any = None  # openmetrics, in a file for node_exporter prometheus
    own_formats = exposition.FORMS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="*", help=PORT)
        parser.add_argument("--textfile", metavar="FILE", type=word, help="write to FILE, in the format prometheus; - for standard output")
        parser.add_argument("--checks", action="store_true", help="count the problems that 'qos check' and 'police check' find, too")
        parser.add_argument("--listen", metavar="[ADDR]:PORT", type=word, help="serve them over HTTP there, read anew for each scrape")
        parser.add_argument(
            "--web-config", metavar="FILE", type=word, help="with --listen: TLS and passwords, as exporters' --web.config.file"
        )
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        if args.listen and (args.textfile or args.formatter or args.columns):
            raise UsageError("--listen", f"does not go with {'--textfile' if args.textfile else '-f or -c'}", "one of them")
        if args.web_config and not args.listen:
            raise UsageError("--web-config", "is only for --listen", "--listen :PORT")
        usual = exposition.PROMETHEUS if args.textfile else exposition.OPENMETRICS
        args.formatter = args.formatter or usual
        if args.textfile and args.formatter != usual:
            raise UsageError(f"-f {args.formatter}", "cannot be read by node_exporter's textfile collector", "--textfile FILE without -f")
        if args.formatter in self.own_formats and (args.columns or args.sort_columns):
            raise UsageError(f"-f {args.formatter}", "has no columns", "-f json, or -f value")
        if args.textfile not in (None, _STDOUT) and not args.textfile.endswith(_READ_BY_NODE_EXPORTER):
            self.note(f"{whole_file.shown(args.textfile)}: node_exporter reads only files that end in {_READ_BY_NODE_EXPORTER}", args)
        super().prepare(args)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.listen:
            return self._serve(parsed_args)
        parsed_args.is_written = False
        try:
            code = super().take_action(parsed_args)
        except (Refused, TimedOut, Unreachable):
            self._write_unless_done(parsed_args)
            raise
        self._write_unless_done(parsed_args)
        return code

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return metrics.read(switch, args.ports or None, args.checks)

    def table(self, result: Reading) -> Table:
        return Table(self.columns, result.rows())

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if args.formatter not in self.own_formats:
            return super().emit_answers(args, answers)
        self._write(args, answers)
        return Exit.OK

    def _write_unless_done(self, args: argparse.Namespace) -> None:
        """If no switch has answered, write that."""
        if "targets" in args and args.formatter in self.own_formats and not args.is_written:
            self._write(args, [])

    def _write(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        """Write what has been read, and of the other switches that they are down."""
        args.is_written = True
        read: dict[str | None, Reading] = {answer.host: answer.result for answer in answers}
        hosts = [target.name for target in args.targets] if len(args.targets) > 1 else [None]
        text = exposition.write([(host, read.get(host) or Reading.of_unreachable()) for host in hosts], args.formatter)
        if args.textfile not in (None, _STDOUT):
            whole_file.replace(args.textfile, "".join(text).encode(), _BEGINNING, 0o644)
        else:
            self._print_text(text)

    def _serve(self, args: argparse.Namespace) -> None:
        from ovstool.metrics import serving
        from ovstool.switch.connections import Connections

        self.begin(args)
        if len(args.targets) > _MOST_SERVED:
            raise UsageError(
                f"{len(args.targets)} hosts", f"at most {_MOST_SERVED} can be served", "several commands, each for some of them"
            )
        where = serving.Serving(serving.listening.parse(args.listen), args.web_config, time_for(args))
        connections = Connections(max(len(args.targets), 1))
        reach = reach_by(args, connections)._replace(batch=True)  # nobody is at a terminal to be asked while it serves
        switches = {target.name: self._reader(reach, target, args) for target in args.targets} or {"": self._reader(reach, None, args)}
        said = serving.Voice(lambda text: self.note(text, args), lambda error, host: report(error, args.debug, self.app.stderr, host))
        try:
            serving.serve(switches, where, said)
        finally:
            connections.end_commands()

    def _reader(self, reach: "Reach", target: Any, args: argparse.Namespace) -> "Read":
        """What reads a switch for a scrape, and returns its notes too."""

        def read(within_s: float) -> tuple[Reading, Sequence[str]]:
            asked = Answer.awaited(target)
            with reach._replace(timeout_s=within_s).switch(asked) as switch:
                if not args.ports:
                    return metrics.read(switch, None, args.checks), asked.notes
                return metrics.read_present(switch, args.ports, args.checks), asked.notes

        return read

    def _print_text(self, text: Iterable[str]) -> None:
        """Print it in UTF-8, whatever the locale; only on a terminal are control characters escaped."""
        stdout = self.app.stdout
        if stdout.isatty():
            stdout.writelines(text)
            return
        before = stdout.encoding
        if has_another := (before or "utf-8").lower() not in ("utf-8", "utf8"):
            stdout.reconfigure(encoding="utf-8")
        draw = canvas(stdout).write
        for part in text:
            draw(part)
        if has_another:
            stdout.reconfigure(encoding=before)


_BEGINNING = f"# HELP {FIRST} ".encode()
