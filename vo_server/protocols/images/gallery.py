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
from vo_server.http.errors import error_response
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
    made, status = await run_in_slot(request, site, partial(_render_page, params, urls, site))
    answer = document_response(request, made.encode(), "text/html;charset=utf-8")
    answer.status_code = status
    return answer


def _render_page(params: dali.Parameters, urls: SiteUrls, site: Site) -> tuple[str, int]:
    known = [p for p in get_image_collections(site.catalogue) if site.engine.count_rows(p.table) is not None]
    table, wrong, status = None, None, 200
    try:
        place = selection.parse_search_region(params)
        if place is not None:
            table = _build_result(params, place, origin.make_image_urls(site, urls.base), site)
    except UsageError as error:
        wrong, status = str(error), error.status
    stock = [summarise(p, site, urls) for p in known]
    return web.render_images(urls, site.title, _build_form(params, known), stock, table, wrong), status


def _build_form(params: dali.Parameters, known: Sequence[Collection]) -> web.ImageSearchForm:
    said = {name: next(iter(params.get_all(name)), "") for name in ("POS", "SIZE", "COLLECTION", "BAND")}
    bands = dict.fromkeys(b.name for p in known for b in InventoryRow(p, "image").images.bands)
    titles = tuple((p.id, p.table.title or p.table.name) for p in known)
    return web.ImageSearchForm(said["POS"], said["SIZE"], said["COLLECTION"], said["BAND"], titles, tuple(bands))


def _build_result(params: dali.Parameters, place: SearchRegion, host: ImageUrls, site: Site) -> web.ImageSearchResult:
    found, more = selection.find_images(params, place, site, bundle.MAX_IMAGES)
    packed = bundle.limit_bundle(found)
    again = urlencode([(name, value) for name, value in params.pairs if value])
    kinds = {image.collection.id: InventoryRow(image.collection, "image").images for image in found}
    return web.ImageSearchResult(
        tuple(_build_entry(image, found, host) for image in found[:MAX_SHOWN]),
        len(found),
        more,
        host.site.get_url("gallery", f".tar?{again}"),
        len(packed),
        sum(image.size or 0 for image in packed),
        _build_picture_url(params, place, found, host),
        _build_data_links(params, place, host, site),
        tuple(f"{images.collection}: {images.caution}" for images in kinds.values() if images.caution),
    )


def _build_entry(image: FoundImage, found: Sequence[FoundImage], host: ImageUrls) -> web.ImageEntry:
    collection, images = image.collection, InventoryRow(image.collection, "image").images
    picture = host.preview_prefix(collection) + encode_query_value(image.name)
    every = name_all_bands(images) if image.band is not None else None
    mates = {o.band for o in found if (o.collection, o.observation) == (collection, image.observation)}
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
        f"{picture}&BAND={every}" if every and len(mates) == len(images.bands) else None,
        host.file_prefix(collection) + encode_query_value(image.name),
        host.links_prefix() + encode_query_value(host.identifier_prefix(collection) + image.name),
    )


def _build_picture_url(
    params: dali.Parameters, place: SearchRegion, found: Sequence[FoundImage], host: ImageUrls
) -> str | None:
    """Return the URL of a picture of the region; None where it would take long."""
    places = {(image.collection.id, image.observation) for image in found}
    if place.sides is None or not 0 < len(places) <= MAX_TILES:
        return None
    said = {"POS": "{:.6f},{:.6f}".format(*place.centre)}
    said |= {"SIZE": "{:.6g},{:.6g}".format(*place.sides)} if max(place.sides) > 0 else {}
    named = params.get_all("COLLECTION")
    said |= {"COLLECTION": named[0]} if len(named) == 1 and named[0] else {}
    return host.site.get_url("preview", f"?{urlencode(said | {'PIXELS': str(PREVIEW_PIXELS)}, safe=',')}")


def _build_data_links(
    params: dali.Parameters, place: SearchRegion, host: ImageUrls, site: Site
) -> tuple[tuple[str, str], ...]:
    """Return labels and URLs of the same search by SIA 2.0; none where SIA 2.0 has no equivalent."""
    names = {name.upper() for name, value in params.pairs if value}
    if place.sia2_pos is None or not names <= {"POS", "SIZE", "COLLECTION", "BAND"}:
        return ()
    known = {p.id: InventoryRow(p, "image").images for p in get_image_collections(site.catalogue)}
    named = [known[id].collection for id in params.get_all("COLLECTION") if id in known]
    bands = {b.name: b.reference for images in known.values() for b in images.bands}
    lights = [f"{bands[name]:g}" for name in params.get_all("BAND") if name in bands]
    asked = urlencode([("POS", place.sia2_pos), *(("COLLECTION", c) for c in named), *(("BAND", b) for b in lights)])
    formats = {"VOTable": "votable", "CSV": "csv", "JSON": "json"}
    return tuple(
        (label, host.site.get_url("sia2", f"/query?{asked}&RESPONSEFORMAT={f}")) for label, f in formats.items()
    )


SERVICE = Service(
    name="gallery",
    path="/images",
    resources=(Resource("", get_page), Resource(".tar", bundle.get_bundle)),
    error_renderer=error_response,
)
