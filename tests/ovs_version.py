"""The version of the Open vSwitch that the tests run: the machine's, or the one that ``make versions`` puts first on PATH."""

import re
import subprocess

from ovstool.sandbox import programs


def _version() -> tuple[int, ...]:
    """The version of ovs-vswitchd, such as (3, 1); empty where it is not installed, as each test that needs it then says so."""
    try:
        said = subprocess.run(["ovs-vswitchd", "--version"], env={"PATH": programs.path()}, check=True, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        return ()
    found = re.search(r"\(Open vSwitch\) (\d+)\.(\d+)", said.stdout)
    assert found, said.stdout
    return int(found[1]), int(found[2])


OVS = _version()
POLICING = tuple(f"ingress_policing_{name}" for name in ("rate", "burst", *(("kpkts_rate", "kpkts_burst") if OVS >= (2, 16) else ())))
