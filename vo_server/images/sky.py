"""The WCS of an image: the mapping between pixels and sky (FITS paper II; also CDELT and CROTA2 of old headers).

Positions are ICRS in degrees. Pixels are counted from 0, and the middle of a pixel is at a whole number. A header that
names no frame is taken as ICRS, as those of 2MASS are: their astrometry is that of Tycho-2. FK5, which FITS prescribes
for it, is 0.02" away.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header
from astropy.wcs import WCS

from vo_server.errors import Code, ImageError
from vo_server.sky import vectors
from vo_server.sky.frames import rotate

Floats = npt.NDArray[np.float64]
"""Coordinates, shape (n,), unless said otherwise."""

_WCS_KEYWORDS = re.compile(
    "(WCSAXES|CTYPE[12]|CUNIT[12]|CRVAL[12]|CRPIX[12]|CDELT[12]|CROTA[12]|CD[12]_[12]|PC[12]_[12]|PC00[12]00[12]|PV[12]_.*"
    "|LONPOLE|LATPOLE|EQUINOX|EPOCH|RADESYS|RADECSYS|(A|B|AP|BP)_.*)$"
)
"""The keywords that wcslib gets: all cards of an Atlas image would take it 4 ms."""

_FRAMES = {"GLON": "GALACTIC", "ELON": "ECLIPTIC", "SLON": "SUPER_GALACTIC"}


class ImageWcs:
    """The mapping between the pixels of an image and the sky.

    Raises ImageError (IMAGE_NO_WCS) for a header without usable celestial coordinates in its first two axes.
    """

    def __init__(self, header: Header) -> None:
        try:
            self.frame = _parse_frame(header)
            self._wcs = WCS(Header([c for c in header.cards if _WCS_KEYWORDS.match(c.keyword)]), naxis=2, fix=False)
            self._wcs.wcs.set()
        except Exception as error:  # border: wcslib raises many things about headers
            message = "the header of this image has no usable celestial coordinates"
            raise ImageError(message, code=Code.IMAGE_NO_WCS) from error
        if self._wcs.wcs.lng < 0 or self._wcs.wcs.lat < 0:
            message = "the first two axes of this image are not celestial"
            raise ImageError(message, code=Code.IMAGE_NO_WCS)
        self.latitude_first = self._wcs.wcs.lng != 0

    def to_pixels(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return columns and rows, each of shape (n,), of positions; NaN for positions outside the projection."""
        lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
        if self.frame != "ICRS":
            lon, lat = rotate("ICRS", self.frame, lon, lat)
        world = np.stack([lat, lon] if self.latitude_first else [lon, lat], axis=-1)
        pixels = self._wcs.all_world2pix(world, 0, quiet=True) if self._wcs.sip else self._wcs.wcs_world2pix(world, 0)
        return pixels[:, 0], pixels[:, 1]

    def to_positions(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return longitudes and latitudes, each of shape (n,), of columns and rows; NaN outside the projection."""
        pixels = np.stack([np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))], axis=-1)
        world = self._wcs.all_pix2world(pixels, 0)
        lon, lat = (world[:, 1], world[:, 0]) if self.latitude_first else (world[:, 0], world[:, 1])
        return (lon, lat) if self.frame == "ICRS" else rotate(self.frame, "ICRS", lon, lat)

    def compute_scale(self, x: float, y: float) -> float:
        """Return the side of the pixel at a position, in degrees: that of a square of the same area."""
        lon, lat = self.to_positions([x, x + 1, x], [y, y, y + 1])
        (o, a, b) = vectors.unit_vectors(lon, lat)
        return float(np.degrees(np.sqrt(np.linalg.norm(np.cross(a - o, b - o)))))

    def transform_header(self, linear: Floats, shift: Floats) -> Header | None:
        """Return the WCS of an image whose pixel q (from 0) is the pixel linear @ q + shift of this one.

        `linear` has shape (2, 2), `shift` (2,). Returns None where a matrix is not enough.
        """
        wcs = self._wcs.wcs
        if self._wcs.sip is not None or wcs.get_pv():
            return None
        cd = self._wcs.pixel_scale_matrix @ linear
        reference = np.linalg.solve(linear, wcs.crpix - 1 - shift) + 1
        header = Header()
        for n in range(2):
            header[f"CTYPE{n + 1}"], header[f"CUNIT{n + 1}"] = wcs.ctype[n], "deg"
            header[f"CRPIX{n + 1}"], header[f"CRVAL{n + 1}"] = reference[n], wcs.crval[n]
            header[f"CD{n + 1}_1"], header[f"CD{n + 1}_2"] = cd[n]
        if wcs.lonpole != 180:
            header["LONPOLE"] = wcs.lonpole
        if self.frame in _EQUINOXES:
            header["RADESYS"], header["EQUINOX"] = self.frame, _EQUINOXES[self.frame]
        return header


_EQUINOXES = {"ICRS": 2000.0, "FK5": 2000.0, "FK4": 1950.0}


def _parse_frame(header: Header) -> str:
    """Return the frame of a header, one of vo_server.sky.frames.

    Raises ValueError for any other.
    """
    kind = str(header.get("CTYPE1", ""))[:4]
    if str(header.get("CTYPE1", "")).startswith(("DEC", "GLAT", "ELAT", "SLAT")):
        kind = str(header.get("CTYPE2", ""))[:4]
    if kind in _FRAMES:
        return _FRAMES[kind]
    named = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
    equinox = float(header.get("EQUINOX", header.get("EPOCH", 2000.0)))
    match named, equinox:
        case ("" | "ICRS", 2000.0) | ("ICRS", _):
            return "ICRS"
        case "FK5", 2000.0:
            return "FK5"
        case ("FK4" | "FK4-NO-E" | "", 1950.0):
            return "FK4"
        case _:
            pass
    raise ValueError(f"unsupported frame {named} {equinox}")
