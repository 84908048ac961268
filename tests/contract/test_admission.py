"""Admission of concurrent queries: long and short queues, turns of clients, and rejection when the queue is full."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import ENDLESS, begin, path, until
from tests.contract.test_access_log import fetch_samples, get_sample

CONE = "/cone/psc?RA=266.4&DEC=-29&SR=3&VERB=1&RESPONSEFORMAT=csv"
SCHEMA = path("SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables", RESPONSEFORMAT="csv")
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def small_server(sky: Path, serving: Any) -> Iterator[Any]:
    """Start a server that runs one long query and lets two wait."""
    with serving(sky, VO_SERVER_QUERIES="1", VO_SERVER_QUEUE="2") as running:
        yield running


def count_queries(server: Any) -> tuple[float, float]:
    """Return the numbers of long queries that run and wait."""
    samples = fetch_samples(server.url)
    return get_sample(samples, "vo_queries_running", lane="long"), get_sample(
        samples, "vo_queries_waiting", lane="long"
    )


def wait_for_counts(server: Any, running: int, waiting: int) -> bool:
    return until(lambda: count_queries(server) == (running, waiting), TIMEOUT_SECONDS)


def send_long_query(server: Any, client: str) -> socket.socket:
    """Send a long query as a client; closing the socket disconnects it."""
    return begin(server.url, f"{path(ENDLESS)} HTTP/1.1\r\nX-Forwarded-For: {client}\r\nX-Rest:")


@pytest.fixture
def busy_connections(small_server: Any) -> Iterator[list[socket.socket]]:
    """Connect three clients: the query of the first runs, those of the others wait."""
    with ExitStack() as stack:
        connections = []
        for n in range(3):
            connections.append(stack.enter_context(closing(send_long_query(small_server, f"192.0.2.{n}"))))
            assert wait_for_counts(small_server, 1, n)
        yield connections
    assert wait_for_counts(small_server, 0, 0)


@pytest.mark.parametrize(
    ("format", "text"), [("votable", 'value="ERROR"'), ("csv", "TransientFault: "), ("json", '"status": "ERROR"')]
)
def test_full_queue_rejects_queries(small_server: Any, busy_connections: Any, format: str, text: str) -> None:
    response = httpx.get(small_server.url + path(ENDLESS, RESPONSEFORMAT=format), timeout=TIMEOUT_SECONDS)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 5
    assert text in response.text
    assert response.headers["vo-error-code"] == "SERVICE.BUSY"
    assert "1 queries run and 2 wait" in response.text


def test_short_queries_do_not_wait(small_server: Any, busy_connections: Any) -> None:
    for _ in range(20):
        assert httpx.get(small_server.url + CONE, timeout=TIMEOUT_SECONDS).text.startswith("ra,dec,designation,dist")
        assert httpx.get(small_server.url + SCHEMA, timeout=TIMEOUT_SECONDS).text.split() == ["n", "13"]
    limited = path("SELECT TOP 3 ra FROM psc", RESPONSEFORMAT="csv")
    assert len(httpx.get(small_server.url + limited, timeout=TIMEOUT_SECONDS).text.split()) == 4
    assert count_queries(small_server) == (1, 2)


def test_disconnected_client_releases_slot(small_server: Any, busy_connections: list[socket.socket]) -> None:
    """A waiting client leaves the queue; when the running one disconnects, the next one gets the slot."""
    busy_connections[2].close()
    assert wait_for_counts(small_server, 1, 1)
    busy_connections[0].close()
    assert wait_for_counts(small_server, 1, 0)
    busy_connections[1].close()
    assert wait_for_counts(small_server, 0, 0)


def test_client_with_most_waiting_queries_loses_one(small_server: Any, busy_connections: list[socket.socket]) -> None:
    """The newest query of the client with the most waiting queries makes room for that of another client."""
    busy_connections[1].close()
    busy_connections[2].close()
    assert wait_for_counts(small_server, 1, 0)
    with ExitStack() as stack:
        greedy = []
        for n in (1, 2):
            greedy.append(stack.enter_context(closing(send_long_query(small_server, "192.0.2.50"))))
            assert wait_for_counts(small_server, 1, n)
        stack.enter_context(closing(send_long_query(small_server, "192.0.2.51")))
        greedy[1].settimeout(TIMEOUT_SECONDS)
        assert greedy[1].recv(12) == b"HTTP/1.1 503"
        assert count_queries(small_server) == (1, 2)
