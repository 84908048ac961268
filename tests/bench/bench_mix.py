"""Many clients at once: cones, queries, metadata, and jobs with polls where there are any, for a bounded time. Every
answer is compared with what one client alone was told before.

    python tests/bench/bench_mix.py                          makes and loads 500,000 synthetic rows, starts a server
    python tests/bench/bench_mix.py --data DIR --workers 2   uses the rows that are loaded there
    python tests/bench/bench_mix.py --url http://host:8000 --seconds 10 --clients 20

Two long scans run as jobs all the time (--scans), further ones that are answered at once if asked for (--sync-scans),
each by a client of its own. It prints, by kind of request, how
many were answered, the median and the 95th percentile in ms, wrong answers, 503 with Retry-After, and other faults of
the server. It ends with 1 where an answer was wrong or a fault came.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds that a client waits for an answer."""


# ----------------------------------------------------------------- the works


@dataclass(frozen=True)
class Work:
    """A request whose answer is known, and how often it comes among the others. `core` is what must be the same each
    time: without times and ids."""

    kind: str
    path: str
    weight: int = 1
    core: Callable[[bytes], bytes] = bytes


def sync(adql: str, form: str = "csv") -> str:
    """The path of a query."""
    return "/tap/sync?" + urlencode({"LANG": "ADQL", "RESPONSEFORMAT": form, "MAXREC": 100_000, "QUERY": adql})


def rows_of(document: bytes) -> bytes:
    """The rows of a VOTable, however they are written."""
    return b"".join(re.findall(rb"<DATA>.*</DATA>", document, re.DOTALL))


def undated(document: bytes) -> bytes:
    """Without the time at which a service began."""
    return re.sub(rb"<(\w*:?upSince)>[^<]*<", b"<", document)


PLACES = [(266.4, -29.0), (83.8, -5.4), (10.7, 41.3), (187.7, 12.4), (0.01, 88.0), (359.99, -88.0), (300.0, 33.0)]


def works() -> list[Work]:
    """All that is asked."""
    near = "1 = CONTAINS(POINT(ra, dec), CIRCLE({}, {}, 2))"
    return [
        *(Work("cone", f"/cone/psc?RA={a}&DEC={d}&SR={r}&RESPONSEFORMAT=csv", 6) for a, d in PLACES for r in (0.5, 2)),
        *(Work("cone", f"/cone/xsc?RA={a}&DEC={d}&SR=5", 2, rows_of) for a, d in PLACES),
        *(Work("sync", sync(f"SELECT * FROM psc WHERE {near.format(*p)} ORDER BY pts_key"), 3) for p in PLACES),
        Work("sync", sync("SELECT ROUND(k_m, 0) AS k, COUNT(*) AS n FROM psc GROUP BY k ORDER BY k"), 4),
        Work("sync", sync("SELECT TOP 500 ra, dec, k_m FROM psc ORDER BY k_m, pts_key", "votable"), 3, rows_of),
        Work("sync", sync("SELECT COUNT(*) AS n FROM xsc AS x JOIN psc AS p ON x.pts_key = p.pts_key"), 2),
        Work(
            "schema",
            sync("SELECT table_name, COUNT(*) AS n FROM TAP_SCHEMA.columns GROUP BY table_name ORDER BY n, table_name"),
            8,
        ),
        Work("metadata", "/tap/capabilities", 8),
        Work("metadata", "/tap/availability", 8, undated),
        Work("metadata", "/tap/tables?detail=min", 4),
        Work("refused", sync("SELECT nothing FROM psc"), 4, lambda said: said.partition(b"request_id")[0]),
    ]


SCAN = "SELECT COUNT(*) AS n FROM psc AS a, psc AS b WHERE SIN(a.ra) * SIN(b.ra) > 2"
"""Every pair: minutes."""

JOB = "SELECT COUNT(*) AS n FROM psc WHERE k_m < 12"


# -------------------------------------------------------------- what is found


