"""Lines of the shell: the words in them, judged by sh itself, scripts of any size, what Tab offers, and the file of what was typed."""

import io
import os
import stat
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ovstool.errors import UsageError
from ovstool.session import history, line, script
from ovstool.session.keyboard import rests
from ovstool.session.line import Line, Unfinished
from ovstool.switch.connections import Connections


def words_of_sh(texts: list[str]) -> list[list[str]]:
    """What sh makes of lines, each as the words of a command."""
    told = "".join(f"printf '%s\\0' {text}\nprintf '\\001'\n" for text in texts)
    done = subprocess.run(["sh", "-f"], input=told, capture_output=True, text=True, check=True, env={"HOME": "/"})
    return [command.split("\0")[:-1] for command in done.stdout.split("\1")[:-1]]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text("ab#\"'\\ \t=,:->|", max_size=8), min_size=40, max_size=40))
@example(["a#b #c", "'a b'\"c\"\\ d", '"a\\"b\\c\\\\d"', "''", '""', "a''", "\\'", "'\\'", "#", "a\\#b", " a  b\t", "'|' \\> \"#\""])
def test_words_are_those_of_sh(texts):
    read = []
    for text in texts:
        try:
            read.append((text, line.read(text)))
        except (UsageError, Unfinished):
            continue
    plain = [(text, found.words) for text, found in read if found.words and not found.reader]
    assert words_of_sh([text for text, _ in plain]) == [words for _, words in plain]


def test_what_reads_the_output():
    for text, words, reader in (
        ("show | grep 'a|b' > c", ["show"], "grep 'a|b' > c"),
        ("show>a", ["show"], "cat >a"),
        ("show x2 >> 'a b' | c", ["show", "x2"], "cat >> 'a b' | c"),
        ("flow add br0 'a>b' \"|\" \\> # | x", ["flow", "add", "br0", "a>b", "|", ">"], ""),
        ("show 2 > a", ["show", "2"], "cat > a"),
        ("$x ~ * (a)|b", ["$x", "~", "*", "(a)"], "b"),
    ):
        assert line.read(text) == Line(words, reader)


@pytest.mark.parametrize("text", ["a |", "a >", "a ||b", "a |&b", "a;b", "a & b", "a<b", ">a", "'a", '"a', '"a\\'])
def test_what_is_not_understood(text):
    with pytest.raises(UsageError):
        line.read(text)


def test_a_long_line_takes_no_memory():
    class Endless(io.RawIOBase):
        left = 300 * 2**20

        def readable(self):
            return True

        def readinto(self, buffer):
            self.left -= len(buffer)
            buffer[:] = bytes(len(buffer))
            return len(buffer) if self.left > 0 else 0

    [(number, data)] = script.numbered(io.BufferedReader(Endless()))
    assert number == 1 and len(data) <= 2**20 + 2
    with pytest.raises(UsageError, match="longer than 1 MiB"):
        script.text_of(data)
    assert [number for number, _ in script.numbered(io.BytesIO(b"x" * 2**20 + b"\n" + b"y" * 3 * 2**20 + b"\nz"))] == [1, 2, 3]
    assert len(script.text_of(b"x" * 2**20 + b"\n")) == 2**20


def offered(before: str, after: str = "") -> list[str]:
    return rests(before, after, {}, Connections())


def test_tab_offers_what_bash_would(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file one").touch()
    (tmp_path / "folder").mkdir()
    assert offered("s") == ["how ", "tats ", "flow ", "andbox ", "hell "] and offered("x") == []
    assert offered("qos s") == ["et ", "how ", "teer "] == offered("ovstool qos s")
    assert offered("qos set eth1 --max-r") == ["ate "] and offered("stats -f js") == ["on "]
    assert offered("qos set eth1 --queue 1:mi") == ["n="]
    assert offered("qos 's") == ["et' ", "how' ", "teer' "]
    assert offered("shell fi") == offered("show | fi") == offered("show >fi") == ["le\\ one "] and offered("show > ./fo") == ["lder/"]
    assert offered("show > nosuch/") == []


# --- the file of what was typed


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return history.folder()


def test_what_was_typed_is_kept_for_oneself(folder):
    os.umask(os.umask(0))
    assert folder.endswith("/state/ovstool") and history.load(folder) == []
    history.add(folder, "show")
    history.add(folder, "show \x1b[2J é \\ \n")
    assert history.load(folder) == ["show", "show \\x1b[2J é \\ \\n"]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{folder}/history").st_mode) == 0o600
    os.chmod(f"{folder}/history", 0o644)
    history.add(folder, "port list")
    assert stat.S_IMODE(os.stat(f"{folder}/history").st_mode) == 0o600 and history.load(folder)[2:] == ["port list"]


def test_what_is_kept_is_bounded(folder):
    for number in range(2):
        history.load(folder)
        with open(f"{folder}/history", "a") as file:
            file.writelines(f"show {number} {index}\n" for index in range(900))
    assert len(history.load(folder)) == 1000
    assert len(open(f"{folder}/history").readlines()) == 1000 and os.listdir(folder) == ["history"]
    with open(f"{folder}/history", "ab") as file:
        file.truncate(2**28)  # of zeros, which need no room on the disk
        file.write(b"\nversion\xff\n")
    assert history.load(folder)[-1] == "version�" and os.stat(f"{folder}/history").st_size < 2**24


def test_without_a_home_nothing_is_kept(monkeypatch):
    for state in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", state)
        monkeypatch.setenv("HOME", "/home/me")
        assert history.folder() == "/home/me/.local/state/ovstool"
        monkeypatch.setenv("HOME", "here")
        assert history.folder() is None


def _link(folder):
    os.symlink(f"{folder}/../victim", f"{folder}/history")


def _pipe(folder):
    os.mkfifo(f"{folder}/history")


def _two_names(folder):
    os.link(f"{folder}/../victim", f"{folder}/history")


def _open_to_all(folder):
    os.chmod(folder, 0o777)


def _folder_is_a_link(folder):
    os.rename(folder, f"{folder}.real")
    os.symlink(f"{folder}.real", folder)


@pytest.mark.parametrize("make", [_link, _pipe, _two_names, _open_to_all, _folder_is_a_link])
def test_a_file_that_is_not_ours_to_write_is_left_alone(folder, make):
    os.makedirs(folder)
    victim = f"{folder}/../victim"
    with open(victim, "w") as file:
        file.write("theirs\n")
    make(folder)
    before = sorted(os.listdir(folder))
    for attempt in (history.load, lambda path: history.add(path, "show")):
        with pytest.raises(OSError):
            attempt(folder)
    assert open(victim).read() == "theirs\n" and sorted(os.listdir(folder)) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["", "/history"])
def test_another_users_file_is_left_alone(folder, what):
    os.makedirs(folder)
    open(f"{folder}/history", "w").close()
    os.chown(f"{folder}{what}", 1234, 1234)
    with pytest.raises(OSError):
        history.add(folder, "show")
    assert os.stat(f"{folder}/history").st_size == 0
