"""Connections to PostgreSQL, through ADBC, which reads its binary answers into Arrow.

Measured on 57 columns: ADBC 95,000 rows/s by a cursor, rows of psycopg made into Arrow 75,000 with all of it under
Python's lock. COPY gives 140,000 and takes no parameters, so values would have to stand in the text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

Error = adbc_driver_manager.Error

IDLE = 16
"""Connections that are kept for the next query."""

FRESH = 1.0
"""Seconds for which an idle connection is taken to be alive; one that was idle for longer is asked."""


class Link:
    """One connection, in autocommit; a cursor is used by one thread at a time, `cancel` by any."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self._connection = dbapi.connect(_with(url, settings), autocommit=True)
        self._cursor = self._connection.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": "false"})

    def ask(self, text: str, values: Sequence[Any] = ()) -> pa.Table:
        """All rows of an answer."""
        self._cursor.execute(text, tuple(values) or None)
        return self._cursor.fetch_arrow_table()

    def tell(self, text: str, values: Sequence[Any] = ()) -> None:
        """A statement without an answer."""
        self._cursor.execute(text, tuple(values) or None)

    def stream(self, text: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query without parameters, by COPY."""
        with self._connection.cursor() as cursor:
            cursor.execute(text)
            yield from cursor.fetch_record_batch()

    def put(self, rows: pa.Table | pa.RecordBatch, table: str, schema: str | None = None) -> None:
        """Add rows to a table, by COPY; without a schema it is a temporary one."""
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema, temporary=schema is None)

    @contextmanager
    def transaction(self, mode: str = "") -> Iterator[None]:
        """All of the body or nothing."""
        self.tell(f"BEGIN {mode}")
        try:
            yield
        except BaseException:
            with suppress(Error):
                self.tell("ROLLBACK")
            raise
        self.tell("COMMIT")

    def alive(self) -> bool:
        """Does the database still answer?"""
        try:
            self.ask("SELECT 1")
        except Error:
            return False
        return True

    def cancel(self) -> None:
        """Stop what is at work."""
        with suppress(Error):
            self._connection.adbc_cancel()

    def close(self) -> None:
        """Let go; an open transaction is rolled back."""
        with closing(self._connection), suppress(Error):
            self._cursor.close()


class Links:
    """Connections for many threads: made when they are needed, kept when they are not."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self._url, self._settings = url, settings
        self._idle: list[tuple[Link, float]] = []
        self._lock = threading.Lock()
        self._open = True

    def take(self) -> Link:
        """A connection of one's own, that works although the database may have been started anew."""
        while (found := self._popped()) is not None:
            link, since = found
            if time.monotonic() - since < FRESH or link.alive():
                return link
            link.close()
        return Link(self._url, self._settings)

    def _popped(self) -> tuple[Link, float] | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give(self, link: Link) -> None:
        """Hand it back, with no transaction open."""
        with self._lock:
            if self._open and len(self._idle) < IDLE:
                self._idle.append((link, time.monotonic()))
                return
        link.close()

    @contextmanager
    def one(self) -> Iterator[Link]:
        """A connection for a moment; one that failed is not used again."""
        link = self.take()
        try:
            yield link
        except BaseException:
            link.close()
            raise
        self.give(link)

    def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        with self._lock:
            self._open = False
            idle, self._idle = self._idle, []
        for link, _ in idle:
            link.close()


def state(error: BaseException) -> str:
    """The SQLSTATE of an error, empty where there is none."""
    return str(getattr(error, "sqlstate", None) or "")


def _with(url: str, settings: dict[str, str]) -> str:
    """A libpq URL with settings of the session beside those it has."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    said = [f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items()]
    query.setdefault("connect_timeout", "10")
    query["options"] = " ".join(filter(None, (query.get("options", ""), *said)))
    made = urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))
    return made if "//" in made else made.replace(":", "://", 1)


# ----------------------------------------------------------------- tables

_TYPES: tuple[tuple[Any, str], ...] = (
    (pa.types.is_boolean, "boolean"),
    (lambda t: pa.types.is_int8(t) or pa.types.is_uint8(t) or pa.types.is_int16(t), "smallint"),
    (lambda t: pa.types.is_int32(t) or pa.types.is_uint16(t), "integer"),
    (pa.types.is_integer, "bigint"),
    (pa.types.is_float32, "real"),
    (pa.types.is_floating, "double precision"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), "bytea"),
)


def quoted(name: str) -> str:
    """A name as PostgreSQL reads it whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def definition(schema: pa.Schema) -> str:
    """The columns of a table for such rows; texts are compared by their bytes."""
    return ", ".join(f"{quoted(f.name)} {_type(f.type)}" for f in schema)


def _type(type: pa.DataType) -> str:
    if pa.types.is_list(type):
        return f"{_type(type.value_type)}[]"
    return next((name for fits, name in _TYPES if fits(type)), 'text COLLATE "C"')