@dataclass
class Tally:
    """Of a kind of request: times of the answers in seconds, and how many were not as they should be."""

    times: list[float] = field(default_factory=list)
    wrong: int = 0
    busy: int = 0
    faults: int = 0
    examples: list[str] = field(default_factory=list)

    def blame(self, said: str) -> None:
        """Keep a few of what went wrong."""
        if len(self.examples) < 3:
            self.examples.append(said)


Tallies = dict[str, Tally]
Known = dict[str, tuple[int, bytes]]


def told(work: Work, answer: httpx.Response) -> tuple[int, bytes]:
    """Status and essence of an answer."""
    return answer.status_code, hashlib.sha256(work.core(answer.content)).digest()


def judge(work: Work, answer: httpx.Response, known: Known, tally: Tally) -> None:
    """Is it what one client alone was told?"""
    if answer.status_code == 503 and "retry-after" in answer.headers:
        tally.busy += 1
    elif answer.status_code >= 500:
        tally.faults += 1
        tally.blame(f"{answer.status_code} {work.path}: {answer.text[:300]}")
    elif told(work, answer) != known[work.path]:
        tally.wrong += 1
        tally.blame(f"{answer.status_code} {work.path}: {answer.text[:300]}")


# ----------------------------------------------------------------- the clients


async def reader(n: int, url: str, todo: Sequence[Work], known: Known, tallies: Tallies, until: float) -> None:
    """A client that asks one thing after the other."""
    choose = random.Random(n)
    weights = [work.weight for work in todo]
    async with client(n, url) as http:
        while time.monotonic() < until:
            (work,) = choose.choices(todo, weights)
            tally = tallies[work.kind]
            begun = time.perf_counter()
            try:
                answer = await http.get(work.path)
            except httpx.HTTPError as error:
                tally.faults += 1
                tally.blame(f"{work.path}: {error!r}")
                continue
            tally.times.append(time.perf_counter() - begun)
            judge(work, answer, known, tally)
            if answer.status_code == 503:
                await asyncio.sleep(min(float(answer.headers.get("retry-after", 1)), max(0, until - time.monotonic())))


@asynccontextmanager
async def scanning(n: int, url: str) -> AsyncIterator[None]:
    """A client whose job is under way for as long as the body runs."""
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
            assert phase == "EXECUTING", f"a scan should have run all the time and is {phase}"
        finally:
            await http.delete(job)


