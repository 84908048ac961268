"""Places and turns: how many run, who is next, who is turned away, and what becomes of those who leave."""

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


def looped(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*given: Any, **named: Any) -> None:
        anyio.run(lambda: test(*given, **named))

    return run


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class Crowd:
    """Clients that ask for places, and in which order they got them."""

    def __init__(self, lane: QueryQueue) -> None:
        self.lane = lane
        self.entered: list[str] = []
        self.refused: list[tuple[str, BusyError]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *clients: str) -> None:
        for client in clients:
            self.tasks.append(asyncio.create_task(self._one(client)))
            await settle()

    async def _one(self, client: str) -> None:
        try:
            await self.lane.acquire(client.rstrip("0123456789"))
        except BusyError as fault:
            self.refused.append((client, fault))
        else:
            self.entered.append(client)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@looped
async def test_clients_take_turns() -> None:
    """One who asks ten times does not stand before another who asks once."""
    crowd = Crowd(QueryQueue("long", 1, 1, 100, 60))
    await crowd.ask("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert crowd.entered == ["a1"]
    for _ in range(6):
        crowd.lane.release(crowd.entered[-1][0])
        await settle()
    assert crowd.entered == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
    assert (crowd.lane.running, crowd.lane.waiting) == (1, 0)


@looped
async def test_nobody_has_all_the_places() -> None:
    crowd = Crowd(QueryQueue("long", 4, 2, 100, 60))
    await crowd.ask("a1", "a2", "a3", "b1")
    assert crowd.entered == ["a1", "a2", "b1"]
    crowd.lane.release("b")
    await settle()
    assert crowd.entered == ["a1", "a2", "b1"], "a third place of one client"
    crowd.lane.release("a")
    await settle()
    assert crowd.entered == ["a1", "a2", "b1", "a3"]
    await crowd.end()


@looped
async def test_too_many_are_told_when_to_come_again() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 2, 60))
    await crowd.ask("a1", "b1", "c1", "d1")
    ((client, fault),) = crowd.refused
    assert client == "d1"
    assert fault.retry_after_seconds == admission.MIN_RETRY_SECONDS
    assert fault.code == Code.SERVICE_BUSY
    assert "1 queries run and 2 wait" in str(fault)
    assert fault.status == 503
    await crowd.end()


@looped
async def test_the_wait_is_told_by_how_long_others_took() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 1, 60))
    for _ in range(60):
        crowd.lane.acquire_now("z")
        crowd.lane.release("z", 100.0)
    await crowd.ask("a1", "b1", "c1")
    ((_, fault),) = crowd.refused
    assert 190 <= fault.retry_after_seconds <= 200  # the one that runs, and the one that waits
    await crowd.end()


@looped
async def test_who_fills_the_queue_makes_room_for_others() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 3, 60))
    await crowd.ask("a1", "a2", "a3", "a4", "b1")
    assert [client for client, _ in crowd.refused] == ["a4"]
    await crowd.ask("a5", "c1", "d1")
    assert [client for client, _ in crowd.refused] == ["a4", "a5", "a3", "d1"]
    await crowd.end()


@looped
async def test_who_leaves_gives_up_the_place_in_the_queue() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 2, 60))
    await crowd.ask("a1", "b1", "c1")
    crowd.tasks[1].cancel()
    await settle()
    assert crowd.lane.waiting == 1
    crowd.lane.release("a")
    await settle()
    assert crowd.entered == ["a1", "c1"]
    crowd.lane.release("c")
    assert (crowd.lane.running, crowd.lane.waiting) == (0, 0)


@looped
async def test_who_leaves_when_called_gives_the_place_on() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 2, 60))
    await crowd.ask("a1", "b1", "c1")
    crowd.lane.release("a")  # b is called, and goes before it has heard
    crowd.tasks[1].cancel()
    await settle()
    assert crowd.entered == ["a1", "c1"]
    assert crowd.lane.running == 1


@looped
async def test_nobody_waits_for_ever() -> None:
    crowd = Crowd(QueryQueue("long", 1, 1, 2, 0.01))
    await crowd.ask("a1", "b1")
    await crowd.tasks[1]
    assert crowd.refused[0][1].code == Code.SERVICE_BUSY
    assert "0.01 s" in str(crowd.refused[0][1])
    assert (crowd.lane.running, crowd.lane.waiting) == (1, 0)


@looped
async def test_what_is_little_work_does_not_wait_for_long_queries() -> None:
    both = QueryAdmission(2, 1, 5, 60)
    long = await both.acquire("a", is_short=False)
    short = await both.acquire("b", is_short=True)
    assert (both.short.running, both.long.running) == (1, 1)
    short.release()
    long.release()
    long.release()
    assert (both.short.running, both.long.running) == (0, 0)


async def _until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not true():
            await anyio.sleep(0.001)


@looped
async def test_what_takes_longer_than_thought_counts_among_the_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SHORT_QUERY_SECONDS", 0.001)
    both = QueryAdmission(2, 1, 5, 60)
    turn = await both.acquire("a", is_short=True)
    await _until(lambda: both.long.running == 1)
    assert both.short.running == 0
    later = asyncio.create_task(both.acquire("b", is_short=False))
    await settle()
    assert both.long.waiting == 1
    turn.release()
    (await later).release()
    assert (both.short.running, both.long.running) == (0, 0)


@looped
async def test_a_slow_reader_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SLOW_CLIENT_SECONDS", 0.001)
    both = QueryAdmission(2, 1, 5, 60)
    turn: Slot = await both.acquire("a", is_short=False)
    with turn.yield_if_slow():
        await _until(lambda: both.long.running == 0)
    turn.release()
    assert both.long.running == 0
