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
    index = cover.healpix_index(np.asarray(ra, dtype=float), np.asarray(dec, dtype=float))
    at = np.searchsorted(ranges[:, 0], index, side="right") - 1
    return (at >= 0) & (index < ranges[np.maximum(at, 0), 1]) if len(ranges) else np.zeros(len(index), bool)


def sane(ranges: cover.Ranges) -> bool:
    flat = ranges.reshape(-1)
    return bool((np.diff(flat) > 0).all() and flat[0] >= 0 and flat[-1] <= cover.WHOLE_SKY[0, 1]) if len(flat) else True


def about(lon: float, lat: float, radius: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return positions within a radius, many of them near the border."""
    rng = np.random.default_rng(seed)
    away = np.radians(radius * np.sqrt(np.append(rng.uniform(0, 1, count), [1, 1, 1, 0])))
    turn = np.append(rng.uniform(0, 2 * np.pi, count), [0, np.pi / 2, np.pi, 0])
    a, d = np.radians(lon), np.radians(lat)
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    east = np.array([-np.sin(a), np.cos(a), 0])
    side = np.outer(np.cos(turn), north) + np.outer(np.sin(turn), east)
    return vectors.to_lonlat(np.cos(away)[:, None] * vectors.unit_vectors(lon, lat) + np.sin(away)[:, None] * side)


@settings(max_examples=150, deadline=None)
@given(LON, LAT, st.one_of(st.floats(0, 1e-6), st.floats(0, 5), st.floats(0, 180)))
def test_cover_contains_its_circle(lon: float, lat: float, radius: float) -> None:
    ranges = cover.cover_circle(lon, lat, radius)
    assert sane(ranges)
    assert holds(ranges, *about(lon, lat, radius, 200)).all()
    assert sane(cover.merge_small_gaps(ranges))
    assert holds(cover.merge_small_gaps(ranges), *about(lon, lat, radius, 50)).all()


@pytest.mark.parametrize("radius", [0, 1e-9, 1e-3, 1, 30, 90, 119, 121, 180, 200])
@pytest.mark.parametrize(("lon", "lat"), [(0, 0), (360, 0), (0, 90), (77, -90), (45, 0), (45, 41.8103148957786)])
def test_cover_of_difficult_circles(lon: float, lat: float, radius: float) -> None:
    assert holds(cover.cover_circle(lon, lat, radius), *about(lon, lat, min(radius, 180), 500)).all()


def test_small_circle_has_small_cover() -> None:
    for radius in (1e-3, 0.1, 1, 10):
        size = cover._count_cells(cover.cover_circle(10, 20, radius)) / cover.WHOLE_SKY[0, 1]
        assert size < 3 * shapes.area(("circle", (10, 20, radius))) / 41253
    assert len(cover.cover_circle(10, 20, -1)) == 0


@settings(max_examples=80, deadline=None)
@given(LON, st.floats(-89, 89), st.floats(1e-7, 80), st.integers(3, 8), st.integers(0, 999))
def test_cover_contains_its_polygon(lon: float, lat: float, size: float, corners: int, seed: int) -> None:
    turns = np.sort(np.random.default_rng(seed).uniform(0, 2 * np.pi, corners))
    a, d, s = np.radians(lon), np.radians(lat), np.radians(size)
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    side = np.outer(np.cos(turns), north) + np.outer(np.sin(turns), [-np.sin(a), np.cos(a), 0])
    x, y = vectors.to_lonlat(np.cos(s) * vectors.unit_vectors(lon, lat) + np.sin(s) * side)
    ring = tuple(float(n) for pair in zip(x, y, strict=True) for n in pair)
    try:
        shapes.check_shape("polygon", ring)
    except shapes.ShapeError:
        return
    ranges = cover.cover_polygon(list(zip(ring[::2], ring[1::2], strict=True)))
    assert sane(ranges)
    ra, dec = about(lon, lat, min(1.5 * size, 180), 400, seed)
    inside = shapes.find_points_in_polygon(ra, dec, ring)
    assert holds(ranges, ra[inside], dec[inside]).all()
    assert holds(ranges, x, y).all()


def test_intersection_and_union() -> None:
    a, b = cover.cover_circle(10, 20, 2), cover.cover_circle(12, 20, 2)
    ra, dec = about(11, 20, 5, 2000)
    in_a, in_b = holds(a, ra, dec), holds(b, ra, dec)
    assert (holds(cover.intersection(a, b), ra, dec) == (in_a & in_b)).all()
    assert (holds(cover.union(a, b), ra, dec) == (in_a | in_b)).all()
    assert len(cover.intersection(a, cover.EMPTY)) == 0
    assert np.array_equal(cover.union(a, cover.EMPTY), a)
    assert np.array_equal(cover.intersection(a, cover.WHOLE_SKY), a)


def test_filled_gaps_contain_the_ranges() -> None:
    fine = cover.cover_circle(10, 89, 3)
    for most in (1, 2, 4, 32, 10_000):
        few = cover.fill_narrowest_gaps(fine, most)
        assert len(few) <= max(most, 1)
        assert sane(few)
        assert np.array_equal(cover.intersection(few, fine), fine)


def hard_positions(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions all over the sky, at the poles, and at the edges and corners of the base cells."""
    rng = np.random.default_rng(seed)
    tiny = rng.normal(size=count) * 10 ** rng.uniform(-12, 0, count)
    lon, lat = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    third = count // 4
    lat[:third] = rng.choice([-1, 1], third) * (90 - np.abs(tiny[:third]))
    lon[third : 2 * third] = np.round(lon[third : 2 * third] / 45) * 45 + tiny[third : 2 * third]
    edge = slice(third // 2, third // 2 + third)
    lat[edge] = np.degrees(np.arcsin(2 / 3)) * rng.choice([-1, 1], third) + tiny[edge]
    return lon % 360, np.clip(lat, -90, 90)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 9, 20, 27])
