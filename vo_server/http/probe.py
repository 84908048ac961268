"""A cached probe of something that may hang: one call at a time, with a timeout and a maximum age of its result."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import anyio

log = logging.getLogger(__name__)

T = TypeVar("T")


class CachedProbe(Generic[T]):
    """A probe with a cache; belongs to one event loop."""

    def __init__(self, probe: Callable[[], T], timeout: float, max_age: float = 1.0) -> None:
        """Set the probe; a result is returned again for `max_age` seconds, and a call is waited for up to `timeout`
        seconds. A later result serves the requests after it."""
        self._probe, self._timeout, self._max_age = probe, timeout, max_age
        self._started_at = 0.0
        self._future: Future[T | None] | None = None

    async def get(self) -> T | None:
        """Return the result of the probe; None if it has not come in time or the probe failed."""
        found = self._future
        if found is None or (found.done() and time.monotonic() - self._started_at >= self._max_age):
            found = self._start()
        if not found.done():
            waiting = asyncio.wrap_future(found)
            with anyio.move_on_after(max(self._started_at + self._timeout - time.monotonic(), 0)):
                await asyncio.wait([waiting])
            waiting.cancel()  # or an answer after the end of the loop would be told there
        return found.result() if found.done() else None

    def _start(self) -> Future[T | None]:
        """Start the probe in a daemon thread, which does not keep the process from ending."""
        found: Future[T | None] = Future()
        found.set_running_or_notify_cancel()  # who waits no more does not take it from the others
        self._started_at, self._future = time.monotonic(), found

        def ask() -> None:
            try:
                found.set_result(self._probe())
            except Exception:  # the thread's border: there is nobody else to hear of it
                log.exception("a look failed")
                found.set_result(None)

        threading.Thread(target=ask, name="look", daemon=True).start()
        return found
