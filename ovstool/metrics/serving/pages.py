"""What is served under which path."""

import math
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qs, quote

import ovstool
from ovstool.metrics.exposition import CONTENT_TYPES, OPENMETRICS, PROMETHEUS
from ovstool.metrics.serving.http.negotiation import accepts_gzip, accepts_openmetrics
from ovstool.metrics.serving.http.requests import Request
from ovstool.metrics.serving.http.responses import HTML, Response, said
from ovstool.metrics.serving.scrapes import Busy, Fleet, Wanted

_SCRAPE_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
_SHARE_S = 0.5  # of Prometheus's time, for everything but reading the switches
_MOST_FIELDS = 100  # of a query


class Pages:
    """The pages of a fleet; a switch may take ``timeout_s`` for a scrape, or less if Prometheus waits for less."""

    def __init__(self, fleet: Fleet, timeout_s: float):
        self._fleet = fleet
        self._timeout_s = timeout_s

    async def answer(self, request: Request) -> Response:
        match request.path:
            case "/metrics":
                return await self._metrics(request)
            case "/":
                return Response(HTTPStatus.OK, self._index().encode(), HTML)
            case "/-/healthy":
                return said(HTTPStatus.OK, "ovstool is running.")
            case _:
                return said(HTTPStatus.NOT_FOUND, "There is /metrics.")

    async def _metrics(self, request: Request) -> Response:
        try:
            names = parse_qs(request.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS).get("target", [])
        except ValueError:
            return said(HTTPStatus.BAD_REQUEST, f"The query has more than {_MOST_FIELDS} fields.")
        if len(names) > 1:
            return said(HTTPStatus.BAD_REQUEST, "There is more than one target.")
        if names and names[0] not in self._fleet.switches:
            return said(HTTPStatus.NOT_FOUND, "No such target: it has to be one of the hosts that ovstool was started with.")
        form = OPENMETRICS if accepts_openmetrics(request.headers.get("accept", "")) else PROMETHEUS
        is_compressed = accepts_gzip(request.headers.get("accept-encoding", ""))
        headers = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        if request.method == "HEAD":  # nothing is read for it
            return Response(HTTPStatus.OK, None, CONTENT_TYPES[form], headers)
        wanted = Wanted(names[0] if names else None, form, is_compressed, self._within_s(request))
        try:
            return Response(HTTPStatus.OK, await self._fleet.text(wanted), CONTENT_TYPES[form], headers)
        except Busy:
            return said(HTTPStatus.SERVICE_UNAVAILABLE, "Too many different scrapes at once.", Retry_After="1")

    def _within_s(self, request: Request) -> float:
        """How long a switch may take; a header that is no number is ignored."""
        try:
            waits_s = float(request.headers.get(_SCRAPE_TIMEOUT, "inf"))
        except ValueError:
            waits_s = math.inf
        if not waits_s > 0:
            waits_s = math.inf
        return min(self._timeout_s, max(waits_s - _SHARE_S, waits_s / 2))

    def _index(self) -> str:
        hosts = [name for name in self._fleet.switches if name]
        links = "".join(f'<li><a href="/metrics?target={quote(name, safe="")}">{escape(name)}</a></li>\n' for name in hosts)
        each = f"<h2>One host</h2>\n<ul>\n{links}</ul>\n" if hosts else ""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>ovstool metrics</title></head>\n<body>\n'
            f"<h1>ovstool metrics</h1>\n<p>Metrics of Open vSwitch for Prometheus, by ovstool {ovstool.__version__}.</p>\n"
            f'<ul>\n<li><a href="/metrics">Metrics</a></li>\n<li><a href="/-/healthy">Health</a></li>\n</ul>\n{each}</body>\n</html>\n'
        )
