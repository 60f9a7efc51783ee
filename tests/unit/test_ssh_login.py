"""Logging in and opening channels, with paramiko servers in this process that accept only what the test allows."""

import logging
import socket
import threading
from contextlib import contextmanager

import pytest

from ovstool.errors import TimedOut, Unreachable
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import login
from ovstool.host.ssh.config import SshSettings
from ovstool.host.ssh.route import Hop
from ovstool.host.ssh.transport import Refusal, SshTransport
from ovstool.host.ssh.transport.wire import Wire

# isort: split
import paramiko

S = 30  # limits what hangs
HOST_KEY, KEY, OTHER_KEY = (paramiko.ECDSAKey.generate() for _ in range(3))


class Door(paramiko.ServerInterface):
    """Accepts ``ann`` with these methods, one after the other if there are several: ``publickey password`` requires both."""

    def __init__(self, wants: str = "", offers: str = "", questions: tuple = ()):
        self.wants = wants.split()
        self.offers = offers or ",".join(self.wants[:1])
        self.questions = list(questions)  # each a tuple of prompts, and the right answers
        self.tried: list[str] = []
        self.answers: list = []

    def get_allowed_auths(self, username):
        return self.offers

    def _judge(self, method, user, is_right):
        self.tried.append(method)
        if not (is_right and user == "ann" and self.wants[:1] == [method]):
            return paramiko.AUTH_FAILED
        self.wants.pop(0)
        if self.wants:
            self.offers = self.wants[0]
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.wants else paramiko.AUTH_SUCCESSFUL

    def check_auth_none(self, username):
        return self._judge("none", username, True)

    def check_auth_password(self, username, password):
        return self._judge("password", username, password == "right")

    def check_auth_publickey(self, username, key):
        return self._judge("publickey", username, key == KEY)

    def check_auth_interactive(self, username, submethods):
        if not self.questions:
            return paramiko.AUTH_FAILED
        return paramiko.InteractiveQuery("title", "instructions", *self.questions[0][0])

    def check_auth_interactive_response(self, responses):
        self.answers.append(list(responses))
        return self._judge("keyboard-interactive", "ann", list(responses) == self.questions.pop(0)[1])

    def check_channel_request(self, kind, chanid):
        return {"session": paramiko.OPEN_SUCCEEDED, "direct": paramiko.OPEN_FAILED_CONNECT_FAILED}.get(
            kind, paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        )


@contextmanager
def reached(door: Door, key_kinds=()):
    """A transport that has exchanged keys with a server that uses this door."""
    ours, theirs = socket.socketpair()
    server = paramiko.Transport(theirs)
    server.add_server_key(HOST_KEY)
    server.start_server(event=threading.Event(), server=door)
    transport = SshTransport(Wire(ours), key_kinds)
    transport.server = server
    try:
        assert transport.shake_hands(Deadline(S)) and transport.is_active()
        yield transport
    finally:
        transport.close()
        server.close()


def hop(*files, user: str = "ann", timeout_s: float = S, batch: bool = False) -> Hop:
    settings = SshSettings(
        "gate", "gate.example", 2222, user, list(map(str, files)), False, True, None, None, None, None, [], [], False, None, batch,
        socket.AF_UNSPEC,
    )  # fmt: skip
    return Hop("host gate", settings, Deadline(timeout_s), False, 0.0)


@pytest.fixture
def files(tmp_path):
    """The paths of a key that is accepted, and of one that is not."""
    for name, key in (("id_right", KEY), ("id_other", OTHER_KEY)):
        key.write_private_key_file(str(tmp_path / name))
    return tmp_path / "id_right", tmp_path / "id_other"


@pytest.fixture
def typed(monkeypatch):
    """The answers that a user types, in turn; and the prompts."""
    answers: list[str] = []
    asked: list[str] = []
    monkeypatch.setattr(login.prompt, "may_ask", lambda batch: bool(answers) and not batch)
    monkeypatch.setattr(login.prompt, "ask", lambda question, named_at: (asked.append(question), answers.pop(0))[1])
    return answers, asked


def refused(door: Door, at: Hop) -> Unreachable:
    with reached(door) as transport, pytest.raises(Unreachable) as caught:
        login.Login(transport, at).run()
    return caught.value


def test_the_key_that_fits_is_found(files):
    right, other = files
    door = Door("publickey")
    with reached(door) as transport:
        login.Login(transport, hop(other, right)).run()
        assert transport.is_authenticated() and set(door.tried) == {"publickey"}
    error = refused(Door("publickey"), hop(other))
    assert (error.what, error.why) == ("host gate", "login as ann refused (id_other)")
    assert error.hint == "ssh-copy-id -p 2222 ann@gate"


