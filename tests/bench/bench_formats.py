"""Rows a second of each format, over made-up rows with the types of the 60 columns of the 2MASS point source catalogue;
then how fast an upload of a number and a position is read. A page (html) holds its first rows only: it is left out.

python tests/bench/bench_formats.py [rows] [format ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from vo_server.formats import FORMATS, HTML, JSON, TEXT, Format
from vo_server.formats.read.upload import read
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.types import BIGINT, CHAR, DATE, DOUBLE, INTEGER, REAL, SMALLINT, VARCHAR, Type

BATCH = 122_880
"""Rows of a row group, and so of a batch, of DuckDB."""

CONE = 10
"""Rows of a small answer."""

UPLOAD = 1_000_000
"""Rows of an upload."""

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


def columns() -> tuple[Column, ...]:
    """Types, lengths and how many of each: 60 in all; every seventh has missing values."""
    kinds = [(kind, length) for kind, length, count in LAYOUT for _ in range(count)]
    return tuple(
        Column(f"column_{n}", kind, length, "deg", "pos.eq.ra", nullable=n % 7 == 0, description="what it is")
        for n, (kind, length) in enumerate(kinds)
    )


def values(column: Column, rows: int, random: np.random.Generator) -> pa.Array:
    """As a catalogue has them: few decimals, short texts."""
    missing = random.random(rows) < 0.1 if column.nullable else None
    match column.type.family:
        case "integer":
            made = random.integers(0, 30_000, rows)
        case "real":
            made = np.round(random.uniform(0, 360, rows), 6 if column.type is DOUBLE else 3)
        case "time":
            made = np.datetime64("1997-06-07") + random.integers(0, 1350, rows)
        case _:
            made = text(column, rows, random)
    return pa.array(made, mask=missing).cast(column.type.arrow)


def text(column: Column, rows: int, random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Texts that fill their column; a VARCHAR's are now and then one character shorter."""
    width = column.length or 1
    letters = random.integers(ord("0"), ord("9") + 1, (rows, width), np.uint8)
    if column.type is VARCHAR:
        letters[random.random(rows) < 0.9, -1] = 0
    return letters.view(f"S{width}")[:, 0].astype(str).astype(object)


def batches(whole: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """So many rows."""
    while rows > 0:
        yield whole.slice(0, rows)
        rows -= BATCH


def measure(format: Format, described: tuple[Column, ...], whole: pa.RecordBatch, rows: int) -> tuple[float, int]:
    """Seconds and bytes."""
    start = time.perf_counter()
    size = sum(map(len, format.write(Result(described, batches(whole, rows)))))
    return time.perf_counter() - start, size


def read_back(format: Format, rows: int) -> tuple[float, int]:
    """Seconds from the bytes of an upload to Arrow, and how many bytes they are."""
    columns = (Column("id", BIGINT), Column("ra", DOUBLE), Column("dec", DOUBLE))
    degrees = np.round(np.random.default_rng(1).uniform(0, 90, rows), 6)
    made = pa.RecordBatch.from_arrays([pa.array(np.arange(rows)), degrees, degrees], names=["id", "ra", "dec"])
    document = b"".join(format.write(Result(columns, iter([made]))))
    start = time.perf_counter()
    assert read(document, 10**10).rows.num_rows == rows
    return time.perf_counter() - start, len(document)


def main(arguments: list[str]) -> None:
    """A line for each format."""
    rows = int(arguments[0]) if arguments else 4 * BATCH
    described = columns()
    random = np.random.default_rng(1)
    whole = pa.RecordBatch.from_arrays([values(c, BATCH, random) for c in described], names=[c.name for c in described])
    for format in (f for f in FORMATS if f is not HTML):
        if len(arguments) < 2 or format.name in arguments[1:]:
            seconds, size = min(measure(format, described, whole, rows) for _ in range(3))
            small = min(measure(format, described, whole, CONE)[0] for _ in range(200))
            print(
                f"{format.name:12}{rows / seconds:12,.0f} rows/s{size / seconds / 1e6:8.0f} MB/s"
                f"{size / rows:8.0f} bytes/row{small * 1e3:8.2f} ms for {CONE} rows"
            )
    for format in (f for f in FORMATS if f not in (HTML, JSON, TEXT)):
        if len(arguments) < 2 or format.name in arguments[1:]:
            seconds, size = read_back(format, UPLOAD)
            print(f"{format.name:12}{seconds:8.2f} s to read {UPLOAD:,} x 3 ({size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main(sys.argv[1:])
