"""Celestial reference frames, by their names in the IVOA vocabulary refframe, and the rotations between them.

FK5 has the equinox J2000, FK4 the equinox B1950 and no terms of elliptic aberration, which are not a rotation; the
ecliptic is the mean ecliptic of J2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from astropy.coordinates import (
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    CartesianRepresentation,
    FK4NoETerms,
    Galactic,
    SkyCoord,
    Supergalactic,
)

from vo_server.sky import vectors
from vo_server.sky.vectors import Floats

FRAMES = {
    "ICRS": ICRS(),
    "FK5": FK5(equinox="J2000"),
    "FK4": FK4NoETerms(equinox="B1950"),
    "GALACTIC": Galactic(),
    "SUPER_GALACTIC": Supergalactic(),
    "ECLIPTIC": BarycentricMeanEcliptic(equinox="J2000"),
}


@lru_cache(maxsize=len(FRAMES) ** 2)
def rotation_matrix(source: str, target: str) -> Floats:
    """Return the matrix (3, 3) that turns vectors of one frame into vectors of another.

    Raises KeyError for a frame that is not in FRAMES.
    """
    axes = SkyCoord(CartesianRepresentation(np.eye(3)), frame=FRAMES[source])
    return np.asarray(axes.transform_to(FRAMES[target]).cartesian.xyz.value, dtype=float)


def rotate(source: str, target: str, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return longitudes (n,) and latitudes (n,) in degrees, rotated from one frame to another."""
    return vectors.to_lonlat(vectors.unit_vectors(lon, lat) @ rotation_matrix(source, target).T)


def rotate_shape(source: str, target: str, numbers: Sequence[float]) -> tuple[float, ...]:
    """Return the numbers of a rotated point, circle or polygon, in degrees; an odd number at the end is a radius."""
    paired = len(numbers) - len(numbers) % 2
    lon, lat = rotate(source, target, np.array(numbers[:paired:2]), np.array(numbers[1:paired:2]))
    positions = np.stack([lon, lat], axis=-1).ravel().tolist()
    return (*positions, *numbers[paired:])
