"""``make packages``: each way of installing ovstool, from scratch: installed, tried and removed.

    python3 tests/packages.py                  all of them
    python3 tests/packages.py pip pipx         some

``pip`` and ``pipx`` take the wheel, which is built from the source archive, into new environments; ``deb`` installs the Debian package into a
freshly bootstrapped Debian, which needs root, over an older one, and lets lintian judge it. Tried are the program, ``man``, and Tab in bash,
zsh and fish.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from matrix import ROOT, copied, run

PAGES = sorted(page.name for page in (ROOT / "man").glob("*.[1-8]"))
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
# What ovstool's package needs, and what tries it, so that apt has nothing to fetch when the package is installed.
DEBIAN = (
    "python3 python3-autopage python3-bcrypt python3-cryptography python3-nacl python3-netaddr python3-prettytable python3-pyparsing"
    " python3-sortedcontainers python3-wcwidth python3-yaml man-db bash-completion zsh fish"
)

# What the shell offers after "ovstool qos s", a word on a line.
TAB = {
    "bash": """
        source /usr/share/bash-completion/bash_completion
        _completion_loader ovstool
        COMP_WORDS=(ovstool qos s) COMP_CWORD=2 COMP_LINE="ovstool qos s" COMP_POINT=13
        $(complete -p ovstool | grep -o -- '-F [^ ]*' | cut -c4-) ovstool
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "fish": 'complete -C "ovstool qos s" | cut -f1',
    # Its offers are drawn by the line editor; who makes them is told here.
    "zsh": "fpath=($ZSH_SITE $fpath); autoload -Uz compinit; compinit -D -u; [[ $_comps[ovstool] = _ovstool ]] && print -l set show steer",
}


class Place(NamedTuple):
    """Where ovstool was installed: what goes before a command there, and its environment."""

    environ: Mapping[str, str]
    before: Sequence[str] = ()

    def run(self, *argv: object) -> str:
        return run([*self.before, *argv], env=self.environ)


def by_pip(folder: Path, wheel: Path) -> None:
    home = folder / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin/python"
    run([python, *PIP, "install", "--no-compile", wheel])
    run([python, *PIP, "check"])
    share = home / "share"
    environ = {"XDG_DATA_DIRS": f"{share}:/usr/local/share:/usr/share", "ZSH_SITE": str(share / "zsh/site-functions")}
    place = Place(_environ(home / "bin", folder, **environ))
    try_program(place)
    try_pages(place, share / "man")
    try_tab(place)
    run([python, *PIP, "uninstall", "--yes", "ovstool"])
    left = [path for path in home.rglob("*ovstool*") if path.is_file()]
    assert not left, f"pip left {left}"


def by_pipx(folder: Path, wheel: Path) -> None:
    tool, home = folder / "pipx", folder / "home"
    venv.create(tool, with_pip=True)
    run([tool / "bin/python", *PIP, "install", "pipx"])
    places = {"PIPX_HOME": home / "pipx", "PIPX_BIN_DIR": home / ".local/bin", "PIPX_MAN_DIR": home / ".local/share/man"}
    cache = run([sys.executable, "-m", "pip", "cache", "dir"]).strip()
    place = Place(
        _environ(home / ".local/bin", home, PIP_CACHE_DIR=cache, PIP_NO_COMPILE="1", **{name: str(path) for name, path in places.items()})
    )
    home.mkdir()
    place.run(tool / "bin/pipx", "install", "--python", sys.executable, wheel)
    try_program(place)
    try_pages(place, home)
    place.run(tool / "bin/pipx", "uninstall", "ovstool")
    left = [path for path in home.rglob("ovstool*") if path.suffix != ".log"]
    assert not left, f"pipx left {left}"


def by_apt(folder: Path, _: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        root = pool.submit(new_debian, folder / "root")
        run([ROOT / "packaging/deb", folder], env=os.environ | {"PYTHON": sys.executable})
        (package,) = folder.glob("ovstool_*_all.deb")
        run(["lintian", "--allow-root", "--fail-on", "error,warning", "--info", package])
    run(["cp", package, older(package, folder), root.result()])
    place = Place(_environ("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/root"), ("chroot", str(root.result())))
    run(["mount", "-t", "proc", "proc", root.result() / "proc"])  # where bash looks for /dev/fd
    try:
        before = files(place)
        place.run("apt-get", "install", "--yes", "--no-install-recommends", "/older.deb")
        assert any("/gone." in path and path.endswith(".pyc") for path in files(place)), "nothing was compiled"
        place.run("apt-get", "install", "--yes", "--no-install-recommends", f"/{package.name}")
        left = [path for path in files(place) if "/gone." in path]
        assert not left, f"the upgrade left {left}"
        try_program(place)
        try_libraries(place)
        try_pages(place, "/usr/share/man")
        try_tab(place)
        place.run("/usr/share/python3/runtime.d/ovstool.rtupdate", "rtupdate", "python3", "python3")
        place.run("apt-get", "remove", "--yes", "ovstool")  # it has no settings that only a purge would remove
        left = files(place) - before
        assert not left, f"the package left {sorted(left)[:10]}"
    finally:
        run(["umount", root.result() / "proc"])


def older(package: Path, folder: Path) -> Path:
    """The package as an older version, with a module that the newer one no longer has."""
    tree, old = folder / "older", folder / "older.deb"
    run(["dpkg-deb", "--raw-extract", package, tree])
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("(?m)^Version: .*", "Version: 0.0.1-1", control.read_text()))
    (tree / "usr/share/ovstool/ovstool/gone.py").write_text("")
    run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, old])
    return old


