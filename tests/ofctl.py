"""Parses the counters and ports that ovs-ofctl prints; ``?`` becomes None."""

import re
from collections.abc import Mapping

LOCAL = 65534
_COUNTERS = {
    "rx pkts": "rx_packets", "rx bytes": "rx_bytes", "rx drop": "rx_dropped", "rx errs": "rx_errors", "rx frame": "rx_frame_err",
    "rx over": "rx_over_err", "rx crc": "rx_crc_err", "tx pkts": "tx_packets", "tx bytes": "tx_bytes", "tx drop": "tx_dropped",
    "tx errs": "tx_errors", "tx coll": "collisions",
}  # fmt: skip
_QUEUE_COUNTERS = {"bytes": "tx_bytes", "pkts": "tx_packets", "errors": "tx_errors"}


def port_stats(text: str) -> dict[int, dict[str, int | float | None]]:
    """The counters of each port, in the order printed, with ``duration`` in seconds where ovs-ofctl prints it."""
    found: dict[int, dict[str, int | float | None]] = {}
    prefix = ""
    for line in text.splitlines():
        if line.startswith("OFPST_PORT reply"):  # a reply of several parts repeats the header
            continue
        if port := re.match(r"  port +(\w+): ", line):
            row = found[_port(port[1])] = {}
        if "CUSTOM Statistics" in line:
            prefix = "custom"
        elif way := re.search(r"(?:^ {11}|: )(rx|tx) ", line):
            prefix = way[1]
        for name, value in re.findall(r"([\w.-]+)=([\d.]+|\?)", line):
            if name == "duration":
                row[name] = float(value)
            else:
                row[name if prefix == "custom" else _COUNTERS[f"{prefix} {name}"]] = _number(value)
    return found


def queue_stats(text: str) -> dict[tuple[int, int], dict[str, int | float | None]]:
    """The counters of each queue, by port and queue."""
    found = {}
    for port, queue, counters, duration in re.findall(r"^  port (\w+) queue (\d+): (.*), duration=([\d.]+|\?)", text, re.MULTILINE):
        pairs = re.findall(r"(\w+)=(\d+|\?)", counters)
        found[_port(port), int(queue)] = {_QUEUE_COUNTERS[name]: _number(value) for name, value in pairs}
        found[_port(port), int(queue)]["duration"] = None if duration == "?" else float(duration)
    return found


def known(row: Mapping[str, int | float | None]) -> dict[str, int | float]:
    """The counters that the switch supports."""
    return {name: value for name, value in row.items() if value is not None and name != "duration"}


def _port(word: str) -> int:
    return LOCAL if word == "LOCAL" else int(word)


def _number(value: str) -> int | None:
    return None if value == "?" else int(value)
