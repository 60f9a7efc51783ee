"""What ovstool does not import when it starts, and that neither ovstool, nor cliff, nor a program that imports both is affected."""

import builtins
import subprocess
import sys
import threading
import typing

import pytest

from ovstool import lazy_imports

LIBRARY = """\
import helper.inner
import logging.extra
from helper import Base, answer
import helper as other

Alias = Base | None
Later = int | other.Base
result = answer()
level = logging.INFO


class Kept:
    kept: helper.inner.Thing[int]

    def method(self, thing: Base) -> other.inner.Thing[str]:
        return thing


def use():
    return answer(), helper.inner.Thing, isinstance(Base(), other.Base), other.WORD


def child():
    class Child(Base):
        pass

    return Child
"""
HELPER = "WORD = 'word'\nclass Base: pass\ndef answer(): return 42\n"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A module in which imports are lazy."""
    (tmp_path / "helper").mkdir()
    (tmp_path / "helper/__init__.py").write_text(HELPER)
    (tmp_path / "helper/inner.py").write_text("class Thing:\n    def __class_getitem__(cls, of): return (cls, of)\n")
    (tmp_path / "library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(lazy_imports._LAZY, "library", frozenset(["helper", "helper.inner", "logging.extra"]))
    before = set(sys.modules)
    with lazy_imports.in_force():
        import library
    yield library
    for name in sys.modules.keys() - before:
        del sys.modules[name]


def test_nothing_is_imported_before_it_is_used(library):
    assert not {"helper", "helper.inner"} & sys.modules.keys()
    assert library.use() == (42, sys.modules["helper.inner"].Thing, True, "word")
    assert issubclass(library.child(), sys.modules["helper"].Base)


def test_uses_at_import_time_are_postponed(library):
    assert "helper" not in sys.modules
    assert library.level == 20  # names of a package that is already loaded are not affected
    with pytest.raises(ModuleNotFoundError, match="extra"):
        _ = library.logging.extra


def test_a_base_class_is_imported_at_once(tmp_path, monkeypatch):
    (tmp_path / "parent.py").write_text("class Base: pass\n")
    (tmp_path / "heir.py").write_text("import parent\nclass Heir(parent.Base): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(lazy_imports._LAZY, "heir", frozenset(["parent"]))
    with lazy_imports.in_force():
        import heir
    assert heir.Heir.__mro__[1] is sys.modules["parent"].Base


def test_other_modules_import_as_usual_meanwhile(library):
    with lazy_imports.in_force():
        import helper.inner as mine
    assert mine is sys.modules["helper.inner"]


def test_it_is_undone(library):
    imported = builtins.__import__
    with pytest.raises(ZeroDivisionError), lazy_imports.in_force():
        assert builtins.__import__ is not imported
        _ = 1 / 0
    assert builtins.__import__ is imported
    assert "compile" not in vars(typing)


def test_a_quoted_annotation_is_compiled_when_it_is_asked_for(monkeypatch):
    compiled = []
    with monkeypatch.context() as patch, lazy_imports.in_force():
        patch.setattr(builtins, "compile", compiled.append)

        class Later(typing.NamedTuple):
            of: "list[int] | None"
            bound: typing.TypeVar("bound", bound="dict[str, int]").__bound__

    assert compiled == []
    assert typing.get_type_hints(Later) == {"of": list[int] | None, "bound": dict[str, int]}


def test_threads_use_it_at_once(library):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(library.use()[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [42] * 20


def test_hidden_is_as_if_it_were_not_installed(library):
    with lazy_imports.hidden("helper"), pytest.raises(ImportError):
        import helper
    import helper

    with lazy_imports.hidden("helper"):
        assert sys.modules["helper"] is helper
    assert sys.modules["helper"] is helper


VERSION = """
import sys
from ovstool import lazy_imports
with lazy_imports.in_force(), lazy_imports.hidden("invoke"):
    import paramiko
