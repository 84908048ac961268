"""Which conditions say that two places are near one another, and how near.

What is said of a pair holds in every row for which the condition is true; the condition may ask for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    BOX,
    CIRCLE,
    CONTAINS,
    DISTANCE,
    FUNCTIONS,
    INTERSECTS,
    NEAR,
    OPERATORS,
    POINT,
    STRICTLY_NEAR,
)
from vo_server.adql.semantics.values import constant, is_null
from vo_server.model import types
from vo_server.model.column import Column

_DOUBLE = Column("", types.DOUBLE)
_NONE = q.Constant(0.0, _DOUBLE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two points that lie within a radius (degrees) of one another."""

    first: q.Value
    second: q.Value
    radius: q.Value

    def turned(self) -> Pair:
        """The same the other way round."""
        return replace(self, first=self.second, second=self.first)


def plain(condition: q.Condition) -> q.Condition:
    """The same without a NOT in front that can go further in: NOT NOT, and NOT of AND and OR."""
    match condition:
        case q.Not(q.Not(operand)):
            return plain(operand)
        case q.Not(q.And(operands)):
            return q.Or(tuple(q.Not(o) for o in operands))
        case q.Not(q.Or(operands)):
            return q.And(tuple(q.Not(o) for o in operands))
        case _:
            return condition


def conjuncts(condition: q.Condition | None) -> Iterator[q.Condition]:
    """The conditions that all hold where this one does."""
    if condition is None:
        return
    made = plain(condition)
    if isinstance(made, q.And):
        for operand in made.operands:
            yield from conjuncts(operand)
    else:
        yield made


def pairs(condition: q.Condition) -> tuple[Pair, ...]:
    """The pairs of points that a condition holds together."""
    match plain(condition):
        case q.Holds(predicate):
            return _of_predicate(predicate)
        case q.Between(q.Apply(function=function, arguments=(a, b)), _, high, False) if function is DISTANCE:
            return (Pair(a, b, high),)
        case q.Compare("=", q.Apply(function=function, arguments=(a, b)), radius) if function is DISTANCE:
            return (Pair(a, b, radius),)
        case q.Compare("=", radius, q.Apply(function=function, arguments=(a, b))) if function is DISTANCE:
            return (Pair(a, b, radius),)
        case q.And(operands):
            return tuple(pair for o in operands for pair in pairs(o))
        case q.Or(operands):
            first, *rest = (pairs(o) for o in operands)
            for other in rest:
                first = tuple(
                    _either(a, b) for a in first for b in (*other, *(o.turned() for o in other)) if _same(a, b)
                )
            return first
        case _:
            return ()


def _same(a: Pair, b: Pair) -> bool:
    return _bare(a.first) == _bare(b.first) and _bare(a.second) == _bare(b.second)


def _bare(point: q.Value) -> tuple[q.Value, ...] | q.Value:
    return point.arguments if isinstance(point, q.Apply) and point.function is POINT else point


def _either(a: Pair, b: Pair) -> Pair:
    return replace(a, radius=_larger(a.radius, b.radius))


def _larger(a: q.Value, b: q.Value) -> q.Value:
    """The larger of two numbers; one that is null counts for nothing."""
    if isinstance(a, q.Constant) and isinstance(b, q.Constant):
        return b if a.value is None or (b.value is not None and b.value > a.value) else a
    more = q.Or((q.IsNull(b), q.Compare(">", a, b)))
    return q.Case(((more, a),), b, _DOUBLE)


def _of_predicate(predicate: q.Apply) -> tuple[Pair, ...]:
    if len(predicate.arguments) < 2:  # a position in no cell at all
        return ()
    a, b, *rest = predicate.arguments
    if predicate.function in (NEAR, STRICTLY_NEAR):
        return (Pair(a, b, rest[0]),)
    mine, theirs = _reach(a), _reach(b)
    if mine is None or theirs is None:
        return ()
    if predicate.function is INTERSECTS:
        return (Pair(mine[0], theirs[0], _sum(mine[1], theirs[1])),)
    if predicate.function is CONTAINS and a.column.type is types.POINT:
        return (Pair(mine[0], theirs[0], theirs[1]),)
    if predicate.function is CONTAINS:
        return (Pair(mine[0], theirs[0], _sum(theirs[1], _size(mine[1]))),)
    return ()


