"""Helpers of the benchmarks: a server process, its CPU time and memory, an HTTP client and medians."""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "vo_server")

RECORDED_BYTES = 8 << 20
"""Bytes of a response that are recorded."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- the server


@dataclass(frozen=True)
class ServerProcess:
    """A process and its children, measured through /proc (Linux); with pid 0 all figures are 0."""

    pid: int

    def tree(self) -> list[int]:
        """Return the ids of the process and of its descendants."""
        if not self.pid:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *(pid for child in children for pid in ServerProcess(int(child)).tree())]

    def cpu_seconds(self) -> float:
        """Return user and system time until now, in seconds."""
        return sum(_read_cpu_seconds(Path(f"/proc/{pid}/stat")) for pid in self.tree())

    def reset_peak(self) -> None:
        """Reset the peak of memory."""
        for pid in self.tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_megabytes(self) -> float:
        """Return the peak of the resident set since `reset_peak`, in MB."""
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in self.tree())
        matches = (re.search(r"VmHWM:\s+(\d+)", status) for status in statuses)
        return sum(int(match[1]) for match in matches if match) / 1024


def _read_cpu_seconds(stat: Path) -> float:
    return sum(int(ticks) for ticks in stat.read_text().rpartition(")")[2].split()[11:13]) / TICKS_PER_SECOND


def make_demo(data: Path, rows: int) -> None:
    """Make and load a synthetic sky, unless the data folder has one."""
    command = [*COMMAND, "demo", "--no-serve", "--rows", str(rows), "--data", str(data)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


@contextmanager
def serve(data: Path, port: int = 0, *options: str, **variables: str) -> Iterator[tuple[str, int]]:
    """Run a server over a data folder and yield its URL and process id.

    It has no job workers unless `variables`, which are set in its environment, say otherwise.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VO_SERVER_JOB_WORKERS": "0"} | variables
    command = [*COMMAND, "serve", "--data", str(data), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


# ---------------------------------------------------------------- the client


@dataclass(frozen=True)
class TimedResponse:
    """A response with the seconds to the first and the last byte of its body; `content` lacks the middle of a long
    body, `size` counts all of it."""

    first_byte: float
    last_byte: float
    content: bytes
    size: int


class Client:
    """An HTTP client of one server, over one connection, or with `keep_alive` off over a new one for each request."""

    def __init__(self, url: str, *, keep_alive: bool = True) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=600)
        self._keep_alive = keep_alive

    def get(self, path: str) -> TimedResponse:
        """Request a path.

        Raises RuntimeError for an error.
        """
        start = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        response = self._connection.getresponse()
        content = chunk = response.read1(1 << 20)
        first_byte, end, size = time.perf_counter() - start, chunk, len(chunk)
        while chunk := response.read1(1 << 20):
            end = end[-1000:] + chunk
            size += len(chunk)
            if len(content) < RECORDED_BYTES:
                content += chunk
        last_byte = time.perf_counter() - start
        response.close()
        if not self._keep_alive:
            self._connection.close()
        if response.status != 200 or b'value="ERROR"' in content[:2000] + end:
            raise RuntimeError(f"{path}: {response.status} {(content[:600] + end).decode(errors='replace')}")
        return TimedResponse(first_byte, last_byte, content, size)


# --------------------------------------------------------------- the figures


def percentile_95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def summarise(seconds: Sequence[float]) -> str:
    """Return median and 95th percentile as text, in ms."""
    median, late = 1e3 * statistics.median(seconds), 1e3 * percentile_95(seconds)
    return f"median {median:8.1f} ms   p95 {late:8.1f} ms"
