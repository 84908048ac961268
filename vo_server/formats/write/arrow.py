"""Write the stream format of Apache Arrow, and the schema that Parquet files share.

The schema has the VOTable metadata of the table and of each column. A last batch without rows has QUERY_STATUS in its
metadata. An error after the first byte leaves the stream inside a message, so that no reader takes it for complete.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from vo_server.formats.arrays import buffer_chunks, cast_to_columns, split_blocks
from vo_server.formats.format import Format
from vo_server.formats.write.status import PLAIN_TEXT, overflow_info, plain_text_error
from vo_server.formats.write.votable import document_without_rows
from vo_server.model.result import Result
from vo_server.model.unique_names import make_unique

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

METADATA_KEYS = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")

TRUNCATED_MESSAGE = b"\xff\xff\xff\xff\x00\x10\x00\x00"
"""The first bytes of a message whose rest never follows."""

Metadata = dict[str, str]


def to_schema(result: Result, metadata: Metadata) -> pa.Schema:
    """Return the Arrow schema of a result: unique names, and the metadata of each column."""
    names = make_unique(c.name for c in result.columns)
    fields = []
    for name, column in zip(names, result.columns, strict=True):
        values = {key: getattr(column, key) for key in METADATA_KEYS}
        fields.append(pa.field(name, column.type.arrow, metadata={k: v for k, v in values.items() if v}))
    return pa.schema(fields, metadata=metadata)


def cast_batches(result: Result, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the types of the schema, block by block."""
    for batch in result.batches:
        for block in split_blocks(batch):
            yield pa.RecordBatch.from_arrays(cast_to_columns(block, result.columns), schema=schema)


def votable_metadata(result: Result, rows: int | None = None) -> Metadata:
    """Return the metadata of the note VOParquet 1.0: a VOTable without rows; with `rows` it has QUERY_STATUS, too."""
    return {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": document_without_rows(result, rows)}


def _write(result: Result) -> Iterator[bytes]:
    stream_schema = to_schema(result, votable_metadata(result))
    yield stream_schema.serialize().to_pybytes()
    yield from buffer_chunks(_write_messages(result, stream_schema))


def _write_messages(result: Result, stream_schema: pa.Schema) -> Iterator[bytes]:
    rows = 0
    try:
        for batch in cast_batches(result, stream_schema):
            yield batch.serialize().to_pybytes()
            rows += batch.num_rows
    except Exception:
        yield TRUNCATED_MESSAGE
        raise
    yield _end_stream(stream_schema, _status_metadata(result, rows))


def _end_stream(stream_schema: pa.Schema, status: Metadata) -> bytes:
    """Return a batch without rows that has the status, and the end of the stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, stream_schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], stream_schema), custom_metadata=status)
    data: bytes = sink.getvalue().to_pybytes()
    return data.removeprefix(stream_schema.serialize().to_pybytes())


def _status_metadata(result: Result, rows: int) -> Metadata:
    info = overflow_info(rows) if result.overflow else None
    return {"QUERY_STATUS": info.value, "message": info.text or ""} if info else {"QUERY_STATUS": "OK"}


ARROW = Format(
    name="arrow",
    label="Arrow, the stream format",
    media_type=MEDIA_TYPE,
    extension="arrows",
    write=_write,
    error_document=plain_text_error,
    error_media_type=PLAIN_TEXT,
    family=("arrow", MEDIA_TYPE),
)
