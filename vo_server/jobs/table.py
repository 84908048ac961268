"""The job table, and the databases that can hold it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from vo_server.errors import Code, UsageError
from vo_server.model.job import Failure, Job, JobResult, Phase

LOCK_TIMEOUT_SECONDS = 5.0
"""Timeout in seconds for the lock of a SQLite database."""


class Instant(sa.types.TypeDecorator[datetime]):
    """A column type for instants: microseconds since 1970 UTC, the same number in every database."""

    impl = sa.BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    @override
    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def get_current_time() -> datetime:
    """Return the current instant in UTC, truncated to milliseconds, the precision of UWS documents."""
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
    sa.Column("party", sa.String(64), nullable=False, key="fair_share_key"),
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
    sa.Column("made", sa.Text, key="results"),
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    sa.Column("worker", sa.String(64)),
    sa.Column("lease", Instant),
    sa.Index("jobs_turn", "fair_share_key", "started"),
)
"""The jobs. A column whose `key` differs from its name keeps the name that it has in existing databases."""

CHANGES = sa.Table(
    "job_changes", METADATA, sa.Column("one", sa.Integer, primary_key=True), sa.Column("n", sa.BigInteger)
)
"""The change counter: one row, whose number increases."""

WORKERS = sa.Table(
    "job_workers", METADATA, sa.Column("name", sa.String(64), primary_key=True), sa.Column("until", Instant)
)
"""The registered workers and the instants at which their registrations expire."""

FIELDS = tuple(c for c in JOBS.c if c.key not in ("size", "worker", "lease"))
"""The columns that are fields of Job."""


def job_to_row(job: Job) -> dict[str, Any]:
    """Return the row of a job: its values by column."""
    return to_row({c.key: getattr(job, c.key) for c in FIELDS})


def to_row(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as the columns store them, records as JSON: JSON escapes NUL, which no text of PostgreSQL holds."""
    row = dict(values)
    if row.get("failure") is not None:
        row["failure"] = json.dumps(asdict(row["failure"]))
    if "results" in row:
        row["results"] = json.dumps([asdict(result) for result in row["results"]]) if row["results"] else None
    for name in ("parameters", "url"):
        if name in row:
            row[name] = json.dumps(row[name])
    return row


def from_row(row: sa.Row[Any]) -> Job:
    """Return the job of a row of FIELDS."""
    values = {column.key: value for column, value in zip(FIELDS, row, strict=True)}
    values["phase"] = Phase(values["phase"])
    values["parameters"] = tuple((name, value) for name, value in json.loads(values["parameters"]))
    values["url"] = json.loads(values["url"])
    values["failure"] = Failure(**json.loads(values["failure"])) if values["failure"] else None
    values["results"] = _parse_results(values["results"])
    return Job(**values)


def _parse_results(text: str | None) -> tuple[JobResult, ...]:
    """Return the results of a job. Rows of versions with one result a job hold a record instead of a list."""
    records = json.loads(text or "[]")
    return tuple(JobResult(**record) for record in (records if isinstance(records, list) else [records]))


def update_one(connection: sa.Connection, statement: sa.Update | sa.Delete) -> bool:
    """Execute a statement and return whether it changed exactly one row."""
    return connection.execute(statement).rowcount == 1


def create_database(url: str) -> sa.Engine:
    """Return the database under a URL of SQLAlchemy or libpq, without opening it.

    Raises UsageError (SETTINGS.INVALID) if it is neither SQLite nor PostgreSQL, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise UsageError(f"setting jobs: {url!r} is not a database URL", code=Code.SETTINGS_INVALID) from None
    kind = parsed.get_backend_name()
    if kind in ("postgresql", "postgres"):
        try:
            return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8)
        except ModuleNotFoundError:
            hint = "pip install 'vo-server[postgresql]'"
            message = "setting jobs: a job store in PostgreSQL needs the package psycopg"
            raise UsageError(message, hint=hint, code=Code.SETTINGS_INVALID) from None
    if kind != "sqlite":
        message = f"setting jobs: the job store can be in SQLite or PostgreSQL, not in {kind}"
        raise UsageError(message, code=Code.SETTINGS_INVALID)
    engine = sa.create_engine(parsed, connect_args={"timeout": LOCK_TIMEOUT_SECONDS}, pool_size=8, max_overflow=32)
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _: Any) -> None:
    """Configure a connection so that readers do not wait for the writer and commits survive a power failure."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
