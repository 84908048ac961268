"""The statistics of columns, gathered as rows pass.

Looked at are the rows in the large groups in which they are written. Of 60 columns of two million rows this takes
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

FEW = 20
"""How many different values of a column are kept."""

_LOOK = 1_000
"""Rows that are looked at first: most columns have more values in these than are kept."""


@dataclass(slots=True)
class Tally:
    """What has been seen of a column. Infinite values have no part in its range."""

    column: Column
    nulls: int = 0
    low: Any = None
    high: Any = None
    values: set[Any] | None = field(default_factory=set)

    def add(self, array: pa.ChunkedArray) -> None:
        """Further values."""
        self.nulls += array.null_count
        if self.column.type.family in _ORDERED and array.null_count < len(array):
            self._widen(array)
        if self.values is not None:
            self._collect(array)

    def _widen(self, array: pa.ChunkedArray) -> None:
        ends = pc.min_max(array).as_py()
        if self.column.type.family == "real" and not all(map(math.isfinite, ends.values())):
            ends = pc.min_max(array.filter(pc.is_finite(array))).as_py()
            if ends["min"] is None:
                return
        self.low = ends["min"] if self.low is None else min(self.low, ends["min"])
        self.high = ends["max"] if self.high is None else max(self.high, ends["max"])

    def _collect(self, array: pa.ChunkedArray) -> None:
        if self.column.type.family not in _COUNTED:
            self.values = None
            return
        for part in (array.slice(0, _LOOK), array):
            if self.values is not None and len(found := pc.unique(part)) <= FEW + 1:
                self.values |= {v for v in found.to_pylist() if v is not None}
            if len(found) > FEW + 1 or len(self.values or ()) > FEW:
                self.values = None
                return

    @property
    def statistic(self) -> Statistic:
        """What is to be kept of it."""
        values = None if self.values is None else tuple(sorted(map(_plain, self.values)))
        return Statistic(self._end(self.low), self._end(self.high), self.nulls, values)

    def _end(self, value: Any) -> Value | None:
        """An end of the range; of single precision with no more digits than it needs."""
        if value is None:
            return None
        return float(str(np.float32(value))) if self.column.type is REAL else _plain(value)


_ORDERED = ("integer", "real", "time")
_COUNTED = ("integer", "text", "boolean")


def _plain(value: Any) -> Value:
    made: Value = value.isoformat() if isinstance(value, date) else value
    return made


class Tallies:
    """What has been seen of all columns of a table."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._each = [Tally(c) for c in columns]

    def add(self, rows: pa.Table) -> None:
        """Further rows."""
        for tally in self._each:
            tally.add(rows[tally.column.name])

    @property
    def statistics(self) -> dict[str, Statistic]:
        """What is to be kept, by the names of the columns."""
        return {tally.column.name: tally.statistic for tally in self._each}
