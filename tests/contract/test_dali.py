"""DALI 1.1 as every service keeps it: parameters, formats, limits, statuses and headers."""

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

FIVE = "SELECT TOP 5 designation, ra, dec, j_m FROM twomass.psc ORDER BY designation"
BINARY2 = "application/x-votable+xml;serialization=BINARY2"


def statuses(answer: httpx.Response) -> list[str]:
    """The QUERY_STATUS of a VOTable, in the order in which they stand."""
    return re.findall(r'<INFO name="QUERY_STATUS" value="(\w+)"', answer.text)


def count(answer: httpx.Response) -> int:
    """The rows of an answer in TABLEDATA."""
    return answer.text.count("<TR>")


def refused(answer: httpx.Response, *words: str) -> None:
    """It is an error document with these words."""
    assert answer.status_code == 400
    assert statuses(answer) == ["ERROR"]
    for word in words:
        assert word in answer.text


# ------------------------------------------------------------- parameters


def test_names_have_no_case(client: httpx.Client) -> None:
    answer = client.get("/tap/sync", params={"lang": "ADQL", "Query": FIVE, "responseFormat": "csv", "maxRec": "2"})
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 4


@pytest.mark.parametrize("name", ["QUERY", "LANG", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID", "REQUEST"])
def test_repeated(client: httpx.Client, name: str) -> None:
    values = {"QUERY": FIVE, "LANG": "ADQL", "MAXREC": "3", "RUNID": "a"}
    given = [(n, v) for n, v in values.items() if n != name]
    value = values.get(name, "csv" if "FORMAT" in name else "doQuery")
    answer = client.get("/tap/sync", params=[*given, (name, value), (name.lower(), value)])
    assert answer.status_code == 400
    assert answer.headers["vo-error-code"] == Code.REQUEST_REPEATED_PARAMETER


def test_unknown_parameters_are_ignored(client: httpx.Client, ask: Ask) -> None:
    plain = ask(FIVE, RESPONSEFORMAT="csv")
    more = [("DUMMY", "ignore-me"), ("DUMMY", "twice"), ("VERSION", "1.0"), ("REQUEST", "doQuery")]
    parameters = [("LANG", "ADQL"), ("QUERY", FIVE), ("RESPONSEFORMAT", "csv"), *more]
    assert client.get("/tap/sync", params=parameters).content == plain.content


def test_responseformat_rules_over_format(ask: Ask) -> None:
    assert ask(FIVE, FORMAT="csv").headers["content-type"] == "text/csv;header=present"
    both = ask(FIVE, FORMAT="csv", RESPONSEFORMAT="tsv")
    assert both.headers["content-type"].startswith("text/tab-separated-values")


FORM = {"LANG": "ADQL", "QUERY": FIVE, "RESPONSEFORMAT": "csv"}


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
    "partly in the URL": {"params": {"LANG": "ADQL", "QUERY": FIVE}, "data": {"RESPONSEFORMAT": "csv"}},
}


@pytest.mark.parametrize("way", POSTS)
def test_post_is_get(client: httpx.Client, ask: Ask, way: str) -> None:
    answer = client.post("/tap/sync", **POSTS[way])
    assert answer.status_code == 200, answer.text
    assert answer.content == ask(FIVE, RESPONSEFORMAT="csv").content


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/plain", b"QUERY=SELECT 1"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--y\r\nnonsense"),
        ("multipart/form-data; boundary=x", multipart("x")[:40]),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"QUERY=%ff%fe"),
    ],
)
def test_no_form(client: httpx.Client, kind: str, content: bytes) -> None:
    refused(client.post("/tap/sync", content=content, headers={"Content-Type": kind}))


def test_a_form_of_too_many_fields(client: httpx.Client) -> None:
    refused(client.post("/tap/sync", data={f"F{i}": "1" for i in range(2000)}), "fields")


def test_the_query_must_be_there(client: httpx.Client) -> None:
    refused(client.get("/tap/sync", params={"LANG": "ADQL"}), "QUERY is missing")
    refused(client.get("/tap/sync", params={"LANG": "ADQL", "QUERY": "  "}), "QUERY is missing")


@pytest.mark.parametrize("language", ["ADQL", "adql", "ADQL-2.0", "ADQL-2.1", "adql-2.1"])
def test_languages(client: httpx.Client, language: str) -> None:
    assert client.get("/tap/sync", params={"LANG": language, "QUERY": FIVE}).status_code == 200


@pytest.mark.parametrize("language", ["SQL", "ADQL-3.0", "PQL", "ADQL2.0"])
def test_other_languages(client: httpx.Client, language: str) -> None:
    refused(client.get("/tap/sync", params={"LANG": language, "QUERY": FIVE}), language, "ADQL-2.1")


