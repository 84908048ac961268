"""A job, its phase and its times; and how one waits for it (UWS 1.1 sections 2.2.1 and 2.2.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import BusyError, NotFoundError, PhaseError, UsageError
from vo_server.http import dali
from vo_server.http.service import Site
from vo_server.model.job import ACTIVE, Job, Phase
from vo_server.protocols.uws.joblist import (
    Place,
    amend,
    atom,
    container,
    instant,
    named_phase,
    seconds,
    see,
    whole,
)
from vo_server.protocols.uws.parameters import parts

LONGEST = 50.0
"""Seconds that WAIT may block: less than proxies wait for an answer."""


async def job(place: Place, request: Request, site: Site) -> Response:
    """All of a job; or its end."""
    if request.method == "DELETE":
        return await _delete(place, request, site)
    if request.method == "POST":
        action = (await dali.parameters(request)).one("ACTION")
        if action is None or action.upper() != "DELETE":
            raise UsageError("a POST to a job can only be ACTION=DELETE", hint="parameters go to its /parameters")
        return await _delete(place, request, site)
    one = await _waited(await place.job(request, site), request, site)
    position = await site.jobs.watch.ask(site.jobs.store.position, one) if one.phase is Phase.QUEUED else None
    return container(request, uws.job(one, place.url(request, site, one.id), parts(one), position))


async def _delete(place: Place, request: Request, site: Site) -> Response:
    one = await place.job(request, site)
    await site.jobs.watch.ask(_forget, site, one.id)
    return see(place.url(request, site))


def _forget(site: Site, id: str) -> None:
    site.jobs.store.delete(id)
    site.jobs.files.remove(id)


async def _waited(one: Job, request: Request, site: Site) -> Job:
    """The job when its phase has changed, or WAIT is over (UWS 1.1 section 2.2.1.2)."""
    given = await dali.parameters(request)
    text = given.one("WAIT")
    if text is None:
        return one
    wanted = LONGEST if text.strip() == "-1" else whole(text)
    if wanted is None:
        raise UsageError(f"WAIT is {text!r}, which is neither a whole number of seconds nor -1")
    phase = given.one("PHASE")
    if one.phase not in ACTIVE or (phase is not None and named_phase(phase) is not one.phase):
        return one
    await _unless_gone(request, partial(site.jobs.watch.changed, one.id, one.phase, min(LONGEST, wanted)))
    now = await site.jobs.watch.ask(site.jobs.store.get, one.id)
    if now is None:
        raise NotFoundError(f"the job {one.id} has been deleted")
    return now


async def _unless_gone(request: Request, wait: Callable[[], Awaitable[None]]) -> None:
    """Wait, but not for a client that has gone.

    Raises BusyError where the server stops and has waited for us as long as it does.
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
        raise BusyError("the service is being stopped", hint="ask again in a minute") from None


async def phase(place: Place, request: Request, site: Site) -> Response:
    """RUN and ABORT."""
    one = await place.job(request, site)
    if request.method != "POST":
        return atom(one.phase)
    word = ((await dali.parameters(request)).one("PHASE") or "").upper()
    if word == "RUN":
        await _run(one, site)
    elif word == "ABORT":
        await site.jobs.watch.ask(site.jobs.store.abort, one.id)
    else:
        raise UsageError(f"PHASE is {word!r}, which is neither RUN nor ABORT")
    return see(place.url(request, site, one.id))


async def _run(one: Job, site: Site) -> None:
    """Who says it twice has said it once."""
    if one.phase is Phase.PENDING:
        await site.jobs.watch.ask(site.jobs.room)
        await site.jobs.watch.ask(site.jobs.store.queue, one.id)
    elif one.phase not in ACTIVE:
        raise PhaseError(f"the job is {one.phase} and cannot run again", hint="make a new one")


async def duration(place: Place, request: Request, site: Site) -> Response:
    """How long it may run, in seconds."""
    one = await place.job(request, site)
    if request.method != "POST":
        return atom(str(one.duration))
    text = (await dali.parameters(request)).one("EXECUTIONDURATION")
    if text is None:
        raise UsageError("EXECUTIONDURATION is missing")
    await amend(one, site, ACTIVE - {Phase.EXECUTING}, duration=site.jobs.execution.within(seconds(text)))
    return see(place.url(request, site, one.id))


async def destruction(place: Place, request: Request, site: Site) -> Response:
    """Until when it is kept."""
    one = await place.job(request, site)
    if request.method != "POST":
        return atom(uws.instant(one.destruction))
    text = (await dali.parameters(request)).one("DESTRUCTION")
    if text is None:
        raise UsageError("DESTRUCTION is missing")
    await amend(one, site, list(Phase), destruction=site.jobs.destruction(one, instant("DESTRUCTION", text)))
    return see(place.url(request, site, one.id))


async def unknown(place: Place, request: Request, site: Site) -> Response:
    """The quote and the owner: neither when a job will be done is known, nor who asked for it."""
    await place.job(request, site)
    return atom("")
