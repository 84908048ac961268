"""SODA 1.0: cutouts of images, one by a synchronous request at /soda/sync, many by a job at /soda/async."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from typing_extensions import override

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import get_image_collections
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import (
    BusyError,
    Code,
    ImageError,
    NoPixelsError,
    QueryCancelledError,
    RepeatedParameterError,
    ServiceError,
    UsageError,
)
from vo_server.http import dali
from vo_server.http.errors import error_details, error_headers
from vo_server.http.origin import make_image_urls
from vo_server.http.responses import run_in_slot
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.jobs.task import JobOutput, Task
from vo_server.model.job import Job
from vo_server.obscore.query import ImageUrls
from vo_server.protocols import uws
from vo_server.protocols.images import cutouts
from vo_server.protocols.images.descriptors import ASYNC_ID, SYNC_ID

TEXT_TYPE = "text/plain; charset=utf-8"
MAX_CUTOUTS = 1_000
"""Cutouts of a job, at most."""

_ERROR_WORDS: tuple[tuple[type[ServiceError], str], ...] = (
    (RepeatedParameterError, "MultiValuedParamNotSupported"),
    (BusyError, "ServiceUnavailable"),
    (UsageError, "UsageError"),
    (ServiceError, "Error"),
)
"""The words with which SODA's errors begin (section 5.2), by the first class that matches."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are image collections."""
    return (SERVICE,) if get_image_collections(catalogue) else ()


async def get_cutout(request: Request, site: Site) -> Response:
    """Return one cutout (section 5)."""
    params = await dali.read_parameters(request)
    output_format = cutouts.parse_format(params)
    cutout_request = _parse_single(params)
    host = make_image_urls(site, get_base_url(request, site.public_url))
    return await run_cutout(partial(cutouts.cut, cutout_request, output_format, site, host), request, site)


async def run_cutout(work: Callable[[], cutouts.Cutout], request: Request, site: Site) -> Response:
    """Produce a cutout in an admission slot and return it.

    Raises the errors of `work`, and BusyError.
    """
    cut = await run_in_slot(request, site, work)
    headers = {
        "Content-Type": cut.media_type,
        "Content-Disposition": f'attachment; filename="{cut.name}"',
        "Cache-Control": "public, max-age=3600",
    }
    return Response(cut.data, headers=headers)


def _parse_single(params: dali.Parameters) -> cutouts.CutoutRequest:
    """Return the one requested cutout.

    Raises RepeatedParameterError for several.
    """
    requests = cutouts.parse_requests(params)
    several = {"ID": requests.ids, " or ".join(cutouts.REGION_PARAMETERS): requests.regions, "BAND": requests.bands}
    for name, values in several.items():
        if len(values) > 1:
            raise RepeatedParameterError(f"{name} may occur once, not {len(values)} times")
    (cutout_request,) = requests.combinations()
    return cutout_request


@dataclass(slots=True)
class CutoutTask(Task):
    """The task of a job: a cutout for each combination of the parameters, or a text with the reason where there is none
    (section 6)."""

    requests: cutouts.CutoutRequests
    format: cutouts.CutoutFormat
    site: Site
    host: ImageUrls
    completed: int = field(default=0, init=False)
    stopped: bool = field(default=False, init=False)

    @property
    @override
    def rows(self) -> None:
        return None

    @property
    @override
    def overflow(self) -> bool:
        return False

    @override
    def produce_outputs(self) -> Iterator[JobOutput]:
        for number, cutout_request in enumerate(self.requests.combinations(), 1):
            if self.stopped:
                raise QueryCancelledError("the job was stopped")
            yield self._create_output(f"cutout{number}", cutout_request)
            self.completed = number

    def _create_output(self, id: str, cutout_request: cutouts.CutoutRequest) -> JobOutput:
        try:
            cut = cutouts.cut(cutout_request, self.format, self.site, self.host)
        except (UsageError, ImageError) as error:
            return JobOutput(id, TEXT_TYPE, f"{id}.txt", [f"{describe_error(error)}\n".encode()])
        return JobOutput(id, cut.media_type, f"{id}_{cut.name}", [cut.data])

    @override
    def stop(self) -> None:
        self.stopped = True

    @override
    def progress(self) -> float:
        return self.completed / self.requests.count


def create_task(site: Site, job: Job) -> CutoutTask:
    """Return the task of a job.

    Raises UsageError for parameters that are invalid for any image, and for too many cutouts.
    """
    params = dali.Parameters(job.parameters)
    requests = cutouts.parse_requests(params)
    if requests.count > MAX_CUTOUTS:
        message = f"the job has {requests.count:,} cutouts; the limit is {MAX_CUTOUTS:,}"
        raise UsageError(message, hint="make several jobs", code=Code.REQUEST_TOO_LARGE)
    return CutoutTask(
        requests, cutouts.parse_format(params), site, make_image_urls(site, JOBS.split_base_url(job, site))
    )


def describe_error(error: ServiceError) -> str:
    """Return the text of an error in the form of SODA (section 5.2)."""
    word = next(word for kind, word in _ERROR_WORDS if isinstance(error, kind))
    return f"{word}: {error}"


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error as plain text that begins with one of SODA's words (section 5.2), empty for no pixels (5.1)."""
    if isinstance(error, NoPixelsError):
        return Response(status_code=error.status)
    text = f"{describe_error(error)}\n{error_details(request, error)}"
    return PlainTextResponse(text, status_code=error.status, headers=error_headers(error))


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the capabilities of both modes (section 2.2)."""
    modes = ((SYNC_ID, "sync"), (ASYNC_ID, "async"))
    return tuple(Capability(id, (Interface(f"{base}/{mode}", role="std", version="1.0"),)) for id, mode in modes)


JOBS = uws.JobList(
    service="soda",
    write_error=lambda error: (f"{describe_error(error)}\n".encode(), TEXT_TYPE),
)


SERVICE = Service(
    name="soda",
    path="/soda",
    resources=(Resource("/sync", get_cutout, ("GET", "POST")), *uws.make_resources(JOBS)),
    error_renderer=render_error,
    capabilities=capabilities,
    label="Cutouts (SODA)",
    of_images=True,
    create_task=create_task,
)
