"""What is kept of each request: an id that everybody is told, lines in the log, figures for Prometheus."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from prometheus_client.parser import text_string_to_metric_families

from tests.clients import ENDLESS, begin, path, until
from vo_server.settings import Settings

ID = "X-Request-Id"
FIVE = path("SELECT TOP 5 ra FROM psc", RESPONSEFORMAT="csv")

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(url: str) -> Figures:
    """All samples, as Prometheus' own parser reads them."""
    answer = httpx.get(f"{url}/metrics", timeout=60)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = (sample for family in text_string_to_metric_families(answer.text) for sample in family.samples)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in found}


def figure(all: Figures, name: str, **labels: str) -> float:
    return all.get((name, tuple(sorted(labels.items()))), 0.0)


# ----------------------------------------------------------------- the id


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    places = ("/", "/tap/capabilities", FIVE, "/nothing", "/tap/tables/none", "/metrics", "/cone/psc?RA=x")
    ids = [client.get(place).headers[ID] for place in places]
    assert len(set(ids)) == len(places)
    assert all(re.fullmatch(r"[0-9a-f]{16}", id) for id in ids)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("4f0c-11", True),
        ("a" * 100, True),
        ("b" * 101, False),
        ('x"><script>', False),
        ("two words", False),
        ("-", False),
        ("", False),
    ],
)
def test_the_id_of_a_proxy_is_kept_if_it_is_one(client: httpx.Client, given: str, kept: bool) -> None:
    said = client.get("/tap/availability", headers={ID: given}).headers[ID]
    assert (said == given) is kept
    assert said


WRONG = "SELECT nothing FROM psc"


@pytest.mark.parametrize("format", ["votable", "votable/td", "csv", "tsv", "text", "fits", "parquet", "arrow", "html"])
def test_error_documents_tell_it(client: httpx.Client, format: str) -> None:
    answer = client.get(path(WRONG, RESPONSEFORMAT=format), headers={ID: "me-1"})
    assert answer.status_code == 400
    if format.startswith("votable"):
        (info,) = etree.fromstring(answer.content).findall("{*}INFO[@name='request_id']")
        assert info.get("value") == "me-1"
    else:
        assert re.search(r"request_id: me-1\b", answer.text)


def test_error_documents_tell_it_elsewhere(client: httpx.Client) -> None:
    said = {ID: "me-2"}
    assert client.get(path(WRONG, RESPONSEFORMAT="json"), headers=said).json()["request_id"] == "me-2"
    for place in ("/nothing", "/tap/tables/none", "/tap/tables?detail=x", "/tap/capabilities?x=y&detail"):
        answer = client.get(place, headers=said)
        assert answer.status_code == 200 or "request_id: me-2" in answer.text.splitlines()
    cone = etree.fromstring(client.get("/cone/psc?RA=x", headers=said).content)
    assert [i.get("value") for i in cone.findall("{*}INFO[@name='request_id']")] == ["me-2"]


def test_answers_tell_it_too(client: httpx.Client) -> None:
    """For what goes wrong amid the rows: then its header has been sent."""
    answer = client.get(path("SELECT TOP 2 ra FROM psc"), headers={ID: "me-3"})
    (info,) = etree.fromstring(answer.content).findall(".//{*}INFO[@name='request_id']")
    assert info.get("value") == "me-3"


# ---------------------------------------------------------------- the log


@pytest.fixture(scope="module")
def quiet(sky: Path, serving: Any) -> Iterator[Any]:
    """A server that logs in JSON, with nothing personal."""
    with serving(sky, VO_SERVER_LOG_LEVEL="info", VO_SERVER_LOG_FORMAT="json") as running:
        yield running


def lines(server: Any, id: str) -> list[dict[str, Any]]:
    """What the log says of a request; that it says something is waited for."""
    found = lambda: [d for d in map(json.loads, server.said.splitlines()) if d.get("request_id") == id]  # noqa: E731
    assert until(lambda: any(line["logger"] == "vo_server.access" for line in found()))
    return found()


def test_a_line_for_each_request(quiet: Any) -> None:
    httpx.get(quiet.url + FIVE + "&RUNID=survey-7", headers={ID: "log-1", "Accept-Encoding": "identity"})
    line = lines(quiet, "log-1")[-1]
    assert (line["service"], line["status"], line["rows"], line["runid"]) == ("tap", 200, 5, "survey-7")
    assert (line["level"], line["method"], line["path"]) == ("info", "GET", "/tap/sync")
    assert 0 < line["seconds"] < 30
    assert line["bytes"] > 20


def test_nothing_personal_by_default(quiet: Any) -> None:
    """No query, no address: of what can be answered, of what is wrong, and of what the database refuses."""
    secret = "SELECT TOP 1 ra AS secret_name FROM psc WHERE ra > 12.34567"
    fails = "SELECT CAST(designation AS INTEGER) + 7654321 AS secret_name FROM psc"
    for n, query in enumerate((secret, "SELECT secret_name FROM psc WHERE", fails)):
        httpx.get(quiet.url + path(query), headers={ID: f"log-2-{n}", "X-Forwarded-For": "192.0.2.77"})
        assert lines(quiet, f"log-2-{n}")
    for word in ("secret_name", "12.34567", "7654321", "192.0.2.77"):
        assert word not in quiet.said


