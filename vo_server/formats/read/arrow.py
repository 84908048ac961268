"""How large the messages of an Arrow stream are when they are unpacked, before they are.

A message says whether its buffers are packed (Message.fbs and Schema.fbs of Arrow); each packed one begins with its
length. Nothing of pyarrow tells this, so the few offsets of its flatbuffers are followed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

import pyarrow as pa

HEADER = 2
"""The slot of a Message that holds its RecordBatch or DictionaryBatch."""

DATA, BUFFERS, COMPRESSION = 1, 2, 3
"""Slots: of a DictionaryBatch, its RecordBatch; of a RecordBatch, where its buffers are and how they are packed."""


def sizes(data: memoryview) -> Iterator[int]:
    """The bytes of each message, unpacked."""
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(data))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message.type in ("record batch", "dictionary"):
            yield _size(message.metadata.to_pybytes(), message.body.to_pybytes(), message.type == "dictionary")


def _size(metadata: bytes, body: bytes, dictionary: bool) -> int:
    batch = _table(metadata, _follow(metadata, 0), HEADER)
    batch = _table(metadata, batch, DATA) if dictionary and batch else batch
    if not batch or not _slot(metadata, batch, COMPRESSION):
        return len(body)
    vector = _table(metadata, batch, BUFFERS)
    (count,) = unpack_from("<I", metadata, vector)
    places = [unpack_from("<qq", metadata, vector + 4 + 16 * n) for n in range(count)]
    return sum(max(unpack_from("<q", body, at)[0], length) for at, length in places if length >= 8)


def _follow(metadata: bytes, at: int) -> int:
    return at + int(unpack_from("<I", metadata, at)[0])


def _slot(metadata: bytes, table: int, slot: int) -> int:
    """Where a field of a table is; 0 where it is not."""
    vtable = table - int(unpack_from("<i", metadata, table)[0])
    if 4 + 2 * slot >= unpack_from("<H", metadata, vtable)[0]:
        return 0
    offset = int(unpack_from("<H", metadata, vtable + 4 + 2 * slot)[0])
    return table + offset if offset else 0


def _table(metadata: bytes, table: int, slot: int) -> int:
    at = _slot(metadata, table, slot)
    return _follow(metadata, at) if at else 0
