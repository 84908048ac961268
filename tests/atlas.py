"""Small images with the header of the Atlas images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits


def atlas_header(ra: float = 83.6, dec: float = -5.4, rows: int = 140, columns: int = 100) -> fits.Header:
    header = fits.Header()
    header["SIMPLE"] = True
    header["BITPIX"] = -32
    header["NAXIS"] = (2, "# of Axes")
    header["NAXIS1"] = columns
    header["NAXIS2"] = rows
    header["ORDATE"] = ("001022", "Observation Ref Date (yymmdd)")
    header["CTYPE1"] = ("RA---SIN", "Orthographic Projection")
    header["CTYPE2"] = ("DEC--SIN", "Orthographic Projection")
    header["CRPIX1"] = (columns / 2 + 0.5, "  Axis 1 Reference Pixel")
    header["CRPIX2"] = (rows / 2 + 0.5, "  Axis 2 Reference Pixel")
    header["CRVAL1"] = (ra, "RA  at Frame Center, J2000 (deg)")
    header["CRVAL2"] = (dec, "Dec at Frame Center, J2000 (deg)")
    header["CROTA2"] = (0.31, "Image Twist +AXIS2 W of N, J2000 (deg)")
    header["CDELT1"] = -0.0002777777845
    header["CDELT2"] = 0.0002777777845
    header["EQUINOX"] = 2000.0
    header["SKYVAL"] = 73.2
    header["SKYSIG"] = 0.56
    header["MAGZP"] = 21.0034
    header["SEESH"] = 0.93
    header["FILTER"] = ("j", "Band: j, h, k")
    header["HISTORY"] = "> Image Created by pixphot"
    return header


def atlas_pixels(rows: int = 140, columns: int = 100) -> npt.NDArray[np.float32]:
    """Return sky, noise, a few stars and columns without a value, always the same."""
    random = np.random.default_rng(7)
    made = random.normal(73.2, 0.56, (rows, columns))
    y, x = np.mgrid[:rows, :columns]
    for flux, at_x, at_y in ((3000, 30.2, 50.7), (500, 71.0, 22.4), (9000, 55.5, 101.1)):
        made += flux / (2 * np.pi * 1.3**2) * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * 1.3**2))
    made[:, :2] = np.nan
    return made.astype(np.float32)


def atlas_file(path: Path, ra: float = 83.6, dec: float = -5.4) -> Path:
    fits.PrimaryHDU(atlas_pixels(), atlas_header(ra, dec)).writeto(path)
    return path
