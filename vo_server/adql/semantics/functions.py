"""The functions of the language, one record each (ADQL 2.1 sections 2.3 and 4).

How a function is typed, compiled, computed ahead of time for constant arguments, and announced is derived from its
record.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from typing_extensions import override

from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.query import Constant, FunctionCall, Value
from vo_server.adql.semantics.spherical import Element, Geometry
from vo_server.adql.semantics.units import power_unit, root_unit, without_main
from vo_server.model import types
from vo_server.model.column import Column

Kind = Literal["number", "integer", "text", "time", "point", "geometry", "interval", "any"]
ResultRule = Callable[[tuple[Value, ...]], Column]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name in the signature and the kind of its arguments. `repeatable`: it takes any number
    of them."""

    name: str
    kind: Kind
    optional: bool = False
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    `sql` takes an Element for each argument, or a Geometry where the parameter is one. `fold` computes the same in
    Python for constants. `is_predicate`: `sql` returns a truth value, which the language knows as 1 or 0. `feature` is
    the kind of language feature that TAPRegExt announces it under, None for the core of the language. `form` announces
    a user-defined function: `name(argument TYPE, ...) -> TYPE`. `check` returns an error message for invalid arguments
    of the right kinds, else None. `rewrite` may return an equal value made of other functions. `is_aggregate`: it takes
    the rows of a group. `is_volatile`: it differs in each row. `example` is an expression that calls it with constants
    or columns of TAP_SCHEMA.tables, for the documentation.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: ResultRule
    sql: Callable[..., Any]
    doc: str
    fold: Callable[..., Any] | None = None
    is_predicate: bool = False
    feature: str | None = None
    form: str | None = None
    check: Callable[[tuple[Value, ...]], str | None] | None = None
    rewrite: Callable[[tuple[Value, ...]], Value | None] | None = None
    is_aggregate: bool = False
    is_volatile: bool = False
    example: str = ""

    @override
    def __hash__(self) -> int:
        """Return the hash of the name; equality compares all fields."""
        return hash(self.name)

    @property
    def min_arguments(self) -> int:
        """The least number of arguments."""
        return sum(not p.optional for p in self.parameters)

    @property
    def max_arguments(self) -> int | None:
        """The largest number of arguments; None if there is no limit."""
        return None if any(p.repeatable for p in self.parameters) else len(self.parameters)

    def parameter(self, n: int) -> Parameter:
        """Return the parameter of the nth argument, from 0."""
        return self.parameters[min(n, len(self.parameters) - 1)]

    def call(self, *arguments: Value) -> FunctionCall:
        """Return a call of the function with these arguments, which are not checked."""
        return FunctionCall(self, arguments, self.result(arguments))

    @property
    def signature(self) -> str:
        """The signature for messages."""
        if self.form is not None:
            return self.form
        names = [f"[{p.name}]" if p.optional else f"{p.name}, ..." if p.repeatable else p.name for p in self.parameters]
        return f"{self.name}({', '.join(names)})"


# ------------------------------------------------------------ typing rules


def result_of(type: types.Type, unit: str | None = None, ucd: str | None = None) -> ResultRule:
    """Return the rule for a result of this type, unit and UCD."""
    column = Column("", type, unit=unit, ucd=ucd)
    return lambda _: column


def _type_as_first(arguments: tuple[Value, ...]) -> Column:
    """Return type, unit and UCD of the first argument."""
    first = arguments[0].column
    return Column("", first.type, length=first.length, unit=first.unit, ucd=without_main(first.ucd))


def _type_double_as_first(arguments: tuple[Value, ...]) -> Column:
    """Return a double in the unit of the first argument."""
    return _type_as_first(arguments).replace(type=types.DOUBLE)


def _type_angle_in(unit: str) -> ResultRule:
    """Return the rule for an angle that is converted to another unit."""
    return lambda arguments: _type_double_as_first(arguments).replace(unit=unit)


def _type_power(arguments: tuple[Value, ...]) -> Column:
    base, exponent = arguments
    power = exponent.value if isinstance(exponent, Constant) else None
    return Column("", types.DOUBLE, unit=None if power is None else power_unit(base.column.unit, power))


def _type_root(arguments: tuple[Value, ...]) -> Column:
    return Column("", types.DOUBLE, unit=root_unit(arguments[0].column.unit))


def _type_coordinate(word: str) -> ResultRule:
    """Return the rule for a coordinate of a point."""
    return lambda arguments: Column(
        "", types.DOUBLE, unit="deg", ucd=word if arguments[0].column.ucd in ("pos.eq", "pos.eq;meta.main") else None
    )


def _type_text_as_first(arguments: tuple[Value, ...]) -> Column:
    first = arguments[0].column
    type = types.VARCHAR if first.type.is_geometric or first.type.family != "text" else first.type
    return Column("", type, first.length, ucd=without_main(first.ucd))


