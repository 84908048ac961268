"""Arrow arrays from NumPy ones: decimals rounded, nulls masked, fixed-width texts without a loop
over rows."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vo_server.demo.columns import ARROW, SampleColumn
from vo_server.demo.survey import Bools

Values = NDArray[Any] | tuple[NDArray[Any], Bools]
"""A column, or a column and where it is null. Texts are bytes arrays or matrices of character
codes, a row a text."""

DTYPES = {
    "double": np.float64,
    "float": np.float32,
    "int16": np.int16,
    "int32": np.int32,
    "date": np.int32,
}


def _text(values: NDArray[Any], null: Bools | None) -> pa.Array:
    if values.dtype.kind == "S":
        stripped = pa.array(values, type=pa.binary(), mask=null)
        return stripped.cast(pa.string())
    rows, width = values.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    data = np.ascontiguousarray(values, dtype=np.uint8)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))


def arrow_array(column: SampleColumn, values: Values) -> pa.Array:
    """The values as the column's type, floats to its decimals."""
    plain, null = values if isinstance(values, tuple) else (values, None)
    if column.kind == "text":
        return _text(plain, null)
    if column.kind in ("double", "float"):
        scale = 10.0**column.decimals
        # Adding zero makes a negative zero positive.
        plain = np.rint(plain * scale) / scale + 0.0
    if null is not None and plain.dtype.kind == "f":
        plain = np.where(null, 0.0, plain)
    return pa.array(plain.astype(DTYPES[column.kind]), mask=null).cast(ARROW[column.kind])


def record_batch(columns: tuple[SampleColumn, ...], schema: pa.Schema, values: dict[str, Values]) -> pa.RecordBatch:
    """One batch of all columns; ``values`` must have every one of them."""
    return pa.RecordBatch.from_arrays([arrow_array(column, values[column.name]) for column in columns], schema=schema)
