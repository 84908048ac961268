"""The road from a query to bytes: how many rows are asked for, who cuts them, and what a stop does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from vo_server.adql.semantics.query import Query
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.adql.translate import Statement
from vo_server.answer import SHORT, Question, head
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

    def batches(self) -> Iterator[pa.RecordBatch]:
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
    """Holds so many rows and keeps what it was asked."""

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

    def lacks(self) -> frozenset[str]:
        return frozenset()

    def rows(self, table: Table) -> int | None:
        return None

    def ready(self) -> str | None:
        return None

    def close(self) -> None:
        pass


def query(text: str) -> Query:
    return resolve(parse(text), CATALOGUE, text).query


def lines(question: Question) -> list[str]:
    return b"".join(question.answer()).decode().splitlines()[1:]


@pytest.mark.parametrize(
    ("sizes", "rows", "wanted"), [((3, 3), 4, [3, 1]), ((3, 3), 3, [3]), ((3,), 9, [3]), ((), 5, [])]
)
def test_head_reads_no_further_than_it_must(sizes: tuple[int, ...], rows: int, wanted: list[int]) -> None:
    assert [b.num_rows for b in head(batches(*sizes), rows)] == wanted


def test_a_short_answer_is_cut_by_the_database() -> None:
    engine = FakeEngine(5)
    assert len(lines(Question(query("SELECT TOP 5 n FROM t"), engine, CSV, 100))) == 5
    assert engine.brief
    assert "LIMIT" in engine.text


def test_a_long_answer_without_an_order_is_cut_as_it_comes() -> None:
    engine = FakeEngine(50_000)
    assert len(lines(Question(query(f"SELECT TOP {SHORT + 1} n FROM t"), engine, CSV, 10**6))) == SHORT + 1
    assert not engine.brief
    assert "LIMIT" not in engine.text
    assert engine.last.read < 15_000
    assert engine.last.cancelled


def test_a_long_answer_with_an_order_is_cut_by_the_database() -> None:
    engine = FakeEngine(100)
    lines(Question(query(f"SELECT TOP {SHORT + 1} n FROM t ORDER BY n"), engine, CSV, 10**6))
    assert "LIMIT" in engine.text


def test_one_row_more_than_maxrec_is_asked_for_and_not_shown() -> None:
    engine = FakeEngine(11)
    question = Question(query("SELECT n FROM t"), engine, CSV, 10)
    *rows, last = lines(question)
    assert (len(rows), last.startswith("# OVERFLOW"), question.overflow) == (10, True, True)
    assert engine.last.read == 11


def test_maxrec_0_runs_no_query() -> None:
    engine = FakeEngine(10)
    question = Question(query("SELECT n FROM t"), engine, CSV, 0)
    assert [line.partition(":")[0] for line in lines(question)] == ["# OVERFLOW"]
    assert engine.text == ""


def test_a_question_that_is_stopped_before_its_answer() -> None:
    engine = FakeEngine(10)
    question = Question(query("SELECT n FROM t"), engine, CSV, 100)
    question.stop()
    with pytest.raises(QueryCancelledError):
        question.answer()
    assert engine.last.closed


def test_closing_an_answer_stops_its_query() -> None:
    engine = FakeEngine(50_000)
    pieces = iter(Question(query("SELECT n FROM t"), engine, CSV, 10**6).answer())
    next(pieces)
    assert not engine.last.cancelled
    pieces.close()  # type: ignore[attr-defined]
    assert engine.last.cancelled
