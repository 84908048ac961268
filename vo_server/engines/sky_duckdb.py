"""Spherical functions for DuckDB: SQL arithmetic where possible, else functions over Arrow, on S2 for polygons."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from sqlalchemy.ext.compiler import compiles

from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.udfs import NULL_POSITION_MESSAGE
from vo_server.model import types
from vo_server.sky import (
    angles,
    cover,
    frames,
    mocs,
    proper_motion,
    regions,
    shapes,
)
from vo_server.sky.vectors import Floats

DIALECT = "duckdb"

_NEAR_TEMPLATE = (
    "radius >= 0.0 AND pow(sin(radians(lat1 - lat2) / 2), 2) + cos(radians(lat1)) * cos(radians(lat2))"
    " * pow(sin(radians(lon1 - lon2) / 2), 2) {0} CASE WHEN radius {1} 180.0 THEN 2 ELSE {2} END"
)
_HALF_CHORD = "sin(radians(radius) / 2)"
_TOLERANT_CHORD = f"pow({_HALF_CHORD} + 2e-16, 2)"
"""The chord with a tolerance of 4e-16 rad, so that RA 0 and 360, and all RAs at a pole, compare as equal positions."""

_MACROS = (
    r"CREATE MACRO vo_words(text) AS regexp_extract_all(lower(text), '[\pL\p{Nd}_]+')",
    f"CREATE MACRO vo_moment(text) AS CAST(left(regexp_extract(text, '{spherical.TIME_PATTERN}', 1), 26) AS TIMESTAMP)",
    f"CREATE MACRO vo_decimal(text) AS regexp_extract(text, '{spherical.NUMBER_PATTERN}', 1)",
    """CREATE MACRO vo_parsed(text) AS CASE WHEN isinf(TRY_CAST(vo_decimal(text) AS DOUBLE))
        AND NOT regexp_matches(text, '[nN]') THEN text || ': out of range' ELSE vo_decimal(text) END""",
    "CREATE MACRO vo_shape(numbers) AS CASE WHEN list_count(numbers) = len(numbers) THEN numbers END",
    "CREATE MACRO vo_near(lon1, lat1, lon2, lat2, radius) AS " + _NEAR_TEMPLATE.format("<=", ">=", _TOLERANT_CHORD),
    "CREATE MACRO vo_strictly_near(lon1, lat1, lon2, lat2, radius) AS "
    + _NEAR_TEMPLATE.format("<", ">", f"pow({_HALF_CHORD}, 2)"),
    "CREATE MACRO vo_order(radius) AS CASE WHEN radius IS NULL OR radius < 0 THEN NULL"
    f" {cover.order_case_sql('radius')} ELSE 0 END",
    """CREATE MACRO vo_distance(lon1, lat1, lon2, lat2) AS degrees(atan2(
        sqrt(pow(cos(radians(lat2)) * sin(radians(lon2 - lon1)), 2)
           + pow(cos(radians(lat1)) * sin(radians(lat2))
               - sin(radians(lat1)) * cos(radians(lat2)) * cos(radians(lon2 - lon1)), 2)),
        sin(radians(lat1)) * sin(radians(lat2))
      + cos(radians(lat1)) * cos(radians(lat2)) * cos(radians(lon2 - lon1))))""",
)

_TEMPLATES: dict[type[Any], str] = {
    spherical.Distance: "vo_distance({all})",
    spherical.Near: "vo_near({all})",
    spherical.StrictlyNear: "vo_strictly_near({all})",
    spherical.CoordinateList: "vo_shape(CAST(list_value({all}) AS DOUBLE[]))",
    spherical.Coordinate: "list_extract({all})",
    spherical.Box: "vo_box(vo_shape(CAST(list_value({all}) AS DOUBLE[])))",
    spherical.Area: "vo_area({all})",
    spherical.Centroid: "vo_centroid({all})",
    spherical.InPolygon: "vo_in_polygon(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE), {2})",
    spherical.Contains: "vo_contains({all})",
    spherical.Intersects: "vo_intersects({all})",
    spherical.ParsedGeometry: "vo_outline({all})",
    spherical.RegionText: "vo_worded({all})",
    spherical.NumbersText: "array_to_string(list_transform({0}, lambda _n: CAST(_n AS VARCHAR)), ' ')",
    spherical.InMoc: "vo_in_moc(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE), {2})",
    spherical.MocContains: "vo_moc_contains({all})",
    spherical.MocIntersects: "vo_moc_intersects({all})",
    spherical.MocArea: "vo_moc_area({all})",
    spherical.MocOf: "vo_moc_of({all})",
    spherical.MocTest: "vo_moc_test({all})",
    spherical.HealpixCell: "vo_cell({all})",
    spherical.CellsInCircle: "unnest(vo_cells({all}))",
    spherical.AncestorCell: "({0} >> {1})",
    spherical.CellOrder: "vo_order({0})",
    spherical.CellKey: "({0} + (CAST(4 AS BIGINT) << (2 * ({1}))))",
    spherical.AncestorKey: "(({0} >> (58 - 2 * ({1}))) + (CAST(4 AS BIGINT) << (2 * ({1}))))",
    spherical.InCell: "({0} >> {2}) = {1}",
    spherical.IndexLookup: "({0} >> {2}) = {1}",
    spherical.CellCentre: "vo_cell_centre(CAST({0} AS INTEGER), CAST({1} AS BIGINT))",
    spherical.PropagatedPosition: "vo_propagated({all})",
    spherical.RotatedGeometry: "vo_rotated({all})",
    spherical.SexagesimalAngle: "vo_sexagesimal({all})",
    spherical.HasWords: "list_has_all(vo_words({0}), vo_words({1}))",
    spherical.HistogramCounts: (
        "CAST(list_transform(range({1}), lambda _bin: coalesce(histogram({0})[_bin], 0)) AS INTEGER[])"
    ),
    spherical.IntegerDivision: "(({0}) // ({1}))",
    spherical.Quotient: "(({0}) / ({1}))",
    spherical.Remainder: "(({0}) % ({1}))",
    spherical.Round: (
        "(round(CAST({0} AS DOUBLE), CAST(greatest(least({1}, 400), -400) AS INTEGER)) + CAST(0 AS DOUBLE))"
    ),
    spherical.Truncate: (
        "(trunc(CAST({0} AS DOUBLE), CAST(greatest(least({1}, 400), -308) AS INTEGER)) + CAST(0 AS DOUBLE))"
    ),
    spherical.FloatText: "replace(CAST({0} AS VARCHAR), '-nan', 'nan')",
    spherical.ParsedTime: "vo_moment({0})",
    spherical.ParsedNumber: "vo_parsed({0})",
    spherical.Random: "random()",
    spherical.Xor: "xor({all})",
    spherical.Complement: "(~ ({0}))",
}


@compiles(types.NumberList, DIALECT)
def _render_number_list(type: types.NumberList, compiler: Any, **kw: Any) -> str:
    return "DOUBLE[]"


for _element, _template in _TEMPLATES.items():
    spherical.register_template(DIALECT, _element, _template)


def install_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the functions that the templates above call, in a database."""
    for macro in _MACROS:
        connection.execute(macro)
    for name, parameters, result, function in _FUNCTIONS:
        connection.create_function(
            name,
            function,
            list(parameters),
            result,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )


def _test_in_polygon(lon: pa.ChunkedArray, lat: pa.ChunkedArray, polygon: pa.ChunkedArray) -> pa.Array:
    """Return which points lie in their polygons, in one call for each different polygon; mostly there is one."""
    x, y = lon.to_numpy(), lat.to_numpy()
    inside: npt.NDArray[np.bool_] = np.zeros(len(x), dtype=bool)
    non_null = ~(lon.is_null().to_numpy() | lat.is_null().to_numpy())
    for ring, rows in group_polygons(polygon).items():
        try:
            inside[rows] = shapes.find_points_in_polygon(x[rows], y[rows], ring)
        except shapes.ShapeError:
            non_null[rows] = False
    return pa.array(inside, mask=~non_null)


def group_polygons(polygons: pa.ChunkedArray) -> dict[tuple[float, ...], npt.NDArray[np.int64]]:
    """Return the row numbers of each different polygon; null is the polygon without vertices."""
    lists = polygons.combine_chunks()
    numbers, size = lists.flatten().to_numpy(zero_copy_only=False), len(lists)
    if lists.null_count == 0 and size and len(numbers) % size == 0:
        table = numbers.reshape(size, -1)
        if (table == table[0]).all():
            return {tuple(table[0].tolist()): np.arange(size)}
    groups: dict[tuple[float, ...], list[int]] = {}
    for row, ring in enumerate(lists.to_pylist()):
        groups.setdefault(tuple(ring or ()), []).append(row)
    return {ring: np.array(rows) for ring, rows in groups.items()}


