"""Random pairs of switches: what is exported of one is applied to the other. ``SETUPS=1000 SEED=2`` in the environment tries more."""

import random

from setups import SEED, wanted

from ovstool.document import reading
from ovstool.switch.accepts import qos_types

RATES = ("1000000", "9999992", "200000000", "2500000000")
VLANS = (
    {}, {"tag": 5}, {"trunks": [1, 2, 3, 9]}, {"vlan_mode": "native-untagged", "tag": 7, "trunks": [8, 9]}, {"vlan_mode": "access", "tag": 0},
    {"vlan_mode": "dot1q-tunnel", "tag": 100}, {"vlan_mode": "trunk"}, {"vlan_mode": "native-tagged", "tag": 4095},
)  # fmt: skip
TEXTS = ("x", "on", "012", "1e3", "null", "", "~", "a: b", 'say "x" \\', "#1", "ünï\U0001f600", "\x1b[1m\n", " ", "2024-01-01", "- a")


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
        code, _, error = database.run(f"apply {page}")
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
    assert refused < count // 2