async def sync_scanner(n: int, url: str, until: float) -> None:
    """A client whose query runs for as long as it may, in the process that answers the others."""
    async with client(n, url) as http:
        while (left := until - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(http.get(sync(SCAN)), left)
            except (TimeoutError, httpx.HTTPError):
                return


async def runner(n: int, url: str, rows: bytes, tallies: Tallies, until: float) -> None:
    """A client that runs jobs and polls them, where the service has any."""
    async with client(n, url) as http:
        while time.monotonic() < until:
            begun = time.perf_counter()
            form = {"LANG": "ADQL", "QUERY": JOB, "RESPONSEFORMAT": "csv", "PHASE": "RUN"}
            made = await http.post("/tap/async", data=form)
            if made.status_code != 303:
                judge(Work("job", "/tap/async"), made, {"/tap/async": (303, b"")}, tallies["job"])
                await asyncio.sleep(1)
                continue
            job = made.headers["location"]
            phase = await poll(http, job, tallies["poll"], until + PATIENCE)
            result = await http.get(f"{job}/results/result")
            tallies["job"].times.append(time.perf_counter() - begun)
            if phase != "COMPLETED" or result.content != rows:
                tallies["job"].wrong += 1
                tallies["job"].blame(f"{phase} {result.status_code} {result.text[:300]}")
            await http.delete(job)


async def poll(http: httpx.AsyncClient, job: str, tally: Tally, until: float) -> str:
    """The phase in which a job ends."""
    phase = ""
    while phase not in ("COMPLETED", "ERROR", "ABORTED") and time.monotonic() < until:
        begun = time.perf_counter()
        answer = await http.get(f"{job}/phase")
        tally.times.append(time.perf_counter() - begun)
        phase = answer.text
        if answer.status_code != 200:
            tally.faults += answer.status_code >= 500
            tally.wrong += answer.status_code < 500
            tally.blame(f"{answer.status_code} {phase[:300]}")
        await asyncio.sleep(0.05)
    return phase


@asynccontextmanager
async def client(n: int, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an address of its own, as a proxy would tell it."""
    headers = {"X-Forwarded-For": f"192.0.2.{n + 1}"}
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, headers=headers) as made:
        yield made


# ------------------------------------------------------------------- the whole


async def mix(url: str, seconds: float, clients: int, scans: int, sync_scans: int) -> Tallies:
    """All clients together for so many seconds."""
    tallies: Tallies = defaultdict(Tally)
    todo = works()
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as alone:
        known = {work.path: told(work, await alone.get(work.path)) for work in todo}
        broken = [path for path, (status, _) in known.items() if status not in (200, 400)]
        assert not broken, f"no answer to compare with: {broken}"
        rows = (await alone.get(sync(JOB))).content
        jobs = clients // 10 if (await alone.get("/tap/async")).status_code == 200 else 0
    numbers = itertools.count()
    async with AsyncExitStack() as under_way, asyncio.TaskGroup() as group:
        for _ in range(scans if jobs else 0):
            await under_way.enter_async_context(scanning(next(numbers), url))
        until = time.monotonic() + seconds
        for _ in range(sync_scans):
            group.create_task(sync_scanner(next(numbers), url, until))
        for _ in range(jobs):
            group.create_task(runner(next(numbers), url, rows, tallies, until))
        for _ in range(clients - jobs):
            group.create_task(reader(next(numbers), url, todo, known, tallies, until))
    return tallies


def show(tallies: Tallies, seconds: float) -> None:
    """A line for each kind, and what went wrong."""
    print(f"{'kind':10} {'answers':>8} {'per s':>8} {'median':>8} {'95 %':>8} {'wrong':>6} {'503':>6} {'faults':>6}")
    for kind, tally in sorted(tallies.items()):
        times = sorted(1e3 * t for t in tally.times)
        median = statistics.median(times) if times else 0.0
        high = times[int(0.95 * (len(times) - 1))] if times else 0.0
        print(
            f"{kind:10} {len(times):8,} {len(times) / seconds:8.1f} {median:8.1f} {high:8.1f} {tally.wrong:6}"
            f" {tally.busy:6} {tally.faults:6}"
        )
    for kind, tally in tallies.items():
        for said in tally.examples:
            print(f"{kind}: {said}", file=sys.stderr)


@contextmanager
def serving(data: Path, rows: int, workers: int, job_workers: int) -> Iterator[str]:
    """A server over a data folder, filled first where there is nothing in it; its jobs are kept for this time only."""
    command = [sys.executable, "-m", "vo_server"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VO_SERVER_JOB_WORKERS": str(job_workers)}
    make = [*command, "demo", "--no-serve", "--rows", str(rows), "--data", str(data)]
    subprocess.run(make, check=True, env=environment)
    serve = [*command, "serve", "--data", str(data), "--port", "0", "--workers", str(workers)]
    with (
        tempfile.TemporaryDirectory() as jobs,
        subprocess.Popen(
            serve, stdout=subprocess.PIPE, text=True, env=environment | {"VO_SERVER_JOB_RESULTS": jobs}
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--data", type=Path, help="a data folder")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--scans", type=int, default=2)
    parser.add_argument("--sync-scans", type=int, default=0)
    given = parser.parse_args()
    seconds = min(given.seconds, 600.0)
    numbers = given.clients, given.scans, given.sync_scans
    with tempfile.TemporaryDirectory() as folder:
        if given.url:
            tallies = asyncio.run(mix(given.url, seconds, *numbers))
        else:
            with serving(given.data or Path(folder), given.rows, given.workers, given.scans + 1) as url:
                tallies = asyncio.run(mix(url, seconds, *numbers))
    show(tallies, seconds)
    return 1 if any(tally.wrong or tally.faults for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
