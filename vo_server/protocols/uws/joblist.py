"""The parts that all resources of a job list share: URLs, look-up of jobs, values of parameters, and responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vo_server.errors import Code, NotFoundError, PhaseError, ServiceError, UsageError
from vo_server.http.responses import document_response
from vo_server.http.service import Site
from vo_server.http.urls import get_base_url
from vo_server.model.job import Job, Phase

_NO_STORE = {"Cache-Control": "no-store"}
"""Jobs change by themselves."""

_MAX_COUNT = 1_000_000_000

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|\+00:00)?")


@dataclass(frozen=True, slots=True)
class JobList:
    """The job list of a service, by the service's name; `path` is the list's path below the service's.

    `write_error` returns the error document of a failed job and its media type. Jobs take uploaded tables if `uploads`
    is set.
    """

    service: str
    write_error: Callable[[ServiceError], tuple[bytes, str]]
    uploads: bool = False
    path: str = "/async"

    def make_url(self, request: Request, site: Site, id: str = "") -> str:
        """Return the URL of the list or, with an id, of a job, as the client sees it."""
        urls = site.make_urls(get_base_url(request, site.public_url))
        return urls.get_url(self.service, self.path + (f"/{quote(id)}" if id else ""))

    def split_base_url(self, job: Job, site: Site) -> str:
        """Return the base URL of the server under which a job was created."""
        path = site.make_urls("").get_url(self.service, self.path)
        return job.url.rpartition(f"{path}/")[0]

    async def find_job(self, request: Request, site: Site) -> Job:
        """Return the job that a request names.

        Raises NotFoundError if there is none.
        """
        id = request.path_params["id"]
        job = await site.jobs.watcher.call_in_thread(site.jobs.store.get, id)
        if job is None or job.service != self.service:
            hint = "it may have been deleted, or its destruction time has passed"
            raise NotFoundError(f"there is no job {id}", hint=hint, code=Code.JOB_NOT_FOUND)
        return job


async def amend(job: Job, site: Site, phases: Collection[Phase], **values: object) -> None:
    """Change a job while it is in one of these phases.

    Raises PhaseError if it is in another.
    """
    if not await site.jobs.watcher.call_in_thread(site.jobs.store.update, job.id, phases, **values):
        raise PhaseError(f"the job is {job.phase}, and this can only change before it runs")


def parse_phase(word: str) -> Phase:
    """Return the phase of a name.

    Raises UsageError for an unknown one.
    """
    try:
        return Phase(word.upper())
    except ValueError:
        hint = f"one of {', '.join(Phase)}"
        raise UsageError(f"unknown PHASE {word!r}", hint=hint, code=Code.REQUEST_BAD_PARAMETER) from None


def parse_instant(name: str, text: str) -> datetime:
    """Return the value of a parameter as an instant in UTC (DALI 1.1 section 3.3.3).

    Raises UsageError for an invalid one.
    """
    try:
        if _INSTANT.fullmatch(text.strip()):
            return datetime.fromisoformat(text.strip().removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        pass
    hint = "write it as 2026-01-31T12:00:00Z"
    raise UsageError(f"{name} must be an instant, not {text!r}", hint=hint, code=Code.REQUEST_BAD_PARAMETER)


def parse_seconds(text: str) -> int:
    """Return the value of EXECUTIONDURATION.

    Raises UsageError for an invalid one.
    """
    seconds = parse_count(text)
    if seconds is None:
        message = f"EXECUTIONDURATION must be a non-negative integer of seconds, not {text!r}"
        raise UsageError(message, hint="0 selects the maximum", code=Code.REQUEST_BAD_PARAMETER)
    return seconds


def parse_count(text: str) -> int | None:
    """Return a non-negative integer, None for another text. Very large ones give the same number."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if len(text) < len(str(_MAX_COUNT)) else _MAX_COUNT


def redirect_to(url: str) -> Response:
    """Return a redirect: the response to every change (UWS 1.1 section 2.2.3)."""
    return Response(status_code=303, headers={"Location": url})


def text_response(text: str) -> Response:
    """Return one value as text (UWS 1.1 section 2.2.2)."""
    return PlainTextResponse(text, headers=_NO_STORE)


def xml_response(request: Request, body: bytes) -> Response:
    """Return several values as XML."""
    return document_response(request, body, "text/xml", _NO_STORE)
