"""The interface of the sources of a load: table files (table_files.py) or image files (inventory/)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vo_server.catalogue.catalogue import Collection
from vo_server.load.chunks import Chunk
from vo_server.load.column_mapping import WarningHandler
from vo_server.load.input_files import Meter


class Source(Protocol):
    """The rows to load."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the files, which are stored with the table."""

    @property
    def meter(self) -> Meter:
        """Return the meter of the bytes read so far."""

    def describe_rows(self, collection: Collection) -> Collection:
        """Return the collection with the columns that the rows have: they are validated against it."""

    def read_chunks(self, collection: Collection, folder: Path, warn: WarningHandler) -> Iterator[Chunk]:
        """Yield the rows in chunks. Checkpoints of an interrupted load may be kept in `folder`.

        Raises LoadError.
        """

    def finish(self) -> None:
        """Remove checkpoints: the rows are published."""
