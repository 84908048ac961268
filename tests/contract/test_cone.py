"""Simple Cone Search 1.03 from outside: its words, its errors, and that no star is missing or too many."""

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

V = "{http://www.ivoa.net/xml/VOTable/v1.3}"
HERE = {"RA": "266.4", "DEC": "-29", "SR": "4"}

Cone = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def cone(client: httpx.Client) -> Cone:
    def cone(id: str = "psc", **parameters: str) -> httpx.Response:
        return client.get(f"/cone/{id}", params=parameters)

    return cone


def tree(answer: httpx.Response) -> etree._Element:
    return etree.fromstring(answer.content)


# -------------------------------------------------------------- the answer


@pytest.mark.parametrize("verb", ["1", "2", "3"])
@pytest.mark.parametrize("id", ["psc", "xsc"])
def test_the_three_columns_that_clients_look_for(cone: Cone, id: str, verb: str) -> None:
    (resource,) = tree(cone(id, **HERE, VERB=verb)).findall(f"{V}RESOURCE")
    (table,) = resource.findall(f"{V}TABLE")
    fields = table.findall(f"{V}FIELD")
    for word, datatype, arraysize, unit in (
        ("ID_MAIN", "char", True, None),
        ("POS_EQ_RA_MAIN", "double", False, "deg"),
        ("POS_EQ_DEC_MAIN", "double", False, "deg"),
    ):
        (field,) = (f for f in fields if f.get("ucd") == word)
        assert (field.get("datatype"), field.get("unit")) == (datatype, unit)
        assert (field.get("arraysize") is not None) is arraysize
    assert not [f.get("ucd") for f in fields if "meta.main" in (f.get("ucd") or "")]
    assert all(f.findtext(f"{V}DESCRIPTION") for f in fields)


def test_verbosity(cone: Cone, ask: Any) -> None:
    names = [cone(**HERE, VERB=verb, RESPONSEFORMAT="csv").text.splitlines()[0].split(",") for verb in "123"]
    default = cone(**HERE, RESPONSEFORMAT="csv").text.splitlines()[0].split(",")
    assert default == names[1]
    assert set(names[0]) < set(names[1]) < set(names[2])
    all = ask("SELECT TOP 1 * FROM psc", RESPONSEFORMAT="csv").text.splitlines()[0].split(",")
    assert names[2] == [*all, "dist"]


def test_media_type(cone: Cone) -> None:
    assert cone(**HERE).headers["content-type"] == "text/xml"
    assert "<TABLEDATA>" in cone(**HERE).text
    assert cone(**HERE, RESPONSEFORMAT="votable/b2").headers["content-type"].endswith("serialization=BINARY2")
    assert cone(**HERE, RESPONSEFORMAT="csv").headers["content-type"] == "text/csv;header=present"


def test_a_radius_of_nothing_is_metadata(cone: Cone) -> None:
    answer = cone(RA="10", DEC="10", SR="0", VERB="3")
    assert answer.status_code == 200
    assert len(tree(answer).findall(f".//{V}FIELD")) == 61
    assert "<TR>" not in answer.text


def test_no_source_is_an_empty_table(cone: Cone) -> None:
    answer = cone(RA="10", DEC="10", SR="1e-9")
    assert "<TR>" not in answer.text
    assert tree(answer).find(f".//{V}FIELD[@ucd='ID_MAIN']") is not None
    assert 'value="Error"' not in answer.text


def test_maxrec(cone: Cone) -> None:
    whole = cone(**HERE)
    few = cone(**HERE, MAXREC="2")
    assert whole.text.count("<TR>") > 2 == few.text.count("<TR>")
    assert 'value="OVERFLOW"' in few.text
    assert 'value="OVERFLOW"' not in whole.text


def test_names_have_no_case_and_unknown_ones_are_ignored(cone: Cone) -> None:
    plain = cone(**HERE, RESPONSEFORMAT="csv")
    assert cone(ra="266.4", Dec="-29", sr="4", responseformat="csv", CATALOG="x", TABLE="y").content == plain.content


def test_post_is_get(client: httpx.Client, cone: Cone) -> None:
    form = HERE | {"RESPONSEFORMAT": "csv"}
    wanted = cone(**form).content
    assert client.post("/cone/psc", data=form).content == wanted
    assert client.post("/cone/psc", files={n: (None, v) for n, v in form.items()}).content == wanted


# -------------------------------------------------------------- its errors


