"""Every document that the running service gives is valid by the IVOA's schemas, and they agree with each other."""

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


def tree(answer: httpx.Response) -> etree._Element:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml"
    return etree.fromstring(answer.content)


@pytest.mark.parametrize(
    "service", ["tap", "cone/psc", "cone/xsc", "sia1/atlas", "sia1/stamps", "sia2", "datalink", "soda"]
)
@pytest.mark.parametrize(
    "document", ["capabilities", "availability", "tables", "tables?detail=min", "tables?DETAIL=max"]
)
def test_valid(client: httpx.Client, documents: etree.XMLSchema, service: str, document: str) -> None:
    if document.startswith("tables") and service in ("datalink", "soda"):
        assert client.get(f"/{service}/{document}").status_code == 404
        return
    documents.assertValid(tree(client.get(f"/{service}/{document}")))


def test_every_table_has_its_own_document(client: httpx.Client, documents: etree.XMLSchema) -> None:
    whole = {t.findtext("name"): t for t in tree(client.get("/tap/tables")).iter("table")}
    least = tree(client.get("/tap/tables?detail=min"))
    assert [t.findtext("name") for t in least.iter("table")] == list(whole)
    assert least.find(".//column") is None
    for name, table in whole.items():
        one = tree(client.get(f"/tap/tables/{quote(name)}"))
        documents.assertValid(one)
        assert [c.findtext("name") for c in one.iter("column")] == [c.findtext("name") for c in table.iter("column")]
        assert int(one.findtext("nrows")) > 0


ODD = """
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


def test_names_with_quotes(sky: Path, tmp_path: Path, listening: Any, documents: etree.XMLSchema) -> None:
    """Names stand with their quotes in the documents and in addresses."""
    (tmp_path / "odd.toml").write_text(ODD, encoding="utf-8")
    with (
        listening(Settings(data=sky, schemas=str(tmp_path))) as url,
        httpx.Client(base_url=url) as client,
    ):
        whole = tree(client.get("/tap/tables"))
        documents.assertValid(whole)
        name = '"Odd Schema"."select"'
        assert name in [t.findtext("name") for t in whole.iter("table")]
        one = tree(client.get(f"/tap/tables/{quote(name)}"))
        documents.assertValid(one)
        assert '"a b"' in [c.findtext("name") for c in one.iter("column")]
        query = "SELECT table_name FROM tap_schema.tables WHERE schema_name LIKE '%Odd%'"
        said = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": query, "FORMAT": "tsv"}).text
        assert said.splitlines()[1] == name
        missing = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": f"SELECT * FROM {name}"})
        assert missing.status_code in (400, 503)
        assert "not been loaded" in missing.text
        up = tree(client.get("/tap/availability"))
        assert "not been loaded" in "".join(up.itertext())


def test_the_tap_capability(client: httpx.Client) -> None:
    found = tree(client.get("/tap/capabilities")).findall("capability")
    (tap,) = (c for c in found if c.get("standardID") == "ivo://ivoa.net/std/TAP")
    assert tap.get(XSI_TYPE) == "tr:TableAccess"
    (interface,) = tap.findall("interface")
    assert (interface.get("role"), interface.get("version")) == ("std", "1.1")
    url = interface.find("accessURL")
    assert (url.get("use"), url.text) == ("base", f"{str(client.base_url).rstrip('/')}/tap")
    ids = [c.get("standardID").removeprefix("ivo://ivoa.net/std/") for c in found if c is not tap]
    assert ids == ["DALI#examples", "VOSI#capabilities", "VOSI#availability", "VOSI#tables-1.1"]


def test_capabilities_of_a_service_that_gives_no_rows(
    sky: Path, tmp_path: Path, listening: Any, documents: etree.XMLSchema
) -> None:
    """A limit of none cannot be said everywhere: SimpleDALRegExt 1.1 counts from one."""
    with (
        listening(Settings(data=sky, job_results=str(tmp_path), maxrec_hard=0)) as url,
        httpx.Client(base_url=url) as client,
    ):
        for service in ("tap", "cone/psc", "sia1/atlas"):
            documents.assertValid(tree(client.get(f"/{service}/capabilities")))


def test_every_url_of_the_capabilities_answers(client: httpx.Client) -> None:
    for service in ("tap", "cone/psc", "cone/xsc"):
        for url in tree(client.get(f"/{service}/capabilities")).iter("accessURL"):
            assert client.get(url.text.rstrip("?")).status_code == 200


def test_the_sample_cones_find_something(client: httpx.Client, real_server: Any) -> None:
    """Where the catalogue's own sample query points to, the release has sources; ours is a synthetic sky."""
    for id in ("psc", "xsc"):
        (cone,) = (
            c
            for c in tree(client.get(f"/cone/{id}/capabilities")).findall("capability")
            if c.get("standardID") == "ivo://ivoa.net/std/ConeSearch"
        )
        assert cone.get(XSI_TYPE) == "cs:ConeSearch"
        assert cone.findtext("interface/accessURL").endswith(f"/cone/{id}?")
        assert cone.findtext("verbosity") == "true"
        query = {word.upper(): cone.findtext(f"testQuery/{word}") for word in ("ra", "dec", "sr")}
        assert client.get(f"/cone/{id}", params=query).status_code == 200


