"""Admission of queries: slots, turns of clients, rejection, timeouts and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import anyio
import pytest

from vo_server.errors import BusyError, Code
from vo_server.http import admission
from vo_server.http.admission import QueryAdmission, QueryQueue, Slot


def with_event_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run_in_event_loop(*arguments: Any, **keywords: Any) -> None:
        anyio.run(lambda: test(*arguments, **keywords))

    return run_in_event_loop


async def settle() -> None:
    """Let all tasks run that can."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class Clients:
    """Clients that request slots, and the order in which they get them."""

    def __init__(self, queue: QueryQueue) -> None:
        self.queue = queue
        self.entered: list[str] = []
        self.rejected: list[tuple[str, BusyError]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def request_slots(self, *clients: str) -> None:
        for client in clients:
            self.tasks.append(asyncio.create_task(self._request_slot(client)))
            await settle()

    async def _request_slot(self, client: str) -> None:
        try:
            await self.queue.acquire(client.rstrip("0123456789"))
        except BusyError as error:
            self.rejected.append((client, error))
        else:
            self.entered.append(client)

    async def cancel_all(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@with_event_loop
async def test_clients_take_turns() -> None:
    """A client with many requests does not delay one with a single request."""
    clients = Clients(QueryQueue("long", 1, 1, 100, 60))
    await clients.request_slots("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert clients.entered == ["a1"]
    for _ in range(6):
        clients.queue.release(clients.entered[-1][0])
        await settle()
    assert clients.entered == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
    assert (clients.queue.running, clients.queue.waiting) == (1, 0)


@with_event_loop
async def test_slots_per_client_are_limited() -> None:
    clients = Clients(QueryQueue("long", 4, 2, 100, 60))
    await clients.request_slots("a1", "a2", "a3", "b1")
    assert clients.entered == ["a1", "a2", "b1"]
    clients.queue.release("b")
    await settle()
    assert clients.entered == ["a1", "a2", "b1"], "a client has at most two slots"
    clients.queue.release("a")
    await settle()
    assert clients.entered == ["a1", "a2", "b1", "a3"]
    await clients.cancel_all()


@with_event_loop
async def test_full_queue_rejects_client() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 2, 60))
    await clients.request_slots("a1", "b1", "c1", "d1")
    ((client, error),) = clients.rejected
    assert client == "d1"
    assert error.retry_after_seconds == admission.MIN_RETRY_SECONDS
    assert error.code == Code.SERVICE_BUSY
    assert "1 queries run and 2 wait" in str(error)
    assert error.status == 503
    await clients.cancel_all()


@with_event_loop
async def test_retry_after_follows_query_times() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 1, 60))
    for _ in range(60):
        clients.queue.acquire_now("z")
        clients.queue.release("z", 100.0)
    await clients.request_slots("a1", "b1", "c1")
    ((_, error),) = clients.rejected
    assert 190 <= error.retry_after_seconds <= 200  # a running query and a waiting one
    await clients.cancel_all()


@with_event_loop
async def test_client_with_most_waiting_loses_newest() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 3, 60))
    await clients.request_slots("a1", "a2", "a3", "a4", "b1")
    assert [client for client, _ in clients.rejected] == ["a4"]
    await clients.request_slots("a5", "c1", "d1")
    assert [client for client, _ in clients.rejected] == ["a4", "a5", "a3", "d1"]
    await clients.cancel_all()


@with_event_loop
async def test_cancelled_client_leaves_queue() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 2, 60))
    await clients.request_slots("a1", "b1", "c1")
    clients.tasks[1].cancel()
    await settle()
    assert clients.queue.waiting == 1
    clients.queue.release("a")
    await settle()
    assert clients.entered == ["a1", "c1"]
    clients.queue.release("c")
    assert (clients.queue.running, clients.queue.waiting) == (0, 0)


@with_event_loop
async def test_slot_of_cancelled_client_is_passed_on() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 2, 60))
    await clients.request_slots("a1", "b1", "c1")
    clients.queue.release("a")  # b gets the slot, and is cancelled before it runs
    clients.tasks[1].cancel()
    await settle()
    assert clients.entered == ["a1", "c1"]
    assert clients.queue.running == 1


@with_event_loop
async def test_queue_timeout() -> None:
    clients = Clients(QueryQueue("long", 1, 1, 2, 0.01))
    await clients.request_slots("a1", "b1")
    await clients.tasks[1]
    assert clients.rejected[0][1].code == Code.SERVICE_BUSY
    assert "0.01 s" in str(clients.rejected[0][1])
    assert (clients.queue.running, clients.queue.waiting) == (1, 0)


@with_event_loop
async def test_short_queries_have_own_queue() -> None:
    query_admission = QueryAdmission(2, 1, 5, 60)
    long = await query_admission.acquire("a", is_short=False)
    short = await query_admission.acquire("b", is_short=True)
    assert (query_admission.short.running, query_admission.long.running) == (1, 1)
    short.release()
    long.release()
    long.release()
    assert (query_admission.short.running, query_admission.long.running) == (0, 0)


async def _wait_until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.001)


@with_event_loop
async def test_slow_short_query_moves_to_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SHORT_QUERY_SECONDS", 0.001)
    query_admission = QueryAdmission(2, 1, 5, 60)
    slot = await query_admission.acquire("a", is_short=True)
    await _wait_until(lambda: query_admission.long.running == 1)
    assert query_admission.short.running == 0
    waiting = asyncio.create_task(query_admission.acquire("b", is_short=False))
    await settle()
    assert query_admission.long.waiting == 1
    slot.release()
    (await waiting).release()
    assert (query_admission.short.running, query_admission.long.running) == (0, 0)


@with_event_loop
async def test_slow_client_loses_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SLOW_CLIENT_SECONDS", 0.001)
    query_admission = QueryAdmission(2, 1, 5, 60)
    slot: Slot = await query_admission.acquire("a", is_short=False)
    with slot.yield_if_slow():
        await _wait_until(lambda: query_admission.long.running == 0)
    slot.release()
    assert query_admission.long.running == 0
