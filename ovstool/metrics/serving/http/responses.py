"""Responses as HTTP/1.1 writes them (RFC 9112; pure)."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"


class Response(NamedTuple):
    """A response; its body is None where a HEAD request asks for something that would have to be made first."""

    status: HTTPStatus
    body: bytes | None = b""
    content_type: str = PLAIN
    headers: Mapping[str, str] = {}

    def head(self, keeps: bool, more: Mapping[str, str]) -> bytes:
        """Everything before the body; ``keeps``: the connection stays open for another request. ``more`` are headers of the user's choice."""
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        headers = {"Date": date, "Content-Type": self.content_type, **self.headers, **more}
        if self.body is not None:
            headers["Content-Length"] = str(len(self.body))
        if not keeps:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def said(status: HTTPStatus, text: str, **headers: str) -> Response:
    """A response of one line of text; in the names of headers underscores are hyphens."""
    return Response(status, f"{text}\n".encode(), headers={name.replace("_", "-"): value for name, value in headers.items()})
