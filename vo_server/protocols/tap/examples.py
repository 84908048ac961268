"""/examples: the queries that the catalogues bring along, as far as they can be asked now (DALI 1.1 section 2.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics.query import tables
from vo_server.adql.semantics.resolve import Meaning
from vo_server.answer import meaning
from vo_server.catalogue.catalogue import UPLOADS, Catalogue, Example, Schema
from vo_server.catalogue.names import qualified
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import NotFoundError, QueryError
from vo_server.http.responses import document
from vo_server.http.service import Resource, Site
from vo_server.http.urls import base_url
from vo_server.model.column import Table
from vo_server.web import examples as web

log = logging.getLogger(__name__)

STANDARD_ID = "ivo://ivoa.net/std/DALI#examples"


async def examples(request: Request, site: Site) -> Response:
    """The page."""
    shown = await anyio.to_thread.run_sync(offered, site)
    if not shown:
        raise NotFoundError("there are no examples for what is loaded here")
    body = web.page(base_url(request, site.public_url), site.title, shown)
    return document(request, body.encode(), "text/html;charset=utf-8")


RESOURCE = Resource("/examples", examples)


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """That there are examples, where there are (TAP 1.1 section 2.4)."""
    if not offered(site):
        return ()
    return (Capability(STANDARD_ID, (Interface(f"{base}/examples", type="vr:WebBrowser"),)),)


def offered(site: Site) -> tuple[web.Shown, ...]:
    """The examples that this engine can answer and whose tables are loaded."""
    known = _known(site.catalogue, site.engine.lacks())
    return tuple(
        web.Shown(example, tuple(map(qualified, asked)))
        for example, asked in known
        if all(site.rows(table) is not None for table in asked) and (site.upload_limit or not example.uploads)
    )


@lru_cache(maxsize=16)
def _known(catalogue: Catalogue, lacks: frozenset[str]) -> tuple[tuple[Example, tuple[Table, ...]], ...]:
    """The examples that make sense here, each with the published tables that it asks."""
    return tuple(_sensible(catalogue, lacks))


def _sensible(catalogue: Catalogue, lacks: frozenset[str]) -> Iterator[tuple[Example, tuple[Table, ...]]]:
    for example in (e for p in catalogue.collections for e in p.examples):
        try:
            meant = resolved(example, catalogue, lacks)
        except QueryError as fault:
            log.warning("the example %s is left out: %s", example.id, fault)
            continue
        yield example, tuple(t for t in tables(meant.query) if t.schema != UPLOADS)


def resolved(example: Example, catalogue: Catalogue, lacks: frozenset[str] = frozenset()) -> Meaning:
    """What an example means, its uploads beside the tables of the catalogue.

    Raises QueryError where it means nothing.
    """
    uploads = [
        Table(UPLOADS, name, meaning(query, catalogue, lacks).query.columns) for name, query in example.uploads.items()
    ]
    return meaning(example.query, catalogue.with_tables(uploads, Schema(UPLOADS)), lacks)
