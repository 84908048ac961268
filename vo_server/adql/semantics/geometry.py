"""Geometries of ADQL (2.1 section 4.2) from resolved arguments, and what a comparison with one of their functions asks.

All positions are ICRS degrees; a coordinate system is read here, and who asks for another one turns what was made.
A geometry that is the same for all rows is checked here, and a box of constants becomes the polygon of its corners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import (
    BOX,
    CIRCLE,
    DISTANCE,
    FUNCTIONS,
    NEAR,
    POINT,
    POLYGON,
    STRICTLY_NEAR,
    Function,
)
from vo_server.adql.semantics.values import called, constant, is_kind, is_null, null_as
from vo_server.adql.syntax import tree
from vo_server.errors import QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import regions, shapes

_ICRS = {"", "ICRS", "FK5", "J2000", "UNKNOWN", "UNKNOWNFRAME"}
_TAKEN_FOR_ICRS = {"FK5", "J2000"}
_TURNED = {
    "GALACTIC": "GALACTIC",
    "GALACTIC_II": "GALACTIC",
    "SUPER_GALACTIC": "SUPER_GALACTIC",
    "SUPERGALACTIC": "SUPER_GALACTIC",
    "ECLIPTIC": "ECLIPTIC",
    "FK4": "FK4",
    "B1950": "FK4",
}
"""Coordinate systems from which a rotation leads to ICRS, under their names in sky.frames."""

# ------------------------------------------------------------ what it is


def coordinates(point: q.Value) -> list[q.Value]:
    """Longitude and latitude of a point."""
    if isinstance(point, q.Apply) and point.function is POINT:
        return list(point.arguments)
    parts = (FUNCTIONS["COORD1"], FUNCTIONS["COORD2"])
    return [q.Apply(f, (point,), f.result((point,))) for f in parts]


def constant_shape(value: q.Value) -> shapes.Shape | None:
    """The geometry that a value always is; None where it depends on a row."""
    if isinstance(value, q.Constant) and value.column.type is types.REGION and value.value is not None:
        return "region", regions.outline(value.value)
    if not isinstance(value, q.Apply) or value.function not in (POINT, CIRCLE, POLYGON):
        return None
    numbers = _constants(value)
    return None if numbers is None else (value.function.name.lower(), numbers)


def _constants(value: q.Apply) -> tuple[float, ...] | None:
    given = [a.value for a in value.arguments if isinstance(a, q.Constant) and a.value is not None]
    return tuple(float(n) for n in given) if len(given) == len(value.arguments) else None


# ------------------------------------------------------------- how it is made


def shape(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """POINT, CIRCLE, BOX, POLYGON of their numbers, points give their coordinates; see `frame`."""
    function = FUNCTIONS[node.name.upper()]
    pairs = list(zip(node.arguments, values, strict=True))
    if pairs and pairs[0][1].column.type.family == "text" and not is_kind(pairs[0][1], "number"):
        _frame(*pairs.pop(0), warn)
    numbers: list[q.Value] = []
    for a, v in pairs:
        if v.column.type is types.POINT:
            numbers += coordinates(v)
        elif is_kind(v, "number"):
            numbers.append(v)
        else:
            raise QueryError(f"{called(v)} in {node.name}, where a number is needed", span=a.place)
    if is_null(values[0]) and not _fits(function, len(numbers)):
        numbers.pop(0)  # NULL as the coordinate system
    return _made(function, numbers, node)


def _made(function: Function, numbers: Sequence[q.Value], node: tree.Call) -> q.Value:
    _complete(function, len(numbers), node)
    plain = tuple(null_as(n, types.DOUBLE) for n in numbers)
    made = q.Apply(function, plain, function.result(plain))
    _valid(made, node)
    if function is BOX:
        made = _cornered(made)
        _valid(made, node)
    return made


def _fits(function: Function, given: int) -> bool:
    return given >= 6 and given % 2 == 0 if function is POLYGON else given == len(function.parameters)


def _complete(function: Function, given: int, node: tree.Call) -> None:
    if function is POLYGON and not _fits(function, given):
        raise QueryError("POLYGON needs three or more vertices, a longitude and a latitude each", span=node.place)
    if not _fits(function, given):
        raise QueryError(f"{node.name} with {given} numbers", span=node.place, hint=f"it is {function.signature}")


def _frame(node: tree.Value, value: q.Value, warn: Callable[[str], None]) -> None:
    if not isinstance(value, q.Constant):
        raise QueryError("a coordinate system that is not a literal", span=node.place)
    name = _name(value)
    if name not in _ICRS | _TURNED.keys():
        raise QueryError(
            f"the coordinate system {value.value!r} is not known here",
            span=node.place,
            hint="positions are ICRS degrees",
        )
    if name in _TAKEN_FOR_ICRS:
        warn(f"{name} was taken for ICRS: they agree within 0.1 arcsec.")
    elif name in _TURNED:
        loss = ", without the elliptic aberration of up to 0.35 arcsec" if _TURNED[name] == "FK4" else ""
        warn(f"{name} was turned to ICRS{loss}: all positions are ICRS degrees.")


def _name(value: q.Constant) -> str:
    return str(value.value or "").strip().upper().split(" ")[0]


def frame(values: Sequence[q.Value]) -> str | None:
    """The frame from which a geometry of these arguments must be turned; points among them are in ICRS by now."""
    first, *rest = values
    if not isinstance(first, q.Constant) or first.column.type.family != "text":
        return None
    return None if any(v.column.type is types.POINT for v in rest) else _TURNED.get(_name(first))


def _valid(made: q.Apply, node: tree.Call) -> None:
    """What can be known to be wrong with a geometry of constants is said now."""
    numbers = _constants(made)
    if numbers is None:
        return
    latitudes = numbers[1::2] if made.function is POLYGON else numbers[1:2]
    if any(abs(lat) > 90 for lat in latitudes):
        raise QueryError(f"a latitude outside -90..90 in {node.name}", span=node.place)
    try:
        shapes.check(made.function.name.lower(), numbers)
    except shapes.BadShape as error:
        raise QueryError(str(error), span=node.place) from None


def _cornered(made: q.Apply) -> q.Apply:
    """A box of constants as the polygon of its corners."""
    numbers = _constants(made)
    if numbers is None:
        return made
    return q.Apply(POLYGON, tuple(constant(n) for n in shapes.box(*numbers)), made.column)


def from_text(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """REGION."""
    value = values[0] if len(values) == 1 else None
    if not isinstance(value, q.Constant) or not isinstance(value.value, str):
        raise QueryError("REGION takes one literal text", span=node.place, hint="such as REGION('CIRCLE 10 20 1')")
    try:
        return of_shapes(regions.read(value.value))
    except shapes.BadShape as error:
        raise QueryError(str(error), span=node.place) from None


_REGION = Column("", types.REGION, ucd="pos.outline")
_MAKERS = {"point": POINT, "circle": CIRCLE, "polygon": POLYGON}


def of_shapes(union: Sequence[shapes.Shape]) -> q.Value:
    """Shapes that are the same for all rows as one value, of several of them their union."""
    if len(union) > 1:
        return q.Constant(regions.worded_all(union), _REGION)
    ((kind, numbers),) = union
    made = _MAKERS[kind]
    return q.Apply(made, tuple(constant(n) for n in numbers), made.result(()))


def distance(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """DISTANCE of two points or of four coordinates."""
    numbers = [x for v in values for x in (coordinates(v) if v.column.type is types.POINT else [v])]
    if len(values) not in (2, 4) or len(numbers) != 4 or not all(is_kind(x, "number") for x in numbers):
        raise QueryError(
            "DISTANCE of something else than two points",
            span=node.place,
            hint=f"it is {DISTANCE.signature}, or lon1, lat1, lon2, lat2",
        )
    plain = [null_as(n, types.DOUBLE) for n in numbers]
    points = tuple(q.Apply(POINT, pair, POINT.result(pair)) for pair in ((plain[0], plain[1]), (plain[2], plain[3])))
    return q.Apply(DISTANCE, points, DISTANCE.result(points))


def coordsys(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """COORDSYS: there is one."""
    if len(values) != 1 or not is_kind(values[0], "geometry"):
        raise QueryError("COORDSYS takes one geometry", span=node.place)
    return q.Constant("ICRS", Column("", types.VARCHAR, length=4, ucd="meta.code"))


def coordinate(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """COORD1 and COORD2: of a point that is built, what it was built from."""
    name = node.name.upper()
    if len(values) != 1 or not is_kind(values[0], "point"):
        raise QueryError(f"{name} takes one point", span=node.place)
    return coordinates(values[0])[0 if name == "COORD1" else 1]


Builder = Callable[[tree.Call, Sequence[q.Value], Callable[[str], None]], q.Value]

BUILDERS: dict[str, Builder] = {
    "POINT": shape,
    "CIRCLE": shape,
    "BOX": shape,
    "POLYGON": shape,
    "REGION": from_text,
    "DISTANCE": distance,
    "COORDSYS": coordsys,
    "COORD1": coordinate,
    "COORD2": coordinate,
}

# ------------------------------------------------------- what is asked of it

_TRUE_OF: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def spatial(operator: str, value: q.Value, other: q.Value) -> q.Condition | None:
    """A geometry predicate compared with 1 or 0, or a DISTANCE with a radius, as a condition of its own."""
    if not isinstance(value, q.Apply):
        return None
    if value.function.predicate and value.function.feature != "udf":
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
    if not isinstance(other, q.Constant) or isinstance(other.value, str) or other.value is None:
        return None
    compare = _TRUE_OF[operator]
    one, nought = compare(1, other.value), compare(0, other.value)
    return one if one != nought else None
