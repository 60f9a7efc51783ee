"""The file of a snapshot: what is read back, what is refused, and how it is replaced."""

import json
import os
import resource
import socket
import stat
import time
from contextlib import closing

import pytest

from ovstool import whole_file
from ovstool.errors import Refused, Unreachable, UsageError
from ovstool.ovsdb.client import Client
from ovstool.ovsdb.transaction import select
from ovstool.switch.snapshot import Snapshot, contents, database, file_format
from ovstool.switch.snapshot.contents import Contents

U = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(6)]
ROWS = {
    "Bridge": {U[1]: {"name": "br0", "ports": ["uuid", U[2]], "other_config": ["map", [["a", "\x7f\x1bé\u2028"]]]}},
    "Open_vSwitch": {U[0]: {"bridges": ["uuid", U[1]], "external_ids": ["map", [["hostname", "h"], ["system-id", "one"]]]}},
    "Port": {U[2]: {"name": "p", "interfaces": ["set", [["uuid", U[3]], ["uuid", U[4]]]], "trunks": ["set", [1, 9, 10]]}},
    "Interface": {U[3]: {"name": "p", "ofport": 3}, U[4]: {"name": "q", "ofport": 4}},
}
FLOWS = [
    "table=0,priority=9,in_port=3 actions=output:4,bundle(eth_src,0,hrw,ofport,members:3,4)",
    "table=0,priority=3 actions=resubmit(4,3)",
]
FULL = Snapshot("2026-11-22T19:00:00Z", "leaf01", "3.1.0", None, ROWS, {
    "br0": Contents(FLOWS, ["group_id=3,type=ff,bucket=watch_port:3,actions=output:4"], ["meter=3 kbps bands= type=drop rate=4"])
})  # fmt: skip
DATA = file_format.text(FULL).encode()


def why(data: bytes) -> str:
    with pytest.raises(UsageError) as refused:
        file_format.parse(data, "f")
    return str(refused.value).removeprefix("f: ")


def with_content(**changed) -> bytes:
    """A file with other content, and the right checksum."""
    body = json.dumps({**json.loads(DATA), **changed}).replace('{"ovstool_snapshot', '{\n"ovstool_snapshot', 1)
    return signed(body.rpartition(', "sha256"')[0])


def signed(body: str) -> bytes:
    import hashlib

    return f'{body},\n"sha256": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'.encode()


def test_what_was_written_is_read():
    assert file_format.parse(DATA, "f") == FULL
    assert file_format.parse(with_content(host="leaf02"), "f") == FULL._replace(host="leaf02")
    assert DATA.decode().isprintable() or set(DATA.decode()) - {"\n"} <= set(map(chr, range(32, 127)))
    assert json.loads(DATA)["tables"] == ROWS


def test_a_file_that_was_cut_anywhere():
    for end in range(len(DATA) - 1):
        assert why(DATA[:end]).startswith("incomplete: " if end >= len(file_format.BEGINNING) else "not a snapshot of ovstool"), end


def test_a_file_with_a_changed_byte():
    for at in range(len(file_format.BEGINNING) + 1, len(DATA) - 1, 7):
        assert why(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]).startswith(("damaged", "incomplete")), at
    assert why(DATA + DATA).startswith("damaged") and why(DATA + b"x").startswith("incomplete")
    assert why(DATA.replace(b"\n", b"\r\n")) == "not a snapshot of ovstool; try: ovstool snapshot save FILE"


@pytest.mark.parametrize(
    "changed",
    [
        {"database": "hardware_vtep"}, {"ovstool_snapshot": "1"}, {"tables": {}}, {"tables": []}, {"bridges": {}}, {"bridges": None}, {"tables": ROWS | {"Port": {}}},
        {"tables": ROWS | {"Open_vSwitch": {}}}, {"tables": ROWS | {"Port": {"x": {}}}}, {"tables": ROWS | {"QoS": {U[5]: None}}},
        {"tables": ROWS | {"QoS": {U[5]: {"queues": ["map", [[1, ["uuid", "nosuch"]]]]}}}}, {"bridges": {"br0": {"flows": []}}},
        {"bridges": {"br0": {"flows": ["a\nb"], "groups": [], "meters": []}}}, {"bridges": {"br0": {"flows": [1], "groups": [], "meters": []}}},
        {"bridges": {"br0": {"flows": "ab", "groups": [], "meters": []}}}, {"bridges": {"br1": FULL.bridges["br0"]._asdict()}},
        {"tables": ROWS | {"QoS": {U[5]: {"queues": ["map", [1]]}}}}, {"tables": ROWS | {"Bridge": {U[1]: {"name": "br0", "ports": ["map", 7]}}}},
    ],
)  # fmt: skip
def test_content_that_is_not_a_switch(changed):
    assert why(with_content(**changed)) == "not a snapshot of ovstool: its content is not that of a switch"


def test_other_files():
    for data in (b"", b"{}", b"[]", b"\0" * 100, b'{"ovstool_snapshot": 1}', b"\x1f\x8b"):
        assert why(data) == "not a snapshot of ovstool; try: ovstool snapshot save FILE"
    assert why(signed(file_format.BEGINNING.decode() + "2,")) == "a snapshot in format 2; this ovstool reads format 1"
    assert (
        why(signed(file_format.BEGINNING.decode() + '1,\n"x": ' + "[" * 10**6))
        == "not a snapshot of ovstool: its content is not that of a switch"
    )
    for values in ("1" * contents.MAX_SIZE, "[]," * 8_000_000, '"",' * 4_000_000):
        assert why(signed(file_format.BEGINNING.decode() + f'1,\n"x": [{values}1]')).startswith("more than 48 MiB or 8 million values")