assert "importlib.metadata" not in sys.modules
from importlib.metadata import version
assert paramiko.__version__ == version("paramiko")
assert f"paramiko_{paramiko.__version__}" in vars(paramiko.Transport).values()
"""


def test_paramiko_sends_servers_its_version():
    run(VERSION)


PUT_OFF = """
import io, sys
from ovstool import lazy_imports
with lazy_imports.in_force(), lazy_imports.hidden("invoke"):
    import paramiko
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
late = {"bcrypt", "tempfile", "paramiko.client", "paramiko.sftp_client", "cryptography.hazmat.primitives.serialization.ssh"}
assert not late & sys.modules.keys(), late & sys.modules.keys()
from cryptography.hazmat.primitives import serialization as kinds
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
made = Ed25519PrivateKey.generate()
pem = made.private_bytes(kinds.Encoding.PEM, kinds.PrivateFormat.OpenSSH, kinds.BestAvailableEncryption(b"word"))
assert load_ssh_private_key(pem, b"word").public_key() == made.public_key()
assert paramiko.Ed25519Key(file_obj=io.StringIO(pem.decode()), password="word").get_name() == "ssh-ed25519"
assert paramiko.SSHClient().get_transport() is None
"""


def test_what_paramiko_imports_for_others_works_when_it_is_used():
    run(PUT_OFF)


def test_a_version_is_found_without_a_folder_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "library").mkdir()
    (tmp_path / "library/__init__.py").write_text("")
    (tmp_path / "other.dist-info").mkdir()
    (tmp_path / "other.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: library\nVersion: 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    import library  # noqa: F401

    with pytest.raises(ImportError):  # importlib.metadata does not know this name either
        lazy_imports._version("library")
    (tmp_path / "library-1.2.dist-info").mkdir()
    assert lazy_imports._version("library") == "1.2"
    del sys.modules["library"]


# What a program based on cliff does: plugins, formatters of others, help through a pager, its log, completion.
PROGRAM = """
import argparse, contextlib, io, sys, typing
import autopage.argparse, logging.handlers, importlib.metadata, inspect, stevedore, traceback
import cliff.app, cliff.command, cliff.commandmanager, cliff.display, cliff.help, cliff._argparse
from cliff.lister import Lister

for name in ("autopage", "autopage.argparse", "logging.handlers", "importlib.metadata", "inspect", "stevedore", "cliff._argparse"):
    assert type(sys.modules[name]) is type(sys), name
assert importlib.metadata.version("cliff") and logging.handlers.SysLogHandler.LOG_USER and inspect.getdoc(Lister)
assert {"json", "table", "csv"} <= set(stevedore.ExtensionManager("cliff.formatter.list").names())
assert issubclass(cliff._argparse.ArgumentParser, autopage.argparse.ArgumentParser)
assert cliff.command._get_distributions_by_modules()["cliff"] == "cliff"
assert cliff.app.logging.handlers.SysLogHandler and cliff.help.traceback.format_exc

class Things(Lister):
    "List things"
    def take_action(self, args):
        return ("name", "size"), [("a", 1)]

def run(*words):
    manager = cliff.commandmanager.CommandManager("a.namespace.of.nobody")
    manager.add_command("things", Things)
    out = io.StringIO()
    app = cliff.app.App("a program", "1.0", manager, stdout=out)
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(out):
        app.run(list(words))
    return out.getvalue()

assert run("things", "-f", "json", "--noindent") == '[{"name": "a", "size": 1}]\\n', run("things", "-f", "json")
assert "| a    |    1 |" in run("things")
assert "things" in run("--help") and "--sort-column" in run("help", "things")
assert "cmds='complete help things'" in run("complete"), run("complete")
"""
# What a program does with modules of Python that defer imports of others.
PLAIN_PROGRAM = """
import array, copy, logging, os, selectors, signal, socket, string, subprocess, sys

for name in ("array", "selectors", "signal", "string"):
    assert type(sys.modules[name]) is type(sys), name
