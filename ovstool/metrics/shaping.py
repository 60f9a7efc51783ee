"""Configured rates: QoS, its queues, and policing, with what policing has dropped."""

from ovstool.metrics.database import Database
from ovstool.metrics.reading import Labels, Reading
from ovstool.ovsdb.values import mapping
from ovstool.switch import Switch, police
from ovstool.switch.accepts import qos_types

_BITS = 8
_RATES = {"ovs_queue_min_rate_bytes_per_second": "min_rate", "ovs_queue_max_rate_bytes_per_second": "max_rate"}
_DEVICES = ("system", "internal", "tap")  # which are policed with tc


def collect_qos(database: Database, reading: Reading) -> None:
    """Add the rates of QoS and queues that are configured."""
    rows, queues = database.tables["QoS"].rows(), database.tables["Queue"].rows()
    for u, qos in sorted(database.shaped(), key=lambda shaped: database.labels[shaped[0]]):
        if not (row := rows.get(qos)):
            continue
        labels = _of_port(database.labels[u])
        kind = qos_types.named(str(row["type"]))
        rate = kind.port_shape(mapping(row["other_config"])).max_rate
        reading.add("ovs_qos_max_rate_bytes_per_second", (*labels, str(row["type"])), _bytes(rate))
        for number, queue in sorted(mapping(row["queues"]).items()):
            if queue in queues:
                shape = kind.queue_shape(mapping(queues[queue]["other_config"]))
                for family, part in _RATES.items():
                    reading.add(family, (*labels, str(number)), _bytes(getattr(shape, part)))


def collect_policing(switch: Switch, database: Database, reading: Reading) -> None:
    """Add the limits of policing, and what it has dropped. Raises OvstoolError when tc, which counts that, cannot be asked."""
    table = database.tables["Interface"]
    every = zip(*(table.values(column) for column in police.COLUMNS), strict=True)
    limits = {u: of_one for u, of_one in zip(table.uuids, every, strict=True) if any(of_one)}
    policed = []
    for u, labels in database.labels.items():
        if u not in limits:
            continue
        rate, burst, packet_rate, packet_burst = (value or 0 for value in limits[u])
        if not rate and not packet_rate:
            continue
        policed.append(labels)
        if rate:
            reading.add("ovs_policing_rate_bytes_per_second", _of_port(labels), _bytes(rate * 1000))
            reading.add("ovs_policing_burst_bytes", _of_port(labels), _bytes((burst or police.BURST_OF_ZERO_KBIT) * 1000))
        if packet_rate:
            reading.add("ovs_policing_rate_packets_per_second", _of_port(labels), packet_rate * 1000)
            reading.add("ovs_policing_burst_packets", _of_port(labels), (packet_burst or police.BURST_OF_ZERO_KPKTS) * 1000)
    _add_drops(switch, [labels for labels in policed if labels[3] in _DEVICES], reading)


def _add_drops(switch: Switch, policed: list[Labels], reading: Reading) -> None:
    if not policed:
        return
    from ovstool.switch.checks import datapath  # most switches police nothing

    policers = datapath.policers(switch, [labels[2] for labels in policed])
    for labels in policed:
        if installed := policers.get(labels[2]):
            reading.add("ovs_policing_dropped_packets_total", _of_port(labels), sum(policer.dropped for policer in installed))


def _of_port(labels: Labels) -> Labels:
    bridge, port, interface, _, iface_id = labels
    return bridge, port, interface, iface_id


def _bytes(bits: int | None) -> int | float | None:
    return None if bits is None else bits // _BITS if bits % _BITS == 0 else bits / _BITS
