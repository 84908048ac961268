"""Cutouts as clients ask for them: SODA 1.0, against astropy's Cutout2D and WCS."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.contract.test_images import ATLAS, sia2

CAUTION = "not for photometry"


def pairs(client: httpx.Client, collection: str, *further: tuple[str, str]) -> list[tuple[str, str]]:
    """The identifiers and files of a collection's images."""
    found = sia2(client, ("COLLECTION", collection), ("FORMAT", "image/fits"), *further)
    return [(row["obs_publisher_did"], urlsplit(row["access_url"]).path) for row in found]


@pytest.fixture(scope="module")
def k_image(client: httpx.Client) -> tuple[str, fits.Header, Any]:
    """The identifier, the header and the pixels of an Atlas image in Ks."""
    return image(client, ATLAS, ("BAND", "2.159e-6"))


def image(client: httpx.Client, collection: str, *further: tuple[str, str]) -> tuple[str, fits.Header, Any]:
    (did, path), *_ = pairs(client, collection, *further)
    with fits.open(io.BytesIO(client.get(path).content)) as held:
        shown = next(unit for unit in held if unit.data is not None)
        return did, shown.header.copy(), shown.data.copy()


def cut(client: httpx.Client, did: str, **given: Any) -> fits.PrimaryHDU:
    """A cutout, of which nothing is wrong."""
    answer = client.get("/soda/sync", params={"ID": did, **given})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/fits"), answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    held = fits.open(io.BytesIO(answer.content))
    held.verify("exception")
    (unit,) = held
    return unit


def agrees(found: fits.PrimaryHDU, header: fits.Header, pixels: Any) -> None:
    """The pixels of a cutout are those of Cutout2D, and lie where these lay to 0.01 arcsec."""
    wcs, own = WCS(header, naxis=2), WCS(found.header, naxis=2)
    left, bottom = np.rint(np.subtract(wcs.wcs.crpix, own.wcs.crpix))
    rows, columns = found.data.shape[-2:]
    centre = left + (columns - 1) / 2, bottom + (rows - 1) / 2
    for mine, whole in zip(np.atleast_3d(found.data.T).T, np.atleast_3d(pixels.T).T, strict=True):
        same = Cutout2D(whole, centre, (rows, columns), wcs=wcs)
        np.testing.assert_array_equal(mine, same.data)
    for x, y in ((0, 0), (columns - 1, 0), (columns / 3, rows)):
        there = own.pixel_to_world(x, y)
        assert there.separation(same.wcs.pixel_to_world(x, y)).arcsec < 0.01


# ------------------------------------------------------------------- at once


def test_a_circle(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    ra, dec = WCS(header).pixel_to_world_values(200, 300)
    found = cut(client, did, CIRCLE=f"{ra} {dec} {30 / 3600}")
    assert all(60 <= n <= 62 for n in found.data.shape)
    agrees(found, header, pixels)
    assert found.header["MAGZP"] == header["MAGZP"]
    assert found.header["CUTFROM"] == did
    assert found.header["CUTSECT"].startswith("[")
    assert any("Cut out by vo_server/" in line for line in found.header["HISTORY"])


def test_three_ways_to_say_a_region(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(150, 700))
    corners = f"{ra + 0.02} {dec - 0.01} {ra} {dec + 0.02} {ra - 0.01} {dec - 0.015}"
    same = cut(client, did, POLYGON=corners), cut(client, did, POS=f"polygon {corners}")
    np.testing.assert_array_equal(same[0].data, same[1].data)
    agrees(same[0], header, pixels)
    here = f"{ra} {dec} 0.01"
    np.testing.assert_array_equal(cut(client, did, CIRCLE=here).data, cut(client, did, POS=f"CIRCLE {here}").data)
    lone = cut(client, did, POS=f"RANGE {ra - 0.01} {ra + 0.01} -Inf {dec}")
    agrees(lone, header, pixels)
    assert lone.data.shape[0] > 650
    posted = client.post("/soda/sync", data={"id": did, "circle": here})
    assert fits.open(io.BytesIO(posted.content))[0].data.shape == cut(client, did, CIRCLE=here).data.shape


def test_all_of_an_image(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    for said in ({}, {"CIRCLE": "129 19 40"}, {"BAND": "2e-6 +Inf"}, {"POS": "RANGE -Inf +Inf -90 90"}):
        found = cut(client, did, **said)
        np.testing.assert_array_equal(found.data, pixels)
        agrees(found, header, pixels)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-20, 530), y=st.floats(-20, 1040), arcsec=st.floats(0, 60))
