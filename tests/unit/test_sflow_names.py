"""The names of agents: the hosts of an inventory, by address."""

import os
import threading
import time

import pytest

from ovstool.errors import NotFound, UsageError
from ovstool.host import inventory
from ovstool.host.address import Target
from ovstool.host.deadline import Deadline
from ovstool.host.inventory import by_address
from ovstool.host.inventory.by_address import HostNames
from ovstool.switch.sflow import port_names


def written(tmp_path, text: str) -> str:
    path = tmp_path / "inventory"
    path.write_text(text)
    return str(path)


def test_addresses_are_known_at_once_and_names_are_looked_up(tmp_path):
    path = written(
        tmp_path,
        "[rack]\nleaf01 ansible_host=192.0.2.1\nleaf02 ansible_host=2001:DB8:0::2 ansible_user=x\n192.0.2.3\nlocalhost\nnosuch.invalid\n",
    )
    names = HostNames(path)
    assert [names.find(address) for address in ("192.0.2.1", "2001:db8::2", "192.0.2.3", "192.0.2.4")] == [
        "leaf01",
        "leaf02",
        "192.0.2.3",
        None,
    ]
    assert names.addresses("leaf01") == ["192.0.2.1"] and names.addresses("nosuch.invalid") == []
    assert "127.0.0.1" in names.addresses("localhost")
    deadline = time.monotonic() + 30
    while names.find("127.0.0.1") is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert names.find("127.0.0.1") == "localhost"


def test_hosts_of_the_command_line_come_before_those_of_the_inventory(tmp_path):
    path = written(tmp_path, "[rack]\nleaf01 ansible_host=192.0.2.1\nleaf02 ansible_host=192.0.2.2\nleaf03 ansible_host=192.0.2.3\n")
    names = HostNames(path, [Target("edge", "admin@192.0.2.1:2222"), Target("leaf02", "192.0.2.9"), Target("local", "localhost")])
    found = [names.find_in_time(f"192.0.2.{number}") for number in (1, 2, 3, 9)]
    assert found == ["edge", None, "leaf03", "leaf02"] and names.find_in_time("127.0.0.1") == "local"


def test_an_inventory_from_a_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert HostNames(str(tmp_path / "pipe"), [Target("leaf01", "192.0.2.1")]).find("192.0.2.1") == "leaf01"


def test_slow_name_lookups_are_not_waited_for(tmp_path, monkeypatch):
    looked_up, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(by_address.socket, "getaddrinfo", lambda *args, **more: looked_up.set() or (ended.wait(60) and []))
    try:
        assert HostNames(None, [Target("leaf01", "leaf01")]).find_in_time("192.0.2.1") is None
        assert looked_up.is_set()
    finally:
        ended.set()


def test_a_name_that_is_looked_up_soon_is_waited_for(monkeypatch):
    ended = threading.Event()
    found = [(None, None, None, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(by_address.socket, "getaddrinfo", lambda *args, **more: ended.wait(60) and found)
    monkeypatch.setattr(by_address, "_LOOKED_UP_S", 60.0)  # the machine may be busy
    names = HostNames(None, [Target("leaf01", "leaf01")])
    threading.Timer(0.1, ended.set).start()
    assert names.find_in_time("192.0.2.1") == "leaf01"
    assert HostNames(None, [Target("leaf02", "192.0.2.2")]).find_in_time("192.0.2.2") == "leaf02", "there is nothing to wait for"


def test_without_an_inventory_nothing_has_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert HostNames(None).find("192.0.2.1") is None
    (tmp_path / "ovstool").mkdir()
    (tmp_path / "ovstool/inventory.yaml").write_text("groups: [")
    assert HostNames(None).find("192.0.2.1") is None, "no inventory was given"
    with pytest.raises(UsageError):
        HostNames(str(tmp_path / "ovstool/inventory.yaml"))
    with pytest.raises((UsageError, NotFound)):
        HostNames(str(tmp_path / "absent"))


def test_an_agent_is_known_in_each_spelling_of_its_address():
    assert port_names._written("192.0.2.1") == port_names._written("::ffff:192.0.2.1") == {"192.0.2.1", "::ffff:192.0.2.1"}
    assert port_names._written("2001:DB8:0::1") == {"2001:db8::1"}
    assert port_names._written("eth0") == port_names._written("None") == set()


def test_every_host_of_an_inventory_once(tmp_path):
    path = written(tmp_path, "groups:\n  a: ['h[1-3]', '@b']\n  b: ['h2', 'root@h4:2222', '-x']\n")
    assert [target.address for target in inventory.every(path, Deadline(5))] == ["h1", "h2", "h3", "root@h4:2222"]
