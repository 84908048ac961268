"""Geometries near the position of their row, tested against constant geometries: bounds of the index.

A region column reaches as many degrees from the row's position as the catalogue declares; a circle or a box about the
position reaches as far as its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import atan, degrees, hypot, isfinite, radians, tan

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import BOX, CIRCLE, CONTAINS, INTERSECTS, POINT
from vo_server.adql.semantics.geometry import constant_shape, split_point
from vo_server.adql.semantics.mocs import IN_CELLS, MOC_IN_SHAPE, MOC_MEETS_SHAPE, SHAPE_IN_MOC, index_ranges
from vo_server.adql.semantics.values import constant_value
from vo_server.model import types
from vo_server.model.column import Position
from vo_server.sky import cover, mocs, shapes
from vo_server.sky.cover import Ranges
from vo_server.sky.shapes import Shape

Positions = Mapping[str, Position]
NearbyPosition = tuple[str, float]
"""The source whose position a value is near, and the radius (degrees) about it that contains all of the value."""


def bound_index(predicate: q.FunctionCall, positions: Positions) -> tuple[str, Ranges] | None:
    """Return the source and the ranges of its index, shape (n, 2), that a geometry predicate implies; None if it
    implies none."""
    if predicate.function is IN_CELLS:
        name = _find_cell_source(predicate.arguments[0], positions)
        return None if name is None else (name, index_ranges(predicate))
    if predicate.function not in (CONTAINS, INTERSECTS, SHAPE_IN_MOC, MOC_IN_SHAPE, MOC_MEETS_SHAPE):
        return None
    a, b = predicate.arguments
    for value, other in ((a, b), (b, a)):
        nearby, extent = find_nearby_position(value, positions), _constant_extent(other)
        if nearby is not None and extent is not None:
            name, reach = nearby
            return name, cover_extent(extent, reach)
    return None


def find_nearby_position(value: q.Value, positions: Positions) -> NearbyPosition | None:
    """Return the position that a value is near; None if there is none."""
    match value:
        case q.ColumnRef(source, name) if source in positions:
            reach = dict(positions[source].reaches).get(name)
            return None if reach is None else (source, reach)
        case q.FunctionCall(function) if function is POINT:
            return _match_position(value, 0.0, positions)
        case q.FunctionCall(function, (lon, lat, radius)) if function is CIRCLE:
            reach = constant_value(radius)
            return None if reach is None else _match_position(POINT.call(lon, lat), max(float(reach), 0.0), positions)
        case q.FunctionCall(function, (lon, lat, width, height)) if function is BOX:
            sides = constant_value(width), constant_value(height)
            if None in sides or not all(0 < side < 180 for side in sides):
                return None
            reach = degrees(atan(hypot(*(tan(radians(side) / 2) for side in sides))))
            return _match_position(POINT.call(lon, lat), reach, positions)
        case _:
            return None


def find_point_source(value: q.Value, positions: Positions) -> str | None:
    """Return the source whose position a point is; None if it is none."""
    nearby = (
        find_nearby_position(value, positions)
        if value.column.type is types.POINT and isinstance(value, q.FunctionCall)
        else None
    )
    return None if nearby is None else nearby[0]


def _match_position(point: q.Value, reach: float, positions: Positions) -> NearbyPosition | None:
    ra, dec = split_point(point)
    if (
        not (isinstance(ra, q.ColumnRef) and isinstance(dec, q.ColumnRef))
        or ra.source != dec.source
        or not isfinite(reach)
    ):
        return None
    position = positions.get(ra.source)
    return (ra.source, reach) if position and (ra.name, dec.name) == (position.ra, position.dec) else None


def _find_cell_source(cell: q.Value, positions: Positions) -> str | None:
    """Return the source of whose position this is the cell, computed or stored."""
    match cell:
        case q.ColumnRef(source, name) if source in positions and name == positions[source].healpix:
            return source
        case q.FunctionCall(_, (lon, lat, _)):
            nearby = _match_position(POINT.call(lon, lat), 0.0, positions)
            return None if nearby is None else nearby[0]
        case _:
            return None


_Extent = tuple[Shape | None, str]


def _constant_extent(value: q.Value) -> _Extent | None:
    """Return the shape, or the text of the MOC, of a constant. None for an empty MOC, too, which lies in everything."""
    if value.column.type is types.MOC:
        text = constant_value(value)
        return None if text is None or not len(mocs.parse_moc(text)[1]) else (None, text)
    shape = constant_shape(value)
    return None if shape is None else (shape, "")


@lru_cache(maxsize=512)
def cover_extent(extent: _Extent, reach: float) -> Ranges:
    """Return the ranges, shape (n, 2), that cover all within `reach` degrees of a shape or a MOC."""
    shape, text = extent
    if shape is None:
        return cover.dilate(mocs.parse_moc(text)[1], reach) if reach else mocs.parse_moc(text)[1]
    if not reach:
        return cover.cover_shape(shape)
    if shape[0] in ("point", "circle"):
        lon, lat, *radius = shape[1]
        return cover.cover_circle(lon, lat, sum(radius) + reach)
    return _cover_surroundings(shape, reach)


def _cover_surroundings(shape: Shape, reach: float) -> Ranges:
    order = cover.cover_order(max(reach, 0.01))
    return mocs.cells_near(shapes.distance_function(shape), min(order, 10), radians(reach) + 1e-9)
