"""Planning: adds to a query the ranges of the index that can contain its rows, and links joins by distance through
cells.

A test of a table's position against a constant region implies that the index lies in the region's cover. The implied
ranges are collected from the inside out and added once beside the condition, which itself stays unchanged: the answer
is the same with and without the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache, reduce
from itertools import chain
from math import inf, prod
from typing import Any

import numpy as np

from vo_server.adql.planning.cells import split_ancestor, stored_index
from vo_server.adql.planning.extents import bound_index, find_nearby_position, find_point_source
from vo_server.adql.planning.joins import link_joins
from vo_server.adql.planning.nearness import find_pairs, iter_conjuncts, push_negation
from vo_server.adql.planning.positions import (
    count_cells,
    exposed_positions,
    is_grouped_by_position,
    iter_leaves,
    output_positions,
    scanned_names,
    source_positions,
)
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import DISTANCE
from vo_server.adql.semantics.geometry import constant_shape
from vo_server.adql.semantics.internal_functions import CELL, NEAR, STRICTLY_NEAR
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover
from vo_server.sky.cover import Ranges
from vo_server.sky.shapes import Shape

IndexBounds = dict[str, Ranges]
Positions = Mapping[str, Position]


def plan(query: q.Query, rows: q.RowCounts = lambda _: None) -> q.Query:
    """Return the query with its index ranges and its joins through cells, in every SELECT of it.

    `rows` returns how many rows a table has, None where that is not known.
    """

    scans = cache(lambda: {n.name: n.table.position for n in q.walk(query) if isinstance(n, q.TableScan)})

    def plan_node(node: Any) -> Any:
        if isinstance(node, q.FunctionCall) and node.function is CELL:
            return stored_index(node, scans().get(getattr(node.arguments[0], "source", "")))
        return link_joins(_add_ranges(node), rows) if isinstance(node, q.SelectQuery) else node

    result: q.Query = q.transform(query, plan_node)
    return result


def estimate_rows(query: q.Query, rows: q.RowCounts) -> int | None:
    """Estimate how many rows a planned query of one table, or of a UNION of some, reads, from the part of the sky that
    its index ranges cover.

    None where this is unknown: no ranges, joined tables, a table of unknown size.
    """
    if isinstance(query, q.SetQuery):
        sides = [estimate_rows(side, rows) for side in (query.left, query.right)]
        return None if None in sides else sum(side or 0 for side in sides)
    inner = _find_inner(query.source)
    if inner is not None:
        return estimate_rows(inner, rows)
    if not isinstance(query.source, q.TableScan):
        return None
    total = rows(query.source.table)
    covers = [w for w in iter_conjuncts(query.where) if isinstance(w, q.IndexRanges)]
    if total is None or not covers:
        return None
    return int(total * count_cells(covers[0]) / int(cover.WHOLE_SKY[0, 1]))


def estimate_work(query: q.Query, rows: q.RowCounts, limit: int) -> float:
    """Estimate how many rows a database reads for a planned query of which `limit` rows are fetched.

    In the worst case it reads every combination of the rows of its tables; infinite where their size is not known.
    """
    tables = [n.table for n in q.walk(query) if isinstance(n, q.TableScan)]
    by_ranges = estimate_rows(query, rows) if len(tables) == _count_united_tables(query) else None
    if by_ranges is not None:
        return by_ranges
    counts = [rows(table) for table in tables]
    product = prod(inf if count is None else count for count in counts)
    return min(product, limit) if _is_unordered_scan(query) else product


def _count_united_tables(query: q.Query) -> int:
    """Count the tables that a query reads one after another, without those of sub-queries in conditions."""
    if isinstance(query, q.SetQuery):
        return _count_united_tables(query.left) + _count_united_tables(query.right)
    inner = _find_inner(query.source)
    return int(isinstance(query.source, q.TableScan)) if inner is None else _count_united_tables(inner)


def _find_inner(source: q.Source) -> q.Query | None:
    """Return the query that alone is the source of another, though each of its rows may be repeated; None for
    others."""
    while isinstance(source, q.Unnest):
        source = source.source
    return source.query if isinstance(source, q.Subquery) else None


def _is_unordered_scan(query: q.Query) -> bool:
    """Tell whether the rows are those of a table in any order, unfiltered."""
    return (
        isinstance(query, q.SelectQuery)
        and isinstance(query.source, q.TableScan)
        and not (query.where or query.group_by or query.having or query.distinct or query.order_by or query.offset)
        and not any(isinstance(n, q.AggregateCall) for n in q.walk(query))
    )


def _add_ranges(query: q.SelectQuery) -> q.SelectQuery:
    positions = dict(source_positions(query.source))
    if not positions:
        return query
    scans = scanned_names(query.source)
    implied = _intersect(_bound_optional(query.where, positions), _bound_groups(query, positions))
    conjunction = q.Conjunction(tuple(chain(iter_conjuncts(query.where), _iter_join_conditions(query.source))))
    known = _intersect(implied, _bound_optional(conjunction, positions))
    nearby = _bound_nearby(conjunction, known, positions, positions)
    source = _bound_source(query.source, positions, scans, _intersect(known, nearby))
    implied = _intersect(implied, nearby)
    for name, ranges in implied.items():
        source = _narrow_source(source, name, ranges)
    where = _add_index_ranges(query.where, implied, positions, scans)
    return replace(
        query,
        source=source,
        where=None if where is None else _bound_subqueries(where, _intersect(known, nearby), positions),
    )


def _iter_join_conditions(source: q.Source) -> Iterator[q.Condition]:
    """Yield the conditions of joins that hold in every row."""
    if isinstance(source, q.JoinedSource):
        inner = source.kind in ("INNER", "CROSS")
        yield from iter_conjuncts(source.on if inner else None)
        yield from _iter_join_conditions(source.left) if inner or source.kind == "LEFT" else ()
        yield from _iter_join_conditions(source.right) if inner or source.kind == "RIGHT" else ()


def _bound_nearby(
    condition: q.Condition | None, known: IndexBounds, positions: Positions, other_positions: Positions
) -> IndexBounds:
    """Return bounds of sources near bounded ones, for those of `theirs` that are not bounded themselves."""
    bounds: IndexBounds = {}
    for pair in (pair for c in iter_conjuncts(condition) for pair in find_pairs(c)):
        for directed in (pair, pair.reverse()):
            source = find_point_source(directed.first, positions)
            other = find_point_source(directed.second, other_positions)
            if source is None or other is None or source not in known or other in known:
                continue
            if isinstance(directed.radius, q.Constant) and directed.radius.value is not None:
                ranges = cover.dilate(known[source], float(directed.radius.value))
                bounds = bounds if np.array_equal(ranges, cover.WHOLE_SKY) else _intersect(bounds, {other: ranges})
    if not bounds:
        return bounds
    return _intersect(bounds, _bound_nearby(condition, _intersect(known, bounds), positions, other_positions))


def _bound_subqueries(condition: q.Condition, known: IndexBounds, positions: Positions) -> q.Condition:
    """Bound the sub-queries of a condition near bounded positions."""
    match condition:
        case q.Conjunction(operands) | q.Disjunction(operands):
            return replace(condition, operands=tuple(_bound_subqueries(o, known, positions) for o in operands))
        case q.Negation(operand):
            return replace(condition, operand=_bound_subqueries(operand, known, positions))
        case q.ExistsTest(q.SelectQuery() as inner):
            return replace(condition, query=_bound_subquery(inner, known, positions))
        case q.InTest(_, q.SelectQuery() as inner):
            return replace(condition, options=_bound_subquery(inner, known, positions))
        case _:
            return condition


def _bound_subquery(query: q.SelectQuery, known: IndexBounds, positions: Positions) -> q.SelectQuery:
    own_positions = dict(source_positions(query.source))
    nearby = _bound_nearby(query.where, known, positions, own_positions)
    source = query.source
    for name, ranges in nearby.items():
        source = _narrow_source(source, name, ranges)
    return replace(
        query, source=source, where=_add_index_ranges(query.where, nearby, own_positions, scanned_names(query.source))
    )


def _bound_groups(query: q.SelectQuery, positions: Positions) -> IndexBounds:
    """Return the bounds that HAVING implies for every row of the groups, for positions that are grouped by."""
    implied = _bound_optional(query.having, positions)
    return {name: ranges for name, ranges in implied.items() if is_grouped_by_position(query, name, positions[name])}


def _narrow_source(source: q.Source, name: str, ranges: Ranges) -> q.Source:
    """Add a bound on the position of a sub-query to the index inside of it."""
    match source:
        case q.JoinedSource():
            left, right = _narrow_source(source.left, name, ranges), _narrow_source(source.right, name, ranges)
            return replace(source, left=left, right=right)
        case q.Subquery(own, inner) if own == name:
            exposed = next(exposed_positions(inner), None)
            return source if exposed is None else replace(source, query=_narrow_query(inner, exposed.outputs, ranges))
        case _:
            return source


def _narrow_query(query: q.Query, outputs: tuple[int, int], ranges: Ranges) -> q.Query:
    """Narrow a query to rows whose position, the two outputs, is in the ranges; some other rows may remain."""
    if query.top is not None or query.offset:
        return query
    if isinstance(query, q.SetQuery):
        return replace(
            query, left=_narrow_query(query.left, outputs, ranges), right=_narrow_query(query.right, outputs, ranges)
        )
    name = next((exposed.name for exposed in output_positions(query) if exposed.outputs == outputs), "")
    if name in scanned_names(query.source):
        within = _to_index_ranges(name, dict(source_positions(query.source))[name], ranges)
        return replace(query, where=within if query.where is None else q.Conjunction((within, query.where)))
    return replace(query, source=_narrow_source(query.source, name, ranges))


def _bound_source(source: q.Source, positions: Positions, scans: Set[str], known: IndexBounds) -> q.Source:
    """Add index ranges to the conditions of joins.

    A row of the outer side of an outer join is there without a partner, too: the ON does not bound it.
    """
    if not isinstance(source, q.JoinedSource):
        return source
    sides = [_bound_source(side, positions, scans, known) for side in (source.left, source.right)]
    implied = _bound_optional(source.on, positions)
    for n, outer in enumerate(("LEFT", "RIGHT")):
        if source.kind in (outer, "FULL"):
            continue
        own_positions = {name: positions[name] for name, _ in iter_leaves(sides[n]) if name in positions}
        if source.kind in ("LEFT", "RIGHT"):
            implied = _intersect(implied, _bound_nearby(source.on, known, positions, own_positions))
        for name, ranges in implied.items():
            sides[n] = _narrow_source(sides[n], name, ranges)
    return replace(source, left=sides[0], right=sides[1], on=_add_index_ranges(source.on, implied, positions, scans))


def _bound_optional(condition: q.Condition | None, positions: Positions) -> IndexBounds:
    return {} if condition is None else _bound_condition(condition, positions)


def _add_index_ranges(
    condition: q.Condition | None, implied: IndexBounds, positions: Positions, scans: Set[str]
) -> q.Condition | None:
    withins = [_to_index_ranges(name, positions[name], ranges) for name, ranges in implied.items() if name in scans]
    return condition if not withins else q.Conjunction((*withins, *(() if condition is None else (condition,))))


def _to_index_ranges(name: str, position: Position, ranges: Ranges) -> q.IndexRanges:
    pairs = cover.merge_small_gaps(ranges)
    column = Column(position.healpix, types.BIGINT)
    ends = tuple((q.Constant(int(lo), column), q.Constant(int(hi) - 1, column)) for lo, hi in pairs)
    return q.IndexRanges(q.ColumnRef(name, position.healpix, column), ends)


def _bound_condition(condition: q.Condition, positions: Positions) -> IndexBounds:
    """Return the ranges of each source's index that contain every row for which the condition is true."""
    match push_negation(condition):
        case q.PredicateTest(predicate):
            return _bound_predicate(predicate, positions)
        case q.RangeTest(q.FunctionCall(function=function, arguments=points), _, radius, False) if function is DISTANCE:
            return _bound_predicate(NEAR.call(*points, radius), positions)
        case q.Comparison("=", left, right):
            return _bound_cells(left, ((right, right),)) or _bound_cells(right, ((left, left),))
        case q.RangeTest(value, low, high, False):
            return _bound_cells(value, ((low, high),))
        case q.InTest(value, tuple() as options, False):
            return _bound_cells(value, [(o, o) for o in options])
        case q.Conjunction(operands):
            return reduce(_intersect, (_bound_condition(o, positions) for o in operands), {})
        case q.Disjunction(operands):
            return reduce(_unite, (_bound_condition(o, positions) for o in operands))
        case _:
            return {}


