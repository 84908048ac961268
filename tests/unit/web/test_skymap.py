"""The picture of a coverage, against the law that its projection keeps areas, and against astropy's Mollweide."""

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


def cone(ra: float, dec: float, radius: float) -> str:
    return MOC.from_cone(lon=ra * u.deg, lat=dec * u.deg, radius=radius * u.deg, max_depth=8).to_string("ascii")


def painted(picture: str) -> np.ndarray:
    """How much of each pixel is painted, from the bytes of the PNG in the picture."""
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


PLACES = [(0, 0), (90, 0), (100, 40), (266.4, -29), (179, 10), (181, -60), (10, 88), (300, -85)]


def projected(ra: float, dec: float) -> tuple[float, float]:
    """The pixel of a place, counted from 0 and upwards, as astropy has it."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---MOL", "DEC--MOL"
    wcs.wcs.cdelt = -np.degrees(4 * np.sqrt(2)) / skymap.WIDTH_PIXELS, np.degrees(2 * np.sqrt(2)) / skymap.HEIGHT_PIXELS
    wcs.wcs.crpix = (skymap.WIDTH_PIXELS + 1) / 2, (skymap.HEIGHT_PIXELS + 1) / 2
    x, y = wcs.wcs_world2pix([[ra, dec]], 0)[0]
    return x, y


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_it_is_painted_where_astropy_puts_it(ra: float, dec: float) -> None:
    x, y = projected(ra, dec)
    picture = painted(skymap.render_sky_map(cone(ra, dec, 3)))
    assert picture[round(skymap.HEIGHT_PIXELS - 1 - y), round(x)] == 1
    row, column = np.average(np.argwhere(picture > 0), axis=0, weights=picture[picture > 0])
    if 20 < ra < 160 or 200 < ra < 340:
        assert (column, skymap.HEIGHT_PIXELS - 1 - row) == pytest.approx((x, y), abs=4)


@pytest.mark.parametrize("text", [cone(100, 40, 30), cone(180, -80, 20), cone(5, 5, 89), "0/0-11", "3/"])
def test_areas_are_kept(text: str) -> None:
    picture = painted(skymap.render_sky_map(text))
    ellipse = np.pi / 4 * skymap.WIDTH_PIXELS * skymap.HEIGHT_PIXELS
    assert picture.sum() / ellipse == pytest.approx(MOC.from_string(text).sky_fraction, abs=0.002)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("0/0-11", "the whole sky"), ("0/0-5", "50% of the sky"), ("3/1", "0.13% of the sky")),
        *(("6/1", "0.84 square degrees"), ("10/1", "0.0033 square degrees"), ("6/", "0 square degrees")),
    ],
)
def test_it_is_xml_and_says_how_much(text: str, said: str) -> None:
    picture = etree.fromstring(skymap.render_sky_map(text).encode())
    assert picture.findtext("{*}title") == f"Coverage: {said}"


def rings(text: str) -> list[tuple[float, float]]:
    picture = etree.fromstring(skymap.render_sky_map(text).encode())
    return [(float(c.get("cx")), float(c.get("cy"))) for c in picture.iterfind("{*}circle[@class='ring']")]


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_what_is_too_small_to_be_seen_has_a_ring(ra: float, dec: float) -> None:
    """Whether or not it has a pixel of its own; its middle is astropy's to within a cell."""
    text = MOC.from_cone(lon=ra * u.deg, lat=dec * u.deg, radius=0.2 * u.deg, max_depth=10).to_string("ascii")
    (ring,) = rings(text)
    x, y = projected(ra, dec)
    assert ring == pytest.approx((x + 0.5, skymap.HEIGHT_PIXELS - y - 0.5), abs=0.3)


def test_rings_of_several_fields_and_none_where_all_can_be_seen() -> None:
    fields = [MOC.from_string(cone(*place, 0.1)) for place in ((10, 0), (10.5, 0.4), (200, 60))]
    assert len(rings(MOC.new_empty(8).union(*fields).to_string("ascii"))) == 2
    assert rings(cone(100, 40, 5)) == rings("0/0-11") == rings("6/") == []
    rng = np.random.default_rng(3)
    assert (
        rings(
            MOC.from_lonlat(rng.uniform(0, 360, 99) * u.deg, rng.uniform(-60, 60, 99) * u.deg, max_norder=8).to_string()
        )
        == []
    )
