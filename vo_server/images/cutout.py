"""Cutouts: a part of an image as a FITS file, with the same pixels, bit for bit, and the same header.

Only NAXISn and CRPIXn of the header change (and LTVn of IRAF), and CUTFROM, CUTSECT and HISTORY give the origin of the
part. All other keywords, such as the brightness of the sky, still describe the whole image. A circle or a polygon gives
the smallest window that holds it, with all of its pixels, as SODA services do (SODA 1.0 section 3.3: the best match
that the data allow).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.io.fits import Header

from vo_server import __version__
from vo_server.errors import Code, TooLargeError
from vo_server.images import bands
from vo_server.images.image import BLOCK_BYTES, MAX_PIXELS, Image, Pixels
from vo_server.images.window import Window, centre_window, find_window
from vo_server.sky.shapes import Shape

_CARD_TEXT_CHARACTERS = 66
"""Characters of a card for a text value and its comment together."""

_WCS_VERSIONS = ("", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def cut(image: Image, region: Shape | None = None, band: tuple[float, float] | None = None, source: str = "") -> bytes:
    """Return the part of an image within a region and a band (wavelengths in metres), as the bytes of a FITS file.

    `source` is the identifier of the image for the header. Without a region the part covers the whole image, without a
    band it has all planes. Raises NoPixelsError for an empty part, TooLargeError for too many pixels.
    """
    count, rows, columns = image.shape
    planes = range(count) if band is None else bands.select_planes(image.header, count, *band)
    whole = Window((0, rows), (0, columns))
    part = whole if region is None else find_window(image.wcs, rows, columns, region)
    return _build_file(image, part, planes, image.read_stored(part.rows, part.columns, planes), source)


def cut_to_size(image: Image, lon: float, lat: float, width: int, height: int, source: str = "") -> bytes:
    """Return an image of `width` x `height` pixels about a position (ICRS, degrees), as the bytes of a FITS file.

    The pixels are the image's own: nothing is resampled. Pixels outside the image are NaN, for which integers become
    floating-point numbers. Raises NoPixelsError where the image has none of the pixels, TooLargeError for too many.
    """
    count, rows, columns = image.shape
    if count * width * height > MAX_PIXELS:
        message = f"{width} x {height} pixels exceed the limit of {MAX_PIXELS:,} pixels"
        raise TooLargeError(message, code=Code.IMAGE_TOO_LARGE)
    target = centre_window(image.wcs, lon, lat, width, height)
    overlap = target.clip(rows, columns)
    planes = range(count)
    if overlap == target:
        return _build_file(image, target, planes, image.read_stored(target.rows, target.columns), source)
    has_nan = image.header["BITPIX"] < 0
    pixels_read = (image.read_stored if has_nan else image.read_physical)(overlap.rows, overlap.columns)
    cube = np.full((count, height, width), np.nan, dtype=pixels_read.dtype if has_nan else ">f4")
    bottom, left = overlap.rows[0] - target.rows[0], overlap.columns[0] - target.columns[0]
    cube[:, bottom : bottom + pixels_read.shape[1], left : left + pixels_read.shape[2]] = pixels_read
    return _build_file(image, target, planes, cube, source)


def to_primary_header(header: Header) -> Header:
    """Return a copy of a header as that of a primary HDU."""
    primary = header.copy()
    if "XTENSION" in primary:
        del primary["XTENSION"]
        primary.insert(0, ("SIMPLE", True))
    for name in ("PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM"):
        primary.remove(name, ignore_missing=True)
    return primary


def to_fits(header: Header, pixels: Pixels) -> bytes:
    """Return the bytes of a FITS file with this header and these pixels, shape (planes, rows, columns) or (rows,
    columns)."""
    kind = pixels.dtype.newbyteorder(">")
    data = np.ascontiguousarray(pixels, dtype=kind).tobytes()
    head: bytes = header.tostring().encode("latin-1")
    return head + data + b"\0" * (-len(data) % BLOCK_BYTES)


def _build_file(image: Image, window: Window, planes: Sequence[int], pixels: Pixels, source: str) -> bytes:
    header = to_primary_header(image.header)
    if pixels.dtype.kind == "f" and header["BITPIX"] > 0:
        header["BITPIX"] = -32
        for name in ("BSCALE", "BZERO", "BLANK"):
            header.remove(name, ignore_missing=True)
    header["NAXIS1"], header["NAXIS2"] = pixels.shape[2], pixels.shape[1]
    _shift_reference_pixel(header, 1, window.columns[0])
    _shift_reference_pixel(header, 2, window.rows[0])
    if len(planes) != image.shape[0]:
        _select_planes(header, image.shape[0], planes)
    _add_provenance(header, window, planes if len(planes) != image.shape[0] else None, source)
    return to_fits(header, pixels)


def _shift_reference_pixel(header: Header, axis: int, by: int) -> None:
    for letter in _WCS_VERSIONS:
        name = f"CRPIX{axis}{letter}"
        if name in header:
            header[name] = header[name] - by
        elif f"CTYPE{axis}{letter}" in header:
            header[name] = float(-by)
    if f"LTV{axis}" in header:
        header[f"LTV{axis}"] = header[f"LTV{axis}"] - by


def _select_planes(header: Header, count: int, planes: Sequence[int]) -> None:
    """Renumber the selected planes and their PLANEn keywords."""
    header["NAXIS3"] = len(planes)
    _shift_reference_pixel(header, 3, planes[0])
    if "PLANE1" not in header:
        return
    cards = [(header[f"PLANE{n + 1}"], header.comments[f"PLANE{n + 1}"]) for n in planes]
    for n in range(count):
        if n < len(cards):
            header[f"PLANE{n + 1}"] = cards[n]
        else:
            header.remove(f"PLANE{n + 1}", ignore_missing=True)


def _add_provenance(header: Header, window: Window, planes: Sequence[int] | None, source: str) -> None:
    if source:
        comment = "Image that this was cut from"
        fits_card = len(source) + len(comment) < _CARD_TEXT_CHARACTERS
        header["CUTFROM"] = (_to_ascii(source), comment if fits_card else "")
    header["CUTSECT"] = (window.section, "Its pixels, counted from 1")
    if planes is not None:
        header["CUTPLANE"] = (",".join(str(n + 1) for n in planes), "Its planes, counted from 1")
    header.add_history(f"Cut out by vo_server/{__version__} without a change of pixels.")
    header.add_history("What the header says otherwise, it says of the whole image.")


def _to_ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)
