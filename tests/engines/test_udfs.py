"""IN_UNIT and the user-defined functions of the IVOA catalogue."""

# ruff: noqa: E501

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.mocs import FORMS
from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.errors import Code, QueryError, UsageError
from vo_server.model import types
from vo_server.model.column import Column, Table
from vo_server.sky import cover, frames, vectors


@pytest.mark.parametrize(
    ("column", "unit", "number"), [("ra", "arcsec", 3600.0), ("x", "deg", 1 / 3600), ("mag", "mmag", 1000.0)]
)
def test_in_unit(world: Any, column: str, unit: str, number: float) -> None:
    values = world.fetch_values(f"SELECT IN_UNIT({column}, '{unit}') FROM sky.stars ORDER BY id")
    expected = [None if v is None else v * number for v in world.stars[column]]
    assert values == [None if value is None else pytest.approx(value, rel=1e-15) for value in expected]


def test_in_unit_changes_unit_and_keeps_ucd(world: Any) -> None:
    (column, same) = world.resolve("SELECT IN_UNIT(ra, 'rad'), IN_UNIT(mag, 'mag') AS m FROM sky.stars").columns
    assert (column.unit, column.ucd, column.type.name) == ("rad", "pos.eq.ra", "DOUBLE PRECISION")
    assert (same.unit, same.ucd, same.type.name) == ("mag", "phot.mag;em.IR.J", "REAL")


def test_groups_by_in_unit(world: Any) -> None:
    rows = world.ask(
        "SELECT FLOOR(IN_UNIT(ra, 'arcmin')), COUNT(*) FROM sky.stars GROUP BY FLOOR(IN_UNIT(ra, 'arcmin'))"
    )
    assert sum(n for _, n in rows) == len(world.stars["ra"])


# ------------------------------------------------- examples of the catalogue


@pytest.fixture(scope="module")
def udf_catalogue(shared: Path) -> list[dict[str, Any]]:
    functions: list[dict[str, Any]] = json.loads((shared / "standards/udf/ivo_udfs.json").read_text())["functions"]
    return functions


PROPOSED = {"ivo_apply_pm", "ivo_interval_has"}
NOT_IMPLEMENTED = {"ivo_simbadpoint": "needs the network"}
UNSTEMMED = "ivo_hasword('shown that a primordial', 'show')"


def _to_approximate(expected: Any) -> Any:
    """Return the expected value with the precision of the catalogue; its FK5 is that of ICRS, 0.02 arcsec away."""
    polygon = isinstance(expected, list) and len(expected) == 6
    return pytest.approx(expected, abs=1e-5) if polygon else pytest.approx(expected, rel=3e-8)


def test_forms_agree_with_catalogue(udf_catalogue: list[dict[str, Any]]) -> None:
    forms = {f["signature"] for f in udf_catalogue if f["name"] not in NOT_IMPLEMENTED}
    records = [f for f in UDF_FORMS if f not in FORMS]
    assert {f.form for f in records if f.name not in PROPOSED} == forms
    assert {f.name for f in records} == {f["name"] for f in udf_catalogue} - NOT_IMPLEMENTED.keys() | PROPOSED


def test_examples_of_the_catalogue(world: Any, udf_catalogue: list[dict[str, Any]]) -> None:
    for example in (e for f in udf_catalogue for e in f["examples"] if f["name"] not in NOT_IMPLEMENTED):
        call, expected = example["call"], example["result"]
        if expected in ("error", "undefined"):
            with pytest.raises(QueryError):
                world.evaluate(call)
        elif call == UNSTEMMED:
            assert world.evaluate(call) == 0, "stemming is optional"
        else:
            assert world.evaluate(call) == (None if expected is None else _to_approximate(expected)), call


# ----------------------------------------------------------------- HEALPix

# Positions on the border of two cells (the first 41 rows) may belong to either: engines and the loader round differently.


