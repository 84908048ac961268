"""Batches as the writers want them: the declared types, pieces that fit a cache, and the insides of Arrow arrays."""

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

BLOCK = 1 << 20
"""Bytes of Arrow data that a writer takes at a time: the rows made from them stay in the processor's cache."""

FEW = 256
"""Rows of a batch that is never cut: finding its size would cost more than it saves."""

PIECE = 1 << 20
"""Bytes of a document that are sent at a time."""


def conform(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> list[pa.Array]:
    """The arrays of a batch in the types that their columns declare, which is what the header has said.

    A database widens where it likes: a sum of integers comes as a decimal, an enumeration as a dictionary.
    """
    if batch.num_columns != len(columns):
        raise ValueError(f"{batch.num_columns} arrays for {len(columns)} columns")
    pairs = zip(batch.columns, columns, strict=True)
    return [a if a.type == c.type.arrow else a.cast(c.type.arrow) for a, c in pairs]


def blocks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch cut into equal pieces of at most about BLOCK bytes."""
    rows = batch.num_rows
    if rows <= FEW:
        return iter((batch,) if rows else ())
    step = max(64, -(-rows // -(-batch.nbytes // BLOCK)))
    return (batch.slice(start, step) for start in range(0, rows, step))


def gather(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least PIECE, but for the last; those before an error come before it."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= PIECE:
                yield b"".join(held)
                held, size = [], 0
    except Exception:
        yield b"".join(held)
        raise
    if size:
        yield b"".join(held)


def nulls(array: pa.Array) -> Bytes:
    """1 where a value is missing, 0 elsewhere; of an array that has missing values."""
    first, skipped = divmod(array.offset, 8)
    count = skipped + len(array)
    packed = np.frombuffer(array.buffers()[0], np.uint8, (count + 7) // 8, first)
    return 1 - np.unpackbits(packed, count=count, bitorder="little")[skipped:]


def numbers(array: pa.Array, dtype: np.dtype[Any] | None = None) -> Array:
    """The values of an array of numbers, what stands in the place of a missing one included.

    A `dtype` that is known need not be asked for; it must be the array's own.
    """
    dtype = dtype or np.dtype(array.type.to_pandas_dtype())
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    """Where each value of a text, binary or list array begins, and where the last one ends."""
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int32)
    return np.frombuffer(data, np.int32, count=len(array) + 1, offset=array.offset * 4)


def content(array: pa.Array) -> Bytes:
    """The bytes of a text or binary array, one value after the other."""
    ends = offsets(array)
    data = array.buffers()[2]
    if data is None or ends[0] == ends[-1]:
        return np.zeros(0, np.uint8)
    return np.frombuffer(data, np.uint8, count=int(ends[-1] - ends[0]), offset=int(ends[0]))


def variable(ends: npt.NDArray[np.int32], data: Array) -> pa.Array:
    """A binary array of these bytes, cut at these places."""
    return pa.Array.from_buffers(pa.binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])


def lists(array: pa.Array) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """A list array as the places where its values are cut, and their elements; a missing value has none.

    A binary array is one of unsigned bytes.
    """
    if pa.types.is_binary(array.type):
        filled = array.fill_null(b"") if array.null_count else array
        data = content(filled)
        return rebased(filled), pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
    return _summed(pc.list_value_length(array).fill_null(0)), array.flatten()


def rebased(array: pa.Array) -> npt.NDArray[np.int32]:
    """The offsets of an array, counted from its own first byte."""
    ends = offsets(array)
    return ends - ends[0] if ends[0] else ends


def _summed(lengths: pa.Array) -> npt.NDArray[np.int32]:
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(numbers(lengths), out=ends[1:])
    return ends


def distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number after each that another has, too, whatever the case."""
    made: list[str] = []
    taken: set[str] = set()
    for name in names:
        label, n = name, 1
        while label.lower() in taken:
            n += 1
            label = f"{name}_{n}"
        taken.add(label.lower())
        made.append(label)
    return made
