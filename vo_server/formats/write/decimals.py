"""Format real numbers as the shortest text that reads back equal.

Most numbers of a catalogue are a few thousandths: magnitudes, colours, errors. Their texts are cached in a table, which
is three times as fast as formatting them. The table is filled by the function that formats all other numbers, so that
both agree.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from vo_server.formats.arrays import Array, as_numpy

TABLE_STEPS = 1 << 15
"""Steps of a table below zero, and above it."""

STEPS_PER_UNIT = (1000, 10)
"""The resolutions of the tables, in steps of the unit 1."""


def format_reals(array: pa.Array) -> tuple[pa.Array, bool]:
    """Return numbers (n,) as texts, and whether all are finite; the others are nan, inf or -inf.

    Missing values stay missing.
    """
    values = as_numpy(array.fill_null(0) if array.null_count else array)
    for steps in STEPS_PER_UNIT if len(values) >= SAMPLE_SIZE else ():
        if (
            _find_indices(values[:SAMPLE_SIZE], steps) is not None
            and (indices := _find_indices(values, steps)) is not None
        ):
            return _text_table(values.dtype.str, steps).take(_copy_nulls(array, indices)), True
    return array.cast(pa.string()), bool(np.isfinite(values).all())


SAMPLE_SIZE = 64
"""Numbers that are tested first: the table is used only where all of them are in it, and for no fewer numbers."""


def _copy_nulls(array: pa.Array, indices: Array) -> pa.Array:
    """Return the indices as an array that is missing where `array` is, with the same validity bits."""
    if not array.null_count:
        return pa.array(indices)
    first, skipped = divmod(array.offset, 8)
    bits = array.buffers()[0].slice(first)
    aligned = pa.py_buffer(np.concatenate((np.zeros(skipped, indices.dtype), indices)))
    return pa.Array.from_buffers(pa.int32(), len(array), [bits, aligned], offset=skipped)


def _find_indices(values: Array, steps: int) -> Array | None:
    """Return the indices of numbers (n,) in a table; None where one of them, such as -0, is not in it."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.rint(values * np.float64(steps))
        if not (np.abs(near) < TABLE_STEPS).all():
            return None
    counts = near.astype(np.int32)
    whole = f"i{values.dtype.itemsize}"
    same = (counts / steps).astype(values.dtype).view(whole) == values.view(whole)
    return counts + np.int32(TABLE_STEPS) if same.all() else None


@cache
def _text_table(dtype: str, steps: int) -> pa.Array:
    return pa.array((np.arange(-TABLE_STEPS, TABLE_STEPS) / steps).astype(dtype)).cast(pa.string())
