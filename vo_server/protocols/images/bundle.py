"""The images of a place in one tar stream, with a manifest that says what is in it and what is not."""

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

from vo_server.errors import ImageError, NotFoundError, UsageError
from vo_server.http import dali, origin
from vo_server.http.responses import in_turn
from vo_server.http.service import Site
from vo_server.http.urls import asked_url, base_url
from vo_server.obscore.query import Host, Row
from vo_server.obscore.templates import encoded
from vo_server.protocols.images import selection
from vo_server.protocols.images.selection import Found
from vo_server.storage import files, tar

log = logging.getLogger(__name__)

IMAGES = 1_000
"""Images of a stream at the most."""

BYTES = 4_000_000_000
"""Bytes of the images of a stream at the most."""

FOLDER = "images"
"""Where all files of a stream lie."""

MANIFEST = f"{FOLDER}/manifest.csv"


@dataclass(frozen=True, slots=True)
class _Packed:
    """An image in the stream."""

    image: Found
    member: tar.Member


def fitting(found: Sequence[Found]) -> list[Found]:
    """The first images whose bytes, as the inventory has them, a stream may have."""
    kept, size = [], 0
    for image in found[:IMAGES]:
        size += image.size or 0
        if size > BYTES:
            break
        kept.append(image)
    return kept


async def bundle(request: Request, site: Site) -> Response:
    """The stream, of the images that the page shows for the same parameters, the nearest first.

    Raises UsageError without a place, NotFoundError where no image meets it.
    """
    given = await dali.parameters(request)
    place = selection.around(given)
    if place is None:
        raise UsageError("POS is missing", hint="such as POS=266.4,-29.0&SIZE=0.1, or CIRCLE 266.4 -29.0 0.1")
    asked, host = asked_url(request, site.public_url), origin.host_of(site, base_url(request, site.public_url))

    def gathered() -> list[tar.Member]:
        found, more = selection.found(given, place, site, IMAGES)
        if not found:
            raise NotFoundError("no image meets this place")
        return _members(found, more, asked, host, site)

    members = await in_turn(request, site, gathered)
    headers = {
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="{FOLDER}.tar"',
        "Content-Length": str(tar.length(members)),
        "Cache-Control": "no-cache",
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    return StreamingResponse(_logged(tar.stream(members)), headers=headers)


def _logged(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A stream that cannot go on ends before its length: so the client knows, and the log says why."""
    try:
        yield from pieces
    except ImageError as fault:
        log.error("a tar stream was broken off: %s", fault)
        raise


def _members(found: Sequence[Found], more: bool, asked: str, host: Host, site: Site) -> list[tar.Member]:
    packed: list[_Packed] = []
    missing: list[str] = []
    kept = fitting(found)
    for image in kept:
        try:
            packed.append(_packed(image, site))
        except ImageError as fault:
            missing.append(f"{image.publication.id}/{image.name}: {fault}")
    said = _manifest(packed, missing, _cut(found, kept, more), asked, host, site)
    manifest = tar.Member(MANIFEST, len(said), datetime.now(UTC), lambda: [said])
    return [manifest, *(p.member for p in packed)]


def _packed(image: Found, site: Site) -> _Packed:
    where = files.below(site.roots[image.publication.id], image.path)
    facts = files.facts(where)
    name = f"{FOLDER}/{image.publication.id}/{image.path}"
    modified = facts.modified or datetime.now(UTC)
    return _Packed(image, tar.Member(name, facts.size, modified, partial(files.pieces, where, 0, facts.size)))


def _cut(found: Sequence[Found], kept: Sequence[Found], more: bool) -> str:
    """How many of the images there are."""
    if len(kept) == len(found) and not more:
        return f"all {len(found):,} images that meet the place"
    there = f"more than {len(found):,}" if more else f"{len(found):,}"
    return (
        f"CUT: the {len(kept):,} images nearest to the middle of the place, of {there} that meet it; a stream has"
        f" {IMAGES:,} images and {BYTES:,} bytes at the most; ask for less of the sky, one collection or one band"
    )


def _manifest(packed: Sequence[_Packed], missing: Sequence[str], cut: str, asked: str, host: Host, site: Site) -> bytes:
    """A table in CSV; what is to be said of all of it stands before it, in lines that begin with #."""
    publications = {p.image.publication.id: p.image.publication for p in packed}
    said = [
        f"Images from {site.title}, packed by {site.software} on {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"Asked: {asked}",
        f"Here: {cut}",
        *(f"Missing: {what}" for what in missing),
    ]
    for publication in publications.values():
        told, caution = publication.origin, Row(publication, "image").images.caution
        said += [f"{publication.id}: {each}" for each in (told.title, caution, told.acknowledgement) if each]
    file = io.StringIO()
    for line in said:
        file.write(f"# {' '.join(line.split())}\n")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("file", "collection", "image", "title", "band", "ra", "dec", "bytes", "url", "identifier"))
    for each in packed:
        image, publication = each.image, each.image.publication
        table.writerow((
            each.member.name.removeprefix(f"{FOLDER}/"), publication.id, image.name, image.title, image.band or "",
            repr(image.ra), repr(image.dec), each.member.size, host.file(publication) + encoded(image.name),
            host.prefix(publication) + image.name,
        ))  # fmt: skip
    return file.getvalue().encode()
