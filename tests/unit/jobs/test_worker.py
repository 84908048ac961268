"""Workers: jobs end with results or with a failure, and leases, limits and cleanup hold."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from vo_server.errors import BusyError, Code, QueryCancelledError, QueryError, ServiceError
from vo_server.jobs.cleanup import StorageQuota
from vo_server.jobs.files import StoredUpload
from vo_server.jobs.service import JobService
from vo_server.jobs.table import get_current_time
from vo_server.jobs.task import JobOutput, QueryTask, Task
from vo_server.jobs.worker import Worker
from vo_server.model.column import Column
from vo_server.model.job import Job, Phase
from vo_server.model.types import DOUBLE, INTEGER, TYPES

Make = Callable[..., Job]


class FakeQuery:
    """A running query that answers in chunks. It can wait before the last chunk until it is stopped or released."""

    def __init__(self, *pieces: bytes, waits: bool = False, error: Exception | None = None, quiet: bool = False):
        self.rows = 0
        self.overflow = False
        self.failure: Exception | None = None
        self.pieces, self.waits, self.error, self.quiet = pieces, waits, error, quiet
        self.begun, self.go_on, self.stopped = threading.Event(), threading.Event(), False

    def start(self) -> Iterator[bytes]:
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

    def cancel(self) -> None:
        self.stopped = True
        self.go_on.set()

    def progress(self) -> float | None:
        return 0.25


@pytest.fixture
def url() -> str:
    """The URL of a SQLite store: workers behave the same over all databases."""
    return ""


class FakeTask(Task):
    """A task with these results in order; an error among them ends the job."""

    rows = None
    overflow = False

    def __init__(self, *results: bytes | ServiceError) -> None:
        self.results = results

    def produce_outputs(self) -> Iterator[JobOutput]:
        for n, result in enumerate(self.results):
            if isinstance(result, ServiceError):
                raise result
            yield JobOutput(f"part{n}", f"text/x{n}", f"p{n}.txt", [result])

    def stop(self) -> None:
        pass

    def progress(self) -> float | None:
        return None


class RunningWorker:
    """A worker in a thread. Each job runs the next of the queries; the last one serves all further jobs."""

    def __init__(
        self,
        service: JobService,
        *queries: FakeQuery | FakeTask | ServiceError,
        quota: StorageQuota | None = None,
        lease: float = 5,
    ) -> None:
        asked = list(queries)

        def work(job: Job) -> Task:
            query = asked.pop(0) if len(asked) > 1 else asked[0]
            if isinstance(query, ServiceError):
                raise query
            if isinstance(query, FakeTask):
                return query
            return QueryTask(query, "text/plain", "result.txt")

        self.service = service
        self.worker = Worker("w", service.store, service.files, {"test": work}, quota=quota, lease=lease)
        self.alive = True
        self.thread = threading.Thread(target=self.worker.run, args=(lambda: self.alive,))

    def __enter__(self) -> RunningWorker:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def until(self, job: Job, *phases: Phase) -> Job:
        """Return the job when it is in one of these phases."""
        for _ in range(1500):
            found = self.service.store.get(job.id)
            assert found is not None
            if found.phase in phases:
                return found
            threading.Event().wait(0.01)
        raise AssertionError(f"the job is {found.phase}")


def folder(service: JobService, job: Job) -> list[Path]:
    return sorted(Path(service.files.root, job.id).glob("*"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEARTBEAT_SECONDS", "JOB_CLEANUP_SECONDS", "STORAGE_CLEANUP_SECONDS"):
        monkeypatch.setattr(f"vo_server.jobs.worker.{name}", 0.02)


def test_stores_result(service: JobService, make: Make) -> None:
    job = make(queued=True)
    with RunningWorker(service, FakeQuery(b"one ", b"two")) as running:
        done = running.until(job, Phase.COMPLETED)
    (made,) = done.results
    assert (made.size, made.rows, made.media_type, made.name) == (7, 5, "text/plain", "result.txt")
    (file,) = folder(service, job)
    assert file == Path(service.files.root, job.id, made.file)
    assert file.read_bytes() == b"one two"
    assert done.started is not None
    assert done.ended is not None
    assert done.created <= done.started <= done.ended


def test_several_results(service: JobService, make: Make) -> None:
    job = make(queued=True)
    with RunningWorker(service, FakeTask(b"one", b"", b"three")) as running:
        done = running.until(job, Phase.COMPLETED)
    told = [(made.id, made.media_type, made.name, made.size) for made in done.results]
    assert told == [
        ("part0", "text/x0", "p0.txt", 3),
        ("part1", "text/x1", "p1.txt", 0),
        ("part2", "text/x2", "p2.txt", 5),
    ]
    assert [Path(service.files.root, job.id, made.file).read_bytes() for made in done.results] == [
        b"one",
        b"",
        b"three",
    ]
    assert done.rows is None
    assert service.store.sum_result_bytes() == 8


@pytest.mark.parametrize("results", [(b"one", BusyError("later")), (b"one", b"two two")])
def test_stores_all_results_or_none(service: JobService, make: Make, results: tuple[bytes | ServiceError, ...]) -> None:
    job = make(queued=True)
    with RunningWorker(service, FakeTask(*results), quota=StorageQuota(max_result_bytes=9)) as running:
        failed = running.until(job, Phase.ERROR)
    assert failed.results == ()
    assert folder(service, job) == []


def test_stores_progress_while_running(service: JobService, make: Make) -> None:
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query) as running:
        assert query.begun.wait(10)
        while (seen := service.store.get(job.id)) and seen.rows is None:
            pass
        assert seen is not None
        assert (seen.phase, seen.rows, seen.progress) == (Phase.EXECUTING, 5, 0.25)
        query.go_on.set()
        assert running.until(job, Phase.COMPLETED).attempts == 1


@pytest.mark.parametrize(
    ("query", "code", "said", "transient"),
    [
        (QueryError("no such thing"), Code.ADQL_INVALID, "no such thing", False),
        (FakeQuery(b"one", b"two", error=QueryError("a row")), Code.ADQL_INVALID, "a row", False),
        (FakeQuery(b"one", b"in words", error=QueryError("a row"), quiet=True), Code.ADQL_INVALID, "a row", False),
        (FakeQuery(b"one", b"two", error=OSError(errno.ENOSPC, "No space")), Code.SERVICE_BUSY, "disk", True),
        (FakeQuery(b"one", b"two", error=OSError(errno.EIO, "bad disk")), Code.SERVICE_INTERNAL, "bad disk", False),
        (FakeQuery(b"one", b"two", error=MemoryError()), Code.SERVICE_INTERNAL, "memory", False),
        (FakeQuery(b"one", b"two", error=ZeroDivisionError("secret")), Code.SERVICE_INTERNAL, "log", False),
    ],
)
def test_stores_failure(
    service: JobService, make: Make, query: FakeQuery | ServiceError, code: str, said: str, transient: bool
) -> None:
    """Any error at any moment fails the job with a message and leaves no file."""
    job = make(queued=True)
    with RunningWorker(service, query) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.phase is Phase.ERROR
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.transient) == (code, transient)
    assert said in failed.failure.message
    assert "secret" not in failed.failure.message
    assert failed.results == ()
    assert folder(service, job) == []


def test_fails_when_disk_fills_at_close(service: JobService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vo_server.storage.jobs.os.fsync", full)
    job = make(queued=True)
    with RunningWorker(service, FakeQuery(b"one")) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.failure is not None
    assert failed.failure.code == Code.SERVICE_BUSY
    assert folder(service, job) == []


def test_abort_stops_query(service: JobService, make: Make) -> None:
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query):
        assert query.begun.wait(10)
        assert service.store.abort(job.id)
        assert query.go_on.wait(1)
    aborted = service.store.get(job.id)
    assert aborted is not None
    assert (aborted.phase, aborted.results) == (Phase.ABORTED, ())
    assert folder(service, job) == []


def test_deletion_stops_query_and_leaves_no_files(service: JobService, make: Make) -> None:
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query):
        assert query.begun.wait(10)
        service.store.delete(job.id)
        service.files.remove(job.id)
        assert query.go_on.wait(1)
    assert not Path(service.files.root, job.id).exists()


def test_aborts_job_past_execution_duration(service: JobService, make: Make) -> None:
    job = make(queued=True, duration=1)
    with RunningWorker(service, FakeQuery(b"one", b"two", waits=True)) as running:
        late = running.until(job, Phase.ABORTED, Phase.COMPLETED)
    assert late.failure is not None
    assert late.failure.code == Code.QUERY_TIMEOUT
    assert " 1 s" in late.failure.message
    assert folder(service, job) == []


@pytest.mark.parametrize("orphaned", [True, False])
def test_stopping_worker_requeues_its_job(service: JobService, make: Make, orphaned: bool) -> None:
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query) as running:
        assert query.begun.wait(10)
        if orphaned:
            running.alive = False
            running.thread.join(10)
    again = service.store.get(job.id)
    assert again is not None
    assert (again.phase, again.attempts) == (Phase.QUEUED, 0)
    assert folder(service, job) == []
    with RunningWorker(service, FakeQuery(b"one")) as running:
        assert running.until(job, Phase.COMPLETED).results


@pytest.fixture
def short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.jobs.table.LOCK_TIMEOUT_SECONDS", 0.2)


def test_worker_without_heartbeat_stops_its_job(
    short_lock_timeout: None, service: JobService, make: Make, tmp_path: Path
) -> None:
    """The store is locked for longer than the lease: another worker may have the job by then."""
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query, FakeQuery(b"again"), lease=1) as running:
        assert query.begun.wait(10)
        with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite", timeout=30) as other:
            other.execute("BEGIN IMMEDIATE")
            assert query.go_on.wait(15)
            other.rollback()
        again = running.until(job, Phase.COMPLETED)
    assert again.attempts == 2
    (file,) = folder(service, job)
    assert file.read_bytes() == b"again"


def test_retries_while_store_is_locked(service: JobService, make: Make, tmp_path: Path) -> None:
    job = make(queued=True)
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query, lease=30) as running:
        assert query.begun.wait(10)
        with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite", timeout=30) as other:
            other.execute("BEGIN IMMEDIATE")
            query.go_on.set()
            threading.Event().wait(0.3)
            other.rollback()
        assert running.until(job, Phase.COMPLETED).attempts == 1


def test_rejects_result_over_size_limit(service: JobService, make: Make) -> None:
    job = make(queued=True)
    with RunningWorker(service, FakeQuery(b"12345", b"67890"), quota=StorageQuota(max_result_bytes=9)) as running:
        failed = running.until(job, Phase.ERROR, Phase.COMPLETED)
    assert failed.failure is not None
    assert failed.failure.code == Code.JOB_RESULT_TOO_LARGE
    assert " 9 bytes" in failed.failure.message


def test_deletes_oldest_results_over_quota(service: JobService, make: Make) -> None:
    with RunningWorker(service, FakeQuery(b"12345"), quota=StorageQuota(max_total_bytes=12)) as running:
        jobs = []
        for _ in range(4):
            jobs.append(make(queued=True))
            running.until(jobs[-1], Phase.COMPLETED)
        while service.store.sum_result_bytes() > 12:
            pass
    assert [job.id for job in jobs if service.store.get(job.id)] == [job.id for job in jobs[2:]]
    assert [bool(folder(service, job)) for job in jobs] == [False, False, True, True]


def test_deletes_expired_job(service: JobService, make: Make) -> None:
    job = make(destruction=get_current_time() - timedelta(seconds=1))
    service.files.save_uploads(job.id, [StoredUpload("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
    with RunningWorker(service, FakeQuery(b"one")):
        while Path(service.files.root, job.id).exists():
            pass
    assert service.store.get(job.id) is None


def test_deletes_expired_jobs_while_running_one(service: JobService, make: Make) -> None:
    """A worker that is busy for hours still runs the cleanup."""
    runs, other = make(queued=True), make()
    query = FakeQuery(b"one", b"two", waits=True)
    with RunningWorker(service, query):
        assert query.begun.wait(20)
        for job in (other, runs):
            service.store.update(job.id, list(Phase), destruction=get_current_time() - timedelta(seconds=1))
        assert query.go_on.wait(20), "it was stopped"
        while Path(service.files.root, runs.id).exists():
            pass
    assert query.stopped
    assert [service.store.get(job.id) for job in (runs, other)] == [None, None]


def test_removes_orphaned_folders(service: JobService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make()
    for id in (job.id, "litter"):
        service.files.save_uploads(id, [StoredUpload("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
    with RunningWorker(service, FakeQuery(b"one")):
        threading.Event().wait(0.1)
        assert Path(service.files.root, "litter").exists(), "it may belong to a job that is being created"
        monkeypatch.setattr("vo_server.jobs.files.ORPHAN_AGE_SECONDS", -1.0)
        while Path(service.files.root, "litter").exists():
            pass
    assert len(folder(service, job)) == 1


def test_removes_files_of_killed_attempts(service: JobService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.jobs.files.ORPHAN_AGE_SECONDS", -1.0)
    failed, waiting = make(queued=True), make()
    for job in (failed, waiting):
        service.files.save_uploads(job.id, [StoredUpload("a", (Column("n", INTEGER),), pa.table({"n": [1]}))])
        for name in ("x.part", "y.result"):
            Path(service.files.root, job.id, name).write_bytes(b"half")
    for _ in range(2):
        service.store.take_job("dead", -1)
        service.store.reclaim_expired()
    with RunningWorker(service, FakeQuery(b"one")):
        while len(folder(service, failed)) > 1:
            pass
    assert [path.name for path in folder(service, failed)] == ["a.upload"]
    assert len(folder(service, waiting)) == 3


def test_uploads_keep_all_column_metadata(service: JobService) -> None:
    columns = (
        *(Column(f"c{n}", t, length=5 if t.family == "text" else None, unit="m") for n, t in enumerate(TYPES)),
        Column(
            'odd "name"',
            DOUBLE,
            ucd="pos.eq.ra",
            description="é",
            nullable=False,
            arraysize_override="2x3",
            xtype_override="moc",
        ),
    )
    rows = pa.table([pa.array([None], c.type.arrow) for c in columns], names=[c.name for c in columns])
    service.files.save_uploads(
        "job", [StoredUpload("Mine", columns, rows), StoredUpload("other", columns[:1], rows.select([0]))]
    )
    mine, other = service.files.read_uploads("job")
    assert mine == StoredUpload("Mine", columns, rows)
    assert other.name == "other"
    assert service.files.read_upload("job", "MINE").rows.equals(rows)
    assert service.files.read_uploads("another") == []