def _compute_cell(lon: pa.ChunkedArray, lat: pa.ChunkedArray, order: pa.ChunkedArray) -> pa.Array:
    x, y = lon.to_numpy(), lat.to_numpy()
    valid = np.isfinite(x) & (np.abs(y) <= 90)
    numbers = np.zeros(len(valid), dtype=np.int64)
    numbers[valid] = cover.healpix_cells(x[valid], y[valid], order[0].as_py() if len(order) else 0)
    return pa.array(numbers, mask=~valid)


def _find_cells(
    lon: pa.ChunkedArray, lat: pa.ChunkedArray, radius: pa.ChunkedArray, order: pa.ChunkedArray
) -> pa.Array:
    x, y, r = (c.to_numpy() for c in (lon, lat, radius))
    non_null = ~(radius.is_null().to_numpy() | order.is_null().to_numpy())
    valid = np.isfinite(x) & (np.abs(y) <= 90) & non_null
    cells, counts = cover.cells_in_circles(x[valid], y[valid], r[valid], order.fill_null(0).to_numpy()[valid])
    sizes = np.zeros(len(valid), dtype=np.int32)
    sizes[valid] = counts
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(cells))


def apply_row_by_row(result: pa.DataType, function: Callable[..., Any]) -> Callable[..., pa.Array]:
    """Return a function of columns that calls a function row by row; null arguments and invalid shapes give null."""

    def over(*columns: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return pa.array([call_or_null(function, row) for row in rows], result)

    over.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # DuckDB counts the parameters
    return over


def call_or_null(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function of one row; return None for null arguments and invalid shapes."""
    if None in arguments:
        return None
    try:
        return function(*arguments)
    except shapes.ShapeError:
        return None


def to_shape(kind: str, numbers: list[float]) -> shapes.Shape:
    """Return a shape as vo_server.sky.shapes takes it."""
    return kind, tuple(numbers)


def _make_box(numbers: list[float]) -> list[float]:
    shapes.check_shape("box", numbers)
    return list(shapes.box_vertices(*numbers))


def _compute_area(kind: str, numbers: list[float]) -> float:
    return shapes.area(to_shape(kind, numbers))


def _compute_centroid(kind: str, numbers: list[float]) -> list[float]:
    return list(shapes.centroid(to_shape(kind, numbers)))


def _contains(outer: str, a: list[float], inner: str, b: list[float]) -> bool:
    return shapes.contains(to_shape(outer, a), to_shape(inner, b))


def _intersects(kind: str, a: list[float], other: str, b: list[float]) -> bool:
    return shapes.intersects(to_shape(kind, a), to_shape(other, b))


def _parse_outline(kind: str, text: str) -> tuple[float, ...]:
    return regions.parse_outline(text) if kind == "region" else regions.parse_single_shape(kind, text)


def _format_region(kind: str, numbers: list[float]) -> str:
    return regions.format_shape(kind, tuple(numbers))


def _test_in_moc(lon: pa.ChunkedArray, lat: pa.ChunkedArray, moc: pa.ChunkedArray) -> pa.Array:
    """Return which positions lie in their MOCs, in one call for each different MOC."""
    x, y = lon.to_numpy(), lat.to_numpy()
    valid = np.isfinite(x) & (np.abs(y) <= 90)
    numbers, inside = np.zeros(len(valid), dtype=np.int64), np.zeros(len(valid), dtype=bool)
    numbers[valid] = cover.healpix_index(x[valid], y[valid])
    non_null = ~(lon.is_null().to_numpy() | lat.is_null().to_numpy())
    coded = moc.combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy()
    non_null &= codes >= 0
    for code, text in enumerate(coded.dictionary.to_pylist()):
        rows = np.flatnonzero((codes == code) & valid)
        try:
            inside[rows] = mocs.contains_cells(mocs.parse_moc(text)[1], numbers[rows])
        except shapes.ShapeError:
            non_null[codes == code] = False
    return pa.array(inside, mask=~non_null)


def _moc_contains(outer: str, inner: str) -> bool:
    return mocs.contains_moc(mocs.parse_moc(outer)[1], mocs.parse_moc(inner)[1])


def _moc_intersects(a: str, b: str) -> bool:
    return mocs.overlaps(mocs.parse_moc(a)[1], mocs.parse_moc(b)[1])


def _compute_moc_area(moc: str) -> float:
    return mocs.area(mocs.parse_moc(moc)[1])


def _build_moc(order: int, kind: str, numbers: list[float]) -> str:
    return mocs.format_moc(mocs.moc_of_shape(order, to_shape(kind, numbers)), order)


def _test_moc(test: str, moc: str, kind: str, numbers: list[float]) -> bool:
    return mocs.PREDICATES[test](mocs.parse_moc(moc)[1], to_shape(kind, numbers))


def _compute_cell_centre(order: pa.ChunkedArray, number: pa.ChunkedArray) -> pa.Array:
    orders, numbers = (c.fill_null(-1).to_numpy() for c in (order, number))
    valid = (orders >= 0) & (orders <= cover.ORDER) & (numbers >= 0)
    valid &= numbers < 12 << (2 * np.clip(orders, 0, cover.ORDER).astype(np.int64))
    lon, lat = np.zeros(len(valid)), np.zeros(len(valid))
    for value in np.unique(orders[valid]):
        rows = valid & (orders == value)
        lon[rows], lat[rows] = cover.cell_centres(numbers[rows], int(value))
    return to_point_lists(lon, lat, valid)


def to_point_lists(lon: Floats, lat: Floats, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Return points as an Arrow array of lists (lon, lat) in degrees, null where `valid` is false."""
    offsets = np.concatenate([[0], np.cumsum(2 * valid)]).astype(np.int32)
    flat = np.stack([lon[valid], lat[valid]], axis=-1).ravel()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), mask=pa.array(~valid))


