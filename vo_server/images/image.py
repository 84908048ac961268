"""The image in a FITS file: its header, its shape, and its pixels, of which only the requested ones are read.

Of a plain file the header and the rows of the requested window are read, by seeks or range requests. A gzipped file is
decompressed up to the last of them, which is slower. Of a tile-compressed image (FITS 4.0 section 10) the tiles are
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

from vo_server.errors import Code, ImageError, TooLargeError
from vo_server.formats.read.detect import GZIP_MAGIC
from vo_server.images.sky import ImageWcs
from vo_server.storage import files
from vo_server.storage.files import Range, ReadableFile
from vo_server.storage.gzip import GzipReader

Pixels = npt.NDArray[Any]
"""Pixels, shape (planes, rows, columns), the first row of the file first."""

PixelReader = Callable[[Sequence[int], Range, Range], Pixels]
"""Maps planes (numbered from 0), rows and columns (half-open ranges) to the stored pixels, shape (planes, rows,
columns)."""

BLOCK_BYTES = 2880
MAX_PIXELS = 50_000_000
"""Pixels that are read of an image at once, at most."""

_MAX_HEADER_BLOCKS = 400
"""Blocks that one header may have."""

_FIRST_READ_BYTES = 6 * BLOCK_BYTES
"""Bytes that are read at a time while a header has not ended: that of an Atlas image has four blocks."""

_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Image:
    """An open image, valid inside the block of `open_image`; shape is (planes, rows, columns).

    The header is the file's own, in its order and with its comments.
    """

    header: Header
    shape: tuple[int, int, int]
    reader: PixelReader

    @cached_property
    def wcs(self) -> ImageWcs:
        """The mapping between pixels and sky.

        Raises ImageError (IMAGE_NO_WCS) for a header without usable celestial coordinates.
        """
        return ImageWcs(self.header)

    @property
    def uncompressed_size(self) -> int:
        """The bytes of the uncompressed pixels."""
        planes, rows, columns = self.shape
        return planes * rows * columns * abs(int(self.header["BITPIX"])) // 8

    def read_stored(self, rows: Range, columns: Range, planes: Sequence[int] | None = None) -> Pixels:
        """Return the stored pixels of a window, big-endian, shape (planes, rows, columns); all planes by default.

        Raises TooLargeError for more than MAX_PIXELS pixels, ImageError where the file cannot be read.
        """
        selected = range(self.shape[0]) if planes is None else planes
        count = len(selected) * (rows[1] - rows[0]) * (columns[1] - columns[0])
        if count > MAX_PIXELS:
            message = f"{count:,} pixels exceed the {MAX_PIXELS:,} that are read of an image at once"
            raise TooLargeError(message, code=Code.IMAGE_TOO_LARGE)
        return self.reader(selected, rows, columns)

    def read_physical(
        self, rows: Range, columns: Range, planes: Sequence[int] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the values of a window, BSCALE and BZERO applied, shape (planes, rows, columns); NaN is no value.

        See `read_stored`.
        """
        stored = self.read_stored(rows, columns, planes)
        values = stored.astype(np.float32)
        if self.header.get("BSCALE", 1) != 1 or self.header.get("BZERO", 0) != 0:
            values = values * np.float32(self.header.get("BSCALE", 1)) + np.float32(self.header.get("BZERO", 0))
        if stored.dtype.kind != "f" and "BLANK" in self.header:
            values[stored == self.header["BLANK"]] = np.nan
        return values

    def read_all(self) -> npt.NDArray[np.float32]:
        """Return the values of all pixels, shape (planes, rows, columns); see `read_physical`."""
        return self.read_physical((0, self.shape[1]), (0, self.shape[2]))


class RangeReader(Protocol):
    """Content that is read in byte ranges, decompressed where the file is gzipped."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of ranges, in their order; short where the content ends."""


@contextmanager
def open_image(location: str) -> Iterator[Image]:
    """Open the image in a file of an inventory.

    Raises ImageError for a file without an image, and for one that cannot be read.
    """
    with files.open_file(location) as source:
        yield read_image(source)


def read_image(source: ReadableFile) -> Image:
    """Return the image in an open file; see `open_image`."""
    (first,) = source.read([(0, min(2, source.size))])
    content: RangeReader = GzipReader(source) if first == GZIP_MAGIC else source
    for number, (header, start) in enumerate(_iterate_headers(content)):
        if header.get("ZIMAGE") is True:
            return _open_compressed_image(content, source, number)
        if _compute_data_size(header) and header.get("XTENSION", "IMAGE").strip() == "IMAGE":
            shape = _read_shape(header)
            return Image(header, shape, _create_plain_reader(content, start, shape, header["BITPIX"]))
    raise ImageError("the file has no image")


