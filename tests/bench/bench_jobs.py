"""Times of jobs over HTTP on loopback.

    python tests/bench/bench_jobs.py                     load 500,000 synthetic rows and start a server
    python tests/bench/bench_jobs.py --data DIR          use the rows in DIR, or load them there
    python tests/bench/bench_jobs.py --jobs postgresql://USER@HOST/NAME
    python tests/bench/bench_jobs.py --url http://127.0.0.1:8000/tap

Turnaround is the time from POST to the response of a GET with WAIT whose phase is COMPLETED. A poll is a GET of the
job document, measured at rest and while two long queries run: a job and a synchronous query.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
from common import make_demo, serve, summarise

TRIVIAL = "SELECT TOP 1 ra FROM psc"
LONG = "SELECT COUNT(*) FROM psc AS a, psc AS b, psc AS c WHERE a.j_m < b.k_m AND b.j_m < c.k_m"


def create(client: httpx.Client, query: str) -> str:
    """Create and start a job, and return its URL."""
    form = {"LANG": "ADQL", "PHASE": "RUN", "QUERY": query}
    return client.post("async", data=form).headers["location"]


def wait_for_completion(client: httpx.Client, job: str) -> None:
    """Wait until a job is COMPLETED."""
    while b"<uws:phase>COMPLETED" not in (document := client.get(job, params={"WAIT": "20"}).content):
        assert b"<uws:phase>ERROR" not in document, document


def wait_for_server(client: httpx.Client) -> None:
    """Wait until the server responds and its worker runs jobs."""
    while True:
        try:
            run_job(client)
            return
        except httpx.TransportError:
            time.sleep(0.2)


def run_job(client: httpx.Client) -> None:
    """Run a trivial job."""
    wait_for_completion(client, create(client, TRIVIAL))


def measure_times(name: str, count: int, work: Callable[[], object]) -> list[float]:
    """Measure and print; return the times in seconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(f"{name:44} {summarise(times)}")
    return times


def measure(url: str, count: int) -> None:
    """Measure jobs of a TAP service, and print."""
    with httpx.Client(base_url=url, timeout=60) as client:
        wait_for_server(client)
        measure_times("POST to COMPLETED, trivial query", count, lambda: run_job(client))
        measure_times("POST", count, lambda: create(client, TRIVIAL))
        job = create(client, TRIVIAL)
        wait_for_completion(client, job)
        polls = measure_times("poll at rest", 10 * count, lambda: client.get(job))
        print(f"{'polls per second, one client':44} {len(polls) / sum(polls):15.0f}")
        scan = create(client, LONG)
        with httpx.Client(base_url=url) as other, httpx.Client(base_url=url) as waiting:
            thread = threading.Thread(target=run_sync_query, args=(other,))
            thread.start()
            client.get(scan, params={"WAIT": "10", "PHASE": "QUEUED"})
            measure_times("poll beside two long queries", 5 * count, lambda: waiting.get(scan))
            other.close()
        start = time.perf_counter()
        client.post(f"{scan}/phase", data={"PHASE": "ABORT"})
        run_job(client)
        print(f"{'ABORT until the next job is COMPLETED':44} {1e3 * (time.perf_counter() - start):15.1f} ms")


def run_sync_query(client: httpx.Client) -> None:
    """Run a long synchronous query until the client is closed."""
    with suppress(httpx.HTTPError, RuntimeError):
        client.get("sync", params={"LANG": "ADQL", "QUERY": LONG}, timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="the TAP service of a running server")
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--rows", type=int, default=500_000, help="rows to make if the folder has none")
    parser.add_argument("--jobs", default="", help="the URL of a job database (default: a local file)")
    parser.add_argument("--count", type=int, default=50, help="jobs of a measurement")
    options = parser.parse_args()
    if options.url:
        measure(options.url, options.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        make_demo(data, options.rows)
        variables = {"VO_SERVER_JOB_RESULTS": f"{folder}/jobs", "VO_SERVER_JOBS": options.jobs}
        with serve(data, VO_SERVER_JOB_WORKERS="2", **variables) as (url, _):
            measure(f"{url}/tap", options.count)


if __name__ == "__main__":
    main()
