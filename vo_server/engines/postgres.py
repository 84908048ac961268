"""The PostgreSQL engine, with pgSphere if it is installed.

A long result is read by a cursor, batch by batch; a short one, or one of a single row, at once, for then PostgreSQL may
use parallel workers. Statements name the schema of a collection by a mark, which is replaced by the schema of the
served generation when they run, so that a cached statement outlives a load. See postgres_generations.py.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from typing_extensions import override

from vo_server.adql.translate import Statement
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.names import quote_identifier
from vo_server.engines import EngineOptions, postgres_generations, postgres_sink, query_errors, sky_postgres
from vo_server.engines.deadlines import QueryDeadline
from vo_server.engines.engine import (
    CompiledStatement,
    Engine,
    PlanStep,
    QueryPlan,
    QueryRun,
    TableFacts,
    compile_statement,
    is_upload,
    make_upload_name,
    parse_facts,
)
from vo_server.engines.postgres_connections import (
    Connection,
    ConnectionPool,
    Error,
    build_column_definitions,
    get_sqlstate,
)
from vo_server.engines.postgres_generations import WRITER_SETTINGS, ServedGeneration
from vo_server.engines.sink import Sink
from vo_server.errors import BusyError, Code, EngineError, ServiceError, UsageError
from vo_server.logs import private_fields
from vo_server.model.column import Table

log = logging.getLogger(__name__)

FIRST_ROWS, BATCH_ROWS = 2_000, 16_384
"""Rows of the first batch of a cursor, and of each further one."""

AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})
"""The names of SQL aggregates."""

_READER_SETTINGS = WRITER_SETTINGS | {
    "default_transaction_read_only": "on",
    "client_connection_check_interval": "1s",
    "cursor_tuple_fraction": "1.0",
    "extra_float_digits": "1",
}
"""Settings of a session that runs queries; PostgreSQL ends it within a second when this process dies."""


@dataclass(frozen=True, slots=True)
class PreparedDatabase:
    """A prepared database: its connection pool, the schema of TAP_SCHEMA, and whether it has pgSphere."""

    pool: ConnectionPool
    tap_schema: str
    has_pgsphere: bool


class PostgresEngine(Engine):
    """The engine over a PostgreSQL database, given by a URL of libpq."""

    def __init__(self, url: str, catalogue: Catalogue, *, static: Mapping[str, pa.Table] | None = None) -> None:
        """Configure the engine; `static` are tables that are not loaded from files (TAP_SCHEMA), by qualified name."""
        self._url = url
        self._static = dict(static or {})
        self._dialect: sa.Dialect = sky_postgres.PostgresDialect()  # type: ignore[no-untyped-call]
        self._compile = lru_cache(maxsize=256)(partial(compile_statement, dialect=self._dialect))
        self._collection_ids = {t.qualified_name: p.id for p in catalogue.collections for t in p.tables}
        self._schema_marks = {p.id: f"mark_{secrets.token_hex(8)}" for p in catalogue.collections}
        self._loaded_ids: set[str] = set()
        self._facts: dict[str, TableFacts] = {}
        self._lock = threading.Lock()
        self._prepared: PreparedDatabase | None = None

    # ------------------------------------------------------- preparation

    def _ensure_prepared(self) -> PreparedDatabase:
        """Return the prepared database; the first call creates missing functions and TAP_SCHEMA."""
        home = self._prepared
        if home is not None:
            return home
        with self._lock:
            if self._prepared is None:
                self._prepared = self._prepare_database()
            return self._prepared

    def _prepare_database(self) -> PreparedDatabase:
        try:
            connection = Connection(self._url, WRITER_SETTINGS)
            try:
                functions, pgsphere = postgres_generations.ensure_functions(connection)
                if postgres_generations.is_superuser(connection):
                    log.warning("the role that answers queries is a superuser: give the server one that is not")
                tables = {name.partition(".")[2]: rows for name, rows in self._static.items()}
                tap_schema = postgres_generations.ensure_tap_schema(connection, tables)
            finally:
                connection.close()
        except Error as error:
            raise to_service_error(error, "prepare the database", ()) from error
        if not pgsphere:
            log.warning("the database has no pgSphere: polygons are not offered (CREATE EXTENSION pg_sphere)")
        settings = _READER_SETTINGS | {"search_path": f"{functions},pg_catalog"}
        return PreparedDatabase(ConnectionPool(self._url, settings), tap_schema, pgsphere)

    def _read_served(self) -> dict[str, ServedGeneration]:
        try:
            with self._ensure_prepared().pool.connection() as connection:
                served = postgres_generations.read_served(connection)
        except Error as error:
            raise to_service_error(error, "SELECT generations", ()) from error
        self._loaded_ids |= served.keys()
        return served

    # ------------------------------------------------------ the interface

    @override
    def locate(self, table: Table) -> tuple[str | None, str]:
        if is_upload(table):
            return "pg_temp", make_upload_name(table.name)
        id = self._collection_ids.get(table.qualified_name)
        if id is None:
            return self._ensure_prepared().tap_schema, table.name
        if id not in self._loaded_ids and id not in self._read_served():
            raise UsageError(f"the rows of {table.qualified_name} have not been loaded yet", code=Code.QUERY_NOT_LOADED)
        return self._schema_marks[id], table.name

    @override
    def unsupported_functions(self) -> frozenset[str]:
        return frozenset() if self._ensure_prepared().has_pgsphere else sky_postgres.WITHOUT_PGSPHERE

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
        compiled = self._compile(statement)
        at_once = brief or is_single_row(statement)
        pool, values = self._ensure_prepared().pool, compiled.parameter_values(slots)
        return _PostgresRun(pool, self._place_schemas, compiled, values, uploads or {}, timeout, at_once)

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
        compiled = self._compile(statement)
        cursor = "" if brief or is_single_row(statement) else "DECLARE answer NO SCROLL CURSOR FOR "
        explain = replace(compiled, text=f"EXPLAIN (FORMAT JSON) {cursor}{compiled.text}")
        pool, values = self._ensure_prepared().pool, compiled.parameter_values(slots)
        run = _PostgresRun(pool, self._place_schemas, explain, values, uploads or {}, timeout, True)
        (row,) = (value.as_py() for batch in run.read_batches() for value in batch.column(0))
        (plan,) = json.loads(row)
        with pool.connection() as connection:
            sql = self._place_schemas(connection, compiled.with_values(slots))
        return QueryPlan("PostgreSQL", sql, to_plan_step(plan["Plan"]))

    def _place_schemas(self, connection: Connection, text: str) -> str:
        """Replace the marks in a statement by the schemas of the generations that are served now."""
        marks = {id: mark for id, mark in self._schema_marks.items() if mark in text}
        served = postgres_generations.read_served(connection) if marks else {}
        for id, mark in marks.items():
            text = text.replace(mark, quote_identifier(served[id].schema) if id in served else mark)
        return text

    @override
    def count_rows(self, table: Table) -> int | None:
        if table.qualified_name in self._static:
            return int(self._static[table.qualified_name].num_rows)
        id = self._collection_ids.get(table.qualified_name)
        generation = None if id is None else self._read_served().get(id)
        return None if generation is None else generation.rows

    @override
    def memory_bytes(self) -> int | None:
        return None

    @override
    def get_facts(self, table: Table) -> TableFacts | None:
        id = self._collection_ids.get(table.qualified_name)
        for _ in range(3):  # a load may drop a generation between the lookup of its name and its use
            served = None if id is None else self._read_served().get(id)
            if served is None:
                return None
            facts = self._facts.get(served.schema) or self._read_facts(served.schema)
            if facts is not None:
                return facts
        return TableFacts()

    def _read_facts(self, schema: str) -> TableFacts | None:
        """Return the facts about a generation, which never change; None if it has been dropped."""
        try:
            with self._ensure_prepared().pool.connection() as connection:
                meta = postgres_generations.read_meta(connection, schema)
        except Error as error:
            raise to_service_error(error, "SELECT meta", ()) from error
        if meta is None:
            return None
        return self._facts.setdefault(schema, parse_facts(meta))

    @override
    def check_ready(self) -> str | None:
        try:
            self._read_served()
        except ServiceError as error:
            log.error("the engine does not answer: %s", error)
            return f"the database does not answer: {error.message}"
        return None

    @override
    def close(self) -> None:
        with self._lock:
            if self._prepared is not None:
                self._prepared.pool.close()
                self._prepared = None


def is_single_row(statement: Any) -> bool:
    """Return whether a statement has aggregates and no GROUP BY."""
    if not isinstance(statement, sa.Select) or statement._group_by_clauses:
        return False
    return any(_is_aggregate(column) for column in statement.selected_columns)


def _is_aggregate(element: Any) -> bool:
    while isinstance(element, sa.Label | sa.Cast):
        element = element.element if isinstance(element, sa.Label) else element.clause
    return isinstance(element, sa.sql.functions.FunctionElement) and getattr(element, "name", "") in AGGREGATES


_HIDDEN_DETAILS = ("Startup Cost", "Total Cost", "Plan Width", "Parallel Aware", "Async Capable", "Parent Relationship")
"""Details of a plan step that mean little to users."""


def to_plan_step(node: Mapping[str, Any]) -> PlanStep:
    """Return a step of PostgreSQL's plan from its JSON."""
    hidden = ("Node Type", "Plan Rows", "Plans", *_HIDDEN_DETAILS)
    details = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in node.items()
        if name not in hidden
    }
    return PlanStep(node["Node Type"], node.get("Plan Rows"), details, tuple(map(to_plan_step, node.get("Plans", ()))))