def _iterate_headers(content: RangeReader) -> Iterator[tuple[Header, int]]:
    """Yield each header of a file, and the byte at which its data begin."""
    at = 0
    while True:
        header, at = _read_header(content, at)
        if header is None:
            return
        yield header, at
        at += -(-_compute_data_size(header) // BLOCK_BYTES) * BLOCK_BYTES


def _read_header(content: RangeReader, start: int) -> tuple[Header | None, int]:
    """Return the header that begins at a byte, and the byte after it; None at the end of the file."""
    text = b""
    while len(text) < _MAX_HEADER_BLOCKS * BLOCK_BYTES:
        (more,) = content.read([(start + len(text), start + len(text) + _FIRST_READ_BYTES)])
        if not text and not more:
            return None, start
        if not text and not more.startswith((b"SIMPLE  =", b"XTENSION=")):
            if start:
                return None, start  # FITS 4.0 section 3.5 allows of records of any kind after the last extension
            raise ImageError("the file of this image is not FITS")
        text += more
        end = _find_header_end(text)
        if end:
            return _parse_header(text[:end]), start + end
        if len(more) < _FIRST_READ_BYTES:
            break
    raise ImageError("the file of this image is not FITS: a header does not end")


def _find_header_end(text: bytes) -> int:
    """Return the end of the block that holds the END card; 0 where there is none."""
    at = text.find(b"END" + b" " * 77)
    while at >= 0 and at % 80:
        at = text.find(b"END" + b" " * 77, at + 1)
    return -(-(at + 80) // BLOCK_BYTES) * BLOCK_BYTES if at >= 0 else 0


def _parse_header(text: bytes) -> Header:
    try:
        header = Header.fromstring(text.decode("latin-1"))
        axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
        if not all(isinstance(n, int) and n >= 0 for n in (*axes, header["BITPIX"] ** 2)):
            raise ValueError("no numbers")
    except (KeyError, ValueError, TypeError, fits.VerifyError) as error:
        raise ImageError("the file of this image is not FITS: its header does not say how large it is") from error
    return header


def _compute_data_size(header: Header) -> int:
    """Return the bytes of the data after a header (FITS 4.0 section 4.4.1.1, equation 2)."""
    axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
    count = int(np.prod(axes, dtype=object)) if axes else 0
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + count) if axes else 0


def _read_shape(header: Header) -> tuple[int, int, int]:
    axes = [header[f"NAXIS{n + 1}"] for n in range(header["NAXIS"])]
    if len(axes) < 2 or any(n != 1 for n in axes[3:]) or header["BITPIX"] not in _DTYPES:
        raise ImageError("the file of this image has no pixels in two or three dimensions")
    return (axes[2] if len(axes) > 2 else 1), axes[1], axes[0]


def _create_plain_reader(content: RangeReader, start: int, shape: tuple[int, int, int], bitpix: int) -> PixelReader:
    kind = np.dtype(_DTYPES[bitpix])

    def read(planes: Sequence[int], rows: Range, columns: Range) -> Pixels:
        lines = [(plane * shape[1] + row) * shape[2] for plane in planes for row in range(*rows)]
        first, length = columns[0] * kind.itemsize, (columns[1] - columns[0]) * kind.itemsize
        starts = [start + line * kind.itemsize + first for line in lines]
        data = b"".join(content.read([(at, at + length) for at in starts]))
        if len(data) < len(lines) * length:
            raise ImageError("the file of this image is cut short")
        return np.frombuffer(data, kind).reshape(len(planes), rows[1] - rows[0], columns[1] - columns[0])

    return read


def _open_compressed_image(content: RangeReader, source: ReadableFile, number: int) -> Image:
    """Return a tile-compressed image, which astropy reads; a gzipped file is decompressed as a whole."""
    compressed = content is not source
    file = source if not compressed else files.MemoryFile(content.read([(0, files.MAX_READ_BYTES)])[0])
    hdus = fits.open(
        io.BufferedReader(_SeekableFile(file), BLOCK_BYTES * 16), memmap=False, do_not_scale_image_data=True
    )
    hdu = hdus[number]
    header = hdu.header
    shape = _read_shape(header)

    def read(planes: Sequence[int], rows: Range, columns: Range) -> Pixels:
        prefixes = [(0,) * (header["NAXIS"] - 3) + (plane,) for plane in planes] if header["NAXIS"] > 2 else [()]
        try:
            planes_read = [hdu.section[(*prefix, slice(*rows), slice(*columns))] for prefix in prefixes]
        except Exception as error:  # border: each method of compression has errors of its own
            raise ImageError("the file of this image is damaged: a tile cannot be decompressed") from error
        return np.stack(planes_read).astype(_DTYPES[header["BITPIX"]])

    return Image(header, shape, read)


class _SeekableFile(io.RawIOBase):
    """A file of storage as a seekable stream."""

    def __init__(self, source: ReadableFile) -> None:
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
