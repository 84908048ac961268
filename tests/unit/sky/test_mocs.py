"""MOCs by themselves, against mocpy and against positions one by one."""

from __future__ import annotations

import astropy.units as u
import mocpy
import numpy as np
import pytest
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import vertices
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.sky import cover, mocs, shapes, vectors

CELLS = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1, exclude_max=True)), min_size=1, max_size=40)
HASTY = settings(deadline=None, max_examples=60)


def made(cells: list[tuple[int, float]]) -> mocpy.MOC:
    """Return a map of cells, each given by its order and its fraction of the cells of the order."""
    orders = np.array([k for k, _ in cells], dtype=np.uint8)
    numbers = np.array([int(part * 12 * 4**k) for k, part in cells], dtype=np.uint64)
    return mocpy.MOC.from_healpix_cells(numbers, orders, 5)


def ranges(moc: mocpy.MOC) -> cover.Ranges:
    return np.asarray(moc.to_depth29_ranges).astype(np.int64).reshape(-1, 2)


@HASTY
@given(CELLS)
def test_texts_agree_with_mocpy(cells: list[tuple[int, float]]) -> None:
    theirs = made(cells)
    order, found = mocs.parse_moc(theirs.to_string("ascii"))
    assert order == 5
    np.testing.assert_array_equal(found, ranges(theirs))
    assert mocs.format_moc(found, order) == " ".join(theirs.to_string("ascii").split())
    assert mocs.area(found) == pytest.approx(theirs.sky_fraction * 41252.96124941928, rel=1e-12)
    np.testing.assert_array_equal(mocs.complement(found), ranges(theirs.complement()))


@HASTY
@given(CELLS, CELLS)
def test_overlap_and_containment_agree_with_mocpy(a: list[tuple[int, float]], b: list[tuple[int, float]]) -> None:
    first, second = made(a), made(b)
    both = first.intersection(second)
    assert mocs.overlaps(ranges(first), ranges(second)) == (not both.empty())
    assert mocs.contains_moc(ranges(first), ranges(second)) == (both == second)
    assert mocs.contains_moc(ranges(first.union(second)), ranges(second))


@pytest.mark.parametrize(
    ("text", "values"),
    [("", "6/1-3"), ("6", "6/1-3"), ("6/1-", "6/1-3"), ("a/1", "6/1-3"), ("1-3/4", "6/1-3"), ("6/1,2;", "6/1-3"),
     ("30/1", "29.*30"), ("2/192", "0 to 191"), ("2/5-3", "5-3"), ("99999999999/1", "29.*99999999999"), ("6/1 -2", "")],
)  # fmt: skip
def test_rejects_invalid_mocs(text: str, values: str) -> None:
    if not values:
        assert mocs.parse_moc(text)[0] == 6  # blanks around the dash are allowed
        return
    with pytest.raises(shapes.ShapeError, match=values):
        mocs.parse_moc(text)


def test_cell_radius_bounds_all_cells() -> None:
    for order in range(6):
        numbers = np.arange(12 * 4**order)
        lon, lat = cover.cell_centres(numbers, order)
        corners = vertices(numbers.astype(np.uint64), order, step=4)
        far = vectors.distance(lon[:, None], lat[:, None], *(np.asarray(x.to_value(u.deg)) for x in corners))
        assert far.max() < np.degrees(mocs._cell_radius(order))


