"""Typed values: literals, operators, type coercion and aggregates' columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    CIRCLE,
    INTEGER_DIVISION,
    OPERATORS,
    POINT,
    POLYGON,
    find_common_type,
)
from vo_server.adql.semantics.units import (
    power_unit,
    product_unit,
    quotient_unit,
    ratio_ucd,
    statistic_ucd,
    sum_ucd,
    sum_unit,
    without_main,
)
from vo_server.adql.syntax import tree
from vo_server.errors import Code, QueryError, TextSpan
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import units

ARGUMENT_KIND_NAMES = {
    "number": "a number",
    "integer": "a whole number",
    "text": "a text",
    "time": "a time",
    "point": "a point",
    "geometry": "a geometry",
    "interval": "an interval, two numbers in a column,",
}

# ------------------------------------------------------------- constants


def to_constant(value: float) -> q.Constant:
    """Return a number as a double constant."""
    return q.Constant(float(value), _DOUBLE)


_INTEGER, _DOUBLE = Column("", types.INTEGER), Column("", types.DOUBLE)


def to_integer_constant(value: int) -> q.Constant:
    """Return an integer as an INTEGER constant."""
    return q.Constant(value, _INTEGER)


def parse_number(node: tree.Number) -> q.Constant:
    """Parse a number literal: INTEGER or BIGINT where it is whole and fits, else DOUBLE."""
    if node.text.isdigit():
        return _to_integer(int(node.text), _INTEGER)
    if node.text.lower().startswith("0x"):
        return _to_integer(int(node.text, 16), _INTEGER)
    value = float(node.text)
    if not np.isfinite(value):
        raise QueryError(f"the number {node.text} is too large", span=node.span, code=Code.ADQL_BAD_LITERAL)
    return to_constant(value)


def _to_integer(value: int, column: Column) -> q.Constant:
    wide = types.INTEGER if abs(value) < 2**31 else types.BIGINT
    if abs(value) >= 2**63:
        return q.Constant(float(value), column.replace(type=types.DOUBLE))
    type = types.pick_wider(wide, column.type)
    return q.Constant(value, column if type is column.type else column.replace(type=type))


_DALI_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?", re.ASCII)


def parse_time(value: q.Constant, type: types.Type, span: TextSpan) -> q.Constant:
    """Parse a DALI timestamp (DALI 1.1 section 3.3.3) as a date or a time.

    Raises QueryError for any other text.
    """
    text = value.value.strip()
    try:
        if not _DALI_TIME.fullmatch(text):
            raise ValueError(text)
        moment: datetime | date
        moment = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text.rstrip("Z")[:26])
    except ValueError:
        raise QueryError(
            f"invalid time {text!r}",
            span=span,
            hint="write it as 2000-01-30 or 2000-01-30T12:34:56",
            code=Code.ADQL_BAD_LITERAL,
        ) from None
    if isinstance(moment, datetime) or type is types.TIMESTAMP:
        moment = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
        return q.Constant(moment, Column("", types.TIMESTAMP))
    return q.Constant(moment, Column("", types.DATE))


def is_null(value: q.Value) -> bool:
    """Tell whether a value is the literal NULL."""
    return isinstance(value, q.Constant) and value.value is None


def set_null_type(value: q.Value, type: types.Type) -> q.Value:
    """Return NULL with a type; any other value unchanged."""
    return q.Constant(None, value.column.replace(type=type)) if is_null(value) else value


def is_same_in_all_rows(value: q.Value | q.Condition) -> bool:
    """Tell whether a value is the same in every row, so that nothing can be sorted or grouped by it."""
    varying = (q.ColumnRef, q.AggregateCall, q.ScalarSubquery, q.ExistsTest, q.SelectQuery, q.SetQuery)
    return not any(isinstance(p, varying) or _is_volatile(p) for p in q.walk(value))


def _is_volatile(node: object) -> bool:
    return isinstance(node, q.FunctionCall) and node.function.is_volatile


# ------------------------------------------------------------- operators


def apply_operator(operator: str, left: q.Value, right: q.Value) -> q.Value:
    """Return an arithmetic operation on two numbers, with the type, unit and UCD of the result."""
    a, b = left.column, right.column
    type = types.pick_wider(a.type, b.type)
    if type.family == "integer" and type.rank < types.INTEGER.rank:
        type = types.INTEGER
        left = q.TypeCast(left, a.replace(type=type))
    function = OPERATORS[operator]
    if operator == "/" and type.family == "integer":
        function = INTEGER_DIVISION
    unit, ucd = _derive_unit_and_ucd(operator, left, right)
    return constant_fold(q.FunctionCall(function, (left, right), Column("", type, unit=unit, ucd=ucd)))


def _derive_unit_and_ucd(operator: str, left: q.Value, right: q.Value) -> tuple[str | None, str | None]:
    a, b = left.column, right.column
    plain = isinstance(left, q.Constant), isinstance(right, q.Constant)
    if operator in ("+", "-"):
        if any(plain):
            other = b if plain[0] else a
            return other.unit, without_main(other.ucd)
        return sum_unit(a.unit, b.unit), sum_ucd(operator, a.ucd, b.ucd)
    if operator == "*":
        return product_unit(a.unit, b.unit), None
    if operator == "/":
        inverse = plain[0] and a.unit is None
        return power_unit(b.unit, -1) if inverse else quotient_unit(a.unit, b.unit), ratio_ucd(a.ucd, b.ucd)
    return None, None


def convert_unit(value: q.Value, unit: str) -> q.Value:
    """Return a number that has a unit in another one: a division where the factor is the inverse of an integer (x /
    3600).

    Raises units.UnitError.
    """
    number = units.conversion_factor(value.column.unit or "", unit)
    column = value.column.replace(name="", description=None, unit=unit, ucd=without_main(value.column.ucd))
    if number == 1:
        return q.TypeCast(value, column)
    column = column.replace(type=types.DOUBLE)
    inverse = 1 / number
    if number < 1 and abs(inverse - round(inverse)) < 1e-15 * inverse:
        return q.FunctionCall(OPERATORS["/"], (value, to_constant(round(inverse))), column)
    return q.FunctionCall(OPERATORS["*"], (value, to_constant(number)), column)


def constant_fold(value: q.FunctionCall) -> q.Value:
    """Return the constant result of a function of constants; any other call unchanged."""
    fold, arguments = value.function.fold, [constant_value(a) for a in value.arguments]
    if fold is None or None in arguments:
        return value
    try:
        result = fold(*arguments)
    except (ArithmeticError, ValueError):
        return value
    if value.column.type.family == "geometry":
        constructor = _CONSTRUCTORS[value.column.type.name]
        return q.FunctionCall(constructor, tuple(to_constant(n) for n in result), value.column)
    if isinstance(result, complex) or (isinstance(result, float) and not np.isfinite(result)):
        return value
    if value.column.type.family == "integer":
        return _to_integer(int(result), value.column)
    return q.Constant(float(result) if value.column.type.family == "real" else result, value.column)


def constant_value(value: q.Value) -> Any:
    """Return the value of a constant, a geometry as the tuple of its numbers; None where it is NULL or depends on a
    row."""
    if isinstance(value, q.Constant):
        return value.value
    if not isinstance(value, q.FunctionCall) or value.function not in _CONSTRUCTORS.values():
        return None
    numbers = [constant_value(a) for a in value.arguments]
    return None if None in numbers else tuple(float(n) for n in numbers)


_CONSTRUCTORS = {f.name: f for f in (POINT, CIRCLE, POLYGON)}

# ------------------------------------------------------------ agreement


def coerce_to_comparable(values: Sequence[q.Value], nodes: Sequence[tree.Value], span: TextSpan) -> list[q.Value]:
    """Return values that are compared with one another, made of one kind.

    A literal follows the columns: a text beside a time becomes one, a number beside 4-byte floats gets their precision,
    so that what is stored as 12.3 in such a column is equal to 12.3; NULL takes the type of the others.

    Raises QueryError where they cannot be compared; `span` is that of all.
    """
    present = [v for v in values if not is_null(v)]
    if not present:
        return list(values)
    columns = [v for v in present if not isinstance(v, q.Constant)] or present
    family = {_COMPARABLE_FAMILIES.get(v.column.type.family, v.column.type.name) for v in columns}
    has_time = "time" in family or (family == {"text"} and any(v.column.type.family == "time" for v in present))
    is_real = all(v.column.type is types.REAL for v in columns)
    model = next((v for v in present if v.column.type.family == "time"), columns[0]) if has_time else columns[0]

    def coerce(value: q.Value, node: tree.Value) -> q.Value:
        if is_null(value):
            return set_null_type(value, model.column.type)
        if has_time and isinstance(value, q.Constant) and isinstance(value.value, str):
            return parse_time(value, model.column.type, node.span)
        if not _can_compare_values(model, value):
            raise QueryError(
                f"cannot compare {describe(model)} with {describe(value)}",
                span=span,
                hint=_suggest_quotes(model, value),
                code=Code.ADQL_TYPE_MISMATCH,
            )
        if model.column.type is types.BOOLEAN and value.column.type.is_numeric:
            return q.Constant(bool(value.value), Column("", types.BOOLEAN))  # type: ignore[union-attr]
        return _to_real(value) if is_real else value

    return [coerce(v, n) for v, n in zip(values, nodes, strict=True)]


_COMPARABLE_FAMILIES = {"integer": "number", "real": "number", "text": "text", "time": "time"}


def can_compare(a: types.Type, b: types.Type) -> bool:
    """Tell whether values of these types can be compared."""
    return a is b or (
        a.family != "geometry"
        and _COMPARABLE_FAMILIES.get(a.family, a.name) == _COMPARABLE_FAMILIES.get(b.family, b.name)
    )


def _can_compare_values(model: q.Value, value: q.Value) -> bool:
    if model.column.type is types.BOOLEAN and isinstance(value, q.Constant) and value.value in (0, 1):
        return True
    return can_compare(model.column.type, value.column.type)


def _to_real(value: q.Value) -> q.Value:
    """Return a literal as a 4-byte float."""
    if not isinstance(value, q.Constant) or not isinstance(value.value, (int, float)):
        return value
    with np.errstate(over="ignore"):
        narrow = float(np.float32(value.value))
    return q.Constant(narrow, value.column.replace(type=types.REAL)) if np.isfinite(narrow) else value


def _suggest_quotes(a: q.Value, b: q.Value) -> str | None:
    text, other = (a, b) if a.column.type.family == "text" else (b, a)
    if text.column.type.family == "text" and isinstance(other, q.Constant) and other.column.type.is_numeric:
        return f"write '{other.value}'"
    if isinstance(text, q.Constant) and isinstance(text.value, str) and other.column.type.is_numeric:
        return f"write {text.value} without the quotes" if re.fullmatch(r"[-+.\deE]+", text.value) else None
    return None


def coerce_to_common(
    values: Sequence[q.Value], nodes: Sequence[tree.Value], span: TextSpan, what: str
) -> list[q.Value]:
    """Return alternatives, of which one is the result, in their common type, that of `common_column`; `what` names them
    in the error."""
    present = [v for v in values if not is_null(v)]
    time_type = next((v.column.type for v in present if v.column.type.family == "time"), None)
    if time_type is not None:
        values = [
            parse_time(v, time_type, n.span) if isinstance(v, q.Constant) and isinstance(v.value, str) else v
            for v, n in zip(values, nodes, strict=True)
        ]
        present = [v for v in values if not is_null(v)]
    if not present:
        return list(values)
    type = find_common_type([v.column for v in present])
    if type is None:
        type_names = ", ".join(str(v.column.type) for v in present)
        raise QueryError(f"{what} have different types: {type_names}", span=span, code=Code.ADQL_TYPE_MISMATCH)
    return [set_null_type(v, type) for v in values]


def common_column(values: Sequence[q.Value]) -> Column:
    """Return the column of a value that is one of these, which have a common type; metadata in which they differ is
    left out.

    A literal is taken to be of the kind of the others.
    """
    present = [v.column for v in values if not is_null(v)]
    if not present:
        return values[0].column
    type = find_common_type(present) or present[0].type
    kinds = [v.column for v in values if not isinstance(v, q.Constant)] or present
    units, ucds = {c.unit for c in kinds}, {without_main(c.ucd) for c in kinds}
    label = present[0].xtype_override if type.is_geometric and len({c.xtype for c in present}) == 1 else None
    unit, ucd = (found.pop() if len(found) == 1 else None for found in (units, ucds))
    return Column("", type, unit=unit, ucd=ucd, xtype_override=label)


def as_tuple(options: Sequence[q.Value]) -> q.Constant | None:
    """Return constants as one whose value is the tuple of theirs; None where one of them is NULL or depends on
    a row."""
    values = [o.value for o in options if isinstance(o, q.Constant) and o.value is not None]
    type = find_common_type([o.column for o in options])
    if len(values) < len(options) or type is None or type.family == "geometry":
        return None
    return q.Constant(tuple(values), Column("", type))


# ------------------------------------------------------------- aggregates


def aggregate_column(name: str, column: Column) -> Column:
    """Return the column of an aggregate of a column."""
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
    """Tell whether a value may stand where this kind is needed."""
    type = value.column.type
    match kind:
        case "any":
            return True
        case "number":
            return type.is_numeric or is_null(value)
        case "integer":
            return type.family == "integer" or is_null(value)
        case "text":
            return type.family == "text"
        case "time":
            return type.family in ("time", "text")
        case "point":
            return type is types.POINT
        case "interval":
            return type.family == "array" and value.column.element_count == 2 and type.votable != "boolean"
        case _:
            return type.is_geometric


def can_cast(source: types.Type, target: types.Type) -> bool:
    """Tell whether there is a CAST from one type to the other."""
    opaque_families = ("geometry", "array", "binary")
    if (
        target.family in opaque_families
        or source.family in opaque_families
        or source.is_geometric
        or target.is_geometric
    ):
        return source is target
    if target.family == "time":
        return source.family in ("time", "text")
    return not (source.family == "time" and target.is_numeric)


_FAMILY_NAMES = {
    "integer": "a number",
    "real": "a number",
    "text": "a text",
    "time": "a time",
    "geometry": "a geometry",
}


def describe(value: q.Value) -> str:
    """Describe a value in a message."""
    type = value.column.type
    family = _FAMILY_NAMES.get("geometry" if type.is_geometric else type.family, str(type))
    if isinstance(value, q.ColumnRef):
        return f"{value.column.name} ({family})"
    if isinstance(value, q.Constant):
        return "NULL" if value.value is None else f"{value.value!r} ({family})"
    return family


def suggest_conversion(value: q.Value, kind: str) -> str | None:
    """Return a hint how a value could become one of a kind; None without one."""
    if kind == "number" and value.column.type.family == "text":
        return "CAST(... AS INTEGER) makes a number of a text"
    if kind == "text":
        return "CAST(... AS VARCHAR) makes a text of it"
    if kind in ("point", "geometry") and value.column.type.is_numeric:
        return "POINT(ra, dec) makes a point of two numbers"
    return None
