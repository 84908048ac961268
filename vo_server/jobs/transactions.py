"""Transactions on the job table.

A counter increases with every change that a request or a worker may wait for. Reading it is cheap: it is polled many
times a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from vo_server.errors import BusyError, Code
from vo_server.jobs.table import CHANGES, METADATA, create_database

log = logging.getLogger(__name__)


class JobTransactions:
    """A database with the job table. Every method is thread-safe, and raises BusyError (SERVICE.UNAVAILABLE) if the
    database cannot be used."""

    def __init__(self, url: str, folder: Path) -> None:
        """Configure the database under a URL of SQLAlchemy or libpq; an empty URL is a SQLite file in the folder."""
        self._folder = folder
        self._engine = create_database(url or f"sqlite:///{folder / 'jobs.sqlite'}")
        self._last_error = ""

    def prepare(self) -> None:
        """Create the folder and the tables if they do not exist."""
        with self._translate_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                self._create_tables()
            except (DBAPIError, IntegrityError):  # another process was creating them
                self._create_tables()

    def _create_tables(self) -> None:
        METADATA.create_all(self._engine)
        with self._engine.begin() as connection:
            if connection.execute(sa.select(CHANGES.c.n)).first() is None:
                connection.execute(CHANGES.insert().values(one=1, n=0))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def count_changes(self) -> int:
        """Return the value of the change counter."""
        with self._read() as connection:
            return int(connection.execute(sa.select(CHANGES.c.n)).scalar_one())

    def change_counter(self) -> Callable[[], int]:
        """Return a function that reads the change counter, for one thread that polls it fifty times a second: the
        function keeps its connection."""
        connections: list[sa.Connection] = []

        def read_counter() -> int:
            with self._translate_errors():
                try:
                    if not connections:
                        connections.append(self._engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
                    return int(connections[0].exec_driver_sql("SELECT n FROM job_changes").scalar_one())
                except SQLAlchemyError:
                    for connection in connections:
                        connection.invalidate()
                    connections.clear()
                    raise

        return read_counter

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._translate_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._translate_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write_change(self) -> Iterator[sa.Connection]:
        """Open a transaction that first increments the counter: the lock of its row lets one writer in at a time."""
        with self._write() as connection:
            connection.execute(CHANGES.update().values(n=CHANGES.c.n + 1))
            yield connection

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate database errors to BusyError. An error is logged once, for it repeats many times a second."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            message = str(getattr(error, "orig", None) or error).partition("\n")[0]
            if message != self._last_error:
                log.error("the job store: %s", message)
                self._last_error = message
            raise BusyError(
                "the job store is unavailable", hint="repeat the request in a minute", code=Code.SERVICE_UNAVAILABLE
            ) from error
