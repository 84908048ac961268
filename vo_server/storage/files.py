"""The files of images, read in byte ranges or as streams; what goes wrong is an ImageError.

Nothing here interprets the bytes. `location` comes from an inventory, never from a client (see `filesystem`).
"""

from __future__ import annotations

import io
import logging
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

from typing_extensions import override

from vo_server.errors import Code, ImageError, ImageNotFoundError, TooLargeError
from vo_server.storage.filesystem import (
    FileInfo,
    get_size,
    is_local,
    open_descriptor,
    open_filesystem,
    raise_os_errors,
    read_info,
)

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
MAX_READ_BYTES = 1 << 28
"""Bytes that one call of `read` may return."""

_LOCAL_GAP_BYTES = 1 << 12
_REMOTE_GAP_BYTES = 1 << 17
"""Ranges with smaller gaps are read together: a page of the disk, and what a request costs in time."""

Range = tuple[int, int]
"""The first byte and the one after the last."""


class ReadableFile(Protocol):
    """An open file with random access."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of ranges, in their order; short where the file ends.

        Raises TooLargeError for more than MAX_READ_BYTES.
        """

    def open_stream(self) -> IO[bytes]:
        """Return a stream from the beginning of the file, to be read once; it is closed with the file."""


def resolve_path(root: str, path: str) -> str:
    """Return the location of an inventory's file: a path below the root of its collection, a folder or a URL.

    Raises ImageError for a path that leads out of the root, as a table loaded from elsewhere may have.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "\0" in path or "::" in path or "://" in path:
        log.warning("%r is not below %s", path, root)
        raise ImageError("the inventory names no file of this collection", code=Code.IMAGE_NOT_FOUND)
    return f"{root.rstrip('/')}/{path}"


def stat_file(location: str) -> FileInfo:
    """Return size, ETag and time of a file.

    Raises ImageNotFoundError where there is none, ImageError where it cannot be read.
    """
    with raise_image_errors(location):
        return read_info(location)


def read_chunks(location: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` up to `stop`, in chunks of CHUNK_BYTES at most.

    Raises ImageError where there is no such file or it ends before `stop`.
    """
    with open_file(location) as file:
        end = file.size if stop is None else min(stop, file.size)
        for at in range(start, end, CHUNK_BYTES):
            (chunk,) = file.read([(at, min(at + CHUNK_BYTES, end))])
            if not chunk:
                raise ImageError("the file of this image became shorter while it was read")
            yield chunk


@contextmanager
def open_file(location: str) -> Iterator[ReadableFile]:
    """Open a file for random access.

    Raises ImageError where there is none and, inside the block, where reading fails.
    """
    with raise_image_errors(location):
        if is_local(location):
            with open_descriptor(location) as (descriptor, status):
                yield _LocalFile(descriptor, status.st_size)
        else:
            with raise_os_errors():
                system, path = open_filesystem(location)
                file = _RemoteFile(system, path, get_size(system.info(path)))
            try:
                yield file
            finally:
                file.close()


@contextmanager
def raise_image_errors(location: str) -> Iterator[None]:
    """Raise an OSError as an ImageError; the location goes to the log only."""
    try:
        yield
    except OSError as error:
        log.warning("%s cannot be read: %s", location, error)
        if isinstance(error, FileNotFoundError):
            raise ImageNotFoundError("the file of this image is not where the inventory says") from error
        raise ImageError("the file of this image cannot be read") from error


def merge_ranges(ranges: Sequence[Range], gap: int) -> list[Range]:
    """Return ascending ranges, joined where at most `gap` bytes lie between; the input may touch and overlap."""
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged


def _check_size(ranges: Sequence[Range]) -> None:
    count = sum(stop - start for start, stop in ranges)
    if count > MAX_READ_BYTES:
        message = f"{count:,} bytes of an image exceed the {MAX_READ_BYTES:,} that are read at once"
        raise TooLargeError(message, code=Code.IMAGE_TOO_LARGE)


def _split(ranges: Sequence[Range], merged: Sequence[Range], content: Sequence[bytes]) -> list[bytes]:
    """Return the bytes of ranges out of the content of merged ranges that hold them."""
    firsts = [first for first, _ in merged]
    holding = [bisect_right(firsts, start) - 1 for start, _ in ranges]
    return [content[n][a - firsts[n] : b - firsts[n]] for n, (a, b) in zip(holding, ranges, strict=True)]


@dataclass(frozen=True, slots=True)
class _LocalFile(ReadableFile):
    descriptor: int
    _size: int

    @property
    @override
    def size(self) -> int:
        return self._size

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _check_size(ranges)
        merged = merge_ranges(ranges, _LOCAL_GAP_BYTES)
        return _split(ranges, merged, [os.pread(self.descriptor, stop - start, start) for start, stop in merged])

    @override
    def open_stream(self) -> IO[bytes]:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return open(self.descriptor, "rb", closefd=False)


class _RemoteFile(ReadableFile):
    """A file of fsspec; it requests ranges together, which asynchronous file systems do at the same time."""

    def __init__(self, system: Any, path: str, size: int) -> None:
        self._system = system
        self._path = path
        self._size = size
        self._streams: list[IO[bytes]] = []

    @property
    @override
    def size(self) -> int:
        return self._size

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _check_size(ranges)
        merged = merge_ranges(ranges, _REMOTE_GAP_BYTES)
        starts = [min(start, self._size) for start, _ in merged]
        stops = [min(stop, self._size) for _, stop in merged]
        with raise_os_errors():
            content = self._system.cat_ranges([self._path] * len(merged), starts, stops, on_error="raise")
        return _split(ranges, merged, content)

    @override
    def open_stream(self) -> IO[bytes]:
        self._streams.append(cast("IO[bytes]", self._system.open(self._path, "rb", block_size=1 << 20)))
        return self._streams[-1]

    def close(self) -> None:
        """Close the streams that were opened."""
        for stream in self._streams:
            stream.close()


@dataclass(frozen=True, slots=True)
class MemoryFile(ReadableFile):
    """A file in memory."""

    data: bytes

    @property
    @override
    def size(self) -> int:
        return len(self.data)

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _check_size(ranges)
        return [self.data[start:stop] for start, stop in ranges]

    @override
    def open_stream(self) -> IO[bytes]:
        return io.BytesIO(self.data)
