"""The functions of the language, one record each (ADQL 2.1 sections 2.3 and 4).

All that is said of a function is derived from its record: how it is typed, compiled, worked out ahead of time when
its arguments are constants, and announced.
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
from vo_server.adql.semantics.query import Constant, Value
from vo_server.adql.semantics.spherical import Element, Geometry
from vo_server.adql.semantics.units import computed_ucd, power_unit, root_unit
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import cover

Kind = Literal["number", "integer", "text", "time", "point", "geometry", "interval", "any"]
Rule = Callable[[tuple[Value, ...]], Column]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument: its name in the signature and what may stand there. `many`: it may be repeated."""

    name: str
    kind: Kind
    optional: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    `sql` is given an Element for each argument, or a Geometry where the parameter is one. `fold` does the same in
    Python for constants. `predicate`: `sql` gives a truth value, which the language knows as 1 or 0.
    `feature` is the kind of language feature that TAPRegExt announces it under, None for the core of the language.
    `form` is how a user-defined function is announced: `name(argument TYPE, ...) -> TYPE`.
    `check` tells what is wrong with arguments of the right kinds, None where nothing is. `means` may say the same by
    other functions. `aggregate`: it is of the rows of a group. `varies`: it is another in each row.
    `example` is an expression that calls it with constants or columns of TAP_SCHEMA.tables, for the documentation.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: Rule
    sql: Callable[..., Any]
    doc: str
    fold: Callable[..., Any] | None = None
    predicate: bool = False
    feature: str | None = None
    form: str | None = None
    check: Callable[[tuple[Value, ...]], str | None] | None = None
    means: Callable[[tuple[Value, ...]], Value | None] | None = None
    aggregate: bool = False
    varies: bool = False
    example: str = ""

    @override
    def __hash__(self) -> int:
        """By name: equality looks at all."""
        return hash(self.name)

    @property
    def least(self) -> int:
        """How many arguments there must be."""
        return sum(not p.optional for p in self.parameters)

    @property
    def most(self) -> int | None:
        """How many arguments there may be; None for any number."""
        return None if any(p.many for p in self.parameters) else len(self.parameters)

    def parameter(self, n: int) -> Parameter:
        """The parameter that the nth argument is for, from 0."""
        return self.parameters[min(n, len(self.parameters) - 1)]

    @property
    def signature(self) -> str:
        """How it is called, for messages."""
        if self.form is not None:
            return self.form
        shown = [f"[{p.name}]" if p.optional else f"{p.name}, ..." if p.many else p.name for p in self.parameters]
        return f"{self.name}({', '.join(shown)})"


# ------------------------------------------------------------ typing rules


def _always(type: types.Type, unit: str | None = None, ucd: str | None = None) -> Rule:
    column = Column("", type, unit=unit, ucd=ucd)
    return lambda _: column


def _as_first(arguments: tuple[Value, ...]) -> Column:
    """The type, unit and UCD of the first argument."""
    first = arguments[0].column
    return Column("", first.type, length=first.length, unit=first.unit, ucd=computed_ucd(first.ucd))


def _double_as_first(arguments: tuple[Value, ...]) -> Column:
    """A double in the unit of the first argument."""
    return _as_first(arguments).replace(type=types.DOUBLE)


def _angle_in(unit: str) -> Rule:
    """An angle, the same in another unit."""
    return lambda arguments: _double_as_first(arguments).replace(unit=unit)


def _power(arguments: tuple[Value, ...]) -> Column:
    base, exponent = arguments
    known = exponent.value if isinstance(exponent, Constant) else None
    return Column("", types.DOUBLE, unit=None if known is None else power_unit(base.column.unit, known))


def _root(arguments: tuple[Value, ...]) -> Column:
    return Column("", types.DOUBLE, unit=root_unit(arguments[0].column.unit))


def _part(word: str) -> Rule:
    """A coordinate of a point."""
    return lambda arguments: Column(
        "", types.DOUBLE, unit="deg", ucd=word if arguments[0].column.ucd in ("pos.eq", "pos.eq;meta.main") else None
    )


