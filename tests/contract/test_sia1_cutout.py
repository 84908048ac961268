"""SIA 1.0 in cutout mode: images of exactly the requested size, compared with astropy's Cutout2D and WCS."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import pyvo
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from PIL import Image as Pillow

from tests.contract.test_images import parse_rows, read_ucds

POSITION = {"POS": "129.04,19.68", "SIZE": "0.05,0.02"}


def search_cutouts(client: httpx.Client, **params: str) -> list[dict[str, str]]:
    return parse_rows(client.get("/sia1/cutout", params={"RESPONSEFORMAT": "csv", "FORMAT": "image/fits", **params}))


def fetch_cutout(client: httpx.Client, url: str) -> bytes:
    parts = urlsplit(url)
    response = client.get(f"{parts.path}?{parts.query}")
    assert response.status_code == 200, response.text
    return response.content


def to_numbers(text: str) -> Any:
    return np.array(text.split(), float)


@pytest.fixture(scope="module")
def whole_image(client: httpx.Client) -> tuple[str, fits.Header, Any]:
    """Return name, header and pixels of an Atlas image in Ks."""
    (row,) = parse_rows(
        client.get("/sia1/atlas", params={**POSITION, "band": "k", "FORMAT": "image/fits", "RESPONSEFORMAT": "csv"})
    )
    with fits.open(io.BytesIO(fetch_cutout(client, row["download"]))) as hdus:
        return row["download"].rpartition("/")[2], hdus[0].header.copy(), hdus[0].data.copy()


@pytest.mark.parametrize("verb", ["0", "1", "2", "3"])
def test_columns_are_those_of_sia1(client: httpx.Client, shared: Path, votable: Any, verb: str) -> None:
    response = client.get("/sia1/cutout", params={**POSITION, "VERB": verb})
    assert response.headers["content-type"] == "text/xml"
    table = votable(response.content, ucd1=True).get_first_table()
    assert len(table.array) > 0
    expected = read_ucds(shared)
    needed = {ucd for ucd, c in expected.items() if c["level"] == "must" or (verb != "0" and c["level"] == "should")}
    assert needed <= {f.ucd for f in table.fields} <= set(expected)
    for field in table.fields:
        assert (field.datatype, field.arraysize) == tuple(expected[field.ucd][k] for k in ("datatype", "arraysize"))


def test_rows_describe_cutouts(client: httpx.Client) -> None:
    records = search_cutouts(client, **POSITION, ds="asky")
    assert sorted(row["band"] for row in records) == ["H", "J", "K"]
    for row in records:
        with fits.open(io.BytesIO(fetch_cutout(client, row["download"]))) as hdus:
            hdus.verify("exception")
            header, wcs = hdus[0].header, WCS(hdus[0].header)
        assert row["naxis"] == f"{header['NAXIS1']} {header['NAXIS2']}" == "180 72"
        assert row["format"] == "image/fits"
        assert to_numbers(row["crpix"]) == pytest.approx(wcs.wcs.crpix)
        assert to_numbers(row["crval"]) == pytest.approx(wcs.wcs.crval, abs=1e-9)
        assert to_numbers(row["cd"]).reshape(2, 2) == pytest.approx(wcs.pixel_scale_matrix, abs=1e-12)
        centre = SkyCoord(float(row["center_ra"]), float(row["center_dec"]), unit="deg", frame="fk5")
        assert centre.separation(wcs.pixel_to_world(89.5, 35.5)).arcsec < 0.01
        assert centre.separation(SkyCoord(129.04, 19.68, unit="deg", frame="fk5")).arcsec < 0.8
        assert header["FILTER"] == row["band"].lower()
        assert "Cut out" in str(header["HISTORY"])


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-60, 570), y=st.floats(-60, 1080), wide=st.integers(1, 150), high=st.integers(1, 150))
def test_cutout_agrees_with_cutout2d(
    client: httpx.Client, whole_image: tuple[str, fits.Header, Any], x: float, y: float, wide: int, high: int
) -> None:
    name, header, pixels = whole_image
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(x, y))
    records = search_cutouts(client, POS=f"{ra},{dec}", SIZE="0.3", NAXIS=f"{wide},{high}", image=name)
    try:
        same = Cutout2D(pixels, (x, y), (high, wide), wcs=WCS(header), mode="partial", fill_value=np.nan)
    except ValueError:
        assert records == []
        return
    (row,) = records
    with fits.open(io.BytesIO(fetch_cutout(client, row["download"]))) as hdus:
        pixels_of_cutout, wcs = hdus[0].data, WCS(hdus[0].header)
    moved = np.subtract(wcs.wcs.crpix, same.wcs.wcs.crpix)
    assert np.abs(moved).max() < 1.001  # where a position is between two pixels
    if not moved.round(3).any():
        np.testing.assert_array_equal(pixels_of_cutout, same.data)
    assert row["naxis"] == f"{wide} {high}"
    assert to_numbers(row["crpix"]) == pytest.approx(wcs.wcs.crpix, abs=1e-6)


@pytest.mark.parametrize(
    ("params", "naxis"),
    [
        ({"SIZE": "0.01"}, "36 36"),
        ({"SIZE": "0"}, "300 300"),
        ({"SIZE": "0.01,0.1"}, "36 360"),
        ({"SIZE": "1e-9"}, "1 1"),
        ({"SIZE": "0.01", "NAXIS": "7"}, "7 7"),
        ({"NAXIS": "4096,1"}, "4096 1"),
        ({"SIZE": "0.4", "PROJ": "TAN", "CFRAME": "GAL", "ROTANG": "10"}, "1440 1440"),
    ],
)
def test_sizes(client: httpx.Client, params: dict[str, str], naxis: str) -> None:
    records = search_cutouts(client, POS=POSITION["POS"], band="J", ds="asky", **params)
    assert {row["naxis"] for row in records} == {naxis}
    with fits.open(io.BytesIO(fetch_cutout(client, records[0]["download"]))) as hdus:
        assert hdus[0].data.shape == tuple(int(n) for n in reversed(naxis.split()))


def test_pictures(client: httpx.Client) -> None:
    records = search_cutouts(client, **POSITION, FORMAT="GRAPHIC-ALL", band="J", ds="asky")
    assert [row["format"] for row in records] == ["image/jpeg", "image/png"]
    for row in records:
        assert row["crpix"] == ""
        with Pillow.open(io.BytesIO(fetch_cutout(client, row["download"]))) as picture:
            assert (picture.size, picture.get_format_mimetype()) == ((180, 72), row["format"])


def test_finds_images(client: httpx.Client) -> None:
    assert len(search_cutouts(client, **POSITION, FORMAT="ALL", ds="asky")) == 9
    assert len(search_cutouts(client, **POSITION, ds="quicklook")) == len(search_cutouts(client, **POSITION)) - 3
    assert search_cutouts(client, **POSITION, ds="sx") == []
    assert search_cutouts(client, POS="1,1", SIZE="0.1") == []
    assert search_cutouts(client, **POSITION, INTERSECT="ENCLOSED") == []
    assert len(search_cutouts(client, POS=POSITION["POS"], SIZE="0.01", INTERSECT="COVERS", ds="asky")) == 3
    response = client.get("/sia1/cutout", params={**POSITION, "MAXREC": "2"})
    assert b'value="OVERFLOW"' in response.content


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "REQUEST.MISSING_PARAMETER"),
        ({"POS": "1,2"}, "REQUEST.MISSING_PARAMETER"),
        ({"POS": "x,2", "SIZE": "1"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "-1"}, "REQUEST.BAD_REGION"),
        ({"POS": POSITION["POS"], "SIZE": "2"}, "IMAGE.TOO_LARGE"),
        ({"POS": "1,2", "NAXIS": "5000"}, "IMAGE.TOO_LARGE"),
        ({"POS": "1,2", "NAXIS": "0"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "NAXIS": "1,2,3"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "1", "INTERSECT": "x"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "1", "FORMAT": "tiff"}, "REQUEST.UNSUPPORTED_FORMAT"),
        ({"POS": "1,2", "SIZE": "1", "VERB": "7"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "1", "band": "L"}, "REQUEST.BAD_PARAMETER"),
    ],
)
def test_rejects_invalid_parameters(client: httpx.Client, votable: Any, params: dict[str, str], code: str) -> None:
    response = client.get("/sia1/cutout", params=params)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml")
    votable(response.content)
    assert response.headers["vo-error-code"] == code


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"ID": ""}, 400, "REQUEST.MISSING_PARAMETER"),
        ({"NAXIS": "x"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1"}, 400, "REQUEST.BAD_REGION"),
        ({"ID": "ivo://a/b"}, 404, "IMAGE.NOT_FOUND"),
        ({"RESPONSEFORMAT": "gif"}, 400, "REQUEST.UNSUPPORTED_FORMAT"),
        ({"POS": "1,2"}, 204, ""),
        ({"POS": "309.04,-19.68"}, 204, ""),
    ],
)
def test_rejects_invalid_cutout_url(
    client: httpx.Client, whole_image: tuple[str, fits.Header, Any], params: dict[str, str], status: int, code: str
) -> None:
    url = {
        "ID": f"ivo://unregistered.invalid/~?atlas/{whole_image[0]}",
        "POS": POSITION["POS"],
        "NAXIS": "9,9",
    } | params
    response = client.get("/sia1/cutout/image", params=url)
    assert response.status_code == status
    assert response.headers.get("vo-error-code", "") == code
    assert status == 204 or response.text.startswith("UsageError")


def test_metadata(client: httpx.Client, votable: Any) -> None:
    (resource,) = votable(client.get("/sia1/cutout?FORMAT=METADATA").content, ucd1=True).resources
    assert {"INPUT:POS", "INPUT:SIZE", "INPUT:FORMAT", "INPUT:NAXIS"} <= {p.name for p in resource.params}
    assert len(resource.tables[0].array) == 0


def test_capabilities(client: httpx.Client, documents: etree.XMLSchema) -> None:
    read = etree.fromstring(client.get("/sia1/cutout/capabilities").content)
    documents.assertValid(read)
    assert read.findtext(".//imageServiceType") == "Cutout"
    pos, size = ([read.findtext(f".//testQuery/{what}/{axis}") for axis in ("long", "lat")] for what in ("pos", "size"))
    assert search_cutouts(client, POS=",".join(map(str, pos)), SIZE=",".join(map(str, size)))


def test_pyvo(server: Any, tmp_path: Path) -> None:
    records = pyvo.dal.SIAService(f"{server.url}/sia1/cutout?").search(
        pos=(129.04, 19.68), size=0.02, format="image/fits"
    )
    assert len(records) >= 3
    assert records[0].format == "image/fits"
    records[0].cachedataset(filename=str(tmp_path / "cutout.fits"))
    with fits.open(tmp_path / "cutout.fits") as hdus:
        assert hdus[0].data.shape == (72, 72)


@pytest.mark.stilts
def test_votlint(client: httpx.Client, stilts: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "answer.vot").write_bytes(client.get("/sia1/cutout", params=POSITION).content)
    output = stilts("votlint", str(tmp_path / "answer.vot")).splitlines()
    assert [line for line in output if not re.search("FIELD implies single character", line)] == []
