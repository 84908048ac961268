"""A result kept aside until its last row: for formats whose first bytes tell what only the last row does."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from vo_server.formats.arrays import PIECE

MEMORY = 8 << 20
"""Bytes that are kept in memory; what is larger goes to the folder for temporary files."""


def spool() -> IO[bytes]:
    """A file for the while of a `with`."""
    return SpooledTemporaryFile(MEMORY)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """All that is in a file."""
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece
