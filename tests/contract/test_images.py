"""Images as clients find and fetch them: SIA 1.0 and 2.0, ObsCore, DataLink and the files themselves."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import pyvo
from astropy.io import fits
from astropy.wcs import WCS
from lxml import etree
from PIL import Image as Pillow
from pyvo.dal import DALQueryError

from vo_server.settings import Settings, find_image_root

POSITION = {"POS": "129.04,19.68", "SIZE": "0.01"}
CIRCLE = "CIRCLE 129.04 19.68 0.01"
ATLAS = "2MASS All-Sky Atlas"


def parse_rows(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv"), response.text
    return list(csv.DictReader(io.StringIO(response.text)))


def search_sia1(client: httpx.Client, collection: str = "atlas", **parameters: str) -> list[dict[str, str]]:
    return parse_rows(client.get(f"/sia1/{collection}", params={"RESPONSEFORMAT": "csv", **parameters}))


def search_sia2(client: httpx.Client, *parameters: tuple[str, str]) -> list[dict[str, str]]:
    return parse_rows(client.get("/sia2/query", params=[("RESPONSEFORMAT", "csv"), *parameters]))


def read_error(response: httpx.Response) -> str:
    """Return the text of QUERY_STATUS in an error document."""
    (info,) = etree.fromstring(response.content).iterfind(".//{*}INFO[@name='QUERY_STATUS']")
    assert info.get("value") == "ERROR"
    return str(info.text)


# ------------------------------------------------------------------ SIA 1.0


def read_ucds(shared: Path) -> dict[str, dict[str, Any]]:
    read = json.loads((shared / "standards" / "tables" / "sia1_columns.json").read_text(encoding="utf-8"))
    return {c["ucd"]: c for c in read["columns"]}


@pytest.mark.parametrize("collection", ["atlas", "quicklook", "stamps"])
@pytest.mark.parametrize("verb", ["0", "1", "2", "3"])
def test_sia1_columns(client: httpx.Client, shared: Path, votable: Any, collection: str, verb: str) -> None:
    response = client.get(f"/sia1/{collection}", params={"POS": "129.1,19.7", "SIZE": "2", "VERB": verb})
    assert response.headers["content-type"] == "text/xml"
    table = votable(response.content, ucd1=True).get_first_table()
    assert len(table.array) > 0
    fields = [f for f in table.fields if re.match("VOX:|POS_EQ_|INST_ID", f.ucd or "")]
    assert len({f.ucd for f in fields}) == len(fields)
    expected = read_ucds(shared)
    needed = {ucd for ucd, c in expected.items() if c["level"] == "must" or (verb != "0" and c["level"] == "should")}
    assert needed <= {f.ucd for f in fields} <= set(expected)
    for field in fields:
        column = expected[field.ucd]
        assert (field.datatype, field.arraysize) == (column["datatype"], column["arraysize"]), field.ucd


def test_sia1_agrees_with_header(client: httpx.Client) -> None:
    records = search_sia1(client, VERB="3", FORMAT="image/fits", **POSITION)
    assert sorted(row["band"] for row in records) == ["H", "J", "K"]
    for row in records:
        with fits.open(io.BytesIO(client.get(urlsplit(row["download"]).path).content)) as hdus:
            header = hdus[0].header
            assert row["naxis"] == f"{header['NAXIS1']} {header['NAXIS2']}"
            assert row["format"] == "image/fits"
            wcs = WCS(header)
            assert row["proj"] == wcs.wcs.ctype[0][-3:]
            assert np.array(row["crval"].split(), float) == pytest.approx(wcs.wcs.crval, abs=1e-9)
            assert np.array(row["crpix"].split(), float) == pytest.approx(wcs.wcs.crpix)
            assert np.array(row["cd"].split(), float).reshape(2, 2) == pytest.approx(wcs.pixel_scale_matrix, abs=1e-12)
            assert row["band"] == header["FILTER"].upper()


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 3),
        ({"band": "k"}, 1),
        ({"BAND": "Ks,J"}, 2),
        ({"band": "A"}, 3),
        ({"ds": "asky"}, 3),
        ({"ds": "sx"}, 0),
        ({"hem": "s"}, 0),
        ({"INTERSECT": "covers"}, 3),
        ({"INTERSECT": "ENCLOSED"}, 0),
        ({"SIZE": "0"}, 3),
        ({"SIZE": "0", "INTERSECT": "ENCLOSED"}, 0),
        ({"SIZE": "2", "INTERSECT": "ENCLOSED"}, 18),
    ],
)
def test_sia1_parameters(client: httpx.Client, parameters: dict[str, str], count: int) -> None:
    assert len(search_sia1(client, FORMAT="image/fits", **(POSITION | parameters))) == count


FITS, JPEG, PNG = "image/fits", "image/jpeg", "image/png"


@pytest.mark.parametrize(
    ("format", "kinds"),
    [
        (None, [FITS, JPEG, PNG]),
        ("all", [FITS, JPEG, PNG]),
        ("image/fits", [FITS]),
        ("IMAGE/JPEG", [JPEG]),
        ("image/png, image/fits", [FITS, PNG]),
        ("GRAPHIC", [JPEG]),
        ("graphic-all", [JPEG, PNG]),
        ("GRAPHIC-PNG", [PNG]),
        ("GRAPHIC-png,jpeg", [PNG]),
        ("GRAPHIC-gif,png,jpeg", [PNG]),
        ("image/fits,GRAPHIC-jpeg,png", [FITS, JPEG]),
        ("GRAPHIC-gif", []),
        ("text/html", []),
    ],
)
def test_sia1_formats(client: httpx.Client, format: str | None, kinds: list[str]) -> None:
    """There is a row for each format, those of an image one after another; each URL returns the format of its row."""
    parameters = POSITION if format is None else {**POSITION, "FORMAT": format}
    records = search_sia1(client, **parameters)
    assert [row["format"] for row in records] == kinds * 3
    names = [row["name"] for row in records]
    assert [n for n, _ in itertools.groupby(names)] == sorted(set(names))
    for row in records[: len(kinds)]:
        response = client.get(row["download"])
        assert response.headers["content-type"] == row["format"]
        if row["format"] != FITS:
            picture = Pillow.open(io.BytesIO(response.content))
            assert f"{picture.width} {picture.height}" == row["naxis"]
            assert (row["pixflags"], row["filesize"], row["crpix"]) == ("FV", "", "")


def test_nearest_image_comes_first(client: httpx.Client) -> None:
    records = search_sia1(client, POS="129.04,19.68", SIZE="1")
    centres = [(float(row["center_ra"]), float(row["center_dec"])) for row in records]
    distances = np.hypot(
        [(ra - 129.04) * np.cos(np.radians(19.68)) for ra, _ in centres], [dec - 19.68 for _, dec in centres]
    )
    assert len(records) == 54
    assert (np.diff(distances) > -1e-6).all()
    assert records[:9] == search_sia1(client, POS="129.04,19.68", SIZE="1", MAXREC="9")[:9]


def test_images_by_night_and_scan(client: httpx.Client) -> None:
    """The parameters of IRSA's services of 2MASS work without a position."""
    (image,) = search_sia1(client, VERB="3", band="H", SIZE="0", POS="129.04,19.68", FORMAT="image/fits")
    parameters = {
        "xdate": f"{image['date'][2:4]}{image['date'][5:7]}{image['date'][8:]}",
        "scan": image["scan"],
        "coadd": image["coadd"],
    }
    assert {row["name"] for row in search_sia1(client, hem=image["hemis"], **parameters)} > {image["name"]}
    assert [row["name"] for row in search_sia1(client, image=image["image"], FORMAT="GRAPHIC")] == [image["name"]]
    assert search_sia1(client, **(parameters | {"xdate": "990101"})) == []


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "REQUEST.MISSING_PARAMETER"),
        ({"POS": "1,2"}, "REQUEST.MISSING_PARAMETER"),
        ({"POS": "1", "SIZE": "1"}, "REQUEST.BAD_REGION"),
        ({"POS": "1,2,3", "SIZE": "1"}, "REQUEST.BAD_REGION"),
        ({"POS": "1,95", "SIZE": "1"}, "REQUEST.BAD_REGION"),
        ({"POS": "1,nan", "SIZE": "1"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "-1"}, "REQUEST.BAD_REGION"),
        ({"POS": "1,2", "SIZE": "1", "INTERSECT": "NEAR"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "1", "FORMAT": "tiff"}, "REQUEST.UNSUPPORTED_FORMAT"),
        ({"POS": "1,2", "SIZE": "1", "VERB": "7"}, "REQUEST.BAD_PARAMETER"),
        ({"POS": "1,2", "SIZE": "1", "band": "L"}, "REQUEST.BAD_PARAMETER"),
        ({"scan": "x"}, "REQUEST.BAD_PARAMETER"),
        ({"date": "981399"}, "REQUEST.BAD_PARAMETER"),
    ],
)
def test_sia1_rejects_invalid_parameters(
    client: httpx.Client, votable: Any, parameters: dict[str, str], code: str
) -> None:
    response = client.get("/sia1/atlas", params=parameters)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml")
    votable(response.content)
    assert read_error(response)
    assert response.headers["vo-error-code"] == code


