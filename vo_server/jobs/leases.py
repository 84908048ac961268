"""Leases: which worker runs which job.

A job belongs to a worker while its lease lasts. Every update states the phases that it may start from and that the
lease is still held; so of two concurrent updates of one job one succeeds and the other returns False.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from vo_server.errors import Code
from vo_server.jobs.scheduling import next_job
from vo_server.jobs.table import FIELDS, JOBS, WORKERS, from_row, get_current_time, to_row, update_one
from vo_server.jobs.transactions import JobTransactions
from vo_server.model.job import Failure, Job, JobResult, Phase, get_previous_phases

MAX_ATTEMPTS = 2
"""Attempts after which a job fails whose workers died: it is then taken for the cause."""


class JobLeases(JobTransactions):
    """The operations of the job store that workers use."""

    def register_worker(self, worker: str, lease: float) -> None:
        """Register a worker for `lease` seconds, or renew it; remove workers whose registration has expired."""
        at = get_current_time()
        until = at + timedelta(seconds=lease)
        with self._write() as connection:
            connection.execute(WORKERS.delete().where(WORKERS.c.until < at))
            if not update_one(connection, WORKERS.update().where(WORKERS.c.name == worker).values(until=until)):
                connection.execute(WORKERS.insert().values(name=worker, until=until))

    def unregister_worker(self, worker: str) -> None:
        """Remove a worker."""
        with self._write() as connection:
            connection.execute(WORKERS.delete().where(WORKERS.c.name == worker))

    def count_workers(self) -> int:
        """Return the number of registered workers."""
        with self._read() as connection:
            return _count_workers(connection)

    def take_job(self, worker: str, lease: float) -> Job | None:
        """Take the next job (scheduling.py) and lease it to a worker for `lease` seconds; None if none can run."""
        with self._read() as connection:
            if connection.execute(next_job(_count_workers(connection))).first() is None:
                return None
        at = get_current_time()
        with self._write_change() as connection:
            chosen = connection.execute(next_job(_count_workers(connection))).first()
            if chosen is None:
                return None
            taken = (
                JOBS.update()
                .where(JOBS.c.id == chosen.id, JOBS.c.phase.in_(get_previous_phases(Phase.EXECUTING)))
                .values(
                    phase=Phase.EXECUTING,
                    started=at,
                    worker=worker,
                    lease=at + timedelta(seconds=lease),
                    attempts=JOBS.c.attempts + 1,
                    progress=None,
                    rows=None,
                )
                .returning(*FIELDS)
            )
            row = connection.execute(taken).first()
        return None if row is None else from_row(row)

    def heartbeat(self, id: str, worker: str, lease: float, progress: float | None, rows: int | None) -> bool:
        """Renew the lease of a job for `lease` seconds and store its progress; return False if the lease is lost."""
        until = get_current_time() + timedelta(seconds=lease)
        with self._write() as connection:
            return update_one(connection, _update_leased(id, worker).values(lease=until, progress=progress, rows=rows))

    def complete(self, id: str, worker: str, results: tuple[JobResult, ...]) -> bool:
        """Complete a job whose results are on the disk; return False if the lease is lost."""
        rows = [result.rows for result in results if result.rows is not None]
        size = sum(result.size for result in results)
        values = {"results": results, "size": size, "rows": sum(rows) if rows else None, "progress": 1.0}
        return self._finish(id, worker, Phase.COMPLETED, values)

    def fail(self, id: str, worker: str, failure: Failure, phase: Phase = Phase.ERROR) -> bool:
        """End a job with a failure; return False if the lease is lost."""
        return self._finish(id, worker, phase, {"failure": failure})

    def _finish(self, id: str, worker: str, phase: Phase, values: dict[str, Any]) -> bool:
        row = to_row(values | {"phase": phase, "ended": get_current_time(), "worker": None, "lease": None})
        with self._write_change() as connection:
            return update_one(connection, _update_leased(id, worker).values(**row))

    def requeue(self, id: str, worker: str) -> bool:
        """Requeue a job without counting the attempt; return False if the lease is lost."""
        row = _build_requeued_row() | {"attempts": JOBS.c.attempts - 1}
        with self._write_change() as connection:
            return update_one(connection, _update_leased(id, worker).values(**row))

    def release_worker(self, worker: str) -> int:
        """Unregister a dead worker and requeue its jobs, or fail them after the last attempt; return their number."""
        self.unregister_worker(worker)
        return self._requeue_or_fail(JOBS.c.worker == worker)

    def reclaim_expired(self) -> int:
        """Requeue all jobs whose lease has expired, or fail them after the last attempt; return their number."""
        return self._requeue_or_fail(JOBS.c.lease < get_current_time())

    def _requeue_or_fail(self, which: sa.ColumnElement[bool]) -> int:
        lost = sa.and_(JOBS.c.phase == Phase.EXECUTING, which)
        with self._read() as connection:
            if connection.execute(sa.select(JOBS.c.id).where(lost).limit(1)).first() is None:
                return 0
        message = (
            f"the process that ran this job died {MAX_ATTEMPTS} times: the job may need more memory than the server has"
        )
        failure = Failure(Code.SERVICE_INTERNAL, message, transient=True)
        failed_row = to_row({"failure": failure, "phase": Phase.ERROR, "ended": get_current_time()})
        with self._write_change() as connection:
            last_attempt = JOBS.update().where(lost, JOBS.c.attempts >= MAX_ATTEMPTS)
            failed = connection.execute(last_attempt.values(worker=None, lease=None, **failed_row)).rowcount
            return failed + connection.execute(JOBS.update().where(lost).values(**_build_requeued_row())).rowcount


def _count_workers(connection: sa.Connection) -> int:
    statement = sa.select(sa.func.count()).select_from(WORKERS).where(WORKERS.c.until >= get_current_time())
    return int(connection.execute(statement).scalar_one())


def _build_requeued_row() -> dict[str, Any]:
    return {"phase": Phase.QUEUED, "worker": None, "lease": None, "started": None, "progress": None, "rows": None}


def _update_leased(id: str, worker: str) -> sa.Update:
    return JOBS.update().where(JOBS.c.id == id, JOBS.c.worker == worker, JOBS.c.phase == Phase.EXECUTING)
