"""How to reach a host, from the files that ssh reads (ssh_config(5)).

paramiko's parser is not used: it does not support ``Include``, and looks up this machine's name in the DNS for every ``IdentityFile``.
"""

import functools
import glob
import hashlib
import os
import re
import socket
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ovstool import units
from ovstool.errors import TimedOut, UsageError, quote
from ovstool.host import address, files, local
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config_file
from ovstool.host.ssh.config_file import Line, chosen

SYSTEM_FILE = "/etc/ssh/ssh_config"
_MAX_DEPTH = 16  # of Include, as in OpenSSH
_MAX_FILES = 1000  # read for one host
_MAX_KEYS = 100  # as in OpenSSH
_EACH_COUNTS = ("identityfile", "certificatefile")  # every value counts; of other keywords only the first
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
# Safe to insert into a shell command: no special characters, and not an option.
_PLAIN = re.compile(r"[A-Za-z0-9_.:+@%][A-Za-z0-9_.:+@%-]*|")


class SshSettings(NamedTuple):
    """What ssh would use for one host."""

    name: str  # as the user wrote it
    hostname: str
    port: int
    user: str
    identity_files: list[str]
    identities_are_default: bool
    identities_only: bool
    identity_agent: str | None  # a socket's path
    proxy_jump: str | None
    proxy_command: str | None
    host_key_alias: str | None  # the name to look up in known_hosts instead of the host's own
    user_known_hosts: list[str]
    global_known_hosts: list[str]
    hash_known_hosts: bool
    connect_timeout_s: float | None
    batch: bool  # never ask
    family: socket.AddressFamily

    def with_key(self, path: str | None) -> "SshSettings":
        """The settings with another key before those of the files, as with ``ssh -i``; the default keys are not tried then."""
        if path is None:
            return self
        others = [] if self.identities_are_default else self.identity_files
        return self._replace(identity_files=[path, *others], identities_are_default=False)


def lookup(host: str, user: str | None, port: int | None, deadline: Deadline) -> SshSettings:
    """The settings for a host from the user's file and then the system's; a given user and port override them.

    Raises UsageError for a file that cannot be parsed, or that others may write to; TimedOut for a ``Match exec``.
    """
    options = _Options(host, user, port, deadline)
    for final in (False, True):
        if home := files.home():
            _read(_File(f"{home}/.ssh/config", f"{home}/.ssh", own=True), options, final)
        _read(_File(SYSTEM_FILE, os.path.dirname(SYSTEM_FILE), own=False), options, final)
        if not options.wants_final:
            break
        options.found["hostname"] = [options.hostname.replace("%", "%%")]  # the second pass must not change it
    return options.settings()


