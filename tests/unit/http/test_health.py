"""What availability tells of each part, and that it asks seldom and waits for nothing that hangs."""

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


class Engine:
    """One whose answer waits for an event."""

    def __init__(self, wrong: str | None = None) -> None:
        self.wrong, self.asked, self.free = wrong, 0, threading.Event()
        self.free.set()

    def check_ready(self) -> str | None:
        self.asked += 1
        assert self.free.wait(30)
        return self.wrong

    def count_rows(self, _: Any) -> int:
        return 1_234

    def get_facts(self, _: Any) -> TableFacts:
        return TableFacts()


class Jobs:
    """A store, and what it answers with."""

    def __init__(self, answer: Callable[[], int] = lambda: 7) -> None:
        self.count_changes = answer


def refuses() -> int:
    raise BusyError("the jobs cannot be reached now")


def health(folder: Path, engine: Engine | None = None, jobs: Jobs | None = None, patience: float = 30) -> Any:
    made: Any = Health(
        engine or Engine(),  # type: ignore[arg-type]
        (PSC,),
        jobs or Jobs(),  # type: ignore[arg-type]
        folder,
        {"results": folder / "not" / "yet"},
        timeout=patience,
    )
    return made


def state(made: Any) -> Availability:
    found: Availability = anyio.run(made.check)
    return found


def test_all_is_well(tmp_path: Path) -> None:
    found = state(health(tmp_path))
    assert (found.available, found.notes) == (True, ("twomass.psc has 1,234 rows",))


def test_what_the_database_says_comes_first(tmp_path: Path) -> None:
    found = state(health(tmp_path, Engine("it is tired")))
    assert (found.available, found.notes) == (False, ("it is tired",))


def test_a_database_that_fails_in_a_way_of_its_own(tmp_path: Path) -> None:
    engine = Engine()
    engine.free = None  # type: ignore[assignment]
    found = state(health(tmp_path, engine))
    assert (found.available, found.notes[0]) == (False, "the database does not answer")


def test_without_jobs_queries_are_still_answered(tmp_path: Path) -> None:
    found = state(health(tmp_path, jobs=Jobs(refuses)))
    assert (found.available, found.notes[0]) == (True, "no jobs are accepted: the jobs cannot be reached now")


def test_a_store_of_jobs_that_hangs(tmp_path: Path) -> None:
    free = threading.Event()
    found = state(health(tmp_path, jobs=Jobs(lambda: int(free.wait(30))), patience=0.1))
    free.set()
    assert (found.available, found.notes[0]) == (True, "no jobs are accepted: the job store does not answer")


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, said in ((999e6, ("little disk space for results: 999 MB",)), (1e9, ())):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(1e12, 1e12 - free, free))
        assert state(health(tmp_path)).notes[: len(said)] == said
        assert len(state(health(tmp_path)).notes) == 1 + len(said)


def test_many_who_ask_are_one_question(tmp_path: Path) -> None:
    engine = Engine()
    made = health(tmp_path, engine)

    async def ask() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(made.check)

    anyio.run(ask)
    assert engine.asked == 1


def test_a_database_that_hangs_is_asked_once_and_heard_when_it_comes_back(tmp_path: Path) -> None:
    engine = Engine()
    made = health(tmp_path, engine, patience=0.1)
    engine.free.clear()

    async def ask() -> None:
        for _ in range(5):
            found = await made.check()
            assert (found.available, found.notes[0]) == (False, "the database does not answer")
        assert engine.asked == 1
        engine.free.set()
        with anyio.fail_after(10):
            while not (await made.check()).available:
                await anyio.sleep(0.01)

    anyio.run(ask)


def test_an_answer_is_good_for_a_while() -> None:
    asked: list[int] = []

    async def ask(kept: float) -> list[int | None]:
        look: CachedProbe[int] = CachedProbe(lambda: asked.append(1) or len(asked), timeout=30, max_age=kept)
        return [await look.get() for _ in range(3)]

    assert anyio.run(ask, 1e9) == [1, 1, 1]
    assert anyio.run(ask, 0) == [2, 3, 4]
