#!/usr/bin/env python3
"""Do the tests bite? Small mistakes are put into the code, and for each the tests that run its line have to fail (``make mutants``).

Which test runs which line is measured once, in ovstool's own processes too, and kept in .mutants/ until the code or the test changes.
A mutant lives in a copy of the tree, and its tests in namespaces of their own, so that daemons go with them. What no test can see
is listed in tests/mutants/equivalent.txt: the lines that are reported for it, the reason below them, and an empty line.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue

from coverage.numbits import numbits_to_nums
from mistakes import ROOT, Mutant, mutants_of

WORK = ROOT / ".mutants"
EQUIVALENT = ROOT / "tests/mutants/equivalent.txt"
MOST_S = 90  # of tests for a mutant
MOST_S_OF_A_TABLE = 5 * MOST_S  # and for one outside of all functions, which few of the tests that run some of its module may use
PARALLEL = 6  # as most tests wait
# Processes, mounts, network namespaces and /tmp are its own and end with it; the tree, which may be in /tmp, stays visible.
WALLS = """set -e; mount --bind "$1" /mnt; mount -t tmpfs tmpfs /tmp; mkdir -p "$1" /run/netns; mount --move /mnt "$1"
mount -t tmpfs tmpfs /run/netns; cd "$2"; shift 2; exec "$@" """
COVERAGE = """[run]
parallel = true
source = {tree}/ovstool
data_file = {data}/coverage
context = ${{MUTANTS_TEST-}}
patch = _exit
"""


def run_tests(tree: Path, words: list[str], timeout_s: float | None = None, **environ: object) -> int | None:
    """pytest in a copy of the tree; its exit code, None when the time was over."""
    environ = {name: str(value) for name, value in environ.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OVS", "COV", "MUTANTS"))}
    argv = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "pytest_mutants", "-p", "no:cacheprovider", *words]
    walls = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--mount-proc",
        "bash",
        "-c",
        WALLS,
        "bash",
        str(ROOT),
        str(tree),
    ]
    with open(f"{tree}.log", "w") as log:
        try:
            return subprocess.run(
                walls + argv, env=kept | {"PYTHONPATH": f"{tree}:{tree}/tests/mutants"} | environ, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, timeout=timeout_s, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            return None


def covered(tree: Path, module: str) -> dict[str, tuple[float, dict[str, list[int]]]]:
    """What each test of a module that passes takes in seconds, and the lines that it runs, by file; measured when not known yet."""
    texts = [path.read_bytes() for path in [ROOT / module, *sorted((ROOT / "ovstool").rglob("*.py"))]]
    known = WORK / f"{Path(module).stem}-{hashlib.sha256(b''.join(texts)).hexdigest()[:16]}.json"
    if known.exists():
        return json.loads(known.read_text())
    data = Path(f"{tree}.data")
    shutil.rmtree(data, ignore_errors=True)
    Path(f"{tree}.times").unlink(missing_ok=True)
    data.mkdir()
    (data / "rc").write_text(COVERAGE.format(tree=tree, data=data))
    run_tests(tree, [module], COVERAGE_PROCESS_START=data / "rc", MUTANTS_TIMES=f"{tree}.times")
    taken, failed = defaultdict(float), set()
    for test, outcome, seconds in reports(tree):
        taken[test] += seconds
        failed |= {test} if outcome != "passed" else set()
    lines = defaultdict(lambda: defaultdict(set))
    imported = set()  # files whose lines that run when they are imported are known
    for part in data.glob("coverage*"):
        with closing(sqlite3.connect(part)) as database, suppress(sqlite3.DatabaseError):  # of one that was killed while it wrote
            rows = database.execute(  # coverage's own reader takes a second for each of thousands
                "select context.context, file.path, numbits from line_bits join context on context.id = context_id join file on file.id = file_id"
            )
            for test, file, numbits in rows:
                if test or file not in imported:
                    lines[test][str(Path(file).relative_to(tree))].update(numbits_to_nums(numbits))
                if not test:
                    imported.add(file)
    # What a module does while it is imported is seen by all who run any of it: modules are imported before any test.
    for of in (of for test, of in lines.items() if test):
        for file in of.keys() & lines[""].keys():
            of[file] |= lines[""][file]
    found = {test: (taken[test], {file: sorted(of) for file, of in lines[test].items()}) for test in taken.keys() - failed}
    known.write_text(json.dumps(found))
    print(f"{module}: {len(found)} tests measured, {len(failed)} left out", flush=True)
    return found


def tests_of(mutant: Mutant, tests: dict) -> list[str]:
    """Those that run its lines, the fastest first; of too many those that are most about its module for the seconds that they take."""
    worth = {
        test: len(lines[mutant.module]) / sum(map(len, lines.values())) / max(seconds, 0.01)
        for test, (seconds, lines) in list(tests.items())
        if not mutant.lines.isdisjoint(lines.get(mutant.module, ()))
    }
    best = sorted(worth, key=worth.__getitem__, reverse=True)
    sums_s = itertools.accumulate(tests[test][0] for test in best)
    most_s = MOST_S_OF_A_TABLE if mutant.is_outside_of_functions else MOST_S
    chosen = [test for test, sum_s in zip(best, sums_s, strict=True) if sum_s < most_s] or best[:1]
    return sorted(chosen, key=lambda test: tests[test][0])


def survives(tree: Path, mutant: Mutant, tests: dict) -> str | None:
    """How it lives: ``no test`` runs it, or it ``survived``; None when a test fails that passes without it, or none ends."""
    while chosen := tests_of(mutant, tests):
        file, before = tree / mutant.module, (tree / mutant.module).read_text()
        try:
            file.write_text(mutant.text())
            os.utime(file, (0, random.getrandbits(30)))  # Python takes a compiled file for new by time and size
            code, failed = run_chosen(tree, chosen, 60 + 5 * sum(tests[test][0] for test in chosen))
        finally:
            file.write_text(before)
        if code == 0:
            return "survived"
        if not failed or run_chosen(tree, [failed], None)[0] == 0:
            return None
        print(f"{failed} fails without a mutant too, so it is left out", flush=True)
        tests.pop(failed, None)
    return "no test"


def run_chosen(tree: Path, chosen: list[str], timeout_s: float | None) -> tuple[int | None, str | None]:
    """The exit code, and the first test that fails; None when a module cannot even be imported."""
    Path(f"{tree}.chosen").write_text(json.dumps(chosen))
    Path(f"{tree}.times").unlink(missing_ok=True)
    modules = sorted({test.partition("::")[0] for test in chosen})
    code = run_tests(tree, ["-x", *modules], timeout_s, MUTANTS_CHOSEN=f"{tree}.chosen", MUTANTS_TIMES=f"{tree}.times")
    return code, next((test for test, outcome, _ in reports(tree) if outcome == "failed"), None)


def reports(tree: Path) -> list[tuple[str, str, float]]:
    times = Path(f"{tree}.times")
    return [json.loads(line) for line in times.read_text().splitlines()] if times.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--module", action="append", help="mutate this alone, such as ovstool/units.py; repeatable (default: all)")
    parser.add_argument("--tests", action="append", help="use the tests below this alone; repeatable (default: all but tests/kernel)")
    parser.add_argument("-n", type=int, default=200, help="how many mutants (default: 200)")
    parser.add_argument("--seed", default="1", help="which ones (default: 1)")
    args = parser.parse_args()
    if os.geteuid():
        parser.error("needs root, as the tests with traffic do")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    free: SimpleQueue[Path] = SimpleQueue()
    for number in range(PARALLEL):
        tree = WORK / f"tree{number}"
        shutil.rmtree(tree, ignore_errors=True)
        for file in (ROOT / name for name in files if (ROOT / name).exists()):
            (tree / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, tree / file.relative_to(ROOT))
        free.put(tree)

    def each(work, items):
        def one(item):
            tree = free.get()
            try:
                return work(tree, item)
            finally:
                free.put(tree)

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(one, items))

    modules = sorted(
        name for name in files if re.fullmatch(r"tests/(?!kernel/).*test_\w+\.py", name) and name.startswith(tuple(args.tests or ["tests"]))
    )
    tests = {test: of for known in each(covered, modules) for test, of in known.items()}
    sources = args.module or sorted(name for name in files if re.fullmatch(r"ovstool/.*\.py", name))
    drawn = [mutant for module in sources for mutant in mutants_of(module)]
    random.Random(args.seed).shuffle(drawn)
    equivalent = {tuple(block.splitlines()[:-1]) for block in EQUIVALENT.read_text().split("\n\n")} if EQUIVALENT.exists() else set()
    drawn = list(itertools.islice((m for m in drawn if m.is_python() and tuple(m.changed()) not in equivalent), args.n))
    fates = each(lambda tree, mutant: survives(tree, mutant, tests), drawn)
    for mutant, fate in zip(drawn, fates, strict=True):
        if fate:
            print(f"\n{fate}, line {mutant.text()[: mutant.start].count(chr(10)) + 1}:", *mutant.changed(), sep="\n")
    print()
    for module in sources:
        mine = [fate for mutant, fate in zip(drawn, fates, strict=True) if mutant.module == module]
        if mine:
            print(f"{module:40} {mine.count(None):4} of {len(mine):4} killed")
    print(f"{'all':40} {fates.count(None):4} of {len(fates):4} killed, {100 * fates.count(None) / max(len(fates), 1):.1f}%")
    return 0


if __name__ == "__main__":
    sys.exit(main())
