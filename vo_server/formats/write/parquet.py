"""Parquet with what VOTable says of it, after the note VOParquet 1.0.

A Parquet file tells at its end what is in it, so the file is whole before its first byte leaves: a fault of any row
is told in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from vo_server.formats.format import Format
from vo_server.formats.write.arrow import batches, schema, votable
from vo_server.formats.write.spool import pieces, spool
from vo_server.formats.write.text import PLAIN, in_words
from vo_server.model.result import Result

MEDIA_TYPE = "application/vnd.apache.parquet"

GROUP = 6 << 20
"""Bytes of the rows of a row group, but for the last: they, and what is packed of them, are in memory."""

MOST = 122_880
"""Rows of a row group; a few more may be."""


def _write(result: Result) -> Iterator[bytes]:
    known = schema(result, {})
    texts = [f.name for f in known if pa.types.is_string(f.type)]
    with spool() as file:
        rows = 0
        with pq.ParquetWriter(file, known, compression="snappy", use_dictionary=texts, version="2.6") as writer:
            for group in _groups(batches(result, known)):
                writer.write_table(group)
                rows += group.num_rows
            writer.add_key_value_metadata(votable(result, rows))
        yield from pieces(file)


def _groups(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in rows:
        held.append(batch)
        if sum(b.nbytes for b in held) >= GROUP or sum(b.num_rows for b in held) >= MOST:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


PARQUET = Format(
    name="parquet",
    label="Parquet with VOTable metadata",
    media_type=MEDIA_TYPE,
    extension="parquet",
    write=_write,
    fault=in_words,
    fault_type=PLAIN,
    family=("parquet", MEDIA_TYPE, "application/parquet"),
)
