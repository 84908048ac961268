"""Which stretches of the index hold a region: HEALPix ranges, nested, order 29.

A cover holds every point of its region, and some around it; the exact test comes after.
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
from vo_server.sky.shapes import Shape, parts

Ranges = npt.NDArray[np.int64]
"""Shape (n, 2): half-open, ascending, apart from one another."""

ORDER = 29
SKY: Ranges = np.array([[0, 12 << (2 * ORDER)]], dtype=np.int64)
NOTHING: Ranges = np.empty((0, 2), dtype=np.int64)

PAD = degrees(1e-9)
"""Regions are covered this much too large (degrees), more than the rounding of the exact test."""

_WIDE = 120.0
"""A circle of more than this radius (degrees) is taken for the whole sky."""


def index(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The HEALPix number of positions in degrees; shape as given."""
    return cells(ra, dec, ORDER)


def cells(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.int64]:
    """The HEALPix number of positions in degrees at an order, shape as given."""
    found = cdshealpix.nested.lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), order)
    return np.asarray(found).astype(np.int64)


def cell(lon: float, lat: float, order: int) -> int:
    """The HEALPix number of one position.

    Raises ValueError for a latitude outside -90..90.
    """
    if not (np.isfinite(lon) and abs(lat) <= 90):
        raise ValueError(f"no position: {lon}, {lat}")
    return int(cells(np.array([lon], dtype=float), np.array([lat], dtype=float), order)[0])


def centres(numbers: npt.NDArray[np.int64], order: int) -> tuple[vectors.Floats, vectors.Floats]:
    """The middles of cells of an order, in degrees."""
    lon, lat = cdshealpix.nested.healpix_to_lonlat(numbers.astype(np.uint64), order)
    return np.asarray(lon.to_value(u.deg)), np.asarray(lat.to_value(u.deg))


