"""Bytes under gzip, as if they lay open.

Gzip knows no places: what lies before the wanted bytes is unpacked and dropped, and who goes back begins anew. So a
part of a gzipped image costs as much time as all that comes before it (8 ms for a whole Atlas image).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any, cast

from vo_server.errors import ImageError
from vo_server.storage.files import Range, Source

try:  # three times as fast as zlib
    from isal.igzip import IGzipFile
    from isal.isal_zlib import error as _isal_error
except ImportError:  # pragma: no cover
    _opened: Callable[..., Any] = gzip.GzipFile
    _DAMAGED: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, EOFError)
else:
    _opened = IGzipFile
    _DAMAGED = (gzip.BadGzipFile, zlib.error, EOFError, cast(type[Exception], _isal_error))

MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18


class Unpacked:
    """What a gzipped source holds."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._begin()

    def _begin(self) -> None:
        self._stream = cast("IO[bytes]", _opened(fileobj=self._source.stream(), mode="rb"))
        self._at = 0

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of ascending ranges that do not overlap; short where the stream ends.

        Raises ImageError for gzip that is damaged or cut short.
        """
        try:
            return [self._one(start, stop) for start, stop in ranges]
        except _DAMAGED as error:
            raise ImageError("the file of this image is damaged: its gzip stream cannot be unpacked") from error

    def _one(self, start: int, stop: int) -> bytes:
        if start < self._at:
            self._begin()
        while self._at < start and self._next(min(_CHUNK, start - self._at)):
            pass
        return self._next(stop - start)

    def _next(self, count: int) -> bytes:
        found = self._stream.read(count)
        self._at += len(found)
        return found
