"""UPLOAD at /tap/sync, as pyvo, STILTS and plain HTTP clients send it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.table import Table

from vo_server.errors import Code
from vo_server.settings import Settings

VOTABLE = (
    b'<VOTABLE version="1.2"><RESOURCE><TABLE><FIELD name="Id" datatype="int"/><FIELD name="a &quot;b" datatype="char"'
    b' arraysize="*" ucd="meta.id"/><FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/><DATA><TABLEDATA>'
    b"<TR><TD>1</TD><TD>x</TD><TD>2000-01-01T00:00:00</TD></TR><TR><TD>2</TD><TD/><TD/></TR>"
    b"</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)
SELECT_ALL = "SELECT * FROM TAP_UPLOAD.mine"


@pytest.fixture(scope="module")
def small_server(sky: Path, listening: Callable[..., Any]) -> Iterator[httpx.Client]:
    """Start a server with a small upload limit that fetches uploads from itself only."""
    with listening(Settings(data=sky, upload_limit=1000)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def send(client: httpx.Client, query: str = SELECT_ALL, content: bytes = VOTABLE, **parameters: str) -> httpx.Response:
    form = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "mine,param:file", "RESPONSEFORMAT": "csv"} | parameters
    return client.post("/tap/sync", data=form, files={"file": ("t.xml", content)})


def get_tap_url(client: httpx.Client) -> str:
    return f"{str(client.base_url).rstrip('/')}/tap"


def parse_rows(response: httpx.Response) -> list[list[str]]:
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.text)))[1:]


def test_round_trip(client: httpx.Client) -> None:
    response = send(client, RESPONSEFORMAT="votable/td")
    table = parse(io.BytesIO(response.content)).get_first_table()
    fields = [(f.name, f.datatype, f.arraysize, f.xtype, f.ucd) for f in table.fields]
    assert fields == [
        ("Id", "int", None, None, None),
        ('a "b', "char", "*", None, "meta.id"),
        ("t", "char", "*", "timestamp", None),
    ]
    assert list(table.array["t"]) == ["2000-01-01T00:00:00", ""]
    assert b'name="upload" value="mine,param:file"' in response.content


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (SELECT_ALL, [["1", "x", "2000-01-01T00:00:00"], ["2", "", ""]]),
        ('SELECT m."a ""b" FROM tap_upload.MINE AS m WHERE m.id = 1', [["x"]]),
        ("SELECT id FROM mine WHERE t > '1999-01-01'", [["1"]]),
        ("SELECT COUNT(*) FROM TAP_UPLOAD.mine AS u JOIN twomass.psc AS p ON u.id = p.pts_key", [["0"]]),
        ("SELECT COUNT(*) FROM psc, TAP_UPLOAD.mine", [["40000"]]),
    ],
)
def test_queries_upload(client: httpx.Client, query: str, expected: list[list[str]]) -> None:
    assert parse_rows(send(client, query)) == expected


SIMILAR_NAMES = b"n,N,n_2,Mag\n1,2,3,4\n5,6,7,8\n"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (SELECT_ALL, [["1", "2", "3", "4"], ["5", "6", "7", "8"]]),
        ('SELECT "N" AS b, "n" AS a, mag FROM TAP_UPLOAD.mine WHERE "N" > 2', [["6", "5", "8"]]),
        ('SELECT m."N" FROM TAP_UPLOAD.mine AS m ORDER BY m."n" DESC', [["6"], ["2"]]),
        ('SELECT "N", "n" FROM (SELECT * FROM TAP_UPLOAD.mine) AS m WHERE "n" = 1', [["2", "1"]]),
    ],
)
def test_queries_columns_that_differ_in_case(client: httpx.Client, query: str, expected: list[list[str]]) -> None:
    assert parse_rows(send(client, query, SIMILAR_NAMES)) == expected


def test_columns_that_differ_in_case_round_trip(client: httpx.Client) -> None:
    table = parse(io.BytesIO(send(client, content=SIMILAR_NAMES, RESPONSEFORMAT="votable").content)).get_first_table()
    assert [field.name for field in table.fields] == ["n", "N", "n_2", "Mag"]
    ambiguous = send(client, "SELECT n FROM TAP_UPLOAD.mine", SIMILAR_NAMES)
    assert ambiguous.status_code == 400
    assert ambiguous.headers["vo-error-code"] == Code.ADQL_AMBIGUOUS_NAME


def test_name_of_published_table(client: httpx.Client) -> None:
    assert parse_rows(send(client, "SELECT COUNT(*) FROM psc", UPLOAD="psc,param:file")) == [["20000"]]
    assert parse_rows(send(client, "SELECT COUNT(*) FROM TAP_UPLOAD.psc", UPLOAD="psc,param:file")) == [["2"]]


@pytest.mark.parametrize("uploads", [["a,param:one", "b,param:two"], ["a,param:one;b,param:two"]])
def test_several_uploads(client: httpx.Client, uploads: list[str]) -> None:
    query = "SELECT a.n, b.s FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON a.n = b.n"
    files = {"one": ("1", b"n\n1\n2\n"), "two": ("2", b"n,s\n2,x\n")}
    form: dict[str, Any] = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv", "UPLOAD": uploads}
    assert parse_rows(client.post("/tap/sync", data=form, files=files)) == [["2", "x"]]


def test_other_requests_do_not_see_upload(client: httpx.Client) -> None:
    assert send(client).status_code == 200
    response = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": SELECT_ALL})
    assert response.status_code == 400
    assert "TAP_UPLOAD" in response.text or "mine" in response.text


BOUNDARY = "<<<---1234567890987654321--->>>"


def stream_multipart(*parts: tuple[str, str, bytes]) -> Iterator[bytes]:
    """Yield a multipart body as STILTS sends it: in chunks, with unusual boundaries."""
    for name, disposition, content in parts:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{disposition}\r\n\r\n'.encode() + content
        yield b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("disposition", ["", '; filename="x.xml"', '; filename=""'])
def test_multipart_of_stilts(client: httpx.Client, disposition: str) -> None:
    body = stream_multipart(
        ("LANG", "", b"ADQL"),
        ("QUERY", "", SELECT_ALL.encode()),
        ("UPLOAD", "", b"mine,param:f"),
        ("f", disposition, VOTABLE),
    )
    headers = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    response = client.post("/tap/sync", content=body, headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("upload", "code"),
    [
        ("mine", Code.UPLOAD_BAD_REFERENCE),
        ("1mine,param:file", Code.UPLOAD_BAD_REFERENCE),
        ("mine,param:other", Code.UPLOAD_BAD_REFERENCE),
        ("mine,param:file;MINE,param:file", Code.UPLOAD_BAD_REFERENCE),
        ("mine,http://example.org/t.xml", Code.UPLOAD_NOT_ALLOWED),
        ("mine,http://127.0.0.1:9/t.xml", Code.UPLOAD_NOT_ALLOWED),
        ("mine,file:///etc/passwd", Code.UPLOAD_BAD_REFERENCE),
    ],
)
def test_rejects_invalid_uploads(client: httpx.Client, upload: str, code: Code) -> None:
    response = send(client, UPLOAD=upload)
    assert response.status_code == 400
    assert response.headers["vo-error-code"] == code


def test_rejects_entities(client: httpx.Client) -> None:
    bomb = b'<!DOCTYPE VOTABLE [<!ENTITY a "b">]><VOTABLE/>'
    response = send(client, content=bomb)
    assert (response.status_code, "the upload mine" in response.text) == (400, True)
    assert "Traceback" not in response.text


def test_rejects_large_uploads(small_server: httpx.Client) -> None:
    assert parse_rows(send(small_server))
    response = send(small_server, content=VOTABLE + b" " * 1000)
    assert response.status_code == 413
    assert response.headers["vo-error-code"] == Code.UPLOAD_TOO_LARGE
    assert f"{len(VOTABLE) + 1000:,} bytes; the limit of this service is 1,000" in response.text
    huge = send(small_server, content=b"x" * 20_000_000)
    assert huge.status_code == 413
    assert huge.headers["vo-error-code"] == Code.REQUEST_TOO_LARGE
    assert "limit of this service is 1,000" in huge.text


def test_uploads_results_of_this_server(small_server: httpx.Client) -> None:
    template = "http%3A//{}/tap/sync?LANG=ADQL%26QUERY=SELECT+TOP+3+ra,dec+FROM+psc%26RESPONSEFORMAT=votable"
    result_url = (
        template.format(f"{small_server.base_url.host}:{small_server.base_url.port}")
        .replace("%26", "&")
        .replace("%3A", ":")
    )
    response = small_server.get(
        "/tap/sync",
        params={"LANG": "ADQL", "QUERY": "SELECT COUNT(*) FROM TAP_UPLOAD.a", "UPLOAD": f"a,{result_url}",
                "RESPONSEFORMAT": "csv"},
    )  # fmt: skip
    assert response.status_code in (200, 413), response.text  # the result may exceed the upload limit
    nested = small_server.get(
        "/tap/sync",
        params={"LANG": "ADQL", "QUERY": SELECT_ALL, "UPLOAD": f"a,{result_url}"},
        headers={"X-VO-Server-Upload": "1"},
    )
    assert nested.status_code == 400


def test_capabilities_have_upload_methods(client: httpx.Client, sky: Path, listening: Callable[..., Any]) -> None:
    text = client.get("/tap/capabilities").text
    assert "TAPRegExt#upload-inline" in text and "TAPRegExt#upload-http" in text
    assert "upload-https" not in text
    assert '<hard unit="byte">100000000</hard>' in text
    with listening(Settings(data=sky, upload_limit=0)) as url:
        assert "upload" not in httpx.get(f"{url}/tap/capabilities").text
        with httpx.Client(base_url=url) as without_uploads:
            assert "takes no uploads" in send(without_uploads).text


def test_pyvo(client: httpx.Client) -> None:
    service = pyvo.dal.TAPService(get_tap_url(client))
    table = Table({"n": np.arange(1000), "ra": np.linspace(0, 360, 1000), "name": [f"s{n}" for n in range(1000)]})
    result = service.run_sync(SELECT_ALL, uploads={"mine": table}).to_table()
    assert list(result["n"]) == list(range(1000))
    assert np.allclose(result["ra"], table["ra"])
    assert result["name"][999] == "s999"


def test_tapquery(client: httpx.Client, stilts: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("ra,dec,name\n1.5,2.5,a\n3.5,,b\n", encoding="utf-8")
    for form in ("binary", "tabledata", "binary2"):
        output = stilts(
            "tapquery", f"tapurl={get_tap_url(client)}", "sync=true", f"adql={SELECT_ALL}", "nupload=1",
            f"upload1={file}", "upname1=mine", "ufmt1=csv", f"upvotformat={form}", "ofmt=csv",
        )  # fmt: skip
        assert output.splitlines() == ["ra,dec,name", "1.5,2.5,a", "3.5,,b"]
