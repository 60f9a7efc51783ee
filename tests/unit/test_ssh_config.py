"""ssh_config line by line, errors about invalid lines, and the route to a host."""

import itertools
import os
import re
import socket
import time

import pytest

from ovstool.errors import OvstoolError, TimedOut, UsageError, quote
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import Ssh, config, config_file
from ovstool.host.ssh.route import Hop, ProxyCommand, route


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent/of/login")
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "system/ssh_config"))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def settings(home):
    """``settings(text, host)``: the settings of a file for a host."""

    def settings(text: str, host: str = "h1", user: str | None = None, port: int | None = None) -> config.SshSettings:
        (home / ".ssh/config").write_text(text)
        return config.lookup(host, user, port, Deadline(60))

    return settings


@pytest.fixture
def said(home, settings):
    """``said(text)``: the error about a file, with CONFIG for its path."""

    def said(text: str) -> str:
        with pytest.raises(OvstoolError) as refused:
            settings(text)
        return str(refused.value).replace(f"{home}/.ssh/config", "CONFIG")

    return said


# --- lines and patterns


@pytest.mark.parametrize(
    ("text", "keyword", "rest", "words"),
    [
        ("User one", "user", "one", ["one"]),
        ("\t USER \t= \tone two \t\r", "user", "one two", ["one", "two"]),
        ("User=one\f", "user", "one", ["one"]),
        ("User one\f two\f", "user", "one\f two", ["one\f", "two"]),
        ("P2x a'b c'd \"e\"f '' \"\"", "p2x", "a'b c'd \"e\"f '' \"\"", ["ab cd", "ef", "", ""]),
        ("User a\\ b \"c\\ d\" e\\\\f g\\'h i\\\"j k\\l m\\", "user", "a\\ b \"c\\ d\" e\\\\f g\\'h i\\\"j k\\l m\\", ["a b", "c\\ d", "e\\f", "g'h", 'i"j', "k\\l", "m\\"]),
        ("User one # two", "user", "one # two", ["one"]),
        ("User one#two #", "user", "one#two #", ["one#two"]),
        ("User #one", "user", "#one", []),
        ("User '#one' \"it's\" 'a\"b'", "user", "'#one' \"it's\" 'a\"b'", ["#one", "it's", 'a"b']),
        ("ProxyCommand = = nc %h", "proxycommand", "nc %h", ["=", "nc", "%h"]),
        ("User one\0two", "user", "one", ["one"]),
    ],
)  # fmt: skip
def test_a_line_and_its_words(tmp_path, text, keyword, rest, words):
    path = tmp_path / "config"
    path.write_text(f"# User no\n \t\r\n#\n{text}\n\nLast line", newline="")
    first, last = config_file.lines(str(path), True)
    assert first == (f"{path}:4", keyword, rest, words)
    assert last == (f"{path}:6", "last", "line", ["line"])


def test_lines_that_cannot_be_understood(said):
    for text, error in (
        ("\n???\n", "CONFIG:2: ??? is not a KEYWORD VALUE line"),
        ("User\n", "CONFIG:1: User is not a KEYWORD VALUE line"),
        ("Us_er one\n", 'CONFIG:1: "Us_er one" is not a KEYWORD VALUE line'),
        ("User=\n", "CONFIG:1: User= is not a KEYWORD VALUE line"),
        ("User 'one\n", 'CONFIG:1: "User \'one" has an unclosed quote'),
        ('User one "\n', 'CONFIG:1: "User one \\"" has an unclosed quote'),
        ("User #\nConnectTimeout #\n", "CONFIG:2: an argument is missing"),
    ):
        assert said(text) == error


