"""Processes that are started again when they end, and ended for good in the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vo_server.errors import BusyError
from vo_server.jobs.supervisor import Crew

SLEEPS = ["sh", "-c", "exec sleep 100"]
STUBBORN = ["sh", "-c", 'trap "" TERM; touch "$READY"; while :; do sleep 0.1; done']


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody can be told that it died; and under a new name, for its job is another's by now."""
    monkeypatch.setattr("vo_server.jobs.supervisor.BREATH", 0.0)
    died: list[str] = []

    def tell(name: str) -> None:
        died.append(name)
        raise BusyError("not now")

    crew = Crew(2, SLEEPS, os.environ, tell)
    crew.start()
    first, second = crew.processes
    os.kill(first, signal.SIGKILL)
    until(lambda: len(set(crew.processes)) == 2 and first not in crew.processes)
    assert crew.processes[1] == second
    again = crew.processes[0]
    os.kill(again, signal.SIGKILL)
    until(lambda: again not in crew.processes)
    assert len(set(died)) == 2
    members = crew.processes
    crew.stop(20)
    assert not any(map(lives, members))


def test_one_that_dies_at_once_is_not_started_all_the_time() -> None:
    crew = Crew(1, ["sh", "-c", "exit 1"], os.environ, lambda _: None)
    crew.start()
    (first,) = crew.processes
    threading.Event().wait(0.7)
    assert crew.processes == [first]
    begun = time.monotonic()
    crew.stop(20)
    assert time.monotonic() - begun < 4


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    died: list[str] = []
    ready = tmp_path / "ready"
    crew = Crew(1, STUBBORN, os.environ | {"READY": str(ready)}, died.append)
    crew.start()
    until(ready.exists)
    (stubborn,) = crew.processes
    crew.stop(0.2)
    assert not lives(stubborn)
    assert len(died) == 1
