"""Index ranges of planned queries: which conditions bound the index, and which do not."""

# ruff: noqa: E501

from __future__ import annotations

import numpy as np
import pytest

from tests.shipped import SHIPPED
from vo_server.adql.planning.plan import estimate_work, plan
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.catalogue.tap_schema import add_tap_schema
from vo_server.sky import cover

CATALOGUE = SHIPPED
CONE = "1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1))"
NEAR_P = "DISTANCE(p.ra, p.dec, 10, 20) < 1"


def bounds(text: str) -> dict[str, list[tuple[int, int]]]:
    """The ranges of each source in a planned query."""
    planned = plan(resolve(parse(text), CATALOGUE, text).query)
    return {
        p.index.source: [(int(lo.value), int(hi.value)) for lo, hi in p.ranges]
        for p in q.walk(planned)
        if isinstance(p, q.IndexRanges)
    }


@pytest.mark.parametrize(
    ("condition", "sources"),
    [
        (CONE, {"psc"}),
        (f"{CONE} AND j_m < 3", {"psc"}),
        (f"{CONE} OR j_m < 3", set()),
        (f"{CONE} OR DISTANCE(ra, dec, 50, 60) < 1", {"psc"}),
        (f"NOT {CONE}", set()),
        ("0=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1))", set()),
        ("DISTANCE(ra, dec, 10, 20) > 1", set()),
        ("NOT DISTANCE(ra, dec, 10, 20) > 1", {"psc"}),
        (f"NOT (NOT {CONE} OR j_m < 3)", {"psc"}),
        (f"NOT (NOT {CONE} AND j_m < 3)", set()),
        ("DISTANCE(ra, dec, 10, 20) BETWEEN 1 AND 2", {"psc"}),
        ("DISTANCE(ra, dec, 10, 20) NOT BETWEEN 1 AND 2", set()),
        ("DISTANCE(ra, dec, 10, 20) < j_m", set()),
        ("1=CONTAINS(POINT(dec, ra), CIRCLE(10, 20, 1))", set()),
        ("1=CONTAINS(POINT(ra + 0.0, dec), CIRCLE(10, 20, 1))", set()),
        ("1=CONTAINS(CIRCLE(10, 20, 1), POINT(ra, dec))", {"psc"}),
        ("1=CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 0.1))", {"psc"}),
        ("1=CONTAINS(POINT(10, 20), CIRCLE(ra, dec, j_m))", set()),
        ("1=CONTAINS(POINT(10, 20), CIRCLE(dec, ra, 0.1))", set()),
        ("0=CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 0.1))", set()),
        ("1=CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 130))", set()),
        ("1=CONTAINS(POINT(10, 20), BOX(ra, dec, 1, 2))", {"psc"}),
        ("1=CONTAINS(POINT(10, 20), BOX(ra, dec, 1, 200))", set()),
        ("1=INTERSECTS(POLYGON(1, 2, 3, 4, 5, 9), CIRCLE(ra, dec, 0.1))", {"psc"}),
        ("1=CONTAINS(POINT(ra, dec), MOC('6/1-3 7/20'))", {"psc"}),
        ("0=CONTAINS(POINT(ra, dec), MOC('6/1-3 7/20'))", set()),
        ("1=CONTAINS(POINT(ra, dec), MOC('0/0-11'))", set()),
        ("1=INTERSECTS(MOC(6, CIRCLE(10, 20, 1)), CIRCLE(ra, dec, 0.1))", {"psc"}),
        ("1=CONTAINS(CIRCLE(ra, dec, 0.1), MOC('6/1-3'))", {"psc"}),
        ("1=CONTAINS(MOC('6/1-3'), CIRCLE(ra, dec, 2))", {"psc"}),
        ("1=CONTAINS(MOC('6/'), CIRCLE(ra, dec, 2))", set()),
        ("1=CONTAINS(POINT(ra, dec), CIRCLE('GALACTIC', 10, 20, 1))", {"psc"}),
        ("1=CONTAINS(POINT(glon, glat), CIRCLE(10, 20, 1))", set()),
        ("1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 179))", set()),
        ("1=INTERSECTS(CIRCLE(10, 20, 1), POINT(ra, dec))", {"psc"}),
        ("1=CONTAINS(POINT(ra, dec), POLYGON(1, 2, 3, 4, 5, 9))", {"psc"}),
        ("1=CONTAINS(POINT(ra, dec), BOX(10, 20, 1, 1))", {"psc"}),
        ("1=CONTAINS(POINT(ra, dec), POINT(10, 20))", {"psc"}),
        ("ivo_healpix_index(4, ra, dec) = 5", {"psc"}),
        ("5 = ivo_healpix_index(4, POINT(ra, dec))", {"psc"}),
        ("ivo_healpix_index(4, ra, dec) IN (5, 6, 70)", {"psc"}),
        ("ivo_healpix_index(4, ra, dec) BETWEEN 5 AND 70", {"psc"}),
        ("ivo_healpix_index(4, ra, dec) = 999999", {"psc"}),
        ("ivo_healpix_index(4, ra, dec) <> 5", set()),
        ("ivo_healpix_index(4, ra, dec) NOT IN (5, 6)", set()),
        ("NOT ivo_healpix_index(4, ra, dec) = 5", set()),
        ("ivo_healpix_index(4, ra, dec) = 5.5", set()),
        ("ivo_healpix_index(4, ra, dec) = ext_key", set()),
        ("ivo_healpix_index(ext_key, ra, dec) = 5", set()),
        ("ivo_healpix_index(4, dec, ra) = 5", set()),
        ("ivo_healpix_index(0, ra, dec) BETWEEN 0 AND 11", set()),
        ("1=CONTAINS(POINT(ra, dec), ivo_geom_transform('GALACTIC', 'ICRS', CIRCLE(0, 0, 1)))", {"psc"}),
        (f"ext_key IN (SELECT ext_key FROM xsc WHERE {CONE})", {"xsc"}),
        (f"ext_key NOT IN (SELECT ext_key FROM xsc WHERE {CONE})", {"xsc"}),
    ],
)
def test_conditions_bound_the_index(condition: str, sources: set[str]) -> None:
    assert set(bounds(f"SELECT ra FROM psc WHERE {condition}")) == sources


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        (f"SELECT raj FROM (SELECT ra AS raj FROM psc WHERE {CONE}) AS p", {"psc"}),
        (f"WITH p AS (SELECT ra FROM psc WHERE {CONE}) SELECT * FROM p", {"psc"}),
        (f"SELECT ra FROM psc WHERE {CONE} UNION SELECT ra FROM xsc WHERE {CONE}", {"psc", "xsc"}),
        (f"SELECT p.ra FROM psc AS p JOIN xsc AS x ON p.ext_key = x.ext_key AND {CONE.replace('ra,', 'x.ra,').replace('dec)', 'x.dec)')}", {"x"}),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, 1, 2) < 1 AND DISTANCE(x.ra, x.dec, 1, 2) < 1", {"p", "x"}),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, 1, 2) < 1 OR DISTANCE(x.ra, x.dec, 1, 2) < 1", set()),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, x.dec, 1, 2) < 1", set()),
        ("SELECT ra FROM psc GROUP BY ra, dec HAVING DISTANCE(ra, dec, 1, 2) < 1", {"psc"}),
        ("SELECT ra FROM psc GROUP BY ra, glat HAVING DISTANCE(MIN(ra), MIN(dec), 1, 2) < 1", set()),
        (f"SELECT ra FROM fp_psc WHERE {CONE}", {"fp_psc"}),
        ("SELECT ra FROM fp_psc WHERE ivo_healpix_index(9, ra, dec) = 77", {"fp_psc"}),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE ivo_healpix_index(9, x.ra, x.dec) = 77", {"x"}),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE ivo_healpix_index(9, p.ra, x.dec) = 77", set()),
        ("SELECT ra FROM psc GROUP BY ra, dec HAVING ivo_healpix_index(4, ra, dec) = 5", {"psc"}),
        (f"SELECT ra FROM (SELECT * FROM psc) AS s WHERE {CONE}", {"psc"}),
        (f"SELECT ra FROM (SELECT DISTINCT ra, dec FROM psc WHERE j_m < 3) AS s WHERE {CONE} AND ra > 3", {"psc"}),
        ("SELECT a FROM (SELECT ra AS a, dec AS d FROM psc) AS s WHERE DISTANCE(a, d, 1, 2) < 1", {"psc"}),
        (f"WITH c AS (SELECT * FROM psc), d AS (SELECT ra, dec FROM c) SELECT * FROM d WHERE {CONE}", {"psc"}),
        ("SELECT p.a FROM (SELECT ra AS a, dec AS d FROM psc) AS p, xsc AS x WHERE DISTANCE(a, d, 1, 2) < 1", {"psc"}),
        (f"SELECT ra FROM (SELECT p.ra, p.dec FROM psc AS p, xsc AS x WHERE p.ext_key = x.ext_key) AS s WHERE {CONE}", {"p"}),
        (f"SELECT ra FROM (SELECT ra AS dec, dec AS ra FROM psc) AS s WHERE {CONE}", set()),
        (f"SELECT ra FROM (SELECT TOP 5 ra, dec FROM psc ORDER BY j_m) AS s WHERE {CONE}", set()),
        (f"SELECT ra FROM (SELECT ra, dec FROM psc OFFSET 5) AS s WHERE {CONE}", set()),
        (f"SELECT ra FROM (SELECT ra, dec, COUNT(*) AS n FROM psc GROUP BY ra, dec) AS s WHERE {CONE}", {"psc"}),
        (f"SELECT ra FROM (SELECT MIN(ra) AS ra, dec FROM psc GROUP BY dec) AS s WHERE {CONE}", set()),
        ("SELECT p.ra FROM psc AS p LEFT JOIN (SELECT ra, dec FROM xsc) AS x ON DISTANCE(x.ra, x.dec, 1, 2) < 1", {"xsc"}),
        ("SELECT p.ra FROM (SELECT ra, dec FROM psc) AS p LEFT JOIN xsc AS x ON DISTANCE(p.ra, p.dec, 1, 2) < 1", set()),
        ("SELECT p.ra FROM psc AS p FULL JOIN (SELECT ra, dec FROM xsc) AS x ON DISTANCE(x.ra, x.dec, 1, 2) < 1", set()),
        (f"SELECT ra FROM (SELECT ra, dec FROM psc UNION ALL SELECT ra, dec FROM xsc) AS u WHERE {CONE}", {"psc", "xsc"}),
        (f"SELECT ra FROM (SELECT ra, dec FROM psc UNION SELECT j_m AS ra, dec FROM psc AS q) AS u WHERE {CONE}", {"psc"}),
        (f"SELECT ra FROM (SELECT j_m AS ra, dec FROM psc EXCEPT SELECT ra AS a, dec AS d FROM xsc) AS u WHERE {CONE}", {"xsc"}),
        (f"SELECT ra FROM (SELECT ra, dec FROM psc UNION SELECT dec, ra FROM xsc) AS u WHERE {CONE}", {"psc"}),
        (f"WITH u AS (SELECT ra, dec FROM psc UNION SELECT TOP 5 ra, dec FROM xsc) SELECT * FROM u WHERE {CONE}", {"psc"}),
        (f"WITH u AS (SELECT ra, dec FROM psc UNION SELECT ra, dec FROM xsc OFFSET 5) SELECT * FROM u WHERE {CONE}", set()),
        (f"SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 AND {NEAR_P}", {"p", "x"}),
        (f"SELECT p.ra FROM psc AS p JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 WHERE {NEAR_P}", {"p", "x"}),
        (f"SELECT p.ra FROM psc AS p LEFT JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 WHERE {NEAR_P}", {"p", "x"}),
        (f"SELECT p.ra FROM psc AS p RIGHT JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 AND {NEAR_P}", {"p"}),
        (f"SELECT p.ra FROM psc AS p FULL JOIN xsc AS x ON DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 WHERE {NEAR_P}", {"p"}),
        (f"SELECT p.ra FROM psc AS p, xsc AS x WHERE (DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1 OR p.j_m < 3) AND {NEAR_P}", {"p"}),
        (f"SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < x.r_ext AND {NEAR_P}", {"p"}),
        (f"SELECT p.ra FROM psc AS p, (SELECT ra, dec FROM xsc) AS x, xsc AS y WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1"
         f" AND DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.1 AND {NEAR_P}", {"p", "xsc", "y"}),
        (f"SELECT p.ra FROM psc AS p WHERE {NEAR_P} AND NOT EXISTS (SELECT 1 AS o FROM xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1)", {"p", "x"}),
        (f"SELECT p.ra FROM psc AS p WHERE {NEAR_P} OR EXISTS (SELECT 1 AS o FROM xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.1)", set()),
    ],
)  # fmt: skip
def test_parts_of_a_query_bound_the_index(text: str, sources: set[str]) -> None:
    assert set(bounds(text)) == sources


