"""DataLink 1.1: the links of an image: its file, pictures, cutouts, the same region in other bands, documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

import anyio
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.load import find_builtin_schemas, load_standard
from vo_server.catalogue.obscore import get_image_collections
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import Code, NotFoundError, ServiceError
from vo_server.formats import HTML, TABLEDATA, FormatChoice, select_format
from vo_server.http import dali, origin
from vo_server.http.errors import formatted_error
from vo_server.http.responses import document_response
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import get_base_url
from vo_server.images.preview import PREVIEW_PIXELS, THUMBNAIL_PIXELS
from vo_server.model.column import Table
from vo_server.model.result import Descriptor, Result
from vo_server.obscore.query import DATALINK, ImageUrls, InventoryRow, loaded_collections
from vo_server.obscore.templates import encode_query_value
from vo_server.protocols.images import descriptors, parameters
from vo_server.protocols.images.descriptors import LINKS_ID, SYNC_ID, ImageExtent
from vo_server.protocols.images.files import fetch_images, find_owner, match_observation
from vo_server.protocols.images.layers import COLOUR_BANDS, name_all_bands

MAX_IDS = 200
"""Identifiers of a request with links in the response; the rest are left out with an overflow."""


@cache
def _load_table() -> Table:
    _, (table,) = load_standard(find_builtin_schemas() / "standard" / "datalink.toml")
    return table


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the links table; the fields are its columns."""

    ID: str
    access_url: str | None = None
    service_def: str | None = None
    error_message: str | None = None
    description: str | None = None
    semantics: str = "#this"
    content_type: str | None = None
    content_length: int | None = None
    content_qualifier: str | None = None
    local_semantics: str | None = None


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are image collections."""
    return (SERVICE,) if get_image_collections(catalogue) else ()


async def get_links(request: Request, site: Site) -> Response:
    """Return the links of each requested data set, one after another; none without an ID (section 2.1)."""
    params = await dali.read_parameters(request)
    choice = _choose_format(request, params)
    host = origin.make_image_urls(site, get_base_url(request, site.public_url))
    ids = list(dict.fromkeys(id.strip() for id in params.get_all("ID") if id.strip()))

    def create_document() -> bytes:
        collections = loaded_collections(site.catalogue, site.engine.count_rows) if ids else ()
        numbers = (None,) if len(ids) == 1 else range(1, MAX_IDS + 1)
        parts = [
            part
            for id, number in zip(ids, numbers, strict=False)
            for part in _list_links(id, number, collections, site, host)
        ]
        rows = [part for part in parts if isinstance(part, Link)]
        services = tuple(part for part in parts if isinstance(part, Descriptor))
        # a page has no INFO on its request, since it would offer that URL in other formats
        requested = origin.describe_request(request, site) if choice.format is TABLEDATA else ()
        infos = origin.describe_response(site, LINKS_ID, requested, (), {})
        batches = iter([_to_batch(rows)])
        result = Result(_load_table().columns, batches, "Links", _load_table().description, infos, descriptors=services)
        result.overflow = len(ids) > MAX_IDS
        return b"".join(choice.format.write(result))

    return document_response(request, await anyio.to_thread.run_sync(create_document), choice.content_type)


def _choose_format(request: Request, params: dali.Parameters) -> FormatChoice:
    """Return the format: a VOTable under its requested or its own media type (section 3.3), HTML for a browser."""
    request.state.choice = FormatChoice(TABLEDATA, DATALINK)
    requested = params.get("RESPONSEFORMAT")
    if requested is None and dali.is_navigation(request):
        return FormatChoice(HTML, HTML.media_type)
    if requested is None or requested.lower().replace(" ", "") in ("votable", DATALINK):
        return FormatChoice(TABLEDATA, DATALINK)
    return select_format(requested, None, TABLEDATA, (TABLEDATA, HTML))


def _to_batch(rows: Sequence[Link]) -> pa.RecordBatch:
    columns = _load_table().columns
    assert [c.name for c in columns] == [f.name for f in fields(Link)]
    arrays = [pa.array([getattr(row, c.name) for row in rows], c.type.arrow) for c in columns]
    return pa.record_batch(arrays, names=[c.name for c in columns])


# ------------------------------------------------------------------ links


Parts = Iterator[Link | Descriptor]
"""Links, and the descriptors of services that they refer to."""


def _list_links(id: str, number: int | None, collections: Sequence[Collection], site: Site, host: ImageUrls) -> Parts:
    """Yield the links of one data set; a row with an error message where there are none (section 3.4).

    `number` is the position of the data set where several are requested.
    """
    try:
        yield from _build_links(id, number, collections, site, host)
    except ServiceError as error:
        yield Link(id, error_message=f"{error.dali_name}: {error}")


def _build_links(id: str, number: int | None, collections: Sequence[Collection], site: Site, host: ImageUrls) -> Parts:
    collection, name = find_owner(id, collections, host)
    row = InventoryRow(collection, "image")
    values = (row.title, row.size, *row.position, row.observation, *descriptors.extent_columns(row))
    rows = fetch_images(site, row, values, parameters.equals_any(row.name, [name]))
    if not rows:
        raise NotFoundError("unknown data set", code=Code.IMAGE_NOT_FOUND)
    title, length, ra, dec, observation, *extent = rows[0]
    images = row.images
    caution = f" {images.caution}" if images.caution else ""
    yield Link(
        id,
        host.file_prefix(collection) + encode_query_value(name),
        description=f"{title}.{caution}",
        content_type=images.media_type,
        content_length=length,
        content_qualifier=f"#{images.product}",
    )
    yield from _build_cutout_links(descriptors.build_extent(id, ra, dec, *extent), host, number, caution)
    own_key, centre_and_observation = (collection.id, name), (ra, dec, observation)
    siblings = {
        p.id: list(_build_sibling_links(id, own_key, InventoryRow(p, "sibling"), centre_and_observation, site, host))
        for p in collections
    }
    complete = images.band is None or len(siblings[collection.id]) + 1 == COLOUR_BANDS
    yield from _build_picture_links(id, name, collection, host, complete)
    for mates in siblings.values():
        yield from mates
    yield from _build_document_links(id, collection)


def _build_picture_links(id: str, name: str, collection: Collection, host: ImageUrls, complete: bool) -> Iterator[Link]:
    """Yield the links to pictures; `complete` is whether all bands are there, for a picture in colour."""
    images = collection.images
    assert images is not None
    url = host.preview_prefix(collection) + encode_query_value(name)
    all_bands = name_all_bands(images) if complete else None
    large = f"&PIXELS={PREVIEW_PIXELS}"
    kinds = [("Picture", large, "#preview")] if images.band or all_bands is None else []
    kinds += (
        [(f"Picture in colour from {all_bands}", f"&BAND={all_bands}{large}", "#preview")]
        if all_bands is not None
        else []
    )
    kinds += [("Thumbnail", f"&PIXELS={THUMBNAIL_PIXELS}", "#thumbnail")]
    for title, query, semantics in kinds:
        yield Link(id, url + query, description=title, semantics=semantics, content_type="image/jpeg")


def _build_cutout_links(extent: ImageExtent, host: ImageUrls, number: int | None, caution: str) -> Parts:
    """Yield the services that cut the image; a client that looks for `#cutout` finds the synchronous one."""
    for service in descriptors.describe_soda(extent, host, number):
        text = f"{service.description}, by circle, polygon or range and by wavelength.{caution}"
        yield Link(
            extent.id,
            service_def=service.id,
            description=text,
            semantics="#cutout" if service.standard_id == SYNC_ID else "#proc",
            content_type=service.content_type,
            local_semantics="cutout",
        )
        yield service


def _build_sibling_links(
    id: str, own_key: tuple[str, str], row: InventoryRow, of: tuple[float, float, str], site: Site, host: ImageUrls
) -> Iterator[Link]:
    """Yield the links to images of the same observation, in other bands or of other collections."""
    collection = row.collection
    if row.images.observation is None:
        return
    for name, title, length in sorted(
        fetch_images(site, row, (row.name, row.title, row.size), match_observation(row, *of))
    ):
        if (collection.id, name) != own_key:
            yield Link(
                id,
                host.file_prefix(collection) + encode_query_value(name),
                description=title,
                semantics="#coderived",
                content_type=row.images.media_type,
                content_length=length,
                content_qualifier=f"#{row.images.product}",
                local_semantics="sibling",
            )


def _build_document_links(id: str, collection: Collection) -> Iterator[Link]:
    """Yield the links to documentation: of the collection, and notes on its data."""
    documents = [(collection.origin.title, collection.origin.reference_url)]
    documents += [(note.text, note.url) for note in collection.notes]
    for title, url in documents:
        if url:
            yield Link(id, url, description=title, semantics="#documentation", content_type="text/html")


def render_error(request: Request, site: Site, error: ServiceError) -> Response:
    """Return an error of the whole request, in a VOTable (section 3.4)."""
    return formatted_error(request, error, TABLEDATA)


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """Return the capability of the links (section 2.2)."""
    interface = Interface(
        f"{base}/links",
        use="base",
        role="std",
        version="1.1",
        query_types=("GET",),
        result_type=DATALINK,
    )
    return (Capability(LINKS_ID, (interface,)),)


SERVICE = Service(
    name="datalink",
    path="/datalink",
    resources=(Resource("/links", get_links, ("GET", "POST")),),
    error_renderer=render_error,
    capabilities=capabilities,
    label="DataLink",
    of_images=True,
)
