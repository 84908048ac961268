"""The BINARY and BINARY2 streams of VOTable 1.4 (sections 5.3 and 5.4) into columns.

Where no value is of variable size the rows are one structured array. Else the counts before such values are followed
from row to row; the values are then taken out column by column. BINARY has no flags: NaN and empty texts are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from struct import Struct, error
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import Array, Bytes
from vo_server.formats.field import Field
from vo_server.formats.read.values import listed, timely
from vo_server.formats.write.binary2 import DTYPES
from vo_server.model.column import Column

WIDTHS: dict[str, np.dtype[Any]] = {name: np.dtype(code) for name, code in DTYPES.items()} | {
    "bit": np.dtype("u1"),
    "char": np.dtype("u1"),
    "unicodeChar": np.dtype(">u2"),
}

TRUE, UNKNOWN = b"Tt1", b"? \0"

_COUNT = Struct(">I")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the values of a field lie: `count` of them in each row, None where the row says it."""

    field: Field
    item: np.dtype[Any]
    count: int | None

    @property
    def width(self) -> int:
        """The bytes of a value of fixed size."""
        return self.bytes(self.count or 0)

    def bytes(self, count: int) -> int:
        """The bytes of so many values: eight bits share one."""
        return (count + 7) // 8 if self.field.datatype == "bit" else count * self.item.itemsize


def unpacked(data: bytes, fields: list[Field], flags: bool) -> tuple[tuple[Column, ...], list[pa.ChunkedArray]]:
    """The columns of a stream.

    Raises UsageError for one that ends within a row.
    """
    layouts = [_layout(f) for f in fields]
    width = (len(fields) + 7) // 8 if flags else 0
    starts, counts = _places(data, layouts, width)
    raw = np.frombuffer(data, np.uint8)
    missing = _flags(raw, starts[0], width) if width else None
    made = [
        _column(raw, layout, starts[n + 1], counts[n], None if missing is None else missing[:, n])
        for n, layout in enumerate(layouts)
    ]
    return tuple(c for c, _ in made), [pa.chunked_array([a], a.type) for _, a in made]


def _layout(field: Field) -> Layout:
    field.column  # noqa: B018 - a datatype that is not taken is told here
    sides = field.sides
    fixed = all(side.isdigit() for side in sides)
    return Layout(field, WIDTHS[field.datatype], prod(map(int, sides)) if fixed else None)


def _places(data: bytes, layouts: list[Layout], flags: int) -> tuple[list[Array], list[Array]]:
    """Where the flags and then each value begin in each row, and how many values there are."""
    if all(layout.count is not None for layout in layouts):
        return _regular(data, layouts, flags)
    try:
        found = _followed(data, layouts, flags)
    except error:
        raise UsageError("the STREAM of the VOTable ends within a row") from None
    table = np.array(found, np.int64).reshape(-1, 1 + 2 * len(layouts))
    numbers = range(len(layouts))
    return [table[:, 0], *(table[:, 1 + 2 * n] for n in numbers)], [table[:, 2 + 2 * n] for n in numbers]


def _regular(data: bytes, layouts: list[Layout], flags: int) -> tuple[list[Array], list[Array]]:
    width = flags + sum(layout.width for layout in layouts)
    rows, rest = divmod(len(data), width or 1)
    if rest:
        raise UsageError("the STREAM of the VOTable ends within a row")
    begin = np.arange(rows, dtype=np.int64) * width
    starts, at = [begin], flags
    for layout in layouts:
        starts.append(begin + at)
        at += layout.width
    return starts, [np.full(rows, layout.count, np.int64) for layout in layouts]


def _followed(data: bytes, layouts: list[Layout], flags: int) -> list[int]:
    steps = [(layout.count, layout.width, layout.bytes) for layout in layouts]
    read, size = _COUNT.unpack_from, len(data)
    found: list[int] = []
    add = found.append
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
    return found


def _flags(raw: Bytes, starts: Array, width: int) -> Array:
    return np.unpackbits(raw[starts[:, None] + np.arange(width)], axis=1).astype(bool)


def _column(raw: Bytes, layout: Layout, starts: Array, counts: Array, missing: Array | None) -> tuple[Column, pa.Array]:
    field, column = layout.field, layout.field.column
    sizes = counts * layout.item.itemsize if field.datatype != "bit" else (counts + 7) // 8
    data = _gathered(raw, starts, sizes)
    if field.datatype in ("char", "unicodeChar"):
        texts = _texts(data, sizes, layout)
        there = pc.not_equal(texts, "") if missing is None else pa.array(~missing)
        texts = pc.if_else(there, texts, pa.scalar(None, pa.string()))
        return timely(column, texts) if field.is_time else (column, texts)
    values = _values(data, layout, counts)
    if field.sides:
        there = None if missing is None else pa.array(~missing)
        return column, listed(counts, values, there, column.type.arrow)
    return column, _scalars(values, field, missing)


def _gathered(raw: Bytes, starts: Array, sizes: Array) -> Bytes:
    """The bytes of all values, one after the other."""
    if len(sizes) and (sizes == sizes[0]).all():
        taken: Bytes = raw[starts[:, None] + np.arange(sizes[0])].ravel()
    else:
        ends = np.cumsum(sizes)
        taken = raw[np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1] if len(ends) else 0)]
    return taken


def _values(data: Bytes, layout: Layout, counts: Array) -> pa.Array:
    match layout.field.datatype:
        case "boolean":
            known = ~np.isin(data, list(UNKNOWN))
            return pa.array(np.isin(data, list(TRUE)), mask=~known)
        case "bit" if not layout.field.sides:  # astropy writes a lone one as 0x08
            return pa.array(data != 0)
        case "bit":
            return pa.array(_bits(data, counts))
        case _:
            return pa.array(data.view(layout.item).astype(layout.item.newbyteorder("=")))


def _bits(data: Bytes, counts: Array) -> Array:
    """The bits that count: those after the last of an array fill its last byte."""
    whole = (counts + 7) // 8 * 8
    place = np.arange(whole.sum()) - np.repeat(np.cumsum(whole) - whole, whole)
    bits: Array = np.unpackbits(data)[place < np.repeat(counts, whole)].astype(bool)
    return bits


def _scalars(values: pa.Array, field: Field, missing: Array | None) -> pa.Array:
    if field.null is not None and pa.types.is_integer(values.type):
        try:
            marked = np.asarray(values) == int(field.null, 0)
        except ValueError:
            raise UsageError(f"the null {field.null!r} of the column {field.name} is not a number") from None
        missing = marked if missing is None else missing | marked
    elif missing is None and pa.types.is_floating(values.type):
        missing = np.isnan(np.asarray(values))
    if missing is None or not missing.any():
        return values
    return pc.if_else(pa.array(~missing), values, pa.scalar(None, values.type))


def _texts(data: Bytes, sizes: Array, layout: Layout) -> pa.Array:
    """Texts end at a NUL, if there is one; what is not UTF-8 is taken for Latin-1."""
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
