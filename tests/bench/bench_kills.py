"""Kills a server and its workers (kill -9) over and over while clients leave jobs, and says what became of the jobs.

    python tests/bench/bench_kills.py                      makes 20,000 synthetic rows, kills 60 times
    python tests/bench/bench_kills.py --kills 200 --data DIR --seed 7

Every job that was accepted (303) must end once and right: COMPLETED with the bytes that the query gives when nobody is
killed, the same each time they are fetched; or ERROR with its reason after its workers have died twice. Nothing else
may lie in the folders of the jobs. The exit code is 1 where anything is otherwise.
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
from lxml import etree

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
CLIENTS = 6
AHEAD = 3
"""Jobs of a client that may wait before it leaves another."""

PATIENCE = 300.0
DIED = "ended without a word, 2 times"

UPLOAD = b"n\n" + b"".join(b"%d\n" % n for n in range(5_000))
QUERIES = (
    "SELECT TOP 5 pts_key, ra, dec FROM psc ORDER BY pts_key",
    "SELECT pts_key, ra, dec, j_m, designation FROM psc ORDER BY pts_key",
    "SELECT COUNT(*) AS n FROM psc AS a, psc AS b WHERE a.j_m < b.k_m",
    "SELECT u.n, p.ra FROM TAP_UPLOAD.u AS u, psc AS p WHERE p.pts_key = u.n ORDER BY u.n",
)
"""Of milliseconds, of half a second and of more, so that a kill meets jobs in all their phases; one has an upload."""


@dataclass(slots=True)
class Server:
    """A server that is started again at the same port whenever it has been killed."""

    data: Path
    jobs: Path
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "VO_SERVER_JOB_RESULTS": str(self.jobs), "VO_SERVER_JOB_WORKERS": "2",
            "VO_SERVER_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "vo_server", "serve", "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=out)

    def workers(self) -> list[int]:
        assert self.process is not None
        try:
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        except OSError:
            return []

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait()


@dataclass(slots=True)
class Seen:
    """A job that was accepted: what it asks, and the ETag under which its result was first seen."""

    path: str
    query: int
    etag: str | None = None


@dataclass(slots=True)
class Tale:
    """What happened."""

    jobs: list[Seen] = field(default_factory=list)
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def form(query: int) -> dict[str, object]:
    """The parameters of a query, with what is uploaded."""
    said = {"LANG": "ADQL", "QUERY": QUERIES[query], "RESPONSEFORMAT": "csv", "MAXREC": "1000000"}
    if "TAP_UPLOAD" not in QUERIES[query]:
        return {"data": said}
    return {"data": said | {"UPLOAD": "u,param:u"}, "files": {"u": ("u.csv", UPLOAD)}}


def again(ask: Callable[[], T]) -> T:
    """What is asked of a server that may be dead, or not be there yet."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def client(url: str, number: int, tale: Tale, over: threading.Event, expected: list[bytes]) -> None:
    """Leaves jobs, waits where several of its own have not ended, and fetches their results."""
    chance = random.Random(number)
    mine: list[Seen] = []
    asked = httpx.Client(base_url=url, timeout=20, headers={"X-Forwarded-For": f"198.51.100.{number}"})
    with asked:
        while not over.is_set():
            query = chance.randrange(len(QUERIES))
            sent = form(query)
            sent["data"] = {**sent["data"], "PHASE": "RUN"}  # type: ignore[dict-item]
            try:
                answer = asked.post("/tap/async", **sent)  # type: ignore[arg-type]
            except httpx.HTTPError:
                tale.unanswered += 1
                over.wait(0.2)
                continue
            if answer.status_code != 303:
                tale.wrong.append(f"POST: {answer.status_code} {answer.text[:200]}")
                continue
            seen = Seen(httpx.URL(answer.headers["location"]).path, query)
            with tale.lock:
                tale.jobs.append(seen)
            mine.append(seen)
            while len(mine) > AHEAD and not over.is_set():
                mine = [each for each in mine if look(asked, each, tale, expected, 0) in ("QUEUED", "EXECUTING")]