def _text_as_first(arguments: tuple[Value, ...]) -> Column:
    first = arguments[0].column
    type = types.VARCHAR if first.type.geometric or first.type.family != "text" else first.type
    return Column("", type, first.length, ucd=computed_ucd(first.ucd))


def common_type(columns: list[Column]) -> types.Type | None:
    """The type that holds the values of all; None where there is none."""
    result = columns[0].type
    for other in (c.type for c in columns[1:]):
        if result.numeric and other.numeric:
            result = types.wider(result, other)
        elif result is other and result.geometric:
            continue
        elif result.geometric or other.geometric:
            return None
        elif result.family == other.family == "text":
            result = types.VARCHAR
        elif result.family == other.family == "time":
            result = types.TIMESTAMP if result is not other else result
        elif result is not other:
            return None
    return result


def _remainder(arguments: tuple[Value, ...]) -> Column:
    return _as_first(arguments).replace(type=common_type([a.column for a in arguments]) or types.DOUBLE, ucd=None)


# --------------------------------------------------------- how SQL says it


def _named(name: str) -> Callable[..., Element]:
    return lambda *arguments: getattr(sa.func, name)(*arguments)


def _to(element: Callable[..., Element]) -> Callable[..., Element]:
    return lambda x, n=None: element(x, _NONE if n is None else n)


_NONE = sa.literal_column("0", sa.Integer())


def _fold_trunc(x: float, n: int = 0) -> float:
    return math.trunc(x * 10.0**n) / 10.0**n + 0.0


def _fold_round(x: float, n: int = 0) -> float:
    big = abs(x) * 10.0**n
    return math.copysign(math.floor(big) + (big - math.floor(big) >= 0.5), x) / 10.0**n + 0.0


def _coordinate(n: int) -> Callable[[Geometry], Element]:
    return lambda point: point.coordinate(n)


def _make(kind: str) -> Callable[..., Geometry]:
    return lambda *coordinates: Geometry(kind, coordinates)


def _box(*coordinates: Element) -> Geometry:
    return Geometry("polygon", whole=spherical.Box(*coordinates))


def _near(element: type[spherical.Near]) -> Callable[..., Element]:
    return lambda a, b, radius: element(*a.centre, *b.centre, radius)


def _distance(a: Geometry, b: Geometry) -> Element:
    return spherical.Distance(*a.centre, *b.centre)


# ----------------------------------------------------------------- records

X = Parameter("x", "number")
Y = Parameter("y", "number")
N = Parameter("n", "integer", optional=True)
TEXT = Parameter("text", "text")
GEOMETRY = Parameter("geometry", "geometry")
POINT1, POINT2 = Parameter("point1", "point"), Parameter("point2", "point")

_DOUBLE = _always(types.DOUBLE)
_DEGREES = _always(types.DOUBLE, "deg")
_RADIANS = _always(types.DOUBLE, "rad")
_VARCHAR = _always(types.VARCHAR)
_TRUTH = _always(types.INTEGER, ucd="meta.code")
GEO = "adqlgeo"


def _maths(
    name: str, python: Callable[..., Any], doc: str, *, example: str, sql: str = "", result: Rule = _DOUBLE
) -> Function:
    return Function(name, (X,), result, _named(sql or name.lower()), doc, python, example=example)


