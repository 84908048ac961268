"""Long-polling: one poller wakes all requests that wait for a job's phase to change, without a thread for each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from vo_server.errors import BusyError
from vo_server.jobs.store import JobStore
from vo_server.model.job import Phase

P = ParamSpec("P")
T = TypeVar("T")

POLL_SECONDS = 0.03
"""Seconds between two polls of the job store, while requests wait."""

MAX_THREADS = 16
"""Concurrent calls of the job store. They are short; queries do not delay them, for these have their own threads."""


class PhaseWatcher:
    """A poller that wakes the requests that wait for a job's phase to change. It belongs to one event loop."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._waiting: dict[str, list[tuple[Phase, asyncio.Event]]] = defaultdict(list)
        self._has_new_requests = False
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._limiter: anyio.CapacityLimiter | None = None

    async def call_in_thread(self, question: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a method of the job store in a thread and return its result."""
        if self._limiter is None:  # needs an event loop
            self._limiter = anyio.CapacityLimiter(MAX_THREADS)
        return await anyio.to_thread.run_sync(partial(question, *arguments, **named), limiter=self._limiter)

    async def wait_for_change(self, id: str, phase: Phase, seconds: float) -> None:
        """Return when the job has left this phase, or after a timeout in seconds."""
        if self._stopped:
            return
        entry = phase, asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._waiting[id].append(entry)
        self._has_new_requests = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            with anyio.move_on_after(seconds):
                await entry[1].wait()
        finally:
            self._waiting[id].remove(entry)
            if not self._waiting[id]:
                del self._waiting[id]

    def stop(self) -> None:
        """Wake all waiting requests, because the server stops.

        May be called from another thread or from a signal handler.
        """
        self._stopped = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(_wake_changed, self._list_waiting(), {})

    async def _poll(self) -> None:
        seen = -1
        while self._waiting:
            with suppress(BusyError):  # the next poll retries
                now = await self.call_in_thread(self._store.count_changes)
                if now != seen or self._has_new_requests:
                    seen, self._has_new_requests = now, False
                    waiting = self._list_waiting()  # a request that arrives during the call is not in its result
                    _wake_changed(
                        waiting, await self.call_in_thread(self._store.get_phases, {id for id, *_ in waiting})
                    )
            await asyncio.sleep(POLL_SECONDS)

    def _list_waiting(self) -> list[tuple[str, Phase, asyncio.Event]]:
        return [(id, *entry) for id, entries in self._waiting.items() for entry in entries]


def _wake_changed(waiting: Iterable[tuple[str, Phase, asyncio.Event]], phases: Mapping[str, Phase]) -> None:
    for id, phase, event in waiting:
        if phases.get(id) is not phase:
            event.set()