def test_circles_at_the_edges(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], x: float, y: float, arcsec: float
) -> None:
    did, header, pixels = k_image
    rows, columns = pixels.shape
    ra, dec = WCS(header).pixel_to_world_values(x, y)
    answer = client.get("/soda/sync", params={"ID": did, "CIRCLE": f"{ra} {dec} {arcsec / 3600}"})
    beside = np.hypot(max(-0.5 - x, 0, x - columns + 0.5), max(-0.5 - y, 0, y - rows + 0.5))
    if answer.status_code == 204:
        assert beside > arcsec - 0.5
        assert answer.content == b""
        return
    assert beside < arcsec + 0.5
    found = fits.open(io.BytesIO(answer.content))[0]
    agrees(found, header, pixels)
    left, bottom = (WCS(header).wcs.crpix - WCS(found.header).wcs.crpix).round()
    wanted = [max(x - arcsec, -0.5), max(y - arcsec, -0.5), min(x + arcsec, columns - 0.5), min(y + arcsec, rows - 0.5)]
    had = [left, bottom, left + found.data.shape[1] - 1, bottom + found.data.shape[0] - 1]
    if beside == 0:
        assert np.abs(np.subtract(had, wanted)).max() < 1.2


def test_bands(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, *_ = k_image
    assert cut(client, did, BAND="2.159e-6").header["FILTER"] == "k"
    for other in ("1e-6 1.3e-6", "3e-6 +Inf", "-Inf 1e-9"):
        answer = client.get("/soda/sync", params={"ID": did, "BAND": other})
        assert (answer.status_code, answer.content) == (204, b"")


def test_planes_of_a_stamp(client: httpx.Client) -> None:
    did, header, pixels = image(client, "2MASS All-Sky Stamps")
    ra, dec = WCS(header, naxis=2).pixel_to_world_values(20, 20)
    agrees(cut(client, did, CIRCLE=f"{ra} {dec} 0.002"), header, pixels)
    assert cut(client, did).data.shape == pixels.shape


@pytest.mark.parametrize(
    ("asked", "told", "kind"),
    [("png", "image/png", "PNG"), ("image/jpeg", "image/jpeg", "JPEG"), ("jpg", "image/jpeg", "JPEG")],
)
def test_pictures(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], asked: str, told: str, kind: str
) -> None:
    did, header, _ = k_image
    ra, dec = WCS(header).pixel_to_world_values(200, 300)
    given = {"ID": did, "CIRCLE": f"{ra} {dec} 0.01", "RESPONSEFORMAT": asked}
    answer = client.get("/soda/sync", params=given)
    assert answer.headers["content-type"] == told
    with Pillow.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == kind
        assert picture.size == cut(client, did, CIRCLE=given["CIRCLE"]).data.shape[::-1]


