"""MAXREC and overflow (DALI 1.1 section 3.4.4, TAP 1.1 section 2.7.4)."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Result

COLUMNS = (Column("n", types.INTEGER),)


def batches(*sizes: int) -> Iterator[pa.RecordBatch]:
    for size in sizes:
        yield pa.RecordBatch.from_arrays([pa.array(range(size), pa.int32())], ["n"])


@pytest.mark.parametrize(
    ("sizes", "maxrec", "rows", "overflow"),
    [
        ((3,), 3, 3, False),
        ((4,), 3, 3, True),
        ((2, 2), 3, 3, True),
        ((3, 1), 3, 3, True),
        ((2, 1), 3, 3, False),
        ((), 3, 0, False),
        ((5,), None, 5, False),
    ],
)
def test_limits_rows_and_sets_overflow_if_rows_are_left_out(
    sizes: tuple[int, ...], maxrec: int | None, rows: int, overflow: bool
) -> None:
    result = Result(COLUMNS, batches(*sizes)).limit(maxrec)
    assert sum(b.num_rows for b in result.batches) == rows
    assert result.overflow is overflow


def test_maxrec_0_reads_no_rows_and_sets_overflow() -> None:
    def forbidden() -> Iterator[pa.RecordBatch]:
        raise AssertionError("the rows were read")
        yield

    result = Result(COLUMNS, forbidden()).limit(0)
    assert list(result.batches) == []
    assert result.overflow
