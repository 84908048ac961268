"""How the table of the jobs is read and changed.

A counter goes up with every change that somebody may wait for: to look at it is cheap, and it is looked at many times a
second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from vo_server.errors import BusyError
from vo_server.jobs.table import CHANGES, METADATA, database

log = logging.getLogger(__name__)


class Transactions:
    """A database with the table of the jobs. Every method may be called from several threads, and raises BusyError
    where the database is not to be had."""

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
            raise BusyError("the store of the jobs cannot be used now", hint="ask again in a minute") from error
