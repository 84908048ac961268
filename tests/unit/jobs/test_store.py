"""Jobs in a table, over SQLite and PostgreSQL."""

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

from vo_server.errors import BusyError, UsageError
from vo_server.jobs.leases import ATTEMPTS
from vo_server.jobs.service import Desk
from vo_server.jobs.store import Store
from vo_server.jobs.table import JOBS, database, now
from vo_server.model.job import ACTIVE, Failure, Job, Made, Phase

Make = Callable[..., Job]
MADE = Made("x.result", "text/csv", "result.csv", 100, "abc", 7)


def test_a_job_comes_back_as_it_was(desk: Desk, make: Make) -> None:
    odd = (("QUERY", "SELECT '\x00\ud800é' <&>\n"), ("UPLOAD", "a,param:x"), ("upload", "b,http://x"))
    job = make(client="c", parameters=odd, url="http://x/\x01", format="votable/td")
    assert desk.store.get(job.id) == job
    assert desk.store.get("another") is None


def test_a_counter_goes_up_with_every_change_that_is_waited_for(desk: Desk, make: Make) -> None:
    seen = [desk.store.changes()]
    job = make()
    seen.append(desk.store.changes())
    assert desk.store.queue(job.id)
    seen.append(desk.store.changes())
    taken = desk.store.take("w", 10)
    assert taken is not None
    seen.append(desk.store.changes())
    assert seen == sorted(set(seen))
    assert desk.store.beat(job.id, "w", 10, 0.5, 3)
    assert desk.store.changes() == seen[-1]
    beaten = desk.store.get(job.id)
    assert beaten is not None
    assert (beaten.progress, beaten.rows) == (0.5, 3)


def test_a_list(desk: Desk, make: Make) -> None:
    at = now()
    jobs = [make(client="me", created=at + timedelta(seconds=n), queued=n == 1) for n in range(4)]
    make(client="you")
    make()
    ids = [job.id for job in jobs]

    def listed(*phases: Phase, after: int | None = None, last: int | None = None) -> list[str]:
        since = None if after is None else at + timedelta(seconds=after)
        return [job.id for job in desk.store.listed("test", "me", phases, since, last)]

    assert listed() == ids
    assert listed(Phase.QUEUED) == [ids[1]]
    assert listed(Phase.QUEUED, Phase.PENDING, after=0) == ids[1:]
    assert listed(last=2) == [ids[3], ids[2]]
    assert listed(Phase.PENDING, after=0, last=1) == [ids[3]]
    assert desk.store.listed("other", "me", (), None, None) == []


