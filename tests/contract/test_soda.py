"""Cutouts by SODA 1.0, compared with astropy's Cutout2D and WCS."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import astropy.units as u
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
from PIL import Image as Pillow
from pyvo.dal import DALServiceError
from pyvo.dal.adhoc import SodaQuery

from tests.conftest import Listening
from tests.contract.test_images import ATLAS, search_sia2
from vo_server.assembly import load_site_catalogue
from vo_server.commands.images import plan_walk
from vo_server.engines.data_directory import DataDirectory
from vo_server.load.load import load
from vo_server.settings import Settings


def list_images(client: httpx.Client, collection: str, *further: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the identifiers and files of a collection's images."""
    records = search_sia2(client, ("COLLECTION", collection), ("FORMAT", "image/fits"), *further)
    return [(row["obs_publisher_did"], urlsplit(row["access_url"]).path) for row in records]


@pytest.fixture(scope="module")
def k_image(client: httpx.Client) -> tuple[str, fits.Header, Any]:
    """Return the identifier, the header and the pixels of an Atlas image in Ks."""
    return image(client, ATLAS, ("BAND", "2.159e-6"))


def image(client: httpx.Client, collection: str, *further: tuple[str, str]) -> tuple[str, fits.Header, Any]:
    (did, path), *_ = list_images(client, collection, *further)
    with fits.open(io.BytesIO(client.get(path).content)) as hdus:
        shown = next(unit for unit in hdus if unit.data is not None)
        return did, shown.header.copy(), shown.data.copy()


def fetch_cutout(client: httpx.Client, did: str, **parameters: Any) -> fits.PrimaryHDU:
    """Return a cutout, which must be valid."""
    response = client.get("/soda/sync", params={"ID": did, **parameters})
    assert (response.status_code, response.headers["content-type"]) == (200, "image/fits"), response.text
    assert int(response.headers["content-length"]) == len(response.content)
    hdus = fits.open(io.BytesIO(response.content))
    hdus.verify("exception")
    (unit,) = hdus
    return unit


def assert_agrees(cutout: fits.PrimaryHDU, header: fits.Header, pixels: Any) -> None:
    """Assert that a cutout has the pixels of Cutout2D, at the same positions within 0.01 arcsec."""
    wcs, cutout_wcs = WCS(header, naxis=2), WCS(cutout.header, naxis=2)
    left, bottom = np.rint(np.subtract(wcs.wcs.crpix, cutout_wcs.wcs.crpix))
    rows, columns = cutout.data.shape[-2:]
    centre = left + (columns - 1) / 2, bottom + (rows - 1) / 2
    for mine, whole in zip(np.atleast_3d(cutout.data.T).T, np.atleast_3d(pixels.T).T, strict=True):
        same = Cutout2D(whole, centre, (rows, columns), wcs=wcs)
        np.testing.assert_array_equal(mine, same.data)
    for x, y in ((0, 0), (columns - 1, 0), (columns / 3, rows)):
        cutout_positions = cutout_wcs.pixel_to_world(x, y)
        assert cutout_positions.separation(same.wcs.pixel_to_world(x, y)).arcsec < 0.01


# -------------------------------------------------------------- synchronous


