"""Where jobs are kept: a table in SQLite, or in PostgreSQL for several servers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from vo_server.jobs.leases import Leases
from vo_server.jobs.scheduling import TURNS, position
from vo_server.jobs.table import FIELDS, JOBS, as_job, as_row, done, now, spelled
from vo_server.model.job import Failure, Job, Phase, before


class Store(Leases):
    """All jobs."""

    # --------------------------------------------------------- to look at

    def get(self, id: str) -> Job | None:
        """The job of this id."""
        with self._reading() as link:
            row = link.execute(sa.select(*FIELDS).where(JOBS.c.id == id)).first()
        return None if row is None else as_job(row)

    def phases(self, ids: Collection[str]) -> dict[str, Phase]:
        """The phases of those of these jobs that are still there."""
        asked = sa.select(JOBS.c.id, JOBS.c.phase).where(JOBS.c.id.in_(ids))
        with self._reading() as link:
            return {id: Phase(phase) for id, phase in link.execute(asked)}

    def listed(
        self, service: str, client: str, phases: Collection[Phase], after: datetime | None, last: int | None
    ) -> list[Job]:
        """A client's jobs of these phases (all, where none is named) that were made after an instant, in their order;
        or the last so many, the newest first (UWS 1.1 section 2.2.2.1)."""
        asked = sa.select(*FIELDS).where(JOBS.c.service == service, JOBS.c.client == client)
        if phases:
            asked = asked.where(JOBS.c.phase.in_(phases))
        if after is not None:
            asked = asked.where(JOBS.c.created > after)
        order = JOBS.c.created if last is None else JOBS.c.created.desc()
        with self._reading() as link:
            return [as_job(row) for row in link.execute(asked.order_by(order, JOBS.c.id).limit(last))]

    def position(self, job: Job) -> int:
        """How many jobs are begun before this one and it, if no other comes."""
        with self._reading() as link:
            return position(job, [(id, party) for id, party in link.execute(TURNS)])

    def total(self) -> int:
        """The bytes of all results."""
        with self._reading() as link:
            return int(link.execute(sa.select(sa.func.coalesce(sa.func.sum(JOBS.c.size), 0))).scalar_one())

    def counts(self) -> dict[Phase, int]:
        """How many jobs are in each phase."""
        asked = sa.select(JOBS.c.phase, sa.func.count()).group_by(JOBS.c.phase)
        with self._reading() as link:
            return {Phase(phase): n for phase, n in link.execute(asked)}

    # ------------------------------------------------------ for the client

    def add(self, job: Job) -> None:
        """Keep a new job: when this returns, it is accepted."""
        with self._changing() as link:
            link.execute(JOBS.insert().values(**as_row(job)))

    def amend(self, id: str, phases: Collection[Phase], **values: Any) -> bool:
        """Change what a client may change, while the job is in one of these phases."""
        said = spelled(values)
        with self._changing() as link:
            return done(link, JOBS.update().where(JOBS.c.id == id, JOBS.c.phase.in_(phases)).values(**said))

    def queue(self, id: str) -> bool:
        """Let a job wait for a worker."""
        return self.amend(id, {Phase.PENDING}, phase=Phase.QUEUED, queued=now())

    def abort(self, id: str, failure: Failure | None = None) -> bool:
        """End a job before its end; a worker that has it learns so by the counter."""
        return self.amend(id, before(Phase.ABORTED), phase=Phase.ABORTED, ended=now(), worker=None, failure=failure)

    def delete(self, id: str) -> bool:
        """Forget a job."""
        with self._changing() as link:
            return done(link, JOBS.delete().where(JOBS.c.id == id))

    # ------------------------------------------------------- their end

    def expired(self) -> list[str]:
        """The jobs whose time of destruction has come."""
        with self._reading() as link:
            return list(link.execute(sa.select(JOBS.c.id).where(JOBS.c.destruction <= now())).scalars())

    def eldest(self, bytes: int) -> Iterator[str]:
        """The jobs to destroy so that all results have no more than so many bytes: those that ended first."""
        over = self.total() - bytes
        if over <= 0:
            return
        asked = sa.select(JOBS.c.id, JOBS.c.size).where(JOBS.c.size > 0).order_by(JOBS.c.ended)
        with self._reading() as link:
            found = link.execute(asked).all()
        for id, size in found:
            if over > 0:
                yield id
                over -= size
