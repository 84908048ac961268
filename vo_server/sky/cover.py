"""Covers of regions: ranges of HEALPix cells, nested, order 29, for the index of positions.

A cover has every point of its region and some points around it; an exact test follows. Positions and radii are in
degrees, ICRS.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from math import ceil, degrees, log2, pi, sqrt
from typing import Any

import astropy.units as u
import cdshealpix.nested
import mocpy
import numpy as np
import numpy.typing as npt
from astropy.coordinates import Latitude, Longitude

from vo_server.sky import vectors
from vo_server.sky.shapes import Shape, split_region

Ranges = npt.NDArray[np.int64]
"""Half-open ranges of cells, shape (n, 2), ascending, with gaps between them."""

ORDER = 29
WHOLE_SKY: Ranges = np.array([[0, 12 << (2 * ORDER)]], dtype=np.int64)
EMPTY: Ranges = np.empty((0, 2), dtype=np.int64)

PAD_DEGREES = degrees(1e-9)
"""Degrees by which covers are larger than their regions: more than the rounding errors of the exact test."""

_MAX_CIRCLE_DEGREES = 120.0
"""The cover of a circle of more than this radius (degrees) is the whole sky."""


def healpix_index(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the HEALPix numbers in order 29 of positions in degrees; shape as given."""
    return healpix_cells(ra, dec, ORDER)


def healpix_cells(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.int64]:
    """Return the HEALPix numbers of positions in degrees at an order; shape as given."""
    numbers = cdshealpix.nested.lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), order)
    return np.asarray(numbers).astype(np.int64)


def healpix_cell(lon: float, lat: float, order: int) -> int:
    """Return the HEALPix number of one position in degrees at an order.

    Raises ValueError for a latitude outside -90..90.
    """
    if not (np.isfinite(lon) and abs(lat) <= 90):
        raise ValueError(f"not a position: {lon}, {lat}")
    return int(healpix_cells(np.array([lon], dtype=float), np.array([lat], dtype=float), order)[0])


def cell_centres(numbers: npt.NDArray[np.int64], order: int) -> tuple[vectors.Floats, vectors.Floats]:
    """Return longitudes (n,) and latitudes (n,) in degrees of the centres of cells (n,) of an order."""
    lon, lat = cdshealpix.nested.healpix_to_lonlat(numbers.astype(np.uint64), order)
    return np.asarray(lon.to_value(u.deg)), np.asarray(lat.to_value(u.deg))


