"""From a query to the same query with the stretches of the index that can hold its rows.

A test of a table's position against a region that is the same for all rows implies that the index lies in the
region's cover. What a condition implies is collected from the inside out and said once beside it, so the condition
itself stays as it was and the answer is the same with and without the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache, reduce
from itertools import chain
from math import inf, prod
from typing import Any

import numpy as np

from vo_server.adql.planning import positions as places
from vo_server.adql.planning.cells import part_of_index, stored
from vo_server.adql.planning.extents import bounds, placed, position_of
from vo_server.adql.planning.joins import Rows, linked
from vo_server.adql.planning.nearness import conjuncts, pairs, plain
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CELL, DISTANCE, NEAR, STRICTLY_NEAR
from vo_server.adql.semantics.geometry import constant_shape
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover
from vo_server.sky.cover import Ranges
from vo_server.sky.shapes import Shape

Bounds = dict[str, Ranges]
Positions = Mapping[str, Position]


def plan(query: q.Query, rows: Rows = lambda _: None) -> q.Query:
    """The query with its index ranges and its joins through cells, in every SELECT of it.

    `rows` tells how many rows a table has, None where that is not known.
    """

    scans = cache(lambda: {n.name: n.table.position for n in q.parts(query) if isinstance(n, q.Scan)})

    def planned(node: Any) -> Any:
        if isinstance(node, q.Apply) and node.function is CELL:
            return stored(node, scans().get(getattr(node.arguments[0], "source", "")))
        return linked(_ranged(node), rows) if isinstance(node, q.Select) else node

    made: q.Query = q.mapped(query, planned)
    return made


def expected(query: q.Query, rows: Rows) -> int | None:
    """About how many rows a planned query of one table, or of a UNION of some, reads, by the part of the sky that its
    index ranges cover.

    None where this tells nothing: no ranges, tables that are joined, a table of unknown size.
    """
    if isinstance(query, q.Combined):
        sides = [expected(side, rows) for side in (query.left, query.right)]
        return None if None in sides else sum(side or 0 for side in sides)
    inner = _inner(query.source)
    if inner is not None:
        return expected(inner, rows)
    if not isinstance(query.source, q.Scan):
        return None
    total = rows(query.source.table)
    covers = [w for w in _operands(query.where) if isinstance(w, q.Within)]
    if total is None or not covers:
        return None
    ends = [
        (lo.value, hi.value) for lo, hi in covers[0].ranges if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)
    ]
    return int(total * sum(int(hi) - int(lo) + 1 for lo, hi in ends) / int(cover.SKY[0, 1]))


def work(query: q.Query, rows: Rows, asked: int) -> float:
    """About how many rows a database looks at for a planned query of which so many rows are asked for.

    At the worst it looks at every combination of the rows of its tables; infinite where their size is not known.
    """
    tables = [n.table for n in q.parts(query) if isinstance(n, q.Scan)]
    few = expected(query, rows) if len(tables) == _united(query) else None
    if few is not None:
        return few
    counts = [rows(table) for table in tables]
    most = prod(inf if count is None else count for count in counts)
    return min(most, asked) if _as_they_come(query) else most


def _united(query: q.Query) -> int:
    """The tables that a query reads one after another, those of sub-queries in conditions not counted."""
    if isinstance(query, q.Combined):
        return _united(query.left) + _united(query.right)
    inner = _inner(query.source)
    return int(isinstance(query.source, q.Scan)) if inner is None else _united(inner)


def _inner(source: q.Source) -> q.Query | None:
    """The query that alone is the source of another, though each of its rows may stand there several times."""
    while isinstance(source, q.Spread):
        source = source.source
    return source.query if isinstance(source, q.Derived) else None


def _operands(condition: q.Condition | None) -> tuple[q.Condition, ...]:
    return condition.operands if isinstance(condition, q.And) else () if condition is None else (condition,)


def _as_they_come(query: q.Query) -> bool:
    """Are the rows those of a table, the first that come?"""
    return (
        isinstance(query, q.Select)
        and isinstance(query.source, q.Scan)
        and not (query.where or query.group_by or query.having or query.distinct or query.order_by or query.offset)
        and not any(isinstance(n, q.Aggregate) for n in q.parts(query))
    )


def _ranged(query: q.Select) -> q.Select:
    positions = dict(places.positions(query.source))
    if not positions:
        return query
    scans = places.scans(query.source)
    implied = _both(_implied_by(query.where, positions), _of_groups(query, positions))
    always = q.And(tuple(chain(conjuncts(query.where), _of_joins(query.source))))
    known = _both(implied, _implied_by(always, positions))
    near = _nearby(always, known, positions, positions)
    source = _source(query.source, positions, scans, _both(known, near))
    implied = _both(implied, near)
    for name, ranges in implied.items():
        source = _narrowed(source, name, ranges)
    where = _bounded(query.where, implied, positions, scans)
    return replace(query, source=source, where=None if where is None else _asked(where, _both(known, near), positions))


def _of_joins(source: q.Source) -> Iterator[q.Condition]:
    """The conditions of joins that hold in every row."""
    if isinstance(source, q.Join):
        inner = source.kind in ("INNER", "CROSS")
        yield from conjuncts(source.on if inner else None)
        yield from _of_joins(source.left) if inner or source.kind == "LEFT" else ()
        yield from _of_joins(source.right) if inner or source.kind == "RIGHT" else ()


def _nearby(condition: q.Condition | None, known: Bounds, positions: Positions, theirs: Positions) -> Bounds:
    """Where the others lie that a condition holds near to what is bounded; of those that are not bounded themselves."""
    found: Bounds = {}
    for pair in (pair for c in conjuncts(condition) for pair in pairs(c)):
        for near in (pair, pair.turned()):
            mine, other = position_of(near.first, positions), position_of(near.second, theirs)
            if mine is None or other is None or mine not in known or other in known:
                continue
            if isinstance(near.radius, q.Constant) and near.radius.value is not None:
                ranges = cover.around(known[mine], float(near.radius.value))
                found = found if np.array_equal(ranges, cover.SKY) else _both(found, {other: ranges})
    return _both(found, _nearby(condition, _both(known, found), positions, theirs)) if found else found


def _asked(condition: q.Condition, known: Bounds, positions: Positions) -> q.Condition:
    """A condition whose sub-queries look for what is near to bounded places there alone."""
    match condition:
        case q.And(operands) | q.Or(operands):
            return replace(condition, operands=tuple(_asked(o, known, positions) for o in operands))
        case q.Not(operand):
            return replace(condition, operand=_asked(operand, known, positions))
        case q.Exists(q.Select() as inner):
            return replace(condition, query=_near_to(inner, known, positions))
        case q.In(_, q.Select() as inner):
            return replace(condition, options=_near_to(inner, known, positions))
        case _:
            return condition


def _near_to(query: q.Select, known: Bounds, positions: Positions) -> q.Select:
    theirs = dict(places.positions(query.source))
    near = _nearby(query.where, known, positions, theirs)
    source = query.source
    for name, ranges in near.items():
        source = _narrowed(source, name, ranges)
    return replace(query, source=source, where=_bounded(query.where, near, theirs, places.scans(query.source)))


def _of_groups(query: q.Select, positions: Positions) -> Bounds:
    """What HAVING says of positions that the groups are made by is true of every row of them."""
    implied = _implied_by(query.having, positions)
    return {name: ranges for name, ranges in implied.items() if places.grouped(query, name, positions[name])}


def _narrowed(source: q.Source, name: str, ranges: Ranges) -> q.Source:
    """A condition on all rows that bounds a sub-query's position bounds the index inside of it, too."""
    match source:
        case q.Join():
            left, right = _narrowed(source.left, name, ranges), _narrowed(source.right, name, ranges)
            return replace(source, left=left, right=right)
        case q.Derived(own, inner) if own == name:
            place = next(places.shown(inner), None)
            return source if place is None else replace(source, query=_cut(inner, place.outputs, ranges))
        case _:
            return source


