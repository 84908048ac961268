"""What a server needs to take jobs in and to tell of them: the store, the files, who waits, and the limits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from vo_server.errors import BusyError
from vo_server.jobs.files import Files
from vo_server.jobs.store import Store
from vo_server.jobs.table import now
from vo_server.jobs.waiting import Watch
from vo_server.model.job import Job, Phase


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds: what holds when nothing is asked for, and the most."""

    default: int
    hard: int

    def within(self, seconds: int) -> int:
        """What is given to who asks for so many seconds; for 0, which means without end, the most."""
        return min(seconds, self.hard) if seconds > 0 else self.hard


@dataclass(frozen=True, slots=True)
class Desk:
    """`execution` and `retention` are how long a job may run, and how long it is kept; `queue` is how many may wait;
    `most` is the bytes that all results may have, 0 for no limit."""

    store: Store
    files: Files
    watch: Watch
    execution: Span
    retention: Span
    queue: int = 1_000
    most: int = 0

    def room(self) -> None:
        """Is there room for one more job that waits?

        Raises BusyError where there is none.
        """
        waiting = self.store.counts().get(Phase.QUEUED, 0)
        if waiting >= self.queue:
            raise BusyError(f"{waiting:,} jobs wait to be run, which is the limit", hint="ask again in a minute")

    def new(self, service: str) -> Job:
        """A job with an id that nobody can guess, which is nowhere yet."""
        at = now()
        end = at + timedelta(seconds=min(self.retention.default, self.retention.hard))
        duration = min(self.execution.default, self.execution.hard)
        return Job(secrets.token_urlsafe(16), service, at, end.replace(microsecond=0), duration)

    def destruction(self, job: Job, wanted: datetime) -> datetime:
        """When a job is destroyed whose client wants it kept until then."""
        last = job.created + timedelta(seconds=self.retention.hard)
        return min(wanted, last).replace(microsecond=0)
