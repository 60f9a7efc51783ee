"""Lazy imports for a faster start: modules that libraries import but a short command does not use are imported on first use.

Nearly half the time of ``import cliff.app, cliff.lister`` goes to modules that no short command uses. The lazy imports of PEP 810
would skip them; this is a substitute for the Python versions before it. ``importlib.util.LazyLoader`` does not suffice: it imports
a module as soon as a name is taken from it, even for an annotation or by ``from ... import``.
"""

import builtins
import os
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

# For each library, the modules that it imports and a short command does not use.
_LAZY = {
    "cliff": frozenset(
        ["autopage.argparse", "cliff._argparse", "importlib.metadata", "inspect", "logging.handlers", "stevedore", "traceback"]
    ),
    "cryptography": frozenset(["cryptography.hazmat.primitives.serialization.ssh", "random"]),
    "dataclasses": frozenset(["inspect"]),  # until Python 3.12, only for classes without a docstring
    "logging": frozenset(["string", "traceback"]),
    "paramiko": frozenset(  # for its own client, for file transfer, and for keys with a passphrase
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
    """Make these imports lazy for the libraries that are imported in the block, and quoted annotations too.

    Only for a process of ovstool's own. Other imports are unchanged, ``sys.modules`` contains only loaded modules, and deferred
    imports still work after the block.
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
    """Replace ``compile`` where typing meets a quoted annotation; cliff has one.

    ``eval``, which takes text as well, compiles the annotation if it is ever evaluated, as in Python 3.14 and later. The first
    ``compile`` of a process creates a class for each syntax tree node, a thirtieth of the time of a short command.
    """
    return source


def _version(library: str) -> str:
    """The version of a library that is being imported, from the .dist-info folder beside it (PEP 376); paramiko sends its own to servers.

    importlib.metadata, which reads the files in that folder, would take a tenth of the time of a command over SSH.
    """
    with suppress(OSError):  # the library is not in a folder
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
    """Make a module appear missing in the block, for a library to which it is optional; a module already loaded stays visible."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


class _Lazy:
    """A module, or something derived from it, until it is used.

    While the importing module, that of ``spec``, is being executed, everything that it derives from this module is deferred too: names,
    annotations, type aliases. ``package`` is the part that is already loaded: ``logging`` for ``import logging.handlers``.
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
        if name.startswith("__"):  # typing and the import statement look for these, and expect that there may be none
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