def _reach(shape: q.Value) -> tuple[q.Value, q.Value] | None:
    """The middle of a geometry, and a radius about it that holds all of it."""
    if shape.column.type is types.POINT:
        return shape, _NONE
    match shape:
        case q.Apply(function, (lon, lat, radius)) if function is CIRCLE:
            return _point(lon, lat), radius
        case q.Apply(function, (lon, lat, width, height)) if function is BOX:
            return _point(lon, lat), _half(_sum(width, height))
        case _:
            return None


def _half(value: q.Value) -> q.Value:
    if isinstance(value, q.Constant) and value.value is not None:
        return constant(float(value.value) / 2)
    return q.Apply(OPERATORS["/"], (value, constant(2.0)), _DOUBLE)


def _point(lon: q.Value, lat: q.Value) -> q.Value:
    return q.Apply(POINT, (lon, lat), POINT.result((lon, lat)))


def _size(value: q.Value) -> q.Value:
    if isinstance(value, q.Constant):
        return value if value.value is None else constant(abs(value.value))
    return q.Apply(FUNCTIONS["ABS"], (value,), _DOUBLE)


def _sum(a: q.Value, b: q.Value) -> q.Value:
    if isinstance(a, q.Constant) and isinstance(b, q.Constant) and a.value is not None and b.value is not None:
        return constant(float(a.value) + float(b.value))
    if _NONE in (a, b):
        return a if b == _NONE else b
    return q.Apply(OPERATORS["+"], (a, b), _DOUBLE)


_GROWING = tuple(FUNCTIONS[name] for name in ("SQRT", "ABS", "DEGREES", "RADIANS"))
"""Functions of one number that are the larger the larger it is."""

Largest = Callable[[q.Value], q.Value]


def bound(value: q.Value, other: str, largest: Largest) -> q.Value | None:
    """An upper bound of the size of a number that holds for all rows of one of its sources; None where none is known.

    `largest` gives the largest size of what is made from that source alone.
    """
    sources = {p.source for p in q.parts(value) if isinstance(p, q.Field)}
    if sources == {other}:
        return largest(value)
    if other not in sources:
        return _size(value)
    parts = [bound(part, other, largest) for part in _grown_from(value)]
    made = [part for part in parts if part is not None]
    return _grown(value, made) if made and len(made) == len(parts) else None


def _grown_from(value: q.Value) -> tuple[q.Value, ...]:
    """The parts of a value that is the larger the larger they are; none where that is not known."""
    match value:
        case q.Apply(function, (a, b)) if function in (*_SUMS, OPERATORS["*"]):
            return a, b
        case q.Apply(function, (a, q.Constant(by))) if function == OPERATORS["/"] and by:
            return (a,)
        case q.Apply(function, (a, q.Constant(by))) if function == FUNCTIONS["POWER"] and by is not None and by > 0:
            return (a,)
        case q.Apply(function, (a,)) if function in _GROWING:
            return (a,)
        case q.Cast(a, column) if column.type.numeric:
            return (a,)
        case q.Case(branches, otherwise):
            return tuple(v for v in (*(then for _, then in branches), otherwise) if v is not None and not is_null(v))
        case _:
            return ()


def _grown(value: q.Value, parts: list[q.Value]) -> q.Value:
    """A value with others in the place of these parts; one that takes its pick, or a difference, at its largest."""
    match value:
        case q.Case():
            return reduce(_larger, parts)
        case q.Apply(function) if function in _SUMS:
            return _sum(*parts)
        case q.Apply(function, (_, by)) if function == OPERATORS["/"]:
            return replace(value, arguments=(*parts, _size(by)))
        case q.Apply():
            return replace(value, arguments=(*parts, *value.arguments[len(parts) :]))
        case q.Cast():
            return replace(value, value=parts[0])
        case _:
            raise TypeError(f"{value} does not grow")


_SUMS = OPERATORS["+"], OPERATORS["-"]
