"""Requests for cutouts: parts of images by identifier, region, wavelength and format (SODA 1.0 section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

from vo_server.errors import Code, NoPixelsError, NotFoundError, UsageError
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.images import bands, cutout, preview
from vo_server.images.image import Image, open_image, read_image
from vo_server.obscore.query import ImageUrls, InventoryRow, loaded_collections
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import fetch_images, find_owner
from vo_server.sky.shapes import Shape
from vo_server.storage import files

REGION_PARAMETERS = ("POS", "CIRCLE", "POLYGON")
"""The parameters of regions; each value is a region."""

Band = tuple[float, float]
CutoutRenderer = Callable[[Image, Shape | None, Band | None, str], bytes]
"""Maps an image, a region, a band and the image's identifier to the bytes of a cutout."""


@dataclass(frozen=True, slots=True)
class CutoutFormat:
    """A format of cutouts: its media type, file extension and renderer."""

    media_type: str
    extension: str
    render: CutoutRenderer


@dataclass(frozen=True, slots=True)
class CutoutRequest:
    """A request for a part of an image; without a region the whole image, without a band all planes."""

    id: str
    region: Shape | None = None
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class CutoutRequests:
    """All identifiers, regions and bands of a request; each combination is a cutout (SODA 1.0 section 6)."""

    ids: tuple[str, ...]
    regions: tuple[Shape, ...]
    bands: tuple[Band, ...]

    def combinations(self) -> Iterator[CutoutRequest]:
        """Yield one request for each combination."""
        for id, region, band in product(self.ids, self.regions or (None,), self.bands or (None,)):
            yield CutoutRequest(id, region, band)

    @property
    def count(self) -> int:
        """The number of combinations."""
        return len(self.ids) * max(len(self.regions), 1) * max(len(self.bands), 1)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A cutout, its media type and its file name."""

    data: bytes
    media_type: str
    name: str


def parse_requests(params: Parameters) -> CutoutRequests:
    """Return the requests of the parameters.

    Raises UsageError for a missing ID and for an invalid value.
    """
    ids = tuple(dict.fromkeys(id.strip() for id in params.get_all("ID") if id.strip()))
    if not ids:
        raise UsageError(
            "ID is missing",
            hint="give it the obs_publisher_did of an image, as ivoa.obscore has it",
            code=Code.REQUEST_MISSING_PARAMETER,
        )
    for name in ("TIME", "POL"):
        if any(params.get_all(name)):
            message = f"{name} is not supported: these images have one time and no polarisation"
            raise UsageError(message, code=Code.REQUEST_UNSUPPORTED)
    regions = (
        _parse_region(name, value) for name in REGION_PARAMETERS for value in params.get_all(name) if value.strip()
    )
    intervals = (_parse_band(value) for value in params.get_all("BAND") if value.strip())
    return CutoutRequests(ids, tuple(regions), tuple(intervals))


def _parse_region(name: str, value: str) -> Shape:
    return parameters.parse_pos(name, value) if name == "POS" else parameters.parse_shape(name, name, value)


def _parse_band(value: str) -> Band:
    try:
        return parameters.parse_interval("BAND", value, " in m")
    except UsageError as error:
        hint = "give two wavelengths in m: " + ", ".join(f"{b.name} is {b.low:g} {b.high:g}" for b in bands.BANDS)
        raise UsageError(error.message, hint=hint, code=error.code) from None


# ---------------------------------------------------------------- formats


def _render_fits(image: Image, region: Shape | None, band: Band | None, source: str) -> bytes:
    return cutout.cut(image, region, band, source)


def _render_picture(
    kind: Literal["png", "jpeg"], image: Image, region: Shape | None, band: Band | None, source: str
) -> bytes:
    """Return a picture: of three planes in colour, else of the first one in grey."""
    count = image.shape[0]
    planes = tuple(range(count)) if band is None else bands.select_planes(image.header, count, *band)
    style = preview.PictureStyle(format=kind)
    if len(planes) < 3:
        return preview.render_gray((image, planes[0]), region, style)
    return preview.render_colour([(image, plane) for plane in planes[:3]], region, style)


_FORMATS = (
    (CutoutFormat("image/fits", "fits", _render_fits), ("fits",)),
    (CutoutFormat("application/fits", "fits", _render_fits), ()),
    (CutoutFormat("image/png", "png", partial(_render_picture, "png")), ("png",)),
    (CutoutFormat("image/jpeg", "jpg", partial(_render_picture, "jpeg")), ("jpeg", "jpg")),
)
"""The formats, and their short names."""

FORMATS = tuple(form.media_type for form, _ in _FORMATS)


def parse_format(params: Parameters) -> CutoutFormat:
    """Return the format of RESPONSEFORMAT; FITS by default.

    Raises UsageError for a format that is not offered.
    """
    requested = params.get("RESPONSEFORMAT") or FORMATS[0]
    name = requested.strip().lower()
    for format, names in _FORMATS:
        if name in (format.media_type, *names):
            return format
    raise UsageError(
        f"RESPONSEFORMAT {requested!r} is not offered",
        hint=f"offered are {', '.join(FORMATS)}",
        code=Code.REQUEST_UNSUPPORTED_FORMAT,
    )


# ---------------------------------------------------------------- cutting


@dataclass(frozen=True, slots=True)
class _OpenImage:
    """An open image, its identifier, its name as a file name, and its wavelengths in metres, None where unknown."""

    image: Image
    id: str
    stem: str
    low: float | None
    high: float | None

    def to_cutout(self, data: bytes, output_format: CutoutFormat) -> Cutout:
        """Return a cutout of the image in a format."""
        return Cutout(data, output_format.media_type, f"{self.stem}_cut.{output_format.extension}")


def cut(request: CutoutRequest, output_format: CutoutFormat, site: Site, host: ImageUrls) -> Cutout:
    """Return the cutout of a request.

    Raises NotFoundError for an unknown image, NoPixelsError for an empty cutout, TooLargeError for too many pixels,
    ImageError for a file that cannot be read.
    """
    with _open_image(request.id, site, host) as opened:
        band, low, high = request.band, opened.low, opened.high
        if band is not None and opened.image.shape[0] == 1 and low is not None and high is not None:
            if not (low <= band[1] and band[0] <= high):
                raise NoPixelsError("the image has no light of these wavelengths")
            band = None  # the inventory gives the wavelengths, so that the header need not
        return opened.to_cutout(output_format.render(opened.image, request.region, band, opened.id), output_format)


def cut_to_size(
    id: str,
    position: tuple[float, float],
    size: tuple[int, int],
    output_format: CutoutFormat,
    site: Site,
    host: ImageUrls,
) -> Cutout:
    """Return a cutout of `size` columns and rows about a position in degrees, NaN beyond the image; see `cut`."""
    with _open_image(id, site, host) as opened:
        data = cutout.cut_to_size(opened.image, *position, *size, opened.id)
        if output_format.render is not _render_fits:
            data = output_format.render(read_image(files.MemoryFile(data)), None, None, opened.id)
        return opened.to_cutout(data, output_format)


@contextmanager
def _open_image(id: str, site: Site, host: ImageUrls) -> Iterator[_OpenImage]:
    """Open the image of an identifier.

    Raises NotFoundError for an unknown image, ImageError for a file that cannot be read.
    """
    collection, name = find_owner(id, loaded_collections(site.catalogue, site.engine.count_rows), host)
    row = InventoryRow(collection, "image")
    path = row.find_column("file", "path")
    assert path is not None  # no collection without it
    limits = row.band_value(lambda b: b.low, min), row.band_value(lambda b: b.high, max)
    matches = fetch_images(site, row, (path, *limits), parameters.equals_any(row.name, [name]))
    if not matches:
        raise NotFoundError("unknown data set", code=Code.IMAGE_NOT_FOUND)
    file, low, high = matches[0]
    stem = re.sub(r"[^A-Za-z0-9._+-]", "_", name)
    with open_image(files.resolve_path(site.roots[collection.id], str(file))) as image:
        yield _OpenImage(image, host.identifier_prefix(collection) + name, stem, low, high)
