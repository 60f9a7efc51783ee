"""Documents for several hosts: each switch is compared and changed by itself."""

import shutil

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab():
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as lab:
        lab.host("h1")
        lab.host("h2")
        yield lab


def test_one_document_for_two_hosts(lab):
    page = lab.directory / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {tag: 10}}}}")
    lab.vsctl("h1", "set port eth1 tag=10")
    differs = lab.ovstool(f"-H h1,h2 diff {page} -f json")
    assert differs.code == 1
    assert differs.json == [{"host": "h2", "object": "eth1", "field": "tag", "from": None, "to": 10}]
    assert lab.ovstool(f"-H h1,h2 apply {page}").stdout.splitlines() == [
        "h1 br0: unchanged", "h1 eth1: unchanged", "h2 br0: unchanged", "h2 eth1: updated",
    ]  # fmt: skip
    exported = lab.ovstool("-H h1,h2 export").stdout
    assert [line for line in exported.splitlines() if line.startswith(("---", "# host"))] == ["---", "# host h1", "---", "# host h2"]
    page.write_text("bridges: {br0: {tags: 1}}")
    refused = lab.ovstool(f"-H h1,h2 apply {page}")
    assert (refused.code, refused.stderr.count("\n")) == (2, 1)


def test_parameters_from_the_inventory(lab):
    page, inventory = lab.directory / "parameters.yaml", lab.directory / "inventory.yaml"
    inventory.write_text('groups: {rack: [h1, h2]}\nvars: {"@rack": {vlan: 20, word: x}, h2: {vlan: 21}}\n')
    page.write_text('bridges:\n  br0:\n    external_ids: {name: "${host}.${word}"}\n    ports:\n      eth2:\n        tag: ${vlan}\n')
    assert lab.ovstool(f"-H @rack --inventory {inventory} apply {page}").stdout.splitlines() == [
        "h1 br0: updated", "h1 eth2: updated", "h2 br0: updated", "h2 eth2: updated",
    ]  # fmt: skip
    assert [lab.vsctl(host, "get port eth2 tag").strip() for host in ("h1", "h2")] == ["20", "21"]
    assert [lab.vsctl(host, "get bridge br0 external_ids:name").strip() for host in ("h1", "h2")] == ["h1.x", "h2.x"]
    assert lab.ovstool(f"-H h2,h1 --inventory {inventory} diff {page}").code == 0  # named without their group
    inventory.write_text('groups: {rack: [h1, h2]}\nvars: {"@rack": {vlan: 20}, h2: {vlan: 9999, word: ""}}\n')
    refused = lab.ovstool(f"-H @rack --inventory {inventory} apply {page}")
    assert (refused.code, refused.stdout, refused.stderr.splitlines()) == (
        2, "", [
            f"ovstool: {page}:3:26: ${{word}} has no value for h1: no such variable in {inventory} (read as ovstool's own YAML); "
            "try: word for the host or one of its groups",
            f"ovstool: {page}:6:14: h2: 9999: not a whole number from 0 to 4095",
        ],
    )  # fmt: skip
    assert lab.ovstool("-H h1,h2 export").stdout.count("tag: 20") == 1


def test_a_policy_follows_its_vif(lab):
    page = lab.directory / "policy.yaml"
    page.write_text("bridges: {br0: {ports: {iface-id:vm7: {tag: 70, qos: {max_rate: 10mbit}}, iface-id:nowhere: {}}}}")
    lab.vsctl("h1", "add-port br0 vnet1 -- set interface vnet1 type=internal external_ids:iface-id=vm7")
    lab.vsctl("h2", "add-port br0 vnet2 -- set interface vnet2 type=internal")
    done = lab.ovstool(f"-H h1,h2 apply {page}")
    assert done.stdout.splitlines() == ["h1 br0: unchanged", "h1 iface-id:vm7: updated", "h2 br0: unchanged"]
    absent, advice = done.stderr.splitlines()
    assert absent == "ovstool: note: iface-id:nowhere: not on any of these switches"
    assert advice.startswith("ovstool: note: h1: vnet1: QoS on an internal port limits the other direction")
    assert lab.vsctl("h1", "get port vnet1 tag external_ids") == '70\n{ovstool-document-policy="qos, qos.max_rate, tag"}'

    lab.vsctl("h1", "remove interface vnet1 external_ids iface-id")  # and vm7 starts on the other host
    lab.vsctl("h2", "set interface vnet2 external_ids:iface-id=vm7")
    done = lab.ovstool(f"-H h1,h2 apply {page}")
    assert done.stdout.splitlines() == ["h1 br0: unchanged", "h1 vnet1: updated", "h2 br0: unchanged", "h2 iface-id:vm7: updated"]
    assert lab.vsctl("h1", "get port vnet1 tag qos external_ids -- list qos") == "[]\n[]\n{}"
    assert lab.vsctl("h2", "get port vnet2 tag") == "70" and lab.vsctl("h2", "--columns=other_config list qos").endswith(
        '{max-rate="10000000"}'
    )
    again = lab.ovstool(f"-H h1,h2 apply {page}")
    assert "updated" not in again.stdout and lab.ovstool(f"-H h1,h2 diff {page}").code == 0


MANY = ", ".join(f"'priority={number},ip actions=output:new1'" for number in range(1, 1500))  # more than arrive at once
FLOWS = f"bridges: {{br0: {{flows: ['priority=7,arp actions=output:new1', {MANY}], ports: {{new1: {{type: internal}}}}}}}}"
# An ovs-ofctl that ends the SSH connection it was called through, before it changes flows.
_CUTTING = """#!/bin/sh
case "$*" in *del-flows*)
  p=$PPID
  while [ "$(cat /proc/$p/comm)" != sshd ]; do p=$(cut -d' ' -f4 /proc/$p/stat); done
  kill -9 $p
  exit 1
esac
exec /run/ofctl "$@"
"""


def test_flows_on_two_hosts(lab):
    page = lab.directory / "flows.yaml"
    page.write_text(FLOWS)
    plan = lab.ovstool(f"-H h1,h2 -n apply {page}").stdout
    assert "h2: +priority=7,arp actions=output:new1\n" in plan and "h1:  br0:\n" in plan
    assert lab.ovstool(f"-H h1,h2 apply {page}").code == 0
    exported = lab.ovstool("-H h1,h2 export --flows br0").stdout
    assert (
        exported.count('      - "table=0,priority=7,arp actions=output:new1"\n') == 2 and exported.count(",ip actions=output:new1") == 2998
    )
    assert lab.ovstool(f"-H h1,h2 diff {page}").code == 0


def test_a_connection_that_is_lost_between_the_database_and_the_flows(lab):
    page = lab.directory / "more.yaml"
    page.write_text("bridges: {br0: {flows: [], ports: {new2: {type: internal}}}}")
    before = lab.ovstool("-H h2 export --flows").stdout
    program = shutil.which("ovs-ofctl")
    install = f"cp {program} /run/ofctl; cat >/run/cutting; chmod 755 /run/cutting; mount --bind /run/cutting {program}"
    assert lab["h2"].run(["sh", "-ec", install], _CUTTING).code == 0
    try:
        done = lab.ovstool(f"-H h2 apply {page}")
    finally:
        lab["h2"].run(["umount", program])
    said = "ovstool: h2: connection lost: closed by the server; the switch was put back as it was\n"
    assert (done.code, done.stdout, done.stderr) == (5, "", said)  # over a new connection
    assert lab.ovstool("-H h2 export --flows").stdout == before
    assert lab.ovstool(f"-H h2 apply {page}").stdout == "br0: updated\nnew2: created\n"
