"""The Ansible collection: playbooks on hosts over SSH, with ovstool on the host and on the controller."""

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from lab import Lab

import ovstool

ROOT = Path(__file__).resolve().parents[2]
PLAYS = Path(__file__).with_name("plays")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAY_S = 300
DOCUMENT_OPTIONS = runpy.run_path(str(ROOT / "ansible/plugins/module_utils/task.py"))["DOCUMENT_OPTIONS"]


class Ansible:
    """Runs Ansible's programs as the operator of a lab."""

    def __init__(self, lab):
        self.lab = lab
        self.inventory = lab.directory / "hosts.ini"
        collection = lab.directory / "ansible_collections/ovstool/ovs"
        collection.parent.mkdir(parents=True)
        collection.symlink_to(ROOT / "ansible")
        self.environ = {
            "ANSIBLE_COLLECTIONS_PATH": str(lab.directory),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLAYS),
            "ANSIBLE_STDOUT_CALLBACK": "results",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "LC_ALL": "C.UTF-8",
        }

    def command(self, program, *words):
        return [os.path.join(sys.prefix, "bin", program), *map(str, words)]

    def run(self, program, *words, **environ):
        return self.lab.run(self.command(program, *words), timeout_s=_PLAY_S, environ=self.environ | environ)

    def inventory_with(self, line):
        """An inventory with one more host, of the group rack1."""
        path = self.lab.directory / f"{line.split()[0]}.ini"
        path.write_text(self.inventory.read_text().replace("leaf2 ", f"{line}\nleaf2 "))
        return path

    def one_task(self, host, **options):
        """The file of a play that applies a document to a host."""
        path = self.lab.directory / f"of_{host}.yaml"
        path.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": [{"ovstool.ovs.document": options}]}]))
        return path

    def play(self, *words, **environ):
        """The results of each task, by its name and host."""
        done = self.run("ansible-playbook", "-i", self.inventory, *words, **environ)
        results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert results, done
        return {(result["task"], result["host"]): result for result in results}


@pytest.fixture(scope="module")
def ansible():
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as lab:
        lab.start(["h1"], has_ovstool=True)
        lab.start(["h2"], has_ovstool=True, user="op", port=2222)
        made = Ansible(lab)
        key = lab.home / "key_of_the_inventory"
        (lab.home / ".ssh/id_ed25519").rename(key)
        names = {name: lab[name].address for name in ("h1", "h2")}
        (lab.home / ".ssh/config").unlink()  # everything is in the inventory
        made.inventory.write_text(
            f"[rack1]\nh1 ansible_host={names['h1']} own=1\n"
            f"leaf2 ansible_host={names['h2']} ansible_port=2222 ansible_user=op ansible_become=true own=2 uplink=eth2\n"
            f"[rack1:vars]\nuplink=eth1\nrack='r 1'\nansible_ssh_private_key_file={key}\n"
            f"ansible_python_interpreter={shutil.which('python3', path=_PATH)}\n"
        )
        yield made


# The hosts by the names in the inventory: who they are in the lab, their variable own, and the port that leaf.yaml is about.
HOSTS = {"h1": ("h1", 1, "eth1"), "leaf2": ("h2", 2, "eth2")}
WAYS = {"host": 100, "controller": 200}
REFUSED = """\
ovstool: bridges.br0.ports.eth1.tag: 9999: not a whole number from 0 to 4095
ovstool: bridges.br0.ports.eth1.trunks.0: "x\\x1b[31m": not a whole number from 0 to 4095
ovstool: bridges.br0.ports."p\\n!".vlan: unknown field vlan; try: vlan_mode
ovstool: bridges.br0.ports.eth2.qos.queues.0.min: ${nosuch} has no value for HOST: no such variable in hostvars (read as Ansible YAML); \
try: nosuch for the host or one of its groups"""


