"""Joins by distance: pairs by cells, by the product and by brute force agree."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vo_server.adql.semantics import query as q
from vo_server.sky import vectors

RADII = (0, 1e-7, 0.5, 2, 7, 14.6)


def pairs_within(world: Any, radius: float) -> set[tuple[int, int]]:
    """Return the pairs of (star, spot) within a radius in degrees, with a tolerance for rounding."""
    a, b = (np.radians([rows["ra"], rows["dec"]]) for rows in (world.stars, world.spots))
    (ra1, dec1), (ra2, dec2) = a[:, :, None], b[:, None, :]
    half = np.sin((dec1 - dec2) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra1 - ra2) / 2) ** 2
    distances = np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
    ids, spots = np.array(world.stars["id"]), np.array(world.spots["spot"])
    return {(int(ids[i]), int(spots[j])) for i, j in zip(*np.nonzero(distances <= radius + 1e-12), strict=True)}


def is_unnested(node: Any) -> bool:
    return any(isinstance(part, q.Unnest) for part in q.walk(node))


FORMS = (
    "sky.stars AS a JOIN sky.spots AS b ON DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) <= {r!r}",
    "sky.stars AS a JOIN sky.spots AS b ON {r!r} >= DISTANCE(b.ra, b.dec, a.ra, a.dec)",
    "sky.stars AS a JOIN sky.spots AS b ON 1=CONTAINS(POINT('ICRS', a.ra, a.dec), CIRCLE('ICRS', b.ra, b.dec, {r!r}))",
    "sky.stars AS a, sky.spots AS b WHERE CONTAINS(POINT(b.ra, b.dec), CIRCLE(POINT(a.ra, a.dec), {r!r})) = 1",
    "sky.fp_stars AS a JOIN (SELECT spot, ra AS x, dec AS y FROM sky.spots) AS b"
    " ON DISTANCE(a.raj2000, a.dec, b.x, b.y) <= {r!r}",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("radius", RADII)
def test_pairs(world: Any, form: str, radius: float) -> None:
    id = "cntr" if "fp_stars" in form else "id"
    text = f"SELECT a.{id}, b.spot FROM {form.format(r=float(radius))}"
    assert is_unnested(world.resolve(text))
    pairs = world.ask(text)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(world.ask(text, planned=False)) == pairs_within(world, radius)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE NOT DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 OR a.id = b.id",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 60",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) <= -1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, b.dec, b.ra, a.dec) < 1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) > 179",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < MOD(a.id + b.spot, 3)",
        "SELECT a.id FROM sky.stars AS a, (SELECT TOP 3 ra, dec, radius + RAND() AS r FROM sky.spots) AS b"
        " WHERE a.id < 0 AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.r",
    ],
)
def test_falls_back_to_product(world: Any, text: str) -> None:
    assert not is_unnested(world.resolve(text))
    assert sorted(world.ask(text)) == sorted(world.ask(text, planned=False))


@pytest.mark.parametrize(
    "condition",
    [
        "1 = INTERSECTS(CIRCLE(a.ra, a.dec, 0.5), BOX(b.ra, b.dec, 0.8, 0.4))",
        "1 = CONTAINS(CIRCLE(a.ra, a.dec, 0.1), BOX(b.ra, b.dec, 2, 3))",
        "1 = CONTAINS(BOX(b.ra, b.dec, 0.5, 0.2), CIRCLE(a.ra, a.dec, 1.5))",
        "DISTANCE(a.ra, a.dec, b.ra, b.dec) < CASE WHEN 1 = 1 THEN 0.5 ELSE 0.1 END",
    ],
)
def test_pairs_by_shapes_and_computed_radii(world: Any, condition: str) -> None:
    limits = "ABS(b.dec) < 80 AND (a.id < 60 OR MOD(a.id, 3) = 0)"  # the full product takes seconds on PostgreSQL
    text = f"SELECT a.id, b.spot FROM sky.stars AS a JOIN sky.spots AS b ON {condition} WHERE {limits}"
    assert is_unnested(world.resolve(text))
    pairs = world.ask(text)
    assert pairs
    assert sorted(pairs) == sorted(world.ask(text, planned=False))


Condition = Callable[[Any], Any]

RADIUS_FORMS: dict[str, Condition] = {
    "0.7": lambda w: 0.7,
    "b.radius": lambda w: w.radius,
    "b.radius * 30": lambda w: w.radius * 30,
    "b.radius * 150": lambda w: w.radius * 150,
    "b.radius / 1000": lambda w: w.radius / 1000,
    "a.x / 20": lambda w: w.x / 20,
    "a.small": lambda w: w.small,
    "b.radius + a.x / 100": lambda w: w.radius + w.x / 100,
    "2 * SQRT(b.radius * b.radius + POWER(a.x / 100, 2))": lambda w: 2 * np.sqrt(w.radius**2 + (w.x / 100) ** 2),
}


class BruteForce:
    """All pairs of stars (rows) and spots (columns), without an engine; NaN is NULL."""

    def __init__(self, world: Any) -> None:
        stars, spots = world.stars, world.spots
        self.ids, self.spots = stars["id"], spots["spot"]
        self.x = np.array(stars["x"], dtype=float)[:, None]
        self.small = np.array(stars["small"], dtype=float)[:, None]
        self.radius = np.array(spots["radius"], dtype=float)[None, :]
        a, b = (vectors.unit_vectors(np.array(t["ra"]), np.array(t["dec"])) for t in (stars, spots))
        across = np.linalg.norm(a[:, None] - b[None], axis=-1)
        self.distances = np.degrees(2 * np.arcsin(np.clip(across / 2, 0, 1)))

    def is_near(self, radius: Condition) -> Any:
        return self.distances <= radius(self) + 1e-12


def sort_rows(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: [(v is None, v) for v in row])


@pytest.mark.parametrize("radius", RADIUS_FORMS)
def test_joins_agree_with_brute_force(world: Any, radius: str) -> None:
    """Each pair occurs once, and each unmatched row of an outer side once."""
    brute = BruteForce(world)
    is_near = brute.is_near(RADIUS_FORMS[radius])
    pairs = [(brute.ids[i], brute.spots[j]) for i, j in zip(*np.nonzero(is_near), strict=True)]
    stars = [(brute.ids[i], None) for i in np.flatnonzero(~is_near.any(axis=1))]
    spots = [(None, brute.spots[j]) for j in np.flatnonzero(~is_near.any(axis=0))]
    assert pairs
    kinds = {"JOIN": [], "LEFT JOIN": stars, "RIGHT JOIN": spots, "FULL JOIN": [*stars, *spots]}
    for kind, unmatched in kinds.items():
        for first, second in (("stars AS a", "spots AS b"), ("spots AS b", "stars AS a")):
            if kind in ("LEFT JOIN", "RIGHT JOIN") and second == "stars AS a":
                unmatched = spots if kind == "LEFT JOIN" else stars
            text = (
                f"SELECT a.id, b.spot FROM sky.{first} {kind} sky.{second}"
                f" ON DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) <= {radius}"
            )
            assert is_unnested(world.resolve(text))
            assert sort_rows(world.ask(text)) == sort_rows([*pairs, *unmatched]), text


@pytest.mark.parametrize("radius", RADIUS_FORMS)
def test_exists_agrees_with_brute_force(world: Any, radius: str) -> None:
    brute = BruteForce(world)
    is_near = brute.is_near(RADIUS_FORMS[radius])
    for source, other, label, names, has_neighbour in (
        ("stars AS a", "spots AS b", "a.id", brute.ids, is_near.any(axis=1)),
        ("spots AS b", "stars AS a", "b.spot", brute.spots, is_near.any(axis=0)),
    ):
        inner = f"FROM sky.{other} WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) <= {radius}"
        tests = {
            f"EXISTS (SELECT 1 AS one {inner})": has_neighbour,
            f"NOT EXISTS (SELECT * {inner})": ~has_neighbour,
            f"{label} IN (SELECT {label} {inner})": has_neighbour,
            f"{label} < 0 OR EXISTS (SELECT 1 AS one {inner})": has_neighbour,
            f"{label} < 0 OR NOT EXISTS (SELECT 1 AS one {inner})": ~has_neighbour,
        }
        for test, expected in tests.items():
            text = f"SELECT {label} FROM sky.{source} WHERE {test}"
            assert is_unnested(world.resolve(text)), text
            assert sorted(world.fetch_values(text)) == [
                n for n, is_expected in zip(names, expected, strict=True) if is_expected
            ], text


def test_intersection_of_circles_of_both_tables(world: Any) -> None:
    text = (
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b"
        " WHERE 1 = INTERSECTS(CIRCLE(a.ra, a.dec, a.x / 50), CIRCLE(b.ra, b.dec, b.radius))"
    )
    is_near = BruteForce(world).is_near(lambda w: np.where(w.radius + w.x / 50 >= 0, w.radius + w.x / 50, np.nan))
    assert is_unnested(world.resolve(text))
    assert len(world.ask(text)) == is_near.sum()
    assert sort_rows(world.ask(text)) == sort_rows(world.ask(text, planned=False))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE NOT 0 = CONTAINS(POINT(a.ra, a.dec),"
        " CIRCLE(b.ra, b.dec, 2))",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE NOT (DISTANCE(a.ra, a.dec, b.ra, b.dec) > 2"
        " OR a.mag > 10)",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) BETWEEN 1 AND 3",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) = 0",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE (DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
        " AND a.mag < 12) OR (1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.ra, a.dec, 2)) AND a.mag > 12)",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < a.x / 50"
        " OR DISTANCE(b.ra, b.dec, a.ra, a.dec) < b.radius",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE 1 = CONTAINS(POINT(a.ra, a.dec),"
        " BOX(b.ra, b.dec, 1 + b.radius, 2))",
        "SELECT a.id, b.spot FROM sky.stars AS a, sky.spots AS b WHERE 1 = CONTAINS(CIRCLE(a.ra, a.dec, 0.5),"
        " CIRCLE(b.ra, b.dec, b.radius))",
        "SELECT a.id, b.spot, c.id FROM sky.stars AS a JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.radius"
        " JOIN sky.stars AS c ON DISTANCE(c.ra, c.dec, b.ra, b.dec) < b.radius AND DISTANCE(a.ra, a.dec, c.ra, c.dec) < 0.5",
        "SELECT a.id, b.spot, c.id FROM sky.spots AS b LEFT JOIN sky.stars AS a ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.5"
        " LEFT JOIN sky.stars AS c ON DISTANCE(a.ra, a.dec, c.ra, c.dec) < 0.1 AND c.id > a.id",
        "SELECT a.id, b.spot, c.spot FROM sky.stars AS a LEFT JOIN (sky.spots AS b JOIN sky.spots AS c"
        " ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 1 AND b.spot < c.spot) ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1",
        "SELECT a.id, b.spot FROM sky.stars AS a LEFT JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.radius"
        " AND b.id > a.id WHERE a.mag < 10 AND 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, 20, 5))",
        "SELECT b.spot, a.id FROM sky.spots AS b LEFT JOIN sky.stars AS a ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.radius"
        " AND (b.id > a.id OR b.id IS NULL) WHERE b.spot > 10",
        "SELECT b.spot FROM sky.spots AS b WHERE b.spot > 5 AND NOT EXISTS (SELECT 1 AS one FROM sky.stars AS a"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.radius AND a.mag < 10 AND a.id <> b.id)",
        "SELECT a.id FROM sky.stars AS a WHERE a.mag < 12 AND a.id NOT IN (SELECT b.spot FROM sky.spots AS b"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 30)",
        "SELECT a.id FROM sky.stars AS a WHERE EXISTS (SELECT b.spot FROM sky.spots AS b JOIN sky.spots AS c"
        " ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 1 AND b.spot <> c.spot WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1)",
        "SELECT a.id FROM sky.stars AS a WHERE NOT EXISTS (SELECT 1 AS one FROM sky.stars AS b"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.2 AND a.id <> b.id)",
        "WITH bright AS (SELECT id, ra, dec FROM sky.stars WHERE mag < 10) SELECT a.id, b.id FROM bright AS a"
        " JOIN bright AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 AND a.id < b.id",
        "SELECT u.n, a.id FROM (SELECT spot AS n, ra, dec, radius FROM sky.spots UNION SELECT id AS n, ra, dec, 0.5 AS radius"
        " FROM sky.stars WHERE id < 30) AS u JOIN sky.stars AS a ON DISTANCE(a.ra, a.dec, u.ra, u.dec) < u.radius",
        "SELECT u.spot, a.id FROM (SELECT TOP 10 * FROM sky.spots ORDER BY spot) AS u"
        " LEFT JOIN sky.stars AS a ON DISTANCE(a.ra, a.dec, u.ra, u.dec) < u.radius",
        "SELECT u.g, a.id FROM (SELECT MOD(spot, 5) AS g, AVG(ra) AS ra, AVG(dec) AS dec FROM sky.spots GROUP BY g) AS u"
        " LEFT JOIN sky.stars AS a ON DISTANCE(a.ra, a.dec, u.ra, u.dec) < 5",
        *(
            f"SELECT a.id, b.spot FROM sky.stars AS a {kind} JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
            f" WHERE DISTANCE({side}.ra, {side}.dec, {cone}) < 2.5"
            for kind in ("INNER", "LEFT", "RIGHT")
            for side in "ab"
            for cone in ("10, 20", "0, 90")
        ),
        "SELECT a.id, b.spot, c.id FROM sky.stars AS a LEFT JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
        " RIGHT JOIN sky.stars AS c ON c.id = b.spot AND DISTANCE(c.ra, c.dec, 10, 20) < 50 WHERE a.id IS NULL OR a.mag < 9",
        "SELECT a.id, b.spot, c.id FROM sky.stars AS a LEFT JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
        " RIGHT JOIN sky.stars AS c ON c.id = b.spot WHERE DISTANCE(a.ra, a.dec, 10, 20) < 2",
        "SELECT a.id FROM sky.stars AS a WHERE DISTANCE(a.ra, a.dec, 10, 20) < 2 AND NOT EXISTS (SELECT 1 AS one"
        " FROM sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.5)",
        "SELECT a.id, u.spot FROM sky.stars AS a JOIN (SELECT ra, dec, spot FROM sky.spots UNION ALL SELECT ra, dec, id AS spot"
        " FROM sky.stars) AS u ON DISTANCE(a.ra, a.dec, u.ra, u.dec) < 0.3 WHERE DISTANCE(a.ra, a.dec, 10, 20) < 1",
        "SELECT a.id, b.spot FROM sky.stars AS a FULL JOIN sky.spots AS b ON a.id = b.id"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 90 AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < 20",
    ],
)  # fmt: skip
def test_plan_does_not_change_result(world: Any, text: str) -> None:
    assert is_unnested(world.resolve(text))
    rows = sort_rows(world.ask(text))
    assert rows
    assert rows == sort_rows(world.ask(text, planned=False))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ra, dec, COUNT(*) AS n FROM sky.stars GROUP BY ra, dec HAVING DISTANCE(ra, dec, 10, 20) < 1",
        "SELECT x, COUNT(*) AS n FROM (SELECT ra AS x, dec AS y FROM sky.stars UNION SELECT ra, dec FROM sky.spots) AS u"
        " WHERE DISTANCE(x, y, 10, 20) < 2 GROUP BY x",
        "SELECT ra FROM (SELECT ra, dec FROM sky.stars EXCEPT ALL SELECT ra, dec FROM sky.spots) AS u"
        " WHERE DISTANCE(ra, dec, 10, 20) < 2",
        "SELECT ra, n FROM (SELECT ra, dec, COUNT(*) AS n FROM sky.stars GROUP BY ra, dec) AS u"
        " WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2))",
        "SELECT a.id, u.spot FROM sky.stars AS a LEFT JOIN (SELECT ra, dec, spot FROM sky.spots) AS u"
        " ON a.id = u.spot AND DISTANCE(u.ra, u.dec, 10, 20) < 2",
        "SELECT ra FROM (SELECT TOP 300 ra, dec FROM sky.stars ORDER BY id) AS u WHERE DISTANCE(ra, dec, 10, 20) < 2",
    ],
)
def test_bounds_do_not_change_result(world: Any, text: str) -> None:
    rows = sort_rows(world.ask(text))
    assert rows
    assert rows == sort_rows(world.ask(text, planned=False))


def test_full_join_with_further_conditions(world: Any) -> None:
    brute = BruteForce(world)
    text = (
        "SELECT a.id, b.spot FROM sky.stars AS a FULL JOIN sky.spots AS b"
        " ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 3 AND (a.id > b.id OR b.id IS NULL) AND (a.mag < 10 OR a.mag IS NULL)"
    )
    id, mag = np.array(world.spots["id"], dtype=float), np.array(world.stars["mag"], dtype=np.float32)
    on = (brute.distances < 3) & ((np.array(brute.ids)[:, None] > id) | np.isnan(id)) & ~(mag >= 10)[:, None]
    pairs = [(brute.ids[i], brute.spots[j]) for i, j in zip(*np.nonzero(on), strict=True)]
    stars = [(brute.ids[i], None) for i in np.flatnonzero(~on.any(axis=1))]
    spots = [(None, brute.spots[j]) for j in np.flatnonzero(~on.any(axis=0))]
    assert pairs
    assert stars
    assert spots
    assert sort_rows(world.ask(text)) == sort_rows([*pairs, *stars, *spots])


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id, b.id FROM sky.stars AS a JOIN sky.stars AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1.5"
        " WHERE a.id < b.id AND 1=CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, 20, 3))",
        "SELECT a.id, b.spot, c.id FROM sky.stars AS a JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
        " JOIN sky.stars AS c ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 1 AND c.id > a.id",
        "SELECT b.spot, COUNT(*) AS n FROM sky.stars AS a, sky.spots AS b"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 2 GROUP BY b.spot HAVING COUNT(*) > 1",
        "SELECT spot FROM sky.spots WHERE spot IN (SELECT b.spot FROM sky.stars AS a, sky.spots AS b"
        " WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1)",
        "SELECT x.id FROM (SELECT a.id FROM sky.stars AS a JOIN sky.spots AS b"
        " ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1) AS x",
        "SELECT DISTINCT a.id FROM sky.stars AS a JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
        " LEFT JOIN sky.stars AS c ON c.id = b.id",
    ],
)
def test_joins_inside_larger_queries(world: Any, text: str) -> None:
    assert is_unnested(world.resolve(text))
    rows = sorted(world.ask(text))
    assert rows
    assert rows == sorted(world.ask(text, planned=False))


def test_null_position_has_no_neighbours(world: Any) -> None:
    text = (
        "SELECT a.id, b.spot FROM sky.stars AS a JOIN (SELECT spot, NULLIF(ra, 10) AS ra, dec FROM sky.spots) AS b"
        " ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
    )
    assert is_unnested(world.resolve(text))
    assert sorted(world.ask(text)) == sorted(world.ask(text, planned=False))


def test_cells_are_not_visible(world: Any) -> None:
    text = "SELECT * FROM sky.stars AS a JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
    table: pa.Table = world.fetch_result(text)
    assert table.num_columns == len(world.resolve(text).columns) == 12 + 5