def test_metadata(client: httpx.Client, votable: Any) -> None:
    read = votable(client.get("/sia1/atlas?FORMAT=METADATA").content, ucd1=True)
    (resource,) = read.resources
    names = {p.name for p in resource.params}
    assert {"INPUT:POS", "INPUT:SIZE", "INPUT:FORMAT", "INPUT:INTERSECT", "INPUT:BAND"} <= names
    assert len(resource.tables[0].array) == 0
    assert "VOX:Image_AccessReference" in {f.ucd for f in resource.tables[0].fields}


def test_pyvo_finds_pictures(server: Any, tmp_path: Path) -> None:
    service = pyvo.dal.SIAService(f"{server.url}/sia1/atlas?")
    records = service.search(pos=(129.04, 19.68), size=0.01, format="graphic")
    assert [record.format for record in records] == [JPEG] * 3
    records[0].cachedataset(filename=str(tmp_path / "picture"))
    with Pillow.open(tmp_path / "picture") as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 1024))
    assert {r.format for r in service.search(pos=(129.04, 19.68), size=0.01, format="image/png")} == {PNG}


def test_pyvo_sia1(server: Any, tmp_path: Path) -> None:
    records = pyvo.dal.SIAService(f"{server.url}/sia1/atlas?").search(pos=(129.04, 19.68), size=0.05)
    assert len(records) >= 3
    assert records[0].format == "image/fits"
    assert records[0].pos.ra.deg == pytest.approx(129.1, abs=0.3)
    records[0].cachedataset(filename=str(tmp_path / "image.fits"))
    with fits.open(tmp_path / "image.fits") as hdus:
        assert hdus[0].data.shape == (1024, 512)
    with pytest.raises(DALQueryError, match="INTERSECT must"):
        pyvo.dal.SIAService(f"{server.url}/sia1/atlas?").search(pos=(1, 1), size=1, INTERSECT="x")


