"""The images of a search region in one tar stream, with a manifest of what is in it and what is missing."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vo_server.errors import Code, ImageError, NotFoundError, UsageError
from vo_server.http import dali, origin
from vo_server.http.responses import run_in_slot
from vo_server.http.service import Site
from vo_server.http.urls import get_base_url, get_request_url
from vo_server.obscore.query import ImageUrls, InventoryRow
from vo_server.obscore.templates import encode_query_value
from vo_server.protocols.images import selection
from vo_server.protocols.images.selection import FoundImage
from vo_server.storage import files, tar

log = logging.getLogger(__name__)

MAX_IMAGES = 1_000
"""Images of a stream, at most."""

MAX_BYTES = 4_000_000_000
"""Bytes of the images of a stream, at most."""

FOLDER = "images"
"""The folder of all files in a stream."""

MANIFEST = f"{FOLDER}/manifest.csv"


@dataclass(frozen=True, slots=True)
class _PackedImage:
    """An image and its member of the archive."""

    image: FoundImage
    member: tar.TarMember


def limit_bundle(images: Sequence[FoundImage]) -> list[FoundImage]:
    """Return the first images, as many as the limits of a stream allow by the sizes in the inventory."""
    selected, size = [], 0
    for image in images[:MAX_IMAGES]:
        size += image.size or 0
        if size > MAX_BYTES:
            break
        selected.append(image)
    return selected


async def get_bundle(request: Request, site: Site) -> Response:
    """Return the stream of the images that the page shows for the same parameters, the nearest first.

    Raises UsageError without a region, NotFoundError for a region without images.
    """
    params = await dali.read_parameters(request)
    region = selection.parse_search_region(params)
    if region is None:
        raise UsageError(
            "POS is missing",
            hint="such as POS=266.4,-29.0&SIZE=0.1, or CIRCLE 266.4 -29.0 0.1",
            code=Code.REQUEST_MISSING_PARAMETER,
        )
    request_url, host = (
        get_request_url(request, site.public_url),
        origin.make_image_urls(site, get_base_url(request, site.public_url)),
    )

    def find_members() -> list[tar.TarMember]:
        images, more = selection.find_images(params, region, site, MAX_IMAGES)
        if not images:
            raise NotFoundError("no image overlaps this region", code=Code.IMAGE_NOT_FOUND)
        return _build_members(images, more, request_url, host, site)

    members = await run_in_slot(request, site, find_members)
    headers = {
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="{FOLDER}.tar"',
        "Content-Length": str(tar.compute_size(members)),
        "Cache-Control": "no-cache",
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    return StreamingResponse(_log_errors(tar.stream_archive(members)), headers=headers)


def _log_errors(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks and log an error: the stream ends before its length, by which the client knows."""
    try:
        yield from chunks
    except ImageError as error:
        log.error("a tar stream was interrupted: %s", error)
        raise


def _build_members(
    images: Sequence[FoundImage], more: bool, request_url: str, host: ImageUrls, site: Site
) -> list[tar.TarMember]:
    packed_images: list[_PackedImage] = []
    missing: list[str] = []
    selected = limit_bundle(images)
    for image in selected:
        try:
            packed_images.append(_pack(image, site))
        except ImageError as error:
            missing.append(f"{image.collection.id}/{image.name}: {error}")
    content = _build_manifest(
        packed_images, missing, _describe_selection(images, selected, more), request_url, host, site
    )
    manifest = tar.TarMember(MANIFEST, len(content), datetime.now(UTC), lambda: [content])
    return [manifest, *(p.member for p in packed_images)]


def _pack(image: FoundImage, site: Site) -> _PackedImage:
    location = files.resolve_path(site.roots[image.collection.id], image.path)
    info = files.stat_file(location)
    name = f"{FOLDER}/{image.collection.id}/{image.path}"
    modified = info.modified or datetime.now(UTC)
    return _PackedImage(
        image, tar.TarMember(name, info.size, modified, partial(files.read_chunks, location, 0, info.size))
    )


def _describe_selection(images: Sequence[FoundImage], selected: Sequence[FoundImage], more: bool) -> str:
    """Return how many of the images are in the stream."""
    if len(selected) == len(images) and not more:
        return f"all {len(images):,} images that overlap the region"
    total = f"more than {len(images):,}" if more else f"{len(images):,}"
    return (
        f"CUT: the {len(selected):,} images nearest to the centre of the region, of {total} that overlap it;"
        f" a stream has {MAX_IMAGES:,} images and {MAX_BYTES:,} bytes at most;"
        " request a smaller region, one collection or one band"
    )


def _build_manifest(
    packed_images: Sequence[_PackedImage],
    missing: Sequence[str],
    selection_text: str,
    request_url: str,
    host: ImageUrls,
    site: Site,
) -> bytes:
    """Return the manifest, a CSV table after lines of comments that begin with #."""
    collections = {p.image.collection.id: p.image.collection for p in packed_images}
    comments = [
        f"Images from {site.title}, packed by {site.software} on {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"Request: {request_url}",
        f"Content: {selection_text}",
        *(f"Missing: {text}" for text in missing),
    ]
    for collection in collections.values():
        origin_info, caution = collection.origin, InventoryRow(collection, "image").images.caution
        comments += [
            f"{collection.id}: {text}" for text in (origin_info.title, caution, origin_info.acknowledgement) if text
        ]
    file = io.StringIO()
    for line in comments:
        file.write(f"# {' '.join(line.split())}\n")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("file", "collection", "image", "title", "band", "ra", "dec", "bytes", "url", "identifier"))
    for packed in packed_images:
        image, collection = packed.image, packed.image.collection
        url = host.file_prefix(collection) + encode_query_value(image.name)
        table.writerow((
            packed.member.name.removeprefix(f"{FOLDER}/"), collection.id, image.name, image.title, image.band or "",
            repr(image.ra), repr(image.dec), packed.member.size, url,
            host.identifier_prefix(collection) + image.name,
        ))  # fmt: skip
    return file.getvalue().encode()