def test_circle(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    ra, dec = WCS(header).pixel_to_world_values(200, 300)
    result = fetch_cutout(client, did, CIRCLE=f"{ra} {dec} {30 / 3600}")
    assert all(60 <= n <= 62 for n in result.data.shape)
    assert_agrees(result, header, pixels)
    assert result.header["MAGZP"] == header["MAGZP"]
    assert result.header["CUTFROM"] == did
    assert result.header["CUTSECT"].startswith("[")
    assert any("Cut out by vo_server/" in line for line in result.header["HISTORY"])


def test_equivalent_regions(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(150, 700))
    corners = f"{ra + 0.02} {dec - 0.01} {ra} {dec + 0.02} {ra - 0.01} {dec - 0.015}"
    same = fetch_cutout(client, did, POLYGON=corners), fetch_cutout(client, did, POS=f"polygon {corners}")
    np.testing.assert_array_equal(same[0].data, same[1].data)
    assert_agrees(same[0], header, pixels)
    here = f"{ra} {dec} 0.01"
    np.testing.assert_array_equal(
        fetch_cutout(client, did, CIRCLE=here).data, fetch_cutout(client, did, POS=f"CIRCLE {here}").data
    )
    open_range = fetch_cutout(client, did, POS=f"RANGE {ra - 0.01} {ra + 0.01} -Inf {dec}")
    assert_agrees(open_range, header, pixels)
    assert open_range.data.shape[0] > 650
    posted = client.post("/soda/sync", data={"id": did, "circle": here})
    assert fits.open(io.BytesIO(posted.content))[0].data.shape == fetch_cutout(client, did, CIRCLE=here).data.shape


def test_whole_image(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, header, pixels = k_image
    for parameters in ({}, {"CIRCLE": "129 19 40"}, {"BAND": "2e-6 +Inf"}, {"POS": "RANGE -Inf +Inf -90 90"}):
        cutout = fetch_cutout(client, did, **parameters)
        np.testing.assert_array_equal(cutout.data, pixels)
        assert_agrees(cutout, header, pixels)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-20, 530), y=st.floats(-20, 1040), arcsec=st.floats(0, 60))
def test_circles_at_the_edges(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], x: float, y: float, arcsec: float
) -> None:
    did, header, pixels = k_image
    rows, columns = pixels.shape
    ra, dec = WCS(header).pixel_to_world_values(x, y)
    response = client.get("/soda/sync", params={"ID": did, "CIRCLE": f"{ra} {dec} {arcsec / 3600}"})
    distance = np.hypot(max(-0.5 - x, 0, x - columns + 0.5), max(-0.5 - y, 0, y - rows + 0.5))
    if response.status_code == 204:
        assert distance > arcsec - 0.5
        assert response.content == b""
        return
    assert distance < arcsec + 0.5
    cutout = fits.open(io.BytesIO(response.content))[0]
    assert_agrees(cutout, header, pixels)
    left, bottom = (WCS(header).wcs.crpix - WCS(cutout.header).wcs.crpix).round()
    expected = [
        max(x - arcsec, -0.5),
        max(y - arcsec, -0.5),
        min(x + arcsec, columns - 0.5),
        min(y + arcsec, rows - 0.5),
    ]
    bounds = [left, bottom, left + cutout.data.shape[1] - 1, bottom + cutout.data.shape[0] - 1]
    if distance == 0:
        assert np.abs(np.subtract(bounds, expected)).max() < 1.2


def test_bands(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    did, *_ = k_image
    assert fetch_cutout(client, did, BAND="2.159e-6").header["FILTER"] == "k"
    for other in ("1e-6 1.3e-6", "3e-6 +Inf", "-Inf 1e-9"):
        response = client.get("/soda/sync", params={"ID": did, "BAND": other})
        assert (response.status_code, response.content) == (204, b"")


def test_planes_of_a_stamp(client: httpx.Client) -> None:
    did, header, pixels = image(client, "2MASS All-Sky Stamps")
    ra, dec = WCS(header, naxis=2).pixel_to_world_values(20, 20)
    assert_agrees(fetch_cutout(client, did, CIRCLE=f"{ra} {dec} 0.002"), header, pixels)
    assert fetch_cutout(client, did).data.shape == pixels.shape


@pytest.mark.parametrize(
    ("requested", "expected", "format"),
    [("png", "image/png", "PNG"), ("image/jpeg", "image/jpeg", "JPEG"), ("jpg", "image/jpeg", "JPEG")],
)
def test_pictures(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], requested: str, expected: str, format: str
) -> None:
    did, header, _ = k_image
    ra, dec = WCS(header).pixel_to_world_values(200, 300)
    parameters = {"ID": did, "CIRCLE": f"{ra} {dec} 0.01", "RESPONSEFORMAT": requested}
    response = client.get("/soda/sync", params=parameters)
    assert response.headers["content-type"] == expected
    with Pillow.open(io.BytesIO(response.content)) as picture:
        assert picture.format == format
        assert picture.size == fetch_cutout(client, did, CIRCLE=parameters["CIRCLE"]).data.shape[::-1]


