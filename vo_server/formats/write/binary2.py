"""Encode rows as the BINARY2 and BINARY streams of VOTable 1.4 (sections 5.3 and 5.4).

A row is split after the count of each value of variable size. The runs of columns between, in which every byte has a
fixed position, are structured arrays that NumPy fills a column at a time; Arrow then interleaves them with the variable
values, for all rows at once. So no Python code runs per row.

Text is written to `char` as UTF-8: the same as ASCII where VOTable 1.4 allows it, and the rule since VOTable 1.6.
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

from vo_server.errors import Code, UsageError
from vo_server.formats.arrays import (
    Array,
    as_numpy,
    cast_to_columns,
    null_mask,
    relative_offsets,
    split_blocks,
    split_lists,
    to_binary_array,
    value_bytes,
    value_offsets,
)
from vo_server.formats.field import DTYPES
from vo_server.formats.times import format_times
from vo_server.model.column import Column

COUNT_DTYPE: np.dtype[Any] = np.dtype(">u4")
"""The count before a value of variable size."""

NULL_MARKERS = {
    "unsignedByte": 255,
    "short": -(2**15),
    "int": -(2**31),
    "long": -(2**63),
}
"""The values of missing integers in BINARY, which has no null flags."""

EMPTY_BYTES, TRUE, FALSE, UNKNOWN = pa.scalar(b""), *(pa.scalar(ord(c), pa.uint8()) for c in "TF?")
EMPTY_TEXT = pa.scalar("")


@dataclass(frozen=True, slots=True)
class FixedSizeCell:
    """A column whose values have the same number of bytes in each row; `write` returns them with shape (n,)."""

    dtype: np.dtype[Any]
    write: Callable[[pa.Array], Array]


@dataclass(frozen=True, slots=True)
class VariableSizeCell:
    """A column whose values follow their count; `write` returns the counts (n,) and the bytes as a binary array."""

    write: Callable[[pa.Array], tuple[Array, pa.Array]]
    dtype: np.dtype[Any] = COUNT_DTYPE


Cell = FixedSizeCell | VariableSizeCell


@dataclass(frozen=True, slots=True)
class ColumnRun:
    """Adjacent columns whose bytes lie side by side from column `first`; only the last may have a variable size."""

    first: int
    cells: tuple[Cell, ...]
    dtype: np.dtype[np.void]


class BinaryEncoder:
    """An encoder of batches as a base64 stream; `flags` is true for BINARY2."""

    def __init__(self, columns: tuple[Column, ...], flags: bool) -> None:
        self._columns = columns
        self._flags = (len(columns) + 7) // 8 if flags else 0
        self._runs = _split_runs(columns, self._flags)
        self._pending = b""

    def encode(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Yield the rows of a batch in base64, except for up to two bytes that wait for a group of three."""
        for block in split_blocks(batch):
            data = self._pending + bytes(self._encode_rows(cast_to_columns(block, self._columns), block.num_rows))
            whole = len(data) - len(data) % 3
            self._pending = data[whole:]
            yield base64.b64encode(data[:whole]) + b"\n"

    def finish(self) -> bytes:
        """Return the pending bytes in base64."""
        return base64.b64encode(self._pending)

    def _encode_rows(self, arrays: list[pa.Array], rows: int) -> memoryview | pa.Buffer:
        parts: list[Array | pa.Array] = []
        for run in self._runs:
            parts += _fill_run(run, arrays, rows)
        if self._flags:
            parts[0]["flags"] = _null_flags(arrays, self._flags, rows)
        if len(parts) == 1:
            return parts[0].data.cast("B") if parts[0].nbytes else memoryview(b"")
        return _interleave(parts)


def _fill_run(run: ColumnRun, arrays: list[pa.Array], rows: int) -> list[Array | pa.Array]:
    filled = np.zeros(rows, run.dtype)
    parts: list[Array | pa.Array] = [filled]
    for index, cell in enumerate(run.cells, run.first):
        match cell:
            case FixedSizeCell():
                filled[f"c{index}"] = cell.write(arrays[index])
            case VariableSizeCell():
                filled[f"c{index}"], data = cell.write(arrays[index])
                parts.append(data)
    return parts


