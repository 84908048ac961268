"""Postage stamps: a cube of six planes about an extended source, from Atlas images and rows of the two catalogues.

Planes 1 to 3 are J, H and Ks, planes 4 to 6 the same without the foreground stars (see `stars`). The pixels are those
of the Atlas images, not resampled; the sky is subtracted. Pixels beyond the edge of the image are filled from a
neighbour, if one is given, by bilinear interpolation. No database is needed: the rows come as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Header
from scipy.ndimage import map_coordinates

from vo_server.errors import Code, ImageError
from vo_server.images.bands import BANDS
from vo_server.images.cutout import to_fits
from vo_server.images.image import Image
from vo_server.images.stars import ImageStars, fit_fluxes, fit_fwhm, remove_stars
from vo_server.images.window import Window, centre_window
from vo_server.sky import vectors

Floats = npt.NDArray[np.float64]
"""Pixel values, shape (rows, columns), unless said otherwise."""

Coadd = tuple[Image, Image, Image]
"""The images of one coadd in J, H and Ks."""

MIN_SIDE_PIXELS, MAX_SIDE_PIXELS = 21, 301
"""Pixels of a side, the range of im_nx."""

_MARGIN_PIXELS = 60
"""Pixels around the stamp in which the sky and the profile of the stars are measured, too."""

_MIN_SKY_PIXELS = 100
_NOISE_LAG_PIXELS = 5
_SELF_MATCH_ARCSEC = 3.0
"""A point source nearer than this to the centre of the galaxy is the galaxy."""


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

    def exclude_galaxy(self, galaxy: Galaxy) -> Stars:
        """Return all sources but the galaxy itself."""
        keep = vectors.distance(galaxy.ra, galaxy.dec, self.ra, self.dec) * 3600 > max(
            _SELF_MATCH_ARCSEC, 0.2 * galaxy.radius
        )
        return Stars(self.ra[keep], self.dec[keep], self.magnitudes[keep])


def compute_side(galaxy: Galaxy) -> int:
    """Return the side of a galaxy's stamp in pixels, an odd number: `im_nx` of its row, or six times r_k20fe."""
    target = galaxy.side if galaxy.side is not None else int(galaxy.radius * 3) * 2 - 1
    return min(max(target, MIN_SIDE_PIXELS), MAX_SIDE_PIXELS) | 1


def build_file_name(date: str, hemis: str, scan: int, coadd: int, number: int) -> str:
    """Return the path of a stamp as in the release, from columns of the XSC: `date` as yymmdd, `number` is id."""
    return f"{date}{hemis}/s{scan:03}/g{date}{hemis}{scan:03}0{coadd:03}i{number:06}.fits"


def compute_coverage(image: Image, galaxy: Galaxy) -> float:
    """Return the fraction of a galaxy's stamp that lies on an image, 0 to 1, by which several images are ranked."""
    n = compute_side(galaxy)
    window = centre_window(image.wcs, galaxy.ra, galaxy.dec, n, n)
    _, rows, columns = image.shape
    (a, b), (c, d) = window.rows, window.columns
    return max(0, min(b, rows) - max(a, 0)) * max(0, min(d, columns) - max(c, 0)) / n**2


def build_stamp(coadds: Sequence[Coadd], galaxy: Galaxy, stars: Stars) -> bytes:
    """Return the stamp of a galaxy, as the bytes of a FITS file.

    The first of the coadds gives the pixels, the others those that it lacks. `stars` are all point sources within the
    stamp, better within a minute of arc around it. Raises NoPixelsError where the first does not cover the galaxy,
    ImageError for a header without a zero point, and for bands that do not cover the same pixels.
    """
    first, *others = coadds
    n = compute_side(galaxy)
    window = centre_window(first[0].wcs, galaxy.ra, galaxy.dec, n, n)
    window.clip(*first[0].shape[1:])
    neighbours = stars.exclude_galaxy(galaxy)
    planes = [_build_plane(first, others, band, window, galaxy, neighbours) for band in range(3)]
    header = _build_header(first, window, galaxy, planes, len(neighbours.ra))
    cube = [p.pixels for p in planes] + [p.clean for p in planes]
    return to_fits(header, np.stack(cube).astype(np.float32))


