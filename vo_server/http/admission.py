"""Admission of queries: a short and a long queue, each with a number of slots that clients share fairly.

Short queries have a queue of their own, so that no short query waits behind a long one. A waiting request holds
neither a thread nor a cursor. All of this happens in the event loop of one process.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

import anyio

from vo_server.errors import BusyError

SHORT_QUERY_SECONDS = 1.0
"""Seconds after which a query that was admitted as short moves to the long queue."""

SLOW_CLIENT_SECONDS = 0.5
"""Seconds after which a client that does not read its response loses its slot; the query pauses meanwhile."""

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 5, 600
"""Bounds of Retry-After."""


@dataclass(slots=True, eq=False)
class _Waiter:
    woken: anyio.Event = field(default_factory=anyio.Event)
    rejected: bool = False


class QueryQueue:
    """A queue with a number of slots; waiting clients are served in turn, each with its oldest request."""

    def __init__(self, name: str, slots: int, slots_per_client: int, max_waiting: int, queue_timeout: float) -> None:
        """Set the limits: `slots_per_client` of the `slots` for one client, and `max_waiting` requests that wait for
        `queue_timeout` seconds."""
        self.name = name
        self._slots = slots
        self._slots_per_client = slots_per_client
        self._max_waiting = max_waiting
        self._queue_timeout = queue_timeout
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._mean_seconds = 0.0

    @property
    def running(self) -> int:
        """The number of slots in use."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return sum(map(len, self._waiting.values()))

    async def acquire(self, client: str) -> None:
        """Acquire a slot, waiting for it.

        Raises BusyError where the queue is full, and where no slot becomes free before the timeout.
        """
        if self._has_free_slot(client):
            self.acquire_now(client)
            return
        waiter = self._enqueue(client)
        entered = False
        try:
            with anyio.move_on_after(self._queue_timeout):
                await waiter.woken.wait()
                entered = not waiter.rejected
        finally:
            if not entered:
                self._dequeue(client, waiter)
        if not entered:
            raise self._make_busy_error(
                f"no slot became free in {self._queue_timeout:g} s" if not waiter.rejected else None
            )

    def acquire_now(self, client: str) -> None:
        """Acquire a slot even if none is free."""
        self._running[client] += 1

    def release(self, client: str, seconds: float | None = None) -> None:
        """Release a slot; `seconds` is how long it was held, for the estimate of Retry-After."""
        self._running -= Counter([client])
        if seconds is not None:
            self._mean_seconds += 0.2 * (seconds - self._mean_seconds)
        self._wake_waiters()

    def _has_free_slot(self, client: str) -> bool:
        return self.running < self._slots and self._running[client] < self._slots_per_client

    def _wake_waiters(self) -> None:
        """Give free slots to waiting requests: to the client whose turn it is, which then moves to the end."""
        while (client := next(filter(self._has_free_slot, self._waiting), None)) is not None:
            waiters = self._waiting.pop(client)
            waiter = waiters.popleft()
            if waiters:
                self._waiting[client] = waiters
            self.acquire_now(client)
            waiter.woken.set()

    def _enqueue(self, client: str) -> _Waiter:
        """Add a waiter to the client's own queue. If the queue is full, the newest waiter of the client
        with the most waiters is rejected."""
        if self.waiting >= self._max_waiting:
            busiest = max(self._waiting, key=lambda c: len(self._waiting[c]), default=client)
            if len(self._waiting.get(busiest, ())) <= len(self._waiting.get(client, ())) + 1:
                raise self._make_busy_error()
            newest = self._waiting[busiest].pop()
            newest.rejected = True
            newest.woken.set()
        waiter = _Waiter()
        self._waiting.setdefault(client, deque()).append(waiter)
        return waiter

    def _dequeue(self, client: str, waiter: _Waiter) -> None:
        waiters = self._waiting.get(client, deque())
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[client]
        elif waiter.woken.is_set() and not waiter.rejected:  # it got a slot, and was cancelled before it ran
            self.release(client)

    def _make_busy_error(self, reason: str | None = None) -> BusyError:
        retry_seconds = ceil(self._mean_seconds * (self.waiting + 1) / self._slots)
        retry_seconds = min(max(retry_seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
        reason = reason or f"{self.running} queries run and {self.waiting} wait, the limit"
        return BusyError(
            f"the service is busy: {reason}",
            hint=f"repeat the request in {retry_seconds} s",
            retry_after_seconds=retry_seconds,
        )


class Slot:
    """A held slot; releasing it twice has no effect."""

    def __init__(self, queue: QueryQueue, client: str, long_queue: QueryQueue) -> None:
        """Hold a slot of a queue, and move to `long_queue` if the query takes longer than a short one."""
        self._loop = asyncio.get_running_loop()
        self.queue = queue.name
        self._queue: QueryQueue | None = queue
        self._client = client
        self._started_at = self._loop.time()
        self._timer = self._loop.call_later(SHORT_QUERY_SECONDS, self._move_to_long_queue, long_queue)

    def release(self) -> None:
        """Release the slot."""
        self._timer.cancel()
        if self._queue is not None:
            queue, self._queue = self._queue, None
            queue.release(self._client, self._loop.time() - self._started_at)

    def _move_to_long_queue(self, long: QueryQueue) -> None:
        if self._queue is not None and self._queue is not long:
            long.acquire_now(self._client)
            self._queue.release(self._client)
            self._queue = long

    @contextmanager
    def yield_if_slow(self) -> Iterator[None]:
        """Release the slot if the block, in which the response waits for the client, takes too long."""
        slow = self._loop.call_later(SLOW_CLIENT_SECONDS, self.release)
        try:
            yield
        finally:
            slow.cancel()


class QueryAdmission:
    """The short and the long queue of a process."""

    def __init__(
        self, short_slots: int, long_slots: int = 4, max_waiting: int = 100, queue_timeout: float = 300.0
    ) -> None:
        """Create both queues: half of the `long_slots` may be one client's; in each queue `max_waiting` requests wait,
        for at most `queue_timeout` seconds."""
        self.short = QueryQueue("short", short_slots, short_slots, max_waiting, queue_timeout)
        self.long = QueryQueue("long", long_slots, max(1, long_slots // 2), max_waiting, queue_timeout)

    def count_queries(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many queries run and how many wait, by the names of the queues."""
        queues = (self.short, self.long)
        return {queue.name: queue.running for queue in queues}, {queue.name: queue.waiting for queue in queues}

    async def acquire(self, client: str, is_short: bool) -> Slot:
        """Return a slot for a query of a client, which the caller must release; `is_short` selects the queue.

        Raises BusyError.
        """
        queue = self.short if is_short else self.long
        await queue.acquire(client)
        return Slot(queue, client, self.long)
