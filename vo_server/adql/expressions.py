"""Values and conditions: from the tree to typed ones. Type errors are found here, before a database is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import assert_never

import numpy as np

from vo_server.adql import query as q
from vo_server.adql import tree
from vo_server.adql.functions import (
    AGGREGATES,
    BOX,
    CIRCLE,
    COALESCE,
    COMPLEMENT,
    CONTAINS,
    DISTANCE,
    FUNCTIONS,
    INTERSECTS,
    NEAR,
    NEGATION,
    OPERATORS,
    POINT,
    POLYGON,
    STRICTLY_NEAR,
    WHOLE_QUOTIENT,
    Function,
    Parameter,
    common_type,
)
from vo_server.adql.regions import region
from vo_server.adql.scope import Scope
from vo_server.adql.units import quotient_unit, same_unit, sum_ucd, times_unit
from vo_server.catalogue.similar import similar
from vo_server.errors import Place, QueryFault
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import shapes

MIRROR = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

_ICRS = {"", "ICRS", "FK5", "J2000", "UNKNOWN", "UNKNOWNFRAME"}
_TAKEN_FOR_ICRS = {"FK5", "J2000"}

_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "text": "a text",
    "point": "a point",
    "geometry": "a geometry",
}


@dataclass(slots=True)
class Expressions:
    """Resolves the expressions of one SELECT.

    `subquery` resolves a query inside this one. `aggregates` says whether COUNT and its kin may stand here, and if
    not, why. `warnings` collects what the user should hear of a query that runs.
    """

    text: str
    scope: Scope
    subquery: Callable[[tree.Query, Scope], q.Query]
    warnings: list[str] = field(default_factory=list)
    aggregates: str | None = None
    inside: bool = False

    # ------------------------------------------------------------ values

    def value(self, node: tree.Value) -> q.Value:
        """A value with its type."""
        match node:
            case tree.ColumnName():
                return self.scope.column(node)
            case tree.Number():
                return _number(node)
            case tree.String():
                return q.Constant(node.value, Column("", types.VARCHAR, length=len(node.value)))
            case tree.Null():
                return q.Constant(None, Column("", types.VARCHAR))
            case tree.Truth():
                return q.Constant(node.value, Column("", types.BOOLEAN))
            case tree.Unary():
                return self._unary(node)
            case tree.Binary():
                return self._binary(node)
            case tree.Call():
                return self._call(node)
            case tree.Cast():
                return self._cast(node)
            case tree.Case():
                return self._case(node)
            case tree.ScalarQuery():
                return self._scalar(node)
            case _:
                assert_never(node)

    def _unary(self, node: tree.Unary) -> q.Value:
        operand = self._of_kind(node.operand, "integer" if node.operator == "~" else "number", f"after {node.operator}")
        if node.operator == "+":
            return operand
        function = COMPLEMENT if node.operator == "~" else NEGATION
        return _folded(q.Apply(function, (operand,), function.result((operand,))))

    def _binary(self, node: tree.Binary) -> q.Value:
        if node.operator == "||":
            sides = tuple(self._of_kind(x, "text", "beside ||") for x in (node.left, node.right))
            return _folded(q.Apply(OPERATORS["||"], sides, Column("", types.VARCHAR)))
        kind = "integer" if node.operator in "&|^" else "number"
        left, right = (self._of_kind(x, kind, f"beside {node.operator}") for x in (node.left, node.right))
        return arithmetic(node.operator, left, right)

    def _call(self, node: tree.Call) -> q.Value:
        name = node.name.upper()
        if name in AGGREGATES:
            return self._aggregate(node, name)
        if name in _SPECIAL:
            return _SPECIAL[name](self, node)
        function = FUNCTIONS.get(name)
        if function is None:
            raise QueryFault(f"no function {node.name}", place=node.place, hint=similar(node.name, FUNCTIONS))
        return self._apply(function, node)

    def _apply(self, function: Function, node: tree.Call) -> q.Value:
        self._count(function, node)
        arguments = tuple(self._argument(a, function.parameter(n), function) for n, a in enumerate(node.arguments))
        return _folded(q.Apply(function, arguments, function.result(arguments)))

    def _count(self, function: Function, node: tree.Call) -> None:
        given, most = len(node.arguments), function.most
        if node.star or node.distinct:
            raise QueryFault(f"{node.name} takes no * and no DISTINCT", place=node.place)
        if given < function.least or (most is not None and given > most):
            raise QueryFault(
                f"{node.name} with {given} argument{'s' * (given != 1)}",
                place=node.place,
                hint=f"it is {function.signature}",
            )

    def _argument(self, node: tree.Value, parameter: Parameter, function: Function) -> q.Value:
        return self._of_kind(node, parameter.kind, f"as {parameter.name} of {function.name}")

    def _of_kind(self, node: tree.Value, kind: str, where: str) -> q.Value:
        """A value that must be of a kind; `where` ends the sentence of the fault."""
        value = self.value(node)
        if _is(value, kind):
            return value
        raise QueryFault(
            f"{_called(value)} {where}, where {_KINDS[kind]} is needed", place=node.place, hint=_kind_hint(value, kind)
        )

    def _aggregate(self, node: tree.Call, name: str) -> q.Value:
        if self.aggregates is not None:
            raise QueryFault(
                f"{name} {self.aggregates}", place=node.place, hint="a condition on groups goes after HAVING"
            )
        if self.inside:
            raise QueryFault(
                f"{name} inside another aggregate", place=node.place, hint="use a sub-query for the inner one"
            )
        if node.star:
            return q.Aggregate(name, None, False, Column("", types.BIGINT, ucd="meta.number", nullable=False))
        if len(node.arguments) != 1:
            raise QueryFault(f"{name} takes one argument", place=node.place)
        self.inside = True
        kind = "any" if name in ("COUNT", "MIN", "MAX") else "number"
        value = self._of_kind(node.arguments[0], kind, f"in {name}")
        self.inside = False
        if name in ("MIN", "MAX") and value.column.type.family == "geometry":
            raise QueryFault(f"{name} of a geometry", place=node.place, hint="geometries have no order")
        return q.Aggregate(name, value, node.distinct, _aggregated(name, value.column))

    def _cast(self, node: tree.Cast) -> q.Value:
        value = self.value(node.value)
        try:
            target = types.named(node.type)
        except KeyError:
            raise QueryFault(f"CAST to {node.type}", place=node.place, hint="the types are those of ADQL 2.1") from None
        if not _castable(value.column.type, target):
            raise QueryFault(f"{_called(value)} cannot be cast to {target}", place=node.place)
        if isinstance(value, q.Constant) and isinstance(value.value, str) and target.family == "time":
            return _time(value, target, node.place)
        unit = value.column.unit if target.numeric and value.column.type.numeric else None
        return q.Cast(value, Column("", target, length=node.length, unit=unit, ucd=value.column.ucd))

    def _case(self, node: tree.Case) -> q.Value:
        branches = tuple((self._when(node, when), self.value(then)) for when, then in node.branches)
        otherwise = None if node.otherwise is None else self.value(node.otherwise)
        values = [v for _, v in branches] + ([] if otherwise is None else [otherwise])
        return q.Case(branches, otherwise, self._common(values, node.place, "the branches of CASE"))

    def _when(self, node: tree.Case, when: tree.Condition | tree.Value) -> q.Condition:
        if node.operand is not None:
            return self._compare(tree.Compare("=", node.operand, when, node.place))  # type: ignore[arg-type]
        return self.condition(when)  # type: ignore[arg-type]

    def _scalar(self, node: tree.ScalarQuery) -> q.Value:
        inner = self.subquery(node.query, self.scope)
        if len(inner.columns) != 1:
            raise QueryFault(f"a sub-query as a value with {len(inner.columns)} columns", place=node.place)
        return q.Scalar(inner, inner.columns[0])

    def _common(self, values: list[q.Value], place: Place, what: str) -> Column:
        known = [v.column for v in values if not _is_null(v)]
        if not known:
            return values[0].column
        type = common_type(known)
        if type is None:
            raise QueryFault(f"{what} have different types: {', '.join(str(c.type) for c in known)}", place=place)
        units = {c.unit for c in known}
        ucds = {c.ucd for c in known}
        return Column(
            "", type, unit=units.pop() if len(units) == 1 else None, ucd=ucds.pop() if len(ucds) == 1 else None
        )

    # ---------------------------------------------------------- geometry

    def _coalesce(self, node: tree.Call) -> q.Value:
        self._count(COALESCE, node)
        arguments = tuple(self.value(a) for a in node.arguments)
        return q.Apply(COALESCE, arguments, self._common(list(arguments), node.place, "the arguments of COALESCE"))

    def _shape(self, node: tree.Call) -> q.Value:
        """POINT, CIRCLE, BOX, POLYGON: a coordinate system is dropped, points give their coordinates."""
        function = FUNCTIONS[node.name.upper()]
        values = [(a, self.value(a)) for a in node.arguments]
        if values and values[0][1].column.type.family == "text":
            self._frame(*values.pop(0))
        numbers: list[q.Value] = []
        for a, v in values:
            if v.column.type is types.POINT:
                numbers += coordinates(v)
            elif _is(v, "number"):
                numbers.append(v)
            else:
                raise QueryFault(f"{_called(v)} in {node.name}, where a number is needed", place=a.place)
        self._complete(function, numbers, node)
        made = _cornered(q.Apply(function, tuple(numbers), function.result(tuple(numbers))))
        self._valid(made, node)
        return made

    def _complete(self, function: Function, numbers: list[q.Value], node: tree.Call) -> None:
        given = len(numbers)
        if function is POLYGON and (given < 6 or given % 2):
            raise QueryFault("POLYGON needs three or more vertices, a longitude and a latitude each", place=node.place)
        if function is not POLYGON and given != len(function.parameters):
            raise QueryFault(f"{node.name} with {given} numbers", place=node.place, hint=f"it is {function.signature}")

    def _frame(self, node: tree.Value, value: q.Value) -> None:
        if not isinstance(value, q.Constant):
            raise QueryFault("a coordinate system that is not a literal", place=node.place)
        frame = str(value.value).strip().upper().split(" ")[0]
        if frame not in _ICRS:
            raise QueryFault(
                f"the coordinate system {value.value!r} is not known here",
                place=node.place,
                hint="positions are ICRS degrees",
            )
        if frame in _TAKEN_FOR_ICRS:
            self.warnings.append(f"{frame} was taken for ICRS: they agree within 0.1 arcsec.")

    def _valid(self, shape: q.Apply, node: tree.Call) -> None:
        """What can be known to be wrong with a geometry of constants is said now."""
        constant = constant_shape(shape)
        if constant is None:
            return
        kind, numbers = constant
        if shape.function is not BOX and any(
            abs(lat) > 90 for lat in numbers[1 : None if kind == "polygon" else 2 : 2]
        ):
            raise QueryFault(f"a latitude outside -90..90 in {node.name}", place=node.place)
        try:
            shapes.check(kind, numbers)
        except shapes.BadShape as error:
            raise QueryFault(str(error), place=node.place) from None

    def _region(self, node: tree.Call) -> q.Value:
        value = self.value(node.arguments[0]) if len(node.arguments) == 1 else None
        if not isinstance(value, q.Constant) or not isinstance(value.value, str):
            raise QueryFault("REGION takes one literal text", place=node.place, hint="such as REGION('CIRCLE 10 20 1')")
        try:
            function, numbers = region(value.value)
        except ValueError as error:
            raise QueryFault(str(error), place=node.place) from None
        made = _cornered(q.Apply(function, tuple(constant(n) for n in numbers), function.result(())))
        self._valid(made, node)
        return made

    def _distance(self, node: tree.Call) -> q.Value:
        values = [self.value(a) for a in node.arguments]
        numbers = [x for v in values for x in (coordinates(v) if v.column.type is types.POINT else [v])]
        if len(values) not in (2, 4) or len(numbers) != 4 or not all(_is(x, "number") for x in numbers):
            raise QueryFault(
                "DISTANCE of something else than two points",
                place=node.place,
                hint=f"it is {DISTANCE.signature}, or lon1, lat1, lon2, lat2",
            )
        points = tuple(
            q.Apply(POINT, pair, POINT.result(pair)) for pair in ((numbers[0], numbers[1]), (numbers[2], numbers[3]))
        )
        return q.Apply(DISTANCE, points, DISTANCE.result(points))

    def _coordsys(self, node: tree.Call) -> q.Value:
        if len(node.arguments) != 1:
            raise QueryFault("COORDSYS takes one geometry", place=node.place)
        self._of_kind(node.arguments[0], "geometry", "in COORDSYS")
        return q.Constant("ICRS", Column("", types.VARCHAR, length=4, ucd="meta.code"))

    def _coordinate_of(self, node: tree.Call) -> q.Value:
        function = FUNCTIONS[node.name.upper()]
        self._count(function, node)
        point = self._of_kind(node.arguments[0], "point", f"in {function.name}")
        return coordinates(point)[0 if function.name == "COORD1" else 1]

    # -------------------------------------------------------- conditions

    def condition(self, node: tree.Condition) -> q.Condition:
        """A condition of typed values."""
        match node:
            case tree.Compare():
                return self._compare(node)
            case tree.Between():
                value, low, high = (self.value(x) for x in (node.value, node.low, node.high))
                low, high = (self._alike(value, x, node.place) for x in (low, high))
                return q.Between(self._alike(low, value, node.place), low, high, node.negated)
            case tree.In():
                return self._in(node)
            case tree.Like():
                value, pattern = (self._text(x, "ILIKE" if node.fold else "LIKE") for x in (node.value, node.pattern))
                return q.Like(value, pattern, node.negated, node.fold)
            case tree.IsNull():
                return q.IsNull(self.value(node.value), node.negated)
            case tree.Exists():
                return q.Exists(self.subquery(node.query, self.scope))
            case tree.Not():
                return q.Not(self.condition(node.operand))
            case tree.And():
                return q.And(tuple(self.condition(o) for o in node.operands))
            case tree.Or():
                return q.Or(tuple(self.condition(o) for o in node.operands))
            case _:
                assert_never(node)

    def _compare(self, node: tree.Compare) -> q.Condition:
        left, right = self.value(node.left), self.value(node.right)
        spatial = _spatial(node.operator, left, right) or _spatial(MIRROR[node.operator], right, left)
        if spatial is not None:
            return spatial
        right = self._alike(left, right, node.place)
        return q.Compare(node.operator, self._alike(right, left, node.place), right)

    def _in(self, node: tree.In) -> q.Condition:
        value = self.value(node.value)
        if not isinstance(node.options, tuple):
            inner = self.subquery(node.options, self.scope)
            if len(inner.columns) != 1:
                raise QueryFault(f"IN a sub-query of {len(inner.columns)} columns", place=node.place, hint="select one")
            return q.In(value, inner, node.negated)
        options = tuple(self._alike(value, self.value(o), o.place) for o in node.options)
        return q.In(value, options, node.negated)

    def _text(self, node: tree.Value, word: str) -> q.Value:
        value = self.value(node)
        if value.column.type.family == "time":
            return q.Cast(value, Column("", types.VARCHAR))
        if value.column.type.family == "text":
            return value
        raise QueryFault(f"{_called(value)} beside {word}, where a text is needed", place=node.place)

    def _alike(self, model: q.Value, value: q.Value, place: Place) -> q.Value:
        """The value made comparable with another one; texts become times, literals take a float's precision."""
        a, b = model.column.type, value.column.type
        if _is_null(model) or _is_null(value) or a is b:
            return value
        if a.numeric and b.numeric:
            return _as_real(value) if a is types.REAL else value
        if a.family == "time" and isinstance(value, q.Constant) and isinstance(value.value, str):
            return _time(value, a, place)
        if a is types.BOOLEAN and isinstance(value, q.Constant) and value.value in (0, 1):
            return q.Constant(bool(value.value), Column("", types.BOOLEAN))
        if b is types.BOOLEAN and isinstance(model, q.Constant) and model.value in (0, 1):
            return value
        if b.family == "time" and isinstance(model, q.Constant) and isinstance(model.value, str):
            return value
        if a.family == b.family and a.family != "geometry":
            return value
        raise QueryFault(f"{_called(model)} compared with {_called(value)}", place=place, hint=_mismatch(model, value))


