"""Where uploads may be fetched from, and what happens on the way. Everything is on this machine."""

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
    """/n answers n bytes; /to?url redirects; /seen tells the headers; /short breaks off; /drip never ends."""

    def do_GET(self) -> None:
        place, _, query = self.path.partition("?")
        if place == "/drip":
            self.drip()
            return
        if place in ("/short", "/said"):
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b"x" * 7)
            return
        if place == "/to":
            self.send_response(302)
            self.send_header("Location", query)
            self.end_headers()
            return
        body = str(self.headers).encode() if place == "/seen" else b"x" * int(place[1:] or 0)
        self.send_response(404 if place == "/404" else 200)
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        """A byte of the headers now and then, until nobody listens."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not select.select([self.connection], [], [], 0.02)[0]:
                self.wfile.write(b"x")

    def log_message(self, *said: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_listed_address(site: str) -> None:
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
def test_refused(site: str, url: str, hosts: list[str], code: Code) -> None:
    with pytest.raises(UsageError) as raised:
        fetch(url.format(site=site, port=site.partition(":")[2]), UploadHosts(hosts), 100)
    assert raised.value.code == code


def test_a_redirect_is_followed(site: str) -> None:
    with fetch(f"http://{site}/to?/5", UploadHosts([site]), 100) as file:
        assert len(file.read()) == 5


def test_too_large(site: str) -> None:
    with pytest.raises(TooLargeError, match=r"have at least [\d,]+ bytes; the limit of this service is 1,000"):
        fetch(f"http://{site}/100000", UploadHosts([site]), 1000)
    with pytest.raises(TooLargeError, match="have 5,000 bytes; the limit of this service is 1,000"):
        fetch(f"http://{site}/said", UploadHosts([site]), 1000)
    with pytest.raises(TooLargeError, match="have 5,900 bytes; the limit of this service is 5,800"):
        fetch(f"http://{site}/said", UploadHosts([site]), 5800, earlier_bytes=900)


def test_what_breaks_off_is_not_taken_for_the_whole(site: str) -> None:
    with pytest.raises(UsageError, match="cannot be read: IncompleteRead"):
        fetch(f"http://{site}/short", UploadHosts([site]), 10_000)


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("http", "https"):
            with pytest.raises(UsageError, match=r"took longer than 0.2 s"):
                fetch(f"{scheme}://{place}/", UploadHosts([place]), 1000)


def test_too_slow_though_never_late(monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(UsageError, match=r"took longer than 0.3 s"):
        fetch(f"http://{site}/drip", UploadHosts([site]), 1000)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::",
     "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1",
     "2001:0:4136:e378:8000:63bf:f5ff:fffe"],
)  # fmt: skip
def test_a_name_may_not_lead_within(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 80))])
    with pytest.raises(UsageError, match="private"):
        UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/"))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_a_name_may_lead_without(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (address, 80))])
    assert UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/")) == (address, 80)


def test_the_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name means may change between the look and the connection: the connection goes to what was looked at."""
    told = [[(2, 1, 6, "", ("127.0.0.1", 80))], [(2, 1, 6, "", ("93.184.216.34", 80))]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told.pop())
    assert UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/")) == ("93.184.216.34", 80)
    with pytest.raises(UsageError, match="private"):
        UploadHosts(["example.org"]).resolve_address(urlsplit("http://example.org/"))


# -------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of archive.example and of 127.0.0.1, signed by itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    names = "subjectAltName=DNS:archive.example,IP:127.0.0.1"
    said = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=archive.example"
    made = subprocess.run(
        ["openssl", *said.split(), "-addext", names, "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    file.write_bytes(made.stdout)
    return file


@pytest.fixture(scope="module")
def secure(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS."""
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
def named(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that lead to this machine, but each once only: who looks again is led elsewhere."""
    known, looked = socket.getaddrinfo, list[str]()

    def told(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if not host.endswith(".example"):
            return known(host, port, *rest, **more)
        looked.append(host)
        return known("127.0.0.1" if looked.count(host) == 1 else "203.0.113.1", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", told)
    return looked


def test_tls(secure: int, certificate: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]) -> None:
    """The certificate is that of the name, though the connection goes to the address that was looked at."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for place in (f"127.0.0.1:{secure}", f"archive.example:{secure}"):
        with fetch(f"https://{place}/7", UploadHosts(own_addresses=[place]), 7) as file:
            assert file.read() == b"x" * 7
    assert named == ["archive.example"]


def test_tls_of_another_name(secure: int, certificate: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(UsageError, match=r"cannot be read: .*(?i:hostname mismatch)"):
        fetch(f"https://other.example:{secure}/7", UploadHosts(own_addresses=[f"other.example:{secure}"]), 7)
    assert named == ["other.example"]


def test_tls_of_nobody_we_know(secure: int) -> None:
    place = f"127.0.0.1:{secure}"
    with pytest.raises(UsageError, match=r"cannot be read: .*certificate verify failed"):
        fetch(f"https://{place}/7", UploadHosts([place]), 7)


def test_tls_may_lead_to_what_is_listed_alone(secure: int, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    place = f"127.0.0.1:{secure}"
    for url in (f"https://localhost:{secure}/1", f"http://127.0.0.2:{secure}/1"):
        with pytest.raises(UsageError, match="takes no uploads from"):
            fetch(f"https://{place}/to?{url}", UploadHosts([place]), 10)
