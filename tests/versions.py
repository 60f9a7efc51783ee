"""``make versions``: run tests/switch and the race tests with other versions of Open vSwitch, built from source.

    python3 tests/versions.py 2.13 3.3        the last release of each, all of these tests
    python3 tests/versions.py 2.13 -- tests/switch/test_qos.py -k netem

A version is a release series such as 2.13, whose last tag v2.13.N is used, or the name of a tag or branch. The source comes from
$OVS_GIT (a git repository); builds are kept in $XDG_CACHE_HOME/ovstool/ovs, or ~/.cache, and reused. The daemons run beside those of
the machine, whose switch is not touched; parts that are not built, such as the kernel module, are the machine's.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
SOURCE = os.environ.get("OVS_GIT") or "https://github.com/openvswitch/ovs"
BUILT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ovstool/ovs"
TESTS = (
    "tests/switch",
    "tests/hostile/test_words_bad_input.py",
    "tests/hostile/test_objects_races.py",
    "tests/hostile/test_objects_qos_races.py",
)
# Open vSwitch's test programs are a fifth of what would be compiled; new compilers warn about old releases.
MAKE = ("make", f"-j{os.cpu_count() or 1}", "noinst_PROGRAMS=")
STEPS = (("./boot.sh",), ("./configure", "--quiet", "--disable-libcapng", "CFLAGS=-O1 -w", "--prefix={}"), MAKE, (*MAKE, "install"))
OUTCOMES = ("passed", "failed", "skipped")


def tags() -> list[str]:
    return re.findall(r"refs/tags/(\S+)$", run("git", "ls-remote", "--tags", "--refs", SOURCE), re.MULTILINE)


def release(version: str, known: list[str]) -> str:
    """The last release of 2.13 is v2.13.11; anything but such a number is a tag or a branch."""
    found = [tag for tag in known if re.fullmatch(rf"v{re.escape(version)}\.\d+", tag)]
    return max(found, key=lambda tag: int(tag.rpartition(".")[2]), default=version)


def prefix(name: str) -> Path:
    """Where this release is installed; builds it first if needed."""
    folder = BUILT / name
    if not (folder / "ready").exists():
        print(f"=== building Open vSwitch {name} into {folder}, which takes some minutes", flush=True)
        with tempfile.TemporaryDirectory(prefix="ovstool-versions-") as source:
            run("git", "clone", "--quiet", "--depth=1", f"--branch={name}", "-c", "advice.detachedHead=false", SOURCE, source)
            for step in STEPS:
                run("nice", *(word.format(folder) for word in step), cwd=source)
        (folder / "ready").touch()
    return folder


def run(*argv: str, **options) -> str:
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if done.returncode:
        sys.exit(f"{done.stdout[-4000:]}\nversions: {' '.join(argv)}: exit code {done.returncode}")
    return done.stdout


def tried(folder: Path, words: list[str]) -> dict[str, Counter]:
    """The tests of each file by outcome with one version's programs; prints what failed."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")}
    environ["PATH"] = f"{folder}/sbin:{folder}/bin:{environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="ovstool-versions-") as place:
        report = Path(place) / "report.xml"
        workers = () if "-n" in words else ("-n", "auto")
        pytest = [sys.executable, "-m", "pytest", "-q", "--tb=short", *workers, "-p", "no:cacheprovider", f"--junit-xml={report}", *words]
        subprocess.run(pytest, check=False, env=environ, cwd=ROOT)
        return counted(ElementTree.parse(report)) if report.exists() else {"pytest": Counter(failed=1)}


def counted(report: ElementTree.ElementTree) -> dict[str, Counter]:
    files: dict[str, Counter] = {}
    for case in report.iter("testcase"):
        file = case.get("classname", "").rpartition(".")[2] or case.get("name", "")
        outcomes = {"failure": "failed", "error": "failed", "skipped": "skipped"}
        files.setdefault(file, Counter())[next((outcomes[part.tag] for part in case if part.tag in outcomes), "passed")] += 1
    return files


def table(results: dict[str, dict[str, Counter]]) -> str:
    """A line for each file, a column for each version: passed/failed/skipped."""
    files = sorted({file for found in results.values() for file in found})
    rows = [[file, *(_shown(found.get(file, Counter())) for found in results.values())] for file in files]
    rows.append(["all", *(_shown(sum(found.values(), Counter())) for found in results.values())])
    return tabulate(rows, ["/".join(OUTCOMES), *results], tablefmt="simple", colalign=("left", *("right" for _ in results)))


def _shown(counts: Counter) -> str:
    return "/".join(str(counts[outcome]) for outcome in OUTCOMES)


def main(words: list[str]) -> int:
    versions, tests = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    if not versions:
        sys.exit("versions: no version; try: 2.13 3.3")
    known = tags()
    results = {}
    for name in [release(version, known) for version in versions]:
        folder = prefix(name)
        print(f"=== Open vSwitch {name}", flush=True)
        results[name] = tried(folder, tests or list(TESTS))
    print(table(results), flush=True)
    return int(any(counts["failed"] for found in results.values() for counts in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
