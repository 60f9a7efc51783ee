"""Lines of known_hosts: reading them, writing them, and errors about keys that differ from the known ones."""

import base64
import fcntl
import logging
import os
import stat
import threading

import pytest

from ovstool.errors import TimedOut, Unreachable
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config, host_keys, known_hosts
from ovstool.host.ssh.host_keys import KnownKeys
from ovstool.host.ssh.known_hosts import Entry
from ovstool.host.ssh.route import Hop

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
KEY, THEIRS = base64.b64decode(ED25519), base64.b64decode(OTHER)
SHOWN = "ssh-ed25519 SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"  # ssh-keygen -lf


@pytest.fixture
def path(tmp_path):
    return tmp_path / "known_hosts"


def found(path, text: str | bytes, name: str = "h1") -> list[tuple]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [
        (entry.marker, entry.kind, entry.key, entry.place.replace(str(path), ""))
        for entry in known_hosts.find([str(path)], name, Deadline(60))
    ]


ENTRY = ("", "ssh-ed25519", KEY, ":1")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (f"h1 ssh-ed25519 {ED25519}", ENTRY),
        (f" \th1\t ssh-ed25519 \t{ED25519} a comment # more \r", ENTRY),
        (f"@revoked h1 ssh-ed25519 {ED25519} x", ("@revoked", *ENTRY[1:])),
        (f"@cert-authority\t*,!h2 ssh-ed25519 {ED25519}", ("@cert-authority", *ENTRY[1:])),
        (f"@other h1 ssh-ed25519 {ED25519}", ("@other", *ENTRY[1:])),
        (f"h1 ssh-ed25519 {ED25519}\0 x", ENTRY),
        (f"h1 ssh-ed25519\0 {ED25519}", None),
        ("h1 ssh-ed25519", None),
        ("@revoked h1 ssh-ed25519", None),
        (f"#h1 ssh-ed25519 {ED25519}", None),
        (f"@revoked #h1 ssh-ed25519 {ED25519}", None),
        (f"h1 ssh-ed25519 {ED25519}!", None),
        (f"h1 ssh-ed25519 {ED25519[:-1]}", None),
        (f"h2,h1 ssh-ed25519 {ED25519}", ENTRY),
        (f"h2,h3 ssh-ed25519 {ED25519}", None),
        (f"H? ssh-ed25519 {ED25519}", ENTRY),
        (f"!h2 ssh-ed25519 {ED25519}", None),
        (f"h1,!H1 ssh-ed25519 {ED25519}", None),
        (f"|2|AAAA|AAAA ssh-ed25519 {ED25519}", None),
        (f"|1|AAAA ssh-ed25519 {ED25519}", None),
        (f"|1|A|AAAA ssh-ed25519 {ED25519}", None),
        # ssh-keygen -H of h1, then with another version of the hash, and with another salt.
        (f"|1|QUJDREVGR0hJSktMTU5PUFFSU1Q=|HASH ssh-ed25519 {ED25519}", ENTRY),
        (f"|2|QUJDREVGR0hJSktMTU5PUFFSU1Q=|HASH ssh-ed25519 {ED25519}", None),
        (f"|1|QUJDREVGR0hJSktMTU5PUFFSU1U=|HASH ssh-ed25519 {ED25519}", None),
        (f"||1|QUJDREVGR0hJSktMTU5PUFFSU1Q=|HASH ssh-ed25519 {ED25519}", None),
    ],
)  # fmt: skip
def test_a_line_about_a_host(path, line, entry):
    import hmac

    hashed = base64.b64encode(hmac.digest(b"ABCDEFGHIJKLMNOPQRST", b"h1", "sha1")).decode()
    assert found(path, line.replace("HASH", hashed)) == ([entry] if entry else [])


def test_lines_of_several_files_in_their_order(tmp_path):
    paths = [str(tmp_path / name) for name in ("one", "absent", "two", "file/below")]
    (tmp_path / "file").touch()
    for name, key in (("one", ED25519), ("two", OTHER)):
        (tmp_path / name).write_text(f"x\nh1 ssh-ed25519 {key}\nh1 ssh-rsa {key}\n")
    entries = known_hosts.find(paths, "h1", Deadline(60))
    assert entries == [
        Entry("", kind, key, f"{tmp_path}/{name}:{number}")
        for name, key in (("one", KEY), ("two", THEIRS))
        for number, kind in ((2, "ssh-ed25519"), (3, "ssh-rsa"))
    ]


