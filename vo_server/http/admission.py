"""Which queries run now, and which wait: two lanes, each with so many places, in which clients take turns.

Queries that are little work have a lane of their own, so that none waits behind a long one. Who waits holds neither a
thread nor a cursor. All of this happens in the event loop of one process.
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

TOO_LONG = 1.0
"""Seconds after which a query that was taken for little work counts among the long ones."""

SLOW = 0.5
"""Seconds after which a client that does not take what there is gives up its place; its query rests meanwhile."""

SHORTEST, LONGEST = 5, 600
"""Seconds after which, by our own words, a client may ask again."""


@dataclass(slots=True, eq=False)
class _Waiter:
    called: anyio.Event = field(default_factory=anyio.Event)
    turned_away: bool = False


class Lane:
    """So many places; of those who wait, the clients take turns, each with its first."""

    def __init__(self, name: str, places: int, each: int, queue: int, patience: float) -> None:
        """`each` places at the most are one client's; `queue` may wait, for `patience` seconds."""
        self.name = name
        self._places = places
        self._each = each
        self._queue = queue
        self._patience = patience
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._usual = 0.0

    @property
    def running(self) -> int:
        """How many run."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def enter(self, client: str) -> None:
        """Take a place, after waiting for it.

        Raises BusyError where too many wait already, or where it takes too long.
        """
        if self._free(client):
            self.count(client)
            return
        waiter = self._queued(client)
        entered = False
        try:
            with anyio.move_on_after(self._patience):
                await waiter.called.wait()
                entered = not waiter.turned_away
        finally:
            if not entered:
                self._gone(client, waiter)
        if not entered:
            raise self._busy(f"no place became free in {self._patience:g} s" if not waiter.turned_away else None)

    def count(self, client: str) -> None:
        """Take a place whether there is one or not."""
        self._running[client] += 1

    def leave(self, client: str, seconds: float | None = None) -> None:
        """Give the place back; `seconds` is how long it was held, which tells others how long it may take."""
        self._running -= Counter([client])
        if seconds is not None:
            self._usual += 0.2 * (seconds - self._usual)
        self._call()

    def _free(self, client: str) -> bool:
        return self.running < self._places and self._running[client] < self._each

    def _call(self) -> None:
        """Give free places to those who wait: to the client whose turn it is, and then it is the last."""
        while (client := next(filter(self._free, self._waiting), None)) is not None:
            waiters = self._waiting.pop(client)
            waiter = waiters.popleft()
            if waiters:
                self._waiting[client] = waiters
            self.count(client)
            waiter.called.set()

    def _queued(self, client: str) -> _Waiter:
        """At the end of the client's own queue. Where all are full, the last of whoever has most waiting must go."""
        if self.waiting >= self._queue:
            most = max(self._waiting, key=lambda c: len(self._waiting[c]), default=client)
            if len(self._waiting.get(most, ())) <= len(self._waiting.get(client, ())) + 1:
                raise self._busy()
            last = self._waiting[most].pop()
            last.turned_away = True
            last.called.set()
        waiter = _Waiter()
        self._waiting.setdefault(client, deque()).append(waiter)
        return waiter

    def _gone(self, client: str, waiter: _Waiter) -> None:
        waiters = self._waiting.get(client, deque())
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[client]
        elif waiter.called.is_set() and not waiter.turned_away:  # called, and cancelled before it came
            self.leave(client)

    def _busy(self, why: str | None = None) -> BusyError:
        after = ceil(self._usual * (self.waiting + 1) / self._places)
        after = min(max(after, SHORTEST), LONGEST)
        why = why or f"{self.running} queries are under way and {self.waiting} wait, more are not taken"
        return BusyError(f"the service is busy: {why}", hint=f"ask again in {after} s", retry_after_seconds=after)


class Turn:
    """A place that is held until its end, which may be told more than once."""

    def __init__(self, lane: Lane, client: str, long: Lane) -> None:
        """Where it is not in the `long` lane it goes there if it takes longer than was thought."""
        self._loop = asyncio.get_running_loop()
        self.lane = lane.name
        self._lane: Lane | None = lane
        self._client = client
        self._begun = self._loop.time()
        self._watch = self._loop.call_later(TOO_LONG, self._lengthen, long)

    def end(self) -> None:
        """Give the place back."""
        self._watch.cancel()
        if self._lane is not None:
            lane, self._lane = self._lane, None
            lane.leave(self._client, self._loop.time() - self._begun)

    def _lengthen(self, long: Lane) -> None:
        if self._lane is not None and self._lane is not long:
            long.count(self._client)
            self._lane.leave(self._client)
            self._lane = long

    @contextmanager
    def offering(self) -> Iterator[None]:
        """The body waits for the client, who keeps the place if it is not too slow."""
        slow = self._loop.call_later(SLOW, self.end)
        try:
            yield
        finally:
            slow.cancel()


class Lanes:
    """The two lanes of a process."""

    def __init__(self, short: int, queries: int = 4, queue: int = 100, patience: float = 300.0) -> None:
        """So many `short` ones, and `queries` long ones run at once, and of these half may be one client's; `queue`
        wait in each lane, for `patience` seconds at the most."""
        self.short = Lane("short", short, short, queue, patience)
        self.long = Lane("long", queries, max(1, queries // 2), queue, patience)

    def state(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many queries run and how many wait, by the names of the lanes."""
        both = (self.short, self.long)
        return {lane.name: lane.running for lane in both}, {lane.name: lane.waiting for lane in both}

    async def turn(self, client: str, light: bool) -> Turn:
        """A place for a query of this client; `light` says that it is little work.

        Raises BusyError. Whoever is given one must end it.
        """
        lane = self.short if light else self.long
        await lane.enter(client)
        return Turn(lane, client, self.long)
