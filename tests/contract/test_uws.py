"""UWS 1.1 at /tap/async: its resources, results and uploads, and pyvo and STILTS as clients."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.table import Table
from lxml import etree
from pyvo.dal import DALQueryError, TAPService

from vo_server.errors import Code
from vo_server.settings import Settings

QUERY = "SELECT TOP 4 designation, ra, j_m FROM psc ORDER BY pts_key"
LONG_QUERY = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"
"""A query that takes hours."""

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
HREF = "{http://www.w3.org/1999/xlink}href"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pyvo leaves responses unread and connections open, which are reported during a later test."""

ENDED = ("COMPLETED", "ERROR", "ABORTED")


@pytest.fixture(scope="module")
def schema(shared: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "UWS-v1.1.xsd"))


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    """Return a client with its own cookies, which does not follow redirects."""
    with httpx.Client(base_url=f"{server.url}/tap", timeout=90) as client:
        yield client


@pytest.fixture(scope="module")
def tap(server: Any) -> TAPService:
    return TAPService(f"{server.url}/tap")


def create(http: httpx.Client, query: str = QUERY, **parameters: str) -> str:
    """Create a job and return its URL."""
    response = http.post("async", data={"LANG": "ADQL", "QUERY": query} | parameters)
    assert response.status_code == 303, response.text
    return response.headers["location"]


def parse_document(response: httpx.Response) -> etree._Element:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/xml")
    return etree.fromstring(response.content)


def wait_for_end(http: httpx.Client, job: str) -> etree._Element:
    """Return the document of a job once it has ended."""
    while (document := parse_document(http.get(job, params={"WAIT": "20"}))).findtext(f"{UWS}phase") not in ENDED:
        pass
    return document


def read_text(document: etree._Element, name: str) -> str | None:
    return document.findtext(f"{UWS}{name}")


# ----------------------------------------------------------- resources


