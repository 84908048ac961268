"""The job service of a server: its store, files and limits, and the requests that wait for jobs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from vo_server.errors import BusyError, Code
from vo_server.jobs.files import JobFiles
from vo_server.jobs.store import JobStore
from vo_server.jobs.table import get_current_time
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.model.job import Job, Phase


@dataclass(frozen=True, slots=True)
class DurationLimits:
    """The default and the maximum of a duration, in seconds."""

    default: int
    maximum: int

    def clamp(self, seconds: int) -> int:
        """Return a requested duration, or the maximum where it exceeds that or is 0 (unlimited)."""
        return min(seconds, self.maximum) if seconds > 0 else self.maximum


@dataclass(frozen=True, slots=True)
class JobService:
    """The job system of a server.

    `execution` limits how long a job may run, `retention` how long it is kept, in seconds; `max_queued` is the number
    of jobs that may wait; `max_result_bytes` is the size limit of all results, 0 for no limit.
    """

    store: JobStore
    files: JobFiles
    watcher: PhaseWatcher
    execution: DurationLimits
    retention: DurationLimits
    max_queued: int = 1_000
    max_result_bytes: int = 0

    def check_capacity(self) -> None:
        """Check that one more job may wait in the queue.

        Raises BusyError if the queue is full.
        """
        waiting = self.store.count_by_phase().get(Phase.QUEUED, 0)
        if waiting >= self.max_queued:
            raise BusyError(
                f"the job queue is full: {waiting:,} jobs are waiting, the limit of this service",
                hint="repeat the request in a minute",
                code=Code.JOB_QUEUE_FULL,
            )

    def create_job(self, service: str) -> Job:
        """Return a job that is not stored yet, with a random id that cannot be guessed."""
        at = get_current_time()
        end = at + timedelta(seconds=min(self.retention.default, self.retention.maximum))
        duration = min(self.execution.default, self.execution.maximum)
        return Job(secrets.token_urlsafe(16), service, at, end.replace(microsecond=0), duration)

    def limit_destruction(self, job: Job, requested: datetime) -> datetime:
        """Return the requested destruction time, or the latest that the limits allow."""
        last = job.created + timedelta(seconds=self.retention.maximum)
        return min(requested, last).replace(microsecond=0)
