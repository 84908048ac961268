"""User-defined functions: those of the IVOA's catalogue (EN UDFlist 1.2), one record for each of their forms, and two
proposed ones that are in use.

The form is the catalogue's own, from which the parameters are read. A function that arithmetic can express is written
so here; others are an element of spherical.py, which each engine compiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import nan, pi
from typing import Any

import numpy as np
import sqlalchemy as sa

from vo_server.adql.semantics import spherical
from vo_server.adql.semantics.functions import Function, Kind, Parameter, ResultRule
from vo_server.adql.semantics.geometry import split_point
from vo_server.adql.semantics.internal_functions import ANCESTOR, CELL
from vo_server.adql.semantics.mocs import FORMS
from vo_server.adql.semantics.query import FunctionCall, Value
from vo_server.adql.semantics.spherical import Element, Geometry, to_literal
from vo_server.adql.semantics.units import without_main
from vo_server.adql.semantics.values import constant_fold, constant_value, is_null, to_integer_constant
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.model.mjd import JD_AT_MJD_0, MJD_AT_1970
from vo_server.sky import angles, cover, frames, proper_motion

ARGUMENT_KINDS: dict[str, Kind] = {
    "INTEGER": "integer",
    "BIGINT": "integer",
    "REAL": "number",
    "NUMERIC": "number",
    "TEXT": "text",
    "TEXT literal": "text",
    "TIMESTAMP": "time",
    "POINT": "point",
    "GEOMETRY": "geometry",
    "INTERVAL": "interval",
}


def _define(form: str, result: ResultRule | Column, sql: Callable[..., Any], doc: str, **more: Any) -> Function:
    """Return the record of a function with the parameters of its form."""
    name, _, arguments = form.partition("(")
    pairs = re.findall(r"(\w+) ([A-Z]+(?: literal)?)", arguments.partition(")")[0])
    parameters = tuple(Parameter(argument, ARGUMENT_KINDS[type]) for argument, type in pairs)
    rule = (lambda _: result) if isinstance(result, Column) else result
    return Function(name, parameters, rule, sql, doc, feature="udf", form=form, **more)


# -------------------------------------------------------------- HEALPix

_CELL_NUMBER = Column("", types.BIGINT, ucd="pos.healpix")
_POSITION = Column("", types.POINT, unit="deg", ucd="pos.eq")


def _check_order(arguments: tuple[Value, ...]) -> str | None:
    order = constant_value(arguments[0])
    return None if order is None or 0 <= order <= cover.ORDER else f"the order must be 0 to {cover.ORDER}, not {order}"


def _rewrite_cell(arguments: tuple[Value, ...]) -> Value | None:
    """Rewrite a cell as a part of the cell of order 29, which a table has stored for its own position."""
    order, *position = arguments
    if constant_value(order) is None:
        return None
    lon, lat = position if len(position) == 2 else split_point(position[0])
    finest = constant_fold(FunctionCall(CELL, (lon, lat, to_integer_constant(cover.ORDER)), _CELL_NUMBER))
    return constant_fold(
        FunctionCall(ANCESTOR, (finest, to_integer_constant(2 * (cover.ORDER - constant_value(order)))), _CELL_NUMBER)
    )


def _sql_cell(order: Element, lon: Element, lat: Element) -> Element:
    finest = spherical.HealpixCell(lon, lat, sa.literal_column(str(cover.ORDER)))
    within = order.between(_sql_integer(0), _sql_integer(cover.ORDER))
    return sa.case((within, spherical.AncestorCell(finest, _sql_integer(2) * (_sql_integer(cover.ORDER) - order))))


def _sql_integer(n: int) -> Element:
    return sa.literal_column(str(n), sa.Integer())


def _fold_centre(order: int, number: int) -> tuple[float, ...]:
    if not 0 <= number < 12 << (2 * order):
        raise ValueError(number)
    lon, lat = cover.cell_centres(np.array([number]), order)
    return float(lon[0]), float(lat[0])


def _sql_point(element: Callable[..., Element]) -> Callable[..., Geometry]:
    return lambda *arguments: Geometry("point", value=element(*arguments))


HEALPIX = (
    _define(
        "ivo_healpix_index(hpxOrder INTEGER, long REAL, lat REAL) -> BIGINT",
        _CELL_NUMBER,
        _sql_cell,
        "The number (nested) of the HEALPix cell of an order that holds a position in degrees. A condition on that of "
        "a table's own position is answered from the index.",
        check=_check_order,
        rewrite=_rewrite_cell,
        example="ivo_healpix_index(6, 266.4, -29.0)",
    ),
    _define(
        "ivo_healpix_index(hpxOrder INTEGER, point POINT) -> BIGINT",
        _CELL_NUMBER,
        lambda order, point: _sql_cell(order, *point.centre),
        "The number (nested) of the HEALPix cell of an order that holds a point.",
        check=_check_order,
        rewrite=_rewrite_cell,
        example="ivo_healpix_index(6, POINT(266.4, -29.0))",
    ),
    _define(
        "ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT",
        _POSITION,
        _sql_point(spherical.CellCentre),
        "The centre of the HEALPix cell of an order and a number (nested).",
        fold=_fold_centre,
        check=_check_order,
        example="ivo_healpix_center(6, 1234)",
    ),
)

# ----------------------------------------------------------- astrometry


NULL_POSITION_MESSAGE = "ivo_epoch_prop_pos: a position or an epoch is NULL"
"""The error of a call whose position or epoch is NULL (UDF catalogue, ivo_epoch_prop_pos)."""


def _check_position(arguments: tuple[Value, ...]) -> str | None:
    missing = [name for name, n in (("ra", 0), ("dec", 1), ("ref_epoch", 6), ("out_epoch", 7)) if is_null(arguments[n])]
    return f"{missing[0]} is NULL" if missing else None


def _fold_motion(*numbers: float) -> tuple[float, ...]:
    *star, since, to = (np.array([float(n)]) for n in numbers)
    lon, lat = proper_motion.propagate(to - since, *star)
    return float(lon[0]), float(lat[0])


def _sql_apply_pm(ra: Element, dec: Element, pm_ra: Element, pm_dec: Element, years: Element) -> Geometry:
    is_complete = sa.and_(*(x.is_not(None) for x in (ra, dec, pm_ra, pm_dec, years)))
    none: Element = sa.cast(sa.null(), sa.Double())
    mas = to_literal(_MAS_PER_DEGREE)
    moved = spherical.PropagatedPosition(ra, dec, none, pm_ra * mas, pm_dec * mas, none, to_literal(0.0), years)
    return Geometry("point", value=sa.case((is_complete, moved)))


def _fold_apply_pm(ra: float, dec: float, pm_ra: float, pm_dec: float, years: float) -> tuple[float, ...]:
    return _fold_motion(ra, dec, nan, pm_ra * _MAS_PER_DEGREE, pm_dec * _MAS_PER_DEGREE, nan, 0, years)


_MAS_PER_DEGREE = 3.6e6
"""Milliarcseconds."""

_UCD_OF_FRAME = {
    "GALACTIC": "pos;pos.galactic",
    "SUPER_GALACTIC": "pos;pos.supergalactic",
    "ECLIPTIC": "pos;pos.ecliptic",
}
"""UCDs of positions in these frames, whose own words may not come first (UCD1+ 1.5)."""


def _check_frames(arguments: tuple[Value, ...]) -> str | None:
    for frame in (constant_value(a) for a in arguments[:2]):
        if frame is None:
            return "the frames must be texts in single quotes"
        if frame not in frames.FRAMES:
            return f"unknown frame {frame!r}; known are {', '.join(frames.FRAMES)}"
    return "a MOC is in ICRS and cannot be rotated" if arguments[2].column.type is types.MOC else None


def _type_rotated(arguments: tuple[Value, ...]) -> Column:
    shape = arguments[2].column.type
    ucd = _UCD_OF_FRAME.get(constant_value(arguments[1]), "pos.eq") if shape is types.POINT else "pos.outline"
    return Column("", shape, unit="deg", ucd=ucd)


def _sql_rotated(source: Element, target: Element, shape: Geometry) -> Geometry:
    return Geometry(shape.kind, value=spherical.RotatedGeometry(source, target, to_literal(shape.kind), shape.numbers))


def _fold_rotation(source: str, target: str, numbers: tuple[float, ...]) -> tuple[float, ...]:
    return frames.rotate_shape(source, target, numbers)


ASTROMETRY = (
    _define(
        "ivo_epoch_prop_pos(ra REAL, dec REAL, parallax REAL, pmra REAL, pmdec REAL, radial_velocity REAL, "
        "ref_epoch REAL, out_epoch REAL) -> POINT",
        _POSITION,
        _sql_point(spherical.PropagatedPosition),
        "The position at another epoch of an object that moves in a straight line: degrees, mas, mas/yr with cos(dec) "
        "in pmra, km/s, Julian years. Without a parallax it is taken to be infinitely far, without a motion to be at "
        "rest; position and epochs must not be NULL.",
        fold=_fold_motion,
        check=_check_position,
        example="ivo_epoch_prop_pos(269.452, 4.693, 546.98, -801.55, 10362.39, -110.5, 2016.0, 2000.0)",
    ),
    _define(
        "ivo_apply_pm(ra REAL, dec REAL, pmra REAL, pmdec REAL, epdist REAL) -> POINT",
        _POSITION,
        _sql_apply_pm,
        "The position of an object with this proper motion after epdist Julian years: degrees, degrees a year with "
        "cos(dec) in pmra, along a straight line. Withdrawn from the IVOA's catalogue: ivo_epoch_prop_pos takes "
        "mas/yr.",
        fold=_fold_apply_pm,
        example="ivo_apply_pm(269.452, 4.693, -0.000223, 0.002878, -16)",
    ),
    _define(
        "ivo_geom_transform(from_sys TEXT literal, to_sys TEXT literal, geo GEOMETRY) -> GEOMETRY",
        _type_rotated,
        _sql_rotated,
        f"A geometry in another reference frame: {', '.join(frames.FRAMES)}, as in IVOA's vocabulary. FK5 is of "
        "J2000, FK4 of B1950 without the terms of elliptic aberration, ECLIPTIC of J2000.",
        fold=_fold_rotation,
        check=_check_frames,
        example="ivo_geom_transform('ICRS', 'GALACTIC', POINT(266.4, -29.0))",
    ),
)

# ---------------------------------------------------------------- dates


def _sql_days_since(zero: float) -> Callable[[Element], Element]:
    """Return a function of times that gives days since a date; 1970-01-01 is day `zero`."""
    return lambda moment: sa.extract("epoch", moment) / to_literal(86400.0) + to_literal(zero)


_DAYS = Column("", types.DOUBLE, unit="d", ucd="time.epoch")

DATES = (
    _define(
        "ivo_to_jd(d TIMESTAMP) -> REAL",
        _DAYS,
        _sql_days_since(JD_AT_MJD_0 + MJD_AT_1970),
        "The Julian date of a time or of a text in ISO form. Time scales are not converted.",
        example="ivo_to_jd('2000-01-01T12:00:00')",
    ),
    _define(
        "ivo_to_mjd(d TIMESTAMP) -> REAL",
        _DAYS,
        _sql_days_since(float(MJD_AT_1970)),
        "The modified Julian date of a time or of a text in ISO form. Time scales are not converted.",
        example="ivo_to_mjd('2000-01-01T12:00:00')",
    ),
)

# ---------------------------------------------------------------- texts

_TRUTH = Column("", types.INTEGER, ucd="meta.code")
_HASH = to_literal("#")


def _sql_hashlist_has(listed: Element, item: Element) -> Element:
    is_single = sa.func.strpos(item, _HASH) == _sql_integer(0)
    delimited_item = _HASH.concat(sa.func.lower(item)).concat(_HASH)
    index = sa.func.strpos(_HASH.concat(sa.func.lower(listed)).concat(_HASH), delimited_item)
    return sa.and_(is_single, index > _sql_integer(0))


def _type_joined_text(arguments: tuple[Value, ...]) -> Column:
    return Column("", types.VARCHAR, ucd=without_main(arguments[0].column.ucd))


def _check_delimiter(arguments: tuple[Value, ...]) -> str | None:
    return None if isinstance(constant_value(arguments[1]), str) else "the delimiter must be a text in single quotes"


TEXTS = (
    _define(
        "ivo_string_agg(expression TEXT, delimiter TEXT) -> TEXT",
        _type_joined_text,
        lambda text, delimiter: sa.func.string_agg(text, delimiter),
        "The texts of a group joined by the delimiter, without NULLs, in no particular order.",
        check=_check_delimiter,
        is_aggregate=True,
        example="ivo_string_agg(table_name, ', ')",
    ),
    _define(
        "ivo_nocasematch(value TEXT, pattern TEXT) -> INTEGER",
        _TRUTH,
        lambda value, pattern: value.ilike(pattern),
        "1 if the value matches the pattern of LIKE whatever its case, else 0.",
        is_predicate=True,
        example="ivo_nocasematch('NGC 309', 'ngc%')",
    ),
    _define(
        "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER",
        _TRUTH,
        spherical.HasWords,
        "1 if all words of needle are words of haystack, whatever their case, else 0. Words are not stemmed.",
        is_predicate=True,
        example="ivo_hasword('a star of the Milky Way', 'milky way')",
    ),
    _define(
        "ivo_hashlist_has(hashlist TEXT, item TEXT) -> INTEGER",
        _TRUTH,
        _sql_hashlist_has,
        "1 if item is one of the words of hashlist, which # separates, whatever its case; else 0.",
        is_predicate=True,
        example="ivo_hashlist_has('infrared#optical', 'Optical')",
    ),
)

# -------------------------------------------------------------- numbers


def _sql_normal_random(mu: Element, sigma: Element) -> Element:
    """Draw by the method of Box and Muller."""
    far = sa.func.sqrt(to_literal(-2.0) * sa.func.ln(to_literal(1.0) - spherical.Random()))
    return mu + sigma * far * sa.func.cos(to_literal(2 * pi) * spherical.Random())


def _type_as_mean(arguments: tuple[Value, ...]) -> Column:
    return Column("", types.DOUBLE, unit=arguments[0].column.unit)


def _sql_overlap(a1: Element, b1: Element, a2: Element, b2: Element) -> Element:
    return sa.and_(a1 <= b1, a2 <= b2, a1 <= b2, a2 <= b1)


def _sql_within(value: Element, low: Element, high: Element) -> Element:
    return value.between(low, high)


def _sql_in_interval(value: Element, interval: Element) -> Element:
    return _sql_within(value, *(spherical.Coordinate(interval, to_literal(n)) for n in (1, 2)))


def _sql_sexagesimal(form: str) -> Callable[[Element], Element]:
    return lambda text: spherical.SexagesimalAngle(to_literal(form), text)


def _fold_angle(parse: Callable[[str], float | None]) -> Callable[[str], float]:
    def fold(text: str) -> float:
        degrees = parse(text)
        if degrees is None:
            raise ValueError(text)
        return degrees

    return fold


MAX_BINS = 1000


def _check_bins(arguments: tuple[Value, ...]) -> str | None:
    lower, upper, bins = (constant_value(a) for a in arguments[1:])
    if lower is None or upper is None or bins is None:
        return "lower, upper and nbins must be numbers that are the same for all rows"
    if not lower < upper:
        return f"lower must be less than upper, but they are {lower:g} and {upper:g}"
    return None if 1 <= bins <= MAX_BINS else f"nbins must be 1 to {MAX_BINS}, not {bins}"


def _sql_histogram(value: Element, lower: Element, upper: Element, bins: Element) -> Element:
    """Count values by bin: bin 0 is for NULL and values below `lower`, the last one for `upper` and above."""
    doubles: list[Element] = [sa.cast(n, sa.Double()) for n in (value, lower, upper)]
    x, low, high = doubles
    inside = sa.func.floor((x - low) / (high - low) * bins)
    bin = sa.case(
        (sa.or_(x.is_(None), x < low), _sql_integer(0)),
        (x >= high, bins + _sql_integer(1)),
        else_=sa.func.least(sa.cast(inside, sa.Integer()) + _sql_integer(1), bins),
    )
    return spherical.HistogramCounts(bin, bins + _sql_integer(2))


_DEGREES = Column("", types.DOUBLE, unit="deg")

NUMBERS = (
    _define(
        "ivo_histogram(val REAL, lower REAL, upper REAL, nbins INTEGER) -> INTEGER[]",
        Column("", types.find_type("INTEGER ARRAY"), ucd="meta.number"),
        _sql_histogram,
        "The numbers of values of a group in nbins equal bins from lower to upper. The first one counts NULLs and "
        "values below lower, the last one values from upper on. Limits and nbins are the same for all rows.",
        check=_check_bins,
        is_aggregate=True,
        example="ivo_histogram(table_index, 0, 10, 5)",
    ),
    _define(
        "ivo_normal_random(mu REAL, sigma REAL) -> REAL",
        _type_as_mean,
        _sql_normal_random,
        "A random number of the normal distribution of a mean and a standard deviation.",
        is_volatile=True,
        example="ivo_normal_random(0, 1)",
    ),
    _define(
        "ivo_interval_overlaps(a1 NUMERIC, b1 NUMERIC, a2 NUMERIC, b2 NUMERIC) -> INTEGER",
        _TRUTH,
        _sql_overlap,
        "1 if the intervals from a1 to b1 and from a2 to b2 have a number in common, an end maybe; else 0.",
        is_predicate=True,
        example="ivo_interval_overlaps(1, 3, 2, 5)",
    ),
    _define(
        "ivo_interval_has(val NUMERIC, iv INTERVAL) -> INTEGER",
        _TRUTH,
        _sql_in_interval,
        "1 if the interval, a column of two numbers, holds the number, its ends included; else 0. It was proposed for "
        "the IVOA's catalogue.",
        is_predicate=True,
    ),
    _define(
        "ivo_interval_has(val NUMERIC, lower NUMERIC, upper NUMERIC) -> INTEGER",
        _TRUTH,
        _sql_within,
        "1 if the number is from lower to upper, the ends included; else 0.",
        is_predicate=True,
        example="ivo_interval_has(2, 1, 3)",
    ),
    _define(
        "ivo_hms_to_degrees(hms TEXT) -> REAL",
        _DEGREES,
        _sql_sexagesimal("hms"),
        "Degrees from h:m:s, hHmMsS or hhmmss; NULL for any other text.",
        fold=_fold_angle(angles.parse_hms),
        example="ivo_hms_to_degrees('08:36:09.6')",
    ),
    _define(
        "ivo_dms_to_degrees(dms TEXT) -> REAL",
        _DEGREES,
        _sql_sexagesimal("dms"),
        "Degrees from d:m:s, dDmMsS or ddmmss, with or without a sign; NULL for any other text.",
        fold=_fold_angle(angles.parse_dms),
        example="ivo_dms_to_degrees('+19:40:48')",
    ),
)

# ------------------------------------------------------------------ all

UDF_FORMS = (*FORMS, *HEALPIX, *ASTROMETRY, *DATES, *TEXTS, *NUMBERS)
UDFS: dict[str, tuple[Function, ...]] = {
    name: tuple(f for f in UDF_FORMS if f.name == name) for name in dict.fromkeys(f.name for f in UDF_FORMS)
}

NOT_OFFERED = {
    "ivo_simbadpoint": "it would ask Sesame over the network: look the name up there and write POINT(ra, dec)",
}
"""Functions that clients call and that are not offered, with what to do instead."""
