"""Rows of tables that name their columns, on their way to the published ones: FITS, VOTable, Parquet and IPAC.

They are read piece by piece, a VOTable as a whole (readers/).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo_server.errors import LoadError, UsageError
from vo_server.load.delimited import zero_filled
from vo_server.load.inputs import Input
from vo_server.load.pieces import Record
from vo_server.load.readers.found import Reader
from vo_server.model.column import Column

Choose = Callable[[Sequence[str]], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table under the names of the published columns, with whatever types the file gave them."""

    file: str
    unit: Literal["line", "row"]
    first: int
    found: pa.Table
    columns: tuple[Column, ...]
    left_out: frozenset[int] = frozenset()

    @property
    def carried(self) -> Sequence[str]:
        """The published columns that the file has."""
        return list(self.found.column_names)

    @property
    def exact(self) -> Collection[str]:
        """Those that are as wide as the file's numbers."""
        return {
            c.name
            for c in self.columns
            if c.name in self.found.column_names and _as_wide(c.type.arrow, self.found.schema.field(c.name).type)
        }

    def table(self) -> pa.Table:
        """Every published column, of its type."""
        found = self.found
        if self.left_out:
            kept = [i for i in range(found.num_rows) if self.first + i not in self.left_out]
            found = found.take(pa.array(kept, pa.int64()))
        arrays = [_typed(c, found) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def records(self) -> Iterator[Record]:
        """The rows one by one."""
        whole = {c.name for c in self.columns if c.type.family != "real"}
        columns = [[_text(v, name in whole) for v in self.found[name].to_pylist()] for name in self.carried]
        for number, values in enumerate(zip(*columns, strict=True), self.first):
            yield Record(number, "|".join("\\N" if v is None else v for v in values), values)

    def without(self, numbers: Collection[int]) -> Rows:
        """The same without these rows."""
        return replace(self, left_out=self.left_out | frozenset(numbers))


def _typed(column: Column, found: pa.Table) -> pa.ChunkedArray:
    if column.name not in found.column_names:
        return pa.chunked_array([pa.nulls(found.num_rows, column.type.arrow)])
    return typed(column, found[column.name])


def _as_wide(wanted: pa.DataType, given: pa.DataType) -> bool:
    floating = pa.types.is_floating(wanted) and pa.types.is_floating(given)
    return floating and bool(given.bit_width <= wanted.bit_width)


def typed(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a file as those of a column.

    Raises pyarrow.ArrowException where one is not of its type.
    """
    values = _present(values)
    if column.type.family == "text":
        return zero_filled(column, _as_text(values))
    if pa.types.is_list(column.type.arrow):
        values = pc.ascii_split_whitespace(values) if pa.types.is_string(values.type) else values
        return _filled(values.cast(column.type.arrow), column.type.family == "geometry")
    if pa.types.is_timestamp(values.type):  # what is finer than microseconds is cut
        return values.cast(column.type.arrow, safe=False)
    return values.cast(column.type.arrow)


def _filled(values: pa.ChunkedArray, geometry: bool) -> pa.ChunkedArray:
    """Arrays, of which an empty one is missing, and of a geometry one without a number."""
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    there = pc.greater(lengths, 0)
    if geometry:
        finite = np.concatenate([[0], np.cumsum(np.isfinite(np.asarray(pc.list_flatten(values).fill_null(math.nan))))])
        ends = np.concatenate([[0], np.cumsum(np.asarray(lengths))])
        there = pc.and_(there, pa.array(np.diff(finite[ends]) > 0))
    return values if pc.all(there).as_py() is not False else pc.if_else(there, values, pa.scalar(None, values.type))


def _present(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values without the ways in which a format says null: NaN, and a text of blanks."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        trimmed = pc.utf8_rtrim_whitespace(values.cast(pa.string()))
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return values


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.int64()).cast(pa.string()) if pa.types.is_floating(values.type) else values.cast(pa.string())


def _text(value: object, whole: bool) -> str | None:
    match value:
        case None | "":
            return None
        case float() if math.isnan(value):
            return None
        case float() if whole and value.is_integer():
            return str(int(value))
        case date():
            return value.isoformat()
        case _:
            return str(value).rstrip() or None


def rows(input: Input, read: Reader, choose: Choose, columns: tuple[Column, ...]) -> Iterator[Rows]:
    """The rows of a file that a reader reads.

    Raises LoadError when it is not what it seemed to be.
    """
    with readable(input), read(input) as found:
        names = [c.name for c in found.columns]
        chosen = {name: field for field, name in zip(names, choose(names), strict=True) if name is not None}
        first = found.first
        for table in found.read(list(chosen.values())):
            yield Rows(input.name, found.unit, first, table.rename_columns(list(chosen)), columns)
            first += table.num_rows


@contextmanager
def readable(input: Input) -> Iterator[None]:
    """What the readers of others say of a file in our words.

    Raises LoadError when it is not what it seemed to be.
    """
    try:
        yield
    except UsageError as fault:
        raise LoadError(f"{input.name}: {fault.message}", hint=fault.hint) from fault
    except (pa.ArrowException, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise LoadError(f"{input.name} is damaged or not of its kind: {error}") from error