Special = Callable[[Expressions, tree.Call], q.Value]

_SPECIAL: dict[str, Special] = {
    "COALESCE": Expressions._coalesce,
    "POINT": Expressions._shape,
    "CIRCLE": Expressions._shape,
    "BOX": Expressions._shape,
    "POLYGON": Expressions._shape,
    "REGION": Expressions._region,
    "DISTANCE": Expressions._distance,
    "COORDSYS": Expressions._coordsys,
    "COORD1": Expressions._coordinate_of,
    "COORD2": Expressions._coordinate_of,
}


def constant(value: float) -> q.Constant:
    """A number as a double."""
    return q.Constant(float(value), Column("", types.DOUBLE))


def coordinates(point: q.Value) -> list[q.Value]:
    """Longitude and latitude of a point."""
    if isinstance(point, q.Apply) and point.function is POINT:
        return list(point.arguments)
    parts = (FUNCTIONS["COORD1"], FUNCTIONS["COORD2"])
    return [q.Apply(f, (point,), f.result((point,))) for f in parts]


def constant_shape(value: q.Value) -> shapes.Shape | None:
    """The geometry that a value always is; None where it depends on a row."""
    if not isinstance(value, q.Apply) or value.function not in (POINT, CIRCLE, POLYGON):
        return None
    numbers = _constants(value)
    return None if numbers is None else (value.function.name.lower(), numbers)


