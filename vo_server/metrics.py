"""The figures that Prometheus collects. Several processes that serve together add theirs up through files in the folder
that PROMETHEUS_MULTIPROC_DIR names, which must be in the environment before this module is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from typing_extensions import override

from vo_server.processes import alive

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


@dataclass(frozen=True, slots=True)
class Served:
    """What is counted of a request: bytes are those of the body as sent, `waited` the seconds before its turn."""

    service: str
    resource: str
    status: int
    seconds: float
    bytes: int
    rows: int = 0
    lane: str | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """What is sampled: queries that run and wait by lane, and the bytes that the engine holds, if it tells."""

    running: Mapping[str, int]
    waiting: Mapping[str, int]
    memory: int | None = None


class Metrics:
    """The figures of a process."""

    def __init__(self) -> None:
        self._own = own = CollectorRegistry()
        by = ["service", "resource"]
        self._requests = Counter("vo_requests", "Requests answered", [*by, "status"], registry=own)
        self._seconds = Histogram("vo_request_seconds", "Time to the last byte", by, registry=own, buckets=_SECONDS)
        self._bytes = Counter("vo_sent_bytes", "Bytes of answers as sent", by, registry=own)
        self._rows = Counter("vo_rows", "Rows of answers", by, registry=own)
        self._waits = Histogram("vo_queue_seconds", "Time before a turn", ["lane"], registry=own, buckets=_SECONDS)
        self._running = self._now("vo_queries_running", "Queries that have a place", "lane")
        self._waiting = self._now("vo_queries_waiting", "Queries that wait for a place", "lane")
        self._memory = self._now("vo_engine_memory_bytes", "Memory that the database holds")

    def _now(self, name: str, help: str, *labels: str) -> Gauge:
        """What is so now; of several processes the sum, as long as they live."""
        return Gauge(name, help, labels, registry=self._own, multiprocess_mode="livesum")

    def count(self, served: Served) -> None:
        """A request is over."""
        service = (served.service, served.resource)
        self._requests.labels(*service, str(served.status)).inc()
        self._seconds.labels(*service).observe(served.seconds)
        self._bytes.labels(*service).inc(served.bytes)
        if served.rows:
            self._rows.labels(*service).inc(served.rows)
        if served.lane is not None:
            self._waits.labels(served.lane).observe(served.waited)

    def sample(self, state: State) -> None:
        """How things are now."""
        for gauge, counts in ((self._running, state.running), (self._waiting, state.waiting)):
            for lane, number in counts.items():
                gauge.labels(lane).set(number)
        if state.memory is not None:
            self._memory.set(state.memory)

    def text(self, jobs: Mapping[str, int]) -> bytes:
        """All figures of all processes in Prometheus' words, and the jobs in each phase, which all processes share."""
        told = self._own
        folder = os.environ.get(FOLDER)
        if folder:
            _forget_the_dead(Path(folder))
            told = CollectorRegistry()
            MultiProcessCollector(told, folder)  # type: ignore[no-untyped-call]
        return generate_latest(told) + generate_latest(_Jobs(jobs))


class _Jobs(CollectorRegistry):
    """Jobs by phase."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__()
        self._counts = counts

    @override
    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("vo_jobs", "Jobs by phase", labels=["phase"])
        for phase, number in self._counts.items():
            family.add_metric([phase], number)
        yield family


def _forget_the_dead(folder: Path) -> None:
    """What a process that is gone had running runs no more; what it has counted stays."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
