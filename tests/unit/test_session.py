"""Lines of the shell: their words, compared with sh, scripts of any size, Tab, and the history file."""

import io
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ovstool.errors import UsageError
from ovstool.session import history, line, script
from ovstool.session.keyboard import rests
from ovstool.session.line import Line, Unfinished
from ovstool.session.reader import run_into
from ovstool.switch.connections import Connections


def words_of_sh(texts: list[str]) -> list[list[str]]:
    """The words of each line as sh reads them."""
    told = "".join(f"printf '%s\\0' {text}\nprintf '\\001'\n" for text in texts)
    done = subprocess.run(["sh", "-f"], input=told, capture_output=True, text=True, check=True, env={"HOME": "/"})
    return [command.split("\0")[:-1] for command in done.stdout.split("\1")[:-1]]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text("ab#\"'\\ \t=,:->|", max_size=8), min_size=40, max_size=40))
@example(["a#b #c", "'a b'\"c\"\\ d", '"a\\"b\\c\\\\d"', "''", '""', "a''", "\\'", "'\\'", "#", "a\\#b", " a  b\t", "'|' \\> \"#\""])
def test_words_are_split_like_sh(texts):
    read = []
    for text in texts:
        try:
            read.append((text, line.read(text)))
        except (UsageError, Unfinished):
            continue
    plain = [(text, found.words) for text, found in read if found.words and not found.reader]
    assert words_of_sh([text for text, _ in plain]) == [words for _, words in plain]


def test_what_reads_the_output():
    for text, words, reader, *file in (
        ("show | grep 'a|b' > c", ["show"], "grep 'a|b' > c"),
        ("show>a", ["show"], "cat >a", "a"),
        ("show x2 >> 'a b' | c", ["show", "x2"], "cat >> 'a b' | c", "a b"),
        ("show >a\\ 'b'\"\\$c\">d", ["show"], "cat >a\\ 'b'\"\\$c\">d"),
        ("show > '$a'b; c", ["show"], "cat > '$a'b; c", "$ab"),
        ("show > ~/a", ["show"], "cat > ~/a"),
        ("flow add br0 'a>b' \"|\" \\> # | x", ["flow", "add", "br0", "a>b", "|", ">"], ""),
        ("show 2 > a", ["show", "2"], "cat > a", "a"),
        ("$x ~ * (a)|b", ["$x", "~", "*", "(a)"], "b"),
        ("a | b \\\\", ["a"], "b \\\\"),
        ("a | b '\\' # \\", ["a"], "b '\\' # \\"),
    ):
        assert line.read(text) == Line(words, reader, *file)


@pytest.mark.parametrize("text", ["a \\", "a |\\", "a | b#\\", "a > b | 'c' \\\\\\"])
def test_a_line_that_the_next_one_continues(text):
    with pytest.raises(Unfinished):
        line.read(text)


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
    assert offered("s") == ["how ", "tats ", "flow ", "napshot ", "chema ", "andbox ", "hell "] and offered("x") == []
    assert offered("qos s") == ["et ", "how ", "teer "] == offered("ovstool qos s")
    assert offered("qos set eth1 --max-r") == ["ate "] and offered("stats -f js") == ["on "]
    assert offered("qos set eth1 --queue 1:mi") == ["n="]
    assert offered("qos 's") == ["et' ", "how' ", "teer' "]
    assert offered("shell fi") == offered("show | fi") == offered("show >fi") == ["le\\ one "] and offered("show > ./fo") == ["lder/"]
    assert offered("show > nosuch/") == []


@pytest.mark.parametrize(("module", "name"), [(subprocess, "Popen"), (os, "dup2"), (os, "close")])
def test_ctrl_c_while_a_program_is_begun_or_ends(monkeypatch, tmp_path, module, name):
    """It leaves standard output as it was, and the program is waited for."""
    real = getattr(module, name)

    def interrupted(*args, **kwargs):
        result = real(*args, **kwargs)
        signal.raise_signal(signal.SIGINT)
        return result

    app = SimpleNamespace(stdout=io.TextIOWrapper(io.BytesIO()))
    before = app.stdout, sys.stdout, os.fstat(1).st_ino
    monkeypatch.setattr(module, name, interrupted)
    code = run_into(app, lambda: app.stdout.write("what it prints") and 0, f"cat > {tmp_path}/file")
    monkeypatch.undo()
    assert (code, (tmp_path / "file").read_text()) == (0, "what it prints")
    assert (app.stdout, sys.stdout, os.fstat(1).st_ino) == before
    assert run_into(app, lambda: signal.raise_signal(signal.SIGINT), "true") == 130
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


