"""ovstool sflow listen"""

import argparse
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from ovstool.answers import Answer, Table
from ovstool.commands.options import parsed_by, word
from ovstool.commands.stats import interval
from ovstool.errors import UsageError
from ovstool.parser import number, seconds
from ovstool.recording import sampled_headers
from ovstool.recording.recorder import ended_by_signals
from ovstool.sflow import talkers
from ovstool.stream import Sample, SwitchStream
from ovstool.switch import Switch
from ovstool.switch.sflow import heard, listening, top_talkers
from ovstool.switch.sflow.targets import PORT, parse_local_address
from ovstool.terminal import formats
from ovstool.terminal.window import encoding_of

if TYPE_CHECKING:
    from ovstool.terminal.live.talkers import TalkersView
    from ovstool.terminal.live.view import Seen

_MOST, _MOST_LIVE = 20, 1000  # talkers where no --limit is given
_IN_A_TABLE = ("time", "agent", "ports", "sample")
_NOT_ELSEWHERE = ("ports",)  # which says the same as two other columns
_TOP_IN_A_TABLE = ("agent", "talker", "bps", "error_percent", "pps", "samples")
_TOP_ROW_BY_ROW = ("time", "agent", "talker", "bps", "error_percent")


class SflowListen(SwitchStream):
    """Show sFlow samples as a collector receives them, and who sends the most traffic

    Listens on a UDP port here, or with --host on that host, which needs nothing but python3, or tcpdump and root. It decodes sFlow
    version 5 of any agent, prints a row for each sample as it arrives, and at the end how many datagrams came, were lost or came
    twice (told by their sequence numbers, for each agent), or were malformed. A datagram that comes twice is shown once.

    --top shows talkers by bit/s. They are estimates: a sample stands for as many packets like it as the sampling rate says, and
    error_percent is the 95% error that so few samples imply: 100 samples of packets of one size are within 20%, 10,000 within 2%.
    Rates are those of whole Ethernet frames. A packet counts at each agent that samples it, and twice at one that samples it
    where it comes in and where it goes out. On a terminal it is a table that stays in place, whose rates are means of the last
    10 intervals: it scrolls, / filters, s sorts, + and - change the interval, Enter shows a talker in full, ? names every key, q
    quits. Elsewhere, with -f and with --read it is one table at the end; with --interval rows for each interval, -f json an
    object a line.

    Ports have their names, and VIFs their iface-id, where the agent is the switch that this command reaches; elsewhere they are
    ifIndexes. Agents have their names in the inventory.

    -f json prints an object a line: time, kind (flow, counter or drop), agent, sub_agent, datagram_sequence, uptime_ms, source
    (type:index), sequence; of a packet sampling_rate, sample_pool, drops, input and output (ifIndexes), frame_bytes,
    header_bytes, and its header by the fields of 'flow' (eth_src, vlan_vid, ip_src, tcp_dst and so on), that of a packet inside
    a tunnel with inner_ in front. What else the agent tells comes under the name that it has in sFlow's specifications, such as
    extended_switch, if_counters or port_name, with units in the names. Then agent_name, input_port, input_iface_id, output_port
    and output_iface_id; of counters port and iface_id. What is not known is null. ovstool-sflow(1) lists them all.

    Examples:
      ovstool sflow listen
      ovstool sflow listen --top --by src
      ovstool sflow listen --count 100 -f json | jq .ip_src
      ovstool -H leaf01 sflow listen --for 10 --top -f csv
      ovstool sflow listen --read capture.pcapng --pcap headers.pcapng
    """

    title = "sFlow"
    last_words_s = 2.0  # for each host's summary, and the program that listens there

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)  # so that -f table is not nothing
        parser.add_argument(
            "--port",
            metavar="N",
            type=number(0, 65535),
            help=f"UDP port (default: {PORT}; 0: any that is free; with --read: only datagrams to it)",
        )
        parser.add_argument(
            "--bind", metavar="IP", type=parsed_by(parse_local_address), help="IP address to listen at (default: all of the host)"
        )
        parser.add_argument("--read", metavar="FILE", type=word, help="take datagrams from a pcap or pcapng file; - for standard input")
        parser.add_argument("--agent", metavar="HOST", action="append", type=word, help="only this agent, by address or name; repeatable")
        parser.add_argument("--count", metavar="N", type=number(1, 10**9), help="stop after N samples")
        parser.add_argument("--for", metavar="S", type=seconds, dest="for_s", help="stop after S seconds (default: until Ctrl-C)")
        parser.add_argument("--pcap", metavar="FILE", type=word, help="write the sampled headers to this file, anew, as pcapng")
        parser.add_argument("--top", action="store_true", help="the talkers with the most traffic")
        parser.add_argument(
            "--by", choices=tuple(talkers.KEYS), help="what tells talkers apart (default: flow; port: where packets come in)"
        )
        parser.add_argument("--interval", metavar="S", type=interval, help="seconds between readings of --top (default on a terminal: 1)")
        parser.add_argument("--limit", metavar="N", type=number(1, 10**4), help="how many talkers (default: 20; in the live table 1000)")
        return parser

    def row_class(self, args: argparse.Namespace) -> Any:
        return top_talkers.TopTalker if args.top else heard.ListedSample

    def streams(self, args: argparse.Namespace) -> bool:
        return True

    def prepare(self, args: argparse.Namespace) -> None:
        for option in ("by", "interval", "limit"):
            if getattr(args, option) is not None and not (args.top or args.watch):
                raise UsageError(f"--{option}", "goes with --top", "ovstool sflow listen --top")
        if args.read is not None:
            if args.bind is not None:
                raise UsageError("--bind", "goes with listening, not with --read")
            if len(args.targets) > 1:
                raise UsageError("--read", "goes with one host, whose ports it names")
        if args.sort_columns and not args.top:
            raise UsageError("--sort-column", "samples are printed as they come", "--top, or -f csv and a program that sorts")
        if not args.top or (args.interval and not args.watch):
            formats.row_by_row(args.formatter)
        self.check_columns(args, [*self.row_class(args)._fields, "host"])
        args.is_whole = args.formatter == "json" and not args.columns and not args.top
        args.is_table = args.formatter in ("table", *formats.TABLE_STYLES) and not (args.columns or args.all_columns)
        _require_another_file(args.read, args.pcap)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        args = parsed_args
        args.watch = args.top and not (args.formatter or args.all_columns or args.read) and sys.stdin and sys.stdin.isatty()
        args.formatter = args.formatter or self.formatter_default
        args.watch = self.is_live(args)
        with ended_by_signals(), closing(sampled_headers.SampledHeaders(args.pcap or "")) as args.headers:
            return super().take_action(args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Iterator[Sample]:
        listener = heard.Listener(switch, self._spec(args))
        if args.top:
            wanted = top_talkers.TopSpec(args.by or "flow", args.limit or (_MOST_LIVE if args.watch else _MOST), args.interval, args.pace)
            batches = top_talkers.top(listener, wanted, args.read is not None)
        else:
            batches = _samples(listener, args.is_whole)
        with closing(batches):  # so that the summary is there also when Ctrl-C comes between two of them
            for rows in batches:
                yield Sample([_for_people(row) for row in rows] if args.is_table and not args.watch else rows)

    def _spec(self, args: argparse.Namespace) -> heard.ListenSpec:
        origin = listening.Origin(args.port, args.bind, args.read)
        save_to = args.headers.opened if args.pcap else None
        agents, tidy = tuple(args.agent or ()), args.read is None and not args.read_only
        return heard.ListenSpec(origin, args.for_s, args.count, agents, args.inventory, args.db is not None, tidy, save_to)

    def _print_samples(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        if args.top and not args.interval:
            self._print_at_the_end(answers, args)
        elif args.is_whole:
            self._print_objects(answers, args)
        else:
            args.columns = args.columns or self._usual_columns(args)
            super()._print_samples(answers, args)

    def _usual_columns(self, args: argparse.Namespace) -> list[str]:
        if not args.is_table:
            return [name for name in self.row_class(args)._fields if name not in _NOT_ELSEWHERE]
        return list(_TOP_ROW_BY_ROW if args.top else _IN_A_TABLE)

    def _print_objects(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        """Print each sample as an object of JSON, whose keys are those of the sample."""
        formatter = formats.Formatters()["json"].obj
        for answer in answers:
            self.print_notes([answer], args)
            for row in answer.result.rows:
                row = {"host": answer.host, **row} if answer.host else row
                formatter.emit_more(list(row), [list(row.values())], self.app.stdout, args, False)
            self.app.stdout.flush()

    def _print_at_the_end(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        """Print one table, also when it ends with Ctrl-C."""
        latest: dict[str | None, Answer] = {}
        try:
            for answer in answers:
                self.print_notes([answer], args)
                latest[answer.host] = answer._replace(result=Table(top_talkers.TopTalker._fields, answer.result.rows))
        finally:
            if latest:
                args.columns = args.columns or self._columns_of_talkers(latest.values(), args)
                self.emit_answers(args, list(latest.values()))
                self.app.stdout.flush()

    def _columns_of_talkers(self, answers: Iterable[Answer], args: argparse.Namespace) -> list[str]:
        """All, but for a table; and people need not be told the one agent that there is."""
        if args.formatter != "table" or args.all_columns:
            return []
        agents = {row.agent for answer in answers for row in answer.result.rows}
        is_one = self.is_for_people(args) and len(agents) == 1
        return [name for name in _TOP_IN_A_TABLE if not (is_one and name == "agent")]

    def view(self, args: argparse.Namespace, sort: str | None, descending: bool) -> "TalkersView":
        from ovstool.terminal.live.cells import Characters
        from ovstool.terminal.live.talkers import TalkersView

        characters = Characters(encoding_of(self.app.stdout))
        return TalkersView(args.by or "flow", sort, descending, characters, args.pace, len(args.targets) > 1)

    def details(self, seen: "Seen", args: argparse.Namespace) -> Iterable[str]:
        from ovstool.terminal.live import talkers

        return talkers.page(seen)


def _require_another_file(read: str | None, pcap: str | None) -> None:
    """Raises UsageError when what is to be written would take the place of what is to be read, or is standard output."""
    if pcap == listening.STDIN:
        raise UsageError("--pcap -", "is not written to standard output, which has the rows", "--pcap >(wireshark -k -i -), in bash")
    if read is not None and pcap is not None:
        with suppress(OSError):  # what is not there is not the same
            if os.path.samestat(os.fstat(0) if read == listening.STDIN else os.stat(read), os.stat(pcap)):
                raise UsageError("--pcap", "names the file that --read reads", "--pcap with another file")


def _samples(listener: heard.Listener, is_whole: bool) -> Generator[list, None, None]:
    rows = listener.whole_rows if is_whole else listener.short_rows
    with closing(listener.heard()) as batches:
        for datagrams in batches:
            yield list(rows(datagrams))


def _for_people(row: Any) -> Any:
    """A row of samples or talkers with the agent's name in place of its address."""
    return row._replace(agent=row.agent_name or row.agent or "?")
