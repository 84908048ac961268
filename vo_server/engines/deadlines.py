"""One thread that stops what takes too long: a timer for each query would be a thread for each query."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
