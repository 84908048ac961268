"""Ordered map over a pool of processes."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from types import ModuleType
from typing import TypeVar

from vo_server.errors import LoadError

MIN_TASKS_PER_PROCESS = 2
"""Tasks per process, in addition to the first task, from which processes are started."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def map_in_processes(work: Callable[[_Task], _Result], tasks: Iterable[_Task], count: int) -> Iterator[_Result]:
    """Yield the results of `work` for each task, in order, computed by `count` processes.

    The first task runs in this process while the others start. If there are few tasks, or `count` is 1, all tasks run
    in this process: starting others would take as long. Raises LoadError if a process was killed.
    """
    remaining = iter(tasks)
    first_tasks = list(islice(remaining, 1 + MIN_TASKS_PER_PROCESS * count))
    if count == 1 or len(first_tasks) <= MIN_TASKS_PER_PROCESS * count:
        yield from map(work, chain(first_tasks, remaining))
        return
    first, *first_tasks = first_tasks
    pending: deque[Future[_Result]] = deque()
    # Forking would copy the locks of the threads. Only this process handles Ctrl-C; it then ends the others.
    pool = ProcessPoolExecutor(count, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))

    def submit_tasks(tasks: Iterable[_Task]) -> None:
        for task in tasks:
            with _hide_main_module():
                pending.append(pool.submit(work, task))

    try:
        submit_tasks(first_tasks)
        yield work(first)
        while pending:
            done = pending.popleft()
            submit_tasks(islice(remaining, 1))
            yield done.result()
    except BrokenProcessPool:
        raise LoadError("a process was killed", hint="the same command continues where this one stopped") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _hide_main_module() -> Iterator[None]:
    """Keep new processes from importing the main module.

    It is the command line with the whole server, whose import would take three times as long.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
