"""Answers of ovs-vswitchd, as ovs-appctl(8) prints them: datapaths, upcalls, memory, PMD threads and bonds. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping

from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading

DATAPATHS, UPCALLS, MEMORY, PMDS, BONDS = "dpctl/show", "upcall/show", "memory/show", "dpif-netdev/pmd-perf-show -nh", "bond/show"
_DATAPATH = re.compile(r"^([^\s@]+)@(\S+):$", re.MULTILINE)
_N = "([0-9]{1,20})"
_OF_DATAPATH = {
    re.compile(rf"^  lookups: hit:{_N} missed:{_N} lost:{_N}$", re.MULTILINE): (
        "ovs_datapath_lookup_hits_total", "ovs_datapath_lookup_missed_total", "ovs_datapath_lookup_lost_total",
    ),
    re.compile(rf"^  flows: {_N}$", re.MULTILINE): ("ovs_datapath_flows_total",),
    re.compile(rf"^  masks: hit:{_N} total:{_N} ", re.MULTILINE): ("ovs_datapath_mask_hits_total", "ovs_datapath_masks"),
}  # fmt: skip
_OF_UPCALLS = {
    re.compile(rf"^  flows +: \(current {_N}\) .*\(limit {_N}\)$", re.MULTILINE): ("ovs_upcall_flows", "ovs_upcall_flow_limit"),
}
_DUMP = re.compile(rf"^  dump duration : {_N}ms$", re.MULTILINE)
_USED = re.compile(r"(handlers|ports|revalidators|rules|keys):([0-9]{1,20})")
_PMD = re.compile(r"^(?:pmd thread numa_id ([0-9]{1,5}) core_id ([0-9]{1,5})|main thread.*):$", re.MULTILINE)
_OF_PMD = {
    "Iterations": "ovs_pmd_total_iterations",
    "- idle iterations": "ovs_pmd_idle_iterations",
    "- busy iterations": "ovs_pmd_busy_iterations",
    "Rx packets": "ovs_pmd_rx_packets",
    "Tx packets": "ovs_pmd_tx_packets",
    "- Upcalls": "ovs_pmd_total_upcalls",
    "- Lost upcalls": "ovs_pmd_lost_upcalls",
    "- sleep iterations": "ovs_pmd_sleep_iterations",
    "Datapath passes": "ovs_pmd_datapath_passes",
    "- PHWOL hits": "ovs_pmd_phwol_hits",
    "- MFEX Opt hits": "ovs_pmd_mfex_opt_hits",
    "- Simple Match hits": "ovs_pmd_simple_match_hits",
    "- EMC hits": "ovs_pmd_emc_hits",
    "- SMC hits": "ovs_pmd_smc_hits",
    "- Megaflow hits": "ovs_pmd_megaflow_hits",
    "Tx batches": "ovs_pmd_tx_batches",
}
_PMD_LINE = re.compile(rf"^  ([- A-Za-z]+): *{_N}(?: |$)", re.MULTILINE)  # a long number leaves no room for a space
_SWITCHES = re.compile(rf"^nonvoluntary_ctxt_switches:\s+{_N}$", re.MULTILINE)
_BOND = re.compile(r"^---- (.+) ----$", re.MULTILINE)
_MEMBER = re.compile(r"^(?:member|slave) (.+): (enabled|disabled)$", re.MULTILINE)
_ACTIVE = ("  active member", "  active slave")  # the latter before 2.15
_LACP = re.compile(r"^lacp_status: (\w+)$", re.MULTILINE)


def add_datapaths(text: str, reading: Reading) -> None:
    for (kind, name), part in _parts(_DATAPATH, text):
        _add_numbers(_OF_DATAPATH, part, (kind, name), reading)


def add_upcalls(text: str, reading: Reading) -> None:
    for (kind, name), part in _parts(_DATAPATH, text):
        _add_numbers(_OF_UPCALLS, part, (kind, name), reading)
        if dump := _DUMP.search(part):
            reading.add("ovs_upcall_dump_duration_seconds", (kind, name), int(dump[1]) / 1000)


def add_memory(text: str, reading: Reading) -> None:
    for what, number in _USED.findall(text):
        reading.add(f"ovs_memory_{what}_total", (), int(number))


def add_pmds(text: str, threads: Mapping[str, str], reading: Reading) -> None:
    """Add the counters of PMD threads; ``threads`` is what proc(5) says about each, by headings such as "thread pmd-c03/id:12"."""
    by_core = {
        core[1].lstrip("0") or "0": said for heading, said in threads.items() if (core := re.match(r"thread pmd-c([0-9]+)/", heading))
    }
    for labels, part in _parts(_PMD, text):
        if None in labels:  # the main thread
            continue
        for what, number in _PMD_LINE.findall(part):
            if what in _OF_PMD:
                reading.add(_OF_PMD[what], labels, int(number))
        if switches := _SWITCHES.search(by_core.get(labels[1], "")):
            reading.add("ovs_pmd_nonvol_context_switches", labels, int(switches[1]))


def add_bonds(text: str, database: Database, reading: Reading) -> None:
    bonds = list(_parts(_BOND, text))
    if not bonds:  # as on most switches
        return
    here: dict[str, tuple[str, Collection[str]]] = {}  # by name the bridge of each bond that is asked for, and its members
    for bridge, port, interface, *_ in database.labels.values():
        here[port] = bridge, {*here.get(port, ("", ()))[1], interface}
    for (bond,), part in bonds:
        if bond not in here:
            continue
        bridge, asked = here[bond]
        labels = (bridge, bond)
        members = list(_MEMBER.finditer(part))
        reading.add("ovs_bond_members", labels, len(members))
        reading.add("ovs_bond_members_enabled", labels, sum(member[2] == "enabled" for member in members))
        for member in members:
            if member[1] in asked:
                is_active = part[member.end() + 1 :].startswith(_ACTIVE)
                reading.add("ovs_bond_member_enabled", (*labels, member[1]), int(member[2] == "enabled"))
                reading.add("ovs_bond_member_active", (*labels, member[1]), int(is_active))
        if (lacp := _LACP.search(part)) and lacp[1] != "off":
            reading.add("ovs_bond_lacp_negotiated", labels, int(lacp[1] == "negotiated"))


def _parts(head: re.Pattern, text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each part of a text that begins with such a line: what the line says, and the lines up to the next one."""
    heads = list(head.finditer(text))
    for index, found in enumerate(heads):
        end = heads[index + 1].start() if index + 1 < len(heads) else len(text)
        yield found.groups(), text[found.end() : end]


def _add_numbers(lines: Mapping[re.Pattern, tuple[str, ...]], text: str, labels: tuple[str, ...], reading: Reading) -> None:
    for pattern, families in lines.items():
        if found := pattern.search(text):
            for family, number in zip(families, found.groups(), strict=True):
                reading.add(family, labels, int(number))
