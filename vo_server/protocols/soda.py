"""SODA 1.0: parts of images, one at once at /soda/sync."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import collections
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import BusyFault, Fault, MultiValuedParamFault, NoPixelsFault, UsageFault
from vo_server.protocols import cutouts, dali, origin
from vo_server.protocols.account import identified
from vo_server.protocols.descriptors import SYNC_ID
from vo_server.protocols.refuse import headers_of
from vo_server.protocols.service import Resource, Service, Site
from vo_server.protocols.urls import base_url

_WORDS: tuple[tuple[type[Fault], str], ...] = (
    (MultiValuedParamFault, "MultiValuedParamNotSupported"),
    (BusyFault, "ServiceUnavailable"),
    (UsageFault, "UsageError"),
    (Fault, "Error"),
)
"""The words with which SODA's errors begin (section 5.2); that of the first class that fits."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    return (SERVICE,) if collections(catalogue) else ()


async def sync(request: Request, site: Site) -> Response:
    """One cutout (section 5)."""
    given = await dali.parameters(request)
    form = cutouts.form(given)
    wish = _single(given)
    host = origin.host_of(site, base_url(request, site.public_url))
    cut = await anyio.to_thread.run_sync(cutouts.made, wish, form, site, host)
    headers = {
        "Content-Type": cut.media_type,
        "Content-Disposition": f'attachment; filename="{cut.name}"',
        "Cache-Control": "public, max-age=3600",
    }
    return Response(cut.data, headers=headers)


def _single(given: dali.Parameters) -> cutouts.Wish:
    """The one cutout that is asked for.

    Raises MultiValuedParamFault where they are several.
    """
    asked = cutouts.wishes(given)
    several = {"ID": asked.ids, " or ".join(cutouts.REGIONS): asked.regions, "BAND": asked.bands}
    for name, values in several.items():
        if len(values) > 1:
            raise MultiValuedParamFault(f"{name} may be given once, not {len(values)} times")
    (wish,) = asked.each()
    return wish


def said(fault: Fault) -> str:
    """A fault in the words of SODA."""
    word = next(word for kind, word in _WORDS if isinstance(fault, kind))
    return f"{word}: {fault}"


def refuse(request: Request, site: Site, fault: Fault) -> Response:
    """Plain text that begins with one of SODA's words (section 5.2); nothing at all where there are no pixels (5.1)."""
    if isinstance(fault, NoPixelsFault):
        return Response(status_code=fault.status)
    told = "".join(f"{info.name}: {info.value}\n" for info in identified(request))
    return PlainTextResponse(f"{said(fault)}\n{told}", status_code=fault.status, headers=headers_of(fault))


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """How cutouts are had at once (section 2.2)."""
    interface = Interface(f"{base}/sync", role="std", version="1.0")
    return (Capability(SYNC_ID, (interface,)),)


SERVICE = Service(
    name="soda",
    path="/soda",
    resources=(Resource("/sync", sync, ("GET", "POST")),),
    refuse=refuse,
    capabilities=capabilities,
    catalogue=lambda site: site.catalogue,
)
