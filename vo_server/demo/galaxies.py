"""The galaxies of the synthetic sky as they are, before anything is measured: total light, profile,
shape.

The light within the ellipse of semi-major axis r is the total times 1 - exp(-ln 2 (r /
half)^steepness), which runs from discs (steepness above 1) to spheroids (below 1) and can be
written without special functions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vo_server.demo.photometry import below_limit
from vo_server.demo.survey import Floats, Ints

FAINTEST = 13.9
"""Total Ks magnitude at which the extended source catalogue ends."""

SMALLEST = 5.0
"""Radius in arcsec below which no isophotal aperture is taken."""


@dataclass(frozen=True)
class Shapes:
    """Total magnitudes of shape (3, n), half-light semi-major axis in arcsec, axis ratio, position
    angle in degrees."""

    total: Floats
    half: Floats
    steepness: Floats
    ratio: Floats
    angle: Ints

    def within(self, radius: Floats | float) -> Floats:
        """Fraction of the light inside the ellipse of this semi-major axis (arcsec)."""
        grown = (np.maximum(radius, 1e-3) / self.half) ** self.steepness
        return np.asarray(-np.expm1(-np.log(2) * grown))

    def within_circle(self, radius: Floats | float) -> Floats:
        """The same inside a circle, taken as the ellipse of equal area."""
        return self.within(radius / np.sqrt(self.ratio))

    def surface_brightness(self, radius: Floats | float, band: int) -> Floats:
        """Magnitudes a square arcsec on the ellipse of this semi-major axis."""
        scaled = np.maximum(radius, 1e-3) / self.half
        growth = np.log(2) * scaled**self.steepness
        slope = growth * self.steepness * np.exp(-growth)
        return np.asarray(
            self.total[band] - 2.5 * np.log10(slope / (2 * np.pi * self.ratio * (scaled * self.half) ** 2))
        )

    def isophote(self, level: float, band: int) -> Floats:
        """Semi-major axis in arcsec where the surface brightness falls to ``level``: bisection in
        log r."""
        low, high = np.full(self.half.size, -2.0), np.full(self.half.size, 2.8)
        for _ in range(18):
            middle = (low + high) / 2
            bright = self.surface_brightness(10**middle, band) < level
            low, high = np.where(bright, middle, low), np.where(bright, high, middle)
        return np.asarray(10 ** ((low + high) / 2))

    @cached_property
    def fiducial(self) -> Floats:
        """``r_k20fe``: the Ks = 20 isophote, to 0.1 arcsec."""
        return np.asarray(np.rint(np.maximum(self.isophote(20.0, 2), SMALLEST) * 10) / 10)

    def rows(self, chosen: Ints | slice) -> "Shapes":
        return Shapes(
            self.total[:, chosen],
            self.half[chosen],
            self.steepness[chosen],
            self.ratio[chosen],
            self.angle[chosen],
        )


def join_shapes(parts: list[Shapes]) -> Shapes:
    """All of them, one after the other."""
    return Shapes(
        total=np.concatenate([part.total for part in parts], axis=1),
        half=np.concatenate([part.half for part in parts]),
        steepness=np.concatenate([part.steepness for part in parts]),
        ratio=np.concatenate([part.ratio for part in parts]),
        angle=np.concatenate([part.angle for part in parts]),
    )


def draw_shapes(rng: np.random.Generator, dust: Floats) -> Shapes:
    """Galaxies behind this much extinction in Ks (mag)."""
    n = dust.size
    k = np.maximum(FAINTEST - below_limit(rng, n, np.full(n, 0.6)), 4.0)
    h = k + 0.32 + 0.06 * rng.standard_normal(n) + 0.55 * dust
    j = h + 0.70 + 0.06 * rng.standard_normal(n) + 0.95 * dust
    half = 10 ** (0.42 - 0.17 * (k - FAINTEST) + 0.12 * rng.standard_normal(n))
    ratio = np.clip(1 - 0.7 * rng.random(n) ** 1.3, 0.3, 1.0)
    ratio = np.rint(ratio * 50) / 50
    angle = 5 * rng.integers(-17, 19, n)
    return Shapes(
        total=np.stack((j, h, k)),
        half=half,
        steepness=rng.uniform(0.8, 1.3, n),
        ratio=ratio,
        angle=np.where(ratio == 1.0, 90, angle),
    )
