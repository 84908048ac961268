"""MOCs in the language (MOC 2.0): `MOC('6/1-3 7/20')`, `MOC(order, geometry)`, and what CONTAINS and INTERSECTS are
where one of their arguments is one.

A position in a MOC of the query's text is a test of its cell against lists of cells, which every engine can hash and
the plan can turn into ranges of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import (
    CELL,
    CONTAINS,
    GEOMETRY,
    INTERSECTS,
    Function,
    Parameter,
)
from vo_server.adql.semantics.geometry import coordinates
from vo_server.adql.semantics.spherical import Element, Geometry, fixed
from vo_server.adql.semantics.values import always, called, folded, is_kind
from vo_server.adql.syntax import tree
from vo_server.errors import QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import cover, mocs, regions
from vo_server.sky.shapes import BadShape, Shape

COLUMN = Column("", types.MOC, ucd="pos.outline")
_TRUTH = Column("", types.INTEGER, ucd="meta.code")
_WHOLE = Column("", types.INTEGER)
_NUMBERS: sa.types.TypeEngine[Any] = sa.ARRAY(sa.BigInteger())
_CELL_NUMBERS = Column("", types.named("BIGINT ARRAY"))


def shape_of(value: Any) -> Shape:
    """What a constant geometry is (values.always): a region by its text, any other by its numbers."""
    return "region", (regions.outline(value) if isinstance(value, str) else tuple(value))


# ---------------------------------------------------------------- records


def _of(order: int, shape: Any) -> str:
    return mocs.text(mocs.of(order, shape_of(shape)), order)


OF_SHAPE = Function(
    "MOC(order, geometry)",
    (Parameter("order", "integer"), GEOMETRY),
    lambda _: COLUMN,
    lambda order, shape: Geometry("moc", whole=spherical.MocOf(order, fixed(shape.kind), shape.numbers)),
    "The HEALPix cells of an order, 0 to 29, that a geometry meets, as a MOC.",
    _of,
    feature="udf",
    form="MOC(order INTEGER, geo GEOMETRY) -> MOC",
    example="MOC(6, CIRCLE(10, 20, 1))",
)
OF_TEXT = Function(
    "MOC",
    (Parameter("moc", "text"),),
    lambda _: COLUMN,
    lambda text: Geometry("moc", whole=text),
    "A MOC from its ASCII form, such as '6/1-3 7/20', in ICRS.",
    feature="udf",
    form="MOC(moc TEXT) -> MOC",
    example="MOC('6/1-3 7/20')",
)
FORMS = (OF_SHAPE, OF_TEXT)


def _among(cell: Element, *levels: Element) -> Element:
    """Is the cell, or a larger one around it, in the list of its order?"""
    tests: list[Element] = []
    for bits, numbers in zip(levels[::2], levels[1::2], strict=True):
        listed = sa.select(sa.func.unnest(sa.cast(sa.type_coerce(numbers, _NUMBERS), _NUMBERS)).label("cell"))
        tests.append(spherical.Ancestor(cell, bits).in_(listed))
    return sa.or_(*tests) if tests else cell < sa.literal_column("0")


def _test(name: str, test: str) -> Function:
    def sql(moc: Geometry, shape: Geometry) -> Element:
        return spherical.MocTest(fixed(test), moc.numbers, fixed(shape.kind), shape.numbers)

    def fold(moc: str, shape: Any) -> int:
        return int(mocs.TESTS[test](mocs.read(moc)[1], shape_of(shape)))

    return Function(name, (_MOC, GEOMETRY), lambda _: _TRUTH, sql, name, fold, predicate=True)


def _both(name: str, element: Callable[..., Element], test: Callable[..., bool]) -> Function:
    def sql(a: Geometry, b: Geometry) -> Element:
        return element(a.numbers, b.numbers)

    def fold(a: str, b: str) -> int:
        return int(test(mocs.read(a)[1], mocs.read(b)[1]))

    return Function(name, (_MOC, _MOC), lambda _: _TRUTH, sql, name, fold, predicate=True)


_MOC = Parameter("moc", "geometry")
IN_CELLS = Function(
    "CONTAINS(POINT, MOC of constants)",
    (Parameter("cell", "integer"), Parameter("level", "any", many=True)),
    lambda _: _TRUTH,
    _among,
    "Is a position in one of these cells?",
    predicate=True,
)
POINT_IN_MOC = Function(
    "CONTAINS(POINT, MOC)",
    (_MOC, Parameter("point", "point")),
    lambda _: _TRUTH,
    lambda moc, point: spherical.InMoc(*point.centre, moc.numbers),
    "Is a position in a MOC?",
    predicate=True,
)
MOC_IN_MOC = _both("CONTAINS(MOC, MOC)", lambda a, b: spherical.MocContains(a, b), mocs.covers)
MOC_MEETS_MOC = _both("INTERSECTS(MOC, MOC)", lambda a, b: spherical.MocIntersects(a, b), mocs.overlap)
SHAPE_IN_MOC = _test("CONTAINS(shape, MOC)", "contains")
MOC_IN_SHAPE = _test("CONTAINS(MOC, shape)", "within")
MOC_MEETS_SHAPE = _test("INTERSECTS(MOC, shape)", "meets")
"""What CONTAINS and INTERSECTS become, with those above; the MOC comes first, of two the one that holds the other."""

# --------------------------------------------------------------- builders


def moc(node: tree.Call, values: Sequence[q.Value], warn: Callable[[str], None]) -> q.Value:
    """MOC of a text, or of an order and a geometry."""
    if len(values) == 1:
        return _read(node, values[0])
    if len(values) != 2:
        raise QueryError(f"MOC with {len(values)} arguments", span=node.place, hint=f"it is {OF_SHAPE.form}")
    order, shape = values
    number = always(order)
    if not isinstance(number, int) or not 0 <= number <= cover.ORDER:
        raise QueryError(
            f"the order of a MOC is a whole number, 0 to {cover.ORDER}, the same for all rows",
            span=node.arguments[0].place,
            hint=f"it is {OF_SHAPE.form}",
        )
    if not is_kind(shape, "geometry") or shape.column.type is types.MOC:
        raise QueryError(f"{called(shape)} in MOC, where a shape is needed", span=node.arguments[1].place)
    known = always(shape)
    if known is None:
        return q.Apply(OF_SHAPE, (order, shape), COLUMN)
    try:
        return q.Constant(_of(number, known), COLUMN)
    except BadShape as error:
        raise QueryError(str(error), span=node.place) from None


def _read(node: tree.Call, value: q.Value) -> q.Value:
    if value.column.type.family != "text":
        raise QueryError(
            f"{called(value)} in MOC, where an ASCII MOC is needed",
            span=node.arguments[0].place,
            hint="such as MOC('6/1-3 7/20'), or MOC(order, geometry)",
        )
    return from_text(value, node)


def from_text(value: q.Value, node: tree.Call | tree.Cast) -> q.Value:
    """A text as a MOC; one that is the same for all rows is checked."""
    if not isinstance(value, q.Constant):
        return q.Cast(value, COLUMN)
    if value.value is None:
        return q.Constant(None, COLUMN)
    try:
        order, ranges = mocs.read(value.value)
    except BadShape as error:
        raise QueryError(str(error), span=node.place) from None
    return q.Constant(mocs.text(ranges, order), COLUMN)


# ---------------------------------------------------------------- meaning


def meant(function: Function, arguments: tuple[q.Value, ...]) -> q.Value | None:
    """What CONTAINS or INTERSECTS is of a MOC; None where none of the arguments is one."""
    if function not in (CONTAINS, INTERSECTS) or not any(_is_moc(a) for a in arguments):
        return None
    a, b = arguments
    outer, inner = (b, a) if _is_moc(b) else (a, b)
    if inner.column.type is types.POINT and (function is INTERSECTS or outer is b):
        return _point_in(outer, inner)
    record = _record(function, _is_moc(inner), outer is b)
    return folded(q.Apply(record, (outer, inner), _TRUTH))


def _record(function: Function, both: bool, holds: bool) -> Function:
    if both:
        return MOC_IN_MOC if function is CONTAINS else MOC_MEETS_MOC
    if function is INTERSECTS:
        return MOC_MEETS_SHAPE
    return SHAPE_IN_MOC if holds else MOC_IN_SHAPE


def _point_in(moc: q.Value, point: q.Value) -> q.Value:
    text = always(moc)
    if text is None:
        return q.Apply(POINT_IN_MOC, (moc, point), _TRUTH)
    cell = folded(q.Apply(CELL, (*coordinates(point), q.Constant(cover.ORDER, _WHOLE)), CELL.result(())))
    levels: list[q.Value] = []
    for order, numbers in mocs.cells_of(mocs.read(text)[1]):
        levels.append(q.Constant(2 * (cover.ORDER - order), _WHOLE))
        levels.append(q.Constant(tuple(numbers.tolist()), _CELL_NUMBERS))
    return q.Apply(IN_CELLS, (cell, *levels), _TRUTH)


def _is_moc(value: q.Value) -> bool:
    return value.column.type is types.MOC


def ranges_in(predicate: q.Apply) -> cover.Ranges:
    """Where the index lies if a position is IN_CELLS."""
    found = [cover.NOTHING]
    levels = [a.value for a in predicate.arguments[1:] if isinstance(a, q.Constant)]
    for bits, numbers in zip(levels[::2], levels[1::2], strict=True):
        found.append(mocs.spans(np.array(numbers, dtype=np.int64), cover.ORDER - bits // 2))
    return cover.ordered(np.concatenate(found))