def _constants(value: q.Apply) -> tuple[float, ...] | None:
    given = [a.value for a in value.arguments if isinstance(a, q.Constant) and a.value is not None]
    return tuple(float(n) for n in given) if len(given) == len(value.arguments) else None


def _cornered(shape: q.Apply) -> q.Apply:
    """A box of constants as the polygon of its corners."""
    numbers = _constants(shape) if shape.function is BOX else None
    if numbers is None:
        return shape
    return q.Apply(POLYGON, tuple(constant(n) for n in shapes.box(*numbers)), shape.column)


def arithmetic(operator: str, left: q.Value, right: q.Value) -> q.Value:
    """Two numbers and the operator between them, with the type, unit and UCD of the outcome."""
    a, b = left.column, right.column
    type = types.wider(a.type, b.type)
    if type.family == "integer" and type.rank < types.INTEGER.rank:
        type = types.INTEGER
        left = q.Cast(left, a.but(type=type))
    function = OPERATORS[operator]
    if operator == "/" and type.family == "integer":
        function = WHOLE_QUOTIENT
    unit, ucd = _measure(operator, left, right)
    return _folded(q.Apply(function, (left, right), Column("", type, unit=unit, ucd=ucd)))


def _measure(operator: str, left: q.Value, right: q.Value) -> tuple[str | None, str | None]:
    a, b = left.column, right.column
    plain = isinstance(left, q.Constant), isinstance(right, q.Constant)
    if operator in ("+", "-"):
        if any(plain):
            return (b if plain[0] else a).unit, (b if plain[0] else a).ucd
        return same_unit(a.unit, b.unit), sum_ucd(operator, a.ucd, b.ucd)
    if operator == "*":
        return times_unit(a.unit, b.unit), None
    return (quotient_unit(a.unit, b.unit) if operator == "/" else None), None


