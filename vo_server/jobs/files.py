"""The files of a job: its uploaded tables and its results.

    FOLDER/<job>/<name>.upload   an uploaded table, in Arrow's file format, with its columns in the metadata
    FOLDER/<job>/<token>.result  a complete result; another attempt has another token
    FOLDER/<job>/<name>.part     a result that is being written to a disk

A file is complete and durable (storage/jobs.py) before a row of the job table refers to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from vo_server.errors import BusyError, Code, UsageError
from vo_server.model.column import Column
from vo_server.model.types import find_type
from vo_server.storage.atomic import PARTIAL_SUFFIX
from vo_server.storage.jobs import DISK_FULL_ERRNOS, JobStorage

log = logging.getLogger(__name__)

UPLOAD, RESULT = ".upload", ".result"

_METADATA_KEY = b"vo_server.upload"

ORPHAN_AGE_SECONDS = 3600.0
"""Seconds after which a folder without a job is removed: a younger one may belong to a job that is being created."""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An uploaded table of a job."""

    name: str
    columns: tuple[Column, ...]
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A stored result: its file name, size in bytes, and ETag (a digest of the content)."""

    file: str
    size: int
    etag: str


class JobFiles:
    """The uploads and results of all jobs."""

    def __init__(self, shelf: JobStorage) -> None:
        self._storage = shelf

    @property
    def root(self) -> str:
        """The folder or the URL that holds all files."""
        return self._storage.root

    # -------------------------------------------------------------- uploads

    def save_uploads(self, id: str, tables: Iterable[StoredUpload]) -> None:
        """Write the uploaded tables of a job; when this returns they are durable.

        Raises BusyError if they cannot be written.
        """
        try:
            for table in tables:
                metadata = {"name": table.name, "columns": [_column_to_dict(column) for column in table.columns]}
                rows = table.rows.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata).encode()})
                name = f"{table.name.lower()}{UPLOAD}"
                with self._storage.create(id, name) as out, pa.ipc.new_file(out, rows.schema) as writer:
                    writer.write_table(rows)
        except OSError as error:
            log.error("the upload of a job cannot be stored: %s", error)
            why = "its disk is full" if error.errno in DISK_FULL_ERRNOS else "its storage is unavailable"
            message = f"the service cannot store the upload: {why}"
            raise BusyError(message, hint="repeat the request later", retry_after_seconds=60) from error

    def read_uploads(self, id: str) -> list[StoredUpload]:
        """Return the uploaded tables of a job."""
        return [self.read_upload(id, name.removesuffix(UPLOAD)) for name in sorted(self._list_upload_sizes(id))]

    def read_upload(self, id: str, name: str) -> StoredUpload:
        """Return one uploaded table. Its rows may be mapped from the file, which may be removed meanwhile."""
        with self._storage.open(id, f"{name.lower()}{UPLOAD}") as source:
            rows = pa.ipc.open_file(source).read_all()
        metadata = json.loads(rows.schema.metadata[_METADATA_KEY])
        columns = tuple(map(_column_from_dict, metadata["columns"]))
        return StoredUpload(metadata["name"], columns, rows.replace_schema_metadata(None))

    def count_upload_bytes(self, id: str) -> int:
        """Return the size of the stored uploads of a job, in bytes."""
        return sum(self._list_upload_sizes(id).values())

    def _list_upload_sizes(self, id: str) -> dict[str, int]:
        return {name: size for name, size in self._storage.list_sizes(id).items() if name.endswith(UPLOAD)}

    # -------------------------------------------------------------- results

    def write_result(self, id: str, chunks: Iterable[bytes], max_bytes: int) -> StoredResult:
        """Write a result; when this returns it is durable.

        Raises UsageError (JOB.RESULT_TOO_LARGE) if it has more than `max_bytes`, OSError if the disk fails; both
        leave no file.
        """
        name = f"{secrets.token_hex(8)}{RESULT}"
        size, digest = 0, hashlib.blake2b(digest_size=16)
        with self._storage.create(id, name) as out:
            for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise UsageError(
                        f"the result has more than {max_bytes:,} bytes, the limit of this service",
                        hint="ask for fewer rows or columns",
                        code=Code.JOB_RESULT_TOO_LARGE,
                    )
                digest.update(chunk)
                out.write(chunk)
        return StoredResult(name, size, digest.hexdigest())

    def remove_result(self, id: str, file: str) -> None:
        """Remove a result, and the folder of the job if it is empty then."""
        self._storage.remove(id, file)
        self._storage.remove_if_empty(id)

    def remove(self, id: str) -> None:
        """Remove all files of a job."""
        self._storage.remove_all(id)

    def remove_empty_folder(self, id: str) -> None:
        """Remove the folder of a job if it is empty."""
        self._storage.remove_if_empty(id)

    def orphaned_folders(self) -> list[str]:
        """Return the job ids of folders unchanged for ORPHAN_AGE_SECONDS, whose job may not exist."""
        return self._storage.find_idle(ORPHAN_AGE_SECONDS)

    def remove_partial_results(self, id: str, keep: Collection[str]) -> None:
        """Remove partial and complete results from a job's folder, except those in `keep`."""
        for name in self._storage.list_sizes(id):
            if name.endswith((PARTIAL_SUFFIX, RESULT)) and name not in keep:
                self._storage.remove(id, name)


_STORED_KEYS = {"arraysize_override": "shape", "xtype_override": "label"}
"""The keys of stored uploads that differ from the fields of a column: jobs outlive an upgrade of the server."""


def _column_to_dict(column: Column) -> dict[str, Any]:
    values = {_STORED_KEYS.get(f.name, f.name): getattr(column, f.name) for f in fields(column)}
    return values | {"type": column.type.name}


def _column_from_dict(values: Mapping[str, Any]) -> Column:
    by_field = {f.name: values[_STORED_KEYS.get(f.name, f.name)] for f in fields(Column)}
    return Column(**by_field | {"type": find_type(values["type"])})
