"""DALI 1.1 in every service: parameters, formats, limits, statuses and headers."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable.tree import VOTableFile

from vo_server.adql.semantics.udfs import UDF_FORMS
from vo_server.errors import Code
from vo_server.formats import FORMATS, Format
from vo_server.settings import Settings

Ask = Callable[..., httpx.Response]
Read = Callable[[bytes], VOTableFile]

FIVE_ROWS = "SELECT TOP 5 designation, ra, dec, j_m FROM twomass.psc ORDER BY designation"
BINARY2 = "application/x-votable+xml;serialization=BINARY2"


def list_statuses(response: httpx.Response) -> list[str]:
    """Return the values of QUERY_STATUS in a VOTable, in their order."""
    return re.findall(r'<INFO name="QUERY_STATUS" value="(\w+)"', response.text)


def count_rows(response: httpx.Response) -> int:
    """Return the number of rows of a response in TABLEDATA."""
    return response.text.count("<TR>")


def check_rejected(response: httpx.Response, code: Code) -> None:
    """Assert that a response is an error document with a code."""
    assert response.status_code == 400
    assert list_statuses(response) == ["ERROR"]
    assert response.headers["vo-error-code"] == code


# ------------------------------------------------------------- parameters


def test_parameter_names_ignore_case(client: httpx.Client) -> None:
    response = client.get(
        "/tap/sync", params={"lang": "ADQL", "Query": FIVE_ROWS, "responseFormat": "csv", "maxRec": "2"}
    )
    assert response.status_code == 200
    assert len(response.text.splitlines()) == 4


@pytest.mark.parametrize("name", ["QUERY", "LANG", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID", "REQUEST"])
def test_rejects_repeated_parameter(client: httpx.Client, name: str) -> None:
    values = {"QUERY": FIVE_ROWS, "LANG": "ADQL", "MAXREC": "3", "RUNID": "a"}
    others = [(n, v) for n, v in values.items() if n != name]
    value = values.get(name, "csv" if "FORMAT" in name else "doQuery")
    response = client.get("/tap/sync", params=[*others, (name, value), (name.lower(), value)])
    assert response.status_code == 400
    assert response.headers["vo-error-code"] == Code.REQUEST_REPEATED_PARAMETER


def test_unknown_parameters_are_ignored(client: httpx.Client, ask: Ask) -> None:
    plain = ask(FIVE_ROWS, RESPONSEFORMAT="csv")
    unknown = [("DUMMY", "ignore-me"), ("DUMMY", "twice"), ("VERSION", "1.0"), ("REQUEST", "doQuery")]
    parameters = [("LANG", "ADQL"), ("QUERY", FIVE_ROWS), ("RESPONSEFORMAT", "csv"), *unknown]
    assert client.get("/tap/sync", params=parameters).content == plain.content


def test_responseformat_overrides_format(ask: Ask) -> None:
    assert ask(FIVE_ROWS, FORMAT="csv").headers["content-type"] == "text/csv;header=present"
    both = ask(FIVE_ROWS, FORMAT="csv", RESPONSEFORMAT="tsv")
    assert both.headers["content-type"].startswith("text/tab-separated-values")


FORM = {"LANG": "ADQL", "QUERY": FIVE_ROWS, "RESPONSEFORMAT": "csv"}


def multipart(boundary: str, fields: dict[str, str] = FORM) -> bytes:
    parts = (f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


BOUNDARY = "<<<---8123456789abcdef--->>>"
POSTS: dict[str, dict[str, Any]] = {
    "urlencoded": {"data": FORM},
    "multipart": {"files": {name: (None, value) for name, value in FORM.items()}},
    "STILTS": {
        "content": multipart(BOUNDARY),
        "headers": {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'},
    },
    "chunked": {
        "content": [multipart(BOUNDARY)[:50], multipart(BOUNDARY)[50:]],
        "headers": {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'},
    },
    "partly in the URL": {"params": {"LANG": "ADQL", "QUERY": FIVE_ROWS}, "data": {"RESPONSEFORMAT": "csv"}},
}


@pytest.mark.parametrize("form", POSTS)
def test_post_equals_get(client: httpx.Client, ask: Ask, form: str) -> None:
    response = client.post("/tap/sync", **POSTS[form])
    assert response.status_code == 200, response.text
    assert response.content == ask(FIVE_ROWS, RESPONSEFORMAT="csv").content


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        ("text/plain", b"QUERY=SELECT 1", Code.REQUEST_MALFORMED),
        ("multipart/form-data", b"no boundary", Code.REQUEST_MALFORMED),
        ("multipart/form-data; boundary=x", b"--y\r\nnonsense", Code.REQUEST_MALFORMED),
        ("multipart/form-data; boundary=x", multipart("x")[:40], Code.REQUEST_MISSING_PARAMETER),
        ("application/x-www-form-urlencoded", b"\xff\xfe", Code.REQUEST_MISSING_PARAMETER),
        ("application/x-www-form-urlencoded", b"QUERY=%ff%fe", Code.ADQL_SYNTAX),
    ],
)
def test_rejects_invalid_forms(client: httpx.Client, media_type: str, content: bytes, code: Code) -> None:
    check_rejected(client.post("/tap/sync", content=content, headers={"Content-Type": media_type}), code)


def test_rejects_too_many_fields(client: httpx.Client) -> None:
    check_rejected(client.post("/tap/sync", data={f"F{i}": "1" for i in range(2000)}), Code.REQUEST_MALFORMED)


def test_rejects_missing_query(client: httpx.Client) -> None:
    check_rejected(client.get("/tap/sync", params={"LANG": "ADQL"}), Code.REQUEST_MISSING_PARAMETER)
    check_rejected(client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": "  "}), Code.REQUEST_MISSING_PARAMETER)


@pytest.mark.parametrize("language", ["ADQL", "adql", "ADQL-2.0", "ADQL-2.1", "adql-2.1"])
def test_supported_languages(client: httpx.Client, language: str) -> None:
    assert client.get("/tap/sync", params={"LANG": language, "QUERY": FIVE_ROWS}).status_code == 200


@pytest.mark.parametrize("language", ["SQL", "ADQL-3.0", "PQL", "ADQL2.0"])
def test_rejects_other_languages(client: httpx.Client, language: str) -> None:
    check_rejected(client.get("/tap/sync", params={"LANG": language, "QUERY": FIVE_ROWS}), Code.REQUEST_BAD_PARAMETER)


# ----------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("top", "maxrec", "rows", "expected"),
    [
        (10, 100, 10, ["OK"]),
        (100, 10, 10, ["OK", "OVERFLOW"]),
        (10, 10, 10, ["OK"]),
        (11, 10, 10, ["OK", "OVERFLOW"]),
        (0, 10, 0, ["OK"]),
    ],
)
def test_maxrec_limits_top(ask: Ask, top: int, maxrec: int, rows: int, expected: list[str]) -> None:
    response = ask(f"SELECT TOP {top} ra FROM psc", MAXREC=str(maxrec), RESPONSEFORMAT="votable/td")
    assert (response.status_code, count_rows(response), list_statuses(response)) == (200, rows, expected)


def test_maxrec_of_all_rows_is_no_overflow(ask: Ask) -> None:
    total = int(ask("SELECT COUNT(*) AS n FROM xsc", RESPONSEFORMAT="csv").text.split()[1])
    for maxrec, expected in ((total, ["OK"]), (total - 1, ["OK", "OVERFLOW"]), (total + 1, ["OK"])):
        response = ask("SELECT ra FROM xsc", MAXREC=str(maxrec), RESPONSEFORMAT="votable/td")
        assert (count_rows(response), list_statuses(response)) == (min(maxrec, total), expected)


@pytest.mark.parametrize("format", ["votable", "votable/td", "votable/b"])
def test_maxrec_zero_returns_columns(ask: Ask, votable: Read, format: str) -> None:
    response = ask("SELECT * FROM psc", MAXREC="0", RESPONSEFORMAT=format)
    assert (response.status_code, list_statuses(response)) == (200, ["OK", "OVERFLOW"])
    table = votable(response.content).get_first_table()
    assert len(table.array) == 0
    assert len(table.fields) == 60


def test_maxrec_zero_runs_no_query(ask: Ask) -> None:
    response = ask("SELECT COUNT(*) AS n FROM psc AS a, psc AS b, psc AS c", MAXREC="0")
    assert list_statuses(response) == ["OK", "OVERFLOW"]
    assert response.elapsed.total_seconds() < 5


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
def test_short_response_has_overflow_header(ask: Ask, format: Format) -> None:
    for query, maxrec, status in (
        (FIVE_ROWS, "2", "OVERFLOW"),
        (FIVE_ROWS, "5", None),
        ("SELECT * FROM psc", "0", "OVERFLOW"),
    ):
        response = ask(query, MAXREC=maxrec, RESPONSEFORMAT=format.name)
        assert (response.status_code, response.headers.get("Query-Status")) == (200, status)


@pytest.mark.parametrize("format", ["fits", "parquet"])
def test_file_has_overflow_header(ask: Ask, format: str) -> None:
    response = ask("SELECT * FROM psc", MAXREC="15000", RESPONSEFORMAT=format)
    assert "Content-Length" not in response.headers
    assert response.headers["Query-Status"] == "OVERFLOW"


def test_long_text_ends_with_overflow(ask: Ask) -> None:
    response = ask("SELECT ra, dec FROM psc", MAXREC="15000", RESPONSEFORMAT="csv")
    lines = response.text.splitlines()
    assert len(lines) == 1 + 15_000 + 1
    assert lines[-1].startswith("# OVERFLOW: The result was cut at 15000 rows")


@pytest.mark.parametrize("maxrec", ["-1", "ten", "1.5", "1e3", "٣"])
def test_rejects_invalid_maxrec(ask: Ask, maxrec: str) -> None:
    check_rejected(ask(FIVE_ROWS, MAXREC=maxrec), Code.REQUEST_BAD_PARAMETER)


def test_limits_of_service(sky: Path, listening: Any) -> None:
    with (
        listening(Settings(data=sky, maxrec=7, maxrec_hard=20)) as url,
        httpx.Client(base_url=url) as small,
    ):
        parameters = {"LANG": "ADQL", "QUERY": "SELECT ra FROM psc", "FORMAT": "votable/td"}
        for maxrec, rows in (({}, 7), ({"MAXREC": "12"}, 12), ({"MAXREC": "1000000"}, 20), ({"MAXREC": ""}, 7)):
            response = small.get("/tap/sync", params=parameters | maxrec)
            assert (count_rows(response), list_statuses(response)) == (rows, ["OK", "OVERFLOW"])
        text = small.get("/tap/capabilities").text
        assert re.search(r"<outputLimit>\s*<default unit=\"row\">7<.*\s*<hard unit=\"row\">20<", text)


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("requested", "expected", "begin"),
    [
        ("votable", BINARY2, "<?xml"),
        ("VOTable", BINARY2, "<?xml"),
        ("votable/b2", BINARY2, "<?xml"),
        ("votable/td", "application/x-votable+xml;serialization=TABLEDATA", "<?xml"),
        ("votable/b", "application/x-votable+xml;serialization=BINARY", "<?xml"),
        ("text/xml", "text/xml", "<?xml"),
        ("application/x-votable+xml", "application/x-votable+xml", "<?xml"),
        ("application/x-votable+xml;serialization=TABLEDATA", None, "<?xml"),
        (
            'APPLICATION/X-VOTABLE+XML ; Serialization="tabledata"',
            "application/x-votable+xml;serialization=tabledata",
            "<?xml",
        ),
        ("application/x-votable+xml;serialization=binary2", None, "<?xml"),
        ("csv", "text/csv;header=present", "designation,ra,dec"),
        ("text/csv", "text/csv;header=present", "designation,ra,dec"),
        ("text/csv;header=present", None, "designation,ra,dec"),
        ("text/csv; header=present", "text/csv;header=present", "designation,ra,dec"),
        ("tsv", "text/tab-separated-values", "designation\tra\tdec"),
        ("text/tab-separated-values", None, "designation\tra\tdec"),
    ],
)
def test_formats(ask: Ask, requested: str, expected: str | None, begin: str) -> None:
    response = ask(FIVE_ROWS, RESPONSEFORMAT=requested)
    assert response.status_code == 200, response.text
    content_type = response.headers["content-type"]
    assert content_type == (expected or requested) or content_type.startswith(f"{expected or requested};header")
    assert response.text.startswith(begin)


@pytest.mark.parametrize("requested", ["application/pdf", "nonsense", "votable/b3", "a;b=", "text/*"])
def test_rejects_unknown_formats(ask: Ask, requested: str) -> None:
    check_rejected(ask(FIVE_ROWS, RESPONSEFORMAT=requested), Code.REQUEST_UNSUPPORTED_FORMAT)


def test_accepts_declared_formats(client: httpx.Client, ask: Ask) -> None:
    text = client.get("/tap/capabilities").text
    names = re.findall(r"<(?:mime|alias)>([^<]+)<", text)
    assert len(names) > 8
    for name in names:
        assert ask(FIVE_ROWS, RESPONSEFORMAT=name).status_code == 200, name


def test_capabilities_have_function_signatures(client: httpx.Client) -> None:
    """TAPRegExt 1.0 section 2.3: name(argument TYPE, ...) -> TYPE."""
    text = html.unescape(client.get("/tap/capabilities").text)
    forms = re.findall(r"<form>((?:ivo_|MOC\()[^<]*)</form>", text)
    assert forms == [f.form for f in UDF_FORMS]
    for form in forms:
        assert re.fullmatch(r"(ivo_\w+|MOC)\((\w+ [A-Z]+( literal)?(, )?)+\) -> [A-Z]+(\[\])?", form), form
    assert "simbad" not in text


@pytest.mark.parametrize("format", ["votable", "votable/td", "csv", "tsv"])
def test_histogram_in_every_format(ask: Ask, votable: Read, format: str) -> None:
    response = ask("SELECT ivo_histogram(j_m, 0, 20, 4) AS h FROM psc", RESPONSEFORMAT=format)
    assert response.status_code == 200
    if "votable" in format:
        counts = votable(response.content).get_first_table().array["h"][0].tolist()
    else:
        counts = [int(n) for n in response.text.split()[1:]]
    assert (len(counts), sum(counts)) == (6, int(ask("SELECT COUNT(*) FROM psc", RESPONSEFORMAT="csv").text.split()[1]))


def test_errors_are_in_requested_format(ask: Ask) -> None:
    query = "SELECT nothing FROM psc"
    assert ask(query).headers["content-type"].startswith("application/x-votable+xml")
    assert ask(query, RESPONSEFORMAT="text/xml").headers["content-type"] == "text/xml"
    plain = ask(query, RESPONSEFORMAT="csv")
    assert plain.status_code == 400
    assert plain.headers["content-type"].startswith("text/plain")
    assert "nothing" in plain.text
    assert "<" not in plain.text


def test_accept_header(ask: Ask) -> None:
    assert ask(FIVE_ROWS, headers={"Accept": "text/csv"}).headers["content-type"] == "text/csv;header=present"
    assert ask(FIVE_ROWS, headers={"Accept": "*/*"}).headers["content-type"] == BINARY2
    explicit = ask(FIVE_ROWS, headers={"Accept": "text/csv"}, RESPONSEFORMAT="votable")
    assert explicit.headers["content-type"] == BINARY2


JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
CONE = {"RA": "266", "DEC": "-29", "SR": "1"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://aladin.cds.unistra.fr"},
        {"Origin": "null", "Accept": "text/html,application/xhtml+xml"},
        {"Sec-Fetch-Mode": "cors", "Accept": "*/*"},
    ],
)
def test_scripts_in_browsers_get_tabledata(client: httpx.Client, ask: Ask, headers: dict[str, str]) -> None:
    response = ask(FIVE_ROWS, headers=headers)
    assert response.headers["content-type"] == "text/xml"
    assert "<TABLEDATA>" in response.text
    assert ask(FIVE_ROWS, headers=headers, RESPONSEFORMAT="votable/b2").headers["content-type"] == BINARY2
    assert "<TABLEDATA>" in client.get("/cone/psc", params=CONE, headers=headers).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
        {"Accept": "text/html"},
        {"Origin": "https://example.org", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_browsers_get_page(client: httpx.Client, ask: Ask, headers: dict[str, str]) -> None:
    response = ask(FIVE_ROWS, headers=headers)
    assert response.headers["content-type"] == "text/html"
    assert "<td>" in response.text
    link = re.search(r'href="([^"]+)">VOTable', response.text)
    assert link is not None
    assert client.get(link[1].replace("&amp;", "&")).headers["content-type"] == BINARY2
    assert ask(FIVE_ROWS, headers=headers, RESPONSEFORMAT="votable/b2").headers["content-type"] == BINARY2
    error = ask("SELECT nothing FROM psc", headers=headers)
    assert (error.status_code, error.headers["content-type"]) == (400, "text/html")
    assert "<td>" in client.get("/cone/psc", params=CONE, headers=headers).text
    assert "RA is missing" in client.get("/cone/psc", headers=headers).text


def test_java_programs_get_votable(ask: Ask) -> None:
    assert ask(FIVE_ROWS, headers={"Accept": JAVA}).headers["content-type"] == BINARY2


# ---------------------------------------------------------------- headers

ORIGIN = {"Origin": "https://example.org"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tap/sync?LANG=ADQL&QUERY=SELECT+TOP+1+ra+FROM+psc", 200),
        ("/tap/sync?LANG=ADQL&QUERY=SELECT", 400),
        ("/cone/psc?RA=1&DEC=2&SR=1", 200),
        ("/cone/psc?RA=1", 200),
        ("/tap/capabilities", 200),
        ("/tap/tables/none", 404),
        ("/tap/sync/", 307),
        ("/nothing", 404),
        ("/", 200),
    ],
)
def test_allows_all_origins(client: httpx.Client, path: str, status: int) -> None:
    response = client.get(path, headers=ORIGIN)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "*"


def test_rejects_other_methods(client: httpx.Client) -> None:
    for path, allowed in (("/tap/capabilities", {"GET", "HEAD"}), ("/tap/sync", {"GET", "HEAD", "POST"})):
        response = client.put(path, headers=ORIGIN)
        assert response.status_code == 405
        assert response.headers["content-type"].startswith("text/plain")
        assert set(response.headers["allow"].split(", ")) == allowed
        assert response.headers["access-control-allow-origin"] == "*"
    assert client.post("/tap/tables").status_code == 405


def test_preflight(client: httpx.Client) -> None:
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    response = client.options("/tap/sync", headers=ORIGIN | headers)
    assert response.status_code == 200
    assert "POST" in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/nothing", "/tap/nothing", "/cone/none", "/tap/tables/none"])
def test_not_found(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/plain")
    assert path.rpartition("/")[2] in response.text


def test_compresses_on_request(client: httpx.Client) -> None:
    parameters = {"LANG": "ADQL", "QUERY": "SELECT TOP 3000 * FROM psc ORDER BY pts_key", "RESPONSEFORMAT": "csv"}
    for path, query in (("/tap/sync", parameters), ("/tap/tables", {})):
        plain = client.get(path, params=query, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        with client.stream("GET", path, params=query, headers={"Accept-Encoding": "br, gzip"}) as compressed:
            raw = b"".join(compressed.iter_raw())
        assert compressed.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in compressed.headers["vary"]
        assert len(raw) < len(plain.content) / 2
        assert gzip.decompress(raw) == plain.content
        uncompressed = client.get(path, params=query, headers={"Accept-Encoding": "gzip;q=0"})
        assert "content-encoding" not in uncompressed.headers


def test_head(client: httpx.Client) -> None:
    for path in ("/tap/capabilities", "/tap/tables", "/tap/availability"):
        head, get = client.head(path), client.get(path, headers={"Accept-Encoding": "identity"})
        assert head.content == b""
        assert head.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
    assert re.fullmatch(
        r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", client.head("/tap/capabilities").headers["last-modified"]
    )


def test_head_of_long_result_is_fast(client: httpx.Client) -> None:
    """HEAD computes no rows: this join has 400 million."""
    query = {"LANG": "ADQL", "QUERY": "SELECT a.*, b.* FROM psc AS a, psc AS b", "MAXREC": "100000000"}
    head = client.head("/tap/sync", params=query)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == BINARY2
    assert client.head("/tap/sync", params={"QUERY": "SELECT"}).status_code == 400


def test_server_header(client: httpx.Client) -> None:
    assert re.match(r"vo_server/\d", client.get("/tap/sync").headers["server"])


# ------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"Host": "vo.example.org"}, "http://vo.example.org"),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "vo.example.org"}, "https://vo.example.org"),
        (
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "vo.example.org", "X-Forwarded-Prefix": "/2mass"},
            "https://vo.example.org/2mass",
        ),
        ({"X-Forwarded-Host": "vo.example.org", "X-Forwarded-Port": "8080"}, "http://vo.example.org:8080"),
        (
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "vo.example.org", "X-Forwarded-Port": "443"},
            "https://vo.example.org",
        ),
        ({"Forwarded": 'for=1.2.3.4;proto=https;host="vo.example.org:8443"'}, "https://vo.example.org:8443"),
        ({"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "a.org, b.org"}, "https://a.org"),
    ],
)
def test_urls_behind_proxy(client: httpx.Client, headers: dict[str, str], base: str) -> None:
    urls = re.findall(r"<accessURL[^>]*>([^<]+)<", client.get("/tap/capabilities", headers=headers).text)
    below = ("examples", "capabilities", "availability", "tables")
    assert urls == [f"{base}/tap", *(f"{base}/tap/{word}" for word in below)]
    cone = client.get("/cone/psc/capabilities", headers=headers).text
    assert f">{base}/cone/psc?<" in cone
    assert (
        client.get("/tap/sync/?QUERY=SELECT+1", headers=headers).headers["location"]
        == f"{base}/tap/sync?QUERY=SELECT+1"
    )


@pytest.mark.parametrize("host", ['a.org"><x>', "a.org/../..", "a b"])
def test_ignores_invalid_forwarded_host(client: httpx.Client, host: str) -> None:
    text = client.get("/tap/capabilities", headers={"X-Forwarded-Host": host}).text
    assert f">{str(client.base_url).rstrip('/')}/tap<" in text


def test_public_url(sky: Path, listening: Any) -> None:
    settings = Settings(data=sky, public_url="https://archive.example.org/2mass/")
    with listening(settings) as url, httpx.Client(base_url=url) as fixed:
        assert "https://archive.example.org/2mass/tap<" in fixed.get("/tap/capabilities").text
        forwarded = fixed.get("/tap/capabilities", headers={"X-Forwarded-Host": "other.org"}).text
        assert "other.org" not in forwarded
        assert fixed.get("/tap/").headers["location"] == "https://archive.example.org/2mass/tap"


# --------------------------------------------------------------- metadata


def test_infos_of_result(ask: Ask, votable: Read) -> None:
    resource = votable(ask(FIVE_ROWS).content).resources[0]
    assert resource.type == "results"
    infos = {info.name: info.value for info in resource.infos}
    assert infos["QUERY_STATUS"] == "OK"
    assert infos["standardID"] == "ivo://ivoa.net/std/TAP"
    assert infos["query"] == FIVE_ROWS
    assert infos["citation"] == "2006AJ....131.1163S"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", infos["request_date"])


def test_status_precedes_table(ask: Ask) -> None:
    text = ask(FIVE_ROWS, RESPONSEFORMAT="votable/td", MAXREC="2").text
    first, table, last = (text.index(word) for word in ('value="OK"', "<TABLE", 'value="OVERFLOW"'))
    assert first < table < text.index("</TABLE>") < last < text.index("</RESOURCE>")
