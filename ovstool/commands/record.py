"""ovstool stats record and plot: readings to a file, and plots of it"""

import argparse
import os
import shlex
from collections.abc import Iterator
from typing import Any

from ovstool import recording
from ovstool.answers import Answer
from ovstool.commands.options import PORT_NAME
from ovstool.commands.stats import add_source_options, interval
from ovstool.errors import Exit, UsageError, quote
from ovstool.parser import number, seconds
from ovstool.stream import Sample, show_live
from ovstool.switch import Switch, sampling, stats
from ovstool.switch_command import SwitchCommand
from ovstool.terminal.output import canvas
from ovstool.terminal.plots import pictures, plot_image, plot_text
from ovstool.terminal.window import encoding_of, window_width


class StatsRecord(SwitchCommand):
    """Append readings of counters to a file

    Records raw counters with timestamps, so that nothing is lost to averaging: one line per port and reading. The extension
    of FILE selects the format: CSV (.csv), or SQLite (.db, .sqlite, .sqlite3) with the table 'readings', which can be read
    while it is being written. An existing recording is appended to. Without PORT all ports are recorded, including those
    added later; with an --interval under half a second, tunnels and patch ports then have no values ('ovstool help stats').
    Ctrl-C ends the recording. Every line in the file is complete, even if the command is killed or the disk is full. On a
    terminal the progress is shown.

    Examples:
      ovstool stats record eth1.csv eth1
      ovstool stats record all.db --interval 0.1 --for 60
      ovstool stats record br0.csv --bridge br0 --count 100
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="recording to append to: NAME.csv, NAME.db, NAME.sqlite or NAME.sqlite3")
        parser.add_argument("ports", metavar="PORT", nargs="*", help=f"port to record: {PORT_NAME}")
        add_source_options(parser)
        parser.add_argument(
            "--interval", metavar="S", type=interval, default=1.0, help="seconds between readings, 0.001 or more (default: 1)"
        )
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--count", metavar="N", type=number(1, 10**9), help="stop after N readings of each port (default: until Ctrl-C)")
        end.add_argument("--for", metavar="S", type=seconds, dest="for_s", help="stop after S seconds")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        spec = sampling.SamplingSpec(args.ports, args.bridge, args.source, interval_s=args.interval, times=args.count, for_s=args.for_s)
        return stats.readings(switch, spec)

    def take_action(self, parsed_args: argparse.Namespace) -> Exit:
        from ovstool.terminal.live.progress import Counting

        def note(text: str) -> None:
            self.note(text, parsed_args)

        def record(answers: Iterator[Answer]) -> None:
            try:
                with Counting(self.app.stderr, parsed_args.verbose_level == 1, parsed_args.for_s, parsed_args.count) as counting:
                    for answer in answers:
                        recorder.add(counting.count(answer.result, answer.host), answer.host)
                        if answer.notes or answer.found:
                            with counting.hidden():
                                self.print_notes([answer], parsed_args)
            except KeyboardInterrupt:
                note(recorder.summary())
                raise
            note(recorder.summary())

        with recording.append(parsed_args.file, note) as recorder:
            return self.take_samples(parsed_args, record)


class StatsPlot(SwitchCommand):
    """Draw the rates in a recording, or live

    FILE is a recording by 'stats record'. Without -o the plot is printed, drawn with characters. An image has a panel for each port:
    an area for received traffic, a line for sent traffic. Each rate is an average between two readings and drawn as a step over
    exactly that time. The plot has gaps where the rate is unknown: at a counter reset, which is marked, and where nothing was
    recorded. If there are more than 12 ports, only those with the most traffic are drawn.

    With --live there is no FILE: the rates of up to 8 ports are drawn on the terminal as they are measured, every --interval seconds.
    Without PORT all ports are drawn, if the switch has no more than 8. ? lists the keys, q quits.

    Examples:
      ovstool stats plot eth1.csv
      ovstool stats plot all.db eth1 eth2 -o incident.svg
      ovstool stats plot all.db --packets -o packets.png
      ovstool stats plot --live eth1 eth2 --interval 0.5
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", help="a recording: NAME.csv, NAME.db, NAME.sqlite or NAME.sqlite3")
        parser.add_argument("ports", metavar="PORT", nargs="*", help="name of a port in the recording (default: all)")
        parser.add_argument("--live", action="store_true", help="draw the rates of the switch's ports live on the terminal")
        parser.add_argument("--interval", metavar="S", type=interval, help="seconds between live readings, 0.001 or more (default: 1)")
        parser.add_argument("-o", "--output", metavar="FILE", help="write an image to this file, NAME.svg or NAME.png (needs matplotlib)")
        parser.add_argument("--style", choices=plot_image.STYLES, help="how an image connects the averages (default: step)")
        parser.add_argument("--packets", action="store_true", help="plot packets instead of bits")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        spec = sampling.SamplingSpec(args.ports, interval_s=args.pace.interval_s, pace=args.pace)
        return map(Sample, stats.rates(stats.readings(switch, spec)))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self._watch(parsed_args) if parsed_args.live else self._draw(parsed_args)

    def _watch(self, args: argparse.Namespace) -> Any:
        from ovstool.pace import Pace
        from ovstool.terminal.live.cells import Characters
        from ovstool.terminal.live.live import has_keyboard
        from ovstool.terminal.live.plot import MOST_PORTS, Plot

        if args.output is not None or args.style:
            raise UsageError("--live", "draws only on the terminal", "ovstool stats record FILE, then ovstool stats plot FILE -o IMAGE")
        args.ports = [args.file, *args.ports] if args.file is not None else []
        if not has_keyboard() or not self.app.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            raise UsageError("--live", "needs a terminal", shlex.join(["ovstool", "stats", "record", "FILE.csv", *args.ports]))
        args.pace = Pace(args.interval or 1.0)
        plot = Plot(args.db or "Open vSwitch", args.packets, Characters(encoding_of(self.app.stdout)), True, args.pace)

        def few(answers: Iterator[Answer]) -> Iterator[Answer]:
            for answer in answers:
                ports = len(answer.result.rows) * max(len(args.targets), 1)
                if ports > MOST_PORTS:
                    raise UsageError("--live", f"draws at most {MOST_PORTS} ports, not {ports}", "ovstool stats plot --live PORT PORT")
                yield answer

        return self.take_samples(args, lambda answers: show_live(self, plot, few(answers), args))

    def _draw(self, args: argparse.Namespace) -> None:
        if args.file is None:
            raise UsageError("stats plot", "needs a recording, or --live", "ovstool help stats plot")
        if args.interval:
            raise UsageError("--interval", "needs --live; a recording has its own interval")
        if not os.path.splitext(args.file)[1] and not os.path.exists(args.file):
            hint = shlex.join(["ovstool", "stats", "plot", "--live", args.file, *args.ports])
            raise UsageError(quote(args.file), "not a recording: its name must end in .csv, .db, .sqlite or .sqlite3", hint)
        if args.output is not None:
            plot_image.require_image(args.output)
        elif args.style == "line":
            raise UsageError("--style line", "needs an image", "-o NAME.svg")
        readings = recording.Recording(args.file, lambda text: self.note(text, args))
        picture = pictures.picture(args.file, readings, args.ports, args.packets)
        if picture.left_out:
            self.note(
                f"only the {pictures.MOST_PORTS} ports with the most traffic are shown; {picture.left_out} more are in {args.file}", args
            )
        if args.output is not None:
            plot_image.draw(picture, args.output, args.style or "step")
            return
        out = self.app.stdout
        terminal = out.isatty()
        width = window_width() if terminal else 80
        text = plot_text.draw(picture, width, not plot_text.has_blocks(out.encoding), terminal and not os.environ.get("NO_COLOR"))
        with self.paged():
            canvas(out).write(text)
