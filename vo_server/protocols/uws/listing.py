"""The list of jobs, and the creation of jobs.

A client sees the jobs that were created with the same cookie, which a browser or a pyvo session keeps; its value is
random and identifies no person.
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
from vo_server.errors import BusyError, Code, UsageError
from vo_server.http import dali
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.http.urls import get_client_address
from vo_server.jobs.files import StoredUpload
from vo_server.model.job import Job, Phase
from vo_server.protocols.uws.joblist import (
    JobList,
    parse_count,
    parse_instant,
    parse_phase,
    parse_seconds,
    redirect_to,
    xml_response,
)
from vo_server.protocols.uws.parameters import read_job_uploads, select_parameters

COOKIE_NAME = "vo_jobs"
_COOKIE_PATTERN = re.compile(r"[A-Za-z0-9_-]{32}")

_CLIENT_HASH_KEY = secrets.token_bytes(16)


async def handle_joblist(job_list: JobList, request: Request, site: Site) -> Response:
    """Return the jobs of this client (UWS 1.1 section 2.2.2.1), or create one."""
    if request.method == "POST":
        return await _create(job_list, request, site)
    parameters = await dali.read_parameters(request)
    cookie = _read_cookie(request)
    phases = [parse_phase(word) for word in parameters.get_all("PHASE")]
    after, last = _parse_after(parameters), _parse_last(parameters)
    jobs: list[Job] = []
    if cookie is not None:
        store = site.jobs.store
        jobs = await site.jobs.watcher.call_in_thread(
            store.list_jobs, job_list.service, _hash_cookie(cookie), phases, after, last
        )
    return xml_response(request, uws.write_jobs(jobs, job_list.make_url(request, site)))


def _parse_after(parameters: Parameters) -> datetime | None:
    text = parameters.get("AFTER")
    return None if text is None else parse_instant("AFTER", text)


def _parse_last(parameters: Parameters) -> int | None:
    text = parameters.get("LAST")
    if text is None:
        return None
    last = parse_count(text)
    if not last:
        raise UsageError(f"LAST must be a positive integer, not {text!r}", code=Code.REQUEST_BAD_PARAMETER)
    return last


async def _create(job_list: JobList, request: Request, site: Site) -> Response:
    """Create a job; with PHASE=RUN it is queued at once (UWS 1.1 section 2.2.3.1)."""
    parameters = await dali.read_parameters(request, site.upload_limit if job_list.uploads else 0)
    cookie = _read_cookie(request) or secrets.token_urlsafe(24)
    job = _set_times(site.jobs.create_job(job_list.service), parameters, site).replace(
        parameters=select_parameters(parameters),
        client=_hash_cookie(cookie),
        fair_share_key=_hash_client(request),
        url=job_list.make_url(request, site),
        format="votable/td" if dali.is_browser_script(request) else None,
    )
    if _has_run(parameters):
        await site.jobs.watcher.call_in_thread(site.jobs.check_capacity)
        job = job.replace(phase=Phase.QUEUED, queued=job.created)
    uploads = await read_job_uploads(job_list, request, parameters, site)
    await site.jobs.watcher.call_in_thread(_store_job, site, job, uploads)
    response = redirect_to(job_list.make_url(request, site, job.id))
    _set_cookie(response, cookie, job_list.make_url(request, site), site.jobs.retention.maximum)
    return response


def _set_times(job: Job, parameters: Parameters, site: Site) -> Job:
    if (text := parameters.get("EXECUTIONDURATION")) is not None:
        job = job.replace(duration=site.jobs.execution.clamp(parse_seconds(text)))
    if (text := parameters.get("DESTRUCTION")) is not None:
        job = job.replace(destruction=site.jobs.limit_destruction(job, parse_instant("DESTRUCTION", text)))
    return job


def _has_run(parameters: Parameters) -> bool:
    word = parameters.get("PHASE")
    if word is not None and word.upper() != "RUN":
        raise UsageError(f"PHASE of a new job must be RUN, not {word!r}", code=Code.REQUEST_BAD_PARAMETER)
    return word is not None


def _store_job(site: Site, job: Job, uploads: list[StoredUpload]) -> None:
    """Store the uploads of a job and then the job itself, which accepts it."""
    try:
        site.jobs.files.save_uploads(job.id, uploads)
        site.jobs.store.add(job)
    except BaseException:
        with suppress(BusyError):  # the job may be stored although the store reported an error
            site.jobs.store.delete(job.id)
        site.jobs.files.remove(job.id)
        raise


def _hash_client(request: Request) -> str:
    """Return the fair-share key of a client: its address, hashed, which is only compared with those of other queued
    jobs."""
    return hashlib.blake2b(get_client_address(request).encode(), key=_CLIENT_HASH_KEY, digest_size=8).hexdigest()


def _read_cookie(request: Request) -> str | None:
    value = request.cookies.get(COOKIE_NAME, "")
    return value if _COOKIE_PATTERN.fullmatch(value) else None


def _hash_cookie(cookie: str) -> str:
    """Return the hash of a cookie: the store does not hold what opens a list."""
    return hashlib.blake2b(cookie.encode(), digest_size=16).hexdigest()


def _set_cookie(response: Response, cookie: str, url: str, seconds: int) -> None:
    """Set the cookie for this list alone, unavailable to other pages."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    response.set_cookie(COOKIE_NAME, cookie, seconds, path=parts.path, secure=secure, httponly=True, samesite="lax")