def find_common_type(columns: list[Column]) -> types.Type | None:
    """Return the type that holds the values of all columns; None where there is none."""
    result = columns[0].type
    for other in (c.type for c in columns[1:]):
        if result.is_numeric and other.is_numeric:
            result = types.pick_wider(result, other)
        elif result is other and result.is_geometric:
            continue
        elif result.is_geometric or other.is_geometric:
            return None
        elif result.family == other.family == "text":
            result = types.VARCHAR
        elif result.family == other.family == "time":
            result = types.TIMESTAMP if result is not other else result
        elif result is not other:
            return None
    return result


def _type_remainder(arguments: tuple[Value, ...]) -> Column:
    return _type_as_first(arguments).replace(
        type=find_common_type([a.column for a in arguments]) or types.DOUBLE, ucd=None
    )


# --------------------------------------------------------------- SQL forms


def _sql_function(name: str) -> Callable[..., Element]:
    return lambda *arguments: getattr(sa.func, name)(*arguments)


def _sql_to_digits(element: Callable[..., Element]) -> Callable[..., Element]:
    return lambda x, n=None: element(x, _ZERO_DIGITS if n is None else n)


_ZERO_DIGITS = sa.literal_column("0", sa.Integer())


def _fold_trunc(x: float, n: int = 0) -> float:
    return math.trunc(x * 10.0**n) / 10.0**n + 0.0


def _fold_round(x: float, n: int = 0) -> float:
    big = abs(x) * 10.0**n
    return math.copysign(math.floor(big) + (big - math.floor(big) >= 0.5), x) / 10.0**n + 0.0


def _take_coordinate(n: int) -> Callable[[Geometry], Element]:
    return lambda point: point.coordinate(n)


def _make_geometry(kind: str) -> Callable[..., Geometry]:
    return lambda *coordinates: Geometry(kind, coordinates)


def _make_box(*coordinates: Element) -> Geometry:
    return Geometry("polygon", value=spherical.Box(*coordinates))


def _sql_distance(a: Geometry, b: Geometry) -> Element:
    return spherical.Distance(*a.centre, *b.centre)


# ----------------------------------------------------------------- records

X = Parameter("x", "number")
Y = Parameter("y", "number")
N = Parameter("n", "integer", optional=True)
TEXT = Parameter("text", "text")
GEOMETRY = Parameter("geometry", "geometry")
POINT1, POINT2 = Parameter("point1", "point"), Parameter("point2", "point")

_DOUBLE = result_of(types.DOUBLE)
_RADIANS = result_of(types.DOUBLE, "rad")
_VARCHAR = result_of(types.VARCHAR)
_TRUTH = result_of(types.INTEGER, ucd="meta.code")
GEOMETRY_FEATURE = "adqlgeo"


def _define_maths(
    name: str, python: Callable[..., Any], doc: str, *, example: str, sql: str = "", result: ResultRule = _DOUBLE
) -> Function:
    return Function(name, (X,), result, _sql_function(sql or name.lower()), doc, python, example=example)


