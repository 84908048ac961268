"""The header of an image, read without its pixels, of plain, gzipped and tile-compressed FITS (FITS 4.0 sections 4.4, 7
and 10.1).

astropy parses the cards. The blocks are read here: with `Header.fromfile`, and the text for wcslib from its cards, a
header takes 0.24 ms of CPU instead of 0.10.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import IO

from astropy.io import fits

from vo_server.formats.read.detect import GZIP_MAGIC
from vo_server.storage.gzip import GZIP_ERRORS, open_gzip

BLOCK_BYTES = 2880
_MAX_HEADER_BLOCKS = 2000
_MAX_HDUS = 64
_READ_ERRORS: tuple[type[Exception], ...] = (OSError, *GZIP_ERRORS)
_COMPRESSED_KEYWORDS = ("BITPIX", "NAXIS")


class InventoryError(Exception):
    """An image file that cannot be entered in the inventory; the message is the reason."""


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image: its `text` as in the file, and that of the primary HDU, which may be the same."""

    text: bytes
    primary: bytes

    @cached_property
    def cards(self) -> fits.Header:
        """The cards of the image's own HDU."""
        return _parse_cards(self.text)

    @cached_property
    def _primary_cards(self) -> fits.Header:
        return self.cards if self.primary is self.text else _parse_cards(self.primary)

    def get(self, keyword: str) -> object:
        """Return the value of a keyword, None where there is none.

        BITPIX and NAXISn of a tile-compressed image are those of its pixels. Raises InventoryError for an invalid card.
        """
        name = f"Z{keyword}" if keyword.startswith(_COMPRESSED_KEYWORDS) and "ZIMAGE" in self.cards else keyword
        try:
            value = self.cards.get(name)
            if value is None:
                value = self._primary_cards.get(name)
        except (ValueError, fits.VerifyError) as error:
            raise InventoryError(f"{keyword} cannot be read: {error}") from None
        return None if isinstance(value, fits.card.Undefined) else value

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """The pixels along each axis."""
        axes = self.get("NAXIS")
        values = [self.get(f"NAXIS{n + 1}") for n in range(axes)] if isinstance(axes, int) and 0 <= axes < 1000 else []
        return tuple(n for n in values if isinstance(n, int) and n >= 0)


def read_header(stream: IO[bytes]) -> ImageHeader:
    """Return the header of the first image of a file, gzipped or not.

    Raises InventoryError for a file without an image, and for one that cannot be read.
    """
    try:
        magic = stream.read(2)
        stream.seek(0)
        return _find_first_image(open_gzip(stream, read_ahead=False) if magic == GZIP_MAGIC else stream)
    except _READ_ERRORS as error:
        raise InventoryError(f"it cannot be read: {error}") from None


def _find_first_image(stream: IO[bytes]) -> ImageHeader:
    primary: bytes | None = None
    for number in range(_MAX_HDUS):
        text = _read_text(stream, number)
        primary = text if primary is None else primary
        header = ImageHeader(text, primary)
        if _is_image(header):
            return header
        stream.seek(_compute_data_size(header), io.SEEK_CUR)
    raise InventoryError(f"there is no image in its first {_MAX_HDUS} HDUs")


def _read_text(stream: IO[bytes], number: int) -> bytes:
    text = b""
    for _ in range(_MAX_HEADER_BLOCKS):
        block = stream.read(BLOCK_BYTES)
        if not text and not block.startswith(b"XTENSION=" if number else b"SIMPLE  ="):
            raise InventoryError("it has no image" if number else "it is not a FITS file")
        if len(block) < BLOCK_BYTES:
            raise InventoryError("it ends within a header")
        text += block
        end = _find_end(block)
        if end is not None:
            return text[: len(text) - BLOCK_BYTES + end]
    raise InventoryError("its header has no end")


def _find_end(block: bytes) -> int | None:
    """Return the end of the END card in a block, None where there is none."""
    return next((n + 80 for n in range(0, BLOCK_BYTES, 80) if block[n : n + 80].rstrip() == b"END"), None)


def _parse_cards(text: bytes) -> fits.Header:
    return fits.Header.fromstring(text.decode("ascii", errors="replace"))


def _is_image(header: ImageHeader) -> bool:
    compressed = header.cards.get("ZIMAGE") is True
    table = str(header.cards.get("XTENSION", "IMAGE")).strip() != "IMAGE"
    return (compressed or not table) and len(header.sides) >= 2 and prod(header.sides) > 0


def _compute_data_size(header: ImageHeader) -> int:
    """Return the bytes of the data unit, padded to whole blocks (FITS 4.0 section 4.4.1.2)."""
    cards = header.cards
    sides = [int(cards.get(f"NAXIS{n + 1}", 0)) for n in range(int(cards.get("NAXIS", 0)))]
    pixels = prod(sides) if sides else 0
    size = abs(int(cards.get("BITPIX", 8))) // 8 * int(cards.get("GCOUNT", 1)) * (int(cards.get("PCOUNT", 0)) + pixels)
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
