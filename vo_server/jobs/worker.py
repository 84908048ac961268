"""What a process that runs jobs does: takes one, writes its result, and looks many times a second whether it may go on.

The job runs in a thread, so that the process hears at once when the job is aborted or it shall end itself. A job is
this worker's for as long as its lease lasts, which it says again every second; when it cannot, or hears that the job is
not its own any more, it stops. Whatever the moment at which it is killed: the row says EXECUTING until the result is on
the disk, whole, and the lease of a dead worker ends.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from vo_server.errors import BusyFault, EngineFault, Fault, TimeoutFault
from vo_server.jobs.files import Files
from vo_server.jobs.store import Store
from vo_server.model.job import ACTIVE, Failure, Job, Made, Phase

log = logging.getLogger(__name__)

LOOK = 0.02
"""Seconds between two looks at the counter of changes."""

LEASE = 15.0
BEAT = 1.0
SWEEP = 2.0
TIDY = 60.0
"""Seconds: for which a job is a worker's; between two beats; between two looks for jobs whose end has come; between two
looks at how much room the results take."""


class Answering(Protocol):
    """A question under way, as a job sees it (answer.Question is one)."""

    @property
    def rows(self) -> int:
        """Rows until now."""

    @property
    def overflow(self) -> bool:
        """Were rows left out?"""

    @property
    def failure(self) -> Exception | None:
        """What broke the rows off, where the format has told it in its last bytes."""

    def answer(self) -> Iterable[bytes]:
        """The result, piece by piece."""

    def stop(self) -> None:
        """End it; from any thread."""

    def progress(self) -> float | None:
        """The part that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a job does, and how its result is sent."""

    question: Answering
    media_type: str
    name: str


Work = Callable[[Job], Task]
"""What a job of a service does, made from its parameters. Raises the fault that these are."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: `most` of one result, `all` of all of them; 0 for no limit."""

    most: int = 0
    all: int = 0


