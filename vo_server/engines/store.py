"""Where the embedded engine keeps its files, and how a load takes the place of the one before.

    DATA/catalogues/*.toml                    catalogue files that `vo-server publish` has written
    DATA/catalogues/changed                   made anew whenever another file begins to serve
    DATA/catalogues/<id>/current              the name of the file that serves
    DATA/catalogues/<id>/<generation>.duckdb  table `rows`: the published columns and the hidden index, sorted by it,
                                              and table `meta`: what is known of them, in one row

A generation is written beside the others and becomes the current one by the rename of one small file, so a reader
sees the old rows or the new ones and never a mixture, and a load that dies leaves only litter for the next to sweep.
An open file stays readable after it is unlinked (POSIX), so a query in flight is not hurt by a sweep.
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


def published_in(data: Path) -> Path:
    """The folder of a data directory with those of the catalogues and with the catalogue files that lie beside them."""
    return data / "catalogues"


@dataclass(frozen=True, slots=True)
class Store:
    """The generations of every catalogue under one data directory."""

    data: Path

    def folder(self, id: str) -> Path:
        """The folder of a catalogue."""
        return published_in(self.data) / id

    def current(self, id: str) -> Path | None:
        """The file that serves a catalogue; None where nothing has been loaded."""
        try:
            name = (self.folder(id) / "current").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        return self.folder(id) / name

    @property
    def mark(self) -> Path:
        """The file by which `changed` knows."""
        return published_in(self.data) / "changed"

    def changed(self) -> tuple[int, int]:
        """Other than before if anything has been loaded since: so that one look tells of all catalogues."""
        try:
            found = self.mark.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    @contextmanager
    def writing(self, id: str) -> Iterator[Generation]:
        """A new generation to write: one writer a catalogue at a time, swept before and after.

        Raises LoadError when another process is loading the same catalogue.
        """
        folder = self.folder(id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LoadError(f"another load of {id} is under way in {self.data}") from None
            self._sweep(id)
            try:
                yield Generation(self, id, _generation_name())
            finally:
                self._sweep(id)

    def _sweep(self, id: str) -> None:
        current = self.current(id)
        keep = {"current", "lock", current.name if current else ""}
        for path in self.folder(id).iterdir():
            if path.name not in keep and path.is_file():
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Generation:
    """Files being written; nobody reads them before `publish`. Scratch files beside them share the name's stem."""

    store: Store
    id: str
    name: str

    @property
    def path(self) -> Path:
        """The database file to write."""
        return self.store.folder(self.id) / self.name

    def scratch(self, suffix: str) -> Path:
        """A path for a temporary file that the sweep removes."""
        return self.path.with_suffix(f".{suffix}")

    def publish(self) -> None:
        """Make this the generation that serves: durable first, then visible, in one rename."""
        _sync(self.path)
        for pointer in (self.store.folder(self.id) / "current", self.store.mark):
            made = self.scratch("pointer")
            with made.open("w", encoding="utf-8") as out:
                out.write(self.name)
                out.flush()
                os.fsync(out.fileno())
            made.replace(pointer)
            _sync(pointer.parent)


def _generation_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}.duckdb"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
