"""The example queries of the catalogues at /examples, as far as they can run now (DALI 1.1 section 2.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics.query import scanned_tables
from vo_server.adql.semantics.resolve import ResolvedQuery
from vo_server.answer import compile_query
from vo_server.catalogue.catalogue import UPLOADS, Catalogue, ExampleQuery, Schema
from vo_server.catalogue.names import quote_table_name
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import NotFoundError, QueryError
from vo_server.http.responses import document_response
from vo_server.http.service import Resource, Site
from vo_server.http.urls import get_base_url
from vo_server.model.column import Table
from vo_server.web import examples as web

log = logging.getLogger(__name__)

STANDARD_ID = "ivo://ivoa.net/std/DALI#examples"


async def send_examples(request: Request, site: Site) -> Response:
    """Return the page of the examples.

    Raises NotFoundError if there are none.
    """
    examples = await anyio.to_thread.run_sync(find_examples, site)
    if not examples:
        raise NotFoundError("there are no examples for the loaded tables")
    body = web.render_examples(site.make_urls(get_base_url(request, site.public_url)), site.title, examples)
    return document_response(request, body.encode(), "text/html;charset=utf-8")


RESOURCE = Resource("/examples", send_examples)


def list_capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the capability of the examples, if there are any (TAP 1.1 section 2.4)."""
    if not find_examples(site):
        return ()
    return (Capability(STANDARD_ID, (Interface(f"{base}/examples", type="vr:WebBrowser"),)),)


def find_examples(site: Site) -> tuple[web.PublishedExample, ...]:
    """Return the examples that this engine can run and whose tables are loaded."""
    resolved = _resolve_all(site.catalogue, site.engine.unsupported_functions())
    return tuple(
        web.PublishedExample(example, tuple(map(quote_table_name, tables)))
        for example, tables in resolved
        if all(site.count_rows(table) is not None for table in tables) and (site.upload_limit or not example.uploads)
    )


@lru_cache(maxsize=16)
def _resolve_all(catalogue: Catalogue, lacks: frozenset[str]) -> tuple[tuple[ExampleQuery, tuple[Table, ...]], ...]:
    """Return the valid examples, each with the published tables that it reads."""
    return tuple(_resolve_valid(catalogue, lacks))


def _resolve_valid(catalogue: Catalogue, lacks: frozenset[str]) -> Iterator[tuple[ExampleQuery, tuple[Table, ...]]]:
    for example in (e for collection in catalogue.collections for e in collection.examples):
        try:
            resolved = resolve_example(example, catalogue, lacks)
        except QueryError as error:
            log.warning("the example %s is left out: %s", example.id, error)
            continue
        yield example, tuple(t for t in scanned_tables(resolved.query) if t.schema != UPLOADS)


def resolve_example(example: ExampleQuery, catalogue: Catalogue, lacks: frozenset[str] = frozenset()) -> ResolvedQuery:
    """Return an example compiled, with its uploads in addition to the tables of the catalogue.

    Raises QueryError for an invalid one.
    """
    uploads = [
        Table(UPLOADS, name, compile_query(query, catalogue, lacks).query.columns)
        for name, query in example.uploads.items()
    ]
    return compile_query(example.query, catalogue.with_tables(uploads, Schema(UPLOADS)), lacks)
