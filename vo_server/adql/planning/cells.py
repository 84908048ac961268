"""Pairs of places that are near one another, through cells of the sky instead of through the product.

One source is spread: each of its rows stands once for each HEALPix cell that a circle about it reaches into, a circle
of the radius that is asked for. A row of the other source lies in one cell. Equal cells are then a test that every
pair passes, that no pair passes twice, and that a database can answer by hashing. The exact test stays beside it.

Where the radius differs from row to row, so do the orders of the cells, and a row of the other source stands for its
cell of each order that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vo_server.adql.planning import positions
from vo_server.adql.planning.nearness import Pair, bound, pairs
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    ANCESTOR,
    CELL,
    CELLS,
    FUNCTIONS,
    IN_CELL,
    KEY,
    LOOK_UP,
    MARK,
    OPERATORS,
    ORDER,
)
from vo_server.adql.semantics.geometry import coordinates
from vo_server.adql.semantics.values import constant
from vo_server.model import types
from vo_server.model.column import Column, Position
from vo_server.sky import cover

_WHOLE, _CELL, _DOUBLE = (Column("", t) for t in (types.INTEGER, types.BIGINT, types.DOUBLE))

CELL_TESTS = IN_CELL, LOOK_UP
"""The functions that test the index of one source for the cell of another."""

_ROUNDED = 1.000001
"""By this much a bound is larger than what was reckoned in four bytes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A condition by which two sources are near one another: `first` and `second` are their names."""

    condition: q.Condition
    pair: Pair
    first: str
    second: str

    def turned(self) -> Edge:
        """The same the other way round."""
        return replace(self, pair=self.pair.turned(), first=self.second, second=self.first)

    @property
    def radius(self) -> float | None:
        """The radius (degrees), where it is the same for all rows."""
        radius = self.pair.radius
        return float(radius.value) if isinstance(radius, q.Constant) and radius.value is not None else None

    @property
    def owners(self) -> frozenset[str]:
        """The sources that the radius is made from."""
        return sources(self.pair.radius)


def edges(
    conditions: Iterable[q.Condition], some: Mapping[str, object], others: Mapping[str, object]
) -> Iterator[Edge]:
    """What links a source out of some with one out of others; the first is out of some."""
    for condition in conditions:
        for pair in pairs(condition):
            first, second = sources(pair.first), sources(pair.second)
            if len(first) != 1 or len(second) != 1 or first == second or not sources(pair.radius) <= first | second:
                continue
            if not steady(pair.radius):
                continue
            edge = Edge(condition, pair, *first, *second)
            for each in (edge, edge.turned()):
                if each.first in some and each.second in others:
                    yield each
                    break


def sources(node: q.Node) -> frozenset[str]:
    """The sources whose columns are in a part of a query; one of no name if there is a sub-query in it."""
    found = {part.source for part in q.parts(node) if isinstance(part, q.Field)}
    nested = any(isinstance(part, q.Select | q.Combined) for part in q.parts(node))
    return frozenset(found | {""} if nested else found)


# ---------------------------------------------------------------- two sources


Linked = tuple[q.Source, q.Condition]
"""A source, and what must hold for its rows besides."""


def through_cells(
    source: q.Source, edge: Edge, whole: Mapping[str, q.Source | None], few: bool = False
) -> Linked | None:
    """Both sources of an edge inside a source, linked by a further condition; None where cells cannot do it.

    The first is spread, but for a radius from the second's columns alone. `few`: see `fixed`. `whole` gives for each
    source one that holds all of its rows and may be read again, None where there is none.
    """
    if edge.radius is not None:
        return fixed(source, edge, dict(positions.leaves(source))[edge.second], few)
    if edge.owners == {edge.second}:
        edge = edge.turned()
    again, most = whole[edge.first], None
    if not edge.owners <= {edge.first}:
        bounded = _bounded(edge, whole[edge.second])
        if bounded is None:
            return None
        edge, most = bounded
    return None if again is None else _laddered(source, edge, again, most)


def fixed(source: q.Source, edge: Edge, other: q.Source, few: bool = False) -> Linked | None:
    """The first source of an edge spread over cells of one order; `other` is the second, there or around it.

    `few` says that the first has so few rows that they had better be looked up in the index of the second. Where each
    row of the second counts, partner or not, a database could not: it would try all against all.
    """
    if edge.radius is None or not 0 <= edge.radius <= cover.widest(0):
        return None
    order = cover.order_of(edge.radius)
    cell = q.Field(edge.first, f"_cell_{edge.second}", _CELL)
    reached = q.Apply(CELLS, (*coordinates(edge.pair.first), constant(edge.radius), _whole(order)), _CELL)
    lon, lat = coordinates(edge.pair.second)
    index = positions.index(lon, lat, other)
    same: q.Condition
    if index is None:
        same = q.Compare("=", q.Apply(CELL, (lon, lat, _whole(order)), _CELL), cell)
    else:
        bits = _whole(2 * (cover.ORDER - order))
        same = q.Holds(q.Apply(LOOK_UP if few else IN_CELL, (index, cell, bits), _WHOLE))
    return _spread(source, cell, reached), same


def _laddered(source: q.Source, edge: Edge, again: q.Source, most: q.Derived | None) -> Linked:
    """The first source of an edge spread over cells of an order for each circle, the second over all these orders.

    `most` is one row beside the first source that the radius looks at, too.
    """
    radius, lon, lat = edge.pair.radius, *coordinates(edge.pair.second)
    order = q.Apply(ORDER, (radius,), _WHOLE)
    cell, key = q.Field(edge.first, f"_cell_{edge.second}", _CELL), q.Field(edge.second, f"_cell_{edge.first}", _CELL)
    reached = q.Apply(CELLS, (*coordinates(edge.pair.first), radius, order), _CELL)
    source = _spread(source, cell, q.Apply(MARK, (reached, order), _CELL), most)
    one = q.Field(f"_orders_{edge.first}", "_order", _WHOLE)
    orders = q.Derived(one.source, q.Select((q.Output(one.name, order),), _beside(again, most), distinct=True))
    index = positions.index(lon, lat, dict(positions.leaves(source))[edge.second])
    finest = index or q.Apply(CELL, (lon, lat, _whole(cover.ORDER)), _CELL)
    return _spread(source, key, q.Apply(KEY, (finest, one), _CELL), orders), q.Compare("=", key, cell)


def _bounded(edge: Edge, again: q.Source | None) -> tuple[Edge, q.Derived] | None:
    """A radius from columns of both sources as one from the first's, with the most that the second adds to it."""
    name, outputs = f"_most_{edge.second}", list[q.Output]()

    def largest(value: q.Value) -> q.Value:
        size = q.Apply(FUNCTIONS["ABS"], (value,), _DOUBLE)
        outputs.append(q.Output(f"_most_{len(outputs)}", q.Aggregate("MAX", size, False, _DOUBLE)))
        return q.Field(name, outputs[-1].label, _DOUBLE)

    made = bound(edge.pair.radius, edge.second, largest)
    if made is None or again is None:
        return None
    radius = q.Apply(OPERATORS["*"], (made, constant(_ROUNDED)), _DOUBLE)
    return replace(edge, pair=replace(edge.pair, radius=radius)), q.Derived(name, q.Select(tuple(outputs), again))


