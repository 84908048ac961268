"""A worker: takes one job at a time from the queue and polls many times a second whether it may go on.

The job runs in a thread (execution.py), so that the process reacts at once to an abort of the job or to a signal. A
job belongs to this worker while its lease lasts; a heartbeat every second renews the lease. When the heartbeat fails
for too long, or the job has been aborted or deleted, the worker stops the job. The lease of a dead worker expires.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from vo_server.errors import BusyError
from vo_server.jobs.cleanup import Cleanup, StorageQuota
from vo_server.jobs.execution import JobExecution, StopReason
from vo_server.jobs.files import JobFiles
from vo_server.jobs.store import JobStore
from vo_server.jobs.task import TaskFactory
from vo_server.model.job import Job, Phase

POLL_SECONDS = 0.02
"""Seconds between two polls of the change counter."""

LEASE_SECONDS = 15.0
"""Seconds for which a job belongs to a worker after a heartbeat."""

HEARTBEAT_SECONDS = 1.0
"""Seconds between two heartbeats."""

JOB_CLEANUP_SECONDS = 2.0
"""Seconds between two cleanups of expired jobs and leases."""

STORAGE_CLEANUP_SECONDS = 60.0
"""Seconds between two cleanups of stored results."""


class Worker:
    """A worker that runs one job at a time until it is stopped."""

    def __init__(
        self,
        name: str,
        store: JobStore,
        files: JobFiles,
        task_factories: Mapping[str, TaskFactory],
        *,
        quota: StorageQuota | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        """Configure a worker with a unique name; `task_factories` are by service, `lease` is in seconds."""
        quota = quota or StorageQuota()
        self.name = name
        self._store = store
        self._files = files
        self._task_factories = task_factories
        self._max_result_bytes = quota.max_result_bytes or (1 << 62)
        self._cleanup = Cleanup(store, files, quota)
        self._lease = lease
        self._read_counter = store.change_counter()
        self._wake = threading.Event()
        self._stopping = False
        self._execution: tuple[JobExecution, threading.Thread] | None = None
        self._seen_counter = -1
        self._due_at: dict[str, float] = {}

    def stop(self) -> None:
        """Make `run` return soon; the running job is requeued. May be called from a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self, is_parent_alive: Callable[[], bool] = lambda: True) -> None:
        """Run jobs until `stop` is called or `is_parent_alive` returns False."""
        while not self._stopping:
            pause = POLL_SECONDS
            try:
                self._poll()
            except BusyError:
                pause = HEARTBEAT_SECONDS
            if self._is_due("alive", HEARTBEAT_SECONDS) and not is_parent_alive():
                break
            self._wake.wait(pause)
            self._wake.clear()
        if self._execution is not None:
            execution, thread = self._execution
            execution.stop(StopReason.SHUTDOWN)
            thread.join()
        with suppress(BusyError):
            self._store.unregister_worker(self.name)

    def _poll(self) -> None:
        execution = self._execution[0] if self._execution else None
        if execution is not None:
            execution.check_limits()
        if self._is_due("here", self._lease / 3):
            self._store.register_worker(self.name, self._lease)
        if execution is not None:
            self._monitor(execution)
        else:
            self._take_job()

    def _take_job(self) -> None:
        """Take the next job from the queue, if there is one."""
        again = self._clean_if_due()
        seen = self._read_counter()
        if seen == self._seen_counter and not again:
            return
        job = self._store.take_job(self.name, self._lease)
        if job is None:
            self._seen_counter = seen
        else:
            self._start(job)

    def _start(self, job: Job) -> None:
        execution = JobExecution(
            job,
            self.name,
            self._store,
            self._files,
            self._task_factories,
            lease=self._lease,
            max_bytes=self._max_result_bytes,
        )
        thread = threading.Thread(target=self._execute, args=(execution,), name=f"job {job.id}", daemon=True)
        self._execution = execution, thread
        self._due_at["beat"] = time.monotonic() + HEARTBEAT_SECONDS
        thread.start()

    def _execute(self, execution: JobExecution) -> None:
        try:
            execution.run()
        finally:
            self._execution = None
            self._seen_counter = -1
            self._wake.set()

    def _monitor(self, execution: JobExecution) -> None:
        """Send the heartbeat when it is due, and stop the job if it no longer belongs to this worker."""
        if self._is_due("beat", HEARTBEAT_SECONDS) and not execution.heartbeat():
            execution.stop(StopReason.LEASE_LOST)
        self._clean_if_due()
        seen = self._read_counter()
        if seen != self._seen_counter:
            self._seen_counter = seen
            if self._store.get_phases([execution.job.id]).get(execution.job.id) != Phase.EXECUTING:
                execution.stop(StopReason.LEASE_LOST)

    def _clean_if_due(self) -> bool:
        """Run the cleanup if it is due; return whether it ran."""
        if not self._is_due("sweep", JOB_CLEANUP_SECONDS):
            return False
        self._cleanup.clean_jobs()
        if self._is_due("tidy", STORAGE_CLEANUP_SECONDS):
            self._cleanup.clean_storage()
        return True

    def _is_due(self, what: str, seconds: float) -> bool:
        """Return whether an activity is due again, and set its next time."""
        at = time.monotonic()
        if at < self._due_at.get(what, 0.0):
            return False
        self._due_at[what] = at + seconds
        return True
