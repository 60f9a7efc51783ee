"""Which problems of ``qos check`` and ``police check`` mean that what was asked for does not happen, and which may only surprise."""

WARNINGS = frozenset(
    [
        "QoS on an internal port limits the other direction",
        "QoS row shared by several ports",
        "a burst without a rate",
        "a flow leads to a queue that is not there",
        "burst much larger than the rate",
        "burst too small for TCP",
        "link speed unknown and no max-rate",
        "no flow leads to a queue",
        "no queue 0 for unclassified traffic",
        "policing of an internal port limits the other direction",
        "queue's max above the port's",
        "rows that nothing refers to",
        "stats-update-interval is unusual",
        "traffic goes in the other direction than the limit",
    ]
)
ERRORS = frozenset(
    [
        "QoS type not known",
        "QoS type not supported by this interface",
        "a foreign qdisc is in the way",
        "a key that is spelt wrong",
        "a rate and a packet rate together",
        "burst under the MTU",
        "min above max",
        "number of a queue too high",
        "policing has no effect on the userspace datapath",
        "policing is not installed",
        "policing not supported by this interface",
        "queues cannot be selected on the userspace datapath",
        "rate above what this Open vSwitch can hold",
        "sum of min rates above the max rate",
        "the interface is not open",
        "the qdisc is not installed",
        "the row of a queue is gone",
        "value not an integer",
    ]
)


def severity_of(problem: str) -> str:
    assert problem in WARNINGS | ERRORS, f"{problem}: is it an error or a warning?"
    return "warning" if problem in WARNINGS else "error"
