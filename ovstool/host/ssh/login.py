"""Login to an SSH server: with a key, without credentials, or with what the user types, in this order (RFC 4252)."""

import logging
from collections.abc import Callable, Sequence

from ovstool.errors import TimedOut, Unreachable, one_line, quote
from ovstool.host.ssh import keys, prompt
from ovstool.host.ssh.route import Hop
from ovstool.host.ssh.transport import SshTransport

LOG = logging.getLogger(__name__)

_MAX_QUESTIONS = 3  # as ssh asks for a password
_SHOWN = 200  # characters of a server's own message to repeat


class Login:
    """One login to one server."""

    def __init__(self, transport: SshTransport, hop: Hop):
        self._transport = transport
        self._hop = hop
        self._settings = hop.settings
        self._auth = transport.prepare_login()
        self._tried: list[str] = []  # the keys, and why others were not

    def run(self) -> None:
        """Log in with the first method that works. Raises Unreachable when none does, TimedOut."""
        if not (self._with_keys() or self._with_nothing() or self._with_typed_words()):
            raise self._refused()

    def _with_keys(self) -> bool:
        user = self._settings.user
        for label, load in keys.candidates(self._settings, self._hop.deadline, self._tried):
            key = load(self._ask)
            if key is None:
                continue
            self._tried.append(label)
            if self._succeeds(self._transport.try_key, user, key):
                LOG.info("%s: logged in as %s with the key %s", self._hop.name, user, label)
                return True
            if (self._auth.refused and "publickey" not in self._auth.methods) or self._auth.partial:
                break
        return False

    def _with_nothing(self) -> bool:
        """Log in with method "none" if nothing has been tried yet; a refusal lists the methods that the server accepts."""
        return not self._auth.methods and self._succeeds(self._transport.try_none, self._settings.user)

    def _with_typed_words(self) -> bool:
        methods = [name for name in ("keyboard-interactive", "password") if name in self._auth.methods]
        for method in methods if prompt.may_ask(self._settings.batch) else ():
            for _ in range(_MAX_QUESTIONS):
                if self._with_password() if method == "password" else self._with_answers():
                    return True
                if method not in self._auth.methods:
                    break
        return False

    def _with_password(self) -> bool:
        settings = self._settings
        password = self._ask(f"{settings.user}@{settings.hostname}'s password: ")
        return self._succeeds(self._transport.try_password, settings.user, password)

    def _with_answers(self) -> bool:
        return self._succeeds(self._transport.try_interactive, self._settings.user, self._answers)

    def _answers(self, title: str, instructions: str, questions: Sequence[tuple[str, bool]]) -> list[str]:
        who = f"({self._settings.user}@{self._settings.hostname}) "
        return [self._ask(who + one_line(question)[:_SHOWN]) for question, _ in questions[:_MAX_QUESTIONS]]

    def _ask(self, question: str) -> str:
        with self._hop.deadline.paused():
            return prompt.ask(question, self._hop.named_at)

    def _succeeds(self, attempt: Callable[..., bool], *proof: object) -> bool:
        try:
            return attempt(*proof, self._hop.deadline)
        except TimeoutError as error:
            raise TimedOut(self._hop.name, str(error)) from error
        except ConnectionError as error:
            why = self._transport.farewell
            if "authentication failures" in why:
                hint = "IdentityFile and IdentitiesOnly yes in ~/.ssh/config"
                raise Unreachable(self._hop.name, f"login refused: {why}", hint) from error
            raise self._transport.lost(self._hop.name) from error

    def _refused(self) -> Unreachable:
        login = f"login as {quote(self._settings.user)} refused"
        why = f"{login} ({', '.join(self._tried) or 'no key was found'})"
        if any("passphrase" in label for label in self._tried):
            return Unreachable(self._hop.name, why, "ssh-add, because there is no terminal to ask for the passphrase on")
        if "publickey" in self._auth.methods:
            return Unreachable(self._hop.name, why, self._hop.command("ssh-copy-id"))
        methods = one_line(", ".join(self._auth.methods))[:_SHOWN]
        return Unreachable(
            self._hop.name, f"{login}; the server accepts {methods or 'no method that ovstool supports'}", "again, on a terminal"
        )