def test_returns_requested_media_type(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    for requested in ("application/fits", "image/fits", "IMAGE/FITS"):
        response = client.get("/soda/sync", params={"ID": k_image[0], "BAND": "2e-6 3e-6", "RESPONSEFORMAT": requested})
        assert response.headers["content-type"] == requested.lower()
        assert response.content.startswith(b"SIMPLE")


# -------------------------------------------------------------------- errors

CIRCLE = "129.04 19.68 0.01"


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"ID": ""}, 400, "REQUEST.MISSING_PARAMETER"),
        ({"ID": "atlas/x"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"ID": "ivo://elsewhere/~?atlas/x"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": "ivo://unregistered.invalid/~?atlas/../x"}, 404, "IMAGE.NOT_FOUND"),
        ({"ID": ["ivo://a/b", "ivo://a/c"]}, 400, "REQUEST.REPEATED_PARAMETER"),
        ({"CIRCLE": [CIRCLE, CIRCLE]}, 400, "REQUEST.REPEATED_PARAMETER"),
        ({"CIRCLE": CIRCLE, "POS": f"CIRCLE {CIRCLE}"}, 400, "REQUEST.REPEATED_PARAMETER"),
        ({"BAND": ["1e-6 2e-6", "2e-6 3e-6"]}, 400, "REQUEST.REPEATED_PARAMETER"),
        ({"CIRCLE": "1 2"}, 400, "REQUEST.BAD_REGION"),
        ({"CIRCLE": "1 x 2"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"CIRCLE": "1 95 2"}, 400, "REQUEST.BAD_REGION"),
        ({"CIRCLE": "1 2 -1"}, 400, "REQUEST.BAD_REGION"),
        ({"CIRCLE": "1 2 181"}, 400, "REQUEST.BAD_REGION"),
        ({"CIRCLE": "nan 2 1"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"CIRCLE": "inf 2 1"}, 400, "REQUEST.BAD_REGION"),
        ({"POLYGON": "1 2 3 4"}, 400, "REQUEST.BAD_REGION"),
        ({"POLYGON": "0 0 1 1 1 0 0 1"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "BOX 1 2 3 4"}, 400, "REQUEST.BAD_REGION"),
        ({"POS": "RANGE 1 2 4 3"}, 400, "REQUEST.BAD_REGION"),
        ({"BAND": "K"}, 400, "REQUEST.BAD_PARAMETER"),
        ({"BAND": "3e-6 2e-6"}, 400, "REQUEST.BAD_REGION"),
        ({"BAND": "1 2 3"}, 400, "REQUEST.BAD_REGION"),
        ({"TIME": "51000 52000"}, 400, "REQUEST.UNSUPPORTED"),
        ({"POL": "I"}, 400, "REQUEST.UNSUPPORTED"),
        ({"RESPONSEFORMAT": "image/tiff"}, 400, "REQUEST.UNSUPPORTED_FORMAT"),
        ({"RESPONSEFORMAT": ["fits", "png"]}, 400, "REQUEST.REPEATED_PARAMETER"),
    ],
)
def test_rejects_invalid_parameters(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], params: dict[str, Any], status: int, code: str
) -> None:
    response = client.get("/soda/sync", params={"ID": k_image[0], **params})
    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8"), (
        response.text
    )
    assert response.headers["vo-error-code"] == code
    repeated = code == "REQUEST.REPEATED_PARAMETER"
    assert response.text.partition(":")[0] == ("MultiValuedParamNotSupported" if repeated else "UsageError")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["CIRCLE", "POLYGON", "POS", "BAND", "ID", "RESPONSEFORMAT"]),
    value=st.one_of(
        st.text(max_size=30),
        st.lists(st.floats(), min_size=1, max_size=8).map(lambda numbers: " ".join(map(str, numbers))),
        st.tuples(st.sampled_from(["CIRCLE", "RANGE", "POLYGON"]), st.lists(st.floats(-100, 400), max_size=8)).map(
            lambda both: " ".join([both[0], *map(str, both[1])])
        ),
    ),
)
def test_survives_any_parameter(
    client: httpx.Client, k_image: tuple[str, fits.Header, Any], name: str, value: str
) -> None:
    response = client.get("/soda/sync", params={"ID": k_image[0], name: value})
    assert response.status_code in (200, 204, 400, 404), response.text
    if response.status_code >= 400:
        assert response.text.startswith(("UsageError", "MultiValuedParamNotSupported"))


