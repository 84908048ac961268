"""The results of a job, and its error."""

from __future__ import annotations

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import Code, NotFoundError, error_from_code
from vo_server.http.errors import CODE_HEADER
from vo_server.http.files import FileSource
from vo_server.http.responses import QUERY_STATUS_HEADER, document_response
from vo_server.http.service import Site
from vo_server.model.job import Phase
from vo_server.protocols.uws.joblist import JobList, xml_response


async def list_results(job_list: JobList, request: Request, site: Site) -> Response:
    """Return the list of results."""
    job = await job_list.find_job(request, site)
    return xml_response(request, uws.write_results(job, job_list.make_url(request, site, job.id)))


async def send_result(job_list: JobList, request: Request, site: Site) -> Response:
    """Return a result, which never changes, so that ranges of it may be requested (RFC 9110 section 14)."""
    job = await job_list.find_job(request, site)
    if job.phase is not Phase.COMPLETED:
        hint = "see its /phase and its /error"
        raise NotFoundError(f"the job is {job.phase} and has no result", hint=hint, code=Code.JOB_NOT_FOUND)
    id = request.path_params["result"]
    result = next((result for result in job.results if result.id == id), None)
    if result is None:
        raise NotFoundError(f"the job has no result {id!r}", hint="see its /results", code=Code.JOB_NOT_FOUND)
    headers = {
        "Content-Type": result.media_type,
        "Content-Disposition": f'attachment; filename="{result.name}"',
        "ETag": f'"{result.etag}"',
        "Cache-Control": "private, max-age=3600, immutable",
        **({QUERY_STATUS_HEADER: "OVERFLOW"} if result.overflow else {}),
    }
    source = FileSource(site.jobs.files.root, f"{job.id}/{result.file}")
    try:
        return await anyio.to_thread.run_sync(source.response, request, headers)
    except NotFoundError:
        raise NotFoundError("the result has been removed", code=Code.JOB_NOT_FOUND) from None


async def send_error(job_list: JobList, request: Request, site: Site) -> Response:
    """Return the error document of a failed job, with status 200 (TAP 1.1 section 3.3, DALI 1.1 section 4.2)."""
    job = await job_list.find_job(request, site)
    if job.failure is None:
        raise NotFoundError(f"the job is {job.phase} and has no error", code=Code.JOB_NOT_FOUND)
    error = error_from_code(job.failure.code, job.failure.message)
    body, media_type = job_list.write_error(error)
    return document_response(request, body, media_type, {CODE_HEADER: str(error.code)})