@dataclass(slots=True)
class _Turn:
    """A job that is being run. `stopped` says why it shall not go on."""

    job: Job
    begun: float
    task: Task | None = None
    stopped: str | None = None
    thread: threading.Thread | None = None
    lease: float = field(default=0.0)

    def stop(self, why: str) -> None:
        if self.stopped is None:
            self.stopped = why
            if self.task is not None:
                self.task.question.stop()


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
        self.name = name
        self._store = store
        self._files = files
        self._work = work
        self._room = room or Room()
        self._lease = lease
        self._changes = store.glance()
        self._wake = threading.Event()
        self._ending = False
        self._turn: _Turn | None = None
        self._seen = -1
        self._due = {"beat": 0.0, "sweep": 0.0, "tidy": 0.0}

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
            except BusyFault:
                pause = BEAT
            if self._often("alive", BEAT) and not alive():
                break
            self._wake.wait(pause)
            self._wake.clear()
        if self._turn is not None:
            self._turn.stop("ending")
            assert self._turn.thread is not None
            self._turn.thread.join()

    def _look(self) -> None:
        turn = self._turn
        if turn is not None:
            self._watch(turn)
            return
        again = self._often("sweep", SWEEP)
        if again:
            self._sweep()
        seen = self._changes()
        if seen == self._seen and not again:
            return
        job = self._store.take(self.name, self._lease)
        if job is None:
            self._seen = seen
        else:
            self._begin(job)

    def _often(self, what: str, seconds: float) -> bool:
        """Is it time again?"""
        at = time.monotonic()
        if at < self._due.get(what, 0.0):
            return False
        self._due[what] = at + seconds
        return True

    # ------------------------------------------------------------- one job

    def _begin(self, job: Job) -> None:
        at = time.monotonic()
        turn = _Turn(job, at, lease=at + self._lease)
        turn.thread = threading.Thread(target=self._perform, args=(turn,), name=f"job {job.id}", daemon=True)
        self._turn = turn
        self._due["beat"] = at + BEAT
        turn.thread.start()

    def _watch(self, turn: _Turn) -> None:
        """Does the job under way go on?"""
        at = time.monotonic()
        if at > turn.begun + turn.job.duration:
            turn.stop("late")
        if at > turn.lease:
            turn.stop("lost")
        if self._often("beat", BEAT):
            question = turn.task.question if turn.task else None
            progress, rows = (question.progress(), question.rows) if question else (None, 0)
            if self._store.beat(turn.job.id, self.name, self._lease, progress, rows):
                turn.lease = at + self._lease
            elif self._turn is turn:
                turn.stop("lost")
        if self._often("sweep", SWEEP):
            self._sweep()
        seen = self._changes()
        if seen != self._seen:
            self._seen = seen
            if self._store.phases([turn.job.id]).get(turn.job.id) != Phase.EXECUTING and self._turn is turn:
                turn.stop("lost")

    def _perform(self, turn: _Turn) -> None:
        """The job's border: what goes wrong with it becomes its failure."""
        job = turn.job
        try:
            self._files.clear(job.id, ())
            made = self._made(turn)
            if not self._surely(turn, lambda: self._store.complete(job.id, self.name, made)):
                self._files.drop(job.id, made.file)
        except Exception as error:  # noqa: BLE001 - the border
            self._broken_off(turn, error)
        finally:
            self._turn = None
            self._seen = -1
            self._wake.set()

    def _made(self, turn: _Turn) -> Made:
        turn.task = task = self._work[turn.job.service](turn.job)
        question = task.question
        if turn.stopped:
            question.stop()
        try:
            most = self._room.most or (1 << 62)
            written = self._files.write(turn.job.id, _whole(question), most)
        finally:
            question.stop()
        return Made(
            written.file, task.media_type, task.name, written.size, written.etag, question.rows, question.overflow
        )

    def _broken_off(self, turn: _Turn, error: Exception) -> None:
        job = turn.job
        if turn.stopped == "ending":
            self._surely(turn, lambda: self._store.give_back(job.id, self.name))
        elif turn.stopped == "late":
            failure = _failure(TimeoutFault(f"the job ran longer than its execution duration, {job.duration} s"))
            self._surely(turn, lambda: self._store.fail(job.id, self.name, failure, Phase.ABORTED))
        elif turn.stopped is None:
            self._surely(turn, lambda: self._store.fail(job.id, self.name, _failure(_told(error))))
        else:  # it is somebody else's by now, or nobody's
            with suppress(OSError):
                self._files.folder.joinpath(job.id).rmdir()

    def _surely(self, turn: _Turn, tell: Callable[[], bool]) -> bool:
        """Tell the store, again and again while it cannot be used and the job is ours."""
        while True:
            try:
                return tell()
            except BusyFault:
                if time.monotonic() > turn.lease:
                    return False
                time.sleep(0.2)

    # -------------------------------------------------------- for all jobs

    def _sweep(self) -> None:
        """Jobs whose worker has died are queued again; those whose end has come are destroyed, and those that ended
        first when all results take more room than they may."""
        self._store.reclaim()
        gone = self._store.expired()
        if self._often("tidy", TIDY):
            gone += self._store.eldest(self._room.all) if self._room.all else ()
            gone += self._litter()
        for id in gone:
            self._store.delete(id)
            self._files.remove(id)

    def _litter(self) -> Iterator[str]:
        """Folders of no job. Of one that has ended what attempts that were killed have left is removed at once."""
        for id in self._files.litter():
            job = self._store.get(id)
            if job is None:
                yield id
            elif job.phase not in ACTIVE:
                self._files.clear(id, [job.made.file] if job.made else [])


def _whole(question: Answering) -> Iterable[bytes]:
    """All pieces of an answer.

    Raises what broke it off, also where the format has said so in words and ended in good order.
    """
    yield from question.answer()
    if question.failure is not None:
        raise question.failure


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _told(error: Exception) -> Fault:
    """What is told of anything that goes wrong; what only the operator should know goes to the log."""
    if isinstance(error, Fault):
        return error
    log.error("a job failed", exc_info=error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return BusyFault("the service has no room left on its disk for this result")
    if isinstance(error, OSError):
        return EngineFault(f"the result could not be written: {error.strerror or type(error).__name__}")
    if isinstance(error, MemoryError):
        return EngineFault("the result needs more memory than the service gives: ask for fewer rows or columns")
    return EngineFault("internal error; the operator finds the reason in the log")


def _failure(fault: Fault) -> Failure:
    return Failure(fault.code, str(fault), transient=isinstance(fault, BusyFault))
