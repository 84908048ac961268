"""Answering a query: the one path from query, engine, format and MAXREC to bytes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from vo_server.adql.planning.plan import estimate_rows, estimate_work, plan
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import ResolvedQuery, find_unsupported, resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import Statement, translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines.engine import Engine, QueryRun
from vo_server.errors import Code, QueryCancelledError, QueryTimeoutError, UsageError
from vo_server.formats.format import Format
from vo_server.model.result import Descriptor, Info, Result
from vo_server.obscore.query import ImageUrls, with_inventories

log = logging.getLogger(__name__)

SMALL_RESULT_ROWS = 10_000
"""Rows up to which a result counts as small and is sent whole instead of as a stream, and rows that the index ranges
may lead to. The sky's densest parts hold some fifteen times more than this for as much of it."""

UNLIMITED_ROWS = 1 << 40
"""A MAXREC that no result reaches."""

SHORT_QUERY_ROWS = 100_000
"""Rows that a database may read for a query that counts as short."""


def compile_query(
    text: str, catalogue: Catalogue, unsupported: frozenset[str] = frozenset(), strict: bool = False
) -> ResolvedQuery:
    """Parse and resolve an ADQL text; `unsupported` functions are not offered, `strict` accepts the standard's ADQL
    alone.

    Raises QueryError with the span of the error and a hint.
    """
    return resolve(parse(text, strict), catalogue, text, unsupported)