def _null_flags(arrays: list[pa.Array], width: int, rows: int) -> Array:
    """Return the null flags, shape (rows, width): the first column is the highest bit of the first byte."""
    flags = np.zeros((width, rows), np.uint8)
    for index, array in enumerate(arrays):
        if array.null_count:
            flags[index // 8] |= null_mask(array) << (7 - index % 8)
    return flags.T


def _interleave(parts: list[Array | pa.Array]) -> pa.Buffer:
    """Return the bytes of all parts, row by row."""
    joined = pc.binary_join_element_wise(*(_as_binary(part) for part in parts), EMPTY_BYTES)
    return pa.py_buffer(value_bytes(joined))


def _as_binary(part: Array | pa.Array) -> pa.Array:
    if isinstance(part, pa.Array):
        return part
    width = part.dtype.itemsize
    return to_binary_array(np.arange(0, (len(part) + 1) * width, width, dtype=np.int32), part)


@lru_cache(maxsize=256)
def _split_runs(columns: tuple[Column, ...], flags: int) -> tuple[ColumnRun, ...]:
    """Return the runs of columns, split after each column of variable size."""
    runs: list[ColumnRun] = []
    fields: list[tuple[str, np.dtype[Any]]] = [("flags", np.dtype(("u1", (flags,))))] if flags else []
    cells: list[Cell] = []
    for index, column in enumerate(columns):
        cells.append(_cell_writer(column, marked=not flags))
        fields.append((f"c{index}", cells[-1].dtype))
        if isinstance(cells[-1], VariableSizeCell) or index + 1 == len(columns):
            runs.append(ColumnRun(index + 1 - len(cells), tuple(cells), np.dtype(fields)))
            fields, cells = [], []
    return tuple(runs)


def _cell_writer(column: Column, marked: bool) -> Cell:
    """Return the writer of a column; `marked` where a missing integer needs a value of its own."""
    size, count = column.arraysize, column.element_count
    match column.datatype:
        case "char" if size is None or count is not None:
            return write_chars(count or 1, column)
        case "char":
            return VariableSizeCell(lambda array: _write_texts(_to_texts(array, column)))
        case "unicodeChar":
            return VariableSizeCell(_write_unicode)
        case "boolean" if size is None:
            return FixedSizeCell(np.dtype("S1"), _boolean_letters)
        case datatype if size is None:
            return write_scalars(np.dtype(DTYPES[datatype]), null_marker(column) if marked else None, column.name)
        case datatype if count is not None:
            return write_vectors(np.dtype((DTYPES[datatype], (count,))))
        case datatype:
            return _write_sequences(np.dtype(DTYPES[datatype]))


def null_marker(column: Column) -> int | None:
    """Return the integer that means a missing value of a column in BINARY; None where none is needed."""
    return NULL_MARKERS.get(column.datatype) if column.nullable and column.arraysize is None else None


def write_scalars(dtype: np.dtype[Any], mark: int | None, name: str) -> FixedSizeCell:
    """Return a writer of numbers; `mark` is the integer that means a missing value of the column `name`.

    The writer raises UsageError (QUERY.NOT_REPRESENTABLE) for a value equal to `mark`.
    """
    missing = np.nan if dtype.kind == "f" else mark or 0
    native = dtype.newbyteorder("=")

    def write(array: pa.Array) -> Array:
        if mark is not None and mark in as_numpy(array, native) and pc.index(array, mark, 0, len(array)).as_py() >= 0:
            raise UsageError(
                f"the value {mark} of {name} means a missing value in BINARY",
                hint="ask for BINARY2",
                code=Code.QUERY_NOT_REPRESENTABLE,
            )
        return as_numpy(array.fill_null(missing) if array.null_count else array, native)

    return FixedSizeCell(dtype, write)


def _boolean_letters(array: pa.Array) -> Array:
    letters = pc.if_else(array, TRUE, FALSE)
    return as_numpy(letters.fill_null(UNKNOWN)).view("S1")


def _fill_nulls(array: pa.Array) -> pa.Array:
    return array.fill_null(EMPTY_TEXT) if array.null_count else array


def _to_texts(array: pa.Array, column: Column) -> pa.Array:
    return _fill_nulls(format_times(array) if column.type.family == "time" else array)


def write_chars(width: int, column: Column) -> FixedSizeCell:
    """Return a writer of texts of `width` bytes; shorter ones end in NUL, where readers end the text."""
    dtype = np.dtype(f"S{width}")

    def write(array: pa.Array) -> Array:
        texts = _to_texts(array, column)
        lengths = np.diff(value_offsets(texts))
        if (lengths == width).all():
            return value_bytes(texts).view(dtype)
        if (lengths > width).any():
            return np.array([_truncate(value, width) for value in texts.to_pylist()], dtype)
        padded = np.zeros((len(texts), width), np.uint8)
        padded[np.arange(width) < lengths[:, None]] = value_bytes(texts)
        return padded.view(dtype)[:, 0]

    return FixedSizeCell(dtype, write)


def _truncate(value: str, width: int) -> bytes:
    """Return the characters that fit into `width` bytes of UTF-8."""
    return value.encode()[:width].decode(errors="ignore").encode()


def _write_texts(array: pa.Array) -> tuple[Array, pa.Array]:
    bounds = relative_offsets(array)
    return np.diff(bounds), to_binary_array(bounds, value_bytes(array))


def _write_unicode(array: pa.Array) -> tuple[Array, pa.Array]:
    """Return texts as UTF-16; the counts are its units of two bytes."""
    wide = pa.array([value.encode("utf-16-be") for value in _fill_nulls(array).to_pylist()], pa.binary())
    counts, data = _write_texts(wide)
    return counts // 2, data


def write_vectors(dtype: np.dtype[Any]) -> FixedSizeCell:
    """Return a writer of arrays of a fixed number of elements; missing elements are NaN or 0."""
    (count,) = dtype.shape

    def write(array: pa.Array) -> Array:
        bounds, values = split_lists(array)
        flat = fill_elements(values)
        lengths = np.diff(bounds)
        if (lengths == count).all():
            return flat.reshape(-1, count)
        if (lengths > count).any():
            raise ValueError(f"an array of {lengths.max()} values where {count} are declared")
        padded = np.full((len(array), count), _missing_element(values.type), flat.dtype)
        padded[np.arange(count) < lengths[:, None]] = flat
        return padded

    return FixedSizeCell(dtype, write)


def _write_sequences(dtype: np.dtype[Any]) -> VariableSizeCell:
    """Return a writer of arrays of any length."""

    def write(array: pa.Array) -> tuple[Array, pa.Array]:
        bounds, values = split_lists(array)
        return np.diff(bounds), to_binary_array(bounds * np.int32(dtype.itemsize), fill_elements(values).astype(dtype))

    return VariableSizeCell(write)


def fill_elements(values: pa.Array) -> Array:
    """Return the elements of arrays without nulls: a missing one is NaN, 0, or '?' for a boolean."""
    if pa.types.is_boolean(values.type):
        return _boolean_letters(values).view(np.uint8)
    return as_numpy(values.fill_null(_missing_element(values.type)) if values.null_count else values)


def _missing_element(type: pa.DataType) -> Any:
    if pa.types.is_boolean(type):
        return UNKNOWN.as_py()
    return np.nan if pa.types.is_floating(type) else 0
