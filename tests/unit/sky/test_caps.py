"""Circles that hold regions, against points of these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_server.sky import shapes, vectors
from vo_server.sky.caps import cap

LON, LAT = st.floats(0, 360), st.floats(-90, 90)


@given(lon1=LON, lon2=LON, lats=st.tuples(LAT, LAT).map(sorted))
def test_a_range_lies_in_its_circle(lon1: float, lon2: float, lats: list[float]) -> None:
    x, y, radius = cap(("range", (lon1, lon2, *lats)))
    width = (lon2 - lon1) % 360 or abs(lon2 - lon1)
    lon, lat = np.meshgrid(lon1 + width * np.linspace(0, 1, 15), np.linspace(*lats, 15))
    assert vectors.distance(x, y, lon, lat).max() <= radius + 1e-9


@given(lon=LON, lat=LAT, size=st.floats(0.001, 120), seed=st.integers(0, 9))
def test_a_polygon_lies_in_its_circle(lon: float, lat: float, size: float, seed: int) -> None:
    corners = vectors.box(lon, lat, size, size)
    ring = tuple(number for corner in corners for number in corner)
    x, y, radius = cap(("polygon", ring))
    sample = np.random.default_rng(seed).uniform(-1, 1, (200, 2)) * 180
    inside = shapes.points_in_polygon(sample[:, 0] % 360, sample[:, 1] / 2, ring)
    assert (vectors.distance(x, y, sample[:, 0], sample[:, 1] / 2)[inside] <= radius + 1e-9).all()
    assert (vectors.distance(x, y, *np.array(corners).T) <= radius + 1e-9).all()


def test_points_and_circles_are_themselves() -> None:
    assert cap(("point", (10.0, 20.0))) == (10, 20, 0)
    assert cap(("circle", (10.0, 20.0, 3.0))) == (10, 20, 3)
    assert cap(("polygon", (0.0, 0.0, 120.0, 0.0, 240.0, 0.0)))[2] == pytest.approx(180)
