"""Parquet, with what VOParquet 1.0, astropy and plain Arrow metadata say of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vo_server.formats.read import tables
from vo_server.formats.read.votable import read_told
from vo_server.load.inputs import Input
from vo_server.load.readers.described import described, statements, text
from vo_server.load.readers.found import ROWS, Found, on_disk

_VOTABLE = b"IVOA.VOTable-Parquet.content"
_ASTROPY = b"table_meta_yaml"
_MASK = ".mask"


@contextmanager
def parquet(input: Input) -> Iterator[Found]:
    """A Parquet file."""
    with on_disk(input) as path, pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        said = {key: value for key, value in (schema.metadata or {}).items() if key not in (b"ARROW:schema", b"pandas")}
        masks = {n: n + _MASK for n in schema.names if _ASTROPY in said and n + _MASK in schema.names}

        def read(fields: Sequence[str]) -> Iterator[pa.Table]:
            wanted = [*fields, *(masks[f] for f in fields if f in masks)]
            for batch in file.iter_batches(ROWS, columns=wanted):
                yield pa.table({field: _masked(batch, field, masks) for field in fields})

        yield _found(schema, said, set(masks.values()), read)


def _masked(batch: pa.RecordBatch, field: str, masks: Mapping[str, str]) -> pa.Array:
    """astropy writes a masked column as two."""
    values = batch[field]
    if field not in masks:
        return values
    return pc.if_else(batch[masks[field]], pa.scalar(None, values.type), values)


def _found(schema: pa.Schema, said: dict[bytes, bytes], masks: set[str], read: object) -> Found:
    votable, yaml = said.pop(_VOTABLE, None), said.pop(_ASTROPY, b"")
    told = described(yaml.decode(errors="replace").splitlines())
    columns, _ = tables.described(schema.empty_table(), votable, 0)
    seen = read_told(memoryview(votable))[2] if votable else None
    plain = statements({k.decode(errors="replace"): v.decode(errors="replace") for k, v in said.items()})
    return Found(
        tuple(told.add_to(c) for c in columns if c.name not in masks),
        read,  # type: ignore[arg-type]
        name=seen.name if seen else None,
        description=text(seen.descriptions.get("TABLE")) if seen else None,
        said=plain | dict(told.said) | (statements(seen.infos) if seen else {}),
    )
