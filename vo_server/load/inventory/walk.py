"""A walk over an image collection as the source of a load: files are listed here and read by processes, some hundreds
at a time."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from vo_server.catalogue.catalogue import Publication
from vo_server.catalogue.images import Images
from vo_server.errors import LoadFault
from vo_server.load.inputs import Meter
from vo_server.load.inventory.headers import Headers, Read, Told, carried
from vo_server.load.inventory.listing import Listed, listing
from vo_server.load.inventory.notes import digest, read_noted
from vo_server.load.shape import Warn

CHUNK = 512
"""Files that a process reads at a time."""

_Reading = Callable[[Sequence[Listed]], tuple[list[Read], bool]]
_Submit = Callable[[Sequence[Listed]], "Future[tuple[list[Read], bool]]"]


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

    def pieces(self, publication: Publication, folder: Path, warn: Warn) -> Iterator[Headers]:
        """Their rows.

        Raises LoadFault for what is no collection, a folder that is not there and one without FITS files.
        """
        images, table = publication.images, publication.table
        if images is None:
            raise LoadFault(f"{table.qualified} is no collection of images", hint="name files to load")
        names, count = carried(table, images), 0
        strangers = [0] * len(self.told)
        for chunk in self._chunks(images, self._room(folder, images)):
            for n, told in enumerate(self.told):
                strangers[n] += sum(not told.add(read.row) for read in chunk if read.row is not None)
            yield Headers(self.root, count + 1, chunk, table.columns, names)
            count += len(chunk)
            self.gauge.read += sum(read.listed.size or 0 for read in chunk)
        if not count:
            raise LoadFault(f"there are no FITS files in {', '.join(self.folders)}")
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
        at_work: deque[Future[tuple[list[Read], bool]]] = deque()
        with _processes(self.processes, partial(read_noted, images, self.root, notes)) as submit:
            while chunk := list(islice(files, self.chunk)):
                at_work.append(submit(chunk))
                if len(at_work) > 2 * self.processes:
                    yield self._taken(at_work.popleft())
            while at_work:
                yield self._taken(at_work.popleft())

    def _taken(self, reading: Future[tuple[list[Read], bool]]) -> list[Read]:
        try:
            found, noted = reading.result()
        except BrokenProcessPool:
            hint = "the same command goes on where this one stopped"
            raise LoadFault("a process that read headers was killed", hint=hint) from None
        except OSError as error:
            raise LoadFault(f"{error.filename or self.root}: {error.strerror or error}") from error
        self.resumed += len(found) * noted
        return found


@contextmanager
def _processes(count: int, read: _Reading) -> Iterator[_Submit]:
    """Reads chunks in so many processes; the first one here, so that for a few files none need begin."""
    begun = False

    def submit(chunk: Sequence[Listed]) -> Future[tuple[list[Read], bool]]:
        nonlocal begun
        if begun and count > 1:
            return pool.submit(read, chunk)
        begun = True
        done: Future[tuple[list[Read], bool]] = Future()
        done.set_result(read(chunk))
        return done

    # Forking would copy the locks of the loader's threads.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield submit
    finally:
        pool.shutdown(cancel_futures=True)
