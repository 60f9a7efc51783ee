"""sFlow's sampling rate compared with the link speeds in the database."""

import pytest

ENABLE = "sflow enable {} --agent lo --collector 127.0.0.1"
GBIT = 10**9


def bridge(**speeds) -> dict:
    """A bridge with ports of these speeds in bit/s; a name that begins with a driver's is such a device, any other a network card."""
    drivers = {name: next((driver for driver in ("veth", "tun") if name.startswith(driver)), "ixgbe") for name in speeds}
    return {
        "ports": {
            name: {"interfaces": {name: {"status": {"driver_name": drivers[name]}} | ({"link_speed": speed} if speed else {})}}
            for name, speed in speeds.items()
        }
    }


def said(database, command: str) -> str:
    """The notes of a successful command."""
    code, _, errors = database.run(command)
    assert code == 0, errors
    return errors


@pytest.mark.parametrize(
    ("speeds", "sampling"),
    [
        ({"eth1": 10 * GBIT}, 10_000),
        ({"eth1": GBIT, "eth2": 25 * GBIT, "eth3": 10 * GBIT}, 25_000),
        ({"eth1": 400 * GBIT}, 400_000),
        ({"eth1": 101_500_000}, 101),
        ({"eth1": 100_000_000}, 100),
        ({"eth1": 10_000_000}, 100),
        ({"eth1": GBIT, "veth2": 10 * GBIT, "tun3": 10 * GBIT}, 1000),  # the speeds of these two are constants
        ({"veth2": 10 * GBIT, "tun3": 10_000_000}, 10_000),
        ({"eth1": 0, "eth2": 0}, 400),
    ],
)
def test_auto_is_the_speed_of_the_fastest_link(database, speeds, sampling):
    database.put({"br0": bridge(**speeds)})
    assert said(database, f"{ENABLE} --sampling auto".format("br0")).startswith(f"ovstool: note: br0: auto chose 1 in {sampling} (")
    assert [row["sampling"] for row in database.ask("sflow list")] == [sampling]
    assert database.tree()["br0"]["sflow"]["sampling"] == sampling
    assert database.run(f"{ENABLE} --sampling auto".format("br0"))[1] == "br0: unchanged\n"


def test_auto_is_chosen_for_each_bridge(database):
    database.put({"br0": bridge(eth1=GBIT), "br1": bridge(eth2=10 * GBIT), "br2": bridge(veth3=0)})
    assert said(database, f"{ENABLE} --sampling auto".format("br0 br1 br2")) == (
        "ovstool: note: br0: auto chose 1 in 1000 (fastest link: eth1, 1 Gbit/s)\n"
        "ovstool: note: br1: auto chose 1 in 10000 (fastest link: eth2, 10 Gbit/s)\n"
        "ovstool: note: br2: auto chose 1 in 400 (no port tells its speed)\n"
    )
    assert [row["sampling"] for row in database.ask("sflow list")] == [1000, 10_000, 400]


MANY = "may be more samples than a collector takes"
FEW = "is too few samples to tell what is there"


@pytest.mark.parametrize(
    ("speeds", "options", "note"),
    [
        ({"eth1": 10 * GBIT}, "", f"1 packet in 400 of eth1 at 10 Gbit/s {MANY}; try: --sampling 10000, or auto"),
        ({"eth1": 10 * GBIT}, "--sampling 999", f"1 packet in 999 of eth1 at 10 Gbit/s {MANY}; try: --sampling 10000, or auto"),
        ({"eth1": 10 * GBIT}, "--sampling 1000", None),
        ({"eth1": 10 * GBIT}, "--sampling 100000", None),
        ({"eth1": 10 * GBIT}, "--sampling 100001", f"1 packet in 100001 of eth1 at 10 Gbit/s {FEW}; try: --sampling 10000, or auto"),
        ({"eth1": GBIT}, "", None),
        ({"eth1": GBIT}, "--sampling 99", f"1 packet in 99 of eth1 at 1 Gbit/s {MANY}; try: --sampling 1000, or auto"),
        ({"eth1": GBIT, "eth2": 10 * GBIT}, "--sampling 20000", None),  # the fastest link counts
        ({"eth1": 10_000_000}, "--sampling 1000", None),
        ({"eth1": 10_000_000}, "--sampling 1001", f"1 packet in 1001 of eth1 at 10 Mbit/s {FEW}; try: --sampling 100, or auto"),
        ({"eth1": 10_000_000}, "--sampling 1", None),
        ({"eth1": 10_001_000}, "--sampling 1", f"1 packet in 1 of eth1 at 10.001 Mbit/s {MANY}; try: --sampling 100, or auto"),
        ({"veth1": 10 * GBIT}, "", None),
        ({"veth1": 10 * GBIT}, "--sampling 10", None),
        ({"veth1": 10 * GBIT}, "--sampling 9", f"1 packet in 9 of veth1 at 10 Gbit/s {MANY}; try: --sampling 10000, or auto"),
        ({"tun1": 10_000_000}, "--sampling 1", None),
        ({"tun1": 10_000_000}, "--sampling 100000", None),
        ({"tun1": 10_000_000}, "--sampling 100001", f"1 packet in 100001 of tun1 at 10 Mbit/s {FEW}; try: --sampling 100, or auto"),
        ({"eth1": GBIT, "veth2": 10 * GBIT}, "--sampling 9", f"1 packet in 9 of eth1 at 1 Gbit/s {MANY}; try: --sampling 1000, or auto"),
        ({"eth1": 0}, "--sampling 1", None),
    ],
)
def test_a_rate_far_from_what_suits_the_links_is_noted(database, speeds, options, note):
    database.put({"br0": bridge(**speeds), "br1": {}})
    assert said(database, f"{ENABLE} {options}".format("br0")) == (f"ovstool: note: br0: {note}\n" if note else "")
    assert said(database, f"{ENABLE} {options}".format("br1")) == "", "a link of another bridge"


def test_auto_in_a_dry_run_and_as_the_words_of_ovs_vsctl(database):
    database.put({"br0": bridge(eth1=10 * GBIT)})
    code, printed, _ = database.run(f"--dry-run {ENABLE} --sampling auto".format("br0"))
    assert code == 0 and '"sampling": 10000' in printed and "sflow" not in database.tree()["br0"]
    assert "sampling=10000" in said(database, f"--as-ovs {ENABLE} --sampling auto".format("br0"))


def test_no_other_word_is_a_rate(database):
    database.put({"br0": {}})
    for word in ("Auto", "automatic", "''", "0"):
        code, _, errors = database.run(f"{ENABLE} --sampling {word}".format("br0"))
        assert code == 2 and errors.startswith("ovstool: ") and errors.count("\n") == 1, errors
