"""How to reach a host, from the files that ssh reads (ssh_config(5)).

Not paramiko's reader: it knows no ``Include``, and asks the DNS for this machine's own name whenever there is an ``IdentityFile``.
"""

import functools
import glob
import grp
import hashlib
import os
import pwd
import re
import socket
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ovstool import units
from ovstool.errors import TimedOut, UsageError, quote
from ovstool.host import address, files, local
from ovstool.host.deadline import Deadline
from ovstool.host.known_hosts import matches

SYSTEM_FILE = "/etc/ssh/ssh_config"
_MAX_DEPTH = 16  # of Include, as in OpenSSH
_MAX_FILES = 1000  # read for one host
_MAX_FILE = 2**22  # bytes
_MAX_KEYS = 100  # as in OpenSSH
_MATCH_S = 30  # for what is asked outside of any command's time
_EACH_COUNTS = ("identityfile", "certificatefile")  # of others the first that is found
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
# What ends a word and a line for ssh, which is less than for Python.
_LINE = re.compile(r"([A-Za-z0-9]+)(?:[ \t\r]*=[ \t\r]*|[ \t\r]+)(.+)", re.DOTALL)
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


def lookup(host: str, user: str | None = None, port: int | None = None, deadline: Deadline | None = None) -> Settings:
    """What the user's file and then the system's say about a host; what is given here goes before them.

    Raises UsageError for a file that cannot be understood, or that others may write to; TimedOut for a ``Match exec``.
    """
    found = _Found(host, user, port, deadline=deadline)
    for final in (False, True):
        if home := files.home():
            _read(f"{home}/.ssh/config", f"{home}/.ssh", found, final, own=True)
        _read(SYSTEM_FILE, os.path.dirname(SYSTEM_FILE), found, final)
        if not found.wants_final:
            break
        found.options["hostname"] = [found.hostname.replace("%", "%%")]  # what the second reading says of it is too late
    return found.settings()


