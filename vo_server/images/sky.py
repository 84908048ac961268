"""Pixels and the sky: what the WCS of a header says (FITS paper II; CDELT and CROTA2 of old headers, too).

Positions are ICRS in degrees. Pixels are counted from 0, and the middle of a pixel is at a whole number. A header that
names no frame is taken for ICRS, as are those of 2MASS: their astrometry is that of Tycho-2. The FK5 that FITS would
have it be is 0.02" away.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header
from astropy.wcs import WCS

from vo_server.errors import ImageError
from vo_server.sky import vectors
from vo_server.sky.frames import rotate

Floats = npt.NDArray[np.float64]

_SAYS = re.compile(
    "(WCSAXES|CTYPE[12]|CUNIT[12]|CRVAL[12]|CRPIX[12]|CDELT[12]|CROTA[12]|CD[12]_[12]|PC[12]_[12]|PC00[12]00[12]|PV[12]_.*"
    "|LONPOLE|LATPOLE|EQUINOX|EPOCH|RADESYS|RADECSYS|(A|B|AP|BP)_.*)$"
)
"""What wcslib is given: it takes 4 ms for all cards of an Atlas image."""

_FRAMES = {"GLON": "GALACTIC", "ELON": "ECLIPTIC", "SLON": "SUPER_GALACTIC"}


class Sky:
    """The place of an image on the sky.

    Raises ImageError for a header without celestial coordinates in its first two axes.
    """

    def __init__(self, header: Header) -> None:
        try:
            self.frame = _frame(header)
            self._wcs = WCS(Header([c for c in header.cards if _SAYS.match(c.keyword)]), naxis=2, fix=False)
            self._wcs.wcs.set()
        except Exception as error:  # border: wcslib raises many things about headers
            raise ImageError("the header of this image does not say where on the sky it lies") from error
        if self._wcs.wcs.lng < 0 or self._wcs.wcs.lat < 0:
            raise ImageError("the axes of this image are not on the sky")
        self.north_first = self._wcs.wcs.lng != 0

    def pixels(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Columns and rows of positions; NaN for what the projection does not show."""
        lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
        if self.frame != "ICRS":
            lon, lat = rotate("ICRS", self.frame, lon, lat)
        world = np.stack([lat, lon] if self.north_first else [lon, lat], axis=-1)
        found = self._wcs.all_world2pix(world, 0, quiet=True) if self._wcs.sip else self._wcs.wcs_world2pix(world, 0)
        return found[:, 0], found[:, 1]

    def positions(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """The positions of columns and rows; NaN for what lies beyond the edge of the projection."""
        pixels = np.stack([np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))], axis=-1)
        world = self._wcs.all_pix2world(pixels, 0)
        lon, lat = (world[:, 1], world[:, 0]) if self.north_first else (world[:, 0], world[:, 1])
        return (lon, lat) if self.frame == "ICRS" else rotate(self.frame, "ICRS", lon, lat)

    def scale(self, x: float, y: float) -> float:
        """The side of a pixel there, in degrees: of a square of the same area."""
        lon, lat = self.positions([x, x + 1, x], [y, y, y + 1])
        (o, a, b) = vectors.unit(lon, lat)
        return float(np.degrees(np.sqrt(np.linalg.norm(np.cross(a - o, b - o)))))

    def through(self, linear: Floats, shift: Floats) -> Header | None:
        """What the header of another image says of its place whose pixel q (from 0) is the pixel linear @ q + shift of
        this one; None where that takes more than a matrix."""
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


def _frame(header: Header) -> str:
    """Which of vo_server.sky.frames a header means.

    Raises ValueError for one that is not among them.
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
    raise ValueError(f"the frame {named} {equinox}")
