"""The pages for people: the front page at / and /tap, and a page for each table at /table/NAME."""

from __future__ import annotations

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import Code, NotFoundError
from vo_server.http.errors import error_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.model.column import Table
from vo_server.model.statistics import Statistic, for_view
from vo_server.protocols.tap import examples
from vo_server.web import pages, tables


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service of the pages."""
    return (SERVICE,)


async def send_front_page(request: Request, site: Site) -> Response:
    """Return the front page with the tables and services that are loaded now."""
    urls = site.make_urls(get_base_url(request, site.public_url))
    published = [collection.table for collection in site.catalogue.collections]

    def render() -> str:
        rows = {table.qualified_name: site.engine.count_rows(table) for table in published}
        mapped = frozenset(t.qualified_name for t in published if (f := site.engine.get_facts(t)) and f.coverage)
        has_examples = bool(examples.find_examples(site))
        return pages.render_front_page(urls, site.title, site.catalogue, rows, has_examples, mapped)

    return HTMLResponse(await anyio.to_thread.run_sync(render))


async def send_table_page(request: Request, site: Site) -> Response:
    """Return the page of a table; case makes no difference in its name.

    Raises NotFoundError for a table that is not published.
    """
    urls = site.make_urls(get_base_url(request, site.public_url))
    name: str = request.path_params["name"]
    published = {t.qualified_name: t for collection in site.catalogue.collections for t in collection.tables}
    table = next((t for key, t in published.items() if key.lower() == name.lower()), None)
    if table is None:
        hint = suggest_similar(name, list(published))
        raise NotFoundError(f"there is no table {name}", hint=hint, code=Code.TABLE_NOT_FOUND)

    def render() -> str:
        return tables.render_table(urls, table, site.engine.count_rows(table), _view_statistics(site, table))

    return HTMLResponse(await anyio.to_thread.run_sync(render))


def _view_statistics(site: Site, table: Table) -> dict[str, Statistic]:
    facts = site.engine.get_facts(table)
    return {} if facts is None else for_view(table, facts.statistics)


SERVICE = Service(
    name="page",
    path="",
    resources=(
        Resource("/", send_front_page),
        Resource("/tap", send_front_page),
        Resource("/table/{name}", send_table_page),
    ),
    error_renderer=error_response,
)