@pytest.mark.parametrize("order", [0, 5, 17, 29])
@pytest.mark.parametrize("form", ["ra, dec", "POINT(ra, dec)"])
@pytest.mark.parametrize("planned", [True, False])
def test_cells_of_positions(world: Any, order: int, form: str, planned: bool) -> None:
    cells = world.fetch_values(f"SELECT ivo_healpix_index({order}, {form}) FROM sky.stars ORDER BY id", planned)
    ra, dec = np.array(world.stars["ra"]), np.array(world.stars["dec"])
    centres = world.fetch_values(
        f"SELECT ivo_healpix_center({order}, ivo_healpix_index({order}, ra, dec)) FROM sky.stars ORDER BY id"
    )
    inside = slice(0 if planned else 41, None)
    assert cells[inside] == [cell >> (2 * (29 - order)) for cell in cover.healpix_index(ra, dec).tolist()][inside]
    lon, lat = np.array(centres).T
    assert vectors.distance(lon, lat, ra, dec).max() < 90 / 2**order
    cells_at_order = world.fetch_values(f"SELECT ivo_healpix_index({order}, ra, dec) FROM sky.stars ORDER BY id")
    assert cover.healpix_cells(lon, lat, order).tolist() == cells_at_order
    assert vectors.distance(lon, lat, *cover.cell_centres(np.array(cells_at_order), order)).max() < 1e-12


def test_order_from_rows(world: Any) -> None:
    rows = world.ask(
        "SELECT small, ra, dec, ivo_healpix_index(small, ra, dec), ivo_healpix_index(small, POINT(ra, dec)) FROM sky.stars WHERE id > 40"
    )
    for order, ra, dec, cell, same in rows:
        is_valid = order is not None and 0 <= order <= 29
        assert cell == same == (cover.healpix_cell(ra, dec, 29) >> (2 * (29 - order)) if is_valid else None)


def test_centres_of_cells_from_rows(world: Any) -> None:
    rows = world.ask("SELECT small, id, ivo_healpix_center(small, id) FROM sky.stars")
    for order, cell, centre in rows:
        if order is None or order < 0 or cell >= 12 * 4**order:
            assert centre is None
        else:
            assert cover.healpix_cell(*centre, order) == cell


@pytest.mark.parametrize(
    "condition",
    [
        "ivo_healpix_index(4, ra, dec) = 1076",
        "1076 = ivo_healpix_index(4, POINT(ra, dec))",
        "ivo_healpix_index(2, ra, dec) IN (67, 0, 191)",
        "ivo_healpix_index(2, ra, dec) BETWEEN 60 AND 70",
        "ivo_healpix_index(2, ra, dec) NOT IN (67, 0)",
        "ivo_healpix_index(2, ra, dec) = 67 OR ivo_healpix_index(3, ra, dec) = 0",
        "ivo_healpix_index(2, ra, dec) = 67 AND 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 3))",
        "ivo_healpix_index(2, ra, dec) = -5",
        "ivo_healpix_index(2, ra, dec) BETWEEN 9 AND 3",
        "ivo_healpix_index(2, ra, dec) BETWEEN -3 AND 100000000000",
    ],
)
def test_plan_does_not_change_conditions_on_cells(world: Any, condition: str) -> None:
    text = f"SELECT id FROM sky.stars WHERE ({condition}) AND id >= 41 ORDER BY id"
    assert world.fetch_values(text) == world.fetch_values(text, planned=False)


def test_cells_in_views_joins_and_sub_queries(world: Any) -> None:
    texts = (
        "SELECT cntr, ivo_healpix_index(6, raj2000, dec) FROM sky.fp_stars",
        "SELECT s.id, ivo_healpix_index(6, p.ra, p.dec) FROM sky.stars AS s LEFT JOIN sky.spots AS p ON s.id = p.id",
        "SELECT id, ivo_healpix_index(6, ra, dec) FROM (SELECT id, ra, dec FROM sky.stars) AS s",
        "SELECT id, ivo_healpix_index(6, ra, dec) AS c FROM sky.stars UNION SELECT spot, ivo_healpix_index(6, ra, dec) FROM sky.spots",
        """SELECT id, 1 FROM sky.stars AS s WHERE EXISTS (
            SELECT 1 FROM sky.spots AS p WHERE p.spot > 40 AND ivo_healpix_index(3, p.ra, p.dec) = ivo_healpix_index(3, s.ra, s.dec))""",
        """SELECT s.id, p.spot FROM sky.stars AS s JOIN sky.spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < 1
            AND p.spot > 40 AND ivo_healpix_index(1, p.ra, p.dec) = ivo_healpix_index(1, s.ra, s.dec)""",
    )
    for text in texts:
        planned_rows, unplanned_rows = (
            [r for r in world.ask(text, planned) if r[0] > 130] for planned in (True, False)
        )
        assert planned_rows and sorted(planned_rows, key=str) == sorted(unplanned_rows, key=str)


