"""Reader of the first table of a FITS file (FITS 4.0 section 7), in chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits

from vo_server.errors import Code, LoadError
from vo_server.formats.field import Field
from vo_server.formats.read import tables
from vo_server.load.input_files import InputFile
from vo_server.load.readers.metadata import TableMetadata, normalise_metadata, parse_yaml_metadata, to_line
from vo_server.load.readers.source_table import CHUNK_ROWS, SourceTable, open_on_disk
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.unique_names import make_unique

_BEGIN, _END = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", "--END-ASTROPY-SERIALIZED-COLUMNS--"
_KEYWORDS = ("author", "referenc", "origin", "telescop", "instrume", "object", "title", "bibcode", "doi", "date-obs")
"""Keywords of the origin of the data (FITS 4.0 section 4.4.2, and common practice)."""


@contextmanager
def read_fits(input: InputFile) -> Iterator[SourceTable]:
    """Read the first table of a FITS file.

    Raises LoadError if the file has no table.
    """
    with open_on_disk(input) as path, fits.open(path, memmap=True, logical_as_bytes=True, lazy_load_hdus=True) as hdus:
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU | fits.TableHDU)), None)
        if table is None:
            raise LoadError(f"{input.name} is a FITS file without a table", code=Code.LOAD_UNREADABLE)
        ascii = isinstance(table, fits.TableHDU)
        names = make_unique((c.name for c in table.columns), ignore_case=False)
        indices = {name: n for n, name in enumerate(names)}
        metadata = _read_astropy_metadata(table.header)
        if ascii and not len(table.data):
            raise LoadError(f"{input.name} has no rows", code=Code.LOAD_FAILED)
        columns = [_read_column(table, n, name, table.data[:1], ascii)[0] for name, n in indices.items()]
        for n in () if ascii else indices.values():
            tables.check_heap(table, n)

        def read(fields: Sequence[str]) -> Iterator[pa.Table]:
            for start in range(0, len(table.data), CHUNK_ROWS):
                rows = table.data[start : start + CHUNK_ROWS]
                yield pa.table({f: _read_column(table, indices[f], f, rows, ascii)[1] for f in fields})

        headers = (hdus[0].header, table.header)
        yield SourceTable(
            tuple(metadata.add_to(c) for c in columns),
            read,
            {c.name: (types.DATE, types.TIMESTAMP) for c in columns if _is_time(c)},
            name=to_line(table.header.get("EXTNAME")),
            metadata=normalise_metadata({key: h[key] for h in headers for key in _KEYWORDS if key in h})
            | dict(metadata.metadata),
        )


def _read_column(table: Any, n: int, name: str, rows: Any, ascii: bool) -> tuple[Column, pa.Array]:
    column, values = (
        _read_ascii_column(table, n, rows) if ascii else tables.read_fits_column(table, n, rows, with_times=False)
    )
    return column.replace(name=name), values


def _read_ascii_column(table: Any, n: int, rows: Any) -> tuple[Column, pa.Array]:
    """Return a column of an ASCII table, whose nulls astropy recognises."""
    values = np.asarray(rows.field(n))
    name, unit = table.columns[n].name, table.columns[n].unit
    if values.dtype.kind in "SU":
        return Column(name, types.VARCHAR, unit=unit), pa.array(values.astype(str).tolist(), pa.string())
    native = values.astype(values.dtype.newbyteorder("="))
    kind = types.DOUBLE if native.dtype.kind == "f" else types.BIGINT
    return Column(name, kind, unit=unit), pa.array(native, kind.arrow)


def _is_time(column: Column) -> bool:
    return column.type.family == "text" and Field(column.name, "char", "*", column.xtype_override).is_time


def _read_astropy_metadata(header: Any) -> TableMetadata:
    """Return the metadata, such as descriptions, that astropy has written in COMMENT cards."""
    comments = [str(line) for line in header.get("COMMENT", ())]
    if _BEGIN not in comments or _END not in comments:
        return TableMetadata()
    lines: list[str] = []
    joins = False
    for line in comments[comments.index(_BEGIN) + 1 : comments.index(_END)]:
        if joins:
            lines[-1] += line.removesuffix("\\")
        else:
            lines.append(line.removesuffix("\\"))
        joins = line.endswith("\\")
    return parse_yaml_metadata(lines)