def test_no_id_of_a_job_is_in_the_log(quiet: Any) -> None:
    """Who reads the log could read and delete the job by it. What stands for it is the same in all lines of the job."""
    job = httpx.post(f"{quiet.url}/tap/async", data={"QUERY": "SELECT"}).headers["location"]
    id = job.rpartition("/")[2]
    paths = set()
    for n, rest in enumerate(("", "/phase", "/nothing", "/results/result", "/")):
        httpx.get(f"{job}{rest}", headers={ID: f"log-5-{n}"})
        paths.add(lines(quiet, f"log-5-{n}")[-1]["path"])
    assert id not in quiet.said
    assert len({path.split("/")[3] for path in paths}) == 1
    assert len(paths) == 5


def test_every_line_is_json(quiet: Any) -> None:
    httpx.get(quiet.url + "/nothing", headers={ID: "log-3"})
    assert lines(quiet, "log-3")
    said = [json.loads(line) for line in quiet.said.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in said)


def test_personal_where_it_is_wanted(sky: Path, serving: Any) -> None:
    chosen = {"LOG_LEVEL": "info", "LOG_FORMAT": "json", "LOG_PERSONAL": "yes"}
    with serving(sky, **{f"VO_SERVER_{name}": value for name, value in chosen.items()}) as server:
        query = "SELECT TOP 1 ra FROM psc"
        sent = {"LANG": "ADQL", "QUERY": query}
        httpx.post(f"{server.url}/tap/sync", data=sent, headers={ID: "log-4", "X-Forwarded-For": "192.0.2.77"})
        line = lines(server, "log-4")[-1]
        assert (line["client"], line["query"]) == ("192.0.2.77", query)


# ------------------------------------------------------------ the metrics


def test_what_is_counted(server: Any) -> None:
    tap, cone = {"service": "tap", "resource": "/sync"}, {"service": "cone-psc", "resource": ""}
    before = figures(server.url)
    size = 0
    for _ in range(3):
        size += len(httpx.get(server.url + FIVE, headers={"Accept-Encoding": "identity"}).content)
    httpx.get(server.url + path(WRONG))
    found = httpx.get(server.url + "/cone/psc?RA=266.4&DEC=-29&SR=3&RESPONSEFORMAT=csv").text.count("\n") - 1
    after = figures(server.url)

    def more(name: str, **labels: str) -> float:
        return figure(after, name, **labels) - figure(before, name, **labels)

    assert more("vo_requests_total", status="200", **tap) == 3
    assert more("vo_requests_total", status="400", **tap) == 1
    assert more("vo_rows_total", **tap) == 15
    assert more("vo_rows_total", **cone) == found > 5
    assert more("vo_request_seconds_count", **tap) == 4
    assert more("vo_sent_bytes_total", **tap) > size
    assert more("vo_queue_seconds_count", lane="short") == 4
    assert figure(after, "vo_engine_memory_bytes") > 0


def test_queries_that_run(server: Any) -> None:
    before = figure(figures(server.url), "vo_queries_running", lane="long")
    connection = begin(server.url, path(ENDLESS))
    assert until(lambda: figure(figures(server.url), "vo_queries_running", lane="long") == before + 1)
    connection.close()
    assert until(lambda: figure(figures(server.url), "vo_queries_running", lane="long") == before)


@pytest.fixture(scope="module")
def two_processes(sky: Path, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a server of two processes, and the folder of its jobs."""
    folder = tmp_path_factory.mktemp("jobs")
    with serving(sky, "--workers", "2", VO_SERVER_JOB_RESULTS=str(folder)) as server:
        yield server.url, folder


@pytest.mark.slow
def test_several_processes_add_up(two_processes: tuple[str, Path]) -> None:
    """Whichever of them is asked; and what one has counted stays when it is gone."""
    url, _ = two_processes
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: httpx.get(url + FIVE).status_code, range(60)))
    tap = {"service": "tap", "resource": "/sync"}
    said = [figures(url) for _ in range(6)]
    assert {figure(one, "vo_requests_total", status="200", **tap) for one in said} == {60}
    assert {figure(one, "vo_rows_total", **tap) for one in said} == {300}
    assert {figure(one, "vo_queries_running", lane="short") for one in said} == {0}
    memory = figure(said[-1], "vo_engine_memory_bytes")
    assert memory > 0


def test_those_outside_are_told_nothing(server: Any, sky: Path, listening: Any, tmp_path: Path) -> None:
    outside = {"X-Forwarded-For": "8.8.8.8"}
    assert httpx.get(f"{server.url}/metrics", headers=outside).status_code == 404
    with listening(Settings(data=sky, job_results=str(tmp_path), metrics="all")) as open_to_all:
        assert httpx.get(f"{open_to_all}/metrics", headers=outside).status_code == 200


@pytest.mark.slow
def test_jobs_by_phase(two_processes: tuple[str, Path]) -> None:
    """Of the store that all processes share, whichever is asked; and without them where it is gone."""
    url, folder = two_processes
    jobs = f"{url}/tap/async"
    for form in ({}, {"PHASE": "RUN"}, {"PHASE": "RUN"}):
        made = httpx.post(jobs, data=form).headers["location"]
    httpx.post(f"{made}/phase", data={"PHASE": "ABORT"})
    said = [figures(url) for _ in range(6)]
    for phase, number in (("PENDING", 1), ("QUEUED", 1), ("ABORTED", 1), ("EXECUTING", 0), ("COMPLETED", 0)):
        assert {figure(one, "vo_jobs", phase=phase) for one in said} == {number}, phase
    with sqlite3.connect(folder / "jobs.sqlite") as store:
        store.execute("ALTER TABLE jobs RENAME TO gone")
    assert figure(figures(url), "vo_requests_total", service="metrics", resource="", status="200") >= 6
