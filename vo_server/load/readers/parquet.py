"""Reader of Parquet with the metadata of VOParquet 1.0, astropy and Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vo_server.formats.read import tables
from vo_server.formats.read.votable import read_described
from vo_server.load.input_files import InputFile
from vo_server.load.readers.metadata import normalise_metadata, parse_yaml_metadata, to_line
from vo_server.load.readers.source_table import CHUNK_ROWS, SourceTable, open_on_disk

_VOTABLE = b"IVOA.VOTable-Parquet.content"
_ASTROPY = b"table_meta_yaml"
_MASK_SUFFIX = ".mask"


@contextmanager
def read_parquet(input: InputFile) -> Iterator[SourceTable]:
    """Read a Parquet file."""
    with open_on_disk(input) as path, pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        metadata = {
            key: value for key, value in (schema.metadata or {}).items() if key not in (b"ARROW:schema", b"pandas")
        }
        masks = {n: n + _MASK_SUFFIX for n in schema.names if _ASTROPY in metadata and n + _MASK_SUFFIX in schema.names}

        def read(fields: Sequence[str]) -> Iterator[pa.Table]:
            columns = [*fields, *(masks[f] for f in fields if f in masks)]
            for batch in file.iter_batches(CHUNK_ROWS, columns=columns):
                yield pa.table({field: _apply_mask(batch, field, masks) for field in fields})

        yield _build_source_table(schema, metadata, set(masks.values()), read)


def _apply_mask(batch: pa.RecordBatch, field: str, masks: Mapping[str, str]) -> pa.Array:
    """Return a column with its mask, which astropy writes as a second column, applied."""
    values = batch[field]
    if field not in masks:
        return values
    return pc.if_else(batch[masks[field]], pa.scalar(None, values.type), values)


def _build_source_table(schema: pa.Schema, metadata: dict[bytes, bytes], masks: set[str], read: object) -> SourceTable:
    votable, yaml = metadata.pop(_VOTABLE, None), metadata.pop(_ASTROPY, b"")
    yaml_metadata = parse_yaml_metadata(yaml.decode(errors="replace").splitlines())
    columns, _ = tables.describe_columns(schema.empty_table(), votable, 0)
    declared = read_described(memoryview(votable))[2] if votable else None
    texts = normalise_metadata({k.decode(errors="replace"): v.decode(errors="replace") for k, v in metadata.items()})
    return SourceTable(
        tuple(yaml_metadata.add_to(c) for c in columns if c.name not in masks),
        read,  # type: ignore[arg-type]
        name=declared.name if declared else None,
        description=to_line(declared.descriptions.get("TABLE")) if declared else None,
        metadata=texts | dict(yaml_metadata.metadata) | (normalise_metadata(declared.infos) if declared else {}),
    )