MATHS = (
    _maths("ABS", abs, "The absolute value.", result=_as_first, example="ABS(-2.5)"),
    _maths(
        "CEILING",
        math.ceil,
        "The smallest whole number not below x.",
        sql="ceil",
        result=_double_as_first,
        example="CEILING(2.1)",
    ),
    _maths(
        "FLOOR", math.floor, "The largest whole number not above x.", result=_double_as_first, example="FLOOR(-2.1)"
    ),
    _maths("EXP", math.exp, "e to the power of x.", example="EXP(1)"),
    _maths("LOG", math.log, "The natural logarithm.", sql="ln", example="LOG(10)"),
    _maths("LOG10", math.log10, "The logarithm to base 10.", example="LOG10(1000)"),
    _maths("SQRT", math.sqrt, "The square root.", result=_root, example="SQRT(2)"),
    _maths("DEGREES", math.degrees, "Radians to degrees.", result=_angle_in("deg"), example="DEGREES(PI())"),
    _maths("RADIANS", math.radians, "Degrees to radians.", result=_angle_in("rad"), example="RADIANS(180)"),
    _maths("ACOS", math.acos, "The arc cosine, in radians.", result=_RADIANS, example="ACOS(0.5)"),
    _maths("ASIN", math.asin, "The arc sine, in radians.", result=_RADIANS, example="ASIN(0.5)"),
    _maths("ATAN", math.atan, "The arc tangent, in radians.", result=_RADIANS, example="ATAN(1)"),
    _maths("COS", math.cos, "The cosine of an angle in radians.", example="COS(RADIANS(60))"),
    _maths("SIN", math.sin, "The sine of an angle in radians.", example="SIN(RADIANS(30))"),
    _maths("TAN", math.tan, "The tangent of an angle in radians.", example="TAN(RADIANS(45))"),
    _maths("COT", lambda x: 1 / math.tan(x), "The cotangent of an angle in radians.", example="COT(RADIANS(45))"),
    Function(
        "ATAN2",
        (Y, X),
        _RADIANS,
        _named("atan2"),
        "The angle of (x, y), in radians.",
        math.atan2,
        example="ATAN2(1, -1)",
    ),
    Function("POWER", (X, Y), _power, _named("power"), "x to the power of y.", math.pow, example="POWER(10, -0.4)"),
    Function(
        "MOD",
        (X, Y),
        _remainder,
        spherical.Remainder,
        "The remainder of x / y, with the sign of x.",
        math.fmod,
        example="MOD(-7, 3)",
    ),
    Function("PI", (), _DOUBLE, _named("pi"), "The number pi.", lambda: math.pi, example="PI()"),
    Function(
        "RAND",
        (N,),
        _DOUBLE,
        lambda *_: spherical.Random(),
        "A random number from 0 up to 1, another for each row; n has no effect, for ADQL 2.1 leaves open which.",
        varies=True,
        example="RAND()",
    ),
    Function(
        "ROUND",
        (X, N),
        _double_as_first,
        _to(spherical.Round),
        "x rounded to n decimals.",
        _fold_round,
        example="ROUND(2.718, 1)",
    ),
    Function(
        "TRUNCATE",
        (X, N),
        _double_as_first,
        _to(spherical.Truncate),
        "x cut to n decimals.",
        _fold_trunc,
        example="TRUNCATE(2.718, 1)",
    ),
)

STRINGS = (
    Function(
        "LOWER",
        (TEXT,),
        _text_as_first,
        _named("lower"),
        "The text in lower case.",
        feature="string",
        example="LOWER('NGC 309')",
    ),
    Function(
        "UPPER",
        (TEXT,),
        _text_as_first,
        _named("upper"),
        "The text in upper case.",
        feature="string",
        example="UPPER('ngc 309')",
    ),
)

LON, LAT = Parameter("lon", "number"), Parameter("lat", "number")