def look(asked: httpx.Client, seen: Seen, tale: Tale, expected: list[bytes], patience: float = PATIENCE) -> str:
    """Wait for a job's end, and compare its result; the phase that it has come to."""
    until = time.monotonic() + patience
    while True:
        found = again(lambda: asked.get(seen.path, params={"WAIT": "5"}))
        if found.status_code != 200:
            tale.wrong.append(f"{seen.path} is lost: {found.status_code} {found.text[:200]}")
            return "lost"
        document = etree.fromstring(found.content)
        phase = document.findtext(f"{UWS}phase") or ""
        if phase not in ("QUEUED", "EXECUTING"):
            break
        if time.monotonic() > until:
            return phase
    if phase == "ERROR":
        said = document.findtext(f"{UWS}errorSummary/{UWS}message") or ""
        if DIED not in said:
            tale.wrong.append(f"{seen.path} failed: {said}")
        return phase
    result = again(lambda: asked.get(f"{seen.path}/results/result"))
    if result.content != expected[seen.query] or result.headers["content-length"] != str(len(result.content)):
        tale.wrong.append(f"{seen.path} is {phase} with {result.status_code} and {len(result.content)} bytes")
    if seen.etag not in (None, result.headers["etag"]):
        tale.wrong.append(f"{seen.path} was made twice")
    seen.etag = result.headers["etag"]
    return phase


def killing(server: Server, kills: int, chance: random.Random) -> Counter[str]:
    """Kills the server in one case of three, else a worker, at any moment once a job is at work again."""
    done: Counter[str] = Counter()
    while sum(done.values()) < kills:
        at_work(server)
        time.sleep(chance.uniform(0.0, 1.5))
        if chance.random() < 1 / 3:
            server.kill()
            done["server"] += 1
            server.start()
            again(lambda: httpx.get(f"{server.url}/tap/availability", timeout=5))
            continue
        workers = server.workers()
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            done["worker"] += 1
    return done


def at_work(server: Server) -> None:
    """Wait until a worker has a job, for half a minute at the most."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        figures = again(lambda: httpx.get(f"{server.url}/metrics", timeout=5)).text
        if re.search(r'^vo_jobs\{phase="EXECUTING"\} [1-9]', figures, re.MULTILINE):
            return
        time.sleep(0.05)


def litter(jobs: Path, tale: Tale) -> int:
    """Folders of jobs that nobody was told of: the server died before its answer. All others must be in order."""
    known = {seen.path.rpartition("/")[2]: seen for seen in tale.jobs}
    unknown = 0
    for folder in (f for f in jobs.iterdir() if f.is_dir()):
        seen = known.get(folder.name)
        if seen is None:
            unknown += 1
            continue
        kinds = sorted(path.suffix for path in folder.iterdir())
        wanted = ([".result"] if seen.etag else []) + ([".upload"] if "TAP_UPLOAD" in QUERIES[seen.query] else [])
        if kinds != wanted and seen.etag:
            tale.wrong.append(f"{seen.path} has {kinds} in its folder")
    return unknown


def run(data: Path, kills: int, seed: int, folder: Path) -> int:
    """All of it; the exit code."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = int(door.getsockname()[1])
    server = Server(data, folder / "jobs", port, folder / "log")
    server.start()
    try:
        return told(server, kills, seed)
    finally:
        server.stop()


def told(server: Server, kills: int, seed: int) -> int:
    """Kill, wait for all, and print."""
    again(lambda: httpx.get(f"{server.url}/tap/availability", timeout=5))
    expected = [
        httpx.post(f"{server.url}/tap/sync", timeout=120, **form(n)).content  # type: ignore[arg-type]
        for n in range(len(QUERIES))
    ]
    assert all(b"\r\n" in content and b"Fault" not in content for content in expected), expected
    tale, over, began = Tale(), threading.Event(), time.monotonic()
    clients = [
        threading.Thread(target=client, args=(server.url, n, tale, over, expected), daemon=True) for n in range(CLIENTS)
    ]
    for thread in clients:
        thread.start()
    done = killing(server, kills, random.Random(seed))
    over.set()
    for thread in clients:
        thread.join()
    with httpx.Client(base_url=server.url, timeout=20) as asked:
        for seen in tale.jobs:
            phase = look(asked, seen, tale, expected)
            tale.phases[phase] += 1
            if phase not in ("COMPLETED", "ERROR"):
                tale.wrong.append(f"{seen.path} is {phase} still")
    unknown = litter(server.jobs, tale)
    print(
        f"{sum(done.values())} kills in {time.monotonic() - began:.0f} s: {done['server']} of the server,"
        f" {done['worker']} of a worker; {len(tale.jobs)} jobs accepted from {CLIENTS} clients,"
        f" {tale.unanswered} POSTs met no server, {unknown} jobs whose client was not told"
    )
    print("; ".join(f"{n} {phase}" for phase, n in tale.phases.most_common()), f"; {len(tale.wrong)} wrong", sep="")
    for line in tale.wrong[:20]:
        print("  ", line)
    return 1 if tale.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vo-server-kills-") as folder:
        data = given.data or Path(folder) / "data"
        if given.data is None:
            command = [sys.executable, "-m", "vo_server", "demo", "--no-serve", "--rows", "20000", "--data", str(data)]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        return run(data, given.kills, given.seed, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
