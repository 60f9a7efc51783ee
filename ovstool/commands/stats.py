"""ovstool stats: counters, rates and bursts"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ovstool import conditions, units
from ovstool.answers import Table
from ovstool.commands.options import PORT_NAME, word
from ovstool.conditions import Condition
from ovstool.errors import TimedOut, UsageError, quote
from ovstool.parser import number, seconds, time_for
from ovstool.rates import COUNTERS, Burst, QueueRate, Rate
from ovstool.stream import Sample, SwitchStream
from ovstool.switch import Switch, sampling, stats
from ovstool.terminal.window import encoding_of

if TYPE_CHECKING:
    from ovstool.terminal.live.rates import RatesView
    from ovstool.terminal.live.view import Seen

_MOST = 10**9  # rows of --count
_OF_RECORDINGS = (".csv", ".db", ".sqlite", ".sqlite3")
_BURSTS_S = 0.01  # the window of --bursts
_BURSTS_FOR_S = 10.0


class Stats(SwitchStream):
    """Show counters, rates and bursts of ports, once or live; record and plot them

    Shows packets and bytes as counted by the device, including those from before it became a port. Without PORT all ports are
    shown; a bond has a row for each member. A counter that the device does not support is null. Counters are read live over
    OpenFlow; if that is not possible, they come from the database, which ovs-vswitchd refreshes every 5 seconds, and a note says
    so. How often a network card updates its counters depends on its driver.

    Tunnels and patch ports are not devices: ovs-vswitchd counts their traffic since it started or the port was added, and updates
    the counters every half second (other_config:max-revalidator). A shorter --interval, or --bursts, is refused for such a port;
    without PORT its values are null. On the userspace datapath Open vSwitch double-counts packets that a tunnel sends.

    --rate shows bit/s and packets/s between two readings. interval_s is the measured time between them, accurate to about 0.1 ms:
    with --interval 0.001 a rate may be off by 10%. If a counter went backwards, or the port was gone for a while, there is no rate
    and 'reset' is true. With --count or --watch rows are printed as they are measured, with -f json one object per line. On a
    terminal --watch shows a live table: it scrolls, / filters, s sorts, + and - change the interval, Enter shows 'qos explain' of a
    port, ? lists all keys, q quits.

    --until CONDITION prints rates until a condition holds for any port shown, or for 'PORT CONDITION' for that port, and ends with
    0; with 7 after --timeout (default 30 seconds). A condition compares a field of --rate: =, !=, <, <=, >, >=. With several hosts
    it must hold once on every host.

    --bursts shows the distribution of rates over windows of --interval (default 0.01), measured for --for seconds (default 10),
    and the longest time above 95% of the link speed or the QoS max-rate. On a terminal the progress is shown.

    Put a port named record or plot after '--'.

    Examples:
      ovstool stats eth1
      ovstool stats eth1 --rate --interval 0.1
      ovstool stats --bridge br0 --watch
      ovstool stats eth1 --queues --rate --count 10 -f json | jq .tx_bps
      ovstool stats eth1 --bursts --for 5
      ovstool stats eth1 --until 'rx_bps > 900mbit' --timeout 600
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_source_options(parser)
        parser.add_argument("ports", metavar="PORT", nargs="*", help=f"port to show: {PORT_NAME}")
        parser.add_argument("--long", action="store_true", help="show all counters that the switch has")
        parser.add_argument("--queues", action="store_true", help="show what the queues of the ports sent")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--rate", action="store_true", help="show bits and packets per second, over --interval")
        what.add_argument("--bursts", action="store_true", help="show the distribution of rates over short windows")
        parser.add_argument("--interval", metavar="S", type=interval, help="seconds between readings, 0.001 or more (default: 1)")
        parser.add_argument("--for", metavar="S", type=seconds, dest="for_s", help="stop measuring bursts after S seconds (default: 10)")
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--count", metavar="N", type=number(1, _MOST), help="print N rates of each port, then stop")
        end.add_argument("--watch", action="store_true", help="show rates until Ctrl-C (implies --rate)")
        end.add_argument("--until", metavar="CONDITION", help="print rates until this holds, such as 'rx_bps > 900mbit' (implies --rate)")
        return parser

    def row_class(self, args: argparse.Namespace) -> Any:
        return QueueRate if args.queues else Rate

    def streams(self, args: argparse.Namespace) -> bool:
        return args.watch or bool(args.until) or (args.rate and bool(args.count))

    def prepare(self, args: argparse.Namespace) -> None:
        args.rate = args.rate or ((args.watch or args.until is not None) and not args.bursts)
        self.nothing = "no queues; 'ovstool qos set' makes some" if args.queues else "no ports"
        _require_sense(args)
        args.until = None if args.until is None else _condition(args.until, self.row_class(args))
        if args.bursts or args.rate:
            columns = Burst._fields if args.bursts else self.row_class(args)._fields
            self.check_columns(args, [*columns, "host"] if len(args.targets) > 1 else columns)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        if args.bursts:
            return Table(Burst._fields, self._bursts(switch, args))
        if self.streams(args):
            link_speeds = stats.link_speeds(switch, _spec(args)) if self.is_live(args) else {}
            return (Sample(rows, link_speeds) for rows in _rates(switch, args))
        if args.rate:
            return Table(self.row_class(args)._fields, list(_rates(switch, args))[-1])
        if args.queues:
            return _queue_counters(switch, args)
        return _counters(switch, args)

    def view(self, args: argparse.Namespace, sort: str | None, descending: bool) -> "RatesView":
        from ovstool.terminal.live.cells import Characters
        from ovstool.terminal.live.rates import RatesView

        return RatesView(self.row_class(args), sort, descending, Characters(encoding_of(self.app.stdout)))

    def details(self, seen: "Seen", args: argparse.Namespace) -> Iterable[str]:
        from ovstool.commands.qos_explain import QosExplain

        return QosExplain(self.app, None, "qos explain").page_of_interface(seen.row.port, seen.host, args)

    def _bursts(self, switch: Switch, args: argparse.Namespace) -> list[Burst]:
        from ovstool.switch import qos  # counters and rates do not need it
        from ovstool.terminal.live.progress import Counting

        interval_s = args.interval or _BURSTS_S
        for_s = args.for_s or _BURSTS_FOR_S
        if for_s < interval_s:
            raise UsageError(f"--for {for_s:g}", "shorter than one window", f"--for {10 * interval_s:g}")
        spec = _spec(args, interval_s=interval_s, for_s=for_s, bursts=True)
        speeds = stats.link_speeds(switch, spec)
        shaped = qos.max_rates(switch)

        def limit(port: str, direction: str) -> int | None:
            known = [speeds.get(port), shaped.get(port) if direction == "tx" else None]
            return min((bps for bps in known if bps), default=None)

        is_alone = len(args.targets) <= 1  # for several hosts there is a progress bar
        with Counting(self.app.stderr, args.verbose_level == 1 and is_alone, for_s) as counting:
            return stats.bursts((list(counting.count(sample)) for sample in stats.readings(switch, spec)), limit)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """The options for which counters are read, and how."""
    parser.add_argument("--bridge", metavar="B", type=word, help="only the ports of this bridge")
    parser.add_argument(
        "--source",
        choices=sampling.SOURCES,
        default="auto",
        help="source of the counters: openflow (live), ovsdb (refreshed every 5 s), or auto: openflow if reachable (default)",
    )


