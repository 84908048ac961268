"""Shapes on the sphere: containment, intersection, area and distance, computed with the S2 library.

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

_TOUCH_RADIANS = 1e-12
"""Radians: points nearer to a border than this are on it."""

_TOLERANCE_DEGREES = float(np.degrees(1e-15))
"""Tolerance in degrees, so that RA 0 and 360, and all RAs at a pole, compare as equal positions."""

SQUARE_DEGREES = float(np.degrees(1.0) ** 2)


class ShapeError(ValueError):
    """Numbers or a text that are not a valid shape; the message says why."""


@lru_cache(maxsize=256)
def _build_polygon(numbers: tuple[float, ...]) -> Any:
    if len(numbers) < 6 or len(numbers) % 2:
        raise ShapeError(f"a polygon needs at least three pairs of numbers, not {len(numbers)} numbers")
    if not np.isfinite(numbers).all():
        raise ShapeError("a polygon cannot have a vertex that is not a number")
    if np.abs(numbers[1::2]).max() > 90:
        raise ShapeError("the latitude of a vertex is outside -90..90")
    vertices = [((x + 180) % 360 - 180, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    try:
        made = spherely.create_polygon(vertices)
        spherely.prepare(made)
    except (RuntimeError, ValueError) as error:
        raise ShapeError(_explain(error)) from None
    return made


def _explain(error: Exception) -> str:
    text = str(error)
    if "cross" in text:
        return "two sides of the polygon cross"
    if "duplicate" in text.lower() or "degenerate" in text.lower():
        return "two neighbouring vertices of the polygon are the same"
    return "these vertices do not make a polygon"


def split_region(shape: Shape) -> tuple[Shape, ...]:
    """Return the shapes whose union is a region; any other shape is returned as it is.

    Raises ShapeError for a region without numbers.
    """
    kind, numbers = shape
    if kind != "region":
        return (shape,)
    gaps = [n for n, x in enumerate(numbers) if x != x]
    spans = zip([0, *(n + 1 for n in gaps)], [*gaps, len(numbers)], strict=True)
    found = [tuple(numbers[a:b]) for a, b in spans]
    return tuple((_KINDS_BY_COUNT.get(len(each), "polygon"), each) for each in found)


_KINDS_BY_COUNT = {2: "point", 3: "circle"}


def join_region(union: Sequence[Shape]) -> tuple[float, ...]:
    """Return the numbers (n,) of the region that is the union of shapes: the inverse of `split_region`."""
    return tuple(x for _, numbers in union for x in (*numbers, float("nan")))[:-1]


def check_shape(kind: str, numbers: Sequence[float]) -> None:
    """Check the numbers (n,) of a shape, in degrees.

    Raises ShapeError where they are not a shape of this kind.
    """
    if kind == "region":
        for part in split_region((kind, tuple(numbers))):
            check_shape(*part)
        return
    if kind == "polygon":
        _build_polygon(tuple(numbers))
        return
    if not np.isfinite(numbers).all() or abs(numbers[1]) > 90:
        raise ShapeError(f"a {kind} must have a finite longitude and a latitude in -90..90")
    if kind == "circle" and numbers[2] < 0:
        raise ShapeError("the radius of a circle must not be negative")
    if kind == "box" and not (0 < numbers[2] < 180 and 0 < numbers[3] < 180):
        raise ShapeError("the sides of a box must be above 0 and below 180 degrees")


def find_points_in_polygon(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], polygon: tuple[float, ...]
) -> npt.NDArray[np.bool_]:
    """Return whether points (n,) in degrees lie in a polygon, shape (n,); a NaN position does not."""
    inside = np.zeros(len(lon), dtype=bool)
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    shape = _build_polygon(polygon)
    points = spherely.points((lon[good] + 180) % 360 - 180, lat[good])
    hit = np.asarray(spherely.intersects(points, shape), dtype=bool)
    missed = np.flatnonzero(~hit)
    hit[missed] = np.asarray(spherely.distance(points[missed], shape, radius=1.0)) <= _TOUCH_RADIANS
    inside[good] = hit
    return inside


def contains(outer: Shape, inner: Shape) -> bool:
    """Return whether the first shape contains the second (ADQL 2.1 section 4.2.11).

    A region contains a shape if one of its parts does.
    """
    check_shape(*outer)
    check_shape(*inner)
    match outer, inner:
        case _, ("region", _):
            return all(contains(outer, part) for part in split_region(inner))
        case ("region", _), _:
            return any(contains(part, inner) for part in split_region(outer))
        case ("polygon", ring), ("point", (lon, lat)):
            return bool(find_points_in_polygon(np.array([lon]), np.array([lat]), ring)[0])
        case ("polygon", ring), ("polygon", other):
            return bool(spherely.covers(_build_polygon(ring), _build_polygon(other)))
        case ("polygon", ring), ("circle", (lon, lat, radius)):
            inside = contains(outer, ("point", (lon, lat)))
            return inside and bool(_border_distance(lon, lat, ring) >= np.radians(radius) - _TOUCH_RADIANS)
        case ("circle", (lon, lat, radius)), ("polygon", ring):
            return _is_polygon_in_circle(lon, lat, radius, ring)
        case ("circle", (lon, lat, radius)), ("circle", (lon2, lat2, radius2)):
            return radius >= 180 or bool(vectors.distance(lon, lat, lon2, lat2) + radius2 <= radius)
        case ("circle", (lon, lat, radius)), ("point", (lon2, lat2)):
            return float(vectors.distance(lon, lat, lon2, lat2)) <= radius + _TOLERANCE_DEGREES
        case ("point", _), ("point", _):
            return float(vectors.distance(*outer[1], *inner[1])) <= _TOLERANCE_DEGREES
        case _:
            return False


def intersects(a: Shape, b: Shape) -> bool:
    """Return whether two shapes have a point in common (ADQL 2.1 section 4.2.16)."""
    check_shape(*a)
    check_shape(*b)
    match a, b:
        case ("region", _), _:
            return any(intersects(part, b) for part in split_region(a))
        case _, ("region", _):
            return intersects(b, a)
        case ("point", _), _:
            return contains(b, a)
        case _, ("point", _):
            return contains(a, b)
        case ("circle", (lon, lat, radius)), ("circle", (lon2, lat2, radius2)):
            return float(vectors.distance(lon, lat, lon2, lat2)) <= radius + radius2
        case ("circle", (lon, lat, radius)), ("polygon", ring):
            return bool(
                spherely.distance(_to_point(lon, lat), _build_polygon(ring), radius=1.0)
                <= np.radians(radius) + _TOUCH_RADIANS
            )
        case ("polygon", _), ("circle", _):
            return intersects(b, a)
        case ("polygon", ring), ("polygon", other):
            return bool(spherely.intersects(_build_polygon(ring), _build_polygon(other)))
        case _:
            return False


def area(shape: Shape) -> float:
    """Return the area of a shape in square degrees; that of a point is 0.

    Raises ShapeError for a region whose parts overlap.
    """
    check_shape(*shape)
    match shape:
        case ("region", _):
            union = split_region(shape)
            if any(intersects(a, b) for a, b in combinations(union, 2)):
                raise ShapeError("the parts of the region overlap")
            return sum(area(part) for part in union)
        case ("circle", (_, _, radius)):
            return float(4 * np.pi * np.sin(np.radians(min(radius, 180.0)) / 2) ** 2 * SQUARE_DEGREES)
        case ("polygon", ring):
            return float(spherely.area(_build_polygon(ring), radius=1.0)) * SQUARE_DEGREES
        case _:
            return 0.0


def centroid(shape: Shape) -> tuple[float, float]:
    """Return the centre (lon, lat) of a shape in degrees.

    Raises ShapeError for a union of several shapes.
    """
    if len(split_region(shape)) > 1:
        raise ShapeError("a union of several shapes has no centroid")
    (shape,) = split_region(shape)
    check_shape(*shape)
    if shape[0] != "polygon":
        return shape[1][0], shape[1][1]
    middle = spherely.centroid(_build_polygon(shape[1]))
    return float(spherely.get_x(middle)) % 360.0, float(spherely.get_y(middle))


def box_vertices(lon: float, lat: float, width: float, height: float) -> tuple[float, ...]:
    """Return the vertices of a box as a flat (8,) tuple in degrees; see vectors.box_corners."""
    return tuple(x for corner in vectors.box_corners(lon, lat, width, height) for x in corner)


def distance_function(shape: Shape) -> Callable[[Floats, Floats], Floats]:
    """Return the function from longitudes (n,) and latitudes (n,) in degrees to distances (n,) from a shape in radians.

    Inside the shape a distance is the negative depth.
    """
    check_shape(*shape)
    match shape:
        case ("region", _):
            union = [distance_function(part) for part in split_region(shape)]
            return lambda lon, lat: np.min([of(lon, lat) for of in union], axis=0)
        case ("polygon", ring):
            return lambda lon, lat: _polygon_distances(lon, lat, ring)
        case (_, (lon0, lat0, *radius)):
            return lambda lon, lat: np.radians(vectors.distance(lon, lat, lon0, lat0) - sum(radius))
        case _:
            raise ShapeError("no shape")


def max_distance(shape: Shape, lon: float, lat: float) -> float:
    """Return the distance (degrees) of the farthest point of a shape from a position.

    In a polygon whose vertices are all near that is the farthest vertex: the polygon lies in a cap that is convex.
    """
    check_shape(*shape)
    most = 0.0
    for kind, numbers in split_region(shape):
        places = zip(numbers[::2], numbers[1::2], strict=False)
        reach = max(_haversine(lon, lat, *place) for place in places) + (numbers[2] if kind == "circle" else 0.0)
        if kind == "polygon" and reach > _CONVEX_DEGREES:
            away = _polygon_distances(np.array([(lon + 180) % 360]), np.array([-lat]), numbers)
            reach = 180 - max(float(np.degrees(away[0])), 0.0)
        most = max(most, min(reach, 180.0))
    return most


_CONVEX_DEGREES = 60.0


def _haversine(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the distance of two positions in degrees that are not antipodes, faster than vectors.distance."""
    d1, d2 = math.radians(lat1), math.radians(lat2)
    north, east = math.sin((d2 - d1) / 2), math.sin(math.radians(lon2 - lon1) / 2)
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(north**2 + math.cos(d1) * math.cos(d2) * east**2))))


