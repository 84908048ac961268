"""Spherical functions of every engine agree with brute force, with and without the planner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spherely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vo_server.errors import Code, QueryError

SHAPES = ("CIRCLE(10, 20, 2)", "POLYGON(5, 15, 15, 15, 15, 25, 5, 25)", "BOX(10, 20, 6, 4)")
FEW_EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def to_vectors(ra: Any, dec: Any) -> np.ndarray:
    a, d = np.radians(np.asarray(ra, dtype=np.longdouble)), np.radians(np.asarray(dec, dtype=np.longdouble))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def compute_distances(rows: dict[str, list[Any]], ra: float, dec: float) -> np.ndarray:
    """Return distances from a position in degrees, shape (rows,), in extended precision."""
    a, b = to_vectors(rows["ra"], rows["dec"]), to_vectors(ra, dec)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b).astype(float), axis=-1), (a @ b).astype(float)))


def get_tolerance(radius: float) -> float:
    """Return the distance from the border, in degrees, within which rounding decides; it grows towards the antipode."""
    return 1e-12 + (3e-6 if radius > 179.9 else 1e-10 / max(np.cos(np.radians(radius) / 2), 1e-3))


def check_circle(world: Any, condition: str, ra: float, dec: float, radius: float) -> None:
    """Check that planned query, unplanned query and brute force agree, except for rows on the border."""
    text = f"SELECT id FROM sky.stars WHERE {condition} ORDER BY id"
    ids = world.fetch_values(text)
    assert ids == world.fetch_values(text, planned=False)
    separation = compute_distances(world.stars, ra, dec)
    certain, excluded = (
        np.flatnonzero(separation < radius - get_tolerance(radius)),
        np.flatnonzero(separation > radius + get_tolerance(radius)),
    )
    assert set(certain) <= set(ids)
    assert not set(excluded) & set(ids)


CENTRES = [(10, 20), (0, 0), (360, 0), (0, 90), (123, -90), (359.9999999, 1e-9), (190, -20), (45, -45), (0.1, 41.8103)]


@pytest.mark.parametrize(("ra", "dec"), CENTRES)
@pytest.mark.parametrize("radius", [0, 1e-9, 2e-9, 0.5, 1, 5, 60, 90, 130, 179.9999999, 180, 181])
def test_circles(world: Any, ra: float, dec: float, radius: float) -> None:
    circle = f"CIRCLE({ra!r}, {dec!r}, {radius!r})"
    check_circle(world, f"1=CONTAINS(POINT(ra, dec), {circle})", ra, dec, radius)
    check_circle(world, f"DISTANCE(POINT(ra, dec), POINT({ra!r}, {dec!r})) <= {radius!r}", ra, dec, radius)


@FEW_EXAMPLES
@given(st.floats(0, 360), st.floats(-90, 90), st.one_of(st.floats(0, 10), st.floats(0, 180)))
def test_any_circle(world: Any, ra: float, dec: float, radius: float) -> None:
    check_circle(world, f"DISTANCE(ra, dec, {ra!r}, {dec!r}) <= {radius!r}", ra, dec, radius)


def test_circle_of_no_radius_contains_its_centre(world: Any) -> None:
    for ra, dec in ((10, 20), (0, 0), (360, 0), (17, 90), (0, -90)):
        found = world.fetch_values(f"SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, 0))")
        assert set(np.flatnonzero(compute_distances(world.stars, ra, dec) == 0)) <= set(found)
        assert found


P, C = "POINT(ra, dec)", "CIRCLE(10, 20, 2)"
CONDITIONS = [
    f"1=CONTAINS({P}, {C})",
    f"CONTAINS({P}, {C})=1",
    f"0<>CONTAINS({P}, {C})",
    f"CONTAINS({P}, {C}) != 0",
    f"CONTAINS({P}, {C}) > 0",
    f"CONTAINS({P}, {C}) >= 1",
    f"1 <= CONTAINS({P}, {C})",
    f"NOT CONTAINS({P}, {C}) = 0",
    f"NOT (0 = CONTAINS({P}, {C}))",
    f"CONTAINS({P}, {C}) IN (1)",
    f"CONTAINS({P}, {C}) = 2 - 1",
    f"CONTAINS({P}, {C}) + 0 = 1",
    f"1=INTERSECTS({P}, {C})",
    f"INTERSECTS({C}, {P})=1",
    "1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 2))",
    "1=CONTAINS(POINT('', ra, dec), CIRCLE('ICRS GEOCENTER', POINT(10, 20), 2))",
    "1=CONTAINS(POINT(ra, dec), REGION('CIRCLE ICRS 10 20 2'))",
    "1=CONTAINS(POINT(ra, dec), CIRCLE(CENTROID(CIRCLE(10, 20, 1)), 2.0))",
    "DISTANCE(POINT(ra, dec), POINT(10, 20)) < 2",
    "DISTANCE(POINT(10, 20), POINT(ra, dec)) <= 2",
    "2 > DISTANCE(ra, dec, 10, 20)",
    "2.0 >= DISTANCE(10, 20, ra, dec)",
    "NOT DISTANCE(ra, dec, 10, 20) > 2",
    "DISTANCE(ra, dec, 10, 20) BETWEEN 0 AND 2",
    "CASE WHEN 1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2)) THEN 'in' ELSE 'out' END = 'in'",
    f"1=CONTAINS({P}, {C}) AND (mag > 0 OR mag IS NULL)",
    f"1=CONTAINS({P}, {C}) OR (1=CONTAINS({P}, {C}) AND mag > 10)",
    f"1=CONTAINS({P}, CIRCLE(10, 20, 5)) AND 1=CONTAINS({P}, {C})",
    f"(1=CONTAINS({P}, CIRCLE(10, 20, 1)) OR 1=CONTAINS({P}, {C})) AND NOT 1=CONTAINS({P}, CIRCLE(200, 20, 2))",
    f"NOT (0=CONTAINS({P}, {C}) OR 1=CONTAINS({P}, CIRCLE(200, 20, 2)))",
    f"id IN (SELECT id FROM sky.stars WHERE 1=CONTAINS({P}, {C}))",
    "EXISTS (SELECT 1 FROM sky.stars AS i WHERE i.id = stars.id AND DISTANCE(i.ra, i.dec, 10, 20) < 2)",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_form_of_cone(world: Any, condition: str) -> None:
    expected = np.flatnonzero(compute_distances(world.stars, 10, 20) <= 2).tolist()
    assert len(expected) > 20
    for planned in (True, False):
        assert world.fetch_values(f"SELECT id FROM sky.stars WHERE {condition} ORDER BY id", planned) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT cntr FROM sky.fp_stars WHERE 1=CONTAINS(POINT(raj2000, dec), CIRCLE(10, 20, 2))",
        "SELECT q.id FROM (SELECT * FROM sky.stars) AS q WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2))",
        "SELECT q.n FROM (SELECT id AS n, ra AS a, dec AS d FROM sky.stars) AS q WHERE DISTANCE(a, d, 10, 20) < 2",
        "WITH c AS (SELECT * FROM sky.stars) SELECT id FROM c WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2))",
        "SELECT id FROM (SELECT * FROM (SELECT * FROM fp_stars) AS a) AS b JOIN stars AS s ON s.id = b.cntr"
        " WHERE DISTANCE(raj2000, b.dec, 10, 20) < 2",
        "SELECT s.id FROM stars AS s LEFT JOIN (SELECT id, ra, dec FROM stars) AS t ON s.id = t.id"
        " WHERE DISTANCE(t.ra, t.dec, 10, 20) < 2",
        "SELECT q.id FROM (SELECT t.id, t.ra, t.dec FROM stars AS s LEFT JOIN stars AS t ON s.id = t.id) AS q"
        " WHERE DISTANCE(ra, dec, 10, 20) < 2",
        "SELECT s.id FROM sky.stars AS s JOIN sky.stars AS t ON s.id = t.id AND DISTANCE(t.ra, t.dec, 10, 20) < 2",
        "SELECT s.id FROM sky.stars AS s JOIN sky.stars AS t USING (id) WHERE DISTANCE(s.ra, s.dec, 10, 20) < 2",
        "SELECT id FROM sky.stars NATURAL JOIN (SELECT id, ra FROM sky.stars) AS t WHERE DISTANCE(ra, dec, 10, 20) < 2",
        "SELECT s.id FROM stars AS s LEFT JOIN stars AS t ON s.id = t.id WHERE DISTANCE(t.ra, t.dec, 10, 20) < 2",
        "SELECT t.id FROM stars AS s RIGHT JOIN stars AS t ON s.id = t.id WHERE DISTANCE(s.ra, s.dec, 10, 20) < 2",
        "SELECT t.id FROM stars AS s FULL JOIN stars AS t ON s.id = t.id WHERE DISTANCE(s.ra, s.dec, 10, 20) < 2",
        "SELECT id FROM sky.stars GROUP BY id, ra, dec HAVING DISTANCE(ra, dec, 10, 20) < 2",
        "SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1)) UNION"
        " SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2))",
        "SELECT id FROM sky.stars EXCEPT SELECT id FROM sky.stars WHERE DISTANCE(ra, dec, 10, 20) > 2",
        "SELECT q.id FROM (SELECT id, CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 2)) AS c FROM stars) AS q WHERE c = 1",
    ],
)
def test_cone_anywhere_in_query(world: Any, text: str) -> None:
    expected = np.flatnonzero(compute_distances(world.stars, 10, 20) <= 2).tolist()
    for planned in (True, False):
        assert sorted(world.fetch_values(text, planned)) == expected


def test_left_join_keeps_left_rows(world: Any) -> None:
    text = """SELECT s.id, t.id FROM sky.stars AS s LEFT JOIN sky.spots AS t
        ON 1=CONTAINS(POINT(t.ra, t.dec), CIRCLE(10, 20, 2)) AND s.id = t.spot ORDER BY 1"""
    rows = world.ask(text)
    assert rows == world.ask(text, planned=False)
    assert [r[0] for r in rows] == world.stars["id"]


def test_truth_values_in_select_group_and_having(world: Any) -> None:
    inside = compute_distances(world.stars, 10, 20) <= 2
    text = f"SELECT CONTAINS({P}, {C}) AS c, COUNT(*) FROM sky.stars GROUP BY c ORDER BY c"
    assert world.ask(text) == [(0, int((~inside).sum())), (1, int(inside.sum()))]
    text = f"SELECT id, CONTAINS({P}, {C}), 1 - CONTAINS({P}, {C}) FROM sky.stars ORDER BY id"
    assert world.ask(text) == [(i, int(c), 1 - int(c)) for i, c in enumerate(inside)]
    text = f"SELECT flag, SUM(CONTAINS({P}, {C})) FROM sky.stars GROUP BY flag HAVING SUM(CONTAINS({P}, {C})) > 3"
    assert all(n > 3 for _, n in world.ask(text))


def test_distances(world: Any) -> None:
    found = np.array(world.fetch_values("SELECT DISTANCE(POINT(ra, dec), POINT(10, 20)) FROM sky.stars ORDER BY id"))
    np.testing.assert_allclose(found, compute_distances(world.stars, 10, 20), rtol=1e-12, atol=1e-13)


def test_positions_against_positions(world: Any) -> None:
    text = """SELECT s.id, p.spot FROM sky.stars AS s JOIN sky.spots AS p
        ON 1=CONTAINS(POINT(s.ra, s.dec), CIRCLE(p.ra, p.dec, p.radius)) ORDER BY 1, 2"""
    found = world.ask(text)
    assert found == world.ask(text, planned=False)
    expected = set()
    for spot, ra, dec, radius in zip(*(world.spots[n] for n in ("spot", "ra", "dec", "radius")), strict=True):
        if radius is not None:
            expected |= {
                (int(i), spot) for i in np.flatnonzero(compute_distances(world.stars, ra, dec) <= radius + 1e-12)
            }
    assert set(found) == expected


PROXIMITY_JOINS = [
    "FROM stars AS s JOIN spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < {}",
    "FROM stars AS s, spots AS p WHERE 1=CONTAINS(POINT(p.ra, p.dec), CIRCLE(s.ra, s.dec, {}))",
    "FROM stars AS s LEFT JOIN spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) <= {}",
    "FROM spots AS p RIGHT JOIN stars AS s ON DISTANCE(s.ra, s.dec, p.ra, p.dec) <= {}",
    "FROM stars AS s JOIN (SELECT spot, ra, dec FROM spots) AS p ON DISTANCE(p.ra, p.dec, s.ra, s.dec) <= {}",
    "FROM stars AS s JOIN spots AS p ON p.spot <> s.id AND DISTANCE(s.ra, s.dec, p.ra, p.dec) < {}"
    " AND (s.mag > 10 OR DISTANCE(s.ra, s.dec, 10, 20) < 5)",
    "FROM stars AS s LEFT JOIN spots AS q ON s.id = q.id JOIN spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < {}",
    "FROM stars AS s JOIN spots AS p ON DISTANCE(s.ra, s.dec, p.ra, p.dec) < {} AND DISTANCE(p.ra, p.dec, 10, 20) < 9",
]


@pytest.mark.parametrize("source", PROXIMITY_JOINS)
def test_proximity_joins_agree_with_product(world: Any, source: str) -> None:
    for radius in (0, 1e-9, 2e-9, 1e-4, 0.3, 1, 3.66, 3.67, 7.3, 7.4, 14.6, 14.7, 40, 179, 180):
        text = f"SELECT s.id, p.spot {source.format(radius)} ORDER BY 1, 2"
        assert world.ask(text) == world.ask(text, planned=False), radius


# --------------------------------------------------------------- polygons

POLYGONS = {
    "convex": (5, 15, 15, 15, 15, 25, 5, 25),
    "reversed": (5, 25, 15, 25, 15, 15, 5, 15),
    "concave": (5, 15, 15, 15, 15, 25, 10, 17, 5, 25),
    "over RA 0": (350, -5, 10, -5, 10, 5, 350, 5),
    "negative RA": (-10, -5, 10, -5, 10, 5, -10, 5),
    "pole": (0, 80, 90, 80, 180, 80, 270, 80),
    "south pole": (10, -60, 130, -60, 250, -60),
    "thin": (9, 20, 11, 20, 11, 20.000001, 9, 20.000001),
    "tiny": (9.9999, 19.9999, 10.0001, 19.9999, 10.0001, 20.0001, 9.9999, 20.0001),
    "large": (300, -40, 60, -40, 60, 60, 300, 60),
    "hemisphere, nearly": (0, 1, 90, 1, 180, 1, 270, 1),
    "triangle": (0, 0, 40, 0, 20, 40),
}


def find_in_polygon(rows: dict[str, list[Any]], ring: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are inside, and which lie on the border, both of shape (rows,)."""
    corners = [((x + 180) % 360 - 180, y) for x, y in zip(ring[::2], ring[1::2], strict=True)]
    polygon = spherely.create_polygon(corners)
    points = spherely.points((np.array(rows["ra"]) + 180) % 360 - 180, np.array(rows["dec"]))
    on_border = spherely.distance(points, spherely.boundary(polygon), radius=1.0) < 1e-9
    return np.asarray(spherely.contains(polygon, points)), np.asarray(on_border)