class _Found:
    """The options found so far, which Match may ask about."""

    def __init__(
        self,
        host: str,
        user: str | None,
        port: int | None,
        options: dict[str, list[str]] | None = None,
        deadline: Deadline | None = None,
    ):
        self.host = host
        self.user = user
        self.port = port
        self.options = {} if options is None else options
        self.deadline = deadline or Deadline(_MATCH_S)
        self.wants_final = False
        self.files = 0

    def settings(self) -> Settings:
        batch = self.flag("batchmode")
        jump = self.word("proxyjump")
        command = self.word("proxycommand")
        if "proxyjump" in self.options and "proxycommand" in self.options:  # the one that comes first
            first = next(key for key in self.options if key in ("proxyjump", "proxycommand"))
            none = (jump or "none").lower() == "none"  # which leaves the way to a command
            jump, command = (jump, command if none else None) if first == "proxyjump" else (None, command)
        return Settings(
            name=self.host,
            hostname=self.hostname,
            port=int(self.tokens["p"]),
            user=self.tokens["r"],
            identity_files=self.paths("identityfile", [f"~/.ssh/{name}" for name in _DEFAULT_KEYS]),
            identities_are_default="identityfile" not in self.options,
            identities_only=self.flag("identitiesonly"),
            identity_agent=self.agent(),
            proxy_jump=None if jump is None or jump.lower() == "none" else self.expand(jump),
            proxy_command=None if command is None or command.lower() == "none" else self.expand(command, for_shell=True),
            known_hosts=self.word("hostkeyalias"),
            user_known_hosts=self.paths("userknownhostsfile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]),
            global_known_hosts=self.paths("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]),
            hash_known_hosts=self.flag("hashknownhosts"),
            connect_timeout_s=self.seconds("connecttimeout"),
            batch=batch,
            family={"inet": socket.AF_INET, "inet6": socket.AF_INET6}.get(self.word("addressfamily") or "", socket.AF_UNSPEC),
        )

    @property
    def hostname(self) -> str:
        words = self.options.get("hostname")
        name = self.expand(words[0], {"h": self.host, "%": "%"}) if words else self.host
        return name if address.is_ipv6(name) else name.lower()

    @functools.cached_property
    def tokens(self) -> dict[str, str]:
        me = _own_name()
        here = socket.gethostname()
        port = self.port or units.whole_number(self.word("port") or "22", 1, 65535)
        if port is None:
            raise UsageError(f"ssh_config of {quote(self.host)}", f"Port {quote(self.word('port') or '')} is not from 1 to 65535")
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
        """Absolute ones: what is found in whatever directory we are in is nobody's word."""
        paths = (_from_home(self.expand(_variables(word))) for word in self.options.get(key, default) if word.lower() != "none")
        return [path for path in paths if path.startswith("/")]

    def agent(self) -> str | None:
        word = self.word("identityagent")
        if word is None or word == "SSH_AUTH_SOCK":
            path = os.environ.get("SSH_AUTH_SOCK")
        elif re.fullmatch(r"\$\w+", word):
            path = os.environ.get(word[1:])
        else:
            path = None if word.lower() == "none" else _from_home(self.expand(_variables(word)))
        return path if path and path.startswith("/") else None

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


def _read(path: str, home: str, found: _Found, final: bool, active: bool = True, depth: int = 0, own: bool = False) -> None:
    """Take the options of a file for the host. What comes before a ``Host`` or ``Match`` line is ``active`` when its Include is.

    ``own``: it is the user's, or included, and nobody else may have written it.
    """
    found.files += 1
    if found.files > _MAX_FILES:
        raise UsageError(path, f"Include leads to more than {_MAX_FILES} files")
    if not found.deadline.remaining_s():
        raise TimedOut(path, "not read in time")
    outer = active
    for place, key, rest, words in _lines(path, own):
        try:
            if key == "host":
                active = outer and _chosen(words, found.hostname if final else found.host)
            elif key == "match":
                active = outer and _match(words, found, final)
            elif not active:
                continue
            elif key == "include":
                if depth == _MAX_DEPTH:
                    raise UsageError(place, "Include nested too deeply")
                for pattern in words:
                    whole = os.path.join(home, _from_home(_variables(pattern)))
                    files_of = () if whole.startswith("~") else _matching(place, whole.strip("/").split("/"), found.deadline)
                    for included in sorted(islice(files_of, _MAX_FILES + 1)):
                        _read(included, home, found, final, active, depth + 1, own=True)
            elif key in _EACH_COUNTS:
                known = found.options.setdefault(key, [])
                known += [word for word in words[:1] if word not in known]
                if len(known) > _MAX_KEYS:
                    raise UsageError(place, f"more than {_MAX_KEYS} times {key}")
            elif key == "proxycommand":
                found.options.setdefault(key, [rest])
            elif not (key == "connecttimeout" and words[0].lower() == "none"):  # which says nothing, so that a later one counts
                found.options.setdefault(key, words)
        except IndexError:
            raise UsageError(place, "a word is missing") from None


def _matching(place: str, parts: Sequence[str], deadline: Deadline, folder: str = "/") -> Iterator[str]:
    """The files of an Include below a folder. ``/*/*/*/*`` goes through the whole machine, so there is a look at the time in each."""
    if not deadline.remaining_s():
        raise TimedOut(place, "not read in time")
    for path in glob.iglob(os.path.join(glob.escape(folder), parts[0])):
        if parts[1:]:
            yield from _matching(place, parts[1:], deadline, path)
        else:
            yield path


def _lines(path: str, own: bool) -> Sequence[tuple[str, str, str, list[str]]]:
    """The lines of a file as place, keyword, the text after it, its words. A file that is not there, or not for us to read, has none."""
    try:
        with files.opened(path) as file:
            found = os.fstat(file.fileno())
            if own and not _is_own(found) and not os.path.samestat(found, os.stat(os.devnull)):
                raise UsageError(path, "somebody else owns it or may write to it, so it is not used", f"chmod go-w {quote(path)}")
            return _split(path, files.content(file, path, _MAX_FILE))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror}") from error


def _is_own(found: os.stat_result) -> bool:
    """Whether nobody but us, and root, has written what is in a file.

    A group that is ours alone may write to it, as Debian's ssh has it, where each user has such a group and files are made for it.
    """
    if found.st_uid not in (0, os.getuid()) or found.st_mode & 0o002:
        return False
    if not found.st_mode & 0o020:
        return True
    try:
        listed = set(grp.getgrgid(found.st_gid).gr_mem)
    except KeyError:
        return False
    users = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == found.st_gid}
    return bool(users or listed) and users <= {os.getuid()} and listed <= {_own_name()}