# ------------------------------------------------------------------ SIA 2.0


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ([("POS", CIRCLE)], 3),
        ([("POS", CIRCLE), ("COLLECTION", ATLAS)], 3),
        ([("POS", CIRCLE), ("POS", CIRCLE), ("COLLECTION", ATLAS)], 3),
        ([("COLLECTION", ATLAS), ("POS", "circle 1 1 1")], 0),
        ([("COLLECTION", ATLAS), ("BAND", "2.159e-6")], 6),
        ([("COLLECTION", ATLAS), ("BAND", "1.2e-6 1.5e-6")], 12),
        ([("COLLECTION", ATLAS), ("BAND", "-Inf 1.2e-6"), ("BAND", "2.3e-6 +Inf")], 12),
        ([("COLLECTION", ATLAS), ("TIME", "50000 52000")], 18),
        ([("COLLECTION", ATLAS), ("TIME", "-Inf 50000")], 0),
        ([("FACILITY", "2MASS"), ("DPTYPE", "image"), ("COLLECTION", ATLAS)], 18),
        ([("FACILITY", "2mass")], 0),
        ([("INSTRUMENT", "2MASS Survey Camera"), ("DPTYPE", "cube")], 1),
        ([("DPTYPE", "cube"), ("CALIB", "2")], 0),
        ([("DPTYPE", "cube"), ("CALIB", "2"), ("CALIB", "3")], 1),
        ([("POL", "I")], 0),
        ([("TARGET", "M 31")], 0),
        ([("COLLECTION", ATLAS), ("FOV", "0.3 0.4"), ("SPATRES", "2 4")], 18),
        ([("COLLECTION", ATLAS), ("FOV", "1 +Inf")], 0),
        ([("COLLECTION", ATLAS), ("EXPTIME", "7.8"), ("TIMERES", "1 100"), ("SPECRP", "3 4")], 18),
        ([("COLLECTION", ATLAS), ("FORMAT", "image/fits")], 18),
        ([("COLLECTION", ATLAS), ("FORMAT", "application/x-votable+xml;content=datalink")], 18),
        ([("COLLECTION", ATLAS), ("FORMAT", "image/jpeg")], 18),
        ([("COLLECTION", ATLAS), ("FORMAT", "image/png"), ("FORMAT", "image/fits")], 36),
        ([("FORMAT", "text/html")], 0),
        ([("ID", "ivo://elsewhere/~?atlas/x")], 0),
    ],
)
def test_sia2_parameters(client: httpx.Client, parameters: list[tuple[str, str]], count: int) -> None:
    records = search_sia2(client, *parameters)
    assert len(records) == count
    assert len({(row["obs_publisher_did"], row["access_format"]) for row in records}) == count


