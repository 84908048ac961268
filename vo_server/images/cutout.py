"""A part of an image as a FITS file: the same pixels, bit for bit, under the same header.

Of the header only NAXISn and CRPIXn are changed (and LTVn of IRAF), and it is said where the part came from: CUTFROM,
CUTSECT, and HISTORY. What else the header says, say of the sky's brightness, is said of the whole image. A circle or a
polygon gives the smallest window that holds it, with all of its pixels, as SODA services do (SODA 1.0 section 3.3: the
best match that the data allow).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.io.fits import Header

from vo_server import __version__
from vo_server.errors import TooLargeError
from vo_server.images import bands
from vo_server.images.image import BLOCK, MOST, Image, Pixels
from vo_server.images.window import Window, about, window
from vo_server.sky.shapes import Shape

_ROOM = 66
"""Characters of a card that a text and its comment may have."""

_ALTERNATES = ("", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def cut(image: Image, region: Shape | None = None, band: tuple[float, float] | None = None, source: str = "") -> bytes:
    """What an image has of a region and of a band (wavelengths in metres), as the bytes of a FITS file.

    `source` names the image for people and programs, say its publisher's id. Without a region it is all of the sky,
    without a band all planes. Raises NoPixelsError where there is nothing, TooLargeError for too many pixels.
    """
    count, rows, columns = image.shape
    planes = range(count) if band is None else bands.planes(image.header, count, *band)
    whole = Window((0, rows), (0, columns))
    found = whole if region is None else window(image.sky, rows, columns, region)
    return _file(image, found, planes, image.stored(found.rows, found.columns, planes), source)


def exact(image: Image, lon: float, lat: float, width: int, height: int, source: str = "") -> bytes:
    """An image of `width` x `height` pixels about a position, as the bytes of a FITS file; NaN where there is nothing.

    The pixels are the image's own: none is moved by a part of a pixel. Whole numbers become real ones, as they have no
    NaN, when something is missing. Raises NoPixelsError where there is nothing at all, TooLargeError.
    """
    count, rows, columns = image.shape
    if count * width * height > MOST:
        raise TooLargeError(f"{width} x {height} pixels are more than the {MOST:,} that an image may have here")
    asked = about(image.sky, lon, lat, width, height)
    had = asked.within(rows, columns)
    planes = range(count)
    if had == asked:
        return _file(image, asked, planes, image.stored(asked.rows, asked.columns), source)
    kept = image.header["BITPIX"] < 0
    read = (image.stored if kept else image.physical)(had.rows, had.columns)
    made = np.full((count, height, width), np.nan, dtype=read.dtype if kept else ">f4")
    bottom, left = had.rows[0] - asked.rows[0], had.columns[0] - asked.columns[0]
    made[:, bottom : bottom + read.shape[1], left : left + read.shape[2]] = read
    return _file(image, asked, planes, made, source)


def primary(header: Header) -> Header:
    """A header as that of the first thing in a file; a copy."""
    made = header.copy()
    if "XTENSION" in made:
        del made["XTENSION"]
        made.insert(0, ("SIMPLE", True))
    for name in ("PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM"):
        made.remove(name, ignore_missing=True)
    return made


def written(header: Header, pixels: Pixels) -> bytes:
    """A FITS file of a header that fits the pixels."""
    kind = pixels.dtype.newbyteorder(">")
    data = np.ascontiguousarray(pixels, dtype=kind).tobytes()
    head: bytes = header.tostring().encode("latin-1")
    return head + data + b"\0" * (-len(data) % BLOCK)


def _file(image: Image, found: Window, planes: Sequence[int], pixels: Pixels, source: str) -> bytes:
    header = primary(image.header)
    if pixels.dtype.kind == "f" and header["BITPIX"] > 0:
        header["BITPIX"] = -32
        for name in ("BSCALE", "BZERO", "BLANK"):
            header.remove(name, ignore_missing=True)
    header["NAXIS1"], header["NAXIS2"] = pixels.shape[2], pixels.shape[1]
    _shift(header, 1, found.columns[0])
    _shift(header, 2, found.rows[0])
    if len(planes) != image.shape[0]:
        _pick(header, image.shape[0], planes)
    _provenance(header, found, planes if len(planes) != image.shape[0] else None, source)
    return written(header, pixels)


def _shift(header: Header, axis: int, by: int) -> None:
    for letter in _ALTERNATES:
        name = f"CRPIX{axis}{letter}"
        if name in header:
            header[name] = header[name] - by
        elif f"CTYPE{axis}{letter}" in header:
            header[name] = float(-by)
    if f"LTV{axis}" in header:
        header[f"LTV{axis}"] = header[f"LTV{axis}"] - by


def _pick(header: Header, count: int, planes: Sequence[int]) -> None:
    """The planes that are left are numbered anew, and what is said of each with them."""
    header["NAXIS3"] = len(planes)
    _shift(header, 3, planes[0])
    if "PLANE1" not in header:
        return
    said = [(header[f"PLANE{n + 1}"], header.comments[f"PLANE{n + 1}"]) for n in planes]
    for n in range(count):
        if n < len(said):
            header[f"PLANE{n + 1}"] = said[n]
        else:
            header.remove(f"PLANE{n + 1}", ignore_missing=True)


def _provenance(header: Header, found: Window, planes: Sequence[int] | None, source: str) -> None:
    if source:
        said = "Image that this was cut from"
        header["CUTFROM"] = (_ascii(source), said if len(source) + len(said) < _ROOM else "")
    header["CUTSECT"] = (found.section, "Its pixels, counted from 1")
    if planes is not None:
        header["CUTPLANE"] = (",".join(str(n + 1) for n in planes), "Its planes, counted from 1")
    header.add_history(f"Cut out by vo_server/{__version__} without a change of pixels.")
    header.add_history("What the header says otherwise, it says of the whole image.")


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)
