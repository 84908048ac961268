"""What belongs to a job and is no row: the tables that came with it, and its result.

    FOLDER/<job>/<name>.upload   a table that was sent, in Arrow's file format, with its columns in the metadata
    FOLDER/<job>/<token>.result  a result, whole; another attempt has another token
    FOLDER/<job>/<token>.part    a result being written

A file has its name when it is whole and on the disk, and only then does a row speak of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

import pyarrow as pa

from vo_server.errors import UsageFault
from vo_server.model.column import Column
from vo_server.model.types import named

_TOLD = b"vo_server.upload"

LITTER = 3600.0
"""Seconds after which a folder that no job speaks of is removed: before, it may be that of a job being made."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table that came with a job."""

    name: str
    columns: tuple[Column, ...]
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Written:
    """A result on the disk: its file, bytes and a word that no other content has."""

    file: str
    size: int
    etag: str


class Files:
    """The folders of all jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, id: str, file: str) -> Path:
        """Where a file of a job is."""
        return self.folder / id / file

    # -------------------------------------------------------------- uploads

    def keep(self, id: str, tables: Iterable[Kept]) -> None:
        """Write the tables that came with a job; when this returns they are there to stay."""
        for table in tables:
            said = {"name": table.name, "columns": [_told(column) for column in table.columns]}
            rows = table.rows.replace_schema_metadata({_TOLD: json.dumps(said).encode()})
            with self._new(id, f"{table.name.lower()}.upload") as out, pa.ipc.new_file(out, rows.schema) as writer:
                writer.write_table(rows)

    def uploads(self, id: str) -> list[Kept]:
        """The tables that came with a job."""
        found = sorted(self.folder.joinpath(id).glob("*.upload"))
        return [self.upload(id, path.stem) for path in found]

    def upload(self, id: str, name: str) -> Kept:
        """One of them. Its rows are mapped from the file, which may be removed meanwhile."""
        with pa.memory_map(str(self.path(id, f"{name.lower()}.upload"))) as source:
            rows = pa.ipc.open_file(source).read_all()
        told = json.loads(rows.schema.metadata[_TOLD])
        columns = tuple(Column(**c | {"type": named(c["type"])}) for c in told["columns"])
        return Kept(told["name"], columns, rows.replace_schema_metadata(None))

    def upload_bytes(self, id: str) -> int:
        """What the tables that came with a job have on the disk."""
        return sum(path.stat().st_size for path in self.folder.joinpath(id).glob("*.upload"))

    # -------------------------------------------------------------- results

    def write(self, id: str, pieces: Iterable[bytes], most: int) -> Written:
        """Write a result; when this returns it is there to stay.

        Raises UsageFault where it has more bytes than `most`, OSError where the disk fails; then nothing is left.
        """
        name = f"{secrets.token_hex(8)}.result"
        size, word = 0, hashlib.blake2b(digest_size=16)
        with self._new(id, name) as out:
            for piece in pieces:
                size += len(piece)
                if size > most:
                    raise UsageFault(
                        f"the result has more than {most:,} bytes, the limit of this service",
                        hint="ask for fewer rows or columns",
                    )
                word.update(piece)
                out.write(piece)
        return Written(name, size, word.hexdigest())

    def drop(self, id: str, file: str) -> None:
        """Remove a result that is nobody's, and the folder with it if the job has gone."""
        self.path(id, file).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.joinpath(id).rmdir()

    def remove(self, id: str) -> None:
        """Remove all that belongs to a job."""
        shutil.rmtree(self.folder / id, ignore_errors=True)

    def litter(self) -> list[str]:
        """The folders that have not changed for so long that no job is being made in them."""
        if not self.folder.is_dir():
            return []
        late = time.time() - LITTER
        return [entry.name for entry in os.scandir(self.folder) if entry.is_dir() and entry.stat().st_mtime < late]

    def clear(self, id: str, keep: Collection[str]) -> None:
        """Remove what attempts that were broken off have left in a job's folder."""
        for path in self.folder.joinpath(id).glob("*"):
            if path.suffix in (".part", ".result") and path.name not in keep:
                path.unlink(missing_ok=True)

    @contextmanager
    def _new(self, id: str, name: str) -> Iterator[IO[bytes]]:
        """A file that has its name when it is whole."""
        folder = self.folder / id
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            part.replace(folder / name)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(folder)
        _sync(self.folder)


def _told(column: Column) -> dict[str, object]:
    said = {f.name: getattr(column, f.name) for f in fields(column)}
    return said | {"type": column.type.name}


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
