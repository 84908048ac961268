"""Typed values: constants from literals, what an operator makes of two, what may stand beside what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    CIRCLE,
    OPERATORS,
    POINT,
    POLYGON,
    WHOLE_QUOTIENT,
    common_type,
)
from vo_server.adql.semantics.units import (
    computed_ucd,
    power_unit,
    quotient_unit,
    ratio_ucd,
    same_unit,
    statistic_ucd,
    sum_ucd,
    times_unit,
)
from vo_server.adql.syntax import tree
from vo_server.errors import QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import units

KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "text": "a text",
    "time": "a time",
    "point": "a point",
    "geometry": "a geometry",
    "interval": "an interval, two numbers in a column,",
}

# ------------------------------------------------------------- constants


def constant(value: float) -> q.Constant:
    """A number as a double."""
    return q.Constant(float(value), _DOUBLE)


_INTEGER, _DOUBLE = Column("", types.INTEGER), Column("", types.DOUBLE)


def number(node: tree.Number) -> q.Constant:
    """A literal: INTEGER or BIGINT where it is whole and fits, else DOUBLE."""
    if node.text.isdigit():
        return _whole(int(node.text), _INTEGER)
    if node.text.lower().startswith("0x"):
        return _whole(int(node.text, 16), _INTEGER)
    value = float(node.text)
    if not np.isfinite(value):
        raise QueryError(f"{node.text} is too large a number", span=node.place)
    return constant(value)


def _whole(value: int, column: Column) -> q.Constant:
    wide = types.INTEGER if abs(value) < 2**31 else types.BIGINT
    if abs(value) >= 2**63:
        return q.Constant(float(value), column.replace(type=types.DOUBLE))
    type = types.wider(wide, column.type)
    return q.Constant(value, column if type is column.type else column.replace(type=type))


_DALI_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?", re.ASCII)


def time(value: q.Constant, type: types.Type, place: TextSpan) -> q.Constant:
    """A DALI timestamp (DALI 1.1 section 3.3.3) as a date or a time."""
    text = value.value.strip()
    try:
        if not _DALI_TIME.fullmatch(text):
            raise ValueError(text)
        moment: datetime | date
        moment = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text.rstrip("Z")[:26])
    except ValueError:
        raise QueryError(
            f"{text!r} is not a time", span=place, hint="write it as 2000-01-30 or 2000-01-30T12:34:56"
        ) from None
    if isinstance(moment, datetime) or type is types.TIMESTAMP:
        moment = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
        return q.Constant(moment, Column("", types.TIMESTAMP))
    return q.Constant(moment, Column("", types.DATE))


def is_null(value: q.Value) -> bool:
    """Is it NULL itself?"""
    return isinstance(value, q.Constant) and value.value is None


def null_as(value: q.Value, type: types.Type) -> q.Value:
    """NULL with a type; any other value as it is."""
    return q.Constant(None, value.column.replace(type=type)) if is_null(value) else value


def is_fixed(value: q.Value | q.Condition) -> bool:
    """Is it the same in every row? Then nothing can be sorted or grouped by it."""
    varying = (q.Field, q.Aggregate, q.Scalar, q.Exists, q.Select, q.Combined)
    return not any(isinstance(p, varying) or _is_random(p) for p in q.parts(value))


def _is_random(node: object) -> bool:
    return isinstance(node, q.Apply) and node.function.varies


# ------------------------------------------------------------- operators


def arithmetic(operator: str, left: q.Value, right: q.Value) -> q.Value:
    """Two numbers and the operator between them, with the type, unit and UCD of the outcome."""
    a, b = left.column, right.column
    type = types.wider(a.type, b.type)
    if type.family == "integer" and type.rank < types.INTEGER.rank:
        type = types.INTEGER
        left = q.Cast(left, a.replace(type=type))
    function = OPERATORS[operator]
    if operator == "/" and type.family == "integer":
        function = WHOLE_QUOTIENT
    unit, ucd = _measure(operator, left, right)
    return folded(q.Apply(function, (left, right), Column("", type, unit=unit, ucd=ucd)))


def _measure(operator: str, left: q.Value, right: q.Value) -> tuple[str | None, str | None]:
    a, b = left.column, right.column
    plain = isinstance(left, q.Constant), isinstance(right, q.Constant)
    if operator in ("+", "-"):
        if any(plain):
            other = b if plain[0] else a
            return other.unit, computed_ucd(other.ucd)
        return same_unit(a.unit, b.unit), sum_ucd(operator, a.ucd, b.ucd)
    if operator == "*":
        return times_unit(a.unit, b.unit), None
    if operator == "/":
        inverse = plain[0] and a.unit is None
        return power_unit(b.unit, -1) if inverse else quotient_unit(a.unit, b.unit), ratio_ucd(a.ucd, b.ucd)
    return None, None


def converted(value: q.Value, unit: str) -> q.Value:
    """A number that has a unit in another one. A division where that is what the factor means: x / 3600.

    Raises units.BadUnit.
    """
    number = units.factor(value.column.unit or "", unit)
    column = value.column.replace(name="", description=None, unit=unit, ucd=computed_ucd(value.column.ucd))
    if number == 1:
        return q.Cast(value, column)
    column = column.replace(type=types.DOUBLE)
    inverse = 1 / number
    if number < 1 and abs(inverse - round(inverse)) < 1e-15 * inverse:
        return q.Apply(OPERATORS["/"], (value, constant(round(inverse))), column)
    return q.Apply(OPERATORS["*"], (value, constant(number)), column)


def folded(value: q.Apply) -> q.Value:
    """The constant that a function of constants is."""
    fold, given = value.function.fold, [always(a) for a in value.arguments]
    if fold is None or None in given:
        return value
    try:
        result = fold(*given)
    except (ArithmeticError, ValueError):
        return value
    if value.column.type.family == "geometry":
        made = _MADE_BY[value.column.type.name]
        return q.Apply(made, tuple(constant(n) for n in result), value.column)
    if isinstance(result, complex) or (isinstance(result, float) and not np.isfinite(result)):
        return value
    if value.column.type.family == "integer":
        return _whole(int(result), value.column)
    return q.Constant(float(result) if value.column.type.family == "real" else result, value.column)


def always(value: q.Value) -> Any:
    """What a value always is, a geometry as the tuple of its numbers; None where it is NULL or depends on a row."""
    if isinstance(value, q.Constant):
        return value.value
    if not isinstance(value, q.Apply) or value.function not in _MADE_BY.values():
        return None
    numbers = [always(a) for a in value.arguments]
    return None if None in numbers else tuple(float(n) for n in numbers)


_MADE_BY = {f.name: f for f in (POINT, CIRCLE, POLYGON)}

# ------------------------------------------------------------ agreement


def comparable(values: Sequence[q.Value], nodes: Sequence[tree.Value], place: TextSpan) -> list[q.Value]:
    """Values that are compared with one another, made of one kind.

    A literal follows the columns: a text beside a time becomes one, a number beside 4-byte floats gets their
    precision, so that what is stored as 12.3 in such a column is equal to 12.3; NULL takes the type of the others.
    """
    known = [v for v in values if not is_null(v)]
    if not known:
        return list(values)
    models = [v for v in known if not isinstance(v, q.Constant)] or known
    family = {_FAMILIES.get(v.column.type.family, v.column.type.name) for v in models}
    timely = "time" in family or (family == {"text"} and any(v.column.type.family == "time" for v in known))
    narrow = all(v.column.type is types.REAL for v in models)
    lead = next((v for v in known if v.column.type.family == "time"), models[0]) if timely else models[0]

    def fitted(value: q.Value, node: tree.Value) -> q.Value:
        if is_null(value):
            return null_as(value, lead.column.type)
        if timely and isinstance(value, q.Constant) and isinstance(value.value, str):
            return time(value, lead.column.type, node.place)
        if not _comparable(lead, value):
            raise QueryError(f"{called(lead)} compared with {called(value)}", span=place, hint=_mismatch(lead, value))
        if lead.column.type is types.BOOLEAN and value.column.type.numeric:
            return q.Constant(bool(value.value), Column("", types.BOOLEAN))  # type: ignore[union-attr]
        return _as_real(value) if narrow else value

    return [fitted(v, n) for v, n in zip(values, nodes, strict=True)]


_FAMILIES = {"integer": "number", "real": "number", "text": "text", "time": "time"}


def comparable_types(a: types.Type, b: types.Type) -> bool:
    """Can values of these types be compared?"""
    return a is b or (a.family != "geometry" and _FAMILIES.get(a.family, a.name) == _FAMILIES.get(b.family, b.name))


def _comparable(model: q.Value, value: q.Value) -> bool:
    if model.column.type is types.BOOLEAN and isinstance(value, q.Constant) and value.value in (0, 1):
        return True
    return comparable_types(model.column.type, value.column.type)


def _as_real(value: q.Value) -> q.Value:
    """A literal as a 4-byte float."""
    if not isinstance(value, q.Constant) or not isinstance(value.value, (int, float)):
        return value
    with np.errstate(over="ignore"):
        narrow = float(np.float32(value.value))
    return q.Constant(narrow, value.column.replace(type=types.REAL)) if np.isfinite(narrow) else value


def _mismatch(a: q.Value, b: q.Value) -> str | None:
    text, other = (a, b) if a.column.type.family == "text" else (b, a)
    if text.column.type.family == "text" and isinstance(other, q.Constant) and other.column.type.numeric:
        return f"write '{other.value}'"
    if isinstance(text, q.Constant) and isinstance(text.value, str) and other.column.type.numeric:
        return f"write {text.value} without the quotes" if re.fullmatch(r"[-+.\deE]+", text.value) else None
    return None


def common(values: Sequence[q.Value], nodes: Sequence[tree.Value], place: TextSpan, what: str) -> list[q.Value]:
    """Values of which one is the result, made of one type, that of `shared` of them."""
    known = [v for v in values if not is_null(v)]
    clock = next((v.column.type for v in known if v.column.type.family == "time"), None)
    if clock is not None:
        values = [
            time(v, clock, n.place) if isinstance(v, q.Constant) and isinstance(v.value, str) else v
            for v, n in zip(values, nodes, strict=True)
        ]
        known = [v for v in values if not is_null(v)]
    if not known:
        return list(values)
    type = common_type([v.column for v in known])
    if type is None:
        said = ", ".join(str(v.column.type) for v in known)
        raise QueryError(f"{what} have different types: {said}", span=place)
    return [null_as(v, type) for v in values]


def shared(values: Sequence[q.Value]) -> Column:
    """The column of a value that is one of these, which have a type in common; what they differ in is not said.

    A literal is taken to be of the kind of the others.
    """
    known = [v.column for v in values if not is_null(v)]
    if not known:
        return values[0].column
    type = common_type(known) or known[0].type
    kinds = [v.column for v in values if not isinstance(v, q.Constant)] or known
    units, ucds = {c.unit for c in kinds}, {computed_ucd(c.ucd) for c in kinds}
    label = known[0].label if type.geometric and len({c.xtype for c in known}) == 1 else None
    unit, ucd = (found.pop() if len(found) == 1 else None for found in (units, ucds))
    return Column("", type, unit=unit, ucd=ucd, label=label)


def together(options: Sequence[q.Value]) -> q.Constant | None:
    """Constants as one, the tuple of their values; None where one of them is NULL or depends on a row."""
    values = [o.value for o in options if isinstance(o, q.Constant) and o.value is not None]
    type = common_type([o.column for o in options])
    if len(values) < len(options) or type is None or type.family == "geometry":
        return None
    return q.Constant(tuple(values), Column("", type))


# ------------------------------------------------------------- aggregates


def aggregated(name: str, column: Column) -> Column:
    """The column of an aggregate of a column."""
    match name:
        case "COUNT":
            return Column("", types.BIGINT, ucd="meta.number", nullable=False)
        case "SUM":
            wide = types.BIGINT if column.type.family == "integer" else types.DOUBLE
            return Column("", wide, unit=column.unit, ucd=statistic_ucd("arith.sum", column.ucd))
        case "AVG":
            return Column("", types.DOUBLE, unit=column.unit, ucd=statistic_ucd("stat.mean", column.ucd))
        case _:
            word = "stat.min" if name == "MIN" else "stat.max"
            return Column("", column.type, column.length, column.unit, statistic_ucd(word, column.ucd))


# ------------------------------------------------------------------ kinds


def is_kind(value: q.Value, kind: str) -> bool:
    """May the value stand where this kind is asked for?"""
    type = value.column.type
    match kind:
        case "any":
            return True
        case "number":
            return type.numeric or is_null(value)
        case "integer":
            return type.family == "integer" or is_null(value)
        case "text":
            return type.family == "text"
        case "time":
            return type.family in ("time", "text")
        case "point":
            return type is types.POINT
        case "interval":
            return type.family == "array" and value.column.count == 2 and type.votable != "boolean"
        case _:
            return type.geometric


def castable(source: types.Type, target: types.Type) -> bool:
    """Is there a CAST from one type to the other?"""
    whole = ("geometry", "array", "binary")
    if target.family in whole or source.family in whole or source.geometric or target.geometric:
        return source is target
    if target.family == "time":
        return source.family in ("time", "text")
    return not (source.family == "time" and target.numeric)


_CALLED = {"integer": "a number", "real": "a number", "text": "a text", "time": "a time", "geometry": "a geometry"}


def called(value: q.Value) -> str:
    """How a message calls a value."""
    type = value.column.type
    family = _CALLED.get("geometry" if type.geometric else type.family, str(type))
    if isinstance(value, q.Field):
        return f"{value.column.name} ({family})"
    if isinstance(value, q.Constant):
        return "NULL" if value.value is None else f"{value.value!r} ({family})"
    return family


def kind_hint(value: q.Value, kind: str) -> str | None:
    """How a value could become one of a kind."""
    if kind == "number" and value.column.type.family == "text":
        return "CAST(... AS INTEGER) makes a number of a text"
    if kind == "text":
        return "CAST(... AS VARCHAR) makes a text of it"
    if kind in ("point", "geometry") and value.column.type.numeric:
        return "POINT(ra, dec) makes a point of two numbers"
    return None
