"""Rows as the BINARY2 and BINARY streams of VOTable 1.4 (sections 5.3 and 5.4).

A row is cut after the count of each value of variable size. The stretches between, where every byte has a fixed place,
are structured arrays that numpy fills a column at a time; Arrow then joins them with the variable values, for all
rows at once. So no Python runs for a row.

Text goes into `char` as UTF-8, which is ASCII wherever VOTable 1.4 has a say; VOTable 1.6 makes it the rule.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import UsageError
from vo_server.formats.arrays import Array, blocks, conform, content, lists, nulls, numbers, offsets, rebased, variable
from vo_server.formats.write.cells import times
from vo_server.model.column import Column

COUNT: np.dtype[Any] = np.dtype(">u4")
"""What goes before a value of variable size."""

DTYPES = {
    "boolean": "u1",
    "unsignedByte": "u1",
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "float": ">f4",
    "double": ">f8",
}

MARKERS = {
    "unsignedByte": 255,
    "short": -(2**15),
    "int": -(2**31),
    "long": -(2**63),
}
"""What stands for a missing integer in BINARY, which has no flags."""

NOTHING, TRUE, FALSE, UNKNOWN = pa.scalar(b""), *(pa.scalar(ord(c), pa.uint8()) for c in "TF?")
EMPTY = pa.scalar("")


@dataclass(frozen=True, slots=True)
class Fixed:
    """Values that take the same number of bytes in each row."""

    dtype: np.dtype[Any]
    write: Callable[[pa.Array], Array]


@dataclass(frozen=True, slots=True)
class Variable:
    """Values that bring their count: `write` gives the counts and the bytes, as a binary array."""

    write: Callable[[pa.Array], tuple[Array, pa.Array]]
    dtype: np.dtype[Any] = COUNT


Cell = Fixed | Variable


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring columns whose bytes lie side by side; only the last may go on with bytes of variable number."""

    first: int
    cells: tuple[Cell, ...]
    dtype: np.dtype[np.void]


