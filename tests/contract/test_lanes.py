"""Many at once: a bound on the long queries, short ones that pass them, clients that take turns, and a polite no."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.test_streaming import ENDLESS, begin, busy, path, until

CONE = "/cone/psc?RA=266.4&DEC=-29&SR=3&VERB=1&RESPONSEFORMAT=csv"
SCHEMA = path("SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables", RESPONSEFORMAT="csv")


@pytest.fixture(scope="module")
def narrow(sky: Path, serving: Any) -> Iterator[Any]:
    """A server where one long query runs and two wait."""
    with serving(sky, VO_SERVER_QUERIES="1", VO_SERVER_QUEUE="2") as running:
        yield running


@pytest.fixture
def full(narrow: Any) -> Iterator[list[socket.socket]]:
    """Three clients: the query of one runs, those of the others wait."""
    assert until(lambda: busy(narrow.process.pid) < 0.1)
    with ExitStack() as stack:
        connections = []
        for n in range(3):
            connections.append(stack.enter_context(closing(ask(narrow.url, path(ENDLESS), f"192.0.2.{n}"))))
            if n == 0:
                assert until(lambda: busy(narrow.process.pid) > 0.3)
        assert until(lambda: refused(narrow.url, "192.0.2.9").status_code == 503)
        yield connections


def ask(url: str, path: str, client: str) -> socket.socket:
    return begin(url, f"{path} HTTP/1.1\r\nX-Forwarded-For: {client}\r\nX-Rest:")


def refused(url: str, client: str, **more: str) -> httpx.Response:
    """What a fourth long query is answered with; where it is not refused it would wait, and is given up."""
    try:
        return httpx.get(url + path(ENDLESS, **more), headers={"X-Forwarded-For": client}, timeout=1)
    except httpx.ReadTimeout:
        return httpx.Response(200)


@pytest.mark.parametrize(
    ("format", "holds"), [("votable", 'value="ERROR"'), ("csv", "TransientFault: "), ("json", '"status": "ERROR"')]
)
def test_past_the_bound_it_says_so(narrow: Any, full: Any, format: str, holds: str) -> None:
    answer = refused(narrow.url, "192.0.2.9", RESPONSEFORMAT=format)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 5
    assert holds in answer.text
    assert "1 queries are under way and 2 wait" in answer.text


def test_short_ones_do_not_wait(narrow: Any, full: Any) -> None:
    for _ in range(20):
        assert httpx.get(narrow.url + CONE, timeout=10).text.startswith("ra,dec,designation,dist")
        assert httpx.get(narrow.url + SCHEMA, timeout=10).text.split() == ["n", "9"]
    limited = path("SELECT TOP 3 ra FROM psc", RESPONSEFORMAT="csv")
    assert len(httpx.get(narrow.url + limited, timeout=10).text.split()) == 4


def test_who_leaves_gives_up_the_place(narrow: Any, full: list[socket.socket]) -> None:
    """Both that wait and the one that runs: then there is room again, and nothing runs."""
    full[2].close()
    assert until(lambda: refused(narrow.url, "192.0.2.9").status_code == 200)
    full[1].close()
    full[0].close()
    assert until(lambda: busy(narrow.process.pid) < 0.1)
    count = path("SELECT COUNT(*) AS n FROM psc AS a, xsc AS b WHERE a.ra > b.ra", RESPONSEFORMAT="csv")
    assert httpx.get(narrow.url + count, timeout=30).status_code == 200


def test_one_client_does_not_take_all(narrow: Any, full: list[socket.socket]) -> None:
    """Another comes in the place of the last of whoever has most that wait."""
    full[1].close()
    full[2].close()
    assert until(lambda: refused(narrow.url, "192.0.2.9").status_code == 200)
    with ExitStack() as stack:
        greedy = [stack.enter_context(closing(ask(narrow.url, path(ENDLESS), "192.0.2.50"))) for _ in range(2)]
        assert until(lambda: refused(narrow.url, "192.0.2.50").status_code == 503)
        stack.enter_context(closing(ask(narrow.url, path(ENDLESS), "192.0.2.51")))
        for connection in greedy:
            connection.settimeout(10)
        lost = greedy[1].recv(12)
        assert lost == b"HTTP/1.1 503"