def test_life_of_a_job(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, RUNID="mine", REQUEST="doQuery", RESPONSEFORMAT="csv")
    pending = parse_document(http.get(job))
    schema.assertValid(pending)
    assert pending.get("version") == "1.1"
    assert read_text(pending, "jobId") == job.rpartition("/")[2]
    assert (read_text(pending, "phase"), read_text(pending, "runId")) == ("PENDING", "mine")
    for name in ("ownerId", "quote", "startTime", "endTime"):
        assert pending.find(f"{UWS}{name}").get(NIL) == "true"
    for name in ("creationTime", "destruction"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", read_text(pending, name) or "")
    parameters = [(p.get("id"), p.text) for p in pending.iter(f"{UWS}parameter")]
    expected = [
        ("LANG", "ADQL"),
        ("QUERY", QUERY),
        ("RUNID", "mine"),
        ("REQUEST", "doQuery"),
        ("RESPONSEFORMAT", "csv"),
    ]
    assert parameters == expected
    started = http.post(f"{job}/phase", data={"phase": "RUN"})
    assert (started.status_code, started.headers["location"]) == (303, job)
    completed = wait_for_end(http, job)
    schema.assertValid(completed)
    assert read_text(completed, "phase") == "COMPLETED"
    assert completed.findtext(f"{UWS}jobInfo/rows") == "4"
    (result,) = completed.iter(f"{UWS}result")
    assert result.get("id") == "result"
    assert result.get(HREF) == f"{job}/results/result"
    body = http.get(result.get(HREF))
    assert body.headers["content-type"] == result.get("mime-type") == "text/csv;header=present"
    assert len(body.content) == int(result.get("size")) == int(body.headers["content-length"])
    assert body.text.splitlines()[0] == "designation,ra,j_m"
    assert len(body.text.splitlines()) == 5
    assert body.headers["content-disposition"] == 'attachment; filename="mine.csv"'
    deleted = http.delete(job)
    assert (deleted.status_code, deleted.headers["location"]) == (303, f"{http.base_url}async")
    for path in ("", "/phase", "/results", "/results/result", "/parameters", "/error", "/owner"):
        assert http.get(job + path).status_code == 404
    assert http.delete(job).status_code == 404


def test_resources_agree_with_job(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, PHASE="RUN")
    document = wait_for_end(http, job)
    for name, path in (("phase", "phase"), ("executionDuration", "executionduration"), ("destruction", "destruction")):
        response = http.get(f"{job}/{path}")
        assert response.headers["content-type"].startswith("text/plain")
        assert response.text == read_text(document, name)
        assert http.head(f"{job}/{path}").status_code == 200
    assert (http.get(f"{job}/quote").text, http.get(f"{job}/owner").text) == ("", "")
    for name in ("parameters", "results"):
        part = parse_document(http.get(f"{job}/{name}"))
        schema.assertValid(part)
        assert [dict(e.attrib) for e in part] == [dict(e.attrib) for e in document.find(f"{UWS}{name}")]
    assert http.get(f"{job}/parameters/query").text == QUERY
    assert http.get(f"{job}/parameters/nothing").status_code == 404
    assert http.get(f"{job}/error").status_code == 404


def test_parameters_can_be_set_until_run(http: httpx.Client) -> None:
    job = http.post("async").headers["location"]
    for form in ({"QUERY": "nonsense", "LANG": "ADQL"}, {"query": QUERY, "MAXREC": "2"}, {"RUNID": "one"}):
        assert http.post(f"{job}/parameters", data=form).status_code == 303
    assert http.put(f"{job}/parameters/RESPONSEFORMAT", content="tsv").status_code == 303
    parameters = {p.get("id"): p.text for p in parse_document(http.get(f"{job}/parameters"))}
    assert parameters == {"query": QUERY, "LANG": "ADQL", "MAXREC": "2", "RUNID": "one", "RESPONSEFORMAT": "tsv"}
    http.post(f"{job}/phase", data={"PHASE": "RUN"})
    wait_for_end(http, job)
    header, *rows = http.get(f"{job}/results/result").text.splitlines()
    assert (header, len(rows)) == ("designation\tra\tj_m", 3), "two rows, and a line on the overflow"
    for response in (
        http.post(f"{job}/parameters", data={"MAXREC": "3"}),
        http.put(f"{job}/parameters/MAXREC", content="3"),
        http.post(f"{job}/phase", data={"PHASE": "RUN"}),
        http.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "3"}),
    ):
        assert response.status_code == 403
        assert "the job is COMPLETED" in response.text


def test_times_are_limited(http: httpx.Client) -> None:
    job = create(http, EXECUTIONDURATION="77")
    assert http.get(f"{job}/executionduration").text == "77"
    for requested, expected in (("5", "5"), ("0", "86400"), ("9" * 30, "86400")):
        assert http.post(f"{job}/executionduration", data={"executionDuration": requested}).status_code == 303
        assert http.get(f"{job}/executionduration").text == expected
    destruction = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert http.post(f"{job}/destruction", data={"DESTRUCTION": destruction}).status_code == 303
    assert http.get(f"{job}/destruction").text == destruction
    http.post(f"{job}/destruction", data={"DESTRUCTION": "2999-01-01"})
    last = datetime.fromisoformat(http.get(f"{job}/destruction").text)
    assert timedelta(days=29) < last - datetime.now(UTC) < timedelta(days=31)


