"""UPLOAD at /tap/sync as clients send it: pyvo, STILTS, and by hand."""

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
ALL = "SELECT * FROM TAP_UPLOAD.mine"


@pytest.fixture(scope="module")
def small(sky: Path, listening: Callable[..., Any]) -> Iterator[httpx.Client]:
    """A server that takes few bytes, and fetches from nowhere but itself."""
    with listening(Settings(data=sky, upload_limit=1000)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def send(client: httpx.Client, query: str = ALL, content: bytes = VOTABLE, **said: str) -> httpx.Response:
    form = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "mine,param:file", "RESPONSEFORMAT": "csv"} | said
    return client.post("/tap/sync", data=form, files={"file": ("t.xml", content)})


def tap(client: httpx.Client) -> str:
    return f"{str(client.base_url).rstrip('/')}/tap"


def rows(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.text)))[1:]


def test_everything_comes_back(client: httpx.Client) -> None:
    answer = send(client, RESPONSEFORMAT="votable/td")
    table = parse(io.BytesIO(answer.content)).get_first_table()
    said = [(f.name, f.datatype, f.arraysize, f.xtype, f.ucd) for f in table.fields]
    assert said == [
        ("Id", "int", None, None, None),
        ('a "b', "char", "*", None, "meta.id"),
        ("t", "char", "*", "timestamp", None),
    ]
    assert list(table.array["t"]) == ["2000-01-01T00:00:00", ""]
    assert b'name="upload" value="mine,param:file"' in answer.content


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ALL, [["1", "x", "2000-01-01T00:00:00"], ["2", "", ""]]),
        ('SELECT m."a ""b" FROM tap_upload.MINE AS m WHERE m.id = 1', [["x"]]),
        ("SELECT id FROM mine WHERE t > '1999-01-01'", [["1"]]),
        ("SELECT COUNT(*) FROM TAP_UPLOAD.mine AS u JOIN twomass.psc AS p ON u.id = p.pts_key", [["0"]]),
        ("SELECT COUNT(*) FROM psc, TAP_UPLOAD.mine", [["40000"]]),
    ],
)
def test_queries(client: httpx.Client, query: str, expected: list[list[str]]) -> None:
    assert rows(send(client, query)) == expected


CASES = b"n,N,n_2,Mag\n1,2,3,4\n5,6,7,8\n"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ALL, [["1", "2", "3", "4"], ["5", "6", "7", "8"]]),
        ('SELECT "N" AS b, "n" AS a, mag FROM TAP_UPLOAD.mine WHERE "N" > 2', [["6", "5", "8"]]),
        ('SELECT m."N" FROM TAP_UPLOAD.mine AS m ORDER BY m."n" DESC', [["6"], ["2"]]),
        ('SELECT "N", "n" FROM (SELECT * FROM TAP_UPLOAD.mine) AS m WHERE "n" = 1', [["2", "1"]]),
    ],
)
def test_names_that_differ_in_case_alone(client: httpx.Client, query: str, expected: list[list[str]]) -> None:
    assert rows(send(client, query, CASES)) == expected


def test_names_that_differ_in_case_alone_come_back(client: httpx.Client) -> None:
    table = parse(io.BytesIO(send(client, content=CASES, RESPONSEFORMAT="votable").content)).get_first_table()
    assert [field.name for field in table.fields] == ["n", "N", "n_2", "Mag"]
    refused = send(client, "SELECT n FROM TAP_UPLOAD.mine", CASES)
    assert refused.status_code == 400
    assert refused.headers["vo-error-code"] == Code.ADQL_AMBIGUOUS_NAME


def test_of_the_same_name_as_a_published_table(client: httpx.Client) -> None:
    assert rows(send(client, "SELECT COUNT(*) FROM psc", UPLOAD="psc,param:file")) == [["20000"]]
    assert rows(send(client, "SELECT COUNT(*) FROM TAP_UPLOAD.psc", UPLOAD="psc,param:file")) == [["2"]]


@pytest.mark.parametrize("several", [["a,param:one", "b,param:two"], ["a,param:one;b,param:two"]])
def test_several(client: httpx.Client, several: list[str]) -> None:
    query = "SELECT a.n, b.s FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON a.n = b.n"
    files = {"one": ("1", b"n\n1\n2\n"), "two": ("2", b"n,s\n2,x\n")}
    form: dict[str, Any] = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv", "UPLOAD": several}
    assert rows(client.post("/tap/sync", data=form, files=files)) == [["2", "x"]]


def test_nobody_else_sees_it(client: httpx.Client) -> None:
    assert send(client).status_code == 200
    answer = client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": ALL})
    assert answer.status_code == 400
    assert "TAP_UPLOAD" in answer.text or "mine" in answer.text


