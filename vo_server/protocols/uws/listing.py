"""The list of jobs, and new ones.

The list that a client sees has the jobs that were made with the same cookie, which a browser or a session of pyvo
keeps; its value is random and says nothing of anybody.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import BusyError, UsageError
from vo_server.http import dali
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.http.urls import client_address
from vo_server.jobs.files import Kept
from vo_server.model.job import Job, Phase
from vo_server.protocols.uws.joblist import (
    Place,
    container,
    instant,
    named_phase,
    seconds,
    see,
    whole,
)
from vo_server.protocols.uws.parameters import said, sent

COOKIE = "vo_jobs"
_VALUE = re.compile(r"[A-Za-z0-9_-]{32}")

_KEY = secrets.token_bytes(16)


async def listing(place: Place, request: Request, site: Site) -> Response:
    """The jobs of this client (UWS 1.1 section 2.2.2.1), or a new one."""
    if request.method == "POST":
        return await _create(place, request, site)
    given = await dali.parameters(request)
    cookie = _cookie(request)
    phases = [named_phase(word) for word in given.all("PHASE")]
    after, last = _after(given), _last(given)
    found: list[Job] = []
    if cookie is not None:
        store = site.jobs.store
        found = await site.jobs.watch.ask(store.listed, place.service, _hashed(cookie), phases, after, last)
    return container(request, uws.jobs(found, place.url(request, site)))


def _after(given: Parameters) -> datetime | None:
    text = given.one("AFTER")
    return None if text is None else instant("AFTER", text)


def _last(given: Parameters) -> int | None:
    text = given.one("LAST")
    if text is None:
        return None
    last = whole(text)
    if not last:
        raise UsageError(f"LAST is {text!r}, which is not a whole number from 1")
    return last


async def _create(place: Place, request: Request, site: Site) -> Response:
    """A new job; with PHASE=RUN it is queued at once (UWS 1.1 section 2.2.3.1)."""
    given = await dali.parameters(request, site.upload_limit if place.uploads else 0)
    cookie = _cookie(request) or secrets.token_urlsafe(24)
    job = _with_times(site.jobs.new(place.service), given, site).but(
        parameters=said(given),
        client=_hashed(cookie),
        party=_party(request),
        url=place.url(request, site),
        format="votable/td" if dali.from_script(request) else None,
    )
    if _wants_run(given):
        await site.jobs.watch.ask(site.jobs.room)
        job = job.but(phase=Phase.QUEUED, queued=job.created)
    await site.jobs.watch.ask(_keep, site, job, await sent(place, request, given, site))
    answer = see(place.url(request, site, job.id))
    _set(answer, cookie, place.url(request, site), site.jobs.retention.hard)
    return answer


def _with_times(job: Job, given: Parameters, site: Site) -> Job:
    if (text := given.one("EXECUTIONDURATION")) is not None:
        job = job.but(duration=site.jobs.execution.within(seconds(text)))
    if (text := given.one("DESTRUCTION")) is not None:
        job = job.but(destruction=site.jobs.destruction(job, instant("DESTRUCTION", text)))
    return job


def _wants_run(given: Parameters) -> bool:
    word = given.one("PHASE")
    if word is not None and word.upper() != "RUN":
        raise UsageError(f"PHASE is {word!r}, where a new job can only be told to RUN")
    return word is not None


def _keep(site: Site, job: Job, kept: list[Kept]) -> None:
    """First what belongs to it and then the job itself, which is accepted by that."""
    try:
        site.jobs.files.keep(job.id, kept)
        site.jobs.store.add(job)
    except BaseException:
        with suppress(BusyError):  # it may be there although we were not told
            site.jobs.store.delete(job.id)
        site.jobs.files.remove(job.id)
        raise


def _party(request: Request) -> str:
    """For whom it is run: an address, made unreadable; it is only compared with those of the other jobs that wait."""
    return hashlib.blake2b(client_address(request).encode(), key=_KEY, digest_size=8).hexdigest()


def _cookie(request: Request) -> str | None:
    value = request.cookies.get(COOKIE, "")
    return value if _VALUE.fullmatch(value) else None


def _hashed(cookie: str) -> str:
    """The store does not hold what opens a list."""
    return hashlib.blake2b(cookie.encode(), digest_size=16).hexdigest()


def _set(answer: Response, cookie: str, url: str, seconds: int) -> None:
    """Sent to this list alone, and not by the pages of others."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    answer.set_cookie(COOKIE, cookie, seconds, path=parts.path, secure=secure, httponly=True, samesite="lax")
