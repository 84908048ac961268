"""Start and stop of a server process: warm-up, the sampling of metrics, signals, and the closing of what is open."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import FrameType

import anyio.to_thread
import pyarrow as pa
from starlette.applications import Starlette

from vo_server.adql.syntax.parse import parse
from vo_server.errors import ServiceError
from vo_server.http import metrics
from vo_server.http.service import Site

log = logging.getLogger(__name__)

THREADS = 64
"""Worker threads of a process: queries, parsing, uploads, the writing of responses."""


def make_lifespan(site: Site) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application that serves a site."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await anyio.to_thread.run_sync(warm_up, site)
        availability = await site.health.check()  # opens the files; the probe of a database that hangs times out
        if not availability.available:
            log.error("%s", "; ".join(availability.notes[:1]))
        freeze_heap()
        with _call_on_signal(site.jobs.watcher.stop):
            async with anyio.create_task_group() as group:
                group.start_soon(metrics.sample_regularly, site)
                yield
                group.cancel_scope.cancel()
        site.engine.close()
        site.jobs.store.close()

    return lifespan


def warm_up(site: Site) -> None:
    """Build what takes long before the first request comes: the tables of the job store and the parser."""
    try:
        site.jobs.store.prepare()
    except ServiceError as error:
        log.error("%s", error)
    parse("SELECT TOP 1 * FROM tap_schema.tables")


def freeze_heap() -> None:
    """Use one memory allocator, and exempt the objects that live as long as the process from garbage collection."""
    pa.set_memory_pool(pa.system_memory_pool())  # memory freed by one part serves all others; saves 10 to 25 MB
    gc.collect()
    gc.freeze()


@contextmanager
def _call_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` when SIGTERM or SIGINT arrives, and then the previous handler.

    Uvicorn ends an application only after its last response, so long-polling requests must be woken at the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        stop()
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
