"""Regions and MOCs over HTTP: uploads round-trip and can be queried, results declare their types."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.table import Table

from vo_server.errors import Code

UPLOAD = b"""<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="id" datatype="int"/>
<FIELD name="s_region" datatype="char" arraysize="*" xtype="adql:REGION" ucd="pos.outline"/>
<FIELD name="shape" datatype="char" arraysize="60*" xtype="shape"/>
<FIELD name="moc" datatype="char" arraysize="*" xtype="moc"/>
<FIELD name="disk" datatype="double" arraysize="3" xtype="circle"/>
<DATA><TABLEDATA>
<TR><TD>1</TD><TD>CIRCLE ICRS 10 20 1</TD><TD>polygon 9 19 11 19 11 21 9 21</TD><TD>6/1-3</TD><TD>10 20 1</TD></TR>
<TR><TD>2</TD><TD>Polygon ICRS 50 20 51 20 51 21</TD><TD>circle 50 20 0.5</TD><TD>0/0-11</TD><TD>50 20 2</TD></TR>
<TR><TD>3</TD><TD/><TD/><TD/><TD/></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


def send(client: httpx.Client, query: str, form: str = "csv") -> httpx.Response:
    parameters = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "mine,param:file", "RESPONSEFORMAT": form}
    return client.post("/tap/sync", data=parameters, files={"file": ("t.xml", UPLOAD)})


def rows(response: httpx.Response) -> list[list[str]]:
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.text)))[1:]


def test_uploads_round_trip(client: httpx.Client) -> None:
    response = send(client, "SELECT * FROM TAP_UPLOAD.mine ORDER BY id", "votable/td")
    table = parse(io.BytesIO(response.content)).get_first_table()
    assert [(f.name, f.datatype, f.arraysize, f.xtype) for f in table.fields] == [
        ("id", "int", None, None),
        ("s_region", "char", "*", "adql:REGION"),
        ("shape", "char", "60*", "shape"),
        ("moc", "char", "*", "moc"),
        ("disk", "double", "3", "circle"),
    ]
    assert list(table.array["s_region"]) == ["CIRCLE ICRS 10 20 1", "Polygon ICRS 50 20 51 20 51 21", ""]
    assert list(table.array["shape"]) == ["polygon 9 19 11 19 11 21 9 21", "circle 50 20 0.5", ""]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("1 = CONTAINS(POINT(10.5, 20), s_region)", ["1"]),
        ("1 = INTERSECTS(shape, s_region)", ["1", "2"]),
        ("1 = CONTAINS(POINT(50, 20.2), moc)", ["2"]),
        ("1 = CONTAINS(shape, disk)", ["2"]),
        ("AREA(moc) > 40000", ["2"]),
        ("s_region IS NULL", ["3"]),
        ("1 = INTERSECTS(disk, CIRCLE('GALACTIC', 0, -90, 170))", ["1", "2"]),
    ],
)
def test_queries_uploaded_regions(client: httpx.Client, condition: str, expected: list[str]) -> None:
    response = send(client, f"SELECT id FROM TAP_UPLOAD.mine WHERE {condition} ORDER BY id")
    assert rows(response) == [[e] for e in expected]


def test_joins_upload_with_published_table(client: httpx.Client) -> None:
    """A join of an uploaded MOC with published positions equals a test by their cells."""
    mine = "TAP_UPLOAD.mine AS m JOIN psc AS p ON 1 = CONTAINS(POINT(p.ra, p.dec), m.moc)"
    joined = f"SELECT COUNT(*) FROM {mine} WHERE m.id = 1"
    cells = "SELECT COUNT(*) FROM psc WHERE ivo_healpix_index(6, ra, dec) BETWEEN 1 AND 3"
    literal = "SELECT COUNT(*) FROM psc WHERE 1 = CONTAINS(POINT(ra, dec), MOC('6/1-3'))"
    assert rows(send(client, joined)) == rows(send(client, cells)) == rows(send(client, literal))


def test_moc_in_result(ask: Any) -> None:
    response = ask(
        "SELECT TOP 1 MOC(5, CIRCLE(10, 20, 1)) AS m, CIRCLE(10, 20, 1) AS c FROM psc", RESPONSEFORMAT="votable/td"
    )
    first, second = parse(io.BytesIO(response.content)).get_first_table().fields
    assert (first.datatype, first.arraysize, first.xtype, first.ucd) == ("char", "*", "moc", "pos.outline")
    assert (second.datatype, second.arraysize, second.xtype) == ("double", "3", "circle")


@pytest.mark.parametrize(
    ("query", "code", "column"),
    [
        ("SELECT MOC('6/x') FROM psc", Code.ADQL_BAD_LITERAL, "8"),
        ("SELECT CENTROID(MOC('6/1')) FROM psc", Code.ADQL_WRONG_ARGUMENTS, "8"),
        ("SELECT POINT('KLINGON', 1, 2) FROM psc", Code.ADQL_BAD_LITERAL, "14"),
        ("SELECT MOC(29, CIRCLE(10, 20, 90)) FROM psc", Code.ADQL_BAD_LITERAL, "8"),
    ],
)
def test_errors_have_codes(ask: Any, query: str, code: Code, column: str) -> None:
    response = ask(query)
    assert response.status_code == 400
    assert response.headers["vo-error-code"] == code
    assert f'name="ERROR_COLUMN" value="{column}"' in response.text


def test_warns_of_frame(ask: Any) -> None:
    response = ask("SELECT TOP 1 POINT('GALACTIC', 1, 2) FROM psc", RESPONSEFORMAT="votable/td")
    assert b"GALACTIC was rotated to ICRS" in response.content


def test_capabilities_announce_mocs(client: httpx.Client) -> None:
    text = client.get("/tap/capabilities").text
    assert "MOC(moc TEXT) -&gt; MOC" in text
    assert "MOC(order INTEGER, geo GEOMETRY) -&gt; MOC" in text


def test_pyvo_sends_a_moc(client: httpx.Client) -> None:
    service = pyvo.dal.TAPService(f"{str(client.base_url).rstrip('/')}/tap")
    table = Table({"id": [1, 2], "text": ["6/1-3", "5/7"]})
    query = "SELECT id, AREA(CAST(text AS MOC)) AS a FROM TAP_UPLOAD.mine ORDER BY id"
    found = service.search(query, uploads={"mine": table}).to_table()
    assert list(found["a"]) == pytest.approx([41252.96124941928 * 3 / (12 * 4**6), 41252.96124941928 / (12 * 4**5)])
