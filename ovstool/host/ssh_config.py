"""How to reach a host, from the files that ssh reads (ssh_config(5)).

Not paramiko's reader: it knows no ``Include``, and asks the DNS for this machine's own name whenever there is an ``IdentityFile``.
"""

import functools
import glob
import os
import pwd
import re
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.host.known_hosts import matches

SYSTEM_FILE = "/etc/ssh/ssh_config"
_MAX_DEPTH = 16  # of Include, as in OpenSSH
_EACH_COUNTS = ("identityfile", "certificatefile")  # of others the first that is found
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
# What may be put into a command for a shell: nothing that it would take for more than a part of a word, and no option.
_PLAIN = re.compile(r"[A-Za-z0-9_.:+@%][A-Za-z0-9_.:+@%-]*|")


class Settings(NamedTuple):
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
    known_hosts: str | None  # the name to look for instead of the host's own (HostKeyAlias)
    user_known_hosts: list[str]
    global_known_hosts: list[str]
    hash_known_hosts: bool
    connect_timeout_s: float | None
    batch: bool  # never ask
    family: socket.AddressFamily


def lookup(host: str, user: str | None = None, port: int | None = None) -> Settings:
    """What the user's file and then the system's say about a host; what is given here goes before them.

    Raises UsageError for a file that cannot be understood.
    """
    found = _Found(host, user, port)
    for final in (False, True):
        for path, home in ((_home(".ssh/config"), _home(".ssh")), (SYSTEM_FILE, os.path.dirname(SYSTEM_FILE))):
            _read(path, home, found, final)
        if not found.wants_final:
            break
    return found.settings()


class _Found:
    """The options found so far, which Match may ask about."""

    def __init__(self, host: str, user: str | None, port: int | None, options: dict[str, list[str]] | None = None):
        self.host = host
        self.user = user
        self.port = port
        self.options = {} if options is None else options
        self.wants_final = False

    def settings(self) -> Settings:
        batch = self.flag("batchmode")
        jump = self.word("proxyjump")
        command = self.word("proxycommand")
        if "proxyjump" in self.options and "proxycommand" in self.options:  # the one that comes first
            first = next(key for key in self.options if key in ("proxyjump", "proxycommand"))
            jump, command = (jump, None) if first == "proxyjump" else (None, command)
        files = self.options.get("identityfile")
        return Settings(
            name=self.host,
            hostname=self.hostname,
            port=int(self.tokens["p"]),
            user=self.tokens["r"],
            identity_files=self.paths("identityfile", [_home(f".ssh/{name}") for name in _DEFAULT_KEYS]),
            identities_are_default=files is None,
            identities_only=self.flag("identitiesonly"),
            identity_agent=self.agent(),
            proxy_jump=None if jump is None or jump.lower() == "none" else self.expand(jump),
            proxy_command=None if command is None or command.lower() == "none" else self.expand(command, for_shell=True),
            known_hosts=self.word("hostkeyalias"),
            user_known_hosts=self.paths("userknownhostsfile", [_home(".ssh/known_hosts"), _home(".ssh/known_hosts2")]),
            global_known_hosts=self.paths("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]),
            hash_known_hosts=self.flag("hashknownhosts"),
            connect_timeout_s=self.seconds("connecttimeout"),
            batch=batch,
            family={"inet": socket.AF_INET, "inet6": socket.AF_INET6}.get(self.word("addressfamily") or "", socket.AF_UNSPEC),
        )

    @property
    def hostname(self) -> str:
        words = self.options.get("hostname")
        return self.expand(words[0], {"h": self.host, "%": "%"}) if words else self.host

    @functools.cached_property
    def tokens(self) -> dict[str, str]:
        local = pwd.getpwuid(os.getuid()).pw_name if _has_name() else str(os.getuid())
        here = socket.gethostname()
        port = self.port or units.whole_number(self.word("port") or "22", 1, 65535)
        if port is None:
            raise UsageError(f"ssh_config of {quote(self.host)}", f"Port {quote(self.word('port') or '')} is not from 1 to 65535")
        return {
            "%": "%",
            "d": _home(""),
            "h": self.hostname,
            "i": str(os.getuid()),
            "k": self.word("hostkeyalias") or self.host,
            "l": here,
            "L": here.partition(".")[0],
            "n": self.host,
            "p": str(port),
            "r": self.user or self.word("user") or local,
            "u": local,
        }

    def word(self, key: str) -> str | None:
        words = self.options.get(key)
        return words[0] if words else None

    def flag(self, key: str) -> bool:
        return (self.word(key) or "").lower() in ("yes", "true")

    def seconds(self, key: str) -> float | None:
        text = self.word(key) or ""
        times = re.findall(r"(\d+)([smhdw]?)", text.lower())
        return sum(int(n) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}.get(unit, 1) for n, unit in times) or None

    def paths(self, key: str, default: list[str]) -> list[str]:
        words = self.options.get(key)
        if words is None:
            return default
        return [_from_home(self.expand(_variables(word))) for word in words if word.lower() != "none"]

    def agent(self) -> str | None:
        word = self.word("identityagent")
        if word is None or word == "SSH_AUTH_SOCK":
            return os.environ.get("SSH_AUTH_SOCK")
        if word.lower() == "none":
            return None
        return os.environ.get(word[1:]) if re.fullmatch(r"\$\w+", word) else _from_home(self.expand(_variables(word)))

    def expand(self, text: str, tokens: dict[str, str] | None = None, for_shell: bool = False) -> str:
        """Put in the TOKENS of ssh_config(5)."""

        def value(match: re.Match) -> str:
            known = self.tokens if tokens is None else tokens
            if match[1] not in known:
                raise UsageError(f"ssh_config of {quote(self.host)}", f"%{match[1]} is not known here, in {quote(text)}")
            if for_shell and not _PLAIN.fullmatch(known[match[1]]):
                raise UsageError(quote(known[match[1]]), f"has a character that {quote(text)} cannot be given")
            return known[match[1]]

        return re.sub(r"%(.?)", value, text)


