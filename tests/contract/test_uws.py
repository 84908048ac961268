"""UWS 1.1 at /tap/async: the tree as the standard has it, and clients that leave their queries to it."""

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
LONG = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"
"""Takes hours."""

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
HREF = "{http://www.w3.org/1999/xlink}href"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pyvo leaves answers unread and their connections open, which is found out in the midst of a later test."""

ENDED = ("COMPLETED", "ERROR", "ABORTED")


@pytest.fixture(scope="module")
def schema(shared: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared / "standards" / "xsd" / "local" / "UWS-v1.1.xsd"))


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    """A client with cookies of its own; where an answer leads to is not followed."""
    with httpx.Client(base_url=f"{server.url}/tap", timeout=90) as client:
        yield client


@pytest.fixture(scope="module")
def tap(server: Any) -> TAPService:
    return TAPService(f"{server.url}/tap")


def create(http: httpx.Client, query: str = QUERY, **more: str) -> str:
    """The URL of a new job."""
    answer = http.post("async", data={"LANG": "ADQL", "QUERY": query} | more)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def tree(answer: httpx.Response) -> etree._Element:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/xml")
    return etree.fromstring(answer.content)


def done(http: httpx.Client, job: str) -> etree._Element:
    """The document of a job once it has ended."""
    while (found := tree(http.get(job, params={"WAIT": "20"}))).findtext(f"{UWS}phase") not in ENDED:
        pass
    return found


def said(found: etree._Element, name: str) -> str | None:
    return found.findtext(f"{UWS}{name}")


# ------------------------------------------------------------- the tree


def test_a_job_from_its_beginning_to_its_end(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, RUNID="mine", REQUEST="doQuery", RESPONSEFORMAT="csv")
    pending = tree(http.get(job))
    schema.assertValid(pending)
    assert pending.get("version") == "1.1"
    assert said(pending, "jobId") == job.rpartition("/")[2]
    assert (said(pending, "phase"), said(pending, "runId")) == ("PENDING", "mine")
    for name in ("ownerId", "quote", "startTime", "endTime"):
        assert pending.find(f"{UWS}{name}").get(NIL) == "true"
    for name in ("creationTime", "destruction"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", said(pending, name) or "")
    given = [(p.get("id"), p.text) for p in pending.iter(f"{UWS}parameter")]
    sent = [("LANG", "ADQL"), ("QUERY", QUERY), ("RUNID", "mine"), ("REQUEST", "doQuery"), ("RESPONSEFORMAT", "csv")]
    assert given == sent
    started = http.post(f"{job}/phase", data={"phase": "RUN"})
    assert (started.status_code, started.headers["location"]) == (303, job)
    completed = done(http, job)
    schema.assertValid(completed)
    assert said(completed, "phase") == "COMPLETED"
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


def test_every_resource_says_what_the_job_says(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, PHASE="RUN")
    found = done(http, job)
    for name, path in (("phase", "phase"), ("executionDuration", "executionduration"), ("destruction", "destruction")):
        answer = http.get(f"{job}/{path}")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text == said(found, name)
        assert http.head(f"{job}/{path}").status_code == 200
    assert (http.get(f"{job}/quote").text, http.get(f"{job}/owner").text) == ("", "")
    for name in ("parameters", "results"):
        own = tree(http.get(f"{job}/{name}"))
        schema.assertValid(own)
        assert [dict(e.attrib) for e in own] == [dict(e.attrib) for e in found.find(f"{UWS}{name}")]
    assert http.get(f"{job}/parameters/query").text == QUERY
    assert http.get(f"{job}/parameters/nothing").status_code == 404
    assert http.get(f"{job}/error").status_code == 404


def test_parameters_are_given_until_it_runs(http: httpx.Client) -> None:
    job = http.post("async").headers["location"]
    for form in ({"QUERY": "nonsense", "LANG": "ADQL"}, {"query": QUERY, "MAXREC": "2"}, {"RUNID": "one"}):
        assert http.post(f"{job}/parameters", data=form).status_code == 303
    assert http.put(f"{job}/parameters/RESPONSEFORMAT", content="tsv").status_code == 303
    given = {p.get("id"): p.text for p in tree(http.get(f"{job}/parameters"))}
    assert given == {"query": QUERY, "LANG": "ADQL", "MAXREC": "2", "RUNID": "one", "RESPONSEFORMAT": "tsv"}
    http.post(f"{job}/phase", data={"PHASE": "RUN"})
    done(http, job)
    head, *rows = http.get(f"{job}/results/result").text.splitlines()
    assert (head, len(rows)) == ("designation\tra\tj_m", 3), "two rows, and that there are more"
    for answer in (
        http.post(f"{job}/parameters", data={"MAXREC": "3"}),
        http.put(f"{job}/parameters/MAXREC", content="3"),
        http.post(f"{job}/phase", data={"PHASE": "RUN"}),
        http.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "3"}),
    ):
        assert answer.status_code == 403
        assert "the job is COMPLETED" in answer.text


def test_times_are_set_and_cut_at_their_limits(http: httpx.Client) -> None:
    job = create(http, EXECUTIONDURATION="77")
    assert http.get(f"{job}/executionduration").text == "77"
    for asked, got in (("5", "5"), ("0", "86400"), ("9" * 30, "86400")):
        assert http.post(f"{job}/executionduration", data={"executionDuration": asked}).status_code == 303
        assert http.get(f"{job}/executionduration").text == got
    wanted = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert http.post(f"{job}/destruction", data={"DESTRUCTION": wanted}).status_code == 303
    assert http.get(f"{job}/destruction").text == wanted
    http.post(f"{job}/destruction", data={"DESTRUCTION": "2999-01-01"})
    last = datetime.fromisoformat(http.get(f"{job}/destruction").text)
    assert timedelta(days=29) < last - datetime.now(UTC) < timedelta(days=31)


def test_a_job_is_destroyed_at_its_time(http: httpx.Client) -> None:
    job = create(http, PHASE="RUN")
    done(http, job)
    http.post(f"{job}/destruction", data={"DESTRUCTION": "2000-01-01T00:00:00Z"})
    until = time.monotonic() + 20
    while http.get(job).status_code == 200:
        assert time.monotonic() < until
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
def test_what_is_wrong(
    http: httpx.Client, method: str, path: str, form: dict[str, str] | None, status: int, code: Code
) -> None:
    id = create(http).rpartition("/")[2] if "{job}" in path else ""
    answer = http.request(method, "async" + path.replace("{job}", id), data=form)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert answer.headers["vo-error-code"] == code
    assert f"\nERROR_CODE: {code}\n" in answer.text


def test_deletion_by_post(http: httpx.Client) -> None:
    job = create(http)
    answer = http.post(job, data={"action": "delete"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{http.base_url}async")
    assert http.get(job).status_code == 404


# -------------------------------------------------------------- the list


def test_the_list_has_the_jobs_of_this_client(http: httpx.Client, server: Any, schema: etree.XMLSchema) -> None:
    empty = tree(http.get("async"))
    schema.assertValid(empty)
    assert (len(empty), empty.get("version")) == (0, "1.1")
    jobs = [create(http, RUNID=f"n{n}") for n in range(4)]
    http.post(f"{jobs[1]}/phase", data={"PHASE": "ABORT"})
    created = said(tree(http.get(jobs[1])), "creationTime") or ""

    def listed(**filters: Any) -> list[str]:
        found = tree(http.get("async", params=filters))
        schema.assertValid(found)
        assert all(e.get(HREF).endswith(f"/{e.get('id')}") for e in found)
        return [e.get(HREF) for e in found]

    assert listed() == jobs
    assert listed(PHASE="ABORTED") == [jobs[1]]
    assert listed(phase=["ABORTED", "PENDING"]) == jobs
    assert listed(PHASE="ARCHIVED") == []
    assert listed(LAST="2") == [jobs[3], jobs[2]]
    assert listed(AFTER=created) == jobs[2:]
    assert listed(AFTER=created, PHASE="PENDING", LAST="1") == [jobs[3]]
    assert tree(http.get("async")).findtext(f"{UWS}jobref/{UWS}runId") == "n0"
    stranger = httpx.get(f"{server.url}/tap/async")
    assert len(tree(stranger)) == 0
    assert httpx.get(jobs[0]).status_code == 200, "who knows the URL may read it"


def test_ids_cannot_be_guessed(http: httpx.Client) -> None:
    ids = [create(http).rpartition("/")[2] for _ in range(3)]
    assert len({id[:8] for id in ids}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", id) for id in ids)


def test_urls_and_cookies_behind_a_proxy(http: httpx.Client, schema: etree.XMLSchema) -> None:
    via = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "vo.example.org", "X-Forwarded-Prefix": "/2mass"}
    answer = http.post("async", data={"QUERY": QUERY, "LANG": "ADQL", "PHASE": "RUN"}, headers=via)
    base, _, id = answer.headers["location"].rpartition("/")
    assert base == "https://vo.example.org/2mass/tap/async"
    cookie = answer.headers["set-cookie"]
    assert "Path=/2mass/tap/async" in cookie
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    done(http, f"{http.base_url}async/{id}")
    found = tree(http.get(f"async/{id}", headers=via))
    assert next(found.iter(f"{UWS}result")).get(HREF) == f"{base}/{id}/results/result"
    deleted = http.delete(f"async/{id}", headers=via)
    assert deleted.headers["location"] == base


# ---------------------------------------------------------------- waiting


def test_waiting_ends_with_the_phase(http: httpx.Client) -> None:
    job = create(http)
    begun = time.monotonic()
    assert said(tree(http.get(job, params={"WAIT": "20", "PHASE": "QUEUED"})), "phase") == "PENDING"
    assert said(tree(http.get(job, params={"WAIT": "0"})), "phase") == "PENDING"
    assert said(tree(http.get(job, params={"WAIT": "1"})), "phase") == "PENDING"
    assert time.monotonic() - begun > 0.9
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(http.get, job, params={"WAIT": "-1", "PHASE": "PENDING"})
        threading.Event().wait(0.3)
        assert not waiting.done()
        http.post(f"{job}/phase", data={"PHASE": "ABORT"})
        assert said(tree(waiting.result(10)), "phase") == "ABORTED"
    assert said(tree(http.get(job, params={"WAIT": "-1"})), "phase") == "ABORTED"


def test_many_wait_for_one_job_and_none_keeps_a_thread(http: httpx.Client) -> None:
    """More than there are threads; others are answered meanwhile, and a deletion wakes them all."""
    job = create(http)
    with (
        httpx.Client(timeout=60, limits=httpx.Limits(max_connections=120)) as many,
        ThreadPoolExecutor(max_workers=100) as pool,
    ):
        waiting = [pool.submit(many.get, job, params={"WAIT": "45"}) for _ in range(100)]
        while sum(f.running() for f in waiting) < 100:
            pass
        begun = time.monotonic()
        assert http.get("sync", params={"LANG": "ADQL", "QUERY": QUERY}).status_code == 200
        assert time.monotonic() - begun < 15
        http.delete(job)
        assert {f.result(30).status_code for f in waiting} == {404}


# ---------------------------------------------------------------- results


def test_a_result_is_read_in_parts(http: httpx.Client) -> None:
    """A download that was broken off goes on where it was, if it is still the same result."""
    job = create(http, "SELECT TOP 3000 * FROM psc", PHASE="RUN")
    done(http, job)
    url = f"{job}/results/result"
    whole = http.get(url)
    etag = whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    head = http.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    rest = http.get(url, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(whole.content) - 1}/{len(whole.content)}"
    assert http.get(url, headers={"Range": "bytes=-7"}).content == whole.content[-7:]
    other = http.get(url, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert http.get(url, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = http.get(url, headers={"If-None-Match": known})
        assert (same.status_code, same.headers["etag"]) == (304, etag)
    for unknown in ('"other"', etag.strip('"'), f'"x{etag[1:]}'):
        assert http.get(url, headers={"If-None-Match": unknown}).status_code == 200
    for words in ("lines=1-2", "bytes", "bytes=", "bytes=a-b", "1-2", "bytes=3-1"):
        assert http.get(url, headers={"Range": words}).status_code == 200, "what is not understood asks for nothing"
    parts = http.get(url, headers={"Range": "bytes=0-4, -5"})
    assert parts.headers["content-type"].startswith("multipart/byteranges")
    assert whole.content[-5:] in parts.content
    again = create(http, "SELECT TOP 2000 * FROM psc", PHASE="RUN")
    done(http, again)
    assert http.head(f"{again}/results/result").headers["etag"] != etag


@pytest.mark.parametrize("format", ["votable", "csv", "parquet"])
def test_overflow_is_told(http: httpx.Client, format: str) -> None:
    """In the result, by a header whatever the format, and by the job."""
    job = create(http, "SELECT ra FROM psc", PHASE="RUN", MAXREC="3", RESPONSEFORMAT=format)
    found = done(http, job)
    assert (found.findtext(f"{UWS}jobInfo/rows"), found.findtext(f"{UWS}jobInfo/overflow")) == ("3", "true")
    result = http.get(f"{job}/results/result")
    assert result.headers["query-status"] == "OVERFLOW"
    if format == "votable":
        infos = parse(io.BytesIO(result.content)).resources[0].infos
        assert [info.value for info in infos if info.name == "QUERY_STATUS"] == ["OK", "OVERFLOW"]
    whole = create(http, "SELECT TOP 3 ra FROM psc", PHASE="RUN", MAXREC="3", RESPONSEFORMAT=format)
    assert done(http, whole).find(f"{UWS}jobInfo/overflow") is None
    assert "query-status" not in http.get(f"{whole}/results/result").headers


def test_no_rows_are_a_result(http: httpx.Client) -> None:
    job = create(http, "SELECT ra FROM psc WHERE ra < 0", PHASE="RUN", FORMAT="csv")
    done(http, job)
    assert http.get(f"{job}/results/result").text.strip() == "ra"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"QUERY": "SELECT raa FROM psc"}, "Line 1, column 8: no column raa (did you mean ra"),
        ({"QUERY": "SELECT \x01 <&> ]]> FROM psc"}, "Line 1, column 8"),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "LANG": "SQL"}, "unsupported LANG 'SQL'"),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "RESPONSEFORMAT": "xls"}, "RESPONSEFORMAT 'xls' is not offered"),
        ({"QUERY": "SELECT TOP 1 ra FROM psc", "MAXREC": "-1"}, "MAXREC"),
        ({}, "QUERY is missing"),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc"}, "out of the range"),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc", "FORMAT": "csv"}, "out of the range"),
        ({"QUERY": "SELECT CAST(pts_key AS SMALLINT) AS s FROM psc", "FORMAT": "html"}, "out of the range"),
    ],
)
def test_a_bad_job_is_taken_and_then_fails(
    http: httpx.Client, schema: etree.XMLSchema, votable: Callable[..., Any], form: dict[str, str], words: str
) -> None:
    """TAP 1.1 section 2.7: what is wrong with a job is told when it runs, and nothing of a result is there."""
    answer = http.post("async", data={"LANG": "ADQL", "PHASE": "RUN"} | form)
    job = answer.headers["location"]
    failed = done(http, job)
    schema.assertValid(failed)
    summary = failed.find(f"{UWS}errorSummary")
    assert (said(failed, "phase"), summary.get("type"), summary.get("hasDetail")) == ("ERROR", "fatal", "true")
    assert words in summary.findtext(f"{UWS}message")
    error = http.get(f"{job}/error")
    assert error.status_code == 200
    (status,) = votable(error.content).resources[0].infos
    assert (status.name, status.value) == ("QUERY_STATUS", "ERROR")
    assert words in status.content
    assert status.content.startswith("UsageFault: ")
    assert http.get(f"{job}/results/result").status_code == 404
    assert len(tree(http.get(f"{job}/results"))) == 0


# ------------------------------------------------------------- running


def test_a_long_job_tells_how_far_it_is_and_lets_go_when_aborted(http: httpx.Client) -> None:
    """The one that waits behind it runs as soon as it is aborted."""
    job = create(http, LONG, PHASE="RUN")
    assert said(tree(http.get(job, params={"WAIT": "20", "PHASE": "QUEUED"})), "phase") == "EXECUTING"
    behind = create(http, PHASE="RUN")
    waiting = tree(http.get(behind))
    assert (said(waiting, "phase"), waiting.findtext(f"{UWS}jobInfo/position")) == ("QUEUED", "1")
    until = time.monotonic() + 20
    while (progress := tree(http.get(job)).findtext(f"{UWS}jobInfo/progress")) is None:
        assert time.monotonic() < until
        threading.Event().wait(0.1)
    assert 0 <= float(progress) < 1
    http.post(f"{job}/phase", data={"PHASE": "ABORT"})
    aborted = tree(http.get(job))
    assert said(aborted, "phase") == "ABORTED"
    assert aborted.find(f"{UWS}endTime").text
    assert said(done(http, behind), "phase") == "COMPLETED"
    assert http.post(f"{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert http.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 403


def test_a_job_has_the_time_that_it_was_given(http: httpx.Client, schema: etree.XMLSchema) -> None:
    job = create(http, LONG, PHASE="RUN", EXECUTIONDURATION="1")
    late = done(http, job)
    schema.assertValid(late)
    assert said(late, "phase") == "ABORTED"
    assert "execution duration of 1 s" in late.findtext(f"{UWS}errorSummary/{UWS}message")
    assert "execution duration" in http.get(f"{job}/error").text


def test_more_than_may_wait_are_refused_for_the_time(sky: Path, listening: Any, tmp_path: Path) -> None:
    settings = Settings(data=sky, job_results=str(tmp_path), job_queue=2, timeout=0.5, threads=1)
    with (
        listening(settings) as url,
        httpx.Client(base_url=f"{url}/tap", timeout=30) as http,
    ):
        pending = create(http)
        waiting = [create(http, PHASE="RUN") for _ in range(2)]
        for answer in (
            http.post("async", data={"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN"}),
            http.post(f"{pending}/phase", data={"PHASE": "RUN"}),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert answer.headers["vo-error-code"] == Code.JOB_QUEUE_FULL
        assert http.post(f"{waiting[0]}/phase", data={"PHASE": "RUN"}).status_code == 303
        http.delete(waiting[0])
        assert http.post(f"{pending}/phase", data={"PHASE": "RUN"}).status_code == 303
        late = http.get("sync", params={"LANG": "ADQL", "QUERY": LONG})
        assert late.status_code == 400
        assert f"as an asynchronous job it may take longer: {url}/tap/async" in late.text


@pytest.mark.slow
def test_a_server_that_stops_lets_those_go_who_wait(sky: Path, serving: Any) -> None:
    with serving(sky, "--workers", "2") as server, ThreadPoolExecutor() as pool, httpx.Client(timeout=60) as http:
        job = http.post(f"{server.url}/tap/async", data={"LANG": "ADQL", "QUERY": QUERY}).headers["location"]
        assert http.get(job).status_code == 200, "whichever process is asked"
        waiting = pool.submit(http.get, job, params={"WAIT": "45"})
        threading.Event().wait(0.5)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 8, "not the grace of those who read an answer"
        assert said(tree(waiting.result(1)), "phase") == "PENDING"
        assert "Traceback" not in server.said


# --------------------------------------------------------------- uploads


def table(rows: int = 5) -> bytes:
    made = io.BytesIO()
    Table({"n": range(rows), "name": [f"s{n}" for n in range(rows)]}).write(made, format="votable")
    return made.getvalue()


def test_uploads_are_kept_with_the_job(http: httpx.Client, schema: etree.XMLSchema) -> None:
    form = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.a, TAP_UPLOAD.b", "FORMAT": "csv"}
    first = http.post("async", data=form | {"UPLOAD": "a,param:one"}, files={"one": ("a.vot", table())})
    job = first.headers["location"]
    more = http.post(f"{job}/parameters", data={"UPLOAD": "b,param:two"}, files={"two": ("b.csv", b"x,y\n1,2\n3,4\n")})
    assert more.status_code == 303
    found = tree(http.get(job))
    schema.assertValid(found)
    listed = [(p.get("id"), p.text, p.get("byReference")) for p in found.iter(f"{UWS}parameter")]
    assert listed[3:] == [
        ("UPLOAD", "a,param:one", None),
        ("UPLOAD", "b,param:two", None),
        ("one", f"{job}/parameters/one", "true"),
        ("two", f"{job}/parameters/two", "true"),
    ]
    sent = parse(io.BytesIO(http.get(f"{job}/parameters/one").content)).get_first_table()
    assert list(sent.array["name"]) == [f"s{n}" for n in range(5)]
    again = http.post(f"{job}/parameters", data={"UPLOAD": "A,param:two"}, files={"two": ("b.csv", b"x\n1\n")})
    assert again.status_code == 400
    http.post(f"{job}/phase", data={"PHASE": "RUN"})
    assert said(done(http, job), "phase") == "COMPLETED"
    assert http.get(f"{job}/results/result").text.split() == ["n", "10"]


def test_the_result_of_one_job_is_the_upload_of_the_next(http: httpx.Client) -> None:
    first = create(http, "SELECT TOP 3 pts_key FROM psc", PHASE="RUN")
    done(http, first)
    more = {"UPLOAD": f"stars,{first}/results/result", "FORMAT": "csv", "PHASE": "RUN"}
    second = create(http, "SELECT COUNT(*) AS n FROM TAP_UPLOAD.stars JOIN psc USING (pts_key)", **more)
    http.delete(first)
    assert said(done(http, second), "phase") == "COMPLETED"
    assert http.get(f"{second}/results/result").text.split() == ["n", "3"]


def test_an_upload_that_is_wrong_is_refused_at_once(
    http: httpx.Client, sky: Path, listening: Any, tmp_path: Path
) -> None:
    form = {"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.a", "UPLOAD": "a,param:one", "PHASE": "RUN"}
    broken = http.post("async", data=form, files={"one": ("a.vot", b"<VOTABLE><RESOURCE>")})
    assert broken.status_code == 400
    assert broken.headers["vo-error-code"] == Code.UPLOAD_MALFORMED
    with listening(Settings(data=sky, job_results=str(tmp_path), upload_limit=1000)) as small:
        large = httpx.post(f"{small}/tap/async", data=form, files={"one": ("a.csv", b"n\n" + b"1\n" * 600)})
        assert large.status_code == 413
        assert large.headers["vo-error-code"] == Code.UPLOAD_TOO_LARGE
        assert "1,202 bytes; the limit of this service is 1,000" in large.text


# --------------------------------------------------------------- clients


def test_pyvo_runs_a_query(tap: TAPService) -> None:
    got, wanted = tap.run_async(QUERY), tap.run_sync(QUERY)
    assert list(got["designation"]) == list(wanted["designation"])
    assert len(tap.run_async("SELECT ra FROM psc", maxrec=3)) == 3
    stars = Table({"n": [1, 2, 3]})
    joined = tap.run_async("SELECT n FROM TAP_UPLOAD.stars WHERE n > 1 ORDER BY n", uploads={"stars": stars})
    assert list(joined["n"]) == [2, 3]


def test_pyvo_leads_a_job(tap: TAPService) -> None:
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


def test_pyvo_aborts(tap: TAPService) -> None:
    job = tap.submit_job(LONG).run()
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()


def test_pyvo_is_told_why(tap: TAPService) -> None:
    with pytest.raises(DALQueryError, match="no column raa"):
        tap.run_async("SELECT raa FROM psc")


def test_pyvo_knows_the_limits(tap: TAPService) -> None:
    (access,) = (c for c in tap.capabilities if c.standardid == "ivo://ivoa.net/std/TAP")
    assert (access.executionduration.default, access.executionduration.hard) == (3600, 86400)
    assert (access.retentionperiod.default, access.retentionperiod.hard) == (604800, 2592000)


@pytest.mark.stilts
def test_stilts(server: Any, stilts: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "up.vot").write_bytes(table(3))
    query = "SELECT name FROM TAP_UPLOAD.up1 ORDER BY n"
    words = ("sync=false", f"tapurl={server.url}/tap", "nupload=1", f"upload1={tmp_path / 'up.vot'}")
    said = stilts("tapquery", *words, f"adql={query}", "ofmt=csv", "out=-", "progress=false")
    assert said.split() == ["name", "s0", "s1", "s2"]


@pytest.mark.stilts
def test_stilts_takes_up_a_job(http: httpx.Client, stilts: Callable[..., str]) -> None:
    job = create(http, "SELECT TOP 2 pts_key FROM psc ORDER BY pts_key", PHASE="RUN")
    said = stilts("tapresume", f"joburl={job}", "ofmt=csv", "out=-", "delete=finished", "progress=false")
    assert said.split()[0] == "pts_key"
    assert len(said.split()) == 3
    assert http.get(job).status_code == 404


@pytest.mark.slow
def test_over_postgresql(sky: Path, listening: Any, serving: Any, postgresql: str) -> None:
    """Two servers share the jobs: what one takes in, the worker of the other runs."""
    pytest.importorskip("psycopg")
    with (
        listening(Settings(data=sky, jobs=postgresql)) as front,
        serving(sky, VO_SERVER_JOBS=postgresql, VO_SERVER_JOB_WORKERS="1") as back,
        httpx.Client(timeout=60) as http,
    ):
        job = create_at(http, front)
        done(http, job)
        there = job.replace(front, back.url)
        assert len(http.get(f"{there}/results/result").text.splitlines()) == 5
        assert len(pyvo.dal.TAPService(f"{back.url}/tap").run_async(QUERY)) == 4


def create_at(http: httpx.Client, url: str) -> str:
    form = {"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN", "FORMAT": "csv"}
    return http.post(f"{url}/tap/async", data=form).headers["location"]
