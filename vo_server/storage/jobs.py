"""Storage of the files of jobs: a folder of a local disk, or any URL that fsspec supports.

On a disk a file has its name when it is complete. Object stores do not rename: there a name alone says nothing, and a
new file has a name that nobody refers to before the file is complete and has its length.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
from typing_extensions import override

from vo_server.errors import Code, UsageError
from vo_server.storage.atomic import sync_folder, write_atomically
from vo_server.storage.filesystem import get_modified_seconds, open_filesystem, raise_os_errors

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk that has no room."""


class JobStorage(Protocol):
    """Folders of files, one for each job. Every failure is an OSError."""

    root: str
    """The folder or the URL."""

    def create(self, id: str, name: str) -> AbstractContextManager[IO[bytes]]:
        """Yield a file to write: durable when the block has ended, and removed when the block fails."""

    def open(self, id: str, name: str) -> AbstractContextManager[Any]:
        """Yield the bytes of a file as a buffer of pyarrow.

        Raises FileNotFoundError.
        """

    def list_sizes(self, id: str) -> dict[str, int]:
        """Return the bytes of a job's files by name; files that are still being written may be among them."""

    def remove(self, id: str, name: str) -> None:
        """Remove a file if it exists."""

    def remove_if_empty(self, id: str) -> None:
        """Remove a job's folder if nothing is in it."""

    def remove_all(self, id: str) -> None:
        """Remove a job's folder with all that is in it."""

    def find_idle(self, seconds: float) -> list[str]:
        """Return the jobs in whose folders nothing has changed for so many seconds."""


def open_storage(location: str) -> JobStorage:
    """Return the storage at a local path or a URL.

    Raises UsageError for a URL that fsspec does not support, or whose package is not installed.
    """
    return ObjectStorage(location) if "://" in location else LocalStorage(Path(location))


class LocalStorage(JobStorage):
    """A folder of a local disk."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self._folder = folder

    @override
    @contextmanager
    def create(self, id: str, name: str) -> Iterator[IO[bytes]]:
        folder = self._folder / id
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / name) as out:
            yield out
        sync_folder(self._folder)

    @override
    def open(self, id: str, name: str) -> AbstractContextManager[Any]:
        mapped: AbstractContextManager[Any] = pa.memory_map(str(self._folder / id / name))
        return mapped

    @override
    def list_sizes(self, id: str) -> dict[str, int]:
        try:
            return {entry.name: entry.stat().st_size for entry in os.scandir(self._folder / id)}
        except FileNotFoundError:
            return {}

    @override
    def remove(self, id: str, name: str) -> None:
        self._folder.joinpath(id, name).unlink(missing_ok=True)

    @override
    def remove_if_empty(self, id: str) -> None:
        with suppress(OSError):
            self._folder.joinpath(id).rmdir()

    @override
    def remove_all(self, id: str) -> None:
        shutil.rmtree(self._folder / id, ignore_errors=True)

    @override
    def find_idle(self, seconds: float) -> list[str]:
        if not self._folder.is_dir():
            return []
        limit = time.time() - seconds
        return [entry.name for entry in os.scandir(self._folder) if entry.is_dir() and entry.stat().st_mtime < limit]


class ObjectStorage(JobStorage):
    """A URL of fsspec. Listings are not cached, as other processes write there, too."""

    def __init__(self, root: str) -> None:
        """Open the file system of a URL.

        Raises UsageError for a URL that fsspec does not support, or whose package is not installed.
        """
        self.root = root
        try:
            self._system, home = open_filesystem(root, cache_listings=False)
        except OSError as error:
            raise UsageError(f"job_results: {error}", code=Code.SETTINGS_INVALID) from error
        self._home = home.rstrip("/")

    def _build_path(self, id: str, name: str = "") -> str:
        return "/".join(part for part in (self._home, id, name) if part)

    @override
    @contextmanager
    def create(self, id: str, name: str) -> Iterator[IO[bytes]]:
        path = self._build_path(id, name)
        with raise_os_errors():
            self._system.makedirs(self._build_path(id), exist_ok=True)
            out = self._system.open(path, "wb")
        try:
            yield out
            with raise_os_errors():
                written = out.tell()
                out.close()
                if self._system.info(path)["size"] != written:
                    raise OSError(errno.EIO, "not all of the file has arrived")
        except BaseException:
            with suppress(Exception):
                out.close()
            with suppress(OSError):
                self.remove(id, name)
            raise

    @override
    @contextmanager
    def open(self, id: str, name: str) -> Iterator[Any]:
        with raise_os_errors():
            content = self._system.cat_file(self._build_path(id, name))
        yield pa.BufferReader(content)

    @override
    def list_sizes(self, id: str) -> dict[str, int]:
        return {str(f["name"]).rpartition("/")[2]: int(f["size"]) for f in self._find(id)}

    def _find(self, id: str = "") -> list[dict[str, Any]]:
        with raise_os_errors():
            return list(self._system.find(self._build_path(id), detail=True).values())

    @override
    def remove(self, id: str, name: str) -> None:
        with raise_os_errors(), suppress(FileNotFoundError):
            self._system.rm_file(self._build_path(id, name))

    @override
    def remove_if_empty(self, id: str) -> None:
        with suppress(OSError, NotImplementedError):
            self._system.rmdir(self._build_path(id))

    @override
    def remove_all(self, id: str) -> None:
        with suppress(OSError), raise_os_errors():
            self._system.rm(self._build_path(id), recursive=True)

    @override
    def find_idle(self, seconds: float) -> list[str]:
        """Return the jobs of unchanged folders; none for a store that gives no times."""
        latest: dict[str, float] = {}
        for file in self._find():
            id = str(file["name"]).removeprefix(f"{self._home}/").partition("/")[0]
            modified = get_modified_seconds(file)
            latest[id] = max(latest.get(id, 0.0), time.time() if modified is None else modified)
        return [id for id, modified in latest.items() if modified < time.time() - seconds]
