"""Many at once: a bound on the long queries, short ones that pass them, clients that take turns, and a polite no."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import ENDLESS, begin, path, until
from tests.contract.test_account import figure, figures

CONE = "/cone/psc?RA=266.4&DEC=-29&SR=3&VERB=1&RESPONSEFORMAT=csv"
SCHEMA = path("SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables", RESPONSEFORMAT="csv")
PATIENT = 60


@pytest.fixture(scope="module")
def narrow(sky: Path, serving: Any) -> Iterator[Any]:
    """A server where one long query runs and two wait."""
    with serving(sky, VO_SERVER_QUERIES="1", VO_SERVER_QUEUE="2") as running:
        yield running


def state(server: Any) -> tuple[float, float]:
    """How many long queries run and wait."""
    told = figures(server.url)
    return figure(told, "vo_queries_running", lane="long"), figure(told, "vo_queries_waiting", lane="long")


def becomes(server: Any, running: int, waiting: int) -> bool:
    return until(lambda: state(server) == (running, waiting), PATIENT)


def ask(server: Any, client: str) -> socket.socket:
    """A client that asks a long query and can hang up."""
    return begin(server.url, f"{path(ENDLESS)} HTTP/1.1\r\nX-Forwarded-For: {client}\r\nX-Rest:")


@pytest.fixture
def full(narrow: Any) -> Iterator[list[socket.socket]]:
    """Three clients: the query of one runs, those of the others wait."""
    with ExitStack() as stack:
        connections = []
        for n in range(3):
            connections.append(stack.enter_context(closing(ask(narrow, f"192.0.2.{n}"))))
            assert becomes(narrow, 1, n)
        yield connections
    assert becomes(narrow, 0, 0)


@pytest.mark.parametrize(
    ("format", "holds"), [("votable", 'value="ERROR"'), ("csv", "TransientFault: "), ("json", '"status": "ERROR"')]
)
def test_past_the_bound_it_says_so(narrow: Any, full: Any, format: str, holds: str) -> None:
    answer = httpx.get(narrow.url + path(ENDLESS, RESPONSEFORMAT=format), timeout=PATIENT)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 5
    assert holds in answer.text
    assert answer.headers["vo-error-code"] == "SERVICE.BUSY"
    assert "1 queries run and 2 wait" in answer.text


def test_short_ones_do_not_wait(narrow: Any, full: Any) -> None:
    for _ in range(20):
        assert httpx.get(narrow.url + CONE, timeout=PATIENT).text.startswith("ra,dec,designation,dist")
        assert httpx.get(narrow.url + SCHEMA, timeout=PATIENT).text.split() == ["n", "13"]
    limited = path("SELECT TOP 3 ra FROM psc", RESPONSEFORMAT="csv")
    assert len(httpx.get(narrow.url + limited, timeout=PATIENT).text.split()) == 4
    assert state(narrow) == (1, 2)


def test_who_leaves_gives_up_the_place(narrow: Any, full: list[socket.socket]) -> None:
    """One that waits, and the one that runs, whose place the other takes."""
    full[2].close()
    assert becomes(narrow, 1, 1)
    full[0].close()
    assert becomes(narrow, 1, 0)
    full[1].close()
    assert becomes(narrow, 0, 0)


def test_one_client_does_not_take_all(narrow: Any, full: list[socket.socket]) -> None:
    """Another comes in the place of the last of whoever has most that wait."""
    full[1].close()
    full[2].close()
    assert becomes(narrow, 1, 0)
    with ExitStack() as stack:
        greedy = []
        for n in (1, 2):
            greedy.append(stack.enter_context(closing(ask(narrow, "192.0.2.50"))))
            assert becomes(narrow, 1, n)
        stack.enter_context(closing(ask(narrow, "192.0.2.51")))
        greedy[1].settimeout(PATIENT)
        assert greedy[1].recv(12) == b"HTTP/1.1 503"
        assert state(narrow) == (1, 2)
