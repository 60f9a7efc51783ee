"""ovstool sflow listen"""

import argparse
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TextIO

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
from ovstool.terminal.window import encoding_of, window_width

if TYPE_CHECKING:
    from ovstool.terminal.live.talkers import TalkersView
    from ovstool.terminal.live.view import Seen

_MOST, _MOST_LIVE = 20, 1000  # talkers where no --limit is given
_IN_A_TABLE = ("time", "agent", "ports", "sample")
_WITH_LENGTHS = 88  # columns of a window in which a TCP conversation and its frame length fit on one line
_NOT_ELSEWHERE = ("ports",)  # which says the same as two other columns
_TOP_IN_A_TABLE = ("agent", "talker", "bps", "error_percent", "pps", "samples")
_TOP_ROW_BY_ROW = ("time", "agent", "talker", "bps", "error_percent")


class SflowListen(SwitchStream):
    """Receive and decode sFlow samples, and show the top talkers

    Listens on a local UDP port, or on the remote host with --host, which needs only python3, or tcpdump and root privileges.
    Decodes sFlow version 5 from any agent and prints a row for each sample as it arrives. On exit it reports, for each agent,
    how many datagrams were lost or duplicated (by sequence number), and how many were malformed. Duplicates are not shown.

    --top lists the talkers with the highest bit rate. Rates are estimated: each sample is scaled by its sampling rate.
    error_percent is the 95% error for that number of samples: within 20% for 100 samples of equal-sized packets, within 2% for
    10,000. Rates count whole Ethernet frames. A packet is counted once by each agent that samples it, and twice by an agent that
    samples it on both ingress and egress. On a terminal this is a live table of averages over the last 10 intervals: the arrow
    keys scroll, / filters, s sorts, + and - change the interval, Enter shows details, ? lists all keys, q quits. Otherwise, with
    -f or with --read, it is one table at the end; with --interval, rows for each interval (-f json: one object per line).

    Port names and VIF iface-ids are shown if the agent is the switch that this command is connected to, otherwise ifIndexes.
    Agent names come from the inventory.

    -f json prints one object per line: time, kind (flow, counter or drop), agent, sub_agent, datagram_sequence, uptime_ms,
    source (type:index) and sequence. Flow samples have sampling_rate, sample_pool, drops, input and output (ifIndexes),
    frame_bytes, header_bytes, and the packet header under the field names of 'flow' (eth_src, vlan_vid, ip_src, tcp_dst and so
    on), prefixed with inner_ for the packet inside a tunnel. All other records have the names of the sFlow specifications, such
    as extended_switch, if_counters or port_name, with units as suffixes. Added to these are agent_name, input_port,
    input_iface_id, output_port and output_iface_id, for counters port and iface_id. Unknown values are null.
    ovstool-sflow(1) lists all keys.

    Examples:
      ovstool sflow listen
      ovstool sflow listen --top --by src
      ovstool sflow listen --count 100 -f json | \\
        jq -r 'select(.kind == "flow").ip_src'
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
            help=f"UDP port (default: {PORT}; 0: any free port); with --read: only datagrams to this port",
        )
        parser.add_argument(
            "--bind", metavar="IP", type=parsed_by(parse_local_address), help="local IP address to listen on (default: all addresses)"
        )
        parser.add_argument("--read", metavar="FILE", type=word, help="read datagrams from a pcap or pcapng file, or - for stdin")
        parser.add_argument(
            "--agent", metavar="HOST", action="append", type=word, help="only samples from this agent, by address or name; repeatable"
        )
        parser.add_argument(
            "--count", metavar="N", type=number(1, 10**9), help="stop after N samples of any kind: flow, counter and drop samples all count"
        )
        parser.add_argument("--for", metavar="S", type=seconds, dest="for_s", help="stop after S seconds (default: until Ctrl-C)")
        parser.add_argument(
            "--pcap", metavar="FILE", type=word, help="write the sampled packet headers to this file in pcapng format, overwriting it"
        )
        parser.add_argument("--top", action="store_true", help="show the talkers with the most traffic")
        parser.add_argument("--by", choices=tuple(talkers.KEYS), help="group talkers by this (default: flow; port: the ingress port)")
        parser.add_argument("--interval", metavar="S", type=interval, help="seconds between updates of --top (default on a terminal: 1)")
        parser.add_argument(
            "--limit", metavar="N", type=number(1, 10**4), help="maximum number of talkers (default: 20; in the live table 1000)"
        )
        return parser

    def row_class(self, args: argparse.Namespace) -> Any:
        return top_talkers.TopTalker if args.top else heard.ListedSample

    def streams(self, args: argparse.Namespace) -> bool:
        return True

    def prepare(self, args: argparse.Namespace) -> None:
        for option in ("by", "interval", "limit"):
            if getattr(args, option) is not None and not (args.top or args.watch):
                raise UsageError(f"--{option}", "needs --top", "ovstool sflow listen --top")
        if args.read is not None:
            if args.bind is not None:
                raise UsageError("--bind", "cannot be used with --read")
            if len(args.targets) > 1:
                raise UsageError("--read", "cannot be used with several hosts")
        if args.sort_columns and not args.top:
            raise UsageError("--sort-column", "samples are printed as they arrive; only --top can be sorted", "ovstool sflow listen --top")
        if not args.top or (args.interval and not args.watch):
            formats.row_by_row(args.formatter)
        self._check_columns(args)
        args.is_whole = args.formatter == "json" and not args.columns and not args.top
        args.is_table = args.formatter in ("table", *formats.TABLE_STYLES) and not (args.columns or args.all_columns)
        _require_another_file(args.read, args.pcap)

    def _check_columns(self, args: argparse.Namespace) -> None:
        """Raises UsageError for an unknown column; in JSON it may be a key that only the objects have."""
        try:
            self.check_columns(args, [*self.row_class(args)._fields, "host"])
        except UsageError as error:
            if args.formatter == "json" and not args.top:
                hint = "-f json without -c, and jq to select keys"
                raise UsageError(error.what, "not a column of the table, and -c selects no other keys", hint) from error
            raise

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        args = parsed_args
        args.watch = args.top and not (args.formatter or args.all_columns or args.read) and sys.stdin and sys.stdin.isatty()
        args.formatter = args.formatter or self.formatter_default
        args.watch = self.is_live(args)
        with ended_by_signals(), closing(sampled_headers.SampledHeaders(args.pcap or "")) as args.headers:
            try:
                return super().take_action(args)
            finally:
                if args.headers.is_open and args.pcap.endswith((".pcap", ".cap")):
                    self.note(f"{args.pcap}: written as pcapng", args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Iterator[Sample]:
        listener = heard.Listener(switch, self._spec(args))
        if args.top:
            wanted = top_talkers.TopSpec(args.by or "flow", args.limit or (_MOST_LIVE if args.watch else _MOST), args.interval, args.pace)
            batches = top_talkers.top(listener, wanted, args.read is not None)
        else:
            batches = _samples(listener, args.is_whole)
        has_lengths = _has_room_for_lengths(self.app.stdout)
        with closing(batches):  # so that the summary is there also when Ctrl-C comes between two of them
            for rows in batches:
                yield Sample([_for_people(row, has_lengths) for row in rows] if args.is_table and not args.watch else rows)

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

    def live_title(self, args: argparse.Namespace) -> str:
        """The source of the data, which is not the database: the UDP port, where it is known before it is opened."""
        port = PORT if args.port is None else args.port
        return f"sFlow, UDP port {port}" if port else self.title

    def view(self, args: argparse.Namespace, sort: str | None, descending: bool) -> "TalkersView":
        from ovstool.terminal.live.cells import Characters
        from ovstool.terminal.live.talkers import TalkersView

        characters = Characters(encoding_of(self.app.stdout))
        return TalkersView(args.by or "flow", sort, descending, characters, args.pace, len(args.targets) > 1)

    def details(self, seen: "Seen", args: argparse.Namespace) -> Iterable[str]:
        from ovstool.terminal.live import talkers

        return talkers.page(seen)


def _require_another_file(read: str | None, pcap: str | None) -> None:
    """Raises UsageError when the output file is the input file or stdout."""
    if pcap == listening.STDIN:
        raise UsageError("--pcap -", "cannot write to stdout, where the samples are printed", "--pcap >(wireshark -k -i -), in bash")
    if read is not None and pcap is not None:
        with suppress(OSError):  # what is not there is not the same
            if os.path.samestat(os.fstat(0) if read == listening.STDIN else os.stat(read), os.stat(pcap)):
                raise UsageError("--pcap", "the same file as --read", "--pcap with another file")


def _samples(listener: heard.Listener, is_whole: bool) -> Generator[list, None, None]:
    rows = listener.whole_rows if is_whole else listener.short_rows
    with closing(listener.heard()) as batches:
        for datagrams in batches:
            yield list(rows(datagrams))


def _for_people(row: heard.ListedSample | top_talkers.TopTalker, has_lengths: bool) -> Any:
    """A row with the agent's name instead of its address, and where ``has_lengths`` with the frame length behind a conversation."""
    row = row._replace(agent=row.agent_name or row.agent or "?")
    if has_lengths and isinstance(row, heard.ListedSample) and row.frame_bytes is not None:
        return row._replace(sample=f"{row.sample} {row.frame_bytes} B")
    return row


def _has_room_for_lengths(stdout: TextIO) -> bool:
    """Whether rows have room for frame lengths; in narrower windows each row would take two lines."""
    return not stdout.isatty() or window_width() >= _WITH_LENGTHS
