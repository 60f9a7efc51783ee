"""ovstool snapshot: switches saved, changed with Open vSwitch's own tools, restored, and compared with ovsdb-client and ovs-ofctl."""

import json
import os
import random

import pytest

from ovstool.switch.snapshot import Snapshot, file_format
from ovstool.switch.snapshot.contents import Contents

ROUNDS = int(os.environ.get("SNAPSHOTS", "3"))
# What ovs-vswitchd and ovs-ctl report, besides the columns that are ephemeral in the schema.
REPORTS = {
    "cur_cfg",
    "next_cfg",
    "ovs_version",
    "db_version",
    "datapath_types",
    "iface_types",
    "datapath_version",
    "bond_active_slave",
    "error",
}
OF = ("-O", "OpenFlow15")


def database(switch) -> dict:
    """Every row of every table as ovsdb-client prints it, with its UUID."""
    schema = json.loads(switch.tool("ovsdb-client", "get-schema", "Open_vSwitch"))
    found = {}
    for line in switch.tool("ovsdb-client", "-f", "json", "dump", "Open_vSwitch").splitlines():
        table = json.loads(line)
        name = table["caption"].removesuffix(" table")
        columns = schema["tables"][name]["columns"]
        hidden = REPORTS | {column for column in columns if columns[column].get("ephemeral")}
        for row in table["data"]:
            of_row = dict(zip(table["headings"], row, strict=True))
            found[name, of_row["_uuid"][1]] = {column: ordered(value) for column, value in of_row.items() if column not in hidden}
    return found


def ordered(value):
    return [value[0], sorted(value[1])] if isinstance(value, list) and value[0] in ("set", "map") else value


def contents(switch) -> dict:
    """The flows, groups and meters of each bridge as ovs-ofctl prints them."""
    dumps = (("dump-flows", "--no-stats"), ("dump-groups",), ("dump-meters",))
    return {
        bridge: [
            sorted(map(str.strip, switch.tool("ovs-ofctl", *OF, *words, bridge).splitlines()[words[0] != "dump-flows" :]))
            for words in dumps
        ]
        for bridge in switch.vsctl("list-br").split()
    }


def everything(switch):
    return database(switch), contents(switch)


