"""The embedded engine, DuckDB.

A process has one database (duckdb_database.py) at a time. When a load has published a new generation, the next query
opens a new database over it; running queries keep theirs until they end.
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
from typing_extensions import override

from vo_server.adql.semantics.udfs import NULL_POSITION_MESSAGE
from vo_server.adql.translate import Statement
from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines import EngineOptions, duckdb_sink, query_errors
from vo_server.engines.data_directory import ROWS, DataDirectory
from vo_server.engines.deadlines import QueryDeadline
from vo_server.engines.duckdb_database import AttachedDatabase, attach, clean_spill, make_file_alias
from vo_server.engines.duckdb_dialect import DuckDBDialect
from vo_server.engines.engine import (
    CompiledStatement,
    Engine,
    EngineLimits,
    PlanStep,
    QueryPlan,
    QueryRun,
    TableFacts,
    compile_statement,
    is_upload,
    make_upload_name,
)
from vo_server.engines.sink import Sink
from vo_server.errors import Code, EngineError, ServiceError, UsageError
from vo_server.logs import private_fields
from vo_server.model.column import Table

log = logging.getLogger(__name__)

BATCH_ROWS = 8_192
"""Rows of a batch: large enough for vectorised writers, small enough for an early first byte and little memory."""

warnings.filterwarnings("ignore", "Arrow output on a DB-API result")
"""The copy that the warning is about is intended for short results."""


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A statement compiled for DuckDB, and parsed: any connection can execute the parsed form, repeatedly."""

    compiled: CompiledStatement
    parsed: duckdb.Statement


