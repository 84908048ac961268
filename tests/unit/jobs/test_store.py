"""The job store, over SQLite and PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from vo_server.errors import BusyError, Code, UsageError
from vo_server.jobs.leases import MAX_ATTEMPTS
from vo_server.jobs.service import JobService
from vo_server.jobs.store import JobStore
from vo_server.jobs.table import JOBS, create_database, get_current_time
from vo_server.model.job import ACTIVE, Failure, Job, JobResult, Phase

Make = Callable[..., Job]
RESULT = JobResult("x.result", "text/csv", "result.csv", 100, "abc", 7)


def test_returns_stored_job_unchanged(service: JobService, make: Make) -> None:
    odd = (("QUERY", "SELECT '\x00\ud800é' <&>\n"), ("UPLOAD", "a,param:x"), ("upload", "b,http://x"))
    job = make(client="c", parameters=odd, url="http://x/\x01", format="votable/td")
    assert service.store.get(job.id) == job
    assert service.store.get("another") is None


def test_counter_increases_with_every_change(service: JobService, make: Make) -> None:
    seen = [service.store.count_changes()]
    job = make()
    seen.append(service.store.count_changes())
    assert service.store.queue(job.id)
    seen.append(service.store.count_changes())
    taken = service.store.take_job("w", 10)
    assert taken is not None
    seen.append(service.store.count_changes())
    assert seen == sorted(set(seen))
    assert service.store.heartbeat(job.id, "w", 10, 0.5, 3)
    assert service.store.count_changes() == seen[-1]
    beaten = service.store.get(job.id)
    assert beaten is not None
    assert (beaten.progress, beaten.rows) == (0.5, 3)


def test_lists_jobs_of_client(service: JobService, make: Make) -> None:
    at = get_current_time()
    jobs = [make(client="me", created=at + timedelta(seconds=n), queued=n == 1) for n in range(4)]
    make(client="you")
    make()
    ids = [job.id for job in jobs]

    def listed(*phases: Phase, after: int | None = None, last: int | None = None) -> list[str]:
        since = None if after is None else at + timedelta(seconds=after)
        return [job.id for job in service.store.list_jobs("test", "me", phases, since, last)]

    assert listed() == ids
    assert listed(Phase.QUEUED) == [ids[1]]
    assert listed(Phase.QUEUED, Phase.PENDING, after=0) == ids[1:]
    assert listed(last=2) == [ids[3], ids[2]]
    assert listed(Phase.PENDING, after=0, last=1) == [ids[3]]
    assert service.store.list_jobs("other", "me", (), None, None) == []


def test_serves_clients_in_turn(service: JobService, make: Make) -> None:
    """A client with many jobs does not delay the others, and positions in the queue tell the order."""
    at = get_current_time()
    names = {}
    for n, (party, name) in enumerate([("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")]):
        queued = at + timedelta(seconds=n)
        names[make(phase=Phase.QUEUED, queued=queued).id] = name
        service.store.update(list(names)[-1], ACTIVE, fair_share_key=party)
    positions = {
        name: service.store.find_queue_position(job) for id, name in names.items() if (job := service.store.get(id))
    }
    order = []
    while (job := service.store.take_job("w", 10)) is not None:
        order.append(names[job.id])
        assert service.store.complete(job.id, "w", (RESULT,))
    assert order == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert sorted(positions, key=lambda name: positions[name]) == order
    assert sorted(positions.values()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_limits_client_to_half_of_workers(service: JobService, make: Make, workers: int, most: int) -> None:
    """The limit is rounded down, and at least one: other clients find a worker whether they wait or come later."""
    names = [f"w{n}" for n in range(workers)]
    service.store.register_worker("gone", -1)
    for name in names:
        service.store.register_worker(name, 60)
        service.store.register_worker(name, 60)
    assert service.store.count_workers() == workers
    greedy = [make(queued=True, fair_share_key="a").id for _ in range(workers)]
    assert take_jobs(service.store, names) == greedy[:most]
    others = [make(queued=True, fair_share_key=f"b{n}").id for n in range(workers - most)]
    assert take_jobs(service.store, names[most:]) == others
    assert service.store.complete(greedy[0], names[0], (RESULT,))
    assert take_jobs(service.store, names[:1]) == greedy[most : most + 1]


def take_jobs(store: JobStore, names: list[str]) -> list[str]:
    """Return the jobs that workers of these names get."""
    return [job.id for name in names if (job := store.take_job(name, 60))]


def test_unregistered_worker_does_not_count(service: JobService, make: Make) -> None:
    for name in "wxyz":
        service.store.register_worker(name, 60)
    for _ in range(3):
        make(queued=True)
    assert service.store.take_job("w", 60)
    for name in "yz":
        service.store.unregister_worker(name)
    assert service.store.count_workers() == 2
    assert service.store.take_job("x", 60) is None
    service.store.register_worker("y", 60)
    service.store.register_worker("z", 60)
    assert service.store.take_job("x", 60)


def test_job_is_taken_once(service: JobService, make: Make) -> None:
    ids = {make(queued=True, fair_share_key=f"p{n}").id for n in range(20)}
    taken: list[str] = []

    def take(name: str) -> None:
        while (job := service.store.take_job(name, 10)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    assert set(taken) == ids


def test_only_lease_holder_can_end_job(service: JobService, make: Make) -> None:
    job = make(queued=True)
    service.store.take_job("mine", 10)
    assert not service.store.complete(job.id, "other", (RESULT,))
    assert not service.store.fail(job.id, "other", Failure("X", "no"))
    assert not service.store.heartbeat(job.id, "other", 10, None, 0)
    assert service.store.complete(job.id, "mine", (RESULT,))
    assert not service.store.complete(job.id, "mine", (RESULT,))
    done = service.store.get(job.id)
    assert done is not None
    assert (done.phase, done.results, done.rows) == (Phase.COMPLETED, (RESULT,), 7)
    assert not service.store.abort(job.id)
    assert not service.store.queue(job.id)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING])
def test_aborts_job_that_has_not_ended(service: JobService, make: Make, phase: Phase) -> None:
    job = make(queued=phase is not Phase.PENDING)
    if phase is Phase.EXECUTING:
        service.store.take_job("w", 10)
    assert service.store.abort(job.id)
    aborted = service.store.get(job.id)
    assert aborted is not None
    assert aborted.phase is Phase.ABORTED
    assert aborted.ended is not None
    assert not service.store.complete(job.id, "w", (RESULT,))


def test_expired_lease_requeues_job_then_fails_it(service: JobService, make: Make) -> None:
    job = make(queued=True)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        taken = service.store.take_job("w", -1)
        assert taken is not None
        assert taken.attempts == attempt
        assert service.store.reclaim_expired() == 1
    failed = service.store.get(job.id)
    assert failed is not None
    assert failed.phase is Phase.ERROR
    assert failed.failure is not None
    assert failed.failure.code == Code.SERVICE_INTERNAL
    assert "2 times" in failed.failure.message
    assert service.store.reclaim_expired() == 0


def test_requeued_job_does_not_count_attempt(service: JobService, make: Make) -> None:
    job = make(queued=True)
    for _ in range(MAX_ATTEMPTS + 2):
        service.store.take_job("w", 10)
        assert service.store.requeue(job.id, "w")
    again = service.store.get(job.id)
    assert again is not None
    assert (again.phase, again.attempts, again.started) == (Phase.QUEUED, 0, None)


def test_requeues_job_of_dead_worker(service: JobService, make: Make) -> None:
    mine, other = make(queued=True), make(queued=True, fair_share_key="q")
    service.store.register_worker("dead", 60)
    service.store.take_job("dead", 60)
    service.store.take_job("alive", 60)
    assert service.store.count_workers() == 1
    assert service.store.release_worker("dead") == 1
    assert service.store.count_workers() == 0
    assert service.store.get_phases([mine.id, other.id]) == {mine.id: Phase.QUEUED, other.id: Phase.EXECUTING}
    assert service.store.count_by_phase() == {Phase.QUEUED: 1, Phase.EXECUTING: 1}


def test_finds_oldest_results(service: JobService, make: Make) -> None:
    ids = []
    for _ in range(4):
        ids.append(make(queued=True).id)
        service.store.take_job("w", 10)
        service.store.complete(ids[-1], "w", (RESULT,))
    assert service.store.sum_result_bytes() == 400
    assert list(service.store.find_oldest_results(400)) == []
    assert list(service.store.find_oldest_results(250)) == ids[:2]


def test_finds_expired_jobs(service: JobService, make: Make) -> None:
    late = make(destruction=get_current_time() - timedelta(seconds=1))
    make()
    assert service.store.find_expired() == [late.id]
    assert service.store.delete(late.id)
    assert not service.store.delete(late.id)


def test_locked_store_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.jobs.table.LOCK_TIMEOUT_SECONDS", 0.05)
    store = JobStore("", tmp_path)
    store.prepare()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.count_changes() == 0
        with pytest.raises(BusyError) as raised:
            store.queue("x")
        assert raised.value.code == Code.SERVICE_UNAVAILABLE
        other.rollback()
    assert not store.queue("x")
    store.close()


def test_reads_result_of_older_version(service: JobService, make: Make, url: str, tmp_path: Path) -> None:
    job = make(phase=Phase.COMPLETED, results=(RESULT,))
    old = json.dumps({name: value for name, value in asdict(RESULT).items() if name != "id"})
    engine = create_database(url or f"sqlite:///{tmp_path / 'jobs' / 'jobs.sqlite'}")
    with engine.begin() as connection:
        assert connection.execute(JOBS.update().where(JOBS.c.id == job.id).values(results=old)).rowcount == 1
    engine.dispose()
    assert service.store.get(job.id) == job


def test_store_without_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = JobStore("", tmp_path / "file" / "jobs")
    for ask in (store.prepare, store.count_changes):
        with pytest.raises(BusyError) as raised:
            ask()
        assert raised.value.code == Code.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "oracle://x"])
def test_rejects_other_databases(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as raised:
        JobStore(url, tmp_path)
    assert raised.value.code == Code.SETTINGS_INVALID


def test_needs_postgresql_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError) as raised:
        JobStore("postgresql://x/y", tmp_path)
    assert raised.value.code == Code.SETTINGS_INVALID
    assert "postgresql" in str(raised.value.hint)


def test_prepares_tables_twice(service: JobService) -> None:
    service.store.prepare()
    assert service.store.count_changes() == 0