def test_sia2_finds_image_by_identifier(client: httpx.Client) -> None:
    first, *_ = search_sia2(client, ("COLLECTION", ATLAS), ("MAXREC", "1"))
    did = first["obs_publisher_did"]
    assert search_sia2(client, ("ID", did)) == [first]
    (direct,) = search_sia2(client, ("id", did.replace("unregistered", "UnRegistered")), ("FORMAT", "image/fits"))
    assert direct["access_format"] == "image/fits"
    assert client.head(urlsplit(direct["access_url"]).path).headers["content-type"] == "image/fits"
    assert search_sia2(client, ("ID", did + "x")) == []
    (picture,) = search_sia2(client, ("ID", did), ("FORMAT", "image/png"))
    assert (picture["access_format"], picture["access_estsize"]) == ("image/png", "")
    assert Pillow.open(io.BytesIO(client.get(picture["access_url"]).content)).format == "PNG"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"POS": "BOX 1 2 3 4"}, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2"}, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 95 1"}, "REQUEST.BAD_REGION"),
        ({"POS": "CIRCLE 1 2 200"}, "REQUEST.BAD_REGION"),
        ({"POS": "POLYGON 1 2 3 4"}, "REQUEST.BAD_REGION"),
        ({"POS": "RANGE 1 2 4 3"}, "REQUEST.BAD_REGION"),
        ({"BAND": "1e-6 x"}, "REQUEST.BAD_PARAMETER"),
        ({"BAND": "2 1"}, "REQUEST.BAD_REGION"),
        ({"TIME": "1 2 3"}, "REQUEST.BAD_REGION"),
        ({"POL": "W"}, "REQUEST.BAD_PARAMETER"),
        ({"CALIB": "5"}, "REQUEST.BAD_PARAMETER"),
        ({"DPTYPE": "spectrum"}, "REQUEST.BAD_PARAMETER"),
        ({"COLLECTION": "2MASS All-Sky Atlass"}, "REQUEST.BAD_PARAMETER"),
        ({"MAXREC": "-1"}, "REQUEST.BAD_PARAMETER"),
        ({"RESPONSEFORMAT": "tiff"}, "REQUEST.UNSUPPORTED_FORMAT"),
    ],
)
def test_sia2_rejects_invalid_parameters(
    client: httpx.Client, votable: Any, parameters: dict[str, str], code: str
) -> None:
    response = client.get("/sia2/query", params=parameters)
    assert response.status_code == 400
    votable(response.content)
    assert read_error(response).startswith("UsageFault")
    assert response.headers["vo-error-code"] == code


def test_post_equals_get(client: httpx.Client) -> None:
    parameters = {"POS": [CIRCLE, "CIRCLE 1 1 1"], "RESPONSEFORMAT": "csv"}
    assert parse_rows(client.post("/sia2/query", data=parameters)) == search_sia2(client, ("POS", CIRCLE))


def test_maxrec_zero_returns_columns(client: httpx.Client, votable: Any) -> None:
    response = client.get("/sia2/query?MAXREC=0")
    table = votable(response.content).get_first_table()
    assert len(table.array) == 0
    assert len(table.fields) > 30


