"""The private names of other libraries that ovstool uses: a release that lacks one fails here, with its name.

Libraries do not guarantee these names, hence the version ceilings in setup.cfg. That the table is complete is derived from the code: the
names with an underscore that its classes override, inherit, or use on an object.
"""

import ast
import inspect
import pkgutil
import sys
from functools import cache
from importlib import import_module

import pytest

import ovstool

# The class or module, and for each name its parameters, or None if it is not a function. Public names are listed if they are undocumented.
TOUCHED = {
    "argparse.ArgumentParser": {
        "_action_groups": None,
        "_actions": None,
        "_get_value": "self, action, arg_string",
        "_get_values": "self, action, arg_strings",
        "_option_string_actions": None,
    },
    "argparse._ArgumentGroup": {"_group_actions": None},
    "cliff.commandmanager.CommandManager": {"_load_commands": "self", "commands": None},
    "cliff.lister.Lister": {"_formatter_plugins": None, "_load_formatter_plugins": "self"},
    "cliff.show.ShowOne": {"_formatter_plugins": None, "_load_formatter_plugins": "self"},
    "paramiko.agent.AgentKey": {"__init__": "self, agent, blob, comment", "public_blob": None},
    "paramiko.agent.AgentSSH": {"_conn": None, "_connect": "self, conn", "_keys": None, "_send_message": "self, msg"},
    "paramiko.auth_handler.AuthHandler": {
        "_parse_service_accept": "self, m",
        "_parse_userauth_failure": "self, m",
        "_request_auth": "self",
        "auth_interactive": "self, username, handler, event, submethods",
        "auth_none": "self, username, event",
        "auth_password": "self, username, password, event",
        "auth_publickey": "self, username, key, event",
    },
    "paramiko.channel.Channel": {
        "_check_add_window": "self, n",
        "_feed": "self, m",
        "_feed_extended": "self, m",
        "_handle_close": "self, m",
        "_handle_request": "self, m",
        "_set_transport": "self, transport",
        "_set_window": "self, window_size, max_packet_size",
        "eof_received": None,
        "exit_status": None,
        "in_buffer": None,
        "in_window_sofar": None,
        "remote_chanid": None,
        "status_event": None,
        "timeout": None,
        "transport": None,
    },
    "paramiko.packet.Packetizer": {"start_handshake": "self, timeout"},
    "paramiko.transport.Transport": {
        "_active_check_timeout": None,
        "_channel_handler_table": None,
        "_channels": None,
        "_cipher_info": None,
        "_log": "self, level, msg, args",
        "_next_channel": "self",
        "_parse_channel_open_failure": "self, m",
        "_parse_disconnect": "self, m",
        "_preferred_ciphers": None,
        "_preferred_keys": None,
        "_preferred_macs": None,
        "_send_message": "self, data",
        "_send_user_message": "self, data",
        "active": None,
        "auth_handler": None,
        "banner_timeout": None,
        "channel_events": None,
        "channels_seen": None,
        "clear_to_send": None,
        "clear_to_send_lock": None,
        "completion_event": None,
        "lock": None,
        "preferred_keys": None,
        "run": "self",
        "saved_exception": None,
        "sock": None,
    },
    "tabulate": {"MIN_PADDING": None, "WIDE_CHARS_MODE": None, "wcwidth": None},
}
DOCUMENTED = {"_exit", "_fields", "_make", "_replace", "_asdict"}  # of os and of named tuples


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def found(where: str):
    """The class or module with this dotted name."""
    try:
        return import_module(where)
    except ImportError:
        module, _, name = where.rpartition(".")
        return getattr(import_module(module), name)


@cache
def stored(tree: ast.AST) -> set[str]:
    """The names that a piece of code defines or sets on any object."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    return names | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@cache
def asked(tree: ast.AST) -> set[str]:
    """The attributes that a piece of code uses on any object."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@cache
def source(thing) -> ast.AST:
    """The syntax tree of a class or a module."""
    if inspect.isclass(thing):  # inspect.getsource parses the whole module for each of its classes
        in_module = ast.walk(source(sys.modules[thing.__module__]))
        return next((node for node in in_module if isinstance(node, ast.ClassDef) and node.name == thing.__name__), ast.Module([], []))
    try:
        return ast.parse(inspect.getsource(thing))
    except (OSError, TypeError):  # it is written in C
        return ast.Module([], [])


@cache
def inside(thing) -> set[str]:
    """The names that a class with its bases, or a module, has, and those that their functions set."""
    parts = [base for base in thing.__mro__ if base is not object] if inspect.isclass(thing) else [thing]
    return set().union(*map(vars, parts), *(stored(source(part)) for part in parts))


@cache
def modules() -> list:
    """All modules of ovstool."""
    names = (module.name for module in pkgutil.walk_packages(ovstool.__path__, "ovstool."))
    return [import_module(name) for name in names if name != "ovstool.__main__"]


@cache
def own() -> set[str]:
    """All names that ovstool defines itself."""
    return set().union(*(stored(source(module)) for module in modules()))


@cache
def touched_by(module) -> set[str]:
    """The names with an underscore that a module of ours uses from other libraries."""
    names = asked(source(module)) - own()
    for ours in [thing for thing in vars(module).values() if inspect.isclass(thing) and thing.__module__ == module.__name__]:
        family = [base for base in ours.__mro__ if base.__module__.startswith("ovstool")]
        foreign = [base for base in ours.__mro__ if not base.__module__.startswith(("ovstool", "builtins", "typing"))]
        if not foreign:
            continue
        mentioned = set().union(*(stored(source(base)) | asked(source(base)) for base in family))
        names |= mentioned & set().union(*map(inside, foreign))
    return {name for name in names if is_private(name)}


def test_the_table_is_complete():
    named = {name for names in TOUCHED.values() for name in names if is_private(name)}
    used = {module.__name__: touched_by(module) for module in modules()}
    assert {module: names - named for module, names in used.items() if names - named} == {}, "used, but not in the table"
    assert named - set().union(*used.values()) == set(), "in the table, but no longer used"


def test_only_one_package_uses_private_names_of_paramiko():
    names = {name for where, names in TOUCHED.items() if where.startswith("paramiko.") for name in names}
    elsewhere = [module for module in modules() if not f"{module.__name__}.".startswith("ovstool.host.ssh.transport.")]
    assert {module.__name__: touched_by(module) & names for module in elsewhere if touched_by(module) & names} == {}


def test_public_names_are_still_used():
    nodes = [node for module in modules() for node in ast.walk(source(module))]
    mentioned = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    mentioned |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    mentioned |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {name for names in TOUCHED.values() for name in names if not is_private(name)} - mentioned == set()


@pytest.mark.parametrize("where", TOUCHED)
def test_the_names_exist(where):
    thing = found(where)
    version = getattr(sys.modules[where.partition(".")[0]], "__version__", "of this Python")
    lacking = [name for name in TOUCHED[where] if name not in inside(thing)]
    assert not lacking, f"{where}, {version}, has no {', '.join(lacking)}, which ovstool relies on"
    for name, parameters in TOUCHED[where].items():
        if parameters is not None:
            has = ", ".join(inspect.signature(getattr(thing, name)).parameters)
            assert has == parameters, f"{where}.{name}, {version}, takes ({has}), and ovstool relies on ({parameters})"


def test_a_transport_takes_another_packetizer():
    transport = found("paramiko.transport.Transport")
    assert "packetizer_class" in inspect.signature(transport).parameters
