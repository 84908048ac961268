"""Values that lie near the position of their row, and what they lie near: from these the plan bounds the index.

A region column reaches so many degrees from the row's position as the catalogue says; a circle or a box that is built
about the position reaches as far as it is large.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import atan, degrees, hypot, isfinite, radians, tan

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import BOX, CIRCLE, CONTAINS, INTERSECTS, POINT
from vo_server.adql.semantics.geometry import constant_shape, coordinates
from vo_server.adql.semantics.mocs import IN_CELLS, MOC_IN_SHAPE, MOC_MEETS_SHAPE, SHAPE_IN_MOC, ranges_in
from vo_server.adql.semantics.values import always
from vo_server.model import types
from vo_server.model.column import Position
from vo_server.sky import cover, mocs, shapes
from vo_server.sky.cover import Ranges
from vo_server.sky.shapes import Shape

Positions = Mapping[str, Position]
Place = tuple[str, float]
"""The source whose position a value is near, and within how many degrees all of the value lies."""


def bounds(predicate: q.Apply, positions: Positions) -> tuple[str, Ranges] | None:
    """Where the index of a source lies if a geometry predicate holds; None where that is not known."""
    if predicate.function is IN_CELLS:
        name = _at_cell(predicate.arguments[0], positions)
        return None if name is None else (name, ranges_in(predicate))
    if predicate.function not in (CONTAINS, INTERSECTS, SHAPE_IN_MOC, MOC_IN_SHAPE, MOC_MEETS_SHAPE):
        return None
    a, b = predicate.arguments
    for value, other in ((a, b), (b, a)):
        near, extent = placed(value, positions), _extent(other)
        if near is not None and extent is not None:
            name, reach = near
            return name, grown(extent, reach)
    return None


def placed(value: q.Value, positions: Positions) -> Place | None:
    """What position a value is near."""
    match value:
        case q.Field(source, name) if source in positions:
            reach = dict(positions[source].reaches).get(name)
            return None if reach is None else (source, reach)
        case q.Apply(function) if function is POINT:
            return _about(value, 0.0, positions)
        case q.Apply(function, (lon, lat, radius)) if function is CIRCLE:
            reach = always(radius)
            return None if reach is None else _about(_point(lon, lat), max(float(reach), 0.0), positions)
        case q.Apply(function, (lon, lat, width, height)) if function is BOX:
            sides = always(width), always(height)
            if None in sides or not all(0 < side < 180 for side in sides):
                return None
            reach = degrees(atan(hypot(*(tan(radians(side) / 2) for side in sides))))
            return _about(_point(lon, lat), reach, positions)
        case _:
            return None


def position_of(value: q.Value, positions: Positions) -> str | None:
    """The source whose position a point is."""
    near = placed(value, positions) if value.column.type is types.POINT and isinstance(value, q.Apply) else None
    return None if near is None else near[0]


def _point(lon: q.Value, lat: q.Value) -> q.Value:
    return q.Apply(POINT, (lon, lat), POINT.result((lon, lat)))


def _about(point: q.Value, reach: float, positions: Positions) -> Place | None:
    ra, dec = coordinates(point)
    if not (isinstance(ra, q.Field) and isinstance(dec, q.Field)) or ra.source != dec.source or not isfinite(reach):
        return None
    position = positions.get(ra.source)
    return (ra.source, reach) if position and (ra.name, dec.name) == (position.ra, position.dec) else None


def _at_cell(cell: q.Value, positions: Positions) -> str | None:
    """The source of whose position this is the cell, be it worked out or stored."""
    match cell:
        case q.Field(source, name) if source in positions and name == positions[source].healpix:
            return source
        case q.Apply(_, (lon, lat, _)):
            near = _about(_point(lon, lat), 0.0, positions)
            return None if near is None else near[0]
        case _:
            return None


_Extent = tuple[Shape | None, str]


def _extent(value: q.Value) -> _Extent | None:
    """The shape, or the text of the MOC, that a value always is. Not an empty MOC, which lies in everything."""
    if value.column.type is types.MOC:
        text = always(value)
        return None if text is None or not len(mocs.read(text)[1]) else (None, text)
    shape = constant_shape(value)
    return None if shape is None else (shape, "")


@lru_cache(maxsize=512)
def grown(extent: _Extent, reach: float) -> Ranges:
    """A cover of all that is within a reach (degrees) of a shape or a MOC."""
    shape, text = extent
    if shape is None:
        return cover.around(mocs.read(text)[1], reach) if reach else mocs.read(text)[1]
    if not reach:
        return cover.of(shape)
    if shape[0] in ("point", "circle"):
        lon, lat, *radius = shape[1]
        return cover.circle(lon, lat, sum(radius) + reach)
    return _around(shape, reach)


def _around(shape: Shape, reach: float) -> Ranges:
    order = cover.depth(max(reach, 0.01))
    return mocs.around(shapes.distances(shape), min(order, 10), radians(reach) + 1e-9)
