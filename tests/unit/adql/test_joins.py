"""Joins by distance through cells: which joins, over which cells, and which side is unnested."""

# ruff: noqa: E501

from __future__ import annotations

import pytest

from tests.shipped import SHIPPED
from vo_server.adql.planning.cells import CELL_TESTS, find_cell_joins
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.internal_functions import INDEX_LOOKUP
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse

CATALOGUE = SHIPPED
SIZES = {"psc": 1000, "fp_psc": 1000, "xsc": 10}
PX, XY = "DISTANCE(p.ra, p.dec, x.ra, x.dec)", "DISTANCE(x.ra, x.dec, y.ra, y.dec)"

Link = tuple[str, str, int | None]


def planned(text: str) -> q.Query:
    return plan(resolve(parse(text), CATALOGUE, text).query, lambda table: SIZES.get(table.name))


def links(text: str) -> list[Link]:
    """Return the unnested source, the other one and the order of the cells, for each join through cells."""
    return [(join.unnested, join.other, join.order) for join in find_cell_joins(planned(text))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"psc AS p, xsc AS x WHERE {PX} < 0.01", [("x", "p", 9)]),
        (f"xsc AS x JOIN psc AS p ON {PX} < 0.01", [("x", "p", 9)]),
        (f"psc AS p, xsc AS x WHERE {PX} < 2 / 3600.", [("x", "p", 14)]),
        (f"psc AS p, xsc AS x WHERE {PX} < 40", []),
        (f"psc AS p, xsc AS x WHERE {PX} > 1", []),
        (f"psc AS p, xsc AS x WHERE NOT {PX} > 1", [("x", "p", 3)]),
        (f"psc AS p, xsc AS x WHERE {PX} < 1 OR {PX} <= 2 AND p.j_m < 3", [("x", "p", 2)]),
        (f"psc AS p, xsc AS x WHERE {PX} < 1 OR p.j_m < 3", []),
        (f"psc AS p, xsc AS x WHERE {PX} BETWEEN 0.5 AND 1", [("x", "p", 3)]),
        (f"psc AS p, xsc AS x WHERE {PX} = 0", [("x", "p", 27)]),
        (f"psc AS p, xsc AS x WHERE {PX} < x.r_ext", [("x", "p", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < p.err_maj", [("p", "x", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < p.err_maj + x.r_ext", [("x", "p", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < 3 * SQRT(POWER(p.err_maj, 2) + x.r_ext * x.r_ext)", [("x", "p", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < MOD(p.err_maj, x.r_ext)", []),
        (f"psc AS p, (SELECT TOP 5 * FROM xsc) AS x WHERE {PX} < x.r_ext", [("x", "p", None)]),
        (f"psc AS p, (SELECT ra, dec, RAND() AS r FROM xsc) AS x WHERE {PX} < x.r", []),
        ("psc AS p, xsc AS x WHERE 1 = INTERSECTS(CIRCLE(x.ra, x.dec, x.r_ext), CIRCLE(p.ra, p.dec, 1))", [("x", "p", None)]),
        ("psc AS p, xsc AS x WHERE 1 = CONTAINS(POINT(p.ra, p.dec), BOX(x.ra, x.dec, x.r_ext, 2))", [("x", "p", None)]),
        ("psc AS p, xsc AS x WHERE 1 = INTERSECTS(CIRCLE(x.ra, x.dec, 0.5), BOX(p.ra, p.dec, 0.3, 0.2))", [("x", "p", 3)]),
        ("psc AS p, xsc AS x WHERE 1 = CONTAINS(CIRCLE(x.ra, x.dec, 0.1), BOX(p.ra, p.dec, 0.5, 0.3))", [("x", "p", 4)]),
        ("psc AS p, xsc AS x WHERE 1 = CONTAINS(BOX(x.ra, x.dec, 0.1, 0.1), CIRCLE(p.ra, p.dec, x.r_ext))", [("x", "p", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < CASE WHEN 1 = 1 THEN 0.5 ELSE 0.1 END", [("x", "p", None)]),
        (f"psc AS p, xsc AS x WHERE {PX} < RAND()", []),
        (f"psc AS p, xsc AS x, xsc AS y WHERE {PX} < 0.01 AND {XY} < 0.01", [("x", "p", 9), ("x", "y", 9)]),
        (f"psc AS p, xsc AS x, xsc AS y WHERE {PX} < 1 AND {XY} < 1 AND DISTANCE(p.ra, p.dec, y.ra, y.dec) < 1", [("x", "p", 3), ("x", "y", 3)]),
        (f"psc AS p LEFT JOIN xsc AS x ON {PX} < 0.01", [("x", "p", 9)]),
        (f"xsc AS x LEFT JOIN psc AS p ON {PX} < 0.01", [("x", "p", 9)]),
        (f"psc AS p RIGHT JOIN xsc AS x ON {PX} < p.err_maj", [("p", "x", None)]),
        (f"psc AS p FULL JOIN xsc AS x ON {PX} < 0.01", [("x", "p", 9)]),
        (f"(psc AS p JOIN xsc AS y ON p.ext_key = y.ext_key) FULL JOIN xsc AS x ON {PX} < 0.01", [("x", "p", 9)]),
        (f"(psc AS p JOIN xsc AS y ON p.ext_key = y.ext_key) FULL JOIN (xsc AS x JOIN psc AS z ON x.ra = z.ra) ON {PX} < 0.01", []),
        (f"psc AS p WHERE EXISTS (SELECT 1 AS o FROM xsc AS x WHERE {PX} < 0.01)", [("x", "p", 9)]),
        (f"xsc AS x WHERE NOT EXISTS (SELECT 1 AS o FROM psc AS p WHERE {PX} < 0.01)", [("x", "p", 9)]),
        (f"xsc AS x WHERE x.ext_key IN (SELECT p.ext_key FROM psc AS p WHERE {PX} < x.r_ext)", [("x", "p", None)]),
    ],
)  # fmt: skip
def test_unnests_one_side(source: str, expected: list[Link]) -> None:
    assert sorted(links(f"SELECT 1 AS one FROM {source}")) == sorted(expected)


def test_never_unnests_a_row_without_a_partner() -> None:
    """A row-preserving source is read as it is: only its positions are unnested, in a sub-query of their own."""
    for text in (
        f"SELECT x.ra FROM xsc AS x LEFT JOIN psc AS p ON {PX} < 0.01",
        f"SELECT x.ra FROM psc AS p RIGHT JOIN xsc AS x ON {PX} < x.r_ext",
        f"SELECT x.ra FROM xsc AS x FULL JOIN psc AS p ON {PX} < x.r_ext",
        f"SELECT x.ra FROM xsc AS x WHERE EXISTS (SELECT 1 AS o FROM psc AS p WHERE {PX} < p.err_maj)",
    ):
        query = planned(text)
        assert isinstance(query, q.SelectQuery)
        outer = [part for part in _joined(query.source) if isinstance(part, q.Unnest)]
        assert not outer


@pytest.mark.parametrize(
    "source",
    [
        f"psc AS p JOIN psc AS y ON DISTANCE(p.ra, p.dec, y.ra, y.dec) < 0.01 JOIN xsc AS x ON {PX} < 0.1",
        f"psc AS p JOIN xsc AS x ON {PX} < 0.1 JOIN psc AS y ON DISTANCE(p.ra, p.dec, y.ra, y.dec) < 0.01",
    ],
)
def test_no_index_lookup_in_an_unnested_source(source: str) -> None:
    """An unnested source is a sub-query without an index, so that each lookup would read all of it."""
    query = planned(f"SELECT 1 AS one FROM {source}")
    unnested = {part.name for part in q.walk(query) if isinstance(part, q.Unnest)}
    assert unnested == {"p", "x"}
    tests = [part for part in q.walk(query) if isinstance(part, q.FunctionCall) and part.function in CELL_TESTS]
    assert {part.arguments[0].source for part in tests if isinstance(part.arguments[0], q.ColumnRef)} == {"p", "y"}
    assert not [part for part in tests if part.function is INDEX_LOOKUP]


def _joined(source: q.Source) -> list[q.Source]:
    return [*_joined(source.left), *_joined(source.right)] if isinstance(source, q.JoinedSource) else [source]


def test_bounds_apply_to_the_source_of_pairs() -> None:
    text = (
        f"SELECT x.ra FROM xsc AS x LEFT JOIN psc AS p ON {PX} < x.r_ext"
        " WHERE 1 = CONTAINS(POINT(x.ra, x.dec), CIRCLE(10, 20, 1)) AND x.k_m_ext < 12 AND x.ra < RAND()"
    )
    (positions,) = (p.query for p in q.walk(planned(text)) if isinstance(p, q.Subquery) and p.name == "x")
    assert isinstance(positions, q.SelectQuery)
    assert positions.distinct
    assert isinstance(positions.where, q.Conjunction)
    assert {type(c) for c in positions.where.operands} == {q.IndexRanges, q.PredicateTest, q.Comparison}
    assert not any(
        getattr(p, "function", None) and p.function.is_volatile
        for p in q.walk(positions.where)
        if isinstance(p, q.FunctionCall)
    )
