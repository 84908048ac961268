"""Taking foreground stars out of a picture of a galaxy.

A star of the catalogue is subtracted as a Moffat profile at its catalogue position, with the flux that fits best above
the galaxy about it: at the most half as much again as its catalogue magnitude says, and nothing of what cannot be seen.
Where so much was subtracted that a profile a few percent off would leave more than noise, the brightness of the other
pixels on the same elliptical isophote of the galaxy is put in place of what is left, brought to that of the pixels
about the star. The survey's own processing did much the same (Jarrett et al. 2000, AJ 119, 2498).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Floats = npt.NDArray[np.float64]

BETA = 3.1
"""Of the real profiles: Moffat fits to the empirical ones in J, H and Ks give 3.0 to 3.3 and a FWHM of 3.0 pixels."""

FWHM = 3.0

_TRIED = np.arange(2.4, 4.6, 0.1)
_STARS = 25
_HALF = 7
_HOPELESS = 5.0
"""In the noise: what was subtracted of a pixel that is replaced."""

_SEEN = 3.0
"""Errors of a fitted flux below which there is no star."""

_MOST = 1.5
_REACH = 60
_BLUR = 4.0


@dataclass(frozen=True, slots=True)
class Points:
    """Stars on an image: columns and rows of their middles, their flux in its units."""

    x: Floats
    y: Floats
    flux: Floats


def profile(radius: npt.ArrayLike, fwhm: float) -> Floats:
    """The part of a star's flux in a pixel so many pixels away; all pixels together have 1."""
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    return np.asarray((BETA - 1) / (np.pi * alpha**2) * (1 + (np.asarray(radius) / alpha) ** 2) ** -BETA)


def width(pixels: Floats, stars: Points, noise: float) -> float:
    """The FWHM, in pixels, that fits the brighter stars best; FWHM where none is bright enough."""
    rows, columns = pixels.shape
    inside = (stars.x > _HALF) & (stars.x < columns - 1 - _HALF) & (stars.y > _HALF) & (stars.y < rows - 1 - _HALF)
    good = np.flatnonzero(inside & (stars.flux > 100 * noise))
    brightest = good[np.argsort(-stars.flux[good])][:_STARS]
    found = [f for n in brightest if (f := _fitted(pixels, float(stars.x[n]), float(stars.y[n]))) is not None]
    return float(np.median(found)) if found else FWHM


def _fitted(pixels: Floats, x: float, y: float) -> float | None:
    """The FWHM of one star above a flat ground; None at the ends of what is tried, which no star is."""
    column, row = round(x), round(y)
    cut = pixels[row - _HALF : row + _HALF + 1, column - _HALF : column + _HALF + 1].ravel()
    grid_y, grid_x = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1]
    radius = np.hypot(grid_x - (x - column), grid_y - (y - row)).ravel()
    if not np.isfinite(cut).all():
        return None
    left = []
    for fwhm in _TRIED:
        model = np.stack([profile(radius, fwhm), np.ones(len(cut))], axis=1)
        amounts, *_ = np.linalg.lstsq(model, cut, rcond=None)
        left.append(float(np.sum((cut - model @ amounts) ** 2)))
    best = int(np.argmin(left))
    return float(_TRIED[best]) if 0 < best < len(_TRIED) - 1 else None


def fitted(pixels: Floats, stars: Points, fwhm: float, noise: float) -> Points:
    """The stars that are there, with the fluxes that fit; brightest first, each without the others, twice over."""
    order = np.argsort(-stars.flux)
    flux = np.zeros(len(stars.flux))
    left = pixels.copy()
    for again in (False, True):
        for n in order:
            part, radius = _about(left, float(stars.x[n]), float(stars.y[n]))
            shape = profile(radius, fwhm)
            if again:
                left[part] += flux[n] * shape
            flux[n] = min(_amount(left[part], shape, noise), _MOST * stars.flux[n])
            left[part] -= flux[n] * shape
    seen = flux > 0
    return Points(stars.x[seen], stars.y[seen], flux[seen])


def _about(pixels: Floats, x: float, y: float) -> tuple[tuple[slice, slice], Floats]:
    """The pixels near to a place, and how far they are from it."""
    rows = slice(max(0, round(y) - _HALF), max(0, round(y) + _HALF + 1))
    columns = slice(max(0, round(x) - _HALF), max(0, round(x) + _HALF + 1))
    grid_y, grid_x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    return (rows, columns), np.hypot(grid_x[:, columns] - x, grid_y[rows] - y)


def _amount(cut: Floats, shape: Floats, noise: float) -> float:
    """The flux of a profile above a tilted ground; 0 for one that cannot be seen in the noise."""
    good = np.isfinite(cut)
    if good.sum() < 20:
        return 0.0
    grid_y, grid_x = np.indices(cut.shape)
    model = np.stack([shape, np.ones(cut.shape), grid_x, grid_y], axis=-1)[good]
    (flux, *_), *_ = np.linalg.lstsq(model, cut[good], rcond=None)
    return float(flux) if flux > _SEEN * noise / np.sqrt(np.sum(shape[good] ** 2)) else 0.0


def light(shape: tuple[int, int], stars: Points, fwhm: float, noise: float) -> Floats:
    """The light of stars on an image of so many rows and columns, as far out as a tenth of the noise."""
    made = np.zeros(shape)
    grid_y, grid_x = np.ogrid[: shape[0], : shape[1]]
    distant = profile(np.arange(_REACH), fwhm)
    for x, y, flux in zip(stars.x, stars.y, stars.flux, strict=True):
        reach = _HALF + int(np.sum(flux * distant[_HALF:] > 0.1 * noise))
        rows = slice(max(0, round(y) - reach), max(0, round(y) + reach + 1))
        columns = slice(max(0, round(x) - reach), max(0, round(x) + reach + 1))
        made[rows, columns] += flux * profile(np.hypot(grid_x[:, columns] - x, grid_y[rows] - y), fwhm)
    return made


def removed(
    pixels: Floats, stars: Points, fwhm: float, noise: float, radius: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """An image without the stars, and which of its pixels were replaced.

    `radius` is how far along the galaxy's major axis, in pixels, the isophote lies that goes through each pixel.
    """
    stellar = light((pixels.shape[0], pixels.shape[1]), stars, fwhm, noise)
    left = pixels - stellar
    hopeless = (stellar > _HOPELESS * noise) & np.isfinite(pixels)
    good = ~hopeless & np.isfinite(left)
    isophotes = _isophotes(left, good, radius)
    weight = gaussian_filter(good.astype(float), _BLUR)
    besides = gaussian_filter(np.where(good, left - isophotes, 0.0), _BLUR) / np.maximum(weight, 1e-3)
    return np.where(hopeless, isophotes + besides, left), hopeless


def _isophotes(pixels: Floats, good: npt.NDArray[np.bool_], radius: Floats) -> Floats:
    """The mean of the good pixels of an isophote, at each pixel; rings that have few are passed over."""
    ring = np.rint(radius).astype(int).ravel()
    weight = good.ravel().astype(float)
    count = np.bincount(ring, weight)
    total = np.bincount(ring, weight * np.nan_to_num(pixels.ravel()))
    known = np.flatnonzero(count >= np.minimum(4, np.bincount(ring)).clip(1))
    if not len(known):
        return np.zeros_like(pixels)
    return np.interp(radius, known, total[known] / count[known])
