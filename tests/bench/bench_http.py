"""Response times over HTTP on loopback, with the CPU time and the memory of the server.

    python tests/bench/bench_http.py                        load 2,000,000 synthetic rows and start a server
    python tests/bench/bench_http.py --data DIR             use the rows in DIR, or load them there
    python tests/bench/bench_http.py --url http://host:8000 --pid 1234   measure a running server
    python tests/bench/bench_http.py --only cone,top --runs 3 --json result.json

    VO_SERVER_MEMORY=64MB python tests/bench/bench_http.py --only formats     with less memory for the database

Times are those of a client on the same machine. CPU is user and system time of the server and its children; memory is
the peak of its resident set, by /proc (Linux). "Others" is the share of the machine that other processes took at the
same time: if it is more than a few per cent, measure again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
from common import TICKS_PER_SECOND, Client, ServerProcess, TimedResponse, make_demo, serve

from vo_server.formats import FORMATS as OUTPUT_FORMATS
from vo_server.formats import HTML

POSITIONS = 50
"""Positions of the cone searches."""

FORMAT_ROWS = 1_000_000
"""Rows of the responses in each format."""

FORMATS = {"BINARY2": "votable", "TABLEDATA": "votable/td", "CSV": "csv", "TSV": "tsv"}


# ---------------------------------------------------------------- requests


def query_path(adql: str, form: str = "csv") -> str:
    """Return the path of an ADQL query."""
    return "/tap/sync?" + urlencode(
        {"LANG": "ADQL", "MAXREC": 10_000_000, "RESPONSEFORMAT": FORMATS.get(form, form), "QUERY": adql}
    )


def fetch_rows(client: Client, adql: str) -> list[list[float]]:
    """Return the rows of a small query."""
    lines = client.get(query_path(adql)).content.decode().split("\n")[1:-1]
    return [[float(cell) for cell in line.split(",")] for line in lines]


# -------------------------------------------------------------- workloads


@dataclass(frozen=True)
class Target:
    """A target of a figure, which must be below `limit`, or with `above` over it."""

    figure: str
    limit: float
    above: bool = False

    def is_met(self, result: Result) -> bool:
        """Tell whether a result meets the target."""
        value = float(getattr(result, self.figure))
        return value >= self.limit if self.above else value <= self.limit

    @property
    def text(self) -> str:
        """The target as text."""
        return f"{self.figure} {'>' if self.above else '<'} {self.limit:,g}"


@dataclass(frozen=True)
class Workload:
    """Requests that are measured together."""

    group: str
    name: str
    paths: Sequence[str]
    rows: int | None = None
    targets: tuple[Target, ...] = ()
    keep_alive: bool = True
    passes: int | None = None


@dataclass
class Result:
    """The figures of a workload.

    Times are in ms, rates in rows (or responses) and MB per second, CPU of the server in ms per response, memory in MB.
    """

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
    targets: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def list_workloads(client: Client, rows: int) -> list[Workload]:
    """Return all workloads."""
    uniform, sources = _uniform_positions(), _source_positions(client, rows)
    return [
        *_cones(uniform, sources),
        *_tops(rows),
        *_formats(rows),
        *_adql(uniform),
        Workload("sums", "COUNT(*)", [query_path("SELECT COUNT(*) AS n FROM psc")] * 5),
        Workload("sums", "AVG with a cut", [query_path("SELECT AVG(j_m - k_m) AS jk FROM psc WHERE k_m < 12")] * 5),
        Workload("sums", "histogram", [query_path("SELECT ROUND(k_m, 0) AS k, COUNT(*) AS n FROM psc GROUP BY k")] * 5),
        Workload("vosi", "capabilities", ["/tap/capabilities"] * 10),
        Workload("vosi", "tables", ["/tap/tables"] * 5),
        Workload("vosi", "tables, detail=min", ["/tap/tables?detail=min"] * 5),
        Workload("vosi", "availability", ["/tap/availability"] * 10),
        Workload("vosi", "SELECT TOP 1", [query_path("SELECT TOP 1 ra FROM psc")] * 10),
    ]


def _uniform_positions() -> list[tuple[float, float]]:
    random = np.random.default_rng(1)
    ra, z = random.uniform(0, 360, POSITIONS), random.uniform(-1, 1, POSITIONS)
    return [(round(float(a), 5), round(float(d), 5)) for a, d in zip(ra, np.degrees(np.arcsin(z)), strict=True)]


def _source_positions(client: Client, rows: int) -> list[tuple[float, float]]:
    found = fetch_rows(client, f"SELECT ra, dec FROM psc WHERE MOD(pts_key, {max(rows // 300, 1)}) = 0")
    chosen = np.random.default_rng(2).permutation(len(found))[:POSITIONS]
    return [(found[i][0], found[i][1]) for i in chosen]


def _cones(uniform: list[tuple[float, float]], sources: list[tuple[float, float]]) -> Iterator[Workload]:
    limits = {(0.1, "uniform"): 6, (0.1, "at sources"): 6, (5, "uniform"): 25}
    for radius in (0.1, 1, 5):
        for where, positions in (("uniform", uniform), ("at sources", sources)):
            paths = [cone_path(ra, dec, radius) for ra, dec in positions]
            targets = (Target("median", limits[radius, where]),) if (radius, where) in limits else ()
            yield Workload("cone", f"cone {radius} deg, {where}", paths, targets=targets)
    paths = [cone_path(ra, dec, 0.1) for ra, dec in uniform]
    yield Workload("cone", "cone 0.1 deg, new connection", paths, keep_alive=False)
    yield Workload("cone", "cone 0.1 deg, VERB=3", [p + "&VERB=3" for p in paths])


def cone_path(ra: float, dec: float, radius: float) -> str:
    """Return the path of a cone search; angles in degrees."""
    return f"/cone/psc?RA={ra}&DEC={dec}&SR={radius}"


def _tops(rows: int) -> Iterator[Workload]:
    for n in (1_000, 100_000, 1_000_000):
        for form in FORMATS:
            targets = [Target("first", 50)] if n >= 100_000 else []
            if form == "BINARY2" and n >= 100_000:
                targets.append(Target("rate", 400_000, above=True))
            if n <= rows:
                passes = 3 if n > 100_000 else None
                yield Workload(
                    "top", f"TOP {n:,} *, {form}", [query_path(f"SELECT TOP {n} * FROM psc", form)], n, tuple(targets),
                    passes=passes,
                )  # fmt: skip


def _formats(rows: int) -> Iterator[Workload]:
    """Yield a million rows in every format except HTML, which holds only the first rows."""
    adql = f"SELECT TOP {FORMAT_ROWS} * FROM psc"
    for format in (f for f in OUTPUT_FORMATS if f is not HTML and rows >= FORMAT_ROWS):
        name, paths = f"{FORMAT_ROWS:,} rows, {format.name}", [query_path(adql, format.name)]
        yield Workload("formats", name, paths, FORMAT_ROWS, (Target("peak", 400),), passes=2)


def _adql(uniform: list[tuple[float, float]]) -> Iterator[Workload]:
    tests = {
        "CONTAINS": "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {}, {}, 0.1))",
        "DISTANCE": "DISTANCE(POINT(ra, dec), POINT({}, {})) < 0.1",
    }
    for name, test in tests.items():
        paths = [query_path(f"SELECT * FROM psc WHERE {test.format(*position)}", "BINARY2") for position in uniform]
        yield Workload("adql", f"ADQL cone 0.1 deg, {name}", paths)


# -------------------------------------------------------------- measurement


def machine_seconds() -> tuple[float, float]:
    """Return the CPU seconds that the whole machine has been busy, and that it had."""
    times = [int(x) / TICKS_PER_SECOND for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


@contextmanager
def watch(server: ServerProcess) -> Iterator[Callable[[], tuple[float, float, float]]]:
    """Yield a function that returns the figures since the start of the block.

    They are CPU seconds and peak MB of the server, and the share of the machine that other processes took.
    """
    start, cpu, (busy, available) = os.times(), server.cpu_seconds(), machine_seconds()
    server.reset_peak()

    def measure_usage() -> tuple[float, float, float]:
        now, server_cpu, (busy_now, available_now) = os.times(), server.cpu_seconds() - cpu, machine_seconds()
        client_cpu = now.user + now.system - start.user - start.system
        others_cpu = max(0.0, busy_now - busy - server_cpu - client_cpu)
        share = others_cpu / max(available_now - available, 1 / TICKS_PER_SECOND)
        return server_cpu, server.peak_megabytes(), share

    yield measure_usage


def measure(work: Workload, url: str, server: ServerProcess, runs: int) -> Result:
    """Send each request once to warm up, then measure all of them several times."""
    client = Client(url, keep_alive=work.keep_alive)
    sizes = [count_rows(client.get(path)) for path in work.paths]
    with watch(server) as measure_usage:
        responses = [client.get(path) for _ in range(work.passes or runs) for path in work.paths]
        cpu, peak, others = measure_usage()
    last = [1e3 * r.last_byte for r in responses]
    rows = work.rows or statistics.median(sizes)
    return Result(
        work.name,
        statistics.median(last),
        float(np.percentile(last, 95)),
        statistics.median(1e3 * r.first_byte for r in responses),
        rows,
        rows / statistics.median(r.last_byte for r in responses),
        sum(r.size for r in responses) / sum(r.last_byte for r in responses) / 1e6,
        1e3 * cpu / len(responses),
        peak,
        others,
    )


def count_rows(response: TimedResponse) -> int:
    """Return the number of rows of a response in TABLEDATA."""
    return response.content.count(b"<TR>")


async def run_clients(url: str, paths: Sequence[str], clients: int, seconds: float) -> list[float]:
    """Run many clients at once, each with its own connection; return the time of each response in seconds."""
    parts = urlsplit(url)
    end, times, next_paths = time.perf_counter() + seconds, list[float](), cycle(paths)

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(f"GET {next(next_paths)} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            await _read(reader)
            times.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


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


def measure_clients(
    url: str, server: ServerProcess, clients: int, seconds: float, name: str, paths: list[str]
) -> Result:
    """Measure many clients at once; the rate is in responses per second, not rows."""
    asyncio.run(run_clients(url, paths, clients, 1))
    with watch(server) as measure_usage:
        times = asyncio.run(run_clients(url, paths, clients, seconds))
        cpu, peak, others = measure_usage()
    ms = [1e3 * t for t in times]
    return Result(
        f"{name}, {clients} clients", statistics.median(ms), float(np.percentile(ms, 95)), 0, 0, len(ms) / seconds, 0,
        1e3 * cpu / len(ms), peak, others,
    )  # fmt: skip


# ------------------------------------------------------------ command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running server")
    parser.add_argument("--pid", type=int, default=0, help="its process id, for CPU and memory")
    parser.add_argument("--data", type=Path, help="a data folder to serve (default: a new one, removed at the end)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows to make if the folder has none")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--only", default="cone,top,formats,adql,sums,vosi,clients", help="groups, separated by commas")
    parser.add_argument("--runs", type=int, default=5, help="measurements of each request")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10, help="duration of the many clients, in seconds")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if options.url:
        run(options.url.rstrip("/"), options.pid, options)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = options.data or Path(folder)
        make_demo(data, options.rows)
        with serve(data, options.port) as (url, pid):
            run(url, pid, options)


def run(url: str, pid: int, options: argparse.Namespace) -> None:
    """Measure and print."""
    server, client, groups = ServerProcess(pid), Client(url), options.only.split(",")
    rows = int(fetch_rows(client, "SELECT COUNT(*) FROM psc")[0][0])
    memory = f"{server.peak_megabytes():.0f} MB at rest"
    print(f"{time.strftime('%Y-%m-%d')}: {rows:,} rows, {os.cpu_count()} processors, {memory}")
    heads = {"median": 9, "p95": 9, "first": 9, "rows": 10, "per s": 10, "MB/s": 6, "CPU": 9, "peak": 7, "others": 7}
    print(" " * 34 + "".join(f"{head:>{width}}" for head, width in heads.items()))
    results: list[Result] = []
    for work in list_workloads(client, rows):
        if work.group in groups:
            results.append(print_result(measure(work, url, server, options.runs), work.targets))
    if "clients" in groups:
        positions = _uniform_positions()
        workloads = {
            "cone 0.1 deg": [cone_path(ra, dec, 0.1) for ra, dec in positions],
            "ADQL cone 0.1 deg": list(next(_adql(positions)).paths),
        }
        for name, paths in workloads.items():
            result = measure_clients(url, server, options.clients, options.seconds, name, paths)
            results.append(print_result(result, ()))
    print("times in ms; CPU of the server in ms per response; peak in MB; per s: rows, or responses of many clients")
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


def print_result(result: Result, targets: tuple[Target, ...]) -> Result:
    """Print a result and whether it meets its targets, and return it."""
    result.targets = [target.text for target in targets]
    result.missed = [target.text for target in targets if not target.is_met(result)]
    m, notes = result, [f"{text}: {'missed' if text in result.missed else 'met'}" for text in result.targets]
    print(
        f"{m.name:34}{m.median:9,.1f}{m.p95:9,.1f}{m.first:9,.1f}{m.rows:10,.0f}{m.rate:10,.0f}{m.flow:6,.0f}{m.cpu:9,.1f}"
        f"{m.peak:7,.0f}{m.others:7.0%}  {'; '.join(notes)}",
        flush=True,
    )
    return result


if __name__ == "__main__":
    main()
