"""A FITS binary table (FITS 4.0 section 7.3).

The header tells the number of rows, the widths of the texts and which integer stands for a missing one. So the rows
are kept aside in Arrow's form until the last is there; then the table is written in one go, and what has no fixed
size (arrays, long texts) after it, in the heap. A fault of any row is told in the file's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import Array, blocks, conform, content, distinct, gather, lists, numbers, offsets
from vo_server.formats.format import Format
from vo_server.formats.write.binary2 import DTYPES, Fixed, chars, elements, vector
from vo_server.formats.write.cards import BLOCK, Card, comment, header
from vo_server.formats.write.cells import holds, table, times
from vo_server.formats.write.spool import spool
from vo_server.formats.write.text import PLAIN, in_words
from vo_server.formats.write.votable import overflow
from vo_server.model.column import Column
from vo_server.model.result import Result

MEDIA_TYPE = "application/fits"

WASTE = 1 << 28
"""Bytes of blanks that a column of texts may have before its texts go to the heap, where few programs look for them."""

LOSSY = "'?' for what is not ASCII"
"""What is said beside the columns whose texts could not be written as they are."""

BEYOND_ASCII = table(bytes(range(128, 256)))

NUL, TRUE, FALSE = (pa.scalar(n, pa.uint8()) for n in (0, ord("T"), ord("F")))


@dataclass(slots=True)
class Measure:
    """What the rows have shown of a column: the longest text or array, all of them together, the least and greatest."""

    column: Column
    longest: int = 0
    total: int = 0
    nulls: bool = False
    low: int | None = None
    high: int | None = None
    lossy: bool = False

    def see(self, array: pa.Array) -> None:
        """Look at some rows."""
        self.nulls = self.nulls or array.null_count > 0
        if self.column.type.family == "integer" and self.column.nullable:
            self._bounds(array)
        elif pa.types.is_string(array.type) or pa.types.is_binary(array.type) or pa.types.is_list(array.type):
            ends = offsets(array) if pa.types.is_string(array.type) else lists(array)[0]
            self.longest = max(self.longest, int(np.diff(ends).max(initial=0)))
            self.total += int(ends[-1] - ends[0])

    def _bounds(self, array: pa.Array) -> None:
        seen = pc.min_max(array).as_py()
        for value in (seen["min"], seen["max"]):
            if value is not None:
                self.low = value if self.low is None else min(self.low, value)
                self.high = value if self.high is None else max(self.high, value)

    @property
    def marker(self) -> int | None:
        """The integer that says that a value is missing; None where none is.

        Raises UsageError where every integer might be a value.
        """
        if not (self.nulls and self.column.type.family == "integer"):
            return None
        bounds = np.iinfo(DTYPES[self.column.datatype])
        least, most = int(bounds.min), int(bounds.max)
        if self.low is None or self.low > least:
            return least if least else most if self.high is None or self.high < most else least
        if self.high is not None and self.high < most:
            return most
        said = f"the values of {self.column.name} leave none that could say that one is missing in FITS"
        raise UsageError(said, hint="ask for another format")

    def heaped(self, rows: int) -> bool:
        """Does it go to the heap?"""
        if self.column.type.family in ("text", "time"):
            return rows * self.longest - self.total > WASTE
        return self.column.arraysize is not None and self.column.count is None


@dataclass(frozen=True, slots=True)
class Place:
    """A column in the rows: its TFORM, how it is written, and the type of what it has in the heap."""

    measure: Measure
    form: str
    cell: Fixed
    heap: np.dtype[Any] | None = None


def _write(result: Result) -> Iterator[bytes]:
    with spool() as file:
        measures = [Measure(column) for column in result.columns]
        rows = _keep(result, measures, file)
        places = _places(measures, rows)
        size = sum(m.total * p.heap.itemsize for m, p in zip(measures, places, strict=True) if p.heap)
        yield _headers(result, places, rows, size)
        yield from gather(_padded(_table(file, places)))


def _keep(result: Result, measures: list[Measure], file: IO[bytes]) -> int:
    """Put the rows aside and look at them; how many they are."""
    names = [f"_{n}" for n in range(len(measures))]
    made = pa.schema([(n, _kept(m.column)) for n, m in zip(names, measures, strict=True)])
    rows = 0
    with pa.ipc.new_stream(file, made) as writer:
        for batch in result.batches:
            for block in blocks(batch):
                arrays = [_plain(a, m) for a, m in zip(conform(block, result.columns), measures, strict=True)]
                for measure, array in zip(measures, arrays, strict=True):
                    measure.see(array)
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=made))
                rows += block.num_rows
    return rows


def _kept(column: Column) -> pa.DataType:
    return pa.string() if column.type.family in ("text", "time") else column.type.arrow


def _plain(array: pa.Array, measure: Measure) -> pa.Array:
    """Times as texts, and texts in ASCII, which is all that FITS has: a question mark stands for the rest."""
    if pa.types.is_temporal(array.type):
        return times(array)
    if pa.types.is_string(array.type) and holds(array, BEYOND_ASCII):
        measure.lossy = True
        return pc.replace_substring_regex(array, "[^\\x00-\\x7f]", "?")
    return array


def _again(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    file.seek(0)
    return iter(pa.ipc.open_stream(file))


# ------------------------------------------------------------------ rows


def _table(file: IO[bytes], places: list[Place]) -> Iterator[bytes]:
    dtype = np.dtype([(f"c{n}", p.cell.dtype) for n, p in enumerate(places)])
    for batch in _again(file):
        filled = np.empty(batch.num_rows, dtype)
        for n, (place, array) in enumerate(zip(places, batch.columns, strict=True)):
            filled[f"c{n}"] = place.cell.write(array)
        yield filled.tobytes()
    if any(p.heap for p in places):
        yield from _heap(file, places)


def _heap(file: IO[bytes], places: list[Place]) -> Iterator[bytes]:
    """Batch by batch, and in each column by column."""
    for batch in _again(file):
        for place, array in zip(places, batch.columns, strict=True):
            if place.heap:
                yield _flat(array, place.measure.column).astype(place.heap).tobytes()


def _flat(array: pa.Array, column: Column) -> Array:
    if pa.types.is_string(array.type):
        return content(array.fill_null("") if array.null_count else array)
    values = elements(lists(array)[1])
    return _letters(values) if column.datatype == "boolean" else values


def _letters(values: Array) -> Array:
    """Truths as FITS has them: what VOTable says with a question mark is a zero."""
    return np.where(values == ord("?"), np.uint8(0), values)


def _padded(data: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in data:
        size += len(piece)
        yield piece
    yield bytes(-size % BLOCK)


# --------------------------------------------------------------- columns


def _places(measures: list[Measure], rows: int) -> list[Place]:
    """How each column is written; those in the heap share a count of what is in it already."""
    count = _Count()
    wide = sum(m.total * 8 for m in measures if m.heaped(rows)) >= 2**31
    return [_descriptor(m, count, wide) if m.heaped(rows) else _place(m) for m in measures]


def _place(measure: Measure) -> Place:
    column, letter = measure.column, measure.column.type.fits
    match column.type.family:
        case "text" | "time":
            width = max(measure.longest, 1)
            return Place(measure, f"{width}A", chars(width, column))
        case "boolean":
            return Place(measure, letter, Fixed(np.dtype("u1"), _truths))
        case "integer" | "real":
            return Place(measure, letter, _number(column, measure.marker))
        case "geometry" | "array" | "binary":
            size = column.count or 1
            cell = vector(np.dtype((DTYPES[column.datatype], (size,))))
            return Place(measure, f"{size}{letter}", _lettered(cell) if column.datatype == "boolean" else cell)


def _number(column: Column, marker: int | None) -> Fixed:
    dtype = np.dtype(DTYPES[column.datatype])
    missing = np.nan if dtype.kind == "f" else marker or 0
    return Fixed(dtype, lambda array: numbers(array.fill_null(missing) if array.null_count else array))


def _truths(array: pa.Array) -> Array:
    return numbers(pc.if_else(array, TRUE, FALSE).fill_null(NUL))


def _lettered(cell: Fixed) -> Fixed:
    return Fixed(cell.dtype, lambda array: _letters(cell.write(array)))


class _Count:
    """Bytes of the heap that are spoken for."""

    def __init__(self) -> None:
        self.taken = 0


def _descriptor(measure: Measure, count: _Count, wide: bool) -> Place:
    """How many values there are, and where in the heap they begin."""
    column = measure.column
    text = column.type.family in ("text", "time")
    heap = np.dtype("u1" if text else DTYPES[column.datatype])
    item: np.dtype[Any] = np.dtype((">i8" if wide else ">i4", (2,)))

    def write(array: pa.Array) -> Array:
        ends = offsets(array) if text else lists(array)[0]
        made = np.empty((len(array), 2), np.int64)
        made[:, 0] = np.diff(ends)
        made[:, 1] = count.taken + (ends[:-1].astype(np.int64) - int(ends[0])) * heap.itemsize
        count.taken += int(ends[-1] - ends[0]) * heap.itemsize
        return made

    letter = "A" if text else column.type.fits
    return Place(measure, f"1{'Q' if wide else 'P'}{letter}({measure.longest})", Fixed(item, write), heap)


# --------------------------------------------------------------- headers


def _headers(result: Result, places: list[Place], rows: int, heap: int) -> bytes:
    first: list[Card] = [("SIMPLE", True, "FITS 4.0"), ("BITPIX", 8, ""), ("NAXIS", 0, ""), ("EXTEND", True, "")]
    said = "".join(f"{i.name} = {i.value}\n{i.text or ''}\n" for i in result.infos)
    return header(first, comment(said)) + header(_extension(result, places, rows, heap), b"")


def _extension(result: Result, places: list[Place], rows: int, heap: int) -> list[Card]:
    width = sum(p.cell.dtype.itemsize for p in places)
    cards: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", width, "bytes of a row"),
        ("NAXIS2", rows, "rows"),
        ("PCOUNT", heap, "bytes of the heap"),
        ("GCOUNT", 1, ""),
        ("TFIELDS", len(places), "columns"),
        ("EXTNAME", result.title or "result", ""),
        ("QSTATUS", "OVERFLOW" if result.overflow else "OK", "are these all the rows?"),
    ]
    if result.overflow:
        cards.append(("QMESSAGE", overflow(rows).text or "", ""))
    lossy = [p.measure.column.name for p in places if p.measure.lossy]
    if lossy:
        cards.append(("QLOSSY", ", ".join(lossy), LOSSY))
    names = distinct(p.measure.column.name for p in places)
    for number, (name, place) in enumerate(zip(names, places, strict=True), 1):
        cards += ((f"{key}{number}", value, "") for key, value in _about(name, place) if value is not None)
    return cards


def _about(name: str, place: Place) -> Iterator[tuple[str, str | int | None]]:
    column = place.measure.column
    yield "TTYPE", name
    yield "TFORM", place.form
    yield "TDIM", _sides(column)
    yield "TNULL", place.measure.marker
    yield "TUNIT", column.unit
    yield "TUCD", column.ucd
    yield "TUTYP", column.utype
    yield "TXTYP", column.xtype
    yield "TCOMM", column.description


def _sides(column: Column) -> str | None:
    """The lengths of an array that has more than one; the first runs fastest, as in VOTable."""
    size = column.arraysize or ""
    return f"({size.replace('x', ',')})" if column.count and "x" in size else None


FITS = Format(
    name="fits",
    label="FITS binary table",
    media_type=MEDIA_TYPE,
    extension="fits",
    write=_write,
    fault=in_words,
    fault_type=PLAIN,
    family=("fits", MEDIA_TYPE, "image/fits"),
)
