"""The fetch of an UPLOAD from a URL: only from hosts that the operator lists, and from this server itself.

A host listed by name must have public addresses; a private or loopback address must be listed itself. The connection
goes to the very address that was checked, and each redirect is checked anew.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import SplitResult, urljoin, urlsplit

from typing_extensions import override

from vo_server.errors import Code, TooLargeError, UsageError

UPLOAD_HEADER = "X-VO-Server-Upload"
"""A header of the server's own requests: a request that carries it may not cause a further fetch."""

FETCH_TIMEOUT_SECONDS = 30.0
MAX_REDIRECTS = 5
CHUNK_BYTES = 1 << 18
MAX_MEMORY_BYTES = 1 << 20

_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class UploadHosts:
    """The hosts from which uploads may be fetched: `hosts` are host or host:port, `own_addresses` those (host:port) of
    this server."""

    hosts: Collection[str] = ()
    own_addresses: Collection[str] = ()

    def resolve_address(self, url: SplitResult) -> tuple[str, int]:
        """Return the address to connect to for a URL.

        Raises UsageError where the host is not allowed or unknown.
        """
        host, port = _parse_host(url)
        mine = f"{host}:{port}" in self.own_addresses
        if not mine and not {host, f"{host}:{port}"} & set(self.hosts):
            hint = f"uploads by URL come from {', '.join(self.hosts)}" if self.hosts else "send the table inline"
            raise UsageError(f"this service takes no uploads from {host}", hint=hint, code=Code.UPLOAD_NOT_ALLOWED)
        found = _resolve_host(host, port)
        if mine or all(map(_is_public, found)) or host in found:
            return found[0], port
        hint = "the operator may list the address itself"
        raise UsageError(f"{host} has a private address", hint=hint, code=Code.UPLOAD_NOT_ALLOWED)


def _parse_host(url: SplitResult) -> tuple[str, int]:
    try:
        port = url.port
    except ValueError:
        raise UsageError(f"{url.geturl()!r} has an invalid port", code=Code.UPLOAD_BAD_REFERENCE) from None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or url.username is not None:
        hint = "param:name, or a URL of http or https"
        raise UsageError(f"unsupported UPLOAD URI {url.geturl()!r}", hint=hint, code=Code.UPLOAD_BAD_REFERENCE)
    return url.hostname.lower(), port or _DEFAULT_PORTS[url.scheme]


def _resolve_host(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UsageError(f"unknown host {host}", code=Code.UPLOAD_FETCH_FAILED) from None
    return [str(entry[4][0]) for entry in found]


def _is_public(address: str) -> bool:
    """Return whether an address is public. Of an address that embeds an IPv4 address, the embedded one decides."""
    found = ipaddress.ip_address(address)
    inner = [found]
    if isinstance(found, ipaddress.IPv6Address):
        inner += [a for a in (found.ipv4_mapped, found.sixtofour, *(found.teredo or ())) if a is not None]
        inner += [ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)] if found in _NAT64 else []
    return all(a.is_global and not a.is_multicast for a in inner[1:] or inner)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def fetch(url: str, hosts: UploadHosts, limit: int, earlier_bytes: int = 0) -> IO[bytes]:
    """Return the content of a URL as a file, open at its beginning.

    Raises UsageError where the URL is not allowed, not found or too slow; TooLargeError for more than `limit` bytes
    together with the `earlier_bytes` of other uploads.
    """
    until = time.monotonic() + FETCH_TIMEOUT_SECONDS
    for _ in range(MAX_REDIRECTS):
        parts = urlsplit(url)
        connection = _make_connection(parts, hosts.resolve_address(parts), until)
        try:
            with _close_at(until, connection):
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request(
                    "GET", path, headers={UPLOAD_HEADER: "1", "User-Agent": "vo_server", "Accept": "*/*"}
                )
                answer = connection.getresponse()
                if answer.status not in _REDIRECT_STATUSES:
                    return _read_body(answer, url, limit, earlier_bytes, until)
            url = urljoin(url, answer.getheader("Location") or "")
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= until:
                raise UsageError(
                    f"{url} took longer than {FETCH_TIMEOUT_SECONDS:g} s", code=Code.UPLOAD_FETCH_FAILED
                ) from None
            reason = str(error) or type(error).__name__
            raise UsageError(f"{url} cannot be read: {reason}", code=Code.UPLOAD_FETCH_FAILED) from None
        finally:
            connection.close()
    raise UsageError(f"{url} is redirected more than {MAX_REDIRECTS} times", code=Code.UPLOAD_FETCH_FAILED)


@contextmanager
def _close_at(until: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Shut a connection down at a time, if it is still in use: a server that sends a byte now and then never exceeds a
    socket timeout."""

    def cut() -> None:
        with suppress(OSError, AttributeError):  # closed by itself, or not open yet
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read_body(answer: http.client.HTTPResponse, url: str, limit: int, before: int, until: float) -> IO[bytes]:
    if answer.status != 200:
        raise UsageError(f"{url} returned {answer.status} {answer.reason}", code=Code.UPLOAD_FETCH_FAILED)
    if answer.length is not None and before + answer.length > limit:
        raise size_error(before + answer.length, limit)
    with ExitStack() as stack:
        file = stack.enter_context(SpooledTemporaryFile[bytes](MAX_MEMORY_BYTES))
        while piece := answer.read1(CHUNK_BYTES):
            file.write(piece)
            if before + file.tell() > limit:
                raise size_error(before + file.tell(), limit, "at least ")
        if time.monotonic() >= until:  # what was cut off may look like all that there is
            raise TimeoutError
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        file.seek(0)
        stack.pop_all()
        return file


def size_error(size: int, limit: int, more: str = "") -> TooLargeError:
    """Return the error of uploads that have too many bytes."""
    message = f"the uploads have {more}{size:,} bytes; the limit of this service is {limit:,}"
    return TooLargeError(message, code=Code.UPLOAD_TOO_LARGE)


def _make_connection(url: SplitResult, address: tuple[str, int], until: float) -> http.client.HTTPConnection:
    host, port = _parse_host(url)
    left = max(0.1, until - time.monotonic())
    if url.scheme == "https":
        return _PinnedSecureConnection(host, port, address, left)
    return _PinnedConnection(host, port, address, left)


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the host name resolves to now."""

    def __init__(self, host: str, port: int, address: tuple[str, int], timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address = address

    @override
    def connect(self) -> None:
        self.sock = socket.create_connection(self._address, self.timeout)


class _PinnedSecureConnection(http.client.HTTPSConnection):
    """A TLS connection to an address that was checked; the certificate must be that of the host name."""

    def __init__(self, host: str, port: int, address: tuple[str, int], timeout: float) -> None:
        self._ssl_context = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout, context=self._ssl_context)
        self._address = address

    @override
    def connect(self) -> None:
        plain = socket.create_connection(self._address, self.timeout)
        self.sock = self._ssl_context.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()
