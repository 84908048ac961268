"""The parameters of a job, and the tables that come with it.

They are judged when the job runs (TAP 1.1 section 2.7), and may be changed until then. Tables are read at once.
"""

from __future__ import annotations

from collections.abc import Iterable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from vo_server.documents import uws
from vo_server.errors import NotFoundError, PhaseError, TooLargeError, UsageError
from vo_server.formats import BINARY2
from vo_server.http import dali
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.http.uploads import named, uploads
from vo_server.jobs.files import Kept
from vo_server.model.job import Job, Phase
from vo_server.model.result import Result
from vo_server.protocols.uws.joblist import Place, amend, atom, container, see

Pairs = tuple[tuple[str, str], ...]

_OURS = ("phase", "action", "wait", "executionduration", "destruction")
"""Words to the service itself, which are no parameters of the job."""


def said(given: Parameters) -> Pairs:
    """The parameters of a job: all that were sent but those for the service itself, and files.

    Raises TooLargeError, as `bounded`.
    """
    return bounded((n, v) for n, v in given.given if n.lower() not in _OURS and n not in given.files)


def bounded(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """The same, if they are not too long together.

    Raises TooLargeError if they are: the row of a job is read often.
    """
    kept = tuple(pairs)
    if sum(len(name) + len(value) for name, value in kept) > dali.MOST_BYTES:
        raise TooLargeError(f"the job's parameters have more than {dali.MOST_BYTES:,} characters, the limit")
    return kept


async def sent(place: Place, request: Request, given: Parameters, site: Site) -> list[Kept]:
    """The tables that came with a request, read; none where jobs take none.

    Raises UsageError and TooLargeError, with the name of the one that is wrong.
    """
    if not place.uploads:
        return []
    found = await uploads(request, given, site)
    return [Kept(table.name, table.columns, found.rows[table.name]) for table in found.tables]


def parts(job: Job) -> dict[str, str]:
    """The upload that each part of the form became."""
    found = named(Parameters(job.parameters))
    return {uri.partition(":")[2]: name for name, uri in found.items() if uri.lower().startswith("param:")}


async def parameters(place: Place, request: Request, site: Site) -> Response:
    """All of them; or further ones."""
    job = await place.job(request, site)
    url = place.url(request, site, job.id)
    if request.method != "POST":
        return container(request, uws.parameters(job, url, parts(job)))
    given = await dali.parameters(request, site.upload_limit if place.uploads else 0)
    await _replace(job, site, said(given), await sent(place, request, given, site))
    return see(url)


async def parameter(place: Place, request: Request, site: Site) -> Response:
    """One of them, which may be put; a table that was sent comes back as a VOTable."""
    job = await place.job(request, site)
    name = request.path_params["name"]
    if request.method == "PUT":
        if name.lower() in (*_OURS, "upload"):
            raise UsageError(f"{name} is not a parameter that can be put")
        await _replace(job, site, ((name, await _text(request)),), [])
        return see(place.url(request, site, job.id))
    if name in (known := parts(job)):
        body = await anyio.to_thread.run_sync(_as_votable, site, job, known[name])
        return Response(body, headers={"Content-Type": BINARY2.media_type})
    values = job.all(name)
    if not values:
        raise NotFoundError(f"the job has no parameter {name}")
    return atom("\n".join(values))


async def _replace(job: Job, site: Site, new: Pairs, kept: list[Kept]) -> None:
    """A parameter takes the place of that of its name, but UPLOAD, of which there may be several."""
    if job.phase is not Phase.PENDING:
        raise PhaseError(f"the job is {job.phase}, and its parameters can only be changed while it is PENDING")
    names = {name.lower() for name, _ in new} - {"upload"}
    together = bounded((*((n, v) for n, v in job.parameters if n.lower() not in names), *new))
    named(Parameters(together))  # which refuses two uploads of one name
    if kept:
        size = await site.jobs.watch.ask(site.jobs.files.upload_bytes, job.id) + sum(k.rows.nbytes for k in kept)
        if size > 2 * site.upload_limit:  # as columns they may be somewhat larger than they were sent
            raise TooLargeError(f"all uploads of the job have more than {site.upload_limit:,} bytes, the limit")
        await site.jobs.watch.ask(site.jobs.files.keep, job.id, kept)
    await amend(job, site, {Phase.PENDING}, parameters=together)


async def _text(request: Request) -> str:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > dali.MOST_BYTES:
            raise TooLargeError(f"the value has more than {dali.MOST_BYTES:,} bytes, the limit of this service")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise UsageError("the value is not UTF-8") from None


def _as_votable(site: Site, job: Job, name: str) -> bytes:
    kept = site.jobs.files.upload(job.id, name)
    return b"".join(BINARY2.write(Result(kept.columns, iter(kept.rows.to_batches()))))
