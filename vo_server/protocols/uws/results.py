"""What came of a job: its result or its error."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import NotFoundFault, retold
from vo_server.formats import BINARY2
from vo_server.model.job import Phase
from vo_server.protocols.files import file
from vo_server.protocols.respond import STATUS, document
from vo_server.protocols.service import Site
from vo_server.protocols.uws.place import Place, container


async def results(place: Place, request: Request, site: Site) -> Response:
    """The list of results, which has one at the most (TAP 1.1 section 2.2)."""
    job = await place.job(request, site)
    return container(request, uws.results(job, place.url(request, site, job.id)))


async def result(place: Place, request: Request, site: Site) -> Response:
    """The result, which never changes: parts of it can be asked for (RFC 9110 section 14)."""
    job = await place.job(request, site)
    if job.made is None or job.phase is not Phase.COMPLETED:
        raise NotFoundFault(f"the job is {job.phase}, and has no result", hint="see its /phase and its /error")
    path = site.jobs.files.path(job.id, job.made.file)
    more = {STATUS: "OVERFLOW"} if job.made.overflow else {}
    return await file(request, path, job.made.media_type, job.made.name, job.made.etag, more)


async def error(place: Place, request: Request, site: Site) -> Response:
    """The error document of a job that failed, a good answer in itself (TAP 1.1 section 3.3, DALI 1.1 section 4.2)."""
    job = await place.job(request, site)
    if job.failure is None:
        raise NotFoundFault(f"the job is {job.phase}, and has no error")
    fault = retold(job.failure.code, job.failure.message)
    return document(request, BINARY2.fault(fault, ()), BINARY2.fault_type)
