"""Dates and instants as DALI writes them (DALI 1.1 section 3.3.3)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.formats.arrays import as_numpy


def format_times(array: pa.Array) -> pa.Array:
    """Return dates and timestamps (n,) as strings, with a fraction of a second only where one is not zero.

    A fraction has no zeros at its end; missing values stay missing.
    """
    if not pa.types.is_timestamp(array.type):
        return array.cast(pa.string())
    whole = not (as_numpy(array).view(np.int64) % 1_000_000).any()
    text = (array.cast(pa.timestamp("s"), safe=False) if whole else array).cast(pa.string())
    text = pc.binary_replace_slice(text, 10, 11, "T")
    return text if whole else pc.replace_substring_regex(text, r"\.?0+$", "")