def _read(path: str, home: str, found: _Found, final: bool, active: bool = True, depth: int = 0) -> None:
    """Take the options of a file for the host. What comes before a ``Host`` or ``Match`` line is ``active`` when its Include is."""
    outer = active
    for place, key, rest, words in _lines(path, _stamp(path)):
        try:
            if key == "host":
                active = outer and _chosen(words, found.host)
            elif key == "match":
                active = outer and _match(words, found, final)
            elif not active:
                continue
            elif key == "include":
                if depth == _MAX_DEPTH:
                    raise UsageError(place, "Include nested too deeply")
                for pattern in words:
                    for included in sorted(glob.glob(os.path.join(home, _from_home(_variables(pattern))))):
                        _read(included, home, found, final, active, depth + 1)
            elif key in _EACH_COUNTS:
                known = found.options.setdefault(key, [])
                known += [word for word in words[:1] if word not in known]
            elif key == "proxycommand":
                found.options.setdefault(key, [rest])
            else:
                found.options.setdefault(key, words)
        except IndexError:
            raise UsageError(place, "a word is missing") from None


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache  # 32 hosts read the same file
def _lines(path: str, stamp: int) -> Sequence[tuple[str, str, str, list[str]]]:
    """The lines of a file as place, keyword, the text after it, its words. A file that cannot be read has none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return list(_split(path, file.read()))
    except OSError:
        return []


def _split(path: str, text: str) -> Iterator[tuple[str, str, str, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"(\w+)(?:\s*=\s*|\s+)(.*)", line.strip())
        if match is None:
            if line.strip() and not line.lstrip().startswith("#"):
                raise UsageError(f"{path}:{number}", f"{quote(line.strip())} cannot be understood")
            continue
        words: list[str] = []
        for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', match[2]):
            if bare.startswith("#"):
                break
            words.append(bare or quoted)
        yield f"{path}:{number}", match[1].lower(), match[2], words


def _chosen(patterns: Sequence[str], text: str) -> bool:
    """Whether a pattern fits and none that begins with ``!`` does."""
    if any(matches(pattern[1:], text) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(matches(pattern, text) for pattern in patterns if not pattern.startswith("!"))


def _match(words: Sequence[str], found: _Found, final: bool) -> bool:
    """Whether all criteria of a Match line hold. Raises IndexError when one lacks its argument."""
    words = list(words)
    result = True
    while words:
        name, _, given = words.pop(0).partition("=")
        wanted = not name.startswith("!")
        name = name.lower().removeprefix("!")
        if name in ("all", "canonical", "final"):
            found.wants_final = found.wants_final or name == "final"
            holds = name == "all" or (name == "final" and final)
        else:
            argument = given or words.pop(0)
            patterns = argument.split(",")
            if name == "host":
                holds = _chosen(patterns, found.hostname)
            elif name == "originalhost":
                holds = _chosen(patterns, found.host)
            elif name == "user":
                holds = _chosen(patterns, found.user or found.word("user") or _Found("", None, None).tokens["u"])
            elif name == "localuser":
                holds = _chosen(patterns, _Found("", None, None).tokens["u"])
            elif name == "exec":
                # As in ssh, only when what comes before holds.
                holds = result and _succeeds(
                    _Found(found.host, found.user, found.port, dict(found.options)).expand(argument, for_shell=True)
                )
            else:
                raise UsageError(f"ssh_config of {quote(found.host)}", f"Match {quote(name)} is not known here")
        result = result and holds == wanted
    return result


def _succeeds(command: str) -> bool:
    import subprocess

    nothing = subprocess.DEVNULL
    try:
        return (
            subprocess.run(["/bin/sh", "-c", command], stdin=nothing, stdout=nothing, stderr=nothing, check=False, timeout=10).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _variables(text: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)


def _from_home(path: str) -> str:
    return os.path.expanduser(path)


def _home(path: str) -> str:
    return os.path.join(os.path.expanduser("~"), path).rstrip("/")


def _has_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.getuid()))
    except KeyError:
        return False
