"""Positions of stars at another epoch: uniform linear motion, as in the Hipparcos catalogue (ESA SP-1200, vol. 1,
section 1.5.5), without the light travel time."""

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
    """Return right ascensions (n,) and declinations (n,) in degrees after `years` (n,).

    All arrays have shape (n,): positions in degrees, parallax in mas, proper motions in mas/yr (`pm_ra` with the factor
    cos(dec)), radial velocity in km/s. A parallax, motion or velocity that is NaN or below 1e-30 counts as zero; one
    above 1e30 gives NaN, as does a NaN in position or time.
    """
    years, parallax, pm_ra, pm_dec, velocity = (
        np.where(np.isnan(years), np.nan, _clean(years)),
        *(_clean(x) for x in (parallax, pm_ra, pm_dec, velocity)),
    )
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = (np.where(known, x, np.nan) for x in (ra, dec))
    a, d = np.radians(ra), np.radians(dec)
    here = vectors.unit_vectors(ra, dec)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    away = velocity * parallax / AU_PER_YEAR
    motion = pm_ra[:, None] * east + pm_dec[:, None] * north + away[:, None] * here
    return vectors.to_lonlat(here + motion * (_MAS * years)[:, None])


def _clean(x: Floats) -> Floats:
    """Return numbers (n,) with tiny ones as zero and huge ones as NaN."""
    size = np.nan_to_num(np.abs(x))
    return np.select([size < 1e-30, size < 1e30], [0.0, x], np.nan)
