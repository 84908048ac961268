"""Pictures of images at /preview: one band in grey, three in colour, of an image or of a region.

ID        COLLECTION/IMAGE, or the identifier of the data set, which ends with it; or else
POS, SIZE a position and the box about it, as in SIA 1.0, combined from all images of it; without SIZE the whole image
          that is nearest; with an ID the part of the image that is shown
COLLECTION with POS: the collection, by default the first that has an image
BAND      a band, or all of them in one word, as JHK, for colour
PIXELS    the longer side of the picture, by default that of the image
STRETCH   asinh or zscale, for pictures in grey
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
from vo_server.catalogue.obscore import get_image_collections
from vo_server.errors import Code, NoPixelsError, NotFoundError, UsageError
from vo_server.http import dali
from vo_server.http.conditional import etag_matches
from vo_server.http.errors import error_response
from vo_server.http.responses import run_in_slot
from vo_server.http.service import Resource, Service, Site
from vo_server.images import image, preview
from vo_server.images.mosaic import build_mosaic
from vo_server.protocols.images import layers
from vo_server.protocols.images.layers import PictureLayers
from vo_server.protocols.images.sia1 import parse_pos_size
from vo_server.sky.shapes import Shape
from vo_server.storage import files

CACHE_BYTES = 32 << 20
"""Bytes of pictures that are cached in memory."""

_RENDERING_VERSION = b"1"
"""Bump when the rendering changes, to invalidate cached pictures."""

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
    """Return the service, where there are image collections."""
    if not get_image_collections(catalogue):
        return ()
    return (Service("preview", "/preview", (Resource("", partial(get_picture, PictureCache())),), error_response),)


class PictureCache:
    """A cache of the most recently requested pictures (LRU)."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """Set up an empty cache of `limit` bytes."""
        self._limit = limit
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """Return the picture of a key; None where it is not cached."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def store(self, key: str, data: bytes) -> None:
        """Cache a picture, and evict the least recently requested ones."""
        with self._lock:
            if key in self._pictures or len(data) > self._limit:
                return
            self._pictures[key] = data
            self._size += len(data)
            while self._size > self._limit:
                _, evicted = self._pictures.popitem(last=False)
                self._size -= len(evicted)


async def get_picture(cache: PictureCache, request: Request, site: Site) -> Response:
    """Return the requested picture.

    Raises UsageError for an invalid request, NotFoundError where no image has the region.
    """
    params = await dali.read_parameters(request)
    style = _parse_style(params)
    subject = await anyio.to_thread.run_sync(_parse_subject, params, site)
    etag = await anyio.to_thread.run_sync(subject.compute_etag, style)
    headers = {
        "ETag": f'"{etag}"',
        "Cache-Control": "public, max-age=3600",
        "Content-Type": f"image/{style.format}",
        "Content-Disposition": f'inline; filename="{subject.layers.name}.{"jpg" if style.format == "jpeg" else "png"}"',
    }
    if etag_matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
    data = cache.get(etag)
    if data is None:
        data = await run_in_slot(request, site, partial(_render, subject, style))
        cache.store(etag, data)
    return Response(data, headers=headers)


@dataclass(frozen=True, slots=True)
class _PictureSubject:
    """The subject of a picture: one image or its part in a region, or a box (centre, sides in degrees) that several
    images may cover together."""

    layers: PictureLayers
    region: Shape | None = None
    box: tuple[tuple[float, float], tuple[float, float]] | None = None

    def compute_etag(self, style: preview.PictureStyle) -> str:
        """Compute the ETag from the files, planes and style: the same as long as no file changes."""
        planes = [(files.stat_file(location).etag, plane) for location, plane in self.layers.files]
        details = (len(self.layers.planes), self.region, self.box, style)
        return blake2b(_RENDERING_VERSION + repr((planes, details)).encode(), digest_size=12).hexdigest()


def _render(subject: _PictureSubject, style: preview.PictureStyle) -> bytes:
    """Return the bytes of the picture.

    Raises NotFoundError for a region without pixels.
    """
    with ExitStack() as stack:
        images = {location: stack.enter_context(image.open_image(location)) for location in dict(subject.layers.files)}
        planes = [[(images[location], number) for location, number in plane] for plane in subject.layers.planes]
        try:
            if subject.box is None:
                shown = [plane[0] for plane in planes]
            else:
                combined = build_mosaic(planes, *subject.box, style.size)
                shown = [(combined, number) for number in range(len(planes))]
            return (
                preview.render_colour(shown, subject.region, style)
                if len(shown) > 1
                else preview.render_gray(shown[0], subject.region, style)
            )
        except NoPixelsError as error:
            raise NotFoundError(str(error), code=Code.IMAGE_NO_OVERLAP) from None


def _parse_subject(params: dali.Parameters, site: Site) -> _PictureSubject:
    """Return the requested subject.

    Raises UsageError for an invalid combination of parameters, NotFoundError where there is no such image.
    """
    id, band, size = params.get("ID"), params.get("BAND"), params.get("SIZE")
    if id is None and params.get("POS") is None:
        raise UsageError(
            "ID or POS is required",
            hint="such as ID=atlas/IMAGE or POS=266.4,-29.0&SIZE=0.1",
            code=Code.REQUEST_MISSING_PARAMETER,
        )
    if id is not None and params.get("COLLECTION"):
        raise UsageError("COLLECTION needs POS", hint="an ID names its collection", code=Code.REQUEST_BAD_PARAMETER)
    if size is not None and params.get("POS") is None:
        raise UsageError(
            "SIZE needs POS", hint="PIXELS is the size of the picture", code=Code.REQUEST_MISSING_PARAMETER
        )
    pos_size = parse_pos_size(params.with_default("SIZE", "0"), required=False)
    if id is not None:
        region = pos_size[1] if pos_size is not None and size is not None else None
        return _PictureSubject(layers.find_image_layers(id, band, site), region)
    assert pos_size is not None
    if size is None:
        return _PictureSubject(layers.find_position_layers(pos_size[0], params.get("COLLECTION"), band, site))
    planes_found = layers.find_region_layers(*pos_size, params.get("COLLECTION"), band, site)
    sides = [float(side) for side in size.split(",")]
    return _PictureSubject(planes_found, box=(pos_size[0], (sides[0], sides[-1])))


def _parse_style(params: dali.Parameters) -> preview.PictureStyle:
    """Return the style of PIXELS, FORMAT and STRETCH.

    Raises UsageError for an invalid one.
    """
    text = params.get("PIXELS")
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"PIXELS must be a positive integer, not {text!r}", code=Code.REQUEST_BAD_PARAMETER)
    size = None if text is None else int(text)
    return preview.PictureStyle(
        size, _parse_choice(params, "FORMAT", _FORMATS), _parse_choice(params, "STRETCH", _STRETCHES)
    )


def _parse_choice(params: dali.Parameters, name: str, choices: Mapping[str, T]) -> T:
    """Return the choice that a parameter names, by default the first.

    Raises UsageError for an unknown one.
    """
    text = (params.get(name) or next(iter(choices))).lower()
    if text not in choices:
        message = f"{name} must be one of {', '.join(choices)}, not {text[:80]!r}"
        raise UsageError(message, code=Code.REQUEST_BAD_PARAMETER)
    return choices[text]
