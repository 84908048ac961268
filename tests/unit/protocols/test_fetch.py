"""Where uploads may be fetched from, and what happens on the way. Everything is on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from vo_server.errors import Fault, TooLargeFault, UsageFault
from vo_server.protocols import fetch as module
from vo_server.protocols.fetch import MARK, Allowed, fetch


class Pages(BaseHTTPRequestHandler):
    """/n answers n bytes; /to?url redirects; /seen tells the headers."""

    def do_GET(self) -> None:
        place, _, query = self.path.partition("?")
        if place == "/to":
            self.send_response(302)
            self.send_header("Location", query)
            self.end_headers()
            return
        body = str(self.headers).encode() if place == "/seen" else b"x" * int(place[1:] or 0)
        self.send_response(404 if place == "/404" else 200)
        self.end_headers()
        self.wfile.write(body)

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
    for allowed in (Allowed([site]), Allowed(["127.0.0.1"]), Allowed(own=[site])):
        with fetch(f"http://{site}/7", allowed, 7) as file:
            assert file.read() == b"x" * 7
    with fetch(f"http://{site}/seen", Allowed([site]), 1000) as file:
        assert MARK.encode() in file.read()


@pytest.mark.parametrize(
    ("url", "hosts", "said"),
    [
        ("http://{site}/1", [], "takes no uploads from 127.0.0.1"),
        ("http://{site}/1", ["example.org"], "uploads by URL come from example.org"),
        ("http://localhost:{port}/1", ["localhost"], "private address"),
        ("http://127.1:{port}/1", ["127.0.0.1"], "takes no uploads"),
        ("http://[::ffff:127.0.0.1]:{port}/1", ["[::1]"], "takes no uploads"),
        ("http://user@{site}/1", ["127.0.0.1"], "is not taken"),
        ("file:///etc/passwd", ["127.0.0.1"], "is not taken"),
        ("ftp://127.0.0.1/x", ["127.0.0.1"], "is not taken"),
        ("vos://x!y/z", ["127.0.0.1"], "is not taken"),
        ("http://127.0.0.1:99999/", ["127.0.0.1"], "no port"),
        ("http://{site}/404", ["127.0.0.1"], "answers 404"),
        ("http://{site}/to?http://localhost:{port}/1", ["127.0.0.1"], "takes no uploads from localhost"),
        ("http://{site}/to?http://localhost:{port}/1", ["127.0.0.1", "localhost"], "private address"),
        ("http://{site}/to?file:///etc/passwd", ["127.0.0.1"], "is not taken"),
        ("http://{site}/to?/to?/to?/to?/to?/to?/1", ["127.0.0.1"], "more than 5 times"),
        ("http://no-such-host.invalid/", ["no-such-host.invalid"], "no host"),
    ],
)
def test_refused(site: str, url: str, hosts: list[str], said: str) -> None:
    with pytest.raises(UsageFault, match=said):
        fetch(url.format(site=site, port=site.partition(":")[2]), Allowed(hosts), 100)


def test_a_redirect_is_followed(site: str) -> None:
    with fetch(f"http://{site}/to?/5", Allowed([site]), 100) as file:
        assert len(file.read()) == 5


def test_too_large(site: str) -> None:
    with pytest.raises(TooLargeFault, match=r"1,000"):
        fetch(f"http://{site}/100000", Allowed([site]), 1000)


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Fault, match="timed out"):
            fetch(f"http://{place}/", Allowed([place]), 1000)


def test_the_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name means may change between the look and the connection: the connection goes to what was looked at."""
    told = [[(2, 1, 6, "", ("127.0.0.1", 80))], [(2, 1, 6, "", ("93.184.216.34", 80))]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told.pop())
    assert Allowed(["example.org"]).address(urlsplit("http://example.org/")) == ("93.184.216.34", 80)
    with pytest.raises(UsageFault, match="private"):
        Allowed(["example.org"]).address(urlsplit("http://example.org/"))
