"""Where a star is at another epoch: uniform motion in a straight line, as in the Hipparcos catalogue (ESA SP-1200,
vol. 1, section 1.5.5). The time that light takes is left out."""

from __future__ import annotations

import numpy as np

from vo_server.sky import vectors
from vo_server.sky.vectors import Floats

AU_PER_YEAR = 149597870.7 / (365.25 * 86400)
"""An astronomical unit in a Julian year, km/s."""

_MAS = np.radians(1 / 3.6e6)


def propagate(
    years: Floats, ra: Floats, dec: Floats, parallax: Floats, pm_ra: Floats, pm_dec: Floats, velocity: Floats
) -> tuple[Floats, Floats]:
    """Positions (degrees) after so many years: degrees, mas, mas/yr with cos(dec) in it, km/s.

    Where parallax, motion or velocity is not a number it counts as zero, and so does what is below 1e-30. What is
    above 1e30 is no motion; it gives NaN, as does a position or a time that is not a number.
    """
    years, parallax, pm_ra, pm_dec, velocity = (
        np.where(np.isnan(years), np.nan, _some(years)),
        *(_some(x) for x in (parallax, pm_ra, pm_dec, velocity)),
    )
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = (np.where(known, x, np.nan) for x in (ra, dec))
    a, d = np.radians(ra), np.radians(dec)
    here = vectors.unit(ra, dec)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    away = velocity * parallax / AU_PER_YEAR
    motion = pm_ra[:, None] * east + pm_dec[:, None] * north + away[:, None] * here
    return vectors.lonlat(here + motion * (_MAS * years)[:, None])


def _some(x: Floats) -> Floats:
    """A number as it counts."""
    size = np.nan_to_num(np.abs(x))
    return np.select([size < 1e-30, size < 1e30], [0.0, x], np.nan)
