"""Type, unit and UCD of every function and operator, one row each."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import pytest

from tests.shipped import SHIPPED
from vo_server.adql.semantics.functions import AGGREGATES, FUNCTIONS, OPERATORS
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.semantics.udfs import UDFS
from vo_server.adql.syntax.parse import parse

CATALOGUE = SHIPPED
WORDS = Path(__file__).resolve().parents[3].parent / "shared/standards/vocab/ucd-list.txt"
J, K = "phot.mag;em.IR.J", "phot.mag;em.IR.K"
RA, DEC = "pos.eq.ra", "pos.eq.dec"
SUB = "(SELECT MAX(p.j_m) FROM psc AS p)"

ROWS: tuple[tuple[str, str, str | None, str | None], ...] = (
    # arithmetic
    ("j_m - k_m", "float", "mag", "phot.color;em.IR.J;em.IR.K"),
    ("j_m + k_m", "float", "mag", None),
    ("j_m - j_m", "float", "mag", f"{J};arith.diff"),
    ("j_m + 0.5", "double", "mag", J),
    ("1 - j_m", "float", "mag", J),
    ("ra - 180", "double", "deg", RA),
    ("ra - dec", "double", "deg", None),
    ("j_m + ra", "double", None, None),
    ("j_m * ra", "double", "mag.deg", None),
    ("ra * ra", "double", "deg**2", None),
    ("2 * j_m", "float", "mag", None),
    ("ra / dec", "double", None, None),
    ("ra / ra", "double", None, f"{RA};arith.ratio"),
    ("ra / j_m", "double", "deg/mag", None),
    ("ra / 15", "double", "deg", None),
    ("1 / j_m", "float", "mag**-1", None),
    ("id / 2", "int", None, None),
    ("id / 2.0", "double", None, None),
    ("-j_m", "float", "mag", J),
    ("-ra", "double", "deg", RA),
    ("id + id", "int", None, "meta.id;arith.sum"),
    ("id & 3", "int", None, None),
    ("id | 3000000000", "long", None, None),
    ("id ^ 3", "int", None, None),
    ("~id", "int", None, "meta.id"),
    ("name || 'x'", "char", None, None),
    # literals
    ("1", "int", None, None),
    ("3000000000", "long", None, None),
    ("0xFF", "int", None, None),
    ("1.5", "double", None, None),
    ("1e3", "double", None, None),
    ("'abc'", "char", None, None),
    ("TRUE", "boolean", None, None),
    ("NULL", "char", None, None),
    # mathematics
    ("ABS(j_m)", "float", "mag", J),
    ("CEILING(j_m)", "double", "mag", J),
    ("FLOOR(ra)", "double", "deg", RA),
    ("ROUND(ra, 2)", "double", "deg", RA),
    ("TRUNCATE(ra)", "double", "deg", RA),
    ("EXP(j_m)", "double", None, None),
    ("LOG(j_m)", "double", None, None),
    ("LOG10(ra)", "double", None, None),
    ("SQRT(ra * ra)", "double", "deg", None),
    ("SQRT(ra)", "double", None, None),
    ("POWER(ra, 2)", "double", "deg**2", None),
    ("POWER(10, -0.4 * j_m)", "double", None, None),
    ("MOD(ra, 15)", "double", "deg", None),
    ("DEGREES(RADIANS(ra))", "double", "deg", RA),
    ("RADIANS(dec)", "double", "rad", DEC),
    ("SIN(RADIANS(dec))", "double", None, None),
    ("COS(ra)", "double", None, None),
    ("TAN(ra)", "double", None, None),
    ("COT(ra)", "double", None, None),
    ("ASIN(0.5)", "double", "rad", None),
    ("ACOS(0.5)", "double", "rad", None),
    ("ATAN(0.5)", "double", "rad", None),
    ("ATAN2(ra, dec)", "double", "rad", None),
    ("PI()", "double", None, None),
    ("RAND()", "double", None, None),
    # texts
    ("LOWER(name)", "char", None, "meta.id"),
    ("UPPER(flag)", "char", None, "meta.code;phot.mag"),
    # geometry
    ("POINT(ra, dec)", "double", "deg", "pos.eq"),
    ("CIRCLE(ra, dec, 1)", "double", "deg", "pos.outline"),
    ("BOX(ra, dec, 1, 1)", "double", "deg", "pos.outline"),
    ("POLYGON(ra, dec, 1, 2, 3, 4)", "double", "deg", "pos.outline"),
    ("REGION('CIRCLE 1 2 3')", "double", "deg", "pos.outline"),
    ("DISTANCE(ra, dec, 1, 2)", "double", "deg", "pos.angDistance"),
    ("AREA(CIRCLE(ra, dec, 1))", "double", "deg**2", "phys.angArea"),
    ("CENTROID(CIRCLE(ra, dec, 1))", "double", "deg", "pos.eq"),
    ("COORD1(CENTROID(CIRCLE(1, 2, 3)))", "double", "deg", RA),
    ("COORD2(CENTROID(CIRCLE(1, 2, 3)))", "double", "deg", DEC),
    ("COORD2(ivo_geom_transform('ICRS', 'GALACTIC', POINT(ra, dec)))", "double", "deg", None),
    ("CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))", "int", None, "meta.code"),
    ("INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(1, 2, 3))", "int", None, "meta.code"),
    # conditions, casts, units
    ("COALESCE(j_m, k_m)", "float", "mag", None),
    ("COALESCE(j_m, 99)", "float", "mag", J),
    ("COALESCE(ra, dec, 0)", "double", "deg", None),
    ("NULLIF(j_m, 0)", "float", "mag", J),
    ("CASE WHEN ra > 1 THEN j_m END", "float", "mag", J),
    ("CASE WHEN ra > 1 THEN ra ELSE 0 END", "double", "deg", RA),
    ("CASE WHEN ra > 1 THEN j_m ELSE ra END", "double", None, None),
    ("CAST(ra AS REAL)", "float", "deg", RA),
    ("CAST(j_m AS INTEGER)", "int", "mag", J),
    ("CAST(j_m AS VARCHAR(4))", "char", None, J),
    ("CAST(seen AS TIMESTAMP)", "char", None, "time.epoch;obs"),
    ("CAST('2000-01-01' AS TIMESTAMP)", "char", None, None),
    ("IN_UNIT(ra, 'arcsec')", "double", "arcsec", RA),
    ("IN_UNIT(j_m - k_m, 'mmag')", "double", "mmag", "phot.color;em.IR.J;em.IR.K"),
    (SUB, "float", "mag", f"{J};stat.max"),
    # aggregates
    ("COUNT(*)", "long", None, "meta.number"),
    ("COUNT(DISTINCT ra)", "long", None, "meta.number"),
    ("SUM(j_m)", "double", "mag", f"{J};arith.sum"),
    ("SUM(id)", "long", None, "meta.id;arith.sum"),
    ("AVG(ra)", "double", "deg", f"{RA};stat.mean"),
    ("AVG(id)", "double", None, "meta.id;stat.mean"),
    ("MIN(j_m)", "float", "mag", f"{J};stat.min"),
    ("MAX(ra)", "double", "deg", f"{RA};stat.max"),
    ("MIN(name)", "char", None, "meta.id;stat.min"),
    ("MAX(j_m) - MIN(j_m)", "float", "mag", None),
    ("AVG(j_m - k_m)", "double", "mag", "phot.color;em.IR.J;em.IR.K;stat.mean"),
    ("MOC('6/1-3')", "char", None, "pos.outline"),
    ("MOC(6, CIRCLE(ra, dec, 1))", "char", None, "pos.outline"),
    # the IVOA's
    ("ivo_healpix_index(5, ra, dec)", "long", None, "pos.healpix"),
    ("ivo_healpix_center(5, id)", "double", "deg", "pos.eq"),
    ("ivo_epoch_prop_pos(ra, dec, 1, 1, 1, 1, 2000, 2010)", "double", "deg", "pos.eq"),
    ("ivo_apply_pm(ra, dec, 1, 1, 1)", "double", "deg", "pos.eq"),
    ("ivo_geom_transform('ICRS', 'GALACTIC', POINT(ra, dec))", "double", "deg", "pos;pos.galactic"),
    ("ivo_to_jd(seen)", "double", "d", "time.epoch"),
    ("ivo_to_mjd(seen)", "double", "d", "time.epoch"),
    ("ivo_string_agg(name, ',')", "char", None, "meta.id"),
    ("ivo_nocasematch(name, 'a%')", "int", None, "meta.code"),
    ("ivo_hasword(name, 'a')", "int", None, "meta.code"),
    ("ivo_hashlist_has(name, 'a')", "int", None, "meta.code"),
    ("ivo_histogram(ra, 0, 1, 3)", "int", None, "meta.number"),
    ("ivo_normal_random(j_m, 1)", "double", "mag", None),
    ("ivo_interval_overlaps(1, 2, ra, 4)", "int", None, "meta.code"),
    ("ivo_interval_has(ra, 1, 2)", "int", None, "meta.code"),
    ("ivo_hms_to_degrees(name)", "double", "deg", None),
    ("ivo_dms_to_degrees(name)", "double", "deg", None),
)

SHORT = {"name": "designation", "id": "pts_key", "flag": "rd_flg", "seen": '"date"'}
"""Columns of the point sources under names that the rows above are read by."""


@pytest.mark.parametrize(("expression", "datatype", "unit", "ucd"), ROWS, ids=[r[0] for r in ROWS])
def test_describes_values(expression: str, datatype: str, unit: str | None, ucd: str | None) -> None:
    renamed = ", ".join(f"{theirs} AS {ours}" for ours, theirs in SHORT.items())
    text = f"SELECT {expression} FROM (SELECT ra, dec, j_m, k_m, {renamed} FROM psc) AS s"
    (found,) = resolve(parse(text), CATALOGUE, text).query.columns
    assert (found.datatype, found.unit, found.ucd) == (datatype, unit, ucd)
    assert found.description == expression


def test_table_has_every_function() -> None:
    said = " ".join(row[0] for row in ROWS)
    names = {name.partition("(")[0] for name in (*FUNCTIONS, *UDFS, *AGGREGATES)}
    assert [name for name in sorted(names) if f"{name}(" not in said] == []
    assert [symbol for symbol in OPERATORS if f" {symbol} " not in said] == []


def test_units_are_vounits() -> None:
    for *_, unit, _ in ROWS:
        if unit:
            u.Unit(unit, format="vounit")


@pytest.mark.skipif(not WORDS.is_file(), reason=f"the list of UCDs is not at {WORDS}")
def test_ucds_are_in_the_vocabulary() -> None:
    lines = (line.split("|") for line in WORDS.read_text(encoding="utf-8").splitlines() if line.count("|") >= 2)
    known = {word.strip(): letter.strip() for letter, word, *_ in lines}
    for ucd in {row[3] for row in ROWS if row[3]}:
        first, *rest = ucd.split(";")
        assert known[first] in "PQEVC", ucd
        assert all(known[word] in "SQEVC" for word in rest), ucd


@pytest.mark.parametrize("operator", ["UNION", "INTERSECT", "EXCEPT ALL"])
def test_set_operation_keeps_columns_of_its_left_side(operator: str) -> None:
    text = f"SELECT AVG(ra) AS a, MAX(j_m) FROM psc {operator} SELECT dec, 1.5 FROM psc"
    first, second = resolve(parse(text), CATALOGUE, text).query.columns
    assert (first.name, first.unit, first.ucd, first.description) == ("a", "deg", f"{RA};stat.mean", "AVG(ra)")
    assert (second.datatype, second.unit, second.ucd) == ("double", "mag", f"{J};stat.max")