def test_conjunction_intersects_bounds() -> None:
    def size(text: str) -> int:
        return sum(hi - lo + 1 for lo, hi in bounds(f"SELECT ra FROM psc WHERE {text}").get("psc", []))

    wide, apart = "DISTANCE(ra, dec, 10, 20) < 5", "DISTANCE(ra, dec, 100, -20) < 5"
    assert size(f"{wide} AND {CONE}") <= size(CONE) < size(wide)
    assert size(f"{wide} OR {apart}") >= size(wide)
    assert size(f"{wide} AND {apart}") == 0
    assert bounds(f"SELECT ra FROM psc WHERE {wide} AND {apart}") == {"psc": []}


def test_plan_keeps_the_condition() -> None:
    text = f"SELECT ra FROM psc WHERE {CONE} AND j_m < 3"
    before = resolve(parse(text), CATALOGUE, text).query
    planned = plan(before)
    assert isinstance(before, q.SelectQuery)
    assert isinstance(planned, q.SelectQuery)
    assert isinstance(planned.where, q.Conjunction)
    assert planned.where.operands[-1] == before.where
    (ranges,) = bounds(text).values()
    index = int(cover.healpix_index(np.array([10.0]), np.array([20.0]))[0])
    assert any(lo <= index <= hi for lo, hi in ranges)
    assert (
        plan(resolve(parse("SELECT ra FROM psc"), CATALOGUE).query)
        == resolve(parse("SELECT ra FROM psc"), CATALOGUE).query
    )