def test_cutout_is_centred_on_position(client: httpx.Client, k_image: tuple[str, fits.Header, Any]) -> None:
    """The cutout is centred on the requested position: positions are ICRS, and so is the header."""
    did, header, _ = k_image
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(300, 500))
    result = fetch_cutout(client, did, CIRCLE=f"{ra} {dec} {20 / 3600}")
    centre = WCS(result.header).pixel_to_world(*(np.array(result.data.shape[::-1]) - 1) / 2)
    assert centre.separation(SkyCoord(ra, dec, unit="deg", frame=centre.frame)).arcsec < 1.0


# --------------------------------------------------------------- descriptors


def read_descriptors(client: httpx.Client, votable: Any, *ids: str) -> list[Any]:
    """Return the descriptors among the links of data sets, which must be valid."""
    response = client.post("/datalink/links", data={"ID": list(ids)})
    return [r for r in votable(response.content).resources if r.utype == "adhoc:service"]


def read_inputs(service: Any) -> dict[str, Any]:
    (group,) = service.groups
    assert group.name == "inputParams"
    return {p.name: p for p in group.entries}


def test_descriptor_has_standard_parameters(
    client: httpx.Client, shared: Path, votable: Any, k_image: tuple[str, fits.Header, Any]
) -> None:
    standard = json.loads((shared / "standards" / "tables" / "soda_params.json").read_text(encoding="utf-8"))["params"]
    expected = {p["name"]: p for p in standard}
    for service in read_descriptors(client, votable, k_image[0]):
        inputs = read_inputs(service)
        assert {"ID", "POS", "CIRCLE", "POLYGON", "BAND"} <= set(inputs)
        for name in set(inputs) & set(expected):
            parameter = inputs[name]
            unit = str(parameter.unit) if parameter.unit else None
            properties = (parameter.datatype, parameter.arraysize, parameter.xtype, unit, parameter.ucd)
            assert properties == tuple(expected[name][k] for k in ("datatype", "arraysize", "xtype", "unit", "ucd")), (
                name
            )


def test_descriptor_has_ranges_of_image(
    client: httpx.Client, votable: Any, k_image: tuple[str, fits.Header, Any]
) -> None:
    did, header, _ = k_image
    for service in read_descriptors(client, votable, did):
        inputs = read_inputs(service)
        assert inputs["ID"].value == did
        assert inputs["ID"].ref is None
        ra, dec, radius = inputs["CIRCLE"].values.max
        x, y = header["NAXIS1"] - 0.5, header["NAXIS2"] - 0.5
        corners = SkyCoord(WCS(header).wcs_pix2world([[-0.5, -0.5], [x, -0.5], [x, y], [-0.5, y]], 0), unit="deg")
        assert SkyCoord(ra, dec, unit="deg").separation(corners).deg.max() == pytest.approx(radius, abs=1e-5)
        outline = inputs["POLYGON"].values.max.reshape(-1, 2)
        there = SkyCoord(outline, unit="deg")
        assert all(there.separation(corner).arcsec.min() < 0.1 for corner in corners)
        assert (float(inputs["BAND"].values.min), float(inputs["BAND"].values.max)) == (1.884e-6, 2.434e-6)
        sent = {"ID": did, "POLYGON": " ".join(map(str, outline.ravel())), "BAND": "1.884e-6 2.434e-6"}
        assert client.head("/soda/sync", params=sent).status_code == 200


