"""Crash test of jobs: kill a server and its workers (kill -9) repeatedly while clients submit jobs.

    python tests/bench/bench_kills.py                      make 20,000 synthetic rows and kill 60 times
    python tests/bench/bench_kills.py --kills 200 --data DIR --seed 7

Each accepted job (303) must end once: COMPLETED with the bytes that the query gives without kills, the same whenever
they are fetched; or ERROR with its reason after its workers have died twice. The folders of the jobs must contain
nothing else. The exit code is 1 if a job or a folder violates this.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
from common import COMMAND, ROOT, make_demo
from lxml import etree

T = TypeVar("T")

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
CLIENTS = 6
MAX_JOBS_AHEAD = 3
"""Unfinished jobs of a client above which it submits no further one."""

TIMEOUT_SECONDS = 300.0
"""Timeout of a job, and of a server that restarts."""

WORKER_DIED = "died 2 times"
"""A part of the message of a job whose workers died twice."""

UPLOAD = b"n\n" + b"".join(b"%d\n" % n for n in range(5_000))
QUERIES = (
    "SELECT TOP 5 pts_key, ra, dec FROM psc ORDER BY pts_key",
    "SELECT pts_key, ra, dec, j_m, designation FROM psc ORDER BY pts_key",
    "SELECT COUNT(*) AS n FROM psc AS a, psc AS b WHERE a.j_m < b.k_m",
    "SELECT u.n, p.ra FROM TAP_UPLOAD.u AS u, psc AS p WHERE p.pts_key = u.n ORDER BY u.n",
)
"""Queries of milliseconds, of half a second and of more, so that kills hit jobs in all phases; one has an upload."""


@dataclass(slots=True)
class RestartableServer:
    """A server that restarts at the same port after a kill."""

    data: Path
    jobs: Path
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server without waiting for it."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "VO_SERVER_JOB_RESULTS": str(self.jobs), "VO_SERVER_JOB_WORKERS": "2",
            "VO_SERVER_THREADS": "1",
        }  # fmt: skip
        command = [*COMMAND, "serve", "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=out)

    def list_workers(self) -> list[int]:
        """Return the process ids of the job workers."""
        assert self.process is not None
        try:
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        except OSError:
            return []

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop the server with SIGTERM."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait()


@dataclass(slots=True)
class AcceptedJob:
    """An accepted job: its query, and the ETag of its result when it was first fetched."""

    path: str
    query: int
    etag: str | None = None


@dataclass(slots=True)
class Report:
    """The accepted jobs, the requests without a response, and the violations."""

    jobs: list[AcceptedJob] = field(default_factory=list)
    failed_posts: int = 0
    violations: list[str] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def make_form(query: int) -> dict[str, object]:
    """Return the arguments of a POST of a query, with its upload."""
    parameters = {"LANG": "ADQL", "QUERY": QUERIES[query], "RESPONSEFORMAT": "csv", "MAXREC": "1000000"}
    if "TAP_UPLOAD" not in QUERIES[query]:
        return {"data": parameters}
    return {"data": parameters | {"UPLOAD": "u,param:u"}, "files": {"u": ("u.csv", UPLOAD)}}


def retry(request: Callable[[], T]) -> T:
    """Repeat a request until the server, which may be restarting, responds."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return request()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def submit_jobs(url: str, number: int, report: Report, stop: threading.Event, expected: list[bytes]) -> None:
    """Submit jobs, wait while too many of them have not ended, and fetch their results."""
    choose = random.Random(number)
    pending: list[AcceptedJob] = []
    with httpx.Client(base_url=url, timeout=20, headers={"X-Forwarded-For": f"198.51.100.{number}"}) as http:
        while not stop.is_set():
            query = choose.randrange(len(QUERIES))
            form = make_form(query)
            form["data"] = {**form["data"], "PHASE": "RUN"}  # type: ignore[dict-item]
            try:
                response = http.post("/tap/async", **form)  # type: ignore[arg-type]
            except httpx.HTTPError:
                report.failed_posts += 1
                stop.wait(0.2)
                continue
            if response.status_code != 303:
                report.violations.append(f"POST: {response.status_code} {response.text[:200]}")
                continue
            job = AcceptedJob(httpx.URL(response.headers["location"]).path, query)
            with report.lock:
                report.jobs.append(job)
            pending.append(job)
            while len(pending) > MAX_JOBS_AHEAD and not stop.is_set():
                phases = [check_job(http, each, report, expected, 0) for each in pending]
                pending = [j for j, p in zip(pending, phases, strict=True) if p in ("QUEUED", "EXECUTING")]