def test_groups_by_cell(world: Any) -> None:
    text = "SELECT ivo_healpix_index(1, ra, dec) AS cell, COUNT(*) FROM sky.stars GROUP BY cell"
    cells = cover.healpix_cells(np.array(world.stars["ra"]), np.array(world.stars["dec"]), 1)
    assert sorted(world.ask(text)) == sorted(
        zip(*(x.tolist() for x in np.unique(cells, return_counts=True)), strict=True)
    )


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        ("ivo_healpix_index(30, ra, dec)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_healpix_index(-1, POINT(ra, dec))", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_healpix_index(ra, dec)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_healpix_index(1, ra)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_healpix_index(1)", Code.ADQL_WRONG_ARGUMENTS, "ivo_healpix_index(hpxOrder INTEGER"),
        ("ivo_simbadpoint('M 31')", Code.ADQL_UNKNOWN_FUNCTION, "look the name up there"),
        ("ivo_apply_pm(1, 2, 3, 4)", Code.ADQL_WRONG_ARGUMENTS, "ivo_apply_pm(ra REAL"),
        ("ivo_interval_has(1, ra)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_interval_has(1, POINT(ra, dec))", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_helpix_index(1, 2, 3)", Code.ADQL_UNKNOWN_FUNCTION, "did you mean ivo_healpix_index"),
        ("ivo_geom_transform('ICRS', 'galactic', POINT(ra, dec))", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_geom_transform(name, 'GALACTIC', POINT(ra, dec))", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_string_agg(name, flag)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_histogram(x, 1, 1, 5)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_histogram(x, 1, 2, 0)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("ivo_histogram(x, 1, ra, 5)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("CAST(ivo_histogram(x, 1, 2, 5) AS INTEGER)", Code.ADQL_TYPE_MISMATCH, ""),
        ("ivo_to_jd('yesterday')", Code.ADQL_BAD_LITERAL, "2000-01-30"),
        ("ivo_to_jd(ra)", Code.ADQL_WRONG_ARGUMENTS, ""),
        ("COUNT(ivo_string_agg(name, ','))", Code.ADQL_BAD_AGGREGATION, ""),
    ],
)
def test_rejects_invalid_calls(world: Any, call: str, code: Code, hint: str) -> None:
    with pytest.raises(QueryError) as raised:
        world.ask(f"SELECT {call} FROM sky.stars")
    assert raised.value.code == code
    assert hint in (raised.value.hint or "")
    assert raised.value.infos().keys() >= {"ERROR_LINE", "ERROR_COLUMN"}


# -------------------------------------------------------------- astrometry


def test_motion_agrees_with_astropy(world: Any) -> None:
    """The stars are so far that the travel time of light does not matter."""
    text = "SELECT ra, dec, ivo_epoch_prop_pos(ra, dec, 1.5, 20 + small, -3.5, NULL, 2000, 2020) FROM sky.stars"
    rows = world.ask(text + " WHERE small IS NOT NULL AND dec BETWEEN -80 AND 80")
    moved = world.ask("SELECT small FROM sky.stars WHERE small IS NOT NULL AND dec BETWEEN -80 AND 80")
    for (ra, dec, position), (small,) in zip(rows, moved, strict=True):
        star = SkyCoord(
            ra * u.deg,
            dec * u.deg,
            distance=(1 / 1.5) * u.kpc,
            pm_ra_cosdec=(20 + small) * u.mas / u.yr,
            pm_dec=-3.5 * u.mas / u.yr,
            radial_velocity=0 * u.km / u.s,
            obstime=Time(2000, format="jyear", scale="tt"),
        )
        expected = star.apply_space_motion(Time(2020, format="jyear", scale="tt"))
        assert vectors.distance(expected.ra.deg, expected.dec.deg, *position) < 1e-9


def test_rejects_motion_of_null_position(world: Any) -> None:
    with pytest.raises(UsageError) as raised:
        world.ask("SELECT ivo_epoch_prop_pos(ra, x, 1, 1, 1, 1, 2000, 2001) FROM sky.stars")
    assert raised.value.code == Code.QUERY_ROW_FAILED


def test_proper_motion_agrees_with_astropy(world: Any) -> None:
    """The motion is so short that its length equals that of an arc."""
    text = "SELECT ra, dec, small, ivo_apply_pm(ra, dec, (20 + small) / 3.6e6, -3.5 / 3.6e6, 20) FROM sky.stars"
    for ra, dec, small, position in world.ask(f"{text} WHERE dec BETWEEN -80 AND 80"):
        if small is None:
            assert position is None
        else:
            length, bearing = math.hypot(20 + small, 3.5) * 20 * u.mas, math.atan2(20 + small, -3.5) * u.rad
            expected = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(bearing, length)
            assert vectors.distance(expected.ra.deg, expected.dec.deg, *position) < 1e-9
    assert world.evaluate("ivo_apply_pm(25, -14, 0.002, -0.001, -55)") == pytest.approx([24.8867, -13.945], abs=1e-4)


def test_intervals(world: Any) -> None:
    bands = pa.table({"band": ["V", "K", "none"], "em": pa.array([[5e-7, 6e-7], [2e-6, 2.3e-6], None])})
    em = Column(
        "em", types.find_type("DOUBLE PRECISION ARRAY"), arraysize_override="2", xtype_override="interval", unit="m"
    )
    uploads = Table("TAP_UPLOAD", "bands", (Column("band", types.VARCHAR), em))
    text = "SELECT band, ivo_interval_has(2.2e-6, em), ivo_interval_has(6e-7, em) FROM TAP_UPLOAD.bands ORDER BY band"
    with_upload = replace(world, catalogue=world.catalogue.with_tables([uploads]))
    assert with_upload.ask(text, uploads={"bands": bands}) == [("K", 1, 0), ("V", 0, 1), ("none", None, None)]
    where = "FROM TAP_UPLOAD.bands WHERE 1 = ivo_interval_has(2.2e-6, em)"
    assert with_upload.ask(f"SELECT band {where}", uploads={"bands": bands}) == [("K",)]
    mags = [m for m in world.stars["mag"] if m is not None and 10 <= m <= 12]
    assert world.fetch_values("SELECT COUNT(*) FROM sky.stars WHERE ivo_interval_has(mag, 10, 12) = 1") == [len(mags)]


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("GALACTIC", "galactic"),
        ("FK5", "fk5"),
        ("SUPER_GALACTIC", "supergalactic"),
        ("ECLIPTIC", "barycentricmeanecliptic"),
    ],
)
def test_frames_agree_with_astropy(world: Any, name: str, frame: str) -> None:
    text = f"SELECT ivo_geom_transform('ICRS', '{name}', POINT(ra, dec)), ivo_geom_transform('{name}', 'ICRS', ivo_geom_transform('ICRS', '{name}', POINT(ra, dec))), ra, dec FROM sky.stars"
    rotated, rotated_back, ra, dec = zip(*world.ask(text), strict=True)
    expected = SkyCoord(list(ra), list(dec), unit="deg").transform_to(frame).spherical
    assert vectors.distance(*np.array(rotated).T, expected.lon.deg, expected.lat.deg).max() < 1e-10
    assert vectors.distance(*np.array(rotated_back).T, ra, dec).max() < 1e-10