MATHS = (
    _define_maths("ABS", abs, "The absolute value.", result=_type_as_first, example="ABS(-2.5)"),
    _define_maths(
        "CEILING",
        math.ceil,
        "The smallest whole number not below x.",
        sql="ceil",
        result=_type_double_as_first,
        example="CEILING(2.1)",
    ),
    _define_maths(
        "FLOOR",
        math.floor,
        "The largest whole number not above x.",
        result=_type_double_as_first,
        example="FLOOR(-2.1)",
    ),
    _define_maths("EXP", math.exp, "e to the power of x.", example="EXP(1)"),
    _define_maths("LOG", math.log, "The natural logarithm.", sql="ln", example="LOG(10)"),
    _define_maths("LOG10", math.log10, "The logarithm to base 10.", example="LOG10(1000)"),
    _define_maths("SQRT", math.sqrt, "The square root.", result=_type_root, example="SQRT(2)"),
    _define_maths(
        "DEGREES", math.degrees, "Radians to degrees.", result=_type_angle_in("deg"), example="DEGREES(PI())"
    ),
    _define_maths("RADIANS", math.radians, "Degrees to radians.", result=_type_angle_in("rad"), example="RADIANS(180)"),
    _define_maths("ACOS", math.acos, "The arc cosine, in radians.", result=_RADIANS, example="ACOS(0.5)"),
    _define_maths("ASIN", math.asin, "The arc sine, in radians.", result=_RADIANS, example="ASIN(0.5)"),
    _define_maths("ATAN", math.atan, "The arc tangent, in radians.", result=_RADIANS, example="ATAN(1)"),
    _define_maths("COS", math.cos, "The cosine of an angle in radians.", example="COS(RADIANS(60))"),
    _define_maths("SIN", math.sin, "The sine of an angle in radians.", example="SIN(RADIANS(30))"),
    _define_maths("TAN", math.tan, "The tangent of an angle in radians.", example="TAN(RADIANS(45))"),
    _define_maths(
        "COT", lambda x: 1 / math.tan(x), "The cotangent of an angle in radians.", example="COT(RADIANS(45))"
    ),
    Function(
        "ATAN2",
        (Y, X),
        _RADIANS,
        _sql_function("atan2"),
        "The angle of (x, y), in radians.",
        math.atan2,
        example="ATAN2(1, -1)",
    ),
    Function(
        "POWER",
        (X, Y),
        _type_power,
        _sql_function("power"),
        "x to the power of y.",
        math.pow,
        example="POWER(10, -0.4)",
    ),
    Function(
        "MOD",
        (X, Y),
        _type_remainder,
        spherical.Remainder,
        "The remainder of x / y, with the sign of x.",
        math.fmod,
        example="MOD(-7, 3)",
    ),
    Function("PI", (), _DOUBLE, _sql_function("pi"), "The number pi.", lambda: math.pi, example="PI()"),
    Function(
        "RAND",
        (N,),
        _DOUBLE,
        lambda *_: spherical.Random(),
        "A random number from 0 up to 1, another for each row; n has no effect, as ADQL 2.1 leaves its meaning open.",
        is_volatile=True,
        example="RAND()",
    ),
    Function(
        "ROUND",
        (X, N),
        _type_double_as_first,
        _sql_to_digits(spherical.Round),
        "x rounded to n decimals.",
        _fold_round,
        example="ROUND(2.718, 1)",
    ),
    Function(
        "TRUNCATE",
        (X, N),
        _type_double_as_first,
        _sql_to_digits(spherical.Truncate),
        "x truncated to n decimals.",
        _fold_trunc,
        example="TRUNCATE(2.718, 1)",
    ),
)

STRINGS = (
    Function(
        "LOWER",
        (TEXT,),
        _type_text_as_first,
        _sql_function("lower"),
        "The text in lower case.",
        feature="string",
        example="LOWER('NGC 309')",
    ),
    Function(
        "UPPER",
        (TEXT,),
        _type_text_as_first,
        _sql_function("upper"),
        "The text in upper case.",
        feature="string",
        example="UPPER('ngc 309')",
    ),
)

LON, LAT = Parameter("lon", "number"), Parameter("lat", "number")

POINT = Function(
    "POINT",
    (LON, LAT),
    result_of(types.POINT, "deg", "pos.eq"),
    _make_geometry("point"),
    "A position, in degrees.",
    feature=GEOMETRY_FEATURE,
    example="POINT(266.4, -29.0)",
)
CIRCLE = Function(
    "CIRCLE",
    (LON, LAT, Parameter("radius", "number")),
    result_of(types.CIRCLE, "deg", "pos.outline"),
    _make_geometry("circle"),
    "A circle about a position, in degrees.",
    feature=GEOMETRY_FEATURE,
    example="CIRCLE(266.4, -29.0, 0.5)",
)
BOX = Function(
    "BOX",
    (LON, LAT, Parameter("width", "number"), Parameter("height", "number")),
    result_of(types.POLYGON, "deg", "pos.outline"),
    _make_box,
    "A box about a position, in degrees.",
    feature=GEOMETRY_FEATURE,
    example="BOX(266.4, -29.0, 1, 0.5)",
)
POLYGON = Function(
    "POLYGON",
    (Parameter("lon", "number", repeatable=True),),
    result_of(types.POLYGON, "deg", "pos.outline"),
    _make_geometry("polygon"),
    "A polygon with these vertices, in degrees.",
    feature=GEOMETRY_FEATURE,
    example="POLYGON(10, 20, 11, 20, 10, 21)",
)
DISTANCE = Function(
    "DISTANCE",
    (POINT1, POINT2),
    result_of(types.DOUBLE, "deg", "pos.angDistance"),
    _sql_distance,
    "The great-circle distance of two points, in degrees.",
    feature=GEOMETRY_FEATURE,
    example="DISTANCE(POINT(10, 20), POINT(10, 21))",
)
CONTAINS = Function(
    "CONTAINS",
    (GEOMETRY, Parameter("in", "geometry")),
    _TRUTH,
    spherical.contains,
    "1 if the first geometry lies in the second, its border included; else 0.",
    is_predicate=True,
    feature=GEOMETRY_FEATURE,
    example="CONTAINS(POINT(10, 20), CIRCLE(10, 21, 2))",
)
INTERSECTS = Function(
    "INTERSECTS",
    (GEOMETRY, Parameter("with", "geometry")),
    _TRUTH,
    spherical.intersects,
    "1 if two geometries have a point in common; else 0.",
    is_predicate=True,
    feature=GEOMETRY_FEATURE,
    example="INTERSECTS(CIRCLE(10, 20, 1), CIRCLE(11, 20, 1))",
)
REGION = Function(
    "REGION",
    (TEXT,),
    result_of(types.POLYGON),
    _make_geometry("polygon"),
    "A geometry from its STC-S or DALI text.",
    feature=GEOMETRY_FEATURE,
    example="REGION('CIRCLE ICRS 266.4 -29.0 0.5')",
)