def expand_obscore(resolved: ResolvedQuery, catalogue: Catalogue, engine: Engine, urls: ImageUrls) -> ResolvedQuery:
    """Replace ivoa.obscore in a query by the inventories of images, whose URLs are those of `urls`.

    Raises UsageError where no inventory is loaded.
    """
    return replace(resolved, query=with_inventories(resolved.query, catalogue, engine.count_rows, urls))


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A planned query as an engine runs it: the statement with the values of its parameters.

    `max_rows` is the limit of rows that are read, `expected_rows` the estimate from the index ranges, None where it is
    unknown. `is_small`: few rows are expected, so that the answer can be made whole before it begins. `is_short`: the
    database has little work.
    """

    query: q.Query
    statement: Statement
    parameters: tuple[Any, ...]
    max_rows: int
    expected_rows: int | None
    is_small: bool
    is_short: bool


def prepare(query: q.Query, engine: Engine, maxrec: int) -> PreparedQuery:
    """Plan and translate a query for an engine.

    One row more than MAXREC is fetched, so that overflow is known, and only then reported (TAP 1.1 section 2.7.4). But
    a long answer without an order has no LIMIT: with one the database gathers all rows before it gives the first. Its
    rows are cut as they come.

    Raises UsageError where the engine does not support a function or type, such as regions without pgSphere.
    """
    missing = find_unsupported(query, engine.unsupported_functions())
    if missing:
        raise UsageError(
            f"{min(missing)} is not offered by this service, whose database does not support regions",
            hint="query without a region, or ask the operator to install pgSphere",
            code=Code.ADQL_UNKNOWN_FUNCTION,
        )
    rows = maxrec + 1 if query.top is None else min(query.top, maxrec + 1)
    planned = plan(query, engine.count_rows)
    expected = estimate_rows(planned, engine.count_rows)
    brief = rows <= SMALL_RESULT_ROWS or (expected is not None and expected <= SMALL_RESULT_ROWS)
    light = estimate_work(planned, engine.count_rows, rows) <= SHORT_QUERY_ROWS
    cut = brief or bool(planned.order_by) or planned.offset is not None
    planned = replace(planned, top=rows if cut else None)
    statement, slots = translate(planned, engine.locate)
    return PreparedQuery(planned, statement, slots, rows, expected, brief, light)


def fetch_rows(
    query: q.Query, engine: Engine, max_rows: int | None = None, timeout: float | None = None
) -> Iterator[tuple[Any, ...]]:
    """Run a query and yield its rows as Python values, the first `max_rows` of them or all.

    Raises UsageError as `prepare`, and the engine's errors; `timeout` is in seconds.
    """
    if max_rows is not None:
        query = replace(query, top=max_rows if query.top is None else min(query.top, max_rows))
    prepared = prepare(query, engine, UNLIMITED_ROWS if max_rows is None else max_rows)
    run = engine.run(prepared.statement, prepared.parameters, timeout=timeout, brief=prepared.is_small)
    for batch in run.read_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


@dataclass(slots=True)
class ResultStream:
    """A result whose first rows have come; the rest come as the bytes are read.

    Closing it cancels the query; reading it to the end closes it.
    """

    chunks: Iterator[bytes]
    cancel: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.chunks
        finally:
            self.cancel()


@dataclass(slots=True)
class QueryExecution:
    """A query with the engine, format and limits of its answer. `cancel` may be called at any time, from any thread.

    `timeout_hint` is the advice in the error after a timeout. `is_small` and `is_short` are known once it is prepared;
    `rows` counts those answered until now.
    """

    query: q.Query
    engine: Engine
    format: Format
    maxrec: int
    timeout: float | None = None
    title: str | None = None
    description: str | None = None
    infos: tuple[Info, ...] = ()
    descriptors: tuple[Descriptor, ...] = ()
    uploads: Mapping[str, pa.Table] = field(default_factory=dict)
    timeout_hint: str | None = None
    _prepared: PreparedQuery | None = field(default=None, init=False)
    _result: Result | None = field(default=None, init=False)
    rows: int = field(default=0, init=False)
    _run: QueryRun | None = field(default=None, init=False)
    _cancelled: bool = field(default=False, init=False)

    def prepare(self) -> PreparedQuery | None:
        """Prepare it, once; None where no query is to be run."""
        if self._prepared is None and self.maxrec > 0:
            self._prepared = prepare(self.query, self.engine, self.maxrec)
        return self._prepared

    @property
    def is_small(self) -> bool:
        """Whether few rows are expected, so that the answer can be made whole before it begins."""
        return self._prepared is not None and self._prepared.is_small

    @property
    def is_short(self) -> bool:
        """Whether the database has little work."""
        return self._prepared is None or self._prepared.is_short

    def start(self) -> ResultStream:
        """Start the query and wait for its first rows.

        Raises the engine's errors before them. MAXREC 0 returns the metadata alone: no query is run.
        """
        result = Result(
            self.query.columns,
            self._run_query(),
            self.title,
            self.description,
            self.infos,
            descriptors=self.descriptors,
        )
        self._result = result.limit(self.maxrec)
        self._result.batches = self._count_rows(self._result.batches)
        return ResultStream(self.format.write(self._result), self.cancel)

    @property
    def overflow(self) -> bool:
        """Whether rows are known to be left out by now."""
        return self._result is not None and self._result.overflow

    def _add_timeout_hint(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except QueryTimeoutError as error:
            error.hint = self.timeout_hint
            raise

    def _count_rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += batch.num_rows
            yield batch

    def cancel(self) -> None:
        """Cancel the query, if it is running."""
        self._cancelled = True
        if self._run is not None:
            self._run.cancel()

    @property
    def failure(self) -> Exception | None:
        """The error that broke the answer off, where its format has reported it in its last bytes."""
        return None if self._result is None else self._result.failure

    def progress(self) -> float | None:
        """Return the part of the database's work that is done, 0..1; None where it is not known."""
        return None if self._run is None else self._run.progress()

    def _run_query(self) -> Iterator[pa.RecordBatch]:
        prepared = self.prepare()
        if prepared is None:
            return iter(())
        started = time.perf_counter()
        self._run = self.engine.run(
            prepared.statement, prepared.parameters, timeout=self.timeout, uploads=self.uploads, brief=prepared.is_small
        )
        if self._cancelled:
            self._run.close()
            raise QueryCancelledError("the query was cancelled")
        batches = self._add_timeout_hint(take_rows(self._run.read_batches(), prepared.max_rows))
        first = next(batches, None)
        log.info("first rows after %.1f ms", 1e3 * (time.perf_counter() - started))
        return batches if first is None else chain((first,), batches)


def take_rows(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the first `rows` rows; the rest is not read."""
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return
