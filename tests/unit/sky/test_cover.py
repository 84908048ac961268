"""A cover holds every point of its region; ranges are half-open, ascending and apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo_server.sky import cover, shapes, vectors

LON, LAT = st.floats(0, 360), st.floats(-90, 90)


def holds(ranges: cover.Ranges, ra: Any, dec: Any) -> np.ndarray:
    index = cover.index(np.asarray(ra, dtype=float), np.asarray(dec, dtype=float))
    at = np.searchsorted(ranges[:, 0], index, side="right") - 1
    return (at >= 0) & (index < ranges[np.maximum(at, 0), 1]) if len(ranges) else np.zeros(len(index), bool)


def sane(ranges: cover.Ranges) -> bool:
    flat = ranges.reshape(-1)
    return bool((np.diff(flat) > 0).all() and flat[0] >= 0 and flat[-1] <= cover.SKY[0, 1]) if len(flat) else True


def about(lon: float, lat: float, radius: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions within a radius, many of them near to the border."""
    rng = np.random.default_rng(seed)
    away = np.radians(radius * np.sqrt(np.append(rng.uniform(0, 1, count), [1, 1, 1, 0])))
    turn = np.append(rng.uniform(0, 2 * np.pi, count), [0, np.pi / 2, np.pi, 0])
    a, d = np.radians(lon), np.radians(lat)
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    east = np.array([-np.sin(a), np.cos(a), 0])
    side = np.outer(np.cos(turn), north) + np.outer(np.sin(turn), east)
    return vectors.lonlat(np.cos(away)[:, None] * vectors.unit(lon, lat) + np.sin(away)[:, None] * side)


@settings(max_examples=150, deadline=None)
@given(LON, LAT, st.one_of(st.floats(0, 1e-6), st.floats(0, 5), st.floats(0, 180)))
def test_the_cover_of_a_circle_holds_the_circle(lon: float, lat: float, radius: float) -> None:
    ranges = cover.circle(lon, lat, radius)
    assert sane(ranges)
    assert holds(ranges, *about(lon, lat, radius, 200)).all()
    assert sane(cover.thrifty(ranges))
    assert holds(cover.thrifty(ranges), *about(lon, lat, radius, 50)).all()


@pytest.mark.parametrize("radius", [0, 1e-9, 1e-3, 1, 30, 90, 119, 121, 180, 200])
@pytest.mark.parametrize(("lon", "lat"), [(0, 0), (360, 0), (0, 90), (77, -90), (45, 0), (45, 41.8103148957786)])
def test_circles_where_it_is_hard(lon: float, lat: float, radius: float) -> None:
    assert holds(cover.circle(lon, lat, radius), *about(lon, lat, min(radius, 180), 500)).all()


def test_a_small_circle_has_a_small_cover() -> None:
    for radius in (1e-3, 0.1, 1, 10):
        size = cover._size(cover.circle(10, 20, radius)) / cover.SKY[0, 1]
        assert size < 3 * shapes.area(("circle", (10, 20, radius))) / 41253
    assert len(cover.circle(10, 20, -1)) == 0


@settings(max_examples=80, deadline=None)
@given(LON, st.floats(-89, 89), st.floats(1e-7, 80), st.integers(3, 8), st.integers(0, 999))
def test_the_cover_of_a_polygon_holds_the_polygon(lon: float, lat: float, size: float, corners: int, seed: int) -> None:
    turns = np.sort(np.random.default_rng(seed).uniform(0, 2 * np.pi, corners))
    a, d, s = np.radians(lon), np.radians(lat), np.radians(size)
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    side = np.outer(np.cos(turns), north) + np.outer(np.sin(turns), [-np.sin(a), np.cos(a), 0])
    x, y = vectors.lonlat(np.cos(s) * vectors.unit(lon, lat) + np.sin(s) * side)
    ring = tuple(float(n) for pair in zip(x, y, strict=True) for n in pair)
    try:
        shapes.check("polygon", ring)
    except shapes.BadShape:
        return
    ranges = cover.polygon(list(zip(ring[::2], ring[1::2], strict=True)))
    assert sane(ranges)
    ra, dec = about(lon, lat, min(1.5 * size, 180), 400, seed)
    inside = shapes.points_in_polygon(ra, dec, ring)
    assert holds(ranges, ra[inside], dec[inside]).all()
    assert holds(ranges, x, y).all()


def test_meet_and_join() -> None:
    a, b = cover.circle(10, 20, 2), cover.circle(12, 20, 2)
    ra, dec = about(11, 20, 5, 2000)
    in_a, in_b = holds(a, ra, dec), holds(b, ra, dec)
    assert (holds(cover.meet(a, b), ra, dec) == (in_a & in_b)).all()
    assert (holds(cover.join(a, b), ra, dec) == (in_a | in_b)).all()
    assert len(cover.meet(a, cover.NOTHING)) == 0
    assert np.array_equal(cover.join(a, cover.NOTHING), a)
    assert np.array_equal(cover.meet(a, cover.SKY), a)


def test_coarse_ranges_hold_the_fine_ones() -> None:
    fine = cover.circle(10, 89, 3)
    for most in (1, 2, 4, 32, 10_000):
        few = cover.coarse(fine, most)
        assert len(few) <= max(most, 1)
        assert sane(few)
        assert np.array_equal(cover.meet(few, fine), fine)