# --- the file of what was typed


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return history.folder()


def test_the_history_is_private(folder):
    os.umask(os.umask(0))
    assert str(folder).endswith("/state/ovstool") and history.load(folder) == []
    history.add(folder, "show")
    history.add(folder, "show \x1b[2J é \\ \n")
    assert history.load(folder) == ["show", "show \\x1b[2J é \\ \\n"]
    assert stat.S_IMODE(os.stat(str(folder)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{folder}/history").st_mode) == 0o600
    os.chmod(f"{folder}/history", 0o644)
    history.add(folder, "port list")
    assert stat.S_IMODE(os.stat(f"{folder}/history").st_mode) == 0o600 and history.load(folder)[2:] == ["port list"]


def test_the_history_is_limited(folder):
    for number in range(2):
        history.load(folder)
        with open(f"{folder}/history", "a") as file:
            file.writelines(f"show {number} {index}\n" for index in range(900))
    assert len(history.load(folder)) == 1000
    assert len(open(f"{folder}/history").readlines()) == 1000 and os.listdir(str(folder)) == ["history"]
    with open(f"{folder}/history", "ab") as file:
        file.truncate(2**28)  # a sparse file, which takes no space on the disk
        file.write(b"\nversion\xff\n")
    assert history.load(folder)[-1] == "version�" and os.stat(f"{folder}/history").st_size < 2**24


def test_without_a_home_nothing_is_kept(monkeypatch, tmp_path):
    for state in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", state)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert str(history.folder()) == f"{tmp_path}/.local/state/ovstool"
        for home in ("here", "/nosuch"):
            monkeypatch.setenv("HOME", home)
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
    os.makedirs(str(folder))
    victim = f"{folder}/../victim"
    with open(victim, "w") as file:
        file.write("theirs\n")
    make(str(folder))
    before = sorted(os.listdir(str(folder)))
    for attempt in (history.load, lambda path: history.add(path, "show")):
        with pytest.raises(OSError):
            attempt(folder)
    assert open(victim).read() == "theirs\n" and sorted(os.listdir(str(folder))) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["", "/history"])
def test_another_users_file_is_left_alone(folder, what):
    os.makedirs(str(folder))
    open(f"{folder}/history", "w").close()
    os.chown(f"{folder}{what}", 1234, 1234)
    with pytest.raises(OSError):
        history.add(folder, "show")
    assert os.stat(f"{folder}/history").st_size == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user's home")
def test_nothing_is_left_in_another_users_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    os.chown(tmp_path, 1234, 1234)  # as sudo(8) may leave it
    with pytest.raises(OSError):
        history.load(history.folder())
    assert os.listdir(tmp_path) == []


def test_a_shell_that_was_killed_is_in_nobodys_way(folder):
    """It had begun to shorten the file; another process may have its ID by now."""
    history.load(folder)
    for name in ("new", os.getpid()):
        open(f"{folder}/history.{name}", "w").close()
    with open(f"{folder}/history", "w") as file:
        file.write("show\n" * 1001)
    assert len(history.load(folder)) == 1000 and len(open(f"{folder}/history").readlines()) == 1000


def test_nothing_is_lost_where_one_shell_shortens_the_file_and_another_adds(folder):
    history.load(folder)
    with open(f"{folder}/history", "w") as file:
        file.write("show\n" * 1001)
    with ThreadPoolExecutor() as shells:
        with history._locked(folder, make=False):
            added = shells.submit(history.add, folder, "version")
            with pytest.raises(TimeoutError):
                added.result(0.05)
    assert history.load(folder)[-1] == "version"
