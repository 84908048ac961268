"""The fetch of uploads: allowed hosts, redirects, limits and TLS. All servers are local."""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from vo_server.errors import Code, TooLargeError, UsageError
from vo_server.http import fetch as module
from vo_server.http.fetch import UPLOAD_HEADER, UploadHosts, fetch


class Pages(BaseHTTPRequestHandler):
    """A server: /n has n bytes, /to?URL redirects, /seen has the request headers, /short and /long are incomplete,
    /drip never ends."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/drip":
            self.drip()
            return
        if path in ("/short", "/long"):
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b"x" * 7)
            return
        if path == "/to":
            self.send_response(302)
            self.send_header("Location", query)
            self.end_headers()
            return
        body = str(self.headers).encode() if path == "/seen" else b"x" * int(path[1:] or 0)
        self.send_response(404 if path == "/404" else 200)
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        """Send a byte of a header at intervals, until the client disconnects."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not select.select([self.connection], [], [], 0.02)[0]:
                self.wfile.write(b"x")

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_fetches_from_listed_address(site: str) -> None:
    for allowed in (UploadHosts([site]), UploadHosts(["127.0.0.1"]), UploadHosts(own_addresses=[site])):
        with fetch(f"http://{site}/7", allowed, 7) as file:
            assert file.read() == b"x" * 7
    with fetch(f"http://{site}/seen", UploadHosts([site]), 1000) as file:
        assert UPLOAD_HEADER.encode() in file.read()


@pytest.mark.parametrize(
    ("url", "hosts", "code"),
    [
        ("http://{site}/1", [], Code.UPLOAD_NOT_ALLOWED),
        ("http://{site}/1", ["example.org"], Code.UPLOAD_NOT_ALLOWED),
        ("http://localhost:{port}/1", ["localhost"], Code.UPLOAD_NOT_ALLOWED),
        ("http://127.1:{port}/1", ["127.0.0.1"], Code.UPLOAD_NOT_ALLOWED),
        ("http://[::ffff:127.0.0.1]:{port}/1", ["[::1]"], Code.UPLOAD_NOT_ALLOWED),
        ("http://user@{site}/1", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("file:///etc/passwd", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("ftp://127.0.0.1/x", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("vos://x!y/z", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("http://127.0.0.1:99999/", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("http://{site}/404", ["127.0.0.1"], Code.UPLOAD_FETCH_FAILED),
        ("http://{site}/to?http://localhost:{port}/1", ["127.0.0.1"], Code.UPLOAD_NOT_ALLOWED),
        ("http://{site}/to?http://localhost:{port}/1", ["127.0.0.1", "localhost"], Code.UPLOAD_NOT_ALLOWED),
        ("http://{site}/to?file:///etc/passwd", ["127.0.0.1"], Code.UPLOAD_BAD_REFERENCE),
        ("http://{site}/to?/to?/to?/to?/to?/to?/1", ["127.0.0.1"], Code.UPLOAD_FETCH_FAILED),
        ("http://no-such-host.invalid/", ["no-such-host.invalid"], Code.UPLOAD_FETCH_FAILED),
    ],
)
def test_rejects_urls(site: str, url: str, hosts: list[str], code: Code) -> None:
    with pytest.raises(UsageError) as raised:
        fetch(url.format(site=site, port=site.partition(":")[2]), UploadHosts(hosts), 100)
    assert raised.value.code == code


def test_follows_redirect(site: str) -> None:
    with fetch(f"http://{site}/to?/5", UploadHosts([site]), 100) as file:
        assert len(file.read()) == 5


def test_rejects_large_files(site: str) -> None:
    with pytest.raises(TooLargeError) as raised:
        fetch(f"http://{site}/100000", UploadHosts([site]), 1000)
    assert raised.value.code == Code.UPLOAD_TOO_LARGE
    assert "1,000" in str(raised.value)
    with pytest.raises(TooLargeError) as raised:
        fetch(f"http://{site}/long", UploadHosts([site]), 1000)
    assert raised.value.code == Code.UPLOAD_TOO_LARGE
    assert "5,000 bytes" in str(raised.value)
    with pytest.raises(TooLargeError) as raised:
        fetch(f"http://{site}/long", UploadHosts([site]), 5800, earlier_bytes=900)
    assert raised.value.code == Code.UPLOAD_TOO_LARGE
    assert "5,900 bytes" in str(raised.value)


def test_rejects_incomplete_response(site: str) -> None:
    with pytest.raises(UsageError) as raised:
        fetch(f"http://{site}/short", UploadHosts([site]), 10_000)
    assert raised.value.code == Code.UPLOAD_FETCH_FAILED
    assert "IncompleteRead" in str(raised.value)


def test_timeout_of_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        for scheme in ("http", "https"):
            with pytest.raises(UsageError) as raised:
                fetch(f"{scheme}://{host}/", UploadHosts([host]), 1000)
            assert raised.value.code == Code.UPLOAD_FETCH_FAILED
            assert "0.2 s" in str(raised.value)


def test_timeout_of_slow_server(monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(UsageError) as raised:
        fetch(f"http://{site}/drip", UploadHosts([site]), 1000)
    assert raised.value.code == Code.UPLOAD_FETCH_FAILED
    assert "0.3 s" in str(raised.value)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::",
     "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1",
     "2001:0:4136:e378:8000:63bf:f5ff:fffe"],
)  # fmt: skip
def test_rejects_names_of_private_addresses(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 80))])
    with pytest.raises(UsageError) as raised:
        UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/"))
    assert raised.value.code == Code.UPLOAD_NOT_ALLOWED


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_resolves_names_of_public_addresses(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 80))])
    assert UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/")) == (address, 80)


