"""Reader of VOTables, which are read as a whole."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from vo_server.formats.read import tables
from vo_server.formats.read.votable import read_described
from vo_server.load.input_files import InputFile
from vo_server.load.readers.metadata import normalise_metadata
from vo_server.load.readers.source_table import CHUNK_ROWS, SourceTable, open_on_disk
from vo_server.model.unique_names import make_unique


@contextmanager
def read_votable(input: InputFile) -> Iterator[SourceTable]:
    """Read the first table with rows of a VOTable."""
    with open_on_disk(input) as path, path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        table, fits, declared = read_described(data, with_rows=True)
        columns, arrays = table if table is not None else tables.read_fits(memoryview(fits))
    names = make_unique((c.name for c in columns), ignore_case=False)
    columns_by_name = dict(zip(names, arrays, strict=True))
    count = len(arrays[0]) if arrays else 0

    def read(fields: Sequence[str]) -> Iterator[pa.Table]:
        table = pa.table({field: columns_by_name[field] for field in fields})
        return (table.slice(start, CHUNK_ROWS) for start in range(0, count, CHUNK_ROWS))

    yield SourceTable(
        tuple(c.replace(name=name) for c, name in zip(columns, names, strict=True)),
        read,
        name=declared.name,
        description=next(
            (declared.descriptions[k] for k in ("TABLE", "RESOURCE", "VOTABLE") if k in declared.descriptions), None
        ),
        metadata=normalise_metadata(declared.infos),
    )