def test_files_that_are_missing_or_not_ours(home, tmp_path):
    path = tmp_path / "file"
    assert config_file.lines(str(path), True) == config_file.lines(f"{tmp_path}/.ssh/config/x", True) == []
    assert config_file.lines("/dev/null", True) == []
    path.write_text("User one\n")
    assert config_file.lines(f"{path}/x", False) == []
    path.chmod(0o602)
    with pytest.raises(UsageError) as refused:
        config_file.lines(str(path), True)
    assert (
        refused.value.why == "another user owns it or may write to it, so it is not used"
        and refused.value.hint == f"chmod go-w {quote(str(path))}"
    )
    assert [line.keyword for line in config_file.lines(str(path), False)] == ["user"]
    with pytest.raises(UsageError) as refused:
        config_file.lines(str(tmp_path), False)
    assert refused.value.why in ("cannot be read: not a regular file", "cannot be read: Is a directory")
    path.write_bytes(b"#" * (2**22 - 1) + b"\n")
    assert config_file.lines(str(path), False) == []
    path.write_bytes(b"#" * 2**22 + b"\n")
    with pytest.raises(UsageError, match="cannot be read: larger than 4,194,304 bytes"):
        config_file.lines(str(path), False)


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        (0o644, True),
        (0o600, True),
        (0o755, True),
        (0o604, True),
        (0o646, False),
        (0o602, False),
        (0o642, False),
        (0o666, False),
        (0o622, False),
    ],
)
def test_who_may_write_to_a_file_that_is_ours(tmp_path, mode, taken):
    path = tmp_path / "file"
    path.write_text("User one\n")
    path.chmod(mode)
    try:
        assert len(config_file.lines(str(path), True)) == taken
    except UsageError:
        assert not taken


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    ("owner", "group", "mode", "taken"),
    [(0, 43210, 0o644, True), (43210, 0, 0o600, False), (0, 43210, 0o664, False), (43210, 43210, 0o444, False)],
)
def test_whose_file_it_may_be(tmp_path, owner, group, mode, taken):
    path = tmp_path / "file"
    path.write_text("User one\n")
    os.chown(path, owner, group)
    path.chmod(mode)
    try:
        assert len(config_file.lines(str(path), True)) == taken
    except UsageError:
        assert not taken


def test_every_short_pattern_matches_correctly():
    """All patterns of up to four characters with all texts of up to four."""
    texts = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]
    for pattern in ("".join(letters) for length in range(5) for letters in itertools.product("ab*?", repeat=length)):
        by_re = re.compile(pattern.replace("*", ".*").replace("?", "."))
        assert [text for text in texts if config_file.matches(pattern, text)] == [text for text in texts if by_re.fullmatch(text)], pattern


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*bc*bc*d", "abcbcd", True), ("a*bc*bc*d", "abcd", False), ("*a?c*", "xxabcxx", True), ("*a?c", "abcabd", False), ("*ab*ab*", "xababx", True),
        ("*ab*ab*", "xabax", False), ("**", "", True), ("ab*ba", "aba", False), ("[a]", "[a]", True), ("[a]", "a", False), ("*.*.*", "a.b", False),
        ("?*?", "a", False), ("?*?", "ab", True), ("*a*b?", "aab", False), ("*a*b?", "aabc", True), ("a.c", "abc", False),
    ],
)  # fmt: skip
def test_longer_patterns(pattern, text, fits):
    assert config_file.matches(pattern, text) == fits


def test_a_pattern_that_is_negated_excludes():
    assert config_file.chosen(["h*"], "h1") and config_file.chosen(["x", "h1", "!h2"], "h1")
    assert not config_file.chosen(["h*", "!h1"], "h1") and not config_file.chosen(["!h1", "h*"], "h1")
    assert not config_file.chosen(["!h2"], "h1") and not config_file.chosen([], "h1")


# --- options


def test_everything_without_a_file(home, settings):
    found = settings("")
    assert found == config.SshSettings(
        name="h1", hostname="h1", port=22, user=config.files.own_name(),
        identity_files=[f"{home}/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk")],
        identities_are_default=True, identities_only=False, identity_agent="/agent/of/login", proxy_jump=None, proxy_command=None,
        host_key_alias=None, user_known_hosts=[f"{home}/.ssh/known_hosts", f"{home}/.ssh/known_hosts2"],
        global_known_hosts=["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"], hash_known_hosts=False, connect_timeout_s=None,
        batch=False, family=socket.AF_UNSPEC,
    )  # fmt: skip
    assert settings("Port 1\nUser no\n", "H1.example", "me", 2222)[:4] == ("H1.example", "h1.example", 2222, "me")


