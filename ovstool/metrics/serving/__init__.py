"""``ovstool metrics --listen``: metrics over HTTP, each scrape live.

How it is built. What is told of this process is prometheus_client's (``itself``), but its server is not used: that starts a thread for each
connection, without a limit to their number or a deadline for what they send, and knows neither passwords nor a web configuration file. Nor is
http.server: its deadlines are for each ``recv``, so a client that sends a byte now and then has a thread as long as it likes. The part of
HTTP that a scrape needs is small (``requests``, ``responses``), and asyncio, in one thread, waits for all clients together (``connections``).
Each switch is read in a thread, because reading one waits for it (``scrapes``).
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ovstool.errors import OvstoolError
from ovstool.metrics.serving import itself, listening
from ovstool.metrics.serving.http.connections import Connections
from ovstool.metrics.serving.listening import Address
from ovstool.metrics.serving.notify import notify
from ovstool.metrics.serving.pages import Pages
from ovstool.metrics.serving.scrapes import Fleet, Read, Watched
from ovstool.metrics.serving.web_config.rereading import Configured

_MOST_CONNECTIONS = 256
_GARBAGE = 10_000  # objects: enough for a scrape of a small switch, and cyclic garbage of connections stays below a MiB
_ENDING = (signal.SIGINT, signal.SIGTERM)


class Voice(NamedTuple):
    """What tells the user something: a note, and an error with the host concerned, if there are several."""

    note: Callable[[str], object]
    report: Callable[[BaseException, str | None], object]


class Serving(NamedTuple):
    """Where to serve, the web configuration file if there is one, and how long a switch may take for a scrape."""

    address: Address
    web_config: str | None
    timeout_s: float


def serve(switches: Mapping[str, Read], serving: Serving, voice: Voice) -> None:
    """Serve the metrics of switches, by the names of their hosts, until SIGTERM. A single one needs no name, and its metrics have none.

    Raises UsageError for a wrong web configuration file, before anything listens; Conflict, Refused; KeyboardInterrupt for SIGINT.
    """
    configured = Configured(serving.web_config, voice.note, lambda error: voice.report(error, None))
    of_itself = itself.reader(voice.note)
    with listening.opened(serving.address) as listener:
        gc.freeze()
        gc.set_threshold(_GARBAGE, 10, 10)
        if asyncio.run(_Server(switches, serving, voice, configured, of_itself).run(listener)) == signal.SIGINT:
            raise KeyboardInterrupt


class _Server:
    def __init__(
        self, switches: Mapping[str, Read], serving: Serving, voice: Voice, configured: Configured, of_itself: Callable[[str], str]
    ):
        self._switches = switches
        self._serving = serving
        self._voice = voice
        self._configured = configured
        self._of_itself = of_itself
        self._watched: dict[str, Watched] = {}

    async def run(self, listener: socket.socket) -> signal.Signals:
        """Serve until a signal comes; returns which."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        has_many = len(self._switches) > 1
        for name, read in self._switches.items():
            self._watched[name] = Watched(name if has_many else None, read, self._tell, self._voice.note, is_far=bool(name))
        connections = Connections(
            self._configured, Pages(Fleet(self._watched, self._of_itself), self._serving.timeout_s).answer, _MOST_CONNECTIONS
        )
        ended: asyncio.Future[signal.Signals] = loop.create_future()
        for signum in _ENDING:
            if signal.getsignal(signum) != signal.SIG_IGN:  # as for a job in the background of a script
                loop.add_signal_handler(signum, _settle, ended, signum)
        accepting = asyncio.ensure_future(connections.accept(listener))
        self._announce(listener)
        first: list[asyncio.Future] = [ended, accepting]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        if not ended.done():
            accepting.result()  # raises what it ended with
        accepting.cancel()
        await connections.close()
        return ended.result()

    def _announce(self, listener: socket.socket) -> None:
        scheme = "https" if self._configured.context else "http"
        host, port, *_ = listener.getsockname()
        text = f"serving {scheme}://{Address(host, port)}/metrics"
        self._voice.note(text)
        notify("READY=1", f"STATUS={text}")

    def _tell(self, host: str | None, error: Exception | None) -> None:
        if error:
            self._voice.report(error, host)
        else:
            self._voice.note(f"{host}: answers again" if host else "the switch answers again")
        up = sum(watched.is_up for watched in self._watched.values())
        notify(f"STATUS={up} of {len(self._watched)} answered")

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report what nothing else has handled: errors of ours, but not those of connections that end."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError | OvstoolError):
            self._voice.report(error, None)


def _settle(future: "asyncio.Future[signal.Signals]", signum: signal.Signals) -> None:
    if not future.done():
        future.set_result(signum)
