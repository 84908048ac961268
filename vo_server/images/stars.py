"""Removal of foreground stars from an image of a galaxy.

A star of the catalogue is subtracted as a Moffat profile at its catalogue position, with the flux that fits best above
the galaxy around it: at most 1.5 times its catalogue flux, and nothing below the detection limit. Where so much was
subtracted that a profile a few percent off would leave more than noise, the pixels are replaced by the brightness of
the other pixels on the same elliptical isophote of the galaxy, adjusted to the pixels around the star. The survey's own
processing did much the same (Jarrett et al. 2000, AJ 119, 2498).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Floats = npt.NDArray[np.float64]
"""Pixel values of shape (rows, columns), or quantities of stars of shape (n,)."""

MOFFAT_BETA = 3.1
"""Moffat fits to the empirical profiles in J, H and Ks give 3.0 to 3.3 and a FWHM of 3.0 pixels."""

DEFAULT_FWHM_PIXELS = 3.0

_FWHM_GRID_PIXELS = np.arange(2.4, 4.6, 0.1)
_MAX_FITTED_STARS = 25
_HALF_WIDTH_PIXELS = 7
_REPLACE_SIGMA = 5.0
"""Pixels from which more than so many times the noise was subtracted are replaced."""

_DETECTION_SIGMA = 3.0
"""A fitted flux of fewer times its error is no star."""

_MAX_FLUX_RATIO = 1.5
_MAX_RADIUS_PIXELS = 60
_SMOOTHING_PIXELS = 4.0


@dataclass(frozen=True, slots=True)
class ImageStars:
    """Stars on an image: columns and rows of their centres, fluxes in its units, each of shape (n,)."""

    x: Floats
    y: Floats
    flux: Floats


def evaluate_profile(radius: npt.ArrayLike, fwhm: float) -> Floats:
    """Return the fraction of a star's flux in pixels at distances in pixels, of the same shape; the sum is 1."""
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    return np.asarray((MOFFAT_BETA - 1) / (np.pi * alpha**2) * (1 + (np.asarray(radius) / alpha) ** 2) ** -MOFFAT_BETA)


def fit_fwhm(pixels: Floats, stars: ImageStars, noise: float) -> float:
    """Return the FWHM, in pixels, that fits the brighter stars best; by default DEFAULT_FWHM_PIXELS."""
    rows, columns = pixels.shape
    inside = (
        (stars.x > _HALF_WIDTH_PIXELS)
        & (stars.x < columns - 1 - _HALF_WIDTH_PIXELS)
        & (stars.y > _HALF_WIDTH_PIXELS)
        & (stars.y < rows - 1 - _HALF_WIDTH_PIXELS)
    )
    good = np.flatnonzero(inside & (stars.flux > 100 * noise))
    brightest = good[np.argsort(-stars.flux[good])][:_MAX_FITTED_STARS]
    widths = [f for n in brightest if (f := _fit_star_fwhm(pixels, float(stars.x[n]), float(stars.y[n]))) is not None]
    return float(np.median(widths)) if widths else DEFAULT_FWHM_PIXELS


def _fit_star_fwhm(pixels: Floats, x: float, y: float) -> float | None:
    """Return the FWHM of one star above a flat background; None at the ends of the grid, which is no star."""
    column, row = round(x), round(y)
    cut = pixels[
        row - _HALF_WIDTH_PIXELS : row + _HALF_WIDTH_PIXELS + 1,
        column - _HALF_WIDTH_PIXELS : column + _HALF_WIDTH_PIXELS + 1,
    ].ravel()
    grid_y, grid_x = np.mgrid[
        -_HALF_WIDTH_PIXELS : _HALF_WIDTH_PIXELS + 1, -_HALF_WIDTH_PIXELS : _HALF_WIDTH_PIXELS + 1
    ]
    radius = np.hypot(grid_x - (x - column), grid_y - (y - row)).ravel()
    if not np.isfinite(cut).all():
        return None
    residual = []
    for fwhm in _FWHM_GRID_PIXELS:
        model = np.stack([evaluate_profile(radius, fwhm), np.ones(len(cut))], axis=1)
        amounts, *_ = np.linalg.lstsq(model, cut, rcond=None)
        residual.append(float(np.sum((cut - model @ amounts) ** 2)))
    best = int(np.argmin(residual))
    return float(_FWHM_GRID_PIXELS[best]) if 0 < best < len(_FWHM_GRID_PIXELS) - 1 else None


