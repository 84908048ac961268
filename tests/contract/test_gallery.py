"""Images for people: the page of a place, and the same images in one tar stream."""

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

PLACE = {"POS": "129.04,19.68", "SIZE": "0.01"}


def page(client: httpx.Client, status: int = 200, **given: str) -> Any:
    answer = client.get("/images", params=given)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html;charset=utf-8"
    etree.fromstring(answer.content)  # it is XML, too
    return html.fromstring(answer.content)


def shown(read: Any) -> list[str]:
    """The URLs of the files in the table."""
    return [a.get("href") for a in read.iterfind(".//table[@class='found']//a") if a.text == "FITS"]


def packed(client: httpx.Client, **given: str) -> tuple[list[str], list[dict[str, str]], dict[str, bytes]]:
    """What the manifest says of all of it, its rows, and the files."""
    answer = client.get("/images.tar", params=given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-tar"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as read:
        held = {m.name: read.extractfile(m).read() for m in read.getmembers()}  # type: ignore[union-attr]
    assert next(iter(held)) == "images/manifest.csv"
    lines = held.pop("images/manifest.csv").decode().splitlines()
    said = [line[2:] for line in lines if line.startswith("# ")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return said, rows, {name.removeprefix("images/"): data for name, data in held.items()}


@pytest.fixture(scope="module")
def headers(sky: Path) -> dict[str, fits.Header]:
    """The headers of all Atlas images, by the ends of the URLs of their files."""
    root = Path(find_image_root(Settings(data=sky), "atlas"))
    found = {}
    for path in root.rglob("*.fits.gz"):
        header = fits.getheader(path)
        name = f"{header['ORDATE']}n{header['SCANNO']:03}0{path.name[6:9]}"
        found[f"/images/atlas/a{header['FILTER'].upper()}_asky_{name}"] = header
    assert len(found) == 18
    return found


def test_what_there_is(client: httpx.Client) -> None:
    read = page(client)
    rows = [[c.text_content() for c in row] for row in read.iter("tr")]
    counts = {row[0].split("images")[0]: row[1] for row in rows[1:]}
    assert list(counts.values()) == ["18J 6, H 6, K 6", "3J 1, H 1, K 1", "1"]
    assert "not for photometry" in read.text_content()
    assert read.find(".//table[@class='found']") is None


@pytest.mark.parametrize("place", [(129.04, 19.68), (129.1, 19.9), (129.2, 19.6), (129.17, 19.62), (128.0, 19.0)])
def test_the_images_that_show_a_point(
    client: httpx.Client, headers: dict[str, fits.Header], place: tuple[float, float]
) -> None:
    """Those of which astropy says so."""
    point = SkyCoord(*place, unit="deg")
    wanted = {name for name, header in headers.items() if WCS(header).footprint_contains(point)}
    read = page(client, POS=f"{place[0]} {place[1]}", SIZE="0", COLLECTION="atlas")
    assert {urlsplit(url).path for url in shown(read)} == wanted
    assert ("No image meets this place" in read.text_content()) == (not wanted)


def test_the_nearest_comes_first_in_the_order_of_the_bands(client: httpx.Client, headers: Any) -> None:
    read = page(client, POS="CIRCLE 129.04 19.68 1", COLLECTION="atlas")
    names = [urlsplit(url).path for url in shown(read)]
    middle = SkyCoord(129.04, 19.68, unit="deg")
    far = [middle.separation(SkyCoord(headers[n]["CRVAL1"], headers[n]["CRVAL2"], unit="deg")).deg for n in names]
    assert len(names) == 18
    assert far == pytest.approx(sorted(far), abs=1e-6)
    assert [name.split("/")[3][1] for name in names] == list("JHK") * 6


@pytest.mark.parametrize(
    ("place", "size"),
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
def test_places_as_people_write_them(client: httpx.Client, place: str, size: str) -> None:
    read = page(client, POS=place, SIZE=size)
    assert [urlsplit(url).path[:16] for url in shown(read)] == [f"/images/atlas/a{band}" for band in "JHK"]
    assert read.find(".//input[@name='POS']").get("value") == place


def test_the_largest_place(client: httpx.Client) -> None:
    assert len(shown(page(client, POS="CIRCLE 129.04 19.68 5"))) == 22


def test_every_link_leads_somewhere(client: httpx.Client) -> None:
    read = page(client, **PLACE)
    links = {a.get("href") for a in read.iter("a")} | {i.get("src") for i in read.iter("img")}
    assert len(links) > 15
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200, link
    kinds = [client.get(i.get("src")).headers["content-type"] for i in read.iterfind(".//table[@class='found']//img")]
    assert kinds == ["image/jpeg"] * 3


def test_the_table_for_programs_is_the_same(client: httpx.Client) -> None:
    for given in (PLACE, {"POS": "CIRCLE 129.04 19.68 0.2", "BAND": "K"}, {"POS": "129.1,19.9", "COLLECTION": "atlas"}):
        read = page(client, **given)
        (link,) = (a.get("href") for a in read.iter("a") if a.text == "CSV")
        found = csv.DictReader(io.StringIO(client.get(link).text))
        dids = sorted(row["obs_publisher_did"].partition("~?")[2] for row in found)
        assert dids == sorted(urlsplit(url).path.removeprefix("/images/") for url in shown(read))
    other = page(client, **PLACE, scan="9")
    assert "table for programs" not in other.text_content()


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"POS": "x"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,95"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "-1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "1,2,3"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2 5.1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "8"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "RANGE 0 360 -90 90"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "COLLECTION": "nothing"}, 404, "IMAGE.NOT_FOUND"),
        ({"POS": "1,2", "BAND": "L"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"POS": '"><script>alert(1)</script>'}, 400, "REQUEST.BAD_REGION"),
    ],
)
def test_mistakes_are_said_on_the_page(client: httpx.Client, given: dict[str, str], status: int, code: str) -> None:
    read = page(client, status, **given)
    (said,) = read.find_class("bad")
    assert said.text_content().strip()
    assert read.find(".//script") is None
    assert read.find(".//input[@name='POS']").get("value") == given["POS"]
    archive = client.get("/images.tar", params=given)
    assert (archive.status_code, archive.headers["vo-error-code"]) == (status, code)


