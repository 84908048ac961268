"""Arrow record batches from NumPy arrays: decimals rounded, nulls masked, texts without a loop over rows."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vo_server.demo.columns import ARROW_TYPES, DemoColumn
from vo_server.demo.survey import Bools

Values = NDArray[Any] | tuple[NDArray[Any], Bools]
"""The values (n,) of a column, or a pair of values and a null mask (n,).

Texts are byte strings (n,) or character codes (n, width)."""

NUMPY_TYPES = {
    "double": np.float64,
    "float": np.float32,
    "int16": np.int16,
    "int32": np.int32,
    "date": np.int32,
}


def _to_text_array(values: NDArray[Any], null: Bools | None) -> pa.Array:
    if values.dtype.kind == "S":
        stripped = pa.array(values, type=pa.binary(), mask=null)
        return stripped.cast(pa.string())
    rows, width = values.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    data = np.ascontiguousarray(values, dtype=np.uint8)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))


def to_arrow_array(column: DemoColumn, values: Values) -> pa.Array:
    """Return values (n,) as an array of the column's type, floats rounded to its decimals."""
    plain, null = values if isinstance(values, tuple) else (values, None)
    if column.kind == "text":
        return _to_text_array(plain, null)
    if column.kind in ("double", "float"):
        scale = 10.0**column.decimals
        # Adding zero makes a negative zero positive.
        plain = np.rint(plain * scale) / scale + 0.0
    if null is not None and plain.dtype.kind == "f":
        plain = np.where(null, 0.0, plain)
    return pa.array(plain.astype(NUMPY_TYPES[column.kind]), mask=null).cast(ARROW_TYPES[column.kind])


def to_record_batch(columns: tuple[DemoColumn, ...], schema: pa.Schema, values: dict[str, Values]) -> pa.RecordBatch:
    """Return a batch of all columns; `values` must have each of them."""
    return pa.RecordBatch.from_arrays(
        [to_arrow_array(column, values[column.name]) for column in columns], schema=schema
    )
