"""A pytest plugin that runs mutants instead of tests: each in a fork of a process that has imported ovstool and collected the tests.

In the fork, functions get the code of the mutant. That saves the time of all the imports, but can only tell which mutants are killed,
because code that runs on import has run before.
"""

import gc
import importlib
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType


def pytest_runtestloop(session) -> bool:
    """Write the numbers of the killed mutants among the jobs in $MUTANTS_JOBS to $MUTANTS_KILLED."""
    jobs = json.loads(Path(os.environ["MUTANTS_JOBS"]).read_text())
    for module in {module for module, *_ in jobs}:
        importlib.import_module(module.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    functions = [function for function in gc.get_objects() if type(function) is FunctionType]
    items = {item.nodeid: item for item in session.items}
    for number, (module, text, tests, timeout_s) in enumerate(jobs):
        file = str(Path(module).resolve())
        new = {(code.co_name, code.co_firstlineno): other for code, other in _changed(file, text)}
        codes = {function: new.get(_place(function.__code__)) for function in functions if function.__code__.co_filename == file}
        if culprit := _culprit([items[test] for test in tests if test in items], codes, timeout_s):
            if not _culprit([items[culprit]], {}, timeout_s):
                with open(os.environ["MUTANTS_KILLED"], "a") as killed:
                    killed.write(f"{number}\n")
    return True


def _place(code: CodeType) -> tuple[str, int]:
    return code.co_name, code.co_firstlineno


def _changed(file: str, text: str) -> list[tuple[CodeType, CodeType]]:
    """The code objects that differ in a mutant, with the new ones; empty where it has other functions."""
    both = list(itertools.zip_longest(*(_inner(compile(source, file, "exec")) for source in (Path(file).read_text(), text))))
    return [] if (None in itertools.chain(*both)) else [(code, other) for code, other in both if code != other]


def _inner(code: CodeType) -> Iterator[CodeType]:
    """The functions of a module and of its classes; nested functions are part of these."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            if not inner.co_flags & CO_OPTIMIZED:  # a class body
                yield from _inner(inner)


def _culprit(tests: list, codes: dict[FunctionType, CodeType | None], timeout_s: float) -> str:
    """The first test that fails in a fork where functions have other code; empty where none fails in time."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            os.setsid()
            for stream in range(3):
                os.dup2(os.open(os.devnull, os.O_RDWR), stream)
            for function, code in codes.items():
                function.__code__ = code or function.__code__
            os.write(writing, _first_failure(tests).encode())
        os._exit(0)
    os.close(writing)
    ends = time.monotonic() + timeout_s
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > ends:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    with open(reading) as pipe:
        return pipe.read()


def _first_failure(tests: list) -> str:
    from _pytest.runner import runtestprotocol

    for test, following in itertools.zip_longest(tests, tests[1:]):
        if any(report.failed for report in runtestprotocol(test, log=False, nextitem=following)):
            return test.nodeid
    return ""