def test_a_media_type_comes_back(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    for asked in ("application/fits", "image/fits", "IMAGE/FITS"):
        answer = client.get("/soda/sync", params={"ID": k_image[0], "BAND": "2e-6 3e-6", "RESPONSEFORMAT": asked})
        assert answer.headers["content-type"] == asked.lower()
        assert answer.content.startswith(b"SIMPLE")


# ------------------------------------------------------------------ mistakes

HERE = "129.04 19.68 0.01"


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"ID": ""}, 400, "UsageError: ID is missing"),
        ({"ID": "atlas/x"}, 400, "UsageError: 'atlas/x' is no identifier"),
        ({"ID": "ivo://elsewhere/~?atlas/x"}, 404, "UsageError: there is no such data set"),
        ({"ID": "ivo://unregistered.invalid/~?atlas/../x"}, 404, "UsageError: there is no such data set"),
        ({"ID": ["ivo://a/b", "ivo://a/c"]}, 400, "MultiValuedParamNotSupported: ID may be given once"),
        ({"CIRCLE": [HERE, HERE]}, 400, "MultiValuedParamNotSupported: POS or CIRCLE or POLYGON"),
        ({"CIRCLE": HERE, "POS": f"CIRCLE {HERE}"}, 400, "MultiValuedParamNotSupported"),
        ({"BAND": ["1e-6 2e-6", "2e-6 3e-6"]}, 400, "MultiValuedParamNotSupported: BAND"),
        ({"CIRCLE": "1 2"}, 400, "UsageError: CIRCLE: a CIRCLE has 3 numbers, not 2"),
        ({"CIRCLE": "1 x 2"}, 400, "UsageError: CIRCLE has 'x', which is not a number"),
        ({"CIRCLE": "1 95 2"}, 400, "UsageError"),
        ({"CIRCLE": "1 2 -1"}, 400, "UsageError"),
        ({"CIRCLE": "1 2 181"}, 400, "0 to 180"),
        ({"CIRCLE": "nan 2 1"}, 400, "NaN"),
        ({"CIRCLE": "inf 2 1"}, 400, "UsageError"),
        ({"POLYGON": "1 2 3 4"}, 400, "at least three pairs"),
        ({"POLYGON": "0 0 1 1 1 0 0 1"}, 400, "cross"),
        ({"POS": "BOX 1 2 3 4"}, 400, "which is no place"),
        ({"POS": "RANGE 1 2 4 3"}, 400, "the smaller first"),
        ({"BAND": "K"}, 400, "Ks is 1.884e-06 2.434e-06"),
        ({"BAND": "3e-6 2e-6"}, 400, "larger than its second"),
        ({"BAND": "1 2 3"}, 400, "no interval"),
        ({"TIME": "51000 52000"}, 400, "UsageError: TIME does not cut"),
        ({"POL": "I"}, 400, "UsageError: POL does not cut"),
        ({"RESPONSEFORMAT": "image/tiff"}, 400, "offered are image/fits"),
        ({"RESPONSEFORMAT": ["fits", "png"]}, 400, "MultiValuedParamNotSupported"),
    ],
)
def test_mistakes(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], params: dict[str, Any], status: int, words: str
) -> None:
    answer = client.get("/soda/sync", params={"ID": k_image[0], **params})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8"), answer.text
    assert words in answer.text
    assert answer.text.partition(":")[0] in ("UsageError", "MultiValuedParamNotSupported")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["CIRCLE", "POLYGON", "POS", "BAND", "ID", "RESPONSEFORMAT"]),
    said=st.one_of(
        st.text(max_size=30),
        st.lists(st.floats(), min_size=1, max_size=8).map(lambda numbers: " ".join(map(str, numbers))),
        st.tuples(st.sampled_from(["CIRCLE", "RANGE", "POLYGON"]), st.lists(st.floats(-100, 400), max_size=8)).map(
            lambda both: " ".join([both[0], *map(str, both[1])])
        ),
    ),
)
def test_nothing_that_is_said_breaks_it(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], name: str, said: str
) -> None:
    answer = client.get("/soda/sync", params={"ID": k_image[0], name: said})
    assert answer.status_code in (200, 204, 400, 404), answer.text
    if answer.status_code >= 400:
        assert answer.text.startswith(("UsageError", "MultiValuedParamNotSupported"))


def test_the_middle_of_a_cutout_is_the_place(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    """Whoever asks for a place gets it: the positions are ICRS, and so is the header."""
    did, header, _ = k_image
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(300, 500))
    found = cut(client, did, CIRCLE=f"{ra} {dec} {20 / 3600}")
    middle = WCS(found.header).pixel_to_world(*(np.array(found.data.shape[::-1]) - 1) / 2)
    assert middle.separation(SkyCoord(ra, dec, unit="deg", frame=middle.frame)).arcsec < 1.0
