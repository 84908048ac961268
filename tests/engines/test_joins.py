"""Joins on nearness: through cells or through the product, the pairs are the same, and those of brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vo_server.adql import query as q

RADII = (0, 1e-7, 0.5, 2, 7, 14.6)


def near(world: Any, radius: float) -> set[tuple[int, int]]:
    """Pairs of (star, spot) within a radius, and how far from it rounding may decide."""
    a, b = (np.radians([rows["ra"], rows["dec"]]) for rows in (world.stars, world.spots))
    (ra1, dec1), (ra2, dec2) = a[:, :, None], b[:, None, :]
    half = np.sin((dec1 - dec2) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra1 - ra2) / 2) ** 2
    away = np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
    ids, spots = np.array(world.stars["id"]), np.array(world.spots["spot"])
    return {(int(ids[i]), int(spots[j])) for i, j in zip(*np.nonzero(away <= radius + 1e-12), strict=True)}


def spread(node: Any) -> bool:
    return any(isinstance(part, q.Spread) for part in q.parts(node))


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
    assert spread(world.query(text))
    pairs = world.ask(text)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(world.ask(text, planned=False)) == near(world, radius)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.id FROM sky.stars AS a LEFT JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE NOT DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 OR a.id = b.id",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 20",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < b.radius",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, b.dec, b.ra, a.dec) < 1",
        "SELECT a.id FROM sky.stars AS a, sky.spots AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) > 179",
    ],
)
def test_what_cells_cannot_answer_goes_through_the_product(world: Any, text: str) -> None:
    assert not spread(world.query(text))
    assert sorted(world.ask(text)) == sorted(world.ask(text, planned=False))


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
    assert spread(world.query(text))
    rows = sorted(world.ask(text))
    assert rows
    assert rows == sorted(world.ask(text, planned=False))


def test_a_position_that_is_none_has_no_neighbours(world: Any) -> None:
    text = (
        "SELECT a.id, b.spot FROM sky.stars AS a JOIN (SELECT spot, NULLIF(ra, 10) AS ra, dec FROM sky.spots) AS b"
        " ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
    )
    assert spread(world.query(text))
    assert sorted(world.ask(text)) == sorted(world.ask(text, planned=False))


def test_the_cells_of_a_position_are_seen_by_nobody(world: Any) -> None:
    text = "SELECT * FROM sky.stars AS a JOIN sky.spots AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1"
    table: pa.Table = world.table(text)
    assert table.num_columns == len(world.query(text).columns) == 12 + 5
