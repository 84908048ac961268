"""The header of an image, read without its pixels: of plain, gzipped and tile-compressed FITS (FITS 4.0 sections 4.4,
7 and 10.1)."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import IO, cast

from astropy.io import fits

BLOCK = 2880
_MOST_BLOCKS = 2000
_MOST_UNITS = 64
_GZIP = b"\x1f\x8b"
_DAMAGED = (EOFError, OSError, zlib.error)
_OF_THE_TABLE = ("BITPIX", "NAXIS")


class Refused(Exception):
    """A file that has no place in the inventory; its text says why."""


@dataclass(frozen=True)
class Header:
    """The header of an image: `text` as it stands in the file, and that of the primary unit where it is another."""

    text: bytes
    primary: bytes

    @cached_property
    def cards(self) -> fits.Header:
        """The header of the image's own unit."""
        return _cards(self.text)

    @cached_property
    def _above(self) -> fits.Header:
        return self.cards if self.primary is self.text else _cards(self.primary)

    def value(self, keyword: str) -> object:
        """The value of a keyword, None where there is none; the sides of a tile-compressed image are its pixels'.

        Raises Refused where the card cannot be read.
        """
        said = f"Z{keyword}" if keyword.startswith(_OF_THE_TABLE) and "ZIMAGE" in self.cards else keyword
        try:
            found = self.cards.get(said)
            if found is None:
                found = self._above.get(said)
        except (ValueError, fits.VerifyError) as error:
            raise Refused(f"{keyword} cannot be read: {error}") from None
        return None if isinstance(found, fits.card.Undefined) else found

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """How many pixels along each axis."""
        axes = self.value("NAXIS")
        found = [self.value(f"NAXIS{n + 1}") for n in range(axes)] if isinstance(axes, int) and 0 <= axes < 1000 else []
        return tuple(n for n in found if isinstance(n, int) and n >= 0)


def read_header(stream: IO[bytes]) -> Header:
    """The header of the first image of a file.

    Raises Refused.
    """
    try:
        return _first_image(_unpacked(stream))
    except _DAMAGED as error:
        raise Refused(f"it cannot be read: {error}") from None


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """The stream without its gzip, which is taken off as far as is read."""
    begin = stream.read(2)
    stream.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb")) if begin == _GZIP else stream


def _first_image(stream: IO[bytes]) -> Header:
    primary: bytes | None = None
    for number in range(_MOST_UNITS):
        text = _header(stream, number)
        primary = text if primary is None else primary
        header = Header(text, primary)
        if _is_image(header):
            return header
        stream.seek(_data_size(header), io.SEEK_CUR)
    raise Refused(f"there is no image in its first {_MOST_UNITS} units")


def _header(stream: IO[bytes], number: int) -> bytes:
    text = b""
    for _ in range(_MOST_BLOCKS):
        block = stream.read(BLOCK)
        if not text and not block.startswith(b"XTENSION=" if number else b"SIMPLE  ="):
            raise Refused("it has no image" if number else "it is no FITS file")
        if len(block) < BLOCK:
            raise Refused("it ends within a header")
        text += block
        end = _end(block)
        if end is not None:
            return text[: len(text) - BLOCK + end]
    raise Refused("its header has no end")


def _end(block: bytes) -> int | None:
    """Where the END of a header ends."""
    return next((n + 80 for n in range(0, BLOCK, 80) if block[n : n + 80].rstrip() == b"END"), None)


def _cards(text: bytes) -> fits.Header:
    return fits.Header.fromstring(text.decode("ascii", errors="replace"))


def _is_image(header: Header) -> bool:
    compressed = header.cards.get("ZIMAGE") is True
    table = str(header.cards.get("XTENSION", "IMAGE")).strip() != "IMAGE"
    return (compressed or not table) and len(header.sides) >= 2 and prod(header.sides) > 0


def _data_size(header: Header) -> int:
    """The bytes of the data unit, filled up to whole blocks (FITS 4.0 section 4.4.1.2)."""
    cards = header.cards
    sides = [int(cards.get(f"NAXIS{n + 1}", 0)) for n in range(int(cards.get("NAXIS", 0)))]
    pixels = prod(sides) if sides else 0
    held = abs(int(cards.get("BITPIX", 8))) // 8 * int(cards.get("GCOUNT", 1)) * (int(cards.get("PCOUNT", 0)) + pixels)
    return -(-held // BLOCK) * BLOCK
