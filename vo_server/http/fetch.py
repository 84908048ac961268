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
        is_own = f"{host}:{port}" in self.own_addresses
        if not is_own and not {host, f"{host}:{port}"} & set(self.hosts):
            hint = f"uploads by URL come from {', '.join(self.hosts)}" if self.hosts else "send the table inline"
            raise UsageError(f"this service takes no uploads from {host}", hint=hint, code=Code.UPLOAD_NOT_ALLOWED)
        addresses = _resolve_host(host, port)
        if is_own or all(map(_is_public, addresses)) or host in addresses:
            return addresses[0], port
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
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UsageError(f"unknown host {host}", code=Code.UPLOAD_FETCH_FAILED) from None
    return [str(entry[4][0]) for entry in entries]


def _is_public(address: str) -> bool:
    """Return whether an address is public. Of an address that embeds an IPv4 address, the embedded one decides."""
    parsed = ipaddress.ip_address(address)
    candidates = [parsed]
    if isinstance(parsed, ipaddress.IPv6Address):
        candidates += [a for a in (parsed.ipv4_mapped, parsed.sixtofour, *(parsed.teredo or ())) if a is not None]
        candidates += [ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)] if parsed in _NAT64 else []
    return all(a.is_global and not a.is_multicast for a in candidates[1:] or candidates)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def fetch(url: str, hosts: UploadHosts, limit: int, earlier_bytes: int = 0) -> IO[bytes]:
    """Return the content of a URL as a file, open at its beginning.

    Raises UsageError where the URL is not allowed, not found or too slow; TooLargeError for more than `limit` bytes
    together with the `earlier_bytes` of other uploads.
    """
    deadline = time.monotonic() + FETCH_TIMEOUT_SECONDS
    for _ in range(MAX_REDIRECTS):
        parts = urlsplit(url)
        connection = _make_connection(parts, hosts.resolve_address(parts), deadline)
        try:
            with _close_at(deadline, connection):
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request(
                    "GET", path, headers={UPLOAD_HEADER: "1", "User-Agent": "vo_server", "Accept": "*/*"}
                )
                with connection.getresponse() as response:
                    if response.status not in _REDIRECT_STATUSES:
                        return _read_body(response, url, limit, earlier_bytes, deadline)
                    url = urljoin(url, response.getheader("Location") or "")
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= deadline:
                raise UsageError(
                    f"{url} took longer than {FETCH_TIMEOUT_SECONDS:g} s", code=Code.UPLOAD_FETCH_FAILED
                ) from None
            reason = str(error) or type(error).__name__
            raise UsageError(f"{url} cannot be read: {reason}", code=Code.UPLOAD_FETCH_FAILED) from None
        finally:
            connection.close()
    raise UsageError(f"{url} is redirected more than {MAX_REDIRECTS} times", code=Code.UPLOAD_FETCH_FAILED)


@contextmanager
def _close_at(deadline: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Shut a connection down at a time, if it is still in use: a server that sends a byte now and then never exceeds a
    socket timeout."""

    def shut_down() -> None:
        with suppress(OSError, AttributeError):  # closed by itself, or not open yet
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut_down)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read_body(
    response: http.client.HTTPResponse, url: str, limit: int, earlier_bytes: int, deadline: float
) -> IO[bytes]:
    if response.status != 200:
        raise UsageError(f"{url} returned {response.status} {response.reason}", code=Code.UPLOAD_FETCH_FAILED)
    if response.length is not None and earlier_bytes + response.length > limit:
        raise size_error(earlier_bytes + response.length, limit)
    with ExitStack() as stack:
        file = stack.enter_context(SpooledTemporaryFile[bytes](MAX_MEMORY_BYTES))
        while chunk := response.read1(CHUNK_BYTES):
            file.write(chunk)
            if earlier_bytes + file.tell() > limit:
                raise size_error(earlier_bytes + file.tell(), limit, "at least ")
        if time.monotonic() >= deadline:  # a body that was cut off may look complete
            raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        file.seek(0)
        stack.pop_all()
        return file


def size_error(size: int, limit: int, more: str = "") -> TooLargeError:
    """Return the error of uploads that have too many bytes."""
    message = f"the uploads have {more}{size:,} bytes; the limit of this service is {limit:,}"
    return TooLargeError(message, code=Code.UPLOAD_TOO_LARGE)


def _make_connection(url: SplitResult, address: tuple[str, int], deadline: float) -> http.client.HTTPConnection:
    host, port = _parse_host(url)
    timeout = max(0.1, deadline - time.monotonic())
    if url.scheme == "https":
        return _PinnedSecureConnection(host, port, address, timeout)
    return _PinnedConnection(host, port, address, timeout)


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to an address that was checked, even if the host name resolves to another one now."""

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