def _cut(query: q.Query, place: tuple[int, int], ranges: Ranges) -> q.Query:
    """The rows of a query whose position, the two outputs, is in the ranges, and perhaps some others."""
    if query.top is not None or query.offset:
        return query
    if isinstance(query, q.Combined):
        return replace(query, left=_cut(query.left, place, ranges), right=_cut(query.right, place, ranges))
    name = next((found.name for found in places.of_outputs(query) if found.outputs == place), "")
    if name in places.scans(query.source):
        within = _within(name, dict(places.positions(query.source))[name], ranges)
        return replace(query, where=within if query.where is None else q.And((within, query.where)))
    return replace(query, source=_narrowed(query.source, name, ranges))


def _source(source: q.Source, positions: Positions, scans: Set[str], known: Bounds) -> q.Source:
    """A row of the outer side of an outer join is there without a partner, too: it is not bounded by the ON."""
    if not isinstance(source, q.Join):
        return source
    sides = [_source(side, positions, scans, known) for side in (source.left, source.right)]
    implied = _implied_by(source.on, positions)
    for n, outer in enumerate(("LEFT", "RIGHT")):
        if source.kind in (outer, "FULL"):
            continue
        theirs = {name: positions[name] for name, _ in places.leaves(sides[n]) if name in positions}
        if source.kind in ("LEFT", "RIGHT"):
            implied = _both(implied, _nearby(source.on, known, positions, theirs))
        for name, ranges in implied.items():
            sides[n] = _narrowed(sides[n], name, ranges)
    return replace(source, left=sides[0], right=sides[1], on=_bounded(source.on, implied, positions, scans))