def test_both_ways(ansible):
    results = ansible.play(PLAYS / "both.yaml")
    assert len(results) == 7 * 2 * 2
    for (task, name), found in results.items():
        way, what = task.split()
        _, own, uplink = HOSTS[name]
        tag, was = WAYS[way] + own, None if way == "host" else WAYS["host"] + own
        assert found["changed"] == (what in ("checked", "applied", "template")), found
        assert found.get("failed", False) == (what in ("refused", "conflict")), found
        assert "rc" not in found or (found["rc"], "changes" in found) == (2 if what == "refused" else 4, False)
        if what in ("checked", "applied"):  # what is checked is not written, or it would not differ the second time
            assert found["changes"][-1] == {"object": uplink, "field": "tag", "from": was, "to": tag}
            assert ("objects" in found) == (what == "applied")
            assert found["diff"]["after"].endswith(f"{uplink}:\n  tag: {tag}\n") and found["diff"]["before_header"] == name
        elif what == "again":
            assert (found["changes"], {row["change"] for row in found["objects"]}) == ([], {"unchanged"}) and "diff" not in found
        elif what == "template":
            assert {row["field"]: row["to"] for row in found["changes"]}.items() >= {
                ("external_ids.at", f"{name} {WAYS[way]}"), ("police.rate", f"{WAYS[way]}kbit")
            }  # fmt: skip
            assert found["confirm_id"] and found["warnings"] == ["iface-id:nowhere: not on this switch"]
        elif what == "refused":
            assert found["msg"] == REFUSED.replace("HOST", name)
            assert "the document:" not in json.dumps(found)  # such as in what ansible-core 2.19 shows before msg
        elif what == "conflict":
            assert (
                found["msg"]
                == f"ovstool: port {uplink}: tag belongs to document leaf, not other; try: --take-over, or one of the two without it"
            )
        else:
            ovs = found["ansible_facts"]["ovs"]
            assert ovs["document"]["bridges"]["br0"]["external_ids"] == {"name": name, "rack": "r 1"}
            assert ovs["ports"][uplink]["tag"] == tag and ovs["ports"]["eth2"]["link_state"] == "up"
            assert ovs["ovstool_version"] == ovstool.__version__
    for name, own, uplink in HOSTS.values():
        assert ansible.lab.vsctl(name, f"get port {uplink} tag") == str(WAYS["controller"] + own)
        assert ansible.lab.vsctl(name, "get interface eth2 external_ids:on ingress_policing_rate") == "yes\n200"
        assert "confirm" not in ansible.lab.vsctl(name, "get open . external_ids")


FAILURES = {
    "no ovstool there": "ovstool: nosuch: not found on the host; try: pipx install ovstool there, executable: PATH, or via: controller",
    "no ovstool here": "ovstool: nosuch: not found on the controller; try: pip install ovstool, or executable: PATH",
    "not ovstool": "/bin/echo: not ovstool, or another version of it: it prints '--inventory hostvars -H @all diff the document -f json\\n'",
    "neither": "one of document and src is needed, and not both",
    "no file": "src: Could not find or access 'nosuch.yaml'",
    "not UTF-8": "/odd/latin1: not UTF-8: byte 3",
    "a list": "document: neither a mapping nor a text",
    "a truth value": "document: bridges.br0.ports.true: the name is a truth value, as Ansible reads on, off, yes and no; try: quotes",
    "not over SSH": "via: controller: ovstool reaches hosts over SSH, and this one has the connection psrp; try: via: host",
    "another user": "via: controller: ovstool becomes root by sudo only; try: via: host",
    "a list as a value": "ovstool: bridges.br0.external_ids.a: ${lines} has no value for h1: a list at hostvars:4 (read as Ansible YAML); "
    "try: a single value",
    "refused in check mode": "ovstool: mirror m: bridge br0 has no port nosuch",
    "unreachable": "Connection refused\nvia: controller does not use ansible_ssh_extra_args; try: ~/.ssh/config, or via: host",
    "a template": "a template, which only Ansible can fill in",
    "not confirmed": "ovstool: the way is cut; the change was not confirmed, so the host undoes it",
}