# ----------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("top", "maxrec", "rows", "said"),
    [
        (10, 100, 10, ["OK"]),
        (100, 10, 10, ["OK", "OVERFLOW"]),
        (10, 10, 10, ["OK"]),
        (11, 10, 10, ["OK", "OVERFLOW"]),
        (0, 10, 0, ["OK"]),
    ],
)
def test_maxrec_after_top(ask: Ask, top: int, maxrec: int, rows: int, said: list[str]) -> None:
    answer = ask(f"SELECT TOP {top} ra FROM psc", MAXREC=str(maxrec), RESPONSEFORMAT="votable/td")
    assert (answer.status_code, count(answer), statuses(answer)) == (200, rows, said)


def test_maxrec_of_exactly_all_rows(ask: Ask) -> None:
    all = int(ask("SELECT COUNT(*) AS n FROM xsc", RESPONSEFORMAT="csv").text.split()[1])
    for maxrec, said in ((all, ["OK"]), (all - 1, ["OK", "OVERFLOW"]), (all + 1, ["OK"])):
        answer = ask("SELECT ra FROM xsc", MAXREC=str(maxrec), RESPONSEFORMAT="votable/td")
        assert (count(answer), statuses(answer)) == (min(maxrec, all), said)


@pytest.mark.parametrize("format", ["votable", "votable/td", "votable/b"])
def test_maxrec_zero_is_metadata(ask: Ask, votable: Read, format: str) -> None:
    answer = ask("SELECT * FROM psc", MAXREC="0", RESPONSEFORMAT=format)
    assert (answer.status_code, statuses(answer)) == (200, ["OK", "OVERFLOW"])
    table = votable(answer.content).get_first_table()
    assert len(table.array) == 0
    assert len(table.fields) == 60


def test_maxrec_zero_does_not_ask_the_database(ask: Ask) -> None:
    answer = ask("SELECT COUNT(*) AS n FROM psc AS a, psc AS b, psc AS c", MAXREC="0")
    assert statuses(answer) == ["OK", "OVERFLOW"]
    assert answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.name)
def test_overflow_of_a_short_answer_is_in_the_header(ask: Ask, format: Format) -> None:
    for query, maxrec, said in ((FIVE, "2", "OVERFLOW"), (FIVE, "5", None), ("SELECT * FROM psc", "0", "OVERFLOW")):
        answer = ask(query, MAXREC=maxrec, RESPONSEFORMAT=format.name)
        assert (answer.status_code, answer.headers.get("Query-Status")) == (200, said)


@pytest.mark.parametrize("format", ["fits", "parquet"])
def test_overflow_of_a_file_is_in_the_header(ask: Ask, format: str) -> None:
    answer = ask("SELECT * FROM psc", MAXREC="15000", RESPONSEFORMAT=format)
    assert "Content-Length" not in answer.headers
    assert answer.headers["Query-Status"] == "OVERFLOW"


def test_overflow_of_a_long_text_is_in_its_last_line(ask: Ask) -> None:
    answer = ask("SELECT ra, dec FROM psc", MAXREC="15000", RESPONSEFORMAT="csv")
    lines = answer.text.splitlines()
    assert len(lines) == 1 + 15_000 + 1
    assert lines[-1].startswith("# OVERFLOW: The result was cut at 15000 rows")


@pytest.mark.parametrize("maxrec", ["-1", "ten", "1.5", "1e3", "٣"])
def test_maxrec_that_is_none(ask: Ask, maxrec: str) -> None:
    refused(ask(FIVE, MAXREC=maxrec), "MAXREC")


def test_the_limits_of_the_service(sky: Path, listening: Any) -> None:
    with (
        listening(Settings(data=sky, maxrec=7, maxrec_hard=20)) as url,
        httpx.Client(base_url=url) as small,
    ):
        asked = {"LANG": "ADQL", "QUERY": "SELECT ra FROM psc", "FORMAT": "votable/td"}
        for more, rows in (({}, 7), ({"MAXREC": "12"}, 12), ({"MAXREC": "1000000"}, 20), ({"MAXREC": ""}, 7)):
            answer = small.get("/tap/sync", params=asked | more)
            assert (count(answer), statuses(answer)) == (rows, ["OK", "OVERFLOW"])
        text = small.get("/tap/capabilities").text
        assert re.search(r"<outputLimit>\s*<default unit=\"row\">7<.*\s*<hard unit=\"row\">20<", text)


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("asked", "answered", "begin"),
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
def test_formats(ask: Ask, asked: str, answered: str | None, begin: str) -> None:
    answer = ask(FIVE, RESPONSEFORMAT=asked)
    assert answer.status_code == 200, answer.text
    said = answer.headers["content-type"]
    assert said == (answered or asked) or said.startswith(f"{answered or asked};header")
    assert answer.text.startswith(begin)


