"""From a query to the same query with the stretches of the index that can hold its rows.

A test of a table's position against a region that is the same for all rows implies that the index lies in the
region's cover. What a condition implies is collected from the inside out and said once beside it, so the condition
itself stays as it was and the answer is the same with and without the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache, lru_cache, reduce
from typing import Any

import numpy as np

from vo_server.adql import query as q
from vo_server.adql.cells import Rows, joined, part_of_index, stored
from vo_server.adql.functions import CELL, CONTAINS, INTERSECTS, NEAR, POINT, STRICTLY_NEAR
from vo_server.adql.geometry import constant_shape, coordinates
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover
from vo_server.sky.cover import Ranges
from vo_server.sky.shapes import Shape

Bounds = dict[str, Ranges]


def plan(query: q.Query, rows: Rows = lambda _: None) -> q.Query:
    """The query with its index ranges and its joins through cells, in every SELECT of it.

    `rows` tells how many rows a table has, None where that is not known.
    """

    scans = cache(lambda: {n.name: n.table.position for n in q.parts(query) if isinstance(n, q.Scan)})

    def planned(node: Any) -> Any:
        if isinstance(node, q.Apply) and node.function is CELL:
            return stored(node, scans().get(getattr(node.arguments[0], "source", "")))
        return joined(_ranged(node), rows) if isinstance(node, q.Select) else node

    made: q.Query = q.mapped(query, planned)
    return made


def expected(query: q.Query, rows: Rows) -> int | None:
    """About how many rows a planned query of one table reads, by the part of the sky that its index ranges cover.

    None where this tells nothing: no ranges, several tables, a table of unknown size.
    """
    if not isinstance(query, q.Select) or not isinstance(query.source, q.Scan):
        return None
    total = rows(query.source.table)
    covers = [w for w in (query.where.operands if isinstance(query.where, q.And) else ()) if isinstance(w, q.Within)]
    if total is None or not covers:
        return None
    ends = [
        (lo.value, hi.value) for lo, hi in covers[0].ranges if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)
    ]
    return int(total * sum(int(hi) - int(lo) + 1 for lo, hi in ends) / int(cover.SKY[0, 1]))


def _ranged(query: q.Select) -> q.Select:
    positions = dict(_positions(query.source))
    if not positions:
        return query
    scans = _scans(query.source)
    source = _source(query.source, positions, scans)
    if query.where is not None:
        for name, ranges in _implied(query.where, positions).items():
            source = _narrowed(source, name, ranges)
    return replace(query, source=source, where=_bounded(query.where, positions, scans))


def _scans(source: q.Source) -> frozenset[str]:
    """The published tables among the sources of a SELECT, by their names in the query."""
    match source:
        case q.Scan(name):
            return frozenset({name})
        case q.Join():
            return _scans(source.left) | _scans(source.right)
        case _:
            return frozenset()


def _narrowed(source: q.Source, name: str, ranges: Ranges) -> q.Source:
    """A condition on all rows that bounds a sub-query's position bounds the index inside of it, too."""
    match source:
        case q.Join():
            left, right = _narrowed(source.left, name, ranges), _narrowed(source.right, name, ranges)
            return replace(source, left=left, right=right)
        case q.Derived(own, q.Select() as inner) if own == name:
            return replace(source, query=_cut(inner, ranges))
        case _:
            return source


def _cut(query: q.Select, ranges: Ranges) -> q.Select:
    shown = _shown(query)
    if shown is None:
        return query
    name, position = shown
    if name not in _scans(query.source):
        return replace(query, source=_narrowed(query.source, name, ranges))
    within = _within(name, position, ranges)
    return replace(query, where=within if query.where is None else q.And((within, query.where)))


def _shown(query: q.Query) -> tuple[str, Position] | None:
    """The source inside a query whose position is among its columns, and what they are called there.

    Not where rows are counted, cut off or grouped: what is left out then would change the rest.
    """
    if not isinstance(query, q.Select) or query.top is not None or query.offset or query.group_by or query.having:
        return None
    labels = {(o.value.source, o.value.name): o.label for o in query.outputs if isinstance(o.value, q.Field)}
    for name, place in _positions(query.source):
        ra, dec = labels.get((name, place.ra)), labels.get((name, place.dec))
        if ra is not None and dec is not None:
            return name, replace(place, ra=ra, dec=dec)
    return None


def _source(source: q.Source, positions: Mapping[str, Position], scans: Set[str]) -> q.Source:
    if not isinstance(source, q.Join):
        return source
    left, right = _source(source.left, positions, scans), _source(source.right, positions, scans)
    return replace(source, left=left, right=right, on=_bounded(source.on, positions, scans))


def _positions(source: q.Source) -> Iterator[tuple[str, Position]]:
    match source:
        case q.Scan(name, table):
            if table.position is not None:
                yield name, table.position
        case q.Join(_, left, right, _):
            yield from _positions(left)
            yield from _positions(right)
        case q.Derived(name, inner):
            shown = _shown(inner)
            if shown is not None:
                yield name, shown[1]
        case q.Spread():
            return


