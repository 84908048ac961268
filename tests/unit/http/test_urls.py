"""Under which URL the client sees the server, behind proxies of every kind."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from vo_server.http.urls import get_base_url, get_client_address, get_request_url, is_public_client


def request(headers: dict[str, str] | None = None, root_path: str = "", path: str = "/tap/sync") -> Request:
    given = {"host": "127.0.0.1:8000", **(headers or {})}
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "path": root_path + path,
            "root_path": root_path,
            "query_string": b"QUERY=x",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
    )


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "vo.example.org"}, "https://vo.example.org"),
        ({"x-forwarded-host": "vo.example.org", "x-forwarded-port": "8443", "x-forwarded-proto": "https"},
         "https://vo.example.org:8443"),
        ({"x-forwarded-host": "vo.example.org", "x-forwarded-port": "443", "x-forwarded-proto": "https"},
         "https://vo.example.org"),
        ({"x-forwarded-host": "outer.example.org, inner", "x-forwarded-prefix": "/vo/"}, "http://outer.example.org/vo"),
        ({"forwarded": 'for=1.2.3.4;proto=https;host="vo.example.org:444", for=5.6.7.8'}, "https://vo.example.org:444"),
        ({"forwarded": "proto=https;host=a.example.org", "x-forwarded-host": "b.example.org"}, "https://a.example.org"),
        ({"x-forwarded-host": "[2001:db8::1]:8080"}, "http://[2001:db8::1]:8080"),
        ({"x-forwarded-host": '"><script>'}, "http://127.0.0.1:8000"),
        ({"x-forwarded-proto": "javascript"}, "http://127.0.0.1:8000"),
        ({"x-forwarded-prefix": "/a b<c>"}, "http://127.0.0.1:8000"),
    ],
)  # fmt: skip
def test_proxies(headers: dict[str, str], wanted: str) -> None:
    assert get_base_url(request(headers)) == wanted


def test_fixed_url_rules() -> None:
    assert (
        get_base_url(request({"x-forwarded-host": "other"}), "https://vo.example.org/2mass/")
        == "https://vo.example.org/2mass"
    )


def test_root_path() -> None:
    assert get_base_url(request(root_path="/vo")) == "http://127.0.0.1:8000/vo"
    assert get_request_url(request(root_path="/vo")) == "http://127.0.0.1:8000/vo/tap/sync?QUERY=x"


def test_asked_url_is_the_clients() -> None:
    asked = get_request_url(request({"x-forwarded-host": "vo.example.org", "x-forwarded-proto": "https"}))
    assert asked == "https://vo.example.org/tap/sync?QUERY=x"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("192.0.2.7", {}, "192.0.2.7"),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, "192.0.2.7"),
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.1, 192.0.2.7"}, "192.0.2.7"),
        ("10.1.1.1", {"forwarded": "for=192.0.2.7:4711;proto=https"}, "192.0.2.7"),
        ("10.1.1.1", {"forwarded": 'for="[2001:db8:1:2:3::1]:80"', "x-forwarded-for": "10.2.2.2"}, "2001:db8:1:2::/64"),
        ("8.8.8.8", {"x-forwarded-for": "192.0.2.7"}, "8.8.8.8"),
        ("127.0.0.1", {"forwarded": "for=_hidden"}, "_hidden"),
        ("::1", {}, "::/64"),
        ("::ffff:192.0.2.7", {}, "192.0.2.7"),
        (None, {"x-forwarded-for": "192.0.2.7"}, "192.0.2.7"),
        (None, {}, ""),
    ],
)
def test_whose_request_it_is(peer: str | None, headers: dict[str, str], client: str) -> None:
    """A client that comes by itself is not believed to be another; a proxy of ours is."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": (peer, 1234) if peer is not None else None}
    assert get_client_address(Request(scope)) == client


@pytest.mark.parametrize(
    ("peer", "headers", "outside"),
    [
        ("127.0.0.1", {}, False),
        ("10.1.2.3", {}, False),
        ("fd00::1", {}, False),
        (None, {}, False),
        ("8.8.8.8", {}, True),
        ("2600::1", {}, True),
        ("8.8.8.8", {"x-forwarded-for": "127.0.0.1"}, True),
        ("127.0.0.1", {"x-forwarded-for": "8.8.8.8"}, True),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1, 8.8.8.8"}, True),
        ("127.0.0.1", {"forwarded": 'for="[2600::1]:443"'}, True),
        ("127.0.0.1", {"forwarded": "for=_hidden"}, True),
        ("127.0.0.1", {"x-forwarded-for": "192.168.1.5"}, False),
    ],
)
def test_who_comes_from_outside(peer: str | None, headers: dict[str, str], outside: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": (peer, 1234) if peer is not None else None}
    assert is_public_client(Request(scope)) is outside
