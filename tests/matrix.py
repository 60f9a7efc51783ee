"""``make matrix``: tests/smoke.py with the oldest and the newest libraries that setup.cfg allows, on every installed Python.

    python3 tests/matrix.py                    every environment
    python3 tests/matrix.py oldest newest      the two ends

Each environment is a temporary venv in which ovstool is installed from its source distribution. ``oldest`` has the minimum version of
every library, on the oldest Python, and is built by the oldest setuptools; ``newest`` has what pip installs, on the newest Python. The
others are the remaining Pythons with the newest libraries, and each library alone at its minimum version.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("ovstool", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "completions", "man")
MINORS = range(10, 30)
# The last Python for which the minimum version of a compiled library has wheels; a newer Python takes the newest version.
LAST_WHEEL = {"PyYAML": "3.11", "matplotlib": "3.12"}


class Environment(NamedTuple):
    """A Python, and the libraries that have their minimum version there."""

    python: str
    old: tuple[str, ...] = ()


def pythons() -> dict[str, str]:
    """The installed Pythons from 3.10 on that can create a venv, oldest first: version and path."""
    found = {}
    for name in (f"3.{minor}" for minor in MINORS):
        here = sorted(Path.home().glob(f".pyenv/versions/{name}.*/bin/python{name}"))
        for path in filter(None, [shutil.which(f"python{name}"), *map(str, here)]):
            if subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0:
                found.setdefault(name, path)
    return found


def floors() -> dict[str, str]:
    """The minimum version of each library, from setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    lines = "\n".join([config["options"]["install_requires"], extras["plot"], extras["metrics"]]).split("\n")
    return dict(re.match(r"([\w-]+)(?:\[\w+\])? *>= *([\d.]+)", line).groups() for line in filter(None, lines))


def setuptools_floor() -> str:
    return re.search(r"setuptools>=([\d.]+)", (ROOT / "pyproject.toml").read_text())[1]


def environments() -> dict[str, Environment]:
    here, old = pythons(), tuple(floors())
    if not here:
        sys.exit("matrix: no Python from 3.10 on that can make a venv; try: apt-get install python3-venv")
    first, *_, last = [*here, *here]
    return {
        "oldest": Environment(here[first], old),
        **{f"python{name}": Environment(path) for name, path in here.items() if name != last},
        **{f"{library}-{floors()[library]}": Environment(here[first], (library,)) for library in old},
        "newest": Environment(here[last]),
    }


def constraints(old: Iterable[str]) -> str:
    lines = []
    for library in old:
        marker = f'; python_version <= "{LAST_WHEEL[library]}"' if library in LAST_WHEEL else ""
        lines.append(f"{library} == {floors()[library]}{marker}\n")
    return "".join(lines)


def run(argv: list, **options) -> str:
    done = subprocess.run(list(map(str, argv)), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, argv, done.stdout)
    return done.stdout


def copied(source: Path) -> Path:
    """A copy of the files of the source archive, as setuptools writes into the directory that it builds."""
    source.mkdir()
    for each in SOURCES:
        copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
        copy(ROOT / each, source / each)
    return source


def smoke(name: str, environment: Environment) -> None:
    """Install ovstool into a new venv and run tests/smoke.py there, in a directory from which the source tree cannot be imported."""
    with tempfile.TemporaryDirectory(prefix="ovstool-matrix-") as directory:
        folder = Path(directory)
        source, python = copied(folder / "source"), folder / "venv/bin/python"
        run([environment.python, "-m", "venv", folder / "venv"])
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        setuptools = f"setuptools=={setuptools_floor()}" if name == "oldest" else "setuptools"
        run([*pip, "install", "--upgrade", setuptools, "wheel"])
        run([python, "-c", f"import setuptools.build_meta as build; build.build_sdist({str(folder)!r})"], cwd=source)
        (folder / "constraints").write_text(constraints(environment.old))
        (archive,) = folder.glob("ovstool-*.tar.gz")
        # Not compiled, as most of what is installed is never imported.
        install = [
            "install",
            "--no-compile",
            "--no-build-isolation",
            "--constraint",
            folder / "constraints",
            f"{archive}[plot,metrics,test]",
        ]
        run([*pip, *install], cwd=folder)
        versions = run([python, "-c", VERSIONS.format([*floors(), "setuptools"])], cwd=folder)
        print(f"=== {name}: {versions}", flush=True)
        run([*pip, "check"])
        tests = [ROOT / "tests/smoke.py", ROOT / "tests/unit/test_touched.py"]
        said = run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=folder)
        print(f"=== {name}: {said.splitlines()[-1]}", flush=True)


VERSIONS = """\
import platform
from importlib.metadata import version
print("Python", platform.python_version(), *(f"{{name}} {{version(name)}}" for name in {}), sep=", ", end="")
"""


def main(names: list[str]) -> int:
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    known = environments()
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"matrix: {', '.join(unknown)}: no such environment; there are {' '.join(known)}")

    def holds(name: str) -> bool:
        try:
            smoke(name, known[name])
        except subprocess.CalledProcessError as error:
            print(error.output, f"=== {name} failed: {' '.join(map(str, error.cmd))}", sep="\n", flush=True)
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        return 0 if all(list(pool.map(holds, names or known))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
