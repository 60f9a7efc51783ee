"""The cache that Tab keeps for a large switch: never out of date, and written by nobody but the user."""

import json
import os
import resource
from pathlib import Path

import pytest
from between import Between

from ovstool.completion import live, remembered, tab

ALL_NAMES = b'{"op":"select","table":"Port","where":[],"columns":["name"]}'
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The directory of the cache, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(remembered, "_LEAST", 3)  # ports
    monkeypatch.setattr(live, "_HERE_S", 30)  # a machine under load is slow
    return tmp_path / "ovstool"


@pytest.fixture
def press(database, cache):
    """``press()``: the completions for a PORT, and whether the names of all ports were read for them."""
    database.put({"br0": {"ports": {"p1": {}, "p2": {}, "bond0": {"interfaces": {"m1": {}, "m2": {}}, "lacp": "active"}}}, "br1": {}})
    asked: list[bytes] = []

    def press(begin: str = "") -> tuple[set[str], bool]:
        asked.clear()
        between = Between(database.switch, "between", lambda _, request: asked.append(request) or request)
        try:
            _, *words = tab.answer("fish", f"ovstool --db unix:{between.path} port show {begin}", "")
        finally:
            between.close()
        return set(words), any(ALL_NAMES in request for request in asked)

    return press


NAMES = {"br0", "br1", "p1", "p2", "bond0", "m1", "m2"}


