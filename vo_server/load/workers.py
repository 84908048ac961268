"""Work on many files in processes."""

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

WORTH = 2
"""Tasks for each process, besides the first, for which it is worth while to begin one."""

_Task = TypeVar("_Task")
_Done = TypeVar("_Done")


def in_order(work: Callable[[_Task], _Done], tasks: Iterable[_Task], count: int) -> Iterator[_Done]:
    """What `work` makes of each task, in their order, by so many processes.

    The first task is done here while the processes begin. Where there are few, or `count` is 1, all are done here: it
    would take as long to begin. Raises LoadError where a process was killed.
    """
    waiting = iter(tasks)
    ahead = list(islice(waiting, 1 + WORTH * count))
    if count == 1 or len(ahead) <= WORTH * count:
        yield from map(work, chain(ahead, waiting))
        return
    first, *ahead = ahead
    at_work: deque[Future[_Done]] = deque()
    # Forking would copy the locks of this process's threads. Ctrl-C is for this process, which then ends the others.
    pool = ProcessPoolExecutor(count, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))

    def begin(tasks: Iterable[_Task]) -> None:
        for task in tasks:
            with _no_main():
                at_work.append(pool.submit(work, task))

    try:
        begin(ahead)
        yield work(first)
        while at_work:
            done = at_work.popleft()
            begin(islice(waiting, 1))
            yield done.result()
    except BrokenProcessPool:
        raise LoadError("a process was killed", hint="the same command goes on where this one stopped") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _no_main() -> Iterator[None]:
    """A process that begins here does not import the main module, which is the command line with all of the server: it
    would take three times as long."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
