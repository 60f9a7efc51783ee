"""Which keys are tried, in which order, and why others are not; the agent is a real one."""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ovstool.errors import TimedOut
from ovstool.host import files
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config, keys

pytestmark = pytest.mark.skipif(not shutil.which("ssh-agent"), reason="needs OpenSSH's programs")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A directory with a key of each type, one with a passphrase, and a file that is not a key."""
    folder = tmp_path_factory.mktemp("keys")
    for name, *options in (
        ("ed25519", "-t", "ed25519", "-N", ""), ("ecdsa", "-t", "ecdsa", "-N", ""), ("rsa", "-t", "rsa", "-b", "1024", "-N", ""), ("pem", "-t", "ecdsa", "-m", "PEM", "-N", ""),
        ("locked", "-t", "ed25519", "-N", "secret", "-a", "1"), ("held", "-t", "ed25519", "-N", ""),
    ):  # fmt: skip
        subprocess.run(["ssh-keygen", "-q", "-C", f"{name} of a test", "-f", folder / name, *options], check=True)
    (folder / "garbage").write_text("garbage\n")
    (folder / "garbage").chmod(0o600)
    (folder / "public_only.pub").write_text((folder / "ed25519.pub").read_text())
    (folder / "public_only").write_text("")
    (folder / "public_only").chmod(0o600)
    return folder


@pytest.fixture
def agent(tmp_path, made):
    """The socket of an agent that holds ``held`` and ``rsa``."""
    path = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", made / "held", made / "rsa"], env=os.environ | {"SSH_AUTH_SOCK": path}, check=True)
        yield path
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """``tried(text)``: the labels of the keys that this ssh_config selects, their types, and why others are not tried."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "none"))
    (tmp_path / ".ssh").mkdir()

    def tried(text: str = "", seconds: float = 60) -> tuple[list[str], list, list[str]]:
        (tmp_path / ".ssh/config").write_text(f"BatchMode yes\n{text}")
        why: list[str] = []
        found = list(keys.candidates(config.lookup("h1", None, None, Deadline(60)), Deadline(seconds), why))
        return [candidate.label for candidate in found], [candidate.load(lambda _: "") for candidate in found], why

    return tried


def public(path: Path) -> bytes:
    return base64.b64decode(Path(f"{path}.pub").read_text().split()[1])


def test_keys_of_files_in_their_order(made, tried, tmp_path):
    names = ("ecdsa", "ed25519", "pem", "rsa")
    labels, loaded, why = tried("".join(f"IdentityFile {made / name}\n" for name in (*names, "absent", "garbage", "locked", "public_only")))
    assert labels == list(names) and why == ["garbage cannot be read", "locked has a passphrase"]
    assert [key.asbytes() for key in loaded] == [public(made / name) for name in names]
    for name in ("ed25519", "ecdsa"):
        shutil.copy(made / name, tmp_path / f".ssh/id_{name}")
    assert tried()[0] == ["id_ecdsa", "id_ed25519"]


def test_a_key_that_others_may_read(made, tried, tmp_path):
    path = tmp_path / "key"
    shutil.copy(made / "ed25519", path)
    for mode, used in ((0o600, True), (0o700, True), (0o400, True), (0o640, False), (0o604, False), (0o610, False), (0o601, False)):
        path.chmod(mode)
        labels, _, why = tried(f"IdentityFile {path}")
        assert (labels, why) == ((["key"], []) if used else ([], ["key is readable by other users, so it is not used"]))
    if os.geteuid() == 0:
        os.chown(path, 43210, -1)  # owned by another user, as on a mounted disk
        assert tried(f"IdentityFile {path}")[0] == ["key"]


