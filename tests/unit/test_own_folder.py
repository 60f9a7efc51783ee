"""Files in a folder of the user's own are replaced as a whole or not at all."""

import os
import resource
import stat

import pytest

from ovstool import own_folder


@pytest.fixture
def folder(tmp_path):
    with own_folder.opened(str(tmp_path), ["ovstool"], make=True) as fd:
        yield fd


def test_a_file_is_replaced(folder):
    for content in (b"a longer one\n", b"", b"short"):
        own_folder.replace(folder, "file", content)
        with open(os.open("file", os.O_RDONLY, dir_fd=folder), "rb") as file:
            assert file.read() == content and stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert os.listdir(folder) == ["file"]


def test_what_a_killed_process_with_the_same_id_has_left_is_removed(folder, tmp_path):
    """Nothing is written through it."""
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    os.symlink(victim, f"file.{os.getpid()}", dir_fd=folder)
    own_folder.replace(folder, "file", b"ours")
    assert victim.read_text() == "theirs" and os.listdir(folder) == ["file"]


def test_without_space_the_old_file_stays(folder):
    own_folder.replace(folder, "file", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            own_folder.replace(folder, "file", b"new" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with open(os.open("file", os.O_RDONLY, dir_fd=folder), "rb") as file:
        assert file.read() == b"old"
    assert os.listdir(folder) == ["file"]
