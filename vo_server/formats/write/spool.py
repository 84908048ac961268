"""Temporary storage of a whole result, for formats whose first bytes depend on its last row."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from vo_server.formats.arrays import CHUNK_BYTES

MEMORY_BYTES = 8 << 20
"""Bytes that are kept in memory; a larger result goes to the folder for temporary files."""


def open_spool() -> IO[bytes]:
    """Open a temporary file, which is deleted when it is closed."""
    return SpooledTemporaryFile(MEMORY_BYTES)


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file from its beginning, in chunks of CHUNK_BYTES."""
    file.seek(0)
    while piece := file.read(CHUNK_BYTES):
        yield piece
