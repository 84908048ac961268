"""What belongs to a job and is no row: the tables that came with it, and its result.

    FOLDER/<job>/<name>.upload   a table that was sent, in Arrow's file format, with its columns in the metadata
    FOLDER/<job>/<token>.result  a result, whole; another attempt has another token
    FOLDER/<job>/<token>.part    a result being written to a disk

A file is whole and there to stay (shelf.py) before a row speaks of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

import pyarrow as pa

from vo_server.errors import BusyError, UsageError
from vo_server.model.column import Column
from vo_server.model.types import named
from vo_server.storage.jobs import FULL, PART, Shelf

log = logging.getLogger(__name__)

UPLOAD, RESULT = ".upload", ".result"

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

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @property
    def root(self) -> str:
        """The folder or the URL below which they are."""
        return self._shelf.root

    # -------------------------------------------------------------- uploads

    def keep(self, id: str, tables: Iterable[Kept]) -> None:
        """Write the tables that came with a job; when this returns they are there to stay.

        Raises BusyError where they cannot be written.
        """
        try:
            for table in tables:
                said = {"name": table.name, "columns": [_told(column) for column in table.columns]}
                rows = table.rows.replace_schema_metadata({_TOLD: json.dumps(said).encode()})
                name = f"{table.name.lower()}{UPLOAD}"
                with self._shelf.new(id, name) as out, pa.ipc.new_file(out, rows.schema) as writer:
                    writer.write_table(rows)
        except OSError as error:
            log.error("the upload of a job cannot be kept: %s", error)
            why = "has no room left on its disk" if error.errno in FULL else "cannot keep files now"
            raise BusyError(f"the service {why}", hint="ask again later", retry_after_seconds=60) from error

    def uploads(self, id: str) -> list[Kept]:
        """The tables that came with a job."""
        return [self.upload(id, name.removesuffix(UPLOAD)) for name in sorted(self._uploads(id))]

    def upload(self, id: str, name: str) -> Kept:
        """One of them. Its rows may be mapped from the file, which may be removed meanwhile."""
        with self._shelf.read(id, f"{name.lower()}{UPLOAD}") as source:
            rows = pa.ipc.open_file(source).read_all()
        told = json.loads(rows.schema.metadata[_TOLD])
        columns = tuple(Column(**c | {"type": named(c["type"])}) for c in told["columns"])
        return Kept(told["name"], columns, rows.replace_schema_metadata(None))

    def upload_bytes(self, id: str) -> int:
        """What the tables that came with a job have on the disk."""
        return sum(self._uploads(id).values())

    def _uploads(self, id: str) -> dict[str, int]:
        return {name: size for name, size in self._shelf.sizes(id).items() if name.endswith(UPLOAD)}

    # -------------------------------------------------------------- results

    def write(self, id: str, pieces: Iterable[bytes], most: int) -> Written:
        """Write a result; when this returns it is there to stay.

        Raises UsageError where it has more bytes than `most`, OSError where the disk fails; then nothing is left.
        """
        name = f"{secrets.token_hex(8)}{RESULT}"
        size, word = 0, hashlib.blake2b(digest_size=16)
        with self._shelf.new(id, name) as out:
            for piece in pieces:
                size += len(piece)
                if size > most:
                    raise UsageError(
                        f"the result has more than {most:,} bytes, the limit of this service",
                        hint="ask for fewer rows or columns",
                    )
                word.update(piece)
                out.write(piece)
        return Written(name, size, word.hexdigest())

    def drop(self, id: str, file: str) -> None:
        """Remove a result that is nobody's, and the folder with it if the job has gone."""
        self._shelf.remove(id, file)
        self._shelf.tidy(id)

    def remove(self, id: str) -> None:
        """Remove all that belongs to a job."""
        self._shelf.destroy(id)

    def tidy(self, id: str) -> None:
        """Remove the folder of a job that has gone, if nothing is in it."""
        self._shelf.tidy(id)

    def litter(self) -> list[str]:
        """The folders that have not changed for so long that no job is being made in them."""
        return self._shelf.idle(LITTER)

    def clear(self, id: str, keep: Collection[str]) -> None:
        """Remove what attempts that were broken off have left in a job's folder."""
        for name in self._shelf.sizes(id):
            if name.endswith((PART, RESULT)) and name not in keep:
                self._shelf.remove(id, name)


def _told(column: Column) -> dict[str, object]:
    said = {f.name: getattr(column, f.name) for f in fields(column)}
    return said | {"type": column.type.name}
