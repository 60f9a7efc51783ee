"""Samples and talkers in a few words, for people (pure)."""

from collections.abc import Callable, Iterator
from typing import Any

from ovstool.sflow import counter_records
from ovstool.sflow.datagram import Counter, Drop, Interface, Sample, reason
from ovstool.units import human, human_rate

Fields = dict[str, Any]

_PROTOCOLS = {
    1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 41: "ip6", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6", 89: "ospf", 103: "pim",
    112: "vrrp", 132: "sctp",
}  # fmt: skip
_DISCARDED, _MULTIPLE = 1, 2  # formats of an interface
_SOURCES = {0: "", 1: "vlan ", 2: "entity "}


def conversation(
    src: str | None, dst: str | None, ip_proto: int | None, src_port: int | None, dst_port: int | None, vlan: int | None
) -> str:
    """Who talks to whom: ``tcp 10.0.0.1:5001 > 10.0.0.2:80``, with the VLAN where there is one."""
    is_arp = ip_proto is None and "." in (src or "")  # IPv4 addresses without a protocol above them
    protocol = "arp " if is_arp else "" if ip_proto is None else f"{_PROTOCOLS.get(ip_proto, f'ip-proto-{ip_proto}')} "
    return f"{protocol}{endpoint(src, src_port)} > {endpoint(dst, dst_port)}" + (f" vlan {vlan}" if vlan is not None else "")


def endpoint(address: str | None, port: int | None) -> str:
    if port is None:
        return address or "?"
    return f"[{address}]:{port}" if address and ":" in address else f"{address}:{port}"


def interface(where: Interface, name: str | None) -> str:
    """An interface by its name, else its ifIndex, or what stands in its place (sFlow v5, struct interface)."""
    if name or where.if_index is not None:
        return name or str(where.if_index)
    if where.is_internal:
        return "internal"
    return "drop" if where.kind == _DISCARDED else f"{where.value} ports" if where.kind == _MULTIPLE and where.value else "?"


def source(sample: Counter) -> str:
    """A source without a port name: its ifIndex, or its type and index (sFlow v5, section 5.3, sflow_data_source).

    Counters of an Open vSwitch datapath belong to the ``switch`` as a whole: the index is an arbitrary number (dpif_sflow_set_options).
    """
    if any(record.tag == counter_records.DATAPATH for record in sample.records):
        return "switch"
    prefix = _SOURCES.get(sample.source_type, f"{sample.source_type}:")
    return f"{prefix}{sample.source_index}"


def of_sample(sample: Sample) -> str:
    """What a sample is about: the conversation that a packet is part of, or the most useful counters."""
    if isinstance(sample, Counter):
        return f"counters: {_counters(sample)}"
    why = f"dropped, {reason(sample.reason)}: " if isinstance(sample, Drop) else ""
    traffic = sample.traffic()
    if traffic is None:
        return f"{why}packet of an unknown type"
    return why + conversation(traffic.src, traffic.dst, traffic.ip_proto, traffic.src_port, traffic.dst_port, traffic.vlan_vid)


def _counters(sample: Counter) -> str:
    """The counters that people look for; where there are none of these, the names of the structures."""
    fields = counter_records.fields(sample.records)
    values = [words for name, describe in _COUNTERS.items() if isinstance(fields.get(name), dict) for words in describe(fields[name])]
    names = [counter_records.STRUCTURES[record.tag].name for record in sample.records if record.tag in counter_records.KNOWN]
    return ", ".join(values or names) or "of unknown formats"


def _of_interface(row: Fields) -> Iterator[str]:
    yield from _octets("in", row["if_in_octets"])
    yield from _octets("out", row["if_out_octets"])
    yield from _nonzero(row, {"if_in_errors": "in errors", "if_out_errors": "out errors"})
    yield from _nonzero(row, {"if_in_discards": "in discards", "if_out_discards": "out discards"})
    if row["if_speed_bps"]:
        yield human_rate(row["if_speed_bps"])
    if row["if_oper_status"] == "down":
        yield "down"


def _of_ethernet(row: Fields) -> Iterator[str]:
    return _nonzero(row, {name: name.replace("_", " ") for name in row if name != "deferred_transmissions"})


def _of_host_network(row: Fields) -> Iterator[str]:
    yield from _octets("in", row["in_bytes"])
    yield from _octets("out", row["out_bytes"])
    yield from _nonzero(row, {name: name.replace("_", " ") for name in ("in_errors", "out_errors", "in_drops", "out_drops")})


def _of_datapath(row: Fields) -> Iterator[str]:
    return (f"{name} {row[name]}" for name in ("hits", "misses", "lost", "flows") if row[name] is not None)


def _of_processor(row: Fields) -> Iterator[str]:
    if row["cpu_5s_percent"] is not None:
        yield f"cpu {row['cpu_5s_percent']:g}%"


def _of_host_cpu(row: Fields) -> Iterator[str]:
    if row["load_1m"] is not None:
        yield f"load {row['load_1m']:g}"


def _of_vlan(row: Fields) -> Iterator[str]:
    yield f"vlan {row['vlan_id']}"
    yield from _octets("total", row["octets"])


def _octets(direction: str, octets: int | None) -> Iterator[str]:
    if octets is not None:
        yield f"{direction} {human(octets, 'B')}"


def _nonzero(row: Fields, names: dict[str, str]) -> Iterator[str]:
    return (f"{words} {row[name]}" for name, words in names.items() if row[name])


_COUNTERS: dict[str, Callable[[Fields], Iterator[str]]] = {
    "if_counters": _of_interface, "ethernet_counters": _of_ethernet, "vlan_counters": _of_vlan, "host_net_io": _of_host_network,
    "processor": _of_processor, "host_cpu": _of_host_cpu, "ovs_dp_stats": _of_datapath,
}  # fmt: skip
