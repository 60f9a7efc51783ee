"""What a document may say: the fields of bridges and ports. Errors, the JSON Schema, the manual and what is exported come from here.

A setting is a field's value by its path, such as ``("qos", "queues", "1", "min")``: documents and switches are compared by these.
"""

import re
from typing import Any

from ovstool import units
from ovstool.document.kinds import (
    PAIRS,
    RATE,
    SIZE,
    SWITCH,
    VLAN,
    VLANS,
    Field,
    Keyed,
    List,
    Object,
    Value,
    checked,
    choice,
    near,
    text,
    whole,
)
from ovstool.errors import UsageError, quote
from ovstool.switch import sflow
from ovstool.switch.accepts import controllers, port_modes, qos_types
from ovstool.switch.port import mtu
from ovstool.switch.sflow import targets

Path = tuple[str, ...]
Settings = dict[Path, Any]
MOST_QUEUES = 2**32 - 2  # OFPQ_ALL is the last number (OpenFlow 1.3.5, 7.2.2)
NAME = "[A-Za-z0-9._-]{1,64}"  # of a document
SHORT = ("peer", "remote_ip", "key")  # options that are fields of their own


def _collector(typed: str) -> str:
    found = targets.parse_collector(typed)
    if not targets.is_ip(found.host):
        raise UsageError(quote(typed), "ovs-vswitchd resolves names too late or not at all", "an IP address")
    return targets.target(*found)


def _flow(typed: str) -> str:
    from ovstool.switch.flow import whole  # most documents have none

    return whole.checked(typed)


def _qos_type(typed: str) -> str:
    if (name := qos_types.full_name(typed)) not in qos_types.NAMES:
        short = [known.removeprefix("linux-") for known in qos_types.NAMES]
        raise UsageError(quote(typed), f"not one of {', '.join(short)}", near(typed, short))
    return name


def _document_name(typed: str) -> str:
    if not re.fullmatch(NAME, typed):
        raise UsageError(quote(typed), "not 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen", "name: edge-1")
    return typed


