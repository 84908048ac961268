"""Tables that name their columns: IPAC, FITS, VOTable and Parquet.

IPAC: https://irsa.ipac.caltech.edu/applications/DDGEN/Doc/ipac_tbl.html. FITS, IPAC and Parquet are read piece by
piece, a VOTable as a whole. Files of these kinds that come through gzip or standard input are held in memory, except
IPAC.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, islice, pairwise
from typing import Any, BinaryIO, Literal
from xml.parsers.expat import ExpatError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.io import fits, votable

from vo_server.errors import LoadFault
from vo_server.load.inputs import Input
from vo_server.load.irsa import zero_filled
from vo_server.load.pieces import Record
from vo_server.model.column import Column

ROWS = 20_000
Choose = Callable[[Sequence[str]], Sequence[str | None]]
Reader = Callable[[Input, Choose], Iterator[pa.Table]]


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
    values = _present(found[column.name])
    if pa.types.is_list(column.type.arrow) and pa.types.is_string(values.type):
        values = pc.ascii_split_whitespace(values)
    if column.type.family == "text":
        return zero_filled(column, _as_text(values))
    return values.cast(column.type.arrow)


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

    Raises LoadFault when it is not what it seemed to be.
    """
    first = 1
    try:
        for table in read(input, choose):
            yield Rows(input.name, "row", first, table, columns)
            first += table.num_rows
    except (pa.ArrowInvalid, ValueError, KeyError, TypeError, ExpatError) as error:
        raise LoadFault(f"{input.name} is damaged or not of its kind: {error}") from error


def _source(input: Input) -> str | BinaryIO:
    return io.BytesIO(input.stream.read()) if input.path is None else str(input.path)


def _parts(columns: Mapping[str, pa.Array], count: int) -> Iterator[pa.Table]:
    table = pa.table(dict(columns))
    return (table.slice(i, ROWS) for i in range(0, count, ROWS))


def parquet(input: Input, choose: Choose) -> Iterator[pa.Table]:
    """A Parquet file."""
    with pq.ParquetFile(_source(input)) as file:
        names = file.schema_arrow.names
        chosen = _chosen(names, choose(names))
        for batch in file.iter_batches(ROWS, columns=list(chosen.values())):
            yield pa.table({name: batch[field] for name, field in chosen.items()})


def _chosen(fields: Sequence[str], names: Sequence[str | None]) -> dict[str, str]:
    return {name: field for field, name in zip(fields, names, strict=True) if name is not None}


def fits_table(input: Input, choose: Choose) -> Iterator[pa.Table]:
    """The first table of a FITS file (FITS 4.0 section 7)."""
    with fits.open(_source(input), memmap=input.path is not None) as hdus:
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU | fits.TableHDU)), None)
        if table is None:
            raise LoadFault(f"{input.name} is a FITS file without a table")
        chosen = _chosen(table.columns.names, choose(table.columns.names))
        for start in range(0, len(table.data), ROWS):
            part = table.data[start : start + ROWS]
            yield pa.table(
                {name: _fits_array(part[field], table.columns[field].null) for name, field in chosen.items()}
            )


def _fits_array(values: Any, null: object) -> pa.Array:
    array = np.asarray(values)
    if array.dtype.kind in "SU":
        return pa.array(array.astype(str).tolist(), pa.string())
    if array.ndim > 1 or array.dtype.kind == "O":
        return _listed(array)
    native = array.astype(array.dtype.newbyteorder("="))
    return pa.array(native, mask=None if null is None else native == null)


def votable_table(input: Input, choose: Choose) -> Iterator[pa.Table]:
    """The first table with rows of a VOTable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = votable.parse(_source(input), verify="ignore")
    tables = [t for t in document.iter_tables() if t.array is not None]
    table = next((t for t in tables if len(t.array)), tables[0] if tables else None)
    if table is None:
        raise LoadFault(f"{input.name} is a VOTable without a table")
    names = choose([f.name for f in table.fields])
    arrays = {n: _masked(table.array[f.ID]) for f, n in zip(table.fields, names, strict=True) if n is not None}
    return _parts(arrays, len(table.array))


def _listed(rows: Any) -> pa.Array:
    """Arrays of numbers, of which an empty one is missing, and what is NaN throughout."""
    lists: list[Any] = [np.ma.filled(np.ma.asarray(row, dtype=float), np.nan).ravel() for row in rows]
    return pa.array([row.tolist() if np.isfinite(row).any() else None for row in lists], pa.list_(pa.float64()))


def _masked(values: Any) -> pa.Array:
    mask = np.ma.getmaskarray(values)
    if values.ndim > 1 or (values.dtype.kind == "O" and any(isinstance(v, np.ndarray) for v in values.data)):
        return _listed(values)
    if values.dtype.kind in "OSU":
        pairs = zip(values.data, mask, strict=True)
        return pa.array([None if out or v is None else str(v) for v, out in pairs], pa.string())
    return pa.array(np.asarray(values.data), mask=mask)


def ipac(input: Input, choose: Choose, columns: tuple[Column, ...]) -> Iterator[Rows]:
    """An IPAC table: columns of characters under the bars of its header."""
    stream = io.TextIOWrapper(input.stream, encoding="utf-8", errors="replace", newline="\n")
    header, number, body = _ipac_header(stream)
    bars = [i for i, c in enumerate(header[0]) if c == "|"]
    spans = list(pairwise(bars))
    names = choose([header[0][a + 1 : b].strip() for a, b in spans])
    nulls = [header[3][a + 1 : b].strip() for a, b in spans] if len(header) > 3 else [""] * len(spans)
    chosen = [(name, span, null) for name, span, null in zip(names, spans, nulls, strict=True) if name is not None]
    while lines := _block(body):
        found = {name: pa.array(_cells(lines, *span, {"", "null", null}), pa.string()) for name, span, null in chosen}
        yield Rows(input.name, "line", number, pa.table(found), columns)
        number += len(lines)
    stream.detach()


def _ipac_header(stream: io.TextIOWrapper) -> tuple[list[str], int, Iterator[str]]:
    """The lines between bars, the number of the line after them, and the lines from there on."""
    header: list[str] = []
    for number, line in enumerate(stream, 1):
        if line.startswith("|"):
            header.append(line)
        elif not line.startswith("\\"):
            return header, number, chain([line], stream)
    return header, 0, iter(())


def _block(body: Iterator[str]) -> list[str]:
    """The next lines, without empty ones at the end."""
    lines = [line.rstrip("\r\n") for line in islice(body, ROWS)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _cells(lines: Sequence[str], start: int, end: int, nulls: Collection[str]) -> list[str | None]:
    return [None if (cell := line[start:end].strip()) in nulls else cell for line in lines]
