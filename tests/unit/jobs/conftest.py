"""A job service in a folder, over each database that can hold its store."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from vo_server.jobs.files import JobFiles
from vo_server.jobs.service import DurationLimits, JobService
from vo_server.jobs.store import JobStore
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.model.job import Job, Phase
from vo_server.storage.jobs import LocalStorage

Make = Callable[..., Job]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty job store; empty for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    pytest.importorskip("psycopg")
    with TemporarySchema(request.getfixturevalue("postgresql")) as found:
        yield found


class TemporarySchema:
    """A context with a schema of its own in a database, by its URL."""

    def __init__(self, url: str) -> None:
        self._name = f"jobs_{secrets.token_hex(4)}"
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")

    def __enter__(self) -> str:
        self._execute(f"CREATE SCHEMA {self._name}")
        url = self._url.update_query_dict({"options": f"-csearch_path={self._name}"})
        return url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")

    def __exit__(self, *_: object) -> None:
        self._execute(f"DROP SCHEMA {self._name} CASCADE")

    def _execute(self, text: str) -> None:
        engine = sa.create_engine(self._url)
        with engine.begin() as connection:
            connection.execute(sa.text(text))
        engine.dispose()


@pytest.fixture
def service(tmp_path: Path, url: str) -> Iterator[JobService]:
    store = JobStore(url, tmp_path / "jobs")
    store.prepare()
    yield JobService(
        store,
        JobFiles(LocalStorage(tmp_path / "jobs")),
        PhaseWatcher(store),
        DurationLimits(60, 600),
        DurationLimits(3600, 7200),
    )
    store.close()


@pytest.fixture
def make(service: JobService) -> Make:
    """A function that adds a job: `make(queued=True, fair_share_key="a")`. No two are queued at the same instant."""
    counter = itertools.count()

    def make(queued: bool = False, **changes: object) -> Job:
        job = service.create_job("test").replace(**{"fair_share_key": "p"} | changes)
        if queued:
            job = job.replace(phase=Phase.QUEUED, queued=job.created + timedelta(milliseconds=next(counter)))
        service.store.add(job)
        return job

    return make