def test_a_key_that_the_user_may_not_read(made, tried, tmp_path, monkeypatch):
    """As one that root has made for a service: its public half is there, too."""
    opened = files.opened

    def refused(path: str, *args):
        if path.endswith("/id_ed25519"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *args)

    for name in ("ed25519", "ed25519.pub"):
        shutil.copy(made / name, tmp_path / f".ssh/id_{name}")
    monkeypatch.setattr(files, "opened", refused)
    assert tried()[0::2] == ([], ["id_ed25519 may not be read by this user"])


def test_a_key_in_a_file_of_some_size(made, tried, tmp_path):
    text = (made / "ed25519").read_text()
    for size, used in ((2**20, True), (2**20 + 1, False)):
        path = tmp_path / f"key{size}"
        path.write_text(text + "#" * (size - len(text) - 1) + "\n")
        path.chmod(0o600)
        labels, _, why = tried(f"IdentityFile {path}")
        assert (len(labels), len(why)) == (used, not used)


def test_keys_of_an_agent(made, tried, agent, tmp_path):
    of_agent = f"IdentityAgent {agent}\n"
    held, rsa = 'agent\'s "held of a test"', 'agent\'s "rsa of a test"'
    labels, loaded, _ = tried(of_agent)
    assert labels == [held, rsa] and [key.asbytes() for key in loaded] == [public(made / name) for name in ("held", "rsa")]
    # IdentityFile keys come first, and a key of the agent's is repeated; without IdentityFile it is not.
    assert tried(f"{of_agent}IdentityFile {made}/rsa\nIdentityFile {made}/ecdsa\n")[0] == ["rsa", "ecdsa", held, rsa]
    for name in ("held", "ecdsa"):
        shutil.copy(made / name, tmp_path / f".ssh/id_{'ed25519' if name == 'held' else name}")
    assert tried(of_agent)[0] == [held, rsa, "id_ecdsa"]
    assert tried(f"{of_agent}IdentitiesOnly yes\nIdentityFile {made}/held\nIdentityFile {made}/ecdsa.pub\n")[0] == ["held", held]
    (tmp_path / "only.pub").write_text((made / "rsa.pub").read_text())
    labels, _, why = tried(f"{of_agent}IdentitiesOnly yes\nIdentityFile {tmp_path}/only.pub\n")
    assert (labels, why) == ([rsa], ["only.pub is readable by other users, so it is not used"])
    # The public half of a key with a passphrase that the agent holds; no passphrase is asked for.
    for name in ("rsa", "rsa.pub"):
        shutil.copy(made / name, tmp_path / name)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", tmp_path / "rsa"], check=True)
    assert tried(f"{of_agent}IdentityFile {tmp_path}/rsa\n")[0::2] == ([held, rsa], [])


def test_an_agent_that_is_not_there(tried, tmp_path, made):
    shutil.copy(made / "ecdsa", tmp_path / ".ssh/id_ecdsa")
    assert tried(f"IdentityAgent {tmp_path}/nosuch\n")[0] == ["id_ecdsa"]
    with pytest.raises(TimedOut) as late:
        tried("IdentityAgent /nosuch\n", 0)
    assert str(late.value) == "h1: the agent at /nosuch: [Errno 2] No such file or directory; try: IdentityAgent none"


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        (["secret"], 1),
        (["x", "secret"], 2),
        (["x", "y", "secret"], 3),
        (["x", "y", "z", "secret"], None),
        (["", "secret"], None),
        (["x", ""], None),
    ],
)
def test_a_passphrase_is_asked_for_at_most_three_times(made, tmp_path, answers, shown):
    path = shutil.copy(made / "locked", tmp_path / "locked")  # another one each time, because an unlocked key is remembered
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    key = keys._unlock(str(path), ask)
    count = shown or (answers.index("") + 1 if "" in answers else 3)
    assert asked == [f"Enter passphrase for key '{path}': "] * count
    assert (key is not None) == (shown is not None)
    if key is not None:
        assert key.asbytes() == public(made / "locked")
        assert keys._unlock(str(path), ask) is key and len(asked) == count
