"""Where jobs are kept: a table in SQLite, or in PostgreSQL for several servers.

Whoever changes a job says which phases it may come from and, for a worker, that the lease is still its own; so of two
who would change the same job one does and the other learns that it has not. A counter goes up with every change that
somebody may wait for: to look at it is cheap, and it is looked at many times a second.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from vo_server.errors import BusyFault
from vo_server.jobs.table import CHANGES, FIELDS, JOBS, METADATA, as_job, as_row, database, spelled
from vo_server.model.job import Failure, Job, Made, Phase, before

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a job is begun before its worker's end is taken for the job's fault."""


def now() -> datetime:
    """The instant, to the millisecond: what documents say of it is all of it."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class Store:
    """All jobs. Every method may be called from several threads, and raises BusyFault where the database is not to be
    had."""

    def __init__(self, url: str, folder: Path) -> None:
        """`url` of SQLAlchemy or of libpq; the empty one is a SQLite file in the folder."""
        self._folder = folder
        self._engine = database(url or f"sqlite:///{folder / 'jobs.sqlite'}")
        self._said = ""

    def prepare(self) -> None:
        """Make the folder and the tables, where they are not there yet."""
        with self._faults():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                self._create()
            except (DBAPIError, IntegrityError):  # another process was making them
                self._create()

    def _create(self) -> None:
        METADATA.create_all(self._engine)
        with self._engine.begin() as link:
            if link.execute(sa.select(CHANGES.c.n)).first() is None:
                link.execute(CHANGES.insert().values(one=1, n=0))

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    # --------------------------------------------------------- to look at

    def changes(self) -> int:
        """A number that is another one when something has changed."""
        with self._reading() as link:
            return int(link.execute(sa.select(CHANGES.c.n)).scalar_one())

    def glance(self) -> Callable[[], int]:
        """The same as a function for one thread, which keeps its connection: for who asks fifty times a second."""
        kept: list[sa.Connection] = []

        def look() -> int:
            with self._faults():
                try:
                    if not kept:
                        kept.append(self._engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
                    return int(kept[0].exec_driver_sql("SELECT n FROM job_changes").scalar_one())
                except SQLAlchemyError:
                    for link in kept:
                        link.invalidate()
                    kept.clear()
                    raise

        return look

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
            return _turns(job, [(id, party) for id, party in link.execute(_NEXT)])

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
            return _done(link, JOBS.update().where(JOBS.c.id == id, JOBS.c.phase.in_(phases)).values(**said))

    def queue(self, id: str) -> bool:
        """Let a job wait for a worker."""
        return self.amend(id, {Phase.PENDING}, phase=Phase.QUEUED, queued=now())

    def abort(self, id: str, failure: Failure | None = None) -> bool:
        """End a job before its end; a worker that has it learns so by the counter."""
        return self.amend(id, before(Phase.ABORTED), phase=Phase.ABORTED, ended=now(), worker=None, failure=failure)

    def delete(self, id: str) -> bool:
        """Forget a job."""
        with self._changing() as link:
            return _done(link, JOBS.delete().where(JOBS.c.id == id))

    # ------------------------------------------------------ for the worker

    def take(self, worker: str, lease: float) -> Job | None:
        """The job whose turn it is, as this worker's for so many seconds.

        First comes who has been served least lately, and of one party's jobs the eldest.
        """
        with self._reading() as link:
            if link.execute(_NEXT.limit(1)).first() is None:
                return None
        at = now()
        with self._changing() as link:
            chosen = link.execute(_NEXT.limit(1)).first()
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

    def beat(self, id: str, worker: str, lease: float, progress: float | None, rows: int) -> bool:
        """Say that a job is still worked at; False where it is not this worker's any more."""
        until = now() + timedelta(seconds=lease)
        with self._writing() as link:
            return _done(link, _own(id, worker).values(lease=until, progress=progress, rows=rows))

    def complete(self, id: str, worker: str, made: Made) -> bool:
        """The result is on the disk, whole."""
        said = {"made": made, "size": made.size, "rows": made.rows, "progress": 1.0}
        return self._finish(id, worker, Phase.COMPLETED, said)

    def fail(self, id: str, worker: str, failure: Failure, phase: Phase = Phase.ERROR) -> bool:
        """There will be no result."""
        return self._finish(id, worker, phase, {"failure": failure})

    def _finish(self, id: str, worker: str, phase: Phase, values: dict[str, Any]) -> bool:
        said = spelled(values | {"phase": phase, "ended": now(), "worker": None, "lease": None})
        with self._changing() as link:
            return _done(link, _own(id, worker).values(**said))

    def give_back(self, id: str, worker: str) -> bool:
        """Queue a job again, as if it had not been begun."""
        said = _again() | {"attempts": JOBS.c.attempts - 1}
        with self._changing() as link:
            return _done(link, _own(id, worker).values(**said))

    def release(self, worker: str) -> int:
        """The worker of this name has died: its job is queued again, or has failed if that was its last attempt."""
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

    # -------------------------------------------------------- transactions

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._faults(), self._engine.connect() as link:
            yield link

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._faults(), self._engine.begin() as link:
            yield link

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """The counter goes first: its row lets one writer in at a time, so that all that follows is settled."""
        with self._writing() as link:
            link.execute(CHANGES.update().values(n=CHANGES.c.n + 1))
            yield link

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """The one place that knows what the database's errors mean. They are logged when they are new, for they come
        many times a second."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            said = str(getattr(error, "orig", None) or error).partition("\n")[0]
            if said != self._said:
                log.error("the store of the jobs: %s", said)
                self._said = said
            raise BusyFault("the store of the jobs cannot be used now", hint="ask again in a minute") from error


def _next() -> sa.Select[Any]:
    other = JOBS.alias()
    latest = sa.select(sa.func.max(other.c.started)).where(other.c.party == JOBS.c.party).scalar_subquery()
    turn = sa.func.coalesce(latest, sa.literal(0, sa.BigInteger))
    return (
        sa.select(JOBS.c.id, JOBS.c.party).where(JOBS.c.phase == Phase.QUEUED).order_by(turn, JOBS.c.queued, JOBS.c.id)
    )


_NEXT = _next()


def _turns(job: Job, waiting: Sequence[tuple[str, str]]) -> int:
    """Plays the queue on, party after party: `waiting` are the ids and parties in the order of their turns."""
    queues: dict[str, list[str]] = defaultdict(list)
    for id, party in waiting:
        queues[party].append(id)
    mine = queues[job.party]
    ahead = mine.index(job.id) if job.id in mine else len(mine)
    order = list(queues)
    sooner = order[: order.index(job.party)]
    others = (min(len(queues[party]), ahead + (party in sooner)) for party in order if party != job.party)
    return 1 + ahead + sum(others)


def _again() -> dict[str, Any]:
    return {"phase": Phase.QUEUED, "worker": None, "lease": None, "started": None, "progress": None, "rows": None}


def _own(id: str, worker: str) -> sa.Update:
    return JOBS.update().where(JOBS.c.id == id, JOBS.c.worker == worker, JOBS.c.phase == Phase.EXECUTING)


def _done(link: sa.Connection, statement: sa.Update | sa.Delete) -> bool:
    return link.execute(statement).rowcount == 1