def test_a_key_before_those_of_the_files(settings):
    found = settings("").with_key("/k")
    assert (found.identity_files, found.identities_are_default) == (["/k"], False)
    assert settings("IdentityFile /x").with_key("/k").identity_files == ["/k", "/x"]
    assert settings("").with_key(None) == settings("")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("HostName %h.EXAMPLE%%", "hostname", "h1.example%"),
        ("HostName FE80::A%%eth0", "hostname", "FE80::A%eth0"),
        ("IdentitiesOnly TRUE", "identities_only", True), ("IdentitiesOnly no", "identities_only", False), ("IdentitiesOnly 1", "identities_only", False),
        ("HashKnownHosts Yes", "hash_known_hosts", True), ("BatchMode true", "batch", True),
        ("AddressFamily inet", "family", socket.AF_INET), ("AddressFamily inet6", "family", socket.AF_INET6), ("AddressFamily any", "family", socket.AF_UNSPEC),
        ("ConnectTimeout 1W2d3H4m5s6", "connect_timeout_s", 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5 + 6), ("ConnectTimeout 0", "connect_timeout_s", None),
        ("ConnectTimeout none\nConnectTimeout 3", "connect_timeout_s", 3), ("ConnectTimeout 3\nConnectTimeout 4", "connect_timeout_s", 3),
        ("IdentityAgent none", "identity_agent", None), ("IdentityAgent SSH_AUTH_SOCK", "identity_agent", "/agent/of/login"),
        ("IdentityAgent $OF_TEST", "identity_agent", "/a b"), ("IdentityAgent $OF_NOBODY", "identity_agent", None), ("IdentityAgent ~/%n", "identity_agent", "HOME/h1"),
        ("IdentityAgent relative", "identity_agent", None), ("IdentityAgent ${OF_TEST}/x", "identity_agent", "/a b/x"), ("IdentityAgent $OF_TEST/x", "identity_agent", None),
        ("HostKeyAlias al", "host_key_alias", "al"), ("IdentityFile none", "identity_files", []), ("IdentityFile relative\nIdentityFile /x", "identity_files", ["/x"]),
        ("IdentityFile /x\nIdentityFile /y /z\nIdentityFile /x", "identity_files", ["/x", "/y"]), ("IdentityFile ~nosuchuser/x", "identity_files", []),
        ("IdentityFile ~root/x", "identity_files", ["/root/x"]), ("IdentityFile %d/%i/%k/%u/%p", "identity_files", ["HOME/0/h1/root/22"]),
        ("HostKeyAlias al\nIdentityFile /%k", "identity_files", ["/al"]), ("UserKnownHostsFile /a ~/b NONE c", "user_known_hosts", ["/a", "HOME/b"]),
        ("GlobalKnownHostsFile /a /b", "global_known_hosts", ["/a", "/b"]), ("ProxyJump gate", "proxy_jump", "gate"), ("ProxyJump NONE", "proxy_jump", None),
        ("ProxyJump none\nProxyCommand nc %h", "proxy_command", "nc h1"), ("ProxyCommand NONE", "proxy_command", None),
        ("ProxyCommand nc\nProxyJump gate", "proxy_jump", None), ("ProxyCommand nc\nProxyJump gate", "proxy_command", "nc"),
        ("ProxyJump gate\nProxyCommand nc", "proxy_jump", "gate"), ("ProxyJump gate\nProxyCommand nc", "proxy_command", None),
        ("ProxyCommand none\nProxyJump gate", "proxy_jump", None), ("ProxyJump %r@gate:%p", "proxy_jump", "root@gate:22"),
        ("Match exec 'test %p = 22'\nUser late\nMatch all\nPort 2222", "port", 2222), ("Match exec 'test %p = 22'\nUser late\nMatch all\nPort 2222", "user", "late"),
    ],
)  # fmt: skip
def test_what_an_option_says(home, settings, monkeypatch, text, field, value):
    if os.getuid() and ("%i" in text or "root" in str(value)):
        pytest.skip("depends on the user being root")
    monkeypatch.setenv("OF_TEST", "/a b")
    monkeypatch.delenv("OF_NOBODY", raising=False)
    found = getattr(settings(text), field)
    placed = [part.replace(str(home), "HOME") for part in found] if isinstance(found, list) else found
    assert (placed.replace(str(home), "HOME") if isinstance(placed, str) else placed) == value


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("all", True), ("ALL", True), ("!all", False), ("canonical", False), ("!canonical", True), ("final", True), ("host h1", True), ("host H*", True),
        ("HOST=h1", True), ("host x,h?", True), ("!host x,y", True), ("!host h1", False), ("host !h1,h*", False), ("originalhost H1", True), ("originalhost h2", False),
        ("user me", True), ("user you,m*", True), ("user you", False), ("localuser LOCAL", True), ("localuser me", False), ("exec true", True), ("exec false", False),
        ("!exec false", True), ("exec 'test %h%%=%n%% = h1%%=h1%%'", True), ("host h1 user me", True), ("host h1 user you", False), ("host h2 exec 'touch TOUCHED'", False),
        ("host h1 !user you all", True),
    ],
)  # fmt: skip
def test_conditions_of_match(home, settings, words, holds):
    words = words.replace("LOCAL", config.files.own_name()).replace("TOUCHED", f"{home}/touched")
    assert (settings(f"User me\nMatch {words}\nPort 2222\n").port == 2222) == holds
    assert not (home / "touched").exists()


