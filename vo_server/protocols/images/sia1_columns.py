"""What an image is in the columns of SIA 1.0 (section 4.2.4), by the columns of its inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import COALESCE, FUNCTIONS, LIST, OPERATORS
from vo_server.adql.semantics.values import constant
from vo_server.catalogue.load import builtin_schemas, load_standard
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.obscore.query import Host, Row
from vo_server.obscore.templates import text

_DOUBLE, _INTEGER = Column("", types.DOUBLE), Column("", types.INTEGER)


@cache
def table() -> Table:
    """The columns, those that must be there marked as principal."""
    _, (found,) = load_standard(builtin_schemas() / "standard" / "sia1.toml")
    return found


def values(row: Row, host: Host) -> dict[str, q.Value]:
    """The value of each column by its name, of the files."""
    return _typed(_values(row, host))


def pictured(row: Row, host: Host, media_type: str) -> dict[str, q.Value]:
    """The same of pictures that have the pixels of the images, of which the coordinates are not told: a picture may be
    turned, and its rows are counted from the top."""
    other: dict[str, q.Value | None] = {
        "download": row.picture(host, media_type),
        "format": text(media_type),
        "pixflags": text("FV"),
    }
    return _typed(_values(row, host) | other | dict.fromkeys(("crpix", "crval", "cd", "filesize")))


def _typed(made: Mapping[str, q.Value | None]) -> dict[str, q.Value]:
    return {c.name: _as(made[c.name], c) for c in table().columns}


def _values(row: Row, host: Host) -> dict[str, q.Value | None]:
    images = row.images
    ra, dec = row.position
    return {
        "name": row.title,
        "download": row.url(host),
        "center_ra": ra,
        "center_dec": dec,
        "naxes": q.Constant(2, _INTEGER),
        "naxis": _list(row, ("NAXIS1", "NAXIS2"), _INTEGER),
        "scale": _list(row, ("CDELT1", "CDELT2"), _DOUBLE),
        "format": text(images.media_type),
        "instrument": text(images.instrument),
        "mjd": row.times(0, 0),
        "frame": text("ICRS"),
        "equinox": constant(2000.0),
        "proj": text(images.projection) if images.projection else None,
        "crpix": _list(row, ("CRPIX1", "CRPIX2"), _DOUBLE),
        "crval": _list(row, ("CRVAL1", "CRVAL2"), _DOUBLE),
        "cd": _matrix(row),
        "band": row.field(images.band) if images.band else text("".join(b.name for b in images.bands)),
        "bunit": text("meters"),
        "bref": row.of_band(lambda b: b.reference, min) if images.band else None,
        "bhi": row.of_band(lambda b: b.high, max),
        "blo": row.of_band(lambda b: b.low, min),
        "pixflags": text("CV" if images.caution else "CZ"),
        "filesize": row.estimate,
    }


def _as(value: q.Value | None, column: Column) -> q.Value:
    if value is None:
        return q.Constant(None, column)
    same = value.column.type is column.type or column.type.family == "array"
    return replace(value, column=column) if same else q.Cast(value, column)


def _list(row: Row, keywords: Iterable[str], column: Column) -> q.Value | None:
    """Numbers of the header in a list; None where one of them is not kept."""
    known = [row.filled("header", keyword) for keyword in keywords]
    return None if None in known else _listed([q.Cast(v, column) for v in known if v is not None])


def _listed(numbers: Iterable[q.Value]) -> q.Value:
    given = tuple(numbers)
    return q.Apply(LIST, given, LIST.result(given))


def _matrix(row: Row) -> q.Value | None:
    """The CD matrix from the sizes of the pixels and the direction of the columns (FITS paper II, section 6.1)."""
    x, y, turn = (row.filled("header", keyword) for keyword in ("CDELT1", "CDELT2", "CROTA2"))
    if x is None or y is None or turn is None:
        return None
    angle = _apply("RADIANS", q.Apply(COALESCE, (turn, constant(0.0)), _DOUBLE))
    cos, sin = _apply("COS", angle), _apply("SIN", angle)
    return _listed((_times(x, cos), _times(_times(constant(-1.0), y), sin), _times(x, sin), _times(y, cos)))


def _apply(name: str, value: q.Value) -> q.Value:
    return q.Apply(FUNCTIONS[name], (value,), _DOUBLE)


def _times(a: q.Value, b: q.Value) -> q.Value:
    return q.Apply(OPERATORS["*"], (a, b), _DOUBLE)
