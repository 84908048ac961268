"""SODA 1.0: parts of images, one at once at /soda/sync, many by a job at /soda/async."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from typing_extensions import override

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import image_collections
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import (
    BusyError,
    ImageError,
    NoPixelsError,
    QueryCancelledError,
    RepeatedParameterError,
    ServiceError,
    UsageError,
)
from vo_server.http import dali
from vo_server.http.errors import error_details, error_headers
from vo_server.http.origin import host_of
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url, client_address
from vo_server.jobs.task import Output, Task
from vo_server.model.job import Job
from vo_server.obscore.query import Host
from vo_server.protocols import uws
from vo_server.protocols.images import cutouts
from vo_server.protocols.images.descriptors import ASYNC_ID, SYNC_ID

TEXT = "text/plain; charset=utf-8"
MOST = 1_000
"""Cutouts that a job may ask for."""

_WORDS: tuple[tuple[type[ServiceError], str], ...] = (
    (RepeatedParameterError, "MultiValuedParamNotSupported"),
    (BusyError, "ServiceUnavailable"),
    (UsageError, "UsageError"),
    (ServiceError, "Error"),
)
"""The words with which SODA's errors begin (section 5.2); that of the first class that fits."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    return (SERVICE,) if image_collections(catalogue) else ()


async def sync(request: Request, site: Site) -> Response:
    """One cutout (section 5)."""
    given = await dali.parameters(request)
    form = cutouts.form(given)
    wish = _single(given)
    host = host_of(site, base_url(request, site.public_url))
    return await answered(partial(cutouts.made, wish, form, site, host), request, site)


async def answered(work: Callable[[], cutouts.Cutout], request: Request, site: Site) -> Response:
    """A cutout that is made when its turn has come.

    Raises what the work raises, and BusyError.
    """
    turn = await site.admission.turn(client_address(request), light=True)
    try:
        cut = await anyio.to_thread.run_sync(work)
    finally:
        turn.end()
    headers = {
        "Content-Type": cut.media_type,
        "Content-Disposition": f'attachment; filename="{cut.name}"',
        "Cache-Control": "public, max-age=3600",
    }
    return Response(cut.data, headers=headers)


def _single(given: dali.Parameters) -> cutouts.Wish:
    """The one cutout that is asked for.

    Raises RepeatedParameterError where they are several.
    """
    asked = cutouts.wishes(given)
    several = {"ID": asked.ids, " or ".join(cutouts.REGIONS): asked.regions, "BAND": asked.bands}
    for name, values in several.items():
        if len(values) > 1:
            raise RepeatedParameterError(f"{name} may be given once, not {len(values)} times")
    (wish,) = asked.each()
    return wish


@dataclass(slots=True)
class Cutting(Task):
    """The cutouts of a job: all combinations of what was asked for, and for those that have none a text that says why
    (section 6)."""

    wishes: cutouts.Wishes
    form: cutouts.Form
    site: Site
    host: Host
    done: int = field(default=0, init=False)
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
    def outputs(self) -> Iterator[Output]:
        for number, wish in enumerate(self.wishes.each(), 1):
            if self.stopped:
                raise QueryCancelledError("the job was stopped")
            yield self._output(f"cutout{number}", wish)
            self.done = number

    def _output(self, id: str, wish: cutouts.Wish) -> Output:
        try:
            cut = cutouts.made(wish, self.form, self.site, self.host)
        except (UsageError, ImageError) as fault:
            return Output(id, TEXT, f"{id}.txt", [f"{said(fault)}\n".encode()])
        return Output(id, cut.media_type, f"{id}_{cut.name}", [cut.data])

    @override
    def stop(self) -> None:
        self.stopped = True

    @override
    def progress(self) -> float:
        return self.done / self.wishes.count


def task(site: Site, job: Job) -> Cutting:
    """What a job does.

    Raises UsageError where its parameters are wrong, whichever image they are for, or ask for too much.
    """
    given = dali.Parameters(job.parameters)
    asked = cutouts.wishes(given)
    if asked.count > MOST:
        raise UsageError(f"the job asks for {asked.count:,} cutouts, where {MOST:,} are the limit", hint="make several")
    return Cutting(asked, cutouts.form(given), site, host_of(site, job.url.rpartition(f"{JOBS.path}/")[0]))


def said(fault: ServiceError) -> str:
    """A fault in the words of SODA."""
    word = next(word for kind, word in _WORDS if isinstance(fault, kind))
    return f"{word}: {fault}"


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """Plain text that begins with one of SODA's words (section 5.2); nothing at all where there are no pixels (5.1)."""
    if isinstance(fault, NoPixelsError):
        return Response(status_code=fault.status)
    text = f"{said(fault)}\n{error_details(request, fault)}"
    return PlainTextResponse(text, status_code=fault.status, headers=error_headers(fault))


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """How cutouts are had (section 2.2)."""
    ways = ((SYNC_ID, "sync"), (ASYNC_ID, "async"))
    return tuple(Capability(id, (Interface(f"{base}/{way}", role="std", version="1.0"),)) for id, way in ways)


JOBS = uws.Place(
    service="soda",
    path="/soda/async",
    task=task,
    fault=lambda fault: (f"{said(fault)}\n".encode(), TEXT),
)


SERVICE = Service(
    name="soda",
    path="/soda",
    resources=(Resource("/sync", sync, ("GET", "POST")), *uws.resources(JOBS, "/async")),
    refuse=refuse,
    capabilities=capabilities,
    label="Cutouts (SODA)",
    of_images=True,
)
