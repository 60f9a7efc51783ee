"""How ovstool starts sooner than the libraries it is made of: what they import for others is imported when it is used.

Nearly half of what ``import cliff.app, cliff.lister`` takes goes to modules that no short command uses. Lazy imports as PEP 810 has
them would leave them out, and this is what they are in the Pythons before it. ``importlib.util.LazyLoader`` does not do: it imports a
module as soon as something is taken from it, be it for an annotation or by ``from ... import``.
"""

import builtins
import os
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

# For each library, what it imports and a short command does not use.
_LAZY = {
    "cliff": frozenset(
        ["autopage.argparse", "cliff._argparse", "importlib.metadata", "inspect", "logging.handlers", "stevedore", "traceback"]
    ),
    "cryptography": frozenset(["cryptography.hazmat.primitives.serialization.ssh", "random"]),
    "dataclasses": frozenset(["inspect"]),  # until Python 3.12 for a class without a docstring alone
    "logging": frozenset(["string", "traceback"]),
    "paramiko": frozenset(  # for clients of another kind than ours, for files, and for keys with a passphrase
        ["bcrypt", "getpass", "inspect", "pathlib", "signal", "subprocess", "tempfile", "traceback", "paramiko.client", "paramiko.proxy"]
        + [f"paramiko.sftp_{part}" for part in ("attr", "client", "file", "handle", "server", "si")]
    ),
    "socket": frozenset(["array", "selectors"]),
    "subprocess": frozenset(["selectors", "signal"]),
    "tabulate": frozenset(["html", "importlib.metadata"]),  # for tables in HTML, and for its __version__
}
_FOLDER = ".dist-info"


@contextmanager
def in_force() -> Iterator[None]:
    """Make those imports lazy in the block, for the libraries that are imported in it, and quoted annotations with them.

    It is for a process that is ovstool's own. What others import stays as it is, ``sys.modules`` has nothing but what is loaded, and
    what has been put off works after the block too.
    """
    eager = builtins.__import__

    def lazy(name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = (), level: int = 0) -> Any:
        importer = globals.get("__name__") if globals else None
        if importer == "paramiko" and name == "importlib" and fromlist == ("metadata",):
            return SimpleNamespace(metadata=SimpleNamespace(version=_version))
        if not importer or not _is_lazy(importer, name, fromlist or ()):
            return eager(name, globals, locals, fromlist, level)
        package = None if fromlist else sys.modules.get(name.partition(".")[0])
        return _Lazy(lambda: eager(name, globals, locals, fromlist, level), globals.get("__spec__"), package)

    builtins.__import__ = lazy
    vars(typing)["compile"] = _uncompiled
    try:
        yield
    finally:
        builtins.__import__ = eager
        vars(typing).pop("compile", None)


def _uncompiled(source: str, *_: Any) -> str:
    """Stand in for ``compile`` where typing meets an annotation in quotes, of which cliff has one.

    ``eval``, which takes a text as well, compiles it when somebody asks what it means, as from Python 3.14 on. The first ``compile`` of
    a process makes a class for each kind of node of a syntax tree, which is a thirtieth of a short command.
    """
    return source


def _version(library: str) -> str:
    """The version of a library that is being imported, by the name of the folder beside it (PEP 376): paramiko tells servers its own.

    importlib.metadata, which opens what is in the folder, would be a tenth of a command over SSH.
    """
    with suppress(OSError):  # it is in no folder
        beside = os.listdir(os.path.dirname(sys.modules[library].__path__[0]))
        found = [name for name in beside if name.startswith(f"{library}-") and name.endswith(_FOLDER)]
        if len(found) == 1:
            return found[0].removeprefix(f"{library}-").removesuffix(_FOLDER)
    from importlib import metadata

    return metadata.version(library)


def _is_lazy(importer: str, name: str, fromlist: Sequence[str]) -> bool:
    lazy = _LAZY.get(importer.partition(".")[0])
    return bool(lazy and lazy.intersection([name, *(f"{name}.{each}" for each in fromlist)]) - sys.modules.keys())


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let a library that can do without the module find it missing, in the block; a module that is loaded already costs nothing."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


class _Lazy:
    """A module, or what was made of it, until it is used.

    While the module that imports it, that of ``spec``, is being executed, what that makes of it is put off too: a name taken from it, an
    annotation, the alias of a type. ``package`` is the part of it that is loaded: ``logging``, of ``import logging.handlers``.
    """

    def __init__(self, load: Callable[[], Any], spec: Any, package: Any = None):
        self._load = load
        self._spec = spec
        self._package = package

    def _use(self, use: Callable[[Any], Any]) -> Any:
        if getattr(self._spec, "_initializing", False):
            return _Lazy(lambda: use(self._load()), self._spec)
        return use(self._load())

    def __getattr__(self, name: str) -> Any:
        if hasattr(self._package, name):
            return getattr(self._package, name)
        if name.startswith("__"):  # asked for by typing and by the import statement, which take it that there is none
            raise AttributeError(name)
        return self._use(lambda it: getattr(it, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use(lambda it: it(*args, **kwargs))

    def __getitem__(self, key: Any) -> Any:
        return self._use(lambda it: it[key])

    def __or__(self, other: Any) -> Any:
        return self._use(lambda it: it | other)

    def __ror__(self, other: Any) -> Any:
        return self._use(lambda it: other | it)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._load(),)