def test_rotates_circles_and_polygons(world: Any) -> None:
    text = """SELECT ivo_geom_transform('ICRS', 'GALACTIC', CIRCLE(ra, dec, radius)) AS c, radius,
        ivo_geom_transform('ICRS', 'GALACTIC', POLYGON(ra, 10, ra + 1, 11, ra, 12)) AS p, ra, dec FROM sky.spots"""
    for circle, radius, polygon, ra, dec in world.ask(text):
        if radius is None:
            assert circle is None
        else:
            assert circle == pytest.approx([*frames.rotate_shape("ICRS", "GALACTIC", (ra, dec)), radius])
        assert polygon == pytest.approx(frames.rotate_shape("ICRS", "GALACTIC", (ra, 10, ra + 1, 11, ra, 12)))


def test_index_finds_galactic_positions(world: Any) -> None:
    where = "1 = CONTAINS(POINT(ra, dec), ivo_geom_transform('GALACTIC', 'ICRS', CIRCLE(119.27, -42.79, 3)))"
    text = f"SELECT id FROM sky.stars WHERE {where} ORDER BY id"
    ids = world.fetch_values(text)
    assert ids and ids == world.fetch_values(text, planned=False)
    assert any(isinstance(p, q.IndexRanges) for p in q.walk(world.resolve(text)))


# ----------------------------------------------- dates, texts, numbers, angles


def test_dates(world: Any) -> None:
    rows = world.ask('SELECT moment, ivo_to_mjd(moment), ivo_to_jd(moment), "date", ivo_to_mjd("date") FROM sky.stars')
    epoch = dt.datetime(1858, 11, 17)
    for moment, mjd, jd, day, day_mjd in rows:
        days = None if moment is None else (moment - epoch).total_seconds() / 86400
        assert mjd == (None if days is None else pytest.approx(days, abs=1e-10))
        assert jd == (None if days is None else pytest.approx(days + 2400000.5, abs=1e-9))
        assert day_mjd == (None if day is None else (day - epoch.date()).days)


