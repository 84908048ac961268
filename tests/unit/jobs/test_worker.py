"""What a worker makes of a job: its result, or why there is none."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from vo_server.errors import BusyError, QueryCancelledError, QueryError, ServiceError
from vo_server.jobs.cleanup import Room
from vo_server.jobs.files import Kept
from vo_server.jobs.service import Desk
from vo_server.jobs.table import now
from vo_server.jobs.task import Answer, Output, Task
from vo_server.jobs.worker import Worker
from vo_server.model.column import Column
from vo_server.model.job import Job, Phase
from vo_server.model.types import DOUBLE, INTEGER, TYPES

Make = Callable[..., Job]


class Question:
    """An answer in pieces. It waits before the last of them until it is stopped or let go on."""

    def __init__(self, *pieces: bytes, waits: bool = False, error: Exception | None = None, quiet: bool = False):
        self.rows = 0
        self.overflow = False
        self.failure: Exception | None = None
        self.pieces, self.waits, self.error, self.quiet = pieces, waits, error, quiet
        self.begun, self.go_on, self.stopped = threading.Event(), threading.Event(), False

    def answer(self) -> Iterator[bytes]:
        *first, last = self.pieces
        yield from first
        self.rows = 5
        self.begun.set()
        if self.waits:
            assert self.go_on.wait(20)
        if self.stopped and self.waits and self.error is None:
            self.error = QueryCancelledError("the query was cancelled")
        if self.error is not None and not self.quiet:
            raise self.error
        self.failure = self.error
        yield last

    def stop(self) -> None:
        self.stopped = True
        self.go_on.set()

    def progress(self) -> float | None:
        return 0.25


@pytest.fixture
def url() -> str:
    """What a worker does is the same over all databases."""
    return ""


class Several(Task):
    """Results in this order; one that is a fault breaks the job off."""

    rows = None
    overflow = False

    def __init__(self, *results: bytes | ServiceError) -> None:
        self.results = results

    def outputs(self) -> Iterator[Output]:
        for n, result in enumerate(self.results):
            if isinstance(result, ServiceError):
                raise result
            yield Output(f"part{n}", f"text/x{n}", f"p{n}.txt", [result])

    def stop(self) -> None:
        pass

    def progress(self) -> float | None:
        return None


class Running:
    """A worker in a thread; the questions are those of one job after the other, the last that of all further ones."""

    def __init__(
        self, desk: Desk, *questions: Question | Several | ServiceError, room: Room | None = None, lease: float = 5
    ) -> None:
        asked = list(questions)

        def work(job: Job) -> Task:
            question = asked.pop(0) if len(asked) > 1 else asked[0]
            if isinstance(question, ServiceError):
                raise question
            if isinstance(question, Several):
                return question
            return Answer(question, "text/plain", "result.txt")

        self.desk = desk
        self.worker = Worker("w", desk.store, desk.files, {"test": work}, room=room, lease=lease)
        self.alive = True
        self.thread = threading.Thread(target=self.worker.run, args=(lambda: self.alive,))

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.end()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def until(self, job: Job, *phases: Phase) -> Job:
        """The job when it has come so far."""
        for _ in range(1500):
            found = self.desk.store.get(job.id)
            assert found is not None
            if found.phase in phases:
                return found
            threading.Event().wait(0.01)
        raise AssertionError(f"the job is {found.phase}")


def folder(desk: Desk, job: Job) -> list[Path]:
    return sorted(Path(desk.files.root, job.id).glob("*"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEAT", "SWEEP", "TIDY"):
        monkeypatch.setattr(f"vo_server.jobs.worker.{name}", 0.02)


def test_a_result(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    with Running(desk, Question(b"one ", b"two")) as running:
        done = running.until(job, Phase.COMPLETED)
    (made,) = done.made
    assert (made.size, made.rows, made.media_type, made.name) == (7, 5, "text/plain", "result.txt")
    (file,) = folder(desk, job)
    assert file == Path(desk.files.root, job.id, made.file)
    assert file.read_bytes() == b"one two"
    assert done.started is not None
    assert done.ended is not None
    assert done.created <= done.started <= done.ended


def test_several_results(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    with Running(desk, Several(b"one", b"", b"three")) as running:
        done = running.until(job, Phase.COMPLETED)
    told = [(made.id, made.media_type, made.name, made.size) for made in done.made]
    assert told == [
        ("part0", "text/x0", "p0.txt", 3),
        ("part1", "text/x1", "p1.txt", 0),
        ("part2", "text/x2", "p2.txt", 5),
    ]
    assert [Path(desk.files.root, job.id, made.file).read_bytes() for made in done.made] == [b"one", b"", b"three"]
    assert done.rows is None
    assert desk.store.total() == 8


@pytest.mark.parametrize("results", [(b"one", BusyError("later")), (b"one", b"two two")])
def test_of_several_results_all_or_none_are_kept(
    desk: Desk, make: Make, results: tuple[bytes | ServiceError, ...]
) -> None:
    job = make(queued=True)
    with Running(desk, Several(*results), room=Room(most=9)) as running:
        failed = running.until(job, Phase.ERROR)
    assert failed.made == ()
    assert folder(desk, job) == []


def test_progress_is_told_while_it_runs(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question) as running:
        assert question.begun.wait(10)
        while (seen := desk.store.get(job.id)) and seen.rows is None:
            pass
        assert seen is not None
        assert (seen.phase, seen.rows, seen.progress) == (Phase.EXECUTING, 5, 0.25)
        question.go_on.set()
        assert running.until(job, Phase.COMPLETED).attempts == 1


@pytest.mark.parametrize(
    ("question", "code", "said", "transient"),
    [
        (QueryError("no such thing"), "QUERY", "no such thing", False),
        (Question(b"one", b"two", error=QueryError("a row")), "QUERY", "a row", False),
        (Question(b"one", b"in words", error=QueryError("a row"), quiet=True), "QUERY", "a row", False),
        (Question(b"one", b"two", error=OSError(errno.ENOSPC, "No space")), "BUSY", "no room left on its disk", True),
        (Question(b"one", b"two", error=OSError(errno.EIO, "bad disk")), "ENGINE", "bad disk", False),
        (Question(b"one", b"two", error=MemoryError()), "ENGINE", "more memory", False),
        (Question(b"one", b"two", error=ZeroDivisionError("secret")), "ENGINE", "finds the reason in the log", False),
    ],
)
def test_a_failure(
    desk: Desk, make: Make, question: Question | ServiceError, code: str, said: str, transient: bool
) -> None:
    """Whatever goes wrong and whenever: the job has failed, says why, and nothing of a result is left."""
    job = make(queued=True)
    with Running(desk, question) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.phase is Phase.ERROR
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.transient) == (code, transient)
    assert said in failed.failure.message
    assert "secret" not in failed.failure.message
    assert failed.made == ()
    assert folder(desk, job) == []


def test_a_disk_that_fills_when_the_file_is_closed(desk: Desk, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vo_server.storage.jobs.os.fsync", full)
    job = make(queued=True)
    with Running(desk, Question(b"one")) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.failure is not None
    assert "no room left" in failed.failure.message
    assert folder(desk, job) == []


def test_an_abort_stops_the_query(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question):
        assert question.begun.wait(10)
        assert desk.store.abort(job.id)
        assert question.go_on.wait(1)
    aborted = desk.store.get(job.id)
    assert aborted is not None
    assert (aborted.phase, aborted.made) == (Phase.ABORTED, ())
    assert folder(desk, job) == []


def test_a_deletion_stops_the_query_and_leaves_nothing(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question):
        assert question.begun.wait(10)
        desk.store.delete(job.id)
        desk.files.remove(job.id)
        assert question.go_on.wait(1)
    assert not Path(desk.files.root, job.id).exists()


def test_a_job_that_runs_too_long_is_aborted_and_told_the_limit(desk: Desk, make: Make) -> None:
    job = make(queued=True, duration=1)
    with Running(desk, Question(b"one", b"two", waits=True)) as running:
        late = running.until(job, Phase.ABORTED, Phase.COMPLETED)
    assert late.failure is not None
    assert late.failure.message == "the job ran longer than its execution duration, 1 s"
    assert folder(desk, job) == []


@pytest.mark.parametrize("orphaned", [True, False])
def test_a_worker_that_ends_gives_its_job_back(desk: Desk, make: Make, orphaned: bool) -> None:
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question) as running:
        assert question.begun.wait(10)
        if orphaned:
            running.alive = False
            running.thread.join(10)
    again = desk.store.get(job.id)
    assert again is not None
    assert (again.phase, again.attempts) == (Phase.QUEUED, 0)
    assert folder(desk, job) == []
    with Running(desk, Question(b"one")) as running:
        assert running.until(job, Phase.COMPLETED).made


def test_a_worker_that_cannot_say_that_it_lives_stops(desk: Desk, make: Make, tmp_path: Path) -> None:
    """The store is locked for longer than the lease: somebody else may have the job by then."""
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question, Question(b"again"), lease=1) as running:
        assert question.begun.wait(10)
        with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite", timeout=30) as other:
            other.execute("BEGIN IMMEDIATE")
            assert question.go_on.wait(15)
            other.rollback()
        again = running.until(job, Phase.COMPLETED)
    assert again.attempts == 2
    (file,) = folder(desk, job)
    assert file.read_bytes() == b"again"


def test_a_store_that_is_locked_for_a_moment(desk: Desk, make: Make, tmp_path: Path) -> None:
    job = make(queued=True)
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question, lease=30) as running:
        assert question.begun.wait(10)
        with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite", timeout=30) as other:
            other.execute("BEGIN IMMEDIATE")
            question.go_on.set()
            threading.Event().wait(0.3)
            other.rollback()
        assert running.until(job, Phase.COMPLETED).attempts == 1


def test_a_result_larger_than_there_may_be(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    with Running(desk, Question(b"12345", b"67890"), room=Room(most=9)) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.failure is not None
    assert "more than 9 bytes" in failed.failure.message


def test_the_oldest_results_make_room(desk: Desk, make: Make) -> None:
    with Running(desk, Question(b"12345"), room=Room(all=12)) as running:
        jobs = []
        for _ in range(4):
            jobs.append(make(queued=True))
            running.until(jobs[-1], Phase.COMPLETED)
        while desk.store.total() > 12:
            pass
    assert [job.id for job in jobs if desk.store.get(job.id)] == [job.id for job in jobs[2:]]
    assert [bool(folder(desk, job)) for job in jobs] == [False, False, True, True]


def test_a_job_is_destroyed_when_its_time_has_come(desk: Desk, make: Make) -> None:
    job = make(destruction=now() - timedelta(seconds=1))
    desk.files.keep(job.id, [Kept("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
    with Running(desk, Question(b"one")):
        while Path(desk.files.root, job.id).exists():
            pass
    assert desk.store.get(job.id) is None


def test_a_job_that_runs_is_destroyed_too_and_others_meanwhile(desk: Desk, make: Make) -> None:
    """A worker that is busy for hours still hears of it."""
    runs, other = make(queued=True), make()
    question = Question(b"one", b"two", waits=True)
    with Running(desk, question):
        assert question.begun.wait(20)
        for job in (other, runs):
            desk.store.amend(job.id, list(Phase), destruction=now() - timedelta(seconds=1))
        assert question.go_on.wait(20), "it was stopped"
        while Path(desk.files.root, runs.id).exists():
            pass
    assert question.stopped
    assert [desk.store.get(job.id) for job in (runs, other)] == [None, None]


def test_folders_of_no_job_are_swept(desk: Desk, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make()
    for id in (job.id, "litter"):
        desk.files.keep(id, [Kept("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
    with Running(desk, Question(b"one")):
        threading.Event().wait(0.1)
        assert Path(desk.files.root, "litter").exists(), "it may be that of a job being made"
        monkeypatch.setattr("vo_server.jobs.files.LITTER", -1.0)
        while Path(desk.files.root, "litter").exists():
            pass
    assert len(folder(desk, job)) == 1


def test_what_killed_attempts_have_left_of_a_job_that_failed_is_swept(
    desk: Desk, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vo_server.jobs.files.LITTER", -1.0)
    failed, waiting = make(queued=True), make()
    for job in (failed, waiting):
        desk.files.keep(job.id, [Kept("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
        for name in ("x.part", "y.result"):
            Path(desk.files.root, job.id, name).write_bytes(b"half")
    for _ in range(2):
        desk.store.take("dead", -1)
        desk.store.reclaim()
    with Running(desk, Question(b"one")):
        while len(folder(desk, failed)) > 1:
            pass
    assert [path.name for path in folder(desk, failed)] == ["a.upload"]
    assert len(folder(desk, waiting)) == 3


def test_uploads_come_back_with_all_that_their_columns_say(desk: Desk) -> None:
    columns = (
        *(Column(f"c{n}", t, length=5 if t.family == "text" else None, unit="m") for n, t in enumerate(TYPES)),
        Column('odd "name"', DOUBLE, ucd="pos.eq.ra", description="é", nullable=False, shape="2x3", label="moc"),
    )
    rows = pa.table([pa.array([None], c.type.arrow) for c in columns], names=[c.name for c in columns])
    desk.files.keep("job", [Kept("Mine", columns, rows), Kept("other", columns[:1], rows.select([0]))])
    mine, other = desk.files.uploads("job")
    assert mine == Kept("Mine", columns, rows)
    assert other.name == "other"
    assert desk.files.upload("job", "MINE").rows.equals(rows)
    assert desk.files.uploads("another") == []
