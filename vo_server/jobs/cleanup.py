"""What is done for all jobs: those of dead workers, those whose end has come, and the room that results take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vo_server.jobs.files import Files
from vo_server.jobs.store import Store
from vo_server.model.job import ACTIVE


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: `most` of one result, `all` of all of them; 0 for no limit."""

    most: int = 0
    all: int = 0


class Sweep:
    """Every worker sweeps; to do it twice does no harm."""

    def __init__(self, store: Store, files: Files, room: Room) -> None:
        self._store = store
        self._files = files
        self._room = room

    def jobs(self) -> None:
        """Jobs whose worker has died are queued again; those whose end has come are destroyed."""
        self._store.reclaim()
        self._destroy(self._store.expired())

    def room(self) -> None:
        """Those that ended first are destroyed when all results take more room than they may, and folders of no job
        are removed."""
        if self._room.all:
            self._destroy(self._store.eldest(self._room.all))
        self._destroy(self._litter())

    def _destroy(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._store.delete(id)
            self._files.remove(id)

    def _litter(self) -> Iterator[str]:
        """Folders of no job. Of one that has ended what attempts that were killed have left is removed at once."""
        for id in self._files.litter():
            job = self._store.get(id)
            if job is None:
                yield id
            elif job.phase not in ACTIVE:
                self._files.clear(id, [made.file for made in job.made])
