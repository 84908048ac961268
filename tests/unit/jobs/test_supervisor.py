"""The worker supervisor: it restarts workers that exit and stops them all at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vo_server.errors import BusyError
from vo_server.jobs.supervisor import WorkerSupervisor

SLEEPS = ["sh", "-c", "exec sleep 100"]
STUBBORN = ["sh", "-c", 'trap "" TERM; touch "$READY"; while :; do sleep 0.1; done']


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_restarts_worker_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """It restarts under a new name, for its job may have another worker; also when `on_exit` fails."""
    monkeypatch.setattr("vo_server.jobs.supervisor.RESTART_DELAY_SECONDS", 0.0)
    exited: list[str] = []

    def report_exit(name: str) -> None:
        exited.append(name)
        raise BusyError("not now")

    supervisor = WorkerSupervisor(2, SLEEPS, os.environ, report_exit)
    supervisor.start()
    first, second = supervisor.process_ids
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(set(supervisor.process_ids)) == 2 and first not in supervisor.process_ids)
    assert supervisor.process_ids[1] == second
    again = supervisor.process_ids[0]
    os.kill(again, signal.SIGKILL)
    wait_until(lambda: again not in supervisor.process_ids)
    assert len(set(exited)) == 2
    process_ids = supervisor.process_ids
    supervisor.stop(20)
    assert not any(map(is_alive, process_ids))


def test_delays_restart_of_worker_that_dies_at_once() -> None:
    supervisor = WorkerSupervisor(1, ["sh", "-c", "exit 1"], os.environ, lambda _: None)
    supervisor.start()
    (first,) = supervisor.process_ids
    threading.Event().wait(0.7)
    assert supervisor.process_ids == [first]
    begun = time.monotonic()
    supervisor.stop(20)
    assert time.monotonic() - begun < 4


def test_kills_worker_that_does_not_stop(tmp_path: Path) -> None:
    exited: list[str] = []
    ready = tmp_path / "ready"
    supervisor = WorkerSupervisor(1, STUBBORN, os.environ | {"READY": str(ready)}, exited.append)
    supervisor.start()
    wait_until(ready.exists)
    (stubborn,) = supervisor.process_ids
    supervisor.stop(0.2)
    assert not is_alive(stubborn)
    assert len(exited) == 1
