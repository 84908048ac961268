"""/metrics: figures for Prometheus."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.errors import BusyError, NotFoundError
from vo_server.http.access_log import account
from vo_server.http.errors import text_error
from vo_server.http.service import Site
from vo_server.http.urls import from_outside
from vo_server.metrics import MEDIA_TYPE, State
from vo_server.model.job import REACHED

OFTEN = 5.0
"""Seconds between two looks of a process at itself."""


async def metrics(request: Request, site: Site, readers: str) -> Response:
    """The figures of all processes that serve; `readers` may be all, none, or private: those without a public
    address."""
    account(request).service = "metrics"
    if readers == "none" or (readers == "private" and from_outside(request)):
        return text_error(request, NotFoundError("the metrics are not told here"))
    await _sample(site)
    jobs = await _jobs(site)
    return Response(await anyio.to_thread.run_sync(site.metrics.text, jobs), media_type=MEDIA_TYPE)


async def sampled(site: Site) -> None:
    """Tell again and again how things are in this process, so that any process can tell it of all."""
    while True:
        await _sample(site)
        await anyio.sleep(OFTEN)


async def _sample(site: Site) -> None:
    running, waiting = site.admission.state()
    site.metrics.sample(State(running, waiting, await anyio.to_thread.run_sync(site.engine.memory)))


async def _jobs(site: Site) -> dict[str, int]:
    """How many jobs are in each phase; nothing where their store cannot be used, for then the other figures matter."""
    try:
        counts = await site.jobs.watch.ask(site.jobs.store.counts)
    except BusyError:
        return {}
    return {phase: counts.get(phase, 0) for phase in REACHED}
