"""Every regular expression of ovstool must run in linear time, because peers choose the text.

They are found by reading the sources, so that new ones are checked too. Each is tried with texts made of repetitions of its own parts: a
beginning that matches again and again without an end, and repetitions that may belong to one part or the next.
"""

import ast
import importlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as parser

ROOT = Path(__file__).parents[2]
METHODS = ("search", "match", "fullmatch", "split", "sub", "subn", "findall", "finditer")
SIZE = 30_000  # characters
LIMIT_S = 0.3  # CPU seconds for one text; linear time takes some milliseconds, quadratic time tens of seconds
SUBJECT = "\x1f"  # replaces what only a call provides


def patterns() -> Iterator[tuple[str, str, int, list[str]]]:
    """Where each pattern is, its text, its flags, and the methods called on it."""
    for path in sorted((ROOT / "ovstool").rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        tree = ast.parse(path.read_text())
        uses: dict[str, list[str]] = {}
        names: dict[ast.expr, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                uses.setdefault(ast.unparse(node.value), []).append(node.attr)
            if isinstance(node, ast.Assign):
                names[node.value] = ast.unparse(node.targets[0])
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("re.") in ("compile", *METHODS):
                call = ast.unparse(node.func)
                if not call.startswith("re."):
                    continue
                flags = [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
                flags += [argument for argument in node.args if re.match(r"re\.[A-Z]", ast.unparse(argument))]
                value = sum(eval(ast.unparse(flag), {"re": re}) for flag in flags)
                methods = [node.func.attr] if call != "re.compile" else uses.get(names.get(node, ast.unparse(node)), list(METHODS))
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text_of(node.args[0], vars(module)), int(value), methods


def text_of(node: ast.expr, names: dict) -> str:
    """The text of a pattern, with a placeholder for what only a call provides."""
    if isinstance(node, ast.Constant):
        return node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part.value if isinstance(part, ast.FormattedValue) else part, names) for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left, names) + text_of(node.right, names)
    try:
        return str(eval(ast.unparse(node), names))
    except NameError:
        return SUBJECT


def sample(items) -> str:
    """A text that part of a pattern matches."""
    return "".join(map(sample_of, items))


def sample_of(item) -> str:
    kind, value = str(item[0]), item[1]
    match kind:
        case "LITERAL":
            return chr(value)
        case "NOT_LITERAL":
            return "a" if value != ord("a") else "b"
        case "ANY":
            return "a"
        case "IN":
            return sample_of_set(value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return sample(value[2]) * max(value[0], 1)
        case "SUBPATTERN":
            return sample(value[-1])
        case "BRANCH":
            return sample(value[1][0])
        case "ATOMIC_GROUP":
            return sample(value)
    return ""  # an assertion, a boundary


def sample_of_set(members) -> str:
    allowed = re.compile(f"[{''.join(map(shown, members))}]")
    return next(c for c in map(chr, (*range(97, 127), *range(32, 97), *range(32), *range(127, 2**16))) if allowed.match(c))


def shown(member) -> str:
    kind, value = str(member[0]), member[1]
    match kind:
        case "NEGATE":
            return "^"
        case "LITERAL":
            return re.escape(chr(value))
        case "RANGE":
            return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_SPACE": r"\S",
            "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_NOT_WORD": r"\W"}[str(value)]  # fmt: skip


def paths(items) -> Iterator[str]:
    """Texts for each beginning of a pattern, including those that continue within a group or a branch."""
    before = ""
    for item in items:
        kind, value = str(item[0]), item[1]
        inner = {"SUBPATTERN": lambda v: [v[-1]], "BRANCH": lambda v: v[1], "ATOMIC_GROUP": lambda v: [v]}.get(kind)
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            inner = lambda v: [v[2]]  # noqa: E731
        for group in inner(value) if inner else ():
            yield from (before + path for path in paths(group))
        before += sample_of(item)
        yield before


def texts(pattern: str, flags: int) -> set[str]:
    """Texts on which a careless pattern takes very long."""
    found = {c * SIZE for c in 'a1 ",('}
    beginnings = [path for path in dict.fromkeys(paths(parser.parse(pattern, flags))) if path]
    for number, beginning in enumerate(beginnings):
        found.add(beginning * (SIZE // len(beginning)))
        found.add(beginning[:-1] * (SIZE // len(beginning)) + "\n")
        before = beginnings[number - 1] if number else ""
        unit = beginning.removeprefix(before) or beginning[-1]
        found.add(before + unit * (SIZE // len(unit)) + "\0")
        found.add(beginning + beginning[-1] * SIZE + "\n")
    return found


def hold(pattern: str, flags: int, methods: list[str]) -> None:
    """Match a pattern against each of the texts; SIGVTALRM kills the process when one takes too long."""
    compiled = re.compile(pattern, flags)
    for text in sorted(texts(pattern, flags)):
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
        if "match" in methods:
            compiled.match(text)
        if "fullmatch" in methods:
            compiled.fullmatch(text)
        if not {"match", "fullmatch"}.issuperset(methods):
            compiled.findall(text)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def held(cases: list[tuple[str, str, int, list[str]]]) -> list[str]:
    """The places of the patterns that take too long."""
    slow, at = [], 0
    while at < len(cases):
        done = subprocess.run(
            [sys.executable, __file__], input=json.dumps(cases[at:]), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode in (0, -signal.SIGVTALRM), done.stderr
        at += len(done.stdout.split("\n")) - 1
        if done.returncode:
            slow.append(cases[at][0])
            at += 1
    return slow


@pytest.fixture(scope="module")
def found() -> list[tuple[str, str, int, list[str]]]:
    return list(patterns())


def test_every_pattern_is_found(found):
    assert len(found) > 80 and len({place.partition(":")[0] for place, *_ in found}) > 20


@pytest.mark.parametrize("part", range(4))
def test_every_pattern_takes_linear_time(found, part):
    assert held(found[part::4]) == []


@pytest.mark.parametrize(
    "pattern", [r"(a|a)*b", r"a(.*?) b(.*)c", r"userspace\([^\n]*?\bx", r"(?:\w+=[^, ]*, )*(.*?)d=(.*)", r"a\s*(.*\S)\s*$"]
)
def test_a_careless_pattern_is_caught(pattern):
    assert held([("here", pattern, 0, ["search"])]) == ["here"]


if __name__ == "__main__":
    for _, pattern, flags, methods in json.load(sys.stdin):
        hold(pattern, flags, methods)
        print("held", flush=True)
