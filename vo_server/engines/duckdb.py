"""The embedded engine.

A process has one database (database.py) at a time. When a load has published a new generation, the next query opens
a new one over it; queries in flight keep the one that they began with until they end.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from duckdb_engine import Dialect
from typing_extensions import override

from vo_server.adql.semantics.udfs import UNPLACED
from vo_server.adql.translate import Statement
from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines.database import Database, Limits, alias, attach, quote, sweep
from vo_server.engines.deadlines import Patience
from vo_server.engines.engine import Compiled, Engine, Explained, Facts, Run, Step, compiled
from vo_server.engines.store import ROWS, Store
from vo_server.errors import EngineError, ServiceError, UsageError
from vo_server.logs import personal
from vo_server.model.column import Table

log = logging.getLogger(__name__)

BATCH = 8_192
"""Rows in a batch: large enough for the writers' vectors, small enough to leave early and to take little memory."""

SCHEMA_OF_UPLOADS = "tap_upload"


warnings.filterwarnings("ignore", "Arrow output on a DB-API result")
"""The copy that it warns of is what a brief answer is."""


@dataclass(frozen=True, slots=True)
class _Words:
    """A statement in DuckDB's words, as text and parsed: what is parsed serves any connection, and again and again."""

    compiled: Compiled
    parsed: duckdb.Statement


