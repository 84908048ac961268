"""Joins by distance through HEALPix cells instead of the product of both sources.

One source is unnested: each of its rows is repeated for each HEALPix cell that a circle about it overlaps, a circle of
the radius of the join. A row of the other source lies in one cell. Equality of cells is then a test that every pair
passes, that no pair passes twice, and that a database can answer by hashing. The exact test stays beside it.

Where the radius differs from row to row, so do the orders of the cells, and a row of the other source is repeated for
its cell of each order that occurs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vo_server.adql.planning import positions
from vo_server.adql.planning.nearness import PointPair, find_pairs, find_upper_bound
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import FUNCTIONS, OPERATORS
from vo_server.adql.semantics.geometry import split_point
from vo_server.adql.semantics.internal_functions import (
    ANCESTOR,
    ANCESTOR_KEY,
    CELL,
    CELL_KEY,
    CELL_ORDER,
    CELLS_IN_CIRCLE,
    IN_CELL,
    INDEX_LOOKUP,
)
from vo_server.adql.semantics.values import to_constant, to_integer_constant
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover

_INTEGER, _CELL, _DOUBLE = (Column("", t) for t in (types.INTEGER, types.BIGINT, types.DOUBLE))

CELL_TESTS = IN_CELL, INDEX_LOOKUP
"""The functions that test the index of one source for the cell of another."""

_ROUNDING_FACTOR = 1.000001
"""Factor by which an upper bound exceeds a sum that was computed in 4-byte floats."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of the join graph: a condition that two sources are within a distance; `first` and `second` are their
    names."""

    condition: q.Condition
    pair: PointPair
    first: str
    second: str

    def reverse(self) -> Edge:
        """Return the edge with its sources swapped."""
        return replace(self, pair=self.pair.reverse(), first=self.second, second=self.first)

    @property
    def radius(self) -> float | None:
        """The radius (degrees) if it is the same for all rows, else None."""
        radius = self.pair.radius
        return float(radius.value) if isinstance(radius, q.Constant) and radius.value is not None else None

    @property
    def owners(self) -> frozenset[str]:
        """The sources whose columns the radius is computed from."""
        return sources_or_nested(self.pair.radius)


def find_edges(
    conditions: Iterable[q.Condition], some: Mapping[str, object], others: Mapping[str, object]
) -> Iterator[Edge]:
    """Yield the conditions that link a source of `some` with one of `others`; the first is of `some`."""
    for condition in conditions:
        for pair in find_pairs(condition):
            first, second = sources_or_nested(pair.first), sources_or_nested(pair.second)
            if (
                len(first) != 1
                or len(second) != 1
                or first == second
                or not sources_or_nested(pair.radius) <= first | second
            ):
                continue
            if not is_deterministic(pair.radius):
                continue
            edge = Edge(condition, pair, *first, *second)
            for each in (edge, edge.reverse()):
                if each.first in some and each.second in others:
                    yield each
                    break


def sources_or_nested(node: q.Node) -> frozenset[str]:
    """Return the sources whose columns are in a part of a query; "" is among them if it has a sub-query."""
    sources = q.find_sources(node)
    nested = any(isinstance(part, q.SelectQuery | q.SetQuery) for part in q.walk(node))
    return sources | {""} if nested else sources


# ---------------------------------------------------------------- two sources


LinkedSource = tuple[q.Source, q.Condition]
"""A source, and a further condition on its rows."""


def link_through_cells(
    source: q.Source, edge: Edge, readable: Mapping[str, q.Source | None], use_index: bool = False
) -> LinkedSource | None:
    """Link both sources of an edge inside a source by a condition on cells; None where cells cannot do it.

    The first is unnested, except for a radius from the second's columns alone. `use_index`: see `link_fixed_order`.
    `readable` has for each source one that contains all of its rows and may be read again, None where there is none.
    """
    if edge.radius is not None:
        return link_fixed_order(source, edge, dict(positions.iter_leaves(source))[edge.second], use_index)
    if edge.owners == {edge.second}:
        edge = edge.reverse()
    first_source, limits = readable[edge.first], None
    if not edge.owners <= {edge.first}:
        bounded = _bound_radius(edge, readable[edge.second])
        if bounded is None:
            return None
        edge, limits = bounded
    return None if first_source is None else _multi_order(source, edge, first_source, limits)


def link_fixed_order(source: q.Source, edge: Edge, other: q.Source, use_index: bool = False) -> LinkedSource | None:
    """Unnest the first source of an edge over cells of one order; `other` is the second, there or around it.

    `use_index` looks the rows of the first source up in the index of the second, for a first source with few rows.
    Where each row of the second counts, with a partner or not, a database could not: it would try all against all.
    """
    if edge.radius is None or not 0 <= edge.radius <= cover.max_radius(0):
        return None
    order = cover.join_order(edge.radius)
    cell = q.ColumnRef(edge.first, f"_cell_{edge.second}", _CELL)
    reached = q.FunctionCall(
        CELLS_IN_CIRCLE, (*split_point(edge.pair.first), to_constant(edge.radius), to_integer_constant(order)), _CELL
    )
    lon, lat = split_point(edge.pair.second)
    index = positions.find_index(lon, lat, other)
    same: q.Condition
    if index is None:
        same = q.Comparison("=", q.FunctionCall(CELL, (lon, lat, to_integer_constant(order)), _CELL), cell)
    else:
        bits = to_integer_constant(2 * (cover.ORDER - order))
        same = q.PredicateTest(q.FunctionCall(INDEX_LOOKUP if use_index else IN_CELL, (index, cell, bits), _INTEGER))
    return _unnest_cells(source, cell, reached), same


def _multi_order(source: q.Source, edge: Edge, first_source: q.Source, limits: q.Subquery | None) -> LinkedSource:
    """Unnest the first source of an edge over cells of an order for each circle, the second over all these orders.

    `limits` is a single row beside the first source that the radius refers to, too.
    """
    radius, lon, lat = edge.pair.radius, *split_point(edge.pair.second)
    order = q.FunctionCall(CELL_ORDER, (radius,), _INTEGER)
    cell, key = (
        q.ColumnRef(edge.first, f"_cell_{edge.second}", _CELL),
        q.ColumnRef(edge.second, f"_cell_{edge.first}", _CELL),
    )
    reached = q.FunctionCall(CELLS_IN_CIRCLE, (*split_point(edge.pair.first), radius, order), _CELL)
    source = _unnest_cells(source, cell, q.FunctionCall(CELL_KEY, (reached, order), _CELL), limits)
    one = q.ColumnRef(f"_orders_{edge.first}", "_order", _INTEGER)
    orders = q.Subquery(
        one.source, q.SelectQuery((q.OutputColumn(one.name, order),), _cross_join(first_source, limits), distinct=True)
    )
    index = positions.find_index(lon, lat, dict(positions.iter_leaves(source))[edge.second])
    finest = index or q.FunctionCall(CELL, (lon, lat, to_integer_constant(cover.ORDER)), _CELL)
    return _unnest_cells(source, key, q.FunctionCall(ANCESTOR_KEY, (finest, one), _CELL), orders), q.Comparison(
        "=", key, cell
    )


def _bound_radius(edge: Edge, second_source: q.Source | None) -> tuple[Edge, q.Subquery] | None:
    """Replace a radius from columns of both sources by a bound from the first's and the maximum of the second's
    part."""
    name, outputs = f"_most_{edge.second}", list[q.OutputColumn]()

    def largest(value: q.Value) -> q.Value:
        size = q.FunctionCall(FUNCTIONS["ABS"], (value,), _DOUBLE)
        outputs.append(q.OutputColumn(f"_most_{len(outputs)}", q.AggregateCall("MAX", size, False, _DOUBLE)))
        return q.ColumnRef(name, outputs[-1].label, _DOUBLE)

    radius_bound = find_upper_bound(edge.pair.radius, edge.second, largest)
    if radius_bound is None or second_source is None:
        return None
    radius = q.FunctionCall(OPERATORS["*"], (radius_bound, to_constant(_ROUNDING_FACTOR)), _DOUBLE)
    return replace(edge, pair=replace(edge.pair, radius=radius)), q.Subquery(
        name, q.SelectQuery(tuple(outputs), second_source)
    )


def _unnest_cells(source: q.Source, cell: q.ColumnRef, cells: q.Value, beside: q.Subquery | None = None) -> q.Source:
    leaf = _cross_join(dict(positions.iter_leaves(source))[cell.source], beside)
    return replace_source(source, cell.source, q.Unnest(cell.source, leaf, cells, cell.name))


def _cross_join(source: q.Source, row: q.Subquery | None) -> q.Source:
    return source if row is None else q.JoinedSource("CROSS", source, row, None)


def replace_source(source: q.Source, name: str, replacement: q.Source) -> q.Source:
    """Return a source with the one named `name` inside it replaced."""
    if isinstance(source, q.JoinedSource):
        return replace(
            source,
            left=replace_source(source.left, name, replacement),
            right=replace_source(source.right, name, replacement),
        )
    return replacement if source.name == name else source


@dataclass(frozen=True, slots=True)
class CellJoin:
    """A join through cells, for explanations: rows of `unnested` are repeated for all cells of an order that circles
    about them overlap, those of `other` are in one cell, which is read from their index if it is `indexed`.

    `order` is None where each circle has cells of an order of its own.
    """

    unnested: str
    other: str
    indexed: bool
    order: int | None


def find_cell_joins(query: q.Query) -> Iterator[CellJoin]:
    """Yield the joins through cells of a planned query."""
    spreads = {(part.name, part.label): part.values for part in q.walk(query) if isinstance(part, q.Unnest)}
    for part in q.walk(query):
        match part:
            case q.PredicateTest(q.FunctionCall(function, (q.ColumnRef() as index, q.ColumnRef() as cell, _))) if (
                function
                in (
                    IN_CELL,
                    INDEX_LOOKUP,
                )
            ):
                yield CellJoin(cell.source, index.source, True, _find_order(spreads[cell.source, cell.name]))
            case q.Comparison("=", q.FunctionCall(function=function) as own, q.ColumnRef(name, label)) if (
                function is CELL
            ):
                cells = spreads.get((name, label))
                if cells is not None:
                    yield CellJoin(name, min(q.find_sources(own), default=""), False, _find_order(cells))
            case q.Comparison("=", q.ColumnRef() as key, q.ColumnRef() as cell) if (key.source, key.name) in spreads:
                values = spreads[key.source, key.name]
                indexed = isinstance(values, q.FunctionCall) and isinstance(values.arguments[0], q.ColumnRef)
                yield CellJoin(cell.source, key.source, indexed, None)
            case _:
                pass


def _find_order(cells: q.Value) -> int | None:
    order = cells.arguments[-1] if isinstance(cells, q.FunctionCall) else None
    return int(order.value) if isinstance(order, q.Constant) else None


# ---------------------------------------------------------------- read again


def rereadable(source: q.Source, *, allow_more: bool = False) -> q.Source | None:
    """Return a source that gives the same rows when it is read again, or a superset if `allow_more`; None for
    others."""
    match source:
        case q.TableScan():
            return source
        case q.Subquery(_, inner):
            inner = replace(inner, top=None, offset=None, order_by=()) if allow_more else inner
            return replace(source, query=inner) if _is_rereadable_query(inner) else None
        case _:
            return None


def _is_rereadable_query(query: q.Query) -> bool:
    inside = {part.name for part in q.walk(query) if isinstance(part, q.TableScan | q.Subquery | q.Unnest)}
    return is_deterministic(query) and all(
        part.source in inside for part in q.walk(query) if isinstance(part, q.ColumnRef)
    )


def is_deterministic(node: q.Node) -> bool:
    """Tell whether a part of a query gives the same each time.

    It does not if rows are cut off, numbers are added in any order, or a function is random.
    """
    return not any(_is_nondeterministic(part) for part in q.walk(node))


def _is_nondeterministic(part: q.Node) -> bool:
    match part:
        case q.SelectQuery() | q.SetQuery():
            return part.top is not None or bool(part.offset)
        case q.AggregateCall():
            return part.name not in ("COUNT", "MIN", "MAX")
        case q.FunctionCall():
            return part.function.is_volatile
        case _:
            return False


# ------------------------------------------------------------ the index itself


def stored_index(node: q.FunctionCall, position: Position | None) -> q.Value:
    """Return the index column for the finest cell of a source's own position; any other call unchanged."""
    lon, lat, order = node.arguments
    finest = isinstance(order, q.Constant) and order.value == cover.ORDER
    return (positions.match_index(lon, lat, position) if finest else None) or node


def split_ancestor(value: q.Value) -> tuple[q.ColumnRef, int] | None:
    """Return the index that a larger cell is computed from, and by how many bits it is shorter; None for other
    values."""
    if not isinstance(value, q.FunctionCall) or value.function is not ANCESTOR:
        return None
    index, bits = value.arguments
    return (index, bits.value) if isinstance(index, q.ColumnRef) and isinstance(bits, q.Constant) else None
