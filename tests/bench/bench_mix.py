"""Load test with many clients at once: cone searches, queries, metadata, and jobs with polls if the service has jobs.

Each response is compared with the response that a single client got before.

    python tests/bench/bench_mix.py                          load 500,000 synthetic rows and start a server
    python tests/bench/bench_mix.py --data DIR --workers 2   use the rows in DIR, or load them there
    python tests/bench/bench_mix.py --url http://host:8000 --seconds 10 --clients 20

Two long queries run as jobs all the time (--scans), and others as synchronous queries (--sync-scans), each by its own
client. It prints for each kind of request the number of responses, the median and the 95th percentile in ms, wrong
responses, responses 503 with Retry-After, and other errors of the server. The exit code is 1 if a response was wrong or
an error.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx
from common import make_demo, percentile_95, serve

TIMEOUT_SECONDS = 60.0
"""Timeout of a request."""


# --------------------------------------------------------------- requests


@dataclass(frozen=True)
class KnownRequest:
    """A request with a reproducible response, and its relative frequency.

    `normalise` removes what differs from one response to the next, such as times and ids.
    """

    kind: str
    path: str
    weight: int = 1
    normalise: Callable[[bytes], bytes] = bytes


def query_path(adql: str, form: str = "csv") -> str:
    """Return the path of a query."""
    return "/tap/sync?" + urlencode({"LANG": "ADQL", "RESPONSEFORMAT": form, "MAXREC": 100_000, "QUERY": adql})


def extract_rows(document: bytes) -> bytes:
    """Return the rows of a VOTable in their serialisation."""
    return b"".join(re.findall(rb"<DATA>.*</DATA>", document, re.DOTALL))


def remove_start_time(document: bytes) -> bytes:
    """Return an availability document without its upSince."""
    return re.sub(rb"<(\w*:?upSince)>[^<]*<", b"<", document)


POSITIONS = [(266.4, -29.0), (83.8, -5.4), (10.7, 41.3), (187.7, 12.4), (0.01, 88.0), (359.99, -88.0), (300.0, 33.0)]


def list_requests() -> list[KnownRequest]:
    """Return all requests."""
    near = "1 = CONTAINS(POINT(ra, dec), CIRCLE({}, {}, 2))"
    return [
        *(
            KnownRequest("cone", f"/cone/psc?RA={a}&DEC={d}&SR={r}&RESPONSEFORMAT=csv", 6)
            for a, d in POSITIONS
            for r in (0.5, 2)
        ),
        *(KnownRequest("cone", f"/cone/xsc?RA={a}&DEC={d}&SR=5", 2, extract_rows) for a, d in POSITIONS),
        *(
            KnownRequest("sync", query_path(f"SELECT * FROM psc WHERE {near.format(*p)} ORDER BY pts_key"), 3)
            for p in POSITIONS
        ),
        KnownRequest("sync", query_path("SELECT ROUND(k_m, 0) AS k, COUNT(*) AS n FROM psc GROUP BY k ORDER BY k"), 4),
        KnownRequest(
            "sync", query_path("SELECT TOP 500 ra, dec, k_m FROM psc ORDER BY k_m, pts_key", "votable"), 3, extract_rows
        ),
        KnownRequest(
            "sync", query_path("SELECT COUNT(*) AS n FROM xsc AS x JOIN psc AS p ON x.pts_key = p.pts_key"), 2
        ),
        KnownRequest(
            "schema",
            query_path(
                "SELECT table_name, COUNT(*) AS n FROM TAP_SCHEMA.columns GROUP BY table_name ORDER BY n, table_name"
            ),
            8,
        ),
        KnownRequest("metadata", "/tap/capabilities", 8),
        KnownRequest("metadata", "/tap/availability", 8, remove_start_time),
        KnownRequest("metadata", "/tap/tables?detail=min", 4),
        KnownRequest("error", query_path("SELECT nothing FROM psc"), 4, lambda body: body.partition(b"request_id")[0]),
    ]


SCAN = "SELECT COUNT(*) AS n FROM psc AS a, psc AS b WHERE SIN(a.ra) * SIN(b.ra) > 2"
"""All pairs of rows: minutes."""

JOB = "SELECT COUNT(*) AS n FROM psc WHERE k_m < 12"


# ----------------------------------------------------------------- results


@dataclass
class Tally:
    """The results of a kind of request: times in seconds, and counts of wrong, busy (503) and error responses."""

    times: list[float] = field(default_factory=list)
    wrong: int = 0
    busy: int = 0
    errors: int = 0
    examples: list[str] = field(default_factory=list)

    def add_example(self, text: str) -> None:
        """Record one of the first three failures."""
        if len(self.examples) < 3:
            self.examples.append(text)


Tallies = dict[str, Tally]
Fingerprints = dict[str, tuple[int, bytes]]


def fingerprint(request: KnownRequest, response: httpx.Response) -> tuple[int, bytes]:
    """Return the status and a hash of a response."""
    return response.status_code, hashlib.sha256(request.normalise(response.content)).digest()


def judge(request: KnownRequest, response: httpx.Response, known: Fingerprints, tally: Tally) -> None:
    """Compare a response with the one that a single client got."""
    if response.status_code == 503 and "retry-after" in response.headers:
        tally.busy += 1
    elif response.status_code >= 500:
        tally.errors += 1
        tally.add_example(f"{response.status_code} {request.path}: {response.text[:300]}")
    elif fingerprint(request, response) != known[request.path]:
        tally.wrong += 1
        tally.add_example(f"{response.status_code} {request.path}: {response.text[:300]}")


# ----------------------------------------------------------------- clients


async def send_requests(
    n: int, url: str, requests: Sequence[KnownRequest], known: Fingerprints, tallies: Tallies, end: float
) -> None:
    """Send requests one after another, chosen by their weights."""
    choose = random.Random(n)
    weights = [request.weight for request in requests]
    async with client(n, url) as http:
        while time.monotonic() < end:
            (request,) = choose.choices(requests, weights)
            tally = tallies[request.kind]
            start = time.perf_counter()
            try:
                response = await http.get(request.path)
            except httpx.HTTPError as error:
                tally.errors += 1
                tally.add_example(f"{request.path}: {error!r}")
                continue
            tally.times.append(time.perf_counter() - start)
            judge(request, response, known, tally)
            if response.status_code == 503:
                await asyncio.sleep(min(float(response.headers.get("retry-after", 1)), max(0, end - time.monotonic())))


@asynccontextmanager
async def run_scan(n: int, url: str) -> AsyncIterator[None]:
    """Run a long job for the duration of the block."""
    form = {"LANG": "ADQL", "QUERY": SCAN, "PHASE": "RUN", "RUNID": "scan"}
    async with client(n, url) as http:
        job = (await http.post("/tap/async", data=form)).headers["location"]
        try:
            phase = "QUEUED"
            while phase == "QUEUED":
                await http.get(job, params={"WAIT": 20, "PHASE": phase})
                phase = (await http.get(f"{job}/phase")).text
            yield
            phase = (await http.get(f"{job}/phase")).text
            assert phase == "EXECUTING", f"the phase of a scan is {phase}"
        finally:
            await http.delete(job)


async def run_sync_scan(n: int, url: str, end: float) -> None:
    """Run a long synchronous query, in the process that responds to the other clients."""
    async with client(n, url) as http:
        while (left := end - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(http.get(query_path(SCAN)), left)
            except (TimeoutError, httpx.HTTPError):
                return


async def run_jobs(n: int, url: str, rows: bytes, tallies: Tallies, end: float) -> None:
    """Run jobs one after another, polling their phases."""
    async with client(n, url) as http:
        while time.monotonic() < end:
            start = time.perf_counter()
            form = {"LANG": "ADQL", "QUERY": JOB, "RESPONSEFORMAT": "csv", "PHASE": "RUN"}
            response = await http.post("/tap/async", data=form)
            if response.status_code != 303:
                judge(KnownRequest("job", "/tap/async"), response, {"/tap/async": (303, b"")}, tallies["job"])
                await asyncio.sleep(1)
                continue
            job = response.headers["location"]
            phase = await poll(http, job, tallies["poll"], end + TIMEOUT_SECONDS)
            result = await http.get(f"{job}/results/result")
            tallies["job"].times.append(time.perf_counter() - start)
            if phase != "COMPLETED" or result.content != rows:
                tallies["job"].wrong += 1
                tallies["job"].add_example(f"{phase} {result.status_code} {result.text[:300]}")
            await http.delete(job)


async def poll(http: httpx.AsyncClient, job: str, tally: Tally, end: float) -> str:
    """Poll a job end it ends, and return its last phase."""
    phase = ""
    while phase not in ("COMPLETED", "ERROR", "ABORTED") and time.monotonic() < end:
        start = time.perf_counter()
        response = await http.get(f"{job}/phase")
        tally.times.append(time.perf_counter() - start)
        phase = response.text
        if response.status_code != 200:
            tally.errors += response.status_code >= 500
            tally.wrong += response.status_code < 500
            tally.add_example(f"{response.status_code} {phase[:300]}")
        await asyncio.sleep(0.05)
    return phase


@asynccontextmanager
async def client(n: int, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with its own address, by X-Forwarded-For."""
    headers = {"X-Forwarded-For": f"192.0.2.{n + 1}"}
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, headers=headers) as http:
        yield http


