"""Functions that queries are rewritten to and that users do not write, one record each."""

from __future__ import annotations

import operator
from collections.abc import Callable

import sqlalchemy as sa

from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import GEOMETRY, LAT, LON, POINT1, POINT2, Function, N, Parameter, X, result_of
from vo_server.adql.semantics.spherical import Element, Geometry
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.sky import cover

_TRUTH = result_of(types.INTEGER, ucd="meta.code")


def _sql_near(element: type[spherical.Near]) -> Callable[..., Element]:
    return lambda a, b, radius: element(*a.centre, *b.centre, radius)


NEAR = Function(
    "NEAR",
    (POINT1, POINT2, X),
    _TRUTH,
    _sql_near(spherical.Near),
    "1 if the distance is at most x degrees.",
    is_predicate=True,
)
STRICTLY_NEAR = Function(
    "STRICTLY_NEAR",
    (POINT1, POINT2, X),
    _TRUTH,
    _sql_near(spherical.StrictlyNear),
    "1 if the distance is less than x degrees.",
    is_predicate=True,
)
"""The functions that comparisons of DISTANCE with a radius become."""


def _sql_stc_s(shape: Geometry) -> Element:
    prefix: Element = spherical.to_literal(f"{shape.kind.upper()} ICRS ")
    return prefix.concat(spherical.NumbersText(shape.numbers))


STC_S = Function(
    "STC_S",
    (GEOMETRY,),
    result_of(types.REGION, ucd="pos.outline"),
    _sql_stc_s,
    "A polygon or a circle as the text of a region.",
)
ARRAY = Function(
    "ARRAY",
    (Parameter("value", "any", repeatable=True),),
    lambda arguments: Column("", types.find_type(f"{arguments[0].column.type} ARRAY")),
    lambda *values: spherical.ArrayLiteral(*values),
    "Values of one type as an array.",
)
"""The functions that make s_region of ObsCore and the arrays of SIA 1."""

UNNEST = Function(
    "UNNEST",
    (Parameter("value", "any", repeatable=True),),
    lambda arguments: arguments[0].column,
    lambda *values: sa.func.unnest(spherical.ArrayLiteral(*values)),
    "Values of one type, a row each.",
)
"""The function of query.Unnest that repeats a row for each of some values."""

_NUMBER = result_of(types.BIGINT)
CELL = Function(
    "CELL", (LON, LAT, N), _NUMBER, spherical.HealpixCell, "The HEALPix cell of a position.", cover.healpix_cell
)
ANCESTOR = Function(
    "ANCESTOR", (X, N), _NUMBER, spherical.AncestorCell, "The larger HEALPix cell that contains one.", operator.rshift
)
_ORDER_RESULT = result_of(types.INTEGER)
_RADIUS = Parameter("radius", "number")
CELLS_IN_CIRCLE = Function(
    "CELLS_IN_CIRCLE",
    (LON, LAT, _RADIUS, N),
    _NUMBER,
    spherical.CellsInCircle,
    "The HEALPix cells that a circle overlaps.",
)
CELL_ORDER = Function(
    "CELL_ORDER",
    (_RADIUS,),
    _ORDER_RESULT,
    spherical.CellOrder,
    "The order of the cells that cover a circle of this radius.",
)
CELL_KEY = Function(
    "CELL_KEY",
    (X, N),
    _NUMBER,
    spherical.CellKey,
    "A number for a cell of an order, different from those of cells of other orders.",
)
ANCESTOR_KEY = Function(
    "ANCESTOR_KEY", (X, N), _NUMBER, spherical.AncestorKey, "The key of the cell that contains a HEALPix number."
)
IN_CELL = Function(
    "IN_CELL", (X, X, N), _TRUTH, spherical.InCell, "1 if a cell contains a HEALPix number.", is_predicate=True
)
INDEX_LOOKUP = Function(
    "INDEX_LOOKUP", (X, X, N), _TRUTH, spherical.IndexLookup, "The same for few cells.", is_predicate=True
)
"""The functions that a join by distance becomes."""
