"""Pictures over HTTP: of an image, of a part of it, of a region; in grey and in colour."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Pillow

from vo_server.protocols.images.preview import PictureCache
from vo_server.settings import Settings, find_image_root


def decode_picture(response: httpx.Response) -> Pillow.Image:
    assert response.status_code == 200, response.text
    return Pillow.open(io.BytesIO(response.content))


@pytest.fixture(scope="module")
def images(ask: Any) -> list[dict[str, str]]:
    response = ask("SELECT image, band, path, ra, dec FROM twomass.atlas ORDER BY image", RESPONSEFORMAT="csv")
    return list(csv.DictReader(io.StringIO(response.text)))


@pytest.fixture(scope="module")
def star(ask: Any) -> tuple[float, float]:
    """Return the brightest star well within an image."""
    query = (
        "SELECT TOP 1 p.ra, p.dec FROM psc AS p JOIN twomass.atlas AS a ON a.coadd_key = p.coadd_key"
        " WHERE a.band = 'K' AND ABS(p.dec - a.dec) < 0.1 AND DISTANCE(p.ra, a.dec, a.ra, a.dec) < 0.05 ORDER BY p.k_m"
    )
    (row,) = csv.DictReader(io.StringIO(ask(query, RESPONSEFORMAT="csv").text))
    return float(row["ra"]), float(row["dec"])


def test_grey_picture_by_name(client: httpx.Client, images: list[dict[str, str]]) -> None:
    for image in images[:2]:
        response = client.get("/preview", params={"ID": f"atlas/{image['image']}"})
        assert response.headers["content-type"] == "image/jpeg"
        assert response.headers["content-disposition"] == f'inline; filename="{image["image"]}.jpg"'
        assert int(response.headers["content-length"]) == len(response.content)
        picture = decode_picture(response)
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (512, 1024))
        did = f"ivo://unregistered.invalid/~?atlas/{image['image']}"
        assert client.get("/preview", params={"ID": did}).content == response.content


def test_pixels_are_those_of_file(client: httpx.Client, sky: Path, images: list[dict[str, str]]) -> None:
    """The brightest pixels of the file, read by astropy, are the brightest of the picture, south down."""
    image = images[0]
    values = fits.getdata(Path(find_image_root(Settings(data=sky), "atlas")) / image["path"])
    parameters = {"ID": f"atlas/{image['image']}", "FORMAT": "png"}
    picture = np.asarray(decode_picture(client.get("/preview", params=parameters)))[::-1]
    assert picture.shape == values.shape
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    assert picture[row, column] == 255
    bright, faint = values > np.nanpercentile(values, 99.9), values < np.nanpercentile(values, 20)
    assert picture[bright].min() > picture[faint].max()


@pytest.mark.parametrize("stretch", ["asinh", "zscale"])
def test_star_is_at_catalogue_position(client: httpx.Client, star: tuple[float, float], stretch: str) -> None:
    ra, dec = star
    parameters = {"POS": f"{ra},{dec}", "SIZE": str(41 / 3600), "PIXELS": "42", "BAND": "K", "FORMAT": "png"}
    picture = np.asarray(decode_picture(client.get("/preview", params={**parameters, "STRETCH": stretch})), float)
    row, column = np.argwhere(picture == 255).mean(0)
    assert abs(row - picture.shape[0] / 2) <= 2
    assert abs(column - picture.shape[1] / 2) <= 2
    assert np.median(picture) < 150


def test_colour_by_position_and_by_name(client: httpx.Client, images: list[dict[str, str]], star: Any) -> None:
    """Each of the three images gives the same picture, and so does the position."""
    seen = [i for i in images if i["band"] == "K" and abs(float(i["dec"]) - star[1]) < 0.1]
    (k,) = [i for i in seen if abs(float(i["ra"]) - star[0]) < 0.07]
    ids = [f"atlas/a{band}{k['image'][2:]}" for band in "JHK"]
    pictures = {client.get("/preview", params={"ID": id, "BAND": "jhk"}).content for id in ids}
    assert len(pictures) == 1
    (one,) = pictures
    assert Pillow.open(io.BytesIO(one)).mode == "RGB"
    position = client.get("/preview", params={"POS": f"{k['ra']},{k['dec']}"})
    assert position.content == one
    assert client.get("/preview", params={"POS": f"{k['ra']},{k['dec']}", "COLLECTION": "atlas"}).content == one
    grey = client.get("/preview", params={"ID": f"atlas/aJ{k['image'][2:]}", "BAND": "K"})
    assert grey.content == client.get("/preview", params={"ID": f"atlas/{k['image']}"}).content


def test_clips_region_at_edge(client: httpx.Client, sky: Path, images: Any) -> None:
    """The picture has as many pixels as astropy counts between the position and the edge."""
    image = images[0]
    header = fits.getheader(Path(find_image_root(Settings(data=sky), "atlas")) / image["path"])
    ((ra, dec),) = WCS(header).wcs_pix2world([[10, 512]], 0)
    parameters = {"ID": f"atlas/{image['image']}", "POS": f"{ra},{dec}", "SIZE": f"{101 / 3600}", "PIXELS": "101"}
    width, height = decode_picture(client.get("/preview", params=parameters)).size
    assert 100 <= height <= 102
    assert 59 <= width <= 62


@pytest.mark.parametrize("band", ["K", "JHK"])
def test_combines_images_of_region(client: httpx.Client, images: Any, band: str) -> None:
    """The picture has the requested size and is filled everywhere, where each image alone covers a part."""
    scans = {}
    for image in images:
        if image["band"] == "K":
            scans.setdefault(image["image"][-7:-4], []).append((float(image["ra"]), float(image["dec"])))
    (ra1, dec1), (ra2, _) = (sorted(scan, key=lambda position: position[1])[0] for scan in scans.values())
    position = (ra1 + ra2) / 2, dec1
    parameters = {"POS": f"{position[0]},{position[1]}", "SIZE": "0.1,0.05", "BAND": band, "FORMAT": "png"}
    picture = decode_picture(client.get("/preview", params=parameters))
    assert picture.size == (360, 180)
    seen = np.asarray(picture).reshape(180, 360, -1).max(axis=2)
    assert (seen[:, :10].max(), seen[:, -10:].max()) > (20, 20)
    assert (seen.max(axis=0) > 0).all()
    wcs = WCS(fits.Header.fromstring(picture.info["Comment"], sep="\n"))
    assert wcs.wcs_pix2world([[179.5, 89.5]], 0)[0] == pytest.approx(position, abs=1e-6)
    smaller = decode_picture(client.get("/preview", params={**parameters, "PIXELS": "90"}))
    assert smaller.size == (90, 45)


def test_uncovered_pixels_are_black(client: httpx.Client, images: Any) -> None:
    west = min((i for i in images if i["band"] == "K"), key=lambda i: float(i["ra"]))
    parameters = {"POS": f"{float(west['ra']) - 0.08},{west['dec']}", "SIZE": "0.05", "BAND": "K", "FORMAT": "png"}
    seen = np.asarray(decode_picture(client.get("/preview", params=parameters)))
    assert seen.shape == (180, 180)
    assert seen[:, :20].max() > 0
    assert (seen[:, -60:] == 0).all()


def test_cube_has_all_bands(client: httpx.Client, ask: Any) -> None:
    (row,) = csv.DictReader(io.StringIO(ask("SELECT stamp FROM twomass.stamps", RESPONSEFORMAT="csv").text))
    id = f"stamps/{row['stamp']}"
    colour = client.get("/preview", params={"ID": id, "PIXELS": "82"})
    assert (decode_picture(colour).mode, decode_picture(colour).size) == ("RGB", (82, 82))
    planes = {client.get("/preview", params={"ID": id, "BAND": band}).content for band in "JHK"}
    assert len(planes) == 3


def test_etag_avoids_transfer(client: httpx.Client, images: list[dict[str, str]]) -> None:
    parameters = {"ID": f"atlas/{images[3]['image']}", "PIXELS": "100"}
    first = client.get("/preview", params=parameters)
    assert first.headers["cache-control"] == "public, max-age=3600"
    again = client.get("/preview", params=parameters, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get("/preview", params=parameters).content == first.content
    head = client.head("/preview", params=parameters)
    assert (head.content, head.headers["etag"]) == (b"", first.headers["etag"])
    for more in (
        {"PIXELS": "101"},
        {"FORMAT": "png"},
        {"STRETCH": "zscale"},
        {"BAND": "JHK"},
        {"ID": f"atlas/{images[4]['image']}"},
    ):
        other = client.get("/preview", params=parameters | more)
        assert other.headers["etag"] != first.headers["etag"]
        assert other.content != first.content


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, "REQUEST.MISSING_PARAMETER"),
        ({"SIZE": "0.1"}, 400, "REQUEST.MISSING_PARAMETER"),
        ({"ID": "atlas/x"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "atlas"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "nothing/x"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "/etc/passwd"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "atlas/../../catalogues/atlas.duckdb"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "ivo://elsewhere/~?nothing/x"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "atlas/x", "SIZE": "0.1"}, 400, "REQUEST.MISSING_PARAMETER"),
        ({"ID": "atlas/x", "COLLECTION": "atlas"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"ID": "atlas/x", "BAND": "L"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,1"}, 404, "IMAGE.NOT_FOUND"),
        ({"POS": "1,1", "COLLECTION": "nothing"}, 404, "IMAGE.NOT_FOUND"),
        ({"POS": "1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,95"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "129.04,19.68", "SIZE": "x"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,1", "SIZE": "0.1"}, 404, "IMAGE.NOT_FOUND"),
        ({"POS": "129.04,19.68", "PIXELS": "0"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "129.04,19.68", "PIXELS": "1e3"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "129.04,19.68", "PIXELS": "1000000"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "129.04,19.68", "FORMAT": "gif"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "129.04,19.68", "STRETCH": "log"}, 400, "REQUEST.BAD_PARAMETER"),
    ],
)
def test_rejects_invalid_parameters(client: httpx.Client, parameters: dict[str, str], status: int, code: str) -> None:
    response = client.get("/preview", params=parameters)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert response.headers["vo-error-code"] == code


def test_rejects_region_of_too_many_images(client: httpx.Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("vo_server.protocols.images.layers.MAX_TILES", 2)
    response = client.get("/preview", params={"POS": "129.1,19.7", "SIZE": "1"})
    assert (response.status_code, response.headers["vo-error-code"]) == (400, "IMAGE.TOO_LARGE")


def test_rejects_region_outside_image(client: httpx.Client, images: list[dict[str, str]]) -> None:
    response = client.get("/preview", params={"ID": f"atlas/{images[0]['image']}", "POS": "10,10", "SIZE": "0.1"})
    assert (response.status_code, response.headers["vo-error-code"]) == (404, "IMAGE.NO_OVERLAP")


def test_cache_evicts_beyond_limit() -> None:
    cache = PictureCache(limit=100)
    for n in range(4):
        cache.store(str(n), bytes([n]) * 30)
        assert cache.get("0") == bytes(30)
    assert cache.get("1") is None, "the least recently requested one is evicted"
    assert cache.get("3") == bytes([3]) * 30
    cache.store("large", bytes(101))
    assert cache.get("large") is None