def test_pyvo_sia2(server: Any) -> None:
    service = pyvo.dal.SIA2Service(f"{server.url}/sia2")
    records = service.search(pos=(129.04, 19.68, 0.01), band=(2e-6, 2.2e-6), collection=ATLAS)
    assert len(records) == 1
    assert records[0].access_format == "application/x-votable+xml;content=datalink"
    (links,) = records.iter_datalinks()
    (this,) = (link for link in links if link["semantics"] == "#this")  # bysemantics sends requests to the internet
    assert this.content_type == "image/fits"
    with fits.open(io.BytesIO(httpx.get(this.access_url).content)) as hdus:
        assert hdus[0].header["FILTER"] == "k"
    assert [link["semantics"] for link in links].count("#coderived") == 2


# ------------------------------------------------------------------- ObsCore


def test_obscore_columns(ask: Any, votable: Any, shared: Path) -> None:
    read = json.loads((shared / "standards" / "tables" / "obscore_columns.json").read_text(encoding="utf-8"))
    fields = {f.name: f for f in votable(ask("SELECT TOP 3 * FROM ivoa.ObsCore").content).get_first_table().fields}
    assert {c["name"] for c in read["columns"] if c["mandatory"]} <= set(fields)
    for column in read["columns"]:
        field = fields.get(column["name"])
        if field is None or column["name"] == "bib_reference":  # for which validators know a better UCD
            continue
        metadata = (field.datatype, field.arraysize, str(field.unit or "") or None, field.ucd, field.utype)
        assert metadata == tuple(column[k] for k in ("datatype", "arraysize", "unit", "ucd", "utype")), column["name"]
    assert fields["s_region"].xtype == "adql:REGION"


