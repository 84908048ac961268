"""A walk over an image collection as the source of a load: files are listed here and read by processes, some hundreds
at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import Images
from vo_server.errors import LoadError
from vo_server.load.inputs import Meter
from vo_server.load.inventory.checkpoint import digest, read_noted
from vo_server.load.inventory.headers import Headers, Read, Told, carried
from vo_server.load.shape import Warn
from vo_server.load.workers import in_order
from vo_server.storage.listing import listing

CHUNK = 512
"""Files that a process reads at a time."""


@dataclass(slots=True)
class Walk:
    """The files below folders of a collection's root, read in so many processes.

    `told` fills what no header has. `resumed` counts the files that an earlier walk had read.
    """

    root: str
    folders: Sequence[str]
    told: Sequence[Told] = ()
    processes: int = 1
    chunk: int = CHUNK
    gauge: Meter = field(default_factory=lambda: Meter(None))
    resumed: int = 0
    _notes: Path | None = None

    @property
    def names(self) -> Sequence[str]:
        """The folders."""
        return list(self.folders)

    def said(self, publication: Collection) -> Collection:
        """As it is published."""
        return publication

    def pieces(self, publication: Collection, folder: Path, warn: Warn) -> Iterator[Headers]:
        """Their rows.

        Raises LoadError for what is no collection, a folder that is not there and one without FITS files.
        """
        images, table = publication.images, publication.table
        if images is None:
            raise LoadError(f"{table.qualified} is no collection of images", hint="name files to load")
        names, count = carried(table, images), 0
        strangers = [0] * len(self.told)
        for chunk in self._chunks(images, self._room(folder, images)):
            for n, told in enumerate(self.told):
                strangers[n] += sum(not told.add(read.row) for read in chunk if read.row is not None)
            yield Headers(self.root, count + 1, chunk, table.columns, names)
            count += len(chunk)
            self.gauge.read += sum(read.listed.size or 0 for read in chunk)
        if not count:
            raise LoadError(f"there are no FITS files in {', '.join(self.folders)}")
        for told, unknown in zip(self.told, strangers, strict=True):
            if unknown:
                warn(f"{unknown:,} images have no {', '.join(told.take)}: {told.table} has no row of them")
        if self.resumed:
            warn(f"{self.resumed:,} files had been read by a walk that was broken off, and have not changed")

    def done(self) -> None:
        """The notes go."""
        if self._notes is not None:
            shutil.rmtree(self._notes, ignore_errors=True)

    def _room(self, folder: Path, images: Images) -> Path:
        """The folder of the notes of this walk; those of others, as of a collection that is described anew, go."""
        room = folder / f"headers-{digest((images, self.root))}"
        for other in folder.glob("headers-*"):
            if other != room:
                shutil.rmtree(other, ignore_errors=True)
        room.mkdir(parents=True, exist_ok=True)
        self._notes = room
        return room

    def _chunks(self, images: Images, notes: Path) -> Iterator[list[Read]]:
        """What is known of each file, in the order of the listing."""
        files = listing(self.root, self.folders)
        chunks = iter(lambda: list(islice(files, self.chunk)), [])
        read = partial(read_noted, images, self.root, notes)
        try:
            for found, noted in in_order(read, chunks, self.processes):
                self.resumed += len(found) * noted
                yield found
        except OSError as error:
            raise LoadError(f"{error.filename or self.root}: {error.strerror or error}") from error
