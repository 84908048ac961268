"""Under which URL the client sees us: behind a proxy it is not the one that we are asked for.

In this order: the operator's fixed URL; Forwarded (RFC 7239); X-Forwarded-Proto, -Host, -Port and -Prefix; the
request itself with its root path.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.requests import Request

_HOST = re.compile(r"(?i)(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~%-]+)*/?")


def base_url(request: Request, public_url: str = "") -> str:
    """The server's URL without a slash at its end."""
    if public_url:
        return public_url.rstrip("/")
    headers = request.headers
    forwarded = _forwarded(headers.get("forwarded", ""))
    scheme = forwarded.get("proto") or _first(headers, "x-forwarded-proto") or request.url.scheme
    host = forwarded.get("host") or _first(headers, "x-forwarded-host")
    if not host or not _HOST.fullmatch(host):
        host = request.url.netloc
    elif ":" not in host.rpartition("]")[2]:
        host += _port(_first(headers, "x-forwarded-port"), scheme)
    prefix = _first(headers, "x-forwarded-prefix")
    if not _PREFIX.fullmatch(prefix):
        prefix = ""
    root = prefix or str(request.scope.get("root_path", ""))
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}{root.rstrip('/')}"


def asked_url(request: Request, public_url: str = "") -> str:
    """The URL of a request as the client sees it."""
    query = f"?{request.url.query}" if request.url.query else ""
    root = str(request.scope.get("root_path", ""))
    return base_url(request, public_url) + request.url.path.removeprefix(root) + query


def _first(headers: Headers, name: str) -> str:
    """The first of a list: the proxy that the client talked to."""
    return str(headers.get(name, "")).split(",")[0].strip()


def _port(port: str, scheme: str) -> str:
    usual = {"http": "80", "https": "443"}.get(scheme)
    return f":{port}" if port.isdigit() and port != usual else ""


def _forwarded(header: str) -> dict[str, str]:
    """The parameters of the first element of a Forwarded header."""
    pairs = (pair.partition("=") for pair in header.split(",")[0].split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if value}
