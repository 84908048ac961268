"""Rows per second of each output format, and the time to read an upload of each format.

    python tests/bench/bench_formats.py [--rows N] [--upload N] [FORMAT ...]

The rows are synthetic, with the types of the 60 columns of the 2MASS point source catalogue; an upload has a number and
a position. HTML is left out, because it holds only the first rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vo_server.formats import FORMATS, HTML, JSON, TEXT, Format
from vo_server.formats.read.upload import read_upload
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import BIGINT, CHAR, DATE, DOUBLE, INTEGER, REAL, SMALLINT, VARCHAR, Type

BATCH_ROWS = 122_880
"""Rows of a row group of DuckDB, and so of a batch."""

SMALL_ROWS = 10
"""Rows of a small result."""

LAYOUT: tuple[tuple[Type, int | None, int], ...] = (
    (DOUBLE, None, 3),
    (REAL, None, 30),
    (SMALLINT, None, 10),
    (INTEGER, None, 7),
    (VARCHAR, 17, 1),
    (CHAR, 3, 4),
    (CHAR, 6, 1),
    (CHAR, 1, 2),
    (CHAR, 2, 1),
    (DATE, None, 1),
)
"""Type, length and number of the columns."""


def make_columns() -> tuple[Column, ...]:
    """Return the 60 columns; every seventh has missing values."""
    kinds = [(kind, length) for kind, length, count in LAYOUT for _ in range(count)]
    return tuple(
        Column(f"column_{n}", kind, length, "deg", "pos.eq.ra", nullable=n % 7 == 0, description="a column")
        for n, (kind, length) in enumerate(kinds)
    )


def make_values(column: Column, rows: int, random: np.random.Generator) -> pa.Array:
    """Return random values as in a catalogue: few decimals, short texts."""
    missing = random.random(rows) < 0.1 if column.nullable else None
    values: np.ndarray[Any, Any]
    match column.type.family:
        case "integer":
            values = random.integers(0, 30_000, rows)
        case "real":
            values = np.round(random.uniform(0, 360, rows), 6 if column.type is DOUBLE else 3)
        case "time":
            values = np.datetime64("1997-06-07") + random.integers(0, 1350, rows)
        case _:
            values = make_texts(column, rows, random)
    return pa.array(values, mask=missing).cast(column.type.arrow)


def make_texts(column: Column, rows: int, random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Return random texts that fill their column; in a VARCHAR column 90 % are one character shorter."""
    width = column.length or 1
    letters = random.integers(ord("0"), ord("9") + 1, (rows, width), np.uint8)
    if column.type is VARCHAR:
        letters[random.random(rows) < 0.9, -1] = 0
    return letters.view(f"S{width}")[:, 0].astype(str).astype(object)


def repeat_batch(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Repeat a batch until there are enough rows."""
    while rows > 0:
        yield batch.slice(0, rows)
        rows -= BATCH_ROWS


def measure_writer(format: Format, columns: tuple[Column, ...], batch: pa.RecordBatch, rows: int) -> tuple[float, int]:
    """Return seconds and bytes of a result."""
    start = time.perf_counter()
    size = sum(map(len, format.write(Result(columns, repeat_batch(batch, rows)))))
    return time.perf_counter() - start, size


def measure_reader(format: Format, rows: int) -> tuple[float, int]:
    """Return the seconds from the bytes of an upload to Arrow, and the number of bytes."""
    columns = (Column("id", BIGINT), Column("ra", DOUBLE), Column("dec", DOUBLE))
    degrees = np.round(np.random.default_rng(1).uniform(0, 90, rows), 6)
    batch = pa.RecordBatch.from_arrays([pa.array(np.arange(rows)), degrees, degrees], names=["id", "ra", "dec"])
    document = b"".join(format.write(Result(columns, iter([batch]))))
    start = time.perf_counter()
    assert read_upload(document, 10**10).rows.num_rows == rows
    return time.perf_counter() - start, len(document)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="names of formats (default: all)")
    parser.add_argument("--rows", type=int, default=4 * BATCH_ROWS, help="rows of a result")
    parser.add_argument("--upload", type=int, default=1_000_000, help="rows of an upload")
    options = parser.parse_args()
    rows, columns, random = options.rows, make_columns(), np.random.default_rng(1)
    arrays = [make_values(column, BATCH_ROWS, random) for column in columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    for format in (f for f in FORMATS if f is not HTML):
        if not options.formats or format.name in options.formats:
            seconds, size = min(measure_writer(format, columns, batch, rows) for _ in range(3))
            small = min(measure_writer(format, columns, batch, SMALL_ROWS)[0] for _ in range(200))
            print(
                f"{format.name:12}{rows / seconds:12,.0f} rows/s{size / seconds / 1e6:8.0f} MB/s"
                f"{size / rows:8.0f} bytes/row{small * 1e3:8.2f} ms for {SMALL_ROWS} rows"
            )
    for format in (f for f in FORMATS if f not in (HTML, JSON, TEXT)):
        if not options.formats or format.name in options.formats:
            seconds, size = measure_reader(format, options.upload)
            print(f"{format.name:12}{seconds:8.2f} s to read {options.upload:,} x 3 ({size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
