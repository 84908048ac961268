"""PostgreSQL, with pgSphere where it is there.

A long answer comes by a cursor, batch by batch; one that is short, or of one row, at once, for then PostgreSQL may put
several processes to work. Statements name a catalogue's schema by a mark, which gives way to that of the generation
that serves when they run, so that a statement outlives a load. See generations.py.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from typing_extensions import override

from vo_server.adql.semantics.udfs import UNPLACED
from vo_server.adql.translate import Statement
from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines import generations, sky_postgres
from vo_server.engines.deadlines import Patience
from vo_server.engines.engine import Compiled, Engine, Explained, Facts, Run, Step, compiled, facts_of
from vo_server.engines.generations import LOADER, Generation
from vo_server.engines.links import Error, Link, Links, definition, quoted, state
from vo_server.errors import BusyError, EngineError, ServiceError, UsageError
from vo_server.logs import personal
from vo_server.model.column import Table

log = logging.getLogger(__name__)

FIRST, BATCH = 2_000, 16_384
"""Rows that are fetched first, and each time after."""

SCHEMA_OF_UPLOADS = "tap_upload"
AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})

_READER = LOADER | {
    "default_transaction_read_only": "on",
    "client_connection_check_interval": "1s",
    "cursor_tuple_fraction": "1.0",
    "extra_float_digits": "1",
}
"""Settings of a session that answers; it ends by itself within a second when this process dies."""


@dataclass(frozen=True, slots=True)
class _Home:
    """What is known of the database once it has been prepared."""

    links: Links
    tap_schema: str
    pgsphere: bool


class PostgresEngine(Engine):
    """A database under a URL of libpq."""

    def __init__(self, url: str, catalogue: Catalogue, *, static: Mapping[str, pa.Table] | None = None) -> None:
        """`static` holds tables that are not loaded but known (TAP_SCHEMA), by qualified name."""
        self._url = url
        self._static = dict(static or {})
        self._dialect: sa.Dialect = sky_postgres.Dialect()  # type: ignore[no-untyped-call]
        self._compile = lru_cache(maxsize=256)(partial(compiled, dialect=self._dialect))
        self._ids = {t.qualified: p.id for p in catalogue.collections for t in p.tables}
        self._marks = {p.id: f"mark_{secrets.token_hex(8)}" for p in catalogue.collections}
        self._loaded: set[str] = set()
        self._facts: dict[str, Facts] = {}
        self._lock = threading.Lock()
        self._home: _Home | None = None

    # ------------------------------------------------------- preparation

    def _prepared(self) -> _Home:
        """The functions and TAP_SCHEMA made where they are missing, by the first who needs them."""
        home = self._home
        if home is not None:
            return home
        with self._lock:
            if self._home is None:
                self._home = self._made()
            return self._home

    def _made(self) -> _Home:
        try:
            link = Link(self._url, LOADER)
            try:
                functions, pgsphere = generations.sky(link)
                if generations.is_superuser(link):
                    log.warning("the role that answers queries is a superuser: give the server one that is not")
                tables = {name.partition(".")[2]: rows for name, rows in self._static.items()}
                tap_schema = generations.tap_schema(link, tables)
            finally:
                link.close()
        except Error as error:
            raise _fault(error, "prepare the database", ()) from error
        if not pgsphere:
            log.warning("the database has no pgSphere: polygons are not offered (CREATE EXTENSION pg_sphere)")
        return _Home(Links(self._url, _READER | {"search_path": f"{functions},pg_catalog"}), tap_schema, pgsphere)

    def _current(self) -> dict[str, Generation]:
        try:
            with self._prepared().links.one() as link:
                found = generations.current(link)
        except Error as error:
            raise _fault(error, "SELECT generations", ()) from error
        self._loaded |= found.keys()
        return found

    # ------------------------------------------------------ the interface

    @override
    def locate(self, table: Table) -> tuple[str | None, str]:
        if table.schema.lower() == SCHEMA_OF_UPLOADS:
            return "pg_temp", upload_name(table.name)
        id = self._ids.get(table.qualified)
        if id is None:
            return self._prepared().tap_schema, table.name
        if id not in self._loaded and id not in self._current():
            raise UsageError(f"{table.qualified} is published here, but its rows have not been loaded yet")
        return self._marks[id], table.name

    @override
    def lacks(self) -> frozenset[str]:
        return frozenset() if self._prepared().pgsphere else sky_postgres.WITHOUT_PGSPHERE

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
        words = self._compile(statement)
        at_once = brief or _of_one_row(statement)
        return _PostgresRun(
            self._prepared().links, self._located, words, words.values(slots), uploads or {}, timeout, at_once
        )

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
        words = self._compile(statement)
        cursor = "" if brief or _of_one_row(statement) else "DECLARE answer NO SCROLL CURSOR FOR "
        asked = replace(words, text=f"EXPLAIN (FORMAT JSON) {cursor}{words.text}")
        home = self._prepared()
        run = _PostgresRun(home.links, self._located, asked, words.values(slots), uploads or {}, timeout, True)
        (row,) = (value.as_py() for batch in run.batches() for value in batch.column(0))
        (plan,) = json.loads(row)
        with home.links.one() as link:
            sql = self._located(link, words.with_values(slots))
        return Explained("PostgreSQL", sql, _step(plan["Plan"]))

    def _located(self, link: Link, text: str) -> str:
        """A statement with the generations that serve now in the place of their marks."""
        wanted = {id: mark for id, mark in self._marks.items() if mark in text}
        found = generations.current(link) if wanted else {}
        for id, mark in wanted.items():
            text = text.replace(mark, quoted(found[id].schema) if id in found else mark)
        return text

    @override
    def rows(self, table: Table) -> int | None:
        if table.qualified in self._static:
            return int(self._static[table.qualified].num_rows)
        id = self._ids.get(table.qualified)
        found = None if id is None else self._current().get(id)
        return None if found is None else found.rows

    @override
    def memory(self) -> int | None:
        return None

    @override
    def facts(self, table: Table) -> Facts | None:
        id = self._ids.get(table.qualified)
        for _ in range(3):  # a load may drop a generation between the look at its name and its use
            serving = None if id is None else self._current().get(id)
            if serving is None:
                return None
            found = self._facts.get(serving.schema) or self._asked(serving.schema)
            if found is not None:
                return found
        return Facts()

    def _asked(self, schema: str) -> Facts | None:
        """What is known of a generation, which never changes; None where it has been dropped."""
        try:
            with self._prepared().links.one() as link:
                found = generations.meta(link, schema)
        except Error as error:
            raise _fault(error, "SELECT meta", ()) from error
        if found is None:
            return None
        return self._facts.setdefault(schema, facts_of(found))

    @override
    def ready(self) -> str | None:
        try:
            self._current()
        except ServiceError as fault:
            log.error("the engine does not answer: %s", fault)
            return f"the database does not answer: {fault.message}"
        return None

    @override
    def close(self) -> None:
        with self._lock:
            if self._home is not None:
                self._home.links.close()
                self._home = None


def _of_one_row(statement: Any) -> bool:
    """Is it aggregates without groups?"""
    if not isinstance(statement, sa.Select) or statement._group_by_clauses:
        return False
    return any(_is_aggregate(column) for column in statement.selected_columns)


def _is_aggregate(element: Any) -> bool:
    while isinstance(element, sa.Label | sa.Cast):
        element = element.element if isinstance(element, sa.Label) else element.clause
    return isinstance(element, sa.sql.functions.FunctionElement) and getattr(element, "name", "") in AGGREGATES


_COSTS = ("Startup Cost", "Total Cost", "Plan Width", "Parallel Aware", "Async Capable", "Parent Relationship")
"""What says little without the source of PostgreSQL at hand."""


def _step(node: Mapping[str, Any]) -> Step:
    """A step of PostgreSQL's plan, as it stands in its JSON."""
    kept = {name: value for name, value in node.items() if name not in ("Node Type", "Plan Rows", "Plans", *_COSTS)}
    said = {name: ", ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in kept.items()}
    return Step(node["Node Type"], node.get("Plan Rows"), said, tuple(map(_step, node.get("Plans", ()))))


class _PostgresRun(Run):
    """One query on a connection of its own, in a transaction that is rolled back at its end."""

    def __init__(
        self,
        links: Links,
        located: Callable[[Link, str], str],
        words: Compiled,
        values: list[Any],
        uploads: Mapping[str, pa.Table],
        timeout: float | None,
        at_once: bool,
    ) -> None:
        self._links, self._located = links, located
        self._words, self._values, self._uploads = words, values, uploads
        self._patience = Patience(timeout, self._stop)
        self._at_once = at_once
        self._link: Link | None = None
        self._stopped = False

    @override
    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            with self._patience.at_work():
                first = self._begun()
            yield from first.to_batches()
            while not self._at_once:
                with self._patience.at_work():
                    table = self._fetched(BATCH)
                yield from table.to_batches()
        except Error as error:
            raise self._fault(error) from error
        finally:
            self.close()

    def _begun(self) -> pa.Table:
        """The first rows. Tries again when a load drops a generation between the look at its name and its use."""
        self._link = self._links.take()
        for tries in range(3):
            try:
                return self._first(self._link)
            except Error as error:
                if state(error) not in ("42P01", "3F000") or tries == 2:
                    raise
                self._link.tell("ROLLBACK")
        raise AssertionError

    def _first(self, link: Link) -> pa.Table:
        if self._at_once and not self._uploads:
            return link.ask(self._located(link, self._words.text), self._values)
        link.tell("BEGIN READ WRITE" if self._uploads else "BEGIN")
        for name, rows in self._uploads.items():
            link.tell(f"CREATE TEMP TABLE {quoted(upload_name(name))} ({definition(rows.schema)}) ON COMMIT DROP")
            link.put(rows, upload_name(name))
        if self._uploads:
            link.tell("SET TRANSACTION READ ONLY")
        text = self._located(link, self._words.text)
        if self._at_once:
            return link.ask(text, self._values)
        link.tell(f"DECLARE answer NO SCROLL CURSOR FOR {text}", self._values)
        return self._fetched(FIRST)

    def _fetched(self, rows: int) -> pa.Table:
        assert self._link is not None
        found = self._link.ask(f"FETCH {rows} FROM answer")
        self._at_once = found.num_rows < rows
        return found

    def _stop(self) -> None:
        self._stopped = True
        if self._link is not None:
            self._link.cancel()

    @override
    def cancel(self) -> None:
        self._patience.cancel()

    @override
    def progress(self) -> float | None:
        return None

    @override
    def close(self) -> None:
        """A connection that was told to stop is not used again: the word may still be on its way."""
        link, self._link = self._link, None
        if link is None:
            return
        with suppress(Error):
            if not self._stopped:
                link.tell("ROLLBACK")
                self._links.give(link)
                return
        link.close()

    def _fault(self, error: Error) -> ServiceError:
        if self._patience.fault is not None:
            return self._patience.fault
        return _fault(error, self._words.text, self._values)


_OF_ROWS = {
    "22003": "a number in this query is out of the range of its type: CAST to a wider one",
    "22P02": "a value in this query cannot be converted to the type it is cast to",
    "22007": "a value in this query cannot be converted to the type it is cast to",
    "22008": "a value in this query cannot be converted to the type it is cast to",
    "22021": "a text in this query holds a character that cannot be stored",
    "21000": "a sub-query used as a value gave more than one row",
    "53100": "this query needs more room than the service gives: ask for fewer rows or columns",
    "53200": "this query needs more memory than the service gives: ask for fewer rows or columns",
    "54001": "this query is nested too deeply",
    "0A000": "this database cannot join or convert in this way",
    "VO002": f"{UNPLACED}: leave such rows out with a condition",
    "VO001": "a polygon in this query is too large: it must lie within a hemisphere",
}
_BUSY = ("53300", "57P01", "57P02", "57P03")


def _fault(error: Error, text: str, values: Sequence[Any]) -> ServiceError:
    """The one place that knows what PostgreSQL's errors mean to a client."""
    code = state(error)
    if code in _OF_ROWS:
        return UsageError(_OF_ROWS[code])
    said = str(error).partition("\n\nQuery was")[0]
    log.error("PostgreSQL refused: %s %s", code, said, extra=personal(sql=text, values=values))
    if code in _BUSY or (not code and "connect" in str(error).lower()):
        return BusyError("the database cannot be reached now; try again later")
    return EngineError("the database could not answer this query; the operator finds the reason in the log")


def upload_name(name: str) -> str:
    """Under what name an upload is kept."""
    return f"upload_{name.lower()}"