def test_a_large_file_is_not_read_whole(tmp_path):
    (tmp_path / "large").write_bytes(file_format.BEGINNING)
    os.truncate(tmp_path / "large", 2**40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=r"large: larger than 48 MiB"):
        whole_file.read(str(tmp_path / "large"), contents.MAX_SIZE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18
    for name in ("nosuch", "", "a\0b"):
        with pytest.raises(UsageError):
            whole_file.read(str(tmp_path / name), 10)


def test_a_switch_that_is_too_large(monkeypatch):
    for limit, value in (("MAX_SIZE", 500), ("_FULLEST", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(file_format, limit, value)
            with pytest.raises(Refused, match="leaf01: a snapshot of this switch would have more than 48 MiB or 8 million values"):
                file_format.text(FULL)
            assert why(DATA).startswith("more than 48 MiB or 8 million values")


def replaced(path) -> bool:
    return whole_file.replace(str(path), DATA, file_format.BEGINNING)


def test_a_file_is_replaced_whole(tmp_path, monkeypatch):
    file = tmp_path / "f.json"
    assert replaced(file) and not replaced(file)
    assert file.read_bytes() == DATA and stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(file)
    file.write_bytes(b"")
    assert not replaced(tmp_path / "link") and file.read_bytes() == DATA and (tmp_path / "link").is_symlink()

    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        file.write_bytes(DATA + b"old")
        with pytest.raises(Refused, match=r"f\.json: No space left on device"):
            replaced(file)
    assert file.read_bytes() == DATA + b"old" and sorted(os.listdir(tmp_path)) == ["f.json", "link"]


def test_what_is_not_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    os.mkfifo(tmp_path / "fifo")
    for name, words in (("mine.txt", "exists and is something else"), ("fifo", "not a regular file"), ("", "Is a directory")):
        with pytest.raises((UsageError, Refused), match=words):
            replaced(tmp_path / name)
    with pytest.raises(Refused, match="No such file or directory"):
        replaced(tmp_path / "nosuch" / "f.json")
    assert (tmp_path / "mine.txt").read_text() == "precious" and sorted(os.listdir(tmp_path)) == ["fifo", "mine.txt"]


# --- what it says about the database


def test_ports_that_have_got_other_numbers():
    assert database.ports(ROWS, "br0") == {"p": "3", "q": "4"}
    moved = contents.renumbered(FULL.bridges["br0"], {"3": "4", "4": "3"})
    assert moved.flows == [
        "table=0,priority=9,in_port=4 actions=output:3,bundle(eth_src,0,hrw,ofport,members:4,3)", "table=0,priority=3 actions=resubmit(3,3)"
    ]  # fmt: skip
    assert moved.groups == ["group_id=3,type=ff,bucket=watch_port:4,actions=output:3"] and moved.meters == FULL.bridges["br0"].meters


def test_rows_for_a_switch_of_another_name():
    theirs = {"system-id": "two", "rundir": "/r"}
    now = {"Open_vSwitch": {U[5]: {"external_ids": ["map", [list(pair) for pair in theirs.items()]]}}, "Interface": {U[1]: {"name": "p"}}}
    then = database.fitted(ROWS, now)
    assert then["Open_vSwitch"] == {U[5]: {"bridges": ["uuid", U[1]], "external_ids": ["map", [["rundir", "/r"], ["system-id", "two"]]]}}
    assert then["Interface"] == {U[3]: {"name": "p"}, U[4]: {"name": "q", "ofport": 4}}
    assert database.fitted(ROWS, {}) == ROWS
    more = {"Open_vSwitch": {U[0]: {"external_ids": ["map", [["system-id", "one"], ["z", "1"]]]}}}
    kept = ["map", [["rundir", "/r"], ["system-id", "two"], ["z", "1"]]]
    assert database.fitted(ROWS | more, now)["Open_vSwitch"] == {U[5]: {"external_ids": kept}}
    for ids in ({}, {"system-id": "one"}):
        now["Open_vSwitch"][U[5]]["external_ids"] = ["map", [list(pair) for pair in ids.items()]]
        assert database.fitted(ROWS, now)["Open_vSwitch"] == {U[5]: ROWS["Open_vSwitch"][U[0]]}


def test_parts_of_the_database():
    found = database.parts(ROWS | {"QoS": {U[5]: {"type": "x"}}})
    assert found["br0"] == {table: ROWS[table] for table in ("Bridge", "Port", "Interface")}
    assert found[""] == {"Open_vSwitch": {U[0]: {"external_ids": ROWS["Open_vSwitch"][U[0]]["external_ids"]}}, "QoS": {U[5]: {"type": "x"}}}


@pytest.mark.parametrize(("domain", "is_valid"), [(64, True), ("x", False), (["set", [1, 2]], False)])
def test_tables_that_no_other_command_reads_are_checked_too(domain, is_valid):
    ours, theirs = socket.socketpair()
    client = Client(ours, "unix:test", time.monotonic() + 20)
    with theirs, closing(client):
        kinds = database.kinds(client, {"tables": {"IPFIX": {"columns": {"obs_domain_id": {"type": "integer"}}}}})
        rows = [{"_uuid": ["uuid", U[0]], "obs_domain_id": domain}]
        theirs.sendall(json.dumps({"id": 1, "result": [{"rows": rows}], "error": None}).encode())
        if is_valid:
            assert select(client, database.queries(kinds)) == [rows]
        else:
            with pytest.raises(Unreachable):
                select(client, database.queries(kinds))
