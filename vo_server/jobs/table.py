"""The table of the jobs, and the databases that it can be kept in."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from vo_server.errors import UsageError
from vo_server.model.job import Failure, Job, Made, Phase

PATIENCE = 5.0
"""Seconds that a locked SQLite is waited for."""


class Instant(sa.types.TypeDecorator[datetime]):
    """An instant as microseconds since 1970: the same number in every database."""

    impl = sa.BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    @override
    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The instant, to the millisecond: what documents say of it is all of it."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


METADATA = sa.MetaData()
JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service", sa.String(32), nullable=False),
    sa.Column("phase", sa.String(16), nullable=False, index=True),
    sa.Column("client", sa.String(64), index=True),
    sa.Column("party", sa.String(64), nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("format", sa.Text),
    sa.Column("created", Instant, nullable=False),
    sa.Column("queued", Instant),
    sa.Column("started", Instant),
    sa.Column("ended", Instant),
    sa.Column("destruction", Instant, nullable=False, index=True),
    sa.Column("duration", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("progress", sa.Double),
    sa.Column("rows", sa.BigInteger),
    sa.Column("failure", sa.Text),
    sa.Column("made", sa.Text),
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    sa.Column("worker", sa.String(64)),
    sa.Column("lease", Instant),
    sa.Index("jobs_turn", "party", "started"),
)
CHANGES = sa.Table(
    "job_changes", METADATA, sa.Column("one", sa.Integer, primary_key=True), sa.Column("n", sa.BigInteger)
)
"""One row, whose number goes up."""

WORKERS = sa.Table(
    "job_workers", METADATA, sa.Column("name", sa.String(64), primary_key=True), sa.Column("until", Instant)
)
"""The workers that there are, each until it has not said so for a while."""

FIELDS = tuple(c for c in JOBS.c if c.name not in ("size", "worker", "lease"))
"""The columns that a Job has."""


def as_row(job: Job) -> dict[str, Any]:
    """A job as values of the columns."""
    return spelled({c.name: getattr(job, c.name) for c in FIELDS})


def spelled(values: dict[str, Any]) -> dict[str, Any]:
    """Values with their records as JSON: what clients sent is in it escaped, for no text of PostgreSQL holds a NUL."""
    said = dict(values)
    if said.get("failure") is not None:
        said["failure"] = json.dumps(asdict(said["failure"]))
    if "made" in said:
        said["made"] = json.dumps([asdict(made) for made in said["made"]]) if said["made"] else None
    for name in ("parameters", "url"):
        if name in said:
            said[name] = json.dumps(said[name])
    return said


def as_job(row: sa.Row[Any]) -> Job:
    """The job of a row of FIELDS."""
    said = dict(row._mapping)
    said["phase"] = Phase(said["phase"])
    said["parameters"] = tuple((name, value) for name, value in json.loads(said["parameters"]))
    said["url"] = json.loads(said["url"])
    said["failure"] = Failure(**json.loads(said["failure"])) if said["failure"] else None
    said["made"] = _made(said["made"])
    return Job(**said)


def _made(text: str | None) -> tuple[Made, ...]:
    """The results of a job; a table that is older than jobs with several of them has one, not in a list."""
    said = json.loads(text or "[]")
    return tuple(Made(**each) for each in (said if isinstance(said, list) else [said]))


def done(link: sa.Connection, statement: sa.Update | sa.Delete) -> bool:
    """Was there the one row that a statement would change?"""
    return link.execute(statement).rowcount == 1


def database(url: str) -> sa.Engine:
    """The database under a URL of SQLAlchemy or of libpq; it is not opened yet.

    Raises UsageError for one of another kind, or whose driver is not installed.
    """
    try:
        given = sa.make_url(url)
    except SQLAlchemyError:
        raise UsageError(f"jobs is {url!r}, which is no URL of a database") from None
    kind = given.get_backend_name()
    if kind in ("postgresql", "postgres"):
        try:
            return sa.create_engine(given.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8)
        except ModuleNotFoundError:
            hint = "pip install 'vo-server[jobs-postgresql]'"
            raise UsageError("jobs in PostgreSQL need the package psycopg", hint=hint) from None
    if kind != "sqlite":
        raise UsageError(f"jobs is kept in SQLite or PostgreSQL, not in {kind}")
    engine = sa.create_engine(given, connect_args={"timeout": PATIENCE}, pool_size=8, max_overflow=32)
    sa.event.listen(engine, "connect", _sqlite)
    return engine


def _sqlite(connection: Any, _: Any) -> None:
    """Readers do not wait for the writer, and what is committed outlives the power."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