BOUNDARY = "<<<---1234567890987654321--->>>"


def multipart(*parts: tuple[str, str, bytes]) -> Iterator[bytes]:
    """As STILTS sends it: in chunks, between odd boundaries."""
    for name, more, content in parts:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content
        yield b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("more", ["", '; filename="x.xml"', '; filename=""'])
def test_as_stilts_sends(client: httpx.Client, more: str) -> None:
    body = multipart(
        ("LANG", "", b"ADQL"), ("QUERY", "", ALL.encode()), ("UPLOAD", "", b"mine,param:f"), ("f", more, VOTABLE)
    )
    headers = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    answer = client.post("/tap/sync", content=body, headers=headers)
    assert answer.status_code == 200, answer.text


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
def test_refused(client: httpx.Client, upload: str, code: Code) -> None:
    answer = send(client, UPLOAD=upload)
    assert answer.status_code == 400
    assert answer.headers["vo-error-code"] == code


def test_hostile(client: httpx.Client) -> None:
    bomb = b'<!DOCTYPE VOTABLE [<!ENTITY a "b">]><VOTABLE/>'
    answer = send(client, content=bomb)
    assert (answer.status_code, "the upload mine" in answer.text) == (400, True)
    assert "Traceback" not in answer.text


def test_too_large(small: httpx.Client) -> None:
    assert rows(send(small))
    answer = send(small, content=VOTABLE + b" " * 1000)
    assert answer.status_code == 413
    assert answer.headers["vo-error-code"] == Code.UPLOAD_TOO_LARGE
    assert f"{len(VOTABLE) + 1000:,} bytes; the limit of this service is 1,000" in answer.text
    much = send(small, content=b"x" * 20_000_000)
    assert much.status_code == 413
    assert much.headers["vo-error-code"] == Code.REQUEST_TOO_LARGE
    assert "limit of this service is 1,000" in much.text


def test_our_own_results_can_be_asked_on(small: httpx.Client) -> None:
    first = "http%3A//{}/tap/sync?LANG=ADQL%26QUERY=SELECT+TOP+3+ra,dec+FROM+psc%26RESPONSEFORMAT=votable"
    own = first.format(f"{small.base_url.host}:{small.base_url.port}").replace("%26", "&").replace("%3A", ":")
    answer = small.get(
        "/tap/sync",
        params={"LANG": "ADQL", "QUERY": "SELECT COUNT(*) FROM TAP_UPLOAD.a", "UPLOAD": f"a,{own}",
                "RESPONSEFORMAT": "csv"},
    )  # fmt: skip
    assert answer.status_code in (200, 413), answer.text  # the answer has more bytes than this server takes
    again = small.get(
        "/tap/sync", params={"LANG": "ADQL", "QUERY": ALL, "UPLOAD": f"a,{own}"}, headers={"X-VO-Server-Upload": "1"}
    )
    assert again.status_code == 400


def test_capabilities_say_so(client: httpx.Client, sky: Path, listening: Callable[..., Any]) -> None:
    text = client.get("/tap/capabilities").text
    assert "TAPRegExt#upload-inline" in text and "TAPRegExt#upload-http" in text
    assert "upload-https" not in text
    assert '<hard unit="byte">100000000</hard>' in text
    with listening(Settings(data=sky, upload_limit=0)) as url:
        assert "upload" not in httpx.get(f"{url}/tap/capabilities").text
        with httpx.Client(base_url=url) as none:
            assert "takes no uploads" in send(none).text


def test_pyvo(client: httpx.Client) -> None:
    service = pyvo.dal.TAPService(tap(client))
    table = Table({"n": np.arange(1000), "ra": np.linspace(0, 360, 1000), "name": [f"s{n}" for n in range(1000)]})
    back = service.run_sync(ALL, uploads={"mine": table}).to_table()
    assert list(back["n"]) == list(range(1000))
    assert np.allclose(back["ra"], table["ra"])
    assert back["name"][999] == "s999"


def test_tapquery(client: httpx.Client, stilts: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("ra,dec,name\n1.5,2.5,a\n3.5,,b\n", encoding="utf-8")
    for form in ("binary", "tabledata", "binary2"):
        said = stilts(
            "tapquery", f"tapurl={tap(client)}", "sync=true", f"adql={ALL}", "nupload=1", f"upload1={file}",
            "upname1=mine", "ufmt1=csv", f"upvotformat={form}", "ofmt=csv",
        )  # fmt: skip
        assert said.splitlines() == ["ra,dec,name", "1.5,2.5,a", "3.5,,b"]
