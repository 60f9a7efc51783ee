"""Hints: the command suggested for commands of Open vSwitch's own tools, and for typing errors."""

import shlex

import pytest

from ovstool import hints
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import UsageError
from ovstool.shell import _unknown

# What is typed, and after the bar the suggestion; empty where none is possible.
MISTAKES = """
add-br br3 | ovstool bridge add br3
add-br | ovstool bridge add BRIDGE
add-br br3 -- set bridge br3 fail_mode=secure other_config:hwaddr=02:00:00:00:00:01 | ovstool bridge add br3 --fail-mode secure --other-config hwaddr=02:00:00:00:00:01
del-br br3 | ovstool bridge del br3
list-br | ovstool bridge list
br-exists br0 | ovstool bridge show br0
add-port br0 eth1 | ovstool port add br0 eth1
add-port br0 | ovstool port add br0 PORT
add-port br0 eth1 tag=20 | ovstool port add br0 eth1 --tag 20
add-port br0 eth1 tag=20 vlan_mode=access | ovstool port add br0 eth1 --tag 20 --vlan-mode access
add-port br0 eth1 trunks=10,20 | ovstool port add br0 eth1 --trunk 10,20
add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=10.0.0.1 options:key=7 options:dst_port=4789 | ovstool port add br0 vx0 --type vxlan --remote-ip 10.0.0.1 --key 7 --option dst_port=4789
add-port br0 p0 -- set interface p0 type=patch options:peer=p1 | ovstool port add br0 p0 --type patch --peer p1
add-port br0 in0 -- set interface in0 type=internal external_ids:iface-id=vif1 | ovstool port add br0 in0 --type internal --external-id iface-id=vif1
add-port br0 'e x' | ovstool port add br0 'e x'
add-bond br0 bond0 eth1 eth2 | ovstool port add br0 bond0 --bond eth1,eth2
add-bond br0 bond0 eth1 eth2 lacp=active | ovstool port add br0 bond0 --bond eth1,eth2
add-bond br0 bond0 | ovstool port add br0 bond0 --bond IFACE,...
del-port br0 eth1 | ovstool port del eth1
del-port eth1 | ovstool port del eth1
list-ports | ovstool port list
list-ports br0 | ovstool port list br0
list-ifaces br0 | ovstool port list br0
list-ifaces br0 eth1 | ovstool port list br0
list-ports br0 eth1 | ovstool port list br0
port-to-br eth1 | ovstool port show eth1
iface-to-br eth1 | ovstool port show eth1
set-controller br0 tcp:192.0.2.1:6653 | ovstool bridge set br0 --controller tcp:192.0.2.1:6653
get-controller br0 | ovstool bridge show br0
del-controller br0 | ovstool bridge set br0 --unset controller
set-fail-mode br0 secure | ovstool bridge set br0 --fail-mode secure
get-fail-mode br0 | ovstool bridge show br0
del-fail-mode br0 | ovstool bridge set br0 --unset fail_mode
set port eth1 tag=5 | ovstool port set eth1 --tag 5
set port eth1 vlan=5 lacp=active bond_mode=balance-tcp | ovstool port set eth1 --tag 5 --lacp active --bond-mode balance-tcp
set port eth1 vlan_mode=trunk trunks=1,2 | ovstool port set eth1 --vlan-mode trunk --trunk 1,2
set bridge br0 fail_mode=secure | ovstool bridge set br0 --fail-mode secure
set bridge br0 protocols=OpenFlow13,OpenFlow15 | ovstool bridge set br0 --protocols OpenFlow13,OpenFlow15
set bridge br0 datapath_type=netdev | ovstool bridge set br0 --datapath-type netdev
set interface eth1 type=internal | ovstool port set eth1 --type internal
set interface eth1 options:remote_ip=10.0.0.1 | ovstool port set eth1 --remote-ip 10.0.0.1
set interface eth1 mtu=1400 | ovstool port set eth1 --mtu 1400
set bridge br0 external_ids:a=b | ovstool bridge set br0 --external-id a=b
set interface eth1 mtu_request=1400 | ovstool port set eth1 --mtu 1400
set bridge br0 other_config:hwaddr=02:00:00:00:00:01 | ovstool bridge set br0 --other-config hwaddr=02:00:00:00:00:01
set bridge br0 stp_enable=true | ovs-vsctl set bridge br0 stp_enable=true (ovstool has no option for it)
set port eth1 tag=5 other_config:x=1 | ovs-vsctl set port eth1 tag=5 other_config:x=1 (ovstool has no option for it)
set bridge br0 --fail-mode secure | ovstool bridge set br0 --fail-mode secure
clear port eth1 qos | ovstool qos clear eth1
clear bridge br0 sflow | ovstool sflow disable br0
clear port eth1 tag | ovstool port set eth1 --unset tag
clear port eth1 tag vlan_mode | ovstool port set eth1 --unset tag --unset vlan_mode
clear bridge br0 fail_mode | ovstool bridge set br0 --unset fail_mode
clear bridge br0 mirrors | ovs-vsctl clear bridge br0 mirrors (ovstool has no option for it)
remove port eth1 tag 10 | ovstool port set eth1 --unset tag
remove port eth1 trunks 10 | ovstool help port set
remove interface eth1 external_ids iface-id | ovstool port set eth1 --unset external_ids:iface-id
remove bridge br0 other_config hwaddr=02:00:00:00:00:01 | ovstool bridge set br0 --unset other_config:hwaddr
flow dump-flows br0 | ovstool flow list br0
port add-port br0 eth1 | ovstool port add br0 eth1
get interface eth1 statistics | ovstool stats eth1
get port eth1 tag | ovstool port show eth1
list port | ovstool port list
list ports | ovstool port list
list port eth1 | ovstool port show eth1
list bridge | ovstool bridge list
list bridges | ovstool bridge list
list interface | ovstool port list
list interface eth1 | ovstool port show eth1
list sflow | ovstool sflow list
list qos | ovstool qos list
ovs-vsctl show | ovstool show
ovs-vsctl add-br br3 | ovstool bridge add br3
ovs-ofctl dump-flows br0 | ovstool flow list br0
ovs-appctl ofproto/trace br0 in_port=1 | ovstool flow trace br0 in_port=1
dump-flows br0 | ovstool flow list br0
dump-flows br0 ip,nw_dst=10.0.0.1 | ovstool flow list br0 ip,nw_dst=10.0.0.1
dump-flows br0 --names | ovstool flow list br0
dump-aggregate br0 | ovstool flow list br0
add-flow br0 priority=1,actions=drop | ovstool flow add br0 priority=1,actions=drop
add-flow br0 'ip actions=normal' | ovstool flow add br0 'ip actions=normal'
add-flow br0 | ovstool flow add br0 FLOW
add-flows br0 flows.txt | ovstool flow add br0 --file flows.txt
mod-flows br0 ip,actions=drop | ovstool flow add br0 ip,actions=drop
del-flows br0 | ovstool flow del br0
del-flows br0 ip | ovstool flow del br0 ip
replace-flows br0 flows.txt | ovstool flow replace br0 --file flows.txt
diff-flows br0 flows.txt | ovstool flow diff br0 --file flows.txt
dump-ports br0 | ovstool stats --bridge br0
dump-ports br0 eth1 | ovstool stats --bridge br0 eth1
dump-ports-desc br0 | ovstool port list br0
queue-stats br0 | ovstool stats --bridge br0 --queues
queue-stats br0 eth1 | ovstool stats --bridge br0 --queues eth1
queue-get-config br0 | ovstool qos list
snoop br0 | ovstool flow top br0
ofproto/trace br0 in_port=1,ip | ovstool flow trace br0 in_port=1,ip
ofproto/list | ovstool bridge list
qos/show eth1 | ovstool qos explain eth1
bond/show bond0 | ovstool port show bond0
bond/list | ovstool port list
dpif/show | ovstool show
fdb/show br0 | ovs-appctl fdb/show br0 (ovstool has no command for it)
ovs-appctl coverage/show | ovs-appctl coverage/show (ovstool has no command for it)
mod-port br0 eth1 up | ovs-ofctl mod-port br0 eth1 up (ovstool has no command for it)
dump-groups br0 | ovs-ofctl dump-groups br0 (ovstool has no command for it)
ovs-ofctl add-meter br0 meter=1 | ovs-ofctl add-meter br0 meter=1 (ovstool has no command for it)
find interface 'name=a b' | ovs-vsctl find interface 'name=a b' (ovstool has no command for it)
meter br0 |
bridge create br3 | ovstool bridge add br3
bridge new br3 | ovstool bridge add br3
bridge delete br3 | ovstool bridge del br3
bridge rm br3 | ovstool bridge del br3
bridge remove br3 | ovstool bridge del br3
bridge ls | ovstool bridge list
bridge get br0 | ovstool bridge show br0
bridge info br0 | ovstool bridge show br0
bridge edit br0 | ovstool bridge set br0
bridge lsit | ovstool bridge list
bridge sho br0 | ovstool bridge show br0
brdige list | ovstool bridge list
br list | ovstool bridge list
br li | ovstool bridge list
br add br3 | ovstool bridge add br3
bridges | ovstool bridge list
port create br0 eth1 | ovstool port add br0 eth1
port rm eth1 | ovstool port del eth1
port dle eth1 | ovstool port del eth1
port dell eth1 | ovstool port del eth1
port delte eth1 | ovstool port del eth1
port remvoe eth1 | ovstool port del eth1
port sel eth1 | ovstool port set eth1
qos unster eth1 |
port clear eth1 |
port ls br0 | ovstool port list br0
port dump | ovstool port list
port status eth1 | ovstool port show eth1
ports | ovstool port list
ports list | ovstool port list
potr list | ovstool port list
interface list | ovstool port list
interfaces | ovstool port list
iface show eth1 | ovstool port show eth1
create bridge br3 | ovstool bridge add br3
delete bridge br3 | ovstool bridge del br3
add port br0 eth1 | ovstool port add br0 eth1
remove port eth1 | ovstool port del eth1
list flows br0 | ovstool flow list br0
flow dump br0 | ovstool flow list br0
flow ls br0 | ovstool flow list br0
flow create br0 ip,actions=drop | ovstool flow add br0 ip,actions=drop
flow rm br0 ip | ovstool flow del br0 ip
flow monitor br0 | ovstool flow top br0
flows br0 | ovstool flow list br0
flows list br0 | ovstool flow list br0
rules list br0 | ovstool flow list br0
flws list br0 | ovstool flow list br0
qos create eth1 | ovstool qos set eth1
qos add eth1 | ovstool qos set eth1
qos delete eth1 | ovstool qos clear eth1
qos remove eth1 | ovstool qos clear eth1
qos ls | ovstool qos list
qos verify eth1 | ovstool qos check eth1
qos se eth1 | ovstool qos set eth1
qos lst | ovstool qos list
queue list | ovstool qos list
shaping set eth1 | ovstool qos set eth1
police add eth1 | ovstool police set eth1
police enable eth1 | ovstool police set eth1
police del eth1 | ovstool police clear eth1
police disable eth1 | ovstool police clear eth1
policing list | ovstool police list
sflow create br0 | ovstool sflow enable br0
sflow delete br0 | ovstool sflow disable br0
sflow add br0 | ovstool sflow enable br0
sandbox create | ovstool sandbox start
sandbox up | ovstool sandbox start
sandbox down | ovstool sandbox stop
sandbox exec | ovstool sandbox run
stat | ovstool stats
stat eth1 | ovstool stats eth1
statistics eth1 | ovstool stats eth1
counters | ovstool stats
counters eth1 | ovstool stats eth1
QOS list | ovstool qos list
qos set-rate eth1 | ovstool qos set eth1
p | ovstool port list or ovstool port show or ovstool port add
polic | ovstool police set or ovstool police clear or ovstool police check
list | ovstool qos list or ovstool port list or ovstool flow list
nosuch |
a b | ovstool apply
tc qdisc |
"""
TABLE = [
    tuple(part.strip() for part in line.split(" | ")) if " | " in line else (line.removesuffix(" |"), "")
    for line in MISTAKES.strip().splitlines()
]


