"""Write a FITS binary table (FITS 4.0 section 7.3).

The header has the number of rows, the widths of texts and the integers of missing values. So the rows are spooled in
the Arrow format until the last one has come; then the table is written, and after it the heap with the values of
variable size (arrays, long texts). An error of any row gives an error document in field of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import Code, UsageError
from vo_server.formats.arrays import (
    Array,
    as_numpy,
    buffer_chunks,
    byte_set,
    cast_to_columns,
    has_bytes,
    split_blocks,
    split_lists,
    value_bytes,
    value_offsets,
)
from vo_server.formats.field import DTYPES
from vo_server.formats.format import Format
from vo_server.formats.times import format_times
from vo_server.formats.write.binary2 import FixedSizeCell, fill_elements, write_chars, write_vectors
from vo_server.formats.write.fits_header import BLOCK_BYTES, Card, comment_cards, write_header
from vo_server.formats.write.spool import open_spool
from vo_server.formats.write.status import PLAIN_TEXT, overflow_info, plain_text_error
from vo_server.model.column import Column
from vo_server.model.result import Result
from vo_server.model.unique_names import make_unique

MEDIA_TYPE = "application/fits"

MAX_PADDING_BYTES = 1 << 28
"""Padding of a column of texts, above which its texts go to the heap, which few programs read."""

LOSSY_COMMENT = "'?' for what is not ASCII"
"""The comment of the card that lists columns with replaced characters."""

BEYOND_ASCII = byte_set(bytes(range(128, 256)))

NUL, TRUE, FALSE = (pa.scalar(n, pa.uint8()) for n in (0, ord("T"), ord("F")))


@dataclass(slots=True)
class FitsColumnStatistics:
    """Statistics of a column: longest and total length of its texts or arrays, nulls, minimum and maximum."""

    column: Column
    longest: int = 0
    total: int = 0
    nulls: bool = False
    low: int | None = None
    high: int | None = None
    lossy: bool = False

    def update(self, array: pa.Array) -> None:
        """Include the values of a batch."""
        self.nulls = self.nulls or array.null_count > 0
        if self.column.type.family == "integer" and self.column.nullable:
            self._update_bounds(array)
        elif pa.types.is_string(array.type) or pa.types.is_binary(array.type) or pa.types.is_list(array.type):
            bounds = value_offsets(array) if pa.types.is_string(array.type) else split_lists(array)[0]
            self.longest = max(self.longest, int(np.diff(bounds).max(initial=0)))
            self.total += int(bounds[-1] - bounds[0])

    def _update_bounds(self, array: pa.Array) -> None:
        seen = pc.min_max(array).as_py()
        for value in (seen["min"], seen["max"]):
            if value is not None:
                self.low = value if self.low is None else min(self.low, value)
                self.high = value if self.high is None else max(self.high, value)

    @property
    def null_marker(self) -> int | None:
        """The integer that means a missing value; None where no value is missing.

        Raises UsageError (QUERY.NOT_REPRESENTABLE) where every integer may be a value.
        """
        if not (self.nulls and self.column.type.family == "integer"):
            return None
        bounds = np.iinfo(DTYPES[self.column.datatype])
        least, most = int(bounds.min), int(bounds.max)
        if self.low is None or self.low > least:
            return least if least else most if self.high is None or self.high < most else least
        if self.high is not None and self.high < most:
            return most
        message = f"FITS cannot mark missing values of {self.column.name}: all integers of its type may be values"
        raise UsageError(message, hint="ask for another format", code=Code.QUERY_NOT_REPRESENTABLE)

    def is_in_heap(self, rows: int) -> bool:
        """Return whether the values of a column of so many rows go to the heap."""
        if self.column.type.family in ("text", "time"):
            return rows * self.longest - self.total > MAX_PADDING_BYTES
        return self.column.arraysize is not None and self.column.element_count is None


@dataclass(frozen=True, slots=True)
class TableField:
    """A field of the table: its TFORM, its writer, and the type of its values in the heap, if it has any there."""

    statistics: FitsColumnStatistics
    tform: str
    cell: FixedSizeCell
    heap: np.dtype[Any] | None = None


def _write(result: Result) -> Iterator[bytes]:
    with open_spool() as file:
        columns = [FitsColumnStatistics(column) for column in result.columns]
        rows = _spool_rows(result, columns, file)
        fields = _table_fields(columns, rows)
        size = sum(m.total * p.heap.itemsize for m, p in zip(columns, fields, strict=True) if p.heap)
        yield _write_headers(result, fields, rows, size)
        yield from buffer_chunks(_pad_block(_write_rows(file, fields)))


def _spool_rows(result: Result, columns: list[FitsColumnStatistics], file: IO[bytes]) -> int:
    """Spool the rows, update the statistics, and return the number of rows."""
    names = [f"_{n}" for n in range(len(columns))]
    schema = pa.schema([(n, _spooled_type(m.column)) for n, m in zip(names, columns, strict=True)])
    rows = 0
    with pa.ipc.new_stream(file, schema) as writer:
        for batch in result.batches:
            for block in split_blocks(batch):
                arrays = [_to_ascii(a, m) for a, m in zip(cast_to_columns(block, result.columns), columns, strict=True)]
                for column, array in zip(columns, arrays, strict=True):
                    column.update(array)
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                rows += block.num_rows
    return rows


def _spooled_type(column: Column) -> pa.DataType:
    return pa.string() if column.type.family in ("text", "time") else column.type.arrow


def _to_ascii(array: pa.Array, statistics: FitsColumnStatistics) -> pa.Array:
    """Return times as texts, and texts in ASCII, as FITS requires: other characters become question marks."""
    if pa.types.is_temporal(array.type):
        return format_times(array)
    if pa.types.is_string(array.type) and has_bytes(array, BEYOND_ASCII):
        statistics.lossy = True
        return pc.replace_substring_regex(array, "[^\\x00-\\x7f]", "?")
    return array


def _read_spool(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    file.seek(0)
    return iter(pa.ipc.open_stream(file))


# ------------------------------------------------------------------ rows


def _write_rows(file: IO[bytes], fields: list[TableField]) -> Iterator[bytes]:
    dtype = np.dtype([(f"c{n}", p.cell.dtype) for n, p in enumerate(fields)])
    for batch in _read_spool(file):
        filled = np.empty(batch.num_rows, dtype)
        for n, (field, array) in enumerate(zip(fields, batch.columns, strict=True)):
            filled[f"c{n}"] = field.cell.write(array)
        yield filled.tobytes()
    if any(p.heap for p in fields):
        yield from _write_heap(file, fields)


def _write_heap(file: IO[bytes], fields: list[TableField]) -> Iterator[bytes]:
    """Yield the heap: batch by batch, and in each batch column by column."""
    for batch in _read_spool(file):
        for field, array in zip(fields, batch.columns, strict=True):
            if field.heap:
                yield _heap_values(array, field.statistics.column).astype(field.heap).tobytes()


def _heap_values(array: pa.Array, column: Column) -> Array:
    if pa.types.is_string(array.type):
        return value_bytes(array.fill_null("") if array.null_count else array)
    values = fill_elements(split_lists(array)[1])
    return _to_fits_booleans(values) if column.datatype == "boolean" else values


def _to_fits_booleans(values: Array) -> Array:
    """Return the letters of booleans with 0 in field of the question mark that VOTable uses for missing ones."""
    return np.where(values == ord("?"), np.uint8(0), values)


def _pad_block(data: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in data:
        size += len(piece)
        yield piece
    yield bytes(-size % BLOCK_BYTES)


# --------------------------------------------------------------- columns


def _table_fields(columns: list[FitsColumnStatistics], rows: int) -> list[TableField]:
    """Return the fields of the table; those in the heap share its offset."""
    count = _HeapOffset()
    wide = sum(m.total * 8 for m in columns if m.is_in_heap(rows)) >= 2**31
    return [_heap_descriptor(m, count, wide) if m.is_in_heap(rows) else _table_field(m) for m in columns]


def _table_field(statistics: FitsColumnStatistics) -> TableField:
    column, letter = statistics.column, statistics.column.type.fits
    match column.type.family:
        case "text" | "time":
            width = max(statistics.longest, 1)
            return TableField(statistics, f"{width}A", write_chars(width, column))
        case "boolean":
            return TableField(statistics, letter, FixedSizeCell(np.dtype("u1"), _write_booleans))
        case "integer" | "real":
            return TableField(statistics, letter, _number_writer(column, statistics.null_marker))
        case "geometry" | "array" | "binary":
            size = column.element_count or 1
            cell = write_vectors(np.dtype((DTYPES[column.datatype], (size,))))
            return TableField(
                statistics,
                f"{size}{letter}",
                _with_fits_booleans(cell) if column.datatype == "boolean" else cell,
            )


def _number_writer(column: Column, marker: int | None) -> FixedSizeCell:
    dtype = np.dtype(DTYPES[column.datatype])
    missing = np.nan if dtype.kind == "f" else marker or 0
    return FixedSizeCell(dtype, lambda array: as_numpy(array.fill_null(missing) if array.null_count else array))


def _write_booleans(array: pa.Array) -> Array:
    return as_numpy(pc.if_else(array, TRUE, FALSE).fill_null(NUL))


def _with_fits_booleans(cell: FixedSizeCell) -> FixedSizeCell:
    return FixedSizeCell(cell.dtype, lambda array: _to_fits_booleans(cell.write(array)))


class _HeapOffset:
    """The bytes of the heap that are in use."""

    def __init__(self) -> None:
        self.bytes = 0


def _heap_descriptor(statistics: FitsColumnStatistics, count: _HeapOffset, wide: bool) -> TableField:
    """Return the field of a column in the heap: pairs of the number of values and their offset."""
    column = statistics.column
    text = column.type.family in ("text", "time")
    heap = np.dtype("u1" if text else DTYPES[column.datatype])
    item: np.dtype[Any] = np.dtype((">i8" if wide else ">i4", (2,)))

    def write(array: pa.Array) -> Array:
        bounds = value_offsets(array) if text else split_lists(array)[0]
        descriptors = np.empty((len(array), 2), np.int64)
        descriptors[:, 0] = np.diff(bounds)
        descriptors[:, 1] = count.bytes + (bounds[:-1].astype(np.int64) - int(bounds[0])) * heap.itemsize
        count.bytes += int(bounds[-1] - bounds[0]) * heap.itemsize
        return descriptors

    letter = "A" if text else column.type.fits
    return TableField(
        statistics,
        f"1{'Q' if wide else 'P'}{letter}({statistics.longest})",
        FixedSizeCell(item, write),
        heap,
    )


# --------------------------------------------------------------- headers


def _write_headers(result: Result, fields: list[TableField], rows: int, heap: int) -> bytes:
    first: list[Card] = [("SIMPLE", True, "FITS 4.0"), ("BITPIX", 8, ""), ("NAXIS", 0, ""), ("EXTEND", True, "")]
    infos = "".join(f"{i.name} = {i.value}\n{i.text or ''}\n" for i in result.infos)
    return write_header(first, comment_cards(infos)) + write_header(_extension_cards(result, fields, rows, heap), b"")


def _extension_cards(result: Result, fields: list[TableField], rows: int, heap: int) -> list[Card]:
    width = sum(p.cell.dtype.itemsize for p in fields)
    cards: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", width, "bytes of a row"),
        ("NAXIS2", rows, "rows"),
        ("PCOUNT", heap, "bytes of the heap"),
        ("GCOUNT", 1, ""),
        ("TFIELDS", len(fields), "columns"),
        ("EXTNAME", result.title or "result", ""),
        ("QSTATUS", "OVERFLOW" if result.overflow else "OK", "are these all the rows?"),
    ]
    if result.overflow:
        cards.append(("QMESSAGE", overflow_info(rows).text or "", ""))
    lossy = [p.statistics.column.name for p in fields if p.statistics.lossy]
    if lossy:
        cards.append(("QLOSSY", ", ".join(lossy), LOSSY_COMMENT))
    names = make_unique(p.statistics.column.name for p in fields)
    for number, (name, field) in enumerate(zip(names, fields, strict=True), 1):
        cards += ((f"{key}{number}", value, "") for key, value in _field_cards(name, field) if value is not None)
    return cards


def _field_cards(name: str, field: TableField) -> Iterator[tuple[str, str | int | None]]:
    column = field.statistics.column
    yield "TTYPE", name
    yield "TFORM", field.tform
    yield "TDIM", _tdim(column)
    yield "TNULL", field.statistics.null_marker
    yield "TUNIT", column.unit
    yield "TUCD", column.ucd
    yield "TUTYP", column.utype
    yield "TXTYP", column.xtype
    yield "TCOMM", column.description


def _tdim(column: Column) -> str | None:
    """Return the TDIM of an array of several dimensions; the first runs fastest, as in VOTable."""
    size = column.arraysize or ""
    return f"({size.replace('x', ',')})" if column.element_count and "x" in size else None


FITS = Format(
    name="fits",
    label="FITS binary table",
    page_label="FITS",
    media_type=MEDIA_TYPE,
    extension="fits",
    write=_write,
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("fits", MEDIA_TYPE, "image/fits"),
)
