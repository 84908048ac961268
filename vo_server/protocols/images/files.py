"""The files of the image collections, /images/COLLECTION/IMAGE, by the inventory alone: what a client names is looked
up there, and the inventory says which file it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import NEAR, POINT
from vo_server.adql.semantics.values import constant
from vo_server.answer import prepared
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import image_collections
from vo_server.errors import NotFoundError, UsageError
from vo_server.http.errors import error_response
from vo_server.http.files import GZIP, PACKED, Stored
from vo_server.http.service import Resource, Service, Site
from vo_server.obscore.query import Host, Row
from vo_server.obscore.templates import text
from vo_server.protocols.images import parameters

MOST = 10_000
"""Rows of the inventory that are looked up at once."""

NEARBY = 1 / 3600
"""Degrees between the centres of images of one observation, at the most."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    return (SERVICE,) if image_collections(catalogue) else ()


async def image(request: Request, site: Site) -> Response:
    """The file of an image.

    Raises NotFoundError for a collection, an image or a file that is not there.
    """
    publication = collection(request.path_params["collection"], site)
    name: str = request.path_params["image"]

    def found() -> Response:
        row = Row(publication, "image")
        path = row.filled("file", "path")
        assert path is not None  # no collection without it
        known = looked_up(site, row, (path,), parameters.among(row.name, [name]))
        if not known:
            raise NotFoundError(f"there is no image {name!r} in {publication.id}")
        file = str(known[0][0])
        headers = {
            "Content-Type": row.images.media_type,
            "Content-Disposition": f'attachment; filename="{_file_name(file)}"',
            "Cache-Control": "public, max-age=3600",
        }
        stored = Stored(site.roots[publication.id], file)
        if row.images.restored and file.endswith(PACKED):
            return stored.restored(request, headers)
        return stored.answer(request, headers)

    return await anyio.to_thread.run_sync(found)


def collection(id: str, site: Site) -> Collection:
    """The collection of this id.

    Raises NotFoundError where it is not there, or not loaded yet.
    """
    known = {p.id: p for p in image_collections(site.catalogue)}
    if id not in known:
        raise NotFoundError(f"there is no image collection {id!r}", hint=f"there are {', '.join(known)}")
    if site.engine.rows(known[id].table) is None:
        raise NotFoundError(f"the images of {id} have not been loaded yet")
    return known[id]


def owner(id: str, known: Sequence[Collection], host: Host) -> tuple[Collection, str]:
    """The collection of the image that has this identifier (obs_publisher_did), and what it is called there.

    Raises UsageError for what is no identifier, NotFoundError where it is of no collection.
    """
    if not id.lower().startswith("ivo://"):
        raise UsageError(f"{id[:80]!r} is no identifier of a data set", hint="obs_publisher_did of ivoa.obscore is one")
    for publication in known:
        name = host.image(publication, id)
        if name is not None:
            return publication, name
    raise NotFoundError("there is no such data set here")


def _file_name(path: str) -> str:
    """What a browser saves it as: it is unpacked by then."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", path.rpartition("/")[2].removesuffix(GZIP).removesuffix(PACKED))


def looked_up(
    site: Site,
    row: Row,
    values: Sequence[q.Value],
    where: q.Condition | None,
    most: int = MOST,
    order: tuple[q.Order, ...] = (),
) -> list[tuple[Any, ...]]:
    """These values of the images of an inventory for which a condition holds, by the road of all queries."""
    outputs = tuple(q.Output(f"v{n}", value) for n, value in enumerate(values))
    return answered(site, q.Select(outputs, row.scan, where, order_by=order), most)


def answered(site: Site, query: q.Select, most: int) -> list[tuple[Any, ...]]:
    """The rows of a query, so many at the most."""
    made = prepared(replace(query, top=most), site.engine, most)
    batches = site.engine.run(made.statement, made.slots, timeout=site.timeout, brief=made.brief).batches()
    return [each for batch in batches for each in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def together(row: Row, ra: float, dec: float, observation: str) -> q.Condition:
    """An image is of this observation, whose centre lies there, in one band or another."""
    pairs = row.position, (constant(ra), constant(dec))
    centres = tuple(q.Apply(POINT, pair, POINT.result(pair)) for pair in pairs)
    near = q.Holds(q.Apply(NEAR, (*centres, constant(NEARBY)), NEAR.result(())))
    return q.And((near, q.Compare("=", row.observation, text(observation))))


SERVICE = Service(
    name="images",
    path="/images",
    resources=(Resource("/{collection}/{image}", image),),
    refuse=error_response,
)
