"""Postage stamps: a cube of six planes about an extended source, made of Atlas images and rows of the two catalogues.

Planes 1 to 3 are J, H and Ks, planes 4 to 6 the same without the foreground stars (see `stars`). The pixels are those
of the Atlas images, none is moved; the sky is subtracted. What the image ends before is filled from a neighbour, if one
is given, by bilinear interpolation. This knows no database: the rows come as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header
from scipy.ndimage import map_coordinates

from vo_server.errors import ImageError, UsageError
from vo_server.images.bands import BANDS
from vo_server.images.cutout import written
from vo_server.images.image import Image
from vo_server.images.stars import Points, fitted, removed, width
from vo_server.images.window import Window, about
from vo_server.sky import vectors

Floats = npt.NDArray[np.float64]
Coadd = tuple[Image, Image, Image]
"""The images of one piece of sky in J, H and Ks."""

SMALLEST, LARGEST = 21, 301
"""Pixels of a side, as im_nx has them."""

_MARGIN = 60
"""Pixels about the stamp that the sky and the profile of the stars are measured on, too."""

_FEW = 100
_APART = 5
_OWN = 3.0
"""Arcseconds: a point source so near to the middle of the galaxy is the galaxy."""


@dataclass(frozen=True, slots=True)
class Galaxy:
    """A row of the XSC: designation, position in degrees, `r_k20fe` in arcsec, `sup_ba`, `sup_phi` in degrees east of
    north, `im_nx`, the side of its stamp, and `ext_key`."""

    designation: str
    ra: float
    dec: float
    radius: float
    axis_ratio: float = 1.0
    angle: float = 90.0
    side: int | None = None
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Stars:
    """Rows of the PSC: positions in degrees (n,), default magnitudes (n, 3), NaN where there is none."""

    ra: Floats
    dec: Floats
    magnitudes: Floats

    def about(self, galaxy: Galaxy) -> Stars:
        """All but the galaxy itself."""
        keep = vectors.distance(galaxy.ra, galaxy.dec, self.ra, self.dec) * 3600 > max(_OWN, 0.2 * galaxy.radius)
        return Stars(self.ra[keep], self.dec[keep], self.magnitudes[keep])


def side(galaxy: Galaxy) -> int:
    """The pixels of a side of a galaxy's stamp, an odd number: `im_nx` of its row, or six times r_k20fe."""
    wanted = galaxy.side if galaxy.side is not None else int(galaxy.radius * 3) * 2 - 1
    return min(max(wanted, SMALLEST), LARGEST) | 1


def file_name(date: str, hemis: str, scan: int, coadd: int, number: int) -> str:
    """The path of a stamp as the release has it, of columns of the XSC: `date` as yymmdd, `number` is id."""
    return f"{date}{hemis}/s{scan:03}/g{date}{hemis}{scan:03}0{coadd:03}i{number:06}.fits"


def coverage(image: Image, galaxy: Galaxy) -> float:
    """Which part of a galaxy's stamp lies on an image, 0 to 1: of several, the best one comes first."""
    n = side(galaxy)
    asked = about(image.sky, galaxy.ra, galaxy.dec, n, n)
    _, rows, columns = image.shape
    (a, b), (c, d) = asked.rows, asked.columns
    return max(0, min(b, rows) - max(a, 0)) * max(0, min(d, columns) - max(c, 0)) / n**2


