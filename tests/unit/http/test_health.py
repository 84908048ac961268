"""Availability: the state of each part, caching of probes, and timeouts of those that hang."""

from __future__ import annotations

import shutil
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.shipped import SHIPPED
from vo_server.documents.vosi import Availability
from vo_server.engines.engine import TableFacts
from vo_server.errors import BusyError
from vo_server.http.health import Health
from vo_server.http.probe import CachedProbe

PSC = SHIPPED.get_collection("psc")


class FakeEngine:
    """An engine whose check waits for an event."""

    def __init__(self, error: str | None = None) -> None:
        self.error, self.calls, self.free = error, 0, threading.Event()
        self.free.set()

    def check_ready(self) -> str | None:
        self.calls += 1
        assert self.free.wait(30)
        return self.error

    def count_rows(self, _: Any) -> int:
        return 1_234

    def get_facts(self, _: Any) -> TableFacts:
        return TableFacts()


class FakeJobStore:
    """A job store with a given count of changes."""

    def __init__(self, count_changes: Callable[[], int] = lambda: 7) -> None:
        self.count_changes = count_changes


def raise_busy() -> int:
    raise BusyError("the jobs cannot be reached now")


def make_health(
    folder: Path, engine: FakeEngine | None = None, jobs: FakeJobStore | None = None, timeout: float = 30
) -> Any:
    health: Any = Health(
        engine or FakeEngine(),  # type: ignore[arg-type]
        (PSC,),
        jobs or FakeJobStore(),  # type: ignore[arg-type]
        folder,
        {"results": folder / "not" / "yet"},
        timeout=timeout,
    )
    return health


def check_health(health: Any) -> Availability:
    availability: Availability = anyio.run(health.check)
    return availability


def test_available(tmp_path: Path) -> None:
    availability = check_health(make_health(tmp_path))
    assert (availability.available, availability.notes) == (True, ("twomass.psc has 1,234 rows",))


def test_error_of_database_comes_first(tmp_path: Path) -> None:
    availability = check_health(make_health(tmp_path, FakeEngine("it is down")))
    assert (availability.available, availability.notes) == (False, ("it is down",))


def test_unexpected_exception_of_database(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.free = None  # type: ignore[assignment]
    availability = check_health(make_health(tmp_path, engine))
    assert (availability.available, availability.notes[0]) == (False, "the database does not answer")


def test_available_without_job_store(tmp_path: Path) -> None:
    availability = check_health(make_health(tmp_path, jobs=FakeJobStore(raise_busy)))
    assert (availability.available, availability.notes[0]) == (
        True,
        "no jobs are accepted: the jobs cannot be reached now",
    )


def test_hanging_job_store(tmp_path: Path) -> None:
    free = threading.Event()
    availability = check_health(make_health(tmp_path, jobs=FakeJobStore(lambda: int(free.wait(30))), timeout=0.1))
    free.set()
    assert (availability.available, availability.notes[0]) == (
        True,
        "no jobs are accepted: the job store does not answer",
    )


def test_reports_low_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, notes in ((999e6, ("little disk space for results: 999 MB",)), (1e9, ())):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(1e12, 1e12 - free, free))
        assert check_health(make_health(tmp_path)).notes[: len(notes)] == notes
        assert len(check_health(make_health(tmp_path)).notes) == 1 + len(notes)


def test_concurrent_requests_share_a_probe(tmp_path: Path) -> None:
    engine = FakeEngine()
    health = make_health(tmp_path, engine)

    async def check_repeatedly() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(health.check)

    anyio.run(check_repeatedly)
    assert engine.calls == 1


def test_hanging_database_is_probed_once(tmp_path: Path) -> None:
    engine = FakeEngine()
    health = make_health(tmp_path, engine, timeout=0.1)
    engine.free.clear()

    async def check_repeatedly() -> None:
        for _ in range(5):
            availability = await health.check()
            assert (availability.available, availability.notes[0]) == (False, "the database does not answer")
        assert engine.calls == 1
        engine.free.set()
        with anyio.fail_after(10):
            while not (await health.check()).available:
                await anyio.sleep(0.01)

    anyio.run(check_repeatedly)


def test_result_of_probe_is_cached() -> None:
    calls: list[int] = []

    async def get_repeatedly(max_age: float) -> list[int | None]:
        probe: CachedProbe[int] = CachedProbe(lambda: calls.append(1) or len(calls), timeout=30, max_age=max_age)
        return [await probe.get() for _ in range(3)]

    assert anyio.run(get_repeatedly, 1e9) == [1, 1, 1]
    assert anyio.run(get_repeatedly, 0) == [2, 3, 4]
