"""The problems of ``qos check`` and ``police check`` that are errors (the configuration has no effect), and those that are warnings."""

WARNINGS = frozenset(
    [
        "QoS on an internal port limits the other direction",
        "QoS row shared by several ports",
        "a burst without a rate",
        "a flow leads to a queue that is not there",
        "no packet matches this",
        "burst above what this Open vSwitch can hold",
        "burst longer than tc can hold",
        "burst much larger than the rate",
        "burst too small for TCP",
        "dscp of queue 0 marks nothing by itself",
        "link speed of a tap and no max-rate",
        "link speed unknown and no max-rate",
        "max-rate above the link's speed",
        "no flow leads to a queue",
        "no queue 0 for unclassified traffic",
        "packet burst much larger than the rate",
        "policing of an internal port limits the other direction",
        "priority of a queue too high",
        "queue's max above the port's",
        "rate of a queue under the least",
        "rows that nothing refers to",
        "stats-update-interval is unusual",
        "traffic goes in the other direction than the limit",
    ]
)
ERRORS = frozenset(
    [
        "QoS has no effect on ports of AF_XDP",
        "QoS type not known",
        "QoS type not supported by this interface",
        "a foreign qdisc is in the way",
        "a key that is spelt wrong",
        "a key that this Open vSwitch does not read",
        "a packet rate on a port of DPDK",
        "a rate and a packet rate together",
        "a rate that is none",
        "burst under the MTU",
        "min above max",
        "number of a queue too high",
        "policing has no effect on ports of AF_XDP",
        "policing has no effect on the userspace datapath",
        "policing is not installed",
        "policing not supported by this interface",
        "queues cannot be selected on the userspace datapath",
        "queues of linux-hfsc without a max on a fast port",
        "rate above what this Open vSwitch can hold",
        "sum of min rates above the max rate",
        "the interface is not open",
        "the qdisc is not installed",
        "the row of a queue is gone",
        "value not an integer",
        "value out of range",
    ]
)


def severity_of(problem: str) -> str:
    assert problem in WARNINGS | ERRORS, f"{problem}: is it an error or a warning?"
    return "warning" if problem in WARNINGS else "error"


DISABLING = frozenset(  # problems that leave all of the configuration without effect
    [
        "QoS has no effect on ports of AF_XDP",
        "QoS type not known",
        "QoS type not supported by this interface",
        "a foreign qdisc is in the way",
        "a rate and a packet rate together",
        "policing has no effect on ports of AF_XDP",
        "policing has no effect on the userspace datapath",
        "policing is not installed",
        "policing not supported by this interface",
        "the interface is not open",
        "the qdisc is not installed",
    ]
)


# The errors of ``sflow check``.
SFLOW_WARNINGS = frozenset(
    [
        "a target of this check is left",
        "another program changes sFlow",
        "header too long for tunnels",
        "header too short",
        "packets pass and none is sampled",
        "the agent's address is a loopback address",
        "the next hop to a collector does not answer",
    ]
)
SFLOW_ERRORS = frozenset(
    [
        "ovs-vswitchd has not set up the bridge",
        "ovs-vswitchd sends from an address that is gone",
        "polling out of range",
        "a collector refuses datagrams",
        "bridges have one sub-agent",
        "counters differ from the switch's",
        "datagrams are malformed",
        "datagrams have another agent address",
        "header too long",
        "no datagram leaves ovs-vswitchd",
        "no route to a collector",
        "not the address of a collector",
        "ovs-vswitchd does not send to a collector",
        "ovs-vswitchd is not running",
        "ovs-vswitchd is stopped",
        "samples have another sampling rate",
        "sampling out of range",
        "sending to a collector fails",
        "the agent has no address",
        "the agent is no interface of this host",
        "the interface to a collector is down",
    ]
)
