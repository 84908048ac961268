"""The coverage map: its projection preserves areas and agrees with astropy's Mollweide projection."""

from __future__ import annotations

import base64
import re
import struct
import zlib

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from lxml import etree
from mocpy import MOC

from vo_server.web import skymap


def make_cone_moc(ra: float, dec: float, radius: float) -> str:
    return MOC.from_cone(lon=ra * u.deg, lat=dec * u.deg, radius=radius * u.deg, max_depth=8).to_string("ascii")


def read_opacities(picture: str) -> np.ndarray:
    """Return the opacity of each pixel, 0 to 1, shape (height, width), from the bytes of the PNG in the picture."""
    raw = base64.b64decode(re.search(r"base64,([^\"]+)", picture)[1])
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(raw):
        (length,) = struct.unpack_from(">I", raw, at)
        name, body = raw[at + 4 : at + 8], raw[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", raw, at + 8 + length)[0] == zlib.crc32(name + body)
        chunks[name] = body
        at += length + 12
    width, height, depth, kind = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, kind) == (4, 3)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, 1 + width // 2)
    assert not lines[:, 0].any()
    steps = np.stack([lines[:, 1:] >> 4, lines[:, 1:] & 15], axis=2).reshape(height, width)
    return np.frombuffer(chunks[b"tRNS"], dtype=np.uint8)[steps] / 255


POSITIONS = [(0, 0), (90, 0), (100, 40), (266.4, -29), (179, 10), (181, -60), (10, 88), (300, -85)]


def project(ra: float, dec: float) -> tuple[float, float]:
    """Return astropy's pixel of a position, counted from 0 and upwards."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---MOL", "DEC--MOL"
    wcs.wcs.cdelt = -np.degrees(4 * np.sqrt(2)) / skymap.WIDTH_PIXELS, np.degrees(2 * np.sqrt(2)) / skymap.HEIGHT_PIXELS
    wcs.wcs.crpix = (skymap.WIDTH_PIXELS + 1) / 2, (skymap.HEIGHT_PIXELS + 1) / 2
    x, y = wcs.wcs_world2pix([[ra, dec]], 0)[0]
    return x, y


@pytest.mark.parametrize(("ra", "dec"), POSITIONS)
def test_covers_where_astropy_puts_it(ra: float, dec: float) -> None:
    x, y = project(ra, dec)
    picture = read_opacities(skymap.render_sky_map(make_cone_moc(ra, dec, 3)))
    assert picture[round(skymap.HEIGHT_PIXELS - 1 - y), round(x)] == 1
    row, column = np.average(np.argwhere(picture > 0), axis=0, weights=picture[picture > 0])
    if 20 < ra < 160 or 200 < ra < 340:
        assert (column, skymap.HEIGHT_PIXELS - 1 - row) == pytest.approx((x, y), abs=4)


@pytest.mark.parametrize(
    "text", [make_cone_moc(100, 40, 30), make_cone_moc(180, -80, 20), make_cone_moc(5, 5, 89), "0/0-11", "3/"]
)
def test_preserves_areas(text: str) -> None:
    picture = read_opacities(skymap.render_sky_map(text))
    ellipse = np.pi / 4 * skymap.WIDTH_PIXELS * skymap.HEIGHT_PIXELS
    assert picture.sum() / ellipse == pytest.approx(MOC.from_string(text).sky_fraction, abs=0.002)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *(("0/0-11", "the whole sky"), ("0/0-5", "50% of the sky"), ("3/1", "0.13% of the sky")),
        *(("6/1", "0.84 square degrees"), ("10/1", "0.0033 square degrees"), ("6/", "0 square degrees")),
    ],
)
def test_title_states_the_covered_area(text: str, label: str) -> None:
    picture = etree.fromstring(skymap.render_sky_map(text).encode())
    assert picture.findtext("{*}title") == f"Coverage: {label}"


def find_rings(text: str) -> list[tuple[float, float]]:
    picture = etree.fromstring(skymap.render_sky_map(text).encode())
    return [(float(c.get("cx")), float(c.get("cy"))) for c in picture.iterfind("{*}circle[@class='ring']")]


@pytest.mark.parametrize(("ra", "dec"), POSITIONS)
def test_rings_surround_small_patches(ra: float, dec: float) -> None:
    """The centre of the ring is astropy's to within a cell, whether or not the patch fills a pixel."""
    text = MOC.from_cone(lon=ra * u.deg, lat=dec * u.deg, radius=0.2 * u.deg, max_depth=10).to_string("ascii")
    (ring,) = find_rings(text)
    x, y = project(ra, dec)
    assert ring == pytest.approx((x + 0.5, skymap.HEIGHT_PIXELS - y - 0.5), abs=0.3)


def test_omits_rings_of_visible_patches() -> None:
    fields = [MOC.from_string(make_cone_moc(*place, 0.1)) for place in ((10, 0), (10.5, 0.4), (200, 60))]
    assert len(find_rings(MOC.new_empty(8).union(*fields).to_string("ascii"))) == 2
    assert find_rings(make_cone_moc(100, 40, 5)) == find_rings("0/0-11") == find_rings("6/") == []
    rng = np.random.default_rng(3)
    assert (
        find_rings(
            MOC.from_lonlat(rng.uniform(0, 360, 99) * u.deg, rng.uniform(-60, 60, 99) * u.deg, max_norder=8).to_string()
        )
        == []
    )