def test_job_is_deleted_at_destruction_time(http: httpx.Client) -> None:
    job = create(http, PHASE="RUN")
    wait_for_end(http, job)
    http.post(f"{job}/destruction", data={"DESTRUCTION": "2000-01-01T00:00:00Z"})
    deadline = time.monotonic() + 20
    while http.get(job).status_code == 200:
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)
    assert http.get(f"{job}/results/result").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "code"),
    [
        ("POST", "", {"PHASE": "WALK"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "", {"EXECUTIONDURATION": "long"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "", {"DESTRUCTION": "tomorrow"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "", {"UPLOAD": "a,param:x"}, 400, Code.UPLOAD_BAD_REFERENCE),
        ("POST", "/{job}", {"QUERY": "x"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "/{job}/phase", {"PHASE": "WALK"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "/{job}/phase", {}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "/{job}/destruction", {}, 400, Code.REQUEST_MISSING_PARAMETER),
        ("POST", "/{job}/destruction", {"DESTRUCTION": "2000-13-01"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "/{job}/executionduration", {"EXECUTIONDURATION": "-3"}, 400, Code.REQUEST_BAD_PARAMETER),
        ("POST", "/{job}/quote", {}, 405, Code.REQUEST_METHOD_NOT_ALLOWED),
        ("PUT", "/{job}/parameters/UPLOAD", {}, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "/{job}?WAIT=soon", None, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "/{job}?WAIT=5&PHASE=WALKING", None, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "/{job}/nothing", None, 404, Code.REQUEST_NOT_FOUND),
        ("GET", "/{job}/results/other", None, 404, Code.JOB_NOT_FOUND),
        ("GET", "/{job}/results/result", None, 404, Code.JOB_NOT_FOUND),
        ("GET", "?PHASE=WALKING", None, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "?LAST=0", None, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "?AFTER=now", None, 400, Code.REQUEST_BAD_PARAMETER),
        ("GET", "/never-was", None, 404, Code.JOB_NOT_FOUND),
        ("DELETE", "", None, 405, Code.REQUEST_METHOD_NOT_ALLOWED),
        ("POST", "", {f"P{n}": "x" * 900_000 for n in range(20)}, 413, Code.REQUEST_TOO_LARGE),
    ],
)
def test_rejects_invalid_requests(
    http: httpx.Client, method: str, path: str, form: dict[str, str] | None, status: int, code: Code
) -> None:
    id = create(http).rpartition("/")[2] if "{job}" in path else ""
    response = http.request(method, "async" + path.replace("{job}", id), data=form)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert response.headers["vo-error-code"] == code
    assert f"\nERROR_CODE: {code}\n" in response.text


def test_deletion_by_post(http: httpx.Client) -> None:
    job = create(http)
    response = http.post(job, data={"action": "delete"})
    assert (response.status_code, response.headers["location"]) == (303, f"{http.base_url}async")
    assert http.get(job).status_code == 404


# ----------------------------------------------------------- list of jobs


def test_list_has_jobs_of_client(http: httpx.Client, server: Any, schema: etree.XMLSchema) -> None:
    empty = parse_document(http.get("async"))
    schema.assertValid(empty)
    assert (len(empty), empty.get("version")) == (0, "1.1")
    jobs = [create(http, RUNID=f"n{n}") for n in range(4)]
    http.post(f"{jobs[1]}/phase", data={"PHASE": "ABORT"})
    created = read_text(parse_document(http.get(jobs[1])), "creationTime") or ""

    def list_urls(**filters: Any) -> list[str]:
        document = parse_document(http.get("async", params=filters))
        schema.assertValid(document)
        assert all(e.get(HREF).endswith(f"/{e.get('id')}") for e in document)
        return [e.get(HREF) for e in document]

    assert list_urls() == jobs
    assert list_urls(PHASE="ABORTED") == [jobs[1]]
    assert list_urls(phase=["ABORTED", "PENDING"]) == jobs
    assert list_urls(PHASE="ARCHIVED") == []
    assert list_urls(LAST="2") == [jobs[3], jobs[2]]
    assert list_urls(AFTER=created) == jobs[2:]
    assert list_urls(AFTER=created, PHASE="PENDING", LAST="1") == [jobs[3]]
    assert parse_document(http.get("async")).findtext(f"{UWS}jobref/{UWS}runId") == "n0"
    other_client = httpx.get(f"{server.url}/tap/async")
    assert len(parse_document(other_client)) == 0
    assert httpx.get(jobs[0]).status_code == 200, "the URL gives access to the job"


def test_ids_cannot_be_guessed(http: httpx.Client) -> None:
    ids = [create(http).rpartition("/")[2] for _ in range(3)]
    assert len({id[:8] for id in ids}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", id) for id in ids)


def test_urls_and_cookies_behind_proxy(http: httpx.Client, schema: etree.XMLSchema) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "vo.example.org", "X-Forwarded-Prefix": "/2mass"}
    response = http.post("async", data={"QUERY": QUERY, "LANG": "ADQL", "PHASE": "RUN"}, headers=headers)
    base, _, id = response.headers["location"].rpartition("/")
    assert base == "https://vo.example.org/2mass/tap/async"
    cookie = response.headers["set-cookie"]
    assert "Path=/2mass/tap/async" in cookie
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    wait_for_end(http, f"{http.base_url}async/{id}")
    document = parse_document(http.get(f"async/{id}", headers=headers))
    assert next(document.iter(f"{UWS}result")).get(HREF) == f"{base}/{id}/results/result"
    deleted = http.delete(f"async/{id}", headers=headers)
    assert deleted.headers["location"] == base


# ---------------------------------------------------------------- waiting


def test_wait_ends_with_phase(http: httpx.Client) -> None:
    job = create(http)
    started_at = time.monotonic()
    assert read_text(parse_document(http.get(job, params={"WAIT": "20", "PHASE": "QUEUED"})), "phase") == "PENDING"
    assert read_text(parse_document(http.get(job, params={"WAIT": "0"})), "phase") == "PENDING"
    assert read_text(parse_document(http.get(job, params={"WAIT": "1"})), "phase") == "PENDING"
    assert time.monotonic() - started_at > 0.9
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(http.get, job, params={"WAIT": "-1", "PHASE": "PENDING"})
        threading.Event().wait(0.3)
        assert not waiting.done()
        http.post(f"{job}/phase", data={"PHASE": "ABORT"})
        assert read_text(parse_document(waiting.result(10)), "phase") == "ABORTED"
    assert read_text(parse_document(http.get(job, params={"WAIT": "-1"})), "phase") == "ABORTED"


def test_waiting_requests_hold_no_threads(http: httpx.Client) -> None:
    """More requests wait than there are threads; others get responses meanwhile, and a deletion wakes all."""
    job = create(http)
    with (
        httpx.Client(timeout=60, limits=httpx.Limits(max_connections=120)) as client,
        ThreadPoolExecutor(max_workers=100) as pool,
    ):
        waiting = [pool.submit(client.get, job, params={"WAIT": "45"}) for _ in range(100)]
        while sum(f.running() for f in waiting) < 100:
            pass
        started_at = time.monotonic()
        assert http.get("sync", params={"LANG": "ADQL", "QUERY": QUERY}).status_code == 200
        assert time.monotonic() - started_at < 15
        http.delete(job)
        assert {f.result(30).status_code for f in waiting} == {404}


# ---------------------------------------------------------------- results


def test_ranges_of_result(http: httpx.Client) -> None:
    """An interrupted download continues if the result is the same."""
    job = create(http, "SELECT TOP 3000 * FROM psc", PHASE="RUN")
    wait_for_end(http, job)
    url = f"{job}/results/result"
    full = http.get(url)
    etag = full.headers["etag"]
    assert full.headers["accept-ranges"] == "bytes"
    head = http.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(full.content))
    rest = http.get(url, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, full.content[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(full.content) - 1}/{len(full.content)}"
    assert http.get(url, headers={"Range": "bytes=-7"}).content == full.content[-7:]
    other = http.get(url, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, full.content)
    assert http.get(url, headers={"Range": f"bytes={len(full.content)}-"}).status_code == 416
    for matching in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = http.get(url, headers={"If-None-Match": matching})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (304, etag)
    for other_etag in ('"other"', etag.strip('"'), f'"x{etag[1:]}'):
        assert http.get(url, headers={"If-None-Match": other_etag}).status_code == 200
    for invalid_range in ("lines=1-2", "bytes", "bytes=", "bytes=a-b", "1-2", "bytes=3-1"):
        assert http.get(url, headers={"Range": invalid_range}).status_code == 200, "an invalid range is ignored"
    parts = http.get(url, headers={"Range": "bytes=0-4, -5"})
    assert parts.headers["content-type"].startswith("multipart/byteranges")
    assert full.content[-5:] in parts.content
    other_job = create(http, "SELECT TOP 2000 * FROM psc", PHASE="RUN")
    wait_for_end(http, other_job)
    assert http.head(f"{other_job}/results/result").headers["etag"] != etag


@pytest.mark.parametrize("format", ["votable", "csv", "parquet"])
def test_reports_overflow(http: httpx.Client, format: str) -> None:
    """The overflow is in the result, in a header for every format, and in the job."""
    job = create(http, "SELECT ra FROM psc", PHASE="RUN", MAXREC="3", RESPONSEFORMAT=format)
    document = wait_for_end(http, job)
    assert (document.findtext(f"{UWS}jobInfo/rows"), document.findtext(f"{UWS}jobInfo/overflow")) == ("3", "true")
    result = http.get(f"{job}/results/result")
    assert result.headers["query-status"] == "OVERFLOW"
    if format == "votable":
        infos = parse(io.BytesIO(result.content)).resources[0].infos
        assert [info.value for info in infos if info.name == "QUERY_STATUS"] == ["OK", "OVERFLOW"]
    complete = create(http, "SELECT TOP 3 ra FROM psc", PHASE="RUN", MAXREC="3", RESPONSEFORMAT=format)
    assert wait_for_end(http, complete).find(f"{UWS}jobInfo/overflow") is None
    assert "query-status" not in http.get(f"{complete}/results/result").headers


def test_result_without_rows(http: httpx.Client) -> None:
    job = create(http, "SELECT ra FROM psc WHERE ra < 0", PHASE="RUN", FORMAT="csv")
    wait_for_end(http, job)
    assert http.get(f"{job}/results/result").text.strip() == "ra"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"QUERY": "SELECT raa FROM psc"}, Code.ADQL_UNKNOWN_COLUMN),
        ({"QUERY": "SELECT \x01 <&> ]]> FROM psc"}, Code.ADQL_SYNTAX),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "LANG": "SQL"}, Code.REQUEST_BAD_PARAMETER),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "RESPONSEFORMAT": "xls"}, Code.REQUEST_UNSUPPORTED_FORMAT),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "MAXREC": "-1"}, Code.REQUEST_BAD_PARAMETER),
        ({}, Code.REQUEST_MISSING_PARAMETER),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc"}, Code.QUERY_ROW_FAILED),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc", "FORMAT": "csv"}, Code.QUERY_ROW_FAILED),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc", "FORMAT": "html"}, Code.QUERY_ROW_FAILED),
    ],
)
def test_invalid_job_is_accepted_and_fails(
    http: httpx.Client, schema: etree.XMLSchema, votable: Callable[..., Any], form: dict[str, str], code: Code
) -> None:
    """Errors of a job are reported when it runs, and it has no result (TAP 1.1 section 2.7)."""
    response = http.post("async", data={"LANG": "ADQL", "PHASE": "RUN"} | form)
    job = response.headers["location"]
    failed = wait_for_end(http, job)
    schema.assertValid(failed)
    summary = failed.find(f"{UWS}errorSummary")
    assert (read_text(failed, "phase"), summary.get("type"), summary.get("hasDetail")) == ("ERROR", "fatal", "true")
    error = http.get(f"{job}/error")
    assert error.status_code == 200
    (status,) = votable(error.content).resources[0].infos
    assert (status.name, status.value) == ("QUERY_STATUS", "ERROR")
    assert status.content == f"UsageFault: {summary.findtext(f'{UWS}message')}"
    (info,) = etree.fromstring(error.content).iterfind(".//{*}INFO[@name='ERROR_CODE']")
    assert info.get("value") == code
    assert http.get(f"{job}/results/result").status_code == 404
    assert len(parse_document(http.get(f"{job}/results"))) == 0


