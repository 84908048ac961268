"""Geometries of ADQL (2.1 section 4.2) from resolved arguments, and comparisons with geometry functions as conditions.

All positions are ICRS degrees; a coordinate system is read here, and the caller rotates a geometry of another one. A
constant geometry is checked here, and a box of constants becomes the polygon of its corners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import BOX, CIRCLE, COMPARISONS, DISTANCE, FUNCTIONS, POINT, POLYGON, Function
from vo_server.adql.semantics.internal_functions import NEAR, STRICTLY_NEAR
from vo_server.adql.semantics.values import describe, is_kind, is_null, set_null_type, to_constant
from vo_server.adql.syntax import tree
from vo_server.errors import Code, QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import regions, shapes

_ICRS_NAMES = {"", "ICRS", "FK5", "J2000", "UNKNOWN", "UNKNOWNFRAME"}
_TAKEN_FOR_ICRS = {"FK5", "J2000"}
_ROTATED_FRAMES = {
    "GALACTIC": "GALACTIC",
    "GALACTIC_II": "GALACTIC",
    "SUPER_GALACTIC": "SUPER_GALACTIC",
    "SUPERGALACTIC": "SUPER_GALACTIC",
    "ECLIPTIC": "ECLIPTIC",
    "FK4": "FK4",
    "B1950": "FK4",
}
"""Coordinate systems from which a rotation leads to ICRS, under their names in sky.frames."""

# -------------------------------------------------------- constant geometries


def split_point(point: q.Value) -> list[q.Value]:
    """Return longitude and latitude of a point."""
    if isinstance(point, q.FunctionCall) and point.function is POINT:
        return list(point.arguments)
    parts = (FUNCTIONS["COORD1"], FUNCTIONS["COORD2"])
    return [f.call(point) for f in parts]


def constant_shape(value: q.Value) -> shapes.Shape | None:
    """Return the geometry of a constant value; None where it depends on a row."""
    if isinstance(value, q.Constant) and value.column.type is types.REGION and value.value is not None:
        return "region", regions.parse_outline(value.value)
    if not isinstance(value, q.FunctionCall) or value.function not in (POINT, CIRCLE, POLYGON):
        return None
    numbers = _constant_numbers(value)
    return None if numbers is None else (value.function.name.lower(), numbers)


def _constant_numbers(value: q.FunctionCall) -> tuple[float, ...] | None:
    numbers = [a.value for a in value.arguments if isinstance(a, q.Constant) and a.value is not None]
    return tuple(float(n) for n in numbers) if len(numbers) == len(value.arguments) else None


# ----------------------------------------------------------------- builders


def build_shape(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build POINT, CIRCLE, BOX or POLYGON from numbers; points give their coordinates. See `find_frame`."""
    function = FUNCTIONS[node.name.upper()]
    pairs = list(zip(node.arguments, values, strict=True))
    if pairs and pairs[0][1].column.type.family == "text" and not is_kind(pairs[0][1], "number"):
        _check_frame(*pairs.pop(0), warn)
    numbers: list[q.Value] = []
    for a, v in pairs:
        if v.column.type is types.POINT:
            numbers += split_point(v)
        elif is_kind(v, "number"):
            numbers.append(v)
        else:
            raise QueryError(
                f"{describe(v)} in {node.name}, where a number is needed", span=a.span, code=Code.ADQL_WRONG_ARGUMENTS
            )
    if is_null(values[0]) and not _has_right_count(function, len(numbers)):
        numbers.pop(0)  # NULL as the coordinate system
    return _build(function, numbers, node)


def _build(function: Function, numbers: Sequence[q.Value], node: tree.Call) -> q.Value:
    _check_count(function, len(numbers), node)
    arguments = tuple(set_null_type(n, types.DOUBLE) for n in numbers)
    shape = function.call(*arguments)
    _check_constant(shape, node)
    if function is BOX:
        shape = _box_to_polygon(shape)
        _check_constant(shape, node)
    return shape


def _has_right_count(function: Function, count: int) -> bool:
    return count >= 6 and count % 2 == 0 if function is POLYGON else count == len(function.parameters)