def test_obscore_agrees_with_the_inventory(ask: Any) -> None:
    joined = ask(
        "SELECT o.s_fov - a.fov AS d, o.access_estsize, a.f_size, o.t_min, o.t_max, a.jdate, o.obs_title, a.band"
        " FROM ivoa.obscore AS o JOIN twomass.atlas AS a"
        " ON o.obs_publisher_did = 'ivo://unregistered.invalid/~?atlas/' || a.image"
        " WHERE AREA(o.s_region) BETWEEN 0.999 * AREA(a.footprint) AND 1.001 * AREA(a.footprint)",
        RESPONSEFORMAT="csv",
    )
    records = parse_rows(joined)
    assert len(records) == 18
    for row in records:
        assert float(row["d"]) == 0
        assert int(row["access_estsize"]) == -(-int(row["f_size"]) // 1000)
        middle = (float(row["t_min"]) + float(row["t_max"])) / 2
        assert middle == pytest.approx(float(row["jdate"]) - 2_400_000.5, abs=1e-6)
        assert re.fullmatch(
            rf"2MASS {row['band']} Atlas image: \d{{6}} [ns] scan \d{{3}} image \d{{4}}", row["obs_title"]
        )


def test_obscore_has_every_collection(ask: Any) -> None:
    records = parse_rows(
        ask("SELECT obs_collection AS c, COUNT(*) AS n FROM ivoa.obscore GROUP BY obs_collection", RESPONSEFORMAT="csv")
    )
    assert {row["c"]: int(row["n"]) for row in records} == {
        ATLAS: 18,
        "2MASS All-Sky Quicklook": 3,
        "2MASS All-Sky Stamps": 1,
    }


# ------------------------------------------------------------------ DataLink


def fetch_links(client: httpx.Client, votable: Any, *ids: str) -> Any:
    response = client.post("/datalink/links", data={"ID": list(ids)})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-votable+xml;content=datalink"
    return votable(response.content).get_first_table().to_table()


def test_links(client: httpx.Client, votable: Any) -> None:
    first, *_ = search_sia2(client, ("COLLECTION", ATLAS), ("POS", CIRCLE), ("BAND", "2.159e-6"))
    did = first["obs_publisher_did"]
    table = fetch_links(client, votable, "nothing", did, "ivo://unregistered.invalid/~?atlas/none", "ivo://elsewhere/x")
    assert list(dict.fromkeys(table["ID"])) == [
        "nothing",
        did,
        "ivo://unregistered.invalid/~?atlas/none",
        "ivo://elsewhere/x",
    ]
    errors = {row["ID"]: row["error_message"] for row in table if row["error_message"]}
    assert [e.partition(":")[0] for e in errors.values()] == ["UsageFault", "NotFoundFault", "NotFoundFault"]
    links = [row for row in table if row["ID"] == did]
    for row in links:
        assert sum(bool(row[c]) for c in ("access_url", "service_def", "error_message")) == 1
    (this,) = (row for row in links if row["semantics"] == "#this")
    response = client.get(urlsplit(this["access_url"]).path, headers={"Accept-Encoding": "gzip"})
    assert int(response.headers["content-length"]) == this["content_length"]
    siblings = [row for row in links if row["semantics"] == "#coderived"]
    assert len(siblings) >= 2
    assert all(row["local_semantics"] == "sibling" for row in siblings)
    assert any(row["semantics"] == "#documentation" for row in links)


@pytest.mark.parametrize(
    ("of", "modes"), [((("COLLECTION", ATLAS), ("BAND", "2.159e-6")), ["L", "RGB"]), ((("DPTYPE", "cube"),), ["RGB"])]
)
def test_links_to_pictures(
    client: httpx.Client, votable: Any, of: tuple[tuple[str, str], ...], modes: list[str]
) -> None:
    """There is a grey one, a colour one where all bands exist, and a thumbnail, each of the stated size."""
    did = search_sia2(client, *of)[0]["obs_publisher_did"]
    table = fetch_links(client, votable, did)
    pictures = {kind: [row for row in table if row["semantics"] == kind] for kind in ("#preview", "#thumbnail")}
    seen = {}
    for kind, links_of_kind in pictures.items():
        responses = [client.get(row["access_url"]) for row in links_of_kind]
        assert [a.headers["content-type"] for a in responses] == [row["content_type"] for row in links_of_kind]
        seen[kind] = [Pillow.open(io.BytesIO(a.content)) for a in responses]
    assert [picture.mode for picture in seen["#preview"]] == modes
    (thumbnail,) = seen["#thumbnail"]
    assert max(thumbnail.size) == 128


def test_links_state_cautions(client: httpx.Client, votable: Any) -> None:
    first, *_ = search_sia2(client, ("COLLECTION", "2MASS All-Sky Quicklook"))
    table = fetch_links(client, votable, first["obs_publisher_did"])
    (this,) = (row for row in table if row["semantics"] == "#this")
    assert "not for photometry" in this["description"]


def test_links_without_id_and_with_too_many(client: httpx.Client, votable: Any) -> None:
    assert len(fetch_links(client, votable)) == 0
    response = client.post("/datalink/links", data={"ID": [f"x{n}" for n in range(201)]})
    assert b'value="OVERFLOW"' in response.content
    assert len(votable(response.content).get_first_table().array) == 200
    assert client.get("/datalink/links?RESPONSEFORMAT=csv").status_code == 400
    page = client.get("/datalink/links?ID=x", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "UsageFault" in page.text
    assert "RESPONSEFORMAT" not in page.text
    assert client.get("/datalink/links?RESPONSEFORMAT=text/xml").headers["content-type"] == "text/xml"


# --------------------------------------------------------------------- files


def test_gzipped_file(client: httpx.Client, sky: Path, ask: Any) -> None:
    """The file is served whole and in ranges, gzipped to clients that accept gzip and plain to others."""
    (row,) = parse_rows(ask("SELECT TOP 1 image, path FROM twomass.atlas ORDER BY image", RESPONSEFORMAT="csv"))
    packed = (Path(find_image_root(Settings(data=sky), "atlas")) / row["path"]).read_bytes()
    url = f"/images/atlas/{row['image']}"
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert plain.content == gzip.decompress(packed)
    assert "content-encoding" not in plain.headers
    whole = client.get(url)
    assert (whole.content, whole.headers["content-encoding"]) == (plain.content, "gzip")
    assert whole.headers["content-type"] == plain.headers["content-type"] == "image/fits"
    assert int(whole.headers["content-length"]) == len(packed)
    assert re.fullmatch(r'attachment; filename="\w+\.fits"', whole.headers["content-disposition"])
    head = client.head(url)
    assert (head.content, head.headers["etag"]) == (b"", whole.headers["etag"])
    with client.stream("GET", url, headers={"Range": "bytes=10-19"}) as part:
        assert part.status_code == 206
        assert b"".join(part.iter_raw()) == packed[10:20]
        assert part.headers["content-range"] == f"bytes 10-19/{len(packed)}"
    assert client.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    unpacked = {"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]}
    assert client.get(url, headers=unpacked).status_code == 304


def test_plain_file(client: httpx.Client, sky: Path, ask: Any) -> None:
    (row,) = parse_rows(ask("SELECT stamp, path FROM twomass.stamps", RESPONSEFORMAT="csv"))
    stored = (Path(find_image_root(Settings(data=sky), "stamps")) / row["path"]).read_bytes()
    response = client.get(f"/images/stamps/{row['stamp']}")
    assert response.content == stored
    assert int(response.headers["content-length"]) == len(stored)


@pytest.mark.parametrize(
    "path", ["atlas/x", "nothing/x", "atlas/..%2F..%2Fcatalogues", "atlas/%2Fetc%2Fpasswd", "atlas"]
)
def test_missing_file(client: httpx.Client, path: str) -> None:
    response = client.get(f"/images/{path}")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/plain")


# ----------------------------------------------------------------- documents


@pytest.mark.parametrize("service", ["sia1/atlas", "sia1/quicklook", "sia1/stamps", "sia2", "datalink", "soda"])
def test_capabilities(client: httpx.Client, documents: etree.XMLSchema, service: str) -> None:
    response = client.get(f"/{service}/capabilities")
    read = etree.fromstring(response.content)
    documents.assertValid(read)
    ids = {
        "sia1": "ivo://ivoa.net/std/SIA",
        "sia2": "ivo://ivoa.net/std/SIA#query-2.0",
        "soda": "ivo://ivoa.net/std/SODA#sync-1.0",
    }
    standard_id = ids.get(service.partition("/")[0], "ivo://ivoa.net/std/DataLink#links-1.1")
    assert standard_id in [c.get("standardID") for c in read.iter("capability")]


def test_sia1_test_query_finds_images(client: httpx.Client) -> None:
    read = etree.fromstring(client.get("/sia1/atlas/capabilities").content)
    pos, size = ([read.findtext(f".//testQuery/{what}/{axis}") for axis in ("long", "lat")] for what in ("pos", "size"))
    assert search_sia1(client, POS=",".join(map(str, pos)), SIZE=",".join(map(str, size)))


RESPONSES = {
    "SIA 1": ("sia1/atlas", {**POSITION, "VERB": "3"}),
    "SIA 1 of cubes": ("sia1/stamps", {"POS": "129.1,19.7", "SIZE": "2", "VERB": "3"}),
    "SIA 1 in BINARY2": ("sia1/atlas", {**POSITION, "VERB": "1", "RESPONSEFORMAT": "votable/b2"}),
    "SIA 1 of pictures": ("sia1/atlas", {**POSITION, "FORMAT": "GRAPHIC-ALL"}),
    "metadata of SIA 1": ("sia1/atlas", {"FORMAT": "METADATA"}),
    "mistake in SIA 1": ("sia1/atlas", {"POS": "x"}),
    "SIA 2": ("sia2/query", {"POS": CIRCLE}),
    "SIA 2, cut": ("sia2/query", {"MAXREC": "2"}),
    "mistake in SIA 2": ("sia2/query", {"BAND": "x"}),
    "links": ("datalink/links", {"ID": "x"}),
}


@pytest.mark.stilts
@pytest.mark.parametrize("name", RESPONSES)
def test_votlint(client: httpx.Client, stilts: Callable[..., str], tmp_path: Path, name: str) -> None:
    path, parameters = RESPONSES[name]
    (tmp_path / "answer.vot").write_bytes(client.get(f"/{path}", params=parameters).content)
    output = stilts("votlint", str(tmp_path / "answer.vot")).splitlines()
    assert [line for line in output if "FIELD implies single character" not in line] == []


@pytest.mark.stilts
def test_datalinklint(server: Any, shared: Path, stilts: Callable[..., str]) -> None:
    """Offline the tool has the vocabulary of DataLink 1.0 only; terms are compared with the current one."""
    vocabulary = (shared / "standards" / "vocab" / "datalink-core.csv").read_text(encoding="utf-8")
    terms = {line.partition(";")[0] for line in vocabulary.splitlines()}
    (first,) = search_sia2(
        httpx.Client(base_url=server.url), ("POS", CIRCLE), ("BAND", "2.159e-6"), ("COLLECTION", ATLAS)
    )
    output = stilts("datalinklint", f"votable={first['access_url']}")
    complaints = [line for line in output.splitlines() if re.match("[EWF]-", line)]
    unknown = [re.search(r"E-SMCO-\S+ Unknown predicate '([\w-]+)'", line) for line in complaints]
    assert [line for line, m in zip(complaints, unknown, strict=True) if m is None or m[1] not in terms] == [], output