SHAPES = [
    ("circle", (10.0, 20.0, 3.0)),
    ("circle", (0.0, 90.0, 10.0)),
    ("circle", (200.0, -70.0, 100.0)),
    ("circle", (45.0, 41.8103, 0.02)),
    ("polygon", (5.0, 15.0, 15.0, 15.0, 15.0, 25.0, 5.0, 25.0)),
    ("polygon", (0.0, 80.0, 120.0, 80.0, 240.0, 80.0)),
    ("polygon", (0.0, -5.0, 120.0, -5.0, 240.0, -5.0)),
    ("region", (10.0, 20.0, 3.0, np.nan, 10.5, 21.0, 3.0, np.nan, 100.0, 5.0)),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("order", [0, 2, 5, 7])
def test_map_has_exactly_the_cells_that_a_shape_intersects(shape: shapes.Shape, order: int) -> None:
    """Each cell of the map contains a position of the shape, and each position of the shape is in the map."""
    found = mocs.moc_of_shape(order, shape)
    lon, lat = positions()
    inside = shapes.distance_function(shape)(lon, lat) <= 0
    assert mocs.contains_cells(found, cover.healpix_index(lon, lat))[inside].all()
    assert mocs.contains_shape(found, shape)
    assert mocs.intersects_shape(found, shape)
    for cell in np.concatenate([np.arange(a, b, 4 ** (29 - order)) for a, b in found])[:60]:
        alone = np.array([[cell, cell + 4 ** (29 - order)]])
        assert mocs.intersects_shape(alone, shape)
    rest = mocs.complement(found)
    assert not mocs.intersects_shape(
        cover.intersection(rest, cover.cover_shape(("circle", (190.0, -20.0, 20.0)))), shape
    ) or not len(rest)


def positions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    sky = rng.uniform(0, 360, 20000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20000)))
    near = 10 + rng.normal(0, 3, 5000), 20 + rng.normal(0, 3, 5000)
    return np.concatenate([sky[0], near[0] % 360]), np.concatenate([sky[1], near[1]])


@HASTY
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0.01, 179), st.integers(0, 7))
def test_circles_lie_in_those_of_mocpy(lon: float, lat: float, radius: float, order: int) -> None:
    """The map of mocpy contains a cone and may have more cells; this map has fewer and contains it, too.

    Ours has the cells that a circle touches from without; theirs is made a hair larger for these.
    """
    wide = radius * 1.0001 * u.deg
    circle = ("circle", (lon, lat, radius))
    found = mocs.moc_of_shape(order, circle)
    theirs = mocpy.MOC.from_cone(Longitude(lon, u.deg), Latitude(lat, u.deg), radius=wide, max_depth=order)
    assert mocs.contains_moc(ranges(theirs), found) or radius > 120
    assert mocs.contains_shape(found, circle)
    assert not mocs.contains_shape(mocs.complement(found), circle)


def test_borders_decide_within_a_nanoradian() -> None:
    """A circle around the centre of a cell is enlarged until it leaves the cell."""
    text, numbers = "8/12345", np.array([12345])
    lon, lat = (float(x[0]) for x in cover.cell_centres(numbers, 8))
    corners = vertices(numbers.astype(np.uint64), 8, step=1000)
    far = vectors.distance(lon, lat, *(np.asarray(x.to_value(u.deg)) for x in corners))
    ranges = mocs.parse_moc(text)[1]
    least = float(far.min())
    assert mocs.contains_shape(ranges, ("circle", (lon, lat, least * (1 - 1e-6))))
    assert not mocs.contains_shape(ranges, ("circle", (lon, lat, least * (1 + 1e-6))))
    most = float(far.max())
    assert mocs.is_within_shape(ranges, ("circle", (lon, lat, most * (1 + 1e-9))))
    assert not mocs.is_within_shape(ranges, ("circle", (lon, lat, most * (1 - 1e-6))))
    away = ("circle", (lon, lat + 2.0, 2.0 - least * 0.99))
    assert mocs.intersects_shape(ranges, away)


def test_rejects_too_many_cells() -> None:
    with pytest.raises(shapes.ShapeError, match="smaller order"):
        mocs.moc_of_shape(29, ("circle", (10.0, 20.0, 5.0)))
    assert len(mocs.moc_of_shape(29, ("circle", (10.0, 20.0, 1e-7)))) > 3


@pytest.mark.parametrize("reach", [0.01, 0.5, 3.0, 20.0])
def test_cells_near_contain_all_within_reach(reach: float) -> None:
    ranges = mocs.parse_moc("6/1-30 4/500 5/3000")[1]
    grown = cover.dilate(ranges, reach)
    lon, lat = positions()
    inside = np.flatnonzero(mocs.contains_cells(ranges, cover.healpix_index(lon, lat)))
    turn = np.random.default_rng(2).uniform(0, 2 * np.pi, len(inside))
    for away in (reach * 0.999, reach / 2):
        there = vectors.unit_vectors(lon[inside], lat[inside])
        side = np.cross(there, [0.3, -0.5, 0.7])
        side /= np.linalg.norm(side, axis=1)[:, None]
        other = np.cross(there, side)
        step = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * other
        moved = vectors.to_lonlat(np.cos(np.radians(away)) * there + np.sin(np.radians(away)) * step)
        assert mocs.contains_cells(grown, cover.healpix_index(*moved)).all()
