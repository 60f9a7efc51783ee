#!/usr/bin/env python3
"""Would the tests notice a mistake? Small mistakes are put into the code; for each, a test that runs its line must fail (``make mutants``).

Which test runs which line is measured once, in ovstool's own processes too, and kept in .mutants/ until the test or the code that it ran
changes. All mutants are run against tests/unit first, which takes milliseconds; the survivors against the other tests, which start daemons.
Results are kept too, so an interrupted run can be continued. A mutant is in a copy of the tree, and its tests run in their own namespaces,
so that daemons end with them.

A mutant is ``killed`` when a test that passes without it fails or does not end. It has ``survived`` when all tests that run its line pass,
or there is ``no test``; it is ``not decided`` when the tests would take too long. Mistakes that no test can notice are listed in
tests/mutants/equivalent.txt: the lines reported for one, below them the reason, and an empty line.
"""

import argparse
import functools
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
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue

from coverage.numbits import numbits_to_nums
from mistakes import ROOT, Mutant, mutants_of

WORK = ROOT / ".mutants"
EQUIVALENT = ROOT / "tests/mutants/equivalent.txt"
GENERATED = "ovstool/completion/command_line.py"  # compared exactly by tests/test_docs.py
MOST_S = 90  # of tests for a mutant, in each of the two stages
FATES = ["no test", "survived", "not decided", "killed"]  # results of a stage, from weakest to strongest
PARALLEL = 6  # because most tests wait
# Processes, mounts, network namespaces and /tmp are private and end with it; the tree, which may be in /tmp, stays visible.
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
    """Run pytest in a copy of the tree; its exit code, or None when it took too long."""
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
    """The seconds that each passing test of a module takes, and the lines it runs, by file; measured unless known."""
    known = WORK / f"{Path(module).stem}-{digest([module])}.json"
    if known.exists():
        of_then, found = json.loads(known.read_text())
        if of_then == {file: digest([file]) for file in of_then if (ROOT / file).exists()}:
            return found
    data = Path(f"{tree}.data")
    shutil.rmtree(data, ignore_errors=True)
    Path(f"{tree}.times").unlink(missing_ok=True)
    data.mkdir()
    (data / "rc").write_text(COVERAGE.format(tree=tree, data=data))
    run_tests(tree, [module], COVERAGE_PROCESS_START=data / "rc", MUTANTS_TIMES=f"{tree}.times")
    taken, failed = defaultdict(float), set()
    for test, _, outcome, seconds in reports(tree):
        taken[test] += seconds
        failed |= {test} if outcome != "passed" else set()
    lines = defaultdict(lambda: defaultdict(set))
    imported = set()  # files whose lines that run on import are known
    for part in data.glob("coverage*"):
        with closing(sqlite3.connect(part)) as database, suppress(sqlite3.DatabaseError):  # of a process that was killed while it wrote
            rows = database.execute(  # coverage's own reader takes a second for each of thousands of files
                "select context.context, file.path, numbits from line_bits join context on context.id = context_id join file on file.id = file_id"
            )
            for test, file, numbits in rows:
                if test or file not in imported:
                    lines[test][str(Path(file).relative_to(tree))].update(numbits_to_nums(numbits))
                if not test:
                    imported.add(file)
    # What a module does on import counts for all tests that run any of it, because modules are imported before any test.
    for of in (of for test, of in lines.items() if test):
        for file in of.keys() & lines[""].keys():
            of[file] |= lines[""][file]
    found = {test: (taken[test], {file: sorted(of) for file, of in lines[test].items()}) for test in taken.keys() - failed}
    ran = {file for _, lines_of in found.values() for file in lines_of}
    known.write_text(json.dumps(({file: digest([file]) for file in ran}, found)))
    print(f"{module}: {len(found)} tests measured, {len(failed)} left out", flush=True)
    return found


