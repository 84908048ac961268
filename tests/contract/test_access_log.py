"""The access log and metrics: request ids, log lines, and metrics for Prometheus."""

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

ID_HEADER = "X-Request-Id"
FIVE_ROWS = path("SELECT TOP 5 ra FROM psc", RESPONSEFORMAT="csv")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def fetch_samples(url: str) -> Samples:
    """Return all samples, read by the parser of Prometheus."""
    response = httpx.get(f"{url}/metrics", timeout=60)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = (sample for family in text_string_to_metric_families(response.text) for sample in family.samples)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}


def get_sample(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


# ------------------------------------------------------------ request ids


def test_each_response_has_its_own_id(client: httpx.Client) -> None:
    urls = ("/", "/tap/capabilities", FIVE_ROWS, "/nothing", "/tap/tables/none", "/metrics", "/cone/psc?RA=x")
    ids = [client.get(url).headers[ID_HEADER] for url in urls]
    assert len(set(ids)) == len(urls)
    assert all(re.fullmatch(r"[0-9a-f]{16}", id) for id in ids)


@pytest.mark.parametrize(
    ("proxy_id", "is_kept"),
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
def test_valid_id_of_proxy_is_kept(client: httpx.Client, proxy_id: str, is_kept: bool) -> None:
    response_id = client.get("/tap/availability", headers={ID_HEADER: proxy_id}).headers[ID_HEADER]
    assert (response_id == proxy_id) is is_kept
    assert response_id


INVALID_QUERY = "SELECT nothing FROM psc"


@pytest.mark.parametrize("format", ["votable", "votable/td", "csv", "tsv", "text", "fits", "parquet", "arrow", "html"])
def test_error_documents_have_request_id(client: httpx.Client, format: str) -> None:
    response = client.get(path(INVALID_QUERY, RESPONSEFORMAT=format), headers={ID_HEADER: "me-1"})
    assert response.status_code == 400
    if format.startswith("votable"):
        (info,) = etree.fromstring(response.content).findall("{*}INFO[@name='request_id']")
        assert info.get("value") == "me-1"
    else:
        assert re.search(r"request_id: me-1\b", response.text)


def test_other_errors_have_request_id(client: httpx.Client) -> None:
    headers = {ID_HEADER: "me-2"}
    assert client.get(path(INVALID_QUERY, RESPONSEFORMAT="json"), headers=headers).json()["request_id"] == "me-2"
    for url in ("/nothing", "/tap/tables/none", "/tap/tables?detail=x", "/tap/capabilities?x=y&detail"):
        response = client.get(url, headers=headers)
        assert response.status_code == 200 or "request_id: me-2" in response.text.splitlines()
    cone = etree.fromstring(client.get("/cone/psc?RA=x", headers=headers).content)
    assert [i.get("value") for i in cone.findall("{*}INFO[@name='request_id']")] == ["me-2"]


def test_results_have_request_id(client: httpx.Client) -> None:
    """An error amid the rows has only this INFO, since the headers have been sent."""
    response = client.get(path("SELECT TOP 2 ra FROM psc"), headers={ID_HEADER: "me-3"})
    (info,) = etree.fromstring(response.content).findall(".//{*}INFO[@name='request_id']")
    assert info.get("value") == "me-3"


# -------------------------------------------------------------------- log


@pytest.fixture(scope="module")
def log_server(sky: Path, serving: Any) -> Iterator[Any]:
    """Start a server that logs in JSON, without personal data."""
    with serving(sky, VO_SERVER_LOG_LEVEL="info", VO_SERVER_LOG_FORMAT="json") as running:
        yield running


def find_log_lines(server: Any, id: str) -> list[dict[str, Any]]:
    """Return the log lines of a request, after waiting for the first one."""
    find_lines = lambda: [d for d in map(json.loads, server.said.splitlines()) if d.get("request_id") == id]  # noqa: E731
    assert until(lambda: any(line["logger"] == "vo_server.access" for line in find_lines()))
    return find_lines()


def test_request_has_log_line(log_server: Any) -> None:
    httpx.get(
        log_server.url + FIVE_ROWS + "&RUNID=survey-7", headers={ID_HEADER: "log-1", "Accept-Encoding": "identity"}
    )
    line = find_log_lines(log_server, "log-1")[-1]
    assert (line["service"], line["status"], line["rows"], line["runid"]) == ("tap", 200, 5, "survey-7")
    assert (line["level"], line["method"], line["path"]) == ("info", "GET", "/tap/sync")
    assert 0 < line["seconds"] < 30
    assert line["bytes"] > 20


def test_log_has_no_personal_data_by_default(log_server: Any) -> None:
    """The log has no query and no address, for valid queries, invalid ones, and those that fail in the database."""
    secret = "SELECT TOP 1 ra AS secret_name FROM psc WHERE ra > 12.34567"
    fails = "SELECT CAST(designation AS INTEGER) + 7654321 AS secret_name FROM psc"
    for n, query in enumerate((secret, "SELECT secret_name FROM psc WHERE", fails)):
        httpx.get(log_server.url + path(query), headers={ID_HEADER: f"log-2-{n}", "X-Forwarded-For": "192.0.2.77"})
        assert find_log_lines(log_server, f"log-2-{n}")
    for word in ("secret_name", "12.34567", "7654321", "192.0.2.77"):
        assert word not in log_server.said


def test_log_has_no_job_id(log_server: Any) -> None:
    """An id gives access to the job. All log lines of a job have the same hash of it."""
    job = httpx.post(f"{log_server.url}/tap/async", data={"QUERY": "SELECT"}).headers["location"]
    id = job.rpartition("/")[2]
    paths = set()
    for n, rest in enumerate(("", "/phase", "/nothing", "/results/result", "/")):
        httpx.get(f"{job}{rest}", headers={ID_HEADER: f"log-5-{n}"})
        paths.add(find_log_lines(log_server, f"log-5-{n}")[-1]["path"])
    assert id not in log_server.said
    assert len({path.split("/")[3] for path in paths}) == 1
    assert len(paths) == 5


def test_log_lines_are_json(log_server: Any) -> None:
    httpx.get(log_server.url + "/nothing", headers={ID_HEADER: "log-3"})
    assert find_log_lines(log_server, "log-3")
    log_lines = [json.loads(line) for line in log_server.said.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in log_lines)


def test_log_has_personal_data_if_set(sky: Path, serving: Any) -> None:
    variables = {"LOG_LEVEL": "info", "LOG_FORMAT": "json", "LOG_PERSONAL": "yes"}
    with serving(sky, **{f"VO_SERVER_{name}": value for name, value in variables.items()}) as server:
        query = "SELECT TOP 1 ra FROM psc"
        form = {"LANG": "ADQL", "QUERY": query}
        httpx.post(f"{server.url}/tap/sync", data=form, headers={ID_HEADER: "log-4", "X-Forwarded-For": "192.0.2.77"})
        line = find_log_lines(server, "log-4")[-1]
        assert (line["client"], line["query"]) == ("192.0.2.77", query)


# ---------------------------------------------------------------- metrics


def test_requests_are_counted(server: Any) -> None:
    tap, cone = {"service": "tap", "resource": "/sync"}, {"service": "cone-psc", "resource": ""}
    before = fetch_samples(server.url)
    size = 0
    for _ in range(3):
        size += len(httpx.get(server.url + FIVE_ROWS, headers={"Accept-Encoding": "identity"}).content)
    httpx.get(server.url + path(INVALID_QUERY))
    rows = httpx.get(server.url + "/cone/psc?RA=266.4&DEC=-29&SR=3&RESPONSEFORMAT=csv").text.count("\n") - 1
    after = fetch_samples(server.url)

    def difference(name: str, **labels: str) -> float:
        return get_sample(after, name, **labels) - get_sample(before, name, **labels)

    assert difference("vo_requests_total", status="200", **tap) == 3
    assert difference("vo_requests_total", status="400", **tap) == 1
    assert difference("vo_rows_total", **tap) == 15
    assert difference("vo_rows_total", **cone) == rows > 5
    assert difference("vo_request_seconds_count", **tap) == 4
    assert difference("vo_sent_bytes_total", **tap) > size
    assert difference("vo_queue_seconds_count", lane="short") == 4
    assert get_sample(after, "vo_engine_memory_bytes") > 0


def test_running_queries_are_counted(server: Any) -> None:
    before = get_sample(fetch_samples(server.url), "vo_queries_running", lane="long")
    connection = begin(server.url, path(ENDLESS))
    assert until(lambda: get_sample(fetch_samples(server.url), "vo_queries_running", lane="long") == before + 1)
    connection.close()
    assert until(lambda: get_sample(fetch_samples(server.url), "vo_queries_running", lane="long") == before)


@pytest.fixture(scope="module")
def two_processes(sky: Path, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Start a server of two processes; return its URL and the folder of its jobs."""
    folder = tmp_path_factory.mktemp("jobs")
    with serving(sky, "--workers", "2", VO_SERVER_JOB_RESULTS=str(folder)) as server:
        yield server.url, folder


@pytest.mark.slow
def test_metrics_add_up_over_processes(two_processes: tuple[str, Path]) -> None:
    """Each process reports the sums over both processes."""
    url, _ = two_processes
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: httpx.get(url + FIVE_ROWS).status_code, range(60)))
    tap = {"service": "tap", "resource": "/sync"}
    all_samples = [fetch_samples(url) for _ in range(6)]
    assert {get_sample(samples, "vo_requests_total", status="200", **tap) for samples in all_samples} == {60}
    assert {get_sample(samples, "vo_rows_total", **tap) for samples in all_samples} == {300}
    assert {get_sample(samples, "vo_queries_running", lane="short") for samples in all_samples} == {0}
    memory = get_sample(all_samples[-1], "vo_engine_memory_bytes")
    assert memory > 0


def test_public_clients_get_no_metrics(server: Any, sky: Path, listening: Any, tmp_path: Path) -> None:
    outside = {"X-Forwarded-For": "8.8.8.8"}
    assert httpx.get(f"{server.url}/metrics", headers=outside).status_code == 404
    with listening(Settings(data=sky, job_results=str(tmp_path), metrics="all")) as open_to_all:
        assert httpx.get(f"{open_to_all}/metrics", headers=outside).status_code == 200


@pytest.mark.slow
def test_jobs_are_counted_by_phase(two_processes: tuple[str, Path]) -> None:
    """Each process counts the jobs of the shared store; without the store the other metrics remain."""
    url, folder = two_processes
    jobs = f"{url}/tap/async"
    for form in ({}, {"PHASE": "RUN"}, {"PHASE": "RUN"}):
        location = httpx.post(jobs, data=form).headers["location"]
    httpx.post(f"{location}/phase", data={"PHASE": "ABORT"})
    all_samples = [fetch_samples(url) for _ in range(6)]
    for phase, number in (("PENDING", 1), ("QUEUED", 1), ("ABORTED", 1), ("EXECUTING", 0), ("COMPLETED", 0)):
        assert {get_sample(samples, "vo_jobs", phase=phase) for samples in all_samples} == {number}, phase
    with sqlite3.connect(folder / "jobs.sqlite") as store:
        store.execute("ALTER TABLE jobs RENAME TO gone")
    assert get_sample(fetch_samples(url), "vo_requests_total", service="metrics", resource="", status="200") >= 6