def _implied_by(condition: q.Condition | None, positions: Positions) -> Bounds:
    return {} if condition is None else _implied(condition, positions)


def _bounded(
    condition: q.Condition | None, implied: Bounds, positions: Positions, scans: Set[str]
) -> q.Condition | None:
    withins = [_within(name, positions[name], ranges) for name, ranges in implied.items() if name in scans]
    return condition if not withins else q.And((*withins, *(() if condition is None else (condition,))))


def _within(name: str, position: Position, ranges: Ranges) -> q.Within:
    pairs = cover.thrifty(ranges)
    column = Column(position.healpix, types.BIGINT)
    ends = tuple((q.Constant(int(lo), column), q.Constant(int(hi) - 1, column)) for lo, hi in pairs)
    return q.Within(q.Field(name, position.healpix, column), ends)


def _implied(condition: q.Condition, positions: Positions) -> Bounds:
    """Where the index of each source lies in every row for which the condition is true."""
    match plain(condition):
        case q.Holds(predicate):
            return _of_predicate(predicate, positions)
        case q.Between(q.Apply(function=function, arguments=points), _, radius, False) if function is DISTANCE:
            return _of_predicate(q.Apply(NEAR, (*points, radius), NEAR.result(())), positions)
        case q.Compare("=", left, right):
            return _of_cells(left, ((right, right),)) or _of_cells(right, ((left, left),))
        case q.Between(value, low, high, False):
            return _of_cells(value, ((low, high),))
        case q.In(value, tuple() as options, False):
            return _of_cells(value, [(o, o) for o in options])
        case q.And(operands):
            return reduce(_both, (_implied(o, positions) for o in operands), {})
        case q.Or(operands):
            return reduce(_either, (_implied(o, positions) for o in operands))
        case _:
            return {}


def _both(a: Bounds, b: Bounds) -> Bounds:
    return {**a, **b, **{name: cover.meet(a[name], b[name]) for name in a.keys() & b.keys()}}


def _either(a: Bounds, b: Bounds) -> Bounds:
    return {name: cover.join(a[name], b[name]) for name in a.keys() & b.keys()}


def _of_predicate(predicate: q.Apply, positions: Mapping[str, Position]) -> Bounds:
    found = _near(predicate, positions) or bounds(predicate, positions)
    return {} if found is None or np.array_equal(found[1], cover.SKY) else {found[0]: found[1]}


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


def _near(predicate: q.Apply, positions: Mapping[str, Position]) -> tuple[str, Ranges] | None:
    """Where the index lies if a position is within a radius of a constant point."""
    if predicate.function not in (NEAR, STRICTLY_NEAR):
        return None
    a, b, radius = predicate.arguments
    for value, other in ((a, b), (b, a)):
        circle, place = _circle(other, radius), placed(value, positions)
        if circle is not None and place is not None:
            return place[0], cover.of(circle)
    return None


def _circle(centre: q.Value, radius: q.Value) -> Shape | None:
    point = constant_shape(centre)
    if point is None or not isinstance(radius, q.Constant) or radius.value is None:
        return None
    return "circle", (*point[1], float(radius.value))