@dataclass(frozen=True, slots=True)
class _StampPlane:
    pixels: Floats
    clean: Floats
    sky: float
    noise: float
    zero: float
    fwhm: float
    replaced: int
    filled: int


def _build_plane(
    first: Coadd, others: Sequence[Coadd], band: int, window: Window, galaxy: Galaxy, stars: Stars
) -> _StampPlane:
    image = first[band]
    (x,), (y,) = image.wcs.to_pixels(galaxy.ra, galaxy.dec)
    (x0,), (y0,) = first[0].wcs.to_pixels(galaxy.ra, galaxy.dec)
    if image.shape != first[0].shape or not np.hypot(x - x0, y - y0) < 0.5:
        message = "the images of the three bands do not cover the same pixels"
        raise ImageError(message, code=Code.IMAGE_UNSUPPORTED)
    wide = Window(
        (window.rows[0] - _MARGIN_PIXELS, window.rows[1] + _MARGIN_PIXELS),
        (window.columns[0] - _MARGIN_PIXELS, window.columns[1] + _MARGIN_PIXELS),
    )
    pixels = _read_padded(image, wide)
    sky, noise = _estimate_sky(pixels, wide, image, galaxy), _estimate_noise(pixels)
    pixels = pixels - sky
    zero = _read_zero_point(image)
    inner = (slice(_MARGIN_PIXELS, -_MARGIN_PIXELS),) * 2
    missing = np.isnan(pixels[inner]).sum()
    for other in others:
        _fill_from_neighbour(pixels, wide, image, other[band], galaxy, zero)
    points = _project_stars(image, wide, stars, band, zero)
    fwhm = fit_fwhm(pixels, points, noise)
    detected = fit_fluxes(pixels, points, fwhm, noise)
    clean, replaced = remove_stars(pixels, detected, fwhm, noise, _compute_ellipse_radii(image, wide, galaxy))
    filled = int(missing - np.isnan(pixels[inner]).sum())
    return _StampPlane(pixels[inner], clean[inner], sky, noise, zero, fwhm, int(replaced[inner].sum()), filled)


def _read_padded(image: Image, wide: Window) -> Floats:
    """Return the values of a window, shape (rows, columns), NaN beyond the edge of the image."""
    overlap = wide.clip(*image.shape[1:])
    padded = np.full((wide.rows[1] - wide.rows[0], wide.columns[1] - wide.columns[0]), np.nan)
    bottom, left = overlap.rows[0] - wide.rows[0], overlap.columns[0] - wide.columns[0]
    (values,) = image.read_physical(overlap.rows, overlap.columns, (0,))
    padded[bottom : bottom + values.shape[0], left : left + values.shape[1]] = values
    return padded


def _estimate_sky(pixels: Floats, wide: Window, image: Image, galaxy: Galaxy) -> float:
    """Return the brightness of the sky around the galaxy: the median after clipping outliers."""
    values = pixels[np.isfinite(pixels) & (_compute_ellipse_radii(image, wide, galaxy) > 2 * galaxy.radius)]
    values = values if len(values) > _MIN_SKY_PIXELS else pixels[np.isfinite(pixels)]
    if not len(values):
        raise ImageError("the image has no values around this galaxy", code=Code.IMAGE_UNSUPPORTED)
    for _ in range(5):
        middle = np.median(values)
        values = values[np.abs(values - middle) <= 2.5 * 1.4826 * np.median(np.abs(values - middle))]
    return float(np.median(values))


def _estimate_noise(pixels: Floats) -> float:
    """Return the noise of a pixel, from differences of pixels so far apart that their noise is independent."""
    pairs = pixels[:, _NOISE_LAG_PIXELS:] - pixels[:, :-_NOISE_LAG_PIXELS]
    return max(1.4826 / 2**0.5 * float(np.nanmedian(np.abs(pairs))), 1e-6)