def test_what_fails(ansible):
    cut = ansible.lab.directory / "cut"
    cut.write_text(
        f"#!/bin/sh\ncase \"$*\" in *' confirm '*) echo 'ovstool: the way is cut' >&2; exit 5; esac\nexec {sys.prefix}/bin/ovstool \"$@\"\n"
    )
    cut.chmod(0o755)
    host = ansible.lab["h1"]
    host.vsctl("set bridge br0 external_ids:a=before")
    odd = ansible.lab.directory / "odd"
    odd.mkdir()
    for name in ("hostvars", "-", "-n", "a b'\\"):
        (odd / name).write_text("bridges: {br0: {external_ids: {b: '${own}'}}}")
    (odd / "latin1").write_bytes(b"a:\xe9")
    results = ansible.play(PLAYS / "failures.yaml", "-e", f"cut={cut}", "-e", f"odd={odd}", "-l", "h1")
    assert {task for task, _ in results} == {*FAILURES, "hostile values", "odd names"}
    assert [found["changes"][0]["to"] for found in results["odd names", "h1"]["results"]] == ["1"] * 4
    for task, says in FAILURES.items():
        found = results[task, "h1"]
        assert found["failed"] and says in found["msg"], found
        assert found["changed"] == (task == "not confirmed")
    assert results["hostile values", "h1"]["changes"][0]["to"] == 'a: "b"\n- ${host} \x7f\u2028\U0001f600'
    until = time.monotonic() + 30
    while host.vsctl("get bridge br0 external_ids:a") != "before":
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_task(ansible, way):
    """ovs-vswitchd is stopped, so that ovstool waits for it once the change is written, and is killed there."""
    host, ports = ansible.lab["h1"], [f"{way[:4]}{number}" for number in range(20)]
    document = {"bridges": {"br0": {"ports": {port: {"type": "internal", "tag": 7} for port in ports}}}}
    play = ansible.one_task("h1", via=way, document=document)
    pid = host.run(["cat", "/var/run/openvswitch/ovs-vswitchd.pid"]).stdout.strip()
    host.run(["kill", "-STOP", pid])
    command = ansible.lab.command(ansible.command("ansible-playbook", "-i", ansible.inventory, play))
    running = subprocess.Popen(
        command, env=ansible.lab.environ | ansible.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + 60
        while not (there := host.run(["ovs-vsctl", "--no-wait", "list-ports", "br0"]).stdout.split()) or ports[0] not in there:
            assert running.poll() is None and time.monotonic() < until
            time.sleep(0.05)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        host.run(["kill", "-CONT", pid])
    assert set(there) >= set(ports)
    assert host.vsctl([word for port in ports for word in ("--", "get", "port", port, "tag")]).split() == ["7"] * len(ports)
    (again,) = ansible.play(play).values()
    assert (again["changed"], again["changes"]) == (False, [])


def test_the_readme(ansible):
    """Its files are played as they are, on the hosts of the lab, and ovstool reads the same inventory and document."""
    text = (ROOT / "ansible/README.md").read_text()
    files = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))
    assert set(files) == {"site.yaml", "leaf.yaml", "hosts.ini"}
    addresses = {
        "192.0.2.11": f"{ansible.lab['h1'].address} ansible_port=22",
        "192.0.2.12": f"{ansible.lab['h2'].address} ansible_port=2222",
    }
    settings = "\n".join(ansible.inventory.read_text().splitlines()[-2:])
    for old, new in {**addresses, "ansible_user=admin": f"ansible_user=op\n{settings}"}.items():
        files["hosts.ini"] = files["hosts.ini"].replace(old, new)
    folder = ansible.lab.directory / "readme"
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_text(body)
    for host in ("h1", "h2"):
        ansible.lab.vsctl(host, "clear bridge br0 external_ids -- clear port eth1 tag external_ids -- clear port eth2 tag external_ids")
    done = ansible.run("ansible-playbook", "-i", folder / "hosts.ini", folder / "site.yaml", "--diff", ANSIBLE_STDOUT_CALLBACK="default")
    assert done.code == 0, done
    (shown,) = re.findall(r"^--- before: leaf01\n.*?(?=```)", text, re.MULTILINE | re.DOTALL)
    assert shown.partition("\n br0:")[0] in done.stdout and " eth1:\n+  tag: 20\n" in done.stdout
    there = ansible.lab.ovstool(f"--inventory {folder}/hosts.ini -H @leafs --sudo diff {folder}/leaf.yaml")
    assert (there.code, there.stdout) == (0, "")
    assert ansible.lab.vsctl("h2", "--columns=other_config find queue other_config:max-rate=100000000").count("100000000")


def test_its_documentation_and_its_package(ansible):
    documented = ansible.run("ansible-doc", "-j", "ovstool.ovs.document", "ovstool.ovs.facts")
    assert documented.code == 0 and documented.json["ovstool.ovs.document"]["doc"]["options"].keys() == DOCUMENT_OPTIONS.keys()
    built = ansible.run("ansible-galaxy", "collection", "build", "--output-path", ansible.lab.directory, ROOT / "ansible")
    assert built.code == 0, built
    archive = ansible.lab.directory / f"ovstool-ovs-{ovstool.__version__}.tar.gz"
    with tarfile.open(archive) as package:
        names = set(package.getnames())
    assert {"README.md", "plugins/action/document.py", "plugins/module_utils/task.py", "meta/runtime.yml"} < names
    assert not [name for name in names if name.startswith(".") or "__pycache__" in name]


def test_a_change_that_cuts_the_host_off(ansible):
    """The program on the host applies the document and ends sshd, as a change of the way to the host would."""
    host = ansible.lab.host("h3", has_ovstool=True)
    cutting = '#!/bin/sh\novstool "$@"\ncase "$*" in *\' apply \'*) kill $(cat /run/lab/sshd.pid); esac\n'
    assert host.run(["sh", "-c", "cat >/run/cutting; chmod 755 /run/cutting"], cutting).code == 0
    host.vsctl("set bridge br0 external_ids:a=before")
    inventory = ansible.inventory_with(f"h3 ansible_host={host.address}")
    document = {"bridges": {"br0": {"external_ids": {"a": "after"}}}}
    play = ansible.one_task("h3", document=document, executable="/run/cutting", confirm_within=3)
    (found,) = ansible.play("-i", inventory, play).values()
    assert found["unreachable"] and found["msg"].endswith("; the change was not confirmed, so the host undoes it"), found
    until = time.monotonic() + 30
    while host.vsctl("get bridge br0 external_ids:a") != "before":
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_host_without_python(ansible):
    host = ansible.lab.host("h4", without=("python3", "python"), user="op")
    inventory = ansible.inventory_with(f"h4 ansible_host={host.address} ansible_user=op ansible_become=true")
    play = ansible.one_task("h4", document={"bridges": {"br0": {"ports": {"eth1": {"tag": 5}}}}}, via="controller")
    (found,) = ansible.play("-i", inventory, play).values()
    assert found["changed"] and host.vsctl("get port eth1 tag") == "5", found
