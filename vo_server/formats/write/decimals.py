"""Real numbers as text: the shortest that reads back equal.

Most numbers of a catalogue are a few thousandths: magnitudes, colours, errors. Their texts lie ready in a table, which
is three times as quick as to find them anew. The table is made by what spells all the others, so both say the same.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from vo_server.formats.arrays import Array, numbers

REACH = 1 << 15
"""A table goes from so many steps below zero to as many above."""

STEPS = (1000, 10)
"""Steps of a unit: how fine the tables are."""


def texts(array: pa.Array) -> tuple[pa.Array, bool]:
    """The numbers, missing ones as null, and whether all are finite; what is not is nan, inf or -inf."""
    values = numbers(array.fill_null(0) if array.null_count else array)
    for steps in STEPS if len(values) >= FEWEST else ():
        if _places(values[:FEWEST], steps) is not None and (places := _places(values, steps)) is not None:
            return _table(values.dtype.str, steps).take(_missing_where(array, places)), True
    return array.cast(pa.string()), bool(np.isfinite(values).all())


FEWEST = 64
"""Numbers for which it is worth while to look; so many show whether it is worth while to look at all."""


def _missing_where(array: pa.Array, places: Array) -> pa.Array:
    """The places, missing where a value of the array is: it is told by the same bits."""
    if not array.null_count:
        return pa.array(places)
    first, skipped = divmod(array.offset, 8)
    bits = array.buffers()[0].slice(first)
    aligned = pa.py_buffer(np.concatenate((np.zeros(skipped, places.dtype), places)))
    return pa.Array.from_buffers(pa.int32(), len(array), [bits, aligned], offset=skipped)


def _places(values: Array, steps: int) -> Array | None:
    """Where the numbers stand in a table; None where one of them does not. A zero below zero does not."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.rint(values * np.float64(steps))
        if not (np.abs(near) < REACH).all():
            return None
    counts = near.astype(np.int32)
    whole = f"i{values.dtype.itemsize}"
    same = (counts / steps).astype(values.dtype).view(whole) == values.view(whole)
    return counts + np.int32(REACH) if same.all() else None


@cache
def _table(dtype: str, steps: int) -> pa.Array:
    return pa.array((np.arange(-REACH, REACH) / steps).astype(dtype)).cast(pa.string())
