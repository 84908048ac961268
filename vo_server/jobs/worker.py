"""What a process that runs jobs does: takes one, and looks many times a second whether it may go on.

The job runs in a thread (turn.py), so that the process hears at once when the job is aborted or it shall end itself. A
job is this worker's for as long as its lease lasts, which it says again every second; when it cannot, or hears that the
job is not its own any more, it stops. The lease of a dead worker ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from vo_server.errors import BusyError
from vo_server.jobs.cleanup import Room, Sweep
from vo_server.jobs.execution import Turn
from vo_server.jobs.files import Files
from vo_server.jobs.store import Store
from vo_server.jobs.task import Work
from vo_server.model.job import Job, Phase

LOOK = 0.02
"""Seconds between two looks at the counter of changes."""

LEASE = 15.0
BEAT = 1.0
SWEEP = 2.0
TIDY = 60.0
"""Seconds: for which a job is a worker's; between two beats; between two looks for jobs whose end has come; between two
looks at how much room the results take."""


class Worker:
    """Runs one job at a time until it is told to end."""

    def __init__(
        self,
        name: str,
        store: Store,
        files: Files,
        work: Mapping[str, Work],
        *,
        room: Room | None = None,
        lease: float = LEASE,
    ) -> None:
        """`name` is like that of no other worker; `work` says for each service what its jobs do."""
        room = room or Room()
        self.name = name
        self._store = store
        self._files = files
        self._work = work
        self._most = room.most or (1 << 62)
        self._sweep = Sweep(store, files, room)
        self._lease = lease
        self._changes = store.glance()
        self._wake = threading.Event()
        self._ending = False
        self._turn: tuple[Turn, threading.Thread] | None = None
        self._seen = -1
        self._due: dict[str, float] = {}

    def end(self) -> None:
        """Let `run` return soon; the job under way goes back to the queue. May be called by a signal's handler."""
        self._ending = True
        self._wake.set()

    def run(self, alive: Callable[[], bool] = lambda: True) -> None:
        """Run jobs until `end` is called, or until `alive` says no more."""
        while not self._ending:
            pause = LOOK
            try:
                self._look()
            except BusyError:
                pause = BEAT
            if self._often("alive", BEAT) and not alive():
                break
            self._wake.wait(pause)
            self._wake.clear()
        if self._turn is not None:
            turn, thread = self._turn
            turn.stop("ending")
            thread.join()
        with suppress(BusyError):
            self._store.leave(self.name)

    def _look(self) -> None:
        turn = self._turn[0] if self._turn else None
        if turn is not None:
            turn.look()
        if self._often("here", self._lease / 3):
            self._store.arrive(self.name, self._lease)
        if turn is not None:
            self._watch(turn)
        else:
            self._seek()

    def _seek(self) -> None:
        """Is there a job to take?"""
        again = self._swept()
        seen = self._changes()
        if seen == self._seen and not again:
            return
        job = self._store.take(self.name, self._lease)
        if job is None:
            self._seen = seen
        else:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        turn = Turn(job, self.name, self._store, self._files, self._work, lease=self._lease, most=self._most)
        thread = threading.Thread(target=self._perform, args=(turn,), name=f"job {job.id}", daemon=True)
        self._turn = turn, thread
        self._due["beat"] = time.monotonic() + BEAT
        thread.start()

    def _perform(self, turn: Turn) -> None:
        try:
            turn.run()
        finally:
            self._turn = None
            self._seen = -1
            self._wake.set()

    def _watch(self, turn: Turn) -> None:
        """Is the job under way still ours?"""
        if self._often("beat", BEAT) and not turn.beat():
            turn.stop("lost")
        self._swept()
        seen = self._changes()
        if seen != self._seen:
            self._seen = seen
            if self._store.phases([turn.job.id]).get(turn.job.id) != Phase.EXECUTING:
                turn.stop("lost")

    def _swept(self) -> bool:
        """Was it time again to do what is done for all jobs?"""
        if not self._often("sweep", SWEEP):
            return False
        self._sweep.jobs()
        if self._often("tidy", TIDY):
            self._sweep.room()
        return True

    def _often(self, what: str, seconds: float) -> bool:
        """Is it time again?"""
        at = time.monotonic()
        if at < self._due.get(what, 0.0):
            return False
        self._due[what] = at + seconds
        return True