@pytest.mark.parametrize("name", POLYGONS)
@pytest.mark.parametrize("spelling", ["numbers", "points", "region"])
def test_polygons(world: Any, name: str, spelling: str) -> None:
    ring = POLYGONS[name]
    pairs = list(zip(ring[::2], ring[1::2], strict=True))
    polygon = {
        "numbers": f"POLYGON({', '.join(map(str, ring))})",
        "points": f"POLYGON('ICRS', {', '.join(f'POINT({x}, {y})' for x, y in pairs)})",
        "region": f"REGION('POLYGON ICRS {' '.join(map(str, ring))}')",
    }[spelling]
    text = f"SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), {polygon}) ORDER BY id"
    found = world.fetch_values(text)
    assert found == world.fetch_values(text, planned=False)
    inside, on_border = find_in_polygon(world.stars, ring)
    assert set(np.flatnonzero(inside & ~on_border)) <= set(found) <= set(np.flatnonzero(inside | on_border))


def test_polygon_contains_its_vertices(world: Any) -> None:
    text = "SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), POLYGON(10, 20, 10, 21, 10.5, 20.5))"
    corners = [i for i, p in enumerate(zip(world.stars["ra"], world.stars["dec"], strict=True)) if p in
               ((10, 20), (10, 21), (10.5, 20.5))]  # fmt: skip
    assert set(corners) <= set(world.fetch_values(text))


