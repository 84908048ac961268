"""Metrics for Prometheus.

Several server processes sum their metrics through files in the folder that PROMETHEUS_MULTIPROC_DIR names; the
variable must be in the environment before this module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from typing_extensions import override

from vo_server.processes import is_alive

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder of the metrics of several processes."""

MEDIA_TYPE = CONTENT_TYPE_LATEST

_BUCKET_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
"""Upper limits of the buckets of histograms, in seconds."""


@dataclass(frozen=True, slots=True)
class RequestMetrics:
    """The figures of one request: `bytes` is the size of the body as sent, `queue_seconds` the time in the queue."""

    service: str
    resource: str
    status: int
    seconds: float
    bytes: int
    rows: int = 0
    lane: str | None = None
    queue_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerState:
    """A sample of the server: running and waiting queries by lane, and the memory of the engine if it is known."""

    running: Mapping[str, int]
    waiting: Mapping[str, int]
    memory_bytes: int | None = None


class Metrics:
    """The metrics of a process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        by = ["service", "resource"]
        seconds = partial(Histogram, registry=registry, buckets=_BUCKET_SECONDS)
        self._requests = Counter("vo_requests", "Requests answered", [*by, "status"], registry=registry)
        self._seconds = seconds("vo_request_seconds", "Time to the last byte", by)
        self._bytes = Counter("vo_sent_bytes", "Bytes of answers as sent", by, registry=registry)
        self._rows = Counter("vo_rows", "Rows of answers", by, registry=registry)
        self._waits = seconds("vo_queue_seconds", "Time in the queue", ["lane"])
        self._running = self._create_gauge("vo_queries_running", "Queries that run", "lane")
        self._waiting = self._create_gauge("vo_queries_waiting", "Queries that wait", "lane")
        self._memory = self._create_gauge("vo_engine_memory_bytes", "Memory that the database holds")

    def _create_gauge(self, name: str, help: str, *labels: str) -> Gauge:
        """Return a gauge that is summed over the live processes."""
        return Gauge(name, help, labels, registry=self._registry, multiprocess_mode="livesum")

    def count(self, served: RequestMetrics) -> None:
        """Count a request that has ended."""
        service = (served.service, served.resource)
        self._requests.labels(*service, str(served.status)).inc()
        self._seconds.labels(*service).observe(served.seconds)
        self._bytes.labels(*service).inc(served.bytes)
        if served.rows:
            self._rows.labels(*service).inc(served.rows)
        if served.lane is not None:
            self._waits.labels(served.lane).observe(served.queue_seconds)

    def sample(self, state: ServerState) -> None:
        """Set the gauges to a sample."""
        for gauge, counts in ((self._running, state.running), (self._waiting, state.waiting)):
            for lane, number in counts.items():
                gauge.labels(lane).set(number)
        if state.memory_bytes is not None:
            self._memory.set(state.memory_bytes)

    def render(self, jobs: Mapping[str, int]) -> bytes:
        """Return the metrics of all processes in Prometheus' text format, and the number of jobs by phase."""
        registry = self._registry
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder:
            remove_dead_processes(Path(folder))
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(JobCollector(jobs))


class JobCollector(CollectorRegistry):
    """A registry with one gauge: the number of jobs by phase, which all processes share."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__()
        self._counts = counts

    @override
    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("vo_jobs", "Jobs by phase", labels=["phase"])
        for phase, number in self._counts.items():
            family.add_metric([phase], number)
        yield family


def remove_dead_processes(folder: Path) -> None:
    """Remove the live gauges of processes that have exited; their counters stay."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not is_alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
