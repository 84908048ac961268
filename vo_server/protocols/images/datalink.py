"""DataLink 1.1: what is had of an image: its file, pictures, the same place in other bands, and what is to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

import anyio
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.load import builtin_schemas, load_standard
from vo_server.catalogue.obscore import image_collections
from vo_server.documents.capability import Capability, Interface
from vo_server.errors import NotFoundError, ServiceError
from vo_server.formats import HTML, TABLEDATA, Choice, choose
from vo_server.http import dali, origin
from vo_server.http.errors import formatted_error
from vo_server.http.responses import document
from vo_server.http.service import Resource, Service, Site
from vo_server.http.urls import base_url
from vo_server.images.preview import PREVIEW, THUMBNAIL
from vo_server.model.column import Table
from vo_server.model.result import Descriptor, Result
from vo_server.obscore.query import DATALINK, Host, Row, loaded
from vo_server.obscore.templates import encoded
from vo_server.protocols.images import descriptors, parameters
from vo_server.protocols.images.descriptors import LINKS_ID, SYNC_ID, Reach
from vo_server.protocols.images.files import looked_up, owner, together
from vo_server.protocols.images.layers import COLOURS, colour

MOST = 200
"""Identifiers that are answered at once; the first ones of more."""


@cache
def _table() -> Table:
    _, (table,) = load_standard(builtin_schemas() / "standard" / "datalink.toml")
    return table


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the answer, its fields the columns."""

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
    """One, where there are image collections."""
    return (SERVICE,) if image_collections(catalogue) else ()


async def links(request: Request, site: Site) -> Response:
    """The links of each data set that is asked for, one after another; without an ID there are none (section 2.1)."""
    given = await dali.parameters(request)
    choice = _choice(request, given)
    host = origin.host_of(site, base_url(request, site.public_url))
    ids = list(dict.fromkeys(id.strip() for id in given.all("ID") if id.strip()))

    def made() -> bytes:
        known = loaded(site.catalogue, site.engine.rows) if ids else ()
        numbers = (None,) if len(ids) == 1 else range(1, MOST + 1)
        said = [part for id, number in zip(ids, numbers, strict=False) for part in _of(id, number, known, site, host)]
        rows = [part for part in said if isinstance(part, Link)]
        services = tuple(part for part in said if isinstance(part, Descriptor))
        asked = origin.asked(request, site) if choice.format is TABLEDATA else ()  # a page would offer other formats
        infos = origin.infos(site, LINKS_ID, asked, (), {})
        batches = iter([_batch(rows)])
        result = Result(_table().columns, batches, "Links", _table().description, infos, descriptors=services)
        result.overflow = len(ids) > MOST
        return b"".join(choice.format.write(result))

    return document(request, await anyio.to_thread.run_sync(made), choice.content_type)


def _choice(request: Request, given: dali.Parameters) -> Choice:
    """A VOTable, under the name that was asked for or under its own (section 3.3); a page for a person."""
    request.state.choice = Choice(TABLEDATA, DATALINK)
    asked = given.one("RESPONSEFORMAT")
    if asked is None and dali.from_person(request):
        return Choice(HTML, HTML.media_type)
    if asked is None or asked.lower().replace(" ", "") in ("votable", DATALINK):
        return Choice(TABLEDATA, DATALINK)
    return choose(asked, None, TABLEDATA, (TABLEDATA, HTML))


def _batch(rows: Sequence[Link]) -> pa.RecordBatch:
    columns = _table().columns
    assert [c.name for c in columns] == [f.name for f in fields(Link)]
    arrays = [pa.array([getattr(row, c.name) for row in rows], c.type.arrow) for c in columns]
    return pa.record_batch(arrays, names=[c.name for c in columns])


# ------------------------------------------------------------ what is had


Parts = Iterator[Link | Descriptor]
"""Rows, and the descriptors of services that they name."""


def _of(id: str, number: int | None, known: Sequence[Collection], site: Site, host: Host) -> Parts:
    """The links of one data set; a row that says why there are none, where there are none (section 3.4).

    `number` is that of the data set where there are several.
    """
    try:
        yield from _found(id, number, known, site, host)
    except ServiceError as fault:
        yield Link(id, error_message=f"{fault.dali_name}: {fault}")


