"""The stream format of Apache Arrow, and the schema that Parquet files have, too.

The schema carries what VOTable says of the table and of each column. A last batch without rows says in its metadata
whether the rows are all. A fault after the first byte leaves the stream in the middle of a message, so that no reader
takes it for a whole one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from vo_server.formats.arrays import blocks, conform, distinct, gather
from vo_server.formats.format import Format
from vo_server.formats.write.text import PLAIN, in_words
from vo_server.formats.write.votable import described, overflow
from vo_server.model.result import Result

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

SAID = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")

BROKEN = b"\xff\xff\xff\xff\x00\x10\x00\x00"
"""The beginning of a message of which nothing comes."""

Metadata = dict[str, str]


def schema(result: Result, metadata: Metadata) -> pa.Schema:
    """The columns as Arrow has them; no two have one name."""
    names = distinct(c.name for c in result.columns)
    fields = []
    for name, column in zip(names, result.columns, strict=True):
        said = {key: getattr(column, key) for key in SAID}
        fields.append(pa.field(name, column.type.arrow, metadata={k: v for k, v in said.items() if v}))
    return pa.schema(fields, metadata=metadata)


def batches(result: Result, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in the types of the schema."""
    for batch in result.batches:
        for block in blocks(batch):
            yield pa.RecordBatch.from_arrays(conform(block, result.columns), schema=schema)


def votable(result: Result, rows: int | None = None) -> Metadata:
    """The keys of the note VOParquet 1.0: a VOTable that has everything but the rows."""
    return {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": described(result, rows)}


def _write(result: Result) -> Iterator[bytes]:
    known = schema(result, votable(result))
    yield known.serialize().to_pybytes()
    yield from gather(_messages(result, known))


def _messages(result: Result, known: pa.Schema) -> Iterator[bytes]:
    rows = 0
    try:
        for batch in batches(result, known):
            yield batch.serialize().to_pybytes()
            rows += batch.num_rows
    except Exception:
        yield BROKEN
        raise
    yield _end(known, _status(result, rows))


def _end(known: pa.Schema, status: Metadata) -> bytes:
    """A batch without rows, and the end of the stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, known) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], known), custom_metadata=status)
    made: bytes = sink.getvalue().to_pybytes()
    return made.removeprefix(known.serialize().to_pybytes())


def _status(result: Result, rows: int) -> Metadata:
    info = overflow(rows) if result.overflow else None
    return {"QUERY_STATUS": info.value, "message": info.text or ""} if info else {"QUERY_STATUS": "OK"}


ARROW = Format(
    name="arrow",
    label="Arrow, the stream format",
    media_type=MEDIA_TYPE,
    extension="arrows",
    write=_write,
    fault=in_words,
    fault_type=PLAIN,
    family=("arrow", MEDIA_TYPE),
)
