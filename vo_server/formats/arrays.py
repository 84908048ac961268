"""Arrow arrays for readers and writers: casts to declared types, blocks that fit a cache, and access to buffers.

Arrays of values have shape (n,), one entry a row. Offsets have shape (n + 1,): value i lies between i and i + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.model.column import Column

Bytes = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
ByteSet = npt.NDArray[np.bool_]

BLOCK_BYTES = 1 << 20
"""Bytes of Arrow data that a writer encodes at a time: the encoded rows stay in the processor's cache."""

SMALL_BATCH_ROWS = 256
"""Rows of a batch that is never split: computing its size would cost more than splitting saves."""

CHUNK_BYTES = 1 << 20
"""Bytes of a document that are sent at a time."""


def cast_to_columns(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> list[pa.Array]:
    """Return the arrays of a batch, cast to the types that their columns declare.

    Databases return other types: a sum of integers is a decimal, an enumeration a dictionary.
    """
    if batch.num_columns != len(columns):
        raise ValueError(f"{batch.num_columns} arrays for {len(columns)} columns")
    pairs = zip(batch.columns, columns, strict=True)
    return [a if a.type == c.type.arrow else a.cast(c.type.arrow) for a, c in pairs]


def split_blocks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch into equal blocks of at most about BLOCK_BYTES."""
    rows = batch.num_rows
    if rows <= SMALL_BATCH_ROWS:
        return iter((batch,) if rows else ())
    step = max(64, -(-rows // -(-batch.nbytes // BLOCK_BYTES)))
    return (batch.slice(start, step) for start in range(0, rows, step))


def buffer_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join chunks to chunks of at least CHUNK_BYTES, except the last.

    Where the input raises, the bytes before the error are yielded before it is raised.
    """
    buffer: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            buffer.append(chunk)
            size += len(chunk)
            if size >= CHUNK_BYTES:
                yield b"".join(buffer)
                buffer, size = [], 0
    except Exception:
        yield b"".join(buffer)
        raise
    if size:
        yield b"".join(buffer)


def null_mask(array: pa.Array) -> Bytes:
    """Return 1 where a value is missing and 0 elsewhere, shape (n,), for an array that has missing values."""
    first, skipped = divmod(array.offset, 8)
    count = skipped + len(array)
    packed = np.frombuffer(array.buffers()[0], np.uint8, (count + 7) // 8, first)
    return 1 - np.unpackbits(packed, count=count, bitorder="little")[skipped:]


def as_numpy(array: pa.Array, dtype: np.dtype[Any] | None = None) -> Array:
    """Return the values (n,) of an array of numbers without a copy; missing values have arbitrary numbers.

    `dtype` must be that of the array; to pass it saves its look-up.
    """
    dtype = dtype or np.dtype(array.type.to_pandas_dtype())
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def value_offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    """Return the offsets (n + 1,) of a text, binary or list array."""
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int32)
    return np.frombuffer(data, np.int32, count=len(array) + 1, offset=array.offset * 4)


def value_bytes(array: pa.Array) -> Bytes:
    """Return the bytes of all values of a text or binary array, one value after the other."""
    bounds = value_offsets(array)
    data = array.buffers()[2]
    if data is None or bounds[0] == bounds[-1]:
        return np.zeros(0, np.uint8)
    return np.frombuffer(data, np.uint8, count=int(bounds[-1] - bounds[0]), offset=int(bounds[0]))


def to_binary_array(bounds: npt.NDArray[np.int32], data: Array) -> pa.Array:
    """Return a binary array (n,) from its offsets (n + 1,) and its bytes."""
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])


def split_lists(array: pa.Array) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Return the offsets (n + 1,) of a list array and its flat elements; a missing value has no elements.

    A binary array counts as a list array of unsigned bytes.
    """
    if pa.types.is_binary(array.type):
        filled = array.fill_null(b"") if array.null_count else array
        data = value_bytes(filled)
        return relative_offsets(filled), pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
    return _to_offsets(pc.list_value_length(array).fill_null(0)), array.flatten()


def relative_offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    """Return the offsets (n + 1,) of an array, counted from its own first byte."""
    bounds = value_offsets(array)
    return bounds - bounds[0] if bounds[0] else bounds


def _to_offsets(lengths: pa.Array) -> npt.NDArray[np.int32]:
    bounds = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(as_numpy(lengths), out=bounds[1:])
    return bounds


def byte_set(characters: bytes) -> ByteSet:
    """Return the set of these bytes as a table of shape (256,), for `has_bytes`."""
    table = np.zeros(256, np.bool_)
    table[list(characters)] = True
    return table


def has_bytes(array: pa.Array, characters: ByteSet) -> bool:
    """Return whether any of these bytes occurs in any of the texts (n,).

    One look-up for the bytes of all texts costs less than one for each text.
    """
    return bool(characters[value_bytes(array)].any())