def stamp(coadds: Sequence[Coadd], galaxy: Galaxy, stars: Stars) -> bytes:
    """The stamp of a galaxy, as the bytes of a FITS file.

    The first of the coadds gives the pixels, the others what it has not. `stars` are all point sources within the
    stamp, better within a minute of arc about it. Raises NoPixelsError where the first does not show the galaxy,
    ImageError where a header does not say a zero point or the three bands do not lie over one another.
    """
    first, *others = coadds
    n = side(galaxy)
    asked = about(first[0].sky, galaxy.ra, galaxy.dec, n, n)
    asked.within(*first[0].shape[1:])
    near = stars.about(galaxy)
    found = [_plane(first, others, band, asked, galaxy, near) for band in range(3)]
    header = _header(first, asked, galaxy, found, len(near.ra))
    cube = [p.pixels for p in found] + [p.clean for p in found]
    return written(header, np.stack(cube).astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Plane:
    pixels: Floats
    clean: Floats
    sky: float
    noise: float
    zero: float
    fwhm: float
    replaced: int
    filled: int


def _plane(first: Coadd, others: Sequence[Coadd], band: int, asked: Window, galaxy: Galaxy, stars: Stars) -> _Plane:
    image = first[band]
    (x,), (y,) = image.sky.pixels(galaxy.ra, galaxy.dec)
    (x0,), (y0,) = first[0].sky.pixels(galaxy.ra, galaxy.dec)
    if image.shape != first[0].shape or not np.hypot(x - x0, y - y0) < 0.5:
        raise ImageError("the images of the three bands do not lie over one another")
    wide = Window(
        (asked.rows[0] - _MARGIN, asked.rows[1] + _MARGIN), (asked.columns[0] - _MARGIN, asked.columns[1] + _MARGIN)
    )
    pixels = _padded(image, wide)
    sky, noise = _sky(pixels, wide, image, galaxy), _noise(pixels)
    pixels = pixels - sky
    zero = _zero(image)
    inner = (slice(_MARGIN, -_MARGIN),) * 2
    missing = np.isnan(pixels[inner]).sum()
    for other in others:
        _fill(pixels, wide, image, other[band], galaxy, zero)
    points = _points(image, wide, stars, band, zero)
    fwhm = width(pixels, points, noise)
    there = fitted(pixels, points, fwhm, noise)
    clean, replaced = removed(pixels, there, fwhm, noise, _ellipses(image, wide, galaxy))
    filled = int(missing - np.isnan(pixels[inner]).sum())
    return _Plane(pixels[inner], clean[inner], sky, noise, zero, fwhm, int(replaced[inner].sum()), filled)


def _padded(image: Image, wide: Window) -> Floats:
    """The values of a window, NaN where it reaches beyond the image."""
    had = wide.within(*image.shape[1:])
    made = np.full((wide.rows[1] - wide.rows[0], wide.columns[1] - wide.columns[0]), np.nan)
    bottom, left = had.rows[0] - wide.rows[0], had.columns[0] - wide.columns[0]
    (values,) = image.physical(had.rows, had.columns, (0,))
    made[bottom : bottom + values.shape[0], left : left + values.shape[1]] = values
    return made


def _sky(pixels: Floats, wide: Window, image: Image, galaxy: Galaxy) -> float:
    """The brightness of the sky about the galaxy, with what is far from the middle clipped off."""
    values = pixels[np.isfinite(pixels) & (_ellipses(image, wide, galaxy) > 2 * galaxy.radius)]
    values = values if len(values) > _FEW else pixels[np.isfinite(pixels)]
    if not len(values):
        raise ImageError("the image has no values about this galaxy")
    for _ in range(5):
        middle = np.median(values)
        values = values[np.abs(values - middle) <= 2.5 * 1.4826 * np.median(np.abs(values - middle))]
    return float(np.median(values))


def _noise(pixels: Floats) -> float:
    """The scatter of a pixel, from pairs that are so far apart that their noise is their own."""
    pairs = pixels[:, _APART:] - pixels[:, :-_APART]
    return max(1.4826 / 2**0.5 * float(np.nanmedian(np.abs(pairs))), 1e-6)


def _zero(image: Image) -> float:
    zero = image.header.get("MAGZP")
    if not isinstance(zero, int | float):
        raise ImageError("the header of this image has no photometric zero point (MAGZP)")
    return float(zero)


def _fill(pixels: Floats, wide: Window, image: Image, other: Image, galaxy: Galaxy, zero: float) -> None:
    """What is missing, from a neighbour: in place, its sky taken off, as if it had the first one's zero point."""
    rows, columns = np.nonzero(np.isnan(pixels))
    lon, lat = image.sky.positions(columns + wide.columns[0], rows + wide.rows[0])
    x, y = other.sky.pixels(lon, lat)
    inside = (x >= 0) & (x <= other.shape[2] - 1) & (y >= 0) & (y <= other.shape[1] - 1)
    if not inside.any():
        return
    x, y = x[inside], y[inside]
    low = int(max(y.min() - _MARGIN, 0)), int(max(x.min() - _MARGIN, 0))
    part = Window((low[0], int(y.max()) + 2 + _MARGIN), (low[1], int(x.max()) + 2 + _MARGIN))
    part = part.within(*other.shape[1:])
    (values,) = other.physical(part.rows, part.columns, (0,))
    sky = _sky(values.astype(float), part, other, galaxy)
    found = map_coordinates(
        values - sky, [y - part.rows[0], x - part.columns[0]], order=1, cval=np.nan, prefilter=False
    )
    pixels[rows[inside], columns[inside]] = found * 10 ** (0.4 * (zero - _zero(other)))


def _points(image: Image, wide: Window, stars: Stars, band: int, zero: float) -> Points:
    x, y = image.sky.pixels(stars.ra, stars.dec) if len(stars.ra) else (np.zeros(0), np.zeros(0))
    flux = 10 ** (-0.4 * (stars.magnitudes[:, band] - zero))
    x, y = x - wide.columns[0], y - wide.rows[0]
    rows, columns = wide.rows[1] - wide.rows[0], wide.columns[1] - wide.columns[0]
    keep = np.isfinite(flux) & (x > -_MARGIN) & (x < columns + _MARGIN) & (y > -_MARGIN) & (y < rows + _MARGIN)
    return Points(x[keep], y[keep], flux[keep])


def _ellipses(image: Image, wide: Window, galaxy: Galaxy) -> Floats:
    """How far along the major axis, in pixels, the ellipse lies that goes through each pixel."""
    (x,), (y,) = image.sky.pixels(galaxy.ra, galaxy.dec)
    lon, lat = image.sky.positions([x, x], [y, y + 1])
    turn = np.radians(galaxy.angle) - _bearing(galaxy, float(lon[1]), float(lat[1]))
    rows, columns = np.ogrid[wide.rows[0] : wide.rows[1], wide.columns[0] : wide.columns[1]]
    handed = -1.0 if _mirrored(image, x, y) else 1.0
    east, north = -handed * (columns - x), rows - y
    along = north * np.cos(turn) + east * np.sin(turn)
    across = -north * np.sin(turn) + east * np.cos(turn)
    return np.asarray(np.hypot(along, across / max(galaxy.axis_ratio, 0.1)))


def _bearing(galaxy: Galaxy, lon: float, lat: float) -> float:
    """Where the columns of the image point: the angle of a place seen from the galaxy, from north to east."""
    a, b, d = np.radians(lon - galaxy.ra), np.radians(lat), np.radians(galaxy.dec)
    return float(np.arctan2(np.sin(a) * np.cos(b), np.cos(d) * np.sin(b) - np.sin(d) * np.cos(b) * np.cos(a)))


def _mirrored(image: Image, x: float, y: float) -> bool:
    """Does east lie to the right when north is up?"""
    lon, lat = image.sky.positions([x, x + 1, x], [y, y, y + 1])
    o, right, up = vectors.unit(lon, lat)
    return bool(np.dot(np.cross(right - o, up - o), o) > 0)


_COPIED = ("ORDATE", "SCANNO", "SCANDIR", "STRIP_ID", "TELNAME", "UT_DATE", "UT")
_PLACE = ("CTYPE", "CRVAL", "CDELT", "CROTA", "CUNIT")


def _header(first: Coadd, asked: Window, galaxy: Galaxy, found: Sequence[_Plane], stars: int) -> Header:
    source = first[0].header
    n = side(galaxy)
    header = Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", n), ("NAXIS2", n), ("NAXIS3", 6)])
    header["OBJECT"] = (galaxy.designation, "Designation in the XSC")
    if galaxy.key is not None:
        header["EXT_KEY"] = (galaxy.key, "Key of the source in the XSC")
    header["RA"], header["DEC"] = (galaxy.ra, "[deg] Of the source"), (galaxy.dec, "[deg] Of the source")
    header["ORIGIN"] = ("2MASS", "Made of Atlas images by vo_server")
    for card in (c for c in source.cards if c.keyword in _COPIED):
        header.append(card)
    for axis, (low, _) in ((1, asked.columns), (2, asked.rows)):
        header[f"CRPIX{axis}"] = source[f"CRPIX{axis}"] - low
    for card in (c for c in source.cards if c.keyword[:-1] in _PLACE or c.keyword[:2] in ("CD", "PC", "PV")):
        if card.keyword not in header and card.keyword[-1] in "12":
            header.append(card)
    for name in ("RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"):
        if name in source:
            header[name] = source[name]
    _planes(header, found)
    for band, image in zip(BANDS, first, strict=True):
        if "SEESH" in image.header:
            header[f"{band.letter.upper()}SEESH"] = (image.header["SEESH"], f"Seeing shape parameter, {band.name}")
    header["BUNIT"] = ("DN", "magnitude = MAGZP - 2.5 log10(sum)")
    header["STARS"] = (stars, "PSC sources about the galaxy, foreground")
    header["STARREM"] = ("psf+isophotes", "How they were removed: see HISTORY")
    for line in _HISTORY:
        header.add_history(line)
    if any(p.filled for p in found):
        header.add_history("Pixels beyond the Atlas image are from its neighbour, interpolated:")
        header.add_history(", ".join(f"{b.name} {p.filled}" for b, p in zip(BANDS, found, strict=True)))
    return header


_HISTORY = (
    "The sky (JSKYVAL, HSKYVAL, KSKYVAL) is subtracted from all planes.",
    "Planes 4 to 6: the PSC sources beside the galaxy were subtracted, as",
    "Moffat profiles (beta 3.1, FWHM in JFWHM ...) with fitted fluxes. Pixels",
    "of more than 5 JSKYSIG of that then got the brightness of the others on",
    "their isophote and nearby (JREPLACE counts them).",
)


def _planes(header: Header, found: Sequence[_Plane]) -> None:
    for n, said in enumerate(("", ", stars removed")):
        for m, band in enumerate(BANDS):
            header[f"PLANE{3 * n + m + 1}"] = (f"{band.name}{said}", f"Plane {3 * n + m + 1}")
    for band, plane in zip(BANDS, found, strict=True):
        letter = band.letter.upper()
        header[f"{letter}MAGZP"] = (plane.zero, f"Photometric zero point, {band.name}")
        header[f"{letter}SKYVAL"] = (round(plane.sky, 4), f"[DN] Sky that was subtracted, {band.name}")
        header[f"{letter}SKYSIG"] = (round(plane.noise, 4), f"[DN] Noise of a pixel of the sky, {band.name}")
        header[f"{letter}FWHM"] = (round(plane.fwhm, 2), f"[pixel] Of the stars, {band.name}")
        header[f"{letter}REPLACE"] = (plane.replaced, f"Pixels that were replaced, {band.name}")


def check(galaxy: Galaxy) -> None:
    """Raises UsageError for a row that has no stamp: without a position or a size."""
    if not np.isfinite([galaxy.ra, galaxy.dec]).all() or not (galaxy.side or np.isfinite(galaxy.radius)):
        raise UsageError(f"{galaxy.designation} has no position or no size")
