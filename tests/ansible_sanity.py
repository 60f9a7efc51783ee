"""``make ansible-sanity``: ansible-test's checks of the collection in ansible/, without containers.

    python tests/ansible_sanity.py [--test NAME]...     every check that ansible-test has, or some

Most checks need packages, for which ansible-test makes environments. They are kept in ~/.cache/ovstool/ansible-test, so only the first run takes
minutes. ansible-test would download a program that installs pip there; here pip comes with Python, so that PyPI is the only site needed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ovstool/ansible-test"
_GET_PIP = """
import subprocess, sys
words = [word for word in sys.argv[1:] if not word.startswith("--no-")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True)
"""


def main() -> int:
    prepare_home()
    with tempfile.TemporaryDirectory(prefix="ovstool-sanity-") as name:
        collection = Path(name) / "ansible_collections/ovstool/ovs"
        ignored = shutil.ignore_patterns("__pycache__", ".ruff*")
        shutil.copytree(ROOT / "ansible", collection, ignore=ignored)  # ansible-test takes only this path
        program = Path(sys.prefix) / "bin/ansible-test"
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        environ = os.environ | {"HOME": str(HOME), "LC_ALL": "C.UTF-8", "PATH": f"{program.parent}:{os.environ['PATH']}"}
        return subprocess.run(
            [program, "sanity", "--color", "no", "--python", python, *sys.argv[1:]], cwd=collection, env=environ
        ).returncode


def prepare_home() -> None:
    """A home for ansible-test, with the user's settings of pip."""
    source = Path(find_spec("ansible_test").submodule_search_locations[0]) / "_internal/python_requirements.py"
    (pip,) = set(re.findall(r"\bpip='([\d.]+)'", source.read_text()))
    script = HOME / f".ansible/test/cache/get_pip_{pip.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_GET_PIP)
    for settings in (".config/pip", ".pip"):
        if (Path.home() / settings).exists() and not (HOME / settings).exists():
            (HOME / settings).parent.mkdir(exist_ok=True)
            (HOME / settings).symlink_to(Path.home() / settings)


if __name__ == "__main__":
    sys.exit(main())
