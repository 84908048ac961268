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
        future = self._future
        if future is None or (future.done() and time.monotonic() - self._started_at >= self._max_age):
            future = self._start()
        if not future.done():
            waiting = asyncio.wrap_future(future)
            with anyio.move_on_after(max(self._started_at + self._timeout - time.monotonic(), 0)):
                await asyncio.wait([waiting])
            waiting.cancel()  # else a result after the end of the event loop would be set there
        return future.result() if future.done() else None

    def _start(self) -> Future[T | None]:
        """Start the probe in a daemon thread, which does not keep the process from ending."""
        future: Future[T | None] = Future()
        future.set_running_or_notify_cancel()  # a cancelled waiter does not cancel it for the others
        self._started_at, self._future = time.monotonic(), future

        def call_probe() -> None:
            try:
                future.set_result(self._probe())
            except Exception:  # the thread's border: nothing else would report it
                log.exception("a probe failed")
                future.set_result(None)

        threading.Thread(target=call_probe, name="probe", daemon=True).start()
        return future
