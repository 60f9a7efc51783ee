"""Which columns of Port fit together: VLANs and the VLAN mode, bonds and LACP; and what a patch port needs from its peer. Pure."""

from collections.abc import Mapping

from ovstool.errors import UsageError, quote
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import ERROR, WARNING, Argv, Finding, versions
from ovstool.switch.accepts.port_types import cut, is_cut

VLAN_MODES = ("access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel")
VLAN_COLUMNS = ("tag", "trunks", "vlan_mode")
BOND_MODES = ("active-backup", "balance-slb", "balance-tcp")


def check_vlans(name: str, port: Row, is_new: bool = False) -> None:
    """Raise UsageError for VLANs that the mode ignores or requires (ofproto-dpif.c, bundle_set; ovs-vswitchd.conf.db(5), table Port)."""
    what = f"port {quote(name)}"
    tag, trunks, mode = one(port["tag"]), many(port["trunks"]), one(port["vlan_mode"])
    native = mode in ("native-tagged", "native-untagged")
    no_tag, no_trunks = ("no --tag", "no --trunk") if is_new else ("--unset tag", "--unset trunks")
    if mode is None and tag is not None and trunks:
        hint = f"{no_tag}, {no_trunks}, or both with --vlan-mode native-untagged"
        raise UsageError(what, "has a tag, so Open vSwitch ignores its trunks", hint)
    if mode == "trunk" and tag is not None:
        hint = f"{no_tag}, or --vlan-mode access or native-untagged"
        raise UsageError(what, "is a trunk port, on which Open vSwitch ignores a tag", hint)
    if mode in ("access", "dot1q-tunnel") and trunks:
        hint = f"{no_trunks}, or --vlan-mode trunk or native-untagged"
        raise UsageError(what, f"its VLAN mode is {mode}, in which Open vSwitch ignores trunks", hint)
    if (native or mode == "dot1q-tunnel") and tag is None:
        raise UsageError(what, f"VLAN mode {mode} needs a {'native' if native else 'service'} VLAN", "--tag N")
    if native and tag and 0 in trunks:
        raise UsageError(what, f"packets without a VLAN are in VLAN {tag}, so Open vSwitch ignores 0 in its trunks", "--trunk without 0")


def of_bond(name: str, port: Row, members: int) -> list[Finding]:
    """What a check would find wrong with a bond: balance-tcp forwards nothing before LACP is up (ofproto/bond.c, choose_output_member)."""
    if members < 2 or one(port["bond_mode"]) != "balance-tcp" or one(port["lacp"]) in ("active", "passive"):
        return []
    remedy = ("ovstool", "port", "set", name, "--lacp", "active")
    return [Finding(name, ERROR, "the bond forwards nothing", "balance-tcp needs LACP, which is off", (remedy,))]


def of_name(name: str) -> list[Finding]:
    """What a check would find about a name too long for OpenFlow; devices cannot have one (port_types.check_name)."""
    if not is_cut(name):
        return []
    evidence = f"flows and ovs-ofctl call it {quote(cut(name))}, its first 15 bytes"
    return [Finding(name, WARNING, "the name is longer than OpenFlow's", evidence)]


def of_options(name: str, kind: str, ignored: list[str]) -> list[Finding]:
    """What a check would find about options of a device, which has none (lib/netdev.c, netdev_set_config); other programs may read them."""
    if not ignored:
        return []
    evidence = f"a port of type {kind} has no options: {', '.join(map(quote, ignored))}"
    remedy = ("ovstool", "port", "set", name, *(word for key in ignored for word in ("--unset", f"options:{key}")))
    return [Finding(name, WARNING, "Open vSwitch ignores its options", evidence, (remedy,))]


def of_later(name: str, kind: str, unknown: list[str]) -> list[Finding]:
    """What to report about options that were not checked, as Open vSwitch is newer than ovstool knows."""
    if not unknown:
        return []
    evidence = (
        f"{', '.join(map(quote, unknown))}; Open vSwitch {versions.spelt(versions.NEWEST)} had no such option for a port of type {kind}"
    )
    return [Finding(name, WARNING, "not checked, as this Open vSwitch is newer than ovstool knows", evidence)]


def of_peer(name: str, bridge: str, peer: str, there: Row | None, other: str, datapaths: Mapping[str, str]) -> list[Finding]:
    """What a check would find on a patch port: it drops all packets unless its peer points back (ofproto-dpif.c, ofport_update_peer).

    ``there`` is the peer's interface, ``other`` its bridge, ``datapaths`` holds the datapath type of each bridge.
    """
    remedy: tuple[Argv, ...] = ()
    if there is None:
        others = [each for each, datapath in datapaths.items() if each != bridge and datapath == datapaths.get(bridge)]
        where = others[0] if len(others) == 1 else "BRIDGE"
        evidence, remedy = f"there is no port {quote(peer)}", (("ovstool", "port", "add", where, peer, "--peer", name),)
    elif one(there["type"]) != "patch":
        evidence = f"{quote(peer)} is not a patch port"
    elif (leads := mapping(there["options"]).get("peer", "")) != name:
        evidence, remedy = f"the peer of {quote(peer)} is {quote(leads)}", (("ovstool", "port", "set", peer, "--peer", name),)
    elif datapaths.get(bridge) != datapaths.get(other):
        evidence = f"{quote(bridge)} has a datapath of type {quote(datapaths.get(bridge, ''))}, {quote(other)} of type {quote(datapaths.get(other, ''))}"
    else:
        return []
    return [Finding(name, ERROR, "the patch port leads nowhere", evidence, remedy)]