def new_debian(root: Path) -> Path:
    """The distribution of this machine, in a folder of its own, from where this machine has it."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    sites = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {codename}"])
    packages = ",".join(DEBIAN.split())
    run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=apt",
            "--dpkgopt=force-unsafe-io",
            f"--include={packages}",
            codename,
            root,
            sites.split()[0],
        ]
    )
    return root


def files(place: Place) -> set[str]:
    """All files and directories there but for what apt, man-db and fish remember."""
    remembered = ("/proc", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log", "/root/.config", "/root/.local")
    skipped = [words for path in remembered for words in ("-path", path, "-prune", "-o")]
    return set(place.run("find", "/", *skipped, "-print").splitlines())


def try_program(place: Place) -> None:
    version = place.run("ovstool", "version")
    assert version == f"ovstool {_version()}\n", version
    said = subprocess.run(
        [*place.before, "ovstool", "-H", "127.0.0.1:9", "show"], env=place.environ, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (5, ""), said
    assert "refused" in said.stderr, said


def try_libraries(place: Place) -> None:
    """The libraries that only some commands import; ovs-ofctl is not there, and neither is matplotlib."""
    place.run("python3", "-I", "-c", "import sys; sys.path.insert(0, '/usr/share/ovstool'); import ovs.flow.ofp, cliff.formatters.table")
    said = subprocess.run(
        [*place.before, "ovstool", "stats", "plot", "/none.csv", "-o", "/none.png"],
        env=place.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "apt-get install python3-matplotlib" in said.stderr, said


def try_pages(place: Place, folder: object) -> None:
    for page in PAGES:
        found = place.run("man", "-w", page.rpartition(".")[0])
        assert found.startswith(str(folder)), f"man finds {found}"


def try_tab(place: Place) -> None:
    for shell, script in TAB.items():
        offered = place.run(shell, *(["-f"] if shell == "zsh" else []), "-c", script).split()
        assert {"set", "show", "steer"} <= set(offered), f"{shell} offers {offered}"


def built(folder: Path) -> Path:
    """The wheel of the source archive."""
    source = copied(folder / "source")
    venv.create(folder / "build", with_pip=True)
    python = folder / "build/bin/python"
    run([python, *PIP, "install", "--upgrade", "setuptools", "wheel"])
    run([python, "-c", f"import setuptools.build_meta as build; build.build_sdist({str(folder)!r})"], cwd=source)
    (archive,) = folder.glob("ovstool-*.tar.gz")
    run([python, *PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, archive])
    (wheel,) = folder.glob("ovstool-*.whl")
    return wheel


def _version() -> str:
    return next(line.partition(" = ")[2] for line in (ROOT / "setup.cfg").read_text().splitlines() if line.startswith("version = "))


def _environ(path: object, home: object, **more: str) -> dict[str, str]:
    """An environment in which nothing leads to another ovstool."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    programs = str(path) if str(path).startswith("/usr") else f"{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept | {"PATH": programs, "HOME": str(home), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"} | more


WAYS: dict[str, Callable[[Path, Path], None]] = {"pip": by_pip, "pipx": by_pipx, "deb": by_apt}


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in WAYS]:
        sys.exit(f"packages: {', '.join(unknown)}: no such way; there are {' '.join(WAYS)}")
    with tempfile.TemporaryDirectory(prefix="ovstool-packages-") as directory, ThreadPoolExecutor(len(WAYS)) as pool:
        folder = Path(directory)
        wheel = pool.submit(built, folder)

        def holds(name: str) -> bool:
            own = folder / name
            own.mkdir()
            try:
                WAYS[name](own, wheel.result() if name != "deb" else own)
            except (AssertionError, subprocess.CalledProcessError) as error:
                print(f"=== {name} failed: {error}", getattr(error, "output", ""), sep="\n", flush=True)
                return False
            print(f"=== {name}: installed, tried and removed", flush=True)
            return True

        return 0 if all(list(pool.map(holds, names or WAYS))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