@FEW_EXAMPLES
@given(st.floats(0, 360), st.floats(-89, 89), st.floats(1e-4, 40), st.integers(3, 7), st.floats(0, 360))
def test_any_regular_polygon(world: Any, ra: float, dec: float, size: float, corners: int, turn: float) -> None:
    turns = np.radians(turn + 360 / corners * np.arange(corners))
    a, d, s = np.radians(ra), np.radians(dec), np.radians(size)
    north, east = (
        np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]),
        np.array([-np.sin(a), np.cos(a), 0]),
    )
    centre = to_vectors(ra, dec).astype(float)
    xyz = np.cos(s) * centre + np.sin(s) * (np.outer(np.cos(turns), north) + np.outer(np.sin(turns), east))
    lon, lat = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0])), np.degrees(np.arcsin(np.clip(xyz[:, 2], -1, 1)))
    ring = tuple(float(x) for pair in zip(lon % 360, lat, strict=True) for x in pair)
    text = (
        f"SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), POLYGON({', '.join(map(repr, ring))})) ORDER BY id"
    )
    found = world.fetch_values(text)
    assert found == world.fetch_values(text, planned=False)
    inside, on_border = find_in_polygon(world.stars, ring)
    assert set(np.flatnonzero(inside & ~on_border)) <= set(found) <= set(np.flatnonzero(inside | on_border))


