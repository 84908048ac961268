"""How fast the server is, as its clients see it: over HTTP on loopback, with what it costs the server beside.

    python tests/bench/bench_http.py                        makes and loads 2,000,000 synthetic rows, starts a server
    python tests/bench/bench_http.py --data DIR             uses the rows that are loaded there, or loads them there
    python tests/bench/bench_http.py --url http://host:8000 --pid 1234   measures a server that runs already
    python tests/bench/bench_http.py --only cone,top --runs 3 --json result.json

    VO_SERVER_MEMORY=64MB python tests/bench/bench_http.py --only formats     with less for the database

The times are those of a client on the same machine. CPU is the server's, user and system, with its children; memory
is the peak of its resident set while it works, by /proc (Linux). "Others" is what all other processes but this client
took of the machine at the same time: where it is more than a few per cent, measure again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np

from vo_server.formats import FORMATS as ALL
from vo_server.formats import HTML

ROOT = Path(__file__).resolve().parents[2]
POSITIONS = 50
KEPT = 8 << 20
"""Bytes of an answer that are kept to be looked at."""
MANY = 1_000_000
FORMATS = {"BINARY2": "votable", "TABLEDATA": "votable/td", "CSV": "csv", "TSV": "tsv"}
TICKS = os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- the server


@dataclass(frozen=True)
class Process:
    """A process and its children, by /proc; with pid 0 nothing is known."""

    pid: int

    def tree(self) -> list[int]:
        """Its id and those of its children."""
        if not self.pid:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *(id for child in children for id in Process(int(child)).tree())]

    def cpu(self) -> float:
        """Seconds of processor time until now."""
        return sum(_cpu(Path(f"/proc/{id}/stat")) for id in self.tree())

    def forget_peak(self) -> None:
        """Begin to measure the peak of memory anew."""
        for id in self.tree():
            Path(f"/proc/{id}/clear_refs").write_text("5")

    def peak(self) -> float:
        """MB of memory at the most, since `forget_peak`."""
        statuses = (Path(f"/proc/{id}/status").read_text() for id in self.tree())
        found = (re.search(r"VmHWM:\s+(\d+)", status) for status in statuses)
        return sum(int(peak[1]) for peak in found if peak) / 1024


def _cpu(stat: Path) -> float:
    return sum(int(x) for x in stat.read_text().rpartition(")")[2].split()[11:13]) / TICKS


def machine() -> tuple[float, float]:
    """Seconds of processor time that the whole machine has been busy, and that it had."""
    times = [int(x) / TICKS for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


@contextmanager
def serving(data: Path, rows: int, port: int, **variables: str) -> Iterator[tuple[str, int]]:
    """A server over a data folder, filled first where there is nothing in it; its URL and process id."""
    command = [sys.executable, "-m", "vo_server"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VO_SERVER_JOB_WORKERS": "0"} | variables
    subprocess.run(
        [*command, "demo", "--no-serve", "--rows", str(rows), "--data", str(data)], check=True, env=environment
    )
    with subprocess.Popen(
        [*command, "serve", "--data", str(data), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


# ---------------------------------------------------------------- the client


@dataclass(frozen=True)
class Answer:
    """What came, and when: seconds to the first byte of the body and to the last. Long content is left out."""

    first: float
    last: float
    content: bytes
    size: int


class Client:
    """Asks one server, over one connection or a new one each time."""

    def __init__(self, url: str, *, keep: bool = True) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=600)
        self._keep = keep

    def get(self, path: str) -> Answer:
        """The answer, which must be one and not a fault."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        response = self._connection.getresponse()
        content = piece = response.read1(1 << 20)
        first, end, size = time.perf_counter() - began, piece, len(piece)
        while piece := response.read1(1 << 20):
            end = end[-1000:] + piece
            size += len(piece)
            if len(content) < KEPT:
                content += piece
        last = time.perf_counter() - began
        response.close()
        if not self._keep:
            self._connection.close()
        if response.status != 200 or b'value="ERROR"' in content[:2000] + end:
            raise RuntimeError(f"{path}: {response.status} {(content[:600] + end).decode(errors='replace')}")
        return Answer(first, last, content, size)