def tests_of(mutant: Mutant, tests: dict) -> tuple[list[str], bool]:
    """The tests that run its lines, fastest first, and whether these are all.

    Of too many, those are chosen that are most specific to its module in relation to their seconds.
    """
    worth = {
        test: len(lines[mutant.module]) / sum(map(len, lines.values())) / max(seconds, 0.01)
        for test, (seconds, lines) in list(tests.items())
        if not mutant.lines.isdisjoint(lines.get(mutant.module, ()))
    }
    best = sorted(worth, key=worth.__getitem__, reverse=True)
    sums_s = itertools.accumulate(tests[test][0] for test in best)
    chosen = [test for test, sum_s in zip(best, sums_s, strict=True) if sum_s < MOST_S] or best[:1]
    return sorted(chosen, key=lambda test: tests[test][0]), len(chosen) == len(best)


def fate_of(tree: Path, mutant: Mutant, tests: dict) -> str:
    """The result of a mutant: ``killed``, ``survived``, ``no test`` or ``not decided``."""
    while True:
        chosen, are_all = tests_of(mutant, tests)
        if not chosen:
            return "no test"
        code, culprit = run_chosen(tree, chosen, tests, mutant)
        if code == 0:
            return "survived" if are_all else "not decided"
        if code is None and culprit and run_chosen(tree, [culprit], tests, mutant)[0] is not None:
            return "not decided"  # the machine is slow: the test ends when it runs alone
        if not culprit or run_chosen(tree, [culprit], tests)[0] == 0:
            return "killed"
        print(f"{culprit} fails without a mutant too, so it is left out", flush=True)
        tests.pop(culprit, None)


def run_chosen(tree: Path, chosen: list[str], tests: dict, mutant: Mutant | None = None) -> tuple[int | None, str | None]:
    """The exit code, None when it took too long, and the test that failed or did not end; None if a module cannot be imported."""
    Path(f"{tree}.chosen").write_text(json.dumps(chosen))
    Path(f"{tree}.times").unlink(missing_ok=True)
    modules = sorted({test.partition("::")[0] for test in chosen})
    with mutant.in_tree(tree) if mutant else nullcontext():
        code = run_tests(
            tree, ["-x", *modules], limit_s(chosen, tests),
            MUTANTS_CHOSEN=f"{tree}.chosen", MUTANTS_TIMES=f"{tree}.times",
        )  # fmt: skip
    failed = [test for test, _, outcome, _ in reports(tree) if outcome == "failed"]
    ended = {test for test, when, _, _ in reports(tree) if when == "teardown"}
    running = [test for test in chosen if test not in ended] if code is None else []
    return code, next(iter(failed + running), None)


def limit_s(chosen: list[str], tests: dict) -> float:
    """The seconds that tests may take on a busy machine."""
    return 60 + 5 * sum(tests[test][0] for test in chosen)


def reports(tree: Path) -> list[tuple[str, str, str, float]]:
    """The outcome and seconds of the setup, call and teardown of each test that ran."""
    times = Path(f"{tree}.times")
    return [json.loads(line) for line in times.read_text().splitlines()] if times.exists() else []