POINT = Function(
    "POINT",
    (LON, LAT),
    _always(types.POINT, "deg", "pos.eq"),
    _make("point"),
    "A position, in degrees.",
    feature=GEO,
    example="POINT(266.4, -29.0)",
)
CIRCLE = Function(
    "CIRCLE",
    (LON, LAT, Parameter("radius", "number")),
    _always(types.CIRCLE, "deg", "pos.outline"),
    _make("circle"),
    "A circle about a position, in degrees.",
    feature=GEO,
    example="CIRCLE(266.4, -29.0, 0.5)",
)
BOX = Function(
    "BOX",
    (LON, LAT, Parameter("width", "number"), Parameter("height", "number")),
    _always(types.POLYGON, "deg", "pos.outline"),
    _box,
    "A box about a position, in degrees.",
    feature=GEO,
    example="BOX(266.4, -29.0, 1, 0.5)",
)
POLYGON = Function(
    "POLYGON",
    (Parameter("lon", "number", many=True),),
    _always(types.POLYGON, "deg", "pos.outline"),
    _make("polygon"),
    "A polygon with these vertices, in degrees.",
    feature=GEO,
    example="POLYGON(10, 20, 11, 20, 10, 21)",
)
DISTANCE = Function(
    "DISTANCE",
    (POINT1, POINT2),
    _always(types.DOUBLE, "deg", "pos.angDistance"),
    _distance,
    "The great-circle distance of two points, in degrees.",
    feature=GEO,
    example="DISTANCE(POINT(10, 20), POINT(10, 21))",
)
CONTAINS = Function(
    "CONTAINS",
    (GEOMETRY, Parameter("in", "geometry")),
    _TRUTH,
    spherical.contains,
    "1 if the first geometry lies in the second, its border included; else 0.",
    predicate=True,
    feature=GEO,
    example="CONTAINS(POINT(10, 20), CIRCLE(10, 21, 2))",
)
INTERSECTS = Function(
    "INTERSECTS",
    (GEOMETRY, Parameter("with", "geometry")),
    _TRUTH,
    spherical.intersects,
    "1 if two geometries have a point in common; else 0.",
    predicate=True,
    feature=GEO,
    example="INTERSECTS(CIRCLE(10, 20, 1), CIRCLE(11, 20, 1))",
)
REGION = Function(
    "REGION",
    (TEXT,),
    _always(types.POLYGON),
    _make("polygon"),
    "A geometry from its STC-S or DALI text.",
    feature=GEO,
    example="REGION('CIRCLE ICRS 266.4 -29.0 0.5')",
)


def _is_middled(arguments: tuple[Value, ...]) -> str | None:
    moc = arguments[0].column.type is types.MOC
    return "a MOC has no middle of its own, it may lie all round it or in many parts" if moc else None


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
        _always(types.DOUBLE, "deg**2", "phys.angArea"),
        spherical.area,
        "The area of a geometry, in square degrees.",
        feature=GEO,
        example="AREA(CIRCLE(10, 20, 1))",
    ),
    Function(
        "CENTROID",
        (GEOMETRY,),
        _always(types.POINT, "deg", "pos.eq"),
        spherical.centroid,
        "The middle of a geometry.",
        feature=GEO,
        check=_is_middled,
        example="CENTROID(POLYGON(10, 20, 11, 20, 10, 21))",
    ),
    Function(
        "COORD1",
        (POINT1,),
        _part("pos.eq.ra"),
        _coordinate(0),
        "Its longitude, in degrees.",
        feature=GEO,
        example="COORD1(POINT(10, 20))",
    ),
    Function(
        "COORD2",
        (POINT1,),
        _part("pos.eq.dec"),
        _coordinate(1),
        "Its latitude, in degrees.",
        feature=GEO,
        example="COORD2(POINT(10, 20))",
    ),
)

NEAR = Function(
    "NEAR",
    (POINT1, POINT2, X),
    _TRUTH,
    _near(spherical.Near),
    "Is the distance at most so many degrees?",
    predicate=True,
)
STRICTLY_NEAR = Function(
    "STRICTLY_NEAR",
    (POINT1, POINT2, X),
    _TRUTH,
    _near(spherical.StrictlyNear),
    "Is the distance less than so many degrees?",
    predicate=True,
)
"""What a comparison of DISTANCE with a radius becomes; users do not write these."""


def _stc_s(shape: Geometry) -> Element:
    said: Element = spherical.fixed(f"{shape.kind.upper()} ICRS ")
    return said.concat(spherical.Numbered(shape.numbers))


STC_S = Function(
    "STC_S",
    (GEOMETRY,),
    _always(types.REGION, ucd="pos.outline"),
    _stc_s,
    "A polygon or a circle as a region in words.",
)
LIST = Function(
    "LIST",
    (Parameter("value", "any", many=True),),
    lambda arguments: Column("", types.named(f"{arguments[0].column.type} ARRAY")),
    lambda *values: spherical.Listed(*values),
    "Values of one type as an array.",
)
"""What s_region of ObsCore is made by, and arrays of SIA 1; users do not write them."""

