"""Files that others created where we read: their types, their sizes, and the side effects of opening them."""

import errno
import os
import pty
import pwd
import re
import subprocess
import sys
import threading

import pytest

from ovstool.host import files
from ovstool.host.deadline import Deadline


@pytest.mark.parametrize("read", [files.read, lambda path, most: files.read_pipe(path, most, Deadline(60))])
def test_reading_stops_at_the_limit(tmp_path, read):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    assert read(str(path), 1000) == read(str(path), 1001) == b"x" * 1000
    with pytest.raises(OSError, match=r"larger than 999 bytes") as error:
        read(str(path), 999)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(path))
    path.write_bytes(b"x" * 2**20)
    with pytest.raises(OSError, match=r"larger than 1,048,575 bytes"):
        read(str(path), 2**20 - 1)
    assert len(read(str(path), 2**20)) == 2**20


def test_which_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert files.read("/dev/null", 10) == files.read_pipe("/dev/null", 10, Deadline(60)) == b""
    for path in ("/dev/zero", "/dev/full", str(tmp_path / "folder"), str(tmp_path / "pipe")):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory") as error:
            files.read(path, 10)
        assert error.value.filename == path
    for path in ("/dev/zero", str(tmp_path / "folder")):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            files.read_pipe(path, 10, Deadline(60))
    with pytest.raises(OSError, match="embedded null") as error:
        files.read("a\0b", 10)
    assert (error.value.errno, error.value.filename) == (errno.EINVAL, "a\0b")


def test_a_refused_file_leaves_no_descriptor(tmp_path):
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    (tmp_path / "folder").mkdir()
    before = descriptors()
    for path in ("/dev/zero", str(tmp_path / "folder"), str(tmp_path / "absent")):
        with pytest.raises(OSError, match=r"."):
            files.read(path, 10)
    assert descriptors() == before


def test_a_pipe_is_read_to_its_end(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[b"x" * 300_000])
    writer.start()
    assert files.read_pipe(str(path), 300_000, Deadline(60)) == b"x" * 300_000
    writer.join()


def test_a_pipe_without_an_end(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    os.write(both, b"x")
    with pytest.raises(TimeoutError, match="the program writing to it did not finish") as error:
        files.read_pipe(str(path), 10, Deadline(0.2))
    os.close(both)
    assert error.value.filename == str(path)


def test_a_terminal_does_not_become_ours():
    """A process without a controlling terminal would get the terminal it opens as one (setsid(2))."""
    master, slave = pty.openpty()
    code = (
        "import os, sys; from ovstool.host import files\n"
        "try: files.read(sys.argv[1], 10)\n"
        "except OSError as error: print(error.strerror)\n"
        "try: os.open('/dev/tty', os.O_RDWR)\n"
        "except OSError as error: print(error.strerror)"
    )
    try:
        argv = [sys.executable, "-c", code, os.ttyname(slave)]
        done = subprocess.run(
            argv, start_new_session=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        os.close(master)
        os.close(slave)
    assert done.stdout == "not a regular file\nNo such device or address\n"


def test_the_home_and_the_name_of_the_user(monkeypatch):
    user = pwd.getpwuid(os.getuid())
    assert files.own_name() == user.pw_name
    for home, found in (("/somewhere", "/somewhere"), ("relative", user.pw_dir), ("", user.pw_dir)):
        monkeypatch.setenv("HOME", home)
        assert files.home() == found
    monkeypatch.delenv("HOME")
    assert files.home() == user.pw_dir


def test_a_user_whom_the_system_does_not_know():
    code = "import os; os.setuid(54321); from ovstool.host import files; print(files.home(), files.own_name())"
    if os.getuid():
        pytest.skip("needs root, to become nobody")
    for home, shown in (("", "None 54321"), ("x", "None 54321"), ("/x", "/x 54321")):
        # Imported first as root, because nobody may not be allowed to read the code.
        done = subprocess.run(
            [sys.executable, "-c", f"from ovstool.host import files; {code}"],
            env=os.environ | {"HOME": home}, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == f"{shown}\n"


def test_a_deadline_and_its_parts():
    whole = Deadline(1000)
    assert 990 < whole.remaining_s() <= 1000 and Deadline(-5).remaining_s() == 0
    part, longer = whole.part(10), whole.part(5000)
    assert 9 < part.remaining_s() <= 10 and 990 < longer.remaining_s() <= 1000
    whole.end += 500
    assert 1490 < whole.remaining_s() <= 1500 and longer.remaining_s() <= 1000
    before = part.end
    with part.paused():
        threading.Event().wait(0.05)
        assert whole.end > before  # the time that a prompt is open does not count
    assert part.end >= before + 0.05 and re.fullmatch(r"\d+\.\d+", str(part.end))