class Changes:
    """Random changes with ovs-vsctl and ovs-ofctl."""

    def __init__(self, switch, dice: random.Random):
        self.switch, self.dice, self.ports = switch, dice, 0

    def make(self, count: int) -> None:
        kinds = [
            self.bridge,
            self.port,
            self.port,
            self.gone,
            self.setting,
            self.qos,
            self.reference,
            self.top,
            self.openflow,
            self.openflow,
        ]
        for _ in range(count):
            self.dice.choice(kinds)()

    def a_bridge(self) -> str:
        return self.dice.choice(self.switch.vsctl("list-br").split() or [self.bridge()])

    def a_port(self) -> str:
        bridge = self.a_bridge()
        return self.dice.choice(self.switch.vsctl(f"list-ports {bridge}").split() or [bridge])

    def number(self) -> int:
        return self.dice.randrange(1, 5)

    def bridge(self) -> str:
        name = f"br{self.number()}"
        kind = self.dice.choice(["", f" other_config:hwaddr=02:00:00:00:00:0{self.number()}", " fail_mode=secure", " stp_enable=true"])
        if name not in self.switch.vsctl("list-br").split():  # its row may still be there, for a collector set
            self.switch.vsctl("-- --all destroy flow_sample_collector_set")
        self.switch.vsctl(f"--may-exist add-br {name} -- set bridge {name} datapath_type=dummy {kind}")
        return name

    def port(self) -> None:
        self.ports += 1  # no name twice: a port that is added again may get another OpenFlow number, and keeps that
        self.switch.vsctl(f"add-port {self.a_bridge()} p{self.ports} {self.dice.choice(['', 'tag=5', 'trunks=9,10,2'])}")

    def gone(self) -> None:
        self.switch.vsctl(f"--if-exists del-port {self.a_port()}" if self.dice.random() < 0.8 else f"del-br {self.a_bridge()}")

    def setting(self) -> None:
        words = ['external_ids:iface-id="a, b"', "ingress_policing_rate=1000", f"mtu_request=14{self.number()}0", "options:x=y"]
        self.switch.vsctl(f"set interface {self.a_port()} {self.dice.choice(words)}")

    def qos(self) -> None:
        self.switch.vsctl(
            f"set port {self.a_port()} qos=@q -- --id=@q create qos type=linux-htb queues:{self.number()}=@q1 other_config:max-rate=1000000"
            f" -- --id=@q1 create queue other_config:min-rate=10{self.number()}"
        )

    def reference(self) -> None:
        bridge = self.a_bridge()
        uuid = self.switch.vsctl(f"get bridge {bridge} _uuid")
        self.switch.vsctl(self.dice.choice([
            f"-- --id=@m create mirror name=m{self.number()} select_all=true output_vlan=7 -- set bridge {bridge} mirrors=@m",
            f"-- --id=@n create netflow targets=[\\\"127.0.0.1:9\\\"] -- set bridge {bridge} netflow=@n",
            f"-- --id=@s create sflow targets=[\\\"127.0.0.1:8\\\"] agent=lo -- set bridge {bridge} sflow=@s",
            f"-- --id=@t create flow_table name=t{self.number()} flow_limit=99 -- set bridge {bridge} flow_tables:3=@t",
            f"-- --id=@i create ipfix targets=[\\\"127.0.0.1:7\\\"] -- create flow_sample_collector_set id={self.dice.randrange(10**6)} bridge={uuid} ipfix=@i",
        ]))  # fmt: skip

    def top(self) -> None:
        self.switch.vsctl(self.dice.choice([
            f"set-manager ptcp:{self.dice.randrange(40000, 60000)}:127.0.0.1 -- set manager . inactivity_probe=0",
            "del-manager",
            "set-ssl /nowhere/key /nowhere/cert /nowhere/ca",
            "del-ssl",
            f"set open . external_ids:of=them{self.number()} other_config:max-idle=1000{self.number()}",
            f"-- --id=@d create datapath datapath_version=x -- set open . datapaths:dummy{self.number()}=@d",
        ]))  # fmt: skip

    def openflow(self) -> None:
        bridge, number = self.a_bridge(), self.number()
        if f"meter={number} " not in self.switch.tool("ovs-ofctl", *OF, "dump-meters", bridge):
            self.switch.tool(
                "ovs-ofctl", *OF, "add-meter", bridge, f"meter={number},kbps,burst,bands=type=drop,rate=100{number},burst_size=7"
            )
        buckets = ["bucket=actions=drop", "bucket=weight:3,watch_port:1,actions=output:LOCAL,bucket=actions=group:99"]
        self.switch.tool(
            "ovs-ofctl", *OF, "--may-create", "mod-group", bridge, f"group_id={number},type=select,{self.dice.choice(buckets)}"
        )
        flow = self.dice.choice([f"meter:{number},group:{number}", "NORMAL", "resubmit(,3)", "set_queue:3,output:2"])
        words = self.dice.choice(["", "send_flow_rem,", "no_packet_counts,", "idle_timeout=600,", "cookie=0x7,importance=3,"])
        self.switch.tool("ovs-ofctl", *OF, "add-flow", bridge, f"{words}priority={number},ip,in_port=1 actions={flow}")
        if self.dice.random() < 0.3:
            self.switch.tool("ovs-ofctl", *OF, self.dice.choice(["del-flows", "del-groups", "del-meters"]), bridge)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_random_switch_is_restored(switch, ovstool, tmp_path, seed):
    changes = Changes(switch, random.Random(seed))
    changes.make(20)
    before = everything(switch)
    file = tmp_path / "switch.json"
    assert ovstool(f"snapshot save {file}").stdout == f"{file}: created\n"
    changes.make(15)
    done = ovstool(f"snapshot restore {file}")
    assert done.code == 0, done
    after = everything(switch)
    assert after[0] == before[0], done
    assert after[1] == before[1], done
    again = ovstool(f"snapshot restore {file} -f json")
    assert {row["change"] for row in again.json} == {"unchanged"}, again


