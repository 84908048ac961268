"""Images for people at /images: what there is, and which of them show a place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import image_collections
from vo_server.errors import UsageError
from vo_server.http import dali, origin
from vo_server.http.errors import error_response
from vo_server.http.responses import document, in_turn
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url
from vo_server.images.preview import PREVIEW, THUMBNAIL
from vo_server.obscore.query import Host, Row
from vo_server.obscore.templates import encoded
from vo_server.protocols.images import bundle, selection
from vo_server.protocols.images.layers import TILES, colour
from vo_server.protocols.images.selection import Around, Found
from vo_server.protocols.images.summary import stocked
from vo_server.web import images as web

SHOWN = 100
"""Images of a page."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    return (SERVICE,) if image_collections(catalogue) else ()


async def page(request: Request, site: Site) -> Response:
    """The page. What is wrong with the place that is asked for is said on it, and by its status."""
    given = await dali.parameters(request)
    base = base_url(request, site.public_url)
    made, status = await in_turn(request, site, partial(_page, given, base, site))
    answer = document(request, made.encode(), "text/html;charset=utf-8")
    answer.status_code = status
    return answer


def _page(given: dali.Parameters, base: str, site: Site) -> tuple[str, int]:
    known = [p for p in image_collections(site.catalogue) if site.engine.rows(p.table) is not None]
    table, wrong, status = None, None, 200
    try:
        place = selection.around(given)
        if place is not None:
            table = _table(given, place, origin.host_of(site, base), site)
    except UsageError as fault:
        wrong, status = str(fault), fault.status
    stock = [stocked(p, site, base) for p in known]
    return web.page(base, site.title, _asked(given, known), stock, table, wrong), status


def _asked(given: dali.Parameters, known: Sequence[Collection]) -> web.Asked:
    said = {name: next(iter(given.all(name)), "") for name in ("POS", "SIZE", "COLLECTION", "BAND")}
    bands = dict.fromkeys(b.name for p in known for b in Row(p, "image").images.bands)
    titles = tuple((p.id, p.table.title or p.table.name) for p in known)
    return web.Asked(said["POS"], said["SIZE"], said["COLLECTION"], said["BAND"], titles, tuple(bands))


def _table(given: dali.Parameters, place: Around, host: Host, site: Site) -> web.Table:
    found, more = selection.found(given, place, site, bundle.IMAGES)
    packed = bundle.fitting(found)
    again = urlencode([(name, value) for name, value in given.given if value])
    kinds = {image.publication.id: Row(image.publication, "image").images for image in found}
    return web.Table(
        tuple(_shown(image, found, host) for image in found[:SHOWN]),
        len(found),
        more,
        f"{host.base}/images.tar?{again}",
        len(packed),
        sum(image.size or 0 for image in packed),
        _look(given, place, found, host),
        _data(given, place, host, site),
        tuple(f"{images.collection}: {images.caution}" for images in kinds.values() if images.caution),
    )


def _shown(image: Found, found: Sequence[Found], host: Host) -> web.Shown:
    publication, images = image.publication, Row(image.publication, "image").images
    picture = host.preview(publication) + encoded(image.name)
    every = colour(images) if image.band is not None else None
    mates = {o.band for o in found if (o.publication, o.observation) == (publication, image.observation)}
    return web.Shown(
        image.title,
        images.collection,
        image.band or "".join(b.name for b in images.bands),
        image.ra,
        image.dec,
        image.away,
        image.size,
        f"{picture}&PIXELS={THUMBNAIL}",
        picture,
        f"{picture}&BAND={every}" if every and len(mates) == len(images.bands) else None,
        host.file(publication) + encoded(image.name),
        host.links() + encoded(host.prefix(publication) + image.name),
    )


def _look(given: dali.Parameters, place: Around, found: Sequence[Found], host: Host) -> str | None:
    """A picture of the place, if it is no work for long."""
    places = {(image.publication.id, image.observation) for image in found}
    if place.sides is None or not 0 < len(places) <= TILES:
        return None
    said = {"POS": "{:.6f},{:.6f}".format(*place.centre)}
    said |= {"SIZE": "{:.6g},{:.6g}".format(*place.sides)} if max(place.sides) > 0 else {}
    named = given.all("COLLECTION")
    said |= {"COLLECTION": named[0]} if len(named) == 1 and named[0] else {}
    return f"{host.base}/preview?{urlencode(said | {'PIXELS': str(PREVIEW)}, safe=',')}"


def _data(given: dali.Parameters, place: Around, host: Host, site: Site) -> tuple[tuple[str, str], ...]:
    """The same images by SIA 2.0, for programs; nothing where it cannot be asked the same."""
    names = {name.upper() for name, value in given.given if value}
    if place.asked is None or not names <= {"POS", "SIZE", "COLLECTION", "BAND"}:
        return ()
    known = {p.id: Row(p, "image").images for p in image_collections(site.catalogue)}
    named = [known[id].collection for id in given.all("COLLECTION") if id in known]
    bands = {b.name: b.reference for images in known.values() for b in images.bands}
    lights = [f"{bands[name]:g}" for name in given.all("BAND") if name in bands]
    asked = urlencode([("POS", place.asked), *(("COLLECTION", c) for c in named), *(("BAND", b) for b in lights)])
    formats = {"VOTable": "votable", "CSV": "csv", "JSON": "json"}
    return tuple((label, f"{host.base}/sia2/query?{asked}&RESPONSEFORMAT={f}") for label, f in formats.items())


SERVICE = Service(
    name="gallery",
    path="/images",
    resources=(Resource("", page), Resource(".tar", bundle.bundle)),
    refuse=error_response,
)