def _read_zero_point(image: Image) -> float:
    zero = image.header.get("MAGZP")
    if not isinstance(zero, int | float):
        message = "the header of this image has no photometric zero point (MAGZP)"
        raise ImageError(message, code=Code.IMAGE_UNSUPPORTED)
    return float(zero)


def _fill_from_neighbour(pixels: Floats, wide: Window, image: Image, other: Image, galaxy: Galaxy, zero: float) -> None:
    """Fill missing pixels in place from a neighbour, its sky subtracted and scaled to the zero point of the first."""
    rows, columns = np.nonzero(np.isnan(pixels))
    lon, lat = image.wcs.to_positions(columns + wide.columns[0], rows + wide.rows[0])
    x, y = other.wcs.to_pixels(lon, lat)
    inside = (x >= 0) & (x <= other.shape[2] - 1) & (y >= 0) & (y <= other.shape[1] - 1)
    if not inside.any():
        return
    x, y = x[inside], y[inside]
    low = int(max(y.min() - _MARGIN_PIXELS, 0)), int(max(x.min() - _MARGIN_PIXELS, 0))
    part = Window((low[0], int(y.max()) + 2 + _MARGIN_PIXELS), (low[1], int(x.max()) + 2 + _MARGIN_PIXELS))
    part = part.clip(*other.shape[1:])
    (values,) = other.read_physical(part.rows, part.columns, (0,))
    sky = _estimate_sky(values.astype(float), part, other, galaxy)
    planes = map_coordinates(
        values - sky, [y - part.rows[0], x - part.columns[0]], order=1, cval=np.nan, prefilter=False
    )
    pixels[rows[inside], columns[inside]] = planes * 10 ** (0.4 * (zero - _read_zero_point(other)))


def _project_stars(image: Image, wide: Window, stars: Stars, band: int, zero: float) -> ImageStars:
    x, y = image.wcs.to_pixels(stars.ra, stars.dec) if len(stars.ra) else (np.zeros(0), np.zeros(0))
    flux = 10 ** (-0.4 * (stars.magnitudes[:, band] - zero))
    x, y = x - wide.columns[0], y - wide.rows[0]
    rows, columns = wide.rows[1] - wide.rows[0], wide.columns[1] - wide.columns[0]
    keep = (
        np.isfinite(flux)
        & (x > -_MARGIN_PIXELS)
        & (x < columns + _MARGIN_PIXELS)
        & (y > -_MARGIN_PIXELS)
        & (y < rows + _MARGIN_PIXELS)
    )
    return ImageStars(x[keep], y[keep], flux[keep])


def _compute_ellipse_radii(image: Image, wide: Window, galaxy: Galaxy) -> Floats:
    """Return the semi-major axis, in pixels, of the ellipse through each pixel, shape (rows, columns)."""
    (x,), (y,) = image.wcs.to_pixels(galaxy.ra, galaxy.dec)
    lon, lat = image.wcs.to_positions([x, x], [y, y + 1])
    turn = np.radians(galaxy.angle) - _compute_bearing(galaxy, float(lon[1]), float(lat[1]))
    rows, columns = np.ogrid[wide.rows[0] : wide.rows[1], wide.columns[0] : wide.columns[1]]
    handed = -1.0 if _is_mirrored(image, x, y) else 1.0
    east, north = -handed * (columns - x), rows - y
    along = north * np.cos(turn) + east * np.sin(turn)
    across = -north * np.sin(turn) + east * np.cos(turn)
    return np.asarray(np.hypot(along, across / max(galaxy.axis_ratio, 0.1)))


def _compute_bearing(galaxy: Galaxy, lon: float, lat: float) -> float:
    """Return the position angle of a position seen from the galaxy, in radians from north to east."""
    a, b, d = np.radians(lon - galaxy.ra), np.radians(lat), np.radians(galaxy.dec)
    return float(np.arctan2(np.sin(a) * np.cos(b), np.cos(d) * np.sin(b) - np.sin(d) * np.cos(b) * np.cos(a)))


def _is_mirrored(image: Image, x: float, y: float) -> bool:
    """Return whether east is to the right when north is up."""
    lon, lat = image.wcs.to_positions([x, x + 1, x], [y, y, y + 1])
    o, right, up = vectors.unit_vectors(lon, lat)
    return bool(np.dot(np.cross(right - o, up - o), o) > 0)


