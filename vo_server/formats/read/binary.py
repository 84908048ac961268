"""Read the BINARY and BINARY2 streams of VOTable 1.4 (sections 5.3 and 5.4) into columns.

Where all values have a fixed size, positions follow from the row number. Otherwise the counts before the values of
variable size are followed from row to row. The values are then gathered column by column. BINARY has no null flags:
NaN and empty texts are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from struct import Struct, error
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import Array, Bytes
from vo_server.formats.field import DTYPES, Field, malformed_upload
from vo_server.formats.read.values import parse_times, to_list_array
from vo_server.model.column import Column

WIDTHS: dict[str, np.dtype[Any]] = {name: np.dtype(code) for name, code in DTYPES.items()} | {
    "bit": np.dtype("u1"),
    "char": np.dtype("u1"),
    "unicodeChar": np.dtype(">u2"),
}

TRUE, UNKNOWN = b"Tt1", b"? \0"

_COUNT = Struct(">I")


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """The layout of a field in a row: `count` items, or None where a count stands before them."""

    field: Field
    item: np.dtype[Any]
    count: int | None

    @property
    def width(self) -> int:
        """The bytes of a value of fixed size; 0 where the size varies."""
        return self.size_of(self.count or 0)

    def size_of(self, count: int) -> int:
        """Return the bytes of so many items; eight bits share one byte."""
        return (count + 7) // 8 if self.field.datatype == "bit" else count * self.item.itemsize


def read_stream(data: bytes, fields: list[Field], flags: bool) -> tuple[tuple[Column, ...], list[pa.ChunkedArray]]:
    """Return the columns of a stream and their arrays; `flags` is true for BINARY2, whose rows begin with null flags.

    Raises UsageError (UPLOAD.MALFORMED) for a stream that ends within a row.
    """
    layouts = [_describe_layout(f) for f in fields]
    width = (len(fields) + 7) // 8 if flags else 0
    starts, counts = _find_values(data, layouts, width)
    raw = np.frombuffer(data, np.uint8)
    missing = _read_flags(raw, starts[0], width) if width else None
    columns = [
        _read_column(raw, layout, starts[n + 1], counts[n], None if missing is None else missing[:, n])
        for n, layout in enumerate(layouts)
    ]
    return tuple(c for c, _ in columns), [pa.chunked_array([a], a.type) for _, a in columns]


def _describe_layout(field: Field) -> FieldLayout:
    field.column  # noqa: B018 - raises for a datatype that is not supported
    sides = field.dimensions
    fixed = all(side.isdigit() for side in sides)
    return FieldLayout(field, WIDTHS[field.datatype], prod(map(int, sides)) if fixed else None)


def _find_values(data: bytes, layouts: list[FieldLayout], flags: int) -> tuple[list[Array], list[Array]]:
    """Return the byte positions of the flags and of each field, and the item counts of each field: arrays (rows,)."""
    if all(layout.count is not None for layout in layouts):
        return _find_fixed_size(data, layouts, flags)
    try:
        positions = _follow_rows(data, layouts, flags)
    except error:
        raise malformed_upload("the STREAM of the VOTable ends within a row") from None
    table = np.array(positions, np.int64).reshape(-1, 1 + 2 * len(layouts))
    numbers = range(len(layouts))
    return [table[:, 0], *(table[:, 1 + 2 * n] for n in numbers)], [table[:, 2 + 2 * n] for n in numbers]


def _find_fixed_size(data: bytes, layouts: list[FieldLayout], flags: int) -> tuple[list[Array], list[Array]]:
    width = flags + sum(layout.width for layout in layouts)
    rows, rest = divmod(len(data), width or 1)
    if rest:
        raise malformed_upload("the STREAM of the VOTable ends within a row")
    begin = np.arange(rows, dtype=np.int64) * width
    starts, at = [begin], flags
    for layout in layouts:
        starts.append(begin + at)
        at += layout.width
    return starts, [np.full(rows, layout.count, np.int64) for layout in layouts]


def _follow_rows(data: bytes, layouts: list[FieldLayout], flags: int) -> list[int]:
    steps = [(layout.count, layout.width, layout.size_of) for layout in layouts]
    read, size = _COUNT.unpack_from, len(data)
    positions: list[int] = []
    add = positions.append
    at = 0
    while at < size:
        add(at)
        at += flags
        for count, width, measure in steps:
            if count is None:
                (many,) = read(data, at)
                add(at + 4)
                add(many)
                at += 4 + measure(many)
            else:
                add(at)
                add(count)
                at += width
        if at > size:
            raise error
    return positions


def _read_flags(raw: Bytes, starts: Array, width: int) -> Array:
    return np.unpackbits(raw[starts[:, None] + np.arange(width)], axis=1).astype(bool)


def _read_column(
    raw: Bytes, layout: FieldLayout, starts: Array, counts: Array, missing: Array | None
) -> tuple[Column, pa.Array]:
    field, column = layout.field, layout.field.column
    sizes = counts * layout.item.itemsize if field.datatype != "bit" else (counts + 7) // 8
    data = _gather_values(raw, starts, sizes)
    if field.datatype in ("char", "unicodeChar"):
        texts = _decode_texts(data, sizes, layout)
        there = pc.not_equal(texts, "") if missing is None else pa.array(~missing)
        texts = pc.if_else(there, texts, pa.scalar(None, pa.string()))
        return parse_times(column, texts) if field.is_time else (column, texts)
    values = _convert_values(data, layout, counts)
    if field.dimensions:
        there = None if missing is None else pa.array(~missing)
        return column, to_list_array(counts, values, there, column.type.arrow)
    return column, _mask_missing(values, field, missing)


def _gather_values(raw: Bytes, starts: Array, sizes: Array) -> Bytes:
    """Return the bytes of all values, one after the other: of `sizes` (rows,) bytes at `starts` (rows,)."""
    if len(sizes) and (sizes == sizes[0]).all():
        values: Bytes = raw[starts[:, None] + np.arange(sizes[0])].ravel()
    else:
        ends = np.cumsum(sizes)
        values = raw[np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1] if len(ends) else 0)]
    return values


def _convert_values(data: Bytes, layout: FieldLayout, counts: Array) -> pa.Array:
    match layout.field.datatype:
        case "boolean":
            known = ~np.isin(data, list(UNKNOWN))
            return pa.array(np.isin(data, list(TRUE)), mask=~known)
        case "bit" if not layout.field.dimensions:  # astropy writes a single bit as 0x08
            return pa.array(data != 0)
        case "bit":
            return pa.array(_unpack_bits(data, counts))
        case _:
            return pa.array(data.view(layout.item).astype(layout.item.newbyteorder("=")))


def _unpack_bits(data: Bytes, counts: Array) -> Array:
    """Return the bits of arrays of `counts` (rows,) bits, without those that pad each array to whole bytes."""
    whole = (counts + 7) // 8 * 8
    place = np.arange(whole.sum()) - np.repeat(np.cumsum(whole) - whole, whole)
    bits: Array = np.unpackbits(data)[place < np.repeat(counts, whole)].astype(bool)
    return bits


def _mask_missing(values: pa.Array, field: Field, missing: Array | None) -> pa.Array:
    if field.null is not None and pa.types.is_integer(values.type):
        try:
            marked = np.asarray(values) == int(field.null, 0)
        except ValueError:
            raise malformed_upload(f"the null of column {field.name} must be an integer, not {field.null!r}") from None
        missing = marked if missing is None else missing | marked
    elif missing is None and pa.types.is_floating(values.type):
        missing = np.isnan(np.asarray(values))
    if missing is None or not missing.any():
        return values
    return pc.if_else(pa.array(~missing), values, pa.scalar(None, values.type))


def _decode_texts(data: Bytes, sizes: Array, layout: FieldLayout) -> pa.Array:
    """Return texts of `sizes` (rows,) bytes; each ends at its first NUL; what is not UTF-8 is read as Latin-1."""
    ends = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    plain = pa.Array.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    if layout.field.datatype == "unicodeChar":
        return pa.array([v.decode("utf-16-be", "replace").partition("\0")[0] for v in plain.to_pylist()], pa.string())
    if (data == 0).any():
        plain = pa.array([v.partition(b"\0")[0] for v in plain.to_pylist()], pa.binary())
    try:
        return plain.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([v.decode("latin-1") for v in plain.to_pylist()], pa.string())
