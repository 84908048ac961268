"""Which files a picture is made of, by the inventory alone: of one image, or of the images of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vo_server.adql.semantics import query as q
from vo_server.adql.semantics.functions import CONTAINS
from vo_server.adql.semantics.values import constant
from vo_server.catalogue.catalogue import Collection
from vo_server.catalogue.images import Images
from vo_server.errors import NotFoundError, UsageError
from vo_server.http.service import Site
from vo_server.model import types
from vo_server.model.column import Column
from vo_server.obscore.query import Row, loaded
from vo_server.protocols.images import parameters
from vo_server.protocols.images.files import collection, looked_up, together
from vo_server.protocols.images.filters import Filters
from vo_server.protocols.images.sia1 import distance, point
from vo_server.sky.shapes import Shape
from vo_server.storage import files

COLOURS = 3
"""Bands that a picture in colour is made of."""

TILES = 12
"""Places of the survey that a picture may be put together from."""

_MOST = 64
"""Images of a place that are looked at for a picture of one of them."""


File = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Layers:
    """What a picture is made of: one plane for grey, three for colour, that of the longest wavelengths last. Each is a
    file and the number of a plane in it, from 0, or several of a place. `name` is for people."""

    name: str
    planes: tuple[tuple[File, ...], ...]

    @property
    def files(self) -> tuple[File, ...]:
        """All of them."""
        return tuple(file for plane in self.planes for file in plane)


@dataclass(frozen=True, slots=True)
class _Image:
    """A row of an inventory; `band` is None where it has all of them."""

    name: str
    path: str
    band: str | None
    ra: float
    dec: float
    observation: str


def colour(images: Images) -> str | None:
    """What a picture in all bands is asked for by, as JHK; None for a collection that does not have three."""
    return "".join(b.name for b in images.bands) if len(images.bands) == COLOURS else None


def of_image(said: str, band: str | None, site: Site) -> Layers:
    """Those of an image, COLLECTION/NAME, alone or as an identifier ends with it. Without a band they are its own.

    Raises NotFoundError where it is not there, or not in this band; UsageError where there is no such band.
    """
    id, _, name = said.partition("~?")[2].partition("/") if "~?" in said else said.partition("/")
    publication = collection(id, site)
    wanted = _wanted(publication, band)
    row = Row(publication, "image")
    found = _images(site, row, parameters.among(row.name, [name]))
    if not found:
        raise NotFoundError(f"there is no image {name!r} in {id}")
    return _layers(publication, found[0], wanted or _own(row.images, found[0]), site)


def of_place(place: tuple[float, float], id: str | None, band: str | None, site: Site) -> Layers:
    """Those of the image that shows a place and whose centre is nearest to it. Without a collection it is the first
    that has one; without a band all are taken, or else what there is.

    Raises NotFoundError where there is none, UsageError where there is no such band.
    """
    publications = [collection(id, site)] if id else loaded(site.catalogue, site.engine.rows)
    for publication in publications:
        wanted = _wanted(publication, band)
        for image in _nearest(publication, place, site):
            try:
                return _of(publication, image, wanted, site)
            except NotFoundError:  # it is not there in this band; another may be
                continue
    raise NotFoundError(f"there is no image of this place{f' in {band}' if band else ''}")


def _of(publication: Collection, image: _Image, wanted: Sequence[str], site: Site) -> Layers:
    if wanted:
        return _layers(publication, image, wanted, site)
    images = Row(publication, "image").images
    try:
        return _layers(publication, image, _every(images), site)
    except NotFoundError:
        return _layers(publication, image, _own(images, image), site)


def _nearest(publication: Collection, place: tuple[float, float], site: Site) -> list[_Image]:
    row = Row(publication, "image")
    here = point(constant(place[0]), constant(place[1]))
    shown = q.Holds(q.Apply(CONTAINS, (here, row.footprint), CONTAINS.result(())))
    return _images(site, row, shown, _MOST, (q.Order(distance(row, place)),))


def of_region(centre: tuple[float, float], region: Shape, id: str | None, band: str | None, site: Site) -> Layers:
    """Those of all images that meet a region. Without a collection it is the first that has some; without a band all
    are taken, if they are there everywhere.

    Raises NotFoundError where there is none, UsageError where there is no such band, or more than TILES images in one.
    """
    publications = [collection(id, site)] if id else loaded(site.catalogue, site.engine.rows)
    for publication in publications:
        wanted = _wanted(publication, band)
        row = Row(publication, "image")
        most = TILES * len(row.images.bands) + 1
        order = (q.Order(distance(row, centre)),)
        known = _images(site, row, parameters.overlapping(row.footprint, [region]), most, order)
        planes = _tiled(publication, known, wanted, site)
        if max(map(len, planes), default=0) > TILES or len(known) == most:
            hint = "ask for less of the sky, or without SIZE for the image that is nearest"
            raise UsageError(f"a picture of this place would be made of more than {TILES} images", hint=hint)
        if planes:
            name = f"{publication.id}_{centre[0]:.4f}{centre[1]:+.4f}"
            return Layers(f"{name}_{''.join(wanted) or len(planes)}", planes)
    raise NotFoundError(f"there is no image of this place{f' in {band}' if band else ''}")


def _tiled(
    publication: Collection, known: Sequence[_Image], wanted: Sequence[str], site: Site
) -> tuple[tuple[File, ...], ...]:
    """The planes of images of several places, in the bands that are there of each."""
    images = Row(publication, "image").images
    if not known:
        return ()
    order = [b.name for b in images.bands]
    if images.band is None:
        numbers = [order.index(name) for name in wanted or _every(images)]
        return tuple(tuple((_where(publication, image, site), n) for image in known) for n in numbers)
    places: dict[str, dict[str | None, _Image]] = {}
    for image in known:
        places.setdefault(image.observation, {})[image.band] = image
    if not wanted:
        every = _every(images)
        wanted = every if all(set(every) <= set(place) for place in places.values()) else _own(images, known[0])
    whole = [place for place in places.values() if set(wanted) <= set(place)]
    planes = tuple(tuple((_where(publication, place[name], site), 0) for place in whole) for name in wanted)
    return planes if whole else ()


def _images(
    site: Site, row: Row, where: q.Condition, most: int = _MOST, order: tuple[q.Order, ...] = ()
) -> list[_Image]:
    path = row.filled("file", "path")
    assert path is not None  # no collection without it
    band = row.field(row.images.band) if row.images.band else q.Constant(None, Column("", types.VARCHAR))
    values = (row.name, path, band, *row.position, row.observation)
    return [_Image(*found) for found in looked_up(site, row, values, where, most, order)]


def _wanted(publication: Collection, said: str | None) -> list[str]:
    """The names of the bands that are asked for, one or three; none where nothing is."""
    images = publication.images
    assert images is not None
    if said is None:
        return []
    every = colour(images)
    if every is not None and said.upper() == every.upper():
        return [b.name for b in images.bands]
    try:
        return [Filters(publication).band(said)]
    except UsageError as fault:
        more = f", and {every} for colour" if every else ""
        raise UsageError(fault.message, hint=f"{fault.hint}{more}") from None


def _own(images: Images, image: _Image) -> list[str]:
    """The bands of an image: its own, or all where it has all."""
    return _every(images) if image.band is None else [image.band]


def _every(images: Images) -> list[str]:
    """All bands, where they make a picture in colour, or else the first."""
    return [b.name for b in images.bands][: COLOURS if colour(images) else 1]


def _layers(publication: Collection, image: _Image, wanted: Sequence[str], site: Site) -> Layers:
    """Those of an image and, for other bands than its own, of those of the same observation. An image of all bands has
    them in its first planes, in the order of the catalogue file."""
    row = Row(publication, "image")
    order = [b.name for b in row.images.bands]
    if image.band is None:
        return Layers(image.name, tuple(((_where(publication, image, site), order.index(name)),) for name in wanted))
    by_band = {image.band: image}
    if set(wanted) - set(by_band):
        mates = _images(site, row, together(row, image.ra, image.dec, image.observation))
        by_band = {mate.band: mate for mate in mates if mate.band is not None} | by_band
    missing = [name for name in wanted if name not in by_band]
    if missing:
        raise NotFoundError(f"there is no image in {', '.join(missing)} that goes with {image.name}")
    named = image.name if wanted == [image.band] else f"{image.observation}_{''.join(wanted)}"
    return Layers(named, tuple(((_where(publication, by_band[name], site), 0),) for name in wanted))


def _where(publication: Collection, image: _Image, site: Site) -> str:
    return files.below(site.roots[publication.id], image.path)
