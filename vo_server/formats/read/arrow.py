"""The uncompressed sizes of the messages of an Arrow stream, found without decompressing them.

The header of a message says whether its buffers are compressed (Message.fbs and Schema.fbs of Arrow); each compressed
buffer begins with its uncompressed length. pyarrow does not offer these, so this module follows the offsets of the
flatbuffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

import pyarrow as pa

HEADER = 2
"""The slot of a Message with its RecordBatch or DictionaryBatch."""

DATA, BUFFERS, COMPRESSION = 1, 2, 3
"""Slots: of a DictionaryBatch, its RecordBatch; of a RecordBatch, its buffers and their compression."""


def message_sizes(data: memoryview) -> Iterator[int]:
    """Yield the uncompressed bytes of each message with rows or a dictionary."""
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(data))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message.type in ("record batch", "dictionary"):
            yield _unpacked_size(message.metadata.to_pybytes(), message.body.to_pybytes(), message.type == "dictionary")


def _unpacked_size(metadata: bytes, body: bytes, dictionary: bool) -> int:
    batch = _find_table(metadata, _follow_offset(metadata, 0), HEADER)
    batch = _find_table(metadata, batch, DATA) if dictionary and batch else batch
    if not batch or not _find_slot(metadata, batch, COMPRESSION):
        return len(body)
    vector = _find_table(metadata, batch, BUFFERS)
    (count,) = unpack_from("<I", metadata, vector)
    buffers = [unpack_from("<qq", metadata, vector + 4 + 16 * n) for n in range(count)]
    return sum(max(unpack_from("<q", body, at)[0], length) for at, length in buffers if length >= 8)


def _follow_offset(metadata: bytes, at: int) -> int:
    return at + int(unpack_from("<I", metadata, at)[0])


def _find_slot(metadata: bytes, table: int, slot: int) -> int:
    """Return the position of a field of a flatbuffers table, 0 where the table does not have it."""
    vtable = table - int(unpack_from("<i", metadata, table)[0])
    if 4 + 2 * slot >= unpack_from("<H", metadata, vtable)[0]:
        return 0
    offset = int(unpack_from("<H", metadata, vtable + 4 + 2 * slot)[0])
    return table + offset if offset else 0


def _find_table(metadata: bytes, table: int, slot: int) -> int:
    at = _find_slot(metadata, table, slot)
    return _follow_offset(metadata, at) if at else 0
