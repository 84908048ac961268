"""The one road from a query to bytes: query + engine + format + MAXREC."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from vo_server.adql.planning.plan import expected, plan, work
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import Meaning, lacking, resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import Statement, translate
from vo_server.catalogue.catalogue import Catalogue
from vo_server.engines.engine import Engine, Run
from vo_server.errors import QueryCancelledError, QueryTimeoutError, UsageError
from vo_server.formats.format import Format
from vo_server.model.result import Descriptor, Info, Result
from vo_server.obscore.query import Host, opened

log = logging.getLogger(__name__)

SHORT = 10_000
"""A query for no more rows than this, or for so little sky, is answered at once and not in a stream. The sky's densest
parts hold some fifteen times more than this for as much of it."""

LIGHT = 100_000
"""A query for which no more rows than this must be looked at is little work."""


def meaning(text: str, catalogue: Catalogue, lacks: frozenset[str] = frozenset(), strict: bool = False) -> Meaning:
    """What an ADQL text means where these functions are not offered; `strict` takes the standard's ADQL alone.

    Raises QueryError with the place and a hint.
    """
    return resolve(parse(text, strict), catalogue, text, lacks)


def asked(meant: Meaning, catalogue: Catalogue, engine: Engine, host: Host) -> Meaning:
    """The same with the inventories of images in the place of ivoa.obscore; `host` serves them.

    Raises UsageError where none is loaded.
    """
    return replace(meant, query=opened(meant.query, catalogue, engine.rows, host))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query as a database is asked it: with its plan, and as a statement with the values of its parameters.

    `rows` is how many are read at the most, `expected` how many the index leads to, None where it does not tell.
    `brief`: few rows are to be expected, so that the answer may be made whole before it begins. `light`: it is little
    work for the database.
    """

    query: q.Query
    statement: Statement
    slots: tuple[Any, ...]
    rows: int
    expected: int | None
    brief: bool
    light: bool


def prepared(query: q.Query, engine: Engine, maxrec: int) -> Prepared:
    """A query made ready for an engine.

    One row more than MAXREC is asked for: overflow is known, and only then said (TAP 1.1 section 2.7.4). But a long
    answer without an order has no limit: a database that is told to cut that gathers all rows before it gives the
    first, and they are cut as they come.

    Raises UsageError where the engine cannot say it, as regions where there is no pgSphere.
    """
    missing = lacking(query, engine.lacks())
    if missing:
        raise UsageError(
            f"this service does not know regions: {min(missing)} is not offered",
            hint="ask without a place, or tell its operator to install pgSphere",
        )
    rows = maxrec + 1 if query.top is None else min(query.top, maxrec + 1)
    planned = plan(query, engine.rows)
    few = expected(planned, engine.rows)
    brief = rows <= SHORT or (few is not None and few <= SHORT)
    light = work(planned, engine.rows, rows) <= LIGHT
    cut = brief or bool(planned.order_by) or planned.offset is not None
    planned = replace(planned, top=rows if cut else None)
    statement, slots = translate(planned, engine.locate)
    return Prepared(planned, statement, slots, rows, few, brief, light)


@dataclass(slots=True)
class Answer:
    """An answer under way: the first rows are known to have come, the rest come as the bytes are read.

    Closing it stops the query; reading it to the end closes it.
    """

    pieces: Iterator[bytes]
    stop: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        finally:
            self.stop()


@dataclass(slots=True)
class Question:
    """A query and how it shall be answered. `stop` may be called at any time, from any thread.

    `late` is what is advised to whom it takes too long.

    `brief` and `light` are known once it is prepared; `rows` are those answered until now.
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
    late: str | None = None
    _made: Prepared | None = field(default=None, init=False)
    _result: Result | None = field(default=None, init=False)
    rows: int = field(default=0, init=False)
    _run: Run | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def prepare(self) -> Prepared | None:
        """Make it ready, once; None where no query is to be run."""
        if self._made is None and self.maxrec > 0:
            self._made = prepared(self.query, self.engine, self.maxrec)
        return self._made

    @property
    def brief(self) -> bool:
        """Are few rows to be expected, so that the answer may be made whole before it begins?"""
        return self._made is not None and self._made.brief

    @property
    def light(self) -> bool:
        """Is it little work for the database?"""
        return self._made is None or self._made.light

    def answer(self) -> Answer:
        """Start the query and wait for its first rows.

        Raises what the engine raises before them. MAXREC 0 asks for the metadata alone: no query is run.
        """
        result = Result(
            self.query.columns,
            self._batches(),
            self.title,
            self.description,
            self.infos,
            descriptors=self.descriptors,
        )
        self._result = result.limited(self.maxrec)
        self._result.batches = self._counted(self._result.batches)
        return Answer(self.format.write(self._result), self.stop)

    @property
    def overflow(self) -> bool:
        """Is it known by now that rows are left out?"""
        return self._result is not None and self._result.overflow

    def _in_time(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except QueryTimeoutError as fault:
            fault.hint = self.late
            raise

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += batch.num_rows
            yield batch

    def stop(self) -> None:
        """End the query, if it is running."""
        self._stopped = True
        if self._run is not None:
            self._run.cancel()

    @property
    def failure(self) -> Exception | None:
        """What broke the answer off, where its format has told so in its last bytes."""
        return None if self._result is None else self._result.failure

    def progress(self) -> float | None:
        """The part of the database's work that is done, 0..1; None where it is not known."""
        return None if self._run is None else self._run.progress()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        made = self.prepare()
        if made is None:
            return iter(())
        started = time.perf_counter()
        self._run = self.engine.run(
            made.statement, made.slots, timeout=self.timeout, uploads=self.uploads, brief=made.brief
        )
        if self._stopped:
            self._run.close()
            raise QueryCancelledError("the query was cancelled")
        batches = self._in_time(head(self._run.batches(), made.rows))
        first = next(batches, None)
        log.info("first rows after %.1f ms", 1e3 * (time.perf_counter() - started))
        return batches if first is None else chain((first,), batches)


def head(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The first so many rows; what follows is not read."""
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return