# ----------------------------------------------------------------------- tar


def test_all_images_of_a_place_in_one_stream(client: httpx.Client, sky: Path) -> None:
    given = {"POS": "CIRCLE 129.1 19.7 2"}
    said, rows, held = packed(client, **given)
    assert "Here: all 22 images that overlap the region" in said
    assert [row["file"] for row in rows] == list(held)
    settings = Settings(data=sky)
    for row in rows:
        root = Path(find_image_root(settings, row["collection"]))
        stored = (root / row["file"].partition("/")[2]).read_bytes()
        assert held[row["file"]] == stored
        assert int(row["bytes"]) == len(stored)
        assert row["identifier"] == f"ivo://unregistered.invalid/~?{row['collection']}/{row['image']}"
    assert any("not for photometry" in line for line in said)
    first = rows[0]
    assert client.head(first["url"]).headers["content-type"] == "image/fits"
    with fits.open(io.BytesIO(gzip.decompress(held[first["file"]]))) as read:
        assert read[0].header["FILTER"].upper() == first["band"]


def test_a_stream_has_what_the_page_shows(client: httpx.Client) -> None:
    given = {"POS": "129.1,19.7", "SIZE": "0.3", "BAND": "H", "COLLECTION": "atlas"}
    _, rows, _ = packed(client, **given)
    read = page(client, **given)
    assert [row["url"] for row in rows] == shown(read)
    (link,) = read.find_class("do")
    assert link.get("href").partition("?")[0].endswith("/images.tar")
    assert client.get(link.get("href")).headers["content-length"]
    head = client.head("/images.tar", params=given)
    assert (head.status_code, head.content) == (200, b"")
    assert abs(int(head.headers["content-length"]) - sum(int(row["bytes"]) for row in rows)) < 3000 * (len(rows) + 1)


@pytest.mark.parametrize("limit", ["MAX_IMAGES", "MAX_BYTES"])
def test_a_stream_has_its_bounds_and_says_so(client: httpx.Client, monkeypatch: Any, limit: str) -> None:
    _, every, _ = packed(client, POS="129.1,19.7", SIZE="0.3")
    monkeypatch.setattr(bundle, limit, 4 if limit == "MAX_IMAGES" else sum(int(row["bytes"]) for row in every[:4]))
    said, rows, held = packed(client, POS="129.1,19.7", SIZE="0.3")
    assert [row["image"] for row in rows] == [row["image"] for row in every[:4]]
    assert len(held) == 4
    (cut,) = [line for line in said if line.startswith("Here: ")]
    assert cut.startswith("Here: CUT: the 4 images nearest")
    (link,) = page(client, POS="129.1,19.7", SIZE="0.3").find_class("do")
    assert "the 4 nearest" in link.text_content()
    assert "as many as one stream may have" in link.text_content()


def test_what_is_missing_is_said(client: httpx.Client, monkeypatch: Any) -> None:
    facts = files.stat_file

    def some(where: str) -> files.FileInfo:
        if "/ki" in where:
            raise ImageError("the file of this image is not where the inventory says")
        return facts(where)

    monkeypatch.setattr(files, "stat_file", some)
    said, rows, _ = packed(client, **PLACE)
    assert [row["band"] for row in rows] == ["J", "H"]
    (missing,) = [line for line in said if line.startswith("Missing: ")]
    assert "atlas/aK_asky" in missing


def test_no_images_no_stream(client: httpx.Client) -> None:
    for given, status in (({"POS": "1,1"}, 404), ({}, 400)):
        answer = client.get("/images.tar", params=given)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
