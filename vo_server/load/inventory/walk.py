"""A walk over an image collection as the source of a load: files are listed here, and processes read their headers in
chunks of some hundreds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import ImageCollection
from vo_server.errors import Code, LoadError
from vo_server.load.column_mapping import WarningHandler
from vo_server.load.counts import format_count
from vo_server.load.input_files import Meter
from vo_server.load.inventory.checkpoint import compute_digest, read_with_checkpoint
from vo_server.load.inventory.headers import InventoryChunk, InventoryEntry, LookupTable, list_filled_columns
from vo_server.load.process_pool import map_in_processes
from vo_server.storage.listing import list_fits_files

FILES_PER_CHUNK = 512
"""Files that a process reads at a time."""


@dataclass(slots=True)
class Walk:
    """The files below folders of a collection's root, read in `processes` processes.

    `lookups` fill values that no header has. `resumed` counts the files that an interrupted walk had read.
    """

    root: str
    folders: Sequence[str]
    lookups: Sequence[LookupTable] = ()
    processes: int = 1
    chunk_size: int = FILES_PER_CHUNK
    meter: Meter = field(default_factory=lambda: Meter(None))
    resumed: int = 0
    _checkpoint_folder: Path | None = None

    @property
    def names(self) -> Sequence[str]:
        """The folders."""
        return list(self.folders)

    def describe_rows(self, collection: Collection) -> Collection:
        """Return the collection as it is published."""
        return collection

    def read_chunks(self, collection: Collection, folder: Path, warn: WarningHandler) -> Iterator[InventoryChunk]:
        """Yield the rows in chunks.

        Raises LoadError for a collection without images, a missing folder, and folders without FITS files.
        """
        images, table = collection.images, collection.table
        if images is None:
            raise LoadError(
                f"{table.qualified_name} is not an image collection", hint="name files to load", code=Code.LOAD_MISMATCH
            )
        names, count = list_filled_columns(table, images), 0
        missing = [0] * len(self.lookups)
        for chunk in self._read_entries(images, self._prepare_checkpoints(folder, images)):
            for n, lookup in enumerate(self.lookups):
                missing[n] += sum(not lookup.fill_row(read.row) for read in chunk if read.row is not None)
            yield InventoryChunk(self.root, count + 1, chunk, table.columns, names)
            count += len(chunk)
            self.meter.read += sum(read.file.size or 0 for read in chunk)
        if not count:
            raise LoadError(f"there are no FITS files in {', '.join(self.folders)}", code=Code.LOAD_UNREADABLE)
        for lookup, count_missing in zip(self.lookups, missing, strict=True):
            if count_missing:
                images_missing, columns = format_count(count_missing, "image"), ", ".join(lookup.columns)
                warn(f"{images_missing} without {columns}: {lookup.table} has no matching row")
        if self.resumed:
            warn(f"{format_count(self.resumed, 'file')} already read by an interrupted walk, and unchanged since then")

    def finish(self) -> None:
        """Remove the checkpoints."""
        if self._checkpoint_folder is not None:
            shutil.rmtree(self._checkpoint_folder, ignore_errors=True)

    def _prepare_checkpoints(self, folder: Path, images: ImageCollection) -> Path:
        """Create the folder of this walk's checkpoints; remove those of others, as of a changed description."""
        checkpoints = folder / f"headers-{compute_digest((images, self.root))}"
        for other in folder.glob("headers-*"):
            if other != checkpoints:
                shutil.rmtree(other, ignore_errors=True)
        checkpoints.mkdir(parents=True, exist_ok=True)
        self._checkpoint_folder = checkpoints
        return checkpoints

    def _read_entries(self, images: ImageCollection, checkpoints: Path) -> Iterator[list[InventoryEntry]]:
        """Yield the entries of the files in chunks, in the order of the listing."""
        files = list_fits_files(self.root, self.folders)
        chunks = iter(lambda: list(islice(files, self.chunk_size)), [])
        read = partial(read_with_checkpoint, images, self.root, checkpoints)
        try:
            for entries, from_checkpoint in map_in_processes(read, chunks, self.processes):
                self.resumed += len(entries) * from_checkpoint
                yield entries
        except OSError as error:
            message = f"{error.filename or self.root}: {error.strerror or error}"
            raise LoadError(message, code=Code.LOAD_UNREADABLE) from error
