"""Cutouts as they are asked for: parts of images by identifier, region, wavelength and format (SODA 1.0 section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

from vo_server.errors import NoPixelsError, NotFoundError, UsageError
from vo_server.http.dali import Parameters
from vo_server.http.service import Site
from vo_server.images import bands, cutout, preview
from vo_server.images.image import Image, of, opened
from vo_server.obscore.query import Host, Row, loaded
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import looked_up, owner
from vo_server.sky.shapes import Shape
from vo_server.storage import files

REGIONS = ("POS", "CIRCLE", "POLYGON")
"""The parameters that say where; several of them are so many regions."""

Band = tuple[float, float]
Make = Callable[[Image, Shape | None, Band | None, str], bytes]
"""An image, a region, a band and the image's identifier to the bytes of a cutout."""


@dataclass(frozen=True, slots=True)
class Form:
    """A format of cutouts, under the media type that the client knows."""

    media_type: str
    extension: str
    make: Make


@dataclass(frozen=True, slots=True)
class Wish:
    """A part of an image; without a region it is all of its sky, without a band all of its planes."""

    id: str
    region: Shape | None = None
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """All identifiers, regions and bands of a request; each combination is a cutout (SODA 1.0 section 6)."""

    ids: tuple[str, ...]
    regions: tuple[Shape, ...]
    bands: tuple[Band, ...]

    def each(self) -> Iterator[Wish]:
        """One combination after the other."""
        for id, region, band in product(self.ids, self.regions or (None,), self.bands or (None,)):
            yield Wish(id, region, band)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.ids) * max(len(self.regions), 1) * max(len(self.bands), 1)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A cutout, and what it is saved as."""

    data: bytes
    media_type: str
    name: str


def wishes(given: Parameters) -> Wishes:
    """What the parameters ask for.

    Raises UsageError where the ID is missing, and for a value that is none of its parameter.
    """
    ids = tuple(dict.fromkeys(id.strip() for id in given.all("ID") if id.strip()))
    if not ids:
        raise UsageError("ID is missing", hint="give it the obs_publisher_did of an image, as ivoa.obscore has it")
    for name in ("TIME", "POL"):
        if any(given.all(name)):
            raise UsageError(f"{name} does not cut these images: they have one time and no polarisation")
    regions = (_region(name, said) for name in REGIONS for said in given.all(name) if said.strip())
    intervals = (_band(said) for said in given.all("BAND") if said.strip())
    return Wishes(ids, tuple(regions), tuple(intervals))


def _region(name: str, said: str) -> Shape:
    return parameters.region(name, said) if name == "POS" else parameters.shape(name, name, said)


def _band(said: str) -> Band:
    try:
        return parameters.interval("BAND", said, " in m")
    except UsageError as fault:
        hint = "give two wavelengths in m: " + ", ".join(f"{b.name} is {b.low:g} {b.high:g}" for b in bands.BANDS)
        raise UsageError(fault.message, hint=hint) from None


# ---------------------------------------------------------------- formats


def _fits(image: Image, region: Shape | None, band: Band | None, source: str) -> bytes:
    return cutout.cut(image, region, band, source)


def _drawn(kind: Literal["png", "jpeg"], image: Image, region: Shape | None, band: Band | None, source: str) -> bytes:
    """A picture: of three planes in colour, else of the first one in grey."""
    count = image.shape[0]
    planes = tuple(range(count)) if band is None else bands.planes(image.header, count, *band)
    look = preview.Look(format=kind)
    if len(planes) < 3:
        return preview.gray((image, planes[0]), region, look)
    return preview.colour([(image, plane) for plane in planes[:3]], region, look)


_FORMS = (
    (Form("image/fits", "fits", _fits), ("fits",)),
    (Form("application/fits", "fits", _fits), ()),
    (Form("image/png", "png", partial(_drawn, "png")), ("png",)),
    (Form("image/jpeg", "jpg", partial(_drawn, "jpeg")), ("jpeg", "jpg")),
)
"""The formats, and their short names."""

FORMATS = tuple(form.media_type for form, _ in _FORMS)


def form(given: Parameters) -> Form:
    """The format that RESPONSEFORMAT names; FITS where it names none.

    Raises UsageError for one that is not offered.
    """
    asked = given.one("RESPONSEFORMAT") or FORMATS[0]
    word = asked.strip().lower()
    for known, names in _FORMS:
        if word in (known.media_type, *names):
            return known
    raise UsageError(f"RESPONSEFORMAT {asked!r} is not offered", hint=f"offered are {', '.join(FORMATS)}")


# ---------------------------------------------------------------- cutting


@dataclass(frozen=True, slots=True)
class _Found:
    """An open image, its identifier, its name as that of a file, and its wavelengths where they are known."""

    image: Image
    id: str
    stem: str
    low: float | None
    high: float | None

    def saved(self, data: bytes, wanted: Form) -> Cutout:
        """A cutout of it."""
        return Cutout(data, wanted.media_type, f"{self.stem}_cut.{wanted.extension}")


def made(wish: Wish, wanted: Form, site: Site, host: Host) -> Cutout:
    """A cutout.

    Raises NotFoundError where there is no such image, NoPixelsError where it has nothing of what is wished,
    TooLargeError for too many pixels, ImageError where its file cannot be read.
    """
    with _image(wish.id, site, host) as found:
        band = wish.band
        if band is not None and found.image.shape[0] == 1 and found.low is not None and found.high is not None:
            if not (found.low <= band[1] and band[0] <= found.high):
                raise NoPixelsError("the image has no light of these wavelengths")
            band = None  # what the inventory says, the header need not
        return found.saved(wanted.make(found.image, wish.region, band, found.id), wanted)


def exact(id: str, place: tuple[float, float], size: tuple[int, int], wanted: Form, site: Site, host: Host) -> Cutout:
    """A cutout of so many columns and rows about a place in degrees, with nothing where the image has nothing; see
    `made`."""
    with _image(id, site, host) as found:
        data = cutout.exact(found.image, *place, *size, found.id)
        if wanted.make is not _fits:
            data = wanted.make(of(files.Held(data)), None, None, found.id)
        return found.saved(data, wanted)


@contextmanager
def _image(id: str, site: Site, host: Host) -> Iterator[_Found]:
    """The image of this identifier."""
    publication, name = owner(id, loaded(site.catalogue, site.engine.rows), host)
    row = Row(publication, "image")
    path = row.filled("file", "path")
    assert path is not None  # no collection without it
    limits = row.of_band(lambda b: b.low, min), row.of_band(lambda b: b.high, max)
    known = looked_up(site, row, (path, *limits), parameters.among(row.name, [name]))
    if not known:
        raise NotFoundError("there is no such data set here")
    file, low, high = known[0]
    stem = re.sub(r"[^A-Za-z0-9._+-]", "_", name)
    with opened(files.below(site.roots[publication.id], str(file))) as image:
        yield _Found(image, host.prefix(publication) + name, stem, low, high)
