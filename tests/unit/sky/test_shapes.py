"""Shapes and vectors by themselves: what an engine's suite does not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.sky import shapes, vectors

SQUARE = (5.0, 15.0, 15.0, 15.0, 15.0, 25.0, 5.0, 25.0)
LON, LAT = st.floats(0, 360), st.floats(-90, 90)


@pytest.mark.parametrize(
    ("kind", "numbers", "said"),
    [
        ("polygon", (1, 2, 3, 4), "three pairs"),
        ("polygon", (1, 2, 3, 4, 5, 6, 7), "three pairs"),
        ("polygon", (1, 2, 3, 4, 5, np.nan), "not a number"),
        ("polygon", (1, 2, 3, 4, 5, 91), "latitude"),
        ("polygon", (0, 0, 1, 1, 0, 1, 1, 0), "cross"),
        ("polygon", (1, 2, 1, 2, 3, 4), "same"),
        ("circle", (1, 2, -1), "negative"),
        ("circle", (1, 92, 1), "latitude"),
        ("point", (np.inf, 2), "finite"),
        ("box", (1, 2, 180, 1), "sides"),
        ("box", (1, 2, 1, 0), "sides"),
    ],
)
def test_rejects_invalid_shapes(kind: str, numbers: tuple[float, ...], said: str) -> None:
    with pytest.raises(shapes.ShapeError, match=said):
        shapes.check_shape(kind, numbers)


@settings(deadline=None)
@given(LON, LAT, LON, LAT, st.floats(0.001, 80))
def test_max_distance(lon: float, lat: float, ra: float, dec: float, size: float) -> None:
    """No vertex and no position of the shape is farther, and some position is as far."""
    a, d, turns = np.radians(ra), np.radians(dec), np.array([0.1, 2.0, 4.5])
    centre, east = (
        np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)]),
        np.array([-np.sin(a), np.cos(a), 0]),
    )
    ring = np.cos(np.radians(size)) * centre + np.sin(np.radians(size)) * (
        np.outer(np.cos(turns), east) + np.outer(np.sin(turns), np.cross(centre, east))
    )
    corners = tuple(float(x) for pair in zip(*vectors.to_lonlat(ring), strict=True) for x in pair)
    for shape in (("polygon", corners), ("circle", (ra, dec, size)), ("region", (*corners, np.nan, ra, dec, size))):
        reach = shapes.max_distance(shape, lon, lat)
        x, y = np.random.default_rng(0).uniform(0, 360, 2000), np.degrees(np.arcsin(np.linspace(-1, 1, 2000)))
        inside = shapes.distance_function(shape)(x, y) <= 0
        assert (vectors.distance(lon, lat, x[inside], y[inside]) <= reach + 1e-7).all()
        assert shapes.contains(("circle", (lon, lat, reach + 1e-6)), shape)
        assert not shapes.contains(("circle", (lon, lat, reach - 1e-4)), shape)


def test_invalid_points_are_not_inside() -> None:
    lon, lat = np.array([10.0, np.nan, 10.0, 10.0, np.inf, 370.0, -350.0]), np.array([20.0, 20, np.nan, 95, 20, 20, 20])
    assert shapes.find_points_in_polygon(lon, lat, SQUARE).tolist() == [True, False, False, False, False, True, True]


def test_direction_of_vertices_does_not_matter() -> None:
    back = tuple(x for pair in list(zip(SQUARE[::2], SQUARE[1::2], strict=True))[::-1] for x in pair)
    assert shapes.area(("polygon", SQUARE)) == pytest.approx(shapes.area(("polygon", back)))
    assert shapes.contains(("polygon", SQUARE), ("polygon", back))
    assert shapes.area(("polygon", SQUARE)) < 41253 / 2


@settings(max_examples=100, deadline=None)
@given(LON, LAT, LON, LAT)
def test_distances(lon1: float, lat1: float, lon2: float, lat2: float) -> None:
    a, b = vectors.unit_vectors(lon1, lat1)[0], vectors.unit_vectors(lon2, lat2)[0]
    chord = 2 * np.degrees(np.arcsin(min(1.0, float(np.linalg.norm(a - b)) / 2)))
    assert float(vectors.distance(lon1, lat1, lon2, lat2)) == pytest.approx(chord, abs=2e-6)
    assert float(vectors.distance(lon1, lat1, lon1, lat1)) == pytest.approx(0, abs=1e-13)
    assert float(vectors.distance(lon1, lat1, lon1 + 180, -lat1)) == pytest.approx(180, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(LON, LAT)
def test_vectors_and_back(lon: float, lat: float) -> None:
    (x,), (y,) = vectors.to_lonlat(vectors.unit_vectors(lon, lat))
    assert 0 <= x < 360
    assert float(vectors.distance(lon, lat, x, y)) < 1e-12


@settings(max_examples=100, deadline=None)
@given(LON, LAT, st.floats(0.01, 170), st.floats(0.01, 170))
def test_box_extends_half_its_sides(lon: float, lat: float, width: float, height: float) -> None:
    corners = np.array(vectors.box_corners(lon, lat, width, height))
    xyz = vectors.unit_vectors(*corners.T)
    for i, half in ((0, height / 2), (1, width / 2), (2, height / 2), (3, width / 2)):
        normal = np.cross(xyz[i], xyz[(i + 1) % 4])
        away = np.degrees(np.arcsin(abs(vectors.unit_vectors(lon, lat)[0] @ normal) / np.linalg.norm(normal)))
        assert away == pytest.approx(half, rel=1e-6, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(LON, LAT, st.floats(0, 170), LON, LAT, st.floats(0, 170))
def test_predicates_of_circles_agree(x1: float, y1: float, r1: float, x2: float, y2: float, r2: float) -> None:
    a, b = ("circle", (x1, y1, r1)), ("circle", (x2, y2, r2))
    assert shapes.intersects(a, b) == shapes.intersects(b, a)
    if shapes.contains(a, b):
        assert shapes.intersects(a, b)
        assert shapes.contains(a, ("point", (x2, y2)))
