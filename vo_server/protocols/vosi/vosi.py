"""VOSI 1.1: availability, capabilities and tables of any service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.names import quote_table_name
from vo_server.documents import vosi
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import Code, NotFoundError, UsageError
from vo_server.http.dali import read_parameters
from vo_server.http.responses import cacheable_response, document_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url

CAPABILITIES_ID = "ivo://ivoa.net/std/VOSI#capabilities"
AVAILABILITY_ID = "ivo://ivoa.net/std/VOSI#availability"
TABLES_ID = "ivo://ivoa.net/std/VOSI#tables-1.1"
MEDIA_TYPE = "text/xml"


def make_resources(service: Service) -> tuple[Resource, ...]:
    """Return the VOSI resources that a service has besides its own (VOSI 1.1 section 3)."""
    if service.capabilities is None:
        return ()
    resources = (
        Resource("/capabilities", partial(send_capabilities, service)),
        Resource("/availability", send_availability),
    )
    if service.catalogue is None:
        return resources
    return (
        *resources,
        Resource("/tables", partial(send_tables, service.catalogue)),
        Resource("/tables/{name:path}", partial(send_table, service.catalogue)),
    )


async def send_capabilities(service: Service, request: Request, site: Site) -> Response:
    """Return the capabilities of a service (VOSI 1.1 section 4), which change when the server starts or rows are
    loaded."""
    base = get_base_url(request, site.public_url) + service.path
    loaded = await anyio.to_thread.run_sync(_find_load_times, site)
    return cacheable_response(
        request,
        await anyio.to_thread.run_sync(_write_capabilities, service, site, base, loaded),
        MEDIA_TYPE,
        max(loaded),
    )


@lru_cache(maxsize=64)
def _write_capabilities(service: Service, site: Site, base: str, loaded: tuple[datetime, ...]) -> bytes:
    """Return the document, cached by load times: some services query the database for it."""
    return vosi.write_capabilities(list_capabilities(service, site, base))


def _find_load_times(site: Site) -> tuple[datetime, ...]:
    """Return the start of the server and the load time of each collection."""
    facts = (site.engine.get_facts(collection.table) for collection in site.catalogue.collections)
    return site.started, *(f.loaded_at or site.started for f in facts if f is not None)


def list_capabilities(service: Service, site: Site, base: str) -> tuple[Capability, ...]:
    """Return all capabilities of a service under a URL, those of VOSI last."""
    own = () if service.capabilities is None else service.capabilities(site, base)
    return (*own, *list_vosi_capabilities(base, service.catalogue is not None))


def list_vosi_capabilities(base: str, tables: bool) -> tuple[Capability, ...]:
    """Return the capabilities of VOSI itself; `tables` is whether the service has tables."""
    capabilities = (
        Capability(CAPABILITIES_ID, (Interface(f"{base}/capabilities"),)),
        Capability(AVAILABILITY_ID, (Interface(f"{base}/availability"),)),
    )
    return (
        (*capabilities, Capability(TABLES_ID, (Interface(f"{base}/tables", version="1.1"),)))
        if tables
        else capabilities
    )


async def send_availability(request: Request, site: Site) -> Response:
    """Return whether queries can be answered now (VOSI 1.1 section 5)."""
    body = vosi.write_availability(await site.health.check())
    return document_response(request, body, MEDIA_TYPE, {"Cache-Control": "no-store"})


async def send_tables(served: Callable[[Site], Catalogue], request: Request, site: Site) -> Response:
    """Return all tables (VOSI 1.1 section 6); detail=min omits the columns."""
    detail = ((await read_parameters(request)).get("DETAIL") or "max").lower()
    if detail not in ("min", "max"):
        raise UsageError(f"detail must be min or max, not {detail!r}", code=Code.REQUEST_BAD_PARAMETER)
    catalogue = served(site)
    rows = await anyio.to_thread.run_sync(_count_rows, catalogue, site)
    loaded = await anyio.to_thread.run_sync(_find_load_times, site)
    return cacheable_response(request, _write_tableset(catalogue, rows, detail == "max"), MEDIA_TYPE, max(loaded))


@lru_cache(maxsize=16)
def _write_tableset(catalogue: Catalogue, rows: tuple[int | None, ...], columns: bool) -> bytes:
    """Return the document, cached by the numbers of rows."""
    return vosi.write_tableset(_set_row_counts(catalogue, rows), "max" if columns else "min")


async def send_table(served: Callable[[Site], Catalogue], request: Request, site: Site) -> Response:
    """Return one table in full.

    Raises NotFoundError for an unknown one.
    """
    name = request.path_params["name"]
    catalogue = await anyio.to_thread.run_sync(count_rows, site, served(site))
    for table in catalogue.tables:
        if name in (table.qualified_name, quote_table_name(table)):
            loaded = await anyio.to_thread.run_sync(_find_load_times, site)
            return cacheable_response(request, vosi.write_table(table, catalogue), MEDIA_TYPE, max(loaded))
    similar = catalogue.find_similar(name)
    hint = f"did you mean {' or '.join(similar)}?" if similar else None
    raise NotFoundError(f"no table {name}", hint=hint, code=Code.TABLE_NOT_FOUND)


def count_rows(site: Site, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with the numbers of rows that are loaded now."""
    return _set_row_counts(catalogue, _count_rows(catalogue, site))


def _count_rows(catalogue: Catalogue, site: Site) -> tuple[int | None, ...]:
    """Return the number of rows of each table now, None if it is not loaded."""
    return tuple(site.count_rows(table) for table in catalogue.tables)


def _set_row_counts(catalogue: Catalogue, rows: tuple[int | None, ...]) -> Catalogue:
    """Return the catalogue with these numbers of rows."""
    counted = tuple(replace(table, nrows=n) for table, n in zip(catalogue.tables, rows, strict=True))
    return replace(catalogue, tables=counted)
