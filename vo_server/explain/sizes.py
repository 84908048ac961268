"""Estimates of an answer's size in each format, measured by writing a few synthetic rows.

A format that is added is thereby estimated, too. The rows are synthetic: numbers of as many digits as in catalogues,
texts as long as their column may be or, where they may differ, half of that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from vo_server.formats import FORMATS, HTML, Format
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.result import Result

SAMPLE_ROWS = 256
"""Synthetic rows."""

UNBOUNDED_LENGTH = 20
"""Characters of a text, and values of an array, that may be of any length."""

ESTIMATED_FORMATS = tuple(f for f in FORMATS if f is not HTML)
"""All formats but HTML, which shows the first rows only."""


def estimate_sizes(columns: tuple[Column, ...], rows: int) -> dict[str, int]:
    """Return about how many bytes so many rows take, by the name of the format."""
    return {
        f.name: round(head + each * rows)
        for f, (head, each) in zip(ESTIMATED_FORMATS, _measure_formats(columns), strict=True)
    }


@lru_cache(maxsize=64)
def _measure_formats(columns: tuple[Column, ...]) -> tuple[tuple[int, float], ...]:
    """Return for each format the bytes of an answer without rows, and those that each row adds."""
    batch = pa.record_batch([_make_column(column) for column in columns], names=[str(n) for n in range(len(columns))])
    sizes = []
    for format in ESTIMATED_FORMATS:
        head = _count_bytes(format, columns, batch.slice(0, 0))
        sizes.append((head, max(0.0, (_count_bytes(format, columns, batch) - head) / SAMPLE_ROWS)))
    return tuple(sizes)


def _count_bytes(format: Format, columns: tuple[Column, ...], batch: pa.RecordBatch) -> int:
    return sum(map(len, format.write(Result(columns, iter((batch,))))))


def _make_column(column: Column) -> pa.Array:
    rng = np.random.default_rng(len(column.name))
    match column.type.family:
        case "text":
            return pa.array(_make_texts(rng, _text_length(column)), column.type.arrow)
        case "geometry" | "array" | "binary":
            return _make_lists(rng, column)
        case _:
            return _make_numbers(rng, column.type.arrow, SAMPLE_ROWS)


def _text_length(column: Column) -> int:
    if column.length is None:
        return UNBOUNDED_LENGTH
    return column.length if column.type is types.CHAR else (column.length + 1) // 2


def _make_texts(rng: np.random.Generator, length: int) -> list[str]:
    return ["".join(word) for word in rng.choice(list("abcdefghijklmnopqrst0123456789"), (SAMPLE_ROWS, length))]


_DIGITS = {"int16": 3, "int32": 6, "int64": 9}


def _make_numbers(rng: np.random.Generator, type: pa.DataType, count: int) -> pa.Array:
    if pa.types.is_boolean(type):
        return pa.array(rng.random(count) < 0.5)
    if pa.types.is_date(type):
        return pa.array(rng.integers(10_000, 20_000, count), pa.int32()).cast(type)
    if pa.types.is_timestamp(type):
        return pa.array(rng.integers(10**15, 2 * 10**15, count), pa.int64()).cast(type)
    if pa.types.is_floating(type):
        wide = pa.types.is_float64(type)
        return pa.array(np.round(rng.uniform(0, 360 if wide else 20, count), 6 if wide else 3), type)
    return pa.array(rng.integers(0, 10 ** _DIGITS.get(str(type), 2), count), type)


def _make_lists(rng: np.random.Generator, column: Column) -> pa.Array:
    count = column.element_count or (8 if column.type is types.POLYGON else UNBOUNDED_LENGTH)
    if column.type is types.BLOB:
        return pa.array([rng.bytes(count) for _ in range(SAMPLE_ROWS)], column.type.arrow)
    values = _make_numbers(rng, column.type.arrow.value_type, SAMPLE_ROWS * count)
    return pa.ListArray.from_arrays(pa.array(range(0, SAMPLE_ROWS * count + 1, count), pa.int32()), values)