def check_job(
    http: httpx.Client, job: AcceptedJob, report: Report, expected: list[bytes], timeout: float = TIMEOUT_SECONDS
) -> str:
    """Wait for the end of a job, compare its result, and return its last phase."""
    deadline = time.monotonic() + timeout
    while True:
        response = retry(lambda: http.get(job.path, params={"WAIT": "5"}))
        if response.status_code != 200:
            report.violations.append(f"{job.path} is lost: {response.status_code} {response.text[:200]}")
            return "lost"
        document = etree.fromstring(response.content)
        phase = document.findtext(f"{UWS}phase") or ""
        if phase not in ("QUEUED", "EXECUTING"):
            break
        if time.monotonic() > deadline:
            return phase
    if phase == "ERROR":
        message = document.findtext(f"{UWS}errorSummary/{UWS}message") or ""
        if WORKER_DIED not in message:
            report.violations.append(f"{job.path} failed: {message}")
        return phase
    result = retry(lambda: http.get(f"{job.path}/results/result"))
    if result.content != expected[job.query] or result.headers["content-length"] != str(len(result.content)):
        report.violations.append(f"{job.path} is {phase} with {result.status_code} and {len(result.content)} bytes")
    if job.etag not in (None, result.headers["etag"]):
        report.violations.append(f"the result of {job.path} was written twice")
    job.etag = result.headers["etag"]
    return phase


def kill_repeatedly(server: RestartableServer, kills: int, choose: random.Random) -> Counter[str]:
    """Kill the server in one case of three, else a worker, at a random moment while a job runs; count the kills."""
    counts: Counter[str] = Counter()
    while sum(counts.values()) < kills:
        wait_for_running_job(server)
        time.sleep(choose.uniform(0.0, 1.5))
        if choose.random() < 1 / 3:
            server.kill()
            counts["server"] += 1
            server.start()
            retry(lambda: httpx.get(f"{server.url}/tap/availability", timeout=5))
            continue
        workers = server.list_workers()
        if workers:
            os.kill(choose.choice(workers), signal.SIGKILL)
            counts["worker"] += 1
    return counts


def wait_for_running_job(server: RestartableServer) -> None:
    """Wait until a worker runs a job, for at most 30 seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        metrics = retry(lambda: httpx.get(f"{server.url}/metrics", timeout=5)).text
        if re.search(r'^vo_jobs\{phase="EXECUTING"\} [1-9]', metrics, re.MULTILINE):
            return
        time.sleep(0.05)


def check_folders(jobs: Path, report: Report) -> int:
    """Check the files of all jobs, and count the folders of unknown jobs: the server died before its response."""
    known = {job.path.rpartition("/")[2]: job for job in report.jobs}
    unknown = 0
    for folder in (f for f in jobs.iterdir() if f.is_dir()):
        job = known.get(folder.name)
        if job is None:
            unknown += 1
            continue
        suffixes = sorted(path.suffix for path in folder.iterdir())
        expected = ([".result"] if job.etag else []) + ([".upload"] if "TAP_UPLOAD" in QUERIES[job.query] else [])
        if suffixes != expected and job.etag:
            report.violations.append(f"the folder of {job.path} contains {suffixes}")
    return unknown


def run(data: Path, kills: int, seed: int, folder: Path) -> int:
    """Start the server, run the test and return the exit code."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    server = RestartableServer(data, folder / "jobs", port, folder / "log")
    server.start()
    try:
        return run_test(server, kills, seed)
    finally:
        server.stop()


def run_test(server: RestartableServer, kills: int, seed: int) -> int:
    """Kill repeatedly, wait for all jobs, print the report and return the exit code."""
    retry(lambda: httpx.get(f"{server.url}/tap/availability", timeout=5))
    expected = [
        httpx.post(f"{server.url}/tap/sync", timeout=120, **make_form(n)).content  # type: ignore[arg-type]
        for n in range(len(QUERIES))
    ]
    assert all(b"\r\n" in content and b"Fault" not in content for content in expected), expected
    report, stop, start = Report(), threading.Event(), time.monotonic()
    clients = [
        threading.Thread(target=submit_jobs, args=(server.url, n, report, stop, expected), daemon=True)
        for n in range(CLIENTS)
    ]
    for thread in clients:
        thread.start()
    counts = kill_repeatedly(server, kills, random.Random(seed))
    stop.set()
    for thread in clients:
        thread.join()
    with httpx.Client(base_url=server.url, timeout=20) as http:
        for job in report.jobs:
            phase = check_job(http, job, report, expected)
            report.phases[phase] += 1
            if phase not in ("COMPLETED", "ERROR"):
                report.violations.append(f"{job.path} is still {phase}")
    unknown = check_folders(server.jobs, report)
    print(
        f"{sum(counts.values())} kills in {time.monotonic() - start:.0f} s: {counts['server']} of the server,"
        f" {counts['worker']} of a worker; {len(report.jobs)} jobs accepted from {CLIENTS} clients,"
        f" {report.failed_posts} POSTs without a response, {unknown} jobs created without a response"
    )
    phases = "; ".join(f"{n} {phase}" for phase, n in report.phases.most_common())
    print(f"{phases}; {len(report.violations)} violations")
    for line in report.violations[:20]:
        print("  ", line)
    return 1 if report.violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vo-server-kills-") as folder:
        data = options.data or Path(folder) / "data"
        if options.data is None:
            make_demo(data, 20_000)
        return run(data, options.kills, options.seed, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