def _check_count(function: Function, count: int, node: tree.Call) -> None:
    if function is POLYGON and not _has_right_count(function, count):
        raise QueryError(
            "POLYGON needs three or more vertices, a longitude and a latitude each",
            span=node.span,
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    if not _has_right_count(function, count):
        raise QueryError(
            f"{node.name} cannot be made of {count} numbers",
            span=node.span,
            hint=f"it is {function.signature}",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )


def _check_frame(node: tree.Value, value: q.Value, warn: Callable[[str], None]) -> None:
    if not isinstance(value, q.Constant):
        raise QueryError("the coordinate system must be a literal text", span=node.span, code=Code.ADQL_WRONG_ARGUMENTS)
    name = _parse_frame_name(value)
    if name not in _ICRS_NAMES | _ROTATED_FRAMES.keys():
        raise QueryError(
            f"unknown coordinate system {value.value!r}",
            span=node.span,
            hint="positions are ICRS degrees",
            code=Code.ADQL_BAD_LITERAL,
        )
    if name in _TAKEN_FOR_ICRS:
        warn(f"{name} was taken for ICRS: they agree within 0.1 arcsec.")
    elif name in _ROTATED_FRAMES:
        loss = ", without the elliptic aberration of up to 0.35 arcsec" if _ROTATED_FRAMES[name] == "FK4" else ""
        warn(f"{name} was rotated to ICRS{loss}: all positions are ICRS degrees.")


def _parse_frame_name(value: q.Constant) -> str:
    return str(value.value or "").strip().upper().split(" ")[0]


def find_frame(values: Sequence[q.Value]) -> str | None:
    """Return the frame from which a geometry of these arguments must be rotated; points among them are in ICRS
    already."""
    first, *rest = values
    if not isinstance(first, q.Constant) or first.column.type.family != "text":
        return None
    return None if any(v.column.type is types.POINT for v in rest) else _ROTATED_FRAMES.get(_parse_frame_name(first))


def _check_constant(shape: q.FunctionCall, node: tree.Call) -> None:
    """Check a geometry of constants."""
    numbers = _constant_numbers(shape)
    if numbers is None:
        return
    latitudes = numbers[1::2] if shape.function is POLYGON else numbers[1:2]
    if any(abs(lat) > 90 for lat in latitudes):
        raise QueryError(f"latitude outside -90..90 in {node.name}", span=node.span, code=Code.ADQL_BAD_LITERAL)
    try:
        shapes.check_shape(shape.function.name.lower(), numbers)
    except shapes.ShapeError as error:
        raise QueryError(str(error), span=node.span, code=Code.ADQL_BAD_LITERAL) from None


def _box_to_polygon(box: q.FunctionCall) -> q.FunctionCall:
    """Return a box of constants as the polygon of its corners."""
    numbers = _constant_numbers(box)
    if numbers is None:
        return box
    return q.FunctionCall(POLYGON, tuple(to_constant(n) for n in shapes.box_vertices(*numbers)), box.column)


def build_region(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build REGION."""
    value = values[0] if len(values) == 1 else None
    if not isinstance(value, q.Constant) or not isinstance(value.value, str):
        raise QueryError(
            "REGION takes one literal text",
            span=node.span,
            hint="such as REGION('CIRCLE 10 20 1')",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    try:
        return from_shapes(regions.parse_region(value.value))
    except shapes.ShapeError as error:
        raise QueryError(str(error), span=node.span, code=Code.ADQL_BAD_LITERAL) from None


_REGION = Column("", types.REGION, ucd="pos.outline")
_CONSTRUCTORS = {"point": POINT, "circle": CIRCLE, "polygon": POLYGON}


def from_shapes(union: Sequence[shapes.Shape]) -> q.Value:
    """Return constant shapes as one value, several of them as their union."""
    if len(union) > 1:
        return q.Constant(regions.format_shapes(union), _REGION)
    ((kind, numbers),) = union
    function = _CONSTRUCTORS[kind]
    return function.call(*(to_constant(n) for n in numbers))


def build_distance(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build DISTANCE of two points or of four coordinates."""
    numbers = [x for v in values for x in (split_point(v) if v.column.type is types.POINT else [v])]
    if len(values) not in (2, 4) or len(numbers) != 4 or not all(is_kind(x, "number") for x in numbers):
        raise QueryError(
            "DISTANCE takes two points",
            span=node.span,
            hint=f"it is {DISTANCE.signature}, or lon1, lat1, lon2, lat2",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    plain = [set_null_type(n, types.DOUBLE) for n in numbers]
    points = POINT.call(plain[0], plain[1]), POINT.call(plain[2], plain[3])
    return DISTANCE.call(*points)


def build_coordsys(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build COORDSYS, which is always ICRS."""
    if len(values) != 1 or not is_kind(values[0], "geometry"):
        raise QueryError("COORDSYS takes one geometry", span=node.span, code=Code.ADQL_WRONG_ARGUMENTS)
    return q.Constant("ICRS", Column("", types.VARCHAR, length=4, ucd="meta.code"))


def build_coordinate(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build COORD1 and COORD2: of a point that is built, the coordinate that it was built from."""
    name = node.name.upper()
    if len(values) != 1 or not is_kind(values[0], "point"):
        raise QueryError(f"{name} takes one point", span=node.span, code=Code.ADQL_WRONG_ARGUMENTS)
    return split_point(values[0])[0 if name == "COORD1" else 1]


Builder = Callable[[tree.Call, Sequence[q.Value], Callable[[str], None]], q.Value]

BUILDERS: dict[str, Builder] = {
    "POINT": build_shape,
    "CIRCLE": build_shape,
    "BOX": build_shape,
    "POLYGON": build_shape,
    "REGION": build_region,
    "DISTANCE": build_distance,
    "COORDSYS": build_coordsys,
    "COORD1": build_coordinate,
    "COORD2": build_coordinate,
}

# --------------------------------------------------------------- conditions


def to_predicate_test(operator: str, value: q.Value, other: q.Value) -> q.Condition | None:
    """Return a geometry predicate compared with 1 or 0, or a DISTANCE with a radius, as a condition of its own; None
    for any other comparison."""
    if not isinstance(value, q.FunctionCall):
        return None
    if value.function.is_predicate and value.function.feature != "udf":
        truth = _find_expected_truth(operator, other)
        return None if truth is None else q.PredicateTest(value) if truth else q.Negation(q.PredicateTest(value))
    if value.function is DISTANCE and operator in ("<", "<=", ">", ">=") and other.column.type.is_numeric:
        function = NEAR if operator in ("<=", ">") else STRICTLY_NEAR
        arguments = (*value.arguments, other)
        holds = q.PredicateTest(function.call(*arguments))
        return holds if operator in ("<", "<=") else q.Negation(holds)
    return None


def _find_expected_truth(operator: str, other: q.Value) -> bool | None:
    """Tell whether a comparison with this value needs a predicate to be true (or, if False, to be false); None for
    neither."""
    if not isinstance(other, q.Constant) or isinstance(other.value, str) or other.value is None:
        return None
    compare = COMPARISONS[operator]
    one, nought = compare(1, other.value), compare(0, other.value)
    return one if one != nought else None