def _found(id: str, number: int | None, known: Sequence[Collection], site: Site, host: Host) -> Parts:
    publication, name = owner(id, known, host)
    row = Row(publication, "image")
    values = (row.title, row.size, *row.position, row.observation, *descriptors.reaching(row))
    found = looked_up(site, row, values, parameters.among(row.name, [name]))
    if not found:
        raise NotFoundError("there is no such data set here")
    title, length, ra, dec, observation, *reach = found[0]
    images = row.images
    caution = f" {images.caution}" if images.caution else ""
    yield Link(
        id,
        host.file(publication) + encoded(name),
        description=f"{title}.{caution}",
        content_type=images.media_type,
        content_length=length,
        content_qualifier=f"#{images.product}",
    )
    yield from _cutouts(descriptors.reach(id, ra, dec, *reach), host, number, caution)
    mine, of = (publication.id, name), (ra, dec, observation)
    siblings = {p.id: list(_siblings(id, mine, Row(p, "sibling"), of, site, host)) for p in known}
    complete = images.band is None or len(siblings[publication.id]) + 1 == COLOURS
    yield from _pictures(id, name, publication, host, complete)
    for mates in siblings.values():
        yield from mates
    yield from _documents(id, publication)


def _pictures(id: str, name: str, publication: Collection, host: Host, complete: bool) -> Iterator[Link]:
    """What it looks like; `complete` tells whether all bands are there."""
    images = publication.images
    assert images is not None
    url = host.preview(publication) + encoded(name)
    every = colour(images) if complete else None
    large = f"&PIXELS={PREVIEW}"
    kinds = [("Picture", large, "#preview")] if images.band or every is None else []
    kinds += [(f"Picture in colour from {every}", f"&BAND={every}{large}", "#preview")] if every is not None else []
    kinds += [("Thumbnail", f"&PIXELS={THUMBNAIL}", "#thumbnail")]
    for said, how, semantics in kinds:
        yield Link(id, url + how, description=said, semantics=semantics, content_type="image/jpeg")


def _cutouts(reach: Reach, host: Host, number: int | None, caution: str) -> Parts:
    """Services that cut the image; a client that wants a cutout finds the one that gives it at once."""
    for service in descriptors.soda(reach, host, number):
        said = f"{service.description}, by circle, polygon or range and by wavelength.{caution}"
        yield Link(
            reach.id,
            service_def=service.id,
            description=said,
            semantics="#cutout" if service.standard_id == SYNC_ID else "#proc",
            content_type=service.content_type,
            local_semantics="cutout",
        )
        yield service


def _siblings(
    id: str, own: tuple[str, str], row: Row, of: tuple[float, float, str], site: Site, host: Host
) -> Iterator[Link]:
    """The images of the same observation, in other bands or of other collections."""
    publication = row.publication
    if row.images.observation is None:
        return
    for name, title, length in sorted(looked_up(site, row, (row.name, row.title, row.size), together(row, *of))):
        if (publication.id, name) != own:
            yield Link(
                id,
                host.file(publication) + encoded(name),
                description=title,
                semantics="#coderived",
                content_type=row.images.media_type,
                content_length=length,
                content_qualifier=f"#{row.images.product}",
                local_semantics="sibling",
            )


def _documents(id: str, publication: Collection) -> Iterator[Link]:
    """What is to be read: of the collection, and before its numbers are trusted."""
    said = [(publication.origin.title, publication.origin.reference_url)]
    said += [(note.text, note.url) for note in publication.notes]
    for what, url in said:
        if url:
            yield Link(id, url, description=what, semantics="#documentation", content_type="text/html")


def refuse(request: Request, site: Site, fault: ServiceError) -> Response:
    """A fault of the whole service: a VOTable (section 3.4)."""
    return formatted_error(request, fault, TABLEDATA)


def capabilities(site: Site, base: str) -> tuple[Capability, ...]:
    """The capability of the links (section 2.2)."""
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
    resources=(Resource("/links", links, ("GET", "POST")),),
    refuse=refuse,
    capabilities=capabilities,
    label="DataLink",
    of_images=True,
)
