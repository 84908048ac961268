"""Simple Cone Search 1.03 over HTTP: columns, parameters, errors, and rows compared with brute force."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from vo_server.assembly import load_site_catalogue
from vo_server.engines.data_directory import DataDirectory
from vo_server.errors import Code
from vo_server.load.load import load
from vo_server.settings import Settings

VOTABLE = "{http://www.ivoa.net/xml/VOTable/v1.3}"
POSITION = {"RA": "266.4", "DEC": "-29", "SR": "4"}

Cone = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def cone(client: httpx.Client) -> Cone:
    def cone(id: str = "psc", **parameters: str) -> httpx.Response:
        return client.get(f"/cone/{id}", params=parameters)

    return cone


def parse_document(response: httpx.Response) -> etree._Element:
    return etree.fromstring(response.content)


# --------------------------------------------------------------- responses


@pytest.mark.parametrize("verb", ["1", "2", "3"])
@pytest.mark.parametrize("id", ["psc", "xsc"])
def test_has_three_main_columns(cone: Cone, id: str, verb: str) -> None:
    (resource,) = parse_document(cone(id, **POSITION, VERB=verb)).findall(f"{VOTABLE}RESOURCE")
    (table,) = resource.findall(f"{VOTABLE}TABLE")
    fields = table.findall(f"{VOTABLE}FIELD")
    for ucd, datatype, arraysize, unit in (
        ("ID_MAIN", "char", True, None),
        ("POS_EQ_RA_MAIN", "double", False, "deg"),
        ("POS_EQ_DEC_MAIN", "double", False, "deg"),
    ):
        (field,) = (f for f in fields if f.get("ucd") == ucd)
        assert (field.get("datatype"), field.get("unit")) == (datatype, unit)
        assert (field.get("arraysize") is not None) is arraysize
    assert not [f.get("ucd") for f in fields if "meta.main" in (f.get("ucd") or "")]
    assert all(f.findtext(f"{VOTABLE}DESCRIPTION") for f in fields)


def test_verbosity(cone: Cone, ask: Any) -> None:
    names = [cone(**POSITION, VERB=verb, RESPONSEFORMAT="csv").text.splitlines()[0].split(",") for verb in "123"]
    default = cone(**POSITION, RESPONSEFORMAT="csv").text.splitlines()[0].split(",")
    assert default == names[1]
    assert set(names[0]) < set(names[1]) < set(names[2])
    all = ask("SELECT TOP 1 * FROM psc", RESPONSEFORMAT="csv").text.splitlines()[0].split(",")
    assert names[2] == [*all, "dist"]


def test_media_type(cone: Cone) -> None:
    assert cone(**POSITION).headers["content-type"] == "text/xml"
    assert "<TABLEDATA>" in cone(**POSITION).text
    assert cone(**POSITION, RESPONSEFORMAT="votable/b2").headers["content-type"].endswith("serialization=BINARY2")
    assert cone(**POSITION, RESPONSEFORMAT="csv").headers["content-type"] == "text/csv;header=present"


def test_zero_radius_returns_columns(cone: Cone) -> None:
    response = cone(RA="10", DEC="10", SR="0", VERB="3")
    assert response.status_code == 200
    assert len(parse_document(response).findall(f".//{VOTABLE}FIELD")) == 61
    assert "<TR>" not in response.text


def test_no_matches_is_empty_table(cone: Cone) -> None:
    response = cone(RA="10", DEC="10", SR="1e-9")
    assert "<TR>" not in response.text
    assert parse_document(response).find(f".//{VOTABLE}FIELD[@ucd='ID_MAIN']") is not None
    assert 'value="Error"' not in response.text


def test_maxrec(cone: Cone) -> None:
    all_rows = cone(**POSITION)
    two_rows = cone(**POSITION, MAXREC="2")
    assert all_rows.text.count("<TR>") > 2 == two_rows.text.count("<TR>")
    assert 'value="OVERFLOW"' in two_rows.text
    assert 'value="OVERFLOW"' not in all_rows.text


def test_parameter_names_ignore_case(cone: Cone) -> None:
    plain = cone(**POSITION, RESPONSEFORMAT="csv")
    assert cone(ra="266.4", Dec="-29", sr="4", responseformat="csv", CATALOG="x", TABLE="y").content == plain.content


def test_post_equals_get(client: httpx.Client, cone: Cone) -> None:
    form = POSITION | {"RESPONSEFORMAT": "csv"}
    expected = cone(**form).content
    assert client.post("/cone/psc", data=form).content == expected
    assert client.post("/cone/psc", files={n: (None, v) for n, v in form.items()}).content == expected


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RA": None}, Code.REQUEST_MISSING_PARAMETER),
        ({"DEC": None}, Code.REQUEST_MISSING_PARAMETER),
        ({"SR": None}, Code.REQUEST_MISSING_PARAMETER),
        ({"SR": ""}, Code.REQUEST_MISSING_PARAMETER),
        ({"RA": "as3f"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "12:30:00"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "1 2"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "1_0"}, Code.REQUEST_BAD_PARAMETER),
        ({"DEC": "NaN"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "inf"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "-0.001"}, Code.REQUEST_BAD_PARAMETER),
        ({"RA": "360.001"}, Code.REQUEST_BAD_PARAMETER),
        ({"DEC": "90.0001"}, Code.REQUEST_BAD_PARAMETER),
        ({"DEC": "-91"}, Code.REQUEST_BAD_PARAMETER),
        ({"SR": "-1"}, Code.REQUEST_BAD_PARAMETER),
        ({"SR": "180.1"}, Code.REQUEST_BAD_PARAMETER),
        ({"VERB": "4"}, Code.REQUEST_BAD_PARAMETER),
        ({"VERB": "x"}, Code.REQUEST_BAD_PARAMETER),
        ({"MAXREC": "-1"}, Code.REQUEST_BAD_PARAMETER),
        ({"RESPONSEFORMAT": "pdf"}, Code.REQUEST_UNSUPPORTED_FORMAT),
    ],
)
def test_errors(cone: Cone, votable: Any, changes: dict[str, str | None], code: Code) -> None:
    """An error is an INFO named Error below VOTABLE, with status 200, where old clients find it (section 2.3)."""
    response = cone(**{name: value for name, value in (POSITION | changes).items() if value is not None})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml")
    infos = {info.get("name"): info.get("value") for info in parse_document(response).findall(f"{VOTABLE}INFO")}
    assert list(infos)[:2] == ["Error", "request_id"]
    assert infos["ERROR_CODE"] == response.headers["vo-error-code"] == code
    assert parse_document(response).find(f".//{VOTABLE}TABLE") is None
    votable(response.content)


def test_rejects_repeated_parameter(client: httpx.Client) -> None:
    response = client.get("/cone/psc?RA=1&DEC=2&SR=3&ra=4")
    assert response.headers["vo-error-code"] == Code.REQUEST_REPEATED_PARAMETER


# ------------------------------------------------------------------- rows


@pytest.fixture(scope="module")
def stars(ask: Any) -> dict[str, tuple[list[str], np.ndarray]]:
    """Return the names and unit vectors (n, 3) of all rows, by table."""
    tables = {}
    for id in ("psc", "xsc"):
        text = ask(f"SELECT designation, ra, dec FROM {id}", RESPONSEFORMAT="csv", MAXREC="1000000").text
        rows = list(csv.DictReader(io.StringIO(text)))
        positions = [to_vector(float(row["ra"]), float(row["dec"])) for row in rows]
        tables[id] = ([row["designation"] for row in rows], np.array(positions))
    assert len(tables["psc"][0]) == 20_000
    return tables


def to_vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def distances(positions: np.ndarray, ra: float, dec: float) -> np.ndarray:
    """Return the distances of unit vectors (n, 3) from a position in degrees, accurate at all distances."""
    centre = np.array(to_vector(ra, dec))
    across = np.linalg.norm(np.cross(positions, centre), axis=1)
    return np.degrees(np.arctan2(across, positions @ centre))


ROUNDING_DEGREES = 1e-9
"""A source this close to the edge may be inside or outside, by rounding."""

ra = st.floats(0, 360) | st.sampled_from([0.0, 1e-7, 180.0, 359.9999999, 360.0])
dec = st.floats(-90, 90) | st.sampled_from([-90.0, -89.9999, 0.0, 89.9999, 90.0])
radius = st.floats(1e-6, 180) | st.sampled_from([0.01, 1.0, 5.0, 90.0, 179.999, 180.0])


@settings(max_examples=40, deadline=None)
@given(id=st.sampled_from(["psc", "psc", "xsc"]), ra=ra, dec=dec, radius=radius)
@example(id="psc", ra=0.0, dec=90.0, radius=12.0)
@example(id="psc", ra=123.0, dec=-90.0, radius=12.0)
@example(id="psc", ra=0.0, dec=0.0, radius=5.0)
@example(id="psc", ra=360.0, dec=30.0, radius=6.0)
@example(id="psc", ra=359.9, dec=89.5, radius=3.0)
@example(id="psc", ra=77.0, dec=11.0, radius=180.0)
@example(id="xsc", ra=180.0, dec=-89.0, radius=90.0)
def test_agrees_with_brute_force(cone: Cone, stars: Any, id: str, ra: float, dec: float, radius: float) -> None:
    names, positions = stars[id]
    distance_by_name = dict(zip(names, distances(positions, ra, dec), strict=True))
    response = cone(id, RA=repr(ra), DEC=repr(dec), SR=repr(radius), VERB="1", RESPONSEFORMAT="csv")
    assert response.status_code == 200, response.text
    rows = list(csv.DictReader(io.StringIO(response.text)))
    found = [row["designation"] for row in rows]
    assert len(set(found)) == len(found)
    assert {name for name, d in distance_by_name.items() if d < radius - ROUNDING_DEGREES} <= set(found)
    assert set(found) <= {name for name, d in distance_by_name.items() if d <= radius + ROUNDING_DEGREES}
    distance_column = [float(row["dist"]) for row in rows]
    assert distance_column == sorted(distance_column)
    assert distance_column == pytest.approx([distance_by_name[name] for name in found], abs=1e-7)


def test_whole_sky(cone: Cone) -> None:
    for ra, dec in (("0", "0"), ("360", "90"), ("12", "-90")):
        text = cone("psc", RA=ra, DEC=dec, SR="180", VERB="1", RESPONSEFORMAT="csv").text
        assert len(text.splitlines()) == 20_001


def test_ra_360_equals_0(cone: Cone) -> None:
    texts = [cone(RA=ra, DEC="5", SR="10", RESPONSEFORMAT="csv").text for ra in ("0", "360", "0.0")]
    assert len(texts[0].splitlines()) > 10
    assert texts[0] == texts[1] == texts[2]


def test_finds_source_at_its_position(cone: Cone, ask: Any) -> None:
    """A search at the printed position, with a radius of a thousandth of an arcsecond, finds the source."""
    query = "SELECT TOP 40 designation, ra, dec FROM psc ORDER BY pts_key"
    for row in csv.DictReader(io.StringIO(ask(query, RESPONSEFORMAT="csv").text)):
        text = cone(RA=row["ra"], DEC=row["dec"], SR="2.8e-7", RESPONSEFORMAT="csv").text
        assert re.search(re.escape(row["designation"]), text)


NUMBERED_STARS = """
id = "numbered"
description = "Stars whose names are numbers"
[schema]
name = "mine"
[table]
name = "numbered"
identifier = "number"
position = { ra = "ra", dec = "dec" }
[columns.number]
type = "INTEGER"
nullable = false
principal = true
ucd = "meta.id;meta.main"
description = "Number"
[columns.ra]
type = "DOUBLE PRECISION"
nullable = false
principal = true
unit = "deg"
ucd = "pos.eq.ra;meta.main"
description = "Right ascension"
[columns.dec]
type = "DOUBLE PRECISION"
nullable = false
principal = true
unit = "deg"
ucd = "pos.eq.dec;meta.main"
description = "Declination"
[cone]
test = TEST
verb1 = ["number", "ra", "dec"]
[origin]
title = "Numbered stars"
publisher = "Nobody"
creators = ["Nobody"]
"""


@pytest.mark.parametrize(("test_query", "expected"), [("[10, 20, 0.5]", (10, 20)), ("[200, -20, 0.5]", (10.1, 20.1))])
def test_numeric_identifiers_and_sample_query(
    tmp_path: Path, listening: Any, test_query: str, expected: tuple[float, float]
) -> None:
    """An identifier is a text in a cone search, and a test query that finds nothing is replaced."""
    (tmp_path / "numbered.toml").write_text(NUMBERED_STARS.replace("TEST", test_query), encoding="utf-8")
    (tmp_path / "rows.csv").write_text("number,ra,dec\n17,10.1,20.1\n", encoding="utf-8")
    options = Settings(data=tmp_path / "data", schemas=str(tmp_path))
    load(load_site_catalogue(options).get_collection("numbered"), [tmp_path / "rows.csv"], DataDirectory(options.data))
    with listening(options) as url, httpx.Client(base_url=url) as client:
        element = parse_document(client.get("/cone/numbered/capabilities")).find(".//testQuery")
        sample = [float(element.findtext(name)) for name in ("ra", "dec", "sr")]
        assert sample == [*expected, 0.5]
        response = parse_document(
            client.get("/cone/numbered", params=dict(zip(("RA", "DEC", "SR"), sample, strict=True)))
        )
        (field,) = response.iterfind(f".//{VOTABLE}FIELD[@ucd='ID_MAIN']")
        assert (field.get("name"), field.get("datatype"), field.get("arraysize")) == ("number", "char", "*")
        assert [cell.text for cell in response.iter(f"{VOTABLE}TD")][:3] == ["17", "10.1", "20.1"]