def query(adql: str, form: str = "csv") -> str:
    """The path of an ADQL query."""
    return "/tap/sync?" + urlencode(
        {"LANG": "ADQL", "MAXREC": 10_000_000, "RESPONSEFORMAT": FORMATS.get(form, form), "QUERY": adql}
    )


def rows_of(client: Client, adql: str) -> list[list[float]]:
    """The rows of a small query."""
    lines = client.get(query(adql)).content.decode().split("\n")[1:-1]
    return [[float(cell) for cell in line.split(",")] for line in lines]


# ------------------------------------------------------------------ the works


@dataclass(frozen=True)
class Aim:
    """What a figure should be: below `limit`, or above it."""

    figure: str
    limit: float
    above: bool = False

    def met(self, measured: Measured) -> bool:
        """Is it?"""
        value = float(getattr(measured, self.figure))
        return value >= self.limit if self.above else value <= self.limit

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.figure} {'>' if self.above else '<'} {self.limit:,g}"


@dataclass(frozen=True)
class Work:
    """Requests that are measured together."""

    group: str
    name: str
    paths: Sequence[str]
    rows: int | None = None
    aims: tuple[Aim, ...] = ()
    keep: bool = True
    passes: int | None = None


@dataclass
class Measured:
    """Figures of a work: ms; rows (or answers) and MB in a second; server CPU in ms for an answer; peak in MB."""

    name: str
    median: float
    p95: float
    first: float
    rows: float
    rate: float
    flow: float
    cpu: float
    peak: float
    others: float
    aims: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def works(client: Client, rows: int) -> list[Work]:
    """All that is measured."""
    uniform, sources = _uniform(), _sources(client, rows)
    return [
        *_cones(uniform, sources),
        *_tops(rows),
        *_formats(rows),
        *_adql(uniform),
        Work("sums", "COUNT(*)", [query("SELECT COUNT(*) AS n FROM psc")] * 5),
        Work("sums", "AVG with a cut", [query("SELECT AVG(j_m - k_m) AS jk FROM psc WHERE k_m < 12")] * 5),
        Work("sums", "histogram", [query("SELECT ROUND(k_m, 0) AS k, COUNT(*) AS n FROM psc GROUP BY k")] * 5),
        Work("vosi", "capabilities", ["/tap/capabilities"] * 10),
        Work("vosi", "tables", ["/tap/tables"] * 5),
        Work("vosi", "tables, detail=min", ["/tap/tables?detail=min"] * 5),
        Work("vosi", "availability", ["/tap/availability"] * 10),
        Work("vosi", "SELECT TOP 1", [query("SELECT TOP 1 ra FROM psc")] * 10),
    ]


def _uniform() -> list[tuple[float, float]]:
    random = np.random.default_rng(1)
    ra, z = random.uniform(0, 360, POSITIONS), random.uniform(-1, 1, POSITIONS)
    return [(round(float(a), 5), round(float(d), 5)) for a, d in zip(ra, np.degrees(np.arcsin(z)), strict=True)]


def _sources(client: Client, rows: int) -> list[tuple[float, float]]:
    found = rows_of(client, f"SELECT ra, dec FROM psc WHERE MOD(pts_key, {max(rows // 300, 1)}) = 0")
    chosen = np.random.default_rng(2).permutation(len(found))[:POSITIONS]
    return [(found[i][0], found[i][1]) for i in chosen]


