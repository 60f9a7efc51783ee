"""A web configuration file that is read again when it, or a file that it names, has changed.

While the new content is wrong, every request gets the status 500, as from Prometheus's own exporters: whoever removed a user must not find
that the old file still lets him in. Connections keep the last TLS that worked, so that the 500 arrives.
"""

import os
import ssl
import stat
from collections.abc import Callable

from ovstool.errors import UsageError
from ovstool.metrics.serving import web_config
from ovstool.metrics.serving.web_config import WebConfig, tls

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Configured:
    """What the file says at the moment; ``path`` None is no file. ``note`` is called with what the user should know, ``tell`` with errors."""

    def __init__(self, path: str | None, note: Callable[[str], object], tell: Callable[[UsageError], object]):
        """Read the file. Raises UsageError."""
        self._path = path
        self._note = note
        self._tell = tell
        self._stamp: _Stamp = ()
        self._config: WebConfig | None = WebConfig()
        self.context: ssl.SSLContext | None = None
        if path is not None:
            self._read(path)

    def now(self) -> WebConfig | None:
        """The configuration; None while the file is wrong."""
        if self._path is not None and self._stamp != self._stamp_now(self._path):
            self._config = None
            try:
                self._read(self._path)
                self._note(f"{self._path} has changed, and is in force")
            except UsageError as error:
                self._stamp = self._stamp_now(self._path)
                self._tell(error)
        return self._config

    def _read(self, path: str) -> None:
        self._files: list[str] = []
        before = _stamp(path)
        config = web_config.read(path)
        settings = config.tls
        self._files = [name for name in (settings.cert_file, settings.key_file, settings.client_ca_file) if name] if settings else []
        stamp = (before, *map(_stamp, self._files))
        context = tls.context(settings) if settings else None
        self._stamp, self._config, self.context = stamp, config, context
        secrets = [path] if config.users else []
        for name in [*secrets, settings.key_file] if settings else secrets:
            if _mode(name) & stat.S_IROTH:
                self._note(f"{name} has secrets, and all users can read it; try: chmod o-r {name}")

    def _stamp_now(self, path: str) -> _Stamp:
        return (_stamp(path), *map(_stamp, self._files))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _mode(path: str) -> int:
    """The file's permissions; none if it has just gone, which is seen at the next request."""
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0