def test_descriptors_of_several_images(client: httpx.Client, votable: Any) -> None:
    ids = [did for did, _ in list_images(client, ATLAS)[:3]]
    services = read_descriptors(client, votable, *ids, "ivo://elsewhere/x")
    assert all(read_inputs(service)["ID"].ref == "ID" for service in services)
    table = votable(client.post("/datalink/links", data={"ID": ids}).content).get_first_table().to_table()
    named = {row["service_def"]: row["ID"] for row in table if row["semantics"] in ("#cutout", "#proc")}
    assert set(named) == {service.ID for service in services}
    assert sorted(set(named.values())) == sorted(ids)


def test_descriptor_states_caution(client: httpx.Client, votable: Any) -> None:
    (did, _), *_ = list_images(client, "2MASS All-Sky Quicklook")
    table = votable(client.get("/datalink/links", params={"ID": did}).content).get_first_table().to_table()
    descriptions = [row["description"] for row in table if row["semantics"] in ("#this", "#cutout", "#proc")]
    assert len(descriptions) > 1
    assert all("not for photometry" in each for each in descriptions)


@pytest.mark.parametrize("name", ["obs_publisher_did", "which"])
def test_obscore_results_have_links_descriptor(client: httpx.Client, ask: Any, votable: Any, name: str) -> None:
    response = ask(f"SELECT TOP 2 obs_id, obs_publisher_did AS {name} FROM ivoa.obscore")
    (_, service) = votable(response.content).resources
    assert read_inputs(service)["ID"].ref == name
    assert {p.name: p.value for p in service.params}["standardID"] == "ivo://ivoa.net/std/DataLink#links-1.1"
    sent = {"QUERY": f"SELECT COUNT(*) FROM TAP_UPLOAD.t WHERE {name} IS NOT NULL", "UPLOAD": "t,param:f"}
    again = client.post(
        "/tap/sync", data=sent | {"LANG": "ADQL", "RESPONSEFORMAT": "csv"}, files={"f": response.content}
    )
    assert again.text.split()[1] == "2"


def test_other_results_have_no_links_descriptor(ask: Any, votable: Any) -> None:
    (resource,) = votable(ask("SELECT TOP 2 obs_id FROM ivoa.obscore").content).resources
    assert resource.type == "results"


# -------------------------------------------------------------------- clients

PYVO_CIRCLE = (129.04 * u.deg, 19.68 * u.deg, 0.004 * u.deg)


def read_cutout(stream: Any) -> fits.PrimaryHDU:
    return fits.open(io.BytesIO(stream.read()))[0]


def test_pyvo_cuts_sia_results(server: Any) -> None:
    records = pyvo.dal.SIA2Service(f"{server.url}/sia2").search(pos=(129.04, 19.68, 0.01), collection=ATLAS)
    assert len(records) == 3
    for record in records:
        cut_out = read_cutout(record.processed(circle=PYVO_CIRCLE))
        assert cut_out.header["CUTFROM"] == record["obs_publisher_did"]
        assert 28 <= min(cut_out.data.shape) <= 30
    seen = []
    for links in records.iter_datalinks():
        for link in links:
            if link.semantics == "#cutout":
                seen.append(link.id)
                by_row = read_cutout(link.processed(circle=PYVO_CIRCLE, band=(1e-6, 3e-6) * u.m))
                assert by_row.header["CUTFROM"] == link.id
                assert 28 <= min(by_row.data.shape) <= 30
    assert set(seen) == set(records["obs_publisher_did"])


def test_pyvo_cuts_tap_results(server: Any) -> None:
    query = f"SELECT obs_publisher_did, access_url, access_format FROM ivoa.obscore WHERE obs_collection = '{ATLAS}'"
    records = pyvo.dal.TAPService(f"{server.url}/tap").search(query, maxrec=1)
    whole_cutout = read_cutout(records[0].processed(range=(0, 360, -90, 90) * u.deg))
    assert whole_cutout.data.shape in ((1024, 512), (698, 512))
    triangle = (129.0, 19.0, 129.3, 19.0, 129.1, 20.0) * u.deg
    assert read_cutout(records[0].processed(polygon=triangle)).header["CUTFROM"] == records[0]["obs_publisher_did"]


