"""The coverage maps of tables (MOC 2.0): /coverage/NAME.fits, .json and .txt are the map, .svg is a picture of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.errors import Code, NotFoundError
from vo_server.http.errors import error_response
from vo_server.http.responses import cacheable_response
from vo_server.http.service import Resource, Service, Site
from vo_server.model.urls import SiteUrls
from vo_server.sky import footprint
from vo_server.web import skymap


@dataclass(frozen=True, slots=True)
class CoverageFormat:
    """A format of coverage maps: file extension, media type, and the function that writes it from an ASCII MOC."""

    extension: str
    media_type: str
    write: Callable[[str], bytes]


FORMATS = (
    CoverageFormat("fits", "application/fits", footprint.as_fits),
    CoverageFormat("json", "application/json", footprint.as_json),
    CoverageFormat("txt", "text/plain", str.encode),
    CoverageFormat("svg", "image/svg+xml", lambda text: skymap.render_sky_map(text).encode()),
)


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service."""
    return (SERVICE,)


def get_fits_url(urls: SiteUrls, id: str) -> str:
    """Return the URL of the coverage map of a collection as FITS, which most clients read."""
    return urls.get_url(SERVICE.name, f"/{id}.fits")


async def send_coverage(request: Request, site: Site) -> Response:
    """Return the coverage map of a collection.

    Raises NotFoundError for an unknown collection or format, and while the coverage is unknown.
    """
    id, _, extension = str(request.path_params["name"]).rpartition(".")
    format = next((f for f in FORMATS if f.extension == extension), None)
    table = next((collection.table for collection in site.catalogue.collections if collection.id == id), None)
    if format is None or table is None:
        extensions = ", ".join(f".{f.extension}" for f in FORMATS)
        ids = ", ".join(collection.id for collection in site.catalogue.collections)
        hint = f"one of {ids} with one of {extensions}"
        raise NotFoundError(f"there is nothing at {request.url.path}", hint=hint, code=Code.TABLE_NOT_FOUND)
    facts = await anyio.to_thread.run_sync(site.engine.get_facts, table)
    if facts is None or facts.coverage is None:
        hint = "it is computed when rows are loaded"
        raise NotFoundError(f"the coverage of {table.qualified_name} is unknown", hint=hint, code=Code.TABLE_NOT_FOUND)
    body = await anyio.to_thread.run_sync(_write_map, format, facts.coverage)
    headers = {"Content-Disposition": f'inline; filename="{id}.{extension}"'}
    return cacheable_response(request, body, format.media_type, facts.loaded_at, headers)


@lru_cache(maxsize=64)
def _write_map(form: CoverageFormat, text: str) -> bytes:
    return form.write(text)


SERVICE = Service(
    name="coverage",
    path="/coverage",
    resources=(Resource("/{name}", send_coverage),),
    error_renderer=error_response,
)
