"""The parameters of a job, and its uploaded tables.

Parameters are validated when the job runs (TAP 1.1 section 2.7), and may change until then. Tables are read when they
arrive.
"""

from __future__ import annotations

from collections.abc import Iterable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import Code, NotFoundError, PhaseError, TooLargeError, UsageError
from vo_server.formats import BINARY2
from vo_server.http import dali
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.http.uploads import parse_uploads, read_uploads
from vo_server.jobs.files import StoredUpload
from vo_server.model.job import Job, Phase
from vo_server.model.result import Result
from vo_server.protocols.uws.joblist import JobList, amend, redirect_to, text_response, xml_response

Pairs = tuple[tuple[str, str], ...]

_CONTROL_PARAMETERS = ("phase", "action", "wait", "executionduration", "destruction")
"""Parameters that control the job and are not stored with it."""


def select_parameters(request_parameters: Parameters) -> Pairs:
    """Return the parameters of a job: all but control parameters and files.

    Raises TooLargeError, as `check_size` does.
    """
    return check_size(
        (n, v)
        for n, v in request_parameters.pairs
        if n.lower() not in _CONTROL_PARAMETERS and n not in request_parameters.files
    )


def check_size(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Return the parameters.

    Raises TooLargeError if they are too long together: the row of a job is read often.
    """
    checked = tuple(pairs)
    if sum(len(name) + len(value) for name, value in checked) > dali.MAX_FORM_BYTES:
        raise TooLargeError(f"the job's parameters have more than {dali.MAX_FORM_BYTES:,} characters, the limit")
    return checked


async def read_job_uploads(
    job_list: JobList, request: Request, request_parameters: Parameters, site: Site
) -> list[StoredUpload]:
    """Return the tables that came with a request, read; none if jobs of this list take none.

    Raises UsageError and TooLargeError, which name the upload.
    """
    if not job_list.uploads:
        return []
    uploads = await read_uploads(request, request_parameters, site)
    return [StoredUpload(table.name, table.columns, uploads.rows[table.name]) for table in uploads.tables]


def find_upload_parts(job: Job) -> dict[str, str]:
    """Return the name of the uploaded table of each form part."""
    uris = parse_uploads(Parameters(job.parameters))
    return {uri.partition(":")[2]: name for name, uri in uris.items() if uri.lower().startswith("param:")}


async def handle_parameters(job_list: JobList, request: Request, site: Site) -> Response:
    """Return all parameters of a job, or add some."""
    job = await job_list.find_job(request, site)
    url = job_list.make_url(request, site, job.id)
    if request.method != "POST":
        return xml_response(request, uws.write_parameters(job, url, find_upload_parts(job)))
    request_parameters = await dali.read_parameters(request, site.upload_limit if job_list.uploads else 0)
    await _replace(
        job,
        site,
        select_parameters(request_parameters),
        await read_job_uploads(job_list, request, request_parameters, site),
    )
    return redirect_to(url)


async def handle_parameter(job_list: JobList, request: Request, site: Site) -> Response:
    """Return one parameter, or set it; an uploaded table is returned as a VOTable."""
    job = await job_list.find_job(request, site)
    name = request.path_params["name"]
    if request.method == "PUT":
        if name.lower() in (*_CONTROL_PARAMETERS, "upload"):
            raise UsageError(f"the parameter {name} cannot be set by PUT", code=Code.REQUEST_BAD_PARAMETER)
        await _replace(job, site, ((name, await _read_text(request)),), [])
        return redirect_to(job_list.make_url(request, site, job.id))
    if name in (uploads := find_upload_parts(job)):
        body = await anyio.to_thread.run_sync(_write_votable, site, job, uploads[name])
        return Response(body, headers={"Content-Type": BINARY2.media_type})
    values = job.get_parameter(name)
    if not values:
        raise NotFoundError(f"the job has no parameter {name}", code=Code.JOB_NOT_FOUND)
    return text_response("\n".join(values))


async def _replace(job: Job, site: Site, new: Pairs, uploads: list[StoredUpload]) -> None:
    """Replace parameters by name, except UPLOAD, which may occur several times."""
    if job.phase is not Phase.PENDING:
        raise PhaseError(f"the job is {job.phase}, and its parameters can only change while it is PENDING")
    names = {name.lower() for name, _ in new} - {"upload"}
    merged = check_size((*((n, v) for n, v in job.parameters if n.lower() not in names), *new))
    parse_uploads(Parameters(merged))  # raises UsageError for two uploads of one name
    if uploads:
        size = await site.jobs.watcher.call_in_thread(site.jobs.files.count_upload_bytes, job.id) + sum(
            upload.rows.nbytes for upload in uploads
        )
        if size > 2 * site.upload_limit:  # in memory they may be somewhat larger than as sent
            message = f"all uploads of the job have more than {site.upload_limit:,} bytes, the limit"
            raise TooLargeError(message, code=Code.UPLOAD_TOO_LARGE)
        await site.jobs.watcher.call_in_thread(site.jobs.files.save_uploads, job.id, uploads)
    await amend(job, site, {Phase.PENDING}, parameters=merged)


async def _read_text(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > dali.MAX_FORM_BYTES:
            raise TooLargeError(f"the value has more than {dali.MAX_FORM_BYTES:,} bytes, the limit of this service")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise UsageError("the value is not UTF-8", code=Code.REQUEST_MALFORMED) from None


def _write_votable(site: Site, job: Job, name: str) -> bytes:
    upload = site.jobs.files.read_upload(job.id, name)
    return b"".join(BINARY2.write(Result(upload.columns, iter(upload.rows.to_batches()))))