@pytest.mark.parametrize(
    ("ra", "dec", "width", "height"), [(10, 20, 6, 4), (0, 0, 10, 2), (77, 89, 5, 5), (10, 20, 170, 4)]
)
def test_boxes(world: Any, ra: float, dec: float, width: float, height: float) -> None:
    """A box lies between two pairs of great circles: a rectangle in the tangent plane at its centre."""
    text = f"SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), BOX({ra}, {dec}, {width}, {height})) ORDER BY id"
    xyz, a, d = to_vectors(world.stars["ra"], world.stars["dec"]), np.radians(ra), np.radians(dec)
    depth = xyz @ to_vectors(ra, dec)
    x = xyz @ np.array([-np.sin(a), np.cos(a), 0]) / depth
    y = xyz @ np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]) / depth
    inside = (depth > 0) & (abs(x) <= np.tan(np.radians(width / 2))) & (abs(y) <= np.tan(np.radians(height / 2)))
    assert world.fetch_values(text) == world.fetch_values(text, planned=False) == np.flatnonzero(inside).tolist()


def test_boxes_of_columns(world: Any) -> None:
    text = "SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(10, 20), BOX(ra, dec, {}, 4)) ORDER BY id"
    assert world.fetch_values(text.format("ABS(id - id) + 6")) == world.fetch_values(text.format("6"))


