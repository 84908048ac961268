"""VOTables. A table is read as a whole."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from vo_server.formats.read import tables
from vo_server.formats.read.votable import read_told
from vo_server.load.inputs import Input
from vo_server.load.readers.described import statements
from vo_server.load.readers.found import ROWS, Found, distinct, on_disk


@contextmanager
def votable(input: Input) -> Iterator[Found]:
    """The first table with rows of a VOTable."""
    with on_disk(input) as path, path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        made, fits, seen = read_told(data, filled=True)
        columns, arrays = made if made is not None else tables.fits(memoryview(fits))
    names = distinct([c.name for c in columns])
    whole = dict(zip(names, arrays, strict=True))
    count = len(arrays[0]) if arrays else 0

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        table = pa.table({field: whole[field] for field in fields})
        return (table.slice(start, ROWS) for start in range(0, count, ROWS))

    yield Found(
        tuple(c.replace(name=name) for c, name in zip(columns, names, strict=True)),
        read,
        name=seen.name,
        description=next(
            (seen.descriptions[k] for k in ("TABLE", "RESOURCE", "VOTABLE") if k in seen.descriptions), None
        ),
        said=statements(seen.infos),
    )
