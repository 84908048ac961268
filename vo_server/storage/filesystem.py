"""Local files and the file systems of fsspec: how a location is opened, and its size, ETag and time.

A location is a local path or any URL that fsspec supports. It comes from a setting or an inventory, never from a
client. An `http` URL needs fsspec's own requirements (`fsspec[http]`), `s3` those of s3fs, and so on; local files need
nothing. Everything here fails with an OSError, whatever the library of a store raises.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import IO, Any, cast

from fsspec.core import split_protocol, url_to_fs

_TIME_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")
"""The keys under which file systems give the time of the last change."""

_VERSION_KEYS = ("ETag", "etag", "md5Hash", "content_md5")
"""The keys under which stores give a version or a checksum of the content."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Metadata of a file: its size in bytes, a strong ETag without its quotes, the time of its last change."""

    size: int
    etag: str
    modified: datetime | None


def is_local(location: str) -> bool:
    """Return whether a location is a path of this machine, with `file://` or without."""
    return split_protocol(location)[0] in (None, "file", "local")


def to_local_path(location: str) -> str:
    """Return the path of a local location."""
    return str(split_protocol(location)[1])


def open_filesystem(location: str, *, cache_listings: bool = True) -> tuple[Any, str]:
    """Return the file system of a location, and the location as that file system writes it.

    Without `cache_listings` the file system sees what other processes write. Raises OSError for a URL scheme that is
    unknown, or whose package is not installed.
    """
    try:
        system, path = url_to_fs(location, **({} if cache_listings else {"use_listings_cache": False}))
    except (ValueError, ImportError, OSError) as error:
        raise OSError(f"{location} cannot be reached: {error}") from error
    return system, str(path)


@lru_cache(maxsize=8)
def open_root(root: str) -> tuple[Any, str]:
    """Return the file system of a root, and the root as it writes it, without a slash at its end; see open_filesystem.

    The results are cached: there are few roots, each opened for every file.
    """
    system, path = open_filesystem(root)
    return system, path.rstrip("/")


@contextmanager
def raise_os_errors() -> Iterator[None]:
    """Raise what a library of fsspec raises as an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # border: each store has a library with errors of its own
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


@contextmanager
def open_descriptor(location: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open a local file and yield its descriptor and status.

    Raises OSError for anything but a regular file, as a pipe would never end.
    """
    descriptor = os.open(to_local_path(location), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        yield descriptor, status
    finally:
        os.close(descriptor)


def open_stream(location: str) -> IO[bytes]:
    """Open a file to be read once, from its beginning.

    Raises OSError.
    """
    with raise_os_errors():
        system, path = open_filesystem(location)
        return cast("IO[bytes]", system.open(path, "rb"))


def read_info(location: str) -> FileInfo:
    """Return size, ETag and time of a file.

    Raises OSError where there is none.
    """
    if is_local(location):
        with open_descriptor(location) as (_, status):
            etag = compute_etag(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
            return FileInfo(status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))
    with raise_os_errors():
        system, path = open_filesystem(location)
        info = system.info(path)
    seconds = get_modified_seconds(info)
    modified = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return FileInfo(get_size(info), compute_etag(str(_get_version(info))), modified)


def compute_etag(version: str) -> str:
    """Return a strong ETag, without its quotes, of a text that changes whenever the content does."""
    return blake2b(version.encode(), digest_size=12).hexdigest()


def get_size(info: Mapping[str, Any]) -> int:
    """Return the bytes of a file by what its file system says of it.

    Raises OSError for a folder and for a file whose size is unknown.
    """
    if info.get("type") == "directory":
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if info.get("size") is None:
        raise OSError("the store does not give the size of the file")
    return int(info["size"])


def get_modified_seconds(info: Mapping[str, Any]) -> float | None:
    """Return the time of the last change as a POSIX timestamp, None where the file system gives none."""
    moment = next((info[key] for key in _TIME_KEYS if info.get(key) is not None), None)
    moment = moment.timestamp() if isinstance(moment, datetime) else moment
    return float(moment) if isinstance(moment, int | float) else None


def _get_version(info: Mapping[str, Any]) -> object:
    """Return what changes with a file: ETag or checksum where the store has one, else all that the store says."""
    for name in _VERSION_KEYS:
        if info.get(name):
            return name, info[name], info["size"]
    return sorted((key, str(value)) for key, value in info.items())