class Kept:
    """The results of mutants in a stage, those of an interrupted run included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._fates: dict[tuple, str] = {tuple(mutant): fate for mutant, fate in map(json.loads, lines)}

    def get(self, mutant: Mutant) -> str | None:
        return self._fates.get(mutant[:4])

    def put(self, mutant: Mutant, fate: str) -> str:
        with self._path.open("a") as file:
            file.write(json.dumps((mutant[:4], fate)) + "\n")
        self._fates[mutant[:4]] = fate
        return fate


def digest(names: Iterable[str]) -> str:
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in sorted(names))).hexdigest()[:16]


def trees_of(files: list[str]) -> SimpleQueue[Path]:
    """Copies of the tree to work in."""
    free: SimpleQueue[Path] = SimpleQueue()
    for number in range(PARALLEL):
        tree = WORK / f"tree{number}"
        shutil.rmtree(tree, ignore_errors=True)
        for file in (ROOT / name for name in files if (ROOT / name).exists()):
            (tree / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, tree / file.relative_to(ROOT))
        free.put(tree)
    return free


def in_trees(pool: ThreadPoolExecutor, free: SimpleQueue[Path], work, items: list) -> list:
    """What ``work`` returns for each item, each time in a copy of the tree that nothing else uses meanwhile."""

    def one(item):
        tree = free.get()
        try:
            return work(tree, item)
        finally:
            free.put(tree)

    return list(pool.map(one, items))


def fates_in_stage(each, mutants: list[Mutant], modules: list[str], sources: list[str], in_forks: bool) -> list[str]:
    """The results of mutants against the tests of these modules, first in forks where possible."""
    tests = {test: of for known in each(covered, modules) for test, of in known.items()}
    kept = Kept(WORK / f"fates-{digest(sources + modules)}.jsonl")
    if in_forks:
        new = [mutant for mutant in mutants if not kept.get(mutant)]
        each(lambda tree, some: kill_in_forks(tree, some, tests, kept), [new[::2], new[1::2]])
    return each(lambda tree, mutant: kept.get(mutant) or kept.put(mutant, fate_of(tree, mutant, tests)), mutants)


def kill_in_forks(tree: Path, mutants: list[Mutant], tests: dict, kept: Kept) -> None:
    """Record the mutants that forks.py finds killed, which are most of those that unit tests kill."""
    chosen = {mutant: of for mutant in mutants if (of := tests_of(mutant, tests)[0])}
    if not chosen:
        return
    jobs = [(mutant.module, mutant.text(), of, limit_s(of, tests)) for mutant, of in chosen.items()]
    Path(f"{tree}.jobs").write_text(json.dumps(jobs))
    killed = Path(f"{tree}.killed")
    killed.write_text("")
    modules = sorted({test.partition("::")[0] for of in chosen.values() for test in of})
    run_tests(tree, ["-p", "forks", *modules], MUTANTS_JOBS=f"{tree}.jobs", MUTANTS_KILLED=killed)
    for number in killed.read_text().split():
        kept.put([*chosen][int(number)], "killed")


def sample(sources: list[str], count: int, seed: str) -> list[Mutant]:
    """A random sample of mutants, without those that no test can notice."""
    drawn = [mutant for module in sources for mutant in mutants_of(module)]
    random.Random(seed).shuffle(drawn)
    equivalent = {tuple(block.splitlines()[:-1]) for block in EQUIVALENT.read_text().split("\n\n")}
    return list(itertools.islice((m for m in drawn if m.is_python() and tuple(m.changed()) not in equivalent), count))


def report(fates: dict[Mutant, str], by_module: bool) -> None:
    for mutant, fate in fates.items():
        if fate != "killed":
            print(f"\n{fate}, line {mutant.text()[: mutant.start].count(chr(10)) + 1}:", *mutant.changed(), sep="\n")
    print()
    rooms = defaultdict(list)
    for mutant, fate in fates.items():
        rooms[mutant.module if by_module else str(Path(mutant.module).parent)].append(fate)
    for room, found in [*sorted(rooms.items()), ("all", list(fates.values()))]:
        killed = found.count("killed")
        undecided = f", {count} not decided" if (count := found.count("not decided")) else ""
        print(f"{room:40} {killed:4} of {len(found):4} killed, {100 * killed / max(len(found), 1):5.1f}%{undecided}")


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
    sources = [name for name in files if re.fullmatch(r"ovstool/.*\.py", name) and name != GENERATED]
    modules = [
        name for name in files if re.fullmatch(r"tests/(?!kernel/).*test_\w+\.py", name) and name.startswith(tuple(args.tests or ["tests"]))
    ]
    drawn = sample(sorted(args.module or sources), args.n, args.seed)
    fates = dict.fromkeys(drawn, "no test")
    with ThreadPoolExecutor(PARALLEL) as pool:
        each = functools.partial(in_trees, pool, trees_of(files))
        for unit in (True, False):
            stage = [module for module in modules if module.startswith("tests/unit/") == unit]
            alive = [mutant for mutant, fate in fates.items() if fate != "killed"]
            for mutant, fate in zip(alive, fates_in_stage(each, alive, stage, sources, in_forks=unit), strict=True):
                fates[mutant] = max(fate, fates[mutant], key=FATES.index)
            print(f"{Counter(fates.values())} after {'tests/unit' if unit else 'all'}", flush=True)
    report(fates, by_module=bool(args.module))
    return 0


if __name__ == "__main__":
    sys.exit(main())
