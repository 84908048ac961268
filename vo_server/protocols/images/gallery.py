"""The page of images at /images: the collections, and a search by region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import get_image_collections
from vo_server.errors import UsageError
from vo_server.http import dali, origin
from vo_server.http.errors import error_headers, error_response
from vo_server.http.responses import document_response, run_in_slot
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.images.preview import PREVIEW_PIXELS, THUMBNAIL_PIXELS
from vo_server.model.urls import SiteUrls
from vo_server.obscore.query import ImageUrls, InventoryRow
from vo_server.obscore.templates import encode_query_value
from vo_server.protocols.images import bundle, selection
from vo_server.protocols.images.layers import MAX_TILES, name_all_bands
from vo_server.protocols.images.selection import FoundImage, SearchRegion
from vo_server.protocols.images.summary import summarise
from vo_server.web import images as web

MAX_SHOWN = 100
"""Images that a page shows, at most."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are image collections."""
    return (SERVICE,) if get_image_collections(catalogue) else ()


async def get_page(request: Request, site: Site) -> Response:
    """Return the page; an error of the search is shown on it and sets its status."""
    params = await dali.read_parameters(request)
    urls = site.make_urls(get_base_url(request, site.public_url))
    content, error = await run_in_slot(request, site, partial(_render_page, params, urls, site))
    response = document_response(request, content.encode(), "text/html;charset=utf-8")
    if error is not None:
        response.status_code = error.status
        response.headers.update(error_headers(error))
    return response


def _render_page(params: dali.Parameters, urls: SiteUrls, site: Site) -> tuple[str, UsageError | None]:
    """Return the page, and the error of the search that is shown on it."""
    collections = [p for p in get_image_collections(site.catalogue) if site.engine.count_rows(p.table) is not None]
    table, failure = None, None
    try:
        region = selection.parse_search_region(params)
        if region is not None:
            table = _build_result(params, region, origin.make_image_urls(site, urls.base), site)
    except UsageError as error:
        failure = error
    summaries = [summarise(p, site, urls) for p in collections]
    message = None if failure is None else str(failure)
    return web.render_images(urls, site.title, _build_form(params, collections), summaries, table, message), failure


def _build_form(params: dali.Parameters, collections: Sequence[Collection]) -> web.ImageSearchForm:
    values = {name: next(iter(params.get_all(name)), "") for name in ("POS", "SIZE", "COLLECTION", "BAND")}
    bands = dict.fromkeys(b.name for p in collections for b in InventoryRow(p, "image").images.bands)
    titles = tuple((p.id, p.table.title or p.table.name) for p in collections)
    return web.ImageSearchForm(
        values["POS"], values["SIZE"], values["COLLECTION"], values["BAND"], titles, tuple(bands)
    )


def _build_result(params: dali.Parameters, region: SearchRegion, host: ImageUrls, site: Site) -> web.ImageSearchResult:
    images_found, more = selection.find_images(params, region, site, bundle.MAX_IMAGES)
    archived = bundle.limit_bundle(images_found)
    query_string = urlencode([(name, value) for name, value in params.pairs if value])
    kinds = {image.collection.id: InventoryRow(image.collection, "image").images for image in images_found}
    return web.ImageSearchResult(
        tuple(_build_entry(image, images_found, host) for image in images_found[:MAX_SHOWN]),
        len(images_found),
        more,
        host.site.get_url("gallery", f".tar?{query_string}"),
        len(archived),
        sum(image.size or 0 for image in archived),
        _build_picture_url(params, region, images_found, host),
        _build_data_links(params, region, host, site),
        tuple(f"{images.collection}: {images.caution}" for images in kinds.values() if images.caution),
    )


def _build_entry(image: FoundImage, images_found: Sequence[FoundImage], host: ImageUrls) -> web.ImageEntry:
    collection, images = image.collection, InventoryRow(image.collection, "image").images
    picture = host.preview_prefix(collection) + encode_query_value(image.name)
    all_bands = name_all_bands(images) if image.band is not None else None
    mates = {o.band for o in images_found if (o.collection, o.observation) == (collection, image.observation)}
    return web.ImageEntry(
        image.title,
        images.collection,
        image.band or "".join(b.name for b in images.bands),
        image.ra,
        image.dec,
        image.distance,
        image.size,
        f"{picture}&PIXELS={THUMBNAIL_PIXELS}",
        picture,
        f"{picture}&BAND={all_bands}" if all_bands and len(mates) == len(images.bands) else None,
        host.file_prefix(collection) + encode_query_value(image.name),
        host.links_prefix() + encode_query_value(host.identifier_prefix(collection) + image.name),
    )


def _build_picture_url(
    params: dali.Parameters, region: SearchRegion, images_found: Sequence[FoundImage], host: ImageUrls
) -> str | None:
    """Return the URL of a picture of the region; None where it would take long."""
    observations = {(image.collection.id, image.observation) for image in images_found}
    if region.sides is None or not 0 < len(observations) <= MAX_TILES:
        return None
    query = {"POS": "{:.6f},{:.6f}".format(*region.centre)}
    query |= {"SIZE": "{:.6g},{:.6g}".format(*region.sides)} if max(region.sides) > 0 else {}
    requested = params.get_all("COLLECTION")
    query |= {"COLLECTION": requested[0]} if len(requested) == 1 and requested[0] else {}
    return host.site.get_url("preview", f"?{urlencode(query | {'PIXELS': str(PREVIEW_PIXELS)}, safe=',')}")


def _build_data_links(
    params: dali.Parameters, region: SearchRegion, host: ImageUrls, site: Site
) -> tuple[tuple[str, str], ...]:
    """Return labels and URLs of the same search by SIA 2.0; none where SIA 2.0 has no equivalent."""
    names = {name.upper() for name, value in params.pairs if value}
    if region.sia2_pos is None or not names <= {"POS", "SIZE", "COLLECTION", "BAND"}:
        return ()
    collections = {p.id: InventoryRow(p, "image").images for p in get_image_collections(site.catalogue)}
    requested = [collections[id].collection for id in params.get_all("COLLECTION") if id in collections]
    bands = {b.name: b.reference for images in collections.values() for b in images.bands}
    wavelengths = [f"{bands[name]:g}" for name in params.get_all("BAND") if name in bands]
    query_string = urlencode(
        [("POS", region.sia2_pos), *(("COLLECTION", c) for c in requested), *(("BAND", b) for b in wavelengths)]
    )
    formats = {"VOTable": "votable", "CSV": "csv", "JSON": "json"}
    return tuple(
        (label, host.site.get_url("sia2", f"/query?{query_string}&RESPONSEFORMAT={f}")) for label, f in formats.items()
    )


SERVICE = Service(
    name="gallery",
    path="/images",
    resources=(Resource("", get_page), Resource(".tar", bundle.get_bundle)),
    error_renderer=error_response,
)
