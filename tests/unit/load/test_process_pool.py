"""The ordered map over processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vo_server.errors import LoadError
from vo_server.load.process_pool import map_in_processes


@pytest.mark.parametrize("count", [1, 2])
def test_results_are_in_order_of_tasks(count: int) -> None:
    assert list(map_in_processes(eval, (f"{n}**2" for n in range(9)), count)) == [n**2 for n in range(9)]
    assert list(map_in_processes(eval, [], count)) == []


def test_takes_tasks_lazily() -> None:
    taken = []

    def tasks() -> Iterator[str]:
        for n in range(100):
            taken.append(n)
            yield str(n)

    done = map_in_processes(eval, tasks(), 2)
    assert [next(done), next(done)] == [0, 1]
    assert len(taken) < 10
    done.close()


def test_raises_error_of_task() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_processes(eval, ["1", "2", "1/0", "3", "4", "5"], 2))


def test_runs_few_tasks_in_this_process() -> None:
    here = set(map_in_processes(eval, ["__import__('os').getpid()"] * 5, 3))
    several = set(map_in_processes(eval, ["__import__('os').getpid()"] * 9, 3))
    assert here == {os.getpid()}
    assert os.getpid() in several and len(several) > 1


def test_reports_killed_process() -> None:
    dies = f"__import__('os').getpid() != {os.getpid()} and __import__('os')._exit(9)"
    done = map_in_processes(eval, ["1", dies, "2", "3", "4", "5"], 2)
    assert next(done) == 1
    with pytest.raises(LoadError, match="killed"):
        list(done)
