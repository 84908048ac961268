"""Conditions that two positions are within a distance.

A pair holds in every row for which the condition is true; the condition may be narrower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import BOX, CIRCLE, CONTAINS, DISTANCE, FUNCTIONS, INTERSECTS, OPERATORS, POINT
from vo_server.adql.semantics.internal_functions import NEAR, STRICTLY_NEAR
from vo_server.adql.semantics.values import is_null, to_constant
from vo_server.model import types
from vo_server.model.column import Column

_DOUBLE = Column("", types.DOUBLE)
_ZERO = q.Constant(0.0, _DOUBLE)


@dataclass(frozen=True, slots=True)
class PointPair:
    """Two points that lie within a radius (degrees) of one another."""

    first: q.Value
    second: q.Value
    radius: q.Value

    def reverse(self) -> PointPair:
        """Return the pair with its points swapped."""
        return replace(self, first=self.second, second=self.first)


def push_negation(condition: q.Condition) -> q.Condition:
    """Return a condition with a leading NOT pushed inwards: NOT NOT, and NOT of AND and OR (De Morgan)."""
    match condition:
        case q.Negation(q.Negation(operand)):
            return push_negation(operand)
        case q.Negation(q.Conjunction(operands)):
            return q.Disjunction(tuple(q.Negation(o) for o in operands))
        case q.Negation(q.Disjunction(operands)):
            return q.Conjunction(tuple(q.Negation(o) for o in operands))
        case _:
            return condition


def iter_conjuncts(condition: q.Condition | None) -> Iterator[q.Condition]:
    """Yield the conditions whose conjunction a condition is."""
    if condition is None:
        return
    pushed = push_negation(condition)
    if isinstance(pushed, q.Conjunction):
        for operand in pushed.operands:
            yield from iter_conjuncts(operand)
    else:
        yield pushed


def conjoin(*conditions: q.Condition | None) -> q.Condition:
    """Return the conjunction of conditions; None among them counts as true."""
    present = tuple(c for c in conditions if c is not None)
    return present[0] if len(present) == 1 else q.Conjunction(present)


def find_pairs(condition: q.Condition) -> tuple[PointPair, ...]:
    """Return the pairs of points that are within a distance if a condition holds."""
    match push_negation(condition):
        case q.PredicateTest(predicate):
            return _find_predicate_pairs(predicate)
        case q.RangeTest(q.FunctionCall(function=function, arguments=(a, b)), _, high, False) if function is DISTANCE:
            return (PointPair(a, b, high),)
        case q.Comparison("=", q.FunctionCall(function=function, arguments=(a, b)), radius) if function is DISTANCE:
            return (PointPair(a, b, radius),)
        case q.Comparison("=", radius, q.FunctionCall(function=function, arguments=(a, b))) if function is DISTANCE:
            return (PointPair(a, b, radius),)
        case q.Conjunction(operands):
            return tuple(pair for o in operands for pair in find_pairs(o))
        case q.Disjunction(operands):
            first, *rest = (find_pairs(o) for o in operands)
            for other in rest:
                first = tuple(
                    _widen(a, b) for a in first for b in (*other, *(o.reverse() for o in other)) if _is_same_pair(a, b)
                )
            return first
        case _:
            return ()


def _is_same_pair(a: PointPair, b: PointPair) -> bool:
    return _strip_point(a.first) == _strip_point(b.first) and _strip_point(a.second) == _strip_point(b.second)


def _strip_point(point: q.Value) -> tuple[q.Value, ...] | q.Value:
    return point.arguments if isinstance(point, q.FunctionCall) and point.function is POINT else point


def _widen(a: PointPair, b: PointPair) -> PointPair:
    return replace(a, radius=_make_larger(a.radius, b.radius))


def _make_larger(a: q.Value, b: q.Value) -> q.Value:
    """Return the larger of two numbers; a null is ignored."""
    if isinstance(a, q.Constant) and isinstance(b, q.Constant):
        return b if a.value is None or (b.value is not None and b.value > a.value) else a
    more = q.Disjunction((q.NullTest(b), q.Comparison(">", a, b)))
    return q.CaseExpression(((more, a),), b, _DOUBLE)


def _find_predicate_pairs(predicate: q.FunctionCall) -> tuple[PointPair, ...]:
    if len(predicate.arguments) < 2:  # a position in no cell at all
        return ()
    a, b, *rest = predicate.arguments
    if predicate.function in (NEAR, STRICTLY_NEAR):
        return (PointPair(a, b, rest[0]),)
    circle_a, circle_b = _find_enclosing_circle(a), _find_enclosing_circle(b)
    if circle_a is None or circle_b is None:
        return ()
    if predicate.function is INTERSECTS:
        return (PointPair(circle_a[0], circle_b[0], _add(circle_a[1], circle_b[1])),)
    if predicate.function is CONTAINS and a.column.type is types.POINT:
        return (PointPair(circle_a[0], circle_b[0], circle_b[1]),)
    if predicate.function is CONTAINS:
        return (PointPair(circle_a[0], circle_b[0], _add(circle_b[1], _make_absolute(circle_a[1]))),)
    return ()


def _find_enclosing_circle(shape: q.Value) -> tuple[q.Value, q.Value] | None:
    """Return the centre of a geometry, and the radius of a circle that contains it; None where they are unknown."""
    if shape.column.type is types.POINT:
        return shape, _ZERO
    match shape:
        case q.FunctionCall(function, (lon, lat, radius)) if function is CIRCLE:
            return POINT.call(lon, lat), radius
        case q.FunctionCall(function, (lon, lat, width, height)) if function is BOX:
            return POINT.call(lon, lat), _halve(_add(width, height))
        case _:
            return None


def _halve(value: q.Value) -> q.Value:
    if isinstance(value, q.Constant) and value.value is not None:
        return to_constant(float(value.value) / 2)
    return q.FunctionCall(OPERATORS["/"], (value, to_constant(2.0)), _DOUBLE)


def _make_absolute(value: q.Value) -> q.Value:
    if isinstance(value, q.Constant):
        return value if value.value is None else to_constant(abs(value.value))
    return q.FunctionCall(FUNCTIONS["ABS"], (value,), _DOUBLE)


def _add(a: q.Value, b: q.Value) -> q.Value:
    if isinstance(a, q.Constant) and isinstance(b, q.Constant) and a.value is not None and b.value is not None:
        return to_constant(float(a.value) + float(b.value))
    if _ZERO in (a, b):
        return a if b == _ZERO else b
    return q.FunctionCall(OPERATORS["+"], (a, b), _DOUBLE)


_INCREASING_FUNCTIONS = tuple(FUNCTIONS[name] for name in ("SQRT", "ABS", "DEGREES", "RADIANS"))
"""Functions of one number that increase with it."""

LargestOf = Callable[[q.Value], q.Value]


def find_upper_bound(value: q.Value, other: str, largest: LargestOf) -> q.Value | None:
    """Return an upper bound of the absolute value of a number for all rows of one of its sources; None where none is
    known.

    `largest` returns the largest absolute value of an expression of that source alone.
    """
    sources = q.find_sources(value)
    if sources == {other}:
        return largest(value)
    if other not in sources:
        return _make_absolute(value)
    parts = [find_upper_bound(part, other, largest) for part in _find_increasing_parts(value)]
    bounds = [part for part in parts if part is not None]
    return _replace_parts(value, bounds) if bounds and len(bounds) == len(parts) else None


def _find_increasing_parts(value: q.Value) -> tuple[q.Value, ...]:
    """Return the parts of a value that it increases with; none where that is not known."""
    match value:
        case q.FunctionCall(function, (a, b)) if function in (*_SUMS, OPERATORS["*"]):
            return a, b
        case q.FunctionCall(function, (a, q.Constant(by))) if function == OPERATORS["/"] and by:
            return (a,)
        case q.FunctionCall(function, (a, q.Constant(by))) if (
            function == FUNCTIONS["POWER"] and by is not None and by > 0
        ):
            return (a,)
        case q.FunctionCall(function, (a,)) if function in _INCREASING_FUNCTIONS:
            return (a,)
        case q.TypeCast(a, column) if column.type.is_numeric:
            return (a,)
        case q.CaseExpression(branches, otherwise):
            return tuple(v for v in (*(then for _, then in branches), otherwise) if v is not None and not is_null(v))
        case _:
            return ()


def _replace_parts(value: q.Value, parts: list[q.Value]) -> q.Value:
    """Return a value with its parts replaced; a CASE, or a difference, at its largest."""
    match value:
        case q.CaseExpression():
            return reduce(_make_larger, parts)
        case q.FunctionCall(function) if function in _SUMS:
            return _add(*parts)
        case q.FunctionCall(function, (_, by)) if function == OPERATORS["/"]:
            return replace(value, arguments=(*parts, _make_absolute(by)))
        case q.FunctionCall():
            return replace(value, arguments=(*parts, *value.arguments[len(parts) :]))
        case q.TypeCast():
            return replace(value, value=parts[0])
        case _:
            raise TypeError(f"{value} does not grow")


_SUMS = OPERATORS["+"], OPERATORS["-"]