def interval(text: str) -> float:
    """argparse type: seconds between two readings."""
    value = seconds(text)
    if value < sampling.SHORTEST_S:
        raise argparse.ArgumentTypeError(f"{text}: shorter than {sampling.SHORTEST_S:g} s, the shortest time between two readings")
    return value


def _require_sense(args: argparse.Namespace) -> None:
    """Raise UsageError for combinations of options that make no sense."""
    if len(args.ports) > 1 and args.ports[1].endswith(_OF_RECORDINGS):
        import shlex
        from difflib import get_close_matches

        for meant in get_close_matches(args.ports[0], ("record", "plot"), 1):
            hint = shlex.join(["ovstool", "stats", meant, *args.ports[1:]])
            raise UsageError("stats", f"{quote(args.ports[1])} is a recording, not a port", hint)
    if args.count and not args.rate:
        raise UsageError("--count", "needs --rate", f"--rate --count {args.count}")
    for option in ("watch", "until"):
        if getattr(args, option) and args.bursts:
            raise UsageError(f"--{option}", "shows rates, not bursts")
    if args.until is not None and (args.interval or 1) > time_for(args):
        raise UsageError(f"--interval {args.interval or 1:g}", f"longer than --timeout {time_for(args):g}, which limits --until")
    if args.interval and not (args.rate or args.bursts):
        raise UsageError("--interval", "without --rate counters are read only once", f"--rate --interval {args.interval:g}")
    if args.for_s and not args.bursts:
        raise UsageError("--for", "needs --bursts", f"--bursts --for {args.for_s:g}")
    if args.queues and (args.bursts or args.long):
        raise UsageError("--queues", f"does not work with {'--bursts' if args.bursts else '--long'}")
    if args.long and (args.rate or args.bursts):
        raise UsageError("--long", "shows counters, not rates")
    if args.queues and args.source == "ovsdb":
        raise UsageError("--queues", "the database has no queue counters", "--source openflow")


