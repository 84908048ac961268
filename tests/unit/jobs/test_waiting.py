"""Long-polling: requests wake when their job's phase changes, and not before."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from vo_server.errors import BusyError
from vo_server.jobs.service import JobService
from vo_server.model.job import Job, Phase

Make = Callable[..., Job]


@pytest.fixture
def url() -> str:
    return ""


def run_timed(work: Coroutine[Any, Any, None]) -> float:
    begun = time.monotonic()
    asyncio.run(work)
    return time.monotonic() - begun


def test_wakes_waiting_requests(service: JobService, make: Make) -> None:
    jobs = [make() for _ in range(3)]
    woken: list[str] = []

    async def wait(job: Job, seconds: float) -> None:
        await service.watcher.wait_for_change(job.id, Phase.PENDING, seconds)
        woken.append(job.id)

    async def main() -> None:
        tasks = [asyncio.create_task(wait(job, 20)) for job in (*jobs, jobs[0])]
        await asyncio.sleep(0.1)
        assert woken == []
        service.store.queue(jobs[1].id)
        await tasks[1]
        service.store.delete(jobs[0].id)
        await asyncio.gather(tasks[0], tasks[3])
        assert sorted(woken) == sorted([jobs[1].id, jobs[0].id, jobs[0].id])
        await wait(jobs[2], 0.05)
        await wait(jobs[1], 20)  # it is queued already, and that is seen at once
        tasks[2].cancel()

    assert run_timed(main()) < 15


def test_request_during_poll_keeps_waiting(service: JobService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make(), make()
    asked, answer = threading.Event(), threading.Event()
    phases = service.store.get_phases

    def slow(ids: Any) -> Any:
        asked.set()
        assert answer.wait(10)
        return phases(ids)

    async def main() -> None:
        monkeypatch.setattr(service.store, "get_phases", slow)
        one = asyncio.create_task(service.watcher.wait_for_change(first.id, Phase.PENDING, 10))
        while not asked.is_set():
            await asyncio.sleep(0.01)
        two = asyncio.create_task(service.watcher.wait_for_change(second.id, Phase.PENDING, 0.5))
        await asyncio.sleep(0.01)
        answer.set()
        await asyncio.sleep(0.2)
        assert not two.done()
        assert not one.done()
        one.cancel()
        await two

    run_timed(main())


def test_retries_unavailable_store(service: JobService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(queued=True)
    changes, times = service.store.count_changes, []

    def sometimes() -> int:
        times.append(1)
        if len(times) < 4:
            raise BusyError("not now")
        return changes()

    monkeypatch.setattr(service.store, "count_changes", sometimes)
    assert run_timed(service.watcher.wait_for_change(job.id, Phase.PENDING, 20)) < 15
    assert len(times) >= 4


def test_stop_wakes_all_requests(service: JobService, make: Make) -> None:
    job = make()

    async def main() -> None:
        waiting = asyncio.create_task(service.watcher.wait_for_change(job.id, Phase.PENDING, 60))
        await asyncio.sleep(0.05)
        service.watcher.stop()
        await waiting
        await service.watcher.wait_for_change(job.id, Phase.PENDING, 60)

    assert run_timed(main()) < 20
