"""The page of images of a region, and the same images in one tar stream."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from lxml import etree, html

from vo_server.errors import ImageError
from vo_server.protocols.images import bundle
from vo_server.settings import Settings, find_image_root
from vo_server.storage import files

POSITION = {"POS": "129.04,19.68", "SIZE": "0.01"}


def fetch_page(client: httpx.Client, status: int = 200, **parameters: str) -> Any:
    response = client.get("/images", params=parameters)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html;charset=utf-8"
    etree.fromstring(response.content)  # it is XML, too
    return html.fromstring(response.content)


def read_file_urls(document: Any) -> list[str]:
    """Return the URLs of the files in the table."""
    return [a.get("href") for a in document.iterfind(".//table[@class='found']//a") if a.text == "FITS"]


def read_archive(client: httpx.Client, **parameters: str) -> tuple[list[str], list[dict[str, str]], dict[str, bytes]]:
    """Return the comments of the manifest, its rows, and the files."""
    response = client.get("/images.tar", params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-tar"
    assert int(response.headers["content-length"]) == len(response.content)
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
    assert next(iter(files)) == "images/manifest.csv"
    lines = files.pop("images/manifest.csv").decode().splitlines()
    comments = [line[2:] for line in lines if line.startswith("# ")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return comments, rows, {name.removeprefix("images/"): data for name, data in files.items()}


@pytest.fixture(scope="module")
def read_headers(sky: Path) -> dict[str, fits.Header]:
    """Return the headers of all Atlas images by the paths of their URLs."""
    root = Path(find_image_root(Settings(data=sky), "atlas"))
    headers = {}
    for path in root.rglob("*.fits.gz"):
        header = fits.getheader(path)
        name = f"{header['ORDATE']}n{header['SCANNO']:03}0{path.name[6:9]}"
        headers[f"/images/atlas/a{header['FILTER'].upper()}_asky_{name}"] = header
    assert len(headers) == 18
    return headers


def test_lists_collections(client: httpx.Client) -> None:
    document = fetch_page(client)
    rows = [[c.text_content() for c in row] for row in document.iter("tr")]
    counts = {row[0].split("images")[0]: row[1] for row in rows[1:]}
    assert list(counts.values()) == ["18J 6, H 6, K 6", "3J 1, H 1, K 1", "1"]
    assert "not for photometry" in document.text_content()
    assert document.find(".//table[@class='found']") is None


@pytest.mark.parametrize("position", [(129.04, 19.68), (129.1, 19.9), (129.2, 19.6), (129.17, 19.62), (128.0, 19.0)])
def test_finds_images_at_position(
    client: httpx.Client, read_headers: dict[str, fits.Header], position: tuple[float, float]
) -> None:
    """The images are those whose footprint contains the position according to astropy."""
    point = SkyCoord(*position, unit="deg")
    expected = {name for name, header in read_headers.items() if WCS(header).footprint_contains(point)}
    document = fetch_page(client, POS=f"{position[0]} {position[1]}", SIZE="0", COLLECTION="atlas")
    assert {urlsplit(url).path for url in read_file_urls(document)} == expected
    assert ("No image overlaps this region" in document.text_content()) == (not expected)


def test_orders_by_distance_and_band(client: httpx.Client, read_headers: Any) -> None:
    document = fetch_page(client, POS="CIRCLE 129.04 19.68 1", COLLECTION="atlas")
    names = [urlsplit(url).path for url in read_file_urls(document)]
    middle = SkyCoord(129.04, 19.68, unit="deg")
    far = [
        middle.separation(SkyCoord(read_headers[n]["CRVAL1"], read_headers[n]["CRVAL2"], unit="deg")).deg for n in names
    ]
    assert len(names) == 18
    assert far == pytest.approx(sorted(far), abs=1e-6)
    assert [name.split("/")[3][1] for name in names] == list("JHK") * 6


@pytest.mark.parametrize(
    ("position", "size"),
    [
        ("129.04,19.68", "0.01"),
        (" 129.04 , 19.68 ", "0.01"),
        ("129.04 19.68", "0.01 0.01"),
        ("8 36 9.6 +19 40 48", "0.01,0.01"),
        ("08:36:09.6 19:40:48", "0.01"),
        ("8h36m9.6s +19d40m48s", "0.01"),
        ("8:36:9.6, +19:40:48", "0.01"),
        ("CIRCLE 129.04 19.68 0.005", ""),
        ("range 129.035 129.045 19.675 19.685", "7"),
        ("POLYGON 129.03 19.67 129.05 19.67 129.04 19.69", ""),
    ],
)
def test_reads_positions_in_usual_notations(client: httpx.Client, position: str, size: str) -> None:
    document = fetch_page(client, POS=position, SIZE=size)
    assert [urlsplit(url).path[:16] for url in read_file_urls(document)] == [f"/images/atlas/a{band}" for band in "JHK"]
    assert document.find(".//input[@name='POS']").get("value") == position


def test_largest_region(client: httpx.Client) -> None:
    assert len(read_file_urls(fetch_page(client, POS="CIRCLE 129.04 19.68 5"))) == 22


def test_all_links_work(client: httpx.Client) -> None:
    document = fetch_page(client, **POSITION)
    links = {a.get("href") for a in document.iter("a")} | {i.get("src") for i in document.iter("img")}
    assert len(links) > 15
    for link in links:
        response = client.get(link)
        assert response.status_code == 200, link
    kinds = [
        client.get(i.get("src")).headers["content-type"] for i in document.iterfind(".//table[@class='found']//img")
    ]
    assert kinds == ["image/jpeg"] * 3


def test_sia2_link_gives_same_images(client: httpx.Client) -> None:
    for parameters in (
        POSITION,
        {"POS": "CIRCLE 129.04 19.68 0.2", "BAND": "K"},
        {"POS": "129.1,19.9", "COLLECTION": "atlas"},
    ):
        document = fetch_page(client, **parameters)
        (link,) = (a.get("href") for a in document.iter("a") if a.text == "CSV")
        records = csv.DictReader(io.StringIO(client.get(link).text))
        dids = sorted(row["obs_publisher_did"].partition("~?")[2] for row in records)
        assert dids == sorted(urlsplit(url).path.removeprefix("/images/") for url in read_file_urls(document))
    other = fetch_page(client, **POSITION, scan="9")
    assert "table for programs" not in other.text_content()


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"POS": "x"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,95"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "-1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "1,2,3"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2 5.1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "8"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "RANGE 0 360 -90 90"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "COLLECTION": "nothing"}, 404, "IMAGE.NOT_FOUND"),
        ({"POS": "1,2", "BAND": "L"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": '"><script>alert(1)</script>'}, 400, "REQUEST.BAD_PARAMETER"),
    ],
)
def test_page_shows_errors(client: httpx.Client, parameters: dict[str, str], status: int, code: str) -> None:
    document = fetch_page(client, status, **parameters)
    (message,) = document.find_class("bad")
    assert message.text_content().strip()
    assert client.get("/images", params=parameters).headers["vo-error-code"] == code
    assert document.find(".//script") is None
    assert document.find(".//input[@name='POS']").get("value") == parameters["POS"]
    archive = client.get("/images.tar", params=parameters)
    assert (archive.status_code, archive.headers["vo-error-code"]) == (status, code)


# ----------------------------------------------------------------------- tar


def test_archive_has_all_images(client: httpx.Client, sky: Path) -> None:
    parameters = {"POS": "CIRCLE 129.1 19.7 2"}
    comments, rows, files = read_archive(client, **parameters)
    assert "Content: all 22 images that overlap the region" in comments
    assert [row["file"] for row in rows] == list(files)
    settings = Settings(data=sky)
    for row in rows:
        root = Path(find_image_root(settings, row["collection"]))
        stored = (root / row["file"].partition("/")[2]).read_bytes()
        assert files[row["file"]] == stored
        assert int(row["bytes"]) == len(stored)
        assert row["identifier"] == f"ivo://unregistered.invalid/~?{row['collection']}/{row['image']}"
    assert any("not for photometry" in line for line in comments)
    first = rows[0]
    assert client.head(first["url"]).headers["content-type"] == "image/fits"
    with fits.open(io.BytesIO(gzip.decompress(files[first["file"]]))) as document:
        assert document[0].header["FILTER"].upper() == first["band"]


def test_archive_has_images_of_page(client: httpx.Client) -> None:
    parameters = {"POS": "129.1,19.7", "SIZE": "0.3", "BAND": "H", "COLLECTION": "atlas"}
    _, rows, _ = read_archive(client, **parameters)
    document = fetch_page(client, **parameters)
    assert [row["url"] for row in rows] == read_file_urls(document)
    (link,) = document.find_class("do")
    assert link.get("href").partition("?")[0].endswith("/images.tar")
    assert client.get(link.get("href")).headers["content-length"]
    head = client.head("/images.tar", params=parameters)
    assert (head.status_code, head.content) == (200, b"")
    assert abs(int(head.headers["content-length"]) - sum(int(row["bytes"]) for row in rows)) < 3000 * (len(rows) + 1)


@pytest.mark.parametrize("limit", ["MAX_IMAGES", "MAX_BYTES"])
def test_archive_states_its_limits(client: httpx.Client, monkeypatch: Any, limit: str) -> None:
    _, every, _ = read_archive(client, POS="129.1,19.7", SIZE="0.3")
    monkeypatch.setattr(bundle, limit, 4 if limit == "MAX_IMAGES" else sum(int(row["bytes"]) for row in every[:4]))
    comments, rows, files = read_archive(client, POS="129.1,19.7", SIZE="0.3")
    assert [row["image"] for row in rows] == [row["image"] for row in every[:4]]
    assert len(files) == 4
    (content,) = [line for line in comments if line.startswith("Content: ")]
    assert content.startswith("Content: CUT: the 4 images nearest")
    (link,) = fetch_page(client, POS="129.1,19.7", SIZE="0.3").find_class("do")
    assert "the 4 nearest" in link.text_content()
    assert "the limit of a stream" in link.text_content()


def test_manifest_lists_missing_files(client: httpx.Client, monkeypatch: Any) -> None:
    facts = files.stat_file

    def some(where: str) -> files.FileInfo:
        if "/ki" in where:
            raise ImageError("the file of this image is not where the inventory says")
        return facts(where)

    monkeypatch.setattr(files, "stat_file", some)
    comments, rows, _ = read_archive(client, **POSITION)
    assert [row["band"] for row in rows] == ["J", "H"]
    (missing,) = [line for line in comments if line.startswith("Missing: ")]
    assert "atlas/aK_asky" in missing


def test_rejects_archive_without_images(client: httpx.Client) -> None:
    for parameters, status in (({"POS": "1,1"}, 404), ({}, 400)):
        response = client.get("/images.tar", params=parameters)
        assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