def _bounded(condition: q.Condition | None, positions: Mapping[str, Position], scans: Set[str]) -> q.Condition | None:
    if condition is None:
        return None
    implied = _implied(condition, positions)
    withins = [_within(name, positions[name], ranges) for name, ranges in implied.items() if name in scans]
    return q.And((*withins, condition)) if withins else condition


def _within(name: str, position: Position, ranges: Ranges) -> q.Within:
    pairs = cover.thrifty(ranges)
    column = Column(position.healpix, types.BIGINT)
    ends = tuple((q.Constant(int(lo), column), q.Constant(int(hi) - 1, column)) for lo, hi in pairs)
    return q.Within(q.Field(name, position.healpix, column), ends)


def _implied(condition: q.Condition, positions: Mapping[str, Position]) -> Bounds:
    """Where the index of each source lies in every row for which the condition is true."""
    match condition:
        case q.Holds(predicate):
            return _of_predicate(predicate, positions)
        case q.Compare("=", left, right):
            return _of_cells(left, ((right, right),)) or _of_cells(right, ((left, left),))
        case q.Between(value, low, high, False):
            return _of_cells(value, ((low, high),))
        case q.In(value, tuple() as options, False):
            return _of_cells(value, [(o, o) for o in options])
        case q.And(operands):
            return reduce(_both, (_implied(o, positions) for o in operands))
        case q.Or(operands):
            return reduce(_either, (_implied(o, positions) for o in operands))
        case _:
            return {}


def _both(a: Bounds, b: Bounds) -> Bounds:
    return {**a, **b, **{name: cover.meet(a[name], b[name]) for name in a.keys() & b.keys()}}


def _either(a: Bounds, b: Bounds) -> Bounds:
    return {name: cover.join(a[name], b[name]) for name in a.keys() & b.keys()}


def _of_predicate(predicate: q.Apply, positions: Mapping[str, Position]) -> Bounds:
    for place, shape in _tests(predicate):
        name = _at_position(place, positions)
        if name is not None:
            ranges = _cover(shape)
            return {} if np.array_equal(ranges, cover.SKY) else {name: ranges}
    return {}


def _of_cells(value: q.Value, spans: Sequence[tuple[q.Value, q.Value]]) -> Bounds:
    """Where the index lies if a larger cell is in one of these spans of numbers."""
    part = part_of_index(value)
    ends = [(lo.value, hi.value) for lo, hi in spans if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)]
    if part is None or len(ends) < len(spans) or not all(isinstance(n, int) for pair in ends for n in pair):
        return {}
    index, bits = part
    last = int(cover.SKY[0, 1] >> bits) - 1
    ranges = [(max(lo, 0) << bits, (min(hi, last) + 1) << bits) for lo, hi in ends if max(lo, 0) <= min(hi, last)]
    found = cover.NOTHING if not ranges else cover.ordered(np.array(ranges, dtype=np.int64))
    return {} if np.array_equal(found, cover.SKY) else {index.source: found}


def _tests(predicate: q.Apply) -> Iterator[tuple[q.Value, Shape]]:
    """The pairs of a value that must lie in, or touch, a constant shape for the predicate to be true."""
    a, b, *rest = predicate.arguments
    if predicate.function in (NEAR, STRICTLY_NEAR):
        for value, other in ((a, b), (b, a)):
            circle = _circle(other, rest[0])
            if circle is not None:
                yield value, circle
        return
    pairs = ((a, b), (b, a)) if predicate.function is INTERSECTS else ((a, b),)
    for value, other in pairs if predicate.function in (CONTAINS, INTERSECTS) else ():
        shape = constant_shape(other)
        if shape is not None:
            yield value, shape


def _circle(centre: q.Value, radius: q.Value) -> Shape | None:
    point = constant_shape(centre)
    if point is None or not isinstance(radius, q.Constant) or radius.value is None:
        return None
    return "circle", (*point[1], float(radius.value))


def _at_position(value: q.Value, positions: Mapping[str, Position]) -> str | None:
    """The source whose position a point is."""
    if value.column.type is not types.POINT or not isinstance(value, q.Apply) or value.function is not POINT:
        return None
    ra, dec = coordinates(value)
    if not (isinstance(ra, q.Field) and isinstance(dec, q.Field)) or ra.source != dec.source:
        return None
    position = positions.get(ra.source)
    return ra.source if position and (ra.name, dec.name) == (position.ra, position.dec) else None


@lru_cache(maxsize=512)
def _cover(shape: Shape) -> Ranges:
    match shape:
        case "point", (lon, lat):
            return cover.circle(lon, lat, 0.0)
        case "circle", (lon, lat, radius):
            return cover.circle(lon, lat, radius)
        case _, ring:
            return cover.polygon(list(zip(ring[::2], ring[1::2], strict=True)))
