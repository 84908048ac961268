"""The job store: a table in SQLite, or in PostgreSQL for several servers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from vo_server.jobs.leases import JobLeases
from vo_server.jobs.scheduling import QUEUE_ORDER, find_queue_position
from vo_server.jobs.table import FIELDS, JOBS, from_row, get_current_time, job_to_row, to_row, update_one
from vo_server.model.job import Failure, Job, Phase, get_previous_phases


class JobStore(JobLeases):
    """The job store: reading, changing and deleting jobs, and the leases of workers."""

    # ------------------------------------------------------------ reading

    def get(self, id: str) -> Job | None:
        """Return the job with an id; None if there is none."""
        with self._read() as connection:
            row = connection.execute(sa.select(*FIELDS).where(JOBS.c.id == id)).first()
        return None if row is None else from_row(row)

    def get_phases(self, ids: Collection[str]) -> dict[str, Phase]:
        """Return the phases of these jobs by id, without those that do not exist."""
        statement = sa.select(JOBS.c.id, JOBS.c.phase).where(JOBS.c.id.in_(ids))
        with self._read() as connection:
            return {id: Phase(phase) for id, phase in connection.execute(statement)}

    def list_jobs(
        self, service: str, client: str, phases: Collection[Phase], after: datetime | None, last: int | None
    ) -> list[Job]:
        """Return a client's jobs in these phases (in all, if empty) created after an instant, the oldest first; with
        `last` only that many, the newest first (UWS 1.1 section 2.2.2.1)."""
        statement = sa.select(*FIELDS).where(JOBS.c.service == service, JOBS.c.client == client)
        if phases:
            statement = statement.where(JOBS.c.phase.in_(phases))
        if after is not None:
            statement = statement.where(JOBS.c.created > after)
        order = JOBS.c.created if last is None else JOBS.c.created.desc()
        with self._read() as connection:
            return [from_row(row) for row in connection.execute(statement.order_by(order, JOBS.c.id).limit(last))]

    def find_queue_position(self, job: Job) -> int:
        """Return the position of a job in the queue, from 1."""
        with self._read() as connection:
            return find_queue_position(job, [(id, party) for id, party in connection.execute(QUEUE_ORDER)])

    def sum_result_bytes(self) -> int:
        """Return the size of all results in bytes."""
        with self._read() as connection:
            return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(JOBS.c.size), 0))).scalar_one())

    def count_by_phase(self) -> dict[Phase, int]:
        """Return the number of jobs by phase."""
        statement = sa.select(JOBS.c.phase, sa.func.count()).group_by(JOBS.c.phase)
        with self._read() as connection:
            return {Phase(phase): n for phase, n in connection.execute(statement)}

    # ----------------------------------------------------------- changing

    def add(self, job: Job) -> None:
        """Store a new job; when this returns, the job is accepted."""
        with self._write_change() as connection:
            connection.execute(JOBS.insert().values(**job_to_row(job)))

    def update(self, id: str, phases: Collection[Phase], **values: Any) -> bool:
        """Set values of a job; return False if it is in none of these phases."""
        row = to_row(values)
        with self._write_change() as connection:
            return update_one(connection, JOBS.update().where(JOBS.c.id == id, JOBS.c.phase.in_(phases)).values(**row))

    def queue(self, id: str) -> bool:
        """Put a pending job into the queue; return False if it is not pending."""
        return self.update(id, {Phase.PENDING}, phase=Phase.QUEUED, queued=get_current_time())

    def abort(self, id: str, failure: Failure | None = None) -> bool:
        """Abort (cancel) a job; its worker sees it through the change counter. Return False if it has ended."""
        return self.update(
            id,
            get_previous_phases(Phase.ABORTED),
            phase=Phase.ABORTED,
            ended=get_current_time(),
            worker=None,
            failure=failure,
        )

    def delete(self, id: str) -> bool:
        """Delete a job; return False if it does not exist."""
        with self._write_change() as connection:
            return update_one(connection, JOBS.delete().where(JOBS.c.id == id))

    # ------------------------------------------------------------ cleanup

    def find_expired(self) -> list[str]:
        """Return the ids of the jobs past their destruction time."""
        with self._read() as connection:
            return list(
                connection.execute(sa.select(JOBS.c.id).where(JOBS.c.destruction <= get_current_time())).scalars()
            )

    def find_oldest_results(self, bytes: int) -> Iterator[str]:
        """Yield the ids of the jobs to delete so that all results fit into `bytes` bytes: those that ended first."""
        over = self.sum_result_bytes() - bytes
        if over <= 0:
            return
        statement = sa.select(JOBS.c.id, JOBS.c.size).where(JOBS.c.size > 0).order_by(JOBS.c.ended)
        with self._read() as connection:
            rows = connection.execute(statement).all()
        for id, size in rows:
            if over > 0:
                yield id
                over -= size
