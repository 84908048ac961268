"""The files of the embedded engine, and how a load replaces the one before.

    DATA/catalogues/*.toml                    catalogue files that `vo-server publish` has written
    DATA/catalogues/changed                   rewritten whenever a new generation is published
    DATA/catalogues/<id>/current              the name of the served file
    DATA/catalogues/<id>/<generation>.duckdb  table `rows`: the published columns and the hidden index, sorted by it,
                                              and table `meta`: facts about the rows, in one row

A generation is written beside the others and becomes the served one by the rename of one small file, so a reader sees
the old rows or the new ones and never a mixture. A killed load leaves files that the next load cleans up. An open file
stays readable after it is unlinked (POSIX), so the cleanup does not disturb running queries.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vo_server.errors import LoadError

ROWS, META = "rows", "meta"


def get_catalogue_folder(data: Path) -> Path:
    """Return the folder of a data directory with the catalogue files and a folder for each collection."""
    return data / "catalogues"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory with the generations of all collections."""

    data: Path

    def get_collection_folder(self, id: str) -> Path:
        """Return the folder of a collection."""
        return get_catalogue_folder(self.data) / id

    def find_current_file(self, id: str) -> Path | None:
        """Return the served file of a collection; None if nothing has been loaded."""
        try:
            name = (self.get_collection_folder(id) / "current").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        return self.get_collection_folder(id) / name

    @property
    def change_marker(self) -> Path:
        """The file that every publication of a generation rewrites."""
        return get_catalogue_folder(self.data) / "changed"

    def read_change(self) -> tuple[int, int]:
        """Return a value that changes with every load of any collection: inode and modification time of the marker."""
        try:
            status = self.change_marker.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns

    @contextmanager
    def open_new_generation(self, id: str) -> Iterator[NewGeneration]:
        """Open a new generation for writing, under a lock for each collection; clean up before and after.

        Raises LoadError if another process is loading the same collection.
        """
        folder = self.get_collection_folder(id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another load of {id} is running in {self.data}"
                raise LoadError(message, hint="wait until it has ended") from None
            self._clean_folder(id)
            try:
                yield NewGeneration(self, id, _make_file_name())
            finally:
                self._clean_folder(id)

    def _clean_folder(self, id: str) -> None:
        current = self.find_current_file(id)
        keep = {"current", "lock", current.name if current else ""}
        for path in self.get_collection_folder(id).iterdir():
            if path.name not in keep and path.is_file():
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """A generation that is being written and not served before `publish`. Its scratch files share its name's stem."""

    store: DataDirectory
    id: str
    name: str

    @property
    def path(self) -> Path:
        """The database file to write."""
        return self.store.get_collection_folder(self.id) / self.name

    def get_scratch_path(self, suffix: str) -> Path:
        """Return the path of a temporary file, which the cleanup removes."""
        return self.path.with_suffix(f".{suffix}")

    def publish(self) -> None:
        """Make this the served generation: flush it to the disk, then make it visible by one rename."""
        _sync(self.path)
        for pointer in (self.store.get_collection_folder(self.id) / "current", self.store.change_marker):
            pointer_file = self.get_scratch_path("pointer")
            with pointer_file.open("w", encoding="utf-8") as out:
                out.write(self.name)
                out.flush()
                os.fsync(out.fileno())
            pointer_file.replace(pointer)
            _sync(pointer.parent)


def _make_file_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}.duckdb"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
