"""Where the rows of each table lie (MOC 2.0): /coverage/NAME.fits, .json and .txt are the map, .svg shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.errors import NotFoundError
from vo_server.http.errors import error_response
from vo_server.http.responses import kept
from vo_server.http.service import Resource, Service, Site
from vo_server.sky import footprint
from vo_server.web import skymap


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say a map: by what its name ends, its media type, and how it is made from ASCII."""

    extension: str
    media_type: str
    write: Callable[[str], bytes]


FORMS = (
    Form("fits", "application/fits", footprint.as_fits),
    Form("json", "application/json", footprint.as_json),
    Form("txt", "text/plain", str.encode),
    Form("svg", "image/svg+xml", lambda text: skymap.svg(text).encode()),
)


def url(base: str, id: str) -> str:
    """Where the map of a publication is, as most clients read it."""
    return f"{base}/coverage/{id}.fits"


async def coverage(request: Request, site: Site) -> Response:
    """The map of a publication in one of its forms."""
    id, _, extension = str(request.path_params["name"]).rpartition(".")
    form = next((f for f in FORMS if f.extension == extension), None)
    table = next((p.table for p in site.catalogue.collections if p.id == id), None)
    if form is None or table is None:
        known = ", ".join(f".{f.extension}" for f in FORMS)
        ids = ", ".join(p.id for p in site.catalogue.collections)
        raise NotFoundError(f"there is nothing at {request.url.path}", hint=f"one of {ids} with one of {known}")
    facts = await anyio.to_thread.run_sync(site.engine.facts, table)
    if facts is None or facts.coverage is None:
        raise NotFoundError(f"the coverage of {table.qualified} is not known", hint="it is made when rows are loaded")
    body = await anyio.to_thread.run_sync(_made, form, facts.coverage)
    headers = {"Content-Disposition": f'inline; filename="{id}.{extension}"'}
    return kept(request, body, form.media_type, facts.loaded_at, headers)


@lru_cache(maxsize=64)
def _made(form: Form, text: str) -> bytes:
    return form.write(text)


SERVICE = Service(
    name="coverage",
    path="/coverage",
    resources=(Resource("/{name}", coverage),),
    refuse=error_response,
)