def _intersect(a: IndexBounds, b: IndexBounds) -> IndexBounds:
    return {**a, **b, **{name: cover.intersection(a[name], b[name]) for name in a.keys() & b.keys()}}


def _unite(a: IndexBounds, b: IndexBounds) -> IndexBounds:
    return {name: cover.union(a[name], b[name]) for name in a.keys() & b.keys()}


def _bound_predicate(predicate: q.FunctionCall, positions: Mapping[str, Position]) -> IndexBounds:
    bound = _bound_distance(predicate, positions) or bound_index(predicate, positions)
    return {} if bound is None or np.array_equal(bound[1], cover.WHOLE_SKY) else {bound[0]: bound[1]}


def _bound_cells(value: q.Value, spans: Sequence[tuple[q.Value, q.Value]]) -> IndexBounds:
    """Return the ranges of the index if a larger cell is in one of these spans of numbers."""
    part = split_ancestor(value)
    ends = [(lo.value, hi.value) for lo, hi in spans if isinstance(lo, q.Constant) and isinstance(hi, q.Constant)]
    if part is None or len(ends) < len(spans) or not all(isinstance(n, int) for pair in ends for n in pair):
        return {}
    index, bits = part
    last = int(cover.WHOLE_SKY[0, 1] >> bits) - 1
    ranges = [(max(lo, 0) << bits, (min(hi, last) + 1) << bits) for lo, hi in ends if max(lo, 0) <= min(hi, last)]
    bound = cover.EMPTY if not ranges else cover.normalise_ranges(np.array(ranges, dtype=np.int64))
    return {} if np.array_equal(bound, cover.WHOLE_SKY) else {index.source: bound}


def _bound_distance(predicate: q.FunctionCall, positions: Mapping[str, Position]) -> tuple[str, Ranges] | None:
    """Return the ranges of the index if a position is within a radius of a constant point."""
    if predicate.function not in (NEAR, STRICTLY_NEAR):
        return None
    a, b, radius = predicate.arguments
    for value, other in ((a, b), (b, a)):
        circle, nearby = _to_circle(other, radius), find_nearby_position(value, positions)
        if circle is not None and nearby is not None:
            return nearby[0], cover.cover_shape(circle)
    return None


def _to_circle(centre: q.Value, radius: q.Value) -> Shape | None:
    point = constant_shape(centre)
    if point is None or not isinstance(radius, q.Constant) or radius.value is None:
        return None
    return "circle", (*point[1], float(radius.value))