class DuckDBEngine(Engine):
    """DuckDB over the files of a data directory."""

    def __init__(
        self,
        store: DataDirectory,
        catalogue: Catalogue,
        *,
        static: Mapping[str, pa.Table] | None = None,
        limits: EngineLimits | None = None,
    ) -> None:
        """Configure the engine; `static` are tables that are not loaded from files (TAP_SCHEMA), by qualified name."""
        self._store = store
        self._catalogue = catalogue
        self._static = dict(static or {})
        self._limits = limits or EngineLimits()
        self._dialect = DuckDBDialect()
        self._prepare_cached = lru_cache(maxsize=256)(self._prepare)
        if self._limits.spill is not None:
            clean_spill(self._limits.spill)
        self._lock = threading.Lock()
        self._database: AttachedDatabase | None = None
        self._seen_change = (0, 0)
        self._collection_ids = {t.qualified_name: p.id for p in catalogue.collections for t in (p.table,)}

    # -------------------------------------------------------- the files

    def _open(self) -> AttachedDatabase:
        """Return the database over the generations that are served now."""
        database, changed = self._database, self._store.read_change()
        if database is not None and changed == self._seen_change:
            return database
        with self._lock:
            if self._database is None or self._database.files != self._current_files():
                self._database = self._open_current()
            self._seen_change = changed
            return self._database

    def _current_files(self) -> dict[str, Path]:
        paths = {p.id: self._store.find_current_file(p.id) for p in self._catalogue.collections}
        return {id: path for id, path in paths.items() if path is not None}

    def _open_current(self) -> AttachedDatabase:
        """Open the served files; retry if a load removes a file between the lookup of its name and its opening."""
        for _ in range(20):
            files = self._current_files()
            try:
                return attach(files, self._catalogue, self._static, self._limits)
            except duckdb.IOException:
                if files == self._current_files():
                    raise
        raise EngineError("the data files change faster than they can be opened")

    # ------------------------------------------------------ the interface

    @override
    def locate(self, table: Table) -> tuple[str | None, str]:
        if is_upload(table):
            return None, make_upload_name(table.name)
        id = self._collection_ids.get(table.base or table.qualified_name)
        if id is None:
            return table.schema, table.name
        if id not in self._open().files:
            raise UsageError(f"the rows of {table.qualified_name} have not been loaded yet", code=Code.QUERY_NOT_LOADED)
        if table.base:
            return table.schema, table.name
        file = self._dialect.identifier_preparer.quote(make_file_alias(id))
        return sa.quoted_name(f"{file}.main", quote=False), ROWS

    @override
    def run(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> QueryRun:
        prepared = self._prepare_cached(statement)
        database = self._open()
        cursor = register_uploads(database.cursor(brief), uploads or {})
        return _DuckDBRun(database, cursor, prepared.parsed, prepared.compiled.parameter_values(slots), timeout, brief)

    @override
    def explain(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> QueryPlan:
        compiled = compile_statement(statement, self._dialect)
        database = self._open()
        cursor = register_uploads(database.cursor(brief), uploads or {})
        (parsed,) = cursor.extract_statements(f"EXPLAIN (FORMAT JSON) {compiled.text}")
        run = _DuckDBRun(database, cursor, parsed, compiled.parameter_values(slots), timeout, brief=True)
        (row,) = (row for batch in run.read_batches() for row in batch.to_pylist())
        return QueryPlan("DuckDB", compiled.with_values(slots), to_plan_step(*json.loads(row[EXPLAIN_COLUMN])))

    def _prepare(self, statement: Statement) -> PreparedStatement:
        compiled = compile_statement(statement, self._dialect)
        (parsed,) = self._open().short.extract_statements(compiled.text)
        return PreparedStatement(compiled, parsed)

    @override
    def unsupported_functions(self) -> frozenset[str]:
        return frozenset()

    @override
    def count_rows(self, table: Table) -> int | None:
        if table.qualified_name in self._static:
            return int(self._static[table.qualified_name].num_rows)
        id = self._collection_ids.get(table.base or table.qualified_name)
        return None if id is None else self._open().rows.get(id)

    @override
    def memory_bytes(self) -> int | None:
        database = self._database
        if database is None:
            return 0
        with suppress(duckdb.Error):
            return sum(read_held_bytes(database.cursor(brief)) for brief in (True, False))
        return None

    @override
    def get_facts(self, table: Table) -> TableFacts | None:
        id = self._collection_ids.get(table.base or table.qualified_name)
        return None if id is None else self._open().facts.get(id)

    @override
    def check_ready(self) -> str | None:
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
                with suppress(duckdb.Error):  # a query that has just been stopped may still be running
                    self._database.close()
                self._database = None


def register_uploads(cursor: duckdb.DuckDBPyConnection, uploads: Mapping[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    """Register uploaded tables, by name, with a cursor, and return the cursor."""
    for name, rows in uploads.items():
        cursor.register(make_upload_name(name), rows)
    return cursor


EXPLAIN_COLUMN, ESTIMATED_ROWS_KEY = "explain_value", "Estimated Cardinality"
"""The column of DuckDB's answer that holds the plan, and the key of a step's estimated rows in it."""


def to_plan_step(node: Mapping[str, Any]) -> PlanStep:
    """Return a step of DuckDB's plan from its JSON, where 0 rows stands for no estimate."""
    details = {name: "; ".join(v) if isinstance(v, list) else str(v) for name, v in node["extra_info"].items()}
    rows = details.pop(ESTIMATED_ROWS_KEY, "")
    return PlanStep(node["name"].strip(), int(rows or 0) or None, details, tuple(map(to_plan_step, node["children"])))


class _DuckDBRun(QueryRun):
    """A query on its own cursor. It keeps a reference to its database, so that a reload does not close it."""

    def __init__(
        self,
        database: AttachedDatabase,
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
        self._query_deadline = QueryDeadline(timeout, self._stop)

    @override
    def read_batches(self) -> Iterator[pa.RecordBatch]:
        try:
            with self._query_deadline.measure_work():
                reader = self._execute()
            while (batch := self._read_next(reader)) is not None:
                yield batch
        except (duckdb.Error, pa.ArrowException, RuntimeError, OSError) as error:
            raise self._to_service_error(error) from error
        finally:
            self.close()

    def _execute(self) -> pa.RecordBatchReader:
        """Start the query. A relation streams but is bound twice; `execute` binds once and holds the whole result."""
        if not self._brief:
            return self._cursor.sql(self._statement, params=self._parameters).to_arrow_reader(BATCH_ROWS)
        return self._cursor.execute(self._statement, self._parameters).to_arrow_reader(BATCH_ROWS)

    def _read_next(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        with self._query_deadline.measure_work():
            return next(reader, None)

    @override
    def cancel(self) -> None:
        self._query_deadline.cancel()

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
        """Interrupt the query and close its cursor: an abandoned query still runs in DuckDB's threads, and closing
        waits for it."""
        self._stop()
        with suppress(duckdb.Error):
            self._cursor.close()

    def _to_service_error(self, error: Exception) -> ServiceError:
        """Translate an error of DuckDB for clients; the original goes to the log."""
        if self._query_deadline.error is not None:
            return self._query_deadline.error
        text = str(error)
        for pattern, kind in _ERROR_KINDS:
            if re.search(pattern, text):
                return kind.to_error()
        log.error("DuckDB failed: %s", text, extra=private_fields(sql=self._statement.query, values=self._parameters))
        return EngineError("the database failed to run this query; the log of the server has the reason")


_ERROR_KINDS = (
    (re.escape(NULL_POSITION_MESSAGE), query_errors.NULL_POSITION),
    (r"(?i)out of range|overflow", query_errors.OUT_OF_RANGE),
    (r"(?i)conversion error|could not convert", query_errors.BAD_CONVERSION),
    (r"(?i)out of memory", query_errors.OUT_OF_MEMORY),
    (r"(?i)more than one row returned by a subquery", query_errors.SEVERAL_ROWS),
    (r"(?i)mismatch.*argument|cannot compare", query_errors.TYPE_MISMATCH),
)
"""The errors of queries by a pattern of DuckDB's message; the first match counts."""


def read_held_bytes(cursor: duckdb.DuckDBPyConnection) -> int:
    """Return the memory that a database holds, in bytes; closes the cursor."""
    with closing(cursor):
        row = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchone()
    return int(row[0] or 0) if row else 0


def open_engine(options: EngineOptions) -> Engine:
    """Return the engine over the files of a data directory."""
    directory = DataDirectory(options.data)
    return DuckDBEngine(directory, options.catalogue, static=options.static, limits=options.limits)


def open_sink(url: str) -> Sink:
    """Return the sink that writes the file of a generation."""
    return duckdb_sink.open_file_target


def find_loaded(options: EngineOptions) -> dict[str, str]:
    """Return the ids of the loaded collections with their files."""
    directory = DataDirectory(options.data)
    paths = {collection.id: directory.find_current_file(collection.id) for collection in options.catalogue.collections}
    return {id: str(path) for id, path in paths.items() if path is not None}
