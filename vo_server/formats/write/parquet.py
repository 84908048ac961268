"""Write Parquet with VOTable metadata, after the note VOParquet 1.0.

The footer of a Parquet file describes its rows, so the file is complete before its first byte is sent: an error of any
row gives an error document in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from vo_server.formats.format import Format
from vo_server.formats.write.arrow import cast_batches, to_schema, votable_metadata
from vo_server.formats.write.spool import open_spool, read_chunks
from vo_server.formats.write.status import PLAIN_TEXT, plain_text_error
from vo_server.model.result import Result

MEDIA_TYPE = "application/vnd.apache.parquet"

GROUP_BYTES = 6 << 20
"""Bytes of a row group, except the last: its rows and their compressed pages are in memory."""

GROUP_ROWS = 122_880
"""Rows of a row group, or a few more."""


def _write(result: Result) -> Iterator[bytes]:
    file_schema = to_schema(result, {})
    texts = [f.name for f in file_schema if pa.types.is_string(f.type)]
    with open_spool() as file:
        rows = 0
        with pq.ParquetWriter(file, file_schema, compression="snappy", use_dictionary=texts, version="2.6") as writer:
            for group in _group_rows(cast_batches(result, file_schema)):
                writer.write_table(group)
                rows += group.num_rows
            writer.add_key_value_metadata(votable_metadata(result, rows))
        yield from read_chunks(file)


def _group_rows(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    buffer: list[pa.RecordBatch] = []
    for batch in rows:
        buffer.append(batch)
        if sum(b.nbytes for b in buffer) >= GROUP_BYTES or sum(b.num_rows for b in buffer) >= GROUP_ROWS:
            yield pa.Table.from_batches(buffer)
            buffer = []
    if buffer:
        yield pa.Table.from_batches(buffer)


PARQUET = Format(
    name="parquet",
    label="Parquet with VOTable metadata",
    page_label="Parquet",
    media_type=MEDIA_TYPE,
    extension="parquet",
    write=_write,
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("parquet", MEDIA_TYPE, "application/parquet"),
)