def _spread(source: q.Source, cell: q.Field, cells: q.Value, beside: q.Derived | None = None) -> q.Source:
    leaf = _beside(dict(positions.leaves(source))[cell.source], beside)
    return replaced(source, cell.source, q.Spread(cell.source, leaf, cells, cell.name))


def _beside(source: q.Source, few: q.Derived | None) -> q.Source:
    return source if few is None else q.Join("CROSS", source, few, None)


def replaced(source: q.Source, name: str, by: q.Source) -> q.Source:
    """A source with another in the place of one of its own."""
    if isinstance(source, q.Join):
        return replace(source, left=replaced(source.left, name, by), right=replaced(source.right, name, by))
    return by if source.name == name else source


def _whole(number: int) -> q.Constant:
    return q.Constant(number, _WHOLE)


@dataclass(frozen=True, slots=True)
class CellJoin:
    """A link that a query has: the rows of `spread` stand for all cells of an order that circles about them reach into,
    those of `other` for the one that they lie in, which their index tells if it is `indexed`.

    `order` is None where each circle has cells of an order of its own.
    """

    spread: str
    other: str
    indexed: bool
    order: int | None


def cell_joins(query: q.Query) -> Iterator[CellJoin]:
    """The links of a query that were made here."""
    spreads = {(part.name, part.label): part.cells for part in q.parts(query) if isinstance(part, q.Spread)}
    for part in q.parts(query):
        match part:
            case q.Holds(q.Apply(function, (q.Field() as index, q.Field() as cell, _))) if function in (
                IN_CELL,
                LOOK_UP,
            ):
                yield CellJoin(cell.source, index.source, True, _order_of(spreads[cell.source, cell.name]))
            case q.Compare("=", q.Apply(function=function) as own, q.Field(name, label)) if function is CELL:
                cells = spreads.get((name, label))
                others = (p.source for p in q.parts(own) if isinstance(p, q.Field))
                if cells is not None:
                    yield CellJoin(name, next(others, ""), False, _order_of(cells))
            case q.Compare("=", q.Field() as key, q.Field() as cell) if (key.source, key.name) in spreads:
                made = spreads[key.source, key.name]
                indexed = isinstance(made, q.Apply) and isinstance(made.arguments[0], q.Field)
                yield CellJoin(cell.source, key.source, indexed, None)
            case _:
                pass


