"""The true light and shapes of the galaxies of the synthetic sky, before measurement.

The light within the ellipse of semi-major axis r is the total times 1 - exp(-ln 2 (r / half)^steepness), which covers
discs (steepness above 1) to spheroids (below 1) and needs no special functions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vo_server.demo.photometry import draw_depths
from vo_server.demo.survey import Floats, Ints

FAINTEST_K_MAG = 13.9
"""Total Ks magnitude of the faintest extended sources."""

MIN_RADIUS_ARCSEC = 5.0
"""Minimum radius in arcsec of an isophotal aperture."""


@dataclass(frozen=True)
class GalaxyShapes:
    """The shapes of n galaxies.

    `total` magnitudes in J, H, Ks have shape (3, n). The `half`-light semi-major axis in arcsec, the `steepness` of the
    profile, the axis `ratio` and the position `angle` in degrees east of north have shape (n,).
    """

    total: Floats
    half: Floats
    steepness: Floats
    ratio: Floats
    angle: Ints

    def light_in_ellipse(self, radius: Floats | float) -> Floats:
        """Return the fractions (n,) of the light in ellipses of semi-major axis `radius` (arcsec)."""
        grown = (np.maximum(radius, 1e-3) / self.half) ** self.steepness
        return np.asarray(-np.expm1(-np.log(2) * grown))

    def light_in_circle(self, radius: Floats | float) -> Floats:
        """Return the fractions (n,) of the light in circles of `radius` (arcsec), taken as ellipses of equal area."""
        return self.light_in_ellipse(radius / np.sqrt(self.ratio))

    def compute_brightness(self, radius: Floats | float, band: int) -> Floats:
        """Return the brightness (n,) in mag/arcsec2 of a band on ellipses of semi-major axis `radius` (arcsec)."""
        scaled = np.maximum(radius, 1e-3) / self.half
        growth = np.log(2) * scaled**self.steepness
        slope = growth * self.steepness * np.exp(-growth)
        return np.asarray(
            self.total[band] - 2.5 * np.log10(slope / (2 * np.pi * self.ratio * (scaled * self.half) ** 2))
        )

    def find_isophote(self, level: float, band: int) -> Floats:
        """Return the semi-major axes (n,) in arcsec of the isophote of `level` mag/arcsec2, by bisection in log r."""
        low, high = np.full(self.half.size, -2.0), np.full(self.half.size, 2.8)
        for _ in range(18):
            middle = (low + high) / 2
            bright = self.compute_brightness(10**middle, band) < level
            low, high = np.where(bright, middle, low), np.where(bright, high, middle)
        return np.asarray(10 ** ((low + high) / 2))

    @cached_property
    def fiducial(self) -> Floats:
        """`r_k20fe` (n,): the isophote of Ks = 20 mag/arcsec2, rounded to 0.1 arcsec."""
        return np.asarray(np.rint(np.maximum(self.find_isophote(20.0, 2), MIN_RADIUS_ARCSEC) * 10) / 10)

    def take(self, chosen: Ints | slice) -> "GalaxyShapes":
        """Return the shapes of the chosen galaxies."""
        return GalaxyShapes(
            self.total[:, chosen],
            self.half[chosen],
            self.steepness[chosen],
            self.ratio[chosen],
            self.angle[chosen],
        )


def concatenate_shapes(parts: list[GalaxyShapes]) -> GalaxyShapes:
    """Return the shapes of all parts, one after the other."""
    return GalaxyShapes(
        total=np.concatenate([part.total for part in parts], axis=1),
        half=np.concatenate([part.half for part in parts]),
        steepness=np.concatenate([part.steepness for part in parts]),
        ratio=np.concatenate([part.ratio for part in parts]),
        angle=np.concatenate([part.angle for part in parts]),
    )


def draw_shapes(rng: np.random.Generator, dust: Floats) -> GalaxyShapes:
    """Draw the shapes of n galaxies behind extinctions `dust` (n,) in Ks (mag)."""
    n = dust.size
    k = np.maximum(FAINTEST_K_MAG - draw_depths(rng, n, np.full(n, 0.6)), 4.0)
    h = k + 0.32 + 0.06 * rng.standard_normal(n) + 0.55 * dust
    j = h + 0.70 + 0.06 * rng.standard_normal(n) + 0.95 * dust
    half = 10 ** (0.42 - 0.17 * (k - FAINTEST_K_MAG) + 0.12 * rng.standard_normal(n))
    ratio = np.clip(1 - 0.7 * rng.random(n) ** 1.3, 0.3, 1.0)
    ratio = np.rint(ratio * 50) / 50
    angle = 5 * rng.integers(-17, 19, n)
    return GalaxyShapes(
        total=np.stack((j, h, k)),
        half=half,
        steepness=rng.uniform(0.8, 1.3, n),
        ratio=ratio,
        angle=np.where(ratio == 1.0, 90, angle),
    )
