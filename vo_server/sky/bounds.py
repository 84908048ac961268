"""Parts of the sky between two longitudes and two latitudes (DALI 1.2 section 3.3: range), as polygons.

The sides along a parallel are no great circles: they are followed by short ones, which leave it by 0.05 arcsec at most
where the range is no wider than 10 degrees, and by 1.5 arcsec where it is.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np

from vo_server.sky.shapes import BadShape, Shape

STEP = 0.1
"""Degrees between the vertices along a parallel, of which a side has no more than MOST."""

MOST = 100

SLICE, TALL = 60.0, 30.0
"""Degrees of longitude that a polygon has at most, and of latitude between its vertices: it is the smaller of two parts
of the sky. Nor does it reach from far south to far north, as what holds both poles lies in no hemisphere."""


def between(lon1: float, lon2: float, lat1: float, lat2: float) -> tuple[Shape, ...]:
    """The polygons of which a range is the union, in degrees; it crosses longitude 0 where lon1 is above lon2.

    Raises BadShape where the numbers are no range, or one without area.
    """
    if not -90 <= lat1 <= lat2 <= 90:
        raise BadShape("the latitudes of a range must be -90 to 90, the smaller first")
    if not (0 <= lon1 <= 360 and 0 <= lon2 <= 360):
        raise BadShape("the longitudes of a range must be 0 to 360")
    width = lon2 - lon1 if lon2 >= lon1 else lon2 + 360 - lon1
    if width == 0 or lat1 == lat2:
        raise BadShape("a range must have an area")
    ends = np.linspace(lon1, lon1 + width, ceil(width / SLICE) + 1)
    heights = (lat1, lat2) if lat2 - lat1 <= 90 else (lat1, 0.0, lat2)
    return tuple(_slice(a, b, low, high) for a, b in pairwise(ends) for low, high in pairwise(heights))


def _slice(lon1: float, lon2: float, lat1: float, lat2: float) -> Shape:
    heights = np.linspace(lat1, lat2, ceil((lat2 - lat1) / TALL) + 1)[1:-1]
    ring = [
        *_along(lon1, lon2, lat1),
        *((lon2, lat) for lat in heights),
        *_along(lon2, lon1, lat2),
        *((lon1, lat) for lat in heights[::-1]),
    ]
    return "polygon", tuple(float(x) for lon, lat in ring for x in (lon % 360, lat))


def _along(lon1: float, lon2: float, lat: float) -> list[tuple[float, float]]:
    """The vertices of a side; at a pole it is a point, on the equator a great circle."""
    if abs(lat) == 90:
        return [(lon1, lat)]
    count = 1 if lat == 0 else min(ceil(abs(lon2 - lon1) / STEP), MOST)
    return [(float(lon), lat) for lon in np.linspace(lon1, lon2, count + 1)]
