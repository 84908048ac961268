"""The documents of the running service are valid by the IVOA's schemas and agree with each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from lxml import etree

from vo_server.settings import Settings

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def parse_document(response: httpx.Response) -> etree._Element:
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/xml"
    return etree.fromstring(response.content)


@pytest.mark.parametrize(
    "service", ["tap", "cone/psc", "cone/xsc", "sia1/atlas", "sia1/stamps", "sia2", "datalink", "soda"]
)
@pytest.mark.parametrize(
    "document", ["capabilities", "availability", "tables", "tables?detail=min", "tables?DETAIL=max"]
)
def test_documents_are_valid(client: httpx.Client, documents: etree.XMLSchema, service: str, document: str) -> None:
    if document.startswith("tables") and service in ("datalink", "soda"):
        assert client.get(f"/{service}/{document}").status_code == 404
        return
    documents.assertValid(parse_document(client.get(f"/{service}/{document}")))


def test_each_table_has_document(client: httpx.Client, documents: etree.XMLSchema) -> None:
    tables = {t.findtext("name"): t for t in parse_document(client.get("/tap/tables")).iter("table")}
    brief = parse_document(client.get("/tap/tables?detail=min"))
    assert [t.findtext("name") for t in brief.iter("table")] == list(tables)
    assert brief.find(".//column") is None
    for name, table in tables.items():
        document = parse_document(client.get(f"/tap/tables/{quote(name)}"))
        documents.assertValid(document)
        assert [c.findtext("name") for c in document.iter("column")] == [
            c.findtext("name") for c in table.iter("column")
        ]
        assert int(document.findtext("nrows")) > 0


QUOTED_NAMES = """
id = "odd"
description = "A catalogue whose names must be quoted"
subjects = ["stars"]
[schema]
name = "Odd Schema"
title = "Odd"
description = "Names that must be quoted"
[table]
name = "select"
title = "Reserved"
description = "A table named by a reserved word"
identifier = "name"
position = { ra = "ra", dec = "dec" }
[columns.name]
type = "VARCHAR(8)"
ucd = "meta.id;meta.main"
nullable = false
description = "Name"
[columns.ra]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.ra;meta.main"
nullable = false
description = "Right ascension"
[columns.dec]
type = "DOUBLE PRECISION"
unit = "deg"
ucd = "pos.eq.dec;meta.main"
nullable = false
description = "Declination"
[columns."a b"]
type = "REAL"
description = "A name with a blank"
[origin]
title = "Odd"
publisher = "Nobody"
creators = ["Nobody"]
"""


def test_quoted_names(sky: Path, tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    """Names are quoted in documents and in URLs."""
    (tmp_path / "odd.toml").write_text(QUOTED_NAMES, encoding="utf-8")
    with (
        listening(Settings(data=sky, schemas=str(tmp_path))) as url,
        httpx.Client(base_url=url) as client,
    ):
        tables = parse_document(client.get("/tap/tables"))
        documents.assertValid(tables)
        name = '"Odd Schema"."select"'
        assert name in [t.findtext("name") for t in tables.iter("table")]
        document = parse_document(client.get(f"/tap/tables/{quote(name)}"))
        documents.assertValid(document)
        assert '"a b"' in [c.findtext("name") for c in document.iter("column")]
        query = "SELECT table_name FROM tap_schema.tables WHERE schema_name LIKE '%Odd%'"
        result = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query, "FORMAT": "tsv"}).text
        assert result.splitlines()[1] == name
        missing = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": f"SELECT * FROM {name}"})
        assert missing.status_code in (400, 503)
        assert "not been loaded" in missing.text
        availability = parse_document(client.get("/tap/availability"))
        assert "not been loaded" in "".join(availability.itertext())


def test_tap_capability(client: httpx.Client) -> None:
    capabilities = parse_document(client.get("/tap/capabilities")).findall("capability")
    (tap,) = (c for c in capabilities if c.get("standardID") == "ivo://ivoa.net/std/TAP")
    assert tap.get(XSI_TYPE) == "tr:TableAccess"
    (interface,) = tap.findall("interface")
    assert (interface.get("role"), interface.get("version")) == ("std", "1.1")
    url = interface.find("accessURL")
    assert (url.get("use"), url.text) == ("base", f"{str(client.base_url).rstrip('/')}/tap")
    ids = [c.get("standardID").removeprefix("ivo://ivoa.net/std/") for c in capabilities if c is not tap]
    assert ids == ["DALI#examples", "VOSI#capabilities", "VOSI#availability", "VOSI#tables-1.1"]


def test_capabilities_without_rows_are_valid(
    sky: Path, tmp_path: Path, listening: Any, documents: etree.XMLSchema
) -> None:
    """A limit of 0 rows is left out where the schema (SimpleDALRegExt 1.1) counts from 1."""
    with (
        listening(Settings(data=sky, job_results=str(tmp_path), maxrec_hard=0)) as url,
        httpx.Client(base_url=url) as client,
    ):
        for service in ("tap", "cone/psc", "sia1/atlas"):
            documents.assertValid(parse_document(client.get(f"/{service}/capabilities")))


def test_urls_of_capabilities_exist(client: httpx.Client) -> None:
    for service in ("tap", "cone/psc", "cone/xsc"):
        for url in parse_document(client.get(f"/{service}/capabilities")).iter("accessURL"):
            assert client.get(url.text.rstrip("?")).status_code == 200


def test_sample_cones(client: httpx.Client, real_server: Any) -> None:
    """The sample cones are declared and can be searched; the synthetic sky may have no source there."""
    for id in ("psc", "xsc"):
        (cone,) = (
            c
            for c in parse_document(client.get(f"/cone/{id}/capabilities")).findall("capability")
            if c.get("standardID") == "ivo://ivoa.net/std/ConeSearch"
        )
        assert cone.get(XSI_TYPE) == "cs:ConeSearch"
        assert cone.findtext("interface/accessURL").endswith(f"/cone/{id}?")
        assert cone.findtext("verbosity") == "true"
        query = {word.upper(): cone.findtext(f"testQuery/{word}") for word in ("ra", "dec", "sr")}
        assert client.get(f"/cone/{id}", params=query).status_code == 200


def test_tap_schema_agrees_with_tables(client: httpx.Client, ask: Callable[..., httpx.Response]) -> None:
    expected = [
        (t.findtext("name"), c.findtext("name"), c.findtext("unit") or "", c.findtext("ucd") or "")
        for t in parse_document(client.get("/tap/tables")).iter("table")
        for c in t.findall("column")
    ]
    query = "SELECT table_name, column_name, unit, ucd FROM tap_schema.columns"
    lines = ask(query, RESPONSEFORMAT="tsv").text.splitlines()[1:]
    assert sorted(tuple(line.split("\t")) for line in lines) == sorted(expected)


VOTABLES = [
    *((f"SELECT TOP 20 * FROM {table}", {}) for table in ("psc", "xsc", "tap_schema.columns", "tap_schema.keys")),
    *(("SELECT TOP 20 * FROM psc", {"RESPONSEFORMAT": f"votable/{kind}"}) for kind in ("td", "b", "b2")),
    *(("SELECT TOP 20 * FROM xsc", {"RESPONSEFORMAT": f"votable/{kind}"}) for kind in ("td", "b")),
    ("SELECT * FROM psc", {"MAXREC": "0"}),
    ("SELECT * FROM psc", {"MAXREC": "3"}),
    ("SELECT POINT(ra, dec) AS p, CIRCLE(ra, dec, 1) AS c, POLYGON(ra, dec, 1, 1, 2, 2) AS o FROM xsc", {}),
    ("SELECT COUNT(*) AS n, AVG(j_m), MIN(designation), 1 + 1, 'x' FROM psc", {}),
]


@pytest.mark.parametrize(("query", "options"), VOTABLES)
def test_votables_are_valid(
    ask: Callable[..., httpx.Response], votable: Any, query: str, options: dict[str, str]
) -> None:
    response = ask(query, **options)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-votable+xml")
    table = votable(response.content).get_first_table()
    assert len({field.ID for field in table.fields}) == len(table.fields)


@pytest.mark.parametrize(
    "query", ["SELECT", "SELECT \x01 <&\"'> FROM psc", "SELECT é FROM psc", "SELECT CAST('x' AS INTEGER) FROM psc"]
)
def test_error_documents_are_valid(ask: Callable[..., httpx.Response], votable: Any, query: str) -> None:
    response = ask(query)
    assert response.status_code == 400
    (resource,) = votable(response.content).resources
    (status,) = resource.infos
    assert (status.name, status.value) == ("QUERY_STATUS", "ERROR")
    assert status.content.startswith("UsageFault: ")


CONES = [
    {"RA": "266.4", "DEC": "-29", "SR": "5", "VERB": "3"},
    {"RA": "266.4", "DEC": "-29", "SR": "5", "RESPONSEFORMAT": "votable/b2"},
    {"RA": "266.4", "DEC": "-29", "SR": "0"},
    {"RA": "266.4", "DEC": "-29", "SR": "5", "MAXREC": "1"},
]


@pytest.mark.parametrize("parameters", CONES)
@pytest.mark.parametrize("id", ["psc", "xsc"])
def test_cone_responses_are_valid(client: httpx.Client, votable: Any, id: str, parameters: dict[str, str]) -> None:
    votable(client.get(f"/cone/{id}", params=parameters).content, ucd1=True)


def test_front_page_has_tables_and_services(client: httpx.Client) -> None:
    for path in ("/", "/tap"):
        page = client.get(path).text
        for text in ("twomass.psc", "20,000", f"{str(client.base_url).rstrip('/')}/tap", "/cone/psc"):
            assert re.search(re.escape(text), page), text
