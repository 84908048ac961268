"""A job while it is run: in a thread, from its parameters to its results or to the reason why there is none.

Whatever the moment at which the process is killed: the row says EXECUTING until the results are on the disk, whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from vo_server.errors import BusyError, EngineError, QueryTimeoutError, ServiceError
from vo_server.jobs.files import Files
from vo_server.jobs.leases import Leases
from vo_server.jobs.task import Output, Task, Work
from vo_server.model.job import Failure, Job, Made, Phase
from vo_server.storage.jobs import FULL

log = logging.getLogger(__name__)


class Turn:
    """One attempt at a job, by the worker that has its lease. `stopped` says why it shall not go on."""

    def __init__(
        self, job: Job, worker: str, store: Leases, files: Files, work: Mapping[str, Work], *, lease: float, most: int
    ) -> None:
        """`lease` is the seconds for which the job is the worker's, `most` the bytes that its results may have."""
        self.job = job
        self.stopped: str | None = None
        self._worker = worker
        self._store = store
        self._files = files
        self._work = work
        self._most = most
        self._lease = lease
        self._task: Task | None = None
        begun = time.monotonic()
        self._until = begun + lease
        self._end = begun + job.duration

    # ------------------------------------------------- from another thread

    def stop(self, why: str) -> None:
        """Let it not go on; the first reason counts."""
        if self.stopped is None:
            self.stopped = why
            if self._task is not None:
                self._task.stop()

    def look(self) -> None:
        """Stop it if it has run for too long, or if its lease has ended."""
        at = time.monotonic()
        if at > self._end:
            self.stop("late")
        if at > self._until:
            self.stop("lost")

    def beat(self) -> bool:
        """Say that it is still worked at; False where it is not this worker's any more."""
        at = time.monotonic()
        progress, rows = (self._task.progress(), self._task.rows) if self._task else (None, None)
        ours = self._store.beat(self.job.id, self._worker, self._lease, progress, rows)
        if ours:
            self._until = at + self._lease
        return ours

    # ------------------------------------------------------ in its thread

    def run(self) -> None:
        """The job's border: what goes wrong with it becomes its failure."""
        job = self.job
        try:
            self._files.clear(job.id, ())
            made = self._made()
            if not self._surely(lambda: self._store.complete(job.id, self._worker, tuple(made))):
                self._drop(made)
        except Exception as error:  # noqa: BLE001 - the border
            self._broken_off(error)

    def _made(self) -> list[Made]:
        self._task = task = self._work[self.job.service](self.job)
        if self.stopped:
            task.stop()
        made: list[Made] = []
        try:
            for output in task.outputs():
                made.append(self._written(task, output, self._most - sum(m.size for m in made)))
        except BaseException:
            self._drop(made)
            raise
        finally:
            task.stop()
        return made

    def _written(self, task: Task, output: Output, most: int) -> Made:
        file = self._files.write(self.job.id, output.pieces, most)
        kind, name, id = output.media_type, output.name, output.id
        return Made(file.file, kind, name, file.size, file.etag, task.rows, task.overflow, id)

    def _drop(self, made: Iterable[Made]) -> None:
        for each in made:
            self._files.drop(self.job.id, each.file)

    def _broken_off(self, error: Exception) -> None:
        id, worker = self.job.id, self._worker
        if self.stopped == "ending":
            self._surely(lambda: self._store.give_back(id, worker))
        elif self.stopped == "late":
            said = f"the job ran longer than its execution duration, {self.job.duration} s"
            failure = _failure(QueryTimeoutError(said))
            self._surely(lambda: self._store.fail(id, worker, failure, Phase.ABORTED))
        elif self.stopped is None:
            failure = _failure(_told(error))
            self._surely(lambda: self._store.fail(id, worker, failure))
        else:  # it is somebody else's by now, or nobody's
            self._files.tidy(id)

    def _surely(self, tell: Callable[[], bool]) -> bool:
        """Tell the store, again and again while it cannot be used and the job is ours."""
        while True:
            try:
                return tell()
            except BusyError:
                if time.monotonic() > self._until:
                    return False
                time.sleep(0.2)


def _told(error: Exception) -> ServiceError:
    """What is told of anything that goes wrong; what only the operator should know goes to the log."""
    if isinstance(error, ServiceError):
        return error
    log.error("a job failed", exc_info=error)
    if isinstance(error, OSError) and error.errno in FULL:
        return BusyError("the service has no room left on its disk for this result")
    if isinstance(error, OSError):
        return EngineError(f"the result could not be written: {error.strerror or type(error).__name__}")
    if isinstance(error, MemoryError):
        return EngineError("the result needs more memory than the service gives: ask for fewer rows or columns")
    return EngineError("internal error; the operator finds the reason in the log")


def _failure(fault: ServiceError) -> Failure:
    return Failure(fault.code, str(fault), transient=isinstance(fault, BusyError))
