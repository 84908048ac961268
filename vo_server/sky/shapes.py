"""Polygons on the sphere: what lies in them, what they cross, how large they are. The S2 library does the work.

A shape is ("point", [lon, lat]), ("circle", [lon, lat, radius]) or ("polygon", [lon, lat, lon, lat, ...]) in
degrees, as in DALI 1.1 section 3.3. The sides of a polygon are great circles; either direction of the vertices
means the smaller of the two areas. The border belongs to a shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import spherely

from vo_server.sky import vectors

Shape = tuple[str, tuple[float, ...]]

_TOUCH = 1e-12
"""Radians: points nearer to a border than this lie on it."""

SQUARE_DEGREES = float(np.degrees(1.0) ** 2)


class BadShape(ValueError):
    """Numbers that are no shape; the text says why."""


@lru_cache(maxsize=256)
def _polygon(numbers: tuple[float, ...]) -> Any:
    if len(numbers) < 6 or len(numbers) % 2:
        raise BadShape(f"a polygon needs at least three pairs of numbers, not {len(numbers)} numbers")
    if not np.isfinite(numbers).all():
        raise BadShape("a polygon cannot have a vertex that is not a number")
    if np.abs(numbers[1::2]).max() > 90:
        raise BadShape("the latitude of a vertex is outside -90..90")
    vertices = [((x + 180) % 360 - 180, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    try:
        made = spherely.create_polygon(vertices)
        spherely.prepare(made)
    except (RuntimeError, ValueError) as error:
        raise BadShape(_said(error)) from None
    return made


def _said(error: Exception) -> str:
    text = str(error)
    if "cross" in text:
        return "two sides of the polygon cross"
    if "duplicate" in text.lower() or "degenerate" in text.lower():
        return "two neighbouring vertices of the polygon are the same"
    return "these vertices make no polygon"


def check(kind: str, numbers: Sequence[float]) -> None:
    """Raises BadShape where the numbers are no such shape."""
    if kind == "polygon":
        _polygon(tuple(numbers))
        return
    if not np.isfinite(numbers).all() or abs(numbers[1]) > 90:
        raise BadShape(f"a {kind} has a finite longitude and a latitude in -90..90")
    if kind == "circle" and numbers[2] < 0:
        raise BadShape("the radius of a circle is negative")
    if kind == "box" and not (0 < numbers[2] < 180 and 0 < numbers[3] < 180):
        raise BadShape("the sides of a box are above 0 and below 180 degrees")


def points_in_polygon(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], polygon: tuple[float, ...]
) -> npt.NDArray[np.bool_]:
    """Which of the points (n,) a polygon holds; a position that is not a number lies nowhere."""
    inside = np.zeros(len(lon), dtype=bool)
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    shape = _polygon(polygon)
    points = spherely.points((lon[good] + 180) % 360 - 180, lat[good])
    hit = np.asarray(spherely.intersects(points, shape), dtype=bool)
    missed = np.flatnonzero(~hit)
    hit[missed] = np.asarray(spherely.distance(points[missed], shape, radius=1.0)) <= _TOUCH
    inside[good] = hit
    return inside


def contains(outer: Shape, inner: Shape) -> bool:
    """Does the first shape hold all of the second (ADQL 2.1 section 4.2.11)?"""
    check(*outer)
    check(*inner)
    match outer, inner:
        case ("polygon", ring), ("point", (lon, lat)):
            return bool(points_in_polygon(np.array([lon]), np.array([lat]), ring)[0])
        case ("polygon", ring), ("polygon", other):
            return bool(spherely.covers(_polygon(ring), _polygon(other)))
        case ("polygon", ring), ("circle", (lon, lat, radius)):
            inside = contains(outer, ("point", (lon, lat)))
            return inside and bool(_to_border(lon, lat, ring) >= np.radians(radius) - _TOUCH)
        case ("circle", (lon, lat, radius)), ("polygon", ring):
            return _polygon_in_circle(lon, lat, radius, ring)
        case ("circle", (lon, lat, radius)), ("circle", (lon2, lat2, radius2)):
            return bool(vectors.distance(lon, lat, lon2, lat2) + radius2 <= radius)
        case ("circle", (lon, lat, radius)), ("point", (lon2, lat2)):
            return float(vectors.distance(lon, lat, lon2, lat2)) <= radius
        case ("point", _), ("point", _):
            return float(vectors.distance(*outer[1], *inner[1])) == 0.0
        case _:
            return False


def intersects(a: Shape, b: Shape) -> bool:
    """Have two shapes a point in common (ADQL 2.1 section 4.2.16)?"""
    check(*a)
    check(*b)
    match a, b:
        case ("point", _), _:
            return contains(b, a)
        case _, ("point", _):
            return contains(a, b)
        case ("circle", (lon, lat, radius)), ("circle", (lon2, lat2, radius2)):
            return float(vectors.distance(lon, lat, lon2, lat2)) <= radius + radius2
        case ("circle", (lon, lat, radius)), ("polygon", ring):
            return bool(spherely.distance(_point(lon, lat), _polygon(ring), radius=1.0) <= np.radians(radius) + _TOUCH)
        case ("polygon", _), ("circle", _):
            return intersects(b, a)
        case ("polygon", ring), ("polygon", other):
            return bool(spherely.intersects(_polygon(ring), _polygon(other)))
        case _:
            return False


def area(shape: Shape) -> float:
    """The area in square degrees; a point has none."""
    check(*shape)
    match shape:
        case ("circle", (_, _, radius)):
            return float(4 * np.pi * np.sin(np.radians(min(radius, 180.0)) / 2) ** 2 * SQUARE_DEGREES)
        case ("polygon", ring):
            return float(spherely.area(_polygon(ring), radius=1.0)) * SQUARE_DEGREES
        case _:
            return 0.0


def centroid(shape: Shape) -> tuple[float, float]:
    """The middle of a shape, in degrees."""
    if shape[0] != "polygon":
        return shape[1][0], shape[1][1]
    middle = spherely.centroid(_polygon(shape[1]))
    return float(spherely.get_x(middle)) % 360.0, float(spherely.get_y(middle))


def box(lon: float, lat: float, width: float, height: float) -> tuple[float, ...]:
    """The vertices of a box, flat; see vectors.box."""
    return tuple(x for corner in vectors.box(lon, lat, width, height) for x in corner)


def _point(lon: float, lat: float) -> Any:
    return spherely.create_point((lon + 180) % 360 - 180, lat)


def _to_border(lon: float, lat: float, ring: tuple[float, ...]) -> float:
    return float(spherely.distance(_point(lon, lat), spherely.boundary(_polygon(ring)), radius=1.0))


def _polygon_in_circle(lon: float, lat: float, radius: float, ring: tuple[float, ...]) -> bool:
    """All of it is within the radius when nothing of it comes nearer to the antipode than 180 less the radius."""
    if radius >= 180:
        return True
    far = (lon + 180) % 360, -lat
    if contains(("polygon", ring), ("point", far)):
        return False
    nearest = float(spherely.distance(_point(*far), _polygon(ring), radius=1.0))
    return nearest >= float(np.radians(180 - radius)) - _TOUCH
