"""A look at something that may never answer: one at a time, kept for a while, and not waited for without end."""

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
    """Belongs to one event loop."""

    def __init__(self, probe: Callable[[], T], timeout: float, max_age: float = 1.0) -> None:
        """`kept` is for how many seconds an answer is good, `patience` how many one is waited for; what comes later is
        the answer to who asks then."""
        self._probe, self._timeout, self._max_age = probe, timeout, max_age
        self._started_at = 0.0
        self._future: Future[T | None] | None = None

    async def get(self) -> T | None:
        """What the question gives; None where that has not come in time, or the question failed."""
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
        """The question, in a thread that keeps no process from ending."""
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