@functools.lru_cache  # 32 hosts read the same file
def _split(path: str, data: bytes) -> Sequence[tuple[str, str, str, list[str]]]:
    found = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        line = line.partition("\0")[0].strip(" \t\r").rstrip(" \t\r\f")  # in C a text ends with a NUL
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"{path}:{number}", f"{quote(line)} cannot be understood")
        words = _words(match[2])
        if words is None:
            raise UsageError(f"{path}:{number}", f"{quote(line)} has a quote without an end")
        found.append((f"{path}:{number}", match[1].lower(), match[2].lstrip("= \t\r"), words))
    return found


def _words(text: str) -> list[str] | None:
    """The words up to a comment, without their quotes; None when one of those has no end."""
    words: list[str] = []
    place = 0
    while place < len(text) and text[place] != "#":
        if text[place] in " \t":
            place += 1
            continue
        word, place = _word(text, place)
        if word is None:
            return None
        words.append(word)
    return words


def _word(text: str, place: int) -> tuple[str | None, int]:
    """The word that begins there, and where it ends."""
    letters = []
    quoted = ""
    while place < len(text) and (quoted or text[place] not in " \t"):
        letter, after = text[place], text[place + 1 : place + 2]
        if letter == "\\" and after and (after in "\\'\"" or (after == " " and not quoted)):
            letters.append(after)
            place += 1
        elif letter == quoted:
            quoted = ""
        elif not quoted and letter in "'\"":
            quoted = letter
        else:
            letters.append(letter)
        place += 1
    return None if quoted else "".join(letters), place


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
            holds = name == "all" or final
        else:
            argument = given or words.pop(0)
            # As in ssh, a command is run only when what comes before holds.
            holds = _holds(name, argument, found) if name != "exec" else result and _succeeds(argument, found)
        result = result and holds == wanted
    return result


def _holds(name: str, argument: str, found: _Found) -> bool:
    if name == "host":
        return _chosen(argument.lower().split(","), found.hostname.lower())
    if name == "originalhost":
        return _chosen(argument.lower().split(","), found.host.lower())
    if name == "user":
        return _chosen(argument.split(","), found.user or found.word("user") or _own_name())
    if name == "localuser":
        return _chosen(argument.split(","), _own_name())
    raise UsageError(f"ssh_config of {quote(found.host)}", f"Match {quote(name)} is not known here")


def _succeeds(argument: str, found: _Found) -> bool:
    """Whether a command does, in the time that is left."""
    command = _Found(found.host, found.user, found.port, dict(found.options)).expand(argument, for_shell=True)
    try:
        return local.run(["/bin/sh", "-c", f"exec >/dev/null 2>&1; {command}"], found.deadline.remaining_s()).status == 0
    except TimedOut as error:
        raise TimedOut(f"ssh_config of {quote(found.host)}", f"Match exec {quote(command)} does not end in time") from error


def _variables(text: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)


def _from_home(path: str) -> str:
    """The path with what ``~`` stands for, if that is known."""
    home = files.home()
    if path.partition("/")[0] != "~":
        return os.path.expanduser(path)
    return home + path[1:] if home else path


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