@pytest.mark.parametrize(
    ("wrong", "code"),
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
def test_errors(cone: Cone, votable: Any, wrong: dict[str, str | None], code: Code) -> None:
    """One INFO named Error, below VOTABLE, status 200: the form in which old clients find it (section 2.3)."""
    answer = cone(**{name: value for name, value in (HERE | wrong).items() if value is not None})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml")
    infos = {info.get("name"): info.get("value") for info in tree(answer).findall(f"{V}INFO")}
    assert list(infos)[:2] == ["Error", "request_id"]
    assert infos["ERROR_CODE"] == answer.headers["vo-error-code"] == code
    assert tree(answer).find(f".//{V}TABLE") is None
    votable(answer.content)


def test_a_repeated_parameter(client: httpx.Client) -> None:
    answer = client.get("/cone/psc?RA=1&DEC=2&SR=3&ra=4")
    assert answer.headers["vo-error-code"] == Code.REQUEST_REPEATED_PARAMETER


# --------------------------------------------- the right stars, by brute force


@pytest.fixture(scope="module")
def stars(ask: Any) -> dict[str, tuple[list[str], np.ndarray]]:
    """Names and unit vectors of all rows, by table."""
    found = {}
    for id in ("psc", "xsc"):
        text = ask(f"SELECT designation, ra, dec FROM {id}", RESPONSEFORMAT="csv", MAXREC="1000000").text
        rows = list(csv.DictReader(io.StringIO(text)))
        places = [vector(float(row["ra"]), float(row["dec"])) for row in rows]
        found[id] = ([row["designation"] for row in rows], np.array(places))
    assert len(found["psc"][0]) == 20_000
    return found


def vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def distances(places: np.ndarray, ra: float, dec: float) -> np.ndarray:
    """Degrees, good at all distances."""
    centre = np.array(vector(ra, dec))
    across = np.linalg.norm(np.cross(places, centre), axis=1)
    return np.degrees(np.arctan2(across, places @ centre))


UNSURE = 1e-9
"""Degrees: a source that lies so close to the edge may be in or out by the rounding of its position."""

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
def test_as_by_brute_force(cone: Cone, stars: Any, id: str, ra: float, dec: float, radius: float) -> None:
    names, places = stars[id]
    far = dict(zip(names, distances(places, ra, dec), strict=True))
    answer = cone(id, RA=repr(ra), DEC=repr(dec), SR=repr(radius), VERB="1", RESPONSEFORMAT="csv")
    assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    got = [row["designation"] for row in rows]
    assert len(set(got)) == len(got)
    assert {name for name, d in far.items() if d < radius - UNSURE} <= set(got)
    assert set(got) <= {name for name, d in far.items() if d <= radius + UNSURE}
    told = [float(row["dist"]) for row in rows]
    assert told == sorted(told)
    assert told == pytest.approx([far[name] for name in got], abs=1e-7)


def test_the_whole_sky(cone: Cone) -> None:
    for ra, dec in (("0", "0"), ("360", "90"), ("12", "-90")):
        text = cone("psc", RA=ra, DEC=dec, SR="180", VERB="1", RESPONSEFORMAT="csv").text
        assert len(text.splitlines()) == 20_001


def test_360_is_0(cone: Cone) -> None:
    texts = [cone(RA=ra, DEC="5", SR="10", RESPONSEFORMAT="csv").text for ra in ("0", "360", "0.0")]
    assert len(texts[0].splitlines()) > 10
    assert texts[0] == texts[1] == texts[2]


def test_a_source_finds_itself(cone: Cone, ask: Any) -> None:
    """At its own printed position, within a thousandth of an arcsecond."""
    query = "SELECT TOP 40 designation, ra, dec FROM psc ORDER BY pts_key"
    for row in csv.DictReader(io.StringIO(ask(query, RESPONSEFORMAT="csv").text)):
        text = cone(RA=row["ra"], DEC=row["dec"], SR="2.8e-7", RESPONSEFORMAT="csv").text
        assert re.search(re.escape(row["designation"]), text)


NUMBERED = """
id = "numbered"
description = "Stars that have numbers for names"
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


@pytest.mark.parametrize(("said", "told"), [("[10, 20, 0.5]", (10, 20)), ("[200, -20, 0.5]", (10.1, 20.1))])
def test_numbers_as_names_and_a_test_that_finds_something(
    tmp_path: Path, listening: Any, said: str, told: tuple[float, float]
) -> None:
    """An identifier is a text in a cone search, and the test query of a file that finds nothing is not told."""
    (tmp_path / "numbered.toml").write_text(NUMBERED.replace("TEST", said), encoding="utf-8")
    (tmp_path / "rows.csv").write_text("number,ra,dec\n17,10.1,20.1\n", encoding="utf-8")
    options = Settings(data=tmp_path / "data", schemas=str(tmp_path))
    load(load_site_catalogue(options).get_collection("numbered"), [tmp_path / "rows.csv"], DataDirectory(options.data))
    with listening(options) as url, httpx.Client(base_url=url) as client:
        found = tree(client.get("/cone/numbered/capabilities")).find(".//testQuery")
        sample = [float(found.findtext(name)) for name in ("ra", "dec", "sr")]
        assert sample == [*told, 0.5]
        answer = tree(client.get("/cone/numbered", params=dict(zip(("RA", "DEC", "SR"), sample, strict=True))))
        (field,) = answer.iterfind(f".//{V}FIELD[@ucd='ID_MAIN']")
        assert (field.get("name"), field.get("datatype"), field.get("arraysize")) == ("number", "char", "*")
        assert [cell.text for cell in answer.iter(f"{V}TD")][:3] == ["17", "10.1", "20.1"]
