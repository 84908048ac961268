"""How long an answer is in each format: by what the writers themselves make of a few rows.

A format that is added is thereby estimated, too. The rows are made up: numbers of as many digits as catalogues give,
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

SAMPLE = 256
"""Rows that are made up."""

UNBOUNDED = 20
"""Characters of a text, and values of an array, that may be of any length."""

ESTIMATED = tuple(f for f in FORMATS if f is not HTML)
"""A page shows the first rows only."""


def sizes(columns: tuple[Column, ...], rows: int) -> dict[str, int]:
    """About how many bytes so many rows take, by the name of the format."""
    return {f.name: round(head + each * rows) for f, (head, each) in zip(ESTIMATED, _measured(columns), strict=True)}


@lru_cache(maxsize=64)
def _measured(columns: tuple[Column, ...]) -> tuple[tuple[int, float], ...]:
    """For each format the bytes of an answer without rows, and of each row more."""
    batch = pa.record_batch([_made(column) for column in columns], names=[str(n) for n in range(len(columns))])
    found = []
    for format in ESTIMATED:
        head = _length(format, columns, batch.slice(0, 0))
        found.append((head, max(0.0, (_length(format, columns, batch) - head) / SAMPLE)))
    return tuple(found)


def _length(format: Format, columns: tuple[Column, ...], batch: pa.RecordBatch) -> int:
    return sum(map(len, format.write(Result(columns, iter((batch,))))))


def _made(column: Column) -> pa.Array:
    rng = np.random.default_rng(len(column.name))
    match column.type.family:
        case "text":
            return pa.array(_words(rng, _letters(column)), column.type.arrow)
        case "geometry" | "array" | "binary":
            return _lists(rng, column)
        case _:
            return _numbers(rng, column.type.arrow, SAMPLE)


def _letters(column: Column) -> int:
    if column.length is None:
        return UNBOUNDED
    return column.length if column.type is types.CHAR else (column.length + 1) // 2


def _words(rng: np.random.Generator, length: int) -> list[str]:
    return ["".join(word) for word in rng.choice(list("abcdefghijklmnopqrst0123456789"), (SAMPLE, length))]


_DIGITS = {"int16": 3, "int32": 6, "int64": 9}


def _numbers(rng: np.random.Generator, type: pa.DataType, count: int) -> pa.Array:
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


def _lists(rng: np.random.Generator, column: Column) -> pa.Array:
    count = column.count or (8 if column.type is types.POLYGON else UNBOUNDED)
    if column.type is types.BLOB:
        return pa.array([rng.bytes(count) for _ in range(SAMPLE)], column.type.arrow)
    values = _numbers(rng, column.type.arrow.value_type, SAMPLE * count)
    return pa.ListArray.from_arrays(pa.array(range(0, SAMPLE * count + 1, count), pa.int32()), values)
