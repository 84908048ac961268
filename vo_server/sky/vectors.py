"""Positions as unit vectors, and the geometry of great circles.

All angles are in degrees, all vectors have shape (n, 3). Distances use Vincenty's formula, which is precise from 0 to
180 degrees.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def unit_vectors(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Floats:
    """Return the unit vectors (n, 3) of positions (n,) in degrees."""
    a, d = np.radians(np.atleast_1d(lon)), np.radians(np.atleast_1d(lat))
    c = np.cos(d)
    return np.stack([c * np.cos(a), c * np.sin(a), np.sin(d)], axis=-1)


def to_lonlat(vectors: Floats) -> tuple[Floats, Floats]:
    """Return longitudes (n,) in 0..360, 360 excluded, and latitudes (n,) in degrees of vectors (n, 3) of any length."""
    x, y, z = np.moveaxis(np.atleast_2d(vectors), -1, 0)
    lon = np.degrees(np.arctan2(y, x)) % 360.0
    lon[lon == 360.0] = 0.0  # a tiny negative angle rounds to 360
    return lon, np.degrees(np.arctan2(z, np.hypot(x, y)))


def distance(lon1: npt.ArrayLike, lat1: npt.ArrayLike, lon2: npt.ArrayLike, lat2: npt.ArrayLike) -> Floats:
    """Return the great-circle distances (n,) of positions (n,) in degrees, 0..180; arguments are broadcast."""
    d1, d2 = np.radians(lat1), np.radians(lat2)
    da = np.radians(np.subtract(lon2, lon1))
    east = np.cos(d2) * np.sin(da)
    north = np.cos(d1) * np.sin(d2) - np.sin(d1) * np.cos(d2) * np.cos(da)
    along = np.sin(d1) * np.sin(d2) + np.cos(d1) * np.cos(d2) * np.cos(da)
    return np.asarray(np.degrees(np.arctan2(np.hypot(east, north), along)))


def box_corners(lon: float, lat: float, width: float, height: float) -> tuple[tuple[float, float], ...]:
    """Return the four corners (lon, lat) of a BOX in degrees, counter-clockwise on the sky (east to the left).

    The sides are great circles at right angles to the arms of a cross through the centre, half the width to the
    east and west and half the height to the north and south (ADQL 2.0 section 2.4.7): a rectangle in the plane
    that touches the sphere at the centre. Width and height are less than 180 degrees.
    """
    x, y = np.tan(np.radians(width) / 2), np.tan(np.radians(height) / 2)
    a, d = np.radians(lon), np.radians(lat)
    centre = unit_vectors(lon, lat)[0]
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    corners = [centre + i * x * east + j * y * north for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return tuple((float(p), float(q)) for p, q in zip(*to_lonlat(np.array(corners)), strict=True))