def reached(
    ra: vectors.Floats, dec: vectors.Floats, radius: vectors.Floats, order: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The cells that circles reach into, each of an order of its own: the numbers, those of a circle in a row, and how
    many each circle has.

    Positions and radii in degrees. A cell that a circle comes near to may be among them, none is missing: a negative
    radius reaches none; one of more than `widest(0)`, or NaN, all twelve of order 0. A wider circle than `widest` of
    its order is not for that order.
    """
    found = np.full((len(ra), 12), -1, dtype=np.int64)
    for each in np.unique(order):
        rows = np.flatnonzero((order == each) & ~(radius < 0))
        found[rows, :9] = _around(ra[rows], dec[rows], radius[rows], int(each))
    found[~(radius <= widest(0)) & ~(radius < 0)] = np.arange(12)
    some = found >= 0
    return found[some], some.sum(axis=1)


def _around(ra: vectors.Floats, dec: vectors.Floats, radius: vectors.Floats, order: int) -> npt.NDArray[np.int64]:
    """The cells of positions, and the neighbours that a radius reaches; -1 for the others. Shape (n, 9)."""
    own, *inside = cdshealpix.nested.lonlat_to_healpix(
        Longitude(ra, u.deg), Latitude(dec, u.deg), order, return_offsets=True
    )
    found = np.full((len(own), 9), -1, dtype=np.int64)
    found[:, 4] = own
    margin = SPAN * 2**order * np.radians(radius + PAD)
    near = [np.stack([part <= margin, np.ones(len(own), dtype=bool), 1 - part <= margin], axis=1) for part in inside]
    wanted = (near[1][:, :, None] & near[0][:, None, :]).reshape(-1, 9)
    rows = np.flatnonzero(wanted.sum(axis=1) > 1)
    beside = np.asarray(cdshealpix.nested.neighbours(own[rows], order)).astype(np.int64)
    found[rows] = np.where(wanted[rows], beside, -1)
    return found


SPAN = 1.46
"""How fast a place in a HEALPix base cell, 0 to 1 along either side, changes with the way on the sky in radians, at the
most: beside a pole; elsewhere 1.02 (Gorski et al. 2005, section 5, differentiated)."""


def widest(order: int, part: float = 1.0) -> float:
    """The radius (degrees) of circles that reach at most so far into a cell's neighbours, as a part of the cell."""
    return degrees(part / (SPAN * 2**order)) - PAD


def width(order: int) -> float:
    """The side (degrees) of a square as large as a cell."""
    return degrees(sqrt(pi / 3)) / float(2**order)


def order_of(radius: float) -> int:
    """The order in whose cells a join on a radius (degrees) is made: a circle reaches into two cells on average."""
    return next((order for order in range(_FINEST, 0, -1) if radius <= widest(order, 0.25)), 0)


_FINEST = 27
"""Of finer cells the padding alone would reach the neighbours."""

LADDER = tuple((order, widest(order, 0.5)) for order in range(_FINEST, 0, -3))
"""Orders for circles of all sizes and the largest radius for each; order 0 is for those that are larger still."""


def ladder(radius: str) -> str:
    """The branches of a CASE in SQL that finds the order for a radius."""
    return " ".join(f"WHEN {radius} <= {most!r} THEN {order}" for order, most in LADDER)


def circle(lon: float, lat: float, radius: float) -> Ranges:
    """The cover of a circle; all in degrees, a negative radius holds nothing."""
    if radius < 0:
        return NOTHING
    padded = radius + PAD
    if padded > _WIDE:
        return SKY
    centre = Longitude(lon, u.deg), Latitude(lat, u.deg)
    return _ranges(mocpy.MOC.from_cone(*centre, radius=padded * u.deg, max_depth=depth(padded)))


def polygon(vertices: Sequence[tuple[float, float]]) -> Ranges:
    """The cover of a polygon, by the smallest circle about its middle that holds it and by the cells in it."""
    lon, lat = np.array(vertices, dtype=float).T
    middle = vectors.unit(lon, lat).sum(axis=0)
    if np.linalg.norm(middle) < 1e-6:
        return SKY
    (mlon,), (mlat,) = vectors.lonlat(middle)
    reach = float(vectors.distance(mlon, mlat, lon, lat).max())
    near = circle(float(mlon), float(mlat), reach)
    if not PAD * 1e3 < reach < 60.0:
        return near if reach < 90.0 else SKY
    inside = mocpy.MOC.from_polygon(Longitude(lon, u.deg), Latitude(lat, u.deg), max_depth=depth(reach))
    return meet(near, _ranges(inside.add_neighbours()))


@lru_cache(maxsize=512)
def of(shape: Shape) -> Ranges:
    """The cover of a shape, that of a union for its parts."""
    match shape:
        case "point", (lon, lat):
            return circle(lon, lat, 0.0)
        case "circle", (lon, lat, radius):
            return circle(lon, lat, radius)
        case "polygon", ring:
            return polygon(list(zip(ring[::2], ring[1::2], strict=True)))
        case _:
            return reduce(join, (of(part) for part in parts(shape)), NOTHING)


def ordered(ranges: Ranges) -> Ranges:
    """Ranges in any order, which may overlap, as a cover."""
    return _ranges(_moc(ranges))


def meet(a: Ranges, b: Ranges) -> Ranges:
    """What two covers have in common."""
    return _ranges(_moc(a).intersection(_moc(b)))


def join(a: Ranges, b: Ranges) -> Ranges:
    """What either cover holds."""
    return _ranges(_moc(a).union(_moc(b)))


def around(ranges: Ranges, radius: float) -> Ranges:
    """What is within a radius (degrees) of what a cover holds, and some sky besides."""
    if radius < 0 or not len(ranges):
        return NOTHING
    if not radius <= widest(0):
        return SKY
    fine = ceil(log2(1000 * int(SKY[0, 1]) / _size(ranges)) / 2)
    order = next(order for order in range(min(_FINEST, fine), -1, -1) if radius <= widest(order))
    return _ranges(_moc(ranges).degrade_to_order(order).add_neighbours())


def coarse(ranges: Ranges, most: int) -> Ranges:
    """The same with the narrowest gaps filled until at most so many ranges are left."""
    if len(ranges) <= most:
        return ranges
    gaps = ranges[1:, 0] - ranges[:-1, 1]
    cuts = np.sort(np.argsort(gaps)[len(gaps) - (most - 1) :])
    starts, ends = np.r_[0, cuts + 1], np.r_[cuts, len(ranges) - 1]
    return np.stack([ranges[starts, 0], ranges[ends, 1]], axis=1)


def thrifty(ranges: Ranges) -> Ranges:
    """A few ranges instead of many, where that adds little sky.

    A DuckDB scan of 60 columns is quickest with about four: one leaves too many rows between, sixteen cost more to
    test than they save (cones of 0.1 to 5 degrees in 2 million rows). About a pole the gaps are wide and stay.
    """
    best = coarse(ranges, _MOST)
    enough = max(2 * _size(best), _size(best) + _LITTLE)
    return next((few for few in (coarse(ranges, n) for n in (4, 8, 16)) if _size(few) <= enough), best)


_MOST = 32
_LITTLE = (12 << (2 * ORDER)) // 500_000


def _size(ranges: Ranges) -> int:
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def depth(radius: float) -> int:
    """The order whose cells are about an eighth of a radius (degrees) wide."""
    return max(3, min(ORDER, ceil(log2(58.6 / radius)) + 3))


def _ranges(moc: Any) -> Ranges:
    return np.asarray(moc.to_depth29_ranges).astype(np.int64).reshape(-1, 2)


def _moc(ranges: Ranges) -> Any:
    return mocpy.MOC.from_depth29_ranges(max_depth=ORDER, ranges=ranges.astype(np.uint64))
