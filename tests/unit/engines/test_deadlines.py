"""Query deadlines: one thread stops queries at their timeout or when they are cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from vo_server.engines.deadlines import DeadlineThread, QueryDeadline
from vo_server.errors import Code, QueryCancelledError, QueryTimeoutError


def test_stops_only_work_past_its_deadline() -> None:
    deadlines, stopped = DeadlineThread(), threading.Event()
    start = time.monotonic()
    with deadlines.stop_after(60, lambda: None), deadlines.stop_after(0.05, stopped.set):
        assert stopped.wait(10)
    assert 0.05 <= time.monotonic() - start < 5


def test_does_not_stop_finished_work() -> None:
    deadlines, early, late = DeadlineThread(), threading.Event(), threading.Event()
    with deadlines.stop_after(0.05, early.set):
        pass
    with deadlines.stop_after(0.1, late.set):
        assert late.wait(10)
    assert not early.is_set()


def test_nearer_deadline_wakes_thread() -> None:
    deadlines, far, near = DeadlineThread(), threading.Event(), threading.Event()
    with deadlines.stop_after(30, far.set):
        with deadlines.stop_after(0.02, near.set):
            assert near.wait(10)
        assert not far.is_set()


def test_stops_repeatedly_until_work_ends() -> None:
    deadlines, stops = DeadlineThread(), threading.Semaphore(0)
    with deadlines.stop_after(0.01, stops.release):
        assert all(stops.acquire(timeout=10) for _ in range(3))


def test_deadline_can_be_now() -> None:
    deadlines, stopped = DeadlineThread(), threading.Event()
    with deadlines.stop_after(float("inf"), stopped.set) as now:
        now()
        assert stopped.wait(10)
    now()  # too late to matter


def test_counts_only_work_of_database() -> None:
    stopped = threading.Event()
    deadline = QueryDeadline(0.2, stopped.set)
    for _ in range(3):
        with deadline.measure_work():
            pass
        time.sleep(0.1)
    assert deadline.error is None
    with deadline.measure_work():
        assert stopped.wait(10)
    assert isinstance(deadline.error, QueryTimeoutError)
    assert deadline.error.code == Code.QUERY_TIMEOUT


def test_cancel_stops_work_and_prevents_more() -> None:
    stopped = threading.Event()
    deadline = QueryDeadline(None, stopped.set)
    with deadline.measure_work():
        threading.Timer(0.02, deadline.cancel).start()
        assert stopped.wait(10)
    assert isinstance(deadline.error, QueryCancelledError)
    with pytest.raises(QueryCancelledError), deadline.measure_work():
        raise AssertionError("the work started")