def _cones(uniform: list[tuple[float, float]], sources: list[tuple[float, float]]) -> Iterator[Work]:
    aims = {(0.1, "uniform"): 6, (0.1, "at sources"): 6, (5, "uniform"): 25}
    for radius in (0.1, 1, 5):
        for where, positions in (("uniform", uniform), ("at sources", sources)):
            paths = [cone(ra, dec, radius) for ra, dec in positions]
            aim = (Aim("median", aims[radius, where]),) if (radius, where) in aims else ()
            yield Work("cone", f"cone {radius} deg, {where}", paths, aims=aim)
    paths = [cone(ra, dec, 0.1) for ra, dec in uniform]
    yield Work("cone", "cone 0.1 deg, new connection", paths, keep=False)
    yield Work("cone", "cone 0.1 deg, VERB=3", [p + "&VERB=3" for p in paths])


def cone(ra: float, dec: float, radius: float) -> str:
    """The path of a cone search."""
    return f"/cone/psc?RA={ra}&DEC={dec}&SR={radius}"


def _tops(rows: int) -> Iterator[Work]:
    for n in (1_000, 100_000, 1_000_000):
        for form in FORMATS:
            aims = [Aim("first", 50)] if n >= 100_000 else []
            if form == "BINARY2" and n >= 100_000:
                aims.append(Aim("rate", 400_000, above=True))
            if n <= rows:
                passes = 3 if n > 100_000 else None
                yield Work(
                    "top", f"TOP {n:,} *, {form}", [query(f"SELECT TOP {n} * FROM psc", form)], n, tuple(aims),
                    passes=passes,
                )  # fmt: skip


def _formats(rows: int) -> Iterator[Work]:
    """A million rows in every format but a page, which has the first of them only."""
    path = f"SELECT TOP {MANY} * FROM psc"
    for format in (f for f in ALL if f is not HTML and rows >= MANY):
        aims = (Aim("peak", 400),)
        yield Work("formats", f"{MANY:,} rows, {format.name}", [query(path, format.name)], MANY, aims, passes=2)


def _adql(uniform: list[tuple[float, float]]) -> Iterator[Work]:
    tests = {
        "CONTAINS": "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {}, {}, 0.1))",
        "DISTANCE": "DISTANCE(POINT(ra, dec), POINT({}, {})) < 0.1",
    }
    for name, test in tests.items():
        paths = [query(f"SELECT * FROM psc WHERE {test.format(*place)}", "BINARY2") for place in uniform]
        yield Work("adql", f"ADQL cone 0.1 deg, {name}", paths)


# -------------------------------------------------------------- the measuring


@contextmanager
def watched(server: Process) -> Iterator[Callable[[], tuple[float, float, float]]]:
    """What it took, once it is over: the server's CPU seconds and peak MB, and the others' part of the machine."""
    mine, cpu, (busy, all) = os.times(), server.cpu(), machine()
    server.forget_peak()

    def took() -> tuple[float, float, float]:
        now, used, (busy_now, all_now) = os.times(), server.cpu() - cpu, machine()
        client = now.user + now.system - mine.user - mine.system
        others = max(0.0, busy_now - busy - used - client) / max(all_now - all, 1 / TICKS)
        return used, server.peak(), others

    yield took


def measure(work: Work, url: str, server: Process, runs: int) -> Measured:
    """Each request once to warm up, then all of them several times."""
    client = Client(url, keep=work.keep)
    sizes = [counted(client.get(path)) for path in work.paths]
    with watched(server) as took:
        answers = [client.get(path) for _ in range(work.passes or runs) for path in work.paths]
        cpu, peak, others = took()
    last = [1e3 * a.last for a in answers]
    rows = work.rows or statistics.median(sizes)
    return Measured(
        work.name,
        statistics.median(last),
        float(np.percentile(last, 95)),
        statistics.median(1e3 * a.first for a in answers),
        rows,
        rows / statistics.median(a.last for a in answers),
        sum(a.size for a in answers) / sum(a.last for a in answers) / 1e6,
        1e3 * cpu / len(answers),
        peak,
        others,
    )


def counted(answer: Answer) -> int:
    """The rows of an answer in TABLEDATA."""
    return answer.content.count(b"<TR>")