def test_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may resolve to another address later: the connection goes to the address that was checked."""
    answers = [[(2, 1, 6, "", ("127.0.0.1", 80))], [(2, 1, 6, "", ("93.184.216.34", 80))]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.pop())
    assert UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/")) == ("93.184.216.34", 80)
    with pytest.raises(UsageError) as raised:
        UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/"))
    assert raised.value.code == Code.UPLOAD_NOT_ALLOWED


# -------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a self-signed certificate of archive.example and 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    names = "subjectAltName=DNS:archive.example,IP:127.0.0.1"
    arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=archive.example"
    process = subprocess.run(
        ["openssl", *arguments.split(), "-addext", names, "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    file.write_bytes(process.stdout)
    return file


@pytest.fixture(scope="module")
def tls_port(certificate: Path) -> Iterator[int]:
    """Start a server with TLS; return its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def looked_up_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Resolve names in .example to 127.0.0.1 once, and to another address afterwards; return the names."""
    original, looked_up = socket.getaddrinfo, list[str]()

    def resolve(host: str, port: int, *arguments: Any, **keywords: Any) -> Any:
        if not host.endswith(".example"):
            return original(host, port, *arguments, **keywords)
        looked_up.append(host)
        return original("127.0.0.1" if looked_up.count(host) == 1 else "203.0.113.1", port, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return looked_up


def test_tls(tls_port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch, looked_up_names: list[str]) -> None:
    """The certificate must be that of the name, although the connection goes to the address that was checked."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for host in (f"127.0.0.1:{tls_port}", f"archive.example:{tls_port}"):
        with fetch(f"https://{host}/7", UploadHosts(own_addresses=[host]), 7) as file:
            assert file.read() == b"x" * 7
    assert looked_up_names == ["archive.example"]


def test_tls_rejects_other_name(
    tls_port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch, looked_up_names: list[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(UsageError) as raised:
        fetch(f"https://other.example:{tls_port}/7", UploadHosts(own_addresses=[f"other.example:{tls_port}"]), 7)
    assert raised.value.code == Code.UPLOAD_FETCH_FAILED
    assert "hostname mismatch" in str(raised.value).lower()
    assert looked_up_names == ["other.example"]


def test_tls_rejects_unknown_authority(tls_port: int) -> None:
    host = f"127.0.0.1:{tls_port}"
    with pytest.raises(UsageError) as raised:
        fetch(f"https://{host}/7", UploadHosts([host]), 7)
    assert raised.value.code == Code.UPLOAD_FETCH_FAILED
    assert "certificate verify failed" in str(raised.value)


def test_tls_redirect_only_to_listed_hosts(tls_port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    host = f"127.0.0.1:{tls_port}"
    for url in (f"https://localhost:{tls_port}/1", f"http://127.0.0.2:{tls_port}/1"):
        with pytest.raises(UsageError) as raised:
            fetch(f"https://{host}/to?{url}", UploadHosts([host]), 10)
        assert raised.value.code == Code.UPLOAD_NOT_ALLOWED
