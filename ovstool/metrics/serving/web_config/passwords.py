"""Basic authentication with passwords that are stored as bcrypt hashes (RFC 7617)."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping

from ovstool.metrics.serving.threads import in_thread

HASH = re.compile(r"\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}")
MOST_COST = 18  # seconds for each wrong password; every step more doubles that
_LONGEST = 72  # bytes of a password that bcrypt reads
_MOST_WAITING = 16
_MOST_REMEMBERED = 100


class Busy(Exception):
    """Too many passwords wait to be checked."""


class Doorkeeper:
    """Checks passwords, one at a time because each takes long; what was right is remembered, as a digest, so that a scrape costs nothing."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._right: set[bytes] = set()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def admits(self, users: Mapping[str, str], authorization: str) -> bool:
        """Whether an Authorization header has a user's name and password; for a name that does not exist that takes as long. Raises Busy."""
        name, colon, password = _credentials(authorization).partition(b":")
        if not colon:
            return False
        user = name.decode("utf-8", "replace")
        hashed = users.get(user) or next(iter(users.values()))
        digest = hmac.digest(self._key, b"\0".join([hashed.encode(), hashlib.sha256(name).digest(), password]), "sha256")
        if user in users and digest in self._right:
            return True
        if self._waiting >= _MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                is_right = await in_thread(_matches, password, hashed) and user in users
        finally:
            self._waiting -= 1
        if is_right:
            if len(self._right) >= _MOST_REMEMBERED:  # passwords that no longer hold
                self._right.clear()
            self._right.add(digest)
        return is_right


def _credentials(authorization: str) -> bytes:
    """The name and the password with a colon between them; empty if the header has none."""
    scheme, _, token = authorization.partition(" ")
    try:
        return base64.b64decode(token.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _matches(password: bytes, hashed: str) -> bool:
    import bcrypt  # only for those who use it

    try:
        return bcrypt.checkpw(password[:_LONGEST], hashed.encode())
    except ValueError:  # a NUL in the password, to some releases
        return False