async def crowd(url: str, paths: Sequence[str], clients: int, seconds: float) -> list[float]:
    """Many clients at once, each with a connection of its own: how long each answer took, in seconds."""
    parts = urlsplit(url)
    until, taken, turn = time.perf_counter() + seconds, list[float](), cycle(paths)

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(f"GET {next(turn)} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            await _read(reader)
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken


async def _read(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert b" 200 " in head[:20], head
    length = re.search(rb"content-length: (\d+)", head)
    if length:
        await reader.readexactly(int(length[1]))
        return
    while size := int((await reader.readuntil(b"\r\n")), 16):
        await reader.readexactly(size + 2)
    await reader.readexactly(2)


def measure_crowd(url: str, server: Process, clients: int, seconds: float, name: str, paths: list[str]) -> Measured:
    """Fifty clients; the rate is of answers and not of rows."""
    asyncio.run(crowd(url, paths, clients, 1))
    with watched(server) as took:
        taken = asyncio.run(crowd(url, paths, clients, seconds))
        cpu, peak, others = took()
    ms = [1e3 * t for t in taken]
    return Measured(
        f"{name}, {clients} clients", statistics.median(ms), float(np.percentile(ms, 95)), 0, 0, len(ms) / seconds, 0,
        1e3 * cpu / len(ms), peak, others,
    )  # fmt: skip


# ---------------------------------------------------------------- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--pid", type=int, default=0, help="its process, for CPU and memory")
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows to make where there are none")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--only", default="cone,top,formats,adql,sums,vosi,crowd", help="groups, with commas between")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10, help="how long the many clients ask")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if options.url:
        run(options.url.rstrip("/"), options.pid, options)
        return
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        serving(options.data or Path(folder), options.rows, options.port) as (url, pid),
    ):
        run(url, pid, options)


def run(url: str, pid: int, options: argparse.Namespace) -> None:
    """Measure and print."""
    server, client, groups = Process(pid), Client(url), options.only.split(",")
    rows = int(rows_of(client, "SELECT COUNT(*) FROM psc")[0][0])
    print(f"{time.strftime('%Y-%m-%d')}: {rows:,} rows, {os.cpu_count()} processors, {server.peak():.0f} MB at rest")
    heads = {"median": 9, "p95": 9, "first": 9, "rows": 10, "per s": 10, "MB/s": 6, "CPU": 9, "peak": 7, "others": 7}
    print(" " * 34 + "".join(f"{head:>{width}}" for head, width in heads.items()))
    done: list[Measured] = []
    for work in works(client, rows):
        if work.group in groups:
            done.append(judged(measure(work, url, server, options.runs), work.aims))
    if "crowd" in groups:
        places = _uniform()
        crowds = {
            "cone 0.1 deg": [cone(ra, dec, 0.1) for ra, dec in places],
            "ADQL cone 0.1 deg": list(next(_adql(places)).paths),
        }
        for name, paths in crowds.items():
            done.append(judged(measure_crowd(url, server, options.clients, options.seconds, name, paths), ()))
    print("times in ms; CPU in ms of the server for an answer; peak in MB; per s: rows, or answers of many clients")
    if options.json:
        options.json.write_text(json.dumps([asdict(m) for m in done], indent=1))


def judged(measured: Measured, aims: tuple[Aim, ...]) -> Measured:
    """The same with its aims, printed."""
    measured.aims = [aim.text for aim in aims]
    measured.missed = [aim.text for aim in aims if not aim.met(measured)]
    m, said = measured, [f"{aim.text}: {'missed' if aim.text in measured.missed else 'met'}" for aim in aims]
    print(
        f"{m.name:34}{m.median:9,.1f}{m.p95:9,.1f}{m.first:9,.1f}{m.rows:10,.0f}{m.rate:10,.0f}{m.flow:6,.0f}{m.cpu:9,.1f}"
        f"{m.peak:7,.0f}{m.others:7.0%}  {'; '.join(said)}",
        flush=True,
    )
    return measured


if __name__ == "__main__":
    main()