def test_reads_the_cell_of_a_position_from_the_index() -> None:
    def column_names(text: str) -> set[str]:
        planned = plan(resolve(parse(text), CATALOGUE, text).query)
        return {p.name for p in q.walk(planned) if isinstance(p, q.ColumnRef)}

    cell = "ivo_healpix_index(7, ra, dec) AS cell"
    assert column_names(f"SELECT {cell} FROM psc GROUP BY cell") == {"_healpix"}
    assert column_names(f"SELECT {cell} FROM fp_psc ORDER BY cell") == {"_healpix"}
    assert "_healpix" not in column_names(f"SELECT {cell} FROM (SELECT ra, dec FROM psc) AS s")
    assert "_healpix" not in column_names("SELECT ivo_healpix_index(7, glon, glat) FROM psc")


ROWS = {"psc": 470_992_970, "xsc": 1_647_599, "fp_psc": 470_992_970, "tables": 9, "columns": 500}
SCHEMA = add_tap_schema(CATALOGUE)


@pytest.mark.parametrize(
    ("text", "limit", "low", "high"),
    [
        (f"SELECT * FROM psc WHERE {CONE}", 10**6, 30_000, 100_000),  # 3 square degrees of 41,253
        (f"SELECT COUNT(*) AS n FROM psc WHERE {CONE}", 10**6, 30_000, 100_000),
        ("SELECT TOP 7 ra FROM psc", 7, 7, 7),
        ("SELECT ra FROM psc", 101, 101, 101),
        ("SELECT TOP 7 ra FROM psc WHERE j_m < 3", 7, 470_992_970, 470_992_970),
        ("SELECT TOP 7 ra FROM psc ORDER BY j_m", 7, 470_992_970, 470_992_970),
        ("SELECT DISTINCT TOP 7 ph_qual FROM psc", 7, 470_992_970, 470_992_970),
        ("SELECT COUNT(*) AS n FROM psc", 1, 470_992_970, 470_992_970),
        ("SELECT COUNT(*) AS n FROM xsc AS a, xsc AS b", 1, 1_647_599**2, 1_647_599**2),
        (f"SELECT ra FROM psc WHERE {CONE} AND ext_key IN (SELECT ext_key FROM xsc)", 9, 10**14, 10**15),
        ("SELECT t.table_name FROM TAP_SCHEMA.tables AS t JOIN TAP_SCHEMA.columns AS c ON t.table_name = c.table_name",
         10**6, 4500, 4500),
        ("SELECT ra FROM psc UNION SELECT ra FROM xsc", 9, 10**14, 10**15),
        ("SELECT key_id FROM TAP_SCHEMA.keys", 10**6, 10**6, 10**6),
        ("SELECT key_id FROM TAP_SCHEMA.keys ORDER BY key_id", 10**6, np.inf, np.inf),
    ],
)  # fmt: skip
def test_estimates_work(text: str, limit: int, low: float, high: float) -> None:
    """The estimate is on the side of too many rows; sizes are those of the release."""
    planned = plan(resolve(parse(text), SCHEMA, text).query)
    assert low <= estimate_work(planned, lambda table: ROWS.get(table.name), limit) <= high