# A command, and other verbs for it.
OTHER_VERBS = {
    "qos list": "ls dump print",
    "bridge show": "get info describe status display cat view",
    "bridge add": "create new insert make enable",
    "flow add": "set create new insert make enable",
    "qos set": "create new insert make enable add edit modify mod update change configure",
    "sflow enable": "create new insert make add set",
    "bridge del": "delete rm remove destroy",
    "qos clear": "delete rm remove destroy del disable reset stop",
    "sflow disable": "delete rm remove destroy del clear stop",
    "sflow listen": "collect receive capture top watch monitor",
    "qos check": "verify test validate doctor",
    "flow top": "watch monitor",
    "sandbox start": "create new up",
    "sandbox stop": "delete rm remove destroy del down",
}
OTHER_NOUNS = {
    "bridge": "br bridges",
    "port": "ports interface interfaces iface",
    "flow": "flows rule rules",
    "qos": "queue queues shaping",
    "police": "policing policer",
}


@pytest.mark.parametrize(("command", "verb"), [(command, verb) for command, verbs in OTHER_VERBS.items() for verb in verbs.split()])
def test_another_word_for_a_verb(command, verb):
    noun = command.split()[0]
    assert hints.commands([noun, verb, "x"]) == [f"ovstool {command} x"]


@pytest.mark.parametrize(("noun", "other"), [(noun, other) for noun, others in OTHER_NOUNS.items() for other in others.split()])
def test_another_word_for_a_noun(noun, other):
    assert hints.commands(["list", other]) == [f"ovstool {noun} list"]