def _folded(value: q.Apply) -> q.Value:
    """The constant that a function of constants is."""
    fold = value.function.fold
    if fold is None or not all(isinstance(a, q.Constant) and a.value is not None for a in value.arguments):
        return value
    try:
        result = fold(*(a.value for a in value.arguments))  # type: ignore[union-attr]
    except (ArithmeticError, ValueError):
        return value
    if isinstance(result, complex) or (isinstance(result, float) and not np.isfinite(result)):
        return value
    if value.column.type.family == "integer":
        return _whole(int(result), value.column)
    return q.Constant(float(result) if value.column.type.family == "real" else result, value.column)


def _whole(value: int, column: Column) -> q.Constant:
    wide = types.INTEGER if abs(value) < 2**31 else types.BIGINT
    if abs(value) >= 2**63:
        return q.Constant(float(value), column.but(type=types.DOUBLE))
    return q.Constant(value, column.but(type=types.wider(wide, column.type)))


def _number(node: tree.Number) -> q.Constant:
    if node.text.lower().startswith("0x"):
        return _whole(int(node.text, 16), Column("", types.INTEGER))
    if node.text.isdigit():
        return _whole(int(node.text), Column("", types.INTEGER))
    value = float(node.text)
    if not np.isfinite(value):
        raise QueryFault(f"{node.text} is too large a number", place=node.place)
    return constant(value)


