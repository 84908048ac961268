"""Who waits for a job to change is told, without a thread for each: one look for all of them, many times a second."""

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
from vo_server.jobs.store import Store
from vo_server.model.job import Phase

P = ParamSpec("P")
T = TypeVar("T")

LOOK = 0.03
"""Seconds between two looks, while anybody waits."""

THREADS = 16
"""Calls of the store at a time. They are short, and not kept waiting by queries, which have threads of their own."""


class Watch:
    """The phases of the jobs that somebody waits for. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, list[tuple[Phase, asyncio.Event]]] = defaultdict(list)
        self._fresh = False
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._limiter: anyio.CapacityLimiter | None = None

    async def ask(self, question: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What a method of the store says, asked for in a thread."""
        if self._limiter is None:  # it cannot be made before there is an event loop
            self._limiter = anyio.CapacityLimiter(THREADS)
        return await anyio.to_thread.run_sync(partial(question, *arguments, **named), limiter=self._limiter)

    async def changed(self, id: str, phase: Phase, seconds: float) -> None:
        """Return when the job is not in this phase any more, or after so many seconds."""
        if self._ended:
            return
        entry = phase, asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._waiting[id].append(entry)
        self._fresh = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            with anyio.move_on_after(seconds):
                await entry[1].wait()
        finally:
            self._waiting[id].remove(entry)
            if not self._waiting[id]:
                del self._waiting[id]

    def end(self) -> None:
        """Let nobody wait any more: the server stops. May be called from another thread or by a signal's handler."""
        self._ended = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(_tell, self._all(), {})

    async def _look(self) -> None:
        seen = -1
        while self._waiting:
            with suppress(BusyError):  # it is tried again
                now = await self.ask(self._store.changes)
                if now != seen or self._fresh:
                    seen, self._fresh = now, False
                    waiting = self._all()  # who comes while the store is asked is not in its answer
                    _tell(waiting, await self.ask(self._store.phases, {id for id, *_ in waiting}))
            await asyncio.sleep(LOOK)

    def _all(self) -> list[tuple[str, Phase, asyncio.Event]]:
        return [(id, *entry) for id, entries in self._waiting.items() for entry in entries]


def _tell(waiting: Iterable[tuple[str, Phase, asyncio.Event]], phases: Mapping[str, Phase]) -> None:
    for id, phase, event in waiting:
        if phases.get(id) is not phase:
            event.set()