def _propagate(
    ra: pa.ChunkedArray,
    dec: pa.ChunkedArray,
    parallax: pa.ChunkedArray,
    pm_ra: pa.ChunkedArray,
    pm_dec: pa.ChunkedArray,
    velocity: pa.ChunkedArray,
    since: pa.ChunkedArray,
    to: pa.ChunkedArray,
) -> pa.Array:
    if any(column.null_count for column in (ra, dec, since, to)):
        raise ValueError(NULL_POSITION_MESSAGE)
    columns = [c.to_numpy() for c in (ra, dec, parallax, pm_ra, pm_dec, velocity)]
    lon, lat = proper_motion.propagate(to.to_numpy() - since.to_numpy(), *columns)
    return to_point_lists(lon, lat, np.isfinite(lon) & np.isfinite(lat))


def _rotate(source: str, target: str, kind: str, numbers: list[float]) -> list[float]:
    shapes.check_shape(kind, numbers)
    return list(frames.rotate_shape(source, target, numbers))


def _rotate_column(
    source: pa.ChunkedArray, target: pa.ChunkedArray, kind: pa.ChunkedArray, shape: pa.ChunkedArray
) -> pa.Array:
    """Rotate points in one call, other shapes row by row. The frames and the kind are the same in all rows."""
    if not len(kind) or kind[0].as_py() != "point":
        return _rotate_row_by_row(source, target, kind, shape)
    points = shape.combine_chunks()
    valid = ~points.is_null().to_numpy(zero_copy_only=False)
    lon, lat = np.full(len(valid), np.nan), np.full(len(valid), np.nan)
    lon[valid], lat[valid] = points.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2).T
    valid &= np.isfinite(lon) & (np.abs(lat) <= 90)
    lon[valid], lat[valid] = frames.rotate(source[0].as_py(), target[0].as_py(), lon[valid], lat[valid])
    return to_point_lists(lon, lat, valid)