def _as_real(value: q.Value) -> q.Value:
    """A literal as a 4-byte float: what is stored as 12.3 in such a column is then equal to 12.3."""
    if not isinstance(value, q.Constant) or not isinstance(value.value, (int, float)):
        return value
    with np.errstate(over="ignore"):
        narrow = float(np.float32(value.value))
    return q.Constant(narrow, value.column.but(type=types.REAL)) if np.isfinite(narrow) else value


_DALI_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?")


def _time(value: q.Constant, type: types.Type, place: Place) -> q.Constant:
    """A DALI timestamp (DALI 1.1 section 3.3.3) as a date or a time."""
    text = value.value.strip()
    try:
        if not _DALI_TIME.fullmatch(text):
            raise ValueError(text)
        moment: datetime | date
        moment = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text.rstrip("Z")[:26])
    except ValueError:
        raise QueryFault(
            f"{text!r} is not a time", place=place, hint="write it as 2000-01-30 or 2000-01-30T12:34:56"
        ) from None
    if isinstance(moment, datetime) or type is types.TIMESTAMP:
        moment = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
        return q.Constant(moment, Column("", types.TIMESTAMP))
    return q.Constant(moment, Column("", types.DATE))


def _spatial(operator: str, value: q.Value, other: q.Value) -> q.Condition | None:
    """A geometry predicate compared with 1 or 0, or a DISTANCE with a radius, as a condition of its own."""
    if not isinstance(value, q.Apply):
        return None
    if value.function in (CONTAINS, INTERSECTS):
        truth = _truth(operator, other)
        return None if truth is None else q.Holds(value) if truth else q.Not(q.Holds(value))
    if value.function is DISTANCE and operator in ("<", "<=", ">", ">=") and other.column.type.numeric:
        near = NEAR if operator in ("<=", ">") else STRICTLY_NEAR
        arguments = (*value.arguments, other)
        holds = q.Holds(q.Apply(near, arguments, near.result(arguments)))
        return holds if operator in ("<", "<=") else q.Not(holds)
    return None