# ---------------------------------------------------------------- running


def test_aborted_job_frees_worker(http: httpx.Client) -> None:
    """A running job reports its progress; when it is aborted, the next job runs."""
    job = create(http, LONG_QUERY, PHASE="RUN")
    assert read_text(parse_document(http.get(job, params={"WAIT": "20", "PHASE": "QUEUED"})), "phase") == "EXECUTING"
    next_job = create(http, PHASE="RUN")
    waiting = parse_document(http.get(next_job))
    assert (read_text(waiting, "phase"), waiting.findtext(f"{UWS}jobInfo/position")) == ("QUEUED", "1")
    deadline = time.monotonic() + 20
    while (progress := parse_document(http.get(job)).findtext(f"{UWS}jobInfo/progress")) is None:
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)
    assert 0 <= float(progress) < 1
    http.post(f"{job}/phase", data={"PHASE": "ABORT"})
    aborted = parse_document(http.get(job))
    assert read_text(aborted, "phase") == "ABORTED"
    assert aborted.find(f"{UWS}endTime").text
    assert read_text(wait_for_end(http, next_job), "phase") == "COMPLETED"
    assert http.post(f"{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert http.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 403


def test_execution_duration_is_enforced(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, LONG_QUERY, PHASE="RUN", EXECUTIONDURATION="1")
    document = wait_for_end(http, job)
    schema.assertValid(document)
    assert read_text(document, "phase") == "ABORTED"
    assert "execution duration of 1 s" in document.findtext(f"{UWS}errorSummary/{UWS}message")
    assert "execution duration" in http.get(f"{job}/error").text


def test_full_job_queue_rejects_jobs(sky: Path, listening: Any, tmp_path: Path) -> None:
    settings = Settings(data=sky, job_results=str(tmp_path), job_queue=2, timeout=0.5, threads=1)
    with (
        listening(settings) as url,
        httpx.Client(base_url=f"{url}/tap", timeout=30) as http,
    ):
        pending = create(http)
        waiting = [create(http, PHASE="RUN") for _ in range(2)]
        for response in (
            http.post("async", data={"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN"}),
            http.post(f"{pending}/phase", data={"PHASE": "RUN"}),
        ):
            assert (response.status_code, response.headers["retry-after"]) == (503, "10")
            assert response.headers["vo-error-code"] == Code.JOB_QUEUE_FULL
        assert http.post(f"{waiting[0]}/phase", data={"PHASE": "RUN"}).status_code == 303
        http.delete(waiting[0])
        assert http.post(f"{pending}/phase", data={"PHASE": "RUN"}).status_code == 303
        timed_out = http.get("sync", params={"LANG": "ADQL", "QUERY": LONG_QUERY})
        assert timed_out.status_code == 400
        assert f"as an asynchronous job it may take longer: {url}/tap/async" in timed_out.text


@pytest.mark.slow
def test_shutdown_ends_waiting_requests(sky: Path, serving: Any) -> None:
    with serving(sky, "--workers", "2") as server, ThreadPoolExecutor() as pool, httpx.Client(timeout=60) as http:
        job = http.post(f"{server.url}/tap/async", data={"LANG": "ADQL", "QUERY": QUERY}).headers["location"]
        assert http.get(job).status_code == 200, "each process finds the job"
        waiting = pool.submit(http.get, job, params={"WAIT": "45"})
        threading.Event().wait(0.5)
        started_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started_at < 8, "waiting requests do not use the grace period of responses"
        assert read_text(parse_document(waiting.result(1)), "phase") == "PENDING"
        assert "Traceback" not in server.said


# --------------------------------------------------------------- uploads


def write_table(rows: int = 5) -> bytes:
    file = io.BytesIO()
    Table({"n": range(rows), "name": [f"s{n}" for n in range(rows)]}).write(file, format="votable")
    return file.getvalue()


def test_uploads_are_stored_with_job(http: httpx.Client, schema: etree.XMLSchema) -> None:
    form = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.a, TAP_UPLOAD.b", "FORMAT": "csv"}
    created = http.post("async", data=form | {"UPLOAD": "a,param:one"}, files={"one": ("a.vot", write_table())})
    job = created.headers["location"]
    added = http.post(f"{job}/parameters", data={"UPLOAD": "b,param:two"}, files={"two": ("b.csv", b"x,y\n1,2\n3,4\n")})
    assert added.status_code == 303
    document = parse_document(http.get(job))
    schema.assertValid(document)
    parameters = [(p.get("id"), p.text, p.get("byReference")) for p in document.iter(f"{UWS}parameter")]
    assert parameters[3:] == [
        ("UPLOAD", "a,param:one", None),
        ("UPLOAD", "b,param:two", None),
        ("one", f"{job}/parameters/one", "true"),
        ("two", f"{job}/parameters/two", "true"),
    ]
    upload = parse(io.BytesIO(http.get(f"{job}/parameters/one").content)).get_first_table()
    assert list(upload.array["name"]) == [f"s{n}" for n in range(5)]
    repeated = http.post(f"{job}/parameters", data={"UPLOAD": "A,param:two"}, files={"two": ("b.csv", b"x\n1\n")})
    assert repeated.status_code == 400
    http.post(f"{job}/phase", data={"PHASE": "RUN"})
    assert read_text(wait_for_end(http, job), "phase") == "COMPLETED"
    assert http.get(f"{job}/results/result").text.split() == ["n", "10"]


def test_uploads_result_of_another_job(http: httpx.Client) -> None:
    first = create(http, "SELECT TOP 3 pts_key FROM psc", PHASE="RUN")
    wait_for_end(http, first)
    parameters = {"UPLOAD": f"stars,{first}/results/result", "FORMAT": "csv", "PHASE": "RUN"}
    second = create(http, "SELECT COUNT(*) AS n FROM TAP_UPLOAD.stars JOIN psc USING (pts_key)", **parameters)
    http.delete(first)
    assert read_text(wait_for_end(http, second), "phase") == "COMPLETED"
    assert http.get(f"{second}/results/result").text.split() == ["n", "3"]


def test_rejects_invalid_uploads(http: httpx.Client, sky: Path, listening: Any, tmp_path: Path) -> None:
    form = {"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.a", "UPLOAD": "a,param:one", "PHASE": "RUN"}
    broken = http.post("async", data=form, files={"one": ("a.vot", b"<VOTABLE><RESOURCE>")})
    assert broken.status_code == 400
    assert broken.headers["vo-error-code"] == Code.UPLOAD_MALFORMED
    with listening(Settings(data=sky, job_results=str(tmp_path), upload_limit=1000)) as small_server:
        large = httpx.post(f"{small_server}/tap/async", data=form, files={"one": ("a.csv", b"n\n" + b"1\n" * 600)})
        assert large.status_code == 413
        assert large.headers["vo-error-code"] == Code.UPLOAD_TOO_LARGE
        assert "1,202 bytes; the limit of this service is 1,000" in large.text


# --------------------------------------------------------------- clients


def test_pyvo_runs_a_query(tap: TAPService) -> None:
    result, expected = tap.run_async(QUERY), tap.run_sync(QUERY)
    assert list(result["designation"]) == list(expected["designation"])
    assert len(tap.run_async("SELECT ra FROM psc", maxrec=3)) == 3
    stars = Table({"n": [1, 2, 3]})
    joined = tap.run_async("SELECT n FROM TAP_UPLOAD.stars WHERE n > 1 ORDER BY n", uploads={"stars": stars})
    assert list(joined["n"]) == [2, 3]


def test_pyvo_controls_job(tap: TAPService) -> None:
    job = tap.submit_job("SELECT nonsense FROM psc", runid="first")
    assert (job.phase, job.uws_version, job.owner, job.quote) == ("PENDING", "1.1", None, None)
    job.query = QUERY
    job.execution_duration = 30
    assert job.execution_duration.to_value("s") == 30
    job.destruction = datetime.now(UTC) + timedelta(hours=5)
    assert 4.9 < (job.destruction.to_datetime() - datetime.now(UTC).replace(tzinfo=None)) / timedelta(hours=1) < 5.1
    assert job.job_id in [listed.jobid for listed in tap.get_job_list()]
    job.run().wait(timeout=30)
    assert len(job.fetch_result()) == 4
    assert [listed.jobid for listed in tap.get_job_list(last=1, phases=["COMPLETED"])] == [job.job_id]
    url = job.url
    job.delete()
    assert httpx.get(url).status_code == 404


def test_pyvo_aborts_job(tap: TAPService) -> None:
    job = tap.submit_job(LONG_QUERY).run()
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()


def test_pyvo_raises_error(tap: TAPService) -> None:
    with pytest.raises(DALQueryError, match=r"Line 1, column 8: .*raa"):
        tap.run_async("SELECT raa FROM psc")


def test_pyvo_reads_limits(tap: TAPService) -> None:
    (access,) = (c for c in tap.capabilities if c.standardid == "ivo://ivoa.net/std/TAP")
    assert (access.executionduration.default, access.executionduration.hard) == (3600, 86400)
    assert (access.retentionperiod.default, access.retentionperiod.hard) == (604800, 2592000)


@pytest.mark.stilts
def test_stilts_runs_job(server: Any, stilts: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "up.vot").write_bytes(write_table(3))
    query = "SELECT name FROM TAP_UPLOAD.up1 ORDER BY n"
    arguments = ("sync=false", f"tapurl={server.url}/tap", "nupload=1", f"upload1={tmp_path / 'up.vot'}")
    output = stilts("tapquery", *arguments, f"adql={query}", "ofmt=csv", "out=-", "progress=false")
    assert output.split() == ["name", "s0", "s1", "s2"]


@pytest.mark.stilts
def test_stilts_resumes_job(http: httpx.Client, stilts: Callable[..., str]) -> None:
    job = create(http, "SELECT TOP 2 pts_key FROM psc ORDER BY pts_key", PHASE="RUN")
    output = stilts("tapresume", f"joburl={job}", "ofmt=csv", "out=-", "delete=finished", "progress=false")
    assert output.split()[0] == "pts_key"
    assert len(output.split()) == 3
    assert http.get(job).status_code == 404


@pytest.mark.slow
def test_over_postgresql(sky: Path, listening: Any, serving: Any, postgresql: str) -> None:
    """Two servers share the jobs: a job that one accepts is run by the worker of the other."""
    pytest.importorskip("psycopg")
    with (
        listening(Settings(data=sky, jobs=postgresql)) as front,
        serving(sky, VO_SERVER_JOBS=postgresql, VO_SERVER_JOB_WORKERS="1") as back,
        httpx.Client(timeout=60) as http,
    ):
        job = create_at(http, front)
        wait_for_end(http, job)
        other_url = job.replace(front, back.url)
        assert len(http.get(f"{other_url}/results/result").text.splitlines()) == 5
        assert len(pyvo.dal.TAPService(f"{back.url}/tap").run_async(QUERY)) == 4


def create_at(http: httpx.Client, url: str) -> str:
    form = {"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN", "FORMAT": "csv"}
    return http.post(f"{url}/tap/async", data=form).headers["location"]
