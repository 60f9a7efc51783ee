"""The small mistakes that can be put into a module: another comparison, one more, the opposite, nothing returned, nothing done.

Sentences for people and types are left alone. The mistakes are made in the source text, so everything else stays the same.
"""

import ast
import difflib
import itertools
import os
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_PAIRS = [
    ("==", "!="),
    ("<", "<="),
    (">", ">="),
    ("is", "is not"),
    ("in", "not in"),
    ("and", "or"),
    ("+", "-"),
    ("*", "/"),
    ("|", "&"),
    ("+=", "-="),
]
_SWAPPED = dict(_PAIRS) | {new: old for old, new in _PAIRS} | {"//": "*", "%": "*", "<<": ">>", ">>": "<<", "|=": "&="}
_SIGN = re.compile(r"(?<!\w)(is not|not in|is|in|and|or)(?!\w)|[<>=!|&+*/%-]+")
_LEFT_ALONE = ("help", "metavar", "strict", "frozen")  # arguments: wording, and safeguards
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mutant(NamedTuple):
    """A module with a mistake: ``new`` replaces its text from ``start`` to ``end``. The tests that run ``lines`` should notice it.

    Code outside of all functions runs on import, so its tests are those of any function in the module.
    """

    module: str
    start: int
    end: int
    new: str
    lines: frozenset[int]

    def text(self) -> str:
        source = (ROOT / self.module).read_text()
        return source[: self.start] + self.new + source[self.end :]

    @contextmanager
    def in_tree(self, tree: Path) -> Iterator[None]:
        """Put the mistake into a copy of the tree during the block."""
        file = tree / self.module
        try:
            file.write_text(self.text())
            os.utime(file, (0, random.getrandbits(30)))  # Python decides by time and size whether a compiled file is current
            yield
        finally:
            shutil.copy2(ROOT / self.module, file)

    def is_python(self) -> bool:
        try:
            return bool(ast.parse(self.text()))
        except SyntaxError:
            return False

    def changed(self) -> list[str]:
        """The module, and the changed lines as in a diff, without indentation."""
        diff = difflib.unified_diff((ROOT / self.module).read_text().splitlines(), self.text().splitlines(), n=0, lineterm="")
        return [self.module, *(f"{line[0]} {line[1:].strip()}" for line in list(diff)[2:] if line[0] in "-+")]


def mutants_of(module: str) -> Iterator[Mutant]:
    """All mistakes that can be put into a module; a few of the results are not valid Python."""
    source = (ROOT / module).read_text()
    lines = source.splitlines(keepends=True)
    begins = [0, *itertools.accumulate(map(len, lines))]

    def place(line: int, column: int) -> int:
        return begins[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def span(node: ast.AST) -> tuple[int, int]:
        return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

    def swaps(*operands: ast.AST) -> Iterator[tuple[int, int, str]]:
        for left, right in itertools.pairwise(operands):
            sign = _SIGN.search(source, span(left)[1], span(right)[0])
            if sign and sign[0] in _SWAPPED:
                yield sign.start(), sign.end(), _SWAPPED[sign[0]]

    def mistakes(node: ast.AST) -> Iterator[tuple[int, int, str]]:
        start, end = span(node)
        match node:
            case ast.Compare():
                yield from swaps(node.left, *node.comparators)
            case ast.BoolOp():
                yield from swaps(*node.values)
            case ast.BinOp():
                yield from swaps(node.left, node.right)
            case ast.AugAssign():
                yield from swaps(node.target, node.value)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield start, span(node.operand)[0], ""
            case ast.Constant(value=bool() as value):
                yield start, end, str(not value)
            case ast.Constant(value=int() | float() as value):
                yield start, end, str(value + 1)
            case ast.Constant(value=str() as value) if source[start] in "\"'" and not re.search(r"\s", value):
                yield start, end, '"mutant"'
            case ast.If() | ast.While() | ast.IfExp():
                yield *span(node.test), f"not ({source[slice(*span(node.test))]})"
            case ast.Return(value=ast.expr()) if source[start:end] != "return None":
                yield start, end, "return None"
            case ast.Expr(value=ast.Call()) | ast.Raise():
                yield start, end, "pass"
            case ast.Break() | ast.Continue():
                yield start, end, "continue" if isinstance(node, ast.Break) else "break"
            case ast.keyword(arg=str()) if node.arg not in _LEFT_ALONE:
                yield start, end + (source[end : end + 1] == ","), ""

    def walk(node: ast.AST, of: frozenset[int]) -> Iterator[Mutant]:
        own = frozenset(range(node.lineno, node.end_lineno + 1)) if hasattr(node, "lineno") else frozenset()
        if own and not isinstance(node, ast.arg):
            yield from (Mutant(module, *mistake, of or own) for mistake in mistakes(node))
        for name, field in ast.iter_fields(node):
            if (
                name in ("annotation", "returns")
                or getattr(node, "arg", None) in _LEFT_ALONE
                or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
            ):
                continue
            inner = of if not isinstance(node, _FUNCTION) else frozenset() if name == "body" else _body(node)
            if isinstance(node, ast.Tuple):
                inner = of or own  # of one with constants alone only the first line runs
            for child in field if isinstance(field, list) else [field]:
                yield from walk(child, inner) if isinstance(child, ast.AST) else ()

    tree = ast.parse(source)
    of_all = frozenset().union(*(_body(node) for node in ast.walk(tree) if isinstance(node, (*_FUNCTION, ast.Lambda))))
    yield from walk(tree, of_all)


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> frozenset[int]:
    """The lines that run when a function is called; for code outside of functions, those of any function of the module count."""
    first = function.body if isinstance(function, ast.Lambda) else function.body[0]
    return frozenset(range(first.lineno, function.end_lineno + 1))