# ----------------------------------------------- shapes against shapes

SQUARE = "POLYGON(5, 15, 15, 15, 15, 25, 5, 25)"
PAIRS = [
    ("CONTAINS", "CIRCLE(10, 20, 1)", "CIRCLE(10, 20, 2)", 1),
    ("CONTAINS", "CIRCLE(10, 20, 2)", "CIRCLE(10, 20, 1)", 0),
    ("CONTAINS", "CIRCLE(10, 20, 1)", "CIRCLE(10, 20, 1)", 1),
    ("CONTAINS", "CIRCLE(10, 20, 90)", "CIRCLE(150, 20, 180)", 1),
    ("CONTAINS", "CIRCLE(10, 20, 3)", SQUARE, 1),
    ("CONTAINS", "CIRCLE(10, 20, 6)", SQUARE, 0),
    ("CONTAINS", "CIRCLE(50, 20, 1)", SQUARE, 0),
    ("CONTAINS", SQUARE, "CIRCLE(10, 20, 8)", 1),
    ("CONTAINS", SQUARE, "CIRCLE(10, 20, 6)", 0),
    ("CONTAINS", SQUARE, SQUARE, 1),
    ("CONTAINS", "BOX(10, 20, 1, 1)", SQUARE, 1),
    ("CONTAINS", SQUARE, "BOX(10, 20, 1, 1)", 0),
    ("CONTAINS", SQUARE, "POINT(10, 20)", 0),
    ("CONTAINS", "CIRCLE(10, 20, 1)", "POINT(10, 20)", 0),
    ("CONTAINS", "POINT(10, 20)", "POINT(370, 20)", 1),
    ("CONTAINS", "POINT(0, 90)", "POINT(123, 90)", 1),
    ("CONTAINS", SQUARE, "CIRCLE(10, 20, 180)", 1),
    ("INTERSECTS", "CIRCLE(10, 20, 1)", "CIRCLE(12, 20, 1)", 1),
    ("INTERSECTS", "CIRCLE(10, 20, 1)", "CIRCLE(15, 20, 1)", 0),
    ("INTERSECTS", "CIRCLE(0, 89, 1.1)", "CIRCLE(180, 89, 1.1)", 1),
    ("INTERSECTS", "CIRCLE(359.5, 0, 1)", "CIRCLE(0.5, 0, 1)", 1),
    ("INTERSECTS", SQUARE, "CIRCLE(4, 20, 2)", 1),
    ("INTERSECTS", SQUARE, "CIRCLE(1, 20, 2)", 0),
    ("INTERSECTS", "CIRCLE(10, 20, 0.1)", SQUARE, 1),
    ("INTERSECTS", SQUARE, "BOX(15, 20, 1, 1)", 1),
    ("INTERSECTS", SQUARE, "BOX(25, 20, 1, 1)", 0),
    ("INTERSECTS", SQUARE, "POINT(10, 20)", 1),
    ("INTERSECTS", "POINT(40, 20)", SQUARE, 0),
    ("INTERSECTS", "POINT(5, 15)", SQUARE, 1),
    ("INTERSECTS", "POINT(10, 20)", "POINT(10, 20)", 1),
]


