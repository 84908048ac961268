"""Query timeouts and cancellation. One thread watches the deadlines of all queries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from vo_server.errors import QueryCancelledError, QueryTimeoutError, ServiceError

StopQuery = Callable[[], None]

STOP_AGAIN_SECONDS = 0.05
"""Seconds between two calls of `stop` for a query that has not ended: DuckDB ignores an interrupt before its start."""


class DeadlineThread:
    """A thread that calls `stop` for every query past its deadline, repeatedly until the query ends."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, StopQuery]] = {}
        self._changed = threading.Condition()
        self._wake = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def stop_after(self, seconds: float, stop: StopQuery) -> Iterator[Callable[[], None]]:
        """Call `stop`, from another thread, while the body runs past a timeout in seconds.

        Yields a function that makes the deadline now.
        """
        key = object()
        with self._changed:
            self._schedule(key, time.monotonic() + seconds, stop)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()

        def now() -> None:
            with self._changed:
                if key in self._due:
                    self._schedule(key, time.monotonic(), stop)

        try:
            yield now
        finally:
            with self._changed:
                self._due.pop(key, None)

    def _schedule(self, key: object, due: float, stop: StopQuery) -> None:
        self._due[key] = due, stop
        if due < self._wake:
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._wake = min((due for due, _ in self._due.values()), default=float("inf"))
                wait = self._wake - time.monotonic()
                if wait > 0:
                    self._changed.wait(min(wait, threading.TIMEOUT_MAX))
                late = [(key, stop) for key, (due, stop) in self._due.items() if due <= time.monotonic()]
                for key, stop in late:
                    self._due[key] = time.monotonic() + STOP_AGAIN_SECONDS, stop
            for _, stop in late:
                stop()


_DEADLINE_THREAD = DeadlineThread()


class QueryDeadline:
    """The timeout of one query, and its cancellation.

    Only the time of the database's work counts, not the time that a client takes to read.
    """

    def __init__(self, seconds: float | None, stop: StopQuery) -> None:
        """Set the timeout in seconds (None: none) and `stop`, which interrupts the database.

        `stop` is called from another thread, repeatedly until the work has ended.
        """
        self._seconds = seconds
        self._seconds_left = seconds or inf
        self._stop = stop
        self._expire_now: Callable[[], None] | None = None
        self._timed_out = False
        self._cancelled = False

    @contextmanager
    def measure_work(self) -> Iterator[None]:
        """Count the time of the body as work of the database, and stop it past the deadline.

        Raises QueryCancelledError if the query has been cancelled before.
        """
        start = time.monotonic()
        try:
            with _DEADLINE_THREAD.stop_after(self._seconds_left, self._stop_late) as self._expire_now:
                if self._cancelled:
                    raise QueryCancelledError("the query was cancelled")
                yield
        finally:
            self._seconds_left = max(0.0, self._seconds_left - (time.monotonic() - start))

    def _stop_late(self) -> None:
        self._timed_out = self._timed_out or not self._cancelled
        self._stop()

    def cancel(self) -> None:
        """Stop the current work, and prevent further work."""
        self._cancelled = True
        if self._expire_now is not None:
            self._expire_now()

    @property
    def error(self) -> ServiceError | None:
        """The reason why the database was stopped; None if it was not."""
        if self._timed_out:
            return QueryTimeoutError(f"the query took longer than {self._seconds:g} s, the limit of this service")
        return QueryCancelledError("the query was cancelled") if self._cancelled else None
