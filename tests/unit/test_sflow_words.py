"""Collectors and agents as users specify them."""

import ipaddress

import pytest

from ovstool.errors import UsageError
from ovstool.switch import sflow
from ovstool.switch.sflow import targets


@pytest.mark.parametrize(
    ("text", "collector"),
    [
        ("10.0.0.5", ("10.0.0.5", 6343)),
        ("10.0.0.5:1", ("10.0.0.5", 1)),
        ("10.0.0.5:65535", ("10.0.0.5", 65535)),
        ("[2001:db8::5]", ("2001:db8::5", 6343)),
        ("[2001:DB8:0::5]:7", ("2001:db8::5", 7)),
        ("[::ffff:10.0.0.5]:7", ("10.0.0.5", 7)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", 6343)),
        ("[ff02::1%eth0.5_a-b]", ("ff02::1%eth0.5_a-b", 6343)),
        ("[ff05::1]", ("ff05::1", 6343)),  # a zone and more than one link
        ("239.0.0.1", ("239.0.0.1", 6343)),
        ("255.255.255.254", ("255.255.255.254", 6343)),
        ("Collector-1.example.net_:7", ("Collector-1.example.net_", 7)),
        ("1.2.3.4.example", ("1.2.3.4.example", 6343)),
        ("9to5", ("9to5", 6343)),
        ("a" * 253, ("a" * 253, 6343)),
    ],
)
def test_a_collector(text, collector):
    assert tuple(targets.parse_collector(text)) == collector


@pytest.mark.parametrize(
    "text",
    [
        "", ":7", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:65536", "10.0.0.5:x", "10.0.0", "10.0.0.256", "10.0.0.5.", "1234", "-a", ".a", "a b", "a" * 254,
        "2001:db8::5", "[2001:db8::5", "[2001:db8::5]7", "[2001:db8::5]:", "[2001:db8::5]:0", "[10.0.0.5]", "[a]:7", "[]",
    ],
)  # fmt: skip
def test_invalid_collectors(text):
    with pytest.raises(UsageError) as refused:
        targets.parse_collector(text)
    assert refused.value.why == "not HOST or HOST:PORT with a port from 1 to 65535"
    assert refused.value.hint == "10.0.0.5, 10.0.0.5:6343 or [2001:db8::5]:6343" and refused.value.what.startswith("collector ")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("0.0.0.0", ("collector 0.0.0.0", "not the address of a host", None)),
        ("255.255.255.255", ("collector 255.255.255.255", "not the address of a host", None)),
        ("[::]", ("collector ::", "not the address of a host", None)),
        ("[fe80::1]:7", ("collector [fe80::1]", "a link-local address needs the interface that leads to it", "[fe80::1%eth0]:6343")),
        ("[ff02::5]", ("collector [ff02::5]", "a link-local address needs the interface that leads to it", "[ff02::5%eth0]:6343")),
        ("[fe80::1%a+b]", ("collector fe80::1%a+b", "its scope is not an interface", None)),
    ],
)
def test_an_address_to_which_nothing_can_be_sent(text, error):
    with pytest.raises(UsageError) as refused:
        targets.parse_collector(text)
    assert (refused.value.what, refused.value.why, refused.value.hint) == error


@pytest.mark.parametrize(
    ("text", "agent"),
    [("eth0", "eth0"), ("192.0.2.7", "192.0.2.7"), ("2001:DB8:0::7", "2001:db8::7"), ("fe80::1", "fe80::1"), ("1.2.3", "1.2.3")],
)
def test_an_agent(text, agent):
    assert targets.parse_agent(text) == agent


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1%eth0"])
def test_an_address_that_no_switch_can_have(text):
    with pytest.raises(UsageError, match="not an address that identifies a switch") as refused:
        targets.parse_agent(text)
    assert refused.value.what == f"agent {text}"


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.5", "0.0.0.0", "255.255.255.255", "10.0.0", "10.0.0.256", "010.0.0.5", "10.0.0.5 ", " 10.0.0.5", "10.0.0.5%eth0", "1.2.3.4.5", "0x7f.1",
        "::", "::1", "2001:DB8:0::5", "fe80::1%eth0", "fe80::1%", "fe80::1%a%b", "%eth0", "::ffff:10.0.0.5", "::10.0.0.5", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
        "1::2::3", "12345::", "::g", "[::1]", ":", ":::", "", "a", "1", "\0", "::1\0", "1\0.2.3.4", "\u0661.2.3.4", "::\u0661", "\ud800", "fe80::1%\x1b",
    ],
)  # fmt: skip
def test_addresses_are_those_of_the_standard_library(text):
    try:
        version = ipaddress.ip_address(text).version
    except ValueError:
        version = None
    assert [targets.is_ip(text, wanted) for wanted in (None, 4, 6)] == [version is not None, version == 4, version == 6]


def test_the_default_port_of_a_collector():
    assert targets.Collector("10.0.0.5") == ("10.0.0.5", 6343) and (sflow.MOST_HEADER, sflow.SAFE_HEADER) == (612, 472)
    assert (sflow.MOST_SAMPLING, sflow.SAMPLING, sflow.POLLING_S, sflow.HEADER) == (42_949_672, 400, 30, 128)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:DB8::1", "2001:db8::1"), ("2001:db8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("010.0.0.1", None), ("leaf01", None), ("", None), ("[]", None),
    ],
)  # fmt: skip
def test_an_address_is_the_same_however_it_is_written(text, plain):
    assert targets.plain_ip(text) == plain
