"""Joins of positions that are near one another, through cells of the sky instead of through the product.

One side is spread: each of its rows stands once for the HEALPix cell that it lies in and once for each of that
cell's neighbours. The other side lies in one cell. Cells are so large that two positions within the radius lie in
the same cell or in neighbouring ones, so equal cells are a test that every pair passes, that a database can answer by
hashing, and that no pair passes twice. The exact test stays beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import floor, log2

from vo_server.adql import query as q
from vo_server.adql.functions import ANCESTOR, CELL, CIRCLE, CONTAINS, NEAR, POINT, STRICTLY_NEAR
from vo_server.adql.geometry import coordinates
from vo_server.model import types
from vo_server.model.column import Column, Position, Table

Rows = Callable[[Table], int | None]

_CELL = Column("_cell", types.BIGINT)
_WIDTH = 58.6
"""Degrees: the side of a square as large as a HEALPix base cell."""

_ORDER = 29


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two positions of different sources that lie within a radius (degrees) of one another."""

    first: q.Value
    second: q.Value
    radius: float


def joined(query: q.Select, rows: Rows) -> q.Select:
    """The query with its first join on nearness made through cells; as it was where there is none."""
    leaves = dict(_leaves(query.source))
    for condition in _conjuncts(query):
        pair = _pair(condition)
        if pair is None:
            continue
        names = _source_of(pair.first), _source_of(pair.second)
        if None in names or names[0] == names[1] or not {*names} <= leaves.keys():
            continue
        return _through_cells(query, pair, leaves, rows)
    return query


def _through_cells(query: q.Select, pair: _Pair, leaves: dict[str, q.Source], rows: Rows) -> q.Select:
    spread, other = sorted((pair.first, pair.second), key=lambda v: _weight(leaves[str(_source_of(v))], rows))
    name = str(_source_of(spread))
    order = max(0, min(_ORDER, floor(log2(_WIDTH / (4 * max(pair.radius, 1e-7))))))
    lon, lat = coordinates(spread)
    source = _replaced(query.source, name, q.Spread(name, leaves[name], lon, lat, order))
    same = q.Compare("=", _cell(other, leaves, order), q.Field(name, _CELL.name, _CELL))
    where = (same,) if query.where is None else (same, query.where)
    return replace(query, source=source, where=q.And(where))


def _weight(source: q.Source, rows: Rows) -> int:
    """How many rows a source may have; what is not a published table is taken to be small."""
    return (rows(source.table) or 0) if isinstance(source, q.Scan) else 0


def _cell(value: q.Value, leaves: dict[str, q.Source], order: int) -> q.Value:
    """The cell of a position: a part of the index where there is one, else worked out."""
    lon, lat = coordinates(value)
    index = _index(lon, lat, _indexed(leaves[str(_source_of(value))]))
    if index is not None:
        return q.Apply(ANCESTOR, (index, _whole(2 * (_ORDER - order))), _CELL)
    return q.Apply(CELL, (lon, lat, _whole(order)), _CELL)


def _index(lon: q.Value, lat: q.Value, position: Position | None) -> q.Field | None:
    """The index of a source, if these are the columns that it is made from."""
    if position is None or not (isinstance(lon, q.Field) and isinstance(lat, q.Field)) or lon.source != lat.source:
        return None
    column = Column(position.healpix, types.BIGINT)
    mine = (lon.name, lat.name) == (position.ra, position.dec)
    return q.Field(lon.source, position.healpix, column) if mine else None


def stored(node: q.Apply, position: Position | None) -> q.Value:
    """The finest cell of a source's own position as the index that it has; any other node as it is."""
    lon, lat, order = node.arguments
    index = _index(lon, lat, position) if isinstance(order, q.Constant) and order.value == _ORDER else None
    return index or node


def part_of_index(value: q.Value) -> tuple[q.Field, int] | None:
    """The index that a larger cell is worked out from, and by how many bits it is shorter."""
    if not isinstance(value, q.Apply) or value.function is not ANCESTOR:
        return None
    index, bits = value.arguments
    return (index, bits.value) if isinstance(index, q.Field) and isinstance(bits, q.Constant) else None


def _indexed(source: q.Source) -> Position | None:
    return source.table.position if isinstance(source, q.Scan) else None


def _whole(number: int) -> q.Constant:
    return q.Constant(number, Column("", types.INTEGER))


def _kept(join: q.Join) -> tuple[q.Source, ...]:
    """The sides of a join of which no row is made up."""
    sides = {
        "INNER": (join.left, join.right),
        "CROSS": (join.left, join.right),
        "LEFT": (join.left,),
        "RIGHT": (join.right,),
    }
    return sides.get(join.kind, ())


def _leaves(source: q.Source) -> Iterator[tuple[str, q.Source]]:
    """The sources of which no row is made up by an outer join."""
    match source:
        case q.Scan(name) | q.Derived(name):
            yield name, source
        case q.Join():
            for side in _kept(source):
                yield from _leaves(side)
        case q.Spread():
            return


def _conjuncts(query: q.Select) -> Iterator[q.Condition]:
    """The conditions that hold for every row of the answer."""
    yield from _ands(query.where)
    yield from _ons(query.source)


def _ons(source: q.Source) -> Iterator[q.Condition]:
    if isinstance(source, q.Join):
        yield from _ands(source.on if source.kind in ("INNER", "CROSS") else None)
        for side in _kept(source):
            yield from _ons(side)


def _ands(condition: q.Condition | None) -> Iterator[q.Condition]:
    if isinstance(condition, q.And):
        for operand in condition.operands:
            yield from _ands(operand)
    elif condition is not None:
        yield condition


def _pair(condition: q.Condition) -> _Pair | None:
    if not isinstance(condition, q.Holds):
        return None
    match condition.predicate:
        case q.Apply(function, (first, second, q.Constant(radius))) if function in (NEAR, STRICTLY_NEAR):
            return _near(first, second, radius)
        case q.Apply(function, (first, q.Apply(shape, (lon, lat, q.Constant(radius))))) if (
            function is CONTAINS and shape is CIRCLE and first.column.type is types.POINT
        ):
            return _near(first, q.Apply(POINT, (lon, lat), POINT.result((lon, lat))), radius)
        case _:
            return None


def _near(first: q.Value, second: q.Value, radius: float | None) -> _Pair | None:
    """A radius that the largest cells do not hold is left to the product."""
    if radius is None or not 0 <= radius <= _WIDTH / 4:
        return None
    return _Pair(first, second, float(radius))


def _source_of(value: q.Value) -> str | None:
    """The one source that a value is made from."""
    sources = {part.source for part in q.parts(value) if isinstance(part, q.Field)}
    nested = any(isinstance(part, q.Select | q.Combined) for part in q.parts(value))
    return sources.pop() if len(sources) == 1 and not nested else None


def _replaced(source: q.Source, name: str, by: q.Source) -> q.Source:
    match source:
        case q.Join():
            left, right = _replaced(source.left, name, by), _replaced(source.right, name, by)
            return replace(source, left=left, right=right)
        case q.Scan() | q.Derived() | q.Spread():
            return by if source.name == name else source