def _order_of(cells: q.Value) -> int | None:
    order = cells.arguments[-1] if isinstance(cells, q.Apply) else None
    return int(order.value) if isinstance(order, q.Constant) else None


# ---------------------------------------------------------------- read again


def again(source: q.Source, *, more: bool = False) -> q.Source | None:
    """A source that may be read a second time and then has the same rows, or `more` than these; None for others."""
    match source:
        case q.Scan():
            return source
        case q.Derived(_, inner):
            inner = replace(inner, top=None, offset=None, order_by=()) if more else inner
            return replace(source, query=inner) if _steady(inner) else None
        case _:
            return None


def _steady(query: q.Query) -> bool:
    inside = {part.name for part in q.parts(query) if isinstance(part, q.Scan | q.Derived | q.Spread)}
    return steady(query) and all(part.source in inside for part in q.parts(query) if isinstance(part, q.Field))


def steady(node: q.Node) -> bool:
    """Is it the same each time? Not if rows are cut off, numbers are added in any order, or chance has a hand in it."""
    return not any(_unsteady(part) for part in q.parts(node))


def _unsteady(part: q.Node) -> bool:
    match part:
        case q.Select() | q.Combined():
            return part.top is not None or bool(part.offset)
        case q.Aggregate():
            return part.name not in ("COUNT", "MIN", "MAX")
        case q.Apply():
            return part.function.varies
        case _:
            return False


# ------------------------------------------------------------ the index itself


def stored(node: q.Apply, position: Position | None) -> q.Value:
    """The finest cell of a source's own position as the index that it has; any other node as it is."""
    lon, lat, order = node.arguments
    finest = isinstance(order, q.Constant) and order.value == cover.ORDER
    return (positions.own_index(lon, lat, position) if finest else None) or node


def part_of_index(value: q.Value) -> tuple[q.Field, int] | None:
    """The index that a larger cell is worked out from, and by how many bits it is shorter."""
    if not isinstance(value, q.Apply) or value.function is not ANCESTOR:
        return None
    index, bits = value.arguments
    return (index, bits.value) if isinstance(index, q.Field) and isinstance(bits, q.Constant) else None