@pytest.mark.parametrize("other", ["counters", "counter", "statistics", "stat"])
def test_another_word_for_counters(other):
    assert hints.commands([other, "eth1"]) == ["ovstool stats eth1"]


@pytest.mark.parametrize(("typed", "meant"), TABLE)
def test_a_mistake_gets_a_suggestion(typed, meant):
    assert " or ".join(hints.commands(shlex.split(typed))) == meant


def test_suggestions_are_commands():
    for _, meant in TABLE:
        for command in meant.split(" or ") if meant and "(ovstool has no " not in meant else ():
            words = shlex.split(command)
            assert words[0] == "ovstool" and (words[1] in COMMANDS or " ".join(words[1:3]) in COMMANDS)
    assert len(TABLE) > 150


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if any(name.startswith(f"{noun} ") for name in COMMANDS)])
@pytest.mark.parametrize(
    "verb", ["clear-all", "dump-flow", "detail", "clean", "drop", "model", "dense", "g", "stopwatch", "reset", "disabled"]
)
def test_destructive_commands_are_suggested_only_for_destructive_words(noun, verb):
    meant = hints.commands([noun, verb, "eth1"])
    destroying = [command for command in meant if command.split()[2:3] in (["del"], ["clear"], ["disable"], ["unsteer"], ["gc"], ["stop"])]
    assert destroying in ([], [f"ovstool {noun} clear eth1"] if verb == "reset" else [])


def test_the_error_has_the_hint():
    error = _unknown(["bridge", "create", "br3"])
    assert isinstance(error, UsageError)
    assert str(error) == "bridge: create is not one of its verbs (list, show, add, set, del); try: ovstool bridge add br3"
    assert str(_unknown(["bridge", "xyzzy"])) == (
        "bridge: xyzzy is not one of its verbs (list, show, add, set, del); try: ovstool help bridge"
    )
    assert str(_unknown(["bridge"])) == "bridge: a verb is missing; try: ovstool bridge and one of list, show, add, set, del"
    assert str(_unknown(["add-br", "br 3"])) == "\"add-br br 3\": unknown command; try: ovstool bridge add 'br 3'"
    assert str(_unknown(["xyzzy"])) == "xyzzy: unknown command; try: ovstool help"