def test_the_longest_line(path):
    rest = f" ssh-ed25519 {ED25519}\n".encode()
    assert found(path, b"\n" + b"h1," * ((2**20 - 1 - len(rest)) // 3) + b"h" * ((2**20 - 1 - len(rest)) % 3) + rest) == [
        (*ENTRY[:3], ":2")
    ]
    with pytest.raises(OSError, match=r"line 2 is longer than 1 MiB") as error:
        found(path, b"\n" + b"x" * (2**20 - 1) + b"\n")
    assert error.value.filename == str(path)


def test_a_large_file_is_read_in_time_or_not_at_all(path):
    path.write_text(f"h1 ssh-ed25519 {ED25519}\n" * 999)
    assert len(known_hosts.find([str(path)], "h1", Deadline(0))) == 999
    path.write_text(f"h1 ssh-ed25519 {ED25519}\n" * 1000)
    assert len(known_hosts.find([str(path)], "h1", Deadline(60))) == 1000
    with pytest.raises(TimeoutError, match="too large to read in time") as error:
        known_hosts.find([str(path)], "h1", Deadline(0))
    assert error.value.filename == str(path)


def test_names_of_hosts():
    assert known_hosts.name_of("H1.Example", 22) == "h1.example"
    assert known_hosts.name_of("H1", 2222) == "[h1]:2222" and known_hosts.name_of("2001:DB8::1", 23) == "[2001:db8::1]:23"


# --- writing


def remember(path, name: str = "h1", hashed: bool = False, seconds: float = 60) -> None:
    known_hosts.remember(str(path), name, "ssh-ed25519", KEY, hashed, Deadline(seconds))


def test_a_key_is_saved_as_a_line_at_the_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"h1 ssh-ed25519 {ED25519}\n"
    remember("plain")
    remember("folder/file")
    with open("cut", "w") as file:
        file.write("x")
    remember("cut")
    remember("cut")
    assert [open(name).read() for name in ("plain", "folder/file", "cut")] == [line, line, f"x\n{line}{line}"]
    assert stat.S_IMODE(os.stat("folder/file").st_mode) == 0o600 and stat.S_IMODE(os.stat("folder").st_mode) == 0o700
    remember("hashed", hashed=True)
    remember("hashed", hashed=True)
    one, two = open("hashed").read().splitlines()
    assert one != two and one.startswith("|1|") and len(base64.b64decode(one.split("|")[2])) == 20
    assert len(known_hosts.find(["hashed"], "h1", Deadline(60))) == 2 and known_hosts.find(["hashed"], "h2", Deadline(60)) == []
    remember("/dev/null")
    with pytest.raises(FileNotFoundError):
        remember("no/such/file")


def test_a_lock_is_waited_for_until_the_timeout(path):
    path.touch()
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="another program has it locked"):
            remember(path, seconds=0.05)
        assert path.read_text() == ""
        later = threading.Thread(target=remember, args=[path])
        later.start()
        later.join(0.1)
        assert later.is_alive()
        fcntl.flock(held, fcntl.LOCK_UN)
    later.join(60)
    assert path.read_text() == f"h1 ssh-ed25519 {ED25519}\n"


# --- judging a key