def test_tap_schema_is_what_the_tables_say(client: httpx.Client, ask: Callable[..., httpx.Response]) -> None:
    told = [
        (t.findtext("name"), c.findtext("name"), c.findtext("unit") or "", c.findtext("ucd") or "")
        for t in tree(client.get("/tap/tables")).iter("table")
        for c in t.findall("column")
    ]
    query = "SELECT table_name, column_name, unit, ucd FROM tap_schema.columns"
    lines = ask(query, RESPONSEFORMAT="tsv").text.splitlines()[1:]
    assert sorted(tuple(line.split("\t")) for line in lines) == sorted(told)


VOTABLES = [
    *((f"SELECT TOP 20 * FROM {table}", {}) for table in ("psc", "xsc", "tap_schema.columns", "tap_schema.keys")),
    *(("SELECT TOP 20 * FROM psc", {"RESPONSEFORMAT": f"votable/{kind}"}) for kind in ("td", "b", "b2")),
    *(("SELECT TOP 20 * FROM xsc", {"RESPONSEFORMAT": f"votable/{kind}"}) for kind in ("td", "b")),
    ("SELECT * FROM psc", {"MAXREC": "0"}),
    ("SELECT * FROM psc", {"MAXREC": "3"}),
    ("SELECT POINT(ra, dec) AS p, CIRCLE(ra, dec, 1) AS c, POLYGON(ra, dec, 1, 1, 2, 2) AS o FROM xsc", {}),
    ("SELECT COUNT(*) AS n, AVG(j_m), MIN(designation), 1 + 1, 'x' FROM psc", {}),
]


@pytest.mark.parametrize(("query", "more"), VOTABLES)
def test_votables(ask: Callable[..., httpx.Response], votable: Any, query: str, more: dict[str, str]) -> None:
    answer = ask(query, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    table = votable(answer.content).get_first_table()
    assert len({field.ID for field in table.fields}) == len(table.fields)


@pytest.mark.parametrize(
    "query", ["SELECT", "SELECT \x01 <&\"'> FROM psc", "SELECT é FROM psc", "SELECT CAST('x' AS INTEGER) FROM psc"]
)
def test_error_documents(ask: Callable[..., httpx.Response], votable: Any, query: str) -> None:
    answer = ask(query)
    assert answer.status_code == 400
    (resource,) = votable(answer.content).resources
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
def test_cones(client: httpx.Client, votable: Any, id: str, parameters: dict[str, str]) -> None:
    votable(client.get(f"/cone/{id}", params=parameters).content, ucd1=True)


def test_the_front_page_names_what_there_is(client: httpx.Client) -> None:
    for path in ("/", "/tap"):
        text = client.get(path).text
        for words in ("twomass.psc", "20,000", f"{str(client.base_url).rstrip('/')}/tap", "/cone/psc"):
            assert re.search(re.escape(words), text), words
