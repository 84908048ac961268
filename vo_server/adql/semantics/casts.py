"""CAST to and from geometries (ADQL 2.1 section 4.8), whose texts are those of DALI and STC-S."""

from __future__ import annotations

from vo_server.adql.semantics import mocs, spherical
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import GEOMETRY, TEXT, Function
from vo_server.adql.semantics.geometry import from_shapes
from vo_server.adql.semantics.spherical import Geometry, to_literal
from vo_server.adql.semantics.values import is_null
from vo_server.adql.syntax import tree
from vo_server.errors import Code, QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import regions
from vo_server.sky.shapes import ShapeError

_UCDS = {"POINT": "pos.eq", "CIRCLE": "pos.outline", "POLYGON": "pos.outline"}


def _define_from_text(type: types.Type) -> Function:
    kind, column = type.name.lower(), Column("", type, unit="deg", ucd=_UCDS[type.name])
    return Function(
        f"CAST AS {type}",
        (TEXT,),
        lambda _: column,
        lambda text: Geometry(kind, value=spherical.ParsedGeometry(to_literal(kind), text)),
        f"The {kind} of a text; NULL for any other text.",
    )


FROM_TEXT = {name: _define_from_text(types.find_type(name)) for name in _UCDS}
AS_TEXT = Function(
    "CAST AS VARCHAR",
    (GEOMETRY,),
    lambda _: Column("", types.VARCHAR),
    lambda shape: spherical.NumbersText(shape.numbers),
    "The numbers of a geometry with blanks between them.",
)
AS_REGION = Function(
    "CAST AS REGION",
    (GEOMETRY,),
    lambda _: Column("", types.REGION, ucd="pos.outline"),
    lambda shape: Geometry("region", value=shape.numbers),
    "A geometry as a region.",
)


def convert_geometry(value: q.Value, target: types.Type, node: tree.Cast) -> q.Value | None:
    """Return a geometry made from a text, or a text from a geometry; None where there is no such cast."""
    source = value.column.type
    if is_null(value):
        return q.Constant(None, Column("", target, length=node.length))
    if target is types.MOC:
        return value if source is types.MOC else mocs.convert_text(value, node) if source.family == "text" else None
    if source is target and target.is_geometric:
        return value
    if target.is_geometric:
        return _convert_to_geometry(value, target, node)
    if source.is_geometric and target.family == "text":
        text = value if source.family == "text" else AS_TEXT.call(value)
        return q.TypeCast(text, Column("", target, length=node.length, ucd=value.column.ucd))
    return None


def _convert_to_geometry(value: q.Value, target: types.Type, node: tree.Cast) -> q.Value | None:
    if value.column.type is types.MOC:
        return None
    if isinstance(value, q.Constant) and isinstance(value.value, str):
        return _parse_constant(value.value, target, node)
    if target is types.REGION:
        if value.column.type.family == "text":
            return q.TypeCast(value, Column("", types.REGION, ucd="pos.outline"))
        return AS_REGION.call(value)
    if value.column.type.family != "text":
        return None
    function = FROM_TEXT[target.name]
    return function.call(value)


def _parse_constant(text: str, target: types.Type, node: tree.Cast) -> q.Value:
    """Parse a constant text now, so that its errors are reported."""
    try:
        if target is types.REGION:
            return q.Constant(
                regions.format_shapes(regions.parse_region(text)), Column("", types.REGION, ucd="pos.outline")
            )
        kind = target.name.lower()
        return from_shapes([(kind, regions.parse_single_shape(kind, text))])
    except ShapeError as error:
        raise QueryError(str(error), span=node.span, code=Code.ADQL_BAD_LITERAL) from None
