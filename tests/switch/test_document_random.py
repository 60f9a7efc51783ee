"""Random pairs of switches: what is exported of one is applied to the other, and undone. ``SETUPS=1000 SEED=2`` tries more."""

import random

from setups import SEED, wanted

from ovstool.document import reading
from ovstool.switch.accepts import qos_types

RATES = ("1000000", "9999992", "200000000", "2500000000")
VLANS = (
    {}, {"tag": 5}, {"trunks": [1, 2, 3, 9]}, {"vlan_mode": "native-untagged", "tag": 7, "trunks": [8, 9]}, {"vlan_mode": "access", "tag": 0},
    {"vlan_mode": "dot1q-tunnel", "tag": 100}, {"vlan_mode": "trunk"}, {"vlan_mode": "native-tagged", "tag": 4095},
)  # fmt: skip
TEXTS = (
    "x",
    "${x}",
    "$${",
    "on",
    "012",
    "1e3",
    "null",
    "",
    "~",
    "a: b",
    'say "x" \\',
    "#1",
    "ünï\U0001f600",
    "\x1b[1m\n",
    " ",
    "2024-01-01",
    "- a",
)


class Maker:
    """Makes trees for ``database.put``."""

    def __init__(self, seed: int):
        self.pick = random.Random(seed)

    def maybe(self, value, chance=0.5):
        return value if self.pick.random() < chance else None

    def some(self, **columns) -> dict:
        return {column: value for column, value in columns.items() if value not in (None, {}, [])}

    def pairs(self) -> dict:
        return {key: self.pick.choice(TEXTS) for key in self.pick.sample(TEXTS[:-1], self.pick.randint(0, 2)) if key}

    def switch(self) -> dict:
        return {name: self.bridge(name) for name in self.pick.sample(["br0", "br1", "br2"], self.pick.randint(0, 3))}

    def bridge(self, name: str) -> dict:
        ports = {f"{name}-{n}": self.port(f"{name}-{n}") for n in self.pick.sample(range(5), self.pick.randint(0, 4))}
        if self.pick.random() < 0.3:
            ports[name] = {"interfaces": {name: {"type": "internal"} | self.some(mtu_request=self.maybe(1400))}} | self.some(
                tag=self.maybe(3)
            )
        return {"ports": ports} | self.some(
            fail_mode=self.maybe("secure"), protocols=self.maybe(["OpenFlow10", "OpenFlow13"]), external_ids=self.pairs(),
            other_config=self.maybe({"mac-aging-time": "60"}), controller=self.maybe([{"target": "tcp:10.0.0.1:6653"}]),
            datapath_type=self.maybe("netdev"), sflow=self.maybe(self.sflow()), mirrors=self.mirrors([*ports]),
        )  # fmt: skip

    def sflow(self) -> dict:
        return {"targets": ["10.0.0.5:6343", "[2001:db8::5]:6344"][: self.pick.randint(1, 2)]} | self.some(
            agent=self.maybe("eth0"), sampling=self.maybe(64), polling=self.maybe(10), header=self.maybe(200)
        )

    def mirrors(self, ports: list[str]) -> dict:
        if not ports:
            return {}
        one, other = self.pick.choice(ports), self.pick.choice(ports)
        mirror = self.some(select_src_port=self.maybe([one]), select_all=self.maybe(True), snaplen=self.maybe(100))
        return {"m0": mirror | self.pick.choice(({"output_port": other}, {"output_vlan": 9}))} if self.pick.random() < 0.5 else {}

    def port(self, name: str) -> dict:
        members = [name] if self.pick.random() < 0.8 else [f"{name}a", f"{name}b"]
        own = self.interface(name if len(members) == 1 else None)
        bond = self.some(bond_mode=self.maybe("balance-slb"), lacp=self.maybe("active")) if len(members) > 1 else {}
        column = {"interfaces": dict.fromkeys(members, own)}
        return column | bond | self.pick.choice(VLANS) | self.some(other_config=self.pairs(), qos=self.maybe(self.qos()))

    def interface(self, name: str | None) -> dict:
        tunnel = {"type": "vxlan", "options": {"remote_ip": "192.0.2.7", "key": f"1{name[2]}{name[4]}", "ttl": "5"}} if name else {}
        kind = self.pick.choice(({}, {}, {"type": "internal"}, tunnel))
        limit = self.pick.choice(({}, {"ingress_policing_rate": 10000, "ingress_policing_burst": 2112}, {"ingress_policing_rate": 500}))
        return kind | limit | self.some(external_ids=self.pairs(), mtu_request=None if "options" in kind else self.maybe(1400))

    def qos(self) -> dict:
        kind = self.pick.choice(("linux-htb", "linux-htb", "linux-hfsc", "linux-sfq", "linux-noop", "egress-policer"))
        if kind == "linux-sfq":
            return {"type": kind, "other_config": {"quantum": "3000"}}
        if kind == "egress-policer":
            return {"type": kind, "other_config": {"cir": "1250000", "cbs": "33000"}}
        if kind == "linux-noop":
            return {"type": kind}
        queues = {n: self.queue(kind) for n in self.pick.sample([0, 1, 7, 100], self.pick.randint(0, 3))}
        return {"type": kind} | self.some(other_config=self.maybe({"max-rate": self.pick.choice(RATES)}), queues=queues)

    def queue(self, kind: str) -> dict:
        config = self.some(**{"min-rate": self.maybe(RATES[0]), "max-rate": self.maybe(self.pick.choice(RATES))})
        more = self.some(burst=self.maybe("80000"), priority=self.maybe("3")) if kind == qos_types.DEFAULT else {}
        return self.some(other_config=config | more, dscp=self.maybe(10, 0.2))


