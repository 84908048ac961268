"""Mosaics: positions and fluxes of stars as astropy measures them, and uncovered pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.atlas import atlas_header
from vo_server.errors import NoPixelsError
from vo_server.images import image
from vo_server.images.mosaic import build_mosaic
from vo_server.storage import files

RA, DEC = 83.6, -5.4
STARS = ((RA + 40 / 3600, DEC + 20 / 3600), (RA - 40 / 3600, DEC - 30 / 3600), (RA, DEC))
"""One on each of two images that touch, and one on both."""


def make_image(ra: float, sky: float, zero: float, turn: float) -> image.Image:
    """Return an image with a sky, and stars whose flux is 1000 at a zero point of 20."""
    header = atlas_header(ra, DEC)
    header["CROTA2"], header["MAGZP"] = turn, zero
    pixels = np.random.default_rng(3).normal(sky, 0.1, (140, 100))
    y, x = np.mgrid[:140, :100]
    for at_x, at_y in WCS(header).wcs_world2pix(STARS, 0):
        pixels += 1000 * 10 ** (0.4 * (zero - 20)) / (2 * np.pi * 4) * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 8)
    file = io.BytesIO()
    fits.PrimaryHDU(pixels.astype(np.float32), header).writeto(file)
    return image.read_image(files.MemoryFile(file.getvalue()))


@pytest.fixture(scope="module")
def pair() -> list[tuple[image.Image, int]]:
    return [(make_image(RA + 45 / 3600, 73, 20.0, 0.3), 0), (make_image(RA - 45 / 3600, 90, 20.5, -20.0), 0)]


@pytest.mark.parametrize("size", [None, 500, 75])
def test_keeps_positions_and_fluxes_of_stars(pair: Any, size: int | None) -> None:
    found = build_mosaic([pair], (RA, DEC), (150 / 3600, 100 / 3600), size)
    _, rows, columns = found.shape
    assert (columns, rows) == ((75, 50) if size == 75 else (150, 100))
    values = np.nan_to_num(found.read_all()[0])
    scale = columns / 150
    y, x = np.mgrid[:rows, :columns]
    for at_x, at_y in WCS(found.header).wcs_world2pix(STARS, 0):
        near = np.where(np.hypot(x - at_x, y - at_y) < 8 * scale + 1, values, 0)
        assert near.sum() == pytest.approx(1000 * scale**2, rel=0.12)
        middle = np.average([x.ravel(), y.ravel()], axis=1, weights=near.ravel().clip(0))
        assert np.hypot(middle[0] - at_x, middle[1] - at_y) < 0.7
    assert abs(np.median(values)) < 0.2, "without the sky"


def test_uncovered_pixels_are_nan(pair: Any) -> None:
    found = build_mosaic([pair[:1], pair[1:]], (RA, DEC), (300 / 3600, 300 / 3600), None)
    values = found.read_all()
    assert found.shape == (2, 300, 300)
    assert np.isnan(values[:, :60]).all()
    left, right = (np.isfinite(plane).any(axis=0).nonzero()[0] for plane in values)
    assert left.max() < 160, "east is to the left"
    assert right.min() > 110
    outside = build_mosaic([pair], (RA + 1, DEC), (0.01, 0.01), None)
    assert np.isnan(outside.read_all()).all()
    with pytest.raises(NoPixelsError):
        build_mosaic([[]], (RA, DEC), (0.1, 0.1), None)


@pytest.mark.parametrize("pole", [(10.0, 89.999), (359.999, 0.0)])
def test_poles_and_meridian_zero(pole: tuple[float, float]) -> None:
    header = atlas_header(*pole)
    pixels = np.zeros((140, 100), np.float32)
    pixels[70, 50] = 100
    file = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(file)
    one = image.read_image(files.MemoryFile(file.getvalue()))
    found = build_mosaic([[(one, 0)]], (pole[0] % 360, pole[1]), (0.02, 0.02), None)
    ((ra, dec),) = WCS(header).wcs_pix2world([[50, 70]], 0)
    row, column = np.unravel_index(np.nanargmax(found.read_all()[0]), found.shape[1:])
    ((x, y),) = WCS(found.header).wcs_world2pix([[ra, dec]], 0)
    assert np.hypot(column - x, row - y) < 1
