"""The execution of one job, in a thread, from its parameters to its results or its failure.

The row of the job says EXECUTING until its results are complete on the disk, whenever the process is killed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from vo_server.errors import BusyError, EngineError, QueryTimeoutError, ServiceError
from vo_server.jobs.files import JobFiles
from vo_server.jobs.leases import JobLeases
from vo_server.jobs.task import JobOutput, Task, TaskFactory
from vo_server.model.job import Failure, Job, JobResult, Phase
from vo_server.storage.jobs import DISK_FULL_ERRNOS

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2
"""Seconds between two attempts to update the job store."""


class StopReason(StrEnum):
    """Why an execution is stopped: its deadline passed, its lease is lost, or the worker process exits."""

    TIMEOUT = "timeout"
    LEASE_LOST = "lease lost"
    SHUTDOWN = "shutdown"


class JobExecution:
    """One attempt at a job, by the worker that has its lease. `stop_reason` is None until it is stopped."""

    def __init__(
        self,
        job: Job,
        worker: str,
        store: JobLeases,
        files: JobFiles,
        task_factories: Mapping[str, TaskFactory],
        *,
        lease: float,
        max_bytes: int,
    ) -> None:
        """Prepare an attempt; `lease` is in seconds, `max_bytes` limits the size of all results."""
        self.job = job
        self.stop_reason: StopReason | None = None
        self._worker = worker
        self._store = store
        self._files = files
        self._task_factories = task_factories
        self._max_bytes = max_bytes
        self._lease = lease
        self._task: Task | None = None
        start = time.monotonic()
        self._lease_end = start + lease
        self._deadline = start + job.duration

    # ------------------------------------------------- from another thread

    def stop(self, reason: StopReason) -> None:
        """Stop the execution; only the first reason counts."""
        if self.stop_reason is None:
            self.stop_reason = reason
            if self._task is not None:
                self._task.stop()

    def check_limits(self) -> None:
        """Stop the execution past its deadline or the end of its lease."""
        at = time.monotonic()
        if at > self._deadline:
            self.stop(StopReason.TIMEOUT)
        if at > self._lease_end:
            self.stop(StopReason.LEASE_LOST)

    def heartbeat(self) -> bool:
        """Renew the lease and store the progress; return False if this worker has lost the lease."""
        at = time.monotonic()
        progress, rows = (self._task.progress(), self._task.rows) if self._task else (None, None)
        is_leased = self._store.heartbeat(self.job.id, self._worker, self._lease, progress, rows)
        if is_leased:
            self._lease_end = at + self._lease
        return is_leased

    # ------------------------------------------------------ in its thread

    def run(self) -> None:
        """Run the job; record any error as its failure."""
        job = self.job
        try:
            self._files.remove_partial_results(job.id, ())
            results = self._produce_results()
            if not self._retry_while_leased(lambda: self._store.complete(job.id, self._worker, tuple(results))):
                self._remove_results(results)
        except Exception as error:  # noqa: BLE001 - every error becomes the failure of the job
            self._record_failure(error)

    def _produce_results(self) -> list[JobResult]:
        self._task = task = self._task_factories[self.job.service](self.job)
        if self.stop_reason:
            task.stop()
        results: list[JobResult] = []
        try:
            for output in task.produce_outputs():
                results.append(self._write_result(task, output, self._max_bytes - sum(r.size for r in results)))
        except BaseException:
            self._remove_results(results)
            raise
        finally:
            task.stop()
        return results

    def _write_result(self, task: Task, output: JobOutput, max_bytes: int) -> JobResult:
        stored = self._files.write_result(self.job.id, output.chunks, max_bytes)
        return JobResult(
            stored.file,
            output.media_type,
            output.name,
            stored.size,
            stored.etag,
            task.rows,
            task.overflow,
            output.id,
        )

    def _remove_results(self, results: Iterable[JobResult]) -> None:
        for result in results:
            self._files.remove_result(self.job.id, result.file)

    def _record_failure(self, error: Exception) -> None:
        """Store the failure, or requeue the job; a job whose lease is lost is left to its new worker."""
        id, worker = self.job.id, self._worker
        if self.stop_reason is StopReason.SHUTDOWN:
            self._retry_while_leased(lambda: self._store.requeue(id, worker))
        elif self.stop_reason is StopReason.TIMEOUT:
            message = f"the job ran longer than its execution duration of {self.job.duration} s"
            failure = to_failure(QueryTimeoutError(message))
            self._retry_while_leased(lambda: self._store.fail(id, worker, failure, Phase.ABORTED))
        elif self.stop_reason is None:
            failure = to_failure(to_service_error(error))
            self._retry_while_leased(lambda: self._store.fail(id, worker, failure))
        else:
            self._files.remove_empty_folder(id)

    def _retry_while_leased(self, update: Callable[[], bool]) -> bool:
        """Retry an update of the job store while the store is unavailable and the lease lasts."""
        while True:
            try:
                return update()
            except BusyError:
                if time.monotonic() > self._lease_end:
                    return False
                time.sleep(RETRY_SECONDS)


def to_service_error(error: Exception) -> ServiceError:
    """Return the error that a client sees for any exception; details for the operator go to the log."""
    if isinstance(error, ServiceError):
        return error
    log.error("a job failed", exc_info=error)
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return BusyError("the disk of the service is full: the result cannot be stored")
    if isinstance(error, OSError):
        return EngineError(f"the result cannot be written: {error.strerror or type(error).__name__}")
    if isinstance(error, MemoryError):
        hint = "ask for fewer rows or columns"
        return EngineError("the result needs more memory than the limit of this service", hint=hint)
    return EngineError("internal error; the log of the server has the reason")


def to_failure(error: ServiceError) -> Failure:
    """Return the failure of a job as it is stored."""
    return Failure(error.code, str(error), transient=isinstance(error, BusyError))