# --- what is said, and what is refused


def edited(file, change) -> None:
    """Change the content of a snapshot, with the right checksum."""
    content = json.loads(file.read_text())
    change(content)
    bridges = {name: Contents(**of) for name, of in content["bridges"].items()}
    head = [content[name] for name in ("time", "host", "ovs_version", "schema_version")]
    file.write_text(file_format.text(Snapshot(*head, content["tables"], bridges)))


def row(content: dict, table: str, name: str) -> dict:
    return next(row for row in content["tables"][table].values() if row.get("name") == name)


@pytest.fixture
def saved(switch, ovstool, tmp_path):
    """A snapshot of the switch with a flow, a group and a meter."""
    switch.tool("ovs-ofctl", *OF, "add-meter", "br0", "meter=1,kbps,bands=type=drop,rate=10")
    switch.tool("ovs-ofctl", *OF, "add-group", "br0", "group_id=1,type=all,bucket=actions=output:1")
    switch.tool("ovs-ofctl", *OF, "add-flow", "br0", "priority=7,in_port=1,ip actions=meter:1,group:1,output:2")
    assert ovstool(f"snapshot save {tmp_path / 'saved.json'}").code == 0
    return tmp_path / "saved.json"


def test_a_snapshot_is_private_and_replaced(switch, ovstool, saved):
    assert saved.stat().st_mode & 0o777 == 0o600
    assert ovstool(f"snapshot save {saved}").stdout == f"{saved}: updated\n"
    printed = ovstool("snapshot save -").stdout
    assert json.loads(printed)["tables"] == json.loads(saved.read_text())["tables"]
    dry = ovstool(f"snapshot save {saved}.new -n")
    assert (dry.stdout, dry.code) == ("", 0) and f"{saved}.new: would be written" in dry.stderr and not os.path.exists(f"{saved}.new")
    assert ovstool(f"--read-only snapshot save {saved}").code == 0
    assert ovstool(f"--read-only snapshot restore {saved}").code == 2


def test_each_object_that_changes_is_named(switch, ovstool, saved):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- del-port eth2 -- set open . external_ids:a=b")
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: updated\nbr1: deleted\nOpen_vSwitch: updated\n"
    switch.tool("ovs-ofctl", *OF, "del-groups", "br0")
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: updated\nOpen_vSwitch: unchanged\n"
    switch.vsctl("del-br br0")
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: created\nOpen_vSwitch: unchanged\n"


def test_a_dry_run_prints_a_transaction_that_does_it(switch, ovstool, saved):
    before = everything(switch)
    switch.vsctl("del-port eth2 -- set port eth1 tag=3 -- --id=@q create queue dscp=3 -- --id=@p create qos type=x queues:3=@q")
    changed = everything(switch)
    dry = ovstool(f"snapshot restore {saved} -n")
    assert dry.stderr.endswith("ovstool: note: br0: would be updated\novstool: note: Open_vSwitch: would be updated\n")
    assert everything(switch) == changed
    assert "error" not in switch.tool("ovsdb-client", "transact", dry.stdout)
    assert database(switch) == before[0]


def test_a_port_that_has_got_another_number(switch, ovstool, saved):
    was = {port: switch.vsctl(f"get interface {port} ofport") for port in ("eth1", "eth2")}
    flows = switch.tool("ovs-ofctl", *OF, "--names", "--no-stats", "dump-flows", "br0")
    groups = switch.tool("ovs-ofctl", *OF, "--names", "dump-groups", "br0")
    switch.vsctl("del-port eth1 -- set interface eth2 ofport_request=20")
    switch.vsctl("add-port br0 eth1")
    number = switch.vsctl("get interface eth1 ofport")
    assert number not in was.values()
    done = ovstool(f"snapshot restore {saved}")
    assert done.stdout == "br0: updated\nOpen_vSwitch: unchanged\n"
    moved = f"eth1 is {number} (was {was['eth1']}), eth2 is 20 (was {was['eth2']})"
    assert done.stderr == f"ovstool: note: br0: OpenFlow port numbers that differ from the snapshot, also in the restored flows: {moved}\n"
    assert switch.tool("ovs-ofctl", *OF, "--names", "--no-stats", "dump-flows", "br0") == flows
    assert switch.tool("ovs-ofctl", *OF, "--names", "dump-groups", "br0") == groups
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: unchanged\nOpen_vSwitch: unchanged\n"


