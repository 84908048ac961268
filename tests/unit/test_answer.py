"""Answering a query: how many rows are fetched, where they are cut, and cancellation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from vo_server.adql.semantics.query import Query
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import Statement
from vo_server.answer import SMALL_RESULT_ROWS, QueryExecution, take_rows
from vo_server.catalogue.catalogue import Catalogue, Schema
from vo_server.errors import QueryCancelledError
from vo_server.formats import CSV
from vo_server.model import types
from vo_server.model.column import Column, Table

TABLE = Table("s", "t", (Column("n", types.INTEGER),))
CATALOGUE = Catalogue((Schema("s"),), (TABLE,))


def batches(*sizes: int) -> Iterator[pa.RecordBatch]:
    start = 0
    for size in sizes:
        yield pa.RecordBatch.from_arrays([pa.array(range(start, start + size), pa.int32())], ["n"])
        start += size


class FakeRun:
    def __init__(self, rows: int) -> None:
        self.rows, self.read, self.cancelled, self.closed = rows, 0, False, False

    def read_batches(self) -> Iterator[pa.RecordBatch]:
        for batch in batches(*[1000] * (self.rows // 1000), self.rows % 1000):
            self.read += batch.num_rows
            yield batch

    def cancel(self) -> None:
        self.cancelled = True

    def progress(self) -> float | None:
        return None

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    """An engine with `rows` rows that records the last statement."""

    def __init__(self, rows: int) -> None:
        self.last = FakeRun(rows)
        self.text, self.brief = "", False

    def locate(self, table: Table) -> tuple[str | None, str]:
        return table.schema, table.name

    def run(
        self,
        statement: Statement,
        slots: Sequence[Any] = (),
        *,
        timeout: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        brief: bool = False,
    ) -> FakeRun:
        self.text, self.brief = str(statement), brief
        return self.last

    def unsupported_functions(self) -> frozenset[str]:
        return frozenset()

    def count_rows(self, table: Table) -> int | None:
        return None

    def check_ready(self) -> str | None:
        return None

    def close(self) -> None:
        pass


def query(text: str) -> Query:
    return resolve(parse(text), CATALOGUE, text).query


def answer_lines(execution: QueryExecution) -> list[str]:
    return b"".join(execution.start()).decode().splitlines()[1:]


@pytest.mark.parametrize(
    ("sizes", "rows", "expected"), [((3, 3), 4, [3, 1]), ((3, 3), 3, [3]), ((3,), 9, [3]), ((), 5, [])]
)
def test_take_rows_stops_reading_at_the_limit(sizes: tuple[int, ...], rows: int, expected: list[int]) -> None:
    assert [b.num_rows for b in take_rows(batches(*sizes), rows)] == expected


def test_database_limits_a_small_result() -> None:
    engine = FakeEngine(5)
    assert len(answer_lines(QueryExecution(query("SELECT TOP 5 n FROM t"), engine, CSV, 100))) == 5
    assert engine.brief
    assert "LIMIT" in engine.text


def test_server_cuts_a_large_unordered_result() -> None:
    engine = FakeEngine(50_000)
    assert (
        len(answer_lines(QueryExecution(query(f"SELECT TOP {SMALL_RESULT_ROWS + 1} n FROM t"), engine, CSV, 10**6)))
        == SMALL_RESULT_ROWS + 1
    )
    assert not engine.brief
    assert "LIMIT" not in engine.text
    assert engine.last.read < 15_000
    assert engine.last.cancelled


def test_database_limits_a_large_ordered_result() -> None:
    engine = FakeEngine(100)
    answer_lines(QueryExecution(query(f"SELECT TOP {SMALL_RESULT_ROWS + 1} n FROM t ORDER BY n"), engine, CSV, 10**6))
    assert "LIMIT" in engine.text


def test_fetches_one_row_more_than_maxrec() -> None:
    engine = FakeEngine(11)
    execution = QueryExecution(query("SELECT n FROM t"), engine, CSV, 10)
    *rows, last = answer_lines(execution)
    assert (len(rows), last.startswith("# OVERFLOW"), execution.overflow) == (10, True, True)
    assert engine.last.read == 11


def test_maxrec_0_runs_no_query() -> None:
    engine = FakeEngine(10)
    execution = QueryExecution(query("SELECT n FROM t"), engine, CSV, 0)
    assert [line.partition(":")[0] for line in answer_lines(execution)] == ["# OVERFLOW"]
    assert engine.text == ""


def test_cancel_before_start() -> None:
    engine = FakeEngine(10)
    execution = QueryExecution(query("SELECT n FROM t"), engine, CSV, 100)
    execution.cancel()
    with pytest.raises(QueryCancelledError):
        execution.start()
    assert engine.last.closed


def test_closing_a_result_cancels_its_query() -> None:
    engine = FakeEngine(50_000)
    chunks = iter(QueryExecution(query("SELECT n FROM t"), engine, CSV, 10**6).start())
    next(chunks)
    assert not engine.last.cancelled
    chunks.close()  # type: ignore[attr-defined]
    assert engine.last.cancelled