def test_keys_with_a_passphrase(files, tmp_path, typed, caplog):
    """The next key is tried when nobody knows the passphrase of the first."""
    answers, asked = typed
    _, other = files
    for name, key, passphrase in (("id_lost", OTHER_KEY, "lost"), ("id_kept", KEY, "kept")):
        key.write_private_key_file(str(tmp_path / name), password=passphrase)
    lost, kept = tmp_path / "id_lost", tmp_path / "id_kept"
    error = refused(Door("publickey"), hop(lost, other))
    assert error.why == "login as ann refused (id_other, id_lost has a passphrase)"
    assert error.hint == "ssh-add, because there is no terminal to ask for the passphrase on"
    answers += ["a", "b", "c", "kept"]
    with reached(Door("publickey")) as transport, caplog.at_level(logging.INFO, "ovstool"):
        login.Login(transport, hop(lost, kept)).run()
        assert transport.is_authenticated() and len(asked) == 4 and answers == []
    assert [record.getMessage() for record in caplog.records] == ["host gate: logged in as ann with the key id_kept"]


def test_no_key_at_all():
    """The server is asked for its methods with "none"."""
    error = refused(Door("publickey"), hop())
    assert (error.what, error.why, error.hint) == ("host gate", "login as ann refused (no key was found)", "ssh-copy-id -p 2222 ann@gate")
    error = refused(Door("hostbased,gssapi", "hostbased,gssapi"), hop())
    assert (error.why, error.hint) == ("login as ann refused; the server accepts hostbased, gssapi", "again, on a terminal")
    error = refused(Door("x", "x" * 300), hop())
    assert error.why == f"login as ann refused; the server accepts {'x' * 200}"


def test_login_without_authentication():
    door = Door("none")
    with reached(door) as transport:
        login.Login(transport, hop()).run()
        assert door.tried == ["none"] and transport.is_authenticated()


def test_a_password_is_asked_for_three_times(typed):
    answers, asked = typed
    answers += ["wrong", "wrong", "right"]
    door = Door("password")
    with reached(door) as transport:
        login.Login(transport, hop()).run()
        assert transport.is_authenticated()
    assert asked == ["ann@gate.example's password: "] * 3 and door.tried == ["none", "password", "password", "password"]
    answers += ["wrong"] * 4
    error = refused(Door("password"), hop())
    assert len(answers) == 1 and (error.why, error.hint) == ("login as ann refused; the server accepts password", "again, on a terminal")


def test_batch_mode_asks_nothing(typed):
    typed[0].append("right")
    assert refused(Door("password"), hop(batch=True)).why == "login as ann refused; the server accepts password"
    assert typed[1] == []


def test_questions_of_the_server_are_answered(typed):
    answers, asked = typed
    answers += ["wrong", "one", "two"]
    first, second = (("Code: ", False),), (("First\x1b[31m: ", True), ("x" * 300, False))
    door = Door("keyboard-interactive", questions=((first, ["right"]), (second, ["one", "two"])))
    with reached(door) as transport:
        login.Login(transport, hop()).run()
        assert transport.is_authenticated()
    who = "(ann@gate.example) "
    assert asked[0] == f"{who}Code: " and asked[1].startswith(f"{who}First") and "\x1b" not in asked[1]
    assert asked[2] == who + "x" * 200 and door.answers == [["wrong"], ["one", "two"]]


def test_no_more_than_three_questions_at_once(typed):
    answers, asked = typed
    answers += list("12345")
    door = Door("keyboard-interactive", questions=((tuple((f"{n}: ", False) for n in range(5)), ["1", "2", "3"]),))
    with reached(door) as transport:
        login.Login(transport, hop()).run()
    assert len(asked) == 3 and door.answers == [["1", "2", "3"]]


def test_a_key_and_a_password_where_both_are_wanted(files, typed):
    answers, asked = typed
    answers.append("right")
    right, other = files
    door = Door("publickey password")
    with reached(door) as transport:
        login.Login(transport, hop(right, other)).run()
        assert transport.is_authenticated()
    assert door.tried[-1] == "password" and len(asked) == 1


def test_keys_are_not_tried_where_the_server_takes_none(files, typed):
    answers, asked = typed
    answers.append("right")
    door = Door("password")
    with reached(door) as transport:
        login.Login(transport, hop(*files)).run()
    assert door.tried.count("publickey") <= 1 and len(asked) == 1