@pytest.mark.parametrize("part", [0.001, 0.25, 1.0])
def test_cells_in_circles_are_complete(order: int, part: float) -> None:
    lon, lat = hard_positions(800, order)
    radius = np.full(len(lon), max(cover.max_radius(order, part), 0))
    found, sizes = cover.cells_in_circles(lon, lat, radius, np.full(len(lon), order))
    cells = [set(each.tolist()) for each in np.split(found, np.cumsum(sizes)[:-1])]
    assert [len(each) for each in cells] == sizes.tolist(), "each is there once"
    middle = vectors.unit_vectors(lon, lat)
    east = np.stack([-np.sin(np.radians(lon)), np.cos(np.radians(lon)), 0 * lon], axis=-1)
    north = np.cross(middle, east)
    for angle in np.linspace(0, 2 * np.pi, 33):
        way = np.cos(angle) * east + np.sin(angle) * north
        away = np.radians(radius)[:, None]
        at = vectors.to_lonlat(middle * np.cos(away) + way * np.sin(away))
        own = cover.healpix_cells(np.asarray(at[0]) % 360, np.clip(at[1], -90, 90), order)
        assert all(cell in each for cell, each in zip(own.tolist(), cells, strict=True))


def test_circles_of_every_size_have_cells() -> None:
    radius = np.array([-1e-9, 0, 1e-9, 1, 39, 40, 180, 1e9, np.nan])
    order = np.array([next((o for o, most in cover.ORDERS_BY_RADIUS if r <= most), 0) for r in radius])
    _, sizes = cover.cells_in_circles(np.full(9, 10.0), np.full(9, 20.0), radius, order)
    assert sizes[0] == 0
    assert sizes[-4:].tolist() == [12, 12, 12, 12]
    assert all(0 < n <= 9 for n in sizes[1:5])
    assert [cover.join_order(r) for r in (0, 2 / 3600, 1, 30, 100)] == [27, 14, 3, 0, 0]


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(1e-4, 30), st.floats(0, 45), st.integers(0, 9))
def test_dilated_cover_contains_near_positions(lon: float, lat: float, radius: float, away: float, seed: int) -> None:
    near = cover.dilate(cover.cover_circle(lon, lat, radius), away)
    assert sane(near)
    assert holds(near, *about(lon, lat, radius + away, 300, seed)).all()


def test_dilated_small_cover_is_small() -> None:
    def size(ranges: cover.Ranges) -> int:
        return int((ranges[:, 1] - ranges[:, 0]).sum())

    cone = cover.cover_circle(10, 20, 1)
    assert size(cover.dilate(cone, 5 / 3600)) < 1.3 * size(cone)
    assert np.array_equal(cover.dilate(cone, 100), cover.WHOLE_SKY)
    assert not len(cover.dilate(cover.EMPTY, 1))
    assert not len(cover.dilate(cone, -1))
