"""Rows of tables with named columns, converted to the published columns: FITS, VOTable, Parquet and IPAC.

They are read in chunks, a VOTable as a whole (readers/).
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

from vo_server.errors import Code, LoadError, UsageError
from vo_server.load.chunks import SourceRow
from vo_server.load.delimited import fill_zeros
from vo_server.load.input_files import InputFile
from vo_server.load.readers.source_table import TableReader
from vo_server.model.column import Column

FieldMapper = Callable[[Sequence[str]], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class DescribedRows:
    """Rows of a table under the names of the published columns, with the types of the file."""

    file: str
    unit: Literal["line", "row"]
    first: int
    source: pa.Table
    columns: tuple[Column, ...]
    dropped: frozenset[int] = frozenset()

    @property
    def column_names(self) -> Sequence[str]:
        """Return the published columns that the file has."""
        return list(self.source.column_names)

    @property
    def exact_columns(self) -> Collection[str]:
        """Return the columns whose type is at least as wide as that of the file."""
        return {
            c.name
            for c in self.columns
            if c.name in self.source.column_names and _is_as_wide(c.type.arrow, self.source.schema.field(c.name).type)
        }

    def to_table(self) -> pa.Table:
        """Return every published column in its type."""
        source = self.source
        if self.dropped:
            indices = [i for i in range(source.num_rows) if self.first + i not in self.dropped]
            source = source.take(pa.array(indices, pa.int64()))
        arrays = [_convert_or_null(c, source) for c in self.columns]
        return pa.table(arrays, names=[c.name for c in self.columns])

    def iterate_rows(self) -> Iterator[SourceRow]:
        """Yield the rows one by one."""
        not_real = {c.name for c in self.columns if c.type.family != "real"}
        columns = [
            [_format_value(v, name in not_real) for v in self.source[name].to_pylist()] for name in self.column_names
        ]
        for number, values in enumerate(zip(*columns, strict=True), self.first):
            yield SourceRow(number, "|".join("\\N" if v is None else v for v in values), values)

    def drop_rows(self, numbers: Collection[int]) -> DescribedRows:
        """Return the chunk without the rows of these numbers."""
        return replace(self, dropped=self.dropped | frozenset(numbers))


def _convert_or_null(column: Column, source: pa.Table) -> pa.ChunkedArray:
    if column.name not in source.column_names:
        return pa.chunked_array([pa.nulls(source.num_rows, column.type.arrow)])
    return convert_column(column, source[column.name])


def _is_as_wide(column_type: pa.DataType, file_type: pa.DataType) -> bool:
    floating = pa.types.is_floating(column_type) and pa.types.is_floating(file_type)
    return floating and bool(file_type.bit_width <= column_type.bit_width)


def convert_column(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert values of a file to the type of a column.

    Raises pyarrow.ArrowException for a value that is not of this type.
    """
    values = _null_missing(values)
    if column.type.family == "text":
        return fill_zeros(column, _to_text(values))
    if pa.types.is_list(column.type.arrow):
        values = pc.ascii_split_whitespace(values) if pa.types.is_string(values.type) else values
        return _null_empty_arrays(values.cast(column.type.arrow), column.type.family == "geometry")
    if pa.types.is_timestamp(values.type):  # digits beyond microseconds are cut
        return values.cast(column.type.arrow, safe=False)
    return values.cast(column.type.arrow)


def _null_empty_arrays(values: pa.ChunkedArray, geometry: bool) -> pa.ChunkedArray:
    """Replace empty arrays, and geometries without a finite number, by nulls."""
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    present = pc.greater(lengths, 0)
    if geometry:
        finite = np.concatenate([[0], np.cumsum(np.isfinite(np.asarray(pc.list_flatten(values).fill_null(math.nan))))])
        ends = np.concatenate([[0], np.cumsum(np.asarray(lengths))])
        present = pc.and_(present, pa.array(np.diff(finite[ends]) > 0))
    return values if pc.all(present).as_py() is not False else pc.if_else(present, values, pa.scalar(None, values.type))


def _null_missing(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace by nulls what formats use for missing values: NaN, and a text of blanks."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        trimmed = pc.utf8_rtrim_whitespace(values.cast(pa.string()))
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return values


def _to_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.int64()).cast(pa.string()) if pa.types.is_floating(values.type) else values.cast(pa.string())


def _format_value(value: object, not_real: bool) -> str | None:
    match value:
        case None | "":
            return None
        case float() if math.isnan(value):
            return None
        case float() if not_real and value.is_integer():
            return str(int(value))
        case date():
            return value.isoformat()
        case _:
            return str(value).rstrip() or None


def read_rows(
    input: InputFile, read: TableReader, map_fields: FieldMapper, columns: tuple[Column, ...]
) -> Iterator[DescribedRows]:
    """Yield the rows of a file with the published columns.

    Raises LoadError if the file is damaged.
    """
    with translate_errors(input), read(input) as source:
        names = [c.name for c in source.columns]
        fields = {name: field for field, name in zip(names, map_fields(names), strict=True) if name is not None}
        first = source.first
        for table in source.read(list(fields.values())):
            yield DescribedRows(input.name, source.unit, first, table.rename_columns(list(fields)), columns)
            first += table.num_rows


@contextmanager
def translate_errors(input: InputFile) -> Iterator[None]:
    """Translate the errors of readers, also of libraries, to LoadError."""
    try:
        yield
    except UsageError as error:
        raise LoadError(f"{input.name}: {error.message}", hint=error.hint, code=Code.LOAD_UNREADABLE) from error
    except (pa.ArrowException, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        message = f"{input.name} is damaged or in another format than its first bytes suggest: {error}"
        raise LoadError(message, code=Code.LOAD_UNREADABLE) from error
