"""The columns of SIA 1.0 (section 4.2.4), computed from the columns of an inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import COALESCE, FUNCTIONS, OPERATORS
from vo_server.adql.semantics.internal_functions import ARRAY
from vo_server.adql.semantics.values import to_constant
from vo_server.catalogue.load import find_builtin_schemas, load_standard
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.obscore.query import ImageUrls, InventoryRow
from vo_server.obscore.templates import to_text

_DOUBLE, _INTEGER = Column("", types.DOUBLE), Column("", types.INTEGER)


@cache
def load_table() -> Table:
    """Return the columns as a table; the required ones are principal."""
    _, (table,) = load_standard(find_builtin_schemas() / "standard" / "sia1.toml")
    return table


def image_row(row: InventoryRow, host: ImageUrls) -> dict[str, q.Value]:
    """Return the values of the row of an image's file, by the names of the columns."""
    return _cast_columns(_build_values(row, host))


def picture_row(row: InventoryRow, host: ImageUrls, media_type: str) -> dict[str, q.Value]:
    """Return the values of the row of a picture of an image, by the names of the columns.

    It has no WCS: a picture may be turned, and its rows are counted from the top.
    """
    other: dict[str, q.Value | None] = {
        "download": row.preview_url(host, media_type),
        "format": to_text(media_type),
        "pixflags": to_text("FV"),
    }
    return _cast_columns(_build_values(row, host) | other | dict.fromkeys(("crpix", "crval", "cd", "filesize")))


def _cast_columns(values: Mapping[str, q.Value | None]) -> dict[str, q.Value]:
    return {c.name: _cast(values[c.name], c) for c in load_table().columns}


def _build_values(row: InventoryRow, host: ImageUrls) -> dict[str, q.Value | None]:
    images = row.images
    ra, dec = row.position
    return {
        "name": row.title,
        "download": row.file_url(host),
        "center_ra": ra,
        "center_dec": dec,
        "naxes": q.Constant(2, _INTEGER),
        "naxis": _list_keywords(row, ("NAXIS1", "NAXIS2"), _INTEGER),
        "scale": _list_keywords(row, ("CDELT1", "CDELT2"), _DOUBLE),
        "format": to_text(images.media_type),
        "instrument": to_text(images.instrument),
        "mjd": row.time_bound(0, 0),
        "frame": to_text("ICRS"),
        "equinox": to_constant(2000.0),
        "proj": to_text(images.projection) if images.projection else None,
        "crpix": _list_keywords(row, ("CRPIX1", "CRPIX2"), _DOUBLE),
        "crval": _list_keywords(row, ("CRVAL1", "CRVAL2"), _DOUBLE),
        "cd": _build_cd_matrix(row),
        "band": row.column(images.band) if images.band else to_text("".join(b.name for b in images.bands)),
        "bunit": to_text("meters"),
        "bref": row.band_value(lambda b: b.reference, min) if images.band else None,
        "bhi": row.band_value(lambda b: b.high, max),
        "blo": row.band_value(lambda b: b.low, min),
        "pixflags": to_text("CV" if images.caution else "CZ"),
        "filesize": row.estimate,
    }


def _cast(value: q.Value | None, column: Column) -> q.Value:
    if value is None:
        return q.Constant(None, column)
    same = value.column.type is column.type or column.type.family == "array"
    return replace(value, column=column) if same else q.TypeCast(value, column)


def _list_keywords(row: InventoryRow, keywords: Iterable[str], column: Column) -> q.Value | None:
    """Return keywords of the header as a list; None where the inventory lacks one of them."""
    fields = [row.find_column("header", keyword) for keyword in keywords]
    return None if None in fields else _build_list([q.TypeCast(v, column) for v in fields if v is not None])


def _build_list(numbers: Iterable[q.Value]) -> q.Value:
    items = tuple(numbers)
    return ARRAY.call(*items)


def _build_cd_matrix(row: InventoryRow) -> q.Value | None:
    """Return the CD matrix from the sizes of the pixels and the rotation (FITS paper II, section 6.1); None where the
    inventory lacks them."""
    x, y, turn = (row.find_column("header", keyword) for keyword in ("CDELT1", "CDELT2", "CROTA2"))
    if x is None or y is None or turn is None:
        return None
    angle = _call("RADIANS", q.FunctionCall(COALESCE, (turn, to_constant(0.0)), _DOUBLE))
    cos, sin = _call("COS", angle), _call("SIN", angle)
    return _build_list(
        (_multiply(x, cos), _multiply(_multiply(to_constant(-1.0), y), sin), _multiply(x, sin), _multiply(y, cos))
    )


def _call(name: str, value: q.Value) -> q.Value:
    return q.FunctionCall(FUNCTIONS[name], (value,), _DOUBLE)


def _multiply(a: q.Value, b: q.Value) -> q.Value:
    return q.FunctionCall(OPERATORS["*"], (a, b), _DOUBLE)