class Binary:
    """Makes a base64 stream of the batches it is given."""

    def __init__(self, columns: tuple[Column, ...], flags: bool) -> None:
        self._columns = columns
        self._flags = (len(columns) + 7) // 8 if flags else 0
        self._stretches = _stretches(columns, self._flags)
        self._rest = b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows of a batch, but for up to two bytes that wait for their third."""
        for block in blocks(batch):
            data = self._rest + bytes(self._rows(conform(block, self._columns), block.num_rows))
            whole = len(data) - len(data) % 3
            self._rest = data[whole:]
            yield base64.b64encode(data[:whole]) + b"\n"

    def finish(self) -> bytes:
        """What was still waiting."""
        return base64.b64encode(self._rest)

    def _rows(self, arrays: list[pa.Array], rows: int) -> memoryview | pa.Buffer:
        parts: list[Array | pa.Array] = []
        for stretch in self._stretches:
            parts += _fill(stretch, arrays, rows)
        if self._flags:
            parts[0]["flags"] = _flags(arrays, self._flags, rows)
        if len(parts) == 1:
            return parts[0].data.cast("B") if parts[0].nbytes else memoryview(b"")
        return _joined(parts)


def _fill(stretch: Stretch, arrays: list[pa.Array], rows: int) -> list[Array | pa.Array]:
    filled = np.zeros(rows, stretch.dtype)
    parts: list[Array | pa.Array] = [filled]
    for index, cell in enumerate(stretch.cells, stretch.first):
        match cell:
            case Fixed():
                filled[f"c{index}"] = cell.write(arrays[index])
            case Variable():
                filled[f"c{index}"], data = cell.write(arrays[index])
                parts.append(data)
    return parts


def _flags(arrays: list[pa.Array], width: int, rows: int) -> Array:
    """The null flags: the first column is the highest bit of the first byte."""
    flags = np.zeros((width, rows), np.uint8)
    for index, array in enumerate(arrays):
        if array.null_count:
            flags[index // 8] |= nulls(array) << (7 - index % 8)
    return flags.T


def _joined(parts: list[Array | pa.Array]) -> pa.Buffer:
    """Row by row the bytes of all parts."""
    joined = pc.binary_join_element_wise(*(_as_binary(part) for part in parts), NOTHING)
    return pa.py_buffer(content(joined))


def _as_binary(part: Array | pa.Array) -> pa.Array:
    if isinstance(part, pa.Array):
        return part
    width = part.dtype.itemsize
    return variable(np.arange(0, (len(part) + 1) * width, width, dtype=np.int32), part)


@lru_cache(maxsize=256)
def _stretches(columns: tuple[Column, ...], flags: int) -> tuple[Stretch, ...]:
    """The columns, cut after each one of variable size."""
    made: list[Stretch] = []
    fields: list[tuple[str, np.dtype[Any]]] = [("flags", np.dtype(("u1", (flags,))))] if flags else []
    cells: list[Cell] = []
    for index, column in enumerate(columns):
        cells.append(_cell(column, marked=not flags))
        fields.append((f"c{index}", cells[-1].dtype))
        if isinstance(cells[-1], Variable) or index + 1 == len(columns):
            made.append(Stretch(index + 1 - len(cells), tuple(cells), np.dtype(fields)))
            fields, cells = [], []
    return tuple(made)


def _cell(column: Column, marked: bool) -> Cell:
    """How a column is written; `marked` where a missing integer needs a value of its own."""
    size, count = column.arraysize, column.count
    match column.datatype:
        case "char" if size is None or count is not None:
            return chars(count or 1, column)
        case "char":
            return Variable(lambda array: _texts(_written(array, column)))
        case "unicodeChar":
            return Variable(_unicode)
        case "boolean" if size is None:
            return Fixed(np.dtype("S1"), _booleans)
        case datatype if size is None:
            return scalar(np.dtype(DTYPES[datatype]), marker(column) if marked else None, column.name)
        case datatype if count is not None:
            return vector(np.dtype((DTYPES[datatype], (count,))))
        case datatype:
            return _sequence(np.dtype(DTYPES[datatype]))


def marker(column: Column) -> int | None:
    """The integer that says in BINARY that a value of this column is missing; None where none is needed."""
    return MARKERS.get(column.datatype) if column.nullable and column.arraysize is None else None


def scalar(dtype: np.dtype[Any], mark: int | None, name: str) -> Fixed:
    missing = np.nan if dtype.kind == "f" else mark or 0
    native = dtype.newbyteorder("=")

    def write(array: pa.Array) -> Array:
        if mark is not None and mark in numbers(array, native) and pc.index(array, mark, 0, len(array)).as_py() >= 0:
            raise UsageError(f"The value {mark} of {name} cannot be told from a missing one in BINARY: ask for BINARY2")
        return numbers(array.fill_null(missing) if array.null_count else array, native)

    return Fixed(dtype, write)


def _booleans(array: pa.Array) -> Array:
    letters = pc.if_else(array, TRUE, FALSE)
    return numbers(letters.fill_null(UNKNOWN)).view("S1")


def _filled(array: pa.Array) -> pa.Array:
    return array.fill_null(EMPTY) if array.null_count else array


def _written(array: pa.Array, column: Column) -> pa.Array:
    return _filled(times(array) if column.type.family == "time" else array)


def chars(width: int, column: Column) -> Fixed:
    """Texts of a fixed number of bytes: shorter ones end in NUL, which readers take for the end of the text."""
    dtype = np.dtype(f"S{width}")

    def write(array: pa.Array) -> Array:
        texts = _written(array, column)
        lengths = np.diff(offsets(texts))
        if (lengths == width).all():
            return content(texts).view(dtype)
        if (lengths > width).any():
            return np.array([_cut(value, width) for value in texts.to_pylist()], dtype)
        padded = np.zeros((len(texts), width), np.uint8)
        padded[np.arange(width) < lengths[:, None]] = content(texts)
        return padded.view(dtype)[:, 0]

    return Fixed(dtype, write)


def _cut(value: str, width: int) -> bytes:
    """As many characters as fit."""
    return value.encode()[:width].decode(errors="ignore").encode()


def _texts(array: pa.Array) -> tuple[Array, pa.Array]:
    ends = rebased(array)
    return np.diff(ends), variable(ends, content(array))


def _unicode(array: pa.Array) -> tuple[Array, pa.Array]:
    """Texts as UTF-16, counted in its units."""
    wide = pa.array([value.encode("utf-16-be") for value in _filled(array).to_pylist()], pa.binary())
    counts, data = _texts(wide)
    return counts // 2, data


def vector(dtype: np.dtype[Any]) -> Fixed:
    """Arrays of a fixed number of values; what is missing of one is NaN, or 0."""
    (count,) = dtype.shape

    def write(array: pa.Array) -> Array:
        ends, values = lists(array)
        flat = elements(values)
        lengths = np.diff(ends)
        if (lengths == count).all():
            return flat.reshape(-1, count)
        if (lengths > count).any():
            raise ValueError(f"an array of {lengths.max()} values where {count} are declared")
        padded = np.full((len(array), count), _missing(values.type), flat.dtype)
        padded[np.arange(count) < lengths[:, None]] = flat
        return padded

    return Fixed(dtype, write)


def _sequence(dtype: np.dtype[Any]) -> Variable:
    """Arrays of as many values as there are."""

    def write(array: pa.Array) -> tuple[Array, pa.Array]:
        ends, values = lists(array)
        return np.diff(ends), variable(ends * np.int32(dtype.itemsize), elements(values).astype(dtype))

    return Variable(write)


def elements(values: pa.Array) -> Array:
    """The values within arrays; a missing one is NaN, 0, or for a boolean the letter that says so."""
    if pa.types.is_boolean(values.type):
        return _booleans(values).view(np.uint8)
    return numbers(values.fill_null(_missing(values.type)) if values.null_count else values)


def _missing(type: pa.DataType) -> Any:
    if pa.types.is_boolean(type):
        return UNKNOWN.as_py()
    return np.nan if pa.types.is_floating(type) else 0
