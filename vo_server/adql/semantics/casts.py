"""CAST to and from geometries (ADQL 2.1 section 4.8): their texts are those of DALI and STC-S."""

from __future__ import annotations

from vo_server.adql.semantics import mocs, spherical
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import GEOMETRY, TEXT, Function
from vo_server.adql.semantics.geometry import of_shapes
from vo_server.adql.semantics.spherical import Geometry, fixed
from vo_server.adql.semantics.values import is_null
from vo_server.adql.syntax import tree
from vo_server.errors import QueryError
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import regions
from vo_server.sky.shapes import BadShape

_SHAPES = {"POINT": "pos.eq", "CIRCLE": "pos.outline", "POLYGON": "pos.outline"}


def _from_text(type: types.Type) -> Function:
    kind, column = type.name.lower(), Column("", type, unit="deg", ucd=_SHAPES[type.name])
    return Function(
        f"CAST AS {type}",
        (TEXT,),
        lambda _: column,
        lambda text: Geometry(kind, whole=spherical.Outline(fixed(kind), text)),
        f"The {kind} that a text tells; NULL where it tells none.",
    )


FROM_TEXT = {name: _from_text(types.named(name)) for name in _SHAPES}
AS_TEXT = Function(
    "CAST AS VARCHAR",
    (GEOMETRY,),
    lambda _: Column("", types.VARCHAR),
    lambda shape: spherical.Numbered(shape.numbers),
    "The numbers of a geometry with blanks between them.",
)
AS_REGION = Function(
    "CAST AS REGION",
    (GEOMETRY,),
    lambda _: Column("", types.REGION, ucd="pos.outline"),
    lambda shape: Geometry("region", whole=shape.numbers),
    "A geometry as a region.",
)


def cast(value: q.Value, target: types.Type, node: tree.Cast) -> q.Value | None:
    """A geometry made of a text, or a text of a geometry; None where there is no such cast."""
    source = value.column.type
    if is_null(value):
        return q.Constant(None, Column("", target, length=node.length))
    if target is types.MOC:
        return value if source is types.MOC else mocs.from_text(value, node) if source.family == "text" else None
    if source is target and target.geometric:
        return value
    if target.geometric:
        return _shaped(value, target, node)
    if source.geometric and target.family == "text":
        said = value if source.family == "text" else q.Apply(AS_TEXT, (value,), AS_TEXT.result((value,)))
        return q.Cast(said, Column("", target, length=node.length, ucd=value.column.ucd))
    return None


def _shaped(value: q.Value, target: types.Type, node: tree.Cast) -> q.Value | None:
    if value.column.type is types.MOC:
        return None
    if isinstance(value, q.Constant) and isinstance(value.value, str):
        return _constant(value.value, target, node)
    if target is types.REGION:
        if value.column.type.family == "text":
            return q.Cast(value, Column("", types.REGION, ucd="pos.outline"))
        return q.Apply(AS_REGION, (value,), AS_REGION.result((value,)))
    if value.column.type.family != "text":
        return None
    made = FROM_TEXT[target.name]
    return q.Apply(made, (value,), made.result((value,)))


def _constant(text: str, target: types.Type, node: tree.Cast) -> q.Value:
    """A text of the query is read now, so that what is wrong with it is said."""
    try:
        if target is types.REGION:
            return q.Constant(regions.worded_all(regions.read(text)), Column("", types.REGION, ucd="pos.outline"))
        kind = target.name.lower()
        return of_shapes([(kind, regions.single(kind, text))])
    except BadShape as error:
        raise QueryError(str(error), span=node.place) from None
