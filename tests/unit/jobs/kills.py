"""Kills processes while they run or accept jobs, one line of code later each time, and reports the jobs.

    python -m tests.unit.jobs.kills FOLDER URL STEP PART

PART is `run`, where the killed process runs a job, or `accept`, where it accepts one. The processes are forked by
this one, which has no threads and opens no database. Prints a line of JSON for each moment.
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
from vo_server.jobs.table import now
from vo_server.jobs.task import QueryTask
from vo_server.jobs.waiting import PhaseWatcher
from vo_server.jobs.worker import Worker
from vo_server.model.column import Column
from vo_server.model.job import Job, Phase
from vo_server.model.types import INTEGER
from vo_server.storage.jobs import LocalStorage

CHUNKS = [bytes([65 + n]) * 1000 for n in range(5)]
"""The result of every job."""

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


def kill_at(moment: int) -> Callable[[FrameType, str, Any], Any]:
    """Return a tracer that kills the process at the given line executed in vo_server/jobs."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if "/vo_server/jobs/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


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
    at = now()
    job = service.new_job("test").replace(id=id, phase=Phase.QUEUED, queued=at, fair_share_key="p")
    service.files.save_uploads(job.id, [ROWS])
    service.store.add(job)


def accept_and_die(folder: Path, url: str, id: str, moment: int) -> str:
    service = open_service(folder, url)
    service.store.count_by_phase()
    sys.settrace(kill_at(moment))
    accept(service, id)
    sys.settrace(None)
    return "accepted"


def run_and_die(folder: Path, url: str, id: str, moment: int) -> str:
    """Run a job and die at a moment; or complete it, if the moment never comes."""
    service = open_service(folder, url)
    service.store.count_by_phase()
    dying_worker = create_worker(service, "dying")
    threading.settrace(kill_at(moment))
    run_until_done(dying_worker, service, id)
    return "done"


def run_until_done(worker: Worker, service: JobService, id: str) -> None:
    def alive() -> bool:
        job = service.store.get(id)
        return job is not None and job.phase in (Phase.QUEUED, Phase.EXECUTING)

    from vo_server.jobs import worker as worker_module

    worker_module.HEARTBEAT_SECONDS = 0.02
    worker.run(alive)


def recover(folder: Path, url: str, id: str) -> dict[str, Any]:
    """Return the state after the death, and after another worker has run the job."""
    service = open_service(folder, url)
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
    run_forked(lambda: open_service(folder, url).store.prepare())
    moment, died = 1, True
    while died:
        id = f"job{moment}"
        if part == "run":
            run_forked(lambda id=id: accept(open_service(folder, url), id))
            number, said = run_forked(lambda id=id, moment=moment: run_and_die(folder, url, id, moment))
        else:
            number, said = run_forked(lambda id=id, moment=moment: accept_and_die(folder, url, id, moment))
        died = number == signal.SIGKILL
        _, told = run_forked(lambda id=id: recover(folder, url, id))
        print(json.dumps({"moment": moment, "died": died, "said": said, "told": told}), flush=True)
        moment += step


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