def _spec(args: argparse.Namespace, **how_often: Any) -> sampling.SamplingSpec:
    return sampling.SamplingSpec(args.ports, args.bridge, args.source, args.queues, **how_often)


def _counters(switch: Switch, args: argparse.Namespace) -> Table:
    readings = stats.counters(switch, _spec(args))
    names = list(COUNTERS)
    if args.long:
        names += sorted({name for reading in readings for name in reading.counters}.difference(("port", *names)))
    return Table(("port", *names), [(reading.port, *map(reading.counters.get, names)) for reading in readings])


def _queue_counters(switch: Switch, args: argparse.Namespace) -> Table:
    readings = stats.queues(switch, _spec(args))
    names = ("tx_packets", "tx_bytes", "tx_errors")
    return Table(("port", "queue", *names), [(reading.port, reading.queue, *map(reading.counters.get, names)) for reading in readings])


def _rates(switch: Switch, args: argparse.Namespace) -> Iterator[list]:
    times = None if args.watch or args.until else (args.count or 1) + 1
    within_s = time_for(args) if args.until else None
    spec = _spec(args, interval_s=args.interval or 1.0, times=times, for_s=within_s, pace=args.pace)
    samples = stats.readings(switch, spec, are_all_needed=args.until is None)
    rates = stats.queue_rates(samples) if args.queues else stats.rates(samples)
    return _up_to(args.until, rates, within_s, switch.notes) if args.until else rates


def _up_to(condition: Condition, rates: Iterator[list], within_s: float | None, notes: list[str]) -> Iterator[list]:
    """The rates up to those that meet the condition; a note if its port has none at first. Raises TimedOut when none does."""
    subject, why = condition.subject, None
    for rows in rates:
        of_subject = [row for row in rows if subject in (None, row.port)]
        if subject and not of_subject and why is None:
            notes.append(f"{quote(subject)}: no rates of such a port yet; waiting for them")
        yield rows
        if any(condition.holds(row._asdict()) for row in of_subject):
            return
        why = f": there are no rates of {quote(subject)}" if subject and not of_subject else ""
    raise TimedOut("--until", f"{condition} did not hold within {within_s:g} s{why or ''}", "a longer --timeout")


def _condition(text: str, row_class: Any) -> Condition:
    """A condition of --until on rates. Raises UsageError."""
    known = [name for name in row_class._fields if name != "port"]

    def reader(field: str) -> Callable[[str], Any]:
        if field not in known:
            raise UsageError(quote(field), "no such field", ", ".join(known))
        return _flag if field == "reset" else _bit_rate if field.endswith("_bps") else _number

    try:
        found = conditions.parse(text, reader, "rx_bps > 900mbit")
        if found.test is None:
            raise UsageError(quote(text), "without a comparison", f"{quote(found.field + ' > 0')}")
    except UsageError as error:
        raise UsageError("--until", f"{error.what}: {error.why}", error.hint) from error
    return found


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise UsageError(quote(text), "not true or false")
    return text == "true"


def _number(text: str) -> float:
    value = units.decimal_number(text)
    if value is None:
        raise UsageError(quote(text), "not a number")
    return value


def _bit_rate(text: str) -> float:
    value = units.decimal_number(text)
    return units.parse_rate(text) if value is None else value