def test_match_final_is_read_again_with_the_resolved_name(settings):
    text = "Host real\nUser real\nHost h1\nHostName re%%al\nMatch final host re%al\nPort 5\nMatch canonical\nHostKeyAlias al\n"
    assert settings(text)[1:3] == ("re%al", 5) and settings(text).host_key_alias == "al"
    assert settings("Host h1\nHostName real\nHost real\nUser late\nMatch final\nPort 5\n")[1:4] == ("real", 5, "late")


def test_errors_of_options_with_their_whole_words(home, settings, said):
    for text, error in (
        ("Port 0", "ssh_config of h1: Port 0 is not between 1 and 65535"),
        ("Port 65536", "ssh_config of h1: Port 65536 is not between 1 and 65535"),
        ("HostName %p", "ssh_config of h1: %p is not supported, in %p"),
        ("HostName %", "ssh_config of h1: % is not supported, in %"),
        ("IdentityFile /%q", "ssh_config of h1: %q is not supported, in /%q"),
        ("User a;b\nProxyCommand nc %r", 'a;b: has a character that is not allowed in "nc %r"'),
        ("User -l\nProxyCommand nc %r", '-l: has a character that is not allowed in "nc %r"'),
        ("Match host", "CONFIG:1: an argument is missing"),
        ("User me\nMatch all user", "CONFIG:2: an argument is missing"),
        ("Match tagged x", "ssh_config of h1: Match tagged is not supported"),
        ("Match exec 'sleep 9", 'CONFIG:1: "Match exec \'sleep 9" has an unclosed quote'),
    ):
        assert said(text) == error
    assert settings("User a-b_c.d@e%%+:9\nProxyCommand nc %r").proxy_command == "nc a-b_c.d@e%%+:9"
    (home / ".ssh/config").write_text("Match exec 'sleep 9'\nPort 1\n")
    with pytest.raises(TimedOut) as late:
        config.lookup("h1", None, None, Deadline(0.1))
    assert str(late.value) == 'ssh_config of h1: Match exec "sleep 9" did not finish in time'
    with pytest.raises(TimedOut) as late:
        config.lookup("h1", None, None, Deadline(0))
    assert str(late.value) == f"{home}/.ssh/config: not read in time"


# --- files


def test_what_include_reads(home, settings, said):
    for name, text in (
        ("b", "User b\nPort 2"),
        ("a", "Host x\nUser x\nHost h1\nUser a"),
        ("sub/c", "Port 3"),
        ("sub/d", "Include b\nPort 4"),
    ):
        (home / ".ssh" / name).parent.mkdir(exist_ok=True)
        (home / ".ssh" / name).write_text(text)
    assert settings("Include [ab] nosuch\n")[2:4] == (2, "a")  # sorted by name
    assert settings("Include b a\n")[2:4] == (2, "b")
    assert settings("Include ~/.ssh/sub/c\n").port == 3 and settings("Include ${HOME}/.ssh/*/c\n").port == 3
    assert settings("Include ~nosuchuser/x sub/d\n")[2:4] == (2, "b")  # relative to the first file
    assert settings("Host h2\nInclude b\nHost h1\nPort 9\n").port == 9
    assert settings("Host h1\nInclude a\nPort 9\n")[2:4] == (9, "a")
    (home / ".ssh/b").chmod(0o666)
    hint = f"chmod go-w {quote(str(home / '.ssh/b'))}"
    assert said("Include b") == f"{home}/.ssh/b: another user owns it or may write to it, so it is not used; try: {hint}"


