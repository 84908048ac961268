"""Which stretches of the index hold a region: HEALPix ranges, nested, order 29.

A cover holds every point of its region, and some around it; the exact test comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, degrees, log2
from typing import Any

import astropy.units as u
import cdshealpix.nested
import mocpy
import numpy as np
import numpy.typing as npt
from astropy.coordinates import Latitude, Longitude

from vo_server.sky import vectors

Ranges = npt.NDArray[np.int64]
"""Shape (n, 2): half-open, ascending, apart from one another."""

ORDER = 29
SKY: Ranges = np.array([[0, 12 << (2 * ORDER)]], dtype=np.int64)
NOTHING: Ranges = np.empty((0, 2), dtype=np.int64)

_PAD = degrees(1e-9)
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


def around(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.int64]:
    """The cells of positions and their neighbours, shape (n, 9); -1 where a cell has fewer neighbours than eight."""
    return np.asarray(cdshealpix.nested.neighbours(cells(ra, dec, order), order)).astype(np.int64)


def circle(lon: float, lat: float, radius: float) -> Ranges:
    """The cover of a circle; all in degrees, a negative radius holds nothing."""
    if radius < 0:
        return NOTHING
    padded = radius + _PAD
    if padded > _WIDE:
        return SKY
    centre = Longitude(lon, u.deg), Latitude(lat, u.deg)
    return _ranges(mocpy.MOC.from_cone(*centre, radius=padded * u.deg, max_depth=_depth(padded)))


def polygon(vertices: Sequence[tuple[float, float]]) -> Ranges:
    """The cover of a polygon, by the smallest circle about its middle that holds it and by the cells in it."""
    lon, lat = np.array(vertices, dtype=float).T
    middle = vectors.unit(lon, lat).sum(axis=0)
    if np.linalg.norm(middle) < 1e-6:
        return SKY
    (mlon,), (mlat,) = vectors.lonlat(middle)
    reach = float(vectors.distance(mlon, mlat, lon, lat).max())
    near = circle(float(mlon), float(mlat), reach)
    if not _PAD * 1e3 < reach < 60.0:
        return near if reach < 90.0 else SKY
    inside = mocpy.MOC.from_polygon(Longitude(lon, u.deg), Latitude(lat, u.deg), max_depth=_depth(reach))
    return meet(near, _ranges(inside.add_neighbours()))


def ordered(ranges: Ranges) -> Ranges:
    """Ranges in any order, which may overlap, as a cover."""
    return _ranges(_moc(ranges))


def meet(a: Ranges, b: Ranges) -> Ranges:
    """What two covers have in common."""
    return _ranges(_moc(a).intersection(_moc(b)))


def join(a: Ranges, b: Ranges) -> Ranges:
    """What either cover holds."""
    return _ranges(_moc(a).union(_moc(b)))


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


def _depth(radius: float) -> int:
    """The order whose cells are about an eighth of a radius (degrees) wide."""
    return max(3, min(ORDER, ceil(log2(58.6 / radius)) + 3))


def _ranges(moc: Any) -> Ranges:
    return np.asarray(moc.to_depth29_ranges).astype(np.int64).reshape(-1, 2)


def _moc(ranges: Ranges) -> Any:
    return mocpy.MOC.from_depth29_ranges(max_depth=ORDER, ranges=ranges.astype(np.uint64))