# ------------------------------------------------------------ command line


async def run_mix(url: str, seconds: float, clients: int, scans: int, sync_scans: int) -> Tallies:
    """Run all clients together for some seconds."""
    tallies: Tallies = defaultdict(Tally)
    requests = list_requests()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS) as single:
        known = {request.path: fingerprint(request, await single.get(request.path)) for request in requests}
        failed = [path for path, (status, _) in known.items() if status not in (200, 400)]
        assert not failed, f"no responses to compare with: {failed}"
        rows = (await single.get(query_path(JOB))).content
        jobs = clients // 10 if (await single.get("/tap/async")).status_code == 200 else 0
    numbers = itertools.count()
    async with AsyncExitStack() as running, asyncio.TaskGroup() as group:
        for _ in range(scans if jobs else 0):
            await running.enter_async_context(run_scan(next(numbers), url))
        end = time.monotonic() + seconds
        for _ in range(sync_scans):
            group.create_task(run_sync_scan(next(numbers), url, end))
        for _ in range(jobs):
            group.create_task(run_jobs(next(numbers), url, rows, tallies, end))
        for _ in range(clients - jobs):
            group.create_task(send_requests(next(numbers), url, requests, known, tallies, end))
    return tallies


def print_tallies(tallies: Tallies, seconds: float) -> None:
    """Print a line for each kind, and the first failures."""
    print(f"{'kind':10} {'count':>8} {'per s':>8} {'median':>8} {'95 %':>8} {'wrong':>6} {'503':>6} {'errors':>6}")
    for kind, tally in sorted(tallies.items()):
        times = sorted(1e3 * t for t in tally.times)
        median = statistics.median(times) if times else 0.0
        late = percentile_95(times) if times else 0.0
        print(
            f"{kind:10} {len(times):8,} {len(times) / seconds:8.1f} {median:8.1f} {late:8.1f} {tally.wrong:6}"
            f" {tally.busy:6} {tally.errors:6}"
        )
    for kind, tally in tallies.items():
        for example in tally.examples:
            print(f"{kind}: {example}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--url", help="a running server")
    parser.add_argument("--data", type=Path, help="a data folder")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--scans", type=int, default=2)
    parser.add_argument("--sync-scans", type=int, default=0)
    options = parser.parse_args()
    seconds = min(options.seconds, 600.0)
    numbers = options.clients, options.scans, options.sync_scans
    with tempfile.TemporaryDirectory() as folder:
        if options.url:
            tallies = asyncio.run(run_mix(options.url, seconds, *numbers))
        else:
            data = options.data or Path(folder)
            make_demo(data, options.rows)
            variables = {"VO_SERVER_JOB_WORKERS": str(options.scans + 1), "VO_SERVER_JOB_RESULTS": f"{folder}/jobs"}
            with serve(data, 0, "--workers", str(options.workers), **variables) as (url, _):
                tallies = asyncio.run(run_mix(url, seconds, *numbers))
    print_tallies(tallies, seconds)
    return 1 if any(tally.wrong or tally.errors for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