def test_turns_go_round_and_positions_tell_them(desk: Desk, make: Make) -> None:
    """Who left many jobs does not keep the others waiting; each job is told its place in that order."""
    at = now()
    names = {}
    for n, (party, name) in enumerate([("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")]):
        queued = at + timedelta(seconds=n)
        names[make(phase=Phase.QUEUED, queued=queued).id] = name
        desk.store.amend(list(names)[-1], ACTIVE, party=party)
    positions = {name: desk.store.position(job) for id, name in names.items() if (job := desk.store.get(id))}
    order = []
    while (job := desk.store.take("w", 10)) is not None:
        order.append(names[job.id])
        assert desk.store.complete(job.id, "w", (MADE,))
    assert order == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert sorted(positions, key=lambda name: positions[name]) == order
    assert sorted(positions.values()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_one_party_has_half_of_the_workers_at_most(desk: Desk, make: Make, workers: int, most: int) -> None:
    """Rounded down, and one where there is one: whether others wait or come later, they find a place."""
    names = [f"w{n}" for n in range(workers)]
    desk.store.arrive("gone", -1)
    for name in names:
        desk.store.arrive(name, 60)
        desk.store.arrive(name, 60)
    assert desk.store.workers() == workers
    greedy = [make(queued=True, party="a").id for _ in range(workers)]
    assert taken(desk.store, names) == greedy[:most]
    others = [make(queued=True, party=f"b{n}").id for n in range(workers - most)]
    assert taken(desk.store, names[most:]) == others
    assert desk.store.complete(greedy[0], names[0], (MADE,))
    assert taken(desk.store, names[:1]) == greedy[most : most + 1]


def taken(store: Store, names: list[str]) -> list[str]:
    """The jobs that workers of these names get."""
    return [job.id for name in names if (job := store.take(name, 60))]


def test_a_worker_that_has_left_counts_no_more(desk: Desk, make: Make) -> None:
    for name in "wxyz":
        desk.store.arrive(name, 60)
    for _ in range(3):
        make(queued=True)
    assert desk.store.take("w", 60)
    for name in "yz":
        desk.store.leave(name)
    assert desk.store.workers() == 2
    assert desk.store.take("x", 60) is None
    desk.store.arrive("y", 60)
    desk.store.arrive("z", 60)
    assert desk.store.take("x", 60)


def test_a_job_is_taken_by_one(desk: Desk, make: Make) -> None:
    ids = {make(queued=True, party=f"p{n}").id for n in range(20)}
    taken: list[str] = []

    def take(name: str) -> None:
        while (job := desk.store.take(name, 10)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    assert set(taken) == ids


def test_what_is_not_ones_own_cannot_be_ended(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    desk.store.take("mine", 10)
    assert not desk.store.complete(job.id, "other", (MADE,))
    assert not desk.store.fail(job.id, "other", Failure("X", "no"))
    assert not desk.store.beat(job.id, "other", 10, None, 0)
    assert desk.store.complete(job.id, "mine", (MADE,))
    assert not desk.store.complete(job.id, "mine", (MADE,))
    done = desk.store.get(job.id)
    assert done is not None
    assert (done.phase, done.made, done.rows) == (Phase.COMPLETED, (MADE,), 7)
    assert not desk.store.abort(job.id)
    assert not desk.store.queue(job.id)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING])
def test_what_has_not_ended_can_be_aborted(desk: Desk, make: Make, phase: Phase) -> None:
    job = make(queued=phase is not Phase.PENDING)
    if phase is Phase.EXECUTING:
        desk.store.take("w", 10)
    assert desk.store.abort(job.id)
    aborted = desk.store.get(job.id)
    assert aborted is not None
    assert aborted.phase is Phase.ABORTED
    assert aborted.ended is not None
    assert not desk.store.complete(job.id, "w", (MADE,))


def test_a_job_whose_lease_ends_is_queued_again_and_then_has_failed(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    for attempt in range(1, ATTEMPTS + 1):
        taken = desk.store.take("w", -1)
        assert taken is not None
        assert taken.attempts == attempt
        assert desk.store.reclaim() == 1
    failed = desk.store.get(job.id)
    assert failed is not None
    assert failed.phase is Phase.ERROR
    assert failed.failure is not None
    assert "ended without a word, 2 times" in failed.failure.message
    assert desk.store.reclaim() == 0


def test_a_job_that_is_given_back_has_not_been_begun(desk: Desk, make: Make) -> None:
    job = make(queued=True)
    for _ in range(ATTEMPTS + 2):
        desk.store.take("w", 10)
        assert desk.store.give_back(job.id, "w")
    again = desk.store.get(job.id)
    assert again is not None
    assert (again.phase, again.attempts, again.started) == (Phase.QUEUED, 0, None)


def test_the_jobs_of_a_worker_that_died(desk: Desk, make: Make) -> None:
    mine, other = make(queued=True), make(queued=True, party="q")
    desk.store.arrive("dead", 60)
    desk.store.take("dead", 60)
    desk.store.take("alive", 60)
    assert desk.store.workers() == 1
    assert desk.store.release("dead") == 1
    assert desk.store.workers() == 0
    assert desk.store.phases([mine.id, other.id]) == {mine.id: Phase.QUEUED, other.id: Phase.EXECUTING}
    assert desk.store.counts() == {Phase.QUEUED: 1, Phase.EXECUTING: 1}


def test_the_eldest_results_go_first(desk: Desk, make: Make) -> None:
    ids = []
    for _ in range(4):
        ids.append(make(queued=True).id)
        desk.store.take("w", 10)
        desk.store.complete(ids[-1], "w", (MADE,))
    assert desk.store.total() == 400
    assert list(desk.store.eldest(400)) == []
    assert list(desk.store.eldest(250)) == ids[:2]


def test_jobs_whose_end_has_come(desk: Desk, make: Make) -> None:
    late = make(destruction=now() - timedelta(seconds=1))
    make()
    assert desk.store.expired() == [late.id]
    assert desk.store.delete(late.id)
    assert not desk.store.delete(late.id)


def test_a_store_that_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_server.jobs.table.PATIENCE", 0.05)
    store = Store("", tmp_path)
    store.prepare()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.changes() == 0
        with pytest.raises(BusyError, match="cannot be used now"):
            store.queue("x")
        other.rollback()
    assert not store.queue("x")
    store.close()


def test_a_result_that_was_kept_when_jobs_had_but_one(desk: Desk, make: Make, url: str, tmp_path: Path) -> None:
    job = make(phase=Phase.COMPLETED, made=(MADE,))
    old = json.dumps({name: value for name, value in asdict(MADE).items() if name != "id"})
    engine = database(url or f"sqlite:///{tmp_path / 'jobs' / 'jobs.sqlite'}")
    with engine.begin() as link:
        assert link.execute(JOBS.update().where(JOBS.c.id == job.id).values(made=old)).rowcount == 1
    engine.dispose()
    assert desk.store.get(job.id) == job


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store("", tmp_path / "file" / "jobs")
    for ask in (store.prepare, store.changes):
        with pytest.raises(BusyError):
            ask()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "oracle://x"])
def test_other_databases(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="jobs is"):
        Store(url, tmp_path)


def test_without_the_driver_of_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="need the package psycopg"):
        Store("postgresql://x/y", tmp_path)


def test_two_that_make_the_tables_at_once(desk: Desk) -> None:
    desk.store.prepare()
    assert desk.store.changes() == 0