@pytest.mark.parametrize(
    ("kind", "line", "why"),
    [
        ("flows", "table=0,priority=9 actions=group:77", "group:77"),
        ("flows", "table=0,priority=9,nonsense=1 actions=drop", "nonsense"),
        ("flows", "table=0,priority=9,dl_vlan=5000 actions=drop", "5000"),
        ("groups", "group_id=9,type=nonsense", "nonsense"),
        ("meters", "meter=9 kbps bands= type=nonsense rate=1", "nonsense"),
    ],
)
def test_contents_that_are_refused(switch, ovstool, saved, kind, line, why):
    edited(saved, lambda content: content["bridges"]["br0"][kind].append(line))
    switch.vsctl("set bridge br0 fail_mode=secure -- del-port eth2 -- add-port br0 eth9")
    switch.tool("ovs-ofctl", *OF, "add-meter", "br0", "meter=2,kbps,bands=type=drop,rate=10")
    switch.tool("ovs-ofctl", *OF, "add-flow", "br0", "priority=3,send_flow_rem,in_port=1 actions=meter:2,output:1")
    before = everything(switch)
    done = ovstool(f"snapshot restore {saved}")
    assert (done.code, done.stdout) == (6, "") and done.stderr.count("\n") == 1 and why in done.stderr, done
    assert "; the switch was put back as it was" in done.stderr
    assert everything(switch) == before


def test_a_column_that_this_open_vswitch_lacks(switch, ovstool, saved, refused):
    before = saved.read_bytes()
    for table, name, value, said in (
        ("Bridge", "novel", 1, "Bridge.novel: this Open vSwitch has no such column (database schema "),
        ("Bridge", "stp_enable", 7, "Bridge.stp_enable: "),
        ("Port", "tag", 5000, "Port.tag: "),
    ):
        saved.write_bytes(before)
        edited(saved, lambda content, of=table, column=name, to=value: row(content, of, "br0").update({column: to}))
        assert refused(f"snapshot restore {saved}", 6).startswith(said)
    saved.write_bytes(before)
    edited(saved, lambda content: content["tables"].update(Novel={"0" * 8 + "-0000-0000-0000-" + "0" * 12: {}}))
    assert refused(f"snapshot restore {saved}", 6).startswith("Novel: this Open vSwitch has no such table (database schema ")


def test_a_device_that_is_gone(switch, ovstool, saved):
    edited(saved, lambda content: row(content, "Interface", "eth2").update(type="nosuch"))
    done = ovstool(f"snapshot restore {saved}")
    assert (done.code, done.stdout) == (6, "") and "ovs-vswitchd: eth2: " in done.stderr, done
    assert switch.vsctl("get interface eth2 type") == "nosuch"


def test_a_snapshot_of_another_switch(switch, ovstool, saved):
    switch.vsctl("set open . external_ids:system-id=mine external_ids:hostname=me external_ids:a=1")
    assert ovstool(f"snapshot restore {saved} -q").code == 0  # that one had no system-id
    assert switch.vsctl("get open . external_ids") == "{}"
    switch.vsctl("set open . external_ids:system-id=theirs external_ids:hostname=them external_ids:b=2")
    ovstool(f"snapshot save {saved}")
    switch.vsctl("set open . external_ids:system-id=mine external_ids:hostname=me external_ids:a=1")
    done = ovstool(f"snapshot restore {saved}")
    assert "the snapshot is of another switch (system-id theirs, this one is mine)" in done.stderr
    assert switch.vsctl("get open . external_ids") == '{b="2", hostname=me, system-id=mine}'
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: unchanged\nOpen_vSwitch: unchanged\n"


