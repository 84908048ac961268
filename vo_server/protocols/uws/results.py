"""What came of a job: its results or its error."""

from __future__ import annotations

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import NotFoundError, error_from_code
from vo_server.http.files import Stored
from vo_server.http.responses import STATUS, document
from vo_server.http.service import Site
from vo_server.model.job import Phase
from vo_server.protocols.uws.joblist import Place, container


async def results(place: Place, request: Request, site: Site) -> Response:
    """The list of results."""
    job = await place.job(request, site)
    return container(request, uws.results(job, place.url(request, site, job.id)))


async def result(place: Place, request: Request, site: Site) -> Response:
    """A result, which never changes: parts of it can be asked for (RFC 9110 section 14)."""
    job = await place.job(request, site)
    if job.phase is not Phase.COMPLETED:
        raise NotFoundError(f"the job is {job.phase}, and has no result", hint="see its /phase and its /error")
    id = request.path_params["result"]
    made = next((made for made in job.made if made.id == id), None)
    if made is None:
        raise NotFoundError(f"the job has no result {id!r}", hint="see its /results")
    headers = {
        "Content-Type": made.media_type,
        "Content-Disposition": f'attachment; filename="{made.name}"',
        "ETag": f'"{made.etag}"',
        "Cache-Control": "private, max-age=3600, immutable",
        **({STATUS: "OVERFLOW"} if made.overflow else {}),
    }
    stored = Stored(site.jobs.files.root, f"{job.id}/{made.file}")
    try:
        return await anyio.to_thread.run_sync(stored.answer, request, headers)
    except NotFoundError:
        raise NotFoundError("the result has been removed") from None


async def error(place: Place, request: Request, site: Site) -> Response:
    """The error document of a job that failed, a good answer in itself (TAP 1.1 section 3.3, DALI 1.1 section 4.2)."""
    job = await place.job(request, site)
    if job.failure is None:
        raise NotFoundError(f"the job is {job.phase}, and has no error")
    return document(request, *place.fault(error_from_code(job.failure.code, job.failure.message)))