def test_the_file_of_the_system_may_belong_to_anybody(home, settings):
    (home / "system/ssh_config").write_text("Include more\nPort 5\n")
    (home / "system/more").write_text("User of_system\n")
    (home / "system/ssh_config").chmod(0o666)
    assert settings("HostName x\n")[1:4] == ("x", 5, "of_system")


def test_too_many_files(home, settings, said):
    (home / ".ssh/d").mkdir()
    for number in range(998):
        (home / f".ssh/d/{number:04}").touch()
    assert settings("Include d/*\nUser one\n").user == "one"
    (home / ".ssh/d/0998").touch()
    assert said("Include d/*\nUser one\n") == f"{home}/system/ssh_config: Include leads to more than 1000 files"


# --- the route to a host


def hop(settings, name: str = "h1") -> Hop:
    return Hop(name, settings, Deadline(60), False, 0.0)


def test_the_command_that_leads_to_the_same_server(settings):
    assert hop(settings("User me\nHostName real\n")).command("ssh") == "ssh me@h1"
    assert hop(settings("User me\nPort 2222\n")).command("ssh-copy-id") == "ssh-copy-id -p 2222 me@h1"


def test_the_servers_on_the_route(settings):
    def way(text: str, host: str = "h1") -> list[tuple[str, int, str]]:
        return [(hop.hostname, hop.port, hop.user) for hop in route(settings(f"User u\n{text}", host), Deadline(60))]

    last = ("h1", 22, "u")
    assert way("") == [last]
    assert way('Host h1\nProxyJump "ssh://me@g1:5 , g2"\n') == [("g1", 5, "me"), ("g2", 22, "u"), last]
    assert way("Host h1\nProxyJump g1,g2\nHost g1\nProxyJump g0\nHost g2\nProxyJump g9\n") == [
        ("g0", 22, "u"),
        ("g1", 22, "u"),
        ("g2", 22, "u"),
        last,
    ]
    assert way("ProxyJump gate\n") == [("gate", 22, "u"), last] and way("ProxyJump gate\n", "gate") == [("gate", 22, "u")]
    assert way("Host h1\nProxyJump h1:23\nHost *\nProxyJump none\n")[0] == ("h1", 23, "u")
    assert len(way(f"Host h1\nProxyJump {','.join(f'g{n}' for n in range(8))}\n")) == 9
    assert len(way("".join(f"Host h{n}\nProxyJump h{n + 1}\n" for n in range(1, 9)))) == 9


def test_a_route_that_is_a_loop(settings):
    def said(text: str) -> str:
        with pytest.raises(UsageError) as refused:
            route(settings(text), Deadline(60))
        return str(refused.value)

    assert said("Host h1\nProxyJump h2\nHost h2\nProxyJump h1\n") == "h1: ProxyJump is a loop"
    assert said("".join(f"Host h{n}\nProxyJump h{n + 1}\n" for n in range(1, 11))) == "h9: ProxyJump is a loop"
    assert said(f"Host h1\nProxyJump {','.join(f'g{n}' for n in range(9))}\n") == "h1: ProxyJump goes through more than 8 hosts"
    assert said("ProxyJump -oX\n").startswith("-oX: not of the form [USER@]HOST[:PORT]")


def test_the_proxy_command_and_its_error():
    way = ProxyCommand("sh -c 'read x; echo got $x; echo one >&2; echo last words >&2'")
    way.stream.sendall(b"hello\n")
    assert way.stream.recv(100) == b"got hello\n"
    assert way.last_words() == "last words"
    way.close()
    assert way._process.returncode == 0
    stuck = ProxyCommand("sh -c 'echo words >&2; exec sleep 60'")
    end = time.monotonic() + 60
    while not (words := stuck.last_words()) and time.monotonic() < end:
        pass
    assert words == "words"
    stuck.close()
    silent = ProxyCommand("sleep 60")
    assert silent.last_words() == ""
    silent.close()
    assert silent._process.returncode == -9
    for stream in (way.stream, stuck.stream, silent.stream):
        stream.close()


@pytest.mark.parametrize("address", ["unix:", "unix", "udp:h:1", "", "SSL:h:1"])
def test_invalid_server_addresses(address):
    with pytest.raises(UsageError, match="not an address of an OVSDB server; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"):
        Ssh("h1").open(address, 60)