@pytest.mark.parametrize(("function", "a", "b", "expected"), PAIRS)
def test_shapes_against_shapes(world: Any, function: str, a: str, b: str, expected: int) -> None:
    assert world.evaluate(f"{function}({a}, {b})") == expected
    zero = "(ra - ra)"  # the same with a shape that is not constant
    moved = a.replace("(10,", f"({zero} + 10,", 1).replace("(5,", f"({zero} + 5,", 1)
    assert world.evaluate(f"{function}({moved}, {b})") == expected
    if function == "INTERSECTS":
        assert world.evaluate(f"{function}({b}, {a})") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("AREA(CIRCLE(10, 20, 180))", 41252.96125),
        ("AREA(CIRCLE(10, 20, 1))", 3.14151290),
        ("AREA(POINT(10, 20))", 0),
        ("AREA(POLYGON(0, 0, 90, 0, 0, 90))", 41252.96125 / 8),
        ("AREA(POLYGON(0, 0, 0, 90, 90, 0))", 41252.96125 / 8),
        ("COORD1(POINT(10, 20))", 10),
        ("COORD2(POINT(10, 20))", 20),
        ("COORD1(CENTROID(CIRCLE(10, 20, 3)))", 10),
        ("COORD2(CENTROID(BOX(10, 20, 3, 4)))", 20),
        ("COORD1(CENTROID(BOX(359.9, 0, 3, 4)))", 359.9),
        ("COORD2(CENTROID(POLYGON(0, 80, 90, 80, 180, 80, 270, 80)))", 90),
    ],
)
def test_measures(world: Any, expression: str, expected: float) -> None:
    assert world.evaluate(expression) == pytest.approx(expected, rel=1e-6)


def test_null_positions_are_nowhere(world: Any) -> None:
    nulls = {i for i, m in enumerate(world.stars["mag"]) if m is None}
    for shape in SHAPES:
        text = f"SELECT id, CONTAINS(POINT(mag, 20), {shape}), POINT(mag, 20) FROM sky.stars"
        for id, inside, point in world.ask(text):
            assert (inside is None) == (id in nulls) == (point is None)
    assert (
        world.fetch_values("SELECT AREA(POLYGON(ra, dec, ra, dec, ra, dec)) FROM sky.stars WHERE id < 3") == [None] * 3
    )
    assert (
        world.fetch_values("SELECT CONTAINS(POINT(ra, dec), BOX(ra, dec, -1, 1)) FROM sky.stars WHERE id < 3")
        == [None] * 3
    )
    assert (
        world.fetch_values("SELECT INTERSECTS(CIRCLE(ra, dec + 500, 1), BOX(1, 1, 1, 1)) FROM sky.stars WHERE id < 3")
        == [None] * 3
    )


@pytest.mark.parametrize(
    "shape",
    [
        "CIRCLE(10, 95, 1)",
        "CIRCLE(10, 20, -1)",
        "CIRCLE('HELIOGRAPHIC', 10, 20, 1)",
        "POLYGON(0, 0, 1, 1, 0, 1, 1, 0)",
        "POLYGON(10, 20, 10, 20, 11, 21)",
        "POLYGON(10, 20, 11, 91, 12, 21)",
        "BOX(10, 20, 0, 1)",
        "BOX(180, 0, 360, 180)",
        "REGION('CIRCLE 10 20')",
        "REGION('INTERSECTION ICRS (CIRCLE 1 2 3)')",
        "REGION('UNION ICRS (CIRCLE 1 2)')",
        "REGION('')",
    ],
)
def test_rejects_invalid_shapes(world: Any, shape: str) -> None:
    text = f"SELECT id FROM sky.stars WHERE 1=CONTAINS(POINT(ra, dec), {shape})"
    with pytest.raises(QueryError) as raised:
        world.resolve(text)
    assert raised.value.code == Code.ADQL_BAD_LITERAL
    assert raised.value.span is not None
    assert text.index(shape) <= raised.value.span.start < text.index(shape) + len(shape)
