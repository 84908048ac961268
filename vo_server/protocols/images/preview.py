"""Pictures of images at /preview: one band in grey, three in colour, of an image or of a place.

ID        COLLECTION/IMAGE, or the identifier of the data set, which ends with it; or else
POS, SIZE a place and the box about it, as in SIA 1.0, put together from all images of it; without SIZE the whole image
          that is nearest; with an ID the part of the image that is shown
COLLECTION of places: the collection that is asked, the first that has an image if none is told
BAND      a band, or all of them in one word, as JHK, for colour
PIXELS    the longer side of the picture, that of the image if none is told
STRETCH   asinh or zscale, of pictures in grey
FORMAT    jpeg or png
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from threading import Lock
from typing import Literal, TypeVar

import anyio
from starlette.requests import Request
from starlette.responses import Response

from vo_server.catalogue.catalogue import Catalogue
from vo_server.catalogue.obscore import image_collections
from vo_server.errors import NoPixelsError, NotFoundError, UsageError
from vo_server.http import dali
from vo_server.http.conditional import known
from vo_server.http.errors import error_response
from vo_server.http.responses import in_turn
from vo_server.http.service import Resource, Service, Site
from vo_server.images import image, preview
from vo_server.images.mosaic import mosaic
from vo_server.protocols.images import layers
from vo_server.protocols.images.sia1 import placed
from vo_server.sky.shapes import Shape
from vo_server.storage import files

KEPT = 32 << 20
"""Bytes of pictures that are kept in memory."""

_MADE = b"1"
"""To be changed when the same request gives another picture, so that nobody believes that he has it."""

T = TypeVar("T")

_FORMATS: Mapping[str, Literal["png", "jpeg"]] = {
    "jpeg": "jpeg",
    "png": "png",
    "jpg": "jpeg",
    "image/jpeg": "jpeg",
    "image/png": "png",
}
_STRETCHES: Mapping[str, Literal["asinh", "zscale"]] = {"asinh": "asinh", "zscale": "zscale"}


def services(catalogue: Catalogue) -> tuple[Service, ...]:
    """One, where there are image collections."""
    if not image_collections(catalogue):
        return ()
    return (Service("preview", "/preview", (Resource("", partial(picture, Kept())),), error_response),)


class Kept:
    """Pictures that were made, those that were asked for last."""

    def __init__(self, limit: int = KEPT) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def find(self, key: str) -> bytes | None:
        """The picture of this key; None where it is not kept."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def keep(self, key: str, made: bytes) -> None:
        """Keep a picture, in the place of those that nobody asked for longest."""
        with self._lock:
            if key in self._held or len(made) > self._limit:
                return
            self._held[key] = made
            self._size += len(made)
            while self._size > self._limit:
                _, gone = self._held.popitem(last=False)
                self._size -= len(gone)


async def picture(kept: Kept, request: Request, site: Site) -> Response:
    """The picture that is asked for.

    Raises UsageError for what is no picture, NotFoundError where there is none.
    """
    given = await dali.parameters(request)
    look = _look(given)
    subject = await anyio.to_thread.run_sync(_subject, given, site)
    etag = await anyio.to_thread.run_sync(subject.etag, look)
    headers = {
        "ETag": f'"{etag}"',
        "Cache-Control": "public, max-age=3600",
        "Content-Type": f"image/{look.format}",
        "Content-Disposition": f'inline; filename="{subject.layers.name}.{"jpg" if look.format == "jpeg" else "png"}"',
    }
    if known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
    made = kept.find(etag)
    if made is None:
        made = await in_turn(request, site, partial(_drawn, subject, look))
        kept.keep(etag, made)
    return Response(made, headers=headers)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is to be seen: of one image all, or what it has of a region; or else a box about a place, its sides in
    degrees, of which several images may show parts."""

    layers: layers.Layers
    region: Shape | None = None
    box: tuple[tuple[float, float], tuple[float, float]] | None = None

    def etag(self, look: preview.Look) -> str:
        """By the files, which planes of them and how: the same as long as none of them changes."""
        said = [(files.facts(where).etag, plane) for where, plane in self.layers.files]
        of = (len(self.layers.planes), self.region, self.box, look)
        return blake2b(_MADE + repr((said, of)).encode(), digest_size=12).hexdigest()


def _drawn(subject: _Subject, look: preview.Look) -> bytes:
    """The picture.

    Raises NotFoundError where nothing is to be seen.
    """
    with ExitStack() as stack:
        opened = {where: stack.enter_context(image.opened(where)) for where in dict(subject.layers.files)}
        planes = [[(opened[where], number) for where, number in plane] for plane in subject.layers.planes]
        try:
            if subject.box is None:
                of = [plane[0] for plane in planes]
            else:
                together = mosaic(planes, *subject.box, look.size)
                of = [(together, number) for number in range(len(planes))]
            return (
                preview.colour(of, subject.region, look) if len(of) > 1 else preview.gray(of[0], subject.region, look)
            )
        except NoPixelsError as fault:
            raise NotFoundError(str(fault)) from None


def _subject(given: dali.Parameters, site: Site) -> _Subject:
    """What is asked for."""
    id, band, size = given.one("ID"), given.one("BAND"), given.one("SIZE")
    if id is None and given.one("POS") is None:
        raise UsageError("neither ID nor POS is there", hint="such as ID=atlas/IMAGE or POS=266.4,-29.0&SIZE=0.1")
    if id is not None and given.one("COLLECTION"):
        raise UsageError("COLLECTION goes with POS", hint="an ID names its collection")
    if size is not None and given.one("POS") is None:
        raise UsageError("SIZE is there without POS", hint="PIXELS is how large the picture is")
    place = placed(given.with_default("SIZE", "0"), needed=False)
    if id is not None:
        region = place[1] if place is not None and size is not None else None
        return _Subject(layers.of_image(id, band, site), region)
    assert place is not None
    if size is None:
        return _Subject(layers.of_place(place[0], given.one("COLLECTION"), band, site))
    found = layers.of_region(*place, given.one("COLLECTION"), band, site)
    sides = [float(side) for side in size.split(",")]
    return _Subject(found, box=(place[0], (sides[0], sides[-1])))


def _look(given: dali.Parameters) -> preview.Look:
    said = given.one("PIXELS")
    if said is not None and not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise UsageError(f"PIXELS is {said!r}, which is not a whole number")
    size = None if said is None else int(said)
    return preview.Look(size, _one_of(given, "FORMAT", _FORMATS), _one_of(given, "STRETCH", _STRETCHES))


def _one_of(given: dali.Parameters, name: str, known: Mapping[str, T]) -> T:
    """The value of a parameter, the first that is known where there is none."""
    said = (given.one(name) or next(iter(known))).lower()
    if said not in known:
        raise UsageError(f"{name} is {said[:80]!r}, which is none of {', '.join(known)}")
    return known[said]