def test_mjd_of_text(world: Any) -> None:
    assert world.evaluate('ivo_to_mjd(CAST("date" AS VARCHAR))') == 51544.0
    with pytest.raises(UsageError):
        world.ask("SELECT ivo_to_mjd(name) FROM sky.stars")


def test_string_agg(world: Any) -> None:
    rows = world.ask("SELECT flag, ivo_string_agg(name, '; ') FROM sky.stars GROUP BY flag")
    for flag, names in rows:
        expected = [
            n for n, f in zip(world.stars["name"], world.stars["flag"], strict=True) if f == flag and n is not None
        ]
        assert sorted(names.split("; ")) == sorted(expected)
    assert world.ask("SELECT ivo_string_agg(name, '') FROM sky.stars WHERE id < 0") == [(None,)]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("ivo_hasword('Ärger mit Motten', 'ärger')", 1),
        ("ivo_hasword('abc', 'ab')", 0),
        ("ivo_hasword('a.b,c', 'c a')", 1),
        ("ivo_hasword('it''s', '[(')", 1),
        ("ivo_hashlist_has('a#b', '')", 0),
        ("ivo_hashlist_has('a#B', 'b')", 1),
        ("ivo_hashlist_has('a#b', '#')", 0),
        ("ivo_hashlist_has('a_#%', '_')", 0),
        ("ivo_nocasematch('abc', 'A%')", 1),
        ("ivo_nocasematch(NULL, 'A%')", None),
        ("ivo_hasword('abc', NULL)", None),
        ("ivo_interval_overlaps(1, 2, 2, NULL)", None),
        ("ivo_hms_to_degrees('033445.4')", 53.689166666666665),
        ("ivo_hms_to_degrees('-3:34:45.4')", None),
        ("ivo_hms_to_degrees('3:60:45.4')", None),
        ("ivo_hms_to_degrees('25:00:00')", None),
        ("ivo_dms_to_degrees(' -420906.768 ')", -42.15188),
        ("ivo_dms_to_degrees('abc')", None),
        ("ivo_dms_to_degrees(NULL)", None),
        ("ivo_healpix_center(0, 12)", None),
    ],
)
def test_texts_and_numbers(world: Any, call: str, expected: float | None) -> None:
    assert world.evaluate(call) == (None if expected is None else pytest.approx(expected))


def test_angles_of_rows(world: Any) -> None:
    assert set(world.fetch_values("SELECT ivo_dms_to_degrees(name || ':10:30') FROM sky.stars")) == {None, 0.175}


def test_normal_random_numbers(world: Any) -> None:
    values = np.array(world.fetch_values("SELECT ivo_normal_random(10, 2) FROM sky.stars"))
    assert len(set(values)) == len(values)
    assert abs(values.mean() - 10) < 2 * 6 / math.sqrt(len(values))
    assert 1.5 < values.std() < 2.5


@pytest.mark.parametrize(("lower", "upper", "bins"), [(-50, 50, 7), (0.5, 0.75, 1), (-20, 300, 1000)])
def test_histogram(world: Any, lower: float, upper: float, bins: int) -> None:
    call = f"ivo_histogram(x, {lower}, {upper}, {bins})"
    for flag, counts in world.ask(f"SELECT flag, {call} FROM sky.stars GROUP BY flag ORDER BY flag"):
        values = [x for x, f in zip(world.stars["x"], world.stars["flag"], strict=True) if f == flag]
        numbers = np.array([x for x in values if x is not None])
        in_range = numbers[(numbers >= lower) & (numbers < upper)]
        inside = np.bincount(np.floor((in_range - lower) / (upper - lower) * bins).astype(int), minlength=bins)
        below = int((numbers < lower).sum()) + values.count(None)
        assert counts == [below, *inside.tolist(), int((numbers >= upper).sum())]
    assert world.ask(f"SELECT {call} FROM sky.stars WHERE id < 0") == [([0] * (bins + 2),)]


def test_column_of_histogram(world: Any) -> None:
    (column,) = world.resolve("SELECT ivo_histogram(x, 0, 1, 10) AS h FROM sky.stars").columns
    assert (column.datatype, column.arraysize, column.unit) == ("int", "*", None)
