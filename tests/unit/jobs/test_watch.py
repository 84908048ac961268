"""Who waits for a job is told when it changes, and not before."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from vo_server.errors import BusyError
from vo_server.jobs.service import Desk
from vo_server.model.job import Job, Phase

Make = Callable[..., Job]


@pytest.fixture
def url() -> str:
    return ""


def ran(work: Coroutine[Any, Any, None]) -> float:
    begun = time.monotonic()
    asyncio.run(work)
    return time.monotonic() - begun


def test_those_who_wait_are_told(desk: Desk, make: Make) -> None:
    jobs = [make() for _ in range(3)]
    woken: list[str] = []

    async def wait(job: Job, seconds: float) -> None:
        await desk.watch.changed(job.id, Phase.PENDING, seconds)
        woken.append(job.id)

    async def all() -> None:
        tasks = [asyncio.create_task(wait(job, 20)) for job in (*jobs, jobs[0])]
        await asyncio.sleep(0.1)
        assert woken == []
        desk.store.queue(jobs[1].id)
        await tasks[1]
        desk.store.delete(jobs[0].id)
        await asyncio.gather(tasks[0], tasks[3])
        assert sorted(woken) == sorted([jobs[1].id, jobs[0].id, jobs[0].id])
        await wait(jobs[2], 0.05)
        await wait(jobs[1], 20)  # it is queued already, and that is seen at once
        tasks[2].cancel()

    assert ran(all()) < 15


def test_who_comes_while_the_store_is_asked_is_not_told_what_it_said(
    desk: Desk, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    asked, answer = threading.Event(), threading.Event()
    phases = desk.store.phases

    def slow(ids: Any) -> Any:
        asked.set()
        assert answer.wait(10)
        return phases(ids)

    async def all() -> None:
        monkeypatch.setattr(desk.store, "phases", slow)
        one = asyncio.create_task(desk.watch.changed(first.id, Phase.PENDING, 10))
        while not asked.is_set():
            await asyncio.sleep(0.01)
        two = asyncio.create_task(desk.watch.changed(second.id, Phase.PENDING, 0.5))
        await asyncio.sleep(0.01)
        answer.set()
        await asyncio.sleep(0.2)
        assert not two.done()
        assert not one.done()
        one.cancel()
        await two

    ran(all())


def test_a_store_that_cannot_be_asked_is_asked_again(desk: Desk, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(queued=True)
    changes, times = desk.store.changes, []

    def sometimes() -> int:
        times.append(1)
        if len(times) < 4:
            raise BusyError("not now")
        return changes()

    monkeypatch.setattr(desk.store, "changes", sometimes)
    assert ran(desk.watch.changed(job.id, Phase.PENDING, 20)) < 15
    assert len(times) >= 4


def test_nobody_waits_when_the_server_stops(desk: Desk, make: Make) -> None:
    job = make()

    async def all() -> None:
        waiting = asyncio.create_task(desk.watch.changed(job.id, Phase.PENDING, 60))
        await asyncio.sleep(0.05)
        desk.watch.end()
        await waiting
        await desk.watch.changed(job.id, Phase.PENDING, 60)

    assert ran(all()) < 20