def test_an_empty_database_becomes_the_switch(switch, ovstool, saved):
    before = everything(switch)
    root = switch.vsctl("get open . _uuid")
    switch.vsctl("emer-reset -- del-br br0")
    assert ovstool(f"snapshot restore {saved} -q").code == 0
    assert everything(switch) == before and switch.vsctl("get open . _uuid") == root


@pytest.mark.parametrize("protocols", ["OpenFlow10", "OpenFlow12", "OpenFlow13", "OpenFlow10,OpenFlow15"])
def test_other_protocols(switch, ovstool, tmp_path, protocols):
    switch.vsctl(f"set bridge br0 protocols={protocols}")
    of = ("-O", protocols)
    switch.tool("ovs-ofctl", *of, "add-flow", "br0", "table=3,priority=7,ip actions=output:1")
    switch.tool(
        "ovs-ofctl", "-O", "OpenFlow10,OpenFlow12,OpenFlow13,OpenFlow15", "add-group", "br0", "group_id=1,type=all,bucket=actions=output:1"
    )
    assert ovstool(f"snapshot save {tmp_path / 's'}").code == 0
    before = switch.tool("ovs-ofctl", *of, "--no-stats", "dump-flows", "br0")
    switch.tool("ovs-ofctl", *of, "del-flows", "br0")
    switch.tool("ovs-ofctl", *of, "add-flow", "br0", "priority=9,ip actions=drop")
    switch.vsctl("clear bridge br0 protocols")
    switch.tool("ovs-ofctl", *OF, "del-groups", "br0")
    switch.tool("ovs-ofctl", *OF, "add-group", "br0", "group_id=2,type=all,bucket=actions=output:1")
    assert ovstool(f"snapshot restore {tmp_path / 's'}").stdout == "br0: updated\nOpen_vSwitch: unchanged\n"
    assert switch.tool("ovs-ofctl", *of, "--no-stats", "dump-flows", "br0") == before
    assert "group_id=1" in switch.tool("ovs-ofctl", "-O", "OpenFlow10,OpenFlow12,OpenFlow13,OpenFlow15", "dump-groups", "br0")
    assert ovstool(f"snapshot restore {tmp_path / 's'}").stdout == "br0: unchanged\nOpen_vSwitch: unchanged\n"


def test_what_cannot_be_done(refused, tmp_path):
    for command, code, said in (
        ("snapshot restore nosuch.json", 2, "nosuch.json: No such file or directory"),
        ("snapshot restore setup.cfg", 2, "setup.cfg: not a snapshot of ovstool; try: ovstool snapshot save FILE"),
        ("snapshot restore /", 2, "/: Is a directory"),
        ("snapshot restore x --as-ovs", 2, "--as-ovs: "),
        ("snapshot restore x --no-wait", 2, "--no-wait: "),
        ("snapshot save setup.cfg", 2, "exists and is something else"),
        (f"snapshot save {tmp_path}/nosuch/x", 6, "nosuch/x: No such file or directory"),
        ("snapshot save /dev/null", 2, "/dev/null: not a regular file; try: - for standard output"),
        ("-H h1,h2 snapshot save x.json", 2, "x.json: one file for several hosts; each needs its own; try: '{host}.json'"),
        ("-H h1,h2 snapshot restore -", 2, "-: one file for several hosts; each needs its own; try: '{host}.json'"),
        ("--db tcp:127.0.0.1:1 snapshot save x.json", 5, "OpenFlow: needs access to the host of the switch"),
    ):
        assert said in refused(command, code)


def test_a_bridge_of_which_ovs_vswitchd_knows_nothing(switch, ovstool, refused, saved):
    switch.vsctl("--no-wait add-br br1 -- set bridge br1 datapath_type=nosuch")
    assert "br1" in refused(f"snapshot save {saved}", 5)
    assert ovstool(f"snapshot restore {saved} -q").stdout == "br0: unchanged\nbr1: deleted\nOpen_vSwitch: unchanged\n"
