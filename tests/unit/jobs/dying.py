"""Kills processes with jobs in their hands, a line of the code later each time, and says what became of the jobs.

    python -m tests.unit.jobs.dying FOLDER URL STEP PART

PART is `run`, where the process that dies runs a job, or `accept`, where it takes one in. The processes are forked by
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

from vo_server.jobs.files import Files, Kept
from vo_server.jobs.service import Desk, Span
from vo_server.jobs.store import Store
from vo_server.jobs.table import now
from vo_server.jobs.task import Answer
from vo_server.jobs.waiting import Watch
from vo_server.jobs.worker import Worker
from vo_server.model.column import Column
from vo_server.model.job import Job, Phase
from vo_server.model.types import INTEGER
from vo_server.storage.jobs import Folder

PIECES = [bytes([65 + n]) * 1000 for n in range(5)]
"""The result of every job."""

ROWS = Kept("Mine", (Column("n", INTEGER, unit="m"),), pa.table({"n": pa.array([1, 2, 3], pa.int32())}))


class Pieces:
    """A question whose answer is known."""

    rows = 5
    overflow = False
    failure = None

    def answer(self) -> Iterator[bytes]:
        yield from PIECES

    def stop(self) -> None: ...

    def progress(self) -> float | None:
        return None


def desk(folder: Path, url: str) -> Desk:
    store = Store(url, folder)
    return Desk(store, Files(Folder(folder)), Watch(store), Span(60, 60), Span(600, 600))


def task(place: Desk, job: Job) -> Answer:
    (kept,) = place.files.uploads(job.id)
    assert kept == ROWS
    return Answer(Pieces(), "text/plain", "result.txt")


def worker(place: Desk, name: str) -> Worker:
    return Worker(name, place.store, place.files, {"test": lambda job: task(place, job)})


def dies_at(moment: int) -> Callable[[FrameType, str, Any], Any]:
    """A tracer that kills the process at the so many-th line of the room of jobs."""
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


def forked(what: Callable[[], object]) -> tuple[int, Any]:
    """What a function gives in a process of its own, and the signal that the process died of."""
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


def accept(place: Desk, id: str) -> None:
    """As the server does: what belongs to a job, then the job."""
    at = now()
    job = place.new("test").but(id=id, phase=Phase.QUEUED, queued=at, party="p")
    place.files.keep(job.id, [ROWS])
    place.store.add(job)


def accept_and_die(folder: Path, url: str, id: str, moment: int) -> str:
    place = desk(folder, url)
    place.store.counts()
    sys.settrace(dies_at(moment))
    accept(place, id)
    sys.settrace(None)
    return "accepted"


def run_and_die(folder: Path, url: str, id: str, moment: int) -> str:
    """The thread that runs the job dies, with all the process; or the moment does not come, and the job is done."""
    place = desk(folder, url)
    place.store.counts()
    made = worker(place, "dying")
    threading.settrace(dies_at(moment))
    until_done(made, place, id)
    return "done"


def until_done(made: Worker, place: Desk, id: str) -> None:
    def alive() -> bool:
        job = place.store.get(id)
        return job is not None and job.phase in (Phase.QUEUED, Phase.EXECUTING)

    import vo_server.jobs.worker as room

    room.BEAT = 0.02
    made.run(alive)


def recovered(folder: Path, url: str, id: str) -> dict[str, Any]:
    """What is there after the death, and after another worker has had its turn."""
    place = desk(folder, url)
    before = place.store.get(id)
    place.store.release("dying")
    if before is not None:
        until_done(worker(place, "next"), place, id)
    after = place.store.get(id)
    files = sorted(path.name for path in (folder / id).glob("*"))
    result = (folder / id / after.made[0].file).read_bytes() if after and after.made else b""
    told = {
        "before": before and before.phase,
        "after": after and after.phase,
        "attempts": after and after.attempts,
        "whole": result == b"".join(PIECES) and after is not None and len(after.made) == 1
        and after.made[0].size == len(result),
        "files": [name.rpartition(".")[2] for name in files],
        "same": before is None or not before.made or before.made == (after and after.made),
    }  # fmt: skip
    place.store.delete(id)
    place.files.remove(id)
    return told


def main(folder: Path, url: str, step: int, part: str) -> None:
    forked(lambda: desk(folder, url).store.prepare())
    moment, died = 1, True
    while died:
        id = f"job{moment}"
        if part == "run":
            forked(lambda id=id: accept(desk(folder, url), id))
            number, said = forked(lambda id=id, moment=moment: run_and_die(folder, url, id, moment))
        else:
            number, said = forked(lambda id=id, moment=moment: accept_and_die(folder, url, id, moment))
        died = number == signal.SIGKILL
        _, told = forked(lambda id=id: recovered(folder, url, id))
        print(json.dumps({"moment": moment, "died": died, "said": said, "told": told}), flush=True)
        moment += step


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
