"""The image in a FITS file: its header, its shape, its pixels read where they are wanted.

Of a plain file nothing is read but the header and the rows of the wanted window, by seeks or range requests. A gzip
file is unpacked up to the last of them, which is slower. Of a tile-compressed image (FITS 4.0 section 10) the tiles are
read that the window touches. The image is the first one in the file that has pixels.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.io.fits import Header
from typing_extensions import Buffer, override

from vo_server.errors import ImageError, TooLargeError
from vo_server.images.sky import Sky
from vo_server.storage import files
from vo_server.storage.files import Range, Source
from vo_server.storage.gzip import MAGIC, Unpacked

Pixels = npt.NDArray[Any]
"""Shape (planes, rows, columns), south first."""

Reader = Callable[[Sequence[int], Range, Range], Pixels]
"""Planes (numbers from 0), rows and columns (half-open) to the pixels as they are stored."""

BLOCK = 2880
MOST = 50_000_000
"""Pixels that are taken from an image at once."""

_HEADS = 400
"""Blocks of headers that a file may have before its image has begun."""

_FIRST = 6 * BLOCK
"""Bytes that are read first: the header of an Atlas image has four blocks."""

_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Image:
    """An open image; valid inside of `opened`. The header is the file's own, in its order and with its comments."""

    header: Header
    shape: tuple[int, int, int]
    reader: Reader

    @cached_property
    def sky(self) -> Sky:
        """Its place on the sky.

        Raises ImageError where the header does not say.
        """
        return Sky(self.header)

    @property
    def plain(self) -> int:
        """The bytes that its pixels have where they are not compressed."""
        planes, rows, columns = self.shape
        return planes * rows * columns * abs(int(self.header["BITPIX"])) // 8

    def stored(self, rows: Range, columns: Range, planes: Sequence[int] | None = None) -> Pixels:
        """The pixels of a window as they are stored, big-endian; all planes where none are named.

        Raises TooLargeError for more than MOST pixels, ImageError where the file cannot be read.
        """
        wanted = range(self.shape[0]) if planes is None else planes
        count = len(wanted) * (rows[1] - rows[0]) * (columns[1] - columns[0])
        if count > MOST:
            raise TooLargeError(f"{count:,} pixels are more than the {MOST:,} that are taken from an image at once")
        return self.reader(wanted, rows, columns)

    def physical(self, rows: Range, columns: Range, planes: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
        """The values of a window (BSCALE and BZERO applied), with NaN where there is none; see `stored`."""
        stored = self.stored(rows, columns, planes)
        values = stored.astype(np.float32)
        if self.header.get("BSCALE", 1) != 1 or self.header.get("BZERO", 0) != 0:
            values = values * np.float32(self.header.get("BSCALE", 1)) + np.float32(self.header.get("BZERO", 0))
        if stored.dtype.kind != "f" and "BLANK" in self.header:
            values[stored == self.header["BLANK"]] = np.nan
        return values

    def whole(self) -> npt.NDArray[np.float32]:
        """The values of all pixels; see `physical`."""
        return self.physical((0, self.shape[1]), (0, self.shape[2]))


class _Bytes(Protocol):
    def read(self, ranges: Sequence[Range]) -> list[bytes]: ...


@contextmanager
def opened(where: str) -> Iterator[Image]:
    """The image in a file that an inventory names.

    Raises ImageError where there is no image in it, or none that can be read.
    """
    with files.opened(where) as source:
        yield of(source)


def of(source: Source) -> Image:
    """The image in an open file; see `opened`."""
    (first,) = source.read([(0, min(2, source.size))])
    content: _Bytes = Unpacked(source) if first == MAGIC else source
    for number, (header, start) in enumerate(_headers(content)):
        if header.get("ZIMAGE") is True:
            return _tiled(content, source, number)
        if _extent(header) and header.get("XTENSION", "IMAGE").strip() == "IMAGE":
            shape = _shape(header)
            return Image(header, shape, _plain(content, start, shape, header["BITPIX"]))
    raise ImageError("the file has no image")


def _headers(content: _Bytes) -> Iterator[tuple[Header, int]]:
    """Each header of a file, and where its data begin."""
    at = 0
    while True:
        header, at = _header(content, at)
        if header is None:
            return
        yield header, at
        at += -(-_extent(header) // BLOCK) * BLOCK


def _header(content: _Bytes, start: int) -> tuple[Header | None, int]:
    """The header that begins there, and where it ends; None where the file ends."""
    text = b""
    while len(text) < _HEADS * BLOCK:
        (more,) = content.read([(start + len(text), start + len(text) + _FIRST)])
        if not text and not more:
            return None, start
        if not text and not more.startswith((b"SIMPLE  =", b"XTENSION=")):
            if start:
                return None, start  # FITS 4.0 section 3.5 allows of records of any kind after the last extension
            raise ImageError("the file of this image is not FITS")
        text += more
        end = _end(text)
        if end:
            return _parsed(text[:end]), start + end
        if len(more) < _FIRST:
            break
    raise ImageError("the file of this image is not FITS: a header does not end")


def _end(text: bytes) -> int:
    """Where the block ends that holds the END card; 0 where there is none."""
    at = text.find(b"END" + b" " * 77)
    while at >= 0 and at % 80:
        at = text.find(b"END" + b" " * 77, at + 1)
    return -(-(at + 80) // BLOCK) * BLOCK if at >= 0 else 0


def _parsed(text: bytes) -> Header:
    try:
        header = Header.fromstring(text.decode("latin-1"))
        axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
        if not all(isinstance(n, int) and n >= 0 for n in (*axes, header["BITPIX"] ** 2)):
            raise ValueError("no numbers")
    except (KeyError, ValueError, TypeError, fits.VerifyError) as error:
        raise ImageError("the file of this image is not FITS: its header does not say how large it is") from error
    return header


def _extent(header: Header) -> int:
    """The bytes of the data after a header (FITS 4.0 section 4.4.1.1, equation 2)."""
    axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
    count = int(np.prod(axes, dtype=object)) if axes else 0
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + count) if axes else 0


def _shape(header: Header) -> tuple[int, int, int]:
    axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
    if len(axes) < 2 or any(n != 1 for n in axes[3:]) or header["BITPIX"] not in _TYPES:
        raise ImageError("the file of this image has no pixels in two or three dimensions")
    return (axes[2] if len(axes) > 2 else 1), axes[1], axes[0]


def _plain(content: _Bytes, start: int, shape: tuple[int, int, int], bitpix: int) -> Reader:
    kind = np.dtype(_TYPES[bitpix])

    def read(planes: Sequence[int], rows: Range, columns: Range) -> Pixels:
        lines = [(plane * shape[1] + row) * shape[2] for plane in planes for row in range(*rows)]
        first, length = columns[0] * kind.itemsize, (columns[1] - columns[0]) * kind.itemsize
        starts = [start + line * kind.itemsize + first for line in lines]
        data = b"".join(content.read([(at, at + length) for at in starts]))
        if len(data) < len(lines) * length:
            raise ImageError("the file of this image is cut short")
        return np.frombuffer(data, kind).reshape(len(planes), rows[1] - rows[0], columns[1] - columns[0])

    return read


def _tiled(content: _Bytes, source: Source, number: int) -> Image:
    """A tile-compressed image, which astropy reads; one under gzip is unpacked as a whole."""
    packed = content is not source
    file = source if not packed else files.Held(content.read([(0, files.LIMIT)])[0])
    hdus = fits.open(io.BufferedReader(_Seekable(file), BLOCK * 16), memmap=False, do_not_scale_image_data=True)
    hdu = hdus[number]
    header = hdu.header
    shape = _shape(header)

    def read(planes: Sequence[int], rows: Range, columns: Range) -> Pixels:
        before = [(0,) * (header["NAXIS"] - 3) + (plane,) for plane in planes] if header["NAXIS"] > 2 else [()]
        try:
            found = [hdu.section[(*first, slice(*rows), slice(*columns))] for first in before]
        except Exception as error:  # border: each way of compression has faults of its own
            raise ImageError("the file of this image is damaged: a tile cannot be unpacked") from error
        return np.stack(found).astype(_TYPES[header["BITPIX"]])

    return Image(header, shape, read)


class _Seekable(io.RawIOBase):
    """A source as a file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        return self._at

    @override
    def tell(self) -> int:
        return self._at

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        (data,) = self._source.read([(self._at, min(self._at + len(view), self._source.size))])
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
