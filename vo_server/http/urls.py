"""The URL under which the client sees the server, which behind a proxy differs from the requested one.

In this order: the operator's fixed URL; Forwarded (RFC 7239); X-Forwarded-Proto, -Host, -Port and -Prefix; the request
itself with its root path.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.requests import Request

_HOST = re.compile(r"(?i)(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~%-]+)*/?")


def get_base_url(request: Request, public_url: str = "") -> str:
    """Return the server's URL without a trailing slash."""
    if public_url:
        return public_url.rstrip("/")
    headers = request.headers
    forwarded = _parse_forwarded(headers.get("forwarded", ""))
    scheme = forwarded.get("proto") or _first_element(headers, "x-forwarded-proto") or request.url.scheme
    host = forwarded.get("host") or _first_element(headers, "x-forwarded-host")
    if not host or not _HOST.fullmatch(host):
        host = request.url.netloc
    elif ":" not in host.rpartition("]")[2]:
        host += _port_suffix(_first_element(headers, "x-forwarded-port"), scheme)
    prefix = _first_element(headers, "x-forwarded-prefix")
    if not _PREFIX.fullmatch(prefix):
        prefix = ""
    root = prefix or str(request.scope.get("root_path", ""))
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}{root.rstrip('/')}"


def get_request_url(request: Request, public_url: str = "") -> str:
    """Return the URL of a request as the client sees it."""
    query = f"?{request.url.query}" if request.url.query else ""
    root = str(request.scope.get("root_path", ""))
    return get_base_url(request, public_url) + request.url.path.removeprefix(root) + query


def get_client_address(request: Request) -> str:
    """Return the address of the client, for IPv6 its /64 network, which is one household.

    A proxy without a public address is trusted: the last address that it reports is the client's.
    """
    address = _find_client(request)
    return _normalise_address(address) or address


def is_public_client(request: Request) -> bool:
    """Return whether the client has a public address, or one that a proxy hides."""
    address = _find_client(request)
    return address != "" and (not _normalise_address(address) or _is_public(_strip_port(address)))


def _find_client(request: Request) -> str:
    peer = request.client.host if request.client else ""
    forwarded = _last_element(request.headers.get("forwarded", ""))
    reported = (
        _parse_forwarded(forwarded).get("for", "")
        if forwarded
        else _last_element(request.headers.get("x-forwarded-for", ""))
    )
    return reported if reported and not _is_public(peer) else peer


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:  # a Unix socket
        return False


def _normalise_address(address: str) -> str:
    """Return an address in its canonical form without port; empty if it is none."""
    try:
        parsed = ip_address(_strip_port(address))
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)


def _strip_port(address: str) -> str:
    """Return an address without brackets and port."""
    bare = address[1:].partition("]")[0] if address.startswith("[") else address
    return bare.partition(":")[0] if bare.count(":") == 1 else bare


def _last_element(header: str) -> str:
    return str(header).rpartition(",")[2].strip()


def _first_element(headers: Headers, name: str) -> str:
    """Return the first element of a list: that of the proxy that the client talked to."""
    return str(headers.get(name, "")).split(",")[0].strip()


def _port_suffix(port: str, scheme: str) -> str:
    default = {"http": "80", "https": "443"}.get(scheme)
    return f":{port}" if port.isdigit() and port != default else ""


def _parse_forwarded(header: str) -> dict[str, str]:
    """Return the parameters of the first element of a Forwarded header."""
    pairs = (pair.partition("=") for pair in header.split(",")[0].split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if value}
