"""The files of images, where they lie: a local path, or a URL that fsspec knows.

Nothing here looks at what the bytes mean. `where` comes from an inventory, never from a client. An `http` URL needs
fsspec's own requirements (`fsspec[http]`), `s3` those of s3fs, and so on; local files need nothing.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import IO, Any, Protocol, cast

import fsspec
from fsspec.core import split_protocol, url_to_fs
from typing_extensions import override

from vo_server.errors import ImageError, ImageNotFoundError, TooLargeError

log = logging.getLogger(__name__)

PIECE = 1 << 18
LIMIT = 1 << 28
"""Bytes that one reading may take."""

_NEAR_LOCAL = 1 << 12
_NEAR_REMOTE = 1 << 17
"""Ranges that are so near to one another are read at once: as long as a page of the disk, as a request takes."""

Range = tuple[int, int]
"""First byte, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of a file: its bytes, a strong ETag without its quotes, when it was last written."""

    size: int
    etag: str
    modified: datetime | None


class Source(Protocol):
    """An open file that is read in places."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of ranges, in their order; short where the file ends.

        Raises TooLargeError for more than LIMIT bytes.
        """

    def stream(self) -> IO[bytes]:
        """The whole file from its beginning, to be read once; closed with the source."""


def below(root: str, path: str) -> str:
    """Where the file of an inventory's row is: a path below the root of its collection, a folder or a URL.

    Raises ImageError for one that leads out of the root, as a table that was loaded from elsewhere may have.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "\0" in path or "::" in path or "://" in path:
        log.warning("%r is not below %s", path, root)
        raise ImageError("the inventory names no file of this collection")
    return f"{root.rstrip('/')}/{path}"


def facts(where: str) -> Facts:
    """Size, ETag and date of a file.

    Raises ImageNotFoundError where it is not there.
    """
    with _border(where):
        if _local(where):
            with _local_file(where) as (_, status):
                key = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
                return Facts(status.st_size, _tag(key), datetime.fromtimestamp(status.st_mtime, UTC))
        with _foreign():
            system, path = url_to_fs(where)
            info = system.info(path)
            return Facts(_size(info), _tag(str(_version(info))), _modified(system, path))


def pieces(where: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` up to `stop`, in pieces of PIECE bytes at most.

    Raises ImageError where it is not there or ends before.
    """
    with opened(where) as source:
        end = source.size if stop is None else min(stop, source.size)
        for at in range(start, end, PIECE):
            (piece,) = source.read([(at, min(at + PIECE, end))])
            if not piece:
                raise ImageError("the file of this image became shorter while it was read")
            yield piece


@contextmanager
def opened(where: str) -> Iterator[Source]:
    """A file to read from.

    Raises ImageError where it is not there; in the block, too, where reading fails.
    """
    with _border(where):
        if _local(where):
            with _local_file(where) as (descriptor, status):
                yield _Local(descriptor, status.st_size)
        else:
            with _foreign():
                system, path = url_to_fs(where)
                source = _Remote(system, path, _size(system.info(path)))
            try:
                yield source
            finally:
                source.close()


def merged(ranges: Sequence[Range], gap: int) -> list[Range]:
    """Ascending ranges joined where at most `gap` bytes lie between; ranges may touch and overlap."""
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if found and start - found[-1][1] <= gap:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def _local(where: str) -> bool:
    return split_protocol(where)[0] in (None, "file", "local")


@contextmanager
def _local_file(where: str) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor, and its status; anything but a regular file is refused, as a pipe would never end."""
    path = split_protocol(where)[1]
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        yield descriptor, status
    finally:
        os.close(descriptor)


@contextmanager
def _border(where: str) -> Iterator[None]:
    """What the disk and fsspec raise becomes an ImageError; the path goes to the log only."""
    try:
        yield
    except OSError as error:
        log.warning("%s cannot be read: %s", where, error)
        if isinstance(error, FileNotFoundError):
            raise ImageNotFoundError("the file of this image is not where the inventory says") from error
        raise ImageError("the file of this image cannot be read") from error


@contextmanager
def _foreign() -> Iterator[None]:
    """What a file system of fsspec raises is an OSError, whatever the library below it raises."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # border: each store has a library with faults of its own
        raise OSError(f"{type(error).__name__}: {error}") from error


def _tag(key: str) -> str:
    return blake2b(key.encode(), digest_size=12).hexdigest()


def _size(info: dict[str, Any]) -> int:
    if info.get("type") == "directory" or info.get("size") is None:
        raise OSError("no file with a known size")
    return int(info["size"])


def _version(info: dict[str, Any]) -> object:
    """What changes with a file: its own ETag or checksum where the store has one, else all that the store says."""
    for name in ("ETag", "etag", "md5Hash", "content_md5"):
        if info.get(name):
            return name, info[name], info["size"]
    return sorted((key, str(value)) for key, value in info.items())


def _modified(system: fsspec.AbstractFileSystem, path: str) -> datetime | None:
    try:
        return cast(datetime, system.modified(path))
    except NotImplementedError:
        return None


def _checked(ranges: Sequence[Range]) -> None:
    asked = sum(stop - start for start, stop in ranges)
    if asked > LIMIT:
        raise TooLargeError(f"{asked:,} bytes of an image are more than the {LIMIT:,} that are read at once")


def _split(ranges: Sequence[Range], whole: Sequence[Range], read: Sequence[bytes]) -> list[bytes]:
    """The bytes of ranges out of what was read of merged ones that hold them."""
    firsts = [first for first, _ in whole]
    holding = [bisect_right(firsts, start) - 1 for start, _ in ranges]
    return [read[n][a - firsts[n] : b - firsts[n]] for n, (a, b) in zip(holding, ranges, strict=True)]


@dataclass(frozen=True, slots=True)
class _Local(Source):
    descriptor: int
    _size: int

    @property
    @override
    def size(self) -> int:
        return self._size

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _checked(ranges)
        whole = merged(ranges, _NEAR_LOCAL)
        return _split(ranges, whole, [os.pread(self.descriptor, stop - start, start) for start, stop in whole])

    @override
    def stream(self) -> IO[bytes]:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return open(self.descriptor, "rb", closefd=False)


class _Remote(Source):
    """A file of fsspec: ranges are asked for together, which its asynchronous file systems do at the same time."""

    def __init__(self, system: fsspec.AbstractFileSystem, path: str, size: int) -> None:
        self._system = system
        self._path = path
        self._size = size
        self._open: list[IO[bytes]] = []

    @property
    @override
    def size(self) -> int:
        return self._size

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _checked(ranges)
        whole = merged(ranges, _NEAR_REMOTE)
        starts = [min(start, self._size) for start, _ in whole]
        stops = [min(stop, self._size) for _, stop in whole]
        with _foreign():
            read = self._system.cat_ranges([self._path] * len(whole), starts, stops, on_error="raise")
        return _split(ranges, whole, read)

    @override
    def stream(self) -> IO[bytes]:
        self._open.append(cast("IO[bytes]", self._system.open(self._path, "rb", block_size=1 << 20)))
        return self._open[-1]

    def close(self) -> None:
        """The streams that were opened."""
        for stream in self._open:
            stream.close()


@dataclass(frozen=True, slots=True)
class Held(Source):
    """A file in memory."""

    data: bytes

    @property
    @override
    def size(self) -> int:
        return len(self.data)

    @override
    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        _checked(ranges)
        return [self.data[start:stop] for start, stop in ranges]

    @override
    def stream(self) -> IO[bytes]:
        return io.BytesIO(self.data)
