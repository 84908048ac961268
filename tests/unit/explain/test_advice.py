"""Advice on slow queries."""

from __future__ import annotations

import pytest

from tests.shipped import SHIPPED
from vo_server.adql.planning.plan import plan
from vo_server.adql.semantics.resolve import resolve
from vo_server.adql.syntax.parse import parse
from vo_server.explain.advice import find_advice
from vo_server.model.column import Table

CATALOGUE = SHIPPED
CONE = "1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1))"


def rows(table: Table) -> int:
    return {"psc": 2000, "xsc": 30}[table.name]


def advise(text: str) -> list[str]:
    return list(find_advice(plan(resolve(parse(text), CATALOGUE, text).query, rows), rows))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ra FROM psc",
        f"SELECT ra FROM psc WHERE {CONE} AND ra > 10",
        "SELECT ra FROM psc WHERE j_m > 10 OR ra > 10",
        "SELECT p.ra FROM psc AS p JOIN xsc AS x ON p.ext_key = x.ext_key",
        "SELECT p.ra FROM psc AS p JOIN xsc AS x ON p.ext_key + 1 = x.ext_key WHERE p.ra < x.ra",
        "SELECT p.ra FROM psc AS p, xsc AS x WHERE DISTANCE(p.ra, p.dec, x.ra, x.dec) < 0.01",
        "SELECT p.ra FROM psc AS p JOIN xsc AS x USING (ext_key)",
        "SELECT s.a FROM (SELECT ra AS a FROM psc) AS s",
    ],
)
def test_no_advice(text: str) -> None:
    assert advise(text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("SELECT ra FROM psc WHERE ra BETWEEN 1 AND 2 AND dec > 5", "ra and dec of psc are compared with numbers;"),
        ("SELECT ra FROM psc AS p WHERE 5 < p.dec", "dec of p is compared with"),
        (f"SELECT s.ra FROM (SELECT ra FROM psc WHERE ra < 5) AS s WHERE s.ra IN (SELECT ra FROM psc WHERE {CONE})",
         "ra of psc is compared with"),
    ],
)  # fmt: skip
def test_advises_a_region_for_compared_coordinates(text: str, where: str) -> None:
    (sentence,) = advise(text)
    assert sentence.startswith(f"the index does not help where {where}")
    assert "1 = CONTAINS(POINT(ra, dec), BOX(...))" in sentence


@pytest.mark.parametrize(
    ("text", "names", "size"),
    [
        ("SELECT p.ra FROM psc AS p, xsc AS x", "p and x", "(2,000 x 30)"),
        ("SELECT p.ra FROM psc AS p JOIN xsc AS x ON p.j_m < x.j_m_k20fe", "p and x", "(2,000 x 30)"),
        ("SELECT p.ra FROM psc AS p, xsc AS x WHERE p.ext_key = 5 AND x.ext_key = 5", "p and x", "(2,000 x 30)"),
        ("SELECT p.ra FROM psc AS p, xsc AS x, (SELECT ra FROM psc) AS d WHERE p.ext_key = x.ext_key", "d and p with x",
         "(2,000 x 30 x ?)"),
    ],
)  # fmt: skip
def test_advises_a_condition_for_products(text: str, names: str, size: str) -> None:
    (sentence,) = advise(text)
    assert f"joins {names}: " in sentence
    assert sentence.endswith(size)
