"""The metrics for Prometheus at /metrics."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.errors import BusyError, NotFoundError
from vo_server.http.errors import error_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import is_public_client
from vo_server.metrics import MEDIA_TYPE, ServerState
from vo_server.model.job import REACHABLE

SAMPLE_SECONDS = 5.0
"""Seconds between two samples of a process."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service of the metrics."""
    return (Service("metrics", "/metrics", (Resource("", send_metrics),), error_response),)


async def send_metrics(request: Request, site: Site) -> Response:
    """Return the figures of all server processes.

    Raises NotFoundError if `site.metrics_readers` is "none", or "private" and the client has a public address.
    """
    if site.metrics_readers == "none" or (site.metrics_readers == "private" and is_public_client(request)):
        raise NotFoundError("the metrics are not available to this client")
    await _sample(site)
    jobs = await _count_jobs(site)
    return Response(await anyio.to_thread.run_sync(site.metrics.render, jobs), media_type=MEDIA_TYPE)


async def sample_regularly(site: Site) -> None:
    """Record the figures of this process at intervals, so that any process can report those of all."""
    while True:
        await _sample(site)
        await anyio.sleep(SAMPLE_SECONDS)


async def _sample(site: Site) -> None:
    running, waiting = site.admission.count_queries()
    site.metrics.sample(ServerState(running, waiting, await anyio.to_thread.run_sync(site.engine.memory_bytes)))


async def _count_jobs(site: Site) -> dict[str, int]:
    """Return the number of jobs by phase; empty if the store is unreachable, since the other figures matter then."""
    try:
        counts = await site.jobs.watcher.call_in_thread(site.jobs.store.count_by_phase)
    except BusyError:
        return {}
    return {phase: counts.get(phase, 0) for phase in REACHABLE}
