"""Generated setups on the kernel datapath: tc shows what they configure, and checks find nothing, except what breaks only there.

``SETUPS=200`` tries more of them, which takes the guest minutes.
"""

import broken
import setups
from test_shaping import kernel_only, tc

pytestmark = kernel_only


def test_healthy_setups(switch):
    made = setups.Maker("system").setups(setups.wanted(3))
    setups.build(switch, made)
    try:
        for port in (port for setup in made for port in setup.ports):
            require_in_effect(switch, port)
        for command in ("qos check", "police check"):
            assert setups.found(switch, command) == [], [str(setup) for setup in made]
    finally:
        for setup in made:
            setups.remove(switch, setup)


def require_in_effect(switch, port: setups.Port) -> None:
    """Assert that tc shows what the setup configures: the qdisc, a class for each queue, and the police action."""
    for device in port.devices:
        if port.type not in (None, "noop"):
            assert f"qdisc {port.type} 1:" in tc(switch, "qdisc", "show", "dev", device, "root"), port
        classes = tc(switch, "class", "show", "dev", device) if port.queues else ""
        assert all(f" 1:{number + 1:x} " in classes for number in port.queues), (port, classes)
        if port.police:
            assert "police 0x" in tc(switch, "filter", "show", "dev", device, "parent", "ffff:"), port


def test_what_breaks_only_there(switch):
    bed = broken.Bed(switch, "system", broken.CASES if setups.wanted(0) else broken.OF_THE_KERNEL)
    try:
        bed.judge()
    finally:
        bed.remove()