@pytest.mark.parametrize("asked", ["application/pdf", "nonsense", "votable/b3", "a;b=", "text/*"])
def test_formats_that_are_not_offered(ask: Ask, asked: str) -> None:
    refused(ask(FIVE, RESPONSEFORMAT=asked), "RESPONSEFORMAT", "csv")


def test_everything_announced_is_accepted(client: httpx.Client, ask: Ask) -> None:
    text = client.get("/tap/capabilities").text
    names = re.findall(r"<(?:mime|alias)>([^<]+)<", text)
    assert len(names) > 8
    for name in names:
        assert ask(FIVE, RESPONSEFORMAT=name).status_code == 200, name


def test_user_defined_functions_are_announced_with_their_signatures(client: httpx.Client) -> None:
    """TAPRegExt 1.0 section 2.3: name(argument TYPE, ...) -> TYPE."""
    text = html.unescape(client.get("/tap/capabilities").text)
    forms = re.findall(r"<form>((?:ivo_|MOC\()[^<]*)</form>", text)
    assert forms == [f.form for f in UDF_FORMS]
    for form in forms:
        assert re.fullmatch(r"(ivo_\w+|MOC)\((\w+ [A-Z]+( literal)?(, )?)+\) -> [A-Z]+(\[\])?", form), form
    assert "simbad" not in text


@pytest.mark.parametrize("format", ["votable", "votable/td", "csv", "tsv"])
def test_a_histogram_in_every_format(ask: Ask, votable: Read, format: str) -> None:
    answer = ask("SELECT ivo_histogram(j_m, 0, 20, 4) AS h FROM psc", RESPONSEFORMAT=format)
    assert answer.status_code == 200
    if "votable" in format:
        counts = votable(answer.content).get_first_table().array["h"][0].tolist()
    else:
        counts = [int(n) for n in answer.text.split()[1:]]
    assert (len(counts), sum(counts)) == (6, int(ask("SELECT COUNT(*) FROM psc", RESPONSEFORMAT="csv").text.split()[1]))


def test_errors_in_the_format_that_was_asked_for(ask: Ask) -> None:
    wrong = "SELECT nothing FROM psc"
    assert ask(wrong).headers["content-type"].startswith("application/x-votable+xml")
    assert ask(wrong, RESPONSEFORMAT="text/xml").headers["content-type"] == "text/xml"
    plain = ask(wrong, RESPONSEFORMAT="csv")
    assert plain.status_code == 400
    assert plain.headers["content-type"].startswith("text/plain")
    assert "nothing" in plain.text
    assert "<" not in plain.text


def test_accept_header(ask: Ask) -> None:
    assert ask(FIVE, headers={"Accept": "text/csv"}).headers["content-type"] == "text/csv;header=present"
    assert ask(FIVE, headers={"Accept": "*/*"}).headers["content-type"] == BINARY2
    ruled = ask(FIVE, headers={"Accept": "text/csv"}, RESPONSEFORMAT="votable")
    assert ruled.headers["content-type"] == BINARY2


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
    answer = ask(FIVE, headers=headers)
    assert answer.headers["content-type"] == "text/xml"
    assert "<TABLEDATA>" in answer.text
    assert ask(FIVE, headers=headers, RESPONSEFORMAT="votable/b2").headers["content-type"] == BINARY2
    assert "<TABLEDATA>" in client.get("/cone/psc", params=CONE, headers=headers).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
        {"Accept": "text/html"},
        {"Origin": "https://example.org", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_people_get_a_page(client: httpx.Client, ask: Ask, headers: dict[str, str]) -> None:
    answer = ask(FIVE, headers=headers)
    assert answer.headers["content-type"] == "text/html"
    assert "<td>" in answer.text
    link = re.search(r'href="([^"]+)">VOTable', answer.text)
    assert link is not None
    assert client.get(link[1].replace("&amp;", "&")).headers["content-type"] == BINARY2
    assert ask(FIVE, headers=headers, RESPONSEFORMAT="votable/b2").headers["content-type"] == BINARY2
    wrong = ask("SELECT nothing FROM psc", headers=headers)
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "text/html")
    assert "<td>" in client.get("/cone/psc", params=CONE, headers=headers).text
    assert "RA is missing" in client.get("/cone/psc", headers=headers).text


