"""The comment of a change: who made it, where and with which command.

ovsdb-server keeps it in the log of the database with the transaction (RFC 7047, section 5.2.9), as it does those of ovs-vsctl.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

AND_FLOWS, PUT_BACK = "and flows", "put back"  # what a Comment may be about
_LONGEST = 2000  # characters of a command line to keep
_LONGEST_NAME = 64  # characters of a user's or a host's name
# Nearly every word has none of these, and needs no regular expression.
_HINTS = ("psk", "pass", "pwd", "secret", "token", "credential", "bearer", "api", "auth", "access", "private", "shared", "://")
# Keys whose values are left out. Short names must begin or end a word of the key: "upskill" is no secret.
_ANYWHERE = "password|passwd|passphrase|secret|token|credential|bearer|(?:api|auth|access|private|shared)[_.-]?key"
_KEYS = rf"(?is)((?:{_ANYWHERE}|(?:^|[^a-z])(?:psk|pass|pwd)|(?:psk|pass|pwd)(?=\s?=))[\w.-]{{0,64}}\s?=).+"
_URL = r"(://[^\s/:@]*:)[^\s/@]+(?=@)"


class Comment(NamedTuple):
    """``id`` is that of the command, the same on all hosts; ``words`` are the command's, without ``ovstool``.

    ``about`` is what else is to be said of one of its changes.
    """

    id: str
    words: Sequence[str]
    about: str = ""

    @classmethod
    def of(cls, words: Sequence[str]) -> "Comment":
        """The comment of a command that begins now."""
        return cls(os.urandom(4).hex(), words)

    def __str__(self) -> str:
        """The comment as text: ``ovstool[ID] USER@HOST: COMMAND``, or ``COMMAND (ABOUT)``. Values of secrets are replaced by ``***``."""
        import shlex  # only for a change

        line = shlex.join(["ovstool", *map(without_secret, self.words)])
        cut = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
        about = f" ({self.about})" if self.about else ""
        return f"ovstool[{self.id}] {_plain(_user())}@{_plain(os.uname().nodename)}: {cut}{about}"


def without_secret(word: str) -> str:
    """A word whose value is no secret: of ``--option=psk=SECRET`` the last key decides. A URL loses its password.

    It cuts a text of several words off at the first secret.
    """
    lower = word.lower()
    if not any(hint in lower for hint in _HINTS):
        return word
    import re

    return re.sub(_KEYS, r"\1***", re.sub(_URL, r"\1***", word))


def _plain(name: str) -> str:
    """A name as one short word: that of a user of Active Directory may have a space, $SUDO_USER may be anything."""
    return "".join(c if c.isprintable() and c != " " else "_" for c in name[:_LONGEST_NAME])


def _user() -> str:
    """The user that runs ovstool; behind sudo (8) the one that called it."""
    import pwd

    try:
        return os.environ.get("SUDO_USER", "").strip() or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without an entry, as in a container
        return str(os.getuid())
