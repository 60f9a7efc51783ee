"""Samples and talkers in a few words, for people (pure)."""

from ovstool.sflow import counter_records
from ovstool.sflow.datagram import Counter, Drop, Interface, Sample, reason

_PROTOCOLS = {
    1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 41: "ip6", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6", 89: "ospf", 103: "pim",
    112: "vrrp", 132: "sctp",
}  # fmt: skip
_DISCARDED, _MULTIPLE = 1, 2  # formats of an interface


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


def of_sample(sample: Sample) -> str:
    """What a sample is about: the conversation that a packet is part of, or which counters there are."""
    if isinstance(sample, Counter):
        names = [counter_records.STRUCTURES[record.tag].name for record in sample.records if record.tag in counter_records.KNOWN]
        return f"counters: {', '.join(names) or 'of unknown formats'}"
    why = f"dropped, {reason(sample.reason)}: " if isinstance(sample, Drop) else ""
    traffic = sample.traffic()
    if traffic is None:
        return f"{why}a packet of an unknown kind"
    return why + conversation(traffic.src, traffic.dst, traffic.ip_proto, traffic.src_port, traffic.dst_port, traffic.vlan_vid)
