"""Kills processes while they run or accept jobs, each at another line of code, and reports the jobs.

    python -m tests.system.kills FOLDER URL STEP PART

PART is `run`, where the killed process runs a job, or `accept`, where it accepts one. A first process is not killed:
it tells the lines of vo_server/jobs that are executed. For each of them, or each STEP-th of them, another process is
killed where it executes the line for the first time. The processes are forked by this one, which has no threads and
opens no database. Prints a line of JSON for each of them, and one for a process that is not killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa

from vo_server.jobs.files import JobFiles, StoredUpload
from vo_server.jobs.service import DurationLimits, JobService
from vo_server.jobs.store import JobStore
from vo_server.jobs.table import get_current_time
from vo_server.jobs.task import QueryTask
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.jobs.worker import Worker
from vo_server.model.column import Column
from vo_server.model.job import Job, Phase
from vo_server.model.types import INTEGER
from vo_server.storage.jobs import LocalStorage

CHUNKS = [bytes([65 + n]) * 1000 for n in range(5)]
"""The result of every job."""

Point = tuple[str, int]
"""A line of code: the path of its file, and its number."""

ROWS = StoredUpload("Mine", (Column("n", INTEGER, unit="m"),), pa.table({"n": pa.array([1, 2, 3], pa.int32())}))


class FixedAnswer:
    """A running query with a fixed answer."""

    rows = 5
    overflow = False
    failure = None

    def start(self) -> Iterator[bytes]:
        yield from CHUNKS

    def cancel(self) -> None: ...

    def progress(self) -> float | None:
        return None


def open_service(folder: Path, url: str) -> JobService:
    store = JobStore(url, folder)
    return JobService(
        store, JobFiles(LocalStorage(folder)), PhaseWatcher(store), DurationLimits(60, 60), DurationLimits(600, 600)
    )


def create_task(service: JobService, job: Job) -> QueryTask:
    (kept,) = service.files.read_uploads(job.id)
    assert kept == ROWS
    return QueryTask(FixedAnswer(), "text/plain", "result.txt")


def create_worker(service: JobService, name: str) -> Worker:
    return Worker(name, service.store, service.files, {"test": lambda job: create_task(service, job)})


class LineTracer:
    """Notes each line of vo_server/jobs when it is executed first, and kills the process at one of them."""

    def __init__(self, fatal: Point | None) -> None:
        self._fatal = fatal
        self._seen: dict[Point, None] = {}

    @property
    def points(self) -> list[Point]:
        """The lines in the order of their first execution."""
        return list(self._seen)

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if "/vo_server/jobs/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            point = frame.f_code.co_filename, frame.f_lineno
            if point == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self._seen[point] = None
        return self


def run_forked(what: Callable[[], object]) -> tuple[int, Any]:
    """Run a function in a forked process; return the signal that killed it (0 for none) and the result."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        try:
            os.write(sink, json.dumps(what()).encode())
            os._exit(0)
        except BaseException as error:  # noqa: BLE001
            os.write(sink, json.dumps(f"{type(error).__name__}: {error}").encode())
            os._exit(1)
    os.close(sink)
    with os.fdopen(source, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), (json.loads(said) if said else None)


def accept(service: JobService, id: str) -> None:
    """Accept a job as the server does: first its files, then its row."""
    at = get_current_time()
    job = service.create_job("test").replace(id=id, phase=Phase.QUEUED, queued=at, fair_share_key="p")
    service.files.save_uploads(job.id, [ROWS])
    service.store.add(job)


def accept_traced(service: JobService, id: str, tracer: LineTracer) -> None:
    sys.settrace(tracer)
    accept(service, id)
    sys.settrace(None)


def run_traced(service: JobService, id: str, tracer: LineTracer) -> None:
    """Accept a job and run it; its thread is traced."""
    accept(service, id)
    worker = create_worker(service, "dying")
    threading.settrace(tracer)
    run_until_done(worker, service, id)


def run_until_done(worker: Worker, service: JobService, id: str) -> None:
    def alive() -> bool:
        job = service.store.get(id)
        return job is not None and job.phase in (Phase.QUEUED, Phase.EXECUTING)

    from vo_server.jobs import worker as worker_module

    worker_module.HEARTBEAT_SECONDS = 0.02
    worker.run(alive)


def recover(service: JobService, folder: Path, id: str) -> dict[str, Any]:
    """Return the state after the death, and after another worker has run the job."""
    before = service.store.get(id)
    service.store.release_worker("dying")
    if before is not None:
        run_until_done(create_worker(service, "next"), service, id)
    after = service.store.get(id)
    files = sorted(path.name for path in (folder / id).glob("*"))
    result = (folder / id / after.results[0].file).read_bytes() if after and after.results else b""
    told = {
        "before": before and before.phase,
        "after": after and after.phase,
        "attempts": after and after.attempts,
        "whole": result == b"".join(CHUNKS) and after is not None and len(after.results) == 1
        and after.results[0].size == len(result),
        "files": [name.rpartition(".")[2] for name in files],
        "same": before is None or not before.results or before.results == (after and after.results),
    }  # fmt: skip
    service.store.delete(id)
    service.files.remove(id)
    return told


def main(folder: Path, url: str, step: int, part: str) -> None:
    trace = {"run": run_traced, "accept": accept_traced}[part]

    def begin(id: str, fatal: Point | None) -> list[Point]:
        service = open_service(folder, url)
        service.store.count_by_phase()
        tracer = LineTracer(fatal)
        trace(service, id, tracer)
        return tracer.points

    def end(id: str) -> dict[str, Any]:
        return recover(open_service(folder, url), folder, id)

    run_forked(lambda: open_service(folder, url).store.prepare())
    _, points = run_forked(lambda: begin("traced", None))
    assert isinstance(points, list), points
    fatal: list[Point | None] = [tuple(point) for point in points[::step]]
    for n, point in enumerate([*fatal, None]):
        number, answer = run_forked(lambda n=n, point=point: begin(f"job{n}", point))
        _, told = run_forked(lambda n=n: end(f"job{n}"))
        died = number == signal.SIGKILL
        print(json.dumps({"point": point, "died": died, "answered": bool(answer), "told": told}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