def _check_centroid(arguments: tuple[Value, ...]) -> str | None:
    moc = arguments[0].column.type is types.MOC
    return "a MOC has no single centre: it may be a ring or have many parts" if moc else None


GEOMETRIES = (
    POINT,
    CIRCLE,
    BOX,
    POLYGON,
    REGION,
    DISTANCE,
    CONTAINS,
    INTERSECTS,
    Function(
        "AREA",
        (GEOMETRY,),
        result_of(types.DOUBLE, "deg**2", "phys.angArea"),
        spherical.area,
        "The area of a geometry, in square degrees.",
        feature=GEOMETRY_FEATURE,
        example="AREA(CIRCLE(10, 20, 1))",
    ),
    Function(
        "CENTROID",
        (GEOMETRY,),
        result_of(types.POINT, "deg", "pos.eq"),
        spherical.centroid,
        "The centre of a geometry.",
        feature=GEOMETRY_FEATURE,
        check=_check_centroid,
        example="CENTROID(POLYGON(10, 20, 11, 20, 10, 21))",
    ),
    Function(
        "COORD1",
        (POINT1,),
        _type_coordinate("pos.eq.ra"),
        _take_coordinate(0),
        "The longitude of a point, in degrees.",
        feature=GEOMETRY_FEATURE,
        example="COORD1(POINT(10, 20))",
    ),
    Function(
        "COORD2",
        (POINT1,),
        _type_coordinate("pos.eq.dec"),
        _take_coordinate(1),
        "The latitude of a point, in degrees.",
        feature=GEOMETRY_FEATURE,
        example="COORD2(POINT(10, 20))",
    ),
)


def _define_operator(symbol: str, sql: Callable[..., Any], python: Callable[..., Any]) -> Function:
    return Function(symbol, (X, Y), _DOUBLE, sql, f"x {symbol} y", python)


OPERATORS = {
    "+": _define_operator("+", lambda x, y: x + y, lambda x, y: x + y),
    "-": _define_operator("-", lambda x, y: x - y, lambda x, y: x - y),
    "*": _define_operator("*", lambda x, y: x * y, lambda x, y: x * y),
    "/": _define_operator("/", spherical.Quotient, lambda x, y: x / y),
    "||": Function("||", (TEXT, TEXT), _VARCHAR, lambda a, b: a.concat(b), "Two texts in one.", str.__add__),
    "&": _define_operator("&", lambda x, y: x.op("&")(y), int.__and__),
    "|": _define_operator("|", lambda x, y: x.op("|")(y), int.__or__),
    "^": _define_operator("^", spherical.Xor, int.__xor__),
}  # fmt: skip
INTEGER_DIVISION = Function("/", (X, Y), _DOUBLE, spherical.IntegerDivision, "x / y, cut towards zero")
NEGATION = Function("-", (X,), _type_as_first, lambda x: -x, "-x", lambda x: -x)
COMPLEMENT = Function("~", (X,), _type_as_first, spherical.Complement, "~x", int.__invert__)

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""The comparisons of the language, of Python values and of SQL elements."""

COALESCE = Function(
    "COALESCE",
    (Parameter("value", "any", repeatable=True),),
    _type_as_first,
    _sql_function("coalesce"),
    "The first value that is not null.",
    feature="conditional",
    example="COALESCE(description, table_name)",
)
NULLIF = Function(
    "NULLIF",
    (Parameter("value", "any"), Parameter("nothing", "any")),
    _type_as_first,
    _sql_function("nullif"),
    "Null if both are equal.",
    example="NULLIF(table_name, 'none')",
)

IN_UNIT = Function(
    "IN_UNIT",
    (X, Parameter("unit", "text")),
    _type_double_as_first,
    lambda x, unit: x,
    "A number with a unit, converted to another unit.",
    feature="unit",
    example="IN_UNIT(DISTANCE(POINT(10, 20), POINT(10, 21)), 'arcmin')",
)
"""It becomes a product before it comes to SQL."""

FUNCTIONS = {f.name: f for f in (*MATHS, *STRINGS, *GEOMETRIES, COALESCE, NULLIF, IN_UNIT)}
AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")