def fit_fluxes(pixels: Floats, stars: ImageStars, fwhm: float, noise: float) -> ImageStars:
    """Return the detected stars with fitted fluxes, each fitted twice with the others subtracted, brightest first."""
    order = np.argsort(-stars.flux)
    flux = np.zeros(len(stars.flux))
    residual = pixels.copy()
    for second_pass in (False, True):
        for n in order:
            part, radius = _select_neighbourhood(residual, float(stars.x[n]), float(stars.y[n]))
            shape = evaluate_profile(radius, fwhm)
            if second_pass:
                residual[part] += flux[n] * shape
            flux[n] = min(_fit_flux(residual[part], shape, noise), _MAX_FLUX_RATIO * stars.flux[n])
            residual[part] -= flux[n] * shape
    detected = flux > 0
    return ImageStars(stars.x[detected], stars.y[detected], flux[detected])


def _select_neighbourhood(pixels: Floats, x: float, y: float) -> tuple[tuple[slice, slice], Floats]:
    """Return the slices of the pixels near a position, and their distances from it, shape (rows, columns)."""
    rows = slice(max(0, round(y) - _HALF_WIDTH_PIXELS), max(0, round(y) + _HALF_WIDTH_PIXELS + 1))
    columns = slice(max(0, round(x) - _HALF_WIDTH_PIXELS), max(0, round(x) + _HALF_WIDTH_PIXELS + 1))
    grid_y, grid_x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    return (rows, columns), np.hypot(grid_x[:, columns] - x, grid_y[rows] - y)


def _fit_flux(cut: Floats, shape: Floats, noise: float) -> float:
    """Return the flux of a profile above a tilted background; 0 below the detection limit."""
    good = np.isfinite(cut)
    if good.sum() < 20:
        return 0.0
    grid_y, grid_x = np.indices(cut.shape)
    model = np.stack([shape, np.ones(cut.shape), grid_x, grid_y], axis=-1)[good]
    (flux, *_), *_ = np.linalg.lstsq(model, cut[good], rcond=None)
    return float(flux) if flux > _DETECTION_SIGMA * noise / np.sqrt(np.sum(shape[good] ** 2)) else 0.0


def render_stars(shape: tuple[int, int], stars: ImageStars, fwhm: float, noise: float) -> Floats:
    """Return the light of stars on an image of this shape, out to a tenth of the noise."""
    image = np.zeros(shape)
    grid_y, grid_x = np.ogrid[: shape[0], : shape[1]]
    distant = evaluate_profile(np.arange(_MAX_RADIUS_PIXELS), fwhm)
    for x, y, flux in zip(stars.x, stars.y, stars.flux, strict=True):
        reach = _HALF_WIDTH_PIXELS + int(np.sum(flux * distant[_HALF_WIDTH_PIXELS:] > 0.1 * noise))
        rows = slice(max(0, round(y) - reach), max(0, round(y) + reach + 1))
        columns = slice(max(0, round(x) - reach), max(0, round(x) + reach + 1))
        image[rows, columns] += flux * evaluate_profile(np.hypot(grid_x[:, columns] - x, grid_y[rows] - y), fwhm)
    return image


def remove_stars(
    pixels: Floats, stars: ImageStars, fwhm: float, noise: float, radius: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return an image without the stars, and a mask of its replaced pixels, both of shape (rows, columns).

    `radius` is the semi-major axis, in pixels, of the galaxy's isophote through each pixel.
    """
    stellar = render_stars((pixels.shape[0], pixels.shape[1]), stars, fwhm, noise)
    residual = pixels - stellar
    hopeless = (stellar > _REPLACE_SIGMA * noise) & np.isfinite(pixels)
    good = ~hopeless & np.isfinite(residual)
    isophotes = _compute_isophotes(residual, good, radius)
    weight = gaussian_filter(good.astype(float), _SMOOTHING_PIXELS)
    besides = gaussian_filter(np.where(good, residual - isophotes, 0.0), _SMOOTHING_PIXELS) / np.maximum(weight, 1e-3)
    return np.where(hopeless, isophotes + besides, residual), hopeless


def _compute_isophotes(pixels: Floats, good: npt.NDArray[np.bool_], radius: Floats) -> Floats:
    """Return the mean of the good pixels of the isophote at each pixel; rings with few of them are interpolated."""
    ring = np.rint(radius).astype(int).ravel()
    weight = good.ravel().astype(float)
    count = np.bincount(ring, weight)
    total = np.bincount(ring, weight * np.nan_to_num(pixels.ravel()))
    known = np.flatnonzero(count >= np.minimum(4, np.bincount(ring)).clip(1))
    if not len(known):
        return np.zeros_like(pixels)
    return np.interp(radius, known, total[known] / count[known])
