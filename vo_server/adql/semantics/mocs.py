"""MOCs in the language (MOC 2.0): `MOC('6/1-3 7/20')`, `MOC(order, geometry)`, and CONTAINS and INTERSECTS of a MOC.

A position in a MOC of the query's text becomes a test of its cell against lists of cells, which every engine can hash
and the plan can turn into ranges of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import CONTAINS, GEOMETRY, INTERSECTS, Function, Parameter
from vo_server.adql.semantics.geometry import split_point
from vo_server.adql.semantics.internal_functions import CELL
from vo_server.adql.semantics.spherical import Element, Geometry, to_literal
from vo_server.adql.semantics.values import constant_fold, constant_value, describe, is_kind
from vo_server.adql.syntax import tree
from vo_server.errors import Code, QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import cover, mocs, regions
from vo_server.sky.shapes import Shape, ShapeError

MOC_COLUMN = Column("", types.MOC, ucd="pos.outline")
_TRUTH = Column("", types.INTEGER, ucd="meta.code")
_INTEGER = Column("", types.INTEGER)
_NUMBERS: sa.types.TypeEngine[Any] = sa.ARRAY(sa.BigInteger())
_CELL_NUMBERS = Column("", types.find_type("BIGINT ARRAY"))


def to_shape(value: Any) -> Shape:
    """Return the shape of a constant geometry (values.constant_value): a region from its text, any other from its
    numbers."""
    return "region", (regions.parse_outline(value) if isinstance(value, str) else tuple(value))


# ---------------------------------------------------------------- records


def _to_moc_text(order: int, shape: Any) -> str:
    return mocs.format_moc(mocs.moc_of_shape(order, to_shape(shape)), order)


MOC_OF_SHAPE = Function(
    "MOC(order, geometry)",
    (Parameter("order", "integer"), GEOMETRY),
    lambda _: MOC_COLUMN,
    lambda order, shape: Geometry("moc", value=spherical.MocOf(order, to_literal(shape.kind), shape.numbers)),
    "The HEALPix cells of an order, 0 to 29, that a geometry meets, as a MOC.",
    _to_moc_text,
    feature="udf",
    form="MOC(order INTEGER, geo GEOMETRY) -> MOC",
    example="MOC(6, CIRCLE(10, 20, 1))",
)
MOC_OF_TEXT = Function(
    "MOC",
    (Parameter("moc", "text"),),
    lambda _: MOC_COLUMN,
    lambda text: Geometry("moc", value=text),
    "A MOC from its ASCII form, such as '6/1-3 7/20', in ICRS.",
    feature="udf",
    form="MOC(moc TEXT) -> MOC",
    example="MOC('6/1-3 7/20')",
)
FORMS = (MOC_OF_SHAPE, MOC_OF_TEXT)


def _sql_in_cells(cell: Element, *levels: Element) -> Element:
    """Test whether the cell, or a larger one around it, is in the list of its order."""
    tests: list[Element] = []
    for bits, numbers in zip(levels[::2], levels[1::2], strict=True):
        listed = sa.select(sa.func.unnest(sa.cast(sa.type_coerce(numbers, _NUMBERS), _NUMBERS)).label("cell"))
        tests.append(spherical.AncestorCell(cell, bits).in_(listed))
    return sa.or_(*tests) if tests else cell < sa.literal_column("0")


def _define_shape_test(name: str, test: str) -> Function:
    def sql(moc: Geometry, shape: Geometry) -> Element:
        return spherical.MocTest(to_literal(test), moc.numbers, to_literal(shape.kind), shape.numbers)

    def fold(moc: str, shape: Any) -> int:
        return int(mocs.PREDICATES[test](mocs.parse_moc(moc)[1], to_shape(shape)))

    return Function(name, (_MOC, GEOMETRY), lambda _: _TRUTH, sql, name, fold, is_predicate=True)


def _define_moc_test(name: str, element: Callable[..., Element], test: Callable[..., bool]) -> Function:
    def sql(a: Geometry, b: Geometry) -> Element:
        return element(a.numbers, b.numbers)

    def fold(a: str, b: str) -> int:
        return int(test(mocs.parse_moc(a)[1], mocs.parse_moc(b)[1]))

    return Function(name, (_MOC, _MOC), lambda _: _TRUTH, sql, name, fold, is_predicate=True)


_MOC = Parameter("moc", "geometry")
IN_CELLS = Function(
    "CONTAINS(POINT, MOC of constants)",
    (Parameter("cell", "integer"), Parameter("level", "any", repeatable=True)),
    lambda _: _TRUTH,
    _sql_in_cells,
    "1 if a position is in one of these cells.",
    is_predicate=True,
)
POINT_IN_MOC = Function(
    "CONTAINS(POINT, MOC)",
    (_MOC, Parameter("point", "point")),
    lambda _: _TRUTH,
    lambda moc, point: spherical.InMoc(*point.centre, moc.numbers),
    "1 if a position is in a MOC.",
    is_predicate=True,
)
MOC_IN_MOC = _define_moc_test("CONTAINS(MOC, MOC)", lambda a, b: spherical.MocContains(a, b), mocs.contains_moc)
MOC_MEETS_MOC = _define_moc_test("INTERSECTS(MOC, MOC)", lambda a, b: spherical.MocIntersects(a, b), mocs.overlaps)
SHAPE_IN_MOC = _define_shape_test("CONTAINS(shape, MOC)", "contains")
MOC_IN_SHAPE = _define_shape_test("CONTAINS(MOC, shape)", "within")
MOC_MEETS_SHAPE = _define_shape_test("INTERSECTS(MOC, shape)", "meets")
"""The functions that CONTAINS and INTERSECTS become, with those above; the MOC comes first, of two the outer one."""

# --------------------------------------------------------------- builders


def build_moc(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """Build MOC of a text, or of an order and a geometry."""
    if len(values) == 1:
        return _build_from_text(node, values[0])
    if len(values) != 2:
        raise QueryError(
            f"wrong number of arguments for MOC: {len(values)}",
            span=node.span,
            hint=f"it is {MOC_OF_SHAPE.form}",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    order, shape = values
    number = constant_value(order)
    if not isinstance(number, int) or not 0 <= number <= cover.ORDER:
        raise QueryError(
            f"the order of a MOC must be an integer from 0 to {cover.ORDER} that is the same for all rows",
            span=node.arguments[0].span,
            hint=f"it is {MOC_OF_SHAPE.form}",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    if not is_kind(shape, "geometry") or shape.column.type is types.MOC:
        raise QueryError(
            f"{describe(shape)} in MOC, where a shape is needed",
            span=node.arguments[1].span,
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    value = constant_value(shape)
    if value is None:
        return q.FunctionCall(MOC_OF_SHAPE, (order, shape), MOC_COLUMN)
    try:
        return q.Constant(_to_moc_text(number, value), MOC_COLUMN)
    except ShapeError as error:
        raise QueryError(str(error), span=node.span, code=Code.ADQL_BAD_LITERAL) from None


def _build_from_text(node: tree.Call, value: q.Value) -> q.Value:
    if value.column.type.family != "text":
        raise QueryError(
            f"{describe(value)} in MOC, where an ASCII MOC is needed",
            span=node.arguments[0].span,
            hint="such as MOC('6/1-3 7/20'), or MOC(order, geometry)",
            code=Code.ADQL_WRONG_ARGUMENTS,
        )
    return convert_text(value, node)


def convert_text(value: q.Value, node: tree.Call | tree.Cast) -> q.Value:
    """Return a text as a MOC; a constant is checked."""
    if not isinstance(value, q.Constant):
        return q.TypeCast(value, MOC_COLUMN)
    if value.value is None:
        return q.Constant(None, MOC_COLUMN)
    try:
        order, ranges = mocs.parse_moc(value.value)
    except ShapeError as error:
        raise QueryError(str(error), span=node.span, code=Code.ADQL_BAD_LITERAL) from None
    return q.Constant(mocs.format_moc(ranges, order), MOC_COLUMN)


# ---------------------------------------------------------------- meaning


def rewrite_predicate(function: Function, arguments: tuple[q.Value, ...]) -> q.Value | None:
    """Rewrite CONTAINS or INTERSECTS of a MOC; None where none of the arguments is one."""
    if function not in (CONTAINS, INTERSECTS) or not any(_is_moc(a) for a in arguments):
        return None
    a, b = arguments
    outer, inner = (b, a) if _is_moc(b) else (a, b)
    if inner.column.type is types.POINT and (function is INTERSECTS or outer is b):
        return _rewrite_point_in_moc(outer, inner)
    record = _choose_function(function, _is_moc(inner), outer is b)
    return constant_fold(q.FunctionCall(record, (outer, inner), _TRUTH))


def _choose_function(function: Function, both: bool, holds: bool) -> Function:
    if both:
        return MOC_IN_MOC if function is CONTAINS else MOC_MEETS_MOC
    if function is INTERSECTS:
        return MOC_MEETS_SHAPE
    return SHAPE_IN_MOC if holds else MOC_IN_SHAPE


def _rewrite_point_in_moc(moc: q.Value, point: q.Value) -> q.Value:
    text = constant_value(moc)
    if text is None:
        return q.FunctionCall(POINT_IN_MOC, (moc, point), _TRUTH)
    cell = constant_fold(CELL.call(*split_point(point), q.Constant(cover.ORDER, _INTEGER)))
    levels: list[q.Value] = []
    for order, numbers in mocs.to_cells(mocs.parse_moc(text)[1]):
        levels.append(q.Constant(2 * (cover.ORDER - order), _INTEGER))
        levels.append(q.Constant(tuple(numbers.tolist()), _CELL_NUMBERS))
    return q.FunctionCall(IN_CELLS, (cell, *levels), _TRUTH)


def _is_moc(value: q.Value) -> bool:
    return value.column.type is types.MOC


def index_ranges(predicate: q.FunctionCall) -> cover.Ranges:
    """Return the ranges of the index, shape (n, 2), in which a position lies that is IN_CELLS."""
    ranges = [cover.EMPTY]
    levels = [a.value for a in predicate.arguments[1:] if isinstance(a, q.Constant)]
    for bits, numbers in zip(levels[::2], levels[1::2], strict=True):
        ranges.append(mocs.to_ranges(np.array(numbers, dtype=np.int64), cover.ORDER - bits // 2))
    return cover.normalise_ranges(np.concatenate(ranges))