_COPIED_KEYWORDS = ("ORDATE", "SCANNO", "SCANDIR", "STRIP_ID", "TELNAME", "UT_DATE", "UT")
_WCS_KEYWORDS = ("CTYPE", "CRVAL", "CDELT", "CROTA", "CUNIT")


def _build_header(first: Coadd, window: Window, galaxy: Galaxy, planes: Sequence[_StampPlane], stars: int) -> Header:
    source = first[0].header
    n = compute_side(galaxy)
    header = Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", n), ("NAXIS2", n), ("NAXIS3", 6)])
    header["OBJECT"] = (galaxy.designation, "Designation in the XSC")
    if galaxy.key is not None:
        header["EXT_KEY"] = (galaxy.key, "Key of the source in the XSC")
    header["RA"], header["DEC"] = (galaxy.ra, "[deg] Of the source"), (galaxy.dec, "[deg] Of the source")
    header["ORIGIN"] = ("2MASS", "Made of Atlas images by vo_server")
    for card in (c for c in source.cards if c.keyword in _COPIED_KEYWORDS):
        header.append(card)
    for axis, (low, _) in ((1, window.columns), (2, window.rows)):
        header[f"CRPIX{axis}"] = source[f"CRPIX{axis}"] - low
    for card in (c for c in source.cards if c.keyword[:-1] in _WCS_KEYWORDS or c.keyword[:2] in ("CD", "PC", "PV")):
        if card.keyword not in header and card.keyword[-1] in "12":
            header.append(card)
    for name in ("RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"):
        if name in source:
            header[name] = source[name]
    _describe_planes(header, planes)
    for band, image in zip(BANDS, first, strict=True):
        if "SEESH" in image.header:
            header[f"{band.letter.upper()}SEESH"] = (image.header["SEESH"], f"Seeing shape parameter, {band.name}")
    header["BUNIT"] = ("DN", "magnitude = MAGZP - 2.5 log10(sum)")
    header["STARS"] = (stars, "PSC sources about the galaxy, foreground")
    header["STARREM"] = ("psf+isophotes", "How they were removed: see HISTORY")
    for line in _HISTORY:
        header.add_history(line)
    if any(p.filled for p in planes):
        header.add_history("Pixels beyond the Atlas image are from its neighbour, interpolated:")
        header.add_history(", ".join(f"{b.name} {p.filled}" for b, p in zip(BANDS, planes, strict=True)))
    return header


_HISTORY = (
    "The sky (JSKYVAL, HSKYVAL, KSKYVAL) is subtracted from all planes.",
    "Planes 4 to 6: the PSC sources beside the galaxy were subtracted, as",
    "Moffat profiles (beta 3.1, FWHM in JFWHM ...) with fitted fluxes. Pixels",
    "of more than 5 JSKYSIG of that then got the brightness of the others on",
    "their isophote and nearby (JREPLACE counts them).",
)


def _describe_planes(header: Header, planes: Sequence[_StampPlane]) -> None:
    for n, suffix in enumerate(("", ", stars removed")):
        for m, band in enumerate(BANDS):
            header[f"PLANE{3 * n + m + 1}"] = (f"{band.name}{suffix}", f"Plane {3 * n + m + 1}")
    for band, plane in zip(BANDS, planes, strict=True):
        letter = band.letter.upper()
        header[f"{letter}MAGZP"] = (plane.zero, f"Photometric zero point, {band.name}")
        header[f"{letter}SKYVAL"] = (round(plane.sky, 4), f"[DN] Sky that was subtracted, {band.name}")
        header[f"{letter}SKYSIG"] = (round(plane.noise, 4), f"[DN] Noise of a pixel of the sky, {band.name}")
        header[f"{letter}FWHM"] = (round(plane.fwhm, 2), f"[pixel] Of the stars, {band.name}")
        header[f"{letter}REPLACE"] = (plane.replaced, f"Pixels that were replaced, {band.name}")