def test_a_method_no_longer_offered_is_not_tried_again(typed):
    answers, asked = typed
    answers += ["wrong", "right", "unasked"]
    door = Door("password", "keyboard-interactive,password", questions=(((("Code: ", False),), ["right"]),) * 2)
    allowed = iter(["keyboard-interactive,password", "password"])
    door.get_allowed_auths = lambda username: next(allowed, "password")
    with reached(door) as transport:
        login.Login(transport, hop()).run()
    assert asked == ["(ann@gate.example) Code: ", "ann@gate.example's password: "]


class Slow(Door):
    """Does not reply to a login until the test has ended."""

    def __init__(self):
        super().__init__("none")
        self.end = threading.Event()

    def check_auth_none(self, username):
        self.end.wait(S)
        return paramiko.AUTH_FAILED


def test_a_server_that_does_not_answer_to_the_login():
    door = Slow()
    with reached(door) as transport:
        with pytest.raises(TimedOut) as caught:
            login.Login(transport, hop(timeout_s=0.3)).run()
        door.end.set()
    assert (caught.value.what, caught.value.why) == ("host gate", "the SSH server did not answer the login request")


class Leaving(Door):
    """Ends the connection with this message when a client logs in."""

    def __init__(self, words: str):
        super().__init__("none")
        self.words = words

    def check_auth_none(self, username):
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_DISCONNECT)
        message.add_int(2)
        message.add_string(self.words)
        message.add_string("en")
        self.transport._send_message(message)
        self.transport.close()
        return paramiko.AUTH_FAILED


@pytest.mark.parametrize(
    ("words", "why", "hint"),
    [
        ("Too many authentication failures", "login refused: Too many authentication failures", "IdentityFile and IdentitiesOnly yes in ~/.ssh/config"),
        ("Go away", "connection lost: Go away", None),
        ("y" * 300, f"connection lost: {'y' * 200}", None),
        ("", "connection lost: closed by the server", None),
    ],
)  # fmt: skip
def test_the_disconnect_message_of_a_server(words, why, hint):
    door = Leaving(words)
    with reached(door) as transport:
        door.transport = transport.server
        with pytest.raises(Unreachable) as caught:
            login.Login(transport, hop()).run()
    assert (caught.value.what, caught.value.why, caught.value.hint) == ("host gate", why, hint)


def test_channels_and_why_there_is_none():
    with reached(Door("none")) as transport:
        login.Login(transport, hop()).run()
        channel, refusal = transport.open("session", Deadline(S))
        assert refusal is None and channel.get_id() == 0
        channel.close()
        assert transport.open("direct", Deadline(S)) == (None, Refusal(2, ""))
        assert transport.open("nosuch", Deadline(S)) == (None, Refusal(1, ""))
        assert transport.saved_exception is None
        transport.server.close()
        transport.join(S)
        with pytest.raises(ConnectionError):
            transport.open("session", Deadline(S))


@pytest.mark.parametrize(("words", "kept"), [("no more\x1b[31m", "no more\\x1b[31m"), ("z" * 300, "z" * 200)])
def test_the_text_of_a_refusal(words, kept):
    failure = paramiko.Message()
    failure.add_int(7)
    failure.add_int(4)
    failure.add_string(words)
    failure.add_string("en")
    failure.rewind()
    with reached(Door()) as transport:
        transport._parse_channel_open_failure(failure)
        assert transport._refusals == {7: Refusal(4, kept)}


def test_known_host_key_types_are_requested_first():
    with reached(Door(), ("ssh-rsa", "ssh-ed25519", "nosuch")) as transport:
        assert transport.preferred_keys[:3] == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
        assert len(set(transport.preferred_keys)) == len(transport.preferred_keys) and "nosuch" not in transport.preferred_keys
    with reached(Door()) as transport:
        assert transport.preferred_keys == paramiko.Transport._preferred_keys


def test_the_cause_of_a_broken_connection():
    with reached(Door()) as transport:
        assert transport.what_broke() == transport.what_broke(EOFError()) == ""
        assert transport.what_broke(OSError("x" * 300)) == "x" * 200
        assert transport.what_broke(paramiko.SSHException("a\nb")) == "a\\nb"
        assert transport.what_broke(ValueError("inside")) == "it sent a malformed message (ValueError)"
        assert str(transport.lost("host gate", OSError("gone"))) == "host gate: connection lost: gone"
        assert str(transport.lost("host gate")) == "host gate: connection lost: closed by the server"
