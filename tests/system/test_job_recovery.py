"""kill -9 of workers and servers: their successors run what they had accepted."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.clients import busy, children, is_gone, until
from tests.conftest import Listening, Server, clean_environment
from vo_server.errors import Code
from vo_server.settings import Settings

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
SHORT = "SELECT TOP 4 pts_key, ra FROM psc ORDER BY pts_key"
LONG = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"
"""Takes hours."""


RESTART_AT_ONCE = {"vo_server.jobs.supervisor.RESTART_DELAY_SECONDS": 0.1}


def create(url: str, query: str = SHORT, client: str = "198.51.100.99", format: str = "csv") -> str:
    """Create a job that runs, and return its URL."""
    form = {"LANG": "ADQL", "PHASE": "RUN", "QUERY": query, "RESPONSEFORMAT": format}
    answer = httpx.post(f"{url}/tap/async", data=form, headers={"X-Forwarded-For": client})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def wait(job: str, *phases: str) -> Any:
    """Return the document of a job once it is in one of these phases."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        document = etree.fromstring(httpx.get(job, params={"WAIT": "1"}, timeout=10).content)
        if document.findtext(f"{UWS}phase") in phases:
            return document
    raise AssertionError(etree.tostring(document).decode())


def workers(server: Server) -> list[int]:
    """Return the processes that the server has started, once there are any."""
    assert until(lambda: bool(children(server.process.pid)))
    return children(server.process.pid)


@pytest.fixture(scope="module")
def one_worker(sky: Path, serving: Any) -> Iterator[Server]:
    """A server with one worker, which is started again at once."""
    with serving(sky, constants=RESTART_AT_ONCE, VO_SERVER_JOB_WORKERS="1") as server:
        yield server


@pytest.mark.slow
def test_restarts_killed_worker(one_worker: Server) -> None:
    """What waits behind its job runs; the job itself is run again, and when that has killed two it has failed."""
    killer, behind = create(one_worker.url, LONG), create(one_worker.url)
    for attempt in ("1", "2"):
        document = wait(killer, "EXECUTING")
        assert (document.findtext(f"{UWS}jobInfo/attempts") or "1") == attempt
        (worker,) = workers(one_worker)
        os.kill(worker, signal.SIGKILL)
        wait(killer, "QUEUED", "ERROR")
    failed = wait(killer, "ERROR")
    assert " 2 times" in failed.findtext(f"{UWS}errorSummary/{UWS}message")
    assert Code.SERVICE_INTERNAL in httpx.get(f"{killer}/error").text
    wait(behind, "COMPLETED")
    assert len(httpx.get(f"{behind}/results/result").text.splitlines()) == 5


@pytest.mark.slow
def test_long_job_delays_no_other(sky: Path, serving: Any) -> None:
    """Two workers, and a client with two jobs of hours: the jobs of others run beside the first of them."""
    with serving(sky, VO_SERVER_JOB_WORKERS="2") as server:
        assert until(lambda: len(workers(server)) == 2)
        first, second = create(server.url, LONG), create(server.url, LONG)
        wait(first, "EXECUTING")
        for n in range(3):
            wait(create(server.url, client=f"198.51.100.{n}"), "COMPLETED")
        document = wait(second, "QUEUED")
        assert document.findtext(f"{UWS}jobInfo/position") == "1"
        httpx.post(f"{first}/phase", data={"PHASE": "ABORT"})
        wait(second, "EXECUTING")


