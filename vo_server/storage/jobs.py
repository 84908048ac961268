"""Where the files of jobs lie: a folder of a disk, or wherever fsspec reaches.

On a disk a file has its name when it is whole. Object stores do not rename: there a name alone says nothing, and what
is written has one that nobody is told before it is whole and has its length.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import fsspec
import pyarrow as pa
from typing_extensions import override

from vo_server.errors import UsageError

PART = ".part"
"""What a file that is being written to a disk ends in."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk that has no room."""


class Shelf(Protocol):
    """Folders of files, one for each job. All that goes wrong is an OSError."""

    root: str
    """The folder or the URL."""

    def new(self, id: str, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file to write: when the body has ended it is there to stay; nothing is left of it when the body fails."""

    def read(self, id: str, name: str) -> AbstractContextManager[Any]:
        """The bytes of a file, as pyarrow reads them.

        Raises FileNotFoundError.
        """

    def sizes(self, id: str) -> dict[str, int]:
        """The files of a job and their bytes, by name; those being written may be among them."""

    def remove(self, id: str, name: str) -> None:
        """Remove a file, if it is there."""

    def tidy(self, id: str) -> None:
        """Remove a job's folder if nothing is in it."""

    def destroy(self, id: str) -> None:
        """Remove a job's folder with all that is in it."""

    def idle(self, seconds: float) -> list[str]:
        """The jobs in whose folders nothing has changed for so long."""


def shelf(place: str) -> Shelf:
    """The shelf at a path of the disk or at a URL.

    Raises UsageError for a URL that fsspec does not know, or whose package is not installed.
    """
    return Away(place) if "://" in place else Folder(Path(place))


class Folder(Shelf):
    """A folder of the disk."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self._folder = folder

    @override
    @contextmanager
    def new(self, id: str, name: str) -> Iterator[IO[bytes]]:
        folder = self._folder / id
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{secrets.token_hex(8)}{PART}"
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
        _sync(self._folder)

    @override
    def read(self, id: str, name: str) -> AbstractContextManager[Any]:
        mapped: AbstractContextManager[Any] = pa.memory_map(str(self._folder / id / name))
        return mapped

    @override
    def sizes(self, id: str) -> dict[str, int]:
        try:
            return {entry.name: entry.stat().st_size for entry in os.scandir(self._folder / id)}
        except FileNotFoundError:
            return {}

    @override
    def remove(self, id: str, name: str) -> None:
        self._folder.joinpath(id, name).unlink(missing_ok=True)

    @override
    def tidy(self, id: str) -> None:
        with suppress(OSError):
            self._folder.joinpath(id).rmdir()

    @override
    def destroy(self, id: str) -> None:
        shutil.rmtree(self._folder / id, ignore_errors=True)

    @override
    def idle(self, seconds: float) -> list[str]:
        if not self._folder.is_dir():
            return []
        late = time.time() - seconds
        return [entry.name for entry in os.scandir(self._folder) if entry.is_dir() and entry.stat().st_mtime < late]


class Away(Shelf):
    """A URL of fsspec. Nothing that it lists is remembered, for other processes write there, too."""

    def __init__(self, root: str) -> None:
        """Raises UsageError where there is none of this kind, or its package is not installed."""
        self.root = root
        try:
            self._system, home = fsspec.core.url_to_fs(root, use_listings_cache=False)
        except (ValueError, ImportError, OSError) as error:
            raise UsageError(f"job_results is {root!r}, which cannot be reached: {error}") from error
        self._home = str(home).rstrip("/")

    def _path(self, id: str, name: str = "") -> str:
        return "/".join(part for part in (self._home, id, name) if part)

    @override
    @contextmanager
    def new(self, id: str, name: str) -> Iterator[IO[bytes]]:
        path = self._path(id, name)
        with _foreign():
            self._system.makedirs(self._path(id), exist_ok=True)
            out = self._system.open(path, "wb")
        try:
            yield out
            with _foreign():
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
    def read(self, id: str, name: str) -> Iterator[Any]:
        with _foreign():
            content = self._system.cat_file(self._path(id, name))
        yield pa.BufferReader(content)

    @override
    def sizes(self, id: str) -> dict[str, int]:
        return {str(f["name"]).rpartition("/")[2]: int(f["size"]) for f in self._found(id)}

    def _found(self, id: str = "") -> list[dict[str, Any]]:
        with _foreign():
            return list(self._system.find(self._path(id), detail=True).values())

    @override
    def remove(self, id: str, name: str) -> None:
        with _foreign(), suppress(FileNotFoundError):
            self._system.rm_file(self._path(id, name))

    @override
    def tidy(self, id: str) -> None:
        with suppress(OSError, NotImplementedError):
            self._system.rmdir(self._path(id))

    @override
    def destroy(self, id: str) -> None:
        with suppress(OSError), _foreign():
            self._system.rm(self._path(id), recursive=True)

    @override
    def idle(self, seconds: float) -> list[str]:
        """Of a store that does not say when files were written, none."""
        latest: dict[str, float] = {}
        for file in self._found():
            id = str(file["name"]).removeprefix(f"{self._home}/").partition("/")[0]
            latest[id] = max(latest.get(id, 0.0), _written(file))
        return [id for id, at in latest.items() if at < time.time() - seconds]


@contextmanager
def _foreign() -> Iterator[None]:
    """What a file system of fsspec raises is an OSError, whatever the library below it raises."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # border: each store has a library with faults of its own
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems call the time of the last change."""


def _written(file: dict[str, Any]) -> float:
    moment = next((file[key] for key in _TIMES if file.get(key) is not None), None)
    moment = moment.timestamp() if isinstance(moment, datetime) else moment
    return float(moment) if isinstance(moment, int | float) else time.time()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
