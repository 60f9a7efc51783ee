"""Names allowed for a new bridge or port, and names that flows or command lines would take for something else."""

import pytest

from ovstool.errors import UsageError
from ovstool.switch.accepts import new_names

LENGTH = "a name has 1 to 255 bytes"
FORM = "a name has no spaces, slashes or control characters, and does not start like an option or a selector"
MEANING = "has another meaning in flows, so ovs-ofctl could not refer to it"
# The named ports of OpenFlow in lib/ofp-port.c, OFPUTIL_NAMED_PORTS and OFPUTIL_NAMED_PORTS_WITH_NONE.
PORTS = ("IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "ANY", "UNSET", "NONE")


@pytest.mark.parametrize(
    "name",
    [
        "br0", "eth1.100", "x", "x" * 255, "ü" * 127, "a-b", "a.b", "...", "nätzwerk", "iface-id", "macvlan0", "ofports", "a:b", "localnet", "in_port1",
        "drop", "0x", "1a", "x1", "0xg", "a--", "+", "1.5", "acti",
    ],
)  # fmt: skip
def test_allowed_names(name):
    new_names.check(name, "port")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["", "x" * 256, "ü" * 128, "\ud800" * 256], LENGTH),
        (["a b", "a\u00a0b", "a\tb", "a\nb", "a/b", "/", "a\x00", "\x1b[31m", "\u202ea", "\ud800", ".", "..", "-", "-x", "--x"], FORM),
        (["iface-id:x", "mac:02:00:00:00:00:01", "ofport:br0/1", "mac:"], FORM),
        ([*PORTS, *map(str.lower, PORTS), "Local"], MEANING),
        (["actions", "xactionx", "0", "15", "+5", "007", "0x1f", "0XAB", "65534"], MEANING),
    ],
)
@pytest.mark.parametrize("what", ["port", "bridge"])
def test_refused_names(names, why, what):
    for name in names:
        with pytest.raises(UsageError) as refused:
            new_names.check(name, what)
        assert (refused.value.why, refused.value.hint) == (why, "another name" if why == MEANING else None), name
        assert refused.value.what.startswith(f"{what} ")