def test_the_names_are_read_once(press, cache):
    assert press() == (NAMES, True)
    assert press() == (NAMES, False)
    assert press("p") == ({"p1", "p2"}, False)
    [file] = cache.iterdir()
    assert (cache.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_it_is_never_out_of_date(press, database):
    def there() -> set[str]:
        """The ports, as ovs-vsctl lists them."""
        bridges = database.switch.vsctl("list-br").split()
        inside = [database.switch.vsctl(f"{words} {bridge}") for bridge in bridges for words in ("list-ports", "list-ifaces")]
        return {*bridges, *" ".join(inside).split()}

    def uuid_of(bridge: str) -> str:
        return database.switch.vsctl(f"get Bridge {bridge} _uuid")

    assert press() == (there(), True)
    for change, changes_ports in (
        ("add-port br0 p3", True),
        ("del-port p3", True),
        ("add-port br1 p3", True),
        ("del-port p3 -- add-port br0 p3", True),
        ("del-br br1", True),
        ("add-br br1", True),
        ("del-br br1 -- add-br br1 -- add-port br1 p4", True),
        ("--id=@m create Interface name=m3 -- add Port bond0 interfaces @m", False),
        ("remove Port bond0 interfaces m1", False),
        ("set Port p1 tag=5 -- set Interface p2 type=internal", False),
        ("add-bond br0 bond1 m4 m5 lacp=passive", True),
        (f"--id=@f create Flow_Sample_Collector_Set id=1 bridge={uuid_of('br0')} -- remove Open_vSwitch . bridges {uuid_of('br0')}", True),
        (f"set Open_vSwitch . bridges={uuid_of('br0')} -- destroy Flow_Sample_Collector_Set 1", True),
        ("set Open_vSwitch . bridges=[]", True),
    ):
        if "interfaces m1" in change:
            change = change.replace("m1", database.switch.vsctl("get Interface m1 _uuid"))
        database.switch.vsctl(f"--no-wait {change}")
        assert press() == (there(), changes_ports), change


def kept(press, cache) -> tuple[Path, bytes]:
    """The file, and content for one that must not be trusted: the right versions, and a port that does not exist."""
    press()
    [file] = cache.iterdir()
    versions, *names, again = file.read_bytes().split(b"\n")
    assert versions == again
    return file, b"\n".join([versions, *names, b"planted", versions])


def test_this_is_how_one_is_planted(press, cache):
    file, planted = kept(press, cache)
    file.write_bytes(planted)
    assert press() == (NAMES | {"planted"}, False)


def _link(file: Path, planted: bytes) -> None:
    file.with_name("elsewhere").write_bytes(planted)
    file.symlink_to("elsewhere")


def _with_content(content: bytes):
    return lambda file, _: file.write_bytes(content)


PLANTED = {
    "a link": _link,
    "a FIFO": lambda file, _: os.mkfifo(file),
    "a directory": lambda file, _: file.mkdir(),
    "a huge one": lambda file, planted: (file.write_bytes(planted), os.truncate(file, 2**22 + 1)),
    "nothing": _with_content(b""),
    "garbage": _with_content(b"\xff\x00["),
    "deep": _with_content(b"[" * 200_000),
    "lines without versions": _with_content(b"\n\nplanted\n\n"),
    "the versions alone": lambda file, planted: file.write_bytes(planted.split(b"\n")[0]),
    "half of it": lambda file, planted: file.write_bytes(planted[: len(planted) // 2]),
    "all but its last byte": lambda file, planted: file.write_bytes(planted[:-1]),
    "what 0.11 wrote": lambda file, planted: file.write_text(json.dumps([planted.decode().split()[:2], ["planted"]])),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_file_that_is_none_of_ours(press, cache, what):
    file, planted = kept(press, cache)
    file.unlink()
    PLANTED[what](file, planted)
    assert press() == (NAMES, True)
    if what != "a directory":
        assert press() == (NAMES, False) and file.is_file() and not file.is_symlink()  # replaced by a valid one


@as_root
def test_a_file_of_another_user(press, cache):
    file, planted = kept(press, cache)
    file.write_bytes(planted)
    os.chown(file, NOBODY, NOBODY)
    assert press() == (NAMES, True)


FOLDERS = {
    "others can write there": lambda cache: cache.chmod(0o777),
    "it is another user's": lambda cache: os.chown(cache, NOBODY, NOBODY),
    "it is in another user's": lambda cache: os.chown(cache.parent, NOBODY, NOBODY),
    "it is a link": lambda cache: (cache.rename(cache.with_name("moved")), cache.symlink_to("moved")),
}


@pytest.mark.parametrize("why", [pytest.param(why, marks=as_root if "user" in why else ()) for why in FOLDERS])
def test_a_folder_that_others_have_a_hand_in(press, cache, why):
    file, planted = kept(press, cache)
    file.write_bytes(planted)
    FOLDERS[why](cache)
    assert press() == press() == (NAMES, True)
    assert file.read_bytes() == planted


@as_root
def test_nothing_is_left_in_another_users_home(press, cache, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    os.chown(tmp_path, NOBODY, NOBODY)
    assert press() == press() == (NAMES, True)
    assert list(tmp_path.iterdir()) == []


def test_where_it_is(press, monkeypatch, tmp_path):
    for cache_home in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
        monkeypatch.setenv("HOME", str(tmp_path / cache_home))
        (tmp_path / cache_home).mkdir(exist_ok=True)
        assert (press(), press()) == ((NAMES, True), (NAMES, False))
        assert (tmp_path / cache_home / ".cache/ovstool").is_dir()
    for home in ("", "/nosuch", "/proc/self"):  # the last is a directory in which nothing can be created
        monkeypatch.setenv("HOME", home)
        assert press() == press() == (NAMES, True)


def test_no_space(press, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        assert press() == press() == (NAMES, True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(cache.iterdir()) == []


def test_of_few_ports_nothing_is_kept(press, cache, monkeypatch):
    monkeypatch.setattr(remembered, "_LEAST", 500)
    assert press() == press() == (NAMES, True)
    assert not cache.exists()


def test_names_are_shown_as_those_of_a_switch(press, cache):
    file, planted = kept(press, cache)
    file.write_bytes(planted.replace(b"planted", b"x\x1b]0;gone\x07\n-dash\nok"))
    assert press()[0] == NAMES | {"ok"}
