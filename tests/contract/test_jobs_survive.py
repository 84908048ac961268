"""kill -9 of a worker and of a server that really run: what they had accepted is done by those that come after."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.conftest import ROOT

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
SHORT = "SELECT TOP 4 pts_key, ra FROM psc ORDER BY pts_key"
LONG = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"
"""Takes hours."""

NO_ROOM = "the service has no room left on its disk for this result"


def create(server: Any, query: str = SHORT, client: str = "198.51.100.99", format: str = "csv") -> str:
    form = {"LANG": "ADQL", "PHASE": "RUN", "QUERY": query, "RESPONSEFORMAT": format}
    answer = httpx.post(f"{server.url}/tap/async", data=form, headers={"X-Forwarded-For": client})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def until(job: str, *phases: str) -> Any:
    """The document of a job that has come so far."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = etree.fromstring(httpx.get(job, params={"WAIT": "1"}, timeout=10).content)
        if found.findtext(f"{UWS}phase") in phases:
            return found
    raise AssertionError(etree.tostring(found).decode())


def workers(server: Any) -> list[int]:
    """The processes that the server has started, when there are any."""
    while not (found := children(server.process.pid)):
        threading.Event().wait(0.05)
    return found


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(happens: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        threading.Event().wait(0.05)


def test_a_worker_that_is_killed_is_started_again(sky: Path, serving: Any) -> None:
    """What waits behind its job runs; the job itself is run again, and when that has killed two it has failed."""
    with serving(sky, VO_SERVER_JOB_WORKERS="1") as server:
        killer, behind = create(server, LONG), create(server)
        for attempt in ("1", "2"):
            found = until(killer, "EXECUTING")
            assert (found.findtext(f"{UWS}jobInfo/attempts") or "1") == attempt
            (worker,) = workers(server)
            os.kill(worker, signal.SIGKILL)
            until(killer, "QUEUED", "ERROR")
        failed = until(killer, "ERROR")
        assert "ended without a word, 2 times" in failed.findtext(f"{UWS}errorSummary/{UWS}message")
        until(behind, "COMPLETED")
        assert len(httpx.get(f"{behind}/results/result").text.splitlines()) == 5


def test_a_long_job_holds_up_no_other(sky: Path, serving: Any) -> None:
    """Two workers, and a client who leaves two jobs of hours: the jobs of others run beside the first of them."""
    with serving(sky, VO_SERVER_JOB_WORKERS="2") as server:
        wait_for(lambda: len(workers(server)) == 2)
        first, second = create(server, LONG), create(server, LONG)
        until(first, "EXECUTING")
        for n in range(3):
            until(create(server, client=f"198.51.100.{n}"), "COMPLETED")
        found = until(second, "QUEUED")
        assert found.findtext(f"{UWS}jobInfo/position") == "1"
        httpx.post(f"{first}/phase", data={"PHASE": "ABORT"})
        until(second, "EXECUTING")


def test_a_server_that_is_killed_has_kept_all_that_it_accepted(sky: Path, serving: Any, tmp_path: Path) -> None:
    jobs = {"VO_SERVER_JOB_RESULTS": str(tmp_path), "VO_SERVER_JOB_WORKERS": "1"}
    with serving(sky, **jobs) as server:
        completed = create(server)
        until(completed, "COMPLETED")
        before = httpx.get(f"{completed}/results/result")
        form = {
            "LANG": "ADQL",
            "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t, psc",
            "UPLOAD": "t,param:t",
            "FORMAT": "csv",
        }
        answer = httpx.post(f"{server.url}/tap/async", data=form, files={"t": ("t.csv", b"a\n1\n2\n")})
        pending = answer.headers["location"]
        executing = create(server, LONG)
        until(executing, "EXECUTING")
        queued = [create(server) for _ in range(3)]
        orphans = workers(server)
        server.process.kill()
        server.process.wait()
        wait_for(lambda: all(gone(pid) for pid in orphans))
        old = server.url
    with serving(sky, **jobs) as server:

        def here(job: str) -> str:
            return job.replace(old, server.url)

        until(here(executing), "EXECUTING")
        httpx.post(f"{here(executing)}/phase", data={"PHASE": "ABORT"})
        for job in queued:
            until(here(job), "COMPLETED")
            assert httpx.get(f"{here(job)}/results/result").text == before.text
        httpx.post(f"{here(pending)}/phase", data={"PHASE": "RUN"})
        until(here(pending), "COMPLETED")
        assert httpx.get(f"{here(pending)}/results/result").text.split() == ["n", "40000"]
        after = httpx.get(f"{here(completed)}/results/result")
        assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])


def test_a_server_that_is_stopped_gives_its_job_back(sky: Path, serving: Any, tmp_path: Path) -> None:
    jobs = {"VO_SERVER_JOB_RESULTS": str(tmp_path)}
    with serving(sky, **jobs, VO_SERVER_JOB_WORKERS="1") as server:
        job = create(server, LONG)
        until(job, "EXECUTING")
        there = workers(server)
        assert server.stop() == 0, server.said
        assert all(gone(pid) for pid in there)
        assert "Traceback" not in server.said
        old = server.url
    with serving(sky, **jobs) as server:
        found = until(job.replace(old, server.url), "QUEUED")
        assert found.find(f"{UWS}jobInfo/attempts") is None
        assert found.findtext(f"{UWS}jobInfo/position") == "1"


@pytest.mark.parametrize("format", ["csv", "fits"])
def test_a_disk_without_room(sky: Path, serving: Any, tmp_path: Path, format: str) -> None:
    """No file of the worker may have more bytes than this, as on a disk that is full: CSV is written as it comes, FITS
    waits in a temporary file."""
    jobs = {"VO_SERVER_JOB_RESULTS": str(tmp_path)}
    with serving(sky, **jobs) as server:
        environment = os.environ | jobs | {"VO_SERVER_DATA": str(sky), "PYTHONPATH": str(ROOT)}
        most = 3_000_000
        worker = subprocess.Popen(
            [sys.executable, "-m", "vo_server", "worker"],
            env=environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        try:
            small, large = create(server), create(server, "SELECT * FROM psc", format=format)
            until(small, "COMPLETED")
            failed = until(large, "ERROR")
            assert failed.findtext(f"{UWS}errorSummary/{UWS}message") == NO_ROOM
            assert failed.find(f"{UWS}errorSummary").get("type") == "transient"
            assert NO_ROOM in httpx.get(f"{large}/error").text
            assert httpx.get(f"{large}/results/result").status_code == 404
            assert list(tmp_path.joinpath(large.rpartition("/")[2]).glob("*")) == []
        finally:
            worker.terminate()
            assert worker.wait(20) == 0


def test_an_aborted_query_lets_go_of_the_processor(sky: Path, serving: Any) -> None:
    with serving(sky, VO_SERVER_JOB_WORKERS="1") as server:
        job = create(server, LONG)
        until(job, "EXECUTING")
        (worker,) = workers(server)
        wait_for(lambda: busy(worker, 0.5) > 0.2)
        httpx.post(f"{job}/phase", data={"PHASE": "ABORT"})
        threading.Event().wait(1)
        assert busy(worker, 1.0) < 0.2


def busy(pid: int, seconds: float) -> float:
    """How much of a processor a process takes."""

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

    before = ticks()
    threading.Event().wait(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