@pytest.fixture
def hop(tmp_path, monkeypatch):
    """``hop(text, accept)``: a server with this text in the user's ssh_config."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "none"))
    (tmp_path / ".ssh").mkdir()

    def hop(text: str = "", accept: bool = False) -> Hop:
        (tmp_path / ".ssh/config").write_text(f"User me\nGlobalKnownHostsFile none\n{text}")
        return Hop("me@h1", config.lookup("H1", None, None, Deadline(60)), Deadline(60), accept, 0.0)

    return hop


def entry(key: bytes, place: str, marker: str = "", kind: str = "ssh-ed25519") -> Entry:
    return Entry(marker, kind, key, place)


def test_the_known_keys_of_a_host(tmp_path, hop):
    (tmp_path / ".ssh/known_hosts").write_text(
        f"h1 ssh-rsa {ED25519}\n[h1]:2222 ssh-ed25519 {OTHER}\nal ssh-x {ED25519}\n@revoked h1 ssh-y {ED25519}\n"
    )
    at = f"{tmp_path}/.ssh/known_hosts"
    plain, revoked = entry(KEY, f"{at}:1", kind="ssh-rsa"), entry(KEY, f"{at}:4", "@revoked", "ssh-y")
    other = entry(THEIRS, f"{at}:2")
    assert host_keys.known(hop()) == ("h1", [plain, revoked], [])
    assert host_keys.known(hop("Port 2222")) == ("[h1]:2222", [other], [plain, revoked])
    assert host_keys.known(hop("Port 2222\nHostKeyAlias al")) == ("al", [entry(KEY, f"{at}:3", kind="ssh-x")], [])
    assert host_keys.known(hop()).kinds == ["ssh-rsa"] and host_keys.known(hop("Port 2222")).kinds == ["ssh-ed25519"]
    assert host_keys.known(hop("Port 23")).kinds == ["ssh-rsa"]


def test_a_file_that_cannot_be_read_to_its_end(tmp_path, hop):
    path = tmp_path / ".ssh/known_hosts"
    path.mkdir()
    with pytest.raises(Unreachable) as error:
        host_keys.known(hop())
    assert str(error.value) == f"me@h1: {path}: cannot be read, so no host key is known: Is a directory"
    path.rmdir()
    path.write_text("x\n" * 1000)
    with pytest.raises(TimedOut) as late:
        host_keys.known(hop()._replace(deadline=Deadline(0)))
    assert (late.value.what, late.value.why) == (f"me@h1: {path}", "too large to read in time")


AT, USUAL = [entry(KEY, "f:1")], [entry(KEY, "f:2")]
COMPARE = "compare the fingerprint, then ssh me@H1 once, or --accept-new-host-key"


@pytest.mark.parametrize(
    ("entries", "at_usual_port", "said"),
    [
        (AT, [], None),
        ([], USUAL, None),
        ([entry(THEIRS, "f:3"), *AT], [], None),
        ([], [], f"me@h1: its host key is unknown: {SHOWN}; try: {COMPARE}"),
        ([], [entry(THEIRS, "f:2")], f"me@h1: its host key is unknown: {SHOWN}; try: {COMPARE}"),
        ([entry(KEY, "f:1", "@cert-authority")], [], f"me@h1: its host key is unknown: {SHOWN}; try: {COMPARE}"),
        ([entry(KEY, "f:1", "@revoked"), *AT], [], f"me@h1: its host key is revoked in f:1 ({SHOWN}); do not trust this host"),
        ([*AT, entry(KEY, "f:9", "@revoked")], [], f"me@h1: its host key is revoked in f:9 ({SHOWN}); do not trust this host"),
        ([], [*USUAL, entry(KEY, "f:8", "@revoked")], f"me@h1: its host key is revoked in f:8 ({SHOWN}); do not trust this host"),
        (AT, [entry(KEY, "f:8", "@revoked")], None),
        (
            [entry(b"", "f:1", "@revoked"), entry(THEIRS, "f:3"), entry(THEIRS, "f:4")],
            USUAL,
            f"me@h1: its host key is not the one in f:3; it is now {SHOWN}, and somebody may be intercepting the connection; "
            "try: ask whoever runs the host, and only if the new key is right: ssh-keygen -R '[h1]:2222'",
        ),
    ],
)
def test_a_key_is_compared_with_the_known_ones(hop, entries, at_usual_port, said):
    def check(accept: bool) -> None:
        host_keys.check(hop(f"UserKnownHostsFile {os.devnull}", accept), KnownKeys("[h1]:2222", entries, at_usual_port), "ssh-ed25519", KEY)

    if said is None:
        check(False)
        check(True)
        return
    for accept in [False] if "is unknown" in said else [False, True]:
        with pytest.raises(Unreachable) as refused:
            check(accept)
        assert str(refused.value) == said


def test_a_new_key_that_is_accepted_is_written_down(tmp_path, hop, caplog):
    def accept(text: str, deadline: Deadline | None = None) -> None:
        new = hop(text, accept=True)
        host_keys.check(new._replace(deadline=deadline or Deadline(60)), KnownKeys("[h1]:2222", [], []), "ssh-ed25519", KEY)

    caplog.set_level(logging.WARNING)
    accept(f"UserKnownHostsFile {tmp_path}/one {tmp_path}/two")
    assert (tmp_path / "one").read_text() == f"[h1]:2222 ssh-ed25519 {ED25519}\n" and not (tmp_path / "two").exists()
    accept(f"UserKnownHostsFile {tmp_path}/one\nHashKnownHosts yes")
    assert (tmp_path / "one").read_text().splitlines()[1].startswith("|1|")
    accept("UserKnownHostsFile none")
    assert caplog.messages == [
        f"me@h1: new host key {SHOWN}, {where}" for where in (f"saved in {tmp_path}/one", f"saved in {tmp_path}/one", "not saved")
    ]
    with pytest.raises(Unreachable) as refused:
        accept(f"UserKnownHostsFile {tmp_path}/no/such/file")
    assert str(refused.value) == f"me@h1: its new host key cannot be written to {tmp_path}/no/such/file: No such file or directory"
    with (tmp_path / "one").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TimedOut) as late:
            accept(f"UserKnownHostsFile {tmp_path}/one", Deadline(0))
    assert str(late.value) == f"me@h1: {tmp_path}/one: another program has it locked"