class _PostgresRun(QueryRun):
    """A query on its own connection, in a transaction that is rolled back at the end."""

    def __init__(
        self,
        pool: ConnectionPool,
        place_schemas: Callable[[Connection, str], str],
        compiled: CompiledStatement,
        values: list[Any],
        uploads: Mapping[str, pa.Table],
        timeout: float | None,
        at_once: bool,
    ) -> None:
        self._pool, self._place_schemas = pool, place_schemas
        self._compiled, self._values, self._uploads = compiled, values, uploads
        self._query_deadline = QueryDeadline(timeout, self._stop)
        self._at_once = at_once
        self._connection: Connection | None = None
        self._stopped = False

    @override
    def read_batches(self) -> Iterator[pa.RecordBatch]:
        try:
            with self._query_deadline.measure_work():
                first = self._begin()
            yield from first.to_batches()
            while not self._at_once:
                with self._query_deadline.measure_work():
                    table = self._fetch(BATCH_ROWS)
                yield from table.to_batches()
        except Error as error:
            raise self._to_service_error(error) from error
        finally:
            self.close()

    def _begin(self) -> pa.Table:
        """Return the first rows; retry if a load drops a generation between the lookup of its name and its use."""
        self._connection = self._pool.acquire()
        for retries in range(3):
            try:
                return self._read_first(self._connection)
            except Error as error:
                if get_sqlstate(error) not in ("42P01", "3F000") or retries == 2:
                    raise
                self._connection.execute("ROLLBACK")
        raise AssertionError

    def _read_first(self, connection: Connection) -> pa.Table:
        if self._at_once and not self._uploads:
            return connection.query(self._place_schemas(connection, self._compiled.text), self._values)
        connection.execute("BEGIN READ WRITE" if self._uploads else "BEGIN")
        for name, rows in self._uploads.items():
            table, columns = quote_identifier(make_upload_name(name)), build_column_definitions(rows.schema)
            connection.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
            connection.ingest(rows, make_upload_name(name))
        if self._uploads:
            connection.execute("SET TRANSACTION READ ONLY")
        text = self._place_schemas(connection, self._compiled.text)
        if self._at_once:
            return connection.query(text, self._values)
        connection.execute(f"DECLARE answer NO SCROLL CURSOR FOR {text}", self._values)
        return self._fetch(FIRST_ROWS)

    def _fetch(self, rows: int) -> pa.Table:
        assert self._connection is not None
        rows_read = self._connection.query(f"FETCH {rows} FROM answer")
        self._at_once = rows_read.num_rows < rows
        return rows_read

    def _stop(self) -> None:
        self._stopped = True
        if self._connection is not None:
            self._connection.cancel()

    @override
    def cancel(self) -> None:
        self._query_deadline.cancel()

    @override
    def progress(self) -> float | None:
        return None

    @override
    def close(self) -> None:
        """Release the connection; discard one that was cancelled, for the cancel request may still be under way."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(Error):
            if not self._stopped:
                connection.execute("ROLLBACK")
                self._pool.release(connection)
                return
        self._pool.discard(connection)

    def _to_service_error(self, error: Error) -> ServiceError:
        if self._query_deadline.error is not None:
            return self._query_deadline.error
        return to_service_error(error, self._compiled.text, self._values)


_ERROR_KINDS = {
    "22003": query_errors.OUT_OF_RANGE,
    "22P02": query_errors.BAD_CONVERSION,
    "22007": query_errors.BAD_CONVERSION,
    "22008": query_errors.BAD_CONVERSION,
    "22021": query_errors.BAD_CHARACTER,
    "21000": query_errors.SEVERAL_ROWS,
    "53100": query_errors.OUT_OF_DISK,
    "53200": query_errors.OUT_OF_MEMORY,
    "54001": query_errors.TOO_DEEP,
    "0A000": query_errors.UNSUPPORTED,
    "VO001": query_errors.LARGE_POLYGON,
    "VO002": query_errors.NULL_POSITION,
}
"""The errors of queries by SQLSTATE; VO001 and VO002 are raised by our own functions."""

_UNAVAILABLE_STATES = ("53300", "57P01", "57P02", "57P03")


def to_service_error(error: Error, text: str, values: Sequence[Any]) -> ServiceError:
    """Translate an error of PostgreSQL for clients; the original goes to the log."""
    state = get_sqlstate(error)
    if state in _ERROR_KINDS:
        return _ERROR_KINDS[state].to_error()
    details = str(error).partition("\n\nQuery was")[0]
    log.error("PostgreSQL failed: %s %s", state, details, extra=private_fields(sql=text, values=values))
    if state in _UNAVAILABLE_STATES or (not state and "connect" in str(error).lower()):
        message = "the database cannot be reached"
        return BusyError(message, hint="try again later", code=Code.SERVICE_UNAVAILABLE)
    return EngineError("the database failed to run this query; the log of the server has the reason")


def open_engine(options: EngineOptions) -> Engine:
    """Return the engine over the database of the URL."""
    return PostgresEngine(options.url, options.catalogue, static=options.static)


def open_sink(url: str) -> Sink:
    """Return the sink that writes a generation into a schema of the database."""
    return postgres_sink.create_postgres_sink(url)


def find_loaded(options: EngineOptions) -> dict[str, str]:
    """Return the ids of the loaded collections with their numbers of rows."""
    with closing(open_engine(options)) as engine:
        counts = {collection.id: engine.count_rows(collection.table) for collection in options.catalogue.collections}
    return {id: f"{count:,} rows" for id, count in counts.items() if count is not None}