assert subprocess.run(["cat"], input=b"text", capture_output=True).stdout == b"text"
program = subprocess.Popen(["sleep", "60"])
program.terminate()
assert program.wait() == -signal.SIGTERM and "SIGTERM" in str(subprocess.CalledProcessError(-15, "sleep"))
one, other = socket.socketpair()
socket.send_fds(one, [b"text"], [0])
text, (descriptor,), *_ = socket.recv_fds(other, 10, 1)
assert text == b"text" and os.fstat(descriptor)
record = logging.makeLogRecord({"msg": "said", "levelname": "INFO"})
for style, form in {"%": "%(levelname)s %(message)s", "{": "{levelname} {message}", "$": "$levelname ${message}"}.items():
    assert logging.Formatter(form, style=style).format(record) == "INFO said", style
assert string.Template("$a").substitute(a=1) == "1"
"""
LAZILY = "from ovstool import lazy_imports\nwith lazy_imports.in_force():\n    import ovstool.shell\n"
USED = LAZILY + "    assert ovstool.shell.main(['-q', 'help', 'qos', 'set']) == 0\n"
FIRST = {
    "ovstool": "import ovstool.shell\n",
    "ovstool, as it starts": LAZILY,
    "ovstool, when it has run": USED,
    "the libraries": "import stevedore, logging.handlers, autopage, importlib.metadata, cliff.app\n" + USED,
}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", FIRST)
def test_a_program_based_on_cliff_is_not_affected(first):
    run(FIRST[first] + PROGRAM)


@pytest.mark.parametrize("first", FIRST)
def test_modules_of_python_are_not_affected(first):
    run(FIRST[first] + PLAIN_PROGRAM)


def test_importing_ovstool_imports_little():
    libraries = "import cliff.app, cliff.lister, cliff.show\n"
    print_modules = "import sys\nprint(*sorted(name for name in sys.modules if 'ovstool' not in name))\n"
    assert run("import ovstool.shell\n" + libraries + print_modules) == run(libraries + "import ovstool.shell\n" + print_modules)


def test_cliff_works_without_what_it_does_not_need():
    modules = run(LAZILY + "import sys\nprint(*sys.modules)").split()
    assert {"cliff.app", "cliff.lister", "logging"} <= set(modules)
    assert not {"stevedore", "importlib.metadata", "logging.handlers", "autopage", "cliff._argparse", "email", "traceback"} & set(modules)
    assert not {"string", "copy"} & set(modules)


@pytest.mark.parametrize(("library", "unused"), [("dataclasses", "inspect"), ("logging", "traceback"), ("tabulate", "importlib.metadata")])
def test_what_a_library_imports_for_others_is_not_imported(library, unused):
    code = f"import sys\nfrom ovstool import lazy_imports\nwith lazy_imports.in_force():\n    import {library}\nprint('{unused}' in sys.modules)"
    assert run(code) == "False\n"


def test_what_is_imported_lazily_may_be_called_indexed_and_joined():
    used = []

    def load():
        used.append(1)
        return dict

    for making in (True, False):  # during the execution of the importing module, and later
        spec = type("Spec", (), {"_initializing": making})
        it = lazy_imports._Lazy(load, spec)
        made = [it([("a", 1)]), it(a=1), it[str, int], it | None, None | it]
        assert bool(used) is not making
        spec._initializing = False
        if making:
            assert [type(each) for each in made] == [lazy_imports._Lazy] * 5
            assert [each._use(lambda value: value) for each in made] == [{"a": 1}, {"a": 1}, dict[str, int], dict | None, None | dict]
        else:
            assert made == [{"a": 1}, {"a": 1}, dict[str, int], dict | None, None | dict]
        used.clear()
    with pytest.raises(AttributeError, match=r"^__path__$"):
        _ = it.__path__
    assert it.__mro_entries__(()) == (dict,) and it.fromkeys("a") == {"a": None} and not used[2:]
    assert lazy_imports._Lazy(load, None, package=sys).maxsize == sys.maxsize and lazy_imports._Lazy(load, None)("") == {}


def test_hidden_lets_a_module_be_found_again_after_a_failure():
    with pytest.raises(ZeroDivisionError), lazy_imports.hidden("a_module_of_nobody"):
        assert sys.modules["a_module_of_nobody"] is None
        _ = 1 / 0
    assert "a_module_of_nobody" not in sys.modules
