"""The map of where rows lie holds all of them, and nothing far from any."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from astropy.io import fits
from mocpy import MOC

from tests.engines.conftest import make_polygon
from vo_server.sky import cover, footprint, mocs
from vo_server.sky.footprint import Footprint, OutlineFootprint


def sky(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))


def mapped(ra: np.ndarray, dec: np.ndarray, pieces: int = 3) -> str:
    made = Footprint()
    for piece in np.array_split(np.sort(cover.healpix_index(ra, dec)), pieces):
        made.add(piece)
    return made.to_text()


@pytest.mark.parametrize(("count", "order"), [(5, 6), (3_000, 6), (40_000, 4), (150_000, 5), (600_000, 6)])
def test_the_order_follows_the_density(count: int, order: int) -> None:
    """Worked out by Poisson's law: 3,072 cells of order 4, 12,288 of order 5, 49,152 of order 6, 12 or 13 rows in each;
    with fewer rows it is these that are mapped, in cells of order 6."""
    ra, dec = sky(count)
    text = mapped(ra, dec)
    assert MOC.from_string(text).max_order == order
    assert footprint.contains_positions(text, ra, dec).all()
    assert len({*np.unique(cover.healpix_cells(ra, dec, order))}) == round(footprint.sky_fraction(text) * 12 * 4**order)


def test_dense_field_is_fine_and_keeps_holes() -> None:
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(10, 20, 400_000), rng.uniform(-5, 5, 400_000)
    kept = ~((abs(ra - 15) < 1) & (abs(dec) < 1))
    text = mapped(ra[kept], dec[kept])
    assert MOC.from_string(text).max_order == 10  # 13 rows a cell
    assert footprint.sky_fraction(text) * 41252.96 == pytest.approx(96, rel=0.03)
    assert not footprint.contains_positions(text, np.array([15.0, 9.0, 200.0]), np.array([0.0, 0.0, 0.0])).any()


@pytest.mark.parametrize("pieces", [1, 7])
def test_serialisations_agree(pieces: int) -> None:
    ra, dec = sky(900)
    text = mapped(ra, dec, pieces)
    moc = MOC.from_string(text)
    assert MOC.from_json(json.loads(footprint.as_json(text))) == moc
    written = footprint.as_fits(text)
    assert MOC.from_fits(io.BytesIO(written)) == moc
    with fits.open(io.BytesIO(written)) as file:
        header = file[1].header
    assert (header["MOCDIM"], header["COORDSYS"].strip(), header["MOCORD_S"]) == ("SPACE", "C", 6)


def test_whole_sky_and_empty_map() -> None:
    made = Footprint()
    made.add(np.arange(12 * 4**8, dtype=np.int64) << 42)  # 4 rows in each cell of order 7, one in each of order 8
    assert made.to_text() == "0/0-11 7/"
    assert footprint.sky_fraction(Footprint().to_text()) == 0


def test_shortened_map_contains_the_map() -> None:
    ra, dec = sky(3_000)
    text = mapped(ra, dec)
    for length in (24_000, 3_000, 300, 20):
        short = footprint.shorten(text, length)
        assert len(short) <= length
        assert footprint.contains_positions(short, ra, dec).all()
    assert footprint.shorten(text, 100_000) == text


# ------------------------------------------------------------------ outlines


def drawn(polygons: list[list[float] | None], ra: np.ndarray, dec: np.ndarray) -> str:
    made, numbers = OutlineFootprint(), cover.healpix_index(ra, dec)
    for rows in np.array_split(np.arange(len(polygons)), 3):
        made.add(numbers[rows], [None if polygons[n] is None else np.array(polygons[n]) for n in rows])
    return made.to_text()


def test_outlines_cover_the_cells_that_they_intersect() -> None:
    """Outlines of every size and shape, also at the poles and RA 0, agree with the exact test cell by cell."""
    rng = np.random.default_rng(5)
    ra, dec = sky(60, seed=4)
    ra[:6], dec[:6] = (0, 0, 359.99, 45, 123, 0), (90, -90, 10, 41.81, 89.9, 0)
    sizes = np.radians(10 ** rng.uniform(-3, 0, 60))
    polygons = [make_polygon(ra[n], dec[n], sizes[n], 3 + n % 4) for n in range(60)]
    order, found = mocs.parse_moc(drawn(polygons, ra, dec))
    wanted = cover.EMPTY
    for polygon in polygons:
        wanted = cover.union(wanted, mocs.moc_of_shape(10, ("polygon", tuple(polygon))))
    assert order == 10
    assert np.array_equal(found, wanted)


def test_equal_outlines_count_once() -> None:
    ra, dec = np.full(9_000, 10.0), np.full(9_000, 20.0)
    assert drawn([make_polygon(10, 20, 0.003)] * 9_000, ra, dec) == drawn(
        [make_polygon(10, 20, 0.003)], ra[:1], dec[:1]
    )


@pytest.mark.parametrize(
    "polygon",
    [
        *(None, [], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]),
        *([1.0, float("nan"), 2.0, 2.0, 3.0, 3.0], [float("inf"), 1.0, 2.0, 2.0, 3.0, 3.0]),
        [1.0, 90.5, 2.0, 89.0, 3.0, 89.0],
    ],
)
def test_invalid_outline_covers_the_cell_of_its_row(polygon: list[float] | None) -> None:
    text = drawn([polygon, make_polygon(200, 0, 0.002)], np.array([100.0, 200.0]), np.array([-30.0, 0.0]))
    assert footprint.contains_positions(
        text, np.array([100.0, 200.0, 101.0, 2.0]), np.array([-30.0, 0, 0, 2])
    ).tolist() == [*(True, True, False, False)]


def test_right_ascensions_wrap() -> None:
    """This includes one so little below zero that its remainder modulo 360 is 360."""
    about = [-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -1e-17, 0.5]
    there = [359.5, -0.5, 360.5, -0.5, 0.5, 0.5, 360.0, 0.5]
    one = np.array([0.0])
    assert drawn([about], one, one) == drawn([there], one, one)


def test_merges_maps() -> None:
    texts = ["3/1-4", "5/4000 4002", "2/100"]
    wanted = MOC.from_string(texts[0]).union(*map(MOC.from_string, texts[1:]))
    assert MOC.from_string(footprint.merge_maps(texts)) == wanted
    assert footprint.merge_maps(texts[:1]) == texts[0]
