"""A circle that holds a region: quick to reckon, and a little too large rather than too small."""

from __future__ import annotations

import numpy as np

from vo_server.sky import vectors
from vo_server.sky.shapes import Shape

WHOLE = 180.0


def cap(region: Shape) -> tuple[float, float, float]:
    """Longitude, latitude and radius, in degrees, of a circle that holds a region: a point, a circle, a polygon, or a
    range (lon1, lon2, lat1, lat2), which crosses longitude 0 where lon1 is above lon2."""
    match region:
        case ("point", (lon, lat)):
            return lon, lat, 0.0
        case ("circle", (lon, lat, radius)):
            return lon, lat, radius
        case ("range", (lon1, lon2, lat1, lat2)):
            width = (lon2 - lon1) % 360.0 or abs(lon2 - lon1)
            nearest = 0.0 if lat1 <= 0 <= lat2 else min(abs(lat1), abs(lat2))
            along, up = width / 2 * float(np.cos(np.radians(nearest))), (lat2 - lat1) / 2
            return lon1 + width / 2, (lat1 + lat2) / 2, min(along + up, WHOLE)
        case _:
            return _about(region[1])


def _about(ring: tuple[float, ...]) -> tuple[float, float, float]:
    """The circle about the middle of the vertices that goes through the farthest one: it holds all sides, as circles of
    less than 90 degrees are convex."""
    lon, lat = np.array(ring[::2]), np.array(ring[1::2])
    (middle,) = vectors.unit(lon, lat).sum(axis=0, keepdims=True)
    (x,), (y,) = vectors.lonlat(middle)
    radius = float(vectors.distance(x, y, lon, lat).max())
    return float(x), float(y), radius if radius < 90 else WHOLE
