"""Celestial reference frames and the rotations between them, under their names in the IVOA's refframe vocabulary.

FK5 is of equinox J2000, FK4 of B1950 and without the terms of elliptic aberration, which are no rotation; the ecliptic
is the mean one of J2000.
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
def rotation(source: str, target: str) -> Floats:
    """The matrix that turns vectors of the one frame into vectors of the other.

    Raises KeyError for a frame that is not in FRAMES.
    """
    axes = SkyCoord(CartesianRepresentation(np.eye(3)), frame=FRAMES[source])
    return np.asarray(axes.transform_to(FRAMES[target]).cartesian.xyz.value, dtype=float)


def rotate(source: str, target: str, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Positions in degrees, from one frame to another."""
    return vectors.lonlat(vectors.unit(lon, lat) @ rotation(source, target).T)


def rotate_shape(source: str, target: str, numbers: Sequence[float]) -> tuple[float, ...]:
    """A point, circle or polygon by its numbers: a single one at the end is a radius and stays."""
    whole = len(numbers) - len(numbers) % 2
    lon, lat = rotate(source, target, np.array(numbers[:whole:2]), np.array(numbers[1:whole:2]))
    places = np.stack([lon, lat], axis=-1).ravel().tolist()
    return (*places, *numbers[whole:])
