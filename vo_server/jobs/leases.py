"""Who runs which job.

A job is a worker's for as long as its lease lasts. Whoever changes a job says which phases it may come from, and that
the lease is still its own; so of two who would change the same job one does and the other learns that it has not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from vo_server.jobs.scheduling import next_turn
from vo_server.jobs.table import FIELDS, JOBS, WORKERS, as_job, done, now, spelled
from vo_server.jobs.transactions import Transactions
from vo_server.model.job import Failure, Job, Made, Phase, before

ATTEMPTS = 2
"""How often a job is begun before its worker's end is taken for the job's fault."""


class Leases(Transactions):
    """The store as a worker sees it."""

    def arrive(self, worker: str, lease: float) -> None:
        """Say that there is this worker, for so many seconds; those that have not said so again are forgotten."""
        at = now()
        until = at + timedelta(seconds=lease)
        with self._writing() as link:
            link.execute(WORKERS.delete().where(WORKERS.c.until < at))
            if not done(link, WORKERS.update().where(WORKERS.c.name == worker).values(until=until)):
                link.execute(WORKERS.insert().values(name=worker, until=until))

    def leave(self, worker: str) -> None:
        """This worker is no more."""
        with self._writing() as link:
            link.execute(WORKERS.delete().where(WORKERS.c.name == worker))

    def workers(self) -> int:
        """How many workers there are."""
        with self._reading() as link:
            return _workers(link)

    def take(self, worker: str, lease: float) -> Job | None:
        """The job whose turn it is (turns.py), as this worker's for so many seconds."""
        with self._reading() as link:
            if link.execute(next_turn(_workers(link))).first() is None:
                return None
        at = now()
        with self._changing() as link:
            chosen = link.execute(next_turn(_workers(link))).first()
            if chosen is None:
                return None
            taken = (
                JOBS.update()
                .where(JOBS.c.id == chosen.id, JOBS.c.phase.in_(before(Phase.EXECUTING)))
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
            row = link.execute(taken).first()
        return None if row is None else as_job(row)

    def beat(self, id: str, worker: str, lease: float, progress: float | None, rows: int | None) -> bool:
        """Say that a job is still worked at; False where it is not this worker's any more."""
        until = now() + timedelta(seconds=lease)
        with self._writing() as link:
            return done(link, _own(id, worker).values(lease=until, progress=progress, rows=rows))

    def complete(self, id: str, worker: str, made: tuple[Made, ...]) -> bool:
        """The results are on the disk, whole."""
        rows = [each.rows for each in made if each.rows is not None]
        size = sum(each.size for each in made)
        said = {"made": made, "size": size, "rows": sum(rows) if rows else None, "progress": 1.0}
        return self._finish(id, worker, Phase.COMPLETED, said)

    def fail(self, id: str, worker: str, failure: Failure, phase: Phase = Phase.ERROR) -> bool:
        """There will be no result."""
        return self._finish(id, worker, phase, {"failure": failure})

    def _finish(self, id: str, worker: str, phase: Phase, values: dict[str, Any]) -> bool:
        said = spelled(values | {"phase": phase, "ended": now(), "worker": None, "lease": None})
        with self._changing() as link:
            return done(link, _own(id, worker).values(**said))

    def give_back(self, id: str, worker: str) -> bool:
        """Queue a job again, as if it had not been begun."""
        said = _again() | {"attempts": JOBS.c.attempts - 1}
        with self._changing() as link:
            return done(link, _own(id, worker).values(**said))

    def release(self, worker: str) -> int:
        """The worker of this name has died: its job is queued again, or has failed if that was its last attempt."""
        self.leave(worker)
        return self._reclaim(JOBS.c.worker == worker)

    def reclaim(self) -> int:
        """The same for all whose lease has ended."""
        return self._reclaim(JOBS.c.lease < now())

    def _reclaim(self, which: sa.ColumnElement[bool]) -> int:
        lost = sa.and_(JOBS.c.phase == Phase.EXECUTING, which)
        with self._reading() as link:
            if link.execute(sa.select(JOBS.c.id).where(lost).limit(1)).first() is None:
                return 0
        said = f"the process that ran this job ended without a word, {ATTEMPTS} times: it may need more than there is"
        failed = spelled({"failure": Failure("ENGINE", said, transient=True), "phase": Phase.ERROR, "ended": now()})
        with self._changing() as link:
            spent = JOBS.update().where(lost, JOBS.c.attempts >= ATTEMPTS)
            n = link.execute(spent.values(worker=None, lease=None, **failed)).rowcount
            return n + link.execute(JOBS.update().where(lost).values(**_again())).rowcount


def _workers(link: sa.Connection) -> int:
    asked = sa.select(sa.func.count()).select_from(WORKERS).where(WORKERS.c.until >= now())
    return int(link.execute(asked).scalar_one())


def _again() -> dict[str, Any]:
    return {"phase": Phase.QUEUED, "worker": None, "lease": None, "started": None, "progress": None, "rows": None}


def _own(id: str, worker: str) -> sa.Update:
    return JOBS.update().where(JOBS.c.id == id, JOBS.c.worker == worker, JOBS.c.phase == Phase.EXECUTING)
