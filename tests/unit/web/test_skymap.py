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


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_it_is_painted_where_astropy_puts_it(ra: float, dec: float) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---MOL", "DEC--MOL"
    wcs.wcs.cdelt = -np.degrees(4 * np.sqrt(2)) / skymap.WIDTH, np.degrees(2 * np.sqrt(2)) / skymap.HEIGHT
    wcs.wcs.crpix = (skymap.WIDTH + 1) / 2, (skymap.HEIGHT + 1) / 2
    x, y = wcs.wcs_world2pix([[ra, dec]], 0)[0]
    picture = painted(skymap.svg(cone(ra, dec, 3)))
    assert picture[round(skymap.HEIGHT - 1 - y), round(x)] == 1
    row, column = np.average(np.argwhere(picture > 0), axis=0, weights=picture[picture > 0])
    if 20 < ra < 160 or 200 < ra < 340:
        assert (column, skymap.HEIGHT - 1 - row) == pytest.approx((x, y), abs=4)


@pytest.mark.parametrize("text", [cone(100, 40, 30), cone(180, -80, 20), cone(5, 5, 89), "0/0-11", "3/"])
def test_areas_are_kept(text: str) -> None:
    picture = painted(skymap.svg(text))
    ellipse = np.pi / 4 * skymap.WIDTH * skymap.HEIGHT
    assert picture.sum() / ellipse == pytest.approx(MOC.from_string(text).sky_fraction, abs=0.002)


@pytest.mark.parametrize(
    ("text", "said"), [("0/0-11", "the whole sky"), ("0/0-5", "50% of the sky"), ("6/1", "0.00203% of the sky")]
)
def test_it_is_xml_and_says_how_much(text: str, said: str) -> None:
    picture = etree.fromstring(skymap.svg(text).encode())
    assert picture.findtext("{*}title") == f"Coverage: {said}"
