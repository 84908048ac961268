"""A desk of jobs in a folder, over each database that can keep them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from vo_server.jobs.files import Files
from vo_server.jobs.service import Desk, Span
from vo_server.jobs.store import Store
from vo_server.jobs.waiting import Watch
from vo_server.model.job import Job, Phase
from vo_server.storage.jobs import Folder

Make = Callable[..., Job]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty store; the empty one for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    pytest.importorskip("psycopg")
    with schema(request.getfixturevalue("postgresql")) as found:
        yield found


class schema:  # noqa: N801 - a context
    """A schema of one's own in a database, by its URL."""

    def __init__(self, url: str) -> None:
        self._name = f"jobs_{secrets.token_hex(4)}"
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")

    def __enter__(self) -> str:
        self._say(f"CREATE SCHEMA {self._name}")
        given = self._url.update_query_dict({"options": f"-csearch_path={self._name}"})
        return given.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")

    def __exit__(self, *_: object) -> None:
        self._say(f"DROP SCHEMA {self._name} CASCADE")

    def _say(self, text: str) -> None:
        engine = sa.create_engine(self._url)
        with engine.begin() as link:
            link.execute(sa.text(text))
        engine.dispose()


@pytest.fixture
def desk(tmp_path: Path, url: str) -> Iterator[Desk]:
    store = Store(url, tmp_path / "jobs")
    store.prepare()
    yield Desk(store, Files(Folder(tmp_path / "jobs")), Watch(store), Span(60, 600), Span(3600, 7200))
    store.close()


@pytest.fixture
def make(desk: Desk) -> Make:
    """Adds a job: `make(queued=True, party="a")`."""

    def make(queued: bool = False, **changes: object) -> Job:
        job = desk.new("test").but(**{"party": "p"} | changes)
        if queued:
            job = job.but(phase=Phase.QUEUED, queued=job.created)
        desk.store.add(job)
        return job

    return make