def test_pyvo_soda_query(server: Any, k_image: tuple[str, fits.Header, Any]) -> None:
    """pyvo has a class for SODA; with it, polygons of descriptors must have a multiple of three numbers."""
    did, header, pixels = k_image
    url = f"{server.url}/soda/sync"
    ra, dec = (float(n) for n in WCS(header).pixel_to_world_values(200, 300))
    corners = (ra, dec, ra + 0.01, dec, ra + 0.01, dec + 0.01, ra, dec + 0.01) * u.deg
    query = SodaQuery(url, polygon=corners, band=(1.3e14, 1.5e14) * u.Hz, ID=did)
    assert_agrees(read_cutout(query.execute_stream()), header, pixels)
    query = SodaQuery(url, polygon=(0, 0, 1, 1, 1, 0, 0, 1) * u.deg, ID=did)
    query.execute_stream()
    with pytest.raises(DALServiceError, match=r"UsageError: .* cross"):
        query.raise_if_error()


@pytest.mark.stilts
def test_stilts_reads_the_descriptors(
    server: Any, stilts: Callable[..., str], k_image: tuple[str, fits.Header, Any]
) -> None:
    output = stilts("datalinklint", f"votable={server.url}/datalink/links?ID={quote(k_image[0])}")
    findings = [line for line in output.splitlines() if re.match("[EWF]-(?!SMCO)", line)]
    assert findings == []
    assert all(re.search(rf"Service descriptor soda-{mode}, 6 input params", output) for mode in ("sync", "async"))


# ---------------------------------------------------------------- real images


def test_real_atlas_images(shared: Path, tmp_path: Path, listening: Listening) -> None:
    """Images of NGC 309 and M 17; a missing and a damaged file give errors."""
    root = tmp_path / "images" / "atlas"
    root.mkdir(parents=True)
    files = sorted(f for f in (shared / "data" / "images").glob("*_asky_*.fits.gz") if re.match("ngc|m17", f.name))
    for file in files:
        shutil.copy(file, root)
    settings = Settings(data=tmp_path)
    atlas = load_site_catalogue(settings).get_collection("atlas")
    load(atlas, plan_walk(atlas, [], settings, load_site_catalogue(settings)), DataDirectory(tmp_path))
    random = np.random.default_rng(1)
    with listening(settings) as url, httpx.Client(base_url=url, timeout=60) as client:
        images = list_images(client, ATLAS)
        assert len(images) == len(files) >= 9
        for did, path in images:
            with fits.open(io.BytesIO(client.get(path).content)) as hdus:
                header, pixels = hdus[0].header, hdus[0].data
            for x, y, arcsec in random.uniform((20, 20, 5), (490, 650, 90), (3, 3)):
                ra, dec = WCS(header).pixel_to_world_values(x, y)
                assert_agrees(fetch_cutout(client, did, CIRCLE=f"{ra} {dec} {arcsec / 3600}"), header, pixels)
        missing, damaged, *_ = [did for did, _ in images]
        next(root.glob(f"*{missing.rpartition('/')[2]}*")).unlink()
        file = next(root.glob(f"*{damaged.rpartition('/')[2]}*"))
        file.write_bytes(file.read_bytes()[:5000])
        responses = [client.get("/soda/sync", params={"ID": did}) for did in (missing, damaged)]
        assert [response.status_code for response in responses] == [404, 500]
        assert client.get("/preview", params={"ID": missing}).status_code == 404
        assert [response.headers["vo-error-code"] for response in responses] == ["IMAGE.NOT_FOUND", "IMAGE.UNREADABLE"]
        assert all(response.text.startswith("Error: ") for response in responses)
        assert str(tmp_path) not in responses[0].text + responses[1].text