def _polygon_distances(lon: Floats, lat: Floats, ring: tuple[float, ...]) -> Floats:
    shape = _build_polygon(ring)
    points = spherely.points((lon + 180) % 360 - 180, lat)
    away = np.asarray(spherely.distance(points, shape, radius=1.0), dtype=float)
    inside = away <= 0
    away[inside] = -np.asarray(spherely.distance(points[inside], spherely.boundary(shape), radius=1.0))
    return away


def _to_point(lon: float, lat: float) -> Any:
    return spherely.create_point((lon + 180) % 360 - 180, lat)


def _border_distance(lon: float, lat: float, ring: tuple[float, ...]) -> float:
    return float(spherely.distance(_to_point(lon, lat), spherely.boundary(_build_polygon(ring)), radius=1.0))


def _is_polygon_in_circle(lon: float, lat: float, radius: float, ring: tuple[float, ...]) -> bool:
    """Return whether a polygon lies in a circle: no point of it is nearer to the antipode than 180 less the radius."""
    if radius >= 180:
        return True
    far = (lon + 180) % 360, -lat
    if contains(("polygon", ring), ("point", far)):
        return False
    nearest = float(spherely.distance(_to_point(*far), _build_polygon(ring), radius=1.0))
    return nearest >= float(np.radians(180 - radius)) - _TOUCH_RADIANS