@pytest.mark.slow
def test_restarted_server_has_all_accepted_jobs(sky: Path, serving: Any, tmp_path: Path) -> None:
    jobs = {"VO_SERVER_JOB_RESULTS": str(tmp_path), "VO_SERVER_JOB_WORKERS": "1"}
    with serving(sky, **jobs) as server:
        completed = create(server.url)
        wait(completed, "COMPLETED")
        before = httpx.get(f"{completed}/results/result")
        form = {
            "LANG": "ADQL",
            "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t, psc",
            "UPLOAD": "t,param:t",
            "FORMAT": "csv",
        }
        answer = httpx.post(f"{server.url}/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n2\n")})
        pending = answer.headers["location"]
        executing = create(server.url, LONG)
        wait(executing, "EXECUTING")
        queued = [create(server.url) for _ in range(3)]
        orphans = workers(server)
        server.process.kill()
        server.process.wait()
        assert until(lambda: all(is_gone(pid) for pid in orphans))
        old = server.url
    with serving(sky, **jobs) as server:

        def here(job: str) -> str:
            return job.replace(old, server.url)

        wait(here(executing), "EXECUTING")
        httpx.post(f"{here(executing)}/phase", data={"PHASE": "ABORT"})
        for job in queued:
            wait(here(job), "COMPLETED")
            assert httpx.get(f"{here(job)}/results/result").text == before.text
        httpx.post(f"{here(pending)}/phase", data={"PHASE": "RUN"})
        wait(here(pending), "COMPLETED")
        assert httpx.get(f"{here(pending)}/results/result").text.split() == ["n", "40000"]
        after = httpx.get(f"{here(completed)}/results/result")
        assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])


@pytest.mark.slow
def test_stopped_server_requeues_its_job(sky: Path, serving: Any, listening: Listening, tmp_path: Path) -> None:
    with serving(sky, VO_SERVER_JOB_RESULTS=str(tmp_path), VO_SERVER_JOB_WORKERS="1") as server:
        job = create(server.url, LONG)
        wait(job, "EXECUTING")
        started = workers(server)
        assert server.stop() == 0, server.said
        assert all(is_gone(pid) for pid in started)
        assert "Traceback" not in server.said
    with listening(Settings(data=sky, job_results=str(tmp_path))) as url:
        document = wait(job.replace(server.url, url), "QUEUED")
        assert document.find(f"{UWS}jobInfo/attempts") is None
        assert document.findtext(f"{UWS}jobInfo/position") == "1"


@pytest.fixture(scope="module")
def small_disk(sky: Path, listening: Listening, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a server and its folder of results.

    No file of its worker may be larger than 3 MB, as on a disk that is full.
    """
    folder = tmp_path_factory.mktemp("results")
    settings = {"VO_SERVER_JOB_RESULTS": str(folder), "VO_SERVER_DATA": str(sky), "VO_SERVER_THREADS": "1"}
    max_bytes = 3_000_000
    with (
        listening(Settings(data=sky, job_results=str(folder))) as url,
        subprocess.Popen(
            [sys.executable, "-m", "vo_server", "worker"],
            env=clean_environment() | settings,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes)),
        ) as worker,
    ):
        yield url, folder
        worker.terminate()
        assert worker.wait(20) == 0


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "fits"])
def test_job_fails_on_full_disk(small_disk: tuple[str, Path], format: str) -> None:
    """CSV is written as it comes, FITS waits in a temporary file."""
    url, folder = small_disk
    small, large = create(url), create(url, "SELECT * FROM psc", format=format)
    wait(small, "COMPLETED")
    failed = wait(large, "ERROR")
    assert failed.find(f"{UWS}errorSummary").get("type") == "transient"
    assert Code.SERVICE_BUSY in httpx.get(f"{large}/error").text
    assert httpx.get(f"{large}/results/result").status_code == 404
    assert list(folder.joinpath(large.rpartition("/")[2]).glob("*")) == []


@pytest.mark.slow
def test_aborted_query_frees_the_processor(one_worker: Server) -> None:
    job = create(one_worker.url, LONG)
    wait(job, "EXECUTING")
    (worker,) = workers(one_worker)
    assert until(lambda: busy(worker) > 0.2)
    httpx.post(f"{job}/phase", data={"PHASE": "ABORT"})
    time.sleep(1)  # the time that an abort may take
    assert busy(worker, 1.0) < 0.2