def settings(text: str) -> dict:
    """All settings of a document, by object and path."""
    document, errors = reading.read("export", text.encode())
    assert errors == []
    entries = [bridge.entry for bridge in document.bridges.values()]
    named = [("bridge", entry) for entry in entries]
    named += [("port", port) for bridge in document.bridges.values() for port in bridge.ports.values()]
    return {(kind, entry.name, path): value for kind, entry in named for path, value in entry.settings.items()}


def exported(database) -> str:
    code, text, notes = database.run("export")
    assert (code, notes) == (0, "")
    return text


def test_random_pairs(database, tmp_path):
    page, refused = tmp_path / "page.yaml", 0
    for number in range(count := wanted(20)):
        maker = Maker(SEED * 1_000_000 + number)
        one, other = maker.switch(), maker.switch()
        database.put(one)
        text = exported(database)
        page.write_text(text)
        database.put({})
        code, _, error = database.run(f"apply {page}")
        assert code == 0, error + text
        assert exported(database) == text, number
        assert "updated" not in (again := database.run(f"apply {page}")[1]) and "created" not in again

        database.put(other)
        before, was = database.tree(), settings(exported(database))
        code, applied, error = database.run(f"apply {page}")
        if code:  # the ports of both together have VLANs or options that do not fit
            assert code == 2 and database.tree() == before, error
            refused += 1
            continue
        assert database.run(f"diff {page}")[0] == 0
        now, asked = settings(exported(database)), settings(text)
        replaced = {key[:2] for key in asked if key[2] == ("qos", "type") and was.get(key, asked[key]) != asked[key]}
        kept = {key: value for key, value in was.items() if not (key[:2] in replaced and key[2][0] == "qos")}
        joined = {key[:2] for key in kept if key[2] == ("bond", "interfaces")} - {
            key[:2] for key in asked if key[2] == ("bond", "interfaces")
        }
        assert {key: value for key, value in now.items() if key[:2] not in joined} == {
            key: value for key, value in (kept | asked).items() if key[:2] not in joined
        }, number
        used = [row for bridge in database.tree().values() for row in bridge.get("ports", {}).values() if "qos" in row]
        assert database.count("QoS", "Queue") == [len(used), sum(len(row["qos"].get("queues", {})) for row in used)]
        if number % 4 == 0 and ("created" in applied or "updated" in applied):
            undone = database.run("undo")
            assert undone[0] == 0 and database.tree() == before, (number, undone)
    assert refused < count // 2


FIELDS = {
    "tag": ("5", "6"), "mtu": ("1400", "1500"), "other_config": ("{x: a}", "{x: b}", "{y: a}", "{x: a, y: b}"), "police": ("{rate: 1mbit}", "{rate: 2mbit}"),
    "external_ids": ("{x: a}", "{y: b}", "{x: a, y: c}"), "vlan_mode": ("access",),
    "qos": ("{max_rate: 1mbit}", "{queues: {1: {}}}", "{max_rate: 1mbit, queues: {1: {dscp: 9}, 2: {}}}", "{queues: {1: {min: 1mbit}}}", "{type: hfsc}"),
}  # fmt: skip
OTHERS = (
    "port set {} --tag 7", "qos set {} --max-rate 3mbit --queue 7:min=1mbit", "qos clear {}", "police set {} --rate 3mbit", "police clear {}",
    "port set {} --external-id x=of-others", "port set {} --unset mtu_request", "port del {}", "port add br0 {}", "port add br0 {} --tag 5",
)  # fmt: skip


