"""Requests as HTTP/1.1 writes them (RFC 9112): GET and HEAD, without a body (pure)."""

import re
from http import HTTPStatus
from typing import NamedTuple

METHODS = ("GET", "HEAD")
_LINE = re.compile(r"([A-Za-z]{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0-\x08\x0a-\x1f\x7f]*)")
_MOST_HEADERS = 100
_ONCE = ("host", "content-length", "authorization")


class Rejected(Exception):
    """A request that cannot be answered, with the status that says so; the connection ends."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Request(NamedTuple):
    """A request; the names of ``headers`` are in lower case. ``keeps``: the connection is for further ones."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keeps: bool


def parse(head: bytes) -> Request:
    """Read a request, from its first byte to the empty line. Raises Rejected."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    line = _LINE.fullmatch(first)
    if not line:
        raise Rejected(HTTPStatus.BAD_REQUEST, "not a request of HTTP/1.1")
    method, target, major, minor = line.groups()
    if major != "1":
        raise Rejected(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1")
    if method not in METHODS:
        raise Rejected(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
    headers = _headers(lines)
    if minor != "0" and "host" not in headers:
        raise Rejected(HTTPStatus.BAD_REQUEST, "a Host header is missing")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a request has no body here")
    path, _, query = _origin(target).partition("?")
    closes = "close" in headers.get("connection", "").lower()
    return Request(method, path, query, headers, minor != "0" and not closes)


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MOST_HEADERS:
        raise Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {_MOST_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if not match:
            raise Rejected(HTTPStatus.BAD_REQUEST, "a header is not of the form NAME: VALUE")
        name, value = match[1].lower(), match[2].strip(" \t")
        if name in headers and name in _ONCE:
            raise Rejected(HTTPStatus.BAD_REQUEST, f"two {name} headers")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _origin(target: str) -> str:
    """The path and the query of a request target, which proxies may write with scheme and host (RFC 9112, section 3.2)."""
    if match := re.match(r"(?i)https?://[^/?#]*", target):
        target = target[match.end() :] or "/"
    if not target.startswith("/"):
        raise Rejected(HTTPStatus.BAD_REQUEST, "the path does not begin with /")
    return target
