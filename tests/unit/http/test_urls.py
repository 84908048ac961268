"""The URL of the server and the address of the client, behind proxies."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from vo_server.http.urls import get_base_url, get_client_address, get_request_url, is_public_client


def make_request(headers: dict[str, str] | None = None, root_path: str = "", path: str = "/tap/sync") -> Request:
    all_headers = {"host": "127.0.0.1:8000", **(headers or {})}
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "path": root_path + path,
            "root_path": root_path,
            "query_string": b"QUERY=x",
            "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
        }
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
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
def test_base_url_behind_proxies(headers: dict[str, str], expected: str) -> None:
    assert get_base_url(make_request(headers)) == expected


def test_fixed_url_overrides_headers() -> None:
    assert (
        get_base_url(make_request({"x-forwarded-host": "other"}), "https://vo.example.org/2mass/")
        == "https://vo.example.org/2mass"
    )


def test_root_path() -> None:
    assert get_base_url(make_request(root_path="/vo")) == "http://127.0.0.1:8000/vo"
    assert get_request_url(make_request(root_path="/vo")) == "http://127.0.0.1:8000/vo/tap/sync?QUERY=x"


def test_request_url_is_that_of_client() -> None:
    url = get_request_url(make_request({"x-forwarded-host": "vo.example.org", "x-forwarded-proto": "https"}))
    assert url == "https://vo.example.org/tap/sync?QUERY=x"


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
def test_client_address(peer: str | None, headers: dict[str, str], client: str) -> None:
    """Forwarding headers are trusted from proxies without a public address only."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": encoded, "client": (peer, 1234) if peer is not None else None}
    assert get_client_address(Request(scope)) == client


@pytest.mark.parametrize(
    ("peer", "headers", "is_public"),
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
def test_public_clients(peer: str | None, headers: dict[str, str], is_public: bool) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": encoded, "client": (peer, 1234) if peer is not None else None}
    assert is_public_client(Request(scope)) is is_public