def declared(pick: random.Random) -> str:
    """A document about some ports of br0, sometimes one that another bridge has too."""
    ports = []
    for name in pick.sample(("p0", "p1", "p2"), pick.randint(0, 3)):
        said = [
            f"{field}: {'null' if pick.random() < 0.1 else pick.choice(FIELDS[field])}"
            for field in pick.sample(sorted(FIELDS), pick.randint(0, 4))
        ]
        ports.append(f"{name}: {{{', '.join(said)}}}")
    return f"{{br0: {{ports: {{{', '.join(ports)}}}}}}}" if ports or pick.random() < 0.7 else "{}"


def owned(database, document: str) -> set:
    """What a document owns: objects with the names of their settings."""
    ports = database.tree().get("br0", {}).get("ports", {})
    key = f"ovstool-document-{document}"
    return {(name, path) for name, port in ports.items() for path in port.get("external_ids", {}).get(key, "").split(", ") if path}


def values(text: str) -> dict:
    """The settings of the ports of a document, with the objects that they are part of."""
    found = {(name, ".".join(path)): value for (kind, name, path), value in settings(text).items() if kind == "port"}
    for name, path in [key for key, value in found.items() if value is not None and "." in key[1]]:
        if (first := path.split(".")[0]) in ("qos", "police"):
            found[name, first] = True
    return found | {(name, "port"): True for bridge in reading.read("", text.encode())[0].bridges.values() for name in bridge.ports}


def is_part(path: tuple, of: tuple) -> bool:
    return path[0] == of[0] and path != of and (of[1] == "port" or path[1].startswith(f"{of[1]}."))


def test_random_owners(database, tmp_path):
    pick, codes = random.Random(SEED), {0: 0, 2: 0, 4: 0}
    for number in range(wanted(8)):
        database.put({"br0": {"ports": {"p0": {}}}})
        for _ in range(8):
            if pick.random() < 0.3:
                database.run(f"{pick.choice(OTHERS).format(pick.choice(('p0', 'p1', 'p2')))}")
                continue
            mine, its = pick.sample(("a", "b"), 2)
            (page := tmp_path / f"{mine}.yaml").write_text(f"bridges: {declared(pick)}")
            _step(database, page, mine, its, codes, number)
    assert codes[0] > codes[2] and codes[0] > codes[4] > 0, codes


def _step(database, page, mine: str, its: str, codes: dict, number: int) -> None:
    text = page.read_text()
    before, own, others, was = database.tree(), owned(database, mine), owned(database, its), values(exported(database))
    said = values(text)
    code, _, error = database.run(f"apply {page}")
    codes[code] += 1
    if code:  # the other document owns it, or it does not fit what is there
        removed = {key for key, value in said.items() if value is None}
        disputed = [key for key in others if key[1] != "port" and (key in said or any(is_part(key, part) for part in removed))]
        remade = [name for name, path in others if path.startswith("qos.") and (name, "qos.type") in said]
        assert database.tree() == before and (code == 2 or disputed or remade), (number, text, error)
        return
    now, after = values(exported(database)), owned(database, mine)
    context = number, text, before
    assert database.run(f"-n apply {page}")[1] == '["Open_vSwitch"]\n' and database.run(f"diff {page}")[0] == 0, context
    assert others <= owned(database, its) and all(now.get(key) == was[key] for key in others if key in was), context
    assert all(now.get(key) == value for key, value in said.items()), context
    assert after <= {key for key, value in said.items() if value is not None}, context
    left = owned(database, its)
    for key in own - said.keys():
        assert key not in now or key in left or key[1] == "qos.type", (key, context)
    remade = {name for name, path in said if path == "qos.type" and was.get((name, path)) != now.get((name, path))}
    remade |= {name for name, path in own - said.keys() if path == "qos.type"}
    for key in was.keys() | now.keys():
        if was.get(key) != now.get(key) and key not in own | said.keys():
            above = [part for part in own | said.keys() if is_part(key, part)]
            gone = any(part not in now for part in above)
            made = key not in was and any(part in after for part in above)  # what comes with an object
            of_rate = key[1] in ("police", "police.burst") and (key[0], "police.rate") in own | said.keys()
            assert gone or made or of_rate or (key[0] in remade and key[1].startswith("qos.")), (key, context)