def _parse_sexagesimal(form: str, text: str) -> float | None:
    return angles.parse_hms(text) if form == "hms" else angles.parse_dms(text)


_DOUBLE_LIST = pa.list_(pa.float64())
_rotate_row_by_row = apply_row_by_row(_DOUBLE_LIST, _rotate)
_SHAPE_PAIR = ("VARCHAR", "DOUBLE[]", "VARCHAR", "DOUBLE[]")
_FUNCTIONS: tuple[tuple[str, tuple[str, ...], str, Callable[..., pa.Array]], ...] = (
    ("vo_in_polygon", ("DOUBLE", "DOUBLE", "DOUBLE[]"), "BOOLEAN", _test_in_polygon),
    ("vo_cell", ("DOUBLE", "DOUBLE", "INTEGER"), "BIGINT", _compute_cell),
    ("vo_cells", ("DOUBLE", "DOUBLE", "DOUBLE", "INTEGER"), "BIGINT[]", _find_cells),
    ("vo_box", ("DOUBLE[]",), "DOUBLE[]", apply_row_by_row(_DOUBLE_LIST, _make_box)),
    ("vo_area", ("VARCHAR", "DOUBLE[]"), "DOUBLE", apply_row_by_row(pa.float64(), _compute_area)),
    ("vo_centroid", ("VARCHAR", "DOUBLE[]"), "DOUBLE[]", apply_row_by_row(_DOUBLE_LIST, _compute_centroid)),
    ("vo_outline", ("VARCHAR", "VARCHAR"), "DOUBLE[]", apply_row_by_row(_DOUBLE_LIST, _parse_outline)),
    ("vo_worded", ("VARCHAR", "DOUBLE[]"), "VARCHAR", apply_row_by_row(pa.string(), _format_region)),
    ("vo_in_moc", ("DOUBLE", "DOUBLE", "VARCHAR"), "BOOLEAN", _test_in_moc),
    ("vo_moc_contains", ("VARCHAR", "VARCHAR"), "BOOLEAN", apply_row_by_row(pa.bool_(), _moc_contains)),
    ("vo_moc_intersects", ("VARCHAR", "VARCHAR"), "BOOLEAN", apply_row_by_row(pa.bool_(), _moc_intersects)),
    ("vo_moc_area", ("VARCHAR",), "DOUBLE", apply_row_by_row(pa.float64(), _compute_moc_area)),
    ("vo_moc_of", ("INTEGER", "VARCHAR", "DOUBLE[]"), "VARCHAR", apply_row_by_row(pa.string(), _build_moc)),
    ("vo_moc_test", ("VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE[]"), "BOOLEAN", apply_row_by_row(pa.bool_(), _test_moc)),
    ("vo_cell_centre", ("INTEGER", "BIGINT"), "DOUBLE[]", _compute_cell_centre),
    ("vo_propagated", ("DOUBLE",) * 8, "DOUBLE[]", _propagate),
    ("vo_rotated", ("VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE[]"), "DOUBLE[]", _rotate_column),
    ("vo_sexagesimal", ("VARCHAR", "VARCHAR"), "DOUBLE", apply_row_by_row(pa.float64(), _parse_sexagesimal)),
    ("vo_contains", _SHAPE_PAIR, "BOOLEAN", apply_row_by_row(pa.bool_(), _contains)),
    ("vo_intersects", _SHAPE_PAIR, "BOOLEAN", apply_row_by_row(pa.bool_(), _intersects)),
)
