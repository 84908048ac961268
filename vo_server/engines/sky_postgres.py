"""Spherical and other functions for PostgreSQL (sky_postgres.sql, udfs_postgres.sql, mocs_postgres.sql), and a dialect.

PostgreSQL fails a query where DuckDB returns infinity, NaN or null; it adds 4-byte floats in single precision, treats a
backslash in LIKE as an escape, and sorts nulls first in descending order. The dialect makes both databases agree.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, Cast, UnaryExpression
from sqlalchemy.sql.functions import Function, FunctionElement
from typing_extensions import override

from vo_server.adql.semantics import spherical
from vo_server.model import types
from vo_server.sky import cover, frames

DIALECT = "postgresql"

_TEMPLATES: dict[type[Any], str] = {
    spherical.Distance: "vo_distance({all})",
    spherical.Near: "vo_near({all})",
    spherical.StrictlyNear: "vo_strictly_near({all})",
    spherical.CoordinateList: "vo_shape(CAST(ARRAY[{all}] AS DOUBLE PRECISION[]))",
    spherical.Coordinate: "({0})[{1}]",
    spherical.Box: "vo_box(vo_shape(CAST(ARRAY[{all}] AS DOUBLE PRECISION[])))",
    spherical.Area: "vo_area({all})",
    spherical.Centroid: "vo_centroid({all})",
    spherical.InPolygon: "vo_in_polygon({all})",
    spherical.Contains: "vo_contains({all})",
    spherical.Intersects: "vo_intersects({all})",
    spherical.ParsedGeometry: "vo_outline({all})",
    spherical.RegionText: "vo_worded({all})",
    spherical.NumbersText: "vo_numbered({all})",
    spherical.InMoc: "vo_in_moc({all})",
    spherical.MocContains: "(vo_moc({0}) @> vo_moc({1}))",
    spherical.MocIntersects: "(vo_moc({0}) && vo_moc({1}))",
    spherical.MocArea: "vo_moc_area({all})",
    spherical.MocOf: "vo_moc_of(CAST({0} AS INTEGER), {1}, {2})",
    spherical.MocTest: "vo_moc_test({all})",
    spherical.HealpixCell: "vo_cell({all})",
    spherical.CellsInCircle: "unnest(vo_cells({all}))",
    spherical.AncestorCell: "(({0}) >> ({1}))",
    spherical.CellCentre: "vo_cell_centre(CAST({0} AS INTEGER), CAST({1} AS BIGINT))",
    spherical.PropagatedPosition: "vo_propagated({all})",
    spherical.RotatedGeometry: "vo_rotated({all})",
    spherical.SexagesimalAngle: "vo_sexagesimal({all})",
    spherical.HasWords: "(vo_words({0}) @> vo_words({1}))",
    spherical.HistogramCounts: (
        "coalesce(vo_counts({0}, CAST({1} AS INTEGER)), array_fill(0, ARRAY[CAST({1} AS INTEGER)]))"
    ),
    spherical.CellOrder: "vo_order({0})",
    spherical.CellKey: "({0} + (CAST(4 AS BIGINT) << (2 * ({1}))))",
    spherical.AncestorKey: "(({0} >> (58 - 2 * ({1}))) + (CAST(4 AS BIGINT) << (2 * ({1}))))",
    spherical.InCell: "(({0} >> {2}) = {1})",
    spherical.IndexLookup: "({0} BETWEEN ({1} << {2}) AND (({1} + 1) << {2}) - 1)",
    spherical.IntegerDivision: "(({0}) / nullif({1}, 0))",
    spherical.Quotient: "vo_quotient({all})",
    spherical.Remainder: "vo_mod({all})",
    spherical.Round: "vo_round({all})",
    spherical.Truncate: "vo_truncate({all})",
    spherical.FloatText: "vo_text({0})",
    spherical.ParsedTime: "vo_moment({0})",
    spherical.ParsedNumber: "vo_parsed({0})",
    spherical.Random: "random()",
    spherical.Xor: "(({0}) # ({1}))",
    spherical.Complement: "(~ ({0}))",
}

WITHOUT_PGSPHERE = frozenset(
    {
        *("POLYGON", "BOX", "REGION"),
        *("MOC(order, geometry)", "CONTAINS(shape, MOC)", "CONTAINS(MOC, shape)", "INTERSECTS(MOC, shape)"),
    }
)
"""The functions of the language that need pgSphere, with the argument types where only some of them do."""

for _element, _template in _TEMPLATES.items():
    spherical.register_template(DIALECT, _element, _template)


@compiles(types.NumberList, DIALECT)
def _render_number_list(type: types.NumberList, compiler: Any, **kw: Any) -> str:
    return "DOUBLE PRECISION[]"


# -------------------------------------------------------------- functions


def build_function_statements(schema: str | None) -> list[str]:
    """Return the statements that create the functions; `schema` is that of pgSphere, None without it."""
    text = "\n-- head\n".join(file.read_text(encoding="utf-8") for file in _SQL_FILES)
    for bits in (16, 8, 4, 2, 1):
        text = text.replace(f"@m{bits}@", str(_make_bit_mask(bits)))
    text = text.replace("@moment@", spherical.TIME_PATTERN).replace("@number@", spherical.NUMBER_PATTERN)
    text = text.replace("@ext@", schema or "").replace("@axes@", "\n    ".join(map(_render_axes_branch, frames.FRAMES)))
    numbers = {"span": cover.MAX_CELL_GRADIENT, "pad": cover.PAD_DEGREES, "widest": cover.max_radius(0)}
    for name, number in numbers.items():
        text = text.replace(f"@{name}@", repr(number))
    text = text.replace("@ladder@", cover.order_case_sql("radius"))
    kinds = {"part", "no pgsphere" if schema is None else "pgsphere"}
    parts = re.split(r"^-- (head|part|pgsphere|no pgsphere)\n", text, flags=re.MULTILINE)
    return [body for kind, body in zip(parts[1::2], parts[2::2], strict=True) if kind in kinds]


_SQL_FILES = [Path(__file__).with_name(name) for name in ("sky_postgres.sql", "udfs_postgres.sql", "mocs_postgres.sql")]


def _render_axes_branch(frame: str) -> str:
    """Return a branch of vo_axes: the rotation matrix from a frame to ICRS."""
    numbers = ", ".join(repr(n) for n in frames.rotation_matrix(frame, "ICRS").ravel().tolist())
    return f"WHEN '{frame}' THEN ARRAY[{numbers}]::double precision[]"


def compute_digest(texts: list[str]) -> str:
    """Return a digest of texts: 12 hexadecimal digits."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _make_bit_mask(bits: int) -> int:
    """Return 64 bits in alternating runs of `bits` ones and `bits` zeros, the lowest bit set."""
    return int(("0" * bits + "1" * bits) * (32 // bits), 2)


# ---------------------------------------------------------------- dialect

_SAFE_FUNCTIONS = ("ln", "log10", "sqrt", "exp", "acos", "asin", "sin", "cos", "tan", "cot", "power")

_UNICODE_COLLATION = 'COLLATE "und-x-icu"'


class PostgresCompiler(PGCompiler_asyncpg):
    """The rendering of expressions, so that PostgreSQL returns what DuckDB returns."""

    @override
    def visit_function(self, func: Any, add_to_result_map: Any = None, **kwargs: Any) -> str:
        sql: str = super().visit_function(func, add_to_result_map, **kwargs)
        name = func.name.lower()
        if isinstance(func, Function) and name in _SAFE_FUNCTIONS:
            return f"vo_{sql}"
        return sql

    def visit_lower_func(self, func: Function[Any], **kw: Any) -> str:
        """Render LOWER by our function, which works in every language."""
        return self._change_case("lower", func, **kw)

    def visit_upper_func(self, func: Function[Any], **kw: Any) -> str:
        """Render UPPER by our function, which works in every language."""
        return self._change_case("upper", func, **kw)

    def _change_case(self, name: str, func: Function[Any], **kw: Any) -> str:
        return f"vo_{name}{self.function_argspec(func, **kw)}"

    def visit_sum_func(self, func: FunctionElement[Any], **kw: Any) -> str:
        """Render SUM: an integer for integers, a double for other numbers."""
        inner, distinct = _split_aggregate(func)
        sql = self.process(inner, **kw)
        if isinstance(inner.type, sa.Integer):
            return f"CAST(sum({distinct}{sql}) AS BIGINT)"
        return f"sum({distinct}CAST({sql} AS DOUBLE PRECISION))"

    def visit_avg_func(self, func: FunctionElement[Any], **kw: Any) -> str:
        """Render AVG as the average of doubles."""
        inner, distinct = _split_aggregate(func)
        return f"avg({distinct}CAST({self.process(inner, **kw)} AS DOUBLE PRECISION))"

    def visit_min_func(self, func: FunctionElement[Any], **kw: Any) -> str:
        """Render MIN; of booleans it is FALSE if any is."""
        return self._render_extreme("min", "bool_and", func, **kw)

    def visit_max_func(self, func: FunctionElement[Any], **kw: Any) -> str:
        """Render MAX; of booleans it is TRUE if any is."""
        return self._render_extreme("max", "bool_or", func, **kw)

    def _render_extreme(self, name: str, of_truth: str, func: FunctionElement[Any], **kw: Any) -> str:
        """Render MIN or MAX; for booleans true is greater than false."""
        inner, distinct = _split_aggregate(func)
        name = of_truth if isinstance(inner.type, sa.Boolean) else name
        return f"{name}({distinct}{self.process(inner, **kw)})"

    def visit_desc_op_unary_modifier(self, unary: UnaryExpression[Any], operator: Any, **kw: Any) -> str:
        """Render DESC with nulls after all values, as DuckDB does."""
        return f"{self.process(unary.element, **kw)} DESC NULLS LAST"

    @override
    def visit_cast(self, cast: Cast[Any], **kwargs: Any) -> str:
        template = _choose_cast_template(_get_type_family(cast.clause.type), _get_type_family(cast.type))
        sql, type = cast.clause._compiler_dispatch(self, **kwargs), cast.typeclause._compiler_dispatch(self, **kwargs)
        return template.format(sql, type)

    @override
    def visit_like_op_binary(self, binary: BinaryExpression[Any], operator: Any, **kw: Any) -> str:
        return self._render_like(binary, "LIKE", "{}", **kw)

    @override
    def visit_not_like_op_binary(self, binary: BinaryExpression[Any], operator: Any, **kw: Any) -> str:
        return self._render_like(binary, "NOT LIKE", "{}", **kw)

    @override
    def visit_ilike_op_binary(self, binary: BinaryExpression[Any], operator: Any, **kw: Any) -> str:
        return self._render_like(binary, "LIKE", f"lower(({{}}) {_UNICODE_COLLATION})", **kw)

    @override
    def visit_not_ilike_op_binary(self, binary: BinaryExpression[Any], operator: Any, **kw: Any) -> str:
        return self._render_like(binary, "NOT LIKE", f"lower(({{}}) {_UNICODE_COLLATION})", **kw)

    def _render_like(self, binary: BinaryExpression[Any], distinct: str, form: str, **kw: Any) -> str:
        text, pattern = (form.format(self.process(side, **kw)) for side in (binary.left, binary.right))
        return f"{text} {distinct} {pattern} ESCAPE ''"


def _split_aggregate(func: FunctionElement[Any]) -> tuple[Any, str]:
    """Return the argument of an aggregate, and "DISTINCT " if it is over distinct values."""
    (inner,) = func.clauses
    if isinstance(inner, UnaryExpression) and inner.operator is operators.distinct_op:
        return inner.element, "DISTINCT "
    return inner, ""


def _get_type_family(type: sa.types.TypeEngine[Any]) -> str:
    kinds: tuple[tuple[Any, str], ...] = (
        (sa.Boolean, "boolean"),
        (sa.Integer, "whole"),
        (sa.Numeric, "real"),
        (sa.Float, "real"),
        (sa.String, "text"),
        ((sa.Date, sa.DateTime), "time"),
        (types.NumberList, "shape"),
    )
    return next((name for kind, name in kinds if isinstance(type, kind)), "")


_CASTS = {
    ("boolean", "whole"): "CAST(CAST({0} AS INTEGER) AS {1})",
    ("boolean", "real"): "CAST(CAST({0} AS INTEGER) AS {1})",
    ("whole", "boolean"): "(({0}) <> 0)",
    ("real", "boolean"): "(({0}) <> 0)",
    ("text", "whole"): "CAST(CAST({0} AS NUMERIC) AS {1})",
}
"""Casts that PostgreSQL lacks, or that differ there, by type family."""


def _choose_cast_template(source: str, target: str) -> str:
    """Return the template of a cast between type families; by way of text where PostgreSQL has no such cast, as for a
    column that is always null."""
    if source and source != target and "text" not in (source, target) and {source, target} & {"time", "shape"}:
        return "CAST(CAST({0} AS TEXT) AS {1})"
    return _CASTS.get((source, target), "CAST({0} AS {1})")


class PostgresDialect(PGDialect_asyncpg):
    """PostgreSQL's SQL with parameters $1, $2 ..., each with its type."""

    statement_compiler = PostgresCompiler
    supports_statement_cache = True
