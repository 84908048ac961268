"""The documentation for users of the service at /docs, with its own URLs and limits filled in."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics.expressions import MAX_GEOMETRY_DEPTH
from vo_server.adql.semantics.resolve import MAX_COLUMNS
from vo_server.adql.syntax.build_values import MAX_IN_VALUES
from vo_server.adql.syntax.error_list import MAX_ERRORS
from vo_server.adql.syntax.lexer import MAX_DEPTH
from vo_server.adql.syntax.parse import MAX_CHARACTERS
from vo_server.adql.syntax.partial import MAX_TABLES
from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import get_image_collections
from vo_server.catalogue.suggestions import suggest_similar
from vo_server.errors import NotFoundError
from vo_server.formats.media_types import parse_accept
from vo_server.http import fetch
from vo_server.http.access_log import get_request_info
from vo_server.http.errors import error_response
from vo_server.http.responses import cacheable_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.images import preview
from vo_server.model.urls import SiteUrls
from vo_server.protocols.images import bundle, gallery, layers, selection, sia1, sia1_cutout, soda
from vo_server.protocols.images.summary import summarise
from vo_server.protocols.uws import job
from vo_server.web import documentation, reference

HTML = "text/html;charset=utf-8"
MARKDOWN = "text/markdown;charset=utf-8"


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service of the documentation."""
    return (SERVICE,)


async def serve_page(request: Request, site: Site) -> Response:
    """Return a page: as HTML, or as Markdown with ?raw, a name that ends in .md, or Accept: text/markdown.

    Raises NotFoundError for an unknown page.
    """
    name = str(request.path_params.get("name", "index"))
    raw = "raw" in request.query_params or name.endswith(".md") or _prefers_markdown(request)
    name = name.removesuffix(".md")
    if name not in documentation.PAGES:
        raise NotFoundError(
            f"there is no page {name!r} in the documentation", hint=suggest_similar(name, list(documentation.PAGES))
        )
    get_request_info(request).service = "page"
    urls = site.make_urls(get_base_url(request, site.public_url))
    body = await anyio.to_thread.run_sync(_render, site, name, urls, raw)
    return cacheable_response(request, body, MARKDOWN if raw else HTML, headers={"Vary": "Accept-Encoding, Accept"})


@lru_cache(maxsize=64)
def _render(site: Site, name: str, urls: SiteUrls, raw: bool) -> bytes:
    values = collect_values(site, urls)
    if raw:
        return documentation.fill_page(name, urls, values).encode()
    return documentation.render_documentation(name, urls, site.title, values).encode()


def _prefers_markdown(request: Request) -> bool:
    """Return whether the Accept header puts Markdown first."""
    return [media.essence for media in parse_accept(request.headers.get("accept", ""))][:1] == ["text/markdown"]


def collect_values(site: Site, urls: SiteUrls) -> dict[str, str]:
    """Return the text of each placeholder of the documentation."""
    return {
        "base": urls.base,
        **_choose_example_table(site.catalogue, urls),
        **_choose_example_image(site, urls),
        **{
            name: f"{number:,g}" if isinstance(number, float) else f"{number:,}"
            for name, number in _collect_limits(site).items()
        },
        **_describe_settings(site),
        **reference.describe_functions(urls, site.engine.unsupported_functions()),
        "errors": reference.describe_errors(),
        "formats": reference.describe_formats(),
    }


def _choose_example_table(catalogue: Catalogue, urls: SiteUrls) -> dict[str, str]:
    """Return a table with a cone search, the columns of its position, and a cone that finds something."""
    for collection in catalogue.collections:
        if collection.cone is not None and collection.table.position is not None and collection.images is None:
            lon, lat, radius = collection.cone.test
            position = collection.table.position
            return {
                "table": collection.table.qualified_name,
                "ra": position.ra,
                "dec": position.dec,
                "lon": f"{lon:.10g}",
                "lat": f"{lat:.10g}",
                "radius": f"{radius:.10g}",
                "cone": urls.get_url(f"cone-{collection.id}"),
            }
    placeholders = {"table": "SCHEMA.TABLE", "ra": "ra", "dec": "dec", "lon": "266.4", "lat": "-29", "radius": "0.1"}
    return placeholders | {"cone": f"{urls.base}/cone/TABLE"}


def _collect_limits(site: Site) -> dict[str, int | float]:
    return {
        "maxrec": min(site.maxrec, site.maxrec_hard),
        "maxrec_hard": site.maxrec_hard,
        "timeout": site.timeout,
        "execution": site.jobs.execution.default,
        "execution_hard": site.jobs.execution.maximum,
        "retention": site.jobs.retention.default,
        "retention_hard": site.jobs.retention.maximum,
        "job_queue": site.jobs.max_queued,
        "wait_seconds": job.MAX_WAIT_SECONDS,
        "fetch_seconds": fetch.FETCH_TIMEOUT_SECONDS,
        "max_length": MAX_CHARACTERS,
        "max_depth": MAX_DEPTH,
        "max_tables": MAX_TABLES,
        "max_columns": MAX_COLUMNS,
        "max_options": MAX_IN_VALUES,
        "max_shapes": MAX_GEOMETRY_DEPTH,
        "max_errors": MAX_ERRORS,
        "tar_images": bundle.MAX_IMAGES,
        "tar_bytes": bundle.MAX_BYTES,
        "gallery_images": gallery.MAX_SHOWN,
        "place_degrees": selection.MAX_RADIUS_DEGREES,
        "sia1_degrees": sia1.MAX_SIDE_DEGREES,
        "preview_pixels": preview.MAX_SIDE_PIXELS,
        "cutout_pixels": sia1_cutout.MAX_SIDE_PIXELS,
        "soda_results": soda.MAX_CUTOUTS,
        "tiles": layers.MAX_TILES,
    }


def _choose_example_image(site: Site, urls: SiteUrls) -> dict[str, str]:
    """Return an image collection, one of its bands and the position of one of its images, in degrees."""
    for collection in get_image_collections(site.catalogue):
        if collection.images is not None and site.engine.count_rows(collection.table):
            sample = parse_qs(urlsplit(summarise(collection, site, urls).sample_url or "").query)
            lon, lat = sample.get("POS", ["129.04,19.68"])[0].split(",")
            band = next((band.name for band in collection.images.bands), "K")
            return {"collection": collection.id, "band": band, "image_lon": lon, "image_lat": lat}
    return {"collection": "COLLECTION", "band": "K", "image_lon": "129.04", "image_lat": "19.68"}


def _describe_settings(site: Site) -> dict[str, str]:
    """Return sentences about settings of the service."""
    hosts = ", ".join(f"`{host}`" for host in site.upload_hosts)
    return {
        "strict": "This service is strict: it rejects them with the code `ADQL.EXTENSION`."
        if site.strict
        else "A service whose operator sets `strict` rejects them.",
        "upload_limit": f"{site.upload_limit:,} bytes"
        if site.upload_limit
        else "no bytes: this service takes no uploads",
        "upload_hosts": f"It may also be of these hosts: {hosts}."
        if hosts
        else "This service fetches from no other host.",
        "results_limit": f"{site.jobs.max_result_bytes:,} bytes" if site.jobs.max_result_bytes else "no limit",
    }


SERVICE = Service(
    name="docs",
    path="/docs",
    resources=(Resource("", serve_page), Resource("/{name}", serve_page)),
    error_renderer=error_response,
)
