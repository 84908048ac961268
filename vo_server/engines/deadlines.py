"""How long a query may take, and how it is told to stop. One thread watches over all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from vo_server.errors import QueryCancelledError, QueryTimeoutError, ServiceError

Stop = Callable[[], None]

AGAIN = 0.05
"""Seconds after which who has been told to stop, and has not, is told again: an interrupt that comes before DuckDB has
begun is lost."""


class Deadlines:
    """Calls back whoever is not done in time, until he is."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Stop]] = {}
        self._changed = threading.Condition()
        self._wake = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, seconds: float, stop: Stop) -> Iterator[Callable[[], None]]:
        """Call `stop`, from another thread, if the body takes longer than so many seconds, or than it takes until what
        is yielded is called."""
        key = object()
        with self._changed:
            self._put(key, time.monotonic() + seconds, stop)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()

        def now() -> None:
            with self._changed:
                if key in self._due:
                    self._put(key, time.monotonic(), stop)

        try:
            yield now
        finally:
            with self._changed:
                self._due.pop(key, None)

    def _put(self, key: object, due: float, stop: Stop) -> None:
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
                    self._due[key] = time.monotonic() + AGAIN, stop
            for _, stop in late:
                stop()


_DEADLINES = Deadlines()


class Patience:
    """What is left of a query's time, and whether it has been told to stop.

    What counts is the time that the database is at work, and not how long a client takes to read.
    """

    def __init__(self, seconds: float | None, stop: Stop) -> None:
        """`stop` interrupts the database; it may be called from another thread, and again until the work has ended."""
        self._seconds = seconds
        self._left = seconds or inf
        self._stop = stop
        self._hurry: Callable[[], None] | None = None
        self._late = False
        self._cancelled = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The body is work of the database.

        Raises QueryCancelledError where the query has been cancelled before.
        """
        begun = time.monotonic()
        try:
            with _DEADLINES.within(self._left, self._end) as self._hurry:
                if self._cancelled:
                    raise QueryCancelledError("the query was cancelled")
                yield
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - begun))

    def _end(self) -> None:
        self._late = self._late or not self._cancelled
        self._stop()

    def cancel(self) -> None:
        """Stop the work that is under way, and let no other begin."""
        self._cancelled = True
        if self._hurry is not None:
            self._hurry()

    @property
    def fault(self) -> ServiceError | None:
        """Why the database was stopped, if it was."""
        if self._late:
            return QueryTimeoutError(f"the query took longer than {self._seconds:g} s, the limit of this service")
        return QueryCancelledError("the query was cancelled") if self._cancelled else None