class DuckDBEngine(Engine):
    """DuckDB over the files of a store."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        *,
        static: Mapping[str, pa.Table] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`static` holds tables that are not loaded but known (TAP_SCHEMA), by qualified name."""
        self._store = store
        self._catalogue = catalogue
        self._static = dict(static or {})
        self._limits = limits or Limits()
        self._dialect: sa.Dialect = Dialect(paramstyle="numeric_dollar")
        self._prepared = lru_cache(maxsize=256)(self._prepare)
        if self._limits.spill is not None:
            sweep(self._limits.spill)
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._seen = (0, 0)
        self._ids = {t.qualified: p.id for p in catalogue.collections for t in (p.table,)}

    # -------------------------------------------------------- the files

    def _open(self) -> Database:
        """The database over the generations that serve now."""
        database, changed = self._database, self._store.changed()
        if database is not None and changed == self._seen:
            return database
        with self._lock:
            if self._database is None or self._database.files != self._current():
                self._database = self._made()
            self._seen = changed
            return self._database

    def _current(self) -> dict[str, Path]:
        found = {p.id: self._store.current(p.id) for p in self._catalogue.collections}
        return {id: path for id, path in found.items() if path is not None}

    def _made(self) -> Database:
        """Tries again when a load sweeps a file between the look at its name and its opening."""
        for _ in range(20):
            files = self._current()
            try:
                return attach(files, self._catalogue, self._static, self._limits)
            except duckdb.IOException:
                if files == self._current():
                    raise
        raise EngineError("the data files change faster than they can be opened")

    # ------------------------------------------------------ the interface

    @override
    def locate(self, table: Table) -> tuple[str | None, str]:
        if table.schema.lower() == SCHEMA_OF_UPLOADS:
            return None, upload_name(table.name)
        id = self._ids.get(table.base or table.qualified)
        if id is None:
            return table.schema, table.name
        if id not in self._open().files:
            raise UsageError(f"{table.qualified} is published here, but its rows have not been loaded yet")
        if table.base:
            return table.schema, table.name
        return sa.quoted_name(f"{quote(alias(id))}.main", quote=False), ROWS

    @override
    def run(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> Run:
        words = self._prepared(statement)
        database = self._open()
        cursor = _with_uploads(database.cursor(brief), uploads or {})
        return _DuckDBRun(database, cursor, words.parsed, words.compiled.values(slots), timeout, brief)

    @override
    def explain(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> Explained:
        words = compiled(statement, self._dialect)
        database = self._open()
        cursor = _with_uploads(database.cursor(brief), uploads or {})
        (parsed,) = cursor.extract_statements(f"EXPLAIN (FORMAT JSON) {words.text}")
        run = _DuckDBRun(database, cursor, parsed, words.values(slots), timeout, brief=True)
        (row,) = (row for batch in run.batches() for row in batch.to_pylist())
        return Explained("DuckDB", words.with_values(slots), _step(*json.loads(row[EXPLAINED])))

    def _prepare(self, statement: Statement) -> _Words:
        words = compiled(statement, self._dialect)
        (parsed,) = self._open().short.extract_statements(words.text)
        return _Words(words, parsed)

    @override
    def lacks(self) -> frozenset[str]:
        return frozenset()

    @override
    def rows(self, table: Table) -> int | None:
        if table.qualified in self._static:
            return int(self._static[table.qualified].num_rows)
        id = self._ids.get(table.base or table.qualified)
        return None if id is None else self._open().rows.get(id)

    @override
    def memory(self) -> int | None:
        database = self._database
        if database is None:
            return 0
        with suppress(duckdb.Error):
            return sum(_held(database.cursor(brief)) for brief in (True, False))
        return None

    @override
    def facts(self, table: Table) -> Facts | None:
        id = self._ids.get(table.base or table.qualified)
        return None if id is None else self._open().facts.get(id)

    @override
    def ready(self) -> str | None:
        try:
            self._open().cursor(brief=True).execute("SELECT 1").fetchall()
        except (duckdb.Error, OSError, ServiceError) as error:
            log.exception("the engine does not answer")
            return f"the database does not answer ({type(error).__name__})"
        return None

    @override
    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                with suppress(duckdb.Error):  # a query that has just been stopped may still be on its way out
                    self._database.close()
                self._database = None


def _with_uploads(cursor: duckdb.DuckDBPyConnection, uploads: Mapping[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    for name, rows in uploads.items():
        cursor.register(upload_name(name), rows)
    return cursor


EXPLAINED, EXPECTED = "explain_value", "Estimated Cardinality"
"""Where an explanation stands in what DuckDB answers, and in it the rows of a step."""


def _step(node: Mapping[str, Any]) -> Step:
    """A step of DuckDB's plan, as it stands in its JSON. What it has not estimated is zero there."""
    said = {name: "; ".join(v) if isinstance(v, list) else str(v) for name, v in node["extra_info"].items()}
    rows = said.pop(EXPECTED, "")
    return Step(node["name"].strip(), int(rows or 0) or None, said, tuple(map(_step, node["children"])))


class _DuckDBRun(Run):
    """One query on a cursor of its own. Holds on to its database, so that a reload does not close it."""

    def __init__(
        self,
        database: Database,
        cursor: duckdb.DuckDBPyConnection,
        statement: duckdb.Statement,
        parameters: list[Any],
        timeout: float | None,
        brief: bool,
    ) -> None:
        self._brief = brief
        self._database = database
        self._cursor = cursor
        self._statement = statement
        self._parameters = parameters
        self._patience = Patience(timeout, self._stop)

    @override
    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            with self._patience.at_work():
                reader = self._reader()
            while (batch := self._next(reader)) is not None:
                yield batch
        except (duckdb.Error, pa.ArrowException, RuntimeError, OSError) as error:
            raise self._fault(error) from error
        finally:
            self.close()

    def _reader(self) -> pa.RecordBatchReader:
        """A relation streams, but is bound twice; what is executed is bound once and held whole."""
        if not self._brief:
            return self._cursor.sql(self._statement, params=self._parameters).to_arrow_reader(BATCH)
        return self._cursor.execute(self._statement, self._parameters).to_arrow_reader(BATCH)

    def _next(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        with self._patience.at_work():
            return next(reader, None)

    @override
    def cancel(self) -> None:
        self._patience.cancel()

    def _stop(self) -> None:
        with suppress(duckdb.Error):
            self._cursor.interrupt()

    @override
    def progress(self) -> float | None:
        with suppress(duckdb.Error):
            done = float(self._cursor.query_progress())
            return done / 100 if done >= 0 else None
        return None

    @override
    def close(self) -> None:
        """A query that is left amid its rows is still at work in DuckDB's threads, and closing would wait for it."""
        self._stop()
        with suppress(duckdb.Error):
            self._cursor.close()

    def _fault(self, error: Exception) -> ServiceError:
        """The one place that knows what DuckDB's errors mean to a client."""
        if self._patience.fault is not None:
            return self._patience.fault
        said = str(error)
        for pattern, message in _OF_ROWS:
            if re.search(pattern, said):
                return UsageError(message)
        log.error("DuckDB refused: %s", said, extra=personal(sql=self._statement.query, values=self._parameters))
        return EngineError("the database could not answer this query; the operator finds the reason in the log")


_OF_ROWS = (
    (re.escape(UNPLACED), f"{UNPLACED}: leave such rows out with a condition"),
    (r"(?i)out of range|overflow", "a number in this query is out of the range of its type: CAST to a wider one"),
    (r"(?i)conversion error|could not convert", "a value in this query cannot be converted to the type it is cast to"),
    (r"(?i)out of memory", "this query needs more memory than the service gives: ask for fewer rows or columns"),
    (r"(?i)more than one row returned by a subquery", "a sub-query used as a value gave more than one row"),
    (r"(?i)mismatch.*argument|cannot compare", "values of types that do not fit stand together in this query"),
)


def _held(cursor: duckdb.DuckDBPyConnection) -> int:
    with closing(cursor):
        found = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchone()
    return int(found[0] or 0) if found else 0


def upload_name(name: str) -> str:
    """Under what name an upload is registered."""
    return f"upload_{name.lower()}"