class _Options:
    """The options of a host that have been found so far; ``Match`` may test them."""

    def __init__(self, host: str, user: str | None, port: int | None, deadline: Deadline):
        self.host = host
        self.user = user
        self.port = port
        self.deadline = deadline
        self.found: dict[str, list[str]] = {}  # by keyword in lower case
        self.wants_final = False
        self._files = 0

    def copy(self) -> "_Options":
        options = _Options(self.host, self.user, self.port, self.deadline)
        options.found = dict(self.found)
        return options

    def count_file(self, path: str) -> None:
        """Count one more file. Raises UsageError above the limit, TimedOut after the deadline."""
        self._files += 1
        if self._files > _MAX_FILES:
            raise UsageError(path, f"Include leads to more than {_MAX_FILES} files")
        if not self.deadline.remaining_s():
            raise TimedOut(path, "not read in time")

    def take(self, line: Line) -> None:
        """Apply a line, unless an earlier one has set the same option. Raises IndexError when an argument is missing."""
        if line.keyword in _EACH_COUNTS:
            known = self.found.setdefault(line.keyword, [])
            known += [word for word in line.words[:1] if word not in known]
            if len(known) > _MAX_KEYS:
                raise UsageError(line.place, f"{line.keyword} is given more than {_MAX_KEYS} times")
        elif line.keyword == "proxycommand":
            self.found.setdefault(line.keyword, [line.rest])
        elif not (line.keyword == "connecttimeout" and line.words[0].lower() == "none"):  # which sets nothing, so a later line applies
            self.found.setdefault(line.keyword, line.words)

    def settings(self) -> SshSettings:
        jump, command = self._way()
        return SshSettings(
            name=self.host,
            hostname=self.hostname,
            port=int(self._tokens["p"]),
            user=self._tokens["r"],
            identity_files=self._paths("identityfile", [f"~/.ssh/{name}" for name in _DEFAULT_KEYS]),
            identities_are_default="identityfile" not in self.found,
            identities_only=self._flag("identitiesonly"),
            identity_agent=self._agent(),
            proxy_jump=jump and self.expand(jump),
            proxy_command=command and self.expand(command, for_shell=True),
            host_key_alias=self.word("hostkeyalias"),
            user_known_hosts=self._paths("userknownhostsfile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]),
            global_known_hosts=self._paths("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]),
            hash_known_hosts=self._flag("hashknownhosts"),
            connect_timeout_s=self._seconds("connecttimeout"),
            batch=self._flag("batchmode"),
            family={"inet": socket.AF_INET, "inet6": socket.AF_INET6}.get(self.word("addressfamily") or "", socket.AF_UNSPEC),
        )

    def _way(self) -> tuple[str | None, str | None]:
        """ProxyJump or ProxyCommand, whichever comes first; after ``ProxyJump none`` a ProxyCommand still applies."""
        jump, command = self.word("proxyjump"), self.word("proxycommand")
        jump = None if jump is None or jump.lower() == "none" else jump
        if "proxyjump" in self.found and "proxycommand" in self.found:
            first = next(keyword for keyword in self.found if keyword in ("proxyjump", "proxycommand"))
            jump, command = (jump, None if jump else command) if first == "proxyjump" else (None, command)
        return jump, None if command is None or command.lower() == "none" else command

    @property
    def hostname(self) -> str:
        words = self.found.get("hostname")
        name = self.expand(words[0], {"h": self.host, "%": "%"}) if words else self.host
        return name if address.is_ipv6(name) else name.lower()

    @functools.cached_property
    def _tokens(self) -> dict[str, str]:
        me = files.own_name()
        here = socket.gethostname()
        port = self.port or units.whole_number(self.word("port") or "22", 1, 65535)
        if port is None:
            raise UsageError(f"ssh_config of {quote(self.host)}", f"Port {quote(self.word('port') or '')} is not between 1 and 65535")
        user = self.user or self.word("user") or me
        known = {
            "%": "%",
            "C": hashlib.sha1(os.fsencode(f"{here}{self.hostname}{port}{user}"), usedforsecurity=False).hexdigest(),
            "h": self.hostname,
            "i": str(os.getuid()),
            "k": self.word("hostkeyalias") or self.host,
            "l": here,
            "L": here.partition(".")[0],
            "n": self.host,
            "p": str(port),
            "r": user,
            "u": me,
        }
        home = files.home()
        return known | {"d": home} if home else known

    def word(self, keyword: str) -> str | None:
        words = self.found.get(keyword)
        return words[0] if words else None

    def _flag(self, keyword: str) -> bool:
        return (self.word(keyword) or "").lower() in ("yes", "true")

    def _seconds(self, keyword: str) -> float | None:
        text = self.word(keyword) or ""
        times = re.findall(r"(\d+)([smhdw]?)", text.lower())
        return sum(int(n) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}.get(unit, 1) for n, unit in times) or None

    def _paths(self, keyword: str, default: list[str]) -> list[str]:
        """The absolute paths; a relative one would depend on the working directory, so it is not trusted."""
        paths = (_from_home(self.expand(_variables(word))) for word in self.found.get(keyword, default) if word.lower() != "none")
        return [path for path in paths if path.startswith("/")]

    def _agent(self) -> str | None:
        word = self.word("identityagent")
        if word is None or word == "SSH_AUTH_SOCK":
            path = os.environ.get("SSH_AUTH_SOCK")
        elif re.fullmatch(r"\$\w+", word):
            path = os.environ.get(word[1:])
        else:
            path = _from_home(self.expand(_variables(word)))  # "none" is not an absolute path either
        return path if path and path.startswith("/") else None

    def expand(self, text: str, tokens: dict[str, str] | None = None, for_shell: bool = False) -> str:
        """Expand the TOKENS of ssh_config(5). Raises UsageError for an unknown one."""

        def value(match: re.Match) -> str:
            known = self._tokens if tokens is None else tokens
            if match[1] not in known:
                raise UsageError(f"ssh_config of {quote(self.host)}", f"%{match[1]} is not supported, in {quote(text)}")
            if for_shell and not _PLAIN.fullmatch(known[match[1]]):
                raise UsageError(quote(known[match[1]]), f"has a character that is not allowed in {quote(text)}")
            return known[match[1]]

        return re.sub(r"%(.?)", value, text)


class _File(NamedTuple):
    """A file to read."""

    path: str
    folder: str  # the base of relative paths in its Includes
    own: bool  # must not be writable by other users
    depth: int = 0  # of Include


def _read(file: _File, options: _Options, final: bool) -> None:
    """Apply a file's lines for the host; ``final`` when it is read again for ``Match final``."""
    options.count_file(file.path)
    active = True
    for line in config_file.lines(file.path, file.own):
        try:
            if line.keyword == "host":
                active = chosen(line.words, options.hostname if final else options.host)
            elif line.keyword == "match":
                active = _match(line.words, options, final)
            elif active and line.keyword == "include":
                for included in _included(line, file, options.deadline):
                    _read(included, options, final)
            elif active:
                options.take(line)
        except IndexError:
            raise UsageError(line.place, "an argument is missing") from None


def _included(line: Line, by: _File, deadline: Deadline) -> Iterator[_File]:
    if by.depth == _MAX_DEPTH:
        raise UsageError(line.place, "Include nested too deeply")
    for pattern in line.words:
        whole = os.path.join(by.folder, _from_home(_variables(pattern)))
        paths = () if whole.startswith("~") else _matching(line.place, whole.strip("/").split("/"), deadline)
        for path in sorted(islice(paths, _MAX_FILES + 1)):
            yield _File(path, by.folder, own=True, depth=by.depth + 1)


def _matching(place: str, parts: Sequence[str], deadline: Deadline, folder: str = "/") -> Iterator[str]:
    """The files of an Include below a folder. ``/*/*/*/*`` walks the whole file system, so the deadline is checked in each folder."""
    if not deadline.remaining_s():
        raise TimedOut(place, "not read in time")
    for path in glob.iglob(os.path.join(glob.escape(folder), parts[0])):
        if parts[1:]:
            yield from _matching(place, parts[1:], deadline, path)
        else:
            yield path


def _match(words: Sequence[str], options: _Options, final: bool) -> bool:
    """Whether all criteria of a Match line hold. Raises IndexError when one lacks its argument."""
    words = list(words)
    result = True
    while words:
        name, _, given = words.pop(0).partition("=")
        wanted = not name.startswith("!")
        name = name.lower().removeprefix("!")
        if name in ("all", "canonical", "final"):
            options.wants_final = options.wants_final or name == "final"
            holds = name == "all" or final
        else:
            argument = given or words.pop(0)
            # As in ssh, a command is run only when what comes before holds.
            holds = _holds(name, argument, options) if name != "exec" else result and _succeeds(argument, options)
        result = result and holds == wanted
    return result


def _holds(name: str, argument: str, options: _Options) -> bool:
    if name == "host":
        return chosen(argument.lower().split(","), options.hostname.lower())
    if name == "originalhost":
        return chosen(argument.lower().split(","), options.host.lower())
    if name == "user":
        return chosen(argument.split(","), options.user or options.word("user") or files.own_name())
    if name == "localuser":
        return chosen(argument.split(","), files.own_name())
    raise UsageError(f"ssh_config of {quote(options.host)}", f"Match {quote(name)} is not supported")


def _succeeds(argument: str, options: _Options) -> bool:
    """Whether a command exits with 0 before the deadline."""
    command = options.copy().expand(argument, for_shell=True)  # a copy, because token values are cached and may still change
    try:
        return local.run(["/bin/sh", "-c", f"exec >/dev/null 2>&1; {command}"], options.deadline.remaining_s()).status == 0
    except TimedOut as error:
        raise TimedOut(f"ssh_config of {quote(options.host)}", f"Match exec {quote(command)} did not finish in time") from error


def _variables(text: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)


def _from_home(path: str) -> str:
    """The path with ``~`` expanded, if the home directory is known."""
    home = files.home()
    if path.partition("/")[0] != "~":
        return os.path.expanduser(path)
    return home + path[1:] if home else path