def _truth(operator: str, other: q.Value) -> bool | None:
    """Does a comparison with this value ask for a predicate to be true (or, if False, to be false)?"""
    if not isinstance(other, q.Constant) or other.value not in (0, 1) or operator not in ("=", "<>"):
        return None
    return bool(other.value == 1) == (operator == "=")


def _aggregated(name: str, column: Column) -> Column:
    match name:
        case "COUNT":
            return Column("", types.BIGINT, ucd="meta.number", nullable=False)
        case "SUM":
            wide = types.BIGINT if column.type.family == "integer" else types.DOUBLE
            return Column("", wide, unit=column.unit)
        case "AVG":
            return Column("", types.DOUBLE, unit=column.unit, ucd=_statistic("stat.mean", column.ucd))
        case _:
            word = "stat.min" if name == "MIN" else "stat.max"
            return Column("", column.type, column.length, column.unit, _statistic(word, column.ucd))


def _statistic(word: str, ucd: str | None) -> str | None:
    """A UCD of a statistic: the word may stand after the quantity (UCD1+ 1.5, letters P, S and Q)."""
    return f"{ucd};{word}" if ucd else None


def _is_null(value: q.Value) -> bool:
    return isinstance(value, q.Constant) and value.value is None


def _is(value: q.Value, kind: str) -> bool:
    type = value.column.type
    match kind:
        case "any":
            return True
        case "number":
            return type.numeric or _is_null(value)
        case "integer":
            return type.family == "integer" or _is_null(value)
        case "text":
            return type.family == "text"
        case "point":
            return type is types.POINT
        case _:
            return type.family == "geometry"


def _castable(source: types.Type, target: types.Type) -> bool:
    if target.family == "geometry" or source.family == "geometry":
        return source is target
    if target.family == "time":
        return source.family in ("time", "text")
    return not (source.family == "time" and target.numeric)


_FAMILY = {"integer": "a number", "real": "a number", "text": "a text", "time": "a time", "geometry": "a geometry"}


def _called(value: q.Value) -> str:
    """How a message calls a value."""
    family = _FAMILY.get(value.column.type.family, str(value.column.type))
    if isinstance(value, q.Field):
        return f"{value.column.name} ({family})"
    if isinstance(value, q.Constant):
        return f"{value.value!r} ({family})"
    return family


def _kind_hint(value: q.Value, kind: str) -> str | None:
    if kind == "number" and value.column.type.family == "text":
        return "CAST(... AS INTEGER) makes a number of a text"
    if kind == "text":
        return "CAST(... AS VARCHAR) makes a text of it"
    if kind in ("point", "geometry") and value.column.type.numeric:
        return "POINT(ra, dec) makes a point of two numbers"
    return None


def _mismatch(a: q.Value, b: q.Value) -> str | None:
    text, other = (a, b) if a.column.type.family == "text" else (b, a)
    if text.column.type.family == "text" and isinstance(other, q.Constant) and other.column.type.numeric:
        return f"write '{other.value}'"
    if isinstance(text, q.Constant) and isinstance(text.value, str) and other.column.type.numeric:
        return f"write {text.value} without the quotes" if re.fullmatch(r"[-+.\deE]+", text.value) else None
    return None
