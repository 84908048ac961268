"""The resources of a job: its phase, its times, and long-polling (UWS 1.1 sections 2.2.1 and 2.2.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import BusyError, Code, NotFoundError, PhaseError, UsageError
from vo_server.http import dali
from vo_server.http.service import Site
from vo_server.model.job import ACTIVE, Job, Phase
from vo_server.protocols.uws.joblist import (
    JobList,
    amend,
    parse_count,
    parse_instant,
    parse_phase,
    parse_seconds,
    redirect_to,
    text_response,
    xml_response,
)
from vo_server.protocols.uws.parameters import find_upload_parts

MAX_WAIT_SECONDS = 50.0
"""Seconds that WAIT may block: less than the time limit of proxies."""


async def handle_job(job_list: JobList, request: Request, site: Site) -> Response:
    """Return a job, or delete it."""
    if request.method == "DELETE":
        return await _delete(job_list, request, site)
    if request.method == "POST":
        action = (await dali.read_parameters(request)).get("ACTION")
        if action is None or action.upper() != "DELETE":
            message, hint = "a POST to a job must be ACTION=DELETE", "parameters go to its /parameters"
            raise UsageError(message, hint=hint, code=Code.REQUEST_BAD_PARAMETER)
        return await _delete(job_list, request, site)
    job = await _wait_for_change(await job_list.find_job(request, site), request, site)
    position = (
        await site.jobs.watcher.call_in_thread(site.jobs.store.find_queue_position, job)
        if job.phase is Phase.QUEUED
        else None
    )
    return xml_response(
        request, uws.write_job(job, job_list.make_url(request, site, job.id), find_upload_parts(job), position)
    )


async def _delete(job_list: JobList, request: Request, site: Site) -> Response:
    job = await job_list.find_job(request, site)
    await site.jobs.watcher.call_in_thread(_delete_stored, site, job.id)
    return redirect_to(job_list.make_url(request, site))


def _delete_stored(site: Site, id: str) -> None:
    site.jobs.store.delete(id)
    site.jobs.files.remove(id)


async def _wait_for_change(job: Job, request: Request, site: Site) -> Job:
    """Return the job when its phase has changed or WAIT is over (UWS 1.1 section 2.2.1.2)."""
    parameters = await dali.read_parameters(request)
    text = parameters.get("WAIT")
    if text is None:
        return job
    seconds = MAX_WAIT_SECONDS if text.strip() == "-1" else parse_count(text)
    if seconds is None:
        raise UsageError(
            f"WAIT must be a non-negative integer of seconds or -1, not {text!r}", code=Code.REQUEST_BAD_PARAMETER
        )
    phase = parameters.get("PHASE")
    if job.phase not in ACTIVE or (phase is not None and parse_phase(phase) is not job.phase):
        return job
    await _wait_while_connected(
        request, partial(site.jobs.watcher.wait_for_change, job.id, job.phase, min(MAX_WAIT_SECONDS, seconds))
    )
    changed = await site.jobs.watcher.call_in_thread(site.jobs.store.get, job.id)
    if changed is None:
        raise NotFoundError(f"the job {job.id} has been deleted", code=Code.JOB_NOT_FOUND)
    return changed


async def _wait_while_connected(request: Request, wait: Callable[[], Awaitable[None]]) -> None:
    """Wait, unless the client disconnects.

    Raises BusyError if the server stops meanwhile.
    """

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await wait()
            group.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():
        raise BusyError("the service is stopping", hint="repeat the request in a minute") from None


async def handle_phase(job_list: JobList, request: Request, site: Site) -> Response:
    """Return the phase of a job, or RUN or ABORT it."""
    job = await job_list.find_job(request, site)
    if request.method != "POST":
        return text_response(job.phase)
    word = ((await dali.read_parameters(request)).get("PHASE") or "").upper()
    if word == "RUN":
        await _run(job, site)
    elif word == "ABORT":
        await site.jobs.watcher.call_in_thread(site.jobs.store.abort, job.id)
    else:
        raise UsageError(f"PHASE must be RUN or ABORT, not {word!r}", code=Code.REQUEST_BAD_PARAMETER)
    return redirect_to(job_list.make_url(request, site, job.id))


async def _run(job: Job, site: Site) -> None:
    """Queue a pending job. Repeating RUN has no effect.

    Raises PhaseError for a job that has ended.
    """
    if job.phase is Phase.PENDING:
        await site.jobs.watcher.call_in_thread(site.jobs.check_capacity)
        await site.jobs.watcher.call_in_thread(site.jobs.store.queue, job.id)
    elif job.phase not in ACTIVE:
        raise PhaseError(f"the job is {job.phase} and cannot run again", hint="create a new one")


async def handle_duration(job_list: JobList, request: Request, site: Site) -> Response:
    """Return or set the execution duration of a job, in seconds."""
    job = await job_list.find_job(request, site)
    if request.method != "POST":
        return text_response(str(job.duration))
    text = (await dali.read_parameters(request)).get("EXECUTIONDURATION")
    if text is None:
        raise UsageError("EXECUTIONDURATION is missing", code=Code.REQUEST_MISSING_PARAMETER)
    await amend(job, site, ACTIVE - {Phase.EXECUTING}, duration=site.jobs.execution.clamp(parse_seconds(text)))
    return redirect_to(job_list.make_url(request, site, job.id))


async def handle_destruction(job_list: JobList, request: Request, site: Site) -> Response:
    """Return or set the destruction time of a job."""
    job = await job_list.find_job(request, site)
    if request.method != "POST":
        return text_response(uws.format_instant(job.destruction))
    text = (await dali.read_parameters(request)).get("DESTRUCTION")
    if text is None:
        raise UsageError("DESTRUCTION is missing", code=Code.REQUEST_MISSING_PARAMETER)
    await amend(
        job, site, list(Phase), destruction=site.jobs.limit_destruction(job, parse_instant("DESTRUCTION", text))
    )
    return redirect_to(job_list.make_url(request, site, job.id))


async def send_empty(job_list: JobList, request: Request, site: Site) -> Response:
    """Return an empty quote or owner: neither the end of a job nor its client is known."""
    await job_list.find_job(request, site)
    return text_response("")
