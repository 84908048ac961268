"""Ranges of longitude and latitude (DALI 1.2 section 3.3: range) as polygons.

A parallel is not a great circle: a side along it is a chain of short great circles, which deviate from it by at most
0.05 arcsec where the range is no wider than 10 degrees, and by at most 1.5 arcsec where it is wider.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np

from vo_server.sky.shapes import Shape, ShapeError

VERTEX_STEP_DEGREES = 0.1
"""Degrees between the vertices along a parallel; a side has at most MAX_SIDE_VERTICES of them."""

MAX_SIDE_VERTICES = 100

MAX_WIDTH_DEGREES, MAX_VERTEX_STEP_DEGREES = 60.0, 30.0
"""Maximum degrees of longitude of a polygon, and of latitude between its vertices.

A polygon is the smaller of the two parts of the sky that its ring separates, so it must lie in a hemisphere: a range
taller than 90 degrees is split at the equator, because a shape with both poles lies in none."""


def range_polygons(lon1: float, lon2: float, lat1: float, lat2: float) -> tuple[Shape, ...]:
    """Return the polygons whose union is a range, in degrees; it crosses longitude 0 where lon1 is above lon2.

    Raises ShapeError where the numbers are not a range, or the range has no area.
    """
    if not -90 <= lat1 <= lat2 <= 90:
        raise ShapeError("the latitudes of a range must be -90 to 90, the smaller first")
    if not (0 <= lon1 <= 360 and 0 <= lon2 <= 360):
        raise ShapeError("the longitudes of a range must be 0 to 360")
    width = lon2 - lon1 if lon2 >= lon1 else lon2 + 360 - lon1
    if width == 0 or lat1 == lat2:
        raise ShapeError("a range must have an area")
    ends = np.linspace(lon1, lon1 + width, ceil(width / MAX_WIDTH_DEGREES) + 1)
    heights = (lat1, lat2) if lat2 - lat1 <= 90 else (lat1, 0.0, lat2)
    return tuple(_build_slice(a, b, low, high) for a, b in pairwise(ends) for low, high in pairwise(heights))


def _build_slice(lon1: float, lon2: float, lat1: float, lat2: float) -> Shape:
    heights = np.linspace(lat1, lat2, ceil((lat2 - lat1) / MAX_VERTEX_STEP_DEGREES) + 1)[1:-1]
    ring = [
        *_parallel_vertices(lon1, lon2, lat1),
        *((lon2, lat) for lat in heights),
        *_parallel_vertices(lon2, lon1, lat2),
        *((lon1, lat) for lat in heights[::-1]),
    ]
    return "polygon", tuple(float(x) for lon, lat in ring for x in (lon % 360, lat))


def _parallel_vertices(lon1: float, lon2: float, lat: float) -> list[tuple[float, float]]:
    """Return the vertices (lon, lat) of a side in degrees; at a pole it is a point, on the equator a great circle."""
    if abs(lat) == 90:
        return [(lon1, lat)]
    count = 1 if lat == 0 else min(ceil(abs(lon2 - lon1) / VERTEX_STEP_DEGREES), MAX_SIDE_VERTICES)
    return [(float(lon), lat) for lon in np.linspace(lon1, lon2, count + 1)]