_QUEUE = Object(
    {
        "min": Field(RATE, "rate that the queue is guaranteed"),
        "max": Field(RATE, "most that it may send"),
        "burst": Field(SIZE, "burst size"),
        "priority": Field(whole(0, 2**32 - 1), "the lowest number gets spare bandwidth first"),
        "dscp": Field(whole(0, 63), "DSCP that its packets are marked with"),
    }
)
_QOS = Object(
    {
        "type": Field(
            Value(_qos_type, {"type": "string", "examples": ["htb", *qos_types.NAMES]}),
            f"kind of shaping, with or without linux- (default: {qos_types.DEFAULT})",
            removable=False,
        ),
        "max_rate": Field(RATE, "rate that all queues share"),
        "burst": Field(SIZE, "burst size of a policer"),
        "other_config": Field(PAIRS, "keys of QoS.other_config, such as limit"),
        "queues": Field(
            Keyed(Value(whole(0, MOST_QUEUES).parse, {"pattern": "^[0-9]+$"}), _QUEUE, "a queue"),
            "queues by their numbers",
            removable=False,
        ),
    }
)
_POLICE = Object(
    {
        "rate": Field(RATE, "most that the port may receive, in steps of 1 kbit/s"),
        "burst": Field(SIZE, "burst size, in steps of 1 kbit (default: 210 ms at the rate plus one frame, at least 128 kbit)"),
        "packet_rate": Field(whole(1, units.MAX), "most packets per second, in steps of 1000"),
        "packet_burst": Field(whole(1, units.MAX), "burst size in packets, in steps of 1000"),
    }
)
_BOND = Object(
    {
        "interfaces": Field(List(text("eth2")), "the members", removable=False),
        "mode": Field(choice(port_modes.BOND_MODES), "how the bond shares traffic"),
        "lacp": Field(choice(("active", "passive", "off")), "LACP"),
    }
)
PORT = Object(
    {
        "type": Field(text("internal", default="system"), "system (a device), internal, patch, vxlan, geneve, gre and so on"),
        "tag": Field(VLAN, "VLAN of an access or dot1q-tunnel port, or the native VLAN"),
        "trunks": Field(VLANS, "VLANs of a trunk or native port, such as [10, 20-29]"),
        "vlan_mode": Field(choice(port_modes.VLAN_MODES), "how the port treats VLANs (default: access with a tag, else trunk)"),
        "peer": Field(text("patch1"), "the patch port at the other end; implies type patch"),
        "remote_ip": Field(text("192.0.2.7"), "the other end of a tunnel"),
        "key": Field(text("42"), "key of a tunnel: a VNI, a GRE key, or flow"),
        "options": Field(PAIRS, "other keys of Interface.options"),
        "mtu": Field(whole(mtu.LEAST, mtu.MOST), "MTU in bytes"),
        "external_ids": Field(PAIRS, "keys of Interface.external_ids, such as iface-id; for a bond those of each member"),
        "other_config": Field(PAIRS, "keys of Port.other_config"),
        "bond": Field(_BOND, "the members of a bond, and how they work together"),
        "qos": Field(_QOS, "what the port sends: rates and queues (egress QoS)"),
        "police": Field(_POLICE, "what the port may receive (ingress policing); for a bond the limit of each member"),
    }
)
_PORTS = List(text("eth1"))
_MIRROR = Object(
    {
        "select_all": Field(SWITCH, "mirror all packets of the bridge"),
        "select_src_ports": Field(_PORTS, "mirror what these ports receive"),
        "select_dst_ports": Field(_PORTS, "mirror what these ports send"),
        "select_vlans": Field(VLANS, "mirror only packets in these VLANs"),
        "output_port": Field(text("tap0"), "where the copies go"),
        "output_vlan": Field(whole(1, 4095), "the VLAN in which the copies go"),
        "snaplen": Field(whole(14, 65535), "bytes of each packet that are mirrored (default: all)"),
    }
)
_SFLOW = Object(
    {
        "collectors": Field(List(checked(_collector, "10.0.0.5:6343")), "where samples go (default port: 6343)", removable=False),
        "agent": Field(checked(targets.parse_agent, "eth0"), "interface or address that identifies the switch"),
        "sampling": Field(whole(1, sflow.MOST_SAMPLING), "one packet in this many is sampled (default: 400)"),
        "polling": Field(whole(0, sflow.MOST_POLLING_S), "counters are sent every so many seconds (default: 30)"),
        "header": Field(whole(1, sflow.MOST_HEADER), "bytes of each sampled packet (default: 128)"),
    }
)
BRIDGE = Object(
    {
        "datapath_type": Field(text("netdev", default="system"), "system (kernel), netdev (userspace) or another type"),
        "fail_mode": Field(choice(("standalone", "secure")), "what the bridge does without a controller"),
        "protocols": Field(List(checked(controllers.parse_protocol, "OpenFlow13")), "OpenFlow versions that are allowed"),
        "controllers": Field(List(checked(controllers.parse_target, "tcp:192.0.2.1:6653")), "OpenFlow controllers"),
        "external_ids": Field(PAIRS, "keys of Bridge.external_ids"),
        "other_config": Field(PAIRS, "keys of Bridge.other_config"),
        "sflow": Field(_SFLOW, "samples that are exported"),
        "mirrors": Field(Keyed(text("m0"), _MIRROR, "a mirror"), "mirrors by name", removable=False),
        "flows": Field(
            List(checked(_flow, "priority=10,in_port=eth1,ip actions=output:eth2")),
            "all OpenFlow flows of the bridge, in the syntax of ovs-ofctl",
            removable=False,
        ),
        "ports": Field(Keyed(text("eth1"), PORT, "a port"), "ports by name, or by iface-id:ID", removable=False),
    }
)
DOCUMENT = Object(
    {
        "name": Field(
            Value(_document_name, {"type": "string", "pattern": f"^{NAME}$"}),
            "the name under which it owns what it changes (default: that of its file); null: it owns nothing",
        ),
        "bridges": Field(Keyed(text("br0"), BRIDGE, "a bridge"), "bridges by name", removable=False),
    }
)
