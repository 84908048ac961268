"""Polygons on the sphere: what lies in them, what they cross, how large they are. The S2 library does the work.

A shape is ("point", [lon, lat]), ("circle", [lon, lat, radius]) or ("polygon", [lon, lat, lon, lat, ...]) in
degrees, as in DALI 1.1 section 3.3. The sides of a polygon are great circles; either direction of the vertices
means the smaller of the two areas. The border belongs to a shape. A "region" is the union of one or more of these,
their numbers in a row with a NaN between them: how many numbers there are tells a point, a circle and a polygon apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import spherely

from vo_server.sky import vectors
from vo_server.sky.vectors import Floats

Shape = tuple[str, tuple[float, ...]]

_TOUCH = 1e-12
"""Radians: points nearer to a border than this lie on it."""

_HAIR = float(np.degrees(1e-15))
"""Degrees: what rounding may add to a distance, so that RA 0 and 360, or two RAs at a pole, are at none."""

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


def parts(shape: Shape) -> tuple[Shape, ...]:
    """The shapes of which a region is the union; any other shape is one of itself.

    Raises BadShape for a region without numbers.
    """
    kind, numbers = shape
    if kind != "region":
        return (shape,)
    gaps = [n for n, x in enumerate(numbers) if x != x]
    spans = zip([0, *(n + 1 for n in gaps)], [*gaps, len(numbers)], strict=True)
    found = [tuple(numbers[a:b]) for a, b in spans]
    return tuple((_KINDS.get(len(each), "polygon"), each) for each in found)


_KINDS = {2: "point", 3: "circle"}


def whole(union: Sequence[Shape]) -> tuple[float, ...]:
    """The numbers of a region: `parts` the other way round."""
    return tuple(x for _, numbers in union for x in (*numbers, float("nan")))[:-1]


def check(kind: str, numbers: Sequence[float]) -> None:
    """Raises BadShape where the numbers are no such shape."""
    if kind == "region":
        for part in parts((kind, tuple(numbers))):
            check(*part)
        return
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
    """Does the first shape hold all of the second (ADQL 2.1 section 4.2.11)?

    A union holds a shape if one of its parts does.
    """
    check(*outer)
    check(*inner)
    match outer, inner:
        case _, ("region", _):
            return all(contains(outer, part) for part in parts(inner))
        case ("region", _), _:
            return any(contains(part, inner) for part in parts(outer))
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
            return radius >= 180 or bool(vectors.distance(lon, lat, lon2, lat2) + radius2 <= radius)
        case ("circle", (lon, lat, radius)), ("point", (lon2, lat2)):
            return float(vectors.distance(lon, lat, lon2, lat2)) <= radius + _HAIR
        case ("point", _), ("point", _):
            return float(vectors.distance(*outer[1], *inner[1])) <= _HAIR
        case _:
            return False


def intersects(a: Shape, b: Shape) -> bool:
    """Have two shapes a point in common (ADQL 2.1 section 4.2.16)?"""
    check(*a)
    check(*b)
    match a, b:
        case ("region", _), _:
            return any(intersects(part, b) for part in parts(a))
        case _, ("region", _):
            return intersects(b, a)
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
    """The area in square degrees; a point has none.

    Raises BadShape for a union whose parts overlap.
    """
    check(*shape)
    match shape:
        case ("region", _):
            union = parts(shape)
            if any(intersects(a, b) for a, b in combinations(union, 2)):
                raise BadShape("the parts of the region overlap")
            return sum(area(part) for part in union)
        case ("circle", (_, _, radius)):
            return float(4 * np.pi * np.sin(np.radians(min(radius, 180.0)) / 2) ** 2 * SQUARE_DEGREES)
        case ("polygon", ring):
            return float(spherely.area(_polygon(ring), radius=1.0)) * SQUARE_DEGREES
        case _:
            return 0.0


def centroid(shape: Shape) -> tuple[float, float]:
    """The middle of a shape, in degrees.

    Raises BadShape for a union of several shapes.
    """
    if len(parts(shape)) > 1:
        raise BadShape("a union of several shapes has no middle")
    (shape,) = parts(shape)
    check(*shape)
    if shape[0] != "polygon":
        return shape[1][0], shape[1][1]
    middle = spherely.centroid(_polygon(shape[1]))
    return float(spherely.get_x(middle)) % 360.0, float(spherely.get_y(middle))


def box(lon: float, lat: float, width: float, height: float) -> tuple[float, ...]:
    """The vertices of a box, flat; see vectors.box."""
    return tuple(x for corner in vectors.box(lon, lat, width, height) for x in corner)


def distances(shape: Shape) -> Callable[[Floats, Floats], Floats]:
    """How far positions in degrees are from a shape, in radians: below zero by their depth where they lie in it."""
    check(*shape)
    match shape:
        case ("region", _):
            union = [distances(part) for part in parts(shape)]
            return lambda lon, lat: np.min([of(lon, lat) for of in union], axis=0)
        case ("polygon", ring):
            return lambda lon, lat: _from_polygon(lon, lat, ring)
        case (_, (lon0, lat0, *radius)):
            return lambda lon, lat: np.radians(vectors.distance(lon, lat, lon0, lat0) - sum(radius))
        case _:
            raise BadShape("no shape")


def farthest(shape: Shape, lon: float, lat: float) -> float:
    """How far (degrees) from a position a shape reaches.

    A polygon whose vertices are all near reaches as far as the farthest of them: it lies in a cap that is convex.
    """
    check(*shape)
    most = 0.0
    for kind, numbers in parts(shape):
        places = zip(numbers[::2], numbers[1::2], strict=False)
        reach = max(_haversine(lon, lat, *place) for place in places) + (numbers[2] if kind == "circle" else 0.0)
        if kind == "polygon" and reach > _NEAR:
            away = _from_polygon(np.array([(lon + 180) % 360]), np.array([-lat]), numbers)
            reach = 180 - max(float(np.degrees(away[0])), 0.0)
        most = max(most, min(reach, 180.0))
    return most


_NEAR = 60.0


def _haversine(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """vectors.distance of two positions that are no antipodes, without the cost of arrays."""
    d1, d2 = math.radians(lat1), math.radians(lat2)
    north, east = math.sin((d2 - d1) / 2), math.sin(math.radians(lon2 - lon1) / 2)
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(north**2 + math.cos(d1) * math.cos(d2) * east**2))))


def _from_polygon(lon: Floats, lat: Floats, ring: tuple[float, ...]) -> Floats:
    shape = _polygon(ring)
    points = spherely.points((lon + 180) % 360 - 180, lat)
    away = np.asarray(spherely.distance(points, shape, radius=1.0), dtype=float)
    inside = away <= 0
    away[inside] = -np.asarray(spherely.distance(points[inside], spherely.boundary(shape), radius=1.0))
    return away


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