def test_programs_in_java_get_what_programs_get(ask: Ask) -> None:
    assert ask(FIVE, headers={"Accept": JAVA}).headers["content-type"] == BINARY2


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
def test_any_page_may_read_us(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path, headers=ORIGIN)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "*"


def test_methods_that_are_not_known(client: httpx.Client) -> None:
    for path, allowed in (("/tap/capabilities", {"GET", "HEAD"}), ("/tap/sync", {"GET", "HEAD", "POST"})):
        answer = client.put(path, headers=ORIGIN)
        assert answer.status_code == 405
        assert answer.headers["content-type"].startswith("text/plain")
        assert set(answer.headers["allow"].split(", ")) == allowed
        assert answer.headers["access-control-allow-origin"] == "*"
    assert client.post("/tap/tables").status_code == 405


def test_preflight(client: httpx.Client) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = client.options("/tap/sync", headers=ORIGIN | asked)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/nothing", "/tap/nothing", "/cone/none", "/tap/tables/none"])
def test_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert path.rpartition("/")[2] in answer.text


def test_gzip_when_asked(client: httpx.Client) -> None:
    parameters = {"LANG": "ADQL", "QUERY": "SELECT TOP 3000 * FROM psc ORDER BY pts_key", "RESPONSEFORMAT": "csv"}
    for path, given in (("/tap/sync", parameters), ("/tap/tables", {})):
        plain = client.get(path, params=given, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        with client.stream("GET", path, params=given, headers={"Accept-Encoding": "br, gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["vary"]
        assert len(raw) < len(plain.content) / 2
        assert gzip.decompress(raw) == plain.content
        refused = client.get(path, params=given, headers={"Accept-Encoding": "gzip;q=0"})
        assert "content-encoding" not in refused.headers


def test_head(client: httpx.Client) -> None:
    for path in ("/tap/capabilities", "/tap/tables", "/tap/availability"):
        head, get = client.head(path), client.get(path, headers={"Accept-Encoding": "identity"})
        assert head.content == b""
        assert head.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
    assert re.fullmatch(
        r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", client.head("/tap/capabilities").headers["last-modified"]
    )


def test_head_of_a_long_answer_is_short(client: httpx.Client) -> None:
    """The rows are not made only to be thrown away: this join has 400 million."""
    query = {"LANG": "ADQL", "QUERY": "SELECT a.*, b.* FROM psc AS a, psc AS b", "MAXREC": "100000000"}
    head = client.head("/tap/sync", params=query)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == BINARY2
    assert client.head("/tap/sync", params={"QUERY": "SELECT"}).status_code == 400


def test_what_runs_here(client: httpx.Client) -> None:
    assert re.match(r"vo_server/\d", client.get("/tap/sync").headers["server"])


# ----------------------------------------------------- the URL we are known by


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
def test_behind_a_proxy(client: httpx.Client, headers: dict[str, str], base: str) -> None:
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
def test_hosts_that_are_none(client: httpx.Client, host: str) -> None:
    text = client.get("/tap/capabilities", headers={"X-Forwarded-Host": host}).text
    assert f">{str(client.base_url).rstrip('/')}/tap<" in text


def test_public_url(sky: Path, listening: Any) -> None:
    settings = Settings(data=sky, public_url="https://archive.example.org/2mass/")
    with listening(settings) as url, httpx.Client(base_url=url) as fixed:
        assert "https://archive.example.org/2mass/tap<" in fixed.get("/tap/capabilities").text
        forwarded = fixed.get("/tap/capabilities", headers={"X-Forwarded-Host": "other.org"}).text
        assert "other.org" not in forwarded
        assert fixed.get("/tap/").headers["location"] == "https://archive.example.org/2mass/tap"


# --------------------------------------------------------- what an answer says


def test_what_an_answer_says_of_itself(ask: Ask, votable: Read) -> None:
    resource = votable(ask(FIVE).content).resources[0]
    assert resource.type == "results"
    said = {info.name: info.value for info in resource.infos}
    assert said["QUERY_STATUS"] == "OK"
    assert said["standardID"] == "ivo://ivoa.net/std/TAP"
    assert said["query"] == FIVE
    assert said["citation"] == "2006AJ....131.1163S"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["request_date"])


def test_the_status_stands_before_the_table(ask: Ask) -> None:
    text = ask(FIVE, RESPONSEFORMAT="votable/td", MAXREC="2").text
    first, table, last = (text.index(word) for word in ('value="OK"', "<TABLE", 'value="OVERFLOW"'))
    assert first < table < text.index("</TABLE>") < last < text.index("</RESOURCE>")