EACH = Function(
    "EACH",
    (Parameter("value", "any", many=True),),
    lambda arguments: arguments[0].column,
    lambda *values: sa.func.unnest(spherical.Listed(*values)),
    "Values of one type, a row each.",
)
"""By which a row stands once for each of some values (query.Spread); users do not write it."""

_NUMBER = _always(types.BIGINT)
CELL = Function("CELL", (LON, LAT, N), _NUMBER, spherical.Cell, "The HEALPix cell of a position.", cover.cell)
ANCESTOR = Function(
    "ANCESTOR", (X, N), _NUMBER, spherical.Ancestor, "A larger HEALPix cell that holds one.", operator.rshift
)
_ORDER = _always(types.INTEGER)
_RADIUS = Parameter("radius", "number")
CELLS = Function(
    "CELLS", (LON, LAT, _RADIUS, N), _NUMBER, spherical.Cells, "The HEALPix cells that a circle reaches into."
)
ORDER = Function("ORDER", (_RADIUS,), _ORDER, spherical.Order, "The order of these cells for circles of all sizes.")
MARK = Function("MARK", (X, N), _NUMBER, spherical.Mark, "A number for a cell that tells its order, too.")
KEY = Function("KEY", (X, N), _NUMBER, spherical.Key, "The same for the cell that holds a HEALPix number.")
IN_CELL = Function("IN_CELL", (X, X, N), _TRUTH, spherical.InCell, "Does a cell hold a HEALPix number?", predicate=True)
LOOK_UP = Function("LOOK_UP", (X, X, N), _TRUTH, spherical.LookUp, "The same, asked of few cells.", predicate=True)
"""What a join on nearness becomes; users do not write these either."""


def _arithmetic(symbol: str, sql: Callable[..., Any], python: Callable[..., Any]) -> Function:
    return Function(symbol, (X, Y), _DOUBLE, sql, f"x {symbol} y", python)


OPERATORS = {
    "+": _arithmetic("+", lambda x, y: x + y, lambda x, y: x + y),
    "-": _arithmetic("-", lambda x, y: x - y, lambda x, y: x - y),
    "*": _arithmetic("*", lambda x, y: x * y, lambda x, y: x * y),
    "/": _arithmetic("/", spherical.Quotient, lambda x, y: x / y),
    "||": Function("||", (TEXT, TEXT), _VARCHAR, lambda a, b: a.concat(b), "Two texts in one.", str.__add__),
    "&": _arithmetic("&", lambda x, y: x.op("&")(y), int.__and__),
    "|": _arithmetic("|", lambda x, y: x.op("|")(y), int.__or__),
    "^": _arithmetic("^", spherical.Xor, int.__xor__),
}  # fmt: skip
WHOLE_QUOTIENT = Function("/", (X, Y), _DOUBLE, spherical.IntegerDivision, "x / y, cut towards zero")
NEGATION = Function("-", (X,), _as_first, lambda x: -x, "-x", lambda x: -x)
COMPLEMENT = Function("~", (X,), _as_first, spherical.Complement, "~x", int.__invert__)

COALESCE = Function(
    "COALESCE",
    (Parameter("value", "any", many=True),),
    _as_first,
    _named("coalesce"),
    "The first value that is not null.",
    feature="conditional",
    example="COALESCE(description, table_name)",
)
NULLIF = Function(
    "NULLIF",
    (Parameter("value", "any"), Parameter("nothing", "any")),
    _as_first,
    _named("nullif"),
    "Null if both are equal.",
    example="NULLIF(table_name, 'none')",
)

IN_UNIT = Function(
    "IN_UNIT",
    (X, Parameter("unit", "text")),
    _double_as_first,
    lambda x, unit: x,
    "A number that has a unit, in another one.",
    feature="unit",
    example="IN_UNIT(DISTANCE(POINT(10, 20), POINT(10, 21)), 'arcmin')",
)
"""Written as a product before it comes to SQL."""

FUNCTIONS = {f.name: f for f in (*MATHS, *STRINGS, *GEOMETRIES, COALESCE, NULLIF, IN_UNIT)}
AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")
