"""The one thread that stops what takes too long."""

from __future__ import annotations

import threading
import time

import pytest

from vo_server.engines.deadlines import Deadlines, Patience
from vo_server.errors import QueryCancelledError, QueryTimeoutError


def test_only_the_late_are_stopped_and_in_time() -> None:
    deadlines, stopped = Deadlines(), threading.Event()
    begun = time.monotonic()
    with deadlines.within(60, lambda: None), deadlines.within(0.05, stopped.set):
        assert stopped.wait(10)
    assert 0.05 <= time.monotonic() - begun < 5


def test_what_is_done_in_time_is_let_be() -> None:
    deadlines, early, late = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(0.05, early.set):
        pass
    with deadlines.within(0.1, late.set):
        assert late.wait(10)
    assert not early.is_set()


def test_a_nearer_deadline_wakes_the_thread() -> None:
    deadlines, far, near = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(30, far.set):
        with deadlines.within(0.02, near.set):
            assert near.wait(10)
        assert not far.is_set()


def test_who_does_not_stop_is_told_again() -> None:
    deadlines, told = Deadlines(), threading.Semaphore(0)
    with deadlines.within(0.01, told.release):
        assert all(told.acquire(timeout=10) for _ in range(3))


def test_a_deadline_may_be_now() -> None:
    deadlines, stopped = Deadlines(), threading.Event()
    with deadlines.within(float("inf"), stopped.set) as now:
        now()
        assert stopped.wait(10)
    now()  # too late to matter


def test_patience_counts_the_work_alone() -> None:
    stopped = threading.Event()
    patience = Patience(0.2, stopped.set)
    for _ in range(3):
        with patience.at_work():
            pass
        time.sleep(0.1)
    assert patience.fault is None
    with patience.at_work():
        assert stopped.wait(10)
    assert isinstance(patience.fault, QueryTimeoutError)


def test_what_is_cancelled_is_stopped_and_begins_no_more() -> None:
    stopped = threading.Event()
    patience = Patience(None, stopped.set)
    with patience.at_work():
        threading.Timer(0.02, patience.cancel).start()
        assert stopped.wait(10)
    assert isinstance(patience.fault, QueryCancelledError)
    with pytest.raises(QueryCancelledError), patience.at_work():
        raise AssertionError("it began")
