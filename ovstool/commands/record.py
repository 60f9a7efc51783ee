"""ovstool stats record and plot: readings to a file, and drawings of that"""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from ovstool import recording
from ovstool.answers import Answer
from ovstool.command import Command
from ovstool.commands.options import PORT_NAME
from ovstool.commands.stats import add_source_options, interval
from ovstool.errors import Exit, UsageError
from ovstool.parser import number, seconds
from ovstool.switch import Switch, sampling, stats
from ovstool.switch_command import SwitchCommand
from ovstool.terminal.output import canvas
from ovstool.terminal.plots import pictures, plot_image, plot_text
from ovstool.terminal.window import window_width


class StatsRecord(SwitchCommand):
    """Append readings of counters to a file

    Raw counters with their times, so that nothing is lost to averaging: a line for each port and reading. By the ending of FILE it is
    CSV (.csv), or SQLite (.db, .sqlite, .sqlite3) with the table 'readings', which may be read while it is written. An existing
    recording is continued. Without PORT all ports, also those that are added later; with an --interval under half a second tunnels
    and patch ports then have no values ('ovstool help stats'). Ctrl-C ends it. However it ends, killed or with the disk full, every
    line in the file is whole.

    Examples:
      ovstool stats record eth1.csv eth1
      ovstool stats record all.db --interval 0.1 --for 60
      ovstool stats record br0.csv --bridge br0 --count 100
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="where to: NAME.csv, NAME.db, NAME.sqlite or NAME.sqlite3")
        parser.add_argument("ports", metavar="PORT", nargs="*", help=f"port to record: {PORT_NAME}")
        add_source_options(parser)
        parser.add_argument(
            "--interval", metavar="S", type=interval, default=1.0, help="seconds between readings, 0.001 or more (default: 1)"
        )
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--count", metavar="N", type=number(1, 10**9), help="as many readings of each port (default: until Ctrl-C)")
        end.add_argument("--for", metavar="S", type=seconds, dest="for_s", help="for so many seconds")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        spec = sampling.SamplingSpec(args.ports, args.bridge, args.source, interval_s=args.interval, times=args.count, for_s=args.for_s)
        return stats.readings(switch, spec)

    def take_action(self, parsed_args: argparse.Namespace) -> Exit:
        def note(text: str) -> None:
            self.note(text, parsed_args)

        def record(answers: Iterator[Answer]) -> None:
            try:
                for answer in answers:
                    recorder.add(answer.result, answer.host)
                    self.print_notes([answer], parsed_args)
            except KeyboardInterrupt:
                note(recorder.summary())
                raise
            note(recorder.summary())

        with recording.append(parsed_args.file, note) as recorder:
            return self.take_samples(parsed_args, record)


class StatsPlot(Command):
    """Draw the rates in a recording

    From FILE as 'stats record' wrote it. Without -o it is drawn here, with characters. An image has a panel for each port: an area for
    what it received, a line for what it sent. Each rate is an average over the time between two readings and drawn as a step over
    exactly that time. Nothing is drawn where nothing is known: over a reset of the counters, which is marked, and while nobody
    recorded. Of more than 12 ports those with the most traffic are drawn.

    Examples:
      ovstool stats plot eth1.csv
      ovstool stats plot all.db eth1 eth2 -o incident.svg
      ovstool stats plot all.db --packets -o packets.png
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="a recording: NAME.csv, NAME.db, NAME.sqlite or NAME.sqlite3")
        parser.add_argument("ports", metavar="PORT", nargs="*", help="name of a port in it (default: all)")
        parser.add_argument("-o", "--output", metavar="FILE", help="draw into this file, NAME.svg or NAME.png (needs matplotlib)")
        parser.add_argument("--style", choices=plot_image.STYLES, help="how an image joins the averages (default: step)")
        parser.add_argument("--packets", action="store_true", help="packets instead of bits")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        args = parsed_args
        if args.output is not None:
            plot_image.require_image(args.output)
        elif args.style == "line":
            raise UsageError("--style line", "needs an image", "-o NAME.svg")
        readings = recording.Recording(args.file, lambda text: self.note(text, args))
        picture = pictures.picture(args.file, readings, args.ports, args.packets)
        if picture.left_out:
            self.note(f"the {pictures.MOST_PORTS} ports with the most traffic; {picture.left_out} more are in {args.file}", args)
        if args.output is not None:
            plot_image.draw(picture, args.output, args.style or "step")
            return
        out = self.app.stdout
        terminal = out.isatty()
        width = window_width() if terminal else 80
        canvas(out).write(
            plot_text.draw(picture, width, not plot_text.has_blocks(out.encoding), terminal and not os.environ.get("NO_COLOR"))
        )
