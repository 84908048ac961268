"""The files of the image collections, /images/COLLECTION/IMAGE.

A client names an image, and the inventory names its file: no path comes from a client.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import POINT
from vo_server.adql.semantics.internal_functions import NEAR
from vo_server.adql.semantics.values import to_constant
from vo_server.answer import fetch_rows
from vo_server.catalogue.catalogue import Catalogue, Collection
from vo_server.catalogue.obscore import get_image_collections
from vo_server.errors import Code, NotFoundError, UsageError
from vo_server.http.errors import error_response
from vo_server.http.files import FPACK_SUFFIX, GZIP_SUFFIX, FileSource
from vo_server.http.service import Resource, Service, Site
from vo_server.obscore.query import ImageUrls, InventoryRow
from vo_server.obscore.templates import to_text
from vo_server.protocols.images import parameters

MAX_ROWS = 10_000
"""Rows of an inventory that one look-up returns, at most."""

MAX_CENTRE_SHIFT_DEGREES = 1 / 3600
"""Distance between the centres of images of one observation, at most."""


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """Return the service, where there are image collections."""
    return (SERVICE,) if get_image_collections(catalogue) else ()


async def get_image(request: Request, site: Site) -> Response:
    """Return the file of an image.

    Raises NotFoundError for an unknown collection or image, and for a missing file.
    """
    collection = find_collection(request.path_params["collection"], site)
    name: str = request.path_params["image"]

    def build_response() -> Response:
        row = InventoryRow(collection, "image")
        path = row.find_column("file", "path")
        assert path is not None  # no collection without it
        matches = fetch_images(site, row, (path,), parameters.equals_any(row.name, [name]))
        if not matches:
            raise NotFoundError(f"there is no image {name!r} in {collection.id}")
        file = str(matches[0][0])
        headers = {
            "Content-Type": row.images.media_type,
            "Content-Disposition": f'attachment; filename="{_to_file_name(file)}"',
            "Cache-Control": "public, max-age=3600",
        }
        source = FileSource(site.roots[collection.id], file)
        if row.images.restored and file.endswith(FPACK_SUFFIX):
            return source.fits_response(request, headers)
        return source.response(request, headers)

    return await anyio.to_thread.run_sync(build_response)


def find_collection(id: str, site: Site) -> Collection:
    """Return the image collection of an id.

    Raises NotFoundError for an unknown collection, and for one that is not loaded.
    """
    collections = {p.id: p for p in get_image_collections(site.catalogue)}
    if id not in collections:
        raise NotFoundError(
            f"there is no image collection {id!r}",
            hint=f"there are {', '.join(collections)}",
            code=Code.IMAGE_NOT_FOUND,
        )
    if site.engine.count_rows(collections[id].table) is None:
        raise NotFoundError(f"the images of {id} have not been loaded yet", code=Code.QUERY_NOT_LOADED)
    return collections[id]


def find_owner(id: str, collections: Sequence[Collection], host: ImageUrls) -> tuple[Collection, str]:
    """Return the collection and the name of the image with an identifier (obs_publisher_did).

    Raises UsageError for an invalid identifier, NotFoundError for one of no collection.
    """
    if not id.lower().startswith("ivo://"):
        raise UsageError(
            f"{id[:80]!r} is not an identifier of a data set",
            hint="obs_publisher_did of ivoa.obscore is one",
            code=Code.REQUEST_BAD_PARAMETER,
        )
    for collection in collections:
        name = host.image_name(collection, id)
        if name is not None:
            return collection, name
    raise NotFoundError("unknown data set", code=Code.IMAGE_NOT_FOUND)


def _to_file_name(path: str) -> str:
    """Return the file name for a browser, which has decompressed the file by then."""
    return re.sub(
        r"[^A-Za-z0-9._+-]", "_", path.rpartition("/")[2].removesuffix(GZIP_SUFFIX).removesuffix(FPACK_SUFFIX)
    )


def fetch_images(
    site: Site,
    row: InventoryRow,
    values: Sequence[q.Value],
    where: q.Condition | None,
    max_rows: int = MAX_ROWS,
    order: tuple[q.SortKey, ...] = (),
) -> list[tuple[Any, ...]]:
    """Return values of the images of an inventory that meet a condition, at most `max_rows` rows."""
    outputs = tuple(q.OutputColumn(f"v{n}", value) for n, value in enumerate(values))
    query = q.SelectQuery(outputs, row.scan, where, order_by=order)
    return list(fetch_rows(query, site.engine, max_rows, site.timeout))


def match_observation(row: InventoryRow, ra: float, dec: float, observation: str) -> q.Condition:
    """Return the condition that an image belongs to this observation about this centre (degrees), in any band."""
    pairs = row.position, (to_constant(ra), to_constant(dec))
    centres = tuple(POINT.call(*pair) for pair in pairs)
    near = q.PredicateTest(NEAR.call(*centres, to_constant(MAX_CENTRE_SHIFT_DEGREES)))
    return q.Conjunction((near, q.Comparison("=", row.observation, to_text(observation))))


SERVICE = Service(
    name="images",
    path="/images",
    resources=(Resource("/{collection}/{image}", get_image),),
    error_renderer=error_response,
)
