"""How quick jobs are, as their clients see it: over HTTP on loopback, against a server with one worker.

    python tests/bench/bench_jobs.py                     makes and loads 500,000 synthetic rows, starts a server
    python tests/bench/bench_jobs.py --data DIR          serves the rows that are loaded there
    python tests/bench/bench_jobs.py --jobs postgresql://USER@HOST/NAME
    python tests/bench/bench_jobs.py --url http://127.0.0.1:8000/tap

Turnaround is from the POST to the answer of a GET with WAIT that says COMPLETED; a poll is a GET of the job's document.
Polls are counted at rest, and timed while two long queries run: a job and one that is answered at once.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
TRIVIAL = "SELECT TOP 1 ra FROM psc"
LONG = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"


@contextmanager
def serving(data: str | None, jobs: str) -> Iterator[str]:
    """The URL of the TAP service of a server of our own."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        command = ["demo" if data is None else "serve", "--port", str(port), "--data", data or folder]
        said = {"VO_SERVER_JOB_RESULTS": f"{folder}/jobs", "VO_SERVER_JOBS": jobs, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen([sys.executable, "-m", "vo_server", *command], env=os.environ | said)
        try:
            yield f"http://127.0.0.1:{port}/tap"
        finally:
            server.terminate()
            server.wait()


def create(client: httpx.Client, query: str) -> str:
    form = {"LANG": "ADQL", "PHASE": "RUN", "QUERY": query}
    return client.post("async", data=form).headers["location"]


def done(client: httpx.Client, job: str) -> None:
    while b"<uws:phase>COMPLETED" not in (found := client.get(job, params={"WAIT": "20"}).content):
        assert b"<uws:phase>ERROR" not in found, found


def first(client: httpx.Client) -> None:
    """Wait until the server answers and its worker works."""
    while True:
        try:
            done(client, create(client, TRIVIAL))
            return
        except httpx.TransportError:
            time.sleep(0.2)


def say(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    late = ordered[int(0.95 * len(ordered))]
    print(f"{name:44} median {1e3 * statistics.median(ordered):7.1f} ms   95 % {1e3 * late:7.1f} ms")


def timed(count: int, what: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return taken


def measure(url: str, count: int) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        first(client)
        say("POST to COMPLETED, a trivial query", timed(count, lambda: done(client, create(client, TRIVIAL))))
        say("POST alone", timed(count, lambda: create(client, TRIVIAL)))
        job = create(client, TRIVIAL)
        done(client, job)
        polls = timed(10 * count, lambda: client.get(job))
        say("a poll, at rest", polls)
        print(f"{'polls a second, one client':44} {len(polls) / sum(polls):7.0f}")
        scan = create(client, LONG)
        with httpx.Client(base_url=url) as other, httpx.Client(base_url=url) as waiting:
            stop = threading.Thread(target=sync_scan, args=(other,))
            stop.start()
            client.get(scan, params={"WAIT": "10", "PHASE": "QUEUED"})
            say("a poll, while a job and a query scan", timed(5 * count, lambda: waiting.get(scan)))
            other.close()
        begun = time.perf_counter()
        client.post(f"{scan}/phase", data={"PHASE": "ABORT"})
        done(client, create(client, TRIVIAL))
        print(f"{'ABORT until the next job is done':44}        {1e3 * (time.perf_counter() - begun):7.1f} ms")


def sync_scan(client: httpx.Client) -> None:
    with suppress(httpx.HTTPError, RuntimeError):
        client.get("sync", params={"LANG": "ADQL", "QUERY": LONG}, timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--data")
    parser.add_argument("--jobs", default="")
    parser.add_argument("--count", type=int, default=50)
    given = parser.parse_args()
    if given.url:
        measure(given.url, given.count)
        return
    with serving(given.data, given.jobs) as url:
        measure(url, given.count)


if __name__ == "__main__":
    main()
