"""The first table of a FITS file (FITS 4.0 section 7), a stretch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits

from vo_server.errors import LoadError
from vo_server.formats.field import Field
from vo_server.formats.read import tables
from vo_server.load.inputs import Input
from vo_server.load.readers.described import Described, described, statements, text
from vo_server.load.readers.found import ROWS, Found, distinct, on_disk
from vo_server.model import types
from vo_server.model.column import Column

_BEGIN, _END = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", "--END-ASTROPY-SERIALIZED-COLUMNS--"
_OURS = ("author", "referenc", "origin", "telescop", "instrume", "object", "title", "bibcode", "doi", "date-obs")
"""Keywords that say where the data come from (FITS 4.0 section 4.4.2, and what is usual)."""


@contextmanager
def fits_table(input: Input) -> Iterator[Found]:
    """The first table of a FITS file."""
    with on_disk(input) as path, fits.open(path, memmap=True, logical_as_bytes=True, lazy_load_hdus=True) as hdus:
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU | fits.TableHDU)), None)
        if table is None:
            raise LoadError(f"{input.name} is a FITS file without a table")
        ascii = isinstance(table, fits.TableHDU)
        names = distinct([c.name for c in table.columns])
        places = {name: n for n, name in enumerate(names)}
        told = _astropy(table.header)
        if ascii and not len(table.data):
            raise LoadError(f"{input.name} has no rows")
        made = [_column(table, n, name, table.data[:1], ascii)[0] for name, n in places.items()]
        for n in () if ascii else places.values():
            tables.check_heap(table, n)

        def read(fields: Sequence[str]) -> Iterator[pa.Table]:
            for start in range(0, len(table.data), ROWS):
                rows = table.data[start : start + ROWS]
                yield pa.table({f: _column(table, places[f], f, rows, ascii)[1] for f in fields})

        headers = (hdus[0].header, table.header)
        yield Found(
            tuple(told.add_to(c) for c in made),
            read,
            {c.name: (types.DATE, types.TIMESTAMP) for c in made if _timely(c)},
            name=text(table.header.get("EXTNAME")),
            said=statements({key: h[key] for h in headers for key in _OURS if key in h}) | dict(told.said),
        )


def _column(table: Any, n: int, name: str, rows: Any, ascii: bool) -> tuple[Column, pa.Array]:
    column, values = _plain(table, n, rows) if ascii else tables.fits_column(table, n, rows, timed=False)
    return column.replace(name=name), values


def _plain(table: Any, n: int, rows: Any) -> tuple[Column, pa.Array]:
    """A column of an ASCII table, whose nulls astropy knows."""
    values = np.asarray(rows.field(n))
    name, said = table.columns[n].name, {"unit": table.columns[n].unit}
    if values.dtype.kind in "SU":
        return Column(name, types.VARCHAR, **said), pa.array(values.astype(str).tolist(), pa.string())
    native = values.astype(values.dtype.newbyteorder("="))
    kind = types.DOUBLE if native.dtype.kind == "f" else types.BIGINT
    return Column(name, kind, **said), pa.array(native, kind.arrow)


def _timely(column: Column) -> bool:
    return column.type.family == "text" and Field(column.name, "char", "*", column.label).is_time


def _astropy(header: Any) -> Described:
    """What astropy has said in COMMENTs that FITS has no words for: descriptions."""
    comments = [str(line) for line in header.get("COMMENT", ())]
    if _BEGIN not in comments or _END not in comments:
        return Described()
    lines: list[str] = []
    joins = False
    for line in comments[comments.index(_BEGIN) + 1 : comments.index(_END)]:
        if joins:
            lines[-1] += line.removesuffix("\\")
        else:
            lines.append(line.removesuffix("\\"))
        joins = line.endswith("\\")
    return described(lines)