def cells_in_circles(
    ra: vectors.Floats, dec: vectors.Floats, radius: vectors.Floats, order: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the cells that circles overlap: their numbers (m,), circle after circle, and each circle's count (n,).

    Positions (n,) and radii (n,) are in degrees; each circle has an order (n,), whose `max_radius` it must not exceed.
    Cells near a circle may be included, none is missing. A negative radius has no cells; one above `max_radius(0)`, or
    NaN, has all twelve cells of order 0.
    """
    numbers = np.full((len(ra), 12), -1, dtype=np.int64)
    for level in np.unique(order):
        rows = np.flatnonzero((order == level) & ~(radius < 0))
        numbers[rows, :9] = _cells_and_neighbours(ra[rows], dec[rows], radius[rows], int(level))
    numbers[~(radius <= max_radius(0)) & ~(radius < 0)] = np.arange(12)
    valid = numbers >= 0
    return numbers[valid], valid.sum(axis=1)


def _cells_and_neighbours(
    ra: vectors.Floats, dec: vectors.Floats, radius: vectors.Floats, order: int
) -> npt.NDArray[np.int64]:
    """Return the cells of positions (n,) and their neighbours within the radii, shape (n, 9); -1 for the others."""
    own, *inside = cdshealpix.nested.lonlat_to_healpix(
        Longitude(ra, u.deg), Latitude(dec, u.deg), order, return_offsets=True
    )
    numbers = np.full((len(own), 9), -1, dtype=np.int64)
    numbers[:, 4] = own
    margin = MAX_CELL_GRADIENT * 2**order * np.radians(radius + PAD_DEGREES)
    near = [np.stack([part <= margin, np.ones(len(own), dtype=bool), 1 - part <= margin], axis=1) for part in inside]
    is_near = (near[1][:, :, None] & near[0][:, None, :]).reshape(-1, 9)
    rows = np.flatnonzero(is_near.sum(axis=1) > 1)
    neighbours = np.asarray(cdshealpix.nested.neighbours(own[rows], order)).astype(np.int64)
    numbers[rows] = np.where(is_near[rows], neighbours, -1)
    return numbers


MAX_CELL_GRADIENT = 1.46
"""The maximum change of a coordinate in a HEALPix base cell, 0 to 1 along either side, per radian on the sky.

It is reached beside a pole; elsewhere it is 1.02 (derivative of Gorski et al. 2005, section 5)."""


def max_radius(order: int, part: float = 1.0) -> float:
    """Return the maximum radius (degrees) of circles that reach at most `part` of a cell into its neighbours."""
    return degrees(part / (MAX_CELL_GRADIENT * 2**order)) - PAD_DEGREES


def cell_width(order: int) -> float:
    """Return the side (degrees) of a square of the area of a cell."""
    return degrees(sqrt(pi / 3)) / float(2**order)


def join_order(radius: float) -> int:
    """Return the order of the cells for a join within a radius (degrees): a circle overlaps two cells on average."""
    return next((order for order in range(_MAX_JOIN_ORDER, 0, -1) if radius <= max_radius(order, 0.25)), 0)


_MAX_JOIN_ORDER = 27
"""In finer cells the padding alone would reach the neighbours."""

ORDERS_BY_RADIUS = tuple((order, max_radius(order, 0.5)) for order in range(_MAX_JOIN_ORDER, 0, -3))
"""Orders for circles and the maximum radius (degrees) of each; order 0 is for all larger circles."""


def order_case_sql(radius: str) -> str:
    """Return the branches of a CASE in SQL that gives the order for a radius (degrees)."""
    return " ".join(f"WHEN {radius} <= {most!r} THEN {order}" for order, most in ORDERS_BY_RADIUS)


def cover_circle(lon: float, lat: float, radius: float) -> Ranges:
    """Return the cover of a circle, all in degrees; that of a negative radius is empty."""
    if radius < 0:
        return EMPTY
    padded = radius + PAD_DEGREES
    if padded > _MAX_CIRCLE_DEGREES:
        return WHOLE_SKY
    centre = Longitude(lon, u.deg), Latitude(lat, u.deg)
    return _to_ranges(mocpy.MOC.from_cone(*centre, radius=padded * u.deg, max_depth=cover_order(padded)))


def cover_polygon(vertices: Sequence[tuple[float, float]]) -> Ranges:
    """Return the cover of a polygon with vertices (lon, lat) in degrees.

    It is the intersection of the cells of the polygon and the smallest circle about its centre that contains it.
    """
    lon, lat = np.array(vertices, dtype=float).T
    middle = vectors.unit_vectors(lon, lat).sum(axis=0)
    if np.linalg.norm(middle) < 1e-6:
        return WHOLE_SKY
    (mlon,), (mlat,) = vectors.to_lonlat(middle)
    reach = float(vectors.distance(mlon, mlat, lon, lat).max())
    near = cover_circle(float(mlon), float(mlat), reach)
    if not PAD_DEGREES * 1e3 < reach < 60.0:
        return near if reach < 90.0 else WHOLE_SKY
    inside = mocpy.MOC.from_polygon(Longitude(lon, u.deg), Latitude(lat, u.deg), max_depth=cover_order(reach))
    return intersection(near, _to_ranges(inside.add_neighbours()))


@lru_cache(maxsize=512)
def cover_shape(shape: Shape) -> Ranges:
    """Return the cover of a shape; that of a region is the union of the covers of its parts."""
    match shape:
        case "point", (lon, lat):
            return cover_circle(lon, lat, 0.0)
        case "circle", (lon, lat, radius):
            return cover_circle(lon, lat, radius)
        case "polygon", ring:
            return cover_polygon(list(zip(ring[::2], ring[1::2], strict=True)))
        case _:
            return reduce(union, (cover_shape(part) for part in split_region(shape)), EMPTY)


def normalise_ranges(ranges: Ranges) -> Ranges:
    """Return ranges (n, 2), which may overlap and have any order, as a cover."""
    return _to_ranges(_to_moc(ranges))


def intersection(a: Ranges, b: Ranges) -> Ranges:
    """Return the intersection of two covers."""
    return _to_ranges(_to_moc(a).intersection(_to_moc(b)))


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return the union of two covers."""
    return _to_ranges(_to_moc(a).union(_to_moc(b)))


def dilate(ranges: Ranges, radius: float) -> Ranges:
    """Return a cover of all points within a radius (degrees) of a cover."""
    if radius < 0 or not len(ranges):
        return EMPTY
    if not radius <= max_radius(0):
        return WHOLE_SKY
    fine = ceil(log2(1000 * int(WHOLE_SKY[0, 1]) / _count_cells(ranges)) / 2)
    order = next(order for order in range(min(_MAX_JOIN_ORDER, fine), -1, -1) if radius <= max_radius(order))
    return _to_ranges(_to_moc(ranges).degrade_to_order(order).add_neighbours())


def fill_narrowest_gaps(ranges: Ranges, max_ranges: int) -> Ranges:
    """Return a cover with its narrowest gaps filled, so that at most `max_ranges` ranges are left."""
    if len(ranges) <= max_ranges:
        return ranges
    gaps = ranges[1:, 0] - ranges[:-1, 1]
    cuts = np.sort(np.argsort(gaps)[len(gaps) - (max_ranges - 1) :])
    starts, ends = np.r_[0, cuts + 1], np.r_[cuts, len(ranges) - 1]
    return np.stack([ranges[starts, 0], ranges[ends, 1]], axis=1)


def merge_small_gaps(ranges: Ranges) -> Ranges:
    """Return a cover of fewer ranges, where that adds little sky.

    A DuckDB scan of 60 columns is fastest with about four: a single range reads too many rows in the gaps, and sixteen
    cost more to test than they save (cones of 0.1 to 5 degrees in 2 million rows). Around a pole the gaps are wide and
    stay.
    """
    best = fill_narrowest_gaps(ranges, _MAX_RANGES)
    max_cells = max(2 * _count_cells(best), _count_cells(best) + _NEGLIGIBLE_CELLS)
    return next(
        (
            merged
            for merged in (fill_narrowest_gaps(ranges, n) for n in (4, 8, 16))
            if _count_cells(merged) <= max_cells
        ),
        best,
    )


_MAX_RANGES = 32
_NEGLIGIBLE_CELLS = (12 << (2 * ORDER)) // 500_000


def _count_cells(ranges: Ranges) -> int:
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def cover_order(radius: float) -> int:
    """Return the order whose cells are about an eighth of a radius (degrees) wide."""
    return max(3, min(ORDER, ceil(log2(58.6 / radius)) + 3))


def _to_ranges(moc: Any) -> Ranges:
    return np.asarray(moc.to_depth29_ranges).astype(np.int64).reshape(-1, 2)


def _to_moc(ranges: Ranges) -> Any:
    return mocpy.MOC.from_depth29_ranges(max_depth=ORDER, ranges=ranges.astype(np.uint64))
